//! Plays what people do about an alert, the safety plan and a handover. Each waits until whoever acts has seen what was
//! done before, as somebody has who looks at a screen.

use std::time::Duration;

use kring_client::api::{Changed, NotOffered, Pending};
use kring_client::case::alert::{Acknowledging, AlertSays};
use kring_client::case::dossier::DossierSection;
use kring_client::case::plan::PlanSays;
use kring_client::case::{CaseState, ContentHash, ItemId, Statement};
use kring_protocol::ids::Seq;

use super::super::scenario::{Deed, Handing, Raised, Step, What, Who};
use super::super::timeline::StepLine;
use super::{LOOK, Play, in_time};
use crate::alert::functions;
use crate::clock;
use crate::outcome::{Cause, Failure, Outcome};

/// An alert that was raised.
pub(in crate::demo) struct PlayedAlert {
    /// The item that raised it.
    pub(in crate::demo) alert: ItemId,
    /// Steps of its ladder that the script waited for.
    pub(in crate::demo) steps: u64,
}

/// A version of the plan that was drafted.
pub(in crate::demo) struct PlayedPlan {
    /// The item.
    pub(in crate::demo) plan: ItemId,
    /// What was written, by its hash.
    pub(in crate::demo) hash: ContentHash,
    /// Who approved it.
    pub(in crate::demo) approved: Vec<Who>,
}

/// A handover that was offered.
pub(in crate::demo) struct PlayedHandover {
    /// The item that offers it.
    pub(in crate::demo) handover: ItemId,
    /// Who offered it.
    pub(in crate::demo) from: Who,
    /// The record of its offer: what stands before it could be handed over.
    pub(in crate::demo) offered: Seq,
    /// Each receiver, and the dossier as they opened it.
    pub(in crate::demo) opened: Vec<(Who, Vec<DossierSection>)>,
    /// Who it was to be received by.
    pub(in crate::demo) handing: Handing,
    /// It was completed.
    pub(in crate::demo) completed: bool,
}

impl Play<'_> {
    /// Plays one deed.
    pub(super) async fn deed(&mut self, step: &Step, deed: &Deed) -> Outcome<StepLine> {
        self.settle().await?;
        if let Some(by) = deed.by() {
            self.in_step(by).await?;
        }
        match deed {
            Deed::Raise { by, raised } => self.raise(step, *by, raised).await,
            Deed::Acknowledge { by, acts } => {
                let alert = self.alert()?.alert;
                let how = if *acts { Acknowledging::TakesAction } else { Acknowledging::SeenOnly };
                let says = AlertSays::Acknowledge { alert, how, next_update_by: None };
                let record = self.state(*by, Statement::Alert(says)).await?.1;
                let text = if *acts { "takes action: the ladder stops" } else { "has seen it, and does not act" };
                Ok(self.line(step, "alert", *by, text.to_owned(), Some(record)))
            }
            Deed::Escalated(count) => self.escalated(step, *count).await,
            Deed::Resolve { by, outcome } => {
                let says = AlertSays::Resolve { alert: self.alert()?.alert, outcome: outcome.clone() };
                let record = self.state(*by, Statement::Alert(says)).await?.1;
                Ok(self.line(step, "alert", *by, format!("ends the alert: {outcome}"), Some(record)))
            }
            Deed::Draft { by, content } => {
                let state = self.player(*by).case()?.state().await?;
                let parents: Vec<_> = state.active_plan().map(|(id, _)| id).into_iter().collect();
                let says = PlanSays::Draft { parents, plan: (**content).clone() };
                let (plan, record) = self.state(*by, Statement::Plan(says)).await?;
                let hash = content.hash();
                self.played.plans.push(PlayedPlan { plan, hash, approved: Vec::new() });
                let text = format!("drafts a safety plan, hash {}: {}", short(&hash), content.worry);
                Ok(self.line(step, "plan", *by, text, Some(record)))
            }
            Deed::Propose { by, functions: asked } => {
                let (plan, hash) = self.plan()?;
                let says = PlanSays::Propose { plan, hash, functions: asked.clone() };
                let record = self.state(*by, Statement::Plan(says)).await?.1;
                let text = format!("proposes the plan {}, for approval by: {}", short(&hash), functions(asked));
                Ok(self.line(step, "plan", *by, text, Some(record)))
            }
            Deed::Approve(by) => {
                let (plan, hash) = self.plan()?;
                let record = self.state(*by, Statement::Plan(PlanSays::Approve { plan, hash })).await?.1;
                let active = self.player(*by).case()?.state().await?.active_plan().map(|(id, _)| id) == Some(plan);
                if let Some(played) = self.played.plans.last_mut() {
                    played.approved.push(*by);
                }
                let follows = if active { "; it is in force" } else { "" };
                let text = format!("approves the plan {}{follows}", short(&hash));
                Ok(self.line(step, "plan", *by, text, Some(record)))
            }
            Deed::Offer { by, handing } => self.offer(step, *by, handing).await,
            Deed::Open(by) => self.open(step, *by).await,
            Deed::Understand { by, text } => {
                let (handover, sections) = (self.handover()?.handover, self.sections(*by).await?);
                let who = self.player(*by).address.professional.clone();
                self.until(*by, "opening the dossier", |state| {
                    let reception = state.handover(handover)?.reception(&who)?;
                    (reception.opened.len() == sections).then_some(())
                })
                .await?;
                let sent = self.player(*by).case()?.understand(handover, text.clone()).await?;
                let record = in_time("a synthesis", sent.relayed()).await??;
                self.head = self.head.max(record);
                Ok(self.line(step, "handover", *by, format!("in their own words: {text}"), Some(record)))
            }
            Deed::Confirm(by) => {
                let handover = self.handover()?.handover;
                let state = self.player(*by).case()?.state().await?;
                let stands = state.handover(handover).ok_or_else(|| lost("the handover"))?;
                for reception in stands.receptions.iter().filter(|reception| reception.is_to_be_confirmed()) {
                    let pending = self.player(*by).case()?.confirm(handover, &reception.who).await?;
                    self.changed(*by, pending).await?;
                }
                let text = "confirms that this is how it is; and answers for the family until it is completed";
                Ok(self.line(step, "handover", *by, text.to_owned(), Some(self.head)))
            }
            Deed::Ready { by, start } => {
                let pending = self.player(*by).case()?.ready(self.handover()?.handover, *start).await?;
                self.changed(*by, pending).await?;
                let text = format!("can start, from {}", clock::local(*start));
                Ok(self.line(step, "handover", *by, text, Some(self.head)))
            }
            Deed::Complete(by) => {
                let pending = self.player(*by).case()?.complete(self.handover()?.handover).await?;
                self.changed(*by, pending).await?;
                if let Some(played) = self.played.handovers.last_mut() {
                    played.completed = true;
                }
                let handing = self.handover()?.handing.clone();
                let names: Vec<&str> = handing.to.iter().map(|who| self.name(*who)).collect();
                let coordinates = match handing.coordinator {
                    Some(who) => format!("; {} coordinates the case", self.name(who)),
                    None => String::new(),
                };
                let text =
                    format!("completes the handover: {} answers for the family{coordinates}", names.join(", "));
                Ok(self.line(step, "handover", *by, text, Some(self.head)))
            }
        }
    }

    async fn raise(&mut self, step: &Step, by: Who, raised: &Raised) -> Outcome<StepLine> {
        // At a reader's pace those who are asked have the time that the reader takes, and then theirs.
        let raised = Raised { within: raised.within + self.until_escalated(step), ..raised.clone() };
        let (alert, record) = self.state(by, raised.statement(clock::now())).await?;
        self.played.alerts.push(PlayedAlert { alert, steps: 0 });
        let ladder: Vec<_> = raised.ladder.iter().map(|(function, _)| function.clone()).collect();
        let text = format!(
            "URGENT ALERT: {} {} Asked: {}; then, if nobody acts in time: {}",
            raised.what,
            raised.action,
            functions(&raised.functions),
            functions(&ladder)
        );
        Ok(self.line(step, "alert", by, text, Some(record)))
    }

    async fn escalated(&mut self, step: &Step, count: u64) -> Outcome<StepLine> {
        let alert = self.alert()?.alert;
        let watcher = self.members.iter().copied().find(|who| !self.is_offline(*who));
        let watcher = watcher.ok_or_else(|| lost("a member who is online"))?;
        let asked = self
            .until(watcher, "an alert's ladder", |state| {
                let alert = state.alert(alert).filter(|alert| alert.step >= count)?;
                Some(alert.asked().map(str::to_owned))
            })
            .await?;
        if let Some(played) = self.played.alerts.last_mut() {
            played.steps = count;
        }
        self.head = self.head.max(self.player(watcher).case()?.view().await?.seq);
        let asked = asked.map_or_else(|| "nobody is left to ask: call".to_owned(), |asked| functions(&[asked]));
        let text = format!("nobody has taken action in time: the ladder goes up by itself, and asks: {asked}");
        Ok(StepLine::happened(step, "alert", text))
    }

    /// How long the script stands until it waits for the ladder's next step; nothing unless it is paced.
    fn until_escalated(&self, raised: &Step) -> Duration {
        if !self.paced {
            return Duration::ZERO;
        }
        let from = self.scenario.steps.iter().skip_while(|step| step.line != raised.line);
        let before = from.take_while(|step| !matches!(step.what, What::Deed(Deed::Escalated(_))));
        before.map(Step::reading_time).sum()
    }

    async fn offer(&mut self, step: &Step, by: Who, handing: &Handing) -> Outcome<StepLine> {
        let addresses: Vec<_> = self.scenario.people.iter().map(|person| person.address.clone()).collect();
        let case = self.player(by).case()?;
        let organisation = &self.scenario.organisation_of(by).name;
        let suggestion = case.suggest_dossier(organisation.as_str(), &handing.scope).await?;
        let entries: usize = suggestion.choice.sections.iter().map(|section| section.entries.len()).sum();
        let sections = suggestion.choice.sections.len();
        let offered = case.offer_handover(handing.draft(&addresses), suggestion.choice).await;
        let (handover, pending) = offered.map_err(not_offered)?;
        self.changed(by, pending).await?;
        self.played.handovers.push(PlayedHandover {
            handover,
            from: by,
            offered: self.head,
            opened: Vec::new(),
            handing: handing.clone(),
            completed: false,
        });
        let names: Vec<&str> = handing.to.iter().map(|who| self.name(*who)).collect();
        let text = format!(
            "offers {} the handover of \"{}\", with a dossier of {entries} items in {sections} sections: {}",
            names.join(", "),
            handing.scope,
            handing.summary.situation
        );
        Ok(self.line(step, "handover", by, text, Some(self.head)))
    }

    async fn open(&mut self, step: &Step, by: Who) -> Outcome<StepLine> {
        let handover = self.handover()?.handover;
        let who = self.player(by).address.professional.clone();
        // The device says by itself that it has stored the whole dossier.
        self.until(by, "receiving the dossier", |state| state.handover(handover)?.reception(&who)?.received).await?;
        let mut opened = Vec::new();
        for section in 0..self.sections(by).await? as u64 {
            opened.push(self.player(by).case()?.open_section(handover, section).await.map_err(not_offered)?);
        }
        let titles: Vec<String> =
            opened.iter().map(|section| format!("{} ({})", section.title, section.entries.len())).collect();
        let text = format!("opens the dossier, section by section: {}", titles.join(", "));
        if let Some(played) = self.played.handovers.last_mut() {
            played.opened.push((by, opened));
        }
        Ok(self.line(step, "handover", by, text, None))
    }

    async fn sections(&self, by: Who) -> Outcome<usize> {
        let handover = self.handover()?.handover;
        let state = self.player(by).case()?.state().await?;
        state.handover(handover).map(|stands| stands.offer.dossier.len()).ok_or_else(|| lost("the handover"))
    }

    /// Says something of our own kinds, and waits until the relay has it and its author's device counts it.
    async fn state(&mut self, by: Who, statement: Statement) -> Outcome<(ItemId, Seq)> {
        let sent = self.player(by).case()?.state_that(&statement).await?;
        let item = sent.item();
        let record = in_time("what was stated", sent.relayed()).await??;
        self.head = self.head.max(record);
        self.in_step(by).await?;
        Ok((item, record))
    }

    /// Waits until a step of the duties is done.
    async fn changed(&mut self, by: Who, pending: Pending<Changed>) -> Outcome {
        in_time("a step of a handover", pending.done()).await??;
        self.head = self.head.max(self.player(by).case()?.view().await?.seq);
        Ok(())
    }

    /// Waits until a device has read what was done so far.
    async fn in_step(&self, who: Who) -> Outcome {
        let case = self.player(who).case()?;
        let reads = async {
            while case.view().await?.seq < self.head {
                tokio::time::sleep(LOOK).await;
            }
            Ok::<(), Failure>(())
        };
        in_time("reading what was done", reads).await?
    }

    /// Waits until a device's state is so far.
    async fn until<T>(&self, who: Who, what: &str, mut found: impl FnMut(&CaseState) -> Option<T>) -> Outcome<T> {
        let case = self.player(who).case()?;
        let looks = async {
            loop {
                if let Some(found) = found(&case.state().await?) {
                    return Ok::<T, Failure>(found);
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        in_time(what, looks).await?
    }

    fn alert(&self) -> Outcome<&PlayedAlert> {
        self.played.alerts.last().ok_or_else(|| lost("an alert"))
    }

    fn plan(&self) -> Outcome<(ItemId, ContentHash)> {
        self.played.plans.last().map(|played| (played.plan, played.hash)).ok_or_else(|| lost("a plan"))
    }

    fn handover(&self) -> Outcome<&PlayedHandover> {
        self.played.handovers.last().ok_or_else(|| lost("a handover"))
    }

    fn line(&self, step: &Step, kind: &'static str, by: Who, text: String, record: Option<Seq>) -> StepLine {
        StepLine::done(step, self.scenario, (kind, by), &text, record.map(|seq| seq.0))
    }
}

/// As many digits of a hash as people compare at a glance.
fn short(hash: &ContentHash) -> String {
    let mut text = hash.to_hex();
    text.truncate(16);
    text
}

/// What the scenario's check has seen to be there.
fn lost(what: &str) -> Failure {
    Failure::new(Cause::Internal, format!("{what} is missing in the play"))
}

fn not_offered(error: NotOffered) -> Failure {
    match error {
        NotOffered::Dossier(error) => Failure::new(Cause::Refused, error),
        NotOffered::Call(error) => error.into(),
    }
}
