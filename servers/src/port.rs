//! Loopback ports that nobody else takes.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process;

use crate::ServerError;

/// Below the range from which Linux takes ports for outgoing connections: a server that was killed finds its port free.
const FIRST: u16 = 16_000;
const COUNT: u16 = 16_000;

/// A loopback port that is this process's own among all that use this crate, as long as the value lives.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    _lock: File,
}

impl Port {
    /// Takes a free port.
    pub(crate) fn take() -> Result<Self, ServerError> {
        let folder = std::env::temp_dir().join("netbuild-servers-ports");
        fs::create_dir_all(&folder).map_err(ServerError::system(format!("make {}", folder.display())))?;
        // Each process begins its search elsewhere, so that few meet.
        let start = u16::try_from(process::id().wrapping_mul(97) % u32::from(COUNT)).unwrap_or(0);
        for step in 0..COUNT {
            let number = FIRST + (start + step) % COUNT;
            let path = folder.join(number.to_string());
            // A file of another user's run, which cannot be opened, is a port that is not ours to take.
            let Ok(lock) = File::options().create(true).truncate(false).write(true).open(&path) else { continue };
            if lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Ok(Port { number, _lock: lock });
            }
        }
        Err(ServerError::System { doing: "find a free port".to_owned(), source: std::io::ErrorKind::AddrInUse.into() })
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }
}
