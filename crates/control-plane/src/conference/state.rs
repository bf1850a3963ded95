//! Who is in a conference, and what that takes.

use std::collections::BTreeMap;

use tutti_model::CallId;

use super::session::Session;
use crate::input::ParticipantNow;

#[derive(Default)]
pub(super) enum State {
    #[default]
    Empty,
    /// Wait music plays.
    Populated { participants: Participants },
    /// Participants hear each other.
    InProgress {
        participants: Participants,
        /// Set where the conference is recorded.
        session: Option<Session>,
    },
}

pub(super) type Participants = BTreeMap<CallId, ParticipantNow>;

impl State {
    pub(super) fn participants(&self) -> Option<&Participants> {
        match self {
            State::Empty => None,
            State::Populated { participants } | State::InProgress { participants, .. } => {
                Some(participants)
            }
        }
    }

    pub(super) fn participant_mut(&mut self, call: CallId) -> Option<&mut ParticipantNow> {
        match self {
            State::Empty => None,
            State::Populated { participants } | State::InProgress { participants, .. } => {
                participants.get_mut(&call)
            }
        }
    }

    pub(super) fn session_mut(&mut self) -> Option<&mut Session> {
        match self {
            State::Empty | State::Populated { .. } => None,
            State::InProgress { session, .. } => session.as_mut(),
        }
    }
}
