//! One direction of one connection.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;

use super::conditions::{Conditions, Flow};
use super::fault::Direction;
use super::proxy::Shared;

/// What is held of a direction at a time.
const PIECE: usize = 16 * 1024;

/// Moves bytes from one side to the other, as the conditions let it.
pub(super) struct Pump<'a> {
    shared: &'a Shared,
    watch: watch::Receiver<Conditions>,
    connection: u64,
    direction: Direction,
}

impl<'a> Pump<'a> {
    pub(super) fn new(shared: &'a Shared, connection: u64, direction: Direction) -> Self {
        Pump { shared, watch: shared.conditions.subscribe(), connection, direction }
    }

    /// Until the stream ends, whose end it passes on, or one of the sides fails.
    pub(super) async fn run(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> io::Result<()> {
        let mut piece = vec![0; PIECE];
        loop {
            let room = self.room();
            let read = self.unless_held(from.read(&mut piece[..room])).await?;
            self.wait(|flow| flow.delay).await;
            if read == 0 {
                self.unless_held(async { Ok(()) }).await?;
                return to.shutdown().await;
            }
            self.pass_on(&piece[..read], &to).await?;
            self.wait(|flow| time_of(read, flow.bytes_a_second)).await;
        }
    }

    /// At a bandwidth, as much as a tenth of a second moves, so that slow is slow and not in steps.
    fn room(&self) -> usize {
        let flow = self.watch.borrow().flow(self.direction);
        flow.bytes_a_second.map_or(PIECE, |bytes| usize::try_from(bytes / 10).unwrap_or(PIECE).clamp(1, PIECE))
    }

    async fn pass_on(&mut self, mut piece: &[u8], to: &WriteHalf<'_>) -> io::Result<()> {
        while !piece.is_empty() {
            self.unless_held(to.writable()).await?;
            match self.shared.pass(self.connection, self.direction, piece, |piece| to.try_write(piece)) {
                Ok(passed) => piece = &piece[passed..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What this answers while the direction is not held.
    async fn unless_held<T>(&mut self, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        tokio::pin!(work);
        loop {
            let held = self.watch.borrow_and_update().flow(self.direction).held;
            tokio::select! {
                biased;
                changed = self.watch.changed() => changed.map_err(io::Error::other)?,
                done = &mut work, if !held => return done,
            }
        }
    }

    /// Lets time pass, as long as the conditions then ask for it.
    async fn wait(&mut self, time: impl Fn(Flow) -> Duration) {
        let start = tokio::time::Instant::now();
        loop {
            let time = time(self.watch.borrow_and_update().flow(self.direction));
            if time.is_zero() {
                return;
            }
            tokio::select! {
                biased;
                Ok(()) = self.watch.changed() => {}
                () = tokio::time::sleep_until(start + time) => return,
            }
        }
    }
}

fn time_of(bytes: usize, bytes_a_second: Option<u64>) -> Duration {
    bytes_a_second
        .map_or(Duration::ZERO, |bytes_a_second| Duration::from_secs_f64(bytes as f64 / bytes_a_second as f64))
}
