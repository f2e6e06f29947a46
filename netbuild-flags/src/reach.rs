//! For how many accounts and projects a flag is on.
