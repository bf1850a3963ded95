//! What the store promises, on real files.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use tempfile::TempDir;
use tutti_control_plane::*;
use tutti_model::*;

use crate::*;

const OURS: AccountId = AccountId::from_bytes([1; 20]);
const THEIRS: AccountId = AccountId::from_bytes([2; 20]);

#[tokio::test]
async fn every_record_reads_back_as_it_was_written() {
    let store = Store::open("sqlite::memory:").await.unwrap();
    let account = account();
    store.put_account(&account).await.unwrap();
    assert_eq!(store.account(OURS).await.unwrap(), Some(account.clone()));
    assert_eq!(store.accounts().await.unwrap(), [account]);
    assert_eq!(store.account(THEIRS).await.unwrap(), None);

    let application = application(1);
    store.put_application(&application).await.unwrap();
    let read = store.application(OURS, application.id).await.unwrap();
    assert_eq!(read, Some(application.clone()));

    let number = number(1, Some(application.id));
    store.put_number(&number).await.unwrap();
    let read = store.number(OURS, number.id).await.unwrap();
    assert_eq!(read, Some(number.clone()));
    let read = store.dialled_number("+15550001").await.unwrap();
    assert_eq!(read, Some(number.clone()));

    let conference = conference(1);
    let participant = participant(1, 1);
    let call = CallRecord {
        application: Some(application.id),
        parent: Some(call_id(9)),
        number: Some(number.id),
        conference: Some(conference.id),
        queue: Some(queue(1).id),
        answered_by: Some(AnsweredBy::Machine),
        ended_reason: Some(CloseReason::FarEndHangup),
        connected: Some(at(20)),
        ended: Some(at(30)),
        ..call(1)
    };
    let recordings = [
        recording(1, RecordingStatus::Open),
        recording(
            2,
            RecordingStatus::Ready {
                duration: Duration::from_micros(1_234_567),
                size_bytes: 5 << 30,
            },
        ),
        recording(
            3,
            RecordingStatus::Failed {
                reason: "the disk is full".to_owned(),
            },
        ),
        RecordingRecord {
            kept_until: Some(at(3_600)),
            ..recording(4, RecordingStatus::Open)
        },
    ];
    let mut facts = vec![
        Fact::Conference(conference.clone()),
        Fact::Participant(participant.clone()),
        Fact::Call(call.clone()),
    ];
    facts.extend(recordings.iter().cloned().map(Fact::Recording));
    let line = LogLine {
        url: Some("https://app.example/status".to_owned()),
        metadata: Some("{\"status\":200}".to_owned()),
        ..line(1)
    };
    store
        .commit(&facts, &[], std::slice::from_ref(&line))
        .await
        .unwrap();

    let read = store.conference(OURS, conference.id).await.unwrap();
    assert_eq!(read, Some(conference.clone()));
    let read = store
        .participant(OURS, conference.id, participant.call)
        .await
        .unwrap();
    assert_eq!(read, Some(participant.clone()));
    assert_eq!(store.call(OURS, call.id).await.unwrap(), Some(call));
    for recording in recordings {
        let read = store.recording(OURS, recording.id).await.unwrap();
        assert_eq!(read, Some(recording));
    }
    let logs = store.logs(OURS, &LogFilter::default(), &all()).await;
    assert_eq!(logs.unwrap().items[0].line, line);

    let gone = Fact::ParticipantGone {
        conference: conference.id,
        call: participant.call,
    };
    store.commit(&[gone], &[], &[]).await.unwrap();
    let read = store
        .participant(OURS, conference.id, participant.call)
        .await;
    assert_eq!(read.unwrap(), None);
}

#[tokio::test]
async fn a_fact_replaces_the_one_before_it() {
    let store = Store::open("sqlite::memory:").await.unwrap();
    commit(&store, [Fact::Conference(conference(1))]).await;
    let changed = ConferenceRecord {
        status: ConferenceStatus::Terminated,
        alias: None,
        revision: 2,
        updated: at(99),
        ..conference(1)
    };
    commit(&store, [Fact::Conference(changed.clone())]).await;
    let read = store.conference(OURS, changed.id).await.unwrap();
    assert_eq!(read, Some(changed));
}

#[tokio::test]
async fn words_of_every_kind_read_back_as_they_were_written() {
    let store = Store::open("sqlite::memory:").await.unwrap();
    let beeps = [
        PlayBeep::Always,
        PlayBeep::Never,
        PlayBeep::EntryOnly,
        PlayBeep::ExitOnly,
    ];
    for (n, play_beep) in (1..).zip(beeps) {
        let record = ConferenceRecord {
            play_beep,
            ..conference(n)
        };
        commit(&store, [Fact::Conference(record.clone())]).await;
        let read = store.conference(OURS, record.id).await.unwrap();
        assert_eq!(read, Some(record));
    }
    let words = [
        (CallStatus::Queued, Direction::Inbound, CloseReason::Busy),
        (
            CallStatus::NoAnswer,
            Direction::OutboundApi,
            CloseReason::MaxDuration,
        ),
        (
            CallStatus::Canceled,
            Direction::OutboundDial,
            CloseReason::AppNoPercl,
        ),
    ];
    for (n, (status, direction, reason)) in (1..).zip(words) {
        let record = CallRecord {
            status,
            direction,
            ended_reason: Some(reason),
            answered_by: Some(AnsweredBy::Human),
            ..call(n)
        };
        commit(&store, [Fact::Call(record.clone())]).await;
        let read = store.call(OURS, record.id).await.unwrap();
        assert_eq!(read, Some(record));
    }
}

#[tokio::test]
async fn filters_leave_in_only_what_was_asked_for() {
    let store = Store::open("sqlite::memory:").await.unwrap();
    let mut facts = Vec::new();
    for n in 1..=4 {
        facts.push(Fact::Conference(ConferenceRecord {
            status: if n % 2 == 0 {
                ConferenceStatus::InProgress
            } else {
                ConferenceStatus::Empty
            },
            alias: Some(format!("alias {n}")),
            ..conference(n)
        }));
        facts.push(Fact::Participant(ParticipantRecord {
            talk: n <= 2,
            listen: n == 1,
            dtmf_pass_through: n == 4,
            ..participant(1, n)
        }));
        facts.push(Fact::Call(CallRecord {
            status: if n <= 2 {
                CallStatus::InProgress
            } else {
                CallStatus::Completed
            },
            to: format!("+1{n}"),
            from: "alice".to_owned(),
            parent: (n == 3).then(|| call_id(1)),
            application: (n >= 2).then(|| ApplicationId::from_bytes([n; 20])),
            ended: (n >= 3).then(|| at(100 + i64::from(n))),
            ..call(n)
        }));
        facts.push(Fact::Recording(RecordingRecord {
            call: (n == 4).then(|| call_id(4)),
            conference: (n != 4).then(|| conference_id(n % 2)),
            status: if n < 3 {
                RecordingStatus::Open
            } else {
                RecordingStatus::Failed {
                    reason: "the disk is full".to_owned(),
                }
            },
            ..recording(n, RecordingStatus::Open)
        }));
    }
    commit(&store, facts).await;
    for n in 1..=2 {
        store.put_application(&application(n)).await.unwrap();
        let answers = (n == 1).then(|| application(1).id);
        store.put_number(&number(n, answers)).await.unwrap();
    }

    let conferences = async |filter: ConferenceFilter| {
        let found = store.conferences(OURS, &filter, &all()).await.unwrap();
        assert_eq!(found.total, found.items.len() as u64);
        numbers_of(found.items.iter().map(|item| item.id.as_bytes()[0]))
    };
    let everything = ConferenceFilter::default();
    assert_eq!(conferences(everything.clone()).await, [4, 3, 2, 1]);
    let in_progress = ConferenceFilter {
        status: Some(ConferenceStatus::InProgress),
        ..everything.clone()
    };
    assert_eq!(conferences(in_progress).await, [4, 2]);
    let named = ConferenceFilter {
        alias: Some("alias 3".to_owned()),
        ..everything.clone()
    };
    assert_eq!(conferences(named).await, [3]);
    let second_and_third = TimeRange {
        from: Some(at(2)),
        until: Some(at(4)),
    };
    let created = ConferenceFilter {
        date_created: second_and_third,
        ..everything.clone()
    };
    assert_eq!(conferences(created).await, [3, 2]);
    let updated = ConferenceFilter {
        date_updated: TimeRange {
            from: Some(at(1_004)),
            until: None,
        },
        ..everything
    };
    assert_eq!(conferences(updated).await, [4]);

    let participants = async |filter: ParticipantFilter| {
        let found = store
            .participants(OURS, conference_id(1), &filter, &all())
            .await
            .unwrap();
        numbers_of(found.items.iter().map(|item| item.call.as_bytes()[0]))
    };
    let everybody = ParticipantFilter::default();
    assert_eq!(participants(everybody).await, [4, 3, 2, 1]);
    let silent = ParticipantFilter {
        talk: Some(false),
        ..everybody
    };
    assert_eq!(participants(silent).await, [4, 3]);
    let deaf_talker = ParticipantFilter {
        talk: Some(true),
        listen: Some(false),
        ..everybody
    };
    assert_eq!(participants(deaf_talker).await, [2]);
    let digits = ParticipantFilter {
        dtmf_pass_through: Some(true),
        ..everybody
    };
    assert_eq!(participants(digits).await, [4]);

    let calls = async |filter: CallFilter| {
        let found = store.calls(OURS, &filter, &all()).await.unwrap();
        numbers_of(found.items.iter().map(|item| item.id.as_bytes()[0]))
    };
    let any = CallFilter::default();
    assert_eq!(calls(any.clone()).await, [4, 3, 2, 1]);
    let active = CallFilter {
        active: true,
        ..any.clone()
    };
    assert_eq!(calls(active).await, [2, 1]);
    let completed = CallFilter {
        status: Some(CallStatus::Completed),
        ..any.clone()
    };
    assert_eq!(calls(completed).await, [4, 3]);
    let dialled = CallFilter {
        to: Some("+13".to_owned()),
        from: Some("alice".to_owned()),
        ..any.clone()
    };
    assert_eq!(calls(dialled).await, [3]);
    let children = CallFilter {
        parent: Some(call_id(1)),
        ..any.clone()
    };
    assert_eq!(calls(children).await, [3]);
    let of_applications = CallFilter {
        applications: vec![
            ApplicationId::from_bytes([2; 20]),
            ApplicationId::from_bytes([4; 20]),
        ],
        ..any.clone()
    };
    assert_eq!(calls(of_applications).await, [4, 2]);
    let ended = CallFilter {
        ended: TimeRange {
            from: None,
            until: Some(at(104)),
        },
        ..any.clone()
    };
    assert_eq!(calls(ended).await, [3]);
    let started = CallFilter {
        started: second_and_third,
        ..any
    };
    assert_eq!(calls(started).await, [3, 2]);

    let recordings = async |filter: RecordingFilter| {
        let found = store.recordings(OURS, &filter, &all()).await.unwrap();
        numbers_of(found.items.iter().map(|item| item.id.as_bytes()[0]))
    };
    let any = RecordingFilter::default();
    let of_call = RecordingFilter {
        call: Some(call_id(4)),
        ..any
    };
    assert_eq!(recordings(of_call).await, [4]);
    let of_conference = RecordingFilter {
        conference: Some(conference_id(1)),
        ..any
    };
    assert_eq!(recordings(of_conference).await, [3, 1]);
    let created = RecordingFilter {
        date_created: second_and_third,
        ..any
    };
    assert_eq!(recordings(created).await, [3, 2]);
    let finished = RecordingFilter {
        finished: true,
        ..any
    };
    assert_eq!(recordings(finished).await, [4, 3]);

    let numbers = async |filter: NumberFilter| {
        let found = store.numbers(OURS, &filter, &all()).await.unwrap();
        numbers_of(found.items.iter().map(|item| item.id.as_bytes()[0]))
    };
    let any = NumberFilter::default();
    let answered = NumberFilter {
        has_application: Some(true),
        ..any.clone()
    };
    assert_eq!(numbers(answered).await, [1]);
    let unanswered = NumberFilter {
        has_application: Some(false),
        ..any.clone()
    };
    assert_eq!(numbers(unanswered).await, [2]);
    let of_application = NumberFilter {
        application: Some(application(1).id),
        ..any.clone()
    };
    assert_eq!(numbers(of_application).await, [1]);
    let of_digits = NumberFilter {
        phone_number: Some("+15550002".to_owned()),
        ..any
    };
    assert_eq!(numbers(of_digits).await, [2]);

    let named = ApplicationFilter {
        alias: Some("application 2".to_owned()),
    };
    let found = store.applications(OURS, &named, &all()).await.unwrap();
    assert_eq!(found.items, [application(2)]);
}

#[tokio::test]
async fn logs_are_found_by_level_call_request_and_time() {
    let store = Store::open("sqlite::memory:").await.unwrap();
    let lines: Vec<LogLine> = (1..=4)
        .map(|n| LogLine {
            entry: LogEntry {
                level: if n == 2 {
                    LogLevel::Error
                } else {
                    LogLevel::Info
                },
                ..line(n).entry
            },
            ..line(n)
        })
        .collect();
    store.commit(&[], &[], &lines).await.unwrap();
    let any = LogFilter::default();
    let found = async |filter: LogFilter| {
        let found = store.logs(OURS, &filter, &all()).await.unwrap();
        found
            .items
            .into_iter()
            .map(|item| item.line)
            .collect::<Vec<_>>()
    };
    let errors = LogFilter {
        level: Some(LogLevel::Error),
        ..any.clone()
    };
    assert_eq!(found(errors).await, lines[1..2]);
    let of_call = LogFilter {
        call: Some(call_id(3)),
        ..any.clone()
    };
    assert_eq!(found(of_call).await, lines[2..3]);
    let of_request = LogFilter {
        request: Some(RequestId::from_bytes([4; 20])),
        ..any.clone()
    };
    assert_eq!(found(of_request).await, lines[3..4]);
    let late = LogFilter {
        at: TimeRange {
            from: Some(at(4)),
            until: None,
        },
        ..any.clone()
    };
    assert_eq!(found(late).await, lines[3..4]);

    let first = store.logs(OURS, &any, &Page::first(2)).await.unwrap();
    let last = first.items.last().unwrap();
    let rest = Page {
        after: Some(Position {
            created: last.line.at,
            id: last.id.to_string(),
        }),
        limit: 10,
    };
    let rest = store.logs(OURS, &any, &rest).await.unwrap();
    let rest: Vec<_> = rest.items.into_iter().map(|item| item.line).collect();
    assert_eq!(rest, [lines[1].clone(), lines[0].clone()]);
}

#[tokio::test]
async fn old_lines_go_oldest_first_a_few_at_a_time() {
    let store = Store::open("sqlite::memory:").await.unwrap();
    // A clock that was set back wrote the oldest line last.
    let lines = [3, 4, 5, 6, 1].map(line);
    store.commit(&[], &[], &lines).await.unwrap();
    let left = async || -> Vec<Timestamp> {
        let logs = store.logs(OURS, &LogFilter::default(), &all()).await;
        logs.unwrap()
            .items
            .iter()
            .map(|record| record.line.at)
            .collect()
    };
    assert_eq!(store.delete_logs_before(at(5), 2).await.unwrap(), 2);
    assert_eq!(left().await, [6, 5, 4].map(at));
    assert_eq!(store.delete_logs_before(at(5), 2).await.unwrap(), 1);
    assert_eq!(store.delete_logs_before(at(5), 2).await.unwrap(), 0);
    assert_eq!(
        left().await,
        [6, 5].map(at),
        "a line of that very moment stays"
    );
}

#[tokio::test]
async fn a_log_is_asked_in_the_words_of_an_application() {
    let store = Store::open("sqlite::memory:").await.unwrap();
    let theirs = LogLine {
        entry: LogEntry {
            account: THEIRS,
            ..line(3).entry
        },
        ..line(3)
    };
    let no_call = LogLine {
        url: Some("https://app.example/Status".to_owned()),
        entry: LogEntry {
            call: None,
            level: LogLevel::Error,
            message: "100% of 'lines' \\ _ \"quoted\"".to_owned(),
            ..line(4).entry
        },
        ..line(4)
    };
    let lines = [line(1), line(2), theirs, no_call];
    store.commit(&[], &[], &lines).await.unwrap();
    let text = |field, test, value: &str| {
        let value = value.to_owned();
        LogQuery::Text { field, test, value }
    };
    let written = |comparison, secs| LogQuery::Written {
        comparison,
        moment: at(secs),
    };
    let call_2 = call_id(2).to_string();
    let request_1 = RequestId::from_bytes([1; 20]).to_string();
    let table: [(LogQuery, &[i64]); 23] = [
        (text(LogField::Level, TextTest::Equal, "error"), &[4]),
        (text(LogField::Level, TextTest::NotEqual, "error"), &[2, 1]),
        (text(LogField::Level, TextTest::Contains, "R"), &[4, 2, 1]),
        (text(LogField::Call, TextTest::Equal, &call_2), &[2]),
        // A line without a call meets no condition on it.
        (text(LogField::Call, TextTest::NotEqual, &call_2), &[1]),
        (text(LogField::Request, TextTest::Equal, &request_1), &[1]),
        (
            text(LogField::RequestUrl, TextTest::Contains, "/status"),
            &[4],
        ),
        (text(LogField::RequestUrl, TextTest::Equal, "/status"), &[]),
        (text(LogField::Message, TextTest::Equal, "line 1"), &[1]),
        (text(LogField::Message, TextTest::Equal, "LINE 1"), &[]),
        (
            text(LogField::Message, TextTest::Contains, "LINE "),
            &[2, 1],
        ),
        (text(LogField::Message, TextTest::Contains, ""), &[4, 2, 1]),
        // What would mean something in a pattern or in SQL means itself.
        (text(LogField::Message, TextTest::Contains, "%"), &[4]),
        (text(LogField::Message, TextTest::Contains, "_"), &[4]),
        (
            text(LogField::Message, TextTest::Contains, "' OR 1=1 --"),
            &[],
        ),
        (text(LogField::Message, TextTest::Contains, "\\ _ \""), &[4]),
        (written(Comparison::Equal, 2), &[2]),
        (written(Comparison::NotEqual, 2), &[4, 1]),
        (written(Comparison::Before, 2), &[1]),
        (written(Comparison::AtOrBefore, 2), &[2, 1]),
        (written(Comparison::After, 2), &[4]),
        (written(Comparison::AtOrAfter, 2), &[4, 2]),
        (
            LogQuery::And(vec![
                LogQuery::Or(vec![
                    text(LogField::Message, TextTest::Equal, "line 1"),
                    written(Comparison::After, 1),
                ]),
                text(LogField::Level, TextTest::Equal, "warning"),
            ]),
            &[2, 1],
        ),
    ];
    for (query, found) in table {
        let filter = LogFilter {
            query: Some(query.clone()),
            ..LogFilter::default()
        };
        let listing = store.logs(OURS, &filter, &all()).await.unwrap();
        let secs = |record: &LogRecord| record.line.at.as_secs();
        let listed: Vec<i64> = listing.items.iter().map(secs).collect();
        assert_eq!(listed, found, "{query:?}");
        assert_eq!(listing.total, found.len() as u64);
    }
    // Whatever is asked for, another account's lines are not among the answers.
    let everything = LogFilter {
        query: Some(LogQuery::Or(vec![
            written(Comparison::AtOrAfter, 0),
            written(Comparison::Before, 0),
        ])),
        ..LogFilter::default()
    };
    let listing = store.logs(OURS, &everything, &all()).await.unwrap();
    assert!(
        listing
            .items
            .iter()
            .all(|record| record.line.entry.account == OURS)
    );
    assert_eq!(listing.total, 3);
}

#[tokio::test]
async fn as_many_conditions_as_a_query_has_room_for_are_answered() {
    let store = Store::open("sqlite::memory:").await.unwrap();
    store.commit(&[], &[], &[line(1)]).await.unwrap();
    let one = LogQuery::Text {
        field: LogField::Message,
        test: TextTest::NotEqual,
        value: "line 2".to_owned(),
    };
    let filter = LogFilter {
        query: Some(LogQuery::And(vec![one; 200])),
        ..LogFilter::default()
    };
    let listing = store.logs(OURS, &filter, &all()).await.unwrap();
    assert_eq!(listing.total, 1);
}

#[tokio::test]
async fn queues_are_found_by_alias_newest_first() {
    let store = Store::open("sqlite::memory:").await.unwrap();
    let named = QueueRecord {
        alias: Some("support".to_owned()),
        ..queue(2)
    };
    let facts = [
        Fact::Queue(queue(1)),
        Fact::Queue(named.clone()),
        Fact::Queue(queue(3)),
    ];
    commit(&store, facts).await;
    assert_eq!(
        store.queue(OURS, named.id).await.unwrap(),
        Some(named.clone())
    );
    assert_eq!(store.queue(THEIRS, named.id).await.unwrap(), None);
    let any = QueueFilter::default();
    let first = store.queues(OURS, &any, &Page::first(2)).await.unwrap();
    assert_eq!(first.items, [queue(3), named.clone()]);
    assert_eq!(first.total, 3);
    let rest = Page {
        after: Some(Position {
            created: named.created,
            id: named.id.to_string(),
        }),
        limit: 2,
    };
    let rest = store.queues(OURS, &any, &rest).await.unwrap();
    assert_eq!(rest.items, [queue(1)]);
    let by_alias = QueueFilter {
        alias: Some("support".to_owned()),
    };
    let found = store.queues(OURS, &by_alias, &all()).await.unwrap();
    assert_eq!(found.items, [named]);
    let found = store.queues(THEIRS, &any, &all()).await.unwrap();
    assert_eq!((found.items.len(), found.total), (0, 0));
    let stolen = QueueRecord {
        account: THEIRS,
        ..queue(1)
    };
    let refused = store.commit(&[Fact::Queue(stolen)], &[], &[]).await;
    assert!(matches!(refused, Err(StoreError::ForeignRecord { .. })));
}

#[tokio::test]
async fn recordings_are_due_once_they_are_complete_and_their_time_has_come() {
    let store = Store::open("sqlite::memory:").await.unwrap();
    let ready = RecordingStatus::Ready {
        duration: Duration::from_secs(1),
        size_bytes: 96_044,
    };
    let failed = RecordingStatus::Failed {
        reason: "the disk is full".to_owned(),
    };
    let kept_until = |n, secs, status: &RecordingStatus| RecordingRecord {
        kept_until: Some(at(secs)),
        ..recording(n, status.clone())
    };
    let foreign = RecordingRecord {
        account: THEIRS,
        ..kept_until(5, 20, &ready)
    };
    let facts = [
        kept_until(1, 50, &ready),
        kept_until(2, 40, &failed),
        kept_until(3, 30, &RecordingStatus::Open),
        recording(4, ready.clone()),
        foreign.clone(),
    ]
    .map(Fact::Recording);
    commit(&store, facts).await;
    let due = async |now, limit| store.recordings_due(at(now), limit).await.unwrap();
    assert_eq!(due(19, 10).await, []);
    let whole = [foreign.clone(), kept_until(2, 40, &failed)];
    assert_eq!(due(49, 10).await, whole);
    assert_eq!(due(50, 10).await.len(), 3);
    assert_eq!(due(50, 1).await, [foreign]);
}

#[tokio::test]
async fn pages_neither_miss_nor_repeat_while_the_list_grows() {
    let store = Store::open("sqlite::memory:").await.unwrap();
    // Ten conferences in each of three moments, so that moments alone do not order them.
    for n in 0..30 {
        let record = ConferenceRecord {
            created: at(i64::from(n) / 10),
            ..conference(n)
        };
        commit(&store, [Fact::Conference(record)]).await;
    }
    let filter = ConferenceFilter::default();
    let mut page = Page::first(7);
    let mut seen = Vec::new();
    let mut newer = 100;
    loop {
        let listing = store.conferences(OURS, &filter, &page).await.unwrap();
        let Some(last) = listing.items.last() else {
            break;
        };
        page.after = Some(Position {
            created: last.created,
            id: last.id.to_string(),
        });
        seen.extend(listing.items.iter().map(|item| item.id.as_bytes()[0]));
        commit(&store, [Fact::Conference(conference(newer))]).await;
        newer += 1;
    }
    let expected: Vec<u8> = (0..30).rev().collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_commit_is_whole_or_nothing() {
    let store = Store::open("sqlite::memory:").await.unwrap();
    commit(&store, [Fact::Conference(conference(1))]).await;
    let hijack = ConferenceRecord {
        account: THEIRS,
        ..conference(1)
    };
    let facts = [Fact::Call(call(1)), Fact::Conference(hijack)];
    let refused = store.commit(&facts, &[event(1, "x")], &[line(1)]).await;
    assert!(matches!(refused, Err(StoreError::ForeignRecord { .. })));
    assert_eq!(store.call(OURS, call_id(1)).await.unwrap(), None);
    assert_eq!(store.pending_lanes().await.unwrap(), []);
    let kept = store.conference(OURS, conference_id(1)).await.unwrap();
    assert_eq!(kept, Some(conference(1)));
    // The number that the refused event would have had is the next one's.
    let ids = store.commit(&[], &[event(1, "y")], &[]).await.unwrap();
    assert_eq!(ids[0].seq, 1);
}

#[tokio::test]
async fn a_lanes_events_come_in_order_without_gaps() {
    let store = Store::open("sqlite::memory:").await.unwrap();
    let batch = [event(1, "a"), event(2, "b"), event(1, "c")];
    let ids = store.commit(&[], &batch, &[]).await.unwrap();
    assert_eq!(ids.iter().map(|id| id.seq).collect::<Vec<_>>(), [1, 1, 2]);
    assert_eq!(ids[2].to_string(), format!("{}-2", conference_id(1)));
    let ids = store.commit(&[], &[event(1, "d")], &[]).await.unwrap();
    assert_eq!(ids[0].seq, 3);

    let lane = &event(1, "").lane();
    let lanes = [lane.clone(), event(2, "").lane()];
    assert_eq!(store.pending_lanes().await.unwrap(), lanes);
    let pending = store.pending_events(lane, 10).await.unwrap();
    let bodies: Vec<_> = pending.iter().map(|event| event.body.as_slice()).collect();
    assert_eq!(bodies, [b"a", b"c", b"d"]);
    assert_eq!(pending[0].url, "https://app.example/status");
    assert_eq!(pending[0].request, RequestId::from_bytes([5; 20]));
    assert_eq!(pending[0].account, OURS);

    store.event_delivered(pending[0].id).await.unwrap();
    let again = FailedAttempt {
        retry_at: Some(at(50)),
        error: "the application answered 500".to_owned(),
    };
    store.event_failed(pending[1].id, 1, &again).await.unwrap();
    let head = &store.pending_events(lane, 1).await.unwrap()[0];
    assert_eq!(head.id, pending[1].id);
    assert_eq!((head.attempts, head.retry_at), (1, Some(at(50))));

    let given_up = FailedAttempt {
        retry_at: None,
        error: "the application never answered".to_owned(),
    };
    store
        .event_failed(pending[1].id, 26, &given_up)
        .await
        .unwrap();
    let head = &store.pending_events(lane, 1).await.unwrap()[0];
    assert_eq!(head.id, pending[2].id);

    // A report that comes after the delivery does not bring the event back.
    store.event_delivered(pending[2].id).await.unwrap();
    store.event_failed(pending[2].id, 2, &again).await.unwrap();
    assert_eq!(store.pending_events(lane, 1).await.unwrap(), []);
}

#[tokio::test]
async fn calls_have_streams_of_their_own() {
    let store = Store::open("sqlite::memory:").await.unwrap();
    let stream = Stream::Call(call_id(7));
    let event = NewEvent {
        stream,
        ..event(1, "a")
    };
    let lane = event.lane();
    store.commit(&[], &[event], &[]).await.unwrap();
    let pending = store.pending_events(&lane, 10).await.unwrap();
    assert_eq!(pending[0].id, EventId { stream, seq: 1 });
    assert_eq!(store.pending_lanes().await.unwrap(), [lane]);
}

#[tokio::test]
async fn a_stream_has_a_lane_for_each_url_and_one_order_of_names() {
    let store = Store::open("sqlite::memory:").await.unwrap();
    let to = |url: &str, body| NewEvent {
        url: url.to_owned(),
        ..event(1, body)
    };
    let batch = [
        to("http://a/", "1"),
        to("http://b/", "2"),
        to("http://a/", "3"),
    ];
    let ids = store.commit(&[], &batch, &[]).await.unwrap();
    assert!(ids.iter().map(|id| id.seq).eq(1..=3));
    let [a, b] = &store.pending_lanes().await.unwrap()[..] else {
        panic!("there are two lanes");
    };
    assert_eq!((a.url.as_str(), b.url.as_str()), ("http://a/", "http://b/"));
    let seqs_of = async |lane: &Lane| -> Vec<u64> {
        let events = store.pending_events(lane, 10).await.unwrap();
        events.iter().map(|event| event.id.seq).collect()
    };
    assert_eq!(seqs_of(a).await, [1, 3]);
    assert_eq!(seqs_of(b).await, [2]);
    store.event_delivered(ids[1]).await.unwrap();
    assert_eq!(
        store.pending_lanes().await.unwrap(),
        std::slice::from_ref(a)
    );
}

#[tokio::test]
async fn an_event_is_due_unless_it_or_one_before_it_waits_for_a_retry() {
    let store = Store::open("sqlite::memory:").await.unwrap();
    assert!(!store.has_due_events().await.unwrap());
    let elsewhere = NewEvent {
        url: "https://app.example/elsewhere".to_owned(),
        ..event(1, "c")
    };
    let batch = [event(1, "a"), event(1, "b"), elsewhere];
    let ids = store.commit(&[], &batch, &[]).await.unwrap();
    let again = FailedAttempt {
        retry_at: Some(at(50)),
        error: "the application answered 500".to_owned(),
    };
    store.event_failed(ids[0], 1, &again).await.unwrap();
    assert!(store.has_due_events().await.unwrap(), "the other lane's is");
    store.event_delivered(ids[2]).await.unwrap();
    assert!(
        !store.has_due_events().await.unwrap(),
        "the second waits for the first"
    );
    store.event_delivered(ids[0]).await.unwrap();
    assert!(
        store.has_due_events().await.unwrap(),
        "the second is the first now"
    );
    store.event_delivered(ids[1]).await.unwrap();
    assert!(!store.has_due_events().await.unwrap());
}

#[tokio::test]
async fn events_that_are_over_go_oldest_first_and_leave_the_numbers_of_the_next_ones_alone() {
    let store = Store::open("sqlite::memory:").await.unwrap();
    let created = |secs, body: &str| NewEvent {
        created: at(secs),
        ..event(1, body)
    };
    let events = [
        created(1, "told"),
        created(2, "given up"),
        created(3, "waiting for a retry"),
        created(4, "untried"),
        created(50, "told late"),
    ];
    let lane = events[0].lane();
    let ids = store.commit(&[], &events, &[]).await.unwrap();
    for told in [ids[0], ids[4]] {
        store.event_delivered(told).await.unwrap();
    }
    for (failed, retry_at) in [(ids[1], None), (ids[2], Some(at(9)))] {
        let error = "status 500".to_owned();
        let attempt = FailedAttempt { retry_at, error };
        store.event_failed(failed, 1, &attempt).await.unwrap();
    }

    for deleted in [1, 1, 0] {
        let before = store.delete_events_before(at(50), 1).await.unwrap();
        assert_eq!(before, deleted);
    }
    let pending = store.pending_events(&lane, 10).await.unwrap();
    let pending = pending.iter().map(|event| event.id);
    assert!(pending.eq([ids[2], ids[3]]));
    assert_eq!(store.delete_events_before(at(51), 10).await.unwrap(), 1);
    let next = store.commit(&[], &[created(60, "next")], &[]).await;
    assert_eq!(next.unwrap()[0].seq, ids[4].seq + 1);
}

#[tokio::test]
async fn what_had_not_ended_is_found_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite://{}/tutti.db", folder.path().display());
    let store = Store::open(&url).await.unwrap();
    let terminated = ConferenceRecord {
        status: ConferenceStatus::Terminated,
        ..conference(2)
    };
    let completed = CallRecord {
        status: CallStatus::Completed,
        ..call(2)
    };
    let ready = RecordingStatus::Ready {
        duration: Duration::from_secs(1),
        size_bytes: 96_044,
    };
    let facts = [
        Fact::Conference(conference(1)),
        Fact::Conference(terminated),
        Fact::Participant(participant(1, 1)),
        Fact::Call(call(1)),
        Fact::Call(completed),
        Fact::Recording(recording(1, RecordingStatus::Open)),
        Fact::Recording(recording(2, ready)),
        Fact::Queue(queue(1)),
    ];
    store
        .commit(&facts, &[event(1, "a"), event(1, "b")], &[])
        .await
        .unwrap();
    // Not closed: a process that was killed closes nothing either.
    drop(store);

    let store = Store::open(&url).await.unwrap();
    let open = OpenState {
        conferences: vec![conference(1)],
        participants: vec![participant(1, 1)],
        calls: vec![call(1)],
        recordings: vec![recording(1, RecordingStatus::Open)],
        queues: vec![queue(1)],
    };
    assert_eq!(store.open_state().await.unwrap(), open);
    let lane = event(1, "").lane();
    assert_eq!(store.pending_events(&lane, 9).await.unwrap().len(), 2);
    let ids = store.commit(&[], &[event(1, "c")], &[]).await.unwrap();
    assert_eq!(ids[0].seq, 3);
    store.close().await;
}

#[tokio::test]
async fn many_writers_and_readers_at_once_are_all_served() {
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite://{}/tutti.db", folder.path().display());
    let store = Store::open(&url).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..40 {
        let store = store.clone();
        tasks.spawn(async move {
            let facts = [Fact::Call(call(n))];
            store.commit(&facts, &[event(1, "a")], &[]).await.unwrap();
            store
                .calls(OURS, &CallFilter::default(), &all())
                .await
                .unwrap();
        });
    }
    tasks.join_all().await;
    let lane = event(1, "").lane();
    let pending = store.pending_events(&lane, 100).await.unwrap();
    let seqs: Vec<u64> = pending.iter().map(|event| event.id.seq).collect();
    assert_eq!(seqs, (1..=40).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_foreign_account_sees_and_changes_nothing() {
    let store = Store::open("sqlite::memory:").await.unwrap();
    store.put_application(&application(1)).await.unwrap();
    store.put_number(&number(1, None)).await.unwrap();
    let facts = [
        Fact::Conference(conference(1)),
        Fact::Participant(participant(1, 1)),
        Fact::Call(call(1)),
        Fact::Recording(recording(1, RecordingStatus::Open)),
    ];
    store.commit(&facts, &[], &[line(1)]).await.unwrap();

    let (conference, call) = (conference_id(1), call_id(1));
    let page = all();
    assert_eq!(store.conference(THEIRS, conference).await.unwrap(), None);
    assert_eq!(
        store.participant(THEIRS, conference, call).await.unwrap(),
        None
    );
    assert_eq!(store.call(THEIRS, call).await.unwrap(), None);
    let recording = recording(1, RecordingStatus::Open).id;
    assert_eq!(store.recording(THEIRS, recording).await.unwrap(), None);
    let application = application(1);
    assert_eq!(
        store.application(THEIRS, application.id).await.unwrap(),
        None
    );
    let number = number(1, None);
    assert_eq!(store.number(THEIRS, number.id).await.unwrap(), None);

    let found = store
        .conferences(THEIRS, &Default::default(), &page)
        .await
        .unwrap();
    assert_eq!((found.items.len(), found.total), (0, 0));
    let found = store
        .participants(THEIRS, conference, &Default::default(), &page)
        .await
        .unwrap();
    assert_eq!((found.items.len(), found.total), (0, 0));
    let found = store
        .calls(THEIRS, &Default::default(), &page)
        .await
        .unwrap();
    assert_eq!((found.items.len(), found.total), (0, 0));
    let found = store
        .recordings(THEIRS, &Default::default(), &page)
        .await
        .unwrap();
    assert_eq!((found.items.len(), found.total), (0, 0));
    let found = store
        .applications(THEIRS, &Default::default(), &page)
        .await
        .unwrap();
    assert_eq!((found.items.len(), found.total), (0, 0));
    let found = store
        .numbers(THEIRS, &Default::default(), &page)
        .await
        .unwrap();
    assert_eq!((found.items.len(), found.total), (0, 0));
    let found = store
        .logs(THEIRS, &Default::default(), &page)
        .await
        .unwrap();
    assert_eq!((found.items.len(), found.total), (0, 0));

    assert!(!store.delete_recording(THEIRS, recording).await.unwrap());
    assert!(!store.delete_number(THEIRS, number.id).await.unwrap());
    assert!(
        !store
            .delete_application(THEIRS, application.id)
            .await
            .unwrap()
    );
    let stolen = ApplicationRecord {
        account: THEIRS,
        ..application.clone()
    };
    assert!(matches!(
        store.put_application(&stolen).await,
        Err(StoreError::ForeignRecord { .. })
    ));
    let kept = store.application(OURS, application.id).await.unwrap();
    assert_eq!(kept, Some(application));
}

#[tokio::test]
async fn two_accounts_cannot_have_the_same_number() {
    let store = Store::open("sqlite::memory:").await.unwrap();
    store.put_number(&number(1, None)).await.unwrap();
    let same_digits = NumberRecord {
        id: NumberId::from_bytes([9; 20]),
        account: THEIRS,
        ..number(1, None)
    };
    assert!(matches!(
        store.put_number(&same_digits).await,
        Err(StoreError::NumberTaken { phone_number }) if phone_number == "+15550001"
    ));
    assert!(store.delete_number(OURS, number(1, None).id).await.unwrap());
    store.put_number(&same_digits).await.unwrap();
}

#[tokio::test]
async fn what_is_deleted_is_gone_and_leads_nowhere() {
    let store = Store::open("sqlite::memory:").await.unwrap();
    let application = application(1);
    store.put_application(&application).await.unwrap();
    store
        .put_number(&number(1, Some(application.id)))
        .await
        .unwrap();
    assert!(
        store
            .delete_application(OURS, application.id)
            .await
            .unwrap()
    );
    assert!(
        !store
            .delete_application(OURS, application.id)
            .await
            .unwrap()
    );
    let orphan = store.dialled_number("+15550001").await.unwrap().unwrap();
    assert_eq!(orphan.application, None);

    let recording = recording(1, RecordingStatus::Open);
    commit(&store, [Fact::Recording(recording.clone())]).await;
    assert!(store.delete_recording(OURS, recording.id).await.unwrap());
    assert_eq!(store.recording(OURS, recording.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_missing_folder_is_made_and_the_file_is_private() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a/b/tutti.db");
    let url = format!("sqlite://{}", path.display());
    let store = Store::open(&url).await.unwrap();
    commit(&store, [Fact::Call(call(1))]).await;
    for entry in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test]
async fn an_unwritable_place_is_named() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "not a folder").unwrap();
    let path = file.join("tutti.db");
    let refused = Store::open(&format!("sqlite://{}", path.display())).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains(&path.display().to_string()), "{refused}");
    assert!(refused.contains("cannot be written"), "{refused}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("letter.txt");
    std::fs::write(&path, "Dear reader, this is a letter.\n".repeat(100)).unwrap();
    let refused = Store::open(&format!("sqlite://{}", path.display())).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains(&path.display().to_string()), "{refused}");
}

#[tokio::test]
async fn an_address_of_another_kind_is_refused() {
    for url in ["postgres://db/tutti", "data/tutti.db", "sqlite://", ""] {
        let refused = Store::open(url).await;
        assert!(
            matches!(refused, Err(StoreError::UnknownAddress { .. })),
            "{url}"
        );
    }
}

/// What the first version made, with a row in every table that has changed since.
const FIRST_VERSION: &str = include_str!("../migrations/sqlite/0001_facts.sql");

#[tokio::test]
async fn a_database_of_the_first_version_is_brought_up_to_date_with_all_that_it_holds() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tutti.db");
    let url = format!("sqlite://{}", path.display());
    // As sqlx leaves it: the tables, and the note that they were made by these very bytes.
    let migrations = sqlx::migrate!("migrations/sqlite");
    let first = migrations.iter().next().unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let old = sqlx::SqlitePool::connect_with(options.create_if_missing(true)).await;
    let old = old.unwrap();
    let only_first = sqlx::migrate::Migrator {
        migrations: vec![first.clone()].into(),
        ..sqlx::migrate::Migrator::DEFAULT
    };
    assert_eq!(first.sql.as_str(), FIRST_VERSION);
    only_first.run(&old).await.unwrap();
    let rows = [
        format!(
            "INSERT INTO accounts VALUES ('{OURS}', zeroblob(32), 'sigsec_old', 'us', NULL, 3, 1, 2)"
        ),
        format!(
            "INSERT INTO calls VALUES ('{}', '{OURS}', NULL, NULL, NULL, '+1', '+2', 'inbound',
             'inProgress', NULL, NULL, NULL, 1000000, NULL, NULL, 1, 1000000, 1001000000)",
            call_id(1)
        ),
        format!(
            "INSERT INTO recordings VALUES ('{}', '{OURS}', NULL, '{}', 'open', NULL, NULL, NULL,
             1, 1000000, 1001000000)",
            RecordingId::from_bytes([1; 20]),
            conference_id(1)
        ),
        format!(
            "INSERT INTO logs (account, created, level, request, call, conference, message)
             VALUES ('{OURS}', 1, 'info', NULL, NULL, NULL, 'one'),
                    ('{OURS}', 2, 'info', NULL, NULL, NULL, 'two')"
        ),
    ];
    for row in rows {
        sqlx::query(sqlx::AssertSqlSafe(row))
            .execute(&old)
            .await
            .unwrap();
    }
    old.close().await;

    // Whoever only looks in does not change it.
    let refused = Store::open_existing(&url).await;
    assert!(matches!(refused, Err(StoreError::OtherVersion { .. })));
    let store = Store::open(&url).await.unwrap();
    let account = store.account(OURS).await.unwrap().unwrap();
    assert_eq!(account.signing_secrets, ["sigsec_old"]);
    assert_eq!(account.status, AccountStatus::Active);
    assert_eq!(
        (account.alias.as_deref(), account.revision),
        (Some("us"), 3)
    );
    let open = store.open_state().await.unwrap();
    assert_eq!(open.calls, [call(1)]);
    assert_eq!(open.recordings, [recording(1, RecordingStatus::Open)]);
    assert_eq!(open.queues, []);
    let logs = store
        .logs(OURS, &LogFilter::default(), &all())
        .await
        .unwrap();
    let [two, one] = &logs.items[..] else {
        panic!("{logs:?}")
    };
    assert_eq!(
        (two.line.url.as_ref(), two.line.metadata.as_ref()),
        (None, None)
    );
    assert_ne!(one.line.entry.request, two.line.entry.request);
    store.close().await;
    Store::open_existing(&url).await.unwrap();
}

#[tokio::test]
async fn an_account_is_replaced_only_by_whoever_saw_it_last() {
    let store = Store::open("sqlite::memory:").await.unwrap();
    let first = account();
    store.put_account(&first).await.unwrap();
    let suspended = AccountRecord {
        status: AccountStatus::Suspended,
        signing_secrets: vec!["sigsec_1".to_owned(), "sigsec_2".to_owned()],
        revision: first.revision + 1,
        ..first.clone()
    };
    store.put_account(&suspended).await.unwrap();
    // Written by somebody who has not seen that.
    let renamed = AccountRecord {
        alias: Some("renamed".to_owned()),
        revision: first.revision + 1,
        ..first.clone()
    };
    for outdated in [&renamed, &first] {
        let refused = store.put_account(outdated).await;
        assert!(matches!(refused, Err(StoreError::Outdated { .. })));
    }
    assert_eq!(store.account(OURS).await.unwrap(), Some(suspended.clone()));
    let theirs = AccountRecord {
        id: THEIRS,
        signing_secrets: Vec::new(),
        ..account()
    };
    store.put_account(&theirs).await.unwrap();
    assert_eq!(store.accounts().await.unwrap(), [suspended, theirs]);
}

#[tokio::test]
async fn a_second_program_works_on_the_file_beside_the_first() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tutti.db");
    let url = format!("sqlite://{}", path.display());
    let missing = Store::open_existing(&url).await;
    assert!(matches!(missing, Err(StoreError::Missing { .. })));
    assert!(!path.exists());
    let bridge = Store::open(&url).await.unwrap();
    let operator = Store::open_existing(&url).await.unwrap();
    operator.put_account(&account()).await.unwrap();
    assert_eq!(bridge.account(OURS).await.unwrap(), Some(account()));
    commit(&bridge, [Fact::Call(call(1))]).await;
    assert_eq!(
        operator.call(OURS, call_id(1)).await.unwrap(),
        Some(call(1))
    );
    let in_memory = Store::open_existing("sqlite::memory:").await;
    assert!(matches!(in_memory, Err(StoreError::OutOfReach)));
}

#[tokio::test]
async fn a_lock_that_is_not_given_back_is_named() {
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite://{}/tutti.db", folder.path().display());
    let store = Store::open(&url).await.unwrap();
    let path = folder.path().join("tutti.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let other = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let holding = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let refused = store.put_account(&account()).await;
    assert!(matches!(refused, Err(StoreError::Locked)), "{refused:?}");
    holding.rollback().await.unwrap();
    store.put_account(&account()).await.unwrap();
}

async fn commit(store: &Store, facts: impl IntoIterator<Item = Fact>) {
    let facts: Vec<Fact> = facts.into_iter().collect();
    store.commit(&facts, &[], &[]).await.unwrap();
}

fn all() -> Page {
    Page::first(1_000)
}

fn numbers_of(bytes: impl Iterator<Item = u8>) -> Vec<u8> {
    bytes.collect()
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_micros(secs * 1_000_000)
}

fn conference_id(n: u8) -> ConferenceId {
    ConferenceId::from_bytes([n; 20])
}

fn call_id(n: u8) -> CallId {
    CallId::from_bytes([n; 20])
}

fn account() -> AccountRecord {
    AccountRecord {
        id: OURS,
        api_key_hash: [7; 32],
        signing_secrets: vec!["sigsec_1".to_owned()],
        status: AccountStatus::Active,
        alias: Some("ours".to_owned()),
        label: None,
        revision: 3,
        created: at(1),
        updated: at(2),
    }
}

fn application(n: u8) -> ApplicationRecord {
    ApplicationRecord {
        id: ApplicationId::from_bytes([n; 20]),
        account: OURS,
        alias: Some(format!("application {n}")),
        voice_url: Some("https://app.example/voice".to_owned()),
        voice_fallback_url: Some("https://app.example/voice-fallback".to_owned()),
        call_connect_url: Some("https://app.example/connect".to_owned()),
        status_callback_url: Some("https://app.example/status".to_owned()),
        sms_url: Some("https://app.example/sms".to_owned()),
        sms_fallback_url: None,
        revision: 1,
        created: at(i64::from(n)),
        updated: at(1_000 + i64::from(n)),
    }
}

fn number(n: u8, application: Option<ApplicationId>) -> NumberRecord {
    NumberRecord {
        id: NumberId::from_bytes([n; 20]),
        account: OURS,
        application,
        phone_number: format!("+1555000{n}"),
        alias: None,
        revision: 1,
        created: at(i64::from(n)),
        updated: at(1_000 + i64::from(n)),
    }
}

fn conference(n: u8) -> ConferenceRecord {
    ConferenceRecord {
        id: conference_id(n),
        account: OURS,
        alias: Some("weekly".to_owned()),
        play_beep: PlayBeep::EntryOnly,
        record: true,
        status: ConferenceStatus::Populated,
        wait_url: Some("https://app.example/wait".to_owned()),
        action_url: Some("https://app.example/created".to_owned()),
        status_callback_url: Some("https://app.example/status".to_owned()),
        revision: 1,
        created: at(i64::from(n)),
        updated: at(1_000 + i64::from(n)),
    }
}

fn participant(conference: u8, n: u8) -> ParticipantRecord {
    ParticipantRecord {
        account: OURS,
        conference: conference_id(conference),
        call: call_id(n),
        talk: true,
        listen: false,
        dtmf_pass_through: true,
        started_conference: false,
        revision: 1,
        created: at(i64::from(n)),
        updated: at(1_000 + i64::from(n)),
    }
}

fn call(n: u8) -> CallRecord {
    CallRecord {
        id: call_id(n),
        account: OURS,
        application: None,
        parent: None,
        number: None,
        from: "+1".to_owned(),
        to: "+2".to_owned(),
        direction: Direction::Inbound,
        status: CallStatus::InProgress,
        conference: None,
        queue: None,
        answered_by: None,
        ended_reason: None,
        started: Some(at(i64::from(n))),
        connected: None,
        ended: None,
        revision: 1,
        created: at(i64::from(n)),
        updated: at(1_000 + i64::from(n)),
    }
}

fn recording(n: u8, status: RecordingStatus) -> RecordingRecord {
    RecordingRecord {
        id: RecordingId::from_bytes([n; 20]),
        account: OURS,
        call: None,
        conference: Some(conference_id(1)),
        status,
        kept_until: None,
        revision: 1,
        created: at(i64::from(n)),
        updated: at(1_000 + i64::from(n)),
    }
}

fn queue(n: u8) -> QueueRecord {
    QueueRecord {
        id: QueueId::from_bytes([n; 20]),
        account: OURS,
        alias: Some(format!("queue {n}")),
        max_size: 100,
        current_size: 2,
        taken_out: 7,
        waited: Duration::from_micros(90_000_001),
        revision: 1,
        created: at(i64::from(n)),
        updated: at(1_000 + i64::from(n)),
    }
}

fn event(conference: u8, body: &str) -> NewEvent {
    NewEvent {
        account: OURS,
        stream: Stream::Conference(conference_id(conference)),
        request: RequestId::from_bytes([5; 20]),
        url: "https://app.example/status".to_owned(),
        body: body.as_bytes().to_vec(),
        created: at(i64::from(conference)),
    }
}

fn line(n: u8) -> LogLine {
    LogLine {
        at: at(i64::from(n)),
        url: None,
        metadata: None,
        entry: LogEntry {
            account: OURS,
            call: Some(call_id(n)),
            conference: Some(conference_id(n)),
            level: LogLevel::Warning,
            request: RequestId::from_bytes([n; 20]),
            message: format!("line {n}"),
        },
    }
}
