//! Whoever begins to speak after a long silence is heard from the first sound on.

use tutti_media::{
    Decoder, Encoder, EncoderSettings, FRAME_SAMPLES, Frame, InputChain, Pulled, Resampler,
    SAMPLE_RATE_HZ,
};
use tutti_model::{Codec, Format};
use tutti_sim::{Mouth, Random, Studio, Talk, find, snr_db};

use crate::stage::*;

/// How far the engine may be from a decoder that has never slept.
const LEAST_DB: f64 = 40.0;

/// How long nothing is said before.
const SILENT_SECONDS: usize = 12;

#[test]
fn the_first_word_after_silence_is_as_if_nobody_had_slept() {
    for codec in [Codec::Opus, Codec::L16At48, Codec::G722, Codec::Pcmu] {
        first_word(Format::plain(codec), 0.0);
    }
}

#[test]
fn the_first_word_after_a_room_was_heard_is_as_if_nobody_had_slept() {
    // A room of −75 dBov: encoded noise that nobody hears.
    for codec in [Codec::Opus, Codec::L16At48, Codec::G722] {
        first_word(Format::plain(codec), 0.000_5);
    }
}

#[test]
fn the_first_word_after_discontinuous_transmission_is_as_if_nobody_had_slept() {
    let dtx = Format {
        dtx: true,
        ..Format::plain(Codec::Opus)
    };
    first_word(dtx, 0.0);
}

/// Somebody is silent for long, speaks, and what enters the mix is compared with what a decoder
/// makes of the same payloads that has decoded them all.
fn first_word(format: Format, room: f32) {
    let mut said = vec![0.0; SILENT_SECONDS * SAMPLE_RATE_HZ as usize];
    // It begins in the middle of a frame.
    said.resize(said.len() + 333, 0.0);
    let onset = said.len();
    said.extend_from_slice(&Talk::new(Random::new(8), 120.0).seconds(3.0, -20.0));
    let mut random = Random::new(3);
    for sample in &mut said {
        *sample += (random.fraction() as f32 - 0.5) * 2.0 * room;
    }

    let mut studio = studio();
    let mouth = Mouth::Sound(said.clone().into());
    let talker = connected_with(&mut studio, format, mouth);
    studio.join(talker, CONFERENCE, TALK_AND_LISTEN);
    // A recording of the talker would keep its decoder awake.
    let listener = joined(&mut studio, Codec::L16At48, Mouth::Shut, LISTEN_ONLY);
    let ear = heard(&mut studio, listener, 50 * (SILENT_SECONDS as u32 + 2));
    let counters = *studio.leg(talker).unwrap().receive_counters();
    let warm = always_decoded(format, &said);

    // Where the ear is, in the middle of the speech, against what was always decoded.
    let part = &ear[onset + 24_000..onset + 33_600];
    let (at, alike) = find(part, &warm[onset + 14_400..onset + 48_000]);
    assert!(alike > 0.99, "{format:?}: {alike}");
    let late = 24_000 - (14_400 + at);
    for (name, length) in [("20 ms", 960), ("100 ms", 4_800), ("500 ms", 24_000)] {
        let ideal = &warm[onset..onset + length];
        let snr = snr_db(ideal, &ear[onset + late..onset + late + length]);
        println!(
            "{:?} dtx {} room {room}: first {name}: {snr:.1} dB ({} frames not decoded)",
            format.codec, format.dtx, counters.skipped_frames
        );
        assert!(snr >= LEAST_DB, "{format:?}: the first {name}: {snr} dB");
    }
}

/// What enters the mix when everything is decoded.
fn always_decoded(format: Format, said: &[f32]) -> Vec<f32> {
    let mut encoder = Encoder::new(&format, EncoderSettings::default()).unwrap();
    let mut decoder = Decoder::new(format.codec).unwrap();
    let rate = decoder.sample_rate_hz();
    let mut resampler =
        (rate != SAMPLE_RATE_HZ).then(|| Resampler::new(rate, SAMPLE_RATE_HZ).unwrap());
    let mut chain = InputChain::new(plain_settings().input);
    let (mut payload, mut room) = ([0; 4_096], [0.0; 5_760]);
    let mut out = Vec::new();
    for chunk in said.chunks_exact(FRAME_SAMPLES) {
        let spoken: Frame = chunk.try_into().unwrap();
        let len = encoder.encode(&spoken, &mut payload).unwrap();
        let samples = rate as usize / 50;
        if len == 0 {
            decoder.conceal(&mut room[..samples]);
        } else {
            assert_eq!(decoder.decode(&payload[..len], &mut room), Ok(samples));
        }
        let mut frame: Frame = [0.0; FRAME_SAMPLES];
        match &mut resampler {
            Some(resampler) => resampler.process(&room[..samples], &mut frame),
            None => frame.copy_from_slice(&room[..samples]),
        }
        chain.process(&mut frame, Pulled::Audio);
        out.extend(frame);
    }
    out
}

#[test]
fn a_voice_ends_a_rest_in_opus_however_soft_it_is() {
    for dbov in [-50.0, -60.0] {
        let mut said = vec![0.0; SILENT_SECONDS * SAMPLE_RATE_HZ as usize];
        said.extend_from_slice(&Talk::new(Random::new(8), 120.0).seconds(3.0, dbov));
        let mut studio = studio();
        let mouth = Mouth::Sound(said.into());
        let talker = joined(&mut studio, Codec::Opus, mouth, TALK_AND_LISTEN);
        let woke = |studio: &Studio| studio.leg(talker).unwrap().receive_counters().woke;
        studio.ticks((SILENT_SECONDS * 50) as u32).unwrap();
        let before = woke(&studio);
        studio.ticks(150).unwrap();
        assert!(woke(&studio) > before, "{dbov} dBov");
    }
}
