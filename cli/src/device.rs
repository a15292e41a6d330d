//! `kring device`: the devices of one professional, each with a place of its own in every case.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;

use clap::Subcommand;
use kring_client::api::ClientEvent;
use kring_client::case::{CaseStatus, CaseView};
use kring_client::conversation::{Event, NotAdded};
use kring_client::identity::SafetyNumber;
use kring_protocol::ids::DeviceId;
use serde::Serialize;

use crate::arguments::GlobalArguments;
use crate::lines::in_brackets;
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::{Line, Output};
use crate::prompt;
use crate::session::Session;
use crate::words::{Told, say};

/// What can be done with one's own devices.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
EXAMPLES:
  kring --profile laptop device show      on the new device: its id and its number
  kring device add 3f9a0c1b…              on a device that is in your cases: asks for the number, then adds it
  kring device list
  kring device drop 3f9a

A new device joins every case that this device is in, and reads what is said from then on. What was said before stays on
the devices that have it.")]
pub(crate) enum DeviceCommand {
    /// Show this device's id and the number by which it is recognised
    Show,
    /// List your devices and in how many of this device's cases they are
    List,
    /// Add another device of yours to all cases that this device is in
    Add {
        /// The whole id that `kring device show` shows on the new device.
        device: String,
        /// The number that it shows there; asked for if it is left out.
        #[arg(long, value_name = "NUMBER")]
        number: Option<String>,
    },
    /// Take another device of yours out of all cases that this device is in
    Drop {
        /// The beginning of its id.
        device: String,
    },
}

/// One device.
#[derive(Serialize)]
#[serde(tag = "type", rename = "device")]
struct DeviceLine {
    address: String,
    device: String,
    number: String,
    /// It is this one.
    own: bool,
    /// Its certificate is known to be revoked, and it is still in a case.
    revoked: bool,
    /// Cases of this device that it is in.
    cases: u64,
}

impl Line for DeviceLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let own = self.own.then(|| say!("number-this-device"));
        let marks = in_brackets([own, self.revoked.then(|| say!("member-revoked"))]);
        let line = say!(
            "device-in-cases",
            device = self.device.as_str(),
            address = self.address.as_str(),
            cases = self.cases
        );
        writeln!(out, "{line}{marks}")?;
        writeln!(out, "  {}", self.number)
    }
}

/// A device was added or dropped.
#[derive(Serialize)]
#[serde(tag = "type", rename = "device_changed")]
struct ChangedLine {
    device: String,
    /// `added` or `dropped`.
    change: &'static str,
    /// In how many cases.
    cases: u64,
}

impl Line for ChangedLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let device = self.device.as_str();
        match self.change {
            "added" => writeln!(out, "{}", say!("device-added", device = device, cases = self.cases)),
            _ => writeln!(out, "{}", say!("device-dropped", device = device, cases = self.cases)),
        }
    }
}

/// Runs `kring device`.
pub(crate) async fn run(command: DeviceCommand, global: &GlobalArguments, output: Output) -> Outcome {
    let session = Session::open(global, output).await?;
    let done = act(&session, command, output).await;
    session.close().await;
    done
}

async fn act(session: &Session, command: DeviceCommand, output: Output) -> Outcome {
    match command {
        DeviceCommand::Show => {
            let own = session.client.address().device;
            let devices = devices(session).await?;
            devices.values().filter(|line| line.device == own.to_hex()).try_for_each(|line| output.print(line))
        }
        DeviceCommand::List => {
            session.try_to_catch_up().await?;
            devices(session).await?.values().try_for_each(|line| output.print(line))
        }
        DeviceCommand::Add { device, number } => add(session, &device, number, output).await,
        DeviceCommand::Drop { device } => {
            session.try_to_catch_up().await?;
            let before = devices(session).await?;
            let mut meant = before.iter().filter(|(id, line)| !line.own && id.to_hex().starts_with(&device));
            let (Some((id, line)), None) = (meant.next(), meant.next()) else {
                return Err(Failure::advised(Cause::Usage, say!("device-not-one"), say!("device-not-one-advice")));
            };
            session.client.drop_own_device(*id).await?;
            session.outbox_empty().await?;
            let left = devices(session).await?.get(id).map_or(0, |line| line.cases);
            output.print(&ChangedLine { device: id.to_hex(), change: "dropped", cases: line.cases - left })?;
            pending(left)
        }
    }
}

async fn add(session: &Session, device: &str, number: Option<String>, output: Output) -> Outcome {
    let id = DeviceId::from_hex(device)
        .ok_or_else(|| Failure::advised(Cause::Usage, say!("device-id-form"), say!("device-id-form-advice")))?;
    let number = match number {
        Some(number) => number,
        None => ask_for_number(output).await?,
    };
    let number: SafetyNumber = number
        .parse()
        .map_err(|_| Failure::advised(Cause::Usage, say!("device-number-form"), say!("device-number-form-advice")))?;
    session.try_to_catch_up().await?;
    let mut events = session.client.events();
    session.client.add_own_device(id, number).await?;
    session.outbox_empty().await?;
    // What has happened until now is there to be read; nothing is waited for.
    while let Ok(Some(event)) = tokio::time::timeout(Duration::ZERO, events.next()).await {
        if let Some(reason) = refused(&event, id) {
            // What to do stands behind a semicolon, and is said to those who add somebody else.
            let told = match reason {
                NotAdded::Unknown => say!("device-unknown"),
                reason => reason.told(),
            };
            let told = told.split_once("; ").map_or(told.as_str(), |(what, _)| what);
            let what = say!("device-not-added", device = id.to_hex(), reason = told);
            return Err(Failure::advised(Cause::Refused, what, advice(reason)));
        }
    }
    let there = devices(session).await?.get(&id).map_or(0, |line| line.cases);
    output.print(&ChangedLine { device: id.to_hex(), change: "added", cases: there })?;
    pending(lacking(session, id).await?)
}

/// What helps where a device of one's own is not added.
fn advice(reason: &NotAdded) -> String {
    match reason {
        NotAdded::OtherNumber | NotAdded::KeyPackage | NotAdded::Impostor(_) => say!("device-not-added-advice"),
        NotAdded::Unknown | NotAdded::NoKeyPackage | NotAdded::InboxFull => say!("device-not-added-start"),
        NotAdded::Revoked | NotAdded::Certificate => say!("device-not-added-certificate"),
        NotAdded::StaleList => say!("device-not-added-list"),
        NotAdded::Already => say!("device-not-one-advice"),
    }
}

/// Why a device is not added, if that is what has happened.
fn refused(event: &ClientEvent, id: DeviceId) -> Option<&NotAdded> {
    match event {
        ClientEvent::Conversation(Event::NotAdded { device, reason, .. }) => {
            (device.is_none_or(|device| device == id) && *reason != NotAdded::Already).then_some(reason)
        }
        _ => None,
    }
}

fn pending(cases: u64) -> Outcome {
    match cases {
        0 => Ok(()),
        cases => Err(Failure::advised(
            Cause::Pending,
            say!("device-pending", cases = cases),
            say!("device-pending-advice"),
        )),
    }
}

/// How many open cases a device is not in.
async fn lacking(session: &Session, id: DeviceId) -> Outcome<u64> {
    let mut count = 0;
    for view in session.client.cases().await?.iter().filter(|view| view.status == CaseStatus::Open) {
        let members = session.client.case(view.case).await?.members().await?;
        count += u64::from(members.iter().all(|member| member.address.device != id));
    }
    Ok(count)
}

/// Whether this device still is in a case.
fn is_in(view: &CaseView) -> bool {
    match view.status {
        CaseStatus::Opening | CaseStatus::Open | CaseStatus::Leaving | CaseStatus::Closed | CaseStatus::Broken => {
            true
        }
        CaseStatus::Left | CaseStatus::OutOfStep | CaseStatus::Erasing => false,
    }
}

/// This professional's devices, this one first of all.
async fn devices(session: &Session) -> Outcome<BTreeMap<DeviceId, DeviceLine>> {
    let own = session.client.address().clone();
    let line = |address: &kring_protocol::address::DeviceAddress, number: SafetyNumber| DeviceLine {
        address: address.professional.to_string(),
        device: address.device.to_hex(),
        number: number.to_string(),
        own: *address == own,
        revoked: false,
        cases: 0,
    };
    let mut devices = BTreeMap::from([(own.device, line(&own, session.client.number()))]);
    for view in session.client.cases().await?.into_iter().filter(is_in) {
        let numbers = session.client.case(view.case).await?.numbers().await?;
        for (member, number) in numbers.devices {
            if member.address.professional == own.professional {
                let device = devices.entry(member.address.device).or_insert_with(|| line(&member.address, number));
                device.cases += 1;
                device.revoked |= member.revoked;
            }
        }
    }
    Ok(devices)
}

async fn ask_for_number(output: Output) -> Outcome<String> {
    if io::stdin().is_terminal() {
        output.note(&say!("device-type-number"));
    }
    let line = prompt::line().await.map_err(|error| {
        let what = say!("device-no-input", reason = error.to_string());
        Failure::advised(Cause::Failed, what, say!("device-no-input-advice"))
    })?;
    Ok(line.unwrap_or_default())
}
