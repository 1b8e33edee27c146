//! Primaries that die, hang, or are replaced while they live; and sessions that outlive them.

use std::time::Duration;

use tokio::time::timeout;

use super::*;
use crate::remote::sessions::tests::fleet::{
    Fleet, PATIENCE, PRIMARY, ask, by_sentinels, connected, eventually, say, tried,
};
use crate::remote::sessions::tests::server::report;

/// How long it may take in all until the store can be used again.
const IN_ALL: Duration = Duration::from_secs(5);

/// How long our part of it may take, after Redis does its part: the pause between two attempts, and connecting.
const OURS: Duration = Duration::from_secs(1);

/// When what could be done again, from the blow on.
#[derive(Debug, Default)]
struct Recovery {
    /// A Sentinel names another primary.
    named: Duration,
    /// That one takes writes.
    writable: Duration,
    /// We find sessions.
    our_reads: Duration,
    /// We store them.
    our_writes: Duration,
}

/// Stores sessions numbered from `first` on until one is not confirmed, or there are no more numbers; their tickets.
async fn store_all(sessions: Arc<Sessions>, first: u8) -> Vec<Ticket> {
    let mut tickets = Vec::new();
    for number in first..=u8::MAX {
        match save(&sessions, &session(number, "ada", None, 0), None).await {
            Ok(ticket) => tickets.push(ticket),
            Err(_) => break,
        }
    }
    tickets
}

/// The ticket of the session numbered `number`, however often it takes to store it.
async fn stored(sessions: &Sessions, number: u8) -> Ticket {
    let ada = session(number, "ada", None, 0);
    let storing = async {
        loop {
            match save(sessions, &ada, None).await {
                Ok(ticket) => break ticket,
                Err(error) => assert!(matches!(error, StoreError::Unavailable(_)), "{error}"),
            }
        }
    };
    timeout(PATIENCE, storing).await.expect("it is stored")
}

/// Waits until both replicas have all that the primary has: from then on it is committed.
async fn committed(primary: u16) {
    let mut connection = connected(primary).await.unwrap();
    // It waits for what was written before on the same connection, and thereby for all that was written before that.
    say::<()>(&mut connection, &["SET", "mark", "1"]).await.unwrap();
    let copies: u32 = say(&mut connection, &["WAIT", "2", "30000"]).await.unwrap();
    assert_eq!(copies, 2, "both replicas have all of it");
}

/// The primary that one of these Sentinels names, if it is not the one at `old`.
async fn another(sentinels: &[u16], old: u16) -> Option<u16> {
    let question = ["SENTINEL", "get-master-addr-by-name", PRIMARY];
    for sentinel in sentinels {
        let named = tried::<(String, u16)>(*sentinel, &question).await;
        if let Some((_, port)) = named.ok().filter(|(_, port)| *port != old) {
            return Some(port);
        }
    }
    None
}

/// When a Sentinel names another primary than the one at `old`, and when that one takes writes.
async fn redis_recovers(sentinels: Vec<u16>, old: u16, begun: Instant) -> (Duration, Duration) {
    eventually(async || another(&sentinels, old).await.is_some()).await;
    let named = begun.elapsed();
    let new = another(&sentinels, old).await.expect("it stays so");
    eventually(async || tried::<()>(new, &["SET", "mark", "2"]).await.is_ok()).await;
    (named, begun.elapsed())
}

async fn fails_over(how: &str, blow: impl FnOnce(&mut Fleet, u16)) {
    let Some(mut fleet) = Fleet::new() else { return };
    let ([primary, ..], sentinels) = fleet.sentinels().await;
    let sessions = process(&StoreSettings::Redis(by_sentinels(&sentinels)));
    eventually(async || sessions.check().await.is_ok()).await;
    let mut kept = Vec::new();
    for number in 0..100 {
        kept.push(stored(&sessions, number).await);
    }
    committed(primary).await;
    let late = tokio::spawn(store_all(Arc::clone(&sessions), 100));
    eventually(async || ask::<u32>(primary, &["DBSIZE"]).await > 110).await;
    blow(&mut fleet, primary);
    let begun = Instant::now();
    let observed = tokio::spawn(redis_recovers(sentinels, primary, begun));
    let mut recovery = Recovery::default();
    eventually(async || matches!(sessions.load(&kept[0], at(1)).await, Ok(Some(_)))).await;
    recovery.our_reads = begun.elapsed();
    eventually(async || sessions.check().await.is_ok()).await;
    recovery.our_writes = begun.elapsed();
    (recovery.named, recovery.writable) = observed.await.unwrap();
    let late = late.await.unwrap();
    let mut lost = 0;
    for ticket in &late {
        lost += usize::from(sessions.load(ticket, at(1)).await.unwrap().is_none());
    }
    let of = late.len();
    report(&format!(
        "{how}: {recovery:?}; {lost} of {of} lost that were confirmed, but not committed"
    ));
    for ticket in &kept {
        assert_eq!(subject(&sessions, ticket, 1).await.as_deref(), Some("ada"));
    }
    let Recovery { named, writable, our_reads, our_writes } = recovery;
    assert!(our_reads <= named + OURS && our_writes <= writable + OURS, "{recovery:?}");
    // Redis may need two attempts, or a busy machine, more than that by itself.
    assert!(our_writes <= IN_ALL.max(writable + OURS / 2), "{recovery:?}");
}

#[tokio::test]
async fn a_primary_that_dies_is_replaced_and_no_committed_session_is_lost() {
    fails_over("killed", Fleet::kill).await;
}

/// A machine that is gone closes no connection.
#[tokio::test]
async fn a_primary_that_hangs_is_replaced_and_no_committed_session_is_lost() {
    fails_over("hangs", |fleet, primary| fleet.hang(primary)).await;
}

/// Where the session numbered `number` of this process ends up.
async fn stored_at(sessions: &Sessions, number: u8, servers: &[u16]) -> Vec<u16> {
    let session = session(number, "ada", None, 0);
    if save(sessions, &session, None).await.is_err() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for port in servers {
        let key = format!("sidegate:s:{{{}}}", session.id.text());
        if ask::<u8>(*port, &["EXISTS", &key]).await == 1 {
            found.push(*port);
        }
    }
    found
}

/// An old primary that was cut off from the others still answers, and what it is told is lost. So does a Sentinel that was cut off
/// along with it, the first that is asked.
#[tokio::test]
async fn a_primary_that_was_replaced_is_left_though_it_answers() {
    let Some(mut fleet) = Fleet::new() else { return };
    let servers = [fleet.start(&[]).await, fleet.start(&[]).await];
    let sentinels = fleet.watched(servers[0]).await;
    let generous = Duration::from_secs(5);
    let patient = || {
        let settings = RedisSettings { deadline: generous, ..by_sentinels(&sentinels) };
        process(&StoreSettings::Redis(settings))
    };
    let before = patient();
    assert_eq!(stored_at(&before, 1, &servers).await, [servers[0]]);
    let [_, second, third] = sentinels[..] else { unreachable!() };
    let new = servers[1].to_string();
    for (sentinel, expected) in [(second, servers[0]), (third, servers[1])] {
        ask::<()>(sentinel, &["SENTINEL", "REMOVE", PRIMARY]).await;
        ask::<()>(sentinel, &["SENTINEL", "MONITOR", PRIMARY, "127.0.0.1", &new, "2"]).await;
        assert_eq!(stored_at(&patient(), 2, &servers).await, [expected], "most of them count");
        let _ = ask::<u8>(servers[0], &["DEL", &format!("sidegate:s:{{{}}}", id(2).text())]).await;
    }
    eventually(async || stored_at(&before, 3, &servers).await.contains(&servers[1])).await;
}
