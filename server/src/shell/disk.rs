//! The disk-space alarm: below a threshold nothing new is taken, so that what was acknowledged stays safe and the
//! operator hears of it before the store fails. It ends by itself once there is a tenth more than the threshold, so
//! that it does not flutter around it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// Between two looks: 5 s at 100 MB a second are 500 MB, a quarter of the default threshold.
const EVERY: Duration = Duration::from_secs(5);

/// Whether the disk is too full to take anything new.
#[derive(Default)]
pub(crate) struct DiskAlarm(AtomicBool);

impl DiskAlarm {
    pub(crate) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes a measurement; tells whether the alarm has changed.
    fn observe(&self, free: u64, threshold: u64) -> bool {
        let was = self.is_raised();
        let raised = if was { free < threshold.saturating_add(threshold / 10) } else { free < threshold };
        self.0.store(raised, Ordering::Relaxed);
        raised != was
    }
}

/// Bytes that an unprivileged process can still write where `folder` lies.
pub(crate) fn free_bytes(folder: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Looks once.
pub(crate) fn look(alarm: &DiskAlarm, folder: &Path, threshold: u64, metrics: &Metrics) {
    let Ok(free) = free_bytes(folder) else {
        tracing::warn!("the free space of the data folder's disk cannot be read");
        return;
    };
    if alarm.observe(free, threshold) {
        if alarm.is_raised() {
            tracing::warn!(free, threshold, "the disk is nearly full: nothing new is taken; make room");
        } else {
            tracing::info!(free, threshold, "there is room on the disk again");
        }
    }
    // Exact to 2^53, more bytes than a disk has.
    metrics.disk_free.set(free as f64);
    metrics.disk_alarm.set(f64::from(u8::from(alarm.is_raised())));
}

/// Looks every few seconds until the relay stops.
pub(crate) async fn watch(
    alarm: Arc<DiskAlarm>,
    folder: PathBuf,
    threshold: u64,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        look(&alarm, &folder, threshold, &metrics);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alarm_is_raised_below_the_threshold_and_ends_a_tenth_above_it() {
        let alarm = DiskAlarm::default();
        for (free, changed, raised) in [
            (1_000, false, false),
            (999, true, true),
            (1_000, false, true),
            (1_099, false, true),
            (1_100, true, false),
            (1_000, false, false),
        ] {
            assert_eq!((alarm.observe(free, 1_000), alarm.is_raised()), (changed, raised), "{free}");
        }
    }

    #[test]
    fn the_free_space_of_a_folder_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_bytes(folder.path()).unwrap() > 0);
        assert!(free_bytes(Path::new("/nowhere at all")).is_err());
    }
}
