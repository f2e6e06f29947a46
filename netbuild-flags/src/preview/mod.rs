//! Who would move if definitions were changed, before they are.
//!
//! A [`Change`] is two snapshots: the one in force and the one that would be. It is looked at over a directory, which
//! tells of all customers, or over recorded builds, which tells of those who build.
//!
//! ```
//! use netbuild_core::model::{AccountId, Timestamp};
//! use netbuild_flags::directory::MemoryDirectory;
//! use netbuild_flags::preview::Change;
//! use netbuild_flags::{Attributes, Definition, Definitions, FlagKey, Overrides, Snapshot};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut directory = MemoryDirectory::default();
//! directory.insert_account(AccountId::new("acme")?, Attributes::new());
//!
//! let (pods, overrides) = (FlagKey::new("pods")?, Overrides::none());
//! let before = Snapshot::new(Definitions::default(), &overrides, Timestamp::EPOCH)?;
//! let mut definitions = before.definitions().clone();
//! definitions.flags.insert(pods, Definition { global: true, ..Definition::default() });
//! let after = before.edited(definitions, &overrides)?;
//!
//! let preview = Change::between(&before, &after).over_directory(&directory, |_| ()).await?;
//! assert_eq!(preview.flags[0].accounts.moved_in(), 1);
//! println!("{preview}");
//! # Ok(())
//! # }
//! ```

mod change;
mod display;
mod moves;
mod tally;

pub use change::Change;
pub use moves::{FlagPreview, MAX_SAMPLE, Move, Moves, Preview};
