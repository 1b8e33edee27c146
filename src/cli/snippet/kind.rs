//! The proxies that there are configurations for, and the templates of their files.

use clap::ValueEnum;

use crate::telemetry::Door;

/// A proxy in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// Caddy, by requests before each request
    Caddy,
    /// Envoy, by ext_authz over gRPC
    Envoy,
    /// Gateway API, by ext_authz over gRPC
    GatewayApi,
    /// HAProxy, by a script in Lua
    Haproxy,
    /// Istio, by ext_authz over gRPC
    Istio,
    /// nginx, by auth_request
    Nginx,
    /// Traefik, by ForwardAuth
    Traefik,
}

/// One file of a configuration.
#[derive(Debug)]
pub(super) struct File {
    /// As it is called in `deploy/`.
    pub(super) name: &'static str,
    /// What it is made from: a template, or for programs the text itself.
    pub(super) text: Text,
    /// What begins a comment in it.
    pub(super) comment: &'static str,
}

/// The text of a file.
#[derive(Debug)]
pub(super) enum Text {
    /// To be filled in.
    Template(&'static str),
    /// The same for everybody.
    Whole(&'static str),
}

/// A file made from the template of its name.
macro_rules! filled_in {
    ($folder:literal, $name:literal) => {
        File {
            name: $name,
            text: Text::Template(include_str!(concat!(
                "../../../deploy/",
                $folder,
                "/templates/",
                $name
            ))),
            comment: "#",
        }
    };
}

const CADDY: &[File] = &[filled_in!("caddy", "Caddyfile")];

const ENVOY: &[File] = &[filled_in!("envoy", "envoy.yaml")];

const GATEWAY_API: &[File] = &[
    filled_in!("gateway-api", "service.yaml"),
    filled_in!("gateway-api", "envoy-gateway.yaml"),
    filled_in!("gateway-api", "external-auth.yaml"),
];

const HAPROXY: &[File] = &[
    filled_in!("haproxy", "haproxy.cfg"),
    File {
        name: "sidegate.lua",
        text: Text::Whole(include_str!("../../../deploy/haproxy/sidegate.lua")),
        comment: "--",
    },
];

const ISTIO: &[File] =
    &[filled_in!("istio", "mesh-config.yaml"), filled_in!("istio", "authorization-policy.yaml")];

const NGINX: &[File] = &[
    filled_in!("nginx", "nginx.conf"),
    filled_in!("nginx", "sidegate-http.conf"),
    filled_in!("nginx", "sidegate-server.conf"),
    filled_in!("nginx", "sidegate-location.conf"),
];

const TRAEFIK: &[File] =
    &[filled_in!("traefik", "traefik.yaml"), filled_in!("traefik", "sidegate.yaml")];

impl Kind {
    /// By which door it asks.
    pub(super) const fn door(self) -> Door {
        match self {
            Self::Caddy | Self::Haproxy | Self::Nginx | Self::Traefik => Door::ForwardAuth,
            Self::Envoy | Self::GatewayApi | Self::Istio => Door::ExtAuthz,
        }
    }

    /// Whether it can ask where a unix socket listens.
    pub(super) const fn asks_unix_sockets(self) -> bool {
        matches!(self, Self::Caddy | Self::Envoy | Self::Nginx)
    }

    /// Its files, the one that includes the others first.
    pub(super) const fn files(self) -> &'static [File] {
        match self {
            Self::Caddy => CADDY,
            Self::Envoy => ENVOY,
            Self::GatewayApi => GATEWAY_API,
            Self::Haproxy => HAPROXY,
            Self::Istio => ISTIO,
            Self::Nginx => NGINX,
            Self::Traefik => TRAEFIK,
        }
    }

    /// The file of that name.
    pub(super) fn file(self, name: &str) -> Option<&'static File> {
        self.files().iter().find(|file| file.name == name)
    }
}
