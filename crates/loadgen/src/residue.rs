//! How loud does a talker hear itself?
//!
//! An ear's window is too short to see below the codec's own noise. Two seconds are long enough to
//! see an echo 60 dB below the voice through G.711. How far down one can see at all depends on the
//! others' voices and on the codec, so the noise right beside the voice is measured as well.

use std::time::{Duration, Instant};

use crate::ear::ToneMeter;
use crate::voice::Voice;

/// How much sound one measurement looks at.
const WINDOW: Duration = Duration::from_secs(2);

/// Measures a voice in the sound that its owner hears.
pub(crate) struct ResidueMeter {
    meter: ToneMeter,
    window_samples: usize,
    sound: Vec<f32>,
}

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Residue {
    pub from: Instant,
    pub to: Instant,
    /// The voice's weaker tone, in dB against what was sent.
    pub level_db: f32,
    /// The same for two tones beside the voice's, which nobody sends.
    pub noise_db: f32,
}

impl ResidueMeter {
    /// A meter for this voice in sound at this sample rate.
    pub(crate) fn new(voice: Voice, rate_hz: u32) -> ResidueMeter {
        let window_samples = WINDOW.as_secs() as usize * rate_hz as usize;
        let [low, high] = voice.tones_hz();
        let [beside_low, beside_high] = voice.tones_beside_hz();
        let tones = [low, high, beside_low, beside_high];
        ResidueMeter {
            meter: ToneMeter::new(&tones, window_samples, rate_hz),
            window_samples,
            sound: Vec::with_capacity(window_samples),
        }
    }

    /// Takes in sound that came at a moment; says what a completed window holds.
    pub(crate) fn listen(&mut self, pcm: &[f32], came_at: Instant) -> Option<Residue> {
        let room = self.window_samples - self.sound.len();
        self.sound.extend_from_slice(&pcm[..pcm.len().min(room)]);
        if self.sound.len() < self.window_samples {
            return None;
        }
        let levels = self.meter.measure(&self.sound);
        let weaker = |tones: &[f32]| tones.iter().copied().fold(f32::INFINITY, f32::min);
        let (voice, noise) = levels.split_at(2);
        let (level, noise) = (weaker(voice), weaker(noise));
        self.sound.clear();
        Some(Residue {
            from: came_at.checked_sub(WINDOW).unwrap_or(came_at),
            to: came_at,
            level_db: level - Voice::sent_level_db(),
            noise_db: noise - Voice::sent_level_db(),
        })
    }
}

#[cfg(test)]
mod tests {
    use tutti_model::Codec;

    use super::*;
    use crate::codec::{Decoder, Encoder, pcm_rate_hz};
    use crate::voice::{Manner, Talker};

    /// What the meter of voice 0 says of three other voices and an echo, through a codec.
    fn measured(codec: Codec, echo: f32) -> Residue {
        let rate_hz = pcm_rate_hz(codec);
        let talker = |n| Talker::new(Voice::nth(n), Manner::Syllables, rate_hz);
        let (mut own, mut others) = (talker(0), [talker(1), talker(2), talker(3)]);
        let (mut encoder, mut decoder) =
            (Encoder::new(codec).unwrap(), Decoder::new(codec).unwrap());
        let mut meter = ResidueMeter::new(Voice::nth(0), rate_hz);
        let (mut payload, mut pcm, mut residue) = (Vec::new(), Vec::new(), None);
        for _ in 0..200 {
            let mut frame = vec![0.0; rate_hz as usize / 50];
            own.speak(true, &mut frame);
            frame.iter_mut().for_each(|sample| *sample *= echo);
            others
                .iter_mut()
                .for_each(|other| other.speak(true, &mut frame));
            encoder.encode(&frame, &mut payload).unwrap();
            decoder.decode(&payload, &mut pcm).unwrap();
            residue = residue.or(meter.listen(&pcm, Instant::now()));
        }
        residue.unwrap()
    }

    #[test]
    fn an_absent_voice_measures_below_minus_sixty() {
        for codec in [Codec::Pcmu, Codec::Opus] {
            let residue = measured(codec, 0.0);
            assert!(
                residue.level_db < -60.0 && residue.noise_db < -60.0,
                "{codec:?} {residue:?}"
            );
        }
    }

    #[test]
    fn an_echo_is_measured_at_its_level() {
        for codec in [Codec::Pcmu, Codec::Opus] {
            let residue = measured(codec, 0.03);
            // −30 dB, less what the syllables take; the tones beside it stay as they were.
            assert!(
                (-36.0..-29.0).contains(&residue.level_db),
                "{codec:?} {residue:?}"
            );
            assert!(residue.noise_db < -55.0, "{codec:?} {residue:?}");
        }
    }
}
