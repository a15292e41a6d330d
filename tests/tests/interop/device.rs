//! A device whose client rests on mls-rs: the life of docs/protocol.md and docs/items.md, in a few lines.

use std::net::SocketAddr;
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use kring_pki::verify::TrustAnchors;
use kring_protocol::frame;
use kring_protocol::ids::{AccessKey, CursorId, Epoch, GroupId, InboxSeq, OperationId, Seq};
use kring_protocol::message::{
    Access, AcknowledgeInbox, CursorMove, MoveCursors, PublishKeyPackages, Read, ReadEnd, ReadInbox, Record, Reply,
    Submit, SubmitCommit,
};
use kring_protocol::proof::{ACCESS_EXPORTER_LABEL, ACCESS_SEED_LENGTH};
use kring_tests::clock;
use kring_tests::wire::Wire;
use kring_tests::world::World;
use mls_rs::client_builder::{MlsConfig, PaddingMode};
use mls_rs::group::{CommitEffect, ReceivedMessage};
use mls_rs::mls_rules::{CommitOptions, DefaultMlsRules, EncryptionOptions};
use mls_rs::{CipherSuiteProvider, Client, Extension, ExtensionList, Group, MlsMessage};
use mls_rs_core::crypto::{
    CipherSuite, CryptoProvider, HpkeCiphertext, HpkePublicKey, HpkeSecretKey, SignaturePublicKey, SignatureSecretKey,
};
use mls_rs_core::extension::ExtensionType;
use mls_rs_core::group::ProposalType;
use mls_rs_core::identity::{CertificateChain, Credential, SigningIdentity};
use mls_rs_core::mls_rs_codec::MlsDecode as _;
use mls_rs_core::time::MlsTime;

use crate::forms::{self, Envelope, sha256};
use crate::identity::Region;

/// The case's context, in the GroupContext.
const CASE: ExtensionType = ExtensionType::new(0xF4B1);
/// The device's inbox key, in its leaf.
const INBOX: ExtensionType = ExtensionType::new(0xF4B2);
/// A revocation list, in a Commit.
const EVIDENCE: ProposalType = ProposalType::new(0xF4B3);
/// As long as a KeyPackage can be claimed, and Commits are kept after that.
const LIFETIME: Duration = Duration::from_secs(271 * 24 * 60 * 60);

/// Seconds by which a KeyPackage is valid before it was made: others do not use one that is younger than half an hour.
const AGE: u64 = 3_600;

/// A device and what it has read.
pub(crate) struct Other<C: MlsConfig, S> {
    wire: Wire,
    suite: S,
    client: Client<C>,
    region: Region,
    key: Ed25519KeyPair,
    inbox: (HpkeSecretKey, HpkePublicKey),
    case: Option<Case<C>>,
}

/// The case that it has joined.
pub(crate) struct Case<C: MlsConfig> {
    id: [u8; 16],
    group: Group<C>,
    /// The last record that it has read, and the log's running hash there.
    seen: (u64, [u8; 32]),
    /// What holds the log's records back for this device, until it has read them.
    cursor: CursorId,
    /// Running hashes of the present epoch, by record.
    hashes: Vec<(u64, [u8; 32])>,
    own: Vec<OperationId>,
    pub(crate) texts: Vec<String>,
    pub(crate) removed: bool,
}

/// Opens a device, with a certificate of the world, that knows one of its provider's suites.
pub(crate) async fn online<P: CryptoProvider + Clone>(
    world: &World,
    address: &str,
    relay: SocketAddr,
    provider: P,
    number: CipherSuite,
) -> Other<impl MlsConfig, P::CipherSuiteProvider> {
    let suite = provider.cipher_suite_provider(number).expect("the suite");
    let device = world.device(address);
    let seed = device.key.ed25519_seed().expect("an Ed25519 key");
    let key = Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).expect("a seed");
    let public = key.public_key().as_ref().to_vec();
    let chain: Vec<Vec<u8>> = device.chain.iter().map(|certificate| certificate.to_vec()).collect();
    let credential = Credential::X509(CertificateChain::from(chain));
    let identity = SigningIdentity::new(credential, SignaturePublicKey::new(public.clone()));
    let secret = SignatureSecretKey::new([seed.as_slice(), &public].concat());
    let region = Region(TrustAnchors::from_der([world.root()]).expect("a root"));
    let rules = DefaultMlsRules::new()
        .with_encryption_options(EncryptionOptions::new(true, PaddingMode::StepFunction))
        .with_commit_options(CommitOptions::new().with_path_required(true));
    let client = Client::builder()
        .crypto_provider(provider)
        .identity_provider(region.clone())
        .extension_types([CASE, INBOX])
        .custom_proposal_type(EVIDENCE)
        .key_package_lifetime(LIFETIME)
        .mls_rules(rules)
        .signing_identity(identity, secret, number)
        .build();
    let wire = Wire::open(world, &device, relay).await;
    let inbox = suite.kem_generate().expect("keys");
    Other { wire, suite, client, region, key, inbox, case: None }
}

/// The key pair that opens the log in a group's epoch.
fn access_key<C: MlsConfig>(group: &Group<C>) -> Ed25519KeyPair {
    let seed = group.export_secret(ACCESS_EXPORTER_LABEL.as_bytes(), group.group_id(), ACCESS_SEED_LENGTH);
    Ed25519KeyPair::from_seed_unchecked(seed.expect("an exporter").as_bytes()).expect("32 bytes")
}

/// The running hash behind the Commit that has opened a group's epoch.
fn first_hash<C: MlsConfig>(group: &Group<C>) -> [u8; 32] {
    sha256(&[b"kring log 1", group.epoch_authenticator().expect("one").as_bytes()])
}

impl<C: MlsConfig, S: CipherSuiteProvider> Other<C, S> {
    /// A new KeyPackage.
    pub(crate) fn key_package(&self) -> Vec<u8> {
        let leaf = ExtensionList::from(vec![Extension::new(INBOX, self.inbox.1.to_vec())]);
        let since = MlsTime::from(clock::now().0 / 1_000 - AGE);
        let made = self.client.generate_key_package_message(ExtensionList::default(), leaf, Some(since));
        made.expect("a KeyPackage").to_bytes().expect("bytes")
    }

    /// Publishes KeyPackages, for others to add it.
    pub(crate) async fn publish(&self, count: usize) {
        let single_use = (0..count).map(|_| self.key_package().into()).collect();
        let published = self.wire.ask(PublishKeyPackages { single_use, last_resort: None, replace: true }).await;
        assert!(matches!(published, Ok(Reply::KeyPackageCount(_))), "{published:?}");
    }

    /// Opens the Welcome in its inbox.
    pub(crate) async fn join(&mut self) {
        let replies = self.wire.ask_all(ReadInbox { after: InboxSeq(0) }).await.expect("an answer");
        let note =
            replies.into_iter().find_map(|reply| if let Reply::Note(note) = reply { Some(note) } else { None });
        let note = note.expect("a note");
        let sealed = HpkeCiphertext::mls_decode(&mut note.sealed.as_ref()).expect("HPKE");
        let (secret, public) = &self.inbox;
        let padded =
            self.suite.hpke_open(&sealed, secret, public, b"kring inbox 1", None).expect("sealed to this device");
        let (length, rest) = padded.split_at(4);
        let length = u32::from_be_bytes(length.try_into().expect("4 bytes")) as usize;
        let (envelope, zeros) = rest.split_at(length);
        assert!(zeros.iter().all(|byte| *byte == 0));
        let Envelope(version, kind, group, _, cursor, epoch, case, follows, welcome, nothing_until) =
            frame::decode(envelope).expect("an envelope");
        assert_eq!((version, kind, follows.is_none()), (1, 1, true));
        assert!(nothing_until.is_none_or(|record| record > 0), "a record of the log, if there is one");
        let welcome = MlsMessage::from_bytes(&welcome).expect("a message");
        let (joined, _) = self.client.join_group(None, &welcome, None).expect("a Welcome for this device");
        assert_eq!((joined.group_id(), joined.current_epoch()), (group.as_slice(), epoch));
        let hash = first_hash(&joined);
        self.case = Some(Case {
            id: case.into_array(),
            group: joined,
            cursor: CursorId(cursor.into_array()),
            seen: (0, hash),
            hashes: Vec::new(),
            own: Vec::new(),
            texts: Vec::new(),
            removed: false,
        });
        let done = self.wire.ask(AcknowledgeInbox { through: note.seq }).await;
        assert!(matches!(done, Ok(Reply::Done(_))), "{done:?}");
    }

    pub(crate) fn case(&self) -> &Case<C> {
        self.case.as_ref().expect("it has joined")
    }

    fn access(&self) -> Access {
        let Case { group, .. } = self.case();
        let id = GroupId::from_slice(group.group_id()).expect("16 bytes");
        let epoch = Epoch(group.current_epoch());
        let proof = self.wire.proof_by(&access_key(group), id, epoch);
        Access { group: id, epoch, proof: Some(proof) }
    }

    /// What the relay gives for the epoch that it is in: records after the last one read, and where the log ends for it.
    pub(crate) async fn read(&self) -> (Vec<Record>, ReadEnd) {
        let after = Some(Seq(self.case().seen.0));
        let mut replies =
            self.wire.ask_all(Read { access: self.access(), after, limit: 1 << 20 }).await.expect("an answer");
        let Some(Reply::ReadEnd(end)) = replies.pop() else { panic!("no end of the read") };
        let records = replies.into_iter().map(|reply| match reply {
            Reply::Record(record) => record,
            other => panic!("no record but {other:?}"),
        });
        (records.collect(), end)
    }

    /// Reads everything that it may.
    pub(crate) async fn catch_up(&mut self) {
        loop {
            let before = self.case().group.current_epoch();
            let (records, _) = self.read().await;
            for record in records {
                self.take(&record);
            }
            self.acknowledge().await;
            if self.case().removed || self.case().group.current_epoch() == before {
                return;
            }
        }
    }

    /// Lets the relay drop what it has read.
    async fn acknowledge(&self) {
        let Case { group, cursor, seen, .. } = self.case();
        let group = GroupId::from_slice(group.group_id()).expect("16 bytes");
        let moves = vec![CursorMove { group, cursor: *cursor, seq: Some(Seq(seen.0)) }];
        let moved = self.wire.ask(MoveCursors { moves }).await;
        assert!(matches!(moved, Ok(Reply::Done(_))), "{moved:?}");
    }

    fn take(&mut self, record: &Record) {
        let case = self.case.as_mut().expect("it has joined");
        let seq = record.seq.0;
        // The Commit that has added this device opens the first epoch that it is in, and is not for it to read.
        let message = MlsMessage::from_bytes(&record.message).expect("a message");
        if message.epoch().expect("a PrivateMessage has one") < case.group.current_epoch() {
            case.seen.0 = seq;
            case.hashes = vec![case.seen];
            return;
        }
        let hash = sha256(&[&case.seen.1, &sha256(&[&record.message])]);
        if case.own.contains(&record.operation) && record.next_access_key.is_none() {
            case.seen = (seq, hash);
            case.hashes.push(case.seen);
            return;
        }
        match case.group.process_incoming_message(message).expect("a message for this member") {
            ReceivedMessage::ApplicationMessage(said) => {
                let sender = case.group.member_at_index(said.sender_index).expect("a member");
                let author = self.region.device(&sender.signing_identity).expect("a device of the region");
                if let Some((text, seen)) = forms::read_chat(said.data(), &case.id, author.public_key()) {
                    // Who wrote it has seen the same log.
                    if let Some(own) = case.hashes.iter().find(|(number, _)| *number == seen.0) {
                        assert_eq!(*own, seen, "record {seq}");
                    }
                    case.texts.push(text);
                }
                case.seen = (seq, hash);
                case.hashes.push(case.seen);
            }
            ReceivedMessage::Commit(commit) => {
                if let CommitEffect::Removed { .. } = commit.effect {
                    case.seen.0 = seq;
                    case.removed = true;
                    return;
                }
                let derived = AccessKey::from_slice(access_key(&case.group).public_key().as_ref());
                assert_eq!(record.next_access_key, derived, "the relay was given the epoch's key");
                case.seen = (seq, first_hash(&case.group));
                case.hashes = vec![case.seen];
            }
            ReceivedMessage::Proposal(_) => {
                case.seen = (seq, hash);
                case.hashes.push(case.seen);
            }
            other => panic!("{other:?} in a log"),
        }
    }

    /// Says something, in a record of this number.
    pub(crate) async fn say(&mut self, text: &str) -> Seq {
        let access = self.access();
        let case = self.case.as_mut().expect("it has joined");
        let item = forms::chat(&self.key, &case.id, text, case.seen, clock::now().0);
        let message = case.group.encrypt_application_message(&item, Vec::new()).expect("encrypted");
        let operation = OperationId(rand::random());
        case.own.push(operation);
        let message = message.to_bytes().expect("bytes").into();
        match self.wire.ask(Submit { access, operation, message }).await {
            Ok(Reply::Receipt(receipt)) => receipt.seq,
            other => panic!("no receipt but {other:?}"),
        }
    }

    /// Takes fresh keys.
    pub(crate) async fn commit(&mut self) {
        let access = self.access();
        let case = self.case.as_mut().expect("it has joined");
        let made = case.group.commit(Vec::new()).expect("a Commit");
        // The key is that of an epoch that begins only if the relay takes the Commit.
        let mut next = case.group.clone();
        next.apply_pending_commit().expect("its own Commit");
        let next_access_key = AccessKey::from_slice(access_key(&next).public_key().as_ref()).expect("32 bytes");
        let operation = OperationId(rand::random());
        let message = made.commit_message().to_bytes().expect("bytes").into();
        let request =
            SubmitCommit { access, operation, message, next_access_key, welcomes: Vec::new(), closes: None };
        match self.wire.ask(request).await {
            Ok(Reply::Receipt(receipt)) => {
                case.group.apply_pending_commit().expect("its own Commit");
                case.seen = (receipt.seq.0, first_hash(&case.group));
                case.hashes = vec![case.seen];
            }
            other => panic!("no receipt but {other:?}"),
        }
    }

    /// Everybody in the case, as this device sees it.
    pub(crate) fn members(&self) -> Vec<String> {
        let members = self.case().group.roster().members_iter();
        let device = |member: mls_rs::group::Member| {
            self.region
                .device(&member.signing_identity)
                .expect("a device of the region")
                .address()
                .professional
                .to_string()
        };
        let mut members: Vec<_> = members.map(device).collect();
        members.sort();
        members
    }

    /// What the relay answers to something said with the last keys that it has.
    pub(crate) async fn says_too_late(&mut self) -> Reply {
        let access = self.access();
        let case = self.case.as_mut().expect("it has joined");
        let message = case.group.encrypt_application_message(b"too late", Vec::new()).expect("encrypted");
        let message = message.to_bytes().expect("bytes").into();
        self.wire.ask(Submit { access, operation: OperationId(rand::random()), message }).await.expect("an answer")
    }
}
