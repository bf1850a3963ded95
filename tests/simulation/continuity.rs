//! Sound has no holes, no steps and no clicks on its way through the engine.

use std::time::Duration;

use tutti_media::{CEILING, EngineCommand};
use tutti_model::{Codec, Privileges};
use tutti_sim::{Impairments, Mouth, Tone, level_db, tape};

use crate::stage::*;

/// A tone that G.711 carries without strain.
const TONE_HZ: f32 = 564.0;

#[test]
fn a_tone_has_no_holes_and_no_clicks_when_one_packet_in_twenty_is_lost() {
    // Opus takes a steady tone for noise: its concealment dips, and it must not break off.
    for (codec, deepest_dip_db, sharpest) in [(Codec::Pcmu, 6.0, 3.0), (Codec::Opus, 18.0, 8.0)] {
        let mut studio = studio();
        let tone = Mouth::Tone(Tone::new(TONE_HZ, 0.3));
        let talker = joined(&mut studio, codec, tone, TALK_AND_LISTEN);
        let listener = joined(&mut studio, codec, Mouth::Shut, LISTEN_ONLY);
        studio.ticks(100).unwrap();
        let undisturbed = heard(&mut studio, listener, 100);

        let loss = Impairments {
            loss: 0.05,
            ..Impairments::NONE
        };
        studio.caller(talker).unwrap().impair(loss);
        let lossy = heard(&mut studio, listener, 1_000);
        let lost = studio.leg(talker).unwrap().receive_counters().lost;
        assert!(lost > 30, "{codec:?}: {lost}");

        let rate = studio.caller(listener).unwrap().rate_hz();
        let whole = level_db(&undisturbed, rate, TONE_HZ);
        // Parts of 80 ms, the length of an ear's window.
        let softest = lossy
            .chunks_exact(rate as usize / 25 * 2)
            .map(|part| level_db(part, rate, TONE_HZ))
            .fold(f32::MAX, f32::min);
        let dip_db = whole - softest;
        assert!(
            dip_db < deepest_dip_db,
            "{codec:?}: from {whole} dB down to {softest} dB"
        );
        let (steady, bent) = (sharpest_bend(&undisturbed), sharpest_bend(&lossy));
        assert!(bent < sharpest * steady, "{codec:?}: {bent} after {steady}");
    }
}

#[test]
fn jitter_and_reordering_alone_leave_no_mark() {
    let mut studio = studio();
    let tone = Mouth::Tone(Tone::new(TONE_HZ, 0.3));
    let talker = joined(&mut studio, Codec::Pcmu, tone, TALK_AND_LISTEN);
    let listener = joined(&mut studio, Codec::Pcmu, Mouth::Shut, LISTEN_ONLY);
    let rough = Impairments {
        jitter: Duration::from_millis(15),
        duplicates: 0.05,
        ..Impairments::NONE
    };
    studio.caller(talker).unwrap().impair(rough);
    studio.ticks(250).unwrap();
    let before = *studio.leg(talker).unwrap().receive_counters();
    let sound = heard(&mut studio, listener, 500);
    let after = *studio.leg(talker).unwrap().receive_counters();
    assert_eq!(
        after.concealed_samples, before.concealed_samples,
        "{after:?}"
    );
    assert!(after.duplicate > 10, "{after:?}");
    assert!(level_db(&sound, 8_000, TONE_HZ) > 10.0);
}

#[test]
fn twelve_talkers_at_minus_6_dbov_neither_wrap_nor_crackle() {
    let mut studio = studio();
    let tones_hz: Vec<f32> = (0..12_u8).map(|n| 300.0 + 73.0 * f32::from(n)).collect();
    for hz in &tones_hz {
        // A sine at −6 dBov has a peak of 0.708.
        let tone = Mouth::Tone(Tone::new(*hz, 0.708));
        joined(&mut studio, Codec::Pcmu, tone, TALK_AND_LISTEN);
    }
    let listener = joined(&mut studio, Codec::Pcmu, Mouth::Shut, LISTEN_ONLY);
    studio.ticks(50).unwrap();
    let (head, tape) = tape();
    studio.handle(EngineCommand::StartRecording {
        conference: CONFERENCE,
        tap: Box::new(head),
    });
    let ear = heard(&mut studio, listener, 250);
    let mix = tape.samples();

    assert!(peak(&mix) <= CEILING + 1e-3, "{}", peak(&mix));
    assert!(
        peak(&mix) > 0.7,
        "the mix must not be muted: {}",
        peak(&mix)
    );
    // What has no frequency above 1.2 kHz and no sample above the ceiling cannot step further.
    let step = |samples: &[f32]| {
        samples
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).abs())
            .fold(0.0, f32::max)
    };
    let steepest = CEILING * std::f32::consts::TAU * 1_200.0;
    assert!(step(&mix) < 1.3 * steepest / 48_000.0, "{}", step(&mix));
    assert!(step(&ear) < 1.3 * steepest / 8_000.0, "{}", step(&ear));
    let levels: Vec<f32> = tones_hz
        .iter()
        .map(|hz| level_db(&ear, 8_000, *hz))
        .collect();
    let (softest, loudest) = levels
        .iter()
        .fold((f32::MAX, f32::MIN), |(soft, loud), level| {
            (soft.min(*level), loud.max(*level))
        });
    assert!(
        loudest - softest < 3.0,
        "everybody is heard alike: {levels:?}"
    );
}

#[test]
fn muting_and_unmuting_make_no_click() {
    let mut studio = studio();
    let tone = Mouth::Tone(Tone::new(TONE_HZ, 0.3));
    let talker = joined(&mut studio, Codec::Pcmu, tone, TALK_AND_LISTEN);
    let listener = joined(&mut studio, Codec::Pcmu, Mouth::Shut, LISTEN_ONLY);
    studio.ticks(50).unwrap();
    let (head, tape) = tape();
    studio.handle(EngineCommand::StartRecording {
        conference: CONFERENCE,
        tap: Box::new(head),
    });
    let steady_ear = heard(&mut studio, listener, 50);
    let steady_mix = tape.samples();
    studio.caller(listener).unwrap().start_listening();
    for switch in 0..20 {
        let privileges = Privileges {
            talk: switch % 2 == 1,
            listen: true,
        };
        allow(&mut studio, talker, privileges);
        // An odd number of ticks, so that the tone is cut at ever other phases.
        studio.ticks(7).unwrap();
    }
    let mix = tape.samples();
    let ear = studio.caller(listener).unwrap().heard().to_vec();
    // The recording goes on where it was, so what came before is silent here.
    let mix = &mix[steady_mix.len() + 1_920..];
    assert!(
        rms_db(mix) > -25.0,
        "the talker is heard half of the time: {}",
        rms_db(mix)
    );
    assert!(rms_db(mix) < rms_db(&steady_mix) - 2.0);
    assert!(
        sharpest_bend(mix) < 1.5 * sharpest_bend(&steady_mix),
        "{}",
        sharpest_bend(mix)
    );
    assert!(
        sharpest_bend(&ear) < 1.5 * sharpest_bend(&steady_ear),
        "{}",
        sharpest_bend(&ear)
    );
}

#[test]
fn who_stops_listening_and_starts_again_hears_no_click() {
    let mut studio = studio();
    let tone = Mouth::Tone(Tone::new(TONE_HZ, 0.3));
    joined(&mut studio, Codec::Pcmu, tone, TALK_AND_LISTEN);
    let listener = joined(&mut studio, Codec::Pcmu, Mouth::Shut, LISTEN_ONLY);
    studio.ticks(50).unwrap();
    let steady = heard(&mut studio, listener, 50);
    studio.caller(listener).unwrap().start_listening();
    for switch in 0..20 {
        let privileges = Privileges {
            talk: false,
            listen: switch % 2 == 1,
        };
        allow(&mut studio, listener, privileges);
        studio.ticks(7).unwrap();
    }
    let ear = studio.caller(listener).unwrap().heard().to_vec();
    assert!(rms_db(&ear) < rms_db(&steady) - 2.0);
    assert!(
        sharpest_bend(&ear) < 1.5 * sharpest_bend(&steady),
        "{}",
        sharpest_bend(&ear)
    );
}

#[test]
fn who_leaves_in_the_middle_of_a_word_fades_and_does_not_click() {
    let mut studio = studio();
    let tone = Mouth::Tone(Tone::new(TONE_HZ, 0.3));
    let talker = joined(&mut studio, Codec::Pcmu, tone, TALK_AND_LISTEN);
    let listener = joined(&mut studio, Codec::Pcmu, Mouth::Shut, LISTEN_ONLY);
    studio.ticks(50).unwrap();
    let steady = heard(&mut studio, listener, 50);
    studio.caller(listener).unwrap().start_listening();
    studio.ticks(5).unwrap();
    studio.release(talker).unwrap();
    studio.ticks(10).unwrap();
    let ear = studio.caller(listener).unwrap().heard().to_vec();
    assert!(
        rms_db(&ear[ear.len() - 800..]) < -60.0,
        "nothing is left after 100 ms"
    );
    assert!(
        sharpest_bend(&ear) < 1.5 * sharpest_bend(&steady),
        "{}",
        sharpest_bend(&ear)
    );
}

#[test]
fn a_listener_hears_no_click_when_it_begins_and_ceases_to_talk() {
    for codec in [Codec::Pcmu, Codec::Opus] {
        let mut studio = studio();
        let tone = Mouth::Tone(Tone::new(TONE_HZ, 0.3));
        joined(&mut studio, codec, tone, TALK_AND_LISTEN);
        let listener = joined(&mut studio, codec, Mouth::Shut, TALK_AND_LISTEN);
        // Somebody else listens, so that there is a mix class to leave and to return to.
        joined(&mut studio, codec, Mouth::Shut, LISTEN_ONLY);
        studio.ticks(100).unwrap();
        let steady = heard(&mut studio, listener, 100);
        studio.caller(listener).unwrap().start_listening();
        studio
            .caller(listener)
            .unwrap()
            .say(Mouth::Tone(Tone::new(1_397.0, 0.1)))
            .unwrap();
        studio.ticks(50).unwrap();
        studio.caller(listener).unwrap().say(Mouth::Shut).unwrap();
        studio.ticks(400).unwrap();
        let ear = studio.caller(listener).unwrap().heard().to_vec();
        let (steady, bent) = (sharpest_bend(&steady), sharpest_bend(&ear));
        assert!(bent < 2.0 * steady, "{codec:?}: {bent} after {steady}");
    }
}
