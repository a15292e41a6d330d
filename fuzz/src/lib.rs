//! Fuzz targets: functions that take any bytes, and panic where something that must hold does not. Two drivers run them:
//! this package's own program, which mutates a corpus and needs the stable toolchain alone, and libFuzzer
//! (`fuzz/libfuzzer`), which is guided by coverage and needs a nightly one.
//!
//! A target gives a number that tells roughly what the input made happen. The program keeps inputs that make something
//! new happen and mutates them further.

mod client_core;
mod frames;
mod group_log;
mod mls_header;
pub mod mutate;

use std::fmt;

/// What can be fuzzed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Target {
    /// Bytes as frames: refused, or a message that survives being written and read.
    Frames,
    /// Bytes as an MLS message: the header parser agrees with one that is as plain as the RFC.
    MlsHeader,
    /// Bytes as operations on the relay's logs: the engine agrees with lists, through kills and checkpoints.
    GroupLog,
    /// Bytes as what a relay makes of what it should give to a device: nothing is shown that is not the case's.
    ClientCore,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Frames, Self::MlsHeader, Self::GroupLog, Self::ClientCore];

    /// Runs the target on an input.
    ///
    /// # Panics
    /// When something that must hold does not.
    pub fn run(self, input: &[u8]) -> u64 {
        match self {
            Self::Frames => frames::run(input),
            Self::MlsHeader => mls_header::run(input),
            Self::GroupLog => group_log::run(input),
            Self::ClientCore => client_core::run(input),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Frames => "frames",
            Self::MlsHeader => "mls_header",
            Self::GroupLog => "group_log",
            Self::ClientCore => "client_core",
        })
    }
}

/// Mixes what happened into one number (FNV-1a).
fn mix(sum: u64, happened: u64) -> u64 {
    (sum ^ happened).wrapping_mul(0x0000_0100_0000_01b3)
}
