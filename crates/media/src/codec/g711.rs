//! G.711: eight bits a sample, µ-law or A-law, at 8 kHz.

use super::concealment::Concealment;
use super::{CodecError, MAX_PACKET_MS};
use crate::frame::{FRAME_SAMPLES, Frame, from_i16, to_i16};
use crate::resampler::Resampler;

pub(super) const SAMPLE_RATE_HZ: u32 = 8_000;

/// Samples in one frame's payload.
const PAYLOAD_SAMPLES: usize = (SAMPLE_RATE_HZ / 50) as usize;

const MAX_PACKET_SAMPLES: usize = (SAMPLE_RATE_HZ / 1_000 * MAX_PACKET_MS) as usize;

/// How samples are squeezed into eight bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Law {
    Mu,
    A,
}

impl Law {
    /// The code of a sample.
    pub fn encode(self, sample: i16) -> u8 {
        match self {
            Law::Mu => encode_mu(sample),
            Law::A => encode_a(sample),
        }
    }

    /// The sample of a code.
    pub fn decode(self, code: u8) -> i16 {
        match self {
            Law::Mu => DECODED_MU[usize::from(code)],
            Law::A => DECODED_A[usize::from(code)],
        }
    }
}

/// The samples that a payload stands for.
pub(super) fn samples_in(payload: &[u8]) -> Option<usize> {
    (1..=MAX_PACKET_SAMPLES)
        .contains(&payload.len())
        .then_some(payload.len())
}

/// A G.711 decoder with its concealment.
pub struct G711Decoder {
    law: Law,
    concealment: Concealment,
}

impl G711Decoder {
    pub(super) fn new(law: Law) -> G711Decoder {
        G711Decoder {
            law,
            concealment: Concealment::new(SAMPLE_RATE_HZ),
        }
    }

    pub(super) fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, CodecError> {
        let samples = samples_in(payload).ok_or(CodecError::PeerSentGarbage)?;
        let out = out.get_mut(..samples).ok_or(CodecError::NoRoom)?;
        for (out, code) in out.iter_mut().zip(payload) {
            *out = from_i16(self.law.decode(*code));
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

/// A G.711 encoder with its resampler.
pub struct G711Encoder {
    law: Law,
    resampler: Box<Resampler>,
}

impl G711Encoder {
    pub(super) fn new(law: Law) -> Result<G711Encoder, CodecError> {
        let resampler = Resampler::new(crate::frame::SAMPLE_RATE_HZ, SAMPLE_RATE_HZ)?;
        Ok(G711Encoder {
            law,
            resampler: Box::new(resampler),
        })
    }

    pub(super) fn encode(
        &mut self,
        frame: &Frame,
        payload: &mut [u8],
    ) -> Result<usize, CodecError> {
        let payload = payload
            .get_mut(..PAYLOAD_SAMPLES)
            .ok_or(CodecError::NoRoom)?;
        let mut samples = [0.0; PAYLOAD_SAMPLES];
        debug_assert_eq!(frame.len(), FRAME_SAMPLES);
        self.resampler.process(frame, &mut samples);
        for (code, sample) in payload.iter_mut().zip(samples) {
            *code = self.law.encode(to_i16(sample));
        }
        Ok(PAYLOAD_SAMPLES)
    }

    pub(super) fn reset(&mut self) {
        self.resampler.reset();
    }
}

/// What µ-law adds so that each segment begins at a power of two.
const MU_BIAS: u16 = 33;

/// The greatest biased magnitude, of 14 bits with the sign.
const MU_CLIP: u16 = 0x1fff;

const fn encode_mu(sample: i16) -> u8 {
    let positive = sample >= 0;
    // The magnitude of a negative sample is its one's complement, as in the reference.
    let magnitude = (if positive { sample } else { !sample } as u16) >> 2;
    let biased = if magnitude > MU_CLIP - MU_BIAS {
        MU_CLIP
    } else {
        magnitude + MU_BIAS
    };
    // The bias sets bit 5 or a higher one; the highest names the segment.
    let segment = 10 - biased.leading_zeros() as u16;
    let step = (biased >> (segment + 1)) & 0x0f;
    let sign = if positive { 0x80 } else { 0 };
    // All bits are inverted on the wire, so that silence has many ones.
    sign | (!((segment << 4) | step) & 0x7f) as u8
}

const fn decode_mu(code: u8) -> i16 {
    let inverted = !code;
    let segment = (inverted >> 4) & 0x07;
    let step = (inverted & 0x0f) as i16;
    // The middle of the step, in units of 2: ((2·step + 33) << segment) − 33, and 14 bits to 16.
    let magnitude = (((2 * step + 33) << segment) - 33) << 2;
    if inverted & 0x80 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

const fn encode_a(sample: i16) -> u8 {
    let positive = sample >= 0;
    let magnitude = (if positive { sample } else { !sample } as u16) >> 4;
    let code = if magnitude < 32 {
        // The first two segments have steps of the same size.
        magnitude
    } else {
        let segment = 12 - magnitude.leading_zeros() as u16;
        (segment << 4) | ((magnitude >> (segment - 1)) & 0x0f)
    };
    let sign = if positive { 0x80 } else { 0 };
    // Every other bit is inverted on the wire.
    (sign | code as u8) ^ 0x55
}

const fn decode_a(code: u8) -> i16 {
    let code = code ^ 0x55;
    let segment = (code >> 4) & 0x07;
    let step = (code & 0x0f) as i16;
    let magnitude = if segment == 0 {
        (2 * step + 1) << 3
    } else {
        (2 * step + 33) << (segment + 2)
    };
    if code & 0x80 == 0 {
        -magnitude
    } else {
        magnitude
    }
}

const DECODED_MU: [i16; 256] = table(Law::Mu);
const DECODED_A: [i16; 256] = table(Law::A);

const fn table(law: Law) -> [i16; 256] {
    let mut samples = [0; 256];
    let mut code = 0;
    while code < 256 {
        samples[code] = match law {
            Law::Mu => decode_mu(code as u8),
            Law::A => decode_a(code as u8),
        };
        code += 1;
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    /// G.711 as its tables define it: for each segment of the positive half where it begins and how
    /// wide its 16 steps are, in the table's own units.
    const A_SEGMENTS: [(i32, i32); 8] = [
        (0, 2),
        (32, 2),
        (64, 4),
        (128, 8),
        (256, 16),
        (512, 32),
        (1_024, 64),
        (2_048, 128),
    ];
    const MU_SEGMENTS: [(i32, i32); 8] = [
        (-1, 2),
        (31, 4),
        (95, 8),
        (223, 16),
        (479, 32),
        (991, 64),
        (2_015, 128),
        (4_063, 256),
    ];

    /// The number, from 0 to 127, of the step in which a magnitude lies.
    fn step_of(segments: &[(i32, i32); 8], magnitude: i32) -> u8 {
        let mut found = 0;
        for (segment, (begin, width)) in segments.iter().enumerate() {
            for step in 0..16 {
                if magnitude >= begin + step * width {
                    found = (segment * 16) as u8 + step as u8;
                }
            }
        }
        found
    }

    #[test]
    fn every_sample_has_the_code_of_the_a_law_table() {
        for sample in i16::MIN..=i16::MAX {
            // 13 bits with the sign: the table counts in units of 8 in a 16-bit sample.
            let magnitude = (if sample >= 0 {
                i32::from(sample)
            } else {
                !i32::from(sample)
            }) >> 3;
            let sign = if sample >= 0 { 0x80 } else { 0 };
            let code = (step_of(&A_SEGMENTS, magnitude) | sign) ^ 0x55;
            assert_eq!(Law::A.encode(sample), code, "sample {sample}");
        }
    }

    #[test]
    fn every_sample_has_the_code_of_the_mu_law_table() {
        for sample in i16::MIN..=i16::MAX {
            // 14 bits with the sign.
            let magnitude = (if sample >= 0 {
                i32::from(sample)
            } else {
                !i32::from(sample)
            }) >> 2;
            let sign = if sample >= 0 { 0x80 } else { 0 };
            let code = (step_of(&MU_SEGMENTS, magnitude) ^ 0x7f) | sign;
            assert_eq!(Law::Mu.encode(sample), code, "sample {sample}");
        }
    }

    #[test]
    fn every_code_stands_for_the_middle_of_its_step() {
        for number in 0..=127_u8 {
            let (begin, width) = A_SEGMENTS[usize::from(number / 16)];
            let middle = (begin + i32::from(number % 16) * width + width / 2) * 8;
            assert_eq!(i32::from(Law::A.decode((number | 0x80) ^ 0x55)), middle);
            assert_eq!(i32::from(Law::A.decode(number ^ 0x55)), -middle);

            let (begin, width) = MU_SEGMENTS[usize::from(number / 16)];
            let middle = (begin + i32::from(number % 16) * width + width / 2) * 4;
            assert_eq!(i32::from(Law::Mu.decode((number ^ 0x7f) | 0x80)), middle);
            assert_eq!(i32::from(Law::Mu.decode(number ^ 0x7f)), -middle);
        }
    }

    #[test]
    fn known_codes_stand_for_known_samples() {
        // The greatest and the least values of ITU-T G.191's reference.
        assert_eq!(
            [0x80, 0x00, 0xff, 0x7f].map(|c| Law::Mu.decode(c)),
            [32_124, -32_124, 0, 0]
        );
        assert_eq!(
            [0xaa, 0x2a, 0xd5, 0x55].map(|c| Law::A.decode(c)),
            [32_256, -32_256, 8, -8]
        );
        assert_eq!((Law::Mu.encode(0), Law::A.encode(0)), (0xff, 0xd5));
    }

    #[test]
    fn a_decoded_sample_is_encoded_to_the_same_again() {
        for code in 0..=255 {
            for law in [Law::Mu, Law::A] {
                let sample = law.decode(code);
                assert_eq!(law.decode(law.encode(sample)), sample, "{law:?} {code:#x}");
            }
        }
    }

    #[test]
    fn too_much_audio_is_no_payload() {
        let mut decoder = G711Decoder::new(Law::Mu);
        let mut out = [0.0; 1_000];
        assert_eq!(
            decoder.decode(&[0; 961], &mut out),
            Err(CodecError::PeerSentGarbage)
        );
        assert_eq!(
            decoder.decode(&[], &mut out),
            Err(CodecError::PeerSentGarbage)
        );
        assert_eq!(decoder.decode(&[0; 960], &mut out), Ok(960));
    }
}
