//! What clients ask of incoming phone numbers.

use tutti_control_plane::NumberRecord;
use tutti_model::ApplicationId;
use utoipa::ToSchema;

use super::{Edit, schema};
use crate::attributes::{Attributes, BadAttribute, Fault, bad, required};
use crate::page::Filter;
use crate::query::Query;

/// Capabilities that no number here has, as filters name them.
const MISSING_CAPABILITIES: [&str; 6] = [
    "smsEnabled",
    "hasCampaign",
    "capabilities.sms",
    "capabilities.tollFree",
    "capabilities.tenDLC",
    "capabilities.shortCode",
];

/// A number that an account wants to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberPurchase {
    pub phone_number: String,
    pub alias: Option<String>,
    pub application: Option<ApplicationId>,
}

/// The body of `POST /IncomingPhoneNumbers`, as the API's description shows it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct BuyIncomingNumberRequest {
    /// As E.164 with its plus sign.
    #[schema(pattern = r"^\+[1-9][0-9]{1,14}$")]
    pub phone_number: String,
    #[schema(schema_with = schema::alias)]
    pub alias: Option<String>,
    #[schema(pattern = "^AP[0-9a-fA-F]{40}$")]
    pub application_id: Option<String>,
}

impl NumberPurchase {
    /// Reads `POST /IncomingPhoneNumbers`.
    pub fn parse(attributes: &Attributes) -> Result<NumberPurchase, BadAttribute> {
        let name = "phoneNumber";
        let phone_number = required(name, attributes.text(name, 64)?)?;
        if !is_e164(&phone_number) {
            return Err(bad(name, Fault::NotE164));
        }
        Ok(NumberPurchase {
            phone_number,
            alias: attributes.alias("alias")?,
            application: attributes.id("applicationId")?,
        })
    }
}

/// A change to a number; a null application leaves it unanswered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NumberUpdate {
    pub alias: Edit<String>,
    pub application: Edit<ApplicationId>,
}

/// The body of `POST /IncomingPhoneNumbers/{phoneNumberId}`, as the API's description shows it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct IncomingNumberRequest {
    #[schema(schema_with = schema::alias)]
    pub alias: Option<String>,
    /// Null leaves the number unanswered.
    #[schema(pattern = "^AP[0-9a-fA-F]{40}$", nullable)]
    pub application_id: Option<String>,
}

impl NumberUpdate {
    /// Reads `POST /IncomingPhoneNumbers/{phoneNumberId}`.
    pub fn parse(attributes: &Attributes) -> Result<NumberUpdate, BadAttribute> {
        Ok(NumberUpdate {
            alias: Edit::of(attributes, "alias", Attributes::alias)?,
            application: Edit::of(attributes, "applicationId", Attributes::id)?,
        })
    }

    /// Makes the change; the caller counts the revision.
    pub fn apply(self, record: &mut NumberRecord) {
        self.alias.apply(&mut record.alias);
        self.application.apply(&mut record.application);
    }
}

/// Which numbers are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NumberFilter {
    pub phone_number: Option<String>,
    pub alias: Option<String>,
    pub application: Option<ApplicationId>,
    /// Whether anything answers for the number.
    pub has_application: Option<bool>,
    /// The filter asks for what no number here is, such as able to send texts.
    pub unsatisfiable: bool,
}

impl Filter for NumberFilter {
    const LIST: &'static str = "incomingPhoneNumbers";
    const NAMES: &'static [&'static str] = &[
        "phoneNumber",
        "alias",
        "region",
        "country",
        "applicationId",
        "hasApplication",
        "voiceEnabled",
        "smsEnabled",
        "hasCampaign",
        "capabilities.voice",
        "capabilities.sms",
        "capabilities.tollFree",
        "capabilities.tenDLC",
        "capabilities.shortCode",
        "tfn.campaignId",
        "offnet",
    ];

    fn parse(query: &Query) -> Result<NumberFilter, BadAttribute> {
        let mut unsatisfiable = ["region", "country", "tfn.campaignId"]
            .iter()
            .any(|name| query.text(name).is_some());
        for name in MISSING_CAPABILITIES {
            unsatisfiable |= query.bool(name)? == Some(true);
        }
        for name in ["voiceEnabled", "capabilities.voice", "offnet"] {
            unsatisfiable |= query.bool(name)? == Some(false);
        }
        Ok(NumberFilter {
            phone_number: query.phone_number("phoneNumber"),
            alias: query.text("alias").map(str::to_owned),
            application: query.id("applicationId")?,
            has_application: query.bool("hasApplication")?,
            unsatisfiable,
        })
    }
}

/// Which numbers for sale are wanted. There are none, so that nothing is left to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AvailableNumberFilter;

impl Filter for AvailableNumberFilter {
    const LIST: &'static str = "availablePhoneNumbers";
    const NAMES: &'static [&'static str] = &[];

    fn parse(_: &Query) -> Result<AvailableNumberFilter, BadAttribute> {
        Ok(AvailableNumberFilter)
    }
}

/// Whether a text is a phone number as E.164 writes it.
pub fn is_e164(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (2..=15).contains(&digits.len())
            && digits.bytes().all(|digit| digit.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

#[cfg(test)]
mod tests {
    use super::super::members;
    use super::*;

    #[test]
    fn a_number_is_bought_as_e164_writes_it() {
        let application = format!("AP{}", "6".repeat(40));
        let body = format!(
            r#"{{"phoneNumber":"+15550101","alias":"Desk","applicationId":"{application}"}}"#
        );
        assert_eq!(
            buy(&body),
            Ok(NumberPurchase {
                phone_number: "+15550101".to_owned(),
                alias: Some("Desk".to_owned()),
                application: Some(ApplicationId::from_bytes([0x66; 20])),
            })
        );
        for number in [
            "15550101",
            "+",
            "+0123",
            "+1555-0101",
            "+1234567890123456",
            "+１２３",
        ] {
            let body = format!(r#"{{"phoneNumber":"{number}"}}"#);
            assert_eq!(
                buy(&body),
                Err(bad("phoneNumber", Fault::NotE164)),
                "{body}"
            );
        }
        assert_eq!(buy("{}"), Err(bad("phoneNumber", Fault::Missing)));
    }

    #[test]
    fn null_takes_the_application_off_a_number() {
        let body = br#"{"applicationId":null}"#;
        let update = NumberUpdate::parse(&members(body).unwrap()).unwrap();
        assert_eq!(update.application, Edit::Clear);
        assert_eq!(update.alias, Edit::Keep);
    }

    #[test]
    fn asking_for_what_no_number_has_finds_none() {
        let unsatisfiable = |query: &str| {
            NumberFilter::parse(&Query::parse(query))
                .unwrap()
                .unsatisfiable
        };
        for query in [
            "smsEnabled=true",
            "voiceEnabled=false",
            "capabilities.tenDLC=true",
            "country=US",
            "offnet=false",
        ] {
            assert!(unsatisfiable(query), "{query}");
        }
        for query in [
            "",
            "voiceEnabled=true&smsEnabled=false",
            "hasApplication=true",
            "capabilities.voice=true&offnet=true",
        ] {
            assert!(!unsatisfiable(query), "{query}");
        }
    }

    fn buy(body: &str) -> Result<NumberPurchase, BadAttribute> {
        NumberPurchase::parse(&members(body.as_bytes()).unwrap())
    }
}
