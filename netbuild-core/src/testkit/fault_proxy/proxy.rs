//! The handle.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::accept::{Port, accept};
use super::conditions::Conditions;
use super::fault::{Direction, Fault};
use super::plan::FaultPlan;

/// A proxy in front of a server. Dropped, it closes its connections and its port. The [module](super) tells more.
///
/// What a fault asks for holds from the moment that its method is called: no byte moves against it from then on. Methods
/// that close or refuse connections answer when all of them are closed and the port refuses.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

/// What a [`FaultProxy`] counted since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProxyCounts {
    /// Connections that it accepted.
    pub connections: u64,
    /// Those that are open now.
    pub open: u64,
    /// Bytes that it passed on to the server.
    pub bytes_to_upstream: u64,
    /// Bytes that it passed on to clients.
    pub bytes_to_client: u64,
    /// Cuts, those after so many bytes included.
    pub cuts: u64,
    /// Resets.
    pub resets: u64,
}

/// What the handle and the tasks share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) conditions: watch::Sender<Conditions>,
}

impl FaultProxy {
    /// A proxy on a free port of loopback, in front of the server at `upstream`. A server that cannot be connected to
    /// shows as a reset connection.
    ///
    /// # Errors
    /// The system gave no port.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time enabled.
    pub async fn start(upstream: SocketAddr) -> io::Result<Self> {
        let port = Port::free()?;
        let (address, listener) = (port.address(), port.listen()?);
        let shared = Arc::new(Shared { conditions: watch::Sender::new(Conditions::new(upstream)) });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(Arc::clone(&shared), port, listener));
        Ok(FaultProxy { address, shared, _tasks: tasks })
    }

    /// Where clients connect. It stays the same, whatever happens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets new connections go to this server, as when it came back on another port. Those that stand stay where they are.
    pub fn set_upstream(&self, upstream: SocketAddr) {
        self.shared.conditions.send_modify(|conditions| conditions.upstream = upstream);
    }

    /// Lets this happen, on top of what happened since the last [`heal`](Self::heal).
    pub async fn apply(&self, fault: Fault) {
        self.shared.conditions.send_modify(|conditions| conditions.apply(fault));
        self.settled().await;
    }

    /// [`Fault::Cut`].
    pub async fn cut(&self) {
        self.apply(Fault::Cut).await;
    }

    /// [`Fault::Reset`].
    pub async fn reset(&self) {
        self.apply(Fault::Reset).await;
    }

    /// [`Fault::BlackHole`].
    pub async fn black_hole(&self, direction: Direction) {
        self.apply(Fault::BlackHole(direction)).await;
    }

    /// [`Fault::Delay`].
    pub async fn delay(&self, time: Duration, direction: Direction) {
        self.apply(Fault::Delay(time, direction)).await;
    }

    /// [`Fault::Bandwidth`].
    pub async fn bandwidth(&self, bytes_a_second: u64, direction: Direction) {
        self.apply(Fault::Bandwidth(bytes_a_second, direction)).await;
    }

    /// [`Fault::CutAfter`]. It answers at once; [`until_cut`](Self::until_cut) waits for it.
    pub async fn cut_after(&self, bytes: u64, direction: Direction) {
        self.apply(Fault::CutAfter(bytes, direction)).await;
    }

    /// Waits until connections are cut and refused, by whichever fault.
    pub async fn until_cut(&self) {
        self.until(|conditions| conditions.refuses && conditions.is_settled()).await;
    }

    /// Ends all faults: bytes that were held move on, and connections are accepted when this answers.
    pub async fn heal(&self) {
        self.shared.conditions.send_modify(Conditions::heal);
        self.settled().await;
    }

    /// Lets a plan happen, to its end. Each of its faults is healed before the next one, and so is what happened before.
    /// Dropped halfway, it leaves the fault of that moment.
    pub async fn play(&self, plan: &FaultPlan) {
        for planned in &plan.faults {
            tokio::time::sleep(planned.after).await;
            self.apply(planned.fault).await;
            tokio::time::sleep(planned.lasts).await;
            self.heal().await;
        }
    }

    /// What it counted.
    pub fn counts(&self) -> ProxyCounts {
        self.shared.conditions.borrow().counts()
    }

    async fn settled(&self) {
        self.until(Conditions::is_settled).await;
    }

    async fn until(&self, holds: impl FnMut(&Conditions) -> bool) {
        let mut watch = self.shared.conditions.subscribe();
        // Who writes the conditions is in `self`, so there always are some.
        let _ = watch.wait_for(holds).await;
    }
}

impl Shared {
    pub(super) fn admit(&self) -> Option<u64> {
        let mut number = None;
        self.conditions.send_if_modified(|conditions| {
            number = conditions.admit();
            false
        });
        number
    }

    /// [`Conditions::pass`] of a connection, which may have ended.
    pub(super) fn pass(
        &self,
        connection: u64,
        direction: Direction,
        bytes: &[u8],
        write: impl FnOnce(&[u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut passed = Err(io::ErrorKind::ConnectionAborted.into());
        self.conditions.send_if_modified(|conditions| {
            let cuts = conditions.counts().cuts;
            if !conditions.has_ended(connection) {
                passed = conditions.pass(direction, bytes, write);
            }
            conditions.counts().cuts > cuts
        });
        passed
    }
}
