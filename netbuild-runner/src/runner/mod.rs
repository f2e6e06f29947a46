//! The runner: the small program that does a build inside a folder, a container or a pod.
//!
//! It fetches the source, restores the caches, runs the command, collects the publish folder, uploads what the origin
//! lacks, saves the caches whose keys are new, and reports. A host either starts the `netbuild-runner` binary or its own
//! program again, with [`dispatch`] first in its `main`.
//!
//! # What it promises
//! - One runner a folder, and one begin an attempt: the `lock` file of the folder is locked as long as it lives, and what
//!   has begun once is never begun again.
//! - A build ends with an exit record, written whole to the disk before anybody is told; also when the gateway is away,
//!   the lease is lost, the run limit passes or a cancel is asked. Only `kill -9` and a power cut leave none.
//! - The command runs only after the gateway has let the attempt go on, and not longer than the lease.
//! - When the command is over, so is everything that it started.
//! - A cache that is damaged, cut off, foreign or hostile is never used: it is noticed before it takes any place, told in
//!   the log and to the gateway, and made anew. But for a full disk before the command, no cache fails a build.
//! - Secrets are masked in the log and in evidence; the command never sees the gateway's token.
//!
//! # What it needs of an image
//! `/proc`, `/dev/null`, and `/bin/sh` for the command; nothing else when it is built by `scripts/build-runner`, which
//! links it statically. Without `/proc` it refuses to begin; without `/bin/sh` the build ends with `image_invalid`. Host
//! names are looked up by the image's `/etc/hosts` and `/etc/resolv.conf`. Servers are checked by the image's root
//! certificates or those in `SSL_CERT_FILE`; an image without any gets the public ones that the runner brings along.
//!
//! # How it ends
//! | what happens | the command | outcome |
//! |---|---|---|
//! | it ends with 0 | | go on; at last `succeeded` |
//! | it ends with another code, or by a signal | | `command_failed`, `command_killed` |
//! | the gateway orders to stop, or the runner gets TERM | TERM, grace, KILL | `cancelled` |
//! | no answer from the gateway until the lease ends | TERM, short grace, KILL | `lease_lost` |
//! | a disk of the machine is full | | `out_of_disk` when the build has filled it, `host_disk` otherwise; `upload_failed` when it is the origin's |
//! | the run limit passes | TERM, grace, KILL | `run_timeout`; `source_unavailable`, `runner_broken` or `upload_failed` when the command was not at work; `succeeded` when only caches were still to be saved |

mod admit;
mod attempt;
mod backoff;
mod blocking;
pub mod cache;
mod clock;
mod collect;
mod command;
mod confine;
mod cookie;
mod disk;
mod entry;
mod environment;
mod fetch;
mod gateway_client;
mod group;
mod hashing;
mod heartbeat;
mod intake;
mod lease;
mod log;
mod memory;
mod mounts;
mod phases;
mod proc_stat;
mod progress;
mod record;
mod roots;
#[cfg(test)]
mod samples;
mod stop;
mod upload;
mod user;
mod walk;

pub use entry::{RUNNER_ARGUMENT, dispatch, main_from_stdin};
