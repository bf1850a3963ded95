//! Recordings of one call: they begin and end with their leg's consent, and go where it goes.

use tutti_model::{RecordingId, Timestamp};

use super::Leg;
use crate::call_recording::CallRecording;
use crate::conference::Conference;
use crate::frame::{FRAME_SAMPLES, Frame};
use crate::mix_class::{amplify, gain};

impl<T> Leg<T> {
    /// Records the call from the next tick on; gives the recording back when no place is left.
    pub(crate) fn record_call(
        &mut self,
        now: Timestamp,
        mut recording: Box<CallRecording>,
    ) -> Option<Box<CallRecording>> {
        match self.recordings.iter_mut().find(|place| place.is_none()) {
            Some(place) => {
                recording.begin(now);
                place.replace(recording)
            }
            None => Some(recording),
        }
    }

    pub(crate) fn stop_call_recording(&mut self, id: RecordingId) -> Option<Box<CallRecording>> {
        self.recordings
            .iter_mut()
            .find_map(|place| place.take_if(|recording| recording.recording() == id))
    }

    pub(super) fn is_recorded(&self) -> bool {
        self.recordings.iter().any(Option::is_some)
    }

    /// Keeps what the caller says in this tick, as it was decoded.
    pub(super) fn keep_said(&mut self, now: Timestamp, decoded: &Frame) {
        if !self.is_recorded() {
            return;
        }
        // Some phones send the key's tone beside its event.
        let pressing = self.media.receiver.is_pressing(now);
        let said = if pressing {
            &[0.0; FRAME_SAMPLES]
        } else {
            decoded
        };
        for recording in self.recordings.iter_mut().flatten() {
            recording.hear_caller(said);
        }
    }

    /// Completes this tick's recording with what the caller hears.
    pub(super) fn keep_heard(&mut self, heard: &Frame) {
        for recording in self.recordings.iter_mut().flatten() {
            recording.complete(heard);
        }
    }

    /// The same for a caller who hears what its class hears.
    pub(super) fn keep_mix(&mut self, conference: &Conference) {
        if !self.is_recorded() {
            return;
        }
        let mut heard = *conference.mix();
        if self.gains.output_db != 0 {
            amplify(&mut heard, gain(self.gains.output_db));
        }
        self.keep_heard(&heard);
    }
}
