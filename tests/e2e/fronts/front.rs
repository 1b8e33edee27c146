//! The proxies, and how each is started with the files of its folder in `deploy/`.

use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{Duration, sleep};

use crate::support::peer::find;
use crate::support::process::Program;

/// A door, by who stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Front {
    Caddy,
    Envoy,
    Haproxy,
    /// Nobody: clients come to sidegate.
    Inline,
    Nginx,
    Traefik,
}

/// A running proxy.
pub(super) struct Running {
    pub(super) program: Program,
    _directory: TempDir,
}

impl Front {
    /// Its name in the document.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Caddy => "Caddy",
            Self::Envoy => "Envoy",
            Self::Haproxy => "HAProxy",
            Self::Inline => "inline",
            Self::Nginx => "nginx",
            Self::Traefik => "Traefik",
        }
    }

    /// Its folder in `deploy/`; that of another where it has none of its own.
    pub(super) const fn folder(self) -> &'static str {
        match self {
            Self::Caddy => "caddy",
            Self::Envoy => "envoy",
            Self::Haproxy => "haproxy",
            Self::Inline | Self::Nginx => "nginx",
            Self::Traefik => "traefik",
        }
    }

    /// Whether it writes paths its own way before it asks and passes on.
    pub(super) const fn tidies_paths(self) -> bool {
        matches!(self, Self::Envoy | Self::Traefik)
    }

    /// Whether its shipped configuration is for one app at whatever host.
    pub(super) const fn serves_any_host(self) -> bool {
        matches!(self, Self::Envoy)
    }

    /// Whether its program is here, or none is needed; says so if not.
    pub(super) fn is_installed(self) -> bool {
        self.program().is_none_or(|name| find(&[name]).is_some())
    }

    const fn program(self) -> Option<&'static str> {
        match self {
            Self::Caddy => Some("caddy"),
            Self::Envoy => Some("envoy"),
            Self::Haproxy => Some("haproxy"),
            Self::Inline => None,
            Self::Nginx => Some("nginx"),
            Self::Traefik => Some("traefik"),
        }
    }

    /// Its files, where each must say something else for a test: what is shipped, and what stands there instead.
    fn files(self, address: SocketAddr) -> Vec<(&'static str, Vec<(&'static str, String)>)> {
        let port = address.port();
        match self {
            Self::Caddy => vec![(
                "Caddyfile",
                vec![
                    ("(sidegate) {", "{\n\tadmin off\n}\n(sidegate) {".to_owned()),
                    ("http://app.example.com", format!("http://app.example.com:{port}")),
                ],
            )],
            Self::Envoy => vec![(
                "envoy.yaml",
                vec![(
                    "address: 0.0.0.0, port_value: 8080",
                    format!("address: 127.0.0.1, port_value: {port}"),
                )],
            )],
            Self::Haproxy => vec![
                ("haproxy.cfg", vec![("bind :80", format!("bind {address}"))]),
                ("sidegate.lua", Vec::new()),
            ],
            Self::Inline => Vec::new(),
            Self::Nginx => vec![
                (
                    "nginx.conf",
                    vec![
                        ("listen 80;", format!("listen {address};")),
                        ("listen 80 default_server;", format!("listen {address} default_server;")),
                        ("http {", format!("http {{\n{}", temporary_folders())),
                    ],
                ),
                ("sidegate-http.conf", Vec::new()),
                ("sidegate-location.conf", Vec::new()),
                ("sidegate-server.conf", Vec::new()),
            ],
            Self::Traefik => vec![
                (
                    "traefik.yaml",
                    vec![
                        ("address: \":80\"", format!("address: \"{address}\"")),
                        ("providers:", "global: { checkNewVersion: false, sendAnonymousUsage: false }\nproviders:".to_owned()),
                    ],
                ),
                ("sidegate.yaml", Vec::new()),
            ],
        }
    }

    fn command(self, directory: &Path) -> Option<Command> {
        let mut command = Command::new(find(&[self.program()?])?);
        let arguments: &[&str] = match self {
            Self::Caddy => &["run", "--config", "Caddyfile", "--adapter", "caddyfile"],
            Self::Envoy => {
                &["-c", "envoy.yaml", "--use-dynamic-base-id", "--concurrency", "1", "-l", "warn"]
            }
            Self::Haproxy => &["-db", "-f", "haproxy.cfg"],
            Self::Inline => &[],
            Self::Nginx => &[
                "-p",
                ".",
                "-e",
                "stderr",
                "-c",
                "nginx.conf",
                "-g",
                "daemon off; master_process off; pid nginx.pid; error_log stderr;",
            ],
            Self::Traefik => &["--configFile=traefik.yaml"],
        };
        // Nothing is kept in the home of whoever runs the tests.
        command.args(arguments).current_dir(directory).env("HOME", directory);
        command.env("XDG_DATA_HOME", directory).env("XDG_CONFIG_HOME", directory);
        Some(command)
    }

    /// Starts it at `address` with its shipped files, in which `replaced` stands for what was shipped.
    pub(super) async fn start(
        self,
        address: SocketAddr,
        replaced: &[(&str, String)],
    ) -> Option<Running> {
        let directory = tempfile::tempdir().unwrap();
        for (name, own) in self.files(address) {
            let mut text = shipped(self, name);
            for (from, to) in own {
                assert!(text.contains(from), "deploy/{}/{name} has no {from:?}", self.folder());
                text = text.replace(from, &to);
            }
            for (from, to) in replaced {
                text = text.replace(from, to);
            }
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let mut program = Program::start(self.command(directory.path())?);
        tokio::select! {
            () = accepts(address) => {}
            status = program.ended() => panic!("{self:?} ended with {status}:\n{}", program.output()),
        }
        Some(Running { program, _directory: directory })
    }
}

/// A file of the proxy's folder in `deploy/`.
pub(super) fn shipped(front: Front, name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(front.folder()).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

async fn accepts(address: SocketAddr) {
    while TcpStream::connect(address).await.is_err() {
        sleep(Duration::from_millis(10)).await;
    }
}

/// nginx writes in its own directory only.
fn temporary_folders() -> String {
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let lines = kinds.map(|kind| format!("    {kind}_temp_path {kind}_temp;\n"));
    format!("    access_log off;\n{}", lines.concat())
}
