//! What clients ask of calls.

use tutti_control_plane::{CallChange, CallStatus};
use tutti_model::{ApplicationId, CallId};

use crate::attributes::{Attributes, BadAttribute, Fault, bad, identify, required};
use crate::page::Filter;
use crate::query::{Query, Span};

/// How many applications one filter may name.
const MAX_APPLICATIONS: usize = 16;

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
        Ok(CallFilter {
            active: query.bool("active")?.unwrap_or(false),
            to: query.phone_number("to"),
            from: query.phone_number("from"),
            status: query.choice("status")?,
            started: Span::from_until(query.moment("startTime")?, None),
            ended: Span::from_until(None, query.through("endTime")?),
            parent: query.id("parentCallId")?,
            applications,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::members;
    use super::*;
    use crate::date;

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
             &webRTC=false&riskScoreMin=1",
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
            })
        );
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
