//! A guard against slow growth that noise cannot shake: instructions of the record path as Valgrind counts them, and bytes
//! that the journal writes for an entry, each against a limit.
//!
//! `server/examples/counted.rs` does one thing N times. It is counted with two numbers, and what lies between is the cost
//! of one: starting up and setting up cancel out.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail};

/// What is counted, how often, and the most that it may cost. A limit is a tenth above what was counted when it was set
/// (Rust 1.95, x86-64): raise it only with a reason in the Commit that does.
const COUNTED: [Counted; 3] = [
    Counted { what: "frames", few: 1_000, many: 3_000, limit: 4_500 },
    Counted { what: "records", few: 6_400, many: 19_200, limit: 36_900 },
    Counted { what: "proofs", few: 10, many: 30, limit: 528_000 },
];
/// Entries of 512 bytes with which the journal's writing is counted, and the most bytes that it may write for one of them:
/// 64 in a step, for some checkpoints and several of sled's segments, and one in a step, which takes a sync for each.
const WRITTEN: [(&str, u64, u64); 2] = [("written", 65_536, 2_200), ("singly", 16_384, 2_500)];

struct Counted {
    what: &'static str,
    few: u64,
    many: u64,
    limit: u64,
}

/// Counts everything, and fails where a limit is passed.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let program = build()?;
    let mut within = true;
    let mut line = |what: &str, unit: &str, cost: u64, limit: u64| {
        let verdict = if cost <= limit { "ok" } else { "TOO MUCH" };
        println!("{what:<10} {cost:>9} {unit} (limit {limit}) {verdict}");
        within &= cost <= limit;
    };
    for Counted { what, few, many, limit } in COUNTED {
        let (some, more) = (count(&program, what, few)?, count(&program, what, many)?);
        line(what, "instructions each", more.saturating_sub(some) / (many - few), limit);
    }
    for (what, entries, limit) in WRITTEN {
        let output = Command::new(&program).args([what, &entries.to_string()]).output()?;
        let written = String::from_utf8(output.stdout)?.trim().parse().context("what was written")?;
        line(what, "bytes an entry", written, limit);
    }
    Ok(if within { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Builds the program with our crates optimised, as operators have them, and the dependencies as they are.
fn build() -> anyhow::Result<PathBuf> {
    let optimised = ["protocol", "pki", "server"].map(|name| format!("profile.dev.package.kring-{name}.opt-level=3"));
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--locked", "--workspace", "--example", "counted"]);
    for setting in &optimised {
        command.args(["--config", setting]);
    }
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    if !command.status().context("cargo build")?.success() {
        bail!("the program that is to be counted does not build");
    }
    // This program lies beside the folder of the examples.
    Ok(std::env::current_exe().context("where this program lies")?.with_file_name("examples").join("counted"))
}

/// Instructions that the program takes for so many.
fn count(program: &PathBuf, what: &str, number: u64) -> anyhow::Result<u64> {
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .arg(what)
        .arg(number.to_string());
    let output = command.output().context("valgrind, which has to be installed (Debian: valgrind)")?;
    let said = String::from_utf8_lossy(&output.stderr);
    let counted = said.lines().find_map(|line| line.split_once("Collected : ").map(|(_, count)| count.trim()));
    match (output.status.success(), counted) {
        (true, Some(counted)) => counted.parse().context("what valgrind has counted"),
        _ => bail!("counting {what} failed: {said}"),
    }
}
