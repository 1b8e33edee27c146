use super::*;
use crate::gate::DpopError;

fn field<'r>(reply: &'r Reply, name: &HeaderName) -> Option<&'r str> {
    reply.headers.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.to_str().ok())
}

fn pages() -> Pages {
    Pages::built_in()
}

fn person<'a>(pages: &'a Pages, request_id: &'a str) -> Asker<'a> {
    Asker { audience: Audience::Person, language: Language::default(), pages, request_id }
}

fn program(pages: &Pages) -> Asker<'_> {
    Asker { audience: Audience::Program, language: Language::default(), pages, request_id: "r1" }
}

fn challenge(error: Option<BearerError>) -> Decision {
    Decision::Challenge(Challenge {
        reason: Reason::TokenExpired,
        error,
        dpop: None,
        login_url: Some("https://l.test/?a=b&c=\"<".into()),
    })
}

#[test]
fn every_answer_forbids_caching() {
    for reason in Reason::ALL {
        let reply = Reply::to(&Decision::Refuse(*reason), program(&pages())).unwrap();
        assert_eq!(field(&reply, &header::CACHE_CONTROL), Some("no-store"));
    }
}

/// The client learns that the token is bad, not in which way.
#[test]
fn bad_tokens_look_alike() {
    let reply = Reply::to(&challenge(Some(BearerError::InvalidToken)), program(&pages())).unwrap();
    assert_eq!(reply.status, 401);
    assert_eq!(
        field(&reply, &header::WWW_AUTHENTICATE),
        Some("Bearer realm=\"sidegate\", error=\"invalid_token\"")
    );
    assert!(!String::from_utf8_lossy(&reply.body).contains("expired"));
}

#[test]
fn step_up_names_what_would_do() {
    let error = BearerError::InsufficientUserAuthentication {
        acr_values: vec!["mfa".into()],
        max_age: Some(600),
    };
    let reply = Reply::to(&challenge(Some(error)), program(&pages())).unwrap();
    let said = field(&reply, &header::WWW_AUTHENTICATE).unwrap();
    assert!(
        said.ends_with(
            "error=\"insufficient_user_authentication\", acr_values=\"mfa\", max_age=\"600\""
        ),
        "{said}"
    );
}

#[test]
fn programs_get_json_with_the_login_url() {
    let reply = Reply::to(&challenge(None), program(&pages())).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(body["error"], "login_required");
    assert_eq!(body["login_url"], "https://l.test/?a=b&c=\"<");
    assert_eq!(body["request_id"], "r1");
}

fn challenges(reply: &Reply) -> Vec<&str> {
    let named = reply.headers.iter().filter(|(name, _)| name == header::WWW_AUTHENTICATE);
    named.map(|(_, value)| value.to_str().unwrap()).collect()
}

#[test]
fn proofs_are_asked_for_beside_bearer_until_one_is_offered() {
    let dpop = |error, nonce: Option<&str>| {
        Decision::Challenge(Challenge {
            reason: Reason::ProofNonce,
            error: None,
            dpop: Some(DpopChallenge { error, nonce: nonce.map(str::to_owned) }),
            login_url: None,
        })
    };
    let reply = Reply::to(&dpop(None, None), program(&pages())).unwrap();
    assert!(challenges(&reply)[0].starts_with("Bearer ") && challenges(&reply).len() == 2);
    let wanted = dpop(Some(DpopError::UseNonce), Some("n1"));
    let reply = Reply::to(&wanted, program(&pages())).unwrap();
    let said = challenges(&reply);
    assert!(said[0].starts_with("DPoP algs=\"RS256 ") && said.len() == 1, "{said:?}");
    assert!(said[0].ends_with("error=\"use_dpop_nonce\""), "{said:?}");
    assert_eq!(field(&reply, &DPOP_NONCE), Some("n1"));
}

#[test]
fn who_sent_a_form_with_a_session_that_is_over_learns_that_it_was_not_sent() {
    let over = Decision::Challenge(Challenge {
        reason: Reason::SessionIdle,
        error: None,
        dpop: None,
        login_url: Some("https://a.test/.auth/login?return_to=%2F".into()),
    });
    let reply = Reply::to(&over, person(&pages(), "r1")).unwrap();
    let page = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(page.contains("was not handed to the application"), "{page}");
    assert_eq!(challenges(&reply), ["Bearer realm=\"sidegate\""]);
}

#[test]
fn pages_escape_what_they_show() {
    let reply = Reply::to(&challenge(None), person(&pages(), "<script>")).unwrap();
    let page = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"), "{page}");
    assert!(page.contains("a=b&amp;c=&quot;&lt;"), "{page}");
    assert!(field(&reply, &header::CONTENT_SECURITY_POLICY).is_some());
}

#[test]
fn sign_in_is_a_302_to_the_login_page() {
    let sign_in =
        SignIn { reason: Reason::MissingCredential, location: "https://l.test/?rd=x".into() };
    let reply = Reply::to(&Decision::SignIn(sign_in), person(&pages(), "r1")).unwrap();
    assert_eq!(
        (reply.status.as_u16(), field(&reply, &header::LOCATION)),
        (302, Some("https://l.test/?rd=x"))
    );
}
