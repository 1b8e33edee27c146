//! The examples of the RFCs and the Wycheproof collection, through the very function that judges tokens.

use super::*;
use crate::token::{Header, KeySet, TokenError};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};
use wycheproof::TestResult;

#[derive(Deserialize)]
struct Example {
    name: String,
    key: Value,
    token: String,
}

fn examples() -> Vec<Example> {
    serde_json::from_str(include_str!("../../../tests/conformance/vectors/rfc_signed.json"))
        .unwrap()
}

fn set_of(key: &Value) -> KeySet {
    KeySet::parse(json!({ "keys": [key] }).to_string().as_bytes()).unwrap().keys
}

fn verify(key: &Value, token: &str, change: impl Fn(&mut Vec<u8>)) -> Result<(), TokenError> {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let header = URL_SAFE_NO_PAD.decode(signed.split_once('.').unwrap().0).unwrap();
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    change(&mut signature);
    set_of(key).verify(&Header::parse(&header).unwrap(), signed.as_bytes(), &signature)
}

#[test]
fn the_signed_examples_of_the_rfcs_hold() {
    assert_eq!(examples().len(), 7);
    for Example { name, key, token } in examples() {
        assert_eq!(verify(&key, &token, |_| ()), Ok(()), "{name}");
    }
}

#[test]
fn a_changed_shortened_lengthened_or_zero_signature_does_not_hold() {
    let changes: [fn(&mut Vec<u8>); 6] = [
        |signature| signature[7] ^= 1,
        |signature| *signature.last_mut().unwrap() ^= 0x80,
        |signature| signature.truncate(signature.len() - 1),
        |signature| signature.push(0),
        |signature| signature.clear(),
        |signature| signature.fill(0),
    ];
    for Example { name, key, token } in examples() {
        for change in changes {
            assert_eq!(verify(&key, &token, change), Err(TokenError::BadSignature), "{name}");
        }
    }
}

#[test]
fn no_key_holds_by_an_algorithm_of_another_kind() {
    for Example { name, key, token } in examples() {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let set = set_of(&key);
        let header = |algorithm| Header { algorithm, kid: None, typ: None };
        let holds =
            |algorithm| set.verify(&header(algorithm), signed.as_bytes(), &signature).is_ok();
        let holding: Vec<_> =
            Algorithm::ALL.into_iter().filter(|algorithm| holds(*algorithm)).collect();
        assert_eq!(holding.len(), 1, "{name}: {holding:?}");
    }
}

/// The choice of the key prevents it already; this is the second lock.
#[test]
fn a_key_refuses_algorithms_of_another_kind_by_itself() {
    let example = &examples()[1];
    let octets = |name: &str| URL_SAFE_NO_PAD.decode(example.key[name].as_str().unwrap()).unwrap();
    let verifier =
        Verifier::curve(KeyKind::P256, &[vec![4], octets("x"), octets("y")].concat()).unwrap();
    let (signed, signature) = example.token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    for algorithm in Algorithm::ALL {
        let holds = verifier.accepts(algorithm, signed.as_bytes(), &signature);
        assert_eq!(holds, algorithm == Algorithm::Es256, "{algorithm}");
    }
}

/// What Wycheproof says of one signature, and what is said here. `Acceptable` may go either way.
struct Tally {
    set: &'static str,
    valid: usize,
    invalid: usize,
}

impl Tally {
    const fn new(set: &'static str) -> Self {
        Self { set, valid: 0, invalid: 0 }
    }

    fn compare(&mut self, case: usize, expected: TestResult, holds: bool) {
        match expected {
            TestResult::Valid => assert!(holds, "{} case {case} is valid", self.set),
            TestResult::Invalid => assert!(!holds, "{} case {case} is invalid", self.set),
            TestResult::Acceptable => return,
        }
        *if holds { &mut self.valid } else { &mut self.invalid } += 1;
    }
}

#[test]
fn wycheproof_agrees_on_ecdsa() {
    use wycheproof::ecdsa::{TestName, TestSet};
    let sets = [
        (TestName::EcdsaSecp256r1Sha256P1363, KeyKind::P256, Algorithm::Es256),
        (TestName::EcdsaSecp384r1Sha384P1363, KeyKind::P384, Algorithm::Es384),
        (TestName::EcdsaSecp521r1Sha512P1363, KeyKind::P521, Algorithm::Es512),
    ];
    for (name, kind, algorithm) in sets {
        let mut tally = Tally::new(algorithm.name());
        for group in TestSet::load(name).unwrap().test_groups {
            let verifier = Verifier::curve(kind, &group.key.key).unwrap();
            for test in &group.tests {
                tally.compare(
                    test.tc_id,
                    test.result,
                    verifier.accepts(algorithm, &test.msg, &test.sig.to_vec()),
                );
            }
        }
        assert!(
            tally.valid > 50 && tally.invalid > 50,
            "{}: {} {}",
            tally.set,
            tally.valid,
            tally.invalid
        );
    }
}

#[test]
fn wycheproof_agrees_on_ed25519() {
    use wycheproof::eddsa::{TestName, TestSet};
    let mut tally = Tally::new("EdDSA");
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        let verifier = Verifier::curve(KeyKind::Ed25519, &group.key.pk).unwrap();
        for test in &group.tests {
            let holds = verifier.accepts(Algorithm::EdDSA, &test.msg, &test.sig.to_vec());
            tally.compare(test.tc_id, test.result, holds);
        }
    }
    assert!(tally.valid > 50 && tally.invalid > 50);
}

#[test]
fn wycheproof_agrees_on_rsa_pkcs1() {
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    let sets = [
        (TestName::Rsa2048Sha256, Algorithm::Rs256),
        (TestName::Rsa2048Sha384, Algorithm::Rs384),
        (TestName::Rsa2048Sha512, Algorithm::Rs512),
        (TestName::Rsa4096Sha256, Algorithm::Rs256),
        (TestName::Rsa8192Sha256, Algorithm::Rs256),
    ];
    for (name, algorithm) in sets {
        let mut tally = Tally::new(algorithm.name());
        for group in TestSet::load(name).unwrap().test_groups {
            let verifier = rsa(&group.key.n, &group.key.e);
            for test in &group.tests {
                tally.compare(
                    test.tc_id,
                    test.result,
                    verifier.accepts(algorithm, &test.msg, &test.sig.to_vec()),
                );
            }
        }
        assert!(
            tally.valid > 5 && tally.invalid > 50,
            "{}: {} {}",
            tally.set,
            tally.valid,
            tally.invalid
        );
    }
}

#[test]
fn wycheproof_agrees_on_rsa_pss() {
    use wycheproof::rsa_pss_verify::{TestName, TestSet};
    let sets = [
        (TestName::RsaPss2048Sha256Mgf1SaltLen32, Algorithm::Ps256),
        (TestName::RsaPss2048Sha384Mgf1SaltLen48, Algorithm::Ps384),
        (TestName::RsaPss4096Sha512Mgf1SaltLen64, Algorithm::Ps512),
    ];
    for (name, algorithm) in sets {
        let mut tally = Tally::new(algorithm.name());
        for group in TestSet::load(name).unwrap().test_groups {
            let verifier = rsa(&group.key.n, &group.key.e);
            for test in &group.tests {
                tally.compare(
                    test.tc_id,
                    test.result,
                    verifier.accepts(algorithm, &test.msg, &test.sig.to_vec()),
                );
            }
        }
        assert!(
            tally.valid > 5 && tally.invalid > 20,
            "{}: {} {}",
            tally.set,
            tally.valid,
            tally.invalid
        );
    }
}

/// JSON Web Signatures have a salt as long as the digest and no other
/// ([RFC 7518 §3.5](https://www.rfc-editor.org/rfc/rfc7518#section-3.5)).
#[test]
fn a_pss_salt_of_another_length_does_not_hold() {
    use wycheproof::rsa_pss_verify::{TestName, TestSet};
    for group in TestSet::load(TestName::RsaPss2048Sha256Mgf1SaltLen0).unwrap().test_groups {
        let verifier = rsa(&group.key.n, &group.key.e);
        for test in group.tests.iter().filter(|test| test.result == TestResult::Valid) {
            assert!(
                !verifier.accepts(Algorithm::Ps256, &test.msg, &test.sig.to_vec()),
                "case {}",
                test.tc_id
            );
        }
    }
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Verifier {
    let zeros = |bytes: &[u8]| bytes.iter().take_while(|byte| **byte == 0).count();
    Verifier::rsa(&modulus[zeros(modulus)..], &exponent[zeros(exponent)..]).unwrap()
}
