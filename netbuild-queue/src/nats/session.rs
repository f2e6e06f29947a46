//! One connection to one server, its streams and its consumer seen to be fit.

use std::time::Duration;

use async_nats::Client;
use async_nats::client::{Request, RequestErrorKind};
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::context::{ConsumerInfoErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{self, Stream};
use async_nats::jetstream::{self, Context, ErrorCode};
use netbuild_core::port::MAX_MESSAGE_BYTES;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::error::NatsError;
use super::options::NatsOptions;
use super::servers::Servers;
use super::setup::{self, CONSUMER, MAX_HEADER_BYTES, Misfit};

/// Between two looks at whether the consumer can be reached.
const LOOK: Duration = Duration::from_millis(20);

/// A connection. It is used until it is lost, and then never again: another takes its place.
#[derive(Debug)]
pub(super) struct Session {
    /// Host and port.
    pub(super) server: String,
    pub(super) client: Client,
    pub(super) queue: Stream,
    pub(super) dead: Stream,
    pub(super) consumer: PullConsumer,
    /// After which time an unacked message is handed out again.
    pub(super) redelivery_after: Duration,
    /// Told when a call went wrong.
    doubted: Notify,
    is_lost: watch::Receiver<bool>,
}

impl Session {
    /// Connects to a server, and makes what is not there.
    pub(super) async fn open(servers: &Servers, index: usize, options: &NatsOptions) -> Result<Self, NatsError> {
        let deadline = options.call_deadline;
        let late = |_| NatsError::Deadline { server: servers.name(index), after: deadline };
        timeout(deadline, Self::prepare(servers, index, options)).await.map_err(late)?
    }

    async fn prepare(servers: &Servers, index: usize, options: &NatsOptions) -> Result<Self, NatsError> {
        let server = servers.name(index);
        let (client, is_lost) = servers.connect(index, options.call_deadline).await?;
        admit(&server, &client, options)?;
        let mut context = jetstream::new(client.clone());
        context.set_timeout(options.call_deadline);
        let queue = stream(&context, &server, setup::queue(options)).await?;
        let dead = stream(&context, &server, setup::dead(options)).await?;
        let consumer = consumer(&queue, &server, options).await?;
        see_it_ready(&client, &server, options).await?;
        let redelivery_after = consumer.cached_info().config.ack_wait;
        Ok(Session { server, client, queue, dead, consumer, redelivery_after, doubted: Notify::new(), is_lost })
    }

    /// A call went wrong: see whether the server still answers.
    pub(super) fn doubt(&self) {
        self.doubted.notify_one();
    }

    /// Ends when the connection is lost, or when the server has not answered within the deadline after a call went wrong:
    /// with why.
    pub(super) async fn over(&self, deadline: Duration) -> NatsError {
        let mut is_lost = self.is_lost.clone();
        let lost = async move {
            // An error means that the client is gone, which is a loss too.
            let _ = is_lost.wait_for(|lost| *lost).await;
        };
        let fails = async {
            loop {
                self.doubted.notified().await;
                match timeout(deadline, self.queue.consumer_info(CONSUMER)).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => break failed(&self.server, "tell about its consumer", &error),
                    Err(_) => break NatsError::Deadline { server: self.server.clone(), after: deadline },
                }
            }
        };
        tokio::select! {
            biased;
            () = lost => NatsError::Lost { server: self.server.clone() },
            error = fails => error,
        }
    }
}

/// Whether a server can be worked with at all.
fn admit(server: &str, client: &Client, options: &NatsOptions) -> Result<(), NatsError> {
    let (server, info) = (server.to_owned(), client.server_info());
    let wanted = MAX_MESSAGE_BYTES + MAX_HEADER_BYTES;
    if setup::is_too_old(&info.version) {
        if !options.allow_lossy {
            return Err(NatsError::OldServer { server, found: info.version });
        }
        tracing::warn!(server, version = info.version, "this server loses what it confirmed when it is killed");
    }
    if info.max_payload < wanted {
        return Err(NatsError::SmallPayload { server, found: info.max_payload, wanted });
    }
    Ok(())
}

async fn stream(context: &Context, server: &str, wanted: stream::Config) -> Result<Stream, NatsError> {
    let stream = match context.get_stream(&wanted.name).await {
        Ok(stream) => stream,
        Err(error) if is_missing(&error.kind()) => {
            let made = context.create_stream(wanted.clone()).await;
            made.map_err(|error| failed(server, "make a stream", &error))?
        }
        Err(error) => return Err(failed(server, "tell about a stream", &error)),
    };
    // Also of one that was just made: a server passes over what it does not know.
    let misfit = setup::misfit_of_stream(&stream.cached_info().config, &wanted);
    misfit.map_or(Ok(stream), |misfit| Err(refusal(server, format!("the stream {}", wanted.name), misfit)))
}

fn is_missing(error: &GetStreamErrorKind) -> bool {
    matches!(error, GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

async fn consumer(queue: &Stream, server: &str, options: &NatsOptions) -> Result<PullConsumer, NatsError> {
    match queue.consumer_info(CONSUMER).await {
        Ok(info) => {
            if let Some(misfit) = setup::misfit_of_consumer(&info.config) {
                return Err(refusal(server, format!("the consumer {CONSUMER} of {}", options.stream), misfit));
            }
        }
        Err(error) if error.kind() == ConsumerInfoErrorKind::NotFound => {}
        Err(error) => return Err(failed(server, "tell about its consumer", &error)),
    }
    let consumer = queue.get_or_create_consumer(CONSUMER, setup::consumer(options)).await;
    consumer.map_err(|error| failed(server, "make its consumer", &error))
}

/// Waits until the server knows the way to the consumer: in a cluster it may be new, or on its way to another leader.
async fn see_it_ready(client: &Client, server: &str, options: &NatsOptions) -> Result<(), NatsError> {
    let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{CONSUMER}", options.stream);
    loop {
        // What is no request is answered by whoever would hand out messages, and hands out none.
        let request = Request::new().payload("{".into());
        match client.send_request(subject.clone(), request).await {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == RequestErrorKind::NoResponders => sleep(LOOK).await,
            Err(error) => return Err(failed(server, "hand out messages", &error)),
        }
    }
}

fn refusal(server: &str, what: String, (setting, found, wanted): Misfit) -> NatsError {
    NatsError::Setting { server: server.to_owned(), what, setting, found, wanted }
}

pub(super) fn failed(server: &str, doing: &'static str, error: &dyn std::error::Error) -> NatsError {
    NatsError::Failed { server: server.to_owned(), doing, said: error.to_string() }
}
