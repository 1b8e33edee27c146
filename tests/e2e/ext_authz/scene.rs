//! A real Envoy before an app, and sidegate, which it asks.

use serde_json::Value;
use tempfile::TempDir;

use crate::support::envoy::Envoy;
use crate::support::process::Sidegate;
use crate::support::raw::{Answer, Request};
use crate::support::site::configuration;
use crate::support::tokens::Issuer;
use crate::support::upstream::{Recorded, Upstream};

/// How Envoy asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By gRPC on a unix socket, as `envoy.yaml` is shipped.
    Socket,
    /// By gRPC on a port.
    Port,
    /// By HTTP, as `envoy-http.yaml` is shipped.
    Http,
}

impl Way {
    pub(super) const ALL: [Self; 3] = [Self::Socket, Self::Port, Self::Http];
}

/// The running parts.
pub(super) struct Scene {
    pub(super) envoy: Envoy,
    pub(super) sidegate: Sidegate,
    pub(super) upstream: Upstream,
    pub(super) issuer: Issuer,
    pub(super) directory: TempDir,
}

/// Where `way` comes in, and where else people sign in.
fn listeners(way: Way, directory: &TempDir) -> String {
    let socket = directory.path().join("authz.sock");
    let (address, trusted) = match way {
        // Nobody but who may open it.
        Way::Socket => (format!("unix:{}", socket.display()), ""),
        Way::Port | Way::Http => ("127.0.0.1:0".to_owned(), "127.0.0.1/32"),
    };
    format!(
        "\nlisteners:\n  - {{ name: authz, address: '{address}', door: ext_authz }}\n  \
         - {{ name: sign-in, address: '127.0.0.1:0', door: forward_auth }}\n\
         trusted_proxies: [{trusted}]\n"
    )
}

impl Scene {
    /// With `rest` in sidegate's configuration; nothing where Envoy is missing.
    pub(super) async fn start(way: Way, rest: &str) -> Option<Self> {
        Self::before(way, Upstream::start().await, rest, &[]).await
    }

    /// As [`start`](Self::start), before `upstream`, with `changes` of Envoy's file.
    pub(super) async fn before(
        way: Way,
        upstream: Upstream,
        rest: &str,
        changes: &[(&str, &str)],
    ) -> Option<Self> {
        let (issuer, directory) = (Issuer::new(), tempfile::tempdir().unwrap());
        let rest = format!("{}{rest}", listeners(way, &directory));
        let sidegate = Sidegate::run(&configuration(&upstream.url(), &issuer, &rest));
        let envoy = ask_from(way, &sidegate, &upstream, &directory, changes).await?;
        Some(Self { envoy, sidegate, upstream, issuer, directory })
    }

    /// The answer to `request`.
    pub(super) async fn ask(&self, request: Request) -> Answer {
        request.send(self.envoy.address).await
    }

    /// What arrived at the app of `request`, which is let through.
    pub(super) async fn forwarded(&self, request: Request) -> Recorded {
        let before = self.upstream.requests().len();
        let answer = self.ask(request.clone()).await;
        assert_eq!(answer.status, 200, "{request:?}: {answer:?}\n{}", self.logs());
        let requests = self.upstream.requests();
        assert_eq!(requests.len(), before + 1, "{request:?}");
        requests[before].clone()
    }

    /// The answer to `request`, of which nothing reaches the app.
    pub(super) async fn refused(&self, request: Request) -> Answer {
        let before = self.upstream.requests().len();
        let answer = self.ask(request.clone()).await;
        assert_ne!(answer.status, 200, "{request:?}: {answer:?}");
        assert_eq!(self.upstream.requests().len(), before, "{request:?}");
        answer
    }

    /// The last line of the request log.
    pub(super) async fn told(&self, request_id: &str) -> Value {
        self.sidegate
            .program
            .wait_for(|line| {
                let line: Value = serde_json::from_str(line).ok()?;
                (line.get("request_id")? == request_id).then_some(line)
            })
            .await
    }

    pub(super) fn logs(&self) -> String {
        format!("{}\n{}", self.sidegate.program.output(), self.envoy.program.output())
    }
}

/// An Envoy that asks `sidegate` by `way`, before `app`.
pub(super) async fn ask_from(
    way: Way,
    sidegate: &Sidegate,
    app: &Upstream,
    directory: &TempDir,
    changes: &[(&str, &str)],
) -> Option<Envoy> {
    let app = format!("port_value: {}", app.address.port());
    let mut all = vec![("port_value: 3000", app.as_str())];
    all.extend_from_slice(changes);
    let sign_in = sidegate.listener("sign-in").await.port();
    let sign_in = format!("port_value: {sign_in}");
    let socket = directory.path().join("authz.sock");
    let socket = socket.to_str().unwrap();
    match way {
        Way::Socket => {
            all.push(("/run/sidegate/authz.sock", socket));
            Envoy::start("envoy.yaml", &all).await
        }
        Way::Port => {
            let port = sidegate.listener("authz").await.port();
            let port = format!("socket_address: {{ address: 127.0.0.1, port_value: {port} }}");
            all.push(("pipe: { path: /run/sidegate/authz.sock }", &port));
            Envoy::start("envoy.yaml", &all).await
        }
        Way::Http => {
            let port = format!("port_value: {}", sidegate.listener("authz").await.port());
            all.push(("port_value: 9001", &port));
            all.push(("port_value: 9002", &sign_in));
            Envoy::start("envoy-http.yaml", &all).await
        }
    }
}
