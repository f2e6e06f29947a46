//! Definitions of flagd, taken over.
