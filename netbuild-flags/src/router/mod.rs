//! The choice of executors by flags.
//!
//! [`RouteRules`] are an ordered list: the first flag that is on for a build names its executor, and without one it goes
//! to the default. [`FlagRouter`] asks them for the scheduler; [`preview_routes`] tells beforehand which builds another
//! list, or other definitions, would move.

mod flag_router;
mod preview;
mod rules;

pub use flag_router::FlagRouter;
pub use preview::{Moved, RouteMove, RoutePreview, preview_routes};
pub use rules::{RouteRule, RouteRules};
