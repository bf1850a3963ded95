//! Where more speak at once than a mix has places for.

use std::collections::BTreeSet;
use std::time::Duration;

use tutti_media::{CONTRIBUTORS, EngineEvent};
use tutti_model::{CallId, Codec};
use tutti_sim::{Mouth, Random, Studio, Talk};

use crate::stage::*;

const PLACES: usize = CONTRIBUTORS as usize;

const CODECS: [Codec; 3] = [Codec::Pcmu, Codec::G722, Codec::Opus];

#[test]
fn as_many_as_there_are_places_for_are_all_heard_at_once() {
    for codec in CODECS {
        let mut studio = babble(codec, CONTRIBUTORS);
        let speaking = who_speaks(&mut studio, 150);
        assert_eq!(speaking.len(), PLACES, "{codec:?}");
        let decoded = decoded(&mut studio, 100);
        assert_eq!(decoded, vec![100; PLACES], "{codec:?}");
    }
}

#[test]
fn of_more_no_more_are_mixed_than_there_are_places_and_everybody_in_turn() {
    let ahead = [None, Some(Duration::from_millis(5))];
    for (codec, ahead) in CODECS.into_iter().zip(ahead.into_iter().cycle()) {
        let mut studio = babble(codec, 3 * CONTRIBUTORS);
        if let Some(ahead) = ahead {
            studio.set_ahead(ahead);
        }
        let listener = joined(&mut studio, Codec::L16At48, Mouth::Shut, LISTEN_ONLY);
        studio.ticks(150).unwrap();
        let before = studio.encodes();
        studio.caller(listener).unwrap().start_listening();
        let ticks = 1_000;
        let mut of_each = decoded(&mut studio, ticks);
        assert_eq!(
            of_each.pop(),
            Some(u64::from(ticks)),
            "the listener sends nothing to skip"
        );
        let loud = rms_db(studio.caller(listener).unwrap().heard());
        let encodes = (studio.encodes() - before) as f64 / f64::from(ticks);
        let at_once = of_each.iter().sum::<u64>() as f64 / f64::from(ticks);
        let (least, most) = (of_each.iter().min(), of_each.iter().max());
        println!(
            "{codec:?}: of {}, {encodes:.1} have an encoder and {at_once:.1} are decoded, each in \
             {least:?} to {most:?} of {ticks} ticks; {loud:.1} dBov",
            of_each.len()
        );
        // The mix for who listens, and one for each contributor.
        assert!(encodes <= PLACES as f64 + 2.0, "{codec:?}: {encodes}");
        assert!(encodes >= PLACES as f64 - 4.0, "{codec:?}: {encodes}");
        // Whoever comes to be heard is decoded from a little before.
        assert!(at_once <= PLACES as f64 * 1.25, "{codec:?}: {at_once}");
        assert!(least >= Some(&50), "{codec:?}: {least:?}");
        // Thirty voices of -30 dBov.
        assert!((-20.0..=-13.0).contains(&loud), "{codec:?}: {loud} dBov");
    }
}

#[test]
fn whoever_begins_to_speak_when_all_places_are_taken_is_heard_within_a_second() {
    for codec in CODECS {
        let mut studio = babble(codec, CONTRIBUTORS);
        let mut said = vec![0.0; 4 * 48_000];
        said.extend_from_slice(&talk(99, 4.0));
        let late = joined(
            &mut studio,
            codec,
            Mouth::Sound(said.into()),
            TALK_AND_LISTEN,
        );
        studio.ticks(190).unwrap();
        studio.events();
        let call = studio.leg(late).unwrap().call();
        let ticks = (0..100).position(|_| who_speaks(&mut studio, 1).contains(&call));
        println!(
            "{codec:?}: told after {ticks:?} ticks, 10 before it begins and 10 after it is heard"
        );
        assert!(
            ticks.is_some_and(|ticks| ticks <= 70),
            "{codec:?}: {ticks:?}"
        );
    }
}

#[test]
fn whoever_gets_a_place_in_the_middle_of_a_word_fades_in() {
    let mut studio = studio_with(plain_settings(), CONTRIBUTORS + 2);
    let tone = |hz: f32, peak: f32, seconds: f32| -> Mouth {
        let samples = (0..(48_000.0 * seconds) as usize).map(|n| {
            // Frames begin at its peak, where it could not be cut more audibly.
            peak * (std::f32::consts::TAU * hz * n as f32 / 48_000.0).cos()
        });
        Mouth::Sound(samples.collect::<Vec<_>>().into())
    };
    for place in 0..CONTRIBUTORS {
        let seconds = if place == 0 { 2.0 } else { 8.0 };
        // All but one cancel each other.
        let peak = if place % 2 == 0 { 0.008 } else { -0.008 };
        let mouth = tone(300.0, peak, seconds);
        joined(&mut studio, Codec::L16At48, mouth, TALK_AND_LISTEN);
    }
    studio.ticks(50).unwrap();
    let mouth = tone(1_000.0, 0.4, 8.0);
    joined(&mut studio, Codec::L16At48, mouth, TALK_AND_LISTEN);
    let listener = joined(&mut studio, Codec::L16At48, Mouth::Shut, LISTEN_ONLY);
    studio.ticks(25).unwrap();
    assert!(studio.work().waits > 20, "it has a place at once");
    let ear = heard(&mut studio, listener, 150);
    let first = |loud: f32| ear.iter().position(|sample| sample.abs() > loud).unwrap();
    let (begins, risen) = (first(0.04), first(0.37));
    let rises_ms = (risen - begins) as f32 / 48.0;
    println!(
        "heard after {} ms, and rises for {rises_ms:.1} ms",
        begins / 48
    );
    assert!(begins > 4_800, "it had waited: {begins}");
    assert!((5.0..=12.0).contains(&rises_ms), "{rises_ms} ms");
}

/// So many people who speak without regard for each other.
fn babble(codec: Codec, people: u16) -> Studio {
    let mut studio = studio_with(plain_settings(), people + 2);
    for number in 0..people {
        let voice = Mouth::Sound(talk(number, 30.0).into());
        joined(&mut studio, codec, voice, TALK_AND_LISTEN);
    }
    studio
}

fn talk(number: u16, seconds: f32) -> Vec<f32> {
    let pitch_hz = 90.0 + f32::from(number);
    Talk::new(Random::new(u64::from(number)), pitch_hz)
        .seconds(seconds, -30.0)
        .to_vec()
}

/// Who is told to speak while some ticks pass.
fn who_speaks(studio: &mut Studio, ticks: u32) -> BTreeSet<CallId> {
    studio.ticks(ticks).unwrap();
    let speaking = studio.events().into_iter().filter_map(|event| match event {
        EngineEvent::Speaking { call, speaking } => speaking.then_some(call),
        EngineEvent::Retired(_)
        | EngineEvent::PromptFinished { .. }
        | EngineEvent::DigitPressed { .. }
        | EngineEvent::LegSilent { .. }
        | EngineEvent::Voice { .. }
        | EngineEvent::Wanted(_) => None,
    });
    speaking.collect()
}

/// In how many of so many ticks each leg is decoded.
fn decoded(studio: &mut Studio, ticks: u32) -> Vec<u64> {
    let rests = |studio: &Studio| -> Vec<u64> {
        let legs = studio.legs();
        legs.map(|leg| leg.receive_counters().skipped_frames)
            .collect()
    };
    let before = rests(studio);
    studio.ticks(ticks).unwrap();
    let rested = rests(studio).into_iter().zip(before);
    rested
        .map(|(after, before)| u64::from(ticks) - (after - before))
        .collect()
}
