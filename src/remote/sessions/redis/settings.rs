//! Where Redis is and who we are to it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    RedisConnectionInfo, TlsCertificates,
};
use url::Url;

use crate::base::secret::Secret;

const PORT: u16 = 6379;

/// One store, which may be many servers.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// How it is made up, and where.
    pub topology: Topology,
    /// The user of its access control lists; `None` for the default user.
    pub username: Option<String>,
    /// The user's password.
    pub password: Option<Secret<String>>,
    /// What our keys begin with, so that several may share it.
    pub prefix: String,
    /// How long one call may take, connecting included.
    pub deadline: Duration,
    /// The roots to trust for TLS, in PEM; `None` for those of the platform.
    pub roots: Option<Vec<u8>>,
    /// What we show of ourselves in TLS.
    pub identity: Option<ClientIdentity>,
    /// Whether a replica that cannot reach it tells that it is not ready.
    pub readiness: Readiness,
}

/// How a store is made up.
#[derive(Clone, Debug)]
pub enum Topology {
    /// A Cluster: these of its nodes tell of the others.
    Cluster(Vec<RedisAddress>),
    /// A primary that Sentinels know.
    Sentinel(Sentinels),
    /// One server.
    Single {
        /// Where it is.
        address: RedisAddress,
        /// Which of its databases.
        database: u16,
    },
}

/// Who knows where the primary is.
#[derive(Clone, Debug)]
pub struct Sentinels {
    /// The name by which they know it.
    pub primary: String,
    /// Where they are.
    pub addresses: Vec<RedisAddress>,
    /// Which of the primary's databases.
    pub database: u16,
    /// Our user at the Sentinels.
    pub username: Option<String>,
    /// The password there.
    pub password: Option<Secret<String>>,
}

/// A certificate of ours and its key, in PEM.
#[derive(Clone, Debug)]
pub struct ClientIdentity {
    /// The certificate, and its chain.
    pub certificate: Vec<u8>,
    /// Its private key.
    pub key: Secret<Vec<u8>>,
}

/// What a store that does not answer has to do with being ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Readiness {
    /// Nothing: tokens and sealed cookies are served on.
    #[default]
    Apart,
    /// A replica without its store is not ready.
    Needed,
}

/// Where a Redis is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisAddress {
    /// A host without TLS.
    Tcp(String, u16),
    /// A host with TLS.
    Tls(String, u16),
    /// A socket on this machine.
    Unix(PathBuf),
}

/// Why there is no way to Redis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedisSettingsError {
    /// The address has user or password, which would end up in logs.
    #[error(
        "the address of the store has user or password; write them as `username` and `password`"
    )]
    Credentials,
    /// It is no address of a Redis.
    #[error("expected redis://HOST:PORT/DATABASE, rediss://… for TLS, or unix:///PATH")]
    NoAddress,
    /// The library does not take the settings.
    #[error("the store cannot be set up: {0}")]
    Unusable(String),
}

impl RedisSettings {
    /// The one Redis at `url`: no user, no password, the prefix `sidegate:`, 250 ms for each call.
    ///
    /// # Errors
    /// [`RedisSettingsError::Credentials`], [`RedisSettingsError::NoAddress`].
    pub fn at(url: &str) -> Result<Self, RedisSettingsError> {
        let (address, database) = RedisAddress::parse(url)?;
        Ok(Self::of(Topology::Single { address, database }))
    }

    /// The same with this `topology`.
    pub fn of(topology: Topology) -> Self {
        Self {
            topology,
            username: None,
            password: None,
            prefix: "sidegate:".to_owned(),
            deadline: Duration::from_millis(250),
            roots: None,
            identity: None,
            readiness: Readiness::default(),
        }
    }

    /// One of the servers that hold sessions, as the library connects to it.
    pub(super) fn client(
        &self,
        address: &RedisAddress,
        database: u16,
    ) -> Result<Client, RedisSettingsError> {
        let user = (self.username.as_deref(), self.password.as_ref());
        self.built(address, credentials(user).set_db(i64::from(database)))
    }

    /// One of the Sentinels.
    pub(super) fn sentinel(
        &self,
        address: &RedisAddress,
        sentinels: &Sentinels,
    ) -> Result<Client, RedisSettingsError> {
        let user = (sentinels.username.as_deref(), sentinels.password.as_ref());
        self.built(address, credentials(user))
    }

    /// A node of a Cluster.
    pub(super) fn node(
        &self,
        address: &RedisAddress,
    ) -> Result<ConnectionInfo, RedisSettingsError> {
        let user = (self.username.as_deref(), self.password.as_ref());
        let info = address.library_address().into_connection_info().map_err(unusable)?;
        Ok(info.set_redis_settings(credentials(user)))
    }

    /// What TLS rests on, if anything beside the platform.
    pub(super) fn certificates(&self) -> Option<TlsCertificates> {
        if self.roots.is_none() && self.identity.is_none() {
            return None;
        }
        let client_tls = self.identity.as_ref().map(|identity| ClientTlsConfig {
            client_cert: identity.certificate.clone(),
            client_key: identity.key.expose().clone(),
        });
        Some(TlsCertificates { client_tls, root_cert: self.roots.clone() })
    }

    fn built(
        &self,
        address: &RedisAddress,
        settings: RedisConnectionInfo,
    ) -> Result<Client, RedisSettingsError> {
        let info = address.library_address().into_connection_info().map_err(unusable)?;
        let info = info.set_redis_settings(settings);
        match (address, self.certificates()) {
            (RedisAddress::Tls(..), Some(certificates)) => {
                Client::build_with_tls(info, certificates).map_err(unusable)
            }
            _ => Client::open(info).map_err(unusable),
        }
    }
}

pub(super) fn unusable(error: redis::RedisError) -> RedisSettingsError {
    RedisSettingsError::Unusable(crate::remote::error_text(&error))
}

fn credentials(
    (username, password): (Option<&str>, Option<&Secret<String>>),
) -> RedisConnectionInfo {
    let mut settings = RedisConnectionInfo::default();
    if let Some(username) = username {
        settings = settings.set_username(username);
    }
    if let Some(password) = password {
        settings = settings.set_password(password.expose());
    }
    settings
}

impl RedisAddress {
    /// The address and the database in `url`.
    ///
    /// # Errors
    /// [`RedisSettingsError::Credentials`], [`RedisSettingsError::NoAddress`].
    pub fn parse(url: &str) -> Result<(Self, u16), RedisSettingsError> {
        let url = Url::parse(url).map_err(|_| RedisSettingsError::NoAddress)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(RedisSettingsError::Credentials);
        }
        address(&url).ok_or(RedisSettingsError::NoAddress)
    }

    /// The same with another host and port: of the primary that a Sentinel names.
    pub(super) fn moved(&self, host: String, port: u16) -> Self {
        match self {
            Self::Tls(..) => Self::Tls(host, port),
            Self::Tcp(..) | Self::Unix(_) => Self::Tcp(host, port),
        }
    }

    fn library_address(&self) -> ConnectionAddr {
        match self.clone() {
            Self::Tcp(host, port) => ConnectionAddr::Tcp(host, port),
            Self::Tls(host, port) => {
                ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
            }
            Self::Unix(path) => ConnectionAddr::Unix(path),
        }
    }
}

impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = match self {
            Self::Tcp(host, port) => ("redis", host, port),
            Self::Tls(host, port) => ("rediss", host, port),
            Self::Unix(path) => return write!(f, "unix://{}", path.display()),
        };
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}")
        } else {
            write!(f, "{scheme}://{host}:{port}")
        }
    }
}

/// What an operator knows it by.
impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster(nodes) => {
                let nodes: Vec<String> = nodes.iter().map(ToString::to_string).collect();
                write!(f, "the Cluster of {}", nodes.join(", "))
            }
            Self::Sentinel(sentinels) => write!(f, "the primary `{}`", sentinels.primary),
            Self::Single { address, database: 0 } => address.fmt(f),
            Self::Single { address, database } => write!(f, "{address}/{database}"),
        }
    }
}

fn address(url: &Url) -> Option<(RedisAddress, u16)> {
    if url.query().is_some() || url.fragment().is_some() {
        return None;
    }
    if url.scheme() == "unix" {
        let path = url.path();
        let absolute = url.host().is_none() && path.starts_with('/') && path.len() > 1;
        return absolute.then(|| (RedisAddress::Unix(PathBuf::from(path)), 0));
    }
    let host = url.host_str().filter(|host| !host.is_empty())?;
    let host = host.trim_matches(['[', ']']).to_owned();
    let port = url.port().unwrap_or(PORT);
    let database = match url.path() {
        "" | "/" => 0,
        path => path.strip_prefix('/')?.parse().ok()?,
    };
    match url.scheme() {
        "redis" => Some((RedisAddress::Tcp(host, port), database)),
        "rediss" => Some((RedisAddress::Tls(host, port), database)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_a_host_or_a_socket() {
        let tcp = |host: &str, port| RedisAddress::Tcp(host.to_owned(), port);
        for (url, address, database) in [
            ("redis://store", tcp("store", 6379), 0),
            ("redis://store:7000/3", tcp("store", 7000), 3),
            ("redis://[::1]:7000/", tcp("::1", 7000), 0),
            ("rediss://store", RedisAddress::Tls("store".to_owned(), 6379), 0),
            ("unix:///run/redis.sock", RedisAddress::Unix("/run/redis.sock".into()), 0),
        ] {
            assert_eq!(RedisAddress::parse(url), Ok((address, database)), "{url}");
        }
    }

    #[test]
    fn stores_are_named_as_they_are_written() {
        for url in ["redis://store:6379", "redis://[::1]:7000/3", "rediss://store:6380/1"] {
            assert_eq!(RedisSettings::at(url).unwrap().topology.to_string(), url);
        }
        let socket = "unix:///run/redis.sock";
        assert_eq!(RedisSettings::at(socket).unwrap().topology.to_string(), socket);
    }

    #[test]
    fn other_addresses_and_passwords_in_them_are_refused() {
        for url in [
            "",
            "store:6379",
            "http://store",
            "redis://",
            "redis://store/x",
            "redis://store/0/1",
            "redis://store?db=1",
            "unix://host/path",
            "unix:///",
        ] {
            assert_eq!(RedisSettings::at(url).unwrap_err(), RedisSettingsError::NoAddress, "{url}");
        }
        let secret = RedisSettings::at("redis://user:hunter2@store").unwrap_err();
        assert_eq!(secret, RedisSettingsError::Credentials);
        let mut settings = RedisSettings::at("redis://store").unwrap();
        settings.password = Some(Secret::new("hunter2".to_owned()));
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
