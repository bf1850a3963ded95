//! How do the demo's sound files come about, and what is in those that the bridge made?

use std::io::Cursor;

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

use crate::codec::to_i16;
use crate::ear::{Audible, Ear, Vocabulary};
use crate::voice::{Manner, Talker, Voice};

/// The sample rate of the demo's files.
const RATE_HZ: u32 = 8_000;

/// A mono WAV file in which a voice sounds, about a third as strong again as a talker.
pub(super) fn voice_wav(voice: Voice, seconds: u32) -> Result<Vec<u8>, hound::Error> {
    let spec = WavSpec {
        channels: 1,
        sample_rate: RATE_HZ,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let mut file = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut file, spec)?;
    let mut talker = Talker::new(voice, Manner::Steady, RATE_HZ);
    let frame_samples = RATE_HZ / 50;
    for frame_number in 0..seconds * 50 {
        let mut frame = vec![0.0; frame_samples as usize];
        // The last frame fades out, so that a repetition does not click.
        talker.speak(frame_number + 1 < seconds * 50, &mut frame);
        for sample in frame {
            writer.write_sample(to_i16(sample * 1.3))?;
        }
    }
    writer.finalize()?;
    Ok(file.into_inner())
}

/// What a WAV file holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WavContent {
    pub(super) seconds: f64,
    /// The sounds heard for at least half a second in all.
    pub(super) audible: Audible,
}

/// How many cells a sound must be heard in, to count as being in a file.
const CELLS_TO_COUNT: usize = 5;

/// Listens to the first channel of a WAV file.
pub(super) fn listen_to_wav(
    file: &[u8],
    vocabulary: &Vocabulary,
) -> Result<WavContent, hound::Error> {
    let mut reader = WavReader::new(Cursor::new(file))?;
    let spec = reader.spec();
    let channels = usize::from(spec.channels.max(1));
    let scale = 1.0 / 2_f32.powi(i32::from(spec.bits_per_sample) - 1);
    let samples: Vec<f32> = match spec.sample_format {
        SampleFormat::Float => reader
            .samples::<f32>()
            .step_by(channels)
            .collect::<Result<_, _>>()?,
        SampleFormat::Int => reader
            .samples::<i32>()
            .step_by(channels)
            .map(|sample| Ok(sample? as f32 * scale))
            .collect::<Result<_, hound::Error>>()?,
    };
    let mut counts = vec![0_usize; vocabulary.sounds().len()];
    Ear::new(vocabulary.clone(), spec.sample_rate.max(RATE_HZ)).listen(&samples, |heard| {
        for (sound, count) in counts.iter_mut().enumerate() {
            *count += usize::from(heard.audible.has(sound));
        }
    });
    let audible = counts
        .iter()
        .enumerate()
        .filter(|(_, count)| **count >= CELLS_TO_COUNT);
    Ok(WavContent {
        seconds: samples.len() as f64 / f64::from(spec.sample_rate.max(1)),
        audible: audible.map(|(sound, _)| sound).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::cast;
    use super::*;

    #[test]
    fn a_file_of_one_sound_holds_that_sound_and_no_other() {
        let file = voice_wav(Voice::nth(cast::PROMPT), 2).unwrap();
        let content = listen_to_wav(&file, &cast::vocabulary()).unwrap();
        assert_eq!(content.audible, cast::set(&[cast::DemoSound::Prompt]));
        assert!((content.seconds - 2.0).abs() < 1e-6);
    }

    #[test]
    fn what_is_no_wav_file_is_an_error() {
        assert!(listen_to_wav(b"<html>not found</html>", &cast::vocabulary()).is_err());
    }
}
