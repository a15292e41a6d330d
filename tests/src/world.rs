//! A region with two organisations, and a folder with everything a relay needs to start.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use kring_pki::form::{DisplayName, FunctionCode, Serial};
use kring_pki::issue::{
    Algorithm, DeviceSubject, OrganisationCa, OrganisationSubject, PrivateKey, Reason, RegionRoot, Revocation,
    Validity,
};
use kring_pki::pem;
use kring_protocol::address::{DeviceAddress, ProfessionalAddress};
use kring_protocol::ids::{DeviceId, Timestamp};
use kring_protocol::message::PublishCrl;
use rustls_pki_types::CertificateDer;

use crate::clock;

/// What the relay's certificate calls it.
pub const RELAY_NAME: &str = "relay.kring.example";
/// Domain of the first organisation.
pub const POLICE: &str = "politie.example";
/// Domain of the second organisation.
pub const SHELTER: &str = "opvang.example";

/// Certificates and files. The folder goes with it.
pub struct World {
    folder: tempfile::TempDir,
    region: RegionRoot,
    police: OrganisationCa,
    shelter: OrganisationCa,
}

/// A device with its certificate and key.
pub struct Device {
    /// Whose it is, and which one.
    pub address: DeviceAddress,
    /// Its certificate and its organisation's.
    pub chain: Vec<CertificateDer<'static>>,
    /// The certificate's key.
    pub key: PrivateKey,
}

impl World {
    /// A region, a relay's certificate and key, and no data yet.
    pub fn new() -> Self {
        // No two worlds' roots bear one name, as no two regions' do.
        let region = name(&format!("Regio {:08x}", rand::random::<u32>()));
        let region = RegionRoot::create(&region, authority(120)).expect("a root");
        let world = Self {
            folder: tempfile::tempdir().expect("a folder"),
            police: organisation(&region, "Politie Proef", POLICE, "police"),
            shelter: organisation(&region, "Opvang Proef", SHELTER, "shelter"),
            region,
        };
        let key = PrivateKey::generate(Algorithm::EcdsaP256).expect("a key");
        let relay =
            world.region.issue_relay(&[RELAY_NAME], key, Validity::days(clock::now(), 50)).expect("a certificate");
        fs::write(world.path("relay.pem"), pem::certificates(relay.chain())).expect("written");
        fs::write(world.path("region.pem"), pem::certificates([world.region.certificate()])).expect("written");
        secret(&world.path("relay.key"), relay.key().to_pem().as_bytes());
        let relay_key: [u8; 32] = rand::random();
        let digits: String = relay_key.iter().map(|byte| format!("{byte:02x}")).collect();
        secret(&world.path("database.key"), format!("{digits}\n").as_bytes());
        world
    }

    /// A file of the world's folder.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Where the relay keeps its database.
    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// The root that has signed everything, the relay's certificate too.
    pub fn root(&self) -> &CertificateDer<'static> {
        self.region.certificate()
    }

    /// The region's root.
    pub fn region(&self) -> &RegionRoot {
        &self.region
    }

    /// An organisation's authority.
    ///
    /// # Panics
    /// When there is no such organisation.
    pub fn organisation(&self, domain: &str) -> &OrganisationCa {
        match domain {
            POLICE => &self.police,
            SHELTER => &self.shelter,
            other => panic!("no organisation {other}"),
        }
    }

    /// A new device of a professional, valid for 90 days.
    pub fn device(&self, professional: &str) -> Device {
        self.device_valid(professional, Validity::days(clock::now(), 90))
    }

    /// The revocation list of an organisation, as its administrator hands it to a relay. It promises the next one for
    /// `days` from now.
    ///
    /// # Panics
    /// When there is no such organisation.
    pub fn revocation_list(&self, domain: &str, revoked: &[Serial], number: u64, days: u64) -> PublishCrl {
        let organisation = self.organisation(domain);
        let now = clock::now();
        let entry = |serial: &Serial| Revocation { serial: serial.clone(), at: now, reason: Reason::Unspecified };
        let revoked: Vec<_> = revoked.iter().map(entry).collect();
        let crl = organisation.sign_crl(&revoked, number, now, now.plus(days * Timestamp::DAY)).expect("a list");
        let issuer = organisation.certificate().as_ref().to_vec().into();
        PublishCrl { crl: crl.as_ref().to_vec().into(), issuer: Some(issuer) }
    }

    /// A new device whose certificate was valid until an hour ago.
    pub fn expired_device(&self, professional: &str) -> Device {
        let ago = |milliseconds| Timestamp(clock::now().0 - milliseconds);
        let hour = 60 * 60 * Timestamp::SECOND;
        self.device_valid(professional, Validity { not_before: ago(Timestamp::DAY), not_after: ago(hour) })
    }

    fn device_valid(&self, professional: &str, validity: Validity) -> Device {
        let professional: ProfessionalAddress = professional.parse().expect("an address");
        let (organisation, function) = match professional.domain() {
            POLICE => (&self.police, "police"),
            SHELTER => (&self.shelter, "shelter"),
            other => panic!("no organisation {other}"),
        };
        let key = PrivateKey::generate(Algorithm::Ed25519).expect("a key");
        let subject = DeviceSubject {
            name: name(&format!("Proef {}", professional.name())),
            address: DeviceAddress { professional, device: DeviceId(rand::random()) },
            function: FunctionCode::new(function).expect("a code"),
        };
        let public_key = key.ed25519_public_key().expect("an Ed25519 key");
        let certificate = organisation.issue_device(&subject, &public_key, validity).expect("a certificate");
        Device { address: subject.address, chain: certificate.chain().to_vec(), key }
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

fn organisation(region: &RegionRoot, display: &str, domain: &str, function: &str) -> OrganisationCa {
    let subject = OrganisationSubject {
        name: name(display),
        domain: domain.to_owned(),
        functions: vec![FunctionCode::new(function).expect("a code")],
    };
    let key = PrivateKey::generate(Algorithm::EcdsaP256).expect("a key");
    region.issue_organisation(&subject, key, authority(110)).expect("a certificate")
}

/// Authorities are older than the oldest certificate of a test.
fn authority(days: u64) -> Validity {
    Validity::days(Timestamp(clock::now().0 - 10 * Timestamp::DAY), days)
}

fn name(text: &str) -> DisplayName {
    DisplayName::new(text).expect("a name")
}

/// Writes a file that only its owner can read.
fn secret(path: &Path, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.expect("a new file").write_all(bytes).expect("written");
}
