//! Lists, a page at a time: the request for one, its cursor and its envelope.

use std::borrow::Cow;
use std::marker::PhantomData;

use serde::ser::{Serialize, SerializeMap, Serializer};
use tutti_model::Timestamp;
use utoipa::openapi::schema::{Array, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::attributes::{BadAttribute, Fault, bad};
use crate::error::ApiError;
use crate::query::Query;

/// How many elements a page has at most.
pub const PAGE_SIZE: u32 = 100;

/// The longest filters that a cursor carries, in bytes: the longest query of a log fits, each of its
/// bytes escaped as three. A cursor has two digits for each byte, and fits a URI of 8 KiB.
const MAX_FILTERS_BYTES: usize = 3_200;

/// Which elements of one list are wanted.
pub trait Filter: Sized {
    /// The list's name: the key of its array.
    const LIST: &'static str;
    /// The parameters that this filter reads.
    const NAMES: &'static [&'static str];

    /// Reads the filter from a query.
    fn parse(query: &Query) -> Result<Self, BadAttribute>;
}

/// A place in a list that is sorted newest first: just after this element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    pub created: Timestamp,
    pub id: String,
}

/// A request for one page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRequest<F> {
    pub filter: F,
    /// Counted from 0.
    pub page: u32,
    /// Where the page begins; `None` begins with the newest element.
    pub after: Option<Position>,
    filters: String,
}

impl<F: Filter> ListRequest<F> {
    /// Reads a query: either filters, or a cursor that carries them.
    pub fn parse(query: &str) -> Result<ListRequest<F>, ApiError> {
        let query = Query::parse(query);
        if let Some(cursor) = query.text("cursor") {
            return ListRequest::resume(cursor)
                .ok_or_else(|| bad("cursor", Fault::NotACursor).into());
        }
        let filters = query.keep(F::NAMES);
        if filters.len() > MAX_FILTERS_BYTES {
            return Err(ApiError::UriTooLong {
                limit_bytes: MAX_FILTERS_BYTES,
            });
        }
        Ok(ListRequest {
            filter: F::parse(&query)?,
            page: 0,
            after: None,
            filters,
        })
    }

    /// Wraps one page; `last` is the place after its last element where more elements follow.
    pub fn page<T>(
        &self,
        path: &str,
        items: Vec<T>,
        total: u64,
        last: Option<Position>,
    ) -> Page<T> {
        let start = u64::from(self.page) * u64::from(PAGE_SIZE);
        let next_page_uri = last.map(|last| format!("{path}?cursor={}", self.cursor(&last)));
        let pages = total.div_ceil(u64::from(PAGE_SIZE));
        Page {
            list: F::LIST,
            total,
            start,
            end: (start + items.len() as u64).saturating_sub(1).max(start),
            page: self.page,
            // The list may have shrunk or grown since its first page was asked for.
            num_pages: pages
                .max(u64::from(self.page) + if next_page_uri.is_some() { 2 } else { 1 }),
            next_page_uri,
            items,
        }
    }

    /// Where the next page begins, with everything needed to produce it. Hexadecimal, because
    /// FreeClimb's CLI takes letters and digits only. It grants nothing, so it is not signed.
    fn cursor(&self, last: &Position) -> String {
        let list = F::LIST;
        let page = self.page.saturating_add(1);
        let created = last.created.as_micros();
        let Position { id, .. } = last;
        let filters = &self.filters;
        hex::encode(format!("{list} {page} {created} {id} {filters}"))
    }

    fn resume(cursor: &str) -> Option<ListRequest<F>> {
        let text = String::from_utf8(hex::decode(cursor).ok()?).ok()?;
        let mut parts = text.splitn(5, ' ');
        if parts.next()? != F::LIST {
            return None;
        }
        let page = parts.next()?.parse().ok()?;
        let created = Timestamp::from_micros(parts.next()?.parse().ok()?);
        let id = parts.next()?.to_owned();
        let filters = parts.next()?.to_owned();
        let filter = F::parse(&Query::parse(&filters)).ok()?;
        Some(ListRequest {
            filter,
            page,
            after: Some(Position { created, id }),
            filters,
        })
    }
}

/// One page of a list, as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    list: &'static str,
    total: u64,
    start: u64,
    end: u64,
    page: u32,
    num_pages: u64,
    next_page_uri: Option<String>,
    items: Vec<T>,
}

impl<T: Serialize> Serialize for Page<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(8))?;
        map.serialize_entry("total", &self.total)?;
        map.serialize_entry("start", &self.start)?;
        map.serialize_entry("end", &self.end)?;
        map.serialize_entry("page", &self.page)?;
        map.serialize_entry("numPages", &self.num_pages)?;
        map.serialize_entry("pageSize", &PAGE_SIZE)?;
        map.serialize_entry("nextPageUri", &self.next_page_uri)?;
        map.serialize_entry(self.list, &self.items)?;
        map.end()
    }
}

/// A page of one list, as the API's description shows it.
pub struct PageOf<F, T>(PhantomData<(F, T)>);

impl<F: Filter, T: ToSchema> PartialSchema for PageOf<F, T> {
    fn schema() -> RefOr<Schema> {
        let elements = Array::new(Ref::from_schema_name(T::name()));
        let next = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
            .description(Some("Where the next page is, relative to `/apiserver`"));
        let mut page = ObjectBuilder::new();
        for name in ["total", "start", "end", "page", "numPages", "pageSize"] {
            let number = ObjectBuilder::new().schema_type(Type::Integer);
            page = page.property(name, number).required(name);
        }
        page.property("nextPageUri", next)
            .required("nextPageUri")
            .property(F::LIST, elements)
            .required(F::LIST)
            .into()
    }
}

impl<F: Filter, T: ToSchema> ToSchema for PageOf<F, T> {
    fn name() -> Cow<'static, str> {
        let (first, rest) = F::LIST.split_at_checked(1).unwrap_or_default();
        format!("{}{rest}Page", first.to_uppercase()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::request::{CallFilter, ConferenceFilter};

    const PATH: &str = "/Accounts/AC00/Conferences";

    #[test]
    fn a_list_that_fits_one_page_has_all_eight_keys() {
        let request = ListRequest::<ConferenceFilter>::parse("").unwrap();
        let page = request.page(PATH, vec![json!({"a": 1}), json!({"a": 2})], 2, None);
        assert_eq!(
            serde_json::to_value(page).unwrap(),
            json!({
                "total": 2, "start": 0, "end": 1, "page": 0, "numPages": 1, "pageSize": 100,
                "nextPageUri": null,
                "conferences": [{"a": 1}, {"a": 2}],
            })
        );
    }

    #[test]
    fn an_empty_list_is_one_empty_page() {
        let request = ListRequest::<CallFilter>::parse("").unwrap();
        let page = request.page(PATH, Vec::<u8>::new(), 0, None);
        assert_eq!(
            serde_json::to_value(page).unwrap(),
            json!({
                "total": 0, "start": 0, "end": 0, "page": 0, "numPages": 1, "pageSize": 100,
                "nextPageUri": null,
                "calls": [],
            })
        );
    }

    #[test]
    fn a_cursor_alone_brings_the_next_page_of_the_same_filters() {
        let query = "status=inProgress&alias=Team%20%26%20friends&ignored=1";
        let first = ListRequest::<ConferenceFilter>::parse(query).unwrap();
        let items = vec![0_u8; 100];
        let page = serde_json::to_value(first.page(PATH, items, 230, Some(last()))).unwrap();
        assert_eq!(page["numPages"], 3);

        let uri = page["nextPageUri"].as_str().unwrap();
        let cursor = uri.strip_prefix(&format!("{PATH}?cursor=")).unwrap();
        assert!(cursor.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let second = ListRequest::<ConferenceFilter>::parse(&format!("cursor={cursor}")).unwrap();
        assert_eq!(second.filter, first.filter);
        assert_eq!(second.page, 1);
        assert_eq!(second.after, Some(last()));

        let items = vec![0_u8; 100];
        let page = serde_json::to_value(second.page(PATH, items, 230, Some(last()))).unwrap();
        assert_eq!((&page["start"], &page["end"]), (&json!(100), &json!(199)));
        let third = page["nextPageUri"].as_str().unwrap();
        let query = third.split_once('?').unwrap().1;
        let third = ListRequest::<ConferenceFilter>::parse(query).unwrap();
        assert_eq!((third.page, third.filter), (2, first.filter));
    }

    #[test]
    fn a_cursor_of_another_list_or_of_nobody_is_refused() {
        let calls = ListRequest::<CallFilter>::parse("").unwrap();
        let foreign = calls.cursor(&last());
        for cursor in ["zz", "0", "00", "ff", &foreign, &foreign[..10]] {
            let query = format!("cursor={cursor}");
            assert_eq!(
                ListRequest::<ConferenceFilter>::parse(&query),
                Err(ApiError::BadParameter(bad("cursor", Fault::NotACursor))),
                "{cursor}"
            );
        }
    }

    #[test]
    fn filters_too_long_for_a_cursor_are_refused_at_once() {
        let query = format!("alias={}", "a".repeat(3_200));
        let request = ListRequest::<ConferenceFilter>::parse(&query);
        assert!(matches!(request, Err(ApiError::UriTooLong { .. })));
    }

    fn last() -> Position {
        Position {
            created: Timestamp::from_micros(1_700_000_000_123_456),
            id: format!("CF{}", "ab".repeat(20)),
        }
    }
}
