//! The Docker executor with real daemons.

#[cfg(test)]
mod needs_docker;
