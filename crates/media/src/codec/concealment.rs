//! What to say for lost G.711: the last pitch periods again, fading (after G.711 Appendix I).

/// The shortest and the longest pitch period that is looked for: 5 and 15 ms at 8 kHz.
const MIN_PERIOD: usize = 40;
const MAX_PERIOD: usize = 120;

/// How much of the past is compared to find the period: 20 ms.
const COMPARED: usize = 160;

/// How much of the past is kept: three periods, and a quarter of one to join them.
const HISTORY: usize = 3 * MAX_PERIOD + MAX_PERIOD / 4;

/// How long the last period alone is repeated, and how long each further fading step takes: 10 ms.
const STEP: usize = 80;

/// After this nothing is left to hear: 60 ms.
pub(super) const FADED: usize = 6 * STEP;

/// How much the gain falls in one step.
const FALL_PER_STEP: f32 = 0.2;

/// How long a guess and the truth that follows it overlap: 4 ms, and as much more for each step.
const OVERLAP: usize = 32;
const MAX_OVERLAP: usize = 80;

/// How long the seam between the last sample heard and the first guessed is smoothed: 1 ms.
const SEAM: usize = 8;

/// Repeats the recent past while nothing is heard.
#[derive(Debug, Clone)]
pub(super) struct Concealment {
    /// What was said last, oldest first.
    history: [f32; HISTORY],
    guess: Option<Guess>,
}

/// An erasure that is being concealed.
#[derive(Debug, Clone, Copy)]
struct Guess {
    /// The past as it was heard when the erasure began.
    past: [f32; HISTORY],
    period: usize,
    /// How many periods are repeated; more as time goes on, so that it does not buzz.
    periods: usize,
    /// Where in the past the guess is.
    at: usize,
    /// How many samples were guessed.
    len: usize,
    /// The step from the last sample heard to the first guessed.
    seam: f32,
}

impl Default for Concealment {
    fn default() -> Concealment {
        Concealment {
            history: [0.0; HISTORY],
            guess: None,
        }
    }
}

impl Concealment {
    /// Takes what was heard; after an erasure its beginning is blended with the guess.
    pub(super) fn heard(&mut self, samples: &mut [f32]) {
        if let Some(mut guess) = self.guess.take() {
            let overlap = (OVERLAP + guess.len / STEP * OVERLAP)
                .min(MAX_OVERLAP)
                .min(samples.len());
            for (n, sample) in samples.iter_mut().take(overlap).enumerate() {
                let weight = (n + 1) as f32 / (overlap + 1) as f32;
                *sample = *sample * weight + guess.next() * (1.0 - weight);
            }
        }
        self.remember(samples);
    }

    /// Fills `out` with a guess.
    pub(super) fn conceal(&mut self, out: &mut [f32]) {
        let guess = self.guess.get_or_insert_with(|| Guess::new(&self.history));
        for out in out.iter_mut() {
            *out = guess.next();
        }
        self.remember(out);
    }

    fn remember(&mut self, samples: &[f32]) {
        match samples.len().checked_sub(HISTORY) {
            Some(skipped) => {
                self.history
                    .copy_from_slice(samples.get(skipped..).unwrap_or_default());
            }
            None => {
                self.history.copy_within(samples.len().., 0);
                if let Some(end) = self.history.get_mut(HISTORY - samples.len()..) {
                    end.copy_from_slice(samples);
                }
            }
        }
    }
}

impl Guess {
    fn new(history: &[f32; HISTORY]) -> Guess {
        let period = period_of(history);
        let at = HISTORY - period;
        let sample = |n: usize| history.get(n).copied().unwrap_or(0.0);
        Guess {
            past: *history,
            period,
            periods: 1,
            at,
            len: 0,
            // The step that the period itself makes here is its own.
            seam: sample(HISTORY - 1) - sample(at - 1),
        }
    }

    /// The next sample.
    fn next(&mut self) -> f32 {
        if self.len >= FADED {
            return 0.0;
        }
        let sample = self.next_of_period();
        let gain = match self.len.checked_sub(STEP) {
            None => 1.0,
            Some(fading) => 1.0 - fading as f32 / STEP as f32 * FALL_PER_STEP,
        };
        let seam = self.seam * SEAM.saturating_sub(self.len) as f32 / (SEAM + 1) as f32;
        self.len += 1;
        (sample + seam) * gain
    }

    /// Goes round the last periods; the end of the last is blended into what came before the first.
    fn next_of_period(&mut self) -> f32 {
        let quarter = self.period / 4;
        let blended_from = HISTORY - quarter;
        if self.at == blended_from {
            self.periods = (1 + self.len / STEP).min(3);
        }
        let begin = HISTORY - self.periods * self.period;
        let mut sample = self.past.get(self.at).copied().unwrap_or(0.0);
        if let Some(n) = self.at.checked_sub(blended_from) {
            let weight = (n + 1) as f32 / (quarter + 1) as f32;
            let before = self.past.get(begin - quarter + n).copied().unwrap_or(0.0);
            sample = sample * (1.0 - weight) + before * weight;
        }
        self.at += 1;
        if self.at == HISTORY {
            self.at = begin;
        }
        sample
    }
}

/// The period at which the past resembles itself most.
fn period_of(history: &[f32; HISTORY]) -> usize {
    let recent = history.get(HISTORY - COMPARED..).unwrap_or_default();
    let likeness = |period: usize, stride: usize| {
        let begin = HISTORY - COMPARED - period;
        let earlier = history.get(begin..begin + COMPARED).unwrap_or_default();
        let (mut product, mut energy) = (0.0_f32, 1e-9_f32);
        for (a, b) in recent.iter().zip(earlier).step_by(stride) {
            product += a * b;
            energy += b * b;
        }
        product.max(0.0) / energy.sqrt()
    };
    let best = |periods: std::ops::RangeInclusive<usize>, step: usize, stride: usize| {
        let (mut best, mut most) = (*periods.end(), 0.0);
        for period in periods.step_by(step) {
            let likeness = likeness(period, stride);
            if likeness > most {
                (best, most) = (period, likeness);
            }
        }
        best
    };
    let coarse = best(MIN_PERIOD..=MAX_PERIOD, 2, 2);
    best(
        (coarse - 1).max(MIN_PERIOD)..=(coarse + 1).min(MAX_PERIOD),
        1,
        1,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::rms;

    fn vowel(begin: usize, len: usize) -> Vec<f32> {
        (begin..begin + len)
            .map(|n| {
                let phase = std::f32::consts::TAU * 130.0 * n as f32 / 8_000.0;
                (1..=8)
                    .map(|k| 0.2 / k as f32 * (k as f32 * phase).sin())
                    .sum()
            })
            .collect()
    }

    fn steepest(samples: &[f32]) -> f32 {
        samples
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).abs())
            .fold(0.0, f32::max)
    }

    #[test]
    fn a_lost_frame_of_a_vowel_sounds_like_the_vowel() {
        let mut concealment = Concealment::default();
        concealment.heard(&mut vowel(0, 800));
        let mut guess = vec![0.0; 80];
        concealment.conceal(&mut guess);
        let truth = vowel(800, 80);
        let error: Vec<f32> = truth.iter().zip(&guess).map(|(a, b)| a - b).collect();
        assert!(
            rms(&error) < rms(&truth) * 0.35,
            "{} of {}",
            rms(&error),
            rms(&truth)
        );
    }

    #[test]
    fn neither_the_loss_nor_the_recovery_clicks() {
        for lost in [20, 80, 160, 240, 480] {
            let mut concealment = Concealment::default();
            let mut heard = vowel(0, 800);
            concealment.heard(&mut heard);
            let limit = steepest(&heard) * 1.5;
            let mut guess = vec![0.0; lost];
            concealment.conceal(&mut guess);
            let mut back = vowel(800 + lost, 160);
            concealment.heard(&mut back);
            heard.extend(guess);
            heard.extend(back);
            assert!(steepest(&heard) < limit, "{lost} samples lost");
        }
    }

    #[test]
    fn nothing_is_left_after_60_milliseconds() {
        let mut concealment = Concealment::default();
        concealment.heard(&mut vowel(0, 800));
        let mut levels = Vec::new();
        for _ in 0..8 {
            let mut guess = vec![0.0; STEP];
            concealment.conceal(&mut guess);
            levels.push(rms(&guess));
        }
        assert!(
            levels[..6].windows(2).all(|pair| pair[1] < pair[0] * 1.15),
            "{levels:?}"
        );
        assert!(levels[5] < levels[0] * 0.35, "{levels:?}");
        assert!(levels[6] < 1e-9 && levels[7] < 1e-9, "{levels:?}");
    }

    #[test]
    fn the_period_of_a_voice_is_found() {
        for period in [41, 53, 64, 80, 99, 120] {
            let mut history = [0.0; HISTORY];
            for (n, sample) in history.iter_mut().enumerate() {
                *sample = if n % period < 5 { 0.5 } else { 0.0 };
            }
            let found = period_of(&history);
            assert!(found.is_multiple_of(period), "{found} for {period}");
        }
    }

    #[test]
    fn silence_is_concealed_by_silence() {
        let mut concealment = Concealment::default();
        let mut guess = [1.0; 480];
        concealment.conceal(&mut guess);
        assert!(guess.iter().all(|sample| sample.abs() < 1e-9));
    }
}
