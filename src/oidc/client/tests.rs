use super::*;
use crate::oidc::fixture::{NOW, es256, set_of};
use crate::token::{Jwt, Rules, TypeRule};

const CONTEXT: AssertionContext<'_> =
    AssertionContext { audience: "https://login.example.com", now: NOW, jti: "j1" };

fn authenticated(
    client_id: &str,
    authentication: ClientAuthentication,
) -> (Form, Option<HeaderValue>) {
    let mut form = Form::new().with("grant_type", "x");
    let registration = Registration { client_id: client_id.to_owned(), authentication };
    let header = registration.authenticate(&mut form, CONTEXT).unwrap();
    (form, header)
}

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

// Row x052.
#[test]
fn a_secret_in_a_header_is_encoded_before_it_is_joined() {
    let authentication = ClientAuthentication::Basic(secret("p+%: \u{e9}"));
    let (form, header) = authenticated("id:x", authentication);
    let header = header.unwrap();
    let encoded = header.to_str().unwrap().strip_prefix("Basic ").unwrap().to_owned();
    let pair = String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap();
    assert_eq!(pair, "id%3Ax:p%2B%25%3A+%C3%A9");
    assert!(header.is_sensitive() && !format!("{header:?}").contains("Basic"));
    assert_eq!(form.encode().expose(), "grant_type=x");
}

#[test]
fn a_secret_in_the_form_and_a_public_client_send_no_header() {
    let (form, header) = authenticated("id", ClientAuthentication::Post(secret("s&s")));
    assert_eq!(form.encode().expose(), "grant_type=x&client_id=id&client_secret=s%26s");
    assert!(header.is_none());
    let (form, header) = authenticated("id", ClientAuthentication::None);
    assert_eq!(form.encode().expose(), "grant_type=x&client_id=id");
    assert!(header.is_none());
}

#[test]
fn an_assertion_is_a_token_of_ours_for_the_provider() {
    let key = Arc::new(SigningKey::generate().unwrap());
    let authentication = ClientAuthentication::PrivateKeyJwt(Arc::clone(&key));
    let (form, header) = authenticated("id", authentication);
    assert!(header.is_none());
    assert_eq!(form.value("client_assertion_type"), Some(JWT_BEARER));
    let rules = Rules {
        issuer: "id".to_owned(),
        audiences: vec![CONTEXT.audience.to_owned()],
        clients: None,
        client_claims: Vec::new(),
        algorithms: es256(),
        types: TypeRule::Plain,
        leeway: Duration::ZERO,
    };
    let jwt = Jwt::parse(form.value("client_assertion").unwrap(), 4096).unwrap();
    let verified = jwt.verify(&set_of(&key), &rules, NOW).unwrap();
    assert_eq!(verified.expires(), NOW + Duration::from_secs(60));
    let claims = verified.claims();
    assert_eq!((claims.text("sub"), claims.text("jti")), (Some("id"), Some("j1")));
}

#[test]
fn debug_text_shows_no_secret() {
    let authentication = ClientAuthentication::Post(secret("hunter2"));
    let registration = Registration { client_id: "id".to_owned(), authentication };
    assert!(!format!("{registration:?}").contains("hunter2"));
}
