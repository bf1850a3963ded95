//! Speech that somebody has read (Sense and Sensibility, for LibriVox, in the public domain), which
//! Debian's pocketsphinx-testdata brings and `scripts/test` installs.

use std::io::Write;
use std::path::Path;

use tutti_media::{Audio, FRAME_SAMPLES, Resampler, SAMPLE_RATE_HZ};
use tutti_sim::{Random, active_rms};

/// Where it is.
pub(crate) const FOLDER: &str = "/usr/share/pocketsphinx/test/data/librivox";

/// How loud speech is without a word about it.
pub(crate) const USUAL_DBOV: f32 = -26.0;

/// What is so far below the reader's usual level is her room, not her voice.
const ROOM_DB: f32 = -24.0;

/// Frames before and after a voice that belong to it.
const HELD: usize = 2;

/// Says that a test has nothing to work with, past the test harness, which keeps what a passing test
/// prints to itself.
pub(crate) fn skipped(what: &str) {
    let text = format!("SKIPPED: {what}; scripts/test installs what it takes\n");
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Everything that is read, one passage after the other, at 48 kHz and [`USUAL_DBOV`], without the
/// noise of the room; [`None`], and a word about it, where there is nothing.
pub(crate) fn read_aloud(what_for: &str) -> Option<Vec<f32>> {
    if !Path::new(FOLDER).is_dir() {
        skipped(what_for);
        return None;
    }
    let passages = ["0870", "0880", "0890", "0920", "0930"];
    Some(passages.into_iter().flat_map(passage).collect())
}

fn passage(number: &str) -> Vec<f32> {
    let name = format!("sense_and_sensibility_01_austen_64kb-{number}.wav");
    let mut file = hound::WavReader::open(Path::new(FOLDER).join(name)).unwrap();
    assert_eq!(file.spec().sample_rate, 16_000);
    let narrow: Vec<f32> = file
        .samples::<i16>()
        .map(|sample| f32::from(sample.unwrap()) / 32_768.0)
        .collect();
    let mut samples = up(&narrow, 16_000);
    let wide: Vec<f64> = samples.iter().map(|sample| f64::from(*sample)).collect();
    let gain = gain(USUAL_DBOV) / active_rms(&wide) as f32;
    samples.iter_mut().for_each(|sample| *sample *= gain);
    without_room(&samples)
}

/// Keeps the frames in which somebody speaks, and what is near them; the others fade within a frame.
fn without_room(samples: &[f32]) -> Vec<f32> {
    let voice = voiced(samples, USUAL_DBOV + ROOM_DB);
    let kept = |frame: usize| {
        let near = frame.saturating_sub(HELD)..voice.len().min(frame + HELD + 1);
        voice[near].contains(&true)
    };
    let gains: Vec<f32> = (0..voice.len())
        .map(|frame| f32::from(u8::from(kept(frame))))
        .collect();
    let mut before = 0.0;
    let mut out = Vec::with_capacity(samples.len());
    for (frame, gain) in samples.chunks_exact(FRAME_SAMPLES).zip(gains) {
        for (at, sample) in frame.iter().enumerate() {
            let part = at as f32 / FRAME_SAMPLES as f32;
            out.push(sample * (before + (gain - before) * part));
        }
        before = gain;
    }
    out
}

/// Which frames are at least this loud.
pub(crate) fn voiced(samples: &[f32], dbov: f32) -> Vec<bool> {
    let least = gain(dbov).powi(2) * FRAME_SAMPLES as f32;
    samples
        .chunks_exact(FRAME_SAMPLES)
        .map(|frame| frame.iter().map(|sample| sample * sample).sum::<f32>() >= least)
        .collect()
}

/// Even noise in the band of telephones, at 48 kHz.
pub(crate) fn line_noise(random: &mut Random, seconds: f32, dbov: f32) -> Vec<f32> {
    // Evenly spread numbers from −1 to 1 have an RMS of 1/√3.
    let peak = gain(dbov) * 3.0_f32.sqrt();
    let narrow: Vec<f32> = (0..(8_000.0 * seconds) as usize)
        .map(|_| peak * (2.0 * random.fraction() as f32 - 1.0))
        .collect();
    up(&narrow, 8_000)
}

fn up(narrow: &[f32], rate_hz: u32) -> Vec<f32> {
    let times = (SAMPLE_RATE_HZ / rate_hz) as usize;
    let mut wide = vec![0.0; narrow.len() * times];
    let mut resampler = Resampler::new(rate_hz, SAMPLE_RATE_HZ).unwrap();
    resampler.process(narrow, &mut wide);
    wide
}

/// The sum of two sounds; the second begins so many seconds later, and ends with the first.
pub(crate) fn over(mut ground: Vec<f32>, figure: &[f32], after_s: f32) -> Audio {
    let begin = (after_s * SAMPLE_RATE_HZ as f32) as usize;
    for (sample, added) in ground.iter_mut().skip(begin).zip(figure) {
        *sample += added;
    }
    ground.into()
}

/// Louder or softer.
pub(crate) fn amplified(samples: &[f32], db: f32) -> Vec<f32> {
    samples.iter().map(|sample| sample * gain(db)).collect()
}

fn gain(db: f32) -> f32 {
    10.0_f32.powf(db / 20.0)
}
