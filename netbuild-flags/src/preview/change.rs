//! A change, and over whom it is looked at.

use std::collections::{BTreeMap, BTreeSet};

use netbuild_core::model::{Build, Timestamp};

use super::tally::Tally;
use super::{FlagPreview, Preview};
use crate::directory::{Directory, DirectoryError, Progress, walk};
use crate::lookup::LookedUp;
use crate::{
    AttributeLookup, Definition, DefinitionError, Definitions, FlagKey, Overrides, Share, Snapshot, Subject, ValueType,
};

/// A change of definitions that is not made yet.
///
/// A flag that one of the two snapshots lacks is off there.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    before: &'a Snapshot,
    after: &'a Snapshot,
    flags: Vec<FlagKey>,
}

impl<'a> Change<'a> {
    /// The change from one snapshot to another, of all flags that it could move somebody for. [`Snapshot::edited`] makes
    /// the second from changed definitions.
    pub fn between(before: &'a Snapshot, after: &'a Snapshot) -> Self {
        let flags: BTreeSet<&FlagKey> = before.flags().chain(after.flags()).collect();
        let flags = flags.into_iter().filter(|flag| Said::of(before, flag) != Said::of(after, flag)).cloned().collect();
        Change { before, after, flags }
    }

    /// Of these flags only, in their order.
    #[must_use]
    pub fn only(self, flags: impl IntoIterator<Item = FlagKey>) -> Self {
        Change { flags: flags.into_iter().collect(), ..self }
    }

    /// The flags that it is about.
    pub fn flags(&self) -> &[FlagKey] {
        &self.flags
    }

    /// Which accounts, asked as such, and which projects of a directory would move. `progress` is told after each page.
    /// It may be dropped at any point.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub async fn over_directory(
        &self,
        directory: &dyn Directory,
        progress: impl FnMut(Progress) + Send,
    ) -> Result<Preview, DirectoryError> {
        let mut flags = self.tallies(|tally| (tally.clone(), tally));
        walk(directory, progress, |account| {
            for (accounts, projects) in &mut flags {
                accounts.add(&account.subject(), || account.account.to_string());
                for subject in account.project_subjects() {
                    projects.add(&subject, || name(&subject));
                }
            }
        })
        .await?;
        let flags = self.flags.iter().zip(flags).map(|(flag, (accounts, projects))| FlagPreview {
            accounts: accounts.into_moves(),
            projects: projects.into_moves(),
            ..FlagPreview::new(flag)
        });
        Ok(Preview { flags: flags.collect() })
    }

    /// Which of the builds that are recorded would have moved, with what is known of their accounts and projects now.
    pub fn over_builds<'b>(
        &self,
        builds: impl IntoIterator<Item = &'b Build>,
        attributes: &dyn AttributeLookup,
    ) -> Preview {
        let mut flags = self.tallies(|tally| tally);
        for build in builds {
            let known = LookedUp::new(build, attributes);
            let subject = known.subject();
            for builds in &mut flags {
                builds.add(&subject, || build.key().to_string());
            }
        }
        let flags = self.flags.iter().zip(flags);
        let flags = flags.map(|(flag, builds)| FlagPreview { builds: builds.into_moves(), ..FlagPreview::new(flag) });
        Preview { flags: flags.collect() }
    }

    fn tallies<T>(&self, of_flag: impl Fn(Tally<'a>) -> T) -> Vec<T> {
        self.flags.iter().map(|flag| of_flag(Tally::new(self.before, self.after, flag))).collect()
    }
}

fn name(subject: &Subject<'_>) -> String {
    match subject.project_id() {
        Some(project) => format!("{}/{project}", subject.account_id()),
        None => subject.account_id().to_string(),
    }
}

impl Snapshot {
    /// What this snapshot would be with other definitions: at the same time, with the overrides of the process
    /// ([`Flags::overrides`](crate::Flags::overrides)).
    ///
    /// # Errors
    /// [`DefinitionError`], as the definitions would be refused when they are made.
    pub fn edited(&self, definitions: Definitions, overrides: &Overrides) -> Result<Snapshot, DefinitionError> {
        Snapshot::new(definitions, overrides, self.at())
    }
}

/// All that could change an answer for a flag.
#[derive(PartialEq)]
struct Said<'s> {
    flag: Option<Definition>,
    overridden: Option<bool>,
    /// The texts of its groups, in its order, and the types of all attributes if it has any.
    groups: Vec<Option<&'s String>>,
    attributes: Option<&'s BTreeMap<String, ValueType>>,
}

impl<'s> Said<'s> {
    fn of(snapshot: &'s Snapshot, flag: &FlagKey) -> Self {
        let definitions = snapshot.definitions();
        let found = definitions.flags.get(flag);
        let groups = found.map(|flag| flag.groups.iter().map(|group| definitions.groups.get(group)).collect());
        let groups: Vec<Option<&String>> = groups.unwrap_or_default();
        Said {
            flag: found.map(|flag| settled(flag, snapshot.at())),
            overridden: snapshot.overridden(flag),
            attributes: (!groups.is_empty()).then_some(&definitions.attributes),
            groups,
        }
    }
}

/// The definition as it answers at a time: what its percentages are, not where they go, and no description.
fn settled(flag: &Definition, now: Timestamp) -> Definition {
    Definition {
        description: String::new(),
        accounts_share: Share::Fixed(flag.accounts_share.at(now)),
        projects_share: Share::Fixed(flag.projects_share.at(now)),
        ..flag.clone()
    }
}
