//! Redis dies, or hangs, while people work (redis-down, redis-slow).

use std::sync::Arc;
use std::time::Duration;

use reqwest::Response;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::fleet::{Fleet, Sessions, soon};
use crate::support::redis::Redis;

/// How long Redis is away; another number of seconds by `SIDEGATE_OUTAGE`.
fn outage() -> Duration {
    let told = std::env::var("SIDEGATE_OUTAGE").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(told.unwrap_or(1))
}

/// Requests that go on all the time.
struct Load {
    stop: watch::Sender<bool>,
    running: Vec<JoinHandle<Seen>>,
}

/// What came of them.
#[derive(Debug, Default)]
struct Seen {
    good: usize,
    refused: usize,
    /// Neither 200 nor 503, or a cookie that was taken away.
    wrong: Vec<String>,
    slowest: Duration,
}

impl Load {
    fn start(fleet: &Arc<Fleet>, people: &[String]) -> Self {
        let stop = watch::Sender::new(false);
        let running = people.iter().map(|cookies| {
            let (fleet, cookies, mut stopped) =
                (Arc::clone(fleet), cookies.clone(), stop.subscribe());
            tokio::spawn(async move {
                let mut seen = Seen::default();
                while !*stopped.borrow_and_update() {
                    let begun = Instant::now();
                    seen.note(fleet.ask(fleet.balancer, &cookies).await);
                    seen.slowest = seen.slowest.max(begun.elapsed());
                }
                seen
            })
        });
        let running = running.collect();
        Self { stop, running }
    }

    async fn end(self) -> Vec<Seen> {
        self.stop.send_replace(true);
        let mut all = Vec::new();
        for one in self.running {
            all.push(one.await.unwrap());
        }
        all
    }
}

impl Seen {
    fn note(&mut self, answer: Response) {
        let cookies = answer.headers().get_all("set-cookie").iter();
        if cookies.into_iter().any(|cookie| cookie.to_str().unwrap().contains("Max-Age=0")) {
            self.wrong.push("a cookie was taken away".to_owned());
        }
        match answer.status().as_u16() {
            200 => self.good += 1,
            503 => self.refused += 1,
            other => self.wrong.push(other.to_string()),
        }
    }
}

async fn people(fleet: &Fleet, count: usize) -> Vec<String> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(fleet.cookies(&fleet.signed_in("ada").await));
    }
    all
}

/// Nobody gets in without the store, nobody loses their session, and tokens are served on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_dies_signs_nobody_out_and_lets_nobody_in() {
    let Some(redis) = Redis::durable() else { return };
    let Some(fleet) = Fleet::start(Sessions::Stored, 2, redis, &[]).await else { return };
    let fleet = Arc::new(fleet);
    let token = fleet.provider.token("bob", "RS256").await;
    let people = people(&fleet, 3).await;
    let load = Load::start(&fleet, &people);
    fleet.redis.kill();
    let killed = Instant::now();
    soon(async || fleet.status(fleet.balancer, &people[0]).await == 503).await;
    soon(async || {
        let bearer = fleet.client.get(format!("http://{}/api", fleet.balancer));
        let bearer = bearer.header("host", fleet.site.trim_start_matches("https://"));
        let bearer = bearer.header("x-forwarded-proto", "https").bearer_auth(&token);
        assert_eq!(bearer.send().await.unwrap().status(), 200, "tokens are served on");
        killed.elapsed() > outage()
    })
    .await;
    fleet.redis.restart();
    let took = soon(async || {
        let mut good = true;
        for cookies in &people {
            for address in &fleet.addresses {
                good &= fleet.status(*address, cookies).await == 200;
            }
        }
        good
    })
    .await;
    assert!(took <= Duration::from_secs(2), "it took {took:?}");
    for seen in load.end().await {
        assert_eq!(seen.wrong, Vec::<String>::new(), "{seen:?}\n{}", fleet.logs());
        assert!(seen.good > 0 && seen.refused > 0, "{seen:?}");
    }
    assert_eq!(fleet.logs().matches("the session store does not answer").count(), 2, "once each");
}

/// SIGSTOP: requests end in time, and none of those before it delays those after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_hangs_keeps_nobody_waiting() {
    let Some(redis) = Redis::durable() else { return };
    let Some(fleet) = Fleet::start(Sessions::Stored, 2, redis, &[]).await else { return };
    let fleet = Arc::new(fleet);
    let people = people(&fleet, 3).await;
    let load = Load::start(&fleet, &people);
    fleet.redis.signal("STOP");
    let stopped = Instant::now();
    soon(async || {
        let refused = fleet.status(fleet.balancer, &people[0]).await == 503;
        refused && stopped.elapsed() > outage()
    })
    .await;
    fleet.redis.signal("CONT");
    let took = soon(async || fleet.status(fleet.balancer, &people[0]).await == 200).await;
    assert!(took <= Duration::from_secs(2), "it took {took:?}");
    for seen in load.end().await {
        assert_eq!(seen.wrong, Vec::<String>::new(), "{seen:?}\n{}", fleet.logs());
        assert!(seen.refused > 0 && seen.slowest < Duration::from_secs(3), "{seen:?}");
    }
}
