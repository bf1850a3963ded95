//! How calls are parked, and go on.

use super::story::*;
use crate::*;

/// What ends a call, and what that leads to.
type End = fn(&mut Story) -> Vec<String>;

fn park() -> Command {
    Command::Park(Park {
        wait_url: "http://app/wait".into(),
        action_url: "http://app/unparked".into(),
        notification_url: Some("http://app/parked".into()),
    })
}

fn parks(story: &mut Story, who: char) -> Vec<String> {
    story.rings(who);
    let told = story.runs(who, [park()]);
    story.confirms(who);
    told
}

#[test]
fn a_parked_call_waits_with_one_script_after_another_until_one_unparks_it() {
    let mut story = Story::begin();
    assert_eq!(
        parks(&mut story, 'A'),
        [
            "fact: A InProgress",
            "notify: A parkNotification",
            "signal: A Answer",
            "ask: A parkWait after 0ns",
        ]
    );
    assert_eq!(
        story.runs('A', [Command::Pause { length: secs(20) }]),
        [] as [&str; 0]
    );
    assert_eq!(story.passes(secs(20)), ["ask: A parkWait after 20s"]);
    assert_eq!(story.runs('A', []), [] as [&str; 0]);
    assert_eq!(story.passes(secs(1)), ["ask: A parkWait after 21s"]);
    assert_eq!(
        story.runs('A', [Command::Unpark, say("never heard")]),
        ["ask: A unpark after 21s"]
    );
    let url = story.effects.iter().find_map(|effect| match effect {
        Effect::Ask(exchange) => Some(exchange.url.as_str()),
        _ => None,
    });
    assert_eq!(url, Some("http://app/unparked"));
    let told = story.runs('A', []);
    assert_eq!(told[0], "fact: A Completed AppNoPercl");
    assert_eq!(story.plane.next_deadline(), None);
}

#[test]
fn a_parked_call_ends_like_any_other_and_leaves_nothing() {
    let endings: [(End, &str); 5] = [
        (|story| story.hangs_up('A'), "FarEndHangup"),
        (
            |story| {
                story.happens(Input::UpdateCall {
                    account: ACCOUNT,
                    call: call('A'),
                    change: CallChange::Completed,
                })
            },
            "AppHangup",
        ),
        (
            |story| {
                story.runs(
                    'A',
                    [Command::Hangup {
                        reason: None,
                        call: None,
                    }],
                )
            },
            "AppHangup",
        ),
        (
            |story| story.is_answered('A', Err(ScriptFailure::Invalid("not PerCL".into()))),
            "WebhookInvalidResponse",
        ),
        (|story| story.passes(secs(24 * 60 * 60)), "MaxDuration"),
    ];
    for (end, reason) in endings {
        let mut story = Story::begin();
        parks(&mut story, 'A');
        let told = end(&mut story);
        assert_eq!(told[0], format!("fact: A Completed {reason}"));
        let told_of_end = told.iter().filter(|line| line.starts_with("notify: "));
        assert_eq!(told_of_end.count(), 1, "{told:?}");
        assert_eq!(story.plane.next_deadline(), None);
        assert_eq!(story.plane.call_count(), 0);
    }
}

#[test]
fn a_parked_call_runs_nothing_that_does_not_pass_the_time() {
    for (command, name) in [
        (park(), "Park"),
        (Command::Dequeue, "Dequeue"),
        (Command::Reject { reason: None }, "Reject"),
        (Command::StartRecordCall, "StartRecordCall"),
    ] {
        let mut story = Story::begin();
        parks(&mut story, 'A');
        let told = story.runs('A', [command]);
        assert_eq!(told[0], "fact: A Completed PerclProcessingError");
        let line = format!("log: Error: {name}: the call is parked");
        assert!(told.contains(&line), "{told:?}");
    }
}

#[test]
fn nobody_is_unparked_who_is_not_parked() {
    let mut story = Story::begin();
    story.rings('A');
    let told = story.runs('A', [Command::Unpark]);
    assert!(
        told.contains(&"log: Error: Unpark: the call is not parked".into()),
        "{told:?}"
    );
}
