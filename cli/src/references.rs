//! Items by the words of a user, and how items refer to one another: a person sees and types an item's number in this
//! device's copy, or the beginning of its id. And how far a message is with everybody.

use std::collections::HashMap;
use std::io::{self, Write};

use kring_client::api::Case;
use kring_client::case::{Delivery, Item, ItemId, MessageStatus, Position, Reached};
use serde::Serialize;

use crate::lines::ItemLine;
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::Line;
use crate::things::short;
use crate::words::say;

/// Items that are taken from the store at once.
const PAGE: usize = 500;

/// The numbers of the items that have been shown.
#[derive(Default)]
pub(crate) struct References(HashMap<ItemId, Position>);

impl References {
    /// An item's line, with what it answers and replaces by their numbers, and whom it mentions.
    pub(crate) fn line(&mut self, item: &Item) -> ItemLine {
        self.0.insert(item.id, item.position);
        let called = |id: ItemId| match self.0.get(&id) {
            Some(position) => format!("#{}", position.0),
            None => short(id),
        };
        let answers = item.in_reply_to.map(|id| say!("item-answers", what = called(id)));
        let replaces = item.replaces.map(|id| say!("item-replaces", what = called(id)));
        let mentioned: Vec<String> = item.body.mentions().iter().map(ToString::to_string).collect();
        let mentions = (!mentioned.is_empty()).then(|| say!("item-mentions", who = mentioned.join(", ")));
        ItemLine::from(item).referring(answers.into_iter().chain(replaces).chain(mentions).collect())
    }
}

/// The item that is meant: `12` or `#12`, its number, or the beginning of its id.
pub(crate) async fn item(case: &Case, words: &str) -> Outcome<Item> {
    let wanted = words.trim_start_matches('#').to_lowercase();
    // Numbers are short; what is as long as an id's beginning is shown is an id.
    let number = wanted.parse().ok().filter(|_| wanted.len() < short(ItemId([0; 16])).len()).map(Position);
    let (mut at, mut found) = (Position(0), Vec::new());
    loop {
        let page = case.items(at, PAGE).await?;
        let last = page.len() < PAGE;
        for item in page {
            at = item.position;
            let meant = match number {
                Some(position) => item.position == position,
                None => !wanted.is_empty() && item.id.to_hex().starts_with(&wanted),
            };
            if meant {
                found.push(item);
            }
        }
        if last {
            break;
        }
    }
    match found.pop() {
        Some(only) if found.is_empty() => Ok(only),
        _ => {
            let what = say!("no-such-item", words = words);
            Err(Failure::advised(Cause::Usage, what, say!("no-such-item-advice")))
        }
    }
}

/// How far a message of one's own is.
#[derive(Serialize)]
#[serde(tag = "type", rename = "message_status")]
pub(crate) struct MessageStatusLine {
    case: String,
    item: String,
    /// `queued` or `relayed`.
    state: &'static str,
    recipients: Vec<RecipientLine>,
}

#[derive(Serialize)]
struct RecipientLine {
    address: String,
    device: String,
    /// `unknown`, `delivered`, `read`, `acknowledged`.
    reached: &'static str,
}

impl MessageStatusLine {
    pub(crate) fn of(case: &str, item: ItemId, status: &MessageStatus) -> Self {
        let recipients = status.recipients.iter().map(|recipient| RecipientLine {
            address: recipient.device.professional.to_string(),
            device: recipient.device.device.to_hex(),
            reached: match recipient.reached {
                Reached::Unknown => "unknown",
                Reached::Delivered => "delivered",
                Reached::Read => "read",
                Reached::Acknowledged => "acknowledged",
            },
        });
        Self {
            case: case.to_owned(),
            item: item.to_hex(),
            state: if matches!(status.delivery, Delivery::Relayed { .. }) { "relayed" } else { "queued" },
            recipients: recipients.collect(),
        }
    }
}

impl Line for MessageStatusLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let state = if self.state == "relayed" { say!("message-relayed") } else { say!("message-queued") };
        writeln!(out, "      {state}")?;
        self.recipients.iter().try_for_each(|recipient| {
            let who = recipient.address.as_str();
            let reached = match recipient.reached {
                "delivered" => say!("message-delivered", who = who),
                "read" => say!("message-read", who = who),
                "acknowledged" => say!("message-acknowledged", who = who),
                _ => say!("message-unknown", who = who),
            };
            writeln!(out, "      {reached}")
        })
    }
}
