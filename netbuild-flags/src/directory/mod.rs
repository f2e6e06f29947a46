//! All accounts and projects that flags could be asked for.
