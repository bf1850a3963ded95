//! The promises of the control plane, told as stories.

mod allowance;
mod call_control;
mod call_recordings;
mod calls;
mod conferences;
mod digits;
mod live;
mod machines;
mod others;
mod outbound;
mod parking;
mod participants;
mod queues;
mod random;
mod recordings;
mod restart;
mod scripts;
mod story;
mod telling;
mod utterances;
