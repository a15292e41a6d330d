//! What one device does: the library with its encrypted store and real MLS, over a relay in a process of its own.
//!
//! Members who are only there to be encrypted to are offline, so that what this process uses is what one device uses.

use std::path::Path;

use kring_client::api::{Case, Client, ClientEvent};
use kring_client::case::task::TaskSays;
use kring_client::case::{CaseId, ItemDraft, Position, Role, Statement};
use kring_client::conversation::Event;
use kring_client::identity::{Profile, RelayAddress, Setup};
use kring_client::store::Unlock;
use rustls_pki_types::CertificateDer;
use tokio::task::JoinSet;

use super::Bench;
use super::ground::Device;
use super::row::{Figure, Row};
use super::scenario::Scenario;
use super::usage::Usage;
use crate::clock::Stopwatch;
use crate::outcome::{Cause, Failure, Outcome};

/// Messages that are sent one after the other.
const ALONE: usize = 300;
/// Messages that are under way at once when many are sent.
const TOGETHER: usize = 32;
/// Members who are added one by one to a case that has all others, so that the cost of one can be told.
const ADDED: usize = 5;
/// Cases of a full profile.
const CASES: usize = 200;
/// Items that a person sees first when a case is opened.
const SCREEN: usize = 50;
/// Name in the relay's certificate.
const HOST: &str = "127.0.0.1";

/// One device: its profile, and what opens it.
struct Member {
    profile: Profile,
    unlock: Unlock,
    client: Client,
}

impl Member {
    async fn open(folder: &Path, device: &Device, root: &CertificateDer<'static>, relay: &str) -> Outcome<Self> {
        let relay: RelayAddress = relay.parse().map_err(|_| internal("an address"))?;
        let setup = Setup {
            chain: device.chain.clone(),
            key: device.key.clone_key(),
            region_roots: vec![root.clone()],
            relay: relay.with_name(HOST).map_err(|_| internal("a name"))?,
            relay_roots: vec![root.clone()],
        };
        let unlock = Unlock::Key(zeroize::Zeroizing::new(rand::random()));
        let profile = Profile::create(folder, &setup, &unlock).map_err(|error| Failure::new(Cause::Failed, error))?;
        let client = Client::open(&profile, &unlock).await?;
        client.caught_up().await?;
        Ok(Self { profile, unlock, client })
    }

    fn professional(&self) -> kring_protocol::address::ProfessionalAddress {
        self.client.address().professional.clone()
    }
}

fn internal(what: &str) -> Failure {
    Failure::new(Cause::Internal, what)
}

/// Messages for each that is a task: of many messages few tasks are open.
const TALK: usize = 100;

/// Something to say.
fn draft(number: usize) -> ItemDraft {
    if number.is_multiple_of(TALK) {
        let (title, text) = (format!("taak {number}"), "wat er moet gebeuren, in een regel".to_owned());
        return Statement::Task(TaskSays::Create { title, text, owner: None, due: None }).draft();
    }
    ItemDraft::markdown(format!("bericht {number}: morgen om tien uur, en neem de papieren mee"))
}

/// Waits until a device shows an item.
async fn shown(events: &mut kring_client::api::Events, case: CaseId) -> Outcome {
    let of_case = |event| match event {
        ClientEvent::Conversation(Event::Item(item)) if item.case == case => Some(()),
        _ => None,
    };
    events.find(of_case).await.ok_or_else(|| internal("a client ended"))
}

/// Waits until a device has so many items of a case.
async fn has(client: &Client, case: &Case, items: usize) -> Outcome {
    let mut events = client.events();
    while case.items(Position(items as u64 - 1), 1).await?.is_empty() {
        shown(&mut events, case.id()).await?;
    }
    Ok(())
}

/// Sends many messages, so many at a time as a person's devices have under way at most, each until it is durable at the
/// relay.
async fn send(case: &Case, count: usize) -> Outcome {
    let mut senders: JoinSet<Outcome> = JoinSet::new();
    for lane in 0..TOGETHER {
        let case = case.clone();
        senders.spawn(async move {
            for number in (lane..count).step_by(TOGETHER) {
                let sent = case.send(draft(number)).await?;
                sent.relayed().await.map_err(|error| Failure::new(Cause::Failed, error))?;
            }
            Ok(())
        });
    }
    while let Some(sender) = senders.join_next().await {
        sender.map_err(|_| internal("a sender ended"))??;
    }
    Ok(())
}

fn milliseconds(watch: &Stopwatch) -> f64 {
    watch.passed().as_secs_f64() * 1e3
}

/// Median and 99th percentile.
fn quantiles(mut times: Vec<f64>) -> [f64; 2] {
    times.sort_by(f64::total_cmp);
    [times[times.len() / 2], times[times.len() * 99 / 100]]
}

impl Bench {
    pub(super) async fn client(&self, scenario: Scenario) -> Outcome<Row> {
        let server = self.server().await?;
        let folder = tempfile::tempdir_in(self.ground.relay())
            .map_err(|error| Failure::file("made", &self.ground.relay(), &error))?;
        let members = self.arguments.members as usize;
        let relay = server.address.to_string();
        let devices = self.ground.professionals(members + ADDED)?;
        let mut people = Vec::new();
        for (number, device) in devices.iter().enumerate() {
            let place = folder.path().join(number.to_string());
            people.push(Member::open(&place, device, self.ground.root(), &relay).await?);
        }
        let [sender, reader, ..] = &people[..] else { return Err(internal("two members")) };
        let case = sender.client.new_case("Gezin van een meting").await?;
        self.progress.says("adding the members");
        for member in &people[1..members] {
            add(&case, member).await?;
        }
        let mut events = reader.client.events();
        let at_reader = loop {
            match reader.client.case(case.id()).await {
                Ok(case) => break case,
                Err(_) => drop(events.next().await),
            }
        };
        reader.client.caught_up().await?;
        for member in &people[1..] {
            member.client.disconnect();
        }
        let own = || Usage::of(std::process::id()).cpu();
        let before = own();
        for member in &people[members..] {
            add(&case, member).await?;
        }
        let mut figures: Vec<Figure> =
            vec![("members", members as f64), ("add_one_cpu_ms", (own() - before) * 1e3 / ADDED as f64)];

        self.progress.says("one message after the other");
        let mut times = Vec::with_capacity(ALONE);
        for number in 0..ALONE {
            let begun = Stopwatch::start();
            let sent = case.send(draft(number)).await?;
            sent.relayed().await.map_err(|error| Failure::new(Cause::Failed, error))?;
            times.push(milliseconds(&begun));
        }
        let [median, slow] = quantiles(times);
        figures.extend([("send_alone_p50_ms", median), ("send_alone_p99_ms", slow)]);

        let items = self.arguments.items as usize;
        self.progress.says(format!("{items} messages"));
        let (before, begun) = (own(), Stopwatch::start());
        send(&case, items).await?;
        let seconds = begun.passed().as_secs_f64();
        figures.extend([
            ("send_together_s", items as f64 / seconds),
            ("send_cpu_us", (own() - before) * 1e6 / items as f64),
        ]);

        self.progress.says("the same read by another");
        let (before, begun) = (own(), Stopwatch::start());
        reader.client.connect();
        reader.client.caught_up().await?;
        let all = ALONE + items;
        has(&reader.client, &at_reader, all).await?;
        let seconds = begun.passed().as_secs_f64();
        figures
            .extend([("receive_s", all as f64 / seconds), ("receive_cpu_us", (own() - before) * 1e6 / all as f64)]);

        let mut times = Vec::with_capacity(ALONE);
        let mut events = reader.client.events();
        for number in 0..ALONE {
            let begun = Stopwatch::start();
            case.send(draft(number)).await?;
            shown(&mut events, case.id()).await?;
            times.push(milliseconds(&begun));
        }
        let [median, slow] = quantiles(times);
        figures.extend([("to_the_other_p50_ms", median), ("to_the_other_p99_ms", slow)]);

        self.progress.says("opening");
        // The last one may be at the reader before the sender has read it back.
        has(&sender.client, &case, all + ALONE).await?;
        let holds =
            sender.client.case(case.id()).await?.digest(Position(0)).await? == at_reader.digest(Position(0)).await?;
        let id = case.id();
        drop((case, at_reader, events));
        let mut people = people.into_iter();
        let (Some(sender), Some(reader)) = (people.next(), people.next()) else {
            return Err(internal("two members"));
        };
        reader.client.close().await;
        let begun = Stopwatch::start();
        let client = Client::open_offline(&reader.profile, &reader.unlock).await?;
        let case = client.case(id).await?;
        let state = case.state().await?;
        let last = state.open_tasks().count();
        let newest = case.items(Position((all + ALONE).saturating_sub(SCREEN) as u64), SCREEN).await?;
        figures.push(("open_case_ms", milliseconds(&begun)));
        figures.extend([("items", (all + ALONE) as f64), ("open_tasks", last as f64)]);
        let holds = holds && newest.len() == SCREEN;

        for number in 0..CASES {
            sender.client.new_case(format!("Gezin {number}")).await?;
        }
        sender.client.caught_up().await?;
        sender.client.close().await;
        let begun = Stopwatch::start();
        let client = Client::open_offline(&sender.profile, &sender.unlock).await?;
        let cases = client.cases().await?.len();
        figures.extend([("open_profile_ms", milliseconds(&begun)), ("cases", cases as f64)]);
        server.kill().await;
        Ok(Row { figures, holds, ..self.row(scenario) })
    }
}

async fn add(case: &Case, member: &Member) -> Outcome {
    let pending = case.add(member.professional(), Role::Member).await?;
    let added = pending.done().await.map_err(|error| Failure::new(Cause::Failed, error))?;
    if added.not_added.is_empty() { Ok(()) } else { Err(internal("somebody was not added")) }
}
