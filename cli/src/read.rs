//! `kring read`: prints the items of a case, in the order of its log.

use clap::Args;
use kring_client::api::Case;
use kring_client::case::Position;

use crate::arguments::GlobalArguments;
use crate::outcome::Outcome;
use crate::output::Output;
use crate::references::{MessageStatusLine, References, item};
use crate::session::{Session, in_step};

/// Items that are taken from the store at once.
const PAGE: usize = 200;

/// Arguments of `kring read`.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES:
  kring read familie
  kring read familie --last 5
  kring read familie --json | jq -r .text
  kring read familie --last 1 --status
  kring read familie --acknowledge 12
  kring read familie --offline")]
pub(crate) struct ReadArguments {
    /// The case: the beginning of its title or id.
    case: String,
    /// Only what stands after this position.
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    after: u64,
    /// Only the last so many.
    #[arg(long, value_name = "COUNT")]
    last: Option<u64>,
    /// Show how far what you said is with each device, and what still waits.
    #[arg(long)]
    status: bool,
    /// Acknowledge an item to its author: its number, or the beginning of its id; once for each.
    #[arg(long, value_name = "ITEM")]
    acknowledge: Vec<String>,
}

/// Runs `kring read`.
pub(crate) async fn run(arguments: ReadArguments, global: &GlobalArguments, output: Output) -> Outcome {
    let session = Session::open(global, output).await?;
    let done = read(&session, &arguments, output).await;
    session.close().await;
    done
}

async fn read(session: &Session, arguments: &ReadArguments, output: Output) -> Outcome {
    session.try_to_catch_up().await?;
    let (case, view) = session.case(&arguments.case).await?;
    let from_end = arguments.last.map_or(0, |last| view.last.0.saturating_sub(last));
    let first = Position(arguments.after.max(from_end));
    for words in &arguments.acknowledge {
        case.acknowledge(item(&case, words).await?.id).await?;
    }
    let last = print_after(&case, first, arguments.status, output).await?;
    if arguments.status {
        let waiting = case.outbox().await?.into_iter().filter_map(|entry| entry.item);
        for waits in waiting {
            if let Some(status) = case.message_status(waits).await? {
                output.print(&MessageStatusLine::of(&view.case.to_hex(), waits, &status))?;
            }
        }
    }
    session.viewed(view.case, "items", last.0.saturating_sub(first.0)).await?;
    if last == view.last && last > Position(0) {
        case.mark_read(last).await?;
    }
    in_step(&view)
}

/// Prints all items after a position, and returns the last one's.
pub(crate) async fn print_after(case: &Case, mut after: Position, status: bool, output: Output) -> Outcome<Position> {
    let (id, mut references) = (case.id().to_hex(), References::default());
    loop {
        let page = case.items(after, PAGE).await?;
        for item in &page {
            output.print(&references.line(item))?;
            if status
                && item.own
                && let Some(far) = case.message_status(item.id).await?
            {
                output.print(&MessageStatusLine::of(&id, item.id, &far))?;
            }
            after = item.position;
        }
        if page.len() < PAGE {
            return Ok(after);
        }
    }
}
