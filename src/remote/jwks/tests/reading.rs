//! What becomes of a token that does not fit the keys at hand.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Reads nothing: whether there is a key called `kid` is all that counts.
async fn read(rig: &Rig, kid: &str) -> String {
    let has = |keys: &KeySet| match kids_of(keys).iter().any(|known| known == kid) {
        true => Ok(()),
        false => Err("unknown"),
    };
    let token = compact(kid);
    match within(rig.keeper.read(ProviderId(0), &token, has, |_| true)).await {
        Ok(((), keys)) => format!("read by {}", kids_of(&keys).join(" ")),
        Err(error) => format!("{error:?}"),
    }
}

/// A token that nobody signed, with that `kid`.
fn compact(kid: &str) -> String {
    let encode = |part: &str| URL_SAFE_NO_PAD.encode(part);
    let header = encode(&json!({ "alg": "RS256", "kid": kid }).to_string());
    format!("{header}.{}.{}", encode("{}"), encode("signature"))
}

#[tokio::test]
async fn keys_at_hand_are_enough_where_they_fit() {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    let rig = Rig::settled(vec![at_uri(&origin, quiet())]).await;
    assert_eq!(read(&rig, "a").await, "read by a");
    assert_eq!(origin.requests("/jwks").len(), 1);
}

#[tokio::test]
async fn a_new_key_is_fetched_and_read_by() {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    let rig = Rig::settled(vec![at_uri(&origin, quiet())]).await;
    origin.on("/jwks", Answer::json(&keys(&["a", "b"])));
    assert_eq!(read(&rig, "b").await, "read by a b");
    assert_eq!(origin.requests("/jwks").len(), 2);
}

#[tokio::test]
async fn a_key_that_is_nowhere_is_told_apart_from_keys_that_cannot_be_had() {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    let rig = Rig::settled(vec![at_uri(&origin, quiet())]).await;
    assert_eq!(read(&rig, "b").await, r#"Unchanged("unknown")"#);
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::status("503 Busy"));
    let rig = Rig::settled(vec![at_uri(&origin, quiet())]).await;
    assert_eq!(read(&rig, "a").await, "NoKeys");
}

#[tokio::test]
async fn an_error_that_no_key_cures_asks_for_none() {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    let rig = Rig::settled(vec![at_uri(&origin, quiet())]).await;
    let expired = |_: &KeySet| Err::<(), _>("expired");
    let outcome = rig.keeper.read(ProviderId(0), &compact("a"), expired, |_| false).await;
    assert!(matches!(outcome, Err(Unread::Refused("expired"))));
    assert_eq!(origin.requests("/jwks").len(), 1);
}
