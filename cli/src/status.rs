//! `kring status`: connects, does what waits, and says how this device stands.

use std::io::{self, Write};

use kring_client::api::Link;
use serde::Serialize;

use crate::arguments::GlobalArguments;
use crate::clock::{local, rfc3339};
use crate::happened::Warning;
use crate::lines::CaseLine;
use crate::outcome::{Cause, Outcome};
use crate::output::{Line, Output};
use crate::session::{Session, in_step};
use crate::words::{Told, say};

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
    #[serde(skip)]
    shown_reason: Option<String>,
}

impl Line for StatusLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", say!("status-device", address = self.address.as_str(), device = self.device.as_str()))?;
        let link = match (self.link, &self.shown_reason) {
            ("connected", _) if self.caught_up => say!("status-up-to-date"),
            ("connected", _) => say!("status-connected"),
            (_, Some(reason)) => say!("status-connecting-because", reason = reason.as_str()),
            ("connecting", None) => say!("status-connecting"),
            (_, None) => say!("status-offline"),
        };
        writeln!(out, "  {link}")?;
        writeln!(out, "  {}", say!("status-certificate", until = self.certificate_shown.as_str()))?;
        writeln!(out, "  {}", say!("status-cases", cases = self.cases, queued = self.queued))
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
    let (link, last) = match &status.link {
        Link::Connected => ("connected", None),
        Link::Offline | Link::Closed => ("offline", None),
        Link::Connecting { last, .. } => ("connecting", last.as_ref()),
    };
    output.print(&StatusLine {
        address: session.client.address().professional.to_string(),
        device: session.client.address().device.to_hex(),
        link,
        reason: last.map(ToString::to_string),
        shown_reason: last.map(Told::told),
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
        output.warning(&Warning { case: Some(case), name: "missing_at_relay", message: say!("missing-at-relay") });
    }
    reached?;
    cases.iter().try_for_each(in_step)
}
