//! How scripts wait for keys.

use tutti_model::{CloseReason, MediaEvent, PromptOutcome, QueueId, Repeat};

use super::story::*;
use crate::*;

/// `GetDigits` as PerCL has it by default.
fn get_digits() -> GetDigits {
    GetDigits {
        action_url: "http://app/digits".into(),
        initial_timeout: secs(8),
        digit_timeout: secs(5),
        finish_on_key: Some(digit('#')),
        min_digits: 0,
        max_digits: None,
        flush_buffer: false,
        prompts: Vec::new(),
        private: false,
    }
}

fn with_prompts() -> GetDigits {
    GetDigits {
        prompts: vec![
            Prompt::Say(spoken("")),
            Prompt::Say(spoken("your PIN")),
            Prompt::Pause { length: secs(1) },
            Prompt::Play(Play {
                file: "http://app/now.wav".into(),
                repeat: Repeat::Times(2),
                conference: None,
                private: false,
            }),
        ],
        ..get_digits()
    }
}

/// An answered call that waits for a script.
fn answered() -> Story {
    let mut story = Story::begin();
    story.rings('A');
    story.runs('A', [redirect()]);
    story
}

/// A call whose script waits for digits; nobody has pressed any.
fn waiting(how: GetDigits) -> Story {
    let mut story = answered();
    story.runs('A', [Command::GetDigits(how)]);
    story.confirms('A');
    story
}

/// What keys led to, one after another.
fn press(story: &mut Story, keys: &str) -> Vec<String> {
    keys.chars()
        .flat_map(|key| story.presses('A', key))
        .collect()
}

/// A call in which keys are pressed before its script comes, as the outcome of this exchange.
fn typed(keys: &str) -> (Story, u64) {
    let mut story = answered();
    let exchange = story.asked('A');
    press(&mut story, keys);
    (story, exchange)
}

/// The latest prompt is over.
fn heard(story: &mut Story) -> Vec<String> {
    let prompt = story.prompted('A');
    story.hears_it_all('A', prompt)
}

#[test]
fn the_finish_key_ends_the_input_and_is_no_part_of_it() {
    let mut story = waiting(get_digits());
    assert_eq!(press(&mut story, "12"), [""; 0]);
    assert_eq!(press(&mut story, "#"), ["ask: A getDigits '12' FinishKey"]);
    assert_eq!(
        story.runs('A', [hang_up()])[0],
        "fact: A Completed AppHangup"
    );
}

#[test]
fn without_a_finish_key_every_key_is_a_digit() {
    let mut story = waiting(GetDigits {
        finish_on_key: None,
        max_digits: Some(3),
        ..get_digits()
    });
    assert_eq!(
        press(&mut story, "#*#"),
        ["ask: A getDigits '#*#' MaxDigits"]
    );
}

#[test]
fn an_input_without_bounds_ends_after_1024_digits() {
    let mut story = waiting(GetDigits {
        finish_on_key: None,
        ..get_digits()
    });
    assert_eq!(press(&mut story, &"1".repeat(1_023)), [""; 0]);
    let told = press(&mut story, "1");
    assert!(told[0].ends_with("1' MaxDigits"), "{told:?}");
}

#[test]
fn keys_in_the_signalling_count_as_those_in_the_media() {
    let mut story = waiting(GetDigits {
        max_digits: Some(2),
        ..get_digits()
    });
    let signalled = |key| Input::KeySignalled {
        call: call('A'),
        digit: digit(key),
    };
    assert_eq!(story.happens(signalled('4')), [""; 0]);
    // The same press, told of again.
    assert_eq!(story.presses('A', '4'), [""; 0]);
    assert_eq!(
        story.happens(signalled('2')),
        ["ask: A getDigits '42' MaxDigits"]
    );
}

#[test]
fn the_first_key_and_each_further_one_have_their_own_time() {
    let mut story = waiting(get_digits());
    assert_eq!(story.passes(millis(7_999)), [""; 0]);
    assert_eq!(story.passes(millis(1)), ["ask: A getDigits '' Timeout"]);

    let mut story = waiting(get_digits());
    story.passes(secs(7));
    press(&mut story, "1");
    story.passes(secs(4));
    press(&mut story, "2");
    assert_eq!(story.passes(millis(4_999)), [""; 0]);
    assert_eq!(story.passes(millis(1)), ["ask: A getDigits '12' Timeout"]);
}

#[test]
fn fewer_digits_than_asked_for_are_none_and_the_reason_stays() {
    let four = || GetDigits {
        min_digits: 4,
        ..get_digits()
    };
    let mut story = waiting(four());
    assert_eq!(press(&mut story, "123#"), ["ask: A getDigits '' FinishKey"]);
    let mut story = waiting(four());
    press(&mut story, "123");
    assert_eq!(story.passes(secs(5)), ["ask: A getDigits '' Timeout"]);
    let mut story = waiting(four());
    assert_eq!(
        press(&mut story, "1234#"),
        ["ask: A getDigits '1234' FinishKey"]
    );
}

#[test]
fn prompts_follow_one_another_and_then_the_time_for_the_first_key_begins() {
    let mut story = answered();
    assert_eq!(
        story.runs('A', [Command::GetDigits(with_prompts())]),
        ["media: prompt A 'your PIN' in en-US Times(1)"]
    );
    story.confirms('A');
    assert_eq!(story.passes(secs(60)), [""; 0]);
    assert_eq!(
        heard(&mut story),
        ["media: prompt A 1s of silence Times(1)"]
    );
    assert_eq!(
        heard(&mut story),
        ["media: prompt A http://app/now.wav Times(2)"]
    );
    assert_eq!(heard(&mut story), [""; 0]);
    assert_eq!(story.passes(millis(7_999)), [""; 0]);
    assert_eq!(story.passes(millis(1)), ["ask: A getDigits '' Timeout"]);
}

#[test]
fn the_first_key_stops_the_prompt_and_skips_the_rest() {
    let mut story = answered();
    story.runs('A', [Command::GetDigits(with_prompts())]);
    story.confirms('A');
    let prompt = story.prompted('A');
    assert_eq!(story.presses('A', '1'), ["media: stop prompt A"]);
    // Its end was on its way already.
    assert_eq!(story.hears_it_all('A', prompt), [""; 0]);
    assert_eq!(press(&mut story, "2#"), ["ask: A getDigits '12' FinishKey"]);

    let mut story = answered();
    story.runs('A', [Command::GetDigits(with_prompts())]);
    assert_eq!(
        story.presses('A', '#'),
        ["media: stop prompt A", "ask: A getDigits '' FinishKey"]
    );
}

#[test]
fn a_prompt_that_cannot_be_heard_is_logged_and_the_next_follows() {
    let mut story = answered();
    let prompts = vec![
        Prompt::Say(Say {
            private: true,
            ..spoken("your secret")
        }),
        Prompt::Say(spoken("now")),
    ];
    story.runs(
        'A',
        [Command::GetDigits(GetDigits {
            prompts,
            ..get_digits()
        })],
    );
    let fails = |story: &mut Story| {
        let prompt = story.prompted('A');
        story.happens(Input::Media(MediaEvent::PromptFinished {
            call: call('A'),
            prompt,
            outcome: PromptOutcome::Failed("no voice".into()),
        }))
    };
    assert_eq!(
        fails(&mut story),
        [
            "log: Warning: a prompt was not heard",
            "media: prompt A 'now' in en-US Times(1)"
        ]
    );
    assert_eq!(
        fails(&mut story),
        ["log: Warning: a prompt was not heard: no voice"]
    );
}

#[test]
fn keys_that_were_pressed_before_count_at_once_and_skip_the_prompts() {
    let (mut story, exchange) = typed("12");
    assert_eq!(
        story.is_given('A', exchange, [Command::GetDigits(with_prompts())]),
        [""; 0]
    );
    assert_eq!(press(&mut story, "#"), ["ask: A getDigits '12' FinishKey"]);

    // What is left over is for the next.
    let (mut story, exchange) = typed("12#34#5");
    assert_eq!(
        story.is_given('A', exchange, [Command::GetDigits(get_digits())]),
        ["ask: A getDigits '12' FinishKey"]
    );
    assert_eq!(
        story.runs('A', [Command::GetDigits(with_prompts())]),
        ["ask: A getDigits '34' FinishKey"]
    );
    story.runs('A', [Command::GetDigits(with_prompts())]);
    story.confirms('A');
    assert_eq!(story.passes(secs(5)), ["ask: A getDigits '5' Timeout"]);
}

#[test]
fn keys_that_were_pressed_before_do_not_count_where_the_script_says_so() {
    let (mut story, exchange) = typed("12#");
    assert_eq!(
        story.is_given(
            'A',
            exchange,
            [Command::GetDigits(GetDigits {
                flush_buffer: true,
                ..with_prompts()
            })]
        ),
        ["media: prompt A 'your PIN' in en-US Times(1)"]
    );
}

#[test]
fn say_and_play_forget_what_was_pressed_before_them_and_not_what_is_pressed_meanwhile() {
    for command in [say("hello"), play("http://app/hello.wav")] {
        let (mut story, exchange) = typed("99");
        story.is_given('A', exchange, [command, Command::GetDigits(get_digits())]);
        let prompt = story.prompted('A');
        press(&mut story, "1#");
        assert_eq!(
            story.hears_it_all('A', prompt),
            ["ask: A getDigits '1' FinishKey"]
        );
    }
    let (mut story, exchange) = typed("99#");
    assert_eq!(
        story.is_given('A', exchange, [say(""), Command::GetDigits(get_digits())]),
        ["ask: A getDigits '99' FinishKey"]
    );
}

#[test]
fn the_latest_sixty_four_keys_are_remembered() {
    let (mut story, exchange) = typed(&format!("2{}#", "1".repeat(63)));
    let told = story.is_given('A', exchange, [Command::GetDigits(get_digits())]);
    let expected = format!("ask: A getDigits '{}' FinishKey", "1".repeat(63));
    assert_eq!(told.last(), Some(&expected), "{told:?}");
}

#[test]
fn what_is_pressed_before_and_in_a_conference_is_not_for_the_script_that_comes_after_it() {
    let (mut story, exchange) = typed("12#");
    let conference = story.creates(quiet());
    let joining = Command::AddToConference(going_on(starter(conference)));
    story.is_given('A', exchange, [joining]);
    press(&mut story, "34#");
    story.happens(ask_for(conference, RequestedStatus::Empty));
    assert_eq!(story.runs('A', [Command::GetDigits(get_digits())]), [""; 0]);
    assert_eq!(press(&mut story, "5#"), ["ask: A getDigits '5' FinishKey"]);
}

#[test]
fn get_digits_answers_a_call() {
    let mut story = Story::begin();
    story.rings('A');
    assert_eq!(
        story.runs('A', [Command::GetDigits(get_digits())]),
        ["fact: A InProgress", "signal: A Answer"]
    );
}

#[test]
fn who_hangs_up_is_not_told_of_as_digits() {
    let mut story = waiting(get_digits());
    press(&mut story, "12");
    assert_eq!(
        story.hangs_up('A'),
        [
            "fact: A Completed FarEndHangup",
            "notify: A ended FarEndHangup after 0 s",
            "media: close A",
        ]
    );
    assert_eq!(story.plane.next_deadline(), None);
}

#[test]
fn an_application_can_end_a_call_that_waits_for_digits() {
    let mut story = waiting(with_prompts());
    let told = story.happens(Input::UpdateCall {
        account: ACCOUNT,
        call: call('A'),
        change: CallChange::Completed,
    });
    let ended = format!("fact: A Completed {:?}", CloseReason::AppHangup);
    assert_eq!(told[0], ended);
    assert_eq!(story.plane.next_deadline(), None);
}

#[test]
fn private_digits_are_told_as_such_and_never_logged() {
    let mut story = waiting(GetDigits {
        private: true,
        ..get_digits()
    });
    assert_eq!(
        press(&mut story, "1#"),
        ["ask: A getDigits '1' FinishKey in private"]
    );
    assert!(
        !story
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Log(_)))
    );
}

#[test]
fn an_input_that_was_interrupted_does_not_end_the_next() {
    let queue = QueueId::from_bytes([0x99; 20]);
    let mut story = answered();
    let enqueue = Command::Enqueue(Enqueue {
        queue,
        wait_url: "http://app/wait".into(),
        action_url: "http://app/dequeued".into(),
        notification_url: None,
    });
    story.runs('A', [enqueue]);
    story.runs('A', [Command::GetDigits(get_digits())]);
    story.confirms('A');
    press(&mut story, "1");
    story.passes(secs(1));
    let taken_out = story.happens(Input::Dequeue {
        account: ACCOUNT,
        queue,
        who: Waiting::Front,
    });
    assert!(taken_out.last().unwrap().starts_with("ask: A dequeue"));
    story.runs('A', [Command::GetDigits(with_prompts())]);
    assert_eq!(story.passes(secs(60)), [""; 0]);
    assert_eq!(
        press(&mut story, "2#"),
        ["media: stop prompt A", "ask: A getDigits '2' FinishKey"]
    );
}

#[test]
fn a_prompt_is_stopped_when_its_input_is_interrupted() {
    let queue = QueueId::from_bytes([0x99; 20]);
    let mut story = answered();
    let enqueue = Command::Enqueue(Enqueue {
        queue,
        wait_url: "http://app/wait".into(),
        action_url: "http://app/dequeued".into(),
        notification_url: None,
    });
    story.runs('A', [enqueue]);
    story.runs('A', [Command::GetDigits(with_prompts())]);
    let told = story.happens(Input::Dequeue {
        account: ACCOUNT,
        queue,
        who: Waiting::Front,
    });
    assert!(
        told.contains(&"media: stop prompt A".to_owned()),
        "{told:?}"
    );
}
