//! How calls are placed, and what becomes of them.

use tutti_model::{CallId, CloseReason, Digit, MediaEvent};

use super::story::*;
use crate::*;

fn fails(who: char, reason: CloseReason) -> Input {
    Input::CallFailed {
        call: call(who),
        reason,
        detail: "486 Busy Here".into(),
    }
}

fn rings_there(who: char) -> Input {
    Input::CallRinging { call: call(who) }
}

fn update(who: char, change: CallChange) -> Input {
    Input::UpdateCall {
        account: ACCOUNT,
        call: call(who),
        change,
    }
}

/// A call arrives and its script places another.
fn dials_out(story: &mut Story, who: char, command: OutDial) -> Vec<String> {
    story.rings(who);
    let callee = command.destination.chars().last().unwrap();
    story.places_next(callee);
    let told = story.runs(who, [Command::OutDial(command)]);
    story.confirms(who);
    told
}

fn keys(keys: &str) -> Vec<Keystroke> {
    let key = |key| Keystroke::Press(Digit::from_char(key).unwrap());
    keys.chars().map(key).collect()
}

fn dial(story: &Story) -> &Dial {
    let dial = story.effects.iter().find_map(|effect| match effect {
        Effect::Dial(dial) => Some(dial),
        _ => None,
    });
    dial.unwrap()
}

fn asked(story: &Story) -> &Exchange {
    let exchange = story.effects.iter().find_map(|effect| match effect {
        Effect::Ask(exchange) => Some(exchange),
        _ => None,
    });
    exchange.unwrap()
}

#[test]
fn a_call_is_dialled_and_asks_for_its_script_when_somebody_picks_up() {
    let mut story = Story::begin();
    assert_eq!(
        story.places('B', call_to('B')),
        ["fact: B Queued", "dial: B from +18005551000 to +44B"]
    );
    assert_eq!(story.happens(rings_there('B')), ["fact: B Ringing"]);
    assert_eq!(story.happens(rings_there('B')), [] as [&str; 0]);
    assert_eq!(
        story.picks_up('B'),
        ["fact: B InProgress", "ask: B outDialApiConnect InProgress"]
    );
    assert_eq!(asked(&story).url, "http://app/connect");
    let exchange = story.asked('B');
    assert_eq!(story.happens(rings_there('B')), [] as [&str; 0]);
    assert_eq!(story.picks_up('B'), [] as [&str; 0]);
    let outcome = Ok(Script {
        commands: vec![Command::Hangup {
            reason: None,
            call: None,
        }],
    });
    story.now = story.now + secs(7);
    assert_eq!(
        story.happens(Input::ScriptArrived {
            call: call('B'),
            exchange,
            outcome,
        }),
        [
            "fact: B Completed AppHangup",
            "notify: B ended AppHangup after 7 s",
            "signal: B HangUp",
            "media: close B",
        ]
    );
    assert_eq!(story.plane.next_deadline(), None);
}

#[test]
fn the_reply_to_a_request_is_the_call_that_waits_to_go_out() {
    let mut story = Story::begin();
    story.places_next('B');
    let reply = story.accepts(Input::MakeCall {
        account: ACCOUNT,
        call: call_to('B'),
    });
    let Reply::Call(record) = reply else {
        panic!("{reply:?}");
    };
    assert_eq!(
        (record.id, record.status, record.direction),
        (call('B'), CallStatus::Queued, Direction::OutboundApi)
    );
    assert_eq!(
        (record.from, record.to),
        ("+18005551000".into(), "+44B".into())
    );
    assert_eq!((record.started, record.connected), (Some(START), None));
    assert_eq!((record.number, record.application), {
        let asked = call_to('B');
        (asked.number, asked.application)
    });
}

#[test]
fn a_call_that_comes_to_nothing_says_so_once_and_ends() {
    for (reason, status) in [
        (CloseReason::Busy, "Busy"),
        (CloseReason::NoAnswer, "NoAnswer"),
        (CloseReason::Failed, "Failed"),
        (CloseReason::CallCanceled, "Canceled"),
    ] {
        let mut story = Story::begin();
        story.places('B', call_to('B'));
        story.happens(rings_there('B'));
        assert_eq!(
            story.happens(fails('B', reason)),
            [
                format!("fact: B {status} {reason:?}"),
                format!("notify: B outDialApiConnect {status}"),
                format!("notify: B ended {reason:?} after 0 s"),
                "log: Warning: the call came to nothing: 486 Busy Here".into(),
                "media: close B".into(),
            ]
        );
        assert_eq!(story.happens(fails('B', reason)), [] as [&str; 0]);
        assert_eq!(story.picks_up('B'), [] as [&str; 0]);
        assert_eq!(story.plane.next_deadline(), None);
    }
}

#[test]
fn nobody_is_rung_for_longer_than_was_asked() {
    let mut story = Story::begin();
    story.places('B', call_to('B'));
    story.happens(rings_there('B'));
    let almost = secs(30) - std::time::Duration::from_micros(1);
    assert_eq!(story.passes(almost), [] as [&str; 0]);
    assert_eq!(
        story.passes(secs(1)),
        [
            "fact: B NoAnswer NoAnswer",
            "notify: B outDialApiConnect NoAnswer",
            "notify: B ended NoAnswer after 30 s",
            "signal: B HangUp",
            "media: close B",
        ]
    );
    // The answer and the giving up have crossed.
    assert_eq!(story.picks_up('B'), [] as [&str; 0]);
    assert_eq!(story.hangs_up('B'), [] as [&str; 0]);
}

#[test]
fn whoever_has_picked_up_in_time_is_not_given_up() {
    let mut story = Story::begin();
    story.places('B', call_to('B'));
    story.picks_up('B');
    assert_eq!(story.passes(secs(59)), [] as [&str; 0]);
}

#[test]
fn an_application_may_cancel_a_call_while_it_waits_or_rings() {
    for change in [CallChange::Canceled, CallChange::Completed] {
        for rings in [false, true] {
            let mut story = Story::begin();
            story.places('B', call_to('B'));
            if rings {
                story.happens(rings_there('B'));
            }
            assert_eq!(
                story.happens(update('B', change)),
                [
                    "fact: B Canceled CallCanceled",
                    "notify: B outDialApiConnect Canceled",
                    "notify: B ended CallCanceled after 0 s",
                    "signal: B HangUp",
                    "media: close B",
                ]
            );
            assert_eq!(story.refuses(update('B', change)), Refusal::NoSuchCall);
        }
    }
}

#[test]
fn a_script_that_dials_goes_on_at_once_and_each_call_with_its_own() {
    let mut story = Story::begin();
    assert_eq!(
        dials_out(&mut story, 'A', out_dial('B')),
        [
            "fact: A InProgress",
            "fact: B Queued",
            "signal: A Answer",
            "dial: B from +18005551000 to +44B",
            "ask: A outDialStart of B",
        ]
    );
    assert_eq!(asked(&story).url, "http://app/dialled");
    let conference = story.creates(quiet());
    story.rings('C');
    story.hangs_up('C');
    story.happens(rings_there('B'));
    assert_eq!(
        story.picks_up('B'),
        ["fact: B InProgress", "ask: B outDialConnect InProgress"]
    );
    let Webhook::OutDialConnect { call: context } = &asked(&story).webhook else {
        panic!("{:?}", story.effects);
    };
    assert_eq!(
        *context,
        CallContext {
            account: ACCOUNT,
            call: call('B'),
            parent: Some(call('A')),
            from: "+18005551000".into(),
            to: "+44B".into(),
            status: CallStatus::InProgress,
            direction: Direction::OutboundDial,
            conference: None,
            queue: None,
        }
    );
    let told = story.runs('B', [Command::AddToConference(starter(conference))]);
    assert!(told.contains(&"media: join B".into()), "{told:?}");
    assert_eq!(
        story.hangs_up('A'),
        [
            "fact: A Completed FarEndHangup",
            "notify: A ended FarEndHangup after 0 s",
            "media: close A",
        ]
    );
    assert_eq!(story.plane.participant_count(), 1);
}

#[test]
fn the_call_that_dials_hears_nothing_of_it_and_its_child_outlives_it() {
    let mut story = Story::begin();
    dials_out(&mut story, 'A', out_dial('B'));
    story.hangs_up('A');
    assert_eq!(story.happens(rings_there('B')), ["fact: B Ringing"]);
    assert_eq!(
        story.happens(fails('B', CloseReason::Busy)),
        [
            "fact: B Busy Busy",
            "notify: B outDialConnect Busy",
            "notify: B ended Busy after 0 s",
            "log: Warning: the call came to nothing: 486 Busy Here",
            "media: close B",
        ]
    );
}

#[test]
fn a_child_has_the_number_of_its_parent_where_it_shows_it() {
    let mut story = Story::begin();
    dials_out(&mut story, 'A', out_dial('B'));
    let passed_on = OutDial {
        calling_number: "+1C".into(),
        ..out_dial('D')
    };
    let number = |story: &Story| {
        story.effects.iter().find_map(|effect| match effect {
            Effect::Commit(Fact::Call(record)) if record.direction == Direction::OutboundDial => {
                Some((record.number, record.application))
            }
            _ => None,
        })
    };
    let parent = application();
    assert_eq!(
        number(&story),
        Some((Some(parent.number), parent.application))
    );
    dials_out(&mut story, 'C', passed_on);
    assert_eq!(number(&story), Some((None, parent.application)));
}

#[test]
fn the_number_of_a_caller_may_be_passed_on_and_no_other() {
    let known = |story: &mut Story, from: &str| {
        story.places_next('X');
        let call = NewCall {
            from: from.into(),
            ..call_to('X')
        };
        let account = ACCOUNT;
        story.accepts(Input::MakeCall { account, call });
        let known = dial(story).from_is_known;
        story.happens(update('X', CallChange::Canceled));
        story.now = story.now + secs(1);
        known
    };
    let mut story = Story::begin();
    assert!(!known(&mut story, "+1A"));
    assert!(!known(&mut story, "+18005551000"));
    story.rings('A');
    assert!(known(&mut story, "+1A"));
    assert!(known(&mut story, "+18005551000"));
    // To be called by somebody proves that he is known; to call anybody proves nothing.
    let claimed = NewCall {
        from: "+666".into(),
        ..call_to('B')
    };
    story.places('B', claimed);
    assert!(!known(&mut story, "+666"));
    assert!(!known(&mut story, "+44B"));
    story.happens(rings_there('B'));
    assert!(known(&mut story, "+666"));
    assert!(!known(&mut story, "+44B"));
    story.picks_up('B');
    assert!(known(&mut story, "+44B"));
    // A SIP URI that answers may be the account's own, whatever number stands in it.
    let uri = "sip:+1911@app.example";
    let own = NewCall {
        to: uri.into(),
        ..call_to('C')
    };
    story.places('C', own);
    story.picks_up('C');
    assert!(!known(&mut story, uri));
    story.hangs_up('C');
    story.hangs_up('A');
    story.hangs_up('B');
    assert!(!known(&mut story, "+1A"));
    assert!(!known(&mut story, "+44B"));
}

#[test]
fn a_call_that_may_ring_for_an_hour_is_given_up_before_its_signalling_is() {
    let mut story = Story::begin();
    let patient = NewCall {
        timeout: secs(3600),
        ..call_to('B')
    };
    story.places('B', patient);
    story.happens(rings_there('B'));
    assert_eq!(story.passes(secs(174)), [""; 0]);
    let told = story.passes(secs(1));
    assert_eq!(told[0], "fact: B NoAnswer NoAnswer");
}

#[test]
fn what_another_account_shows_is_not_known() {
    let mut story = Story::begin();
    story.rings('A');
    story.places_next('X');
    story.accepts(Input::MakeCall {
        account: STRANGER,
        call: NewCall {
            from: "+1A".into(),
            ..call_to('X')
        },
    });
    assert!(!dial(&story).from_is_known);
}

#[test]
fn a_parent_is_a_live_call_of_the_same_account() {
    let child_of = |parent: CallId, account| Input::MakeCall {
        account,
        call: NewCall {
            parent: Some(parent),
            ..call_to('X')
        },
    };
    let mut story = Story::begin();
    let nobody = child_of(call('A'), ACCOUNT);
    assert_eq!(story.refuses(nobody), Refusal::NoSuchCall);
    story.rings('A');
    let strange = child_of(call('A'), STRANGER);
    assert_eq!(story.refuses(strange), Refusal::NoSuchCall);
    story.places('B', call_to('B'));
    let of_queued = child_of(call('B'), ACCOUNT);
    assert_eq!(story.refuses(of_queued.clone()), Refusal::ParentNotLive);
    story.happens(rings_there('B'));
    assert_eq!(story.refuses(of_queued.clone()), Refusal::ParentNotLive);
    story.picks_up('B');
    for parent in ['A', 'B'] {
        let Reply::Call(record) = story.accepts(child_of(call(parent), ACCOUNT)) else {
            panic!("{:?}", story.effects);
        };
        assert_eq!(record.parent, Some(call(parent)));
        assert_eq!(record.direction, Direction::OutboundApi);
    }
    story.hangs_up('B');
    assert_eq!(story.refuses(of_queued), Refusal::NoSuchCall);
}

#[test]
fn a_draining_bridge_places_no_calls() {
    let mut story = Story::begin();
    story.rings('A');
    story.plane.begin_drain();
    let make = Input::MakeCall {
        account: ACCOUNT,
        call: call_to('B'),
    };
    story.places_next('B');
    let told = story.runs('A', [Command::OutDial(out_dial('B'))]);
    assert_eq!(
        told,
        [
            "fact: A InProgress",
            "fact: B Queued",
            "fact: B Failed Failed",
            "notify: B outDialConnect Failed",
            "notify: B ended Failed after 0 s",
            "signal: A Answer",
            "log: Error: OutDial: the bridge is about to stop and takes no new calls",
            "ask: A outDialStart of B",
        ]
    );
    assert_eq!(story.refuses(make), Refusal::Draining);
}

#[test]
fn keys_are_pressed_before_anybody_is_asked() {
    let mut story = Story::begin();
    let call_with_keys = NewCall {
        send_digits: keys("12"),
        ..call_to('B')
    };
    story.places('B', call_with_keys);
    assert_eq!(
        story.picks_up('B'),
        ["fact: B InProgress", "media: press 1 towards B"]
    );
    assert_eq!(
        story.passes(secs(1)),
        [
            "media: press 2 towards B",
            "ask: B outDialApiConnect InProgress"
        ]
    );
}

#[test]
fn whoever_hangs_up_while_keys_are_pressed_was_connected_all_the_same() {
    let mut story = Story::begin();
    let call_with_keys = NewCall {
        send_digits: keys("12"),
        ..call_to('B')
    };
    story.places('B', call_with_keys);
    story.picks_up('B');
    assert_eq!(
        story.hangs_up('B'),
        [
            "fact: B Completed FarEndHangup",
            "notify: B outDialApiConnect Completed",
            "notify: B ended FarEndHangup after 0 s",
            "media: close B",
        ]
    );
    assert_eq!(story.plane.next_deadline(), None);
}

#[test]
fn a_phone_that_still_rings_is_silent_and_not_gone() {
    let mut story = Story::begin();
    let silent = Input::Media(MediaEvent::LegSilent { call: call('B') });
    story.places('B', call_to('B'));
    story.happens(rings_there('B'));
    assert_eq!(story.happens(silent.clone()), [] as [&str; 0]);
    story.picks_up('B');
    let told = story.happens(silent);
    assert_eq!(told[0], "fact: B Completed FarEndHangup");
}

#[test]
fn a_call_that_came_in_is_neither_rung_nor_picked_up() {
    let mut story = Story::begin();
    story.rings('A');
    assert_eq!(story.happens(rings_there('A')), [] as [&str; 0]);
    assert_eq!(story.picks_up('A'), [] as [&str; 0]);
    assert_eq!(
        story.happens(fails('A', CloseReason::Busy)),
        [] as [&str; 0]
    );
    for input in [rings_there('X'), fails('X', CloseReason::Busy)] {
        assert_eq!(story.happens(input), [] as [&str; 0]);
    }
}

#[test]
fn a_call_that_was_placed_lasts_no_longer_than_it_may_from_its_answer_on() {
    let mut story = Story::with(Limits {
        outbound: OutboundLimits {
            call_duration: secs(90),
            ..OutboundLimits::default()
        },
        ..Limits::default()
    });
    let conference = story.creates(quiet());
    story.places('B', call_to('B'));
    story.passes(secs(20));
    story.picks_up('B');
    story.runs('B', [Command::AddToConference(starter(conference))]);
    assert_eq!(story.passes(secs(89)), [] as [&str; 0]);
    let told = story.passes(secs(1));
    assert_eq!(told[0], "fact: B Completed MaxDuration");
    assert!(told.contains(&"signal: B HangUp".into()), "{told:?}");
    assert_eq!(story.plane.next_deadline(), None);
}

#[test]
fn a_participant_may_dial_out_and_stays_with_the_others() {
    let mut story = Story::begin();
    let conference = story.creates(quiet());
    story.joins(
        'A',
        AddToConference {
            allow_call_control: true,
            call_control_sequence: Some("*".into()),
            call_control_url: Some("http://app/control".into()),
            ..starter(conference)
        },
    );
    story.happens(Input::KeySignalled {
        call: call('A'),
        digit: Digit::from_char('*').unwrap(),
    });
    story.places_next('B');
    assert_eq!(
        story.runs('A', [Command::OutDial(out_dial('B'))]),
        [
            "fact: B Queued",
            "dial: B from +18005551000 to +44B",
            "ask: A outDialStart of B",
        ]
    );
    assert_eq!(story.runs('A', []), [] as [&str; 0]);
    assert_eq!(story.plane.participant_count(), 1);
    story.picks_up('B');
    story.runs('B', [Command::AddToConference(starter(conference))]);
    assert_eq!(story.plane.participant_count(), 2);
}

#[test]
fn the_longest_duration_of_any_call_holds_from_its_beginning_on() {
    let mut story = Story::with(Limits {
        call_duration: secs(60),
        ..Limits::default()
    });
    story.places('B', call_to('B'));
    story.passes(secs(20));
    story.picks_up('B');
    assert_eq!(story.passes(secs(39)), [] as [&str; 0]);
    let told = story.passes(secs(1));
    assert_eq!(told[0], "fact: B Completed MaxDuration");
}
