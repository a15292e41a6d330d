//! A region with two organisations, one for each thread of the tests, and the devices that they vouch for.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use kring_pki::form::{DisplayName, FunctionCode, Serial};
use kring_pki::issue::{
    Algorithm, DeviceSubject, OrganisationCa, OrganisationSubject, PrivateKey, Reason, RegionRoot, Revocation,
    Validity,
};
use kring_pki::verify::{Crls, TrustAnchors, VerifiedCrl, VerifiedDevice, When, verify_crl, verify_device};
use kring_protocol::address::{DeviceAddress, ProfessionalAddress};
use kring_protocol::ids::{DeviceId, Timestamp};

use super::world::START;
use crate::engine::{ConnectionId, Requester};

struct Pki {
    region: RegionRoot,
    anchors: TrustAnchors,
    organisations: [OrganisationCa; 2],
    devices: RefCell<HashMap<(String, u8), Arc<VerifiedDevice>>>,
}

thread_local! {
    static PKI: Pki = Pki::new();
}

fn name(text: &str) -> DisplayName {
    DisplayName::new(text).unwrap()
}

impl Pki {
    fn new() -> Self {
        let region = RegionRoot::create(&name("Regio"), Validity::days(START, 2_000)).unwrap();
        let organisations =
            [("Politie", "politie.example"), ("Wijkteam", "leiden.example")].map(|(title, domain)| {
                let subject = OrganisationSubject {
                    name: name(title),
                    domain: domain.to_owned(),
                    functions: vec![FunctionCode::new("police").unwrap()],
                };
                let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
                region.issue_organisation(&subject, key, Validity::days(START, 1_500)).unwrap()
            });
        let anchors = TrustAnchors::from_der([region.certificate()]).unwrap();
        Self { region, anchors, organisations, devices: RefCell::default() }
    }

    fn issuer_of(&self, address: &ProfessionalAddress) -> &OrganisationCa {
        &self.organisations[usize::from(!address.domain().ends_with("politie.example"))]
    }

    fn device(&self, address: &str, number: u8) -> Arc<VerifiedDevice> {
        let made = |address: &str| {
            let professional: ProfessionalAddress = address.parse().unwrap();
            let key = PrivateKey::generate(Algorithm::Ed25519).unwrap().ed25519_public_key().unwrap();
            let issuer = self.issuer_of(&professional);
            let subject = DeviceSubject {
                address: DeviceAddress { professional, device: DeviceId([number; 16]) },
                name: name("Zoë Jansen"),
                function: FunctionCode::new("police").unwrap(),
            };
            let device = issuer.issue_device(&subject, &key, Validity::days(START, 1_000)).unwrap();
            let verified = verify_device(device.chain(), &self.anchors, When::At(START), &Crls::none()).unwrap();
            Arc::new(verified)
        };
        let mut devices = self.devices.borrow_mut();
        devices.entry((address.to_owned(), number)).or_insert_with(|| made(address)).clone()
    }
}

/// A connection of this device.
pub(super) fn requester(connection: u64, address: &str, device: u8) -> Requester {
    PKI.with(|pki| Requester::verified(ConnectionId(connection), &pki.device(address, device)).unwrap())
}

fn revocations(serials: impl Iterator<Item = Serial>) -> Vec<Revocation> {
    serials.map(|serial| Revocation { serial, at: START, reason: Reason::AffiliationChanged }).collect()
}

fn until() -> Timestamp {
    START.plus(Timestamp::DAY)
}

/// The police's list that revokes these devices of a.jansen.
pub(super) fn list(devices: &[u8], number: u64) -> Arc<VerifiedCrl> {
    PKI.with(|pki| {
        let police = &pki.organisations[0];
        let serials = devices.iter().map(|it| pki.device("a.jansen@politie.example", *it).serial().clone());
        let der = police.sign_crl(&revocations(serials), number, START, until()).unwrap();
        Arc::new(verify_crl(&der, Some(police.certificate()), &pki.anchors, START, &Crls::none()).unwrap())
    })
}

/// The region's list that revokes the police.
pub(super) fn list_of_region(number: u64) -> Arc<VerifiedCrl> {
    PKI.with(|pki| {
        let serial = Serial::of(pki.organisations[0].certificate()).unwrap();
        let der = pki.region.sign_crl(&revocations([serial].into_iter()), number, START, until()).unwrap();
        Arc::new(verify_crl(&der, None, &pki.anchors, START, &Crls::none()).unwrap())
    })
}
