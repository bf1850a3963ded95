//! Payloads to samples and back.

pub(crate) mod activity;
mod concealment;
mod g711;
mod g722;
mod l16;
mod opus;

pub use g711::Law;

use thiserror::Error;
use tutti_model::{Codec, Format};

use crate::frame::Frame;
use g711::{G711Decoder, G711Encoder};
use g722::{G722Decoder, G722Encoder};
use l16::{L16Decoder, L16Encoder};
use opus::{OpusDecoder, OpusEncoder};

/// The longest payload that is sent or received: 20 ms of L16 at 48 kHz. All others fit into an
/// Ethernet frame; this one the network cuts in two, or carries whole where its frames are large.
pub const MAX_PAYLOAD_BYTES: usize = 1_920;

/// The most audio that one packet carries, in milliseconds (RFC 6716 §2.1.4).
pub const MAX_PACKET_MS: u32 = 120;

/// The level of the comfort noise that stands for silence, in −dBov: it is hardly heard.
const COMFORT_NOISE_LEVEL: u8 = 78;

/// Why a codec did not do its work, and whose fault that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CodecError {
    #[error("the peer's payload is not audio of its codec")]
    PeerSentGarbage,
    #[error("our buffer is too small for the audio")]
    NoRoom,
    #[error("libopus refused what we asked: {0}")]
    OpusRefused(&'static str),
    #[error("our resampler cannot convert {from_hz} Hz to {to_hz} Hz")]
    UnsupportedRates { from_hz: u32, to_hz: u32 },
}

/// Turns payloads into samples at the codec's own rate, and invents those that are missing.
///
/// What comes out is finite, whatever went in. It allocates nothing after construction.
pub enum Decoder {
    Opus(OpusDecoder),
    G711(G711Decoder),
    G722(Box<G722Decoder>),
    L16(L16Decoder),
}

impl Decoder {
    /// A decoder that has heard nothing.
    ///
    /// # Errors
    /// When libopus cannot be set up.
    pub fn new(codec: Codec) -> Result<Decoder, CodecError> {
        Ok(match codec {
            Codec::Opus => Decoder::Opus(OpusDecoder::new()?),
            Codec::Pcmu => Decoder::G711(G711Decoder::new(Law::Mu)),
            Codec::Pcma => Decoder::G711(G711Decoder::new(Law::A)),
            Codec::G722 => Decoder::G722(Box::new(G722Decoder::new())),
            Codec::L16At16 | Codec::L16At48 => Decoder::L16(L16Decoder::new(codec.sample_rate())),
        })
    }

    /// Samples in a second of what comes out. The RTP clock runs at the same rate, but for G.722's at
    /// half of it ([`Codec::clock_rate`]).
    pub fn sample_rate_hz(&self) -> u32 {
        match self {
            Decoder::Opus(_) => opus::SAMPLE_RATE_HZ,
            Decoder::G711(_) => g711::SAMPLE_RATE_HZ,
            Decoder::G722(_) => g722::SAMPLE_RATE_HZ,
            Decoder::L16(decoder) => decoder.sample_rate_hz(),
        }
    }

    /// Decodes a payload to the front of `out`; returns how many samples it was.
    ///
    /// # Errors
    /// When the payload is not audio of this codec, or `out` is shorter than its audio.
    pub fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, CodecError> {
        match self {
            Decoder::Opus(decoder) => decoder.decode(payload, out),
            Decoder::G711(decoder) => decoder.decode(payload, out),
            Decoder::G722(decoder) => decoder.decode(payload, out),
            Decoder::L16(decoder) => decoder.decode(payload, out),
        }
    }

    /// Fills `out` with what was lost just before `next`, where that packet says it (in-band FEC);
    /// false, and nothing is changed, where it does not.
    pub fn decode_fec(&mut self, next: &[u8], out: &mut [f32]) -> bool {
        match self {
            Decoder::Opus(decoder) => decoder.decode_fec(next, out),
            Decoder::G711(_) | Decoder::G722(_) | Decoder::L16(_) => false,
        }
    }

    /// Fills `out` with a guess at what is missing, which fades away as it goes on.
    pub fn conceal(&mut self, out: &mut [f32]) {
        match self {
            Decoder::Opus(decoder) => decoder.conceal(out),
            Decoder::G711(decoder) => decoder.conceal(out),
            Decoder::G722(decoder) => decoder.conceal(out),
            Decoder::L16(decoder) => decoder.conceal(out),
        }
    }

    /// After how many samples in a row nothing worth hearing is left of a guess.
    pub fn conceals_for(&self) -> usize {
        match self {
            Decoder::Opus(_) => opus::MAX_PACKET_SAMPLES,
            Decoder::G711(decoder) => decoder.fades_in(),
            Decoder::G722(decoder) => decoder.fades_in(),
            Decoder::L16(decoder) => decoder.fades_in(),
        }
    }

    /// Whether a payload says that its sender is silent, so that none may follow for a while (DTX).
    pub fn announces_pause(&self, payload: &[u8]) -> bool {
        match self {
            Decoder::Opus(_) => opus::announces_pause(payload),
            Decoder::G711(_) | Decoder::G722(_) | Decoder::L16(_) => false,
        }
    }

    /// Forgets what was heard: another source speaks now.
    pub fn reset(&mut self) {
        match self {
            Decoder::Opus(decoder) => decoder.reset(),
            Decoder::G711(decoder) => decoder.reset(),
            Decoder::G722(decoder) => decoder.reset(),
            Decoder::L16(decoder) => decoder.reset(),
        }
    }
}

/// How many samples a payload stands for at the codec's own rate, if it is audio of this codec.
pub fn samples_in(codec: Codec, payload: &[u8]) -> Option<usize> {
    match codec {
        Codec::Opus => opus::samples_in(payload),
        Codec::Pcmu | Codec::Pcma => g711::samples_in(payload),
        Codec::G722 => g722::samples_in(payload),
        Codec::L16At16 | Codec::L16At48 => l16::samples_in(payload),
    }
}

/// How much encoding may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EncoderSettings {
    /// 0 to 10: how hard Opus tries.
    pub complexity: u8,
    /// What Opus aims at, unless the peer wants less.
    pub bitrate_bps: u32,
}

impl Default for EncoderSettings {
    fn default() -> EncoderSettings {
        EncoderSettings {
            complexity: 5,
            bitrate_bps: 32_000,
        }
    }
}

/// Turns frames into payloads. It allocates nothing after construction.
pub enum Encoder {
    Opus(OpusEncoder),
    G711(G711Encoder),
    G722(G722Encoder),
    L16(L16Encoder),
}

impl Encoder {
    /// An encoder of this format that has heard nothing.
    ///
    /// # Errors
    /// When a library cannot be set up.
    pub fn new(format: &Format, settings: EncoderSettings) -> Result<Encoder, CodecError> {
        Ok(match format.codec {
            Codec::Opus => Encoder::Opus(OpusEncoder::new(format, settings)?),
            Codec::Pcmu => Encoder::G711(G711Encoder::new(Law::Mu)?),
            Codec::Pcma => Encoder::G711(G711Encoder::new(Law::A)?),
            Codec::G722 => Encoder::G722(G722Encoder::new()?),
            Codec::L16At16 | Codec::L16At48 => {
                Encoder::L16(L16Encoder::new(format.codec.sample_rate())?)
            }
        })
    }

    /// Encodes as this format asks from the next frame on; it must be of the encoder's codec.
    ///
    /// # Errors
    /// When libopus refuses it.
    pub fn configure(
        &mut self,
        format: &Format,
        settings: EncoderSettings,
    ) -> Result<(), CodecError> {
        match self {
            Encoder::Opus(encoder) => encoder.configure(format, settings),
            Encoder::G711(_) | Encoder::G722(_) | Encoder::L16(_) => Ok(()),
        }
    }

    /// Encodes a frame to the front of `payload`; returns the length, or 0 for a frame of a silence
    /// that need not be sent (DTX).
    ///
    /// # Errors
    /// When `payload` is too short, or libopus fails.
    pub fn encode(&mut self, frame: &Frame, payload: &mut [u8]) -> Result<usize, CodecError> {
        match self {
            Encoder::Opus(encoder) => encoder.encode(frame, payload),
            Encoder::G711(encoder) => encoder.encode(frame, payload),
            Encoder::G722(encoder) => encoder.encode(frame, payload),
            Encoder::L16(encoder) => encoder.encode(frame, payload),
        }
    }

    /// Describes silence in place of encoding it (RFC 3389 §3); returns the length, or 0 where there
    /// is no room for it.
    pub fn comfort_noise(&self, payload: &mut [u8]) -> usize {
        match payload.first_mut() {
            Some(level) => {
                *level = COMFORT_NOISE_LEVEL;
                1
            }
            None => 0,
        }
    }

    /// Starts anew, as though it had encoded these frames: what comes next goes on from them.
    pub fn prime<'a>(&mut self, recent: impl Iterator<Item = &'a Frame>) {
        match self {
            Encoder::Opus(encoder) => encoder.reset(),
            Encoder::G711(encoder) => encoder.reset(),
            Encoder::G722(encoder) => encoder.reset(),
            Encoder::L16(encoder) => encoder.reset(),
        }
        let mut unsent = [0; MAX_PAYLOAD_BYTES];
        for frame in recent {
            // A failure here repeats itself where it is reported: at the next frame.
            let _ = self.encode(frame, &mut unsent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FRAME_SAMPLES, rms};

    fn tone(frame: usize) -> Frame {
        std::array::from_fn(|n| {
            let t = (frame * FRAME_SAMPLES + n) as f32 / 48_000.0;
            0.3 * (std::f32::consts::TAU * 440.0 * t).sin()
        })
    }

    const CODECS: [Codec; 6] = [
        Codec::Opus,
        Codec::G722,
        Codec::Pcmu,
        Codec::Pcma,
        Codec::L16At16,
        Codec::L16At48,
    ];

    fn formats() -> [Format; 6] {
        CODECS.map(Format::plain)
    }

    #[test]
    fn a_tone_is_heard_as_loud_as_it_was_said() {
        for format in formats() {
            let mut encoder = Encoder::new(&format, EncoderSettings::default()).unwrap();
            let mut decoder = Decoder::new(format.codec).unwrap();
            let samples = decoder.sample_rate_hz() as usize / 50;
            let mut payload = [0; MAX_PAYLOAD_BYTES];
            let mut out = vec![0.0; samples];
            for frame in 0..50 {
                let len = encoder.encode(&tone(frame), &mut payload).unwrap();
                assert_eq!(samples_in(format.codec, &payload[..len]), Some(samples));
                assert_eq!(decoder.decode(&payload[..len], &mut out), Ok(samples));
            }
            let level = rms(&out) / rms(&tone(0));
            assert!((0.9..1.1).contains(&level), "{format:?}: {level}");
        }
    }

    #[test]
    fn a_primed_encoder_goes_on_like_the_one_it_follows() {
        for format in formats() {
            let mut class = Encoder::new(&format, EncoderSettings::default()).unwrap();
            let mut own = Encoder::new(&format, EncoderSettings::default()).unwrap();
            let mut decoder = Decoder::new(format.codec).unwrap();
            let mut payload = [0; MAX_PAYLOAD_BYTES];
            let mut out = vec![0.0; decoder.sample_rate_hz() as usize / 50];
            for frame in 0..20 {
                let len = class.encode(&tone(frame), &mut payload).unwrap();
                decoder.decode(&payload[..len], &mut out).unwrap();
            }
            let before = rms(&out);
            // It was busy with something else.
            for frame in 0..10 {
                own.encode(&tone(7 * frame), &mut payload).unwrap();
            }
            let recent: Vec<Frame> = (15..20).map(tone).collect();
            own.prime(recent.iter());
            for frame in 20..25 {
                let last = *out.last().unwrap();
                let len = own.encode(&tone(frame), &mut payload).unwrap();
                decoder.decode(&payload[..len], &mut out).unwrap();
                assert!(
                    (rms(&out) / before - 1.0).abs() < 0.1,
                    "{format:?} frame {frame}"
                );
                // The steepest step of this tone at 8 kHz is 0.1.
                assert!(
                    (out[0] - last).abs() < 0.12,
                    "{format:?} frame {frame} clicks"
                );
            }
        }
    }

    #[test]
    fn a_payload_without_room_is_refused() {
        for format in formats() {
            let mut encoder = Encoder::new(&format, EncoderSettings::default()).unwrap();
            assert!(encoder.encode(&tone(0), &mut []).is_err());
            let mut payload = [0; MAX_PAYLOAD_BYTES];
            let len = encoder.encode(&tone(0), &mut payload).unwrap();
            let mut decoder = Decoder::new(format.codec).unwrap();
            assert!(decoder.decode(&payload[..len], &mut [0.0; 7]).is_err());
        }
    }

    #[test]
    fn garbage_is_refused_or_becomes_finite_samples() {
        let mut seed = 1_u32;
        let mut random = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) as u8
        };
        for codec in CODECS {
            let mut decoder = Decoder::new(codec).unwrap();
            let mut out = vec![0.0; (decoder.sample_rate_hz() * MAX_PACKET_MS / 1_000) as usize];
            for round in 0..5_000 {
                let len = usize::from(random()) * usize::from(random() % 5);
                let payload: Vec<u8> = (0..len).map(|_| random()).collect();
                let said = samples_in(codec, &payload);
                let heard = decoder.decode(&payload, &mut out);
                if let Ok(samples) = heard {
                    assert_eq!(said, Some(samples), "round {round}");
                }
                decoder.conceal(&mut out[..120]);
                assert!(out.iter().all(|sample| sample.is_finite()), "round {round}");
            }
        }
    }
}
