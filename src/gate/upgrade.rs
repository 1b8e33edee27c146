//! Connections that leave HTTP: where that may be, and from whose pages.

use http::header;

use crate::gate::policy::{Route, Upgrades};
use crate::gate::request::RequestView;

/// Only by a handshake that says WebSocket and nothing else.
pub(super) fn may_upgrade(route: &Route, request: &RequestView<'_>) -> bool {
    matches!(route.upgrades, Upgrades::WebSocket { .. }) && request.is_websocket_handshake()
}

/// Browsers attach cookies to WebSocket handshakes of any page, and tell whose page it is: `Origin`.
pub(super) fn origin_may_upgrade(route: &Route, request: &RequestView<'_>) -> bool {
    let Upgrades::WebSocket { origins } = &route.upgrades else {
        return false;
    };
    let Some(origin) = request.text(header::ORIGIN) else {
        // Programs that are no browsers send none, and no browser can be made to leave it out.
        return !request.headers.contains_key(header::ORIGIN);
    };
    let origin = origin.to_ascii_lowercase();
    let host = request.authority.written().to_ascii_lowercase();
    let own = format!("{}://{host}", request.scheme.as_str());
    origins.contains(&origin) || (origins.is_empty() && origin == own)
}
