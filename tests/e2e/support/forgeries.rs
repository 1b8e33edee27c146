//! Tokens that must not count: forged, properly signed but wrong, and no tokens at all. Each comes with a word on what it is.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::tokens::{ISSUER, Issuer, claims, part};

fn sign_hmac(algorithm: hmac::Algorithm, name: &str, secret: &[u8], issuer: &Issuer) -> String {
    let header = json!({ "alg": name, "kid": issuer.jwk()["kid"], "typ": "JWT" });
    let signed = format!("{}.{}", part(&header), part(&claims("ada")));
    let signature = hmac::sign(&hmac::Key::new(algorithm, secret), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The uncompressed point of the public key.
fn point(jwk: &Value) -> Vec<u8> {
    let half = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    [vec![4], half("x"), half("y")].concat()
}

/// Tokens whose signature is none, or made with what everybody knows.
pub(crate) fn forgeries(issuer: &Issuer) -> Vec<(String, String)> {
    let good = issuer.token("ada");
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let mut all = Vec::new();
    let mut forge = |name: &str, token: String| all.push((name.to_owned(), token));
    for name in ["none", "None", "NONE", "nOnE", "", "none ", "ES256 "] {
        let header = json!({ "alg": name, "kid": issuer.jwk()["kid"] });
        let unsigned = format!("{}.{}.", part(&header), part(&claims("ada")));
        forge(&format!("alg {name:?}, no signature"), unsigned.clone());
        forge(&format!("alg {name:?}, foreign signature"), format!("{unsigned}{signature}"));
    }
    let secrets = [
        ("the key", issuer.jwk().to_string().into_bytes()),
        ("the key set", issuer.jwks().to_string().into_bytes()),
        ("the point", point(issuer.jwk())),
        ("nothing", Vec::new()),
        ("the key's name", issuer.jwk()["kid"].as_str().unwrap().as_bytes().to_vec()),
    ];
    for (what, secret) in &secrets {
        forge(&format!("HS256 with {what}"), sign_hmac(hmac::HMAC_SHA256, "HS256", secret, issuer));
        forge(&format!("HS512 with {what}"), sign_hmac(hmac::HMAC_SHA512, "HS512", secret, issuer));
        forge(
            &format!("ES256 made by HMAC with {what}"),
            sign_hmac(hmac::HMAC_SHA512, "ES256", secret, issuer),
        );
    }
    let thief = Issuer::new();
    let with = |name: &str, value: Value| {
        let mut header = thief.header();
        header["kid"] = issuer.jwk()["kid"].clone();
        header[name] = value;
        thief.sign(&header, &claims("ada"))
    };
    forge("its own key", with("jwk", thief.jwk().clone()));
    forge("the address of its own key", with("jku", "https://evil.test/jwks".into()));
    forge("the address of its own certificate", with("x5u", "https://evil.test/x".into()));
    forge("its own certificate", with("x5c", json!(["MIIB"])));
    forge("another's signature", with("x", 1.into()));
    forge("no signature", format!("{signed}."));
    forge("no third part", signed.to_owned());
    forge("a signature of zeros", format!("{signed}.{}", URL_SAFE_NO_PAD.encode([0; 64])));
    forge("a short signature", format!("{signed}.AAAA"));
    forge("a fourth part", format!("{good}.{signature}"));
    forge("five parts", format!("{good}..{signature}"));
    let (header, body) = signed.split_once('.').unwrap();
    forge("a changed body", format!("{header}.{}.{signature}", part(&claims("root"))));
    let all_json = json!({ "payload": body, "protected": header, "signature": signature });
    forge("JSON serialisation", URL_SAFE_NO_PAD.encode(all_json.to_string()));
    all
}

/// Tokens that are properly signed and must not count all the same.
pub(crate) fn misfits(issuer: &Issuer) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let headers = [
        ("crit", json!(["exp"])),
        ("crit", json!(["b64"])),
        ("crit", json!([])),
        ("b64", false.into()),
        ("zip", "DEF".into()),
        ("enc", "A256GCM".into()),
        ("typ", "logout+jwt".into()),
        ("typ", "dpop+jwt".into()),
        ("typ", 1.into()),
        ("alg", "ES384".into()),
        ("alg", "RS256".into()),
        ("alg", json!(["ES256"])),
        ("kid", "../../../etc/passwd".into()),
        ("kid", "' OR 1=1 --".into()),
        ("kid", "k".repeat(2_000).into()),
        ("kid", json!({ "a": 1 })),
    ];
    for (name, value) in headers {
        let mut header = issuer.header();
        header[name] = value.clone();
        all.push((format!("header {name}: {value}"), issuer.sign(&header, &claims("ada"))));
    }
    let now = claims("ada")["iat"].as_u64().unwrap();
    let bodies = [
        ("exp", json!(now - 3_600)),
        ("exp", json!(now - 61)),
        ("exp", json!(format!("{}", now + 600))),
        ("exp", json!(-1)),
        ("exp", Value::Null),
        ("exp", json!(1e300)),
        ("nbf", json!(now + 3_600)),
        ("nbf", json!("0")),
        ("iat", json!(now + 3_600)),
        ("iss", "https://evil.test".into()),
        ("iss", format!("{ISSUER}/").into()),
        ("iss", ISSUER.to_uppercase().into()),
        ("iss", json!([ISSUER])),
        ("iss", Value::Null),
        ("aud", "other".into()),
        ("aud", json!([])),
        ("aud", json!(["web", 1])),
        ("aud", json!({ "web": true })),
        ("aud", "web ".into()),
        ("aud", "WEB".into()),
        ("aud", Value::Null),
        ("sub", Value::Null),
        ("sub", json!(1)),
    ];
    for (name, value) in bodies {
        all.push((
            format!("claim {name}: {value}"),
            issuer.token_with("ada", |claims| claims[name] = value.clone()),
        ));
    }
    for name in ["exp", "iss", "aud"] {
        let token = issuer.token_with("ada", |claims| {
            claims.as_object_mut().unwrap().remove(name);
        });
        all.push((format!("no {name}"), token));
    }
    all.push((
        "claims that are a list".to_owned(),
        issuer.sign(&issuer.header(), &json!(["iss", ISSUER])),
    ));
    all.push((
        "a header that is a list".to_owned(),
        issuer.sign(&json!(["alg", "ES256"]), &claims("ada")),
    ));
    all
}

/// What is no token at all.
pub(crate) fn rubbish() -> Vec<(String, String)> {
    let texts = [
        "x".to_owned(),
        "a.b.c".to_owned(),
        "..".to_owned(),
        ".".repeat(60_000),
        "e30.e30.e30".to_owned(),
        "a".repeat(40_000),
        format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode("{\"a\":".repeat(3_000))),
        "=".to_owned(),
        "null".to_owned(),
    ];
    texts.into_iter().map(|text| (format!("{:.20}… of {} bytes", text, text.len()), text)).collect()
}
