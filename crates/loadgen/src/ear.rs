//! Who is heard, and how loud?
//!
//! Every 100 ms an ear looks at the last 200 ms through a Blackman window and measures each tone it
//! knows (Goertzel). Neighbouring voices fall into the window's zeros.

use std::sync::Arc;
use std::time::Duration;

use crate::voice::Voice;

/// How often an ear says what it hears.
pub const CELL: Duration = Duration::from_millis(100);

/// How much sound an ear looks at each time, in cells.
const WINDOW_CELLS: usize = 2;

/// A tone below this is not heard, in dB relative to a full-scale sine.
const FLOOR_DB: f32 = -50.0;

/// A quiet room is below this, and speech above it, in dB relative to a full-scale sine.
const SPEECH_DB: f32 = -45.0;

/// A tone this far below the loudest one is taken for the codec's by-product, in dB.
const MASKING_DB: f32 = 26.0;

/// Tones measured side by side, so that the compiler keeps them in one vector register.
const LANES: usize = 8;

/// What it takes to hear a sound.
#[derive(Debug, Clone, PartialEq)]
pub enum Tones {
    /// All of them at the same time.
    Together(Vec<f32>),
    /// The first, and then the second.
    InTurn([f32; 2]),
    /// None in particular: anything that is loud enough.
    Any,
}

/// A sound that an ear knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Sound {
    pub name: String,
    pub tones: Tones,
}

impl Sound {
    /// A talker's voice under the talker's name.
    pub fn voice(name: &str, voice: Voice) -> Sound {
        Sound {
            name: name.to_owned(),
            tones: Tones::Together(voice.tones_hz().to_vec()),
        }
    }

    /// A signal of two tones, one after the other.
    pub fn beep(name: &str, tones_hz: [f32; 2]) -> Sound {
        Sound {
            name: name.to_owned(),
            tones: Tones::InTurn(tones_hz),
        }
    }

    /// Anything but silence and a quiet room's noise.
    pub fn anything(name: &str) -> Sound {
        Sound {
            name: name.to_owned(),
            tones: Tones::Any,
        }
    }

    fn tones_hz(&self) -> &[f32] {
        match &self.tones {
            Tones::Together(tones) => tones,
            Tones::InTurn(tones) => tones,
            Tones::Any => &[],
        }
    }
}

/// The sounds an ear knows, in a fixed order; at most [`Vocabulary::MOST`].
#[derive(Debug, Clone)]
pub struct Vocabulary(Arc<[Sound]>);

impl Vocabulary {
    /// How many sounds fit into one [`Audible`].
    pub const MOST: usize = 128;

    /// Takes the first [`Vocabulary::MOST`] of these sounds.
    pub fn new(mut sounds: Vec<Sound>) -> Vocabulary {
        sounds.truncate(Vocabulary::MOST);
        Vocabulary(sounds.into())
    }

    /// The sounds in their order.
    pub fn sounds(&self) -> &[Sound] {
        &self.0
    }

    /// The place of the sound of this name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|sound| sound.name == name)
    }

    /// The names of sounds in a set.
    pub fn names(&self, audible: Audible) -> Vec<&str> {
        let named = self.0.iter().enumerate();
        named
            .filter(|(at, _)| audible.has(*at))
            .map(|(_, sound)| sound.name.as_str())
            .collect()
    }
}

/// A set of sounds by their place in a vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Audible(u128);

impl Audible {
    /// Nothing.
    pub const NONE: Audible = Audible(0);

    /// Whether a sound is in the set.
    pub fn has(self, sound: usize) -> bool {
        sound < Vocabulary::MOST && self.0 & (1 << sound) != 0
    }

    /// The set with one more sound.
    #[must_use]
    pub fn with(self, sound: usize) -> Audible {
        if sound < Vocabulary::MOST {
            Audible(self.0 | 1 << sound)
        } else {
            self
        }
    }

    /// The sounds of this set that are not in the other.
    #[must_use]
    pub fn without(self, other: Audible) -> Audible {
        Audible(self.0 & !other.0)
    }

    /// The sounds in both sets.
    #[must_use]
    pub fn both(self, other: Audible) -> Audible {
        Audible(self.0 & other.0)
    }

    /// Whether nothing is in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<usize> for Audible {
    fn from_iter<I: IntoIterator<Item = usize>>(sounds: I) -> Audible {
        sounds.into_iter().fold(Audible::NONE, Audible::with)
    }
}

/// What an ear heard in its last window.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Heard {
    pub audible: Audible,
    /// The level of each sound of the vocabulary: that of its weakest tone (of its strongest, where
    /// tones come in turn; of everything, where any will do), in dB relative to a full-scale sine.
    pub levels_db: Vec<f32>,
}

/// Recognises the sounds of a vocabulary.
pub struct Ear {
    vocabulary: Vocabulary,
    meter: ToneMeter,
    /// Which tones belong to which sound: the first tone of each.
    first_tone: Vec<usize>,
    cell_samples: usize,
    /// The last window, and what has come since.
    sound: Vec<f32>,
    /// Which tones were there in the previous window.
    before: Vec<bool>,
    heard: Heard,
}

impl Ear {
    /// An ear for sound at this sample rate.
    pub fn new(vocabulary: Vocabulary, rate_hz: u32) -> Ear {
        let cell_samples = (CELL.as_secs_f64() * f64::from(rate_hz)) as usize;
        let tones: Vec<f32> = vocabulary
            .sounds()
            .iter()
            .flat_map(|sound| sound.tones_hz().iter().copied())
            .collect();
        let first_tone = vocabulary
            .sounds()
            .iter()
            .scan(0, |next, sound| {
                let first = *next;
                *next += sound.tones_hz().len();
                Some(first)
            })
            .collect();
        let heard = Heard {
            audible: Audible::NONE,
            levels_db: vec![f32::NEG_INFINITY; vocabulary.sounds().len()],
        };
        Ear {
            before: vec![false; tones.len()],
            meter: ToneMeter::new(&tones, cell_samples * WINDOW_CELLS, rate_hz),
            first_tone,
            cell_samples,
            sound: vec![0.0; cell_samples * WINDOW_CELLS],
            vocabulary,
            heard,
        }
    }

    /// What was heard in the last window.
    pub fn heard(&self) -> &Heard {
        &self.heard
    }

    /// Takes in sound and reports each cell that it completes.
    pub fn listen(&mut self, mut pcm: &[f32], mut on_cell: impl FnMut(&Heard)) {
        let window = self.cell_samples * WINDOW_CELLS;
        let full = window + self.cell_samples;
        while !pcm.is_empty() {
            let (now, later) = pcm.split_at(pcm.len().min(full - self.sound.len()));
            self.sound.extend_from_slice(now);
            pcm = later;
            if self.sound.len() == full {
                self.sound.drain(..self.cell_samples);
                self.recognise();
                on_cell(&self.heard);
            }
        }
    }

    fn recognise(&mut self) {
        let power = self.sound.iter().map(|sample| sample * sample).sum::<f32>();
        // A full-scale sine has half the power of full scale.
        let overall_db = 10.0 * (2.0 * power / self.sound.len() as f32).max(1e-14).log10();
        let levels = self.meter.measure(&self.sound);
        let loudest = levels.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let threshold = FLOOR_DB.max(loudest - MASKING_DB);
        let mut audible = Audible::NONE;
        for (at, sound) in self.vocabulary.sounds().iter().enumerate() {
            let first = self.first_tone[at];
            let tones = &levels[first..first + sound.tones_hz().len()];
            let (level, is_heard) = match &sound.tones {
                Tones::Together(_) => {
                    let weakest = tones.iter().copied().fold(f32::INFINITY, f32::min);
                    (weakest, weakest >= threshold)
                }
                Tones::InTurn(_) => {
                    let there = |tone: usize| levels[first + tone] >= threshold;
                    let strongest = tones.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    (strongest, there(1) && (there(0) || self.before[first]))
                }
                Tones::Any => (overall_db, overall_db >= SPEECH_DB),
            };
            self.heard.levels_db[at] = level;
            if is_heard {
                audible = audible.with(at);
            }
        }
        for (before, level) in self.before.iter_mut().zip(levels) {
            *before = *level >= threshold;
        }
        self.heard.audible = audible;
    }
}

/// Measures the levels of fixed tones in windows of fixed length.
pub(crate) struct ToneMeter {
    /// Goertzel coefficients, padded to whole groups of lanes.
    coefficients: Vec<[f32; LANES]>,
    tones: usize,
    window: Vec<f32>,
    /// Makes a full-scale sine measure as 1.
    scale: f32,
    windowed: Vec<f32>,
    levels_db: Vec<f32>,
}

impl ToneMeter {
    /// A meter of these tones in windows of this many samples.
    pub(crate) fn new(tones_hz: &[f32], samples: usize, rate_hz: u32) -> ToneMeter {
        let turn = |hz: f32| 2.0 * (std::f32::consts::TAU * hz / rate_hz as f32).cos();
        let coefficients = tones_hz
            .chunks(LANES)
            .map(|group| std::array::from_fn(|lane| group.get(lane).map_or(0.0, |hz| turn(*hz))))
            .collect();
        let window: Vec<f32> = (0..samples)
            .map(|at| blackman(at as f32 / samples as f32))
            .collect();
        ToneMeter {
            coefficients,
            tones: tones_hz.len(),
            scale: 2.0 / window.iter().sum::<f32>(),
            windowed: vec![0.0; samples],
            window,
            levels_db: Vec::with_capacity(tones_hz.len()),
        }
    }

    /// The level of each tone in a window of sound, in dB relative to a full-scale sine.
    pub(crate) fn measure(&mut self, sound: &[f32]) -> &[f32] {
        for ((windowed, sample), weight) in self.windowed.iter_mut().zip(sound).zip(&self.window) {
            *windowed = sample * weight;
        }
        self.levels_db.clear();
        for group in &self.coefficients {
            let amplitudes = goertzel(&self.windowed, group);
            let wanted = LANES.min(self.tones - self.levels_db.len());
            let levels = amplitudes[..wanted].iter();
            self.levels_db
                .extend(levels.map(|a| 20.0 * (a * self.scale).max(1e-7).log10()));
        }
        &self.levels_db
    }
}

/// The Blackman window at a place between 0 and 1; its side lobes are 58 dB down.
fn blackman(place: f32) -> f32 {
    let turn = std::f32::consts::TAU * place;
    0.42 - 0.5 * turn.cos() + 0.08 * (2.0 * turn).cos()
}

/// The amplitudes of a few frequencies in a stretch of sound.
fn goertzel(sound: &[f32], coefficients: &[f32; LANES]) -> [f32; LANES] {
    let (mut last, mut last_but_one) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    for sample in sound {
        for lane in 0..LANES {
            let next = sample + coefficients[lane] * last[lane] - last_but_one[lane];
            last_but_one[lane] = last[lane];
            last[lane] = next;
        }
    }
    std::array::from_fn(|lane| {
        let (a, b) = (last[lane], last_but_one[lane]);
        (a * a + b * b - coefficients[lane] * a * b).max(0.0).sqrt()
    })
}

#[cfg(test)]
mod tests {
    use tutti_model::Codec;

    use super::*;
    use crate::codec::{Decoder, Encoder, pcm_rate_hz};
    use crate::voice::{Manner, Talker};

    const FRAMES: usize = 15;

    /// Every voice is in the vocabulary, under its number.
    fn all_voices() -> Vocabulary {
        let voices = (0..Voice::COUNT).map(|n| Sound::voice(&n.to_string(), Voice::nth(n)));
        Vocabulary::new(voices.collect())
    }

    /// What an ear hears last when these voices speak together through a codec.
    fn heard_through(codec: Codec, voices: &[usize]) -> Heard {
        let rate_hz = pcm_rate_hz(codec);
        let mut talkers: Vec<Talker> = voices
            .iter()
            .map(|n| Talker::new(Voice::nth(*n), Manner::Syllables, rate_hz))
            .collect();
        let (mut encoder, mut decoder) =
            (Encoder::new(codec).unwrap(), Decoder::new(codec).unwrap());
        let mut ear = Ear::new(all_voices(), rate_hz);
        let (mut payload, mut pcm) = (Vec::new(), Vec::new());
        for _ in 0..FRAMES {
            let mut frame = vec![0.0; rate_hz as usize / 50];
            talkers
                .iter_mut()
                .for_each(|talker| talker.speak(true, &mut frame));
            encoder.encode(&frame, &mut payload).unwrap();
            decoder.decode(&payload, &mut pcm).unwrap();
            ear.listen(&pcm, |_| {});
        }
        ear.heard().clone()
    }

    #[test]
    fn every_voice_is_recognised_through_every_codec() {
        for codec in [Codec::Pcmu, Codec::Pcma, Codec::Opus] {
            for voice in 0..Voice::COUNT {
                let heard = heard_through(codec, &[voice]);
                assert_eq!(
                    heard.audible,
                    Audible::NONE.with(voice),
                    "{codec:?} {voice}"
                );
            }
        }
    }

    #[test]
    fn every_pair_of_voices_is_told_apart_through_g711() {
        for a in 0..Voice::COUNT {
            for b in a + 1..Voice::COUNT {
                let heard = heard_through(Codec::Pcmu, &[a, b]);
                assert_eq!(heard.audible, [a, b].into_iter().collect(), "{a} and {b}");
            }
        }
    }

    #[test]
    fn every_pair_of_voices_is_told_apart_through_opus() {
        for a in 0..Voice::COUNT {
            for b in a + 1..Voice::COUNT {
                let heard = heard_through(Codec::Opus, &[a, b]);
                assert_eq!(heard.audible, [a, b].into_iter().collect(), "{a} and {b}");
            }
        }
    }

    #[test]
    fn a_voice_that_is_not_there_measures_below_minus_sixty() {
        for codec in [Codec::Pcmu, Codec::Opus] {
            for (absent, present) in [(0, 1), (1, 2), (5, 6), (0, 63)] {
                let level = heard_through(codec, &[present]).levels_db[absent];
                assert!(
                    level - Voice::sent_level_db()
                        < -60.0 + MARGIN_OPUS_DB * f32::from(codec == Codec::Opus),
                    "{codec:?}: {absent} beside {present}: {level}"
                );
            }
        }
    }

    /// How much more of a by-product Opus at 24 kb/s leaves than G.711 does, in dB.
    const MARGIN_OPUS_DB: f32 = 10.0;

    #[test]
    fn silence_is_nobody() {
        let mut ear = Ear::new(all_voices(), 8_000);
        let mut cells = 0;
        ear.listen(&[0.0; 8_000], |heard| {
            cells += 1;
            assert!(heard.audible.is_empty());
        });
        assert_eq!(cells, 10);
    }

    #[test]
    fn a_beep_is_heard_wherever_it_falls_and_not_backwards() {
        let vocabulary = Vocabulary::new(vec![
            Sound::beep("up", [784.0, 1_046.5]),
            Sound::beep("down", [1_046.5, 784.0]),
        ]);
        for offset in (0..800).step_by(50) {
            let mut sound = vec![0.0; 2_400 + offset];
            for (tone_at, hz) in [784.0_f32, 1_046.5].into_iter().enumerate() {
                let tone = (0..1_040)
                    .map(|at| 0.08 * (at as f32 / 8_000.0 * hz * std::f32::consts::TAU).sin());
                sound.extend(tone);
                assert_eq!(sound.len(), 2_400 + offset + 1_040 * (tone_at + 1));
            }
            sound.extend([0.0; 3_200]);
            let mut ear = Ear::new(vocabulary.clone(), 8_000);
            let mut ups = 0;
            ear.listen(&sound, |heard| ups += usize::from(heard.audible.has(0)));
            assert!(ups >= 1, "offset {offset}");
        }
    }
}
