//! Commands that let a call wait.

use tutti_control_plane::{Command, Enqueue, Park};

use crate::attributes::{Attributes, BadAttribute, required};

pub(super) fn park(attributes: &Attributes) -> Result<Command, BadAttribute> {
    let url = |name| required(name, attributes.url(name)?);
    Ok(Command::Park(Park {
        wait_url: url("waitUrl")?,
        action_url: url("actionUrl")?,
        notification_url: attributes.url("notificationUrl")?,
    }))
}

pub(super) fn enqueue(attributes: &Attributes) -> Result<Command, BadAttribute> {
    let url = |name| required(name, attributes.url(name)?);
    Ok(Command::Enqueue(Enqueue {
        queue: required("queueId", attributes.id("queueId")?)?,
        wait_url: url("waitUrl")?,
        action_url: url("actionUrl")?,
        notification_url: attributes.url("notificationUrl")?,
    }))
}
