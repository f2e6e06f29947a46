//! The choice of executors by flags.
