//! What an engine and its owner say to each other.

use tutti_model::{
    Beep, CallId, Digit, Gains, MediaDescription, Privileges, PromptId, RecordingId,
};

use crate::call_recording::CallRecording;
use crate::conference::Conference;
use crate::jitter::Decoding;
use crate::leg::{Leg, LegMedia};
use crate::mix_class::MixClass;
use crate::outlet::Outlet;
use crate::prompt::{Audio, ConferencePrompt, Prompt};
use crate::spares::Wanted;
use crate::tap::Tap;
use crate::trunk::Trunk;

/// A place for a leg, given out by the engine's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LegSlot(pub u16);

/// A place for a conference, given out by the engine's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConferenceSlot(pub u16);

/// What the engine's owner asks. A command for an empty place does nothing.
pub enum EngineCommand<T> {
    OpenConference {
        slot: ConferenceSlot,
        conference: Box<Conference>,
    },
    /// Legs that are still inside go on alone.
    CloseConference {
        slot: ConferenceSlot,
    },
    AddLeg {
        slot: LegSlot,
        leg: Box<Leg<T>>,
    },
    /// Takes the leg out, to be dropped or to move to another engine.
    RemoveLeg {
        slot: LegSlot,
    },
    /// The peer hears early media: from now on the leg sends to where its description says, and
    /// still believes nobody.
    Early {
        slot: LegSlot,
    },
    /// Our answer is on its way, or the peer's has come: from now on the leg sends, and believes its
    /// peer.
    Answered {
        slot: LegSlot,
    },
    /// A new offer was answered; `media` comes along when the format changes.
    Reconfigure {
        slot: LegSlot,
        description: MediaDescription,
        media: Option<Box<LegMedia>>,
    },
    Join {
        slot: LegSlot,
        conference: ConferenceSlot,
        privileges: Privileges,
    },
    Leave {
        slot: LegSlot,
    },
    SetPrivileges {
        slot: LegSlot,
        privileges: Privileges,
    },
    SetGains {
        slot: LegSlot,
        gains: Gains,
    },
    /// Presses a key towards one leg.
    PressDigit {
        slot: LegSlot,
        digit: Digit,
    },
    /// Presses a key towards all who listen in a conference, but for whom it came from.
    PassDigit {
        conference: ConferenceSlot,
        from: Option<LegSlot>,
        digit: Digit,
    },
    /// Brings a shared encoder that was wanted.
    AddClass {
        conference: ConferenceSlot,
        class: Box<MixClass>,
    },
    /// Brings an encoder for whoever begins to speak.
    AddOutlet {
        outlet: Box<Outlet>,
    },
    /// Brings what legs that wake are decoded with.
    AddDecoding {
        decoding: Box<Decoding>,
    },
    /// Lets encoders try so hard, 0 to 10, or as hard as they were made to.
    SetComplexity(Option<u8>),
    /// Connects a part of a conference with another part of it.
    AddTrunk {
        conference: ConferenceSlot,
        trunk: Box<dyn Trunk>,
    },
    SetMixing {
        conference: ConferenceSlot,
        on: bool,
    },
    PlayMusic {
        conference: ConferenceSlot,
        audio: Audio,
    },
    StopMusic {
        conference: ConferenceSlot,
    },
    Beep {
        conference: ConferenceSlot,
        beep: Beep,
    },
    StartRecording {
        conference: ConferenceSlot,
        tap: Box<dyn Tap>,
    },
    StopRecording {
        conference: ConferenceSlot,
    },
    StartTrack {
        slot: LegSlot,
        tap: Box<dyn Tap>,
    },
    StopTrack {
        slot: LegSlot,
    },
    /// Records a call, whatever becomes of its leg, from its next tick on.
    RecordCall {
        slot: LegSlot,
        recording: Box<CallRecording>,
    },
    StopCallRecording {
        slot: LegSlot,
        recording: RecordingId,
    },
    /// Tells of the leg's voice, or no longer, with times of hundredths of a second, wherever the leg
    /// is and whether or not it may talk there. Each watch tells of a voice anew.
    WatchVoice {
        slot: LegSlot,
        on: bool,
    },
    PlayPrompt {
        slot: LegSlot,
        prompt: Prompt,
    },
    StopPrompt {
        slot: LegSlot,
        prompt: PromptId,
    },
    /// Plays a prompt to everybody who listens in a conference, over those that play already.
    PlayToConference {
        conference: ConferenceSlot,
        prompt: ConferencePrompt,
    },
    StopConferencePrompt {
        conference: ConferenceSlot,
        call: CallId,
        prompt: PromptId,
    },
}

/// What an engine has done since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    /// Frames that were encoded, by shared encoders and others.
    pub encodes: u64,
    /// Legs that were dealt with ahead of a tick.
    pub served_ahead: u64,
    /// Legs that spoke in a tick and had no place in their conference's mix.
    pub waits: u64,
}

/// What the engine's owner learns.
pub enum EngineEvent<T> {
    PromptFinished {
        call: CallId,
        prompt: PromptId,
    },
    DigitPressed {
        call: CallId,
        digit: Digit,
    },
    LegSilent {
        call: CallId,
    },
    /// A participant began to speak, or has stopped. Of one leg, these take turns.
    Speaking {
        call: CallId,
        speaking: bool,
    },
    /// A voice that is watched began, or has ended. In one watch, these take turns.
    Voice {
        call: CallId,
        speaking: bool,
    },
    /// Something is to be made and brought.
    Wanted(Wanted),
    Retired(Retired<T>),
}

/// What the engine has no use for any more.
pub enum Retired<T> {
    Leg {
        slot: LegSlot,
        leg: Box<Leg<T>>,
    },
    Conference {
        slot: ConferenceSlot,
        conference: Box<Conference>,
    },
    Media(Box<LegMedia>),
    Class(Box<MixClass>),
    Outlet(Box<Outlet>),
    Decoding(Box<Decoding>),
    Trunk(Box<dyn Trunk>),
    Audio(Audio),
    Tap(Box<dyn Tap>),
    CallRecording(Box<CallRecording>),
    /// A command that named a place outside the engine, unused.
    Refused(EngineCommand<T>),
}
