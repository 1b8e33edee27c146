//! How many connections there may be: in all, per listener, per client.
//!
//! Counts and refuses; closing what was refused is the guard's.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

/// A cap on connections, and on those of one client if wanted; clones share the count.
#[derive(Clone)]
pub struct Admission {
    inner: Arc<Inner>,
}

struct Inner {
    max: usize,
    open: AtomicUsize,
    clients: Option<Clients>,
}

struct Clients {
    max: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection's place; free again when dropped.
pub(super) struct Permit {
    admission: Arc<Inner>,
    client: Option<IpAddr>,
}

impl Admission {
    /// At most `max` connections at once.
    pub fn new(max: usize) -> Self {
        Self { inner: Arc::new(Inner { max, open: AtomicUsize::new(0), clients: None }) }
    }

    /// At most `max` connections at once, and `max_per_client` of one client: an IPv4 address or
    /// an IPv6 network of 64 bits, which is what one customer gets.
    pub fn per_client(max: usize, max_per_client: usize) -> Self {
        let clients = Clients { max: max_per_client, open: Mutex::default() };
        Self { inner: Arc::new(Inner { max, open: AtomicUsize::new(0), clients: Some(clients) }) }
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.inner.open.load(Ordering::Relaxed)
    }

    /// A place for one more of `client`, unless the cap is reached.
    pub(super) fn admit(&self, client: Option<IpAddr>) -> Option<Permit> {
        let admission = Arc::clone(&self.inner);
        if admission.open.fetch_add(1, Ordering::Relaxed) >= admission.max {
            admission.open.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        // From here the permit gives the place back, whatever follows.
        let mut permit = Permit { admission, client: None };
        if let (Some(clients), Some(client)) = (&self.inner.clients, client) {
            permit.client = Some(clients.admit(network(client))?);
        }
        Some(permit)
    }
}

impl Clients {
    fn admit(&self, client: IpAddr) -> Option<IpAddr> {
        let mut open = self.open.lock();
        let count = open.entry(client).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        Some(client)
    }

    fn leave(&self, client: IpAddr) {
        let mut open = self.open.lock();
        let Some(count) = open.get_mut(&client) else { return };
        *count -= 1;
        if *count == 0 {
            open.remove(&client);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let (Some(clients), Some(client)) = (&self.admission.clients, self.client) {
            clients.leave(client);
        }
        self.admission.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What counts as one client.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_place_is_free_again_when_its_connection_ends() {
        let admission = Admission::new(1);
        let held = admission.admit(None);
        assert!(held.is_some() && admission.admit(None).is_none());
        drop(held);
        assert!(admission.admit(None).is_some());
        assert_eq!(admission.open(), 0);
    }

    #[test]
    fn one_client_cannot_take_the_places_of_another() {
        let admission = Admission::per_client(10, 2);
        let held = [admission.admit(ip("192.0.2.1")), admission.admit(ip("::ffff:192.0.2.1"))];
        assert!(held.iter().all(Option::is_some));
        assert!(admission.admit(ip("192.0.2.1")).is_none());
        assert!(admission.admit(ip("192.0.2.2")).is_some());
        assert_eq!(admission.open(), 2);
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_client() {
        let admission = Admission::per_client(10, 1);
        let held = admission.admit(ip("2001:db8::1"));
        assert!(held.is_some() && admission.admit(ip("2001:db8::2")).is_none());
        assert!(admission.admit(ip("2001:db8:0:1::1")).is_some());
    }

    #[test]
    fn a_client_that_left_is_forgotten() {
        let admission = Admission::per_client(10, 1);
        drop(admission.admit(ip("192.0.2.1")));
        assert!(admission.inner.clients.as_ref().unwrap().open.lock().is_empty());
    }
}
