//! The gateway and what it is made of.

use std::sync::Arc;

use netbuild_core::model::GatewayKey;
use netbuild_core::port::{AttemptControl, LogStore};
use object_store::ObjectStore;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::attempts::Attempts;
use super::routes::router;
use super::serve::serve;
use super::slots::Slots;
use super::{Caches, GatewayLimits};

/// What a gateway needs.
#[derive(Clone, Debug)]
pub struct GatewayParts {
    /// Where files and manifests go. A local folder should be opened with `LocalFileSystem::with_fsync(true)`: a deploy
    /// is activated on the word that its files are here. An upload that the end of this process cuts off may leave its
    /// parts (in a folder: files with `#` in their names, which nobody reads); a bucket should expire them.
    pub store: Arc<dyn ObjectStore>,
    /// The caches of the projects, in the same store or in one of their own.
    pub caches: Caches,
    /// The scheduler.
    pub control: Arc<dyn AttemptControl>,
    /// Where logs go.
    pub logs: Arc<dyn LogStore>,
    /// What tokens are checked with: the one that the scheduler makes them with.
    pub key: GatewayKey,
    /// Bounds and deadlines.
    pub limits: GatewayLimits,
}

/// The receiver in the host to which runners talk.
///
/// It keeps nothing: a gateway that is started again with the same parts goes on where the last one ended, and several may
/// run side by side. Each counts what attempts use by itself, from its start on.
#[derive(Clone, Debug)]
pub struct Gateway {
    app: Arc<App>,
}

impl Gateway {
    /// A gateway of these parts.
    pub fn new(parts: GatewayParts) -> Self {
        Gateway { app: Arc::new(App::new(parts)) }
    }

    /// Serves on a listener until `shutdown` is cancelled. Then it takes nothing more, lets requests end for
    /// [`GatewayLimits::drain`], drops those that still go on, and returns when nothing of it runs any more.
    ///
    /// It speaks HTTP without TLS: listen on loopback, or on a network that only runners reach, or behind a proxy.
    pub async fn serve(&self, listener: TcpListener, shutdown: CancellationToken) {
        serve(listener, router(Arc::clone(&self.app)), self.app.parts.limits.clone(), shutdown).await;
    }
}

/// What the routes share.
#[derive(Debug)]
pub(super) struct App {
    pub(super) parts: GatewayParts,
    /// What is remembered of attempts.
    pub(super) attempts: Attempts,
    /// Room for files.
    pub(super) files: Slots,
    /// Room for archives of caches, in both directions.
    pub(super) archives: Slots,
    /// Room for manifests, which are held in memory as a whole.
    pub(super) manifests: Slots,
    /// Room for log pieces, apart from all else: a log store that hangs holds up logs and no deploy.
    pub(super) logs: Slots,
    /// Room for questions about files.
    pub(super) small: Slots,
}

impl App {
    fn new(parts: GatewayParts) -> Self {
        let files = Slots::new(parts.limits.uploads, parts.limits.account_uploads);
        let attempts = Attempts::new(Arc::clone(&parts.control), parts.limits.clone());
        let archives = Slots::new(parts.limits.uploads, parts.limits.account_uploads);
        App {
            attempts,
            files,
            archives,
            manifests: Slots::new(4, 1),
            logs: Slots::new(64, 8),
            small: Slots::new(64, 8),
            parts,
        }
    }
}
