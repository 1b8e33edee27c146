//! One request as the gate sees it: borrowed, and the same from every door.

use std::net::IpAddr;

use http::Method;
use http::header::{self, HeaderMap, HeaderName};

use crate::base::client_certificate::ClientCertificate;
use crate::base::host::Authority;
use crate::gate::authorize::Rule;
use crate::gate::target::Target;
use crate::gate::terms::Terms;

pub use crate::base::scheme::Scheme;

/// Everything about a request that a decision may depend on.
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'a> {
    /// The real method; override headers never count.
    pub method: &'a Method,
    /// The scheme the client used.
    pub scheme: Scheme,
    /// The host the client asked for.
    pub authority: &'a Authority<'a>,
    /// The target, in the bytes that go upstream.
    pub target: Target<'a>,
    /// The header fields as received.
    pub headers: &'a HeaderMap,
    /// The client's address, as far as proxies are trusted.
    pub client: Option<IpAddr>,
    /// The certificate the client proved to own, if the listener asked for one.
    pub certificate: Option<&'a ClientCertificate>,
    /// Whether a front proxy tells of the request and has kept the fields of its own connection to itself, `Upgrade` among them
    /// ([RFC 9110 §7.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1)).
    pub relayed: bool,
    /// What a front proxy asks for beyond the request.
    pub terms: Option<&'a Terms>,
    /// A token that an earlier `Authorization` of the same connection was read to have. Where this one has it again, it is not
    /// looked through once more; that is all it does.
    pub familiar: Option<&'a str>,
}

/// Of every WebSocket handshake ([RFC 6455 §4.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.1)), and of no connection alone.
const WEBSOCKET_KEY: HeaderName = HeaderName::from_static("sec-websocket-key");

impl<'a> RequestView<'a> {
    /// The only field of that name, as text; nothing where there is none, several, or no ASCII.
    pub(super) fn text(&self, name: HeaderName) -> Option<&'a str> {
        let mut fields = self.headers.get_all(name).iter();
        let field = fields.next()?;
        if fields.next().is_some() { None } else { field.to_str().ok() }
    }

    /// What a front proxy asks of callers beside what the route does.
    pub(super) fn demands(&self) -> Option<&'a Rule> {
        self.terms?.rule.as_ref()
    }

    /// Whether the client wants to leave HTTP for WebSocket on this connection
    /// ([RFC 6455 §4.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.1)). Offers of other protocols are never taken up and
    /// never passed on: such a request is an ordinary one.
    pub fn wants_upgrade(&self) -> bool {
        if self.relayed && self.headers.contains_key(WEBSOCKET_KEY) {
            return true;
        }
        let offers = self.headers.get_all(header::UPGRADE).iter();
        let mut protocols = offers.flat_map(|offer| offer.as_bytes().split(|b| *b == b','));
        protocols.any(|protocol| protocol.trim_ascii().eq_ignore_ascii_case(b"websocket"))
    }

    /// Whether this is a WebSocket handshake and nothing else
    /// ([RFC 6455 §4.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.1)).
    pub(super) fn is_websocket_handshake(&self) -> bool {
        let protocol = self.text(header::UPGRADE);
        let kept = self.relayed && !self.headers.contains_key(header::UPGRADE);
        let key = kept && self.headers.contains_key(WEBSOCKET_KEY);
        let named = protocol.is_some_and(|name| name.eq_ignore_ascii_case("websocket"));
        self.method == Method::GET && (named || key)
    }

    /// Whether this is a CORS preflight: a question about a request, not a request
    /// ([Fetch §3.3.2](https://fetch.spec.whatwg.org/#cors-preflight-request)).
    pub(super) fn is_preflight(&self) -> bool {
        self.method == Method::OPTIONS
            && self.headers.contains_key(header::ORIGIN)
            && self.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
    }
}
