//! Routes and targets: no spelling of a path is judged under one route and served under another.
//!
//! Tests are named after the advisories that taught them, most of other products of this class.

use http::Method;

use super::fixture::*;

const LOGIN_ONLY: Outcome = Outcome::Challenge("missing_credential");

/// `/public/*` for everybody, `/admin/*` for admins, all else for whoever signed in.
fn site() -> Gate {
    routes([route("/public/*").public(), route("/admin/*").admins(), route("/*")])
}

/// Neither as a guest nor as Ada, who is no admin, does `target` get by under the public route.
fn is_protected(gate: &Gate, target: &str) {
    let guest = gate.decide(get(target)).outcome();
    assert!(!matches!(guest, Outcome::Allow(_)), "{target}: {guest:?}");
    let ada = gate.decide(get(target).by_ada()).outcome();
    let refused = matches!(ada, Outcome::Forbid(_) | Outcome::Refuse(_));
    assert!(refused, "{target}: {ada:?}");
}

/// CVE-2025-54576: the query was matched as part of the path.
#[test]
fn cve_2025_54576_the_query_does_not_count() {
    let gate = routes([route("~ /public").public(), route("/*")]);
    for target in ["/admin?/public", "/admin?x=/public", "/admin?/../public", "/x?#/public"] {
        let outcome = gate.decide(get(target)).outcome();
        assert!(!matches!(outcome, Outcome::Allow(_)), "{target}: {outcome:?}");
    }
    gate.check(get("/public?/admin"), ANONYMOUS);
}

/// CVE-2026-41059: what follows a `#`, or an encoded one, let the path match.
#[test]
fn cve_2026_41059_fragments_do_not_count() {
    let gate = routes([route("~ /foo/.*/bar").public(), route("/*")]);
    gate.check(get("/foo/secret%23/bar"), AMBIGUOUS);
    gate.check(get("/foo/secret#/bar"), refuse("malformed_target"));
    gate.check(get("/foo/open/bar"), ANONYMOUS);
}

/// CVE-2026-33494, CVE-2025-47952, CVE-2025-32431, CVE-2021-29492: dot segments, plain and encoded.
#[test]
fn cve_2026_33494_dot_segments_do_not_lead_out_of_a_route() {
    for target in [
        "/public/../admin/secrets",
        "/public/./../admin",
        "/public/%2e%2e/admin",
        "/public/%2E./admin",
        "/public/.%2e/admin",
        "/public/..%2fadmin",
        "/public/%252e%252e/admin",
        "/public/%25252e%25252e%25252fadmin",
        "/public/x/../../admin",
        "/public/..",
    ] {
        site().check(get(target), AMBIGUOUS);
        is_protected(&site(), target);
    }
}

/// CVE-2025-66490: encoded delimiters chose another router.
#[test]
fn cve_2025_66490_encoded_delimiters_do_not_choose_the_route() {
    for target in
        ["/public%2f..%2fadmin", "/admin%3b", "/admin%00", "/admin%3f", "/admin%23", "/admin%5c"]
    {
        is_protected(&site(), target);
    }
}

/// CVE-2026-40912, CVE-2026-48020: names that only begin like the prefix.
#[test]
fn cve_2026_40912_a_prefix_with_dots_behind_it_is_not_the_prefix() {
    let gate = routes([route("/api/*").public(), route("/*").admins()]);
    for target in [
        "/api../admin",
        "/api./admin",
        "/api/..%2f..%2fadmin",
        "/api..%2fadmin",
        "/api%2e%2e/admin",
    ] {
        is_protected(&gate, target);
    }
}

/// CVE-2023-47106, CVE-2021-32779: a fragment was sent on.
#[test]
fn cve_2023_47106_a_fragment_is_no_target() {
    site().check(get("/public#/../admin"), refuse("malformed_target"));
}

/// CVE-2026-73511, CVE-2026-73551, CVE-2026-73553: path parameters hid dot segments.
#[test]
fn cve_2026_73511_path_parameters_do_not_hide_segments() {
    for target in [
        "/public/..;/admin",
        "/public/..;a=b/admin",
        "/public/.;x/..;y/admin",
        "/admin;x",
        "/..;/admin",
        "/;/admin",
        "/public;/../admin",
        "/public/%2e%2e%3b/admin",
        "/public/../admin;/../public/x",
    ] {
        is_protected(&site(), target);
    }
}

/// CVE-2026-73552: in a pattern `.` stopped at bytes that are no UTF-8.
#[test]
fn cve_2026_73552_a_pattern_matches_bytes() {
    let gate = routes([route("~ /deny/.*").admins(), route("/*").public()]);
    for target in ["/deny/%ff", "/deny/%c3%28/x", "/deny/%0a", "/deny/%80%81"] {
        is_protected(&gate, target);
    }
}

/// CVE-2026-26205: `//admin` was taken for an authority.
#[test]
fn cve_2026_26205_double_slashes_do_not_hide_a_path() {
    for target in [
        "//admin/x",
        "///admin",
        "/%2fadmin",
        "//public/../admin",
        "/public//../admin",
        "/public/..//admin",
    ] {
        is_protected(&site(), target);
    }
}

/// CVE-2025-46821: wildcards, and encoded slashes within them.
#[test]
fn cve_2025_46821_a_wildcard_does_not_reach_over_encoded_slashes() {
    let gate = routes([route("~ /a/[^/]+/b").public(), route("/*").admins()]);
    gate.check(get("/a/x/b"), ANONYMOUS);
    gate.check(get("/a/*/b"), ANONYMOUS);
    for target in ["/a/x%2fy/b", "/a/x;/../../b", "/a/..;/b", "/a/%2e%2e/b", "/a/x%5cy/b"] {
        is_protected(&gate, target);
    }
}

/// CVE-2026-52844: an encoded backslash.
#[test]
fn cve_2026_52844_backslashes_are_slashes_to_some() {
    for target in
        ["/public%5c..%5cadmin", "/public/..%5cadmin", "/public\\..\\admin", "/public/..\\admin"]
    {
        is_protected(&site(), target);
    }
}

/// CVE-2026-27587: an encoded letter.
#[test]
fn cve_2026_27587_an_encoded_letter_is_the_letter() {
    for target in ["/%61dmin", "/%41%64min/../admin", "/ad%6Din/x", "/%2561dmin"] {
        is_protected(&site(), target);
    }
}

/// CVE-2026-48794, CVE-2026-27588: hosts were compared with regard to case.
#[test]
fn cve_2026_48794_hosts_have_no_case() {
    let gate = routes([
        route("/*").host("secure.example.com").admins(),
        route("/*").host("*.example.com").public(),
    ]);
    for host in [
        "secure.example.com",
        "SECURE.Example.COM",
        "secure.example.com.",
        "secure.example.com:8443",
    ] {
        gate.check(get("/").host(host).by_ada(), forbid("missing_group"));
    }
    gate.check(get("/").host("other.example.com"), ANONYMOUS);
    gate.check(get("/").host("evil-example.com"), refuse("unknown_host"));
    gate.check(get("/").host("example.com"), refuse("unknown_host"));
}

/// CVE-2026-39825, CVE-2022-34296: however many and whatever query parameters, they choose nothing.
#[test]
fn cve_2026_39825_query_parameters_choose_nothing() {
    let query = "a=1&%61=2;a=3&".repeat(500);
    site().check(get(&format!("/admin?{query}")), LOGIN_ONLY);
    site().check(get(&format!("/public?{query}")), ANONYMOUS);
}

/// Rules on methods are rules on the method that was sent.
#[test]
fn an_override_header_does_not_change_the_method() {
    let gate = routes([route("/x").method(Method::GET).public(), route("/*")]);
    gate.check(get("/x"), ANONYMOUS);
    for method in ["HEAD", "POST", "OPTIONS", "DELETE", "M-SEARCH"] {
        gate.check(ask(method, "/x"), LOGIN_ONLY);
        let request = ask(method, "/x").header("x-http-method-override", "GET");
        gate.check(request, LOGIN_ONLY);
    }
}

/// Off by a slash, not anchored.
#[test]
fn a_pattern_covers_whole_segments_and_whole_paths() {
    let gate = routes([route("/public/*").public(), route("~ /open").public(), route("/*")]);
    for target in
        ["/publicity", "/public2/x", "/x/public", "/x/public/y", "/open/x", "/opener", "/x/open"]
    {
        gate.check(get(target), LOGIN_ONLY);
    }
    for target in ["/public", "/public/", "/public/a/b", "/open"] {
        gate.check(get(target), ANONYMOUS);
    }
}

#[test]
fn an_odd_path_passes_untouched_where_every_reading_falls_under_one_route() {
    for target in [
        "/api/projects/group%2Fname",
        "/api/a%20b.pdf",
        "/api/100%25",
        "/api/a;v=1/b",
        "/api//a",
        "/api/a/../b",
        "/api/caf%C3%A9",
        "/api/.hidden",
        "/api/end.",
    ] {
        gate().check(get(target).by_ada(), allow("ada"));
        routes([route("/api/*"), route("/*").admins()]).check(get(target).by_ada(), allow("ada"));
    }
}

#[test]
fn a_path_of_too_many_readings_is_refused_even_under_one_route() {
    gate().check(get(&"/%2525252e;b\\..//%255c".repeat(40)).by_ada(), AMBIGUOUS);
}

#[test]
fn what_is_not_origin_form_is_refused() {
    for target in [
        "admin",
        "*",
        "http://app.example/admin",
        "\\admin",
        "",
        "/a b",
        "/a\tb",
        "/\u{e9}",
        "/%",
        "/%zz",
    ] {
        gate().check(get(target).by_ada(), refuse("malformed_target"));
    }
}

#[test]
fn sidegates_own_endpoints_are_apart_from_routes() {
    for target in ["/.auth", "/.auth/", "/.auth/login?return_to=/x", "/.auth/x//y", "/.auth/a%20b"]
    {
        site().check(get(target), Outcome::Own);
    }
    for target in ["/.authx", "/.auth.", "/x/.auth"] {
        let outcome = site().decide(get(target)).outcome();
        assert!(outcome != Outcome::Own, "{target}");
    }
}

#[test]
fn no_odd_spelling_reaches_or_leaves_the_own_endpoints() {
    for target in [
        "/.auth/../admin",
        "/.auth/..%2fadmin",
        "/.auth/..;/admin",
        "/public/../.auth/verify",
        "//.auth/verify",
        "/%2eauth/verify",
        "/.auth%2fverify",
        "/.auth;/verify",
        "/.%61uth/login",
    ] {
        site().check(get(target), AMBIGUOUS);
    }
}

#[test]
fn without_a_route_there_is_nothing() {
    let gate = routes([route("/app/*").host("app.example")]);
    gate.check(get("/other"), refuse("no_route"));
    gate.check(get("/app").host("other.example"), refuse("unknown_host"));
    gate.check(get("/app/../other"), AMBIGUOUS);
}

#[test]
fn the_most_specific_route_wins_whatever_the_order() {
    let mut specs =
        vec![route("/*"), route("/a/*"), route("/a/b/*"), route("~ /a/b/[0-9]+"), route("/a/b/7")];
    for _ in 0..specs.len() {
        specs.rotate_left(1);
        let gate = routes(specs.clone());
        for (target, taken) in [
            ("/x", "/*"),
            ("/a", "/a/*"),
            ("/a/b/c", "/a/b/*"),
            ("/a/b/8", "~ /a/b/[0-9]+"),
            ("/a/b/7", "/a/b/7"),
        ] {
            assert_eq!(gate.decide(get(target).by_ada()).route(), taken);
        }
    }
}
