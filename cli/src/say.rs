//! Sends something into a case and says how far it came: the common end of `kring send`, `alert`, `plan` and `task`.

use std::io::{self, Write};

use kring_client::api::{Case, Link, NotDone, Sent};
use kring_client::case::{ItemDraft, Statement};
use serde::Serialize;

use crate::outcome::{Cause, Failure, Outcome};
use crate::output::Line;
use crate::session::Session;
use crate::words::{Told, say};

/// Something was sent or stored.
#[derive(Serialize)]
#[serde(tag = "type", rename = "sent")]
pub(crate) struct SentLine {
    case: String,
    /// Also the identifier of what the item begins: an alert, a task, a version of the plan.
    pub(crate) item: String,
    /// `queued` or `relayed`.
    state: &'static str,
    /// Its record at the relay.
    record: Option<u64>,
}

impl Line for SentLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        match self.record {
            Some(record) => writeln!(out, "{}", say!("sent-relayed", record = record)),
            None => writeln!(out, "{}", say!("sent-queued")),
        }
    }
}

impl SentLine {
    /// Whether it is on this device only.
    pub(crate) fn is_queued(&self) -> bool {
        self.record.is_none()
    }
}

/// What goes with a statement.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Labels {
    /// Which family member it concerns, as a name used in this case only, such as kind-2; once for each.
    #[arg(long, value_name = "WHO")]
    pub(crate) about: Vec<String>,
    /// Why it is shared.
    #[arg(long)]
    pub(crate) purpose: Option<String>,
}

impl Labels {
    /// The draft that states something, with these labels.
    pub(crate) fn on(self, statement: &Statement) -> ItemDraft {
        ItemDraft { about: self.about, purpose: self.purpose, ..statement.draft() }
    }
}

/// Sends a draft and waits until it is at the relay, or only stores it.
pub(crate) async fn send(session: &Session, case: &Case, draft: ItemDraft, no_wait: bool) -> Outcome<SentLine> {
    let sent = case.send(draft).await?;
    relayed(session, case, sent, no_wait).await
}

/// The same although somebody may have left without this device knowing: the user's explicit word.
pub(crate) async fn send_anyway(
    session: &Session,
    case: &Case,
    draft: ItemDraft,
    no_wait: bool,
) -> Outcome<SentLine> {
    let sent = case.send_anyway(draft).await?;
    relayed(session, case, sent, no_wait).await
}

/// Waits until something is at the relay, or only says that it is stored.
pub(crate) async fn relayed(session: &Session, case: &Case, sent: Sent, no_wait: bool) -> Outcome<SentLine> {
    let mut line = SentLine { case: case.id().to_hex(), item: sent.item().to_hex(), state: "queued", record: None };
    if no_wait {
        return Ok(line);
    }
    match tokio::time::timeout(session.wait, sent.relayed()).await {
        Ok(Ok(seq)) => {
            line.state = "relayed";
            line.record = Some(seq.0);
            Ok(line)
        }
        Ok(Err(NotDone::Dropped(reason))) => Err(NotDone::Dropped(reason).into()),
        Ok(Err(NotDone::Closed)) | Err(_) => {
            let why = match session.client.status().link {
                Link::Connecting { last: Some(error), .. } => {
                    say!("not-delivered-because", reason = error.told())
                }
                Link::Connecting { last: None, .. } | Link::Offline | Link::Connected | Link::Closed => {
                    say!("not-delivered")
                }
            };
            Err(Failure::advised(Cause::NotDelivered, why, say!("not-delivered-advice")))
        }
    }
}
