//! The same request gets the same decision by every door, and the app is told the same of its caller.

use std::cell::RefCell;
use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::runtime::Runtime;

use crate::support::doors::{Doors, Judged, Way};
use crate::support::raw::{Request, request};

const ROUTES: &str = "
identity: { claims: { X-Department: department } }
routes:
  - { name: public, match: { paths: /public/* }, access: public }
  - { name: guests, match: { paths: /guests/* }, access: optional }
  - { name: admin, match: { paths: /admin/* }, require: { groups_any: [admin] } }
  - { name: reading, match: { paths: /method/*, methods: [GET] }, access: public }
  - { name: ws, match: { paths: /ws/* }, upgrades: [websocket], websocket_origins: ['https://a.test'] }
  - { name: here, match: { paths: /here/* }, identity: { headers: none, cookie: remove } }
  - { name: answered, match: { paths: /answered/* }, preflight: { origins: ['https://a.test'], methods: GET } }
  - { name: forwarded, match: { paths: /forwarded/* }, preflight: forward }
  - { name: other, match: { hosts: [other.test], paths: /* }, access: optional }
  - { name: rest, match: { hosts: [app.test], paths: /* } }
";

const NAMES: [&str; 5] = [
    "x-forwarded-user",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-forwarded-preferred-username",
    "x-department",
];

/// Each is asked by every way: some 780 decisions.
const CASES: u32 = 60;

/// What a request offers.
#[derive(Clone, Debug)]
enum Offer {
    Bearer(&'static str),
    Cookie(&'static str),
    Nothing,
    Twice,
}

#[derive(Clone, Debug)]
struct Case {
    method: &'static str,
    host: &'static str,
    target: String,
    offer: Offer,
    fields: Vec<(&'static str, &'static str)>,
    websocket: bool,
}

fn cases() -> impl Strategy<Value = Case> {
    let method =
        prop::sample::select(vec!["GET", "GET", "POST", "PUT", "OPTIONS", "TRACE", "M-SEARCH"]);
    let hosts = vec!["app.test", "app.test", "APP.test:8443", "other.test", "no.test", "a, b"];
    let token = || prop::sample::select(vec!["ada", "eve", "root", "expired", "garbage"]);
    let offer = prop_oneof![
        2 => token().prop_map(Offer::Bearer),
        2 => token().prop_map(Offer::Cookie),
        2 => Just(Offer::Nothing),
        1 => Just(Offer::Twice),
    ];
    let fields = prop::collection::vec(prop::sample::select(FIELDS.to_vec()), 0..4);
    (method, prop::sample::select(hosts), target(), offer, fields, prop::bool::weighted(0.15))
        .prop_map(|(method, host, target, offer, fields, websocket)| Case {
            method,
            host,
            target,
            offer,
            fields,
            websocket: websocket && method == "GET",
        })
}

/// Fields that change a decision, or are said to by whoever forges them.
const FIELDS: [(&str, &str); 14] = [
    ("Accept", "text/html"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Mode", "cors"),
    ("X-Requested-With", "XMLHttpRequest"),
    ("Origin", "https://a.test"),
    ("Origin", "https://evil.test"),
    ("Access-Control-Request-Method", "GET"),
    ("Cookie", "a=1; b=2"),
    ("Cookie", "c=3"),
    ("X-Forwarded-User", "forged"),
    ("X-Forwarded-Email", "forged"),
    ("X-Department", "forged"),
    ("X-Forwarded-For", "192.0.2.1"),
    ("User-Agent", "GoogleHC/1.0"),
];

fn target() -> impl Strategy<Value = String> {
    let first = prop::sample::select(vec![
        "public",
        "guests",
        "admin",
        "method",
        "ws",
        "here",
        "answered",
        "forwarded",
        "x",
        ".auth",
    ]);
    let middle = prop::sample::select(vec![
        "/",
        "/a",
        "/../x",
        "/%2e%2e/x",
        "//",
        "/a;b",
        "/a%2fb",
        "/./a",
        "\\a",
        "/%zz",
        "/a%00",
        "/..;/admin/x",
        "%2f..%2fadmin",
    ]);
    let query =
        prop::sample::select(vec!["", "?a=b", "?route=public", "?/public/../x", "?groups=staff"]);
    (first, middle, query).prop_map(|(first, middle, query)| format!("/{first}{middle}{query}"))
}

fn build(case: &Case, doors: &Doors) -> Request {
    let token = |name: &str| match name {
        "eve" => doors.issuer.token_with("eve", |claims| {
            claims.as_object_mut().unwrap().retain(|name, _| name != "email" && name != "groups");
        }),
        "root" => doors.issuer.token_with("root", |claims| claims["groups"] = "admin".into()),
        "expired" => doors.issuer.token_with("ada", |claims| claims["exp"] = 1.into()),
        "garbage" => "garbage".to_owned(),
        name => doors.issuer.token(name),
    };
    let asked = request(case.method, &case.target).host(case.host);
    let asked = match case.offer {
        Offer::Bearer(name) => asked.bearer(&token(name)),
        Offer::Cookie(name) => asked.cookie(&token(name)),
        Offer::Nothing => asked,
        Offer::Twice => asked.bearer(&token("ada")).cookie(&token("ada")).bearer("x"),
    };
    let asked = case.fields.iter().fold(asked, |asked, (name, value)| asked.header(name, value));
    if case.websocket { asked.websocket() } else { asked }
}

/// What only sidegate can answer is answered inline, and refused where a proxy would pass the answer on to the app.
fn as_asked(inline: &Judged) -> Judged {
    let own = inline.outcome == "own" || inline.outcome == "preflight";
    if !own {
        return inline.clone();
    }
    let (outcome, reason) = ("refuse".to_owned(), "own_answer_needed".to_owned());
    Judged { outcome, reason, ..inline.clone() }
}

/// Of `Authorization` a public route passes several on inline, which a front proxy cannot be told.
fn without_authorization(mut judged: Judged) -> Judged {
    judged.handed.iter_mut().for_each(|handed| handed.retain(|(name, _)| name != "authorization"));
    judged
}

/// Asks by every way; the outcome that all agree upon.
async fn compare(doors: &Doors, case: &Case) -> Result<String, TestCaseError> {
    let asked = build(case, doors);
    let inline = without_authorization(doors.judge(Way::Inline, &asked, &NAMES).await);
    for way in Way::all() {
        let found = without_authorization(doors.judge(way, &asked, &NAMES).await);
        let expected = match way {
            // Envoy passes any answer on that comes by gRPC, and by HTTP any that is no success.
            Way::Inline | Way::Envoy => inline.clone(),
            Way::EnvoyByHttp if inline.outcome == "own" => inline.clone(),
            _ => as_asked(&inline),
        };
        prop_assert_eq!(found, expected, "{:?}", way);
    }
    Ok(inline.outcome)
}

#[test]
fn every_door_decides_alike() {
    let runtime = Runtime::new().unwrap();
    let doors = runtime.block_on(Doors::open(ROUTES));
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let seen = RefCell::new(BTreeSet::new());
    let result = runner.run(&cases(), |case| {
        seen.borrow_mut().insert(runtime.block_on(compare(&doors, &case))?);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    let seen = seen.into_inner();
    assert!(seen.contains("allow") && seen.contains("refuse"), "{seen:?}");
}
