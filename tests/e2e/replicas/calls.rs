//! What requests ask of the store.

use std::collections::BTreeMap;

use redis::aio::MultiplexedConnection;

use super::fleet::{Fleet, Sessions};
use crate::support::process::Sidegate;
use crate::support::redis::Redis;

/// How often each command was called since the counters were reset, save for what each replica always asks, and what is asked here.
async fn calls(connection: &mut MultiplexedConnection) -> BTreeMap<String, u64> {
    let text: String =
        redis::cmd("INFO").arg("commandstats").query_async(connection).await.unwrap();
    let call = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    };
    let mut all: BTreeMap<String, u64> = text.lines().filter_map(call).collect();
    all.retain(|name, _| !["config|resetstat", "info", "xrange"].contains(&name.as_str()));
    all
}

/// Whoever has not been seen by a replica costs one call, and nobody costs more.
#[tokio::test]
async fn a_request_whose_session_is_not_remembered_is_one_call() {
    let Some(redis) = Redis::durable() else { return };
    let Some(fleet) = Fleet::start(Sessions::Stored, 1, redis, &[]).await else { return };
    let mut people = Vec::new();
    for user in ["ada", "bob", "ada", "ada", "bob"] {
        people.push((user, fleet.cookies(&fleet.signed_in(user).await)));
    }
    // Nobody was here before.
    let unknowing = Sidegate::run(&fleet.configuration);
    let address = unknowing.address().await;
    let ask = async |(user, cookies): &(&str, String)| {
        let answer = fleet.ask(address, cookies).await;
        assert_eq!(answer.status(), 200, "{}", unknowing.program.output());
        assert_eq!(answer.text().await.unwrap(), *user);
    };
    // From then on it is connected.
    ask(&people[0]).await;
    let client = redis::Client::open(fleet.redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    calls(&mut connection).await;
    redis::cmd("CONFIG").arg("RESETSTAT").exec_async(&mut connection).await.unwrap();
    for person in &people[1..] {
        ask(person).await;
    }
    assert_eq!(calls(&mut connection).await, BTreeMap::from([("get".to_owned(), 4)]));
}
