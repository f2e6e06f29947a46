//! Where a build's files come from. Parsed here, once, so that no later part meets an unchecked URL or ref.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};

/// The repository and the revision that a build fetches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The repository.
    pub repository: RepositoryUrl,
    /// The commit or ref.
    pub revision: Revision,
}

/// How a repository is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Transport {
    /// `https://`
    Https,
    /// `http://`
    Http,
    /// `ssh://`
    Ssh,
    /// `file://` with an absolute path: only where the host allows it.
    File,
}

/// A repository's URL: `https`, `http` or `ssh` with a host, or `file` with an absolute path.
///
/// It holds no user, password, query or fragment: credentials travel as secrets, never in a URL that is stored and
/// logged. Every other transport (`ext::`, `git://`, options in URL position) is refused by the parser.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepositoryUrl {
    transport: Transport,
    text: String,
}

/// The longest repository URL, in bytes.
pub const MAX_URL_BYTES: usize = 2048;

/// The longest ref, in bytes.
pub const MAX_REF_BYTES: usize = 255;

/// Why a source was refused. The text of the URL is left out on purpose: it may hold credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSource {
    /// The URL or ref is empty or over its bound.
    #[error("a repository URL has 1 to {MAX_URL_BYTES} bytes and a ref 1 to {MAX_REF_BYTES}")]
    Length,
    /// White space, a control character or a character outside ASCII.
    #[error("a repository URL is printable ASCII without spaces; encode other characters with %")]
    Character,
    /// A transport other than https, http, ssh and file.
    #[error("the transport is not supported: use https://, http://, ssh:// or file:///")]
    Transport,
    /// A user or password in the URL.
    #[error("the URL holds a user or password, which would be stored and logged: take them out")]
    Credentials,
    /// No host, or a host with characters that no host has.
    #[error("the URL has no valid host")]
    Host,
    /// No path, a path with `..`, a query or a fragment.
    #[error("the URL needs a plain path without `..`, `?` and `#`")]
    Path,
    /// The revision is neither a full commit id nor a ref that git would accept.
    #[error("the revision is neither a full commit id nor a valid ref name")]
    Revision,
}

/// What a path keeps as it is inside a `file` URL.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

impl RepositoryUrl {
    /// The `file` URL of an absolute path; characters that a URL cannot hold are encoded with `%`.
    ///
    /// # Errors
    /// [`InvalidSource`] when the path is too long, not absolute, or has `..` in it.
    pub fn from_path(path: &str) -> Result<Self, InvalidSource> {
        Self::parse(&format!("file://{}", utf8_percent_encode(path, PATH)))
    }

    /// Parses a URL.
    ///
    /// # Errors
    /// [`InvalidSource`] says which rule it breaks, without repeating the URL.
    pub fn parse(text: &str) -> Result<Self, InvalidSource> {
        if text.is_empty() || text.len() > MAX_URL_BYTES {
            return Err(InvalidSource::Length);
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(InvalidSource::Character);
        }
        let (scheme, rest) = text.split_once("://").ok_or(InvalidSource::Transport)?;
        let transport = match scheme {
            "https" => Transport::Https,
            "http" => Transport::Http,
            "ssh" => Transport::Ssh,
            "file" => Transport::File,
            _ => return Err(InvalidSource::Transport),
        };
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        check_authority(transport, authority)?;
        if path.len() < 2 || path.contains(['?', '#', '\\']) || path.split('/').any(|part| part == "..") {
            return Err(InvalidSource::Path);
        }
        if transport == Transport::File {
            let decoded = percent_decode_str(path).decode_utf8().map_err(|_| InvalidSource::Path)?;
            if decoded.contains('\0') || decoded.split('/').any(|part| part == "..") {
                return Err(InvalidSource::Path);
            }
        }
        Ok(RepositoryUrl { transport, text: text.to_owned() })
    }

    /// How the repository is reached.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// The URL's text. It holds no credentials.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The local path of a `file` URL, decoded.
    pub fn file_path(&self) -> Option<String> {
        match self.transport {
            Transport::File => {
                let path = self.text.strip_prefix("file://")?;
                percent_decode_str(path).decode_utf8().ok().map(Into::into)
            }
            Transport::Https | Transport::Http | Transport::Ssh => None,
        }
    }
}

fn check_authority(transport: Transport, authority: &str) -> Result<(), InvalidSource> {
    if transport == Transport::File {
        return if authority.is_empty() { Ok(()) } else { Err(InvalidSource::Host) };
    }
    // ssh needs a login name, which is no secret; a password never belongs here.
    let host = match authority.rsplit_once('@') {
        Some((user, host)) if transport == Transport::Ssh && is_login(user) => host,
        Some(_) => return Err(InvalidSource::Credentials),
        None => authority,
    };
    let (host, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((v6, port)) if v6.bytes().all(|b| b.is_ascii_hexdigit() || b == b':' || b == b'.') => (v6, port),
        Some(_) => return Err(InvalidSource::Host),
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port_fits = port.is_empty() || port.strip_prefix(':').is_some_and(|digits| digits.parse::<u16>().is_ok());
    let name_fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':');
    if host.is_empty() || host.starts_with('-') || !host.bytes().all(name_fits) || !port_fits {
        return Err(InvalidSource::Host);
    }
    Ok(())
}

fn is_login(user: &str) -> bool {
    !user.is_empty()
        && !user.starts_with('-')
        && user.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

impl fmt::Display for RepositoryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for RepositoryUrl {
    type Error = InvalidSource;

    fn try_from(text: String) -> Result<Self, InvalidSource> {
        Self::parse(&text)
    }
}

impl From<RepositoryUrl> for String {
    fn from(url: RepositoryUrl) -> String {
        url.text
    }
}

/// What to fetch: a commit by its full id, or a ref by its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Revision {
    /// A full commit id: 40 or 64 lower-case hexadecimal digits.
    Commit(String),
    /// A ref: a full name (`refs/heads/main`), or a short one (`main`) for a branch or else a tag.
    Ref(String),
}

impl Revision {
    /// Parses a revision: 40 or 64 hexadecimal digits are a commit, everything else must be a ref name by the rules of
    /// `git check-ref-format`, which also keep a leading dash out.
    ///
    /// # Errors
    /// [`InvalidSource::Length`] or [`InvalidSource::Revision`].
    pub fn parse(text: &str) -> Result<Self, InvalidSource> {
        if text.is_empty() || text.len() > MAX_REF_BYTES {
            return Err(InvalidSource::Length);
        }
        if matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(Revision::Commit(text.to_ascii_lowercase()));
        }
        let part_fits = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
        let byte_fits = |b: u8| b > 0x20 && b != 0x7f && !b"~^:?*[\\".contains(&b);
        let fits = !text.starts_with('-')
            && !text.ends_with('.')
            && text != "@"
            && !text.contains("..")
            && !text.contains("@{")
            && text.split('/').all(part_fits)
            && text.bytes().all(byte_fits);
        if fits { Ok(Revision::Ref(text.to_owned())) } else { Err(InvalidSource::Revision) }
    }

    /// The commit id or the ref's name.
    pub fn as_str(&self) -> &str {
        match self {
            Revision::Commit(text) | Revision::Ref(text) => text,
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<String> for Revision {
    type Error = InvalidSource;

    fn try_from(text: String) -> Result<Self, InvalidSource> {
        Self::parse(&text)
    }
}

impl From<Revision> for String {
    fn from(revision: Revision) -> String {
        match revision {
            Revision::Commit(text) | Revision::Ref(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_or_refused_by_rule() {
        let ok =
            ["https://git.example/a/b.git", "http://127.0.0.1:8080/r", "ssh://git@git.example:22/a", "file:///srv/r"];
        for text in ok {
            assert_eq!(RepositoryUrl::parse(text).map(String::from).as_deref(), Ok(text));
        }
        assert_eq!(RepositoryUrl::parse("http://[::1]:80/r").map(|url| url.transport()), Ok(Transport::Http));
        let bad = [
            ("", InvalidSource::Length),
            ("https://git.example/a b", InvalidSource::Character),
            ("ext::sh -c id", InvalidSource::Character),
            ("ext::id", InvalidSource::Transport),
            ("git://git.example/a", InvalidSource::Transport),
            ("--upload-pack=id", InvalidSource::Transport),
            ("https://user:secret@git.example/a", InvalidSource::Credentials),
            ("ssh://git:secret@git.example/a", InvalidSource::Credentials),
            ("ssh://-oProxyCommand=id/a", InvalidSource::Host),
            ("https:///a", InvalidSource::Host),
            ("https://git.example:99999/a", InvalidSource::Host),
            ("file://host/srv", InvalidSource::Host),
            ("https://git.example", InvalidSource::Path),
            ("https://git.example/a/../b", InvalidSource::Path),
            ("https://git.example/a?x=1", InvalidSource::Path),
        ];
        for (text, why) in bad {
            assert_eq!(RepositoryUrl::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn a_path_becomes_a_url_and_comes_back() {
        for path in ["/srv/r", "/tmp/sp ace/größe?#%41", "/a/.b/c~d"] {
            let url = RepositoryUrl::from_path(path).unwrap();
            assert_eq!(url.file_path().as_deref(), Some(path), "{url}");
        }
        assert_eq!(RepositoryUrl::from_path("srv/r"), Err(InvalidSource::Host));
        for hidden in ["file:///a/%2e%2e/b", "file:///a/%00", "file:///a/%ff"] {
            assert_eq!(RepositoryUrl::parse(hidden), Err(InvalidSource::Path), "{hidden}");
        }
    }

    #[test]
    fn revisions_follow_check_ref_format() {
        let id = "A".repeat(40);
        assert_eq!(Revision::parse(&id), Ok(Revision::Commit("a".repeat(40))));
        for text in ["main", "refs/heads/fix/äpfel", "v1.0"] {
            assert_eq!(Revision::parse(text), Ok(Revision::Ref(text.to_owned())));
        }
        let bad =
            ["-x", "a..b", "a b", "a~1", "a^", "a:b", "/a", "a/", "a//b", ".a", "a.lock", "a.", "@", "a@{1}", "a\\b"];
        for text in bad {
            assert_eq!(Revision::parse(text), Err(InvalidSource::Revision), "{text}");
        }
    }
}
