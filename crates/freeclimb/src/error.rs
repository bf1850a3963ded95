//! What a request that is refused gets back: an HTTP status and the body that every SDK reads.

use serde_json::json;
use tutti_control_plane::Refusal;

use crate::attributes::{BadAttribute, Fault};

/// Where the codes are explained.
const DICTIONARY: &str = "https://docs.freeclimb.com/reference/error-and-warning-dictionary";

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    // The request itself.
    #[error("there is nothing at this path")]
    NoSuchPath,
    #[error("this path does not take this method")]
    MethodNotAllowed,
    #[error("the body is not JSON: {reason}")]
    NotJson { reason: String },
    #[error("the body must be an object, not {found}")]
    NotAnObject { found: &'static str },
    #[error("{0}")]
    BadParameter(BadAttribute),
    #[error("the body is longer than {limit_bytes} bytes")]
    BodyTooLong { limit_bytes: usize },
    #[error("the body did not arrive in full")]
    BodyIncomplete,
    #[error("the path and query are longer than {limit_bytes} bytes")]
    UriTooLong { limit_bytes: usize },
    #[error("the headers are longer than {limit_bytes} bytes")]
    HeadersTooLong { limit_bytes: usize },
    #[error("the recording is {size_bytes} bytes long and has no such range")]
    NoSuchRange { size_bytes: u64 },
    #[error("the body has a member that is not known here: {name:?}")]
    UnknownMember { name: String },
    #[error("a call needs an applicationId, a parentCallId or a callConnectUrl")]
    NothingConnects,
    #[error("callConnectUrl: neither the request nor what it names has one")]
    NoCallConnectUrl,

    // Who sends it.
    #[error("the request carries no account id and API key (HTTP Basic)")]
    NoCredentials,
    #[error("the account id and API key do not belong together")]
    WrongCredentials,
    #[error("the account is not active")]
    AccountNotActive,
    #[error("the account sends too many requests")]
    TooManyRequests { retry_after_secs: u64 },

    // What it is about.
    #[error("there is no such account")]
    NoSuchAccount,
    #[error("there is no such conference")]
    NoSuchConference,
    #[error("that call is not in that conference")]
    NoSuchParticipant,
    #[error("there is no such call, or it has ended")]
    NoSuchCall,
    #[error("there is no such recording")]
    NoSuchRecording,
    #[error("there is no such application")]
    NoSuchApplication,
    #[error("there is no such phone number")]
    NoSuchNumber,
    #[error("the phone number is in use")]
    NumberTaken,
    #[error("from: the account has no such phone number")]
    CallerNotOwned,
    #[error("there is no such queue")]
    NoSuchQueue,
    #[error("nobody waits in the queue")]
    QueueEmpty,
    #[error("that call does not wait in that queue")]
    NoSuchMember,
    #[error("the account has as many queues as it may have")]
    TooManyQueues { retry_after_secs: u64 },
    #[error("the parent call is neither in progress nor an inbound call that rings")]
    ParentNotLive,
    #[error("the account may not call there")]
    DestinationNotAllowed,
    #[error("the account places more calls a second than it may")]
    DialledTooFast { retry_after_secs: u64 },
    #[error("the account has as many outbound calls as it may have at the same time")]
    TooManyOutboundCalls { retry_after_secs: u64 },
    #[error("the account has used up its minutes of outbound calls for today")]
    OutOfMinutes,
    #[error("the conference has been terminated")]
    ConferenceTerminated,
    #[error("the conference is full")]
    ConferenceFull,
    #[error("the account has as many conferences as it may have")]
    TooManyConferences { retry_after_secs: u64 },

    // The bridge.
    #[error("this bridge does not make outbound calls")]
    NoOutboundCalls,
    #[error("messages and their campaigns are not part of this bridge")]
    NoMessaging,
    #[error("this part of the API is not part of this bridge")]
    NotOffered,
    #[error("the bridge cannot answer now; try again")]
    Unavailable { retry_after_secs: u64 },
    #[error("the bridge failed")]
    Internal,
}

impl ApiError {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            ApiError::NotJson { .. }
            | ApiError::NotAnObject { .. }
            | ApiError::BadParameter(_)
            | ApiError::BodyIncomplete
            | ApiError::UnknownMember { .. }
            | ApiError::NothingConnects
            | ApiError::NoCallConnectUrl => 400,
            ApiError::NoCredentials | ApiError::WrongCredentials => 401,
            ApiError::AccountNotActive
            | ApiError::DestinationNotAllowed
            | ApiError::OutOfMinutes
            // Neither is a failure of the server, though it might be one of its kind.
            | ApiError::NoOutboundCalls
            | ApiError::NoMessaging
            | ApiError::NotOffered => 403,
            ApiError::NoSuchPath
            | ApiError::NoSuchAccount
            | ApiError::NoSuchConference
            | ApiError::NoSuchParticipant
            | ApiError::NoSuchCall
            | ApiError::NoSuchRecording
            | ApiError::NoSuchApplication
            | ApiError::NoSuchNumber
            | ApiError::CallerNotOwned
            | ApiError::NoSuchQueue
            | ApiError::QueueEmpty
            | ApiError::NoSuchMember => 404,
            ApiError::MethodNotAllowed => 405,
            ApiError::NumberTaken
            | ApiError::ParentNotLive
            | ApiError::ConferenceTerminated
            | ApiError::ConferenceFull => 409,
            ApiError::BodyTooLong { .. } => 413,
            ApiError::UriTooLong { .. } => 414,
            ApiError::NoSuchRange { .. } => 416,
            ApiError::TooManyRequests { .. }
            | ApiError::TooManyQueues { .. }
            | ApiError::DialledTooFast { .. }
            | ApiError::TooManyOutboundCalls { .. }
            | ApiError::TooManyConferences { .. } => 429,
            ApiError::HeadersTooLong { .. } => 431,
            ApiError::Internal => 500,
            ApiError::Unavailable { .. } => 503,
        }
    }

    /// FreeClimb's number for it.
    pub fn code(&self) -> u16 {
        match self {
            ApiError::Internal => 0,
            ApiError::NoSuchPath
            | ApiError::NoSuchAccount
            | ApiError::NoSuchCall
            | ApiError::NoSuchApplication
            | ApiError::NoSuchQueue
            | ApiError::QueueEmpty
            | ApiError::NoSuchMember
            | ApiError::NotOffered => 1,
            ApiError::MethodNotAllowed => 2,
            ApiError::BadParameter(BadAttribute { fault, .. }) => match fault {
                Fault::Missing => 80,
                Fault::Pql(_) => 5,
                Fault::NotE164 | Fault::NotAnAddress(_) => 9,
                Fault::Mistyped { .. }
                | Fault::NotOneOf { .. }
                | Fault::OutOfRange { .. }
                | Fault::NotAKey
                | Fault::NotKeystrokes
                | Fault::NotWith { .. }
                | Fault::BadPrompt { .. }
                | Fault::TooLong { .. }
                | Fault::TooMany { .. }
                | Fault::NotAnId(_)
                | Fault::NotAUrl
                | Fault::NotKeys
                | Fault::NotADate { .. }
                | Fault::NotACursor => 3,
            },
            ApiError::NotAnObject { .. }
            | ApiError::BodyTooLong { .. }
            | ApiError::BodyIncomplete
            | ApiError::UriTooLong { .. }
            | ApiError::HeadersTooLong { .. }
            | ApiError::NoSuchRange { .. }
            | ApiError::UnknownMember { .. } => 3,
            ApiError::NotJson { .. } => 9,
            ApiError::NoMessaging => 10,
            ApiError::DestinationNotAllowed => 11,
            ApiError::NoOutboundCalls => 16,
            ApiError::TooManyRequests { .. }
            | ApiError::TooManyQueues { .. }
            | ApiError::DialledTooFast { .. }
            | ApiError::TooManyOutboundCalls { .. }
            | ApiError::TooManyConferences { .. } => 24,
            ApiError::OutOfMinutes => 27,
            ApiError::NoSuchNumber | ApiError::CallerNotOwned => 46,
            ApiError::NoCredentials | ApiError::AccountNotActive => 50,
            ApiError::WrongCredentials => 51,
            ApiError::Unavailable { .. } => 55,
            ApiError::NoSuchConference | ApiError::NoSuchParticipant => 66,
            ApiError::NoSuchRecording => 68,
            ApiError::NothingConnects | ApiError::NoCallConnectUrl => 80,
            ApiError::NumberTaken
            | ApiError::ParentNotLive
            | ApiError::ConferenceTerminated
            | ApiError::ConferenceFull => 108,
        }
    }

    /// After how many seconds the same request may fare better.
    pub fn retry_after_secs(&self) -> Option<u64> {
        match self {
            ApiError::TooManyRequests { retry_after_secs }
            | ApiError::TooManyQueues { retry_after_secs }
            | ApiError::DialledTooFast { retry_after_secs }
            | ApiError::TooManyOutboundCalls { retry_after_secs }
            | ApiError::TooManyConferences { retry_after_secs }
            | ApiError::Unavailable { retry_after_secs } => Some(*retry_after_secs),
            ApiError::NoSuchPath
            | ApiError::MethodNotAllowed
            | ApiError::NotJson { .. }
            | ApiError::NotAnObject { .. }
            | ApiError::BadParameter(_)
            | ApiError::BodyTooLong { .. }
            | ApiError::BodyIncomplete
            | ApiError::UriTooLong { .. }
            | ApiError::HeadersTooLong { .. }
            | ApiError::NoSuchRange { .. }
            | ApiError::UnknownMember { .. }
            | ApiError::NothingConnects
            | ApiError::NoCallConnectUrl
            | ApiError::NoCredentials
            | ApiError::WrongCredentials
            | ApiError::AccountNotActive
            | ApiError::NoSuchAccount
            | ApiError::NoSuchConference
            | ApiError::NoSuchParticipant
            | ApiError::NoSuchCall
            | ApiError::NoSuchRecording
            | ApiError::NoSuchApplication
            | ApiError::NoSuchNumber
            | ApiError::NumberTaken
            | ApiError::CallerNotOwned
            | ApiError::NoSuchQueue
            | ApiError::QueueEmpty
            | ApiError::NoSuchMember
            | ApiError::ParentNotLive
            | ApiError::DestinationNotAllowed
            | ApiError::OutOfMinutes
            | ApiError::ConferenceTerminated
            | ApiError::ConferenceFull
            | ApiError::NoOutboundCalls
            | ApiError::NoMessaging
            | ApiError::NotOffered
            | ApiError::Internal => None,
        }
    }

    /// The body: the fields of all SDK generations together, for each reads others.
    pub fn body(&self) -> Vec<u8> {
        let code = self.code();
        let text = self.to_string();
        let page = format!("{DICTIONARY}#{code}");
        let body = json!({
            "status": self.status(),
            "code": code,
            "message": text,
            "call": text,
            "details": {},
            "url": page,
            "info": page,
        });
        body.to_string().into_bytes()
    }
}

impl From<BadAttribute> for ApiError {
    fn from(bad: BadAttribute) -> ApiError {
        ApiError::BadParameter(bad)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> ApiError {
        let retry_after_secs = 60;
        match refusal {
            Refusal::NoSuchConference => ApiError::NoSuchConference,
            Refusal::NoSuchParticipant => ApiError::NoSuchParticipant,
            Refusal::NoSuchCall => ApiError::NoSuchCall,
            Refusal::ConferenceTerminated => ApiError::ConferenceTerminated,
            Refusal::ConferenceFull => ApiError::ConferenceFull,
            Refusal::NoSuchQueue => ApiError::NoSuchQueue,
            Refusal::QueueEmpty => ApiError::QueueEmpty,
            Refusal::NoSuchMember => ApiError::NoSuchMember,
            Refusal::TooManyQueues => ApiError::TooManyQueues { retry_after_secs },
            Refusal::ParentNotLive => ApiError::ParentNotLive,
            Refusal::DialledTooFast => ApiError::DialledTooFast {
                retry_after_secs: 1,
            },
            Refusal::TooManyOutboundCalls => ApiError::TooManyOutboundCalls { retry_after_secs },
            Refusal::OutOfMinutes => ApiError::OutOfMinutes,
            Refusal::TooManyConferences => ApiError::TooManyConferences { retry_after_secs },
            Refusal::BridgeFull | Refusal::Draining => ApiError::Unavailable { retry_after_secs },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::attributes::bad;

    #[test]
    fn an_error_speaks_to_every_sdk_generation() {
        let body: Value = serde_json::from_slice(&ApiError::NoSuchConference.body()).unwrap();
        let page = "https://docs.freeclimb.com/reference/error-and-warning-dictionary#66";
        assert_eq!(
            body,
            json!({
                "status": 404,
                "code": 66,
                "message": "there is no such conference",
                "call": "there is no such conference",
                "details": {},
                "url": page,
                "info": page,
            })
        );
    }

    #[test]
    fn an_error_about_a_parameter_names_it() {
        let missing = ApiError::from(bad("status", Fault::Missing));
        assert_eq!((missing.status(), missing.code()), (400, 80));
        assert_eq!(missing.to_string(), "status: is required");
        let malformed = ApiError::from(bad("waitUrl", Fault::NotAUrl));
        assert_eq!((malformed.status(), malformed.code()), (400, 3));
        assert_eq!(
            malformed.to_string(),
            "waitUrl: must be an absolute http or https URL"
        );
        let number = ApiError::from(bad("phoneNumber", Fault::NotE164));
        assert_eq!((number.status(), number.code()), (400, 9));
    }

    #[test]
    fn refusals_keep_their_meaning() {
        let seen: Vec<_> = [
            Refusal::NoSuchConference,
            Refusal::NoSuchParticipant,
            Refusal::NoSuchCall,
            Refusal::ConferenceTerminated,
            Refusal::ConferenceFull,
            Refusal::TooManyConferences,
            Refusal::NoSuchQueue,
            Refusal::QueueEmpty,
            Refusal::NoSuchMember,
            Refusal::TooManyQueues,
            Refusal::ParentNotLive,
            Refusal::DialledTooFast,
            Refusal::TooManyOutboundCalls,
            Refusal::OutOfMinutes,
        ]
        .map(|refusal| {
            let error = ApiError::from(refusal);
            assert_eq!(error.to_string(), refusal.to_string());
            (error.status(), error.code())
        })
        .into();
        assert_eq!(
            seen,
            [
                (404, 66),
                (404, 66),
                (404, 1),
                (409, 108),
                (409, 108),
                (429, 24),
                (404, 1),
                (404, 1),
                (404, 1),
                (429, 24),
                (409, 108),
                (429, 24),
                (429, 24),
                (403, 27),
            ]
        );
    }

    #[test]
    fn only_passing_troubles_ask_to_retry() {
        let rate = ApiError::TooManyRequests {
            retry_after_secs: 2,
        };
        assert_eq!(rate.retry_after_secs(), Some(2));
        assert_eq!(ApiError::WrongCredentials.retry_after_secs(), None);
    }
}
