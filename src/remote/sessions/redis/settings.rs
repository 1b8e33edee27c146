//! Where Redis is and who we are to it.

use std::path::PathBuf;
use std::time::Duration;

use redis::{Client, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo, TlsCertificates};
use url::Url;

use crate::base::secret::Secret;

const PORT: u16 = 6379;

/// One Redis.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    /// Where it is.
    pub address: RedisAddress,
    /// Which of its databases.
    pub database: u16,
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
    /// The Redis at `url`: no user, no password, the prefix `sidegate:`, 250 ms for each call.
    ///
    /// # Errors
    /// [`RedisSettingsError::Credentials`], [`RedisSettingsError::NoAddress`].
    pub fn at(url: &str) -> Result<Self, RedisSettingsError> {
        let url = Url::parse(url).map_err(|_| RedisSettingsError::NoAddress)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(RedisSettingsError::Credentials);
        }
        let (address, database) = address(&url).ok_or(RedisSettingsError::NoAddress)?;
        Ok(Self {
            address,
            database,
            username: None,
            password: None,
            prefix: "sidegate:".to_owned(),
            deadline: Duration::from_millis(250),
            roots: None,
        })
    }

    pub(in crate::remote::sessions) fn client(&self) -> Result<Client, RedisSettingsError> {
        let unusable = |error: redis::RedisError| RedisSettingsError::Unusable(super::text(&error));
        let mut redis = RedisConnectionInfo::default().set_db(i64::from(self.database));
        if let Some(username) = &self.username {
            redis = redis.set_username(username);
        }
        if let Some(password) = &self.password {
            redis = redis.set_password(password.expose());
        }
        let info = self.address.library_address().into_connection_info().map_err(unusable)?;
        let info = info.set_redis_settings(redis);
        match (&self.address, &self.roots) {
            (RedisAddress::Tls(..), Some(roots)) => {
                let roots = TlsCertificates { client_tls: None, root_cert: Some(roots.clone()) };
                Client::build_with_tls(info, roots).map_err(unusable)
            }
            _ => Client::open(info).map_err(unusable),
        }
    }
}

impl RedisAddress {
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
            let settings = RedisSettings::at(url).unwrap();
            assert_eq!((settings.address, settings.database), (address, database), "{url}");
        }
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
