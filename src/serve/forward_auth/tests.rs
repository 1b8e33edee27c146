//! Which address is a question, which request it tells, on which terms, and what the proxy is answered.

use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use url::form_urlencoded;

use super::answer::{turn_away, untrusted};
use super::dialect::Question;
use super::{Dialect, Original, SubRequest};
use crate::gate::{Challenge, Decision, Reason, Rule, Scheme, SignIn, Terms};
use crate::serve::pages::{Language, Pages};
use crate::serve::reply::{Asker, Audience, Reply};
use crate::serve::terms;

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let field = |(name, value): &(&str, &str)| {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), value)
    };
    let mut all = HeaderMap::new();
    for (name, value) in fields.iter().map(field) {
        all.append(name, value);
    }
    all
}

/// `METHOD scheme://host target`, as told by `fields`.
fn told(dialect: Dialect, fields: &[(&str, &str)]) -> Result<String, Reason> {
    let headers = headers(fields);
    let sub_request = SubRequest {
        dialect,
        method: &Method::PUT,
        host: Some("sub.test"),
        headers: &headers,
        rest: b"/rest?q",
    };
    sub_request.original().map(|original| {
        let (scheme, host) = (original.scheme().as_str(), original.authority().written());
        format!("{} {scheme}://{host} {}", original.method(), original.target().written())
    })
}

const BY_URL: [(&str, &str); 2] =
    [("X-Original-Method", "POST"), ("X-Original-URL", "https://app.test:8443/a?b=c")];
const BY_PARTS: [(&str, &str); 4] = [
    ("X-Forwarded-Method", "POST"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "app.test:8443"),
    ("X-Forwarded-Uri", "/a?b=c"),
];
const TOLD: &str = "POST https://app.test:8443 /a?b=c";

#[test]
fn addresses_of_questions() {
    let question = |path: &str| {
        Question::behind(path.as_bytes())
            .map(|found| (found.dialect, String::from_utf8_lossy(found.rest).into_owned()))
    };
    let is = |dialect, rest: &str| Some((dialect, rest.to_owned()));
    assert_eq!(question("/verify"), is(Dialect::Plain, ""));
    assert_eq!(question("/verify?groups=a"), is(Dialect::Plain, "groups=a"));
    assert_eq!(question("/verify/nginx"), is(Dialect::Nginx, ""));
    assert_eq!(question("/verify/traefik?a/b?c"), is(Dialect::Traefik, "a/b?c"));
    assert_eq!(question("/verify/envoy"), is(Dialect::Envoy, ""));
    assert_eq!(question("/verify/envoy/a/../b?c"), is(Dialect::Envoy, "/a/../b?c"));
    assert_eq!(question("/verify/envoy?route=x"), is(Dialect::Envoy, "?route=x"));
    for path in [
        "",
        "/",
        "/verif",
        "/verify/",
        "/verify/?x",
        "/verifyx",
        "/verify/nginx/",
        "/verify/nginx/x",
        "/verify/Nginx",
        "/verify/apache",
        "/login",
        "/verify/envoys/x",
        "//verify",
    ] {
        assert_eq!(question(path), None, "{path}");
    }
}

/// What follows is the client's: it must not choose the route or the rule.
#[test]
fn the_query_behind_envoys_address_is_no_terms() {
    let question = Question::behind(b"/verify/envoy/a?route=open").unwrap();
    assert_eq!(question.query(), b"");
    assert_eq!(Question::behind(b"/verify/caddy?route=a").unwrap().query(), b"route=a");
}

#[test]
fn each_dialect_reads_its_own_set() {
    for dialect in [Dialect::Nginx, Dialect::Plain] {
        assert_eq!(told(dialect, &BY_URL).as_deref(), Ok(TOLD), "{dialect:?}");
    }
    for dialect in [Dialect::Caddy, Dialect::Haproxy, Dialect::Plain, Dialect::Traefik] {
        assert_eq!(told(dialect, &BY_PARTS).as_deref(), Ok(TOLD), "{dialect:?}");
    }
    let proto = [("X-Forwarded-Proto", "https")];
    assert_eq!(told(Dialect::Envoy, &proto).as_deref(), Ok("PUT https://sub.test /rest?q"));
}

#[test]
fn a_set_of_another_dialect_is_none() {
    assert_eq!(told(Dialect::Nginx, &BY_PARTS), Err(Reason::ForwardedMixed));
    for dialect in [Dialect::Caddy, Dialect::Haproxy, Dialect::Traefik, Dialect::Envoy] {
        assert_eq!(told(dialect, &BY_URL), Err(Reason::ForwardedMixed), "{dialect:?}");
    }
    assert_eq!(told(Dialect::Envoy, &BY_PARTS), Err(Reason::ForwardedMixed));
}

#[test]
fn a_field_that_is_missing_or_empty_is_not_guessed() {
    for (dialect, set) in
        [(Dialect::Nginx, &BY_URL[..]), (Dialect::Traefik, &BY_PARTS), (Dialect::Plain, &BY_PARTS)]
    {
        for absent in 0..set.len() {
            let mut fields = set.to_vec();
            fields.remove(absent);
            assert_eq!(told(dialect, &fields), Err(Reason::ForwardedIncomplete), "{fields:?}");
            fields.push((set[absent].0, ""));
            assert_eq!(told(dialect, &fields), Err(Reason::ForwardedIncomplete), "{fields:?}");
        }
    }
    assert_eq!(told(Dialect::Envoy, &[]), Err(Reason::ForwardedIncomplete));
    assert_eq!(told(Dialect::Plain, &[]), Err(Reason::ForwardedIncomplete));
}

#[test]
fn a_field_that_is_there_twice_is_not_believed() {
    for (dialect, set) in [(Dialect::Nginx, &BY_URL[..]), (Dialect::Caddy, &BY_PARTS)] {
        for twice in set {
            for value in [twice.1, "", "/public"] {
                let fields = [set, &[(twice.0, value)]].concat();
                assert_eq!(told(dialect, &fields), Err(Reason::ForwardedMixed), "{fields:?}");
            }
        }
    }
}

/// CVE-2026-40575, CVE-2023-27487, CVE-2024-45806.
#[test]
fn another_name_for_the_target_or_the_method_is_a_contradiction() {
    let strange = ["X-Original-URI", "X-Envoy-Original-Path", "X-Rewrite-Url"];
    for name in strange.into_iter().chain(["X-Forwarded-Uri", "X-Forwarded-Method"]) {
        let fields = [&BY_URL[..], &[(name, "/public")]].concat();
        assert_eq!(told(Dialect::Nginx, &fields), Err(Reason::ForwardedMixed), "{name}");
        assert_eq!(told(Dialect::Plain, &fields), Err(Reason::ForwardedMixed), "{name}");
    }
    for name in strange.into_iter().chain(["X-Original-URL", "X-Original-Method"]) {
        let fields = [&BY_PARTS[..], &[(name, "GET")]].concat();
        assert_eq!(told(Dialect::Traefik, &fields), Err(Reason::ForwardedMixed), "{name}");
        assert_eq!(told(Dialect::Plain, &fields), Err(Reason::ForwardedMixed), "{name}");
        let fields = [("X-Forwarded-Proto", "https"), (name, "GET")];
        assert_eq!(told(Dialect::Envoy, &fields), Err(Reason::ForwardedMixed), "{name}");
    }
}

#[test]
fn fields_that_a_dialect_does_not_read_change_nothing() {
    let fields = [
        &BY_URL[..],
        &[
            ("X-Forwarded-Proto", "http"),
            ("X-Forwarded-Host", "evil.test"),
            ("x_original_url", "x"),
        ],
    ];
    assert_eq!(told(Dialect::Nginx, &fields.concat()).as_deref(), Ok(TOLD));
    let fields = [&BY_PARTS[..], &[("X-Forwarded-Prefix", "/p"), ("X-Forwarded-Port", "1")]];
    assert_eq!(told(Dialect::Traefik, &fields.concat()).as_deref(), Ok(TOLD));
}

fn with(
    set: &[(&'static str, &'static str)],
    name: &str,
    value: &'static str,
) -> Vec<(&'static str, &'static str)> {
    set.iter().map(|(known, old)| (*known, if *known == name { value } else { *old })).collect()
}

#[test]
fn what_is_told_is_read_as_strictly_as_a_request() {
    for (url, reason) in [
        ("/a", Reason::ForwardedIncomplete),
        ("app.test/a", Reason::ForwardedIncomplete),
        ("ftp://app.test/a", Reason::ForwardedMixed),
        ("https:///a", Reason::MalformedHost),
        ("https://user@app.test/a", Reason::MalformedHost),
        ("https://app.test\\@evil.test/a", Reason::MalformedTarget),
        ("https://a, b/a", Reason::MalformedHost),
        ("https://app.test?a", Reason::MalformedTarget),
        ("https://app.test/a#b", Reason::MalformedTarget),
        ("https://app.test/a b", Reason::MalformedTarget),
        ("https://app.test/caf\u{e9}", Reason::MalformedTarget),
    ] {
        let fields = with(&BY_URL, "X-Original-URL", url);
        assert_eq!(told(Dialect::Nginx, &fields), Err(reason), "{url}");
    }
    for (name, value, reason) in [
        ("X-Forwarded-Uri", "a", Reason::MalformedTarget),
        ("X-Forwarded-Uri", "https://app.test/a", Reason::MalformedTarget),
        ("X-Forwarded-Host", "a, b", Reason::MalformedHost),
        ("X-Forwarded-Host", "a/b", Reason::MalformedHost),
        ("X-Forwarded-Proto", "https, http", Reason::ForwardedMixed),
        ("X-Forwarded-Proto", "javascript", Reason::ForwardedMixed),
        ("X-Forwarded-Method", "GE T", Reason::MethodNotAllowed),
    ] {
        let fields = with(&BY_PARTS, name, value);
        assert_eq!(told(Dialect::Traefik, &fields), Err(reason), "{name}: {value}");
    }
}

/// As Traefik tells of them.
#[test]
fn the_schemes_of_websockets_are_those_of_http() {
    for (told_as, scheme) in [("ws", Scheme::Http), ("wss", Scheme::Https)] {
        let headers = headers(&with(&BY_PARTS, "X-Forwarded-Proto", told_as));
        let (method, host, rest) = (&Method::GET, None, &b""[..]);
        let dialect = Dialect::Traefik;
        let original = SubRequest { dialect, method, host, headers: &headers, rest }.original();
        assert_eq!(original.unwrap().scheme(), scheme);
    }
}

fn read(query: &str) -> Result<Option<Terms>, Reason> {
    terms::read(form_urlencoded::parse(query.as_bytes()))
}

fn rule(query: &str) -> Rule {
    read(query).unwrap().unwrap().rule.unwrap()
}

fn strings(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

#[test]
fn terms_say_the_route_and_the_rule() {
    assert_eq!(read(""), Ok(None));
    let terms = read("route=admin").unwrap().unwrap();
    assert_eq!((terms.route.as_deref(), terms.rule), (Some("admin"), None));
    let rule_of_all = rule(
        "groups=a,b%20c&roles=r&scopes=x,y&amr=otp&acr=mfa&emails=Ada@Example.test&max_auth_age=10m",
    );
    let expected = Rule {
        groups_any: strings(&["a", "b c"]),
        roles_any: strings(&["r"]),
        scopes_all: strings(&["x", "y"]),
        amr_any: strings(&["otp"]),
        acr_any: strings(&["mfa"]),
        emails: strings(&["ada@example.test"]),
        max_auth_age: Some(std::time::Duration::from_secs(600)),
        ..Rule::default()
    };
    assert_eq!(rule_of_all, expected);
    assert_eq!(rule("allowed_groups=a").groups_any, strings(&["a"]));
    assert_eq!(rule("allowed_emails=A@b.c").emails, strings(&["a@b.c"]));
    assert_eq!(rule("allowed_email_domains=B.c").email_domains, strings(&["b.c"]));
    let either = rule("emails=a@b.c&email_domains=d.e");
    assert_eq!((either.emails.len(), either.email_domains.len()), (1, 1));
}

/// oauth2-proxy #3365, GHSA-652x: an empty item would be held by an empty claim, and a word that is not understood would let
/// everybody pass whom it was to keep out.
#[test]
fn terms_that_cannot_be_held_to_are_refused() {
    for query in [
        "groups=",
        "groups=a,",
        "groups=,",
        "groups=%20",
        "groups",
        "group=a",
        "Groups=a",
        "groups=a&groups=b",
        "groups=a&allowed_groups=b",
        "route=",
        "route=a&route=b",
        "max_auth_age=",
        "max_auth_age=10",
        "max_auth_age=m",
        "max_auth_age=1h30",
        "max_auth_age=-1m",
        "max_auth_age=99999999999999999999s",
        "max_auth_age=9999999999999999999d",
        "max_auth_age=1m&max_auth_age=2m",
        "allowed_emails=a@b.c&allowed_email_domains=d.e",
        "emails=a@b.c&allowed_email_domains=d.e",
        "rd=https://app.test/",
        "=",
        "x",
    ] {
        assert_eq!(read(query), Err(Reason::TermsMalformed), "{query}");
    }
}

fn asker(pages: &Pages) -> Asker<'_> {
    let (audience, language) = (Audience::Program, Language::default());
    Asker { audience, language, pages, request_id: "r1" }
}

fn values(reply: &Reply, name: HeaderName) -> Vec<&str> {
    let fields = reply.fields().filter(|(known, _)| **known == name);
    fields.map(|(_, value)| value.to_str().unwrap()).collect()
}

fn with_original(check: impl FnOnce(&Original<'_>)) {
    let headers = headers(&BY_URL);
    let (method, host, rest) = (&Method::GET, None, &b""[..]);
    let dialect = Dialect::Nginx;
    let original = SubRequest { dialect, method, host, headers: &headers, rest }.original();
    check(&original.unwrap());
}

#[test]
fn a_sign_in_leads_to_a_whole_address() {
    let pages = Pages::built_in();
    let location = "/.auth/login?return_to=%2Fa".to_owned();
    let decision = Decision::SignIn(SignIn { reason: Reason::MissingCredential, location });
    with_original(|original| {
        for dialect in Dialect::ALL {
            let reply = turn_away(&decision, dialect, Some(original), asker(&pages));
            let status = if dialect == Dialect::Nginx { 401 } else { 302 };
            assert_eq!(reply.status.as_u16(), status, "{dialect:?}");
            let location = values(&reply, header::LOCATION);
            assert_eq!(location, ["https://app.test:8443/.auth/login?return_to=%2Fa"]);
            let challenges = values(&reply, header::WWW_AUTHENTICATE).len();
            assert_eq!(challenges, usize::from(dialect == Dialect::Nginx));
        }
    });
}

#[test]
fn the_login_page_of_somebody_else_stays_where_it_is() {
    let pages = Pages::built_in();
    let location = "https://login.test/?rd=x".to_owned();
    let decision = Decision::SignIn(SignIn { reason: Reason::MissingCredential, location });
    with_original(|original| {
        let reply = turn_away(&decision, Dialect::Traefik, Some(original), asker(&pages));
        assert_eq!(values(&reply, header::LOCATION), ["https://login.test/?rd=x"]);
    });
}

#[test]
fn nginx_is_told_401_and_403_alone() {
    let pages = Pages::built_in();
    let challenge = || {
        let reason = Reason::TokenExpired;
        Decision::Challenge(Challenge { reason, error: None, dpop: None, login_url: None })
    };
    for (decision, nginx, others) in [
        (challenge(), 401, 401),
        (Decision::Forbid(Reason::MissingGroup.into()), 403, 403),
        (Decision::OwnEndpoint, 403, 403),
        (Decision::Refuse(Reason::AmbiguousTarget), 403, 400),
        (Decision::Refuse(Reason::NoRoute), 403, 404),
        (Decision::Refuse(Reason::MethodNotAllowed), 403, 405),
        (Decision::Unavailable(Reason::KeysUnavailable), 503, 503),
    ] {
        for dialect in Dialect::ALL {
            let reply = turn_away(&decision, dialect, None, asker(&pages));
            let expected = if dialect == Dialect::Nginx { nginx } else { others };
            assert_eq!(reply.status.as_u16(), expected, "{decision:?} {dialect:?}");
            assert_eq!(reply.body.is_empty(), dialect == Dialect::Nginx);
        }
    }
    let reply = turn_away(&challenge(), Dialect::Nginx, None, asker(&pages));
    assert_eq!(values(&reply, header::WWW_AUTHENTICATE), ["Bearer realm=\"sidegate\""]);
}

#[test]
fn a_stranger_who_offers_nothing_is_challenged_and_another_forbidden() {
    let pages = Pages::built_in();
    let status = |fields: &[(&str, &str)]| untrusted(&headers(fields), asker(&pages)).status;
    assert_eq!(status(&BY_URL), StatusCode::UNAUTHORIZED);
    assert_eq!(status(&[("Cookie", "a=b")]), StatusCode::FORBIDDEN);
    assert_eq!(status(&[("Authorization", "Bearer x")]), StatusCode::FORBIDDEN);
}
