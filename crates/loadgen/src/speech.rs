//! What does speech sound like to a codec?
//!
//! Two tones are told apart easily and misprice a codec: speech has pitch, formants that move,
//! hissing, and short gaps. The built-in speech is a formant synthesiser's babble: nobody's words, and
//! the same in every run. A recording may stand in for it.

use std::path::Path;
use std::sync::Arc;

use crate::resample::{low_pass, resample};
use crate::voice::Manner;

/// The sample rate of speech before it is encoded.
pub(crate) const RATE_HZ: u32 = 48_000;

/// How long the babble is before it repeats; a whole number of talkspurts.
const SECONDS: usize = 24;

/// How many speakers can babble.
pub(crate) const SPEAKERS: usize = 4;

/// Root mean square of speech, pauses left out: about −26 dBov.
const LEVEL: f32 = 0.05;

/// The longest recording that is taken, in seconds.
const LONGEST_RECORDING: usize = 300;

/// What is below this is clear of the pips that measure delay.
const BELOW_PIPS_HZ: f64 = 2_500.0;

/// The first three formants of ten vowels as men say them (Peterson and Barney, 1952), in hertz.
const VOWELS: [[f32; 3]; 10] = [
    [270.0, 2_290.0, 3_010.0],
    [390.0, 1_990.0, 2_550.0],
    [530.0, 1_840.0, 2_480.0],
    [660.0, 1_720.0, 2_410.0],
    [730.0, 1_090.0, 2_440.0],
    [570.0, 840.0, 2_410.0],
    [440.0, 1_020.0, 2_240.0],
    [300.0, 870.0, 2_240.0],
    [640.0, 1_190.0, 2_390.0],
    [490.0, 1_350.0, 1_690.0],
];

/// The speakers' pitch in hertz, and how much shorter than a man's their vocal tract is.
const VOICES: [(f32, f32); SPEAKERS] = [(112.0, 1.0), (208.0, 1.17), (138.0, 1.04), (182.0, 1.12)];

/// How wide each formant is, in hertz.
const BANDWIDTHS_HZ: [f32; 4] = [80.0, 100.0, 130.0, 250.0];

/// The fourth formant, which does not move, in hertz.
const FOURTH_HZ: f32 = 3_500.0;

/// Where hissing lies, and how wide it is, in hertz.
const HISS_HZ: (f32, f32) = (5_200.0, 2_000.0);

/// How often the vocal tract moves, in samples.
const STEP_SAMPLES: usize = 240;

/// Why a recording cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum SpeechError {
    #[error("the recording cannot be read: {0}")]
    Unreadable(#[from] hound::Error),
    #[error("the recording holds less than a second of sound")]
    TooShort,
}

/// What talkers can say, at [`RATE_HZ`].
#[derive(Debug, Clone)]
pub(crate) struct Speeches(Vec<Arc<[f32]>>);

impl Speeches {
    /// The built-in babble of [`SPEAKERS`] speakers.
    pub(crate) fn built_in() -> Speeches {
        Speeches((0..SPEAKERS).map(|n| babble(n).into()).collect())
    }

    /// One recording for everybody.
    ///
    /// # Errors
    /// When the file is no WAV file, or holds less than a second.
    pub(crate) fn recorded(path: &Path) -> Result<Speeches, SpeechError> {
        let mut reader = hound::WavReader::open(path)?;
        let spec = reader.spec();
        let most = LONGEST_RECORDING * spec.sample_rate as usize * usize::from(spec.channels);
        let samples: Vec<f32> = match spec.sample_format {
            hound::SampleFormat::Float => reader
                .samples::<f32>()
                .take(most)
                .collect::<Result<_, _>>()?,
            hound::SampleFormat::Int => {
                let scale = 1.0 / 2_f32.powi(i32::from(spec.bits_per_sample) - 1);
                reader
                    .samples::<i32>()
                    .take(most)
                    .map(|sample| Ok(sample? as f32 * scale))
                    .collect::<Result<_, hound::Error>>()?
            }
        };
        let channels = usize::from(spec.channels.max(1));
        let mono: Vec<f32> = samples
            .chunks(channels)
            .map(|frame| frame.iter().sum::<f32>() / channels as f32)
            .collect();
        if mono.len() < spec.sample_rate as usize {
            return Err(SpeechError::TooShort);
        }
        let sound = resample(&mono, spec.sample_rate, RATE_HZ);
        // Whole frames only, so that a repetition begins with a packet.
        let whole = sound.len() / (RATE_HZ as usize / 50) * (RATE_HZ as usize / 50);
        Ok(Speeches(vec![
            sound.get(..whole).unwrap_or_default().into(),
        ]))
    }

    /// How many different speeches there are, at least one.
    pub(crate) fn count(&self) -> usize {
        self.0.len().max(1)
    }

    /// The n-th talker's speech in a manner; beyond [`Speeches::count`] they come again.
    pub(crate) fn of_talker(&self, talker: usize, manner: Manner) -> Vec<f32> {
        let speech = self.0.get(talker % self.count()).map(AsRef::as_ref);
        let mut speech = speech.unwrap_or_default().to_vec();
        if manner == Manner::Talkspurts {
            pause(&mut speech);
        }
        speech
    }

    /// The same at another sample rate, without what could be taken for a pip.
    pub(crate) fn beside_pips(&self, talker: usize, manner: Manner, rate_hz: u32) -> Arc<[f32]> {
        let speech = resample(&self.of_talker(talker, manner), RATE_HZ, rate_hz);
        low_pass(&speech, rate_hz, BELOW_PIPS_HZ).into()
    }
}

/// Puts the pauses of talkspurts into speech.
fn pause(speech: &mut [f32]) {
    let step = 1.0 / (0.01 * RATE_HZ as f32);
    let mut fade = 0.0_f32;
    for (at, sample) in speech.iter_mut().enumerate() {
        let said = Manner::Talkspurts.is_saying(at as f32 / RATE_HZ as f32);
        let target = if said { 1.0 } else { 0.0 };
        fade += (target - fade).clamp(-step, step);
        *sample *= fade;
    }
}

/// A speaker's babble; it begins and ends in silence, so that it can be repeated.
fn babble(speaker: usize) -> Vec<f32> {
    let (pitch_hz, tract) = VOICES[speaker % SPEAKERS];
    let mut dice = Dice(0x9e37_79b9 ^ (speaker as u32 + 1).wrapping_mul(0x85eb_ca6b));
    let mut synthesiser = Synthesiser::new(tract);
    let mut sound = Vec::with_capacity(SECONDS * RATE_HZ as usize);
    let wanted = SECONDS * RATE_HZ as usize;
    let mut since_breath = 0.0_f32;
    while sound.len() < wanted {
        let seconds = dice.between(0.15, 0.28);
        let room = (wanted - sound.len()) as f32 / RATE_HZ as f32;
        // What would not end in time is left as silence.
        if seconds > room {
            sound.resize(wanted, 0.0);
            break;
        }
        // The pitch falls from breath to breath.
        let pitch = pitch_hz * (1.12 - 0.08 * since_breath) * dice.between(0.95, 1.05);
        synthesiser.syllable(seconds, pitch, &mut dice, &mut sound);
        since_breath += seconds;
        if since_breath > 2.5 {
            since_breath = 0.0;
            sound.resize((sound.len() + RATE_HZ as usize / 8).min(wanted), 0.0);
        }
    }
    level(&mut sound);
    sound
}

/// Brings speech to its level, and keeps its peaks from clipping.
fn level(sound: &mut [f32]) {
    let peak = sound
        .iter()
        .fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    let loud: Vec<f32> = sound
        .iter()
        .copied()
        .filter(|s| s.abs() > peak / 200.0)
        .collect();
    let rms = (loud.iter().map(|s| s * s).sum::<f32>() / loud.len().max(1) as f32).sqrt();
    let gain = LEVEL / rms.max(1e-9);
    for sample in sound {
        *sample = (*sample * gain).clamp(-0.9, 0.9);
    }
}

/// A source and the formants that colour it (a cascade in Klatt's manner).
struct Synthesiser {
    tract: f32,
    formants: [Resonator; 4],
    glottis: Resonator,
    hiss: Resonator,
    now_hz: [f32; 3],
    /// Where in its period the voice is, 0 to 1.
    phase: f32,
    last: f32,
}

impl Synthesiser {
    fn new(tract: f32) -> Synthesiser {
        Synthesiser {
            tract,
            formants: [Resonator::default(); 4],
            glottis: Resonator::tuned(0.0, 100.0),
            hiss: Resonator::tuned(HISS_HZ.0, HISS_HZ.1),
            now_hz: VOWELS[9],
            phase: 0.0,
            last: 0.0,
        }
    }

    /// Appends a syllable: a hiss or a stop, then a vowel into which the formants glide.
    fn syllable(&mut self, seconds: f32, pitch_hz: f32, dice: &mut Dice, sound: &mut Vec<f32>) {
        let samples = (seconds * RATE_HZ as f32) as usize;
        let onset = (dice.between(0.03, 0.07) * RATE_HZ as f32) as usize;
        let hisses = dice.between(0.0, 1.0) < 0.4;
        let target = VOWELS[(dice.between(0.0, 1.0) * VOWELS.len() as f32) as usize % VOWELS.len()];
        for at in 0..samples {
            if at % STEP_SAMPLES == 0 {
                self.glide(&target);
            }
            let vowel = at.saturating_sub(onset) as f32 / (samples - onset).max(1) as f32;
            let opening = (std::f32::consts::PI * vowel).sin().max(0.0).sqrt();
            let hissing = if hisses && at < onset {
                (std::f32::consts::PI * at as f32 / onset as f32).sin()
            } else {
                0.0
            };
            let noise = dice.between(-1.0, 1.0);
            let voiced = self.voice(pitch_hz) * opening;
            let coloured = self
                .formants
                .iter_mut()
                .fold(voiced + 0.002 * noise * opening, |sample, formant| {
                    formant.pass(sample)
                });
            // The lips radiate a change of pressure.
            let radiated = coloured - self.last;
            self.last = coloured;
            sound.push(radiated + 0.006 * hissing * self.hiss.pass(noise));
        }
    }

    fn voice(&mut self, pitch_hz: f32) -> f32 {
        self.phase += pitch_hz / RATE_HZ as f32;
        let pulse = if self.phase >= 1.0 { 1.0 } else { 0.0 };
        self.phase = self.phase.fract();
        self.glottis.pass(pulse)
    }

    fn glide(&mut self, target: &[f32; 3]) {
        for (now, wanted) in self.now_hz.iter_mut().zip(target) {
            *now += 0.2 * (wanted - *now);
        }
        let [first, second, third] = self.now_hz;
        let wanted = [first, second, third, FOURTH_HZ].map(|hz| hz * self.tract);
        let tuning = wanted.iter().zip(BANDWIDTHS_HZ);
        for (formant, (hz, width)) in self.formants.iter_mut().zip(tuning) {
            formant.tune(*hz, width);
        }
    }
}

/// Two poles at a frequency; a constant passes as it is.
#[derive(Debug, Clone, Copy, Default)]
struct Resonator {
    gain: f32,
    feedback: [f32; 2],
    past: [f32; 2],
}

impl Resonator {
    fn tuned(hz: f32, width_hz: f32) -> Resonator {
        let mut resonator = Resonator::default();
        resonator.tune(hz, width_hz);
        resonator
    }

    fn tune(&mut self, hz: f32, width_hz: f32) {
        let radius = (-std::f32::consts::PI * width_hz / RATE_HZ as f32).exp();
        let turn = std::f32::consts::TAU * hz / RATE_HZ as f32;
        self.feedback = [2.0 * radius * turn.cos(), -radius * radius];
        self.gain = 1.0 - self.feedback[0] - self.feedback[1];
    }

    fn pass(&mut self, sample: f32) -> f32 {
        let [last, last_but_one] = self.past;
        let next = self.gain * sample + self.feedback[0] * last + self.feedback[1] * last_but_one;
        self.past = [next, last];
        next
    }
}

/// Numbers that look random and are the same in every run.
pub(crate) struct Dice(pub(crate) u32);

impl Dice {
    /// A number from `least` up to `most`.
    pub(crate) fn between(&mut self, least: f32, most: f32) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        least + (most - least) * (self.0 >> 8) as f32 / (1 << 24) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rms(sound: &[f32]) -> f32 {
        (sound.iter().map(|sample| sample * sample).sum::<f32>() / sound.len().max(1) as f32).sqrt()
    }

    #[test]
    fn babble_is_as_loud_as_speech_and_never_clips() {
        let speeches = Speeches::built_in();
        for speaker in 0..SPEAKERS {
            let speech = speeches.of_talker(speaker, Manner::Syllables);
            assert_eq!(speech.len(), SECONDS * RATE_HZ as usize);
            assert!((0.03..0.06).contains(&rms(&speech)), "{}", rms(&speech));
            assert!(speech.iter().all(|sample| sample.abs() < 0.9));
        }
    }

    #[test]
    fn babble_has_no_gap_of_a_third_of_a_second() {
        let speech = Speeches::built_in().of_talker(1, Manner::Syllables);
        let quiet = |part: &[f32]| rms(part) < 0.001;
        assert!(!speech.chunks(RATE_HZ as usize / 3).any(quiet));
    }

    #[test]
    fn talkspurts_are_silent_for_as_long_as_they_say() {
        let speech = Speeches::built_in().of_talker(0, Manner::Talkspurts);
        let second = RATE_HZ as usize;
        assert!(rms(&speech[second * 15 / 10..second * 19 / 10]) < 1e-6);
        assert!(rms(&speech[..second]) > 0.02);
    }

    #[test]
    fn speakers_do_not_sound_alike() {
        let speeches = Speeches::built_in();
        let [a, b] = [0, 1].map(|speaker| speeches.of_talker(speaker, Manner::Syllables));
        let difference: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
        assert!(rms(&difference) > rms(&a));
    }

    #[test]
    fn a_recording_is_spoken_at_the_rate_that_codecs_want() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("speech.wav");
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 16_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&path, spec).unwrap();
        for at in 0..32_000_u32 {
            let tone = (at as f32 * std::f32::consts::TAU * 440.0 / 16_000.0).sin();
            writer.write_sample((tone * 8_000.0) as i16).unwrap();
            writer.write_sample(0_i16).unwrap();
        }
        writer.finalize().unwrap();
        let speech = Speeches::recorded(&path)
            .unwrap()
            .of_talker(3, Manner::Steady);
        assert_eq!(speech.len(), 96_000);
        // Half of the level: one channel of two was silent.
        let expected = 8_000.0 / 32_768.0 / 2.0 / std::f32::consts::SQRT_2;
        assert!((rms(&speech) - expected).abs() < 0.005, "{}", rms(&speech));
    }
}
