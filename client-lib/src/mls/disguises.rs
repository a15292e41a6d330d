//! People who are not who they say, and what a program of bad intent can do with real keys: those of a device, or of
//! an organisation. Nothing here passes a gate.

use kring_pki::form::{DEVICE_USAGE, DisplayName, FunctionCode};
use kring_pki::issue::{
    Algorithm, DeviceSubject, OrganisationCa, OrganisationSubject, PrivateKey, RegionRoot, Validity,
};
use kring_pki::verify::{Crls, TrustAnchors};
use kring_protocol::address::DeviceAddress;
use kring_protocol::ids::{AccessKey, Timestamp};
use openmls::prelude::tls_codec::{DeserializeBytes as _, Serialize as _};
use openmls::prelude::{
    CredentialWithKey, KeyPackage, LeafNodeParameters, MlsMessageBodyIn, MlsMessageIn, NewSignerBundle,
    OpenMlsProvider as _, ProtocolVersion,
};
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType};
use rustls_pki_types::CertificateDer;

use super::group::{Group, Plan};
use super::key_package;
use super::party::Party;
use super::{DeviceCredentials, credentials};
use crate::conversation::Unbelieved;
use crate::conversation::harness::{address, real_now};
use crate::store::{Store, Transaction};

/// What is wrong, who shows it, and the reason for which nobody believes it.
pub(crate) type Impostor = (&'static str, Disguise, Unbelieved);

/// A region with a care organisation, the police, and an authority that ended long ago; and another region.
pub(crate) struct Lands {
    pub(super) root: RegionRoot,
    pub(crate) care: OrganisationCa,
    police: OrganisationCa,
    pub(super) ended: OrganisationCa,
    other: OrganisationCa,
}

fn name(text: &str) -> DisplayName {
    DisplayName::new(text).unwrap()
}

pub(super) fn ago(days: u64) -> Timestamp {
    Timestamp(real_now().0 - days * Timestamp::DAY)
}

impl Lands {
    pub(crate) fn new() -> Self {
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

    /// The region and the care organisation, for a world of their own.
    pub(crate) fn own(&self) -> (RegionRoot, OrganisationCa) {
        let key = |key: &PrivateKey| PrivateKey::from_pem(&key.to_pem()).unwrap();
        let root = RegionRoot::new(self.root.certificate().clone(), key(self.root.key())).unwrap();
        (root, OrganisationCa::new(self.care.certificate().clone(), key(self.care.key())).unwrap())
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

    /// Somebody who is who they say.
    pub(super) fn member(&self, called: &str, crls: Crls) -> Member {
        self.member_at(&address(called, 1), crls)
    }

    fn member_at(&self, device: &DeviceAddress, crls: Crls) -> Member {
        let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        let public = key.ed25519_public_key().unwrap();
        let subject = Self::subject(device);
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
    pub(super) fn forge(
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
    pub(crate) fn impostors(&self, device: &DeviceAddress) -> Vec<Impostor> {
        let stolen = Disguise {
            chain: self.member_at(device, Crls::none()).chain,
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

/// A device's program.
pub(crate) struct Member {
    pub(super) store: Store,
    pub(crate) party: Party,
    pub(super) chain: Vec<CertificateDer<'static>>,
}

/// A chain and a key that are shown together.
pub(crate) struct Disguise {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKey,
}

impl Disguise {
    pub(super) fn identity(&self) -> CredentialWithKey {
        CredentialWithKey {
            credential: credentials::credential(&self.chain),
            signature_key: self.key.ed25519_public_key().unwrap().to_vec().into(),
        }
    }

    /// A program of the impostor's own.
    pub(crate) fn wearer(&self, lands: &Lands) -> Member {
        let mut wearer = lands.member("mallory", Crls::none());
        wearer.party.disguise(self.identity(), &self.key.ed25519_seed().unwrap());
        wearer
    }
}

impl Member {
    /// A KeyPackage, as bytes and read.
    pub(crate) fn package(&mut self) -> (Vec<u8>, KeyPackage) {
        let tx = self.store.begin().unwrap();
        let bytes = key_package::make(&self.party, &tx, false, real_now()).unwrap();
        tx.commit().unwrap();
        let message = MlsMessageIn::tls_deserialize_exact_bytes(&bytes).unwrap();
        let MlsMessageBodyIn::KeyPackage(package) = message.extract() else { panic!("a KeyPackage") };
        (bytes.to_vec(), package.validate(&self.party.crypto, ProtocolVersion::Mls10).unwrap())
    }
}

impl Group {
    /// Builds a Commit as a dishonest program would, unjudged; with it the access key that it opens.
    pub(crate) fn commit_beside_the_gate(
        &mut self,
        party: &Party,
        step: &Transaction<'_>,
        plan: Plan,
    ) -> (Vec<u8>, AccessKey) {
        let provider = party.provider(step);
        let mut builder =
            self.inner.commit_builder().force_self_update(true).propose_removals(plan.remove).propose_adds(plan.add);
        if let Some(context) = plan.context {
            builder = builder.propose_group_context_extensions(context.extensions().unwrap()).unwrap();
        }
        let built = builder.load_psks(provider.storage()).unwrap().build(
            provider.rand(),
            provider.crypto(),
            party.signer(),
            |_| true,
        );
        let bundle = built.unwrap().stage_commit(&provider).unwrap();
        let message = bundle.into_commit().tls_serialize_detached().unwrap();
        (message, self.pending_access(party).unwrap().public().unwrap())
    }

    /// The Welcome of a Commit that nobody has judged.
    pub(crate) fn welcome_beside_the_gate(&mut self, party: &Party, step: &Transaction<'_>, plan: Plan) -> Vec<u8> {
        let provider = party.provider(step);
        let context = plan.context.unwrap().extensions().unwrap();
        let builder = self.inner.commit_builder().propose_adds(plan.add);
        let builder =
            builder.propose_group_context_extensions(context).unwrap().load_psks(provider.storage()).unwrap();
        let built = builder.build(provider.rand(), provider.crypto(), party.signer(), |_| true).unwrap();
        built.stage_commit(&provider).unwrap().to_welcome_msg().unwrap().tls_serialize_detached().unwrap()
    }

    /// A Commit in which this device's leaf becomes that of somebody else's program.
    pub(crate) fn new_signer_beside_the_gate(
        &mut self,
        party: &Party,
        step: &Transaction<'_>,
        wearer: &Party,
    ) -> (Vec<u8>, AccessKey) {
        let provider = party.provider(step);
        let leaf = LeafNodeParameters::builder()
            .with_extensions(party.leaf_extensions().unwrap())
            .with_capabilities(party.capabilities())
            .build();
        let new = NewSignerBundle { signer: wearer.signer(), credential_with_key: wearer.identity() };
        let bundle = self.inner.self_update_with_new_signer(&provider, party.signer(), new, leaf).unwrap();
        let message = bundle.into_commit().tls_serialize_detached().unwrap();
        (message, self.pending_access(party).unwrap().public().unwrap())
    }
}
