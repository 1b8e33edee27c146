//! `listen`, `listeners` and `admin`: where requests and probes come in.

use crate::config::compile::upstreams::Need;
use crate::config::compile::{address, tls, words};
use crate::config::file::{Admin, Door, File, Listen, Listener};
use crate::config::inputs::Inputs;
use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::serve::listener::ListenAddress;
use crate::serve::settings::ListenerSettings;
use crate::telemetry::Door as Entrance;

/// A listener as written, and where its parts stand.
struct Written {
    path: KeyPath,
    address: KeyPath,
    listener: Listener,
}

/// Every listener in written order. Empty only where the report has a problem.
pub(super) fn compile(
    file: &mut File,
    inputs: &Inputs,
    report: &mut Report,
) -> Vec<ListenerSettings> {
    let mut compiled: Vec<ListenerSettings> = Vec::new();
    for written in written(file, report) {
        let Some(settings) = written.compile(inputs, report) else { continue };
        if let Some(other) =
            compiled.iter().find(|other| address::overlap(&other.address, &settings.address))
        {
            let message =
                format!("`{}` is taken by the listener `{}`", settings.address, other.name);
            report.refuse(&written.address, message, "give each listener an address of its own");
        }
        if compiled.iter().any(|other| other.name == settings.name) {
            let message = format!("there are two listeners `{}`", settings.name);
            report.refuse(&written.path.key("name"), message, "give each a name of its own");
        }
        written.check_trust(&settings, &file.trusted_proxies, report);
        compiled.push(settings);
    }
    compiled
}

/// Upstreams are needed where requests are passed on.
pub(super) fn need_of_upstreams(listeners: &[ListenerSettings]) -> Need {
    let asked_only =
        !listeners.is_empty() && listeners.iter().all(|listener| listener.door != Entrance::Proxy);
    if asked_only { Need::None } else { Need::Some }
}

/// The long form, or the short one as the long one would have it.
fn written(file: &mut File, report: &mut Report) -> Vec<Written> {
    let (short, long) = (KeyPath::root().key("listen"), KeyPath::root().key("listeners"));
    let in_full =
        |path: KeyPath, listener| Written { address: path.key("address"), path, listener };
    match (file.listen.take(), file.listeners.take()) {
        (Some(_), Some(_)) => {
            report.refuse(&short, "is written beside `listeners`", "move it into `listeners`");
            Vec::new()
        }
        (Some(Listen::Address(address)), None) => {
            vec![Written { address: short.clone(), path: short, listener: Listener::at(address) }]
        }
        (Some(Listen::Listener(listener)), None) => vec![in_full(short, *listener)],
        (None, Some(list)) if !list.is_empty() => {
            list.into_iter().enumerate().map(|(index, it)| in_full(long.index(index), it)).collect()
        }
        (None, _) => {
            report.refuse(
                &KeyPath::root(),
                "nothing says where requests come in",
                "add `listen: 127.0.0.1:8080`",
            );
            Vec::new()
        }
    }
}

impl Written {
    fn compile(&self, inputs: &Inputs, report: &mut Report) -> Option<ListenerSettings> {
        let Listener { address, door, name, tls, max_connections } = &self.listener;
        let name = match name {
            Some(name) => words::label(name, &self.path.key("name"), report),
            None => Some(address.clone()),
        };
        let address = address::listen(address, inputs, &self.address, report);
        let tls = tls.as_ref().map(|tls| tls::listener(tls, &self.path.key("tls"), inputs, report));
        let tls = match tls {
            Some(tls) => Some(tls?),
            None => None,
        };
        Some(ListenerSettings {
            name: name?,
            address: address?,
            door: match door {
                Door::ExtAuthz => Entrance::ExtAuthz,
                Door::ForwardAuth => Entrance::ForwardAuth,
                Door::Proxy => Entrance::Proxy,
            },
            tls,
            max_connections: *max_connections,
        })
    }

    /// Whoever asks over TCP must be listed, or nothing is ever allowed.
    fn check_trust(&self, settings: &ListenerSettings, trusted: &[String], report: &mut Report) {
        let local = matches!(settings.address, ListenAddress::Unix(_));
        if settings.door != Entrance::Proxy && !local && trusted.is_empty() {
            let message = "nobody is believed here: every question of a proxy will be refused";
            let remedy = "list the addresses of the proxies in front in `trusted_proxies`, or listen on a unix socket";
            report.warn(&self.path.key("door"), message, remedy);
        }
    }
}

/// Where probes and metrics are answered, if anywhere.
pub(super) fn admin(
    written: &Admin,
    listeners: &[ListenerSettings],
    inputs: &Inputs,
    report: &mut Report,
) -> Option<ListenAddress> {
    let Admin::Listener(admin) = written else { return None };
    let path = KeyPath::root().key("admin").key("address");
    let address = address::listen(&admin.address, inputs, &path, report)?;
    if let Some(other) = listeners.iter().find(|other| address::overlap(&other.address, &address)) {
        let message = format!("`{address}` is taken by the listener `{}`", other.name);
        report.refuse(
            &path,
            message,
            "give the admin listener an address of its own: metrics are not for the public",
        );
    }
    if address::is_remote(&address) {
        let message = format!("everybody who reaches {address} can read the metrics");
        report.warn(
            &path,
            message,
            "write 127.0.0.1, or keep strangers away with a network policy",
        );
    }
    Some(address)
}
