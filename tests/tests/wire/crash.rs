//! The relay's process is killed at any moment: what was acknowledged is there, and a bundle is whole or absent.
//!
//! `KRING_KILLS=50 cargo test --workspace --test wire crash` kills a hundred times in all instead of twelve.

use kring_protocol::ids::{CursorId, Epoch, InboxSeq, OperationId, Seq};
use kring_protocol::message::{
    ClaimKeyPackages, CursorMove, MoveCursors, PublishKeyPackages, ReadInbox, Reply, SealedWelcome, Submit,
    SubmitCommit,
};
use kring_tests::log::Log;
use kring_tests::relay::RelayProcess;
use kring_tests::wire::{Lost, Wire};
use kring_tests::world::World;
use tokio::sync::watch;

use crate::RELAY;

/// Kills in each test.
fn kills() -> u64 {
    std::env::var("KRING_KILLS").ok().and_then(|number| number.parse().ok()).unwrap_or(6)
}

/// Something that begins as a KeyPackage does.
fn key_package(number: u16) -> Vec<u8> {
    [&[0, 1, 0, 5, 0, 1, 0, 0x4f][..], &number.to_be_bytes(), &[0x4b; 2_000]].concat()
}

/// A Commit that adds one device, with the sealed Welcome naming the epoch that it opens.
async fn bundle(anne: &Wire, log: Log, epoch: Epoch, joiner: &str) -> Result<SubmitCommit, Lost> {
    let professional = joiner.parse().unwrap();
    let Reply::Claimed(mut claimed) = anne.ask(ClaimKeyPackages { professional, device: None }).await? else {
        panic!("nothing claimed")
    };
    let device = claimed.devices.pop().expect("the joiner's device");
    let mut sealed = epoch.next().0.to_be_bytes().to_vec();
    sealed.resize(20_000, 0x5e); // as long as a post-quantum Welcome
    let cursor = CursorId(rand::random());
    let welcome = SealedWelcome { claim: device.claim, device: device.device, sealed: sealed.into(), cursor };
    Ok(SubmitCommit { welcomes: vec![welcome], ..anne.commit_of(log, epoch) })
}

/// Kills that one log and its joiner live through: with more, its Commits would be more than a relay takes of one group in a
/// minute, and the joiner's inbox, which nobody reads here, would be full.
const ROUNDS_OF_A_LOG: u64 = 6;

/// What was tried before a kill.
struct Added {
    /// The last epoch that a receipt has opened.
    acknowledged: Epoch,
    /// Each bundle sent: the epoch that it opens, and the joiner's cursor.
    sent: Vec<(Epoch, CursorId)>,
}

impl Added {
    /// Adds the joiner again and again until the relay is gone.
    async fn go_on(&mut self, anne: &Wire, log: Log, joiner: &str, progress: &watch::Sender<u64>) {
        loop {
            let Ok(bundle) = bundle(anne, log, self.acknowledged, joiner).await else { return };
            self.sent.push((self.acknowledged.next(), bundle.welcomes[0].cursor));
            match anne.ask(bundle).await {
                Ok(Reply::Receipt(_)) => self.acknowledged = self.acknowledged.next(),
                Ok(other) => panic!("no receipt but {other:?}"),
                Err(Lost) => return,
            }
            progress.send_modify(|done| *done += 1);
        }
    }
}

/// Works until `enough` steps of it are done, and kills the relay wherever the next one stands.
async fn kill_during(relay: RelayProcess, work: impl Future, mut done: watch::Receiver<u64>, enough: u64) {
    let killing = async {
        done.wait_for(|done| *done >= enough).await.expect("the work goes on");
        relay.kill().await;
    };
    // The kill is carried out to its end either way; the work need not notice that the connection is gone.
    tokio::pin!(killing);
    tokio::select! {
        () = &mut killing => {}
        _ = work => killing.await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_whole_or_absent_when_the_relay_is_killed() {
    let world = World::new();
    let anne = world.device("anne@politie.example");
    let mut relay = RelayProcess::start(RELAY, &world).await;
    let mut log = Log::random();
    let mut joiner = String::from("bert@opvang.example");
    let mut bert = world.device(&joiner);
    let mut added = Added { acknowledged: Epoch(0), sent: Vec::new() };

    for round in 0..kills() {
        if round % ROUNDS_OF_A_LOG == 0 {
            log = Log::random();
            joiner = format!("bert{round}@opvang.example");
            bert = world.device(&joiner);
            Wire::open(&world, &anne, relay.address).await.create(log, None).await;
            added = Added { acknowledged: Epoch(0), sent: Vec::new() };
        }
        publish(&Wire::open(&world, &bert, relay.address).await).await;
        let wire = Wire::open(&world, &anne, relay.address).await;
        let (progress, done) = watch::channel(0);
        // Another number of bundles each time.
        kill_during(relay, added.go_on(&wire, log, &joiner, &progress), done, 1 + round % ROUNDS_OF_A_LOG).await;

        relay = RelayProcess::start(RELAY, &world).await;
        added.acknowledged = check(&world, &relay, log, &added).await;
    }
}

/// Publishes as many KeyPackages as a device may have.
async fn publish(joiner: &Wire) {
    let single_use = (0..100).map(|number| key_package(number).into()).collect();
    let last_resort = Some(key_package(u16::MAX).into());
    let published = joiner.ask(PublishKeyPackages { single_use, last_resort, replace: true }).await;
    assert!(matches!(published, Ok(Reply::KeyPackageCount(_))), "{published:?}");
}

/// What stands in the database after a kill. The epoch that the log is in.
async fn check(world: &World, relay: &RelayProcess, log: Log, added: &Added) -> Epoch {
    let (acknowledged, sent) = (added.acknowledged, &added.sent);
    let anne = Wire::open(world, &world.device("anne@politie.example"), relay.address).await;
    let (records, end) = anne.read(log, acknowledged, Some(Seq(0))).await;
    // The one bundle under way was stored or not; if it was, its proof reads on.
    let epoch = end.epoch;
    assert!(epoch == acknowledged || epoch == acknowledged.next(), "{epoch} after {acknowledged}");
    let commits = if epoch == acknowledged { records } else { anne.read(log, epoch, Some(Seq(0))).await.0 };
    assert_eq!(commits.len() as u64, epoch.0, "one Commit for each epoch");
    for (number, commit) in (1u64..).zip(&commits) {
        assert_eq!(commit.next_access_key, Some(log.access_key(Epoch(number))));
    }
    // Cursors exist for exactly those that were stored.
    for (opened, cursor) in sent {
        let moves = vec![CursorMove { group: log.0, cursor: *cursor, seq: Some(Seq(opened.0)) }];
        let moved = anne.ask(MoveCursors { moves }).await;
        let stored = commits.iter().any(|commit| commit.seq == Seq(opened.0)) && *opened <= epoch;
        // Of two bundles for one epoch (before and after a kill) one was stored.
        let superseded = sent.iter().filter(|(other, _)| other == opened).count() > 1;
        if !superseded {
            assert_eq!(matches!(moved, Ok(Reply::Done(_))), stored, "{opened}: {moved:?}");
        }
    }
    epoch
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_was_acknowledged_is_there_after_the_relay_is_killed() {
    let world = World::new();
    let device = world.device("anne@politie.example");
    let log = Log::random();
    let mut relay = RelayProcess::start(RELAY, &world).await;
    Wire::open(&world, &device, relay.address).await.create(log, None).await;
    let mut acknowledged: Vec<(OperationId, Seq)> = Vec::new();

    for round in 0..kills() {
        let wire = Wire::open(&world, &device, relay.address).await;
        let (progress, done) = watch::channel(0);
        let sending = async {
            loop {
                let operation = OperationId(rand::random());
                let message = log.application(Epoch(0), &[0x5e; 1_000]);
                match wire.ask(Submit { access: wire.access(log, Epoch(0)), operation, message }).await {
                    Ok(Reply::Receipt(receipt)) => acknowledged.push((operation, receipt.seq)),
                    Ok(other) => panic!("no receipt but {other:?}"),
                    Err(Lost) => return,
                }
                progress.send_modify(|done| *done += 1);
            }
        };
        kill_during(relay, sending, done, 20 + 17 * (round % 6)).await;

        relay = RelayProcess::start(RELAY, &world).await;
        let wire = Wire::open(&world, &device, relay.address).await;
        let (records, _) = wire.read(log, Epoch(0), Some(Seq(0))).await;
        let stored: Vec<_> = records.iter().map(|record| (record.operation, record.seq)).collect();
        assert!(stored.iter().map(|(_, seq)| seq.0).eq(1..=stored.len() as u64), "no hole in the log");
        for entry in &acknowledged {
            assert!(stored.contains(entry), "acknowledged, and gone after kill {round}");
        }
        // Each kill can leave one record whose receipt never arrived.
        assert!(stored.len() as u64 <= acknowledged.len() as u64 + round + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_welcome_is_there_exactly_when_its_commit_is() {
    let world = World::new();
    let (anne, bert) = (world.device("anne@politie.example"), world.device("bert@opvang.example"));
    let log = Log::random();
    let mut relay = RelayProcess::start(RELAY, &world).await;
    Wire::open(&world, &anne, relay.address).await.create(log, None).await;
    let mut added = Added { acknowledged: Epoch(0), sent: Vec::new() };
    for round in 0..4 {
        let joiner = Wire::open(&world, &bert, relay.address).await;
        publish(&joiner).await;
        let wire = Wire::open(&world, &anne, relay.address).await;
        let (progress, done) = watch::channel(0);
        kill_during(relay, added.go_on(&wire, log, "bert@opvang.example", &progress), done, 1 + 2 * round).await;

        relay = RelayProcess::start(RELAY, &world).await;
        let wire = Wire::open(&world, &anne, relay.address).await;
        let epoch = wire.read(log, added.acknowledged, Some(Seq(0))).await.1.epoch;
        added.acknowledged = epoch;
        let joiner = Wire::open(&world, &bert, relay.address).await;
        let notes = joiner.ask_all(ReadInbox { after: InboxSeq(0) }).await.unwrap();
        let welcomed: Vec<Epoch> = notes
            .iter()
            .filter_map(|reply| if let Reply::Note(note) = reply { Some(note) } else { None })
            .map(|note| Epoch(u64::from_be_bytes(note.sealed[..8].try_into().unwrap())))
            .collect();
        assert_eq!(welcomed, (1..=epoch.0).map(Epoch).collect::<Vec<_>>(), "one Welcome for each Commit");
    }
}

#[tokio::test]
async fn a_relay_that_comes_back_after_a_kill_tells_the_connections_of_its_life_before() {
    let world = World::new();
    let relay = RelayProcess::start(RELAY, &world).await;
    let address = relay.address;
    let anne = Wire::open(&world, &world.device("anne@politie.example"), address).await;
    relay.kill().await;
    let _relay = RelayProcess::start_at(RELAY, &world, address).await;
    // Whatever the client sends next is answered with a stateless reset (RFC 9000, section 10.3).
    assert_eq!(anne.hello().await, Err(Lost));
    assert_eq!(anne.ended().await, quinn::ConnectionError::Reset);
}
