//! Whether the steps of a scenario can be played in their order: who is in the case, who is online, whether the relay
//! runs.

use std::fmt;

use kring_client::case::Role;

use super::{Change, What, Who};

/// How things stand between two steps.
pub(super) struct Stage {
    roles: Vec<Option<Role>>,
    gone: Vec<bool>,
    online: Vec<bool>,
    relay: bool,
    created: bool,
}

/// Why a step cannot be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    CreatedTwice,
    NotCreated,
    NotInTheCase,
    InTheCase,
    CannotComeBack,
    MayNot,
    OneCoordinator,
    CoordinatorRemoved,
    Offline,
    OnlineAlready,
    NoRelay,
    RelayRuns,
    NotTwo,
    StaysOffline,
    RelayStaysDown,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CreatedTwice => "the case is created once",
            Self::NotCreated => "the first thing that happens is create",
            Self::NotInTheCase => "who acts or is meant here is not in the case at this step",
            Self::InTheCase => "who is added is in the case already",
            Self::CannotComeBack => "who was removed is not added again in a scenario",
            Self::MayNot => "only the coordinator or a deputy adds and removes, and only the coordinator gives roles",
            Self::OneCoordinator => "there is exactly one coordinator; hand it over with role_of",
            Self::CoordinatorRemoved => "the coordinator is not removed",
            Self::Offline => "this cannot be done by somebody who is offline",
            Self::OnlineAlready => "online ends an offline of the same person",
            Self::NoRelay => "this needs the relay, which is down at this step",
            Self::RelayRuns => "start_relay follows kill_relay",
            Self::NotTwo => "at_once has at least two changes, each by another person and of another person",
            Self::StaysOffline => "everybody who went offline comes online again before the end",
            Self::RelayStaysDown => "after kill_relay comes start_relay before the end",
        })
    }
}

impl Stage {
    /// Before the first step.
    pub(super) fn empty(people: usize) -> Self {
        Self {
            roles: vec![None; people],
            gone: vec![false; people],
            online: vec![true; people],
            relay: true,
            created: false,
        }
    }

    /// Plays one step.
    pub(super) fn play(&mut self, what: &What) -> Result<(), Problem> {
        if !self.created && !matches!(what, What::Chapter(_) | What::Create(_)) {
            return Err(Problem::NotCreated);
        }
        match what {
            What::Chapter(_) => {}
            What::Create(who) => {
                if self.created {
                    return Err(Problem::CreatedTwice);
                }
                self.created = true;
                self.roles[who.0] = Some(Role::Coordinator);
            }
            What::Add(change) => self.add(change)?,
            What::AtOnce(changes) => {
                let differ = |of: fn(&Change) -> Who| {
                    let all: std::collections::BTreeSet<Who> = changes.iter().map(of).collect();
                    all.len() == changes.len()
                };
                if changes.len() < 2 || !differ(|change| change.by) || !differ(|change| change.who) {
                    return Err(Problem::NotTwo);
                }
                changes.iter().try_for_each(|change| self.add(change))?;
            }
            What::SetRole(Change { by, who, role }) => {
                self.acts(*by, &[Role::Coordinator])?;
                if self.roles[who.0].is_none() {
                    return Err(Problem::NotInTheCase);
                }
                if by == who {
                    return Err(Problem::OneCoordinator);
                }
                self.roles[who.0] = Some(*role);
                if *role == Role::Coordinator {
                    self.roles[by.0] = Some(Role::Deputy);
                }
            }
            What::Remove { by, who } => {
                self.acts(*by, &[Role::Coordinator, Role::Deputy])?;
                match self.roles[who.0] {
                    None => return Err(Problem::NotInTheCase),
                    Some(Role::Coordinator) => return Err(Problem::CoordinatorRemoved),
                    Some(_) if !self.online[who.0] => return Err(Problem::Offline),
                    Some(_) => {}
                }
                self.roles[who.0] = None;
                self.gone[who.0] = true;
            }
            What::Say(said) => {
                if self.roles[said.by.0].is_none() {
                    return Err(Problem::NotInTheCase);
                }
            }
            What::Offline(who) => {
                if !std::mem::replace(&mut self.online[who.0], false) {
                    return Err(Problem::Offline);
                }
            }
            What::Online(who) => {
                if std::mem::replace(&mut self.online[who.0], true) {
                    return Err(Problem::OnlineAlready);
                }
                if !self.relay {
                    return Err(Problem::NoRelay);
                }
            }
            What::KillRelay => {
                if !std::mem::replace(&mut self.relay, false) {
                    return Err(Problem::NoRelay);
                }
            }
            What::StartRelay => {
                if std::mem::replace(&mut self.relay, true) {
                    return Err(Problem::RelayRuns);
                }
            }
        }
        Ok(())
    }

    /// After the last step.
    pub(super) fn end(&self) -> Result<(), Problem> {
        if !self.created {
            return Err(Problem::NotCreated);
        }
        if !self.relay {
            return Err(Problem::RelayStaysDown);
        }
        if self.online.contains(&false) { Err(Problem::StaysOffline) } else { Ok(()) }
    }

    fn add(&mut self, Change { by, who, role }: &Change) -> Result<(), Problem> {
        self.acts(*by, &[Role::Coordinator, Role::Deputy])?;
        if self.gone[who.0] {
            return Err(Problem::CannotComeBack);
        }
        if *role == Role::Coordinator {
            return Err(Problem::OneCoordinator);
        }
        match self.roles[who.0].replace(*role) {
            None => Ok(()),
            Some(_) => Err(Problem::InTheCase),
        }
    }

    fn acts(&self, by: Who, roles: &[Role]) -> Result<(), Problem> {
        match self.roles[by.0] {
            None => Err(Problem::NotInTheCase),
            Some(role) if !roles.contains(&role) => Err(Problem::MayNot),
            Some(_) if !self.online[by.0] => Err(Problem::Offline),
            Some(_) if !self.relay => Err(Problem::NoRelay),
            Some(_) => Ok(()),
        }
    }
}
