//! Sign-out that the provider tells us in the back (Back-Channel Logout 1.0).

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use url::Url;

use super::row::Row;
use super::stage::{EVENT, FRAME, KEY, NAME, Stage, WANTED, is_refusal};
use crate::support::http::client;
use crate::support::jar::From;
use crate::support::person::{Person, Visit};
use crate::support::raw::{Request, get};
use crate::support::redis::Redis;
use crate::support::timing::takes_at_most;
use crate::support::wire::Wire;

/// How soon an end that was told must have happened.
const AT_MOST: Duration = Duration::from_secs(1);

/// How often a handshake is tried that ends with a closed connection.
const HANDSHAKES: usize = 10;

const CUT: &str = "it ends within a second; that of somebody else stays open";
const UNTOUCHED: &str = "400, not to be kept; the session lives on";

#[tokio::test]
async fn back_channel_logout() {
    let rows = [certified(), tokens(), requests(), connections()];
    super::run("Back-channel logout", rows.into_iter().flatten().collect()).await;
}

/// Sign-out that begins with the provider (Back-Channel Logout 1.0).
fn certified() -> Vec<Row> {
    vec![
        Row::new(
            "rp-backchannel-rpinitlogout",
            "a valid logout token with `sid` and `sub`",
            "exactly 200, not to be kept; the session has ended",
            |stage| async move {
                stage.is_accepted().await;
                let answer = stage
                    .provider
                    .log_out(json!({ "sub": "ada", "sid": stage.provider.sid().await }))
                    .await;
                is_done(&answer);
                assert_eq!(stage.user().await, None);
            },
        ),
        bad("rp-backchannel-rpinitlogout-alg-none", "`alg` is `none`", "alg-none"),
        bad("rp-backchannel-rpinitlogout-no-event", "no `events`", "missing-events"),
        bad("rp-backchannel-rpinitlogout-with-nonce", "a `nonce`", "nonce"),
        Row::new(
            "rp-backchannel-rpinitlogout-wrong-alg",
            "ES256 by a published key, where RS256 is pinned",
            UNTOUCHED,
            |stage| async move {
                stage.refuses_logout(json!({ "alg-es256": true })).await;
            },
        )
        .provider("id_token_algorithms: [RS256]"),
        bad("rp-backchannel-rpinitlogout-wrong-aud", "another `aud`", "wrong-aud"),
        bad("rp-backchannel-rpinitlogout-wrong-event", "another event", "wrong-event"),
        bad("rp-backchannel-rpinitlogout-wrong-iss", "another `iss`", "wrong-iss"),
    ]
}

/// The rows x061 to x067 and x069.
fn tokens() -> Vec<Row> {
    vec![
        Row::new(
            "x061",
            "a logout token again, after the person has signed in anew",
            "400 or nothing done; the new session lives on",
            |stage| async move {
                stage.is_accepted().await;
                let answer =
                    stage.provider.log_out(json!({ "sid": stage.provider.sid().await })).await;
                is_done(&answer);
                stage.person.change_jar(|jar| jar.forget(|_| true));
                stage.is_accepted().await;
                let again = tell(&stage, &form(answer["token"].as_str().unwrap())).await;
                assert!([200, 400].contains(&again.status().as_u16()), "{again:?}");
                assert_eq!(stage.user().await.as_deref(), Some("ada"));
            },
        ),
        bad("x062", "`exp` is past", "expired"),
        bad("x062", "no `exp`", "missing-exp"),
        bad("x062", "`iat` is a week ago", "old-iat"),
        bad("x062", "no `jti`", "missing-jti"),
        bad("x062", "no `iat`", "missing-iat"),
        bad_with(
            "x063",
            "neither `sub` nor `sid`",
            json!({ "missing-sub": true, "missing-sid": true }),
        ),
        bad("own: logout-bad-signature", "the signature has another bit", "bad-signature"),
        Row::new("x064", "a `sid` that nobody knows", "200; nothing ends", |stage| async move {
            stage.is_accepted().await;
            is_done(&stage.provider.log_out(json!({ "sid": "unknown" })).await);
            assert_eq!(stage.user().await.as_deref(), Some("ada"));
        }),
        Row::new(
            "x065",
            "only `sub`",
            "200; every session of that person ends, nobody else's",
            |stage| async move {
                stage.is_accepted().await;
                let elsewhere = Person::new();
                stage.shows(&elsewhere.sign_in(&stage.site, WANTED).await, "ada");
                stage.provider.set(json!({ "user": "bob" })).await;
                let other = Person::new();
                stage.shows(&other.sign_in(&stage.site, WANTED).await, "bob");
                is_done(&stage.provider.log_out(json!({ "sub": "ada" })).await);
                assert_eq!((stage.user().await, stage.user_of(&elsewhere).await), (None, None));
                assert_eq!(stage.user_of(&other).await.as_deref(), Some("bob"));
            },
        ),
        Row::new(
            "x066",
            "the `sid` of another provider's session",
            "nothing ends",
            |stage| async move {
                let login =
                    stage.url(&format!("/.auth/login?provider={NAME}&return_to=%2Fwanted%3Fx%3D1"));
                stage.shows(&stage.person.open(&login).await, "ada");
                let whom = json!({ "sub": "ada", "sid": stage.provider.sid().await });
                let answer = stage.others[0].log_out(whom).await;
                assert!(answer["status"] == 200 || answer["status"] == 400, "{answer:#}");
                assert_eq!(stage.user().await.as_deref(), Some("ada"));
            },
        )
        .beside(&["other"]),
        Row::new(
            "x067",
            "`typ` is `JWT`, as some providers have it",
            "200; the session has ended",
            |stage| async move {
                stage.is_accepted().await;
                let whom = json!({ "sid": stage.provider.sid().await, "misbehaviour": { "header": { "typ": "JWT" } } });
                is_done(&stage.provider.log_out(whom).await);
                assert_eq!(stage.user().await, None);
            },
        ),
        Row::new(
            "x067",
            "the same, where `typ` is taken strictly",
            UNTOUCHED,
            |stage| async move {
                stage.refuses_logout(json!({ "header": { "typ": "JWT" } })).await;
            },
        )
        .provider("backchannel_logout: { typ: strict }"),
        bad_with(
            "x069",
            "it is an ID token",
            json!({ "missing-events": true, "missing-jti": true, "nonce": true, "header": { "typ": "JWT" } }),
        ),
    ]
}

/// The rows x068, x070, x071 and x072: how a logout token arrives.
fn requests() -> Vec<Row> {
    let refused =
        |case, expected, statuses: &'static [u16], body: Option<(&'static str, String)>| {
            Row::new("x068", case, expected, move |stage: Arc<Stage>| async move {
                stage.is_accepted().await;
                let request = match body {
                    None => client().get(endpoint(&stage)),
                    Some((content_type, body)) => client()
                        .post(endpoint(&stage))
                        .header("content-type", content_type)
                        .body(body),
                };
                let answer = request.send().await.unwrap();
                assert!(statuses.contains(&answer.status().as_u16()), "{answer:?}");
                assert_eq!(stage.user().await.as_deref(), Some("ada"));
            })
        };
    const FORM: &str = "application/x-www-form-urlencoded";
    vec![
        refused("GET", "405", &[405], None),
        refused(
            "JSON",
            "400 or 415",
            &[400, 415],
            Some(("application/json", "{\"logout_token\":\"x\"}".to_owned())),
        ),
        refused("no body", "400", &[400], Some((FORM, String::new()))),
        refused(
            "`logout_token` twice",
            "400",
            &[400],
            Some((FORM, "logout_token=a&logout_token=b".to_owned())),
        ),
        refused(
            "1 MiB",
            "400 or 413",
            &[400, 413],
            Some((FORM, format!("logout_token={}", "a".repeat(1024 * 1024)))),
        ),
        Row::new(
            "own: logout-further-parameters",
            "further parameters beside the token",
            "ignored: 200; the session has ended",
            |stage| async move {
                stage.is_accepted().await;
                let token =
                    stage.provider.logout_token(json!({ "sid": stage.provider.sid().await })).await;
                let answer = tell(&stage, &format!("{}&more=1&more=2", form(&token))).await;
                assert_eq!((answer.status(), stage.user().await), (StatusCode::OK, None));
            },
        ),
        Row::new(
            "x070",
            "200 logout tokens with unknown keys",
            "400 each; the keys are fetched at most once more",
            |stage| async move {
                stage.is_accepted().await;
                let before = stage.provider.count("jwks").await;
                for number in 0..200 {
                    let misbehaviour = json!({ "header": { "kid": format!("unknown-{number}") } });
                    let answer = stage
                        .provider
                        .log_out(json!({ "sub": "ada", "misbehaviour": misbehaviour }))
                        .await;
                    is_refusal(&answer);
                }
                assert!(stage.provider.count("jwks").await <= before + 1);
            },
        )
        .provider("key_refresh: { cooldown: 1h }"),
        without_store(),
        Row::new(
            "x072",
            "a page elsewhere posts a valid token",
            "it counts as any other; no cookie is set",
            |stage| async move {
                stage.is_accepted().await;
                let token =
                    stage.provider.logout_token(json!({ "sid": stage.provider.sid().await })).await;
                let address = stage.url(&format!("/.auth/backchannel-logout/{NAME}"));
                let post = Visit::post(
                    &address,
                    &Url::parse("https://evil.test/").unwrap(),
                    vec![("logout_token".to_owned(), token)],
                );
                let page = stage.person.step(&post).await;
                assert_eq!((page.status, page.header("set-cookie")), (200, None), "{page:#?}");
                assert_eq!(stage.user().await, None);
            },
        ),
    ]
}

/// The row x071.
fn without_store() -> Row {
    let redis = Redis::start();
    let store = redis.as_ref().map_or_else(
        || "memory".to_owned(),
        |redis| format!("{{ redis: {{ url: \"{}\", timeout: 10s }} }}", redis.url()),
    );
    let session = format!("session:\n  keys: [{{ value: \"{KEY}\" }}]\n  store: {store}\n");
    Row::new(
        "x071",
        "the store is down",
        "503 with Retry-After, so that the provider tries again",
        |stage| async move {
            stage.is_accepted().await;
            let Some(redis) = redis else { return };
            let sid = stage.provider.sid().await;
            redis.kill();
            let answer = stage.provider.log_out(json!({ "sub": "ada", "sid": sid })).await;
            let seen = (&answer["status"], answer["headers"]["retry-after"].is_string());
            assert_eq!(seen, (&json!(503), true), "{answer:#}");
            let page = stage.person.fetch(&stage.url("/api")).await;
            assert_eq!(page.status, 503, "a session that nobody can look up: {page:#?}");
        },
    )
    .configured(&session)
}

/// Connections that the session keeps open.
fn connections() -> Vec<Row> {
    let cut = |case, open: Opening| {
        Row::new("own: logout-cuts", case, CUT, move |stage: Arc<Stage>| async move {
            stage.is_accepted().await;
            stage.provider.set(json!({ "user": "bob" })).await;
            let bob = Person::new();
            stage.shows(&bob.sign_in(&stage.site, WANTED).await, "bob");
            let mut goes_on = open(&stage, &bob).await;
            stage.provider.set(json!({ "user": "ada" })).await;
            takes_at_most(AT_MOST, async || {
                let ada = Person::new();
                stage.shows(&ada.sign_in(&stage.site, WANTED).await, "ada");
                let sid = stage.provider.sid().await;
                let mut ended = open(&stage, &ada).await;
                is_open(&mut ended).await;
                is_done(&stage.provider.log_out(json!({ "sub": "ada", "sid": sid })).await);
                let told = Instant::now();
                let _ = ended.rest().await;
                told.elapsed()
            })
            .await;
            is_open(&mut goes_on).await;
        })
        .configured("routes:\n  - { name: all, match: { paths: /* }, upgrades: [websocket] }\n")
    };
    vec![
        cut("an open stream of events", |stage, person| Box::pin(events(stage, person))),
        cut("an open WebSocket", |stage, person| Box::pin(socket(stage, person))),
    ]
}

type Opening = for<'a> fn(&'a Stage, &'a Person) -> Pin<Box<dyn Future<Output = Wire> + 'a>>;

/// A stream of events that has begun.
async fn events(stage: &Stage, person: &Person) -> Wire {
    let mut wire = Wire::connect(stage.address).await;
    wire.send(signed_in(stage, person, get("/events")).bytes()).await;
    assert_eq!(wire.head().await.status(), Some(200));
    assert_eq!(wire.chunk().await.unwrap(), EVENT.as_bytes());
    wire
}

/// A WebSocket on which a first frame has come. Some do not outlive their handshake
/// (<https://github.com/cloudflare/pingora/issues/946>): then another one.
async fn socket(stage: &Stage, person: &Person) -> Wire {
    for _ in 0..HANDSHAKES {
        let mut wire = Wire::connect(stage.address).await;
        let request = get("/socket").websocket().header("Origin", &stage.site);
        wire.send(signed_in(stage, person, request).bytes()).await;
        let Some(head) = wire.next_head().await else { continue };
        assert_eq!(head.status(), Some(101), "{head:?}");
        if wire.try_exactly(FRAME.len()).await.is_ok_and(|bytes| bytes == FRAME) {
            return wire;
        }
    }
    panic!("no socket outlived its handshake")
}

/// `request` as the browser of `person` sends it.
fn signed_in(stage: &Stage, person: &Person, request: Request) -> Request {
    let site = Url::parse(&stage.site).unwrap();
    let cookies = person.jar().sent(&site, From::Own).unwrap();
    let host = format!("app.test:{}", stage.address.port());
    request.host(&host).header("X-Forwarded-Proto", "https").header("Cookie", &cookies)
}

/// Asserts that nothing comes on `wire`, not even its end.
async fn is_open(wire: &mut Wire) {
    assert!(timeout(Duration::ZERO, wire.rest()).await.is_err(), "it was closed");
}

/// A logout token that is refused.
fn bad(id: &'static str, case: &'static str, name: &str) -> Row {
    bad_with(id, case, json!({ name: true }))
}

fn bad_with(id: &'static str, case: &'static str, misbehaviour: Value) -> Row {
    Row::new(id, case, UNTOUCHED, |stage| async move {
        stage.refuses_logout(misbehaviour).await;
    })
}

/// Asserts that a logout token was taken.
fn is_done(answer: &Value) {
    let seen = (&answer["status"], &answer["headers"]["cache-control"]);
    assert_eq!(seen, (&json!(200), &json!("no-store")), "{answer:#}");
}

fn endpoint(stage: &Stage) -> String {
    format!("http://{}/.auth/backchannel-logout/{NAME}", stage.address)
}

fn form(token: &str) -> String {
    format!("logout_token={token}")
}

async fn tell(stage: &Stage, body: &str) -> Response {
    let request =
        client().post(endpoint(stage)).header("content-type", "application/x-www-form-urlencoded");
    request.body(body.to_owned()).send().await.unwrap()
}
