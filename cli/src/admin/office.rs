//! The way to the relays: a certificate of the organisation's administration, made for a day, and a connection to each
//! relay of the folder.
//!
//! A list counts by who signed it, whoever hands it over; so an organisation's goes in its own name, and a region's,
//! which has no device, in that of any organisation that is admitted.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;

use kring_client::api::{ConnectError, Surroundings};
use kring_client::enrolment::{Office, OfficeError};
use kring_pki::form::{DisplayName, Serial};
use kring_pki::issue::{Algorithm, DeviceSubject, OrganisationCa, PrivateKey, Validity};
use kring_pki::verify::Crl;
use kring_protocol::address::{ADMINISTRATION, DeviceAddress, ProfessionalAddress};
use kring_protocol::ids::{DeviceId, TicketId, Timestamp};
use kring_protocol::refusal::Refusal;
use rustls_pki_types::CertificateDer;
use serde::Serialize;

use super::keys::Keys;
use super::ledger::Kind;
use super::lists::Signed;
use super::organisation::{self, Organisation};
use super::relay::used::{self, UsedRelay};
use super::revoke::ListSigned;
use super::{bad_address, folder, not_issued, region};
use crate::clock;
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::{Line, Output};

/// For how long the administration's certificate lasts: longer than a connection, shorter than anybody would want to steal.
const LASTS: u64 = Timestamp::DAY;

/// What the administration shows to a relay.
pub(super) struct Pass {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKey,
    region: CertificateDer<'static>,
    until: Timestamp,
}

impl Pass {
    /// Has the authority issue one.
    pub(super) fn issue(organisation: &Organisation, authority: &OrganisationCa) -> Outcome<Self> {
        let key = PrivateKey::generate(Algorithm::Ed25519).map_err(not_issued)?;
        let public = key
            .ed25519_public_key()
            .ok_or_else(|| Failure::new(Cause::Internal, "a new Ed25519 key has no public key"))?;
        let professional: ProfessionalAddress =
            format!("{ADMINISTRATION}@{}", authority.domain()).parse().map_err(bad_address)?;
        let name = DisplayName::new("Administration").map_err(|error| Failure::new(Cause::Internal, error))?;
        let subject = DeviceSubject {
            address: DeviceAddress { professional, device: DeviceId(rand::random()) },
            name,
            function: authority.functions()[0].clone(),
        };
        let now = clock::now();
        let until = now.plus(LASTS).min(authority.valid_until());
        let validity = Validity { not_after: until, ..Validity::days(now, 1) };
        let certificate = authority.issue_device(&subject, &public, validity).map_err(not_issued)?;
        let entry = organisation::issued(Kind::Administrator, authority, &subject, &certificate.chain()[0], None)?;
        organisation.ledger()?.append([entry])?;
        Ok(Self { chain: certificate.chain().to_vec(), key, region: organisation.region()?, until })
    }

    /// Whether it is good for some time yet.
    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        self.until.since(now) > LASTS / 4
    }

    /// Connects to a relay.
    pub(super) async fn connect(&self, relay: &UsedRelay) -> Outcome<Office> {
        Ok(self.try_to_connect(relay).await?)
    }

    async fn try_to_connect(&self, relay: &UsedRelay) -> Result<Office, OfficeError> {
        let surroundings = Surroundings::default();
        Office::connect(&self.chain, &self.key, &self.region, &relay.address, &relay.roots, &surroundings).await
    }

    /// Whether this list, a region's, names the authority that issued it: a relay that takes the list cuts it off.
    fn is_ended_by(&self, list: &Signed) -> bool {
        let authority = self.chain.get(1).and_then(Serial::of);
        list.issuer.is_none()
            && Crl::from_der(&list.list).is_ok_and(|crl| authority.is_some_and(|serial| crl.revokes(&serial)))
    }
}

/// The ways to all relays of a folder, in the name of each organisation that is needed.
pub(super) struct Ways<'k> {
    folder: &'k Path,
    keys: &'k Keys,
    output: Output,
    relays: Rc<[UsedRelay]>,
    /// By the organisation's domain.
    passes: BTreeMap<String, Rc<Pass>>,
    /// By the organisation's domain and the relay's address.
    offices: BTreeMap<(String, String), Office>,
    /// Relays that could not be reached, by their address: they are not waited for again.
    away: BTreeMap<String, Failure>,
}

/// Why there is no connection to a relay.
enum NoWay {
    /// The relay does not admit this organisation.
    NotAdmitted(Failure),
    /// Whatever else is in the way, of every organisation.
    Failed(Failure),
}

impl From<Failure> for NoWay {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl<'k> Ways<'k> {
    /// To the relays that the folder uses, at least one.
    pub(super) fn open(folder: &'k Path, keys: &'k Keys, output: Output) -> Outcome<Self> {
        let relays = used::all(folder)?.into();
        let (passes, offices, away) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Ok(Self { folder, keys, output, relays, passes, offices, away })
    }

    /// With a pass that there is already.
    pub(super) fn with(mut self, domain: &str, pass: &Rc<Pass>) -> Self {
        self.passes.insert(domain.to_owned(), Rc::clone(pass));
        self
    }

    /// Hands lists to every relay; all are tried, and what fails with one is told at the end. A list whose number a
    /// relay has already is signed once more, and those that had it before get the newer one too.
    pub(super) async fn hand_over(&mut self, lists: &mut [Signed]) -> Outcome {
        let relays = Rc::clone(&self.relays);
        let mut there = BTreeSet::new();
        loop {
            let mut failed = None;
            let mut again = false;
            for (relay_place, relay) in relays.iter().enumerate() {
                for (place, list) in lists.iter_mut().enumerate() {
                    if there.contains(&(relay_place, place)) {
                        continue;
                    }
                    match self.hand_to(list, relay).await {
                        Ok(is_newer) => {
                            if is_newer {
                                there.retain(|(_, other)| *other != place);
                                again = true;
                            }
                            there.insert((relay_place, place));
                        }
                        Err(failure) => {
                            self.output.note(&format!("{}: {}", relay.address, failure.what));
                            failed = Some(failure);
                        }
                    }
                }
            }
            match failed {
                _ if again => {}
                None => return Ok(()),
                Some(failure) => {
                    return Err(Failure::advised(
                        failure.cause,
                        format!("a relay has not got the lists: {}", failure.what),
                        "they are signed and kept; hand them over again with `kring admin crl refresh`",
                    ));
                }
            }
        }
    }

    /// Hands a list to a relay; says whether it had to be signed once more for that.
    async fn hand_to(&mut self, list: &mut Signed, relay: &UsedRelay) -> Outcome<bool> {
        let mut refused = None;
        for domain in self.in_whose_name(list)? {
            match self.stand(&domain, relay).await {
                Ok(()) => return self.publish(list, &domain, relay).await,
                Err(NoWay::NotAdmitted(failure)) => refused = Some(failure),
                Err(NoWay::Failed(failure)) => return Err(failure),
            }
        }
        Err(refused.unwrap_or_else(|| {
            Failure::advised(
                Cause::Pending,
                "the list is signed, and there is no organisation here in whose name it could be handed to a relay",
                "take revoked.pem to an organisation's administrator: kring admin crl publish revoked.pem",
            )
        }))
    }

    /// Domains of the organisations in whose name a list can be handed over, one after the other.
    fn in_whose_name(&self, list: &Signed) -> Outcome<Vec<String>> {
        if let Some(domain) = list.domain() {
            return Ok(vec![domain.to_owned()]);
        }
        let revoked = region::revoked(self.folder)?;
        let (mut admitted, mut last) = (Vec::new(), Vec::new());
        for domain in folder::organisations(self.folder)? {
            // One that the list names can still bring it, once.
            let to =
                if Organisation::find(self.folder, &domain)?.is_among(&revoked)? { &mut last } else { &mut admitted };
            to.push(domain);
        }
        admitted.append(&mut last);
        Ok(admitted)
    }

    /// Sees to it that there is a connection to a relay in an organisation's name.
    async fn stand(&mut self, domain: &str, relay: &UsedRelay) -> Result<(), NoWay> {
        let place = relay.address.to_string();
        let way = (domain.to_owned(), place.clone());
        if self.offices.contains_key(&way) {
            return Ok(());
        }
        if let Some(failure) = self.away.get(&place) {
            return Err(NoWay::Failed(failure.clone()));
        }
        let pass = self.pass(domain)?;
        match pass.try_to_connect(relay).await {
            Ok(office) => {
                self.offices.insert(way, office);
                Ok(())
            }
            Err(error @ OfficeError::Connect(ConnectError::OwnRefused(_))) => Err(NoWay::NotAdmitted(error.into())),
            Err(error) => {
                let failure = Failure::from(error);
                self.away.insert(place, failure.clone());
                Err(NoWay::Failed(failure))
            }
        }
    }

    fn pass(&mut self, domain: &str) -> Outcome<Rc<Pass>> {
        if let Some(pass) = self.passes.get(domain) {
            return Ok(Rc::clone(pass));
        }
        let organisation = Organisation::find(self.folder, domain)?;
        let pass = Rc::new(Pass::issue(&organisation, &organisation.open(self.keys)?)?);
        self.passes.insert(domain.to_owned(), Rc::clone(&pass));
        Ok(pass)
    }

    /// Hands a list over on a connection that stands.
    async fn publish(&mut self, list: &mut Signed, domain: &str, relay: &UsedRelay) -> Outcome<bool> {
        let way = (domain.to_owned(), relay.address.to_string());
        let pass = self.pass(domain)?;
        let mut is_newer = false;
        loop {
            let Some(office) = self.offices.get(&way) else {
                return Err(Failure::new(Cause::Internal, "a connection to a relay is not kept"));
            };
            let handed = office.publish(&list.list, list.issuer.as_ref()).await;
            match handed {
                Ok(()) => break,
                // Whoever hands in the list that names them is cut off by it: then the relay has it.
                Err(OfficeError::Connect(ConnectError::OwnRefused(_))) if pass.is_ended_by(list) => {
                    self.offices.remove(&way);
                    break;
                }
                Err(OfficeError::Refused(refusal)) => {
                    let is_signed_above = match refusal {
                        Refusal::StaleCrl { number } => list.sign_above(number.0, self.folder, self.keys)?,
                        _ => false,
                    };
                    if !is_signed_above {
                        return Err(OfficeError::Refused(refusal).into());
                    }
                    is_newer = true;
                    self.output.print(&ListSigned::of(list))?;
                }
                Err(error) => {
                    self.offices.remove(&way);
                    return Err(error.into());
                }
            }
        }
        self.output.print(&Handed { relay: way.1, whose: &list.whose, number: list.number })?;
        Ok(is_newer)
    }

    /// Closes tickets of an organisation at every relay, so that nobody can use them; all are tried.
    pub(super) async fn close_tickets(&mut self, domain: &str, tickets: &[TicketId]) -> Outcome {
        let relays = Rc::clone(&self.relays);
        let mut failed = None;
        for relay in relays.iter() {
            let way = (domain.to_owned(), relay.address.to_string());
            match self.stand(domain, relay).await {
                Ok(()) => {}
                // A relay takes no answer of an organisation that it does not admit: nobody gets anything for the
                // ticket.
                Err(NoWay::NotAdmitted(_)) => continue,
                Err(NoWay::Failed(failure)) => {
                    failed = Some(failure);
                    continue;
                }
            }
            for ticket in tickets {
                let Some(office) = self.offices.get(&way) else { break };
                match office.close_ticket(*ticket).await {
                    // Closed before, or at another relay.
                    Ok(()) | Err(OfficeError::Refused(Refusal::UnknownTicket)) => {}
                    Err(error) => {
                        self.offices.remove(&way);
                        failed = Some(error.into());
                    }
                }
            }
        }
        match failed {
            None => Ok(()),
            Some(failure) => Err(Failure::advised(
                failure.cause,
                format!("a relay has not closed the tickets: {}", failure.what),
                "whoever uses one is refused by `kring admin approve`; give the same command again to close them",
            )),
        }
    }

    /// Ends the connections in good order.
    pub(super) async fn close(self) {
        for office in self.offices.into_values() {
            office.close().await;
        }
    }
}

/// A relay has a list.
#[derive(Serialize)]
#[serde(tag = "type", rename = "handed")]
struct Handed<'a> {
    relay: String,
    whose: &'a str,
    number: u64,
}

impl Line for Handed<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "The relay {} has list {} of {} and turns away whom it names",
            self.relay, self.number, self.whose
        )
    }
}

impl From<OfficeError> for Failure {
    fn from(error: OfficeError) -> Self {
        match error {
            OfficeError::Open(error) => error.into(),
            OfficeError::Connect(error) => error.into(),
            OfficeError::Refused(refusal) => Self::new(Cause::Refused, refusal),
        }
    }
}
