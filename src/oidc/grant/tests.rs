use super::*;
use crate::oidc::fixture::{json_answer, with};
use serde_json::json;

fn good(changes: Value) -> String {
    let base = json!({
        "access_token": "at", "token_type": "Bearer", "expires_in": 1800, "refresh_token": "rt",
        "id_token": "a.b.c", "scope": "openid email",
    });
    with(base, changes).to_string()
}

fn read(changes: Value) -> Result<TokenResponse, GrantError> {
    parse(&json_answer(200, &good(changes)))
}

fn refused(changes: Value) -> String {
    let text = changes.to_string();
    let Err(error) = read(changes) else { panic!("accepted with {text}") };
    error.to_string()
}

#[test]
fn forms_have_what_the_standard_asks_for() {
    let secret = |text: &str| Secret::new(text.to_owned());
    let form = code_form(&secret("c"), "https://app.example.com/cb", &secret("v"));
    assert_eq!(
        form.encode().expose(),
        "grant_type=authorization_code&code=c&redirect_uri=https%3A%2F%2Fapp.example.com%2Fcb&code_verifier=v"
    );
    let form = refresh_form(&secret("r"));
    assert_eq!(form.encode().expose(), "grant_type=refresh_token&refresh_token=r");
    let form = client_credentials_form(&["a".to_owned(), "b".to_owned()], Some("urn:x"));
    assert_eq!(form.encode().expose(), "grant_type=client_credentials&scope=a+b&resource=urn%3Ax");
    let form = client_credentials_form(&[], None);
    assert_eq!(form.encode().expose(), "grant_type=client_credentials");
}

#[test]
fn a_full_answer_is_read_and_never_printed() {
    let found = read(json!({})).unwrap();
    assert_eq!(found.access_token.expose(), "at");
    assert_eq!(found.refresh_token.as_ref().unwrap().expose(), "rt");
    assert_eq!(found.require_id_token().unwrap().expose(), "a.b.c");
    assert_eq!(found.expires_in, Some(Duration::from_secs(1800)));
    assert_eq!(found.scope.clone().unwrap(), ["openid", "email"]);
    let text = format!("{found:?}");
    assert!(!text.contains("a.b.c") && !text.contains("\"at\""), "{text}");
}

// The modules on missing members, and rows x042 and x043.
#[test]
fn members_that_may_be_missing_are_missing() {
    let changes =
        json!({ "expires_in": null, "refresh_token": null, "scope": null, "id_token": null });
    let found = read(changes).unwrap();
    assert!(found.expires_in.is_none() && found.refresh_token.is_none() && found.scope.is_none());
    assert_eq!(found.require_id_token().unwrap_err(), GrantError::Missing("id_token"));
    assert!(refused(json!({ "access_token": null })).contains("access_token"));
    assert!(refused(json!({ "token_type": null })).contains("token_type"));
}

// Row x043 and the module on case.
#[test]
fn token_types_are_known_in_any_case() {
    for (name, expected) in
        [("bEARER", TokenType::Bearer), ("DPoP", TokenType::Dpop), ("dpop", TokenType::Dpop)]
    {
        assert_eq!(read(json!({ "token_type": name })).unwrap().token_type, expected);
    }
    for bad in [json!("mac"), json!("N_A"), json!(""), json!(7), json!(["Bearer"])] {
        assert!(refused(json!({ "token_type": bad })).contains("token_type"));
    }
}

// Rows x041 and x044.
#[test]
fn a_token_is_one_bounded_word() {
    for name in ["access_token", "refresh_token", "id_token"] {
        let bad = [
            json!("a\r\nX-Admin: 1"),
            json!("a\u{0}"),
            json!("a b"),
            json!("\u{e9}"),
            json!("x".repeat(100 * 1024)),
            json!(5),
            json!({}),
            json!(["a"]),
        ];
        for value in bad {
            assert!(refused(json!({ name: value })).contains(name));
        }
    }
    for bad in [r#""""#, "null"] {
        let body = format!(r#"{{"access_token":"a","token_type":"Bearer","id_token":{bad}}}"#);
        let error = parse(&json_answer(200, &body)).unwrap_err();
        assert!(error.to_string().contains("id_token"), "{bad}");
    }
    let body = r#"{"access_token":"","token_type":"Bearer"}"#;
    assert!(parse(&json_answer(200, body)).is_err());
}

// Row x051.
#[test]
fn a_large_id_token_is_accepted() {
    assert!(read(json!({ "id_token": "x".repeat(50 * 1024) })).is_ok());
    assert!(read(json!({ "id_token": "x".repeat(64 * 1024) })).is_ok());
    assert!(read(json!({ "id_token": "x".repeat(64 * 1024 + 1) })).is_err());
}

#[test]
fn an_empty_refresh_token_is_none() {
    for body in [
        r#"{"access_token":"a","token_type":"Bearer","refresh_token":""}"#,
        r#"{"access_token":"a","token_type":"Bearer","refresh_token":null}"#,
    ] {
        assert!(parse(&json_answer(200, body)).unwrap().refresh_token.is_none());
    }
}

// Row x045.
#[test]
fn lifetimes_are_clamped_whatever_they_look_like() {
    for (value, seconds) in [
        (json!(3600), 3600),
        (json!("3600"), 3600),
        (json!(3600.7), 3600),
        (json!(0), 0),
        (json!(-5), 0),
        (json!("-1e400"), 0),
        (json!(1e20), MAX_LIFE.as_secs()),
        (json!("1e400"), MAX_LIFE.as_secs()),
        (json!(u64::MAX), MAX_LIFE.as_secs()),
    ] {
        let life = read(json!({ "expires_in": value })).unwrap().expires_in.unwrap();
        assert_eq!(life.as_secs(), seconds, "{value}");
    }
    for bad in [json!("soon"), json!(true), json!([1]), json!("NaN"), json!({}), json!("")] {
        assert!(refused(json!({ "expires_in": bad })).contains("expires_in"));
    }
}

#[test]
fn a_scope_may_be_an_array() {
    let scope = |value| read(json!({ "scope": value })).map(|found| found.scope.unwrap());
    assert_eq!(scope(json!(["a", "b"])).unwrap(), ["a", "b"]);
    assert!(scope(json!("")).unwrap().is_empty());
    assert!(scope(json!(5)).is_err() && scope(json!([5])).is_err());
}

// Row x041.
#[test]
fn what_is_not_one_json_object_is_refused() {
    let doubled = r#"{"access_token":"a","token_type":"Bearer","id_token":"a","id_token":"b"}"#;
    for body in [doubled, "", "[]", "null", "<html>", "{", "a=b"] {
        let error = parse(&json_answer(200, body)).unwrap_err();
        assert_eq!(error, GrantError::NotJson { status: 200 }, "{body}");
    }
    let body = good(json!({}));
    let with_type = |content_type| {
        let retry_after = None;
        parse(&Answer { status: 200, content_type, retry_after, body: body.as_bytes() })
    };
    for name in ["text/html", "text/plain", "application/x-www-form-urlencoded", "+json"] {
        assert!(with_type(Some(name)).is_err(), "{name}");
    }
    for name in ["application/json", "Application/JSON; charset=utf-8", "application/x+json"] {
        assert!(with_type(Some(name)).is_ok(), "{name}");
    }
    assert!(with_type(None).is_ok());
}

// Rows x040 and x047.
#[test]
fn an_error_is_one_whatever_the_status() {
    for status in [200, 400, 401, 403] {
        let body = r#"{"error":"invalid_grant","error_description":"no\r\n<b>","access_token":"a","token_type":"Bearer"}"#;
        let error = parse(&json_answer(status, body)).unwrap_err();
        let expected = GrantError::Refused {
            error: GrantErrorCode::InvalidGrant,
            description: "no<b>".to_owned(),
        };
        assert_eq!(error, expected);
        assert!(error.is_final());
    }
    for (body, name) in [
        (r#"{"error":"invalid_client"}"#, "invalid_client"),
        (r#"{"error":"odd_one"}"#, "odd_one"),
        (r#"{"error":"a\u0000b"}"#, "unreadable"),
        (r#"{"error":{"code":5}}"#, "unreadable"),
    ] {
        let Err(GrantError::Refused { error, .. }) = parse(&json_answer(400, body)) else {
            panic!("{body} is no refusal")
        };
        assert_eq!(error.name(), name);
    }
}

// Rows x039 and x048.
#[test]
fn a_busy_provider_is_told_from_one_that_refuses() {
    let answer = |status, retry_after| {
        let body = br#"{"error":"invalid_grant"}"#;
        parse(&Answer { status, content_type: None, retry_after, body }).unwrap_err()
    };
    for status in [408, 429, 500, 502, 503] {
        let expected = GrantError::Unavailable { status, retry_after: None };
        assert_eq!(answer(status, None), expected);
        assert!(!answer(status, None).is_final());
    }
    for (text, seconds) in [("7", Some(7)), ("99999999", Some(3600)), ("soon", None), ("-1", None)]
    {
        let retry_after = seconds.map(Duration::from_secs);
        assert_eq!(answer(503, Some(text)), GrantError::Unavailable { status: 503, retry_after });
    }
    for status in [204, 302, 404] {
        let error = parse(&json_answer(status, "{}")).unwrap_err();
        assert_eq!(error, GrantError::Unexpected { status });
    }
}
