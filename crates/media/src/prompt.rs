//! Sounds that the bridge itself makes: prompts for one leg or a conference, and wait music.

use std::sync::Arc;

use tutti_model::{CallId, PromptId, Repeat};

use crate::frame::{FRAME_SAMPLES, Frame};
use crate::ramp::Ramp;

/// Sound that was prepared elsewhere: mono at 48 kHz.
pub type Audio = Arc<[f32]>;

/// What a prompt consists of.
#[derive(Debug, Clone)]
pub enum PromptAudio {
    Sound(Audio),
    /// Nothing, for this many samples.
    Silence(u64),
}

/// A prompt on its way through a leg or a conference.
#[derive(Debug, Clone)]
pub struct Prompt {
    id: PromptId,
    audio: PromptAudio,
    repeat: Repeat,
    /// Samples of the present turn that have been played.
    played: u64,
    turns: u32,
}

impl Prompt {
    /// Starts at the beginning.
    pub fn new(id: PromptId, audio: PromptAudio, repeat: Repeat) -> Prompt {
        Prompt {
            id,
            audio,
            repeat,
            played: 0,
            turns: 0,
        }
    }

    /// The same as it is this many samples after its beginning, if it is not over by then.
    pub fn begun(mut self, samples: u64) -> Option<Prompt> {
        let length = self.length();
        if length == 0 {
            return None;
        }
        self.played = samples % length;
        self.turns = u32::try_from(samples / length).unwrap_or(u32::MAX);
        match self.repeat {
            Repeat::Times(times) if self.turns >= times => None,
            Repeat::Times(_) | Repeat::Forever => Some(self),
        }
    }

    /// Which prompt this is.
    pub fn id(&self) -> PromptId {
        self.id
    }

    /// Adds the next 20 ms to a frame and says whether the prompt goes on after it.
    pub fn add_to(&mut self, frame: &mut Frame) -> bool {
        let length = self.length();
        if length == 0 {
            return false;
        }
        let mut filled = 0;
        while filled < FRAME_SAMPLES {
            if self.played >= length {
                self.turns = self.turns.saturating_add(1);
                self.played = 0;
                match self.repeat {
                    Repeat::Times(times) if self.turns >= times => return false,
                    Repeat::Times(_) | Repeat::Forever => {}
                }
            }
            let left = usize::try_from(length - self.played).unwrap_or(usize::MAX);
            let count = left.min(FRAME_SAMPLES - filled);
            if let PromptAudio::Sound(audio) = &self.audio {
                let from = self.played as usize;
                for (sample, sound) in frame[filled..filled + count].iter_mut().zip(&audio[from..])
                {
                    *sample += sound;
                }
            }
            self.played += count as u64;
            filled += count;
        }
        true
    }

    /// The length of one turn, in samples.
    fn length(&self) -> u64 {
        match &self.audio {
            PromptAudio::Sound(audio) => audio.len() as u64,
            PromptAudio::Silence(samples) => *samples,
        }
    }

    /// Gives up the sound, so that it can be freed elsewhere.
    pub fn into_audio(self) -> Option<Audio> {
        match self.audio {
            PromptAudio::Sound(audio) => Some(audio),
            PromptAudio::Silence(_) => None,
        }
    }
}

/// A prompt that everybody in a conference hears; it fades out when it is stopped.
///
/// Where a conference is mixed in parts, each part plays it, and one of them tells its end.
#[derive(Debug)]
pub struct ConferencePrompt {
    call: CallId,
    prompt: Prompt,
    tells: bool,
    gain: Ramp,
    /// It was heard to its end.
    played: bool,
}

impl ConferencePrompt {
    /// Plays a call's prompt; `tells` says whether its end is told by whoever plays this one.
    pub fn new(call: CallId, prompt: Prompt, tells: bool) -> ConferencePrompt {
        ConferencePrompt {
            call,
            prompt,
            tells,
            gain: Ramp::resting_at(1.0),
            played: false,
        }
    }

    /// Fades out from the next sample on; that is not told.
    pub(crate) fn stop(&mut self) {
        self.tells = false;
        self.gain.turn(false);
    }

    pub(crate) fn is(&self, call: CallId, prompt: PromptId) -> bool {
        self.call == call && self.prompt.id() == prompt
    }

    /// Whether it was heard to its end, or has faded out.
    pub(crate) fn is_over(&self) -> bool {
        self.played || self.gain.is_closed()
    }

    /// Whose prompt's end is to be told, once it has been heard to its end.
    pub(crate) fn finished(&self) -> Option<(CallId, PromptId)> {
        self.told().filter(|_| self.played)
    }

    /// Whose prompt's end is to be told, if it is told here at all.
    pub(crate) fn told(&self) -> Option<(CallId, PromptId)> {
        self.tells.then_some((self.call, self.prompt.id()))
    }

    /// Adds the next 20 ms to a frame.
    pub(crate) fn add_to(&mut self, frame: &mut Frame) {
        let mut sound = [0.0; FRAME_SAMPLES];
        self.played |= !self.prompt.add_to(&mut sound);
        self.gain.apply(&mut sound);
        for (sample, sound) in frame.iter_mut().zip(&sound) {
            *sample += sound;
        }
    }

    /// Gives up the sound, so that it can be freed elsewhere.
    pub(crate) fn into_audio(self) -> Option<Audio> {
        self.prompt.into_audio()
    }
}

/// Wait music: a loop that fades in and out.
#[derive(Debug)]
pub struct Music {
    audio: Audio,
    position: usize,
    gain: Ramp,
}

impl Music {
    /// Starts at the beginning, from silence.
    pub fn new(audio: Audio) -> Music {
        let mut gain = Ramp::resting_at(0.0);
        gain.turn(true);
        Music {
            audio,
            position: 0,
            gain,
        }
    }

    /// Fades out from the next sample on.
    pub fn stop(&mut self) {
        self.gain.turn(false);
    }

    /// Whether it has faded out.
    pub fn is_over(&self) -> bool {
        self.gain.is_closed()
    }

    /// Adds the next 20 ms to a frame.
    pub fn add_to(&mut self, frame: &mut Frame) {
        if self.audio.is_empty() {
            return;
        }
        let mut sound = [0.0; FRAME_SAMPLES];
        for sample in &mut sound {
            *sample = self.audio[self.position];
            self.position = (self.position + 1) % self.audio.len();
        }
        self.gain.apply(&mut sound);
        for (sample, sound) in frame.iter_mut().zip(&sound) {
            *sample += sound;
        }
    }

    /// Gives up the sound, so that it can be freed elsewhere.
    pub fn into_audio(self) -> Audio {
        self.audio
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_played_as_often_as_asked_without_a_gap() {
        let audio: Audio = vec![1.0; 1_000].into();
        let mut prompt = Prompt::new(PromptId(1), PromptAudio::Sound(audio), Repeat::Times(3));
        let mut heard = 0.0;
        for _ in 0..10 {
            let mut frame = [0.0; FRAME_SAMPLES];
            let goes_on = prompt.add_to(&mut frame);
            heard += frame.iter().sum::<f32>();
            if !goes_on {
                break;
            }
        }
        assert_eq!(heard, 3_000.0);
    }

    #[test]
    fn a_prompt_that_comes_late_goes_on_where_it_would_be() {
        let ramp: Audio = (0..1_000).map(|n| n as f32).collect();
        let prompt =
            |repeat| Prompt::new(PromptId(1), PromptAudio::Sound(Audio::clone(&ramp)), repeat);
        let mut late = prompt(Repeat::Times(3)).begun(2_500).unwrap();
        let mut frame = [0.0; FRAME_SAMPLES];
        assert!(!late.add_to(&mut frame), "half a turn is left of three");
        assert_eq!((frame[0], frame[499], frame[500]), (500.0, 999.0, 0.0));
        assert!(prompt(Repeat::Times(3)).begun(3_000).is_none());
        assert!(prompt(Repeat::Forever).begun(u64::MAX).is_some());
        let nothing = Prompt::new(PromptId(1), PromptAudio::Silence(0), Repeat::Forever);
        assert!(nothing.begun(0).is_none());
    }

    #[test]
    fn music_loops_without_a_gap_and_fades_out() {
        let mut music = Music::new(vec![0.5; 777].into());
        let mut frame = [0.0; FRAME_SAMPLES];
        music.add_to(&mut frame);
        let mut frame = [0.0; FRAME_SAMPLES];
        music.add_to(&mut frame);
        assert_eq!(frame, [0.5; FRAME_SAMPLES]);
        music.stop();
        music.add_to(&mut [0.0; FRAME_SAMPLES]);
        assert!(music.is_over());
    }
}
