//! An automaton that finds texts in a stream (Aho and Corasick), one byte a step.
//!
//! Written here because masking a stream needs two things that general search crates do not tell: how many of the last
//! bytes may still become a text, and all overlapping matches, not only the ones that do not touch.

use secrecy::zeroize::Zeroize;

use super::secret_forms::{Form, Forms};

/// A place in the automaton: the longest end of the bytes read so far that a text begins with.
pub(super) type State = u32;

/// Nothing that was read begins a text.
pub(super) const ROOT: State = 0;

/// How many nodes the encoded forms may take, 28 bytes each: enough for the Base64 of secrets of 100 KiB altogether, and
/// for all encodings of ordinary ones. The plain forms have their room in any case.
const MAX_ENCODED_NODES: usize = 2 << 20;

/// No node.
const NONE: u32 = u32::MAX;

/// The texts, as a tree of their bytes with links to the next shorter end.
pub(super) struct SecretTrie {
    nodes: Vec<Node>,
    /// The children of the root by byte, or the root.
    first: Box<[State; 256]>,
    longest: usize,
}

struct Node {
    byte: u8,
    depth: u32,
    first_child: u32,
    next_sibling: u32,
    /// The node of the longest shorter end that is in the tree.
    shorter: State,
    /// The length of the longest text that ends here; 0 for none.
    matched: u32,
    /// How many of the last bytes may still grow into a text.
    open: u32,
}

impl SecretTrie {
    pub(super) fn new(forms: &Forms) -> Self {
        let bytes = |forms: &[Form]| forms.iter().map(|form| form.len()).sum::<usize>();
        let (plain, encoded) = (bytes(&forms.plain), bytes(&forms.encoded).min(MAX_ENCODED_NODES));
        // Room for all nodes at once: growing would leave copies of the secrets' bytes in freed memory.
        let mut nodes = Vec::with_capacity(plain + encoded + 1);
        nodes.push(Node::new(0, 0));
        let mut trie = SecretTrie { nodes, first: Box::new([ROOT; 256]), longest: 0 };
        for form in &forms.plain {
            trie.insert(form);
        }
        let room = trie.nodes.len() + encoded;
        for form in &forms.encoded {
            if trie.nodes.len() + form.len() <= room {
                trie.insert(form);
            }
        }
        trie.link();
        trie
    }

    /// The length of the longest text.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// The state after one more byte.
    pub(super) fn next(&self, mut state: State, byte: u8) -> State {
        while state != ROOT {
            if let Some(child) = self.child(state, byte) {
                return child;
            }
            state = self.node(state).shorter;
        }
        self.first[usize::from(byte)]
    }

    /// How many of `bytes` come before the first with which a text begins.
    pub(super) fn skip(&self, bytes: &[u8]) -> usize {
        bytes.iter().position(|&byte| self.first[usize::from(byte)] != ROOT).unwrap_or(bytes.len())
    }

    /// The length of the longest text that ends here; 0 for none.
    pub(super) fn matched(&self, state: State) -> usize {
        self.node(state).matched as usize
    }

    /// How many of the last bytes may still grow into a text.
    pub(super) fn open(&self, state: State) -> usize {
        self.node(state).open as usize
    }

    fn insert(&mut self, text: &[u8]) {
        let mut state = ROOT;
        for &byte in text {
            state = match self.child(state, byte) {
                Some(child) => child,
                None => self.add_child(state, byte),
            };
        }
        let node = self.node_mut(state);
        node.matched = node.depth;
        self.longest = self.longest.max(text.len());
    }

    fn add_child(&mut self, parent: State, byte: u8) -> State {
        let child = State::try_from(self.nodes.len()).expect("secrets together are under 4 GiB");
        let mut node = Node::new(byte, self.node(parent).depth + 1);
        node.next_sibling = self.node(parent).first_child;
        self.nodes.push(node);
        self.node_mut(parent).first_child = child;
        if parent == ROOT {
            self.first[usize::from(byte)] = child;
        }
        child
    }

    /// Sets the links, level by level: a node's link is on a level above it.
    fn link(&mut self) {
        let mut level: Vec<State> = self.siblings(self.node(ROOT).first_child).collect();
        while !level.is_empty() {
            let mut below = Vec::new();
            for &state in &level {
                let Node { shorter, first_child, .. } = *self.node(state);
                let Node { matched, open, .. } = *self.node(shorter);
                let mut child = first_child;
                while child != NONE {
                    self.node_mut(child).shorter = self.next(shorter, self.node(child).byte);
                    below.push(child);
                    child = self.node(child).next_sibling;
                }
                let node = self.node_mut(state);
                node.matched = node.matched.max(matched);
                node.open = if first_child == NONE { open } else { node.depth };
            }
            level = below;
        }
    }

    fn child(&self, state: State, byte: u8) -> Option<State> {
        self.siblings(self.node(state).first_child).find(|&child| self.node(child).byte == byte)
    }

    fn siblings(&self, first: u32) -> impl Iterator<Item = State> {
        let some = |state: u32| (state != NONE).then_some(state);
        std::iter::successors(some(first), move |&state| some(self.node(state).next_sibling))
    }

    fn node(&self, state: State) -> &Node {
        &self.nodes[state as usize]
    }

    fn node_mut(&mut self, state: State) -> &mut Node {
        &mut self.nodes[state as usize]
    }
}

impl Node {
    fn new(byte: u8, depth: u32) -> Self {
        Node { byte, depth, first_child: NONE, next_sibling: NONE, shorter: ROOT, matched: 0, open: 0 }
    }
}

impl Drop for SecretTrie {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            node.byte.zeroize();
        }
        self.first.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(texts: &[&str]) -> Vec<Form> {
        texts.iter().map(|text| Form::new(text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn it_tells_the_longest_match_and_what_may_still_grow() {
        let trie = SecretTrie::new(&Forms { plain: forms(&["abcdef", "cdef"]), encoded: forms(&["cdefgh", "ef"]) });
        let mut state = ROOT;
        let seen: Vec<(usize, usize)> = b"abcdefghab"
            .iter()
            .map(|&byte| {
                state = trie.next(state, byte);
                (trie.matched(state), trie.open(state))
            })
            .collect();
        assert_eq!(
            seen,
            [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5), (6, 4), (0, 5), (6, 0), (0, 1), (0, 2)],
            "after `abcdef` only `cdef` may still grow"
        );
        assert_eq!(trie.skip(b"xyzab"), 3);
    }

    #[test]
    fn what_encodings_take_is_bounded_and_the_plain_forms_are_not() {
        let long = |first: u8| Form::new((0..MAX_ENCODED_NODES).map(|n| first + (n % 7) as u8).collect());
        let forms = Forms {
            plain: vec![long(b'a')],
            encoded: [forms(&["short"]), vec![long(b'0')], forms(&["other"])].concat(),
        };
        let trie = SecretTrie::new(&forms);
        let walk = |text: &[u8]| text.iter().fold(ROOT, |state, byte| trie.next(state, *byte));
        assert_eq!(trie.matched(walk(&forms.plain[0])), MAX_ENCODED_NODES);
        assert_eq!(trie.matched(walk(b"short")), 5);
        assert_eq!(trie.matched(walk(&forms.encoded[1])), 0, "it has no room beside `short`");
        assert_eq!(trie.matched(walk(b"other")), 5);
        assert_eq!(trie.nodes.len(), 1 + MAX_ENCODED_NODES + 10);
    }
}
