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
/// # What is masked
/// A secret as it is, each of its lines, and both as tools encode them:
/// - Base64, with the standard and the URL alphabet, padded or not, wherever in the encoded bytes the secret stands
///   (`user:secret` for example). Of the letters at its ends that hold bits of other bytes as well, up to four bits of the
///   secret stay readable. Of wrapped Base64 and hexadecimal digits, only what begins with the secret and has the width of
///   `base64`, `openssl` or `xxd -p`.
/// - URL-encoded: with capital and small digits, a space as `%20` or `+`, and with the sets of characters that common tools
///   keep.
/// - Hexadecimal digits, JSON strings, and the ways in which shells quote.
///
/// What is not: texts under [`MIN_SECRET_BYTES`](super::MIN_SECRET_BYTES), of which 3-byte lines of a longer secret are
/// an example; a secret encoded twice, compressed, encrypted, reversed, cut into pieces or printed with something between
/// its letters. The encoded forms of very long secrets have a bound together (2 Mi letters; Base64 has them first), the
/// plain ones have none. Masking is the last line of defence, not the first: a command can print a secret in a form that
/// no list has, which is why untrusted builds get none.
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
        let trie = SecretTrie::new(&forms(secrets));
        Masker { stream: Stream::new(trie.longest()), trie: Arc::new(trie) }
    }

    /// A masker of the same secrets for another stream. It shares the memory of the secrets.
    pub fn another(&self) -> Self {
        Masker { stream: Stream::new(self.trie.longest()), trie: Arc::clone(&self.trie) }
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
        let mut stream = Stream::new(self.trie.longest());
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
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
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

    /// A secret in every form, as other programs printed it.
    const FORMS: [&str; 15] = [
        "p@ss w/rd+\"ä'1",
        "cEBzcyB3L3JkKyLDpCcx",
        "eHBAc3Mgdy9yZCsiw6QnMXg=",
        "eHhwQHNzIHcvcmQrIsOkJzF4eA",
        "p%40ss%20w%2Frd%2B%22%C3%A4%271",
        "p%40ss%20w%2frd%2b%22%c3%a4%271",
        "p%40ss+w%2Frd%2B%22%C3%A4%271",
        "p@ss%20w/rd+%22%C3%A4'1",
        "7040737320772f72642b22c3a42731",
        "7040737320772F72642B22C3A42731",
        "p@ss w/rd+\\\"ä'1",
        "p@ss w/rd+\\\"\\u00e4'1",
        "p@ss w/rd+\"ä'\\''1",
        "p@ss w/rd+\"ä\\'1",
        "p@ss\\ w/rd+\\\"ä\\'1",
    ];

    #[test]
    fn every_form_is_masked_wherever_it_is_cut() {
        let secrets = ["p@ss w/rd+\"ä'1".to_owned()];
        for form in FORMS {
            let text = format!("before {form} after");
            for cut in 0..=text.len() {
                let mut masker = masker(&secrets);
                let mut out = masker.feed(&text.as_bytes()[..cut]);
                out.extend(masker.feed(&text.as_bytes()[cut..]));
                out.extend(masker.finish());
                let out = String::from_utf8(out).unwrap();
                let left: usize = out.replace(MASKED, "").len() - "before  after".len();
                // `x` and `xx` around the secret, in Base64.
                assert!(out.contains(MASKED) && left <= 7, "{form}, cut at {cut}: {out}");
            }
        }
    }

    #[test]
    fn ordinary_text_is_not_masked() {
        let secrets = ["x7#Q", "Zq9_", "hunter22", "0123-4567", "correct horse battery staple"];
        let text = include_str!("../scheduler/leader.rs");
        assert_eq!(mask(&secrets, text), text);
    }

    #[test]
    fn a_secret_of_64_kibibytes_is_masked_plain_and_in_base64() {
        let line = |n: usize| format!("{:032x}{:031x}\n", n * 7_919, n * 104_729);
        let secret: String = (0..1024).map(line).collect();
        assert_eq!(secret.len(), 64 << 10);
        let masker = masker(std::slice::from_ref(&secret));
        for text in [secret.clone(), STANDARD.encode(&secret), STANDARD.encode(format!("user:{secret}"))] {
            let masked = masker.mask(&text);
            assert!(masked.len() < 32, "{} of {} bytes are left", masked.len(), text.len());
        }
    }

    #[test]
    fn another_masker_knows_the_secrets_and_not_the_stream() {
        let mut first = masker(&["hunter22".to_owned()]);
        first.feed(b"hunt");
        let mut second = first.another();
        assert_eq!(second.feed(b"er22 hunter22"), b"er22 [masked]");
    }

    /// What the masker must give, computed the slow and obvious way over the whole input.
    fn model(secrets: &[String], input: &[u8]) -> Vec<u8> {
        let mut found: Vec<Range<usize>> = Vec::new();
        for secret in secrets.iter().flat_map(|secret| std::iter::once(secret.as_str()).chain(secret.lines())) {
            if secret.len() >= 4 && !secret.trim().is_empty() {
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
        /// Whatever stands around a secret in what is encoded, of the letters that hold its bits alone none is left.
        #[test]
        fn base64_is_masked_at_every_place(
            (before, secret, after) in ("[0-9]{0,6}", "[a-zA-Z!?~>]{4,40}", "[0-9]{0,6}"),
            url in any::<bool>(),
            padded in any::<bool>(),
        ) {
            let bytes = format!("{before}{secret}{after}");
            let letters = match (url, padded) {
                (false, false) => STANDARD_NO_PAD.encode(bytes),
                (false, true) => STANDARD.encode(bytes),
                (true, false) => URL_SAFE_NO_PAD.encode(bytes),
                (true, true) => URL_SAFE.encode(bytes),
            };
            let masked = masker(std::slice::from_ref(&secret)).mask(&letters);
            prop_assert!(masked.contains(MASKED), "{} in {}", secret, masked);
            let first = (before.len() * 8).div_ceil(6);
            let last = if after.is_empty() { letters.len() } else { (before.len() + secret.len()) * 8 / 6 };
            let left = masked.replace(MASKED, "").len();
            prop_assert!(left <= first + letters.len() - last, "{} of {} is left in {}", left, letters, masked);
        }
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
            for secret in secrets.iter().filter(|secret| secret.len() >= 4 && !secret.trim().is_empty()) {
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
