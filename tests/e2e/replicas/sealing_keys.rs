//! The keys of sessions are replaced at replicas that go on running (docs/replicas.md).

use super::fleet::{Fleet, KEY, Sessions, soon};
use crate::support::redis::Redis;

const NEW_KEY: &str = "c3702be94d18f65aa0e7815c3fb264d90c9be1467a52d83f1e04b7f6952da8ce";

/// Replica `index` works with these keys from now on.
async fn gives(fleet: &Fleet, index: usize, keys: &[&str]) {
    let list: Vec<String> = keys.iter().map(|key| format!("{{ value: \"{key}\" }}")).collect();
    let before = format!("keys: [{{ value: \"{KEY}\" }}]");
    let after = format!("keys: [{}]", list.join(", "));
    let configuration = fleet.configuration.replace(&before, &after);
    assert!(configuration.contains(&after));
    let program = &fleet.replicas[index].program;
    let reloads = || program.output().matches("configuration reloaded").count();
    let seen = reloads();
    fleet.replicas[index].configure(&configuration);
    soon(async || reloads() > seen).await;
}

/// At each step, who signed in before it and who signs in during it is known at every replica, whichever has gone ahead.
async fn step(fleet: &Fleet, people: &mut Vec<String>, keys: &[&str]) {
    for index in 0..fleet.replicas.len() {
        gives(fleet, index, keys).await;
        people.push(fleet.cookies(&fleet.signed_in("ada").await));
        for cookies in people.iter() {
            for address in &fleet.addresses {
                assert_eq!(fleet.status(*address, cookies).await, 200, "{}", fleet.logs());
            }
        }
    }
}

async fn replaced(sessions: Sessions) {
    let Some(redis) = Redis::durable() else { return };
    let Some(fleet) = Fleet::start(sessions, 2, redis, &[]).await else { return };
    let mut people = vec![fleet.cookies(&fleet.signed_in("ada").await)];
    step(&fleet, &mut people, &[KEY, NEW_KEY]).await;
    step(&fleet, &mut people, &[NEW_KEY, KEY]).await;
    let newest = people.last().unwrap();
    for index in 0..fleet.replicas.len() {
        gives(&fleet, index, &[NEW_KEY]).await;
    }
    for address in &fleet.addresses {
        assert_eq!(fleet.status(*address, newest).await, 200, "{}", fleet.logs());
        assert_eq!(fleet.status(*address, &people[0]).await, 401, "of the key that is gone");
    }
}

#[tokio::test]
async fn keys_are_replaced_in_steps_where_sessions_are_stored() {
    replaced(Sessions::Stored).await;
}

#[tokio::test]
async fn keys_are_replaced_in_steps_where_sessions_are_sealed() {
    replaced(Sessions::Coordinated).await;
}
