//! Turns recordings into text, by a program or a service of the operator's choice.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tutti_control_plane::Transcript;
use tutti_model::RecordingId;
use tutti_recording::recording_path;
use url::Url;

use crate::config::{self, FILE_ARGUMENT};
use crate::egress::{Egress, EgressError};

/// A minute of speech has about 1 KiB of text.
const MOST_TEXT_BYTES: u64 = 256 << 10;

/// How much is repeated of what a program complains about.
const COMPLAINT_BYTES: u64 = 4 << 10;

/// The longest recording that is posted, five minutes at 48 kHz; an utterance lasts one.
const MOST_SOUND_BYTES: u64 = 32 << 20;

/// What every variable of ours begins with; some hold secrets.
const OWN_VARIABLES: &str = "TUTTI_";

/// Why a recording has no text.
#[derive(Debug, thiserror::Error)]
pub enum TranscriptionError {
    #[error("no transcription service is configured (transcription.command or transcription.url)")]
    NotConfigured,
    #[error("the transcription took longer than {0:?} (transcription.time_limit)")]
    TooSlow(Duration),
    #[error("the transcription program cannot be started (transcription.command): {0}")]
    NotStarted(std::io::Error),
    #[error("the transcription program failed (transcription.command): {0}")]
    Failed(String),
    #[error("the transcription has more than {MOST_TEXT_BYTES} bytes")]
    TooMuchText,
    #[error("the transcription service cannot be used (transcription.url): {0}")]
    Service(#[from] EgressError),
    #[error("the transcription service answered with neither text/plain nor JSON with a text")]
    NoText,
    #[error("the recording cannot be read: {0}")]
    Unreadable(std::io::Error),
    #[error("the recording is too large to be transcribed")]
    TooLarge,
}

#[derive(Debug)]
enum Means {
    None,
    Program(Vec<String>),
    Service(Url),
}

/// Transcribes a few recordings at a time.
#[derive(Debug)]
pub struct Transcriber {
    means: Means,
    time_limit: Duration,
    turns: Semaphore,
    recordings_dir: PathBuf,
    egress: Arc<Egress>,
}

impl Transcriber {
    /// Uses the means that are configured, if any.
    pub fn new(
        settings: &config::Transcription,
        recordings_dir: PathBuf,
        egress: Arc<Egress>,
    ) -> Transcriber {
        let means = match (&settings.url, settings.command.as_slice()) {
            (Some(url), _) => Means::Service(url.clone()),
            (None, []) => Means::None,
            (None, command) => Means::Program(command.to_vec()),
        };
        Transcriber {
            means,
            time_limit: settings.time_limit,
            turns: Semaphore::new(usize::from(settings.at_once.max(1))),
            recordings_dir,
            egress,
        }
    }

    /// Turns a finished recording into text, in its turn.
    ///
    /// # Errors
    /// What keeps it from being text, in a sentence for the account's log.
    pub async fn transcribe(
        &self,
        recording: RecordingId,
    ) -> Result<Transcript, TranscriptionError> {
        let begun = Instant::now();
        let file = recording_path(&self.recordings_dir, recording);
        let transcribing = async {
            // Never closed: the turn is there sooner or later.
            let _turn = self.turns.acquire().await.ok();
            match &self.means {
                Means::None => Err(TranscriptionError::NotConfigured),
                Means::Program(command) => run(command, &file).await,
                Means::Service(url) => self.ask(url, &file).await,
            }
        };
        let text = timeout(self.time_limit, transcribing).await;
        let text = text.map_err(|_| TranscriptionError::TooSlow(self.time_limit))??;
        Ok(Transcript {
            text: text.trim().to_owned(),
            took: begun.elapsed(),
        })
    }

    async fn ask(&self, url: &Url, file: &Path) -> Result<String, TranscriptionError> {
        let bytes = tokio::fs::metadata(file).await;
        let bytes = bytes.map_err(TranscriptionError::Unreadable)?.len();
        if bytes > MOST_SOUND_BYTES {
            return Err(TranscriptionError::TooLarge);
        }
        let sound = tokio::fs::read(file).await;
        let sound = sound.map_err(TranscriptionError::Unreadable)?;
        let answer = self.egress.post_for_text(url, sound, self.time_limit);
        let answer = answer.await?;
        text_in(answer.content_type.as_deref(), &answer.bytes).ok_or(TranscriptionError::NoText)
    }
}

/// The text of a service's answer.
fn text_in(content_type: Option<&str>, body: &[u8]) -> Option<String> {
    let kind = content_type?.split(';').next()?.trim();
    if kind.eq_ignore_ascii_case("text/plain") {
        Some(String::from_utf8_lossy(body).into_owned())
    } else if kind.eq_ignore_ascii_case("application/json") {
        let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
        answer.get("text")?.as_str().map(str::to_owned)
    } else {
        None
    }
}

/// Runs the operator's program on a file and returns what it writes.
///
/// It is started as it is, by no shell, in a process group of its own, without our secrets. If
/// nobody waits for it any more, the whole group ends.
async fn run(command: &[String], file: &Path) -> Result<String, TranscriptionError> {
    let [program, arguments @ ..] = command else {
        return Err(TranscriptionError::NotConfigured);
    };
    let file = file.to_string_lossy();
    let ours = std::env::vars_os().map(|(name, _)| name);
    let ours = ours.filter(|name| name.to_string_lossy().starts_with(OWN_VARIABLES));
    let mut command = Command::new(program);
    command
        .args(
            arguments
                .iter()
                .map(|argument| argument.replace(FILE_ARGUMENT, &file)),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    ours.for_each(|name| {
        command.env_remove(name);
    });
    let mut child = command.spawn().map_err(TranscriptionError::NotStarted)?;
    let mut group = Group::of(&child);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (text, complaint) = tokio::join!(
        read_upto(stdout, MOST_TEXT_BYTES + 1),
        read_beginning(stderr, COMPLAINT_BYTES)
    );
    if text.len() as u64 > MOST_TEXT_BYTES {
        return Err(TranscriptionError::TooMuchText);
    }
    let status = child.wait().await.map_err(TranscriptionError::NotStarted)?;
    group.has_ended();
    if status.success() {
        return Ok(String::from_utf8_lossy(&text).into_owned());
    }
    // The operator's business, and not the account's.
    let complaint = String::from_utf8_lossy(&complaint);
    let complaint = complaint.lines().next().unwrap_or_default().trim();
    tracing::warn!(%status, complaint, "transcription.command failed");
    Err(TranscriptionError::Failed(status.to_string()))
}

/// A program and all that it starts, until its leader has ended by itself.
struct Group {
    leader: Option<Pid>,
}

impl Group {
    fn of(child: &tokio::process::Child) -> Group {
        let leader = child.id().and_then(|id| i32::try_from(id).ok());
        Group {
            leader: leader.map(Pid::from_raw),
        }
    }

    /// Its number may belong to others from now on.
    fn has_ended(&mut self) {
        self.leader = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.leader {
            // Nobody is left of a group that is not found.
            let _ = killpg(leader, Signal::SIGKILL);
        }
    }
}

/// Reads what a program writes, up to a limit; beyond it, nobody listens to the program any more.
async fn read_upto(pipe: Option<impl AsyncRead + Unpin>, limit_bytes: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // A pipe that breaks has said what it had to say.
        let _ = pipe.take(limit_bytes).read_to_end(&mut bytes).await;
    }
    bytes
}

/// Reads the beginning of what a program complains about, and lets it complain on.
async fn read_beginning(pipe: Option<impl AsyncRead + Unpin>, limit_bytes: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        let _ = (&mut pipe).take(limit_bytes).read_to_end(&mut bytes).await;
        let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Bytes;
    use axum::routing::post;
    use tempfile::TempDir;
    use tokio::net::TcpListener;

    use super::*;
    use crate::egress::Policy;

    const RECORDING: RecordingId = RecordingId::from_bytes([7; 20]);
    const GENEROUS: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_program_reads_the_recording_and_writes_its_text() {
        let desk = Desk::new("  good morning\n");
        let transcript = desk.run(&["cat", "{file}"], GENEROUS).await.unwrap();
        assert_eq!(transcript.text, "good morning");
    }

    #[tokio::test]
    async fn no_shell_reads_what_is_configured() {
        let desk = Desk::new("");
        let arguments = ["echo", "$(id); `id` * {file}.txt"];
        let said = desk.run(&arguments, GENEROUS).await.unwrap().text;
        let expected = format!("$(id); `id` * {}.txt", desk.file().display());
        assert_eq!(said, expected);
    }

    #[tokio::test]
    async fn a_program_that_fails_or_is_missing_is_told() {
        let desk = Desk::new("");
        let complains = "echo secret path >&2; exit 3 # {file}";
        let failed = desk.run(&["sh", "-c", complains], GENEROUS).await;
        let failed = failed.unwrap_err().to_string();
        assert!(failed.contains("exit status: 3"), "{failed}");
        assert!(!failed.contains("secret"), "{failed}");
        let missing = desk.run(&["no-such-program", "{file}"], GENEROUS).await;
        assert!(matches!(missing, Err(TranscriptionError::NotStarted(_))));
        let endless = desk.run(&["yes", "{file}"], GENEROUS).await;
        assert!(matches!(endless, Err(TranscriptionError::TooMuchText)));
        let chatty = "yes >&2 & sleep 0.2; kill $!; echo done # {file}";
        let chatty = desk.run(&["sh", "-c", chatty], GENEROUS).await;
        assert_eq!(chatty.unwrap().text, "done");
    }

    #[tokio::test]
    async fn a_late_program_ends_with_all_that_it_started() {
        let desk = Desk::new("");
        let starts = "sleep 600 & echo $! > {file}.pid; wait";
        let limit = Duration::from_secs(2);
        let late = desk.run(&["sh", "-c", starts], limit).await;
        assert!(
            matches!(late, Err(TranscriptionError::TooSlow(_))),
            "{late:?}"
        );
        let pid = std::fs::read_to_string(desk.file().with_extension("wav.pid")).unwrap();
        let state = format!("/proc/{}/stat", pid.trim());
        for _ in 0..1_000 {
            // It may be dead and not buried.
            match std::fs::read_to_string(&state) {
                Ok(stat) if !stat.contains(") Z ") => {}
                Ok(_) | Err(_) => return,
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it goes on");
    }

    #[tokio::test]
    async fn a_service_gets_the_sound_and_answers_with_text() {
        let desk = Desk::new("RIFF");
        let echo = |kind: &'static str, before: &'static str, after: &'static str| {
            post(move |body: Bytes| async move {
                let body = String::from_utf8_lossy(&body).into_owned();
                ([("content-type", kind)], format!("{before}{body}{after}"))
            })
        };
        let service = Router::new()
            .route("/plain", echo("text/plain; charset=utf-8", "heard ", "\n"))
            .route(
                "/json",
                echo("application/json", "{\"text\":\"heard ", "\"}"),
            )
            .route("/odd", echo("application/json", "[\"", "\"]"))
            .route("/html", echo("text/html", "<p>", "</p>"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move { axum::serve(listener, service).await });
        for (path, heard) in [
            ("/plain", Some("heard RIFF")),
            ("/json", Some("heard RIFF")),
            ("/odd", None),
            ("/html", None),
            ("/missing", None),
        ] {
            let settings = config::Transcription {
                url: Some(Url::parse(&format!("{base}{path}")).unwrap()),
                ..config::Transcription::default()
            };
            let transcript = desk.transcriber(&settings).transcribe(RECORDING).await;
            assert_eq!(
                transcript.ok().as_ref().map(|t| t.text.as_str()),
                heard,
                "{path}"
            );
        }
        serving.abort();
    }

    #[tokio::test]
    async fn without_means_nothing_is_transcribed() {
        let desk = Desk::new("");
        let settings = config::Transcription::default();
        let refused = desk.transcriber(&settings).transcribe(RECORDING).await;
        assert_eq!(
            refused.unwrap_err().to_string(),
            "no transcription service is configured (transcription.command or transcription.url)"
        );
    }

    /// A folder with one recording, whatever is in it.
    struct Desk(TempDir);

    impl Desk {
        fn new(sound: &str) -> Desk {
            let desk = Desk(tempfile::tempdir().unwrap());
            let file = desk.file();
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, sound).unwrap();
            desk
        }

        fn file(&self) -> PathBuf {
            recording_path(self.0.path(), RECORDING)
        }

        fn transcriber(&self, settings: &config::Transcription) -> Transcriber {
            let egress = Egress::new(Policy::new(&[], true).unwrap()).unwrap();
            Transcriber::new(settings, self.0.path().to_owned(), Arc::new(egress))
        }

        async fn run(
            &self,
            command: &[&str],
            time_limit: Duration,
        ) -> Result<Transcript, TranscriptionError> {
            let settings = config::Transcription {
                command: command.iter().map(|&part| part.to_owned()).collect(),
                time_limit,
                ..config::Transcription::default()
            };
            self.transcriber(&settings).transcribe(RECORDING).await
        }
    }
}
