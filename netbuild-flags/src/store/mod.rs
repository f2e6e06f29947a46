//! Definitions that are kept with their history.
