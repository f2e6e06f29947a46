//! Flags that have done their work.
