//! Audio levels as RTP carries them.

/// A level in −dBov: 0 is as loud as can be, 127 is silence (RFC 6464 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AudioLevel(u8);

impl AudioLevel {
    /// Nothing to hear.
    pub const SILENCE: AudioLevel = AudioLevel(127);

    /// The level of samples with this root mean square, where 1.0 is full scale.
    pub fn from_rms(rms: f32) -> AudioLevel {
        let minus_dbov = -20.0 * rms.max(1e-7).log10();
        AudioLevel(minus_dbov.clamp(0.0, 127.0) as u8)
    }

    /// The level this many decibels below full scale; what is below silence is silence.
    pub fn from_minus_dbov(minus_dbov: u8) -> AudioLevel {
        AudioLevel(minus_dbov.min(127))
    }

    /// How far below full scale, in decibels.
    pub fn minus_dbov(self) -> u8 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_count_down_from_full_scale() {
        assert_eq!(AudioLevel::from_rms(1.0).minus_dbov(), 0);
        assert_eq!(AudioLevel::from_rms(0.1).minus_dbov(), 20);
        assert_eq!(AudioLevel::from_rms(0.0), AudioLevel::SILENCE);
        assert_eq!(AudioLevel::from_minus_dbov(20), AudioLevel::from_rms(0.1));
        assert_eq!(AudioLevel::from_minus_dbov(200), AudioLevel::SILENCE);
    }
}
