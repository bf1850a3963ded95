//! The life of a conference (FreeClimb API, "Conferences").
//!
//! ```text
//!         first participant            first that starts the conference
//! Empty ─────────────────────► Populated ─────────────────────► InProgress
//!   ▲                              │ last leaves                    │
//!   └──────────────────────────────┴────────────────────────────────┘
//! ```
//!
//! An empty conference can be terminated, and then it is no more. It knows who is in it and what is
//! recorded; where its participants' calls come from and go to is decided elsewhere.

mod session;
mod state;

use std::mem;

use tutti_model::{Beep, CallId, Digit, Gains, MediaCommand, Privileges, RecordingId};

use crate::effect::Stream;
use crate::facts::{ConferenceRecord, ConferenceStatus, Fact, ParticipantRecord, PlayBeep};
use crate::ids::Ids;
use crate::input::{GainsChange, ParticipantChange, ParticipantNow};
use crate::live::{LiveEvent, LiveNews};
use crate::recordings::Recordings;
use crate::script::AddToConference;
use crate::turn::Turn;
use crate::webhook::{RecordingSummary, Webhook};

use session::Session;
use state::{Participants, State};

/// A conference that is not terminated.
pub(crate) struct Conference {
    record: ConferenceRecord,
    state: State,
}

/// Whether others stay when a participant leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// They stay, and may hear a beep.
    Alone,
    /// All leave at once, so there is nobody to beep for.
    Together,
}

impl Conference {
    /// Opens a new conference; its record says that it is empty.
    pub(crate) fn open(turn: &mut Turn, record: ConferenceRecord) -> Conference {
        let conference = Conference {
            record,
            state: State::Empty,
        };
        turn.commit(Fact::Conference(conference.record.clone()));
        conference.tell(turn, None);
        turn.media(MediaCommand::OpenConference {
            conference: conference.record.id,
        });
        conference
    }

    /// Opens a conference that was left over by an earlier run; nobody is in it any more.
    pub(crate) fn reopen(turn: &mut Turn, record: ConferenceRecord) -> Conference {
        let mut conference = Conference {
            record,
            state: State::Empty,
        };
        if conference.record.status != ConferenceStatus::Empty {
            // The length of a recording is not known before its file is repaired.
            conference.enter(turn, ConferenceStatus::Empty, None);
        }
        turn.media(MediaCommand::OpenConference {
            conference: conference.record.id,
        });
        conference
    }

    pub(crate) fn record(&self) -> &ConferenceRecord {
        &self.record
    }

    /// The participants, in the order of their calls.
    pub(crate) fn participants(&self) -> impl Iterator<Item = &ParticipantRecord> {
        let participants = self.state.participants();
        participants
            .into_iter()
            .flat_map(Participants::values)
            .map(|participant| &participant.record)
    }

    pub(crate) fn participant_count(&self) -> usize {
        self.state.participants().map_or(0, Participants::len)
    }

    pub(crate) fn participant(&self, call: CallId) -> Option<&ParticipantRecord> {
        self.participant_now(call)
            .map(|participant| &participant.record)
    }

    /// A participant with what is not kept of it.
    pub(crate) fn participant_now(&self, call: CallId) -> Option<&ParticipantNow> {
        self.state.participants()?.get(&call)
    }

    /// Changes attributes; what is equal already is no change.
    pub(crate) fn change(
        &mut self,
        turn: &mut Turn,
        alias: Option<String>,
        play_beep: Option<PlayBeep>,
    ) {
        let alias = alias.or_else(|| self.record.alias.clone());
        let play_beep = play_beep.unwrap_or(self.record.play_beep);
        if (&alias, play_beep) == (&self.record.alias, self.record.play_beep) {
            return;
        }
        self.record.alias = alias;
        self.record.play_beep = play_beep;
        self.revise(turn);
    }

    /// Changes what a participant may do; what is equal already is no change.
    pub(crate) fn change_participant(
        &mut self,
        turn: &mut Turn,
        call: CallId,
        change: ParticipantChange,
    ) -> Option<ParticipantRecord> {
        let participant = &mut self.state.participant_mut(call)?.record;
        let before = participant.clone();
        participant.talk = change.talk.unwrap_or(before.talk);
        participant.listen = change.listen.unwrap_or(before.listen);
        participant.dtmf_pass_through =
            change.dtmf_pass_through.unwrap_or(before.dtmf_pass_through);
        if *participant == before {
            return Some(before);
        }
        participant.revision = participant.revision.saturating_add(1);
        participant.updated = turn.now;
        turn.commit(Fact::Participant(participant.clone()));
        if privileges(participant) != privileges(&before) {
            turn.media(MediaCommand::SetPrivileges {
                call,
                privileges: privileges(participant),
            });
        }
        Some(participant.clone())
    }

    /// Changes how loud a participant is heard, and hears; what is equal already is no change.
    pub(crate) fn change_gains(
        &mut self,
        turn: &mut Turn,
        call: CallId,
        change: GainsChange,
    ) -> Option<ParticipantNow> {
        let participant = self.state.participant_mut(call)?;
        let bounded = |db: i8| db.clamp(-Gains::MOST_DB, Gains::MOST_DB);
        let before = participant.gains;
        let gains = Gains {
            input_db: change.input_db.map_or(before.input_db, bounded),
            output_db: change.output_db.map_or(before.output_db, bounded),
        };
        if gains != before {
            participant.gains = gains;
            turn.media(MediaCommand::SetGains { call, gains });
        }
        Some(participant.clone())
    }

    /// Notes that a participant began to speak, or has stopped; what is known already is no news.
    pub(crate) fn set_speaking(&mut self, turn: &mut Turn, call: CallId, speaking: bool) {
        if let Some(participant) = self.state.participant_mut(call)
            && participant.speaking != speaking
        {
            participant.speaking = speaking;
            self.tell_live(turn, call, LiveNews::Speaking(speaking));
        }
    }

    /// Lets the others hear a participant's key, where it may be heard and anybody is.
    pub(crate) fn pass_digit(&self, turn: &mut Turn, from: CallId, digit: Digit) {
        let passes = self
            .participant(from)
            .is_some_and(|participant| participant.dtmf_pass_through);
        match self.state {
            State::InProgress { .. } if passes => turn.media(MediaCommand::PassDigit {
                conference: self.record.id,
                from,
                digit,
            }),
            State::Empty | State::Populated { .. } | State::InProgress { .. } => {}
        }
    }

    /// Takes a call in.
    pub(crate) fn join(
        &mut self,
        turn: &mut Turn,
        ids: &mut Ids,
        recordings: &mut Recordings,
        call: CallId,
        how: &AddToConference,
    ) {
        let started = matches!(self.state, State::InProgress { .. });
        let starts = how.start_conf_on_enter && !started;
        let record = self.participant_record(turn, call, how, starts);
        turn.commit(Fact::Participant(record.clone()));
        turn.media(MediaCommand::Join {
            conference: self.record.id,
            call,
            privileges: privileges(&record),
        });
        self.tell_live(turn, call, LiveNews::Joined);
        let participant = ParticipantNow {
            record,
            gains: Gains::default(),
            speaking: false,
        };
        self.state = match mem::take(&mut self.state) {
            State::Empty => {
                self.enter(turn, ConferenceStatus::Populated, None);
                let participants = Participants::from([(call, participant)]);
                if starts {
                    self.start(turn, ids, recordings, participants)
                } else {
                    turn.media(MediaCommand::PlayMusic {
                        conference: self.record.id,
                        wait_url: self.record.wait_url.clone(),
                    });
                    State::Populated { participants }
                }
            }
            State::Populated { mut participants } => {
                participants.insert(call, participant);
                if starts {
                    turn.media(MediaCommand::StopMusic {
                        conference: self.record.id,
                    });
                    self.start(turn, ids, recordings, participants)
                } else {
                    State::Populated { participants }
                }
            }
            State::InProgress {
                mut participants,
                mut session,
            } => {
                participants.insert(call, participant);
                if let Some(session) = &mut session {
                    session.join(turn, ids, recordings, &self.record, call);
                }
                State::InProgress {
                    participants,
                    session,
                }
            }
        };
        // After the joiner is in, so that it hears the beep too.
        self.beep(turn, Beep::Entry);
    }

    /// Lets a call go; whoever is not in stays out.
    pub(crate) fn leave(&mut self, turn: &mut Turn, call: CallId, leaving: Leaving) {
        let Some(gains) = self.participant_now(call).map(|known| known.gains) else {
            return;
        };
        turn.commit(Fact::ParticipantGone {
            conference: self.record.id,
            call,
        });
        self.state = match mem::take(&mut self.state) {
            State::Empty => State::Empty,
            State::Populated { mut participants } => {
                turn.media(MediaCommand::Leave { call });
                participants.remove(&call);
                if participants.is_empty() {
                    turn.media(MediaCommand::StopMusic {
                        conference: self.record.id,
                    });
                    self.enter(turn, ConferenceStatus::Empty, None);
                    State::Empty
                } else {
                    State::Populated { participants }
                }
            }
            State::InProgress {
                mut participants,
                mut session,
            } => {
                if let Some(session) = &mut session {
                    session.leave(turn, call);
                }
                turn.media(MediaCommand::Leave { call });
                participants.remove(&call);
                if participants.is_empty() {
                    let recording = session.and_then(|session| session.end(turn));
                    turn.media(MediaCommand::SetMixing {
                        conference: self.record.id,
                        on: false,
                    });
                    self.enter(turn, ConferenceStatus::Empty, recording);
                    State::Empty
                } else {
                    State::InProgress {
                        participants,
                        session,
                    }
                }
            }
        };
        if gains != Gains::default() {
            // They were this participant's, and the call may become another.
            let gains = Gains::default();
            turn.media(MediaCommand::SetGains { call, gains });
        }
        self.tell_live(turn, call, LiveNews::Left);
        if leaving == Leaving::Alone && self.participant_count() > 0 {
            self.beep(turn, Beep::Exit);
        }
    }

    /// Forgets a recording that has ended by itself.
    pub(crate) fn forget_recording(&mut self, recording: RecordingId) {
        if let Some(session) = self.state.session_mut() {
            session.forget(recording);
        }
    }

    /// Ends the conference for good; everybody has left.
    pub(crate) fn terminate(mut self, turn: &mut Turn) -> ConferenceRecord {
        self.enter(turn, ConferenceStatus::Terminated, None);
        turn.media(MediaCommand::CloseConference {
            conference: self.record.id,
        });
        self.record
    }

    fn start(
        &mut self,
        turn: &mut Turn,
        ids: &mut Ids,
        recordings: &mut Recordings,
        participants: Participants,
    ) -> State {
        self.enter(turn, ConferenceStatus::InProgress, None);
        turn.media(MediaCommand::SetMixing {
            conference: self.record.id,
            on: true,
        });
        let session = self.record.record.then(|| {
            let calls = participants.keys().copied();
            Session::start(turn, ids, recordings, &self.record, calls)
        });
        State::InProgress {
            participants,
            session,
        }
    }

    fn participant_record(
        &self,
        turn: &Turn,
        call: CallId,
        how: &AddToConference,
        starts: bool,
    ) -> ParticipantRecord {
        ParticipantRecord {
            account: self.record.account,
            conference: self.record.id,
            call,
            talk: how.talk,
            listen: how.listen,
            dtmf_pass_through: how.dtmf_pass_through,
            started_conference: starts,
            revision: 1,
            created: turn.now,
            updated: turn.now,
        }
    }

    fn beep(&self, turn: &mut Turn, beep: Beep) {
        let wanted = match (self.record.play_beep, beep) {
            (PlayBeep::Always, Beep::Entry | Beep::Exit)
            | (PlayBeep::EntryOnly, Beep::Entry)
            | (PlayBeep::ExitOnly, Beep::Exit) => true,
            (PlayBeep::Never, Beep::Entry | Beep::Exit)
            | (PlayBeep::EntryOnly, Beep::Exit)
            | (PlayBeep::ExitOnly, Beep::Entry) => false,
        };
        if wanted {
            turn.media(MediaCommand::Beep {
                conference: self.record.id,
                beep,
            });
        }
    }

    /// Tells whoever watches of what a participant does.
    fn tell_live(&self, turn: &mut Turn, call: CallId, news: LiveNews) {
        turn.live(LiveEvent {
            account: self.record.account,
            conference: Some(self.record.id),
            call,
            at: turn.now,
            news,
        });
    }

    /// Changes the status and tells of it.
    fn enter(
        &mut self,
        turn: &mut Turn,
        status: ConferenceStatus,
        recording: Option<RecordingSummary>,
    ) {
        self.record.status = status;
        self.revise(turn);
        self.tell(turn, recording);
    }

    /// Commits the record as changed.
    fn revise(&mut self, turn: &mut Turn) {
        self.record.revision = self.record.revision.saturating_add(1);
        self.record.updated = turn.now;
        turn.commit(Fact::Conference(self.record.clone()));
    }

    /// Tells the application which status the record says.
    fn tell(&self, turn: &mut Turn, recording: Option<RecordingSummary>) {
        if let Some(url) = &self.record.status_callback_url {
            turn.notify(
                self.record.account,
                Stream::Conference(self.record.id),
                url.clone(),
                Webhook::ConferenceStatus {
                    account: self.record.account,
                    conference: self.record.id,
                    status: self.record.status,
                    recording,
                },
            );
        }
    }
}

fn privileges(participant: &ParticipantRecord) -> Privileges {
    Privileges {
        talk: participant.talk,
        listen: participant.listen,
    }
}
