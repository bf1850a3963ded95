//! What lives and stories are made of: people who call, and what their applications ask for.

use std::time::Duration;

use tutti_model::{
    AccountId, ApplicationId, CallId, ConferenceId, Digit, NumberId, Repeat, Timestamp,
};

use crate::*;

/// 2001-09-09, so that every moment is plainly after the epoch.
pub(crate) const START: Timestamp = Timestamp::from_micros(1_000_000_000_000_000);
pub(crate) const ACCOUNT: AccountId = AccountId::from_bytes([0xac; 20]);
pub(crate) const STRANGER: AccountId = AccountId::from_bytes([0xee; 20]);

pub(crate) fn call(who: char) -> CallId {
    CallId::from_bytes([who as u8; 20])
}

pub(crate) fn arrival(who: char, route: Route) -> Input {
    Input::CallArrived {
        call: call(who),
        account: ACCOUNT,
        from: format!("+1{who}"),
        to: "+18005551000".into(),
        route,
    }
}

pub(crate) fn application() -> ApplicationRoute {
    ApplicationRoute {
        number: NumberId::from_bytes([1; 20]),
        application: Some(ApplicationId::from_bytes([2; 20])),
        voice_url: Some("http://app/voice".into()),
        voice_fallback_url: Some("http://app/fallback".into()),
        status_callback_url: Some("http://app/status".into()),
    }
}

/// `AddToConference` as PerCL has it by default.
pub(crate) fn starter(conference: ConferenceId) -> AddToConference {
    AddToConference {
        conference,
        call: None,
        start_conf_on_enter: true,
        talk: true,
        listen: true,
        dtmf_pass_through: true,
        allow_call_control: false,
        call_control_sequence: None,
        call_control_url: None,
        leave_conference_url: None,
        notification_url: None,
    }
}

/// Somebody who goes on somewhere else afterwards.
pub(crate) fn going_on(how: AddToConference) -> AddToConference {
    AddToConference {
        leave_conference_url: Some("http://app/left".into()),
        ..how
    }
}

pub(crate) fn say(text: &str) -> Command {
    Command::Say(spoken(text))
}

pub(crate) fn spoken(text: &str) -> Say {
    Say {
        text: text.into(),
        language: "en-US".into(),
        repeat: Repeat::Times(1),
        conference: None,
        private: false,
    }
}

pub(crate) fn digit(key: char) -> Digit {
    Digit::from_char(key).unwrap()
}

/// A call to somebody, as an application's own number.
pub(crate) fn call_to(who: char) -> NewCall {
    NewCall {
        to: format!("+44{who}"),
        from: "+18005551000".into(),
        number: Some(NumberId::from_bytes([1; 20])),
        application: Some(ApplicationId::from_bytes([2; 20])),
        parent: None,
        call_connect_url: "http://app/connect".into(),
        status_callback_url: Some("http://app/status".into()),
        timeout: Duration::from_secs(30),
        send_digits: Vec::new(),
        if_machine: None,
        private: false,
    }
}

/// The same by a script.
pub(crate) fn out_dial(who: char) -> OutDial {
    OutDial {
        destination: format!("+44{who}"),
        calling_number: "+18005551000".into(),
        action_url: "http://app/dialled".into(),
        call_connect_url: "http://app/connect".into(),
        status_callback_url: Some("http://app/status".into()),
        timeout: Duration::from_secs(30),
        send_digits: Vec::new(),
        if_machine: None,
        private: false,
    }
}

/// Identifiers that count upwards.
pub(crate) fn counting_ids() -> Box<dyn FnMut() -> [u8; 20] + Send> {
    let mut drawn = 0_u64;
    Box::new(move || {
        drawn += 1;
        let mut bits = [0; 20];
        bits[..8].copy_from_slice(&drawn.to_be_bytes());
        bits
    })
}
