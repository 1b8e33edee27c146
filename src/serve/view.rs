//! From a pingora session to what the gate looks at.
//!
//! The target that is judged is the one that goes upstream: origin-form as it came, absolute-form cut to its path and query.

use std::net::IpAddr;

use http::{Method, header};
use pingora::http::RequestHeader;
use pingora::protocols::http::ServerSession;

use crate::base::client_certificate::ClientCertificate;
use crate::base::host::Authority;
use crate::gate::{Reason, RequestView, Scheme, Target};
use crate::serve::forwarded::Origin;
use crate::serve::tls;

/// The parts of a view that have to be worked out.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    authority: Authority<'a>,
    target: Target<'a>,
}

impl<'a> Parts<'a> {
    /// Works out host and target of `request`.
    pub(crate) fn of(request: &'a RequestHeader) -> Result<Self, Reason> {
        let authority = Authority::parse(host(request)?).ok_or(Reason::MalformedHost)?;
        let target = Target::parse(target(request)?)?;
        Ok(Self { authority, target })
    }

    /// The view itself.
    pub(crate) fn view(
        &'a self,
        request: &'a RequestHeader,
        origin: &Origin,
        certificate: Option<&'a ClientCertificate>,
    ) -> RequestView<'a> {
        RequestView {
            method: &request.method,
            scheme: origin.scheme,
            authority: &self.authority,
            target: self.target,
            headers: &request.headers,
            client: origin.client,
            certificate,
            relayed: false,
            terms: None,
            familiar: None,
        }
    }
}

/// The one `Host`, or the `:authority` of HTTP/2. pingora has refused those that contradict each other.
pub(crate) fn host(request: &RequestHeader) -> Result<&str, Reason> {
    let mut fields = request.headers.get_all(header::HOST).iter();
    match (fields.next(), fields.next()) {
        (Some(field), None) => field.to_str().map_err(|_| Reason::MalformedHost),
        (None, _) => {
            request.uri.authority().map(http::uri::Authority::as_str).ok_or(Reason::MalformedHost)
        }
        (Some(_), Some(_)) => Err(Reason::MalformedHost),
    }
}

/// The target in the bytes that go upstream: origin-form as it came, absolute-form cut to its path and query
/// ([RFC 9112 §3.2.2](https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2)). Stricter than the RFC, which lets the target
/// overrule `Host`: the two must agree.
pub(crate) fn target(request: &RequestHeader) -> Result<&str, Reason> {
    let written = std::str::from_utf8(request.raw_path()).map_err(|_| Reason::MalformedTarget)?;
    if written.starts_with('/') {
        return Ok(written);
    }
    let (authority, target) = absolute(written).ok_or(Reason::MalformedTarget)?;
    let agrees =
        authority.eq_ignore_ascii_case(host(request)?) && request.method != Method::OPTIONS;
    if agrees { Ok(target) } else { Err(Reason::MalformedTarget) }
}

/// The authority of an absolute-form target, and the origin-form of the rest.
fn absolute(written: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = split_scheme(written)?;
    let known = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    known.then(|| authority_and_target(rest))
}

/// A URL as its scheme and what stands behind the `://`.
pub(crate) fn split_scheme(url: &str) -> Option<(&str, &str)> {
    let end = url.bytes().position(|b| b == b':')?;
    Some((url.get(..end)?, url.get(end..)?.strip_prefix("://")?))
}

/// What stands behind the `://` of a URL, as authority and origin-form.
pub(crate) fn authority_and_target(rest: &str) -> (&str, &str) {
    match rest.bytes().position(|b| matches!(b, b'/' | b'?' | b'#' | b'\\')) {
        None => (rest, "/"),
        Some(end) => rest.split_at(end),
    }
}

/// The scheme of the connection itself.
pub(crate) fn connection_scheme(session: &ServerSession) -> Scheme {
    let tls = session.digest().is_some_and(|digest| digest.ssl_digest.is_some());
    if tls { Scheme::Https } else { Scheme::Http }
}

/// The certificate the client proved to own.
pub(crate) fn client_certificate(session: &ServerSession) -> Option<&ClientCertificate> {
    tls::client_certificate(session.digest()?.ssl_digest.as_ref()?)
}

/// The address of the peer; none on unix sockets.
pub(crate) fn peer(session: &ServerSession) -> Option<IpAddr> {
    session.client_addr()?.as_inet().map(std::net::SocketAddr::ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(target: &str) -> Result<String, Reason> {
        let mut request = RequestHeader::build("GET", target.as_bytes(), None).unwrap();
        request.insert_header("Host", "app.test").unwrap();
        super::target(&request).map(str::to_owned)
    }

    #[test]
    fn absolute_form_is_cut_to_its_path() {
        for (written, target) in [
            ("/a?b", "/a?b"),
            ("http://app.test/a?b", "/a?b"),
            ("HTTPS://APP.test//a", "//a"),
            ("http://app.test", "/"),
        ] {
            assert_eq!(judged(written).as_deref(), Ok(target), "{written}");
        }
    }

    #[test]
    fn absolute_form_of_another_host_is_refused() {
        for written in [
            "http://evil.test/a",
            "http://app.test:80/a",
            "http://u@app.test/a",
            "ftp://app.test/a",
            "http:///a",
            "a://app.test/a",
        ] {
            assert_eq!(judged(written), Err(Reason::MalformedTarget), "{written}");
        }
    }
}
