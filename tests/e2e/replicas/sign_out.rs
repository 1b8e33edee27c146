//! A sign-out at one replica counts at all of them, also at one that was cut off meanwhile.

use tokio::time::Instant;
use url::Url;

use super::fleet::{AT_MOST, Fleet, Sessions, outage, soon};
use crate::support::cut::Cut;
use crate::support::peer::report;
use crate::support::person::{Person, Stop, Visit};
use crate::support::process::{PATIENCE, Sidegate};
use crate::support::redis::Redis;
use crate::support::signing_in::WANTED;
use crate::support::timing::takes_at_most;

async fn fleet_of(sessions: Sessions) -> Option<Fleet> {
    Fleet::start(sessions, 3, Redis::durable()?, &[]).await
}

/// Posts the form that signs out.
async fn sign_out(fleet: &Fleet, person: &Person) {
    let page = Url::parse(&fleet.site).unwrap();
    let left = person.step(&Visit::post(&fleet.url("/.auth/logout"), &page, Vec::new())).await;
    assert!([200, 303].contains(&left.status), "{left:#?}");
}

async fn everywhere(sessions: Sessions) {
    let Some(fleet) = fleet_of(sessions).await else { return };
    takes_at_most(AT_MOST, async || {
        let person = fleet.signed_in("ada").await;
        let cookies = fleet.cookies(&person);
        for address in &fleet.addresses {
            assert_eq!(fleet.status(*address, &cookies).await, 200, "{}", fleet.logs());
        }
        sign_out(&fleet, &person).await;
        soon(async || {
            let mut ended = 0;
            for address in &fleet.addresses {
                ended += usize::from(fleet.status(*address, &cookies).await == 401);
            }
            ended == fleet.addresses.len()
        })
        .await
    })
    .await;
    fleet.signed_in("ada").await;
}

#[tokio::test]
async fn a_sign_out_reaches_every_replica_within_a_second_where_sessions_are_stored() {
    everywhere(Sessions::Stored).await;
}

#[tokio::test]
async fn a_sign_out_reaches_every_replica_within_a_second_where_sessions_are_sealed() {
    everywhere(Sessions::Coordinated).await;
}

/// What the provider tells one replica, all of them know.
async fn told_by_the_provider(sessions: Sessions) {
    let Some(fleet) = fleet_of(sessions).await else { return };
    let person = fleet.signed_in("ada").await;
    let cookies = fleet.cookies(&person);
    assert_eq!(fleet.status(fleet.addresses[2], &cookies).await, 200);
    let end = person.open(&format!("{}/session/end", fleet.provider.issuer)).await;
    person.fill_in(&end, &[]).await;
    soon(async || fleet.provider.logouts().await[0]["done"] == true).await;
    let took = soon(async || {
        let mut ended = true;
        for address in &fleet.addresses {
            ended &= fleet.status(*address, &cookies).await == 401;
        }
        ended
    })
    .await;
    assert!(took <= AT_MOST, "it took {took:?}");
}

#[tokio::test]
async fn a_sign_out_by_the_provider_reaches_every_replica_where_sessions_are_stored() {
    told_by_the_provider(Sessions::Stored).await;
}

#[tokio::test]
async fn a_sign_out_by_the_provider_reaches_every_replica_where_sessions_are_sealed() {
    told_by_the_provider(Sessions::Coordinated).await;
}

/// A replica that Redis is out of reach of serves what needs none of it, and hears of what it missed as soon as it is back.
#[tokio::test]
async fn a_replica_that_was_cut_off_hears_of_a_sign_out_within_a_second_of_its_return() {
    let Some(redis) = Redis::durable() else { return };
    let way = Cut::to(redis.port()).await;
    let ways = [(1, way.address)];
    let Some(fleet) = Fleet::start(Sessions::Coordinated, 2, redis, &ways).await else { return };
    let person = fleet.signed_in("ada").await;
    let cookies = fleet.cookies(&person);
    let [whole, lonely] = [fleet.addresses[0], fleet.addresses[1]];
    way.cut();
    fleet.replicas[1].program.wait_for(|line| line.contains("does not answer").then_some(())).await;
    let told = fleet.ask(whole, &cookies).await;
    assert_eq!(told.status(), 200);
    end_at(&fleet, &fleet.addresses[0], &cookies).await;
    soon(async || fleet.status(whole, &cookies).await == 401).await;
    let cut = Instant::now();
    soon(async || {
        assert_eq!(fleet.status(lonely, &cookies).await, 200, "sealed cookies are served on");
        cut.elapsed() > outage()
    })
    .await;
    way.mend();
    let took = soon(async || fleet.status(lonely, &cookies).await == 401).await;
    report(&format!("cut off for {:?}, and {took:?} later the sign-out counts", outage()));
    assert!(took <= AT_MOST, "it took {took:?}");
    soon(async || fleet.replicas[1].program.output().contains("answers again")).await;
}

/// Signs out at that very replica.
async fn end_at(fleet: &Fleet, replica: &std::net::SocketAddr, cookies: &str) {
    let host = fleet.site.trim_start_matches("https://").to_owned();
    let request = fleet.client.post(format!("http://{replica}/.auth/logout")).header("host", host);
    let request = request.header("x-forwarded-proto", "https").header("cookie", cookies);
    let request = request.header("origin", &fleet.site).header("sec-fetch-site", "same-origin");
    let request = request.header("content-type", "application/x-www-form-urlencoded").body("");
    let client = crate::support::http::client();
    let answer = client.execute(request.build().unwrap()).await.unwrap();
    assert!([200, 303].contains(&answer.status().as_u16()), "{answer:?}");
}

/// kill9-login: another replica completes what one began that died.
#[tokio::test]
async fn a_sign_in_is_completed_by_another_replica_than_began_it() {
    let Some(redis) = Redis::durable() else { return };
    let Some(mut fleet) = Fleet::start(Sessions::Stored, 2, redis, &[]).await else { return };
    let person = Person::new();
    let login = person.open(&fleet.url(WANTED)).await;
    let typed = [("login", "ada"), ("password", crate::support::signing_in::PASSWORD)];
    let callback = fleet.url("/.auth/callback/");
    let visit = crate::support::person::filled_in(&login, &typed);
    let stop = |visit: &Visit| visit.url.as_str().starts_with(&callback);
    let Stop::Before(arriving) = person.visit_until(visit, stop).await else {
        panic!("the provider did not answer")
    };
    // Whichever began it: one of the two is gone, and what comes next may be for either.
    let mut dead: Sidegate = fleet.replicas.remove(0);
    dead.program.signal("KILL").await;
    tokio::time::timeout(PATIENCE, dead.program.ended()).await.unwrap();
    let page = person.visit(arriving).await;
    fleet.shows(&page, "ada");
}
