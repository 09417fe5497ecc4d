//! The most memory that another process ever had resident, as Linux tells it.

use std::process::Child;
use std::time::{Duration, Instant};

/// How often a process is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// The peak of a process in KiB, as long as it runs.
pub(crate) fn resident_kib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().strip_suffix(" kB")?.parse().ok()
}

/// Waits for a process to end well; answers its peak in KiB.
pub(crate) fn until_end(child: &mut Child, within: Duration) -> u64 {
    let (started, mut peak) = (Instant::now(), 0);
    loop {
        // The kernel keeps the peak, so only growth within the last look is missed.
        peak = resident_kib(child.id()).unwrap_or(peak).max(peak);
        if let Some(status) = child.try_wait().expect("the state of a child") {
            assert!(status.success(), "the export ended with {status}");
            assert!(peak > 0, "the process was never seen");
            return peak;
        }
        if started.elapsed() > within {
            child.kill().expect("a child can be killed");
            panic!("the export takes longer than {within:?}");
        }
        std::thread::sleep(LOOK);
    }
}
