//! The media thread allocates nothing.
//!
//! The allocator counts every call that is made while it is forbidden, on the calling thread.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use assert_no_alloc::{assert_no_alloc, reset_violation_count, violation_count};
use tutti_media::{
    CallRecording, ConferencePrompt, ConferenceSlot, EngineCommand, EngineEvent, Frame, LegSlot,
    Prompt, PromptAudio, Retired, Tap,
};
use tutti_model::{
    Beep, CallId, Codec, Digit, Format, Privileges, PromptId, RecordedSide, RecordingId, Repeat,
};
use tutti_sim::{CallerSetup, Impairments, Mouth, Random, Repertoire, SimTransport, Studio, Voice};

use crate::stage::*;

const TICKS: usize = 1_000;

/// Each is decoded, encoded and resampled in its own way.
const CODECS: [Codec; 6] = [
    Codec::Pcmu,
    Codec::Opus,
    Codec::Pcma,
    Codec::G722,
    Codec::L16At16,
    Codec::L16At48,
];

#[test]
fn an_allocation_does_not_go_unnoticed() {
    reset_violation_count();
    assert_no_alloc(|| drop(black_box(Box::new(black_box(7)))));
    assert!(violation_count() > 0);
    reset_violation_count();
    assert_no_alloc(|| black_box(7));
    assert_eq!(violation_count(), 0);
}

#[test]
fn a_busy_engine_allocates_nothing_in_a_thousand_ticks() {
    let mut busy = Busy::new();
    let mut seen = Seen::default();
    for tick in 0..TICKS {
        let commands = busy.commands(tick);
        busy.disturb(tick);
        busy.studio.speak().unwrap();
        reset_violation_count();
        let mut commands = commands.into_iter();
        assert_no_alloc(|| {
            commands
                .by_ref()
                .for_each(|command| busy.studio.handle(command));
        });
        assert_eq!(
            violation_count(),
            0,
            "a command allocates before tick {tick}"
        );
        assert_no_alloc(|| {
            if tick % 2 == 0 {
                busy.studio.serve_early();
            }
            busy.studio.mix();
        });
        assert_eq!(violation_count(), 0, "tick {tick} allocates");
        drop(commands);
        busy.studio.hear().unwrap();
        seen.note(busy.studio.events());
    }
    busy.assert_it_was_busy(&seen);
}

/// Three conferences, and everything that can happen to them.
struct Busy {
    studio: Studio,
    legs: Vec<(LegSlot, Codec)>,
    /// Legs that may talk for a while, and rest for so long between that they give up what they are
    /// decoded with.
    sleepers: Vec<LegSlot>,
    recorded: Arc<AtomicU64>,
    /// Frames of recordings of calls.
    of_calls: Arc<AtomicU64>,
    random: Random,
    calls: u8,
}

/// What the engine told.
#[derive(Default)]
struct Seen {
    digits: usize,
    prompts: usize,
    retired: usize,
    /// Of these, what legs are decoded with.
    decodings: usize,
    speaking: usize,
}

/// Counts frames.
struct CountingTap(Arc<AtomicU64>);

impl Tap for CountingTap {
    fn push(&mut self, _: u64, _: &Frame) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Busy {
    fn new() -> Busy {
        let mut studio = Studio::new(Random::new(4), Repertoire::default(), 96, 4);
        (0..3).for_each(|slot| studio.open(ConferenceSlot(slot), slot < 2));
        let mut busy = Busy {
            studio,
            legs: Vec::new(),
            sleepers: Vec::new(),
            recorded: Arc::default(),
            of_calls: Arc::default(),
            random: Random::new(5),
            calls: 0,
        };
        for number in 0..18 {
            let codec = CODECS[number % CODECS.len()];
            let setup = busy.setup(codec);
            let slot = busy.studio.connect(setup).unwrap().unwrap();
            let privileges = Privileges {
                talk: number < 12,
                listen: true,
            };
            busy.studio
                .join(slot, ConferenceSlot((number % 2) as u16), privileges);
            busy.legs.push((slot, codec));
        }
        // More of one codec than the thread keeps anything for.
        let crowd = [Codec::Pcmu; 40];
        for codec in CODECS.into_iter().chain(crowd) {
            let setup = busy.setup(codec);
            let slot = busy.studio.connect(setup).unwrap().unwrap();
            busy.studio.join(slot, ConferenceSlot(0), LISTEN_ONLY);
            busy.sleepers.push(slot);
        }
        busy
    }

    fn setup(&mut self, codec: Codec) -> CallerSetup {
        self.calls += 1;
        let call = CallId::from_bytes([self.calls; 20]);
        let mouth = Mouth::Voice(Voice::of_caller(usize::from(self.calls)));
        CallerSetup {
            call,
            number: u16::from(self.calls),
            format: Format {
                fec: self.calls.is_multiple_of(2),
                ..Format::plain(codec)
            },
            mouth,
        }
    }

    /// What the engine is asked before a tick, built where it may allocate.
    fn commands(&mut self, tick: usize) -> Vec<EngineCommand<SimTransport>> {
        let mut commands = Vec::new();
        let (slot, codec) = self.legs[self.random.below(self.legs.len())];
        let conference = ConferenceSlot(self.random.below(3) as u16);
        let sound = Voice::PROMPT.second();
        let privileges = match tick % 250 {
            200 => Some(TALK_AND_LISTEN),
            230 => Some(LISTEN_ONLY),
            _ => None,
        };
        if let Some(privileges) = privileges {
            let allow = |slot: &LegSlot| EngineCommand::SetPrivileges {
                slot: *slot,
                privileges,
            };
            commands.extend(self.sleepers.iter().map(allow));
        }
        match tick % 23 {
            0 => commands.push(EngineCommand::SetPrivileges {
                slot,
                privileges: self.privileges(),
            }),
            1 | 20 => commands.push(self.record_call(slot, tick)),
            3 => commands.push(EngineCommand::StopCallRecording {
                slot,
                recording: recording(tick % 2),
            }),
            7 => {
                let call = CallId::from_bytes([1; 20]);
                let audio = PromptAudio::Sound(sound);
                let prompt = Prompt::new(PromptId(7), audio, Repeat::Times(1));
                let prompt = ConferencePrompt::new(call, prompt, true);
                commands.push(EngineCommand::PlayToConference { conference, prompt });
            }
            11 => commands.push(EngineCommand::StopConferencePrompt {
                conference,
                call: CallId::from_bytes([1; 20]),
                prompt: PromptId(7),
            }),
            13 => {
                let on = self.random.chance(0.5);
                commands.push(EngineCommand::WatchVoice { slot, on });
            }
            21 => commands.extend(
                Digit::from_event(3).map(|digit| EngineCommand::PressDigit { slot, digit }),
            ),
            2 => {
                let privileges = self.privileges();
                commands.push(EngineCommand::Join {
                    slot,
                    conference,
                    privileges,
                });
            }
            4 => commands.push(EngineCommand::Beep {
                conference,
                beep: Beep::Entry,
            }),
            5 => commands.push(EngineCommand::Beep {
                conference,
                beep: Beep::Exit,
            }),
            6 => commands.push(EngineCommand::PlayMusic {
                conference,
                audio: sound,
            }),
            8 => commands.push(EngineCommand::StopMusic { conference }),
            9 => {
                let prompt = PromptId(tick as u64);
                let audio = PromptAudio::Sound(sound);
                let prompt = Prompt::new(prompt, audio, Repeat::Times(1));
                commands.push(EngineCommand::PlayPrompt { slot, prompt });
            }
            10 => commands.push(EngineCommand::Leave { slot }),
            12 => {
                let tap = Box::new(CountingTap(Arc::clone(&self.recorded)));
                commands.push(EngineCommand::StartRecording { conference, tap });
            }
            14 => {
                let tap = Box::new(CountingTap(Arc::clone(&self.recorded)));
                commands.push(EngineCommand::StartTrack { slot, tap });
            }
            15 => commands.push(EngineCommand::StopTrack { slot }),
            16 => commands.push(EngineCommand::StopRecording { conference }),
            17 => commands.push(EngineCommand::SetMixing {
                conference,
                on: true,
            }),
            18 => {
                let description = self.studio.caller(slot).unwrap().description();
                let media = Some(Box::new(self.studio.media(description.clone()).unwrap()));
                commands.push(EngineCommand::Reconfigure {
                    slot,
                    description,
                    media,
                });
            }
            19 if self.calls < 200 => commands.extend(self.replace(slot, codec)),
            _ => {}
        }
        commands
    }

    /// A caller hangs up, and another dials and takes its place.
    fn replace(&mut self, slot: LegSlot, codec: Codec) -> [EngineCommand<SimTransport>; 4] {
        let setup = self.setup(codec);
        let (caller, leg) = self.studio.prepare(setup).unwrap();
        self.studio.admit(slot, caller);
        let conference = ConferenceSlot(0);
        let privileges = TALK_AND_LISTEN;
        [
            EngineCommand::RemoveLeg { slot },
            EngineCommand::AddLeg { slot, leg },
            EngineCommand::Answered { slot },
            EngineCommand::Join {
                slot,
                conference,
                privileges,
            },
        ]
    }

    fn record_call(&self, slot: LegSlot, tick: usize) -> EngineCommand<SimTransport> {
        let side = if tick.is_multiple_of(3) {
            RecordedSide::Caller
        } else {
            RecordedSide::Both
        };
        let tap = Box::new(CountingTap(Arc::clone(&self.of_calls)));
        let recording = Box::new(CallRecording::new(recording(tick % 2), side, tap));
        EngineCommand::RecordCall { slot, recording }
    }

    fn privileges(&mut self) -> Privileges {
        Privileges {
            talk: self.random.chance(0.7),
            listen: self.random.chance(0.8),
        }
    }

    /// What callers and networks do before a tick.
    fn disturb(&mut self, tick: usize) {
        let now = self.studio.now();
        let chosen = self.random.below(self.legs.len());
        let impairments = Impairments {
            loss: 0.1,
            duplicates: 0.05,
            reordering: 0.05,
            jitter: Duration::from_millis(40),
            ..Impairments::NONE
        };
        let Some(caller) = self.studio.callers().nth(chosen) else {
            return;
        };
        match tick % 7 {
            0 => caller.press((tick % 12) as u8),
            1 => caller.report(now),
            2 => caller.impair(impairments),
            3 => caller.send_raw(now, &[0x80, 0, 1, 2, 3]),
            4 => caller.say(Mouth::Shut).unwrap(),
            5 => caller.say(Mouth::Voice(Voice::of_caller(chosen))).unwrap(),
            _ => caller.impair(Impairments::NONE),
        }
    }

    fn assert_it_was_busy(&self, seen: &Seen) {
        assert!(seen.digits > 20, "{} keys", seen.digits);
        assert!(seen.prompts > 5, "{} prompts", seen.prompts);
        assert!(seen.retired > 50, "{} retired", seen.retired);
        assert!(self.recorded.load(Ordering::Relaxed) > 500);
        assert!(self.of_calls.load(Ordering::Relaxed) > 500);
        assert!(seen.speaking > 5, "{} times somebody spoke", seen.speaking);
        let counters = |slot: &LegSlot| *self.studio.leg(*slot).unwrap().receive_counters();
        let sum = |count: fn(tutti_media::ReceiveCounters) -> u64| -> u64 {
            self.legs
                .iter()
                .map(|(slot, _)| count(counters(slot)))
                .sum()
        };
        assert!(sum(|leg| leg.lost) > 10);
        assert!(sum(|leg| leg.concealed_samples) > 0);
        assert!(sum(|leg| leg.rtcp_received) > 0);
        let slept: Vec<_> = self.sleepers.iter().map(counters).collect();
        // In their conference there are more than it has places for: some wait.
        let woken = slept.iter().filter(|leg| leg.lent >= 3).count();
        assert!((30..slept.len()).contains(&woken), "{woken}: {slept:?}");
        assert!(slept.iter().any(|leg| leg.put_off > 0), "{slept:?}");
        assert!(seen.decodings > 10, "{} given up", seen.decodings);
    }
}

impl Seen {
    fn note(&mut self, events: Vec<EngineEvent<SimTransport>>) {
        for event in events {
            match event {
                EngineEvent::DigitPressed { .. } => self.digits += 1,
                EngineEvent::PromptFinished { .. } => self.prompts += 1,
                EngineEvent::Retired(retired) => {
                    self.retired += 1;
                    self.decodings += usize::from(matches!(retired, Retired::Decoding(_)));
                }
                EngineEvent::Speaking { .. } | EngineEvent::Voice { .. } => self.speaking += 1,
                EngineEvent::LegSilent { .. } | EngineEvent::Wanted(_) => {}
            }
        }
    }
}

fn recording(number: usize) -> RecordingId {
    RecordingId::from_bytes([number as u8; 20])
}
