//! Commands about conferences.

use tutti_control_plane::{AddToConference, Command, CreateConference};

use super::{keys, named_call};
use crate::attributes::{Attributes, BadAttribute, required};

pub(super) fn create_conference(attributes: &Attributes) -> Result<Command, BadAttribute> {
    Ok(Command::CreateConference(CreateConference {
        action_url: required("actionUrl", attributes.url("actionUrl")?)?,
        alias: attributes.alias("alias")?,
        play_beep: attributes.choice("playBeep")?.unwrap_or_default(),
        record: attributes.bool("record")?.unwrap_or(false),
        wait_url: attributes.url("waitUrl")?,
        status_callback_url: attributes.url("statusCallbackUrl")?,
    }))
}

pub(super) fn add_to_conference(attributes: &Attributes) -> Result<Command, BadAttribute> {
    Ok(Command::AddToConference(AddToConference {
        conference: required("conferenceId", attributes.id("conferenceId")?)?,
        call: named_call(attributes)?,
        start_conf_on_enter: attributes.bool("startConfOnEnter")?.unwrap_or(true),
        talk: attributes.bool("talk")?.unwrap_or(true),
        listen: attributes.bool("listen")?.unwrap_or(true),
        dtmf_pass_through: attributes.bool("dtmfPassThrough")?.unwrap_or(true),
        allow_call_control: attributes.bool("allowCallControl")?.unwrap_or(false),
        call_control_sequence: keys::sequence(attributes, "callControlSequence")?,
        call_control_url: attributes.url("callControlUrl")?,
        leave_conference_url: attributes.url("leaveConferenceUrl")?,
        notification_url: attributes.url("notificationUrl")?,
    }))
}

pub(super) fn remove_from_conference(attributes: &Attributes) -> Result<Command, BadAttribute> {
    let call = named_call(attributes)?;
    Ok(Command::RemoveFromConference { call })
}

pub(super) fn terminate_conference(attributes: &Attributes) -> Result<Command, BadAttribute> {
    let conference = attributes.named("conferenceId")?;
    Ok(Command::TerminateConference { conference })
}

pub(super) fn set_talk(attributes: &Attributes) -> Result<Command, BadAttribute> {
    let talk = attributes.bool("talk")?.unwrap_or(true);
    let call = named_call(attributes)?;
    Ok(Command::SetTalk { talk, call })
}

pub(super) fn set_listen(attributes: &Attributes) -> Result<Command, BadAttribute> {
    let listen = attributes.bool("listen")?.unwrap_or(true);
    let call = named_call(attributes)?;
    Ok(Command::SetListen { listen, call })
}

pub(super) fn set_dtmf_pass_through(attributes: &Attributes) -> Result<Command, BadAttribute> {
    let dtmf_pass_through = attributes.bool("dtmfPassThrough")?.unwrap_or(true);
    Ok(Command::SetDtmfPassThrough { dtmf_pass_through })
}
