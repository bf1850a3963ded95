//! What every resource begins with.

use std::time::Duration;

use serde::Serialize;
use tutti_model::{AccountId, Timestamp};
use utoipa::ToSchema;

use crate::date;

/// Where an account is, relative to `/apiserver`.
pub fn account_uri(account: AccountId) -> String {
    format!("/Accounts/{account}")
}

/// Where a resource is, which version this is, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Common {
    uri: String,
    revision: u32,
    date_created: String,
    date_updated: String,
    #[serde(rename = "dateCreatedISO")]
    date_created_iso: String,
    #[serde(rename = "dateUpdatedISO")]
    date_updated_iso: String,
}

impl Common {
    pub(super) fn new(uri: String, revision: u32, created: Timestamp, updated: Timestamp) -> Self {
        Common {
            uri,
            revision,
            date_created: date::rfc1123(created),
            date_updated: date::rfc1123(updated),
            date_created_iso: date::iso(created),
            date_updated_iso: date::iso(updated),
        }
    }
}

/// A duration as the API counts it: in seconds, rounded up.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
pub(super) mod samples {
    use tutti_model::Timestamp;

    pub(crate) const AC: &str = "AC0101010101010101010101010101010101010101";
    /// Thu, 23 Jun 2016 17:30:06.250.
    pub(crate) const CREATED: Timestamp = Timestamp::from_micros(1_466_703_006_250_000);
    /// One minute and a half later.
    pub(crate) const UPDATED: Timestamp = Timestamp::from_micros(1_466_703_096_250_000);

    /// What every resource made at `CREATED` and changed at `UPDATED` begins with.
    pub(crate) fn with_common(
        uri: &str,
        revision: u32,
        rest: serde_json::Value,
    ) -> serde_json::Value {
        let mut whole = serde_json::json!({
            "uri": uri,
            "revision": revision,
            "dateCreated": "Thu, 23 Jun 2016 17:30:06 GMT",
            "dateUpdated": "Thu, 23 Jun 2016 17:31:36 GMT",
            "dateCreatedISO": "2016-06-23T17:30:06.250Z",
            "dateUpdatedISO": "2016-06-23T17:31:36.250Z",
        });
        let members = whole.as_object_mut().unwrap();
        let serde_json::Value::Object(rest) = rest else {
            panic!("not an object: {rest}");
        };
        members.extend(rest);
        whole
    }
}
