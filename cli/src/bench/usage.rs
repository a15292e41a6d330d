//! What a process and the machine have used, as `/proc` tells it (proc(5)). On systems without it everything is zero, and
//! figures that rest on it are left out.

use std::fs;

/// What a process has used since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Usage {
    /// Seconds of CPU in its own code.
    pub(super) user: f64,
    /// Seconds of CPU in the kernel.
    pub(super) system: f64,
    /// Bytes of memory that it holds.
    pub(super) resident: f64,
    /// Bytes that it has caused to be written to disks.
    pub(super) written: f64,
}

impl Usage {
    /// Of a process.
    pub(super) fn of(process: u32) -> Self {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let io = fs::read_to_string(format!("/proc/{process}/io")).unwrap_or_default();
        let (user, system) = processor(&stat);
        Self { user, system, resident: field(&status, "VmRSS:") * 1024.0, written: field(&io, "write_bytes:") }
    }

    /// Seconds of CPU.
    pub(super) fn cpu(&self) -> f64 {
        self.user + self.system
    }
}

/// Busy seconds of the whole machine since it was started.
pub(super) fn machine() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks: Vec<f64> =
        text.lines().next().unwrap_or_default().split_whitespace().skip(1).filter_map(|it| it.parse().ok()).collect();
    // user, nice, system, then after idle and waiting: interrupts
    [0, 1, 2, 5, 6].iter().filter_map(|index| ticks.get(*index)).sum::<f64>() / second()
}

/// Clock ticks in a second.
fn second() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}

/// User and system time of `/proc/PID/stat`, in seconds. The program's name may hold spaces and brackets: fields are
/// counted after the last bracket.
fn processor(stat: &str) -> (f64, f64) {
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let time = |index: usize| fields.get(index).and_then(|it| it.parse::<f64>().ok()).unwrap_or(0.0) / second();
    (time(11), time(12))
}

fn field(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_name_may_look_like_anything() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 900 0 0 0 250 50 0 0 20 0 12 0 100 0 0";
        assert_eq!(processor(stat), (250.0 / second(), 50.0 / second()));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_uses_memory() {
        assert!(Usage::of(std::process::id()).resident > 0.0);
        assert!(machine() > 0.0);
    }
}
