//! PerCL commands, understood: what a script asks for, free of its spelling.

use std::time::Duration;

use tutti_model::{ConferenceId, Repeat};

use crate::facts::PlayBeep;

/// Commands in the order they run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Script {
    pub commands: Vec<Command>,
}

/// One PerCL command (FreeClimb API, "PerCL").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Say {
        text: String,
        language: String,
        repeat: Repeat,
    },
    Play {
        file: String,
        repeat: Repeat,
    },
    Pause {
        length: Duration,
    },
    CreateConference(CreateConference),
    AddToConference(AddToConference),
    RemoveFromConference,
    TerminateConference,
    Redirect {
        action_url: String,
    },
    Reject {
        reason: Option<String>,
    },
    Hangup {
        reason: Option<String>,
    },
    /// A command that PerCL has and this bridge does not run yet; running it is refused in the log
    /// and ends the call as `PerclProcessingError`.
    Unsupported {
        name: String,
    },
}

/// Creates an empty conference; the caller stays outside and goes on with `action_url`'s script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateConference {
    pub action_url: String,
    pub alias: Option<String>,
    pub play_beep: PlayBeep,
    pub record: bool,
    pub wait_url: Option<String>,
    pub status_callback_url: Option<String>,
}

/// Bridges the call into a conference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddToConference {
    pub conference: ConferenceId,
    pub start_conf_on_enter: bool,
    pub talk: bool,
    pub listen: bool,
    pub dtmf_pass_through: bool,
    pub allow_call_control: bool,
    pub call_control_sequence: Option<String>,
    pub call_control_url: Option<String>,
    pub leave_conference_url: Option<String>,
    pub notification_url: Option<String>,
}
