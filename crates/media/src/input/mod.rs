//! What happens to one talker's voice between the decoder and the mix.

mod dc_blocker;
mod denoiser;
mod leveller;
#[cfg(test)]
pub(crate) mod signals;
mod voice_activity;

use tutti_model::AudioLevel;

use crate::frame::Frame;
use crate::ramp::FrameGain;
use crate::receiver::Pulled;

use dc_blocker::DcBlocker;
use denoiser::Denoiser;
use leveller::Leveller;
use voice_activity::{Activity, VoiceActivity};

pub use denoiser::{DENOISER_DELAY_SAMPLES, prepare_denoising};

/// The most that a talker's own gain raises or lowers, in dB.
pub const MOST_GAIN_DB: i8 = 24;

/// What is done to a talker's voice beside what is always done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputSettings {
    /// Bring the talker near −26 dBov.
    pub leveller: bool,
    /// Take noise out, at the price of about 100 µs per frame and 10 ms of delay.
    pub noise_suppression: bool,
}

/// What was heard of a talker in one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// How loud it came, before any gain.
    pub level: AudioLevel,
    /// Whether somebody speaks.
    pub voice: bool,
    /// Whether a voice sounds in this very frame; after the last such frame somebody is still said to
    /// speak for a while.
    pub sounds: bool,
}

/// One talker's voice on its way into the mix: cleaned, judged, brought to a level.
///
/// In this order: what is no sound is taken out, then noise if asked for; level and voice are
/// judged; the leveller's gain and the talker's own are applied as one. It allocates nothing after
/// construction, and a silent frame costs nothing worth naming once the last sound has faded.
pub struct InputChain {
    dc_blocker: DcBlocker,
    denoiser: Option<Denoiser>,
    voice_activity: VoiceActivity,
    leveller: Option<Leveller>,
    /// The talker's own gain, as a factor.
    own_gain: f32,
    gain: FrameGain,
}

impl InputChain {
    /// A chain that has heard nothing, with a gain of 0 dB.
    pub fn new(settings: InputSettings) -> InputChain {
        InputChain {
            dc_blocker: DcBlocker::default(),
            denoiser: settings.noise_suppression.then(Denoiser::new),
            voice_activity: VoiceActivity::default(),
            leveller: settings.leveller.then(Leveller::default),
            own_gain: 1.0,
            gain: FrameGain::default(),
        }
    }

    /// Raises or lowers the talker from the next frame on, by at most [`MOST_GAIN_DB`].
    ///
    /// It comes after the leveller, which would undo it otherwise.
    pub fn set_gain_db(&mut self, gain_db: i8) {
        let gain_db = gain_db.clamp(-MOST_GAIN_DB, MOST_GAIN_DB);
        self.own_gain = 10.0_f32.powf(f32::from(gain_db) / 20.0);
    }

    /// Makes a decoded frame ready for the mix, in place; to be called once in every tick.
    ///
    /// A frame that was pulled as [`Pulled::Silence`] holds zeros only; at rest it is not looked at.
    pub fn process(&mut self, frame: &mut Frame, pulled: Pulled) -> Heard {
        let is_silent = match pulled {
            Pulled::Silence => true,
            // What nobody says is often sent as audio too.
            Pulled::Audio | Pulled::Concealed => self.is_at_rest() && is_zero(frame),
        };
        if is_silent && self.is_at_rest() {
            return self.pass_silence();
        }
        let mut mean_square = self.dc_blocker.process(frame);
        if let Some(denoiser) = &mut self.denoiser {
            mean_square = denoiser.process(frame, mean_square == 0.0);
        }
        if mean_square == 0.0 {
            return self.pass_silence();
        }
        let is_guess = match pulled {
            Pulled::Audio => false,
            Pulled::Concealed | Pulled::Silence => true,
        };
        let activity = self.voice_activity.process(frame, is_guess);
        let factor = self.factor(activity, (!is_guess).then_some(mean_square));
        self.gain.apply(factor, frame);
        Heard {
            level: AudioLevel::from_rms(mean_square.sqrt()),
            voice: activity.is_voice(),
            sounds: activity.sounds(),
        }
    }

    /// Whether silence comes out as silence.
    pub fn is_at_rest(&self) -> bool {
        self.dc_blocker.is_at_rest() && self.denoiser.as_ref().is_none_or(Denoiser::is_at_rest)
    }

    fn pass_silence(&mut self) -> Heard {
        let activity = self.voice_activity.pass_silence();
        let factor = self.factor(activity, None);
        self.gain.jump(factor);
        Heard {
            level: AudioLevel::SILENCE,
            voice: activity.is_voice(),
            sounds: activity.sounds(),
        }
    }

    /// The gain at the end of this frame.
    fn factor(&mut self, activity: Activity, mean_square: Option<f32>) -> f32 {
        let levelled = self
            .leveller
            .as_mut()
            .map_or(1.0, |leveller| leveller.advance(activity, mean_square));
        levelled * self.own_gain
    }
}

/// Whether every sample is 0.
fn is_zero(frame: &Frame) -> bool {
    // The sign does not matter, and without an early end all samples are looked at side by side.
    let bits = frame
        .iter()
        .fold(0, |bits, sample| bits | sample.abs().to_bits());
    bits == 0
}

#[cfg(test)]
mod tests {
    use super::signals::{Signal, dbov, sine, speech};
    use super::*;
    use crate::frame::{FRAME_SAMPLES, from_i16};

    const PLAIN: InputSettings = InputSettings {
        leveller: false,
        noise_suppression: false,
    };
    const LEVELLED: InputSettings = InputSettings {
        leveller: true,
        noise_suppression: false,
    };
    const DENOISED: InputSettings = InputSettings {
        leveller: false,
        noise_suppression: true,
    };

    /// What comes out of a chain for so many frames of a signal.
    fn through(chain: &mut InputChain, signal: &mut Signal, frames: usize) -> Vec<f32> {
        let mut out = Vec::new();
        for _ in 0..frames {
            let mut frame = signal.frame();
            chain.process(&mut frame, Pulled::Audio);
            out.extend_from_slice(&frame);
        }
        out
    }

    fn steepest(samples: &[f32]) -> f32 {
        samples.windows(2).fold(0.0, |steepest, pair| {
            f32::max(steepest, (pair[1] - pair[0]).abs())
        })
    }

    #[test]
    fn a_quiet_and_a_loud_talker_are_within_four_decibels_after_three_seconds() {
        let mut levels = Vec::new();
        for level in [-40.0, -30.0, -20.0, -12.0] {
            let mut chain = InputChain::new(LEVELLED);
            let mut talk = speech(level, 7).over(Signal::white(-75.0, 8));
            through(&mut chain, &mut talk, 150);
            levels.push(dbov(&through(&mut chain, &mut talk, 100)));
        }
        let loudest = levels.iter().copied().fold(f32::MIN, f32::max);
        let quietest = levels.iter().copied().fold(f32::MAX, f32::min);
        assert!(loudest - quietest < 4.0, "{levels:?}");
        assert!(
            levels.iter().all(|level| (-29.5..-25.0).contains(level)),
            "{levels:?}"
        );
    }

    #[test]
    fn a_steady_tone_is_levelled_like_speech() {
        for level in [-20.0, -12.0] {
            let mut chain = InputChain::new(LEVELLED);
            let mut tone = sine(440.0, level);
            through(&mut chain, &mut tone, 150);
            let after = dbov(&through(&mut chain, &mut tone, 50));
            assert!((after + 26.0).abs() < 0.3, "{level}: {after}");
        }
    }

    #[test]
    fn a_quiet_talkers_noise_is_raised_by_three_decibels_at_most_in_pauses() {
        let mut chain = InputChain::new(LEVELLED);
        let mut talk = speech(-40.0, 7).over(Signal::white(-62.0, 8));
        through(&mut chain, &mut talk, 300);
        let mut noise = Signal::white(-62.0, 9);
        through(&mut chain, &mut noise, 60);
        let pause = dbov(&through(&mut chain, &mut noise, 100));
        assert!(pause < -58.8, "{pause}");
        let mut again = speech(-40.0, 7).over(Signal::white(-62.0, 8));
        through(&mut chain, &mut again, 2);
        let back = dbov(&through(&mut chain, &mut again, 100));
        assert!(back > -29.5, "{back}");
    }

    #[test]
    fn noise_alone_is_never_raised() {
        let mut chain = InputChain::new(LEVELLED);
        let mut noise = Signal::pink(-50.0, 5);
        through(&mut chain, &mut noise, 500);
        let after = dbov(&through(&mut chain, &mut noise, 100));
        assert!(after < -46.9, "{after}");
    }

    #[test]
    fn without_a_leveller_a_voice_passes_unchanged() {
        let mut chain = InputChain::new(PLAIN);
        let mut blocker = DcBlocker::default();
        let mut talk = speech(-40.0, 7);
        for _ in 0..100 {
            let mut frame = talk.frame();
            let mut blocked = frame;
            chain.process(&mut frame, Pulled::Audio);
            blocker.process(&mut blocked);
            assert_eq!(frame, blocked);
        }
    }

    #[test]
    fn the_level_is_that_of_what_came() {
        let mut chain = InputChain::new(LEVELLED);
        chain.set_gain_db(-24);
        let mut tone = sine(440.0, -14.5);
        for _ in 0..100 {
            let mut frame = tone.frame();
            let heard = chain.process(&mut frame, Pulled::Audio);
            assert_eq!(heard.level.minus_dbov(), 14);
        }
    }

    #[test]
    fn a_gain_is_reached_without_a_step() {
        let mut chain = InputChain::new(PLAIN);
        let mut tone = sine(200.0, -40.0);
        let before = through(&mut chain, &mut tone, 50);
        chain.set_gain_db(24);
        let rise = through(&mut chain, &mut tone, 1);
        let after = through(&mut chain, &mut tone, 50);
        assert!((dbov(&after) + 16.0).abs() < 0.1);
        let all = [&before[before.len() - 2..], &rise, &after].concat();
        assert!(steepest(&all) < steepest(&after) * 1.05);
        chain.set_gain_db(127);
        through(&mut chain, &mut tone, 1);
        assert!((dbov(&through(&mut chain, &mut tone, 50)) + 16.0).abs() < 0.1);
    }

    #[test]
    fn the_leveller_makes_no_step() {
        let mut chain = InputChain::new(LEVELLED);
        let mut factor = 1.0_f32;
        let mut talk = speech(-40.0, 7).over(Signal::white(-75.0, 8));
        for index in 0..1_000 {
            // Four seconds of talk, two of noise.
            let mut frame = if index % 300 < 200 {
                talk.frame()
            } else {
                sine(700.0, -80.0).frame()
            };
            let mut blocked = frame;
            let mut blocker = chain.dc_blocker;
            blocker.process(&mut blocked);
            chain.process(&mut frame, Pulled::Audio);
            for (before, after) in blocked.iter().zip(&frame) {
                if before.abs() > 1e-6 {
                    let next = after / before;
                    assert!((next / factor - 1.0).abs() < 0.03, "{factor} {next}");
                    factor = next;
                }
            }
        }
    }

    #[test]
    fn an_idle_a_law_line_is_silent_and_says_so() {
        let mut chain = InputChain::new(LEVELLED);
        for index in 0..50 {
            let mut frame = [from_i16(8); FRAME_SAMPLES];
            let heard = chain.process(&mut frame, Pulled::Audio);
            assert!(!heard.voice);
            if index > 5 {
                assert_eq!(heard.level, AudioLevel::SILENCE);
                assert_eq!(frame, [0.0; FRAME_SAMPLES]);
            }
        }
    }

    #[test]
    fn silence_after_speech_comes_to_rest_and_the_voice_ends() {
        for settings in [PLAIN, LEVELLED, DENOISED] {
            let mut chain = InputChain::new(settings);
            through(&mut chain, &mut speech(-20.0, 7), 100);
            let mut heard = Heard {
                level: AudioLevel::SILENCE,
                voice: true,
                sounds: true,
            };
            for _ in 0..15 {
                let mut frame = [0.0; FRAME_SAMPLES];
                heard = chain.process(&mut frame, Pulled::Silence);
            }
            assert_eq!(heard.level, AudioLevel::SILENCE);
            assert!(!heard.voice && chain.is_at_rest());
        }
    }

    #[test]
    fn hostile_samples_leave_nothing_behind() {
        for settings in [PLAIN, LEVELLED, DENOISED] {
            let mut chain = InputChain::new(settings);
            for index in 0..200 {
                let mut frame: Frame = std::array::from_fn(|at| match index % 5 {
                    0 => f32::NAN,
                    1 if at % 2 == 0 => f32::INFINITY,
                    1 => f32::NEG_INFINITY,
                    2 if at % 96 < 48 => 1.0,
                    2 => -1.0,
                    3 => 1.0,
                    _ => f32::MAX,
                });
                chain.process(&mut frame, Pulled::Audio);
                assert!(frame.iter().all(|sample| sample.abs() <= 8.0));
            }
            through(&mut chain, &mut Signal::white(-70.0, 3), 150);
            let mut tone = sine(440.0, -26.0).over(Signal::white(-60.0, 4));
            through(&mut chain, &mut tone, 200);
            let out = through(&mut chain, &mut tone, 1);
            assert!(out.iter().all(|sample| sample.is_finite()));
        }
    }

    #[test]
    fn concealment_teaches_nothing_about_a_talkers_level() {
        let mut chain = InputChain::new(LEVELLED);
        through(&mut chain, &mut sine(440.0, -26.0), 200);
        let mut fading = sine(440.0, -38.0);
        for _ in 0..300 {
            chain.process(&mut fading.frame(), Pulled::Concealed);
        }
        let after = dbov(&through(&mut chain, &mut sine(440.0, -26.0), 2));
        assert!((after + 26.0).abs() < 0.1, "{after}");
    }

    #[test]
    fn a_denoised_voice_is_late_by_the_same_time_always() {
        let mut chain = InputChain::new(DENOISED);
        let mut talk = speech(-20.0, 7);
        let mut said = Vec::new();
        let mut heard = Vec::new();
        for index in 0..600 {
            let mut frame = if (200..300).contains(&index) {
                [0.0; FRAME_SAMPLES]
            } else {
                talk.frame()
            };
            said.extend_from_slice(&frame);
            let pulled = if (200..300).contains(&index) {
                Pulled::Silence
            } else {
                Pulled::Audio
            };
            chain.process(&mut frame, pulled);
            heard.extend_from_slice(&frame);
        }
        for begin in [100, 350, 550] {
            let span = begin * FRAME_SAMPLES..(begin + 40) * FRAME_SAMPLES;
            let likeness = |delay: usize| -> f32 {
                let late = &heard[span.start + delay..span.end + delay];
                said[span.clone()]
                    .iter()
                    .zip(late)
                    .map(|(a, b)| a * b)
                    .sum()
            };
            // RNNoise has a high-pass of its own, so the best match may be a few samples off.
            let best = (0..960).max_by(|a, b| likeness(*a).total_cmp(&likeness(*b)));
            let best = best.unwrap();
            assert!(best.abs_diff(DENOISER_DELAY_SAMPLES) <= 24, "{best}");
        }
    }

    #[test]
    fn a_denoiser_lowers_noise_and_keeps_a_voice() {
        let mut chain = InputChain::new(DENOISED);
        let mut noise = Signal::fan(-45.0, 5);
        through(&mut chain, &mut noise, 100);
        let quiet = dbov(&through(&mut chain, &mut noise, 100));
        assert!(quiet < -75.0, "{quiet}");
        let mut talk = speech(-20.0, 7);
        through(&mut chain, &mut talk, 50);
        let spoken = dbov(&through(&mut chain, &mut talk, 100));
        assert!(spoken > -26.0, "{spoken}");
    }
}
