//! Reading that ends when it is interrupted.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};

/// A reader whose reads fail once the flag is true.
pub(super) struct Interruptible<'a, R> {
    pub(super) inner: R,
    pub(super) interrupt: &'a AtomicBool,
}

impl<R: Read> Read for Interruptible<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.interrupt.load(Ordering::Relaxed) {
            // Not `Interrupted`, which is read again.
            return Err(io::Error::from(io::ErrorKind::TimedOut));
        }
        self.inner.read(buffer)
    }
}
