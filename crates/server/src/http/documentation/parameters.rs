//! What a request's path and query are made of.

use std::marker::PhantomData;

use serde_json::{Value, json};
use tutti_control_plane::{CallStatus, ConferenceStatus};
use tutti_freeclimb::page::Filter;
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

/// The parameters of a list: those that its filter reads, and the place where a page begins.
pub(in crate::http) struct ListQuery<F>(PhantomData<F>);

impl<F: Filter> IntoParams for ListQuery<F> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let filters = F::NAMES.iter().map(|name| of_filter(F::LIST, name));
        let cursor = text().description(Some(
            "Where the page begins, from `nextPageUri`; it carries the filters of the first page",
        ));
        filters.chain([in_query("cursor", cursor)]).collect()
    }
}

/// One of a list's filters.
fn of_filter(list: &str, name: &str) -> Parameter {
    let schema = match name {
        "active" | "talk" | "listen" | "dtmfPassThrough" | "hasApplication" | "hasCampaign"
        | "voiceEnabled" | "smsEnabled" | "offnet" => {
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
        "startTime" | "endTime" => text().pattern(Some(r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$")),
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
