//! What to say for lost samples: the last pitch periods again, fading (after G.711 Appendix I, but
//! more slowly where more than a packet is missing: a longer gap is worse than a longer guess).

/// The rate in whose samples the constants below count.
const BASE_RATE_HZ: u32 = 8_000;

/// The shortest and the longest pitch period that is looked for: 5 and 15 ms.
const MIN_PERIOD: usize = 40;
const MAX_PERIOD: usize = 120;

/// How much of the past is compared to find the period: 20 ms.
const COMPARED: usize = 160;

/// How much of the past is kept: three periods, and a quarter of one to join them.
const HISTORY: usize = 3 * MAX_PERIOD + MAX_PERIOD / 4;

/// How long the last period alone is repeated, and how long each further fading step takes: 10 ms.
const STEP: usize = 80;

/// After this nothing is left to hear: 100 ms.
const FADED: usize = 10 * STEP;

/// How much the gain falls in the second step, and in each of the others.
const FIRST_FALL: f32 = 0.2;
const FALL_PER_STEP: f32 = 0.1;

/// How long a guess and the truth that follows it overlap: 4 ms, and as much more for each step.
const OVERLAP: usize = 32;
const MAX_OVERLAP: usize = 80;

/// How long the seam between the last sample heard and the first guessed is smoothed: 1 ms.
const SEAM: usize = 8;

/// Repeats the recent past while nothing is heard, at a multiple of 8 kHz.
#[derive(Debug, Clone)]
pub(super) struct Concealment {
    /// Samples for each one at 8 kHz.
    scale: usize,
    /// What was said last, oldest first.
    history: Box<[f32]>,
    /// The same as it was when the erasure began.
    past: Box<[f32]>,
    guess: Option<Guess>,
}

/// Where in an erasure that is being concealed the guess is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guess {
    scale: usize,
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

impl Concealment {
    pub(super) fn new(rate_hz: u32) -> Concealment {
        debug_assert!(rate_hz.is_multiple_of(BASE_RATE_HZ));
        let scale = (rate_hz / BASE_RATE_HZ) as usize;
        let nothing = vec![0.0; HISTORY * scale].into_boxed_slice();
        Concealment {
            scale,
            history: nothing.clone(),
            past: nothing,
            guess: None,
        }
    }

    /// After how many samples nothing is left to hear of a guess.
    pub(super) fn fades_in(&self) -> usize {
        FADED * self.scale
    }

    /// Forgets what was heard.
    pub(super) fn reset(&mut self) {
        self.history.fill(0.0);
        self.guess = None;
    }

    /// Takes what was heard; after an erasure its beginning is blended with the guess.
    pub(super) fn heard(&mut self, samples: &mut [f32]) {
        if let Some(mut guess) = self.guess.take() {
            let steps = guess.len / (STEP * self.scale);
            let overlap = ((1 + steps) * OVERLAP).min(MAX_OVERLAP) * self.scale;
            let overlap = overlap.min(samples.len());
            for (n, sample) in samples.iter_mut().take(overlap).enumerate() {
                let weight = (n + 1) as f32 / (overlap + 1) as f32;
                *sample = *sample * weight + guess.next(&self.past) * (1.0 - weight);
            }
        }
        self.remember(samples);
    }

    /// Fills `out` with a guess.
    pub(super) fn conceal(&mut self, out: &mut [f32]) {
        let mut guess = self.begin();
        for out in out.iter_mut() {
            *out = guess.next(&self.past);
        }
        self.guess = Some(guess);
        self.remember(out);
    }

    /// Where the guess is; a new erasure begins if there is none.
    pub(super) fn begin(&mut self) -> Guess {
        *self.guess.get_or_insert_with(|| {
            self.past.copy_from_slice(&self.history);
            Guess::new(&self.past, self.scale)
        })
    }

    /// The sample that comes next in a guess of this erasure, which is thereby taken.
    pub(super) fn next_of(&self, guess: &mut Guess) -> f32 {
        guess.next(&self.past)
    }

    fn remember(&mut self, samples: &[f32]) {
        let kept = self.history.len();
        match samples.len().checked_sub(kept) {
            Some(skipped) => {
                self.history
                    .copy_from_slice(samples.get(skipped..).unwrap_or_default());
            }
            None => {
                self.history.copy_within(samples.len().., 0);
                if let Some(end) = self.history.get_mut(kept - samples.len()..) {
                    end.copy_from_slice(samples);
                }
            }
        }
    }
}

impl Guess {
    fn new(past: &[f32], scale: usize) -> Guess {
        let period = period_of(past, scale);
        let at = past.len() - period;
        let sample = |n: usize| past.get(n).copied().unwrap_or(0.0);
        Guess {
            scale,
            period,
            periods: 1,
            at,
            len: 0,
            // The step that the period itself makes here is its own.
            seam: sample(past.len() - 1) - sample(at - 1),
        }
    }

    /// The next sample.
    fn next(&mut self, past: &[f32]) -> f32 {
        if self.len >= FADED * self.scale {
            return 0.0;
        }
        let (step, seam) = (STEP * self.scale, SEAM * self.scale);
        let sample = self.next_of_period(past);
        let gain = match self.len.checked_sub(step) {
            None => 1.0,
            Some(fading) => {
                let steps = fading as f32 / step as f32;
                1.0 - steps.min(1.0) * FIRST_FALL - (steps - 1.0).max(0.0) * FALL_PER_STEP
            }
        };
        let seam = self.seam * seam.saturating_sub(self.len) as f32 / (seam + 1) as f32;
        self.len += 1;
        (sample + seam) * gain
    }

    /// Goes round the last periods; the end of the last is blended into what came before the first.
    fn next_of_period(&mut self, past: &[f32]) -> f32 {
        let quarter = self.period / 4;
        let blended_from = past.len() - quarter;
        if self.at == blended_from {
            self.periods = (1 + self.len / (STEP * self.scale)).min(3);
        }
        let begin = past.len() - self.periods * self.period;
        let mut sample = past.get(self.at).copied().unwrap_or(0.0);
        if let Some(n) = self.at.checked_sub(blended_from) {
            let weight = (n + 1) as f32 / (quarter + 1) as f32;
            let before = past.get(begin - quarter + n).copied().unwrap_or(0.0);
            sample = sample * (1.0 - weight) + before * weight;
        }
        self.at += 1;
        if self.at == past.len() {
            self.at = begin;
        }
        sample
    }
}

/// The period at which the past resembles itself most.
fn period_of(past: &[f32], scale: usize) -> usize {
    let compared = COMPARED * scale;
    let recent = past.get(past.len() - compared..).unwrap_or_default();
    let likeness = |period: usize, stride: usize| {
        let begin = past.len() - compared - period;
        let earlier = past.get(begin..begin + compared).unwrap_or_default();
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
    let (shortest, longest) = (MIN_PERIOD * scale, MAX_PERIOD * scale);
    let coarse = best(shortest..=longest, 2 * scale, 2 * scale);
    let near = 2 * scale - 1;
    best(
        (coarse - near).max(shortest)..=(coarse + near).min(longest),
        1,
        1,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::rms;

    const RATES_HZ: [u32; 3] = [8_000, 16_000, 48_000];

    fn vowel(rate_hz: u32, begin_ms: usize, len_ms: usize) -> Vec<f32> {
        let per_ms = rate_hz as usize / 1_000;
        (begin_ms * per_ms..(begin_ms + len_ms) * per_ms)
            .map(|n| {
                let phase = std::f32::consts::TAU * 130.0 * n as f32 / rate_hz as f32;
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
        for rate_hz in RATES_HZ {
            let mut concealment = Concealment::new(rate_hz);
            concealment.heard(&mut vowel(rate_hz, 0, 100));
            let truth = vowel(rate_hz, 100, 10);
            let mut guess = vec![0.0; truth.len()];
            concealment.conceal(&mut guess);
            let error: Vec<f32> = truth.iter().zip(&guess).map(|(a, b)| a - b).collect();
            assert!(
                rms(&error) < rms(&truth) * 0.35,
                "{rate_hz} Hz: {} of {}",
                rms(&error),
                rms(&truth)
            );
        }
    }

    #[test]
    fn neither_the_loss_nor_the_recovery_clicks() {
        for rate_hz in RATES_HZ {
            for lost_ms in [3, 10, 20, 30, 60] {
                let mut concealment = Concealment::new(rate_hz);
                let mut heard = vowel(rate_hz, 0, 100);
                concealment.heard(&mut heard);
                let limit = steepest(&heard) * 1.5;
                let mut guess = vec![0.0; lost_ms * rate_hz as usize / 1_000];
                concealment.conceal(&mut guess);
                let mut back = vowel(rate_hz, 100 + lost_ms, 20);
                concealment.heard(&mut back);
                heard.extend(guess);
                heard.extend(back);
                assert!(
                    steepest(&heard) < limit,
                    "{lost_ms} ms lost at {rate_hz} Hz"
                );
            }
        }
    }

    #[test]
    fn nothing_is_left_after_100_milliseconds() {
        for rate_hz in RATES_HZ {
            let mut concealment = Concealment::new(rate_hz);
            concealment.heard(&mut vowel(rate_hz, 0, 100));
            assert_eq!(concealment.fades_in(), rate_hz as usize * 100 / 1_000);
            let mut levels = Vec::new();
            for _ in 0..12 {
                let mut guess = vec![0.0; rate_hz as usize / 100];
                concealment.conceal(&mut guess);
                levels.push(rms(&guess));
            }
            assert!(
                levels[..10].windows(2).all(|pair| pair[1] < pair[0] * 1.15),
                "{levels:?}"
            );
            assert!(levels[9] < levels[0] * 0.2, "{levels:?}");
            assert!(levels[10..].iter().all(|level| *level < 1e-6), "{levels:?}");
        }
    }

    #[test]
    fn the_period_of_a_voice_is_found() {
        for scale in [1, 2, 6] {
            for period in [41, 53, 64, 80, 99, 120].map(|period| period * scale) {
                let mut past = vec![0.0; HISTORY * scale];
                for (n, sample) in past.iter_mut().enumerate() {
                    *sample = if n % period < 5 * scale { 0.5 } else { 0.0 };
                }
                let found = period_of(&past, scale);
                assert!(found.is_multiple_of(period), "{found} for {period}");
            }
        }
    }

    #[test]
    fn silence_is_concealed_by_silence() {
        let mut concealment = Concealment::new(8_000);
        let mut guess = [1.0; 480];
        concealment.conceal(&mut guess);
        assert!(guess.iter().all(|sample| sample.abs() < 1e-9));
    }

    #[test]
    fn what_was_forgotten_is_not_repeated() {
        let mut concealment = Concealment::new(8_000);
        concealment.heard(&mut vowel(8_000, 0, 100));
        concealment.conceal(&mut [0.0; 80]);
        concealment.reset();
        let mut guess = [1.0; 160];
        concealment.conceal(&mut guess);
        assert!(guess.iter().all(|sample| sample.abs() < 1e-9));
    }
}
