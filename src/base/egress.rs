//! Where outbound requests may go: which schemes, and for addresses that a document named which networks.
//!
//! Opens and resolves nothing: whoever connects checks again what a name has resolved to, with [`permit_address`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Who named the address of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Egress {
    /// The operator: any network is theirs to name.
    Configured,
    /// A document found on the way, such as provider metadata: this machine, link-local networks (where clouds keep
    /// their metadata services), multicast and the unspecified address are refused.
    Discovered,
}

impl Egress {
    /// How far to trust `found`, an address which a document of the provider at `issuer` names. The issuer's own host was
    /// named by the operator already; a provider on this machine may point to this machine.
    pub fn of_discovered(issuer: &Url, found: &Url) -> Self {
        let same_host = issuer.host().is_some() && issuer.host() == found.host();
        if same_host || (is_loopback(issuer) && is_loopback(found)) {
            Self::Configured
        } else {
            Self::Discovered
        }
    }
}

/// Why an address is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// It is, or resolves to, an address in a network that documents may not point to.
    #[error("found the {network} address {address}, which provider metadata may not point to")]
    Address { address: IpAddr, network: &'static str },
    /// It is this machine by name.
    #[error(
        "found the host `{host}`, which is this machine and not for provider metadata to point to"
    )]
    ThisMachine { host: String },
    /// It carries a user name or password, which would end up in logs.
    #[error("found a user name or password in the URL, expected none")]
    Credentials,
    /// Plain http to another machine.
    #[error("found plain http to `{host}`, expected https (http is for loopback only)")]
    PlainHttp { host: String },
    /// Neither http nor https.
    #[error("found the scheme `{scheme}`, expected https")]
    Scheme { scheme: String },
}

/// Whether the URL's host is this machine by its own words: a loopback address, `localhost` or a name under it
/// ([RFC 6761 §6.3](https://www.rfc-editor.org/rfc/rfc6761#section-6.3)). Names are not resolved.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            name.eq_ignore_ascii_case("localhost")
                || name.to_ascii_lowercase().ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        None => false,
    }
}

/// Checks an address as written.
///
/// # Errors
/// [`EgressError`] says which rule refuses it.
pub fn permit(url: &Url, egress: Egress) -> Result<(), EgressError> {
    permit_scheme(url)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(EgressError::Credentials);
    }
    match egress {
        Egress::Configured => Ok(()),
        Egress::Discovered => permit_discovered(url),
    }
}

fn permit_discovered(url: &Url) -> Result<(), EgressError> {
    match (literal(url), is_loopback(url)) {
        (Some(address), _) => permit_address(address),
        (None, true) => Err(EgressError::ThisMachine { host: host_text(url) }),
        (None, false) => Ok(()),
    }
}

fn host_text(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

fn permit_scheme(url: &Url) -> Result<(), EgressError> {
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(url) => Ok(()),
        "http" => Err(EgressError::PlainHttp { host: host_text(url) }),
        other => Err(EgressError::Scheme { scheme: other.to_owned() }),
    }
}

fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
    }
}

/// Checks one address that a document's URL names or resolves to.
///
/// # Errors
/// [`EgressError::Address`] for this machine, link-local networks, multicast and the unspecified address.
pub fn permit_address(address: IpAddr) -> Result<(), EgressError> {
    match refused_network(address) {
        Some(network) => Err(EgressError::Address { address, network }),
        None => Ok(()),
    }
}

fn refused_network(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => refused_v4(address),
        IpAddr::V6(address) => refused_v6(address),
    }
}

fn refused_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [0, ..] => Some("unspecified"),
        [127, ..] => Some("loopback"),
        [169, 254, ..] => Some("link-local"),
        [224..=239, ..] => Some("multicast"),
        [255, 255, 255, 255] => Some("broadcast"),
        _ => None,
    }
}

fn refused_v6(address: Ipv6Addr) -> Option<&'static str> {
    if let Some(embedded) = embedded_v4(address)
        && let Some(network) = refused_v4(embedded)
    {
        return Some(network);
    }
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("unspecified"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("loopback"),
        [0xfe80..=0xfebf, ..] => Some("link-local"),
        [0xff00..=0xffff, ..] => Some("multicast"),
        _ => None,
    }
}

/// The IPv4 address inside a mapped (`::ffff:a.b.c.d`) or NAT64 address
/// ([RFC 6052 §2.1](https://www.rfc-editor.org/rfc/rfc6052#section-2.1)).
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., a, b, c, d] = address.octets();
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        for near in [
            "http://127.0.0.1:8080/",
            "http://[::1]/",
            "http://localhost/x",
            "http://idp.localhost/",
        ] {
            assert_eq!(permit(&url(near), Egress::Configured), Ok(()), "{near}");
        }
        for far in [
            "http://login.example.com/",
            "http://10.0.0.1/",
            "http://localhost.example.com/",
            "http://0/",
        ] {
            assert!(
                matches!(permit(&url(far), Egress::Configured), Err(EgressError::PlainHttp { .. })),
                "{far}"
            );
        }
    }

    #[test]
    fn other_schemes_and_credentials_are_refused() {
        let scheme = permit(&url("file:///etc/passwd"), Egress::Configured);
        assert_eq!(scheme, Err(EgressError::Scheme { scheme: "file".to_owned() }));
        let credentials = permit(&url("https://u:p@login.example.com/"), Egress::Configured);
        assert_eq!(credentials, Err(EgressError::Credentials));
    }

    #[test]
    fn documents_may_not_point_to_this_machine_or_the_link() {
        for (text, network) in [
            ("https://169.254.169.254/", "link-local"),
            ("https://[::ffff:169.254.169.254]/", "link-local"),
            ("https://[64:ff9b::169.254.169.254]/", "link-local"),
            ("https://[fe80::1]/", "link-local"),
            ("https://0/", "unspecified"),
            ("https://[::]/", "unspecified"),
            ("https://2130706433/", "loopback"),
            ("https://[::1]/", "loopback"),
            ("https://224.0.0.1/", "multicast"),
            ("https://255.255.255.255/", "broadcast"),
        ] {
            let refusal = permit(&url(text), Egress::Discovered).unwrap_err();
            assert!(
                matches!(refusal, EgressError::Address { network: n, .. } if n == network),
                "{text}: {refusal}"
            );
            assert_eq!(permit(&url(text), Egress::Configured), Ok(()), "{text}");
        }
    }

    #[test]
    fn documents_may_point_to_the_internet_and_private_networks() {
        for text in [
            "https://10.1.2.3/",
            "https://login.example.com/",
            "https://[fd00::1]/",
            "https://8.8.8.8/",
        ] {
            assert_eq!(permit(&url(text), Egress::Discovered), Ok(()), "{text}");
        }
    }

    #[test]
    fn the_issuers_own_host_is_trusted_like_the_issuer() {
        let issuer = url("https://login.example.com/realm");
        let cases = [
            ("https://login.example.com:8443/jwks", Egress::Configured),
            ("https://keys.example.com/jwks", Egress::Discovered),
            ("https://localhost/jwks", Egress::Discovered),
        ];
        for (found, expected) in cases {
            assert_eq!(Egress::of_discovered(&issuer, &url(found)), expected, "{found}");
        }
        let local = url("http://127.0.0.1:4000");
        assert_eq!(
            Egress::of_discovered(&local, &url("http://localhost:4001/jwks")),
            Egress::Configured
        );
        assert_eq!(
            Egress::of_discovered(&local, &url("https://169.254.1.1/jwks")),
            Egress::Discovered
        );
    }

    #[test]
    fn documents_may_not_point_to_this_machine_by_name() {
        for text in ["https://localhost/", "https://LOCALHOST./", "https://keys.localhost/"] {
            let refusal = permit(&url(text), Egress::Discovered).unwrap_err();
            assert!(matches!(refusal, EgressError::ThisMachine { .. }), "{text}: {refusal}");
        }
    }
}
