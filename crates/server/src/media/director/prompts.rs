//! Prompts: to one leg, or to everybody in its conference.

use tutti_media::{
    ConferencePrompt, ConferenceSlot, EngineCommand, MOST_CONFERENCE_PROMPTS, Prompt, PromptAudio,
};
use tutti_model::{
    Audience, CallId, ConferenceId, MediaEvent, PromptId, PromptOutcome, Repeat, Timestamp,
};

use super::super::udp::UdpLeg;
use super::Director;
use super::conferences::samples;
use super::legs::LegCommand;

/// A prompt that a conference hears, for parts that begin meanwhile.
pub(super) struct Playing {
    call: CallId,
    /// As it was at its beginning.
    prompt: Prompt,
    began: Timestamp,
}

impl Playing {
    /// Brings a part of the conference to where the others are; nothing once it is over.
    pub(super) fn join_in(
        &self,
        conference: ConferenceSlot,
        now: Timestamp,
    ) -> Option<EngineCommand<UdpLeg>> {
        let prompt = self.prompt.clone().begun(samples(self.began, now))?;
        let prompt = ConferencePrompt::new(self.call, prompt, false);
        Some(EngineCommand::PlayToConference { conference, prompt })
    }
}

impl Director {
    /// Plays a prompt to one leg, in place of the one that it hears; or to everybody who listens in
    /// the leg's conference, over those that play there already, until it is over or the leg leaves.
    pub fn play_prompt(
        &mut self,
        call: CallId,
        id: PromptId,
        audio: PromptAudio,
        repeat: Repeat,
        audience: Audience,
    ) {
        let prompt = Prompt::new(id, audio, repeat);
        let command = match audience {
            Audience::Call => LegCommand::PlayPrompt(prompt),
            Audience::Conference => LegCommand::PlayToConference(prompt),
        };
        self.ask_leg(call, command);
    }

    /// Ends a prompt early, whoever hears it.
    pub fn stop_prompt(&mut self, call: CallId, prompt: PromptId) {
        self.ask_leg(call, LegCommand::StopPrompt(prompt));
    }

    /// Plays a prompt in all parts of the conference that a call is in; home tells its end.
    pub(super) fn play_to_conference(&mut self, call: CallId, prompt: &Prompt) {
        let refused = |reason: &str| MediaEvent::PromptFinished {
            call,
            prompt: prompt.id(),
            outcome: PromptOutcome::Failed(reason.to_owned()),
        };
        let began = self.clock.now();
        let conference = self.membership(call).map(|member| member.conference);
        let Some((conference, entry)) =
            conference.and_then(|id| Some((id, self.conferences.get_mut(&id)?)))
        else {
            self.news.push(refused("the call is not in a conference"));
            return;
        };
        if entry.prompts.len() == MOST_CONFERENCE_PROMPTS {
            let reason = "too many prompts play in the conference";
            self.news.push(refused(reason));
            return;
        }
        entry.prompts.push(Playing {
            call,
            prompt: prompt.clone(),
            began,
        });
        self.ask_parts(conference, |part, is_home| {
            EngineCommand::PlayToConference {
                conference: part,
                prompt: ConferencePrompt::new(call, prompt.clone(), is_home),
            }
        });
    }

    /// Lets a call's prompt fade out in its conference, if it is heard there.
    pub(super) fn stop_in_conference(&mut self, call: CallId, id: PromptId) {
        if let Some(member) = self.membership(call) {
            self.fade_out(member.conference, call, |playing| playing == id);
        }
    }

    /// Lets all prompts of a call fade out in the conference that it leaves.
    pub(super) fn stop_prompts_of(&mut self, call: CallId, conference: ConferenceId) {
        self.fade_out(conference, call, |_| true);
    }

    /// A prompt was heard to its end.
    pub(super) fn prompt_finished(&mut self, call: CallId, id: PromptId) {
        if let Some(member) = self.membership(call)
            && let Some(entry) = self.conferences.get_mut(&member.conference)
        {
            entry
                .prompts
                .retain(|playing| playing.call != call || playing.prompt.id() != id);
        }
    }

    fn fade_out(
        &mut self,
        conference: ConferenceId,
        call: CallId,
        which: impl Fn(PromptId) -> bool,
    ) {
        let Some(entry) = self.conferences.get_mut(&conference) else {
            return;
        };
        let is_meant = |playing: &mut Playing| playing.call == call && which(playing.prompt.id());
        let stopped: Vec<_> = entry.prompts.extract_if(.., is_meant).collect();
        for playing in stopped {
            self.ask_parts(conference, |part, _| EngineCommand::StopConferencePrompt {
                conference: part,
                call,
                prompt: playing.prompt.id(),
            });
        }
    }
}
