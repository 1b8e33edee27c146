//! Stores that are many servers, and what an operator is told of one that is not what the configuration says.

use std::time::Duration;

use super::*;
use crate::remote::sessions::tests::fleet::{Fleet, ask, by_sentinels, eventually, local, single};

/// A process with generous deadlines: tests share two processors.
fn patient(settings: RedisSettings) -> Arc<Sessions> {
    process(&StoreSettings::Redis(RedisSettings { deadline: Duration::from_secs(5), ..settings }))
}

/// What is wrong with a store, as it is told at the start and by `check --online`.
async fn complaint(settings: RedisSettings) -> String {
    let error = patient(settings).check().await.unwrap_err().to_string();
    assert!(!error.contains("hunter2"), "{error}");
    error
}

#[tokio::test]
async fn a_store_that_is_not_what_it_is_said_to_be_is_explained() {
    let Some(mut fleet) = Fleet::new() else { return };
    let alone = fleet.start(&["requirepass hunter2"]).await;
    let open = fleet.start(&["databases 2"]).await;
    let replica = fleet.start(&[&format!("replicaof 127.0.0.1 {open}")]).await;
    let node = fleet.start(&["cluster-enabled yes"]).await;
    let lonely = fleet.start(&["min-replicas-to-write 1"]).await;
    let full = fleet.start(&["maxmemory 1"]).await;
    let sentinels = fleet.watched(open).await;
    let mut misnamed = by_sentinels(&sentinels);
    if let Topology::Sentinel(sentinels) = &mut misnamed.topology {
        sentinels.primary = "other".to_owned();
    }
    let nobody = fleet.start(&[]).await;
    fleet.kill(nobody);
    let with = |password: &str| {
        let mut settings = single(alone, 0);
        settings.password = Some(Secret::new(password.to_owned()));
        settings
    };
    patient(with("hunter2")).check().await.unwrap();
    for (settings, words) in [
        (with("hunter2 and more"), "user or password are refused"),
        (single(alone, 0), "user or password are refused"),
        (single(open, 7), "no such database"),
        (single(replica, 0), "a replica, which takes no writes"),
        (single(node, 0), "part of a Cluster"),
        (single(lonely, 0), "too few replicas keep up"),
        (single(full, 0), "it is full"),
        (
            single(nobody, 0),
            &format!("redis://127.0.0.1:{nobody}: Connection refused (os error 111)"),
        ),
        (misnamed, "knows no primary called `other`; see `sentinel.primary`"),
        (by_sentinels(&[open]), "this server is no Sentinel"),
        (single(sentinels[0], 0), "this server is a Sentinel"),
        (RedisSettings::of(Topology::Cluster(vec![local(node)])), "has it been created"),
        (RedisSettings::of(Topology::Cluster(vec![local(open)])), "not part of a Cluster"),
    ] {
        let error = complaint(settings).await;
        assert!(error.contains(words), "expected {words:?} in {error:?}");
    }
}

#[tokio::test]
async fn a_store_over_tls_is_checked_and_shown_our_certificate() {
    let Some(mut fleet) = Fleet::new() else { return };
    let settings = fleet.tls().await;
    patient(settings.clone()).check().await.unwrap();
    let stranger = RedisSettings { identity: None, ..settings.clone() };
    assert!(patient(stranger).check().await.is_err(), "without a certificate");
    let unknown = RedisSettings { roots: None, ..settings };
    assert!(patient(unknown).check().await.is_err(), "of an authority that nobody knows");
}

/// Sessions of one person are on several servers, and end together.
#[tokio::test]
async fn a_cluster_has_sessions_on_all_its_servers() {
    let Some(mut fleet) = Fleet::new() else { return };
    let settings = fleet.cluster().await;
    let (here, there) = (patient(settings.clone()), patient(settings));
    here.check().await.unwrap();
    let mut tickets = Vec::new();
    for number in 1..=30 {
        tickets.push(save(&here, &session(number, "ada", Some("l1"), 0), None).await.unwrap());
    }
    let bob = save(&here, &session(31, "bob", None, 0), None).await.unwrap();
    for ticket in &tickets {
        assert!(subject(&there, ticket, 1).await.is_some());
    }
    assert_eq!(there.everybodys().await.unwrap().len(), 31);
    assert_eq!(there.of_person(ISSUER, "ada", at(1)).await.unwrap().len(), 30);
    let hold = ours(here.turn(&session(1, "ada", None, 0), Some(&tickets[0]), at(1)).await);
    let renewed = Session { renewals: 1, ..session(1, "ada", Some("l1"), 0) };
    here.renewed(&renewed, Some(&tickets[0]), hold, at(1)).await.unwrap();
    assert!(there.use_once("a", Duration::from_secs(60)).await.unwrap());
    assert!(!here.use_once("a", Duration::from_secs(60)).await.unwrap());
    end(&here, login("l1"), 1).await;
    for ticket in &tickets {
        assert_eq!(subject(&there, ticket, 1).await, None);
    }
    assert!(subject(&there, &bob, 1).await.is_some());
    there.catch_up(&mut redis::Listener::default(), at(1)).await.unwrap();
    assert!(there.revocations.is_revoked(&session(9, "ada", Some("l1"), 0), at(1)));
}

#[tokio::test]
async fn a_primary_of_a_cluster_that_fails_is_replaced() {
    let Some(mut fleet) = Fleet::new() else { return };
    let settings = fleet.cluster().await;
    let Topology::Cluster(nodes) = &settings.topology else { unreachable!() };
    let RedisAddress::Tcp(_, failing) = nodes[0] else { unreachable!() };
    let sessions = patient(settings);
    let mut tickets = Vec::new();
    for number in 1..=30 {
        tickets.push(save(&sessions, &session(number, "ada", None, 0), None).await.unwrap());
    }
    eventually(async || ask::<u32>(failing, &["WAIT", "1", "1000"]).await == 1).await;
    let role: Vec<::redis::Value> = ask(failing, &["ROLE"]).await;
    assert_eq!(role[0], ::redis::Value::BulkString(b"master".to_vec()));
    fleet.kill(failing);
    for ticket in &tickets {
        eventually(async || matches!(sessions.load(ticket, at(1)).await, Ok(Some(_)))).await;
    }
}
