//! `cargo xtask networks`: real clients and a real relay over bad networks, in network namespaces; the table of
//! docs/networks.md.
//!
//! The networks are in `tests/src/networks`. They need root, and `ip` and `tc`; without, nothing is tried, and it is said.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::Context as _;
use clap::Args;

use crate::compare::replaced;

/// Where the table goes.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/networks.md");
/// What stands before and after it there.
const MARKS: [&str; 2] = ["<!-- networks -->\n", "<!-- end of networks -->\n"];

/// Which networks.
#[derive(Debug, Args)]
pub(crate) struct NetworksArguments {
    /// Networks, such as `loss,away`; all without any.
    #[arg(long)]
    only: Option<String>,
    /// Messages each way.
    #[arg(long, default_value_t = 20)]
    messages: usize,
    /// Write the table into docs/networks.md.
    #[arg(long)]
    write: bool,
}

/// Builds clients and relay and runs them.
pub(crate) fn run(arguments: &NetworksArguments) -> anyhow::Result<ExitCode> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let build = ["build", "--release", "--locked", "--package", "kring-tests", "--bins"];
    let built = Command::new(cargo).args(build).current_dir(root).status().context("cargo build")?;
    anyhow::ensure!(built.success(), "the tests' programs do not build");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| Path::new(root).join("target"), Into::into);
    let mut command = Command::new(target.join("release/kring-networks"));
    command.args(["--messages", &arguments.messages.to_string()]);
    if let Some(only) = &arguments.only {
        command.args(["--only", only]);
    }
    let output = command.stderr(Stdio::inherit()).output().context("kring-networks")?;
    let table = String::from_utf8(output.stdout).context("a table")?;
    print!("{table}");
    if !output.status.success() {
        return Ok(ExitCode::FAILURE);
    }
    if arguments.write && !table.is_empty() {
        let page = fs::read_to_string(PAGE).context("reading docs/networks.md")?;
        fs::write(PAGE, replaced(&page, MARKS, &table)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_marks() {
        let page = fs::read_to_string(PAGE).expect("docs/networks.md");
        assert!(replaced(&page, MARKS, "table").is_ok());
    }
}
