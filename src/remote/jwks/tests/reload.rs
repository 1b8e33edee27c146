//! What of the keys outlives a reload of the configuration.

use super::*;

#[tokio::test]
async fn an_unchanged_provider_goes_on_undisturbed_at_its_new_place() {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    let first = Rig::settled(vec![at_uri(&origin, quiet())]).await;
    let new = provider(KeySourceSettings::Inline(keys(&["n"]).into_bytes()), quiet());
    let second = Rig::start_after(vec![new, at_uri(&origin, quiet())], Some(&first.keeper));
    let ring = second.keeper.ring();
    assert!(matches!(ring.state(ProviderId(1)), KeyState::Loaded(keys) if kids_of(keys) == ["a"]));
    within(second.keeper.first_attempts()).await;
    assert_eq!(origin.requests("/jwks").len(), 1);
}

#[tokio::test]
async fn a_kept_provider_survives_the_end_of_the_old_configuration() {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    let first = Rig::settled(vec![at_uri(&origin, quiet())]).await;
    let second = Rig::start_after(vec![at_uri(&origin, quiet())], Some(&first.keeper));
    drop(first);
    origin.on("/jwks", Answer::json(&keys(&["b"])));
    assert_eq!(second.ask_unknown("b").await, fresh(&["b"]));
    assert_eq!(second.kids(), ["b"]);
}

#[tokio::test]
async fn old_and_new_configuration_see_the_same_new_keys() {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    let first = Rig::settled(vec![at_uri(&origin, quiet())]).await;
    let second = Rig::start_after(vec![at_uri(&origin, quiet())], Some(&first.keeper));
    origin.on("/jwks", Answer::json(&keys(&["b"])));
    second.ask_unknown("b").await;
    assert_eq!((first.kids(), second.kids()), (vec!["b".to_owned()], vec!["b".to_owned()]));
}

#[tokio::test]
async fn a_provider_with_other_bounds_starts_with_the_keys_at_hand() {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    let first = Rig::settled(vec![at_uri(&origin, quiet())]).await;
    origin.on("/jwks", Answer::status("500 Oops"));
    let second = Rig::start_after(vec![at_uri(&origin, brisk())], Some(&first.keeper));
    assert_eq!(second.kids(), ["a"]);
    second.until_error("500").await;
    assert_eq!(second.kids(), ["a"]);
}

#[tokio::test]
async fn a_provider_of_another_issuer_or_source_starts_without_keys() {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    let first = Rig::settled(vec![at_uri(&origin, quiet())]).await;
    let other_issuer =
        ProviderKeys { issuer: "https://evil.example".to_owned(), ..at_uri(&origin, quiet()) };
    let other_source = provider(KeySourceSettings::JwksUri(origin.at("/other")), quiet());
    for settings in [other_issuer, other_source] {
        assert!(Rig::start_after(vec![settings], Some(&first.keeper)).kids().is_empty());
    }
}

#[tokio::test]
async fn dropping_the_keeper_ends_its_tasks() {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    let rig = Rig::settled(vec![at_uri(&origin, brisk())]).await;
    let (task, keeper) = (Arc::clone(&rig.keeper.board.providers()[0]), rig.keeper);
    drop(keeper);
    let provider = Arc::downgrade(task.provider());
    drop(task);
    within(async {
        while provider.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
