//! What the names of outbound requests may resolve to, and for the rest the rules of [`crate::base::egress`].
//!
//! The rules are checked twice, on the address as written and here, on what its name resolves to, at the moment of
//! connecting: a name that changes its mind in between gains nothing.

use std::io;
use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::base::egress::permit_address;

pub use crate::base::egress::{Egress, EgressError, is_loopback, permit};

/// Resolves names with the system's resolver and refuses those which lead to a refused network with any of their addresses.
///
/// `localhost` passes: as the host of a URL it was refused already, so this is the operator's forward proxy.
#[derive(Clone, Copy, Debug)]
pub(super) struct GuardedResolver;

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if !is_loopback_name(name.as_str()) {
                permit_all(&found).map_err(io::Error::other)?;
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

fn permit_all(found: &[SocketAddr]) -> Result<(), EgressError> {
    found.iter().try_for_each(|address| permit_address(address.ip()))
}

fn is_loopback_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_one_refused_address_among_good_ones_is_refused() {
        let (good, bad) = ("192.0.2.1:0".parse().unwrap(), "169.254.169.254:0".parse().unwrap());
        assert_eq!(permit_all(&[good]), Ok(()));
        assert!(permit_all(&[good, bad]).is_err());
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_a_refused_address_is_refused_at_connect_time() {
        // A number is a name to the resolver, and every system reads it as an address.
        let Err(error) = GuardedResolver.resolve("127.1".parse().unwrap()).await else {
            panic!("the name was resolved");
        };
        assert!(error.to_string().contains("loopback"), "{error}");
        assert!(
            GuardedResolver.resolve("localhost".parse().unwrap()).await.is_ok(),
            "a proxy may be here"
        );
    }
}
