//! The cookies that sidegate sets, and what becomes of them in wrong hands.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cookie::SameSite;
use serde_json::json;

use super::row::Row;
use super::stage::{KEY, OTHER_KEY, Stage, WANTED};
use crate::support::jar::{Jar, Kept};
use crate::support::person::{Person, says};

const SESSION: &str = "__Host-sidegate";
/// Where a session goes on that is too large for one cookie.
const SECOND: &str = "__Host-sidegate_1";
const SIGNS_IN_AGAIN: &str =
    "401 for scripts, logged with the reason; the next navigation signs in again";
const ATTEMPT: &str = "__Secure-sidegate_attempt_";

#[tokio::test]
async fn cookies() {
    let rows = [kinds(), spoilt(), pieces(), circles(), keys()];
    super::run("Cookies", rows.into_iter().flatten().collect()).await;
}

fn kinds() -> Vec<Row> {
    vec![
        Row::new(
            "own: session-cookie",
            "after sign-in",
            "one cookie: `__Host-`, Secure, HttpOnly, SameSite=Lax, for the whole host, below 1 KiB, gone with the browser",
            |stage| async move {
                stage.is_accepted().await;
                let session = session(&stage.person);
                let seen =
                    (session.secure, session.http_only, session.same_site, session.host_only);
                assert_eq!(seen, (true, true, Some(SameSite::Lax), true), "{session:#?}");
                assert!(session.path == "/" && session.value.len() < 1024, "{session:#?}");
                stage.person.restart();
                assert_eq!(stage.user().await, None);
            },
        ),
        Row::new(
            "own: attempt-cookie",
            "during sign-in, and after",
            "a cookie of its own for own endpoints only, gone afterwards",
            |stage| async move {
                let visit = stage.before_callback(&stage.person, WANTED).await;
                let attempts = attempts(&stage.person);
                let [attempt] = attempts.as_slice() else { panic!("{attempts:#?}") };
                let seen = (attempt.secure, attempt.http_only, attempt.path.as_str());
                assert_eq!(seen, (true, true, "/.auth"), "{attempt:#?}");
                let page = stage.person.visit(visit).await;
                stage.shows(&page, "ada");
                assert_eq!(self::attempts(&stage.person).len(), 0);
            },
        ),
        Row::new(
            "own: attempts-bounded",
            "twelve sign-ins that are begun and not ended",
            "at most five attempts are kept",
            |stage| async move {
                for _ in 0..12 {
                    stage.before_callback(&stage.person, WANTED).await;
                }
                let kept = attempts(&stage.person).len();
                assert!((1..=5).contains(&kept), "{kept} attempts");
            },
        ),
        Row::new(
            "own: cookies-stay-here",
            "a request of a session",
            "the app sees none of our cookies, and those of its own",
            |stage| async move {
                stage.is_accepted().await;
                stage.person.change_jar(|jar| {
                    jar.put(Kept {
                        name: "theme".to_owned(),
                        value: "dark".to_owned(),
                        ..jar.named(SESSION).unwrap().clone()
                    })
                });
                assert_eq!(stage.user().await.as_deref(), Some("ada"));
                let requests = stage.upstream.requests();
                assert_eq!(requests.last().unwrap().values("cookie"), ["theme=dark"]);
            },
        ),
    ]
}

/// Session cookies that must not count. Nothing of it is an error of ours: people sign in again.
fn spoilt() -> Vec<Row> {
    let spoil = |case, change: fn(&str) -> String| {
        Row::new("own: session-cookie-spoilt", case, SIGNS_IN_AGAIN, move |stage| async move {
            stage.is_accepted().await;
            stage.person.change_jar(|jar| jar.tamper(SESSION, change));
            is_logged_out(&stage, &["session_malformed", "session_key_unknown"]).await;
            stage.is_accepted().await;
        })
    };
    vec![
        spoil("a bit at the beginning is another", |value| flipped(value, 0)),
        spoil("the name of its key is another", |value| flipped(value, 4)),
        spoil("a bit in the middle is another", |value| flipped(value, value.len() / 2)),
        spoil("a bit at the end is another", |value| flipped(value, value.len() - 2)),
        spoil("the last half is missing", |value| value[..value.len() / 2].to_owned()),
        spoil("it is text", |_| "ada".to_owned()),
        spoil("it is longer", |value| format!("{value}AAAA")),
        Row::new(
            "own: session-cookie-spoilt",
            "it is empty",
            "as if there were none",
            |stage| async move {
                stage.is_accepted().await;
                stage.person.change_jar(|jar| jar.tamper(SESSION, |_| String::new()));
                is_logged_out(&stage, &["missing_credential"]).await;
                stage.is_accepted().await;
            },
        ),
        Row::new(
            "own: session-cookie-elsewhere",
            "the session's cookie at another host name",
            "no session there",
            |stage| async move {
                stage.is_accepted().await;
                let elsewhere = stage.site.replacen("app.test", "other.test", 1);
                let thief = moved(&stage.person, "other.test");
                let page = thief.fetch(&format!("{elsewhere}/api")).await;
                assert_eq!(page.status, 401, "{page:#?}");
                let log = async || stage.sidegate.program.output();
                stage.soon(async || log().await.contains("session_malformed")).await;
            },
        ),
        Row::new(
            "own: cookies-swapped",
            "the cookie of an attempt in place of the session's",
            "no session",
            |stage| async move {
                stage.before_callback(&stage.person, WANTED).await;
                let attempt = attempts(&stage.person).remove(0);
                let session = Kept { name: SESSION.to_owned(), path: "/".to_owned(), ..attempt };
                stage.person.change_jar(|jar| jar.put(session));
                is_logged_out(&stage, &["session_malformed"]).await;
            },
        ),
        Row::new(
            "own: session-cookie-twice",
            "two cookies of the session's name",
            "400 that says what to do",
            |stage| async move {
                stage.is_accepted().await;
                let second = Kept { path: "/api".to_owned(), ..session(&stage.person) };
                stage.person.change_jar(|jar| jar.put(second));
                assert_eq!(stage.person.fetch(&stage.url("/api")).await.status, 400);
            },
        ),
    ]
}

/// A session that is larger than a cookie.
fn pieces() -> Vec<Row> {
    let spoil = |case, change: fn(&mut Jar)| {
        let check = move |stage: Arc<Stage>| async move {
            let groups: Vec<String> = (0..120).map(group).collect();
            stage.provider.person(json!({ "sub": "ada", "groups": groups })).await;
            stage.is_accepted().await;
            assert!(stage.person.jar().named(SECOND).is_some(), "it fits into one cookie");
            stage.person.change_jar(change);
            is_logged_out(&stage, &["session_malformed", "session_key_unknown"]).await;
            stage.is_accepted().await;
        };
        let row = Row::new("own: session-cookie-pieces", case, SIGNS_IN_AGAIN, check);
        row.provider("scopes: [openid, groups]")
    };
    vec![
        spoil("the second piece is missing", |jar| jar.forget(|kept| kept.name == SECOND)),
        spoil("the first piece is missing", |jar| jar.forget(|kept| kept.name == SESSION)),
        spoil("the second piece is cut short", |jar| {
            jar.tamper(SECOND, |value| value[..value.len() / 2].to_owned());
        }),
        spoil("a bit of the second piece is another", |jar| {
            jar.tamper(SECOND, |value| flipped(value, value.len() / 2));
        }),
        spoil("the pieces are swapped", |jar| {
            let (first, second) = (value(jar, SESSION), value(jar, SECOND));
            jar.tamper(SESSION, |_| second);
            jar.tamper(SECOND, |_| first);
        }),
    ]
}

/// Sessions that do not hold: nobody goes in circles, and the page says why.
fn circles() -> Vec<Row> {
    let circle = |case, code: &'static str, lose: fn(&mut Jar)| {
        let expected = "the fourth sign-in within a minute ends on a page that names the cause";
        Row::new("own: loop", case, expected, move |stage| async move {
            for _ in 0..3 {
                stage.is_accepted().await;
                stage.person.change_jar(lose);
            }
            let page = stage.sign_in().await;
            stage.is_error(&page);
            says(&page, code);
            // Whoever has read it may try again.
            stage.is_accepted().await;
        })
    };
    vec![
        circle("the session's cookie never comes back", "loop_cookie", |jar| {
            jar.forget(|kept| kept.name == SESSION);
        }),
        circle("the session is sealed with a key of another replica", "loop_keys", |jar| {
            jar.tamper(SESSION, |value| flipped(value, 4));
        }),
        Row::new(
            "own: loop",
            "the session is over at once",
            "the fourth sign-in within a minute ends on a page that names the cause",
            |stage| async move {
                for _ in 0..3 {
                    stage.is_accepted().await;
                    let sid = stage.provider.sid().await;
                    stage.provider.log_out(json!({ "sub": "ada", "sid": sid })).await;
                    stage.soon(async || stage.user().await.is_none()).await;
                }
                let page = stage.sign_in().await;
                stage.is_error(&page);
                says(&page, "loop_clock");
            },
        ),
        Row::new(
            "own: session-too-large",
            "600 groups whose names cannot be shortened",
            "a page that names the cause, once; no session",
            |stage| async move {
                let groups: Vec<String> = (0..600).map(group).collect();
                stage.provider.person(json!({ "sub": "ada", "groups": groups })).await;
                says(&stage.is_refused().await, "cookie_too_large");
            },
        )
        .provider("scopes: [openid, groups]"),
    ]
}

/// The keys that seal, and the client to which sessions belong.
fn keys() -> Vec<Row> {
    vec![
        Row::new(
            "own: keys-replaced",
            "the sealing key is another after a restart",
            "people sign in again",
            |stage| async move {
                stage.is_accepted().await;
                stage.reconfigure(|text| text.replace(KEY, OTHER_KEY)).await;
                stage.soon(async || stage.user().await.is_none()).await;
                is_logged_out(&stage, &["session_key_unknown"]).await;
                stage.is_accepted().await;
            },
        ),
        Row::new(
            "own: keys-rotated",
            "a new sealing key before the old one",
            "sessions go on",
            |stage| async move {
                stage.is_accepted().await;
                let both = format!("{{ value: \"{OTHER_KEY}\" }}, {{ value: \"{KEY}\" }}");
                let old = format!("{{ value: \"{KEY}\" }}");
                stage.reconfigure(|text| text.replace(&old, &both)).await;
                assert_eq!(stage.user().await.as_deref(), Some("ada"));
            },
        ),
        Row::new(
            "own: provider-goes",
            "the client's id is another after a reload",
            "sessions of the old one end",
            |stage| async move {
                stage.is_accepted().await;
                stage.reconfigure(|text| text.replace("client_id: web", "client_id: other")).await;
                stage.soon(async || stage.user().await.is_none()).await;
            },
        ),
    ]
}

/// Asserts that the person counts as nobody, and that the log says why: one of `reasons`.
async fn is_logged_out(stage: &Stage, reasons: &[&str]) {
    assert_eq!(stage.user().await, None);
    let says = |line: &str, reason: &str| {
        line.contains("\"path\":\"/api\"") && line.contains(&format!("\"reason\":\"{reason}\""))
    };
    let is_logged = async || {
        let log = stage.sidegate.program.output();
        log.lines().any(|line| reasons.iter().any(|reason| says(line, reason)))
    };
    stage.soon(is_logged).await;
}

/// A name that cannot be shortened.
fn group(number: u16) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, &number.to_be_bytes()))
}

fn value(jar: &Jar, name: &str) -> String {
    jar.named(name).unwrap().value.clone()
}

fn session(person: &Person) -> Kept {
    let jar = person.jar();
    jar.named(SESSION).cloned().unwrap_or_else(|| panic!("no session: {jar:#?}"))
}

fn attempts(person: &Person) -> Vec<Kept> {
    let jar = person.jar();
    jar.all().iter().filter(|kept| kept.name.starts_with(ATTEMPT)).cloned().collect()
}

/// Somebody who has brought all cookies to `host`.
fn moved(person: &Person, host: &str) -> Person {
    let thief = person.twin();
    thief.change_jar(|jar| {
        for mut kept in jar.all().to_vec() {
            host.clone_into(&mut kept.domain);
            jar.put(kept);
        }
    });
    thief
}

/// `value` with the character at `place` replaced.
fn flipped(value: &str, place: usize) -> String {
    let other = if value.as_bytes()[place] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &value[..place], &value[place + 1..])
}
