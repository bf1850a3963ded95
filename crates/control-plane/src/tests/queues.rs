//! How calls wait in queues.

use std::time::Duration;

use tutti_model::{CloseReason, QueueId, Repeat};

use super::story::*;
use crate::*;

const QUEUE: QueueId = QueueId::from_bytes([0x99; 20]);

/// What ends a call, and what that leads to.
type End = fn(&mut Story) -> Vec<String>;

/// `Enqueue` into a queue that is made if need be, with everybody told of everything.
fn enqueue(queue: QueueId) -> Command {
    Command::Enqueue(Enqueue {
        queue,
        wait_url: "http://app/wait".into(),
        action_url: "http://app/dequeued".into(),
        notification_url: Some("http://app/queue".into()),
    })
}

/// A call arrives and its script lets it wait.
fn waits(story: &mut Story, who: char) -> Vec<String> {
    story.rings(who);
    let told = story.runs(who, [enqueue(QUEUE)]);
    story.confirms(who);
    told
}

fn creates(story: &mut Story, options: QueueOptions) -> QueueRecord {
    let account = ACCOUNT;
    match story.accepts(Input::CreateQueue { account, options }) {
        Reply::Queue(record) => record,
        other => panic!("{other:?}"),
    }
}

fn sized(max_size: u32) -> QueueOptions {
    QueueOptions {
        max_size: Some(max_size),
        ..QueueOptions::default()
    }
}

fn look(queue: QueueId) -> Input {
    Input::LookAtQueue {
        account: ACCOUNT,
        queue,
    }
}

fn take_out(who: Waiting) -> Input {
    Input::Dequeue {
        account: ACCOUNT,
        queue: QUEUE,
        who,
    }
}

/// Who waits, in order.
fn members(story: &mut Story, queue: QueueId) -> Vec<QueueMember> {
    match story.accepts(look(queue)) {
        Reply::QueueMembers(members) => members,
        other => panic!("{other:?}"),
    }
}

fn member(who: char, position: u32, since_secs: u64) -> QueueMember {
    QueueMember {
        call: call(who),
        position,
        since: START + secs(since_secs),
    }
}

fn music() -> Command {
    Command::Play(Play {
        file: "http://app/music.wav".into(),
        repeat: Repeat::Times(1),
        conference: None,
        private: false,
    })
}

/// The address that the latest input asks.
fn asked_where(story: &Story) -> &str {
    let url = story.effects.iter().find_map(|effect| match effect {
        Effect::Ask(exchange) => Some(exchange.url.as_str()),
        _ => None,
    });
    url.unwrap()
}

#[test]
fn a_call_joins_a_queue_that_is_made_for_it_and_asks_how_to_wait() {
    let mut story = Story::begin();
    assert_eq!(
        waits(&mut story, 'A'),
        [
            "fact: A InProgress",
            "fact: queue of 0, 0 taken out after 0ns",
            "fact: queue of 1, 0 taken out after 0ns",
            "fact: A InProgress",
            "notify: A addToQueueNotification",
            "signal: A Answer",
            "ask: A queueWait 1 of 1 after 0ns",
        ]
    );
    assert_eq!(asked_where(&story), "http://app/wait");
    let records = story.effects.iter().filter_map(|effect| match effect {
        Effect::Commit(Fact::Call(record)) => Some(record.queue),
        _ => None,
    });
    assert!(records.eq([None, Some(QUEUE)]));
    let queue = story.effects.iter().find_map(|effect| match effect {
        Effect::Commit(Fact::Queue(record)) => Some(record.clone()),
        _ => None,
    });
    let queue = queue.unwrap();
    assert_eq!((queue.id, queue.account), (QUEUE, ACCOUNT));
    assert_eq!((queue.max_size, queue.alias), (100, None));
}

#[test]
fn whoever_comes_later_waits_behind() {
    let mut story = Story::begin();
    waits(&mut story, 'B');
    story.now = story.now + secs(5);
    let told = waits(&mut story, 'A');
    assert_eq!(told.last().unwrap(), "ask: A queueWait 2 of 2 after 0ns");
    assert_eq!(
        members(&mut story, QUEUE),
        [member('B', 1, 0), member('A', 2, 5)]
    );
    story.hangs_up('B');
    assert_eq!(members(&mut story, QUEUE), [member('A', 1, 5)]);
}

#[test]
fn a_waiting_script_runs_again_and_again() {
    let mut story = Story::begin();
    waits(&mut story, 'A');
    assert_eq!(
        story.runs('A', [music()]),
        ["media: prompt A http://app/music.wav Times(1)"]
    );
    story.now = story.now + secs(20);
    let prompt = story.prompted('A');
    assert_eq!(
        story.hears_it_all('A', prompt),
        ["ask: A queueWait 1 of 1 after 20s"]
    );
    let pause = Command::Pause { length: secs(3) };
    assert_eq!(story.runs('A', [pause]), [] as [&str; 0]);
    assert_eq!(story.passes(secs(3)), ["ask: A queueWait 1 of 1 after 23s"]);
}

#[test]
fn a_waiting_script_that_takes_no_time_is_asked_for_once_a_second() {
    let mut story = Story::begin();
    waits(&mut story, 'A');
    for waited in 1..5 {
        // It says nothing, and says so at once.
        assert_eq!(story.runs('A', [say("")]), [] as [&str; 0]);
        assert_eq!(story.passes(Duration::from_millis(999)), [] as [&str; 0]);
        assert_eq!(
            story.passes(Duration::from_millis(1)),
            [format!("ask: A queueWait 1 of 1 after {waited}s")]
        );
    }
    // A second from the question has passed already, but nothing was to be heard.
    story.now = story.now + secs(5);
    assert_eq!(story.runs('A', []), [] as [&str; 0]);
    assert_eq!(story.passes(secs(1)).len(), 1);
    // Half a second of it has passed.
    story.runs(
        'A',
        [Command::Pause {
            length: Duration::from_millis(500),
        }],
    );
    assert_eq!(story.passes(Duration::from_millis(999)), [] as [&str; 0]);
    assert_eq!(story.passes(Duration::from_millis(1)).len(), 1);
}

#[test]
fn a_redirected_waiting_script_still_waits() {
    let mut story = Story::begin();
    waits(&mut story, 'A');
    let redirect = Command::Redirect {
        action_url: "http://app/more".into(),
    };
    let told = story.runs('A', [redirect]);
    assert!(told[0].starts_with("ask: A redirect"), "{told:?}");
    story.now = story.now + secs(2);
    assert_eq!(
        story.runs('A', [say("")]),
        ["ask: A queueWait 1 of 1 after 2s"]
    );
    assert_eq!(members(&mut story, QUEUE).len(), 1);
}

#[test]
fn a_waiting_script_may_end_the_waiting() {
    let mut story = Story::begin();
    waits(&mut story, 'A');
    story.now = story.now + secs(9);
    assert_eq!(
        story.runs('A', [Command::Dequeue]),
        [
            "fact: queue of 0, 1 taken out after 9s",
            "fact: A InProgress",
            "notify: A removeFromQueueNotification Dequeued after 9s",
            "ask: A dequeue Dequeued after 9s",
        ]
    );
    assert_eq!(asked_where(&story), "http://app/dequeued");
    // It is an ordinary call again.
    let told = story.runs('A', []);
    assert_eq!(told[0], "fact: A Completed AppNoPercl");
    assert_eq!(story.plane.next_deadline(), None);
}

#[test]
fn an_application_takes_out_who_has_waited_longest() {
    let mut story = Story::begin();
    waits(&mut story, 'B');
    story.runs('B', [music()]);
    story.now = story.now + secs(4);
    waits(&mut story, 'A');
    let stale = story.asked('A');
    story.now = story.now + secs(6);
    assert_eq!(
        story.accepts(take_out(Waiting::Front)),
        Reply::QueueMember(member('B', 1, 0))
    );
    assert_eq!(
        story.told(),
        [
            "fact: queue of 1, 1 taken out after 10s",
            "fact: B InProgress",
            "notify: B removeFromQueueNotification Dequeued after 10s",
            "media: stop prompt B",
            "ask: B dequeue Dequeued after 10s",
        ]
    );
    let told = story.happens(take_out(Waiting::Call(call('A'))));
    assert_eq!(told[0], "fact: queue of 0, 2 taken out after 16s");
    let asked = story.asked('A');
    // What it was to wait with comes too late.
    let late = Input::ScriptArrived {
        call: call('A'),
        exchange: stale,
        outcome: Ok(Script {
            commands: vec![music()],
        }),
    };
    assert_eq!(story.happens(late), [] as [&str; 0]);
    let hangup = Input::ScriptArrived {
        call: call('A'),
        exchange: asked,
        outcome: Ok(Script {
            commands: vec![Command::Hangup {
                reason: None,
                call: None,
            }],
        }),
    };
    let told = story.happens(hangup);
    assert_eq!(told[0], "fact: A Completed AppHangup");
}

#[test]
fn whoever_rests_is_taken_out_and_asks_nothing_later() {
    let mut story = Story::begin();
    waits(&mut story, 'A');
    story.runs('A', []);
    story.happens(take_out(Waiting::Front));
    assert_eq!(story.passes(secs(5)), [] as [&str; 0]);
}

#[test]
fn nobody_is_taken_out_who_does_not_wait_there() {
    let mut story = Story::begin();
    let nobody = take_out(Waiting::Front);
    assert_eq!(story.refuses(nobody.clone()), Refusal::NoSuchQueue);
    waits(&mut story, 'A');
    story.rings('B');
    let other = take_out(Waiting::Call(call('B')));
    assert_eq!(story.refuses(other), Refusal::NoSuchMember);
    story.hangs_up('A');
    assert_eq!(story.refuses(nobody), Refusal::QueueEmpty);
    let gone = take_out(Waiting::Call(call('A')));
    assert_eq!(story.refuses(gone), Refusal::NoSuchMember);
}

#[test]
fn a_full_queue_sends_its_callers_on() {
    let mut story = Story::begin();
    let queue = creates(&mut story, sized(1)).id;
    for who in ['A', 'B'] {
        story.rings(who);
        story.runs(who, [enqueue(queue)]);
    }
    assert_eq!(
        story.told(),
        [
            "fact: B InProgress",
            "signal: B Answer",
            "ask: B dequeue QueueFull after 0ns"
        ]
    );
    assert_eq!(asked_where(&story), "http://app/dequeued");
    let told = story.runs(
        'B',
        [Command::Hangup {
            reason: None,
            call: None,
        }],
    );
    assert_eq!(told[0], "fact: B Completed AppHangup");
    assert_eq!(members(&mut story, queue), [member('A', 1, 0)]);
}

#[test]
fn whoever_hangs_up_while_waiting_leaves_and_everybody_is_told() {
    let mut story = Story::begin();
    waits(&mut story, 'A');
    story.runs('A', [music()]);
    story.now = story.now + secs(30);
    assert_eq!(
        story.hangs_up('A'),
        [
            "fact: queue of 0, 0 taken out after 0ns",
            "fact: A Completed FarEndHangup",
            "notify: A removeFromQueueNotification Hangup after 30s",
            "notify: A dequeue Hangup after 30s",
            "notify: A ended FarEndHangup after 30 s",
            "media: close A",
        ]
    );
    assert_eq!(story.plane.next_deadline(), None);
    assert_eq!(story.passes(secs(60)), [] as [&str; 0]);
}

#[test]
fn whatever_else_ends_a_waiting_call_takes_it_out_of_its_queue() {
    let endings: [(End, &str, &str); 5] = [
        (
            |story| {
                story.happens(Input::UpdateCall {
                    account: ACCOUNT,
                    call: call('A'),
                    change: CallChange::Completed,
                })
            },
            "AppHangup",
            "Hangup",
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
            "Hangup",
        ),
        (
            |story| {
                let failure = ScriptFailure::Unreachable("no answer".into());
                story.is_answered('A', Err(failure))
            },
            "WebhookFailed",
            "SystemError",
        ),
        (
            |story| story.is_answered('A', Err(ScriptFailure::Invalid("not PerCL".into()))),
            "WebhookInvalidResponse",
            "SystemError",
        ),
        (
            |story| story.passes(secs(24 * 60 * 60)),
            "MaxDuration",
            "Hangup",
        ),
    ];
    for (end, reason, result) in endings {
        let mut story = Story::begin();
        waits(&mut story, 'A');
        let told = end(&mut story);
        assert_eq!(told[0], "fact: queue of 0, 0 taken out after 0ns");
        assert_eq!(told[1], format!("fact: A Completed {reason}"));
        let removed = format!("notify: A removeFromQueueNotification {result} after");
        assert!(told[2].starts_with(&removed), "{told:?}");
        assert_eq!(story.plane.next_deadline(), None);
        assert_eq!(members(&mut story, QUEUE), []);
    }
}

#[test]
fn what_does_not_pass_the_time_is_no_way_to_wait() {
    for (command, name) in [
        (enqueue(QUEUE), "Enqueue"),
        (Command::Unpark, "Unpark"),
        (Command::OutDial(out_dial('B')), "OutDial"),
        (Command::StartRecordCall, "StartRecordCall"),
        (
            Command::AddToConference(starter(tutti_model::ConferenceId::from_bytes([1; 20]))),
            "AddToConference",
        ),
    ] {
        let mut story = Story::begin();
        waits(&mut story, 'A');
        let told = story.runs('A', [command]);
        assert_eq!(told[1], "fact: A Completed PerclProcessingError");
        let line = format!("log: Error: {name}: the call waits in a queue");
        assert!(told.contains(&line), "{told:?}");
        assert_eq!(members(&mut story, QUEUE), []);
    }
}

#[test]
fn nobody_leaves_a_queue_without_being_in_one() {
    let mut story = Story::begin();
    story.rings('A');
    let told = story.runs('A', [Command::Dequeue]);
    let line = "log: Error: Dequeue: the call waits in no queue".to_owned();
    assert!(told.contains(&line), "{told:?}");
}

#[test]
fn another_accounts_queue_is_as_if_there_was_none() {
    let mut story = Story::begin();
    let account = STRANGER;
    let options = QueueOptions::default();
    let Reply::Queue(record) = story.accepts(Input::CreateQueue { account, options }) else {
        panic!("{:?}", story.effects);
    };
    let queue = record.id;
    assert_eq!(story.refuses(look(queue)), Refusal::NoSuchQueue);
    let update = Input::UpdateQueue {
        account: ACCOUNT,
        queue,
        options: sized(5),
    };
    assert_eq!(story.refuses(update), Refusal::NoSuchQueue);
    let dequeue = Input::Dequeue {
        account: ACCOUNT,
        queue,
        who: Waiting::Front,
    };
    assert_eq!(story.refuses(dequeue), Refusal::NoSuchQueue);
    story.rings('A');
    let told = story.runs('A', [enqueue(queue)]);
    let line = "log: Error: Enqueue: there is no such queue".to_owned();
    assert!(told.contains(&line), "{told:?}");
    assert!(
        !told.iter().any(|line| line.contains("queue of")),
        "{told:?}"
    );
}

#[test]
fn an_account_has_as_many_queues_as_it_may() {
    let mut story = Story::with(Limits {
        queues_per_account: 1,
        ..Limits::default()
    });
    let create = |account| Input::CreateQueue {
        account,
        options: QueueOptions::default(),
    };
    story.accepts(create(ACCOUNT));
    assert_eq!(story.refuses(create(ACCOUNT)), Refusal::TooManyQueues);
    story.accepts(create(STRANGER));
    let told = waits(&mut story, 'A');
    assert_eq!(told[1], "fact: A Completed PerclProcessingError");
    let line = "log: Error: Enqueue: the account has as many queues as it may have".to_owned();
    assert!(told.contains(&line), "{told:?}");
}

#[test]
fn a_queue_is_changed_and_what_is_equal_is_no_change() {
    let mut story = Story::begin();
    let record = creates(
        &mut story,
        QueueOptions {
            alias: Some("sales".into()),
            max_size: Some(0),
        },
    );
    assert_eq!((record.max_size, record.revision), (1, 1));
    let update = |options| Input::UpdateQueue {
        account: ACCOUNT,
        queue: record.id,
        options,
    };
    let changed = |reply| match reply {
        Reply::Queue(record) => (record.alias, record.max_size, record.revision),
        other => panic!("{other:?}"),
    };
    let reply = story.accepts(update(sized(5_000)));
    assert_eq!(changed(reply), (Some("sales".into()), 1_000, 2));
    let reply = story.accepts(update(sized(1_000)));
    assert_eq!(changed(reply), (Some("sales".into()), 1_000, 2));
    assert_eq!(story.effects, []);
    let renamed = QueueOptions {
        alias: Some("support".into()),
        max_size: None,
    };
    let reply = story.accepts(update(renamed));
    assert_eq!(changed(reply), (Some("support".into()), 1_000, 3));
}

#[test]
fn whoever_waits_stays_when_the_queue_shrinks() {
    let mut story = Story::begin();
    waits(&mut story, 'A');
    waits(&mut story, 'B');
    story.accepts(Input::UpdateQueue {
        account: ACCOUNT,
        queue: QUEUE,
        options: sized(1),
    });
    assert_eq!(members(&mut story, QUEUE).len(), 2);
    let told = waits(&mut story, 'C');
    assert_eq!(told.last().unwrap(), "ask: C dequeue QueueFull after 0ns");
}

#[test]
fn queues_outlive_a_restart_and_nobody_waits_in_them() {
    let mut story = Story::begin();
    waits(&mut story, 'A');
    story.now = story.now + secs(5);
    story.happens(take_out(Waiting::Front));
    story.runs('A', [enqueue(QUEUE)]);
    let queue = story.effects.iter().find_map(|effect| match effect {
        Effect::Commit(Fact::Queue(record)) => Some(record.clone()),
        _ => None,
    });
    let queue = queue.unwrap();
    assert_eq!(queue.current_size, 1);
    let empty = QueueRecord {
        id: QueueId::from_bytes([1; 20]),
        current_size: 0,
        ..queue.clone()
    };
    let mut next = Story::begin();
    next.now = story.now + secs(60);
    let left = vec![queue, empty];
    next.plane.restore(
        next.now,
        vec![],
        vec![],
        vec![],
        vec![],
        left,
        &mut next.effects,
    );
    assert_eq!(next.told(), ["fact: queue of 0, 1 taken out after 5s"]);
    assert_eq!(members(&mut next, QUEUE), []);
    let told = waits(&mut next, 'A');
    assert_eq!(told[1], "fact: queue of 1, 1 taken out after 5s");
}

#[test]
fn a_call_that_waited_when_the_process_ended_waits_no_more() {
    let mut story = Story::begin();
    waits(&mut story, 'A');
    let call = story.effects.iter().rev().find_map(|effect| match effect {
        Effect::Commit(Fact::Call(record)) => Some(record.clone()),
        _ => None,
    });
    let call = call.unwrap();
    assert_eq!(call.queue, Some(QUEUE));
    let mut next = Story::begin();
    next.plane.restore(
        next.now,
        vec![],
        vec![call],
        vec![],
        vec![],
        vec![],
        &mut next.effects,
    );
    let Some(Effect::Commit(Fact::Call(record))) = next.effects.first() else {
        panic!("{:?}", next.effects);
    };
    assert_eq!(record.ended_reason, Some(CloseReason::InternalError));
    assert_eq!(record.queue, None);
}

#[test]
fn what_was_awaited_in_a_queue_ends_nothing_after_it() {
    let mut story = Story::begin();
    let keys = |prompts| {
        Command::GetDigits(GetDigits {
            action_url: "http://app/digits".into(),
            initial_timeout: secs(5),
            digit_timeout: secs(5),
            finish_on_key: None,
            min_digits: 0,
            max_digits: Some(1),
            flush_buffer: false,
            prompts,
            private: false,
        })
    };
    waits(&mut story, 'A');
    story.runs('A', [keys(Vec::new())]);
    story.passes(secs(4));
    story.happens(take_out(Waiting::Front));
    let next = story.plane.next_deadline();
    assert_eq!(next.unwrap().1, DeadlineReason::MaxDuration);
    // It is told something for longer than the other input would have lasted.
    let pause = Prompt::Pause { length: secs(10) };
    story.runs('A', [keys(vec![pause])]);
    assert_eq!(story.passes(secs(9)), [] as [&str; 0]);
}
