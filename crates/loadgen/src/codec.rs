//! How does sound become payload, and payload sound?
//!
//! Opus runs at 16 kHz here: the voices fit, and an encoder at 48 kHz would only cost time.

use opus::{Application, Bitrate, Channels};
use tutti_model::Codec;

use crate::g711;

/// The Opus bitrate of callers, in bits per second.
const OPUS_BITRATE_BPS: i32 = 24_000;

/// How hard callers' Opus encoders try; voices of two tones gain nothing from more.
const OPUS_COMPLEXITY: i32 = 5;

/// The longest Opus packet, 120 ms (RFC 6716 §2.1.4), at our sample rate.
const LONGEST_PACKET_SAMPLES: usize = 1_920;

/// The largest payload that fits a datagram without fragments.
const LARGEST_PAYLOAD: usize = 1_200;

/// The sample rate at which callers speak and listen in this codec.
pub fn pcm_rate_hz(codec: Codec) -> u32 {
    match codec {
        Codec::Opus => 16_000,
        Codec::Pcmu | Codec::Pcma => 8_000,
    }
}

/// Turns frames into payloads.
pub(crate) enum Encoder {
    Opus(opus::Encoder),
    Pcmu,
    Pcma,
}

impl Encoder {
    /// An encoder at the start of its stream.
    pub(crate) fn new(codec: Codec) -> Result<Encoder, opus::Error> {
        Ok(match codec {
            Codec::Pcmu => Encoder::Pcmu,
            Codec::Pcma => Encoder::Pcma,
            Codec::Opus => {
                let mut encoder =
                    opus::Encoder::new(pcm_rate_hz(codec), Channels::Mono, Application::Voip)?;
                encoder.set_bitrate(Bitrate::Bits(OPUS_BITRATE_BPS))?;
                encoder.set_complexity(OPUS_COMPLEXITY)?;
                Encoder::Opus(encoder)
            }
        })
    }

    /// Replaces `payload` by the encoded frame.
    pub(crate) fn encode(
        &mut self,
        frame: &[f32],
        payload: &mut Vec<u8>,
    ) -> Result<(), opus::Error> {
        payload.clear();
        match self {
            Encoder::Pcmu => payload.extend(
                frame
                    .iter()
                    .map(|sample| g711::mu_law_encode(to_i16(*sample))),
            ),
            Encoder::Pcma => payload.extend(
                frame
                    .iter()
                    .map(|sample| g711::a_law_encode(to_i16(*sample))),
            ),
            Encoder::Opus(encoder) => {
                payload.resize(LARGEST_PAYLOAD, 0);
                let length = encoder.encode_float(frame, payload)?;
                payload.truncate(length);
            }
        }
        Ok(())
    }
}

/// Turns payloads into sound.
pub(crate) enum Decoder {
    Opus {
        decoder: opus::Decoder,
        last_samples: usize,
    },
    Pcmu,
    Pcma,
}

impl Decoder {
    /// A decoder at the start of its stream.
    pub(crate) fn new(codec: Codec) -> Result<Decoder, opus::Error> {
        Ok(match codec {
            Codec::Pcmu => Decoder::Pcmu,
            Codec::Pcma => Decoder::Pcma,
            Codec::Opus => Decoder::Opus {
                decoder: opus::Decoder::new(pcm_rate_hz(codec), Channels::Mono)?,
                last_samples: pcm_rate_hz(codec) as usize / 50,
            },
        })
    }

    /// Replaces `pcm` by the sound of a payload.
    pub(crate) fn decode(&mut self, payload: &[u8], pcm: &mut Vec<f32>) -> Result<(), opus::Error> {
        pcm.clear();
        match self {
            Decoder::Pcmu => pcm.extend(
                payload
                    .iter()
                    .map(|byte| to_f32(g711::mu_law_decode(*byte))),
            ),
            Decoder::Pcma => {
                pcm.extend(payload.iter().map(|byte| to_f32(g711::a_law_decode(*byte))));
            }
            Decoder::Opus {
                decoder,
                last_samples,
            } => {
                pcm.resize(LONGEST_PACKET_SAMPLES, 0.0);
                let samples = decoder.decode_float(payload, pcm, false)?;
                pcm.truncate(samples);
                *last_samples = samples;
            }
        }
        Ok(())
    }

    /// Replaces `pcm` by what stands in for one missing packet of this many G.711 samples.
    pub(crate) fn conceal(
        &mut self,
        g711_samples: usize,
        pcm: &mut Vec<f32>,
    ) -> Result<(), opus::Error> {
        pcm.clear();
        match self {
            Decoder::Pcmu | Decoder::Pcma => pcm.resize(g711_samples, 0.0),
            Decoder::Opus {
                decoder,
                last_samples,
            } => {
                pcm.resize(*last_samples, 0.0);
                let samples = decoder.decode_float(&[], pcm, false)?;
                pcm.truncate(samples);
            }
        }
        Ok(())
    }
}

/// 16-bit linear from a sample where 1.0 is full scale.
pub(crate) fn to_i16(sample: f32) -> i16 {
    (sample * 32_767.0).round().clamp(-32_768.0, 32_767.0) as i16
}

fn to_f32(sample: i16) -> f32 {
    f32::from(sample) / 32_768.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_from_a_peer_is_an_error_or_sound_and_never_a_panic() {
        let mut pcm = Vec::new();
        let mut decoder = Decoder::new(Codec::Opus).unwrap();
        for length in 0..40_usize {
            let payload: Vec<u8> = (0..length)
                .map(|at| (at * 167 + length * 31) as u8)
                .collect();
            let _ = decoder.decode(&payload, &mut pcm);
            assert!(pcm.len() <= LONGEST_PACKET_SAMPLES);
        }
        decoder.conceal(160, &mut pcm).unwrap();
        assert!(!pcm.is_empty() && pcm.len() <= LONGEST_PACKET_SAMPLES);
    }

    #[test]
    fn a_missing_g711_packet_is_silence_of_its_length() {
        let mut pcm = vec![1.0];
        Decoder::new(Codec::Pcma)
            .unwrap()
            .conceal(160, &mut pcm)
            .unwrap();
        assert_eq!(pcm, [0.0; 160]);
    }
}
