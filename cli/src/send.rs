//! `kring send`: stores the message on this device, then waits until it is durable at the relay.

use clap::Args;
use kring_client::case::{ItemDraft, Sensitivity};

use crate::arguments::GlobalArguments;
use crate::outcome::Outcome;
use crate::output::Output;
use crate::say::{self, SentLine};
use crate::session::{Session, in_step};
use crate::text::text;

/// Arguments of `kring send`.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES:
  kring send familie \"Ik kan vanmiddag langs gaan.\"
  kring send familie < verslag.md
  kring send familie - --about kind-2 --purpose \"veiligheidsplan\" < verslag.md
  kring send familie \"Voor straks.\" --no-wait

Without TEXT the message is written in the editor of EDITOR, or read from standard input as with -.
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
    /// Send it although a revocation list is overdue for more than three days, or a member's certificate has ended: somebody
    /// in the case may have left without this device knowing.
    #[arg(long)]
    despite_stale_revocation_list: bool,
    /// Store it for the next time that this device is online, and return.
    #[arg(long)]
    no_wait: bool,
}

/// Runs `kring send`.
pub(crate) async fn run(arguments: SendArguments, global: &GlobalArguments, output: Output) -> Outcome {
    let text = text(arguments.text, &global.profile, "", output)?;
    let draft = ItemDraft {
        about: arguments.about,
        purpose: arguments.purpose,
        sensitivity: if arguments.restricted { Sensitivity::Restricted } else { Sensitivity::Normal },
        ..ItemDraft::markdown(text)
    };
    let no_wait = arguments.no_wait || global.offline;
    let global = GlobalArguments { offline: no_wait, ..global.clone() };
    let session = Session::open(&global, output).await?;
    let anyway = arguments.despite_stale_revocation_list;
    let sent = send(&session, &arguments.case, draft, anyway, no_wait).await;
    session.close().await;
    output.print(&sent?)
}

async fn send(session: &Session, case: &str, draft: ItemDraft, anyway: bool, no_wait: bool) -> Outcome<SentLine> {
    let (case, view) = session.case(case).await?;
    in_step(&view)?;
    match anyway {
        true => say::send_anyway(session, &case, draft, no_wait).await,
        false => say::send(session, &case, draft, no_wait).await,
    }
}
