//! From the file as written to the settings of the running program.
//!
//! Every section is compiled whatever became of the others, so that all problems are told at
//! once; settings come out only if there are none. What is written must count: a demand that
//! nothing would look at is a problem.

mod address;
mod app_links;
mod backend;
mod client;
mod desk;
mod files;
mod identity;
mod keep;
mod keys;
mod listeners;
mod matching;
mod parties;
mod preflight;
mod process;
mod providers;
mod remote_store;
mod require;
mod resolver;
mod route;
mod routes;
mod session;
mod sign_in;
mod times;
mod tls;
mod upstreams;
mod urls;
mod words;

use crate::config::compile::identity::{Signer, Wishes};
use crate::config::compile::route::Surroundings;
use crate::config::compile::upstreams::UpstreamTimes;
use crate::config::file::{Access, File, System};
use crate::config::inputs::Inputs;
use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::config::units::{Size, Span};
use crate::gate::{Compatible, Policy, Provider};
use crate::remote::jwks::ProviderKeys;
use crate::serve::settings::{
    IntrospectingSettings, ListenerSettings, PartySettings, ProcessSettings, ResolvingSettings,
    ServiceSettings, Settings,
};

/// Compiles `file`. `None` where the report has a problem.
pub(super) fn compile(
    mut file: File,
    inputs: &mut Inputs,
    report: &mut Report,
) -> Option<Settings> {
    let listeners = listeners::compile(&mut file, inputs, report);
    let times = UpstreamTimes::read(&file.timeouts, &KeyPath::root().key("timeouts"), report);
    let need = listeners::need_of_upstreams(&listeners);
    let upstreams = upstreams::compile(&mut file, times, need, inputs, report);
    check_loops(&upstreams, &listeners, report);
    let providers = providers::compile(&mut file, inputs, report);
    check_need_of_providers(&file, &providers, report);
    preflight::check_answers(file.routes.as_deref().unwrap_or_default(), &listeners, report);
    let process = process(&file, listeners, inputs, report);
    let listeners = process.as_ref().map(|process| process.listeners.as_slice());
    let parts = Parts { upstreams, providers, listeners: listeners.unwrap_or_default() };
    let service = service(&file, parts, inputs, report);
    let (process, service) = (process?, service?);
    report.is_clean().then_some(Settings { process, service })
}

/// An upstream that is sidegate itself would have each request go round until something breaks.
fn check_loops(
    upstreams: &[upstreams::Compiled],
    listeners: &[ListenerSettings],
    report: &mut Report,
) {
    for upstreams::Compiled { path, settings, .. } in upstreams {
        let own = |listener: &&ListenerSettings| {
            let mut servers = settings.iter().flat_map(|upstream| &upstream.servers);
            servers.any(|server| address::leads_back(server, &listener.address))
        };
        if let Some(listener) = listeners.iter().find(own) {
            let message = format!("leads back to sidegate's own listener `{}`", listener.name);
            report.refuse(path, message, "write the address of the app");
        }
    }
}

/// Without a provider nobody can have an identity; that is fine only where nobody needs one.
fn check_need_of_providers(file: &File, providers: &[providers::Compiled], report: &mut Report) {
    let routes = file.routes.as_deref().unwrap_or_default();
    let all_open = !routes.is_empty() && routes.iter().all(|route| route.access == Access::Public);
    if providers.is_empty() && report.is_clean() && !all_open {
        let message = "nobody vouches for callers, but some routes need an identity";
        let remedy = "add `provider:` with the `issuer` and `audience` of the tokens, or write access: public";
        report.refuse(&KeyPath::root(), message, remedy);
    }
}

fn process(
    file: &File,
    listeners: Vec<ListenerSettings>,
    inputs: &Inputs,
    report: &mut Report,
) -> Option<ProcessSettings> {
    let admin = listeners::admin(&file.admin, &listeners, inputs, report);
    let guard = process::guard(&file.limits, &file.timeouts, report);
    let path = KeyPath::root().key("timeouts").key("drain");
    let drain = times::span(file.timeouts.drain, Span::secs(0), Span::secs(86_400), &path, report);
    Some(ProcessSettings {
        listeners,
        admin,
        threads: process::threads(file.threads),
        log_level: process::level(file.log.level),
        guard: guard?,
        drain: drain?,
    })
}

/// What was compiled before.
struct Parts<'a> {
    upstreams: Vec<upstreams::Compiled>,
    providers: Vec<providers::Compiled>,
    listeners: &'a [ListenerSettings],
}

fn service(
    file: &File,
    parts: Parts<'_>,
    inputs: &mut Inputs,
    report: &mut Report,
) -> Option<ServiceSettings> {
    let names = Names {
        upstreams: parts.upstreams.iter().map(|upstream| upstream.name.clone()).collect(),
        providers: parts.providers.iter().map(|provider| provider.name.clone()).collect(),
    };
    let upstreams = parts.upstreams.into_iter().map(|upstream| upstream.settings);
    let upstreams = upstreams.collect::<Option<Vec<_>>>();
    let providers = parts.providers.into_iter().map(|provider| provider.compiled);
    let providers = providers.collect::<Option<Vec<_>>>().map(Providers::sort);
    let policy = policy(file, &names, providers.as_ref(), report);
    let desk = desk::compile(file, providers.as_ref(), parts.listeners, inputs, report);
    let trusted_proxies = process::trusted_proxies(&file.trusted_proxies, report);
    let limits = process::limits(&file.limits, report);
    let cache = KeyPath::root().key("cache").key("size");
    let cache = times::size(file.cache.size, Size::mib(1), Size::mib(1 << 20), &cache, report);
    let assertion = process::assertion(&file.assertion, inputs, report);
    let outbound = process::egress(&file.egress, inputs, report);
    let app_links = app_links::compile(file.app_links.as_ref(), file.prefix(), inputs, report);
    let pages = sign_in::pages(file.sign_in.as_ref(), inputs, report);
    let (mut policy, providers) = (policy?, providers?);
    let sign_in = desk?.open(&mut policy, providers.parties);
    Some(ServiceSettings {
        policy,
        upstreams: upstreams?,
        trusted_proxies,
        limits: limits?,
        requests: process::requests(file.log.requests),
        identity_cache_bytes: u64::try_from(cache?).unwrap_or(u64::MAX),
        assertion,
        keys: providers.keys,
        outbound,
        pages: pages?,
        sign_in,
        introspections: providers.introspections,
        resolvers: providers.resolvers,
        app_links,
    })
}

/// What comes of all providers, by kind.
struct Providers {
    providers: Vec<Provider>,
    keys: Vec<ProviderKeys>,
    parties: Vec<PartySettings>,
    introspections: Vec<IntrospectingSettings>,
    resolvers: Vec<ResolvingSettings>,
}

impl Providers {
    fn sort(parts: Vec<providers::Parts>) -> Self {
        let mut sorted = Self {
            providers: Vec::new(),
            keys: Vec::new(),
            parties: Vec::new(),
            introspections: Vec::new(),
            resolvers: Vec::new(),
        };
        for providers::Parts { provider, keys, party, introspecting, resolving } in parts {
            sorted.providers.push(provider);
            sorted.keys.push(keys);
            sorted.parties.extend(party);
            sorted.introspections.extend(introspecting);
            sorted.resolvers.extend(resolving);
        }
        sorted
    }
}

/// What routes can refer to, whether it compiled or not.
struct Names {
    upstreams: Vec<String>,
    providers: Vec<String>,
}

/// Whose addresses are served.
fn compatible(file: &File) -> Compatible {
    Compatible {
        authelia: file.takes_place_of(System::Authelia),
        authgear: file.takes_place_of(System::Authgear),
        oauth2_proxy: file.takes_place_of(System::Oauth2Proxy),
    }
}

fn policy(
    file: &File,
    names: &Names,
    providers: Option<&Providers>,
    report: &mut Report,
) -> Option<Policy> {
    let root = KeyPath::root();
    let prefix = words::prefix(file.prefix(), &root.key("prefix"), report);
    let systems = file.compatible_with.as_ref().map(|list| list.0.as_slice()).unwrap_or_default();
    let around = Surroundings {
        upstreams: &names.upstreams,
        provider_names: &names.providers,
        providers: providers.map(|providers| providers.providers.as_slice()),
        prefix: prefix.as_deref().unwrap_or_else(|| file.prefix()),
        compatible: compatible(file),
        identity: &Wishes::read(&file.identity, &root.key("identity"), report).in_place_of(systems),
        signer: &Signer::read(&file.assertion, &root.key("assertion"), report),
        max_body: file.limits.body,
        timeout: process::request_timeout(&file.timeouts, report),
    };
    let routes = routes::compile(file.routes.as_deref(), &around, report);
    let max_token_bytes = process::token_bytes(&file.limits, report);
    let max_age = root.key("cache").key("max_age");
    let max_remembered =
        times::span(file.cache.max_age, Span::secs(0), Span::secs(86_400), &max_age, report);
    Some(Policy {
        generation: 0,
        managed: routes.managed(),
        identity_headers: routes.identity_headers(),
        plans: routes.plans.len()?,
        table: routes.table,
        routes: routes.routes,
        providers: providers?.providers.clone(),
        prefix: prefix?,
        compatible: compatible(file),
        max_token_bytes: max_token_bytes?,
        max_remembered: max_remembered?,
        sessions: None,
        nonces: None,
    })
}
