//! `cargo xtask instructions`: counts the instructions of the record path's pieces under callgrind, and fails where one is
//! above its limit. Counts do not depend on what else the machine does; they do depend a little on the compiler, for which
//! the limits leave room. Needs valgrind.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};

/// The program that runs one piece.
const PROGRAM: &str = "instructions";
/// How often it runs it.
const TIMES: u64 = 1_000;

/// Pieces and the most instructions that each may take, a tenth above what was counted when the limit was set.
const LIMITS: [(&str, u64); 5] =
    [("decode-submit", 0), ("encode-record", 0), ("mls-header", 0), ("submit", 0), ("read", 0)];

/// Counts and compares.
pub(crate) fn run() -> anyhow::Result<bool> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let build = ["build", "--release", "--locked", "--package", "kring-server", "--example", PROGRAM];
    let built = Command::new(cargo).args(build).current_dir(root).status().context("cargo build")?;
    ensure!(built.success(), "the pieces do not build");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| Path::new(root).join("target"), Into::into);
    let program = target.join("release/examples").join(PROGRAM);
    let mut holds = true;
    for (piece, limit) in LIMITS {
        let count = count(&program, piece)? / TIMES;
        let verdict = if count <= limit { "ok" } else { "ABOVE ITS LIMIT" };
        println!("{piece:<16} {count:>8} instructions, limit {limit:>8}: {verdict}");
        holds &= count <= limit;
    }
    Ok(holds)
}

fn count(program: &Path, piece: &str) -> anyhow::Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={PROGRAM}::measured*"))
        .arg(program)
        .arg(piece)
        .stdin(Stdio::null())
        .output()
        .context("valgrind; install it (Debian: valgrind)")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{piece} does not run:\n{said}");
    let Some(count) = collected(&said) else { bail!("callgrind does not say what it has counted:\n{said}") };
    ensure!(count > 0, "{piece}: nothing was counted");
    Ok(count)
}

/// The number in the line `==123== Collected : 456`.
fn collected(said: &str) -> Option<u64> {
    said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_what_callgrind_says() {
        assert_eq!(collected("==7== Events    : Ir\n==7== Collected : 1234567\n==7==\n"), Some(1_234_567));
        assert_eq!(collected("==7== nothing"), None);
    }
}
