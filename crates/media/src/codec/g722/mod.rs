//! G.722 at 64 kbit/s: 16 kHz in two bands of adaptive differences, one byte for two samples.

mod band;
mod qmf;

use super::concealment::{Concealment, Guess};
use super::{CodecError, MAX_PACKET_MS};
use crate::frame::{FRAME_SAMPLES, Frame, from_i16, to_i16};
use crate::resampler::Resampler;
use band::{HighBand, LowBand};
use qmf::Filter;

pub(super) const SAMPLE_RATE_HZ: u32 = 16_000;

/// Samples in a frame.
const SAMPLES: usize = (SAMPLE_RATE_HZ / 50) as usize;

/// Bytes in a frame's payload.
const PAYLOAD: usize = SAMPLES / 2;

const MAX_PACKET_SAMPLES: usize = (SAMPLE_RATE_HZ / 1_000 * MAX_PACKET_MS) as usize;

/// Both bands, as either end knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bands {
    low: LowBand,
    high: HighBand,
}

impl Bands {
    fn new() -> Bands {
        Bands {
            low: LowBand::new(),
            high: HighBand::new(),
        }
    }

    fn encode(&mut self, low: i16, high: i16) -> u8 {
        self.low.encode(low) | (self.high.encode(high) << 6)
    }

    /// The next code of a silence in which both ends come to rest. An encoder that only follows its
    /// arithmetic never does: it answers its own rounding, with a noise of −65 dBov.
    fn encode_silence(&mut self) -> u8 {
        self.low.encode_silence() | (self.high.encode_silence() << 6)
    }

    fn decode(&mut self, code: u8) -> (i16, i16) {
        (self.low.decode(code), self.high.decode(code >> 6))
    }
}

/// The samples that a payload stands for.
pub(super) fn samples_in(payload: &[u8]) -> Option<usize> {
    let samples = payload.len() * 2;
    (1..=MAX_PACKET_SAMPLES)
        .contains(&samples)
        .then_some(samples)
}

/// A G.722 decoder with its concealment.
pub struct G722Decoder {
    bands: Bands,
    joiner: Filter,
    concealment: Concealment,
    lost: Option<Lost>,
}

/// How long the bands live through a loss as though the guess had been sent: a frame. Their scales and
/// predictions are then about right for what comes next (after G.722 Appendix III). A longer guess
/// only teaches them its fading; they do better to stay as they are.
const FOLLOWED: usize = SAMPLES;

/// A loss that is being concealed.
struct Lost {
    /// The guess that the bands follow, ahead of what is heard by what the filters take.
    ahead: Guess,
    splitter: Filter,
    /// How many samples were lost so far.
    len: usize,
}

impl G722Decoder {
    pub(super) fn new() -> G722Decoder {
        G722Decoder {
            bands: Bands::new(),
            joiner: Filter::new(),
            concealment: Concealment::new(SAMPLE_RATE_HZ),
            lost: None,
        }
    }

    pub(super) fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, CodecError> {
        let samples = samples_in(payload).ok_or(CodecError::PeerSentGarbage)?;
        let out = out.get_mut(..samples).ok_or(CodecError::NoRoom)?;
        self.lost = None;
        for (payload, out) in payload.chunks(PAYLOAD).zip(out.chunks_mut(SAMPLES)) {
            let mut decoded = [(0, 0); PAYLOAD];
            for (decoded, code) in decoded.iter_mut().zip(payload) {
                *decoded = self.bands.decode(*code);
            }
            let mut pairs = out.chunks_exact_mut(2);
            let decoded = decoded.get(..payload.len()).unwrap_or_default();
            self.joiner.join(decoded, |first, second| {
                if let Some([a, b]) = pairs.next() {
                    (*a, *b) = (from_i16(first), from_i16(second));
                }
            });
        }
        self.concealment.heard(out);
        Ok(samples)
    }

    pub(super) fn conceal(&mut self, out: &mut [f32]) {
        let mut lost = match self.lost.take() {
            Some(lost) => lost,
            None => self.lose(),
        };
        self.concealment.conceal(out);
        // An odd sample is made up for nowhere: the bands are late by less than they can tell.
        for out in out.chunks(SAMPLES) {
            let mut guess = [0; SAMPLES];
            let guess = guess.get_mut(..out.len() / 2 * 2).unwrap_or_default();
            for guess in guess.iter_mut() {
                *guess = to_i16(self.concealment.next_of(&mut lost.ahead));
            }
            let mut split = [(0, 0); PAYLOAD];
            let mut len = 0;
            lost.splitter.split(guess, |low, high| {
                if lost.len < FOLLOWED {
                    self.bands.encode(low, high);
                }
                lost.len += 2;
                if let Some(place) = split.get_mut(len) {
                    *place = (low, high);
                }
                len += 1;
            });
            let split = split.get(..len).unwrap_or_default();
            self.joiner.join(split, |_, _| {});
        }
        self.lost = Some(lost);
    }

    /// After how many samples nothing is left to hear of a guess.
    pub(super) fn fades_in(&self) -> usize {
        self.concealment.fades_in()
    }

    pub(super) fn reset(&mut self) {
        self.bands = Bands::new();
        self.joiner = Filter::new();
        self.concealment.reset();
        self.lost = None;
    }

    fn lose(&mut self) -> Lost {
        let mut ahead = self.concealment.begin();
        let mut splitter = Filter::new();
        let skipped: [i16; qmf::DELAY] =
            std::array::from_fn(|_| to_i16(self.concealment.next_of(&mut ahead)));
        splitter.split(&skipped, |_, _| {});
        Lost {
            ahead,
            splitter,
            len: 0,
        }
    }
}

/// A G.722 encoder with its resampler.
pub struct G722Encoder {
    resampler: Box<Resampler>,
    splitter: Filter,
    bands: Bands,
}

impl G722Encoder {
    pub(super) fn new() -> Result<G722Encoder, CodecError> {
        let resampler = Resampler::new(crate::frame::SAMPLE_RATE_HZ, SAMPLE_RATE_HZ)?;
        Ok(G722Encoder {
            resampler: Box::new(resampler),
            splitter: Filter::new(),
            bands: Bands::new(),
        })
    }

    pub(super) fn encode(
        &mut self,
        frame: &Frame,
        payload: &mut [u8],
    ) -> Result<usize, CodecError> {
        let payload = payload.get_mut(..PAYLOAD).ok_or(CodecError::NoRoom)?;
        debug_assert_eq!(frame.len(), FRAME_SAMPLES);
        let mut samples = [0.0; SAMPLES];
        self.resampler.process(frame, &mut samples);
        let mut split = [(0, 0); PAYLOAD];
        let mut places = split.iter_mut();
        self.splitter.split(&samples.map(to_i16), |low, high| {
            if let Some(place) = places.next() {
                *place = (low, high);
            }
        });
        let is_silent = split == [(0, 0); PAYLOAD];
        for (code, (low, high)) in payload.iter_mut().zip(split) {
            *code = if is_silent {
                self.bands.encode_silence()
            } else {
                self.bands.encode(low, high)
            };
        }
        Ok(PAYLOAD)
    }

    pub(super) fn reset(&mut self) {
        self.resampler.reset();
        self.splitter = Filter::new();
        self.bands = Bands::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::rms;

    const QUIET: Frame = [0.0; FRAME_SAMPLES];

    /// Frames of silence after which both ends are at rest. The slowest are the weights of the past
    /// differences: from the greatest they take 1,500 samples at 8 kHz.
    const SETTLED: usize = 12;

    /// Harmonics up to 6 kHz whose pitch and level wander.
    fn voice(frame: usize) -> Frame {
        std::array::from_fn(|n| {
            let t = (frame * FRAME_SAMPLES + n) as f32 / 48_000.0;
            let phase = std::f32::consts::TAU * (140.0 * t + 2.0 * (3.0 * t).sin());
            let level = 0.05 + 0.1 * (std::f32::consts::TAU * 2.0 * t).sin().max(0.0);
            (1..=40)
                .map(|k| level / k as f32 * (k as f32 * phase + (k * k) as f32).sin())
                .sum()
        })
    }

    fn random(seed: &mut u32) -> u16 {
        *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*seed >> 16) as u16
    }

    /// From a whisper to what clips, with noise.
    fn anything(frame: usize, seed: &mut u32) -> Vec<i16> {
        let level = [0.0, 10.0, 300.0, 3_000.0, 20_000.0, 60_000.0][frame / 20 % 6];
        (frame * SAMPLES..(frame + 1) * SAMPLES)
            .map(|n| {
                let noise = f32::from(random(seed)) / 65_536.0 - 0.5;
                let tones = (n as f32 * 0.05).sin() * 0.6 + (n as f32 * 1.9).sin() * 0.2;
                (level * (tones + noise * 0.8)) as i16
            })
            .collect()
    }

    #[test]
    fn codes_and_samples_are_those_of_an_implementation_that_passes_the_itus_vectors() {
        let (mut splitter, mut joiner) = (Filter::new(), Filter::new());
        let (mut near, mut far) = (Bands::new(), Bands::new());
        let mut their_encoder = sipx_audio::g722::Encoder::new();
        let mut their_decoder = sipx_audio::g722::Decoder::new();
        let mut seed = 1;
        for frame in 0..600 {
            let samples = anything(frame, &mut seed);
            let mut payload = Vec::new();
            splitter.split(&samples, |low, high| payload.push(near.encode(low, high)));
            assert_eq!(payload, their_encoder.encode(&samples), "frame {frame}");
            if frame % 7 == 3 {
                payload.fill_with(|| random(&mut seed) as u8);
            }
            let bands: Vec<_> = payload.iter().map(|code| far.decode(*code)).collect();
            let mut decoded = Vec::new();
            joiner.join(&bands, |first, second| decoded.extend([first, second]));
            assert_eq!(decoded, their_decoder.decode(&payload), "frame {frame}");
        }
    }

    #[test]
    fn a_wide_voice_is_heard_as_it_was_said() {
        let mut encoder = G722Encoder::new().unwrap();
        let mut decoder = G722Decoder::new();
        let mut reference = Resampler::new(48_000, 16_000).unwrap();
        let (mut said, mut heard) = (Vec::new(), Vec::new());
        for frame in 0..100 {
            let mut payload = [0; PAYLOAD];
            encoder.encode(&voice(frame), &mut payload).unwrap();
            let (mut samples, mut narrow) = ([0.0; SAMPLES], [0.0; SAMPLES]);
            assert_eq!(decoder.decode(&payload, &mut samples), Ok(SAMPLES));
            reference.process(&voice(frame), &mut narrow);
            heard.extend(samples);
            said.extend(narrow);
        }
        let error: Vec<f32> = said
            .iter()
            .zip(&heard[qmf::DELAY..])
            .map(|(a, b)| a - b)
            .collect();
        let snr_db = 20.0 * (rms(&said) / rms(&error)).log10();
        assert!(snr_db > 30.0, "{snr_db} dB");
    }

    /// Whatever came before, both ends then know the same and learn nothing more from silence.
    #[test]
    fn silence_comes_to_rest_within_twelve_frames() {
        let mut seed = 7;
        for round in 0..50 {
            let mut encoder = G722Encoder::new().unwrap();
            let mut decoder = G722Decoder::new();
            let mut payload = [0; PAYLOAD];
            let mut out = [0.0; SAMPLES];
            for frame in 0..20 {
                let mut sound = voice(13 * round + frame);
                for sample in &mut sound {
                    *sample +=
                        (f32::from(random(&mut seed)) / 32_768.0 - 1.0) * round as f32 / 50.0;
                }
                encoder.encode(&sound, &mut payload).unwrap();
                decoder.decode(&payload, &mut out).unwrap();
            }
            for _ in 0..SETTLED {
                encoder.encode(&QUIET, &mut payload).unwrap();
                decoder.decode(&payload, &mut out).unwrap();
            }
            let rested = encoder.bands.clone();
            assert_eq!(rested, decoder.bands);
            encoder.encode(&QUIET, &mut payload).unwrap();
            assert_eq!(payload, [0xfd; PAYLOAD]);
            assert_eq!(encoder.bands, rested);
            decoder.decode(&payload, &mut out).unwrap();
            assert!(out.iter().all(|sample| *sample == 0.0), "{:?}", &out[..9]);
        }
    }

    #[test]
    fn a_voice_after_repeated_silence_is_heard_as_after_encoded_silence() {
        for repeated in [1, 7, 200] {
            let mut encoders = [G722Encoder::new().unwrap(), G722Encoder::new().unwrap()];
            let mut decoders = [G722Decoder::new(), G722Decoder::new()];
            let mut payloads = [[0; PAYLOAD]; 2];
            let mut heard = [[0.0; SAMPLES]; 2];
            let silent = SETTLED + repeated;
            for frame in 0..20 + silent + 20 {
                let is_silent = (20..20 + silent).contains(&frame);
                let sound = if is_silent { QUIET } else { voice(frame) };
                for (n, encoder) in encoders.iter_mut().enumerate() {
                    let rests = n == 1 && is_silent && frame >= 20 + SETTLED;
                    if !rests {
                        encoder.encode(&sound, &mut payloads[n]).unwrap();
                    }
                    decoders[n].decode(&payloads[n], &mut heard[n]).unwrap();
                }
                assert_eq!(heard[0], heard[1], "frame {frame}");
            }
        }
    }

    /// How much a lossy decoder's error in the frames after each loss is below the voice.
    fn after_losses_db(lost: usize) -> [f32; 4] {
        let mut encoder = G722Encoder::new().unwrap();
        let (mut clean, mut lossy) = (G722Decoder::new(), G722Decoder::new());
        let mut sums = [[0.0_f32; 2]; 4];
        for frame in 0..1_000 {
            let mut payload = [0; PAYLOAD];
            encoder.encode(&voice(frame), &mut payload).unwrap();
            let (mut ideal, mut heard) = ([0.0; SAMPLES], [0.0; SAMPLES]);
            clean.decode(&payload, &mut ideal).unwrap();
            let since = frame % 20;
            if frame >= 20 && since < lost {
                lossy.conceal(&mut heard);
                continue;
            }
            lossy.decode(&payload, &mut heard).unwrap();
            if let Some([voice, error]) = sums.get_mut(since.wrapping_sub(lost)) {
                *voice += rms(&ideal).powi(2);
                *error += rms(&std::array::from_fn::<f32, SAMPLES, _>(|n| {
                    ideal[n] - heard[n]
                }))
                .powi(2);
            }
        }
        sums.map(|[voice, error]| 10.0 * (voice / error).log10())
    }

    #[test]
    fn after_a_loss_the_voice_is_soon_right_again() {
        let one = after_losses_db(1);
        assert!(one[0] > 6.0 && one[1] > 10.0 && one[3] > 11.0, "{one:?}");
        let three = after_losses_db(3);
        assert!(three[1] > 10.0 && three[3] > 11.0, "{three:?}");
    }

    #[test]
    fn a_long_loss_fades_to_silence() {
        let mut encoder = G722Encoder::new().unwrap();
        let mut decoder = G722Decoder::new();
        let (mut payload, mut out) = ([0; PAYLOAD], [0.0; SAMPLES]);
        for frame in 0..30 {
            encoder.encode(&voice(frame), &mut payload).unwrap();
            decoder.decode(&payload, &mut out).unwrap();
        }
        // In pieces, as a playout buffer asks for them.
        for piece in [1, 40, 79, 160, 320, 1_000] {
            decoder.conceal(&mut vec![0.0; piece]);
        }
        decoder.conceal(&mut out);
        assert!(out.iter().all(|sample| *sample == 0.0));
    }

    #[test]
    fn too_much_audio_is_no_payload() {
        assert_eq!(samples_in(&[]), None);
        assert_eq!(samples_in(&[0; 961]), None);
        assert_eq!(samples_in(&[0; 960]), Some(1_920));
    }
}
