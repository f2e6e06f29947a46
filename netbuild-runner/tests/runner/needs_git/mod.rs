//! These tests use the `git` program to make repositories and to serve them; the runner itself never starts it: the `git`
//! in its search path would betray it. `scripts/test` skips this module by its name where there is no `git`.

mod bench;
mod cache;
mod cache_archives;
mod cache_gateway;
mod cache_links;
mod collect;
mod command;
mod control;
mod fetch;
mod flood;
mod frozen;
mod git_server;
mod hostile_server;
mod hostile_size;
mod hostile_source;
mod hostile_tree;
mod intake;
mod lease;
mod made;
mod needs_empty_root;
mod needs_registry;
mod needs_root;
mod needs_ssh;
mod repository;
