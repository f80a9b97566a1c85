//! Words on the command line → [`Args`].

use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Installs signed updates into the other slot, and keeps a new system only when this board records in it again
#[derive(Debug, Parser)]
#[command(name = "nightjar-ota", version, arg_required_else_help = true)]
pub(crate) struct Args {
    /// The configuration; without it /etc/nightjar/ota.toml, if it is there
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Be the agent, until SIGTERM
    Run,
    /// Say whether a configuration is good, and if not what to mend
    Check {
        /// The configuration
        file: PathBuf,
    },
    /// Say what runs, what goes on and what was last
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what became of updates, newest first
    History {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Install a bundle from a file or an address, and show how far it is
    Install {
        /// A *.raucb, or https://…
        bundle: String,
    },
    /// Have the update undone that goes on
    Cancel,
    /// Start the new system that is installed and waits
    Reboot,
    /// Install the newest bundle of a stick that is newer than what runs
    Usb {
        /// Where the stick is mounted
        folder: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_words_fit_together() {
        Args::command().debug_assert();
        let args = Args::try_parse_from(["nightjar-ota", "install", "--config", "x", "a.raucb"]).unwrap();
        assert!(matches!(args.verb, Verb::Install { bundle } if bundle == "a.raucb"));
        assert!(Args::try_parse_from(["nightjar-ota", "install"]).is_err());
    }
}
