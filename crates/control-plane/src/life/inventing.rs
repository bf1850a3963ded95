//! What may happen next: anything, at any moment, most of it sensible.

use std::time::Duration;

use tutti_model::{
    AccountId, CallId, CloseReason, ConferenceId, Digit, MediaEvent, PromptId, PromptOutcome,
    QueueId, RecordingFailure, RecordingId,
};

use super::chance::Chance;
use super::words::*;
use super::{Life, ready};
use crate::*;

impl Life {
    pub(super) fn invent(&mut self) -> Input {
        let longest_ms = self.chance.pick([50, 200, 3_000]);
        self.now = self.now + Duration::from_millis(self.chance.below(longest_ms));
        match self.chance.below(74) {
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
            38..47 => self.dialling(),
            47..54 => self.queueing(),
            62..74 => self.utterance(),
            _ => Input::Timeout,
        }
    }

    /// Calls that are placed, and what becomes of them.
    fn dialling(&mut self) -> Input {
        let call = self.dialled();
        match self.chance.below(12) {
            0..3 => Input::MakeCall {
                account: self.account(),
                call: NewCall {
                    parent: self.chance.one_in(4).then_some(call),
                    send_digits: self.keys(),
                    if_machine: self.if_machine(),
                    ..call_to('X')
                },
            },
            3 => Input::CallRinging { call },
            4..8 => Input::CallAnswered { call },
            8..11 => {
                let speaking = !self.chance.one_in(4);
                Input::Media(self.voice(call, speaking))
            }
            _ => Input::CallFailed {
                call,
                reason: self.chance.pick([
                    CloseReason::Busy,
                    CloseReason::Failed,
                    CloseReason::NoAnswer,
                    CloseReason::CallCanceled,
                ]),
                detail: "not today".into(),
            },
        }
    }

    /// Mostly a call that was placed, and goes on.
    fn dialled(&mut self) -> CallId {
        let calls = self.observer.calls.values().map(|view| &view.record);
        let dialled: Vec<_> = calls
            .filter(|call| call.direction != Direction::Inbound && !call.status.is_final())
            .map(|call| call.id)
            .collect();
        let any = self.call();
        self.chance.pick_from(&dialled).unwrap_or(any)
    }

    fn keys(&mut self) -> Vec<Keystroke> {
        let wait = Keystroke::Wait(Duration::from_secs(2));
        let key = Keystroke::Press(Digit::from_char('1').unwrap());
        match self.chance.below(3) {
            0 => vec![wait, key],
            _ => Vec::new(),
        }
    }

    fn if_machine(&mut self) -> Option<IfMachine> {
        match self.chance.below(4) {
            0 => Some(IfMachine::HangUp),
            1 => Some(IfMachine::Redirect {
                url: "http://app/machine".into(),
            }),
            _ => None,
        }
    }

    /// What applications do with queues.
    fn queueing(&mut self) -> Input {
        let (account, queue) = (self.account(), self.queue());
        let options = QueueOptions {
            alias: self.chance.one_in(3).then(|| "sales".into()),
            max_size: self.chance.one_in(2).then(|| self.chance.below(4) as u32),
        };
        match self.chance.below(7) {
            0 => Input::CreateQueue { account, options },
            1 => Input::UpdateQueue {
                account,
                queue,
                options,
            },
            2 => Input::LookAtQueue { account, queue },
            3 => Input::Dequeue {
                account,
                queue,
                who: Waiting::Call(self.call()),
            },
            _ => Input::Dequeue {
                account,
                queue,
                who: Waiting::Front,
            },
        }
    }

    /// Mostly a queue that is there, else one that nobody has made yet.
    fn queue(&mut self) -> QueueId {
        let known: Vec<_> = self.observer.queues.keys().copied().collect();
        let new = QueueId::from_bytes([self.chance.below(3) as u8 + 1; 20]);
        if self.chance.one_in(3) {
            new
        } else {
            self.chance.pick_from(&known).unwrap_or(new)
        }
    }

    /// What a call in a queue may do there.
    fn pastime(&mut self) -> Script {
        let mut commands = Vec::new();
        for _ in 0..self.chance.below(3) {
            let length = Duration::from_millis(self.chance.below(2) * 1_500);
            commands.push(match self.chance.below(4) {
                0 => Command::Pause { length },
                1 => say(""),
                2 => say("hello"),
                _ => Command::Dequeue,
            });
        }
        Script { commands }
    }

    /// What lets a call wait, wherever it is, or wait no more.
    fn waiting(&mut self) -> Command {
        match self.chance.below(6) {
            0..4 => Command::Enqueue(Enqueue {
                queue: self.queue(),
                wait_url: "http://app/wait".into(),
                action_url: "http://app/dequeued".into(),
                notification_url: Some("http://app/queue".into()),
            }),
            4 if self.chance.one_in(2) => Command::Dequeue,
            4 => Command::Unpark,
            _ => Command::Park(Park {
                wait_url: "http://app/wait".into(),
                action_url: "http://app/unparked".into(),
                notification_url: Some("http://app/parked".into()),
            }),
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
        let called = self.account();
        let mut arrival = arrival(char::from(self.callers), route);
        if let Input::CallArrived { account, .. } = &mut arrival {
            *account = called;
        }
        arrival
    }

    fn script(&mut self) -> Input {
        let call = self.call();
        let view = self.observer.calls.get(&call);
        let exchange = view.and_then(|view| view.exchange).unwrap_or(0);
        let waits = view.is_some_and(|view| view.record.queue.is_some());
        let stale = u64::from(self.chance.one_in(10));
        let outcome = match self.chance.below(12) {
            0 => Err(ScriptFailure::Unreachable("no answer".into())),
            1 => Err(ScriptFailure::Invalid("not PerCL".into())),
            _ if waits && !self.chance.one_in(6) => Ok(self.pastime()),
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
            commands.push(match self.chance.below(8) {
                5.. => self.going_on_command(),
                0 => Command::Pause {
                    length: Duration::from_millis(self.chance.below(2) * 1_500),
                },
                1 => Command::Reject { reason: None },
                2 => say(""),
                _ => say("hello"),
            });
        }
        match self.chance.below(22) {
            0 => {}
            1 => commands.push(self.hang_up()),
            2 => commands.push(Command::TerminateConference {
                conference: self.chance.one_in(2).then(|| self.conference()),
            }),
            3 => commands.push(Command::Redirect {
                action_url: "http://app/next".into(),
            }),
            5..8 => commands.push(self.waiting()),
            17..21 => commands.push(self.listening_command()),
            21 => commands.push(self.removal()),
            8..10 => commands.push(Command::OutDial(OutDial {
                send_digits: self.keys(),
                if_machine: self.if_machine(),
                ..out_dial('X')
            })),
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
                    call: self.named().filter(|_| self.chance.one_in(20)),
                    start_conf_on_enter: self.chance.one_in(2),
                    notification_url: Some("http://app/joined".into()),
                    allow_call_control: !self.chance.one_in(4),
                    call_control_sequence: self
                        .chance
                        .pick([Some("5"), Some("55"), Some("5"), None])
                        .map(Into::into),
                    call_control_url: Some("http://app/control".into()),
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

    fn hang_up(&mut self) -> Command {
        let call = self.named();
        Command::Hangup { reason: None, call }
    }

    fn removal(&mut self) -> Command {
        let call = self.named();
        Command::RemoveFromConference { call }
    }

    /// Whom a command names, if it names anybody.
    fn named(&mut self) -> Option<CallId> {
        let call = self.call();
        (!self.chance.one_in(3)).then_some(call)
    }

    /// A command after which the script goes on, as a rule.
    fn going_on_command(&mut self) -> Command {
        let conference = self.conference();
        let conference = self.chance.pick([None, Some(conference)]);
        match self.chance.below(10) {
            8 => self.hang_up(),
            9 => self.removal(),
            0 => Command::SetTalk {
                talk: self.chance.one_in(2),
                call: self.named(),
            },
            1 => Command::SetListen {
                listen: self.chance.one_in(2),
                call: self.named(),
            },
            2 => Command::SetDtmfPassThrough {
                dtmf_pass_through: self.chance.one_in(2),
            },
            3 => Command::SendDigits {
                digits: self.keys(),
                private: self.chance.one_in(2),
            },
            4 => Command::PlayEarlyMedia {
                file: "http://app/early".into(),
            },
            5 => Command::Say(Say {
                conference,
                ..spoken("hello")
            }),
            _ => Command::StartRecordCall,
        }
    }

    /// A command that waits for what the caller says or presses.
    fn listening_command(&mut self) -> Command {
        let second = Duration::from_secs(1);
        let patience = self.chance.pick([None, Some(second)]);
        let finish_on_key = self.chance.pick([None, Digit::from_char('5')]);
        let length = Duration::from_secs(self.chance.below(2) * 10);
        let prompts = match self.chance.below(3) {
            0 => vec![
                Prompt::Say(spoken("hello")),
                Prompt::Pause { length: second },
            ],
            _ => Vec::new(),
        };
        match self.chance.below(4) {
            0 => Command::GetDigits(GetDigits {
                action_url: "http://app/digits".into(),
                initial_timeout: second,
                digit_timeout: second,
                finish_on_key,
                min_digits: self.chance.pick([0, 2]),
                max_digits: self.chance.pick([None, Some(2)]),
                flush_buffer: self.chance.one_in(2),
                prompts,
                private: self.chance.one_in(2),
            }),
            1 => Command::TranscribeUtterance(TranscribeUtterance {
                action_url: "http://app/text".into(),
                play_beep: self.chance.one_in(3),
                save_recording: self.chance.one_in(2),
                max_length: length,
                silence_timeout: patience,
                private_log: self.chance.one_in(2),
                private_recording: self.chance.one_in(2),
                prompts,
            }),
            _ => Command::RecordUtterance(RecordUtterance {
                action_url: "http://app/recorded".into(),
                silence_timeout: patience,
                finish_on_key,
                max_length: length,
                play_beep: self.chance.one_in(3),
                awaits_voice: self.chance.one_in(2),
                private: self.chance.one_in(2),
            }),
        }
    }

    /// What callers press and say, and what becomes of it.
    fn utterance(&mut self) -> Input {
        let call = self.call();
        match self.chance.below(8) {
            0..3 => Input::Media(MediaEvent::DigitPressed {
                call,
                digit: digit(self.chance.pick(['5', '1'])),
            }),
            3..5 => {
                let speaking = self.chance.one_in(2);
                Input::Media(self.voice(call, speaking))
            }
            5 => Input::Media(ready(self.recording())),
            _ => self.transcribed(),
        }
    }

    fn transcribed(&mut self) -> Input {
        let awaited = self.observer.recordings.values();
        let awaited: Vec<_> = awaited
            .filter(|view| view.transcribing)
            .map(|view| view.record.id)
            .collect();
        let any = self.recording();
        let recording = self.chance.pick_from(&awaited).unwrap_or(any);
        let of = self.observer.recordings.get(&recording);
        Input::Transcribed {
            call: of.and_then(|view| view.record.call).unwrap_or(self.call()),
            recording,
            outcome: if self.chance.one_in(3) {
                Err("no engine".into())
            } else {
                Ok(Transcript {
                    text: "hello".into(),
                    took: Duration::from_secs(1),
                })
            },
        }
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

    /// Somebody says something, or stops: mostly told to those who listen where anybody does, and
    /// to those who look on elsewhere. What is told late finds nobody.
    fn voice(&mut self, call: CallId, speaking: bool) -> MediaEvent {
        let view = self.observer.calls.get(&call);
        let is_watched = view.is_some_and(|view| view.is_watched);
        if is_watched != self.chance.one_in(4) {
            MediaEvent::Voice { call, speaking }
        } else {
            MediaEvent::Speaking { call, speaking }
        }
    }

    fn media_event(&mut self) -> MediaEvent {
        match self.chance.below(10) {
            8.. => {
                let call = self.call();
                let speaking = self.chance.one_in(2);
                self.voice(call, speaking)
            }
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

    fn account(&mut self) -> AccountId {
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

    pub(super) fn alive(&self) -> Vec<CallId> {
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
