//! `kring directory`: who can be added. What the relay says is shown only where the certificates bear it out.

use std::io::{self, Write};

use clap::Subcommand;
use kring_client::api::FoundDevice;
use kring_pki::verify::fingerprint;
use serde::Serialize;

use crate::arguments::GlobalArguments;
use crate::clock;
use crate::lines::visible;
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::{Line, Output};
use crate::session::Session;
use crate::words::say;

/// What can be done with the directory.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
EXAMPLES:
  kring directory search wijkagent
  kring directory search jansen politie
  kring case add familie a.jansen@politie.example")]
pub(crate) enum DirectoryCommand {
    /// Find professionals by the beginnings of words of their name, organisation, function and address.
    Search {
        /// The words; all of them must fit.
        #[arg(required = true)]
        words: Vec<String>,
    },
}

/// Runs `kring directory`.
pub(crate) async fn run(command: DirectoryCommand, global: &GlobalArguments, output: Output) -> Outcome {
    let DirectoryCommand::Search { words } = command;
    let session = Session::open(global, output).await?;
    let found = search(&session, &words.join(" "), output).await;
    session.close().await;
    found
}

async fn search(session: &Session, text: &str, output: Output) -> Outcome {
    session.catch_up().await?;
    let found = session.client.search_directory(text).await?;
    for device in &found.devices {
        output.print(&Shown::of(device))?;
    }
    if found.devices.is_empty() {
        output.note(&say!("nobody-found"));
    }
    if found.more {
        output.note(&say!("more-found"));
    }
    if found.not_believed > 0 {
        return Err(Failure::advised(
            Cause::Refused,
            say!("not-believed", count = found.not_believed),
            say!("not-believed-advice"),
        ));
    }
    Ok(())
}

/// A device of somebody.
#[derive(Serialize)]
#[serde(tag = "type", rename = "found")]
struct Shown {
    address: String,
    device: String,
    name: String,
    organisation: String,
    function: String,
    from: String,
    until: String,
    serial: String,
    /// SHA-256 of each certificate of the chain, the device's first.
    chain: Vec<String>,
    #[serde(skip)]
    until_local: String,
}

impl Shown {
    fn of(found: &FoundDevice) -> Self {
        let device = &found.device;
        Self {
            address: device.address().professional.to_string(),
            device: device.address().device.to_hex(),
            name: device.name().to_string(),
            organisation: device.organisation().to_string(),
            function: device.function().to_string(),
            from: clock::rfc3339(device.not_before()),
            until: clock::rfc3339(device.valid_until()),
            serial: device.serial().to_hex(),
            chain: device.chain().iter().map(fingerprint).collect(),
            until_local: clock::local(device.valid_until()),
        }
    }
}

impl Line for Shown {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}  {}", visible(&self.address), visible(&self.name))?;
        let organisation = visible(&self.organisation);
        let function = say!("found-function", function = self.function.as_str(), organisation = organisation);
        writeln!(out, "  {function}")?;
        let device = say!("found-device", device = &self.device[..8], until = self.until_local.as_str());
        writeln!(out, "  {device}")?;
        if let [own, issuer, ..] = &self.chain[..] {
            writeln!(out, "  {}", say!("found-own", fingerprint = own.as_str()))?;
            writeln!(out, "  {}", say!("found-issuer", fingerprint = issuer.as_str()))?;
        }
        Ok(())
    }
}
