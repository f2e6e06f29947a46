//! What hardly any evaluation of a sticky percentage does without.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

use super::{Calls, Question, World};

/// A murmur3 of the account's id, and a lookup of the flag in a map of the standard library.
pub fn base(world: &'static World, question: Question) -> [Calls; 2] {
    let keys = world.definitions.flags.keys().map(ToString::to_string);
    let flags: Arc<HashMap<String, u32>> = Arc::new(keys.zip(0..).collect());
    std::array::from_fn(|_| {
        let (flags, mut turns) = (flags.clone(), world.turns());
        let calls: Calls = Box::new(move |calls| {
            let mut on = 0;
            for turn in turns.by_ref().take(calls) {
                let hash = murmur3::murmur3_32(&mut world.accounts[turn].as_str().as_bytes(), 0).unwrap_or_default();
                let flag = flags.get(black_box(question.key())).copied().unwrap_or_default();
                on += usize::from(black_box(hash ^ flag) & 1 == 1);
            }
            on
        });
        calls
    })
}
