//! Recordings of whole calls.

use tutti_model::{MediaEvent, RecordingFailure};

use super::story::*;
use crate::*;

/// A call that is recorded and goes on with its next script.
fn recorded() -> Story {
    let mut story = Story::begin();
    story.rings('A');
    story.runs('A', [Command::StartRecordCall, redirect()]);
    story
}

#[test]
fn a_whole_call_is_recorded_wherever_it_goes_and_its_end_tells_for_how_long() {
    let mut story = Story::begin();
    let conference = story.creates(quiet());
    story.rings('A');
    assert_eq!(
        story.runs('A', [Command::StartRecordCall, redirect()]),
        [
            "fact: A InProgress",
            "fact: recording A open",
            "signal: A Answer",
            "media: start recording A of Both",
            "ask: A redirect",
        ]
    );
    let recording = story.recording(Some('A'));
    story.now = START + millis(1_500);
    let told = story.runs('A', [Command::AddToConference(starter(conference))]);
    assert!(!told.iter().any(|told| told.contains("recording")));
    story.confirms('A');
    story.now = START + millis(4_001);
    assert_eq!(
        story.hangs_up('A'),
        [
            "fact: A Completed FarEndHangup",
            "notify: A ended FarEndHangup after 5 s, recording A of 5 s",
            "fact: A is out",
            "fact: conference Empty",
            "notify: conference Empty",
            "media: stop recording A",
            "media: leave A",
            "media: mixing false",
            "media: close A",
        ]
    );
    assert_eq!(
        story.is_ready(recording, secs(4)),
        ["fact: recording A ready"]
    );
}

#[test]
fn a_call_is_recorded_once() {
    let mut story = recorded();
    assert_eq!(
        story.runs('A', [Command::StartRecordCall, redirect()]),
        [
            "log: Warning: StartRecordCall: the call is recorded already",
            "ask: A redirect",
        ]
    );
}

#[test]
fn a_recording_that_has_failed_is_not_told_of_and_another_may_begin() {
    let mut story = recorded();
    let exchange = story.asked('A');
    let recording = story.recording(Some('A'));
    story.happens(Input::Media(MediaEvent::RecordingFailed {
        recording,
        failure: RecordingFailure::DiskFull,
    }));
    let told = story.is_given('A', exchange, [Command::StartRecordCall, redirect()]);
    assert_eq!(told[0], "fact: recording A open");

    let mut story = recorded();
    let recording = story.recording(Some('A'));
    story.happens(Input::Media(MediaEvent::RecordingFailed {
        recording,
        failure: RecordingFailure::DiskFull,
    }));
    assert_eq!(
        story.hangs_up('A'),
        [
            "fact: A Completed FarEndHangup",
            "notify: A ended FarEndHangup after 0 s",
            "media: close A",
        ]
    );
}

#[test]
fn what_a_recorded_caller_says_is_recorded_apart() {
    let mut story = recorded();
    let how = RecordUtterance {
        action_url: "http://app/recorded".into(),
        silence_timeout: None,
        finish_on_key: Some(digit('#')),
        max_length: secs(60),
        play_beep: false,
        awaits_voice: false,
        private: false,
    };
    let told = story.runs('A', [Command::RecordUtterance(how)]);
    assert_eq!(told[1], "media: start recording A of Caller");
    assert_eq!(
        story.hangs_up('A')[2..],
        [
            "media: stop recording A",
            "media: stop recording A",
            "media: close A",
        ]
    );
}
