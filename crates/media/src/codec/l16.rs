//! L16: linear samples of 16 bits, the most significant byte first (RFC 3551 §4.5.11).

use super::concealment::Concealment;
use super::{CodecError, MAX_PAYLOAD_BYTES};
use crate::frame::{FRAME_SAMPLES, Frame, from_i16, to_i16};
use crate::resampler::Resampler;

/// The samples that a payload stands for.
pub(super) fn samples_in(payload: &[u8]) -> Option<usize> {
    let (samples, rest) = payload.as_chunks::<2>();
    (rest.is_empty() && (1..=MAX_PAYLOAD_BYTES).contains(&payload.len())).then_some(samples.len())
}

/// An L16 decoder with its concealment.
pub struct L16Decoder {
    rate_hz: u32,
    concealment: Concealment,
}

impl L16Decoder {
    pub(super) fn new(rate_hz: u32) -> L16Decoder {
        L16Decoder {
            rate_hz,
            concealment: Concealment::new(rate_hz),
        }
    }

    pub(super) fn sample_rate_hz(&self) -> u32 {
        self.rate_hz
    }

    pub(super) fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, CodecError> {
        let samples = samples_in(payload).ok_or(CodecError::PeerSentGarbage)?;
        let out = out.get_mut(..samples).ok_or(CodecError::NoRoom)?;
        let (bytes, _) = payload.as_chunks();
        for (out, bytes) in out.iter_mut().zip(bytes) {
            *out = from_i16(i16::from_be_bytes(*bytes));
        }
        self.concealment.heard(out);
        Ok(samples)
    }

    pub(super) fn conceal(&mut self, out: &mut [f32]) {
        self.concealment.conceal(out);
    }

    /// After how many samples nothing is left to hear of a guess.
    pub(super) fn fades_in(&self) -> usize {
        self.concealment.fades_in()
    }

    pub(super) fn reset(&mut self) {
        self.concealment.reset();
    }
}

/// An L16 encoder, with a resampler where its rate is not the bridge's.
pub struct L16Encoder {
    samples: usize,
    resampler: Option<Box<Resampler>>,
}

impl L16Encoder {
    pub(super) fn new(rate_hz: u32) -> Result<L16Encoder, CodecError> {
        let ours = crate::frame::SAMPLE_RATE_HZ;
        let resampler = if rate_hz == ours {
            None
        } else {
            Some(Box::new(Resampler::new(ours, rate_hz)?))
        };
        Ok(L16Encoder {
            samples: (rate_hz / 50) as usize,
            resampler,
        })
    }

    pub(super) fn encode(
        &mut self,
        frame: &Frame,
        payload: &mut [u8],
    ) -> Result<usize, CodecError> {
        let len = 2 * self.samples;
        let payload = payload.get_mut(..len).ok_or(CodecError::NoRoom)?;
        let mut converted = [0.0; FRAME_SAMPLES];
        let samples = match &mut self.resampler {
            Some(resampler) => {
                resampler.process(frame, &mut converted);
                &converted
            }
            None => frame,
        };
        let (bytes, _) = payload.as_chunks_mut();
        for (bytes, sample) in bytes.iter_mut().zip(samples) {
            *bytes = to_i16(*sample).to_be_bytes();
        }
        Ok(len)
    }

    pub(super) fn reset(&mut self) {
        if let Some(resampler) = &mut self.resampler {
            resampler.reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_16_bit_sample_is_heard_as_it_was_said() {
        let mut encoder = L16Encoder::new(48_000).unwrap();
        let mut decoder = L16Decoder::new(48_000);
        let all: Vec<i16> = (i16::MIN..=i16::MAX).collect();
        for samples in all.chunks_exact(FRAME_SAMPLES) {
            let frame: Frame = std::array::from_fn(|n| from_i16(samples[n]));
            let mut payload = [0; MAX_PAYLOAD_BYTES];
            assert_eq!(encoder.encode(&frame, &mut payload), Ok(1_920));
            let mut heard = [0.0; FRAME_SAMPLES];
            assert_eq!(decoder.decode(&payload, &mut heard), Ok(FRAME_SAMPLES));
            assert_eq!(heard, frame);
        }
    }

    #[test]
    fn the_most_significant_byte_comes_first() {
        let mut payload = [0; MAX_PAYLOAD_BYTES];
        L16Encoder::new(48_000)
            .unwrap()
            .encode(&[from_i16(0x1234); FRAME_SAMPLES], &mut payload)
            .unwrap();
        assert_eq!(payload[..4], [0x12, 0x34, 0x12, 0x34]);
    }

    #[test]
    fn half_a_sample_is_no_payload() {
        assert_eq!(samples_in(&[]), None);
        assert_eq!(samples_in(&[1, 2, 3]), None);
        assert_eq!(samples_in(&[1, 2]), Some(1));
        assert_eq!(samples_in(&[0; MAX_PAYLOAD_BYTES]), Some(960));
        assert_eq!(samples_in(&[0; MAX_PAYLOAD_BYTES + 2]), None);
    }
}
