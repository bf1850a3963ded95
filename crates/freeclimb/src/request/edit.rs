//! What an update does to a value that may be absent.

use crate::attributes::{Attributes, BadAttribute};

/// Leaving an attribute out keeps the value, null takes it away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Edit<T> {
    #[default]
    Keep,
    Clear,
    Set(T),
}

impl<T> Edit<T> {
    /// Makes the change.
    pub fn apply(self, value: &mut Option<T>) {
        match self {
            Edit::Keep => {}
            Edit::Clear => *value = None,
            Edit::Set(new) => *value = Some(new),
        }
    }

    /// What `read` makes of this attribute. An empty text takes the value away as well.
    pub(super) fn of(
        attributes: &Attributes,
        attribute: &'static str,
        read: impl FnOnce(&Attributes, &'static str) -> Result<Option<T>, BadAttribute>,
    ) -> Result<Edit<T>, BadAttribute> {
        Ok(match read(attributes, attribute)? {
            Some(value) => Edit::Set(value),
            None if attributes.is_present(attribute) => Edit::Clear,
            None => Edit::Keep,
        })
    }
}
