//! A relay that does what a relay promises in the least number of words.

use std::collections::{BTreeMap, BTreeSet};

use kring_protocol::address::{DeviceAddress, ProfessionalAddress};
use kring_protocol::ids::{
    AccessKey, ClaimId, CrlDigest, CrlNumber, CursorId, DeviceId, Epoch, GroupId, InboxSeq, IssuerId, MessageHash,
    OperationId, Seq, Timestamp,
};
use kring_protocol::message::{
    Claimed, ClaimedDevice, Crl, CrlsEnd, CursorMove, Empty, KeyPackageCount, Receipt, Record, Reply, Request,
};
use kring_protocol::mls::private_message;
use kring_protocol::payload::Payload;
use kring_protocol::refusal::{Refusal, RefusedRecipient};

use crate::item::sha256;

/// Claims of one device that another may hold open.
pub(super) const MAX_OPEN_CLAIMS: usize = 8;

/// One log.
#[derive(Default)]
pub(super) struct Log {
    pub(super) epoch: Epoch,
    pub(super) keys: BTreeMap<Epoch, AccessKey>,
    /// Record of the Commit that opened an epoch.
    pub(super) opened: BTreeMap<Epoch, Seq>,
    pub(super) records: Vec<Record>,
    /// Its last Commit was marked so.
    pub(super) is_final: bool,
    pub(super) receipts: BTreeMap<OperationId, (MessageHash, Receipt)>,
}

/// A relay in the least number of words.
#[derive(Default)]
pub(super) struct Relay {
    pub(super) logs: BTreeMap<GroupId, Log>,
    pub(super) packages: BTreeMap<DeviceAddressKey, (Vec<Payload>, Option<Payload>)>,
    pub(super) inboxes: BTreeMap<DeviceId, Vec<Payload>>,
    /// Devices whose inbox takes nothing more.
    pub(super) full: BTreeSet<DeviceId>,
    pub(super) acknowledged: BTreeMap<DeviceId, InboxSeq>,
    pub(super) cursors: BTreeMap<CursorId, Seq>,
    /// The revocation lists of each issuer, oldest first.
    pub(super) lists: BTreeMap<IssuerId, Vec<(CrlNumber, Crl)>>,
    /// It does as if it had no list beyond this number.
    pub(super) hides_lists_after: Option<CrlNumber>,
    claims: u64,
    /// Claims that are not used, of whom and by whom, and until when they are kept.
    pub(super) open: BTreeMap<(DeviceId, DeviceId), BTreeMap<ClaimId, Timestamp>>,
    /// The most that one device has held open of another.
    pub(super) most_open: usize,
    /// Claims that were refused because too many were open.
    pub(super) put_off: usize,
    /// Lists that it was given.
    pub(super) given_back: usize,
}

pub(super) type DeviceAddressKey = (ProfessionalAddress, DeviceId);

impl Relay {
    pub(super) fn answer(
        &mut self,
        device: &DeviceAddress,
        request: Request,
        now: Timestamp,
    ) -> Result<Vec<Reply>, Refusal> {
        match request {
            Request::CreateGroup(create) => {
                if let Some(log) = self.logs.get(&create.access.group) {
                    return match log.receipts.get(&create.operation) {
                        Some((_, receipt)) => Ok(vec![receipt.clone().into()]),
                        None => Err(Refusal::GroupExists),
                    };
                }
                let receipt = Receipt { seq: Seq(0), at: now };
                let mut log = Log { epoch: create.access.epoch, ..Log::default() };
                log.keys.insert(create.access.epoch, create.access_key);
                log.receipts.insert(create.operation, (MessageHash([0; 32]), receipt.clone()));
                self.logs.insert(create.access.group, log);
                self.cursors.extend(create.cursor.map(|cursor| (cursor, Seq(0))));
                Ok(vec![receipt.into()])
            }
            Request::Submit(submit) => {
                let message = submit.message;
                self.append(submit.access.group, submit.operation, message, None, now)
                    .map(|receipt| vec![receipt.into()])
            }
            Request::SubmitCommit(commit) => {
                let known = self
                    .logs
                    .get(&commit.access.group)
                    .is_some_and(|log| log.receipts.contains_key(&commit.operation));
                let refused: Vec<_> = commit
                    .welcomes
                    .iter()
                    .filter(|welcome| self.full.contains(&welcome.device))
                    .map(|welcome| RefusedRecipient {
                        claim: welcome.claim,
                        device: welcome.device,
                        reason: RefusedRecipient::INBOX_FULL,
                    })
                    .collect();
                if !known && !refused.is_empty() {
                    return Err(Refusal::Recipients(refused));
                }
                let key = Some(commit.next_access_key);
                let group = commit.access.group;
                let receipt = self.append(group, commit.operation, commit.message, key, now)?;
                if !known {
                    if commit.closes == Some(true) {
                        let log = self.logs.get_mut(&group).ok_or(Refusal::Forbidden)?;
                        log.is_final = true;
                        log.records.last_mut().expect("the Commit").closes = Some(true);
                    }
                    for welcome in commit.welcomes {
                        if let Some(open) = self.open.get_mut(&(device.device, welcome.device)) {
                            open.remove(&welcome.claim);
                        }
                        self.cursors.insert(welcome.cursor, receipt.seq);
                        self.inboxes.entry(welcome.device).or_default().push(welcome.sealed);
                    }
                }
                Ok(vec![receipt.into()])
            }
            Request::EraseGroup(erase) => {
                let log = self.logs.get(&erase.access.group).ok_or(Refusal::Forbidden)?;
                if !log.is_final {
                    return Err(Refusal::NotFinal);
                }
                self.logs.remove(&erase.access.group);
                Ok(vec![Empty.into()])
            }
            Request::MoveCursors(moves) => {
                let unknown = |step: &CursorMove| step.seq.is_some() && !self.cursors.contains_key(&step.cursor);
                if moves.moves.iter().any(unknown) {
                    return Err(Refusal::UnknownCursor);
                }
                for step in moves.moves {
                    match step.seq {
                        Some(seq) => self.cursors.insert(step.cursor, seq),
                        None => self.cursors.remove(&step.cursor),
                    };
                }
                Ok(vec![Empty.into()])
            }
            Request::RegisterCursor(register) => {
                self.cursors.insert(register.cursor, register.seq);
                Ok(vec![Empty.into()])
            }
            Request::PublishKeyPackages(publish) => {
                let mine = self.packages.entry((device.professional.clone(), device.device)).or_default();
                if publish.replace {
                    mine.0.clear();
                }
                mine.0.extend(publish.single_use);
                if publish.last_resort.is_some() {
                    mine.1 = publish.last_resort;
                }
                let count = KeyPackageCount { single_use: mine.0.len() as u64, last_resort: mine.1.is_some() };
                Ok(vec![count.into()])
            }
            Request::ClaimKeyPackages(claim) => {
                let (mut devices, mut refused) = (Vec::new(), Vec::new());
                for ((professional, id), packages) in &mut self.packages {
                    let wanted = *professional == claim.professional && claim.device.is_none_or(|one| one == *id);
                    if !wanted {
                        continue;
                    }
                    let open = self.open.entry((device.device, *id)).or_default();
                    open.retain(|_, until| *until > now);
                    if open.len() >= MAX_OPEN_CLAIMS {
                        let reason = RefusedRecipient::OPEN_CLAIMS;
                        refused.push(RefusedRecipient { claim: ClaimId([0; 16]), device: *id, reason });
                        continue;
                    }
                    self.claims += 1;
                    let mut name = [0; 16];
                    name[8..].copy_from_slice(&self.claims.to_be_bytes());
                    let (claim, until) = (ClaimId(name), now.plus(Timestamp::DAY));
                    open.insert(claim, until);
                    self.most_open = self.most_open.max(open.len());
                    let package = packages.0.pop().or_else(|| packages.1.clone()).unwrap();
                    devices.push(ClaimedDevice { device: *id, claim, key_package: package, until });
                }
                if devices.is_empty() && !refused.is_empty() {
                    self.put_off += 1;
                    return Err(Refusal::RateLimited { after_ms: 5_000 });
                }
                if devices.is_empty() {
                    return Err(Refusal::UnknownProfessional);
                }
                Ok(vec![Claimed { devices, refused }.into()])
            }
            Request::ReadCrls(read) => {
                let lists = self.shown_lists();
                let newer = |issuer: &IssuerId, number: CrlNumber| {
                    !read.known.iter().any(|known| known.issuer == *issuer && known.number >= number)
                };
                let new = lists.iter().filter(|(issuer, (number, _))| newer(issuer, *number));
                let mut replies: Vec<Reply> = new.map(|(_, (_, list))| list.clone().into()).collect();
                replies.push(CrlsEnd { digest: self.lists_digest() }.into());
                Ok(replies)
            }
            Request::PublishCrl(_) => {
                self.given_back += 1;
                Ok(vec![Empty.into()])
            }
            Request::AcknowledgeInbox(acknowledge) => {
                self.acknowledged.insert(device.device, acknowledge.through);
                Ok(vec![Empty.into()])
            }
            other => panic!("not asked in these tests: {}", other.name()),
        }
    }

    /// The newest list of each issuer that it does not hide.
    fn shown_lists(&self) -> Vec<(IssuerId, (CrlNumber, Crl))> {
        let shown = |number: CrlNumber| self.hides_lists_after.is_none_or(|last| number <= last);
        let newest = |(issuer, lists): (&IssuerId, &Vec<(CrlNumber, Crl)>)| {
            lists.iter().rfind(|(number, _)| shown(*number)).map(|list| (*issuer, list.clone()))
        };
        self.lists.iter().filter_map(newest).collect()
    }

    /// Which these are.
    pub(super) fn lists_digest(&self) -> CrlDigest {
        let mut text = Vec::new();
        for (issuer, (number, _)) in self.shown_lists() {
            text.extend_from_slice(&[issuer.as_bytes().as_slice(), &number.0.to_be_bytes()].concat());
        }
        CrlDigest(sha256(&text))
    }

    pub(super) fn append(
        &mut self,
        group: GroupId,
        operation: OperationId,
        message: Payload,
        key: Option<AccessKey>,
        now: Timestamp,
    ) -> Result<Receipt, Refusal> {
        let log = self.logs.get_mut(&group).ok_or(Refusal::Forbidden)?;
        let hash = MessageHash(sha256(&message));
        if let Some((before, receipt)) = log.receipts.get(&operation) {
            return if *before == hash { Ok(receipt.clone()) } else { Err(Refusal::OperationReused) };
        }
        let header = private_message(&message).map_err(|_| Refusal::NotPrivateMessage)?;
        if header.epoch != log.epoch {
            let winner = log.opened.get(&header.epoch.next()).copied().unwrap_or(Seq(0));
            return Err(Refusal::StaleEpoch { epoch: log.epoch, winner });
        }
        let seq = Seq(log.records.len() as u64 + 1);
        let record = Record { seq, at: now, operation, message, next_access_key: key, closes: None };
        log.records.push(record);
        if let Some(key) = key {
            log.epoch = log.epoch.next();
            log.keys.insert(log.epoch, key);
            log.opened.insert(log.epoch, seq);
        }
        let receipt = Receipt { seq, at: now };
        log.receipts.insert(operation, (hash, receipt.clone()));
        Ok(receipt)
    }
}
