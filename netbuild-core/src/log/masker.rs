//! Masking of secrets in a stream.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use secrecy::SecretString;
use secrecy::zeroize::Zeroize;

use super::secret_forms::forms;
use super::secret_trie::{ROOT, SecretTrie, State};

/// What stands in a log in the place of a secret.
pub const MASKED: &str = "[masked]";

/// Masks secrets in a stream of bytes, also where a secret straddles two chunks.
///
/// Each occurrence of a secret becomes [`MASKED`]; occurrences that overlap become one, so that no rest of either is
/// left; all other bytes stay as they are. The output does not depend on how the stream is cut into chunks. The time is
/// linear in the bytes, and at most one byte less than the longest secret is held back.
///
/// Of a secret with several lines each line is masked as well as the whole. Texts under
/// [`MIN_SECRET_BYTES`](super::MIN_SECRET_BYTES) are not masked. Masking is the last line of defence, not the first: a
/// command can print a secret in a form that no list has, which is why untrusted builds get none.
///
/// ```
/// use netbuild_core::log::Masker;
/// use secrecy::SecretString;
///
/// let mut masker = Masker::new(&[SecretString::from("hunter22")]);
/// let mut log = masker.feed(b"the password is hun");
/// assert_eq!(log, b"the password is ");
/// log.extend(masker.feed(b"ter22.\n"));
/// log.extend(masker.finish());
/// assert_eq!(log, b"the password is [masked].\n");
/// ```
pub struct Masker {
    trie: Arc<SecretTrie>,
    stream: Stream,
}

impl Masker {
    /// A masker of these secrets.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) -> Self {
        let texts: Vec<_> = secrets.into_iter().flat_map(forms).collect();
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        Masker { trie: Arc::new(SecretTrie::new(&texts)), stream: Stream::new(longest) }
    }

    /// Takes the next bytes of the stream and gives what is certain by now, masked.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.stream.feed(&self.trie, bytes)
    }

    /// Ends the stream and gives the rest. The masker is then ready for another stream.
    pub fn finish(&mut self) -> Vec<u8> {
        self.stream.finish()
    }

    /// Masks a whole text apart from the stream: an error message, for example.
    pub fn mask(&self, text: &str) -> String {
        let mut stream = Stream::new(self.stream.held.capacity());
        let mut masked = stream.feed(&self.trie, text.as_bytes());
        masked.extend(stream.finish());
        String::from_utf8_lossy(&masked).into_owned()
    }
}

impl fmt::Debug for Masker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Masker").finish_non_exhaustive()
    }
}

/// Where one stream stands. Positions count the bytes of the stream.
struct Stream {
    state: State,
    /// How many bytes were taken.
    taken: u64,
    /// The last bytes taken, which are not given out yet.
    held: VecDeque<u8>,
    /// Secrets in the held bytes, in order and apart from each other.
    found: VecDeque<Range<u64>>,
    /// The end of the last secret that was given out as masked; it may lie ahead of what was given out.
    masked_to: u64,
}

impl Stream {
    /// With room for everything that is ever held: growing would leave copies of secrets in freed memory.
    fn new(longest: usize) -> Self {
        let held = VecDeque::with_capacity(longest);
        Stream { state: ROOT, taken: 0, held, found: VecDeque::new(), masked_to: 0 }
    }

    fn feed(&mut self, trie: &SecretTrie, mut bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        loop {
            if self.held.is_empty() {
                let (plain, rest) = bytes.split_at(trie.skip(bytes));
                out.extend_from_slice(plain);
                self.taken += plain.len() as u64;
                self.state = ROOT;
                bytes = rest;
            }
            let Some((&byte, rest)) = bytes.split_first() else { return out };
            self.step(trie, byte, &mut out);
            bytes = rest;
        }
    }

    fn step(&mut self, trie: &SecretTrie, byte: u8, out: &mut Vec<u8>) {
        self.state = trie.next(self.state, byte);
        self.held.push_back(byte);
        self.taken += 1;
        let matched = trie.matched(self.state) as u64;
        if matched > 0 {
            self.cover(self.taken - matched..self.taken);
        }
        self.give(self.taken - trie.open(self.state) as u64, out);
    }

    /// Notes a secret. It ends behind all that were found before and may overlap them.
    fn cover(&mut self, mut secret: Range<u64>) {
        while let Some(before) = self.found.pop_back_if(|before| before.end > secret.start) {
            secret.start = secret.start.min(before.start);
        }
        if secret.start < self.masked_to {
            self.masked_to = secret.end;
        } else {
            self.found.push_back(secret);
        }
    }

    /// Gives out the held bytes up to a position.
    fn give(&mut self, to: u64, out: &mut Vec<u8>) {
        let mut position = self.taken - self.held.len() as u64;
        while position < to {
            if let Some(secret) = self.found.pop_front_if(|secret| secret.start == position) {
                out.extend_from_slice(MASKED.as_bytes());
                self.masked_to = secret.end;
            }
            if let Some(byte) = self.held.pop_front()
                && position >= self.masked_to
            {
                out.push(byte);
            }
            position += 1;
        }
    }

    fn finish(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.give(self.taken, &mut out);
        self.state = ROOT;
        out
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // The whole room, because bytes that left the queue are still in it.
        self.held.resize(self.held.capacity(), 0);
        self.held.make_contiguous().zeroize();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn masker(secrets: &[String]) -> Masker {
        let secrets: Vec<SecretString> = secrets.iter().map(|secret| SecretString::from(secret.as_str())).collect();
        Masker::new(&secrets)
    }

    fn mask(secrets: &[&str], text: &str) -> String {
        masker(&secrets.iter().map(|&secret| secret.to_owned()).collect::<Vec<_>>()).mask(text)
    }

    #[test]
    fn secrets_are_masked_and_nothing_else() {
        for (secrets, text, masked) in [
            (&["hunter22"][..], "a hunter22 b hunter2", "a [masked] b hunter2"),
            (&["hunter22", "hunter22-long"], "hunter22-long hunter22-lon", "[masked] [masked]-lon"),
            (&["abcd1234", "1234wxyz"], "abcd1234wxyz", "[masked]"),
            (&["abcdefgh", "cdef"], "abcdefgx cdef", "ab[masked]gx [masked]"),
            (&["aabb", "ccdd", "bbccddee", "aabbccddeeff"], "aabbccddeeg", "[masked]g"),
            (&["aaaa"], "aaa aaaa aaaaaa", "aaa [masked] [masked]"),
            (&["abcd"], "abcdabcd", "[masked][masked]"),
            (&["line-one\nline-two"], "line-one\nline-two line-two", "[masked] [masked]"),
            (&["abc"], "abc", "abc"),
            (&[], "abc", "abc"),
            (&["geheim-ä"], "ä geheim-ä ä", "ä [masked] ä"),
        ] {
            assert_eq!(mask(secrets, text), masked, "{secrets:?}");
        }
    }

    #[test]
    fn only_what_may_become_a_secret_is_held_back() {
        let mut masker = masker(&["hunter22".to_owned()]);
        assert_eq!(masker.feed(b"progress 10% hunt"), b"progress 10% ");
        assert_eq!(masker.feed(b"ing"), b"hunting");
        assert_eq!(masker.feed(b"hunter22"), b"[masked]", "a whole secret waits for nothing");
        assert_eq!(masker.feed(b"h"), b"");
        assert_eq!(masker.finish(), b"h");
        assert_eq!(masker.feed(b"unter22"), b"unter22", "another stream does not continue the last one");
    }

    #[test]
    fn debug_shows_no_secret() {
        let mut masker = masker(&["canary".to_owned()]);
        masker.feed(b"canar");
        assert!(!format!("{masker:?}").contains("cana"));
    }

    /// What the masker must give, computed the slow and obvious way over the whole input.
    fn model(secrets: &[String], input: &[u8]) -> Vec<u8> {
        let mut found: Vec<Range<usize>> = Vec::new();
        for secret in secrets.iter().flat_map(|secret| std::iter::once(secret.as_str()).chain(secret.lines())) {
            if secret.len() >= 4 {
                let hits = input.windows(secret.len()).enumerate().filter(|(_, part)| *part == secret.as_bytes());
                found.extend(hits.map(|(at, _)| at..at + secret.len()));
            }
        }
        found.sort_by_key(|range| (range.start, range.end));
        let mut merged: Vec<Range<usize>> = Vec::new();
        for range in found {
            match merged.last_mut() {
                Some(last) if range.start < last.end => last.end = last.end.max(range.end),
                _ => merged.push(range),
            }
        }
        let (mut out, mut at) = (Vec::new(), 0);
        for range in merged {
            out.extend_from_slice(&input[at..range.start]);
            out.extend_from_slice(MASKED.as_bytes());
            at = range.end;
        }
        out.extend_from_slice(&input[at..]);
        out
    }

    fn feed_in_chunks(masker: &mut Masker, input: &[u8], cuts: &[prop::sample::Index]) -> Vec<u8> {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        cuts.extend([0, input.len()]);
        cuts.sort_unstable();
        let mut out: Vec<u8> = cuts.windows(2).flat_map(|cut| masker.feed(&input[cut[0]..cut[1]])).collect();
        out.extend(masker.finish());
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Few letters, so that secrets begin, end, overlap and hold each other everywhere.
        #[test]
        fn any_chunks_give_what_the_whole_gives(
            secrets in prop::collection::vec("[xy\n]{1,9}", 0..5),
            input in "[xyz\n]{0,60}",
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let out = feed_in_chunks(&mut masker(&secrets), input.as_bytes(), &cuts);
            let expected = model(&secrets, input.as_bytes());
            prop_assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&expected));
            for secret in secrets.iter().filter(|secret| secret.len() >= 4) {
                prop_assert!(!out.windows(secret.len()).any(|part| part == secret.as_bytes()), "{:?} leaks", secret);
            }
        }

        #[test]
        fn bytes_without_secrets_are_unchanged(
            input in prop::collection::vec(any::<u8>(), 0..300),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let secrets = ["a secret that no random input has".to_owned(), "\u{0}\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}".to_owned()];
            prop_assert_eq!(feed_in_chunks(&mut masker(&secrets), &input, &cuts), input);
        }
    }
}
