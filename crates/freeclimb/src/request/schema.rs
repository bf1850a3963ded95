//! How members of bodies are written, in OpenAPI's words.

use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};

use crate::attributes::{MAX_ALIAS_CHARS, MAX_URL_BYTES};
use crate::word::Choice;

/// An absolute http or https URL, or nothing.
const URL: &str = r"^(https?://\S+)?$";

/// A SIP URI with a domain name or an IP address, and nothing that would make it mean more.
const SIP_URI: &str = concat!(
    r"[sS][iI][pP]:([A-Za-z0-9_.!~*'()&=+$,-]+@)?",
    r"([A-Za-z]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?(\.[A-Za-z]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?){0,4}",
    r"|((25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])",
    r"|\[([0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}\])",
    r"(:[1-5]?[0-9]{0,3}[1-9])?(;transport=(udp|tcp))?",
);

/// An alias; booleans and numbers are kept as they are written.
pub(super) fn alias() -> ObjectBuilder {
    let kinds = [Type::String, Type::Boolean, Type::Number, Type::Null];
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter(kinds))
        .max_length(Some(MAX_ALIAS_CHARS))
}

/// An absolute http or https URL, or an empty text, which is as good as none.
pub(super) fn url() -> ObjectBuilder {
    let kinds = [Type::String, Type::Null];
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter(kinds))
        .max_length(Some(MAX_URL_BYTES))
        .pattern(Some(URL))
}

/// Whom a call is placed to.
pub(super) fn callee() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Integer]))
        .max_length(Some(256))
        .pattern(Some(format!(r"^(\+[1-9][0-9]{{6,14}}|{SIP_URI})$")))
        .minimum(Some(1_000_000))
        .maximum(Some(999_999_999_999_999_i64))
        .description(Some(
            "A number as E.164 with its plus sign, or a SIP URI. A number without quotes is one \
             without its plus sign.",
        ))
}

/// In whose name a call is placed.
pub(super) fn caller() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Integer]))
        .max_length(Some(256))
        .pattern(Some(format!(r"^([A-Za-z0-9+*#._-]{{1,64}}|{SIP_URI})$")))
        .minimum(Some(0))
        .maximum(Some(u64::MAX))
        .description(Some(
            "A number of the account's, or what a call of it shows already.",
        ))
}

/// One word of a closed list.
pub(super) fn word<T: Choice>() -> ObjectBuilder {
    let words = T::ALL.iter().map(|choice| choice.word());
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words))
}

/// One word of a closed list, or null.
pub(super) fn word_or_null<T: Choice>() -> ObjectBuilder {
    let words = T::ALL.iter().map(|choice| Some(choice.word()));
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .enum_values(Some(words.chain([None])))
}
