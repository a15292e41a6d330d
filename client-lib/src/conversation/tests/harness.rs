//! Devices, their certificates, and the wires between them and the relay.

use std::collections::{BTreeMap, VecDeque};
use std::time::{SystemTime, UNIX_EPOCH};

use kring_pki::form::{DisplayName, FunctionCode, Serial};
use kring_pki::issue::{
    Algorithm, DeviceRequest, DeviceSubject, OrganisationCa, OrganisationSubject, PrivateKey, Reason, RegionRoot,
    Revocation, Validity,
};
use kring_pki::verify::{Crls, TrustAnchors};
use kring_protocol::address::{DeviceAddress, ProfessionalAddress};
use kring_protocol::ids::{CrlNumber, DeviceId, Epoch, GroupId, InboxSeq, Incarnation, IssuerId, Seq, Timestamp};
use kring_protocol::message::{self as wire, Note, Reply, Request};
use kring_protocol::refusal::Refusal;
use rustls_pki_types::CertificateDer;

use crate::case::{CaseId, Item, ItemDraft, ItemId, Position, Role};
use crate::conversation::{Action, Command, Connected, Conversation, Event, Input, Settings, StepError, Ticket};
use crate::mls::DeviceCredentials;
use crate::store::Store;

use super::relay::Relay;

/// Certificates of one region with one organisation.
pub(crate) struct Region {
    root: RegionRoot,
    organisation: OrganisationCa,
    now: Timestamp,
}

impl Region {
    pub(crate) fn new(now: Timestamp) -> Self {
        let root = RegionRoot::create(&DisplayName::new("Regio").unwrap(), Validity::days(now, 3650)).unwrap();
        let organisation = root
            .issue_organisation(
                &OrganisationSubject {
                    name: DisplayName::new("Zorg").unwrap(),
                    domain: "zorg.example".to_owned(),
                    functions: vec![FunctionCode::new("youth-care").unwrap()],
                },
                PrivateKey::generate(Algorithm::EcdsaP256).unwrap(),
                Validity::days(now, 1825),
            )
            .unwrap();
        Self::of(root, organisation, now)
    }

    /// A region with this organisation.
    pub(crate) fn of(root: RegionRoot, organisation: OrganisationCa, now: Timestamp) -> Self {
        Self { root, organisation, now }
    }

    pub(crate) fn credentials(&self, name: &str, device: u8) -> DeviceCredentials {
        let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        let chain = self.issue(&address(name, device), &key, self.now);
        DeviceCredentials { chain, key: key.ed25519_seed().unwrap(), anchors: self.anchors(), crls: Crls::default() }
    }

    /// A device's certificate and the organisation's.
    fn issue(&self, address: &DeviceAddress, key: &PrivateKey, now: Timestamp) -> Vec<CertificateDer<'static>> {
        let request = DeviceRequest::read(&DeviceRequest::make(key).unwrap()).unwrap();
        let subject = DeviceSubject {
            address: address.clone(),
            name: DisplayName::new(address.professional.name()).unwrap(),
            function: FunctionCode::new("youth-care").unwrap(),
        };
        let certificate = self.organisation.issue_device(&subject, request.public_key(), Validity::device(now));
        certificate.unwrap().chain().to_vec()
    }

    /// The organisation's list with these, as a relay hands it out, and whose it is.
    fn list(&self, revoked: &[Serial], number: u64, signed: Timestamp, next: Timestamp) -> (IssuerId, wire::Crl) {
        let revocation =
            |serial: &Serial| Revocation { serial: serial.clone(), at: signed, reason: Reason::Unspecified };
        let revoked: Vec<_> = revoked.iter().map(revocation).collect();
        let crl = self.organisation.sign_crl(&revoked, number, signed, next).unwrap();
        let authority = self.organisation.certificate();
        let issuer = kring_pki::verify::issuer_id(authority).unwrap();
        (issuer, wire::Crl { crl: crl.as_ref().to_vec().into(), issuer: Some(authority.as_ref().to_vec().into()) })
    }

    /// The region's own list, with nobody on it.
    fn own_list(&self, number: u64, signed: Timestamp, next: Timestamp) -> (IssuerId, wire::Crl) {
        let crl = self.root.sign_crl(&[], number, signed, next).unwrap();
        let issuer = kring_pki::verify::issuer_id(self.root.certificate()).unwrap();
        (issuer, wire::Crl { crl: crl.as_ref().to_vec().into(), issuer: None })
    }

    fn anchors(&self) -> TrustAnchors {
        TrustAnchors::from_der([self.root.certificate()]).unwrap()
    }
}

pub(crate) fn who(name: &str) -> ProfessionalAddress {
    ProfessionalAddress::new(name, "zorg.example").unwrap()
}

pub(crate) fn address(name: &str, device: u8) -> DeviceAddress {
    let mut id = [device; 16];
    id[..name.len().min(15)].copy_from_slice(&name.as_bytes()[..name.len().min(15)]);
    DeviceAddress { professional: who(name), device: DeviceId(id) }
}

/// One device and its connection.
pub(super) struct Device {
    chain: Vec<CertificateDer<'static>>,
    key: zeroize::Zeroizing<[u8; 32]>,
    pub(super) core: Option<Conversation>,
    pub(super) address: DeviceAddress,
    pub(super) online: bool,
    /// Group, epoch of the proof, last record given.
    pub(super) follows: BTreeMap<GroupId, (Epoch, Option<Seq>)>,
    pub(super) inbox_given: InboxSeq,
    pub(super) events: Vec<Event>,
    pub(super) wake: Option<Timestamp>,
    pub(super) requests: VecDeque<(Ticket, Request)>,
    pub(super) failures: usize,
    pub(super) inputs: usize,
    /// Fail the step of this input's number at this write.
    pub(super) fail: Option<(usize, usize)>,
}

/// Everything.
pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) region: Region,
    pub(super) relay: Relay,
    pub(super) devices: Vec<Device>,
    pub(super) case: CaseId,
    /// Certificates that are revoked.
    revoked: Vec<Serial>,
    /// Number of the organisation's newest list.
    pub(super) list: u64,
}

#[expect(clippy::disallowed_methods, reason = "openmls compares lifetimes with the system's clock")]
pub(crate) fn real_now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp(since.as_millis() as u64)
}

impl World {
    pub(super) fn new(names: &[&str]) -> Self {
        Self::in_region(Region::new(real_now()), names)
    }

    pub(super) fn in_region(region: Region, names: &[&str]) -> Self {
        let mut world = Self {
            now: region.now,
            region,
            relay: Relay::default(),
            devices: Vec::new(),
            case: CaseId([0xca; 16]),
            revoked: Vec::new(),
            list: 0,
        };
        for name in names {
            world.device(name, 1);
        }
        world
    }

    /// A new device, online.
    pub(super) fn device(&mut self, name: &str, number: u8) -> usize {
        let credentials = self.region.credentials(name, number);
        let store = Store::in_memory().unwrap();
        let settings = Settings { relay: "relay.example:1".to_owned(), key_packages: 3 };
        let (chain, key) = (credentials.chain.clone(), credentials.key.clone());
        let core = Conversation::open(store, credentials, settings, self.now).unwrap();
        let device = Device {
            chain,
            key,
            address: core.address().clone(),
            core: Some(core),
            online: false,
            follows: BTreeMap::new(),
            inbox_given: InboxSeq(0),
            events: Vec::new(),
            wake: None,
            requests: VecDeque::new(),
            failures: 0,
            inputs: 0,
            fail: None,
        };
        self.devices.push(device);
        let index = self.devices.len() - 1;
        self.connect(index);
        index
    }

    pub(super) fn core(&self, device: usize) -> &Conversation {
        self.devices[device].core.as_ref().unwrap()
    }

    /// A device's certificate.
    pub(super) fn certificate(&self, device: usize) -> &[u8] {
        &self.devices[device].chain[0]
    }

    pub(super) fn connect(&mut self, index: usize) {
        let device = &mut self.devices[index];
        device.online = true;
        device.follows.clear();
        device.requests.clear();
        let key = (device.address.professional.clone(), device.address.device);
        let id = device.address.device;
        let read = self.relay.acknowledged.get(&id).copied().unwrap_or_default();
        let (single, last) = self.relay.packages.get(&key).cloned().unwrap_or_default();
        let inbox = self.relay.inboxes.get(&id).map_or(0, Vec::len) as u64;
        let connected = Connected {
            incarnation: Incarnation([1; 16]),
            relay_now: self.now,
            key_packages: single.len() as u64,
            last_resort: last.is_some(),
            inbox: inbox.saturating_sub(read.0),
            crls: Some(self.relay.lists_digest()),
        };
        self.feed(index, Input::Connected(connected));
    }

    /// The process ends, and begins again with what is in the store.
    pub(super) fn restart(&mut self, index: usize) {
        self.reopen(index);
        self.connect(index);
    }

    /// Opens a device's store again, offline.
    pub(super) fn reopen(&mut self, index: usize) {
        let device = &mut self.devices[index];
        let Conversation { store, settings, .. } = device.core.take().unwrap();
        let credentials = DeviceCredentials {
            chain: device.chain.clone(),
            key: device.key.clone(),
            anchors: self.region.anchors(),
            crls: Crls::none(),
        };
        device.core = Some(Conversation::open(store, credentials, settings, self.now).unwrap());
        device.wake = None;
        device.online = false;
        self.feed(index, Input::Tick);
    }

    /// Revokes a device's certificate: the organisation publishes a list, and the relay tells who is online.
    pub(super) fn revoke(&mut self, index: usize) {
        self.revoke_all(&[index]);
    }

    /// Revokes devices' certificates in one list.
    pub(super) fn revoke_all(&mut self, revoked: &[usize]) {
        for index in revoked {
            self.revoked.push(self.core(*index).party.verified().serial().clone());
        }
        self.publish_list(self.now.plus(30 * Timestamp::DAY));
    }

    /// The organisation takes its last revocation back.
    pub(super) fn readmit_last(&mut self) {
        self.revoked.pop();
        self.publish_list(self.now.plus(30 * Timestamp::DAY));
    }

    /// The organisation publishes its list anew, and promises the next one.
    pub(super) fn publish_list(&mut self, next: Timestamp) {
        self.list += 1;
        let (issuer, list) = self.region.list(&self.revoked, self.list, self.now, next);
        self.hand_in(issuer, list);
    }

    /// The region publishes its list, and promises the next one.
    pub(super) fn publish_region_list(&mut self, next: Timestamp) {
        self.list += 1;
        let (issuer, list) = self.region.own_list(self.list, self.now, next);
        self.hand_in(issuer, list);
    }

    fn hand_in(&mut self, issuer: IssuerId, list: wire::Crl) {
        self.relay.lists.entry(issuer).or_default().push((CrlNumber(self.list), list));
        for index in 0..self.devices.len() {
            if self.devices[index].online {
                self.feed(index, Input::CrlsChanged);
            }
        }
    }

    /// A device begins again with a renewed certificate of the same key.
    pub(super) fn renew(&mut self, index: usize) {
        let address = self.devices[index].address.clone();
        let key = PrivateKey::from_ed25519_seed(&self.devices[index].key).unwrap();
        self.devices[index].chain = self.region.issue(&address, &key, self.now);
        self.restart(index);
    }

    pub(super) fn disconnect(&mut self, index: usize) {
        self.devices[index].online = false;
        self.devices[index].follows.clear();
        self.devices[index].requests.clear();
        self.feed(index, Input::Disconnected);
    }

    /// Feeds an input; a failed step is followed by a new connection, as a driver does.
    pub(super) fn feed(&mut self, index: usize, input: Input) {
        let device = &mut self.devices[index];
        device.inputs += 1;
        let core = device.core.as_mut().unwrap();
        if let Some((_, writes)) = device.fail.filter(|(input, _)| *input == device.inputs) {
            core.store.faults.writes_left.set(Some(writes));
        }
        let outcome = core.handle(input, self.now);
        core.store.faults.writes_left.set(None);
        match outcome {
            Ok(actions) => self.carry_out(index, actions),
            Err(StepError::Command(error)) => panic!("refused: {error}"),
            Err(StepError::Store(_)) => {
                device.failures += 1;
                self.connect(index);
            }
        }
    }

    fn carry_out(&mut self, index: usize, actions: Vec<Action>) {
        for action in actions {
            let device = &mut self.devices[index];
            match action {
                Action::Request { ticket, request } => device.requests.push_back((ticket, request)),
                Action::Follow { group, epoch, after } => {
                    device.follows.insert(group, (epoch, after));
                    self.check_proof(index, group, epoch);
                }
                Action::Unfollow { group } => {
                    device.follows.remove(&group);
                }
                Action::ReadInbox { after } => device.inbox_given = after,
                Action::Tell(event) => device.events.push(event),
                Action::WakeAt(at) => device.wake = Some(at),
            }
        }
    }

    /// The device's proof verifies under the key that the relay was given.
    fn check_proof(&self, index: usize, group: GroupId, epoch: Epoch) {
        let exporter = [7; 32];
        let proof = self.core(index).prove(&exporter, group, epoch).unwrap().expect("holds the epoch's key");
        let Some(key) = self.relay.logs.get(&group).and_then(|log| log.keys.get(&epoch)) else { return };
        let text = kring_protocol::proof::signed_text(&exporter, group, epoch);
        aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, key.as_bytes())
            .verify(&text, proof.as_bytes())
            .expect("the proof opens the log");
    }

    pub(super) fn command(&mut self, index: usize, command: Command) {
        self.feed(index, Input::Command(command));
    }

    pub(super) fn try_command(&mut self, index: usize, command: Command) -> Result<(), StepError> {
        let now = self.now;
        let actions = self.devices[index].core.as_mut().unwrap().handle(Input::Command(command), now)?;
        self.carry_out(index, actions);
        Ok(())
    }

    /// Everything that can happen without time passing.
    pub(super) fn settle(&mut self) {
        for _ in 0..100_000 {
            let moved = (0..self.devices.len()).any(|index| self.turn(index));
            if !moved {
                return;
            }
        }
        panic!("never comes to rest");
    }

    /// Lets time pass, in steps at which something is due.
    pub(super) fn pass(&mut self, milliseconds: u64) {
        let end = self.now.plus(milliseconds);
        loop {
            self.settle();
            let due = self.devices.iter().filter_map(|device| device.wake).min().filter(|at| *at <= end);
            let Some(at) = due else { break };
            self.now = self.now.max(at);
            for index in 0..self.devices.len() {
                if self.devices[index].wake.is_some_and(|wake| wake <= self.now) {
                    self.devices[index].wake = None;
                    self.feed(index, Input::Tick);
                }
            }
        }
        self.now = end;
        self.settle();
    }

    /// One thing for one device.
    pub(super) fn turn(&mut self, index: usize) -> bool {
        if !self.devices[index].online {
            return false;
        }
        if let Some((ticket, request)) = self.devices[index].requests.pop_front() {
            let answer = self.answer(index, request);
            self.feed(index, Input::Answered { ticket, answer });
            return true;
        }
        self.deliver(index) || self.deliver_note(index)
    }

    fn deliver(&mut self, index: usize) -> bool {
        let follows: Vec<_> = self.devices[index].follows.clone().into_iter().collect();
        for (group, (epoch, after)) in follows {
            let Some(log) = self.relay.logs.get(&group) else {
                self.devices[index].follows.remove(&group);
                self.feed(index, Input::Unfollowed { group, epoch, reason: Refusal::Forbidden });
                return true;
            };
            let from = match after {
                Some(after) => after,
                None => Seq(log.opened.get(&epoch).map_or(0, |seq| seq.0 - 1)),
            };
            // The proof opens the log up to and including the Commit that ends its epoch.
            let last = log.opened.get(&epoch.next()).copied();
            let next = log.records.iter().find(|record| record.seq > from).cloned();
            match next {
                Some(record) if last.is_none_or(|last| record.seq <= last) => {
                    let follow = self.devices[index].follows.get_mut(&group).unwrap();
                    follow.1 = Some(record.seq);
                    self.feed(index, Input::Record { group, record });
                    return true;
                }
                Some(_) => {}
                None => {
                    let follow = self.devices[index].follows.get_mut(&group).unwrap();
                    if follow.1 != Some(Seq(u64::MAX)) && !self.told_live(index, group, epoch) {
                        let head = Seq(self.relay.logs[&group].records.len() as u64);
                        self.feed(index, Input::CaughtUp { group, epoch, after: head });
                        return true;
                    }
                }
            }
        }
        false
    }

    fn told_live(&self, index: usize, group: GroupId, epoch: Epoch) -> bool {
        self.core(index).session.live.get(&group) == Some(&epoch)
    }

    fn deliver_note(&mut self, index: usize) -> bool {
        let device = &mut self.devices[index];
        let given = device.inbox_given;
        let Some(sealed) =
            self.relay.inboxes.get(&device.address.device).and_then(|inbox| inbox.get(given.0 as usize))
        else {
            return false;
        };
        let note = Note { seq: given.next(), day: self.now.day(), sealed: sealed.clone() };
        device.inbox_given = note.seq;
        self.feed(index, Input::Note(note));
        true
    }

    pub(super) fn answer(&mut self, index: usize, request: Request) -> Result<Vec<Reply>, Refusal> {
        let device = self.devices[index].address.clone();
        self.relay.answer(&device, request, self.now)
    }

    pub(super) fn items(&self, index: usize) -> Vec<Item> {
        self.core(index).items(self.case, Position(0), usize::MAX).unwrap()
    }

    pub(super) fn texts(&self, index: usize) -> Vec<String> {
        self.items(index).iter().map(|item| item.body.text().unwrap_or("?").to_owned()).collect()
    }

    pub(super) fn say(&mut self, index: usize, text: &str) {
        let case = self.case;
        self.command(index, Command::Send { case, item: ItemId::random(), draft: ItemDraft::markdown(text) });
    }

    pub(super) fn new_case(&mut self, index: usize) {
        let case = self.case;
        self.command(index, Command::NewCase { case, title: "Gezin".to_owned() });
        self.settle();
    }

    pub(super) fn add(&mut self, index: usize, name: &str, role: Role) {
        let case = self.case;
        self.command(index, Command::Add { case, professional: who(name), device: None, role });
    }

    /// A case with all devices in it, the first its coordinator.
    pub(super) fn together(names: &[&str]) -> Self {
        Self::together_as(names, Role::Member)
    }

    pub(super) fn together_as(names: &[&str], role: Role) -> Self {
        Self::new(names).joined(names, role)
    }

    /// The first opens a case and adds the others.
    pub(super) fn joined(mut self, names: &[&str], role: Role) -> Self {
        self.settle();
        self.new_case(0);
        for name in &names[1..] {
            self.add(0, name, role);
        }
        self.settle();
        self
    }

    /// All devices are in the same state.
    pub(super) fn agree(&self, devices: &[usize]) {
        let states: Vec<_> =
            devices.iter().map(|index| self.core(*index).authenticator(self.case).unwrap()).collect();
        assert!(states.windows(2).all(|pair| pair[0] == pair[1]), "all are in the same epoch of the same group");
    }

    pub(super) fn suspicions(&self) -> usize {
        self.devices
            .iter()
            .flat_map(|device| &device.events)
            .filter(|event| matches!(event, Event::Suspicion { .. } | Event::CommitRefused { .. }))
            .count()
    }
}

impl World {
    /// Gives a command again if its step failed, as a user does.
    pub(super) fn retry(&mut self, index: usize, command: impl Fn(CaseId) -> Command) {
        loop {
            let before = self.devices[index].failures;
            let case = self.case;
            self.command(index, command(case));
            if self.devices[index].failures == before {
                return;
            }
        }
    }

    /// Says something under one identifier, again if the step failed.
    pub(super) fn say_once(&mut self, index: usize, id: u8, text: &str) {
        self.retry(index, |case| Command::Send { case, item: ItemId([id; 16]), draft: ItemDraft::markdown(text) });
    }
}
