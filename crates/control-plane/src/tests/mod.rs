//! The promises of the control plane, told as stories.

mod calls;
mod conferences;
mod invariants;
mod live;
mod participants;
mod random;
mod recordings;
mod restart;
mod scripts;
mod story;
mod telling;
