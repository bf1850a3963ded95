//! What clients ask of queues.

use tutti_control_plane::QueueOptions;
use utoipa::ToSchema;

use super::schema;
use crate::attributes::{Attributes, BadAttribute};
use crate::page::Filter;
use crate::query::Query;

/// The most calls that a queue can be made for.
const MAX_SIZE: u32 = 1_000;

/// The body of `POST /Queues` and `POST /Queues/{queueId}`, as the API's description shows it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct QueueRequest {
    #[schema(schema_with = schema::alias)]
    pub alias: Option<String>,
    #[schema(minimum = 1, maximum = 1000, default = 100)]
    pub max_size: Option<u32>,
}

/// Reads `POST /Queues` and `POST /Queues/{queueId}`.
pub fn queue_options(attributes: &Attributes) -> Result<QueueOptions, BadAttribute> {
    Ok(QueueOptions {
        alias: attributes.alias("alias")?,
        max_size: attributes.number_in("maxSize", 1..=MAX_SIZE)?,
    })
}

/// Which queues are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueueFilter {
    pub alias: Option<String>,
}

impl Filter for QueueFilter {
    const LIST: &'static str = "queues";
    const NAMES: &'static [&'static str] = &["alias"];

    fn parse(query: &Query) -> Result<QueueFilter, BadAttribute> {
        let alias = query.text("alias").map(str::to_owned);
        Ok(QueueFilter { alias })
    }
}

/// Which members of a queue are wanted: all, from the one that has waited longest on. The place after
/// one of them is when it joined, and its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueMemberFilter;

impl Filter for QueueMemberFilter {
    const LIST: &'static str = "queueMembers";
    const NAMES: &'static [&'static str] = &[];

    fn parse(_: &Query) -> Result<QueueMemberFilter, BadAttribute> {
        Ok(QueueMemberFilter)
    }
}

#[cfg(test)]
mod tests {
    use super::super::members;
    use super::*;

    #[test]
    fn a_queue_takes_from_one_to_a_thousand_calls() {
        let read = |body: &str| queue_options(&members(body.as_bytes()).unwrap());
        assert_eq!(read(""), Ok(QueueOptions::default()));
        assert_eq!(
            read(r#"{"alias":"Support","maxSize":1000}"#),
            Ok(QueueOptions {
                alias: Some("Support".to_owned()),
                max_size: Some(1_000),
            })
        );
        assert_eq!(read(r#"{"maxSize":5.0}"#).unwrap().max_size, Some(5));
        for size in ["0", "1001", "-1", "2.5", "\"many\""] {
            let body = format!(r#"{{"maxSize":{size}}}"#);
            assert_eq!(
                read(&body).unwrap_err().to_string(),
                "maxSize: must be a whole number from 1 to 1000"
            );
        }
        let long = format!(r#"{{"alias":"{}"}}"#, "x".repeat(65));
        assert!(read(&long).is_err());
    }

    #[test]
    fn queues_are_found_by_their_alias() {
        let filter = QueueFilter::parse(&Query::parse("alias=Front%20desk&x=1"));
        let alias = Some("Front desk".to_owned());
        assert_eq!(filter, Ok(QueueFilter { alias }));
    }
}
