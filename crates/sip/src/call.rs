//! Where is a call in its life, and when must something happen to it?
//!
//! A call that comes in goes `Invited → Accepted → Confirmed`; one that we place goes
//! `Calling → Confirmed`, or `Calling → Cancelling` when we lose patience; in `Calling` the INVITE is
//! sent once more for each challenge that is answered. A change of the session
//! (re-INVITE, UPDATE) happens inside `Confirmed`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sipx_sip::transaction::TransactionKey;
use sipx_sip::{Request, Response};

use crate::dialog::Dialog;
use crate::event::DialogId;
use crate::uac::Placed;

/// One call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) id: DialogId,
    pub(crate) dialog: Dialog,
    pub(crate) local_tag: String,
    /// Call-ID, From tag and CSeq of the INVITE that it came with; finds its CANCEL, and the same
    /// INVITE on another way. Nothing for a call that we place.
    pub(crate) origin: Option<Origin>,
    /// The INVITE that we placed it with. Nothing for a call that comes in.
    pub(crate) placed: Option<Arc<Placed>>,
    pub(crate) state: State,
}

/// What an incoming INVITE is known by before our tag is known to the caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) call_id: Vec<u8>,
    pub(crate) from_tag: Option<Vec<u8>>,
    pub(crate) sequence: u32,
}

#[derive(Debug)]
pub(crate) enum State {
    /// It came in and is not finally answered.
    Invited {
        invite: Pending,
        gives_up_at: Instant,
    },
    /// It was answered; the ACK is awaited.
    Accepted {
        accepted: Unacknowledged,
        /// We hang up as soon as the ACK allows it (RFC 3261 §15).
        hanging_up: bool,
    },
    /// We placed it and it is not finally answered.
    Calling { gives_up_at: Instant },
    /// We placed it and took it back; the final response is awaited.
    Cancelling { gives_up_at: Instant },
    /// Both sides are in the call.
    Confirmed { change: Change },
}

/// A change of the session that the peer asks for.
#[derive(Debug)]
pub(crate) enum Change {
    None,
    Asked {
        request: Pending,
        gives_up_at: Instant,
    },
    /// Answered; the ACK is awaited.
    Accepted(Unacknowledged),
}

/// A request that waits for our final response.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) key: TransactionKey,
    pub(crate) request: Box<Request>,
}

/// A 2xx that is sent again and again until its ACK comes (RFC 3261 §13.3.1.4).
#[derive(Debug)]
pub(crate) struct Unacknowledged {
    pub(crate) key: TransactionKey,
    pub(crate) response: Box<Response>,
    /// The CSeq number that the ACK repeats.
    pub(crate) sequence: u32,
    /// The response carries our offer, so the ACK carries the answer.
    pub(crate) offered: bool,
    interval: Duration,
    again_at: Instant,
    gives_up_at: Instant,
}

/// What a 2xx without ACK needs now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overdue {
    Nothing,
    SendAgain,
    GiveUp,
}

/// How long a call may ring without a final answer, whoever is to give it.
pub(crate) const RINGING_LIMIT: Duration = Duration::from_secs(180);

/// The times that retransmissions follow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) t1: Duration,
}

impl Pace {
    /// 64·T1: after that long, nothing more comes.
    pub(crate) fn patience(self) -> Duration {
        self.t1 * 64
    }

    fn t2(self) -> Duration {
        self.t1 * 8
    }
}

impl Call {
    /// When something must happen to the call by itself.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Invited { gives_up_at, .. }
            | State::Calling { gives_up_at }
            | State::Cancelling { gives_up_at } => Some(*gives_up_at),
            State::Accepted { accepted, .. } => Some(accepted.deadline()),
            State::Confirmed { change } => match change {
                Change::None => None,
                Change::Asked { gives_up_at, .. } => Some(*gives_up_at),
                Change::Accepted(accepted) => Some(accepted.deadline()),
            },
        }
    }
}

impl Unacknowledged {
    pub(crate) fn new(
        now: Instant,
        pace: Pace,
        key: TransactionKey,
        response: Response,
        sequence: u32,
        offered: bool,
    ) -> Unacknowledged {
        Unacknowledged {
            key,
            response: Box::new(response),
            sequence,
            offered,
            interval: pace.t1,
            again_at: now + pace.t1,
            gives_up_at: now + pace.patience(),
        }
    }

    /// Waits twice as long after every repetition, up to T2.
    pub(crate) fn handle_timeout(&mut self, now: Instant, pace: Pace) -> Overdue {
        if now >= self.gives_up_at {
            Overdue::GiveUp
        } else if now >= self.again_at {
            self.interval = (self.interval * 2).min(pace.t2());
            self.again_at = now + self.interval;
            Overdue::SendAgain
        } else {
            Overdue::Nothing
        }
    }

    fn deadline(&self) -> Instant {
        self.again_at.min(self.gives_up_at)
    }
}
