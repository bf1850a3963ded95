//! What is played to a conference is heard by everybody who listens there, and by nobody else.

use tutti_media::{
    Audio, ConferencePrompt, ConferenceSlot, EngineCommand, EngineEvent, MOST_CONFERENCE_PROMPTS,
    Prompt, PromptAudio,
};
use tutti_model::{CallId, Codec, Privileges, PromptId, Repeat};
use tutti_sim::{Clarity, Mouth, Studio, Voice, Voices, level_db, tape};

use crate::stage::*;

const CALL: CallId = CallId::from_bytes([7; 20]);
const DEAF: Privileges = Privileges {
    talk: true,
    listen: false,
};

#[test]
fn a_conference_hears_a_prompt_over_its_talkers_and_its_recording_has_it() {
    let mut studio = studio();
    let voice = |number| Mouth::Voice(Voice::of_caller(number));
    let talks = joined(&mut studio, Codec::Pcmu, voice(0), TALK_AND_LISTEN);
    let listens = joined(&mut studio, Codec::Opus, Mouth::Shut, LISTEN_ONLY);
    let deaf = joined(&mut studio, Codec::Pcmu, voice(1), DEAF);
    let elsewhere = connected(&mut studio, Codec::Pcmu, Mouth::Shut);
    studio.ticks(50).unwrap();
    let (head, tape) = tape();
    studio.handle(EngineCommand::StartRecording {
        conference: CONFERENCE,
        tap: Box::new(head),
    });
    play(&mut studio, 1, Voice::PROMPT, Repeat::Times(2));
    studio.ticks(12).unwrap();
    studio.callers().for_each(|caller| caller.start_listening());
    studio.ticks(50).unwrap();
    let heard = [talks, listens, deaf, elsewhere].map(|slot| {
        let caller = studio.caller(slot).unwrap();
        caller.voices(Clarity::Rough).unwrap()
    });
    let of = |callers: &[usize]| -> Voices {
        callers
            .iter()
            .map(|caller| Voice::of_caller(*caller))
            .collect()
    };
    let prompted = |callers| of(callers).with(Voice::PROMPT);
    assert_eq!(
        heard,
        [
            prompted(&[1]),
            prompted(&[0, 1]),
            Voices::NONE,
            Voices::NONE
        ]
    );
    let level = level_db(&tape.samples()[9_600..], 48_000, Voice::PROMPT.tone_hz());
    assert!(level.abs() < 0.5, "{level}");

    assert_eq!(finished(&mut studio), [0; 0]);
    studio.ticks(50).unwrap();
    assert_eq!(finished(&mut studio), [1], "its end is told once");
    let after = heard_level(&mut studio, listens, Voice::PROMPT);
    assert!(after < -40.0, "{after}");
}

#[test]
fn prompts_are_mixed_and_one_that_is_stopped_fades_and_is_not_told() {
    let mut studio = studio();
    let listens = joined(&mut studio, Codec::L16At48, Mouth::Shut, LISTEN_ONLY);
    studio.ticks(10).unwrap();
    play(&mut studio, 1, Voice::PROMPT, Repeat::Forever);
    play(&mut studio, 2, Voice::MUSIC, Repeat::Times(1));
    for voice in [Voice::PROMPT, Voice::MUSIC] {
        let level = heard_level(&mut studio, listens, voice);
        assert!(level > -1.0, "{level}");
    }
    studio.ticks(30).unwrap();
    assert_eq!(finished(&mut studio), [2]);

    studio.caller(listens).unwrap().start_listening();
    studio.ticks(10).unwrap();
    let steady = sharpest_bend(studio.caller(listens).unwrap().heard());
    // Another call's prompt of the same number goes on.
    stop(&mut studio, CallId::from_bytes([8; 20]), 1);
    studio.ticks(5).unwrap();
    stop(&mut studio, CALL, 1);
    let all = heard(&mut studio, listens, 20);
    assert!(peak(&all) > 0.07, "it was still there");
    assert!(peak(&all[all.len() / 2..]) < 1e-4, "and is no more");
    let bend = sharpest_bend(&all);
    assert!(bend < 1.2 * steady, "{bend} after {steady}");
    assert_eq!(finished(&mut studio), [0; 0]);
}

#[test]
fn a_prompt_is_heard_where_nobody_talks_to_anybody_yet() {
    let mut studio = studio();
    let waiting = ConferenceSlot(1);
    studio.open(waiting, false);
    let caller = connected(&mut studio, Codec::Pcmu, Mouth::Shut);
    studio.join(caller, waiting, TALK_AND_LISTEN);
    studio.ticks(10).unwrap();
    studio.handle(EngineCommand::PlayToConference {
        conference: waiting,
        prompt: prompt(1, Voice::PROMPT, Repeat::Forever),
    });
    let level = heard_level(&mut studio, caller, Voice::PROMPT);
    assert!(level > -1.0, "{level}");
}

#[test]
fn a_prompt_for_which_there_is_no_place_is_over_at_once() {
    let mut studio = studio();
    joined(&mut studio, Codec::Pcmu, Mouth::Shut, LISTEN_ONLY);
    for id in 0..MOST_CONFERENCE_PROMPTS as u64 + 2 {
        play(&mut studio, id, Voice::PROMPT, Repeat::Forever);
    }
    assert_eq!(finished(&mut studio), [8, 9]);
    // Places are free again once those that were stopped have faded out.
    (0..8).for_each(|id| stop(&mut studio, CALL, id));
    studio.ticks(2).unwrap();
    play(&mut studio, 20, Voice::PROMPT, Repeat::Times(1));
    studio.ticks(55).unwrap();
    assert_eq!(finished(&mut studio), [20]);
    // Nobody hears them in a conference that is closed, and their sound comes back.
    play(&mut studio, 21, Voice::PROMPT, Repeat::Forever);
    studio.handle(EngineCommand::CloseConference { slot: CONFERENCE });
    let audio = |event: &EngineEvent<_>| {
        matches!(event, EngineEvent::Retired(tutti_media::Retired::Audio(_)))
    };
    assert_eq!(
        studio.events().iter().filter(|event| audio(event)).count(),
        1
    );
}

fn prompt(id: u64, voice: Voice, repeat: Repeat) -> ConferencePrompt {
    let audio: Audio = voice.second();
    let prompt = Prompt::new(PromptId(id), PromptAudio::Sound(audio), repeat);
    ConferencePrompt::new(CALL, prompt, true)
}

fn play(studio: &mut Studio, id: u64, voice: Voice, repeat: Repeat) {
    studio.handle(EngineCommand::PlayToConference {
        conference: CONFERENCE,
        prompt: prompt(id, voice, repeat),
    });
}

fn stop(studio: &mut Studio, call: CallId, id: u64) {
    studio.handle(EngineCommand::StopConferencePrompt {
        conference: CONFERENCE,
        call,
        prompt: PromptId(id),
    });
}

/// Which prompts' ends were told since the last look.
fn finished(studio: &mut Studio) -> Vec<u64> {
    let finished = |event: EngineEvent<_>| match event {
        EngineEvent::PromptFinished { call, prompt } => {
            assert_eq!(call, CALL);
            Some(prompt.0)
        }
        EngineEvent::DigitPressed { .. }
        | EngineEvent::LegSilent { .. }
        | EngineEvent::Speaking { .. }
        | EngineEvent::Voice { .. }
        | EngineEvent::Wanted(_)
        | EngineEvent::Retired(_) => None,
    };
    studio.events().into_iter().filter_map(finished).collect()
}

fn heard_level(studio: &mut Studio, slot: tutti_media::LegSlot, voice: Voice) -> f32 {
    studio.ticks(3).unwrap();
    let heard = heard(studio, slot, 10);
    let rate_hz = studio.caller(slot).unwrap().rate_hz();
    level_db(&heard, rate_hz, voice.tone_hz())
}
