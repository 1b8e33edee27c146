//! The cookies that sidegate sets, and what becomes of them in wrong hands.

use cookie::SameSite;

use super::row::Row;
use super::stage::{KEY, Stage, WANTED};
use crate::support::jar::Kept;
use crate::support::person::Person;

const SESSION: &str = "__Host-sidegate";
const ATTEMPT: &str = "__Secure-sidegate_attempt_";

#[tokio::test]
async fn cookies() {
    super::run("Cookies", [kinds(), spoilt()].into_iter().flatten().collect()).await;
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
        Row::new(
            "own: session-cookie-spoilt",
            case,
            "401 for scripts; the next navigation signs in again",
            move |stage| async move {
                stage.is_accepted().await;
                stage.person.change_jar(|jar| jar.tamper(SESSION, change));
                assert_eq!(stage.user().await, None);
                stage.is_accepted().await;
            },
        )
    };
    vec![
        spoil("a bit in the middle is another", |value| flipped(value, value.len() / 2)),
        spoil("a bit at the end is another", |value| flipped(value, value.len() - 2)),
        spoil("the last half is missing", |value| value[..value.len() / 2].to_owned()),
        spoil("it is empty", |_| String::new()),
        spoil("it is text", |_| "ada".to_owned()),
        spoil("it is longer", |value| format!("{value}AAAA")),
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
                assert_eq!(stage.user().await, None);
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
        Row::new(
            "own: keys-replaced",
            "the sealing key is another after a restart",
            "people sign in again",
            |stage| async move {
                stage.is_accepted().await;
                let other = Stage::key_of(7);
                stage.reconfigure(|text| text.replace(KEY, &other)).await;
                stage.soon(async || stage.user().await.is_none()).await;
                stage.is_accepted().await;
            },
        ),
        Row::new(
            "own: keys-rotated",
            "a new sealing key before the old one",
            "sessions go on",
            |stage| async move {
                stage.is_accepted().await;
                let both = format!("{{ value: {} }}, {{ value: {} }}", Stage::key_of(7), KEY);
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
