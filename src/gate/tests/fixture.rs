//! Builders with valid defaults, and the one place where tests touch the gate's interface.
//!
//! The default gate has one provider and one route, `/*`, which asks for an identity; the default token is Ada's.

use std::cell::RefCell;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::Method;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};
use smallvec::SmallVec;

use crate::base::host::{Authority, HostPattern};
use crate::base::time::Timestamp;
use crate::gate::{
    Access, Caller, CredentialKind, CredentialKinds, Decision, Examined, Facts, HeaderPlan,
    InboundCredential, KeyAnswer, KeyQuestion, KeyRing, KeyState, LoginUrl, ManagedNames,
    MethodRules, PathPattern, PlanId, Policy, Preflight, Preset, Provider, ProviderId, RequestView,
    Route, RouteId, RouteTable, Rule, Scheme, Step, Target, Upgrades, UpstreamId, examine, judge,
};
use crate::identity::ClaimMap;
use crate::token::{Algorithm, KeySet, Rules, SigningKey, TypeRule};

pub(super) const NOW: u64 = 1_700_000_000;
pub(super) const ISSUER: &str = "https://login.example";
pub(super) const OTHER_ISSUER: &str = "https://other.example";
pub(super) const LEEWAY: u64 = 30;

/// The key that the providers publish.
pub(super) static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate().unwrap());
/// A key that nobody publishes, until a test does.
pub(super) static NEW_KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate().unwrap());

pub(super) fn key_set(keys: &[&SigningKey]) -> Arc<KeySet> {
    let keys: Vec<Value> = keys.iter().map(|key| key.public_jwk()).collect();
    Arc::new(KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap().keys)
}

// --- tokens ---

#[derive(Clone)]
pub(super) struct Token {
    claims: Map<String, Value>,
    key: &'static SigningKey,
    typ: &'static str,
}

/// Ada's token: good for an hour.
pub(super) fn token() -> Token {
    let claims = json!({ "iss": ISSUER, "aud": "web", "sub": "ada", "exp": NOW + 3600 });
    let Value::Object(claims) = claims else { unreachable!() };
    Token { claims, key: &KEY, typ: "JWT" }
}

impl Token {
    pub(super) fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    pub(super) fn expires(self, at: u64) -> Self {
        self.claim("exp", at)
    }

    pub(super) fn subject(self, name: &str) -> Self {
        self.claim("sub", name)
    }

    pub(super) fn issuer(self, issuer: &str) -> Self {
        self.claim("iss", issuer)
    }

    pub(super) fn signed_by(mut self, key: &'static SigningKey) -> Self {
        self.key = key;
        self
    }

    pub(super) fn typ(mut self, typ: &'static str) -> Self {
        self.typ = typ;
        self
    }

    pub(super) fn text(&self) -> String {
        self.key.sign(&Value::Object(self.claims.clone()), self.typ).unwrap()
    }

    /// The token with a signature that does not hold.
    pub(super) fn broken(&self) -> String {
        let (text, other) = (self.text(), self.clone().subject("mallory").text());
        let (head, _) = text.rsplit_once('.').unwrap();
        format!("{head}.{}", other.rsplit_once('.').unwrap().1)
    }
}

// --- requests ---

#[derive(Clone)]
pub(super) struct Ask {
    method: Method,
    target: String,
    host: String,
    scheme: Scheme,
    headers: HeaderMap,
}

pub(super) fn ask(method: &str, target: &str) -> Ask {
    Ask {
        method: Method::from_bytes(method.as_bytes()).unwrap(),
        target: target.to_owned(),
        host: "app.example".to_owned(),
        scheme: Scheme::Https,
        headers: HeaderMap::new(),
    }
}

pub(super) fn get(target: &str) -> Ask {
    ask("GET", target)
}

impl Ask {
    pub(super) fn host(mut self, host: &str) -> Self {
        self.host = host.to_owned();
        self
    }

    pub(super) fn over_http(mut self) -> Self {
        self.scheme = Scheme::Http;
        self
    }

    /// One more field, also where there is one of that name.
    pub(super) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        self.headers.append(name, HeaderValue::from_bytes(value.as_ref()).unwrap());
        self
    }

    pub(super) fn bearer(self, token: impl AsRef<str>) -> Self {
        self.header("authorization", format!("Bearer {}", token.as_ref()))
    }

    pub(super) fn cookie(self, name: &str, value: impl AsRef<str>) -> Self {
        self.header("cookie", format!("{name}={}", value.as_ref()))
    }

    /// Ada's token as bearer.
    pub(super) fn by_ada(self) -> Self {
        self.bearer(token().text())
    }

    pub(super) fn navigating(self) -> Self {
        self.header("sec-fetch-mode", "navigate").header("accept", "text/html,*/*;q=0.8")
    }

    pub(super) fn websocket(self) -> Self {
        self.header("connection", "Upgrade").header("upgrade", "websocket")
    }

    pub(super) fn preflight(self, origin: &str) -> Self {
        self.header("origin", origin).header("access-control-request-method", "PUT")
    }
}

// --- routes and providers ---

#[derive(Clone)]
pub(super) struct RouteSpec {
    hosts: Vec<HostPattern>,
    paths: Vec<PathPattern>,
    methods: Vec<Method>,
    pub(super) route: Route,
}

/// A route for `path` that asks for an identity.
pub(super) fn route(path: &str) -> RouteSpec {
    let headers = HeaderPlan { id: PlanId(0), fields: Preset::XForwarded.fields() };
    let route = Route {
        id: RouteId(0),
        name: Arc::from(path),
        access: Access::Required,
        rule: Rule::default(),
        accepts: CredentialKinds::ALL,
        providers: SmallVec::new(),
        headers: Arc::new(headers),
        assertion: None,
        authorization: InboundCredential::Remove,
        sso_cookie: InboundCredential::Remove,
        upstream: UpstreamId(0),
        upgrades: Upgrades::Refuse,
        preflight: Preflight::Refuse,
        login_url: None,
        max_body_bytes: None,
        timeout: None,
    };
    let paths = vec![PathPattern::parse(path).unwrap()];
    RouteSpec { hosts: Vec::new(), paths, methods: Vec::new(), route }
}

impl RouteSpec {
    pub(super) fn access(mut self, access: Access) -> Self {
        self.route.access = access;
        self
    }

    pub(super) fn public(self) -> Self {
        self.access(Access::Public)
    }

    pub(super) fn optional(self) -> Self {
        self.access(Access::Optional)
    }

    /// For people in the group `admins` only.
    pub(super) fn admins(self) -> Self {
        self.requires(Rule { groups_any: vec!["admins".into()], ..Rule::default() })
    }

    pub(super) fn requires(mut self, rule: Rule) -> Self {
        self.route.rule = rule;
        self
    }

    pub(super) fn host(mut self, host: &str) -> Self {
        self.hosts.push(HostPattern::parse(host).unwrap());
        self
    }

    pub(super) fn method(mut self, method: Method) -> Self {
        self.methods.push(method);
        self
    }

    pub(super) fn accepts(mut self, kinds: &[CredentialKind]) -> Self {
        self.route.accepts = kinds.iter().copied().collect();
        self
    }

    pub(super) fn providers(mut self, ids: &[u16]) -> Self {
        self.route.providers = ids.iter().copied().map(ProviderId).collect();
        self
    }

    pub(super) fn upgrades(mut self, origins: &[&str]) -> Self {
        let origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
        self.route.upgrades = Upgrades::WebSocket { origins };
        self
    }

    pub(super) fn preflight(mut self, preflight: Preflight) -> Self {
        self.route.preflight = preflight;
        self
    }

    pub(super) fn plan(mut self, plan: HeaderPlan) -> Self {
        self.route.headers = Arc::new(plan);
        self
    }

    pub(super) fn login_url(mut self, url: &str) -> Self {
        self.route.login_url = Some(LoginUrl::parse(url).unwrap());
        self
    }
}

/// A provider whose tokens come as bearer and in the cookie `sso`.
pub(super) fn provider(issuer: &str) -> Provider {
    Provider {
        name: Arc::from(issuer),
        issuer: Arc::from(issuer),
        rules: Rules {
            issuer: issuer.to_owned(),
            audiences: vec!["web".to_owned()],
            clients: None,
            algorithms: [Algorithm::Es256].into_iter().collect(),
            types: TypeRule::Any,
            leeway: Duration::from_secs(LEEWAY),
        },
        cookies: vec!["sso".to_owned()],
        headers: Vec::new(),
        login_url: Some(LoginUrl::parse(&format!("{issuer}/signin?rd={{return_to}}")).unwrap()),
        claims: ClaimMap::default(),
    }
}

// --- the gate ---

type Keeper = Box<dyn Fn(&KeyQuestion) -> KeyAnswer>;

/// A policy, the keys at hand, and what the keeper of keys would answer.
pub(super) struct Gate {
    pub(super) policy: Policy,
    keys: KeyRing,
    keeper: Keeper,
    questions: RefCell<Vec<KeyQuestion>>,
    now: u64,
}

/// What a decision comes to.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    Allow(Option<String>),
    Challenge(&'static str),
    Forbid(&'static str),
    Own,
    Preflight,
    Refuse(&'static str),
    SignIn(String),
    Unavailable(&'static str),
}

pub(super) fn allow(user: &str) -> Outcome {
    Outcome::Allow(Some(user.to_owned()))
}

pub(super) const ANONYMOUS: Outcome = Outcome::Allow(None);
pub(super) const AMBIGUOUS: Outcome = Outcome::Refuse("ambiguous_target");

/// 401, with this reason.
pub(super) const fn deny(reason: &'static str) -> Outcome {
    Outcome::Challenge(reason)
}

pub(super) const fn forbid(reason: &'static str) -> Outcome {
    Outcome::Forbid(reason)
}

pub(super) const fn refuse(reason: &'static str) -> Outcome {
    Outcome::Refuse(reason)
}

pub(super) fn sign_in(location: &str) -> Outcome {
    Outcome::SignIn(location.to_owned())
}

/// The default gate.
pub(super) fn gate() -> Gate {
    gate_of(vec![provider(ISSUER)], vec![route("/*")])
}

/// The default provider with these routes.
pub(super) fn routes(routes: impl IntoIterator<Item = RouteSpec>) -> Gate {
    gate_of(vec![provider(ISSUER)], routes.into_iter().collect())
}

/// A gate of these parts; routes that name no providers have all of them.
pub(super) fn gate_of(providers: Vec<Provider>, specs: Vec<RouteSpec>) -> Gate {
    let mut table = RouteTable::default();
    let every: SmallVec<[ProviderId; 4]> =
        (0..providers.len()).map(|id| ProviderId(u16::try_from(id).unwrap())).collect();
    let mut routes = Vec::new();
    for (index, mut spec) in specs.into_iter().enumerate() {
        let id = RouteId(u32::try_from(index).unwrap());
        table.insert(id, &spec.hosts, &spec.paths, &spec.methods).unwrap();
        if spec.route.providers.is_empty() {
            spec.route.providers.clone_from(&every);
        }
        spec.route.id = id;
        routes.push(Arc::new(spec.route));
    }
    table.seal().unwrap();
    let keys = key_set(&[&KEY]);
    let ring = providers.iter().map(|_| KeyState::Loaded(Arc::clone(&keys))).collect();
    let names: Vec<HeaderName> =
        routes.iter().flat_map(|r| r.headers.fields.iter().map(|(n, _)| n.clone())).collect();
    let plans = routes.iter().map(|route| route.headers.id.0 + 1).max().unwrap_or(0);
    let policy = Policy {
        generation: 1,
        table,
        routes,
        providers,
        managed: ManagedNames::new(&names, MethodRules::Some),
        prefix: "/.auth".to_owned(),
        max_token_bytes: 4096,
        max_remembered: Duration::from_secs(600),
        plans,
    };
    let keeper = Box::new(|_: &KeyQuestion| KeyAnswer::Unchanged);
    let keys = KeyRing::new(ring);
    Gate { policy, keys, keeper, questions: RefCell::default(), now: NOW }
}

/// What came of one request.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) decision: Decision,
    /// What the keeper of keys was asked.
    pub(super) questions: Vec<KeyQuestion>,
}

impl Gate {
    pub(super) fn at(mut self, now: u64) -> Self {
        self.now = now;
        self
    }

    /// The keys at hand, one state for each provider.
    pub(super) fn keys(mut self, states: Vec<KeyState>) -> Self {
        self.keys = KeyRing::new(states);
        self
    }

    pub(super) fn keeper(mut self, keeper: impl Fn(&KeyQuestion) -> KeyAnswer + 'static) -> Self {
        self.keeper = Box::new(keeper);
        self
    }

    pub(super) fn check(&self, request: Ask, expected: Outcome) {
        let told = format!("{} {} of {}", request.method, request.target, request.host);
        assert_eq!(self.decide(request).outcome(), expected, "{told}");
    }

    pub(super) fn decide(&self, request: Ask) -> Verdict {
        self.decide_knowing(request, &[])
    }

    /// Decides `request`, whose credentials were found to be `callers` before.
    pub(super) fn decide_knowing(&self, request: Ask, callers: &[Option<&Arc<Caller>>]) -> Verdict {
        let decision = self.run(&request, callers);
        Verdict { decision, questions: self.questions.take() }
    }

    fn run(&self, request: &Ask, callers: &[Option<&Arc<Caller>>]) -> Decision {
        let target = match Target::parse(&request.target) {
            Ok(target) => target,
            Err(reason) => return Decision::Refuse(reason),
        };
        let authority = Authority::parse(&request.host).unwrap();
        let view = RequestView {
            method: &request.method,
            scheme: request.scheme,
            authority: &authority,
            target,
            headers: &request.headers,
            client: None,
            certificate: None,
        };
        let inquiry = match examine(&self.policy, view) {
            Examined::Decided { decision, .. } => return decision,
            Examined::Open(inquiry) => inquiry,
        };
        let mut facts = Facts::new(&self.keys);
        callers.iter().for_each(|caller| facts.remember(caller.cloned()));
        loop {
            match judge(&inquiry, &facts, Timestamp::from_secs(self.now)) {
                Step::Decided { decision, .. } => return decision,
                Step::Missing(question) => {
                    assert!(!facts.answered(&question), "asked twice: {question:?}");
                    let answer = (self.keeper)(&question);
                    self.questions.borrow_mut().push(question.clone());
                    facts.learn(question, answer);
                }
            }
        }
    }
}

/// Checks `request` against the default gate.
pub(super) fn check(request: Ask, expected: Outcome) {
    gate().check(request, expected);
}

impl Verdict {
    pub(super) fn outcome(&self) -> Outcome {
        match &self.decision {
            Decision::Allow(permit) => {
                Outcome::Allow(permit.caller().map(|caller| caller.identity().user().to_owned()))
            }
            Decision::Challenge(challenge) => Outcome::Challenge(challenge.reason.label()),
            Decision::Forbid(forbidden) => Outcome::Forbid(forbidden.reason.label()),
            Decision::OwnEndpoint => Outcome::Own,
            Decision::Preflight(_) => Outcome::Preflight,
            Decision::Refuse(reason) => Outcome::Refuse(reason.label()),
            Decision::SignIn(sign_in) => Outcome::SignIn(sign_in.location.clone()),
            Decision::Unavailable(reason) => Outcome::Unavailable(reason.label()),
        }
    }

    pub(super) fn caller(&self) -> &Arc<Caller> {
        self.decision.caller().expect("the test's request has a caller")
    }

    /// The route that was taken, by name.
    pub(super) fn route(&self) -> &str {
        match &self.decision {
            Decision::Allow(permit) => &permit.route().name,
            other => panic!("no route was taken: {other:?}"),
        }
    }

    /// The identity header `name` as it goes upstream.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let Decision::Allow(permit) = &self.decision else { panic!("not allowed: {self:?}") };
        let found = permit.identity_headers().iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.to_str().unwrap())
    }
}
