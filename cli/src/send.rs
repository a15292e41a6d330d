//! `kring send`: stores the message on this device, then waits until it is durable at the relay.

use std::io::{self, IsTerminal as _, Read as _, Write};

use clap::Args;
use kring_client::api::{Link, NotDone};
use kring_client::case::{ItemDraft, MAX_BODY, Sensitivity};
use serde::Serialize;

use crate::arguments::GlobalArguments;
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::{Line, Output};
use crate::session::{Session, in_step};

/// Arguments of `kring send`.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES:
  kring send familie \"Ik kan vanmiddag langs gaan.\"
  kring send familie < verslag.md
  kring send familie - --about kind-2 --purpose \"veiligheidsplan\" < verslag.md
  kring send familie \"Voor straks.\" --no-wait

Without TEXT, or with -, the message is read from standard input.
\"At the relay\" means that it is stored there for good; nobody need have read it yet.")]
pub(crate) struct SendArguments {
    /// The case: the beginning of its title or id.
    case: String,
    /// What to say, as Markdown; - for standard input.
    text: Option<String>,
    /// Which family member it concerns, as a name used in this case only, such as kind-2; once for each.
    #[arg(long, value_name = "WHO")]
    about: Vec<String>,
    /// Why it is shared.
    #[arg(long)]
    purpose: Option<String>,
    /// Goes into a dossier only when it is chosen by itself.
    #[arg(long)]
    restricted: bool,
    /// Store it for the next time that this device is online, and return.
    #[arg(long)]
    no_wait: bool,
}

/// A message was sent or stored.
#[derive(Serialize)]
#[serde(tag = "type", rename = "sent")]
struct SentLine {
    case: String,
    item: String,
    /// `queued` or `relayed`.
    state: &'static str,
    /// Its record at the relay.
    record: Option<u64>,
}

impl Line for SentLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        match self.record {
            Some(record) => writeln!(out, "At the relay, as record {record}"),
            None => writeln!(out, "Stored here; it is sent the next time this device is online"),
        }
    }
}

/// Runs `kring send`.
pub(crate) async fn run(arguments: SendArguments, global: &GlobalArguments, output: Output) -> Outcome {
    let text = match arguments.text {
        Some(text) if text != "-" => text,
        _ => from_standard_input(output)?,
    };
    if text.trim().is_empty() {
        return Err(Failure::advised(
            Cause::Usage,
            "there is nothing to send",
            "write something, or give it as TEXT",
        ));
    }
    let draft = ItemDraft {
        about: arguments.about,
        purpose: arguments.purpose,
        sensitivity: if arguments.restricted { Sensitivity::Restricted } else { Sensitivity::Normal },
        ..ItemDraft::markdown(text)
    };
    let no_wait = arguments.no_wait || global.offline;
    let global = GlobalArguments { offline: no_wait, ..global.clone() };
    let session = Session::open(&global, output).await?;
    let sent = send(&session, &arguments.case, draft, no_wait).await;
    session.close().await;
    output.print(&sent?)
}

async fn send(session: &Session, case: &str, draft: ItemDraft, no_wait: bool) -> Outcome<SentLine> {
    let (case, view) = session.case(case).await?;
    in_step(&view)?;
    let sent = case.send(draft).await?;
    let mut line = SentLine { case: view.case.to_hex(), item: sent.item().to_hex(), state: "queued", record: None };
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
                Link::Connecting { last: Some(error), .. } => format!(": {error}"),
                Link::Connecting { last: None, .. } | Link::Offline | Link::Connected | Link::Closed => String::new(),
            };
            Err(Failure::advised(
                Cause::NotDelivered,
                format!("the message is stored here and has not reached the relay{why}"),
                "do not send it again; it goes by itself the next time this device is online, such as at `kring status`",
            ))
        }
    }
}

fn from_standard_input(output: Output) -> Outcome<String> {
    if io::stdin().is_terminal() {
        output.note("Type the message; end it with Ctrl-D on a line of its own.");
    }
    let mut bytes = Vec::new();
    // One byte more than fits, so that the library can say that it does not.
    let read = io::stdin().lock().take(MAX_BODY as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| {
        Failure::advised(
            Cause::Failed,
            format!("standard input cannot be read: {error}"),
            "check where it comes from",
        )
    })?;
    let mut text = String::from_utf8(bytes).map_err(|_| {
        Failure::advised(
            Cause::Usage,
            "the message is not text in UTF-8",
            "convert it first, for instance with iconv",
        )
    })?;
    text.truncate(text.trim_end().len());
    Ok(text)
}
