//! The driver: everything of the client that waits for a socket or a clock.
//!
//! Three parts, tied together by bounded queues:
//!
//! 1. [`core`]: a thread that owns the [`Conversation`] and handles one input at a time;
//! 2. [`link`]: a task that keeps a connection to the relay, with [`back_off`] between attempts;
//! 3. [`serve`]: what runs while a connection stands; [`subscriptions`] puts backlog and live records in order.
//!
//! It decides nothing about cases or keys: it proves epochs that the conversation asks for, carries out actions in
//! order, and brings back what came. What was under way when a connection ends is forgotten here; the conversation asks
//! for it again on the next one.

mod attempts;
mod back_off;
mod connection;
mod core;
pub(crate) mod enrolling;
mod exchange;
mod lane;
mod link;
pub(crate) mod office;
mod progress;
pub(crate) mod renewing;
pub(crate) mod row;
mod serve;
pub(crate) mod subscriptions;
mod surroundings;
#[cfg(test)]
mod tests;
mod waiters;

use std::sync::Arc;
use std::time::Duration;

use kring_protocol::ids::Timestamp;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::api::{ClientEvent, ConnectError, Link, OpenError};
use crate::conversation::{Conversation, Settings};
use crate::identity::{Identity, Profile};
use crate::store::{Store, StoreError, Unlock};

/// What tests of other modules need of a device's world.
#[cfg(test)]
pub(crate) mod testing {
    pub(crate) use super::tests::relay::{World, now, unlock};
}

pub(crate) use self::core::{Ask, Job};
use self::renewing::Renewing;
pub use self::surroundings::{Clock, Jitter, Surroundings};
pub(crate) use self::surroundings::{pause, within};
pub(crate) use self::waiters::Waiter;

/// Most jobs that wait for the conversation's thread: what it takes together. A record can have a megabyte, so this bounds
/// memory; a step takes about a millisecond, so it is no bound on speed.
const JOBS: usize = 64;
/// Events that a slow listener can be behind before it is told that it missed some.
const EVENTS: usize = 4_096;
/// Longest sleep before the time of day is looked at again: a device that was suspended has another one afterwards.
const LONGEST_SLEEP: u64 = 30_000;

/// What the application wishes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Be connected. The number grows when the user acts: then it is tried again at once.
    Online(u64),
    /// Do not connect.
    Offline,
    /// End.
    Closed,
}

/// How the client stands, as its parts tell it.
#[derive(Debug, Clone)]
pub(crate) struct State {
    /// The connection.
    pub(crate) link: Link,
    /// Attempts that failed and connections that ended, since the start.
    pub(crate) failures: u64,
    /// All that the relay had is stored.
    pub(crate) caught_up: bool,
    /// Somebody is about to be taken out by this device.
    pub(crate) removing: bool,
}

impl Default for State {
    fn default() -> Self {
        Self { link: Link::Offline, failures: 0, caught_up: false, removing: false }
    }
}

/// The ends by which an application holds a running driver.
pub(crate) struct Driver {
    /// Work for the conversation's thread.
    pub(crate) jobs: mpsc::Sender<Job>,
    /// What happens.
    pub(crate) events: broadcast::Sender<ClientEvent>,
    /// How it stands.
    pub(crate) state: watch::Receiver<State>,
    /// What is wished. Dropping it closes the client.
    pub(crate) wish: watch::Sender<Wish>,
    /// Who this device is, with the certificate that it had when it was opened.
    pub(crate) identity: Arc<Identity>,
    /// How it gets its next certificate.
    pub(crate) renewing: Renewing,
}

/// Opens a profile's store on a thread of its own and begins to keep a connection.
pub(crate) async fn start(
    profile: &Profile,
    unlock: &Unlock,
    wish: Wish,
    surroundings: Surroundings,
) -> Result<Driver, OpenError> {
    let (jobs, mut work) = mpsc::channel(JOBS);
    let (events, _) = broadcast::channel(EVENTS);
    let (state, state_seen) = watch::channel(State::default());
    let (wish, wished) = watch::channel(wish);
    let (wake, woken) = watch::channel(None);
    let (opened, opening) = oneshot::channel();
    let (thread_alive, thread_ended) = oneshot::channel::<()>();

    let (of_core, of_thread) =
        ((events.clone(), state.clone(), surroundings.clone()), (profile.clone(), unlock.clone()));
    let thread = std::thread::Builder::new().name("kring-conversation".to_owned());
    let spawned = thread.spawn(move || {
        // Dropped at the very end, when the store is closed.
        let _alive = thread_alive;
        let (events, state, surroundings) = of_core;
        let (profile, unlock) = of_thread;
        let now = surroundings.clock.now();
        match open(&profile, &unlock, now) {
            Ok((identity, conversation)) => {
                let core = core::Core::new(conversation, surroundings, events, state, wake);
                if opened.send(Ok(identity)).is_ok() {
                    core.run(&mut work);
                }
            }
            // Nobody waits for it any more if this fails.
            Err(error) => drop(opened.send(Err(error))),
        }
    });
    let thread = spawned.map_err(|error| OpenError::Thread(error.kind()))?;
    let identity = Arc::new(opening.await.map_err(|_| OpenError::Thread(std::io::ErrorKind::Other))??);

    tokio::spawn(tick(jobs.clone(), woken, surroundings.clone()));
    let (present, shown) = watch::channel(Arc::clone(&identity));
    let renewing = Renewing {
        present: Arc::new(present),
        profile: profile.clone(),
        jobs: jobs.downgrade(),
        clock: Arc::clone(&surroundings.clock),
    };
    tokio::spawn(renewing.clone().keep(state_seen.clone(), events.clone()));
    let keeper = link::Keeper {
        identity: shown,
        relay: profile.relay().clone(),
        surroundings,
        jobs: jobs.clone(),
        events: events.clone(),
        state,
        wish: wished,
    };
    tokio::spawn(keeper.run(thread_ended, thread));
    Ok(Driver { jobs, events, state: state_seen, wish, identity, renewing })
}

/// Opens the store and what is in it. Blocks.
fn open(profile: &Profile, unlock: &Unlock, now: Timestamp) -> Result<(Identity, Conversation), OpenError> {
    let folder = profile.store_folder();
    let store = match Store::open(&folder, unlock) {
        Ok(store) => store,
        Err(error) => {
            if error == StoreError::WrongKey {
                attempts::add(&folder, now);
            }
            return Err(OpenError::Store(error));
        }
    };
    let key = store.device_key().map_err(OpenError::Store)?.ok_or(OpenError::KeyMissing)?;
    let identity = Identity::new(profile, key)?;
    let settings = Settings::new(profile.relay().to_string());
    let mut conversation = Conversation::open(store, identity.credentials(), settings, now)?;
    conversation.note_opening(&attempts::list(&folder), now).map_err(OpenError::Store)?;
    attempts::forget(&folder);
    Ok((identity, conversation))
}

/// Lets time pass for the conversation: once at the start, then whenever it wished to be woken.
async fn tick(jobs: mpsc::Sender<Job>, mut woken: watch::Receiver<Option<Timestamp>>, surroundings: Surroundings) {
    let mut due = Some(Timestamp(0));
    let mut seen = Timestamp(0);
    while !jobs.is_closed() {
        let now = surroundings.clock.now();
        if now < seen {
            // The clock was put back: what waits for a time of day would wait as much longer.
            due = Some(now);
        }
        seen = now;
        let left = due.map(|at| at.since(now));
        if left == Some(0) {
            due = None;
            if jobs.send(Job::Tick).await.is_err() {
                return;
            }
        }
        let nap = Duration::from_millis(left.filter(|left| *left > 0).unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP));
        tokio::select! {
            () = surroundings::pause(nap) => {}
            () = jobs.closed() => return,
            changed = woken.changed() => match changed {
                Ok(()) => due = *woken.borrow_and_update(),
                Err(_) => return,
            },
        }
    }
}

impl Wish {
    /// Waits until it is wished to be online, or to end.
    async fn until_online(wish: &mut watch::Receiver<Self>) -> Result<(), Self> {
        match wish.wait_for(|wish| *wish != Self::Offline).await.map(|wish| *wish) {
            Ok(Self::Online(_)) => Ok(()),
            Ok(Self::Offline | Self::Closed) | Err(_) => Err(Self::Closed),
        }
    }

    /// Waits until it is not wished to be online any more, and says what is wished instead.
    async fn is_no_longer_online(wish: &mut watch::Receiver<Self>) -> Self {
        let wished = wish.wait_for(|wish| !matches!(wish, Self::Online(_))).await;
        wished.map_or(Self::Closed, |wish| *wish)
    }

    /// Waits until something else is wished, or the user acts.
    async fn until_acted(wish: &mut watch::Receiver<Self>) {
        wish.mark_unchanged();
        // An error means that the client is closed, which ends the wait as well.
        let _ = wish.changed().await;
    }

    /// Why there is no connection, if this is wished.
    fn reason(self) -> ConnectError {
        match self {
            Self::Online(_) | Self::Offline => ConnectError::Offline,
            Self::Closed => ConnectError::Closed,
        }
    }
}
