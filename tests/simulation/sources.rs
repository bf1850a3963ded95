//! Phones restart, jump, move and change their minds in the middle of a call.

use tutti_media::{EngineCommand, LegSlot};
use tutti_model::{Codec, Format};
use tutti_sim::{Habits, Mouth, Studio, Tone};

use crate::stage::*;

const TONE_HZ: f32 = 564.0;

/// What may go missing when a source changes.
const MOST_DEAD_AIR_MS: usize = 60;

#[test]
fn another_source_is_heard_within_60_ms() {
    disturbed("another SSRC", |studio, talker| {
        let caller = studio.caller(talker).unwrap();
        caller.change_ssrc(0x0bad_cafe);
        caller.restart_sequence(7);
        caller.jump_timestamp(1_234_567);
    });
}

#[test]
fn a_sequence_that_begins_anew_is_heard_within_60_ms() {
    for sequence in [0, 30_000, 65_530] {
        disturbed("another sequence number", |studio, talker| {
            studio.caller(talker).unwrap().restart_sequence(sequence);
        });
    }
}

#[test]
fn timestamps_that_jump_by_half_their_range_are_heard_within_60_ms() {
    for jump in [i32::MAX, i32::MIN, 160_000, -160_000, 8_000] {
        disturbed("a jump of the timestamp", |studio, talker| {
            studio.caller(talker).unwrap().jump_timestamp(jump);
        });
    }
}

#[test]
fn numbers_that_wrap_are_not_heard_at_all() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
        let (mut studio, talker, listener) = tone(codec);
        let caller = studio.caller(talker).unwrap();
        caller.restart_sequence(65_500);
        studio.ticks(20).unwrap();
        let before = *studio.leg(talker).unwrap().receive_counters();
        let ear = heard(&mut studio, listener, 100);
        let after = *studio.leg(talker).unwrap().receive_counters();
        assert_eq!(after.sequence_restarts, before.sequence_restarts);
        assert_eq!(after.concealed_samples, before.concealed_samples);
        assert_eq!(longest_dead_air_ms(&ear, rate(&mut studio, listener)), 0);
    }
}

#[test]
fn packets_of_10_to_60_ms_are_heard_alike() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
        let ptimes: &[u16] = match codec {
            Codec::Opus => &[20, 40, 60],
            _ => &[10, 20, 30, 40, 50, 60],
        };
        let (mut studio, talker, listener) = tone(codec);
        studio.ticks(100).unwrap();
        let steady = sharpest_bend(&heard(&mut studio, listener, 100));
        for ptime_ms in ptimes.iter().chain(ptimes.iter().rev()) {
            let habits = Habits {
                ptime_ms: *ptime_ms,
                ..Habits::default()
            };
            studio.caller(talker).unwrap().behave(habits);
            let change = heard(&mut studio, listener, 100);
            let before = *studio.leg(talker).unwrap().receive_counters();
            let ear = heard(&mut studio, listener, 100);
            let after = *studio.leg(talker).unwrap().receive_counters();
            let rate = rate(&mut studio, listener);
            // A longer packet comes later, once.
            assert!(
                longest_dead_air_ms(&change, rate) <= MOST_DEAD_AIR_MS,
                "{codec:?} {ptime_ms}"
            );
            assert_eq!(
                after.concealed_samples, before.concealed_samples,
                "{codec:?} {ptime_ms} ms"
            );
            assert_eq!(
                longest_dead_air_ms(&ear, rate),
                0,
                "{codec:?} {ptime_ms} ms"
            );
            let bent = sharpest_bend(&ear);
            assert!(
                bent < 2.0 * steady,
                "{codec:?} {ptime_ms} ms: {bent} after {steady}"
            );
        }
    }
}

#[test]
fn codecs_change_in_the_middle_of_a_call_and_nothing_is_missed() {
    let (mut studio, talker, listener) = tone(Codec::Pcmu);
    studio.ticks(100).unwrap();
    for codec in [
        Codec::Pcma,
        Codec::G722,
        Codec::Opus,
        Codec::Pcmu,
        Codec::Opus,
    ] {
        let mouth = Mouth::Tone(Tone::new(TONE_HZ, 0.3));
        let caller = studio.caller(talker).unwrap();
        caller.change_format(Format::plain(codec), mouth).unwrap();
        let description = caller.description();
        let media = Some(Box::new(studio.media(description.clone()).unwrap()));
        studio.handle(EngineCommand::Reconfigure {
            slot: talker,
            description,
            media,
        });
        let ear = heard(&mut studio, listener, 100);
        let dead_ms = longest_dead_air_ms(&ear, 8_000);
        println!("to {codec:?}: {dead_ms} ms");
        assert!(dead_ms <= MOST_DEAD_AIR_MS, "{codec:?}: {dead_ms} ms");
        assert!(
            level_of(&ear[8_000..]) > 10.0,
            "{codec:?}: at its own speed"
        );
    }
}

#[test]
fn who_moves_to_another_port_is_heard_again_when_it_says_so() {
    let (mut studio, talker, listener) = tone(Codec::Pcmu);
    // Well after our answer, when nobody may prove another address by packets alone.
    studio.ticks(200).unwrap();
    studio.caller(talker).unwrap().rebind();
    studio.ticks(100).unwrap();
    let foreign = studio.leg(talker).unwrap().counters().foreign;
    assert!(foreign > 90, "{foreign}");
    assert!(rms_db(&heard(&mut studio, listener, 50)) < -60.0);
    let description = studio.caller(talker).unwrap().description();
    studio.handle(EngineCommand::Reconfigure {
        slot: talker,
        description,
        media: None,
    });
    studio.ticks(10).unwrap();
    studio.caller(talker).unwrap().forget_received();
    let ear = heard(&mut studio, listener, 50);
    assert!(level_of(&ear) > 10.0, "{}", level_of(&ear));
    let back = studio.caller(talker).unwrap().received();
    assert_eq!((back.astray, back.packets), (0, 50), "{back:?}");
}

#[test]
fn nobody_else_is_heard_in_a_phones_place_or_gets_what_it_hears() {
    let (mut studio, talker, listener) = tone(Codec::Pcmu);
    let sounds = heard(&mut studio, listener, 100);
    let strangers = [
        "10.9.9.9:4000".parse().unwrap(),
        // The phone's own address, another port.
        {
            let mut near = studio.caller(talker).unwrap().address();
            near.set_port(4_444);
            near
        },
    ];
    studio.ticks(100).unwrap();
    // Loud noise, in packets that follow each other as they should.
    for sequence in 0..500_u16 {
        let now = studio.now();
        for (number, stranger) in strangers.into_iter().enumerate() {
            let mut packet = vec![0x80, 0];
            packet.extend(sequence.to_be_bytes());
            packet.extend((u32::from(sequence) * 160).to_be_bytes());
            packet.extend([1, 2, 3, number as u8]);
            packet.extend((0..160_u8).map(|n| n.wrapping_mul(97) & 0x8f));
            let caller = studio.caller(talker).unwrap();
            caller.send_from(now, stranger, &packet);
        }
        if sequence == 100 {
            studio.caller(listener).unwrap().start_listening();
        }
        studio.tick().unwrap();
    }
    let ear = studio.caller(listener).unwrap().heard().to_vec();
    assert!(sharpest_bend(&ear) < 1.5 * sharpest_bend(&sounds[8_000..]));
    assert!((rms_db(&ear) - rms_db(&sounds[8_000..])).abs() < 0.5);
    let counters = studio.leg(talker).unwrap().counters();
    assert_eq!(counters.foreign, 1_000, "{counters:?}");
    for slot in [talker, listener] {
        assert_eq!(studio.caller(slot).unwrap().received().astray, 0);
    }
}

/// Somebody says a tone, something happens to its stream, and what is missing is measured.
fn disturbed(what: &str, disturb: impl Fn(&mut Studio, LegSlot)) {
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
        let (mut studio, talker, listener) = tone(codec);
        studio.ticks(150).unwrap();
        studio.caller(listener).unwrap().start_listening();
        studio.ticks(25).unwrap();
        disturb(&mut studio, talker);
        studio.ticks(75).unwrap();
        let ear = studio.caller(listener).unwrap().take_heard();
        let rate = rate(&mut studio, listener);
        let dead_ms = longest_dead_air_ms(&ear, rate);
        println!("{codec:?}: {what}: {dead_ms} ms of dead air");
        assert!(
            dead_ms <= MOST_DEAD_AIR_MS,
            "{codec:?}: {what}: {dead_ms} ms"
        );
        // And it goes on as though nothing had happened.
        let before = *studio.leg(talker).unwrap().receive_counters();
        let ear = heard(&mut studio, listener, 100);
        let after = *studio.leg(talker).unwrap().receive_counters();
        assert_eq!(longest_dead_air_ms(&ear, rate), 0, "{codec:?}: {what}");
        assert_eq!(
            after.concealed_samples, before.concealed_samples,
            "{what}: {after:?}"
        );
    }
}

fn tone(codec: Codec) -> (Studio, LegSlot, LegSlot) {
    let mut studio = studio();
    let tone = Mouth::Tone(Tone::new(TONE_HZ, 0.3));
    let talker = joined(&mut studio, codec, tone, TALK_AND_LISTEN);
    let listener = joined(&mut studio, codec, Mouth::Shut, LISTEN_ONLY);
    (studio, talker, listener)
}

fn rate(studio: &mut Studio, slot: LegSlot) -> u32 {
    studio.caller(slot).unwrap().rate_hz()
}

fn level_of(samples: &[f32]) -> f32 {
    tutti_sim::level_db(samples, 8_000, TONE_HZ)
}
