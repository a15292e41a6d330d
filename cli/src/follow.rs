//! `kring follow`: prints what is said in a case, live, until Ctrl-C or until this device is no longer in it.
//!
//! An event is only the reason to look: items are printed from the store, after the last one printed, so that none is
//! missed or printed twice however fast they come.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use clap::Args;
use kring_client::api::{Case, ClientEvent};
use kring_client::case::{ItemDraft, Position};
use kring_client::conversation::Event;
use kring_client::identity::wipe;
use kring_client::store::StoreError;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::arguments::GlobalArguments;
use crate::clock::local;
use crate::happened::describe;
use crate::lines::visible;
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::{Line, Output};
use crate::read::print_after;
use crate::session::{Session, in_step};
use crate::words::{Told, say};

/// Arguments of `kring follow`.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES:
  kring follow familie
  kring follow familie --talk              every line that you type is sent
  kring follow familie --last 0 --json     what is said from now on, for a machine")]
pub(crate) struct FollowArguments {
    /// The case: the beginning of its title or id.
    case: String,
    /// Begin with the last so many items.
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    last: u64,
    /// Send each line of standard input.
    #[arg(long)]
    talk: bool,
}

/// How often is looked whether the device was wiped meanwhile.
const LOOK: Duration = Duration::from_secs(1);

/// Something else than an item that happened in the case.
#[derive(Serialize)]
#[serde(tag = "type", rename = "event")]
struct EventLine {
    case: String,
    /// Which kind; `docs/cli.md` lists them.
    event: &'static str,
    /// In words.
    message: String,
}

impl Line for EventLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "  * {}", visible(&self.message))
    }
}

/// Runs `kring follow`.
pub(crate) async fn run(arguments: FollowArguments, global: &GlobalArguments, output: Output) -> Outcome {
    let session = Session::open(global, output).await?.telling_itself();
    let done = tokio::select! {
        done = follow(&session, &arguments, &global.profile, output) => done,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    session.close().await;
    done
}

async fn follow(session: &Session, arguments: &FollowArguments, profile: &Path, output: Output) -> Outcome {
    let mut events = session.client.events();
    session.try_to_catch_up().await?;
    let (case, view) = session.case(&arguments.case).await?;
    let mut last = Position(view.last.0.saturating_sub(arguments.last));
    let first = last;
    last = print_after(&case, last, false, output).await?;
    session.viewed(view.case, "items", last.0.saturating_sub(first.0)).await?;
    in_step(&view)?;
    session.warn_of_revoked(view.case).await?;
    output.note(&say!("following", title = visible(&view.title)));

    let mut typed = arguments.talk.then(typed_lines);
    let mut look = tokio::time::interval(LOOK);
    loop {
        let step = tokio::select! {
            event = events.next() => Step::Event(event),
            _ = look.tick() => Step::Look,
            line = next_line(&mut typed), if typed.is_some() => Step::Typed(line),
        };
        match step {
            Step::Event(None) => return Ok(()),
            Step::Event(Some(event)) => {
                let before = last;
                last = print_after(&case, last, false, output).await?;
                if last > before {
                    session.viewed(view.case, "items", last.0 - before.0).await?;
                }
                if told(&event, &case, session, output)? {
                    return in_step(&case.view().await?);
                }
            }
            Step::Typed(Some(text)) => {
                if !text.trim().is_empty() {
                    case.send(ItemDraft::markdown(text)).await?;
                }
            }
            // The device was wiped from another window: what this one still holds in memory goes too.
            Step::Look if wipe::is_wiped(profile) || !profile.exists() => {
                return Err(Failure::told(Cause::Failed, &StoreError::Wiped));
            }
            Step::Look => {}
            // Nothing more will be typed; what is said is still followed.
            Step::Typed(None) => typed = None,
        }
    }
}

/// What the loop woke up for.
enum Step {
    Event(Option<ClientEvent>),
    Typed(Option<String>),
    Look,
}

async fn next_line(typed: &mut Option<mpsc::Receiver<String>>) -> Option<String> {
    match typed {
        Some(lines) => lines.recv().await,
        None => None,
    }
}

/// Lines of standard input, read by a thread of their own; it ends with the program.
fn typed_lines() -> mpsc::Receiver<String> {
    let (typed, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if typed.blocking_send(line).is_err() {
                break;
            }
        }
    });
    lines
}

/// Prints an event of this case that is not an item. Returns whether nothing more will come.
fn told(event: &ClientEvent, case: &Case, session: &Session, output: Output) -> Outcome<bool> {
    let of_device = |event, message: String| {
        if output.json() {
            output.print(&EventLine { case: case.id().to_hex(), event, message })?;
        } else {
            output.note(&format!("  ({message})"));
        }
        Ok(false)
    };
    let event = match event {
        ClientEvent::Conversation(event) => event,
        ClientEvent::Disconnected(error) => {
            return of_device("disconnected", say!("follow-offline", reason = error.told()));
        }
        ClientEvent::Connected => return of_device("connected", say!("follow-connected")),
        ClientEvent::StoreFailed(error) => return Err(Failure::from(*error)),
        ClientEvent::CertificateEnds { at } => {
            return of_device("certificate_ends", say!("certificate-ends", at = local(*at)));
        }
        ClientEvent::CertificateRenewed { until } => {
            return of_device("next_certificate", say!("certificate-next", until = local(*until)));
        }
        ClientEvent::CaughtUp | ClientEvent::Lagged { .. } => return Ok(false),
    };
    let Some((about, name, message)) = describe(event) else { return Ok(false) };
    if about.is_some_and(|about| about != case.id()) {
        return Ok(false);
    }
    output.print(&EventLine { case: case.id().to_hex(), event: name, message })?;
    let own = session.client.address();
    Ok(match event {
        Event::Left { .. } | Event::OutOfStep { .. } => true,
        Event::MembersChanged { removed, .. } => removed.iter().any(|member| member.address == *own),
        _ => false,
    })
}
