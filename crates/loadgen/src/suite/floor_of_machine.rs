//! What would a bridge without any cost reach on this machine?

use std::time::{Duration, Instant};

use tutti_media::{Decoder, Encoder, EncoderSettings, FRAME_SAMPLES, Frame, SAMPLE_RATE_HZ};
use tutti_model::{Codec, Format};

use super::bridge::pin;
use crate::leg::PTIME;
use crate::recital::{Recital, Reciter};
use crate::speech::Speeches;
use crate::voice::Manner;

/// How often a thread wakes: as a media thread does, which serves a quarter of the conferences each time.
const PERIOD: Duration = Duration::from_millis(5);

/// A wake-up this late is a late tick.
const LATE: Duration = Duration::from_millis(5);

/// Behind by more than this, a thread gives up what it has missed.
const LARGEST_BACKLOG: Duration = Duration::from_millis(200);

/// Frames that are encoded and decoded to know what that costs: 20 s.
const FRAMES: usize = 1_000;

/// How often work is timed to know how much of it fills a moment; the fastest counts.
const TRIALS: u32 = 50;

/// Rounds of work that are timed: a good part of a millisecond.
const ROUNDS: u64 = 500_000;

/// How late a thread woke that had nothing else to do, or nothing but pure work.
#[derive(Debug, Clone, Copy)]
pub(super) struct WakeUps {
    pub(super) late_per_million: f64,
    pub(super) count: u64,
    pub(super) worst: Duration,
}

/// Sleeps to absolute deadlines for a while, and works for this share of the time between them, as a
/// media thread would whose work never lasts longer than thought; on a core, or where this thread may
/// run.
///
/// # Errors
/// When there is no such core for us.
pub(super) async fn wake_on(
    core: Option<usize>,
    work_share: f64,
    duration: Duration,
) -> anyhow::Result<WakeUps> {
    on_core(core, move || {
        let rounds = (rounds_per_second() * PERIOD.as_secs_f64() * work_share) as u64;
        let mut deadline = Instant::now();
        let ends_at = deadline + duration;
        let (mut late, mut count, mut worst) = (0_u64, 0_u64, Duration::ZERO);
        while deadline < ends_at {
            deadline += PERIOD;
            std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
            let now = Instant::now();
            let lateness = now.saturating_duration_since(deadline);
            count += 1;
            late += u64::from(lateness > LATE);
            worst = worst.max(lateness);
            if lateness > LARGEST_BACKLOG {
                deadline = now;
            }
            work(rounds);
        }
        Ok(WakeUps {
            late_per_million: 1e6 * late as f64 / count.max(1) as f64,
            count,
            worst,
        })
    })
    .await
}

/// How much work a core does while nobody takes it away.
fn rounds_per_second() -> f64 {
    let fastest = (0..TRIALS).map(|_| {
        let began = Instant::now();
        work(ROUNDS);
        began.elapsed()
    });
    let fastest = fastest.min().unwrap_or_default();
    ROUNDS as f64 / fastest.as_secs_f64().max(1e-9)
}

/// Work that touches no memory and asks the kernel for nothing.
fn work(rounds: u64) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..rounds {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    std::hint::black_box(state);
}

/// What one participant who talks all the time costs libopus alone, in percent of a core: its frames
/// decoded, and the mix of two others encoded for it, with the bridge's own settings.
///
/// # Errors
/// When there is no such core for us, or a codec does not do its work.
pub(super) async fn bare_opus_percent(core: usize) -> anyhow::Result<f64> {
    on_core(Some(core), || {
        let speeches = Speeches::built_in();
        let [a, b] = [0, 1].map(|speaker| speeches.of_talker(speaker, Manner::Syllables));
        let mixes: Vec<Frame> = a
            .chunks_exact(FRAME_SAMPLES)
            .zip(b.chunks_exact(FRAME_SAMPLES))
            .take(FRAMES)
            .map(|(a, b)| std::array::from_fn(|n| a[n] + b[n]))
            .collect();
        // What callers offer, and so what the bridge encodes.
        let format = Format {
            fec: true,
            ..Format::plain(Codec::Opus)
        };
        let settings = EncoderSettings {
            complexity: 5,
            ..EncoderSettings::default()
        };
        let mut encoder = Encoder::new(&format, settings)?;
        let mut payload = [0; 1_500];
        let began = Instant::now();
        for mix in &mixes {
            encoder.encode(mix, &mut payload)?;
        }
        let encoding = began.elapsed();

        let recital = Recital::of_sound(Codec::Opus, &a, 0)?;
        let mut reciter = Reciter::new(recital.into(), 0);
        let mut decoder = Decoder::new(Codec::Opus)?;
        let mut pcm = vec![0.0; SAMPLE_RATE_HZ as usize / 50];
        let began = Instant::now();
        for _ in 0..mixes.len() {
            if let Some(payload) = reciter.next() {
                decoder.decode(payload, &mut pcm)?;
            }
        }
        let sound = PTIME * mixes.len() as u32;
        Ok(100.0 * (encoding + began.elapsed()).as_secs_f64() / sound.as_secs_f64())
    })
    .await
}

/// Does something on a thread of its own, bound to a core or where this thread may run.
pub(super) async fn on_core<T: Send + 'static>(
    core: Option<usize>,
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let (done, result) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("floor".to_owned())
        .spawn(move || {
            // Whoever asked may have gone.
            let _ = done.send(core.map_or(Ok(()), pin).and_then(|()| work()));
        })?;
    result.await?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_works_or_sleeps_wakes_as_often() {
        for share in [0.0, 0.1] {
            let found = wake_on(None, share, Duration::from_millis(200))
                .await
                .unwrap();
            // A pause of the machine leaves some out.
            assert!((1..=41).contains(&found.count), "{found:?}");
            assert_eq!(
                found.late_per_million > 0.0,
                found.worst > LATE,
                "{found:?}"
            );
        }
    }
}
