//! How does sound become payload, and payload sound?
//!
//! Live Opus runs at 16 kHz here: the voices fit, and an encoder at 48 kHz would only cost time.
//! What is encoded beforehand is encoded as real clients do it, at 48 kHz.

use opus::{Application, Bitrate, Channels};
use tutti_media::{CodecError, FRAME_SAMPLES, Frame};
use tutti_model::{Codec, Format};

use crate::g711;

/// The Opus bitrate of callers, in bits per second.
const OPUS_BITRATE_BPS: i32 = 24_000;

/// The Opus bitrate of what is encoded beforehand, in bits per second.
const RECITED_OPUS_BITRATE_BPS: i32 = 32_000;

/// How hard callers' Opus encoders try; voices of two tones gain nothing from more.
const OPUS_COMPLEXITY: i32 = 5;

/// The longest Opus packet, 120 ms (RFC 6716 §2.1.4), at our sample rate.
const LONGEST_PACKET_SAMPLES: usize = 1_920;

/// The largest payload that fits a datagram without fragments; 20 ms of linear samples at 48 kHz are
/// larger and meet no path but loopback.
const LARGEST_PAYLOAD: usize = 1_200;

/// The sample rate at which callers speak and listen in this codec.
pub fn pcm_rate_hz(codec: Codec) -> u32 {
    match codec {
        Codec::Opus | Codec::G722 | Codec::L16At16 => 16_000,
        Codec::Pcmu | Codec::Pcma => 8_000,
        Codec::L16At48 => 48_000,
    }
}

/// The sample rate of what is encoded beforehand.
pub(crate) fn recital_rate_hz(codec: Codec) -> u32 {
    match codec {
        Codec::Opus => 48_000,
        Codec::G722 | Codec::Pcmu | Codec::Pcma | Codec::L16At16 | Codec::L16At48 => {
            pcm_rate_hz(codec)
        }
    }
}

/// Why a payload could not be made or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TranscodeError {
    #[error("Opus: {0}")]
    Opus(#[from] opus::Error),
    #[error("G.722: {0}")]
    G722(#[from] CodecError),
}

/// Turns frames into payloads.
pub(crate) enum Encoder {
    Opus(opus::Encoder),
    /// The bridge's own: a second one written here would prove little.
    G722(Box<tutti_media::Encoder>),
    Pcmu,
    Pcma,
    L16,
}

impl Encoder {
    /// An encoder at the start of its stream.
    pub(crate) fn new(codec: Codec) -> Result<Encoder, TranscodeError> {
        Ok(match codec {
            Codec::Pcmu => Encoder::Pcmu,
            Codec::Pcma => Encoder::Pcma,
            Codec::L16At16 | Codec::L16At48 => Encoder::L16,
            Codec::G722 => Encoder::G722(Box::new(tutti_media::Encoder::new(
                &Format::plain(codec),
                tutti_media::EncoderSettings::default(),
            )?)),
            Codec::Opus => Encoder::Opus(opus_encoder(pcm_rate_hz(codec), OPUS_BITRATE_BPS)?),
        })
    }

    /// An encoder for frames at [`recital_rate_hz`], which says nothing in silence with `dtx`, and
    /// repeats itself against this much loss (Opus alone knows both).
    pub(crate) fn for_recital(
        codec: Codec,
        dtx: bool,
        loss_percent: u8,
    ) -> Result<Encoder, TranscodeError> {
        match codec {
            Codec::Opus => {
                let mut encoder = opus_encoder(recital_rate_hz(codec), RECITED_OPUS_BITRATE_BPS)?;
                encoder.set_dtx(dtx)?;
                encoder.set_inband_fec(loss_percent > 0)?;
                encoder.set_packet_loss_perc(i32::from(loss_percent.min(100)))?;
                Ok(Encoder::Opus(encoder))
            }
            Codec::G722 | Codec::Pcmu | Codec::Pcma | Codec::L16At16 | Codec::L16At48 => {
                Encoder::new(codec)
            }
        }
    }

    /// Replaces `payload` by the encoded frame.
    pub(crate) fn encode(
        &mut self,
        frame: &[f32],
        payload: &mut Vec<u8>,
    ) -> Result<(), TranscodeError> {
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
            Encoder::L16 => {
                payload.extend(
                    frame
                        .iter()
                        .flat_map(|sample| to_i16(*sample).to_be_bytes()),
                );
            }
            Encoder::G722(encoder) => {
                payload.resize(LARGEST_PAYLOAD, 0);
                let length = encoder.encode(&tripled(frame), payload)?;
                payload.truncate(length);
            }
            Encoder::Opus(encoder) => {
                payload.resize(LARGEST_PAYLOAD, 0);
                let length = encoder.encode_float(frame, payload)?;
                payload.truncate(length);
            }
        }
        Ok(())
    }
}

fn opus_encoder(rate_hz: u32, bitrate_bps: i32) -> Result<opus::Encoder, opus::Error> {
    let mut encoder = opus::Encoder::new(rate_hz, Channels::Mono, Application::Voip)?;
    encoder.set_bitrate(Bitrate::Bits(bitrate_bps))?;
    encoder.set_complexity(OPUS_COMPLEXITY)?;
    Ok(encoder)
}

/// A frame at 16 kHz as one at 48 kHz, by straight lines: what they bend lies above 8 kHz, and the
/// encoder takes that off again.
fn tripled(frame: &[f32]) -> Frame {
    let mut wide = [0.0; FRAME_SAMPLES];
    for (at, sample) in wide.iter_mut().enumerate() {
        let here = frame.get(at / 3).copied().unwrap_or_default();
        let next = frame.get(at / 3 + 1).copied().unwrap_or(here);
        *sample = here + (next - here) * (at % 3) as f32 / 3.0;
    }
    wide
}

/// Turns payloads into sound.
pub(crate) enum Decoder {
    Opus {
        decoder: opus::Decoder,
        last_samples: usize,
    },
    G722(Box<tutti_media::Decoder>),
    Pcmu,
    Pcma,
    L16,
}

impl Decoder {
    /// A decoder at the start of its stream.
    pub(crate) fn new(codec: Codec) -> Result<Decoder, TranscodeError> {
        Ok(match codec {
            Codec::Pcmu => Decoder::Pcmu,
            Codec::Pcma => Decoder::Pcma,
            Codec::L16At16 | Codec::L16At48 => Decoder::L16,
            Codec::G722 => Decoder::G722(Box::new(tutti_media::Decoder::new(codec)?)),
            Codec::Opus => Decoder::Opus {
                decoder: opus::Decoder::new(pcm_rate_hz(codec), Channels::Mono)?,
                last_samples: pcm_rate_hz(codec) as usize / 50,
            },
        })
    }

    /// Replaces `pcm` by the sound of a payload.
    pub(crate) fn decode(
        &mut self,
        payload: &[u8],
        pcm: &mut Vec<f32>,
    ) -> Result<(), TranscodeError> {
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
            Decoder::L16 => pcm.extend(payload.chunks_exact(2).map(|pair| match pair {
                [high, low] => to_f32(i16::from_be_bytes([*high, *low])),
                _ => 0.0,
            })),
            Decoder::G722(decoder) => {
                pcm.resize(LONGEST_PACKET_SAMPLES, 0.0);
                let samples = decoder.decode(payload, pcm)?;
                pcm.truncate(samples);
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

    /// Replaces `pcm` by what stands in for one missing packet of this many samples; Opus knows
    /// better.
    pub(crate) fn conceal(
        &mut self,
        samples: usize,
        pcm: &mut Vec<f32>,
    ) -> Result<(), TranscodeError> {
        pcm.clear();
        match self {
            Decoder::Pcmu | Decoder::Pcma | Decoder::L16 | Decoder::G722(_) => {
                pcm.resize(samples, 0.0);
            }
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
        for codec in [Codec::Opus, Codec::Pcmu, Codec::L16At16] {
            let mut decoder = Decoder::new(codec).unwrap();
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

    #[test]
    fn linear_samples_come_back_as_they_were() {
        let frame: Vec<f32> = (0..320).map(|at| (at as f32 - 160.0) / 400.0).collect();
        let (mut payload, mut pcm) = (Vec::new(), Vec::new());
        let mut encoder = Encoder::new(Codec::L16At16).unwrap();
        encoder.encode(&frame, &mut payload).unwrap();
        let mut decoder = Decoder::new(Codec::L16At16).unwrap();
        decoder.decode(&payload, &mut pcm).unwrap();
        assert_eq!(pcm.len(), frame.len());
        assert!(frame.iter().zip(&pcm).all(|(a, b)| (a - b).abs() < 1e-4));
    }
}
