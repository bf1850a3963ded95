//! What need not be done is not done: one encode for all who hear the same, and none in silence.

use tutti_model::Codec;
use tutti_sim::{Mouth, Random, Studio, Talk, Tone, Voice};

use crate::stage::{LISTEN_ONLY, TALK_AND_LISTEN, allow, joined, rms_db, studio};

/// Longer than anybody who has spoken keeps an encoder of its own, in ticks.
const FORGOTTEN: u32 = 500;

const TALKERS: usize = 3;
const LISTENERS: usize = 20;

const CODECS: [Codec; 4] = [Codec::Opus, Codec::G722, Codec::Pcmu, Codec::Pcma];

/// A microphone in which nothing is to be heard, encoded all the same.
fn silence() -> Mouth {
    Mouth::Tone(Tone::new(400.0, 0.0))
}

/// Three who may talk, of whom some do, and twenty who send silence; settled.
fn conference(codec: Codec, talking: usize) -> Studio {
    let mut studio = studio();
    for number in 0..TALKERS {
        let mouth = if number < talking {
            Mouth::Voice(Voice::of_caller(number))
        } else {
            silence()
        };
        joined(&mut studio, codec, mouth, TALK_AND_LISTEN);
    }
    for _ in 0..LISTENERS {
        joined(&mut studio, codec, silence(), TALK_AND_LISTEN);
    }
    studio.ticks(FORGOTTEN).unwrap();
    studio
}

/// Frames encoded, and decoded, in one second.
fn work_in_a_second(studio: &mut Studio) -> (u64, u64) {
    let before = (studio.encodes(), decoded(studio));
    studio.ticks(50).unwrap();
    (studio.encodes() - before.0, decoded(studio) - before.1)
}

fn decoded(studio: &Studio) -> u64 {
    studio
        .legs()
        .map(|leg| leg.receive_counters().decoded_frames)
        .sum()
}

#[test]
fn while_nobody_speaks_nothing_is_encoded_and_hardly_anything_decoded() {
    for codec in CODECS {
        let mut studio = conference(codec, 0);
        let (encodes, decodes) = work_in_a_second(&mut studio);
        assert_eq!(encodes, 0, "{codec:?}");
        // Of 23 legs a few are looked into, to be sure that they are as quiet as they say.
        assert!(decodes <= 60, "{codec:?}: {decodes} frames decoded");
        let before: Vec<u64> = received(&mut studio);
        studio.ticks(50).unwrap();
        // Everybody is sent its silence all the same.
        let after = received(&mut studio);
        assert!(
            before
                .iter()
                .zip(&after)
                .all(|(before, after)| after - before == 50),
            "{codec:?}"
        );
    }
}

#[test]
fn one_talker_costs_one_encode_and_one_decode() {
    for codec in CODECS {
        let (encodes, decodes) = work_in_a_second(&mut conference(codec, 1));
        // The talker hears nothing, which is not encoded either.
        assert_eq!(encodes, 50, "{codec:?}");
        assert!((50..=110).contains(&decodes), "{codec:?}: {decodes}");
    }
}

#[test]
fn three_talkers_cost_an_encode_each_and_one_for_all_others() {
    for codec in CODECS {
        let (encodes, decodes) = work_in_a_second(&mut conference(codec, 3));
        assert_eq!(encodes, 200, "{codec:?}");
        assert!((150..=210).contains(&decodes), "{codec:?}: {decodes}");
    }
}

#[test]
fn whoever_may_not_talk_is_not_decoded_whatever_it_says() {
    let mut studio = conference(Codec::Opus, 3);
    let slots: Vec<_> = studio.slots().collect();
    for slot in slots {
        allow(&mut studio, slot, LISTEN_ONLY);
    }
    studio.ticks(FORGOTTEN).unwrap();
    let (encodes, decodes) = work_in_a_second(&mut studio);
    assert_eq!((encodes, decodes), (0, 0));
}

fn received(studio: &mut Studio) -> Vec<u64> {
    studio
        .callers()
        .map(|caller| caller.received().packets)
        .collect()
}

#[test]
fn the_noise_of_rooms_is_not_decoded_for_long() {
    for codec in CODECS {
        let mut studio = studio();
        let mut random = Random::new(3);
        for _ in 0..LISTENERS {
            // −60 dBov, and different in every room.
            let noise: Vec<f32> = (0..48_000 * 20)
                .map(|_| 0.003_46 * (random.fraction() as f32 - 0.5))
                .collect();
            joined(
                &mut studio,
                codec,
                Mouth::Sound(noise.into()),
                TALK_AND_LISTEN,
            );
        }
        studio.ticks(650).unwrap();
        let before = decoded(&studio);
        studio.ticks(250).unwrap();
        let part = (decoded(&studio) - before) as f64 / (250.0 * LISTENERS as f64);
        println!(
            "{codec:?}: {:.1} % of a room's packets are decoded",
            100.0 * part
        );
        assert!(part < 0.3, "{codec:?}: {part}");
    }
}

#[test]
fn a_crowd_that_comes_with_its_rooms_noise_costs_no_encoder_each() {
    let mut studio = studio();
    let mut random = Random::new(4);
    for _ in 0..LISTENERS {
        let noise: Vec<f32> = (0..48_000 * 4)
            .map(|_| 0.003_46 * (random.fraction() as f32 - 0.5))
            .collect();
        joined(
            &mut studio,
            Codec::Pcmu,
            Mouth::Sound(noise.into()),
            TALK_AND_LISTEN,
        );
    }
    studio.ticks(10).unwrap();
    let (encodes, _) = work_in_a_second(&mut studio);
    assert!(encodes <= 60, "{encodes} encodes in a second");
}

#[test]
fn a_crowd_whose_rooms_are_heard_after_a_silence_costs_no_encoder_each_for_long() {
    for codec in CODECS {
        // Phones that send nothing at first, and phones that were muted.
        for is_shut in [true, false] {
            let mut studio = studio();
            let mut random = Random::new(5);
            let slots: Vec<_> = (0..LISTENERS)
                .map(|_| {
                    let mouth = if is_shut { Mouth::Shut } else { silence() };
                    joined(&mut studio, codec, mouth, TALK_AND_LISTEN)
                })
                .collect();
            studio.ticks(50).unwrap();
            for (number, slot) in slots.into_iter().enumerate() {
                // From −66 to −54 dBov.
                let peak = 0.000_87 * 1.074_f32.powi(number as i32);
                let noise: Vec<f32> = (0..48_000 * 6)
                    .map(|_| 2.0 * peak * (random.fraction() as f32 - 0.5))
                    .collect();
                let mouth = Mouth::Sound(noise.into());
                studio.caller(slot).unwrap().say(mouth).unwrap();
            }
            let (at_once, _) = work_in_a_second(&mut studio);
            let (later, _) = work_in_a_second(&mut studio);
            println!("{codec:?}: {at_once} encodes in the first second, {later} in the next");
            assert!(later <= 100, "{codec:?}: {later} encodes in a second");
            // What Opus makes of a beginning, and others of silence, is so soft that noise is a sound
            // after it.
            if is_shut && codec != Codec::Opus {
                assert!(at_once <= 60, "{codec:?}: {at_once} encodes at once");
            }
        }
    }
}

/// For how long each of three has the floor, in samples.
const TURN: usize = 3 * 48_000;

#[test]
fn three_who_take_turns_cost_hardly_more_than_one_encode() {
    for codec in CODECS {
        let mut studio = studio();
        for number in 0..TALKERS {
            let mut talk = Talk::new(Random::new(number as u64), 110.0 + 40.0 * number as f32);
            let mut said = talk.seconds(30.0, -26.0).to_vec();
            for (at, turn) in said.chunks_mut(TURN).enumerate() {
                if at % TALKERS != number {
                    turn.fill(0.0);
                }
            }
            joined(
                &mut studio,
                codec,
                Mouth::Sound(said.into()),
                TALK_AND_LISTEN,
            );
        }
        studio.ticks(450).unwrap();
        let before = studio.encodes();
        studio.ticks(900).unwrap();
        let encodes = studio.encodes() - before;
        println!("{codec:?}: {:.2} encodes a tick", encodes as f64 / 900.0);
        // Two who listen hear the same, but for a while after they have spoken themselves.
        assert!(encodes <= 1_400, "{codec:?}: {encodes} encodes");
    }
}

#[test]
fn whoever_has_sent_nothing_for_a_minute_is_heard_when_it_speaks() {
    for codec in CODECS {
        let mut studio = studio();
        let speaks = joined(&mut studio, codec, Mouth::Shut, TALK_AND_LISTEN);
        let listens = joined(&mut studio, codec, Mouth::Shut, LISTEN_ONLY);
        studio.ticks(3_000).unwrap();
        let mouth = Mouth::Tone(Tone::new(440.0, 0.3));
        studio.caller(speaks).unwrap().say(mouth).unwrap();
        studio.ticks(25).unwrap();
        studio.caller(listens).unwrap().start_listening();
        studio.ticks(50).unwrap();
        let level = rms_db(&studio.caller(listens).unwrap().take_heard());
        assert!(level > -35.0, "{codec:?}: {level} dB");
    }
}
