//! `kring setup`: makes a device's profile, with the ticket that its user was given, or from files that the
//! administrator made; and renews its certificate.

use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use kring_client::api::Surroundings;
use kring_client::enrolment::{EnrolError, Enrolment, Ticket};
use kring_client::identity::{Profile, RelayAddress, RelayAddressError, Setup};
use kring_protocol::ids::Timestamp;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::admin::folder::{DEVICE, REGION};
use crate::admin::keys::Keys;
use crate::arguments::GlobalArguments;
use crate::certificates::{self, key_fingerprint};
use crate::clock;
use crate::lines::visible;
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::{Line, Output};
use crate::session::Session;
use crate::words::say;

/// Most bytes of a ticket's file.
const MOST_TICKET: u64 = 4_096;

/// Arguments of `kring setup`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("from").required(true).args(["ticket", "device", "renew"]))]
#[command(after_help = "\
EXAMPLES:
  kring setup --ticket anne.ticket              a ticket in a file
  kring setup --ticket -                        type or paste the ticket, which ends with an empty line
  kring setup --device ./my-device --relay relay.region.example:4433 --relay-root operator.pem
  kring setup --renew                           ask for the next certificate now instead of when it is time

A ticket is a secret: it is read from a file or from standard input, and never an argument. Interrupted, or not approved
yet, the same command goes on where it was.

With --device, the key goes into the encrypted store; delete the folder with the original afterwards. Its passphrase there
is the one that it was made with: KRING_ADMIN_PASSPHRASE_FILE, else as that of the store.")]
pub(crate) struct SetupArguments {
    /// File with the ticket that the administrator gave you; - reads it from standard input.
    #[arg(long, value_name = "FILE")]
    ticket: Option<PathBuf>,
    /// Folder with device.pem, device.key and region.pem, as `kring admin device new` makes it.
    #[arg(long, value_name = "DIR", requires = "relay")]
    device: Option<PathBuf>,
    /// Ask now for the next certificate of this device, which is set up already.
    #[arg(long)]
    renew: bool,
    /// The relay's address; a ticket says it itself.
    #[arg(long, value_name = "HOST:PORT", requires = "device")]
    relay: Option<String>,
    /// The name in the relay's certificate, where it is not the host.
    #[arg(long, value_name = "NAME", requires = "device")]
    relay_name: Option<String>,
    /// Root that signed the relay's certificate, where it is not the region's.
    #[arg(long, value_name = "FILE", requires = "device")]
    relay_root: Option<PathBuf>,
    /// File whose first line opens the key in --device; as the store's passphrase if not given.
    #[arg(long, env = "KRING_ADMIN_PASSPHRASE_FILE", value_name = "FILE")]
    key_passphrase_file: Option<PathBuf>,
    /// Further region whose professionals are believed; once for each.
    #[arg(long = "region", value_name = "FILE", requires = "device")]
    regions: Vec<PathBuf>,
}

/// Runs `kring setup`.
pub(crate) async fn run(arguments: SetupArguments, global: &GlobalArguments, output: Output) -> Outcome {
    match (&arguments.ticket, &arguments.device) {
        (Some(ticket), _) => enrol(ticket, global, output).await,
        (None, Some(device)) => from_files(device, &arguments, global, output),
        (None, None) => renew(global, output).await,
    }
}

/// Sets up with a ticket.
async fn enrol(ticket: &Path, global: &GlobalArguments, output: Output) -> Outcome {
    let text = if ticket == Path::new("-") {
        // On a thread of its own, so that Ctrl-C ends it.
        let typed = tokio::task::spawn_blocking(move || typed(output)).await;
        typed.unwrap_or_else(|error| Err(Failure::new(Cause::Internal, error)))?
    } else {
        from_file(ticket)?
    };
    let ticket = Ticket::from_text(&text).map_err(|error| Failure::new(Cause::Usage, error))?;
    if ticket.expires < clock::now() {
        output.note(&say!("ticket-late"));
    }
    if Profile::open(&global.profile).is_ok() {
        return Err(Failure::advised(
            Cause::Failed,
            say!("set-up-already", path = global.profile.display().to_string()),
            say!("set-up-already-advice"),
        ));
    }
    let unlock = global.passphrase.choose()?;
    let enrolment = Enrolment::begin(&global.profile, ticket, &unlock)?;
    output.note(&say!("ticket-waiting"));
    let key = key_fingerprint(&enrolment.public_key()?);
    output.note(&say!("ticket-key", key = key.as_str()));
    let enrolled = enrolment.enrol(&Surroundings::default(), global.wait).await?;
    output.print(&Enrolled {
        profile: enrolled.profile.folder().to_owned(),
        address: enrolled.device.address().professional.to_string(),
        name: enrolled.device.name().to_string(),
        organisation: enrolled.device.organisation().to_string(),
        function: enrolled.device.function().to_string(),
        until: clock::rfc3339(enrolled.device.valid_until()),
        key,
    })
}

/// A ticket that is typed or pasted; it ends with an empty line, or with the input.
fn typed(output: Output) -> Outcome<Zeroizing<String>> {
    output.note(&say!("ticket-paste"));
    let mut text = Zeroizing::new(String::new());
    loop {
        let mut line = Zeroizing::new(String::new());
        let read = io::stdin().lock().take(MOST_TICKET).read_line_into(&mut line).map_err(|error| {
            Failure::advised(
                Cause::Failed,
                say!("ticket-unreadable", reason = error.to_string()),
                say!("ticket-unreadable-advice"),
            )
        })?;
        if read == 0 || line.trim().is_empty() || text.len() as u64 > MOST_TICKET {
            return Ok(text);
        }
        text.push_str(&line);
    }
}

/// [`io::BufRead::read_line`] of a reader with a bound.
trait ReadLine {
    fn read_line_into(self, line: &mut String) -> io::Result<usize>;
}

impl<R: io::BufRead> ReadLine for io::Take<R> {
    fn read_line_into(mut self, line: &mut String) -> io::Result<usize> {
        io::BufRead::read_line(&mut self, line)
    }
}

fn from_file(path: &Path) -> Outcome<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let read = std::fs::File::open(path).and_then(|file| file.take(MOST_TICKET).read_to_string(&mut text));
    read.map_err(|error| Failure::file("read", path, &error))?;
    Ok(text)
}

/// Sets up from files.
fn from_files(device: &Path, arguments: &SetupArguments, global: &GlobalArguments, output: Output) -> Outcome {
    let bad_relay = |error: RelayAddressError| Failure::new(Cause::Usage, error);
    let mut relay: RelayAddress = arguments.relay.as_deref().unwrap_or_default().parse().map_err(bad_relay)?;
    if let Some(name) = &arguments.relay_name {
        relay = relay.with_name(name).map_err(bad_relay)?;
    }
    let mut region_roots = certificates::read(&device.join(REGION))?;
    let relay_roots = match &arguments.relay_root {
        Some(file) => certificates::read(file)?,
        None => region_roots.clone(),
    };
    for file in &arguments.regions {
        region_roots.extend(certificates::read(file)?);
    }
    let unlock = global.passphrase.choose()?;
    let keys = Keys::with(global.passphrase.or_before(arguments.key_passphrase_file.as_ref()));
    let setup = Setup {
        chain: certificates::read(&device.join(DEVICE.0))?,
        key: keys.open(&device.join(DEVICE.1), "this device")?.to_der(),
        region_roots,
        relay,
        relay_roots,
    };
    Profile::create(&global.profile, &setup, &unlock)?;
    output.print(&Made { profile: global.profile.clone(), device: device.to_owned() })
}

/// Asks for the next certificate.
async fn renew(global: &GlobalArguments, output: Output) -> Outcome {
    let session = Session::open(global, output).await?;
    let renewed = next_certificate(&session, global).await;
    session.close().await;
    let until = renewed?;
    output.print(&Renewed { until: clock::rfc3339(until), until_local: clock::local(until) })
}

async fn next_certificate(session: &Session, global: &GlobalArguments) -> Outcome<Timestamp> {
    session.catch_up().await?;
    Ok(session.client.renew_certificate(global.wait).await?)
}

impl From<EnrolError> for Failure {
    fn from(error: EnrolError) -> Self {
        let cause = match error {
            EnrolError::NotAnswered => Cause::Pending,
            EnrolError::Guessed
            | EnrolError::NotTaken(_)
            | EnrolError::Expired
            | EnrolError::Denied(_)
            | EnrolError::Refused(_)
            | EnrolError::OtherAnswer
            | EnrolError::Seal(_)
            | EnrolError::OtherRegion
            | EnrolError::Certificate(_) => Cause::Refused,
            EnrolError::Passphrase(_) => Cause::Locked,
            EnrolError::OtherRelay(_) => Cause::Unreachable,
            EnrolError::Lock(_) | EnrolError::Request(_) | EnrolError::Io(_) => Cause::Failed,
            EnrolError::Connect(error) => return error.into(),
            EnrolError::Setup(error) => return error.into(),
        };
        Self::told(cause, &error)
    }
}

/// A profile was made.
#[derive(Serialize)]
#[serde(tag = "type", rename = "profile")]
struct Made {
    /// Where it lies.
    profile: PathBuf,
    /// From what it was made.
    #[serde(skip)]
    device: PathBuf,
}

impl Line for Made {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", say!("set-up", path = self.profile.display().to_string()))?;
        writeln!(out, "  {}", say!("set-up-next", path = self.device.display().to_string()))
    }
}

/// A profile was made with a ticket.
#[derive(Serialize)]
#[serde(tag = "type", rename = "profile")]
struct Enrolled {
    profile: PathBuf,
    address: String,
    name: String,
    organisation: String,
    function: String,
    until: String,
    key: String,
}

impl Line for Enrolled {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", say!("set-up", path = self.profile.display().to_string()))?;
        let (name, organisation) = (visible(&self.name), visible(&self.organisation));
        let (address, function) = (self.address.as_str(), self.function.as_str());
        let who =
            say!("set-up-who", name = name, address = address, function = function, organisation = organisation);
        writeln!(out, "  {who}")?;
        writeln!(out, "  {}", say!("set-up-then"))
    }
}

/// A certificate was renewed.
#[derive(Serialize)]
#[serde(tag = "type", rename = "renewed")]
struct Renewed {
    until: String,
    #[serde(skip)]
    until_local: String,
}

impl Line for Renewed {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", say!("certificate-renewed", until = self.until_local.as_str()))
    }
}
