use super::*;
use crate::base::time::Timestamp;
use crate::oidc::authorization::ResponseMode;
use crate::oidc::client::{ClientAuthentication, Registration};
use crate::oidc::discovery::Endpoints;
use crate::oidc::grant::GrantError;
use crate::oidc::id_token;
use crate::oidc::logout::LogoutRules;
use crate::remote::error_text;
use crate::remote::http::ClientSettings;
use crate::remote::origin::{Answer as Scripted, Origin};
use crate::remote::provider::{MetadataBounds, MetadataSettings, MetadataSource};
use crate::token::{Algorithm, AlgorithmSet, SigningKey};
use serde_json::json;

const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);
const LONG: Duration = Duration::from_secs(10);
const GRANTED: &str = r#"{"access_token":"at","token_type":"Bearer","id_token":"a.b.c"}"#;

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn endpoints(origin: &Origin) -> Endpoints {
    Endpoints {
        authorization: Some(origin.at("/authorize")),
        end_session: None,
        introspection: Some(origin.at("/introspect")),
        jwks_uri: None,
        pushed_authorization_request: Some(origin.at("/par")),
        revocation: Some(origin.at("/revoke")),
        token: Some(origin.at("/token")),
        userinfo: Some(origin.at("/me")),
    }
}

fn settings(origin: &Origin) -> RelyingPartySettings {
    let algorithms: AlgorithmSet = [Algorithm::Es256].into_iter().collect();
    let leeway = Duration::from_secs(60);
    RelyingPartySettings {
        metadata: MetadataSettings {
            name: "main".to_owned(),
            issuer: origin.issuer(),
            source: MetadataSource::Configured,
            endpoints: endpoints(origin),
            bounds: MetadataBounds::default(),
        },
        registration: Registration {
            client_id: "edge".to_owned(),
            authentication: ClientAuthentication::Post(secret("s3cret")),
        },
        assertion_audience: AssertionAudience::Issuer,
        scopes: vec!["openid".to_owned()],
        extra: Vec::new(),
        response_mode: ResponseMode::Query,
        pushed_requests: PushedRequests::Auto,
        userinfo: true,
        rules: id_token::rules(&origin.issuer(), "edge", algorithms, leeway),
        timeout: LONG,
        logout: LogoutSettings {
            rules: LogoutRules::new(&origin.issuer(), "edge", algorithms, leeway),
            style: Default::default(),
            hint: Default::default(),
            front_channel_issuers: Vec::new(),
            extra: Vec::new(),
        },
    }
}

/// A relying party, its provider, and what it knows of it.
struct Rig {
    origin: Origin,
    party: RelyingParty,
    metadata: Arc<Metadata>,
}

impl Rig {
    async fn start(change: impl FnOnce(&mut RelyingPartySettings)) -> Self {
        let origin = Origin::start().await;
        let mut settings = settings(&origin);
        change(&mut settings);
        let client = Client::new(&ClientSettings::default()).unwrap();
        let party = RelyingParty::start(settings, client, Clock::fixed(NOW), None);
        let metadata = party.ready(LONG).await.unwrap();
        Self { origin, party, metadata }
    }

    async fn redeem(&self) -> Result<TokenResponse, ExchangeError> {
        let uri = "https://app.example.com/cb";
        self.party.redeem(&self.metadata, &secret("c"), uri, &secret("v")).await
    }

    /// The body of the last request for that path.
    fn body(&self, path: &str) -> String {
        let request = self.origin.requests(path).pop().unwrap();
        request.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    async fn authorize(&self) -> Result<String, ExchangeError> {
        let request = AuthorizationRequest {
            client_id: "edge",
            redirect_uri: "https://app.example.com/cb",
            scopes: &["openid".to_owned()],
            state: "s",
            nonce: "n",
            challenge: "c",
            response_mode: ResponseMode::Query,
            prompt: None,
            max_age: None,
            acr_values: &[],
            login_hint: None,
            ui_locales: None,
            extra: &[],
        };
        self.party.authorization_url(&self.metadata, &request).await
    }
}

#[tokio::test]
async fn nobody_is_led_to_a_provider_that_does_not_answer() {
    for silence in [Scripted::status("503 Service Unavailable"), Scripted::raw("")] {
        let rig = Rig::start(|_| ()).await;
        rig.origin.on("/token", silence);
        for _ in 0..3 {
            let refused = rig.authorize().await.unwrap_err();
            assert!(refused.is_outage(), "{refused}");
        }
        assert_eq!(rig.origin.requests("/token").len(), 1, "silence is believed for a moment");
    }
}

/// Whatever it says to a GET: it is there. An exchange that went well says so without one.
#[tokio::test]
async fn a_provider_that_answers_is_not_asked_whether_it_does() {
    let rig = Rig::start(|_| ()).await;
    rig.origin.on("/token", Scripted::status("405 Method Not Allowed"));
    for _ in 0..3 {
        rig.authorize().await.unwrap();
    }
    assert_eq!(rig.origin.requests("/token").len(), 1);
    let rig = Rig::start(|_| ()).await;
    rig.origin.on("/token", Scripted::json(GRANTED));
    rig.redeem().await.unwrap();
    rig.authorize().await.unwrap();
    assert!(rig.origin.requests("/token").iter().all(|request| request.starts_with("POST ")));
}

// Transcript G6.
#[tokio::test]
async fn a_code_is_redeemed_with_the_clients_credentials() {
    let rig = Rig::start(|_| ()).await;
    rig.origin.on("/token", Scripted::json(GRANTED));
    let tokens = rig.redeem().await.unwrap();
    assert_eq!(tokens.access_token.expose(), "at");
    assert_eq!(
        rig.body("/token"),
        "grant_type=authorization_code&code=c&redirect_uri=https%3A%2F%2Fapp.example.com%2Fcb&code_verifier=v&client_id=edge&client_secret=s3cret"
    );
}

#[tokio::test]
async fn a_secret_for_the_header_stays_out_of_the_body() {
    let rig = Rig::start(|settings| {
        settings.registration.authentication = ClientAuthentication::Basic(secret("a:b"));
    })
    .await;
    rig.origin.on("/token", Scripted::json(GRANTED));
    rig.redeem().await.unwrap();
    let request = rig.origin.requests("/token").pop().unwrap();
    assert!(request.contains("authorization: Basic ZWRnZTphJTNBYg==\r\n"), "{request}");
    assert!(!rig.body("/token").contains("secret"));
}

#[tokio::test]
async fn an_assertion_names_whom_the_settings_say() {
    for (audience, expected) in
        [(AssertionAudience::Issuer, ""), (AssertionAudience::TokenEndpoint, "/token")]
    {
        let rig = Rig::start(|settings| {
            let key = Arc::new(SigningKey::generate().unwrap());
            settings.registration.authentication = ClientAuthentication::PrivateKeyJwt(key);
            settings.assertion_audience = audience;
        })
        .await;
        rig.origin.on("/revoke", Scripted::status("200 OK"));
        rig.party.revoke(&rig.metadata, &secret("rt"), TokenHint::Refresh).await.unwrap();
        let body = rig.body("/revoke");
        let assertion = body.split("client_assertion=").nth(1).unwrap();
        let payload = assertion.split('.').nth(1).unwrap();
        let claims = URL_SAFE_NO_PAD.decode(payload).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["aud"], format!("{}{expected}", rig.origin.issuer()));
        assert_eq!(claims["exp"], NOW.as_secs() + 60);
    }
}

// Rows x039 to x042 and x047.
#[tokio::test]
async fn a_failed_grant_is_told_by_its_kind() {
    let rig = Rig::start(|_| ()).await;
    let refused =
        |body| Scripted::with_headers("400 Bad", "Content-Type: application/json\r\n", body);
    for (answer, is_final, is_outage, words) in [
        (refused(r#"{"error":"invalid_grant"}"#), true, false, "invalid_grant"),
        (refused(r#"{"error":"invalid_client"}"#), false, false, "invalid_client"),
        (Scripted::json(r#"{"error":"invalid_grant"}"#), true, false, "invalid_grant"),
        (Scripted::with_headers("503 Busy", "Retry-After: 7\r\n", ""), false, true, "503"),
        (Scripted::raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"), false, true, "broke off"),
        (Scripted::json(r#"{"access_token":"a","token_type":"Bearer"}"#), false, false, "id_token"),
        (Scripted::with_headers("302 x", "Location: /other\r\n", ""), false, true, "redirect"),
    ] {
        rig.origin.on("/token", answer);
        let error = rig.redeem().await.unwrap_err();
        let text = error_text(&error);
        assert!(text.contains(words) && !text.contains("s3cret"), "{text}");
        assert_eq!((error.is_final(), error.is_outage()), (is_final, is_outage), "{text}");
    }
}

#[tokio::test]
async fn a_refresh_may_come_without_an_id_token() {
    let rig = Rig::start(|_| ()).await;
    rig.origin.on("/token", Scripted::json(r#"{"access_token":"a","token_type":"Bearer"}"#));
    let tokens = rig.party.refresh(&rig.metadata, &secret("rt")).await.unwrap();
    assert!(tokens.id_token.is_none());
    assert!(rig.body("/token").starts_with("grant_type=refresh_token&refresh_token=rt&"));
}

#[tokio::test]
async fn requests_are_pushed_when_they_must_be() {
    let pushed = r#"{"request_uri":"urn:r:1","expires_in":60}"#;
    for (setting, required, pushes) in [
        (PushedRequests::Always, false, true),
        (PushedRequests::Auto, false, false),
        (PushedRequests::Auto, true, true),
        (PushedRequests::Never, true, false),
    ] {
        let mut rig = Rig::start(|settings| settings.pushed_requests = setting).await;
        rig.origin.on("/par", Scripted::with_headers("201 Created", "", pushed));
        let required = Metadata { requires_pushed_requests: required, ..(*rig.metadata).clone() };
        rig.metadata = Arc::new(required);
        let url = rig.authorize().await.unwrap();
        assert_eq!(url.ends_with("/authorize?client_id=edge&request_uri=urn%3Ar%3A1"), pushes);
        assert_eq!(url.contains("code_challenge=c"), !pushes);
        if pushes {
            let body = rig.body("/par");
            assert_eq!(body.matches("client_id=").count(), 1, "{body}");
            assert!(body.contains("state=s") && body.contains("client_secret=s3cret"), "{body}");
        }
    }
}

// Rows x075 and x076.
#[tokio::test]
async fn user_info_is_asked_for_with_the_access_token() {
    let rig = Rig::start(|_| ()).await;
    let key = SigningKey::generate().unwrap();
    let document = json!({ "keys": [key.public_jwk()] }).to_string();
    let keys = KeySet::parse(document.as_bytes()).unwrap().keys;
    let token = secret("at");
    rig.origin.on("/me", Scripted::json(r#"{"sub":"ada","email":"a@example.com"}"#));
    rig.party.userinfo(&rig.metadata, &token, "ada", &keys).await.unwrap();
    assert!(rig.origin.requests("/me")[0].contains("authorization: Bearer at\r\n"));
    assert!(rig.party.userinfo(&rig.metadata, &token, "eve", &keys).await.is_err());
    rig.origin.on("/me", Scripted::json(r#"[{"sub":"ada"}]"#));
    assert!(rig.party.userinfo(&rig.metadata, &token, "ada", &keys).await.is_err());
    rig.origin.on("/me", Scripted::status("500 Oops"));
    let error = rig.party.userinfo(&rig.metadata, &token, "ada", &keys).await.unwrap_err();
    assert!(error.is_outage());
}

// Transcript G7.
#[tokio::test]
async fn a_token_is_asked_about() {
    let rig = Rig::start(|_| ()).await;
    let checks = Checks { issuer: rig.origin.issuer(), audiences: None, leeway: Duration::ZERO };
    rig.origin.on("/introspect", Scripted::json(r#"{"active":true,"sub":"ada"}"#));
    let found = rig.party.introspect(&rig.metadata, &secret("at"), &checks).await.unwrap();
    assert!(matches!(found, Introspected::Active(_)));
    rig.origin.on("/introspect", Scripted::json(r#"{"active":false}"#));
    let found = rig.party.introspect(&rig.metadata, &secret("at"), &checks).await.unwrap();
    assert_eq!(found, Introspected::Inactive);
    rig.origin.on("/introspect", Scripted::status("401 Unauthorized"));
    assert!(rig.party.introspect(&rig.metadata, &secret("at"), &checks).await.is_err());
}

#[tokio::test]
async fn an_endpoint_that_does_not_exist_is_named() {
    let rig = Rig::start(|settings| settings.metadata.endpoints = Endpoints::default()).await;
    let error = rig.redeem().await.unwrap_err();
    assert!(matches!(error, ExchangeError::NoEndpoint("token_endpoint")));
    assert!(matches!(rig.authorize().await, Err(ExchangeError::NoEndpoint(_))));
    let checks = Checks { issuer: String::new(), audiences: None, leeway: Duration::ZERO };
    let error = rig.party.introspect(&rig.metadata, &secret("x"), &checks).await.unwrap_err();
    assert!(error_text(&error).contains("introspection_endpoint"));
    assert_eq!(GrantError::Missing("x").is_final(), error.is_final());
}

#[tokio::test]
async fn debug_text_shows_no_secret() {
    let rig = Rig::start(|_| ()).await;
    assert!(!format!("{:?}", rig.party).contains("s3cret"));
}
