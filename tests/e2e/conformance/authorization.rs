//! The provider's answer to the browser, and what others do with it (RFC 6749 §4.1.2, RFC 9207, RFC 9700 §4).

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use super::row::Row;
use super::stage::{NAME, Stage, WANTED, change_query, param};
use crate::support::jar::Kept;
use crate::support::person::{Page, Person, Stop, Visit};

const REFUSED_UNREDEEMED: &str = "an error page; no request for tokens, no session";

#[tokio::test]
async fn authorization_responses() {
    let rows = [certified(), begun_elsewhere(), errors(), requests(), browsers(), tabs()]
        .into_iter()
        .flatten()
        .collect();
    super::run("Authorization responses", rows).await;
}

fn told(name: &str, value: Value) -> Value {
    json!({ "authorization": { name: value } })
}

fn certified() -> Vec<Row> {
    vec![
        Row::unredeemed(
            "fapi2:invalid-authorization-response-iss",
            "`iss` is another's",
            told("suffix", json!({ "iss": "1" })),
        ),
        Row::unredeemed(
            "fapi2:remove-authorization-response-iss",
            "no `iss`, though the metadata promises it",
            told("remove", json!("iss")),
        ),
        Row::accepted(
            "own: iss-not-promised",
            "no `iss`, and none promised",
            json!({
                "authorization": { "remove": "iss" },
                "discovery": { "set": { "authorization_response_iss_parameter_supported": false } },
            }),
        ),
        Row::unredeemed(
            "fapi2:ensure-authorization-response-with-invalid-state-fails",
            "`state` has more at its end",
            told("suffix", json!({ "state": "1" })),
        ),
        Row::unredeemed(
            "fapi2:ensure-authorization-response-with-invalid-missing-state-fails",
            "no `state`",
            told("remove", json!("state")),
        ),
        Row::accepted("form-post", "the answer is posted by a form", json!({}))
            .provider("response_mode: form_post"),
        Row::unredeemed(
            "form-post-error",
            "an error is posted by a form",
            told("error", json!({ "error": "access_denied" })),
        )
        .provider("response_mode: form_post"),
        Row::not_applicable(
            "request-uri-signed-none",
            "a request object by reference",
            "requests are pushed, or plain",
        ),
        Row::not_applicable(
            "request-uri-signed-rs256",
            "a signed request object by reference",
            "requests are pushed, or plain",
        ),
        Row::new(
            "own: pushed",
            "the provider takes pushed requests",
            "the request is pushed; signed in",
            |stage| async move {
                stage.is_accepted().await;
                assert_eq!(stage.provider.count("par").await, 1);
                let requests = stage.provider.requests("authorization").await;
                let target = requests[0].entry["target"].as_str().unwrap();
                assert!(
                    target.contains("request_uri=urn") && !target.contains("code_challenge"),
                    "{target}"
                );
            },
        )
        .provider("pushed_requests: always")
        .registered(json!({ "require_pushed": true })),
    ]
}

/// Sign-in that the provider begins (OpenID Connect Core §4).
fn begun_elsewhere() -> Vec<Row> {
    let sent = |case, expected, target: &'static str, lands: &'static str| {
        Row::new("3rd-party-init-login", case, expected, move |stage: Arc<Stage>| async move {
            let target = target.replace("SITE", &stage.site);
            let visit = sent_by(&stage, &stage.provider.issuer, &target);
            let page = stage.person.visit(visit).await;
            let seen = (page.status, page.url.as_str(), page.body.split('|').next());
            assert_eq!(seen, (200, stage.url(lands).as_str(), Some("ada")), "{page:#?}");
        })
    };
    vec![
        sent(
            "the provider begins with `iss` and `target_link_uri`",
            "signed in, on the page that was named",
            "SITE/wanted?x=1",
            WANTED,
        ),
        sent(
            "`target_link_uri` is of another site",
            "signed in, on a page of ours",
            "https://evil.test/",
            "/",
        ),
        sent(
            "`target_link_uri` only begins like ours",
            "signed in, on a page of ours",
            "SITE.evil.test/",
            "/",
        ),
        Row::new(
            "3rd-party-init-login",
            "`iss` is of a provider that nobody knows",
            "an error page; no provider is asked",
            |stage| async move {
                let visit = sent_by(&stage, "https://evil.test", &stage.url(WANTED));
                let page = stage.person.visit(visit).await;
                stage.is_error(&page);
                assert_eq!(stage.provider.count("authorization").await, 0);
                stage.nobody_is_signed_in().await;
            },
        ),
    ]
}

/// Where the provider sends a browser that shall sign in with `issuer`.
fn sent_by(stage: &Stage, issuer: &str, target: &str) -> Visit {
    let pairs = [("iss", issuer), ("target_link_uri", target)];
    let url = Url::parse_with_params(&stage.url("/.auth/login"), pairs).unwrap();
    Visit::link(url.as_str(), &Url::parse(&stage.provider.issuer).unwrap())
}

/// The rows x023 to x025, x030 and x031: what the answer says.
fn errors() -> Vec<Row> {
    let error = |case, code: &str| {
        Row::unredeemed(
            "x023",
            case,
            told("error", json!({ "error": code, "error_description": "no" })),
        )
    };
    let script = json!({ "error": "<script>alert(1)</script>", "error_description": "<script>alert(2)</script>" });
    let twice = |case, name: &str| {
        let check = |stage: Arc<Stage>| async move {
            let page = stage.is_refused().await;
            assert_eq!(page.status, 400, "{page:#?}");
            stage.no_tokens_were_asked_for().await;
        };
        Row::new("x025", case, "400; no request for tokens, no session", check)
            .told(told("duplicate", json!(name)))
    };
    let code = |case, code: String| {
        Row::new(
            "x030",
            case,
            "an error page; no session, nothing odd is sent on",
            |stage| async move {
                let mut visit = stage.before_callback(&stage.person, WANTED).await;
                change_query(&mut visit.url, |pairs| replace(pairs, "code", &code));
                let page = stage.person.visit(visit).await;
                assert!((400..500).contains(&page.status) || page.status == 502, "{page:#?}");
                stage.nobody_is_signed_in().await;
            },
        )
    };
    vec![
        error("`access_denied`", "access_denied"),
        error("`login_required`, though nothing was silent", "login_required"),
        error("an error that nobody knows", "something_new"),
        Row::new(
            "x023",
            "HTML in the error",
            "escaped or left out; no request for tokens, no session",
            |stage| async move {
                let page = stage.is_refused().await;
                assert!(!page.body.contains("<script>alert"), "{}", page.body);
                stage.no_tokens_were_asked_for().await;
            },
        )
        .told(told("error", script)),
        Row::unredeemed(
            "x024",
            "an error and a code",
            told("set", json!({ "error": "access_denied" })),
        ),
        twice("`code` twice", "code"),
        twice("`state` twice", "state"),
        twice("`iss` twice", "iss"),
        code("a code of 48 KiB", "c".repeat(48 * 1024)),
        code("a code with a line break", "c\r\nX-Evil: 1".to_owned()),
        code("a code with a zero byte", "c\0".to_owned()),
        Row::unredeemed("x031", "the answer is in the fragment", told("fragment", json!(true))),
    ]
}

/// The rows x026 to x029 and x032 to x034: requests to the callback that no honest sign-in makes.
fn requests() -> Vec<Row> {
    vec![
        Row::new(
            "x026",
            "the answer to another browser's sign-in",
            REFUSED_UNREDEEMED,
            |stage| async move {
                let visit = stage.before_callback(&Person::new(), WANTED).await;
                let page = stage.person.visit(visit).await;
                stage.is_error(&page);
                stage.no_tokens_were_asked_for().await;
                stage.nobody_is_signed_in().await;
            },
        ),
        Row::new(
            "x027",
            "the same answer again, after its session has gone",
            "no second request for tokens, nobody signed in by it",
            |stage| async move {
                let visit = stage.before_callback(&stage.person, WANTED).await;
                let page = stage.person.visit(visit.clone()).await;
                stage.shows(&page, "ada");
                stage.person.change_jar(|jar| jar.forget(|kept| kept.path == "/"));
                let again = stage.person.step(&visit).await;
                assert!(again.status != 200 && again.status != 500, "{again:#?}");
                assert_eq!((stage.provider.count("token").await, stage.user().await), (1, None));
            },
        ),
        Row::new(
            "x028",
            "a `state` that has outlived its cookie",
            "sign-in starts anew, once; no request for tokens for the old answer",
            |stage| async move {
                let visit = stage.before_callback(&stage.person, WANTED).await;
                outlive(&stage.person);
                let page = stage.person.visit(visit).await;
                stage.shows(&page, "ada");
                let counts = (
                    stage.provider.count("authorization").await,
                    stage.provider.count("token").await,
                );
                assert_eq!(counts, (2, 1));
            },
        ),
        Row::new(
            "x028",
            "the same, and the cookie of the second sign-in goes missing as well",
            REFUSED_UNREDEEMED,
            |stage| async move {
                let visit = stage.before_callback(&stage.person, WANTED).await;
                outlive(&stage.person);
                let callback = stage.url("/.auth/callback/");
                let is_answer = |visit: &Visit| visit.url.as_str().starts_with(&callback);
                let restart = stage.person.step(&visit).await;
                let onward = Visit::typed(restart.header("location").unwrap());
                let Stop::Before(second) = stage.person.visit_until(onward, is_answer).await else {
                    panic!("the second sign-in has no answer")
                };
                outlive(&stage.person);
                let page = stage.person.visit(second).await;
                stage.is_error(&page);
                stage.no_tokens_were_asked_for().await;
                stage.nobody_is_signed_in().await;
            },
        ),
        method("HEAD", Method::HEAD),
        method("OPTIONS", Method::OPTIONS),
        method("POST, where the answer comes in the query", Method::POST),
        Row::new(
            "x032",
            "a code of somebody else's sign-in",
            "an error page; no session",
            |stage| async move {
                let theirs = stage.before_callback(&Person::new(), WANTED).await;
                let code = param(&theirs.url, "code").unwrap();
                let mut visit = stage.before_callback(&stage.person, WANTED).await;
                change_query(&mut visit.url, |pairs| replace(pairs, "code", &code));
                let page = stage.person.visit(visit).await;
                stage.is_error(&page);
                stage.nobody_is_signed_in().await;
            },
        ),
        Row::new(
            "x033",
            "the answer of one provider at the callback of another",
            "an error page; no request for tokens to either",
            |stage| async move {
                let mut visit = before_callback_of(&stage, NAME).await;
                visit.url.set_path("/.auth/callback/other");
                mixed_up(&stage, visit).await;
            },
        )
        .beside(&["other"]),
        Row::new(
            "x033",
            "`iss` of another provider",
            "an error page; no request for tokens to either",
            |stage| async move {
                let mut visit = before_callback_of(&stage, NAME).await;
                let issuer = stage.others[0].issuer.clone();
                change_query(&mut visit.url, |pairs| replace(pairs, "iss", &issuer));
                mixed_up(&stage, visit).await;
            },
        )
        .beside(&["other"]),
        Row::new(
            "x034",
            "the answer, with its cookies, at another host name",
            REFUSED_UNREDEEMED,
            |stage| async move {
                let mut visit = stage.before_callback(&stage.person, WANTED).await;
                visit.url.set_host(Some("other.test")).unwrap();
                stage.person.change_jar(|jar| {
                    for mut kept in jar.all().to_vec() {
                        "other.test".clone_into(&mut kept.domain);
                        jar.put(kept);
                    }
                });
                let page = stage.person.step(&visit).await;
                assert!((400..500).contains(&page.status), "{page:#?}");
                stage.no_tokens_were_asked_for().await;
            },
        ),
        Row::new(
            "x038",
            "the answer over https, the cookie from plain http",
            "the cookie does not count: no request for tokens; sign-in starts anew, over https",
            |stage| async move {
                let plain = stage.site.replacen("https:", "http:", 1);
                let both =
                    [&plain, &stage.site].map(|site| format!("{site}/.auth/callback/{NAME}"));
                stage.provider.register(&stage.site, NAME, &json!({ "redirect_uris": both })).await;
                let stop = |visit: &Visit| visit.url.path().starts_with("/.auth/callback/");
                let begun =
                    stage.person.visit_until(Visit::typed(&format!("{plain}{WANTED}")), stop).await;
                let Stop::Before(mut visit) = begun else { panic!("no answer") };
                visit.url.set_scheme("https").unwrap();
                let page = stage.person.step(&visit).await;
                let attempt = page.header("set-cookie").unwrap_or_default();
                assert!(page.status == 303 && attempt.starts_with("__Secure-"), "{page:#?}");
                stage.no_tokens_were_asked_for().await;
                assert_eq!(stage.user().await, None);
            },
        ),
    ]
}

/// The rows x035 and x037: sign-in while signed in.
fn browsers() -> Vec<Row> {
    vec![
        Row::new(
            "x035",
            "another person signs in over the session",
            "another session id; the first session has ended",
            |stage| async move {
                stage.is_accepted().await;
                let first = stage.person.twin();
                stage.provider.set(json!({ "user": "bob" })).await;
                let page = stage
                    .person
                    .open(&stage.url("/.auth/login?return_to=%2Fwanted%3Fx%3D1&prompt=login"))
                    .await;
                stage.shows(&page, "bob");
                assert_eq!(stage.user_of(&first).await, None);
            },
        ),
        Row::new(
            "own: session-fixation",
            "the same person signs in again",
            "another session",
            |stage| async move {
                stage.is_accepted().await;
                let before = session_of(&stage.person);
                let page = stage
                    .person
                    .open(&stage.url("/.auth/login?return_to=%2Fwanted%3Fx%3D1&prompt=login"))
                    .await;
                stage.shows(&page, "ada");
                assert_ne!(session_of(&stage.person), before);
            },
        ),
        Row::new(
            "x037",
            "the callback is loaded again",
            "the wanted page; no second request for tokens",
            |stage| async move {
                let visit = stage.before_callback(&stage.person, WANTED).await;
                for _ in 0..2 {
                    let page = stage.person.visit(visit.clone()).await;
                    stage.shows(&page, "ada");
                }
                assert_eq!(stage.provider.count("token").await, 1);
            },
        ),
    ]
}

/// The row x036: ten tabs, whose sign-ins end in the order in which they began, and the other way round.
fn tabs() -> Vec<Row> {
    let check = |reversed: bool| {
        move |stage: Arc<Stage>| async move {
            let mut visits = Vec::new();
            for tab in 0..10 {
                visits.push((
                    tab,
                    stage.before_callback(&stage.person, &format!("/tab/{tab}")).await,
                ));
            }
            if reversed {
                visits.reverse();
            }
            for (tab, visit) in visits {
                let page: Page = stage.person.visit(visit).await;
                let seen = (page.status, page.url.as_str());
                assert_eq!(seen, (200, stage.url(&format!("/tab/{tab}")).as_str()), "{page:#?}");
            }
        }
    };
    vec![
        Row::new(
            "x036",
            "sign-in in ten tabs, the first ends first",
            "every tab shows its page",
            check(false),
        ),
        Row::new(
            "x036",
            "sign-in in ten tabs, the last ends first",
            "every tab shows its page",
            check(true),
        ),
    ]
}

/// Another method than the one for an answer.
fn method(case: &'static str, method: Method) -> Row {
    Row::new("x029", case, "405; the code is not redeemed and stays good", |stage| async move {
        let visit = stage.before_callback(&stage.person, WANTED).await;
        let other = Visit { method, ..visit.clone() };
        let page = stage.person.step(&other).await;
        assert_eq!(page.status, 405, "{page:#?}");
        stage.no_tokens_were_asked_for().await;
        let page = stage.person.visit(visit).await;
        stage.shows(&page, "ada");
    })
}

async fn before_callback_of(stage: &Stage, provider: &str) -> Visit {
    let path = format!("/.auth/login?provider={provider}&return_to=%2Fwanted%3Fx%3D1");
    stage.before_callback(&stage.person, &path).await
}

async fn mixed_up(stage: &Stage, visit: Visit) {
    let page = stage.person.visit(visit).await;
    stage.is_error(&page);
    stage.no_tokens_were_asked_for().await;
    assert_eq!(stage.others[0].count("token").await, 0);
    stage.nobody_is_signed_in().await;
}

/// The cookies of attempts run out, as after ten minutes; another one stays.
fn outlive(person: &Person) {
    person.change_jar(|jar| {
        let is_attempt = |kept: &&Kept| kept.name.contains("_attempt_");
        let attempt = jar.all().iter().find(is_attempt).cloned().unwrap();
        jar.forget(|kept| kept.name == attempt.name);
        jar.put(Kept { name: "theme".to_owned(), value: "dark".to_owned(), ..attempt });
    });
}

fn session_of(person: &Person) -> String {
    let jar = person.jar();
    let session = jar.named("__Host-sidegate");
    session.unwrap_or_else(|| panic!("no session: {jar:#?}")).value.clone()
}

fn replace(pairs: &mut [(String, String)], name: &str, value: &str) {
    let pair = pairs.iter_mut().find(|(found, _)| found == name);
    value.clone_into(&mut pair.unwrap_or_else(|| panic!("no {name}")).1);
}
