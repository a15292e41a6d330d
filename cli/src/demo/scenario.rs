//! A scenario: who takes part, and what happens step by step. The format is described at the top of
//! `examples/overdracht.toml`; [`read()`] reads it and refuses what cannot be played, naming the line.

mod check;
mod deed;
mod read;

use std::time::Duration;

use kring_client::case::Role;
use kring_pki::form::{DisplayName, FunctionCode};
use kring_protocol::address::ProfessionalAddress;

pub(crate) use deed::{Deed, Handing, Raised};
pub(crate) use read::read;

/// The scenario that is played when no other is given.
pub(crate) const DEFAULT: &str = include_str!("../../../examples/overdracht.toml");

/// Everything that a scenario says.
pub(crate) struct Scenario {
    /// The case's title.
    pub(crate) title: String,
    /// Who employs whom.
    pub(crate) organisations: Vec<Organisation>,
    /// Who takes part; steps name them by their place in this list.
    pub(crate) people: Vec<Person>,
    /// What happens.
    pub(crate) steps: Vec<Step>,
}

/// An organisation.
pub(crate) struct Organisation {
    /// What it is called.
    pub(crate) name: DisplayName,
    /// Its domain.
    pub(crate) domain: String,
    /// Functions that the region permits it.
    pub(crate) functions: Vec<FunctionCode>,
}

/// A professional, with one device.
pub(crate) struct Person {
    /// Name.
    pub(crate) name: DisplayName,
    /// Address, within the organisation's domain.
    pub(crate) address: ProfessionalAddress,
    /// Place of the organisation in the scenario's list.
    pub(crate) organisation: usize,
    /// Function.
    pub(crate) function: FunctionCode,
}

/// Place of a person in the scenario's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Who(pub(crate) usize);

/// One step.
#[derive(Debug)]
pub(crate) struct Step {
    /// Its line in the file.
    pub(crate) line: usize,
    /// The invented time at which it happens; for the timeline only.
    pub(crate) at: Option<String>,
    /// What happens.
    pub(crate) what: What,
}

/// What happens in a step.
#[derive(Debug, PartialEq)]
pub(crate) enum What {
    /// A heading in the timeline.
    Chapter(String),
    /// Somebody opens the case.
    Create(Who),
    /// Somebody adds another.
    Add(Change),
    /// Two or more add somebody at the same moment.
    AtOnce(Vec<Change>),
    /// Somebody gives another a role.
    SetRole(Change),
    /// Somebody removes another.
    Remove {
        /// Who removes.
        by: Who,
        /// Who is removed.
        who: Who,
    },
    /// Somebody says something.
    Say(Said),
    /// A device loses its connection.
    Offline(Who),
    /// A device has it back, and catches up.
    Online(Who),
    /// The relay is killed with SIGKILL.
    KillRelay,
    /// The relay is started again.
    StartRelay,
    /// Somebody does their part of an alert, a plan or a handover.
    Deed(Deed),
}

/// A change of who takes part, and with which role.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Change {
    /// Who changes it.
    pub(crate) by: Who,
    /// Whom it concerns.
    pub(crate) who: Who,
    /// Their role from now on.
    pub(crate) role: Role,
}

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Said {
    /// Who says it.
    pub(crate) by: Who,
    /// What, as Markdown.
    pub(crate) text: String,
    /// Which family members it concerns.
    pub(crate) about: Vec<String>,
    /// Why it is shared.
    pub(crate) purpose: Option<String>,
    /// The script goes on before the relay has acknowledged it.
    pub(crate) unawaited: bool,
}

impl Scenario {
    /// A person.
    pub(crate) fn person(&self, who: Who) -> &Person {
        &self.people[who.0]
    }

    /// A person's organisation.
    pub(crate) fn organisation_of(&self, who: Who) -> &Organisation {
        &self.organisations[self.person(who).organisation]
    }

    /// All messages, in the order in which they are said.
    pub(crate) fn said(&self) -> impl Iterator<Item = &Said> {
        self.steps.iter().filter_map(|step| match &step.what {
            What::Say(said) => Some(said),
            _ => None,
        })
    }

    /// Every text that is to stay between the members: messages, and all that is written in alerts, plans and handovers.
    pub(crate) fn texts(&self) -> impl Iterator<Item = String> {
        self.steps.iter().flat_map(|step| match &step.what {
            What::Say(said) => vec![said.text.clone()],
            What::Deed(deed) => deed.texts(),
            _ => Vec::new(),
        })
    }
}

impl Step {
    /// How long it stands before the next one, at a pace at which people read: some 25 characters a second of what the
    /// timeline shows.
    pub(crate) fn reading_time(&self) -> Duration {
        const SHOWN: usize = 280;
        let characters = match &self.what {
            What::Say(said) => said.text.chars().count().min(SHOWN),
            What::Deed(deed) => deed.texts().iter().map(|text| text.chars().count()).sum::<usize>().clamp(60, SHOWN),
            _ => 60,
        };
        Duration::from_millis(400 + 40 * characters as u64)
    }
}
