//! What is recorded, from when to when, and who is told.

use std::time::Duration;

use tutti_model::{MediaEvent, RecordingFailure};

use super::story::*;
use crate::*;

fn recorded() -> ConferenceOptions {
    ConferenceOptions {
        record: true,
        ..quiet()
    }
}

#[test]
fn recording_begins_with_the_conference_and_has_a_track_for_everybody() {
    let mut story = Story::begin();
    let conference = story.creates(recorded());
    let waiting = story.joins('A', guest(conference));
    assert!(!waiting.iter().any(|told| told.contains("open")));
    assert_eq!(
        story.joins('B', starter(conference)),
        [
            "fact: B InProgress",
            "fact: B is in and started it",
            "fact: conference InProgress",
            "notify: conference InProgress",
            "fact: mix open",
            "fact: track A open",
            "fact: track B open",
            "fact: B InProgress in conference",
            "signal: B Answer",
            "media: join B",
            "media: stop music",
            "media: mixing true",
            "media: start mix",
            "media: start track A",
            "media: start track B",
        ]
    );
    let late = story.joins('C', guest(conference));
    assert!(late.contains(&"fact: track C open".to_owned()));
    assert!(late.contains(&"media: start track C".to_owned()));
}

#[test]
fn a_track_ends_with_its_participant_and_the_mix_with_the_last() {
    let mut story = Story::begin();
    let conference = story.creates(recorded());
    story.joins('A', starter(conference));
    story.joins('B', guest(conference));
    story.now = START + Duration::from_millis(2_500);
    assert_eq!(
        story.hangs_up('A')[2..],
        [
            "fact: A is out",
            "media: stop track A",
            "media: leave A",
            "media: close A",
        ]
    );
    story.now = START + Duration::from_millis(4_001);
    assert_eq!(
        story.hangs_up('B')[2..],
        [
            "fact: B is out",
            "fact: conference Empty",
            "notify: conference Empty, mix of 5 s",
            "media: stop track B",
            "media: leave B",
            "media: stop mix",
            "media: mixing false",
            "media: close B",
        ]
    );
}

#[test]
fn a_complete_mix_is_told_of_and_a_complete_track_is_only_a_fact() {
    let mut story = Story::begin();
    let conference = story.creates(recorded());
    story.joins('A', starter(conference));
    let (mix, track) = (story.recording(None), story.recording(Some('A')));
    story.hangs_up('A');
    assert_eq!(story.is_ready(track, secs(1)), ["fact: track A ready"]);
    assert_eq!(
        story.is_ready(mix, Duration::from_millis(1_020)),
        ["fact: mix ready", "notify: mix of 2 s ready while Empty"]
    );
    let Some(Effect::Commit(Fact::Recording(record))) = story.effects.first() else {
        panic!("{:?}", story.effects);
    };
    let ready = RecordingStatus::Ready {
        duration: Duration::from_millis(1_020),
        size_bytes: 44,
    };
    assert_eq!((&record.status, record.revision), (&ready, 2));
    assert_eq!(story.is_ready(mix, secs(1)), [] as [&str; 0]);
}

#[test]
fn a_mix_that_completes_after_termination_is_still_told_of() {
    let mut story = Story::begin();
    let conference = story.creates(recorded());
    story.joins('A', starter(conference));
    let mix = story.recording(None);
    story.now = START + secs(3);
    let told = story.happens(ask_for(conference, RequestedStatus::Terminated));
    assert!(told.contains(&"notify: conference Empty, mix of 3 s".to_owned()));
    assert_eq!(
        story.is_ready(mix, secs(3)),
        [
            "fact: mix ready",
            "notify: mix of 3 s ready while Terminated"
        ]
    );
}

#[test]
fn a_failed_mix_is_logged_and_never_told_of_and_the_calls_go_on() {
    let mut story = Story::begin();
    let conference = story.creates(recorded());
    story.joins('A', starter(conference));
    let mix = story.recording(None);
    let told = story.happens(Input::Media(MediaEvent::RecordingFailed {
        recording: mix,
        failure: RecordingFailure::DiskFull,
    }));
    let log = format!("log: Warning: recording {mix} ended early: the disk is full");
    assert_eq!(told, ["fact: mix failed".to_owned(), log]);
    assert_eq!(
        story.hangs_up('A')[2..],
        [
            "fact: A is out",
            "fact: conference Empty",
            "notify: conference Empty",
            "media: stop track A",
            "media: leave A",
            "media: mixing false",
            "media: close A",
        ]
    );
    assert_eq!(story.is_ready(mix, secs(1)), [] as [&str; 0]);
}

#[test]
fn a_failed_track_is_not_stopped_again() {
    let mut story = Story::begin();
    let conference = story.creates(recorded());
    story.joins('A', starter(conference));
    let track = story.recording(Some('A'));
    story.accepts(Input::Media(MediaEvent::RecordingFailed {
        recording: track,
        failure: RecordingFailure::Io("broken pipe".into()),
    }));
    let told = story.hangs_up('A');
    assert!(!told.contains(&"media: stop track A".to_owned()));
    assert!(told.contains(&"media: stop mix".to_owned()));
}

#[test]
fn every_start_of_a_conference_is_another_recording() {
    let mut story = Story::begin();
    let conference = story.creates(recorded());
    story.joins('A', starter(conference));
    let first = story.recording(None);
    story.hangs_up('A');
    story.joins('B', starter(conference));
    assert_ne!(story.recording(None), first);
    assert_eq!(
        story.is_ready(first, secs(1)),
        [
            "fact: mix ready",
            "notify: mix of 1 s ready while InProgress"
        ]
    );
}
