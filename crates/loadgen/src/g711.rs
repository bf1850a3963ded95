//! How does G.711 write a sample in eight bits? (ITU-T G.711)
//!
//! Kept apart from the bridge's own G.711 on purpose: a mistake there must be heard here.

/// Added before the logarithm of µ-law, so that its segments double exactly.
const MU_LAW_BIAS: i32 = 0x84;

/// The largest magnitude that µ-law can write.
const MU_LAW_CLIP: i32 = 32_635;

/// µ-law from 16-bit linear.
pub(crate) fn mu_law_encode(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = i32::from(sample).abs().min(MU_LAW_CLIP) + MU_LAW_BIAS;
    let segment = magnitude.ilog2() - 7;
    let step = (magnitude >> (segment + 3)) & 0x0f;
    !(sign | (segment << 4) as u8 | step as u8)
}

/// 16-bit linear from µ-law.
pub(crate) fn mu_law_decode(byte: u8) -> i16 {
    let bits = !byte;
    let (segment, step) = ((bits >> 4) & 7, i32::from(bits & 0x0f));
    let magnitude = (((step << 3) + MU_LAW_BIAS) << segment) - MU_LAW_BIAS;
    signed(magnitude, bits & 0x80 != 0)
}

/// A-law from 16-bit linear.
pub(crate) fn a_law_encode(sample: i16) -> u8 {
    let (positive, magnitude) = if sample < 0 {
        (0, !i32::from(sample))
    } else {
        (0x80, i32::from(sample))
    };
    let (segment, step) = if magnitude < 256 {
        (0, magnitude >> 4)
    } else {
        let segment = magnitude.ilog2() - 7;
        (segment, (magnitude >> (segment + 3)) & 0x0f)
    };
    (positive | (segment << 4) as u8 | step as u8) ^ 0x55
}

/// 16-bit linear from A-law.
pub(crate) fn a_law_decode(byte: u8) -> i16 {
    let bits = byte ^ 0x55;
    let (segment, step) = ((bits >> 4) & 7, i32::from(bits & 0x0f));
    let magnitude = match segment {
        0 => (step << 4) + 8,
        _ => ((step << 4) + 0x108) << (segment - 1),
    };
    signed(magnitude, bits & 0x80 == 0)
}

fn signed(magnitude: i32, negative: bool) -> i16 {
    let value = if negative { -magnitude } else { magnitude };
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_are_those_of_the_recommendation() {
        assert_eq!(
            (
                mu_law_encode(0),
                mu_law_encode(32_767),
                mu_law_encode(-32_768)
            ),
            (0xff, 0x80, 0x00)
        );
        assert_eq!(
            (
                mu_law_decode(0xff),
                mu_law_decode(0x80),
                mu_law_decode(0x00)
            ),
            (0, 32_124, -32_124)
        );
        assert_eq!(
            (a_law_encode(0), a_law_encode(32_767), a_law_encode(-32_768)),
            (0xd5, 0xaa, 0x2a)
        );
        assert_eq!(
            (a_law_decode(0xd5), a_law_decode(0xaa), a_law_decode(0x2a)),
            (8, 32_256, -32_256)
        );
    }

    #[test]
    fn every_byte_survives_a_round_trip() {
        for byte in 0..=u8::MAX {
            assert_eq!(a_law_encode(a_law_decode(byte)), byte);
            // µ-law has two zeros; the negative one becomes the positive one.
            let expected = if byte == 0x7f { 0xff } else { byte };
            assert_eq!(mu_law_encode(mu_law_decode(byte)), expected);
        }
    }

    #[test]
    fn no_sample_is_off_by_more_than_its_segment_allows() {
        for sample in (i16::MIN..=i16::MAX).step_by(7) {
            let allowed = i32::from(sample).abs() / 16 + 16;
            for decoded in [
                mu_law_decode(mu_law_encode(sample)),
                a_law_decode(a_law_encode(sample)),
            ] {
                assert!(
                    (i32::from(decoded) - i32::from(sample)).abs() <= allowed.max(700),
                    "{sample} {decoded}"
                );
            }
        }
    }
}
