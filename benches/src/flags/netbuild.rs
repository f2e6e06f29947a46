//! netbuild's flags.

use std::hint::black_box;

use netbuild_core::model::Timestamp;
use netbuild_flags::{FlagKey, Flags, Overrides, Subject};

use super::{Calls, Question, World};

/// Evaluations that are counted, through an evaluator a thread. The subject is made anew each time.
///
/// # Panics
/// Never: the flags are valid.
pub fn netbuild(world: &'static World, question: Question) -> [Calls; 2] {
    let flags = Flags::new(Overrides::none());
    flags.publish(world.definitions.clone(), None, Timestamp::EPOCH).expect("valid flags");
    std::array::from_fn(|_| {
        let mut evaluator = flags.evaluator();
        let key = FlagKey::new(question.key()).expect("a valid key");
        let mut turns = world.turns();
        let calls: Calls = Box::new(move |calls| {
            let mut on = 0;
            for turn in turns.by_ref().take(calls) {
                let account = &world.accounts[turn];
                let subject = match question {
                    Question::ProjectsShare => Subject::project(account, &world.projects[turn]),
                    _ => Subject::account(account),
                };
                let subject = subject.with_account_attributes(&world.attributes[turn % 2]);
                on += usize::from(evaluator.is_on(black_box(&key), &subject, false));
            }
            on
        });
        calls
    })
}
