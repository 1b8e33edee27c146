//! `provider` and `providers`: who vouches for callers, and what their tokens must say.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::header::HeaderName;
use url::Url;

use crate::config::compile::{backend, client, keys, parties, require, times, words};
use crate::config::file::{
    DpopWord, File, List, Provider as Written, ProviderType, System, TokenTypeWord, TokenTypes,
};
use crate::config::inputs::Inputs;
use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::config::units::Span;
use crate::gate::{Dpop, LoginUrl, LoginUrlError, NonceRule, Provider, ProviderId, RelyingParty};
use crate::identity::{AuthTimeRule, ClaimMap, ClaimPaths};
use crate::remote::egress::is_loopback;
use crate::remote::jwks::ProviderKeys;
use crate::serve::settings::{IntrospectingSettings, PartySettings, ResolvingSettings};
use crate::token::{Rules, TypeRule};

/// Clocks that disagree by more are wrong clocks.
const MOST_LEEWAY: Span = Span::secs(300);

/// Types of tokens that say something else than who a caller is; as credentials they would be replays.
const OTHER_TOKENS: [&str; 3] = ["logout+jwt", "dpop+jwt", "secevent+jwt"];

/// A provider, compiled as far as it could be.
pub(super) struct Compiled {
    pub(super) name: String,
    /// None where the report has a problem.
    pub(super) compiled: Option<Parts>,
}

/// All that comes of one provider.
pub(super) struct Parts {
    pub(super) provider: Provider,
    pub(super) keys: ProviderKeys,
    /// If people sign in there.
    pub(super) party: Option<PartySettings>,
    /// If it is asked about tokens.
    pub(super) introspecting: Option<IntrospectingSettings>,
    /// If it has a resolver that is asked.
    pub(super) resolving: Option<ResolvingSettings>,
}

/// Every provider in written order.
pub(super) fn compile(file: &mut File, inputs: &mut Inputs, report: &mut Report) -> Vec<Compiled> {
    let written = written(file, report);
    let count = written.len();
    let clients = written.iter().filter(|(_, written)| parties::is_client(written)).count();
    let around = parties::Surroundings {
        prefix: file.prefix(),
        has_sole_callback: file.takes_place_of(System::Oauth2Proxy) && clients == 1,
        session: file.session.as_ref(),
    };
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut compiled: Vec<Compiled> = Vec::new();
    for (path, written) in &written {
        let Some(name) = name(written, count, path, report) else { continue };
        if !names.insert(name.clone()) {
            let message = format!("there are two providers `{name}`");
            report.refuse(&path.key("name"), message, "give each a name of its own");
        }
        let Ok(id) = u16::try_from(compiled.len()).map(ProviderId) else { continue };
        let one = One { written, name: &name, path, id, around: &around };
        let parts = one.compile(inputs, report);
        if let Some(parts) = &parts {
            check_rivals(&parts.provider, &compiled, path, report);
        }
        compiled.push(Compiled { name, compiled: parts });
    }
    compiled
}

/// One issuer may be written once for each audience; two with the same audience would both answer for its tokens.
fn check_rivals(provider: &Provider, others: &[Compiled], path: &KeyPath, report: &mut Report) {
    let others = others.iter().filter_map(|other| other.compiled.as_ref());
    let others = others.map(|parts| &parts.provider);
    for other in others.filter(|other| other.issuer == provider.issuer) {
        let shared =
            provider.rules.audiences.iter().find(|one| other.rules.audiences.contains(one));
        if let Some(shared) = shared {
            let message = format!(
                "the provider `{}` has this issuer and the audience `{shared}` too",
                other.name
            );
            report.refuse(
                &path.key("issuer"),
                message,
                "make one provider of the two, or give each audiences of its own",
            );
        }
    }
}

/// The long form, or the short one as the long one would have it.
fn written(file: &mut File, report: &mut Report) -> Vec<(KeyPath, Written)> {
    let (short, long) = (KeyPath::root().key("provider"), KeyPath::root().key("providers"));
    match (file.provider.take(), file.providers.take()) {
        (Some(_), Some(_)) => {
            report.refuse(&short, "is written beside `providers`", "move it into `providers`");
            Vec::new()
        }
        (Some(provider), None) => vec![(short, provider)],
        (None, list) => {
            let items = list.into_iter().flatten().enumerate();
            items.map(|(index, provider)| (long.index(index), provider)).collect()
        }
    }
}

fn name(written: &Written, count: usize, path: &KeyPath, report: &mut Report) -> Option<String> {
    match &written.name {
        Some(name) => words::label(name, &path.key("name"), report),
        None if count > 1 => {
            report.refuse(path, "has no name, and there are several providers", "add `name:`");
            None
        }
        None => Some(String::from("default")),
    }
}

/// One provider on its way.
struct One<'a> {
    written: &'a Written,
    name: &'a str,
    path: &'a KeyPath,
    id: ProviderId,
    around: &'a parties::Surroundings<'a>,
}

impl One<'_> {
    fn compile(&self, inputs: &mut Inputs, report: &mut Report) -> Option<Parts> {
        let Self { written, name, path, .. } = *self;
        let keys = keys::compile(written, name, path, inputs, report);
        let rules = rules(written, path, report);
        let cookies = cookies(written, path, report);
        let headers = headers(written.headers.as_ref(), &path.key("headers"), report);
        let login_url =
            written.login_url.as_ref().map(|text| login_url(text, &path.key("login_url"), report));
        let claims = claims(written, &path.key("claims"), report);
        let dpop = dpop(written, path, report);
        let place = parties::Place { written, name, path, id: self.id, around: self.around };
        place.check(report);
        place.check_authgear(report);
        let (resolver, resolving) = place.resolver(report).unzip();
        let (keys, rules) = (keys?, rules?);
        let client = client::compile(written, &rules, &keys, path, inputs, report);
        let backend = backend::compile(&place, client.as_ref(), inputs, report);
        let tenant = backend.as_ref().and_then(|backend| backend.tenant.as_deref()).map(Arc::from);
        let party =
            client.as_ref().and_then(|client| place.party(client, (backend, inputs), report));
        let (introspection, introspecting) = place.introspection(client.as_ref(), report);
        let provider = Provider {
            name: Arc::from(name),
            issuer: Arc::from(written.issuer.as_str()),
            rules,
            cookies,
            headers,
            login_url: login_url.flatten(),
            claims: claims?,
            relying_party: written.client_id.clone().filter(|_| place.is_party()).map(|client| {
                RelyingParty {
                    client,
                    flow: place.flow(),
                    keep_alive: party.as_ref().and_then(|party| party.keep_alive),
                    tenant,
                }
            }),
            dpop,
            introspection,
            resolver,
        };
        Some(Parts { provider, keys, party, introspecting, resolving })
    }
}

fn dpop(written: &Written, path: &KeyPath, report: &mut Report) -> Dpop {
    let nonce = if written.dpop_nonce { NonceRule::Demanded } else { NonceRule::None };
    match written.dpop {
        DpopWord::Off if written.dpop_nonce => {
            let message = "asks for nonces in proofs, but no proofs are judged";
            report.refuse(
                &path.key("dpop_nonce"),
                message,
                "add `dpop: accept` or `dpop: require`",
            );
            Dpop::Off
        }
        DpopWord::Off => Dpop::Off,
        DpopWord::Accept => Dpop::Accept(nonce),
        DpopWord::Require => Dpop::Require(nonce),
    }
}

fn rules(written: &Written, path: &KeyPath, report: &mut Report) -> Option<Rules> {
    let audiences = audiences(written, path, report);
    let types = types(&written.token_types, &path.key("token_types"), report);
    let leeway =
        times::span(written.leeway, Span::secs(0), MOST_LEEWAY, &path.key("leeway"), report);
    Some(Rules {
        issuer: written.issuer.clone(),
        audiences: audiences?,
        clients: written.clients.as_ref().map(|clients| clients.0.clone()),
        client_claims: written.claims.client.0.clone(),
        algorithms: written.algorithms.0.iter().map(|name| name.0).collect(),
        types: types?,
        leeway: leeway?,
    })
}

/// The audiences that tokens may be for: without one, a token for any other app would open this one
/// ([RFC 8725 §3.9](https://www.rfc-editor.org/rfc/rfc8725#section-3.9)).
fn audiences(written: &Written, path: &KeyPath, report: &mut Report) -> Option<Vec<String>> {
    match (&written.audience, &written.audiences, &written.client_id) {
        (Some(_), Some(_), _) => {
            report.refuse(
                &path.key("audience"),
                "is written beside `audiences`",
                "keep one of the two",
            );
            None
        }
        (Some(list), None, _) | (None, Some(list), _) => Some(list.0.clone()),
        (None, None, Some(client)) if written.r#type.speaks_oidc() => Some(vec![client.clone()]),
        (None, None, _) => {
            let message = "nothing says for whom tokens must be: a token for any other app would open this one";
            report.refuse(
                path,
                message,
                "add `audience:` with the `aud` of the tokens for this app",
            );
            None
        }
    }
}

fn types(written: &TokenTypes, path: &KeyPath, report: &mut Report) -> Option<TypeRule> {
    let list = match written {
        TokenTypes::Word(TokenTypeWord::Any) => return Some(TypeRule::Any),
        TokenTypes::Word(TokenTypeWord::AccessToken) => return Some(TypeRule::AccessToken),
        TokenTypes::List(list) => list,
    };
    for (index, name) in list.iter().enumerate() {
        let short = name.to_ascii_lowercase();
        let short = short.strip_prefix("application/").unwrap_or(&short);
        if OTHER_TOKENS.contains(&short) {
            let message = format!("`{name}` does not say who a caller is");
            report.refuse(&path.index(index), message, "remove it");
        }
    }
    Some(TypeRule::Exactly(list.clone()))
}

fn cookies(written: &Written, path: &KeyPath, report: &mut Report) -> Vec<String> {
    let (list, path) = match (&written.cookie, &written.cookies) {
        (Some(_), Some(_)) => {
            report.refuse(
                &path.key("cookie"),
                "is written beside `cookies`",
                "keep one of the two",
            );
            return Vec::new();
        }
        (Some(list), None) => (list, path.key("cookie")),
        (None, Some(list)) => (list, path.key("cookies")),
        (None, None) => return Vec::new(),
    };
    let mut found: Vec<String> = Vec::new();
    for (index, name) in list.0.iter().enumerate() {
        let path = path.index(index);
        let Some(name) = words::cookie(name, &path, report) else { continue };
        if found.contains(&name) {
            report.refuse(&path, format!("`{name}` is listed twice"), "keep one of the two");
        }
        found.push(name);
    }
    found
}

fn headers(list: Option<&List<String>>, path: &KeyPath, report: &mut Report) -> Vec<HeaderName> {
    let mut found: Vec<HeaderName> = Vec::new();
    for (index, name) in list.iter().flat_map(|list| list.0.iter().enumerate()) {
        let path = path.index(index);
        if name.eq_ignore_ascii_case("authorization") {
            report.refuse(&path, "`Authorization` is always read", "remove it");
            continue;
        }
        let Some(header) = words::header(name, &path, report) else { continue };
        if found.contains(&header) {
            report.refuse(&path, format!("`{name}` is listed twice"), "keep one of the two");
        }
        found.push(header);
    }
    found
}

/// Where people sign in: https, http on this machine, or a path on the host they came to.
pub(super) fn login_url(text: &str, path: &KeyPath, report: &mut Report) -> Option<LoginUrl> {
    if !is_login_address(text) {
        let message = format!("`{text}` is no address of a login page");
        let remedy = "write an https:// URL or a path, such as https://login.example.com/signin?rd={return_to}";
        report.refuse(path, message, remedy);
        return None;
    }
    let url = LoginUrl::parse(text);
    if let Err(error) = url {
        let remedy = match error {
            LoginUrlError::SeveralPlaces => "keep one of them",
            LoginUrlError::OutsideQuery => {
                "write it as a value of the query, such as ?rd={return_to}"
            }
        };
        report.refuse(path, error.to_string(), remedy);
    } else if !text.contains("{return_to}") {
        let message =
            "has no `{return_to}`: after signing in, people end where the login service sends them";
        report.warn(
            path,
            message,
            "add the login service's return parameter, such as ?rd={return_to}",
        );
    }
    url.ok()
}

fn is_login_address(text: &str) -> bool {
    if text.bytes().any(|b| !b.is_ascii_graphic() || matches!(b, b'\\' | b'"' | b'<' | b'>')) {
        return false;
    }
    if text.starts_with('/') {
        return !text.starts_with("//");
    }
    let parsed = Url::parse(&text.replace("{return_to}", "x")).ok();
    parsed.is_some_and(|url| {
        let secure = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
        secure && url.has_host() && url.username().is_empty() && url.password().is_none()
    })
}

fn claims(provider: &Written, path: &KeyPath, report: &mut Report) -> Option<ClaimMap> {
    let written = &provider.claims;
    let mut read = |key: &str, names: &List<String>| {
        let path = path.key(key);
        let several = names.0.len() > 1;
        let paths = names.0.iter().enumerate().map(|(index, text)| {
            let path = if several { path.index(index) } else { path.clone() };
            require::claim(text, &path, report)
        });
        paths.collect::<Option<Vec<_>>>().map(ClaimPaths::new)
    };
    let [user, email, name, preferred_username, groups, roles, scopes] = [
        read("user", &written.user),
        read("email", &written.email),
        read("name", &written.name),
        read("preferred_username", &written.preferred_username),
        read("groups", &written.groups),
        read("roles", &written.roles),
        read("scopes", &written.scopes),
    ];
    Some(ClaimMap {
        user: user?,
        email: email?,
        name: name?,
        preferred_username: preferred_username?,
        groups: groups?,
        roles: roles?,
        scopes: scopes?,
        auth_time: match provider.r#type {
            // What one app approves for another is as new as the approval, and has no methods.
            ProviderType::Authgear => AuthTimeRule::WithMethods,
            _ => AuthTimeRule::Alone,
        },
    })
}
