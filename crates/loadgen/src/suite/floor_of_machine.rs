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
const TRIALS: u32 = 20;

/// Frames of speech that are encoded over and over: a second, whose frames cost more and less.
const WORK_FRAMES: usize = 50;

/// How late a thread woke that had nothing else to do, or nothing but pure work.
#[derive(Debug, Clone, Copy)]
pub(super) struct WakeUps {
    pub(super) late_per_million: f64,
    pub(super) count: u64,
    pub(super) worst: Duration,
}

/// Sleeps to absolute deadlines for a while, and does work that takes this share of the time between
/// them while the core is at its fastest; on a core, or where this thread may run.
///
/// The work is a media thread's: a neighbour on the same piece of silicon slows down encoders by a
/// third for a while, and a plain loop not at all.
///
/// # Errors
/// When there is no such core for us.
pub(super) async fn wake_on(
    core: Option<usize>,
    work_share: f64,
    duration: Duration,
) -> anyhow::Result<WakeUps> {
    on_core(core, move || {
        let mut work = Work::new()?;
        let encodes = (PERIOD.as_secs_f64() * work_share / work.least()?.as_secs_f64()) as usize;
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
            work.encode(encodes)?;
        }
        Ok(WakeUps {
            late_per_million: 1e6 * late as f64 / count.max(1) as f64,
            count,
            worst,
        })
    })
    .await
}

/// What a media thread does most of the time, over and over.
struct Work {
    encoder: Encoder,
    mixes: Vec<Frame>,
    encoded: usize,
}

impl Work {
    fn new() -> anyhow::Result<Work> {
        Ok(Work {
            encoder: encoder()?,
            mixes: mixes(WORK_FRAMES),
            encoded: 0,
        })
    }

    /// Encodes so many of the next frames.
    fn encode(&mut self, count: usize) -> anyhow::Result<()> {
        let mut payload = [0; 1_500];
        for _ in 0..count {
            let frame = self.mixes.get(self.encoded % self.mixes.len().max(1));
            if let Some(frame) = frame {
                self.encoder.encode(frame, &mut payload)?;
            }
            self.encoded += 1;
        }
        Ok(())
    }

    /// How long an encode takes while nobody takes the core away.
    fn least(&mut self) -> anyhow::Result<Duration> {
        let mut least = Duration::MAX;
        for _ in 0..TRIALS {
            let began = Instant::now();
            self.encode(WORK_FRAMES)?;
            least = least.min(began.elapsed() / WORK_FRAMES as u32);
        }
        Ok(least.max(Duration::from_nanos(1)))
    }
}

/// An encoder like those of the bridge: what callers offer, at the complexity of the goals.
fn encoder() -> anyhow::Result<Encoder> {
    let format = Format {
        fec: true,
        ..Format::plain(Codec::Opus)
    };
    let settings = EncoderSettings {
        complexity: 5,
        ..EncoderSettings::default()
    };
    Ok(Encoder::new(&format, settings)?)
}

/// Two people who talk at once.
fn mixes(frames: usize) -> Vec<Frame> {
    let speeches = Speeches::built_in();
    let [a, b] = [0, 1].map(|speaker| speeches.of_talker(speaker, Manner::Syllables));
    a.chunks_exact(FRAME_SAMPLES)
        .zip(b.chunks_exact(FRAME_SAMPLES))
        .take(frames)
        .map(|(a, b)| std::array::from_fn(|n| a[n] + b[n]))
        .collect()
}

/// What one participant who talks all the time costs libopus alone, in percent of a core: its frames
/// decoded, and the mix of two others encoded for it, with the bridge's own settings.
///
/// # Errors
/// When there is no such core for us, or a codec does not do its work.
pub(super) async fn bare_opus_percent(core: usize) -> anyhow::Result<f64> {
    on_core(Some(core), || {
        let mixes = mixes(FRAMES);
        let mut encoder = encoder()?;
        let mut payload = [0; 1_500];
        let began = Instant::now();
        for mix in &mixes {
            encoder.encode(mix, &mut payload)?;
        }
        let encoding = began.elapsed();

        let said = Speeches::built_in().of_talker(0, Manner::Syllables);
        let recital = Recital::of_sound(Codec::Opus, &said, 0)?;
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
