//! Whose voice is watched is told of within a tenth of a second, and never twice.

use tutti_media::{EngineCommand, EngineEvent, LegSlot, Prompt, PromptAudio};
use tutti_model::{Codec, PromptId, Repeat};
use tutti_sim::{Mouth, Random, Studio, Talk, Voice};

use crate::stage::*;

/// Ticks from a phone to the engine: a frame is spoken, and waits for the tick.
const WAY: usize = 3;

/// A tenth of a second.
const SOON: usize = 5;

#[test]
fn a_voice_is_told_when_it_begins_and_when_it_ends() {
    for (codec, plays) in [
        (Codec::Pcmu, false),
        (Codec::Pcmu, true),
        (Codec::Opus, true),
        (Codec::G722, false),
    ] {
        let mut studio = studio();
        let slot = connected(&mut studio, codec, silence());
        if plays {
            let sound = PromptAudio::Sound(Voice::PROMPT.second());
            let prompt = Prompt::new(PromptId(1), sound, Repeat::Forever);
            studio.handle(EngineCommand::PlayPrompt { slot, prompt });
        }
        watch(&mut studio, slot, true);
        assert_eq!(told(&mut studio, 100), []);
        let speech = || {
            let speech = Talk::new(Random::new(3), 120.0).seconds(4.0, -26.0);
            let begin = speech.iter().position(|sample| sample.abs() > 0.02);
            Mouth::Sound(speech[begin.unwrap()..][..24_000].into())
        };
        say(&mut studio, slot, speech());
        let spoken = told(&mut studio, 100);
        println!("{codec:?}: {spoken:?}");
        let (began, ended) = (spoken.first().unwrap(), spoken.last().unwrap());
        assert!(began.1 && began.0 <= WAY + SOON, "{codec:?}: {spoken:?}");
        assert!(
            !ended.1 && ended.0 <= 25 + WAY + SOON,
            "{codec:?}: {spoken:?}"
        );
        assert_alternates(&spoken);
    }
}

#[test]
fn whoever_speaks_already_is_told_of_at_once_and_a_watch_that_ends_tells_nothing() {
    let mut studio = studio();
    let slot = connected(&mut studio, Codec::Pcmu, voice());
    assert_eq!(told(&mut studio, 50), []);
    watch(&mut studio, slot, true);
    let first = told(&mut studio, 50);
    assert_eq!(first.len(), 1);
    assert!(first[0].1 && first[0].0 <= SOON, "{first:?}");
    // It is known now, so the next watch need not listen first.
    for _ in 0..2 {
        watch(&mut studio, slot, true);
        assert_eq!(told(&mut studio, 50), [(1, true)]);
    }
    watch(&mut studio, slot, false);
    assert_eq!(told(&mut studio, 50), []);
    let decoded = |studio: &Studio| {
        let counters = studio.leg(slot).unwrap().receive_counters();
        counters.decoded_frames
    };
    let before = decoded(&studio);
    studio.ticks(50).unwrap();
    assert!(decoded(&studio) < before + 5, "nobody needs it any more");
}

#[test]
fn a_watch_goes_on_in_a_conference_muted_or_not_and_the_conference_tells_as_it_always_does() {
    let mut studio = studio();
    let slot = connected(&mut studio, Codec::Pcmu, voice());
    studio.ticks(20).unwrap();
    watch(&mut studio, slot, true);
    let alone = told_both(&mut studio, 50);
    assert!(matches!(alone.voice[..], [(_, true)]), "{alone:?}");
    assert_eq!(alone.speaking, []);
    studio.join(slot, CONFERENCE, TALK_AND_LISTEN);
    let inside = told_both(&mut studio, 50);
    assert_eq!(inside.voice, [], "it is the same voice");
    assert!(
        matches!(inside.speaking[..], [(10..=12, true)]),
        "{inside:?}"
    );
    allow(&mut studio, slot, LISTEN_ONLY);
    let muted = told_both(&mut studio, 100);
    assert_eq!(muted.voice, []);
    assert!(
        matches!(muted.speaking[..], [(50..=55, false)]),
        "{muted:?}"
    );
    say(&mut studio, slot, silence());
    let ended = told_both(&mut studio, 50);
    assert!(
        matches!(ended.voice[..], [(at, false)] if at <= WAY + SOON),
        "{ended:?}"
    );
    say(&mut studio, slot, voice());
    let begun = told_both(&mut studio, 50);
    assert!(
        matches!(begun.voice[..], [(at, true)] if at <= WAY + SOON),
        "{begun:?}"
    );
    assert_eq!([ended.speaking, begun.speaking].concat(), []);
    allow(&mut studio, slot, TALK_AND_LISTEN);
    studio.ticks(50).unwrap();
    studio.events();
    studio.handle(EngineCommand::Leave { slot });
    let outside = told_both(&mut studio, 50);
    assert_eq!(outside.voice, []);
    assert_eq!(outside.speaking, [(0, false)]);

    // The same without a watch is what everybody else has.
    studio.join(slot, CONFERENCE, TALK_AND_LISTEN);
    watch(&mut studio, slot, false);
    let inside = told_both(&mut studio, 50);
    assert_eq!(inside.voice, []);
    assert!(
        matches!(inside.speaking[..], [(10..=12, true)]),
        "{inside:?}"
    );
    studio.handle(EngineCommand::Leave { slot });
    assert_eq!(told_both(&mut studio, 50).speaking, [(0, false)]);
}

#[test]
fn a_key_and_the_noise_of_a_line_are_no_voice() {
    let mut studio = studio();
    let mut random = Random::new(9);
    let noise: Vec<f32> = (0..48_000 * 8)
        .map(|_| 0.01 * (random.fraction() as f32 - 0.5))
        .collect();
    let slot = connected(&mut studio, Codec::Pcmu, Mouth::Sound(noise.into()));
    watch(&mut studio, slot, true);
    studio.ticks(100).unwrap();
    studio.events();
    studio.caller(slot).unwrap().press(3);
    assert_eq!(told(&mut studio, 100), []);
}

fn voice() -> Mouth {
    Mouth::Voice(Voice::of_caller(0))
}

/// A microphone that hears nothing.
fn silence() -> Mouth {
    Mouth::Sound([].into())
}

fn say(studio: &mut Studio, slot: LegSlot, mouth: Mouth) {
    studio.caller(slot).unwrap().say(mouth).unwrap();
}

fn watch(studio: &mut Studio, slot: LegSlot, on: bool) {
    studio.handle(EngineCommand::WatchVoice { slot, on });
}

/// What was told in some ticks, and how many had passed by then; none before what a command tells.
#[derive(Debug, Default)]
struct Told {
    /// Of the voice that is watched.
    voice: Vec<(usize, bool)>,
    /// Of who speaks in the conference.
    speaking: Vec<(usize, bool)>,
}

fn told_both(studio: &mut Studio, ticks: usize) -> Told {
    let mut told = Told::default();
    for tick in 0..=ticks {
        if tick > 0 {
            studio.tick().unwrap();
        }
        for event in studio.events() {
            match event {
                EngineEvent::Voice { speaking, .. } => told.voice.push((tick, speaking)),
                EngineEvent::Speaking { speaking, .. } => told.speaking.push((tick, speaking)),
                EngineEvent::DigitPressed { .. }
                | EngineEvent::PromptFinished { .. }
                | EngineEvent::LegSilent { .. }
                | EngineEvent::Wanted(_)
                | EngineEvent::Retired(_) => {}
            }
        }
    }
    told
}

/// What was told of a voice in no conference.
fn told(studio: &mut Studio, ticks: usize) -> Vec<(usize, bool)> {
    let Told { voice, speaking } = told_both(studio, ticks);
    assert_eq!(speaking, [], "nobody speaks in a conference");
    voice
}

fn assert_alternates(told: &[(usize, bool)]) {
    let expected = [true, false].into_iter().cycle();
    assert!(
        told.iter()
            .map(|(_, speaking)| *speaking)
            .eq(expected.take(told.len()))
    );
}
