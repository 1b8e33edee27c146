//! Providers, as written.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value, json};

use crate::config::file::authgear::{ResolverSection, ResponseTypeWord, VerifyWord};
use crate::config::file::backend::{BackendSessions, ExchangeSection};
use crate::config::file::client::{
    BackchannelLogout, ClientAssertionAudience, ClientAuthentication, DpopWord, Endpoints,
    Frequency, IntrospectionSection, LogoutSection, Parameter, PushedRequestsWord,
    ResponseModeWord,
};
use crate::config::file::list::List;
use crate::config::file::secret::Secret;
use crate::config::units::Span;
use crate::token::Algorithm;

/// Somebody whose signed tokens say who a caller is. Its keys come from `jwks_uri`, `jwks_file` or `jwks`; left out: from
/// where its discovery document says.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Provider {
    /// Its name for routes, logs and metrics. Needed where there are several.
    #[schemars(extend("examples" = ["main"]))]
    pub(crate) name: Option<String>,
    /// What it is.
    #[serde(default)]
    pub(crate) r#type: ProviderType,
    /// Its issuer identifier, exactly as in the `iss` of its tokens: a trailing slash matters. Plain http only on
    /// loopback.
    #[schemars(extend("examples" = ["https://login.example.com"]))]
    pub(crate) issuer: String,
    /// Where its public keys are; left out: where its discovery document says. Plain http only on loopback.
    #[schemars(extend("examples" = ["https://login.example.com/jwks.json"]))]
    pub(crate) jwks_uri: Option<String>,
    /// A file with its public keys, read again when it changes.
    #[schemars(extend("examples" = ["/etc/sidegate/keys.json"]))]
    pub(crate) jwks_file: Option<PathBuf>,
    /// Its public keys themselves: a JWK set, as RFC 7517 has it.
    #[schemars(with = "Option<KeySetText>")]
    pub(crate) jwks: Option<Map<String, Value>>,
    /// The audience that its tokens must have; one or several, of which a token must have one. Left out: the `client_id`.
    #[schemars(extend("examples" = ["web"]))]
    pub(crate) audience: Option<List<String>>,
    /// The same as `audience`.
    #[schemars(extend("examples" = [["web", "https://api.example.com"]]))]
    pub(crate) audiences: Option<List<String>>,
    /// The clients whose tokens are accepted, by `azp` or `client_id`; left out: every client that got a token for the
    /// audience.
    #[schemars(extend("examples" = [["web", "mobile"]]))]
    pub(crate) clients: Option<List<String>>,
    /// The name under which sidegate is registered there.
    #[schemars(extend("examples" = ["web"]))]
    pub(crate) client_id: Option<String>,
    /// The secret that goes with `client_id`.
    pub(crate) client_secret: Option<Secret>,
    /// How the client proves to be itself; left out: `basic` with a secret, `private_key_jwt` with a key, else `none`.
    pub(crate) client_auth: Option<ClientAuthentication>,
    /// The private key of `private_key_jwt`: P-256, PKCS#8 PEM, as `sidegate keys assertion` makes them.
    #[schemars(extend("examples" = [{"file": "/run/secrets/client.pem"}]))]
    pub(crate) client_key: Option<Secret>,
    /// Whom the tokens name that are signed with `client_key`.
    #[serde(default)]
    pub(crate) client_assertion_audience: ClientAssertionAudience,
    /// What people know it by where they choose; left out: its name.
    #[schemars(extend("examples" = ["Example Ltd"]))]
    pub(crate) title: Option<String>,
    /// What a sign-in asks for; `openid` is always added. `offline_access` makes many providers give a refresh token.
    #[serde(default = "default_scopes")]
    pub(crate) scopes: List<String>,
    /// More parameters of the request that begins a sign-in.
    #[schemars(extend("examples" = [{"audience": "https://api.example.com"}]))]
    pub(crate) authorize_params: Option<BTreeMap<String, Parameter>>,
    /// More parameters of the request that ends the provider's session. A value may be empty.
    #[schemars(extend("examples" = [{"logout_hint": "web"}]))]
    pub(crate) logout_params: Option<BTreeMap<String, Parameter>>,
    /// How the provider hands over its answer.
    #[serde(default)]
    pub(crate) response_mode: ResponseModeWord,
    /// Whether authorization requests are pushed (RFC 9126).
    #[serde(default)]
    pub(crate) pushed_requests: PushedRequestsWord,
    /// Whether each sign-in asks the user info endpoint for more claims.
    #[serde(default = "never")]
    pub(crate) userinfo: Frequency,
    /// Addresses that are used instead of those in the discovery document.
    #[serde(default)]
    pub(crate) endpoints: Endpoints,
    /// Where the provider sends browsers back to; left out: the origin they came to, then `/.auth/callback/NAME`.
    #[schemars(extend("examples" = ["https://app.example.com/.auth/callback/main"]))]
    pub(crate) redirect_uri: Option<String>,
    /// The longest time for which a session goes on without asking the provider, by refresh token; left out: as long as
    /// its access tokens live, and longer while it cannot be asked.
    #[schemars(extend("examples" = ["15m"]))]
    pub(crate) revalidate: Option<Span>,
    /// How long after a sign-in a browser that opens a page goes to the provider and back once more, without anybody being asked: it
    /// keeps the provider's session from ending for want of use. Left out: never.
    #[schemars(extend("examples" = ["1d"]))]
    pub(crate) keep_alive: Option<Span>,
    /// The signature algorithms of ID tokens and logout tokens; left out: those of `algorithms`.
    #[schemars(extend("examples" = [["RS256"]]))]
    pub(crate) id_token_algorithms: Option<List<AlgorithmName>>,
    /// How long ago an ID token may have been issued, 1d at most.
    #[serde(default = "default_id_token_max_age")]
    pub(crate) id_token_max_age: Span,
    /// What ID tokens must say beside, by the exact names of claims: a sign-in with another value, or none, is refused.
    #[schemars(extend("examples" = [{"org_id": "org_9ybs"}]))]
    pub(crate) id_token_claims: Option<BTreeMap<String, String>>,
    /// How people sign out there.
    #[serde(default)]
    pub(crate) logout: LogoutSection,
    /// What its logout tokens must be.
    #[serde(default)]
    pub(crate) backchannel_logout: BackchannelLogout,
    /// The sessions that it keeps for the backends of its apps; left out: they are not used.
    pub(crate) backend_sessions: Option<BackendSessions>,
    /// Whether an app on a device gets the session of a web view by its tokens, at `/.auth/exchange`; left out: it does not.
    pub(crate) exchange: Option<ExchangeSection>,
    /// Asking it about tokens (RFC 7662); left out: it is asked about none, or, for type `introspection`, about all.
    pub(crate) introspection: Option<IntrospectionSection>,
    /// Whom Authgear's credentials are judged by; left out: `resolver` where that section is written, else `jwt`.
    pub(crate) verify: Option<VerifyWord>,
    /// Authgear's resolver.
    pub(crate) resolver: Option<ResolverSection>,
    /// What a sign-in at Authgear leaves behind.
    #[serde(default)]
    pub(crate) response_type: ResponseTypeWord,
    /// Whether a sign-in at Authgear takes part in its single sign-on (`x_sso_enabled`); left out: as the project has it.
    #[schemars(extend("examples" = [true]))]
    pub(crate) sso_enabled: Option<bool>,
    /// What Authgear signs its webhooks with: a user who is disabled or deleted there is signed out here.
    pub(crate) webhook_secret: Option<Secret>,
    /// Proofs of possession with its tokens (RFC 9449).
    #[serde(default)]
    pub(crate) dpop: DpopWord,
    /// Whether proofs must contain a nonce of ours. It is made with the first key of `session`; without, replicas would
    /// not know each other's.
    #[serde(default)]
    pub(crate) dpop_nonce: bool,
    /// The SSO cookie that is itself a token; one or several names.
    #[schemars(extend("examples" = ["sso"]))]
    pub(crate) cookie: Option<List<String>>,
    /// The same as `cookie`.
    #[schemars(extend("examples" = [["sso", "sso_staging"]]))]
    pub(crate) cookies: Option<List<String>>,
    /// Headers beside `Authorization` that carry a token, and nothing but the token.
    #[schemars(extend("examples" = [["X-Access-Token"]]))]
    pub(crate) headers: Option<List<String>>,
    /// The login page, with `{return_to}` in its query where the address to come back to belongs. An absolute URL, or a
    /// path on the same host. Left out: nobody is redirected, everybody gets 401.
    #[schemars(extend("examples" = ["https://login.example.com/signin?rd={return_to}"]))]
    pub(crate) login_url: Option<String>,
    /// The signature algorithms that are accepted. Only asymmetric ones are.
    #[serde(default = "default_algorithms")]
    pub(crate) algorithms: List<AlgorithmName>,
    /// Which `typ` tokens must have: `any` for none, `JWT` or `at+jwt`; `access_token` for `at+jwt` alone (RFC 9068); or a
    /// list of types.
    #[serde(default)]
    pub(crate) token_types: TokenTypes,
    /// How far the clocks of sidegate and the provider may disagree, 5m at most.
    #[serde(default = "default_leeway")]
    pub(crate) leeway: Span,
    /// Which claims say what.
    #[serde(default)]
    pub(crate) claims: ClaimNames,
    /// When keys are fetched again.
    #[serde(default)]
    pub(crate) key_refresh: KeyRefresh,
    /// A file where the last good keys are kept, for a restart while the provider is down. Whoever can write it can make
    /// tokens.
    #[schemars(extend("examples" = ["/var/lib/sidegate/main.jwks"]))]
    pub(crate) key_cache: Option<PathBuf>,
}

/// What a provider is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("x-remarks" = {
    "entra": "write oidc, with https://login.microsoftonline.com/TENANT/v2.0 as issuer",
    "google": "write oidc, with https://accounts.google.com as issuer",
    "keycloak": "write oidc, with the address of the realm as issuer",
    "oauth2": "write oidc, or introspection for tokens that only the provider can judge",
}))]
pub(crate) enum ProviderType {
    /// Auth0: an OpenID provider with its ways, as `sidegate check` tells them.
    Auth0,
    /// Authgear: an OpenID provider with its ways.
    Authgear,
    /// Somebody whose tokens only it can judge: it is asked about each (RFC 7662). Needs `audience` and `client_id`.
    Introspection,
    /// An issuer of JWTs: needs `audience`.
    Jwt,
    /// Transmit Security Mosaic: an OpenID provider with its ways.
    Mosaic,
    /// An OpenID provider.
    #[default]
    Oidc,
    /// Okta: an OpenID provider with its ways.
    Okta,
}

impl ProviderType {
    /// Whether people can sign in there by OpenID Connect.
    pub(crate) const fn speaks_oidc(self) -> bool {
        match self {
            Self::Auth0 | Self::Authgear | Self::Mosaic | Self::Oidc | Self::Okta => true,
            Self::Introspection | Self::Jwt => false,
        }
    }
}

/// `any`, `access_token`, or a list of types.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum TokenTypes {
    Word(TokenTypeWord),
    /// Media types, with or without `application/`.
    List(#[schemars(length(min = 1))] Vec<String>),
}

/// The usual choices.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TokenTypeWord {
    /// `at+jwt` alone (RFC 9068).
    AccessToken,
    /// None, `JWT` or `at+jwt`.
    Any,
}

impl Default for TokenTypes {
    fn default() -> Self {
        Self::Word(TokenTypeWord::Any)
    }
}

/// Which claims say what: the exact name of a claim, or a JSON Pointer such as `/realm_access/roles`. Of several the first that is
/// there counts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ClaimNames {
    /// What apps know the caller by. It should never be given to somebody else.
    pub(crate) user: List<String>,
    /// The mail address.
    pub(crate) email: List<String>,
    /// The full name.
    pub(crate) name: List<String>,
    /// The short name.
    pub(crate) preferred_username: List<String>,
    /// Groups: a list.
    pub(crate) groups: List<String>,
    /// Roles: a list.
    pub(crate) roles: List<String>,
    /// Scopes: words separated by spaces, or a list.
    pub(crate) scopes: List<String>,
    /// The client that a token was made for, by exact name; `clients` lists whom to accept. Each that is there must be listed.
    pub(crate) client: List<String>,
}

impl Default for ClaimNames {
    fn default() -> Self {
        let one = |name: &str| List(vec![name.to_owned()]);
        Self {
            user: one("sub"),
            email: one("email"),
            name: one("name"),
            preferred_username: one("preferred_username"),
            groups: one("groups"),
            roles: one("roles"),
            scopes: one("scope"),
            client: List(["azp", "client_id"].map(str::to_owned).to_vec()),
        }
    }
}

/// When keys are fetched again: ahead of the expiry that the provider tells, within bounds.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct KeyRefresh {
    /// The shortest time between two planned fetches.
    pub(crate) min: Span,
    /// The longest.
    pub(crate) max: Span,
    /// The time where the provider tells none.
    pub(crate) default: Span,
    /// The shortest time between two fetches for the sake of an unknown key, counted from the attempt.
    pub(crate) cooldown: Span,
    /// One fetch.
    pub(crate) timeout: Span,
}

impl Default for KeyRefresh {
    fn default() -> Self {
        Self {
            min: Span::secs(60),
            max: Span::secs(86_400),
            default: Span::secs(3_600),
            cooldown: Span::secs(10),
            timeout: Span::secs(5),
        }
    }
}

const fn never() -> Frequency {
    Frequency::Never
}

fn default_scopes() -> List<String> {
    List(["openid", "profile", "email"].map(str::to_owned).to_vec())
}

const fn default_id_token_max_age() -> Span {
    Span::secs(3_600)
}

fn default_leeway() -> Span {
    Span::secs(60)
}

fn default_algorithms() -> List<AlgorithmName> {
    use Algorithm::{EdDSA, Es256, Es384, Ps256, Rs256};
    List([Rs256, Ps256, Es256, Es384, EdDSA].map(AlgorithmName).to_vec())
}

/// A signature algorithm by its registered name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AlgorithmName(pub(crate) Algorithm);

impl<'de> Deserialize<'de> for AlgorithmName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map(Self).map_err(de::Error::custom)
    }
}

impl Serialize for AlgorithmName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl JsonSchema for AlgorithmName {
    fn schema_name() -> Cow<'static, str> {
        "Algorithm".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        const SYMMETRIC: &str = "whoever can check an HMAC can make one: let the provider sign with RS256, ES256 or EdDSA";
        let names: Vec<&str> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
        json_schema!({
            "description": "A signature algorithm. Only asymmetric ones are accepted.",
            "type": "string",
            "enum": names,
            "x-remarks": {
                "none": "a token without a signature proves nothing: write the algorithm that the provider signs with",
                "HS256": SYMMETRIC, "HS384": SYMMETRIC, "HS512": SYMMETRIC,
            },
        })
    }
}

/// The schema of a JWK set that is written into the configuration.
struct KeySetText;

impl JsonSchema for KeySetText {
    fn schema_name() -> Cow<'static, str> {
        "KeySet".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "A JWK set (RFC 7517): pasted JSON is YAML too.",
            "properties": { "keys": { "type": "array", "minItems": 1, "items": { "type": "object", "additionalProperties": true },
                "description": "The keys.", "examples": [[{"kty": "EC", "crv": "P-256", "x": "…", "y": "…"}]] } },
            "required": ["keys"],
            "additionalProperties": true,
            "examples": [json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "…"}]})],
        })
    }
}
