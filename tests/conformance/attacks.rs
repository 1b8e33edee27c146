//! What attackers of other products did, named for the advisory or the class.

use crate::support::{
    KID, NOW, claims, encode, forged, header, judge, judge_with, jwk, key_set, public_der,
    public_numbers, refusal, rules, set_of, signed, with, without,
};
use aws_lc_rs::hmac;
use serde_json::{Value, json};
use sidegate::token::{Algorithm, Jwt, KeySet, Rules, SigningKey, TokenError, TypeRule};

fn hmac_token(algorithm: &str, key: &[u8]) -> String {
    let header = with(header(), &json!({ "alg": algorithm }));
    let text = format!("{}.{}", encode(header.to_string()), encode(claims().to_string()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes());
    format!("{text}.{}", encode(tag))
}

#[test]
fn the_honest_token_passes() {
    assert_eq!(judge(&signed(header(), claims())).unwrap().text("sub"), Some("ada"));
}

#[test]
fn cve_2015_9235_alg_none_in_any_spelling() {
    for name in ["none", "None", "NONE", "nOnE", "none ", ""] {
        let header = with(header(), &json!({ "alg": name }));
        for signature in ["", "x"] {
            assert_eq!(
                refusal(&forged(&header, claims(), signature)),
                "token_unsupported_algorithm",
                "{name:?}"
            );
        }
        assert_eq!(refusal(&signed(&header, claims())), "token_unsupported_algorithm", "{name:?}");
    }
}

#[test]
fn cve_2015_9235_no_alg_or_no_signature() {
    assert_eq!(refusal(&forged(without(header(), "alg"), claims(), "")), "token_missing_algorithm");
    assert_eq!(
        refusal(&forged(with(header(), &json!({ "alg": null })), claims(), "")),
        "token_bad_header"
    );
    assert_eq!(refusal(&forged(header(), claims(), "")), "token_bad_signature");
}

#[test]
fn cve_2016_10555_hmac_with_the_public_key() {
    let pem =
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", encode(public_der()));
    for secret in
        [public_der(), pem.into_bytes(), jwk().to_string().into_bytes(), public_numbers().0]
    {
        for algorithm in ["HS256", "HS384", "HS512"] {
            assert_eq!(refusal(&hmac_token(algorithm, &secret)), "token_unsupported_algorithm");
        }
        assert_eq!(refusal(&hmac_token("RS256", &secret)), "token_bad_signature");
    }
}

#[test]
fn cve_2026_44699_hmac_with_an_empty_key() {
    assert_eq!(refusal(&hmac_token("HS256", b"")), "token_unsupported_algorithm");
}

#[test]
fn an_hmac_key_in_the_set_is_of_no_use() {
    let set = set_of(&[
        json!({ "kty": "oct", "kid": "h", "alg": "HS256", "k": encode("secret") }),
        jwk(),
    ]);
    assert_eq!(set.len(), 1);
    let error = judge_with(&hmac_token("HS256", b"secret"), &set, &rules()).unwrap_err();
    assert_eq!(error, TokenError::UnsupportedAlgorithm);
}

#[test]
fn cve_2026_29000_an_encrypted_token_around_a_plain_one() {
    let plain = forged(json!({ "alg": "none" }), claims(), "");
    let outer = encode(r#"{"alg":"RSA-OAEP","enc":"A256GCM","cty":"JWT"}"#);
    assert_eq!(
        refusal(&format!(
            "{outer}.{}.{}.{}.{}",
            encode("key"),
            encode("iv"),
            encode(plain),
            encode("tag")
        )),
        "token_encrypted"
    );
}

#[test]
fn lua_resty_jwt_61_an_encryption_header_on_a_signed_token() {
    let header = with(header(), &json!({ "enc": "A256GCM" }));
    assert_eq!(refusal(&signed(header, claims())), "token_encrypted");
}

#[test]
fn cve_2018_0114_the_token_brings_its_own_key() {
    let attacker = SigningKey::generate().unwrap();
    for (name, value) in [
        ("jwk", attacker.public_jwk()),
        ("jku", json!("https://evil.example/keys")),
        ("x5u", json!("https://evil.example/cert")),
        ("x5c", json!(["AAAA"])),
        ("x5t", json!("AAAA")),
    ] {
        let header =
            json!({ "alg": "ES256", "kid": attacker.kid(), "typ": "JWT", name: value.clone() });
        assert_eq!(refusal(&forged(header, claims(), [7; 64])), "token_unknown_key", "{name}");
        let honest = signed(with(self::header(), &json!({ name: value })), claims());
        assert!(judge(&honest).is_ok(), "{name} is not looked at");
    }
}

#[test]
fn cve_2018_0114_a_key_of_the_attacker_under_a_known_name() {
    let attacker = SigningKey::generate().unwrap();
    let token = attacker.sign(&claims(), "JWT").unwrap();
    let (_, rest) = token.split_once('.').unwrap();
    for changes in
        [json!({ "alg": "ES256" }), json!({ "alg": "ES256", "jwk": attacker.public_jwk() })]
    {
        let text = format!("{}.{rest}", encode(with(header(), &changes).to_string()));
        assert_eq!(refusal(&text), "token_unknown_key");
    }
}

#[test]
fn cve_2022_21449_psychic_signatures() {
    let key = SigningKey::generate().unwrap();
    let set = set_of(&[key.public_jwk()]);
    let order = "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551";
    let order: Vec<u8> =
        (0..64).step_by(2).map(|at| u8::from_str_radix(&order[at..at + 2], 16).unwrap()).collect();
    let header = json!({ "alg": "ES256", "kid": key.kid() });
    let zero_der = vec![0x30, 6, 2, 1, 0, 2, 1, 0];
    for signature in [vec![0; 64], [order.clone(), order].concat(), vec![], vec![0; 63], zero_der] {
        let token = forged(&header, claims(), &signature);
        assert_eq!(judge_with(&token, &set, &rules()).unwrap_err(), TokenError::BadSignature);
    }
}

#[test]
fn cve_2025_59420_critical_extensions() {
    for crit in [
        json!(["exp"]),
        json!(["b64"]),
        json!(["https://example.com/UNDEFINED"]),
        json!([]),
        json!("x"),
        json!(null),
    ] {
        let header = with(header(), &json!({ "crit": crit, "exp": NOW }));
        assert_eq!(refusal(&signed(header, claims())), "token_critical_header");
    }
    let unencoded = with(header(), &json!({ "crit": ["b64"], "b64": false }));
    assert_eq!(refusal(&signed(unencoded, claims())), "token_critical_header");
    assert_eq!(
        refusal(&signed(with(header(), &json!({ "b64": false })), claims())),
        "token_unsupported_header"
    );
}

#[test]
fn cve_2024_28180_compressed_payloads() {
    assert_eq!(
        refusal(&signed(with(header(), &json!({ "zip": "DEF" })), claims())),
        "token_unsupported_header"
    );
}

#[test]
fn cve_2026_25537_dates_of_a_wrong_type() {
    for name in ["exp", "nbf", "iat"] {
        for value in [
            json!((NOW + 60).to_string()),
            json!(null),
            json!([NOW]),
            json!(true),
            json!(1e300),
            json!(-1),
        ] {
            assert_eq!(
                refusal(&signed(header(), with(claims(), &json!({ name: value })))),
                "token_bad_claim"
            );
        }
    }
}

#[test]
fn cve_2022_39227_json_serialisation() {
    let token = signed(header(), claims());
    let [protected, payload, signature] = [0, 1, 2].map(|part| token.split('.').nth(part).unwrap());
    let flattened = json!({ "protected": protected, "payload": payload, "signature": signature });
    let general = json!({ "payload": payload, "signatures": [{ "protected": protected, "signature": signature }] });
    assert_eq!(refusal(&flattened.to_string()), "token_not_compact");
    assert_eq!(refusal(&general.to_string()), "token_not_compact");
    let mixed = format!("{{\"{token}\":\"\",\"protected\":\"{protected}\"}}");
    assert_eq!(refusal(&mixed), "token_bad_encoding");
}

#[test]
fn cve_2020_26160_audience_arrays() {
    let judge_audience =
        |aud: Value| judge(&signed(header(), with(claims(), &json!({ "aud": aud }))));
    assert!(judge_audience(json!(["other", "web"])).is_ok());
    for (aud, label) in [
        (json!([]), "token_wrong_audience"),
        (json!([""]), "token_wrong_audience"),
        (json!(["other"]), "token_wrong_audience"),
        (json!(["web", 1]), "token_bad_claim"),
        (json!({ "web": true }), "token_bad_claim"),
        (json!(null), "token_bad_claim"),
    ] {
        assert_eq!(judge_audience(aud.clone()).unwrap_err().label(), label, "{aud}");
    }
}

#[test]
fn cve_2024_51744_a_bad_signature_wins_over_everything_it_covers() {
    for changes in [
        json!({ "exp": 0 }),
        json!({ "aud": "other" }),
        json!({ "nbf": NOW + 3600 }),
        json!({ "exp": "x" }),
    ] {
        assert_eq!(
            refusal(&forged(header(), with(claims(), &changes), [1; 256])),
            "token_bad_signature"
        );
    }
}

#[test]
fn cve_2025_30204_many_dots() {
    assert_eq!(Jwt::parse(&".".repeat(64 * 1024), usize::MAX).unwrap_err(), TokenError::NotCompact);
    let honest = signed(header(), claims());
    assert_eq!(refusal(&format!("{honest}{}", ".".repeat(1000))), "token_not_compact");
}

#[test]
fn cve_2016_9121_a_point_off_the_curve() {
    let mut key = SigningKey::generate().unwrap().public_jwk();
    key["y"] = key["x"].clone();
    let parsed = KeySet::parse(json!({ "keys": [key, jwk()] }).to_string().as_bytes()).unwrap();
    assert_eq!(parsed.skipped[0].why, "it is not a point on its curve");
}

#[test]
fn cve_2020_15084_an_algorithm_that_nobody_pinned() {
    let pinned =
        Rules { algorithms: [Algorithm::Ps256, Algorithm::Es256].into_iter().collect(), ..rules() };
    let error = judge_with(&signed(header(), claims()), &key_set(), &pinned).unwrap_err();
    assert_eq!(error, TokenError::AlgorithmNotAllowed { found: Algorithm::Rs256 });
    let none = Rules { algorithms: [].into_iter().collect(), ..rules() };
    assert!(judge_with(&signed(header(), claims()), &key_set(), &none).is_err());
}

#[test]
fn an_rsa_signature_of_one_padding_is_none_of_the_other() {
    for algorithm in ["PS256", "RS384", "RS512"] {
        let (_, rest) = signed(header(), claims())
            .split_once('.')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        let header = encode(with(header(), &json!({ "alg": algorithm })).to_string());
        assert_eq!(refusal(&format!("{header}.{rest}")), "token_bad_signature");
        let truly = signed(with(self::header(), &json!({ "alg": algorithm })), claims());
        assert_eq!(refusal(&truly), "token_bad_signature");
    }
}

#[test]
fn a_key_bound_to_one_algorithm_verifies_no_other() {
    let bound = set_of(&[with(jwk(), &json!({ "alg": "PS256" }))]);
    let error = judge_with(&signed(header(), claims()), &bound, &rules()).unwrap_err();
    assert_eq!(error, TokenError::UnknownKey);
}

#[test]
fn a_token_of_another_kind() {
    for typ in
        ["logout+jwt", "dpop+jwt", "secevent+jwt", "application/logout+jwt", "entity-statement+jwt"]
    {
        assert_eq!(
            refusal(&signed(with(header(), &json!({ "typ": typ })), claims())),
            "token_wrong_type"
        );
    }
    let access = Rules { types: TypeRule::AccessToken, ..rules() };
    let id_token = judge_with(&signed(header(), claims()), &key_set(), &access);
    assert_eq!(id_token.unwrap_err(), TokenError::WrongType);
}

#[test]
fn an_issuer_in_an_array_or_nearly_ours() {
    for (iss, label) in [
        (json!(["https://login.example"]), "token_bad_claim"),
        (json!("https://login.example/"), "token_wrong_issuer"),
        (json!("https://login.example\u{0}"), "token_wrong_issuer"),
        (json!("https://login.example.evil"), "token_wrong_issuer"),
        (json!(null), "token_bad_claim"),
    ] {
        assert_eq!(refusal(&signed(header(), with(claims(), &json!({ "iss": iss })))), label);
    }
}

#[test]
fn every_claim_that_is_needed_is_missed() {
    for name in ["iss", "aud", "sub", "exp"] {
        assert_eq!(
            refusal(&signed(header(), without(claims(), name))),
            "token_missing_claim",
            "{name}"
        );
    }
    for name in ["iat", "nbf"] {
        assert!(judge(&signed(header(), without(claims(), name))).is_ok(), "{name} is optional");
    }
}

#[test]
fn tokens_of_tomorrow() {
    assert_eq!(
        refusal(&signed(header(), with(claims(), &json!({ "nbf": NOW + 31 })))),
        "token_not_yet_valid"
    );
    assert_eq!(
        refusal(&signed(header(), with(claims(), &json!({ "iat": NOW + 31 })))),
        "token_issued_in_future"
    );
}

#[test]
fn names_that_occur_twice() {
    let twice = |name: &str, value: &str| {
        let text = claims().to_string();
        format!("{{\"{name}\":{value},{}", &text[1..])
    };
    for name in ["iss", "sub", "aud", "exp", "nbf", "iat"] {
        assert_eq!(refusal(&signed(header(), twice(name, "\"x\""))), "token_bad_json", "{name}");
    }
    let header = format!(r#"{{"alg":"none","alg":"RS256","kid":"{KID}"}}"#);
    assert_eq!(refusal(&signed(header, claims())), "token_bad_json");
    let nested = format!(r#"{{"x":{{"a":1,"a":2}},{}"#, &claims().to_string()[1..]);
    assert_eq!(refusal(&signed(self::header(), nested)), "token_bad_json");
}

#[test]
fn bytes_before_and_after() {
    let honest = signed(header(), claims());
    for text in [
        format!(" {honest}"),
        format!("{honest} "),
        format!("{honest}\n"),
        format!("{honest}="),
        format!("\u{feff}{honest}"),
        format!("Bearer {honest}"),
    ] {
        assert_eq!(refusal(&text), "token_bad_encoding", "{text:.12}");
    }
    assert_eq!(refusal(&signed(header(), format!("{}x", claims()))), "token_bad_json");
    assert_eq!(refusal(&signed(header(), format!("\u{feff}{}", claims()))), "token_bad_json");
}

#[test]
fn json_that_is_too_deep() {
    let deep =
        format!(r#"{{"x":{}{},{}"#, "[".repeat(200), "]".repeat(200), &claims().to_string()[1..]);
    assert_eq!(refusal(&signed(header(), deep)), "token_bad_json");
}

#[test]
fn a_signature_has_one_spelling() {
    let honest = signed(header(), claims());
    let (rest, last) = honest.split_at(honest.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let accepted = alphabet
        .chars()
        .filter(|letter| judge(&format!("{rest}{letter}")).is_ok())
        .collect::<String>();
    assert_eq!(accepted, last);
}
