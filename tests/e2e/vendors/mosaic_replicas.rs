//! Mosaic: several sidegates that share a store. What one was handed, all know.

use super::app::HOME;
use super::mosaic_stand::Stand;
use crate::support::person::Person;
use crate::support::redis::Redis;
use crate::support::signing_in::soon;

/// Sessions in Redis, and in their cookies with what was ended in Redis.
fn stores(redis: &Redis) -> [String; 2] {
    let redis = format!("{{ redis: {{ url: \"{}\" }} }}", redis.url());
    [format!("  store: {redis}\n"), format!("  store: cookie\n  coordination: {redis}\n")]
}

/// `address`, at the sidegate of `stand`.
fn moved(stand: &Stand, address: &str) -> String {
    let mut url = url::Url::parse(address).unwrap();
    url.set_port(url::Url::parse(&stand.url("app1", HOME)).unwrap().port()).unwrap();
    url.into()
}

/// S-T1: the login service hands the session in to one sidegate, the browser comes back to another, and both know who it is.
#[tokio::test]
async fn s_t1_a_session_handed_in_to_one_sidegate_is_known_to_all_of_the_store() {
    let Some(redis) = Redis::start() else { return };
    for store in stores(&redis) {
        let Some(one) = Stand::start(&store, None).await else { return };
        // The login service speaks to this one from now on.
        let other = Stand::start_on(&one.tenant, &store, None).await;
        let ada = Person::new();
        let adopt = one.handle(&ada, "app1").await;
        let eve = ada.twin();
        let url = adopt.url.to_string();
        one.shows(&ada.visit(adopt).await, "app1");
        let page = eve.open(&moved(&other, &url)).await;
        assert_eq!(
            (page.status, other.status(&eve, "app1").await),
            (400, 401),
            "used before: {page:#?}"
        );
        other.knows(&ada, "app1").await;
        other.knows(&ada, "app2").await;
        one.knows(&ada, "app2").await;
        assert_eq!(one.tenant.session_ids().await.len(), 1);
        other.sign_out(&ada.twin(), "app2").await;
        soon(async || one.status(&ada, "app1").await == 401).await;
        assert_eq!(one.status(&ada, "app2").await, 401);
        soon(async || one.tenant.session_ids().await.is_empty()).await;
    }
}
