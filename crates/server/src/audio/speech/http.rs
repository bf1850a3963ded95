//! Speaks with an engine that the operator runs elsewhere: JSON goes there, a sound file comes back.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use url::Url;

use super::{SpeechError, Utterance};
use crate::egress::{AudioBody, Egress};

/// What an engine is asked.
#[derive(Serialize)]
struct Question<'a> {
    text: &'a str,
    language: &'a str,
    /// `ssml` where the text is a `speak` document; missing otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    markup: Option<&'static str>,
}

/// An engine behind a URL.
#[derive(Debug, Clone)]
pub(super) struct HttpEngine {
    url: Url,
    egress: Arc<Egress>,
}

impl HttpEngine {
    pub(super) fn new(url: Url, egress: Arc<Egress>) -> HttpEngine {
        HttpEngine { url, egress }
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Asks for an utterance, as a file of any kind that is played.
    pub(super) async fn speak(
        &self,
        utterance: Utterance<'_>,
        budget: Duration,
    ) -> Result<AudioBody, SpeechError> {
        let markup = match utterance {
            Utterance::Plain { .. } => None,
            Utterance::Ssml { .. } => Some("ssml"),
        };
        let question = Question {
            text: utterance.text(),
            language: utterance.language(),
            markup,
        };
        // Two strings and a word can always be written.
        let body = serde_json::to_vec(&question).unwrap_or_default();
        let answer = self.egress.post_for_audio(&self.url, body, budget).await;
        answer.map_err(SpeechError::Engine)
    }
}
