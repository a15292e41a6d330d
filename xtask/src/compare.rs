//! `cargo xtask compare`: Kring, the bare limit and other people's brokers under one load, interleaved on one machine, so
//! that what else the machine does hits all of them; medians, ratios to the limit, and the table of docs/performance.md.
//!
//! The load is `kring bench` with the feature `compare`. Brokers have to be in `PATH`; one that is not is left out and
//! said to be.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::Value;

/// Where the table goes.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/performance.md");
/// What stands before and after it there.
const MARKS: [&str; 2] = ["<!-- compare -->\n", "<!-- end of compare -->\n"];
/// What is asked of every system.
const SCENARIOS: [&str; 3] = ["in-flight-16", "in-flight-1", "per-second"];
/// Figures of a run that the table shows, with their headings.
const SHOWN: [(&str, &str); 5] = [
    ("publishes_s", "publishes/s"),
    ("delivery_p50_us", "p50 µs"),
    ("delivery_p99_us", "p99 µs"),
    ("server_cpu_s_per_100k", "CPU s per 100,000"),
    ("other_cores", "other cores"),
];

/// What is compared.
#[derive(Debug, Args)]
pub(crate) struct CompareArguments {
    /// How often each is measured.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 6)]
    seconds: u32,
    /// Systems; the first is what ratios are to.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "bare,kring,kring-appended,nats-synced,nats,mosquitto,bare-memory"
    )]
    systems: Vec<String>,
    /// Delays added to every sync; those above zero for Kring and the limit alone.
    #[arg(long, value_delimiter = ',', default_value = "0ms,1ms,5ms")]
    delays: Vec<String>,
    /// Write the table into docs/performance.md.
    #[arg(long)]
    write: bool,
}

/// One row of the table: scenario, delay, system.
type Key = (usize, String, String);

/// Runs the comparison.
pub(crate) fn run(arguments: &CompareArguments) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    // The tool alone, as an operator builds it: every further program would be optimised across crates too.
    let build = ["build", "--release", "--locked", "--package", "kring-cli", "--features", "kring-cli/compare"];
    let built = Command::new(cargo).args(build).current_dir(root).status().context("cargo build")?;
    anyhow::ensure!(built.success(), "the load generator does not build");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| Path::new(root).join("target"), Into::into);
    let program = target.join("release/kring");

    let mut results: BTreeMap<Key, Vec<BTreeMap<String, f64>>> = BTreeMap::new();
    let mut missing = Vec::new();
    for round in 0..arguments.rounds {
        for (index, scenario) in SCENARIOS.into_iter().enumerate() {
            for delay in &arguments.delays {
                for system in &arguments.systems {
                    let slowed = delay != "0ms";
                    if missing.contains(system) || slowed && (index > 0 || !["kring", "bare"].contains(&&**system)) {
                        continue;
                    }
                    eprintln!("round {}: {scenario}, {delay}, {system}", round + 1);
                    match measure(&program, scenario, system, delay, arguments.seconds)? {
                        Some(figures) => {
                            results.entry((index, delay.clone(), system.clone())).or_default().push(figures);
                        }
                        None => missing.push(system.clone()),
                    }
                }
            }
        }
    }
    let table = table(&results, arguments, &missing);
    println!("{table}");
    if arguments.write { write(Path::new(PAGE), &table) } else { Ok(()) }
}

/// One run in a process of its own; none where the system cannot be started.
fn measure(
    program: &Path,
    scenario: &str,
    system: &str,
    delay: &str,
    seconds: u32,
) -> anyhow::Result<Option<BTreeMap<String, f64>>> {
    let output = Command::new(program)
        .args(["bench", scenario, "--json", "--system", system, "--sync-delay", delay])
        .args(["--seconds", &seconds.to_string()])
        .stdin(Stdio::null())
        .output()
        .context("kring bench")?;
    match output.status.code() {
        Some(0) => {}
        Some(1) => {
            eprintln!("{system} is left out: {}", String::from_utf8_lossy(&output.stderr).trim());
            return Ok(None);
        }
        _ => bail!("{scenario} at {system}: {}", String::from_utf8_lossy(&output.stderr)),
    }
    let line: Value = serde_json::from_slice(&output.stdout).context("a line of kring bench")?;
    let figures = line["figures"].as_object().context("the figures of a bench")?;
    Ok(Some(figures.iter().filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))).collect()))
}

/// The value in the middle.
fn median(runs: &[BTreeMap<String, f64>], figure: &str) -> f64 {
    let mut values: Vec<f64> = runs.iter().filter_map(|run| run.get(figure).copied()).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn table(
    results: &BTreeMap<Key, Vec<BTreeMap<String, f64>>>,
    arguments: &CompareArguments,
    missing: &[String],
) -> String {
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = writeln!(text, "{}\n", machine());
    let first = arguments.systems.first().map_or("", String::as_str);
    for (index, scenario) in SCENARIOS.into_iter().enumerate() {
        let _ = write!(text, "**{scenario}**\n\n| system | added to each sync |");
        SHOWN.iter().for_each(|(_, heading)| text += &format!(" {heading} |"));
        let _ = write!(text, " of {first} |\n| --- | --- |{}\n", " ---: |".repeat(SHOWN.len() + 1));
        for ((_, delay, system), runs) in results.iter().filter(|((of, ..), _)| *of == index) {
            let _ = write!(text, "| {system} | {delay} |");
            for (figure, _) in SHOWN {
                let _ = write!(text, " {} |", readable(median(runs, figure)));
            }
            let limit = results.get(&(index, delay.clone(), first.to_owned()));
            let share = limit.map(|limit| median(runs, "publishes_s") / median(limit, "publishes_s"));
            let _ =
                writeln!(text, " {} |", share.map_or_else(String::new, |share| format!("{:.0} %", share * 100.0)));
        }
        text.push('\n');
    }
    let all: Vec<_> = results.values().flatten().cloned().collect();
    let _ = writeln!(
        text,
        "Medians of {} rounds of {} s. A sync of this disk took {:.0} µs in the median and {:.0} µs at the 99th percentile.",
        arguments.rounds,
        arguments.seconds,
        median(&all, "fdatasync_p50_us"),
        median(&all, "fdatasync_p99_us"),
    );
    if !missing.is_empty() {
        let _ = writeln!(text, "Not measured, since they could not be started: {}.", missing.join(", "));
    }
    text
}

fn readable(value: f64) -> String {
    if value >= 1_000.0 {
        let whole = format!("{value:.0}");
        let (head, tail) = whole.split_at(whole.len() - 3);
        format!("{head},{tail}")
    } else {
        format!("{value:.2}")
    }
}

/// What it ran on.
fn machine() -> String {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        text.lines().next().unwrap_or_default().trim().to_owned()
    };
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = processor.lines().filter(|line| line.starts_with("processor")).count();
    [
        format!("{cores} cores of {}", model.map_or("an unknown processor", |(_, name)| name)),
        format!("Linux {}", said("uname", &["-r"])),
        said("rustc", &["--version"]),
        said("nats-server", &["--version"]),
        said("mosquitto", &["-h"]),
        format!("commit {}", said("git", &["describe", "--always", "--dirty"])),
    ]
    .into_iter()
    .filter(|part| !part.is_empty())
    .collect::<Vec<_>>()
    .join("; ")
}

/// Puts the table between its marks.
fn write(page: &Path, table: &str) -> anyhow::Result<()> {
    let text = fs::read_to_string(page).context("docs/performance.md")?;
    fs::write(page, replaced(&text, MARKS, table)?).context("docs/performance.md")
}

/// A page with another table between its marks.
pub(crate) fn replaced(page: &str, marks: [&str; 2], table: &str) -> anyhow::Result<String> {
    let [begin, end] = marks;
    let (before, rest) = page.split_once(begin).context("the page has no mark for the table")?;
    let (_, after) = rest.split_once(end).context("the page has no mark for the table's end")?;
    Ok(format!("{before}{begin}\n{}\n\n{end}{after}", table.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(publishes: f64) -> BTreeMap<String, f64> {
        SHOWN.iter().map(|(name, _)| ((*name).to_owned(), publishes)).collect()
    }

    #[test]
    fn the_table_has_medians_and_ratios() {
        let key = |system: &str| (0, "0ms".to_owned(), system.to_owned());
        let results = BTreeMap::from([
            (key("bare"), vec![run(1.0), run(2_000.0), run(1_000_000.0)]),
            (key("kring"), vec![run(1_000.0)]),
        ]);
        let arguments = CompareArguments {
            rounds: 3,
            seconds: 6,
            systems: vec!["bare".into(), "kring".into()],
            delays: vec!["0ms".into()],
            write: false,
        };
        let table = table(&results, &arguments, &["nats".into()]);
        assert!(table.contains("| bare | 0ms | 2,000 | 2,000 | 2,000 | 2,000 | 2,000 | 100 % |"), "{table}");
        assert!(table.contains("| kring | 0ms | 1,000 | 1,000 | 1,000 | 1,000 | 1,000 | 50 % |"), "{table}");
        assert!(table.contains("could not be started: nats."), "{table}");
    }

    #[test]
    fn the_table_takes_the_place_of_the_one_before_it() {
        let page = format!("above\n{}old\n{}below\n", MARKS[0], MARKS[1]);
        let new = replaced(&page, MARKS, "new\n").expect("marks");
        assert_eq!(new, format!("above\n{}\nnew\n\n{}below\n", MARKS[0], MARKS[1]));
        assert!(replaced("no marks", MARKS, "new").is_err());
    }

    #[test]
    fn the_page_has_the_marks() {
        let page = fs::read_to_string(PAGE).expect("docs/performance.md");
        assert!(replaced(&page, MARKS, "table").is_ok());
    }
}
