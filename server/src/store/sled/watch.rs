//! Wakes a flush that sled has forgotten.
//!
//! When a write fails while another thread waits for it, sled 0.34.7 now and then leaves that thread asleep for ever. Another
//! flush finds the failure and wakes everybody. So whoever has waited for longer than any disk takes gets company.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often it is looked whether a flush is still under way: twice in a row is longer than a disk takes that works.
const LOOK: Duration = Duration::from_secs(1);

/// A thread beside an open database.
pub(super) struct Watch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// Flushes begun and ended: odd while one is under way.
    flushes: AtomicU64,
    ended: AtomicBool,
}

impl Watch {
    /// Begins to watch over a database.
    pub(super) fn begin(db: &sled::Db) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (seen, db) = (shared.clone(), db.clone());
        let thread = std::thread::Builder::new().name("kring-flush".into()).spawn(move || {
            let mut last = 0;
            while !seen.ended.load(Ordering::Acquire) {
                std::thread::park_timeout(LOOK);
                let now = seen.flushes.load(Ordering::Acquire);
                if now % 2 == 1 && now == last {
                    // Whoever waits is told what has failed.
                    let _theirs = db.flush();
                }
                last = now;
            }
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Flushes, watched over.
    pub(super) fn flush(&self, db: &sled::Db) -> sled::Result<usize> {
        self.shared.flushes.fetch_add(1, Ordering::AcqRel);
        let flushed = db.flush();
        self.shared.flushes.fetch_add(1, Ordering::AcqRel);
        flushed
    }
}

impl Drop for Watch {
    /// Lets go of the database.
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic in it has been reported by its own hook.
            let _panicked = thread.join();
        }
    }
}
