//! `sidegate check`: exactly the code by which `run` reads its configuration, and with `--online` by which it gets keys.

use anyhow::anyhow;

use crate::cli::output::print;
use crate::cli::{ConfigFile, Failure, run};
use crate::config::types::Filled;
use crate::remote::sessions::{Sessions, StoreSettings};
use crate::serve::keys::fetch;
use crate::serve::settings::ServiceSettings;
use crate::session::RevocationSet;
use crate::telemetry::metrics::Metrics;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
    /// Fetch every provider's keys too, and write to the store of sessions
    #[arg(long)]
    online: bool,
}

pub(crate) fn main(arguments: &Arguments) -> Result<(), Failure> {
    let loaded = arguments.config.load()?;
    let service = loaded.settings.service;
    let path = arguments.config.path.display();
    print(&format!(
        "{path}: fine; {}, {}, {}\n",
        counted(service.policy.routes.len(), "route"),
        counted(service.policy.providers.len(), "provider"),
        counted(service.upstreams.len(), "upstream")
    ))?;
    print(&loaded.filled.iter().map(told).collect::<String>())?;
    if arguments.online {
        store(&service)?;
        online(service.keys, &service.outbound)?;
    }
    Ok(())
}

/// So many of `noun`.
fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Whether the store of sessions answers and takes writes, by the very code that `run` uses.
fn store(service: &ServiceSettings) -> Result<(), Failure> {
    let (Some(sign_in), Some(policy)) = (&service.sign_in, &service.policy.sessions) else {
        return Ok(());
    };
    if !matches!(sign_in.store, StoreSettings::Coordinated(_) | StoreSettings::Redis(_)) {
        return Ok(());
    }
    let asked = async {
        let (revocations, metrics) = (RevocationSet::new(1).into(), Metrics::new().sessions());
        let keys = policy.keys.clone();
        let sessions = Sessions::new(&sign_in.store, keys, revocations, None, metrics)?;
        sessions.check().await.map_err(anyhow::Error::from)
    };
    run::runtime(1)?.block_on(asked)?;
    Ok(print("session store: answers, and takes writes\n")?)
}

/// What a type set for a provider, a line for each key.
fn told(filled: &Filled) -> String {
    let Filled { provider, r#type, keys } = filled;
    let lines: Vec<String> =
        keys.iter().map(|(key, value)| format!("  {key}: {value}\n")).collect();
    format!("provider {provider}: type {type} sets\n{}", lines.concat())
}

fn online(
    keys: Vec<crate::remote::jwks::ProviderKeys>,
    outbound: &crate::remote::http::ClientSettings,
) -> Result<(), Failure> {
    let count = keys.len();
    let (ring, notes) = run::runtime(1)?.block_on(fetch(keys, outbound))?;
    notes.iter().try_for_each(|note| print(&format!("keys of {note}\n")))?;
    let loaded = ring.loaded();
    if loaded < count {
        return Err(anyhow!("{} of {count} providers gave no keys", count - loaded).into());
    }
    Ok(())
}
