//! A control plane, a clock, and people who call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tutti_model::{
    CloseReason, ConferenceId, MediaCommand, MediaEvent, PromptId, PromptOutcome, RecordingId,
    Repeat, Timestamp,
};

use super::telling::Teller;
pub(super) use crate::life::words::*;
use crate::*;

pub(super) struct Story {
    pub(super) plane: ControlPlane,
    pub(super) now: Timestamp,
    /// What the latest input led to.
    pub(super) effects: Vec<Effect>,
    teller: Teller,
    name: NextName,
}

impl Story {
    pub(super) fn begin() -> Story {
        Story::with(Limits::default())
    }

    pub(super) fn with(limits: Limits) -> Story {
        let name = NextName::default();
        Story {
            plane: ControlPlane::new(limits, naming_ids(name.clone())),
            now: START,
            effects: Vec::new(),
            teller: Teller::default(),
            name,
        }
    }

    /// What an accepted input leads to, a sentence each.
    pub(super) fn happens(&mut self, input: Input) -> Vec<String> {
        self.accepts(input);
        self.told()
    }

    pub(super) fn accepts(&mut self, input: Input) -> Reply {
        self.effects.clear();
        self.plane
            .handle(self.now, input, &mut self.effects)
            .unwrap()
    }

    /// Why an input is refused; it has no effects.
    pub(super) fn refuses(&mut self, input: Input) -> Refusal {
        self.effects.clear();
        let refusal = self.plane.handle(self.now, input, &mut self.effects);
        assert_eq!(self.effects, []);
        refusal.unwrap_err()
    }

    /// What the latest input led to, except for whoever watches.
    pub(super) fn told(&mut self) -> Vec<String> {
        let teller = &mut self.teller;
        self.effects
            .iter()
            .filter(|effect| !matches!(effect, Effect::Live(_)))
            .map(|effect| teller.tell(effect))
            .collect()
    }

    /// What whoever watches the account is told of the latest input.
    pub(super) fn watched(&mut self) -> Vec<String> {
        let teller = &mut self.teller;
        self.effects
            .iter()
            .filter(|effect| matches!(effect, Effect::Live(_)))
            .map(|effect| teller.tell(effect))
            .collect()
    }

    /// Lets time pass, and every deadline in it.
    pub(super) fn passes(&mut self, duration: Duration) -> Vec<String> {
        let end = self.now + duration;
        let mut told = Vec::new();
        while let Some((at, _)) = self.plane.next_deadline().filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            told.extend(self.happens(Input::Timeout));
        }
        self.now = end;
        told
    }

    pub(super) fn creates(&mut self, options: ConferenceOptions) -> ConferenceId {
        let input = Input::CreateConference {
            account: ACCOUNT,
            options,
        };
        match self.accepts(input) {
            Reply::Conference(record) => record.id,
            other => panic!("{other:?}"),
        }
    }

    /// A call for the application arrives.
    pub(super) fn rings(&mut self, who: char) -> Vec<String> {
        self.happens(arrival(who, Route::Application(application())))
    }

    /// A call for a conference's own address arrives.
    pub(super) fn dials(&mut self, who: char, conference: ConferenceId) -> Vec<String> {
        self.happens(arrival(who, Route::Conference(conference)))
    }

    /// The call that the next input places is this one, if it places one before all else.
    pub(super) fn places_next(&mut self, who: char) {
        // The first draw is the request's.
        self.name.store(2 << 8 | who as u32, Ordering::Relaxed);
    }

    /// An application places a call.
    pub(super) fn places(&mut self, who: char, call: NewCall) -> Vec<String> {
        self.places_next(who);
        let account = ACCOUNT;
        self.happens(Input::MakeCall { account, call })
    }

    /// Somebody picks up a call that was placed.
    pub(super) fn picks_up(&mut self, who: char) -> Vec<String> {
        self.happens(Input::CallAnswered { call: call(who) })
    }

    /// A key that arrives in the media.
    pub(super) fn presses(&mut self, who: char, key: char) -> Vec<String> {
        self.happens(Input::Media(MediaEvent::DigitPressed {
            call: call(who),
            digit: digit(key),
        }))
    }

    /// The voice of somebody who is listened to begins, or ends.
    pub(super) fn speaks(&mut self, who: char, speaking: bool) -> Vec<String> {
        self.happens(Input::Media(MediaEvent::Voice {
            call: call(who),
            speaking,
        }))
    }

    /// A call arrives and its script bridges it; what the script led to.
    pub(super) fn joins(&mut self, who: char, command: AddToConference) -> Vec<String> {
        self.rings(who);
        let told = self.runs(who, [Command::AddToConference(command)]);
        self.confirms(who);
        told
    }

    pub(super) fn confirms(&mut self, who: char) {
        self.now_without_effects(Input::CallConfirmed { call: call(who) });
    }

    /// The latest question about this call is answered with these commands.
    pub(super) fn runs<const N: usize>(&mut self, who: char, script: [Command; N]) -> Vec<String> {
        let outcome = Ok(Script {
            commands: Vec::from(script),
        });
        self.is_answered(who, outcome)
    }

    pub(super) fn is_answered(
        &mut self,
        who: char,
        outcome: Result<Script, ScriptFailure>,
    ) -> Vec<String> {
        let exchange = self.asked(who);
        self.happens(Input::ScriptArrived {
            call: call(who),
            exchange,
            outcome,
        })
    }

    /// An earlier question about this call is answered with these commands.
    pub(super) fn is_given<const N: usize>(
        &mut self,
        who: char,
        exchange: u64,
        script: [Command; N],
    ) -> Vec<String> {
        self.happens(Input::ScriptArrived {
            call: call(who),
            exchange,
            outcome: Ok(Script {
                commands: Vec::from(script),
            }),
        })
    }

    /// The number of the question that the latest input asked about this call.
    pub(super) fn asked(&self, who: char) -> u64 {
        let asked = self.effects.iter().find_map(|effect| match effect {
            Effect::Ask(exchange) if exchange.call == call(who) => Some(exchange.exchange),
            _ => None,
        });
        asked.unwrap_or_else(|| panic!("nobody was asked about {who}"))
    }

    /// The prompt that the latest input began.
    pub(super) fn prompted(&self, who: char) -> PromptId {
        let prompt = self.effects.iter().find_map(|effect| match effect {
            Effect::Media(MediaCommand::PlayPrompt {
                call: caller,
                prompt,
                ..
            }) if *caller == call(who) => Some(*prompt),
            _ => None,
        });
        prompt.unwrap_or_else(|| panic!("{who} hears no prompt"))
    }

    /// The recording that the latest input began: the mix, or a track.
    pub(super) fn recording(&self, of: Option<char>) -> RecordingId {
        let recording = self.effects.iter().find_map(|effect| match effect {
            Effect::Commit(Fact::Recording(record)) if record.call == of.map(call) => {
                Some(record.id)
            }
            _ => None,
        });
        recording.unwrap_or_else(|| panic!("no recording of {of:?}"))
    }

    pub(super) fn hears_it_all(&mut self, who: char, prompt: PromptId) -> Vec<String> {
        self.happens(Input::Media(MediaEvent::PromptFinished {
            call: call(who),
            prompt,
            outcome: PromptOutcome::Played,
        }))
    }

    pub(super) fn hangs_up(&mut self, who: char) -> Vec<String> {
        self.happens(Input::CallGone {
            call: call(who),
            reason: CloseReason::FarEndHangup,
        })
    }

    pub(super) fn is_ready(&mut self, recording: RecordingId, duration: Duration) -> Vec<String> {
        self.happens(Input::Media(MediaEvent::RecordingReady {
            recording,
            duration,
            size_bytes: 44,
        }))
    }

    fn now_without_effects(&mut self, input: Input) {
        let mut effects = Vec::new();
        self.plane.handle(self.now, input, &mut effects).unwrap();
        assert_eq!(effects, []);
    }
}

/// A conference whose application is told everything.
pub(super) fn watched() -> ConferenceOptions {
    ConferenceOptions {
        status_callback_url: Some("http://app/conference".into()),
        ..ConferenceOptions::default()
    }
}

/// The same without beeps, where they would only be noise.
pub(super) fn quiet() -> ConferenceOptions {
    ConferenceOptions {
        play_beep: PlayBeep::Never,
        ..watched()
    }
}

pub(super) fn guest(conference: ConferenceId) -> AddToConference {
    AddToConference {
        start_conf_on_enter: false,
        ..starter(conference)
    }
}

pub(super) fn change(conference: ConferenceId, change: ConferenceChange) -> Input {
    Input::UpdateConference {
        account: ACCOUNT,
        conference,
        change,
    }
}

pub(super) fn ask_for(conference: ConferenceId, status: RequestedStatus) -> Input {
    change(
        conference,
        ConferenceChange {
            status: Some(status),
            ..ConferenceChange::default()
        },
    )
}

pub(super) fn play(file: &str) -> Command {
    Command::Play(Play {
        file: file.into(),
        repeat: Repeat::Times(1),
        conference: None,
        private: false,
    })
}

pub(super) fn pause(length: Duration) -> Command {
    Command::Pause { length }
}

pub(super) fn redirect() -> Command {
    Command::Redirect {
        action_url: "http://app/next".into(),
    }
}

pub(super) fn hang_up() -> Command {
    Command::Hangup {
        reason: None,
        call: None,
    }
}

pub(super) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Which draw from now on is whose identifier: the draw, and in the lowest eight bits who; or 0.
type NextName = Arc<AtomicU32>;

/// Identifiers that count upwards, except for those that a story names.
fn naming_ids(name: NextName) -> Box<dyn FnMut() -> [u8; 20] + Send> {
    let mut counting = counting_ids();
    Box::new(move || {
        let counted = counting();
        let next = name.load(Ordering::Relaxed);
        let (draw, who) = (next >> 8, (next & 0xff) as u8);
        name.store(next.saturating_sub(1 << 8), Ordering::Relaxed);
        if draw == 1 { [who; 20] } else { counted }
    })
}
