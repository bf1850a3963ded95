//! The application that answers for a world's calls.

use std::collections::BTreeMap;
use std::time::Duration;

use tutti_control_plane::{AddToConference, ApplicationRoute, Command, Script, Webhook};
use tutti_model::{ApplicationId, CallId, ConferenceId, NumberId};

use crate::scenario::{Afterwards, How};

/// How long who waits alone waits: longer than any simulation.
const WAIT: Duration = Duration::from_secs(3_600);

/// What the application answers, call by call.
#[derive(Default)]
pub(crate) struct Application {
    scripts: BTreeMap<CallId, Scripts>,
}

/// What it answers for one call.
struct Scripts {
    on_arrival: Script,
    on_leaving: Script,
}

impl Application {
    /// Prepares what to answer for a call.
    pub(crate) fn prepare(&mut self, call: CallId, on_arrival: Script, on_leaving: Script) {
        self.scripts.insert(
            call,
            Scripts {
                on_arrival,
                on_leaving,
            },
        );
    }

    /// What it answers to a webhook.
    pub(crate) fn answer(&self, call: CallId, webhook: &Webhook) -> Script {
        let Some(scripts) = self.scripts.get(&call) else {
            return Script::default();
        };
        match webhook {
            Webhook::InboundCall { .. } | Webhook::OutDialApiConnect { .. } => {
                scripts.on_arrival.clone()
            }
            Webhook::LeaveConference { .. } => scripts.on_leaving.clone(),
            Webhook::Redirect { .. }
            | Webhook::CreateConference { .. }
            | Webhook::ConferenceStatus { .. }
            | Webhook::ConferenceRecordingStatus { .. }
            | Webhook::AddToConferenceNotification { .. }
            | Webhook::CallStatus { .. }
            | Webhook::OutDialStart { .. }
            | Webhook::OutDialConnect { .. }
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
            | Webhook::Unpark { .. } => Script::default(),
        }
    }
}

/// What a call that left its conference does.
pub(crate) fn afterwards(afterwards: Afterwards, conferences: &[ConferenceId]) -> Script {
    match afterwards {
        Afterwards::Ends => Script::default(),
        Afterwards::Waits => script(Command::Pause { length: WAIT }),
        Afterwards::GoesTo(conference) => match conferences.get(conference) {
            Some(id) => script(add_to_conference(*id, How::Directly)),
            None => Script::default(),
        },
    }
}

/// A script of one command.
pub(crate) fn script(command: Command) -> Script {
    Script {
        commands: vec![command],
    }
}

/// Where calls for the application are routed.
pub(crate) fn application() -> ApplicationRoute {
    ApplicationRoute {
        number: NumberId::from_bytes([1; 20]),
        application: Some(ApplicationId::from_bytes([2; 20])),
        voice_url: Some("http://app/voice".into()),
        voice_fallback_url: None,
        status_callback_url: Some("http://app/status".into()),
    }
}

/// The command that bridges a call as `how` says.
pub(crate) fn add_to_conference(conference: ConferenceId, how: How) -> Command {
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
    Command::AddToConference(AddToConference {
        conference,
        call: None,
        start_conf_on_enter: starts,
        talk,
        listen,
        dtmf_pass_through: true,
        allow_call_control: false,
        call_control_sequence: None,
        call_control_url: None,
        leave_conference_url: match afterwards {
            Afterwards::Ends => None,
            Afterwards::Waits | Afterwards::GoesTo(_) => Some("http://app/left".into()),
        },
        notification_url: notified.then(|| "http://app/joined".into()),
    })
}
