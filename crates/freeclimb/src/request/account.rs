//! What clients ask of an account.

use tutti_control_plane::AccountRecord;
use utoipa::ToSchema;

use super::{Edit, schema};
use crate::attributes::{Attributes, BadAttribute};

/// A change to an account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountUpdate {
    pub alias: Edit<String>,
    pub label: Edit<String>,
}

/// The body of `POST /Accounts/{accountId}`, as the API's description shows it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct AccountRequest {
    #[schema(schema_with = schema::alias)]
    pub alias: Option<String>,
    #[schema(schema_with = schema::alias)]
    pub label: Option<String>,
}

impl AccountUpdate {
    /// Reads `POST /Accounts/{accountId}`.
    pub fn parse(attributes: &Attributes) -> Result<AccountUpdate, BadAttribute> {
        Ok(AccountUpdate {
            alias: Edit::of(attributes, "alias", Attributes::alias)?,
            label: Edit::of(attributes, "label", Attributes::alias)?,
        })
    }

    /// Makes the change; the caller counts the revision.
    pub fn apply(self, record: &mut AccountRecord) {
        self.alias.apply(&mut record.alias);
        self.label.apply(&mut record.label);
    }
}

#[cfg(test)]
mod tests {
    use super::super::members;
    use super::*;

    #[test]
    fn left_out_keeps_and_null_takes_away() {
        let attributes = members(br#"{"alias": null}"#).unwrap();
        let update = AccountUpdate::parse(&attributes).unwrap();
        assert_eq!(update.alias, Edit::Clear);
        assert_eq!(update.label, Edit::Keep);
    }
}
