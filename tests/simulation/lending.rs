//! A leg that rests for long gives up what it was decoded with, and is lent it when it wakes.

use std::collections::BTreeSet;

use tutti_media::{ConferenceSlot, EngineCommand, EngineEvent, LegSlot, ReceiveCounters, Retired};
use tutti_model::{CallId, Codec};
use tutti_sim::{Mouth, Random, Repertoire, Studio, Talk, Tone};

use crate::stage::*;

const CODECS: [Codec; 6] = [
    Codec::Opus,
    Codec::G722,
    Codec::Pcmu,
    Codec::Pcma,
    Codec::L16At16,
    Codec::L16At48,
];

/// Ticks after which whoever is silent, or muted, has given up what it was decoded with.
const GIVEN_UP: u32 = 200;

/// Legs of one codec for which a thread keeps that at most.
const KEPT: usize = 32;

#[test]
fn a_hundred_legs_that_wake_in_one_tick_are_all_heard_within_ten_ticks() {
    for codec in [Codec::Opus, Codec::Pcmu] {
        let mut studio = studio_with(plain_settings(), 101);
        let mut said = vec![0.0; 48_000 / 50 * GIVEN_UP as usize];
        said.extend_from_slice(&Talk::new(Random::new(8), 120.0).seconds(2.0, -20.0));
        // Where all of them have a place in the mix.
        let conferences = [0, 1, 2, 3].map(ConferenceSlot);
        for conference in &conferences[1..] {
            studio.open(*conference, true);
        }
        let crowd: Vec<LegSlot> = (0..100)
            .zip(conferences.into_iter().cycle())
            .map(|(_, conference)| {
                let mouth = Mouth::Sound(said.clone().into());
                let slot = connected(&mut studio, codec, mouth);
                studio.join(slot, conference, TALK_AND_LISTEN);
                slot
            })
            .collect();
        studio.ticks(GIVEN_UP).unwrap();
        let (_, given_up) = told(&mut studio);
        assert_eq!(given_up, 100 - KEPT, "{codec:?}");
        assert!(crowd.iter().all(|slot| counters(&studio, *slot).woke == 0));

        let mut woken_in_a_tick = Vec::new();
        let mut woken = 0;
        for _ in 0..20 {
            studio.tick().unwrap();
            let now: u64 = crowd.iter().map(|slot| counters(&studio, *slot).woke).sum();
            woken_in_a_tick.push(now - woken);
            woken = now;
        }
        println!("{codec:?}: {woken_in_a_tick:?} legs wake");
        assert_eq!(woken, 100, "{codec:?}");
        let most = woken_in_a_tick.iter().max().unwrap();
        assert!(*most <= KEPT as u64, "{codec:?}: {most} in one tick");
        let latest = crowd.iter().map(|slot| counters(&studio, *slot).put_off);
        let latest = latest.max().unwrap();
        assert!((1..10).contains(&latest), "{codec:?}: {latest} ticks");
        // What waited was not thrown away.
        studio.ticks(30).unwrap();
        for slot in &crowd {
            assert_eq!(counters(&studio, *slot).discarded, 0, "{codec:?}");
        }
        assert_eq!(told(&mut studio).0.len(), 100, "{codec:?}");
    }
}

#[test]
fn a_leg_that_moves_with_nothing_to_be_decoded_with_is_heard_where_it_goes() {
    for codec in CODECS {
        let mut here = studio();
        let mut there = Studio::new(Random::new(12), Repertoire::default(), 8, 1);
        there.set_settings(plain_settings());
        there.open(CONFERENCE, true);
        let tone = Mouth::Tone(Tone::new(564.0, 0.3));
        let mover = joined(&mut here, codec, tone, LISTEN_ONLY);
        here.ticks(GIVEN_UP).unwrap();
        there.ticks(GIVEN_UP).unwrap();
        let (caller, leg) = here.release(mover).unwrap();
        let listener = joined(&mut there, Codec::L16At48, Mouth::Shut, LISTEN_ONLY);
        let slot = LegSlot(5);
        there.admit(slot, caller);
        there.handle(EngineCommand::AddLeg { slot, leg });
        there.join(slot, CONFERENCE, TALK_AND_LISTEN);
        let ear = heard(&mut there, listener, 50);
        assert_eq!(counters(&there, slot).lent, 1, "{codec:?}");
        assert!(rms_db(&ear[ear.len() / 2..]) > -20.0, "{codec:?}");
    }
}

#[test]
fn a_codec_that_changes_while_a_leg_rests_brings_what_it_is_decoded_with() {
    let mut studio = studio();
    let tone = || Mouth::Tone(Tone::new(564.0, 0.3));
    let slot = joined(&mut studio, Codec::Pcmu, tone(), LISTEN_ONLY);
    let listener = joined(&mut studio, Codec::L16At48, Mouth::Shut, LISTEN_ONLY);
    for codec in CODECS {
        studio.ticks(GIVEN_UP).unwrap();
        let caller = studio.caller(slot).unwrap();
        caller.change_format(format(codec), tone()).unwrap();
        let description = caller.description();
        let media = Some(Box::new(studio.media(description.clone()).unwrap()));
        studio.handle(EngineCommand::Reconfigure {
            slot,
            description,
            media,
        });
        // At once it has what came with its codec, and after another rest what is lent.
        for rest in [25, GIVEN_UP] {
            studio.ticks(rest).unwrap();
            allow(&mut studio, slot, TALK_AND_LISTEN);
            let ear = heard(&mut studio, listener, 50);
            assert!(rms_db(&ear[ear.len() / 2..]) > -20.0, "{codec:?}");
            allow(&mut studio, slot, LISTEN_ONLY);
        }
        assert_eq!(counters(&studio, slot).lent, 1, "{codec:?}");
    }
}

/// What is received of a leg.
fn counters(studio: &Studio, slot: LegSlot) -> ReceiveCounters {
    *studio.leg(slot).unwrap().receive_counters()
}

/// Who was said to speak, and how many things to decode with were given up for good.
fn told(studio: &mut Studio) -> (BTreeSet<CallId>, usize) {
    let (mut speakers, mut given_up) = (BTreeSet::new(), 0);
    for event in studio.events() {
        match event {
            EngineEvent::Speaking { call, speaking } => {
                assert!(speaking);
                speakers.insert(call);
            }
            EngineEvent::Retired(Retired::Decoding(_)) => given_up += 1,
            EngineEvent::Retired(_)
            | EngineEvent::PromptFinished { .. }
            | EngineEvent::DigitPressed { .. }
            | EngineEvent::LegSilent { .. }
            | EngineEvent::Voice { .. }
            | EngineEvent::Wanted(_) => {}
        }
    }
    (speakers, given_up)
}
