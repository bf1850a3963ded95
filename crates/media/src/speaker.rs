//! Who is speaking, for those who want to see it.

use crate::settings::{SpeakerTimes, ticks};

/// Follows one participant's voice: when it begins to speak and when it has stopped.
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

    /// Follows one tick.
    pub(crate) fn follow(&mut self, voice: bool) {
        if voice == self.speaking {
            self.otherwise = 0;
            return;
        }
        self.otherwise += 1;
        let patience = if self.speaking { self.off } else { self.on };
        if self.otherwise >= patience {
            self.otherwise = 0;
            self.speaking = voice;
        }
    }

    /// Whether somebody speaks.
    pub(crate) fn is_speaking(&self) -> bool {
        self.speaking
    }

    /// Whether silence says nothing new.
    pub(crate) fn is_at_rest(&self) -> bool {
        !self.speaking && self.otherwise == 0
    }

    /// Nobody speaks here any more: it has left, or may not talk.
    pub(crate) fn stop(&mut self) {
        self.otherwise = 0;
        self.speaking = false;
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
        let speaks = |speaker: &mut Speaker, voices: &[bool]| -> Vec<bool> {
            let follow = |voice: &bool| {
                speaker.follow(*voice);
                speaker.is_speaking()
            };
            voices.iter().map(follow).collect()
        };
        assert_eq!(speaks(&mut speaker, &[true, true, false]), [false; 3]);
        assert_eq!(speaks(&mut speaker, &[true; 3]), [false, false, true]);
        assert_eq!(speaks(&mut speaker, &[false, false, true]), [true; 3]);
        assert_eq!(
            speaks(&mut speaker, &[false; 6]),
            [true, true, true, true, false, false]
        );
    }

    #[test]
    fn whoever_leaves_while_speaking_has_stopped() {
        let mut speaker = speaker();
        for _ in 0..3 {
            speaker.follow(true);
        }
        assert!(speaker.is_speaking());
        speaker.stop();
        assert!(!speaker.is_speaking());
    }
}
