//! Commands about keys of the telephone: awaiting them, and pressing them.

use std::time::Duration;

use tutti_control_plane::{Command, GetDigits, Keystroke};
use tutti_model::Digit;

use super::{MAX_WORD_BYTES, private, sounds};
use crate::attributes::{Attributes, BadAttribute, Fault, TextOrNumber, bad, required};

/// How long the first key may take, and each further one, where nobody says.
const INITIAL_TIMEOUT_MS: u32 = 8_000;
const DIGIT_TIMEOUT_MS: u32 = 5_000;

/// What lies between two keys that are pressed, where nobody says.
pub(crate) const DEFAULT_GAP: Duration = Duration::from_millis(500);

/// What may lie between them, in milliseconds; what is beyond counts as the nearest.
const SHORTEST_GAP_MS: u32 = 100;
const LONGEST_GAP_MS: u32 = 1_000;

/// What `{1}` means, and the most that one such pause can be.
const PAUSE_UNIT: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

pub(super) fn get_digits(attributes: &Attributes) -> Result<Command, BadAttribute> {
    let timeout = |name, default_ms| {
        let millis = attributes.number(name)?.unwrap_or(default_ms);
        Ok(Duration::from_millis(u64::from(millis)))
    };
    Ok(Command::GetDigits(GetDigits {
        action_url: required("actionUrl", attributes.url("actionUrl")?)?,
        initial_timeout: timeout("initialTimeoutMs", INITIAL_TIMEOUT_MS)?,
        digit_timeout: timeout("digitTimeoutMs", DIGIT_TIMEOUT_MS)?,
        finish_on_key: finish_on_key(attributes)?,
        min_digits: attributes.number("minDigits")?.unwrap_or(0),
        max_digits: attributes.number("maxDigits")?.filter(|most| *most > 0),
        flush_buffer: attributes.bool("flushBuffer")?.unwrap_or(false),
        prompts: sounds::prompts(attributes)?,
        private: private(attributes)?,
    }))
}

pub(super) fn send_digits(attributes: &Attributes) -> Result<Command, BadAttribute> {
    let gap = attributes.number("pauseMs")?.map(|millis| {
        let millis = millis.clamp(SHORTEST_GAP_MS, LONGEST_GAP_MS);
        Duration::from_millis(u64::from(millis))
    });
    let name = "digits";
    let digits = keystrokes(attributes, name, gap.unwrap_or(DEFAULT_GAP))?;
    if digits.is_empty() {
        return Err(bad(name, Fault::Missing));
    }
    Ok(Command::SendDigits {
        digits,
        private: private(attributes)?,
    })
}

/// The key that ends an input: `#` where nobody says, none where it is the empty text.
pub(super) fn finish_on_key(attributes: &Attributes) -> Result<Option<Digit>, BadAttribute> {
    let name = "finishOnKey";
    let key = match attributes.text_or_number(name, MAX_WORD_BYTES)? {
        Some(TextOrNumber::Text(key) | TextOrNumber::Number(key)) => key,
        None if attributes.is_set(name) => return Ok(None),
        None => return Ok(Digit::from_char('#')),
    };
    let mut characters = key.chars();
    let only = match (characters.next(), characters.next()) {
        (Some(only), None) => key_of(only),
        _ => None,
    };
    only.map(Some).ok_or_else(|| bad(name, Fault::NotAKey))
}

/// Keys to be pressed one after another with a gap between two of them. `{n}` stands in place of a
/// gap for a pause of n half seconds, three seconds at most.
pub(crate) fn keystrokes(
    attributes: &Attributes,
    name: &'static str,
    gap: Duration,
) -> Result<Vec<Keystroke>, BadAttribute> {
    let text = match attributes.text_or_number(name, MAX_WORD_BYTES)? {
        Some(TextOrNumber::Text(text) | TextOrNumber::Number(text)) => text,
        None => return Ok(Vec::new()),
    };
    steps(&text, gap).ok_or_else(|| bad(name, Fault::NotKeystrokes))
}

fn steps(text: &str, gap: Duration) -> Option<Vec<Keystroke>> {
    let mut steps = Vec::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if let Some(pause) = rest.strip_prefix('{') {
            let (halves, behind) = pause.split_once('}')?;
            let plain = !halves.is_empty() && halves.bytes().all(|byte| byte.is_ascii_digit());
            // A number that is too large to be one is a pause that is too long.
            let halves = plain.then(|| halves.parse().unwrap_or(u32::MAX))?;
            let pause = PAUSE_UNIT.saturating_mul(halves).min(LONGEST_PAUSE);
            steps.push(Keystroke::Wait(pause));
            rest = behind;
            continue;
        }
        if let Some(Keystroke::Press(_)) = steps.last() {
            steps.push(Keystroke::Wait(gap));
        }
        steps.push(Keystroke::Press(key_of(next)?));
        rest = rest.get(next.len_utf8()..)?;
    }
    Some(steps)
}

/// Some keys, as they are written.
pub(super) fn sequence(
    attributes: &Attributes,
    name: &'static str,
) -> Result<Option<String>, BadAttribute> {
    let text = match attributes.text_or_number(name, MAX_WORD_BYTES)? {
        Some(TextOrNumber::Text(text) | TextOrNumber::Number(text)) => text,
        None => return Ok(None),
    };
    if text.chars().all(|key| key_of(key).is_some()) {
        Ok(Some(text))
    } else {
        Err(bad(name, Fault::NotKeys))
    }
}

/// A key that the API knows: not the letters that no telephone has.
fn key_of(key: char) -> Option<Digit> {
    Digit::from_char(key).filter(|digit| !digit.as_char().is_ascii_alphabetic())
}
