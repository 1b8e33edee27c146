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
    let (providers, keys) = providers.into_iter().unzip();
    let upstreams: Vec<UpstreamSettings> = upstreams.into_iter().map(|(_, upstream)| upstream).collect();
    let policy = policy(&file, &upstreams, providers, report);
    let process = process(&file, listeners, inputs, report);
    let service = service(&file, upstreams, keys, inputs, report);
    process::session(file.session.as_ref(), inputs, report);
    let (policy, process, service) = (policy?, process?, service?);
    report.is_clean().then(|| Settings { process, service: service(policy) })
}
