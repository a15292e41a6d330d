//! The new device's side: a key of its own, a request under the ticket, an answer, and a profile made of it.
//!
//! What was begun can be interrupted at any point and is gone on with: key (locked) and sealed request lie beside the
//! profile's place until the profile is there, so that the same bytes are sent again; a relay takes no others under a
//! ticket. Refused: an answer of other roots than the ticket's, a relay whose certificate the answer's roots do not
//! vouch for, and a certificate for another key.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use kring_pki::issue::{Algorithm, DeviceRequest, IssueError, LockError, PrivateKey};
use kring_pki::verify::{Crls, TrustAnchors, Untrusted, VerifiedDevice, When, verify_device, verify_relay};
use kring_protocol::message::{FetchAnswer, PutRequest, Reply, Request};
use kring_protocol::refusal::{Refusal, Retry};
use rustls_pki_types::ServerName;
use zeroize::Zeroizing;

use super::answer::{Answer, Denied, Granted};
use super::seal::SealError;
use super::ticket::Ticket;
use crate::api::{Clock, ConnectError, RelayFault, Surroundings};
use crate::driver::enrolling::{self, Asked, EnrolLink};
use crate::driver::{pause, within};
use crate::identity::{Profile, Setup, SetupError};
use crate::store::Unlock;

/// The locked key.
const KEY: &str = "device.key";
/// The request as it was sealed.
const REQUEST: &str = "request";
/// SHA-256 of the ticket's id; written last, so that a folder that has it is whole.
const TICKET: &str = "ticket";

/// Pause before another attempt, where the relay does not say how long.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest pause, whatever the relay asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A device that has a ticket and no certificate yet.
pub struct Enrolment {
    profile: PathBuf,
    folder: PathBuf,
    ticket: Ticket,
    key: PrivateKey,
    sealed: Vec<u8>,
    unlock: Unlock,
}

/// A device that has just been enrolled.
#[derive(Debug)]
pub struct Enrolled {
    /// Its profile.
    pub profile: Profile,
    /// Whom the certificate names.
    pub device: VerifiedDevice,
}

/// Why a device was not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The ticket's time is over.
    #[error("this ticket has expired; ask your administrator for a new one")]
    Expired,
    /// The administrator has not answered in the time given.
    #[error(
        "your administrator has not approved yet; run the same command again later, the request stays at the relay"
    )]
    NotAnswered,
    /// The relay takes nothing from here for some time, because of the tickets that were tried.
    #[error(
        "the relay takes no tickets from this network for up to a minute, since too many that it does not know were \
         tried from here; check the ticket, and run the same command again in a minute"
    )]
    Guessed,
    /// The relay has not taken the request in the time given, for this reason.
    #[error("the relay has not taken the request yet: {0}")]
    NotTaken(Refusal),
    /// The administrator has said no.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The relay has said no.
    #[error(transparent)]
    Refused(Refusal),
    /// There was no connection to the relay.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The answer is not for this request.
    #[error(
        "the answer does not fit the request; do not trust this relay, and ask your administrator for a new ticket"
    )]
    OtherAnswer,
    /// The answer does not open.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The answer brings another region than the ticket's.
    #[error("the answer is of another region than the ticket; ask your administrator for a new ticket in person")]
    OtherRegion,
    /// The relay that was spoken to is not the one that the administrator named.
    #[error("the relay's certificate is not the one that your administrator's answer vouches for: {0}")]
    OtherRelay(Untrusted),
    /// The certificate does not hold.
    #[error("the certificate that came does not hold: {0}")]
    Certificate(Untrusted),
    /// The profile cannot be made.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// What was begun was begun with another passphrase.
    #[error("this was begun with another passphrase; give that one, or delete {0} to begin again with a new ticket")]
    Passphrase(PathBuf),
    /// The key cannot be locked.
    #[error(transparent)]
    Lock(LockError),
    /// No key, or no request.
    #[error(transparent)]
    Request(#[from] IssueError),
    /// A file cannot be read or written.
    #[error("files beside the profile cannot be written ({0}); check the folder and its permissions")]
    Io(ErrorKind),
}

impl From<io::Error> for EnrolError {
    fn from(error: io::Error) -> Self {
        Self::Io(error.kind())
    }
}

impl Enrolment {
    /// Begins, or goes on with what was begun with the same ticket; `profile` is where the profile will be, and
    /// `unlock` opens its store from then on. Blocks for as long as a passphrase takes to be stretched.
    pub fn begin(profile: &Path, ticket: Ticket, unlock: &Unlock) -> Result<Self, EnrolError> {
        let folder = beside(profile).ok_or(EnrolError::Io(ErrorKind::InvalidInput))?;
        let mark = digest(&SHA256, &ticket.secret.id()?.0);
        let passphrase = passphrase(unlock);
        let begun = match fs::read(folder.join(TICKET)) {
            Ok(stored) => stored == mark.as_ref(),
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(error.into()),
        };
        if begun {
            let locked = fs::read_to_string(folder.join(KEY))?;
            let key = PrivateKey::unlock(&locked, &passphrase).map_err(|error| match error {
                LockError::Passphrase => EnrolError::Passphrase(folder.clone()),
                other => EnrolError::Lock(other),
            })?;
            let sealed = fs::read(folder.join(REQUEST))?;
            let (profile, unlock) = (profile.to_owned(), unlock.clone());
            return Ok(Self { profile, folder, ticket, key, sealed, unlock });
        }
        // Of another ticket, or never finished: nothing of it has been sent, or nothing of it is wanted any more.
        remove(&folder)?;
        let key = PrivateKey::generate(Algorithm::Ed25519)?;
        let sealed = ticket.secret.seal_request(&DeviceRequest::make(&key)?)?;
        if let Some(parent) = folder.parent() {
            fs::create_dir_all(parent)?;
        }
        make_folder(&folder)?;
        write(&folder.join(KEY), key.lock(&passphrase).map_err(EnrolError::Lock)?.as_bytes())?;
        write(&folder.join(REQUEST), &sealed)?;
        write(&folder.join(TICKET), mark.as_ref())?;
        File::open(&folder)?.sync_all()?;
        Ok(Self { profile: profile.to_owned(), folder, ticket, key, sealed, unlock: unlock.clone() })
    }

    /// Leaves the request at the relay and waits for the answer, at most `patience`; then makes the profile. After
    /// [`EnrolError::NotAnswered`], or a connection that fails, it can be called again, also by a later run of the program.
    pub async fn enrol(&self, surroundings: &Surroundings, patience: Duration) -> Result<Enrolled, EnrolError> {
        let clock = &surroundings.clock;
        let heard = Mutex::new(None);
        let fetched = within(patience, self.fetch(clock, &heard)).await;
        let (sealed, presented) = match fetched {
            Some(answer) => answer?,
            None => return Err(unanswered(heard.into_inner().unwrap_or_else(PoisonError::into_inner))),
        };
        let bytes = self.ticket.secret.open_answer(&sealed)?;
        let granted = match Answer::from_bytes(&bytes, &self.sealed).ok_or(EnrolError::OtherAnswer)? {
            Answer::Granted(granted) => granted,
            Answer::Denied(denied) => {
                remove(&self.folder)?;
                return Err(denied.into());
            }
        };
        let device = self.check(&granted, &presented, &**clock)?;
        let setup = Setup {
            chain: granted.chain,
            key: self.key.to_der(),
            region_roots: granted.region_roots,
            relay: self.ticket.relay.clone(),
            relay_roots: granted.relay_roots,
        };
        let profile = Profile::create(&self.profile, &setup, &self.unlock)?;
        remove(&self.folder)?;
        Ok(Enrolled { profile, device })
    }

    /// Everything that must hold before a profile is made of the answer.
    fn check(
        &self,
        granted: &Granted,
        presented: &enrolling::Presented,
        clock: &dyn Clock,
    ) -> Result<VerifiedDevice, EnrolError> {
        let region = granted.region_roots.iter().find(|root| self.ticket.is_region(root));
        let region = region.ok_or(EnrolError::OtherRegion)?;
        let anchors = TrustAnchors::from_der([region]).map_err(SetupError::Root)?;
        let device = verify_device(&granted.chain, &anchors, When::At(clock.now()), &Crls::none())
            .map_err(EnrolError::Certificate)?;
        let relay_roots = TrustAnchors::from_der(&granted.relay_roots).map_err(SetupError::Root)?;
        // A relay's address has been read as such a name.
        let name = ServerName::try_from(self.ticket.relay.name())
            .map_err(|_| EnrolError::OtherRelay(Untrusted::OtherHost))?;
        verify_relay(&presented.chain(), &relay_roots, &name, clock.now(), &Crls::none())
            .map_err(EnrolError::OtherRelay)?;
        Ok(device)
    }

    /// The key of this device, which the administrator is shown too.
    pub fn public_key(&self) -> Result<[u8; 32], EnrolError> {
        Ok(self.key.ed25519_public_key().ok_or(IssueError::DeviceKey)?)
    }

    /// Asks until there is an answer, over as many connections as it takes; keeps what the relay said last.
    async fn fetch(
        &self,
        clock: &Arc<dyn Clock>,
        heard: &Mutex<Option<Refusal>>,
    ) -> Result<(Vec<u8>, enrolling::Presented), EnrolError> {
        let id = self.ticket.secret.id()?;
        loop {
            let link = match enrolling::stand_up(&self.ticket.relay).await {
                Ok(link) => link,
                // A relay that restarts is back in a moment; one that is not there is told at once.
                Err(ConnectError::Refused(refusal @ (Refusal::Busy { .. } | Refusal::Draining))) => {
                    hear(heard, Some(refusal));
                    pause(PAUSE).await;
                    continue;
                }
                Err(ConnectError::GoingAway) => {
                    hear(heard, Some(Refusal::Draining));
                    pause(PAUSE).await;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let put = Request::PutRequest(PutRequest { ticket: id, sealed: self.sealed.clone().into() });
            let answer = match self.ask(&link, &put, heard).await? {
                Some(Reply::Done(_)) => {
                    hear(heard, None);
                    let fetch = Request::FetchAnswer(FetchAnswer { ticket: id });
                    self.ask(&link, &fetch, heard).await?
                }
                Some(_) => return Err(ConnectError::from(RelayFault::WrongAnswer).into()),
                None => None,
            };
            match answer {
                Some(Reply::EnrolmentAnswer(answer)) => {
                    let presented = link.presented.clone();
                    link.close().await;
                    return Ok((answer.answer.to_vec(), presented));
                }
                Some(_) => return Err(ConnectError::from(RelayFault::WrongAnswer).into()),
                // The connection has ended: another one.
                None => {
                    if clock.now() > self.ticket.expires.plus(MOST_LATE) {
                        return Err(EnrolError::Expired);
                    }
                    pause(PAUSE).await;
                }
            }
        }
    }

    /// Asks again while the relay says that it makes sense. `None`: the connection has ended.
    async fn ask(
        &self,
        link: &EnrolLink,
        request: &Request,
        heard: &Mutex<Option<Refusal>>,
    ) -> Result<Option<Reply>, EnrolError> {
        loop {
            match link.ask(request).await {
                Asked::Answered(reply) => return Ok(Some(reply)),
                Asked::Lost => return Ok(None),
                Asked::Fault(fault) => return Err(ConnectError::from(fault).into()),
                Asked::Refused(refusal) => match refusal.retry() {
                    Retry::After(milliseconds) => {
                        hear(heard, Some(refusal));
                        pause(Duration::from_millis(milliseconds).clamp(PAUSE, LONGEST_PAUSE)).await;
                    }
                    Retry::Reconnect => return Ok(None),
                    Retry::Never | Retry::AfterReading => {
                        return Err(match refusal {
                            Refusal::TicketExpired => EnrolError::Expired,
                            refusal => EnrolError::Refused(refusal),
                        });
                    }
                },
            }
        }
    }
}

/// Keeps what a relay said last.
fn hear(heard: &Mutex<Option<Refusal>>, said: Option<Refusal>) {
    *heard.lock().unwrap_or_else(PoisonError::into_inner) = said;
}

/// Why there is no answer after all the time that was given, by what the relay said last.
fn unanswered(heard: Option<Refusal>) -> EnrolError {
    match heard {
        // It has the request.
        None | Some(Refusal::NotAnswered { .. }) => EnrolError::NotAnswered,
        // To new devices it says so for this reason alone.
        Some(Refusal::RateLimited { .. }) => EnrolError::Guessed,
        Some(refusal) => EnrolError::NotTaken(refusal),
    }
}

/// For how long after a ticket's end its answer is still asked for: the relay drops it 30 days after.
const MOST_LATE: u64 = 30 * kring_protocol::ids::Timestamp::DAY;

impl std::fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Enrolment(..)")
    }
}

/// Where what was begun lies until the profile is there.
fn beside(profile: &Path) -> Option<PathBuf> {
    let mut name = OsString::from(".");
    name.push(profile.file_name()?);
    name.push(".enrolling");
    Some(profile.with_file_name(name))
}

/// The device's key is locked with what will open the store.
fn passphrase(unlock: &Unlock) -> Zeroizing<String> {
    match unlock {
        Unlock::Passphrase(passphrase) => passphrase.clone(),
        Unlock::Key(key) => Zeroizing::new(data_encoding::HEXLOWER.encode(key.as_slice())),
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Makes a folder that only its owner enters.
fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_was_not_heard_is_not_told_that_the_administrator_is_late() {
        let told = |heard| unanswered(heard).to_string();
        assert!(told(Some(Refusal::RateLimited { after_ms: 9 })).contains("takes no tickets from this network"));
        assert!(told(Some(Refusal::DiskFull)).contains("has not taken the request yet: the relay's disk is full"));
        assert!(told(Some(Refusal::NotAnswered { after_ms: 9 })).contains("not approved yet"));
        assert!(told(None).contains("not approved yet"));
    }
}
