//! Calls that a world's application places.

use std::time::Duration;

use tutti_control_plane::{IfMachine, Input, NewCall, Reply, Script};
use tutti_media::{CodecError, EngineCommand};
use tutti_model::{CallId, CloseReason, Codec, Format};

use crate::application;
use crate::caller::{CallerSetup, Mouth};
use crate::scenario::Afterwards;
use crate::world::{ACCOUNT, World};

/// How long it may ring.
const RINGS_FOR: Duration = Duration::from_secs(30);

/// Somebody who can be called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Callee {
    caller: usize,
    codec: Codec,
}

impl World {
    /// The application calls somebody, whose phone rings; the call waits once it is answered. `None`
    /// where no call may be placed.
    ///
    /// # Errors
    /// When a codec does not do its work.
    pub fn call_out(
        &mut self,
        caller: usize,
        codec: Codec,
        if_machine: Option<IfMachine>,
    ) -> Result<Option<CallId>, CodecError> {
        self.callee = Some(Callee { caller, codec });
        let call = NewCall {
            to: format!("+1800555{caller:04}"),
            from: "+18005551000".into(),
            number: None,
            application: None,
            parent: None,
            call_connect_url: "http://app/connected".into(),
            status_callback_url: None,
            timeout: RINGS_FOR,
            send_digits: Vec::new(),
            if_machine,
            private: false,
        };
        let account = ACCOUNT;
        match self.feed(Input::MakeCall { account, call })? {
            Ok(Reply::Call(record)) => Ok(Some(record.id)),
            Ok(
                Reply::Done
                | Reply::Conference(_)
                | Reply::Participant(_)
                | Reply::ParticipantNow(_)
                | Reply::Queue(_)
                | Reply::QueueMembers(_)
                | Reply::QueueMember(_),
            )
            | Err(_) => Ok(None),
        }
    }

    /// The script of a call that was placed, once it is answered, in place of waiting.
    pub fn script_connected(&mut self, call: CallId, script: Script) {
        self.application.prepare(call, script, Script::default());
    }

    /// Whoever was called picks up, and says something from then on.
    ///
    /// # Errors
    /// When a codec does not do its work.
    pub fn pick_up(&mut self, caller: usize, mouth: Mouth) -> Result<(), CodecError> {
        let Some((call, slot)) = self.on_the_line.get(&caller).copied() else {
            return Ok(());
        };
        if let Some(phone) = self.studio.caller(slot) {
            phone.say(mouth)?;
        }
        self.studio.handle(EngineCommand::Answered { slot });
        self.feed(Input::CallAnswered { call }).map(|_| ())
    }

    /// A phone rings, if there is one to be called.
    pub(crate) fn ring(&mut self, call: CallId) -> Result<(), CodecError> {
        let slot = match self.callee.take() {
            Some(Callee { caller, codec }) if !self.on_the_line.contains_key(&caller) => {
                let setup = CallerSetup {
                    call,
                    number: caller as u16,
                    format: Format::plain(codec),
                    mouth: Mouth::Shut,
                };
                self.studio.dial(setup)?.map(|slot| (caller, slot))
            }
            Some(_) | None => None,
        };
        let Some((caller, slot)) = slot else {
            self.consequences.push_back(Input::CallFailed {
                call,
                reason: CloseReason::Failed,
                detail: "there is nobody".into(),
            });
            return Ok(());
        };
        self.calls.push(call);
        self.on_the_line.insert(caller, (call, slot));
        let waits = application::afterwards(Afterwards::Waits, &[]);
        self.application.prepare(call, waits, Script::default());
        self.consequences.push_back(Input::CallRinging { call });
        Ok(())
    }
}
