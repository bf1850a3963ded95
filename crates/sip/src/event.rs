//! What does the consumer of an endpoint learn?

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;
use tutti_model::Digit;

/// Names one dialog of one endpoint; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialogId(pub(crate) u64);

impl fmt::Display for DialogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dialog {}", self.0)
    }
}

/// What happened to a dialog. After `Cancelled`, `Ended` and `Failed` it exists no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SipEvent {
    /// Somebody calls; 100 Trying is already sent. Answer it, reject it or hang up.
    Invite {
        dialog: DialogId,
        call_id_header: String,
        /// The user part of From, unescaped once; empty when there is none.
        from_user: String,
        /// The user part of To, unescaped once; empty when there is none.
        to_user: String,
        /// The user part of the Request-URI, unescaped once; empty when there is none.
        request_user: String,
        source: SocketAddr,
        /// The SDP offer; without one the answer's SDP is the offer.
        offer: Option<Bytes>,
    },
    /// The ACK of our answer arrived.
    Acknowledged {
        dialog: DialogId,
        /// The SDP answer, when our answer was the offer.
        answer: Option<Bytes>,
    },
    /// The caller gave up before our final answer, or nobody answered for three minutes.
    Cancelled { dialog: DialogId },
    /// The peer wants another session: answer it or reject it.
    Reinvite {
        dialog: DialogId,
        offer: Option<Bytes>,
    },
    /// The peer pressed a key and says so in INFO. The same press may be in its media too.
    Digit { dialog: DialogId, digit: Digit },
    /// The peer ended an answered call.
    Ended { dialog: DialogId, reason: EndReason },
    /// The call that we placed got a provisional response other than 100.
    Progress {
        dialog: DialogId,
        /// 180, 181, 182, 183 or another from 101 to 199.
        status: u16,
        /// SDP, if there is any: early media. Phones that ring at once may each send their own.
        body: Option<Bytes>,
    },
    /// The call that we placed was answered; the ACK is already sent.
    Answered {
        dialog: DialogId,
        /// The SDP answer; nothing when the peer left out what it owes (RFC 3261 §13.2.1).
        answer: Option<Bytes>,
    },
    /// The call that we placed came to nothing: the final response, or 408 when none came and
    /// 503 when the peer cannot be reached; a call that rings for three minutes is taken back,
    /// and ends as one that was hung up. A redirection is not followed, and a challenge that
    /// is not answered, or not to the trunk's liking, is told with its 401, 407 or 403.
    Failed {
        dialog: DialogId,
        status: u16,
        reason: String,
    },
}

/// Why an answered call ended without our asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// The peer sent BYE.
    HungUp,
    /// The peer did not acknowledge a 2xx within 64·T1; BYE is sent.
    NotAcknowledged,
}

/// What an endpoint has counted since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SipCounters {
    /// Requests that arrived, repeated ones included.
    pub requests_received: u64,
    /// Responses that were sent, repeated ones included.
    pub responses_sent: u64,
    /// Datagrams and streams that are not SIP.
    pub malformed: u64,
    /// Requests and responses that our transactions sent again.
    pub retransmissions: u64,
    /// Calls that came in and were reported.
    pub invites: u64,
    /// Calls that were placed.
    pub dialed: u64,
    /// Requests that policy refused.
    pub refused: u64,
    /// New dialogs refused with 503.
    pub overloaded: u64,
    /// 2xx responses that were sent again because no ACK had come.
    pub answers_repeated: u64,
    /// Calls that ended because no ACK came at all.
    pub not_acknowledged: u64,
    /// Provisional responses that were not reported because the consumer was behind.
    pub progress_dropped: u64,
    /// Dialogs that exist now.
    pub dialogs: u64,
    /// Events that wait for the consumer now, up to the limit.
    pub waiting_events: u64,
}
