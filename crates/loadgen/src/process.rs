//! What does a process cost, thread by thread? (Linux, proc(5))

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;

/// Threads that use less of a core than this, in percent, are not listed.
const LEAST_LISTED_PERCENT: f64 = 0.05;

/// A process that is watched from before the first call.
#[derive(Debug)]
pub(crate) struct Process {
    pid: u32,
    folder: PathBuf,
    rss_before_kib: u64,
}

/// What a process has used until a moment.
#[derive(Debug)]
pub(crate) struct Usage {
    at: Instant,
    /// CPU time of threads that live, by name and number.
    threads: BTreeMap<(String, u32), Duration>,
    rss_kib: u64,
    /// Time in which the one core that it may use was busy, for whatever reason; and how long was
    /// looked at, both in the same unit.
    core: Option<(u64, u64)>,
}

/// What a process cost while it was judged.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessReport {
    pub pid: u32,
    /// User and system time, in percent of one core.
    pub cpu_percent: f64,
    /// How busy the core was with anything at all, where the process may use one core only: interrupts
    /// and others are in it.
    pub core_percent: Option<f64>,
    /// The same as `cpu_percent` by name of the threads.
    pub threads: BTreeMap<String, f64>,
    pub rss_before_kib: u64,
    pub rss_after_kib: u64,
    pub kib_per_caller: Option<f64>,
}

impl ProcessReport {
    /// What threads whose names begin so used, in percent of one core.
    pub fn threads_named(&self, beginning: &str) -> f64 {
        let named = self.threads.iter();
        named
            .filter(|(name, _)| name.starts_with(beginning))
            .map(|(_, percent)| percent)
            .sum()
    }
}

impl fmt::Display for ProcessReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} % of a core", self.cpu_percent)?;
        let mut threads: Vec<(&String, &f64)> = self.threads.iter().collect();
        threads.sort_by(|a, b| b.1.total_cmp(a.1));
        for (name, percent) in threads.into_iter().take(3) {
            write!(f, ", {name} {percent:.1} %")?;
        }
        match self.core_percent {
            Some(percent) => write!(f, "; its core was busy {percent:.1} %"),
            None => Ok(()),
        }
    }
}

impl Process {
    /// Looks at a process for the first time.
    ///
    /// # Errors
    /// When there is no such process.
    pub(crate) fn watch(pid: u32) -> anyhow::Result<Process> {
        let mut process = Process {
            pid,
            folder: PathBuf::from(format!("/proc/{pid}")),
            rss_before_kib: 0,
        };
        process.rss_before_kib = process.usage()?.rss_kib;
        Ok(process)
    }

    /// What it has used so far.
    ///
    /// # Errors
    /// When it is gone.
    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        let status = fs::read_to_string(self.folder.join("status"))
            .with_context(|| format!("process {}", self.pid))?;
        let tasks = fs::read_dir(self.folder.join("task"))
            .with_context(|| format!("process {}", self.pid))?;
        let mut threads = BTreeMap::new();
        for task in tasks.flatten() {
            let number = task.file_name().to_string_lossy().parse().unwrap_or(0);
            // A thread may end between the listing and the reading.
            let (Ok(name), Ok(times)) = (
                fs::read_to_string(task.path().join("comm")),
                fs::read_to_string(task.path().join("schedstat")),
            ) else {
                continue;
            };
            if let Some(used) = first_number(&times) {
                let used = Duration::from_nanos(used);
                threads.insert((name.trim().to_owned(), number), used);
            }
        }
        Ok(Usage {
            at: Instant::now(),
            threads,
            rss_kib: field(&status, "VmRSS:").and_then(first_number).unwrap_or(0),
            core: only_core(&status).and_then(core_time),
        })
    }

    /// What was used between two looks, with so many callers there.
    pub(crate) fn report(&self, before: &Usage, after: &Usage, callers: usize) -> ProcessReport {
        let judged = (after.at - before.at).as_secs_f64().max(1e-9);
        let mut threads: BTreeMap<String, f64> = BTreeMap::new();
        for (thread, used) in &after.threads {
            let earlier = before.threads.get(thread).copied().unwrap_or_default();
            let used = used.saturating_sub(earlier).as_secs_f64();
            *threads.entry(thread.0.clone()).or_default() += 100.0 * used / judged;
        }
        let cpu_percent = threads.values().sum();
        threads.retain(|_, percent| *percent >= LEAST_LISTED_PERCENT);
        let core = before.core.zip(after.core).map(|(before, after)| {
            let (busy, all) = (
                after.0.saturating_sub(before.0),
                after.1.saturating_sub(before.1),
            );
            100.0 * busy as f64 / all.max(1) as f64
        });
        let grown_kib = after.rss_kib.saturating_sub(self.rss_before_kib);
        ProcessReport {
            pid: self.pid,
            cpu_percent,
            core_percent: core,
            threads,
            rss_before_kib: self.rss_before_kib,
            rss_after_kib: after.rss_kib,
            kib_per_caller: (callers > 0).then(|| grown_kib as f64 / callers as f64),
        }
    }
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name))
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

/// The core that a process is bound to, if it is one.
fn only_core(status: &str) -> Option<u32> {
    field(status, "Cpus_allowed_list:")?.trim().parse().ok()
}

/// How long a core was busy, and how long it was looked at, in ticks of the kernel's clock.
fn core_time(core: u32) -> Option<(u64, u64)> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let times: Vec<u64> = field(&stat, &format!("cpu{core} "))?
        .split_whitespace()
        // Guests' time, the ninth and tenth figure, is in the first two already.
        .take(8)
        .filter_map(|time| time.parse().ok())
        .collect();
    let all: u64 = times.iter().sum();
    // The fourth figure is idling, the fifth waiting for a disk.
    let idle: u64 = times.iter().skip(3).take(2).sum();
    Some((all - idle, all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_thread_is_told_by_its_name() {
        let process = Process::watch(std::process::id()).unwrap();
        let before = process.usage().unwrap();
        let spinner = std::thread::Builder::new().name("media-0".to_owned());
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let spinner = spinner
            .spawn(move || {
                let mut sum = 0_u64;
                while wait.try_recv().is_err() {
                    sum = std::hint::black_box(sum + 1);
                }
            })
            .unwrap();
        std::thread::sleep(Duration::from_millis(100));
        let after = process.usage().unwrap();
        done.send(()).unwrap();
        spinner.join().unwrap();
        let report = process.report(&before, &after, 4);
        assert!(report.threads_named("media-") > 0.0, "{report:?}");
        assert!(report.cpu_percent >= report.threads_named("media-"));
        assert!(report.rss_after_kib > 0 && report.kib_per_caller.is_some());
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(Process::watch(u32::MAX).is_err());
    }

    #[test]
    fn a_process_on_several_cores_has_no_core_of_its_own() {
        assert_eq!(only_core("Name:\tx\nCpus_allowed_list:\t3\n"), Some(3));
        assert_eq!(only_core("Name:\tx\nCpus_allowed_list:\t0-1\n"), None);
    }
}
