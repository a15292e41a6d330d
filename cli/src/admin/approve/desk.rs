//! One organisation's approvals: what is asked, who may have it, and the answer that is given again if it was lost.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use kring_client::enrolment::{Answer, Denied, Granted, Office, OfficeError, RenewalRequest, TicketSecret, renewal};
use kring_pki::form::FunctionCode;
use kring_pki::issue::{DeviceRequest, DeviceSubject, OrganisationCa, Validity};
use kring_pki::pem;
use kring_pki::verify::{Crls, TrustAnchors};
use kring_protocol::address::DeviceAddress;
use kring_protocol::ids::{DeviceId, TicketId, Timestamp};
use kring_protocol::refusal::Refusal;
use rustls_pki_types::CertificateDer;
use serde::Serialize;

use crate::admin::invite::{not_sealed, secret};
use crate::admin::keys::Keys;
use crate::admin::ledger::{self, Certificate, Entry, Invited, Issued, Kind, State};
use crate::admin::office::{Pass, Ways};
use crate::admin::organisation::{self, Organisation};
use crate::admin::relay::used::UsedRelay;
use crate::admin::{bad_address, display_name, folder, lists, not_issued};
use crate::certificates::{self, key_fingerprint};
use crate::clock;
use crate::lines::visible;
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::{Line, Output};
use crate::prompt;

/// Folder with what was signed, by serial.
const ISSUED: &str = "issued";
/// For how long after its end a ticket's answer is still given.
const ANSWERED_AFTER_END: u64 = 30 * Timestamp::DAY;

/// One organisation's approvals.
pub(super) struct Desk {
    pub(super) domain: String,
    pub(super) organisation: Organisation,
    pub(super) authority: OrganisationCa,
    /// Authorities by the serial of their certificate, for tickets of former ones.
    authorities: BTreeMap<String, OrganisationCa>,
    pub(super) pass: Rc<Pass>,
    /// Connections to the relays, by their address.
    pub(super) offices: BTreeMap<String, Office>,
    region: CertificateDer<'static>,
    auto: bool,
    output: Output,
    /// Lists that not every relay has yet.
    pub(super) lists: Vec<lists::Signed>,
    /// Requests that were told about and cannot be answered.
    hopeless: Vec<Vec<u8>>,
}

impl Desk {
    pub(super) fn open(
        domain: String,
        organisation: Organisation,
        auto: bool,
        keys: &Keys,
        output: Output,
    ) -> Outcome<Self> {
        let authority = organisation.open(keys)?;
        let mut authorities = BTreeMap::new();
        for serial in organisation.serials()? {
            authorities.insert(serial.clone(), organisation.open_serial(&serial, keys)?);
        }
        let pass = Rc::new(Pass::issue(&organisation, &authority)?);
        let region = organisation.region()?;
        Ok(Self {
            domain,
            organisation,
            authority,
            authorities,
            pass,
            offices: BTreeMap::new(),
            region,
            auto,
            output,
            lists: Vec::new(),
            hopeless: Vec::new(),
        })
    }

    /// Hands over the lists that not every relay has yet.
    pub(super) async fn hand_over(&mut self, folder: &Path, keys: &Keys) -> Outcome {
        let mut ways = Ways::open(folder, keys, self.output)?.with(&self.domain, &self.pass);
        let handed = ways.hand_over(&mut self.lists).await;
        ways.close().await;
        handed?;
        self.lists.clear();
        Ok(())
    }

    /// Decides about all that waits at a relay, over a connection that stays.
    pub(super) async fn serve_at(&mut self, relay: &UsedRelay, relays: &[UsedRelay]) -> Outcome {
        let place = relay.address.to_string();
        let office = match self.offices.remove(&place) {
            Some(office) => office,
            None => self.pass.connect(relay).await?,
        };
        self.serve(&office, relays).await?;
        self.offices.insert(place, office);
        Ok(())
    }

    /// Decides about all that waits at a relay; says how many that was.
    pub(super) async fn serve(&mut self, office: &Office, relays: &[UsedRelay]) -> Outcome<usize> {
        let now = clock::now();
        let book = ledger::read(&self.organisation.place)?;
        let certificates = book.certificates(now);
        let mut tickets: BTreeMap<TicketId, (TicketSecret, Invited, Option<Option<String>>)> = BTreeMap::new();
        for invitation in book.invitations() {
            let invited = invitation.invited;
            let Some(authority) = self.authorities.get(&invited.authority) else { continue };
            let Ok(number) = data_encoding::HEXLOWER.decode(invited.ticket.as_bytes()) else { continue };
            if invited.until.saturating_add(ANSWERED_AFTER_END) < now.0 {
                continue;
            }
            let secret = secret(authority, &number)?;
            // What was signed is given again, unless it was revoked meanwhile.
            let is_revoked = |serial: &&str| {
                let mut revoked = certificates.iter().filter(|known| known.state == State::Revoked);
                revoked.any(|known| known.issued.serial == **serial)
            };
            let settled = invitation.settled.map(|serial| serial.filter(|it| !is_revoked(it)).map(str::to_owned));
            tickets.insert(secret.id().map_err(not_sealed)?, (secret, invited.clone(), settled));
        }
        let asked: Vec<TicketId> = tickets.keys().copied().collect();
        let mut decided = 0;
        for (id, sealed) in office.waiting(&asked).await? {
            let Some((secret, invited, settled)) = tickets.get(&id) else { continue };
            if let Some(answer) = self.answer(secret, invited, settled.as_ref(), &sealed, relays).await? {
                let sealed = secret.seal_answer(&answer).map_err(not_sealed)?;
                match office.answer(id, sealed).await {
                    // Withdrawn in this moment, and closed.
                    Ok(()) | Err(OfficeError::Refused(Refusal::UnknownTicket)) => decided += 1,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        for request in office.renewals().await? {
            if let Some(answer) = self.renew(&request).await? {
                office.answer_renewal(&request, answer).await?;
                decided += 1;
            }
        }
        Ok(decided)
    }

    /// What to say to a request under a ticket; `None`: nothing.
    async fn answer(
        &mut self,
        secret: &TicketSecret,
        invited: &Invited,
        settled: Option<&Option<String>>,
        sealed: &[u8],
        relays: &[UsedRelay],
    ) -> Outcome<Option<Vec<u8>>> {
        let Ok(request) = secret.open_request(sealed) else {
            self.hopeless(
                sealed,
                &format!(
                    "a request for {} does not open: it was not made with its ticket, or was changed on its way",
                    invited.name
                ),
            );
            return Ok(None);
        };
        let answer = match (settled, DeviceRequest::read(&request)) {
            // Decided before, and the answer was lost.
            (Some(Some(serial)), Ok(_)) => Answer::Granted(self.granted(serial, relays)?),
            (Some(None), _) => Answer::Denied(Denied::Administrator),
            (_, Err(error)) => {
                self.settle(invited, None)?;
                self.output.note(&format!("the request for {} cannot be read: {error}", invited.name));
                Answer::Denied(Denied::Request)
            }
            (None, Ok(request)) => {
                if self.is_granted(invited, request.public_key()).await? {
                    match self.sign(invited, request.public_key()) {
                        Ok(Some(serial)) => Answer::Granted(self.granted(&serial, relays)?),
                        Ok(None) => Answer::Denied(Denied::Administrator),
                        Err(failure) if failure.cause == Cause::Refused => {
                            self.hopeless(
                                sealed,
                                &format!("{} cannot be given a certificate: {}", invited.name, failure.what),
                            );
                            return Ok(None);
                        }
                        Err(failure) => return Err(failure),
                    }
                } else {
                    self.settle(invited, None)?;
                    Answer::Denied(Denied::Administrator)
                }
            }
        };
        Ok(Some(answer.to_bytes(sealed)))
    }

    /// Asks the administrator.
    async fn is_granted(&self, invited: &Invited, key: &[u8; 32]) -> Outcome<bool> {
        let shown = Asked {
            address: &invited.name,
            called: &invited.called,
            function: &invited.function,
            key: key_fingerprint(key),
        };
        self.output.print(&shown)?;
        if self.auto {
            return Ok(true);
        }
        confirmed("Is this device in this person's hands? Sign its certificate? (yes/no) ").await
    }

    /// Signs a device's first certificate, and says its serial; `None`: the invitation was withdrawn while the
    /// administrator was asked.
    fn sign(&self, invited: &Invited, key: &[u8; 32]) -> Outcome<Option<String>> {
        let professional = invited.name.parse().map_err(bad_address)?;
        let subject = DeviceSubject {
            address: DeviceAddress { professional, device: DeviceId(rand::random()) },
            name: display_name(&invited.called)?,
            function: FunctionCode::new(&invited.function).map_err(|error| Failure::new(Cause::Failed, error))?,
        };
        // Locked until all of it stands there: nobody is revoked in between without this certificate.
        let mut ledger = self.organisation.ledger()?;
        if let Some(serial) = ledger.book().invitation(&invited.ticket).and_then(|it| it.settled) {
            return Ok(serial.map(str::to_owned));
        }
        let (issued, entry) = self.issue(&subject, key, invited.days, None)?;
        let settled = Entry::Settled {
            at: clock::now().0,
            ticket: invited.ticket.clone(),
            serial: Some(issued.serial.clone()),
        };
        // Together: a certificate without its ticket's end would be followed by another one.
        ledger.append([entry, settled])?;
        drop(ledger);
        self.tell(&issued)?;
        Ok(Some(issued.serial))
    }

    /// Signs, and keeps what was signed.
    fn issue(
        &self,
        subject: &DeviceSubject,
        key: &[u8; 32],
        days: u64,
        replaces: Option<String>,
    ) -> Outcome<(Issued, Entry)> {
        let wished = Validity::days(clock::now(), days);
        // Shorter rather than not at all, where the authority itself is about to end: it is told of in `expiring`.
        let validity = Validity { not_after: wished.not_after.min(self.authority.valid_until()), ..wished };
        let certificate = self.authority.issue_device(subject, key, validity).map_err(not_issued)?;
        let entry = organisation::issued(Kind::Device, &self.authority, subject, &certificate.chain()[0], replaces)?;
        let Entry::Issued(issued) = &entry else {
            return Err(Failure::new(Cause::Internal, "a certificate was written down as something else"));
        };
        let issued = issued.clone();
        let path = self.kept(&issued.serial);
        std::fs::create_dir_all(self.organisation.place.join(ISSUED))
            .map_err(|error| Failure::file("made", &path, &error))?;
        folder::replace(&path, pem::certificates(certificate.chain()).as_bytes())?;
        Ok((issued, entry))
    }

    /// Where a certificate that was signed is kept.
    fn kept(&self, serial: &str) -> PathBuf {
        self.organisation.place.join(ISSUED).join(format!("{serial}.pem"))
    }

    /// What a device is given with the certificate of this serial.
    fn granted(&self, serial: &str, relays: &[UsedRelay]) -> Outcome<Granted> {
        let mut relay_roots: Vec<CertificateDer<'static>> = Vec::new();
        for root in relays.iter().flat_map(|relay| &relay.roots) {
            if !relay_roots.contains(root) {
                relay_roots.push(root.clone());
            }
        }
        let chain = certificates::read(&self.kept(serial))?;
        Ok(Granted { chain, region_roots: vec![self.region.clone()], relay_roots })
    }

    fn settle(&self, invited: &Invited, serial: Option<String>) -> Outcome {
        let ticket = invited.ticket.clone();
        self.organisation.ledger()?.append([Entry::Settled { at: clock::now().0, ticket, serial }])
    }

    /// What to say to a device that asks for its next certificate; `None`: nothing.
    async fn renew(&mut self, request: &RenewalRequest) -> Outcome<Option<Vec<u8>>> {
        let now = clock::now();
        let anchors = TrustAnchors::from_der([&self.region]).map_err(|error| Failure::new(Cause::Failed, error))?;
        let device = match renewal::judge(&request.request, &request.chain, &anchors, &Crls::none(), now) {
            Ok(device) => device,
            Err(error) => {
                self.hopeless(&request.request, &format!("a request for renewal does not hold: {error}"));
                return Ok(None);
            }
        };
        let serial = device.serial().to_hex();
        let book = ledger::read(&self.organisation.place)?;
        let certificates = book.certificates(now);
        let Some(present) = certificates.iter().find(|known| known.issued.serial == serial) else {
            self.hopeless(&request.request, "a device asks to renew a certificate that is not in this ledger");
            return Ok(None);
        };
        let granted = |serial: &str| -> Outcome<Vec<u8>> {
            let chain = certificates::read(&self.kept(serial))?;
            let granted = Granted { chain, region_roots: Vec::new(), relay_roots: Vec::new() };
            Ok(Answer::Granted(granted).to_bytes(&request.request))
        };
        match present.state {
            State::Valid => {}
            // Renewed before, and the answer was lost.
            State::Replaced => {
                let next = certificates.iter().find(|next| next.issued.replaces.as_deref() == Some(serial.as_str()));
                return next.map(|next| granted(&next.issued.serial)).transpose();
            }
            State::Expired | State::Revoked => {
                return Ok(Some(Answer::Denied(Denied::Administrator).to_bytes(&request.request)));
            }
        }
        let shown = Asked {
            address: &present.issued.name,
            called: &present.issued.called,
            function: device.function().as_str(),
            key: key_fingerprint(device.public_key()),
        };
        self.output.print(&shown)?;
        if !self.auto && !confirmed("Renew this device's certificate? (yes/no) ").await? {
            return Ok(Some(Answer::Denied(Denied::Administrator).to_bytes(&request.request)));
        }
        let subject = DeviceSubject {
            address: device.address().clone(),
            name: device.name().clone(),
            function: device.function().clone(),
        };
        // Locked until it stands there. What has changed since it was asked is answered in the next round.
        let mut ledger = self.organisation.ledger()?;
        let is_present = |known: &Certificate<'_>| known.issued.serial == serial && known.state == State::Valid;
        if !ledger.book().certificates(clock::now()).iter().any(is_present) {
            return Ok(None);
        }
        // As long as the former one.
        let days = present.issued.until.saturating_sub(present.issued.from).div_ceil(Timestamp::DAY).max(1);
        let (issued, entry) = match self.issue(&subject, device.public_key(), days, Some(serial)) {
            Ok(issued) => issued,
            Err(failure) if failure.cause == Cause::Refused => {
                self.hopeless(&request.request, &format!("a certificate cannot be renewed: {}", failure.what));
                return Ok(None);
            }
            Err(failure) => return Err(failure),
        };
        ledger.append([entry])?;
        drop(ledger);
        self.tell(&issued)?;
        Ok(Some(granted(&issued.serial)?))
    }

    fn tell(&self, issued: &Issued) -> Outcome {
        self.output.print(&Signed {
            address: &issued.name,
            device: issued.device.as_deref().unwrap_or_default(),
            serial: &issued.serial,
            until: clock::rfc3339(Timestamp(issued.until)),
            until_local: clock::local(Timestamp(issued.until)),
        })
    }

    /// Tells once of a request that cannot be answered.
    fn hopeless(&mut self, request: &[u8], text: &str) {
        if !self.hopeless.iter().any(|known| known == request) {
            self.output.note(text);
            self.hopeless.push(request.to_vec());
        }
    }
}

/// Asks until the answer is yes or no. Ctrl-C meanwhile ends the program, and nothing is decided; nor is it when
/// there is nobody to ask.
async fn confirmed(question: &str) -> Outcome<bool> {
    loop {
        // Nobody is left to ask if standard error is closed.
        let _ = write!(io::stderr().lock(), "{question}");
        let unanswered = |why: &str| {
            let what = format!("there is no answer ({why}), and nothing was decided about this device");
            Failure::advised(Cause::Failed, what, "answer at a terminal, or sign without being asked with --auto")
        };
        let line = prompt::line().await.map_err(|error| unanswered(&error.to_string()))?;
        let Some(line) = line else {
            let _ = writeln!(io::stderr().lock());
            return Err(unanswered("standard input has ended"));
        };
        if let Some(answer) = decision(&line) {
            return Ok(answer);
        }
    }
}

/// What an answer says; `None`: neither.
fn decision(line: &str) -> Option<bool> {
    match line.trim().to_lowercase().as_str() {
        "yes" | "y" | "ja" | "j" => Some(true),
        "no" | "n" | "nee" => Some(false),
        _ => None,
    }
}

/// Somebody asks.
#[derive(Serialize)]
#[serde(tag = "type", rename = "request")]
struct Asked<'a> {
    address: &'a str,
    called: &'a str,
    function: &'a str,
    key: String,
}

impl Line for Asked<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "A device of {} ({}), {}", visible(self.called), visible(self.address), self.function)?;
        writeln!(out, "  key {}", self.key)
    }
}

/// A device's certificate was signed.
#[derive(Serialize)]
#[serde(tag = "type", rename = "signed")]
struct Signed<'a> {
    address: &'a str,
    device: &'a str,
    serial: &'a str,
    until: String,
    #[serde(skip)]
    until_local: String,
}

impl Line for Signed<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Signed for {}, valid until {}", visible(self.address), self.until_local)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes_and_only_no_is_no() {
        for (line, answer) in
            [("yes\n", Some(true)), (" Ja\r\n", Some(true)), ("no\n", Some(false)), ("NEE", Some(false))]
        {
            assert_eq!(decision(line), answer, "{line:?}");
        }
        assert!(["", "\n", "yesno\n", "misschien\n", "ye\n"].iter().all(|line| decision(line).is_none()));
    }
}
