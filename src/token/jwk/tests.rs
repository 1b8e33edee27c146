use super::*;
use proptest::prelude::*;
use serde_json::json;

/// A 2048-bit modulus: RFC 7515 §A.2.
const N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
/// A point on P-256: RFC 7515 §A.3.
const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
/// A point on Ed25519: RFC 8037 §A.2.
const ED: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

fn rsa_key() -> Value {
    json!({ "kty": "RSA", "n": N, "e": "AQAB" })
}

fn p256_key() -> Value {
    json!({ "kty": "EC", "crv": "P-256", "x": X, "y": Y })
}

fn ed_key() -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "x": ED })
}

fn with(mut key: Value, changes: &Value) -> Value {
    key.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    key
}

fn parse(keys: &[Value]) -> Result<ParsedKeys, KeySetError> {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
}

/// Why `key` is left out of a set in which another key is good.
fn skipped(key: Value) -> Option<&'static str> {
    let parsed = parse(&[key, ed_key()]).unwrap();
    assert_eq!(parsed.keys.len() + parsed.skipped.len(), 2);
    parsed.skipped.first().map(|key| key.why)
}

fn bytes(count: usize, first: u8, last: u8) -> String {
    let mut bytes = vec![0xff; count];
    (bytes[0], bytes[count - 1]) = (first, last);
    URL_SAFE_NO_PAD.encode(bytes)
}

fn kids(set: &KeySet) -> Vec<&str> {
    set.iter().filter_map(PublicKey::kid).collect()
}

#[test]
fn keys_of_every_kind_are_used_with_all_that_fits_them() {
    let set = parse(&[rsa_key(), p256_key(), ed_key()]).unwrap().keys;
    let names = |key: &PublicKey| {
        key.algorithms().iter().map(Algorithm::name).collect::<Vec<_>>().join(" ")
    };
    let kinds: Vec<_> = set.iter().map(|key| (key.kind().name(), names(key))).collect();
    let expected =
        [("RSA", "RS256 RS384 RS512 PS256 PS384 PS512"), ("P-256", "ES256"), ("Ed25519", "EdDSA")];
    assert_eq!(kinds, expected.map(|(kind, names)| (kind, names.to_owned())));
}

#[test]
fn a_key_with_an_algorithm_is_used_with_that_alone() {
    let set = parse(&[with(rsa_key(), &json!({ "alg": "PS256" }))]).unwrap().keys;
    assert_eq!(set.iter().next().unwrap().algorithms(), [Algorithm::Ps256].into_iter().collect());
}

#[test]
fn an_algorithm_that_does_not_fit_its_key_is_refused() {
    assert_eq!(
        skipped(with(p256_key(), &json!({ "alg": "RS256" }))),
        Some("its alg does not fit its kty and crv")
    );
    assert_eq!(
        skipped(with(p256_key(), &json!({ "alg": "ES384" }))),
        Some("its alg does not fit its kty and crv")
    );
    for alg in
        [json!("HS256"), json!("none"), json!("RSA-OAEP"), json!("rs256"), json!(1), json!(null)]
    {
        let why = skipped(with(rsa_key(), &json!({ "alg": alg })));
        assert_eq!(why, Some("its alg is not an accepted signature algorithm"), "{alg}");
    }
}

#[test]
fn symmetric_and_strange_keys_are_refused() {
    assert_eq!(skipped(json!({ "kty": "oct", "k": "AAAA" })), Some("it is a symmetric key"));
    assert_eq!(
        skipped(json!({ "kty": "oct", "k": "AAAA", "alg": "RS256" })),
        Some("it is a symmetric key")
    );
    for odd in [json!({}), json!({ "kty": "rsa" }), json!({ "kty": 1 }), json!({ "kty": "AKP" })] {
        assert_eq!(skipped(odd), Some("its kty is not RSA, EC or OKP"));
    }
    for crv in ["secp256k1", "X25519", "Ed448", "p-256", ""] {
        let curve = "its curve is not P-256, P-384, P-521 or Ed25519";
        assert_eq!(skipped(with(p256_key(), &json!({ "crv": crv }))), Some(curve), "{crv}");
    }
    assert_eq!(skipped(json!("key")), Some("it is not a JSON object"));
}

#[test]
fn a_key_for_another_purpose_is_refused() {
    assert_eq!(
        skipped(with(rsa_key(), &json!({ "use": "sig", "key_ops": ["sign", "verify"] }))),
        None
    );
    for purpose in [json!("enc"), json!("SIG"), json!(null), json!(["sig"])] {
        assert_eq!(
            skipped(with(rsa_key(), &json!({ "use": purpose }))),
            Some("its use is not `sig`")
        );
    }
    for operations in
        [json!([]), json!(["encrypt"]), json!("verify"), json!(["Verify"]), json!(null)]
    {
        let why = skipped(with(rsa_key(), &json!({ "key_ops": operations })));
        assert_eq!(why, Some("its key_ops do not include `verify`"));
    }
}

#[test]
fn a_published_private_key_is_refused() {
    let why = skipped(with(p256_key(), &json!({ "d": X }))).unwrap();
    assert!(why.starts_with("it is a private key"));
}

#[test]
fn an_rsa_modulus_has_2048_to_8192_bits() {
    let modulus = |n: String| skipped(with(rsa_key(), &json!({ "n": n })));
    let size = Some("its modulus does not have 2048 to 8192 bits");
    assert_eq!(modulus(bytes(256, 0x80, 0xff)), None);
    assert_eq!(modulus(bytes(256, 0x7f, 0xff)), size);
    assert_eq!(modulus(bytes(128, 0xff, 0xff)), size);
    assert_eq!(modulus(bytes(1024, 0xff, 0xff)), None);
    assert_eq!(modulus(bytes(1025, 0x01, 0xff)), size);
    assert_eq!(modulus(String::new()), size);
    assert_eq!(modulus(bytes(256, 0x80, 0xfe)), Some("its modulus is even"));
}

#[test]
fn an_rsa_exponent_is_odd_and_more_than_one() {
    let exponent =
        |bytes: &[u8]| skipped(with(rsa_key(), &json!({ "e": URL_SAFE_NO_PAD.encode(bytes) })));
    assert_eq!(exponent(&[3]), None);
    assert_eq!(exponent(&[1, 0, 0, 0, 1]), None);
    for bad in [&[][..], &[0], &[1], &[2], &[0, 1], &[1, 0, 0], &[2, 0, 0, 0, 1]] {
        assert_eq!(
            exponent(bad),
            Some("its exponent is not an odd number from 3 to 2^33"),
            "{bad:?}"
        );
    }
}

/// Some providers write the sign byte of their big-integer library; the crypto library refuses it.
#[test]
fn leading_zeros_of_rsa_numbers_are_dropped() {
    let n = [&[0, 0][..], &URL_SAFE_NO_PAD.decode(N).unwrap()].concat();
    let padded = json!({ "n": URL_SAFE_NO_PAD.encode(n), "e": "AAEAAQ" });
    let set = parse(&[rsa_key(), with(rsa_key(), &padded)]).unwrap();
    assert_eq!(set.keys.len(), 1, "both are the same key");
}

#[test]
fn numbers_are_canonical_base64url() {
    for n in [format!("{N}="), N.replace('_', "/"), format!(" {N}"), "!".into()] {
        assert_eq!(
            skipped(with(rsa_key(), &json!({ "n": n }))),
            Some("its n is not unpadded base64url")
        );
    }
    assert_eq!(
        skipped(with(rsa_key(), &json!({ "e": 65537 }))),
        Some("its e is not unpadded base64url")
    );
}

/// [CVE-2016-9121](https://nvd.nist.gov/vuln/detail/CVE-2016-9121): invalid curve points leak keys and break checks.
#[test]
fn a_point_lies_on_its_curve_in_full_length() {
    let off = bytes(32, 0x11, 0x11);
    assert_eq!(
        skipped(with(p256_key(), &json!({ "y": off }))),
        Some("it is not a point on its curve")
    );
    let zero = URL_SAFE_NO_PAD.encode([0; 32]);
    assert_eq!(
        skipped(with(p256_key(), &json!({ "x": zero, "y": zero }))),
        Some("it is not a point on its curve")
    );
    let short = URL_SAFE_NO_PAD.encode([1; 31]);
    let length = Some("its x is not base64url of the length of the curve");
    assert_eq!(skipped(with(p256_key(), &json!({ "x": short }))), length);
    assert_eq!(skipped(with(p256_key(), &json!({ "crv": "P-384" }))), length);
    assert_eq!(skipped(with(ed_key(), &json!({ "x": short }))), length);
    assert_eq!(
        skipped(json!({ "kty": "EC", "crv": "P-256", "x": X })),
        Some("its y is not base64url of the length of the curve")
    );
}

#[test]
fn two_different_keys_of_one_name_refuse_each_other() {
    let other = with(rsa_key(), &json!({ "n": bytes(256, 0xc0, 0xff), "kid": "a" }));
    let parsed = parse(&[
        with(rsa_key(), &json!({ "kid": "a" })),
        other,
        with(ed_key(), &json!({ "kid": "b" })),
    ])
    .unwrap();
    assert_eq!(kids(&parsed.keys), ["b"]);
    let why = "another key has the same kid and algorithm";
    let rival = || SkippedKey { kid: Some("a".into()), why };
    assert_eq!(parsed.skipped, [rival(), rival()]);
}

#[test]
fn keys_of_one_name_that_no_token_can_confuse_are_kept() {
    let named = |key: Value| with(key, &json!({ "kid": "a" }));
    let parsed = parse(&[named(rsa_key()), named(p256_key()), named(ed_key())]).unwrap();
    assert_eq!((parsed.keys.len(), parsed.skipped.len()), (3, 0));
    let encryption =
        with(rsa_key(), &json!({ "n": bytes(256, 0xc0, 0xff), "kid": "a", "use": "enc" }));
    assert_eq!(kids(&parse(&[named(rsa_key()), encryption]).unwrap().keys), ["a"]);
}

#[test]
fn a_key_written_twice_counts_once() {
    let parsed = parse(&[p256_key(), p256_key()]).unwrap();
    assert_eq!((parsed.keys.len(), parsed.skipped.len()), (1, 0));
}

#[test]
fn a_key_id_is_a_short_string() {
    for kid in [json!(1), json!(null), json!("x".repeat(257))] {
        assert_eq!(
            skipped(with(rsa_key(), &json!({ "kid": kid }))),
            Some("its kid is not a string of at most 256 bytes")
        );
    }
    assert_eq!(skipped(with(rsa_key(), &json!({ "kid": "x".repeat(256) }))), None);
}

#[test]
fn what_is_skipped_is_told_by_name() {
    let parsed = parse(&[json!({ "kty": "oct", "kid": "hmac", "k": "AA" }), ed_key()]).unwrap();
    assert_eq!(
        parsed.skipped,
        [SkippedKey { kid: Some("hmac".into()), why: "it is a symmetric key" }]
    );
}

#[test]
fn a_set_without_a_usable_key_is_an_error() {
    assert!(matches!(parse(&[]), Err(KeySetError::NoUsableKey { skipped: 0 })));
    let error = parse(&[json!({ "kty": "oct", "k": "AA" }), json!(null)]).unwrap_err();
    assert!(matches!(error, KeySetError::NoUsableKey { skipped: 2 }));
}

#[test]
fn what_is_no_key_set_is_an_error() {
    for text in [
        "",
        "<html>",
        "{}",
        "[]",
        r#"{"keys":{}}"#,
        r#"{"keys":null}"#,
        r#"{"keys":[]} x"#,
        r#"{"keys":[],"keys":[]}"#,
    ] {
        assert!(matches!(KeySet::parse(text.as_bytes()), Err(KeySetError::NotKeySet(_))), "{text}");
    }
}

#[test]
fn size_and_number_of_keys_are_bounded() {
    let keys = |count: usize| parse(&vec![ed_key(); count]);
    assert_eq!(keys(100).unwrap().keys.len(), 1);
    assert!(matches!(keys(101), Err(KeySetError::TooManyKeys { found: 101, limit: 100 })));
    let mut text = json!({ "keys": [ed_key()] }).to_string().into_bytes();
    text.resize(MAX_BYTES, b' ');
    assert!(KeySet::parse(&text).is_ok());
    text.push(b' ');
    assert!(matches!(KeySet::parse(&text), Err(KeySetError::TooLong { .. })));
}

fn header(algorithm: Algorithm, kid: Option<&str>) -> Header {
    Header { algorithm, kid: kid.map(str::to_owned), typ: None }
}

#[test]
fn a_named_key_must_be_there_and_fit() {
    let set = parse(&[with(rsa_key(), &json!({ "kid": "a" })), p256_key()]).unwrap().keys;
    let selected = |algorithm, kid| set.select(&header(algorithm, kid)).count();
    assert_eq!(selected(Algorithm::Rs256, Some("a")), 1);
    assert_eq!(selected(Algorithm::Es256, Some("a")), 0);
    assert_eq!(selected(Algorithm::Rs256, Some("A")), 0);
    assert_eq!(selected(Algorithm::Es256, Some("")), 0);
    assert_eq!(selected(Algorithm::Rs256, None), 1);
    assert_eq!(selected(Algorithm::Es256, None), 1);
    assert_eq!(selected(Algorithm::EdDSA, None), 0);
}

#[test]
fn without_a_key_id_eight_keys_are_tried() {
    use crate::token::SigningKey;
    let keys: Vec<_> = (0..9).map(|_| SigningKey::generate().unwrap()).collect();
    let set = parse(&keys.iter().map(SigningKey::public_jwk).collect::<Vec<_>>()).unwrap().keys;
    let verify = |key: &SigningKey| {
        let token = key.sign(&json!({}), "JWT").unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        set.verify(&header(Algorithm::Es256, None), signed.as_bytes(), &signature)
    };
    assert_eq!(verify(&keys[7]), Ok(()));
    assert_eq!(verify(&keys[8]), Err(TokenError::BadSignature));
}

#[test]
fn sets_are_equal_by_what_they_would_do() {
    let set = |keys: &[Value]| parse(keys).unwrap().keys;
    assert_eq!(set(&[rsa_key()]), set(&[with(rsa_key(), &json!({ "use": "sig", "x5t": "x" }))]));
    assert_ne!(set(&[rsa_key()]), set(&[with(rsa_key(), &json!({ "kid": "a" }))]));
    assert_ne!(set(&[rsa_key()]), set(&[with(rsa_key(), &json!({ "e": "Aw" }))]));
}

#[test]
fn debug_text_names_keys_and_shows_no_number() {
    let text = format!("{:?}", parse(&[with(p256_key(), &json!({ "kid": "a" }))]).unwrap().keys);
    assert_eq!(text, r#"[PublicKey { kid: Some("a"), kind: P256, algorithms: {Es256}, .. }]"#);
}

proptest! {
    #[test]
    fn no_key_set_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(KeySet::parse(&bytes));
    }

    #[test]
    fn no_numbers_of_a_key_panic(n in prop::collection::vec(any::<u8>(), 0..300), e in prop::collection::vec(any::<u8>(), 0..6)) {
        let (n, e) = (URL_SAFE_NO_PAD.encode(n), URL_SAFE_NO_PAD.encode(e));
        let keys = [with(rsa_key(), &json!({ "n": n, "e": e })), with(p256_key(), &json!({ "x": n })), with(ed_key(), &json!({ "x": n }))];
        drop(parse(&keys));
    }
}
