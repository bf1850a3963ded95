//! What clients ask of calls.

use std::time::Duration;

use tutti_control_plane::{CallChange, CallStatus, IfMachine, Keystroke};
use tutti_model::{ApplicationId, CallId};
use utoipa::ToSchema;

use super::schema;
use crate::address;
use crate::attributes::{Attributes, BadAttribute, Fault, bad, identify, required};
use crate::error::ApiError;
use crate::page::Filter;
use crate::percl::{DEFAULT_GAP, if_machine, keystrokes, private, ring_time};
use crate::query::{Query, Span};

/// How many applications one filter may name.
const MAX_APPLICATIONS: usize = 16;

/// A call that a client wants to be placed, as it is written: what it names is still to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCallRequest {
    /// One of the account's numbers, or what a call of it shows already.
    pub from: String,
    /// A number as E.164 with its plus sign, or a SIP URI.
    pub to: String,
    pub application: Option<ApplicationId>,
    pub parent: Option<CallId>,
    /// Counts before what the application or the parent has. One of the three is given.
    pub call_connect_url: Option<String>,
    /// How long it may ring.
    pub timeout: Duration,
    /// Pressed once somebody has picked up.
    pub send_digits: Vec<Keystroke>,
    pub if_machine: Option<IfMachine>,
    /// What is pressed is masked in the log.
    pub private: bool,
}

/// The body of `POST /Calls`, as the API's description shows it. One of `applicationId`,
/// `parentCallId` and `callConnectUrl` is given.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct MakeCallRequest {
    #[schema(schema_with = schema::caller)]
    pub from: String,
    #[schema(schema_with = schema::callee)]
    pub to: String,
    #[schema(pattern = "^AP[0-9a-fA-F]{40}$")]
    pub application_id: Option<String>,
    #[schema(pattern = "^CA[0-9a-fA-F]{40}$")]
    pub parent_call_id: Option<String>,
    #[schema(schema_with = schema::url)]
    pub call_connect_url: Option<String>,
    /// How many seconds it may ring.
    #[schema(minimum = 1, maximum = 3600, default = 30)]
    pub timeout: Option<u32>,
    /// Keys 0 to 9, * and #, with `{n}` between two of them for a pause of n half seconds.
    #[schema(max_length = 256, pattern = r"^([0-9*#]|\{[0-9]+\})*$")]
    pub send_digits: Option<String>,
    /// `redirect` or `hangup`.
    #[schema(pattern = "^(redirect|hangup)?$")]
    pub if_machine: Option<String>,
    /// Given with `ifMachine` `redirect`, and with nothing else.
    #[schema(max_length = 2048, pattern = r"^(https?://\S+)?$")]
    pub if_machine_url: Option<String>,
    #[schema(default = false)]
    pub privacy_mode: Option<bool>,
}

impl NewCallRequest {
    /// Reads `POST /Calls`.
    pub fn parse(attributes: &Attributes) -> Result<NewCallRequest, ApiError> {
        let request = NewCallRequest {
            from: required("from", address::caller(attributes, "from")?)?,
            to: required("to", address::callee(attributes, "to")?)?,
            application: attributes.id("applicationId")?,
            parent: attributes.id("parentCallId")?,
            call_connect_url: attributes.url("callConnectUrl")?,
            timeout: ring_time(attributes)?,
            send_digits: keystrokes(attributes, "sendDigits", DEFAULT_GAP)?,
            if_machine: if_machine(attributes)?,
            private: private(attributes)?,
        };
        let connects = request.application.is_some()
            || request.parent.is_some()
            || request.call_connect_url.is_some();
        if connects {
            Ok(request)
        } else {
            Err(ApiError::NothingConnects)
        }
    }
}

/// The body of `POST /Calls/{callId}`, as the API's description shows it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct UpdateCallRequest {
    #[schema(schema_with = schema::word::<CallChange>)]
    pub status: String,
}

/// Reads `POST /Calls/{callId}`.
pub fn update_call(attributes: &Attributes) -> Result<CallChange, BadAttribute> {
    required("status", attributes.choice("status")?)
}

/// Which calls are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallFilter {
    /// Only calls to which something can still happen.
    pub active: bool,
    pub to: Option<String>,
    pub from: Option<String>,
    pub status: Option<CallStatus>,
    /// When the call started.
    pub started: Span,
    /// When the call ended.
    pub ended: Span,
    pub parent: Option<CallId>,
    /// Any of these; none leaves everything in.
    pub applications: Vec<ApplicationId>,
    /// The filter asks for what no call here is: one from a browser, or with an audio stream.
    pub unsatisfiable: bool,
}

impl Filter for CallFilter {
    const LIST: &'static str = "calls";
    const NAMES: &'static [&'static str] = &[
        "active",
        "to",
        "from",
        "status",
        "startTime",
        "endTime",
        "parentCallId",
        "applicationId",
        "usedAudioStream",
        "webRTC",
    ];

    fn parse(query: &Query) -> Result<CallFilter, BadAttribute> {
        let name = "applicationId";
        let applications = query
            .texts(name)
            .map(|text| identify(name, text))
            .collect::<Result<Vec<_>, _>>()?;
        if applications.len() > MAX_APPLICATIONS {
            let limit = MAX_APPLICATIONS;
            return Err(bad(name, Fault::TooMany { limit }));
        }
        let mut unsatisfiable = false;
        for name in ["usedAudioStream", "webRTC"] {
            unsatisfiable |= query.bool(name)? == Some(true);
        }
        Ok(CallFilter {
            active: query.bool("active")?.unwrap_or(false),
            to: query.phone_number("to"),
            from: query.phone_number("from"),
            status: query.choice("status")?,
            started: Span::from_until(query.moment("startTime")?, None),
            ended: Span::from_until(None, query.through("endTime")?),
            parent: query.id("parentCallId")?,
            applications,
            unsatisfiable,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::members;
    use super::*;
    use crate::date;

    #[test]
    fn a_call_is_placed_with_as_little_as_is_needed() {
        let url = "https://app.example/connect";
        let body = format!(r#"{{"from":"+15550100","to":"+15550101","callConnectUrl":"{url}"}}"#);
        let least = NewCallRequest {
            from: "+15550100".to_owned(),
            to: "+15550101".to_owned(),
            application: None,
            parent: None,
            call_connect_url: Some(url.to_owned()),
            timeout: Duration::from_secs(30),
            send_digits: Vec::new(),
            if_machine: None,
            private: false,
        };
        assert_eq!(make(&body), Ok(least.clone()));

        let body = format!(
            r##"{{"from":"+15550100","to":"sip:bob@host.example","applicationId":"AP{}",
            "parentCallId":"CA{}","callConnectUrl":"{url}","timeout":9,"sendDigits":"1#",
            "ifMachine":"redirect","ifMachineUrl":"{url}","privacyMode":true}}"##,
            "6".repeat(40),
            "2".repeat(40)
        );
        let key = |key| Keystroke::Press(tutti_model::Digit::from_char(key).unwrap());
        assert_eq!(
            make(&body),
            Ok(NewCallRequest {
                to: "sip:bob@host.example".to_owned(),
                application: Some(ApplicationId::from_bytes([0x66; 20])),
                parent: Some(CallId::from_bytes([0x22; 20])),
                timeout: Duration::from_secs(9),
                send_digits: vec![
                    key('1'),
                    Keystroke::Wait(Duration::from_millis(500)),
                    key('#')
                ],
                if_machine: Some(IfMachine::Redirect {
                    url: url.to_owned()
                }),
                private: true,
                ..least
            })
        );
    }

    #[test]
    fn a_call_that_lacks_something_is_told_what() {
        let all = r#""from":"+15550100","to":"+15550101","callConnectUrl":"https://a.example""#;
        let table = [
            ("{}".to_owned(), 80, "from: is required"),
            (r#"{"from":"+15550100"}"#.to_owned(), 80, "to: is required"),
            (
                r#"{"from":"+15550100","to":"+15550101"}"#.to_owned(),
                80,
                "a call needs an applicationId, a parentCallId or a callConnectUrl",
            ),
            (
                r#"{"from":"+15550100","to":"5550101"}"#.to_owned(),
                9,
                "to: must be a phone number as E.164 writes it, + and 7 to 15 digits, or a SIP URI",
            ),
            (
                r#"{"from":"+15550100","to":"sips:a@b"}"#.to_owned(),
                9,
                "to: must not be a sips URI: this bridge promises no encryption up to the callee",
            ),
            (
                format!(r#"{{{all},"timeout":"soon"}}"#),
                3,
                "timeout: must be a whole number from 1 to 3600",
            ),
            (
                format!(r#"{{{all},"sendDigits":"call me"}}"#),
                3,
                "sendDigits: must be keys of the telephone (0 to 9, * and #), with pauses as {n} between them",
            ),
            (
                format!(r#"{{{all},"ifMachine":"hangup","ifMachineUrl":"https://a.example"}}"#),
                3,
                "ifMachineUrl: must not be given with ifMachine hangup",
            ),
            (
                format!(r#"{{{all},"ifMachine":"redirect"}}"#),
                80,
                "ifMachineUrl: is required",
            ),
            (
                format!(r#"{{{all},"ifMachine":"leave"}}"#),
                3,
                "ifMachine: must be one of redirect, hangup",
            ),
            (
                format!(r#"{{{all},"privacyMode":"yes"}}"#),
                3,
                "privacyMode: must be true or false, not a string",
            ),
        ];
        for (body, code, message) in table {
            let error = make(&body).unwrap_err();
            assert_eq!((error.status(), error.code()), (400, code), "{body}");
            assert_eq!(error.to_string(), message, "{body}");
        }
    }

    fn make(body: &str) -> Result<NewCallRequest, ApiError> {
        NewCallRequest::parse(&members(body.as_bytes()).unwrap())
    }

    #[test]
    fn a_call_is_canceled_or_completed() {
        let update = |body: &str| update_call(&members(body.as_bytes()).unwrap());
        assert_eq!(update(r#"{"status":"canceled"}"#), Ok(CallChange::Canceled));
        assert_eq!(
            update(r#"{"status":"completed"}"#),
            Ok(CallChange::Completed)
        );
        assert_eq!(update("").unwrap_err().to_string(), "status: is required");
        assert_eq!(
            update(r#"{"status":"ringing"}"#).unwrap_err().to_string(),
            "status: must be one of canceled, completed"
        );
    }

    #[test]
    fn calls_are_filtered_by_everything_documented() {
        let application = format!("AP{}", "6".repeat(40));
        let query = format!(
            "active=true&to=%2B15550101&from=+15550100&status=inProgress\
             &startTime=2024-05-01+08:00:00&endTime=2024-05-01%2009:00:00\
             &parentCallId=CA{}&applicationId={application}&applicationId={application}\
             &webRTC=false&usedAudioStream=false&riskScoreMin=1",
            "2".repeat(40)
        );
        let end = date::moment("2024-05-01 09:00:01");
        assert_eq!(
            CallFilter::parse(&Query::parse(&query)),
            Ok(CallFilter {
                active: true,
                to: Some("+15550101".to_owned()),
                from: Some("+15550100".to_owned()),
                status: Some(CallStatus::InProgress),
                started: Span::from_until(date::moment("2024-05-01 08:00:00"), None),
                ended: Span::from_until(None, end),
                parent: Some(CallId::from_bytes([0x22; 20])),
                applications: vec![ApplicationId::from_bytes([0x66; 20]); 2],
                unsatisfiable: false,
            })
        );
    }

    #[test]
    fn no_call_is_from_a_browser_or_has_an_audio_stream() {
        for name in ["usedAudioStream", "webRTC"] {
            let finds_nothing = |value: &str| {
                let filter = CallFilter::parse(&Query::parse(&format!("{name}={value}")));
                filter.map(|filter| filter.unsatisfiable)
            };
            assert_eq!(finds_nothing("true"), Ok(true), "{name}");
            assert_eq!(finds_nothing("false"), Ok(false), "{name}");
            assert_eq!(finds_nothing(""), Ok(false), "{name}");
            assert!(finds_nothing("yes").is_err(), "{name}");
            assert!(CallFilter::NAMES.contains(&name), "a cursor loses {name}");
        }
    }

    #[test]
    fn a_filter_names_sixteen_applications_at_most() {
        let one = format!("applicationId=AP{}", "6".repeat(40));
        let query = vec![one; 17].join("&");
        assert_eq!(
            CallFilter::parse(&Query::parse(&query))
                .unwrap_err()
                .to_string(),
            "applicationId: must not be given more than 16 times"
        );
    }
}
