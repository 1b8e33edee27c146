//! Redis dies, or hangs, while people work (redis-down, redis-slow).

use std::sync::Arc;
use std::time::Duration;

use reqwest::Response;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::fleet::{Fleet, Sessions, outage, soon};
use crate::support::metrics::metric;
use crate::support::peer::report;
use crate::support::process::Sidegate;
use crate::support::raw::get;
use crate::support::redis::Redis;

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
    let seen = load.end().await;
    report(&format!("dead for {:?}, back after {took:?}; {seen:?}", outage()));
    assert!(took <= Duration::from_secs(2), "it took {took:?}");
    for seen in seen {
        assert_eq!(seen.wrong, Vec::<String>::new(), "{seen:?}\n{}", fleet.logs());
        assert!(seen.good > 0 && seen.refused > 0, "{seen:?}");
    }
    assert_eq!(fleet.logs().matches("the session store does not answer").count(), 2, "once each");
}

/// What a replica holds of its machine.
#[derive(Clone, Copy, Debug)]
struct Held {
    mebibytes: u64,
    /// Connections among them.
    files: usize,
}

impl Held {
    fn by(replica: &Sidegate) -> Self {
        let process = format!("/proc/{}", replica.program.id());
        let status = std::fs::read_to_string(format!("{process}/status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kibibytes: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
        let files = std::fs::read_dir(format!("{process}/fd")).unwrap().count();
        Self { mebibytes: kibibytes >> 10, files }
    }

    fn by_all(fleet: &Fleet) -> Vec<Self> {
        fleet.replicas.iter().map(Self::by).collect()
    }

    fn or_more(self, other: Self) -> Self {
        let Self { mebibytes, files } = other;
        Self { mebibytes: self.mebibytes.max(mebibytes), files: self.files.max(files) }
    }
}

/// How many clients use each session at once.
const CLIENTS: usize = 5;

/// SIGSTOP: requests end in time, and none of those before it delays those after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_hangs_keeps_nobody_waiting() {
    let Some(redis) = Redis::durable() else { return };
    let Some(fleet) = Fleet::start(Sessions::Stored, 2, redis, &[]).await else { return };
    let fleet = Arc::new(fleet);
    let people = people(&fleet, 3).await;
    let load = Load::start(&fleet, &vec![people.clone(); CLIENTS].concat());
    // Connections to replicas are made.
    let begun = Instant::now();
    soon(async || {
        let good = fleet.status(fleet.balancer, &people[0]).await == 200;
        good && begun.elapsed() > Duration::from_secs(1)
    })
    .await;
    let before = Held::by_all(&fleet);
    // Sessions that were just looked up hold for a second: only then does each client notice.
    let hung = outage() + Duration::from_secs(1);
    fleet.redis.signal("STOP");
    let stopped = Instant::now();
    let mut most = before.clone();
    while stopped.elapsed() <= hung {
        soon(async || fleet.status(fleet.balancer, &people[0]).await == 503).await;
        for (most, now) in most.iter_mut().zip(Held::by_all(&fleet)) {
            *most = most.or_more(now);
        }
    }
    fleet.redis.signal("CONT");
    let took = soon(async || fleet.status(fleet.balancer, &people[0]).await == 200).await;
    let seen = load.end().await;
    report(&format!(
        "hung for {hung:?}, back after {took:?}: {before:?}, then at most {most:?}; {seen:?}"
    ));
    assert!(took <= Duration::from_secs(2), "it took {took:?}");
    for seen in seen {
        assert_eq!(seen.wrong, Vec::<String>::new(), "{seen:?}\n{}", fleet.logs());
        assert!(seen.refused > 0 && seen.slowest < Duration::from_secs(3), "{seen:?}");
    }
    for (before, most) in before.iter().zip(&most) {
        // One connection to the store at a time, and those of clients, which were there before.
        assert!(most.files <= before.files + 10, "{before:?}, then {most:?}");
        assert!(most.mebibytes <= before.mebibytes + 32, "{before:?}, then {most:?}");
    }
}

/// Whoever watches is told; whether it is fit for requests without its store, the operator has decided.
#[tokio::test]
async fn an_outage_shows_in_a_metric_and_where_asked_for_in_readiness() {
    let Some(redis) = Redis::durable() else { return };
    let Some(fleet) = Fleet::start(Sessions::Stored, 1, redis, &[]).await else { return };
    let watched = fleet.configuration.replace("admin: none", "admin: { address: 127.0.0.1:0 }");
    let needing = watched.replace("timeout:", "required_for_readiness: true, timeout:");
    assert!(watched != fleet.configuration && needing != watched);
    let replicas = [Sidegate::run(&watched), Sidegate::run(&needing)];
    let admins = [replicas[0].listener("admin").await, replicas[1].listener("admin").await];
    let is = async |up: f64, ready: [u16; 2]| {
        soon(async || {
            let mut as_wanted = true;
            for (admin, ready) in admins.iter().zip(ready) {
                as_wanted &= metric(*admin, "sidegate_session_store_up", &[]).await == up;
                as_wanted &= get("/readyz").send(*admin).await.status == ready;
            }
            as_wanted
        })
        .await;
    };
    is(1.0, [200, 200]).await;
    fleet.redis.kill();
    is(0.0, [200, 503]).await;
    let said = get("/readyz").send(admins[1]).await.json();
    assert!(said["missing"].to_string().contains("refused"), "{said}");
    fleet.redis.restart();
    is(1.0, [200, 200]).await;
}
