//! Fills a relay's database before it is started, through the relay's own engine: what is in it then is what the relay
//! would have written, only that nobody sent it.

use std::path::Path;

use kring_protocol::ids::{DeviceId, Epoch, OperationId, Signature};
use kring_protocol::message::{Access, CreateGroup, Submit};
use kring_protocol::proof::{TLS_EXPORTER_LENGTH, signed_text};
use kring_server::config;
use kring_server::engine::{AccessCheck, Command, Core, ProvenAccess, Settings};
use kring_server::keys;
use kring_server::store::SledStore;

use super::log::{Log, Trailer};
use crate::admin::folder::RELAY_CONFIG;
use crate::clock;
use crate::outcome::{Cause, Failure, Outcome};

/// Commands in one durable step.
const AT_ONCE: usize = 1_024;
/// Durable steps between two ticks, at which a checkpoint goes on: a second of them.
const TICK: usize = 16;

/// What is to be there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stored {
    /// Cases.
    pub(super) cases: usize,
    /// Records over all cases, one to each in turn.
    pub(super) records: usize,
    /// Bytes of a message.
    pub(super) size: usize,
}

/// Fills the database of the relay in this folder; gives the logs of its cases.
pub(super) fn fill(relay: &Path, stored: Stored, mut progress: impl FnMut(usize)) -> Outcome<Vec<Log>> {
    let logs: Vec<Log> = (0..stored.cases).map(|_| Log::random()).collect();
    let mut filling = Filling::open(relay)?;
    let mut access = Vec::with_capacity(logs.len());
    for part in logs.chunks(AT_ONCE) {
        let commands = part.iter().map(|log| {
            let (create, proven) = creation(log)?;
            access.push(proven);
            Ok(Command::CreateGroup { device: DeviceId(rand::random()), access: proven, request: create })
        });
        filling.write(commands.collect::<Outcome<_>>()?)?;
        progress(part.len());
    }
    let mut numbers = 0..stored.records;
    while !numbers.is_empty() {
        let commands: Vec<Command> = numbers
            .by_ref()
            .take(AT_ONCE)
            .map(|number| {
                let case = number % logs.len().max(1);
                let message = logs[case].message(stored.size, Trailer { case: 0, sent: number as u64 });
                let request = Submit {
                    access: Access { group: logs[case].group, epoch: Epoch(0), proof: None },
                    operation: OperationId(rand::random()),
                    message,
                };
                Command::Submit { access: access[case], request }
            })
            .collect();
        let count = commands.len();
        filling.write(commands)?;
        progress(count);
    }
    filling.core.close();
    Ok(logs)
}

struct Filling {
    core: Core,
    steps: usize,
}

impl Filling {
    fn open(relay: &Path) -> Outcome<Self> {
        let failed = |error: &dyn std::fmt::Display| Failure::new(Cause::Failed, error);
        let file = relay.join(RELAY_CONFIG);
        let text = std::fs::read_to_string(&file).map_err(|error| Failure::file("read", &file, &error))?;
        let config = config::parse(&text, relay).map_err(|error| failed(&error))?;
        let data = &config.store.data;
        let key = keys::load(config.store.relay_key.as_deref(), None, data).map_err(|error| failed(&error))?;
        let store = SledStore::open(data, &key, config.store.cache).map_err(|error| failed(&error))?;
        let randomness = Box::new(|bytes: &mut [u8]| rand::RngCore::fill_bytes(&mut rand::rng(), bytes));
        let core = Core::open(Box::new(store), Settings::default(), randomness).map_err(|error| failed(&error))?;
        Ok(Self { core, steps: 0 })
    }

    fn write(&mut self, mut commands: Vec<Command>) -> Outcome {
        self.steps += 1;
        if self.steps.is_multiple_of(TICK) {
            commands.push(Command::Tick);
        }
        for answer in self.core.handle(commands, clock::now()) {
            answer.map_err(|refusal| Failure::new(Cause::Refused, refusal))?;
        }
        Ok(())
    }
}

/// A request for a new group, and its proof as verified: there is no connection, so that its exporter value is zeros.
fn creation(log: &Log) -> Outcome<(CreateGroup, ProvenAccess)> {
    let exporter = [0; TLS_EXPORTER_LENGTH];
    let signature = log.key()?.sign(&signed_text(&exporter, log.group, Epoch(0)));
    let proof = Signature::from_slice(signature.as_ref())
        .ok_or_else(|| Failure::new(Cause::Internal, "an Ed25519 signature has another length"))?;
    let request = CreateGroup {
        access: Access { group: log.group, epoch: Epoch(0), proof: Some(proof) },
        operation: OperationId(rand::random()),
        access_key: log.access_key()?,
        cursor: None,
    };
    let proven = AccessCheck::of_new_group(&request).verify(&exporter, &proof);
    Ok((request, proven.map_err(|refusal| Failure::new(Cause::Internal, refusal))?))
}
