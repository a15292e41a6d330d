//! What the relay writes about itself: kinds, counts, sizes, durations and the random number of a connection.
//!
//! Libraries below (QUIC, TLS, HTTP, the store) log addresses, server names and identifiers of their own. A filter on
//! the target of each event lets through this workspace's own events only, at every level, whatever the environment
//! says.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::config::{LogFormat, LogLevel, LogSettings};

/// The crates whose events are written. The protocol and certificate crates log nothing.
const OURS: [&str; 2] = ["kring_server", "kring_relay"];

/// A subscriber that writes our own events to `writer`.
pub fn subscriber<W>(settings: LogSettings, writer: W) -> Box<dyn tracing::Subscriber + Send + Sync>
where
    W: for<'w> tracing_subscriber::fmt::MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = Targets::new().with_targets(OURS.map(|target| (target, level(settings.level))));
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    match settings.format {
        LogFormat::Text => Box::new(tracing_subscriber::registry().with(lines.with_filter(filter))),
        LogFormat::Json => Box::new(tracing_subscriber::registry().with(lines.json().with_filter(filter))),
    }
}

/// Writes to standard error from now on; without effect if the process has a subscriber already.
pub fn install(settings: LogSettings) {
    let _already_set = tracing::subscriber::set_global_default(subscriber(settings, io::stderr));
}

fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(format: LogFormat, level: LogLevel) -> String {
        let lines = Lines::default();
        let sink = lines.clone();
        tracing::subscriber::with_default(subscriber(LogSettings { level, format }, move || sink.clone()), || {
            tracing::trace!("ours");
            tracing::error!(target: "quinn_proto::connection", "their canary");
            tracing::error!(target: "rustls::conn", "their canary");
            let _inside = tracing::error_span!(target: "quinn", "drive", id = "canary in a span").entered();
            tracing::info!("ours in their span");
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn at_every_level_only_our_own_events_and_spans_are_written() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let text = written(format, LogLevel::Trace);
            assert!(text.contains("ours in their span"), "{text}");
            assert!(!text.contains("canary"), "{text}");
        }
    }

    #[test]
    fn a_level_hides_what_is_less_important() {
        assert_eq!(written(LogFormat::Text, LogLevel::Warn), "");
    }
}
