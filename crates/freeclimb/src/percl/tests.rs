//! What scripts mean, and what is said of those that mean nothing.

use std::time::Duration;

use serde_json::json;
use tutti_control_plane::{
    AddToConference, CreateConference, Enqueue, GetDigits, IfMachine, Keystroke, OutDial, Park,
    Play, PlayBeep, Prompt, RecordUtterance, Say, TranscribeUtterance,
};
use tutti_model::{CallId, ConferenceId, Digit, QueueId, Repeat};

use super::*;

#[test]
fn each_command_is_understood_with_its_defaults() {
    let table = [
        (
            json!({"Say": {"text": "Welcome."}}),
            Command::Say(said("Welcome.")),
        ),
        (
            json!({"Play": {"file": "https://app.example/jazz.wav"}}),
            Command::Play(played("https://app.example/jazz.wav")),
        ),
        (
            json!({"Pause": {"length": 1500}}),
            Command::Pause {
                length: Duration::from_millis(1500),
            },
        ),
        (
            json!({"CreateConference": {"actionUrl": "https://app.example/made"}}),
            Command::CreateConference(created()),
        ),
        (
            json!({"AddToConference": {"conferenceId": conference()}}),
            Command::AddToConference(added()),
        ),
        (
            json!({"PlayEarlyMedia": {"file": "https://app.example/ring.wav"}}),
            Command::PlayEarlyMedia {
                file: "https://app.example/ring.wav".to_owned(),
            },
        ),
        (
            json!({"GetDigits": {"actionUrl": "https://app.example/digits"}}),
            Command::GetDigits(awaited()),
        ),
        (
            json!({"SendDigits": {"digits": "1#"}}),
            Command::SendDigits {
                digits: vec![press('1'), wait(500), press('#')],
                private: false,
            },
        ),
        (
            json!({"RecordUtterance": {"actionUrl": "https://app.example/said"}}),
            Command::RecordUtterance(recorded()),
        ),
        (
            json!({"TranscribeUtterance": {"actionUrl": "https://app.example/text"}}),
            Command::TranscribeUtterance(transcribed()),
        ),
        (json!({"StartRecordCall": {}}), Command::StartRecordCall),
        (
            json!({"OutDial": {
                "destination": "+15550101", "callingNumber": "+15550100",
                "actionUrl": "https://app.example/dialled",
                "callConnectUrl": "https://app.example/connected",
            }}),
            Command::OutDial(dialled()),
        ),
        (
            json!({"Park": {
                "waitUrl": "https://app.example/wait", "actionUrl": "https://app.example/back",
            }}),
            Command::Park(Park {
                wait_url: "https://app.example/wait".to_owned(),
                action_url: "https://app.example/back".to_owned(),
                notification_url: None,
            }),
        ),
        (json!({"Unpark": {}}), Command::Unpark),
        (
            json!({"Enqueue": {
                "queueId": queue(), "waitUrl": "https://app.example/wait",
                "actionUrl": "https://app.example/back",
            }}),
            Command::Enqueue(enqueued()),
        ),
        (json!({"Dequeue": {}}), Command::Dequeue),
        (
            json!({"SetTalk": {}}),
            Command::SetTalk {
                talk: true,
                call: None,
            },
        ),
        (
            json!({"SetListen": {}}),
            Command::SetListen {
                listen: true,
                call: None,
            },
        ),
        (
            json!({"SetDTMFPassThrough": {}}),
            Command::SetDtmfPassThrough {
                dtmf_pass_through: true,
            },
        ),
        (
            json!({"RemoveFromConference": {}}),
            Command::RemoveFromConference { call: None },
        ),
        (
            json!({"TerminateConference": {}}),
            Command::TerminateConference { conference: None },
        ),
        (
            json!({"Redirect": {"actionUrl": "http://app.example/more"}}),
            Command::Redirect {
                action_url: "http://app.example/more".to_owned(),
            },
        ),
        (json!({"Reject": {}}), Command::Reject { reason: None }),
        (
            json!({"Hangup": {}}),
            Command::Hangup {
                reason: None,
                call: None,
            },
        ),
    ];
    for (written, understood) in table {
        let script = parse(json!([written]).to_string().as_bytes());
        assert_eq!(
            script.map(|script| script.commands),
            Ok(vec![understood]),
            "{written}"
        );
    }
}

#[test]
fn every_attribute_is_heard() {
    let table = [
        (
            json!({"Say": {
                "text": "", "language": "de-DE", "loop": 0, "conferenceId": conference(),
                "privacyMode": true,
                "engine": {"name": "freeclimb.standard", "parameters": {"Culture": "fr-FR"}},
            }}),
            Command::Say(Say {
                language: "de-DE".to_owned(),
                repeat: Repeat::Forever,
                conference: Some(conference()),
                private: true,
                ..said("")
            }),
        ),
        (
            json!({"Play": {
                "file": "/Accounts/AC00/Recordings/RE00/Download", "loop": 3,
                "conferenceId": conference(), "privacyMode": true,
            }}),
            Command::Play(Play {
                repeat: Repeat::Times(3),
                conference: Some(conference()),
                private: true,
                ..played("/Accounts/AC00/Recordings/RE00/Download")
            }),
        ),
        (
            json!({"GetDigits": {
                "actionUrl": "https://app.example/digits",
                "initialTimeoutMs": 100,
                "digitTimeoutMs": 200,
                "finishOnKey": "*",
                "minDigits": 2,
                "maxDigits": 4,
                "flushBuffer": true,
                "prompts": [
                    {"Say": {"text": "Your PIN, please."}},
                    {"Pause": {"length": 300}},
                    {"Play": {"file": "https://app.example/pin.wav", "privacyMode": true}},
                ],
                "privacyMode": true,
            }}),
            Command::GetDigits(GetDigits {
                initial_timeout: Duration::from_millis(100),
                digit_timeout: Duration::from_millis(200),
                finish_on_key: Digit::from_char('*'),
                min_digits: 2,
                max_digits: Some(4),
                flush_buffer: true,
                prompts: vec![
                    Prompt::Say(said("Your PIN, please.")),
                    Prompt::Pause {
                        length: Duration::from_millis(300),
                    },
                    Prompt::Play(Play {
                        private: true,
                        ..played("https://app.example/pin.wav")
                    }),
                ],
                private: true,
                ..awaited()
            }),
        ),
        (
            json!({"SendDigits": {"digits": "12{3}*", "pauseMs": 250, "privacyMode": true}}),
            Command::SendDigits {
                digits: vec![press('1'), wait(250), press('2'), wait(1500), press('*')],
                private: true,
            },
        ),
        (
            json!({"RecordUtterance": {
                "actionUrl": "https://app.example/said",
                "silenceTimeoutMs": 700,
                "finishOnKey": "",
                "maxLengthSec": 9,
                "playBeep": true,
                "autoStart": true,
                "privacyMode": true,
            }}),
            Command::RecordUtterance(RecordUtterance {
                silence_timeout: Some(Duration::from_millis(700)),
                finish_on_key: None,
                max_length: Duration::from_secs(9),
                play_beep: true,
                awaits_voice: true,
                private: true,
                ..recorded()
            }),
        ),
        (
            json!({"TranscribeUtterance": {
                "actionUrl": "https://app.example/text",
                "playBeep": true,
                "record": {
                    "saveRecording": true, "maxLengthSec": 7,
                    "rcrdTerminationSilenceTimeMs": 800,
                },
                "privacyForLogging": true,
                "privacyForRecording": true,
                "prompts": [{"Say": {"text": "What for?"}}],
            }}),
            Command::TranscribeUtterance(TranscribeUtterance {
                play_beep: true,
                save_recording: true,
                max_length: Duration::from_secs(7),
                silence_timeout: Some(Duration::from_millis(800)),
                private_log: true,
                private_recording: true,
                prompts: vec![Prompt::Say(said("What for?"))],
                ..transcribed()
            }),
        ),
        (
            json!({"OutDial": {
                "destination": "sip:bob@host.example", "callingNumber": "alice",
                "actionUrl": "https://app.example/dialled",
                "callConnectUrl": "https://app.example/connected",
                "statusCallbackUrl": "https://app.example/status",
                "timeout": 12,
                "sendDigits": "{2}7",
                "ifMachine": "redirect",
                "ifMachineUrl": "https://app.example/machine",
                "privacyMode": true,
            }}),
            Command::OutDial(OutDial {
                destination: "sip:bob@host.example".to_owned(),
                calling_number: "alice".to_owned(),
                status_callback_url: Some("https://app.example/status".to_owned()),
                timeout: Duration::from_secs(12),
                send_digits: vec![wait(1000), press('7')],
                if_machine: Some(IfMachine::Redirect {
                    url: "https://app.example/machine".to_owned(),
                }),
                private: true,
                ..dialled()
            }),
        ),
        (
            json!({"Park": {
                "waitUrl": "https://app.example/wait", "actionUrl": "https://app.example/back",
                "notificationUrl": "https://app.example/parked",
            }}),
            Command::Park(Park {
                wait_url: "https://app.example/wait".to_owned(),
                action_url: "https://app.example/back".to_owned(),
                notification_url: Some("https://app.example/parked".to_owned()),
            }),
        ),
        (
            json!({"Enqueue": {
                "queueId": queue(), "waitUrl": "https://app.example/wait",
                "actionUrl": "https://app.example/back",
                "notificationUrl": "https://app.example/queued",
            }}),
            Command::Enqueue(Enqueue {
                notification_url: Some("https://app.example/queued".to_owned()),
                ..enqueued()
            }),
        ),
        (
            json!({"SetTalk": {"talk": false}}),
            Command::SetTalk {
                talk: false,
                call: None,
            },
        ),
        (
            json!({"SetListen": {"listen": false}}),
            Command::SetListen {
                listen: false,
                call: None,
            },
        ),
        (
            json!({"SetDTMFPassThrough": {"dtmfPassThrough": false}}),
            Command::SetDtmfPassThrough {
                dtmf_pass_through: false,
            },
        ),
        (
            json!({"CreateConference": {
                "actionUrl": "https://app.example/made",
                "alias": "Weekly",
                "playBeep": "exitOnly",
                "record": true,
                "waitUrl": "https://app.example/wait.wav",
                "statusCallbackUrl": "https://app.example/status",
            }}),
            Command::CreateConference(CreateConference {
                alias: Some("Weekly".to_owned()),
                play_beep: PlayBeep::ExitOnly,
                record: true,
                wait_url: Some("https://app.example/wait.wav".to_owned()),
                status_callback_url: Some("https://app.example/status".to_owned()),
                ..created()
            }),
        ),
        (
            json!({"AddToConference": {
                "conferenceId": conference(),
                "startConfOnEnter": false,
                "talk": false,
                "listen": false,
                "dtmfPassThrough": false,
                "allowCallControl": true,
                "callControlSequence": "*9#",
                "callControlUrl": "https://app.example/control",
                "leaveConferenceUrl": "https://app.example/left",
                "notificationUrl": "https://app.example/in",
            }}),
            Command::AddToConference(AddToConference {
                conference: conference(),
                call: None,
                start_conf_on_enter: false,
                talk: false,
                listen: false,
                dtmf_pass_through: false,
                allow_call_control: true,
                call_control_sequence: Some("*9#".to_owned()),
                call_control_url: Some("https://app.example/control".to_owned()),
                leave_conference_url: Some("https://app.example/left".to_owned()),
                notification_url: Some("https://app.example/in".to_owned()),
            }),
        ),
        (
            json!({"Reject": {"reason": "busy"}}),
            Command::Reject {
                reason: Some("busy".to_owned()),
            },
        ),
        (
            json!({"Hangup": {"reason": "over"}}),
            Command::Hangup {
                reason: Some("over".to_owned()),
                call: None,
            },
        ),
    ];
    for (written, understood) in table {
        let script = parse(json!([written]).to_string().as_bytes());
        assert_eq!(
            script.map(|script| script.commands),
            Ok(vec![understood]),
            "{written}"
        );
    }
}

#[test]
fn what_old_clients_send_is_understood() {
    let (id, call) = (conference(), caller());
    let table = [
        // Explicit nulls, the call named, and an attribute that nobody knows.
        (
            json!({"AddToConference": {
                "conferenceId": id, "callId": call, "leaveConferenceUrl": null,
                "notificationUrl": "", "talk": null, "callControlSequence": "", "x": [1],
            }}),
            Command::AddToConference(AddToConference {
                call: Some(call),
                ..added()
            }),
        ),
        // An alias that was typed as a boolean.
        (
            json!({"CreateConference": {
                "actionUrl": "https://app.example/made", "alias": true, "parentCallId": call,
            }}),
            Command::CreateConference(CreateConference {
                alias: Some("true".to_owned()),
                ..created()
            }),
        ),
        // Numbers in quotes.
        (
            json!({"Pause": {"length": "250"}}),
            Command::Pause {
                length: Duration::from_millis(250),
            },
        ),
        (
            json!({"Say": {
                "text": "hi", "loop": "2", "conferenceId": id, "privacyMode": false,
                "engine": {"name": "freeclimb.standard", "parameters": {"Voice": 7}},
            }}),
            Command::Say(Say {
                repeat: Repeat::Times(2),
                conference: Some(conference()),
                ..said("hi")
            }),
        ),
        (
            json!({"GetDigits": {
                "actionUrl": "https://app.example/digits", "initialTimeoutMs": "8000",
                "digitTimeoutMs": null, "finishOnKey": null, "maxDigits": 0, "minDigits": "0",
                "prompts": null, "flushBuffer": null,
            }}),
            Command::GetDigits(awaited()),
        ),
        // Phone numbers that were typed as numbers, and a destination that was misspelt.
        (
            json!({"OutDial": {
                "desetination": 15_550_101, "callingNumber": 15_550_100,
                "actionUrl": "https://app.example/dialled",
                "callConnectUrl": "https://app.example/connected",
                "ifMachine": "hangup", "ifMachineUrl": null, "sendDigits": "",
                "timeout": "30", "statusCallbackUrl": "",
            }}),
            Command::OutDial(OutDial {
                if_machine: Some(IfMachine::HangUp),
                ..dialled()
            }),
        ),
        (
            json!({"SendDigits": {"digits": 12, "pauseMs": "5"}}),
            Command::SendDigits {
                digits: vec![press('1'), wait(100), press('2')],
                private: false,
            },
        ),
        // Whom and what a command is about.
        (
            json!({"SetTalk": {"callId": call, "talk": null}}),
            Command::SetTalk {
                talk: true,
                call: Some(caller()),
            },
        ),
        (
            json!({"SetListen": {"callId": call, "listen": false}}),
            Command::SetListen {
                listen: false,
                call: Some(caller()),
            },
        ),
        (
            json!({"RemoveFromConference": {"callId": call}}),
            Command::RemoveFromConference {
                call: Some(caller()),
            },
        ),
        (
            json!({"TerminateConference": {"conferenceId": id}}),
            Command::TerminateConference {
                conference: Some(id),
            },
        ),
        (
            json!({"Hangup": {"callId": call, "reason": null}}),
            Command::Hangup {
                reason: None,
                call: Some(caller()),
            },
        ),
        // Nobody in particular; once `callId` was typed as a boolean.
        (
            json!({"AddToConference": {"conferenceId": id, "callId": true}}),
            Command::AddToConference(added()),
        ),
        (
            json!({"Hangup": {"callId": ""}}),
            Command::Hangup {
                reason: None,
                call: None,
            },
        ),
        (
            json!({"TerminateConference": {"conferenceId": null}}),
            Command::TerminateConference { conference: None },
        ),
    ];
    for (written, understood) in table {
        let script = parse(json!([written]).to_string().as_bytes());
        assert_eq!(
            script.map(|script| script.commands),
            Ok(vec![understood]),
            "{written}"
        );
    }
}

#[test]
fn an_engine_says_in_which_language_and_whether_the_text_is_ssml() {
    let table = [
        (
            json!({"name": "freeclimb.standard", "parameters": {"Culture": "fr-FR"}}),
            "fr-FR",
            "hi",
        ),
        (
            json!({"name": "freeclimb.standard", "parameters": {"Content-Type": "application/ssml+xml"}}),
            "en-US",
            "<speak>hi</speak>",
        ),
        (
            json!({"name": "freeclimb.neural", "parameters": {"language": "es-ES", "textType": "ssml"}}),
            "es-ES",
            "<speak>hi</speak>",
        ),
        (
            json!({"name": "ElevenLabs", "parameters": {"voice_id": "v", "language_code": "it"}}),
            "it",
            "hi",
        ),
        (
            json!({"name": "somebody's own", "parameters": {"language": 5}}),
            "en-US",
            "hi",
        ),
        (json!({"name": null, "parameters": null}), "en-US", "hi"),
        (json!(null), "en-US", "hi"),
    ];
    for (engine, language, text) in table {
        let body = json!([{"Say": {"text": "hi", "engine": engine}}]).to_string();
        let say = Say {
            language: language.to_owned(),
            ..said(text)
        };
        let commands = parse(body.as_bytes()).map(|script| script.commands);
        assert_eq!(commands, Ok(vec![Command::Say(say)]), "{body}");
    }
}

#[test]
fn keys_are_pressed_with_pauses_between_them() {
    let table = [
        ("1", vec![press('1')]),
        ("12", vec![press('1'), wait(500), press('2')]),
        ("1{1}2", vec![press('1'), wait(500), press('2')]),
        ("1{6}2", vec![press('1'), wait(3000), press('2')]),
        ("1{7}2", vec![press('1'), wait(3000), press('2')]),
        (
            "1{99999999999999999999}2",
            vec![press('1'), wait(3000), press('2')],
        ),
        (
            "1{2}{3}2",
            vec![press('1'), wait(1000), wait(1500), press('2')],
        ),
        ("{2}1{0}", vec![wait(1000), press('1'), wait(0)]),
        ("#*", vec![press('#'), wait(500), press('*')]),
    ];
    for (digits, steps) in table {
        let body = json!([{"SendDigits": {"digits": digits}}]).to_string();
        let private = false;
        let command = Command::SendDigits {
            digits: steps,
            private,
        };
        let commands = parse(body.as_bytes()).map(|script| script.commands);
        assert_eq!(commands, Ok(vec![command]), "{digits}");
    }
    for digits in [
        "{", "{}", "}", "{a}", "{-1}", "{1", "{1.5}", "{+1}", "1 2", "A", "١", "{١}",
    ] {
        let body = json!([{"SendDigits": {"digits": digits}}]).to_string();
        assert!(parse(body.as_bytes()).is_err(), "{digits}");
    }
}

#[test]
fn commands_keep_their_order() {
    let script = parse(br#" [{"Say":{"text":"hi"}},{"Pause":{"length":1}},{"Hangup":{}}] "#);
    let commands = script.unwrap().commands;
    assert!(matches!(
        commands[..],
        [
            Command::Say { .. },
            Command::Pause { .. },
            Command::Hangup { .. }
        ]
    ));
}

#[test]
fn an_empty_script_has_no_commands() {
    for body in ["", " \r\n", "[]", "\u{feff}", "\u{feff}[]"] {
        assert_eq!(parse(body.as_bytes()), Ok(Script::default()), "{body:?}");
    }
}

#[test]
fn commands_that_are_not_run_are_told_from_nonsense() {
    for name in UNSUPPORTED {
        let body = format!(r#"[{{"{name}":{{"any":[1,2]}}}}]"#);
        let name = name.to_owned();
        assert_eq!(
            parse(body.as_bytes()).unwrap().commands,
            [Command::Unsupported { name }]
        );
    }
}

#[test]
fn malformed_scripts_are_refused_with_the_place_and_the_reason() {
    let id = conference();
    let long = "x".repeat(4097);
    let alias = "x".repeat(65);
    let table = [
        (
            "{",
            "the script is not JSON: EOF while parsing an object at line 1 column 1",
        ),
        (
            "[",
            "the script is not JSON: EOF while parsing a list at line 1 column 1",
        ),
        (
            "<Say/>",
            "the script is not JSON: expected value at line 1 column 1",
        ),
        (
            r#"[{"Hangup":{}}] x"#,
            "the script is not JSON: trailing characters at line 1 column 17",
        ),
        (
            r#"[{"Hangup":{}},]"#,
            "the script is not JSON: trailing comma at line 1 column 16",
        ),
        ("null", "a script must be an array of commands, not null"),
        ("7", "a script must be an array of commands, not a number"),
        (
            "\"Hangup\"",
            "a script must be an array of commands, not a string",
        ),
        (
            r#"{"Hangup":{}}"#,
            "a script must be an array of commands, not an object",
        ),
        ("[null]", "command 1 must be an object, not null"),
        (r#"["Hangup"]"#, "command 1 must be an object, not a string"),
        ("[[]]", "command 1 must be an object, not an array"),
        (
            r#"[{"Hangup":{}},true]"#,
            "command 2 must be an object, not a boolean",
        ),
        ("[{}]", "command 1 must be an object with one name, not 0"),
        (
            r#"[{"Pause":{"length":1},"Hangup":{}}]"#,
            "command 1 must be an object with one name, not 2",
        ),
        (
            r#"[{"hangup":{}}]"#,
            "command 1: PerCL has no command \"hangup\"",
        ),
        (
            r#"[{"Say":{"text":"a"}},{"Gather":{}}]"#,
            "command 2: PerCL has no command \"Gather\"",
        ),
        (
            r#"[{"Hangup":null}]"#,
            "command 1, Hangup: the attributes must be an object, not null",
        ),
        (
            r#"[{"Say":"hi"}]"#,
            "command 1, Say: the attributes must be an object, not a string",
        ),
        (
            r#"[{"GetDigits":[]}]"#,
            "command 1, GetDigits: the attributes must be an object, not an array",
        ),
        (r#"[{"Say":{}}]"#, "command 1, Say.text: is required"),
        (
            r#"[{"Say":{"text":null}}]"#,
            "command 1, Say.text: is required",
        ),
        (
            r#"[{"Say":{"text":5}}]"#,
            "command 1, Say.text: must be a string, not a number",
        ),
        (
            &format!(r#"[{{"Say":{{"text":"{long}"}}}}]"#),
            "command 1, Say.text: must not be longer than 4096 bytes",
        ),
        (
            r#"[{"Say":{"text":"a","loop":-1}}]"#,
            "command 1, Say.loop: must be a whole number from 0 to 4294967295",
        ),
        (
            r#"[{"Say":{"text":"a","loop":1.5}}]"#,
            "command 1, Say.loop: must be a whole number from 0 to 4294967295",
        ),
        (
            r#"[{"Say":{"text":"a","loop":"twice"}}]"#,
            "command 1, Say.loop: must be a whole number from 0 to 4294967295",
        ),
        (
            r#"[{"Say":{"text":"a","loop":true}}]"#,
            "command 1, Say.loop: must be a whole number, not a boolean",
        ),
        (
            r#"[{"Say":{"text":"a","language":["en-US"]}}]"#,
            "command 1, Say.language: must be a string, not an array",
        ),
        (r#"[{"Play":{}}]"#, "command 1, Play.file: is required"),
        (
            r#"[{"Play":{"file":"jazz.wav"}}]"#,
            "command 1, Play.file: must be an absolute http or https URL",
        ),
        (
            r#"[{"Play":{"file":"file:///etc/passwd"}}]"#,
            "command 1, Play.file: must be an absolute http or https URL",
        ),
        (r#"[{"Pause":{}}]"#, "command 1, Pause.length: is required"),
        (
            r#"[{"Pause":{"length":5000000000}}]"#,
            "command 1, Pause.length: must be a whole number from 0 to 4294967295",
        ),
        (
            r#"[{"Pause":{"length":{}}}]"#,
            "command 1, Pause.length: must be a whole number, not an object",
        ),
        (
            r#"[{"Pause":{"length":1}},{"CreateConference":{}}]"#,
            "command 2, CreateConference.actionUrl: is required",
        ),
        (
            r#"[{"CreateConference":{"actionUrl":"/made"}}]"#,
            "command 1, CreateConference.actionUrl: must be an absolute http or https URL",
        ),
        (
            r#"[{"CreateConference":{"actionUrl":"https://a.example","playBeep":"both"}}]"#,
            "command 1, CreateConference.playBeep: must be one of always, never, entryOnly, exitOnly",
        ),
        (
            r#"[{"CreateConference":{"actionUrl":"https://a.example","record":"true"}}]"#,
            "command 1, CreateConference.record: must be true or false, not a string",
        ),
        (
            r#"[{"CreateConference":{"actionUrl":"https://a.example","alias":{}}}]"#,
            "command 1, CreateConference.alias: must be a string, not an object",
        ),
        (
            &format!(
                r#"[{{"CreateConference":{{"actionUrl":"https://a.example","alias":"{alias}"}}}}]"#
            ),
            "command 1, CreateConference.alias: must not be longer than 64 characters",
        ),
        (
            r#"[{"CreateConference":{"actionUrl":"https://a.example","waitUrl":"ftp://a.example/m.wav"}}]"#,
            "command 1, CreateConference.waitUrl: must be an absolute http or https URL",
        ),
        (
            r#"[{"Pause":{"length":1}},{"AddToConference":{}}]"#,
            "command 2, AddToConference.conferenceId: is required",
        ),
        (
            r#"[{"AddToConference":{"conferenceId":"CF12"}}]"#,
            "command 1, AddToConference.conferenceId: an identifier here is CF followed by 40 hexadecimal digits",
        ),
        (
            r#"[{"AddToConference":{"conferenceId":12}}]"#,
            "command 1, AddToConference.conferenceId: must be a string, not a number",
        ),
        (
            r#"[{"SetTalk":{"callId":"CF00"}}]"#,
            "command 1, SetTalk.callId: an identifier here is CA followed by 40 hexadecimal digits",
        ),
        (
            r#"[{"TerminateConference":{"conferenceId":7}}]"#,
            "command 1, TerminateConference.conferenceId: must be a string, not a number",
        ),
        (
            &format!(r#"[{{"AddToConference":{{"conferenceId":"{id}","talk":"no"}}}}]"#),
            "command 1, AddToConference.talk: must be true or false, not a string",
        ),
        (
            &format!(
                r#"[{{"AddToConference":{{"conferenceId":"{id}","callControlSequence":"1A"}}}}]"#
            ),
            "command 1, AddToConference.callControlSequence: must be keys of the telephone only: 0 to 9, * and #",
        ),
        (
            &format!(
                r#"[{{"AddToConference":{{"conferenceId":"{id}","leaveConferenceUrl":"left"}}}}]"#
            ),
            "command 1, AddToConference.leaveConferenceUrl: must be an absolute http or https URL",
        ),
        (
            r#"[{"Redirect":{"actionUrl":""}}]"#,
            "command 1, Redirect.actionUrl: is required",
        ),
        (
            r#"[{"GetDigits":{}}]"#,
            "command 1, GetDigits.actionUrl: is required",
        ),
        (
            r#"[{"GetDigits":{"actionUrl":"https://a.example","finishOnKey":"12"}}]"#,
            "command 1, GetDigits.finishOnKey: must be one key of the telephone: 0 to 9, * or #",
        ),
        (
            r#"[{"GetDigits":{"actionUrl":"https://a.example","finishOnKey":"A"}}]"#,
            "command 1, GetDigits.finishOnKey: must be one key of the telephone: 0 to 9, * or #",
        ),
        (
            r#"[{"GetDigits":{"actionUrl":"https://a.example","prompts":{"Say":{"text":"a"}}}}]"#,
            "command 1, GetDigits.prompts: must be an array, not an object",
        ),
        (
            r#"[{"GetDigits":{"actionUrl":"https://a.example","prompts":[{"Pause":{"length":1}},{"Say":{}}]}}]"#,
            "command 1, GetDigits.prompts: command 2, Say.text: is required",
        ),
        (
            r#"[{"GetDigits":{"actionUrl":"https://a.example","prompts":[{"Hangup":{}}]}}]"#,
            "command 1, GetDigits.prompts: command 1, Hangup: cannot stand inside another command",
        ),
        (
            r#"[{"GetDigits":{"actionUrl":"https://a.example","prompts":["Say"]}}]"#,
            "command 1, GetDigits.prompts: command 1 must be an object, not a string",
        ),
        (
            r#"[{"SendDigits":{"digits":""}}]"#,
            "command 1, SendDigits.digits: is required",
        ),
        (
            r#"[{"SendDigits":{"digits":"12w3"}}]"#,
            "command 1, SendDigits.digits: must be keys of the telephone (0 to 9, * and #), with pauses as {n} between them",
        ),
        (
            r#"[{"RecordUtterance":{"actionUrl":"https://a.example","maxLengthSec":0}}]"#,
            "command 1, RecordUtterance.maxLengthSec: must be a whole number from 1 to 4294967295",
        ),
        (
            r#"[{"TranscribeUtterance":{"actionUrl":"https://a.example","record":{"maxLengthSec":61}}}]"#,
            "command 1, TranscribeUtterance.maxLengthSec: must be a whole number from 1 to 60",
        ),
        (
            r#"[{"TranscribeUtterance":{"actionUrl":"https://a.example","record":true}}]"#,
            "command 1, TranscribeUtterance.record: must be an object, not a boolean",
        ),
        (
            r#"[{"OutDial":{}}]"#,
            "command 1, OutDial.destination: is required",
        ),
        (
            r#"[{"OutDial":{"destination":"5550100","desetination":"+15550100"}}]"#,
            "command 1, OutDial.destination: must be a phone number as E.164 writes it, + and 7 to 15 digits, or a SIP URI",
        ),
        (
            r#"[{"OutDial":{"destination":"+15550101"}}]"#,
            "command 1, OutDial.callingNumber: is required",
        ),
        (
            r#"[{"OutDial":{"destination":"+15550101","callingNumber":"a\r\nb"}}]"#,
            "command 1, OutDial.callingNumber: must be a phone number as E.164 writes it, + and 7 to 15 digits, or a SIP URI",
        ),
        (
            r#"[{"OutDial":{"destination":"+15550101","callingNumber":"+15550100","actionUrl":"https://a.example"}}]"#,
            "command 1, OutDial.callConnectUrl: is required",
        ),
        (
            r#"[{"OutDial":{"destination":"+15550101","callingNumber":"+15550100","actionUrl":"https://a.example","callConnectUrl":"https://a.example","ifMachine":"redirect"}}]"#,
            "command 1, OutDial.ifMachineUrl: is required",
        ),
        (
            r#"[{"OutDial":{"destination":"+15550101","callingNumber":"+15550100","actionUrl":"https://a.example","callConnectUrl":"https://a.example","ifMachine":"hangup","ifMachineUrl":"https://a.example"}}]"#,
            "command 1, OutDial.ifMachineUrl: must not be given with ifMachine hangup",
        ),
        (
            r#"[{"OutDial":{"destination":"+15550101","callingNumber":"+15550100","actionUrl":"https://a.example","callConnectUrl":"https://a.example","timeout":0}}]"#,
            "command 1, OutDial.timeout: must be a whole number from 1 to 3600",
        ),
        (
            r#"[{"Park":{"actionUrl":"https://a.example"}}]"#,
            "command 1, Park.waitUrl: is required",
        ),
        (
            r#"[{"Enqueue":{"queueId":"support"}}]"#,
            "command 1, Enqueue.queueId: an identifier here is QU followed by 40 hexadecimal digits",
        ),
        (
            r#"[{"SetTalk":{"talk":"no"}}]"#,
            "command 1, SetTalk.talk: must be true or false, not a string",
        ),
        (
            r#"[{"Reject":{"reason":{}}}]"#,
            "command 1, Reject.reason: must be a string, not an object",
        ),
    ];
    for (body, message) in table {
        let error = parse(body.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), message, "{body}");
    }
}

#[test]
fn deep_nesting_is_refused_and_does_not_exhaust_the_stack() {
    let body = "[".repeat(1_000_000);
    assert!(matches!(
        parse(body.as_bytes()),
        Err(Malformed::NotJson { .. })
    ));
}

fn conference() -> ConferenceId {
    ConferenceId::from_bytes([7; 20])
}

fn caller() -> CallId {
    CallId::from_bytes([9; 20])
}

fn created() -> CreateConference {
    CreateConference {
        action_url: "https://app.example/made".to_owned(),
        alias: None,
        play_beep: PlayBeep::Always,
        record: false,
        wait_url: None,
        status_callback_url: None,
    }
}

fn added() -> AddToConference {
    AddToConference {
        conference: conference(),
        call: None,
        start_conf_on_enter: true,
        talk: true,
        listen: true,
        dtmf_pass_through: true,
        allow_call_control: false,
        call_control_sequence: None,
        call_control_url: None,
        leave_conference_url: None,
        notification_url: None,
    }
}

fn said(text: &str) -> Say {
    Say {
        text: text.to_owned(),
        language: "en-US".to_owned(),
        repeat: Repeat::Times(1),
        conference: None,
        private: false,
    }
}

fn played(file: &str) -> Play {
    Play {
        file: file.to_owned(),
        repeat: Repeat::Times(1),
        conference: None,
        private: false,
    }
}

fn awaited() -> GetDigits {
    GetDigits {
        action_url: "https://app.example/digits".to_owned(),
        initial_timeout: Duration::from_secs(8),
        digit_timeout: Duration::from_secs(5),
        finish_on_key: Digit::from_char('#'),
        min_digits: 0,
        max_digits: None,
        flush_buffer: false,
        prompts: Vec::new(),
        private: false,
    }
}

fn recorded() -> RecordUtterance {
    RecordUtterance {
        action_url: "https://app.example/said".to_owned(),
        silence_timeout: Some(Duration::from_secs(5)),
        finish_on_key: Digit::from_char('#'),
        max_length: Duration::from_secs(3600),
        play_beep: false,
        awaits_voice: false,
        private: false,
    }
}

fn transcribed() -> TranscribeUtterance {
    TranscribeUtterance {
        action_url: "https://app.example/text".to_owned(),
        play_beep: false,
        save_recording: false,
        max_length: Duration::from_secs(60),
        silence_timeout: Some(Duration::from_secs(3)),
        private_log: false,
        private_recording: false,
        prompts: Vec::new(),
    }
}

fn dialled() -> OutDial {
    OutDial {
        destination: "+15550101".to_owned(),
        calling_number: "+15550100".to_owned(),
        action_url: "https://app.example/dialled".to_owned(),
        call_connect_url: "https://app.example/connected".to_owned(),
        status_callback_url: None,
        timeout: Duration::from_secs(30),
        send_digits: Vec::new(),
        if_machine: None,
        private: false,
    }
}

fn queue() -> QueueId {
    QueueId::from_bytes([8; 20])
}

fn enqueued() -> Enqueue {
    Enqueue {
        queue: queue(),
        wait_url: "https://app.example/wait".to_owned(),
        action_url: "https://app.example/back".to_owned(),
        notification_url: None,
    }
}

fn press(key: char) -> Keystroke {
    Keystroke::Press(Digit::from_char(key).unwrap())
}

fn wait(millis: u64) -> Keystroke {
    Keystroke::Wait(Duration::from_millis(millis))
}
