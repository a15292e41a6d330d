//! What the members of a case have agreed on about who answers for the family: who is responsible, which handovers
//! stand open and how far their receivers are, who holds the case back from being erased, and whether it closes.
//!
//! It lives in the group's context (RFC 9420 §8.1), so all members hold the same and a joiner learns it with the
//! Welcome. [`Duties::after`] is the only way from one state to the next: whoever commits asks it, and every member
//! asks it again before merging. It sees nothing but what every member has. Refused: a responsibility that nobody
//! would have; a readiness that the sender has not confirmed, or that somebody else declares; a completion before
//! every receiver is ready; closing while a handover stands open or an organisation is silent; erasing under a hold.

mod step;
#[cfg(test)]
mod tests;

use std::fmt;

use kring_protocol::address::ProfessionalAddress;
use kring_protocol::ids::Timestamp;
use serde::{Deserialize, Serialize};

use super::hash::ContentHash;
use super::ids::ItemId;
use super::member::Role;

pub use step::{DutyRefused, DutyStep};

/// Most handovers that stand open in a case at once: the context travels with every Welcome.
pub const MAX_HANDOVERS: usize = 8;
/// Most required receivers of one handover.
pub const MAX_RECEIVERS: usize = 8;

/// Who answers for the family, in the group's context.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duties {
    /// Professionals, rising. Empty: the coordinator.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) responsible: Vec<ProfessionalAddress>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) handovers: Vec<OpenHandover>,
    /// Domains of organisations, rising.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) holds: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) closing: Option<Closing>,
}

/// A handover that has been offered and has not ended.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenHandover {
    /// The item that offers it.
    pub offer: ItemId,
    /// Hash of that item's body, which names the dossier by hash in turn.
    pub hash: ContentHash,
    /// Who is responsible until it is completed.
    pub from: ProfessionalAddress,
    /// Every one of them has to be ready; rising.
    pub to: Vec<Receiver>,
    /// Who of them becomes coordinator with it.
    pub coordinator: Option<ProfessionalAddress>,
}

/// A required receiver of a handover.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receiver {
    /// Who.
    pub who: ProfessionalAddress,
    /// The synthesis in their own words that the sender has confirmed, by the hash of its body.
    pub understood: Option<ContentHash>,
    /// "I can start": when.
    pub ready: Option<Timestamp>,
}

/// How far a case's end is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// How far.
    pub stage: ClosingStage,
    /// Days from its closing after which the members erase it.
    pub keep_days: u64,
    /// What each organisation, by its domain, has stated about its own file; rising by domain.
    pub statements: Vec<(String, FileStatement)>,
}

/// Stages of a case's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClosingStage {
    /// Each organisation is asked for its statement.
    Proposed,
    /// Read only.
    Closed,
    /// Every device destroys what it has of the case.
    Erasing,
}

/// What an organisation states about its own file before a case is closed: the relay is never the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileStatement {
    /// What it has to keep is in its own file.
    Exported,
    /// It has nothing to keep.
    NotNeeded,
}

macro_rules! numbered {
    ($name:ident, $what:literal, $($variant:ident = $number:literal),+) => {
        impl $name {
            /// Its number in the group's context.
            pub fn number(self) -> u8 {
                match self { $(Self::$variant => $number),+ }
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_u8(self.number())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                match u8::deserialize(deserializer)? {
                    $($number => Ok(Self::$variant),)+
                    _ => Err(serde::de::Error::custom(concat!("an unknown ", $what))),
                }
            }
        }
    };
}

numbered!(ClosingStage, "stage of closing", Proposed = 1, Closed = 2, Erasing = 3);
numbered!(FileStatement, "statement", Exported = 1, NotNeeded = 2);

/// What a step is judged by besides the duties themselves: everybody's role, and who has a device in the group.
pub(crate) struct Seated<'a> {
    /// Rising by address.
    pub(crate) roles: &'a [(ProfessionalAddress, Role)],
    /// Professionals with a device in the group once the Commit is merged.
    pub(crate) present: &'a dyn Fn(&ProfessionalAddress) -> bool,
}

impl Seated<'_> {
    fn role(&self, who: &ProfessionalAddress) -> Option<Role> {
        self.roles.iter().find(|(address, _)| address == who).map(|(_, role)| *role)
    }

    fn coordinator(&self) -> Option<&ProfessionalAddress> {
        self.roles.iter().find(|(_, role)| *role == Role::Coordinator).map(|(address, _)| address)
    }

    /// Domains of all organisations with a device in the group, rising.
    pub(crate) fn organisations(&self) -> Vec<&str> {
        let here = self.roles.iter().filter(|(who, _)| (self.present)(who));
        let mut domains: Vec<_> = here.map(|(who, _)| who.domain()).collect();
        domains.sort_unstable();
        domains.dedup();
        domains
    }
}

impl Duties {
    /// Duties as a case begins with them.
    pub(crate) fn of(responsible: ProfessionalAddress) -> Self {
        Self { responsible: vec![responsible], ..Self::default() }
    }

    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether lists are in their order and within their bounds.
    pub(crate) fn is_well_formed(&self) -> bool {
        let receivers = |handover: &OpenHandover| {
            let members = handover.to.iter().any(|receiver| handover.coordinator.as_ref() == Some(&receiver.who));
            rising(&handover.to, |receiver| &receiver.who)
                && (1..=MAX_RECEIVERS).contains(&handover.to.len())
                && (handover.coordinator.is_none() || members)
        };
        let statements =
            self.closing.as_ref().is_none_or(|closing| rising(&closing.statements, |(domain, _)| domain));
        rising(&self.responsible, |who| who)
            && rising(&self.holds, |domain| domain)
            && self.handovers.len() <= MAX_HANDOVERS
            && self.handovers.iter().all(receivers)
            && statements
    }

    /// Who answers for the family; never nobody.
    pub(crate) fn responsible<'a>(
        &'a self,
        coordinator: Option<&'a ProfessionalAddress>,
    ) -> Vec<&'a ProfessionalAddress> {
        if self.responsible.is_empty() {
            coordinator.into_iter().collect()
        } else {
            self.responsible.iter().collect()
        }
    }

    /// Handovers that stand open.
    pub fn handovers(&self) -> &[OpenHandover] {
        &self.handovers
    }

    /// One of them.
    pub fn handover(&self, offer: ItemId) -> Option<&OpenHandover> {
        self.handovers.iter().find(|handover| handover.offer == offer)
    }

    /// Organisations, by their domains, that hold the case back from being erased.
    pub fn holds(&self) -> &[String] {
        &self.holds
    }

    /// How far the case's end is; `None`: it is open.
    pub fn closing(&self) -> Option<&Closing> {
        self.closing.as_ref()
    }

    /// How far the case's end is.
    pub fn stage(&self) -> Option<ClosingStage> {
        self.closing.as_ref().map(|closing| closing.stage)
    }

    /// The duties without somebody who is gone. Their own handovers end; where they were to receive one it waits for
    /// them from the start; if nobody else is responsible, `heir` is.
    pub(crate) fn without(&self, gone: &ProfessionalAddress, heir: Option<&ProfessionalAddress>) -> Self {
        let mut next = self.clone();
        next.responsible.retain(|who| who != gone);
        if next.responsible.is_empty() && !self.responsible.is_empty() {
            next.responsible.extend(heir.cloned());
        }
        next.handovers.retain(|handover| handover.from != *gone);
        for receiver in next.handovers.iter_mut().flat_map(|handover| &mut handover.to) {
            if receiver.who == *gone {
                (receiver.understood, receiver.ready) = (None, None);
            }
        }
        next
    }
}

impl OpenHandover {
    /// A required receiver of it.
    pub fn receiver(&self, who: &ProfessionalAddress) -> Option<&Receiver> {
        self.to.iter().find(|receiver| receiver.who == *who)
    }

    /// Whether every required receiver is ready.
    pub fn is_ready(&self) -> bool {
        self.to.iter().all(|receiver| receiver.ready.is_some())
    }
}

impl Closing {
    /// What an organisation has stated.
    pub fn statement(&self, domain: &str) -> Option<FileStatement> {
        self.statements.iter().find(|(other, _)| other == domain).map(|(_, statement)| *statement)
    }
}

fn rising<T, K: Ord + ?Sized>(list: &[T], key: impl Fn(&T) -> &K) -> bool {
    list.windows(2).all(|pair| key(&pair[0]) < key(&pair[1]))
}

macro_rules! hidden {
    ($($name:ident),+) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        })+
    };
}

hidden!(Duties, OpenHandover, Receiver, Closing, DutyStep);
