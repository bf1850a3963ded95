//! Who takes part in the demo, and which sounds are there to be heard?

use tutti_media::{ENTRY_TONES_HZ, EXIT_TONES_HZ};
use tutti_model::Codec;

use super::picture::Fill;
use crate::ear::{Audible, Sound, Vocabulary};
use crate::voice::Voice;

/// A caller of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Ada,
    Ben,
    Cleo,
}

impl Role {
    pub(super) const ALL: [Role; 3] = [Role::Ada, Role::Ben, Role::Cleo];

    pub(super) fn name(self) -> &'static str {
        match self {
            Role::Ada => "Ada",
            Role::Ben => "Ben",
            Role::Cleo => "Cleo",
        }
    }

    /// The number that the caller calls from.
    pub(super) fn number(self) -> &'static str {
        match self {
            Role::Ada => "+12125550101",
            Role::Ben => "+12125550102",
            Role::Cleo => "+12125550103",
        }
    }

    pub(super) fn codec(self) -> Codec {
        match self {
            Role::Ada => Codec::Pcmu,
            Role::Ben => Codec::Pcma,
            Role::Cleo => Codec::Opus,
        }
    }

    pub(super) fn voice(self) -> Voice {
        match self {
            Role::Ada => Voice::nth(0),
            Role::Ben => Voice::nth(1),
            Role::Cleo => Voice::nth(3),
        }
    }

    pub(super) fn colour(self) -> &'static str {
        match self {
            Role::Ada => "#2563eb",
            Role::Ben => "#ea580c",
            Role::Cleo => "#059669",
        }
    }

    /// The caller whose number this is, however it is spelled.
    pub(super) fn of_number(number: &str) -> Option<Role> {
        let digits = |text: &str| {
            text.chars()
                .filter(char::is_ascii_digit)
                .collect::<String>()
        };
        Role::ALL
            .into_iter()
            .find(|role| digits(number).starts_with(&digits(role.number())))
    }
}

/// Everything that can be heard in the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DemoSound {
    Voice(Role),
    WaitMusic,
    Prompt,
    EntryBeep,
    ExitBeep,
}

/// In the order of the vocabulary.
const SOUNDS: [DemoSound; 7] = [
    DemoSound::Voice(Role::Ada),
    DemoSound::Voice(Role::Ben),
    DemoSound::Voice(Role::Cleo),
    DemoSound::WaitMusic,
    DemoSound::Prompt,
    DemoSound::EntryBeep,
    DemoSound::ExitBeep,
];

/// The tones of the wait music; a pair like a voice, which nobody has.
pub(super) const WAIT_MUSIC: usize = 5;

/// The tones of the prompt.
pub(super) const PROMPT: usize = 7;

impl DemoSound {
    pub(super) fn name(self) -> &'static str {
        match self {
            DemoSound::Voice(role) => role.name(),
            DemoSound::WaitMusic => "wait music",
            DemoSound::Prompt => "prompt",
            DemoSound::EntryBeep => "entry beep",
            DemoSound::ExitBeep => "exit beep",
        }
    }

    /// Its place in the vocabulary.
    pub(super) fn index(self) -> usize {
        SOUNDS
            .iter()
            .position(|sound| *sound == self)
            .unwrap_or(SOUNDS.len())
    }

    pub(super) fn fill(self) -> Fill {
        match self {
            DemoSound::Voice(role) => Fill::Colour(role.colour()),
            DemoSound::WaitMusic => Fill::Music,
            DemoSound::Prompt => Fill::Colour("#7c3aed"),
            DemoSound::EntryBeep => Fill::Colour("#111827"),
            DemoSound::ExitBeep => Fill::Colour("#b91c1c"),
        }
    }
}

/// The sounds that every ear of the demo knows.
pub(super) fn vocabulary() -> Vocabulary {
    let sound = |sound: DemoSound| match sound {
        DemoSound::Voice(role) => Sound::voice(role.name(), role.voice()),
        DemoSound::WaitMusic => Sound::voice(sound.name(), Voice::nth(WAIT_MUSIC)),
        DemoSound::Prompt => Sound::voice(sound.name(), Voice::nth(PROMPT)),
        DemoSound::EntryBeep => Sound::beep(sound.name(), ENTRY_TONES_HZ),
        DemoSound::ExitBeep => Sound::beep(sound.name(), EXIT_TONES_HZ),
    };
    Vocabulary::new(SOUNDS.into_iter().map(sound).collect())
}

/// A set of sounds.
pub(super) fn set(sounds: &[DemoSound]) -> Audible {
    sounds.iter().map(|sound| sound.index()).collect()
}

/// Beeps: short sounds, for which no stretch of time is expected.
pub(super) fn beeps() -> Audible {
    set(&[DemoSound::EntryBeep, DemoSound::ExitBeep])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_sounds_of_the_demo_are_near_each_other() {
        let mut tones: Vec<f32> = [0, 1, 3, WAIT_MUSIC, PROMPT]
            .into_iter()
            .flat_map(|n| Voice::nth(n).tones_hz())
            .chain(ENTRY_TONES_HZ)
            .chain(EXIT_TONES_HZ)
            .collect();
        tones.sort_by(f32::total_cmp);
        assert!(
            tones.windows(2).all(|pair| pair[1] - pair[0] > 30.0),
            "{tones:?}"
        );
    }

    #[test]
    fn a_caller_is_known_by_its_number_in_any_spelling() {
        assert_eq!(Role::of_number("+12125550102"), Some(Role::Ben));
        assert_eq!(
            Role::of_number("sip:12125550103@127.0.0.1"),
            Some(Role::Cleo)
        );
        assert_eq!(Role::of_number("+12125550199"), None);
    }
}
