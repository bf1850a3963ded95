//! How is each goal measured?

use std::time::Duration;

use crate::crowd::Crowd;
use crate::limit::{Unborne, unborne};
use crate::load::{LoadArgs, LoadCodec};
use crate::load_report::LoadReport;
use crate::recital::Quiet;
use crate::voice::Manner;

use super::bridge::BenchBridge;
use super::floor_of_machine::{bare_opus_percent, sleep_on};
use super::goals;
use super::row::line_through;

/// New calls a second.
const RAMP: u32 = 250;

/// A step beyond this much of the core is the last.
const FULL_PERCENT: f64 = 90.0;

/// A step beyond the goal is tried while the core has this much left.
const ROOM_PERCENT: f64 = 65.0;

/// How often a step is judged before it counts as not borne.
const TRIES: usize = 3;

/// Others on the bridge's core may take this much of it before it is said.
const NEIGHBOURS_PERCENT: f64 = 10.0;

/// How many callers decode what they hear.
const EARS: u32 = 20;

/// What is measured with one bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scenario {
    ReceiveOnly,
    Silence,
    Dtx,
    Pcmu,
    PcmuVoice,
    Turns,
    AllTalk,
    Delay,
}

/// One figure that a scenario found.
pub(super) struct Found {
    pub(super) row: &'static str,
    pub(super) value: f64,
    pub(super) note: String,
}

/// How long things are watched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Each step of a climb.
    pub(super) step: Duration,
    /// Ticks that must not be late.
    pub(super) punctuality: Duration,
}

/// One number of callers on one bridge.
struct Step {
    callers: usize,
    report: LoadReport,
    unborne: Option<Unborne>,
}

impl Scenario {
    pub(super) const ALL: [Scenario; 8] = [
        Scenario::ReceiveOnly,
        Scenario::Silence,
        Scenario::Dtx,
        Scenario::Pcmu,
        Scenario::PcmuVoice,
        Scenario::Turns,
        Scenario::AllTalk,
        Scenario::Delay,
    ];

    /// The rows that it fills.
    pub(super) fn rows(self) -> &'static [&'static str] {
        match self {
            Scenario::ReceiveOnly => &[goals::RECEIVE_ONLY, goals::LISTENER_MEMORY],
            Scenario::Silence => &[goals::SILENCE],
            Scenario::Dtx => &[goals::DTX],
            Scenario::Pcmu => &[goals::PCMU],
            Scenario::PcmuVoice => &[goals::PCMU_VOICE],
            Scenario::Turns => &[goals::TURNS, goals::LATE_TICKS],
            Scenario::AllTalk => &[goals::ALL_TALK, goals::TALKER_MEMORY],
            Scenario::Delay => &[
                goals::DELAY_P50,
                goals::DELAY_P99,
                goals::LOADED_P50,
                goals::LOADED_P99,
            ],
        }
    }

    /// How the callers are.
    fn args(self) -> LoadArgs {
        let plain = LoadArgs {
            ramp: RAMP,
            ears: EARS,
            speech: Some(None),
            no_delay: true,
            // Another address than the bridge's, whose ports they would take.
            ip: [127, 0, 0, 2].into(),
            ..LoadArgs::plain(Vec::new())
        };
        let opus = LoadArgs {
            codec: LoadCodec::Opus,
            ..plain.clone()
        };
        let sending = |plain: LoadArgs, listeners_send| LoadArgs {
            listeners_send,
            ..plain
        };
        match self {
            Scenario::ReceiveOnly => sending(opus, Quiet::Nothing),
            Scenario::Silence => sending(opus, Quiet::Silence),
            Scenario::Dtx => sending(opus, Quiet::Dtx),
            Scenario::Pcmu => sending(plain, Quiet::Noise),
            Scenario::PcmuVoice => sending(plain, Quiet::Voice),
            Scenario::Turns => LoadArgs {
                manner: Manner::Turns,
                per_conference: Some(3),
                ..opus
            },
            Scenario::AllTalk => LoadArgs {
                per_conference: Some(3),
                ..opus
            },
            Scenario::Delay => LoadArgs {
                no_delay: false,
                ..sending(plain, Quiet::Noise)
            },
        }
    }

    /// How many callers there are, step by step; the last ones lie beyond the goal.
    fn steps(self) -> &'static [usize] {
        match self {
            Scenario::ReceiveOnly => &[100, 500, 1_250, 2_500, 5_000, 7_500],
            Scenario::Dtx => &[100, 400, 1_000, 2_000, 4_000, 6_000],
            Scenario::Silence => &[50, 150, 375, 750, 1_500, 2_250],
            Scenario::Pcmu | Scenario::PcmuVoice => &[100, 300, 750, 1_500, 3_000, 4_500],
            Scenario::Turns => &[30, 60, 126, 189, 252, 375],
            Scenario::AllTalk => &[15, 30, 60, 90],
            Scenario::Delay => &[20, 300, 750, 1_500, 3_000],
        }
    }

    /// The command that does by hand what is measured here.
    pub(super) fn command(self) -> String {
        let args = self.args();
        let mut words = vec!["tutti load".to_owned()];
        match args.per_conference {
            Some(each) => words.push(format!("--targets conferences.txt --per-conference {each}")),
            None => words.push("--target sip:<conference>@<bridge>".to_owned()),
        }
        let codec = match args.codec {
            LoadCodec::Opus => "opus",
            LoadCodec::Pcmu | LoadCodec::Pcma | LoadCodec::G722 | LoadCodec::L16 => "pcmu",
        };
        let quiet = match args.listeners_send {
            Quiet::Voice => "voice",
            Quiet::Silence => "silence",
            Quiet::Noise => "noise",
            Quiet::Dtx => "dtx",
            Quiet::Nothing => "nothing",
        };
        words.push(format!("--codec {codec} --speech --listeners-send {quiet}"));
        if args.manner == Manner::Turns {
            words.push("--manner turns".to_owned());
        }
        if args.no_delay {
            words.push("--no-delay".to_owned());
        }
        words.push(format!(
            "--ears {EARS} --ramp {RAMP} --callers <n> --pid <bridge>"
        ));
        words.join(" ")
    }

    /// Measures once, on a bridge of its own on a core.
    ///
    /// # Errors
    /// When the bridge does not run, or nothing could be measured.
    pub(super) async fn measure(self, core: usize, pace: Pace) -> anyhow::Result<Vec<Found>> {
        match self {
            Scenario::ReceiveOnly
            | Scenario::Silence
            | Scenario::Dtx
            | Scenario::Pcmu
            | Scenario::PcmuVoice => self.measure_capacity(core, pace).await,
            Scenario::Turns => self.measure_turns(core, pace).await,
            Scenario::AllTalk => self.measure_overhead(core, pace).await,
            Scenario::Delay => self.measure_delay(core, pace).await,
        }
    }

    async fn measure_capacity(self, core: usize, pace: Pace) -> anyhow::Result<Vec<Found>> {
        let (_bridge, crowd, steps) = self.climb(core, pace).await?;
        crowd.go().await;
        let mut found = vec![self.capacity(&steps)?];
        if let Scenario::ReceiveOnly = self {
            found.push(memory(goals::LISTENER_MEMORY, &steps)?);
        }
        Ok(found)
    }

    async fn measure_turns(self, core: usize, pace: Pace) -> anyhow::Result<Vec<Found>> {
        let machine = sleep_on(core, pace.punctuality).await?;
        let (_bridge, mut crowd, steps) = self.climb(core, pace).await?;
        let mut found = vec![self.capacity(&steps)?];
        let wanted = line(&steps).map_or(0.0, |line| callers_at(line, 80.0));
        let most = crowd.casting().most_callers().unwrap_or(usize::MAX);
        let callers = ((wanted as usize).min(most) / 3 * 3).max(3);
        eprint!("{callers} callers: ");
        crowd.become_of(callers).await?;
        let report = crowd.judge(pace.punctuality).await?;
        crowd.go().await;
        let ticks = report.ticks.unwrap_or_default();
        let cpu = report
            .process
            .as_ref()
            .map_or(0.0, |process| process.cpu_percent);
        eprintln!(
            "{:.0} late ticks in a million at {cpu:.0} % CPU",
            ticks.late_per_million()
        );
        found.push(Found {
            row: goals::LATE_TICKS,
            value: ticks.late_per_million(),
            note: format!(
                "{} late and {} left out of {} ticks, {callers} callers, {cpu:.0} % CPU; a thread \
                 that only slept on the idle core: {:.0} in a million ({} wake-ups, worst {:.1} ms \
                 late)",
                ticks.late,
                ticks.skipped,
                ticks.ticks,
                machine.late_per_million,
                machine.wake_ups,
                machine.worst.as_secs_f64() * 1_000.0,
            ),
        });
        Ok(found)
    }

    async fn measure_overhead(self, core: usize, pace: Pace) -> anyhow::Result<Vec<Found>> {
        let bare = bare_opus_percent(core).await?;
        let (_bridge, crowd, steps) = self.climb(core, pace).await?;
        crowd.go().await;
        let last = steps.iter().rfind(|step| step.unborne.is_none());
        let last = last.ok_or_else(|| nothing_borne(&steps))?;
        let cpu = cpu_of(last);
        let wanted = bare * last.callers as f64;
        let overhead = Found {
            row: goals::ALL_TALK,
            value: cpu / wanted.max(1e-9),
            note: format!(
                "{} callers took {cpu:.1} %; bare libopus takes {bare:.2} % for each of them",
                last.callers
            ),
        };
        Ok(vec![overhead, memory(goals::TALKER_MEMORY, &steps)?])
    }

    async fn measure_delay(self, core: usize, pace: Pace) -> anyhow::Result<Vec<Found>> {
        let (_bridge, crowd, steps) = self.climb(core, pace).await?;
        crowd.go().await;
        let borne: Vec<&Step> = steps.iter().filter(|step| step.unborne.is_none()).collect();
        let delays: Vec<(usize, f64, f64)> = borne
            .iter()
            .filter_map(|step| {
                let delay = step.report.delay_ms?;
                Some((step.callers, delay.p50, delay.p99))
            })
            .collect();
        let [(callers, p50, p99), ..] = *delays.as_slice() else {
            return Err(nothing_borne(&steps));
        };
        let all = delays
            .iter()
            .map(|(callers, p50, p99)| format!("{callers} callers: {p50:.1} / {p99:.1}"));
        let all = all.collect::<Vec<_>>().join(", ");
        let worst = |value: fn(&(usize, f64, f64)) -> f64| {
            delays.iter().map(value).fold(f64::NEG_INFINITY, f64::max)
        };
        let found = |row, value, note| Found { row, value, note };
        Ok(vec![
            found(goals::DELAY_P50, p50, format!("{callers} callers")),
            found(goals::DELAY_P99, p99, format!("{callers} callers")),
            found(goals::LOADED_P50, worst(|delay| delay.1), String::new()),
            found(
                goals::LOADED_P99,
                worst(|delay| delay.2),
                format!("p50 / p99: {all}"),
            ),
        ])
    }

    /// Adds callers step by step, until there is no more room or something is wrong.
    async fn climb(
        self,
        core: usize,
        pace: Pace,
    ) -> anyhow::Result<(BenchBridge, Crowd, Vec<Step>)> {
        let bridge = BenchBridge::start(core).await?;
        let most = self.steps().last().copied().unwrap_or(0);
        let mut args = self.args();
        let conferences = args
            .per_conference
            .map_or(1, |each| most.div_ceil(each as usize));
        let targets = bridge.conferences(conferences).await?;
        args.callers = u32::try_from(most)?;
        (args.pid, args.metrics) = (Some(bridge.pid()), Some(bridge.metrics()));
        let mut crowd = Crowd::gather(&args, targets).await?;
        let mut steps: Vec<Step> = Vec::new();
        for callers in self.steps() {
            eprint!("{callers} callers: ");
            crowd.become_of(*callers).await?;
            let mut report = crowd.judge(pace.step).await?;
            // A neighbour's moment on the core is not the bridge's limit.
            for _ in 1..TRIES {
                if unborne(&report).is_none() {
                    break;
                }
                report = crowd.judge(pace.step).await?;
            }
            let verdict = unborne(&report);
            let (cpu, others) = report.process.as_ref().map_or((0.0, 0.0), |process| {
                let core = process.core_percent.unwrap_or(process.cpu_percent);
                (process.cpu_percent, core - process.cpu_percent)
            });
            match &verdict {
                None => eprintln!("borne, {cpu:.1} % CPU"),
                Some(why) => eprintln!("not borne, {why}, {cpu:.1} % CPU"),
            }
            if others > NEIGHBOURS_PERCENT {
                eprintln!(
                    "something else took {others:.0} % of the core: the figures are worth little"
                );
            }
            let is_last = verdict.is_some()
                || cpu > FULL_PERCENT
                || (cpu > ROOM_PERCENT && self.is_beyond_goal(*callers));
            steps.push(Step {
                callers: *callers,
                report,
                unborne: verdict,
            });
            if is_last {
                break;
            }
        }
        Ok((bridge, crowd, steps))
    }

    /// Whether the goal's own number has been tried.
    fn is_beyond_goal(self, callers: usize) -> bool {
        let goal = goals::GOALS
            .iter()
            .find(|goal| self.rows().first() == Some(&goal.name));
        goal.is_some_and(|goal| callers as f64 >= goal.goal)
    }

    /// How many callers fill the core.
    fn capacity(self, steps: &[Step]) -> anyhow::Result<Found> {
        let line = line(steps).ok_or_else(|| nothing_borne(steps))?;
        let largest = steps.iter().rfind(|step| step.unborne.is_none());
        let (callers, cpu) = largest.map_or((0, 0.0), |step| (step.callers, cpu_of(step)));
        let end = steps.last().filter(|step| step.unborne.is_some());
        let end = end.and_then(|step| {
            let unborne = step.unborne.as_ref()?;
            Some(format!("; with {}, {unborne}", step.callers))
        });
        let note = format!(
            "measured: {callers} callers were there and borne at {cpu:.0} % CPU{}; by slope: {:.0} \
             at 80 % of the core, {:.0} at 100 %",
            end.unwrap_or_default(),
            callers_at(line, 80.0),
            callers_at(line, 100.0),
        );
        Ok(Found {
            row: self.rows().first().copied().unwrap_or_default(),
            value: callers_at(line, 100.0),
            note,
        })
    }
}

/// CPU time by callers, over the steps that were borne.
fn line(steps: &[Step]) -> Option<(f64, f64)> {
    let borne = steps.iter().filter(|step| step.unborne.is_none());
    let points: Vec<(f64, f64)> = borne
        .map(|step| (step.callers as f64, cpu_of(step)))
        .collect();
    line_through(&points).filter(|(_, slope)| *slope > 0.0)
}

fn callers_at((at_zero, slope): (f64, f64), percent: f64) -> f64 {
    ((percent - at_zero) / slope).max(0.0)
}

fn cpu_of(step: &Step) -> f64 {
    step.report
        .process
        .as_ref()
        .map_or(0.0, |process| process.cpu_percent)
}

fn memory(row: &'static str, steps: &[Step]) -> anyhow::Result<Found> {
    let kib = |step: &Step| {
        let process = step.report.process.as_ref();
        process.map_or(0.0, |process| process.rss_after_kib as f64)
    };
    let (Some(first), Some(last)) = (steps.first(), steps.last()) else {
        return Err(nothing_borne(steps));
    };
    let callers = last.callers.saturating_sub(first.callers).max(1);
    Ok(Found {
        row,
        value: (kib(last) - kib(first)) / callers as f64,
        note: format!(
            "{:.0} KiB with {} callers, {:.0} KiB with {}",
            kib(first),
            first.callers,
            kib(last),
            last.callers
        ),
    })
}

fn nothing_borne(steps: &[Step]) -> anyhow::Error {
    let why = steps.last().and_then(|step| step.unborne.clone());
    anyhow::anyhow!("too little was borne to measure anything: {why:?}")
}
