//! `kring status`: connects, does what waits, and says how this device stands.

use std::io::{self, Write};

use kring_client::api::Link;
use serde::Serialize;

use crate::arguments::GlobalArguments;
use crate::clock::{local, rfc3339};
use crate::happened::Warning;
use crate::lines::{CaseLine, count};
use crate::outcome::{Cause, Outcome};
use crate::output::{Line, Output};
use crate::session::{Session, in_step};

/// How this device stands.
#[derive(Serialize)]
#[serde(tag = "type", rename = "status")]
struct StatusLine {
    address: String,
    device: String,
    /// `connected`, `connecting` or `offline`.
    link: &'static str,
    /// Why there is no connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    caught_up: bool,
    certificate_until: String,
    cases: usize,
    /// What is stored here and has not reached the relay.
    queued: usize,
    #[serde(skip)]
    certificate_shown: String,
}

impl Line for StatusLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}  device {}", self.address, self.device)?;
        match &self.reason {
            Some(reason) => writeln!(out, "  {}: {reason}", self.link)?,
            None => writeln!(out, "  {}{}", self.link, if self.caught_up { ", up to date" } else { "" })?,
        }
        writeln!(out, "  certificate valid until {}", self.certificate_shown)?;
        writeln!(out, "  {}, {} waiting to be sent", count(self.cases as u64, "case"), self.queued)
    }
}

/// Runs `kring status`.
pub(crate) async fn run(global: &GlobalArguments, output: Output) -> Outcome {
    let session = Session::open(global, output).await?;
    let done = status(&session, output).await;
    session.close().await;
    done
}

async fn status(session: &Session, output: Output) -> Outcome {
    let reached = session.catch_up().await;
    if let Err(failure) = &reached
        && failure.cause != Cause::Unreachable
        && failure.cause != Cause::Refused
    {
        return reached;
    }
    session.outbox_empty().await?;
    let cases = session.client.cases().await?;
    let status = session.client.status();
    let (link, reason) = match &status.link {
        Link::Connected => ("connected", None),
        Link::Offline | Link::Closed => ("offline", None),
        Link::Connecting { last, .. } => ("connecting", last.as_ref().map(ToString::to_string)),
    };
    output.print(&StatusLine {
        address: session.client.address().professional.to_string(),
        device: session.client.address().device.to_hex(),
        link,
        reason,
        caught_up: status.caught_up,
        certificate_until: rfc3339(status.certificate_until),
        cases: cases.len(),
        queued: cases.iter().map(|view| view.queued).sum(),
        certificate_shown: local(status.certificate_until),
    })?;
    for view in &cases {
        output.print(&CaseLine::from(view))?;
    }
    for case in session.client.missing_at_relay().await? {
        output.warning(&Warning {
            case: Some(case),
            name: "missing_at_relay",
            message:
                "the relay does not have this case; what you send into it stays here. Ask its operator whether its \
                      database was lost or set back"
                    .to_owned(),
        });
    }
    reached?;
    cases.iter().try_for_each(in_step)
}
