//! Opus (RFC 6716, RFC 7587) at 48 kHz, mono, by libopus.

use ::opus::packet::{get_nb_samples, get_samples_per_frame};
use ::opus::{Application, Bandwidth, Bitrate, Channels, Error};
use tutti_model::Format;

use super::{CodecError, EncoderSettings, MAX_PACKET_MS};
use crate::frame::Frame;

pub(super) const SAMPLE_RATE_HZ: u32 = crate::frame::SAMPLE_RATE_HZ;

/// libopus conceals in steps of 2.5 ms.
const STEP_SAMPLES: usize = 120;

pub(super) const MAX_PACKET_SAMPLES: usize = (SAMPLE_RATE_HZ / 1_000 * MAX_PACKET_MS) as usize;

/// The loss that FEC is made for; more redundancy costs more of the bitrate.
const EXPECTED_LOSS_PERCENT: i32 = 10;

/// The bitrates that RFC 7587 §7.1 allows a peer to ask for.
const BITRATES_BPS: std::ops::RangeInclusive<u32> = 6_000..=510_000;

/// The samples that a payload stands for; a stereo payload stands for as many.
pub(super) fn samples_in(payload: &[u8]) -> Option<usize> {
    if payload.is_empty() {
        return None;
    }
    let samples = get_nb_samples(payload, SAMPLE_RATE_HZ).ok()?;
    (1..=MAX_PACKET_SAMPLES)
        .contains(&samples)
        .then_some(samples)
}

/// An Opus decoder; it mixes a peer's stereo down.
pub struct OpusDecoder(::opus::Decoder);

impl OpusDecoder {
    pub(super) fn new() -> Result<OpusDecoder, CodecError> {
        Ok(OpusDecoder(::opus::Decoder::new(
            SAMPLE_RATE_HZ,
            Channels::Mono,
        )?))
    }

    pub(super) fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, CodecError> {
        let samples = samples_in(payload).ok_or(CodecError::PeerSentGarbage)?;
        let out = out.get_mut(..samples).ok_or(CodecError::NoRoom)?;
        match self.0.decode_float(payload, out, false) {
            Ok(decoded) if decoded == samples => {
                silence_what_is_no_number(out);
                Ok(samples)
            }
            Ok(_) | Err(_) => Err(CodecError::PeerSentGarbage),
        }
    }

    pub(super) fn decode_fec(&mut self, next: &[u8], out: &mut [f32]) -> bool {
        let Some(frame) = carries_fec(next) else {
            return false;
        };
        if out.len() < frame || !out.len().is_multiple_of(STEP_SAMPLES) {
            return false;
        }
        // What is missing before the frame that FEC describes, libopus conceals.
        let decoded = out.len() <= MAX_PACKET_SAMPLES
            && self
                .0
                .decode_float(next, out, true)
                .is_ok_and(|decoded| decoded == out.len());
        silence_what_is_no_number(out);
        decoded
    }

    pub(super) fn conceal(&mut self, out: &mut [f32]) {
        for out in out.chunks_mut(MAX_PACKET_SAMPLES) {
            let whole = out.len() / STEP_SAMPLES * STEP_SAMPLES;
            let (steps, rest) = out.split_at_mut(whole);
            if steps.is_empty() || self.0.decode_float(&[], steps, false).is_err() {
                steps.fill(0.0);
            }
            if !rest.is_empty() {
                let mut step = [0.0; STEP_SAMPLES];
                if self.0.decode_float(&[], &mut step, false).is_err() {
                    step.fill(0.0);
                }
                for (rest, step) in rest.iter_mut().zip(step) {
                    *rest = step;
                }
            }
            silence_what_is_no_number(out);
        }
    }

    pub(super) fn reset(&mut self) {
        // libopus knows no reason to refuse this.
        let _ = self.0.reset_state();
    }
}

/// An Opus encoder for voices.
pub struct OpusEncoder {
    encoder: ::opus::Encoder,
    dtx: bool,
}

impl OpusEncoder {
    pub(super) fn new(
        format: &Format,
        settings: EncoderSettings,
    ) -> Result<OpusEncoder, CodecError> {
        let encoder = ::opus::Encoder::new(SAMPLE_RATE_HZ, Channels::Mono, Application::Voip)?;
        let mut encoder = OpusEncoder {
            encoder,
            dtx: format.dtx,
        };
        encoder.configure(format, settings)?;
        Ok(encoder)
    }

    /// Encodes as this format asks from the next frame on.
    pub(super) fn configure(
        &mut self,
        format: &Format,
        settings: EncoderSettings,
    ) -> Result<(), CodecError> {
        let encoder = &mut self.encoder;
        let bitrate_bps = settings
            .bitrate_bps
            .min(format.max_bitrate_bps.unwrap_or(u32::MAX))
            .clamp(*BITRATES_BPS.start(), *BITRATES_BPS.end());
        encoder.set_bitrate(Bitrate::Bits(bitrate_bps as i32))?;
        encoder.set_complexity(i32::from(settings.complexity.min(10)))?;
        encoder.set_inband_fec(format.fec)?;
        let loss_percent = if format.fec { EXPECTED_LOSS_PERCENT } else { 0 };
        encoder.set_packet_loss_perc(loss_percent)?;
        encoder.set_dtx(format.dtx)?;
        encoder.set_vbr(!format.cbr)?;
        encoder.set_max_bandwidth(bandwidth(format.max_playback_hz))?;
        self.dtx = format.dtx;
        Ok(())
    }

    pub(super) fn encode(
        &mut self,
        frame: &Frame,
        payload: &mut [u8],
    ) -> Result<usize, CodecError> {
        if payload.is_empty() {
            return Err(CodecError::NoRoom);
        }
        let len = self.encoder.encode_float(frame, payload)?;
        // Two bytes or less stand for a frame that need not be sent.
        Ok(if self.dtx && len <= 2 { 0 } else { len })
    }

    pub(super) fn reset(&mut self) {
        // libopus knows no reason to refuse this.
        let _ = self.encoder.reset_state();
    }
}

/// What a peer hears that plays no more than this rate (RFC 7587 §3.1.1).
fn bandwidth(max_playback_hz: Option<u32>) -> Bandwidth {
    match max_playback_hz.unwrap_or(u32::MAX) {
        0..12_000 => Bandwidth::Narrowband,
        12_000..16_000 => Bandwidth::Mediumband,
        16_000..24_000 => Bandwidth::Wideband,
        24_000..48_000 => Bandwidth::Superwideband,
        48_000.. => Bandwidth::Fullband,
    }
}

impl From<Error> for CodecError {
    fn from(error: Error) -> CodecError {
        CodecError::OpusRefused(error.description())
    }
}

fn silence_what_is_no_number(samples: &mut [f32]) {
    // One sum finds what is almost never there; infinities of both signs make it no number, too.
    if !samples.iter().sum::<f32>().is_finite() {
        for sample in samples.iter_mut().filter(|sample| !sample.is_finite()) {
            *sample = 0.0;
        }
    }
}

/// Whether a packet describes the frame before it (RFC 6716 §4.2.4); if so, that frame's samples.
fn carries_fec(packet: &[u8]) -> Option<usize> {
    let flags = SilkFlags::of(packet)?;
    let fec = flags.bit(flags.parts) || (flags.stereo && flags.bit(2 * flags.parts + 1));
    fec.then_some(flags.frame)
}

/// Whether a packet says that its sender is silent, so that none may follow for a while (DTX).
pub(super) fn announces_pause(packet: &[u8]) -> bool {
    // Two bytes or less hold no sound at all.
    packet.len() <= 2
        || SilkFlags::of(packet).is_some_and(|flags| (0..flags.parts).all(|part| !flags.bit(part)))
}

/// How a SILK frame begins (RFC 6716 §4.2.3): for each channel a voice flag for each 20 ms, and then
/// the FEC flag.
struct SilkFlags {
    /// The first frame's first byte.
    first: u8,
    /// How many pieces of 20 ms a frame has.
    parts: u32,
    stereo: bool,
    /// The samples of a frame.
    frame: usize,
}

impl SilkFlags {
    /// The first frame's flags. Packets with a coded number of frames are not looked into: they are
    /// rare, and their flags are not worth the walk.
    fn of(packet: &[u8]) -> Option<SilkFlags> {
        let (toc, rest) = packet.split_first()?;
        let is_celt = toc & 0x80 != 0;
        if is_celt {
            return None;
        }
        let first_frame = match (toc & 0x03, rest) {
            (0 | 1, rest) => rest,
            (2, [0..=251, rest @ ..] | [252..=255, _, rest @ ..]) => rest,
            _ => return None,
        };
        let frame = get_samples_per_frame(packet, SAMPLE_RATE_HZ).ok()?;
        Some(SilkFlags {
            first: *first_frame.first()?,
            parts: (frame / 960).max(1) as u32,
            stereo: toc & 0x04 != 0,
            frame,
        })
    }

    fn bit(&self, number: u32) -> bool {
        7_u32
            .checked_sub(number)
            .is_some_and(|shift| (self.first >> shift) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use tutti_model::Codec;

    use super::*;
    use crate::frame::{FRAME_SAMPLES, rms};

    /// Something like a voice: syllables of harmonics whose pitch wanders.
    fn voice(frame: usize) -> Frame {
        std::array::from_fn(|n| {
            let t = (frame * FRAME_SAMPLES + n) as f32 / 48_000.0;
            let phase = std::f32::consts::TAU * (140.0 * t + 2.0 * (3.0 * t).sin());
            let syllable = (std::f32::consts::TAU * 2.0 * t).sin().max(0.0).sqrt();
            (1..=20)
                .map(|k| syllable * 0.2 / k as f32 * (k as f32 * phase).sin())
                .sum()
        })
    }

    fn packets(format: &Format, frames: usize) -> Vec<Vec<u8>> {
        let settings = EncoderSettings {
            bitrate_bps: 24_000,
            ..EncoderSettings::default()
        };
        encoded(&mut OpusEncoder::new(format, settings).unwrap(), frames)
    }

    fn encoded(encoder: &mut OpusEncoder, frames: usize) -> Vec<Vec<u8>> {
        (0..frames)
            .map(|frame| {
                let mut payload = vec![0; 1_275];
                let len = encoder.encode(&voice(frame), &mut payload).unwrap();
                payload.truncate(len);
                payload
            })
            .collect()
    }

    fn with_fec() -> Format {
        Format {
            fec: true,
            ..Format::plain(Codec::Opus)
        }
    }

    /// The error against an undisturbed decoder, in parts of the signal's level, where a frame is lost
    /// and the next one describes it.
    fn error_of_lost(packets: &[Vec<u8>], use_fec: bool) -> f32 {
        let (mut clean, mut lossy) = (OpusDecoder::new().unwrap(), OpusDecoder::new().unwrap());
        let (mut ideal, mut heard) = ([0.0; 960], [0.0; 960]);
        let (mut errors, mut count) = (0.0, 0);
        let mut since_loss = 0;
        for (n, packet) in packets.iter().enumerate() {
            clean.decode(packet, &mut ideal).unwrap();
            since_loss += 1;
            let next = packets
                .get(n + 1)
                .filter(|next| carries_fec(next).is_some());
            let Some(next) = next.filter(|_| since_loss > 8) else {
                lossy.decode(packet, &mut heard).unwrap();
                continue;
            };
            since_loss = 0;
            if !use_fec || !lossy.decode_fec(next, &mut heard) {
                lossy.conceal(&mut heard);
            }
            let error: Vec<f32> = ideal.iter().zip(&heard).map(|(a, b)| a - b).collect();
            errors += rms(&error) / rms(&ideal);
            count += 1;
        }
        errors / count as f32
    }

    #[test]
    fn fec_repairs_what_concealment_only_guesses() {
        let packets = packets(&with_fec(), 400);
        let carrying = packets
            .iter()
            .filter(|packet| carries_fec(packet).is_some())
            .count();
        assert!(carrying > 100, "{carrying} of 400 packets carry FEC");
        let (repaired, guessed) = (
            error_of_lost(&packets, true),
            error_of_lost(&packets, false),
        );
        assert!(
            repaired < guessed * 0.8,
            "repaired {repaired}, guessed {guessed}"
        );
    }

    #[test]
    fn without_fec_nothing_claims_to_be_repaired() {
        let packets = packets(&Format::plain(Codec::Opus), 50);
        let mut decoder = OpusDecoder::new().unwrap();
        assert!(
            packets
                .iter()
                .all(|packet| !decoder.decode_fec(packet, &mut [0.0; 960]))
        );
    }

    #[test]
    fn the_bitrate_is_no_more_than_the_peer_wants() {
        let sizes = [None, Some(12_000)].map(|max_bitrate_bps| {
            let format = Format {
                max_bitrate_bps,
                ..Format::plain(Codec::Opus)
            };
            packets(&format, 200).iter().map(Vec::len).sum::<usize>()
        });
        let bits_per_second = sizes.map(|bytes| bytes * 8 / 4);
        assert!(
            (12_000..28_000).contains(&bits_per_second[0]),
            "{bits_per_second:?}"
        );
        assert!(
            (5_000..12_500).contains(&bits_per_second[1]),
            "{bits_per_second:?}"
        );
    }

    #[test]
    fn with_dtx_a_silence_is_seldom_sent() {
        let format = Format {
            dtx: true,
            ..Format::plain(Codec::Opus)
        };
        let mut encoder = OpusEncoder::new(&format, EncoderSettings::default()).unwrap();
        let mut payload = [0; 1_275];
        let sent = (0..500)
            .filter(|_| encoder.encode(&[0.0; FRAME_SAMPLES], &mut payload).unwrap() > 0)
            .count();
        assert!((1..100).contains(&sent), "{sent} of 500 frames sent");
    }

    fn widest_of(packets: &[Vec<u8>]) -> ::opus::Bandwidth {
        packets
            .iter()
            .map(|packet| ::opus::packet::get_bandwidth(packet).unwrap())
            .max_by_key(|bandwidth| *bandwidth as i32)
            .unwrap()
    }

    #[test]
    fn nothing_is_sent_that_the_peer_does_not_play() {
        use ::opus::Bandwidth::*;
        for (max_playback_hz, widest) in [
            (Some(8_000), Narrowband),
            (Some(12_000), Mediumband),
            (Some(16_000), Wideband),
            (Some(24_000), Superwideband),
            (Some(48_000), Fullband),
            (None, Fullband),
        ] {
            let format = Format {
                max_playback_hz,
                ..Format::plain(Codec::Opus)
            };
            let settings = EncoderSettings {
                bitrate_bps: 64_000,
                ..EncoderSettings::default()
            };
            let mut encoder = OpusEncoder::new(&format, settings).unwrap();
            let packets = encoded(&mut encoder, 50);
            assert_eq!(widest_of(&packets), widest, "{max_playback_hz:?}");
        }
    }

    #[test]
    fn a_peer_that_wants_packets_of_one_size_gets_them() {
        let format = Format {
            cbr: true,
            ..Format::plain(Codec::Opus)
        };
        let sizes: Vec<usize> = packets(&format, 100).iter().map(Vec::len).collect();
        assert!(sizes.iter().all(|size| *size == 60), "{sizes:?}");
    }

    /// What becomes of a voice after a silence in which, past `encoded` frames, the last payload was
    /// sent again `repeated` times: the loudest sample of the repeats; and the errors of the frames
    /// after, against the voice itself, as this encoder and one that never stopped make them.
    fn after_repeats(format: &Format, encoded: usize, repeated: usize) -> (f32, [[f32; 2]; 6]) {
        let quiet = [0.0; FRAME_SAMPLES];
        let mut errors = [[0.0; 2]; 6];
        let mut loudest = 0.0_f32;
        for (column, rests) in [true, false].into_iter().enumerate() {
            let mut encoder = OpusEncoder::new(format, EncoderSettings::default()).unwrap();
            let lookahead = encoder.encoder.get_lookahead().unwrap() as usize;
            let mut decoder = OpusDecoder::new().unwrap();
            let (mut said, mut heard) = (Vec::new(), Vec::new());
            let mut payload = [0; 1_275];
            let mut len = 0;
            let silent = 60..60 + encoded + repeated;
            for frame in 0..silent.end + 8 {
                let is_silent = silent.contains(&frame);
                // Both go on with the same syllable.
                let sound = match frame.checked_sub(silent.end) {
                    Some(frame) => voice(2 + frame),
                    None if is_silent => quiet,
                    None => voice(frame),
                };
                let repeats = rests && is_silent && frame >= silent.start + encoded;
                if !repeats {
                    len = encoder.encode(&sound, &mut payload).unwrap();
                }
                let mut out = [0.0; FRAME_SAMPLES];
                decoder.decode(&payload[..len], &mut out).unwrap();
                if repeats {
                    loudest = loudest.max(crate::frame::peak(&out));
                }
                said.extend(sound);
                heard.extend(out);
            }
            for (n, errors) in errors.iter_mut().enumerate() {
                let begin = (silent.end + n) * FRAME_SAMPLES;
                let said = &said[begin..begin + FRAME_SAMPLES];
                let heard = &heard[begin + lookahead..begin + lookahead + FRAME_SAMPLES];
                let error: Vec<f32> = said.iter().zip(heard).map(|(a, b)| a - b).collect();
                errors[column] = rms(&error) / rms(said);
            }
        }
        (loudest, errors)
    }

    #[test]
    fn a_payload_of_silence_can_be_sent_again_for_as_long_as_nobody_speaks() {
        for format in [Format::plain(Codec::Opus), with_fec()] {
            for encoded in [5, 10] {
                for repeated in [1, 2, 5, 20, 50, 200] {
                    let (loudest, errors) = after_repeats(&format, encoded, repeated);
                    // −80 dBFS at its loudest sample: nothing clicks.
                    assert!(loudest < 1e-4, "{encoded}, {repeated}: {loudest}");
                    for [rested, never] in errors {
                        // No worse by more than 1.5 dB than without the pause.
                        assert!(
                            rested < never * 1.19 + 0.02,
                            "{format:?}, {encoded}, {repeated}: {errors:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_pause_is_announced_by_silence_and_not_by_a_voice() {
        let mut encoder = OpusEncoder::new(&with_fec(), EncoderSettings::default()).unwrap();
        let mut payload = [0; 1_275];
        let mut announced = |sound: fn(usize) -> Frame| {
            let mut count = 0;
            for frame in 0..100 {
                let len = encoder.encode(&sound(frame), &mut payload).unwrap();
                count += usize::from(frame >= 50 && announces_pause(&payload[..len]));
            }
            count
        };
        assert!(announced(|_| [0.0; FRAME_SAMPLES]) >= 45);
        assert!(announced(|frame| voice(frame % 10)) <= 5);
    }

    #[test]
    fn concealment_fades_and_fills_any_length() {
        let mut decoder = OpusDecoder::new().unwrap();
        let mut out = [0.0; 960];
        for packet in packets(&Format::plain(Codec::Opus), 30) {
            decoder.decode(&packet, &mut out).unwrap();
        }
        let voice = rms(&out);
        let mut long = vec![1.0; 6_000 + 7];
        decoder.conceal(&mut long);
        assert!(rms(&long[..480]) > voice * 0.3);
        decoder.conceal(&mut long);
        assert!(rms(&long) < voice * 0.1);
    }

    #[test]
    fn a_stereo_packet_is_heard_as_mono() {
        let mut encoder =
            ::opus::Encoder::new(SAMPLE_RATE_HZ, Channels::Stereo, Application::Audio).unwrap();
        let mut decoder = OpusDecoder::new().unwrap();
        let (mut payload, mut out) = ([0; 1_275], [0.0; 960]);
        for frame in 0..10 {
            let stereo: Vec<f32> = voice(frame).iter().flat_map(|s| [*s, *s]).collect();
            let len = encoder.encode_float(&stereo, &mut payload).unwrap();
            assert_eq!(decoder.decode(&payload[..len], &mut out), Ok(960));
        }
        assert!((0.7..1.3).contains(&(rms(&out) / rms(&voice(9)))));
    }

    #[test]
    fn no_payload_at_all_is_no_audio() {
        assert_eq!(samples_in(&[]), None);
        assert_eq!(
            OpusDecoder::new().unwrap().decode(&[], &mut [0.0; 960]),
            Err(CodecError::PeerSentGarbage)
        );
    }
}
