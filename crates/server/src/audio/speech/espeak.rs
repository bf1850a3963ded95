//! Speaks with espeak-ng, as a process of its own for each utterance.
//!
//! It is a program under the GPL that reads what strangers write: it is never linked, gets the text
//! by standard input, no shell, no variable that may hold a secret, and ends with its utterance.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::voices::{Fit, voice_for};
use super::{SpeechError, Utterance, ssml};
use crate::egress::AudioBody;

/// A little slower than espeak-ng's own 175, for ears at a telephone.
const WORDS_PER_MINUTE: &str = "160";

/// Twelve minutes: it speaks 16 bits at 22 050 Hz.
const MOST_BYTES: u64 = 32 << 20;

/// How much is repeated of what it complains about.
const COMPLAINT_BYTES: u64 = 4 << 10;

/// What it needs to find itself and its data.
const VARIABLES: [&str; 3] = ["PATH", "ESPEAK_DATA_PATH", "LD_LIBRARY_PATH"];

/// The espeak-ng program.
#[derive(Debug, Clone)]
pub(super) struct Espeak {
    program: PathBuf,
}

impl Espeak {
    /// The program under this name or path.
    pub(super) fn new(program: PathBuf) -> Espeak {
        Espeak { program }
    }

    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// What the program says that it is.
    pub(super) async fn version(&self) -> Result<String, SpeechError> {
        let output = self.run(&["--version"], String::new()).await?;
        let text = String::from_utf8_lossy(&output);
        Ok(text
            .split("Data at")
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned())
    }

    /// Speaks an utterance, as a WAV file; an empty one where there is nothing to speak.
    pub(super) async fn speak(&self, utterance: Utterance<'_>) -> Result<AudioBody, SpeechError> {
        let language = utterance.language();
        let choice = voice_for(language);
        let voice = choice.voice;
        match choice.fit {
            Fit::Meant => {}
            Fit::SameLanguage => {
                tracing::warn!(language, voice, "Say: this variety has no voice of its own");
            }
            Fit::Foreign => {
                tracing::warn!(language, voice, "Say: no voice speaks this language");
            }
        }
        let common = [
            "-b",
            "1",
            "--stdin",
            "--stdout",
            "-s",
            WORDS_PER_MINUTE,
            "-v",
            voice,
        ];
        let bytes = match utterance {
            Utterance::Plain { text, .. } => self.run(&common, ssml::plain(text)).await?,
            Utterance::Ssml { text, .. } => {
                let mut arguments = common.to_vec();
                arguments.push("-m");
                self.run(&arguments, ssml::for_espeak(text)?).await?
            }
        };
        Ok(AudioBody {
            bytes,
            content_type: None,
        })
    }

    /// Runs the program on an input and returns what it writes.
    async fn run(&self, arguments: &[&str], input: String) -> Result<Vec<u8>, SpeechError> {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env_clear()
            .envs(
                VARIABLES
                    .iter()
                    .filter_map(|name| Some((name, std::env::var_os(name)?))),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| self.unstarted(&error))?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let feed = async {
            if let Some(mut stdin) = stdin {
                // Who does not read its input says why on its standard error, or by its status.
                let _ = stdin.write_all(input.as_bytes()).await;
                let _ = stdin.shutdown().await;
            }
        };
        let ((), output, complaint) = tokio::join!(
            feed,
            read_upto(stdout, MOST_BYTES + 1),
            read_upto(stderr, COMPLAINT_BYTES)
        );
        if output.len() as u64 > MOST_BYTES {
            return Err(SpeechError::TooLongToHear);
        }
        let status = child.wait().await.map_err(|error| self.unstarted(&error))?;
        if status.success() {
            return Ok(output);
        }
        let complaint = String::from_utf8_lossy(&complaint);
        let complaint = complaint.lines().next().unwrap_or_default().trim();
        Err(SpeechError::Failed {
            program: self.program.clone(),
            reason: format!("{status} {complaint}").trim().to_owned(),
        })
    }

    fn unstarted(&self, error: &std::io::Error) -> SpeechError {
        let program = self.program.clone();
        match error.kind() {
            ErrorKind::NotFound => SpeechError::NoVoice { program },
            _ => SpeechError::Failed {
                program,
                reason: error.to_string(),
            },
        }
    }
}

/// The beginning of what a pipe brings; a pipe that breaks has ended.
async fn read_upto(pipe: Option<impl AsyncRead + Unpin>, most_bytes: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        let _ = pipe.take(most_bytes).read_to_end(&mut bytes).await;
    }
    bytes
}
