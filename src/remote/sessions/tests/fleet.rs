//! Many Redis servers for one test: with TLS, behind Sentinels, or as a Cluster, all on loopback.

use std::fs;
use std::future::Future;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use redis::FromRedisValue;
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::base::secret::Secret;
use crate::remote::sessions::tests::server::find;
use crate::remote::sessions::{ClientIdentity, RedisAddress, RedisSettings, Sentinels, Topology};

/// How long anything may take on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(180);

/// The name by which Sentinels know the primary.
pub(super) const PRIMARY: &str = "main";

/// Servers that end with the test.
pub(super) struct Fleet {
    servers: Vec<(u16, Child)>,
    folder: TempDir,
}

impl Fleet {
    /// None yet; nothing where Redis is not installed.
    pub(super) fn new() -> Option<Self> {
        find("redis-server")?;
        find("redis-cli")?;
        Some(Self { servers: Vec::new(), folder: tempfile::tempdir().unwrap() })
    }

    /// Starts a server with these options, and waits until it answers; its port.
    pub(super) async fn start(&mut self, options: &[&str]) -> u16 {
        let port = free_port();
        let number = self.servers.len();
        let home = self.folder.path().join(number.to_string());
        fs::create_dir_all(&home).unwrap();
        let config = home.join("redis.conf");
        let lines: Vec<String> = options.iter().map(|line| format!("{line}\n")).collect();
        let listens = if lines.concat().contains("tls-port") {
            String::new()
        } else {
            format!("port {port}\n")
        };
        let text = format!("bind 127.0.0.1\n{listens}dir {}\n{}", home.display(), lines.concat());
        fs::write(&config, text.replace("PORT", &port.to_string())).unwrap();
        let mut command = Command::new(find("redis-server").unwrap());
        command.arg(&config).stdout(Stdio::null());
        if text.contains("sentinel ") {
            command.arg("--sentinel");
        } else {
            command.args(["--save", "", "--appendonly", "no"]);
        }
        self.servers.push((port, command.spawn().unwrap()));
        eventually(async || TcpListener::bind(("127.0.0.1", port)).is_err()).await;
        port
    }

    /// One primary with two replicas, and three Sentinels that know all of them and are quick to act: the ports of both. A primary
    /// without a replica that keeps up takes no writes.
    pub(super) async fn sentinels(&mut self) -> ([u16; 3], Vec<u16>) {
        let careful = ["min-replicas-to-write 1", "min-replicas-max-lag 2"];
        let primary = self.start(&careful).await;
        let mut servers = [primary; 3];
        for server in servers.iter_mut().skip(1) {
            let follows = format!("replicaof 127.0.0.1 {primary}");
            *server = self.start(&[careful[0], careful[1], &follows]).await;
        }
        let sentinels = self.watched(primary).await;
        for port in &sentinels {
            eventually(async || {
                let known: Vec<String> = ask(*port, &["SENTINEL", "MASTER", PRIMARY]).await;
                let field = |name: &str| {
                    known.chunks_exact(2).find(|pair| pair[0] == name).map(|pair| pair[1].clone())
                };
                let count = |name| field(name).unwrap_or_default();
                (count("num-slaves"), count("num-other-sentinels")) == ("2".into(), "2".into())
            })
            .await;
        }
        (servers, sentinels)
    }

    /// Three Sentinels that watch the server at `primary`; their ports.
    pub(super) async fn watched(&mut self, primary: u16) -> Vec<u16> {
        let watched = [
            format!("sentinel monitor {PRIMARY} 127.0.0.1 {primary} 2"),
            format!("sentinel down-after-milliseconds {PRIMARY} 1000"),
            format!("sentinel failover-timeout {PRIMARY} 5000"),
        ];
        let watched: Vec<&str> = watched.iter().map(String::as_str).collect();
        let mut ports = Vec::new();
        for _ in 0..3 {
            ports.push(self.start(&watched).await);
        }
        ports
    }

    /// A Cluster of three primaries with a replica each.
    pub(super) async fn cluster(&mut self) -> RedisSettings {
        let mut ports = Vec::new();
        for _ in 0..6 {
            let bus = format!("cluster-port {}", free_port());
            let options = [
                "cluster-enabled yes",
                "cluster-config-file nodes.conf",
                "cluster-node-timeout 1000",
                &bus,
            ];
            ports.push(self.start(&options).await);
        }
        let nodes = ports.iter().map(|port| format!("127.0.0.1:{port}"));
        let made = Command::new(find("redis-cli").unwrap())
            .args(["--cluster", "create"])
            .args(nodes)
            .args(["--cluster-replicas", "1", "--cluster-yes"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        for port in &ports {
            eventually(async || {
                let info: String = ask(*port, &["CLUSTER", "INFO"]).await;
                let nodes: String = ask(*port, &["CLUSTER", "NODES"]).await;
                info.contains("cluster_state:ok") && nodes.matches("slave ").count() >= 3
            })
            .await;
        }
        // Two of them: the others are found out.
        RedisSettings::of(Topology::Cluster(ports.iter().take(2).copied().map(local).collect()))
    }

    /// A server that speaks TLS alone, and asks for a certificate.
    pub(super) async fn tls(&mut self) -> RedisSettings {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // With the same name as what it signs it would pass for signed by itself.
        params.distinguished_name.push(DnType::CommonName, "an authority");
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let signed = |stem: &str| {
            let key = KeyPair::generate().unwrap();
            let names = vec!["localhost".to_owned()];
            let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &ca).unwrap();
            let path = |end: &str| self.folder.path().join(format!("{stem}.{end}"));
            fs::write(path("pem"), certificate.pem()).unwrap();
            fs::write(path("key"), key.serialize_pem()).unwrap();
            (path("pem"), path("key"))
        };
        let (server, client) = (signed("server"), signed("client"));
        let authority = self.folder.path().join("ca.pem");
        fs::write(&authority, ca.pem()).unwrap();
        let line = |name: &str, path: &Path| format!("{name} {}", path.display());
        let options = [
            "port 0".to_owned(),
            "tls-port PORT".to_owned(),
            line("tls-cert-file", &server.0),
            line("tls-key-file", &server.1),
            line("tls-ca-cert-file", &authority),
            "tls-auth-clients yes".to_owned(),
        ];
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let port = self.start(&options).await;
        let read = |path: &PathBuf| fs::read(path).unwrap();
        let address = RedisAddress::Tls("localhost".to_owned(), port);
        RedisSettings {
            roots: Some(read(&authority)),
            identity: Some(ClientIdentity {
                certificate: read(&client.0),
                key: Secret::new(read(&client.1)),
            }),
            ..RedisSettings::of(Topology::Single { address, database: 0 })
        }
    }

    /// Ends the server at `port` at once.
    pub(super) fn kill(&mut self, port: u16) {
        let (_, server) =
            self.servers.iter_mut().find(|(known, _)| *known == port).expect("it was started");
        server.kill().unwrap();
        server.wait().unwrap();
    }

    /// Stops the server at `port` from running: it hangs, and closes nothing.
    pub(super) fn hang(&self, port: u16) {
        let (_, server) =
            self.servers.iter().find(|(known, _)| *known == port).expect("it was started");
        let pid = server.id().to_string();
        assert!(Command::new("kill").args(["-STOP", &pid]).status().unwrap().success());
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for (_, server) in &mut self.servers {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// A server of this machine.
pub(super) fn local(port: u16) -> RedisAddress {
    RedisAddress::Tcp("127.0.0.1".to_owned(), port)
}

/// The settings of the server at `port` alone.
pub(super) fn single(port: u16, database: u16) -> RedisSettings {
    RedisSettings::of(Topology::Single { address: local(port), database })
}

/// What the Sentinels at these ports lead to.
pub(super) fn by_sentinels(ports: &[u16]) -> RedisSettings {
    RedisSettings::of(Topology::Sentinel(Sentinels {
        primary: PRIMARY.to_owned(),
        addresses: ports.iter().copied().map(local).collect(),
        database: 0,
        username: None,
        password: None,
    }))
}

/// What the server at `port` answers to somebody else.
pub(super) async fn ask<T: FromRedisValue>(port: u16, words: &[&str]) -> T {
    tried(port, words).await.unwrap()
}

/// The same of a server that may refuse, or not be there.
pub(super) async fn tried<T: FromRedisValue>(
    port: u16,
    words: &[&str],
) -> Result<T, redis::RedisError> {
    let mut connection = connected(port).await?;
    say(&mut connection, words).await
}

/// A connection of somebody else to the server at `port`.
pub(super) async fn connected(port: u16) -> Result<MultiplexedConnection, redis::RedisError> {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    // Some of what is asked waits for other servers.
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
    client.get_multiplexed_async_connection_with_config(&config).await
}

/// What is answered on that connection.
pub(super) async fn say<T: FromRedisValue>(
    connection: &mut MultiplexedConnection,
    words: &[&str],
) -> Result<T, redis::RedisError> {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query_async(connection).await
}

/// Looks again and again until `holds`.
pub(super) async fn eventually<F: Future<Output = bool>>(holds: impl Fn() -> F) {
    let waiting = async {
        while !holds().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("it comes true");
}

/// Below those that the system gives out of its own accord, so that nobody takes one between the look and the use.
fn free_port() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let begin = std::process::id() % 100 * 100;
    loop {
        let step = begin + u32::from(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = 10_000 + u16::try_from(step % 10_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
