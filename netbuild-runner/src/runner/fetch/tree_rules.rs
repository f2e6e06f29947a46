//! What the names, modes, links and attributes of a commit may be. Pure: nothing here reads the repository.

use gix::bstr::ByteSlice;
use gix::objs::tree::EntryMode;

/// The longest name that file systems take, in bytes.
const MAX_NAME: usize = 255;

/// The longest target of a link that the system takes, in bytes: `PATH_MAX` less the zero at its end.
pub(super) const MAX_TARGET: u64 = 4095;

/// What an entry of a folder is by its mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Folder,
    File,
    Link,
}

/// What a mode says, or why it is refused. Old commits have files whose modes today's Git does not write any more; Git
/// takes them as files.
pub(super) fn entry(mode: EntryMode) -> Result<Entry, String> {
    match mode.value() & 0o170_000 {
        0o040_000 => Ok(Entry::Folder),
        0o100_000 => Ok(Entry::File),
        0o120_000 => Ok(Entry::Link),
        // They come from other repositories, which no rule has allowed.
        0o160_000 => Err("submodules are not supported; commit their files instead".to_owned()),
        _ => Err(format!("its mode {mode:o} is none that Git knows")),
    }
}

/// Refuses a name that Git itself never makes: one that leads out of the workspace or into its repository, also as other
/// systems would read it; and one that no file system takes.
pub(super) fn admit_name(name: &[u8]) -> Result<(), String> {
    let has_trick = name.is_empty() || name == b"." || name == b".." || is_git_folder(name) || name.contains(&b'/');
    if has_trick {
        return Err(format!("{:?}: a path of the commit that Git never makes", name.as_bstr()));
    }
    if name.len() > MAX_NAME {
        return Err(format!("a name of {} bytes; file systems take {MAX_NAME}", name.len()));
    }
    Ok(())
}

/// Refuses a target that no link can have.
pub(super) fn admit_target(target: &[u8]) -> Result<(), String> {
    match target {
        [] => Err("a link without a target".to_owned()),
        _ if target.contains(&0) => Err("a link whose target has a zero byte in it".to_owned()),
        _ => Ok(()),
    }
}

/// Refuses a folder that has a name twice: a file below the one would be written to where the other leads.
pub(super) fn admit_unique<'a>(names: impl Iterator<Item = &'a [u8]>) -> Result<(), String> {
    let mut names: Vec<&[u8]> = names.collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("the name {:?} is there twice", pair[0].as_bstr())),
        None => Ok(()),
    }
}

/// `.git` as a file system that ignores case, trailing dots and spaces, or invisible characters would read it.
fn is_git_folder(part: &[u8]) -> bool {
    let stream = part.split(|&byte| byte == b':').next().unwrap_or_default();
    let visible: String = stream.to_str_lossy().chars().filter(|c| !is_ignored(*c)).collect();
    let name = visible.trim_end_matches(['.', ' ']).to_ascii_lowercase();
    name == ".git" || name == "git~1"
}

/// What HFS+ leaves out when it compares names.
fn is_ignored(c: char) -> bool {
    matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

/// Whether a `.gitattributes` hands files to Git LFS.
pub(super) fn asks_for_lfs(attributes: &[u8]) -> bool {
    attributes.lines().any(|line| {
        !line.trim_start().starts_with(b"#") && line.fields().skip(1).any(|attribute| attribute == b"filter=lfs")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below_the_workspace() {
        let longest = "n".repeat(MAX_NAME);
        for fine in [
            &b"a"[..],
            b"b.git",
            b".github",
            b".gitignore",
            b"..b",
            b"\xff",
            b"git",
            "größe".as_bytes(),
            longest.as_bytes(),
        ] {
            assert_eq!(admit_name(fine), Ok(()), "{:?}", fine.as_bstr());
        }
        let tricks = ["", "/a", "a//b", "a/b", "a/", ".", "..", "../b", ".git", ".GIT", ".Git", ".git.", ".git "];
        let more_tricks = [".git::$INDEX_ALLOCATION", "git~1", "GIT~1", ".g\u{200c}it", &"n".repeat(MAX_NAME + 1)];
        for trick in tricks.iter().chain(&more_tricks) {
            assert!(admit_name(trick.as_bytes()).is_err(), "{trick:?}");
        }
    }

    #[test]
    fn a_mode_is_one_of_git_or_named() {
        let of = |mode: &[u8]| entry(EntryMode::from_bytes(mode).unwrap());
        for (mode, expected) in [
            (&b"40000"[..], Entry::Folder),
            (b"040000", Entry::Folder),
            (b"100644", Entry::File),
            (b"100755", Entry::File),
            (b"100664", Entry::File),
            (b"120000", Entry::Link),
        ] {
            assert_eq!(of(mode), Ok(expected), "{:?}", mode.as_bstr());
        }
        assert!(of(b"160000").unwrap_err().contains("submodules"));
        for mode in [&b"0"[..], b"20000", b"60000", b"777777"] {
            assert!(of(mode).unwrap_err().contains("none that Git knows"), "{:?}", mode.as_bstr());
        }
    }

    #[test]
    fn a_name_is_there_once() {
        assert_eq!(admit_unique([&b"a"[..], b"a.b", b"b"].into_iter()), Ok(()));
        assert!(admit_unique([&b"a"[..], b"a.b", b"a"].into_iter()).is_err());
    }

    #[test]
    fn a_link_leads_somewhere() {
        assert_eq!(admit_target(b"../elsewhere"), Ok(()));
        assert!(admit_target(b"").is_err());
        assert!(admit_target(b"a\0b").is_err());
    }

    #[test]
    fn lfs_is_seen_where_it_is_asked_for() {
        assert!(asks_for_lfs(b"*.txt text\n*.bin filter=lfs diff=lfs merge=lfs -text\n"));
        for none in [&b"# *.bin filter=lfs"[..], b"*.bin -filter", b"filter=lfs text", b"* filter=lfsx", b""] {
            assert!(!asks_for_lfs(none), "{:?}", none.as_bstr());
        }
    }
}
