//! Is this somebody speaking?

use std::f64::consts::TAU;

use crate::frame::Frame;

/// How many samples make one sample of the band that telephones carry.
const DECIMATION: usize = 6;

/// The rate at which bands are measured, in hertz.
const RATE_HZ: f64 = 8_000.0;

/// Samples of a frame at that rate.
const DECIMATED: f32 = 160.0;

/// Where bands begin, in hertz. Below the first one there is hum, and little of a voice; the last
/// one has no end.
const EDGES_HZ: [f64; BANDS] = [200.0, 500.0, 1_000.0, 2_000.0];

/// How much wider than from edge to edge a band is, so that no tone falls between two of them.
const OVERLAP: f64 = 1.4;

const BANDS: usize = 4;

/// The quietest floor of a band, as a mean square: −70 dBov. What is 9 dB above it may be a voice.
const QUIETEST_FLOOR: f32 = 1e-7;

/// The floor of a band of which nothing is known yet: −55 dBov. The noise of an ordinary line is no
/// voice from its first frame on, and a talker of −45 dBov is one; the first quieter frame corrects it.
const FIRST_FLOOR: f32 = 3.2e-6;

/// The loudest floor of a band: −45 dBov. Whatever goes on for longer and louder stays a voice.
const LOUDEST_FLOOR: f32 = 3.2e-5;

/// How far a band of a voice is above its floor: 9 dB, in power.
const BAND_RATIO: f32 = 8.0;

/// How far all bands of a voice are above their floors on average: 4.5 dB, as a product of powers.
const JOINT_RATIO: f32 = 63.0;

/// The most that one band says for the others: 12 dB; and the least: −3 dB.
const RATIO_LIMITS: (f32, f32) = (0.5, 16.0);

/// What a new frame weighs in a band's smoothed power.
const SMOOTHING: f32 = 0.4;

/// By how much the least smoothed power of a steady noise is below its mean: 2.5 dB.
const MINIMUM_BIAS: f32 = 1.8;

/// The floor is the least of so many spans, …
const SPANS: usize = 6;

/// … each of so many frames: a new noise is known after 1.2 to 1.44 s.
const SPAN_FRAMES: u32 = 12;

/// How many frames of a tone count as one, so that one of any level is heard for 3.6 s.
const TONE_FRAMES: u32 = 3;

/// How far the power of a tone strays from its mean; that of noise strays by 0.09 and more.
const TONE_DEVIATION: f32 = 0.04;

/// For how many frames a voice goes on after it was last heard: 200 ms.
const HANG_OVER_FRAMES: u32 = 10;

/// What one frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// No voice.
    Pause,
    /// What may become a voice, if it goes on.
    Onset,
    /// A voice.
    Voice,
    /// The time after a voice in which it may go on.
    HangOver,
}

impl Activity {
    /// Whether somebody is said to speak.
    pub fn is_voice(self) -> bool {
        match self {
            Activity::Voice | Activity::HangOver => true,
            Activity::Pause | Activity::Onset => false,
        }
    }

    /// Whether this very frame may be a voice.
    pub fn sounds(self) -> bool {
        match self {
            Activity::Onset | Activity::Voice => true,
            Activity::Pause | Activity::HangOver => false,
        }
    }
}

/// Tells a voice from steady noise by how far four bands rise above their own noise floors.
///
/// The floor of a band follows the least of its smoothed power within the last 1.4 s (minimum
/// statistics), so a voice's own pauses keep it down and a fan is forgotten; until it is known it is
/// what the noise of a line may well be. Two frames make a voice: one may be a click.
#[derive(Debug, Clone, Copy)]
pub struct VoiceActivity {
    hum: [Biquad<1>; 2],
    bands: Biquad<BANDS>,
    /// Each band's power, smoothed; nothing before the first frame.
    smoothed: Option<[f32; BANDS]>,
    /// The least smoothed power of each span, the present one included.
    least: [[f32; BANDS]; SPANS],
    span: usize,
    frames_in_span: u32,
    /// How far the power strays from its mean, smoothed.
    deviation: f32,
    /// For how many frames a tone has been going on without being counted.
    tone_frames: u32,
    /// The last frame may have been a voice.
    suspected: bool,
    hang_over: u32,
}

impl Default for VoiceActivity {
    fn default() -> VoiceActivity {
        let [first, second, third, last] = EDGES_HZ;
        let band = |begin: f64, end: f64| {
            let centre = (begin * end).sqrt();
            Biquad::band_pass(centre, centre / (end - begin) / OVERLAP)
        };
        VoiceActivity {
            // Two of these qualities make one Butterworth filter of the fourth order.
            hum: [0.541_2, 1.306_6].map(|quality| Biquad::high_pass(first, quality)),
            bands: Biquad::side_by_side([
                band(first, second),
                band(second, third),
                band(third, last),
                Biquad::high_pass(last, std::f64::consts::FRAC_1_SQRT_2),
            ]),
            smoothed: None,
            least: [[FIRST_FLOOR / MINIMUM_BIAS; BANDS]; SPANS],
            span: 0,
            frames_in_span: 0,
            deviation: 1.0,
            tone_frames: 0,
            suspected: false,
            hang_over: 0,
        }
    }
}

impl VoiceActivity {
    /// Looks at a frame. What is only a guess at what was said teaches nothing about noise.
    pub fn process(&mut self, frame: &Frame, is_guess: bool) -> Activity {
        let powers = self.measure(frame);
        if !is_guess {
            self.learn(&powers);
        }
        let is_loud = self.rises_above_the_floor(&powers);
        self.decide(is_loud)
    }

    /// Passes over a frame of exact silence, which says nothing about a talker's noise.
    pub fn pass_silence(&mut self) -> Activity {
        for hum in &mut self.hum {
            hum.clear();
        }
        self.bands.clear();
        self.decide(false)
    }

    /// The mean square of each band.
    fn measure(&mut self, frame: &Frame) -> [f32; BANDS] {
        let [mut first, mut second] = self.hum;
        let mut bands = self.bands;
        let mut squares = [0.0; BANDS];
        for samples in frame.as_chunks::<DECIMATION>().0 {
            let [a, b, c, d, e, f] = *samples;
            let mean = ((a + b) + (c + d) + (e + f)) * (1.0 / DECIMATION as f32);
            let [heard] = second.next(first.next([mean]));
            let outputs = bands.next([heard; BANDS]);
            for (square, output) in squares.iter_mut().zip(outputs) {
                *square += output * output;
            }
        }
        self.hum = [first, second];
        self.bands = bands;
        squares.map(|square| square / DECIMATED)
    }

    fn learn(&mut self, powers: &[f32; BANDS]) {
        let mut smoothed = self.smoothed.unwrap_or(*powers);
        for (smooth, power) in smoothed.iter_mut().zip(powers) {
            *smooth += SMOOTHING * (power - *smooth);
        }
        self.smoothed = Some(smoothed);

        let mean: f32 = smoothed.iter().sum();
        let strays = (powers.iter().sum::<f32>() - mean).abs() / mean.max(QUIETEST_FLOOR);
        self.deviation += 0.1 * (strays.min(1.0) - self.deviation);

        if let Some(least) = self.least.get_mut(self.span) {
            for (least, smooth) in least.iter_mut().zip(smoothed) {
                *least = least.min(smooth);
            }
        }
        if self.deviation < TONE_DEVIATION && self.tone_frames + 1 < TONE_FRAMES {
            self.tone_frames += 1;
            return;
        }
        self.tone_frames = 0;
        self.frames_in_span += 1;
        if self.frames_in_span == SPAN_FRAMES {
            self.frames_in_span = 0;
            self.span = (self.span + 1) % SPANS;
            if let Some(next) = self.least.get_mut(self.span) {
                *next = smoothed;
            }
        }
    }

    fn floors(&self) -> [f32; BANDS] {
        let mut floors = [f32::MAX; BANDS];
        for least in &self.least {
            for (floor, least) in floors.iter_mut().zip(least) {
                *floor = floor.min(*least);
            }
        }
        floors.map(|floor| (floor * MINIMUM_BIAS).clamp(QUIETEST_FLOOR, LOUDEST_FLOOR))
    }

    fn rises_above_the_floor(&self, powers: &[f32; BANDS]) -> bool {
        let floors = self.floors();
        let ratios: [f32; BANDS] = std::array::from_fn(|band| powers[band] / floors[band]);
        let joint: f32 = ratios
            .iter()
            .map(|ratio| ratio.clamp(RATIO_LIMITS.0, RATIO_LIMITS.1))
            .product();
        joint >= JOINT_RATIO || ratios.iter().any(|ratio| *ratio >= BAND_RATIO)
    }

    fn decide(&mut self, is_loud: bool) -> Activity {
        let goes_on = self.suspected || self.hang_over > 0;
        self.suspected = is_loud;
        if is_loud && goes_on {
            self.hang_over = HANG_OVER_FRAMES;
            Activity::Voice
        } else if self.hang_over > 0 {
            self.hang_over -= 1;
            Activity::HangOver
        } else if is_loud {
            Activity::Onset
        } else {
            Activity::Pause
        }
    }
}

/// Filters of the second order side by side (transposed direct form II).
#[derive(Debug, Clone, Copy)]
struct Biquad<const N: usize> {
    /// The zeros' weights.
    b: [[f32; N]; 3],
    /// The poles' weights, for the last output and the one before.
    a: [[f32; N]; 2],
    state: [[f32; N]; 2],
}

impl Biquad<1> {
    fn high_pass(corner_hz: f64, quality: f64) -> Biquad<1> {
        let (sin, cos) = (TAU * corner_hz / RATE_HZ).sin_cos();
        let edge = (1.0 + cos) / 2.0;
        Biquad::new([edge, -2.0 * edge, edge], cos, sin / (2.0 * quality))
    }

    /// Has a gain of 1 at its centre.
    fn band_pass(centre_hz: f64, quality: f64) -> Biquad<1> {
        let (sin, cos) = (TAU * centre_hz / RATE_HZ).sin_cos();
        let alpha = sin / (2.0 * quality);
        Biquad::new([alpha, 0.0, -alpha], cos, alpha)
    }

    /// From weights that are not divided by 1 + alpha yet.
    fn new(zeros: [f64; 3], cos: f64, alpha: f64) -> Biquad<1> {
        let scaled = |weight: f64| [(weight / (1.0 + alpha)) as f32];
        Biquad {
            b: zeros.map(scaled),
            a: [-2.0 * cos, 1.0 - alpha].map(scaled),
            state: [[0.0]; 2],
        }
    }
}

impl<const N: usize> Biquad<N> {
    fn side_by_side(filters: [Biquad<1>; N]) -> Biquad<N> {
        Biquad {
            b: std::array::from_fn(|weight| filters.map(|filter| filter.b[weight][0])),
            a: std::array::from_fn(|weight| filters.map(|filter| filter.a[weight][0])),
            state: [[0.0; N]; 2],
        }
    }

    fn clear(&mut self) {
        self.state = [[0.0; N]; 2];
    }

    #[inline]
    fn next(&mut self, input: [f32; N]) -> [f32; N] {
        let mut output = [0.0; N];
        for lane in 0..N {
            let x = input[lane];
            let y = self.b[0][lane] * x + self.state[0][lane];
            self.state[0][lane] = self.b[1][lane] * x - self.a[0][lane] * y + self.state[1][lane];
            self.state[1][lane] = self.b[2][lane] * x - self.a[1][lane] * y;
            output[lane] = y;
        }
        output
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::signals::{Signal, sine, speech};

    /// The activity of each frame of a signal.
    fn activities(detector: &mut VoiceActivity, signal: &mut Signal, frames: usize) -> Vec<bool> {
        (0..frames)
            .map(|_| detector.process(&signal.frame(), false).is_voice())
            .collect()
    }

    fn share(voices: &[bool]) -> f64 {
        voices.iter().filter(|voice| **voice).count() as f64 / voices.len() as f64
    }

    #[test]
    fn quiet_speech_over_quieter_noise_is_a_voice_and_its_pauses_are_not() {
        for level in [-45.0, -26.0, -12.0] {
            let mut detector = VoiceActivity::default();
            let mut noise = Signal::white(-70.0, 1);
            assert!(share(&activities(&mut detector, &mut noise, 200)) == 0.0);
            let mut talk = speech(level, 2).over(Signal::white(-70.0, 3));
            let voices = activities(&mut detector, &mut talk, 500);
            assert!(share(&voices) > 0.9, "{level} dBov: {}", share(&voices));
            let after = activities(&mut detector, &mut noise, 100);
            assert!(share(&after) < 0.13, "{level} dBov: {}", share(&after));
        }
    }

    #[test]
    fn a_voice_is_known_within_forty_milliseconds_and_held_for_two_hundred() {
        let mut detector = VoiceActivity::default();
        let mut noise = Signal::white(-70.0, 1);
        activities(&mut detector, &mut noise, 200);
        let mut talk = speech(-40.0, 2).over(Signal::white(-70.0, 3));
        let began = activities(&mut detector, &mut talk, 25);
        assert!(began[1], "{began:?}");
        let ended = activities(&mut detector, &mut noise, 25);
        let held = ended.iter().take_while(|voice| **voice).count();
        assert!((9..=12).contains(&held), "{held} frames");
        assert!(ended[held..].iter().all(|voice| !voice));
    }

    #[test]
    fn steady_noise_is_no_voice_once_it_is_known() {
        for level in [-60.0, -50.0, -42.0, -35.0] {
            let noises = [
                ("white", Signal::white(level, 11)),
                ("pink", Signal::pink(level, 12)),
                ("fan", Signal::fan(level, 13)),
                ("hum of 50 Hz", sine(50.0, level)),
                ("hum of 100 Hz", sine(100.0, level)),
            ];
            for (name, mut noise) in noises {
                let mut detector = VoiceActivity::default();
                activities(&mut detector, &mut noise, 85);
                let voices = activities(&mut detector, &mut noise, 3_000);
                assert!(
                    share(&voices) < 0.005,
                    "{name} at {level}: {}",
                    share(&voices)
                );
            }
        }
    }

    #[test]
    fn the_noise_of_a_line_is_no_voice_from_its_first_frame_on() {
        for level in [-70.0, -60.0, -55.0, -50.0] {
            let noises = [
                ("white", Signal::white(level, 15)),
                ("pink", Signal::pink(level, 16)),
                ("fan", Signal::fan(level, 17)),
            ];
            for (name, mut noise) in noises {
                let voices = activities(&mut VoiceActivity::default(), &mut noise, 100);
                assert!(share(&voices) == 0.0, "{name} at {level}: {voices:?}");
            }
        }
    }

    #[test]
    fn whoever_speaks_in_the_first_frame_is_a_voice_at_once() {
        for level in [-40.0, -26.0, -12.0] {
            let mut talk = speech(level, 2).over(Signal::white(-70.0, 3));
            let voices = activities(&mut VoiceActivity::default(), &mut talk, 100);
            assert!(voices[3], "{level} dBov: {voices:?}");
            assert!(share(&voices) > 0.9, "{level} dBov: {}", share(&voices));
        }
    }

    #[test]
    fn speech_is_found_in_noise_that_is_known() {
        let mut detector = VoiceActivity::default();
        let mut noise = Signal::pink(-50.0, 21);
        activities(&mut detector, &mut noise, 100);
        let mut talk = speech(-30.0, 22).over(Signal::pink(-50.0, 23));
        let voices = activities(&mut detector, &mut talk, 500);
        assert!(share(&voices) > 0.9, "{}", share(&voices));
    }

    #[test]
    fn a_tone_of_a_talkers_level_is_a_voice_for_good() {
        for (hz, level) in [
            (300.0, -30.0),
            (440.0, -20.0),
            (1_000.0, -30.0),
            (2_000.0, -10.0),
            (3_400.0, -30.0),
        ] {
            let mut detector = VoiceActivity::default();
            let voices = activities(&mut detector, &mut sine(hz, level), 1_500);
            assert!(share(&voices[1..]) == 1.0, "{hz} Hz: {}", share(&voices));
        }
    }

    #[test]
    fn a_quiet_tone_is_a_voice_for_its_first_seconds() {
        let mut detector = VoiceActivity::default();
        let mut tone = sine(600.0, -45.0).over(Signal::white(-75.0, 31));
        let voices = activities(&mut detector, &mut tone, 500);
        let first = voices[1..].iter().take_while(|voice| **voice).count();
        assert!((125..260).contains(&first), "{first} frames");
    }

    #[test]
    fn a_click_is_no_voice() {
        let mut detector = VoiceActivity::default();
        let mut noise = Signal::white(-70.0, 1);
        activities(&mut detector, &mut noise, 100);
        let mut click = noise.frame();
        click[400] = 0.9;
        assert_eq!(detector.process(&click, false), Activity::Onset);
        assert!(share(&activities(&mut detector, &mut noise, 20)) == 0.0);
    }

    #[test]
    fn silence_between_words_does_not_unlearn_the_noise() {
        let mut detector = VoiceActivity::default();
        let mut noise = Signal::white(-50.0, 1);
        activities(&mut detector, &mut noise, 100);
        for _ in 0..500 {
            assert_eq!(detector.pass_silence(), Activity::Pause);
        }
        assert!(share(&activities(&mut detector, &mut noise, 100)) == 0.0);
    }
}
