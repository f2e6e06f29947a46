//! The calls of one daemon, each with a deadline.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerSummary, EventMessage, SystemInfo, VolumeCreateRequest,
};
use bollard::query_parameters::{
    ContainerArchiveInfoOptionsBuilder, CreateContainerOptionsBuilder, CreateImageOptionsBuilder,
    DownloadFromContainerOptionsBuilder, EventsOptionsBuilder, InspectContainerOptions, KillContainerOptionsBuilder,
    ListContainersOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions,
    UploadToContainerOptionsBuilder,
};
use bollard::{API_DEFAULT_VERSION, Docker, body_stream};
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use netbuild_core::port::Source;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::archive::{self, TornArchive};
use super::host::Endpoint;
use super::labels::EXECUTOR;
use super::options::DockerOptions;

/// Why a call has no answer that is of use.
#[derive(Debug, thiserror::Error)]
pub(super) enum DaemonError {
    /// There is no connection: nothing happened.
    #[error("the Docker daemon cannot be reached")]
    Unreached(#[source] Source),
    /// The deadline passed: it may have happened, or happen yet.
    #[error("the Docker daemon gave no answer within {0:?}")]
    Late(Duration),
    /// The connection broke: it may have happened.
    #[error("the connection to the Docker daemon broke")]
    Broken(#[source] Source),
    /// The daemon said no: nothing happened.
    #[error("the Docker daemon refused with status {status}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Its words.
        message: String,
    },
}

impl DaemonError {
    /// Whether the daemon said that what is asked for is not there.
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, DaemonError::Refused { status: 404, .. })
    }

    /// Whether the daemon said that the name is taken, or that what is asked for is being done.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, DaemonError::Refused { status: 409, .. })
    }
}

impl From<Error> for DaemonError {
    fn from(error: Error) -> Self {
        match error {
            Error::DockerResponseServerError { status_code, message } => {
                DaemonError::Refused { status: status_code, message }
            }
            Error::HyperLegacyError { err } if err.is_connect() => DaemonError::Unreached(err.into()),
            error @ Error::SocketNotFoundError(_) => DaemonError::Unreached(error.into()),
            error => DaemonError::Broken(error.into()),
        }
    }
}

impl From<TornArchive> for DaemonError {
    fn from(error: TornArchive) -> Self {
        DaemonError::Broken(error.into())
    }
}

/// The client's own deadline, in seconds. Ours are shorter; it is there for what goes on after one passed.
const CLIENT_SECONDS: u64 = 120;

/// The client of one daemon.
#[derive(Debug)]
pub(super) struct Daemon {
    endpoint: Endpoint,
    /// The value of the label of all that is the executor's.
    executor: String,
    deadline: Duration,
    /// For what probes the daemon.
    patience: Duration,
    client: OnceCell<Docker>,
}

impl Daemon {
    pub(super) fn new(endpoint: Endpoint, options: &DockerOptions) -> Self {
        let (deadline, patience) = (options.deadline, options.health.deadline);
        Daemon { endpoint, executor: options.label.clone(), deadline, patience, client: OnceCell::new() }
    }

    async fn call<T>(&self, call: impl AsyncFnOnce(&Docker) -> Result<T, Error>) -> Result<T, DaemonError> {
        self.in_time(async { Ok(call(self.client().await?).await?) }).await
    }

    async fn in_time<T>(&self, call: impl Future<Output = Result<T, DaemonError>>) -> Result<T, DaemonError> {
        timeout(self.deadline, call).await.unwrap_or(Err(DaemonError::Late(self.deadline)))
    }

    /// The client, once the daemon has said which version of the API it speaks.
    async fn client(&self) -> Result<&Docker, DaemonError> {
        let connect = async || {
            let Endpoint::Unix(socket) = &self.endpoint;
            let client = Docker::connect_with_unix(&socket.to_string_lossy(), CLIENT_SECONDS, API_DEFAULT_VERSION)?;
            client.negotiate_version().await
        };
        // Nothing was asked of it yet.
        self.client.get_or_try_init(connect).await.map_err(|error| DaemonError::Unreached(error.into()))
    }

    pub(super) async fn info(&self) -> Result<SystemInfo, DaemonError> {
        self.call(async |docker| docker.info().await).await
    }

    /// All containers of the executor, also those that have ended: what people call `docker ps`, and the probe.
    pub(super) async fn list(&self) -> Result<Vec<ContainerSummary>, DaemonError> {
        let filters = HashMap::from([("label", vec![format!("{EXECUTOR}={}", self.executor)])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let list = async { Ok(self.client().await?.list_containers(Some(options)).await?) };
        timeout(self.patience, list).await.unwrap_or(Err(DaemonError::Late(self.patience)))
    }

    pub(super) async fn inspect(&self, container: &str) -> Result<ContainerInspectResponse, DaemonError> {
        self.call(async |docker| docker.inspect_container(container, None::<InspectContainerOptions>).await).await
    }

    pub(super) async fn create(&self, name: Option<&str>, body: ContainerCreateBody) -> Result<String, DaemonError> {
        let options = CreateContainerOptionsBuilder::new();
        let options = name.map_or_else(|| options.clone(), |name| options.clone().name(name)).build();
        self.call(async |docker| docker.create_container(Some(options), body).await).await.map(|created| created.id)
    }

    /// Unpacks an archive in a folder of a container.
    pub(super) async fn upload(&self, container: &str, folder: &str, archive: Bytes) -> Result<(), DaemonError> {
        let options = UploadToContainerOptionsBuilder::new().path(folder).build();
        // As a stream: the client writes other bodies into its trace, and this one may hold secrets.
        let body = body_stream(stream::once(std::future::ready(archive)));
        self.call(async |docker| docker.upload_to_container(container, Some(options), body).await).await
    }

    pub(super) async fn start(&self, container: &str) -> Result<(), DaemonError> {
        self.call(async |docker| docker.start_container(container, None::<StartContainerOptions>).await).await
    }

    pub(super) async fn kill(&self, container: &str, signal: &str) -> Result<(), DaemonError> {
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        self.call(async |docker| docker.kill_container(container, Some(options)).await).await
    }

    /// Removes a container with its own volumes.
    pub(super) async fn remove(&self, container: &str) -> Result<(), DaemonError> {
        let options = RemoveContainerOptionsBuilder::new().v(true).build();
        self.call(async |docker| docker.remove_container(container, Some(options)).await).await
    }

    /// The length of a file in a container.
    pub(super) async fn file_length(&self, container: &str, path: &str) -> Result<u64, DaemonError> {
        let options = ContainerArchiveInfoOptionsBuilder::new().path(path).build();
        let stat = self.call(async |docker| docker.get_container_archive_info(container, Some(options)).await).await?;
        Ok(u64::try_from(stat.size).unwrap_or(0))
    }

    /// At most `max` bytes of a file in a container, from an offset on.
    pub(super) async fn read_file(
        &self,
        container: &str,
        path: &str,
        from: u64,
        max: usize,
    ) -> Result<Bytes, DaemonError> {
        let options = DownloadFromContainerOptionsBuilder::new().path(path).build();
        self.in_time(async {
            let archive = self.client().await?.download_from_container(container, Some(options));
            archive::read_file(archive.map_err(DaemonError::from), from, max).await
        })
        .await
    }

    /// The events of the executor's containers, from now on.
    pub(super) async fn events(&self) -> Result<BoxStream<'static, Result<EventMessage, DaemonError>>, DaemonError> {
        let filters = HashMap::from([
            ("type", vec!["container".to_owned()]),
            ("label", vec![format!("{EXECUTOR}={}", self.executor)]),
        ]);
        let client = self.in_time(self.client()).await?.clone();
        let events = async_stream(client, EventsOptionsBuilder::new().filters(&filters).build());
        Ok(events)
    }

    pub(super) async fn has_image(&self, image: &str) -> Result<bool, DaemonError> {
        match self.call(async |docker| docker.inspect_image(image).await).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_absent() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Pulls an image, to its end: without a deadline of its own, for a large one takes minutes.
    pub(super) async fn pull(&self, image: &str) -> Result<(), DaemonError> {
        let options = CreateImageOptionsBuilder::new().from_image(image);
        // Without a tag or digest the daemon would pull all there are.
        let name = image.rsplit('/').next().unwrap_or(image);
        let options = if name.contains([':', '@']) { options } else { options.tag("latest") };
        let client = self.in_time(self.client()).await?;
        client.create_image(Some(options.build()), None, None).try_for_each(|_| std::future::ready(Ok(()))).await?;
        Ok(())
    }

    /// Makes an image of nothing, under a name.
    pub(super) async fn import_empty(&self, name: &str) -> Result<(), DaemonError> {
        let options = CreateImageOptionsBuilder::new().from_src("-").repo(name).tag("latest").build();
        let body = body_stream(stream::once(std::future::ready(archive::empty())));
        self.call(async |docker| docker.create_image(Some(options), Some(body), None).try_collect::<Vec<_>>().await)
            .await
            .map(drop)
    }

    /// Makes a volume, unless it is there.
    pub(super) async fn make_volume(&self, name: &str, labels: HashMap<String, String>) -> Result<(), DaemonError> {
        let request =
            VolumeCreateRequest { name: Some(name.to_owned()), labels: Some(labels), ..VolumeCreateRequest::default() };
        self.call(async |docker| docker.create_volume(request).await).await.map(drop)
    }
}

/// A stream that owns its client.
fn async_stream(
    client: Docker,
    options: bollard::query_parameters::EventsOptions,
) -> BoxStream<'static, Result<EventMessage, DaemonError>> {
    client.events(Some(options)).map_err(DaemonError::from).boxed()
}
