//! What does each talker sound like?
//!
//! A voice is a pair of tones, one in a low band and one in a high band, both inside what G.711
//! carries. The pairing follows a Welch–Costas sequence: a sum or difference of tones, as distortion
//! makes it, never falls on both tones of another voice. No voice is a DTMF digit, whose two tones
//! both lie in our low band.

use std::fmt;
use std::time::Duration;

use dasp::Signal;
use dasp::signal::{ConstHz, Sine};

use crate::floor::TURN;

/// Where the low band starts, and how far apart its tones are.
const LOW_BAND_HZ: (f32, f32) = (310.0, 20.0);

/// Where the high band starts, and how far apart its tones are.
const HIGH_BAND_HZ: (f32, f32) = (1_680.0, 17.5);

/// The prime and its primitive root that pair low tones with high ones (Welch–Costas).
const PAIRING: (u32, u32) = (67, 2);

/// Peak amplitude of each of the two tones: about −26 dBov together, the level of ordinary speech.
const TONE_AMPLITUDE: f32 = 0.05;

/// How long a voice takes to fade in and out, so that it starts without a click.
const FADE: Duration = Duration::from_millis(10);

/// One of 64 voices that an ear can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Voice(u8);

impl Voice {
    /// How many voices there are.
    pub const COUNT: usize = 64;

    /// The n-th voice; after the last one the first comes again. Early voices are far apart.
    pub fn nth(n: usize) -> Voice {
        Voice((n % Voice::COUNT) as u8)
    }

    /// The frequencies of its two tones.
    pub fn tones_hz(self) -> [f32; 2] {
        let low = self.0.reverse_bits() >> 2;
        let (prime, root) = PAIRING;
        let high = (0..low).fold(1, |power, _| power * root % prime);
        [
            LOW_BAND_HZ.0 + LOW_BAND_HZ.1 * f32::from(low),
            HIGH_BAND_HZ.0 + HIGH_BAND_HZ.1 * high as f32,
        ]
    }

    /// Two frequencies halfway to the neighbours of its tones: no voice has them.
    pub fn tones_beside_hz(self) -> [f32; 2] {
        let [low, high] = self.tones_hz();
        [low + LOW_BAND_HZ.1 / 2.0, high + HIGH_BAND_HZ.1 / 2.0]
    }

    /// The level of each of its tones as a talker sends it, in dB relative to a full-scale sine.
    pub fn sent_level_db() -> f32 {
        20.0 * TONE_AMPLITUDE.log10()
    }
}

impl fmt::Display for Voice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "voice {}", self.0)
    }
}

/// How a talker talks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Manner {
    /// Without any change of level.
    Steady,
    /// Swelling and ebbing four times a second, as syllables do, without a pause.
    #[default]
    Syllables,
    /// In syllables, with a pause of 600 ms after every 1.4 s.
    Talkspurts,
    /// In syllables, and one talker of a conference at a time, for three seconds each.
    Turns,
}

impl Manner {
    /// The longest pause that belongs to the manner, where this many talkers are in a conference.
    pub fn longest_pause(self, talkers: usize) -> Duration {
        match self {
            Manner::Steady | Manner::Syllables => Duration::ZERO,
            Manner::Talkspurts => Duration::from_millis(600),
            Manner::Turns => TURN * u32::try_from(talkers.saturating_sub(1)).unwrap_or(u32::MAX),
        }
    }

    /// Whether the manner has no pause at this moment of talking.
    pub(crate) fn is_saying(self, at_secs: f32) -> bool {
        match self {
            Manner::Steady | Manner::Syllables | Manner::Turns => true,
            Manner::Talkspurts => at_secs % 2.0 < 1.4,
        }
    }

    /// How loud the voice is at this moment of its talking, 0 to 1.
    fn loudness(self, at_secs: f32) -> f32 {
        let syllable = 0.75 + 0.25 * (at_secs * 4.0 * std::f32::consts::TAU).cos();
        match self {
            Manner::Steady => 1.0,
            Manner::Syllables | Manner::Turns => syllable,
            Manner::Talkspurts if self.is_saying(at_secs) => syllable,
            Manner::Talkspurts => 0.0,
        }
    }
}

/// Makes the sound of one voice, frame after frame.
pub struct Talker {
    tones: [Sine<ConstHz>; 2],
    manner: Manner,
    rate_hz: u32,
    /// How many samples have been made.
    at: u64,
    /// Where the fade stands, 0 silent and 1 full.
    fade: f32,
}

impl Talker {
    /// A talker whose frames are at this sample rate.
    pub fn new(voice: Voice, manner: Manner, rate_hz: u32) -> Talker {
        Talker {
            tones: voice.tones_hz().map(|hz| {
                dasp::signal::rate(f64::from(rate_hz))
                    .const_hz(f64::from(hz))
                    .sine()
            }),
            manner,
            rate_hz,
            at: 0,
            fade: 0.0,
        }
    }

    /// Whether the next frame would be silent if the talker does not speak.
    pub fn is_quiet(&self) -> bool {
        self.fade == 0.0
    }

    /// Adds the next samples of the voice to a frame, fading in or out as `speaking` changes.
    pub fn speak(&mut self, speaking: bool, frame: &mut [f32]) {
        let step = 1.0 / (FADE.as_secs_f32() * self.rate_hz as f32);
        for sample in frame {
            let target = self.loudness(speaking);
            self.fade += (target - self.fade).clamp(-step, step);
            let [low, high] = &mut self.tones;
            let tones = (low.next() + high.next()) as f32;
            *sample += TONE_AMPLITUDE * self.fade * tones;
            self.at += 1;
        }
    }

    fn loudness(&self, speaking: bool) -> f32 {
        if speaking {
            self.manner
                .loudness((self.at as f64 / f64::from(self.rate_hz)) as f32)
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_voices_share_a_tone_or_come_near_one() {
        let mut tones: Vec<f32> = (0..Voice::COUNT)
            .flat_map(|n| Voice::nth(n).tones_hz())
            .collect();
        tones.sort_by(f32::total_cmp);
        assert!(tones.windows(2).all(|pair| pair[1] - pair[0] > 17.0));
        assert!(tones[0] > 300.0 && tones[tones.len() - 1] < 3_000.0);
    }

    #[test]
    fn distortion_of_two_voices_never_sounds_like_a_third() {
        let near = |wanted: f32, tones: &[f32]| tones.iter().any(|hz| (hz - wanted).abs() < 5.0);
        for a in 0..Voice::COUNT {
            for b in (0..Voice::COUNT).filter(|b| *b != a) {
                let ([la, ha], [lb, hb]) = (Voice::nth(a).tones_hz(), Voice::nth(b).tones_hz());
                let (low, high) = ([2.0 * la - lb], [2.0 * ha - hb]);
                let third = (0..Voice::COUNT).map(|n| Voice::nth(n).tones_hz());
                assert!(
                    !third
                        .into_iter()
                        .any(|[l, h]| near(l, &low) && near(h, &high))
                );
            }
        }
    }

    #[test]
    fn a_talker_fades_instead_of_clicking() {
        let mut talker = Talker::new(Voice::nth(3), Manner::Steady, 8_000);
        let mut frame = [0.0; 160];
        talker.speak(true, &mut frame);
        let largest_step = frame
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).abs())
            .fold(0.0, f32::max);
        assert!(
            frame[..8].iter().all(|sample| sample.abs() < 0.02),
            "{:?}",
            &frame[..8]
        );
        assert!(largest_step < 0.16, "{largest_step}");
        assert!(!talker.is_quiet());
        talker.speak(false, &mut frame);
        assert!(talker.is_quiet());
    }

    #[test]
    fn talkspurts_pause_as_long_as_they_say() {
        let paused = (0..2_000)
            .filter(|ms| Manner::Talkspurts.loudness(*ms as f32 / 1_000.0) == 0.0)
            .count();
        assert_eq!(
            Duration::from_millis(paused as u64),
            Manner::Talkspurts.longest_pause(3)
        );
    }
}
