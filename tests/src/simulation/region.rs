//! Certificates of a simulation: one region, one organisation, made once for a thread and used by all its seeds.
//!
//! The simulated time begins 260 days before now: openmls compares a KeyPackage's lifetime of 271 days with the
//! system's clock, so that what is made within those 260 days is valid today.

use std::rc::Rc;

use kring_client::mls::DeviceCredentials;
use kring_pki::form::{DisplayName, FunctionCode, Serial};
use kring_pki::issue::{
    Algorithm, DeviceSubject, OrganisationCa, OrganisationSubject, PrivateKey, Reason, RegionRoot, Revocation,
    Validity,
};
use kring_pki::verify::{Crl, Crls, TrustAnchors, VerifiedDevice, When, verify_device};
use kring_protocol::address::{DeviceAddress, ProfessionalAddress};
use kring_protocol::ids::{DeviceId, Timestamp};
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::clock;

/// Days between the beginning of the simulated time and now.
const DAYS_BACK: u64 = 260;
/// Days for which certificates hold.
const VALID_DAYS: u64 = 300;
/// Most devices of a simulation.
pub(super) const MOST_DEVICES: usize = 16;

/// Certificates.
pub(super) struct Region {
    root: RegionRoot,
    organisation: OrganisationCa,
    /// When the simulated time begins: midnight, so that days turn alike in every run.
    pub(super) start: Timestamp,
    people: Vec<Person>,
}

/// One device's identity.
pub(super) struct Person {
    pub(super) address: DeviceAddress,
    chain: Vec<CertificateDer<'static>>,
    seed: Zeroizing<[u8; 32]>,
    serial: Serial,
}

thread_local! {
    static REGION: Rc<Region> = Rc::new(Region::new("Regio Proef"));
}

/// The thread's region.
pub(super) fn region() -> Rc<Region> {
    REGION.with(Rc::clone)
}

impl Region {
    /// A region of this name, with a root that no other one has.
    pub(super) fn new(called: &str) -> Self {
        let start = Timestamp((clock::now().0 / Timestamp::DAY - DAYS_BACK) * Timestamp::DAY);
        let name = |text: &str| DisplayName::new(text).expect("a name");
        let function = FunctionCode::new("youth-care").expect("a code");
        let valid = Validity::days(start, VALID_DAYS);
        let root = RegionRoot::create_with(
            &name(called),
            PrivateKey::generate(Algorithm::EcdsaP256).expect("a key"),
            Validity::days(start, 2 * VALID_DAYS),
        )
        .expect("a root");
        let subject = OrganisationSubject {
            name: name("Zorg Proef"),
            domain: "zorg.example".to_owned(),
            functions: vec![function.clone()],
        };
        let key = PrivateKey::generate(Algorithm::EcdsaP256).expect("a key");
        let organisation = root.issue_organisation(&subject, key, valid).expect("a certificate");
        let people = (0..MOST_DEVICES).map(|index| {
            // Every fifth device is the second one of the professional before the last four.
            let owner = if index % 5 == 4 { index - 4 } else { index };
            let professional = ProfessionalAddress::new(&format!("p{owner}"), "zorg.example").expect("an address");
            let id = u8::try_from(index + 1).expect("few devices");
            let address = DeviceAddress { professional, device: DeviceId([id; 16]) };
            let key = PrivateKey::generate(Algorithm::Ed25519).expect("a key");
            let subject = DeviceSubject { address: address.clone(), name: name("Proef"), function: function.clone() };
            let public = key.ed25519_public_key().expect("an Ed25519 key");
            let issued = organisation.issue_device(&subject, &public, valid).expect("a certificate");
            Person {
                address,
                chain: issued.chain().to_vec(),
                seed: key.ed25519_seed().expect("an Ed25519 key"),
                serial: issued.serial().clone(),
            }
        });
        let people = people.collect();
        Self { root, organisation, start, people }
    }

    /// A device's identity.
    pub(super) fn person(&self, device: usize) -> &Person {
        &self.people[device]
    }

    /// What a device's program is opened with, if it knows that these are revoked.
    pub(super) fn credentials(&self, device: usize, revoked: &[usize], now: Timestamp) -> DeviceCredentials {
        let person = &self.people[device];
        DeviceCredentials {
            chain: person.chain.clone(),
            key: person.seed.clone(),
            anchors: TrustAnchors::from_der([self.root.certificate()]).expect("a root"),
            crls: self.crls(revoked, now),
        }
    }

    /// A device's certificate as the relay has verified it.
    pub(super) fn verified(&self, device: usize) -> VerifiedDevice {
        let anchors = TrustAnchors::from_der([self.root.certificate()]).expect("a root");
        let chain = &self.people[device].chain;
        verify_device(chain, &anchors, When::Ever, &Crls::default()).expect("its own region's")
    }

    fn crls(&self, revoked: &[usize], now: Timestamp) -> Crls {
        if revoked.is_empty() {
            return Crls::default();
        }
        let revocation = |device: &usize| Revocation {
            serial: self.people[*device].serial.clone(),
            at: self.start,
            reason: Reason::Unspecified,
        };
        let revocations: Vec<_> = revoked.iter().map(revocation).collect();
        let until = now.plus(VALID_DAYS * Timestamp::DAY / 2);
        let list = self.organisation.sign_crl(&revocations, revoked.len() as u64, now, until).expect("a list");
        [Crl::from_der(&list).expect("a list")].into_iter().collect()
    }
}
