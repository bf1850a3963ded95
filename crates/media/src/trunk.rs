//! The way between the parts of a conference that several threads mix together.

use crate::frame::Frame;

/// Carries one part's voices to another part, and that part's voices back.
///
/// It neither blocks nor allocates. What it brings is a tick old; where nothing has come in time, it
/// brings silence.
pub trait Trunk: Send {
    /// Hands over the sum of this part's contributors, and adds the other part's to `others`.
    fn exchange(&mut self, own: &Frame, others: &mut Frame);

    /// Whether the other part is gone for good, so that this end has no use any more.
    fn is_over(&self) -> bool;
}
