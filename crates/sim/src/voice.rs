//! What each caller sounds like: one tone, and so one bit, each.

use std::fmt;

use tutti_media::{Audio, FRAME_SAMPLES, Frame, SAMPLE_RATE_HZ};

/// The peak amplitude of every voice; even all at once stay below full scale.
pub const AMPLITUDE: f32 = 0.08;

/// All within what G.711 carries, far from each other and from the bridge's beeps; and what the
/// distortion of G.711 makes of any of them falls on none of the others.
const TONES_HZ: [f32; 9] = [
    564.0, 2_251.0, 1_397.0, 2_804.0, 1_761.0, 2_559.0, 2_041.0, 3_140.0, 2_986.0,
];

/// One of the voices that an ear tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Voice(u8);

impl Voice {
    /// How many callers have voices of their own.
    pub const CALLERS: usize = 7;

    /// What wait music sounds like.
    pub const MUSIC: Voice = Voice(7);

    /// What prompts sound like.
    pub const PROMPT: Voice = Voice(8);

    /// The voice of a caller; after [`Voice::CALLERS`] the first comes again.
    pub fn of_caller(number: usize) -> Voice {
        Voice((number % Voice::CALLERS) as u8)
    }

    /// Every voice there is.
    pub fn all() -> impl Iterator<Item = Voice> {
        (0..TONES_HZ.len() as u8).map(Voice)
    }

    /// The frequency of its tone.
    pub fn tone_hz(self) -> f32 {
        TONES_HZ
            .get(usize::from(self.0))
            .copied()
            .unwrap_or_default()
    }

    /// A second of it, which can be repeated without a seam.
    pub fn second(self) -> Audio {
        let mut tone = Tone::new(self.tone_hz(), AMPLITUDE);
        (0..50).flat_map(|_| tone.frame()).collect()
    }
}

/// A set of voices.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Voices(u16);

impl Voices {
    /// Nothing.
    pub const NONE: Voices = Voices(0);

    /// The set with one more voice.
    #[must_use]
    pub fn with(self, voice: Voice) -> Voices {
        Voices(self.0 | 1 << voice.0)
    }

    /// Whether a voice is in the set.
    pub fn has(self, voice: Voice) -> bool {
        self.0 & 1 << voice.0 != 0
    }
}

impl FromIterator<Voice> for Voices {
    fn from_iter<I: IntoIterator<Item = Voice>>(voices: I) -> Voices {
        voices.into_iter().fold(Voices::NONE, Voices::with)
    }
}

impl fmt::Debug for Voices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut set = f.debug_set();
        for voice in Voice::all().filter(|voice| self.has(*voice)) {
            match voice {
                Voice::MUSIC => set.entry(&format_args!("music")),
                Voice::PROMPT => set.entry(&format_args!("prompt")),
                Voice(caller) => set.entry(&caller),
            };
        }
        set.finish()
    }
}

/// A tone that goes on from frame to frame.
#[derive(Debug, Clone)]
pub struct Tone {
    hz: f64,
    amplitude: f32,
    at: u64,
}

impl Tone {
    /// A tone at its beginning.
    pub fn new(hz: f32, amplitude: f32) -> Tone {
        Tone {
            hz: f64::from(hz),
            amplitude,
            at: 0,
        }
    }

    /// The next 20 ms.
    pub fn frame(&mut self) -> Frame {
        let per_sample = self.hz / f64::from(SAMPLE_RATE_HZ);
        let first = self.at;
        self.at += FRAME_SAMPLES as u64;
        std::array::from_fn(|n| {
            let turns = ((first + n as u64) as f64 * per_sample).fract();
            self.amplitude * (turns * std::f64::consts::TAU).sin() as f32
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_voice_can_be_mistaken_for_another_or_for_a_beep() {
        let beeps = tutti_media::ENTRY_TONES_HZ
            .into_iter()
            .chain(tutti_media::EXIT_TONES_HZ);
        let mut tones: Vec<f32> = TONES_HZ.to_vec();
        for beep in beeps {
            assert!(
                tones.iter().all(|tone| (tone - beep).abs() > 90.0),
                "{beep}"
            );
        }
        tones.sort_by(f32::total_cmp);
        assert!(tones.windows(2).all(|pair| pair[1] - pair[0] >= 115.0));
    }

    #[test]
    fn voices_never_distort_into_another() {
        let others = |sources: &[f32], product: f32| {
            let folded = folded(product);
            let mut others = TONES_HZ.iter().filter(|hz| !sources.contains(hz));
            assert!(
                others.all(|hz| (hz - folded).abs() > 14.0),
                "{sources:?} make {folded}"
            );
        };
        for a in TONES_HZ {
            for odd in [3.0, 5.0, 7.0, 9.0, 11.0] {
                others(&[a], odd * a);
            }
            for b in TONES_HZ.into_iter().filter(|b| *b != a) {
                others(&[a, b], 2.0 * a - b);
                others(&[a, b], 2.0 * a + b);
                for c in TONES_HZ.into_iter().filter(|c| *c != a && *c != b) {
                    others(&[a, b, c], a + b - c);
                }
            }
        }
    }

    /// Where a tone comes out that is too high for 8,000 samples a second.
    fn folded(hz: f32) -> f32 {
        let within = hz.abs() % 8_000.0;
        within.min(8_000.0 - within)
    }

    #[test]
    fn a_second_of_a_voice_has_no_seam() {
        for voice in Voice::all() {
            let second = voice.second();
            assert_eq!(second.len(), SAMPLE_RATE_HZ as usize);
            let cycles = voice.tone_hz();
            assert!((cycles - cycles.round()).abs() < f32::EPSILON);
        }
    }
}
