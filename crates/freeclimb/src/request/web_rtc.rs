//! What clients ask for a browser.

use serde::Deserialize;
use utoipa::ToSchema;

use super::schema;
use crate::address;
use crate::attributes::{Attributes, required};
use crate::error::ApiError;

/// The members of a token's request; it may have no others.
const MEMBERS: [&str; 3] = ["to", "from", "uses"];

/// A token with which a browser may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebRtcTokenRequest {
    /// Whom it may call: a number as E.164 with its plus sign, or a SIP URI.
    pub to: String,
    /// Whom the callee sees.
    pub from: String,
    /// How often it may call, once at least.
    pub uses: u32,
}

/// The body of `POST /Calls/WebRTC/Token`, as the API's description shows it. It has no other members.
#[derive(ToSchema, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateWebRtcToken {
    #[schema(schema_with = schema::callee)]
    pub to: String,
    #[schema(schema_with = schema::caller)]
    pub from: String,
    #[schema(minimum = 1, maximum = 4294967295_u32, format = Int64)]
    pub uses: u32,
}

impl WebRtcTokenRequest {
    /// Reads `POST /Calls/WebRTC/Token`.
    pub fn parse(attributes: &Attributes) -> Result<WebRtcTokenRequest, ApiError> {
        if let Some(name) = attributes.unknown(&MEMBERS) {
            let name = name.chars().take(40).collect();
            return Err(ApiError::UnknownMember { name });
        }
        let uses = attributes.number_in("uses", 1..=u32::MAX)?;
        Ok(WebRtcTokenRequest {
            to: required("to", address::callee(attributes, "to")?)?,
            from: required("from", address::caller(attributes, "from")?)?,
            uses: required("uses", uses)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::members;
    use super::*;

    #[test]
    fn a_token_needs_all_three_and_nothing_else() {
        assert_eq!(
            read(r#"{"to":"+15550101","from":"+15550100","uses":2}"#),
            Ok(WebRtcTokenRequest {
                to: "+15550101".to_owned(),
                from: "+15550100".to_owned(),
                uses: 2,
            })
        );
        assert_eq!(
            read(r#"{"to":15550101.0,"from":15550100,"uses":2.0}"#),
            read(r#"{"to":"+15550101","from":"+15550100","uses":2}"#)
        );
        let table = [
            (
                r#"{"to":"+15550101","from":-1.5,"uses":2}"#,
                "from: must be a string or a whole number, not a number",
            ),
            (r#"{"from":"+15550100","uses":2}"#, "to: is required"),
            (r#"{"to":"+15550101","uses":2}"#, "from: is required"),
            (
                r#"{"to":"+15550101","from":"+15550100"}"#,
                "uses: is required",
            ),
            (
                r#"{"to":"+15550101","from":"+15550100","uses":0}"#,
                "uses: must be a whole number from 1 to 4294967295",
            ),
            (
                r#"{"to":"+15550101","from":"+15550100","uses":1,"ttl":5}"#,
                "the body has a member that is not known here: \"ttl\"",
            ),
        ];
        for (body, message) in table {
            let error = read(body).unwrap_err();
            assert_eq!(error.to_string(), message, "{body}");
            assert_eq!(error.status(), 400);
        }
    }

    fn read(body: &str) -> Result<WebRtcTokenRequest, ApiError> {
        WebRtcTokenRequest::parse(&members(body.as_bytes()).unwrap())
    }
}
