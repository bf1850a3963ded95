//! Sound at 16 kHz as two bands at 8 kHz, and back (ITU-T G.722 §3.1 and §4.4).

/// The taps of the quadrature mirror filters, which are alike read from either end (table 11).
const TAPS: [i16; 24] = [
    3, -11, -11, 53, 12, -156, 32, 362, -210, -805, 951, 3_876, 3_876, 951, -805, -210, 362, 32,
    -156, 12, 53, -11, -11, 3,
];

/// The taps with every other sign turned.
const MIRRORED: [i16; 24] = {
    let mut taps = TAPS;
    let mut n = 0;
    while n < taps.len() {
        taps[n] = -taps[n];
        n += 2;
    }
    taps
};

/// Samples of the past that each filter reads.
const PAST: usize = TAPS.len() - 2;

/// The most samples that are filtered at once: 20 ms.
const BLOCK: usize = 320;

/// By how many samples at 16 kHz a sound comes out late after both filters.
pub(super) const DELAY: usize = PAST;

/// One of the two filters, with its past.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    past: [i16; PAST],
}

impl Filter {
    pub(super) fn new() -> Filter {
        Filter { past: [0; PAST] }
    }

    /// Splits pairs of samples into the lower and the upper band, within ±16,384.
    pub(super) fn split(&mut self, samples: &[i16], mut each: impl FnMut(i16, i16)) {
        for samples in samples.chunks(BLOCK) {
            let line = self.extend(samples.iter().copied());
            for pair in 0..samples.len() / 2 {
                let (sum, mirrored) = convolve(&line, pair);
                each(band(sum >> 14), band(mirrored >> 14));
            }
        }
    }

    /// Joins the lower and the upper band, within ±16,384, to pairs of samples.
    pub(super) fn join(&mut self, bands: &[(i16, i16)], mut each: impl FnMut(i16, i16)) {
        for bands in bands.chunks(BLOCK / 2) {
            let pairs = bands
                .iter()
                .flat_map(|(low, high)| [low + high, low - high]);
            let line = self.extend(pairs);
            for pair in 0..bands.len() {
                let (sum, mirrored) = convolve(&line, pair);
                // The first of a pair is made by the taps whose sign was not turned, the second by
                // the others; their sums are half of these.
                each(
                    limited((sum + mirrored) >> 12),
                    limited((sum - mirrored) >> 12),
                );
            }
        }
    }

    /// The past and then what is new; of that, the past keeps the end.
    fn extend(&mut self, new: impl Iterator<Item = i16>) -> [i16; PAST + BLOCK] {
        let mut line = [0; PAST + BLOCK];
        let (past, place) = line.split_at_mut(PAST);
        past.copy_from_slice(&self.past);
        let mut len = 0;
        for (place, new) in place.iter_mut().zip(new) {
            *place = new;
            len += 1;
        }
        self.past.copy_from_slice(&line[len..len + PAST]);
        line
    }
}

/// The sums over the samples up to a pair, with the taps and with the mirrored taps.
fn convolve(line: &[i16; PAST + BLOCK], pair: usize) -> (i32, i32) {
    let read = &line[2 * pair..2 * pair + TAPS.len()];
    let (mut sum, mut mirrored) = (0, 0);
    for ((sample, tap), mirrored_tap) in read.iter().zip(TAPS).zip(MIRRORED) {
        sum += i32::from(*sample) * i32::from(tap);
        mirrored += i32::from(*sample) * i32::from(mirrored_tap);
    }
    (sum, mirrored)
}

fn band(sample: i32) -> i16 {
    sample.clamp(-16_384, 16_383) as i16
}

fn limited(sample: i32) -> i16 {
    sample.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}
