//! What every leg must hear, worked out without any of the engine's means.

/// Adds up voices in 64-bit floating point, sample by sample, and nothing else: no limiter, no
/// blocks, no subtracting of what has been added.
#[derive(Debug, Clone, Default)]
pub struct ReferenceMixer {
    voices: Vec<Vec<f32>>,
}

impl ReferenceMixer {
    /// A conference of these voices, each as it enters the mix.
    pub fn new(voices: Vec<Vec<f32>>) -> ReferenceMixer {
        ReferenceMixer { voices }
    }

    /// What somebody hears who says the voice of this number, or none: all others.
    pub fn hears(&self, own: Option<usize>) -> Vec<f64> {
        let length = self.voices.iter().map(Vec::len).max().unwrap_or_default();
        let mut sum = vec![0.0; length];
        for (number, voice) in self.voices.iter().enumerate() {
            if Some(number) != own {
                for (sum, sample) in sum.iter_mut().zip(voice) {
                    *sum += f64::from(*sample);
                }
            }
        }
        sum
    }

    /// The same as 16-bit samples, rounded.
    pub fn hears_i16(&self, own: Option<usize>) -> Vec<i16> {
        self.hears(own)
            .into_iter()
            .map(|sample| (sample * 32_768.0).round() as i16)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_hears_all_others() {
        let mixer = ReferenceMixer::new(vec![vec![0.25, 0.5], vec![0.125], vec![-0.5, 0.25]]);
        assert_eq!(mixer.hears(None), [-0.125, 0.75]);
        assert_eq!(mixer.hears(Some(2)), [0.375, 0.5]);
        assert_eq!(mixer.hears_i16(Some(0)), [-12_288, 8_192]);
    }
}
