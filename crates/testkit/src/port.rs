//! Ports that a test keeps.

use std::net::SocketAddr;

use anyhow::Result;
use tokio::net::TcpSocket;

/// A port of the loopback interface that the system gives to nobody else, whether or not a server listens
/// there: a bound socket that does not listen refuses connections, and lets a server with `SO_REUSEADDR`
/// listen beside it. So a server that was stopped can be started where it was.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _held: TcpSocket,
}

impl Port {
    /// Takes one that is free.
    pub fn take() -> Result<Self> {
        let held = TcpSocket::new_v4()?;
        held.set_reuseaddr(true)?;
        held.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        Ok(Self { number: held.local_addr()?.port(), _held: held })
    }

    /// Its number.
    #[must_use]
    pub const fn number(&self) -> u16 {
        self.number
    }

    /// Where a server on it is reached.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.number))
    }
}
