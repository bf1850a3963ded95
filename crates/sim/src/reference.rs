//! Who must hear whom, and what must be told: the rules of FreeClimb's conferences, naively.
//!
//! It is written from the rules and not from the bridge, and knows neither packets nor effects. It
//! remembers who is where, and reads everything else off that.

use std::collections::BTreeMap;

use tutti_control_plane::ConferenceStatus;
use tutti_model::CloseReason;

use crate::scenario::{Action, Afterwards, How, Scenario};
use crate::told::{About, News};
use crate::voice::{Voice, Voices};

/// The model of a bridge.
pub struct Reference {
    conferences: Vec<Conference>,
    /// Every call there ever was, in the order of their dialling.
    calls: Vec<Call>,
    told: BTreeMap<About, Vec<News>>,
}

#[derive(Clone, Copy)]
struct Conference {
    status: ConferenceStatus,
    record: bool,
}

struct Call {
    caller: usize,
    place: Place,
    talk: bool,
    listen: bool,
    /// Its application is told of its end.
    watched: bool,
    afterwards: Afterwards,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    In(usize),
    /// On the line, in no conference.
    Alone,
    Over,
}

impl Reference {
    /// A bridge with a scenario's conferences, in which nobody is yet.
    pub fn new(scenario: &Scenario) -> Reference {
        let mut reference = Reference {
            conferences: Vec::new(),
            calls: Vec::new(),
            told: BTreeMap::new(),
        };
        for (number, plan) in scenario.conferences.iter().enumerate() {
            let status = ConferenceStatus::Empty;
            reference.conferences.push(Conference {
                status,
                record: plan.record,
            });
            reference.tell(
                About::Conference(number),
                News::Status {
                    status,
                    recorded: false,
                },
            );
        }
        reference
    }

    /// Does what an action does.
    pub fn apply(&mut self, action: &Action) {
        match *action {
            Action::Dial {
                caller,
                conference,
                how,
            } => self.dial(caller, conference, how),
            Action::HangUp { caller } => {
                if let Some(call) = self.call_of(caller) {
                    self.end(call, CloseReason::FarEndHangup);
                }
            }
            Action::SetTalk { caller, on } => {
                if let Some((call, _)) = self.participant(caller) {
                    self.calls[call].talk = on;
                }
            }
            Action::SetListen { caller, on } => {
                if let Some((call, _)) = self.participant(caller) {
                    self.calls[call].listen = on;
                }
            }
            Action::Remove { caller } => {
                if let Some((call, _)) = self.participant(caller) {
                    self.take_out(&[call], CloseReason::RemovedFromConference);
                }
            }
            Action::Empty { conference } => {
                let inside = self.calls_in(conference);
                self.take_out(&inside, CloseReason::ConferenceEmptied);
            }
            Action::Terminate { conference } => self.terminate(conference),
            Action::Impair { .. } => {}
        }
    }

    /// What a caller must hear; `None` where it is not on the line.
    pub fn hears(&self, caller: usize) -> Option<Voices> {
        let listener = self.call_of(caller)?;
        let Place::In(conference) = self.calls[listener].place else {
            return Some(Voices::NONE);
        };
        if !self.calls[listener].listen {
            return Some(Voices::NONE);
        }
        Some(match self.conferences[conference].status {
            ConferenceStatus::Populated => Voices::NONE.with(Voice::MUSIC),
            ConferenceStatus::InProgress => self
                .calls_in(conference)
                .into_iter()
                .filter(|other| *other != listener && self.calls[*other].talk)
                .map(|other| Voice::of_caller(self.calls[other].caller))
                .collect(),
            ConferenceStatus::Empty | ConferenceStatus::Terminated => Voices::NONE,
        })
    }

    /// The status of every conference.
    pub fn statuses(&self) -> Vec<ConferenceStatus> {
        self.conferences
            .iter()
            .map(|conference| conference.status)
            .collect()
    }

    /// What applications must have been told, stream by stream.
    pub fn told(&self) -> &BTreeMap<About, Vec<News>> {
        &self.told
    }

    fn dial(&mut self, caller: usize, conference: usize, how: How) {
        if self.call_of(caller).is_some() {
            return;
        }
        let terminated = self.conferences[conference].status == ConferenceStatus::Terminated;
        let call = self.calls.len();
        let (starts, talk, listen, notified, afterwards) = match how {
            How::Directly => (true, true, true, false, Afterwards::Ends),
            How::ByScript {
                starts,
                talk,
                listen,
                notified,
                afterwards,
            } => (starts, talk, listen, notified, afterwards),
        };
        // Whoever dials a terminated conference's own address is not even let in.
        let place = match how {
            How::Directly if terminated => Place::Over,
            How::Directly | How::ByScript { .. } => Place::Alone,
        };
        let watched = matches!(how, How::ByScript { .. });
        self.calls.push(Call {
            caller,
            place,
            talk,
            listen,
            watched,
            afterwards,
        });
        if place == Place::Alone {
            self.join(call, conference, starts, notified);
        }
    }

    fn join(&mut self, call: usize, conference: usize, starts: bool, notified: bool) {
        match self.conferences[conference].status {
            ConferenceStatus::Terminated => {
                return self.end(call, CloseReason::PerclProcessingError);
            }
            ConferenceStatus::Empty => self.enter(conference, ConferenceStatus::Populated, false),
            ConferenceStatus::Populated | ConferenceStatus::InProgress => {}
        }
        self.calls[call].place = Place::In(conference);
        if starts && self.conferences[conference].status == ConferenceStatus::Populated {
            self.enter(conference, ConferenceStatus::InProgress, false);
        }
        if notified {
            self.tell(About::Call(call), News::Joined);
        }
    }

    /// Takes calls out of their conference: they go on where they have somewhere to go, or end.
    fn take_out(&mut self, calls: &[usize], reason: CloseReason) {
        for call in calls {
            match self.calls[*call].afterwards {
                Afterwards::Ends => self.end(*call, reason),
                Afterwards::Waits | Afterwards::GoesTo(_) => self.leave(*call),
            }
        }
        for call in calls {
            if let (Place::Alone, Afterwards::GoesTo(conference)) =
                (self.calls[*call].place, self.calls[*call].afterwards)
            {
                let going = &mut self.calls[*call];
                (going.talk, going.listen, going.afterwards) = (true, true, Afterwards::Ends);
                self.join(*call, conference, true, false);
            }
        }
    }

    fn terminate(&mut self, conference: usize) {
        if self.conferences[conference].status == ConferenceStatus::Terminated {
            return;
        }
        for call in self.calls_in(conference) {
            self.end(call, CloseReason::ConferenceTerminated);
        }
        self.enter(conference, ConferenceStatus::Terminated, false);
    }

    fn end(&mut self, call: usize, reason: CloseReason) {
        let was_inside = matches!(self.calls[call].place, Place::In(_));
        self.leave(call);
        self.calls[call].place = Place::Over;
        if was_inside && self.calls[call].afterwards != Afterwards::Ends {
            self.tell(About::Call(call), News::Left);
        }
        if self.calls[call].watched {
            self.tell(About::Call(call), News::Ended(reason));
        }
    }

    fn leave(&mut self, call: usize) {
        let Place::In(conference) = self.calls[call].place else {
            return;
        };
        self.calls[call].place = Place::Alone;
        if !self.calls_in(conference).is_empty() {
            return;
        }
        let Conference { status, record } = self.conferences[conference];
        let recorded = record && status == ConferenceStatus::InProgress;
        self.enter(conference, ConferenceStatus::Empty, recorded);
        if recorded {
            self.tell(About::Recordings(conference), News::RecordingReady);
        }
    }

    fn enter(&mut self, conference: usize, status: ConferenceStatus, recorded: bool) {
        self.conferences[conference].status = status;
        self.tell(
            About::Conference(conference),
            News::Status { status, recorded },
        );
    }

    fn tell(&mut self, about: About, news: News) {
        self.told.entry(about).or_default().push(news);
    }

    fn call_of(&self, caller: usize) -> Option<usize> {
        self.calls
            .iter()
            .position(|call| call.caller == caller && call.place != Place::Over)
    }

    fn participant(&self, caller: usize) -> Option<(usize, usize)> {
        let call = self.call_of(caller)?;
        match self.calls[call].place {
            Place::In(conference) => Some((call, conference)),
            Place::Alone | Place::Over => None,
        }
    }

    fn calls_in(&self, conference: usize) -> Vec<usize> {
        let inside = |call: &Call| call.place == Place::In(conference);
        (0..self.calls.len())
            .filter(|call| inside(&self.calls[*call]))
            .collect()
    }
}
