//! What applications are told, by whom it is about.

use tutti_control_plane::{ConferenceStatus, Webhook};
use tutti_model::CloseReason;

/// Whose stream a notification belongs to. Conferences and calls are numbered as they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    Conference(usize),
    /// The recordings of a conference: a file is ready whenever its disk is.
    Recordings(usize),
    Call(usize),
}

/// What a notification says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// A conference's status; `recorded` where a recording has just ended.
    Status {
        status: ConferenceStatus,
        recorded: bool,
    },
    RecordingReady,
    Joined,
    Left,
    Ended(CloseReason),
}

impl News {
    /// What a webhook says; `None` where it asks for a script instead, or is of no matter here.
    pub fn of(webhook: &Webhook) -> Option<News> {
        match webhook {
            Webhook::ConferenceStatus {
                status, recording, ..
            } => Some(News::Status {
                status: *status,
                recorded: recording.is_some(),
            }),
            Webhook::ConferenceRecordingStatus { .. } => Some(News::RecordingReady),
            Webhook::AddToConferenceNotification { .. } => Some(News::Joined),
            Webhook::LeaveConference { .. } => Some(News::Left),
            Webhook::CallStatus { reason, .. } => Some(News::Ended(*reason)),
            Webhook::InboundCall { .. }
            | Webhook::Redirect { .. }
            | Webhook::CreateConference { .. }
            | Webhook::OutDialStart { .. }
            | Webhook::OutDialConnect { .. }
            | Webhook::OutDialApiConnect { .. }
            | Webhook::MachineDetected { .. }
            | Webhook::GetDigits { .. }
            | Webhook::Record { .. }
            | Webhook::Transcribe { .. }
            | Webhook::CallControl { .. }
            | Webhook::AddToQueueNotification { .. }
            | Webhook::QueueWait { .. }
            | Webhook::Dequeue { .. }
            | Webhook::RemoveFromQueueNotification { .. }
            | Webhook::ParkNotification { .. }
            | Webhook::ParkWait { .. }
            | Webhook::Unpark { .. } => None,
        }
    }
}
