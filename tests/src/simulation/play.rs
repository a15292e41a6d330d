//! Plays a plan: its moves one after the other, then fair weather until everything has come to rest, then the last look.

use kring_client::case::{CaseId, ItemDraft, ItemId, Role};
use kring_client::conversation::Command;
use kring_client::store::Store;
use kring_protocol::ids::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::Options;
use super::checks::{Life, Violation};
use super::plan::{Move, Turn, Weather};
use super::region::region;
use super::world::World;

/// Simulated milliseconds between two looks at the end.
const ROUND: u64 = 30 * Timestamp::SECOND;
/// Looks after which what waits has waited for ever: six hours.
const ROUNDS: usize = 720;
/// Looks after which those who lost their place are added again.
const BEFORE_REPAIR: usize = 10;
/// Looks between two such attempts.
const BETWEEN_REPAIRS: usize = 20;

/// The identifier of a case.
pub(super) fn case_id(number: usize) -> CaseId {
    let mut id = [0xca; 16];
    id[0] = u8::try_from(number).expect("few cases");
    CaseId(id)
}

/// The first device of a device's professional.
pub(super) fn owner(device: usize) -> usize {
    if device % 5 == 4 { device - 4 } else { device }
}

/// Plays a plan to its end, or to the first violation.
pub(super) fn play(seed: u64, options: &Options, weather: Weather, turns: &[Turn]) -> World {
    let mut world = World::new(seed, options, weather);
    world.truth.cases = (0..options.cases).map(case_id).collect();
    world.pass(2_000);
    for turn in turns {
        if world.violation.is_some() {
            return world;
        }
        world.dice = StdRng::seed_from_u64(turn.dice);
        world.note(|| format!("-- {}: {}", turn.number, turn.what));
        world.make(turn.what);
        let after = world.dice.random_range(0..1_500);
        world.pass(after);
    }
    world.dice = StdRng::seed_from_u64(seed);
    world.finish();
    world
}

impl World {
    fn make(&mut self, what: Move) {
        match what {
            Move::NewCase { device, case } => {
                self.coordinators.push(owner(device));
                self.command(device, Command::NewCase { case: case_id(case), title: format!("Gezin {case}") });
            }
            Move::Say { device, case } => {
                // Some have much to say at once.
                let many = if self.dice.random_ratio(1, 4) { self.dice.random_range(2..12) } else { 1 };
                for _ in 0..many {
                    let item = ItemId::random();
                    self.counter += 1;
                    let draft = ItemDraft::markdown(format!("bericht {}", self.counter));
                    let case = case_id(case);
                    if self.command(device, Command::Send { case, item, draft }) {
                        let life = self.devices[device].life.number;
                        self.truth.wants(item, device, life, case);
                    }
                }
            }
            Move::Act { case } => self.act(case),
            Move::Add { device, case, who, role } => {
                let professional = region().person(who).address.professional.clone();
                self.command(device, Command::Add { case: case_id(case), professional, device: None, role });
            }
            Move::Remove { device, case, who } => {
                let professional = region().person(who).address.professional.clone();
                self.command(device, Command::Remove { case: case_id(case), professional, device: None });
            }
            Move::Leave { device, case } => {
                self.command(device, Command::Leave { case: case_id(case) });
            }
            Move::UpdateKeys { device, case } => {
                self.command(device, Command::UpdateKeys { case: case_id(case) });
            }
            Move::SetRole { device, case, who, role } => {
                if role == Role::Coordinator {
                    // Nobody can yet take a case over from a coordinator who is gone.
                    let gone = |device: &usize| self.devices[*device].damaged || self.revoked.contains(device);
                    if (0..self.devices.len()).filter(|device| owner(*device) == who).any(|device| gone(&device)) {
                        return;
                    }
                    self.coordinators.push(who);
                }
                let professional = region().person(who).address.professional.clone();
                self.command(device, Command::SetRole { case: case_id(case), professional, role });
            }
            Move::Revoke { device } => self.revoke(device),
            Move::GoOffline { device } => {
                self.devices[device].online = false;
                if self.hang_up(device) {
                    self.feed(device, kring_client::conversation::Input::Disconnected);
                }
            }
            Move::ComeBack { device } => {
                self.devices[device].online = true;
                self.dial(device, 10);
            }
            Move::Break { device } => {
                if self.hang_up(device) {
                    self.feed(device, kring_client::conversation::Input::Disconnected);
                }
                self.dial(device, 700);
            }
            Move::Kill { device } => self.kill(device),
            Move::FailStore { device, writes, kill } => self.devices[device].failing = Some((writes, kill)),
            Move::Wipe { device } => self.wipe(device),
            Move::BackUp { device } => {
                let own = &self.devices[device];
                if let Some(core) = &own.core {
                    let copy = core.copy_store().expect("a whole store is copied");
                    self.devices[device].backup = Some((copy, self.devices[device].life.clone()));
                }
            }
            Move::SetBack { device } => self.set_back(device),
            Move::SetClock { device, seconds } => {
                self.devices[device].clock.set(self.now, seconds * 1_000);
                self.nudge(device);
            }
            Move::SetRelayClock { seconds } => self.relay_clock.set(self.now, seconds * 1_000),
            Move::KillRelay => self.relay_down(),
            Move::FailRelay { writes } => self.relay.disk.crash_after(Some(writes)),
            Move::Probe { device } => self.probe(device),
            Move::Wait { milliseconds } => self.wait(milliseconds),
        }
    }

    /// Long waits in pieces, so that the relay's retention has its time.
    pub(super) fn wait(&mut self, milliseconds: u64) {
        let pieces = milliseconds / (6 * 60 * 60 * 1_000) + 1;
        for _ in 0..pieces {
            self.pass(milliseconds / pieces);
            self.tick_relay();
        }
        if pieces > 1 && self.relay.is_up() {
            if self.relay.sweep(self.relay_time()).is_err() {
                self.relay_down();
            }
            for _ in 0..8 {
                self.pass(2_000);
                self.tick_relay();
            }
        }
    }

    fn coordinates(&self, device: usize) -> bool {
        self.coordinators.contains(&owner(device))
    }

    fn revoke(&mut self, device: usize) {
        if !self.revoked.is_empty() || self.coordinates(device) || self.devices[device].damaged {
            return;
        }
        if !self.relay.is_up() {
            return;
        }
        self.revoked.push(device);
        let id = self.devices[device].address.device;
        for link in self.relay.connections_of(id) {
            self.later(100, super::world::Event::Broken { link });
        }
    }

    fn wipe(&mut self, device: usize) {
        if self.coordinates(device) || self.revoked.contains(&device) {
            return;
        }
        self.kill(device);
        let own = &mut self.devices[device];
        own.store = Some(Store::in_memory().expect("a store"));
        own.life = Life::default().in_store(own.life.number + 1);
        own.backup = None;
        own.damaged = true;
    }

    fn set_back(&mut self, device: usize) {
        if self.coordinates(device) || self.revoked.contains(&device) {
            return;
        }
        let Some((store, life)) = self.devices[device].backup.take() else { return };
        self.kill(device);
        let own = &mut self.devices[device];
        own.store = Some(store);
        own.life = life.in_store(own.life.number + 1);
        own.damaged = true;
        self.truth.alarms_expected = true;
    }

    /// Tries everything that a device ever could prove, also after it was removed.
    fn probe(&mut self, device: usize) {
        let Some(core) = &self.devices[device].core else { return };
        let exporter = [7; 32];
        for (group, epoch) in self.truth.known_epochs() {
            let Ok(Some(proof)) = core.prove(&exporter, group, epoch) else { continue };
            let now = self.relay_time();
            let Ok(read) = self.relay.reads_to(&exporter, group, epoch, &proof, now) else { return };
            let end = self.truth.end_of(group, epoch);
            if let (Some(read), Some(end)) = (read, end)
                && read > end
            {
                let seen = format!("the proof of epoch {epoch}, which record {end} ended, reads record {read}");
                return self.fail(Violation::new("a proof opens nothing after its epoch", seen));
            }
        }
    }

    /// Fair weather, until everything has come to rest.
    fn finish(&mut self) {
        self.note(|| "-- fair weather".to_owned());
        self.weather = Weather::default();
        self.relay.disk.crash_after(None);
        for device in 0..self.devices.len() {
            self.devices[device].failing = None;
            if self.revoked.contains(&device) {
                continue;
            }
            // Who does not know of a revocation yet hears of it now.
            if self.devices[device].knows_revoked < self.revoked.len() {
                self.kill(device);
            }
            self.devices[device].online = true;
            self.dial(device, 10);
        }
        for round in 0..ROUNDS {
            self.pass(ROUND);
            self.tick_relay();
            if self.violation.is_some() {
                return;
            }
            match self.settled() {
                Ok(()) => break,
                Err(waits) if round + 1 == ROUNDS => return self.fail(waits),
                Err(_) => {}
            }
            if round >= BEFORE_REPAIR && (round - BEFORE_REPAIR).is_multiple_of(BETWEEN_REPAIRS) {
                self.repair();
            }
        }
        for device in 0..self.devices.len() {
            self.probe(device);
        }
        if self.violation.is_none() {
            let verdict = self.check_end();
            self.judge(verdict);
        }
    }

    /// Takes out who lost their store, and adds them again: what a coordinator does whom they have called.
    fn repair(&mut self) {
        for case in self.truth.cases.clone() {
            let standings = self.standings(case);
            let inside =
                |standing: &&super::checks::Standing| standing.status == kring_client::case::CaseStatus::Open;
            let Some(manager) = standings.iter().filter(inside).find(|standing| standing.manages) else { continue };
            let lost: Vec<_> = self
                .devices
                .iter()
                .filter(|device| device.damaged && manager.members.contains(&device.address))
                .filter(|device| !standings.iter().filter(inside).any(|standing| standing.device == device.index))
                .map(|device| device.address.clone())
                .collect();
            for address in lost {
                let professional = address.professional.clone();
                let device = Some(address.device);
                self.note(|| "somebody who lost their place is added again".to_owned());
                let remove = Command::Remove { case, professional: professional.clone(), device };
                if self.command(manager.device, remove) {
                    self.pass(ROUND);
                    self.command(manager.device, Command::Add { case, professional, device, role: Role::Member });
                }
            }
        }
    }
}
