//! RTP and RTCP on the wire (RFC 3550), and what a stream's numbers mean.

mod digit_queue;
mod digit_sender;
mod extension;
mod header;
mod reception;
mod rtcp;
mod sender;
mod sequence;
mod telephone_event;

pub use digit_queue::DigitQueue;
pub use digit_sender::{DigitSender, Press};
pub use extension::{ClientLevel, Contributor, MAX_CONTRIBUTORS, PacketExtras};
pub use header::{Header, MAX_HEADER, RtpPacket, is_rtcp, write_header, write_mixed_header};
pub use reception::Reception;
pub use rtcp::{
    NtpTime, ReportBlock, RtcpPacket, RtcpPackets, RtcpWriter, SenderInfo, parse_compound,
};
pub use sender::Sender;
pub use sequence::{Observation, RtpTime, SeqNo, SequenceTracker};
pub use telephone_event::{TelephoneEvent, TelephoneEvents};

use thiserror::Error;

/// How a datagram is not what it claims to be. The peer is to blame for every one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Malformed {
    #[error("the datagram ends within its fixed header")]
    Truncated,
    #[error("the version is not 2")]
    WrongVersion,
    #[error("the datagram is RTCP where RTP belongs")]
    RtcpAmongRtp,
    #[error("the CSRC list goes on after the end of the datagram")]
    CsrcsBeyondEnd,
    #[error("the header extension goes on after the end of the datagram")]
    ExtensionBeyondEnd,
    #[error("the padding is empty or longer than the payload")]
    PaddingBeyondEnd,
    #[error("the payload is too long for the audio that a packet may carry")]
    PayloadTooLong,
    #[error("the payload is not audio of the negotiated codec")]
    PayloadNotOfCodec,
    #[error("the compound RTCP packet does not begin with a report")]
    NoReportFirst,
    #[error("an RTCP packet goes on after the end of the datagram")]
    RtcpBeyondEnd,
    #[error("an RTCP packet is shorter than what it counts")]
    RtcpContentsBeyondEnd,
    #[error("an RTCP packet other than the last has padding, or more of it than it has room")]
    RtcpPaddingMisplaced,
    #[error("a telephone event is shorter than four bytes")]
    EventTruncated,
    #[error("a telephone event lasts longer than eight seconds")]
    EventTooLong,
}
