//! The two-tone signals of entry and exit, and the tone that asks a caller to speak.

use tutti_model::Beep;

use crate::frame::{FRAME_SAMPLES, Frame, SAMPLE_RATE_HZ};
use crate::prompt::Audio;

/// How many beeps may wait for each other; a crowd that comes at once is announced by these.
const WAITING: usize = 4;

/// Peak level of a beep: about −21 dBFS, clearly audible under speech and never startling.
const PEAK: f32 = 0.09;

/// Length of each of the two tones, in samples: 130 ms.
const TONE_SAMPLES: usize = 6_240;

/// Rising for entry: G5 then C6, in hertz.
pub const ENTRY_TONES_HZ: [f32; 2] = [784.0, 1_046.5];

/// Falling for exit: E5 then A4, in hertz.
pub const EXIT_TONES_HZ: [f32; 2] = [659.3, 440.0];

/// The tone that asks a caller to speak, in hertz.
pub const RECORD_TONE_HZ: f32 = 1_000.0;

/// Its length, in samples: 400 ms.
const RECORD_TONE_SAMPLES: usize = 19_200;

/// Its peak level: −17 dBFS, about as loud as a prompt.
const RECORD_TONE_PEAK: f32 = 0.14;

/// How long a tone takes to rise and to fall, in samples: 15 ms.
const EDGE_SAMPLES: f32 = 720.0;

/// Makes the tone that asks a caller to speak; it allocates, so it is made once and kept.
pub fn record_beep() -> Audio {
    (0..RECORD_TONE_SAMPLES)
        .map(|at| {
            let phase = at as f32 / SAMPLE_RATE_HZ as f32 * RECORD_TONE_HZ * std::f32::consts::TAU;
            RECORD_TONE_PEAK * envelope(at, RECORD_TONE_SAMPLES) * phase.sin()
        })
        .collect()
}

/// Plays beeps one after another.
#[derive(Debug, Clone, Default)]
pub struct BeepPlayer {
    waiting: [Option<Beep>; WAITING],
    /// How much of the first one has been played, in samples.
    played: usize,
}

impl BeepPlayer {
    /// Queues a beep; one too many is dropped, since those before it say the same.
    pub fn play(&mut self, beep: Beep) {
        if let Some(free) = self.waiting.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(beep);
        }
    }

    /// Whether no beep is heard or waits.
    pub fn is_at_rest(&self) -> bool {
        self.waiting[0].is_none()
    }

    /// Adds the next 20 ms to a frame.
    pub fn add_to(&mut self, frame: &mut Frame) {
        let Some(beep) = self.waiting[0] else { return };
        for (offset, sample) in frame.iter_mut().enumerate() {
            *sample += beep_sample(beep, self.played + offset);
        }
        self.played += FRAME_SAMPLES;
        if self.played >= 2 * TONE_SAMPLES {
            self.played = 0;
            self.waiting.rotate_left(1);
            self.waiting[WAITING - 1] = None;
        }
    }
}

/// Sample `at` of a beep: two tones with soft edges, and a touch of the octave for warmth.
fn beep_sample(beep: Beep, at: usize) -> f32 {
    let tones = match beep {
        Beep::Entry => ENTRY_TONES_HZ,
        Beep::Exit => EXIT_TONES_HZ,
    };
    let Some(&pitch_hz) = tones.get(at / TONE_SAMPLES) else {
        return 0.0;
    };
    let into = at % TONE_SAMPLES;
    let phase = into as f32 / SAMPLE_RATE_HZ as f32 * pitch_hz * std::f32::consts::TAU;
    PEAK * envelope(into, TONE_SAMPLES) * (0.9 * phase.sin() + 0.1 * (2.0 * phase).sin())
}

/// The soft edges of a tone.
fn envelope(at: usize, length: usize) -> f32 {
    let edge = at.min(length - 1 - at) as f32 / EDGE_SAMPLES;
    (edge.min(1.0) * std::f32::consts::FRAC_PI_2).sin().powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn energy(beep: Beep) -> f32 {
        (0..2 * TONE_SAMPLES)
            .map(|at| beep_sample(beep, at).powi(2))
            .sum()
    }

    #[test]
    fn entry_and_exit_differ_and_are_equally_loud() {
        let (entry, exit) = (energy(Beep::Entry), energy(Beep::Exit));
        assert!((entry / exit - 1.0).abs() < 0.1, "{entry} {exit}");
        assert_ne!(
            beep_sample(Beep::Entry, 2_000),
            beep_sample(Beep::Exit, 2_000)
        );
    }

    #[test]
    fn the_tone_that_asks_to_speak_is_moderate_and_has_soft_edges() {
        let tone = record_beep();
        assert_eq!(tone.len(), 2 * SAMPLE_RATE_HZ as usize / 5);
        let peak = tone
            .iter()
            .fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        assert!((0.1..0.2).contains(&peak), "{peak}");
        let edges = [&tone[..20], &tone[tone.len() - 20..]].concat();
        assert!(edges.iter().all(|sample| sample.abs() < 0.001));
        let ups = tone.windows(2).filter(|two| two[0] < 0.0 && two[1] >= 0.0);
        assert!(ups.count().abs_diff(400) <= 1);
    }

    #[test]
    fn beeps_wait_for_each_other_and_end() {
        let mut player = BeepPlayer::default();
        for _ in 0..10 {
            player.play(Beep::Entry);
        }
        let mut frames = 0;
        while player.waiting[0].is_some() {
            player.add_to(&mut [0.0; FRAME_SAMPLES]);
            frames += 1;
        }
        assert_eq!(frames, WAITING * 2 * TONE_SAMPLES / FRAME_SAMPLES);
    }
}
