//! The policy, keys and requests that decisions are measured with: one provider, a route of each kind, a token of usual
//! size.

#![expect(
    clippy::unwrap_used,
    reason = "a bench whose world cannot be made has nothing to measure"
)]

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use sidegate::base::host::{Authority, HostPattern};
use sidegate::gate::{
    Access, Compatible, CredentialKinds, Dpop, HeaderPlan, InboundCredential, Introspection,
    KeyRing, KeyState, LoginUrl, ManagedNames, MethodRules, PathPattern, PlanId, Policy, Preflight,
    Preset, Provider, ProviderId, RequestView, Route, RouteId, RouteTable, Rule, Scheme,
    SignInRule, Target, Upgrades, UpstreamId,
};
use sidegate::identity::ClaimMap;
use sidegate::token::{Algorithm, KeySet, Rules, SigningKey, TypeRule};

pub(crate) const NOW: u64 = 1_700_000_000;
const ISSUER: &str = "https://login.example.com/realms/main";

/// A provider's private key.
pub(crate) enum Signer {
    Es256(SigningKey),
    Rs256(Box<RsaKeyPair>),
}

impl Signer {
    pub(crate) fn es256() -> Self {
        Self::Es256(SigningKey::generate().unwrap())
    }

    pub(crate) fn rs256() -> Self {
        Self::Rs256(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
    }

    fn public_jwk(&self) -> Value {
        match self {
            Self::Es256(key) => key.public_jwk(),
            Self::Rs256(pair) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                let (n, e) = (URL_SAFE_NO_PAD.encode(public.n), URL_SAFE_NO_PAD.encode(public.e));
                json!({ "kty": "RSA", "alg": "RS256", "use": "sig", "kid": "r1", "n": n, "e": e })
            }
        }
    }

    fn sign(&self, claims: &Value) -> String {
        match self {
            Self::Es256(key) => key.sign(claims, "at+jwt").unwrap(),
            Self::Rs256(pair) => {
                let header = json!({ "alg": "RS256", "kid": "r1", "typ": "at+jwt" });
                let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
                let signed = format!("{}.{}", encode(&header), encode(claims));
                let mut signature = vec![0; pair.public_modulus_len()];
                let random = SystemRandom::new();
                pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).unwrap();
                format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
            }
        }
    }
}

/// A policy with the keys of its provider.
pub(crate) struct World {
    pub(crate) policy: Policy,
    pub(crate) keys: KeyRing,
    signer: Signer,
}

impl World {
    /// `/public/*` for everybody, `/admin/*` by a rule, all else for whoever signed in.
    pub(crate) fn new(signer: Signer) -> Self {
        let set = json!({ "keys": [signer.public_jwk()] }).to_string();
        let set = KeySet::parse(set.as_bytes()).unwrap().keys;
        let keys = KeyRing::new(vec![KeyState::Loaded(Arc::new(set))]);
        let mut world = Self { policy: policy(), keys, signer };
        let rule = Rule {
            groups_any: vec!["admins".to_owned()],
            email_domains: vec!["example.com".to_owned()],
            scopes_all: vec!["read".to_owned(), "write".to_owned()],
            amr_any: vec!["mfa".to_owned()],
            max_auth_age: Some(Duration::from_secs(3600)),
            ..Rule::default()
        };
        world.add("/*", None, Access::Required, Rule::default());
        world.add("/public/*", None, Access::Public, Rule::default());
        world.add("/admin/*", None, Access::Required, rule);
        world.policy.table.seal().unwrap();
        world
    }

    /// Instead of the usual routes `count` of them, each of a host (none: any) and a path.
    pub(crate) fn routes(
        mut self,
        count: usize,
        place: impl Fn(usize) -> (Option<String>, String),
    ) -> Self {
        (self.policy.table, self.policy.routes) = (RouteTable::default(), Vec::new());
        for (host, path) in (0..count).map(place) {
            self.add(&path, host, Access::Required, Rule::default());
        }
        self.policy.table.seal().unwrap();
        self
    }

    fn add(&mut self, path: &str, host: Option<String>, access: Access, rule: Rule) {
        let id = RouteId(u32::try_from(self.policy.routes.len()).unwrap());
        let hosts: Vec<HostPattern> =
            host.iter().map(|host| HostPattern::parse(host).unwrap()).collect();
        let paths = [PathPattern::parse(path).unwrap()];
        self.policy.table.insert(id, &hosts, &paths, &[]).unwrap();
        self.policy.routes.push(Arc::new(route(id, path, access, rule)));
    }

    /// A token of 640 bytes or so, as login services issue them.
    pub(crate) fn token(&self) -> String {
        self.signer.sign(&json!({
            "iss": ISSUER, "aud": ["web", "account"], "azp": "web",
            "sub": "8c2f0a6e-4c1b-4c39-9a32-5d1f6d0e7f11", "name": "Ada Lovelace",
            "email": "ada@example.com", "email_verified": true, "preferred_username": "ada",
            "groups": ["users", "admins", "engineering"], "scope": "openid read write",
            "iat": NOW - 60, "exp": NOW + 3600, "auth_time": NOW - 60, "amr": ["pwd", "mfa"],
            "jti": "b7e7e6f0-2a0e-4d8b-8f0f-0d8f0a6e4c1b",
        }))
    }
}

fn policy() -> Policy {
    let names: Vec<HeaderName> =
        Preset::XForwarded.fields().into_iter().map(|(name, _)| name).collect();
    Policy {
        generation: 1,
        table: RouteTable::default(),
        routes: Vec::new(),
        providers: vec![provider()],
        managed: ManagedNames::new(&names, MethodRules::None),
        identity_headers: names,
        prefix: "/.auth".to_owned(),
        compatible: Compatible::default(),
        max_token_bytes: 16 * 1024,
        max_remembered: Duration::from_secs(600),
        sessions: None,
        nonces: None,
        plans: 1,
    }
}

fn provider() -> Provider {
    let rules = Rules {
        issuer: ISSUER.to_owned(),
        audiences: vec!["web".to_owned()],
        clients: None,
        client_claims: Vec::new(),
        algorithms: [Algorithm::Rs256, Algorithm::Es256].into_iter().collect(),
        types: TypeRule::Any,
        leeway: Duration::from_secs(60),
    };
    Provider {
        name: Arc::from("main"),
        issuer: Arc::from(ISSUER),
        rules,
        cookies: vec!["sso".to_owned()],
        headers: Vec::new(),
        login_url: LoginUrl::parse("https://login.example.com/signin?rd={return_to}").ok(),
        claims: ClaimMap::default(),
        relying_party: None,
        dpop: Dpop::Off,
        introspection: Introspection::Never,
        resolver: None,
    }
}

fn route(id: RouteId, name: &str, access: Access, rule: Rule) -> Route {
    Route {
        id,
        name: Arc::from(name),
        access,
        rule,
        accepts: CredentialKinds::ALL,
        providers: [ProviderId(0)].into_iter().collect(),
        headers: Arc::new(HeaderPlan { id: PlanId(0), fields: Preset::XForwarded.fields() }),
        assertion: None,
        authorization: InboundCredential::Remove,
        sso_cookie: InboundCredential::Remove,
        upstream: Some(UpstreamId(0)),
        upgrades: Upgrades::Refuse,
        preflight: Preflight::Refuse,
        login_url: None,
        sign_in: SignInRule::default(),
        max_body_bytes: None,
        timeout: None,
    }
}

/// A request with the fields that a browser or a program usually sends.
#[derive(Debug)]
pub(crate) struct Request {
    host: String,
    target: String,
    headers: HeaderMap,
}

impl Request {
    pub(crate) fn get(target: &str) -> Self {
        let usual = [
            (header::HOST, "app.example.com"),
            (header::USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101"),
            (header::ACCEPT, "application/json"),
            (header::ACCEPT_LANGUAGE, "en-US,en;q=0.5"),
            (header::ACCEPT_ENCODING, "gzip, deflate, br, zstd"),
            (header::REFERER, "https://app.example.com/"),
        ];
        let headers = usual.map(|(name, value)| (name, HeaderValue::from_static(value)));
        let headers = HeaderMap::from_iter(headers);
        Self { host: "app.example.com".to_owned(), target: target.to_owned(), headers }
    }

    pub(crate) fn host(mut self, host: &str) -> Self {
        self.host = host.to_owned();
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.with(header::AUTHORIZATION, &format!("Bearer {token}"))
    }

    /// The token in a cookie between two others.
    pub(crate) fn cookies(self, token: &str) -> Self {
        self.with(header::COOKIE, &format!("theme=dark; sso={token}; lang=en"))
    }

    pub(crate) fn navigating(self) -> Self {
        self.with(HeaderName::from_static("sec-fetch-mode"), "navigate")
    }

    fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.insert(name, HeaderValue::from_str(value).unwrap());
        self
    }

    pub(crate) fn authority(&self) -> Authority<'_> {
        Authority::parse(&self.host).unwrap()
    }

    pub(crate) fn view<'a>(&'a self, authority: &'a Authority<'a>) -> RequestView<'a> {
        RequestView {
            method: &Method::GET,
            scheme: Scheme::Https,
            authority,
            target: Target::parse(&self.target).unwrap(),
            headers: &self.headers,
            client: None,
            certificate: None,
            relayed: false,
            terms: None,
            familiar: None,
        }
    }
}
