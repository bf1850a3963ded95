//! The wait music that is always there: a quiet piece of sixteen seconds that has no end.
//!
//! Four chords, a soft pad that glides from one to the next, a bass, and plucked notes above. Every
//! note's decay runs on over the end into the beginning, so the piece repeats without a seam.

use std::f64::consts::TAU;
use std::sync::Arc;

use super::SAMPLE_RATE;
use super::loudness::{Level, level};

const CHORD_SECONDS: f64 = 4.0;
const PLUCK_SECONDS: f64 = 0.5;

/// One of the four chords, in MIDI note numbers.
struct Chord {
    bass: u8,
    pad: [u8; 4],
    plucks: [u8; 8],
}

const CHORDS: [Chord; 4] = [
    // F major 9
    Chord {
        bass: 53,
        pad: [57, 60, 64, 67],
        plucks: [72, 76, 79, 76, 81, 79, 76, 72],
    },
    // D minor 9
    Chord {
        bass: 50,
        pad: [57, 60, 64, 65],
        plucks: [69, 72, 77, 72, 76, 77, 72, 69],
    },
    // B flat major 9
    Chord {
        bass: 46,
        pad: [57, 60, 62, 65],
        plucks: [70, 74, 77, 74, 81, 77, 74, 70],
    },
    // C 9, its fourth suspended
    Chord {
        bass: 48,
        pad: [58, 60, 62, 65],
        plucks: [67, 72, 74, 77, 79, 77, 74, 72],
    },
];

/// How a voice sounds: its overtones' amplitudes from the fundamental on, and how it swells and
/// fades.
struct Voice {
    partials: &'static [f64],
    amplitude: f64,
    attack_secs: f64,
    /// The time in which what is left falls to a third.
    decay_secs: f64,
    release_secs: f64,
    length_secs: f64,
}

const PAD: Voice = Voice {
    // The beginning of a triangle.
    partials: &[1.0, 0.0, 0.11, 0.0, 0.04],
    amplitude: 0.16,
    attack_secs: 1.4,
    decay_secs: 20.0,
    release_secs: 1.6,
    length_secs: 5.4,
};

const BASS: Voice = Voice {
    partials: &[1.0, 0.35, 0.12],
    amplitude: 0.22,
    attack_secs: 0.06,
    decay_secs: 3.0,
    release_secs: 0.8,
    length_secs: 4.3,
};

const PLUCK: Voice = Voice {
    partials: &[1.0, 0.25, 0.06],
    amplitude: 0.13,
    attack_secs: 0.012,
    decay_secs: 0.55,
    release_secs: 0.5,
    length_secs: 2.2,
};

/// Renders the piece at the level of wait music.
pub fn wait_music() -> Arc<[f32]> {
    let mut piece = vec![0.0; samples_in(CHORDS.len() as f64 * CHORD_SECONDS)];
    for (n, chord) in CHORDS.iter().enumerate() {
        let start = n as f64 * CHORD_SECONDS;
        play(&mut piece, start, chord.bass, &BASS);
        for note in chord.pad {
            play(&mut piece, start, note, &PAD);
        }
        for (k, note) in chord.plucks.into_iter().enumerate() {
            play(&mut piece, start + k as f64 * PLUCK_SECONDS, note, &PLUCK);
        }
    }
    level(&mut piece, Level::WaitMusic);
    piece.into()
}

/// Adds a note to the piece; what is left of it at the end goes on at the beginning.
fn play(piece: &mut [f32], start_secs: f64, note: u8, voice: &Voice) {
    let start = samples_in(start_secs);
    let len = piece.len();
    let frequency = 440.0 * 2.0_f64.powf((f64::from(note) - 69.0) / 12.0);
    for (n, amplitude) in (1..).zip(voice.partials) {
        let step = TAU * frequency * f64::from(n) / f64::from(SAMPLE_RATE);
        let (turn_sin, turn_cos) = step.sin_cos();
        let (mut sin, mut cos) = (0.0, 1.0);
        for at in 0..samples_in(voice.length_secs) {
            let loudness = voice.amplitude * amplitude * voice.envelope(at);
            if let Some(sample) = piece.get_mut((start + at) % len) {
                *sample += (loudness * sin) as f32;
            }
            (sin, cos) = (
                sin * turn_cos + cos * turn_sin,
                cos * turn_cos - sin * turn_sin,
            );
        }
    }
}

impl Voice {
    fn envelope(&self, at: usize) -> f64 {
        let secs = at as f64 / f64::from(SAMPLE_RATE);
        let rise = smooth(secs / self.attack_secs);
        let fall = smooth((self.length_secs - secs) / self.release_secs);
        rise * fall * (-secs / self.decay_secs).exp()
    }
}

/// Goes from 0 to 1 without a corner at either end.
fn smooth(x: f64) -> f64 {
    let x = x.clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}

fn samples_in(secs: f64) -> usize {
    (secs * f64::from(SAMPLE_RATE)).round() as usize
}
