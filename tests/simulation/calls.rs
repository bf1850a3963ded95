//! One call is recorded, and has keys pressed towards it, wherever it is.

use tutti_media::{
    CallRecording, EngineCommand, FRAME_SAMPLES, LegSlot, Prompt, PromptAudio, Retired,
};
use tutti_model::{Codec, Digit, Gains, PromptId, RecordedSide, RecordingId, Repeat};
use tutti_sim::{
    Clarity, Mouth, Random, Repertoire, Studio, Tape, Tone, Voice, Voices, level_db, tape,
    voices_in,
};

use crate::stage::*;

const ONE: RecordingId = RecordingId::from_bytes([1; 20]);
const TWO: RecordingId = RecordingId::from_bytes([2; 20]);

#[test]
fn a_callers_voice_is_recorded_without_what_it_hears_and_both_sides_with_it() {
    let mut studio = studio();
    let caller = connected(&mut studio, Codec::Pcmu, voice(0));
    studio.ticks(20).unwrap();
    let (own, both) = (
        record(&mut studio, caller, ONE, RecordedSide::Caller),
        record(&mut studio, caller, TWO, RecordedSide::Both),
    );
    prompt(&mut studio, caller, Repeat::Forever);
    studio.ticks(50).unwrap();
    let (own, both) = (own.samples(), both.samples());
    assert_eq!(
        (own.len(), both.len()),
        (50 * FRAME_SAMPLES, 50 * FRAME_SAMPLES)
    );
    // The first ticks are those in which the decoder wakes up.
    for (sound, hears_prompt) in [(&own, false), (&both, true)] {
        let sound = &sound[5 * FRAME_SAMPLES..];
        let said = level_db(sound, 48_000, Voice::of_caller(0).tone_hz());
        assert!(said.abs() < 0.5, "{said}");
        let heard = level_db(sound, 48_000, Voice::PROMPT.tone_hz());
        match hears_prompt {
            true => assert!(heard.abs() < 0.5, "{heard}"),
            false => assert!(heard < -40.0, "{heard}"),
        }
    }
}

#[test]
fn a_recording_goes_on_into_a_conference_and_out_of_it() {
    let mut studio = studio();
    let caller = connected(&mut studio, Codec::Pcmu, voice(0));
    joined(&mut studio, Codec::Opus, voice(1), TALK_AND_LISTEN);
    studio.ticks(50).unwrap();
    let tape = record(&mut studio, caller, ONE, RecordedSide::Both);
    studio.ticks(50).unwrap();
    // Whoever may not talk says something all the same.
    studio.join(caller, CONFERENCE, LISTEN_ONLY);
    studio.ticks(50).unwrap();
    allow(&mut studio, caller, TALK_AND_LISTEN);
    studio.ticks(50).unwrap();
    studio.handle(EngineCommand::Leave { slot: caller });
    studio.ticks(50).unwrap();
    stop(&mut studio, caller, ONE);
    studio.ticks(50).unwrap();

    let sound = tape.samples();
    assert_eq!(sound.len(), 200 * FRAME_SAMPLES);
    for (second, others) in [(0, false), (1, true), (2, true), (3, false)] {
        let part = &sound[(second * 50 + 12) * FRAME_SAMPLES..(second + 1) * 50 * FRAME_SAMPLES];
        let all = if others {
            voices(&[0, 1])
        } else {
            voices(&[0])
        };
        assert_eq!(voices_in(part, 48_000, Clarity::Rough), Ok(all), "{second}");
        let said = level_db(part, 48_000, Voice::of_caller(0).tone_hz());
        assert!(said.abs() < 0.5, "{second}: {said}");
    }
}

#[test]
fn what_is_recorded_of_both_sides_is_as_loud_as_it_is_heard() {
    let mut studio = studio();
    let caller = joined(&mut studio, Codec::Pcmu, Mouth::Shut, TALK_AND_LISTEN);
    joined(&mut studio, Codec::Pcmu, voice(1), TALK_AND_LISTEN);
    for output_db in [0, -12] {
        let gains = Gains {
            input_db: 0,
            output_db,
        };
        studio.handle(EngineCommand::SetGains {
            slot: caller,
            gains,
        });
        studio.ticks(20).unwrap();
        let tape = record(&mut studio, caller, ONE, RecordedSide::Both);
        let heard = heard(&mut studio, caller, 50);
        stop(&mut studio, caller, ONE);
        let other = Voice::of_caller(1).tone_hz();
        let (recorded, heard) = (
            level_db(&tape.samples(), 48_000, other),
            level_db(&heard, 8_000, other),
        );
        assert!((recorded - f32::from(output_db)).abs() < 0.5, "{recorded}");
        assert!((recorded - heard).abs() < 0.5, "{recorded} {heard}");
    }
}

#[test]
fn two_loud_sides_are_recorded_without_clipping() {
    let mut studio = studio();
    let loud = |hz| Mouth::Tone(Tone::new(hz, 0.85));
    let caller = joined(&mut studio, Codec::L16At48, loud(564.0), TALK_AND_LISTEN);
    joined(&mut studio, Codec::L16At48, loud(1_397.0), TALK_AND_LISTEN);
    studio.ticks(20).unwrap();
    let tape = record(&mut studio, caller, ONE, RecordedSide::Both);
    studio.ticks(50).unwrap();
    let sound = tape.samples();
    assert!(peak(&sound) < 0.9, "{}", peak(&sound));
    let bend = sharpest_bend(&sound[10 * FRAME_SAMPLES..]);
    let steps = |hz: f32| (std::f32::consts::TAU * hz / 48_000.0).powi(2) * 0.85;
    assert!(bend < steps(564.0) + steps(1_397.0), "{bend}");
}

#[test]
fn several_recordings_of_a_call_end_each_on_its_own() {
    let mut studio = studio();
    let caller = joined(&mut studio, Codec::Pcmu, voice(0), TALK_AND_LISTEN);
    let (head, track) = tape();
    studio.handle(EngineCommand::StartTrack {
        slot: caller,
        tap: Box::new(head),
    });
    let whole = record(&mut studio, caller, ONE, RecordedSide::Both);
    studio.ticks(10).unwrap();
    let piece = record(&mut studio, caller, TWO, RecordedSide::Caller);
    studio.ticks(10).unwrap();
    stop(&mut studio, caller, TWO);
    studio.ticks(10).unwrap();
    studio.events();
    studio.release(caller).unwrap();
    assert_eq!(piece.samples().len(), 10 * FRAME_SAMPLES);
    assert_eq!(whole.samples().len(), 30 * FRAME_SAMPLES);
    assert_eq!(track.samples().len(), 30 * FRAME_SAMPLES);
}

#[test]
fn a_recording_for_which_there_is_no_place_comes_back() {
    let mut studio = studio();
    let caller = connected(&mut studio, Codec::Pcmu, Mouth::Shut);
    let _tapes: Vec<Tape> = (0..tutti_media::MOST_CALL_RECORDINGS)
        .map(|_| record(&mut studio, caller, ONE, RecordedSide::Caller))
        .collect();
    studio.events();
    record(&mut studio, caller, TWO, RecordedSide::Caller);
    record(&mut studio, LegSlot(9), TWO, RecordedSide::Caller);
    let came_back = |event: &_| match event {
        tutti_media::EngineEvent::Retired(Retired::CallRecording(recording)) => {
            recording.recording() == TWO
        }
        _ => false,
    };
    assert_eq!(
        studio
            .events()
            .iter()
            .filter(|event| came_back(event))
            .count(),
        2
    );
}

#[test]
fn a_leg_that_nobody_hears_is_decoded_while_it_is_recorded() {
    let mut studio = studio();
    let caller = connected(&mut studio, Codec::Opus, voice(0));
    let counters = |studio: &Studio| *studio.leg(caller).unwrap().receive_counters();
    studio.ticks(100).unwrap();
    let resting = counters(&studio);
    assert!(resting.decoded_frames < 20, "{resting:?}");
    let tape = record(&mut studio, caller, ONE, RecordedSide::Caller);
    studio.ticks(100).unwrap();
    let recorded = counters(&studio);
    assert!(recorded.decoded_frames >= resting.decoded_frames + 95);
    stop(&mut studio, caller, ONE);
    studio.ticks(100).unwrap();
    let again = counters(&studio);
    assert!(again.decoded_frames < recorded.decoded_frames + 20);
    let sound = tape.samples();
    assert_eq!(
        voices_in(&sound[10 * FRAME_SAMPLES..], 48_000, Clarity::Rough),
        Ok(voices(&[0]))
    );
}

#[test]
fn a_recording_moves_with_its_leg_and_keeps_time() {
    let mut here = studio();
    let mut there = Studio::new(Random::new(12), Repertoire::default(), 8, 1);
    there.set_settings(plain_settings());
    there.open(CONFERENCE, true);
    let mover = joined(&mut here, Codec::Pcmu, voice(0), TALK_AND_LISTEN);
    let both_tick = |here: &mut Studio, there: &mut Studio, count| {
        here.ticks(count).unwrap();
        there.ticks(count).unwrap();
    };
    both_tick(&mut here, &mut there, 20);
    let tape = record(&mut here, mover, ONE, RecordedSide::Caller);
    both_tick(&mut here, &mut there, 50);
    let (caller, leg) = here.release(mover).unwrap();
    both_tick(&mut here, &mut there, 7);
    let slot = LegSlot(5);
    there.admit(slot, caller);
    there.handle(EngineCommand::AddLeg { slot, leg });
    there.join(slot, CONFERENCE, TALK_AND_LISTEN);
    there.ticks(50).unwrap();

    let sound = tape.samples();
    assert_eq!(sound.len(), 107 * FRAME_SAMPLES);
    let way = &sound[50 * FRAME_SAMPLES..57 * FRAME_SAMPLES];
    assert_eq!(peak(way), 0.0, "nobody listened on the way");
    let arrived = &sound[62 * FRAME_SAMPLES..];
    assert_eq!(voices_in(arrived, 48_000, Clarity::Rough), Ok(voices(&[0])));
}

#[test]
fn a_key_that_a_caller_presses_is_not_recorded_as_a_tone() {
    let mut studio = studio();
    let caller = connected(&mut studio, Codec::Pcmu, voice(0));
    studio.ticks(20).unwrap();
    let tape = record(&mut studio, caller, ONE, RecordedSide::Caller);
    studio.caller(caller).unwrap().press(5);
    studio.ticks(30).unwrap();
    let sound = tape.samples();
    assert!(longest_dead_air_ms(&sound, 48_000) >= 60);
    for hz in [770.0, 1_336.0] {
        assert!(level_db(&sound, 48_000, hz) < -24.0);
    }
}

#[test]
fn two_keys_towards_one_leg_are_two_events_with_a_pause_between_them() {
    for (in_conference, plays) in [(false, false), (false, true), (true, true)] {
        let mut studio = studio();
        let caller = connected(&mut studio, Codec::Pcmu, voice(0));
        if in_conference {
            studio.join(caller, CONFERENCE, TALK_AND_LISTEN);
        }
        if plays {
            prompt(&mut studio, caller, Repeat::Forever);
        }
        studio.ticks(20).unwrap();
        press_twice(&mut studio, caller);
        let keys = studio.caller(caller).unwrap().keys().to_vec();
        assert_eq!(keys.len(), 2, "{keys:?}");
        for key in &keys {
            assert_eq!(key.code, 7);
            assert!(key.duration_ticks >= 8 * 80, "{key:?}");
            assert_eq!(key.ends, 3, "{key:?}");
        }
        let apart = keys[1].timestamp.wrapping_sub(keys[0].timestamp);
        assert!(apart >= u32::from(keys[0].duration_ticks) + 8 * 40);
    }
}

#[test]
fn two_keys_towards_a_leg_without_events_are_two_tones() {
    for plays in [false, true] {
        let mut studio = studio();
        let caller = connected(&mut studio, Codec::Pcmu, Mouth::Shut);
        let mut description = studio.caller(caller).unwrap().description();
        description.telephone_event = None;
        studio.handle(EngineCommand::Reconfigure {
            slot: caller,
            description,
            media: None,
        });
        if plays {
            prompt(&mut studio, caller, Repeat::Forever);
        }
        studio.ticks(20).unwrap();
        studio.caller(caller).unwrap().start_listening();
        press_twice(&mut studio, caller);
        let sound = studio.caller(caller).unwrap().heard().to_vec();
        assert!(studio.caller(caller).unwrap().keys().is_empty());
        // Parts of 10 ms in which both tones of the 7 sound.
        let sounds: Vec<bool> = sound
            .chunks_exact(80)
            .map(|part| [852.0, 1_209.0].iter().all(|hz| tone_in(part, *hz) > 0.05))
            .collect();
        let spans: Vec<usize> = sounds
            .chunk_by(|one, next| one == next)
            .filter(|span| span[0])
            .map(<[bool]>::len)
            .collect();
        assert_eq!(spans.len(), 2, "{spans:?}");
        assert!(spans.iter().all(|span| *span >= 8), "{spans:?}");
    }
}

#[test]
fn a_prompt_for_one_caller_is_mixed_over_its_conference_and_heard_by_it_alone() {
    let mut studio = studio();
    let hears = joined(&mut studio, Codec::Pcmu, voice(0), TALK_AND_LISTEN);
    let talks = joined(&mut studio, Codec::Pcmu, voice(1), TALK_AND_LISTEN);
    let listens = joined(&mut studio, Codec::Pcmu, Mouth::Shut, LISTEN_ONLY);
    studio.ticks(50).unwrap();
    prompt(&mut studio, hears, Repeat::Times(2));
    studio.ticks(12).unwrap();
    studio.callers().for_each(|caller| caller.start_listening());
    studio.ticks(50).unwrap();
    let all = |slot| {
        let caller = studio.caller(slot).unwrap();
        caller.voices(Clarity::Rough).unwrap()
    };
    let heard = [hears, talks, listens].map(all);
    let prompted = voices(&[1]).with(Voice::PROMPT);
    assert_eq!(heard, [prompted, voices(&[0]), voices(&[0, 1])]);
}

fn voice(number: usize) -> Mouth {
    Mouth::Voice(Voice::of_caller(number))
}

fn voices(callers: &[usize]) -> Voices {
    callers
        .iter()
        .map(|caller| Voice::of_caller(*caller))
        .collect()
}

fn record(studio: &mut Studio, slot: LegSlot, id: RecordingId, side: RecordedSide) -> Tape {
    let (head, tape) = tape();
    let recording = Box::new(CallRecording::new(id, side, Box::new(head)));
    studio.handle(EngineCommand::RecordCall { slot, recording });
    tape
}

fn stop(studio: &mut Studio, slot: LegSlot, recording: RecordingId) {
    studio.handle(EngineCommand::StopCallRecording { slot, recording });
    // The tape's other end goes with what the engine gives back.
    studio.events();
}

fn prompt(studio: &mut Studio, slot: LegSlot, repeat: Repeat) {
    let audio = PromptAudio::Sound(Voice::PROMPT.second());
    let prompt = Prompt::new(PromptId(1), audio, repeat);
    studio.handle(EngineCommand::PlayPrompt { slot, prompt });
}

/// Presses the 7 twice, 100 ms apart, and waits until it is heard.
fn press_twice(studio: &mut Studio, slot: LegSlot) {
    let digit = Digit::from_char('7').unwrap();
    for _ in 0..2 {
        studio.handle(EngineCommand::PressDigit { slot, digit });
        studio.ticks(5).unwrap();
    }
    studio.ticks(20).unwrap();
}

/// The amplitude of a tone in a short sound at 8 kHz.
fn tone_in(part: &[f32], hz: f32) -> f32 {
    let (mut sin, mut cos) = (0.0_f32, 0.0_f32);
    for (at, sample) in part.iter().enumerate() {
        let phase = std::f32::consts::TAU * hz * at as f32 / 8_000.0;
        sin += sample * phase.sin();
        cos += sample * phase.cos();
    }
    2.0 * sin.hypot(cos) / part.len() as f32
}
