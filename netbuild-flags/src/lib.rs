//! Feature flags for netbuild: they cascade, explain themselves and know their reach.
//!
//! A flag is on or off for an account or one of its projects. [`Definitions`] say when, a [`Snapshot`] of them answers,
//! and [`Flags`] is the handle of a process to the snapshot in force. The cascade is told at [`Snapshot`], the hash
//! behind percentages at [`account_bucket`], groups at [`group`].
//!
//! ```
//! use netbuild_core::model::{AccountId, ProjectId, Timestamp};
//! use netbuild_flags::{Definition, Definitions, FlagKey, Flags, Overrides, Percentage, Share, Subject};
//!
//! let pods = FlagKey::new("builds-in-pods")?;
//! let (acme, site) = (AccountId::new("acme")?, ProjectId::new("site")?);
//!
//! let mut definitions = Definitions::default();
//! let half = Share::Fixed(Percentage::try_from(50.0)?);
//! definitions.flags.insert(pods.clone(), Definition { projects_share: half, ..Definition::default() });
//!
//! let flags = Flags::new(Overrides::from_vars(std::env::vars())?);
//! flags.publish(definitions, None, Timestamp::EPOCH)?;
//!
//! let mut evaluator = flags.evaluator();
//! let subject = Subject::project(&acme, &site);
//! let decision = evaluator.evaluate(&pods, &subject, false);
//! println!("{}", flags.snapshot().unwrap().explain(&pods, &subject, false));
//! assert_eq!(flags.exposure().of_account(&pods, &acme), 1);
//! # let _ = decision;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//! | feature | default | what it gives |
//! |---|---|---|
//! | `toml`, `yaml` | no | definitions from such files; JSON needs no feature |
//! | `sqlite` | no | a store of definitions with their history, and a directory, in a SQLite file; SQLite is compiled in |
//! | `postgres` | no | the same in a PostgreSQL database; by tokio-postgres, no C library |
//! | `open-feature` | no | a provider for the OpenFeature SDK, and a router over any of its clients |
//!
//! # Supported Rust
//! Rust 1.95 and newer.

mod attributes;
mod bucket;
mod definition;
pub mod directory;
mod error;
mod evaluator;
pub mod exposure;
pub mod flagd;
mod flags;
pub mod group;
mod id_set;
mod key;
mod lookup;
#[cfg(feature = "open-feature")]
pub mod open_feature;
mod overrides;
mod percentage;
pub mod preview;
pub mod reach;
mod rfc3339;
pub mod router;
mod rule;
pub mod schedule;
mod snapshot;
pub mod source;
pub mod stale;
pub mod store;
mod subject;
mod unique;

pub use attributes::{Attributes, Value, ValueType};
pub use bucket::{account_bucket, project_bucket};
pub use definition::{Definition, Definitions, ProjectOf};
pub use error::DefinitionError;
pub use evaluator::Evaluator;
pub use exposure::Exposure;
pub use flags::{Flags, FlagsStatus};
pub use key::{FlagKey, GroupName, InvalidKey, MAX_KEY_BYTES};
pub use lookup::{AttributeLookup, NoAttributes};
pub use overrides::{InvalidOverride, OVERRIDE_PREFIX, Overrides};
pub use percentage::{InvalidPercentage, Percentage};
pub use rule::{Decision, GroupIndex, Rule, RuleWords};
pub use schedule::{Ramp, Share, Steps};
pub use snapshot::{Explanation, MAX_FLAGS, MAX_GROUPS, Snapshot};
pub use subject::Subject;
