//! What an operator can set: defaults, then a file, then the environment, then flags.

mod trunk;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use tutti_media::CONTRIBUTORS;
use tutti_model::AccountId;
use url::Url;

use crate::media::Priority;
pub use trunk::Trunk;

/// The prefix of environment variables; section and key follow, joined by two underscores.
const ENVIRONMENT_PREFIX: &str = "TUTTI_";

/// The control plane waits a minute for a text; by then it must be known that there is none.
const LONGEST_TRANSCRIPTION: Duration = Duration::from_secs(55);

/// What stands for the recording's path in `transcription.command`.
pub const FILE_ARGUMENT: &str = "{file}";

/// Everything that can be set. Every field has a default that serves a laptop.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub http: Http,
    pub metrics: Metrics,
    pub sip: Sip,
    pub media: Media,
    pub storage: Storage,
    pub account: Account,
    pub egress: Egress,
    pub limits: Limits,
    pub speech: Speech,
    pub transcription: Transcription,
    /// How long running calls may go on after the first SIGTERM or SIGINT.
    #[serde(deserialize_with = "seconds")]
    pub drain_timeout: Duration,
}

/// REST.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    pub listen: SocketAddr,
    /// The base of absolute URLs that are handed out; the request's Host where it is missing.
    pub public_url: Option<String>,
}

/// Metrics.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    pub listen: Listen,
}

/// An address to listen at, or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen(pub Option<SocketAddr>);

/// SIP.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sip {
    /// UDP and TCP.
    pub listen: SocketAddr,
    /// Whether a conference's identifier can be dialled.
    pub direct_join: bool,
    /// Where calls to telephone numbers may go; without one, no number can be called.
    pub trunks: Vec<Trunk>,
    /// Whether SIP URIs can be called, where `egress.allow` and its policy let us go.
    pub sip_uris: bool,
}

/// RTP.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Media {
    /// The address in SDP.
    pub ip: IpAddr,
    /// UDP ports of legs, two for each.
    pub ports: PortRange,
    /// Mixing threads; the number of cores where it is missing.
    pub threads: Option<u16>,
    /// Opus complexity, 0 to 10.
    pub opus_complexity: u8,
    /// Opus bitrate in bits per second.
    pub opus_bitrate: u32,
    /// Whether complexity is lowered, and then calls are refused, as ticks fill up.
    pub governor: bool,
    /// How media threads stand among all that want their cores, where the system permits it.
    pub priority: Priority,
    /// The bounds of the playout delay, in milliseconds.
    pub playout_delay: DelayRange,
    /// Whether every talker is brought to about the same loudness.
    pub leveller: bool,
    /// Whether noise is taken out of talkers' voices.
    pub noise_suppression: bool,
    /// How long somebody must speak to be told as speaking, in milliseconds.
    pub speaker_on: u16,
    /// How long somebody must be silent to be told as silent, in milliseconds.
    pub speaker_off: u16,
    /// Legs of one conference on one media thread; more are mixed in parts on several.
    pub part_legs: u16,
    /// Places in the mix of a conference, or of each of its parts; who speaks beside them waits until
    /// one of them pauses.
    pub contributors: u16,
}

/// An inclusive range of milliseconds, as in `2-200`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DelayRange {
    pub least: Duration,
    pub most: Duration,
}

/// An inclusive range of ports, as in `20000-29999`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    pub first: u16,
    pub last: u16,
}

/// Facts and recordings.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Storage {
    pub url: String,
    pub recordings: PathBuf,
    /// New recordings are refused below this many free bytes, or below a tenth of the disk.
    pub floor_bytes: u64,
}

/// The first account; what is missing is made at the first start.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Account {
    pub id: Option<AccountId>,
    pub api_key: Option<String>,
    pub signing_secret: Option<String>,
}

/// Where the bridge's own requests may go although it is a private place.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Egress {
    #[serde(deserialize_with = "list")]
    pub allow: Vec<String>,
}

/// The voices of `Say`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Speech {
    /// An engine that answers a POST of `{"text","language"}` with sound; espeak-ng speaks where it
    /// is missing.
    #[serde(deserialize_with = "http_url")]
    pub url: Option<Url>,
    /// The espeak-ng program, by its name or its path.
    pub espeak: PathBuf,
    /// How many texts may be spoken at the same time.
    pub at_once: u16,
    /// How much of what was spoken is kept in memory, in bytes.
    pub cache_bytes: usize,
}

/// What turns recordings of `TranscribeUtterance` into text; at most one of both.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Transcription {
    /// A program and its arguments, of which one holds `{file}`; it writes the text.
    pub command: Vec<String>,
    /// A service that answers a POST of `audio/wav` with `text/plain` or `{"text"}`.
    #[serde(deserialize_with = "http_url")]
    pub url: Option<Url>,
    /// How long it may take, with the wait for its turn: 55 s at most.
    #[serde(deserialize_with = "seconds")]
    pub time_limit: Duration,
    /// How many recordings may be transcribed at the same time.
    pub at_once: u16,
}

/// How much is enough (each is answered with a clear refusal).
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    pub conferences_per_account: u32,
    pub conferences: u32,
    pub participants_per_conference: u32,
    pub queues_per_account: u32,
    /// Calls that one account places: in a second, at the same time, and how many minutes they last
    /// in a day (UTC), all together.
    pub outbound_calls_per_second_per_account: u32,
    pub outbound_calls_per_account: u32,
    pub outbound_minutes_per_day_per_account: u32,
    /// How long one of them may last.
    #[serde(deserialize_with = "seconds")]
    pub outbound_call_duration: Duration,
    /// Calls at the same time.
    pub legs: u16,
    /// New SIP dialogs in a second, from one source and from all.
    pub dialogs_per_second_per_source: u32,
    pub dialogs_per_second: u32,
    pub requests_per_second_per_account: u32,
    /// Open HTTP connections, from one source and from all.
    pub connections_per_source: u32,
    pub connections: u32,
    /// How many days the accounts' logs reach back; 0 keeps them for ever.
    pub log_days: u16,
}

impl Default for Http {
    fn default() -> Http {
        Http {
            listen: loopback(8080),
            public_url: None,
        }
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics {
            listen: Listen(Some(loopback(9090))),
        }
    }
}

impl Default for Sip {
    fn default() -> Sip {
        Sip {
            listen: loopback(5060),
            direct_join: true,
            trunks: Vec::new(),
            sip_uris: false,
        }
    }
}

impl Default for Media {
    fn default() -> Media {
        Media {
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            ports: PortRange {
                first: 20_000,
                last: 29_999,
            },
            threads: None,
            opus_complexity: 5,
            opus_bitrate: 32_000,
            governor: true,
            priority: Priority::default(),
            playout_delay: DelayRange {
                least: Duration::from_millis(2),
                most: Duration::from_millis(200),
            },
            leveller: true,
            noise_suppression: false,
            speaker_on: 200,
            speaker_off: 1_000,
            part_legs: 2_000,
            contributors: CONTRIBUTORS,
        }
    }
}

impl Default for Storage {
    fn default() -> Storage {
        Storage {
            url: "sqlite://data/tutti.db".to_owned(),
            recordings: PathBuf::from("data/recordings"),
            floor_bytes: 2 << 30,
        }
    }
}

impl Default for Speech {
    fn default() -> Speech {
        Speech {
            url: None,
            espeak: PathBuf::from("espeak-ng"),
            at_once: 2,
            cache_bytes: 64 << 20,
        }
    }
}

impl Default for Transcription {
    fn default() -> Transcription {
        Transcription {
            command: Vec::new(),
            url: None,
            time_limit: LONGEST_TRANSCRIPTION,
            at_once: 2,
        }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            conferences_per_account: 1_000,
            conferences: 5_000,
            participants_per_conference: 250,
            queues_per_account: 1_000,
            outbound_calls_per_second_per_account: 1,
            outbound_calls_per_account: 20,
            outbound_minutes_per_day_per_account: 1_000,
            outbound_call_duration: Duration::from_secs(4 * 60 * 60),
            legs: 4_000,
            dialogs_per_second_per_source: 20,
            dialogs_per_second: 300,
            requests_per_second_per_account: 100,
            connections_per_source: 100,
            connections: 10_000,
            log_days: 30,
        }
    }
}

/// Why a configuration cannot be used; it names the key, and where it stands.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration {path}: {error}", path = path.display())]
    Unreadable {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error("{path}, line {line}: `{key}`: {error}", path = path.display())]
    Malformed {
        path: PathBuf,
        line: usize,
        key: String,
        error: String,
    },
    #[error("{origin}: {error}")]
    BadSetting { origin: String, error: String },
    #[error("{0}")]
    Impossible(String),
}

impl Config {
    /// Reads the file, if there is one, and then `TUTTI_*` variables.
    ///
    /// # Errors
    /// The first thing that is wrong, with the key and the line or the variable.
    pub fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Config, ConfigError> {
        let text = match file {
            Some(path) => {
                std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
                    path: path.to_owned(),
                    error,
                })?
            }
            None => String::new(),
        };
        let path = file.unwrap_or(Path::new("defaults"));
        // Checked by itself first, so that an error can point to its line.
        toml::from_str::<Config>(&text).map_err(|error| malformed(path, &text, &error))?;
        let mut table: toml::Table =
            toml::from_str(&text).map_err(|error| malformed(path, &text, &error))?;
        let mut variables: Vec<_> = environment
            .filter(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX) && name != "TUTTI_LOG")
            .collect();
        variables.sort();
        for (name, value) in variables {
            let key = name
                .trim_start_matches(ENVIRONMENT_PREFIX)
                .to_lowercase()
                .replace("__", ".");
            table =
                with_setting(&table, &key, &value).map_err(|error| ConfigError::BadSetting {
                    origin: name,
                    error,
                })?;
        }
        let config = Config::try_from_table(table).map_err(ConfigError::Impossible)?;
        config.check()?;
        Ok(config)
    }

    /// Sets one key as `section.key` to a value as text, as flags do.
    ///
    /// # Errors
    /// When there is no such key, or it cannot have that value.
    pub fn check_setting(key: &str, value: &str) -> Result<(), String> {
        with_setting(&toml::Table::new(), key, value).map(|_| ())
    }

    /// Whether every listener is on loopback: then loopback targets are allowed, too.
    pub fn is_loopback_only(&self) -> bool {
        self.http.listen.ip().is_loopback()
            && self.sip.listen.ip().is_loopback()
            && self
                .metrics
                .listen
                .0
                .is_none_or(|address| address.ip().is_loopback())
    }

    fn try_from_table(table: toml::Table) -> Result<Config, String> {
        table
            .try_into::<Config>()
            .map_err(|error| error.message().to_owned())
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.media.ip.is_unspecified() {
            return Err(ConfigError::Impossible(
                "media.ip: phones cannot send to an unspecified address; name one of this machine"
                    .to_owned(),
            ));
        }
        if self.media.opus_complexity > 10 {
            return Err(ConfigError::Impossible(format!(
                "media.opus_complexity: {} is not between 0 and 10",
                self.media.opus_complexity
            )));
        }
        if !(6_000..=510_000).contains(&self.media.opus_bitrate) {
            return Err(ConfigError::Impossible(format!(
                "media.opus_bitrate: {} is not between 6000 and 510000",
                self.media.opus_bitrate
            )));
        }
        if self.media.part_legs == 0 {
            return Err(ConfigError::Impossible(
                "media.part_legs: a part of a conference has one leg at least".to_owned(),
            ));
        }
        if self.media.contributors == 0 {
            return Err(ConfigError::Impossible(
                "media.contributors: a mix has one place at least".to_owned(),
            ));
        }
        for (at, trunk) in self.sip.trunks.iter().enumerate() {
            let before = self.sip.trunks.iter().take(at);
            if before.into_iter().any(|other| other.name == trunk.name) {
                return Err(ConfigError::Impossible(format!(
                    "sip.trunks: two are named {:?}",
                    trunk.name
                )));
            }
        }
        self.transcription.check()?;
        if self.media.threads == Some(0) {
            return Err(ConfigError::Impossible(
                "media.threads: one at least must mix".to_owned(),
            ));
        }
        Ok(())
    }
}

impl Transcription {
    fn check(&self) -> Result<(), ConfigError> {
        if self.time_limit > LONGEST_TRANSCRIPTION {
            return Err(ConfigError::Impossible(format!(
                "transcription.time_limit: {} s is more than {} s, and a call waits no longer than a \
                 minute for what was said in it",
                self.time_limit.as_secs(),
                LONGEST_TRANSCRIPTION.as_secs()
            )));
        }
        let holds_file = |argument: &String| argument.contains(FILE_ARGUMENT);
        let wrong = match self.command.as_slice() {
            [] => None,
            _ if self.url.is_some() => Some("there is transcription.url, too; only one is asked"),
            [program, ..] if program.is_empty() || holds_file(program) => {
                Some("the first entry is the program")
            }
            [_, arguments @ ..] if !arguments.iter().any(holds_file) => {
                Some("no argument holds {file}, so the program would not know what to transcribe")
            }
            [_, ..] => None,
        };
        match wrong {
            Some(wrong) => Err(ConfigError::Impossible(format!(
                "transcription.command: {wrong}"
            ))),
            None => Ok(()),
        }
    }
}

/// What is wrong with a file, in one line; the parser draws the place over several.
fn malformed(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or(text).matches('\n').count();
    let line = text.lines().nth(before).unwrap_or_default();
    ConfigError::Malformed {
        path: path.to_owned(),
        line: before + 1,
        // What follows the key may be a secret.
        key: line.split('=').next().unwrap_or(line).trim().to_owned(),
        error: error.message().replace('\n', ", "),
    }
}

/// A table with one more setting, if the configuration can have it.
///
/// The text is tried as the number or truth value it looks like, and then as it is.
fn with_setting(table: &toml::Table, key: &str, value: &str) -> Result<toml::Table, String> {
    let text = toml::Value::String(value.to_owned());
    let number = value.parse().map(toml::Value::Integer).ok();
    let truth = value.parse().map(toml::Value::Boolean).ok();
    let mut first_error = None;
    for candidate in [Some(text), number, truth].into_iter().flatten() {
        let mut table = table.clone();
        insert(&mut table, key, candidate);
        match Config::try_from_table(table.clone()) {
            Ok(_) => return Ok(table),
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    Err(format!(
        "{key} = {value:?}: {}",
        first_error.unwrap_or_default()
    ))
}

fn insert(table: &mut toml::Table, key: &str, value: toml::Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((section, rest)) => {
            let section = table
                .entry(section)
                .or_insert_with(|| toml::Value::Table(toml::Table::new()));
            if let toml::Value::Table(section) = section {
                insert(section, rest, value);
            }
        }
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u32::deserialize(deserializer).map(|seconds| Duration::from_secs(seconds.into()))
}

/// An absolute URL of HTTP.
fn http_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let url = Url::parse(&text).map_err(D::Error::custom)?;
    match url.scheme() {
        "http" | "https" => Ok(Some(url)),
        scheme => Err(D::Error::custom(format!("{scheme} is not http or https"))),
    }
}

/// A list, or text with commas between.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        Text(String),
        List(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::List(items) => items,
        OneOrMany::Text(text) => text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect(),
    })
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Listen, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "none" {
            return Ok(Listen(None));
        }
        text.parse()
            .map(|address| Listen(Some(address)))
            .map_err(|_| {
                D::Error::custom(format!(
                    "{text:?} is neither an address with a port nor \"none\""
                ))
            })
    }
}

impl FromStr for PortRange {
    type Err = String;

    fn from_str(text: &str) -> Result<PortRange, String> {
        let parsed = text.split_once('-').and_then(|(first, last)| {
            Some(PortRange {
                first: first.trim().parse().ok()?,
                last: last.trim().parse().ok()?,
            })
        });
        match parsed {
            Some(range) if range.first >= 1_024 && range.first < range.last => Ok(range),
            Some(_) | None => Err(format!(
                "{text:?} is not a range of ports above 1023, as in \"20000-29999\""
            )),
        }
    }
}

impl FromStr for DelayRange {
    type Err = String;

    fn from_str(text: &str) -> Result<DelayRange, String> {
        let millis = |text: &str| text.trim().parse::<u16>().ok();
        let parsed = text
            .split_once('-')
            .and_then(|(least, most)| Some((millis(least)?, millis(most)?)));
        match parsed {
            Some((least, most)) if least >= 1 && least < most && most <= 1_000 => Ok(DelayRange {
                least: Duration::from_millis(least.into()),
                most: Duration::from_millis(most.into()),
            }),
            Some(_) | None => Err(format!(
                "{text:?} is not a range of milliseconds up to 1000, as in \"2-200\""
            )),
        }
    }
}

impl<'de> Deserialize<'de> for DelayRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DelayRange, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for PortRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PortRange, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let variables = variables
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()));
        Config::load(None, variables)
    }

    fn load_file(text: &str) -> Result<Config, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::load(Some(file.path()), std::iter::empty())
    }

    #[test]
    fn defaults_listen_on_loopback_only() {
        assert!(load(&[]).unwrap().is_loopback_only());
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            "[http]\nlisten = \"127.0.0.1:1\"\n[sip]\ndirect_join = true\n",
        )
        .unwrap();
        let variables = [
            ("TUTTI_HTTP__LISTEN".to_owned(), "127.0.0.1:2".to_owned()),
            ("TUTTI_SIP__DIRECT_JOIN".to_owned(), "false".to_owned()),
            ("TUTTI_MEDIA__THREADS".to_owned(), "3".to_owned()),
            (
                "TUTTI_EGRESS__ALLOW".to_owned(),
                "10.1.0.0/16, music.lan:8000".to_owned(),
            ),
            ("TUTTI_METRICS__LISTEN".to_owned(), "none".to_owned()),
        ];
        let config = Config::load(Some(file.path()), variables.into_iter()).unwrap();
        assert_eq!(config.http.listen.port(), 2);
        assert!(!config.sip.direct_join);
        assert_eq!(config.media.threads, Some(3));
        assert_eq!(config.egress.allow, ["10.1.0.0/16", "music.lan:8000"]);
        assert_eq!(config.metrics.listen, Listen(None));
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let error = load_file("[sip]\nlisten = \"127.0.0.1:5060\"\nlisten_tcp = 1\n").unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("line 3") && text.contains("listen_tcp"),
            "{text}"
        );
    }

    #[test]
    fn a_bad_value_is_named_with_its_line() {
        let text = load_file("[media]\nports = \"9-1\"\n")
            .unwrap_err()
            .to_string();
        assert!(text.contains("line 2") && text.contains("9-1"), "{text}");
    }

    #[test]
    fn media_threads_have_one_of_three_priorities() {
        assert_eq!(load(&[]).unwrap().media.priority, Priority::High);
        for (name, priority) in [
            ("normal", Priority::Normal),
            ("high", Priority::High),
            ("realtime", Priority::Realtime),
        ] {
            assert_eq!(priority.to_string(), name);
            let config = load(&[("TUTTI_MEDIA__PRIORITY", name)]).unwrap();
            assert_eq!(config.media.priority, priority);
        }
        let text = load(&[("TUTTI_MEDIA__PRIORITY", "urgent")]).unwrap_err();
        let text = text.to_string();
        let named = text.contains("TUTTI_MEDIA__PRIORITY") && text.contains("realtime");
        assert!(named, "{text}");
    }

    #[test]
    fn a_bad_variable_is_named() {
        let text = load(&[("TUTTI_HTTP__LISTEN", "nowhere")])
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("TUTTI_HTTP__LISTEN") && text.contains("nowhere"),
            "{text}"
        );
        let text = load(&[("TUTTI_HTTP__LISTNE", "x")])
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("TUTTI_HTTP__LISTNE") && text.contains("listne"),
            "{text}"
        );
    }

    #[test]
    fn the_engine_of_say_is_an_http_url() {
        let config = load(&[("TUTTI_SPEECH__URL", "http://127.0.0.1:5002/say")]).unwrap();
        assert_eq!(config.speech.url.unwrap().path(), "/say");
        assert_eq!(load(&[]).unwrap().speech.url, None);
        for (wrong, reason) in [("say", "relative URL"), ("ftp://a.example/", "ftp")] {
            let text = load(&[("TUTTI_SPEECH__URL", wrong)]).unwrap_err();
            let text = text.to_string();
            let named = text.contains("TUTTI_SPEECH__URL") && text.contains(reason);
            assert!(named, "{text}");
        }
    }

    #[test]
    fn nothing_is_dialled_and_nothing_transcribed_without_a_word() {
        let config = load(&[]).unwrap();
        assert!(config.sip.trunks.is_empty() && !config.sip.sip_uris);
        assert!(config.transcription.command.is_empty() && config.transcription.url.is_none());
    }

    #[test]
    fn a_trunk_is_read_with_all_that_can_be_said_of_it() {
        let config = load_file(&trunk(
            "transport = \"tcp\"\nusername = \"tutti\"\npassword = \"hunter2\"\n\
             realm = \"sip.example.com\"\nallowed_prefixes = [\"+1312\", \"+44\"]\n\
             refused_prefixes = [\"+4490\"]\ncaller_id = \"+13125550100\"\n\
             from_domain = \"us.example.com\"\nstrip_plus = true\n\
             accounts = [\"AC0123456789abcdef0123456789abcdef01234567\"]\n",
        ))
        .unwrap();
        let [trunk] = config.sip.trunks.as_slice() else {
            panic!("there is one trunk");
        };
        assert_eq!(trunk.host.to_string(), "sip.example.com:5070");
        assert_eq!(trunk.transport, tutti_sip::Transport::Tcp);
        assert_eq!(trunk.credentials.as_ref().unwrap().username, "tutti");
        assert_eq!(trunk.accounts.len(), 1);
        assert!(trunk.strip_plus);
        let number = |number: &str| number.parse().unwrap();
        assert_eq!(trunk.allows(&number("+13125550100")), Some(4));
        assert_eq!(trunk.allows(&number("+447000000000")), Some(2));
        assert_eq!(trunk.allows(&number("+449000000000")), None);
    }

    #[test]
    fn a_password_is_never_printed() {
        let config = load_file(&trunk(
            "username = \"tutti\"\npassword = \"hunter2\"\nrealm = \"r\"\n",
        ));
        assert!(!format!("{config:?}").contains("hunter2"));
        for wrong in [
            "username = \"tutti\"\npassword = \"hunter2\"\n",
            "password = [\"hunter2\"]\n",
            "password = hunter2\n",
            "password = \"hunter2\"\nport = 5060\n",
        ] {
            let error = load_file(&trunk(wrong)).unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_trunk_is_named_with_its_line() {
        for (wrong, line, reason) in [
            ("username = \"tutti\"\n", 2, "no password and no realm"),
            (
                "username = \"tutti\"\npassword = \"x\"\n",
                2,
                "has no realm",
            ),
            ("allowed_prefixes = [\"1312\"]\n", 5, "1312"),
            ("allowed_prefixes = [\"+\"]\n", 5, "allowed_prefixes"),
            ("allowed_prefixes = [\"+0\"]\n", 5, "\"+0\""),
            ("caller_id = \"tutti\"\n", 5, "caller_id"),
            ("from_domain = \"a b\"\n", 5, "a b"),
            ("transport = \"tls\"\n", 5, "tls"),
            ("accounts = [\"me\"]\n", 5, "accounts"),
            ("prefixes = [\"+1\"]\n", 5, "prefixes"),
            ("register = true\n", 5, "register"),
        ] {
            let error = load_file(&trunk(wrong)).unwrap_err().to_string();
            let named = error.contains(&format!("line {line}:")) && error.contains(reason);
            assert!(named, "{wrong}: {error}");
        }
        let twice = trunk("") + &trunk("").replace("[sip]\n", "");
        let error = load_file(&twice).unwrap_err().to_string();
        assert!(error.contains("two are named \"main\""), "{error}");
        let error = load_file("[[sip.trunks]]\nname = \"x\"\n").unwrap_err();
        assert!(error.to_string().contains("host"), "{error}");
    }

    #[test]
    fn trunks_of_the_file_stay_when_the_environment_speaks_of_sip() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), trunk("")).unwrap();
        let variables = [("TUTTI_SIP__SIP_URIS".to_owned(), "true".to_owned())];
        let config = Config::load(Some(file.path()), variables.into_iter()).unwrap();
        assert!(config.sip.sip_uris && config.sip.trunks.len() == 1);
    }

    #[test]
    fn a_mix_in_which_nobody_has_a_place_is_refused() {
        let config = load_file("[media]\ncontributors = 1\n").unwrap();
        assert_eq!(config.media.contributors, 1);
        let error = load_file("[media]\ncontributors = 0\n").unwrap_err();
        assert!(error.to_string().contains("media.contributors"), "{error}");
    }

    #[test]
    fn a_transcription_that_could_not_work_is_refused() {
        let good = "[transcription]\ncommand = [\"whisper\", \"--in={file}\"]\ntime_limit = 9\n";
        let config = load_file(good).unwrap();
        assert_eq!(config.transcription.time_limit, Duration::from_secs(9));
        for wrong in [
            "command = [\"whisper\"]\n",
            "command = [\"{file}\"]\n",
            "command = [\"\", \"{file}\"]\n",
            "command = [\"a\", \"{file}\"]\nurl = \"http://127.0.0.1/\"\n",
            "command = \"whisper {file}\"\n",
            "url = \"file:///etc/passwd\"\n",
            "time_limit = 56\n",
        ] {
            let error = load_file(&format!("[transcription]\n{wrong}")).unwrap_err();
            let named =
                error.to_string().contains("transcription.") || error.to_string().contains("line ");
            assert!(named, "{wrong}: {error}");
        }
    }

    /// A file with one trunk, of which `more` says the rest, from line 5 on.
    fn trunk(more: &str) -> String {
        format!("[sip]\n[[sip.trunks]]\nname = \"main\"\nhost = \"sip.example.com:5070\"\n{more}")
    }

    #[test]
    fn an_address_that_nobody_can_send_to_is_refused() {
        assert!(load(&[("TUTTI_MEDIA__IP", "0.0.0.0")]).is_err());
    }
}
