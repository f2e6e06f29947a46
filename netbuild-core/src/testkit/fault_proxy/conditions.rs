//! The weather that all connections share.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::fault::{Direction, Fault};
use super::proxy::ProxyCounts;

/// How things stand: written by the handle, and by the connection that uses up the bytes until a cut; watched by all.
#[derive(Clone, Debug)]
pub(super) struct Conditions {
    pub(super) upstream: SocketAddr,
    pub(super) refuses: bool,
    to_upstream: Flow,
    to_client: Flow,
    /// Connections with a lower number have ended.
    ended_below: u64,
    ended_by_reset: bool,
    /// The number of the next connection.
    next: u64,
    /// The connections that have not been closed yet.
    live: BTreeSet<u64>,
    /// Whether the port listens. It follows `refuses`.
    pub(super) listens: bool,
    cut_after: Option<(u64, Direction)>,
    cuts: u64,
    resets: u64,
    bytes_to_upstream: u64,
    bytes_to_client: u64,
}

/// How bytes move in one direction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flow {
    pub(super) held: bool,
    pub(super) delay: Duration,
    pub(super) bytes_a_second: Option<u64>,
}

impl Conditions {
    pub(super) fn new(upstream: SocketAddr) -> Self {
        Conditions {
            upstream,
            refuses: false,
            to_upstream: Flow::default(),
            to_client: Flow::default(),
            ended_below: 0,
            ended_by_reset: false,
            next: 0,
            live: BTreeSet::new(),
            listens: true,
            cut_after: None,
            cuts: 0,
            resets: 0,
            bytes_to_upstream: 0,
            bytes_to_client: 0,
        }
    }

    pub(super) fn apply(&mut self, fault: Fault) {
        match fault {
            Fault::Cut => {
                self.refuses = true;
                self.cut_after = None;
                self.cuts += 1;
                self.end_all(false);
            }
            Fault::Reset => {
                self.resets += 1;
                self.end_all(true);
            }
            Fault::BlackHole(direction) => self.each(direction, |flow| flow.held = true),
            Fault::Delay(delay, direction) => self.each(direction, |flow| flow.delay = delay),
            Fault::Bandwidth(bytes, direction) => {
                self.each(direction, |flow| flow.bytes_a_second = Some(bytes.max(1)));
            }
            Fault::CutAfter(bytes, direction) => self.cut_after = Some((bytes, direction)),
        }
    }

    pub(super) fn heal(&mut self) {
        self.refuses = false;
        self.to_upstream = Flow::default();
        self.to_client = Flow::default();
        self.cut_after = None;
    }

    pub(super) fn flow(&self, direction: Direction) -> Flow {
        if direction == Direction::ToUpstream { self.to_upstream } else { self.to_client }
    }

    /// Whether a new connection stays unknown to the server.
    pub(super) fn hides_connections(&self) -> bool {
        self.to_upstream.held && self.to_client.held
    }

    /// The number of a new connection, unless it is refused.
    pub(super) fn admit(&mut self) -> Option<u64> {
        if self.refuses {
            return None;
        }
        let number = self.next;
        self.next += 1;
        self.live.insert(number);
        Some(number)
    }

    pub(super) fn closed(&mut self, connection: u64) {
        self.live.remove(&connection);
    }

    /// How it ended, if a fault ended it.
    pub(super) fn ended_by_reset(&self, connection: u64) -> Option<bool> {
        self.has_ended(connection).then_some(self.ended_by_reset)
    }

    /// Whether all that was asked for has been done.
    pub(super) fn is_settled(&self) -> bool {
        self.listens != self.refuses && self.live.first().is_none_or(|first| !self.has_ended(*first))
    }

    pub(super) fn counts(&self) -> ProxyCounts {
        ProxyCounts {
            connections: self.next,
            open: self.live.len() as u64,
            bytes_to_upstream: self.bytes_to_upstream,
            bytes_to_client: self.bytes_to_client,
            cuts: self.cuts,
            resets: self.resets,
        }
    }

    pub(super) fn has_ended(&self, connection: u64) -> bool {
        connection < self.ended_below
    }

    /// Lets `write` have as many of the bytes as may go now, none while the direction is held, and answers how many it took.
    /// It happens with the conditions in hand, so nothing moves once a fault is applied.
    pub(super) fn pass(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        write: impl FnOnce(&[u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        if self.flow(direction).held {
            return Ok(0);
        }
        let left = self.cut_after.filter(|(_, of)| of.covers(direction)).map_or(u64::MAX, |(left, _)| left);
        let allowed = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let passed = if allowed == 0 { 0 } else { write(&bytes[..allowed])? };
        match direction {
            Direction::ToClient => self.bytes_to_client += passed as u64,
            _ => self.bytes_to_upstream += passed as u64,
        }
        if let Some((left, _)) = self.cut_after.as_mut().filter(|(_, of)| of.covers(direction)) {
            *left -= passed as u64;
            if *left == 0 {
                self.apply(Fault::Cut);
            }
        }
        Ok(passed)
    }

    fn end_all(&mut self, by_reset: bool) {
        self.ended_below = self.next;
        self.ended_by_reset = by_reset;
    }

    fn each(&mut self, direction: Direction, change: impl Fn(&mut Flow)) {
        if direction.covers(Direction::ToUpstream) {
            change(&mut self.to_upstream);
        }
        if direction.covers(Direction::ToClient) {
            change(&mut self.to_client);
        }
    }
}
