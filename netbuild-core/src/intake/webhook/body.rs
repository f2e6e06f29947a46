//! A body that grows to its bound and no further.

use super::Refusal;

/// The bound on a body that [`Hook::new`](super::Hook::new) sets: 5 MiB. GitHub sends at most 25 MB; the pushes that
/// come near it carry 2,048 commits with all their paths, and those are about 2 MiB.
pub const DEFAULT_BODY_BYTES: usize = 5 * 1024 * 1024;

/// Collects the chunks of a body. Made by [`Hook::body`](super::Hook::body), which refuses a body that is announced as
/// too long before a byte of it is read.
#[derive(Debug)]
pub struct BoundedBody {
    bytes: Vec<u8>,
    announced: Option<usize>,
    limit: usize,
}

impl BoundedBody {
    pub(super) fn new(announced: Option<usize>, limit: usize) -> Result<Self, Refusal> {
        if announced.is_some_and(|length| length > limit) {
            return Err(Refusal::TooLarge { limit });
        }
        // Memory comes with the bytes: an announcement alone must not cost any.
        Ok(BoundedBody { bytes: Vec::new(), announced, limit })
    }

    /// Adds the next chunk.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`] when the body passes its bound: answer and stop reading.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), Refusal> {
        if chunk.len() > self.limit - self.bytes.len() {
            return Err(Refusal::TooLarge { limit: self.limit });
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    /// The whole body.
    ///
    /// # Errors
    /// [`Refusal::Truncated`] when it is not as long as announced.
    pub fn finish(self) -> Result<Vec<u8>, Refusal> {
        match self.announced {
            Some(announced) if announced != self.bytes.len() => {
                Err(Refusal::Truncated { announced, received: self.bytes.len() })
            }
            Some(_) | None => Ok(self.bytes),
        }
    }
}
