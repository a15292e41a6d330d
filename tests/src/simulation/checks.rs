//! What must hold, compared after every step of a device and at the end with what all devices together have shown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use kring_client::case::{CaseId, CaseStatus, ItemId, Position};
use kring_client::conversation::{Action, Event as Told};
use kring_protocol::address::DeviceAddress;
use kring_protocol::ids::{Epoch, GroupId, MessageHash, OperationId, Seq};
use kring_protocol::message::{Record, Request};
use kring_protocol::mls::{ContentType, private_message};

use super::sha256;
use super::world::World;

/// A rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rule, as it should hold.
    pub rule: &'static str,
    /// What was seen instead.
    pub seen: String,
}

impl Violation {
    pub(super) fn new(rule: &'static str, seen: impl Into<String>) -> Self {
        Self { rule, seen: seen.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it does not hold that {}: {}", self.rule, self.seen)
    }
}

/// What one store of a device has been through.
#[derive(Clone, Default)]
pub(super) struct Life {
    /// How many stores the device had before.
    pub(super) number: u32,
    /// Epochs in which it has been.
    epochs: BTreeSet<(GroupId, Epoch)>,
    at: BTreeMap<CaseId, (GroupId, Epoch)>,
    position: BTreeMap<CaseId, Position>,
    heard: BTreeMap<CaseId, Vec<Heard>>,
    /// Groups that it does not read to the end, for a reason that it was told.
    pub(super) excused: BTreeSet<GroupId>,
    /// Items that it was told were dropped.
    dropped: BTreeSet<ItemId>,
    /// Up to where its state of a case has been compared.
    folded: BTreeMap<CaseId, (GroupId, Seq)>,
}

impl Life {
    /// The same, in a device's store of this number.
    pub(super) fn in_store(self, number: u32) -> Self {
        Self { number, ..self }
    }
}

/// An item that a device shows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Heard {
    group: GroupId,
    seq: Seq,
    author: DeviceAddress,
    id: ItemId,
}

/// One epoch, as those who are in it see it.
struct Shared {
    authenticator: Vec<u8>,
    members: BTreeSet<DeviceAddress>,
}

/// One record.
struct Logged {
    hash: MessageHash,
    content: ContentType,
    epoch: Epoch,
    /// Somebody has it, not only a receipt.
    delivered: bool,
    /// Devices that have read it.
    read_by: BTreeSet<usize>,
    /// Somebody has read it as what it is: how far a device has got, which is not shown.
    progress: bool,
}

/// One item as the first device showed it.
#[derive(PartialEq, Eq)]
struct Said {
    author: DeviceAddress,
    id: ItemId,
    epoch: Epoch,
    text: String,
}

/// Something that a user has said.
struct Wanted {
    device: usize,
    life: u32,
    case: CaseId,
    /// The relay has acknowledged it.
    relayed: Option<Seq>,
    /// How many things were said before it; `None`: it may overtake them.
    turn: Option<usize>,
}

/// What is known of everything.
#[derive(Default)]
pub(super) struct Truth {
    pub(super) cases: Vec<CaseId>,
    epochs: BTreeMap<(GroupId, Epoch), Shared>,
    log: BTreeMap<(GroupId, Seq), Logged>,
    said: BTreeMap<(GroupId, Seq), Said>,
    wanted: BTreeMap<ItemId, Wanted>,
    /// The state of a case after each record, as the first device had it that had all of it: its hash.
    states: BTreeMap<(GroupId, Seq), String>,
    sent: BTreeSet<OperationId>,
    /// Alarms are expected: a store was set back, or a relay.
    pub(super) alarms_expected: bool,
}

impl Truth {
    /// Somebody wants to say something.
    pub(super) fn wants(&mut self, item: ItemId, device: usize, life: u32, case: CaseId) {
        let turn = Some(self.wanted.len());
        self.wanted.insert(item, Wanted { device, life, case, relayed: None, turn });
    }

    /// Somebody wants to say something that may leave before what was said earlier: alerts do.
    pub(super) fn wants_in_any_order(&mut self, item: ItemId, device: usize, life: u32, case: CaseId) {
        self.wanted.insert(item, Wanted { device, life, case, relayed: None, turn: None });
    }

    /// The relay has given a receipt for a message.
    pub(super) fn received(&mut self, group: GroupId, seq: Seq, hash: MessageHash) -> Result<(), Violation> {
        match self.log.get(&(group, seq)) {
            Some(known) if known.hash != hash => {
                Err(Violation::new("what is acknowledged stays", format!("record {seq} has become another one")))
            }
            Some(_) => Ok(()),
            None => {
                let (content, epoch) = (ContentType::Proposal, Epoch(0));
                let read_by = BTreeSet::new();
                let logged = Logged { hash, content, epoch, delivered: false, read_by, progress: false };
                self.log.insert((group, seq), logged);
                Ok(())
            }
        }
    }

    /// The relay has delivered a record.
    pub(super) fn delivered(&mut self, group: GroupId, record: &Record) -> Result<(), Violation> {
        let hash = sha256(&record.message);
        self.received(group, record.seq, hash)?;
        let header = private_message(&record.message)
            .map_err(|_| Violation::new("a log holds PrivateMessages", "something else"))?;
        if let Some(logged) = self.log.get_mut(&(group, record.seq)) {
            (logged.content, logged.epoch) = (header.content, header.epoch);
            logged.delivered = true;
        }
        Ok(())
    }

    /// A device has read records and tells its user what came of them.
    pub(super) fn read(&mut self, index: usize, records: impl Iterator<Item = (GroupId, Seq)>, actions: &[Action]) {
        for place in records {
            if let Some(logged) = self.log.get_mut(&place) {
                logged.read_by.insert(index);
            }
        }
        for action in actions {
            if let Action::Tell(Told::Receipt { record, .. }) = action
                && let Some(logged) = self.log.get_mut(record)
            {
                logged.progress = true;
            }
        }
    }

    /// The record that ends an epoch, if it has been delivered to somebody.
    pub(super) fn end_of(&self, group: GroupId, epoch: Epoch) -> Option<Seq> {
        let ends = |((of, _), logged): &(&(GroupId, Seq), &Logged)| {
            *of == group && logged.delivered && logged.epoch == epoch && logged.content == ContentType::Commit
        };
        self.log.iter().find(ends).map(|((_, seq), _)| *seq)
    }

    /// All epochs that anybody has been in.
    pub(super) fn known_epochs(&self) -> Vec<(GroupId, Epoch)> {
        self.epochs.keys().copied().collect()
    }
}

/// How a case stands on a device.
pub(super) struct Standing {
    pub(super) device: usize,
    pub(super) status: CaseStatus,
    at: Option<(GroupId, Epoch, Vec<u8>)>,
    seq: Seq,
    pub(super) members: BTreeSet<DeviceAddress>,
    pub(super) manages: bool,
    queued: usize,
}

impl World {
    /// Looks at a device after a step.
    pub(super) fn observe(&mut self, index: usize) {
        if !self.watched {
            return;
        }
        for case in self.truth.cases.clone() {
            let seen = self.observe_case(index, case);
            self.judge(seen);
        }
    }

    fn observe_case(&mut self, index: usize, case: CaseId) -> Result<(), Violation> {
        let device = &mut self.devices[index];
        let (Some(core), life) = (&device.core, &mut device.life) else { return Ok(()) };
        let unreadable = |error| Violation::new("a store can be read", format!("device {index}: {error}"));
        let Some((group, epoch, authenticator)) = core.authenticator(case).map_err(unreadable)? else {
            return Ok(());
        };
        let view = || core.case(case).map_err(unreadable);
        if life.at.get(&case) != Some(&(group, epoch)) {
            let status = view()?.map(|view| view.status);
            if matches!(status, Some(CaseStatus::Open | CaseStatus::Leaving | CaseStatus::Opening)) {
                life.at.insert(case, (group, epoch));
                life.epochs.insert((group, epoch));
                let members: BTreeSet<_> =
                    core.members(case).map_err(unreadable)?.into_iter().map(|member| member.address).collect();
                if !members.contains(&device.address) {
                    return Err(Violation::new("who is in a case is a member", format!("device {index} is not")));
                }
                let shared = self
                    .truth
                    .epochs
                    .entry((group, epoch))
                    .or_insert_with(|| Shared { authenticator: authenticator.clone(), members: members.clone() });
                if shared.authenticator != authenticator || shared.members != members {
                    let seen = format!("device {index} has another epoch {epoch} than others");
                    return Err(Violation::new("all members of an epoch are in the same state", seen));
                }
            }
        }
        let after = life.position.get(&case).copied().unwrap_or_default();
        let heard = life.heard.entry(case).or_default();
        for item in core.items(case, after, usize::MAX).map_err(unreadable)? {
            life.position.insert(case, item.position);
            let (seq, epoch) = (item.seq, item.epoch);
            if !life.epochs.contains(&(group, epoch)) {
                let seen = format!("device {index} shows record {seq} of epoch {epoch}, in which it was not");
                return Err(Violation::new("nobody reads what belongs to epochs in which they were not", seen));
            }
            if heard.iter().any(|before| before.id == item.id && before.author == item.author) {
                let seen = format!("device {index} shows an item twice, the second time at record {seq}");
                return Err(Violation::new("every item is shown once", seen));
            }
            let excused = life.excused.contains(&group);
            if !excused && heard.iter().any(|before| before.group == group && before.seq >= seq) {
                let seen = format!("device {index} shows record {seq} after a later one");
                return Err(Violation::new("items are shown in the log's order", seen));
            }
            let text = item.body.text().unwrap_or_default().to_owned();
            let said = Said { author: item.author.clone(), id: item.id, epoch, text };
            let first = self.truth.said.entry((group, seq)).or_insert_with(|| Said {
                author: item.author.clone(),
                id: item.id,
                epoch,
                text: said.text.clone(),
            });
            if *first != said {
                let seen = format!("device {index} shows something else at record {seq}");
                return Err(Violation::new("all devices show the same", seen));
            }
            heard.push(Heard { group, seq, author: item.author, id: item.id });
        }
        self.observe_state(index, case, group)
    }

    /// The state of a case follows from its log: after the same record it is the same on every device, byte for byte, and
    /// somebody is responsible for the family.
    fn observe_state(&mut self, index: usize, case: CaseId, group: GroupId) -> Result<(), Violation> {
        let device = &mut self.devices[index];
        let (Some(core), life) = (&device.core, &mut device.life) else { return Ok(()) };
        let unreadable = |error| Violation::new("a store can be read", format!("device {index}: {error}"));
        let Some(view) = core.case(case).map_err(unreadable)? else { return Ok(()) };
        let at = (group, view.seq);
        // Who was taken out does not apply the change that did it.
        if !matches!(view.status, CaseStatus::Open | CaseStatus::Leaving) {
            return Ok(());
        }
        if view.seq == Seq(0) || view.group != group || life.folded.insert(case, at) == Some(at) {
            return Ok(());
        }
        let state = core.state(case).map_err(unreadable)?;
        if state.responsible().is_empty() {
            let seen = format!("device {index} shows nobody at record {}", view.seq);
            return Err(Violation::new("somebody is responsible for the family at every record", seen));
        }
        if !core.has_whole_state(case).map_err(unreadable)? {
            return Ok(());
        }
        let hash = state.hash().to_hex();
        let first = self.truth.states.entry(at).or_insert_with(|| hash.clone());
        if *first != hash {
            let seen = format!("device {index} has another state at record {}", view.seq);
            return Err(Violation::new("the same log gives the same state, byte for byte", seen));
        }
        Ok(())
    }

    /// The state of a case at the end: the same for everybody who is in it, and nobody still waits for it.
    fn check_state(&self, case: CaseId, inside: &[&Standing]) -> Result<(), Violation> {
        let mut first: Option<(usize, String)> = None;
        let mut short = None;
        for standing in inside {
            let device = &self.devices[standing.device];
            let Some(core) = &device.core else { continue };
            if !core.has_whole_state(case).unwrap_or_default() {
                // Messages have not reached it, as its user was told, or its store was set back.
                let excused = !device.life.excused.is_empty() || (device.damaged && self.truth.alarms_expected);
                short = if excused { short } else { Some(device.index) };
                continue;
            }
            let hash = core.state(case).map(|state| state.hash().to_hex()).unwrap_or_default();
            match &first {
                Some((other, same)) if *same != hash => {
                    let seen = format!("devices {other} and {} have two states of a case", device.index);
                    return Err(Violation::new("all members have the same state of a case, byte for byte", seen));
                }
                Some(_) => {}
                None => first = Some((device.index, hash)),
            }
        }
        match (first, short) {
            (Some(_), Some(device)) => {
                let seen = format!("device {device} still waits for it");
                Err(Violation::new("whoever joins is told the state of the case", seen))
            }
            _ => Ok(()),
        }
    }

    /// Looks at what a user is told.
    pub(super) fn hear(&mut self, index: usize, actions: &[Action]) {
        for action in actions {
            let Action::Tell(told) = action else { continue };
            if !self.watched {
                self.devices[index].told.push(told.clone());
                continue;
            }
            match told {
                Told::Relayed { item, seq, .. } => {
                    if let Some(wanted) = self.truth.wanted.get_mut(item) {
                        wanted.relayed = Some(*seq);
                    }
                }
                Told::Dropped { item: Some(item), .. } => {
                    self.devices[index].life.dropped.insert(*item);
                }
                Told::Suspicion { .. }
                | Told::CommitRefused { .. }
                | Told::OutOfStep { .. }
                | Told::Unreachable { .. }
                | Told::Gap { .. }
                | Told::RelayReplaced => {
                    if let Told::Gap { case, .. } | Told::OutOfStep { case } | Told::CommitRefused { case, .. } = told
                        && let Some((group, _)) = self.devices[index].life.at.get(case).copied()
                    {
                        self.devices[index].life.excused.insert(group);
                    }
                    if !self.truth.alarms_expected {
                        let seen = format!("device {index} is told {told:?}");
                        self.fail(Violation::new("nobody is alarmed without a cause", seen));
                    }
                }
                _ => {}
            }
        }
    }

    /// Looks at what a device sends: nothing goes to somebody whom it knows to be revoked.
    pub(super) fn check_sending(&mut self, index: usize, request: &Request) {
        let Request::Submit(submit) = request else { return };
        let content = private_message(&submit.message).map(|header| header.content);
        let first = self.truth.sent.insert(submit.operation);
        if content != Ok(ContentType::Application) || !first {
            return;
        }
        let knows = self.devices[index].knows_revoked;
        let Some(core) = &self.devices[index].core else { return };
        for case in &self.truth.cases {
            let of_group = core.case(*case).ok().flatten().is_some_and(|view| view.group == submit.access.group);
            let members = if of_group { core.members(*case).unwrap_or_default() } else { Vec::new() };
            let revoked = self.revoked.iter().take(knows).map(|device| &self.devices[*device].address);
            if revoked.into_iter().any(|revoked| members.iter().any(|member| member.address == *revoked)) {
                let seen = format!("device {index} encrypts to a device that it knows to be revoked");
                return self.fail(Violation::new("nothing is encrypted to who is revoked", seen));
            }
        }
    }

    /// How a case stands on the devices that have it and count.
    pub(super) fn standings(&self, case: CaseId) -> Vec<Standing> {
        let counts = |device: &&super::device::Device| !self.revoked.contains(&device.index);
        let standing = |device: &super::device::Device| {
            let core = device.core.as_ref()?;
            let view = core.case(case).ok().flatten()?;
            let members = core.members(case).ok()?;
            let own = members.iter().find(|member| member.own);
            let manages = own.is_some_and(|own| {
                matches!(own.role, kring_client::case::Role::Coordinator | kring_client::case::Role::Deputy)
            });
            Some(Standing {
                device: device.index,
                status: view.status,
                at: core.authenticator(case).ok().flatten(),
                seq: view.seq,
                members: members.into_iter().map(|member| member.address).collect(),
                manages,
                queued: view.queued,
            })
        };
        self.devices.iter().filter(counts).filter_map(standing).collect()
    }

    /// Whether nothing is under way and all agree; `Err`: what is not so yet.
    pub(super) fn settled(&self) -> Result<(), Violation> {
        for (number, case) in self.truth.cases.iter().enumerate() {
            let standings = self.standings(*case);
            let is_in = |standing: &&Standing| matches!(standing.status, CaseStatus::Open | CaseStatus::Leaving);
            let inside: Vec<_> = standings.iter().filter(is_in).collect();
            let is_member = |device: usize| {
                let address = &self.devices[device].address;
                inside.first().is_none_or(|standing| standing.members.contains(address))
            };
            for standing in &standings {
                let device = standing.device;
                if standing.queued > 0 {
                    let seen = format!("device {device} has {} things under way in case {number}", standing.queued);
                    return Err(Violation::new("the outbox empties", seen));
                }
                // Who was taken out while out of step does not learn of it.
                let out = standing.status == CaseStatus::OutOfStep && !is_member(device);
                if !is_in(&standing) && standing.status != CaseStatus::Left && !out {
                    let seen = format!("case {number} is {:?} on device {device}", standing.status);
                    return Err(Violation::new("nothing waits for ever", seen));
                }
            }
            let Some(first) = inside.first() else { continue };
            for other in &inside {
                if other.at != first.at || other.seq != first.seq {
                    let seen = format!("devices {} and {} differ in case {number}", first.device, other.device);
                    return Err(Violation::new("all members agree in the end", seen));
                }
            }
            let present: BTreeSet<_> =
                inside.iter().map(|standing| self.devices[standing.device].address.clone()).collect();
            if present != first.members {
                let away = first.members.iter().filter(|member| !present.contains(member));
                let away: Vec<_> = away.map(|member| member.device.0[0] - 1).collect();
                let seen = format!("devices {away:?} are members of case {number} and do not have it");
                return Err(Violation::new("who is a member has the case", seen));
            }
            self.check_state(*case, &inside)?;
        }
        Ok(())
    }

    /// What one device says stands in the log in the order in which it was said.
    fn check_order(&self) -> Result<(), Violation> {
        let mut last: BTreeMap<(usize, u32, CaseId), usize> = BTreeMap::new();
        for ((_, seq), said) in &self.truth.said {
            let Some(wanted) = self.truth.wanted.get(&said.id) else { continue };
            let Some(turn) = wanted.turn else { continue };
            let before = last.insert((wanted.device, wanted.life, wanted.case), turn);
            if before.is_some_and(|before| before > turn) && !self.truth.alarms_expected {
                let seen = format!("device {} said record {seq} before an earlier one", wanted.device);
                return Err(Violation::new("what one says arrives in order", seen));
            }
        }
        Ok(())
    }

    /// Looks at everything once nothing is under way any more.
    pub(super) fn check_end(&mut self) -> Result<(), Violation> {
        for device in &self.devices {
            let index = device.index;
            if self.revoked.contains(&index) {
                continue;
            }
            let life = &device.life;
            let all: Vec<&Heard> = life.heard.values().flatten().collect();
            for ((group, seq), said) in &self.truth.said {
                let due = life.epochs.contains(&(*group, said.epoch)) && !life.excused.contains(group);
                let has = all.iter().any(|heard| heard.id == said.id && heard.author == said.author);
                // What a store that was set back had said since its backup, it cannot read.
                let own = device.damaged && said.author == device.address;
                if due && !has && !own {
                    let seen = format!("device {index} was a member at record {seq} and does not show it");
                    return Err(Violation::new("what is acknowledged reaches every member", seen));
                }
            }
        }
        self.check_order()?;
        for (id, wanted) in &self.truth.wanted {
            let device = &self.devices[wanted.device];
            let in_log = self.truth.said.values().any(|said| said.id == *id && said.author == device.address);
            if let (Some(seq), false) = (wanted.relayed, in_log) {
                let seen = format!("nobody shows what device {} was told is record {seq}", wanted.device);
                return Err(Violation::new("what is acknowledged stays", seen));
            }
            let same = device.life.number == wanted.life && !self.revoked.contains(&wanted.device);
            let told = device.life.dropped.contains(id);
            let shows = device.life.heard.get(&wanted.case).is_some_and(|heard| heard.iter().any(|it| it.id == *id));
            if same && !shows && !told {
                let seen = format!("device {} said something that is nowhere", wanted.device);
                return Err(Violation::new("what is said is in the log, or its author is told", seen));
            }
        }
        for ((group, seq), logged) in &self.truth.log {
            // What only its author has read nobody can have lost; what a user said is looked for above.
            let read = logged.read_by.len() > 1;
            let shown = logged.progress || self.truth.said.contains_key(&(*group, *seq));
            if read && logged.content == ContentType::Application && !shown {
                // Said again under the same identifier, it is shown once.
                if !self.truth.alarms_expected {
                    let seen = format!("nobody shows record {seq}, a message of epoch {}", logged.epoch);
                    return Err(Violation::new("what is acknowledged reaches every member", seen));
                }
            }
        }
        Ok(())
    }
}
