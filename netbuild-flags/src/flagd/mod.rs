//! Definitions of [flagd](https://flagd.dev), taken over.
//!
//! [`import`] reads flagd's JSON and makes [`Definitions`](crate::Definitions) of the flags that answer the same here.
//! The others are refused, each with the reason and the place.
//!
//! | flagd | here |
//! |---|---|
//! | `targetingKey`, `account` | the account |
//! | `project`, only together with an account | the project |
//! | `plan`, `account.plan` | the attribute `account.plan` |
//! | `project.framework` | the attribute `project.framework` |
//! | `"state": "DISABLED"` | the kill switch: off, where flagd answers the caller's default |
//! | `if` with variants for outcomes | exclusions, accounts, projects, groups, global |
//!
//! Attributes get the type with which they are compared; one that has another type at run time does not hold, where
//! flagd would convert it. Ranges of `sem_ver` are ranges as Cargo has them: a pre-release is outside of them.

mod cascade;
mod condition;
mod error;
mod import;
mod outcome;
mod reader;

pub use error::{ImportError, Refused};
pub use import::{Imported, import};
