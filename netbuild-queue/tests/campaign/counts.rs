//! How much of everything.

use std::time::Duration;

/// The size of a campaign.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    /// Events of each publisher.
    pub(crate) events: u64,
    /// Faults of the connections between publishers and broker, and as many between broker and scheduler.
    pub(crate) faults: usize,
    /// How often the server is killed and started again.
    pub(crate) server_kills: u32,
    /// How often a publisher's process is killed, of all four together.
    pub(crate) publisher_kills: u32,
    /// The longest fault.
    pub(crate) longest: Duration,
}

pub(crate) const PUBLISHERS: u64 = 4;

impl Counts {
    /// The counts of this run.
    pub(crate) fn of_this_run() -> Self {
        let longest = Duration::from_secs(2);
        if std::env::var_os("NETBUILD_SOAK").is_some() {
            Counts { events: 25_000, faults: 24, server_kills: 4, publisher_kills: 100, longest }
        } else {
            Counts { events: 2_500, faults: 6, server_kills: 1, publisher_kills: 12, longest }
        }
    }

    /// The time over which a publisher records its events: long enough for the faults to fall into it.
    pub(crate) fn time(&self) -> Duration {
        self.longest * u32::try_from(self.faults).unwrap()
    }
}
