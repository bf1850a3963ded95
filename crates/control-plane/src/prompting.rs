//! What a call hears, and who hears it with the call (FreeClimb API, "Say" and "Play").

use std::vec;

use tutti_model::{Audience, CallId, ConferenceId, MediaCommand, PromptId, PromptSource, Repeat};

use crate::call::Call;
use crate::interpreter::Next;
use crate::plane::ControlPlane;
use crate::script::{Play, Prompt, Say};
use crate::turn::Turn;

/// Prompts that are heard one after another while something else is awaited.
pub(crate) struct Prompts {
    /// Is heard now.
    pub(crate) current: PromptId,
    /// Why it cannot be heard is not for the log.
    pub(crate) private: bool,
    /// Are heard afterwards.
    pub(crate) rest: vec::IntoIter<Prompt>,
}

impl ControlPlane {
    pub(crate) fn run_say(&mut self, turn: &mut Turn, id: CallId, say: Say) -> Next {
        if say.text.is_empty() {
            return Next::GoOn;
        }
        let audience = match self.audience(id, say.conference) {
            Ok(audience) => audience,
            Err(why) => return self.fail(turn, id, &format!("Say: {why}")),
        };
        self.forget_keys(id);
        let (source, repeat, private) = said(say);
        let prompt = self.play(turn, id, source, repeat, audience);
        Next::AwaitPrompt { prompt, private }
    }

    pub(crate) fn run_play(&mut self, turn: &mut Turn, id: CallId, play: Play) -> Next {
        let audience = match self.audience(id, play.conference) {
            Ok(audience) => audience,
            Err(why) => return self.fail(turn, id, &format!("Play: {why}")),
        };
        self.forget_keys(id);
        let source = PromptSource::Url(play.file);
        let prompt = self.play(turn, id, source, play.repeat, audience);
        Next::AwaitPrompt {
            prompt,
            private: play.private,
        }
    }

    /// Lets the caller of an unanswered call hear a file.
    pub(crate) fn run_play_early_media(
        &mut self,
        turn: &mut Turn,
        id: CallId,
        file: String,
    ) -> Next {
        let Some(call) = self.calls.get_mut(&id) else {
            return Next::Over;
        };
        if call.is_answered() {
            self.warn(turn, id, "PlayEarlyMedia: the call is answered already");
            return Next::GoOn;
        }
        call.open_early_media(turn);
        let source = PromptSource::Url(file);
        let prompt = self.play(turn, id, source, Repeat::Times(1), Audience::Call);
        Next::AwaitPrompt {
            prompt,
            private: false,
        }
    }

    /// Begins a prompt.
    pub(crate) fn play(
        &mut self,
        turn: &mut Turn,
        call: CallId,
        source: PromptSource,
        repeat: Repeat,
        audience: Audience,
    ) -> PromptId {
        let prompt = self.ids.prompt();
        turn.media(MediaCommand::PlayPrompt {
            call,
            prompt,
            source,
            repeat,
            audience,
        });
        prompt
    }

    /// Begins the next of these prompts, if one is left. The call alone hears them.
    pub(crate) fn play_next(
        &mut self,
        turn: &mut Turn,
        call: CallId,
        mut rest: vec::IntoIter<Prompt>,
    ) -> Option<Prompts> {
        let is_heard = |prompt: &Prompt| match prompt {
            Prompt::Say(say) => !say.text.is_empty(),
            Prompt::Play(_) | Prompt::Pause { .. } => true,
        };
        let (source, repeat, private) = match rest.find(is_heard)? {
            Prompt::Say(say) => said(say),
            Prompt::Play(play) => (PromptSource::Url(play.file), play.repeat, play.private),
            Prompt::Pause { length } => (PromptSource::Silence(length), Repeat::Times(1), false),
        };
        let current = self.play(turn, call, source, repeat, Audience::Call);
        Some(Prompts {
            current,
            private,
            rest,
        })
    }

    /// Who hears a prompt: the call, or everybody in the conference that is named; why nobody does.
    fn audience(&self, id: CallId, named: Option<ConferenceId>) -> Result<Audience, &'static str> {
        let is_in = self.calls.get(&id).and_then(Call::conference);
        match (named, is_in) {
            (None, _) => Ok(Audience::Call),
            (Some(_), None) => Err("the call is not in a conference"),
            (Some(named), Some(is_in)) if named == is_in => Ok(Audience::Conference),
            (Some(_), Some(_)) => Err("the call is in another conference than the one named"),
        }
    }

    /// Whoever has been told something presses keys because of that, not of what was before.
    fn forget_keys(&mut self, id: CallId) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.typed_ahead().clear();
        }
    }
}

fn said(say: Say) -> (PromptSource, Repeat, bool) {
    let source = PromptSource::Speech {
        text: say.text,
        language: say.language,
    };
    (source, say.repeat, say.private)
}
