//! Words on the command line → [`Args`].

use clap::{Parser, Subcommand, ValueEnum};
use nightjar_api::Role;
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
