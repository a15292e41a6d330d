//! Takes connections in. A handshake costs CPU before anything is known of the peer, so that few are under way at once;
//! others wait here for their turn, in the order in which they came.
//!
//! Refused: everybody while the relay stops or is full, and who has waited so long that it may have given up. From half of
//! the handshakes on, nobody waits or has a turn who has not shown that it receives at the address it sends from (RFC 9000
//! §8.1.2): it is asked at once, and comes back with a token. Beyond [`waiting_room`] QUIC does not answer, and the peer sends
//! again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use quinn::{Connecting, Connection, ConnectionError, Endpoint, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Shell, session};
use crate::clock;

/// Longest that a handshake waits for its turn: the ten seconds after which a client gives a relay up
/// (`client-lib/src/driver/connection.rs`) less two for the handshake and the hello over a slow network. What is begun for a
/// client that has gone is CPU taken from those that are still there.
const LONGEST_WAIT: Duration = Duration::from_secs(8);
/// Handshakes that may wait for each one that may be under way: 16,384 for 64, more than two cores do in [`LONGEST_WAIT`], so
/// that time bounds the wait and this the memory: some 6 KB each, 100 MB, and what the kernel gave in one piece with it.
const WAITING_FOR_EACH: usize = 256;
/// Longest that a handshake keeps its place: what takes longer is the network, and not the CPU for which places are few. Who says
/// nothing more after its first packet keeps it for no longer, so that 256 such peers a second are needed to fill 64 of them.
const LONGEST_PLACE: Duration = Duration::from_millis(250);

/// How many may wait where so many handshakes may be under way.
pub(crate) fn waiting_room(handshakes: usize) -> usize {
    handshakes.saturating_mul(WAITING_FOR_EACH)
}

/// Takes connections in until the relay stops.
pub(crate) async fn accept(shell: Arc<Shell>, endpoint: Endpoint, tasks: TaskTracker, stop: CancellationToken) {
    let (waiting, turns) = Turns::new(shell.limits.handshakes);
    let handshakes = turns.handshakes.clone();
    tasks.spawn(begin(shell.clone(), turns, tasks.clone(), stop.clone()));
    while let Some(Some(incoming)) = stop.run_until_cancelled(endpoint.accept()).await {
        if refuses(&shell) {
            shed(&shell, incoming);
            continue;
        }
        if must_show(&incoming, handshakes.available_permits(), shell.limits.handshakes) {
            ask(incoming);
        } else if let Err(full) = waiting.try_send((incoming, clock::monotonic())) {
            let (incoming, _) = full.into_inner();
            shed(&shell, incoming);
        }
    }
}

/// Begins handshakes, each in its turn.
async fn begin(shell: Arc<Shell>, mut turns: Turns<Incoming>, tasks: TaskTracker, stop: CancellationToken) {
    while let Some(Some((incoming, turn))) = stop.run_until_cancelled(turns.next()).await {
        match turn {
            // It came when there was less to do.
            Some(_) if must_show(&incoming, turns.handshakes.available_permits(), shell.limits.handshakes) => {
                ask(incoming)
            }
            Some(place) if !refuses(&shell) => {
                // An error says that the first packet was no good, or that it is too late.
                if let Ok(connecting) = incoming.accept() {
                    tasks.spawn(session::serve(shell.clone(), connecting, place));
                }
            }
            _ => shed(&shell, incoming),
        }
    }
}

/// Brings a handshake to its end, its place given back when the CPU's part is over.
pub(crate) async fn shake_hands(
    mut connecting: Connecting,
    place: OwnedSemaphorePermit,
) -> Result<Connection, ConnectionError> {
    if let Ok(done) = timeout(LONGEST_PLACE, &mut connecting).await {
        return done;
    }
    drop(place);
    connecting.await
}

/// Whether somebody has to show first that it receives at the address it sends from, where so many of the handshakes that
/// may be under way are free.
fn must_show(incoming: &Incoming, free: usize, handshakes: usize) -> bool {
    free < handshakes / 2 && !incoming.remote_address_validated()
}

fn ask(incoming: Incoming) {
    // It can be asked: only who has come with a token cannot, and is not.
    let _cannot_fail = incoming.retry();
}

fn refuses(shell: &Shell) -> bool {
    shell.draining.load(Ordering::Relaxed) || shell.registry.is_full()
}

fn shed(shell: &Shell, incoming: Incoming) {
    shell.metrics.connections_shed.increment(1);
    incoming.refuse();
}

/// Who waits since when, and the places that they wait for.
struct Turns<T> {
    queue: mpsc::Receiver<(T, Instant)>,
    handshakes: Arc<Semaphore>,
}

impl<T> Turns<T> {
    /// Nobody waits yet. Whoever does not fit into the queue does not wait.
    fn new(handshakes: usize) -> (mpsc::Sender<(T, Instant)>, Self) {
        let (waiting, queue) = mpsc::channel(waiting_room(handshakes));
        (waiting, Self { queue, handshakes: Arc::new(Semaphore::new(handshakes)) })
    }

    /// The next in the order of arrival, with a place, or without one if it has waited for too long. None: nobody comes any more.
    async fn next(&mut self) -> Option<(T, Option<OwnedSemaphorePermit>)> {
        let place = self.handshakes.clone().acquire_owned().await.ok()?;
        let (next, since) = self.queue.recv().await?;
        Some((next, (clock::monotonic().duration_since(since) <= LONGEST_WAIT).then_some(place)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn handshakes_have_their_turn_in_the_order_of_arrival_as_places_become_free() {
        let (waiting, mut turns) = Turns::new(2);
        for number in 0..4 {
            waiting.try_send((number, clock::monotonic())).expect("room");
        }
        let (first, place) = turns.next().await.expect("one waits");
        let (second, other) = turns.next().await.expect("one waits");
        assert_eq!((first, second, place.is_some(), other.is_some()), (0, 1, true, true));
        let third = tokio::time::timeout(Duration::ZERO, turns.next()).await;
        assert!(third.is_err(), "both places are taken");
        drop(other);
        assert_eq!(turns.next().await.map(|(number, place)| (number, place.is_some())), Some((2, true)));
    }

    #[tokio::test]
    async fn who_has_waited_for_too_long_has_no_place_and_takes_none() {
        let (waiting, mut turns) = Turns::new(1);
        let ago = |wait: Duration| clock::monotonic().checked_sub(wait).expect("this machine has run for longer");
        waiting.try_send((0, ago(LONGEST_WAIT + Duration::from_millis(1)))).expect("room");
        waiting.try_send((1, ago(LONGEST_WAIT / 2))).expect("room");
        assert_eq!(turns.next().await.map(|(number, place)| (number, place.is_some())), Some((0, false)));
        assert_eq!(turns.next().await.map(|(number, place)| (number, place.is_some())), Some((1, true)));
    }

    #[tokio::test]
    async fn beyond_the_waiting_room_nobody_waits() {
        let (waiting, _turns) = Turns::new(1);
        for number in 0..WAITING_FOR_EACH as u32 {
            waiting.try_send((number, clock::monotonic())).expect("room");
        }
        assert!(waiting.try_send((0, clock::monotonic())).is_err());
    }
}
