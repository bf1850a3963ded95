//! Recordings of this bridge that applications play again by their URL: read from disk.

use std::path::PathBuf;

use tutti_control_plane::RecordingStatus;
use tutti_model::{AccountId, RecordingId};
use tutti_recording::recording_path;
use tutti_store::{Store, StoreError};
use url::Url;

use crate::egress::AudioBody;

/// Where the API is, below the public URL.
const API: &str = "/apiserver";

/// A recording as a URL names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedRecording {
    account: AccountId,
    recording: RecordingId,
}

/// Why a recording of this bridge is not played.
#[derive(Debug, thiserror::Error)]
pub enum OwnRecordingError {
    /// Whether it is somebody else's is nobody's business.
    #[error("there is no such recording")]
    Unknown,
    #[error("the recording is not finished")]
    Unfinished,
    #[error("the recording is private: it can be downloaded, and is not played")]
    Private,
    #[error("the recording has {bytes} bytes; at most {limit_bytes} are played")]
    TooLarge { bytes: u64, limit_bytes: usize },
    #[error("the recording's file cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    #[error("the store does not answer: {0}")]
    Store(#[from] StoreError),
}

/// The recordings of this bridge, and the URLs by which it hands them out.
pub struct OwnRecordings {
    base: Option<Url>,
    dir: PathBuf,
    store: Store,
}

impl OwnRecordings {
    /// The recordings in this directory; `public_url` is the base of the URLs that are handed out.
    pub fn new(public_url: &str, dir: PathBuf, store: Store) -> OwnRecordings {
        let base = Url::parse(public_url).ok();
        OwnRecordings { base, dir, store }
    }

    /// The recording that a URL names, or the path of one as the API writes it, if it is one of
    /// this bridge.
    pub fn named_by(&self, url: &str) -> Option<NamedRecording> {
        named_by(self.base.as_ref(), url)
    }

    /// Reads a finished recording of the account that asks for it.
    pub async fn read(
        &self,
        named: NamedRecording,
        account: AccountId,
        limit_bytes: usize,
    ) -> Result<AudioBody, OwnRecordingError> {
        if named.account != account {
            return Err(OwnRecordingError::Unknown);
        }
        let record = self.store.recording(account, named.recording).await?;
        let record = record.ok_or(OwnRecordingError::Unknown)?;
        if record.kept_until.is_some() {
            return Err(OwnRecordingError::Private);
        }
        match record.status {
            RecordingStatus::Ready { .. } | RecordingStatus::Failed { .. } => {}
            RecordingStatus::Open => return Err(OwnRecordingError::Unfinished),
        }
        let path = recording_path(&self.dir, record.id);
        let bytes = tokio::fs::metadata(&path).await?.len();
        if bytes > limit_bytes as u64 {
            return Err(OwnRecordingError::TooLarge { bytes, limit_bytes });
        }
        Ok(AudioBody {
            bytes: tokio::fs::read(&path).await?,
            content_type: Some("audio/wav".to_owned()),
        })
    }
}

/// Credentials, query and fragment do not change which recording is meant.
fn named_by(base: Option<&Url>, url: &str) -> Option<NamedRecording> {
    let path = match Url::parse(url) {
        Ok(url) => {
            let base = base.filter(|base| base.origin() == url.origin())?;
            let below = url.path().strip_prefix(base.path().trim_end_matches('/'))?;
            below.strip_prefix(API)?.to_owned()
        }
        Err(_) => {
            let path = url.split(['?', '#']).next()?;
            path.strip_prefix(API).unwrap_or(path).to_owned()
        }
    };
    let segments: Vec<_> = path.split('/').collect();
    match segments[..] {
        [
            "",
            "Accounts",
            account,
            "Recordings",
            recording,
            "Download" | "Stream",
        ] => Some(NamedRecording {
            account: account.parse().ok()?,
            recording: recording.parse().ok()?,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef01234567";
    const RECORDING: &str = "RE0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn a_recording_is_known_by_every_url_that_the_bridge_hands_out() {
        let base = Url::parse("https://bridge.example/calls/").unwrap();
        let path = format!("/Accounts/{ACCOUNT}/Recordings/{RECORDING}");
        let named = NamedRecording {
            account: ACCOUNT.parse().unwrap(),
            recording: RECORDING.parse().unwrap(),
        };
        for url in [
            format!("https://bridge.example/calls/apiserver{path}/Download"),
            format!("https://bridge.example:443/calls/apiserver{path}/Stream"),
            format!("HTTPS://Bridge.Example/calls/apiserver{path}/Download?x=1#y"),
            format!("https://{ACCOUNT}:key@bridge.example/calls/apiserver{path}/Download"),
            format!("{path}/Download"),
            format!("/apiserver{path}/Download?x=1"),
        ] {
            assert_eq!(named_by(Some(&base), &url), Some(named), "{url}");
        }
        for url in [
            format!("https://bridge.example/apiserver{path}/Download"),
            format!("http://bridge.example/calls/apiserver{path}/Download"),
            format!("https://bridge.example:444/calls/apiserver{path}/Download"),
            format!("https://other.example/calls/apiserver{path}/Download"),
            format!("https://bridge.example/calls/apiserver{path}"),
            format!("https://bridge.example/calls/apiserver{path}/Download/.."),
            format!(
                "https://bridge.example/calls/apiserver/Accounts/{ACCOUNT}/Recordings/RE1/Download"
            ),
            "https://bridge.example/calls/apiserver/Accounts/../../etc/passwd".to_owned(),
            format!("{path}/../Download"),
            String::new(),
        ] {
            assert_eq!(named_by(Some(&base), &url), None, "{url}");
        }
        assert_eq!(
            named_by(None, &format!("https://a.example/apiserver{path}/Download")),
            None
        );
    }
}
