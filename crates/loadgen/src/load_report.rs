//! What did many callers find out about a bridge?

use std::collections::BTreeMap;
use std::fmt;

use crate::arrivals::Counters;
use crate::histogram::Histogram;
use crate::metrics::Ticks;
use crate::process::ProcessReport;

/// What many callers found out. `load` fails when [`LoadReport::is_good`] is false.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LoadReport {
    /// What the result is called in a comparison.
    pub name: Option<String>,
    pub calls_placed: usize,
    pub calls_answered: usize,
    /// Calls that did not come about, by reason.
    pub failures: BTreeMap<String, usize>,
    /// Calls that the far end ended.
    pub calls_dropped: usize,
    pub conferences: usize,
    pub talkers: usize,
    /// How many callers decoded what they heard; the others counted packets.
    pub ears: usize,
    /// How long was judged, once everybody was there.
    pub judged_seconds: f64,
    pub setup_ms: Option<Quantiles>,
    pub packets: Packets,
    pub interarrival_ms: Option<Quantiles>,
    pub worst_jitter_ms: f64,
    /// What the bridge adds: from when a sample leaves in its packet to when it arrives in one, plus
    /// how much further back it lies there. A packet's 20 ms more from mouth to ear.
    pub delay_ms: Option<Quantiles>,
    /// All delays that were measured.
    #[serde(skip)]
    pub(crate) delays: Histogram,
    /// The loudest own voice that any talker heard in two seconds, in dB against what it sent.
    pub own_residue_db: Option<f32>,
    /// The loudest noise beside a talker's own voice, in the same measure: what is below it cannot
    /// be told from nothing.
    pub residue_noise_db: Option<f32>,
    /// How late the callers themselves were: what is above a few milliseconds is not the bridge's.
    pub pacing_lateness_ms: Option<Quantiles>,
    /// What the watched process cost.
    pub process: Option<ProcessReport>,
    /// What the bridge itself counted.
    pub ticks: Option<Ticks>,
    /// Callers who heard what they must not, or missed what they must hear.
    pub wrongs: Vec<Wrong>,
}

/// How a measure is spread.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Quantiles {
    pub p50: f64,
    pub p99: f64,
    pub samples: u64,
}

/// Packets of all callers together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Packets {
    pub sent: u64,
    pub received: u64,
    pub lost: u64,
    /// More than 60 ms behind their place.
    pub late: u64,
    /// More than 5 ms behind their place.
    pub behind: u64,
    pub duplicates: u64,
    pub strays: u64,
    pub undecodable: u64,
    pub send_errors: u64,
}

/// A caller who heard wrongly.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Wrong {
    pub caller: String,
    /// Talkers whom it should have heard.
    pub missed: Vec<String>,
    /// Talkers whom it should not have heard, itself among them.
    pub overheard: Vec<String>,
    /// It received hardly any sound.
    pub deaf: bool,
}

impl LoadReport {
    /// Whether everybody was in and heard exactly whom they must.
    pub fn is_good(&self) -> bool {
        self.calls_answered == self.calls_placed
            && self.calls_dropped == 0
            && self.wrongs.is_empty()
    }
}

impl Packets {
    /// Counts one caller's packets.
    pub(crate) fn add(&mut self, counters: &Counters) {
        self.sent += counters.sent;
        self.received += counters.received;
        self.lost += counters.lost;
        self.late += counters.late;
        self.behind += counters.behind;
        self.duplicates += counters.duplicates;
        self.strays += counters.strays;
        self.undecodable += counters.undecodable;
        self.send_errors += counters.send_errors;
    }
}

impl Quantiles {
    /// Of what was counted; `None` when nothing was.
    pub(crate) fn of(histogram: &Histogram) -> Option<Quantiles> {
        Some(Quantiles {
            p50: histogram.quantile_ms(0.5)?,
            p99: histogram.quantile_ms(0.99)?,
            samples: histogram.count(),
        })
    }
}

impl fmt::Display for Quantiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} ms, p99 {:.1} ms", self.p50, self.p99)
    }
}

/// How many wrong callers the table names.
const MOST_NAMED: usize = 10;

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |count: u64| {
            100.0 * count as f64 / (self.packets.received + self.packets.lost).max(1) as f64
        };
        let mut row = |name: &str, value: String| writeln!(f, "  {name:<24} {value}");
        let packets = &self.packets;
        row(
            "calls",
            format!(
                "{} of {} answered, {} dropped",
                self.calls_answered, self.calls_placed, self.calls_dropped
            ),
        )?;
        for (reason, count) in &self.failures {
            row("", format!("{count} × {reason}"))?;
        }
        row(
            "conferences, talkers",
            format!("{}, {} in each", self.conferences, self.talkers),
        )?;
        row(
            "listened to by",
            format!("{} of {}", self.ears, self.calls_answered),
        )?;
        if let Some(setup) = self.setup_ms {
            row("call set-up", setup.to_string())?;
        }
        row("judged", format!("{:.1} s", self.judged_seconds))?;
        row(
            "packets sent",
            format!("{} ({} refused)", packets.sent, packets.send_errors),
        )?;
        row("packets received", packets.received.to_string())?;
        row(
            "lost",
            format!("{} ({:.3} %)", packets.lost, share(packets.lost)),
        )?;
        row(
            "late by 60 ms, by 5 ms",
            format!(
                "{} ({:.3} %), {} ({:.3} %)",
                packets.late,
                share(packets.late),
                packets.behind,
                share(packets.behind)
            ),
        )?;
        row(
            "duplicate, stray, bad",
            format!(
                "{}, {}, {}",
                packets.duplicates, packets.strays, packets.undecodable
            ),
        )?;
        if let Some(interarrival) = self.interarrival_ms {
            row("interarrival time", interarrival.to_string())?;
        }
        row("worst jitter", format!("{:.2} ms", self.worst_jitter_ms))?;
        if let Some(delay) = self.delay_ms {
            row(
                "delay that it adds",
                format!("{delay} ({} pips); mouth to ear 20 ms more", delay.samples),
            )?;
        }
        if let Some(residue) = self.own_residue_db {
            let noise = self.residue_noise_db.unwrap_or(f32::NEG_INFINITY);
            row(
                "own voice heard at",
                format!("{residue:.1} dB (noise beside it {noise:.1} dB)"),
            )?;
        }
        if let Some(lateness) = self.pacing_lateness_ms {
            row("callers' own lateness", lateness.to_string())?;
        }
        if let Some(process) = &self.process {
            row("CPU of the bridge", process.to_string())?;
            let per_caller = process.kib_per_caller.unwrap_or_default();
            row(
                "memory of the bridge",
                format!(
                    "{} KiB before, {} KiB now: {per_caller:.0} KiB a caller",
                    process.rss_before_kib, process.rss_after_kib
                ),
            )?;
        }
        if let Some(ticks) = self.ticks {
            row(
                "late ticks",
                format!(
                    "{} late and {} left out of {}: {:.0} in a million; {} in a hurry",
                    ticks.late,
                    ticks.skipped,
                    ticks.ticks,
                    ticks.late_per_million(),
                    ticks.hurried
                ),
            )?;
        }
        writeln!(f)?;
        for wrong in self.wrongs.iter().take(MOST_NAMED) {
            writeln!(f, "✗ {wrong}")?;
        }
        if self.wrongs.len() > MOST_NAMED {
            writeln!(f, "✗ and {} more", self.wrongs.len() - MOST_NAMED)?;
        }
        if self.is_good() {
            return write!(f, "Everybody heard exactly whom they must.");
        }
        write!(
            f,
            "Failed: {} calls did not come about, {} were dropped, {} callers heard wrongly.",
            self.calls_placed - self.calls_answered,
            self.calls_dropped,
            self.wrongs.len()
        )
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.caller)?;
        if self.deaf {
            write!(f, " received hardly any sound;")?;
        }
        if !self.missed.is_empty() {
            write!(f, " missed {};", self.missed.join(", "))?;
        }
        if !self.overheard.is_empty() {
            write!(f, " overheard {};", self.overheard.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> LoadReport {
        LoadReport {
            calls_placed: 3,
            calls_answered: 3,
            ..LoadReport::default()
        }
    }

    #[test]
    fn a_load_fails_when_anybody_is_missing_dropped_or_hears_wrongly() {
        assert!(good().is_good());
        assert!(
            !LoadReport {
                calls_answered: 2,
                ..good()
            }
            .is_good()
        );
        assert!(
            !LoadReport {
                calls_dropped: 1,
                ..good()
            }
            .is_good()
        );
        let wrong = Wrong {
            caller: "caller 3".into(),
            missed: vec!["talker 1".into()],
            overheard: vec!["itself".into()],
            deaf: false,
        };
        let report = LoadReport {
            wrongs: vec![wrong],
            ..good()
        };
        assert!(!report.is_good());
        assert!(
            report
                .to_string()
                .contains("✗ caller 3 missed talker 1; overheard itself;")
        );
    }
}
