use super::*;
use crate::oidc::discovery::{Endpoints, Metadata};
use crate::oidc::parameters::ParameterError;
use std::collections::BTreeMap;

fn request<'a>(scopes: &'a [String]) -> AuthorizationRequest<'a> {
    AuthorizationRequest {
        client_id: "edge",
        redirect_uri: "https://app.example.com/.auth/callback/main",
        scopes,
        state: "s t&ate",
        nonce: "n",
        challenge: "c",
        response_mode: ResponseMode::Query,
        prompt: None,
        max_age: None,
        acr_values: &[],
        login_hint: None,
        ui_locales: None,
        extra: &[],
    }
}

fn scopes() -> Vec<String> {
    ["openid", "email"].map(str::to_owned).to_vec()
}

/// The query as the provider reads it; every name must be there once.
fn read(url: &str) -> BTreeMap<String, String> {
    let url = Url::parse(url).unwrap();
    let mut read = BTreeMap::new();
    for (name, value) in url.query_pairs() {
        let before = read.insert(name.clone().into_owned(), value.into_owned());
        assert_eq!(before, None, "{name} occurs twice");
    }
    read
}

fn endpoint(text: &str) -> Url {
    Url::parse(text).unwrap()
}

#[test]
fn a_plain_request_has_what_a_code_flow_needs_and_no_more() {
    let read = read(&request(&scopes()).url(&endpoint("https://login.example.com/authorize")));
    let expected = [
        ("client_id", "edge"),
        ("code_challenge", "c"),
        ("code_challenge_method", "S256"),
        ("nonce", "n"),
        ("redirect_uri", "https://app.example.com/.auth/callback/main"),
        ("response_type", "code"),
        ("scope", "openid email"),
        ("state", "s t&ate"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(read, BTreeMap::from(expected));
}

#[test]
fn what_is_asked_beyond_is_written_out() {
    let acr_values = ["gold".to_owned(), "silver".to_owned()];
    let scopes = scopes();
    let request = AuthorizationRequest {
        response_mode: ResponseMode::FormPost,
        prompt: Some(Prompt::Login),
        max_age: Some(Duration::from_millis(300_999)),
        acr_values: &acr_values,
        login_hint: Some("ada@example.com"),
        ui_locales: Some("fi en"),
        ..request(&scopes)
    };
    let read = read(&request.url(&endpoint("https://login.example.com/authorize")));
    for (name, value) in [
        ("response_mode", "form_post"),
        ("prompt", "login"),
        ("max_age", "300"),
        ("acr_values", "gold silver"),
        ("login_hint", "ada@example.com"),
        ("ui_locales", "fi en"),
    ] {
        assert_eq!(read[name], value);
    }
    assert_eq!(request.form().value("prompt"), Some("login"));
    assert_eq!(request.form().value("client_id"), Some("edge"));
}

#[test]
fn extra_parameters_never_replace_ours() {
    let scopes = scopes();
    let extra = ["state", "request_uri", "scope", "nonce", "response_type", "organization"]
        .map(|name| (name.to_owned(), "evil".to_owned()));
    let request = AuthorizationRequest { extra: &extra, ..request(&scopes) };
    let read = read(&request.url(&endpoint("https://login.example.com/authorize")));
    assert_eq!(read["state"], "s t&ate");
    assert!(!read.contains_key("request_uri"));
    assert_eq!(read["organization"], "evil");
    assert!(is_reserved("code_challenge_method") && is_reserved("acr_values"));
    assert!(!is_reserved("audience") && !is_reserved("resource"));
}

#[test]
fn the_query_of_the_endpoint_is_kept_but_for_our_names() {
    let url = request(&scopes()).url(&endpoint("https://login.example.com/a?p=x%26y&state=evil"));
    let read = read(&url);
    assert_eq!((read["p"].as_str(), read["state"].as_str()), ("x&y", "s t&ate"));
    let url = pushed_url(&endpoint("https://login.example.com/a?p=1"), "edge", "urn:x:y");
    assert_eq!(url, "https://login.example.com/a?p=1&client_id=edge&request_uri=urn%3Ax%3Ay");
}

#[test]
fn prompts_are_known_by_name() {
    assert_eq!(Prompt::parse("none"), Some(Prompt::None));
    assert_eq!(Prompt::parse("select_account"), Some(Prompt::SelectAccount));
    assert_eq!((Prompt::parse("NONE"), Prompt::parse("")), (None, None));
}

fn code_of(query: &str) -> String {
    match parse_query(query).unwrap() {
        Callback::Code { code, .. } => code.expose().clone(),
        Callback::Error { error, .. } => panic!("{error}"),
        Callback::Bare { .. } => panic!("no code"),
    }
}

#[test]
fn a_response_with_a_code_is_read() {
    let query = "code=a%2Bb&state=s&iss=https%3A%2F%2Flogin.example.com&session_state=x";
    let Callback::Code { code, state, iss } = parse_query(query).unwrap() else { panic!() };
    assert_eq!((code.expose().as_str(), state.as_str()), ("a+b", "s"));
    assert_eq!(iss.as_deref(), Some("https://login.example.com"));
    assert!(!format!("{:?}", parse_form(query.as_bytes()).unwrap()).contains("a+b"));
}

// Row x023.
#[test]
fn a_refusal_has_its_code_and_bounded_words() {
    for (name, expected) in [
        ("access_denied", ErrorCode::AccessDenied),
        ("login_required", ErrorCode::LoginRequired),
        ("unmet_authentication_requirements", ErrorCode::UnmetAuthenticationRequirements),
        ("something_else", ErrorCode::Other("something_else".to_owned())),
    ] {
        let query = format!("error={name}&error_description=%3Cb%3E+no%0D%0Away&state=s");
        let Callback::Error { error, description, .. } = parse_query(&query).unwrap() else {
            panic!("{name} is no error")
        };
        assert_eq!((error.name(), description.as_str()), (name, "<b> noway"));
        assert_eq!(error, expected);
    }
    let query = format!("error=x&state=s&error_description={}", "y".repeat(9000));
    let Callback::Error { description, .. } = parse_query(&query).unwrap() else { panic!() };
    assert_eq!(description.len(), 300);
}

#[test]
fn only_a_missing_person_makes_a_silent_attempt_worth_repeating() {
    assert!(ErrorCode::LoginRequired.needs_person());
    assert!(ErrorCode::InteractionRequired.needs_person());
    assert!(!ErrorCode::AccessDenied.needs_person());
    assert!(!ErrorCode::ServerError.needs_person());
}

// Row x024.
#[test]
fn an_error_wins_over_a_code_beside_it() {
    let callback = parse_query("code=a&state=s&error=access_denied").unwrap();
    assert!(matches!(callback, Callback::Error { error: ErrorCode::AccessDenied, .. }));
}

// Row x025.
#[test]
fn doubled_parameters_are_refused() {
    for query in [
        "code=a&code=b&state=s",
        "code=a&state=s&state=s",
        "code=a&state=s&iss=x&iss=x",
        "code=a&state=s&%63ode=b",
        "error=a&error=b&state=s",
    ] {
        let error = parse_query(query).unwrap_err();
        assert_eq!(error, CallbackError::Parameters(ParameterError::Duplicate), "{query}");
    }
}

// Row x030.
#[test]
fn values_that_could_break_something_are_refused() {
    for bad in ["a%0D%0Ab", "a%00b", "a%7Fb", "%C3%A9"] {
        let error = parse_query(&format!("code={bad}&state=s")).unwrap_err();
        assert_eq!(error, CallbackError::BadValue("code"), "{bad}");
        let error = parse_query(&format!("code=a&state={bad}")).unwrap_err();
        assert_eq!(error, CallbackError::BadValue("state"), "{bad}");
        let error = parse_query(&format!("error={bad}&state=s")).unwrap_err();
        assert_eq!(error, CallbackError::BadValue("error"), "{bad}");
    }
    let error = parse_query("code=%&state=s").unwrap_err();
    assert_eq!(error, CallbackError::Parameters(ParameterError::BadEncoding));
}

// Row x030.
#[test]
fn lengths_are_bounded() {
    let of_length = |length: usize| format!("code={}&state=s", "x".repeat(length));
    assert_eq!(code_of(&of_length(8192)).len(), 8192);
    assert_eq!(parse_query(&of_length(8193)).unwrap_err(), CallbackError::BadValue("code"));
    let error = parse_query(&of_length(65_536)).unwrap_err();
    assert_eq!(error, CallbackError::Parameters(ParameterError::TooLarge));
}

// Row x031: the fragment never reaches us, so that nothing is left to go by.
#[test]
fn a_response_without_result_or_state_is_refused() {
    for query in ["", "state=s", "code=&state=s", "access_token=x&state=s"] {
        assert_eq!(parse_query(query).unwrap_err(), CallbackError::MissingResult, "{query}");
    }
    for query in ["code=a", "code=a&state=", "error=access_denied"] {
        assert_eq!(parse_query(query).unwrap_err(), CallbackError::MissingState, "{query}");
    }
    assert!(parse_form(b"code=\xff&state=s").is_err());
}

// Row x033, and the FAPI 2.0 modules on `iss`.
#[test]
fn the_issuer_of_the_response_must_be_the_provider() {
    let issuer = "https://login.example.com";
    let silent = Metadata::configured(issuer.to_owned(), Endpoints::default());
    let telling = Metadata { iss_parameter: true, ..silent.clone() };
    let check = |query: &str, metadata| parse_query(query).unwrap().check_issuer(metadata);
    let right = "code=a&state=s&iss=https%3A%2F%2Flogin.example.com";
    assert_eq!((check(right, &silent), check(right, &telling)), (Ok(()), Ok(())));
    for wrong in ["https%3A%2F%2Flogin.example.com%2F", "https%3A%2F%2Fevil.example", "x"] {
        for result in ["code=a", "error=access_denied"] {
            let query = format!("{result}&state=s&iss={wrong}");
            assert_eq!(check(&query, &silent), Err(CallbackError::WrongIssuer));
            assert_eq!(check(&query, &telling), Err(CallbackError::WrongIssuer));
        }
    }
    assert_eq!(check("code=a&state=s", &silent), Ok(()));
    assert_eq!(check("code=a&state=s", &telling), Err(CallbackError::MissingIssuer));
    assert_eq!(check("error=x&state=s", &telling), Err(CallbackError::MissingIssuer));
}

#[test]
fn a_request_for_nothing_has_nothing_that_only_codes_need() {
    let endpoint = Url::parse("https://auth.example.com/oauth2/authorize").unwrap();
    let extra = [("x_sso_enabled".to_owned(), "true".to_owned())];
    let scopes = scopes();
    let request = AuthorizationRequest { extra: &extra, ..request(&scopes) };
    let url = Url::parse(&request.bare_url(&endpoint)).unwrap();
    let names: Vec<String> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    let asked = ["response_type", "client_id", "redirect_uri", "state"];
    assert!(asked.iter().all(|name| names.contains(&(*name).to_owned())), "{names:?}");
    assert!(url.query().unwrap().starts_with("response_type=none&"), "{url}");
    assert!(url.query().unwrap().ends_with("x_sso_enabled=true"), "{url}");
    for name in ["scope", "nonce", "code_challenge", "code_challenge_method"] {
        assert!(!names.contains(&name.to_owned()), "{url}");
    }
}

#[test]
fn the_answer_to_a_request_for_nothing_is_a_state_or_an_error() {
    let bare = parse_bare("state=s&iss=https%3A%2F%2Fa.test").unwrap();
    assert!(matches!(&bare, Callback::Bare { iss: Some(_), .. }) && bare.state() == "s");
    let error = parse_bare("error=access_denied&state=s").unwrap();
    assert!(matches!(error, Callback::Error { error: ErrorCode::AccessDenied, .. }));
    assert_eq!(parse_bare("code=a&state=s").unwrap_err(), CallbackError::UnaskedCode);
    assert_eq!(parse_bare("").unwrap_err(), CallbackError::MissingState);
    assert!(parse_bare("state=a&state=b").is_err());
}
