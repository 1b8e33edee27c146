//! How the key is chosen by the header: what is a doubt about keys, and what is not.

use crate::support::{KID, claims, header, judge_with, jwk, rules, set_of, signed, with, without};
use serde_json::json;
use sidegate::token::{KeySet, SigningKey, TokenError};

fn verdict(header: impl ToString, keys: &KeySet) -> Result<(), TokenError> {
    judge_with(&signed(header, claims()), keys, &rules()).map(|_| ())
}

#[test]
fn a_token_without_a_key_id_finds_its_key_among_several() {
    let other = SigningKey::generate().unwrap().public_jwk();
    let keys = set_of(&[other, jwk()]);
    assert_eq!(verdict(without(header(), "kid"), &keys), Ok(()));
}

#[test]
fn a_key_id_that_is_not_in_the_set_is_unknown_even_beside_a_key_without_one() {
    let nameless = set_of(&[without(jwk(), "kid")]);
    assert_eq!(verdict(header(), &nameless), Err(TokenError::UnknownKey));
    assert_eq!(verdict(without(header(), "kid"), &nameless), Ok(()));
}

#[test]
fn a_replaced_key_of_the_same_name_is_a_bad_signature() {
    let fake = with(jwk(), &json!({ "e": "Aw" }));
    assert_eq!(verdict(header(), &set_of(&[fake])), Err(TokenError::BadSignature));
}

#[test]
fn the_name_is_compared_exactly() {
    let keys = set_of(&[jwk()]);
    for kid in
        [KID.to_uppercase(), format!("{KID} "), String::new(), "../rsa-1".into(), "' OR 1=1".into()]
    {
        let header = with(header(), &json!({ "kid": kid }));
        assert_eq!(verdict(header, &keys), Err(TokenError::UnknownKey), "{kid}");
    }
}
