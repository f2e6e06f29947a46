//! Groups: named predicates over the attributes of accounts and projects.
//!
//! ```text
//! account.plan in ["team", "business"] and account.seats >= 5 and not account.trial
//! account.runner matches ">=1.20, <2" or project.labels contains "early"
//! ```
//!
//! | type | comparisons |
//! |---|---|
//! | text | `== "a"`, `!= "a"`, `in ["a", "b"]`, `starts_with "a"` |
//! | number | `== 1`, `!= 1`, `< 1`, `<= 1`, `> 1`, `>= 1`, `in [1, 2]`, `in 1..5` (both ends count) |
//! | bool | by itself |
//! | version | `== "1.2.3"`, `!= "1.2.3"`, `matches ">=1.20, <2"` (ranges as Cargo has them) |
//! | set | `contains "a"` |
//!
//! `not` binds closest, then `and`, then `or`; parentheses as usual. Every attribute is declared with its type, and a
//! comparison of another type is refused when the group is read. A comparison with an attribute that an account or
//! project does not have, or has with another type, does not hold: `account.plan != "free"` is false where no plan is
//! known, and `not account.plan == "free"` is true.

mod error;
mod lexer;
mod parser;
mod predicate;

pub use error::GroupError;
pub(crate) use parser::parse;
pub(crate) use predicate::Predicate;
