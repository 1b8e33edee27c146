//! From a pingora session to what the gate looks at.
//!
//! The target that is judged is the one that goes upstream: origin-form as it came, absolute-form cut to its path and query.

use std::net::IpAddr;

use http::{Method, header};
use pingora::http::RequestHeader;
use pingora::proxy::Session;

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

/// The target in the bytes that go upstream.
pub(crate) fn target(request: &RequestHeader) -> Result<&str, Reason> {
    let written = std::str::from_utf8(request.raw_path()).map_err(|_| Reason::MalformedTarget)?;
    if written.starts_with('/') {
        return Ok(written);
    }
    let absolute = matches!(request.uri.scheme_str(), Some("http" | "https"))
        && request.method != Method::OPTIONS;
    match request.uri.path_and_query() {
        Some(target) if absolute => Ok(target.as_str()),
        _ => Err(Reason::MalformedTarget),
    }
}

/// The scheme of the connection itself.
pub(crate) fn connection_scheme(session: &Session) -> Scheme {
    let tls = session.digest().is_some_and(|digest| digest.ssl_digest.is_some());
    if tls { Scheme::Https } else { Scheme::Http }
}

/// The certificate the client proved to own.
pub(crate) fn client_certificate(session: &Session) -> Option<&ClientCertificate> {
    tls::client_certificate(session.digest()?.ssl_digest.as_ref()?)
}

/// The address of the peer; none on unix sockets.
pub(crate) fn peer(session: &Session) -> Option<IpAddr> {
    session.client_addr()?.as_inet().map(std::net::SocketAddr::ip)
}
