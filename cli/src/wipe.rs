//! `kring wipe`: destroys this device's keys, then everything in its profile. Asks for no passphrase: whoever has to be
//! rid of it at once must not have to remember one.

use std::io::{self, IsTerminal as _, Write};
use std::path::Path;

use clap::Args;
use kring_client::identity::wipe;
use serde::Serialize;

use crate::outcome::{Cause, Failure, Outcome};
use crate::output::{Line, Output};
use crate::words::say;

/// Arguments of `kring wipe`.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES:
  kring wipe           asks first
  kring wipe --now     at once, without a question

The keys are destroyed first; from then on nothing opens what is left, also if the rest is interrupted: it goes on at the
next start of any command. Nothing is undone. Your organisation's administrator has to know, so that the certificate is
revoked; the others in your cases keep what they have.")]
pub(crate) struct WipeArguments {
    /// At once, without a question.
    #[arg(long)]
    now: bool,
}

/// The device was wiped.
#[derive(Serialize)]
#[serde(tag = "type", rename = "wiped")]
struct WipedLine {
    profile: String,
}

impl Line for WipedLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", say!("wiped"))
    }
}

/// Runs `kring wipe`.
pub(crate) fn run(arguments: &WipeArguments, profile: &Path, output: Output) -> Outcome {
    if !arguments.now && !confirmed()? {
        return Err(Failure::advised(Cause::Usage, say!("wipe-not-confirmed"), say!("wipe-now-advice")));
    }
    wipe::destroy_keys(profile)?.remove_files()?;
    output.print(&WipedLine { profile: profile.display().to_string() })
}

fn confirmed() -> Outcome<bool> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    let word = say!("wipe-word");
    // Nobody is left to ask if standard error is closed.
    let _ = write!(io::stderr().lock(), "{} ", say!("wipe-question", word = word.as_str()));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(|error| {
        let what = say!("input-cannot-be-read", reason = error.to_string());
        Failure::advised(Cause::Failed, what, say!("wipe-now-advice"))
    })?;
    Ok(answer.trim().eq_ignore_ascii_case(&word))
}
