//! The proxy and its handle.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::link;
use super::plan::{Fault, FaultPlan};
use super::rules::{Direction, Rules};

/// A TCP proxy on a loopback port of its own. Dropping it ends it with all its connections.
#[derive(Debug)]
pub struct FaultProxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
    _accepting: JoinSet<()>,
}

/// What the proxy shares with its connections.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) rules: watch::Sender<Rules>,
    pub(super) to_server: Meter,
    pub(super) to_client: Meter,
    upstream: Mutex<SocketAddr>,
    connections: AtomicU64,
    pub(super) broken: AtomicU64,
}

/// The bytes of one direction.
#[derive(Debug)]
pub(super) struct Meter {
    pub(super) passed: AtomicU64,
    /// How many more may pass before a connection breaks; [`UNBOUNDED`] for no bound.
    pub(super) left: AtomicI64,
}

pub(super) const UNBOUNDED: i64 = i64::MAX;

/// What a proxy has seen since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProxyCounts {
    /// Connections that it took.
    pub connections: u64,
    /// Connections that it ended by a fault.
    pub broken: u64,
    /// Bytes that it passed on to the server.
    pub to_server: u64,
    /// Bytes that it passed on to clients.
    pub to_client: u64,
}

impl FaultProxy {
    /// Starts a proxy to a server, which need not be there yet.
    ///
    /// # Errors
    /// No loopback port can be had.
    pub async fn start(upstream: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            rules: watch::Sender::new(Rules::default()),
            to_server: Meter::new(),
            to_client: Meter::new(),
            upstream: Mutex::new(upstream),
            connections: AtomicU64::new(0),
            broken: AtomicU64::new(0),
        });
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, shared.clone()));
        Ok(FaultProxy { addr, shared, _accepting: accepting })
    }

    /// Where clients connect to.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Sends new connections to another server, for one that came back on another port.
    pub fn set_upstream(&self, upstream: SocketAddr) {
        *self.shared.upstream.lock().expect("nothing panics while it holds this lock") = upstream;
    }

    /// Ends all connections, and every new one, until [`heal`](Self::heal).
    pub fn cut(&self) {
        self.change(|rules| {
            rules.cut = true;
            rules.ended += 1;
        });
    }

    /// Ends all connections by a reset; new ones pass.
    pub fn reset(&self) {
        self.change(|rules| rules.ended += 1);
    }

    /// Ends by a reset the connection that sends the last of so many more bytes in a direction: exactly these still arrive.
    /// New connections pass.
    pub fn cut_after(&self, bytes: u64, direction: Direction) {
        let left = i64::try_from(bytes).unwrap_or(UNBOUNDED - 1);
        self.shared.meter(direction).left.store(left, Ordering::Relaxed);
    }

    /// Lets no byte pass in these directions until [`heal`](Self::heal), while connections stay and new ones are taken.
    pub fn black_hole(&self, directions: &[Direction]) {
        self.change(|rules| {
            rules.to_server_swallowed = directions.contains(&Direction::ToServer);
            rules.to_client_swallowed = directions.contains(&Direction::ToClient);
        });
    }

    /// Lets each piece of data wait so long, in both directions.
    pub fn delay(&self, delay: Duration) {
        self.change(|rules| rules.delay = delay);
    }

    /// Ends every fault. What a black hole held arrives now.
    pub fn heal(&self) {
        for direction in [Direction::ToServer, Direction::ToClient] {
            self.shared.meter(direction).left.store(UNBOUNDED, Ordering::Relaxed);
        }
        self.change(|rules| *rules = Rules { ended: rules.ended, ..Rules::default() });
    }

    /// Lets one fault happen now.
    pub fn inflict(&self, fault: &Fault) {
        match fault {
            Fault::Cut => self.cut(),
            Fault::Reset => self.reset(),
            Fault::CutAfter { bytes, direction } => self.cut_after(*bytes, *direction),
            Fault::BlackHole { directions } => self.black_hole(directions),
            Fault::Delay { delay } => self.delay(*delay),
        }
    }

    /// Lets all faults of a plan happen in their time, each healed before the next. Dropped, it leaves the fault of that
    /// moment in place.
    pub async fn play(&self, plan: &FaultPlan) {
        for timed in plan.faults() {
            tokio::time::sleep(timed.after).await;
            self.inflict(&timed.fault);
            tokio::time::sleep(timed.lasts).await;
            self.heal();
        }
    }

    /// What it has seen.
    pub fn counts(&self) -> ProxyCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ProxyCounts {
            connections: read(&self.shared.connections),
            broken: read(&self.shared.broken),
            to_server: read(&self.shared.to_server.passed),
            to_client: read(&self.shared.to_client.passed),
        }
    }

    fn change(&self, change: impl FnOnce(&mut Rules)) {
        self.shared.rules.send_modify(change);
    }
}

impl Shared {
    pub(super) fn meter(&self, direction: Direction) -> &Meter {
        match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }
}

impl Meter {
    fn new() -> Self {
        Meter { passed: AtomicU64::new(0), left: AtomicI64::new(UNBOUNDED) }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut links = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(_) = links.join_next() => {}
            taken = listener.accept() => match taken {
                Ok((client, _)) => drop(links.spawn(serve(client, shared.clone()))),
                // Too many open files, for one: the next try may find one closed.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
        }
    }
}

async fn serve(client: TcpStream, shared: Arc<Shared>) {
    shared.connections.fetch_add(1, Ordering::Relaxed);
    let mut rules = shared.rules.subscribe();
    let (is_cut, begun) = {
        let rules = rules.borrow_and_update();
        (rules.cut, rules.ended)
    };
    if is_cut {
        shared.broken.fetch_add(1, Ordering::Relaxed);
        return;
    }
    let upstream = *shared.upstream.lock().expect("nothing panics while it holds this lock");
    let ended = async move {
        // It also ends with the proxy.
        let _ = rules.wait_for(|rules| rules.ended != begun).await;
    };
    let linked = async {
        // A server that is not there looks to the client as one that hangs up.
        let Ok(server) = TcpStream::connect(upstream).await else { return false };
        link::join(client, server, &shared).await
    };
    let was_broken = tokio::select! {
        biased;
        () = ended => true,
        was_broken = linked => was_broken,
    };
    shared.broken.fetch_add(u64::from(was_broken), Ordering::Relaxed);
}
