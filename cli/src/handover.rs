//! `kring handover`: responsibility for a family is offered, understood, taken over, or not taken.
//!
//! Every step says what the next one is and whose: whoever hands over stays responsible until it is completed. What cannot
//! be done yet is refused before anybody has written a text for it, with what has to come first (`steps`).

mod arguments;
mod dossier;
mod form;
mod lines;
mod steps;

use std::io::IsTerminal as _;

use kring_client::api::{Case, Changed, Pending};
use kring_client::case::handover::Handover;
use kring_client::case::{CaseState, CaseView, ItemId, Role};
use kring_protocol::address::ProfessionalAddress;

use crate::alert::moment;
use crate::arguments::GlobalArguments;
use crate::clock;
use crate::lines::visible;
use crate::names;
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::Output;
use crate::say::{self};
use crate::session::{Session, in_step};
use crate::text::{edited, editor, file_or_input, text};
use crate::things::{state, thing};
use crate::words::say;

use self::arguments::OfferArguments;
use self::dossier::{SectionLine, Wishes};
use self::form::OfferForm;
use self::lines::StepLine;

pub(crate) use self::arguments::HandoverCommand;
pub(crate) use self::lines::HandoverLine;

/// Runs `kring handover`.
pub(crate) async fn run(command: HandoverCommand, global: &GlobalArguments, output: Output) -> Outcome {
    let session = Session::open(global, output).await?;
    let done = act(&session, command, global, output).await;
    session.close().await;
    done
}

async fn act(session: &Session, command: HandoverCommand, global: &GlobalArguments, output: Output) -> Outcome {
    session.try_to_catch_up().await?;
    let (case, view) = session.case(command.case()).await?;
    let place = Place { session, case: &case, view: &view, global, output };
    match command {
        HandoverCommand::Offer(arguments) => place.offer(*arguments).await,
        HandoverCommand::List { all, as_of, .. } => place.list(all, as_of).await,
        HandoverCommand::Show { handover, as_of, .. } => place.show(handover, as_of).await,
        HandoverCommand::Open { section, handover, .. } => place.open(section, handover).await,
        step => {
            in_step(&view)?;
            place.step(step).await
        }
    }
}

/// One command's case, and where its answer goes.
struct Place<'a> {
    session: &'a Session,
    case: &'a Case,
    view: &'a CaseView,
    global: &'a GlobalArguments,
    output: Output,
}

impl Place<'_> {
    fn own(&self) -> &ProfessionalAddress {
        &self.session.client.address().professional
    }

    fn write(&self, given: Option<String>) -> Outcome<String> {
        text(given, &self.global.profile, "", self.output)
    }

    async fn offer(&self, arguments: OfferArguments) -> Outcome {
        in_step(self.view)?;
        steps::can_be_offered(&self.case.state().await?)?;
        let (preview, template, input) = (arguments.preview, arguments.template, arguments.input.clone());
        let mut wishes = Wishes::of(&arguments);
        let mut form = match &input {
            Some(file) => OfferForm::read(&file_or_input(file, self.output)?)?,
            None => OfferForm::default(),
        };
        form.take(arguments);
        if !preview && !template && form.lacks_words() {
            if let Some(editor) = editor().filter(|_| input.is_none() && std::io::stdin().is_terminal()) {
                form = OfferForm::read(&edited(&editor, &self.global.profile, &form.to_edit())?)?;
            }
            form.is_whole()?;
        }
        wishes.form(form.dossier.take(), self.output)?;
        let state = self.case.state().await?;
        let (choice, left_out) = dossier::choose(self.case, &state, &self.view.title, &wishes).await?;
        if template {
            form.dossier = Some(dossier::spelled_out(&choice));
            return self.output.plain(&form.to_json());
        }
        let shown = self.case.preview_dossier(choice.clone()).await?;
        if preview {
            for line in SectionLine::preview(&choice, &shown) {
                self.output.print(&line)?;
            }
            if shown.is_empty() {
                self.output.note(&say!("dossier-empty"));
            }
            for line in dossier::left_out(self.case, &left_out).await? {
                self.output.print(&line)?;
            }
            self.output.note(&say!("dossier-preview-only"));
            return self.session.viewed(self.view.case, "dossier", shown.len() as u64).await;
        }
        let members = self.case.members().await?;
        let person = |words: &str| {
            let found = names::member(&members, words).cloned();
            found.map_err(|failure| Failure { advice: Some(say!("handover-add-first")), ..failure })
        };
        let (id, pending) = self.case.offer_handover(form.draft(person)?, choice).await?;
        if !left_out.is_empty() {
            self.output.note(&say!("dossier-left-out-count", count = left_out.len()));
        }
        self.done(pending, StepLine::new(self.case, id, "offered", None)).await
    }

    async fn list(&self, all: bool, as_of: Option<u64>) -> Outcome {
        let state = state(self.case, as_of).await?;
        let closed: Vec<_> = if all { state.closed_handovers().collect() } else { Vec::new() };
        let mut count = 0;
        for (id, handover) in closed.into_iter().chain(state.open_handovers()) {
            self.output.print(&HandoverLine::of(&self.case.id().to_hex(), id, handover, false))?;
            count += 1;
        }
        if count == 0 {
            self.output.note(&say!("handover-none"));
        }
        self.session.viewed(self.view.case, "handovers", count).await
    }

    async fn show(&self, words: Option<String>, as_of: Option<u64>) -> Outcome {
        let state = state(self.case, as_of).await?;
        let (id, handover) = match words {
            // The latest of those that have ended, if none is open.
            None if state.open_handovers().next().is_none() => {
                state.closed_handovers().last().ok_or_else(no_handover)?
            }
            words => one(&state, words.as_deref(), |_| true)?,
        };
        self.output.print(&HandoverLine::of(&self.case.id().to_hex(), id, handover, true))?;
        self.session.viewed(self.view.case, "handovers", 1).await
    }

    async fn open(&self, section: Option<u64>, words: Option<String>) -> Outcome {
        let own = self.own();
        received(self.session, self.case).await?;
        let now = self.case.state().await?;
        let receives = |handover: &Handover| handover.reception(own).is_some();
        let (id, handover) = one(&now, words.as_deref(), receives)?;
        let section = steps::section(handover, own, section)?;
        let index = section - 1;
        let read = self.case.open_section(id, index).await?;
        let sections = handover.offer.dossier.len();
        self.output.print(&SectionLine::received(section, sections, &read))?;
        self.session.viewed(self.view.case, "dossier", read.entries.len() as u64).await?;
        self.session.outbox_empty().await?;
        let now = self.case.state().await?;
        if let Some(reception) = now.handover(id).filter(|now| now.is_open()).and_then(|now| now.reception(own)) {
            self.output.note(&match reception.opened.len() {
                opened if opened < sections => {
                    say!("dossier-opened-some", opened = opened, sections = sections)
                }
                _ if reception.synthesis.is_none() => say!("dossier-opened-all"),
                _ => return Ok(()),
            });
        }
        Ok(())
    }

    /// One step of a handover that stands.
    async fn step(&self, command: HandoverCommand) -> Outcome {
        let own = self.own();
        let now = self.case.state().await?;
        let receives = |handover: &Handover| handover.reception(own).is_some();
        let sends = |handover: &Handover| handover.from == *own;
        let either = |handover: &Handover| receives(handover) || sends(handover);
        let mut note = None;
        let sent = match command {
            HandoverCommand::Ask { text, handover, .. } => {
                let (id, of) = one(&now, handover.as_deref(), receives)?;
                steps::receives(of, own)?;
                self.case.ask(id, self.write(text)?).await?
            }
            HandoverCommand::Answer { text, question, handover, .. } => {
                let (id, of) = one(&now, handover.as_deref(), sends)?;
                steps::sends(of, own)?;
                let open: Vec<_> = of.questions.iter().filter(|question| question.answer.is_none()).collect();
                if open.is_empty() {
                    return Err(Failure::new(Cause::Refused, say!("handover-no-question")));
                }
                let open: Vec<_> = open.iter().map(|asked| (asked.item, visible(&asked.text))).collect();
                let question = thing(&open, question.as_deref())?;
                self.case.answer(id, question, self.write(text)?).await?
            }
            HandoverCommand::Understand { text, handover, .. } => {
                let (id, of) = one(&now, handover.as_deref(), receives)?;
                steps::understands(of, own)?;
                note = Some(say!("step-understood", from = of.from.as_str()));
                self.case.understand(id, self.write(text)?).await?
            }
            HandoverCommand::Correct { text, receiver, handover, .. } => {
                let (id, of) = one(&now, handover.as_deref(), sends)?;
                let receiver = steps::to_be_confirmed(of, own, receiver.as_deref())?.who.clone();
                self.case.correct(id, &receiver, self.write(text)?).await?
            }
            HandoverCommand::Confirm { receiver, handover, .. } => {
                let (id, of) = one(&now, handover.as_deref(), sends)?;
                let reception = steps::to_be_confirmed(of, own, receiver.as_deref())?;
                let line = StepLine::new(self.case, id, "confirmed", Some(reception.who.to_string()));
                return self.done(self.case.confirm(id, &reception.who).await?, line).await;
            }
            HandoverCommand::Ready { start, handover, .. } => {
                let (id, of) = one(&now, handover.as_deref(), receives)?;
                steps::is_ready(of, own)?;
                let start = moment(&start)?;
                let line = StepLine::new(self.case, id, "ready", Some(clock::local(start)));
                return self.done(self.case.ready(id, start).await?, line).await;
            }
            HandoverCommand::Complete { handover, .. } => {
                let (id, of) = one(&now, handover.as_deref(), either)?;
                steps::completes(of, own)?;
                let line = StepLine::new(self.case, id, "completed", Some(lines::receivers(of)));
                return self.done(self.case.complete(id).await?, line).await;
            }
            HandoverCommand::Decline { reason, handover, .. } => {
                let (id, of) = one(&now, handover.as_deref(), receives)?;
                steps::declines(of, own)?;
                let pending = self.case.end_handover(id, self.write(reason)?).await?;
                return self.done(pending, StepLine::new(self.case, id, "declined", None)).await;
            }
            HandoverCommand::Withdraw { reason, handover, .. } => {
                let (id, of) = one(&now, handover.as_deref(), sends)?;
                let manages = matches!(self.view.role, Role::Coordinator | Role::Deputy);
                let stands = now.duties().handover(id).is_some();
                let step = steps::withdraws(of, own, manages, stands)?;
                let pending = self.case.end_handover(id, self.write(reason)?).await?;
                return self.done(pending, StepLine::new(self.case, id, step, None)).await;
            }
            HandoverCommand::Offer(_)
            | HandoverCommand::List { .. }
            | HandoverCommand::Show { .. }
            | HandoverCommand::Open { .. } => return Ok(()),
        };
        self.output.print(&say::relayed(self.session, self.case, sent, self.global.offline).await?)?;
        if let Some(note) = note {
            self.output.note(&note);
        }
        Ok(())
    }

    async fn done(&self, pending: Pending<Changed>, line: StepLine) -> Outcome {
        self.session.done(pending, &say!("waits-for-relay")).await?;
        // The reason that goes with an end follows the change.
        self.session.outbox_empty().await?;
        self.output.print(&line)
    }
}

/// This device says by itself that it has a dossier, and only then sections count as opened: waits until that stands in
/// the log, if there is something to wait for.
pub(crate) async fn received(session: &Session, case: &Case) -> Outcome {
    let own = &session.client.address().professional;
    let state = case.state().await?;
    let awaited = |handover: &Handover| {
        handover.is_open() && handover.reception(own).is_some_and(|reception| reception.received.is_none())
    };
    if state.open_handovers().any(|(_, handover)| awaited(handover)) {
        session.outbox_empty().await?;
    }
    Ok(())
}

/// The handover that is meant: by its id among all; without one the only open one that fits, or the only open one.
fn one<'s>(
    state: &'s CaseState,
    words: Option<&str>,
    fits: impl Fn(&Handover) -> bool,
) -> Outcome<(ItemId, &'s Handover)> {
    let named = |(id, of): (ItemId, &Handover)| (id, visible(&of.offer.scope));
    let mut candidates: Vec<_> = state.open_handovers().filter(|(_, of)| fits(of)).map(named).collect();
    if words.is_some() {
        candidates = state.open_handovers().chain(state.closed_handovers()).map(named).collect();
    } else if candidates.is_empty() {
        candidates = state.open_handovers().map(named).collect();
    }
    if candidates.is_empty() {
        return Err(no_handover());
    }
    let id = thing(&candidates, words)?;
    Ok((id, state.handover(id).ok_or_else(no_handover)?))
}

fn no_handover() -> Failure {
    Failure::advised(Cause::Usage, say!("handover-none-open"), say!("handover-none-advice"))
}
