use serde_json::json;

use std::time::Duration;

use super::*;

fn identity(claims: Value, map: &ClaimMap) -> Result<Identity, IdentityError> {
    let Value::Object(claims) = claims else { panic!("claims are an object") };
    Identity::new(
        Arc::from("https://login.example"),
        Claims::from(claims),
        map,
        Timestamp::from_secs(2_000),
    )
}

fn path(text: &str) -> ClaimPaths {
    ClaimPath::parse(text).unwrap().into()
}

#[test]
fn standard_claims_are_read_by_default() {
    let found = identity(
        json!({"sub": "u1", "email": "ada@x.test", "name": "Ada", "groups": ["a", "b"], "scope": "read write", "auth_time": 900, "amr": ["pwd"], "acr": "1"}),
        &ClaimMap::default(),
    )
    .unwrap();
    assert_eq!((found.user(), found.subject(), found.email()), ("u1", "u1", Some("ada@x.test")));
    assert_eq!(found.groups(), ["a", "b"]);
    assert_eq!(found.scopes(), ["read", "write"]);
    assert_eq!(found.authenticated_at(), Some(Timestamp::from_secs(900)));
    assert_eq!((found.methods(), found.context_class()), (vec!["pwd"], Some("1")));
}

#[test]
fn a_namespaced_claim_is_one_exact_name() {
    let map = ClaimMap { groups: path("https://app.example/roles"), ..ClaimMap::default() };
    let found = identity(json!({"sub": "u", "https://app.example/roles": ["r"]}), &map).unwrap();
    assert_eq!(found.groups(), ["r"]);
}

#[test]
fn a_pointer_reaches_into_objects() {
    let map = ClaimMap {
        roles: path("/realm_access/roles"),
        user: path("/a~1b/0"),
        ..ClaimMap::default()
    };
    let found = identity(json!({"sub": "u", "realm_access": {"roles": ["r"]}, "a/b": ["x"]}), &map)
        .unwrap();
    assert_eq!((found.roles(), found.user()), (&["r".to_owned()][..], "x"));
}

/// Okta names people in `uid` of access tokens and in `sub` of ID tokens: two names, one person.
#[test]
fn of_several_claims_the_first_that_is_there_counts() {
    let paths = ["uid", "sub"].map(|name| ClaimPath::parse(name).unwrap());
    let map = ClaimMap { user: ClaimPaths::new(paths.to_vec()), ..ClaimMap::default() };
    let access = identity(json!({"sub": "ada@x.test", "uid": "00u1"}), &map).unwrap();
    let id = identity(json!({"sub": "00u1"}), &map).unwrap();
    assert_eq!((access.user(), id.user()), ("00u1", "00u1"));
    assert!(identity(json!({"sub": "ada@x.test", "uid": ""}), &map).is_err());
}

#[test]
fn without_a_user_there_is_no_identity() {
    for claims in [json!({}), json!({"sub": ""}), json!({"sub": null}), json!({"sub": ["x"]})] {
        assert_eq!(identity(claims, &ClaimMap::default()).unwrap_err(), IdentityError::NoUser);
    }
}

#[test]
fn a_mail_address_that_is_not_verified_is_not_trusted() {
    for (verified, trusted) in [
        (json!(false), false),
        (json!("false"), false),
        (json!(0), false),
        (json!([]), false),
        (json!(true), true),
        (json!("true"), true),
        (json!(null), true),
    ] {
        let found = identity(
            json!({"sub": "u", "email": "a@x.test", "email_verified": verified}),
            &ClaimMap::default(),
        )
        .unwrap();
        assert_eq!(found.trusted_email().is_some(), trusted);
    }
}

#[test]
fn what_is_no_claim_path_says_so() {
    for text in ["", "/", "/a~2b", "a\nb"] {
        assert!(ClaimPath::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn an_assertion_never_outlives_the_proof() {
    let found = identity(json!({"sub": "u", "groups": []}), &ClaimMap::default()).unwrap();
    let claims = assertion::claims(
        &found,
        "sidegate",
        "app",
        Timestamp::from_secs(1_990),
        Duration::from_secs(60),
    );
    assert_eq!(
        claims,
        json!({"iss": "sidegate", "aud": "app", "sub": "u", "idp": "https://login.example", "iat": 1990, "nbf": 1990, "exp": 2000})
    );
}

/// What one app of Authgear's approves for another has the time of the approval, and no method.
#[test]
fn a_time_without_a_method_is_no_proof_where_methods_are_always_told() {
    let map = ClaimMap { auth_time: AuthTimeRule::WithMethods, ..ClaimMap::default() };
    for (amr, proved) in
        [(json!(["pwd"]), Some(900)), (json!([]), None), (json!("pwd"), None), (json!(null), None)]
    {
        let claims = json!({ "sub": "ada", "auth_time": 900, "amr": amr });
        let seen = |map: &ClaimMap| {
            let found = identity(claims.clone(), map).unwrap();
            [found.proved_at(), found.authenticated_at()].map(|at| at.map(|at| at.as_secs()))
        };
        assert_eq!(seen(&map), [proved, Some(900)], "{amr}");
        assert_eq!(seen(&ClaimMap::default()), [Some(900), Some(900)], "{amr}");
    }
}
