//! Sign-out: ours (RP-Initiated Logout 1.0), and the provider's through a frame (Front-Channel Logout 1.0).

use std::sync::Arc;

use serde_json::{Value, json};
use url::Url;

use super::row::Row;
use super::stage::Stage;
use crate::support::person::{Page, Person, Stop, Visit};

/// Where people should not be sent.
const EVIL: &str = "https://evil.test/";

#[tokio::test]
async fn sign_out() {
    let rows = [ours(), front(), strangers()];
    super::run("Sign-out", rows.into_iter().flatten().collect()).await;
}

fn is_signed_out(stage: &Stage, page: &Page) {
    let seen = (page.status, page.url.path(), page.url.host_str());
    assert_eq!(seen, (200, "/.auth/signed-out", Some("app.test")), "{page:#?}");
    assert_eq!(stage.upstream.violations(), Vec::<String>::new());
}

/// Sign-out that begins with us (RP-Initiated Logout 1.0).
fn ours() -> Vec<Row> {
    let without_state = |id, case, told: Value| {
        Row::new(
            id,
            case,
            "a page that does not claim that all went well; still signed out",
            |stage| async move {
                stage.is_accepted().await;
                let page = stage.sign_out().await;
                assert!(page.status < 500 && page.url.host_str() == Some("app.test"), "{page:#?}");
                assert_eq!(
                    (stage.user().await, stage.provider.count("authorization").await),
                    (None, 1)
                );
            },
        )
        .told(json!({ "end_session": told }))
    };
    vec![
        Row::new(
            "rp-init-logout",
            "an honest provider",
            "our session ends first; then `end_session_endpoint` with `id_token_hint`, `post_logout_redirect_uri` and `state`; a page in the end",
            |stage| async move {
                stage.is_accepted().await;
                let stop = |visit: &Visit| {
                    visit.url.path().ends_with("/logout")
                        && visit.url.host_str() == Some("127.0.0.1")
                };
                let Stop::Before(onward) =
                    stage.person.visit_until(stage.sign_out_form(), stop).await
                else {
                    panic!("the provider is not told")
                };
                assert_eq!(stage.user().await, None);
                let page = stage.person.visit(onward).await;
                is_signed_out(&stage, &page);
                let requests = stage.provider.requests("end_session").await;
                let [request] = requests.as_slice() else { panic!("{requests:#?}") };
                for name in ["id_token_hint", "post_logout_redirect_uri", "state"] {
                    assert!(request.param(name).is_some(), "no {name}: {request:#?}");
                }
                assert_eq!(request.refused(), None);
            },
        ),
        without_state(
            "rp-init-logout-no-state",
            "the way back has no `state`",
            json!({ "remove": "state" }),
        ),
        without_state(
            "rp-init-logout-other-state",
            "the way back has another `state`",
            json!({ "set": { "state": "garbage" } }),
        ),
        Row::new(
            "own: refresh-token-revoked",
            "there is a refresh token",
            "it is revoked (RFC 7009)",
            |stage| async move {
                stage.is_accepted().await;
                stage.sign_out().await;
                stage.soon(async || stage.provider.count("revocation").await == 1).await;
                let requests = stage.provider.requests("revocation").await;
                assert_eq!(requests[0].refused(), None);
            },
        )
        .settings(json!({ "refresh": "always" })),
        Row::not_applicable(
            "session-management",
            "`check_session_iframe`",
            "not offered: needs third-party cookies",
        ),
    ]
}

/// Sign-out through a frame (Front-Channel Logout 1.0).
fn front() -> Vec<Row> {
    let framed = |id, case| {
        Row::new(
            id,
            case,
            "200, frameable by the provider only, needing no cookies; the session has ended",
            |stage| async move {
                stage.is_accepted().await;
                let page = frame(&stage, |_| ()).await;
                assert_eq!((page.status, page.header("x-frame-options")), (200, None), "{page:#?}");
                assert_eq!(page.header("cache-control"), Some("no-store"));
                let policy = page.header("content-security-policy").unwrap_or_default();
                let provider =
                    Url::parse(&stage.provider.issuer).unwrap().origin().ascii_serialization();
                assert!(policy.contains(&format!("frame-ancestors {provider}")), "{policy}");
                assert_eq!(stage.user().await, None);
            },
        )
    };
    let nothing = |case, change: fn(&mut Vec<(String, String)>)| {
        Row::new("own: frontchannel", case, "nothing ends", move |stage: Arc<Stage>| async move {
            stage.is_accepted().await;
            let page = frame(&stage, change).await;
            assert!(page.status < 500, "{page:#?}");
            assert_eq!(stage.user().await.as_deref(), Some("ada"));
        })
    };
    vec![
        framed("rp-frontchannel-rpinitlogout", "the frame of a sign-out that we began"),
        framed("rp-frontchannel-opinitlogout", "the frame of a sign-out that the provider began"),
        nothing("another `iss`", |pairs| pairs[0].1.push('1')),
        nothing("another `sid`", |pairs| pairs[1].1.push('1')),
        nothing("`iss` without `sid`", |pairs| pairs.truncate(1)),
        nothing("`sid` without `iss`", |pairs| drop(pairs.remove(0))),
        nothing("`sid` twice", |pairs| pairs.push(pairs[1].clone())),
    ]
}

/// The rows x073 and x074: others who would like to sign somebody out, or to send them somewhere.
fn strangers() -> Vec<Row> {
    let evil = |case, address: &'static str| {
        Row::new(
            "x074",
            case,
            "signed out; the address is not gone to",
            move |stage: Arc<Stage>| async move {
                stage.is_accepted().await;
                let form = vec![("return_to".to_owned(), address.to_owned())];
                let visit = Visit { form, ..stage.sign_out_form() };
                let page = stage.person.visit(visit).await;
                assert_eq!(page.url.host_str(), Some("app.test"), "{page:#?}");
                assert!(page.status < 500, "{page:#?}");
            },
        )
        .told(json!({ "discovery": { "remove": "end_session_endpoint" } }))
    };
    vec![
        Row::new(
            "x073",
            "an image elsewhere points to sign-out",
            "the session lives on",
            |stage| async move {
                stage.is_accepted().await;
                let get = Visit::link(&stage.url("/.auth/logout"), &Url::parse(EVIL).unwrap());
                let page = stage.person.step(&get).await;
                assert_eq!(page.status, 200, "{page:#?}");
                assert_eq!(stage.user().await.as_deref(), Some("ada"));
            },
        ),
        Row::new(
            "x073",
            "a form elsewhere posts to sign-out",
            "the session lives on",
            |stage| async move {
                stage.is_accepted().await;
                let evil = Url::parse(EVIL).unwrap();
                let page = stage
                    .person
                    .step(&Visit { initiator: Some(evil), ..stage.sign_out_form() })
                    .await;
                assert!(page.status < 500, "{page:#?}");
                assert_eq!(stage.user().await.as_deref(), Some("ada"));
            },
        ),
        evil("another site", "https://evil.test/"),
        evil("another site without a scheme", "//evil.test/"),
        evil("another site by a backslash", "/\\evil.test"),
        evil("a script", "javascript:alert(1)"),
        evil("a line break", "/\r\nLocation: https://evil.test/"),
        evil("our own name before `@`", "https://app.test@evil.test/"),
    ]
}

/// The address of the provider's frame, with its parameters changed, opened by a browser without our cookies.
async fn frame(stage: &Stage, change: impl FnOnce(&mut Vec<(String, String)>)) -> Page {
    let frames = stage.provider.frames(&stage.provider.sid().await).await;
    let [address] = frames.as_slice() else { panic!("{frames:?}") };
    let mut url = Url::parse(address).unwrap();
    super::stage::change_query(&mut url, change);
    Person::new()
        .step(&Visit::link(url.as_str(), &Url::parse(&stage.provider.issuer).unwrap()))
        .await
}
