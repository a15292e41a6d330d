//! A region with two organisations and a relay, and a pen for forging: certificates that the issuing side of the
//! crate would refuse to make, signed with an organisation's real key. The forger is an organisation's administrator.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each file of tests uses a part of it; a helper that fails, fails its test"
)]

use kring_pki::form::{DEVICE_USAGE, DisplayName, FunctionCode};
use kring_pki::issue::{
    Algorithm, DeviceCertificate, DeviceSubject, OrganisationCa, OrganisationSubject, PrivateKey, RegionRoot,
    Validity,
};
use kring_pki::verify::{Crls, TrustAnchors, Untrusted, VerifiedDevice, When, verify_device};
use kring_protocol::address::DeviceAddress;
use kring_protocol::ids::{DeviceId, Timestamp};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;

/// 2027-01-15T08:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000);
pub(crate) const DEVICE: DeviceId = DeviceId([7; 16]);

pub(crate) struct World {
    pub(crate) region: RegionRoot,
    pub(crate) police: OrganisationCa,
    pub(crate) council: OrganisationCa,
    pub(crate) anchors: TrustAnchors,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_keys(Algorithm::EcdsaP256)
    }

    /// Organisations with keys of this kind.
    pub(crate) fn with_keys(algorithm: Algorithm) -> Self {
        let region = RegionRoot::create(&name("Hollands Midden"), Validity::days(NOW, 3650)).unwrap();
        let organisation = |subject: &OrganisationSubject| {
            let key = PrivateKey::generate(algorithm).unwrap();
            region.issue_organisation(subject, key, Validity::days(NOW, 1825)).unwrap()
        };
        Self {
            police: organisation(&police()),
            council: organisation(&council()),
            anchors: TrustAnchors::from_der([region.certificate()]).unwrap(),
            region,
        }
    }

    pub(crate) fn device(&self) -> (DeviceCertificate, PrivateKey) {
        let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        let public = key.ed25519_public_key().unwrap();
        (self.police.issue_device(&anne(), &public, Validity::device(NOW)).unwrap(), key)
    }

    /// Checks now, without lists.
    pub(crate) fn verify(&self, chain: &[CertificateDer<'_>]) -> Result<VerifiedDevice, Untrusted> {
        verify_device(chain, &self.anchors, When::At(NOW), &Crls::none())
    }

    /// A device's certificate of the police as `change` leaves it, with its chain.
    pub(crate) fn forge(&self, change: impl FnOnce(&mut CertificateParams)) -> Vec<CertificateDer<'static>> {
        self.forge_with(&ed25519(), change)
    }

    /// As [`Self::forge`], for this key.
    pub(crate) fn forge_with(
        &self,
        key: &KeyPair,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Vec<CertificateDer<'static>> {
        let leaf = sign(&self.police, key, device_params(), change);
        vec![leaf, self.police.certificate().clone()]
    }

    /// An authority of the police as `change` leaves it, signed by the region, and a good device under it.
    pub(crate) fn forge_organisation(
        &self,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Vec<CertificateDer<'static>> {
        self.forge_organisation_with(&KeyPair::generate().unwrap(), change)
    }

    /// As [`Self::forge_organisation`], with this key.
    pub(crate) fn forge_organisation_with(
        &self,
        key: &KeyPair,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Vec<CertificateDer<'static>> {
        let mut params = organisation_params();
        change(&mut params);
        let root = pair(self.region.key());
        let root = Issuer::from_ca_cert_der(self.region.certificate(), &root).unwrap();
        let organisation = CertificateDer::from(params.signed_by(key, &root).unwrap());
        let issuer = Issuer::new(params, key);
        vec![device_params().signed_by(&ed25519(), &issuer).unwrap().into(), organisation]
    }
}

/// Signs `params` after `change` with the organisation's key.
pub(crate) fn sign(
    organisation: &OrganisationCa,
    key: &KeyPair,
    mut params: CertificateParams,
    change: impl FnOnce(&mut CertificateParams),
) -> CertificateDer<'static> {
    change(&mut params);
    let issuer_key = pair(organisation.key());
    let issuer = Issuer::from_ca_cert_der(organisation.certificate(), &issuer_key).unwrap();
    params.signed_by(key, &issuer).unwrap().into()
}

pub(crate) fn pair(key: &PrivateKey) -> KeyPair {
    KeyPair::from_pem(&key.to_pem()).unwrap()
}

pub(crate) fn ed25519() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap()
}

/// What a good certificate of Anne's device says, written down a second time and independently.
pub(crate) fn device_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Politie Hollands Midden");
    params.distinguished_name.push(DnType::CommonName, "Anne Jansen");
    params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 12]), "police");
    let hex = "07".repeat(16);
    params.subject_alt_names =
        vec![dns(&format!("{hex}.politie.example")), uri(&format!("kring://politie.example/a.jansen/{hex}"))];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::Other(DEVICE_USAGE.to_vec())];
    (params.not_before, params.not_after) = (date(NOW), date(NOW.plus(365 * Timestamp::DAY)));
    params
}

/// What a good certificate of the police says.
pub(crate) fn organisation_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Politie Hollands Midden");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::Other(DEVICE_USAGE.to_vec())];
    params.name_constraints = Some(domains(&["politie.example"]));
    // SEQUENCE { IA5String "police" }
    params.custom_extensions = vec![functions(b"\x30\x08\x16\x06police")];
    (params.not_before, params.not_after) = (date(NOW), date(NOW.plus(1825 * Timestamp::DAY)));
    params
}

pub(crate) fn domains(names: &[&str]) -> rcgen::NameConstraints {
    let subtree = |name: &&str| rcgen::GeneralSubtree::DnsName((*name).to_owned());
    rcgen::NameConstraints { permitted_subtrees: names.iter().map(subtree).collect(), excluded_subtrees: Vec::new() }
}

pub(crate) fn functions(der: &[u8]) -> rcgen::CustomExtension {
    rcgen::CustomExtension::from_oid_content(kring_pki::form::PERMITTED_FUNCTIONS, der.to_vec())
}

pub(crate) fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

pub(crate) fn uri(name: &str) -> SanType {
    SanType::URI(name.try_into().unwrap())
}

pub(crate) fn date(moment: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(i64::try_from(moment.0 / 1000).unwrap()).unwrap()
}

pub(crate) fn before(moment: Timestamp, days: u64) -> Timestamp {
    Timestamp(moment.0 - days * Timestamp::DAY)
}

pub(crate) fn after(moment: Timestamp, days: u64) -> Timestamp {
    moment.plus(days * Timestamp::DAY)
}

pub(crate) fn name(text: &str) -> DisplayName {
    DisplayName::new(text).unwrap()
}

pub(crate) fn function(code: &str) -> FunctionCode {
    FunctionCode::new(code).unwrap()
}

pub(crate) fn police() -> OrganisationSubject {
    OrganisationSubject {
        name: name("Politie Hollands Midden"),
        domain: "politie.example".to_owned(),
        functions: vec![function("police")],
    }
}

pub(crate) fn council() -> OrganisationSubject {
    OrganisationSubject {
        name: name("Gemeente Leiden"),
        domain: "leiden.example".to_owned(),
        functions: vec![function("youth-care"), function("social-team")],
    }
}

pub(crate) fn anne() -> DeviceSubject {
    DeviceSubject {
        address: DeviceAddress { professional: "a.jansen@politie.example".parse().unwrap(), device: DEVICE },
        name: name("Anne Jansen"),
        function: function("police"),
    }
}
