//! Attempts as containers of a fleet of Docker hosts.
//!
//! Only the daemons are talked to, so a host may be any machine whose daemon can be reached; nothing of this executor runs
//! there but containers. What it makes has the label `netbuild.executor`, and it lists and removes nothing else.
//!
//! ```text
//! container nb-…          a build's attempt. The name is the build's, the labels say which attempt it is and what it reserves
//! its volume /netbuild    the attempt's folder, as [`AttemptFolder`](netbuild_core::model::AttemptFolder) has it: job, log,
//!                         workspace and exit record. It is removed with the container
//! volume netbuild-runner-…  the static runner, named by its contents; all containers share it and none can write it
//! ```
//!
//! # Two disks
//! Volumes lie in `volumes` of the daemon's data root. A host that keeps builds from filling the disk of the images mounts a
//! second disk there.
//!
//! # Why no attempt runs twice
//! - A daemon refuses a second container of the same name: the name is the lock of a host. A start looks on all hosts for a
//!   container of the build before it creates one, and of concurrent starts one is at it.
//! - A container that was created and not started is finished by the next start of the same attempt; one that has run is
//!   never started again. The job is put into its folder before it starts, so a crash between any two calls is made up for.
//! - A host that does not answer may have the attempt. If it was asked for it, or was seen to have it, the same attempt is
//!   started nowhere else. A later attempt is: whoever asks for it knows that the first has fenced itself, for a runner stops
//!   when it gets no lease, and the ledger takes no effect of an earlier attempt.
//!   If it was never seen to run there, it is given up as [`HostLost`](netbuild_core::model::Cause::HostLost) after
//!   [`DockerOptions::forget_after`].
//! - A daemon that hangs does later what it was asked for before. So a runner that is started after
//!   [`DockerOptions::start_within`] does not begin, by its host's clock.
//! - An executor that is opened while a host does not answer starts nothing for [`DockerOptions::forget_after`], for it cannot
//!   know what an earlier one started there.
//!
//! # When an attempt has ended
//! When its container has: nothing of it runs any more. How it ended is what its runner recorded; a record that says that the
//! command failed gives way to the daemon's word that memory was short. Without a record it is
//! [`OutOfMemory`](netbuild_core::model::Cause::OutOfMemory), `Cancelled` if that was asked,
//! [`DaemonRestarted`](netbuild_core::model::Cause::DaemonRestarted) if the daemon was away when it ended,
//! [`DeletedByOthers`](netbuild_core::model::Cause::DeletedByOthers) if a signal killed it, and else
//! [`RunnerBroken`](netbuild_core::model::Cause::RunnerBroken).
//!
//! # Health
//! The probe is what people call `docker ps`, because that is what hangs: see [`HealthRules`]. A host that does not answer is
//! asked by its watcher alone; no start waits for it. Its containers are told as unknown, never as gone: gone they are when
//! the pool no longer has the host.
//!
//! # How much is asked of a daemon
//! One stream of events a host, a list every [`DockerOptions::list_again`] and for each list that is asked for, one look at a
//! container when an event tells of it, and three calls when one has ended. Nothing is asked for each build again and again.
//!
//! # Images
//! An image that a host lacks is pulled there, for at most the build's pending limit; meanwhile the attempt is pending and is
//! known to this executor alone. [Placement](place) holds the usual time of a pull against a host.

mod archive;
mod daemon;
mod executor;
mod fleet;
mod health;
mod host;
mod judge;
mod keyed;
mod labels;
mod member;
mod options;
pub mod place;
mod pull;
mod spec;
mod start;
mod view;
mod watch;

pub use executor::{DockerExecutor, OpenError};
pub use health::{HealthRules, HealthState};
pub use host::{Capacity, DockerHost, Endpoint, HostList, HostPool, HostPoolError, Hosts};
pub use options::{DockerOptions, Isolation, Network};
pub use view::HostView;
