//! What is heard of a file.

use std::f32::consts::TAU;
use std::io::Cursor;

use hound::{SampleFormat, WavSpec, WavWriter};

use super::loudness::rms_without_pauses;
use super::*;

#[test]
fn every_rate_and_channel_count_keeps_pitch_length_and_level() {
    for rate in [
        8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000, 12_345,
    ] {
        for channels in [1, 2, 6] {
            let file = wav(rate, channels, &tone(rate, 440.0, 0.2, 1.0));
            let heard = prepare_now(file, Level::Prompt).unwrap();
            assert_eq!(heard.len(), 48_000, "{rate} Hz, {channels} channels");
            assert!(
                (dbov(&heard[4_800..43_200]) + 26.0).abs() < 0.3,
                "{rate} Hz"
            );
            assert!(
                (pitch(&heard) - 440.0).abs() < 2.0,
                "{rate} Hz: {}",
                pitch(&heard)
            );
            let share = power_at(&heard[4_800..43_200], 440.0);
            assert!(share > 0.999, "{rate} Hz: {share} of the power is the tone");
        }
    }
}

#[test]
fn telephone_wav_files_are_played() {
    // A-law and µ-law of a small triangle; the spellings are those of G.711.
    for (tag, code, quiet) in [(6_u16, 0x25_u8, 0xd5_u8), (7, 0x0f, 0xff)] {
        let data: Vec<u8> = (0..8_000)
            .map(|n| if n % 16 < 8 { code } else { code ^ 0x80 })
            .collect();
        let heard = prepare_now(g711(tag, &data), Level::Prompt).unwrap();
        assert_eq!(heard.len(), 48_000);
        assert!(
            (pitch(&heard) - 500.0).abs() < 3.0,
            "tag {tag}: {}",
            pitch(&heard)
        );
        let silence = decode::decode(g711(tag, &[quiet; 800]), false).unwrap();
        assert!(
            silence.iter().all(|sample| sample.abs() < 0.001),
            "tag {tag}"
        );
    }
}

#[test]
fn compressed_files_are_played_whole() {
    let files: [(&str, &[u8]); 3] = [
        ("mp3", include_bytes!("fixtures/tone.mp3")),
        ("flac", include_bytes!("fixtures/tone.flac")),
        ("ogg", include_bytes!("fixtures/tone.ogg")),
    ];
    for (name, bytes) in files {
        let heard = prepare_now(body(bytes.to_vec()), Level::Prompt).unwrap();
        // 0.5 s of 440 Hz, without what the encoders put before and after it.
        assert_eq!(heard.len(), 24_000, "{name}");
        assert!(
            (pitch(&heard) - 440.0).abs() < 2.0,
            "{name}: {}",
            pitch(&heard)
        );
        assert!((dbov(&heard[2_400..21_600]) + 26.0).abs() < 0.5, "{name}");
    }
}

#[test]
fn loud_files_are_lowered_and_quiet_ones_raised_by_12_db_at_most() {
    let heard = |amplitude, level| {
        let file = wav(48_000, 1, &tone(48_000, 440.0, amplitude, 1.0));
        dbov(&prepare_now(file, level).unwrap()[4_800..43_200])
    };
    assert!((heard(0.9, Level::Prompt) + 26.0).abs() < 0.2);
    assert!((heard(0.9, Level::WaitMusic) + 32.0).abs() < 0.2);
    assert!((heard(0.03, Level::Prompt) + 26.0).abs() < 0.2);
    // −63 dBov and 12 dB.
    assert!((heard(0.001, Level::Prompt) + 51.0).abs() < 0.3);
}

#[test]
fn pauses_do_not_make_words_louder() {
    let mut speech = tone(48_000, 300.0, 0.2, 1.0);
    let words = speech.len();
    speech.extend(vec![0.0; 9 * 48_000]);
    let heard = prepare_now(wav(48_000, 1, &speech), Level::Prompt).unwrap();
    assert!((dbov(&heard[4_800..words - 4_800]) + 26.0).abs() < 0.3);
}

#[test]
fn nothing_is_louder_than_full_scale() {
    // Rare clicks in silence: raised to the level of speech they would be far beyond it.
    let mut clicks = vec![0.0; 48_000];
    for click in clicks.iter_mut().step_by(960) {
        *click = 0.5;
    }
    let heard = prepare_now(wav(48_000, 1, &clicks), Level::Prompt).unwrap();
    let peak = heard
        .iter()
        .fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    assert!(peak <= 0.9, "{peak}");
}

#[test]
fn silence_stays_silence() {
    let heard = prepare_now(wav(8_000, 1, &vec![0.0; 8_000]), Level::WaitMusic).unwrap();
    assert!(heard.iter().all(|sample| *sample == 0.0));
}

#[test]
fn damaged_numbers_are_heard_as_nothing_worse() {
    let mut samples = tone(48_000, 440.0, 0.3, 0.5);
    for (n, damage) in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX]
        .into_iter()
        .enumerate()
    {
        samples[1_000 * (n + 1)] = damage;
    }
    let spec = WavSpec {
        channels: 1,
        sample_rate: 48_000,
        bits_per_sample: 32,
        sample_format: SampleFormat::Float,
    };
    let mut file = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut file, spec).unwrap();
    for sample in &samples {
        writer.write_sample(*sample).unwrap();
    }
    writer.finalize().unwrap();
    let heard = prepare_now(body(file.into_inner()), Level::Prompt).unwrap();
    assert_eq!(heard.len(), samples.len());
    assert!(
        heard
            .iter()
            .all(|sample| sample.is_finite() && sample.abs() <= 0.9)
    );
}

#[test]
fn a_loop_that_has_no_seam_keeps_none() {
    // Whole periods: the end flows into the beginning, at any rate.
    for rate in [8_000, 44_100, 48_000] {
        let file = wav(rate, 1, &tone(rate, 440.0, 0.3, 1.0));
        let heard = prepare_now(file, Level::WaitMusic).unwrap();
        assert_eq!(heard.len(), 48_000, "{rate} Hz");
        let twice: Vec<f32> = heard.iter().chain(heard.iter()).copied().collect();
        let seam = &twice[47_000..49_000];
        let share = power_at(seam, 440.0);
        assert!(share > 0.999, "{rate} Hz: {share} of the power is the tone");
    }
}

#[test]
fn a_loop_that_has_a_seam_is_closed() {
    // Half a period is missing: the end is far from the beginning.
    let mut samples = tone(48_000, 100.0, 0.5, 1.0);
    samples.truncate(48_000 - 360);
    let heard = prepare_now(wav(48_000, 1, &samples), Level::WaitMusic).unwrap();
    assert_eq!(heard.len(), samples.len() - 240);
    let largest = heard
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).abs())
        .fold(0.0, f32::max);
    let seam = (heard[0] - heard[heard.len() - 1]).abs();
    assert!(seam <= 2.0 * largest, "{seam} after steps of {largest}");
}

#[test]
fn a_prompt_comes_from_silence_and_goes_back_to_it() {
    let file = wav(48_000, 1, &vec![0.5; 4_800]);
    let heard = prepare_now(file, Level::Prompt).unwrap();
    assert!(heard[0].abs() < 0.001 && heard[4_799].abs() < 0.001);
    assert!(heard[2_400] > 0.04);
}

#[test]
fn what_is_no_audio_is_said_to_be_what_it_is() {
    let said = |bytes: &[u8], content_type: Option<&str>| {
        let content_type = content_type.map(str::to_owned);
        let body = AudioBody {
            bytes: bytes.to_vec(),
            content_type,
        };
        prepare_now(body, Level::Prompt).unwrap_err().to_string()
    };
    assert_eq!(said(b"", None), "the file is empty");
    let page = b"\n<!DOCTYPE html><html><body>Not here</body></html>";
    assert_eq!(said(page, None), "the file is a web page, not audio");
    assert_eq!(
        said(page, Some("text/html; charset=utf-8")),
        "the file is text/html, not audio"
    );
    assert_eq!(
        said(b"{\"error\":404}", Some("application/json")),
        "the file is application/json, not audio"
    );
    let unknown = said(b"just some words that mean nothing to a decoder", None);
    assert!(unknown.contains("not played"), "{unknown}");
}

#[test]
fn a_file_that_was_cut_off_is_played_as_far_as_it_goes() {
    let mut file = wav(8_000, 1, &tone(8_000, 440.0, 0.3, 1.0));
    file.bytes.truncate(44 + 8_000);
    let heard = prepare_now(file, Level::Prompt).unwrap();
    assert!((20_000..=24_000).contains(&heard.len()), "{}", heard.len());

    let mp3 = include_bytes!("fixtures/tone.mp3");
    let heard = prepare_now(body(mp3[..mp3.len() / 2].to_vec()), Level::Prompt).unwrap();
    assert!(heard.len() > 5_000, "{}", heard.len());
}

#[test]
fn a_header_without_sound_is_broken() {
    let refused = prepare_now(wav(8_000, 1, &[]), Level::Prompt).unwrap_err();
    assert!(matches!(refused, AudioError::Broken { .. }), "{refused}");
}

#[test]
fn rates_and_channels_beyond_the_limits_are_refused() {
    let refused = prepare_now(wav(500, 1, &[0.1; 500]), Level::Prompt).unwrap_err();
    assert_eq!(refused, AudioError::SampleRate(500));
    let refused = prepare_now(wav(384_000, 1, &[0.1; 500]), Level::Prompt).unwrap_err();
    assert_eq!(refused, AudioError::SampleRate(384_000));
    let refused = prepare_now(wav(8_000, 9, &[0.1; 500]), Level::Prompt).unwrap_err();
    assert!(!refused.to_string().is_empty());
}

#[test]
fn more_than_an_hour_is_refused() {
    let silence = vec![0.0; 3_601 * 1_000];
    let refused = prepare_now(wav(1_000, 1, &silence), Level::Prompt).unwrap_err();
    assert_eq!(refused, AudioError::TooLong);
}

#[test]
fn no_broken_file_brings_a_decoder_down() {
    let files = [
        wav(8_000, 2, &tone(8_000, 440.0, 0.3, 0.1)).bytes,
        include_bytes!("fixtures/tone.mp3").to_vec(),
        include_bytes!("fixtures/tone.flac").to_vec(),
        include_bytes!("fixtures/tone.ogg").to_vec(),
    ];
    let mut seed = 1_u32;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        seed as usize
    };
    for file in files {
        for _ in 0..60 {
            let mut bytes = file.clone();
            for _ in 0..1 + random() % 20 {
                let at = random() % bytes.len();
                bytes[at] = random() as u8;
            }
            bytes.truncate(1 + random() % file.len());
            // Whatever comes of it, something does, and it is fit to be heard.
            if let Ok(heard) = prepare_now(body(bytes), Level::WaitMusic) {
                assert!(heard.iter().all(|sample| sample.abs() <= 1.0));
            }
        }
    }
}

#[tokio::test]
async fn a_decoder_that_panics_fails_alone() {
    let failed = contained::<()>(|| panic!("a decoder's mistake")).await;
    assert_eq!(failed, Err(AudioError::DecoderFailed));
    let file = wav(8_000, 1, &tone(8_000, 440.0, 0.3, 0.1));
    assert_eq!(prepare(file, Level::Prompt).await.unwrap().len(), 4_800);
}

#[test]
fn the_built_in_piece_is_quiet_and_seamless_and_never_stops() {
    let piece = builtin::wait_music();
    assert_eq!(piece.len(), 16 * 48_000);
    assert!((dbov(&piece) + 32.0).abs() < 0.5, "{}", dbov(&piece));
    assert!(piece.iter().all(|sample| sample.abs() < 0.5));
    for (n, half_second) in piece.chunks(24_000).enumerate() {
        assert!(
            dbov(half_second) > -45.0,
            "half second {n}: {}",
            dbov(half_second)
        );
    }
    let largest = piece
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).abs())
        .fold(0.0, f32::max);
    assert!((piece[0] - piece[piece.len() - 1]).abs() <= largest);
}

fn body(bytes: Vec<u8>) -> AudioBody {
    AudioBody {
        bytes,
        content_type: None,
    }
}

/// The same sound in every channel.
fn wav(sample_rate: u32, channels: u16, samples: &[f32]) -> AudioBody {
    let spec = WavSpec {
        channels,
        sample_rate,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let mut file = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut file, spec).unwrap();
    for sample in samples {
        for _ in 0..channels {
            writer.write_sample((sample * 32_767.0) as i16).unwrap();
        }
    }
    writer.finalize().unwrap();
    body(file.into_inner())
}

/// A WAV file of G.711, which has 8 000 samples of a byte a second.
fn g711(tag: u16, data: &[u8]) -> AudioBody {
    let mut file = b"RIFF".to_vec();
    file.extend((data.len() as u32 + 38).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(18_u32.to_le_bytes());
    file.extend(tag.to_le_bytes());
    file.extend(1_u16.to_le_bytes());
    file.extend(8_000_u32.to_le_bytes());
    file.extend(8_000_u32.to_le_bytes());
    file.extend(1_u16.to_le_bytes());
    file.extend(8_u16.to_le_bytes());
    file.extend(0_u16.to_le_bytes());
    file.extend(b"data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    body(file)
}

fn tone(rate: u32, hz: f32, amplitude: f32, secs: f32) -> Vec<f32> {
    let sample = |n| amplitude * (TAU * hz * (n as f32 / rate as f32)).sin();
    (0..(rate as f32 * secs).round() as u32)
        .map(sample)
        .collect()
}

fn dbov(samples: &[f32]) -> f32 {
    20.0 * rms_without_pauses(samples).log10()
}

/// How often a second the middle of the sound crosses zero upwards.
fn pitch(samples: &[f32]) -> f32 {
    let middle = &samples[samples.len() / 10..samples.len() * 9 / 10];
    let crossings: Vec<usize> = (1..middle.len())
        .filter(|&n| middle[n - 1] < 0.0 && middle[n] >= 0.0)
        .collect();
    let (first, last) = (crossings[0], crossings[crossings.len() - 1]);
    (crossings.len() - 1) as f32 * 48_000.0 / (last - first) as f32
}

/// Which share of the power is a tone of this frequency.
fn power_at(samples: &[f32], hz: f64) -> f64 {
    let (mut a, mut b, mut c, mut d, mut e) = (0.0, 0.0, 0.0, 0.0, 0.0);
    let mut total = 0.0;
    for (n, sample) in samples.iter().enumerate() {
        let (sin, cos) = (std::f64::consts::TAU * hz * n as f64 / 48_000.0).sin_cos();
        let x = f64::from(*sample);
        a += sin * sin;
        b += sin * cos;
        c += cos * cos;
        d += x * sin;
        e += x * cos;
        total += x * x;
    }
    // The tone that is nearest to the sound, by least squares.
    let determinant = a * c - b * b;
    let (p, q) = ((d * c - e * b) / determinant, (e * a - d * b) / determinant);
    (p * d + q * e) / total
}
