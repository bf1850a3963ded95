//! How does a bridge bear many callers? `tutti load`

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::task::JoinSet;
use tutti_model::Codec;

use crate::caller::{Caller, CallerPlan};
use crate::ear::{Audible, CELL, Sound, Vocabulary};
use crate::histogram::Histogram;
use crate::leg::{Notes, PipPart, Speech};
use crate::line::{CallFailure, Line};
use crate::load_report::{LoadReport, Quantiles, Wrong};
use crate::pacer::Pacer;
use crate::pip::PipRota;
use crate::timeline::{Cell, longest_run};
use crate::voice::{Manner, Voice};

/// After everybody has begun to speak, this long nothing is judged.
const SETTLING: Duration = Duration::from_millis(1_500);

/// Callers on one pacer thread; more are spread over more threads.
const CALLERS_PER_THREAD: usize = 400;

/// How many voices of other conferences an ear knows, to find cross-talk.
const STRANGERS: usize = 8;

/// A talker may be unheard for this long, besides the pauses that it makes.
const LONGEST_GAP: Duration = Duration::from_millis(300);

/// Hearing a wrong voice in this many cells in a row is a wrong.
const OVERHEARD_CELLS: usize = 2;

/// Synthetic callers on a SIP bridge, who check whom they hear.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:
  tutti load --target sip:CF0123...@127.0.0.1:5060 --callers 100 --talkers 3
  tutti load --target sip:1000@192.0.2.7 --ip 192.0.2.8 --codec opus --duration 60 --json

Exit status 0 only when every call came about and everybody heard exactly whom they must.")]
pub struct LoadArgs {
    /// Whom to call, a SIP URI; repeated, callers are spread over several conferences
    #[arg(long, required = true)]
    pub target: Vec<String>,
    /// How many callers in all
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub callers: u32,
    /// How many callers of each conference talk; the others listen
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=64))]
    pub talkers: u32,
    /// What callers offer
    #[arg(long, value_enum, default_value_t = LoadCodec::Pcmu)]
    pub codec: LoadCodec,
    /// How the talkers talk: steady, syllables, or talkspurts (with pauses)
    #[arg(long, value_enum, default_value_t = Manner::Syllables, hide_possible_values = true)]
    pub manner: Manner,
    /// Seconds to judge, once everybody is there
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub duration: u64,
    /// New calls a second; a bridge may refuse more than it likes
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub ramp: u32,
    /// The local address of callers
    #[arg(long, default_value = "127.0.0.1")]
    pub ip: IpAddr,
    /// Leave the delay unmeasured: no pips among the voices
    #[arg(long)]
    pub no_delay: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// The codecs that callers can offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LoadCodec {
    Pcmu,
    Pcma,
    Opus,
}

impl LoadCodec {
    fn codec(self) -> Codec {
        match self {
            LoadCodec::Pcmu => Codec::Pcmu,
            LoadCodec::Pcma => Codec::Pcma,
            LoadCodec::Opus => Codec::Opus,
        }
    }
}

/// Calls, lets everybody talk and listen, hangs up, and prints what was found.
pub async fn load(args: LoadArgs) -> anyhow::Result<LoadReport> {
    allow_many_sockets();
    let callers = args.callers as usize;
    let line = Arc::new(
        Line::open(args.ip)
            .await
            .context("the callers' SIP endpoint")?,
    );
    let pacer = Arc::new(Pacer::start(threads_for(callers)).context("the callers' threads")?);
    let casting = Casting::new(&args);
    eprintln!("placing {callers} calls, {} a second", args.ramp);
    let mut report = LoadReport {
        calls_placed: callers,
        conferences: args.target.len(),
        talkers: args.talkers as usize,
        ..LoadReport::default()
    };
    let mut present = call_in(&args, &casting, &line, &pacer, &mut report).await;
    report.calls_answered = present.len();
    eprintln!(
        "{} of {callers} calls answered; listening for {} s",
        present.len(),
        args.duration
    );

    present
        .iter()
        .for_each(|(part, caller)| caller.say(part.talker.is_some()));
    let judged = if present.is_empty() {
        Duration::ZERO
    } else {
        Duration::from_secs(args.duration)
    };
    tokio::time::sleep(SETTLING.min(judged)).await;
    let from = Instant::now();
    tokio::time::sleep(judged).await;
    let to = Instant::now();
    report.judged_seconds = (to - from).as_secs_f64();
    let ended = present.iter_mut().map(|(_, caller)| caller.has_ended());
    report.calls_dropped = ended.filter(|ended| *ended).count();

    let all_notes = hang_up_all(present).await;
    let present: Vec<Part> = all_notes.iter().map(|(part, _)| part.clone()).collect();
    let patience = LONGEST_GAP + args.manner.longest_pause();
    let (mut interarrival, mut delays) = (Histogram::default(), Histogram::default());
    for (part, notes) in &all_notes {
        report.packets.add(&notes.counters);
        interarrival.merge(&notes.counters.interarrival);
        delays.merge(&notes.delays);
        let jitter_ms = notes.counters.jitter.as_secs_f64() * 1_000.0;
        report.worst_jitter_ms = report.worst_jitter_ms.max(jitter_ms);
        let cells = notes.timeline.between(from, to);
        let expected = casting.must_hear(part, &present);
        report.wrongs.extend(judge(
            part,
            cells,
            expected,
            to - from,
            patience,
            &casting.vocabulary_of(part),
        ));
        let residues = notes
            .residues
            .iter()
            .filter(|residue| residue.from >= from && residue.to <= to);
        for residue in residues {
            let louder = |known: Option<f32>, level: f32| Some(known.unwrap_or(level).max(level));
            report.own_residue_db = louder(report.own_residue_db, residue.level_db);
            report.residue_noise_db = louder(report.residue_noise_db, residue.noise_db);
        }
    }
    report.interarrival_ms = Quantiles::of(&interarrival);
    report.delay_ms = Quantiles::of(&delays);
    report.pacing_lateness_ms = Quantiles::of(&pacer.lateness());
    line.close().await;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    Ok(report)
}

/// One caller's part.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    caller: usize,
    conference: usize,
    /// Which talker of its conference it is.
    talker: Option<usize>,
}

/// Who is in which conference with which voice.
struct Casting {
    conferences: usize,
    talkers: usize,
    callers: usize,
    vocabularies: Vec<Vocabulary>,
    rotas: Vec<Option<Arc<PipRota>>>,
}

impl Casting {
    fn new(args: &LoadArgs) -> Casting {
        let conferences = args.target.len();
        let callers = args.callers as usize;
        // With fewer callers than wanted talkers, everybody talks.
        let talkers = (args.talkers as usize).min(callers.div_ceil(conferences));
        let vocabulary = |conference: usize| {
            let own = (0..talkers).map(|talker| (conference, talker));
            let strangers = (1..conferences).map(|other| ((conference + other) % conferences, 0));
            let used: Vec<Voice> = own.clone().map(|(c, t)| voice_of(c, t, talkers)).collect();
            // Beyond 64 voices they repeat; a stranger with a voice of ours cannot be told apart.
            let strangers = strangers
                .filter(|(c, t)| talkers > 0 && !used.contains(&voice_of(*c, *t, talkers)))
                .take(STRANGERS);
            let sound =
                |(c, t): (usize, usize)| Sound::voice(&talker_name(c, t), voice_of(c, t, talkers));
            Vocabulary::new(own.chain(strangers).map(sound).collect())
        };
        let now = Instant::now();
        let rota =
            |_| (!args.no_delay && talkers > 0).then(|| Arc::new(PipRota::new(talkers, now)));
        Casting {
            conferences,
            talkers,
            callers,
            vocabularies: (0..conferences).map(vocabulary).collect(),
            rotas: (0..conferences).map(rota).collect(),
        }
    }

    /// All parts, in the order in which they call.
    fn parts(&self) -> impl Iterator<Item = Part> {
        let (conferences, talkers) = (self.conferences, self.talkers);
        (0..self.callers).map(move |caller| {
            let place = caller / conferences;
            Part {
                caller,
                conference: caller % conferences,
                talker: (place < talkers).then_some(place),
            }
        })
    }

    fn vocabulary_of(&self, part: &Part) -> Vocabulary {
        self.vocabularies[part.conference].clone()
    }

    fn plan(&self, part: &Part, args: &LoadArgs) -> CallerPlan {
        let voice = |talker| voice_of(part.conference, talker, self.talkers);
        let rota = self.rotas[part.conference].clone();
        CallerPlan {
            from: format!("sip:load-{}@{}", part.caller, args.ip),
            target: args.target[part.conference].clone(),
            codec: args.codec.codec(),
            speech: part.talker.map(|talker| Speech {
                voice: voice(talker),
                manner: args.manner,
            }),
            vocabulary: self.vocabulary_of(part),
            own: part.talker,
            pips: rota.map(|rota| PipPart {
                rota,
                talker: part.talker,
            }),
            recording: None,
        }
    }

    /// The talkers of its conference that are there, but for itself.
    fn must_hear(&self, part: &Part, present: &[Part]) -> Audible {
        let others = present
            .iter()
            .filter(|other| other.conference == part.conference && *other != part);
        others.filter_map(|other| other.talker).collect()
    }
}

fn voice_of(conference: usize, talker: usize, talkers: usize) -> Voice {
    Voice::nth(conference * talkers + talker)
}

fn talker_name(conference: usize, talker: usize) -> String {
    format!("talker {} of conference {}", talker + 1, conference + 1)
}

/// Places all calls at the wanted pace and waits for their answers.
async fn call_in(
    args: &LoadArgs,
    casting: &Casting,
    line: &Arc<Line>,
    pacer: &Arc<Pacer>,
    report: &mut LoadReport,
) -> Vec<(Part, Caller)> {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / args.ramp);
    let mut calls: JoinSet<(Part, Result<Caller, CallFailure>)> = JoinSet::new();
    for part in casting.parts() {
        ticks.tick().await;
        let (plan, line, pacer) = (
            casting.plan(&part, args),
            Arc::clone(line),
            Arc::clone(pacer),
        );
        calls.spawn(async move {
            let call = Caller::dial(&line, &pacer, plan).await;
            (part, call)
        });
    }
    let mut present = Vec::new();
    let mut setups = Histogram::default();
    while let Some(call) = calls.join_next().await {
        match call {
            Ok((part, Ok(caller))) => {
                setups.add(caller.setup_time());
                present.push((part, caller));
            }
            Ok((_, Err(failure))) => *report.failures.entry(failure.to_string()).or_default() += 1,
            Err(broken) => *report.failures.entry(broken.to_string()).or_default() += 1,
        }
    }
    report.setup_ms = Quantiles::of(&setups);
    present.sort_by_key(|(part, _)| part.caller);
    present
}

async fn hang_up_all(present: Vec<(Part, Caller)>) -> Vec<(Part, Notes)> {
    let mut farewells = JoinSet::new();
    for (part, caller) in present {
        farewells.spawn(async move { (part, caller.hang_up().await) });
    }
    let mut all_notes = farewells.join_all().await;
    all_notes.sort_by_key(|(part, _)| part.caller);
    all_notes
}

/// What one caller heard wrongly, if anything.
fn judge(
    part: &Part,
    cells: &[Cell],
    expected: Audible,
    judged: Duration,
    patience: Duration,
    vocabulary: &Vocabulary,
) -> Option<Wrong> {
    let cells_of = |duration: Duration| (duration.as_millis() / CELL.as_millis()) as usize;
    let deaf = cells.len() < cells_of(judged) / 2;
    let is_missed = |sound: usize| {
        expected.has(sound)
            && longest_run(cells, |cell| !cell.audible.has(sound)) > cells_of(patience)
    };
    let is_overheard = |sound: usize| {
        !expected.has(sound)
            && longest_run(cells, |cell| cell.audible.has(sound)) >= OVERHEARD_CELLS
    };
    let name = |sound: usize| match &part.talker {
        Some(own) if *own == sound => "itself".to_owned(),
        Some(_) | None => vocabulary.sounds()[sound].name.clone(),
    };
    let sounds = 0..vocabulary.sounds().len();
    let wrong = Wrong {
        caller: format!(
            "caller {} in conference {}",
            part.caller + 1,
            part.conference + 1
        ),
        missed: sounds
            .clone()
            .filter(|sound| is_missed(*sound))
            .map(name)
            .collect(),
        overheard: sounds
            .filter(|sound| is_overheard(*sound))
            .map(name)
            .collect(),
        deaf,
    };
    (deaf || !wrong.missed.is_empty() || !wrong.overheard.is_empty()).then_some(wrong)
}

fn threads_for(callers: usize) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    callers.div_ceil(CALLERS_PER_THREAD).min(cores)
}

/// Each caller needs a socket; the usual soft limit is 1,024.
fn allow_many_sockets() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        // Without it, callers beyond the limit fail and say why.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naive_bridge::{Fault, NaiveBridge};

    async fn load_with(fault: Fault) -> LoadReport {
        let bridge = NaiveBridge::start(fault).await;
        let args = LoadArgs {
            target: vec![bridge.target()],
            ramp: 20,
            duration: 4,
            ..args(1, 4, 3)
        };
        let report = load(args).await.unwrap();
        assert_eq!(
            (report.calls_answered, report.calls_dropped),
            (4, 0),
            "{report}"
        );
        report
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn callers_of_a_right_bridge_hear_each_other_and_not_themselves() {
        let report = load_with(Fault::None).await;
        assert!(report.is_good(), "{report}");
        assert!(
            report.own_residue_db.is_some_and(|residue| residue < -55.0),
            "{report}"
        );
        assert!(
            report.delay_ms.is_some_and(|delay| delay.samples > 0),
            "{report}"
        );
        assert!(report.packets.received > 300, "{report}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_echoing_bridge_is_found_out() {
        let report = load_with(Fault::Echo).await;
        assert!(!report.is_good());
        let echoes = report
            .wrongs
            .iter()
            .filter(|wrong| wrong.overheard == ["itself"])
            .count();
        assert_eq!(echoes, 3, "{report}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_bridge_that_leaves_somebody_out_is_found_out() {
        let report = load_with(Fault::SecondIsUnheard).await;
        assert!(
            !report.is_good() && report.wrongs.iter().all(|wrong| wrong.missed.len() == 1),
            "{report}"
        );
    }

    fn args(targets: usize, callers: u32, talkers: u32) -> LoadArgs {
        LoadArgs {
            target: vec!["sip:x@127.0.0.1".to_owned(); targets],
            callers,
            talkers,
            codec: LoadCodec::Pcmu,
            manner: Manner::Syllables,
            duration: 1,
            ramp: 15,
            ip: [127, 0, 0, 1].into(),
            no_delay: false,
            json: false,
        }
    }

    fn cells(count: u32, heard: impl Fn(u32) -> Audible) -> Vec<Cell> {
        let start = Instant::now();
        let cell = |at| Cell {
            ends_at: start + CELL * at,
            audible: heard(at),
        };
        (0..count).map(cell).collect()
    }

    /// What is wrong with talker 0 of three, when it hears this.
    fn wrong(heard: impl Fn(u32) -> Audible) -> Option<Wrong> {
        let casting = Casting::new(&args(1, 5, 3));
        let parts: Vec<Part> = casting.parts().collect();
        let expected = casting.must_hear(&parts[0], &parts);
        assert_eq!(expected, [1, 2].into_iter().collect());
        let second = Duration::from_secs(1);
        judge(
            &parts[0],
            &cells(10, heard),
            expected,
            second,
            LONGEST_GAP,
            &casting.vocabulary_of(&parts[0]),
        )
    }

    #[test]
    fn hearing_the_others_and_not_oneself_is_right() {
        assert_eq!(wrong(|_| [1, 2].into_iter().collect()), None);
        assert_eq!(
            wrong(|at| if at == 4 {
                Audible::NONE
            } else {
                [1, 2].into_iter().collect()
            }),
            None
        );
    }

    #[test]
    fn planted_echo_gap_and_deafness_are_found() {
        let echo = wrong(|at| {
            if at < 2 {
                (0..3).collect()
            } else {
                [1, 2].into_iter().collect()
            }
        });
        assert_eq!(
            echo.map(|wrong| wrong.overheard),
            Some(vec!["itself".to_owned()])
        );
        let gap = wrong(|at| {
            if at < 4 {
                [1].into_iter().collect()
            } else {
                [1, 2].into_iter().collect()
            }
        });
        assert_eq!(
            gap.map(|wrong| wrong.missed),
            Some(vec!["talker 3 of conference 1".to_owned()])
        );
        let part = Part {
            caller: 0,
            conference: 0,
            talker: None,
        };
        let vocabulary = Vocabulary::new(Vec::new());
        let deaf = judge(
            &part,
            &[],
            Audible::NONE,
            Duration::from_secs(1),
            LONGEST_GAP,
            &vocabulary,
        );
        assert!(deaf.is_some_and(|wrong| wrong.deaf));
    }

    #[test]
    fn callers_are_spread_over_conferences_with_voices_of_their_own() {
        let casting = Casting::new(&args(3, 10, 2));
        let parts: Vec<Part> = casting.parts().collect();
        for conference in 0..3 {
            let here = parts.iter().filter(|part| part.conference == conference);
            assert_eq!(here.filter(|part| part.talker.is_some()).count(), 2);
            // Two voices of its own, and one of each other conference.
            assert_eq!(casting.vocabularies[conference].sounds().len(), 4);
        }
    }

    #[test]
    fn with_few_callers_everybody_talks() {
        let casting = Casting::new(&args(1, 2, 5));
        assert!(casting.parts().all(|part| part.talker.is_some()));
    }
}
