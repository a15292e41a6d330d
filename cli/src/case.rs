//! `kring case`: opens cases, shows them, and decides who takes part. How they end is in [`closing`].

use std::io::{self, Write};

use clap::{Subcommand, ValueEnum};
use kring_client::api::{Added, ClientEvent};
use kring_client::case::{CaseId, Role};
use kring_client::conversation::Event;
use kring_protocol::address::ProfessionalAddress;
use serde::Serialize;

use crate::arguments::GlobalArguments;
use crate::closing::{self, CloseArguments, DutiesLine, EraseArguments, HoldArguments};
use crate::handover::HandoverLine;
use crate::lines::{self, CaseLine, MemberLine};
use crate::names;
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::{Line, Output};
use crate::session::{Session, in_step};
use crate::things::state;
use crate::timeline;
use crate::words::{Told, say};

/// What can be done with cases.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
EXAMPLES:
  kring case new \"Familie Voorbeeld\"
  kring case add familie b.devries@veiligthuis.example --role deputy
  kring case show familie
  kring case remove familie b.dev
  kring case close familie --propose 30

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
        /// As it was after this record.
        #[arg(long, value_name = "SEQ")]
        as_of: Option<u64>,
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
    /// Show the numbers by which members recognise each other: read them out over the telephone
    Verify {
        /// The case: the beginning of its title or id.
        case: String,
    },
    /// Take a case whose coordinator is gone
    ///
    /// A case whose coordinator was revoked, with no deputy there, is yours at once. Of a coordinator who has been silent for
    /// three days a deputy can claim it; another member has to confirm that, with --confirm on their device.
    Claim {
        /// The case: the beginning of its title or id.
        case: String,
        /// Confirm what a deputy has claimed.
        #[arg(long)]
        confirm: bool,
        /// Take a claim of yours back.
        #[arg(long, conflicts_with = "confirm")]
        withdraw: bool,
    },
    /// The whole case: who is in it, all that was said and done, how things stand
    Timeline {
        /// The case: the beginning of its title or id.
        case: String,
        /// As it was after this record.
        #[arg(long, value_name = "SEQ")]
        as_of: Option<u64>,
    },
    /// Close a case: propose it, state what becomes of your own file, close it
    Close(CloseArguments),
    /// Hold a case back from being erased
    Hold(HoldArguments),
    /// Erase a closed case, on every device and at the relay
    Erase(EraseArguments),
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

/// A case's number.
#[derive(Serialize)]
#[serde(tag = "type", rename = "case_number")]
struct NumberLine {
    case: String,
    /// Changes of the group so far: a device that has another one is not up to date, and shows another number.
    epoch: u64,
    number: String,
    #[serde(skip)]
    title: String,
}

impl Line for NumberLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let title = lines::visible(&self.title);
        writeln!(out, "{}", say!("number-of-case", title = title.as_str(), changes = self.epoch))?;
        writeln!(out, "  {}", self.number)?;
        writeln!(out, "{}", say!("number-meaning"))?;
        writeln!(out)
    }
}

/// A device's number.
#[derive(Serialize)]
#[serde(tag = "type", rename = "device_number")]
struct DeviceNumberLine {
    address: String,
    device: String,
    name: String,
    organisation: String,
    own: bool,
    /// Its certificate is known to be revoked, and nobody has taken it out yet.
    revoked: bool,
    number: String,
}

impl Line for DeviceNumberLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let own = self.own.then(|| say!("number-this-device"));
        let marks = lines::in_brackets([own, self.revoked.then(|| say!("member-revoked"))]);
        let line = say!(
            "number-of-device",
            name = lines::visible(&self.name),
            organisation = lines::visible(&self.organisation),
            address = self.address.as_str(),
            device = &self.device[..names::SHORT_ID],
        );
        writeln!(out, "{line}{marks}")?;
        writeln!(out, "  {}", self.number)
    }
}

/// Who coordinates a case.
#[derive(Serialize)]
#[serde(tag = "type", rename = "coordination")]
struct CoordinationLine {
    case: String,
    /// `null`: nobody.
    coordinator: Option<String>,
    /// Who says that the coordinator is gone.
    claimed_by: Option<String>,
}

impl Line for CoordinationLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        match &self.coordinator {
            Some(who) => writeln!(out, "{}", say!("coordinated-by", who = who.as_str()))?,
            None => writeln!(out, "{}", say!("coordinated-by-nobody"))?,
        }
        match &self.claimed_by {
            Some(who) => writeln!(out, "  {}", say!("coordinator-claimed-by", who = who.as_str())),
            None => Ok(()),
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
        CaseCommand::Show { case, as_of } => {
            session.try_to_catch_up().await?;
            let (case, view) = session.case(&case).await?;
            output.print(&CaseLine::from(&view))?;
            let state = state(&case, as_of).await?;
            match as_of {
                Some(_) => timeline::people(&state, output)?,
                None => case.members().await?.iter().try_for_each(|it| output.print(&MemberLine::from(it)))?,
            }
            output.print(&DutiesLine::of(case.id(), &state))?;
            for (id, handover) in state.open_handovers() {
                output.print(&HandoverLine::of(&case.id().to_hex(), id, handover, false))?;
            }
            if let Some(line) = closing::erasure(session, case.id()).await? {
                output.print(&line)?;
            }
            in_step(&view)
        }
        CaseCommand::Close(arguments) => closing::close(session, arguments, output).await,
        CaseCommand::Hold(arguments) => closing::hold(session, arguments, output).await,
        CaseCommand::Erase(arguments) => closing::erase(session, arguments, output).await,
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
        CaseCommand::Verify { case } => verify(session, &case, output).await,
        CaseCommand::Claim { case, confirm, withdraw } => {
            session.try_to_catch_up().await?;
            let (case, _) = session.case(&case).await?;
            let pending = match (confirm, withdraw) {
                (true, _) => case.confirm_claim().await?,
                (_, true) => case.withdraw_claim().await?,
                (false, false) => case.claim().await?,
            };
            session.done(pending, &say!("waits-for-relay")).await?;
            let coordination = case.coordination().await?;
            let address = |who: &ProfessionalAddress| who.to_string();
            output.print(&CoordinationLine {
                case: case.id().to_hex(),
                coordinator: coordination.coordinator.as_ref().map(address),
                claimed_by: coordination.claimed_by.as_ref().map(address),
            })
        }
        CaseCommand::Timeline { case, as_of } => {
            session.try_to_catch_up().await?;
            let (case, view) = session.case(&case).await?;
            timeline::print(session, &case, &view, as_of, output).await?;
            in_step(&view)
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

async fn verify(session: &Session, case: &str, output: Output) -> Outcome {
    session.try_to_catch_up().await?;
    let (case, view) = session.case(case).await?;
    let numbers = case.numbers().await?;
    output.print(&NumberLine {
        case: case.id().to_hex(),
        epoch: numbers.epoch.0,
        number: numbers.number.to_string(),
        title: view.title.clone(),
    })?;
    for (member, number) in &numbers.devices {
        output.print(&DeviceNumberLine {
            address: member.address.professional.to_string(),
            device: member.address.device.to_hex(),
            name: member.name.clone(),
            organisation: member.organisation.clone(),
            own: member.own,
            revoked: member.revoked,
            number: number.to_string(),
        })?;
    }
    in_step(&view)
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
    session.tells_not_added(case.id(), &who);
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
