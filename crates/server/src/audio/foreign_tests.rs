//! What is heard of files that other programs made.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use super::loudness::rms_without_pauses;
use super::*;

/// What makes each file from a tone of 440 Hz and a second, into the path at the end.
const SOX: [(&str, &str); 9] = [
    ("a-law.wav", "-n -r 8000 -c 1 -e a-law"),
    ("u-law.wav", "-n -r 8000 -c 1 -e u-law"),
    ("u-law-stereo-16k.wav", "-n -r 16000 -c 2 -e u-law"),
    ("pcm8.wav", "-n -r 8000 -c 1 -e unsigned-integer -b 8"),
    ("pcm16.wav", "-n -r 8000 -c 1 -e signed-integer -b 16"),
    (
        "pcm24-stereo.wav",
        "-n -r 44100 -c 2 -e signed-integer -b 24",
    ),
    ("float.wav", "-n -r 48000 -c 1 -e floating-point -b 32"),
    ("stereo.flac", "-n -r 44100 -c 2"),
    ("stereo.ogg", "-n -r 44100 -c 2"),
];

const FFMPEG: [(&str, &str); 11] = [
    ("a-law-ff.wav", "-ar 8000 -ac 1 -c:a pcm_alaw"),
    ("u-law-ff.wav", "-ar 8000 -ac 1 -c:a pcm_mulaw"),
    ("pcm16-six.wav", "-ar 48000 -ac 6 -c:a pcm_s16le"),
    ("pcm16-96k.wav", "-ar 96000 -ac 2 -c:a pcm_s16le"),
    ("adpcm.wav", "-ar 22050 -ac 1 -c:a adpcm_ima_wav"),
    ("mono.mp3", "-ar 44100 -ac 1 -b:a 64k"),
    (
        "stereo.mp3",
        "-ar 44100 -ac 2 -b:a 128k -metadata title=Wait",
    ),
    ("variable.mp3", "-ar 44100 -ac 2 -q:a 4"),
    ("telephone.mp3", "-ar 8000 -ac 1 -b:a 16k"),
    ("mono.flac", "-ar 16000 -ac 1"),
    ("mono-ff.ogg", "-ar 44100 -ac 1 -c:a libvorbis"),
];

#[test]
fn files_that_sox_made_are_played() {
    if !is_installed("sox", "--version") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for (name, options) in SOX {
        let path = dir.path().join(name);
        let mut command = Command::new("sox");
        command.arg("-D").args(options.split(' ')).arg(&path);
        command.args("synth 1 sine 440 gain -12".split(' '));
        assert!(command.status().unwrap().success(), "{name}");
        check(&path);
    }
}

#[test]
fn files_that_ffmpeg_made_are_played() {
    if !is_installed("ffmpeg", "-version") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for (name, options) in FFMPEG {
        let path = dir.path().join(name);
        let mut command = Command::new("ffmpeg");
        command.args("-loglevel error -f lavfi -i sine=frequency=440:duration=1".split(' '));
        // Six channels from one would leave five of them silent.
        if name == "pcm16-six.wav" {
            command.args(["-af", "pan=5.1|c0=c0|c1=c0|c2=c0|c3=c0|c4=c0|c5=c0"]);
        }
        command.args(options.split(' ')).arg(&path);
        assert!(command.status().unwrap().success(), "{name}");
        check(&path);
    }
}

/// A second of 440 Hz at the level of prompts.
fn check(path: &Path) {
    let name = path.file_name().unwrap().display();
    let bytes = std::fs::read(path).unwrap();
    let content_type = Some("application/octet-stream".to_owned());
    let body = AudioBody {
        bytes,
        content_type,
    };
    let heard = prepare_now(body, Level::Prompt).unwrap_or_else(|error| panic!("{name}: {error}"));
    // ADPCM fills its last block, and MP3 at telephone rates has no note of its padding.
    let secs = heard.len() as f32 / SAMPLE_RATE as f32;
    assert!((0.995..1.2).contains(&secs), "{name}: {secs} s");
    let middle = &heard[9_600..38_400];
    let rises = middle
        .windows(2)
        .filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0);
    let hertz = rises.count() as f32 / 0.6;
    assert!((hertz - 440.0).abs() < 4.0, "{name}: {hertz} Hz");
    let dbov = 20.0 * rms_without_pauses(middle).log10();
    assert!((dbov + 26.0).abs() < 0.5, "{name}: {dbov} dBov");
}

fn is_installed(program: &str, question: &str) -> bool {
    let asked = Command::new(program).arg(question).output();
    let is_there = asked.is_ok_and(|output| output.status.success());
    if !is_there {
        // Not through the macro, which is silent in tests that pass.
        let line = format!("SKIPPED: {program} is not installed (scripts/test installs it)");
        writeln!(std::io::stderr(), "{line}").unwrap();
    }
    is_there
}
