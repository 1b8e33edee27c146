//! Seals hold: for one purpose, one name, one scope, and no other bytes.

use proptest::prelude::*;

use super::*;
use crate::session::tests::{keys, secret};

const CONTEXT: SealContext<'_> =
    SealContext { purpose: Purpose::Session, name: "__Host-sidegate", scope: "app.example.com" };

#[test]
fn every_flipped_bit_breaks_the_seal() {
    let keys = keys();
    let sealed = keys.seal(&CONTEXT, [5; 12], b"who it is");
    let bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let error = keys.open(&CONTEXT, &URL_SAFE_NO_PAD.encode(changed)).unwrap_err();
        let expected = match bit / 8 {
            0 => OpenError::Malformed,
            1..=4 => OpenError::UnknownKey,
            _ => OpenError::Forged,
        };
        assert_eq!(error, expected, "bit {bit}");
    }
}

#[test]
fn a_seal_holds_for_its_purpose_name_and_scope_alone() {
    let keys = keys();
    let sealed = keys.seal(&CONTEXT, [5; 12], b"who it is");
    assert_eq!(keys.open(&CONTEXT, &sealed).unwrap().as_slice(), b"who it is");
    for purpose in Purpose::ALL.into_iter().filter(|purpose| *purpose != Purpose::Session) {
        let opened = keys.open(&SealContext { purpose, ..CONTEXT }, &sealed);
        assert_eq!(opened.unwrap_err(), OpenError::Forged, "{purpose:?}");
    }
    for (name, scope) in [
        ("__Host-sidegate_1", "app.example.com"),
        ("__Secure-sidegate", "app.example.com"),
        ("__Host-sidegate", "app.example.co"),
        ("__Host-sidegate", "App.example.com"),
        ("__Host-sidegate", ""),
        // The same bytes, cut elsewhere.
        ("__Host-sidegatea", "pp.example.com"),
        ("__Host-sidegat", "eapp.example.com"),
    ] {
        let opened = keys.open(&SealContext { name, scope, ..CONTEXT }, &sealed);
        assert_eq!(opened.unwrap_err(), OpenError::Forged, "{name} {scope}");
    }
}

#[test]
fn every_purpose_has_its_place_among_the_keys() {
    for (index, purpose) in Purpose::ALL.into_iter().enumerate() {
        assert_eq!(purpose as usize, index);
    }
}

#[test]
fn the_first_key_seals_and_all_of_them_open() {
    let old = SealingKeys::new(&[secret(1)]).unwrap();
    let both = SealingKeys::new(&[secret(2), secret(1)]).unwrap();
    let new = SealingKeys::new(&[secret(2)]).unwrap();
    let (before, after) = (old.seal(&CONTEXT, [5; 12], b"x"), both.seal(&CONTEXT, [6; 12], b"x"));

    assert!(both.open(&CONTEXT, &before).is_ok() && both.open(&CONTEXT, &after).is_ok());
    assert!(new.open(&CONTEXT, &after).is_ok());
    assert_eq!(new.open(&CONTEXT, &before).unwrap_err(), OpenError::UnknownKey);
    assert_eq!(old.open(&CONTEXT, &after).unwrap_err(), OpenError::UnknownKey);
    assert_eq!((both.is_current(&before), both.is_current(&after)), (false, true));
    assert!(!both.is_current("") && !both.is_current("é́é́"));
}

#[test]
fn what_is_no_sealed_text_is_told_from_a_forged_one() {
    let sealed = keys().seal(&CONTEXT, [5; 12], b"");
    let plain = r#"{"sub":"ada"}"#;
    let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.";
    let padded = format!("{sealed}=");
    for text in ["", "A", plain, token, &sealed[1..], &sealed[..43], &padded, "é"] {
        assert_eq!(keys().open(&CONTEXT, text).unwrap_err(), OpenError::Malformed, "{text}");
    }
    assert!(keys().open(&CONTEXT, &sealed).unwrap().is_empty());
}

#[test]
fn secrets_that_are_none_are_refused() {
    let refused = |secrets: &[Secret<[u8; 32]>]| SealingKeys::new(secrets).unwrap_err();
    assert_eq!(refused(&[]), SealError::NoKeys);
    assert_eq!(refused(&[secret(1), Secret::new([0; 32])]), SealError::Weak(2));
    assert_eq!(refused(&[secret(1), secret(2), secret(1)]), SealError::Same(1, 3));
}

#[test]
fn what_is_kept_elsewhere_opens_with_its_own_key_and_name_alone() {
    let sealed = seal_under(&secret(1), "a", [5; 12], b"body");
    assert_eq!(open_under(&secret(1), "a", &sealed).unwrap().as_slice(), b"body");
    assert_eq!(open_under(&secret(2), "a", &sealed).unwrap_err(), OpenError::Forged);
    assert_eq!(open_under(&secret(1), "b", &sealed).unwrap_err(), OpenError::Forged);
    assert_eq!(open_under(&secret(1), "a", &sealed[..32]).unwrap_err(), OpenError::Malformed);
}

#[test]
fn debug_text_shows_no_key() {
    let shown = format!("{:?}", SealingKeys::new(&[secret(1), secret(2)]).unwrap());
    assert!(shown.len() < 32, "{shown}");
}

proptest! {
    #[test]
    fn what_was_sealed_opens(plain in proptest::collection::vec(any::<u8>(), 0..3000), nonce: [u8; 12]) {
        let sealed = keys().seal(&CONTEXT, nonce, &plain);
        prop_assert_eq!(sealed.len(), ((33 + plain.len()) * 4).div_ceil(3));
        let opened = keys().open(&CONTEXT, &sealed).unwrap();
        prop_assert_eq!(opened.as_slice(), &plain[..]);
    }

    #[test]
    fn nothing_else_opens(text in "\\PC{0,120}", bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        prop_assert!(keys().open(&CONTEXT, &text).is_err());
        prop_assert!(keys().open(&CONTEXT, &URL_SAFE_NO_PAD.encode(bytes)).is_err());
    }
}
