//! What is in the site's repository at each of its commits.

use std::collections::BTreeMap;

/// How many notes the first commit has.
pub const PAGES: usize = 300;

/// The notes that the second commit changes, by number.
const REVISED: [usize; 4] = [7, 42, 128, 255];

/// A state of the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As it begins.
    First,
    /// A few notes revised, and one more: its build differs from the first in those, and in the index.
    Second,
}

/// The files of a state by path.
pub fn files(state: State) -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, String> = [
        ("build.sh", include_str!("../../site/build.sh")),
        ("page.awk", include_str!("../../site/page.awk")),
        ("layout.html", include_str!("../../site/layout.html")),
        ("style.css", include_str!("../../site/style.css")),
    ]
    .map(|(path, text)| (path.to_owned(), text.to_owned()))
    .into();
    let last = match state {
        State::First => PAGES,
        State::Second => PAGES + 1,
    };
    files.extend((1..=last).map(|number| (format!("pages/note-{number:03}.md"), note(number, state))));
    files
}

fn note(number: usize, state: State) -> String {
    let mut words = Words::seeded(number);
    let mut text = format!("---\ntitle: Note {number}: {} & {}\n---\n", words.next(), words.next());
    if number > 1 {
        text += &format!("After [note {0}](note-{0:03}.html): ", number - 1);
    }
    text += &format!("the **{}** is `{} < {}`, *{}*.\n", words.next(), words.next(), words.next(), words.next());
    for section in 1..=4 {
        text += &format!("\n## {section}. On {}\n\n{}\n\n", words.next(), words.sentence(24));
        text += &format!("- {}\n- {}\n- {}\n\n", words.sentence(5), words.sentence(6), words.sentence(4));
        text += &format!("> {}\n\n```\n{} = {}\n```\n\n", words.sentence(8), words.next(), words.next());
        text += &format!("{}\n", words.sentence(40));
    }
    if state == State::Second && REVISED.contains(&number) {
        text += "\nRevised: this note was **read again** in the second commit.\n";
    }
    text
}

/// Words from a fixed seed: xorshift, so that no crate's version can change them.
struct Words(u64);

impl Words {
    fn seeded(number: usize) -> Self {
        Words(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(number as u64 + 1) | 1)
    }

    fn next(&mut self) -> &'static str {
        const WORDS: [&str; 32] = [
            "amber", "birch", "brook", "cairn", "clover", "dew", "ember", "fern", "gale", "granite", "heath", "heron",
            "iris", "juniper", "kelp", "lark", "lichen", "marsh", "moss", "nettle", "oak", "otter", "pebble", "pine",
            "quartz", "reed", "sorrel", "thistle", "umber", "vetch", "willow", "yarrow",
        ];
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        WORDS[(self.0 >> 59) as usize]
    }

    fn sentence(&mut self, length: usize) -> String {
        let words: Vec<&str> = (0..length).map(|_| self.next()).collect();
        words.join(" ") + "."
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_state_changes_few_files_and_adds_one() {
        let (first, second) = (files(State::First), files(State::Second));
        assert_eq!(second.len(), first.len() + 1);
        let changed = first.iter().filter(|(path, text)| second[*path] != **text).count();
        assert_eq!(changed, REVISED.len());
    }
}
