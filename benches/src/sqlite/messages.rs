//! What travels: messages of one size.

use std::ops::Range;
use std::time::Duration;

use netbuild_core::model::{Build, BuildSpec, Limits, RepositoryUrl, Revision, Source, Timestamp};
use netbuild_core::port::Message;
use netbuild_core::testkit::fixtures::{build, message};

/// The size of a message, as a store keeps it.
pub const MESSAGE_BYTES: usize = 500;

/// Messages with these numbers, each with an id of its own and [`MESSAGE_BYTES`] bytes as JSON.
///
/// # Panics
/// When a message without its command is larger.
pub fn messages(numbers: Range<u64>) -> Vec<Message> {
    numbers.map(sized).collect()
}

fn sized(number: u64) -> Message {
    let bare = with_command(number, String::new());
    let bytes = serde_json::to_string(&bare).expect("a message is JSON").len();
    let rest = MESSAGE_BYTES.checked_sub(bytes).expect("a message without its command is smaller");
    with_command(number, "x".repeat(rest))
}

/// With short names and times: the field names alone take most of the bytes.
fn with_command(number: u64, command: String) -> Message {
    let short = Duration::from_millis(1);
    let limits = Limits { queue: short, pending: short, run: short };
    let source = Source {
        repository: RepositoryUrl::parse("https://git.example/a").expect("a valid address"),
        revision: Revision::parse("main").expect("a valid revision"),
    };
    let spec = BuildSpec { limits, ..BuildSpec::new(command) };
    let build = Build { source, spec, created_at: Timestamp::EPOCH, ..build("a", "b", number) };
    message("api", number, build)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_the_size_and_ids_of_their_own() {
        let messages = messages(1..1_001);
        assert!(messages.iter().all(|message| serde_json::to_string(message).unwrap().len() == MESSAGE_BYTES));
        assert!(messages.windows(2).all(|pair| pair[0].build.id < pair[1].build.id));
    }
}
