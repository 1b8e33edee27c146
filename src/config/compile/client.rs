//! Sidegate as a client of a provider: for signing people in there, and for asking it about tokens.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::base::secret::Secret as Hidden;
use crate::config::compile::{require, urls};
use crate::config::file::{
    ClientAssertionAudience, ClientAuthentication as Word, Endpoints as WrittenEndpoints,
    Frequency, HintWord, LogoutSection, LogoutStyleWord, LogoutTokenExpiry, LogoutTokenType,
    Parameter, Provider as Written, ProviderType, PushedRequestsWord, ResponseModeWord,
};
use crate::config::inputs::Inputs;
use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::config::secret;
use crate::oidc::authorization::{ResponseMode, is_reserved};
use crate::oidc::client::{ClientAuthentication, Registration};
use crate::oidc::discovery::Endpoints;
use crate::oidc::id_token;
use crate::oidc::logout::{ExpiryRule, LogoutRules, LogoutStyle};
use crate::remote::jwks::{KeySourceSettings, ProviderKeys};
use crate::remote::provider::{MetadataBounds, MetadataSettings, MetadataSource};
use crate::remote::relying_party::{
    AssertionAudience, HintRule, LogoutSettings, PushedRequests, RelyingPartySettings,
};
use crate::token::{AlgorithmSet, Rules, SigningKey};

/// How long one exchange with a provider may take: a person waits for it.
const EXCHANGE: Duration = Duration::from_secs(10);

/// Parameters of a sign-out that are set by ourselves.
const SIGN_OUT_PARAMETERS: [&str; 4] =
    ["client_id", "id_token_hint", "post_logout_redirect_uri", "state"];

/// What goes along with a `client_id`, each as far as it is written and can be read.
struct Credentials {
    secret: Option<Hidden<String>>,
    key: Option<SigningKey>,
}

/// Our client at the provider; `None` where it has none, or where the report has a problem.
pub(super) fn compile(
    written: &Written,
    rules: &Rules,
    keys: &ProviderKeys,
    path: &KeyPath,
    inputs: &mut Inputs,
    report: &mut Report,
) -> Option<RelyingPartySettings> {
    let registration = registration(written, path, inputs, report);
    let endpoints = endpoints(&written.endpoints, &path.key("endpoints"), report);
    let scopes = scopes(written, &path.key("scopes"), report);
    let extra = parameters(
        written.authorize_params.as_ref(),
        &path.key("authorize_params"),
        is_reserved,
        report,
    );
    let extra = extra.into_iter().chain(single_sign_on(written)).collect();
    let logout_extra = parameters(
        written.logout_params.as_ref(),
        &path.key("logout_params"),
        |name| SIGN_OUT_PARAMETERS.contains(&name),
        report,
    );
    let registration = registration?;
    let algorithms = id_token_algorithms(written, rules);
    let client_id = registration.client_id.as_str();
    let logout_rules = logout_rules(written, client_id, algorithms, rules.leeway);
    let metadata = MetadataSettings {
        name: keys.name.clone(),
        issuer: written.issuer.clone(),
        source: source(written, &keys.source),
        endpoints: endpoints?,
        bounds: MetadataBounds::default(),
    };
    Some(RelyingPartySettings {
        metadata,
        assertion_audience: assertion_audience(written.client_assertion_audience),
        scopes: scopes?,
        extra,
        response_mode: response_mode(written.response_mode),
        pushed_requests: pushed_requests(written.pushed_requests),
        userinfo: written.userinfo == Frequency::Always,
        rules: id_token::rules(&written.issuer, client_id, algorithms, rules.leeway),
        timeout: EXCHANGE,
        logout: logout(&written.logout, logout_rules, logout_extra),
        registration,
    })
}

/// Every credential is read although it may not be used: a file that was forgotten is better found now.
fn registration(
    written: &Written,
    path: &KeyPath,
    inputs: &mut Inputs,
    report: &mut Report,
) -> Option<Registration> {
    let secret = written.client_secret.as_ref();
    let secret = secret.and_then(|it| secret::load(it, &path.key("client_secret"), inputs, report));
    let key_path = path.key("client_key");
    let key = written.client_key.as_ref();
    let key = key.and_then(|it| secret::load(it, &key_path, inputs, report));
    let key = key.and_then(|pem| {
        let key = SigningKey::from_pem(pem.expose());
        let remedy = "make one with `sidegate keys assertion`, and register its public half";
        key.map_err(|error| report.refuse(&key_path, error.to_string(), remedy)).ok()
    });
    let Some(client_id) = &written.client_id else {
        refuse_without_id(written, path, report);
        return None;
    };
    let authentication = authentication(written, Credentials { secret, key }, path, report)?;
    Some(Registration { client_id: client_id.clone(), authentication })
}

fn refuse_without_id(written: &Written, path: &KeyPath, report: &mut Report) {
    if written.client_secret.is_some() {
        report.refuse(path, "has a client secret without a client id", "add `client_id:`");
    }
    for (key, is_written) in [
        ("client_auth", written.client_auth.is_some()),
        ("client_key", written.client_key.is_some()),
        ("title", written.title.is_some()),
        ("authorize_params", written.authorize_params.is_some()),
        ("logout_params", written.logout_params.is_some()),
        ("redirect_uri", written.redirect_uri.is_some()),
        ("revalidate", written.revalidate.is_some()),
        ("keep_alive", written.keep_alive.is_some()),
        ("id_token_algorithms", written.id_token_algorithms.is_some()),
        ("id_token_claims", written.id_token_claims.is_some()),
        ("backend_sessions", written.backend_sessions.is_some()),
        ("exchange", written.exchange.is_some()),
        ("introspection", written.introspection.is_some()),
    ] {
        if is_written {
            let message = "is of use for a client alone, and there is no `client_id`";
            report.refuse(&path.key(key), message, format!("add `client_id:`, or remove `{key}`"));
        }
    }
    if written.r#type == ProviderType::Introspection {
        let message = "asking about tokens takes a client, and there is no `client_id`";
        report.refuse(path, message, "add `client_id:` and `client_secret:`");
    }
}

fn authentication(
    written: &Written,
    credentials: Credentials,
    path: &KeyPath,
    report: &mut Report,
) -> Option<ClientAuthentication> {
    let (has_secret, has_key) = (written.client_secret.is_some(), written.client_key.is_some());
    let word = match written.client_auth {
        Some(word) => word,
        None if has_secret && has_key => {
            let message = "has a secret and a key: which of them proves the client?";
            report.refuse(path, message, "write `client_auth:`, and keep one of the two");
            return None;
        }
        None if has_secret => Word::Basic,
        None if has_key => Word::PrivateKeyJwt,
        None => Word::None,
    };
    let secret_fits =
        check_use(word, has_secret, "client_secret", takes_secret(word), path, report);
    let key_fits =
        check_use(word, has_key, "client_key", word == Word::PrivateKeyJwt, path, report);
    secret_fits.and(key_fits)?;
    let Credentials { secret, key } = credentials;
    Some(match word {
        Word::Basic => ClientAuthentication::Basic(secret?),
        Word::None => ClientAuthentication::None,
        Word::Post => ClientAuthentication::Post(secret?),
        Word::PrivateKeyJwt => ClientAuthentication::PrivateKeyJwt(Arc::new(key?)),
    })
}

const fn takes_secret(word: Word) -> bool {
    matches!(word, Word::Basic | Word::Post)
}

/// What is needed must be there, and what is there must be used.
fn check_use(
    word: Word,
    is_there: bool,
    key: &str,
    is_needed: bool,
    path: &KeyPath,
    report: &mut Report,
) -> Option<()> {
    let name = match word {
        Word::Basic => "basic",
        Word::None => "none",
        Word::Post => "post",
        Word::PrivateKeyJwt => "private_key_jwt",
    };
    if is_needed == is_there {
        return Some(());
    }
    if is_needed {
        let message = format!("`{name}` needs a `{key}`");
        report.refuse(&path.key("client_auth"), message, format!("add `{key}:`"));
    } else {
        let message = format!("is not used with client_auth `{name}`");
        report.refuse(&path.key(key), message, "remove it, or write another `client_auth:`");
    }
    None
}

fn endpoints(written: &WrittenEndpoints, path: &KeyPath, report: &mut Report) -> Option<Endpoints> {
    let before = report.problems();
    let mut read = |key: &str, text: &Option<String>| {
        let text = text.as_ref()?;
        urls::outbound(text, urls::Harm::Exchange, &path.key(key), report)
    };
    let endpoints = Endpoints {
        authorization: read("authorization", &written.authorization),
        end_session: read("end_session", &written.end_session),
        introspection: read("introspection", &written.introspection),
        jwks_uri: None,
        pushed_authorization_request: read(
            "pushed_authorization_request",
            &written.pushed_authorization_request,
        ),
        revocation: read("revocation", &written.revocation),
        token: read("token", &written.token),
        userinfo: read("userinfo", &written.userinfo),
    };
    (report.problems() == before).then_some(endpoints)
}

/// Discovery is done without only where nothing of it is missing.
fn source(written: &Written, keys: &KeySourceSettings) -> MetadataSource {
    let Written { endpoints, .. } = written;
    let known = match written.r#type {
        ProviderType::Introspection => endpoints.introspection.is_some(),
        ProviderType::Jwt => {
            endpoints.introspection.is_some() && !matches!(keys, KeySourceSettings::Discovery)
        }
        ProviderType::Auth0
        | ProviderType::Authgear
        | ProviderType::Mosaic
        | ProviderType::Oidc
        | ProviderType::Okta => {
            endpoints.authorization.is_some()
                && endpoints.token.is_some()
                && !matches!(keys, KeySourceSettings::Discovery)
        }
    };
    if known { MetadataSource::Configured } else { MetadataSource::Discovery }
}

fn scopes(written: &Written, path: &KeyPath, report: &mut Report) -> Option<Vec<String>> {
    let mut scopes = require::scopes(Some(&written.scopes), path, report);
    if scopes.len() < written.scopes.0.len() {
        return None;
    }
    if !scopes.iter().any(|scope| scope == "openid") {
        scopes.insert(0, String::from("openid"));
    }
    Some(scopes)
}

fn parameters(
    written: Option<&BTreeMap<String, Parameter>>,
    path: &KeyPath,
    is_reserved: impl Fn(&str) -> bool,
    report: &mut Report,
) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, value) in written.into_iter().flatten() {
        if is_reserved(name) {
            let remedy = match name.as_str() {
                "acr_values" | "max_age" | "prompt" => {
                    format!("remove it, or write `{name}:` in a route's `sign_in`")
                }
                "response_mode" => String::from("write `response_mode:` in the provider"),
                "scope" => String::from("write `scopes:` in the provider"),
                _ => String::from("remove it"),
            };
            report.refuse(&path.key(name), format!("`{name}` is set by sidegate itself"), remedy);
            continue;
        }
        found.push((name.clone(), value.0.clone()));
    }
    found
}

/// Authgear's SDKs say it twice where single sign-on is off: older servers know only the second.
fn single_sign_on(written: &Written) -> Vec<(String, String)> {
    let pairs: &[(&str, &str)] = match written.sso_enabled {
        None => &[],
        Some(true) => &[("x_sso_enabled", "true")],
        Some(false) => &[("x_sso_enabled", "false"), ("x_suppress_idp_session_cookie", "true")],
    };
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn id_token_algorithms(written: &Written, rules: &Rules) -> AlgorithmSet {
    match &written.id_token_algorithms {
        Some(list) => list.0.iter().map(|name| name.0).collect(),
        None => rules.algorithms,
    }
}

/// How people are signed out there; `extra` goes along to the provider's own sign-out.
fn logout(
    written: &LogoutSection,
    rules: LogoutRules,
    extra: Vec<(String, String)>,
) -> LogoutSettings {
    let issuers = written.frontchannel_issuers.as_ref();
    LogoutSettings {
        rules,
        style: match written.style {
            LogoutStyleWord::Auth0 => LogoutStyle::Auth0,
            LogoutStyleWord::Oidc => LogoutStyle::Standard,
        },
        hint: match written.id_token_hint {
            HintWord::Any => HintRule::Any,
            HintWord::Fresh => HintRule::Fresh,
        },
        front_channel_issuers: issuers.map(|issuers| issuers.0.clone()).unwrap_or_default(),
        extra,
    }
}

fn logout_rules(
    written: &Written,
    client_id: &str,
    algorithms: AlgorithmSet,
    leeway: Duration,
) -> LogoutRules {
    let rules = LogoutRules::new(&written.issuer, client_id, algorithms, leeway);
    let rules = match written.backchannel_logout.typ {
        LogoutTokenType::Any => rules,
        LogoutTokenType::Strict => rules.strictly_typed(),
    };
    let expiry = match written.backchannel_logout.exp {
        LogoutTokenExpiry::Optional => ExpiryRule::Optional,
        LogoutTokenExpiry::Required => ExpiryRule::Required,
    };
    LogoutRules { expiry, ..rules }
}

const fn assertion_audience(word: ClientAssertionAudience) -> AssertionAudience {
    match word {
        ClientAssertionAudience::Issuer => AssertionAudience::Issuer,
        ClientAssertionAudience::TokenEndpoint => AssertionAudience::TokenEndpoint,
    }
}

const fn response_mode(word: ResponseModeWord) -> ResponseMode {
    match word {
        ResponseModeWord::FormPost => ResponseMode::FormPost,
        ResponseModeWord::Query => ResponseMode::Query,
    }
}

const fn pushed_requests(word: PushedRequestsWord) -> PushedRequests {
    match word {
        PushedRequestsWord::Always => PushedRequests::Always,
        PushedRequestsWord::Auto => PushedRequests::Auto,
        PushedRequestsWord::Never => PushedRequests::Never,
    }
}
