//! `kring admin approve`: signs what new devices and devices whose certificate ends have left at the relays.
//!
//! A request counts only if it opens under the secret of a ticket of this ledger: then it was made by who holds the ticket,
//! and nobody has changed it. The person is shown before anything is signed, unless `--auto`. What was signed is kept
//! (`issued/`) and written down before it is answered, so that an answer that was lost is given again and a ticket
//! never gets two certificates.

use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use kring_client::enrolment::Office;
use serde::Serialize;

use self::desk::Desk;
use super::keys::Keys;
use super::office::Pass;
use super::organisation::Organisation;
use super::relay::used::{self, UsedRelay};
use super::revoke::ListSigned;
use super::{folder, lists, region};
use crate::clock::{self, Stopwatch};
use crate::outcome::{Cause, Failure, Outcome};
use crate::output::{Line, Output};

mod desk;

/// How often the relays are asked, beside being told.
const ROUND: Duration = Duration::from_secs(60);
/// How often is looked whether another command has changed the folder.
const LOOK: Duration = Duration::from_secs(2);
/// Wait before a relay that cannot be reached is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// Arguments of `kring admin approve`.
#[derive(Debug, Args)]
pub(super) struct ApproveArguments {
    /// Sign without asking, and go on until Ctrl-C; renews lists of revoked certificates too.
    #[arg(long)]
    auto: bool,
    /// Only for the organisation with this domain.
    #[arg(long, value_name = "DOMAIN")]
    organisation: Option<String>,
}

impl ApproveArguments {
    /// Whether it signs without asking, until it is stopped.
    pub(super) fn is_auto(&self) -> bool {
        self.auto
    }
}

/// Approves.
pub(super) async fn approve(
    arguments: ApproveArguments,
    folder: &Path,
    wait: Duration,
    keys: &Keys,
    output: Output,
) -> Outcome {
    let only = arguments.organisation.as_deref();
    let desks = Desks::open(folder, only, arguments.auto, keys, output)?;
    if arguments.auto { always(desks, folder, output).await } else { once(desks, wait, output).await }
}

/// Looks until something was decided, or the time is over.
async fn once(desks: Desks<'_>, wait: Duration, output: Output) -> Outcome {
    let Desks { mut desks, relays, folder, keys, .. } = desks;
    let begun = Stopwatch::start();
    publish_lists(&mut desks, folder, keys, output).await?;
    let mut offices = Vec::new();
    for (place, desk) in desks.iter().enumerate() {
        for relay in &relays {
            offices.push((place, desk.pass.connect(relay).await?));
        }
    }
    loop {
        let mut decided = 0;
        for (place, office) in &offices {
            decided += desks[*place].serve(office, &relays).await?;
        }
        if decided > 0 {
            break;
        }
        let left = wait.saturating_sub(begun.passed());
        if left.is_zero() {
            output.note("nothing waits to be approved; `kring admin list` shows open invitations");
            break;
        }
        any(offices.iter().map(|(_, office)| office), left).await?;
    }
    for (_, office) in offices {
        office.close().await;
    }
    Ok(())
}

/// Signs and hands over the list of each organisation that has none yet, or whose list is half over. Who comes in by
/// an approval is told of no leaver by a relay that hides the organisation's first list, so there is one before.
async fn publish_lists(desks: &mut [Desk], folder: &Path, keys: &Keys, output: Output) -> Outcome {
    for desk in desks {
        if !lists::is_due(&desk.organisation, clock::now())? {
            continue;
        }
        desk.lists = lists::of_organisation(&desk.organisation, folder, lists::DAYS_BY_HAND, keys)?;
        if desk.lists.is_empty() {
            // Revoked by its region: nobody believes a list of it any more.
            continue;
        }
        for list in &desk.lists {
            output.print(&ListSigned::of(list))?;
        }
        desk.hand_over(folder, keys).await?;
        output.note(
            "Until the next list is due, sign it with `kring admin approve` or `kring admin crl refresh`, or leave\n\
             `kring admin approve --auto` running: without it, members are warned, and three days later stop sending.",
        );
    }
    Ok(())
}

/// Waits until one of the relays says that something waits, or for this long.
async fn any(offices: impl Iterator<Item = &Office>, most: Duration) -> Outcome {
    let mut waiting: Vec<_> = offices.map(|office| Box::pin(office.something_waits())).collect();
    let first = std::future::poll_fn(|context| {
        for one in &mut waiting {
            if let std::task::Poll::Ready(done) = one.as_mut().poll(context) {
                return std::task::Poll::Ready(done);
            }
        }
        std::task::Poll::Pending
    });
    match tokio::time::timeout(most, first).await {
        Ok(done) => Ok(done?),
        Err(_) => Ok(()),
    }
}

/// Serves until it is stopped. A relay that cannot be reached is told about once, and tried again.
async fn always(mut desks: Desks<'_>, folder: &Path, output: Output) -> Outcome {
    output.print(&Serving { organisations: desks.desks.len(), relays: desks.relays.len() })?;
    let mut told: Option<String> = None;
    loop {
        let now = clock::now();
        let mut trouble = desks.keep_up().err().map(|failure| failure.what);
        let Desks { desks: served, relays, keys, .. } = &mut desks;
        let mut of_region = None;
        if lists::is_regions_due(folder, now)? {
            match lists::of_region(folder, lists::DAYS, keys) {
                Ok(signed) => of_region = Some(signed),
                Err(failure) => trouble = Some(failure.what),
            }
        }
        for desk in served.iter_mut() {
            if !desk.pass.is_fresh(now) {
                desk.pass = Rc::new(Pass::issue(&desk.organisation, &desk.authority)?);
                desk.offices.clear();
            }
            if lists::is_due(&desk.organisation, now)? {
                desk.lists.retain(|list| list.domain().is_none());
                desk.lists.extend(lists::of_organisation(&desk.organisation, folder, lists::DAYS, keys)?);
            }
            // A region has no way of its own to the relays.
            desk.lists.extend(of_region.take());
            if !desk.lists.is_empty() {
                trouble = desk.hand_over(folder, keys).await.err().map(|failure| failure.what).or(trouble);
            }
            desk.offices.retain(|place, _| relays.iter().any(|relay| relay.address.to_string() == *place));
            for relay in relays.iter() {
                match desk.serve_at(relay, relays).await {
                    Ok(()) => {}
                    Err(failure) if matches!(failure.cause, Cause::Unreachable | Cause::Refused) => {
                        trouble = Some(format!("{}: {}", relay.address, failure.what));
                    }
                    Err(failure) => return Err(failure),
                }
            }
        }
        if trouble != told {
            if let Some(trouble) = &trouble {
                output.note(trouble);
            }
            told = trouble;
        }
        let offices = || desks.desks.iter().flat_map(|desk| desk.offices.values());
        if offices().count() < desks.desks.len() * desks.relays.len() {
            tokio::time::sleep(AGAIN).await;
            continue;
        }
        let woken = tokio::select! {
            woken = any(offices(), ROUND) => woken,
            () = desks.changed() => Ok(()),
        };
        if woken.is_err() {
            // The connection has ended: the next round finds out which and makes another one.
            desks.desks.iter_mut().for_each(|desk| desk.offices.clear());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// All organisations that are served, and the relays at which.
struct Desks<'k> {
    desks: Vec<Desk>,
    relays: Vec<UsedRelay>,
    folder: &'k Path,
    /// Domain of the only organisation that is wanted.
    only: Option<String>,
    auto: bool,
    keys: &'k Keys,
    output: Output,
}

impl<'k> Desks<'k> {
    fn open(folder: &'k Path, only: Option<&str>, auto: bool, keys: &'k Keys, output: Output) -> Outcome<Self> {
        let only = only.map(str::to_owned);
        let mut all = Self { desks: Vec::new(), relays: Vec::new(), folder, only, auto, keys, output };
        all.keep_up()?;
        if all.desks.is_empty() {
            return Err(Failure::advised(
                Cause::Failed,
                "there is no organisation in this folder, or none that is not revoked",
                "make it first: kring admin organisation new NAME --domain DOMAIN --function FUNCTION",
            ));
        }
        Ok(all)
    }

    /// The organisations that are wanted now: without those that the region has revoked, which no relay admits.
    fn domains(&self) -> Outcome<Vec<String>> {
        if let Some(domain) = &self.only {
            return Ok(vec![domain.clone()]);
        }
        let revoked = region::revoked(self.folder)?;
        let mut wanted = Vec::new();
        for domain in folder::organisations(self.folder)? {
            if !Organisation::find(self.folder, &domain)?.is_among(&revoked)? {
                wanted.push(domain);
            }
        }
        Ok(wanted)
    }

    /// Returns once another command has changed something in the folder that [`Self::keep_up`] takes in.
    async fn changed(&self) {
        let places = |relays: &[UsedRelay]| relays.iter().map(|relay| relay.address.to_string()).collect::<Vec<_>>();
        loop {
            tokio::time::sleep(LOOK).await;
            let served = |domain: &String| {
                self.desks.iter().any(|desk| desk.domain == *domain && desk.organisation.is_newest())
            };
            let relays = used::all(self.folder).is_ok_and(|relays| places(&relays) != places(&self.relays));
            if relays || self.domains().is_ok_and(|domains| !domains.iter().all(served)) {
                return;
            }
        }
    }

    /// Takes in what another command has changed in the folder: an authority that was renewed, an organisation that
    /// is new or revoked, the relays.
    fn keep_up(&mut self) -> Outcome {
        self.relays = used::all(self.folder)?;
        let domains = self.domains()?;
        self.desks.retain(|desk| domains.contains(&desk.domain));
        for domain in domains {
            let served = self.desks.iter().position(|desk| desk.domain == domain);
            if served.is_some_and(|place| self.desks[place].organisation.is_newest()) {
                continue;
            }
            let organisation = Organisation::find(self.folder, &domain)?;
            let desk = Desk::open(domain, organisation, self.auto, self.keys, self.output)?;
            match served {
                Some(place) => self.desks[place] = desk,
                None => self.desks.push(desk),
            }
        }
        Ok(())
    }
}

/// The program serves.
#[derive(Serialize)]
#[serde(tag = "type", rename = "serving")]
struct Serving {
    organisations: usize,
    relays: usize,
}

impl Line for Serving {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "Signing what waits for {} organisations at {} relays, without asking, until Ctrl-C",
            self.organisations, self.relays
        )
    }
}
