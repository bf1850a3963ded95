//! One half of G.722's spectrum as adaptive differences (ITU-T G.722 §3): what both ends know of it.
//!
//! Both ends do the same arithmetic with the same 16-bit roundings and limits, or they drift apart.

/// How one band is quantised.
struct Scheme {
    /// The difference that each code stands for in the adaptation, in parts of the scale.
    differences: [i16; 16],
    /// How the logarithm of the scale moves with each code.
    moves: [i16; 16],
    /// The greatest logarithm of the scale.
    max_log: i16,
    /// The scale of the logarithm 0 as a power of two below the table's.
    octaves: u32,
}

/// The lower band adapts on the upper four of its six bits (§3.5).
const LOW: Scheme = Scheme {
    differences: [
        0, -20_456, -12_896, -8_968, -6_288, -4_240, -2_584, -1_200, 20_456, 12_896, 8_968, 6_288,
        4_240, 2_584, 1_200, 0,
    ],
    moves: [
        -60, 3_042, 1_198, 538, 334, 172, 58, -30, 3_042, 1_198, 538, 334, 172, 58, -30, -60,
    ],
    max_log: 18_432,
    octaves: 8,
};

/// The upper band has two bits.
const HIGH: Scheme = Scheme {
    differences: [
        -7_408, -1_616, 7_408, 1_616, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ],
    moves: [798, -214, 798, -214, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    max_log: 22_528,
    octaves: 10,
};

/// Where the intervals of the lower band's quantiser begin, beyond the first, in 4,096ths of the
/// scale (§3.3, table 5); what follows the last is there to fill up vector registers.
const LOW_INTERVALS: [u16; 32] = {
    const BEGINNINGS: [u16; 29] = [
        35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940,
        1_023, 1_121, 1_219, 1_339, 1_458, 1_612, 1_765, 1_980, 2_195, 2_557, 2_919,
    ];
    let mut scaled = [u16::MAX; 32];
    let mut n = 0;
    while n < BEGINNINGS.len() {
        scaled[n] = BEGINNINGS[n] * 16;
        n += 1;
    }
    scaled
};

/// Where the upper band's second interval begins.
const HIGH_INTERVAL: i32 = 564 * 8;

/// What each code of six bits stands for, in parts of the scale (§3.4, table 7).
const LOW_LEVELS: [i16; 64] = {
    const MIDDLES: [i16; 30] = [
        17, 54, 91, 130, 170, 211, 254, 300, 347, 396, 447, 501, 558, 618, 682, 750, 822, 899, 982,
        1_072, 1_170, 1_279, 1_399, 1_535, 1_689, 1_873, 2_088, 2_376, 2_738, 3_101,
    ];
    let mut levels = [0; 64];
    let mut interval = 0;
    while interval < MIDDLES.len() {
        let level = MIDDLES[interval] * 8;
        levels[low_code(interval as u16, false) as usize] = level;
        levels[low_code(interval as u16, true) as usize] = -level;
        interval += 1;
    }
    // No encoder sends these four.
    let mut code = 0;
    while code < 4 {
        levels[code] = -MIDDLES[0] * 8;
        code += 1;
    }
    levels
};

/// Powers of two in 32 steps from 2,048 on, as the recommendation rounds them (§3.6).
const POWERS: [i16; 32] = [
    2_048, 2_093, 2_139, 2_186, 2_233, 2_282, 2_332, 2_383, 2_435, 2_489, 2_543, 2_599, 2_656,
    2_714, 2_774, 2_834, 2_896, 2_960, 3_025, 3_091, 3_158, 3_228, 3_298, 3_371, 3_444, 3_520,
    3_597, 3_676, 3_756, 3_838, 3_922, 4_008,
];

/// What a decoded sample of a band does not exceed.
const LIMIT: std::ops::RangeInclusive<i16> = -16_384..=16_383;

/// The lower band, 0 to 4 kHz, at 8 kHz with six bits a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LowBand(Band);

/// The upper band, 4 to 8 kHz, at 8 kHz with two bits a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HighBand(Band);

impl LowBand {
    pub(super) fn new() -> LowBand {
        LowBand(Band::new(&LOW))
    }

    /// The code, of six bits, of the next sample.
    pub(super) fn encode(&mut self, sample: i16) -> u8 {
        let error = sample.saturating_sub(self.0.prediction);
        let magnitude = (error ^ (error >> 15)) as u16;
        let scale = u32::from(self.0.scale as u16);
        let mut passed = [0_u16; LOW_INTERVALS.len()];
        for (passed, beginning) in passed.iter_mut().zip(LOW_INTERVALS) {
            let beginning = ((u32::from(beginning) * scale) >> 16) as u16;
            *passed = u16::from(beginning <= magnitude);
        }
        let interval = passed.iter().sum::<u16>().min(29);
        let code = low_code(interval, error < 0);
        self.0.adapt(&LOW, code >> 2);
        code
    }

    /// The code of a sample of silence that leads to rest: the code without a difference, once what is
    /// predicted dies away by itself. From below zero it does not, for products are rounded down.
    pub(super) fn encode_silence(&mut self) -> u8 {
        if self.0.prediction < 0 {
            return self.encode(0);
        }
        let code = low_code(0, false);
        self.0.adapt(&LOW, code >> 2);
        code
    }

    /// The sample of a code of six bits.
    pub(super) fn decode(&mut self, code: u8) -> i16 {
        let code = code & 0x3f;
        let difference = product(self.0.scale, LOW_LEVELS[usize::from(code)]);
        let sample = self.0.prediction.saturating_add(difference);
        self.0.adapt(&LOW, code >> 2);
        sample.clamp(*LIMIT.start(), *LIMIT.end())
    }
}

impl HighBand {
    pub(super) fn new() -> HighBand {
        HighBand(Band::new(&HIGH))
    }

    /// The code, of two bits, of the next sample.
    pub(super) fn encode(&mut self, sample: i16) -> u8 {
        let error = sample.saturating_sub(self.0.prediction);
        let magnitude = i32::from(error ^ (error >> 15));
        let is_large = magnitude >= (HIGH_INTERVAL * i32::from(self.0.scale)) >> 15;
        let code = u8::from(!is_large) | (u8::from(error >= 0) << 1);
        self.0.adapt(&HIGH, code);
        code
    }

    /// The code of a sample of silence that leads to rest.
    pub(super) fn encode_silence(&mut self) -> u8 {
        if self.0.prediction < 0 {
            return self.encode(0);
        }
        // The least difference there is; at the least scale it is none.
        const CODE: u8 = 3;
        self.0.adapt(&HIGH, CODE);
        CODE
    }

    /// The sample of a code of two bits.
    pub(super) fn decode(&mut self, code: u8) -> i16 {
        let sample = self.0.adapt(&HIGH, code & 0x03);
        sample.clamp(*LIMIT.start(), *LIMIT.end())
    }
}

/// The lower band's code of an interval of the quantiser, from 0 to 29 (§3.3, table 6).
const fn low_code(interval: u16, is_negative: bool) -> u8 {
    let interval = interval as u8;
    match (is_negative, interval) {
        (false, _) => 61 - interval,
        (true, 0 | 1) => 63 - interval,
        (true, _) => 33 - interval,
    }
}

/// What a band's two ends know alike: what comes next, and how far off that is likely to be.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Band {
    prediction: i16,
    /// What the past differences contribute to the prediction.
    zeros_sum: i16,
    /// The quantiser's scale, and its logarithm in 2,048ths.
    scale: i16,
    log: i16,
    /// The weights of the past two samples, latest first.
    poles: [i16; 2],
    /// The last sample, as the decoder has it.
    last: i16,
    /// The signs of the past two samples without what the poles contributed, latest first.
    signs: [bool; 2],
    /// The weights of the past six differences, and the differences, latest first.
    zeros: [i16; 6],
    differences: [i16; 6],
}

impl Band {
    fn new(scheme: &Scheme) -> Band {
        Band {
            prediction: 0,
            zeros_sum: 0,
            scale: scale(0, scheme.octaves),
            log: 0,
            poles: [0; 2],
            last: 0,
            signs: [false; 2],
            zeros: [0; 6],
            differences: [0; 6],
        }
    }

    /// Learns from a code; returns the sample that it stands for in the adaptation.
    fn adapt(&mut self, scheme: &Scheme, code: u8) -> i16 {
        let code = usize::from(code & 0x0f);
        let difference = product(self.scale, scheme.differences[code]);
        let log = product(self.log, 32_512) + scheme.moves[code];
        self.log = log.clamp(0, scheme.max_log);
        self.scale = scale(self.log, scheme.octaves);

        let sample = self.prediction.saturating_add(difference);
        let without_poles = difference.saturating_add(self.zeros_sum);
        self.turn_zeros(difference);
        self.turn_poles(without_poles < 0);
        self.zeros_sum = self
            .zeros
            .iter()
            .zip(self.differences)
            // The order counts, for every sum is limited.
            .rev()
            .fold(0_i16, |sum, (weight, difference)| {
                sum.saturating_add(limited_product(difference.saturating_mul(2), *weight))
            });
        let poles_sum = limited_product(self.poles[0], sample.saturating_mul(2))
            .saturating_add(limited_product(self.poles[1], self.last.saturating_mul(2)));
        self.last = sample;
        self.prediction = poles_sum.saturating_add(self.zeros_sum);
        sample
    }

    /// Turns each weight towards what would have predicted better (§3.6.3, block UPZERO).
    fn turn_zeros(&mut self, difference: i16) {
        let step = if difference == 0 { 0 } else { 128 };
        for (weight, past) in self.zeros.iter_mut().zip(self.differences) {
            let step = if (past ^ difference) < 0 { -step } else { step };
            *weight = product(*weight, 32_640).saturating_add(step);
        }
        self.differences.copy_within(..5, 1);
        self.differences[0] = difference;
    }

    /// The same for the past samples, within what is stable (blocks UPPOL2 and UPPOL1).
    fn turn_poles(&mut self, is_negative: bool) {
        let alike = self.signs.map(|sign| sign == is_negative);
        let [first, second] = self.poles;
        let quadruple = first.saturating_mul(4);
        let towards = if alike[0] {
            0_i16.saturating_sub(quadruple)
        } else {
            quadruple
        };
        let step = if alike[1] { 128 } else { -128 };
        let second = ((towards >> 7) + step + product(second, 32_512)).clamp(-12_288, 12_288);
        let step = if alike[0] { 192 } else { -192 };
        let stable = 15_360 - second;
        let first = (product(first, 32_640) + step).clamp(-stable, stable);
        self.poles = [first, second];
        self.signs = [is_negative, self.signs[0]];
    }
}

/// The scale of a logarithm.
fn scale(log: i16, octaves: u32) -> i16 {
    let power = i32::from(POWERS[usize::from((log >> 6) as u16 & 31)]);
    // Twice the power, so that the greatest logarithm shifts to the right, too.
    let shifted = (2 * power) >> (octaves + 1 - (log >> 11) as u32);
    (shifted * 4) as i16
}

/// The product of two numbers in 32,768ths, one of which is not −1.
fn product(a: i16, b: i16) -> i16 {
    ((i32::from(a) * i32::from(b)) >> 15) as i16
}

/// The product of any two numbers in 32,768ths, within range.
fn limited_product(a: i16, b: i16) -> i16 {
    ((i32::from(a) * i32::from(b)) >> 15).min(i32::from(i16::MAX)) as i16
}
