//! PerCL, the language in which an application answers a command webhook.

mod calls;
mod conferences;
mod keys;
mod sounds;
#[cfg(test)]
mod tests;
mod utterances;
mod waiting;

use serde_json::{Map, Value};
use tutti_control_plane::{Command, Script};
use tutti_model::CallId;

use crate::attributes::{Attributes, BadAttribute, kind};

pub(crate) use self::calls::{if_machine, private, ring_time};
pub(crate) use self::keys::{DEFAULT_GAP, keystrokes};

/// The longest text of an attribute that is neither spoken nor a URL, in bytes.
const MAX_WORD_BYTES: usize = 256;

/// Commands that PerCL has and this bridge does not run, whatever their attributes.
const UNSUPPORTED: [&str; 3] = ["AudioStream", "GetSpeech", "Sms"];

/// Why a script cannot be understood. Commands are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("the script is not JSON: {reason}")]
    NotJson { reason: String },
    #[error("a script must be an array of commands, not {found}")]
    NotAnArray { found: &'static str },
    #[error("command {command} must be an object, not {found}")]
    NotAnObject { command: usize, found: &'static str },
    #[error("command {command} must be an object with one name, not {names}")]
    NotOneName { command: usize, names: usize },
    #[error("command {command}: PerCL has no command {name:?}")]
    NoSuchCommand { command: usize, name: String },
    #[error("command {command}, {name}: the attributes must be an object, not {found}")]
    NoAttributes {
        command: usize,
        name: &'static str,
        found: &'static str,
    },
    #[error("command {command}, {name}.{bad}")]
    BadAttribute {
        command: usize,
        name: &'static str,
        bad: BadAttribute,
    },
    #[error("command {command}, {name}: cannot stand inside another command")]
    NotAPrompt { command: usize, name: &'static str },
}

/// Understands a script. An empty body is a script without commands.
///
/// Attributes that are null or unknown are as good as absent. Commands behind a terminal
/// one are never run, but must be PerCL all the same.
pub fn parse(body: &[u8]) -> Result<Script, Malformed> {
    // Some frameworks put a byte order mark in front of what they write.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.trim_ascii().is_empty() {
        return Ok(Script::default());
    }
    let value = serde_json::from_slice(body).map_err(|error| Malformed::NotJson {
        reason: error.to_string(),
    })?;
    let Value::Array(elements) = value else {
        let found = kind(&value);
        return Err(Malformed::NotAnArray { found });
    };
    let commands = elements
        .into_iter()
        .enumerate()
        .map(|(index, element)| {
            let (grammar, attributes) = open(index + 1, element)?;
            grammar.read(index + 1, &attributes)
        })
        .collect::<Result<_, _>>()?;
    Ok(Script { commands })
}

/// The name and the attributes of a command.
fn open(command: usize, element: Value) -> Result<(Grammar, Attributes), Malformed> {
    let Value::Object(members) = element else {
        let found = kind(&element);
        return Err(Malformed::NotAnObject { command, found });
    };
    let names = members.len();
    let mut members = members.into_iter();
    let (Some((name, value)), None) = (members.next(), members.next()) else {
        return Err(Malformed::NotOneName { command, names });
    };
    let Some(grammar) = grammar(&name) else {
        let name = name.chars().take(40).collect();
        return Err(Malformed::NoSuchCommand { command, name });
    };
    let members = attributes(value).map_err(|found| Malformed::NoAttributes {
        command,
        name: grammar.name,
        found,
    })?;
    Ok((grammar, Attributes::new(members)))
}

/// The members of an object, or what it is instead.
fn attributes(value: Value) -> Result<Map<String, Value>, &'static str> {
    match value {
        Value::Object(members) => Ok(members),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(kind(&value))
        }
    }
}

/// How the attributes of one command are read.
#[derive(Clone, Copy)]
struct Grammar {
    name: &'static str,
    /// `None` for commands that are not run.
    read: Option<Read>,
}

type Read = fn(&Attributes) -> Result<Command, BadAttribute>;

const GRAMMARS: [Grammar; 24] = [
    Grammar::of("Say", sounds::say),
    Grammar::of("Play", sounds::play),
    Grammar::of("Pause", sounds::pause),
    Grammar::of("PlayEarlyMedia", sounds::play_early_media),
    Grammar::of("GetDigits", keys::get_digits),
    Grammar::of("SendDigits", keys::send_digits),
    Grammar::of("RecordUtterance", utterances::record_utterance),
    Grammar::of("TranscribeUtterance", utterances::transcribe_utterance),
    Grammar::of("StartRecordCall", |_| Ok(Command::StartRecordCall)),
    Grammar::of("OutDial", calls::out_dial),
    Grammar::of("Redirect", calls::redirect),
    Grammar::of("Reject", calls::reject),
    Grammar::of("Hangup", calls::hangup),
    Grammar::of("Park", waiting::park),
    Grammar::of("Unpark", |_| Ok(Command::Unpark)),
    Grammar::of("Enqueue", waiting::enqueue),
    Grammar::of("Dequeue", |_| Ok(Command::Dequeue)),
    Grammar::of("CreateConference", conferences::create_conference),
    Grammar::of("AddToConference", conferences::add_to_conference),
    Grammar::of("RemoveFromConference", conferences::remove_from_conference),
    Grammar::of("TerminateConference", conferences::terminate_conference),
    Grammar::of("SetTalk", conferences::set_talk),
    Grammar::of("SetListen", conferences::set_listen),
    Grammar::of("SetDTMFPassThrough", conferences::set_dtmf_pass_through),
];

/// The call that a command is about, as scripts could name it until 2024.
fn named_call(attributes: &Attributes) -> Result<Option<CallId>, BadAttribute> {
    attributes.named("callId")
}

fn grammar(name: &str) -> Option<Grammar> {
    let unsupported = UNSUPPORTED.map(|name| Grammar { name, read: None });
    GRAMMARS
        .into_iter()
        .chain(unsupported)
        .find(|grammar| grammar.name == name)
}

impl Grammar {
    const fn of(name: &'static str, read: Read) -> Grammar {
        let read = Some(read);
        Grammar { name, read }
    }

    fn read(&self, command: usize, attributes: &Attributes) -> Result<Command, Malformed> {
        let name = self.name;
        match self.read {
            Some(read) => {
                read(attributes).map_err(|bad| Malformed::BadAttribute { command, name, bad })
            }
            None => Ok(Command::Unsupported {
                name: name.to_owned(),
            }),
        }
    }
}
