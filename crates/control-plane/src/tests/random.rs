//! Thousands of lives of the control plane, each from one seed, watched by a naive observer.

use std::collections::BTreeSet;
use std::time::Duration;

use tutti_model::{
    CallId, CloseReason, ConferenceId, Digit, MediaEvent, PromptId, PromptOutcome,
    RecordingFailure, RecordingId, Timestamp,
};

use super::invariants::Observer;
use super::story::*;
use crate::*;

const SEEDS: u64 = 3_000;
const STEPS: usize = 120;

#[test]
fn whatever_happens_the_effects_make_sense() {
    let mut seen = Seen::default();
    for seed in 0..SEEDS {
        let mut life = Life::new(seed);
        for _ in 0..STEPS {
            let input = life.invent();
            life.live(input);
        }
        seen.add(&life.observer);
        if life.chance.one_in(2) {
            life.end();
        } else {
            life.restart();
        }
    }
    seen.check();
}

/// That the lives were not dull.
#[derive(Default)]
struct Seen {
    participants: usize,
    terminated: usize,
    complete: usize,
    failed: usize,
    ended: usize,
}

impl Seen {
    fn add(&mut self, observer: &Observer) {
        for conference in observer.conferences.values() {
            self.participants += conference.participants.len();
            self.terminated +=
                usize::from(conference.record.status == ConferenceStatus::Terminated);
        }
        for recording in observer.recordings.values() {
            match recording.record.status {
                RecordingStatus::Open => {}
                RecordingStatus::Ready { .. } => self.complete += 1,
                RecordingStatus::Failed { .. } => self.failed += 1,
            }
        }
        let calls = observer.calls.values();
        self.ended += calls.filter(|call| call.record.status.is_final()).count();
    }

    fn check(&self) {
        let lives = SEEDS as usize;
        assert!(self.participants > lives, "{}", self.participants);
        assert!(self.terminated > lives, "{}", self.terminated);
        assert!(self.complete > lives, "{}", self.complete);
        assert!(self.failed > lives / 4, "{}", self.failed);
        assert!(self.ended > 4 * lives, "{}", self.ended);
    }
}

struct Life {
    seed: u64,
    chance: Chance,
    plane: ControlPlane,
    now: Timestamp,
    observer: Observer,
    callers: u8,
    scripts_used: BTreeSet<u64>,
}

impl Drop for Life {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the life of seed {} made no sense", self.seed);
        }
    }
}

impl Life {
    fn new(seed: u64) -> Life {
        Life {
            seed,
            chance: Chance(seed),
            plane: ControlPlane::new(tight_limits(), counting_ids()),
            now: START,
            observer: Observer::default(),
            callers: 0,
            scripts_used: BTreeSet::new(),
        }
    }

    fn live(&mut self, input: Input) {
        let timeout = input == Input::Timeout;
        self.expect_joining(&input);
        let mut effects = Vec::new();
        let result = self.plane.handle(self.now, input, &mut effects);
        assert!(result.is_ok() || effects.is_empty());
        self.observer.observe(self.now, &effects);
        self.observer.check(&self.plane);
        if timeout {
            let next = self.plane.next_deadline();
            assert!(next.is_none_or(|(at, _)| at > self.now));
        }
    }

    /// Everybody goes home, and every conference is terminated.
    fn end(&mut self) {
        for call in self.alive() {
            self.live(Input::CallGone {
                call,
                reason: CloseReason::FarEndHangup,
            });
        }
        for conference in self
            .observer
            .conferences
            .keys()
            .copied()
            .collect::<Vec<_>>()
        {
            self.live(ask_for(conference, RequestedStatus::Terminated));
        }
        for call in self.observer.calls.values() {
            call.check_told();
        }
        for recording in self.observer.recordings.values() {
            let ended = recording.record.status != RecordingStatus::Open;
            assert!(!recording.runs && (recording.stopped || ended));
        }
        assert_eq!(self.plane.next_deadline(), None);
    }

    /// The process ends, and another takes over what is on disk.
    fn restart(&mut self) {
        self.observer.restart();
        self.plane = ControlPlane::new(tight_limits(), counting_ids());
        let observer = &self.observer;
        let conferences = observer
            .conferences
            .values()
            .map(|view| view.record.clone());
        let calls = observer.calls.values().map(|view| view.record.clone());
        let participants = observer
            .conferences
            .values()
            .flat_map(|view| view.participants.values());
        let recordings = observer.recordings.values().map(|view| view.record.clone());
        let mut effects = Vec::new();
        self.plane.restore(
            self.now,
            conferences.collect(),
            calls.collect(),
            participants.cloned().collect(),
            recordings.collect(),
            &mut effects,
        );
        self.observer.observe(self.now, &effects);
        self.observer.check(&self.plane);
        for recording in self.observer.recordings.keys().copied().collect::<Vec<_>>() {
            self.live(Input::Media(ready(recording)));
        }
        for recording in self.observer.recordings.values() {
            assert_ne!(recording.record.status, RecordingStatus::Open);
        }
    }

    /// Keeps in mind whether a call will start the conference that it is about to join.
    fn expect_joining(&mut self, input: &Input) {
        match input {
            Input::CallArrived {
                call,
                route: Route::Conference(_),
                ..
            } => {
                self.observer.starters.insert(*call, true);
            }
            Input::ScriptArrived {
                call,
                exchange,
                outcome,
            } => {
                let view = self.observer.calls.get(call);
                let awaited = view.is_some_and(|view| view.exchange == Some(*exchange));
                if awaited && self.scripts_used.insert(*exchange) {
                    for command in outcome.iter().flat_map(|script| &script.commands) {
                        if let Command::AddToConference(how) = command {
                            self.observer
                                .starters
                                .insert(*call, how.start_conf_on_enter);
                        }
                    }
                }
            }
            _ => {}
        }
    }

    fn invent(&mut self) -> Input {
        self.now = self.now + Duration::from_millis(self.chance.below(3_000));
        match self.chance.below(40) {
            0..2 => Input::CreateConference {
                account: ACCOUNT,
                options: self.options(),
            },
            2..9 => self.arrival(),
            9..20 => self.script(),
            20..24 => self.end_of_prompt(),
            24..26 => Input::CallConfirmed { call: self.call() },
            26..28 => Input::CallGone {
                call: self.call(),
                reason: CloseReason::CallCanceled,
            },
            28..30 => self.conference_update(),
            30..32 => self.participant_request(),
            32 => Input::UpdateCall {
                account: self.account(),
                call: self.call(),
                change: self
                    .chance
                    .pick([CallChange::Canceled, CallChange::Completed]),
            },
            33 => Input::KeySignalled {
                call: self.call(),
                digit: Digit::from_char('5').unwrap(),
            },
            34..38 => Input::Media(self.media_event()),
            _ => Input::Timeout,
        }
    }

    fn arrival(&mut self) -> Input {
        self.callers += 1;
        let route = if self.chance.one_in(4) {
            Route::Conference(self.conference())
        } else {
            let voice_url = (!self.chance.one_in(20)).then(|| "http://app/voice".into());
            Route::Application(ApplicationRoute {
                voice_url,
                ..application()
            })
        };
        arrival(char::from(self.callers), route)
    }

    fn script(&mut self) -> Input {
        let call = self.call();
        let view = self.observer.calls.get(&call);
        let exchange = view.and_then(|view| view.exchange).unwrap_or(0);
        let stale = u64::from(self.chance.one_in(10));
        let outcome = match self.chance.below(12) {
            0 => Err(ScriptFailure::Unreachable("no answer".into())),
            1 => Err(ScriptFailure::Invalid("not PerCL".into())),
            _ => Ok(self.commands()),
        };
        Input::ScriptArrived {
            call,
            exchange: exchange.saturating_sub(stale),
            outcome,
        }
    }

    fn commands(&mut self) -> Script {
        let mut commands = Vec::new();
        for _ in 0..self.chance.below(3) {
            commands.push(match self.chance.below(5) {
                0 => Command::Pause {
                    length: Duration::from_millis(self.chance.below(2) * 1_500),
                },
                1 => Command::Reject { reason: None },
                2 => say(""),
                _ => say("hello"),
            });
        }
        match self.chance.below(12) {
            0 => {}
            1 => commands.push(Command::Hangup { reason: None }),
            2 => commands.push(Command::TerminateConference),
            3 => commands.push(Command::Redirect {
                action_url: "http://app/next".into(),
            }),
            4 => {
                let options = self.options();
                commands.push(Command::CreateConference(CreateConference {
                    action_url: "http://app/created".into(),
                    alias: options.alias,
                    play_beep: options.play_beep,
                    record: options.record,
                    wait_url: options.wait_url,
                    status_callback_url: options.status_callback_url,
                }));
            }
            _ => {
                let how = starter(self.conference());
                let how = AddToConference {
                    start_conf_on_enter: self.chance.one_in(2),
                    notification_url: Some("http://app/joined".into()),
                    ..how
                };
                let goes_on = self.chance.one_in(2);
                commands.push(Command::AddToConference(if goes_on {
                    going_on(how)
                } else {
                    how
                }));
            }
        }
        Script { commands }
    }

    fn end_of_prompt(&mut self) -> Input {
        let call = self.call();
        let view = self.observer.calls.get(&call);
        let prompt = view.and_then(|view| view.prompt).unwrap_or(PromptId(0));
        let outcome = if self.chance.one_in(3) {
            PromptOutcome::Failed("404".into())
        } else {
            PromptOutcome::Played
        };
        Input::Media(MediaEvent::PromptFinished {
            call,
            prompt,
            outcome,
        })
    }

    fn conference_update(&mut self) -> Input {
        let change = ConferenceChange {
            alias: self.chance.one_in(3).then(|| "renamed".into()),
            play_beep: self.chance.one_in(3).then_some(PlayBeep::Never),
            status: self.chance.pick([
                None,
                Some(RequestedStatus::Empty),
                Some(RequestedStatus::Terminated),
            ]),
        };
        Input::UpdateConference {
            account: self.account(),
            conference: self.conference(),
            change,
        }
    }

    fn participant_request(&mut self) -> Input {
        let (account, conference, call) = (self.account(), self.conference(), self.call());
        if self.chance.one_in(6) {
            let gain = |chance: &mut Chance| chance.pick([None, Some(0), Some(-7), Some(12)]);
            let change = GainsChange {
                input_db: gain(&mut self.chance),
                output_db: gain(&mut self.chance),
            };
            return Input::UpdateGains {
                account,
                conference,
                call,
                change,
            };
        }
        if self.chance.one_in(3) {
            return Input::RemoveParticipant {
                account,
                conference,
                call,
            };
        }
        let change = ParticipantChange {
            talk: self.chance.pick([None, Some(true), Some(false)]),
            listen: self.chance.pick([None, Some(true), Some(false)]),
            dtmf_pass_through: self.chance.pick([None, Some(true), Some(false)]),
        };
        Input::UpdateParticipant {
            account,
            conference,
            call,
            change,
        }
    }

    fn media_event(&mut self) -> MediaEvent {
        match self.chance.below(10) {
            8.. => MediaEvent::Speaking {
                call: self.call(),
                speaking: self.chance.one_in(2),
            },
            0 => MediaEvent::LegSilent { call: self.call() },
            1 => MediaEvent::DigitPressed {
                call: self.call(),
                digit: Digit::from_char('5').unwrap(),
            },
            2 => MediaEvent::MusicFailed {
                conference: self.conference(),
                reason: "404".into(),
            },
            3 => MediaEvent::RecordingFailed {
                recording: self.recording(),
                failure: RecordingFailure::DiskFull,
            },
            _ => ready(self.recording()),
        }
    }

    fn options(&mut self) -> ConferenceOptions {
        ConferenceOptions {
            record: self.chance.one_in(2),
            play_beep: self.chance.pick([PlayBeep::Always, PlayBeep::ExitOnly]),
            status_callback_url: (!self.chance.one_in(5)).then(|| "http://app/conference".into()),
            ..ConferenceOptions::default()
        }
    }

    fn account(&mut self) -> tutti_model::AccountId {
        if self.chance.one_in(10) {
            STRANGER
        } else {
            ACCOUNT
        }
    }

    /// Mostly a conference that is there, else one that never was.
    fn conference(&mut self) -> ConferenceId {
        let known: Vec<_> = self.observer.conferences.keys().copied().collect();
        let nowhere = ConferenceId::from_bytes([0xff; 20]);
        self.chance.pick_from(&known).unwrap_or(nowhere)
    }

    /// Mostly a call that goes on, sometimes one that has ended or never was.
    fn call(&mut self) -> CallId {
        let nobody = CallId::from_bytes([0xff; 20]);
        let calls = if self.chance.one_in(10) {
            self.observer.calls.keys().copied().collect()
        } else {
            self.alive()
        };
        self.chance.pick_from(&calls).unwrap_or(nobody)
    }

    fn alive(&self) -> Vec<CallId> {
        let calls = self.observer.calls.values();
        calls
            .filter(|call| !call.record.status.is_final())
            .map(|call| call.record.id)
            .collect()
    }

    fn recording(&mut self) -> RecordingId {
        let known: Vec<_> = self.observer.recordings.keys().copied().collect();
        let nothing = RecordingId::from_bytes([0xff; 20]);
        self.chance.pick_from(&known).unwrap_or(nothing)
    }
}

/// Limits that are reached all the time.
fn tight_limits() -> Limits {
    Limits {
        conferences_per_account: 3,
        conferences: 3,
        participants_per_conference: 3,
        redirects_per_call: 1,
        call_duration: Duration::from_secs(100),
    }
}

fn ready(recording: RecordingId) -> MediaEvent {
    MediaEvent::RecordingReady {
        recording,
        duration: Duration::from_millis(1_500),
        size_bytes: 44,
    }
}

/// A linear congruential generator with the constants of Knuth's MMIX.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }

    fn pick<T: Copy, const N: usize>(&mut self, choices: [T; N]) -> T {
        choices[self.below(N as u64) as usize]
    }

    fn pick_from<T: Copy>(&mut self, choices: &[T]) -> Option<T> {
        let length = u64::try_from(choices.len())
            .ok()
            .filter(|length| *length > 0)?;
        choices.get(self.below(length) as usize).copied()
    }
}
