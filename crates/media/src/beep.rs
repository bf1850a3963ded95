//! The two-tone signals of entry and exit.

use tutti_model::Beep;

use crate::frame::{FRAME_SAMPLES, Frame, SAMPLE_RATE_HZ};

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
    let edge = into.min(TONE_SAMPLES - 1 - into) as f32 / 720.0;
    let envelope = (edge.min(1.0) * std::f32::consts::FRAC_PI_2).sin().powi(2);
    let phase = into as f32 / SAMPLE_RATE_HZ as f32 * pitch_hz * std::f32::consts::TAU;
    PEAK * envelope * (0.9 * phase.sin() + 0.1 * (2.0 * phase).sin())
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
