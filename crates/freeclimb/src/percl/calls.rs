//! Commands about the call itself, and about other calls.

use std::time::Duration;

use tutti_control_plane::{Command, IfMachine, OutDial};

use super::{DEFAULT_GAP, MAX_WORD_BYTES, keystrokes, named_call};
use crate::address;
use crate::attributes::{Attributes, BadAttribute, Fault, bad, required};
use crate::word::MachineChoice;

/// How long a call rings where nobody says, and at most, in seconds.
const DEFAULT_RING_SECS: u32 = 30;
const MAX_RING_SECS: u32 = 3_600;

pub(super) fn out_dial(attributes: &Attributes) -> Result<Command, BadAttribute> {
    let url = |name| required(name, attributes.url(name)?);
    // One of FreeClimb's own sample applications misspells the destination.
    let destination = match address::callee(attributes, "destination")? {
        None => address::callee(attributes, "desetination")?,
        known => known,
    };
    let calling_number = address::caller(attributes, "callingNumber")?;
    Ok(Command::OutDial(OutDial {
        destination: required("destination", destination)?,
        calling_number: required("callingNumber", calling_number)?,
        action_url: url("actionUrl")?,
        call_connect_url: url("callConnectUrl")?,
        status_callback_url: attributes.url("statusCallbackUrl")?,
        timeout: ring_time(attributes)?,
        send_digits: keystrokes(attributes, "sendDigits", DEFAULT_GAP)?,
        if_machine: if_machine(attributes)?,
        private: private(attributes)?,
    }))
}

pub(super) fn redirect(attributes: &Attributes) -> Result<Command, BadAttribute> {
    let action_url = required("actionUrl", attributes.url("actionUrl")?)?;
    Ok(Command::Redirect { action_url })
}

pub(super) fn reject(attributes: &Attributes) -> Result<Command, BadAttribute> {
    let reason = attributes.text("reason", MAX_WORD_BYTES)?;
    Ok(Command::Reject { reason })
}

pub(super) fn hangup(attributes: &Attributes) -> Result<Command, BadAttribute> {
    let reason = attributes.text("reason", MAX_WORD_BYTES)?;
    let call = named_call(attributes)?;
    Ok(Command::Hangup { reason, call })
}

/// How long a call may ring.
pub(crate) fn ring_time(attributes: &Attributes) -> Result<Duration, BadAttribute> {
    let secs = attributes.number_in("timeout", 1..=MAX_RING_SECS)?;
    Ok(Duration::from_secs(u64::from(
        secs.unwrap_or(DEFAULT_RING_SECS),
    )))
}

/// What happens when a machine picks up. The URL belongs to `redirect` and to nothing else.
pub(crate) fn if_machine(attributes: &Attributes) -> Result<Option<IfMachine>, BadAttribute> {
    let (name, url_name) = ("ifMachine", "ifMachineUrl");
    let url = attributes.url(url_name)?;
    match (attributes.choice_or_nothing(name)?, url) {
        (Some(MachineChoice::Redirect), Some(url)) => Ok(Some(IfMachine::Redirect { url })),
        (Some(MachineChoice::Redirect), None) => Err(bad(url_name, Fault::Missing)),
        (Some(MachineChoice::HangUp), None) => Ok(Some(IfMachine::HangUp)),
        (Some(MachineChoice::HangUp), Some(_)) => {
            let other = "ifMachine hangup";
            Err(bad(url_name, Fault::NotWith { other }))
        }
        (None, _) => Ok(None),
    }
}

/// Whether what a command is about is masked in the log.
pub(crate) fn private(attributes: &Attributes) -> Result<bool, BadAttribute> {
    Ok(attributes.bool("privacyMode")?.unwrap_or(false))
}
