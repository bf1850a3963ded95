//! What is heard of a text, and what becomes of it when nobody speaks it.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::post;

use super::super::loudness::rms_without_pauses;
use super::voices::all;
use super::*;
use crate::egress::Policy;

/// A sentence in each language of the API, in its own script.
const SENTENCES: [(&str, &str); 26] = [
    ("ca-ES", "Benvingut a la conferència."),
    ("da-DK", "Velkommen til konferencen."),
    ("de-DE", "Willkommen in der Konferenz."),
    ("en-AU", "Welcome to the conference."),
    ("en-CA", "Welcome to the conference."),
    ("en-GB", "Welcome to the conference."),
    ("en-IN", "Welcome to the conference."),
    ("en-US", "Welcome to the conference."),
    ("es-ES", "Bienvenido a la conferencia."),
    ("es-MX", "Bienvenido a la conferencia."),
    ("fi-FI", "Tervetuloa konferenssiin."),
    ("fr-CA", "Bienvenue à la conférence."),
    ("fr-FR", "Bienvenue à la conférence."),
    ("it-IT", "Benvenuto alla conferenza."),
    ("ja-JP", "かいぎへようこそ。"),
    ("ko-KR", "회의에 오신 것을 환영합니다."),
    ("nb-NO", "Velkommen til konferansen."),
    ("nl-NL", "Welkom bij de conferentie."),
    ("pl-PL", "Witamy na konferencji."),
    ("pt-BR", "Bem-vindo à conferência."),
    ("pt-PT", "Bem-vindo à conferência."),
    ("ru-RU", "Добро пожаловать на конференцию."),
    ("sv-SE", "Välkommen till konferensen."),
    ("zh-CN", "欢迎参加会议。"),
    ("zh-HK", "歡迎參加會議。"),
    ("zh-TW", "歡迎參加會議。"),
];

#[tokio::test]
async fn every_language_of_the_api_is_heard_at_the_level_of_speech() {
    let Some(speech) = real() else { return };
    for (language, text) in SENTENCES {
        let heard = speech.speak(Utterance::of(text, language)).await.unwrap();
        let secs = seconds(&heard);
        assert!((0.8..4.0).contains(&secs), "{language}: {secs} s");
        let dbov = 20.0 * rms_without_pauses(&heard).log10();
        assert!((dbov + 26.0).abs() < 0.5, "{language}: {dbov} dBov");
    }
}

#[tokio::test]
async fn every_voice_that_can_be_chosen_is_there() {
    let Some(_) = real() else { return };
    let espeak = Espeak::new("espeak-ng".into());
    let listed = std::process::Command::new(espeak.program())
        .arg("--voices")
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let known: Vec<_> = listed
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    for voice in all() {
        assert!(known.contains(&voice), "{voice}");
    }
    let version = espeak.version().await.unwrap();
    assert!(version.starts_with("eSpeak NG"), "{version}");
}

#[tokio::test]
async fn markup_is_obeyed_and_plain_text_is_never_taken_for_it() {
    let Some(speech) = real() else { return };
    let length = async |text: &str| {
        let heard = speech.speak(Utterance::of(text, "en-US")).await.unwrap();
        seconds(&heard)
    };
    let plain = length("Hello my friend").await;
    let document = length("<speak>Hello my friend</speak>").await;
    assert!((plain - document).abs() < 0.2, "{plain} s, {document} s");

    let paused = length("<speak>Hello <break time=\"1.5s\"/> my friend</speak>").await;
    let longer = paused - document;
    assert!((1.3..1.9).contains(&longer), "{longer} s of pause");
    let read_out = length("Hello <break time=\"1.5s\"/> my friend").await;
    assert!(read_out > 2.0 * plain, "{read_out} s");

    let slow = length("<speak><prosody rate=\"50%\">Hello my friend</prosody></speak>").await;
    let fast = length("<speak><prosody rate=\"fast\">Hello my friend</prosody></speak>").await;
    assert!(slow > 1.5 * document, "{slow} s and {document} s");
    assert!(fast < 0.95 * document, "{fast} s and {document} s");

    let digits = length("<speak><say-as interpret-as=\"digits\">1234</say-as></speak>").await;
    let one_by_one = length("<speak>1 2 3 4</speak>").await;
    let as_number = length("<speak>1234</speak>").await;
    assert!((digits - one_by_one).abs() < 0.05, "{digits} s");
    assert!(
        (digits - as_number).abs() > 0.2,
        "{digits} s, {as_number} s"
    );

    // A command of espeak-ng's own for 300 words a minute, and phonemes.
    let commanded = length("\u{1}300SHello my friend").await;
    assert!(commanded > 1.3 * plain, "{commanded} s");
    let phonemes = length("[[h@loU]]").await;
    assert!(phonemes > 1.2, "{phonemes} s is a spoken hello");
}

#[tokio::test]
async fn the_longest_text_is_spoken_and_one_without_words_is_no_sound() {
    let Some(speech) = real() else { return };
    let longest = "Hello my friend. ".repeat(MAX_TEXT_BYTES / 17);
    let heard = speech.speak(Utterance::of(&longest, "en-US")).await;
    assert!(seconds(&heard.unwrap()) > 100.0);
    for text in ["", " ", "\n", "<speak></speak>", "<speak> <p/> </speak>"] {
        let heard = speech.speak(Utterance::of(text, "en-US")).await.unwrap();
        assert!(seconds(&heard) < 0.2, "{text:?}: {} s", seconds(&heard));
    }
    let too_long = "é".repeat(MAX_TEXT_BYTES / 2 + 1);
    let refused = speech.speak(Utterance::of(&too_long, "en-US")).await;
    assert!(matches!(refused, Err(SpeechError::TooLongToSay(4098))));
}

#[tokio::test]
async fn the_text_goes_by_standard_input_and_no_secret_goes_at_all() {
    let engine = Program::new("printf '%s\\n' \"$@\" > args; env > env; cat > text");
    let speech = engine.speech(|_| {});
    let text = "it's $(touch x); \"quoted\" -v xx `id` <b>";
    let heard = speech
        .speak(Utterance::of(text, "xx; touch x"))
        .await
        .unwrap();
    assert!(heard.is_empty());
    assert_eq!(engine.read("text"), text);
    let arguments = engine.read("args");
    let arguments: Vec<_> = arguments.lines().collect();
    let expected = ["-b", "1", "--stdin", "--stdout", "-s", "160", "-v", "en-us"];
    assert_eq!(arguments, expected);
    // Cargo gives its tests many variables.
    assert!(std::env::vars().any(|(name, _)| name.starts_with("CARGO")));
    assert!(!engine.read("env").contains("CARGO"));

    let markup = "<speak>a<audio src=\"/etc/hostname\"/></speak>";
    speech.speak(Utterance::of(markup, "de-DE")).await.unwrap();
    assert_eq!(engine.read("text"), "<speak>a</speak>");
    assert!(engine.read("args").ends_with("-v\nde\n-m\n"));
}

#[tokio::test]
async fn what_many_want_is_spoken_once_and_remembered() {
    let engine = Program::new("echo x >> calls; cat > /dev/null; cat tone.wav");
    let speech = Arc::new(engine.speech(|_| {}));
    let say = async |text: &str, language: &str| {
        let heard = speech.speak(Utterance::of(text, language)).await;
        heard.unwrap()
    };
    let callers = (0..20).map(|_| say("Welcome", "en-US"));
    let heard = futures_util::future::join_all(callers).await;
    assert!(heard.iter().all(|sound| sound.len() == 24_000));
    assert_eq!(engine.calls(), 1);
    say("Welcome", "en-US").await;
    // The same voice is the same sound.
    say("Welcome", "en_ca").await;
    assert_eq!(engine.calls(), 1);
    say("Welcome", "de-DE").await;
    say("Welcome!", "en-US").await;
    say("<speak>Welcome</speak>", "en-US").await;
    assert_eq!(engine.calls(), 4);
    assert!(lock(&speech.under_way).is_empty());
}

#[tokio::test]
async fn no_more_is_remembered_than_there_is_room_for() {
    let engine = Program::new("echo x >> calls; cat > /dev/null; cat tone.wav");
    let entry = 24_000 * size_of::<f32>() + ENTRY_BYTES;
    let speech = engine.speech(|settings| settings.cache_bytes = 2 * entry);
    for text in ["a", "b", "c", "b", "c"] {
        speech.speak(Utterance::of(text, "en-US")).await.unwrap();
    }
    assert_eq!(engine.calls(), 3);
    assert_eq!(lock(&speech.spoken).weight(), 2 * entry);
    speech.speak(Utterance::of("a", "en-US")).await.unwrap();
    assert_eq!(engine.calls(), 4);
}

#[tokio::test]
async fn no_more_processes_run_at_once_than_are_allowed() {
    let engine =
        Program::new("echo begin >> calls; cat > /dev/null; sleep 0.05; echo end >> calls");
    let speech = engine.speech(|settings| settings.at_once = 3);
    let texts: Vec<_> = (0..12).map(|n| n.to_string()).collect();
    let spoken = texts
        .iter()
        .map(|text| speech.speak(Utterance::of(text, "en-US")));
    for heard in futures_util::future::join_all(spoken).await {
        assert!(heard.unwrap().is_empty());
    }
    let (mut running, mut most) = (0, 0);
    for line in engine.read("calls").lines() {
        running += if line == "begin" { 1 } else { -1 };
        most = most.max(running);
    }
    assert_eq!((running, most), (0, 3));
}

#[tokio::test]
async fn an_engine_that_takes_too_long_is_ended() {
    let engine = Program::new("echo $$ > pid; exec sleep 1000");
    let mut speech = engine.speech(|_| {});
    speech.patience = Duration::from_millis(300);
    let refused = speech.speak(Utterance::of("Hello", "en-US")).await;
    assert!(matches!(refused, Err(SpeechError::TooSlow { .. })));
    assert!(lock(&speech.under_way).is_empty());
    let status = format!("/proc/{}/status", engine.read("pid").trim());
    let is_gone = || match std::fs::read_to_string(&status) {
        Ok(status) => status.contains("State:\tZ"),
        Err(_) => true,
    };
    for _ in 0..1_000 {
        if is_gone() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{status} is still there");
}

#[tokio::test]
async fn an_engine_that_is_missing_or_fails_says_what_to_do() {
    let missing = with_program(Path::new("/nowhere/espeak-ng"), |_| {});
    missing.announce().await;
    let said = said(missing.speak(Utterance::of("Hello", "en-US")).await);
    assert_eq!(
        said,
        "no voice is installed (/nowhere/espeak-ng is not found): install espeak-ng or set \
         speech.url"
    );
    let engine = Program::new("echo 'Error: no such voice' >&2; exit 1");
    let said = self::said(
        engine
            .speech(|_| {})
            .speak(Utterance::of("Hello", "en-US"))
            .await,
    );
    assert!(
        said.ends_with("did not speak: exit status: 1 Error: no such voice"),
        "{said}"
    );
    let engine = Program::new("cat > /dev/null; echo '<html></html>'");
    let said = self::said(
        engine
            .speech(|_| {})
            .speak(Utterance::of("Hello", "en-US"))
            .await,
    );
    assert!(
        said.ends_with("the file is a web page, not audio"),
        "{said}"
    );
}

#[tokio::test]
async fn an_engine_without_end_is_cut_off() {
    let engine = Program::new("exec cat /dev/zero");
    let mut speech = engine.speech(|_| {});
    speech.patience = Duration::from_secs(60);
    let refused = speech.speak(Utterance::of("Hello", "en-US")).await;
    assert!(matches!(refused, Err(SpeechError::TooLongToHear)));
}

#[tokio::test]
async fn broken_markup_fails_with_its_place_and_before_any_engine_is_asked() {
    let engine = Program::new("echo x >> calls");
    let broken = "<speak>one <break time=1s/> two</speak>";
    let said = said(
        engine
            .speech(|_| {})
            .speak(Utterance::of(broken, "en-US"))
            .await,
    );
    assert_eq!(
        said,
        "the SSML is broken: an attribute of <break> is not written as name=\"value\""
    );
    assert_eq!(engine.calls(), 0);
}

#[tokio::test]
async fn an_engine_behind_a_url_is_asked_in_json() {
    let (asked, mut questions) = tokio::sync::mpsc::unbounded_channel();
    let answer = move |question: String| {
        let asked = asked.clone();
        async move {
            let known = !question.contains("nothing");
            let _ = asked.send(question.clone());
            match known {
                true if question.contains("page") => "<html></html>".into_response(),
                true => tone_file().into_response(),
                false => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            }
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/say", post(answer));
    let server = tokio::spawn(async move { axum::serve(listener, router).await });

    let settings = config::Speech {
        url: Some(format!("http://{address}/say?voice=eva").parse().unwrap()),
        ..config::Speech::default()
    };
    let speech = Speech::new(&settings, egress());
    speech.announce().await;
    let heard = speech
        .speak(Utterance::of("Hello \"you\"", "tlh"))
        .await
        .unwrap();
    assert_eq!(heard.len(), 24_000);
    assert_eq!(
        questions.recv().await.unwrap(),
        r#"{"text":"Hello \"you\"","language":"tlh"}"#
    );
    speech
        .speak(Utterance::of("<speak>a</speak>", "en-US"))
        .await
        .unwrap();
    assert_eq!(
        questions.recv().await.unwrap(),
        r#"{"text":"<speak>a</speak>","language":"en-US","markup":"ssml"}"#
    );
    let said_of = async |text| said(speech.speak(Utterance::of(text, "en-US")).await);
    assert_eq!(
        said_of("nothing").await,
        format!("speech.url: http://{address} answered with status 503")
    );
    assert_eq!(
        said_of("page").await,
        format!(
            "speech.url (http://{address}) answered with what cannot be heard: the file is \
             text/plain, not audio"
        )
    );
    server.abort();
}

/// The installed espeak-ng; without one, a line that nobody overlooks.
fn real() -> Option<Speech> {
    let speech = with_program(Path::new("espeak-ng"), |_| {});
    let mut command = std::process::Command::new("espeak-ng");
    let asked = command.arg("--version").stdout(Stdio::null()).status();
    if asked.is_ok_and(|status| status.success()) {
        return Some(speech);
    }
    // Not through the macro, which is silent in tests that pass.
    let line =
        "SKIPPED: espeak-ng is not installed, so nobody listened to it (scripts/test installs it)";
    writeln!(std::io::stderr(), "{line}").unwrap();
    None
}

fn egress() -> Arc<Egress> {
    Arc::new(Egress::new(Policy::new(&[], false).unwrap()).unwrap())
}

fn with_program(program: &Path, change: impl FnOnce(&mut config::Speech)) -> Speech {
    let mut settings = config::Speech {
        espeak: program.to_owned(),
        ..config::Speech::default()
    };
    change(&mut settings);
    Speech::new(&settings, egress())
}

fn said(spoken: Result<Arc<[f32]>, SpeechError>) -> String {
    spoken.unwrap_err().to_string()
}

fn seconds(samples: &[f32]) -> f64 {
    samples.len() as f64 / 48_000.0
}

/// Half a second of sound.
fn tone_file() -> Vec<u8> {
    include_bytes!("../fixtures/tone.flac").to_vec()
}

/// A program that stands for espeak-ng and works in a directory of its own.
struct Program {
    dir: tempfile::TempDir,
}

impl Program {
    fn new(commands: &str) -> Program {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("tone.wav"), tone_file()).unwrap();
        let script = format!("#!/bin/sh\ncd '{}'\n{commands}\n", dir.path().display());
        // By another process: a file that this one has open for writing, even for the moment in
        // which a parallel test forks, cannot be run.
        let mut writer = std::process::Command::new("sh")
            .args(["-c", "cat > \"$0\" && chmod +x \"$0\""])
            .arg(dir.path().join("engine"))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = writer.stdin.take().unwrap();
        stdin.write_all(script.as_bytes()).unwrap();
        drop(stdin);
        assert!(writer.wait().unwrap().success());
        Program { dir }
    }

    fn speech(&self, change: impl FnOnce(&mut config::Speech)) -> Speech {
        with_program(&self.dir.path().join("engine"), change)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(name)).unwrap_or_default()
    }

    fn calls(&self) -> usize {
        self.read("calls").lines().count()
    }
}
