//! What callers say, recorded and turned into text.

use std::time::Duration;

use tutti_model::{MediaEvent, RecordingFailure, RecordingId};

use super::story::*;
use crate::*;

/// `RecordUtterance`, with a bound of each kind.
fn record() -> RecordUtterance {
    RecordUtterance {
        action_url: "http://app/recorded".into(),
        silence_timeout: Some(secs(3)),
        finish_on_key: Some(digit('#')),
        max_length: secs(60),
        play_beep: false,
        awaits_voice: false,
        private: false,
    }
}

fn transcribe() -> TranscribeUtterance {
    TranscribeUtterance {
        action_url: "http://app/text".into(),
        play_beep: false,
        save_recording: true,
        max_length: secs(60),
        silence_timeout: Some(secs(3)),
        private_log: false,
        private_recording: false,
        prompts: Vec::new(),
    }
}

/// An answered call that waits for a script.
fn answered() -> Story {
    let mut story = Story::begin();
    story.rings('A');
    story.runs('A', [redirect()]);
    story
}

/// A caller who is recorded, from now on.
fn recording(how: RecordUtterance) -> (Story, RecordingId) {
    let mut story = answered();
    story.runs('A', [Command::RecordUtterance(how)]);
    let recording = story.recording(Some('A'));
    story.confirms('A');
    (story, recording)
}

/// A caller whose words become text.
fn transcribing(how: TranscribeUtterance) -> (Story, RecordingId) {
    let mut story = answered();
    story.runs('A', [Command::TranscribeUtterance(how)]);
    let recording = story.recording(Some('A'));
    story.confirms('A');
    (story, recording)
}

fn understood(recording: RecordingId, text: Result<&str, &str>) -> Input {
    Input::Transcribed {
        call: call('A'),
        recording,
        outcome: text.map_err(str::to_owned).map(|text| Transcript {
            text: text.into(),
            took: secs(1),
        }),
    }
}

fn fails(recording: RecordingId) -> Input {
    Input::Media(MediaEvent::RecordingFailed {
        recording,
        failure: RecordingFailure::DiskFull,
    })
}

const STOPPED: [&str; 2] = ["media: stop recording A", "media: watch A false"];

#[test]
fn a_caller_is_recorded_until_the_finish_key_and_then_the_application_is_asked() {
    let mut story = answered();
    assert_eq!(
        story.runs('A', [Command::RecordUtterance(record())]),
        [
            "fact: recording A open",
            "media: start recording A of Caller",
            "media: watch A true",
        ]
    );
    let recording = story.recording(Some('A'));
    story.confirms('A');
    story.speaks('A', true);
    assert_eq!(story.presses('A', '5'), [""; 0]);
    assert_eq!(story.presses('A', '#'), STOPPED);
    assert_eq!(
        story.is_ready(recording, millis(1_500)),
        [
            "fact: recording A ready",
            "ask: A record recording A of 1.5s and 44 bytes FinishKey",
        ]
    );
    let told = story.runs('A', [hang_up()]);
    assert_eq!(told[0], "fact: A Completed AppHangup");
    assert_eq!(story.plane.next_deadline(), None);
}

#[test]
fn the_beep_comes_first_and_is_not_recorded() {
    let mut story = answered();
    let how = RecordUtterance {
        play_beep: true,
        ..record()
    };
    assert_eq!(
        story.runs('A', [Command::RecordUtterance(how)]),
        ["media: prompt A a beep Times(1)"]
    );
    let beep = story.prompted('A');
    // Nothing has begun that a key could end.
    assert_eq!(story.presses('A', '#'), [""; 0]);
    assert_eq!(
        story.hears_it_all('A', beep),
        [
            "fact: recording A open",
            "media: start recording A of Caller",
            "media: watch A true",
        ]
    );
}

#[test]
fn silence_ends_a_recording_whenever_it_begins() {
    let (mut story, recording) = recording(record());
    assert_eq!(story.passes(millis(2_999)), [""; 0]);
    story.speaks('A', true);
    assert_eq!(story.passes(secs(20)), [""; 0]);
    story.speaks('A', false);
    story.passes(millis(2_900));
    story.speaks('A', true);
    story.speaks('A', false);
    assert_eq!(story.passes(millis(2_999)), [""; 0]);
    assert_eq!(story.passes(millis(1)), STOPPED);
    assert_eq!(
        story.is_ready(recording, secs(28))[1],
        "ask: A record recording A of 28s and 44 bytes Timeout"
    );
}

#[test]
fn who_never_speaks_is_recorded_in_silence() {
    let (mut story, recording) = recording(record());
    assert_eq!(story.passes(secs(3)), STOPPED);
    assert_eq!(
        story.is_ready(recording, secs(3))[1],
        "ask: A record recording A of 3s and 44 bytes Timeout"
    );
}

#[test]
fn a_recording_is_no_longer_than_it_may_be() {
    let (mut story, recording) = recording(RecordUtterance {
        silence_timeout: None,
        finish_on_key: None,
        max_length: secs(10),
        ..record()
    });
    assert_eq!(story.presses('A', '#'), [""; 0]);
    story.speaks('A', true);
    assert_eq!(story.passes(millis(9_999)), [""; 0]);
    assert_eq!(story.passes(millis(1)), STOPPED);
    assert_eq!(
        story.is_ready(recording, secs(10))[1],
        "ask: A record recording A of 10s and 44 bytes MaxLength"
    );
}

#[test]
fn what_begins_with_the_first_word_waits_for_it_and_is_nothing_without_it() {
    let waits = || RecordUtterance {
        awaits_voice: true,
        ..record()
    };
    let (mut story, recording) = self::recording(waits());
    // No silence ends what has not begun.
    story.speaks('A', false);
    story.passes(secs(30));
    story.speaks('A', true);
    story.speaks('A', false);
    assert_eq!(story.passes(secs(3)), STOPPED);
    assert_eq!(
        story.is_ready(recording, secs(33))[1],
        "ask: A record recording A of 33s and 44 bytes Timeout"
    );

    let (mut story, recording) = self::recording(waits());
    assert_eq!(
        story.passes(secs(60)),
        [
            "media: stop recording A",
            "media: watch A false",
            "ask: A record nothing MaxLength",
        ]
    );
    assert_eq!(
        story.is_ready(recording, secs(60)),
        ["fact: recording A ready, kept for 0ns"]
    );
}

#[test]
fn a_private_recording_is_kept_for_two_minutes() {
    let (mut story, recording) = recording(RecordUtterance {
        private: true,
        ..record()
    });
    story.passes(secs(3));
    assert_eq!(
        story.is_ready(recording, secs(3)),
        [
            "fact: recording A ready, kept for 120s",
            "ask: A record recording A of 3s and 44 bytes Timeout in private",
        ]
    );

    // Its privacy outlives the process.
    let how = RecordUtterance {
        private: true,
        ..record()
    };
    let told = answered().runs('A', [Command::RecordUtterance(how)]);
    assert_eq!(told[0], "fact: recording A open, kept for 180s");
}

#[test]
fn a_recording_that_fails_lets_the_call_go_on() {
    let (mut story, recording) = recording(record());
    let log = format!("log: Warning: recording {recording} ended early: the disk is full");
    assert_eq!(
        story.happens(fails(recording)),
        [
            "fact: recording A failed".to_owned(),
            log,
            "media: watch A false".to_owned(),
            "ask: A record nothing Failed".to_owned(),
        ]
    );
    assert_eq!(story.presses('A', '#'), [""; 0]);
}

#[test]
fn a_file_that_is_never_complete_does_not_hold_the_call_up() {
    let (mut story, recording) = recording(record());
    story.presses('A', '#');
    let log = format!("log: Warning: recording {recording} is not complete in time");
    assert_eq!(story.passes(millis(9_999)), [""; 0]);
    assert_eq!(
        story.passes(millis(1)),
        [log, "ask: A record nothing Failed".to_owned()]
    );
    assert_eq!(
        story.is_ready(recording, secs(1)),
        ["fact: recording A ready"]
    );
}

#[test]
fn a_recording_that_ends_by_itself_is_as_long_as_it_could_be() {
    let (mut story, recording) = recording(record());
    assert_eq!(
        story.is_ready(recording, secs(1)),
        [
            "fact: recording A ready",
            "media: watch A false",
            "ask: A record recording A of 1s and 44 bytes MaxLength",
        ]
    );
}

#[test]
fn who_hangs_up_while_he_speaks_has_said_it_and_the_application_is_told_when_it_is_complete() {
    let (mut story, recording) = recording(record());
    story.speaks('A', true);
    assert_eq!(
        story.hangs_up('A'),
        [
            "fact: A Completed FarEndHangup",
            "notify: A ended FarEndHangup after 0 s",
            "media: stop recording A",
            "media: close A",
        ]
    );
    assert_eq!(story.plane.next_deadline(), None);
    assert_eq!(
        story.is_ready(recording, secs(4)),
        [
            "fact: recording A ready",
            "notify: A record recording A of 4s and 44 bytes Hangup",
        ]
    );
    assert_eq!(story.is_ready(recording, secs(4)), [""; 0]);
}

#[test]
fn who_hangs_up_before_he_speaks_leaves_nothing() {
    let mut story = answered();
    let how = RecordUtterance {
        play_beep: true,
        ..record()
    };
    story.runs('A', [Command::RecordUtterance(how)]);
    assert_eq!(story.hangs_up('A')[2], "notify: A record nothing Hangup");

    let (mut story, recording) = recording(RecordUtterance {
        awaits_voice: true,
        ..record()
    });
    assert_eq!(story.hangs_up('A')[2], "notify: A record nothing Hangup");
    assert_eq!(
        story.is_ready(recording, secs(1)),
        ["fact: recording A ready, kept for 0ns"]
    );
}

#[test]
fn who_hangs_up_after_he_has_finished_has_finished() {
    let (mut story, recording) = recording(record());
    story.presses('A', '#');
    story.hangs_up('A');
    assert_eq!(story.plane.next_deadline(), None);
    assert_eq!(
        story.is_ready(recording, secs(4))[1],
        "notify: A record recording A of 4s and 44 bytes FinishKey"
    );
}

#[test]
fn a_recording_that_fails_after_the_call_is_told_of_as_failed() {
    let (mut story, recording) = recording(record());
    story.hangs_up('A');
    assert_eq!(
        story.happens(fails(recording))[..2],
        [
            "fact: recording A failed",
            "notify: A record nothing Failed"
        ]
    );
}

#[test]
fn keys_that_are_pressed_once_all_is_said_are_for_the_next_script() {
    let (mut story, recording) = recording(record());
    story.presses('A', '#');
    story.presses('A', '7');
    story.is_ready(recording, secs(1));
    let digits = GetDigits {
        action_url: "http://app/digits".into(),
        initial_timeout: secs(8),
        digit_timeout: secs(5),
        finish_on_key: None,
        min_digits: 0,
        max_digits: Some(1),
        flush_buffer: false,
        prompts: Vec::new(),
        private: false,
    };
    assert_eq!(
        story.runs('A', [Command::GetDigits(digits)]),
        ["ask: A getDigits '7' MaxDigits"]
    );
}

#[test]
fn what_was_said_becomes_text() {
    let (mut story, recording) = transcribing(transcribe());
    story.speaks('A', true);
    story.speaks('A', false);
    assert_eq!(story.passes(secs(3)), STOPPED);
    assert_eq!(
        story.is_ready(recording, secs(2)),
        ["fact: recording A ready", "transcribe: recording A of A",]
    );
    assert_eq!(
        story.happens(understood(recording, Ok("good morning"))),
        ["ask: A transcribe recording A of 2s and 44 bytes Timeout 'good morning'"]
    );
    let exchange = story.asked('A');
    assert_eq!(
        story.happens(understood(recording, Ok("once more"))),
        [""; 0]
    );
    let told = story.is_given('A', exchange, [hang_up()]);
    assert_eq!(told[0], "fact: A Completed AppHangup");
    assert_eq!(story.plane.next_deadline(), None);
}

#[test]
fn a_key_skips_what_tells_a_caller_to_speak_and_another_ends_what_he_says() {
    let mut story = answered();
    let how = TranscribeUtterance {
        play_beep: true,
        prompts: vec![
            Prompt::Say(spoken("who are you?")),
            Prompt::Pause { length: secs(1) },
        ],
        ..transcribe()
    };
    assert_eq!(
        story.runs('A', [Command::TranscribeUtterance(how)]),
        ["media: prompt A 'who are you?' in en-US Times(1)"]
    );
    assert_eq!(
        story.presses('A', '1'),
        ["media: stop prompt A", "media: prompt A a beep Times(1)"]
    );
    let beep = story.prompted('A');
    story.hears_it_all('A', beep);
    let recording = story.recording(Some('A'));
    assert_eq!(story.presses('A', '2'), STOPPED);
    story.is_ready(recording, secs(2));
    assert_eq!(
        story.happens(understood(recording, Ok("me"))),
        ["ask: A transcribe recording A of 2s and 44 bytes FinishKey 'me' by 2"]
    );
}

#[test]
fn prompts_are_heard_one_after_another_before_the_caller_speaks() {
    let mut story = answered();
    let how = TranscribeUtterance {
        prompts: vec![
            Prompt::Say(spoken("who are you?")),
            Prompt::Pause { length: secs(1) },
        ],
        ..transcribe()
    };
    story.runs('A', [Command::TranscribeUtterance(how)]);
    let who = story.prompted('A');
    assert_eq!(
        story.hears_it_all('A', who),
        ["media: prompt A 1s of silence Times(1)"]
    );
    let silence = story.prompted('A');
    assert_eq!(
        story.hears_it_all('A', silence)[0],
        "fact: recording A open"
    );
}

#[test]
fn what_is_wanted_for_its_text_alone_is_deleted_once_that_is_known() {
    let alone = || TranscribeUtterance {
        save_recording: false,
        private_log: true,
        ..transcribe()
    };
    for outcome in [Ok("good morning"), Err("no engine")] {
        let (mut story, recording) = transcribing(alone());
        story.presses('A', '#');
        assert_eq!(
            story.is_ready(recording, secs(2))[0],
            "fact: recording A ready, kept for 120s"
        );
        let told = story.happens(understood(recording, outcome));
        let text = match outcome {
            Ok(text) => format!("'{text}'"),
            Err(why) => format!("not known: {why}"),
        };
        let warning = format!("log: Warning: recording {recording} is not transcribed: no engine");
        let expected = [
            Some("fact: recording A ready, kept for 0ns".to_owned()),
            outcome.is_err().then_some(warning),
            Some(format!(
                "ask: A transcribe nothing FinishKey {text} by # without a word in the log"
            )),
        ];
        assert_eq!(told, expected.into_iter().flatten().collect::<Vec<_>>());
        let Some(Effect::Commit(Fact::Recording(record))) = story.effects.first() else {
            panic!("{:?}", story.effects);
        };
        assert_eq!(record.revision, 3);
    }
}

#[test]
fn a_text_that_takes_too_long_does_not_hold_the_call_up() {
    let (mut story, recording) = transcribing(transcribe());
    story.presses('A', '#');
    story.is_ready(recording, secs(2));
    assert_eq!(story.passes(millis(59_999)), [""; 0]);
    let warning =
        format!("log: Warning: recording {recording} is not transcribed: it took too long");
    assert_eq!(
        story.passes(millis(1)),
        [
            warning.as_str(),
            "ask: A transcribe recording A of 2s and 44 bytes FinishKey not known: it took too long \
             by #"
        ]
    );
    assert_eq!(story.happens(understood(recording, Ok("late"))), [""; 0]);
}

#[test]
fn who_hangs_up_is_understood_all_the_same() {
    // While he speaks.
    let (mut story, recording) = transcribing(transcribe());
    story.hangs_up('A');
    assert_eq!(
        story.is_ready(recording, secs(2))[1],
        "transcribe: recording A of A"
    );
    assert_eq!(
        story.happens(understood(recording, Ok("good bye"))),
        ["notify: A transcribe recording A of 2s and 44 bytes Hangup 'good bye'"]
    );
    assert_eq!(story.plane.next_deadline(), None);

    // While he waits to be understood; and nobody understands him.
    let (mut story, recording) = transcribing(transcribe());
    story.presses('A', '#');
    story.is_ready(recording, secs(2));
    story.hangs_up('A');
    let warning =
        format!("log: Warning: recording {recording} is not transcribed: it took too long");
    assert_eq!(
        story.passes(Duration::from_secs(60)),
        [
            "notify: A transcribe recording A of 2s and 44 bytes FinishKey not known: it took too \
             long by #",
            warning.as_str(),
        ]
    );
    assert_eq!(story.plane.next_deadline(), None);
    assert_eq!(story.happens(understood(recording, Ok("late"))), [""; 0]);
}

#[test]
fn what_cannot_be_recorded_cannot_be_understood() {
    let (mut story, recording) = transcribing(transcribe());
    let told = story.happens(fails(recording));
    assert_eq!(
        told[3],
        "ask: A transcribe nothing Failed not known: it could not be recorded"
    );
}

#[test]
fn the_text_of_another_recording_is_not_taken_for_this_one() {
    let (mut story, recording) = transcribing(transcribe());
    story.presses('A', '#');
    assert_eq!(story.happens(understood(recording, Ok("early"))), [""; 0]);
    story.is_ready(recording, secs(2));
    let another = RecordingId::from_bytes([9; 20]);
    assert_eq!(story.happens(understood(another, Ok("strange"))), [""; 0]);
    assert_eq!(story.happens(understood(recording, Ok("mine"))).len(), 1);
}

#[test]
fn an_interrupted_recording_is_repaired_and_nobody_is_asked() {
    let (story, recording) = recording(record());
    let Some(Effect::Commit(Fact::Recording(open))) = story.effects.first() else {
        panic!("{:?}", story.effects);
    };
    let private = RecordingRecord {
        id: RecordingId::from_bytes([7; 20]),
        kept_until: Some(story.now + secs(180)),
        ..open.clone()
    };
    let mut after = Story::begin();
    let recordings = vec![open.clone(), private.clone()];
    let (now, nothing) = (after.now, Vec::new());
    after.plane.restore(
        now,
        Vec::new(),
        Vec::new(),
        Vec::new(),
        recordings,
        nothing,
        &mut after.effects,
    );
    assert_eq!(
        after.is_ready(recording, secs(4)),
        ["fact: recording A ready"]
    );
    assert_eq!(
        after.is_ready(private.id, secs(4)),
        ["fact: recording A ready, kept for 120s"]
    );
}

#[test]
fn a_machine_that_is_recorded_is_so_until_it_is_known_to_be_one() {
    let mut story = Story::begin();
    let call = NewCall {
        if_machine: Some(IfMachine::Redirect {
            url: "http://app/machine".into(),
        }),
        ..call_to('A')
    };
    story.places('A', call);
    story.picks_up('A');
    let how = RecordUtterance {
        silence_timeout: None,
        ..record()
    };
    assert_eq!(
        story.runs('A', [Command::RecordUtterance(how)]),
        [
            "fact: recording A open",
            "media: start recording A of Caller",
            "media: watch A true",
        ]
    );
    let recording = story.recording(Some('A'));
    story.speaks('A', true);
    assert_eq!(
        story.passes(secs(3)),
        [
            "fact: A InProgress",
            "media: stop recording A",
            "media: watch A false",
            "ask: A machineDetected AnsweringMachine",
        ]
    );
    // Nobody is told of what was recorded.
    assert_eq!(
        story.is_ready(recording, secs(3)),
        ["fact: recording A ready"]
    );
    assert_eq!(story.passes(secs(59)), [""; 0]);
}

#[test]
fn a_person_who_is_recorded_is_listened_to_on() {
    let mut story = Story::begin();
    let call = NewCall {
        if_machine: Some(IfMachine::HangUp),
        ..call_to('A')
    };
    story.places('A', call);
    story.picks_up('A');
    story.runs('A', [Command::RecordUtterance(record())]);
    story.speaks('A', true);
    story.now = story.now + millis(500);
    story.speaks('A', false);
    // It is known to be a person now, and the silence still counts.
    assert_eq!(story.passes(millis(2_999)), ["fact: A InProgress"]);
    assert_eq!(story.passes(millis(1)), STOPPED);
}
