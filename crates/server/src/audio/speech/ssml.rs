//! Reads SSML and writes what espeak-ng is to speak (W3C SSML 1.1).
//!
//! Nothing of the application's markup reaches espeak-ng as it was written: espeak-ng opens the
//! file that an `audio` element names, reads `1.5s` as one millisecond, and knows `digits` under
//! another name. So the text is taken apart here, and only elements that are understood are written
//! anew. Any other element counts for what it contains.

/// The longest pause of one `break`.
const MAX_BREAK_MS: f64 = 60_000.0;

/// What is wrong with SSML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("it does not begin with <speak>")]
    NotSpeak,
    #[error("<{0}> is not closed")]
    Unclosed(String),
    #[error("</{0}> closes nothing")]
    Unopened(String),
    #[error("a tag, a comment or a section that begins with {0:?} does not end")]
    Unended(String),
    #[error("{0:?} is no tag")]
    NotATag(String),
    #[error("an attribute of <{0}> is not written as name=\"value\"")]
    Attribute(String),
    #[error("a document type is not read")]
    DocumentType,
    #[error("something follows </speak>")]
    Trailing,
}

/// Whether a text is one `speak` element from its beginning to its end.
pub(super) fn is_document(text: &str) -> bool {
    let text = text.trim();
    let body = match text.strip_prefix("<?xml") {
        Some(declared) => declared.split_once("?>").map_or("", |(_, body)| body),
        None => text,
    };
    let inside = body.trim_start().strip_prefix("<speak");
    inside.is_some_and(|rest| rest.starts_with(['>', ' ', '\t', '\r', '\n']))
        && text.ends_with("</speak>")
}

/// Plain text as espeak-ng reads it without markup.
pub(super) fn plain(text: &str) -> String {
    let mut output = String::with_capacity(text.len());
    push_tame(&mut output, text);
    output
}

/// An SSML document in the words that espeak-ng understands.
pub(super) fn for_espeak(text: &str) -> Result<String, Malformed> {
    let mut writer = Writer::default();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let Some(at) = rest.find('<') else {
            writer.text(rest)?;
            break;
        };
        let (before, tag) = rest.split_at(at);
        writer.text(before)?;
        rest = writer.tag(tag)?;
    }
    writer.finish()
}

/// What an element that is open does to what it contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// It is spoken.
    Spoken,
    /// It is not meant to be heard, or something is heard in its place.
    Unheard,
    /// Digit by digit.
    Digits,
    /// Digit by digit, with a pause where the groups end.
    Telephone,
}

struct Open<'a> {
    name: &'a str,
    inside: Inside,
    /// What ends the element in the output.
    end: &'static str,
}

#[derive(Default)]
struct Writer<'a> {
    output: String,
    open: Vec<Open<'a>>,
    done: bool,
}

impl<'a> Writer<'a> {
    fn text(&mut self, text: &str) -> Result<(), Malformed> {
        if self.open.is_empty() {
            return match (text.trim().is_empty(), self.done) {
                (true, _) => Ok(()),
                (false, true) => Err(Malformed::Trailing),
                (false, false) => Err(Malformed::NotSpeak),
            };
        }
        self.say(&without_entities(text));
        Ok(())
    }

    /// Writes text as the elements around it demand.
    fn say(&mut self, text: &str) {
        let mut spoken = Inside::Spoken;
        for open in &self.open {
            match open.inside {
                Inside::Unheard => return,
                Inside::Digits | Inside::Telephone => spoken = open.inside,
                Inside::Spoken => {}
            }
        }
        match spoken {
            Inside::Spoken | Inside::Unheard => push_escaped(&mut self.output, text),
            Inside::Digits => push_escaped(&mut self.output, &spaced_digits(text, false)),
            Inside::Telephone => push_escaped(&mut self.output, &spaced_digits(text, true)),
        }
    }

    /// Reads one tag, comment or section and returns what follows it.
    fn tag(&mut self, rest: &'a str) -> Result<&'a str, Malformed> {
        if let Some(comment) = rest.strip_prefix("<!--") {
            return Ok(upto(comment, "-->", rest)?.1);
        }
        if let Some(section) = rest.strip_prefix("<![CDATA[") {
            let (text, rest) = upto(section, "]]>", rest)?;
            if self.open.is_empty() {
                return Err(Malformed::NotSpeak);
            }
            self.say(text);
            return Ok(rest);
        }
        if let Some(instruction) = rest.strip_prefix("<?") {
            return Ok(upto(instruction, "?>", rest)?.1);
        }
        if rest.starts_with("<!") {
            return Err(Malformed::DocumentType);
        }
        if let Some(end) = rest.strip_prefix("</") {
            let (name, rest) = upto(end, ">", rest)?;
            self.close(name.trim_end())?;
            return Ok(rest);
        }
        let tag = Tag::read(rest)?;
        self.begin(&tag)?;
        Ok(tag.rest)
    }

    fn begin(&mut self, tag: &Tag<'a>) -> Result<(), Malformed> {
        if self.open.is_empty() && (self.done || tag.name != "speak") {
            return Err(if self.done {
                Malformed::Trailing
            } else {
                Malformed::NotSpeak
            });
        }
        if self.open.iter().any(|open| open.inside == Inside::Unheard) {
            return self.enter(tag, Inside::Unheard, "");
        }
        match tag.name {
            "break" => {
                self.output.push_str(&break_of(tag));
                self.enter(tag, Inside::Unheard, "")
            }
            "speak" => self.element(tag, "<speak>", "</speak>"),
            "p" => self.element(tag, "<p>", "</p>"),
            "s" => self.element(tag, "<s>", "</s>"),
            "emphasis" => {
                let begin = with_known(tag, "emphasis", &["level"]);
                self.element(tag, &begin, "</emphasis>")
            }
            "prosody" => {
                let begin = with_known(tag, "prosody", &["rate", "pitch", "range", "volume"]);
                self.element(tag, &begin, "</prosody>")
            }
            "sub" => {
                let Some(alias) = tag.attribute("alias") else {
                    return self.enter(tag, Inside::Spoken, "");
                };
                self.say(&alias);
                self.enter(tag, Inside::Unheard, "")
            }
            "say-as" => self.begin_say_as(tag),
            // About the document, not part of it; `desc` describes a sound to those who cannot hear.
            "desc" | "lexicon" | "mark" | "meta" | "metadata" | "title" => {
                self.enter(tag, Inside::Unheard, "")
            }
            _ => self.enter(tag, Inside::Spoken, ""),
        }
    }

    fn begin_say_as(&mut self, tag: &Tag<'a>) -> Result<(), Malformed> {
        let meant = tag.attribute("interpret-as").unwrap_or_default();
        match meant.to_ascii_lowercase().as_str() {
            "digits" | "number:digits" | "vxml:digits" => self.enter(tag, Inside::Digits, ""),
            "telephone" | "vxml:phone" => self.enter(tag, Inside::Telephone, ""),
            "characters" | "spell-out" | "verbatim" => {
                let begin = "<say-as interpret-as=\"characters\">";
                self.element(tag, begin, "</say-as>")
            }
            // Numbers, dates and times are read as they stand.
            _ => self.enter(tag, Inside::Spoken, ""),
        }
    }

    fn element(&mut self, tag: &Tag<'a>, begin: &str, end: &'static str) -> Result<(), Malformed> {
        self.output.push_str(begin);
        if tag.is_empty {
            self.output.push_str(end);
        }
        self.enter(tag, Inside::Spoken, end)
    }

    fn enter(&mut self, tag: &Tag<'a>, inside: Inside, end: &'static str) -> Result<(), Malformed> {
        if !tag.is_empty {
            let name = tag.name;
            self.open.push(Open { name, inside, end });
        } else if self.open.is_empty() {
            self.done = true;
        }
        Ok(())
    }

    fn close(&mut self, name: &str) -> Result<(), Malformed> {
        match self.open.pop() {
            Some(open) if open.name == name => self.output.push_str(open.end),
            Some(open) => return Err(Malformed::Unclosed(open.name.to_owned())),
            None => return Err(Malformed::Unopened(shortened(name))),
        }
        self.done = self.open.is_empty();
        Ok(())
    }

    fn finish(self) -> Result<String, Malformed> {
        match (self.open.last(), self.done) {
            (Some(open), _) => Err(Malformed::Unclosed(open.name.to_owned())),
            (None, true) => Ok(self.output),
            (None, false) => Err(Malformed::NotSpeak),
        }
    }
}

/// The beginning of an element.
struct Tag<'a> {
    name: &'a str,
    attributes: Vec<(&'a str, &'a str)>,
    is_empty: bool,
    rest: &'a str,
}

impl<'a> Tag<'a> {
    /// Reads a tag from its `<` on.
    fn read(text: &'a str) -> Result<Tag<'a>, Malformed> {
        let unended = || Malformed::Unended(shortened(text));
        let inside = text.get(1..).unwrap_or_default();
        let length = inside.find(|c: char| !is_name(c)).ok_or_else(unended)?;
        let (name, mut rest) = inside.split_at(length);
        if !name.starts_with(|c: char| c.is_alphabetic()) {
            return Err(Malformed::NotATag(shortened(text)));
        }
        let mut attributes = Vec::new();
        loop {
            rest = rest.trim_start();
            let end = match (rest.strip_prefix('>'), rest.strip_prefix("/>")) {
                (Some(after), _) => Some((after, false)),
                (None, Some(after)) => Some((after, true)),
                (None, None) => None,
            };
            if let Some((rest, is_empty)) = end {
                return Ok(Tag {
                    name,
                    attributes,
                    is_empty,
                    rest,
                });
            }
            if rest.is_empty() {
                return Err(unended());
            }
            let attribute = read_attribute(rest);
            let (key, value, after) =
                attribute.ok_or_else(|| Malformed::Attribute(name.to_owned()))?;
            attributes.push((key, value));
            rest = after;
        }
    }

    fn attribute(&self, name: &str) -> Option<String> {
        let (_, value) = self.attributes.iter().find(|(key, _)| *key == name)?;
        Some(without_entities(value))
    }
}

/// A name, its value, and what follows them.
fn read_attribute(text: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = text.split_at(text.find(|c: char| !is_name(c))?);
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (value, rest) = rest.strip_prefix(quote)?.split_once(quote)?;
    (!name.is_empty()).then_some((name, value, rest))
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | ':' | '.')
}

/// What comes before an end mark, and what after it.
fn upto<'a>(text: &'a str, end: &str, whole: &str) -> Result<(&'a str, &'a str), Malformed> {
    text.split_once(end)
        .ok_or_else(|| Malformed::Unended(shortened(whole)))
}

/// The pause of a `break` in whole milliseconds, or by its strength.
fn break_of(tag: &Tag<'_>) -> String {
    const STRENGTHS: [&str; 6] = ["none", "x-weak", "weak", "medium", "strong", "x-strong"];
    if let Some(length_ms) = tag.attribute("time").as_deref().and_then(milliseconds) {
        return format!("<break time=\"{length_ms}ms\"/>");
    }
    let strength = tag.attribute("strength").unwrap_or_default();
    match STRENGTHS.iter().find(|known| **known == strength) {
        Some(strength) => format!("<break strength=\"{strength}\"/>"),
        None => "<break/>".to_owned(),
    }
}

/// A time as CSS writes it: `250ms`, `1.5s`.
fn milliseconds(time: &str) -> Option<u32> {
    let time = time.trim();
    let (number, factor) = match time.strip_suffix("ms") {
        Some(number) => (number, 1.0),
        None => (time.strip_suffix('s')?, 1_000.0),
    };
    let length_ms = number.trim().parse::<f64>().ok()? * factor;
    (length_ms >= 0.0).then(|| length_ms.min(MAX_BREAK_MS).round() as u32)
}

/// The beginning of an element with those of its attributes that espeak-ng understands.
fn with_known(tag: &Tag<'_>, name: &str, known: &[&str]) -> String {
    let mut begin = format!("<{name}");
    for key in known {
        let Some(value) = tag.attribute(key) else {
            continue;
        };
        let value = value.trim();
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '%');
        if !value.is_empty() && value.len() <= 16 && value.chars().all(is_word) {
            begin.push_str(&format!(" {key}=\"{value}\""));
        }
    }
    begin.push('>');
    begin
}

/// Each digit as a word of its own; with `grouped`, a pause between groups of them.
fn spaced_digits(text: &str, grouped: bool) -> String {
    let mut output = String::with_capacity(2 * text.len());
    let mut gap = false;
    for c in text.trim().chars() {
        if c.is_alphanumeric() || c == '+' {
            if gap && grouped && !output.is_empty() {
                output.push(',');
            }
            gap = false;
            output.push(' ');
            output.push(c);
        } else if grouped {
            gap = true;
        } else {
            output.push(c);
        }
    }
    output.push(' ');
    output
}

fn push_escaped(output: &mut String, text: &str) {
    for (n, part) in text.split('&').enumerate() {
        if n > 0 {
            output.push_str("&amp;");
        }
        let part = part.replace('<', "&lt;").replace('>', "&gt;");
        push_tame(output, &part);
    }
}

/// Text without what commands espeak-ng: control characters, private ones, and phonemes in double
/// brackets.
fn push_tame(output: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\n' | '\t' => output.push(c),
            '\u{e000}'..='\u{f8ff}' => {}
            c if c.is_control() => output.push(' '),
            '[' if output.ends_with('[') => output.push_str(" ["),
            c => output.push(c),
        }
    }
}

/// Text with the entities of XML resolved. What is none stays as it is, as in `AT&T`.
fn without_entities(text: &str) -> String {
    let mut output = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        output.push_str(before);
        let entity = after.split_once(';');
        match entity.and_then(|(name, after)| Some((character(name)?, after))) {
            Some((c, after)) => {
                output.push(c);
                rest = after;
            }
            None => {
                output.push('&');
                rest = after;
            }
        }
    }
    output.push_str(rest);
    output
}

fn character(entity: &str) -> Option<char> {
    match entity {
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "amp" => return Some('&'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        _ => {}
    }
    let number = entity.strip_prefix('#')?;
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
        None => number.parse().ok()?,
    };
    char::from_u32(code)
}

/// Enough of a text to find the place.
fn shortened(text: &str) -> String {
    text.chars().take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(inside: &str) -> String {
        let document = format!("<speak>{inside}</speak>");
        let output = for_espeak(&document).unwrap();
        let inside = output.strip_prefix("<speak>").unwrap();
        inside.strip_suffix("</speak>").unwrap().to_owned()
    }

    #[test]
    fn what_is_understood_is_written_in_the_words_of_espeak() {
        let table = [
            ("Hello", "Hello"),
            ("a<break/>b", "a<break/>b"),
            ("a<break time='1.5s'/>b", "a<break time=\"1500ms\"/>b"),
            ("<break time=\"250ms\"></break>", "<break time=\"250ms\"/>"),
            ("<break time=\"3600s\"/>", "<break time=\"60000ms\"/>"),
            ("<break time=\"-1s\"/>", "<break/>"),
            ("<break time=\"NaNs\"/>", "<break/>"),
            (
                "<break strength = \"strong\" />",
                "<break strength=\"strong\"/>",
            ),
            ("<break strength=\"x\"/>", "<break/>"),
            (
                "<prosody rate=\"80%\" contour='(0%,+20Hz)'>slow</prosody>",
                "<prosody rate=\"80%\">slow</prosody>",
            ),
            ("<prosody rate='\"/><x'>a</prosody>", "<prosody>a</prosody>"),
            ("<p>One.</p><s>Two</s>", "<p>One.</p><s>Two</s>"),
            (
                "<emphasis level=\"strong\">now</emphasis>",
                "<emphasis level=\"strong\">now</emphasis>",
            ),
            (
                "<sub alias=\"World &amp; Web\">WW</sub>.",
                "World &amp; Web.",
            ),
            ("<say-as interpret-as=\"digits\">1234</say-as>", " 1 2 3 4 "),
            (
                "<say-as interpret-as='telephone'>(555) 123-4</say-as>",
                " 5 5 5, 1 2 3, 4 ",
            ),
            (
                "<say-as interpret-as=\"characters\">ab1</say-as>",
                "<say-as interpret-as=\"characters\">ab1</say-as>",
            ),
            ("<say-as interpret-as=\"cardinal\">12</say-as>", "12"),
            ("<!-- unheard --><?go on?>heard", "heard"),
            ("<![CDATA[1 < 2]]>", "1 &lt; 2"),
            (
                "1 &lt; 2 &#38; &#x41; AT&T &nope;",
                "1 &lt; 2 &amp; A AT&amp;T &amp;nope;",
            ),
        ];
        for (given, expected) in table {
            assert_eq!(written(given), expected, "{given}");
        }
    }

    #[test]
    fn nothing_that_names_a_file_or_commands_the_engine_gets_through() {
        let table = [
            ("<audio src=\"/etc/passwd\"/>x", "x"),
            (
                "<audio src='/etc/passwd'><desc>d</desc>else</audio>",
                "else",
            ),
            ("<lexicon uri=\"/etc/passwd\"/>", ""),
            ("<mark name=\"here\"/>", ""),
            ("<voice name=\"../../x\">x</voice>", "x"),
            ("[[h@loU]]", "[ [h@loU]]"),
            ("[&#91;h@loU]]", "[ [h@loU]]"),
            ("[<!-- -->[h]]", "[ [h]]"),
            ("a&#1;300Sb", "a 300Sb"),
            ("a\u{1}300Sb\u{e000}\u{9f}", "a 300Sb "),
            ("&lt;audio src=\"/x\"/&gt;", "&lt;audio src=\"/x\"/&gt;"),
            (
                "<sub alias='&lt;audio src=\"/x\"/>'>x</sub>",
                "&lt;audio src=\"/x\"/&gt;",
            ),
            ("&amp;lt;audio/&amp;gt;", "&amp;lt;audio/&amp;gt;"),
        ];
        for (given, expected) in table {
            assert_eq!(written(given), expected, "{given}");
        }
    }

    #[test]
    fn markup_that_is_broken_is_told_where() {
        use Malformed::{
            Attribute, DocumentType, NotATag, NotSpeak, Trailing, Unclosed, Unended, Unopened,
        };
        let table = [
            ("", NotSpeak),
            ("hello", NotSpeak),
            ("<p>hello</p>", NotSpeak),
            ("<![CDATA[x]]>", NotSpeak),
            ("<speak>a", Unclosed("speak".into())),
            ("<speak><p>a</speak>", Unclosed("p".into())),
            ("</speak>", Unopened("speak".into())),
            ("<speak>a</speak>b", Trailing),
            ("<speak/><speak/>", Trailing),
            ("<speak><break", Unended("<break".into())),
            (
                "<speak><break time='1s' ",
                Unended("<break time='1s'".into()),
            ),
            ("<speak><!-- a", Unended("<!-- a".into())),
            ("<speak>1 < 2</speak>", NotATag("< 2</speak>".into())),
            ("<speak><break time=1s/></speak>", Attribute("break".into())),
            ("<speak><break time></speak>", Attribute("break".into())),
            ("<!DOCTYPE x SYSTEM \"/etc/passwd\"><speak/>", DocumentType),
        ];
        for (given, expected) in table {
            assert_eq!(for_espeak(given), Err(expected), "{given}");
        }
    }

    #[test]
    fn only_a_whole_speak_element_is_taken_for_markup() {
        for text in [
            "<speak>a</speak>",
            " <speak version=\"1.1\">a</speak>\n",
            "<?xml version=\"1.0\"?>\n<speak>a</speak>",
        ] {
            assert!(is_document(text), "{text}");
        }
        for text in [
            "",
            "speak",
            "a <speak>b</speak>",
            "<speak>b</speak> c",
            "<speaker>b</speaker>",
            "<b>bold</b>",
            "1 < 2 and 3 > 2",
            "<?xml <speak></speak>",
        ] {
            assert!(!is_document(text), "{text}");
        }
    }

    #[test]
    fn plain_text_stays_what_it_is() {
        for text in [
            "<break time=\"2s\"/>",
            "AT&T &amp; [x] é\u{1f600}\n\nend",
            "1 < 2",
        ] {
            assert_eq!(plain(text), text);
        }
        assert_eq!(plain("[[[[h]]\u{1}\r\u{e123}"), "[ [ [ [h]]  ");
    }

    #[test]
    fn no_text_brings_the_reader_down_and_all_that_it_writes_is_its_own() {
        let pieces = [
            "<",
            ">",
            "/",
            "speak",
            "<speak>",
            "</speak>",
            "<break",
            " time=\"",
            "1s",
            "\"",
            "/>",
            "<audio src='/x'>",
            "</audio>",
            "&",
            "&lt;",
            "&#x5b;",
            "[[",
            "]]",
            "<![CDATA[",
            "]]>",
            "<!--",
            "-->",
            "é",
            "\u{1}",
            " ",
            "<say-as interpret-as=\"digits\">",
            "</say-as>",
            "12",
        ];
        let allowed = [
            "speak",
            "p",
            "s",
            "break",
            "prosody",
            "emphasis",
            "say-as",
            "/speak",
            "/p",
            "/s",
            "/prosody",
            "/emphasis",
            "/say-as",
        ];
        let mut seed = 1_u32;
        let mut whole = 0;
        for _ in 0..100_000 {
            let mut text = "<speak>".to_owned();
            for _ in 0..8 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                text.push_str(pieces[(seed >> 16) as usize % pieces.len()]);
            }
            text.push_str("</speak>");
            let Ok(output) = for_espeak(&text) else {
                continue;
            };
            whole += 1;
            assert!(
                !output.contains("[[") && !output.contains('\u{1}'),
                "{text}"
            );
            for tag in output.split('<').skip(1) {
                let name = tag.split(['>', ' ']).next().unwrap().trim_end_matches('/');
                assert!(allowed.contains(&name), "{text}: {output}");
            }
        }
        assert!(whole > 1_000, "{whole}");
    }
}
