//! The thread around the [`Core`]: takes every command that waits, has them decided and made durable together, answers.
//!
//! Nothing is answered before it is durable; when the store fails, everything that waited is answered with
//! [`StoreFailed`](kring_protocol::refusal::Refusal::StoreFailed) by the core, which stays so until the relay is
//! started again. How the thread is, [`Condition`] tells: an engine that has failed never gets well by itself, so that
//! whoever runs it ends the process and has it started again.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use kring_protocol::ids::Timestamp;
use tokio::sync::{mpsc, watch};

use super::command::Command;
use super::core::Core;
use super::handle::{Engine, Letter};
use crate::rules::limits::Limits;
use crate::store::{Store, StoreError};

/// The relay's clock, given so that tests can set it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How often the engine is told that time has passed: a checkpoint goes on in small steps at each.
const TICK: Duration = Duration::from_millis(200);

/// Most commands in one durable step. Beyond it nothing is won: the disk's sync is a small part of its time by then.
const MOST_AT_ONCE: usize = 1_024;

/// What can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Most bytes of one message.
    pub max_message: usize,
    /// How much one device may do in a day.
    pub limits: Limits,
    /// Bytes of views that are kept in memory beyond those that wait for their checkpoint.
    pub views: usize,
    /// Entries, or pages that wait for it, after which a checkpoint is due before its time.
    pub checkpoint_after: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_message: kring_protocol::limits::MAX_MESSAGE,
            limits: Limits::default(),
            // Some 50,000 cases in use.
            views: 64 << 20,
            // A start replays so many entries in less than a tenth of a second.
            checkpoint_after: 2_048,
        }
    }
}

/// How the engine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It answers.
    Well,
    /// The store has failed: nothing is accepted until the relay is started again.
    StoreFailed,
    /// The thread has ended through a fault of this program.
    Broken,
    /// The thread has ended because it was asked to, or because nobody is left who could ask it something.
    Ended,
}

impl Condition {
    /// Only a new start helps.
    pub fn has_failed(self) -> bool {
        match self {
            Self::StoreFailed | Self::Broken => true,
            Self::Well | Self::Ended => false,
        }
    }
}

/// Tells how the thread is; dropped by a thread that panics, it tells that.
struct Teller(watch::Sender<Condition>);

impl Teller {
    fn tell(&self, condition: Condition) {
        self.0.send_if_modified(|known| std::mem::replace(known, condition) != condition);
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        if *self.0.borrow() == Condition::Well {
            self.tell(Condition::Broken);
        }
    }
}

/// Why the engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// What the store holds could not be read or replayed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gives no thread.
    #[error("the system gives no thread: {0}")]
    Thread(io::Error),
}

/// The running thread.
#[derive(Debug)]
pub struct EngineThread(JoinHandle<()>);

impl EngineThread {
    /// Waits until the thread has ended: after a drain, or when every handle is gone.
    pub fn join(self) {
        // A panic in the thread has been reported by its own hook.
        let _panicked = self.0.join();
    }
}

impl Engine {
    /// Brings the views up to date and starts the thread.
    pub fn start(store: Box<dyn Store>, settings: Settings, clock: Clock) -> Result<(Self, EngineThread), OpenError> {
        let random = SystemRandom::new();
        let randomness = Box::new(move |bytes: &mut [u8]| random.fill(bytes).expect("the system gives random bytes"));
        let core = Core::open(store, settings, randomness)?;
        let (letters, waiting) = mpsc::unbounded_channel();
        let (teller, condition) = watch::channel(Condition::Well);
        let teller = Teller(teller);
        let ticks = letters.downgrade();
        std::thread::Builder::new()
            .name("kring-ticks".into())
            .spawn(move || {
                loop {
                    std::thread::park_timeout(TICK);
                    let Some(letters) = ticks.upgrade() else { return };
                    if letters.send(Letter { command: Command::Tick, reply: None }).is_err() {
                        return;
                    }
                }
            })
            .map_err(OpenError::Thread)?;
        let thread = std::thread::Builder::new()
            .name("kring-engine".into())
            .spawn(move || run(core, waiting, &clock, &teller))
            .map_err(OpenError::Thread)?;
        Ok((Self::new(letters, condition), EngineThread(thread)))
    }
}

fn run(mut core: Core, mut waiting: mpsc::UnboundedReceiver<Letter>, clock: &Clock, teller: &Teller) {
    let mut letters = Vec::with_capacity(MOST_AT_ONCE);
    while waiting.blocking_recv_many(&mut letters, MOST_AT_ONCE) > 0 {
        let (commands, replies): (Vec<_>, Vec<_>) =
            letters.drain(..).map(|letter| (letter.command, letter.reply)).unzip();
        let answers = core.handle(commands, clock());
        if core.has_failed() {
            teller.tell(Condition::StoreFailed);
        }
        for (reply, answer) in replies.into_iter().zip(answers) {
            if let Some(reply) = reply {
                // Whoever asked may have gone; what was accepted stays accepted.
                let _gone = reply.send(answer);
            }
        }
        if core.is_drained() {
            break;
        }
    }
    core.close();
    teller.tell(if core.has_failed() { Condition::StoreFailed } else { Condition::Ended });
}
