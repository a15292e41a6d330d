//! Plays a scenario: each step with real clients over the real relay, and remembers what was acknowledged when.

mod deeds;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kring_client::api::{Added, ClientEvent, Link, Pending, Sent};
use kring_client::case::{CaseId, ItemId, Role};
use kring_client::conversation::Event;
use kring_protocol::ids::Seq;
use tokio::task::JoinHandle;

use super::cast::Player;
use super::relay::RelayProcess;
use super::scenario::{Change, Said, Scenario, Step, What, Who};
use super::timeline::StepLine;
use crate::outcome::{Cause, Failure, Outcome};
pub(super) use deeds::{PlayedAlert, PlayedHandover, PlayedPlan};

/// Longest wait for one step. On a busy machine an addition takes a second.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a state that no event tells of.
const LOOK: Duration = Duration::from_millis(20);
/// The relay's counter of submissions that came too late for their epoch (refusal 6, `StaleEpoch`).
const STALE: &str = "kring_refusals_total{number=\"6\"}";

/// A message that was said.
pub(super) struct Told {
    /// Who said it.
    pub(super) by: Who,
    /// The item.
    pub(super) item: ItemId,
    /// Who was in the case then.
    pub(super) members: Vec<Who>,
    /// Its record, once the relay has acknowledged it.
    acknowledged: Arc<Mutex<Option<Seq>>>,
    waiting: Option<JoinHandle<Outcome>>,
}

impl Told {
    /// The record at which the relay has acknowledged it, if it has.
    pub(super) fn acknowledged(&self) -> Option<Seq> {
        *self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The kill of a relay.
pub(super) struct Kill {
    /// The signal of which it died.
    pub(super) signal: Option<i32>,
    /// What it had acknowledged: the place among the told messages, and the record.
    pub(super) acknowledged: Vec<(usize, Seq)>,
    /// Messages that it had not acknowledged.
    pub(super) unacknowledged: usize,
    /// How long it took to start again.
    pub(super) restart: Option<Duration>,
}

/// The removal of a device.
pub(super) struct Removal {
    /// Who.
    pub(super) who: Who,
    /// Copy of the removed device's profile, made just before.
    pub(super) copy: PathBuf,
    /// A member who stayed, and a copy of that device's profile, made at the same moment.
    pub(super) control: (Who, PathBuf),
    /// The client was told that it is no longer in the case.
    pub(super) told: bool,
}

/// What was played.
pub(super) struct Played {
    /// The case.
    pub(super) case: CaseId,
    /// All messages, in the order in which they were said.
    pub(super) told: Vec<Told>,
    /// All kills of the relay.
    pub(super) kills: Vec<Kill>,
    /// All removals.
    pub(super) removals: Vec<Removal>,
    /// Submissions that lost a race for an epoch while several changed the case, as the relay counts them.
    pub(super) lost_races: u64,
    /// Most messages that a device missed while it was offline.
    pub(super) most_missed: usize,
    /// All alerts.
    pub(super) alerts: Vec<PlayedAlert>,
    /// All versions of the safety plan.
    pub(super) plans: Vec<PlayedPlan>,
    /// All handovers.
    pub(super) handovers: Vec<PlayedHandover>,
    /// Who is in the case at the end.
    pub(super) members: Vec<Who>,
}

/// The play while it goes on.
pub(super) struct Play<'a> {
    scenario: &'a Scenario,
    players: &'a mut [Player],
    relay: &'a mut RelayProcess,
    /// Where copies of profiles go.
    copies: &'a Path,
    case: Option<CaseId>,
    members: Vec<Who>,
    offline: Vec<(Who, usize)>,
    relay_runs: bool,
    /// The script stands after each step, for people to read.
    paced: bool,
    /// The last record that something done by the script has come to.
    head: Seq,
    played: Played,
}

impl<'a> Play<'a> {
    /// Opens everybody's client.
    pub(super) async fn begin(
        scenario: &'a Scenario,
        players: &'a mut [Player],
        relay: &'a mut RelayProcess,
        copies: &'a Path,
        paced: bool,
    ) -> Outcome<Self> {
        for player in players.iter_mut() {
            player.open().await?;
        }
        for player in players.iter() {
            caught_up(player).await?;
        }
        let played = Played {
            case: CaseId([0; 16]),
            told: Vec::new(),
            kills: Vec::new(),
            removals: Vec::new(),
            lost_races: 0,
            most_missed: 0,
            alerts: Vec::new(),
            plans: Vec::new(),
            handovers: Vec::new(),
            members: Vec::new(),
        };
        Ok(Self {
            scenario,
            players,
            relay,
            copies,
            case: None,
            members: Vec::new(),
            offline: Vec::new(),
            relay_runs: true,
            paced,
            head: Seq(0),
            played,
        })
    }

    /// Plays one step, and returns what the timeline shows of it.
    pub(super) async fn step(&mut self, step: &Step) -> Outcome<StepLine> {
        let members = |text| StepLine::happened(step, "members", text);
        Ok(match &step.what {
            What::Chapter(title) => StepLine::chapter(step, title),
            What::Create(who) => {
                self.create(*who).await?;
                let text = format!("{} opens the case \"{}\"", self.name(*who), self.scenario.title);
                StepLine::happened(step, "case", text)
            }
            What::Add(change) => {
                self.settle().await?;
                let pending = self.begin_to_add(change).await?;
                self.added(change, pending).await?;
                self.joined(change.who).await?;
                members(format!("{} adds {}", self.name(change.by), self.role_of(change)))
            }
            What::AtOnce(changes) => {
                self.settle().await?;
                let lost_before = self.relay.counter(STALE).await.unwrap_or(0);
                let begun = futures(changes.iter().map(|change| self.begin_to_add(change))).await;
                for (change, pending) in changes.iter().zip(begun) {
                    self.added(change, pending?).await?;
                }
                for change in changes {
                    self.joined(change.who).await?;
                }
                let lost = self.relay.counter(STALE).await.unwrap_or(0);
                self.played.lost_races += lost.saturating_sub(lost_before);
                let texts: Vec<String> = changes
                    .iter()
                    .map(|change| format!("{} adds {}", self.name(change.by), self.role_of(change)))
                    .collect();
                members(format!("at the same moment: {}", texts.join(", ")))
            }
            What::SetRole(change) => {
                self.settle().await?;
                let address = self.scenario.person(change.who).address.clone();
                let pending = self.player(change.by).case()?.set_role(address, change.role).await?;
                in_time("a change of role", pending.done()).await??;
                members(format!("{} makes {}", self.name(change.by), self.role_of(change)))
            }
            What::Remove { by, who } => {
                self.remove(*by, *who).await?;
                members(format!("{} removes {}", self.name(*by), self.name(*who)))
            }
            What::Say(said) => {
                let record = self.say(said).await?;
                StepLine::message(step, self.scenario, said.by, &said.text, record.map(|seq| seq.0))
            }
            What::Offline(who) => {
                self.player(*who).client()?.disconnect();
                self.offline.push((*who, self.played.told.len()));
                StepLine::happened(step, "connection", format!("{} goes offline", self.name(*who)))
            }
            What::Online(who) => {
                let missed = self.back_online(*who).await?;
                let text = format!("{} is online again and catches up on {missed} messages", self.name(*who));
                StepLine::happened(step, "connection", text)
            }
            What::KillRelay => StepLine::happened(step, "relay", self.kill().await),
            What::StartRelay => {
                let took = self.start().await?;
                let text = format!("the relay is started again, and runs after {} ms", took.as_millis());
                StepLine::happened(step, "relay", text)
            }
            What::Deed(deed) => self.deed(step, deed).await?,
        })
    }

    /// Waits until everybody has everything, and closes the play.
    pub(super) async fn end(mut self) -> Outcome<Played> {
        self.settle().await?;
        let said = self.played.told.iter().filter_map(Told::acknowledged).max();
        self.head = self.head.max(said.unwrap_or_default());
        // Who does not have everything in time is what the checks show.
        let _ = tokio::time::timeout(PATIENCE, self.level()).await;
        self.played.members = self.members;
        Ok(self.played)
    }

    /// Waits until all devices have read as far as the one that has read most: a device may still say something of its
    /// own accord. Then nobody hears anything more.
    async fn level(&self) -> Outcome {
        loop {
            let (mut least, mut most) = (Seq(u64::MAX), self.head);
            for who in &self.members {
                let view = self.player(*who).case()?.view().await?;
                let at = if view.queued == 0 { view.seq } else { Seq(0) };
                (least, most) = (least.min(at), most.max(at));
            }
            if least == most {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        for who in &self.members {
            self.player(*who).client()?.disconnect();
        }
        Ok(())
    }

    async fn create(&mut self, who: Who) -> Outcome {
        let title = self.scenario.title.clone();
        let player = &mut self.players[who.0];
        let mut events = player.client()?.events();
        let case = player.client()?.new_case(title).await?;
        let id = case.id();
        player.case = Some(case);
        let opened = events.find(|event| match event {
            ClientEvent::Conversation(Event::CaseOpened { case }) if case == id => Some(()),
            _ => None,
        });
        in_time("opening the case", opened).await?;
        self.case = Some(id);
        self.played.case = id;
        self.members.push(who);
        Ok(())
    }

    async fn begin_to_add(&self, change: &Change) -> Outcome<Pending<Added>> {
        let address = self.scenario.person(change.who).address.clone();
        Ok(self.player(change.by).case()?.add(address, change.role).await?)
    }

    async fn added(&mut self, change: &Change, pending: Pending<Added>) -> Outcome {
        let added = in_time("an addition", pending.done()).await??;
        if let Some((_, reason)) = added.not_added.first() {
            return Err(Failure::advised(
                Cause::CheckFailed,
                format!("{} was not added: {reason}", self.name(change.who)),
                "run the demo again with --keep DIR and look at relay.log there",
            ));
        }
        self.members.push(change.who);
        Ok(())
    }

    /// Waits until a new member's own device has the case; if it is offline, that is when it comes back.
    async fn joined(&mut self, who: Who) -> Outcome {
        let Some(id) = self.case else { return Ok(()) };
        if self.is_offline(who) {
            return Ok(());
        }
        let player = &mut self.players[who.0];
        let client = player.client()?.clone();
        let has_case = async {
            loop {
                if client.cases().await?.iter().any(|view| view.case == id) {
                    return Ok::<_, Failure>(client.case(id).await?);
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        player.case = Some(in_time("joining the case", has_case).await??);
        Ok(())
    }

    /// Copies the device's store and that of one who stays, then removes it and waits until it knows.
    async fn remove(&mut self, by: Who, who: Who) -> Outcome {
        self.settle().await?;
        let copy = self.copied(who, "removed").await?;
        let stays =
            self.members.iter().copied().find(|member| *member != by && *member != who && !self.is_offline(*member));
        let control = stays.unwrap_or(by);
        let control = (control, self.copied(control, "stays").await?);

        let mut events = self.player(who).client()?.events();
        let address = self.scenario.person(who).address.clone();
        let pending = self.player(by).case()?.remove(address).await?;
        in_time("a removal", pending.done()).await??;
        let left = events.find(|event| match event {
            ClientEvent::Conversation(Event::Left { .. }) => Some(()),
            _ => None,
        });
        let told = tokio::time::timeout(PATIENCE, left).await.ok().flatten().is_some();
        self.members.retain(|member| *member != who);
        self.played.removals.push(Removal { who, copy, control, told });
        Ok(())
    }

    /// Closes a device's client, copies its profile, and opens it again.
    async fn copied(&mut self, who: Who, name: &str) -> Outcome<PathBuf> {
        let place = self.copies.join(format!("{name}-{}", self.scenario.person(who).address.name()));
        let player = &mut self.players[who.0];
        caught_up(player).await?;
        player.close().await;
        let copy = player.copy(&place)?;
        player.open().await?;
        if let Some(case) = self.case {
            player.case = Some(player.client()?.case(case).await?);
        }
        caught_up(player).await?;
        Ok(copy)
    }

    async fn say(&mut self, said: &Said) -> Outcome<Option<Seq>> {
        let sent = self.player(said.by).case()?.send(said.draft()).await?;
        let acknowledged = Arc::new(Mutex::new(None));
        let mut told = Told {
            by: said.by,
            item: sent.item(),
            members: self.members.clone(),
            acknowledged: Arc::clone(&acknowledged),
            waiting: None,
        };
        let waiting = tokio::spawn(wait_for(sent, acknowledged));
        if said.unawaited || self.is_offline(said.by) || !self.relay_runs {
            told.waiting = Some(waiting);
        } else {
            in_time("sending a message", waiting).await?.map_err(task_ended)??;
        }
        let record = told.acknowledged();
        self.played.told.push(told);
        Ok(record)
    }

    async fn back_online(&mut self, who: Who) -> Outcome<usize> {
        let since = self.offline.iter().find(|(offline, _)| *offline == who).map_or(0, |(_, since)| *since);
        self.offline.retain(|(offline, _)| *offline != who);
        let player = self.player(who);
        player.client()?.connect();
        caught_up(player).await?;
        if player.case.is_none() && self.members.contains(&who) {
            self.joined(who).await?;
        }
        let missed = self.played.told[since..].iter().filter(|told| told.members.contains(&who)).count();
        self.played.most_missed = self.played.most_missed.max(missed);
        Ok(missed)
    }

    async fn kill(&mut self) -> String {
        // At once, while messages are on their way: what is acknowledged is looked at only after it is dead.
        let signal = self.relay.kill().await;
        self.relay_runs = false;
        let told = self.played.told.iter().enumerate();
        let acknowledged: Vec<(usize, Seq)> =
            told.filter_map(|(place, told)| Some((place, told.acknowledged()?))).collect();
        let unacknowledged = self.played.told.len() - acknowledged.len();
        let text = format!(
            "the relay is killed (signal {}), with {unacknowledged} messages on their way",
            signal.map_or_else(|| "unknown".to_owned(), |signal| signal.to_string())
        );
        self.played.kills.push(Kill { signal, acknowledged, unacknowledged, restart: None });
        text
    }

    async fn start(&mut self) -> Outcome<Duration> {
        let took = self.relay.start_again().await?;
        self.relay_runs = true;
        if let Some(kill) = self.played.kills.last_mut() {
            kill.restart = Some(took);
        }
        // A device notices by itself, once its connection has been silent for the idle time of half a minute; the
        // script does not wait for that, as a user does not who goes offline and online again.
        let woken: Vec<&Player> = self.players.iter().filter(|player| !self.is_offline(player.who)).collect();
        for player in &woken {
            player.client()?.disconnect();
        }
        for player in &woken {
            while player.client()?.status().link == Link::Connected {
                tokio::time::sleep(LOOK).await;
            }
            player.client()?.connect();
        }
        for player in &woken {
            caught_up(player).await?;
        }
        self.settle().await?;
        Ok(took)
    }

    /// Waits until every message of those online is at the relay, so that the script says who was there when.
    async fn settle(&mut self) -> Outcome {
        for told in &mut self.played.told {
            let offline = self.offline.iter().any(|(offline, _)| *offline == told.by);
            if !offline && let Some(waiting) = told.waiting.take() {
                in_time("sending a message", waiting).await?.map_err(task_ended)??;
            }
        }
        Ok(())
    }

    fn is_offline(&self, who: Who) -> bool {
        self.offline.iter().any(|(offline, _)| *offline == who)
    }

    fn player(&self, who: Who) -> &Player {
        &self.players[who.0]
    }

    fn name(&self, who: Who) -> &str {
        self.scenario.person(who).name.as_str()
    }

    fn role_of(&self, change: &Change) -> String {
        let organisation = &self.scenario.organisation_of(change.who).name;
        match change.role {
            Role::Member => format!("{} ({organisation})", self.name(change.who)),
            role => format!("{} ({organisation}) as {}", self.name(change.who), crate::lines::role(role)),
        }
    }
}

/// Waits until a device has all that the relay has for it, over as many attempts to connect as that takes.
async fn caught_up(player: &Player) -> Outcome {
    let client = player.client()?;
    let all_read = async {
        while client.caught_up().await.is_err() {
            if client.status().link == Link::Closed {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    in_time("catching up", all_read).await
}

/// Waits until an item is at the relay, and remembers where.
async fn wait_for(sent: Sent, acknowledged: Arc<Mutex<Option<Seq>>>) -> Outcome {
    let seq = sent.relayed().await?;
    *acknowledged.lock().unwrap_or_else(PoisonError::into_inner) = Some(seq);
    Ok(())
}

/// Drives all at once, and returns their outcomes in order.
async fn futures<T>(work: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut work: Vec<_> = work.map(|work| (Box::pin(work), None)).collect();
    std::future::poll_fn(|context| {
        for (future, outcome) in &mut work {
            if outcome.is_none()
                && let std::task::Poll::Ready(ready) = future.as_mut().poll(context)
            {
                *outcome = Some(ready);
            }
        }
        let all = work.iter().all(|(_, outcome)| outcome.is_some());
        if all { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    work.into_iter().filter_map(|(_, outcome)| outcome).collect()
}

async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> Outcome<T> {
    tokio::time::timeout(PATIENCE, work).await.map_err(|_| {
        Failure::advised(
            Cause::CheckFailed,
            format!("{what} is not done after {} seconds", PATIENCE.as_secs()),
            "run the demo again with --keep DIR and look at relay.log there",
        )
    })
}

fn task_ended(_: tokio::task::JoinError) -> Failure {
    Failure::new(Cause::Internal, "a task of the demo has ended early")
}
