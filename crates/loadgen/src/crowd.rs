//! Who is there, and what do they find out together?

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::task::JoinSet;

use crate::caller::Caller;
use crate::casting::{Casting, Part};
use crate::histogram::Histogram;
use crate::judgement::{LONGEST_GAP, judge, judge_counts};
use crate::line::{CallFailure, Line};
use crate::load::LoadArgs;
use crate::load_report::{LoadReport, Quantiles};
use crate::metrics::Metrics;
use crate::pacer::Pacer;
use crate::process::Process;

/// After everybody has begun to speak, this long nothing is judged.
const SETTLING: Duration = Duration::from_millis(1_500);

/// Callers on one pacer thread; more are spread over more threads.
const CALLERS_PER_THREAD: usize = 400;

/// Callers on one SIP endpoint: what a server's limit for one source does not see.
pub(crate) struct Crowd {
    casting: Casting,
    line: Arc<Line>,
    pacer: Arc<Pacer>,
    ramp: u32,
    name: Option<String>,
    process: Option<Process>,
    metrics: Option<Metrics>,
    present: Vec<(Part, Caller)>,
    /// How many calls have been placed and not been hung up.
    placed: usize,
    failures: BTreeMap<String, usize>,
    setups: Histogram,
}

impl Crowd {
    /// Nobody has called yet.
    ///
    /// # Errors
    /// When there is no SIP endpoint, no thread or no speech to be had, or the process is not there.
    pub(crate) async fn gather(args: &LoadArgs, targets: Vec<String>) -> anyhow::Result<Crowd> {
        let line = Line::open(args.ip)
            .await
            .context("the callers' SIP endpoint")?;
        let threads = threads_for(args.most_callers());
        Ok(Crowd {
            casting: Casting::new(args, targets)?,
            line: Arc::new(line),
            pacer: Arc::new(Pacer::start(threads).context("the callers' threads")?),
            ramp: args.ramp,
            name: args.name.clone(),
            process: args.pid.map(Process::watch).transpose()?,
            metrics: args.metrics.clone().map(Metrics::at).transpose()?,
            present: Vec::new(),
            placed: 0,
            failures: BTreeMap::new(),
            setups: Histogram::default(),
        })
    }

    pub(crate) fn casting(&self) -> &Casting {
        &self.casting
    }

    /// Calls or hangs up until there are this many, at the wanted pace.
    ///
    /// # Errors
    /// When what callers say cannot be encoded.
    pub(crate) async fn become_of(&mut self, callers: usize) -> anyhow::Result<()> {
        if callers < self.placed {
            let leaving = self
                .present
                .partition_point(|(part, _)| part.caller < callers);
            let leaving = self.present.split_off(leaving);
            hang_up_all(leaving).await;
            self.failures.clear();
        }
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / self.ramp.max(1));
        let mut calls: JoinSet<(Part, Result<Caller, CallFailure>)> = JoinSet::new();
        for caller in self.placed.min(callers)..callers {
            let part = self.casting.part(caller);
            let (plan, habits) = self.casting.plan(&part)?;
            let (line, pacer) = (Arc::clone(&self.line), Arc::clone(&self.pacer));
            ticks.tick().await;
            calls.spawn(async move {
                let call = Caller::dial_as(&line, &pacer, plan, habits).await;
                (part, call)
            });
        }
        self.placed = callers;
        while let Some(call) = calls.join_next().await {
            let failure = match call {
                Ok((part, Ok(caller))) => {
                    self.setups.add(caller.setup_time());
                    self.present.push((part, caller));
                    continue;
                }
                Ok((_, Err(failure))) => failure.to_string(),
                Err(broken) => broken.to_string(),
            };
            *self.failures.entry(failure).or_default() += 1;
        }
        self.present.sort_by_key(|(part, _)| part.caller);
        for (part, caller) in &self.present {
            caller.say(self.casting.is_said_by(part));
        }
        Ok(())
    }

    /// Lets everybody talk and listen for so long, and says what they found.
    ///
    /// # Errors
    /// When the watched process or the metrics page is gone.
    pub(crate) async fn judge(&mut self, duration: Duration) -> anyhow::Result<LoadReport> {
        let (settling, judged) = match self.present.is_empty() {
            true => (Duration::ZERO, Duration::ZERO),
            false => (SETTLING, duration),
        };
        tokio::time::sleep(settling).await;
        let before: Vec<_> = self
            .present
            .iter()
            .map(|(_, caller)| caller.counts())
            .collect();
        let ticks_before = read(self.metrics.as_ref()).await?;
        let usage_before = self.process.as_ref().map(Process::usage).transpose()?;
        // Looking at thousands of callers keeps them waiting; only what is between the looks counts.
        self.pacer.forget_lateness();
        let from = Instant::now();
        tokio::time::sleep(judged).await;
        let to = Instant::now();
        let lateness = self.pacer.lateness();
        let usage_after = self.process.as_ref().map(Process::usage).transpose()?;
        let ticks_after = read(self.metrics.as_ref()).await?;
        let after: Vec<_> = self
            .present
            .iter()
            .map(|(_, caller)| caller.counts())
            .collect();

        let ended = self
            .present
            .iter_mut()
            .map(|(_, caller)| caller.has_ended());
        let calls_dropped = ended.filter(|ended| *ended).count();
        let mut report = LoadReport {
            name: self.name.clone(),
            calls_placed: self.placed,
            calls_answered: self.present.len(),
            failures: self.failures.clone(),
            calls_dropped,
            conferences: self.casting.conferences_of(self.placed),
            talkers: self.casting.talkers(),
            judged_seconds: (to - from).as_secs_f64(),
            setup_ms: Quantiles::of(&self.setups),
            ticks: ticks_before
                .zip(ticks_after)
                .map(|(before, after)| after.since(&before)),
            ..LoadReport::default()
        };
        if let (Some(process), Some(before), Some(after)) =
            (&self.process, usage_before, usage_after)
        {
            report.process = Some(process.report(&before, &after, self.present.len()));
        }
        self.count(&mut report, &before, &after, to - from);
        self.listen(&mut report, from, to);
        report.pacing_lateness_ms = Quantiles::of(&lateness);
        Ok(report)
    }

    /// Adds up what everybody counted, and finds those who only count and are deaf.
    fn count(
        &self,
        report: &mut LoadReport,
        before: &[(crate::Counters, Histogram)],
        after: &[(crate::Counters, Histogram)],
        judged: Duration,
    ) {
        let (mut interarrival, mut delays) = (Histogram::default(), Histogram::default());
        let present: Vec<Part> = self.present.iter().map(|(part, _)| part.clone()).collect();
        let talkers: Vec<Part> = present
            .iter()
            .filter(|part| self.casting.is_said_by(part))
            .cloned()
            .collect();
        for ((part, _), (before, after)) in self.present.iter().zip(before.iter().zip(after)) {
            let counters = after.0.since(&before.0);
            report.packets.add(&counters);
            interarrival.merge(&counters.interarrival);
            delays.merge(&after.1.since(&before.1));
            let jitter_ms = counters.jitter.as_secs_f64() * 1_000.0;
            report.worst_jitter_ms = report.worst_jitter_ms.max(jitter_ms);
            if part.has_ears {
                report.ears += 1;
            } else {
                let expected = self.casting.must_hear(part, &talkers);
                report
                    .wrongs
                    .extend(judge_counts(part, &counters, expected, judged));
            }
        }
        report.interarrival_ms = Quantiles::of(&interarrival);
        report.delay_ms = Quantiles::of(&delays);
        report.delays = delays;
    }

    /// Adds what those with ears heard.
    fn listen(&self, report: &mut LoadReport, from: Instant, to: Instant) {
        let patience = LONGEST_GAP + self.casting.manner().longest_pause(self.casting.talkers());
        let present: Vec<Part> = self.present.iter().map(|(part, _)| part.clone()).collect();
        for (part, caller) in self.present.iter().filter(|(part, _)| part.has_ears) {
            let (cells, residues) = caller.heard_between(from, to);
            let expected = self.casting.must_hear(part, &present);
            let vocabulary = self.casting.vocabulary_of(part);
            let wrong = judge(part, &cells, expected, to - from, patience, &vocabulary);
            report.wrongs.extend(wrong);
            for residue in residues {
                let louder =
                    |known: Option<f32>, level: f32| Some(known.unwrap_or(level).max(level));
                report.own_residue_db = louder(report.own_residue_db, residue.level_db);
                report.residue_noise_db = louder(report.residue_noise_db, residue.noise_db);
            }
        }
    }

    /// Hangs up.
    pub(crate) async fn go(self) {
        hang_up_all(self.present).await;
        self.line.close().await;
    }
}

async fn read(metrics: Option<&Metrics>) -> anyhow::Result<Option<crate::metrics::Ticks>> {
    match metrics {
        Some(metrics) => Ok(Some(metrics.read().await?)),
        None => Ok(None),
    }
}

async fn hang_up_all(leaving: Vec<(Part, Caller)>) {
    let mut farewells = JoinSet::new();
    for (_, caller) in leaving {
        farewells.spawn(caller.hang_up());
    }
    farewells.join_all().await;
}

fn threads_for(callers: usize) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    callers.div_ceil(CALLERS_PER_THREAD).min(cores)
}
