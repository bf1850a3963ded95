//! What a script records of a call: no syllable of an utterance is missing, and of a whole call
//! both sides are kept.

use std::time::Duration;

use tutti_control_plane::{Command, Play, RecordUtterance, Script};
use tutti_media::SAMPLE_RATE_HZ;
use tutti_model::{Codec, Repeat};
use tutti_sim::{Mouth, Random, Repertoire, Voice, World, find, level_db, snr_db};

use crate::speech;

const SECOND: usize = SAMPLE_RATE_HZ as usize;

/// How far what is recorded may be from what was said, in linear samples.
const MOST_DIFFERENCE_DB: f64 = -40.0;

/// How much of a recording is looked for in what was said: more than a syllable.
const SYLLABLE: usize = SECOND / 4;

#[test]
fn an_utterance_is_recorded_from_its_first_syllable_until_it_is_silent_for_long_enough() {
    let Some(said) = some_words("an utterance's beginning is not looked at") else {
        return;
    };
    for awaits_voice in [false, true] {
        for silence_s in [1, 3] {
            let mut world = World::new(1, &Repertoire::default());
            let script = record_utterance(silence_s, awaits_voice, false);
            world.dial_script(0, Codec::L16At48, script).unwrap();
            // A silence before the first word counts only where it is not waited for.
            let after_s = if awaits_voice { 1.5 } else { 0.6 };
            say(&mut world, &said, after_s);
            world.ticks(50 * 12).unwrap();

            let [recording] = world.call_recordings() else {
                panic!("{} recordings", world.call_recordings().len());
            };
            assert_said(recording, &said[..SYLLABLE], "the first syllable");
            let differ_db = assert_said(recording, &said, "all of it");
            let length_s = recording.len() as f32 / SECOND as f32;
            let expected_s = after_s + said.len() as f32 / SECOND as f32 + silence_s as f32;
            println!("{differ_db:.0} dB; {length_s} s, and {expected_s} s were expected");
            assert!((length_s - expected_s).abs() < 0.3, "{length_s} s");
            assert!(world.callers().is_empty(), "the script is over");
        }
    }
}

#[test]
fn whoever_speaks_at_the_beep_is_recorded_from_the_first_syllable_after_it() {
    let Some(said) = some_words("who speaks at the beep is not looked at") else {
        return;
    };
    let mut world = World::new(2, &Repertoire::default());
    let script = record_utterance(1, false, true);
    world.dial_script(0, Codec::L16At48, script).unwrap();
    // Its first words fall into the beep.
    say(&mut world, &said, 0.0);
    world.ticks(50 * 8).unwrap();
    let [recording] = world.call_recordings() else {
        panic!("{} recordings", world.call_recordings().len());
    };
    // From the first sample on the recording is what was said from some moment on.
    let (missed, alike) = find(&recording[..SYLLABLE], &said);
    let beep_s = tutti_media::record_beep().len() as f32 / SECOND as f32;
    println!(
        "the first {} ms are not recorded, of a beep of {beep_s} s",
        missed * 1_000 / SECOND
    );
    assert!(alike > 0.99, "{alike}");
    assert!(missed as f32 / (SECOND as f32) < beep_s + 0.1);
    assert_said(recording, &said[missed..], "what came after the beep");
}

#[test]
fn what_is_recorded_of_a_call_holds_both_sides() {
    let Some(said) = some_words("a recorded call is not looked at") else {
        return;
    };
    let mut world = World::new(3, &Repertoire::default());
    let prompt = Play {
        file: "http://app/prompt.wav".into(),
        repeat: Repeat::Times(1),
        conference: None,
        private: false,
    };
    let length = Duration::from_secs(6);
    let script = Script {
        commands: vec![
            Command::StartRecordCall,
            Command::Play(prompt),
            Command::Pause { length },
        ],
    };
    world.dial_script(0, Codec::L16At48, script).unwrap();
    // The prompt takes a second; the caller speaks into it, and goes on.
    say(&mut world, &said, 0.5);
    world.ticks(50 * 8).unwrap();
    let [recording] = world.call_recordings() else {
        panic!("{} recordings", world.call_recordings().len());
    };
    let length_s = recording.len() as f32 / SECOND as f32;
    assert!((6.9..7.2).contains(&length_s), "{length_s} s");
    let prompted = level_db(
        &recording[SECOND / 10..SECOND / 2],
        SAMPLE_RATE_HZ,
        Voice::PROMPT.tone_hz(),
    );
    assert!(prompted.abs() < 0.5, "{prompted} dB of the prompt");
    let both = &recording[SECOND / 2..SECOND];
    let prompted = level_db(both, SAMPLE_RATE_HZ, Voice::PROMPT.tone_hz());
    assert!(prompted.abs() < 3.0, "{prompted} dB of the prompt");
    // What the caller says alone, later, is as it was said.
    assert_said(&recording[SECOND..], &said[SECOND..], "the caller");
}

/// Three seconds or so of speech that begins and ends with a sound.
fn some_words(what_for: &str) -> Option<Vec<f32>> {
    let read = speech::read_aloud(what_for)?;
    let loud = |sample: &f32| sample.abs() > 0.02;
    let begin = read.iter().position(loud).unwrap();
    let words = &read[begin..begin + 3 * SECOND];
    let end = words.iter().rposition(loud).unwrap();
    Some(words[..=end].to_vec())
}

/// The caller says this, so many seconds from now, on a line that hums a little.
fn say(world: &mut World, said: &[f32], after_s: f32) {
    let noise = speech::line_noise(&mut Random::new(7), 20.0, -80.0);
    let mouth = Mouth::Sound(speech::over(noise, said, after_s));
    world.caller(0).unwrap().say(mouth).unwrap();
}

fn record_utterance(silence_s: u64, awaits_voice: bool, play_beep: bool) -> Script {
    Script {
        commands: vec![Command::RecordUtterance(RecordUtterance {
            action_url: "http://app/recorded".into(),
            silence_timeout: Some(Duration::from_secs(silence_s)),
            finish_on_key: None,
            max_length: Duration::from_secs(60),
            play_beep,
            awaits_voice,
            private: false,
        })],
    }
}

/// Finds something that was said in a recording, and how far that is from what was said.
fn assert_said(recording: &[f32], said: &[f32], what: &str) -> f64 {
    let (at, alike) = find(&said[..SYLLABLE.min(said.len())], recording);
    assert!(alike > 0.99, "{what}: {alike}");
    let differ_db = -snr_db(said, &recording[at..]);
    assert!(differ_db <= MOST_DIFFERENCE_DB, "{what}: {differ_db} dB");
    differ_db
}
