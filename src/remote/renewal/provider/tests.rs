use serde_json::{Value, json};
use tokio::sync::watch;

use super::*;
use crate::base::secret::Secret;
use crate::clock::Clock;
use crate::identity::ClaimPath;
use crate::oidc::authorization::ResponseMode;
use crate::oidc::client::{ClientAuthentication, Registration};
use crate::oidc::discovery::Endpoints;
use crate::oidc::id_token;
use crate::oidc::logout::LogoutRules;
use crate::remote::http::{Client, ClientSettings};
use crate::remote::jwks::{
    KeyObserver, KeySourceSettings, ProviderKeys, RefreshBounds, RefreshResult,
};
use crate::remote::origin::{Answer, Origin};
use crate::remote::provider::{MetadataBounds, MetadataSettings, MetadataSource};
use crate::remote::relying_party::{
    AssertionAudience, LogoutSettings, PushedRequests, RelyingPartySettings,
};
use crate::remote::renewal::tests::{Bench, session, told};
use crate::remote::renewal::{RenewalMeans, Schedule};
use crate::session::{Keep, Renewal};
use crate::token::{Algorithm, AlgorithmSet, SigningKey};

const NOW: u64 = 1_790_000_000;

struct Silent;

impl KeyObserver for Silent {
    fn refreshed(&self, _: &str, _: RefreshResult) {}
    fn holds(&self, _: &str, _: usize, _: Timestamp) {}
}

/// A provider on a socket, we as its client, and a session of its.
struct Rig {
    origin: Origin,
    key: SigningKey,
    at_provider: Arc<RenewalAtProvider>,
}

impl Rig {
    async fn start() -> Self {
        let (origin, key) = (Origin::start().await, SigningKey::generate().unwrap());
        let client = Client::new(&ClientSettings::default()).unwrap();
        let clock = Clock::fixed(Timestamp::from_secs(NOW));
        let keys = KeyKeeper::start(
            vec![inline(&origin, &key)],
            client.clone(),
            clock.clone(),
            Arc::new(Silent),
            None,
        );
        keys.first_attempts().await;
        let settings = settings(&origin);
        let rules = RefreshRules {
            id_token: settings.rules.clone(),
            max_iat_age: Duration::from_secs(3600),
            keep: Keep { paths: vec![ClaimPath::Name("role".to_owned())], values: Vec::new() },
            schedule: Schedule::default(),
        };
        let party = Arc::new(RelyingParty::start(settings, client, clock, None));
        let at_provider =
            RenewalAtProvider { party, keys: Arc::new(keys), provider: ProviderId(0), rules };
        Self { origin, key, at_provider: Arc::new(at_provider) }
    }

    /// The provider gives tokens, with an ID token of this person in this role.
    fn grants(&self, subject: &str, role: &str) {
        self.origin.on("/token", self.granted(subject, role));
    }

    fn granted(&self, subject: &str, role: &str) -> Answer {
        let claims = json!({
            "iss": self.origin.issuer(), "sub": subject, "aud": "app", "role": role,
            "iat": NOW, "exp": NOW + 300,
        });
        let id_token = self.key.sign(&claims, "JWT").unwrap();
        let tokens = json!({
            "access_token": "a1", "token_type": "Bearer", "expires_in": 300,
            "refresh_token": "r1", "id_token": id_token,
        });
        Answer::json(&tokens.to_string())
    }

    fn refuses(&self, status: &str, error: &Value) {
        let json = "Content-Type: application/json\r\n";
        self.origin.on("/token", Answer::with_headers(status, json, &error.to_string()));
    }

    fn session(&self) -> Arc<Session> {
        let due = Timestamp::from_secs(NOW);
        Arc::new(Session {
            issuer: self.origin.issuer(),
            idle_until: due + Duration::from_secs(5000),
            ends: due + Duration::from_secs(9000),
            renewal: Some(Renewal { due, by: due }),
            ..(*session()).clone()
        })
    }

    fn bench(&self) -> Bench {
        let mut bench = Bench::that_gives(Err(RenewalFailure::Unavailable(String::new())));
        let provider = Arc::<RenewalAtProvider>::clone(&self.at_provider);
        bench.means = RenewalMeans { provider, sessions: Arc::clone(&bench.means.sessions) };
        bench
    }

    async fn renew(&self) -> String {
        told(&self.bench().renew(&self.session(), NOW).await)
    }
}

fn inline(origin: &Origin, key: &SigningKey) -> ProviderKeys {
    let set = json!({ "keys": [key.public_jwk()] }).to_string();
    ProviderKeys {
        name: "main".to_owned(),
        issuer: origin.issuer(),
        source: KeySourceSettings::Inline(set.into_bytes()),
        bounds: RefreshBounds::default(),
        disk_copy: None,
    }
}

fn settings(origin: &Origin) -> RelyingPartySettings {
    let algorithms: AlgorithmSet = [Algorithm::Es256].into_iter().collect();
    let (issuer, leeway) = (origin.issuer(), Duration::from_secs(60));
    let secret = Secret::new("s3cret".to_owned());
    RelyingPartySettings {
        metadata: MetadataSettings {
            name: "main".to_owned(),
            issuer: issuer.clone(),
            source: MetadataSource::Configured,
            endpoints: Endpoints { token: Some(origin.at("/token")), ..Endpoints::default() },
            bounds: MetadataBounds::default(),
        },
        registration: Registration {
            client_id: "app".to_owned(),
            authentication: ClientAuthentication::Post(secret),
        },
        assertion_audience: AssertionAudience::Issuer,
        scopes: vec!["openid".to_owned()],
        extra: Vec::new(),
        response_mode: ResponseMode::Query,
        pushed_requests: PushedRequests::Never,
        userinfo: false,
        rules: id_token::rules(&issuer, "app", algorithms, leeway),
        // No renewal depends on it.
        timeout: Duration::from_millis(200),
        logout: LogoutSettings {
            rules: LogoutRules::new(&issuer, "app", algorithms, leeway),
            style: Default::default(),
            hint: Default::default(),
            front_channel_issuers: Vec::new(),
            extra: Vec::new(),
        },
    }
}

/// The refresh-storm over a real socket.
#[tokio::test]
async fn a_thousand_requests_cause_one_token_request() {
    let rig = Rig::start().await;
    rig.grants("ada", "second");
    let (bench, session) = (Arc::new(rig.bench()), rig.session());
    let requests: Vec<_> = (0..1000)
        .map(|_| {
            let (bench, session) = (Arc::clone(&bench), Arc::clone(&session));
            tokio::spawn(async move { told(&bench.renew(&session, NOW).await) })
        })
        .collect();
    for request in requests {
        assert_eq!(request.await.unwrap(), "r1 second 1");
    }
    assert_eq!(rig.origin.requests("/token").len(), 1);
}

/// A refresh token that was used and whose answer was not waited for is a session lost.
#[tokio::test]
async fn a_renewal_waits_longer_for_its_answer_than_other_exchanges() {
    let (rig, gate) = (Rig::start().await, watch::Sender::new(false));
    rig.origin.on("/token", rig.granted("ada", "second").behind(&gate));
    let party = &rig.at_provider.party;
    let impatient = async {
        let metadata = party.ready(METADATA_PATIENCE).await.unwrap();
        let token = Secret::new("r0".to_owned());
        let outcome = party.refresh(&metadata, &token).await;
        gate.send_replace(true);
        outcome
    };
    let (renewed, outcome) = tokio::join!(rig.renew(), impatient);
    assert!(matches!(outcome, Err(ExchangeError::Fetch { .. })), "{outcome:?}");
    assert_eq!(renewed, "r1 second 1");
}

#[tokio::test]
async fn only_a_refusal_of_the_grant_ends_a_session() {
    let rig = Rig::start().await;
    rig.refuses("400 Bad Request", &json!({ "error": "invalid_grant" }));
    assert_eq!(rig.renew().await, "ended: renewal_refused");
    for (status, error) in [
        ("401 Unauthorized", "invalid_client"),
        ("400 Bad Request", "invalid_request"),
        ("503 Service Unavailable", "temporarily_unavailable"),
        ("500 Internal Server Error", "server_error"),
    ] {
        rig.refuses(status, &json!({ "error": error }));
        assert_eq!(rig.renew().await, "unavailable", "{status} {error}");
    }
    rig.origin.on("/token", Answer::json("<html>"));
    assert_eq!(rig.renew().await, "unavailable");
}

#[tokio::test]
async fn tokens_of_somebody_else_end_the_session() {
    let rig = Rig::start().await;
    rig.grants("eve", "second");
    assert_eq!(rig.renew().await, "ended: renewal_mismatch");
}

/// The old refresh token is used up: what came with a token that cannot be verified must not be lost.
#[tokio::test]
async fn an_id_token_without_a_key_leaves_the_claims_as_they_are() {
    let mut rig = Rig::start().await;
    rig.key = SigningKey::generate().unwrap();
    rig.grants("ada", "second");
    assert_eq!(rig.renew().await, "r1 first 1");
}
