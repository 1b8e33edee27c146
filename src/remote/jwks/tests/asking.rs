//! What a request with a doubtful key is told, and how many fetches it costs.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Asks for that many unknown keys at once, each with an id that was never asked for before.
async fn flood(rig: &Arc<Rig>, count: usize) -> Vec<Told> {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let mut asking = JoinSet::new();
    for _ in 0..count {
        let (rig, id) = (Arc::clone(rig), ASKED.fetch_add(1, Ordering::Relaxed));
        asking.spawn(async move { rig.ask_unknown(&format!("random-{id}")).await });
    }
    asking.join_all().await
}

#[tokio::test]
async fn keys_are_fetched_at_start_and_shown_on_the_ring() {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    let rig = Rig::settled(vec![at_uri(&origin, quiet())]).await;
    assert_eq!(rig.kids(), ["a"]);
    assert_eq!(rig.record.count(RefreshResult::Fresh), 1);
    let status = rig.keeper.status().remove(0);
    assert_eq!(
        (status.keys, status.loaded, status.confirmed, status.error),
        (1, Some(NOW), Some(NOW), None)
    );
}

#[tokio::test]
async fn a_request_waits_for_the_first_fetch() {
    let origin = Origin::start().await;
    let gate = watch::Sender::new(false);
    origin.on("/jwks", Answer::json(&keys(&["a"])).behind(&gate));
    let rig = Arc::new(Rig::start(vec![at_uri(&origin, quiet())]));
    let asking = Arc::clone(&rig);
    let asker = tokio::spawn(async move { asking.ask("a", KeyDoubt::NotLoaded).await });
    origin.requested("/jwks", 1).await;
    gate.send_replace(true);
    assert_eq!(within(asker).await.unwrap(), fresh(&["a"]));
}

// Row x012.
#[tokio::test]
async fn a_request_does_not_wait_for_a_provider_that_hangs() {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::raw("").then_hang());
    let rig = Rig::start(vec![at_uri(&origin, quiet())]);
    let asked = tokio::time::Instant::now();
    assert_eq!(rig.ask("a", KeyDoubt::NotLoaded).await, Told::Unavailable);
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
}

// Row x012.
#[tokio::test]
async fn an_unknown_key_is_unknown_while_the_provider_hangs() {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    let rig = Rig::settled(vec![at_uri(&origin, quiet())]).await;
    origin.on("/jwks", Answer::raw("").then_hang());
    let asked = tokio::time::Instant::now();
    assert_eq!(rig.ask_unknown("b").await, Told::Unchanged);
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    assert_eq!(rig.kids(), ["a"]);
}

// Row x015.
#[tokio::test]
async fn a_new_key_is_found_by_the_first_request_that_uses_it() {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    let rig = Rig::settled(vec![at_uri(&origin, quiet())]).await;
    origin.on("/jwks", Answer::json(&keys(&["b"])));
    assert_eq!(rig.ask_unknown("b").await, fresh(&["b"]));
    assert_eq!((rig.kids(), origin.requests("/jwks").len()), (vec!["b".to_owned()], 2));
}

// Row x016.
#[tokio::test]
async fn new_material_under_an_old_id_is_found_by_a_bad_signature() {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    let rig = Rig::settled(vec![at_uri(&origin, quiet())]).await;
    origin.on("/jwks", Answer::json(&keys(&["a", "b"])));
    assert_eq!(rig.ask("a", KeyDoubt::BadSignature).await, fresh(&["a", "b"]));
    for _ in 0..10 {
        rig.ask("b", KeyDoubt::BadSignature).await;
    }
    assert_eq!(origin.requests("/jwks").len(), 2);
}

#[tokio::test]
async fn a_thousand_requests_with_unknown_keys_share_one_fetch() {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    let rig = Arc::new(Rig::settled(vec![at_uri(&origin, quiet())]).await);
    flood(&rig, 1000).await;
    assert_eq!(origin.requests("/jwks").len(), 2, "one at start, one for all");
}

// Row x017.
#[tokio::test]
async fn a_flood_of_unknown_keys_is_answered_without_further_fetches() {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    let rig = Arc::new(Rig::settled(vec![at_uri(&origin, quiet())]).await);
    for _ in 0..20 {
        flood(&rig, 500).await;
    }
    assert_eq!(origin.requests("/jwks").len(), 2);
    assert!(rig.record.count(RefreshResult::Cooldown) > 9000);
    assert_eq!(rig.kids(), ["a"]);
}

// Row x018.
#[tokio::test]
async fn a_flood_while_there_are_no_keys_causes_no_fetch_at_all() {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::status("500 Oops"));
    let bounds = RefreshBounds { retry_min: Duration::from_secs(4), ..quiet() };
    let rig = Arc::new(Rig::settled(vec![at_uri(&origin, bounds)]).await);
    assert!(flood(&rig, 1000).await.iter().all(|told| *told == Told::Unavailable));
    assert_eq!(origin.requests("/jwks").len(), 1);
}

// Row x018.
#[tokio::test]
async fn the_cooldown_counts_from_failed_attempts_too() {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    let rig = Arc::new(Rig::settled(vec![at_uri(&origin, quiet())]).await);
    origin.on("/jwks", Answer::json("{\"keys\":[]}"));
    for _ in 0..3 {
        assert!(
            flood(&rig, 100)
                .await
                .iter()
                .all(|told| matches!(told, Told::Unchanged | Told::Fresh(_)))
        );
    }
    assert_eq!(origin.requests("/jwks").len(), 2);
    assert_eq!(rig.kids(), ["a"]);
}

// Row x018.
#[tokio::test]
async fn a_refresh_that_fails_by_itself_starts_the_cooldown_as_well() {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    let bounds = RefreshBounds { min: MILLISECOND, max: MILLISECOND, ..quiet() };
    let rig = Rig::settled(vec![at_uri(&origin, bounds)]).await;
    origin.on("/jwks", Answer::status("500 Oops"));
    rig.until_error("500").await;
    let before = origin.requests("/jwks").len();
    assert_eq!(rig.ask_unknown("b").await, Told::Unchanged);
    assert_eq!(origin.requests("/jwks").len(), before);
}

#[tokio::test]
async fn what_was_unknown_is_asked_again_after_the_set_has_changed() {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    let bounds = RefreshBounds { cooldown: Duration::ZERO, ..quiet() };
    let rig = Rig::settled(vec![at_uri(&origin, bounds)]).await;
    rig.ask_unknown("early").await;
    origin.on("/jwks", Answer::json(&keys(&["a", "b"])));
    rig.ask_unknown("b").await;
    origin.on("/jwks", Answer::json(&keys(&["a", "b", "early"])));
    assert_eq!(rig.ask_unknown("early").await, fresh(&["a", "b", "early"]));
}

#[tokio::test]
async fn after_the_cooldown_a_key_that_is_known_to_be_unknown_causes_no_fetch_but_another_one_does()
{
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    let bounds = RefreshBounds { cooldown: Duration::ZERO, ..quiet() };
    let rig = Rig::settled(vec![at_uri(&origin, bounds)]).await;
    for _ in 0..5 {
        rig.ask_unknown("old").await;
    }
    assert_eq!(origin.requests("/jwks").len(), 2);
    rig.ask_unknown("older").await;
    assert_eq!(origin.requests("/jwks").len(), 3);
}

#[tokio::test]
async fn who_judged_by_a_set_that_was_just_replaced_is_given_the_new_one() {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    let rig = Rig::settled(vec![at_uri(&origin, quiet())]).await;
    origin.on("/jwks", Answer::json(&keys(&["b"])));
    assert_eq!(rig.ask_unknown("b").await, fresh(&["b"]));
    // Within the cooldown: answered without a fetch, but not with a refusal.
    assert_eq!(rig.ask_unknown("b").await, fresh(&["b"]));
    assert_eq!(origin.requests("/jwks").len(), 2);
}

#[tokio::test]
async fn a_provider_that_does_not_exist_has_no_keys() {
    let rig = Rig::settled(Vec::new()).await;
    assert_eq!(rig.ask_unknown("a").await, Told::Unavailable);
    assert!(rig.kids().is_empty());
}
