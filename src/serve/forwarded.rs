//! Which client, by which scheme: what forwarded headers say is believed only of trusted proxies.
//!
//! Towards the upstream these headers are always rebuilt, never passed on unseen.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use ipnet::IpNet;

use crate::gate::Scheme;

pub(crate) const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(crate) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Headers by which proxies tell of the client and the request; nobody else may.
pub(crate) const NAMES: &[&str] = &[
    "cf-connecting-ip",
    "client-ip",
    "fastly-client-ip",
    "forwarded",
    "front-end-https",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-forwarded",
    "x-forwarded-by",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-method",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-forwarded-protocol",
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-forwarded-ssl",
    "x-forwarded-tls-client-cert",
    "x-forwarded-tls-client-cert-info",
    "x-forwarded-uri",
    "x-original-forwarded-for",
    "x-original-host",
    "x-real-ip",
    "x-request-id",
    "x-scheme",
    "x-url-scheme",
];

/// The peers that are believed.
#[derive(Debug, Default)]
pub(crate) struct TrustedProxies {
    networks: Vec<IpNet>,
    /// The scheme where a trusted proxy tells none, if not that of its own connection.
    usual_scheme: Option<Scheme>,
}

/// How the client reached us, as far as can be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The client's own address.
    pub(crate) client: Option<IpAddr>,
    /// The scheme the client used.
    pub(crate) scheme: Scheme,
    /// Whether the peer is a trusted proxy.
    pub(crate) trusted: bool,
}

impl TrustedProxies {
    pub(crate) const fn new(networks: Vec<IpNet>) -> Self {
        Self { networks, usual_scheme: None }
    }

    /// The same, but proxies that tell no scheme have https before them.
    pub(crate) fn before_https(self) -> Self {
        Self { usual_scheme: Some(Scheme::Https), ..self }
    }

    /// Whether a peer at `address` is believed.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Who is behind `peer`, which connected with `scheme` and sent `headers`.
    pub(crate) fn origin(
        &self,
        peer: Option<IpAddr>,
        scheme: Scheme,
        headers: &HeaderMap,
    ) -> Origin {
        let peer = peer.map(|address| address.to_canonical());
        let direct = Origin { client: peer, scheme, trusted: false };
        if self.networks.is_empty() {
            return direct;
        }
        match peer {
            Some(address) if self.contains(address) => self.told(peer, scheme, headers),
            _ => direct,
        }
    }

    /// Who is behind `peer`, which is believed: a trusted proxy, or one on a socket that is there for it alone.
    pub(crate) fn told(&self, peer: Option<IpAddr>, scheme: Scheme, headers: &HeaderMap) -> Origin {
        Origin {
            client: self.client(peer, headers),
            scheme: forwarded_scheme(headers).or(self.usual_scheme).unwrap_or(scheme),
            trusted: true,
        }
    }

    /// The last address of `X-Forwarded-For` that is no trusted proxy; the peer where the list is absent or broken.
    fn client(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        let mut client = peer;
        let lines: Vec<&HeaderValue> = headers.get_all(&X_FORWARDED_FOR).iter().collect();
        for line in lines.iter().rev() {
            for item in line.as_bytes().rsplit(|b| *b == b',') {
                let Some(address) = address(item) else {
                    return client;
                };
                client = Some(address);
                if !self.contains(address) {
                    return client;
                }
            }
        }
        client
    }
}

fn address(item: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(item).ok()?.trim();
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// What the nearest proxy says; nothing where it contradicts itself.
pub(crate) fn forwarded_scheme(headers: &HeaderMap) -> Option<Scheme> {
    let mut lines = headers.get_all(&X_FORWARDED_PROTO).iter();
    let line = lines.next()?;
    if lines.next().is_some() {
        return None;
    }
    match line.as_bytes() {
        b"http" => Some(Scheme::Http),
        b"https" => Some(Scheme::Https),
        _ => None,
    }
}

/// `X-Forwarded-For` for the upstream: what a trusted proxy sent, and the peer behind it.
pub(crate) fn forwarded_for(peer: Option<IpAddr>, origin: &Origin, headers: &HeaderMap) -> String {
    let peer = peer.map_or_else(|| "unknown".to_owned(), text);
    if !origin.trusted {
        return peer;
    }
    let before = headers.get_all(&X_FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok());
    let items: Vec<&str> = before.chain([peer.as_str()]).collect();
    items.join(", ")
}

/// `address` in canonical form. Every request pays for it, so that those of IPv4 are written by hand: a tenth of the work.
fn text(address: IpAddr) -> String {
    let address = match address.to_canonical() {
        IpAddr::V4(address) => address,
        IpAddr::V6(address) => return address.to_string(),
    };
    let mut text = String::with_capacity("255.255.255.255".len());
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            text.push('.');
        }
        for (unit, least) in [(100, 100), (10, 10), (1, 0)] {
            if octet >= least {
                text.push(char::from(b'0' + octet / unit % 10));
            }
        }
    }
    text
}

/// `Forwarded` for the upstream ([RFC 7239](https://www.rfc-editor.org/rfc/rfc7239)), where a trusted proxy speaks it: what
/// it sent, and the peer behind it.
pub(crate) fn forwarded(
    peer: Option<IpAddr>,
    origin: &Origin,
    headers: &HeaderMap,
) -> Option<HeaderValue> {
    if !origin.trusted || !headers.contains_key(&FORWARDED) {
        return None;
    }
    let node = match peer.map(|address| address.to_canonical()) {
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => format!("\"[{address}]\""),
        None => "unknown".to_owned(),
    };
    let own = format!("for={node};proto={}", origin.scheme.as_str());
    let before = headers.get_all(&FORWARDED).iter().filter_map(|line| line.to_str().ok());
    let items: Vec<&str> = before.chain([own.as_str()]).collect();
    HeaderValue::try_from(items.join(", ")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(trusted: &[&str], peer: &str, fields: &[(&'static str, &str)]) -> Origin {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let networks = trusted.iter().map(|network| network.parse().unwrap()).collect();
        TrustedProxies::new(networks).origin(Some(peer.parse().unwrap()), Scheme::Http, &headers)
    }

    fn client(trusted: &[&str], peer: &str, forwarded_for: &str) -> String {
        origin(trusted, peer, &[("x-forwarded-for", forwarded_for)]).client.unwrap().to_string()
    }

    #[test]
    fn addresses_are_written_as_everywhere() {
        let octets = || 0..=u8::MAX;
        for address in octets().map(|octet| IpAddr::from([octet, 7, octet / 2, 255 - octet])) {
            assert_eq!(text(address), address.to_string());
        }
        assert_eq!(text("::ffff:192.0.2.1".parse().unwrap()), "192.0.2.1");
        assert_eq!(text("2001:db8::1".parse().unwrap()), "2001:db8::1");
    }

    #[test]
    fn nobody_is_trusted_by_default() {
        let found = origin(
            &[],
            "10.0.0.1",
            &[("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https")],
        );
        assert_eq!(
            found,
            Origin {
                client: Some("10.0.0.1".parse().unwrap()),
                scheme: Scheme::Http,
                trusted: false
            }
        );
    }

    #[test]
    fn the_client_is_the_last_address_that_is_no_proxy_of_ours() {
        let trusted = ["10.0.0.0/8", "127.0.0.1/32"];
        assert_eq!(client(&trusted, "10.0.0.1", "6.6.6.6, 1.2.3.4, 10.9.9.9"), "1.2.3.4");
        assert_eq!(client(&trusted, "10.0.0.1", "127.0.0.1, 10.0.0.2"), "127.0.0.1");
        assert_eq!(client(&trusted, "10.0.0.1", "::ffff:1.2.3.4"), "1.2.3.4");
        assert_eq!(client(&trusted, "9.9.9.9", "1.2.3.4"), "9.9.9.9");
    }

    /// CVE-2024-47070: a malformed list must not make anything skip.
    #[test]
    fn a_broken_list_ends_at_what_is_known() {
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", "garbage"), "10.0.0.1");
        assert_eq!(
            client(&["10.0.0.0/8"], "10.0.0.1", "1.1.1.1, fe80::1%eth0, 10.0.0.3"),
            "10.0.0.3"
        );
    }

    #[test]
    fn only_a_trusted_proxy_tells_the_scheme_and_only_once() {
        let trusted = ["10.0.0.0/8"];
        assert_eq!(
            origin(&trusted, "10.0.0.1", &[("x-forwarded-proto", "https")]).scheme,
            Scheme::Https
        );
        assert_eq!(
            origin(&trusted, "9.0.0.1", &[("x-forwarded-proto", "https")]).scheme,
            Scheme::Http
        );
        let twice = [("x-forwarded-proto", "https"), ("x-forwarded-proto", "http")];
        assert_eq!(origin(&trusted, "10.0.0.1", &twice).scheme, Scheme::Http);
        assert_eq!(
            origin(&trusted, "10.0.0.1", &[("x-forwarded-proto", "javascript")]).scheme,
            Scheme::Http
        );
    }
}
