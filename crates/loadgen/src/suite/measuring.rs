//! How is each goal measured?

use std::net::IpAddr;
use std::time::Duration;

use crate::crowd::Crowd;
use crate::histogram::Histogram;
use crate::limit::{Unborne, unborne};
use crate::load::{LoadArgs, LoadCodec};
use crate::load_report::{LoadReport, Quantiles};
use crate::process::Process;
use crate::recital::Quiet;
use crate::rtp_stream::HEADER;
use crate::voice::Manner;

use super::bridge::BenchBridge;
use super::floor_of_kernel::{KernelAlone, Traffic, kernel_alone};
use super::floor_of_machine::{WakeUps, bare_opus_percent, wake_on};
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

/// The share of packets that may be lost, and of ticks that may be left out, in a step whose CPU time
/// counts: what was not sent cost nothing.
const UNSENT: f64 = 0.01;

/// The share of ticks that may be encoded in a hurry in a step whose CPU time counts: what was encoded
/// less well cost less.
const HURRIED: f64 = 0.05;

/// How much of the core is filled when ticks must not be late.
const PUNCTUAL_PERCENT: f64 = 80.0;

/// How long the kernel alone is measured.
const KERNEL_DURATION: Duration = Duration::from_secs(4);

/// Where callers are: another address than the bridge's, whose ports they would take.
const CALLERS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

/// In how many ticks a phone sends one packet that is silent: every 400 ms with Opus.
const TICKS_OF_DTX: usize = 20;

/// Talkers whose delay is measured: a quarter of a tick apart from each other.
const DELAY_TALKERS: u32 = 4;

/// How often callers come anew to measure delay, when they are few and when they are many.
const DELAY_ROUNDS: [usize; 2] = [4, 2];

/// As many callers are still few.
const FEW: usize = 100;

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
    /// What a bridge without any cost would have reached.
    pub(super) floor: Option<f64>,
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
            ip: CALLERS,
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
                talkers: DELAY_TALKERS,
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
        if args.talkers != LoadArgs::plain(Vec::new()).talkers {
            words.push(format!("--talkers {}", args.talkers));
        }
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
        let (bridge, crowd, steps) = self.climb(core, pace).await?;
        crowd.go().await;
        drop(bridge);
        let largest = largest_borne(&steps).map_or(0, |step| step.callers);
        let kernel = self.kernel_alone(core, largest).await?;
        let carries = match self.peers_send_every() {
            None => "a datagram sent, and a look whether one has come",
            Some(1) => "a datagram sent and one read",
            Some(_) => "a datagram sent, a look whether one has come, and one read in 20 ticks",
        };
        let per_core = kernel.per_core();
        let mut capacity = self.capacity(&steps)?;
        capacity.note.push_str(&format!(
            ". The kernel alone, with {largest} sockets, takes {:.1} µs a tick for each ({carries}), so \
             that {per_core:.0} fill the core: the bridge reaches {:.0} % of that",
            kernel.a_tick.as_secs_f64() * 1e6,
            100.0 * capacity.value / per_core,
        ));
        capacity.floor = Some(per_core);
        let mut found = vec![capacity];
        if let Scenario::ReceiveOnly = self {
            found.push(memory(goals::LISTENER_MEMORY, &steps)?);
        }
        Ok(found)
    }

    /// What callers like these cost the kernel, however cheap a bridge is.
    async fn kernel_alone(self, core: usize, callers: usize) -> anyhow::Result<KernelAlone> {
        let traffic = Traffic {
            sockets: callers.max(1),
            octets: match self.args().codec {
                // 32 kbit/s, and an RTP header.
                LoadCodec::Opus => 80 + HEADER,
                LoadCodec::Pcmu | LoadCodec::Pcma | LoadCodec::G722 => 160 + HEADER,
                LoadCodec::L16 => 640 + HEADER,
            },
            peers_send_every: self.peers_send_every(),
        };
        kernel_alone(core, CALLERS, traffic, KERNEL_DURATION).await
    }

    /// In how many ticks most callers send one packet, if they send any.
    fn peers_send_every(self) -> Option<usize> {
        match self.args().listeners_send {
            Quiet::Voice | Quiet::Silence | Quiet::Noise => Some(1),
            Quiet::Dtx => Some(TICKS_OF_DTX),
            Quiet::Nothing => None,
        }
    }

    async fn measure_turns(self, core: usize, pace: Pace) -> anyhow::Result<Vec<Found>> {
        let opus = bare_opus_percent(core).await?;
        let (bridge, mut crowd, steps) = self.climb(core, pace).await?;
        let mut capacity = self.capacity(&steps)?;
        let wanted = line(&steps).map_or(0.0, |line| callers_at(line, PUNCTUAL_PERCENT));
        let most = crowd.casting().most_callers().unwrap_or(usize::MAX);
        let callers = ((wanted as usize).min(most) / 3 * 3).max(3);
        eprint!("{callers} callers: ");
        crowd.become_of(callers).await?;
        let ourselves = Process::watch(std::process::id())?;
        let before = ourselves.usage()?;
        let report = crowd.judge(pace.punctuality).await?;
        let ourselves = ourselves.report(&before, &ourselves.usage()?, callers);
        crowd.go().await;
        drop(bridge);
        let kernel = self.kernel_alone(core, callers).await?;
        // Of each conference one voice is decoded and one mix encoded, and everybody sends and is sent to.
        let each = opus / 3.0 + kernel.percent();
        capacity.floor = Some(100.0 / each);
        capacity.note.push_str(&format!(
            ". libopus alone takes {opus:.2} % of the core for a conference's encoder and decoder, and \
             the kernel {:.2} % for its datagrams, so that {:.0} callers fill the core: the bridge \
             reaches {:.0} % of that",
            3.0 * kernel.percent(),
            100.0 / each,
            capacity.value * each,
        ));
        let late = self
            .late_ticks(&report, core, pace, ourselves.cpu_percent)
            .await?;
        Ok(vec![capacity, late])
    }

    /// How many ticks were late, and what anybody sees on that core, beside callers as busy as ours.
    async fn late_ticks(
        self,
        report: &LoadReport,
        core: usize,
        pace: Pace,
        callers_percent: f64,
    ) -> anyhow::Result<Found> {
        let ticks = report.ticks.unwrap_or_default();
        let process = report.process.as_ref();
        let cpu = process.map_or(0.0, |process| process.cpu_percent);
        eprintln!(
            "{:.0} late ticks in a million at {cpu:.0} % CPU",
            ticks.late_per_million()
        );
        let busy = (callers_percent / 100.0).clamp(0.0, 0.9);
        let [worker, sleeper] = [
            (PUNCTUAL_PERCENT / 100.0, pace.punctuality),
            (0.0, pace.punctuality / 2),
        ]
        .map(|(share, duration)| async move {
            let (seen, _) = tokio::try_join!(
                wake_on(Some(core), share, duration),
                wake_on(None, busy, duration)
            )?;
            anyhow::Ok(seen)
        });
        // One after the other: they are on the same core.
        let (worker, sleeper) = (worker.await?, sleeper.await?);
        let tell = |seen: &WakeUps| {
            let worst_ms = seen.worst.as_secs_f64() * 1_000.0;
            format!(
                "{:.0} in a million ({} wake-ups, worst {worst_ms:.1} ms late)",
                seen.late_per_million, seen.count
            )
        };
        Ok(Found {
            row: goals::LATE_TICKS,
            value: ticks.late_per_million(),
            floor: Some(worker.late_per_million),
            note: format!(
                "{} late and {} left out of {} ticks, {} in a hurry, {} callers, {cpu:.0} % CPU; on the \
                 same core, beside callers as busy, a thread of nothing but encodes, which never \
                 hurries: {}; one that only slept: {}",
                ticks.late,
                ticks.skipped,
                ticks.ticks,
                ticks.hurried,
                report.calls_answered,
                tell(&worker),
                tell(&sleeper),
            ),
        })
    }

    async fn measure_overhead(self, core: usize, pace: Pace) -> anyhow::Result<Vec<Found>> {
        let bare = bare_opus_percent(core).await?;
        let (_bridge, crowd, steps) = self.climb(core, pace).await?;
        crowd.go().await;
        let last = largest_borne(&steps).ok_or_else(|| nothing_borne(&steps))?;
        let cpu = cpu_of(last);
        let wanted = bare * last.callers as f64;
        let overhead = Found {
            row: goals::ALL_TALK,
            value: cpu / wanted.max(1e-9),
            floor: None,
            note: format!(
                "{} callers took {cpu:.1} %; bare libopus takes {bare:.2} % for each of them",
                last.callers
            ),
        };
        Ok(vec![overhead, memory(goals::TALKER_MEMORY, &steps)?])
    }

    /// Measures every number of callers several times, each time with callers who come anew: where
    /// their packets lie against the bridge's ticks stays as it is for as long as they are there.
    async fn measure_delay(self, core: usize, pace: Pace) -> anyhow::Result<Vec<Found>> {
        let bridge = BenchBridge::start(core).await?;
        let mut delays: Vec<(usize, Quantiles)> = Vec::new();
        let mut end = None;
        for callers in self.steps() {
            let [few, many] = DELAY_ROUNDS;
            let rounds = if *callers < FEW { few } else { many };
            let (mut all, mut cpu) = (Histogram::default(), 0.0_f64);
            for _ in 0..rounds {
                let mut crowd = self.crowd(&bridge, *callers).await?;
                let step = step(&mut crowd, *callers, pace).await?;
                crowd.go().await;
                cpu = cpu.max(cpu_of(&step));
                all.merge(&step.report.delays);
                end = step.unborne;
                if end.is_some() {
                    break;
                }
            }
            if let Some(why) = &end
                && delays.is_empty()
            {
                anyhow::bail!("too little was borne to measure anything: {why}");
            }
            if end.is_some() {
                break;
            }
            delays.extend(Quantiles::of(&all).map(|delay| (*callers, delay)));
            if cpu > ROOM_PERCENT {
                break;
            }
        }
        let Some((callers, light)) = delays.first() else {
            anyhow::bail!("nobody heard a pip");
        };
        let all = delays.iter().map(|(callers, delay)| {
            format!("{callers} callers: {:.1} / {:.1}", delay.p50, delay.p99)
        });
        let all = all.collect::<Vec<_>>().join(", ");
        let worst = |value: fn(&Quantiles) -> f64| {
            let values = delays.iter().map(|(_, delay)| value(delay));
            values.fold(f64::NEG_INFINITY, f64::max)
        };
        let found = |row, value, note| Found {
            row,
            value,
            floor: None,
            note,
        };
        let few = format!(
            "{callers} callers, {} times anew: {} pips heard",
            DELAY_ROUNDS[0], light.samples
        );
        Ok(vec![
            found(goals::DELAY_P50, light.p50, few.clone()),
            found(goals::DELAY_P99, light.p99, few),
            found(goals::LOADED_P50, worst(|delay| delay.p50), String::new()),
            found(
                goals::LOADED_P99,
                worst(|delay| delay.p99),
                format!("p50 / p99: {all}"),
            ),
        ])
    }

    /// Nobody yet, on conferences of their own for up to so many callers.
    async fn crowd(self, bridge: &BenchBridge, most: usize) -> anyhow::Result<Crowd> {
        let mut args = self.args();
        let conferences = args
            .per_conference
            .map_or(1, |each| most.div_ceil(each as usize));
        let targets = bridge.conferences(conferences).await?;
        args.callers = u32::try_from(most)?;
        (args.pid, args.metrics) = (Some(bridge.pid()), Some(bridge.metrics()));
        Crowd::gather(&args, targets).await
    }

    /// Adds callers step by step, until there is no more room or something is wrong.
    async fn climb(
        self,
        core: usize,
        pace: Pace,
    ) -> anyhow::Result<(BenchBridge, Crowd, Vec<Step>)> {
        let bridge = BenchBridge::start(core).await?;
        let most = self.steps().last().copied().unwrap_or(0);
        let mut crowd = self.crowd(&bridge, most).await?;
        let mut steps: Vec<Step> = Vec::new();
        for callers in self.steps() {
            let step = step(&mut crowd, *callers, pace).await?;
            let cpu = cpu_of(&step);
            let is_last = step.unborne.is_some()
                || cpu > FULL_PERCENT
                || (cpu > ROOM_PERCENT && self.is_beyond_goal(*callers));
            steps.push(step);
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
        let (callers, cpu) =
            largest_borne(steps).map_or((0, 0.0), |step| (step.callers, cpu_of(step)));
        let end = steps.last().filter(|step| step.unborne.is_some());
        let end = end.and_then(|step| {
            let unborne = step.unborne.as_ref()?;
            Some(format!("; with {}, {unborne}", step.callers))
        });
        let note = format!(
            "Really there and borne: {callers} callers, at {cpu:.0} % CPU{}; by slope of {} steps: \
             {:.0} at 80 % of the core, {:.0} at 100 %",
            end.unwrap_or_default(),
            points(steps).len(),
            callers_at(line, 80.0),
            callers_at(line, 100.0),
        );
        Ok(Found {
            row: self.rows().first().copied().unwrap_or_default(),
            value: callers_at(line, 100.0),
            floor: None,
            note,
        })
    }
}

/// Has so many callers there, and watches them; what fails is tried again.
async fn step(crowd: &mut Crowd, callers: usize, pace: Pace) -> anyhow::Result<Step> {
    eprint!("{callers} callers: ");
    crowd.become_of(callers).await?;
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
    for (reason, count) in &report.failures {
        eprintln!("{count} × {reason}");
    }
    if others > NEIGHBOURS_PERCENT {
        eprintln!("something else took {others:.0} % of the core: the figures are worth little");
    }
    Ok(Step {
        callers,
        report,
        unborne: verdict,
    })
}

fn largest_borne(steps: &[Step]) -> Option<&Step> {
    steps.iter().rfind(|step| step.unborne.is_none())
}

/// CPU time by callers, over the steps in which everybody was there and everything was sent.
fn points(steps: &[Step]) -> Vec<(f64, f64)> {
    let counts = steps.iter().filter(|step| has_done_all(&step.report));
    counts
        .map(|step| (step.callers as f64, cpu_of(step)))
        .collect()
}

/// Whether the bridge did all its work, and as well as ever, though not always in time: what that cost
/// is known then.
fn has_done_all(report: &LoadReport) -> bool {
    let packets = &report.packets;
    let all = (packets.received + packets.lost).max(1) as f64;
    let ticks = report.ticks.unwrap_or_default();
    report.calls_answered == report.calls_placed
        && report.calls_dropped == 0
        && (packets.lost as f64) < UNSENT * all
        && (ticks.skipped as f64) < UNSENT * (ticks.ticks.max(1) as f64)
        && (ticks.hurried as f64) < HURRIED * (ticks.ticks.max(1) as f64)
}

fn line(steps: &[Step]) -> Option<(f64, f64)> {
    line_through(&points(steps)).filter(|(_, slope)| *slope > 0.0)
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
    // Whoever was refused needs no memory.
    let is_complete = |step: &&Step| step.report.calls_answered == step.report.calls_placed;
    let first = steps.iter().find(is_complete);
    let (Some(first), Some(last)) = (first, steps.iter().rfind(is_complete)) else {
        return Err(nothing_borne(steps));
    };
    let callers = last.callers.saturating_sub(first.callers).max(1);
    Ok(Found {
        row,
        value: (kib(last) - kib(first)) / callers as f64,
        floor: None,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load_report::Packets;
    use crate::metrics::Ticks;
    use crate::process::ProcessReport;

    fn step(callers: usize, cpu_percent: f64, change: impl FnOnce(&mut LoadReport)) -> Step {
        let mut report = LoadReport {
            calls_placed: callers,
            calls_answered: callers,
            packets: Packets {
                received: 10_000,
                ..Packets::default()
            },
            ticks: Some(Ticks {
                ticks: 1_000,
                ..Ticks::default()
            }),
            process: Some(ProcessReport {
                cpu_percent,
                ..ProcessReport::default()
            }),
            ..LoadReport::default()
        };
        change(&mut report);
        let unborne = unborne(&report);
        Step {
            callers,
            report,
            unborne,
        }
    }

    #[test]
    fn a_step_in_which_all_was_sent_counts_though_it_was_not_borne() {
        let steps = [
            step(100, 10.0, |_| {}),
            step(500, 50.0, |_| {}),
            step(800, 80.0, |report| report.packets.late = 50),
        ];
        assert_eq!(largest_borne(&steps).map(|step| step.callers), Some(500));
        assert_eq!(points(&steps).len(), 3);
        let found = Scenario::ReceiveOnly.capacity(&steps).unwrap();
        assert!((found.value - 1_000.0).abs() < 1e-6, "{}", found.value);
        assert!(found.note.contains("with 800"), "{}", found.note);
    }

    #[test]
    fn what_was_not_sent_cost_nothing_and_does_not_count() {
        let incomplete: [fn(&mut LoadReport); 5] = [
            |report| report.packets.lost = 200,
            |report| report.calls_answered -= 1,
            |report| report.calls_dropped = 1,
            |report| {
                report.ticks = Some(Ticks {
                    ticks: 900,
                    skipped: 50,
                    ..Ticks::default()
                });
            },
            |report| {
                report.ticks = Some(Ticks {
                    ticks: 900,
                    hurried: 50,
                    ..Ticks::default()
                });
            },
        ];
        for change in incomplete {
            assert!(points(&[step(100, 10.0, change)]).is_empty());
        }
    }

    #[test]
    fn memory_is_that_of_callers_who_were_let_in() {
        let rss = |rss_after_kib: u64| {
            move |report: &mut LoadReport| {
                let process = report.process.get_or_insert_default();
                process.rss_after_kib = rss_after_kib;
            }
        };
        let steps = [
            step(100, 10.0, rss(5_000)),
            step(300, 30.0, rss(15_000)),
            step(900, 95.0, |report| {
                rss(25_000)(report);
                report.calls_answered = 500;
            }),
        ];
        let found = memory(goals::LISTENER_MEMORY, &steps).unwrap();
        assert!((found.value - 50.0).abs() < 1e-9, "{}", found.value);
        assert!(memory(goals::LISTENER_MEMORY, &[]).is_err());
    }

    #[test]
    fn commands_say_what_callers_do() {
        let command = Scenario::Delay.command();
        assert!(
            command.contains("--codec pcmu") && command.contains("--talkers 4"),
            "{command}"
        );
        assert!(!Scenario::Turns.command().contains("--talkers"));
    }
}
