//! Sound between the bridge's rate and a telephone codec's, band-limited.

use crate::codec::CodecError;
use crate::frame::SAMPLE_RATE_HZ;

/// Converts between 48 kHz and 8 or 16 kHz with a linear-phase filter.
///
/// | | passband, ±0.05 dB | stopband, −60 dB | delay up | delay down |
/// |---|---|---|---|---|
/// | 8 kHz | to 3.4 kHz | from 4.6 kHz | 1.60 ms | 1.50 ms |
/// | 16 kHz | to 7 kHz | from 9 kHz | 0.98 ms | 0.94 ms |
///
/// What lies between the bands is folded about 4 or 8 kHz, where telephones carry nothing. After as
/// many zeros as the filter is long, exact zeros come out. It allocates nothing.
pub struct Resampler(Conversion);

#[expect(
    clippy::large_enum_variant,
    reason = "whoever has room for a resampler has it for the greatest"
)]
enum Conversion {
    From8(Up<6, 26>),
    From16(Up<3, 32>),
    To8(Down<6, 26>),
    To16(Down<3, 32>),
}

/// The taps of the branches for 8 kHz; each makes, or reads, every sixth sample at 48 kHz.
const TAPS_8: [[f32; 26]; 6] = branches(3_400.0, 4_600.0);

/// The taps of the branches for 16 kHz.
const TAPS_16: [[f32; 32]; 3] = branches(7_000.0, 9_000.0);

/// Samples at the lower rate that are converted at once: 20 ms at 8 kHz, 10 ms at 16 kHz.
const PIECE: usize = 160;

/// Sums that are built side by side: enough to keep the arithmetic units busy while each waits for
/// its own last addition.
const LANES: usize = 32;

/// A piece and what came before it.
const LINE: usize = PIECE + 32;

impl Resampler {
    /// Sets up the conversion.
    ///
    /// # Errors
    /// When one of the rates is not 48 kHz, or the other is neither 8 nor 16 kHz.
    pub fn new(from_hz: u32, to_hz: u32) -> Result<Resampler, CodecError> {
        let conversion = match (from_hz, to_hz) {
            (8_000, SAMPLE_RATE_HZ) => Conversion::From8(Up::new(&TAPS_8)),
            (16_000, SAMPLE_RATE_HZ) => Conversion::From16(Up::new(&TAPS_16)),
            (SAMPLE_RATE_HZ, 8_000) => Conversion::To8(Down::new(&TAPS_8)),
            (SAMPLE_RATE_HZ, 16_000) => Conversion::To16(Down::new(&TAPS_16)),
            (_, _) => return Err(CodecError::UnsupportedRates { from_hz, to_hz }),
        };
        Ok(Resampler(conversion))
    }

    /// Converts as many whole samples of the lower rate as both sides have room for; what is left
    /// over at either end is unread or untouched.
    pub fn process(&mut self, input: &[f32], output: &mut [f32]) {
        match &mut self.0 {
            Conversion::From8(up) => up.process(input, output),
            Conversion::From16(up) => up.process(input, output),
            Conversion::To8(down) => down.process(input, output),
            Conversion::To16(down) => down.process(input, output),
        }
    }

    /// Forgets what came before.
    pub fn reset(&mut self) {
        match &mut self.0 {
            Conversion::From8(up) => up.history.fill(0.0),
            Conversion::From16(up) => up.history.fill(0.0),
            Conversion::To8(down) => down.histories.as_flattened_mut().fill(0.0),
            Conversion::To16(down) => down.histories.as_flattened_mut().fill(0.0),
        }
    }
}

/// Makes `RATIO` samples of one: each branch of the filter makes one of them.
struct Up<const RATIO: usize, const TAPS: usize> {
    branches: &'static [[f32; TAPS]; RATIO],
    history: [f32; TAPS],
}

impl<const RATIO: usize, const TAPS: usize> Up<RATIO, TAPS> {
    fn new(branches: &'static [[f32; TAPS]; RATIO]) -> Up<RATIO, TAPS> {
        Up {
            branches,
            history: [0.0; TAPS],
        }
    }

    fn process(&mut self, input: &[f32], output: &mut [f32]) {
        let pieces = output.chunks_mut(PIECE * RATIO);
        for (input, output) in input.chunks(PIECE).zip(pieces) {
            let line = extend(&mut self.history, input.iter().copied());
            let blocks = output.chunks_mut(LANES * RATIO);
            for (output, line) in blocks.zip(blocks_of(&line)) {
                let mut sums = [[0.0; LANES]; RATIO];
                for (sums, taps) in sums.iter_mut().zip(self.branches) {
                    convolve(taps, line, sums);
                }
                for (lane, places) in output.chunks_exact_mut(RATIO).enumerate() {
                    for (place, sums) in places.iter_mut().zip(&sums) {
                        // It makes up for the zeros that stand between the samples that are read.
                        *place = sums[lane] * RATIO as f32;
                    }
                }
            }
        }
    }
}

/// Makes one sample of `RATIO`: each branch of the filter reads one of them.
struct Down<const RATIO: usize, const TAPS: usize> {
    branches: &'static [[f32; TAPS]; RATIO],
    histories: [[f32; TAPS]; RATIO],
}

impl<const RATIO: usize, const TAPS: usize> Down<RATIO, TAPS> {
    fn new(branches: &'static [[f32; TAPS]; RATIO]) -> Down<RATIO, TAPS> {
        Down {
            branches,
            histories: [[0.0; TAPS]; RATIO],
        }
    }

    fn process(&mut self, input: &[f32], output: &mut [f32]) {
        let pieces = input.chunks(PIECE * RATIO);
        for (input, output) in pieces.zip(output.chunks_mut(PIECE)) {
            let mut sums = [[0.0; LANES]; PIECE / LANES];
            let branches = self.histories.iter_mut().zip(self.branches.iter().rev());
            for (place, (history, taps)) in branches.enumerate() {
                let read = input.chunks_exact(RATIO).map(|places| places[place]);
                let line = extend(history, read);
                for (sums, line) in sums.iter_mut().zip(blocks_of(&line)) {
                    convolve(taps, line, sums);
                }
            }
            let whole = input.len() / RATIO;
            for (output, sum) in output.iter_mut().zip(sums.as_flattened()).take(whole) {
                *output = *sum;
            }
        }
    }
}

/// What came before and then what is new; of that, the history keeps the end.
fn extend<const TAPS: usize>(
    history: &mut [f32; TAPS],
    new: impl ExactSizeIterator<Item = f32>,
) -> [f32; LINE] {
    let mut line = [0.0; LINE];
    let len = new.len();
    line[..TAPS].copy_from_slice(history);
    for (place, sample) in line[TAPS..].iter_mut().zip(new) {
        *place = sample;
    }
    history.copy_from_slice(&line[len..len + TAPS]);
    line
}

/// What each block of `LANES` sums reads; the oldest sample of a history is read by none.
fn blocks_of(line: &[f32; LINE]) -> impl Iterator<Item = &[f32]> {
    (0..PIECE / LANES).map(|block| &line[1 + block * LANES..])
}

/// Adds to each sum the samples under the taps, one place further for each.
fn convolve<const TAPS: usize>(taps: &[f32; TAPS], line: &[f32], sums: &mut [f32; LANES]) {
    for (tap, samples) in taps.iter().zip(line.array_windows::<LANES>()) {
        for (sum, sample) in sums.iter_mut().zip(samples) {
            *sum += tap * sample;
        }
    }
}

/// A low-pass filter for 48 kHz as the branches of a polyphase filter, oldest sample first.
///
/// A windowed sinc (Kaiser's window) of unity gain with an odd number of taps; the last one of
/// `RATIO` times `TAPS` is zero.
const fn branches<const RATIO: usize, const TAPS: usize>(
    pass_hz: f64,
    stop_hz: f64,
) -> [[f32; TAPS]; RATIO] {
    let centre = ((RATIO * TAPS) / 2 - 1) as f64;
    // The sinc's cut-off in half-cycles a sample.
    let cutoff = (pass_hz + stop_hz) / SAMPLE_RATE_HZ as f64;
    let mut sum = 0.0;
    let mut n = 0;
    while n < RATIO * TAPS - 1 {
        sum += tap(n as f64 - centre, centre, cutoff);
        n += 1;
    }
    let mut branches = [[0.0; TAPS]; RATIO];
    let mut n = 0;
    while n < RATIO * TAPS - 1 {
        let tap = tap(n as f64 - centre, centre, cutoff) / sum;
        branches[n % RATIO][TAPS - 1 - n / RATIO] = tap as f32;
        n += 1;
    }
    branches
}

/// The windowed sinc, not yet scaled, so far from its centre.
const fn tap(from_centre: f64, half: f64, cutoff: f64) -> f64 {
    /// Kaiser's β for a stopband of −62 dB.
    const BETA: f64 = 5.87;
    let place = from_centre / (half + 1.0);
    sinc(from_centre * cutoff) * bessel(BETA * BETA * (1.0 - place * place))
}

/// sin(πx) / πx.
const fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    // The nearest whole number is taken off, so that the series is short: sin(πx) = ±sin(π(x − k)).
    let nearest = (if x < 0.0 { x - 0.5 } else { x + 0.5 }) as i64;
    let angle = std::f64::consts::PI * (x - nearest as f64);
    let (mut sine, mut term, mut n) = (angle, angle, 1);
    while n < 12 {
        term *= -angle * angle / ((2 * n) * (2 * n + 1)) as f64;
        sine += term;
        n += 1;
    }
    if nearest % 2 != 0 {
        sine = -sine;
    }
    sine / (std::f64::consts::PI * x)
}

/// The modified Bessel function I₀ of the root of `square`.
const fn bessel(square: f64) -> f64 {
    let (mut sum, mut term, mut n) = (1.0, 1.0, 1);
    while n < 40 {
        term *= square / 4.0 / (n * n) as f64;
        sum += term;
        n += 1;
    }
    sum
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    /// The rates, the highest frequency that passes and the lowest that does not.
    const PAIRS: [(u32, u32, f64, f64); 4] = [
        (8_000, 48_000, 3_400.0, 4_600.0),
        (48_000, 8_000, 3_400.0, 4_600.0),
        (16_000, 48_000, 7_000.0, 9_000.0),
        (48_000, 16_000, 7_000.0, 9_000.0),
    ];

    fn tone(hz: f64, rate_hz: u32, samples: usize) -> Vec<f32> {
        let step = TAU * hz / f64::from(rate_hz);
        (0..samples)
            .map(|n| (0.5 * (step * n as f64).sin()) as f32)
            .collect()
    }

    fn convert(resampler: &mut Resampler, from_hz: u32, to_hz: u32, input: &[f32]) -> Vec<f32> {
        let mut output = vec![0.0; input.len() * to_hz as usize / from_hz as usize];
        let (chunk_in, chunk_out) = ((from_hz / 50) as usize, (to_hz / 50) as usize);
        for (input, output) in input.chunks(chunk_in).zip(output.chunks_mut(chunk_out)) {
            resampler.process(input, output);
        }
        output
    }

    /// The amplitude and the phase of one frequency in the signal.
    fn component(signal: &[f32], hz: f64, rate_hz: u32) -> (f64, f64) {
        let step = TAU * hz / f64::from(rate_hz);
        let (mut re, mut im) = (0.0, 0.0);
        for (n, sample) in signal.iter().enumerate() {
            re += f64::from(*sample) * (step * n as f64).cos();
            im += f64::from(*sample) * (step * n as f64).sin();
        }
        (2.0 * re.hypot(im) / signal.len() as f64, re.atan2(im))
    }

    fn db(ratio: f64) -> f64 {
        20.0 * ratio.max(1e-12).log10()
    }

    /// One second of a tone from which the start-up is cut away.
    fn steady(from_hz: u32, to_hz: u32, hz: f64) -> Vec<f32> {
        let mut resampler = Resampler::new(from_hz, to_hz).unwrap();
        let input = tone(hz, from_hz, from_hz as usize * 11 / 10);
        convert(&mut resampler, from_hz, to_hz, &input).split_off(to_hz as usize / 10)
    }

    #[test]
    fn the_delay_is_at_most_1_6_milliseconds() {
        // In samples at 48 kHz.
        let delays = PAIRS.map(|(from_hz, to_hz, _, _)| {
            let mut resampler = Resampler::new(from_hz, to_hz).unwrap();
            let mut impulse = vec![0.0; from_hz as usize / 10];
            impulse[0] = 1.0;
            let output = convert(&mut resampler, from_hz, to_hz, &impulse);
            let top = output
                .iter()
                .enumerate()
                .max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
            top.unwrap().0 as u32 * (48_000 / to_hz)
        });
        assert_eq!(delays, [77, 72, 47, 45]);
    }

    #[test]
    fn every_frequency_is_delayed_alike() {
        let delays = [77.0, 72.0, 47.0, 45.0];
        for ((from_hz, to_hz, pass_hz, _), delay) in PAIRS.into_iter().zip(delays) {
            for n in 1..=10 {
                // Whole cycles in the tenth of a second that is cut away.
                let hz = (pass_hz / 100.0 * f64::from(n)).floor() * 10.0;
                let (_, phase) = component(&steady(from_hz, to_hz, hz), hz, to_hz);
                let turns = (phase / TAU + hz * delay / 48_000.0).rem_euclid(1.0);
                let error = turns.min(1.0 - turns);
                assert!(
                    error < 1e-3,
                    "{from_hz} to {to_hz} at {hz} Hz: {error} turns"
                );
            }
        }
    }

    #[test]
    fn the_passband_is_flat() {
        for (from_hz, to_hz, pass_hz, _) in PAIRS {
            for n in 1..=34 {
                let hz = pass_hz / 34.0 * f64::from(n);
                let (amplitude, _) = component(&steady(from_hz, to_hz, hz), hz, to_hz);
                let gain = db(amplitude / 0.5);
                assert!(
                    gain.abs() < 0.05,
                    "{from_hz} to {to_hz} at {hz} Hz: {gain} dB"
                );
            }
        }
    }

    #[test]
    fn images_are_sixty_decibels_down() {
        for (from_hz, to_hz, pass_hz, _) in PAIRS.into_iter().filter(|(from, to, ..)| from < to) {
            for n in 1..=34 {
                let hz = pass_hz / 34.0 * f64::from(n);
                let output = steady(from_hz, to_hz, hz);
                let centres = (1..=3).map(|multiple| f64::from(from_hz * multiple));
                let images = centres.flat_map(|centre| [centre - hz, centre + hz]);
                for image in images.filter(|image| *image < 24_000.0) {
                    let (amplitude, _) = component(&output, image, to_hz);
                    let level = db(amplitude / 0.5);
                    assert!(level < -60.0, "{hz} Hz at {image} Hz: {level} dB");
                }
            }
        }
    }

    #[test]
    fn aliases_are_sixty_decibels_down() {
        for (from_hz, to_hz, _, stop_hz) in PAIRS.into_iter().filter(|(from, to, ..)| from > to) {
            for n in 0..100 {
                let hz = stop_hz + (23_900.0 - stop_hz) / 99.0 * f64::from(n);
                let output = steady(from_hz, to_hz, hz);
                let level = db(f64::from(crate::frame::rms(&output)) * 2.0_f64.sqrt() / 0.5);
                assert!(level < -60.0, "{hz} Hz to {to_hz}: {level} dB");
            }
        }
    }

    #[test]
    fn a_tone_goes_on_without_a_step_between_blocks() {
        for (from_hz, to_hz, _, _) in PAIRS {
            let output = steady(from_hz, to_hz, 1_000.0);
            let (amplitude, phase) = component(&output, 1_000.0, to_hz);
            let step = TAU * 1_000.0 / f64::from(to_hz);
            for (n, sample) in output.iter().enumerate() {
                let ideal = amplitude * (step * n as f64 + phase).sin();
                let error = db((f64::from(*sample) - ideal).abs() / 0.5);
                assert!(
                    error < -60.0,
                    "{from_hz} to {to_hz}: {error} dB at sample {n}"
                );
            }
        }
    }

    #[test]
    fn the_same_comes_out_however_the_input_is_cut() {
        for (from_hz, to_hz, _, _) in PAIRS {
            let up = (to_hz / from_hz) as usize;
            let down = (from_hz / to_hz) as usize;
            let (ratio_in, ratio_out) = (down.max(1), up.max(1));
            let input = tone(700.0, from_hz, 3_000 * ratio_in);
            let mut whole = vec![0.0; 3_000 * ratio_out];
            Resampler::new(from_hz, to_hz)
                .unwrap()
                .process(&input, &mut whole);
            let mut cut = Resampler::new(from_hz, to_hz).unwrap();
            let (mut begin, mut len) = (0, 1);
            while begin + len <= 3_000 {
                let mut output = vec![7.0; len * ratio_out];
                cut.process(
                    &input[begin * ratio_in..(begin + len) * ratio_in],
                    &mut output,
                );
                let end = begin + len;
                assert_eq!(output, whole[begin * ratio_out..end * ratio_out]);
                (begin, len) = (end, len + 7);
            }
        }
    }

    #[test]
    fn what_follows_a_sound_dies_to_exact_zeros() {
        for (from_hz, to_hz, _, _) in PAIRS {
            let mut resampler = Resampler::new(from_hz, to_hz).unwrap();
            let sound = tone(997.0, from_hz, from_hz as usize / 50);
            convert(&mut resampler, from_hz, to_hz, &sound);
            let silence = vec![0.0; from_hz as usize / 50];
            let rest = convert(&mut resampler, from_hz, to_hz, &silence);
            let ringing = to_hz as usize / 250;
            assert!(rest[..ringing].iter().any(|sample| *sample != 0.0));
            assert!(rest[ringing..].iter().all(|sample| *sample == 0.0));
        }
    }

    #[test]
    fn after_a_reset_nothing_of_before_is_heard() {
        for (from_hz, to_hz, _, _) in PAIRS {
            let mut resampler = Resampler::new(from_hz, to_hz).unwrap();
            convert(
                &mut resampler,
                from_hz,
                to_hz,
                &vec![0.5; from_hz as usize / 50],
            );
            resampler.reset();
            let silence = vec![0.0; from_hz as usize / 50];
            let output = convert(&mut resampler, from_hz, to_hz, &silence);
            assert!(output.iter().all(|sample| *sample == 0.0));
        }
    }

    #[test]
    fn other_rates_are_refused() {
        for (from_hz, to_hz) in [(8_000, 16_000), (44_100, 48_000), (48_000, 48_000), (0, 0)] {
            assert!(
                Resampler::new(from_hz, to_hz).is_err(),
                "{from_hz} to {to_hz}"
            );
        }
    }
}
