//! `kring audit`: checks the log of what was done on this device, prints it, and keeps an organisation's archive of it up to
//! date. An archive is only ever appended to, after its last entry has been found in this device's log: one of another
//! device, or one whose last entry was changed, is left as it is.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use kring_client::api::Client;
use kring_client::audit::archive::Format;
use kring_client::audit::{Activity, Broken, Chain, Entry, Fault, Note, key_of_certificate};
use kring_client::identity::Profile;
use serde::Serialize;

use crate::arguments::GlobalArguments;
use crate::certificates;
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::{Line, Output};
use crate::session::Session;
use crate::words::say;

/// Entries that are taken from the store at once.
const PAGE: usize = 500;

/// What can be done with the audit log.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
EXAMPLES:
  kring audit verify
  kring audit export --format csv > audit.csv
  kring audit forward --to /mnt/archief/a.jansen.ndjson
  kring audit verify --file a.jansen.ndjson --certificate device.pem     an archive, without the device

`forward` appends what is new since it last ran and can be run as often as you like; --audit-archive (or
KRING_AUDIT_ARCHIVE) does it whenever a command ends. What exists only on a wiped device is lost.")]
pub(crate) enum AuditCommand {
    /// Check every link; names the first that is broken
    Verify {
        /// An archive instead of this device's log.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Certificate of the device whose archive it is; without it this device's own.
        #[arg(long, value_name = "FILE", requires = "file")]
        certificate: Option<PathBuf>,
        /// The archive must have at least so many entries: what `forward` said when it ran last.
        #[arg(long, value_name = "COUNT", requires = "file", default_value_t = 0)]
        entries: u64,
    },
    /// Print the log
    Export {
        /// Form of its lines.
        #[arg(long, value_enum, default_value_t = Form::Ndjson)]
        format: Form,
        /// Only entries after this one.
        #[arg(long, value_name = "ENTRY", default_value_t = 0)]
        after: u64,
    },
    /// Append what is new to your organisation's archive
    Forward {
        /// The archive; it is made if it is not there.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// Form of its lines; without it CSV if the file ends in .csv.
        #[arg(long, value_enum)]
        format: Option<Form>,
    },
}

/// Form of an archive's lines, as an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// One JSON object a line
    Ndjson,
    /// Comma-separated values, with a first line of names
    Csv,
}

impl Form {
    /// The form that a file's name says.
    pub(crate) fn of(file: &Path) -> Self {
        if file.extension().is_some_and(|end| end.eq_ignore_ascii_case("csv")) { Self::Csv } else { Self::Ndjson }
    }

    fn format(self) -> Format {
        match self {
            Self::Ndjson => Format::Ndjson,
            Self::Csv => Format::Csv,
        }
    }
}

/// The log holds.
#[derive(Serialize)]
#[serde(tag = "type", rename = "audit")]
struct AuditLine {
    entries: u64,
    pseudonymised: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    forwarded: Option<u64>,
}

impl Line for AuditLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        match self.forwarded {
            Some(forwarded) => {
                writeln!(out, "{}", say!("audit-forwarded", count = forwarded, entries = self.entries))
            }
            None => {
                writeln!(out, "{}", say!("audit-holds", entries = self.entries, pseudonymised = self.pseudonymised))
            }
        }
    }
}

/// Runs `kring audit`.
pub(crate) async fn run(command: AuditCommand, global: &GlobalArguments, output: Output) -> Outcome {
    if let AuditCommand::Verify { file: Some(file), certificate, entries } = &command {
        return verify_file(file, certificate.as_deref(), *entries, &global.profile, output);
    }
    // The log is on this device; the relay has nothing to do with it.
    let global = GlobalArguments { offline: true, ..global.clone() };
    let session = Session::open(&global, output).await?;
    let done = act(&session.client, command, output).await;
    session.close().await;
    done
}

async fn act(client: &Client, command: AuditCommand, output: Output) -> Outcome {
    match command {
        AuditCommand::Verify { .. } => {
            let verdict = client.verify_audit().await?;
            let note = Note::done(Activity::AuditVerified);
            match verdict {
                Ok(chain) => {
                    client.record(note.counting(chain.entries())).await?;
                    output.print(&holds(&chain))
                }
                Err(broken) => {
                    client.record(note.failed("Broken")).await?;
                    Err(not_whole(broken))
                }
            }
        }
        AuditCommand::Export { format, after } => {
            let format = format.format();
            raw(&format.beginning())?;
            let mut last = after;
            loop {
                let page = client.audit(last, PAGE).await?;
                for entry in &page {
                    raw(&format.line(entry))?;
                    last = entry.number();
                }
                if page.len() < PAGE {
                    break;
                }
            }
            let note = Note::done(Activity::AuditExported).counting(last.saturating_sub(after));
            Ok(client.record(note).await?)
        }
        AuditCommand::Forward { to, format } => {
            let (forwarded, entries) = forward(client, &to, format.unwrap_or(Form::of(&to))).await?;
            output.print(&AuditLine { entries, pseudonymised: 0, forwarded: Some(forwarded) })
        }
    }
}

/// Appends to an archive what it does not have yet. Returns how many entries that were, and how many it has now.
pub(crate) async fn forward(client: &Client, archive: &Path, form: Form) -> Outcome<(u64, u64)> {
    let format = form.format();
    let unusable = |error: io::Error| Failure::file(&say!("doing-written"), archive, &error);
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(archive).map_err(unusable)?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(unusable)?;
    let (whole, last) = format.end(&text);
    let has_entries = text[..whole].lines().count() > format.beginning().lines().count();
    let mut at = match last {
        Some(last) => {
            let own = client.audit(last.number() - 1, 1).await?;
            if !own.first().is_some_and(|own| own.is_same_link(&last)) {
                return Err(foreign(archive));
            }
            last.number()
        }
        None if has_entries => return Err(foreign(archive)),
        None => 0,
    };
    // What was cut off while being written is written again.
    let kept = if at == 0 { 0 } else { whole };
    file.set_len(kept as u64).and_then(|()| file.seek(SeekFrom::End(0)).map(drop)).map_err(unusable)?;
    if at == 0 {
        file.write_all(format.beginning().as_bytes()).map_err(unusable)?;
    }
    let before = at;
    loop {
        let page = client.audit(at, PAGE).await?;
        let lines: String = page.iter().map(|entry| format.line(entry)).collect();
        file.write_all(lines.as_bytes()).map_err(unusable)?;
        at = page.last().map_or(at, Entry::number);
        if page.len() < PAGE {
            break;
        }
    }
    file.sync_all().map_err(unusable)?;
    if at > before {
        client.record(Note::done(Activity::AuditForwarded).counting(at - before)).await?;
    }
    Ok((at - before, at))
}

fn verify_file(file: &Path, certificate: Option<&Path>, least: u64, profile: &Path, output: Output) -> Outcome {
    let chain = match certificate {
        Some(certificate) => certificates::read(certificate)?,
        None => Profile::open(profile)?.chain().to_vec(),
    };
    let key = chain.first().and_then(|certificate| key_of_certificate(certificate));
    let Some(key) = key else {
        return Err(Failure::advised(Cause::Usage, say!("audit-no-key"), say!("audit-no-key-advice")));
    };
    let mut text = String::new();
    let read = File::open(file).and_then(|mut file| file.read_to_string(&mut text));
    read.map_err(|error| Failure::file(&say!("doing-read"), file, &error))?;
    match Form::of(file).format().verify(&text, vec![key]) {
        // What is left of an archive whose last entries are gone is whole in itself.
        Ok(chain) if chain.entries() < least => {
            Err(not_whole(Broken { number: chain.entries() + 1, fault: Fault::CutOff }))
        }
        Ok(chain) => output.print(&holds(&chain)),
        Err(broken) => Err(not_whole(broken)),
    }
}

fn holds(chain: &Chain) -> AuditLine {
    AuditLine { entries: chain.entries(), pseudonymised: chain.pseudonymised(), forwarded: None }
}

fn not_whole(broken: Broken) -> Failure {
    let number = broken.number;
    let what = match broken.fault {
        Fault::Unreadable => say!("audit-unreadable", number = number),
        Fault::Missing { found } => say!("audit-missing", number = number, found = found),
        Fault::Repeated { found } => say!("audit-repeated", number = number, found = found),
        Fault::CutOff => say!("audit-cut-off", number = number),
        Fault::Changed => say!("audit-changed", number = number),
        Fault::DetailsChanged => say!("audit-details-changed", number = number),
        Fault::Detached => say!("audit-detached", number = number),
        Fault::ForeignKey => say!("audit-foreign-key", number = number),
    };
    Failure::advised(Cause::CheckFailed, what, say!("audit-broken-advice"))
}

fn foreign(archive: &Path) -> Failure {
    let what = say!("audit-foreign-archive", path = archive.display().to_string());
    Failure::advised(Cause::Refused, what, say!("audit-foreign-archive-advice"))
}

/// Prints text as it is, whatever `--json` says: its form was chosen.
fn raw(text: &str) -> Outcome {
    crate::output::written(io::stdout().lock().write_all(text.as_bytes()))
}
