//! Lists of a real region and a real organisation. That their devices lose what they have is tried in the engine's tests.

use kring_pki::form::{DisplayName, FunctionCode};
use kring_pki::issue::{
    Algorithm, DeviceSubject, OrganisationCa, OrganisationSubject, PrivateKey, Reason, RegionRoot, Revocation,
    Validity,
};
use kring_pki::verify::{Crls, TrustAnchors, When, verify_crl, verify_device};
use kring_protocol::address::DeviceAddress;
use kring_protocol::ids::Timestamp;

use super::*;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const DEVICE: DeviceId = DeviceId([7; 16]);

pub(in crate::rules) struct Pki {
    region: RegionRoot,
    police: OrganisationCa,
    anchors: TrustAnchors,
    /// Anne Jansen's.
    pub(in crate::rules) device: VerifiedDevice,
}

impl Pki {
    pub(in crate::rules) fn new() -> Self {
        let name = |text| DisplayName::new(text).expect("a name");
        let police = || FunctionCode::new("police").expect("a function");
        let key = || PrivateKey::generate(Algorithm::Ed25519).expect("a key");
        let region = RegionRoot::create(&name("Regio"), Validity::days(NOW, 900)).expect("a region");
        let subject = OrganisationSubject {
            name: name("Politie"),
            domain: "politie.example".to_owned(),
            functions: vec![police()],
        };
        let organisation =
            region.issue_organisation(&subject, key(), Validity::days(NOW, 800)).expect("an organisation");
        let anchors = TrustAnchors::from_der([region.certificate()]).expect("a root");
        let professional = "a.jansen@politie.example".parse().expect("an address");
        let address = DeviceAddress { professional, device: DEVICE };
        let subject = DeviceSubject { address, name: name("Anne Jansen"), function: police() };
        let public = key().ed25519_public_key().expect("an Ed25519 key");
        let issued = organisation.issue_device(&subject, &public, Validity::days(NOW, 700)).expect("a device");
        let device = verify_device(issued.chain(), &anchors, When::At(NOW), &Crls::none()).expect("a good chain");
        Self { region, police: organisation, anchors, device }
    }

    /// The police's list.
    fn list(&self, number: u64, serials: &[Serial]) -> VerifiedCrl {
        let der = self.police.sign_crl(&revocations(serials), number, NOW, NOW.plus(1_000)).expect("a list");
        verify_crl(&der, Some(self.police.certificate()), &self.anchors, NOW, &Crls::none()).expect("a good list")
    }

    /// The region's list.
    fn list_of_region(&self, number: u64, serials: &[Serial]) -> VerifiedCrl {
        let der = self.region.sign_crl(&revocations(serials), number, NOW, NOW.plus(1_000)).expect("a list");
        verify_crl(&der, None, &self.anchors, NOW, &Crls::none()).expect("a good list")
    }
}

fn revocations(serials: &[Serial]) -> Vec<Revocation> {
    let of = |serial: &Serial| Revocation { serial: serial.clone(), at: NOW, reason: Reason::AffiliationChanged };
    serials.iter().map(of).collect()
}

fn serial(bytes: &[u8]) -> Serial {
    Serial::from_bytes(bytes).expect("short enough")
}

fn issuer(number: u64) -> IssuerId {
    let mut id = [0xee; 32];
    id[..8].copy_from_slice(&number.to_be_bytes());
    IssuerId(id)
}

impl Revocations {
    /// What is decided about a list: the entry's number, or none if it is there.
    fn decide(&self, list: &VerifiedCrl) -> Result<Option<u64>, Refusal> {
        Ok(self.take(list, Vec::new)?.map(|entry| match entry {
            Entry::CrlTaken(taken) => taken.number.0,
            other => panic!("{other:?}"),
        }))
    }

    /// Takes the list of an issuer of whom nothing else is known.
    fn note(&mut self, position: u64, issuer: IssuerId, number: u64, hash: MessageHash) {
        let number = CrlNumber(number);
        let taken = TakenCrl { issuer, number, hash, crl: vec![1].into(), authority: None, devices: Vec::new() };
        self.apply_taken(Position(position), &taken);
    }
}

#[test]
fn a_device_is_cut_off_by_its_organisations_list_or_by_its_regions_list_of_organisations_alone() {
    let pki = Pki::new();
    let credential = Credential::of(&pki.device).expect("verified");
    let own = [pki.device.serial().clone()];
    let organisation = [Serial::of(pki.police.certificate()).expect("a certificate")];
    let other = [serial(&[0x42; 9])];
    for (list, revoked, what) in [
        (pki.list(1, &[other.clone(), own.clone()].concat()), true, "its own certificate"),
        (pki.list(1, &other), false, "a colleague's"),
        (pki.list(1, &[]), false, "nobody's"),
        (pki.list(1, &organisation), false, "a number that the region gave"),
        (pki.list_of_region(1, &organisation), true, "its organisation's"),
        (pki.list_of_region(1, &other), false, "another organisation's"),
        (pki.list_of_region(1, &own), false, "a number that the organisation gave"),
    ] {
        assert_eq!(credential.is_revoked(list.issuer(), list.crl()), revoked, "{what}");
        assert!(!credential.is_revoked(issuer(1), list.crl()), "{what}, of somebody else");
        let lists = |issuer| [(issuer, Crl::from_der(list.crl().der()).expect("a list"))].into();
        assert_eq!(credential.is_revoked_by(&lists(list.issuer())), revoked, "{what}");
        assert!(!credential.is_revoked_by(&lists(issuer(1))), "{what}, of somebody else");
    }
    assert!(!credential.is_revoked_by(&HashMap::new()));
    let numbers = pki.device.serial().as_bytes().len() + organisation[0].as_bytes().len();
    assert_eq!(credential.weight(), size_of::<Credential>() + numbers);
}

#[test]
fn of_an_issuers_lists_only_a_newer_one_is_taken() {
    let pki = Pki::new();
    let held = pki.list(7, &[]);
    let mut revocations = Revocations::default();
    revocations.note(3, held.issuer(), 7, hash_of(held.crl().der()));
    assert_eq!(revocations.decide(&held), Ok(None));
    let stale = Err(Refusal::StaleCrl { number: CrlNumber(7) });
    let others = [serial(&[1])];
    assert_eq!(revocations.decide(&pki.list(6, &others)), stale);
    assert_eq!(revocations.decide(&pki.list(7, &others)), stale);
    assert_eq!(revocations.decide(&pki.list(8, &others)), Ok(Some(8)));
    assert_eq!(revocations.decide(&pki.list_of_region(1, &[])), Ok(Some(1)), "another issuer's");
}

#[test]
fn an_entry_has_the_list_its_authority_and_the_devices_that_it_cuts_off() {
    let pki = Pki::new();
    for (list, authority) in
        [(pki.list(1, &[]), Some(pki.police.certificate().to_vec())), (pki.list_of_region(1, &[]), None)]
    {
        let Ok(Some(Entry::CrlTaken(taken))) = Revocations::default().take(&list, || vec![DEVICE]) else {
            panic!("taken")
        };
        assert_eq!((taken.issuer, &taken.crl[..]), (list.issuer(), &list.crl().der()[..]));
        assert_eq!((taken.authority.map(|it| it.to_vec()), taken.devices), (authority, vec![DEVICE]));
    }
}

#[test]
fn a_number_is_one_that_the_wire_can_carry() {
    let pki = Pki::new();
    for (number, taken) in [
        (0, Ok(Some(0))),
        (MAX_COUNTER, Ok(Some(MAX_COUNTER))),
        (MAX_COUNTER + 1, Err(Refusal::NotCrl)),
        (u64::MAX, Err(Refusal::NotCrl)),
    ] {
        assert_eq!(Revocations::default().decide(&pki.list(number, &[])), taken, "{number}");
    }
}

#[test]
fn a_list_has_so_many_bytes_at_most() {
    let pki = Pki::new();
    // As many as stay below the bound, and then one longer number after another.
    let serials = |count: usize, longer: usize| {
        let of = |number: usize| {
            let mut bytes = vec![1; 8 + usize::from(number < longer)];
            bytes[..4].copy_from_slice(&u32::try_from(0x0100_0000 + number).expect("few").to_be_bytes());
            serial(&bytes)
        };
        (0..count).map(of).collect::<Vec<_>>()
    };
    let length = |count, longer| pki.list(1, &serials(count, longer)).crl().der().len();
    let (few, more) = (length(3_000, 0), length(4_000, 0));
    let each = (more - few) / 1_000;
    let count = 4_000 + (MAX_CRL - more) / each;
    let missing = MAX_CRL - length(count, 0);
    let exact = pki.list(1, &serials(count, missing));
    assert_eq!(exact.crl().der().len(), 262_144);
    let too_large = Err(Refusal::TooLarge { limit: 262_144 });
    let revocations = Revocations::default();
    assert_eq!(revocations.decide(&exact), Ok(Some(1)));
    assert_eq!(revocations.decide(&pki.list(1, &serials(count, missing + 1))), too_large);
    assert_eq!(revocations.decide(&pki.list(1, &serials(count + 9, 0))), too_large);
}

#[test]
fn lists_of_so_many_issuers_are_kept_and_those_may_hand_in_newer_ones() {
    let pki = Pki::new();
    let mut revocations = Revocations::default();
    for number in 1..MAX_CRL_ISSUERS as u64 {
        revocations.note(number, issuer(number), 1, MessageHash([1; 32]));
    }
    let list = pki.list(7, &[]);
    assert_eq!(revocations.decide(&list), Ok(Some(7)));
    revocations.note(2_000, list.issuer(), 7, hash_of(list.crl().der()));
    assert_eq!(revocations.decide(&pki.list_of_region(1, &[])), Err(Refusal::Full));
    assert_eq!(revocations.decide(&pki.list(8, &[])), Ok(Some(8)));
    assert_eq!(revocations.weight(), 1_024 * 2 * size_of::<(IssuerId, ListAt)>());
}

#[test]
fn who_has_a_list_in_its_newest_form_is_not_given_it() {
    let mut revocations = Revocations::default();
    for number in 1..=3 {
        revocations.note(10 * number, issuer(number), 5, MessageHash([1; 32]));
    }
    let newer = |known: &[(u64, u64)]| {
        let of = |(of, number): &(u64, u64)| KnownCrl { issuer: issuer(*of), number: CrlNumber(*number) };
        let lists = revocations.newer_than(&known.iter().map(of).collect::<Vec<_>>());
        lists.iter().map(|list| list.position().0).collect::<Vec<_>>()
    };
    assert_eq!(newer(&[]), [10, 20, 30]);
    assert_eq!(newer(&[(1, 4), (2, 5), (3, 6), (9, 9)]), [10]);
    assert_eq!(newer(&[(1, 1), (2, 9)]), [10, 30]);
}

#[test]
fn an_entry_is_needed_until_a_newer_list_of_its_issuer_is_taken() {
    let mut revocations = Revocations::default();
    revocations.note(10, issuer(1), 1, MessageHash([1; 32]));
    revocations.note(11, issuer(2), 1, MessageHash([1; 32]));
    let needed = |revocations: &Revocations| {
        (9..14).filter(|position| revocations.needs(Position(*position))).collect::<Vec<_>>()
    };
    assert_eq!(needed(&revocations), [10, 11]);
    revocations.note(12, issuer(1), 2, MessageHash([2; 32]));
    assert_eq!(needed(&revocations), [11, 12]);
}

#[test]
fn a_digest_is_sha_256_over_issuers_and_numbers_in_the_order_of_the_issuers() {
    let mut revocations = Revocations::default();
    assert_eq!(revocations.digest().as_bytes(), hash_of(&[]).as_bytes());
    revocations.note(1, issuer(2), 0x0102, MessageHash([1; 32]));
    revocations.note(2, issuer(1), 3, MessageHash([1; 32]));
    let text = [&issuer(1).0[..], &[0, 0, 0, 0, 0, 0, 0, 3], &issuer(2).0, &[0, 0, 0, 0, 0, 0, 1, 2]].concat();
    assert_eq!(revocations.digest().as_bytes(), hash_of(&text).as_bytes());
}
