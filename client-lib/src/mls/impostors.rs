//! People who are not who they say, each tried in every place at which a leaf comes in: as a KeyPackage, as an addition in
//! a Commit, as somebody who is in the group of a Welcome already, and as the new leaf of a member's own Commit. Whoever
//! makes the impostor has real keys: those of a device, or of an organisation.

use kring_pki::form::{DEVICE_USAGE, DisplayName, FunctionCode};
use kring_pki::issue::{
    Algorithm, DeviceSubject, OrganisationCa, OrganisationSubject, PrivateKey, Reason, RegionRoot, Revocation,
    Validity,
};
use kring_pki::verify::{Crl, Crls, TrustAnchors};
use kring_protocol::address::DeviceAddress;
use kring_protocol::ids::{GroupId, Timestamp};
use openmls::prelude::tls_codec::{DeserializeBytes as _, Serialize as _};
use openmls::prelude::{
    CredentialWithKey, KeyPackage, LeafNodeParameters, MlsMessageBodyIn, MlsMessageIn, NewSignerBundle,
    ProtocolVersion,
};
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType};
use rustls_pki_types::CertificateDer;

use super::context::CaseContext;
use super::gate::judge_staged;
use super::group::{Group, Plan, Received};
use super::join::{Replaces, company, invitation};
use super::key_package;
use super::party::Party;
use super::{DeviceCredentials, credentials};
use crate::case::{CaseId, Role};
use crate::conversation::harness::{address, real_now, who};
use crate::conversation::{CommitRefused, NotAdded, Unbelieved};
use crate::store::Store;

/// What is wrong, who shows it, and the reason for which nobody believes it.
type Impostor = (&'static str, Disguise, Unbelieved);

/// A region with a care organisation, the police, and an authority that ended long ago; and another region.
struct Lands {
    root: RegionRoot,
    care: OrganisationCa,
    police: OrganisationCa,
    ended: OrganisationCa,
    other: OrganisationCa,
}

fn name(text: &str) -> DisplayName {
    DisplayName::new(text).unwrap()
}

fn ago(days: u64) -> Timestamp {
    Timestamp(real_now().0 - days * Timestamp::DAY)
}

impl Lands {
    fn new() -> Self {
        let long = Validity { not_before: ago(4_000), not_after: real_now().plus(3_000 * Timestamp::DAY) };
        let organisation = |root: &RegionRoot, called: &str, domain: &str, function: &str, validity| {
            let subject = OrganisationSubject {
                name: name(called),
                domain: domain.to_owned(),
                functions: vec![FunctionCode::new(function).unwrap()],
            };
            root.issue_organisation(&subject, PrivateKey::generate(Algorithm::EcdsaP256).unwrap(), validity).unwrap()
        };
        let root = RegionRoot::create(&name("Regio"), long).unwrap();
        let elsewhere = RegionRoot::create(&name("Elders"), long).unwrap();
        let ended = Validity { not_before: ago(3_000), not_after: ago(2_000) };
        Self {
            care: organisation(&root, "Zorg", "zorg.example", "youth-care", long),
            police: organisation(&root, "Politie", "politie.example", "police", long),
            ended: organisation(&root, "Zorg", "zorg.example", "youth-care", ended),
            other: organisation(&elsewhere, "Zorg", "zorg.example", "youth-care", long),
            root,
        }
    }

    fn anchors(&self) -> TrustAnchors {
        TrustAnchors::from_der([self.root.certificate()]).unwrap()
    }

    fn subject(device: &DeviceAddress) -> DeviceSubject {
        DeviceSubject {
            address: device.clone(),
            name: name(device.professional.name()),
            function: FunctionCode::new("youth-care").unwrap(),
        }
    }

    fn member(&self, called: &str, crls: Crls) -> Member {
        let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        let public = key.ed25519_public_key().unwrap();
        let subject = Self::subject(&address(called, 1));
        let device = self.care.issue_device(&subject, &public, Validity::device(real_now())).unwrap();
        let credentials = DeviceCredentials {
            chain: device.chain().to_vec(),
            key: key.ed25519_seed().unwrap(),
            anchors: self.anchors(),
            crls,
        };
        let mut store = Store::in_memory().unwrap();
        let party = Party::new(&mut store, credentials).map_err(|_| "party").unwrap();
        Member { store, party, chain: device.chain().to_vec() }
    }

    /// A certificate as `authority` would sign it with a program of its own, after `change`.
    fn forge(
        &self,
        authority: &OrganisationCa,
        device: &DeviceAddress,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Disguise {
        let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        let date = |at: Timestamp| {
            let seconds = i64::try_from(at.0 / Timestamp::SECOND).unwrap();
            time::OffsetDateTime::from_unix_timestamp(seconds).unwrap()
        };
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, device.professional.name());
        params.distinguished_name.push(DnType::OrganizationName, authority.name().as_str());
        params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 12]), authority.functions()[0].as_str());
        params.subject_alt_names = vec![
            SanType::DnsName(device.to_dns_name().try_into().unwrap()),
            SanType::URI(device.to_uri().try_into().unwrap()),
        ];
        params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::Other(DEVICE_USAGE.to_vec())];
        (params.not_before, params.not_after) = (date(ago(1)), date(real_now().plus(300 * Timestamp::DAY)));
        change(&mut params);
        let signer = KeyPair::from_pem(&authority.key().to_pem()).unwrap();
        let issuer = Issuer::from_ca_cert_der(authority.certificate(), &signer).unwrap();
        let own = KeyPair::from_pem(&key.to_pem()).unwrap();
        let leaf = CertificateDer::from(params.signed_by(&own, &issuer).unwrap());
        Disguise { chain: vec![leaf, authority.certificate().clone()], key }
    }

    /// Everybody who is not who they say, at this address.
    fn impostors(&self, device: &DeviceAddress) -> Vec<Impostor> {
        let stolen = Disguise {
            chain: self.member(device.professional.name(), Crls::none()).chain,
            key: PrivateKey::generate(Algorithm::Ed25519).unwrap(),
        };
        let server = |params: &mut CertificateParams| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        };
        let veilig_thuis = |params: &mut CertificateParams| {
            params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 12]), "veilig-thuis");
        };
        vec![
            ("a stolen chain with another key", stolen, Unbelieved::OtherKey),
            (
                "another organisation's certificate",
                self.forge(&self.police, device, |_| {}),
                Unbelieved::OtherOrganisation,
            ),
            (
                "a function that the organisation was not given",
                self.forge(&self.care, device, veilig_thuis),
                Unbelieved::Function,
            ),
            ("a certificate for a server", self.forge(&self.care, device, server), Unbelieved::Usage),
            (
                "an authority that had ended when it signed",
                self.forge(&self.ended, device, |_| {}),
                Unbelieved::Authority,
            ),
            ("a chain to a root that nobody has pinned", self.forge(&self.other, device, |_| {}), Unbelieved::Root),
        ]
    }
}

struct Member {
    store: Store,
    party: Party,
    chain: Vec<CertificateDer<'static>>,
}

/// A chain and a key that are shown together.
struct Disguise {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKey,
}

impl Disguise {
    fn identity(&self) -> CredentialWithKey {
        CredentialWithKey {
            credential: credentials::credential(&self.chain),
            signature_key: self.key.ed25519_public_key().unwrap().to_vec().into(),
        }
    }

    /// A program of the impostor's own.
    fn wearer(&self, lands: &Lands) -> Member {
        let mut wearer = lands.member("mallory", Crls::none());
        wearer.party.disguise(self.identity(), &self.key.ed25519_seed().unwrap());
        wearer
    }
}

impl Member {
    fn package(&mut self) -> (Vec<u8>, KeyPackage) {
        let tx = self.store.begin().unwrap();
        let bytes = key_package::make(&self.party, &tx, false, real_now()).unwrap();
        tx.commit().unwrap();
        let message = MlsMessageIn::tls_deserialize_exact_bytes(&bytes).unwrap();
        let MlsMessageBodyIn::KeyPackage(package) = message.extract() else { panic!("a KeyPackage") };
        (bytes.to_vec(), package.validate(&self.party.crypto, ProtocolVersion::Mls10).unwrap())
    }

    fn receive(&mut self, group: &mut Group, message: &[u8]) -> Received {
        let tx = self.store.begin().unwrap();
        let received = group.receive(&self.party, &tx, message, false).unwrap();
        tx.commit().unwrap();
        received
    }
}

/// A group of anne, who coordinates, and bert.
fn two(lands: &Lands) -> (Member, Group, Member, Group) {
    let (mut anne, mut bert) = (lands.member("anne", Crls::none()), lands.member("bert", Crls::none()));
    let mut context = CaseContext::new(CaseId([1; 16]), "x".to_owned(), who("anne"));
    let (_, package) = bert.package();
    let tx = anne.store.begin().unwrap();
    let mut hers = Group::create(&anne.party, &tx, GroupId([2; 16]), &context).unwrap();
    context.set_role(&who("bert"), Role::Member);
    let plan = Plan { add: vec![package], context: Some(context), ..Plan::default() };
    let prepared = hers.commit(&anne.party, &tx, plan).unwrap();
    let pending = hers.pending_access(&anne.party).unwrap().public().unwrap();
    hers.merge_own(&anne.party, &tx, Some(pending), false).unwrap().unwrap();
    tx.commit().unwrap();
    let tx = bert.store.begin().unwrap();
    let welcome = prepared.welcome.as_ref().unwrap();
    let his = invitation(&bert.party, &tx, welcome, Replaces::Nothing).unwrap().accept(&bert.party, &tx).unwrap();
    tx.commit().unwrap();
    (anne, hers, bert, his)
}

#[test]
fn an_impostor_is_refused_as_key_package_in_a_welcome_and_in_a_commit_and_the_group_goes_on() {
    let lands = Lands::new();
    let device = address("cees", 1);
    for (what, disguise, why) in lands.impostors(&device) {
        let (mut anne, mut hers, mut bert, mut his) = two(&lands);
        let identity = disguise.identity();
        let bad = anne.party.leaves.ever(&identity.credential, identity.signature_key.as_slice());
        assert_eq!(bad.err().map(Unbelieved::from), Some(why), "{what}");

        let (bytes, package) = disguise.wearer(&lands).package();
        let checked = key_package::check(&anne.party, &bytes, &who("cees"), device.device, real_now());
        assert_eq!(checked.err(), Some(NotAdded::Impostor(why)), "{what}, as KeyPackage");

        let mut context = hers.context().unwrap();
        context.set_role(&who("cees"), Role::Member);
        let plan = || Plan { add: vec![package.clone()], context: Some(context.clone()), ..Plan::default() };
        let tx = anne.store.begin().unwrap();
        assert!(hers.commit(&anne.party, &tx, plan()).is_err(), "{what}: an honest program adds no such");
        let (message, key) = hers.commit_beside_the_gate(&anne.party, &tx, plan());
        drop(tx);
        let Received::Commit { staged, committer } = bert.receive(&mut his, &message) else { panic!("a Commit") };
        let judged = judge_staged(&bert.party, &his, staged, committer, Some(key), false);
        assert_eq!(judged.err(), Some(CommitRefused::Leaf(why)), "{what}, added in a Commit");

        let (mut anne, mut hers, mut bert, mut his) = two(&lands);
        let mut dirk = lands.member("dirk", Crls::none());
        context.set_role(&who("dirk"), Role::Member);
        let add = vec![dirk.package().1, package.clone()];
        let tx = anne.store.begin().unwrap();
        let plan = Plan { add, context: Some(context), ..Plan::default() };
        let welcome = hers.welcome_beside_the_gate(&anne.party, &tx, plan);
        drop(tx);
        let tx = dirk.store.begin().unwrap();
        assert!(invitation(&dirk.party, &tx, &welcome, Replaces::Nothing).is_err(), "{what}, in a Welcome");
        drop(tx);
        let tx = dirk.store.begin().unwrap();
        assert_eq!(company(&dirk.party, &tx, &welcome).ok().flatten(), Some(why), "{what}, in a Welcome");
        drop(tx);

        // What was refused was merged by nobody: the others' group goes on.
        let tx = bert.store.begin().unwrap();
        let prepared = his.commit(&bert.party, &tx, Plan::default()).unwrap();
        drop(tx);
        let mut hers = Group::load(&anne.store.read(), GroupId([2; 16])).unwrap().unwrap();
        let Received::Commit { staged, committer } = anne.receive(&mut hers, &prepared.message) else {
            panic!("a Commit")
        };
        let key = Some(prepared.next_access_key);
        assert!(judge_staged(&anne.party, &hers, staged, committer, key, false).is_ok(), "{what}: it goes on");
    }
}

#[test]
fn a_member_cannot_put_an_impostors_leaf_in_place_of_its_own() {
    let lands = Lands::new();
    let device = address("bert", 1);
    for (what, disguise, why) in lands.impostors(&device) {
        let (mut anne, mut hers, mut bert, mut his) = two(&lands);
        let wearer = disguise.wearer(&lands);
        let tx = bert.store.begin().unwrap();
        let provider = bert.party.provider(&tx);
        let extensions = bert.party.leaf_extensions().unwrap();
        let leaf = LeafNodeParameters::builder()
            .with_extensions(extensions)
            .with_capabilities(bert.party.capabilities())
            .build();
        let new = NewSignerBundle { signer: wearer.party.signer(), credential_with_key: disguise.identity() };
        let bundle = his.inner.self_update_with_new_signer(&provider, bert.party.signer(), new, leaf).unwrap();
        let message = bundle.into_commit().tls_serialize_detached().unwrap();
        let key = his.pending_access(&bert.party).unwrap().public().unwrap();
        drop(tx);
        let Received::Commit { staged, committer } = anne.receive(&mut hers, &message) else { panic!("a Commit") };
        let judged = judge_staged(&anne.party, &hers, staged, committer, Some(key), false);
        assert_eq!(judged.err(), Some(CommitRefused::Leaf(why)), "{what}");

        // What was refused was merged by nobody: the group goes on without it.
        let mut his = Group::load(&bert.store.read(), GroupId([2; 16])).unwrap().unwrap();
        let mut hers = Group::load(&anne.store.read(), GroupId([2; 16])).unwrap().unwrap();
        let tx = anne.store.begin().unwrap();
        let prepared = hers.commit(&anne.party, &tx, Plan::default()).unwrap();
        drop(tx);
        let Received::Commit { staged, committer } = bert.receive(&mut his, &prepared.message) else {
            panic!("a Commit")
        };
        let key = Some(prepared.next_access_key);
        assert!(judge_staged(&bert.party, &his, staged, committer, key, false).is_ok(), "{what}: it goes on");
    }
}

#[test]
fn a_revoked_device_and_one_whose_authority_has_ended_since_pass_the_merge_gate_and_not_the_send_gate() {
    let lands = Lands::new();
    let cees = lands.member("cees", Crls::none());
    let serial = kring_pki::form::Serial::of(&cees.chain[0]).unwrap();
    let revocation = Revocation { serial, at: real_now(), reason: Reason::KeyCompromise };
    let list = lands.care.sign_crl(&[revocation], 1, real_now(), real_now().plus(Timestamp::DAY)).unwrap();
    let knows: Crls = [Crl::from_der(&list).unwrap()].into_iter().collect();
    let anne = lands.member("anne", knows);
    let mut cees = cees;
    let (bytes, _) = cees.package();
    let device = address("cees", 1).device;
    let checked = key_package::check(&anne.party, &bytes, &who("cees"), device, real_now());
    assert_eq!(checked.err(), Some(NotAdded::Revoked));

    // In time for a while, under an authority that is over now.
    let seconds = i64::try_from(ago(2_500).0 / Timestamp::SECOND).unwrap();
    let long_ago = |params: &mut CertificateParams| {
        params.not_before = time::OffsetDateTime::from_unix_timestamp(seconds).unwrap();
        params.not_after = time::OffsetDateTime::from_unix_timestamp(4_000_000_000).unwrap();
    };
    let once = lands.forge(&lands.ended, &address("cees", 1), long_ago);
    let identity = once.identity();
    let key = identity.signature_key.as_slice();
    assert!(anne.party.leaves.ever(&identity.credential, key).is_ok(), "an old log is judged as it was");
    let (bytes, _) = once.wearer(&lands).package();
    let checked = key_package::check(&anne.party, &bytes, &who("cees"), device, real_now());
    assert_eq!(checked.err(), Some(NotAdded::Certificate), "nobody is added with it today");
}
