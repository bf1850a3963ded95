//! People come and go by the thousand.

use std::collections::VecDeque;
use std::sync::Arc;

use tutti_media::{
    Audio, CallRecording, ConferenceSlot, EngineCommand, EngineEvent, Frame, LegSlot, Prompt,
    PromptAudio, Retired, Tap,
};
use tutti_model::{CallId, Codec, Format, PromptId, RecordedSide, RecordingId, Repeat};
use tutti_sim::{CallerSetup, Impairments, Mouth, SimTransport, Studio, Voice, level_db};

use crate::stage::*;

/// Ticks from one who comes and one who goes to the next: 1,000 in a minute.
const TICKS_PER_CHANGE: u32 = 3;

const MINUTES: u32 = 3;

/// How many are in the conference at any time.
const CROWD: usize = 40;

#[test]
fn a_thousand_joins_and_leaves_a_minute_leave_nothing_behind() {
    let mut studio = studio_with(plain_settings(), 64);
    let tone_hz = 1_000.0;
    let tone = || Mouth::Tone(tutti_sim::Tone::new(tone_hz, 0.1));
    joined(&mut studio, Codec::Pcmu, tone(), TALK_AND_LISTEN);
    let listener = joined(&mut studio, Codec::Pcmu, Mouth::Shut, LISTEN_ONLY);
    let mut crowd = std::collections::VecDeque::new();
    let mut held = Held::default();
    let mut held_by_minute = Vec::new();
    let mut number = 100_u16;
    for minute in 0..MINUTES {
        studio.caller(listener).unwrap().start_listening();
        studio.caller(listener).unwrap().forget_received();
        for tick in 0..3_000 {
            if tick % TICKS_PER_CHANGE == 0 {
                if crowd.len() == CROWD
                    && let Some(slot) = crowd.pop_front()
                {
                    drop(studio.release(slot).unwrap());
                }
                number += 1;
                crowd.push_back(stranger(&mut studio, number));
            }
            studio.tick().unwrap();
            held.follow(studio.events(), studio.made());
        }
        held_by_minute.push(held.encoders());
        let caller = studio.caller(listener).unwrap();
        let received = caller.received();
        assert_eq!((received.gaps, received.steps), (0, 0), "{received:?}");
        let ear = caller.take_heard();
        let level = level_db(&ear, 8_000, tone_hz);
        assert!(level > 0.0, "minute {minute}: {level} dB");
        assert_eq!(ear.len(), 60 * 8_000);
    }
    println!("encoders held after each minute: {held_by_minute:?}");
    assert!(
        held_by_minute[2] <= held_by_minute[0] + 2,
        "{held_by_minute:?}"
    );
}

#[test]
fn two_thousand_legs_that_are_kicked_at_once_disturb_nobody_who_stays() {
    let mut studio = studio_with(plain_settings(), 2_010);
    let tone = Mouth::Tone(tutti_sim::Tone::new(564.0, 0.3));
    joined(&mut studio, Codec::Pcmu, tone, TALK_AND_LISTEN);
    let listener = joined(&mut studio, Codec::Pcmu, Mouth::Shut, LISTEN_ONLY);
    let crowd: Vec<LegSlot> = (0..2_000)
        .map(|_| joined(&mut studio, Codec::Pcmu, Mouth::Shut, TALK_AND_LISTEN))
        .collect();
    studio.ticks(20).unwrap();
    let heard_by =
        |studio: &mut Studio, slot: LegSlot| studio.caller(slot).unwrap().received().packets;
    // Encoders are made when they are wanted, a tick or two later.
    assert!(heard_by(&mut studio, crowd[1_999]) >= 17);
    let steady = heard(&mut studio, listener, 20);
    studio.caller(listener).unwrap().start_listening();
    studio.tick().unwrap();
    for slot in &crowd {
        studio.handle(EngineCommand::Leave { slot: *slot });
        drop(studio.release(*slot).unwrap());
    }
    drop(studio.events());
    studio.ticks(20).unwrap();
    let caller = studio.caller(listener).unwrap();
    assert_eq!((caller.received().gaps, caller.received().steps), (0, 0));
    let ear = caller.take_heard();
    assert_eq!(ear.len(), 21 * 160);
    assert!(sharpest_bend(&ear) < 1.5 * sharpest_bend(&steady));
    assert!((rms_db(&ear) - rms_db(&steady)).abs() < 0.5);
    assert_eq!(studio.callers().count(), 2);
}

/// How many calls go through one engine, how many of them at any time, and how many ticks are between
/// one and the next. After half of them everything is as it will be at their end.
const CALLS: u16 = 2 * 2_520;
const AT_A_TIME: usize = 12;
const TICKS_PER_CALL: u32 = 2;

/// Encoders that wait for whoever speaks next: no more than so many of one codec.
const MOST_SPARE: usize = 32;

#[test]
fn five_thousand_calls_through_one_engine_leave_nothing_behind() {
    let mut churn = Churn::new();
    let mut holds = Vec::new();
    for part in 1..=2 {
        for _ in 0..CALLS / 2 {
            churn.next_call();
        }
        // What was going on when the last one came is over.
        churn.ticks(100);
        println!("after {} calls: {:?}", part * CALLS / 2, churn.holdings());
        holds.push(churn.holdings());
    }
    assert_eq!(holds[0], holds[1]);

    while let Some(slot) = churn.crowd.pop_front() {
        drop(churn.studio.release(slot).unwrap());
    }
    for slot in 0..CONFERENCES {
        let slot = ConferenceSlot(slot);
        churn.studio.handle(EngineCommand::CloseConference { slot });
    }
    churn.ticks(1);
    let left = churn.holdings();
    println!("at last: {left:?}");
    assert!(churn.studio.is_idle());
    assert_eq!(
        (left.legs, left.sounds, left.taps, left.conferences),
        (0, 0, 0, 0)
    );
    assert!(left.encoders <= 3 * MOST_SPARE, "{left:?}");
}

const CONFERENCES: u16 = 3;

/// Calls of every kind that come and go, and what they leave in the engine.
struct Churn {
    studio: Studio,
    crowd: VecDeque<LegSlot>,
    number: u16,
    conferences_opened: i64,
    conferences_closed: i64,
    /// Everything that plays is this, and every recording knows that: as many hold it as there are.
    sound: Audio,
    recorded: Arc<()>,
}

/// What an engine holds.
#[derive(Debug, PartialEq, Eq)]
struct Holdings {
    legs: usize,
    encoders: usize,
    sounds: usize,
    taps: usize,
    conferences: i64,
}

/// A recording that nobody keeps.
struct Nowhere(#[expect(dead_code, reason = "it is counted")] Arc<()>);

impl Tap for Nowhere {
    fn push(&mut self, _: u64, _: &Frame) {}
}

impl Churn {
    fn new() -> Churn {
        let mut churn = Churn {
            studio: studio_with(plain_settings(), 32),
            crowd: VecDeque::new(),
            number: 0,
            conferences_opened: 1,
            conferences_closed: 0,
            sound: Voice::PROMPT.second(),
            recorded: Arc::new(()),
        };
        for slot in 1..CONFERENCES {
            churn.open(ConferenceSlot(slot));
        }
        churn
    }

    fn open(&mut self, slot: ConferenceSlot) {
        self.studio.open(slot, true);
        self.conferences_opened += 1;
    }

    /// Somebody comes, somebody goes, and some of what can happen to a call happens.
    fn next_call(&mut self) {
        if self.crowd.len() == AT_A_TIME
            && let Some(slot) = self.crowd.pop_front()
        {
            drop(self.studio.release(slot).unwrap());
        }
        self.number += 1;
        let number = self.number;
        let slot = self.stranger();
        self.crowd.push_back(slot);
        let conference = ConferenceSlot(number % CONFERENCES);
        self.studio.join(slot, conference, TALK_AND_LISTEN);
        match number % 8 {
            0 => {
                let audio = PromptAudio::Sound(Arc::clone(&self.sound));
                let prompt = Prompt::new(PromptId(number.into()), audio, Repeat::Times(1));
                self.studio
                    .handle(EngineCommand::PlayPrompt { slot, prompt });
            }
            1 => {
                let tap = self.tap();
                self.studio.handle(EngineCommand::StartTrack { slot, tap });
            }
            2 => {
                let (recording, tap) = (RecordingId::from_bytes([1; 20]), self.tap());
                let recording = CallRecording::new(recording, RecordedSide::Both, tap);
                let recording = Box::new(recording);
                self.studio
                    .handle(EngineCommand::RecordCall { slot, recording });
            }
            3 => {
                let tap = self.tap();
                self.studio
                    .handle(EngineCommand::StartRecording { conference, tap });
            }
            4 => {
                let audio = Arc::clone(&self.sound);
                self.studio
                    .handle(EngineCommand::PlayMusic { conference, audio });
            }
            5 => {
                let description = self.studio.caller(slot).unwrap().description();
                let media = self.studio.media(description.clone()).unwrap();
                self.studio.handle(EngineCommand::Reconfigure {
                    slot,
                    description,
                    media: Some(Box::new(media)),
                });
            }
            6 => {
                let lossy = Impairments {
                    loss: 0.1,
                    ..Impairments::NONE
                };
                self.studio.caller(slot).unwrap().impair(lossy);
            }
            _ if number.is_multiple_of(3) => {
                // Everybody inside goes on alone.
                self.studio
                    .handle(EngineCommand::CloseConference { slot: conference });
                self.open(conference);
            }
            _ => {}
        }
        self.ticks(TICKS_PER_CALL);
    }

    fn stranger(&mut self) -> LegSlot {
        let number = self.number;
        let mut id = [9; 20];
        id[..2].copy_from_slice(&number.to_be_bytes());
        let codec = [Codec::Pcmu, Codec::G722, Codec::Opus][usize::from(number / 8 % 3)];
        let mouth = match number % 5 {
            0 | 1 => Mouth::Voice(Voice::of_caller(usize::from(number))),
            _ => Mouth::Shut,
        };
        let setup = CallerSetup {
            call: CallId::from_bytes(id),
            number,
            format: format(codec),
            mouth,
        };
        self.studio.connect(setup).unwrap().unwrap()
    }

    fn tap(&self) -> Box<dyn Tap> {
        Box::new(Nowhere(Arc::clone(&self.recorded)))
    }

    fn ticks(&mut self, ticks: u32) {
        for _ in 0..ticks {
            self.studio.tick().unwrap();
            let events = self.studio.events();
            self.conferences_closed += events
                .iter()
                .filter(|event| matches!(event, EngineEvent::Retired(Retired::Conference { .. })))
                .count() as i64;
        }
    }

    fn holdings(&self) -> Holdings {
        Holdings {
            legs: self.studio.legs().count(),
            encoders: self.studio.encoders(),
            sounds: Arc::strong_count(&self.sound) - 1,
            taps: Arc::strong_count(&self.recorded) - 1,
            conferences: self.conferences_opened - self.conferences_closed,
        }
    }
}

/// Encoders that are somewhere in an engine.
#[derive(Default)]
struct Held {
    made: u64,
    given_back: u64,
}

impl Held {
    fn follow(&mut self, events: Vec<EngineEvent<SimTransport>>, made: u64) {
        self.made = made;
        for event in events {
            match event {
                EngineEvent::Retired(Retired::Class(_) | Retired::Outlet(_)) => {
                    self.given_back += 1;
                }
                EngineEvent::Retired(_)
                | EngineEvent::PromptFinished { .. }
                | EngineEvent::DigitPressed { .. }
                | EngineEvent::LegSilent { .. }
                | EngineEvent::Speaking { .. }
                | EngineEvent::Voice { .. }
                | EngineEvent::Wanted(_) => {}
            }
        }
    }

    fn encoders(&self) -> u64 {
        self.made - self.given_back
    }
}

/// Somebody who comes in; every second one speaks, every tenth in Opus.
fn stranger(studio: &mut Studio, number: u16) -> LegSlot {
    let mut id = [7; 20];
    id[..2].copy_from_slice(&number.to_be_bytes());
    let codec = if number.is_multiple_of(10) {
        Codec::Opus
    } else {
        Codec::Pcmu
    };
    let mouth = if number.is_multiple_of(2) {
        Mouth::Voice(Voice::of_caller(usize::from(number)))
    } else {
        Mouth::Shut
    };
    let setup = CallerSetup {
        call: CallId::from_bytes(id),
        number,
        format: Format::plain(codec),
        mouth,
    };
    let slot = studio.connect(setup).unwrap().unwrap();
    studio.join(slot, CONFERENCE, TALK_AND_LISTEN);
    slot
}
