//! How is what a caller heard kept?

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use hound::{SampleFormat, WavSpec, WavWriter};
use tutti_model::Codec;

use crate::codec::{pcm_rate_hz, to_i16};

/// What a caller heard, as a file.
pub(crate) struct WavFile {
    writer: Option<WavWriter<BufWriter<File>>>,
}

impl WavFile {
    /// Creates a mono file of 16-bit samples for sound in this codec.
    pub(crate) fn create(path: &Path, codec: Codec) -> Result<WavFile, hound::Error> {
        let spec = WavSpec {
            channels: 1,
            sample_rate: pcm_rate_hz(codec),
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        Ok(WavFile {
            writer: Some(WavWriter::create(path, spec)?),
        })
    }

    /// Appends sound.
    pub(super) fn write(&mut self, pcm: &[f32]) {
        let failed = self.writer.as_mut().is_some_and(|writer| {
            pcm.iter()
                .any(|sample| writer.write_sample(to_i16(*sample)).is_err())
        });
        if failed {
            // A full disk ends the recording and not the call; the file's header tells its length.
            self.writer = None;
        }
    }
}
