//! PerCL commands, understood: what a script asks for, free of its spelling.
//!
//! Some commands may name the call or the conference that they are about, as scripts could until
//! 2024; `None`: the call that runs the script, and the conference that it is in.

use std::time::Duration;

use tutti_model::{CallId, ConferenceId, Digit, QueueId, Repeat};

use crate::facts::PlayBeep;

/// Commands in the order they run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Script {
    pub commands: Vec<Command>,
}

/// One PerCL command (FreeClimb API, "PerCL").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Say(Say),
    Play(Play),
    Pause {
        length: Duration,
    },
    /// Is heard before the call is answered; runs only in an inbound call's first script.
    PlayEarlyMedia {
        file: String,
    },
    GetDigits(GetDigits),
    RecordUtterance(RecordUtterance),
    TranscribeUtterance(TranscribeUtterance),
    /// Records the whole call from now on.
    StartRecordCall,
    SendDigits {
        digits: Vec<Keystroke>,
        private: bool,
    },
    OutDial(OutDial),
    Park(Park),
    Unpark,
    Enqueue(Enqueue),
    Dequeue,
    SetTalk {
        talk: bool,
        call: Option<CallId>,
    },
    SetListen {
        listen: bool,
        call: Option<CallId>,
    },
    SetDtmfPassThrough {
        dtmf_pass_through: bool,
    },
    CreateConference(CreateConference),
    AddToConference(AddToConference),
    RemoveFromConference {
        call: Option<CallId>,
    },
    TerminateConference {
        conference: Option<ConferenceId>,
    },
    Redirect {
        action_url: String,
    },
    Reject {
        reason: Option<String>,
    },
    Hangup {
        reason: Option<String>,
        call: Option<CallId>,
    },
    /// A command that PerCL has and this bridge does not run; running it is refused in the log and
    /// ends the call as `PerclProcessingError`.
    Unsupported {
        name: String,
    },
}

impl Command {
    /// The command as scripts spell it.
    pub(crate) fn name(&self) -> &str {
        match self {
            Command::Say(_) => "Say",
            Command::Play(_) => "Play",
            Command::Pause { .. } => "Pause",
            Command::PlayEarlyMedia { .. } => "PlayEarlyMedia",
            Command::GetDigits(_) => "GetDigits",
            Command::RecordUtterance(_) => "RecordUtterance",
            Command::TranscribeUtterance(_) => "TranscribeUtterance",
            Command::StartRecordCall => "StartRecordCall",
            Command::SendDigits { .. } => "SendDigits",
            Command::OutDial(_) => "OutDial",
            Command::Park(_) => "Park",
            Command::Unpark => "Unpark",
            Command::Enqueue(_) => "Enqueue",
            Command::Dequeue => "Dequeue",
            Command::SetTalk { .. } => "SetTalk",
            Command::SetListen { .. } => "SetListen",
            Command::SetDtmfPassThrough { .. } => "SetDTMFPassThrough",
            Command::CreateConference(_) => "CreateConference",
            Command::AddToConference(_) => "AddToConference",
            Command::RemoveFromConference { .. } => "RemoveFromConference",
            Command::TerminateConference { .. } => "TerminateConference",
            Command::Redirect { .. } => "Redirect",
            Command::Reject { .. } => "Reject",
            Command::Hangup { .. } => "Hangup",
            Command::Unsupported { name } => name,
        }
    }
}

/// Speaks a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Say {
    /// SSML if it is one `speak` element.
    pub text: String,
    /// BCP 47 tag, as in `en-US`.
    pub language: String,
    pub repeat: Repeat,
    /// Everybody in this conference hears it, and the call must be in it; `None`: the call alone.
    pub conference: Option<ConferenceId>,
    /// The text is masked in the log.
    pub private: bool,
}

/// Plays a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Play {
    pub file: String,
    pub repeat: Repeat,
    /// Everybody in this conference hears it, and the call must be in it; `None`: the call alone.
    pub conference: Option<ConferenceId>,
    /// The URL is masked in the log.
    pub private: bool,
}

/// What may be heard while digits are awaited; it ends at the first key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    Say(Say),
    Play(Play),
    Pause { length: Duration },
}

/// Awaits keys and goes on with `action_url`'s script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetDigits {
    pub action_url: String,
    /// How long the first key may take, from the end of the prompts.
    pub initial_timeout: Duration,
    /// How long each further key may take.
    pub digit_timeout: Duration,
    /// Ends the input and is not part of it; `None`: no key does.
    pub finish_on_key: Option<Digit>,
    /// Fewer count as none.
    pub min_digits: u32,
    /// As many end the input; `None`: no number does.
    pub max_digits: Option<u32>,
    /// Keys that were pressed before do not count.
    pub flush_buffer: bool,
    pub prompts: Vec<Prompt>,
    /// The digits are masked in the log and in the webhook.
    pub private: bool,
}

/// Records what the caller says and goes on with `action_url`'s script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordUtterance {
    pub action_url: String,
    /// As long a silence ends the recording; `None`: none does.
    pub silence_timeout: Option<Duration>,
    /// Ends the recording; `None`: no key does.
    pub finish_on_key: Option<Digit>,
    pub max_length: Duration,
    pub play_beep: bool,
    /// Begins with the first word, not at once; without one there is no recording.
    pub awaits_voice: bool,
    /// The recording is deleted two minutes after it is complete and cannot be played.
    pub private: bool,
}

/// Records what the caller says, turns it into text, and goes on with `action_url`'s script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranscribeUtterance {
    pub action_url: String,
    pub play_beep: bool,
    /// The recording can be fetched afterwards.
    pub save_recording: bool,
    pub max_length: Duration,
    /// As long a silence ends the recording; `None`: none does.
    pub silence_timeout: Option<Duration>,
    /// What was said is masked in the log.
    pub private_log: bool,
    /// The recording is deleted two minutes after it is complete and cannot be played.
    pub private_recording: bool,
    pub prompts: Vec<Prompt>,
}

/// One step of pressing keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keystroke {
    Press(Digit),
    /// Nothing is pressed for this long.
    Wait(Duration),
}

/// What happens to a call that a machine picks up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMachine {
    HangUp,
    /// It goes on with this URL's script instead of the one it runs.
    Redirect {
        url: String,
    },
}

/// Places another call, and goes on with `action_url`'s script at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutDial {
    /// A number as E.164 with its plus sign, or a SIP URI.
    pub destination: String,
    pub calling_number: String,
    /// Answers how this call goes on.
    pub action_url: String,
    /// Answers how the new call goes on, once somebody has picked up.
    pub call_connect_url: String,
    pub status_callback_url: Option<String>,
    /// How long it may ring; 175 s where more is asked for.
    pub timeout: Duration,
    pub send_digits: Vec<Keystroke>,
    pub if_machine: Option<IfMachine>,
    /// What is pressed is masked in the log.
    pub private: bool,
}

/// Lets the call wait with `wait_url`'s script, again and again, until it is unparked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Park {
    pub wait_url: String,
    pub action_url: String,
    pub notification_url: Option<String>,
}

/// Lets the call wait in a queue with `wait_url`'s script, again and again, until it is taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enqueue {
    /// Made if there is none of this name.
    pub queue: QueueId,
    pub wait_url: String,
    pub action_url: String,
    pub notification_url: Option<String>,
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
    /// Nobody but the call itself can be bridged.
    pub call: Option<CallId>,
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
