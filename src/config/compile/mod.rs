//! From the file as written to the settings of the running program.
//!
//! Every section is compiled whatever became of the others, so that all problems are told at
//! once; settings come out only if there are none. What is written must count: a demand that
//! nothing would look at is a problem.

mod address;
mod identity;
mod keys;
mod listeners;
mod matching;
mod names;
mod preflight;
mod process;
mod providers;
mod require;
mod routes;
mod times;
mod tls;
mod upstreams;

use crate::config::compile::identity::{Signer, Wishes};
use crate::config::compile::routes::Surroundings;
use crate::config::compile::upstreams::UpstreamTimes;
use crate::config::file::{Access, File};
use crate::config::inputs::Inputs;
use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::config::units::{Size, Span};
use crate::gate::{ManagedNames, MethodRules, Policy, Provider};
use crate::remote::jwks::ProviderKeys;
use crate::serve::settings::{ListenerSettings, ProcessSettings, ServiceSettings, Settings, UpstreamSettings};
use http::HeaderName;

/// Compiles `file`. `None` where the report has a problem.
pub(super) fn compile(mut file: File, inputs: &mut Inputs, report: &mut Report) -> Option<Settings> {
    let listeners = listeners::compile(&mut file, inputs, report);
    let times = UpstreamTimes::read(&file.timeouts, &KeyPath::root().key("timeouts"), report);
    let upstreams = upstreams::compile(&mut file, &times.unwrap_or_default(), inputs, report);
    check_loops(&upstreams, &listeners, report);
    let providers = providers::compile(&mut file, inputs, report);
    check_providers(&file, providers.is_empty(), report);
    let process = process(&file, &listeners, inputs, report);
    let upstreams: Vec<UpstreamSettings> = upstreams.into_iter().map(|(_, upstream)| upstream).collect();
    let (providers, keys): (Vec<Provider>, Vec<ProviderKeys>) =
        providers.into_iter().map(|compiled| (compiled.provider, compiled.keys)).unzip();
    let policy = policy(&file, &upstreams, providers, report);
    process::session(file.session.as_ref(), inputs, report);
    let limits = process::limits(&file.limits, report);
    let cache = times::size(file.cache.size, Size::mib(1), Size::mib(1 << 20), &cache_path("size"), report);
    let service = ServiceSettings {
        upstreams,
        trusted_proxies: process::trusted_proxies(&file.trusted_proxies, report),
        limits: limits?,
        requests: process::requests(file.log.requests),
        identity_cache_bytes: cache? as u64,
        assertion: process::assertion(&file.assertion, inputs, report),
        keys,
        outbound: process::egress(&file.egress, inputs, report),
        policy: policy?,
    };
    report.is_clean().then_some(Settings { process: process?, service })
}
