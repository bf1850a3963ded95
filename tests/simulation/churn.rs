//! People come and go by the thousand.

use tutti_media::{EngineCommand, EngineEvent, LegSlot, Retired};
use tutti_model::{CallId, Codec, Format};
use tutti_sim::{CallerSetup, Mouth, SimTransport, Studio, Voice, level_db};

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
