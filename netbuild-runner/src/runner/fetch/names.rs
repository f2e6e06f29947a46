//! Which refs a revision may mean, and which of them wins.

use netbuild_core::model::Revision;

/// The full names to ask the repository for, the first that exists wins: a full name and `HEAD` stand for themselves, a
/// short name for a branch, else a tag. Empty for a commit.
pub(super) fn candidates(revision: &Revision) -> Vec<String> {
    match revision {
        Revision::Ref(name) if name == "HEAD" || name.starts_with("refs/") => vec![name.clone()],
        Revision::Ref(name) => vec![format!("refs/heads/{name}"), format!("refs/tags/{name}")],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_is_a_branch_before_a_tag() {
        let table = [
            ("HEAD", vec!["HEAD"]),
            ("refs/pull/7/head", vec!["refs/pull/7/head"]),
            ("main", vec!["refs/heads/main", "refs/tags/main"]),
            ("fix/a", vec!["refs/heads/fix/a", "refs/tags/fix/a"]),
        ];
        for (text, names) in table {
            assert_eq!(candidates(&Revision::parse(text).unwrap()), names, "{text}");
        }
        assert!(candidates(&Revision::parse(&"a".repeat(40)).unwrap()).is_empty());
    }
}
