//! One stream of payloads: an encoder that rests while there is nothing to hear.

use tutti_model::{Codec, Format};

use crate::codec::{CodecError, Encoder, EncoderSettings, MAX_PAYLOAD_BYTES};
use crate::frame::Frame;

/// A sample below this is silent in every codec: −110 dBFS.
const SILENT: f32 = 3e-6;

/// Silent frames that are encoded before the encoder rests: by then Opus and G.722 say nothing new.
const SETTLING: u32 = 12;

/// How often silence is described to a peer that wants nothing else (RFC 7587 §3.1.3 has 400 ms).
const DESCRIBED_EVERY: u32 = 20;

/// What is sent for one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoded<'a> {
    Audio(&'a [u8]),
    /// Silence, described (RFC 3389).
    ComfortNoise(&'a [u8]),
    /// The peer knows what to do without.
    Nothing,
}

/// What the outlet made of the last frame, kept for whoever else wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    Audio,
    ComfortNoise,
    Nothing,
}

/// Encodes a stream of frames for a leg, or for all legs of a mix class.
///
/// It allocates nothing after construction. While frames are silent it encodes none of them: it
/// repeats what its encoder last made of silence, describes the silence once in a while to a peer
/// that asked for that, and goes on from there when somebody speaks.
pub struct Outlet {
    format: Format,
    /// What it was made with.
    settings: EncoderSettings,
    /// How hard it tries now, which may be less hard.
    complexity: u8,
    encoder: Encoder,
    payload: [u8; MAX_PAYLOAD_BYTES],
    len: usize,
    made: Made,
    /// Silent frames in a row.
    silent: u32,
}

impl Outlet {
    /// An outlet of this format that has sent nothing.
    ///
    /// # Errors
    /// When a codec cannot be set up.
    pub fn new(format: Format, settings: EncoderSettings) -> Result<Outlet, CodecError> {
        Ok(Outlet {
            format,
            settings,
            complexity: settings.complexity,
            encoder: Encoder::new(&format, settings)?,
            payload: [0; MAX_PAYLOAD_BYTES],
            len: 0,
            made: Made::Nothing,
            silent: 0,
        })
    }

    pub(crate) fn codec(&self) -> Codec {
        self.format.codec
    }

    /// Serves another format of the same codec from the next frame on.
    pub(crate) fn serve(&mut self, format: Format) -> Result<(), CodecError> {
        if format != self.format {
            self.configure(format, self.complexity)?;
        }
        Ok(())
    }

    /// Tries so hard from the next frame on, 0 to 10, but no harder than it was made to; as hard as
    /// that where nothing is said.
    pub(crate) fn set_complexity(&mut self, complexity: Option<u8>) -> Result<(), CodecError> {
        let most = self.settings.complexity;
        let complexity = complexity.map_or(most, |complexity| complexity.min(most));
        if complexity != self.complexity {
            self.configure(self.format, complexity)?;
        }
        Ok(())
    }

    /// Starts anew, as though it had encoded these frames: what comes next goes on from them.
    pub(crate) fn prime<'a>(&mut self, recent: impl Iterator<Item = &'a Frame> + Clone) {
        let is_silence = recent.clone().all(is_silent);
        // Silence leaves an encoder as it was made.
        let wanted = if is_silence { 0 } else { usize::MAX };
        self.encoder.prime(recent.take(wanted));
        self.silent = 0;
        self.len = 0;
        self.made = Made::Nothing;
    }

    /// Makes the next frame of the stream; `encodes` counts it if that took an encode.
    pub(crate) fn encode(&mut self, frame: &Frame, encodes: &mut u64) -> Result<(), CodecError> {
        self.silent = if is_silent(frame) {
            self.silent.saturating_add(1)
        } else {
            0
        };
        if self.silent > SETTLING {
            self.rest();
            return Ok(());
        }
        // Nothing of the last frame must be sent again if this one fails.
        self.made = Made::Nothing;
        *encodes += 1;
        let len = self.encoder.encode(frame, &mut self.payload)?;
        if len > 0 {
            self.len = len;
            self.made = Made::Audio;
        }
        Ok(())
    }

    /// What the last frame became.
    pub(crate) fn encoded(&self) -> Encoded<'_> {
        let payload = self.payload.get(..self.len).unwrap_or_default();
        match self.made {
            Made::Audio => Encoded::Audio(payload),
            Made::ComfortNoise => Encoded::ComfortNoise(payload),
            Made::Nothing => Encoded::Nothing,
        }
    }

    fn configure(&mut self, format: Format, complexity: u8) -> Result<(), CodecError> {
        let settings = EncoderSettings {
            complexity,
            ..self.settings
        };
        self.encoder.configure(&format, settings)?;
        (self.format, self.complexity) = (format, complexity);
        Ok(())
    }

    /// Lets a silent frame pass without encoding it.
    fn rest(&mut self) {
        let described = (self.silent - SETTLING - 1).is_multiple_of(DESCRIBED_EVERY);
        if self.format.comfort_noise {
            if self.silent == SETTLING + 1 {
                self.len = self.encoder.comfort_noise(&mut self.payload);
            }
            self.made = if described {
                Made::ComfortNoise
            } else {
                Made::Nothing
            };
        } else if self.format.dtx && !described {
            self.made = Made::Nothing;
        } else if self.len > 0 {
            self.made = Made::Audio;
        }
    }
}

/// Whether there is nothing to hear in a frame.
pub(crate) fn is_silent(frame: &Frame) -> bool {
    // Whole blocks at a time: a loop that may end at every sample is not vectorised.
    frame.chunks(64).all(|block| {
        let peak = block
            .iter()
            .fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        peak < SILENT
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::FRAME_SAMPLES;

    const SILENCE: Frame = [0.0; FRAME_SAMPLES];

    fn tone(frame: usize) -> Frame {
        std::array::from_fn(|n| {
            let t = (frame * FRAME_SAMPLES + n) as f32 / 48_000.0;
            0.2 * (std::f32::consts::TAU * 300.0 * t).sin()
        })
    }

    fn outlet(format: Format) -> Outlet {
        Outlet::new(format, EncoderSettings::default()).unwrap()
    }

    /// The payloads of a second of silence after some sound, one for each frame.
    fn silence_after_sound(outlet: &mut Outlet, encodes: &mut u64) -> Vec<Option<Vec<u8>>> {
        for frame in 0..10 {
            outlet.encode(&tone(frame), &mut 0).unwrap();
        }
        (0..100)
            .map(|_| {
                outlet.encode(&SILENCE, encodes).unwrap();
                match outlet.encoded() {
                    Encoded::Audio(payload) | Encoded::ComfortNoise(payload) => {
                        Some(payload.to_vec())
                    }
                    Encoded::Nothing => None,
                }
            })
            .collect()
    }

    #[test]
    fn a_long_silence_is_encoded_for_a_moment_only() {
        for codec in [Codec::Opus, Codec::Pcmu, Codec::Pcma] {
            let mut outlet = outlet(Format::plain(codec));
            let mut encodes = 0;
            let sent = silence_after_sound(&mut outlet, &mut encodes);
            assert_eq!(encodes, u64::from(SETTLING), "{codec:?}");
            // Every frame is sent all the same: the peer has not agreed to anything else.
            assert!(sent.iter().all(Option::is_some), "{codec:?}");
            assert_eq!(sent[20], sent[99], "{codec:?}");
        }
    }

    #[test]
    fn a_peer_that_wants_dtx_is_told_of_silence_a_few_times_a_second() {
        let format = Format {
            dtx: true,
            ..Format::plain(Codec::Opus)
        };
        let sent = silence_after_sound(&mut outlet(format), &mut 0);
        let told = sent[SETTLING as usize..].iter().flatten().count();
        assert!((4..=6).contains(&told), "{told}");
    }

    #[test]
    fn a_peer_that_takes_comfort_noise_gets_it_in_place_of_silence() {
        let format = Format {
            comfort_noise: true,
            ..Format::plain(Codec::Pcmu)
        };
        let mut outlet = outlet(format);
        let sent = silence_after_sound(&mut outlet, &mut 0);
        let described: Vec<_> = sent[SETTLING as usize..].iter().flatten().collect();
        assert!((4..=6).contains(&described.len()));
        assert!(described.iter().all(|payload| payload.len() == 1));
        outlet.encode(&tone(0), &mut 0).unwrap();
        assert!(matches!(outlet.encoded(), Encoded::Audio(payload) if payload.len() == 160));
    }

    #[test]
    fn an_outlet_that_was_eased_tries_as_hard_again_as_it_was_made_to() {
        let recent: Vec<Frame> = (0..5).map(tone).collect();
        let payloads = |outlet: &mut Outlet| -> Vec<Vec<u8>> {
            outlet.prime(recent.iter());
            let frames = 5..25;
            frames
                .map(|frame| {
                    outlet.encode(&tone(frame), &mut 0).unwrap();
                    outlet.payload[..outlet.len].to_vec()
                })
                .collect()
        };
        let usual = payloads(&mut outlet(Format::plain(Codec::Opus)));
        let mut eased = outlet(Format::plain(Codec::Opus));
        eased.set_complexity(Some(0)).unwrap();
        assert_ne!(payloads(&mut eased), usual);
        eased.set_complexity(None).unwrap();
        assert_eq!(payloads(&mut eased), usual);
        // It was never made to try harder than this.
        eased.set_complexity(Some(10)).unwrap();
        assert_eq!(payloads(&mut eased), usual);
    }

    #[test]
    fn an_outlet_serves_another_format_of_its_codec() {
        let mut outlet = outlet(Format::plain(Codec::Opus));
        let narrow = Format {
            max_bitrate_bps: Some(8_000),
            ..Format::plain(Codec::Opus)
        };
        outlet.serve(narrow).unwrap();
        let mut bytes = 0;
        for frame in 0..50 {
            outlet.encode(&tone(frame), &mut 0).unwrap();
            if let Encoded::Audio(payload) = outlet.encoded() {
                bytes += payload.len();
            }
        }
        assert!((400..1_200).contains(&bytes), "{bytes} in a second");
    }
}
