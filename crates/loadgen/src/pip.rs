//! How long does a sound take from one caller to the others?
//!
//! The talkers of a conference take turns: every half second one of them adds a pip, far above all
//! voices. Whoever hears a pip knows when the last one was sent, since all callers live in one
//! process. The delay is from the first sample sent to the first sample arrived, without the
//! packets' own 20 ms.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The pip's frequency: above every voice, below what G.711 cuts off.
const PIP_HZ: f32 = 3_200.0;

/// The pip's peak amplitude.
const AMPLITUDE: f32 = 0.06;

/// How many frames a pip lasts.
const FRAMES: u64 = 3;

/// From one pip to the next; a longer delay would be taken for a shorter one.
const INTERVAL: Duration = Duration::from_millis(500);

/// How finely an ear looks for the beginning of a pip.
const GRAIN: Duration = Duration::from_millis(5);

/// How loud a grain is at the frequency of a pip, at least, when the pip is there.
const THRESHOLD: f32 = 0.012;

/// The silence at that frequency that must come before a pip, in grains.
const QUIET_GRAINS: u32 = 20;

/// The pips of one conference, as they were sent.
#[derive(Debug)]
pub struct PipRota {
    talkers: u64,
    starts_at: Instant,
    sent: Mutex<Vec<Instant>>,
}

impl PipRota {
    /// A rota for this many talkers, beginning at a moment.
    pub fn new(talkers: usize, starts_at: Instant) -> PipRota {
        PipRota {
            talkers: talkers.max(1) as u64,
            starts_at,
            sent: Mutex::default(),
        }
    }

    /// The number of the pip that a talker should be sending now, if it is its turn.
    fn turn_of(&self, talker: usize, now: Instant) -> Option<u64> {
        let since = now.checked_duration_since(self.starts_at)?;
        let pip = (since.as_micros() / INTERVAL.as_micros()) as u64;
        (pip % self.talkers == talker as u64).then_some(pip)
    }

    fn note_sent(&self, at: Instant) {
        if let Ok(mut sent) = self.sent.lock() {
            sent.push(at);
        }
    }

    /// How long the pip heard at a moment had been under way.
    pub fn delay(&self, heard_at: Instant) -> Option<Duration> {
        let sent = self.sent.lock().ok()?;
        let last = sent.iter().rev().find(|sent| **sent <= heard_at)?;
        Some(heard_at - *last).filter(|delay| *delay < INTERVAL)
    }
}

/// Adds a talker's pips to its frames.
#[derive(Debug)]
pub(crate) struct PipSender {
    talker: usize,
    rate_hz: f32,
    last: Option<u64>,
    /// How many frames of the current pip are done.
    frames: u64,
}

impl PipSender {
    /// The sender of the n-th talker on a rota.
    pub(crate) fn new(talker: usize, rate_hz: u32) -> PipSender {
        PipSender {
            talker,
            rate_hz: rate_hz as f32,
            last: None,
            frames: FRAMES,
        }
    }

    /// Adds the pip to a frame that is about to be sent, where one is due.
    pub(crate) fn add_to(&mut self, frame: &mut [f32], rota: &PipRota, now: Instant) {
        if let Some(turn) = rota
            .turn_of(self.talker, now)
            .filter(|turn| self.last != Some(*turn))
        {
            self.last = Some(turn);
            self.frames = 0;
            rota.note_sent(now);
        }
        if self.frames < FRAMES {
            let first = self.frames as usize * frame.len();
            for (at, sample) in frame.iter_mut().enumerate() {
                let phase = (first + at) as f32 / self.rate_hz * PIP_HZ;
                *sample += AMPLITUDE * (phase.fract() * std::f32::consts::TAU).sin();
            }
            self.frames += 1;
        }
    }
}

/// Finds the beginnings of pips in sound.
#[derive(Debug)]
pub(crate) struct PipEar {
    grain: Vec<f32>,
    grain_samples: usize,
    window: Vec<f32>,
    coefficient: f32,
    scale: f32,
    quiet: u32,
}

impl PipEar {
    /// An ear for sound at this sample rate.
    pub(crate) fn new(rate_hz: u32) -> PipEar {
        let grain_samples = (GRAIN.as_secs_f32() * rate_hz as f32) as usize;
        let hann = |at: usize| {
            let place = (at as f32 + 0.5) / grain_samples as f32;
            0.5 - 0.5 * (place * std::f32::consts::TAU).cos()
        };
        let window: Vec<f32> = (0..grain_samples).map(hann).collect();
        PipEar {
            grain: Vec::with_capacity(grain_samples),
            grain_samples,
            coefficient: 2.0 * (std::f32::consts::TAU * PIP_HZ / rate_hz as f32).cos(),
            scale: 2.0 / window.iter().sum::<f32>(),
            window,
            quiet: 0,
        }
    }

    /// Takes in sound; where a pip begins in it, says how far into this sound.
    pub(crate) fn listen(&mut self, pcm: &[f32], rate_hz: u32) -> Option<Duration> {
        let mut begins = None;
        for (at, sample) in pcm.iter().enumerate() {
            self.grain.push(*sample);
            if self.grain.len() < self.grain_samples {
                continue;
            }
            let there = self.amplitude() > THRESHOLD;
            self.grain.clear();
            if there && self.quiet >= QUIET_GRAINS {
                let end = Duration::from_secs_f64((at + 1) as f64 / f64::from(rate_hz));
                begins = Some(end.saturating_sub(GRAIN));
            }
            self.quiet = if there {
                0
            } else {
                self.quiet.saturating_add(1)
            };
        }
        begins
    }

    fn amplitude(&self) -> f32 {
        let (mut last, mut last_but_one) = (0.0, 0.0);
        for (sample, weight) in self.grain.iter().zip(&self.window) {
            let next = sample * weight + self.coefficient * last - last_but_one;
            last_but_one = last;
            last = next;
        }
        let power =
            last * last + last_but_one * last_but_one - self.coefficient * last * last_but_one;
        power.max(0.0).sqrt() * self.scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voice::{Manner, Talker, Voice};

    const FRAME: Duration = Duration::from_millis(20);

    #[test]
    fn a_pips_delay_is_measured_beside_a_speaking_voice() {
        let start = Instant::now();
        let rota = PipRota::new(2, start);
        let mut sender = PipSender::new(1, 8_000);
        let mut talker = Talker::new(Voice::nth(9), Manner::Syllables, 8_000);
        let mut ear = PipEar::new(8_000);
        let path_delay = Duration::from_millis(47);
        let mut delays = Vec::new();
        for tick in 0..200 {
            let now = start + FRAME * tick;
            let mut frame = [0.0; 160];
            talker.speak(true, &mut frame);
            sender.add_to(&mut frame, &rota, now);
            if let Some(into) = ear.listen(&frame, 8_000) {
                delays.extend(rota.delay(now + path_delay + into));
            }
        }
        assert_eq!(
            delays.len(),
            4,
            "two talkers share eight turns in four seconds"
        );
        for delay in delays {
            assert!(delay.abs_diff(path_delay) <= GRAIN, "{delay:?}");
        }
    }

    #[test]
    fn voices_alone_are_no_pips() {
        let mut ear = PipEar::new(8_000);
        for voice in 0..Voice::COUNT {
            let mut talker = Talker::new(Voice::nth(voice), Manner::Talkspurts, 8_000);
            for _ in 0..110 {
                let mut frame = [0.0; 160];
                talker.speak(true, &mut frame);
                assert_eq!(ear.listen(&frame, 8_000), None, "voice {voice}");
            }
        }
    }

    #[test]
    fn a_pip_that_nobody_sent_has_no_delay() {
        let start = Instant::now();
        assert_eq!(PipRota::new(1, start).delay(start + FRAME), None);
    }
}
