//! What is in a sound? An ear of the tests' own, so that no ear of the bridge judges the bridge.

use std::f32::consts::TAU;
use std::io::Cursor;
use std::path::Path;

/// Samples of one channel, where 1.0 is full scale.
#[derive(Debug, Clone)]
pub(crate) struct Sound {
    pub(crate) samples: Vec<f32>,
    pub(crate) rate_hz: u32,
}

impl Sound {
    /// Sine tones of equal level, each at −`down_db` below full scale.
    pub(crate) fn tones(rate_hz: u32, seconds: f32, down_db: f32, tones_hz: &[f32]) -> Sound {
        let amplitude = 10_f32.powf(-down_db / 20.0);
        let samples = (0..(seconds * rate_hz as f32) as usize).map(|n| {
            let phase = TAU * n as f32 / rate_hz as f32;
            tones_hz
                .iter()
                .map(|hz| amplitude * (phase * hz).sin())
                .sum()
        });
        Sound {
            samples: samples.collect(),
            rate_hz,
        }
    }

    /// The first channel of a WAV file.
    pub(crate) fn read(path: &Path) -> Sound {
        let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Sound::from_wav(&bytes)
    }

    /// The first channel of WAV bytes.
    pub(crate) fn from_wav(bytes: &[u8]) -> Sound {
        let mut reader = hound::WavReader::new(Cursor::new(bytes)).expect("a WAV file");
        let spec = reader.spec();
        assert_eq!(
            (spec.bits_per_sample, spec.sample_format),
            (16, hound::SampleFormat::Int)
        );
        let samples = reader
            .samples::<i16>()
            .map(|sample| f32::from(sample.unwrap()) / 32_768.0)
            .step_by(usize::from(spec.channels));
        Sound {
            samples: samples.collect(),
            rate_hz: spec.sample_rate,
        }
    }

    /// A 16-bit WAV with this sound on every channel.
    pub(crate) fn to_wav(&self, channels: u16) -> Vec<u8> {
        let spec = hound::WavSpec {
            channels,
            sample_rate: self.rate_hz,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        for sample in &self.samples {
            for _ in 0..channels {
                writer.write_sample((sample * 32_767.0) as i16).unwrap();
            }
        }
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    pub(crate) fn seconds(&self) -> f32 {
        self.samples.len() as f32 / self.rate_hz as f32
    }

    /// The part between two times; what lies outside is left out.
    pub(crate) fn between(&self, from_seconds: f32, to_seconds: f32) -> Sound {
        let index = |seconds: f32| {
            ((seconds.max(0.0) * self.rate_hz as f32) as usize).min(self.samples.len())
        };
        let samples = self.samples[index(from_seconds)..index(to_seconds)].to_vec();
        Sound {
            samples,
            rate_hz: self.rate_hz,
        }
    }

    /// How loud one tone is, in dB of a full-scale sine; −120 is nothing.
    pub(crate) fn tone_db(&self, hz: f32) -> f32 {
        // Goertzel under a Hann window: what lies 60 Hz away does not leak in over 100 ms and more.
        let turn = TAU * hz / self.rate_hz as f32;
        let (mut before, mut last) = (0.0_f64, 0.0_f64);
        let length = self.samples.len() as f32;
        for (n, sample) in self.samples.iter().enumerate() {
            let window = 1.0 - (TAU * n as f32 / length).cos();
            let next = f64::from(sample * window) + 2.0 * f64::from(turn.cos()) * last - before;
            (before, last) = (last, next);
        }
        let power = last * last + before * before - 2.0 * f64::from(turn.cos()) * last * before;
        let amplitude = 2.0 * power.max(0.0).sqrt() / f64::from(length.max(1.0));
        (20.0 * amplitude.max(1e-6).log10()) as f32
    }

    /// How loud everything together is, in dB of a full-scale sine.
    pub(crate) fn level_db(&self) -> f32 {
        let power: f32 = self.samples.iter().map(|sample| sample * sample).sum();
        let mean = 2.0 * power / self.samples.len().max(1) as f32;
        10.0 * mean.max(1e-12).log10()
    }

    /// The longest stretch in which each 100 ms has the first tone and lacks the second.
    pub(crate) fn longest_with_without(&self, with_hz: f32, without_hz: f32) -> f32 {
        let heard = |part: &Sound| {
            let (wanted, unwanted) = (part.tone_db(with_hz), part.tone_db(without_hz));
            wanted > -40.0 && unwanted < wanted - 30.0
        };
        let (mut longest, mut run) = (0, 0);
        for start in 0..(self.seconds() * 10.0) as usize {
            let start = start as f32 / 10.0;
            run = if heard(&self.between(start, start + 0.1)) {
                run + 1
            } else {
                0
            };
            longest = longest.max(run);
        }
        longest as f32 / 10.0
    }
}

#[test]
fn the_ear_tells_tones_apart() {
    let sound = Sound::tones(8_000, 0.5, 20.0, &[600.0]);
    assert!(
        (sound.tone_db(600.0) + 20.0).abs() < 0.1,
        "{}",
        sound.tone_db(600.0)
    );
    assert!(sound.tone_db(660.0) < -80.0, "{}", sound.tone_db(660.0));
    assert!((sound.level_db() + 20.0).abs() < 0.1);
    let read = Sound::from_wav(&sound.to_wav(2));
    assert!((read.tone_db(600.0) + 20.0).abs() < 0.1);
}
