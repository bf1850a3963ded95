//! What the control plane asks of the media plane, and what it learns back.

use std::time::Duration;

use crate::{CallId, ConferenceId, RecordingId};

/// What a participant may do in the conference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Privileges {
    /// Its voice is in the mix.
    pub talk: bool,
    /// It hears the mix.
    pub listen: bool,
}

/// How much louder or quieter than it is one participant is heard, and hears.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Gains {
    /// For its voice in the mix, in decibels.
    pub input_db: i8,
    /// For what it hears, in decibels.
    pub output_db: i8,
}

impl Gains {
    /// The most that either may be, louder or quieter.
    pub const MOST_DB: i8 = 24;
}

/// The signal that everybody with the listen privilege hears when somebody comes or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Beep {
    /// Somebody joined.
    Entry,
    /// Somebody left.
    Exit,
}

/// Names one prompt of one call, so that its end is not mistaken for that of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PromptId(pub u64);

/// What a prompt sounds like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromptSource {
    /// An audio file, fetched with GET.
    Url(String),
    /// Nothing, for this long.
    Silence(Duration),
    /// The tone that asks a caller to speak.
    Beep,
    /// Text to be spoken.
    Speech {
        /// What to say.
        text: String,
        /// BCP 47 tag, as in `en-US`.
        language: String,
    },
}

/// How often a prompt is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Repeat {
    /// This many times, at least once.
    Times(u32),
    /// Until somebody stops it.
    Forever,
}

/// Who hears a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Audience {
    /// The call alone.
    Call,
    /// Everybody with the listen privilege in the conference that the call is in.
    Conference,
}

/// Whose sound a call's recording holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordedSide {
    /// What the caller says.
    Caller,
    /// What the caller says and hears, mixed.
    Both,
}

/// A key of the telephone keypad: `0`–`9`, `*`, `#` or `A`–`D` (RFC 4733 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digit(char);

/// The keys in the order of their telephone-event codes (RFC 4733 §3.2).
const KEYS: [char; 16] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D',
];

impl Digit {
    /// The key with this character, if there is one.
    pub fn from_char(key: char) -> Option<Digit> {
        KEYS.contains(&key).then_some(Digit(key))
    }

    /// The key with this telephone-event code (RFC 4733 §3.2), if it is a key.
    pub fn from_event(code: u8) -> Option<Digit> {
        KEYS.get(usize::from(code)).copied().map(Digit)
    }

    /// The key's telephone-event code.
    pub fn event(self) -> u8 {
        KEYS.iter().position(|key| *key == self.0).unwrap_or(0) as u8
    }

    /// The character on the key.
    pub fn as_char(self) -> char {
        self.0
    }
}

/// What the control plane asks of the media plane.
///
/// Nobody waits for it: it is applied at the next tick, in the order it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaCommand {
    /// Makes room for a conference; nothing is heard in it until `SetMixing`.
    OpenConference { conference: ConferenceId },
    /// Forgets a conference that has no legs any more.
    CloseConference { conference: ConferenceId },
    /// Bridges a leg into a conference, from wherever it is.
    Join {
        conference: ConferenceId,
        call: CallId,
        privileges: Privileges,
    },
    /// Takes a leg out of its conference; it goes on alone.
    Leave { call: CallId },
    /// Changes what a participant may do.
    SetPrivileges {
        call: CallId,
        privileges: Privileges,
    },
    /// Changes how loud a participant is heard, and hears.
    SetGains { call: CallId, gains: Gains },
    /// Presses a key towards one leg (RFC 4733, or as a tone where that is not negotiated).
    PressDigit { call: CallId, digit: Digit },
    /// Lets everybody else in a conference hear a key that one participant pressed.
    PassDigit {
        conference: ConferenceId,
        from: CallId,
        digit: Digit,
    },
    /// Lets participants hear each other, or not: a conference mixes while it is inProgress.
    SetMixing { conference: ConferenceId, on: bool },
    /// Plays wait music to listeners until `StopMusic`; `None` is the built-in piece.
    PlayMusic {
        conference: ConferenceId,
        wait_url: Option<String>,
    },
    /// Ends wait music.
    StopMusic { conference: ConferenceId },
    /// Plays a beep to listeners.
    Beep {
        conference: ConferenceId,
        beep: Beep,
    },
    /// Records the mix from the next tick on.
    StartRecording {
        conference: ConferenceId,
        recording: RecordingId,
    },
    /// Records one participant's own audio, aligned with the conference's recording.
    StartTrack {
        conference: ConferenceId,
        call: CallId,
        recording: RecordingId,
    },
    /// Records one call, wherever it is and goes: in no conference, in one, and in the next.
    RecordCall {
        call: CallId,
        recording: RecordingId,
        side: RecordedSide,
    },
    /// Ends a recording of any kind.
    StopRecording { recording: RecordingId },
    /// Plays a prompt; `MediaEvent::PromptFinished` tells its end. One that is for a conference ends
    /// when its call leaves.
    PlayPrompt {
        call: CallId,
        prompt: PromptId,
        source: PromptSource,
        repeat: Repeat,
        audience: Audience,
    },
    /// Ends a prompt early.
    StopPrompt { call: CallId, prompt: PromptId },
    /// Tells of a call's voice, or no longer, wherever the call is and whatever it may do there:
    /// `MediaEvent::Voice` follows each change within a tenth of a second, and at once if somebody
    /// speaks already.
    WatchVoice { call: CallId, on: bool },
    /// Ends a leg and frees its port.
    CloseLeg { call: CallId },
}

/// How a prompt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromptOutcome {
    /// It was heard to its end.
    Played,
    /// It could not be fetched, decoded or spoken; the text says why.
    Failed(String),
}

/// Why a recording ended before its conference did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordingFailure {
    /// The disk is full, or below the floor that is kept free.
    DiskFull,
    /// The file could not be written; the text says why.
    Io(String),
}

/// What the control plane learns from the media plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaEvent {
    /// A prompt ended by itself.
    PromptFinished {
        call: CallId,
        prompt: PromptId,
        outcome: PromptOutcome,
    },
    /// A key was pressed.
    DigitPressed { call: CallId, digit: Digit },
    /// A participant who may talk began to speak in its conference, or has stopped: slow enough for
    /// those who look on.
    Speaking { call: CallId, speaking: bool },
    /// A voice that is watched began, or has ended, within a tenth of a second; joining a conference,
    /// leaving it and being muted there change nothing about it.
    Voice { call: CallId, speaking: bool },
    /// Nothing has arrived on a leg for so long that its caller must be gone.
    LegSilent { call: CallId },
    /// Wait music could not be had; the built-in piece plays instead. The text says why.
    MusicFailed {
        conference: ConferenceId,
        reason: String,
    },
    /// A recording is complete on disk.
    RecordingReady {
        recording: RecordingId,
        duration: Duration,
        size_bytes: u64,
    },
    /// A recording ended early; what was written so far is kept.
    RecordingFailed {
        recording: RecordingId,
        failure: RecordingFailure,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_code_and_every_code_its_key() {
        for code in 0..=255 {
            let digit = Digit::from_event(code);
            assert_eq!(digit.is_some(), code < 16);
            if let Some(digit) = digit {
                assert_eq!(digit.event(), code);
                assert_eq!(Digit::from_char(digit.as_char()), Some(digit));
            }
        }
        assert_eq!(Digit::from_char('a'), None);
    }
}
