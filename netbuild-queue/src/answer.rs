//! How calls of a store end that do not succeed, whatever the store is.

use std::error::Error;

use netbuild_core::port::{LedgerError, OutboxError, QueueError};

/// How a call ends that does not succeed: a refusal by the port's contract, or a fault of the store.
#[derive(Debug)]
pub(crate) enum Stop<E, F> {
    Refused(E),
    Fault(F),
}

impl<E, F> From<F> for Stop<E, F> {
    fn from(fault: F) -> Self {
        Stop::Fault(fault)
    }
}

/// What a fault means to a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    NothingWritten,
    MaybeWritten,
    Damaged,
}

/// A fault as its caller is told it.
#[derive(Debug)]
pub(crate) struct Told<E> {
    pub(crate) meaning: Meaning,
    pub(crate) error: E,
}

macro_rules! told_as {
    ($port_error:ident) => {
        impl<E: Error + Send + Sync + 'static> From<Told<E>> for $port_error {
            fn from(told: Told<E>) -> Self {
                let error = Box::new(told.error);
                match told.meaning {
                    Meaning::NothingWritten => $port_error::Unavailable(error),
                    Meaning::MaybeWritten => $port_error::Unknown(error),
                    Meaning::Damaged => $port_error::Corrupt(error),
                }
            }
        }
    };
}
told_as!(OutboxError);
told_as!(QueueError);
told_as!(LedgerError);
