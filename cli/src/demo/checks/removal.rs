//! A removed device: its subscription ended at the record of its removal, the relay refuses it afterwards, and what it
//! captures of later records it cannot decrypt.
//!
//! The device is taken at its strongest: a copy of its store from the moment before its removal, with all its keys, its
//! certificate (which is still valid: it was removed from a case, not revoked), and the ciphertext of every later
//! record, read for it over another device's connection. The same is done with a copy of a device that stayed, from the
//! same moment: that one decrypts all of it, which shows that the experiment can succeed.

use std::net::SocketAddr;
use std::path::Path;

use kring_client::case::{CaseId, CaseStatus, CaseView};
use kring_client::conversation::{Action, Conversation, Event, Input, Settings};
use kring_client::mls::DeviceCredentials;
use kring_client::store::Store;
use kring_pki::issue::{IssueError, PrivateKey};
use kring_pki::verify::{Crls, TrustAnchors};
use kring_protocol::address::DeviceAddress;
use kring_protocol::ids::{Epoch, GroupId, Seq, Signature};
use kring_protocol::message::{Access, Record, Reply};
use kring_protocol::mls::{ContentType, private_message};
use kring_protocol::payload::Payload;
use kring_protocol::refusal::Refusal;
use rustls_pki_types::CertificateDer;

use super::{Copy, line, name};
use crate::clock;
use crate::demo::cast::{Player, copy_folder};
use crate::demo::play::Removal;
use crate::demo::scenario::Scenario;
use crate::demo::tap::{Capture, Tap};
use crate::demo::timeline::CheckLine;
use crate::outcome::{Cause, Failure, Outcome};

/// Where the epoch stands in an `MLSMessage` that holds a PrivateMessage with a group id of 16 bytes (RFC 9420 §6 and
/// §6.3): after version, wire format, and the group id with its length of one byte.
const EPOCH_AT: std::ops::Range<usize> = 21..29;

/// The relay, as somebody meets it who has certificates and stores of devices.
pub(in crate::demo) struct Wire<'a> {
    /// Where the relay listens.
    pub(in crate::demo) relay: SocketAddr,
    /// The root of its certificate and of everybody's.
    pub(in crate::demo) root: &'a CertificateDer<'static>,
    /// The case.
    pub(in crate::demo) case: CaseId,
    /// Where copies of profiles go.
    pub(in crate::demo) copies: &'a Path,
}

impl Wire<'_> {
    /// Reads the whole log with the keys of a member's store. The member's client must be closed.
    pub(in crate::demo) async fn read_all(&self, member: &Player) -> Outcome<(CaseView, Vec<Record>)> {
        let stolen = Stolen::open(self, member, member.profile.folder(), "log")?;
        let tap = self.connect(member).await?;
        let proof = stolen.prove(&tap)?;
        let capture = tap.read(stolen.view.group, stolen.view.epoch, proof, Seq(0)).await?.map_err(unexpected)?;
        Ok((stolen.view, capture.records))
    }

    async fn connect(&self, player: &Player) -> Outcome<Tap> {
        let key = PrivateKey::from_ed25519_seed(&player.seed)
            .map_err(|error: IssueError| Failure::new(Cause::Internal, error))?;
        Tap::connect(self.relay, self.root, player.chain.clone(), key.to_der()).await
    }
}

/// Somebody's device, with the keys that its store held when it was copied.
struct Stolen {
    conversation: Conversation,
    view: CaseView,
}

impl Stolen {
    /// Opens a further copy of a copied profile: an experiment changes the store that it is made with.
    fn open(wire: &Wire<'_>, player: &Player, profile: &Path, experiment: &str) -> Outcome<Self> {
        let name = player.address.professional.name();
        let copy = wire.copies.join(format!("{experiment}-{name}"));
        copy_folder(profile, &copy).map_err(|error| Failure::file("copied", &copy, &error))?;
        let store = Store::open(&copy.join("store"), &player.unlock)?;
        let credentials = DeviceCredentials {
            chain: player.chain.clone(),
            key: player.seed.clone(),
            anchors: TrustAnchors::from_der([wire.root]).map_err(|error| Failure::new(Cause::Internal, error))?,
            crls: Crls::none(),
        };
        let settings = Settings::new(wire.relay.to_string());
        let conversation = Conversation::open(store, credentials, settings, clock::now())
            .map_err(|error| Failure::new(Cause::Internal, error))?;
        let view = conversation
            .case(wire.case)?
            .ok_or_else(|| Failure::new(Cause::Internal, "a copied store does not hold the case"))?;
        Ok(Self { conversation, view })
    }

    fn prove(&self, tap: &Tap) -> Outcome<Signature> {
        self.conversation
            .prove(tap.exporter(), self.view.group, self.view.epoch)?
            .ok_or_else(|| Failure::new(Cause::Internal, "a copied store does not hold its epoch's key"))
    }

    /// How many items the device makes of these records.
    fn decrypts(&mut self, records: impl Iterator<Item = Record>) -> usize {
        let group = self.view.group;
        let mut items = 0;
        for record in records {
            // What it cannot handle it cannot read.
            let actions = self.conversation.handle(Input::Record { group, record }, clock::now()).unwrap_or_default();
            items += actions.iter().filter(|action| matches!(action, Action::Tell(Event::Item(_)))).count();
        }
        items
    }
}

/// What one experiment has shown.
#[derive(Default)]
struct Findings {
    evidence: Vec<String>,
    holds: bool,
}

impl Findings {
    fn note(&mut self, holds: bool, text: String) {
        self.holds &= holds;
        self.evidence.push(if holds { text } else { format!("NOT AS IT SHOULD BE: {text}") });
    }
}

/// The three claims about one removal; `log` is the whole log.
pub(in crate::demo) async fn removal(
    scenario: &Scenario,
    wire: &Wire<'_>,
    players: &[Player],
    reference: &Copy,
    removal: &Removal,
    view_after: &CaseView,
    log: &[Record],
) -> Outcome<Vec<CheckLine>> {
    let (removed, control) = (&players[removal.who.0], &players[removal.control.0.0]);
    let stolen = Stolen::open(wire, removed, &removal.copy, "asks")?;
    let (group, epoch) = (stolen.view.group, stolen.view.epoch);
    let Some(commit) = log.iter().find(|record| header_of(record) == Some((epoch, ContentType::Commit))) else {
        return Err(Failure::new(Cause::CheckFailed, "the record of a removal is not in the log"));
    };
    let after = After::of(log, commit, reference, &control.address);
    let tap = wire.connect(removed).await?;
    let proof = stolen.prove(&tap)?;
    let access = Access { group, epoch, proof: Some(proof) };

    let mut ended = Findings { holds: true, ..Findings::default() };
    ended.note(
        removal.told && view_after.status == CaseStatus::Left && view_after.seq == commit.seq,
        format!(
            "{} was told; the last record on the device is {}, its removal is record {}; {} records came after",
            name(scenario, removal.who),
            view_after.seq,
            commit.seq,
            after.records.len()
        ),
    );
    resubscribes(&mut ended, &tap, &access, stolen.view.seq, commit.seq).await?;
    let refused = refused(&tap, &access, &after).await?;
    let sealed = sealed(scenario, wire, removal, [removed, control], &after)?;
    // Without a later message there is nothing to capture.
    let sealed_holds = (!after.spoken.is_empty()).then_some(sealed.holds);
    Ok(vec![
        line(
            "removed_ended",
            "the removed device's subscription ended at the record of its removal",
            ended.holds,
            ended.evidence,
        ),
        line("removed_refused", "the relay refuses it afterwards", refused.holds, refused.evidence),
        line("removed_sealed", "it cannot decrypt what it captures of later records", sealed_holds, sealed.evidence),
    ])
}

/// The log from the removal on.
struct After<'a> {
    /// The Commit that removed the device.
    commit: &'a Record,
    /// All records after it.
    records: Vec<&'a Record>,
    /// Those of them that carry messages.
    spoken: Vec<&'a Record>,
    /// How many items the device said with which the removed one is compared, and how many the others.
    by_control: usize,
    by_others: usize,
    /// The epoch that the log is in at the end.
    epoch: Epoch,
}

impl<'a> After<'a> {
    fn of(log: &'a [Record], commit: &'a Record, reference: &Copy, control: &DeviceAddress) -> Self {
        let records: Vec<&Record> = log.iter().filter(|record| record.seq > commit.seq).collect();
        let is_message =
            |record: &&Record| header_of(record).is_some_and(|(_, content)| content == ContentType::Application);
        let spoken: Vec<&Record> = records.iter().copied().filter(is_message).collect();
        let said = reference.items.iter().filter(|item| item.seq > commit.seq);
        let (by_control, by_others): (Vec<_>, Vec<_>) = said.partition(|item| item.author == *control);
        let commits = log.iter().filter_map(header_of).filter(|(_, content)| *content == ContentType::Commit);
        Self {
            commit,
            by_control: by_control.len(),
            by_others: by_others.len(),
            epoch: commits.map(|(epoch, _)| epoch.next()).max().unwrap_or_default(),
            records,
            spoken,
        }
    }

    /// The removal and everything after it.
    fn captured(&self) -> impl Iterator<Item = Record> {
        std::iter::once(self.commit).chain(self.records.iter().copied()).cloned()
    }
}

async fn resubscribes(findings: &mut Findings, tap: &Tap, access: &Access, has: Seq, commit: Seq) -> Outcome {
    let replies = tap.follow(access.clone(), has).await?.map_err(unexpected)?;
    let beyond = replies.iter().any(|reply| matches!(reply, Reply::Record(record) if record.seq > commit));
    let paused = matches!(replies.last(), Some(Reply::Paused(paused)) if paused.at == commit);
    findings.note(
        paused && !beyond,
        format!(
            "a new subscription with its last key goes as far as record {commit}, and is told that it ends there"
        ),
    );
    Ok(())
}

async fn refused(tap: &Tap, access: &Access, after: &After<'_>) -> Outcome<Findings> {
    let mut findings = Findings { holds: true, ..Findings::default() };
    let (commit, now) = (after.commit.seq, after.epoch);
    let proof = access.proof.unwrap_or(Signature([0; 64]));
    match tap.read(access.group, access.epoch, proof, commit).await? {
        Ok(Capture { records, head }) => findings.note(
            records.is_empty() && head == commit,
            format!("reading on with its last key: {} records after {commit}", records.len()),
        ),
        Err(refusal) => findings.note(true, format!("reading on with its last key: refused ({refusal})")),
    }
    let present = Access { epoch: now, ..access.clone() };
    let answer = tap.read(access.group, now, proof, commit).await?;
    findings.note(
        matches!(answer, Err(Refusal::Forbidden)),
        format!(
            "reading the present epoch {now} with its last key: {}",
            answer.map_or_else(|r| r.to_string(), |_| "opened".to_owned())
        ),
    );
    let unknown = GroupId(rand::random());
    let answer = tap.read(unknown, now, proof, commit).await?;
    findings
        .note(matches!(answer, Err(Refusal::Forbidden)), "a group that does not exist: the same answer".to_owned());
    if let Some(record) = after.spoken.first() {
        // In its own epoch, as it would have to be for its key; the log is in another one.
        let old = with_epoch(&record.message, access.epoch);
        let answer = tap.submit(access.clone(), old).await?;
        findings.note(
            matches!(answer, Err(Refusal::StaleEpoch { .. } | Refusal::Forbidden)),
            format!("sending in its last epoch: {}", answer.map_or_else(|r| r.to_string(), |_| "taken".to_owned())),
        );
        let answer = tap.submit(present, record.message.clone()).await?;
        findings.note(
            matches!(answer, Err(Refusal::Forbidden)),
            format!(
                "sending in the present epoch: {}",
                answer.map_or_else(|r| r.to_string(), |_| "taken".to_owned())
            ),
        );
    }
    Ok(findings)
}

fn sealed(
    scenario: &Scenario,
    wire: &Wire<'_>,
    removal: &Removal,
    [removed, control]: [&Player; 2],
    after: &After<'_>,
) -> Outcome<Findings> {
    let mut findings = Findings { holds: true, ..Findings::default() };
    let messages = after.spoken.len();
    let mut stolen = Stolen::open(wire, removed, &removal.copy, "pretends")?;
    // Its keys are of the epoch before its removal, and it tries them only on messages that say they are of that one.
    let epoch = stolen.view.epoch;
    let relabelled = stolen.decrypts(
        after.spoken.iter().map(|record| Record { message: with_epoch(&record.message, epoch), ..(*record).clone() }),
    );
    findings.note(
        relabelled == 0,
        format!("with all its keys: {relabelled} of {messages} captured messages decrypted, relabelled to its epoch"),
    );
    let without = Stolen::open(wire, removed, &removal.copy, "skips")?.decrypts(after.captured().skip(1));
    let with = Stolen::open(wire, removed, &removal.copy, "reads")?.decrypts(after.captured());
    findings.note(
        without == 0 && with == 0,
        format!("{without} as they are, leaving out its removal; {with} with its removal"),
    );
    // What a device itself has sent it cannot decrypt: MLS senders forget the key of a message (RFC 9420 §9.2).
    let read = Stolen::open(wire, control, &removal.control.1, "control")?.decrypts(after.captured());
    findings.note(
        read == after.by_others && read > 0,
        format!(
            "control: a copy of {}'s device from the same moment decrypts {read} of {} items of others, and \
             sent the other {} itself",
            name(scenario, removal.control.0),
            after.by_others,
            after.by_control
        ),
    );
    Ok(findings)
}

fn header_of(record: &Record) -> Option<(Epoch, ContentType)> {
    private_message(&record.message).ok().map(|header| (header.epoch, header.content))
}

/// The message with another epoch in its clear header.
fn with_epoch(message: &Payload, epoch: Epoch) -> Payload {
    let mut bytes = message.to_vec();
    if let Some(place) = bytes.get_mut(EPOCH_AT) {
        place.copy_from_slice(&epoch.0.to_be_bytes());
    }
    bytes.into()
}

fn unexpected(refusal: Refusal) -> Failure {
    Failure::new(Cause::CheckFailed, format!("the relay refused a member: {refusal}"))
}
