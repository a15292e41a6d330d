//! `kring send`: stores the message on this device, then waits until it is durable at the relay.

use clap::Args;
use kring_client::case::{Body, DraftBody, ItemDraft, Sensitivity};
use kring_protocol::ids::Timestamp;

use crate::alert::moment;
use crate::arguments::GlobalArguments;
use crate::names;
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::Output;
use crate::references::item;
use crate::say::{self, SentLine};
use crate::session::{Session, in_step};
use crate::text::text;
use crate::words::say;

/// Arguments of `kring send`.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES:
  kring send familie \"Ik kan vanmiddag langs gaan.\"
  kring send familie < verslag.md
  kring send familie - --about kind-2 --purpose \"veiligheidsplan\" < verslag.md
  kring send familie \"Voor straks.\" --no-wait
  kring send familie \"Ja, om drie uur.\" --reply-to 12
  kring send familie \"Kun jij vanmiddag?\" --mention b.devries
  kring send familie \"Om vier uur.\" --edit 13
  kring send familie --take-back 13
  kring send familie \"De sleutel ligt bij de buren.\" --expires +2d

Without TEXT the message is written in the editor of EDITOR, or read from standard input as with -.
\"At the relay\" means that it is stored there for good; nobody need have read it yet.")]
pub(crate) struct SendArguments {
    /// The case: the beginning of its title or id.
    case: String,
    /// What to say, as Markdown; - for standard input.
    text: Option<String>,
    /// A member who is mentioned: the beginning of the address, once for each; it waits for them in `kring inbox`.
    #[arg(long, value_name = "MEMBER", conflicts_with = "take_back")]
    mention: Vec<String>,
    /// Which item it answers: the number that `kring read` shows, or the beginning of its id.
    #[arg(long, value_name = "ITEM")]
    reply_to: Option<String>,
    /// Which item of yours it replaces; everybody sees that it was replaced.
    #[arg(long, value_name = "ITEM")]
    edit: Option<String>,
    /// Take this item of yours back instead of saying something; everybody sees that it was there.
    #[arg(long, value_name = "ITEM", conflicts_with_all = ["text", "reply_to", "edit", "expires"])]
    take_back: Option<String>,
    /// From when on it is of no use any more: every device then forgets what it says.
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
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
    let body = match &arguments.take_back {
        Some(_) => ItemDraft { body: DraftBody::Deleted, ..ItemDraft::markdown("") },
        None => ItemDraft::markdown(text(arguments.text, &global.profile, "", output)?),
    };
    let whole_second = |at: Timestamp| Timestamp(at.0 / Timestamp::SECOND * Timestamp::SECOND);
    let draft = ItemDraft {
        about: arguments.about,
        purpose: arguments.purpose,
        sensitivity: if arguments.restricted { Sensitivity::Restricted } else { Sensitivity::Normal },
        expires: arguments.expires.as_deref().map(moment).transpose()?.map(whole_second),
        ..body
    };
    let refers = Refers {
        mentions: arguments.mention,
        answers: arguments.reply_to,
        replaces: arguments.edit.or(arguments.take_back),
    };
    let no_wait = arguments.no_wait || global.offline;
    let global = GlobalArguments { offline: no_wait, ..global.clone() };
    let session = Session::open(&global, output).await?;
    let anyway = arguments.despite_stale_revocation_list;
    let sent = send(&session, &arguments.case, (draft, refers), anyway, no_wait).await;
    session.close().await;
    output.print(&sent?)
}

/// Whom an item mentions, what it answers and what it replaces, in the user's words.
struct Refers {
    mentions: Vec<String>,
    answers: Option<String>,
    replaces: Option<String>,
}

async fn send(
    session: &Session,
    case: &str,
    (mut draft, refers): (ItemDraft, Refers),
    anyway: bool,
    no_wait: bool,
) -> Outcome<SentLine> {
    let (case, view) = session.case(case).await?;
    in_step(&view)?;
    if let DraftBody::Markdown(text) = &mut draft.body {
        let members = case.members().await?;
        for words in refers.mentions.iter().rev() {
            let who = names::member(&members, words)?;
            let name = members.iter().find(|member| member.address.professional == *who);
            let name = name.map_or_else(|| who.name(), |member| member.name.as_str());
            *text = format!("{} {text}", Body::mention(name, who));
        }
    }
    if let Some(words) = refers.answers {
        draft.in_reply_to = Some(item(&case, &words).await?.id);
    }
    if let Some(words) = refers.replaces {
        let earlier = item(&case, &words).await?;
        if !earlier.own {
            return Err(Failure::advised(Cause::Refused, say!("not-your-item"), say!("not-your-item-advice")));
        }
        if earlier.body.statement().is_some() {
            return Err(Failure::advised(Cause::Refused, say!("not-replaced"), say!("not-replaced-advice")));
        }
        draft.replaces = Some(earlier.id);
    }
    match anyway {
        true => say::send_anyway(session, &case, draft, no_wait).await,
        false => say::send(session, &case, draft, no_wait).await,
    }
}
