//! Words on the command line → [`Args`].

use clap::{Parser, Subcommand, ValueEnum};
use nightjar_api::Role;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Records cameras into a ring on the card, switches relays when a rule says so, shows it all on a phone.
#[derive(Debug, Parser)]
#[command(name = "nightjar", version, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Record until SIGTERM or Ctrl-C
    Run {
        /// The configuration; without it the built-in defaults are used
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Say whether a card is sound: every record, name, seal and hole, of a running recorder or a pulled card
    Check {
        /// The storage folder
        #[arg(value_name = "FOLDER")]
        folder: Option<PathBuf>,
        /// The configuration that names it
        #[arg(long, value_name = "FILE", conflicts_with = "folder")]
        config: Option<PathBuf>,
        /// Make the index again from the slabs alone. Not while a recorder runs
        #[arg(long)]
        rebuild: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Work with configuration files
    Config {
        #[command(subcommand)]
        what: ConfigVerb,
    },
    /// Work with API tokens for scripts
    Token {
        #[command(subcommand)]
        what: TokenVerb,
    },
    /// Work with rules
    Rules {
        #[command(subcommand)]
        what: RulesVerb,
    },
    /// Keep the lines of relays and inputs; `run` starts it
    #[command(hide = true)]
    Relays,
    /// Ask a phone on the board's own access point which Wi-Fi to join; `nightjar-setup` starts it
    #[command(hide = true)]
    Welcome {
        /// The access point's address
        #[arg(long, value_name = "ADDRESS")]
        listen: SocketAddr,
        /// Where a phone finds the recorder's page there
        #[arg(long, value_name = "URL")]
        page: String,
        /// What a phone's camera reads to join the access point: shown as a QR code
        #[arg(long, value_name = "TEXT")]
        qr: Option<String>,
        /// Where `wifi.conf` and `environment` are left
        #[arg(long, value_name = "FOLDER")]
        folder: PathBuf,
        /// A file with names of networks, and one that says why the last could not be joined
        #[arg(long, value_name = "FILE")]
        heard: Option<PathBuf>,
        /// See `heard`
        #[arg(long, value_name = "FILE")]
        failed: Option<PathBuf>,
    },
    /// Say whether footage is as it was recorded: slabs from a card, exported clips, whole folders
    ///
    /// Needs no configuration and no recorder. The public key is shown by the recorder at GET /api/v1/device-key. Ends
    /// with 1 when anything is not as recorded.
    Verify {
        /// Files and folders
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The device's public key, or a file with it: only what it signed is good
        #[arg(long, value_name = "HEX|FILE")]
        key: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Say whether a file is good, and if not what to mend
    Check {
        /// The configuration
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum RulesVerb {
    /// Run other rules over what was seen and heard, and show which outputs would have moved beside those that did
    ///
    /// Works while the recorder runs. Moves nothing.
    Rehearse {
        /// The configuration of the recorder
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// A file with [[rule]] tables; of a whole configuration only they count
        #[arg(long, value_name = "FILE")]
        rules: PathBuf,
        /// First moment, e.g. 2026-11-21T10:00:00Z or "2026-11-21 10:00"; without it a day before the last
        #[arg(long, value_name = "MOMENT")]
        from: Option<String>,
        /// Moment after the last; without it now
        #[arg(long, value_name = "MOMENT")]
        to: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenVerb {
    /// Print a new token, for `Authorization: Bearer TOKEN`. Works while the recorder runs
    New {
        /// The configuration of the recorder
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// What it may do
        #[arg(long, value_enum, default_value = "viewer")]
        role: RoleWord,
        /// How long it is good: 90s, 30min, 1h, 7d
        #[arg(long, default_value = "1h", value_parser = lasting)]
        ttl: Duration,
        /// Who uses it, for the audit
        #[arg(long, default_value = "script")]
        label: String,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum RoleWord {
    /// Looks
    Viewer,
    /// Looks and tests outputs
    Operator,
    /// Everything
    Admin,
}

impl From<RoleWord> for Role {
    fn from(word: RoleWord) -> Role {
        match word {
            RoleWord::Viewer => Role::Viewer,
            RoleWord::Operator => Role::Operator,
            RoleWord::Admin => Role::Admin,
        }
    }
}

fn lasting(text: &str) -> Result<Duration, String> {
    nightjar_types::config::duration(text)
        .ok_or_else(|| format!("\"{text}\" is not a time such as 90s, 30min, 1h or 7d"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_words_fit_together() {
        Args::command().debug_assert();
        let args = Args::try_parse_from([
            "nightjar", "token", "new", "--config", "x", "--role", "viewer", "--ttl", "1h",
        ])
        .unwrap();
        assert!(
            matches!(args.verb, Verb::Token { what: TokenVerb::New { ttl, .. } } if ttl == Duration::from_secs(3600))
        );
        assert!(
            Args::try_parse_from(["nightjar", "token", "new", "--config", "x", "--ttl", "soon"]).is_err()
        );
    }
}
