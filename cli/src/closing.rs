//! The end of a case: `kring case close`, `hold` and `erase`; and who answers for the family, who holds the case, and how
//! far its end is.
//!
//! What has to come first is said before the library refuses it. Erasing is asked about: it destroys what everybody has.
//! Who has attested it and who has not is told as it is; a missing attestation is never assumed.

mod lines;

use std::io::{self, IsTerminal as _, Write};

use clap::{Args, ValueEnum};
use kring_client::api::{Case, Changed, ClientEvent, Events, Link, Pending};
use kring_client::case::{
    CaseId, CaseState, CaseStatus, CaseView, ClosingStage, Duties, ErasureReport, FileStatement, Role,
};
use kring_client::conversation::{CommandError, Event};
use serde::Serialize;

use crate::lines::visible;
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::{Line, Output};
use crate::session::{Session, in_step};
use crate::words::say;

use self::lines::silent;

pub(crate) use self::lines::{DutiesLine, ErasureLine, waiting};

/// Arguments of `kring case close`.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES:
  kring case close familie --propose 30        the coordinator: to be closed, and to be erased 30 days later
  kring case close familie --state exported    each organisation: what we have to keep is in our own file
  kring case close familie --state not-needed
  kring case close familie                     the coordinator, once every organisation has stated
  kring case close familie --withdraw          not yet

A closed case is read only, for good. Open alerts, tasks and handovers are ended first.")]
pub(crate) struct CloseArguments {
    /// The case: the beginning of its title or id.
    case: String,
    /// Propose to close it, and to erase it so many days after that.
    #[arg(long, value_name = "DAYS", conflicts_with_all = ["state", "withdraw"])]
    propose: Option<u64>,
    /// State for your organisation what becomes of its own file.
    #[arg(long, value_enum, conflicts_with = "withdraw")]
    state: Option<StatementArgument>,
    /// Take the proposal back.
    #[arg(long)]
    withdraw: bool,
}

/// What becomes of an organisation's own file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatementArgument {
    /// What has to be kept is in our own file
    Exported,
    /// We have nothing to keep
    NotNeeded,
}

/// Arguments of `kring case hold`.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES:
  kring case hold familie                           your organisation holds it: nobody can erase it
  kring case hold familie --lift                    it does so no longer
  kring case hold familie --lift opvang.example     the coordinator, for an organisation that has left the case")]
pub(crate) struct HoldArguments {
    /// The case: the beginning of its title or id.
    case: String,
    /// Lift the hold of your organisation, or of this one.
    #[arg(long, value_name = "DOMAIN", num_args = 0..=1, default_missing_value = "")]
    lift: Option<String>,
}

/// Arguments of `kring case erase`.
#[derive(Debug, Args)]
#[command(after_help = "\
EXAMPLES:
  kring case erase familie                      asks first: type the title
  kring case erase familie --yes                without a question
  kring case erase --report                     who has attested that it is gone, and who has not
  kring case erase 3fa21bcd --without-waiting   have the relay erase it although some are missing

Everything that was said in the case is destroyed on every device and at the relay, for good. A
device that is not online destroys it when it is. While it is being erased a case has no title:
it is named by its id, which --report shows.")]
pub(crate) struct EraseArguments {
    /// The case: the beginning of its title or id.
    #[arg(required_unless_present = "report")]
    case: Option<String>,
    /// Do not wait for devices that have not attested; they stay reported as missing.
    #[arg(long, conflicts_with = "report")]
    without_waiting: bool,
    /// Show who has attested that the case is destroyed, and who has not.
    #[arg(long)]
    report: bool,
    /// Without a question.
    #[arg(long, conflicts_with = "report")]
    yes: bool,
}

/// The case was changed.
#[derive(Serialize)]
#[serde(tag = "type", rename = "changed")]
struct ChangedLine {
    case: String,
    /// `closing_proposed`, `closing_withdrawn`, `stated`, `closed`, `held` or `lifted`.
    change: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    organisation: Option<String>,
    #[serde(skip)]
    shown: String,
}

impl Line for ChangedLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.shown)
    }
}

/// How far the erasure of a case is, if this device has ordered it or takes part in it.
pub(crate) async fn erasure(session: &Session, case: CaseId) -> Outcome<Option<ErasureLine>> {
    let reports = session.client.erasures().await?;
    Ok(reports.iter().find(|report| report.case == case).map(ErasureLine::from))
}

async fn done(session: &Session, pending: Pending<Changed>, line: ChangedLine, output: Output) -> Outcome {
    session.done(pending, &say!("waits-for-relay")).await?;
    output.print(&line)
}

fn changed(case: &Case, change: &'static str, organisation: Option<String>, shown: String) -> ChangedLine {
    ChangedLine { case: case.id().to_hex(), change, organisation, shown }
}

/// Whether this device's user coordinates the case; who does, if not.
fn coordinates(view: &CaseView, state: &CaseState) -> Outcome {
    match (view.role, state.members().coordinator()) {
        (Role::Coordinator, _) => Ok(()),
        (Role::Deputy | Role::Member | Role::Observer, Some(who)) => {
            let advice = say!("close-ask-coordinator", who = who.as_str());
            Err(Failure::advised(Cause::Refused, say!("close-coordinator-only"), advice))
        }
        (Role::Deputy | Role::Member | Role::Observer, None) => Err(CommandError::Role.into()),
    }
}

/// Runs `kring case close`.
pub(crate) async fn close(session: &Session, arguments: CloseArguments, output: Output) -> Outcome {
    session.try_to_catch_up().await?;
    let (case, view) = session.case(&arguments.case).await?;
    in_step(&view)?;
    let state = case.state().await?;
    let domain = session.client.address().professional.domain().to_owned();
    let duties = state.duties();
    let (pending, line) = match (arguments.propose, arguments.state, arguments.withdraw) {
        (Some(days), _, _) => {
            coordinates(&view, &state)?;
            is_finished(&state)?;
            if duties.stage() == Some(ClosingStage::Proposed) {
                return Err(Failure::advised(Cause::Refused, say!("close-proposed"), say!("close-proposed-advice")));
            }
            let shown = say!("closing-proposed", days = days);
            (case.propose_closing(days).await?, changed(&case, "closing_proposed", None, shown))
        }
        (None, Some(statement), _) => {
            is_proposed(duties)?;
            let (statement, shown) = match statement {
                StatementArgument::Exported => {
                    (FileStatement::Exported, say!("closing-exported", organisation = domain.as_str()))
                }
                StatementArgument::NotNeeded => {
                    (FileStatement::NotNeeded, say!("closing-not-needed", organisation = domain.as_str()))
                }
            };
            (case.state_file(statement).await?, changed(&case, "stated", Some(domain), shown))
        }
        (None, None, true) => {
            coordinates(&view, &state)?;
            is_proposed(duties)?;
            (case.withdraw_closing().await?, changed(&case, "closing_withdrawn", None, say!("closing-withdrawn")))
        }
        (None, None, false) => {
            coordinates(&view, &state)?;
            is_proposed(duties)?;
            is_finished(&state)?;
            let silent = silent(&state);
            if !silent.is_empty() {
                let what = say!("close-silent", organisations = silent.join(", "));
                return Err(Failure::advised(Cause::Refused, what, say!("close-silent-advice")));
            }
            (case.close().await?, changed(&case, "closed", None, say!("closing-closed")))
        }
    };
    done(session, pending, line, output).await
}

/// Whether closing is proposed, and not more.
fn is_proposed(duties: &Duties) -> Outcome {
    match duties.stage() {
        Some(ClosingStage::Proposed) => Ok(()),
        None => Err(Failure::advised(Cause::Refused, say!("close-not-proposed"), say!("close-propose-first"))),
        Some(ClosingStage::Closed | ClosingStage::Erasing) => Err(CommandError::Closed.into()),
    }
}

/// Whether nothing is open that has to be ended before.
fn is_finished(state: &CaseState) -> Outcome {
    let (alerts, tasks) = (state.open_alerts().count(), state.open_tasks().count());
    let handovers = state.open_handovers().count();
    if alerts + tasks + handovers == 0 {
        return Ok(());
    }
    let what = say!("close-unfinished", alerts = alerts, tasks = tasks, handovers = handovers);
    Err(Failure::advised(Cause::Refused, what, say!("close-unfinished-advice")))
}

/// Runs `kring case hold`.
pub(crate) async fn hold(session: &Session, arguments: HoldArguments, output: Output) -> Outcome {
    session.try_to_catch_up().await?;
    let (case, view) = session.case(&arguments.case).await?;
    in_step(&view)?;
    let own = session.client.address().professional.domain().to_owned();
    let (pending, line) = match arguments.lift {
        None => {
            let shown = say!("hold-held", organisation = own.as_str());
            (case.hold().await?, changed(&case, "held", Some(own), shown))
        }
        Some(domain) => {
            let domain = if domain.is_empty() { own } else { domain.to_lowercase() };
            if !case.duties().await?.1.holds().contains(&domain) {
                let what = say!("hold-none", organisation = domain.as_str());
                return Err(Failure::advised(Cause::Refused, what, say!("no-such-member-advice")));
            }
            let shown = say!("hold-lifted", organisation = domain.as_str());
            (case.lift_hold(domain.as_str()).await?, changed(&case, "lifted", Some(domain), shown))
        }
    };
    done(session, pending, line, output).await
}

/// Runs `kring case erase`.
pub(crate) async fn erase(session: &Session, arguments: EraseArguments, output: Output) -> Outcome {
    let mut events = session.client.events();
    session.try_to_catch_up().await?;
    if arguments.report {
        return report(session, &mut events, arguments.case.as_deref(), output).await;
    }
    let words = arguments.case.unwrap_or_default();
    let (case, view) = session.case(&words).await?;
    in_step(&view)?;
    if view.status != CaseStatus::Erasing {
        let state = case.state().await?;
        coordinates(&view, &state)?;
        can_be_erased(state.duties())?;
        if !arguments.yes && !confirmed(&view.title)? {
            return Err(Failure::advised(Cause::Usage, say!("erase-not-confirmed"), say!("erase-yes-advice")));
        }
        session.done(case.erase().await?, &say!("waits-for-relay")).await?;
    }
    if arguments.without_waiting {
        case.finish_erasing().await?;
    }
    let gone = events.find(|event| match event {
        ClientEvent::Conversation(Event::Erased { report }) if report.case == case.id() => Some(()),
        _ => None,
    });
    // Whether it has come or not, the report says how far it is.
    let waited = tokio::time::timeout(session.wait, gone).await.ok().flatten();
    if let Some(line) = erasure(session, case.id()).await? {
        output.print(&line)?;
    }
    match waited {
        Some(()) => Ok(()),
        None => Err(Failure::advised(Cause::Pending, say!("erase-pending"), say!("erase-pending-advice"))),
    }
}

/// Whether the case is at its end, and nobody holds it.
fn can_be_erased(duties: &Duties) -> Outcome {
    if duties.stage() != Some(ClosingStage::Closed) {
        return Err(Failure::advised(Cause::Refused, say!("erase-not-closed"), say!("erase-close-first")));
    }
    if !duties.holds().is_empty() {
        let what = say!("erase-held", organisations = duties.holds().join(", "));
        return Err(Failure::advised(Cause::Refused, what, say!("erase-held-advice")));
    }
    Ok(())
}

async fn report(session: &Session, events: &mut Events, words: Option<&str>, output: Output) -> Outcome {
    let wanted = words.unwrap_or_default().to_lowercase();
    session.outbox_empty().await?;
    let mut reports = session.client.erasures().await?;
    // The last attestation may just have come: then the order to the relay is on its way.
    let own = session.client.address();
    let on_its_way = |report: &&ErasureReport| {
        report.by == *own
            && report.missing.is_empty()
            && report.at_relay.is_none()
            && session.client.status().link == Link::Connected
    };
    let ordered: Vec<_> = reports.iter().filter(on_its_way).map(|report| report.case).collect();
    for case in ordered {
        let erased = events.find(|event| match event {
            ClientEvent::Conversation(Event::Erased { report }) if report.case == case => Some(()),
            _ => None,
        });
        // Whether it has come or not, the report says how far it is.
        let _come = tokio::time::timeout(session.wait, erased).await;
    }
    reports = session.client.erasures().await?;
    // A case that is still being erased has no title any more; its id is all that names it.
    reports.retain(|report| report.case.to_hex().starts_with(&wanted));
    if reports.is_empty() {
        let none = || Failure::advised(Cause::Usage, say!("erase-no-report"), say!("erase-no-report-advice"));
        return match words {
            Some(_) => Err(none()),
            None => {
                output.note(&say!("erase-no-report"));
                Ok(())
            }
        };
    }
    reports.iter().try_for_each(|report| output.print(&ErasureLine::from(report)))
}

fn confirmed(title: &str) -> Outcome<bool> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    let title = visible(title);
    // Nobody is left to ask if standard error is closed.
    let _ = write!(io::stderr().lock(), "{} ", say!("erase-question", title = title.as_str()));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(|error| {
        let what = say!("input-cannot-be-read", reason = error.to_string());
        Failure::advised(Cause::Failed, what, say!("erase-yes-advice"))
    })?;
    Ok(answer.trim() == title.trim())
}
