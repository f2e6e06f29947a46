//! What is taken over from flagd answers as flagd does; what is not is named, with the reason and the place.

mod json_logic;
mod refused;
mod same_answers;
