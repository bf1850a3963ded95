//! What clients ask of the log.

use tutti_model::LogQuery;
use url::form_urlencoded;
use utoipa::ToSchema;

use crate::attributes::{Attributes, BadAttribute, Fault, bad, required};
use crate::error::ApiError;
use crate::page::{Filter, ListRequest, PAGE_SIZE};
use crate::pql::{self, MAX_QUERY_BYTES};
use crate::query::Query;

/// Which lines are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogFilter {
    pub query: Option<LogQuery>,
    /// As many of the newest at most, from 1 to a page.
    pub max_items: Option<u32>,
}

impl Filter for LogFilter {
    const LIST: &'static str = "logs";
    const NAMES: &'static [&'static str] = &["pql", "maxItems"];

    fn parse(query: &Query) -> Result<LogFilter, BadAttribute> {
        let max_items = query.text("maxItems").map(|text| {
            let (min, max) = (1, u32::MAX);
            let number = text.parse::<u32>().ok().filter(|number| *number >= min);
            number.ok_or_else(|| bad("maxItems", Fault::OutOfRange { min, max }))
        });
        Ok(LogFilter {
            query: query.text("pql").map(understood).transpose()?,
            max_items: max_items.transpose()?.map(|most| most.min(PAGE_SIZE)),
        })
    }
}

/// The body of `POST /Logs`, as the API's description shows it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct FilterLogsRequest {
    /// As in `level = "ERROR" AND timestamp > 1592854973376000`.
    #[schema(min_length = 1, max_length = 1024, format = "pql")]
    pub pql: String,
}

/// Reads `POST /Logs`. Further pages are asked for with a cursor, which carries the query.
pub fn filter_logs(attributes: &Attributes) -> Result<ListRequest<LogFilter>, ApiError> {
    let name = "pql";
    let pql = required(name, attributes.text(name, MAX_QUERY_BYTES)?)?;
    // An empty parameter would be as good as none, and mean every line.
    understood(&pql)?;
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair(name, &pql)
        .finish();
    ListRequest::parse(&query)
}

fn understood(pql: &str) -> Result<LogQuery, BadAttribute> {
    pql::parse(pql).map_err(|error| bad("pql", Fault::Pql(error)))
}

#[cfg(test)]
mod tests {
    use super::super::members;
    use super::*;
    use crate::page::Position;

    #[test]
    fn a_query_is_posted_and_its_next_page_asked_for_by_cursor() {
        let request = post(r#"{"pql":"level = \"ERROR\" AND timestamp>1"}"#).unwrap();
        assert!(matches!(request.filter.query, Some(LogQuery::And(_))));
        let last = Position {
            created: tutti_model::Timestamp::from_micros(7),
            id: "12".to_owned(),
        };
        let page = request.page("/Accounts/AC/Logs", vec![0; 100], 300, Some(last));
        let page = serde_json::to_value(page).unwrap();
        assert_eq!(page["logs"].as_array().unwrap().len(), 100);
        let (_, query) = page["nextPageUri"]
            .as_str()
            .unwrap()
            .split_once('?')
            .unwrap();
        let next = ListRequest::<LogFilter>::parse(query).unwrap();
        assert_eq!(next.filter, request.filter);
        assert_eq!(next.page, 1);
    }

    #[test]
    fn the_longest_query_is_taken_in_any_script_and_its_cursor_fits_a_uri() {
        let around = r#"message = "X""#.len() - 1;
        let text = "\u{e9}".repeat((MAX_QUERY_BYTES - around) / 2);
        let pql = format!(r#"message = "{text}""#);
        assert!(MAX_QUERY_BYTES - pql.len() <= 1);
        let body = serde_json::json!({ "pql": pql }).to_string();
        let request = post(&body).unwrap();
        let last = Position {
            created: tutti_model::Timestamp::from_micros(i64::MAX),
            id: u64::MAX.to_string(),
        };
        let path = format!("/Accounts/AC{0}/Calls/CA{0}/Logs", "0".repeat(40));
        let page = request.page(&path, vec![0; 100], 300, Some(last));
        let page = serde_json::to_value(page).unwrap();
        let next = page["nextPageUri"].as_str().unwrap();
        assert!(
            "/apiserver".len() + next.len() <= 8 * 1024,
            "{}",
            next.len()
        );
        let (_, query) = next.split_once('?').unwrap();
        let next = ListRequest::<LogFilter>::parse(query).unwrap();
        assert_eq!(next.filter, request.filter);
    }

    #[test]
    fn a_query_that_is_not_pql_is_told_where() {
        let error = post(r#"{"pql":"level = ERROR"}"#).unwrap_err();
        assert_eq!((error.status(), error.code()), (400, 5));
        assert_eq!(
            error.to_string(),
            "pql: at character 9: expected a text in double quotes"
        );
        assert_eq!(post(r#"{"pql":""}"#).unwrap_err().code(), 5);
        assert_eq!(post("{}").unwrap_err().code(), 80);
        assert_eq!(post(r#"{"pql":7}"#).unwrap_err().code(), 3);
        let long = format!(r#"{{"pql":"{}"}}"#, " ".repeat(2_000));
        assert_eq!(post(&long).unwrap_err().code(), 3);
    }

    #[test]
    fn as_many_lines_are_given_as_are_asked_for_and_fit_a_page() {
        let most = |query: &str| LogFilter::parse(&Query::parse(query)).map(|it| it.max_items);
        assert_eq!(most(""), Ok(None));
        assert_eq!(most("maxItems=20"), Ok(Some(20)));
        assert_eq!(most("maxItems=5000"), Ok(Some(PAGE_SIZE)));
        for text in ["0", "-1", "many", "99999999999"] {
            assert!(most(&format!("maxItems={text}")).is_err(), "{text}");
        }
    }

    fn post(body: &str) -> Result<ListRequest<LogFilter>, ApiError> {
        filter_logs(&members(body.as_bytes()).unwrap())
    }
}
