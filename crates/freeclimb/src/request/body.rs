//! The JSON object in a request's body.

use serde_json::Value;

use crate::attributes::{Attributes, kind};
use crate::error::ApiError;

/// Reads a body. Nothing at all, or null, is an object without members; clients of old send both.
pub fn members(body: &[u8]) -> Result<Attributes, ApiError> {
    if body.trim_ascii().is_empty() {
        return Ok(Attributes::default());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(Attributes::new(members)),
        Ok(Value::Null) => Ok(Attributes::default()),
        Ok(value @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_))) => {
            let found = kind(&value);
            Err(ApiError::NotAnObject { found })
        }
        Err(error) => Err(ApiError::NotJson {
            reason: error.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_as_good_as_an_empty_object() {
        for body in ["", " \n", "null", "{}"] {
            assert!(members(body.as_bytes()).is_ok(), "{body:?}");
        }
    }

    #[test]
    fn a_body_that_is_no_object_is_refused() {
        let refused = |body: &str| members(body.as_bytes()).unwrap_err();
        assert_eq!(refused("[]"), ApiError::NotAnObject { found: "an array" });
        assert_eq!(refused("7"), ApiError::NotAnObject { found: "a number" });
        assert_eq!(
            refused("{\"alias\":").to_string(),
            "the body is not JSON: EOF while parsing a value at line 1 column 9"
        );
        assert!(matches!(
            members(b"{\"alias\":\"\xff\"}"),
            Err(ApiError::NotJson { .. })
        ));
    }
}
