//! How often is it guessed right who has picked up: a person, a machine, or nobody? Speech that
//! somebody has read goes through codecs, the engine and the control plane's calls.
//!
//! `cargo test --test simulation machines -- --nocapture` prints what is measured.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use tutti_control_plane::{
    AddToConference, AnsweredBy, CallStatus, Command, IfMachine, PlayBeep, Script,
};
use tutti_media::{FRAME_SAMPLES, SAMPLE_RATE_HZ};
use tutti_model::{CallId, Codec, ConferenceId};
use tutti_sim::{ConferencePlan, Mouth, Random, Repertoire, Tone, World};

use crate::speech::{self, USUAL_DBOV};

const CODECS: [Codec; 4] = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus];

/// How loud the noise of the line is, in dBov.
const FLOORS: [f32; 6] = [-70.0, -65.0, -60.0, -55.0, -50.0, -45.0];

/// How loud whoever speaks is, in dBov.
const LEVELS: [f32; 5] = [-35.0, -30.0, -25.0, -20.0, -15.0];

/// For each noise, level and codec.
const GREETINGS: usize = 4;

/// Calls that go on in one world.
const TOGETHER: usize = 15;

/// Longer than it is listened to who has picked up.
const SECONDS: f32 = 6.0;

/// What is that far below the reader's usual level is a pause between words.
const PAUSE_DB: f32 = -18.0;

const PLAN: ConferencePlan = ConferencePlan {
    play_beep: PlayBeep::Never,
    record: false,
};

/// What becomes of the calls once they are answered.
#[derive(Clone, Copy)]
enum Then {
    Waits,
    /// They are all in one conference a tenth of a second later.
    Joins {
        talk: bool,
    },
}

/// One call, and who picks up.
struct Trial {
    floor: f32,
    codec: Codec,
    sound: Vec<f32>,
    /// When the sound begins, in seconds after the answer.
    after_s: f32,
}

/// What was guessed, and how long it took in milliseconds.
struct Guess {
    floor: f32,
    answered_by: Option<AnsweredBy>,
    took_ms: u64,
}

#[test]
fn whoever_reads_on_and_on_is_taken_for_a_machine() {
    assert_machines("machines", Then::Waits);
}

#[test]
fn whoever_reads_on_in_a_conference_is_taken_for_a_machine_also_if_he_is_muted() {
    assert_machines("muted machines", Then::Joins { talk: false });
}

#[test]
fn whoever_says_a_word_or_two_and_waits_is_taken_for_a_person() {
    assert_persons("persons", Then::Waits);
}

#[test]
fn whoever_says_a_word_or_two_in_a_conference_is_taken_for_a_person() {
    assert_persons("joined persons", Then::Joins { talk: true });
}

#[test]
fn a_line_on_which_nobody_speaks_is_not_taken_for_a_machine() {
    let trials = trials(&[USUAL_DBOV], |_, _| (Vec::new(), 0.0));
    for (floor, share) in guesses(&trials, "silence", None, Then::Waits) {
        assert!(share >= 0.95, "{share} at {floor} dBov");
    }
}

#[test]
fn a_line_that_still_rings_is_not_taken_for_a_machine() {
    let mut random = Random::new(4);
    let trials = trials(&[-35.0, -15.0], |number, level| {
        let mut tone = Tone::new(425.0, 2.0_f32.sqrt() * 10.0_f32.powf(level / 20.0));
        // A second as in Europe, or two as in America; four of nothing follow.
        let frames = 50 + 50 * (number % 2);
        let ring = (0..frames).flat_map(|_| tone.frame()).collect();
        (ring, 0.1 + 0.9 * random.fraction() as f32)
    });
    // It is somebody, or something, that makes itself heard and waits.
    let table = guesses(&trials, "ringing", Some(AnsweredBy::Human), Then::Waits);
    for (floor, share) in table {
        assert!(share >= 0.95, "{share} at {floor} dBov");
    }
}

fn assert_machines(what: &str, then: Then) {
    let Some(read) = speech::read_aloud("answering machines are not told from persons") else {
        return;
    };
    let mut random = Random::new(1);
    let length = (SECONDS * SAMPLE_RATE_HZ as f32) as usize;
    let trials = trials(&LEVELS, |_, level| {
        let begin = random.below(read.len() - length);
        let sound = speech::amplified(&read[begin..][..length], level - USUAL_DBOV);
        (sound, 0.2 + 0.8 * random.fraction() as f32)
    });
    let table = guesses(&trials, what, Some(AnsweredBy::Machine), then);
    for (floor, share) in table {
        assert!(share >= 0.95, "{share} at {floor} dBov");
    }
}

fn assert_persons(what: &str, then: Then) {
    let Some(read) = speech::read_aloud("persons are not told from answering machines") else {
        return;
    };
    let greetings = greetings(&read);
    assert!(greetings.len() >= 20, "{} greetings", greetings.len());
    let mut random = Random::new(2);
    let trials = trials(&LEVELS, |number, level| {
        let greeting = greetings[number % greetings.len()].clone();
        let sound = speech::amplified(&read[greeting], level - USUAL_DBOV);
        (sound, 0.1 + 0.9 * random.fraction() as f32)
    });
    let table = guesses(&trials, what, Some(AnsweredBy::Human), then);
    for (floor, share) in table {
        assert!(share >= 0.9, "{share} at {floor} dBov");
    }
}

/// Every noise, level and codec; what is said, and when, is made for each.
fn trials(levels: &[f32], mut say: impl FnMut(usize, f32) -> (Vec<f32>, f32)) -> Vec<Trial> {
    let mut trials = Vec::new();
    for floor in FLOORS {
        for level in levels {
            for codec in CODECS {
                for _ in 0..GREETINGS {
                    let (sound, after_s) = say(trials.len(), *level);
                    trials.push(Trial {
                        floor,
                        codec,
                        sound,
                        after_s,
                    });
                }
            }
        }
    }
    trials
}

/// Pieces of 0.3 to 1.2 s between two pauses.
fn greetings(read: &[f32]) -> Vec<Range<usize>> {
    let voice = speech::voiced(read, USUAL_DBOV + PAUSE_DB);
    let mut pieces = Vec::new();
    let mut begin = 0;
    while begin < voice.len() {
        let starts = voice[begin] && (begin == 0 || !voice[begin - 1]);
        // The lengths take turns, so that there are long ones and short ones.
        let shortest = [15, 25, 35, 45][pieces.len() % 4];
        let end = (begin + shortest..=begin + 60).find(|end| voice.get(*end) == Some(&false));
        match end.filter(|_| starts) {
            Some(end) => {
                pieces.push(begin * FRAME_SAMPLES..end * FRAME_SAMPLES);
                begin = end;
            }
            None => begin += 1,
        }
    }
    pieces
}

/// Places all calls, prints how often the guess is right, and returns its share for each noise.
fn guesses(trials: &[Trial], what: &str, right: Option<AnsweredBy>, then: Then) -> Vec<(f32, f64)> {
    let mut guesses = Vec::new();
    let mut random = Random::new(5);
    for (number, together) in trials.chunks(TOGETHER).enumerate() {
        guesses.extend(place(together, number as u64, &mut random, then));
    }
    let mut table = Vec::new();
    for floor in FLOORS {
        let here = || guesses.iter().filter(|guess| guess.floor == floor);
        let count = |by| here().filter(|guess| guess.answered_by == by).count();
        let mut took: Vec<u64> = here()
            .filter(|guess| guess.answered_by == right)
            .map(|guess| guess.took_ms)
            .collect();
        took.sort_unstable();
        let times = match (took.get(took.len() / 2), took.last()) {
            (Some(median_ms), Some(longest_ms)) if right.is_some() => {
                format!("; median {median_ms} ms, longest {longest_ms} ms")
            }
            _ => String::new(),
        };
        println!(
            "{what:14} {floor:4} dBov: {:2} of {} right; {} persons, {} machines, {} unknown{times}",
            count(right),
            here().count(),
            count(Some(AnsweredBy::Human)),
            count(Some(AnsweredBy::Machine)),
            count(None),
        );
        table.push((floor, count(right) as f64 / here().count() as f64));
    }
    table
}

/// A script that bridges a call a little after its answer.
fn joins(conference: ConferenceId, talk: bool) -> Script {
    let length = Duration::from_millis(100);
    let join = AddToConference {
        conference,
        call: None,
        start_conf_on_enter: true,
        talk,
        listen: true,
        dtmf_pass_through: true,
        allow_call_control: false,
        call_control_sequence: None,
        call_control_url: None,
        leave_conference_url: None,
        notification_url: None,
    };
    Script {
        commands: vec![Command::Pause { length }, Command::AddToConference(join)],
    }
}

/// Places some calls at once and listens until all is known.
fn place(trials: &[Trial], seed: u64, random: &mut Random, then: Then) -> Vec<Guess> {
    let mut world = World::new(seed, &Repertoire::default());
    let calls: Vec<CallId> = trials
        .iter()
        .enumerate()
        .map(|(caller, trial)| {
            let placed = world.call_out(caller, trial.codec, Some(IfMachine::HangUp));
            placed.unwrap().unwrap()
        })
        .collect();
    world.ticks(20).unwrap();
    let conference = match then {
        Then::Waits => None,
        Then::Joins { talk } => {
            let conference = world.create(PLAN).unwrap().unwrap();
            for call in &calls {
                world.script_connected(*call, joins(conference, talk));
            }
            Some(conference)
        }
    };
    for (caller, trial) in trials.iter().enumerate() {
        let noise = speech::line_noise(random, SECONDS + 1.0, trial.floor);
        let sound = speech::over(noise, &trial.sound, trial.after_s);
        world.pick_up(caller, Mouth::Sound(sound)).unwrap();
    }
    let mut known = BTreeMap::new();
    let ticks = (SECONDS * 50.0) as u64;
    for tick in 1..=ticks {
        world.ticks(1).unwrap();
        for call in &calls {
            let record = world.call_record(*call).unwrap();
            if let Some(by) = record.answered_by {
                known.entry(*call).or_insert((by, 20 * tick));
            } else if tick > 10 {
                assert_eq!(record.conference, conference, "it is where it was sent");
            }
        }
        if known.len() == calls.len() {
            break;
        }
    }
    let guess = |(trial, call): (&Trial, &CallId)| {
        let found = known.get(call).copied();
        let answered_by = found.map(|(by, _)| by);
        let status = world.call_record(*call).unwrap().status;
        let expected = match answered_by {
            Some(AnsweredBy::Machine) => CallStatus::Completed,
            Some(AnsweredBy::Human) | None => CallStatus::InProgress,
        };
        assert_eq!(status, expected, "a machine's call ends, and no other");
        Guess {
            floor: trial.floor,
            answered_by,
            took_ms: found.map_or(0, |(_, took_ms)| took_ms),
        }
    };
    trials.iter().zip(&calls).map(guess).collect()
}
