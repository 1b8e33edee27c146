//! Ports for peers that cannot be told to take any that is free.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that the system gives out of its own accord (from 32768 on), so that no listener and no connection of
/// another test takes one between the look and the use.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// How many were given out.
static GIVEN: AtomicU16 = AtomicU16::new(0);

/// An address that nobody listens at. None is given out twice by one process; several processes begin at different ones.
pub(crate) fn free_address() -> SocketAddr {
    let begin = (std::process::id() % u32::from(COUNT / 100)) * 100;
    for _ in 0..COUNT {
        let step = begin + u32::from(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = FIRST + u16::try_from(step % u32::from(COUNT)).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("none of {COUNT} ports is free");
}
