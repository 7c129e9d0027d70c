//! Log lines of the program, for people (`text`) or machines (`json`), on the standard error.
//!
//! No personal data: what the program logs are kinds, identifiers, counts and causes. Types that hold
//! numbers and names print them shortened (`PartyNumber`) or not at all (`Secret`).

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// A level that cannot be read, or logs that were started twice.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Not a level or filter.
    #[error("`{given}` is no log level: use error, warn, info, debug or trace, or a filter such as `info,tandem::wire=debug`")]
    Level {
        /// What was given.
        given: String,
    },
    /// Another subscriber is in place.
    #[error("logging was started already")]
    Started,
}

/// Starts logging for the whole process. `level` is a level or a filter of `tracing-subscriber`.
pub fn start(format: LogFormat, level: &str) -> Result<(), LogError> {
    let filter = EnvFilter::builder().parse(level).map_err(|_| LogError::Level { given: level.into() })?;
    // Libraries below `warn` tell what is sent and received: not ours to print unless asked by name.
    let quiet = ["sqlx", "hyper", "h2", "reqwest", "rustls", "tower_http"];
    let filter = quiet
        .iter()
        .filter(|library| !level.contains(*library))
        .try_fold(filter, |filter, library| Some(filter.add_directive(format!("{library}=warn").parse().ok()?)));
    let filter = filter.ok_or_else(|| LogError::Level { given: level.into() })?;
    let registry = tracing_subscriber::registry().with(filter);
    let started = match format {
        LogFormat::Text => {
            registry.with(fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal())).try_init()
        }
        LogFormat::Json => registry.with(fmt::layer().json().with_writer(std::io::stderr)).try_init(),
    };
    started.map_err(|_| LogError::Started)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_is_none_is_named() {
        let error = start(LogFormat::Text, "a=b=c").unwrap_err();
        assert!(error.to_string().starts_with("`a=b=c` is no log level"), "{error}");
    }
}
