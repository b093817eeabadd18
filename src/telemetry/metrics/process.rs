//! The process itself, from Linux' `/proc`. On other systems these metrics are missing.

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// Clock ticks per second in `/proc`, on every architecture that Linux supports.
const TICKS_PER_SECOND: f64 = 100.0;

/// Numbers of the process, as far as the system gives them.
#[derive(Debug, Default)]
pub(super) struct Process {
    pub(super) cpu_seconds: Option<f64>,
    pub(super) resident_bytes: Option<f64>,
    pub(super) virtual_bytes: Option<f64>,
    pub(super) threads: Option<f64>,
    pub(super) open_files: Option<f64>,
    pub(super) max_files: Option<f64>,
}

/// Seconds since 1970 at which this was first called.
pub(super) fn start_time() -> f64 {
    static START: OnceLock<f64> = OnceLock::new();
    *START.get_or_init(|| {
        SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs_f64()).unwrap_or_default()
    })
}

impl Process {
    /// Reads them.
    pub(super) fn read() -> Self {
        let read = |name: &str| std::fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
        let (stat, status, limits) = (read("stat"), read("status"), read("limits"));
        let in_kib = |name: &str| number_after(&status, name).map(|kib| kib * 1024.0);
        // The first listed field is the state, the third one of the manual page "proc_pid_stat".
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<f64>().ok());
        // The directory that is being read is one of them.
        let open = std::fs::read_dir("/proc/self/fd").ok().map(|files| files.count().saturating_sub(1));
        Self {
            cpu_seconds: ticks(14).zip(ticks(15)).map(|(user, system)| (user + system) / TICKS_PER_SECOND),
            resident_bytes: in_kib("VmRSS:"),
            virtual_bytes: in_kib("VmSize:"),
            threads: number_after(&status, "Threads:"),
            open_files: open.and_then(|count| u32::try_from(count).ok()).map(f64::from),
            max_files: number_after(&limits, "Max open files"),
        }
    }
}

/// The first number of the line that starts so.
fn number_after(text: &str, start: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(start))?;
    rest.split_whitespace().next()?.parse().ok()
}
