//! What a demo claims, each with the evidence for it. A check whose step the scenario does not play says so.

mod agreed;
mod kept;
mod privacy;
mod removal;
mod responsible;
mod same;
mod story;

use kring_client::case::{CaseState, Change, Item, ItemId, Position};

use kring_protocol::address::ProfessionalAddress;

use super::cast::Player;
use super::play::Played;
use super::scenario::{Scenario, Who};
use super::timeline::CheckLine;
use crate::outcome::Outcome;

pub(super) use agreed::{ladder, plan};
pub(super) use kept::kept;
pub(super) use privacy::{database, log_file, scanner};
pub(super) use removal::{Wire, removal};
pub(super) use responsible::{responsible, same_state};
pub(super) use same::{races, same};
pub(super) use story::story;

/// Items that are taken from a store at once.
const PAGE: usize = 500;

/// Everything that one device holds of the case.
pub(super) struct Copy {
    /// Whose device.
    pub(super) who: Who,
    /// Its items, in its order.
    pub(super) items: Vec<Item>,
    /// The changes of the case's group, as it merged them.
    pub(super) changes: Vec<Change>,
    /// Its state of the case.
    pub(super) state: CaseState,
}

impl Copy {
    /// Reads all items of a device that has, or had, the case.
    pub(super) async fn of(player: &Player) -> Outcome<Option<Self>> {
        let Some(case) = &player.case else { return Ok(None) };
        let mut items: Vec<Item> = Vec::new();
        loop {
            let after = items.last().map_or(Position(0), |item| item.position);
            let page = case.items(after, PAGE).await?;
            let last = page.len() < PAGE;
            items.extend(page);
            if last {
                let changes = case.changes().await?.into_iter().map(|merged| merged.change).collect();
                let state = case.state().await?;
                return Ok(Some(Self { who: player.who, items, changes, state }));
            }
        }
    }

    /// Whether somebody had a device in the case when an item was said, as this device saw it.
    fn had(&self, who: &ProfessionalAddress, item: &Item) -> bool {
        let change = self.changes.iter().rev().find(|change| change.seq < item.seq);
        let person = change.and_then(|change| change.people.iter().find(|person| person.professional == *who));
        person.is_some_and(|person| person.present.is_some())
    }

    fn find(&self, id: ItemId) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(move |item| item.id == id)
    }
}

/// The copy of the device that was in the case from the first message to the last: all others are compared with it.
pub(super) fn reference<'a>(copies: &'a [Copy], played: &Played) -> Option<&'a Copy> {
    copies.iter().find(|copy| played.told.iter().all(|told| told.members.contains(&copy.who)))
}

/// A line of a check.
fn line(
    check: &'static str,
    claim: &'static str,
    holds: impl Into<Option<bool>>,
    evidence: Vec<String>,
) -> CheckLine {
    CheckLine { check, claim, holds: holds.into(), evidence }
}

fn name(scenario: &Scenario, who: Who) -> &str {
    scenario.person(who).name.as_str()
}
