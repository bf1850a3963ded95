//! Lists, a page at a time, newest first.

use tutti_model::Timestamp;

/// Which part of a list is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The last element already seen; `None` begins with the newest.
    pub after: Option<Position>,
    /// How many elements at most.
    pub limit: u32,
}

impl Page {
    /// The newest elements.
    pub fn first(limit: u32) -> Page {
        Page { after: None, limit }
    }
}

/// A place in a list. It stays the same place however many newer elements are added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// When the element was created.
    pub created: Timestamp,
    /// The element's identifier; of a participant, its call's.
    pub id: String,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    pub items: Vec<T>,
    /// How many elements the whole list has; of a log, 10 001 stands for more than 10 000.
    pub total: u64,
}
