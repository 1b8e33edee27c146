//! A session in Redis, which the measured sidegate looks up once a second and remembers in between.

use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result};
use sidegate::remote::sessions::{Place, RedisSettings, Sessions, StoreSettings};
use sidegate::session::RevocationSet;
use sidegate::telemetry::metrics::Metrics;

use crate::material::Material;
use crate::process::{OTHER_CORE, Output, Server, installed};
use crate::workspace::{Workspace, free_port};

/// The program.
pub(crate) const REDIS: &str = "redis-server";

/// Redis with the session of `material` in it; nothing where it is not installed.
pub(crate) fn redis(workspace: &Workspace, material: &Material) -> Result<Option<Server>> {
    if !installed(REDIS) {
        return Ok(None);
    }
    let port = free_port()?;
    let mut command = Command::new(REDIS);
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
    command.arg("--dir").arg(workspace.folder());
    let server = Server::start(&command, OTHER_CORE, port, Output::Discarded)?;
    store(material, port)?;
    Ok(Some(server))
}

fn store(material: &Material, port: u16) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let settings =
            StoreSettings::Redis(RedisSettings::at(&format!("redis://127.0.0.1:{port}"))?);
        let (revoked, metrics) = (Arc::new(RevocationSet::new(1)), Metrics::new().sessions());
        let keys = material.sealing_keys()?;
        let sessions = Sessions::new(&settings, keys, revoked, None, metrics)?;
        let spec = Material::session_cookie()?;
        let place = Place { spec: &spec, host: "127.0.0.1" };
        let session = material.session();
        let saved = sessions.save(&session, Some(&Material::ticket()), place, session.started);
        saved.await.map(drop).context("the session could not be stored")
    })
}
