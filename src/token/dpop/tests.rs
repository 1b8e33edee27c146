use serde_json::{Map, json};

use super::*;
use crate::base::secret::Secret;
use crate::token::{Algorithm, SigningKey};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const LEEWAY: u64 = 5;
const TOKEN: &str = "the.access.token";

/// A proof for `GET https://app.example/orders`, as a client makes it.
struct Client {
    key: SigningKey,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(members) = value else { unreachable!() };
    members
}

fn client() -> Client {
    let key = SigningKey::generate().unwrap();
    let public = object(key.public_jwk());
    let jwk: Map<_, _> =
        public.into_iter().filter(|(name, _)| name.len() < 4 && name != "kid").collect();
    let ath = URL_SAFE_NO_PAD.encode(digest(&SHA256, TOKEN.as_bytes()));
    Client {
        header: object(json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk })),
        claims: object(json!({
            "jti": "e1j3V_bKic8-LAEB", "htm": "GET", "htu": "https://app.example/orders",
            "iat": NOW.as_secs(), "ath": ath,
        })),
        key,
    }
}

impl Client {
    fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    fn head(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self.header.remove(name);
        self
    }

    fn text(&self) -> String {
        let (header, claims) = (self.header.clone().into(), self.claims.clone().into());
        self.key.sign_under(&header, &claims).unwrap()
    }

    fn verify_for(&self, host: &str, path: &str) -> Result<Proof, ProofError> {
        verify(&self.text(), host, path, None)
    }

    fn verify(&self) -> Result<Proof, ProofError> {
        self.verify_for("app.example", "/orders")
    }
}

fn verify(
    text: &str,
    host: &str,
    path: &str,
    nonces: Option<&NonceKey>,
) -> Result<Proof, ProofError> {
    let demand = ProofDemand {
        method: "GET",
        scheme: "https",
        authority: &Authority::parse(host).unwrap(),
        path,
        token: TOKEN,
        leeway: Duration::from_secs(LEEWAY),
        nonces,
    };
    Proof::verify(text, &demand, NOW)
}

fn bad_claim(result: Result<Proof, ProofError>) -> &'static str {
    match result.unwrap_err() {
        ProofError::BadClaim { name, .. } => name,
        other => panic!("{other}"),
    }
}

#[test]
fn a_good_proof_names_its_key() {
    let client = client();
    let proof = client.verify().unwrap();
    assert_eq!(URL_SAFE_NO_PAD.encode(proof.key()), client.key.kid());
    assert_eq!(proof.usable_until(), NOW + Duration::from_secs(60 + LEEWAY + 1));
}

/// [RFC 9449 §6.1](https://www.rfc-editor.org/rfc/rfc9449#section-6.1) and
/// [RFC 7638 §3.1](https://www.rfc-editor.org/rfc/rfc7638#section-3.1).
#[test]
fn thumbprints_are_those_of_the_standards() {
    let ec = json!({
        "kty": "EC", "use": "sig", "crv": "P-256",
        "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
        "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
    });
    let expected = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    assert_eq!(URL_SAFE_NO_PAD.encode(thumbprint(&ec).unwrap()), expected);
    let rsa = json!({
        "kty": "RSA", "alg": "RS256", "kid": "2011-04-29", "e": "AQAB",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    });
    let expected = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
    assert_eq!(URL_SAFE_NO_PAD.encode(thumbprint(&rsa).unwrap()), expected);
}

#[test]
fn every_claim_must_be_there_and_fit() {
    for name in ["jti", "htm", "htu", "iat", "ath"] {
        assert_eq!(bad_claim(client().without(name).verify()), name);
        assert_eq!(bad_claim(client().claim(name, "other").claim("jti", "").verify()), "jti");
    }
    assert_eq!(bad_claim(client().claim("jti", "x".repeat(257)).verify()), "jti");
    assert_eq!(bad_claim(client().claim("jti", 7).verify()), "jti");
    for method in ["POST", "get", "GET "] {
        assert_eq!(bad_claim(client().claim("htm", method).verify()), "htm");
    }
    assert_eq!(bad_claim(client().claim("ath", TOKEN).verify()), "ath");
}

#[test]
fn the_address_is_compared_without_query_fragment_case_of_host_and_usual_port() {
    for address in [
        "https://app.example/orders?x=1",
        "https://app.example/orders#top",
        "HTTPS://App.Example:443/orders",
        "https://app.example./orders",
    ] {
        assert!(client().claim("htu", address).verify().is_ok(), "{address}");
    }
    for address in [
        "https://app.example/orders/",
        "https://app.example/Orders",
        "https://app.example/order",
        "https://app.example/",
        "https://app.example",
        "http://app.example/orders",
        "https://app.example:8443/orders",
        "https://evil.example/orders",
        "https://evil@app.example/orders",
        "https://app.example/x/../orders",
        "//app.example/orders",
        "/orders",
        "",
    ] {
        assert_eq!(bad_claim(client().claim("htu", address).verify()), "htu", "{address}");
    }
}

#[test]
fn percent_encodings_are_compared_without_case_and_nothing_else_is() {
    let proof = client().claim("htu", "https://app.example/a%2fB%C3%A9");
    assert!(proof.verify_for("app.example:443", "/a%2FB%c3%a9").is_ok());
    for path in ["/a%2Fb%C3%A9", "/a/B%C3%A9", "/A%2FB%C3%A9"] {
        assert_eq!(bad_claim(proof.verify_for("app.example", path)), "htu", "{path}");
    }
    let root = client().claim("htu", "https://app.example");
    assert!(root.verify_for("app.example", "/").is_ok());
}

#[test]
fn a_proof_is_good_for_a_minute() {
    let at = |shift: i64| client().claim("iat", NOW.as_secs().checked_add_signed(shift).unwrap());
    for good in [-65, 0, 5] {
        assert!(at(good).verify().is_ok(), "{good}");
    }
    for bad in [-66, 6, 1_000_000] {
        assert_eq!(bad_claim(at(bad).verify()), "iat", "{bad}");
    }
}

#[test]
fn only_the_right_type_is_a_proof() {
    for typ in ["dpop+jwt", "DPoP+JWT", "application/dpop+jwt"] {
        assert!(client().head("typ", typ).verify().is_ok());
    }
    for typ in ["JWT", "at+jwt", "dpop", ""] {
        assert_eq!(client().head("typ", typ).verify(), Err(ProofError::WrongType));
    }
    assert_eq!(client().without("typ").verify(), Err(ProofError::WrongType));
}

#[test]
fn the_key_must_be_a_public_one_and_have_made_the_signature() {
    let other = SigningKey::generate().unwrap().public_jwk();
    let result = client().head("jwk", other).verify();
    assert_eq!(result, Err(ProofError::NoToken(TokenError::BadSignature)));
    for member in PRIVATE_MEMBERS {
        let mut client = client();
        let jwk = client.header.get_mut("jwk").unwrap().as_object_mut().unwrap();
        jwk.insert(member.to_owned(), json!("AAAA"));
        assert!(matches!(client.verify(), Err(ProofError::BadKey { .. })), "{member}");
    }
    for jwk in [json!(null), json!("x"), json!({}), json!({ "kty": "oct", "k": "AAAA" })] {
        let result = client().head("jwk", jwk).verify();
        assert!(matches!(result, Err(ProofError::BadKey { .. })), "{result:?}");
    }
    assert!(matches!(client().without("jwk").verify(), Err(ProofError::BadKey { .. })));
}

#[test]
fn an_algorithm_that_does_not_fit_the_key_is_no_signature() {
    for algorithm in Algorithm::ALL.into_iter().filter(|one| *one != Algorithm::Es256) {
        let result = client().head("alg", algorithm.name()).verify();
        assert_eq!(result, Err(ProofError::NoToken(TokenError::BadSignature)), "{algorithm}");
    }
    for name in ["none", "HS256"] {
        let result = client().head("alg", name).verify();
        assert_eq!(result, Err(ProofError::NoToken(TokenError::UnsupportedAlgorithm)), "{name}");
    }
}

#[test]
fn what_is_no_token_is_no_proof() {
    let good = client().text();
    for text in ["", "a.b", "a.b.c", &format!("{good}.x"), &format!("{good}="), &"a".repeat(7000)] {
        let result = verify(text, "app.example", "/orders", None);
        assert!(matches!(result, Err(ProofError::NoToken(_))), "{result:?}");
    }
}

#[test]
fn a_nonce_is_asked_for_only_when_all_else_holds() {
    let key = NonceKey::new(&Secret::new([1; 32]));
    let judge = |client: Client| verify(&client.text(), "app.example", "/orders", Some(&key));
    assert_eq!(judge(client()), Err(ProofError::NonceWanted));
    assert_eq!(judge(client().claim("nonce", "old")), Err(ProofError::NonceWanted));
    assert!(judge(client().claim("nonce", key.nonce(NOW))).is_ok());
    let stolen = client().claim("ath", "x").claim("nonce", "old");
    assert_eq!(bad_claim(judge(stolen)), "ath");
}

#[test]
fn two_keys_may_use_the_same_id() {
    let (one, other) = (client(), client());
    assert_ne!(one.verify().unwrap().id(), other.verify().unwrap().id());
    let again = one.verify().unwrap();
    assert_eq!(one.claim("iat", NOW.as_secs() - 1).verify().unwrap().id(), again.id());
}
