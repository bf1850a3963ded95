//! Brings every talker to the same loudness, slowly, and only while they speak.

use super::voice_activity::Activity;
use crate::frame::{FRAME_SAMPLES, SAMPLE_RATE_HZ};

/// Where talkers are brought, in dBov (the customary level of active speech, ITU-T P.56).
const TARGET_DBOV: f32 = -26.0;

/// The most that a talker is raised, in dB; whoever is quieter has more noise than voice.
const MOST_DB: f32 = 12.0;

/// The most that a talker is lowered, in dB.
const LEAST_DB: f32 = -20.0;

/// How fast a talker is raised, in dB per second of speech.
const RISE_DB_PER_SECOND: f32 = 6.0;

/// How fast a talker is lowered, in dB per second of speech.
const FALL_DB_PER_SECOND: f32 = 20.0;

/// The most by which a talker's noise is raised in a pause, in dB.
const PAUSE_MOST_DB: f32 = 3.0;

/// How fast the gain goes down to that in a pause, in dB per second: too slow to be heard as a step.
const PAUSE_FALL_DB_PER_SECOND: f32 = 12.0;

/// How many frames of speech the level is averaged over: 2 s.
const MEMORY_FRAMES: f32 = 100.0;

/// How many frames of speech it takes to say anything about a talker's level: 100 ms.
const FIRST_FRAMES: f32 = 5.0;

/// How far below the level a frame is between words rather than of them: 16 dB (P.56's margin).
const BETWEEN_WORDS: f32 = 0.025;

/// What such a frame weighs: enough to notice that somebody has turned away.
const BETWEEN_WORDS_WEIGHT: f32 = 0.1;

const FRAMES_PER_SECOND: f32 = (SAMPLE_RATE_HZ as usize / FRAME_SAMPLES) as f32;

/// A slow gain towards −26 dBov that is led by what the talker says and frozen while nothing is said.
///
/// In pauses what is applied goes down to at most +3 dB, so that a quiet talker's noise does not
/// come up; with the first frame that may be a voice it is back where it was.
#[derive(Debug, Clone, Copy)]
pub struct Leveller {
    /// The mean square of active speech.
    level: f32,
    /// How many frames that mean is made of.
    frames: f32,
    /// The gain for this talker's voice.
    gain_db: f32,
    /// The gain for this talker's pauses, now.
    pause_db: f32,
    /// The gain that is applied, and as a factor.
    applied_db: f32,
    factor: f32,
}

impl Default for Leveller {
    fn default() -> Leveller {
        Leveller {
            level: 0.0,
            frames: 0.0,
            gain_db: 0.0,
            pause_db: 0.0,
            applied_db: 0.0,
            factor: 1.0,
        }
    }
}

impl Leveller {
    /// Moves on by a frame and returns the gain at its end, as a factor.
    ///
    /// `mean_square` is the frame's, where it is what the talker said.
    pub fn advance(&mut self, activity: Activity, mean_square: Option<f32>) -> f32 {
        let applied_db = match activity {
            Activity::Voice | Activity::HangOver => {
                if let (Activity::Voice, Some(mean_square)) = (activity, mean_square) {
                    self.learn(mean_square);
                }
                self.pause_db = self.gain_db;
                self.gain_db
            }
            // Back at once: the onset of a word must not wait for certainty. If it was a click, the
            // pause goes on as if nothing had been.
            Activity::Onset => self.gain_db,
            Activity::Pause => {
                let fall = PAUSE_FALL_DB_PER_SECOND / FRAMES_PER_SECOND;
                self.pause_db = (self.pause_db - fall).max(self.gain_db.min(PAUSE_MOST_DB));
                self.pause_db
            }
        };
        if applied_db != self.applied_db {
            self.applied_db = applied_db;
            self.factor = 10.0_f32.powf(applied_db / 20.0);
        }
        self.factor
    }

    fn learn(&mut self, mean_square: f32) {
        let weight = if mean_square < self.level * BETWEEN_WORDS {
            BETWEEN_WORDS_WEIGHT
        } else {
            1.0
        };
        self.frames = (self.frames + weight).min(MEMORY_FRAMES);
        self.level += (mean_square - self.level) * weight / self.frames.max(1.0);
        if self.frames < FIRST_FRAMES {
            return;
        }
        let level_dbov = 10.0 * self.level.max(f32::MIN_POSITIVE).log10();
        let wanted_db = (TARGET_DBOV - level_dbov).clamp(LEAST_DB, MOST_DB);
        self.gain_db = wanted_db.clamp(
            self.gain_db - FALL_DB_PER_SECOND / FRAMES_PER_SECOND,
            self.gain_db + RISE_DB_PER_SECOND / FRAMES_PER_SECOND,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(leveller: &mut Leveller, dbov: f32, frames: usize) -> f32 {
        let mean_square = 10.0_f32.powf(dbov / 10.0);
        for _ in 0..frames {
            leveller.advance(Activity::Voice, Some(mean_square));
        }
        leveller.gain_db
    }

    #[test]
    fn gains_stay_within_their_limits() {
        assert!((said(&mut Leveller::default(), -60.0, 500) - 12.0).abs() < 1e-3);
        assert!((said(&mut Leveller::default(), 0.0, 500) + 20.0).abs() < 1e-3);
        assert!((said(&mut Leveller::default(), -20.0, 500) + 6.0).abs() < 0.01);
    }

    #[test]
    fn it_rises_slowly_and_falls_faster() {
        let mut leveller = Leveller::default();
        let raised = said(&mut leveller, -40.0, 54);
        assert!((5.8..6.2).contains(&raised), "{raised}");
        let mut leveller = Leveller::default();
        let lowered = said(&mut leveller, -6.0, 29);
        assert!((-10.2..-9.8).contains(&lowered), "{lowered}");
    }

    #[test]
    fn nothing_is_learnt_in_silence_or_from_guesses() {
        let mut leveller = Leveller::default();
        let before = said(&mut leveller, -20.0, 200);
        for _ in 0..1_000 {
            leveller.advance(Activity::Pause, Some(1e-7));
            leveller.advance(Activity::Voice, None);
            leveller.advance(Activity::HangOver, Some(1e-7));
        }
        assert!((leveller.gain_db - before).abs() < 1e-6);
    }

    #[test]
    fn a_pause_lowers_the_gain_to_three_decibels_and_a_word_brings_it_back_at_once() {
        let mut leveller = Leveller::default();
        said(&mut leveller, -45.0, 300);
        let loud = leveller.factor;
        let mut last = loud;
        for _ in 0..50 {
            let next = leveller.advance(Activity::Pause, Some(1e-7));
            assert!(next <= last && next > last * 0.97);
            last = next;
        }
        assert!((last - 1.412_5).abs() < 1e-3, "{last}");
        assert!((leveller.advance(Activity::Onset, Some(1e-4)) - loud).abs() < 1e-6);
    }

    #[test]
    fn a_click_does_not_bring_a_pauses_noise_up() {
        let mut leveller = Leveller::default();
        said(&mut leveller, -45.0, 300);
        for _ in 0..100 {
            leveller.advance(Activity::Pause, Some(1e-7));
        }
        leveller.advance(Activity::Onset, Some(1e-2));
        let after = leveller.advance(Activity::Pause, Some(1e-7));
        assert!((after - 1.412_5).abs() < 1e-3, "{after}");
    }

    #[test]
    fn whoever_turns_away_is_followed() {
        let mut leveller = Leveller::default();
        assert!((said(&mut leveller, -16.0, 200) + 10.0).abs() < 0.1);
        let later = said(&mut leveller, -36.0, 3_000);
        assert!((later - 10.0).abs() < 0.5, "{later}");
    }
}
