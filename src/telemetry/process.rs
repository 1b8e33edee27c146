//! The process itself, read from `/proc` when somebody scrapes. Linux only: elsewhere nothing is told.

use std::fs;

/// Clock ticks per second in `/proc`: the kernel's user-space interface fixes it at 100.
const TICKS_PER_SECOND: f64 = 100.0;

/// What `/proc` says about this process; what could not be read is absent.
#[derive(Debug, Default)]
pub(super) struct Process {
    pub(super) cpu_seconds: Option<f64>,
    pub(super) max_fds: Option<f64>,
    pub(super) open_fds: Option<f64>,
    pub(super) resident_bytes: Option<f64>,
    pub(super) start_seconds: Option<f64>,
    pub(super) threads: Option<f64>,
}

/// Reads it, now.
pub(super) fn read() -> Process {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    Process {
        cpu_seconds: cpu_seconds(&stat),
        max_fds: word_after(&limits, "Max open files"),
        open_fds: open_fds(),
        resident_bytes: word_after(&status, "VmRSS:").map(|kib| kib * 1024.0),
        start_seconds: start_seconds(&stat),
        threads: word_after(&status, "Threads:"),
    }
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    Some((field(stat, 14)? + field(stat, 15)?) / TICKS_PER_SECOND)
}

fn start_seconds(stat: &str) -> Option<f64> {
    let system = fs::read_to_string("/proc/stat").ok()?;
    Some(word_after(&system, "btime ")? + field(stat, 22)? / TICKS_PER_SECOND)
}

/// Field `number` of `stat`, counted as in `proc(5)`. The second, the command name, may contain
/// spaces and parentheses, so counting starts behind the last parenthesis.
fn field(stat: &str, number: usize) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

fn word_after(text: &str, start: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(start))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

fn open_fds() -> Option<f64> {
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    // The directory that is being listed is one of them.
    u32::try_from(count.saturating_sub(1)).ok().map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_the_command_name() {
        let stat = "7 (a b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 13 14 15 16 17 18 500";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(field(stat, 22), Some(500.0));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory_files_and_a_start() {
        let process = read();
        assert!(process.resident_bytes.is_some_and(|bytes| bytes > 1e6));
        assert!(process.open_fds.is_some_and(|count| count >= 3.0));
        assert!(process.start_seconds.is_some_and(|at| at > 1.5e9));
        assert!(process.cpu_seconds.is_some() && process.threads.is_some());
    }
}
