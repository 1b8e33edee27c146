//! Tokens: nothing panics, and nobody without the key makes one that is accepted.
//!
//! An input with a line break is taken for a header and a payload still to be encoded; others are taken as they are.

#![no_main]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use sidegate::base::time::Timestamp;
use sidegate::token::{Algorithm, Jwt, KeySet, Rules, TypeRule};
use std::sync::LazyLock;
use std::time::Duration;

/// The public keys of RFC 7515 §A.3 and RFC 8037 §A.2.
const KEY_SET: &str = r#"{"keys":[
    {"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
    {"kty":"OKP","crv":"Ed25519","kid":"ed","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
]}"#;

static KEYS: LazyLock<KeySet> =
    LazyLock::new(|| KeySet::parse(KEY_SET.as_bytes()).expect("a good key set").keys);

fn rules() -> Rules {
    Rules {
        issuer: "joe".into(),
        audiences: vec!["web".into()],
        clients: None,
        client_claims: Vec::new(),
        algorithms: Algorithm::ALL.into_iter().collect(),
        types: TypeRule::Any,
        leeway: Duration::from_secs(30),
    }
}

fn token(input: &str) -> String {
    match input.split_once('\n') {
        Some((header, payload)) => {
            [header, payload, "signature"].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
        }
        None => input.to_owned(),
    }
}

fuzz_target!(|input: &str| {
    let token = token(input);
    if let Ok(jwt) = Jwt::parse(&token, 16 * 1024) {
        let verdict = jwt.verify(&KEYS, &rules(), Timestamp::from_secs(1_700_000_000));
        assert!(verdict.is_err(), "a token that nobody signed is accepted");
    }
});
