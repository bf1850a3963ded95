//! From a file to samples: WAV, MP3, FLAC and Ogg Vorbis.

use std::io::Cursor;
use std::time::{Duration, Instant};

use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

use super::resample::Resampler;
use crate::egress::AudioBody;

const MAX_SECONDS: u64 = 3_600;
const MAX_CHANNELS: usize = 8;
const MIN_RATE: u32 = 1_000;
const MAX_RATE: u32 = 192_000;

/// How long one file may keep its thread.
const PATIENCE: Duration = Duration::from_secs(20);

/// Louder than full scale can be meant; louder than this is damage.
const LOUDEST: f32 = 8.0;

/// Why a file is not played.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AudioError {
    #[error("the file is empty")]
    Empty,
    #[error("the file is {what}, not audio")]
    NotAudio { what: String },
    #[error(
        "the file is of a kind that is not played (WAV, MP3, FLAC and Ogg Vorbis are): {reason}"
    )]
    UnknownKind { reason: String },
    #[error("the file is broken: {reason}")]
    Broken { reason: String },
    #[error("the file has {0} channels; at most {MAX_CHANNELS} are played")]
    TooManyChannels(usize),
    #[error("the file has {0} samples a second; {MIN_RATE} to {MAX_RATE} are played")]
    SampleRate(u32),
    #[error("the file is longer than {MAX_SECONDS} seconds")]
    TooLong,
    #[error("the file takes longer to decode than {PATIENCE:?}")]
    TooSlow,
    #[error("the file cannot be brought to 48 kHz: {reason}")]
    Unresampled { reason: String },
    #[error("the file brought its decoder down")]
    DecoderFailed,
}

/// Decodes a whole file to mono at 48 kHz; for a loop, so that its end flows into its beginning.
pub(super) fn decode(body: AudioBody, repeats: bool) -> Result<Vec<f32>, AudioError> {
    if body.bytes.is_empty() {
        return Err(AudioError::Empty);
    }
    let not_audio = what_else_it_is(&body);
    let mut reader = open(body.bytes).map_err(|error| match (error, not_audio) {
        (AudioError::UnknownKind { .. }, Some(what)) => AudioError::NotAudio { what },
        (error, _) => error,
    })?;
    let (track, mut decoder) = first_track(reader.as_ref())?;
    let samples = decode_track(reader.as_mut(), track, decoder.as_mut(), repeats)?;
    if samples.is_empty() {
        let reason = "it has no samples".to_owned();
        return Err(AudioError::Broken { reason });
    }
    Ok(samples)
}

fn open(bytes: Vec<u8>) -> Result<Box<dyn FormatReader>, AudioError> {
    let stream = MediaSourceStream::new(Box::new(Cursor::new(bytes)), Default::default());
    let probe = symphonia::default::get_probe();
    let (format, metadata) = (FormatOptions::default(), MetadataOptions::default());
    probe
        .probe(&Hint::new(), stream, format, metadata)
        .map_err(|error| match error {
            Error::Unsupported(reason) => AudioError::UnknownKind {
                reason: reason.to_owned(),
            },
            Error::IoError(_)
            | Error::DecodeError(_)
            | Error::SeekError(_)
            | Error::LimitError(_)
            | Error::ResetRequired => broken(&error),
            // The library may add kinds of errors.
            _ => broken(&error),
        })
}

/// The first track of sound, and what decodes it.
fn first_track(reader: &dyn FormatReader) -> Result<(u32, Box<dyn AudioDecoder>), AudioError> {
    let unknown = |reason: &str| AudioError::UnknownKind {
        reason: reason.to_owned(),
    };
    let track = reader
        .default_track(TrackType::Audio)
        .ok_or_else(|| unknown("it has no sound"))?;
    let parameters = track.codec_params.as_ref().and_then(|any| any.audio());
    let parameters = parameters.ok_or_else(|| unknown("its codec is not known"))?;
    let decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(|error| unknown(&error.to_string()))?;
    Ok((track.id, decoder))
}

fn decode_track(
    reader: &mut dyn FormatReader,
    track: u32,
    decoder: &mut dyn AudioDecoder,
    repeats: bool,
) -> Result<Vec<f32>, AudioError> {
    let started = Instant::now();
    let mut resampler: Option<(u32, Resampler)> = None;
    let mut interleaved = Vec::new();
    let mut mono = Vec::new();
    let mut frames: u64 = 0;
    let mut last_error = None;
    loop {
        if started.elapsed() > PATIENCE {
            return Err(AudioError::TooSlow);
        }
        let packet = match reader.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            // A file that was cut off is played as far as it goes.
            Err(error) => {
                last_error = Some(broken(&error));
                break;
            }
        };
        if packet.track_id != track {
            continue;
        }
        let decoded = match decoder.decode(&packet) {
            Ok(decoded) => decoded,
            // One bad packet is a gap, and no reason to play nothing.
            Err(error) => {
                last_error = Some(broken(&error));
                continue;
            }
        };
        let (rate, channels) = (decoded.spec().rate(), decoded.num_planes());
        if !(1..=MAX_CHANNELS).contains(&channels) {
            return Err(AudioError::TooManyChannels(channels));
        }
        if !(MIN_RATE..=MAX_RATE).contains(&rate) {
            return Err(AudioError::SampleRate(rate));
        }
        frames += decoded.frames() as u64;
        if frames > MAX_SECONDS * u64::from(rate) {
            return Err(AudioError::TooLong);
        }
        decoded.copy_to_vec_interleaved(&mut interleaved);
        mono.clear();
        mono.extend(interleaved.chunks_exact(channels).map(mixed_down));
        let (_, resampler) = match &mut resampler {
            Some((first_rate, _)) if *first_rate != rate => {
                let reason = "its sample rate changes on the way".to_owned();
                return Err(AudioError::Broken { reason });
            }
            Some(resampler) => resampler,
            None => resampler.insert((rate, Resampler::new(rate, repeats)?)),
        };
        resampler.push(&mono)?;
    }
    match (resampler, last_error) {
        (Some((_, resampler)), _) => resampler.finish(),
        (None, Some(error)) => Err(error),
        (None, None) => Ok(Vec::new()),
    }
}

/// The mean of a frame's channels, without what is no number.
fn mixed_down(frame: &[f32]) -> f32 {
    let sum: f32 = frame.iter().filter(|sample| sample.is_finite()).sum();
    (sum / frame.len() as f32).clamp(-LOUDEST, LOUDEST)
}

fn broken(error: &Error) -> AudioError {
    AudioError::Broken {
        reason: error.to_string(),
    }
}

/// What a file is that no decoder knows, where that can be told.
fn what_else_it_is(body: &AudioBody) -> Option<String> {
    let named = body
        .content_type
        .as_deref()
        .and_then(|named| named.split(';').next());
    let named = named.unwrap_or_default().trim().to_ascii_lowercase();
    if named.starts_with("text/") || named == "application/json" || named == "application/xml" {
        return Some(named);
    }
    let text = body
        .bytes
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(&body.bytes);
    match text.trim_ascii_start() {
        [b'<', b'!' | b'?' | b'a'..=b'z' | b'A'..=b'Z', ..] => Some("a web page".to_owned()),
        _ => None,
    }
}
