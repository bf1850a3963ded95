//! What would a bridge without any cost reach on this machine?

use std::time::{Duration, Instant};

use tutti_media::{Decoder, Encoder, EncoderSettings, FRAME_SAMPLES, Frame, SAMPLE_RATE_HZ};
use tutti_model::{Codec, Format};

use super::bridge::pin;
use crate::recital::{Recital, Reciter};
use crate::speech::Speeches;
use crate::voice::Manner;

/// How often a sleeper wakes.
const PERIOD: Duration = Duration::from_millis(20);

/// A wake-up this late is a late tick.
const LATE: Duration = Duration::from_millis(5);

/// Frames that are encoded and decoded to know what that costs: 20 s.
const FRAMES: usize = 1_000;

/// How late a thread woke that had nothing else to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sleep {
    pub(super) late_per_million: f64,
    pub(super) wake_ups: u64,
    pub(super) worst: Duration,
}

/// Sleeps to absolute deadlines on a core for a while, as a media thread without legs would.
///
/// # Errors
/// When there is no such core for us.
pub(super) async fn sleep_on(core: usize, duration: Duration) -> anyhow::Result<Sleep> {
    on_core(core, move || {
        let mut deadline = Instant::now();
        let ends_at = deadline + duration;
        let (mut late, mut wake_ups, mut worst) = (0, 0_u64, Duration::ZERO);
        while deadline < ends_at {
            deadline += PERIOD;
            std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
            let lateness = Instant::now().saturating_duration_since(deadline);
            wake_ups += 1;
            late += u64::from(lateness > LATE);
            worst = worst.max(lateness);
        }
        Ok(Sleep {
            late_per_million: 1e6 * late as f64 / wake_ups.max(1) as f64,
            wake_ups,
            worst,
        })
    })
    .await
}

/// What one participant who talks all the time costs libopus alone, in percent of a core: its frames
/// decoded, and the mix of two others encoded for it, with the bridge's own settings.
///
/// # Errors
/// When there is no such core for us, or a codec does not do its work.
pub(super) async fn bare_opus_percent(core: usize) -> anyhow::Result<f64> {
    on_core(core, || {
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
        let sound = PERIOD * mixes.len() as u32;
        Ok(100.0 * (encoding + began.elapsed()).as_secs_f64() / sound.as_secs_f64())
    })
    .await
}

/// Does something on a thread that is bound to a core.
async fn on_core<T: Send + 'static>(
    core: usize,
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let (done, result) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("floor".to_owned())
        .spawn(move || {
            // Whoever asked may have gone.
            let _ = done.send(pin(core).and_then(|()| work()));
        })?;
    result.await?
}
