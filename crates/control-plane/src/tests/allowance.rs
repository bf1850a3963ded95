//! What an account may spend on calls that it places.

use std::collections::BTreeMap;
use std::time::Duration;

use tutti_model::{AccountId, CloseReason, Timestamp};

use super::story::*;
use crate::*;

fn limited(outbound: OutboundLimits) -> Story {
    Story::with(Limits {
        outbound,
        ..Limits::default()
    })
}

fn make(account: AccountId) -> Input {
    Input::MakeCall {
        account,
        call: call_to('X'),
    }
}

/// Why the next call is refused, if it is; a call that is placed rings on.
fn places(story: &mut Story, account: AccountId) -> Option<Refusal> {
    let mut effects = Vec::new();
    let result = story.plane.handle(story.now, make(account), &mut effects);
    assert!(result.is_ok() || effects.is_empty());
    result.err()
}

/// What is left of what was asked for by ten requests a second, for so many seconds.
fn placed_in(story: &mut Story, seconds: u64) -> usize {
    let mut placed = 0;
    for _ in 0..seconds * 10 {
        placed += usize::from(places(story, ACCOUNT).is_none());
        story.now = story.now + Duration::from_millis(100);
    }
    placed
}

#[test]
fn an_account_places_as_many_calls_a_second_as_it_may() {
    for (calls_per_second, in_ten_seconds) in [(0, 0), (1, 14), (2, 29), (10, 100)] {
        let mut story = limited(OutboundLimits {
            calls_per_second,
            at_once: 1_000,
            ..OutboundLimits::default()
        });
        assert_eq!(
            placed_in(&mut story, 10),
            in_ten_seconds,
            "{calls_per_second} a second"
        );
    }
}

#[test]
fn what_is_saved_up_is_the_calls_of_five_seconds_and_no_more() {
    let mut story = limited(OutboundLimits {
        at_once: 1_000,
        ..OutboundLimits::default()
    });
    for _ in 0..3 {
        for _ in 0..5 {
            assert_eq!(places(&mut story, ACCOUNT), None);
        }
        assert_eq!(places(&mut story, ACCOUNT), Some(Refusal::DialledTooFast));
        assert_eq!(places(&mut story, STRANGER), None);
        story.now = story.now + secs(3_600);
    }
}

#[test]
fn an_account_has_as_many_calls_at_the_same_time_as_it_may() {
    let mut story = limited(OutboundLimits {
        at_once: 2,
        ..OutboundLimits::default()
    });
    story.places('B', call_to('B'));
    story.places('C', call_to('C'));
    assert_eq!(story.refuses(make(ACCOUNT)), Refusal::TooManyOutboundCalls);
    // Calls that come in cost nothing.
    story.rings('A');
    story.hangs_up('A');
    assert_eq!(story.refuses(make(ACCOUNT)), Refusal::TooManyOutboundCalls);
    assert_eq!(places(&mut story, STRANGER), None);
    story.picks_up('B');
    assert_eq!(story.refuses(make(ACCOUNT)), Refusal::TooManyOutboundCalls);
    story.hangs_up('B');
    assert_eq!(places(&mut story, ACCOUNT), None);
    assert_eq!(story.refuses(make(ACCOUNT)), Refusal::TooManyOutboundCalls);
}

#[test]
fn a_script_that_dials_more_than_it_may_goes_on_and_the_other_call_fails() {
    let mut story = limited(OutboundLimits {
        at_once: 0,
        ..OutboundLimits::default()
    });
    story.rings('A');
    story.places_next('B');
    assert_eq!(
        story.runs('A', [Command::OutDial(out_dial('B'))]),
        [
            "fact: A InProgress",
            "fact: B Queued",
            "fact: B Failed Failed",
            "notify: B outDialConnect Failed",
            "notify: B ended Failed after 0 s",
            "signal: A Answer",
            "log: Error: OutDial: the account has as many outbound calls as it may have at the same \
             time",
            "ask: A outDialStart of B",
        ]
    );
    assert_eq!(story.plane.call_count(), 1);
}

#[test]
fn minutes_count_from_the_answer_and_each_that_has_begun() {
    let mut story = limited(OutboundLimits {
        minutes_per_day: 3,
        ..OutboundLimits::default()
    });
    // It rings for a minute, which costs nothing, and lasts for 61 s, which are two.
    let patient = NewCall {
        timeout: secs(90),
        ..call_to('B')
    };
    story.places('B', patient);
    assert_eq!(story.passes(secs(60)), [] as [&str; 0]);
    story.picks_up('B');
    assert_eq!(story.passes(secs(61)), [] as [&str; 0]);
    story.hangs_up('B');
    // The third minute lasts a second.
    story.places('C', call_to('C'));
    story.picks_up('C');
    story.passes(secs(1));
    story.hangs_up('C');
    assert_eq!(story.refuses(make(ACCOUNT)), Refusal::OutOfMinutes);
    assert_eq!(places(&mut story, STRANGER), None);
}

#[test]
fn calls_end_with_the_last_minute_that_is_theirs() {
    let mut story = limited(OutboundLimits {
        minutes_per_day: 3,
        ..OutboundLimits::default()
    });
    story.places('B', call_to('B'));
    story.places('C', call_to('C'));
    story.picks_up('B');
    story.passes(secs(10));
    story.picks_up('C');
    // The third minute is B's second.
    assert_eq!(story.passes(secs(59)), [] as [&str; 0]);
    let told = story.passes(secs(1));
    assert_eq!(
        told,
        [
            "fact: C Completed MaxDuration",
            "notify: C ended MaxDuration after 70 s",
            "log: Error: the account has used up its minutes of outbound calls for today",
            "signal: C HangUp",
            "media: close C",
        ]
    );
    let told = story.passes(secs(50));
    assert_eq!(told[0], "fact: B Completed MaxDuration");
}

#[test]
fn whoever_picks_up_when_no_minute_is_left_is_not_connected() {
    let mut story = limited(OutboundLimits {
        minutes_per_day: 1,
        ..OutboundLimits::default()
    });
    story.places('B', call_to('B'));
    story.places('C', call_to('C'));
    story.picks_up('B');
    assert_eq!(
        story.picks_up('C'),
        [
            "fact: C Failed MaxDuration",
            "notify: C outDialApiConnect Failed",
            "notify: C ended MaxDuration after 0 s",
            "log: Error: the account has used up its minutes of outbound calls for today",
            "signal: C HangUp",
            "media: close C",
        ]
    );
}

#[test]
fn a_new_day_at_midnight_utc_has_new_minutes() {
    let mut story = limited(OutboundLimits {
        minutes_per_day: 2,
        ..OutboundLimits::default()
    });
    let day_secs = 24 * 60 * 60;
    let into_the_day = story.now.as_secs().unsigned_abs() % day_secs;
    story.now = story.now + secs(day_secs - into_the_day - 90);
    story.places('B', call_to('B'));
    story.picks_up('B');
    // Its third minute begins half a minute after midnight.
    assert_eq!(story.passes(secs(60)), [] as [&str; 0]);
    assert_eq!(story.refuses(make(ACCOUNT)), Refusal::OutOfMinutes);
    assert_eq!(story.passes(secs(119)), [] as [&str; 0]);
    story.places('C', call_to('C'));
    story.hangs_up('C');
    let told = story.passes(secs(61));
    assert_eq!(told[0], "fact: B Completed MaxDuration");
}

#[test]
fn whatever_ends_a_call_gives_its_place_back() {
    let endings: [fn(&mut Story); 5] = [
        |story| {
            story.hangs_up('B');
        },
        |story| {
            story.happens(Input::CallFailed {
                call: call('B'),
                reason: CloseReason::Busy,
                detail: String::new(),
            });
        },
        |story| {
            story.happens(Input::UpdateCall {
                account: ACCOUNT,
                call: call('B'),
                change: CallChange::Canceled,
            });
        },
        |story| {
            story.passes(secs(30));
        },
        |story| {
            story.picks_up('B');
            story.is_answered('B', Err(ScriptFailure::Unreachable("no answer".into())));
        },
    ];
    for end in endings {
        let mut story = limited(OutboundLimits {
            at_once: 1,
            ..OutboundLimits::default()
        });
        story.places('B', call_to('B'));
        assert_eq!(story.refuses(make(ACCOUNT)), Refusal::TooManyOutboundCalls);
        end(&mut story);
        assert_eq!(places(&mut story, ACCOUNT), None);
    }
}

#[test]
fn no_more_minutes_are_used_than_there_are_and_no_call_ends_while_one_is_left() {
    const MINUTES: u128 = 30;
    const MINUTE_MICROS: u128 = 60_000_000;
    let mut cut_off = 0;
    for seed in 0..300_u64 {
        let mut story = limited(OutboundLimits {
            minutes_per_day: MINUTES as u32,
            at_once: 1_000,
            calls_per_second: 1_000,
            ..OutboundLimits::default()
        });
        let mut random = seed;
        let mut below = |bound: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % bound
        };
        // Who talks, since when; and the minutes of those who do no more.
        let mut talk = BTreeMap::new();
        let mut used = 0;
        for who in 'A'..='T' {
            if places_named(&mut story, who) {
                let told = story.picks_up(who);
                if told[0].contains("InProgress") {
                    talk.insert(who, story.now);
                }
                // No two minutes end at the same moment.
                story.now = story.now + Duration::from_micros(1);
            }
            for _ in 0..below(3) {
                let end = story.now + Duration::from_micros(below(90_000_000));
                while let Some((at, _)) = story.plane.next_deadline().filter(|(at, _)| *at < end) {
                    story.now = at;
                    for line in story.happens(Input::Timeout) {
                        if line.ends_with("Completed MaxDuration") {
                            let who = line.chars().nth("fact: ".len()).unwrap();
                            let since = talk.remove(&who).unwrap();
                            let lasted = at.since(since).as_micros();
                            assert_eq!(lasted % MINUTE_MICROS, 0);
                            used += lasted / MINUTE_MICROS;
                            let others = talk.values().map(|since| begun(*since, at));
                            assert_eq!(used + others.sum::<u128>(), MINUTES, "seed {seed}");
                            cut_off += 1;
                        }
                    }
                }
                story.now = end;
                if below(2) == 0
                    && let Some((who, since)) = talk.pop_first()
                {
                    story.hangs_up(who);
                    used += begun(since, end);
                }
            }
            let running = talk.values().map(|since| begun(*since, story.now));
            assert!(used + running.sum::<u128>() <= MINUTES, "seed {seed}");
        }
    }
    assert!(cut_off > 300, "{cut_off}");

    /// The minutes that have begun.
    fn begun(since: Timestamp, now: Timestamp) -> u128 {
        now.since(since).as_micros().div_ceil(MINUTE_MICROS).max(1)
    }

    fn places_named(story: &mut Story, who: char) -> bool {
        story.places_next(who);
        let input = Input::MakeCall {
            account: ACCOUNT,
            call: call_to(who),
        };
        story.effects.clear();
        story
            .plane
            .handle(story.now, input, &mut story.effects)
            .is_ok()
    }
}
