//! `kring case`: opens cases, shows them, and decides who takes part.

use std::io::{self, Write};

use clap::{Subcommand, ValueEnum};
use kring_client::api::{Added, ClientEvent};
use kring_client::case::{CaseId, Role};
use kring_client::conversation::Event;
use kring_protocol::address::ProfessionalAddress;
use serde::Serialize;

use crate::arguments::GlobalArguments;
use crate::lines::{self, CaseLine, MemberLine};
use crate::names;
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::{Line, Output};
use crate::session::{Session, in_step};
use crate::words::{Told, say};

/// What can be done with cases.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
EXAMPLES:
  kring case new \"Familie Voorbeeld\"
  kring case add familie b.devries@veiligthuis.example --role deputy
  kring case show familie
  kring case remove familie b.dev

Cases can be named by the first letters of their title or of their id, members by those of their address.")]
pub(crate) enum CaseCommand {
    /// Open a case; you become its coordinator
    New {
        /// What its members call it; the relay never sees it.
        title: String,
    },
    /// List the cases of this device
    List,
    /// Show a case and who is in it
    Show {
        /// The case: the beginning of its title or id.
        case: String,
    },
    /// Add a professional, with all devices
    Add {
        /// The case: the beginning of its title or id.
        case: String,
        /// The whole address, such as b.devries@veiligthuis.example.
        address: String,
        /// What they may do.
        #[arg(long, value_enum, default_value_t = RoleArgument::Member)]
        role: RoleArgument,
    },
    /// Remove a professional, with all devices
    Remove {
        /// The case: the beginning of its title or id.
        case: String,
        /// The beginning of the address.
        member: String,
    },
    /// Leave a case; another member's device carries it out
    Leave {
        /// The case: the beginning of its title or id.
        case: String,
    },
    /// Give a professional another role
    Role {
        /// The case: the beginning of its title or id.
        case: String,
        /// The beginning of the address.
        member: String,
        /// What they may do from now on.
        #[arg(value_enum)]
        role: RoleArgument,
    },
}

/// A role as an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleArgument {
    /// Adds, removes and gives roles; exactly one in a case
    Coordinator,
    /// Adds and removes; stands in for the coordinator
    Deputy,
    /// Takes part
    Member,
    /// Reads and speaks; changes neither plan nor members
    Observer,
}

impl From<RoleArgument> for Role {
    fn from(role: RoleArgument) -> Self {
        match role {
            RoleArgument::Coordinator => Self::Coordinator,
            RoleArgument::Deputy => Self::Deputy,
            RoleArgument::Member => Self::Member,
            RoleArgument::Observer => Self::Observer,
        }
    }
}

/// A case was changed.
#[derive(Serialize)]
#[serde(tag = "type", rename = "changed")]
struct ChangedLine {
    case: String,
    /// `added`, `removed`, `left` or `role`.
    change: &'static str,
    /// Whom it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// Devices that were added.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    devices: Vec<String>,
    /// Devices that were not, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_added: Vec<NotAddedLine>,
    /// The new role.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip)]
    role_shown: String,
}

#[derive(Serialize)]
struct NotAddedLine {
    /// `null`: all of the professional's devices.
    device: Option<String>,
    reason: String,
    #[serde(skip)]
    shown: String,
}

impl Line for ChangedLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let whom = self.address.as_deref().unwrap_or_default();
        match (self.change, self.role) {
            ("added", _) => {
                writeln!(out, "{}", say!("added", who = whom, devices = self.devices.len()))?;
                for refused in &self.not_added {
                    let device = refused.device.as_deref().map_or("?", |device| &device[..names::SHORT_ID]);
                    let reason = refused.shown.as_str();
                    writeln!(out, "  {}", say!("added-not", device = device, reason = reason))?;
                }
                Ok(())
            }
            ("role", _) => writeln!(out, "{}", say!("role-given", who = whom, role = self.role_shown.as_str())),
            ("left", _) => writeln!(out, "{}", say!("left")),
            _ => writeln!(out, "{}", say!("removed", who = whom)),
        }
    }
}

/// Runs `kring case`.
pub(crate) async fn run(command: CaseCommand, global: &GlobalArguments, output: Output) -> Outcome {
    let session = Session::open(global, output).await?;
    let done = act(&session, command, output).await;
    session.close().await;
    done
}

async fn act(session: &Session, command: CaseCommand, output: Output) -> Outcome {
    match command {
        CaseCommand::New { title } => new(session, title, output).await,
        CaseCommand::List => {
            session.try_to_catch_up().await?;
            let cases = session.client.cases().await?;
            if cases.is_empty() {
                output.note(&say!("case-none-yet"));
            }
            cases.iter().try_for_each(|view| output.print(&CaseLine::from(view)))
        }
        CaseCommand::Show { case } => {
            session.try_to_catch_up().await?;
            let (case, view) = session.case(&case).await?;
            output.print(&CaseLine::from(&view))?;
            for member in case.members().await? {
                output.print(&MemberLine::from(&member))?;
            }
            in_step(&view)
        }
        CaseCommand::Add { case, address, role } => add(session, &case, &address, role, output).await,
        CaseCommand::Remove { case, member } => {
            session.try_to_catch_up().await?;
            let (case, _) = session.case(&case).await?;
            let who = names::member(&case.members().await?, &member)?.clone();
            session.done(case.remove(who.clone()).await?, &say!("waits-for-relay")).await?;
            output.print(&changed(case.id(), "removed", Some(&who)))
        }
        CaseCommand::Leave { case } => {
            session.try_to_catch_up().await?;
            let (case, _) = session.case(&case).await?;
            session.done(case.leave().await?, &say!("waits-for-member")).await?;
            output.print(&changed(case.id(), "left", None))
        }
        CaseCommand::Role { case, member, role } => {
            session.try_to_catch_up().await?;
            let (case, _) = session.case(&case).await?;
            let who = names::member(&case.members().await?, &member)?.clone();
            session.done(case.set_role(who.clone(), role.into()).await?, &say!("waits-for-relay")).await?;
            let role_shown = lines::role_word(role.into());
            let role = Some(lines::role(role.into()));
            output.print(&ChangedLine { role, role_shown, ..changed(case.id(), "role", Some(&who)) })
        }
    }
}

async fn new(session: &Session, title: String, output: Output) -> Outcome {
    let mut events = session.client.events();
    let case = session.client.new_case(title).await?;
    let opened = events.find(|event| match event {
        ClientEvent::Conversation(Event::CaseOpened { case: opened }) if opened == case.id() => Some(()),
        _ => None,
    });
    let at_relay = tokio::time::timeout(session.wait, opened).await.ok().flatten().is_some();
    output.print(&CaseLine::from(&case.view().await?))?;
    if at_relay {
        return Ok(());
    }
    Err(Failure::advised(Cause::Pending, say!("case-not-at-relay"), say!("case-not-at-relay-advice")))
}

async fn add(session: &Session, case: &str, address: &str, role: RoleArgument, output: Output) -> Outcome {
    let who: ProfessionalAddress = address.parse().map_err(|error| Failure::new(Cause::Usage, error))?;
    session.try_to_catch_up().await?;
    let (case, _) = session.case(case).await?;
    let Added { added, not_added } =
        session.done(case.add(who.clone(), role.into()).await?, &say!("waits-for-relay")).await?;
    let line = ChangedLine {
        devices: added.iter().map(|member| member.address.device.to_hex()).collect(),
        not_added: not_added
            .iter()
            .map(|(device, reason)| NotAddedLine {
                device: device.map(|device| device.to_hex()),
                reason: reason.to_string(),
                shown: reason.told(),
            })
            .collect(),
        role: Some(lines::role(role.into())),
        ..changed(case.id(), "added", Some(&who))
    };
    match (added.is_empty(), not_added.first()) {
        (true, Some((_, reason))) => {
            let message = say!("not-added", who = who.as_str(), reason = reason.told());
            Err(Failure::new(Cause::Refused, message))
        }
        (_, _) => output.print(&line),
    }
}

fn changed(case: CaseId, change: &'static str, address: Option<&ProfessionalAddress>) -> ChangedLine {
    ChangedLine {
        case: case.to_hex(),
        change,
        address: address.map(ToString::to_string),
        devices: Vec::new(),
        not_added: Vec::new(),
        role: None,
        role_shown: String::new(),
    }
}
