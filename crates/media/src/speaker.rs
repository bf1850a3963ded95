//! Who is speaking, for those who want to see it.

use crate::settings::{SpeakerTimes, ticks};

/// Follows one participant's voice and tells when it begins to speak and when it has stopped.
#[derive(Debug, Clone)]
pub(crate) struct Speaker {
    /// Ticks of voice before it speaks, and of none before it is silent.
    on: u32,
    off: u32,
    speaking: bool,
    /// Ticks in a row that say otherwise.
    otherwise: u32,
}

impl Speaker {
    pub(crate) fn new(times: SpeakerTimes) -> Speaker {
        Speaker {
            on: ticks(times.on),
            off: ticks(times.off),
            speaking: false,
            otherwise: 0,
        }
    }

    /// Follows one tick; says what has changed with it.
    pub(crate) fn follow(&mut self, voice: bool) -> Option<bool> {
        if voice == self.speaking {
            self.otherwise = 0;
            return None;
        }
        self.otherwise += 1;
        let patience = if self.speaking { self.off } else { self.on };
        if self.otherwise < patience {
            return None;
        }
        self.otherwise = 0;
        self.speaking = voice;
        Some(voice)
    }

    /// Nobody speaks here any more: it has left, or may not talk.
    pub(crate) fn stop(&mut self) -> Option<bool> {
        self.otherwise = 0;
        std::mem::take(&mut self.speaking).then_some(false)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn speaker() -> Speaker {
        Speaker::new(SpeakerTimes {
            on: Duration::from_millis(60),
            off: Duration::from_millis(100),
        })
    }

    #[test]
    fn a_cough_is_no_speech_and_a_breath_no_silence() {
        let mut speaker = speaker();
        let told = |speaker: &mut Speaker, voices: &[bool]| -> Vec<Option<bool>> {
            voices.iter().map(|voice| speaker.follow(*voice)).collect()
        };
        assert_eq!(told(&mut speaker, &[true, true, false]), [None; 3]);
        assert_eq!(
            told(&mut speaker, &[true, true, true]),
            [None, None, Some(true)]
        );
        assert_eq!(told(&mut speaker, &[false, false, true]), [None; 3]);
        assert_eq!(
            told(&mut speaker, &[false; 6]),
            [None, None, None, None, Some(false), None]
        );
    }

    #[test]
    fn whoever_leaves_while_speaking_has_stopped() {
        let mut speaker = speaker();
        for _ in 0..3 {
            speaker.follow(true);
        }
        assert_eq!(speaker.stop(), Some(false));
        assert_eq!(speaker.stop(), None);
    }
}
