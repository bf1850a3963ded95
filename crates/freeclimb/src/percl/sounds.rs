//! Commands that are heard.

use std::time::Duration;

use tutti_control_plane::{Command, Play, Prompt, Say};
use tutti_model::{ConferenceId, Repeat};

use super::{MAX_WORD_BYTES, Malformed, open, private};
use crate::attributes::{
    Attributes, BadAttribute, Fault, MAX_URL_BYTES, bad, is_http_url, required,
};

/// The longest text of a `Say`, in bytes.
const MAX_TEXT_BYTES: usize = 4096;

/// The most prompts of one command.
const MAX_PROMPTS: usize = 100;

/// What is spoken where nobody says in which language.
const DEFAULT_LANGUAGE: &str = "en-US";

pub(super) fn say(attributes: &Attributes) -> Result<Command, BadAttribute> {
    let text = required("text", attributes.text("text", MAX_TEXT_BYTES)?)?;
    let engine = Engine::read(attributes)?;
    let language = attributes
        .text("language", MAX_WORD_BYTES)?
        .filter(|language| !language.is_empty())
        .or(engine.language);
    Ok(Command::Say(Say {
        text: if engine.ssml { spoken(text) } else { text },
        language: language.unwrap_or_else(|| DEFAULT_LANGUAGE.to_owned()),
        repeat: repeat(attributes)?,
        conference: conference(attributes)?,
        private: private(attributes)?,
    }))
}

/// What a `Say` asks of its engine and every engine can do. Its name and its voices are FreeClimb's.
#[derive(Default)]
struct Engine {
    language: Option<String>,
    /// The text is SSML.
    ssml: bool,
}

impl Engine {
    fn read(attributes: &Attributes) -> Result<Engine, BadAttribute> {
        let engine = attributes.object("engine")?.unwrap_or_default();
        let Some(parameters) = engine.object("parameters")? else {
            return Ok(Engine::default());
        };
        // What an engine makes of its parameters is its own business: nothing in them is refused.
        let parameter = |name| {
            let text = parameters.text(name, MAX_WORD_BYTES).ok().flatten();
            text.filter(|text| !text.is_empty())
        };
        // freeclimb.standard, freeclimb.neural and ElevenLabs, in this order.
        let language = parameter("Culture")
            .or_else(|| parameter("language"))
            .or_else(|| parameter("language_code"));
        let ssml = parameter("Content-Type").as_deref() == Some("application/ssml+xml")
            || parameter("textType").as_deref() == Some("ssml");
        Ok(Engine { language, ssml })
    }
}

/// SSML as one `speak` element.
fn spoken(text: String) -> String {
    if text.contains("<speak") {
        text
    } else {
        format!("<speak>{text}</speak>")
    }
}

pub(super) fn play(attributes: &Attributes) -> Result<Command, BadAttribute> {
    Ok(Command::Play(Play {
        file: file(attributes)?,
        repeat: repeat(attributes)?,
        conference: conference(attributes)?,
        private: private(attributes)?,
    }))
}

pub(super) fn play_early_media(attributes: &Attributes) -> Result<Command, BadAttribute> {
    let file = file(attributes)?;
    Ok(Command::PlayEarlyMedia { file })
}

pub(super) fn pause(attributes: &Attributes) -> Result<Command, BadAttribute> {
    let length_ms = required("length", attributes.number("length")?)?;
    Ok(Command::Pause {
        length: Duration::from_millis(u64::from(length_ms)),
    })
}

/// What is heard while something is awaited: `Say`, `Play` and `Pause`, each as it is written
/// outside. Privacy is each prompt's own.
pub(super) fn prompts(attributes: &Attributes) -> Result<Vec<Prompt>, BadAttribute> {
    let name = "prompts";
    let elements = attributes.array(name)?;
    if elements.len() > MAX_PROMPTS {
        let (limit, unit) = (MAX_PROMPTS, "commands");
        return Err(bad(name, Fault::TooLong { limit, unit }));
    }
    let read = |(index, element): (usize, &serde_json::Value)| {
        let command = index + 1;
        let (grammar, attributes) = open(command, element.clone())?;
        // Looked at by name first: what cannot nest is not read, however deep it nests.
        let not_a_prompt = Malformed::NotAPrompt {
            command,
            name: grammar.name,
        };
        if !["Say", "Play", "Pause"].contains(&grammar.name) {
            return Err(not_a_prompt);
        }
        match grammar.read(command, &attributes)? {
            Command::Say(say) => Ok(Prompt::Say(say)),
            Command::Play(play) => Ok(Prompt::Play(play)),
            Command::Pause { length } => Ok(Prompt::Pause { length }),
            _ => Err(not_a_prompt),
        }
    };
    elements
        .iter()
        .enumerate()
        .map(read)
        .collect::<Result<_, Malformed>>()
        .map_err(|malformed| {
            let reason = malformed.to_string();
            bad(name, Fault::BadPrompt { reason })
        })
}

fn file(attributes: &Attributes) -> Result<String, BadAttribute> {
    let file = required("file", attributes.text("file", MAX_URL_BYTES)?)?;
    // A recording may be named by the path under which the API serves it.
    if !is_http_url(&file) && !file.starts_with("/Accounts/") {
        return Err(bad("file", Fault::NotAUrl));
    }
    Ok(file)
}

fn repeat(attributes: &Attributes) -> Result<Repeat, BadAttribute> {
    Ok(match attributes.number("loop")? {
        Some(0) => Repeat::Forever,
        Some(times) => Repeat::Times(times),
        None => Repeat::Times(1),
    })
}

/// Clients of old name the conference that the call is in, for everybody there to hear it.
fn conference(attributes: &Attributes) -> Result<Option<ConferenceId>, BadAttribute> {
    attributes.id("conferenceId")
}
