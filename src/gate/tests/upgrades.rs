//! Connections that leave HTTP.

use super::fixture::*;

fn sockets(origins: &[&str]) -> Gate {
    routes([route("/*").upgrades(origins)])
}

fn by_cookie(origin: &str) -> Ask {
    get("/ws").websocket().cookie("sso", token().text()).header("origin", origin)
}

#[test]
fn a_route_without_upgrades_has_none() {
    check(get("/ws").websocket().by_ada(), forbid("upgrade_not_allowed"));
    let public = routes([route("/*").public()]);
    public.check(get("/ws").websocket(), forbid("upgrade_not_allowed"));
}

#[test]
fn a_route_with_upgrades_takes_identified_callers() {
    sockets(&[]).check(get("/ws").websocket().by_ada(), allow("ada"));
    sockets(&[]).check(get("/ws").header("upgrade", "WebSocket").by_ada(), allow("ada"));
}

#[test]
fn a_handshake_is_challenged_and_never_redirected() {
    sockets(&[]).check(get("/ws").websocket().navigating(), deny("missing_credential"));
}

/// Request smuggling by h2c: the tunnel would carry requests that nobody judges.
#[test]
fn a_handshake_that_offers_more_than_websocket_is_refused() {
    for protocol in ["websocket, h2c", "h2c, websocket"] {
        let request = get("/ws").header("connection", "Upgrade").header("upgrade", protocol);
        sockets(&[]).check(request.by_ada(), forbid("upgrade_not_allowed"));
    }
    let twice = get("/ws").websocket().header("upgrade", "h2c").by_ada();
    sockets(&[]).check(twice, forbid("upgrade_not_allowed"));
}

/// Offers of other protocols are never taken up and never passed on: what offers them is an ordinary request.
#[test]
fn an_offer_of_another_protocol_changes_nothing() {
    for protocol in ["h2c", "HTTP/2.0", "TLS/1.0", "", "websocket/13"] {
        let request =
            get("/ws").header("connection", "Upgrade, HTTP2-Settings").header("upgrade", protocol);
        sockets(&[]).check(request.by_ada(), allow("ada"));
    }
    routes([route("/*").public().upgrades(&[])])
        .check(get("/ws").header("upgrade", "h2c"), ANONYMOUS);
}

#[test]
fn only_get_is_a_handshake() {
    for method in ["POST", "HEAD", "OPTIONS", "PUT"] {
        sockets(&[]).check(ask(method, "/ws").websocket().by_ada(), forbid("upgrade_not_allowed"));
    }
}

/// Cross-site WebSocket hijacking: browsers send cookies along from any page.
#[test]
fn with_a_cookie_only_the_own_origin_may_connect() {
    for origin in ["https://app.example", "HTTPS://App.Example"] {
        sockets(&[]).check(by_cookie(origin), allow("ada"));
    }
    for origin in [
        "https://evil.example",
        "http://app.example",
        "https://app.example:8443",
        "https://app.example.evil.example",
        "https://sub.app.example",
        "null",
        "",
        "\u{e9}",
    ] {
        sockets(&[]).check(by_cookie(origin), forbid("cross_origin_upgrade"));
    }
}

#[test]
fn two_origins_are_a_foreign_one() {
    let request = by_cookie("https://app.example").header("origin", "https://app.example");
    sockets(&[]).check(request, forbid("cross_origin_upgrade"));
}

#[test]
fn listed_origins_replace_the_own_one() {
    let gate = sockets(&["https://pages.example"]);
    gate.check(by_cookie("https://pages.example"), allow("ada"));
    gate.check(by_cookie("https://app.example"), forbid("cross_origin_upgrade"));
}

#[test]
fn without_an_origin_it_is_no_browser() {
    sockets(&[]).check(get("/ws").websocket().cookie("sso", token().text()), allow("ada"));
}

#[test]
fn a_token_that_a_page_cannot_send_by_itself_needs_no_origin() {
    let request = get("/ws").websocket().by_ada().header("origin", "https://evil.example");
    sockets(&[]).check(request, allow("ada"));
}

/// `Upgrade` is of the connection and stays with the front proxy, which opens the WebSocket all the same.
#[test]
fn a_handshake_that_a_front_proxy_tells_of_is_known_by_its_key() {
    let key = |target: &str| get(target).header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    check(key("/ws").relayed().by_ada(), forbid("upgrade_not_allowed"));
    check(key("/ws").by_ada(), allow("ada"));
    sockets(&[]).check(key("/ws").relayed().by_ada(), allow("ada"));
    let foreign =
        || key("/ws").cookie("sso", token().text()).header("origin", "https://evil.example");
    sockets(&[]).check(foreign().relayed(), forbid("cross_origin_upgrade"));
    let own = key("/ws").cookie("sso", token().text()).header("origin", "https://app.example");
    sockets(&[]).check(own.relayed(), allow("ada"));
    let smuggled = key("/ws").header("upgrade", "h2c, websocket").relayed().by_ada();
    sockets(&[]).check(smuggled, forbid("upgrade_not_allowed"));
    let posted = ask("POST", "/ws").header("sec-websocket-key", "x").relayed().by_ada();
    sockets(&[]).check(posted, forbid("upgrade_not_allowed"));
}
