//! How legs and encoders are built.

use std::time::Duration;

use crate::codec::EncoderSettings;
use crate::input::InputSettings;
use crate::jitter::DelayBounds;

/// Ticks in a second.
const TICKS_PER_SECOND: u128 = 50;

/// Everything about a leg's audio that its peer has no say in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LegSettings {
    pub encoder: EncoderSettings,
    /// The bounds of the playout delay.
    pub delay: DelayBounds,
    /// What is done to its voice before it is mixed.
    pub input: InputSettings,
    pub speaker: SpeakerTimes,
    pub private: PrivateTimes,
}

impl Default for LegSettings {
    fn default() -> LegSettings {
        LegSettings {
            encoder: EncoderSettings::default(),
            delay: DelayBounds::default(),
            input: InputSettings {
                leveller: true,
                noise_suppression: false,
            },
            speaker: SpeakerTimes::default(),
            private: PrivateTimes::default(),
        }
    }
}

/// How long somebody must speak, or be silent, before it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpeakerTimes {
    pub on: Duration,
    pub off: Duration,
}

impl SpeakerTimes {
    /// For a voice that is watched: a word is told while it is said, and its end within a tenth of a
    /// second.
    pub const WATCHED: SpeakerTimes = SpeakerTimes {
        on: Duration::from_millis(60),
        off: Duration::from_millis(100),
    };
}

impl Default for SpeakerTimes {
    fn default() -> SpeakerTimes {
        SpeakerTimes {
            on: Duration::from_millis(200),
            off: Duration::from_secs(1),
        }
    }
}

/// How long a leg that has spoken keeps a mix of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrivateTimes {
    /// After this long it returns to its mix class at the next moment at which nobody hears it.
    pub least: Duration,
    /// After this long it returns at once.
    pub most: Duration,
}

impl Default for PrivateTimes {
    fn default() -> PrivateTimes {
        PrivateTimes {
            least: Duration::from_millis(500),
            most: Duration::from_secs(8),
        }
    }
}

/// A duration in whole ticks, one at least.
pub(crate) fn ticks(duration: Duration) -> u32 {
    let ticks = duration.as_millis() * TICKS_PER_SECOND / 1_000;
    u32::try_from(ticks).unwrap_or(u32::MAX).max(1)
}
