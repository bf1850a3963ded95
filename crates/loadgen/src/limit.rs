//! How many callers does a bridge bear?

use std::fmt;
use std::time::Duration;

use crate::crowd::Crowd;
use crate::leg::PTIME;
use crate::load::MOST_CALLERS;
use crate::load_report::LoadReport;

/// The share of packets that may be lost or late, and of ticks that may be.
const TOLERATED: f64 = 0.001;

/// How much later than its schedule the ninety-ninth of a hundred packets may come, in milliseconds.
const TOLERATED_MS: f64 = 5.0;

/// A search ends when what was borne and what was not are this near, as a share.
const PRECISION: f64 = 0.05;

/// Why a number of callers was not borne.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Unborne {
    /// Calls were refused or dropped.
    Calls,
    /// Somebody heard what they must not, or missed what they must hear.
    Sound,
    /// Too many packets were lost or late.
    Packets,
    /// Packets came unevenly.
    Evenness,
    /// The bridge itself counts late ticks.
    Ticks,
    /// The callers were late themselves: this says nothing about the bridge.
    CallersThemselves,
}

/// One number of callers that was tried.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    pub callers: usize,
    /// `None` was borne.
    pub unborne: Option<Unborne>,
    pub cpu_percent: Option<f64>,
}

/// What a search found.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LimitReport {
    pub name: Option<String>,
    /// Where the search began.
    pub first: usize,
    /// The most callers that were borne.
    pub largest: usize,
    /// What the search ended at: the smallest number that was not borne, and why.
    pub unborne: Option<(usize, Unborne)>,
    pub steps: Vec<Step>,
    /// What was found with the most callers that were borne.
    pub at_largest: Option<LoadReport>,
}

/// Why a load was not borne, if it was not.
pub(crate) fn unborne(report: &LoadReport) -> Option<Unborne> {
    let packets = &report.packets;
    let all = (packets.received + packets.lost).max(1) as f64;
    let is_late = |quantiles: Option<crate::Quantiles>, most: f64| {
        quantiles.is_some_and(|quantiles| quantiles.p99 > most)
    };
    let late_ticks = report
        .ticks
        .map_or(0.0, |ticks| ticks.late_per_million() / 1e6);
    if is_late(report.pacing_lateness_ms, TOLERATED_MS) {
        Some(Unborne::CallersThemselves)
    } else if report.calls_answered < report.calls_placed || report.calls_dropped > 0 {
        Some(Unborne::Calls)
    } else if (packets.lost + packets.late) as f64 > TOLERATED * all {
        Some(Unborne::Packets)
    } else if is_late(
        report.interarrival_ms,
        PTIME.as_millis() as f64 + TOLERATED_MS,
    ) {
        Some(Unborne::Evenness)
    } else if late_ticks > TOLERATED {
        Some(Unborne::Ticks)
    } else if !report.wrongs.is_empty() {
        Some(Unborne::Sound)
    } else {
        None
    }
}

/// Doubles the number of callers until it is not borne, then halves the gap.
pub(crate) async fn find_limit(
    crowd: &mut Crowd,
    first: usize,
    duration: Duration,
) -> anyhow::Result<LimitReport> {
    let mut found = LimitReport {
        first,
        ..LimitReport::default()
    };
    let most = crowd
        .casting()
        .most_callers()
        .unwrap_or(MOST_CALLERS as usize);
    let mut search = Search::new(first, most, crowd.casting().step());
    while let Some(callers) = search.next() {
        eprint!("{callers} callers: ");
        crowd.become_of(callers).await?;
        let report = crowd.judge(duration).await?;
        let verdict = unborne(&report);
        let cpu_percent = report.process.as_ref().map(|process| process.cpu_percent);
        let cpu = cpu_percent.map_or(String::new(), |percent| format!(", {percent:.0} % CPU"));
        match &verdict {
            None => eprintln!("borne{cpu}"),
            Some(unborne) => eprintln!("not borne: {unborne}{cpu}"),
        }
        found.name.clone_from(&report.name);
        search.note(callers, verdict.is_none());
        found.steps.push(Step {
            callers,
            unborne: verdict.clone(),
            cpu_percent,
        });
        match verdict {
            None if callers >= found.largest => {
                (found.largest, found.at_largest) = (callers, Some(report));
            }
            None => {}
            Some(unborne) => found.unborne = Some((callers, unborne)),
        }
    }
    Ok(found)
}

/// Which number to try next.
#[derive(Debug)]
struct Search {
    borne: usize,
    unborne: Option<usize>,
    next: Option<usize>,
    most: usize,
    step: usize,
}

impl Search {
    fn new(first: usize, most: usize, step: usize) -> Search {
        Search {
            borne: 0,
            unborne: None,
            next: Some(first.min(most)),
            most,
            step: step.max(1),
        }
    }

    fn next(&mut self) -> Option<usize> {
        self.next.take()
    }

    fn note(&mut self, callers: usize, borne: bool) {
        if borne {
            self.borne = self.borne.max(callers);
        } else {
            self.unborne = Some(self.unborne.unwrap_or(callers).min(callers));
        }
        let whole = |callers: usize| callers / self.step * self.step;
        self.next = match self.unborne {
            None => Some((self.borne * 2).min(self.most)).filter(|next| *next > self.borne),
            Some(unborne) => {
                let gap = unborne.saturating_sub(self.borne);
                let wanted = (self.step as f64).max(unborne as f64 * PRECISION);
                Some(whole(self.borne + gap / 2))
                    .filter(|next| gap as f64 > wanted && *next > self.borne && *next < unborne)
            }
        };
    }
}

impl fmt::Display for Unborne {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unborne::Calls => "calls were refused or dropped",
            Unborne::Sound => "somebody heard wrongly",
            Unborne::Packets => "more than 0.1 % of packets were lost or late",
            Unborne::Evenness => "packets came more than 5 ms unevenly",
            Unborne::Ticks => "more than 0.1 % of ticks were late",
            Unborne::CallersThemselves => "the callers themselves were late",
        })
    }
}

impl fmt::Display for LimitReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(report) = &self.at_largest {
            writeln!(f, "{report}\n")?;
        }
        write!(f, "The most callers that were borne: {}.", self.largest)?;
        match &self.unborne {
            Some((callers, unborne)) => write!(f, " With {callers}, {unborne}."),
            None => write!(f, " There was no place for more."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load_report::{Packets, Quantiles};

    /// The numbers that are tried when so many are borne.
    fn tried(first: usize, most: usize, step: usize, limit: usize) -> Vec<usize> {
        let mut search = Search::new(first, most, step);
        std::iter::from_fn(|| {
            let callers = search.next()?;
            search.note(callers, callers <= limit);
            Some(callers)
        })
        .collect()
    }

    #[test]
    fn a_search_doubles_and_then_halves() {
        assert_eq!(
            tried(100, 20_000, 1, 620),
            [100, 200, 400, 800, 600, 700, 650, 625]
        );
        assert_eq!(tried(100, 20_000, 1, 10), [100, 50, 25, 12, 6, 9, 10, 11]);
        assert_eq!(tried(100, 300, 1, 5_000), [100, 200, 300]);
        assert!(
            tried(30, 3_000, 3, 100)
                .iter()
                .all(|callers| callers % 3 == 0)
        );
    }

    fn report(change: impl FnOnce(&mut LoadReport)) -> Option<Unborne> {
        let mut report = LoadReport {
            calls_placed: 5,
            calls_answered: 5,
            packets: Packets {
                received: 10_000,
                ..Packets::default()
            },
            ..LoadReport::default()
        };
        change(&mut report);
        unborne(&report)
    }

    #[test]
    fn what_is_not_borne_is_told_apart() {
        let late = |p99| {
            Some(Quantiles {
                p50: 0.0,
                p99,
                samples: 9,
            })
        };
        assert_eq!(report(|_| {}), None);
        assert_eq!(report(|report| report.packets.late = 9), None);
        assert_eq!(
            report(|report| report.packets.lost = 11),
            Some(Unborne::Packets)
        );
        assert_eq!(
            report(|report| report.calls_dropped = 1),
            Some(Unborne::Calls)
        );
        assert_eq!(
            report(|report| report.interarrival_ms = late(26.0)),
            Some(Unborne::Evenness)
        );
        // A late generator explains everything else.
        let both = report(|report| {
            report.packets.lost = 500;
            report.pacing_lateness_ms = late(8.0);
        });
        assert_eq!(both, Some(Unborne::CallersThemselves));
    }
}
