//! What sessions cost the store, and what a store that hangs costs us.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::*;
use crate::remote::sessions::tests::fleet::eventually;
use crate::remote::sessions::tests::server::{Server, report};
use crate::session::Renewal;

/// The most that one session without the provider's tokens may take in the store, in bytes, what the allocator rounds up included.
const MOST: usize = 1024;

/// The same with what the server needs to find and to forget it: its tables of keys and of when they end.
const MOST_IN_ALL: usize = 1280;

/// A session as a usual provider makes it, with tokens of about this many bytes: refresh, access, ID token.
pub(super) fn usual(with_tokens: [usize; 3]) -> Session {
    let serde_json::Value::Object(claims) = json!({
        "sub": "248289761001", "email": "ada.lovelace@example.com", "email_verified": true,
        "name": "Ada Lovelace", "preferred_username": "ada", "auth_time": 1_795_599_000,
        "acr": "urn:example:loa:2", "amr": ["pwd", "otp"], "groups": ["staff", "admins"],
    }) else {
        unreachable!()
    };
    let [refresh, access, id] = with_tokens;
    // Times take more room today than in 1970.
    let (started, ends) = (at(1_795_599_000), at(1_795_599_000 + 86_400));
    Session {
        started,
        ends,
        idle_until: started + Duration::from_secs(1800),
        renewal: Some(Renewal { due: started + Duration::from_secs(240), by: ends }),
        claims: Claims::from(claims),
        tokens: Tokens { refresh: opaque(refresh), access: jwt(access), id: jwt(id) },
        ..session(1, "248289761001", Some("08a5019c-17e1-4977-8f42-65a12843ea02"), 0)
    }
}

/// Random bytes in base64url, as many as fit into `length`: nothing of it can be packed.
fn random_text(length: usize) -> String {
    let blocks = (0..=length / 1024).flat_map(|_| body::random::<1024>().unwrap());
    URL_SAFE_NO_PAD.encode(blocks.take(length * 3 / 4).collect::<Vec<u8>>())
}

fn opaque(length: usize) -> Option<Secret<String>> {
    (length > 0).then(|| Secret::new(random_text(length)))
}

/// Header, claims and an RSA signature.
fn jwt(length: usize) -> Option<Secret<String>> {
    let (header, signature) = (48, 342);
    let claims = length.checked_sub(header + signature + 2)?;
    let parts = [header, claims, signature].map(random_text);
    Some(Secret::new(parts.join(".")))
}

/// What the store takes for the session beside its tokens, in bytes: itself with a note, and its place among those of its login and
/// person.
async fn taken(server: &Server, sessions: &Sessions, session: &Session) -> usize {
    server.command::<()>(&["FLUSHALL"]).await;
    store(sessions, session).await;
    let mut all = 0;
    let keys: Vec<String> = server.command(&["KEYS", "sidegate:[sul]:*"]).await;
    assert_eq!(keys.len(), 3, "{keys:?}");
    for key in keys {
        all += server.command::<usize>(&["MEMORY", "USAGE", &key]).await;
    }
    let Tokens { refresh, access, id } = &session.tokens;
    let tokens = [refresh, access, id].into_iter().flatten().map(|token| token.expose().len());
    // Long tokens are kept in less room than they have: what is left for all else may be nothing.
    all.saturating_sub(tokens.sum())
}

/// Stores it as a sign-in does, with a note.
async fn store(sessions: &Sessions, session: &Session) {
    save(sessions, session, None).await.unwrap();
    let note = Note {
        provider: session.provider.clone(),
        subject: session.subject.clone(),
        host: HOST.to_owned(),
        device: Some("Firefox, Linux".to_owned()),
        started: session.started,
        ends: session.ends,
    };
    sessions.note(session, &note).await.unwrap();
}

/// Whatever the allocator rounds up is a part of it.
#[tokio::test]
async fn a_session_takes_at_most_a_kilobyte_beside_its_tokens() {
    let Some(server) = Server::start() else { return };
    let sessions = process(&server.settings());
    let mut most = (0, [0; 3]);
    let with = (400..4000).step_by(75).map(|length| [64, length, length]);
    let without = [[0; 3], [64, 0, 0], [512, 0, 0], [1024, 0, 0]];
    for lengths in without.into_iter().chain(with) {
        let taken = taken(&server, &sessions, &usual(lengths)).await;
        if lengths == [0; 3] || lengths == [64, 1000, 1000] {
            report(&format!("{taken} bytes beside tokens of {lengths:?}"));
        }
        most = most.max((taken, lengths));
    }
    report(&format!("{} bytes at most, with tokens of {:?}", most.0, most.1));
    assert!(most.0 <= MOST, "{most:?}");
}

/// How often each command was called, by the word of the server.
async fn calls(server: &Server) -> Vec<(String, u64)> {
    let text: String = server.command(&["INFO", "commandstats"]).await;
    let line = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    };
    text.lines().filter_map(line).collect()
}

#[tokio::test]
async fn a_look_up_is_one_round_trip() {
    let Some(server) = Server::start() else { return };
    let sessions = process(&server.settings());
    let ticket = save(&sessions, &session(1, "ada", None, 0), None).await.unwrap();
    server.command::<()>(&["CONFIG", "RESETSTAT"]).await;
    for _ in 0..10 {
        assert!(subject(&sessions, &ticket, 1).await.is_some());
    }
    let ours = calls(&server).await;
    let ours: Vec<_> = ours
        .iter()
        .filter(|(name, _)| {
            !matches!(name.as_str(), "info" | "config|resetstat" | "client|setinfo")
        })
        .collect();
    assert_eq!(ours, [&("get".to_owned(), 10)]);
}

/// A page with a hundred pictures asks once.
#[tokio::test]
async fn those_who_come_together_cause_one_look_up() {
    let Some(server) = Server::start() else { return };
    let sessions = process(&server.settings());
    let ticket = Arc::new(save(&sessions, &session(1, "ada", None, 0), None).await.unwrap());
    let other = Arc::new(Ticket { id: ticket.id, key: Secret::new([9; 32]) });
    server.command::<()>(&["CONFIG", "RESETSTAT"]).await;
    let mut waiting = JoinSet::new();
    for _ in 0..100 {
        let (sessions, ticket) = (Arc::clone(&sessions), Arc::clone(&ticket));
        waiting
            .spawn(async move { sessions.load_together(&ticket, at(1)).await.unwrap().is_some() });
    }
    let forged = sessions.load_together(&other, at(1)).await;
    assert!(matches!(forged, Err(StoreError::Damaged)), "another key opens nothing: {forged:?}");
    assert!(waiting.join_all().await.into_iter().all(|found| found));
    let gets = calls(&server).await.into_iter().find(|(name, _)| name == "get");
    assert!(gets.as_ref().is_some_and(|(_, count)| *count < 20), "{gets:?}");
}

/// SIGSTOP: hundreds of requests wait no longer than one call may take, those after them not at all, and nothing piles up.
#[tokio::test]
async fn a_store_that_hangs_holds_nobody_up_for_long() {
    let Some(server) = Server::start() else { return };
    let generous = process(&server.settings());
    let ticket = save(&generous, &session(1, "ada", None, 0), None).await.unwrap();
    let deadline = Duration::from_millis(250);
    let hasty = process(&StoreSettings::Redis(RedisSettings { deadline, ..server.redis() }));
    eventually(async || hasty.check().await.is_ok()).await;
    server.signal("-STOP");
    let begun = Instant::now();
    let mut waiting = JoinSet::new();
    for _ in 0..500 {
        let (sessions, ticket) = (Arc::clone(&hasty), ticket.clone());
        waiting.spawn(async move { sessions.load(&ticket, at(1)).await });
    }
    for outcome in waiting.join_all().await {
        assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    }
    // One after the other they would take two minutes.
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    let after = Instant::now();
    for _ in 0..1000 {
        assert!(hasty.load(&ticket, at(1)).await.is_err());
    }
    assert!(after.elapsed() < Duration::from_secs(30), "{:?}", after.elapsed());
    server.signal("-CONT");
    let back = Instant::now();
    eventually(async || hasty.load(&ticket, at(1)).await.is_ok()).await;
    assert!(back.elapsed() < Duration::from_secs(10), "{:?}", back.elapsed());
    assert_eq!(subject(&hasty, &ticket, 1).await.as_deref(), Some("ada"));
    let clients: String = server.command(&["INFO", "clients"]).await;
    let connected = clients.lines().find_map(|line| line.strip_prefix("connected_clients:"));
    assert!(connected.unwrap().trim().parse::<u32>().unwrap() < 20, "{clients}");
}

/// What could not be told to the others is told when the store is back.
#[tokio::test]
async fn what_was_ended_during_an_outage_is_made_known_after_it() {
    let Some(server) = Server::start() else { return };
    let deadline = Duration::from_millis(250);
    let settings = StoreSettings::Redis(RedisSettings { deadline, ..server.redis() });
    let (here, there) = (process(&settings), process(&server.settings()));
    let ticket = save(&there, &session(1, "ada", Some("l1"), 0), None).await.unwrap();
    tokio::spawn(Sessions::follow(Arc::downgrade(&here), Clock::fixed(at(1))));
    eventually(async || here.check().await.is_ok()).await;
    server.signal("-STOP");
    let outcome = here.end(&login("l1"), at(1), at(ENDS), at(1)).await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    server.signal("-CONT");
    eventually(async || matches!(there.load(&ticket, at(1)).await, Ok(None))).await;
}

/// What a server that has only sessions grows by, what it needs to find and to forget them included.
#[tokio::test]
async fn a_server_grows_by_little_more_than_what_its_sessions_take() {
    const COUNT: u16 = 2000;
    let Some(server) = Server::start() else { return };
    let sessions = process(&server.settings());
    let used = async || {
        let text: String = server.command(&["INFO", "memory"]).await;
        let line = text.lines().find_map(|line| line.strip_prefix("used_memory:"));
        line.unwrap().trim().parse::<usize>().unwrap()
    };
    sessions.check().await.unwrap();
    let before = used().await;
    for number in 0..COUNT {
        let mut name = [0; 16];
        name[..2].copy_from_slice(&number.to_be_bytes());
        let subject = format!("{:012}", number);
        let sid = Some(format!("08a5019c-17e1-4977-8f42-{number:012}"));
        let id = SessionId::from_bytes(name);
        store(&sessions, &Session { id, subject, sid, ..usual([0; 3]) }).await;
    }
    let each = (used().await - before) / usize::from(COUNT);
    report(&format!("{each} bytes for each of {COUNT} sessions, by all that the server uses"));
    assert!(each <= MOST_IN_ALL, "{each}");
}
