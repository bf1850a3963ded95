//! What a request's path and query are made of.

use std::marker::PhantomData;

use serde_json::{Value, json};
use tutti_control_plane::{CallStatus, ConferenceStatus};
use tutti_freeclimb::page::Filter;
use tutti_freeclimb::pql::MAX_QUERY_BYTES;
use tutti_freeclimb::word::Choice;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{KnownFormat, Required, SchemaFormat};

/// The names in paths, and how the identifiers begin that stand there.
const IDENTIFIERS: [(&str, &str); 7] = [
    ("account", "AC"),
    ("application", "AP"),
    ("call", "CA"),
    ("conference", "CF"),
    ("number", "PN"),
    ("queue", "QU"),
    ("recording", "RE"),
];

/// A moment, to the second. Which days a month has is left to calendars.
const MOMENT: &str =
    "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]) ([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$";

/// The parameters of a list: those that its filter reads, and the place where a page begins.
pub(in crate::http) struct ListQuery<F>(PhantomData<F>);

impl<F: Filter> IntoParams for ListQuery<F> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let filters = F::NAMES.iter().map(|name| of_filter(F::LIST, name));
        let cursor = text().pattern(Some("^[0-9a-f]*$")).description(Some(
            "Where the page begins, from `nextPageUri`; it carries the filters of the first page",
        ));
        filters.chain([in_query("cursor", cursor)]).collect()
    }
}

/// One of a list's filters.
fn of_filter(list: &str, name: &str) -> Parameter {
    let schema = match name {
        "active" | "talk" | "listen" | "dtmfPassThrough" | "hasApplication" | "hasCampaign"
        | "voiceEnabled" | "smsEnabled" | "offnet" | "usedAudioStream" | "webRTC" => {
            ObjectBuilder::new().schema_type(Type::Boolean)
        }
        name if name.starts_with("capabilities.") => {
            ObjectBuilder::new().schema_type(Type::Boolean)
        }
        "status" if list == "calls" => words::<CallStatus>(),
        "status" if list == "conferences" => words::<ConferenceStatus>(),
        "dateCreated" | "dateUpdated" => {
            text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Date)))
        }
        "startTime" | "endTime" => text().pattern(Some(MOMENT)),
        "pql" => text()
            .format(Some(SchemaFormat::Custom("pql".to_owned())))
            .max_length(Some(MAX_QUERY_BYTES)),
        "maxItems" => ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(u32::MAX)),
        "applicationId" => identifier("AP"),
        "callId" | "parentCallId" => identifier("CA"),
        "conferenceId" => identifier("CF"),
        _ => text(),
    };
    in_query(name, schema)
}

/// The names in a path, in OpenAPI's words.
pub(super) fn in_path(path: &str) -> Value {
    let names = path
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    names
        .map(|name| {
            let known = IDENTIFIERS.iter().find(|(known, _)| *known == name);
            let schema = match known {
                Some((_, prefix)) => json!({"type": "string", "pattern": pattern(prefix)}),
                None => json!({"type": "string"}),
            };
            json!({"name": name, "in": "path", "required": true, "schema": schema})
        })
        .collect()
}

/// Tells of every parameter in a query that an empty value is as good as absence, as it is.
pub(super) fn may_be_empty(operations: &mut Value) {
    let operations = operations.as_object_mut().into_iter().flatten();
    for (_, operation) in operations {
        let parameters = operation.get_mut("parameters");
        let parameters = parameters.and_then(Value::as_array_mut);
        for parameter in parameters.into_iter().flatten() {
            parameter["allowEmptyValue"] = true.into();
        }
    }
}

fn in_query(name: &str, schema: ObjectBuilder) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .schema(Some(schema.build()))
        .build()
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn identifier(prefix: &str) -> ObjectBuilder {
    text().pattern(Some(pattern(prefix)))
}

fn words<T: Choice>() -> ObjectBuilder {
    text().enum_values(Some(T::ALL.iter().map(|choice| choice.word())))
}

fn pattern(prefix: &str) -> String {
    format!("^{prefix}[0-9a-fA-F]{{40}}$")
}
