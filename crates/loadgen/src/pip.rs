//! How long does a sound take from one caller to the others?
//!
//! The talkers of a conference take turns: every half second one of them adds a pip, far above all
//! voices. Whoever hears a pip knows when the last one was sent, since all callers live in one
//! process. The delay runs from the moment at which the packet with the pip's first sample leaves,
//! plus that sample's place in the packet, to the moment at which the packet that holds it arrives,
//! plus its place there. A forwarder that only hands packets on measures 0 (with Opus, the codec's own
//! look-ahead of some 7 ms); from mouth to ear it is a packet's 20 ms more.

use std::collections::VecDeque;
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

/// A pip may seem to be heard this long before it was sent: no ear is exact.
const ERROR: Duration = Duration::from_millis(3);

/// How finely an ear looks for the beginning of a pip.
const GRAIN: Duration = Duration::from_millis(5);

/// How loud a grain is at the frequency of a pip, at least, when the pip is there.
const THRESHOLD: f32 = 0.012;

/// How long after a pip's first grain it has its full level.
const PLATEAU: Duration = Duration::from_millis(25);

/// How much sound an ear remembers.
const MEMORY: Duration = Duration::from_millis(60);

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
        let last = sent.iter().rev().find(|sent| **sent <= heard_at + ERROR)?;
        Some(heard_at.saturating_duration_since(*last)).filter(|delay| *delay < INTERVAL)
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
    rate_hz: u32,
    /// What came last, newest at the end: enough to look back at a pip's beginning.
    recent: Vec<f32>,
    /// Which packets it came in: where each begins in `recent`, and when it came.
    packets: VecDeque<(usize, Instant)>,
    window: Vec<f32>,
    coefficient: f32,
    scale: f32,
    /// Grains without a pip in a row.
    quiet: u32,
    /// Where in `recent` the next grain begins.
    next_grain: usize,
    /// Where in `recent` a grain was the first with a pip in it, until its beginning is known.
    found: Option<usize>,
}

impl PipEar {
    /// An ear for sound at this sample rate.
    pub(crate) fn new(rate_hz: u32) -> PipEar {
        let grain_samples = samples_in(GRAIN, rate_hz);
        let hann = |at: usize| {
            let place = (at as f32 + 0.5) / grain_samples as f32;
            0.5 - 0.5 * (place * std::f32::consts::TAU).cos()
        };
        let window: Vec<f32> = (0..grain_samples).map(hann).collect();
        PipEar {
            rate_hz,
            recent: Vec::new(),
            packets: VecDeque::new(),
            coefficient: 2.0 * (std::f32::consts::TAU * PIP_HZ / rate_hz as f32).cos(),
            scale: 2.0 / window.iter().sum::<f32>(),
            window,
            quiet: 0,
            next_grain: 0,
            found: None,
        }
    }

    /// Takes in a packet's sound; says when a pip began, once enough of it has come: the moment at
    /// which the packet of its first sample came, plus that sample's place in it.
    pub(crate) fn listen(&mut self, pcm: &[f32], came_at: Instant) -> Option<Instant> {
        self.packets.push_back((self.recent.len(), came_at));
        self.recent.extend_from_slice(pcm);
        let grain = self.window.len();
        while self.next_grain + grain <= self.recent.len() {
            let there = self.amplitude(self.next_grain) > THRESHOLD;
            if there && self.quiet >= QUIET_GRAINS {
                self.found = Some(self.next_grain);
            }
            self.quiet = if there {
                0
            } else {
                self.quiet.saturating_add(1)
            };
            self.next_grain += grain;
        }
        let plateau = samples_in(PLATEAU, self.rate_hz);
        let found = self
            .found
            .filter(|found| found + plateau + grain <= self.recent.len());
        let began = found.and_then(|found| {
            self.found = None;
            self.beginning(found, found + plateau)
        });
        self.forget();
        began
    }

    /// When the pip began that a grain at `found` has a part of, and one at `plateau` is full of.
    fn beginning(&self, found: usize, plateau: usize) -> Option<Instant> {
        let half = self.amplitude(plateau) / 2.0;
        let grain = self.window.len();
        let from = found.saturating_sub(grain);
        // A window that is half full has the pip's beginning in its middle.
        let first = (from..=plateau).find(|at| self.amplitude(*at) >= half)?;
        let sample = first + grain / 2;
        let packet = self
            .packets
            .iter()
            .rev()
            .find(|(begins, _)| *begins <= sample);
        packet.map(|(begins, came_at)| {
            let into = (sample - begins) as f64 / f64::from(self.rate_hz);
            *came_at + Duration::from_secs_f64(into)
        })
    }

    /// Drops the packets that no pip's beginning can be in any more.
    fn forget(&mut self) {
        let kept = samples_in(MEMORY, self.rate_hz);
        while let Some((next, _)) = self.packets.get(1).copied()
            && self.recent.len() - next >= kept
            && next <= self.next_grain
        {
            self.recent.drain(..next);
            self.packets.pop_front();
            self.packets
                .iter_mut()
                .for_each(|(begins, _)| *begins -= next);
            self.next_grain -= next;
            self.found = self.found.and_then(|found| found.checked_sub(next));
        }
    }

    /// How loud the pip's frequency is in the grain that begins at a sample.
    fn amplitude(&self, at: usize) -> f32 {
        let (mut last, mut last_but_one) = (0.0, 0.0);
        let grain = self.recent.iter().skip(at).take(self.window.len());
        for (sample, weight) in grain.zip(&self.window) {
            let next = sample * weight + self.coefficient * last - last_but_one;
            last_but_one = last;
            last = next;
        }
        let power =
            last * last + last_but_one * last_but_one - self.coefficient * last * last_but_one;
        power.max(0.0).sqrt() * self.scale
    }
}

fn samples_in(duration: Duration, rate_hz: u32) -> usize {
    (duration.as_secs_f64() * f64::from(rate_hz)).round() as usize
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
            if let Some(began) = ear.listen(&frame, now + path_delay) {
                delays.extend(rota.delay(began));
            }
        }
        assert_eq!(
            delays.len(),
            4,
            "two talkers share eight turns in four seconds"
        );
        for delay in delays {
            let error = delay.abs_diff(path_delay);
            assert!(error <= Duration::from_millis(1), "{delay:?}");
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
                assert_eq!(ear.listen(&frame, Instant::now()), None, "voice {voice}");
            }
        }
    }

    #[test]
    fn a_pip_that_nobody_sent_has_no_delay() {
        let start = Instant::now();
        assert_eq!(PipRota::new(1, start).delay(start + FRAME), None);
    }
}
