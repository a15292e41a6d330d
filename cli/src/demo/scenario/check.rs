//! Whether the steps of a scenario can be played in their order: who is in the case, who is online, whether the relay
//! runs.

use std::fmt;

use kring_client::case::Role;

use super::{Change, Deed, Handing, Person, What, Who};

/// How things stand between two steps.
pub(super) struct Stage {
    roles: Vec<Option<Role>>,
    gone: Vec<bool>,
    online: Vec<bool>,
    relay: bool,
    created: bool,
    functions: Vec<String>,
    /// The open alert: steps of its ladder, and how far it is.
    alert: Option<(usize, u64)>,
    plan: PlanStage,
    handover: Option<Handed>,
    /// Who answers for the family: a handover moves it, a role does not.
    responsible: Vec<Who>,
}

/// How far the safety plan is.
enum PlanStage {
    None,
    Drafted(Who),
    Proposed { missing: Vec<String> },
}

/// The handover that stands open.
struct Handed {
    from: Who,
    handing: Handing,
    /// How far each receiver is, in the order of the receivers.
    reached: Vec<Reached>,
}

/// How far a receiver of a handover is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reached {
    Offered,
    Opened,
    Understood,
    Confirmed,
    Ready,
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
    NoAlert,
    AlertOpen,
    NoSuchRung,
    NoPlan,
    PlanNotTheirs,
    NotAsked,
    NoHandover,
    HandoverOpen,
    NotAReceiver,
    HandoverOrder,
    Observer,
    NotResponsible,
    SolelyResponsible,
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
            Self::NoAlert => "no alert is open at this step",
            Self::AlertOpen => "an alert is resolved before the next one is raised, and before the end",
            Self::NoSuchRung => "escalated counts the steps of the open alert's ladder, one by one",
            Self::NoPlan => "no plan is so far at this step: it is drafted, then proposed, then approved",
            Self::PlanNotTheirs => "a plan is proposed by who drafted it, or by the coordinator or a deputy",
            Self::NotAsked => "this person's function is not asked to approve the plan, or has approved it",
            Self::NoHandover => "no handover is open at this step",
            Self::HandoverOpen => "a handover is completed before the next one is offered, and before the end",
            Self::NotAReceiver => "this is for a receiver of the handover to do",
            Self::HandoverOrder => {
                "a handover is offered, and by each receiver opened, understood, then confirmed by who offered it, and \
                 ready; then it is completed"
            }
            Self::NotResponsible => "who offers a handover answers for the family, which only a handover moves",
            Self::SolelyResponsible => "who alone answers for the family hands over first, and is removed then",
            Self::Observer => "observers read and speak",
        })
    }
}

impl Stage {
    /// Before the first step.
    pub(super) fn empty(people: &[Person]) -> Self {
        Self {
            roles: vec![None; people.len()],
            gone: vec![false; people.len()],
            online: vec![true; people.len()],
            relay: true,
            created: false,
            functions: people.iter().map(|person| person.function.as_str().to_owned()).collect(),
            alert: None,
            plan: PlanStage::None,
            handover: None,
            responsible: Vec::new(),
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
                self.responsible = vec![*who];
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
                    Some(_) if self.responsible == [*who] => return Err(Problem::SolelyResponsible),
                    Some(_) => {}
                }
                self.responsible.retain(|other| other != who);
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
            What::Deed(deed) => self.deed(deed)?,
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
        if self.alert.is_some() {
            return Err(Problem::AlertOpen);
        }
        if self.handover.is_some() {
            return Err(Problem::HandoverOpen);
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

    fn deed(&mut self, deed: &Deed) -> Result<(), Problem> {
        if let Some(by) = deed.by() {
            self.acts(by, &[Role::Coordinator, Role::Deputy, Role::Member, Role::Observer])?;
            let speaks = matches!(deed, Deed::Raise { .. } | Deed::Acknowledge { acts: false, .. });
            if self.roles[by.0] == Some(Role::Observer) && !speaks {
                return Err(Problem::Observer);
            }
        }
        match deed {
            Deed::Raise { raised, .. } => {
                if self.alert.replace((raised.ladder.len(), 0)).is_some() {
                    return Err(Problem::AlertOpen);
                }
            }
            Deed::Acknowledge { .. } => self.alert.map(drop).ok_or(Problem::NoAlert)?,
            Deed::Escalated(step) => {
                let (rungs, at) = self.alert.as_mut().ok_or(Problem::NoAlert)?;
                // The step after the last is that the ladder is exhausted.
                if *step != *at + 1 || *step > *rungs as u64 + 1 {
                    return Err(Problem::NoSuchRung);
                }
                *at = *step;
            }
            Deed::Resolve { .. } => self.alert.take().map(drop).ok_or(Problem::NoAlert)?,
            Deed::Draft { by, .. } => self.plan = PlanStage::Drafted(*by),
            Deed::Propose { by, functions } => {
                let PlanStage::Drafted(author) = &self.plan else { return Err(Problem::NoPlan) };
                if author != by && !self.manages(*by) {
                    return Err(Problem::PlanNotTheirs);
                }
                self.plan = PlanStage::Proposed { missing: functions.clone() };
            }
            Deed::Approve(by) => {
                let PlanStage::Proposed { missing } = &mut self.plan else { return Err(Problem::NoPlan) };
                let place = missing.iter().position(|function| *function == self.functions[by.0]);
                missing.swap_remove(place.ok_or(Problem::NotAsked)?);
            }
            Deed::Offer { by, handing } => {
                if self.handover.is_some() {
                    return Err(Problem::HandoverOpen);
                }
                if !self.responsible.contains(by) {
                    return Err(Problem::NotResponsible);
                }
                for who in &handing.to {
                    match self.roles[who.0] {
                        None => return Err(Problem::NotInTheCase),
                        Some(Role::Observer) => return Err(Problem::Observer),
                        Some(_) if who == by => return Err(Problem::NotAReceiver),
                        Some(_) => {}
                    }
                }
                if handing.coordinator.is_some() && self.roles[by.0] != Some(Role::Coordinator) {
                    return Err(Problem::MayNot);
                }
                let reached = vec![Reached::Offered; handing.to.len()];
                self.handover = Some(Handed { from: *by, handing: (**handing).clone(), reached });
            }
            Deed::Open(by) => self.receives(*by, Reached::Offered, Reached::Opened)?,
            Deed::Understand { by, .. } => self.receives(*by, Reached::Opened, Reached::Understood)?,
            Deed::Confirm(by) => {
                let handed = self.handover.as_mut().ok_or(Problem::NoHandover)?;
                if handed.from != *by || !handed.reached.contains(&Reached::Understood) {
                    return Err(Problem::HandoverOrder);
                }
                let understood = handed.reached.iter_mut().filter(|reached| **reached == Reached::Understood);
                understood.for_each(|reached| *reached = Reached::Confirmed);
            }
            Deed::Ready { by, .. } => self.receives(*by, Reached::Confirmed, Reached::Ready)?,
            Deed::Complete(by) => {
                let handed = self.handover.take().ok_or(Problem::NoHandover)?;
                let theirs = handed.from == *by || handed.handing.to.contains(by);
                if !theirs || handed.reached.iter().any(|reached| *reached != Reached::Ready) {
                    return Err(Problem::HandoverOrder);
                }
                self.responsible.retain(|who| *who != handed.from);
                self.responsible.extend(handed.handing.to);
                if let Some(coordinator) = handed.handing.coordinator {
                    self.roles[handed.from.0] = Some(Role::Deputy);
                    self.roles[coordinator.0] = Some(Role::Coordinator);
                }
            }
        }
        Ok(())
    }

    fn receives(&mut self, by: Who, from: Reached, to: Reached) -> Result<(), Problem> {
        let handed = self.handover.as_mut().ok_or(Problem::NoHandover)?;
        let place = handed.handing.to.iter().position(|who| *who == by).ok_or(Problem::NotAReceiver)?;
        if handed.reached[place] != from {
            return Err(Problem::HandoverOrder);
        }
        handed.reached[place] = to;
        Ok(())
    }

    fn manages(&self, who: Who) -> bool {
        matches!(self.roles[who.0], Some(Role::Coordinator | Role::Deputy))
    }
}
