//! The way in: one server, the primary that Sentinels name, or a Cluster.

use std::future::Future;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisError, Value};
use tokio::time::timeout;

use crate::remote::sessions::redis::guides::Guides;
use crate::remote::sessions::redis::settings::{
    RedisAddress, RedisSettings, RedisSettingsError, Topology, unusable,
};
use crate::remote::sessions::redis::words;

/// How often the library itself looks for the node that has a key. More than once costs more time than a call has.
const REDIRECTIONS: u32 = 2;

/// See the module's text.
pub(super) enum Door {
    Cluster(Box<ClusterClient>),
    Sentinel(Box<Guides>),
    Single(Box<Client>),
}

/// A connection, or those to all nodes. Clones share it.
#[derive(Clone)]
pub(super) enum Wire {
    Cluster(ClusterConnection),
    One(MultiplexedConnection),
}

impl Door {
    /// The way to the store of `settings`. Connects to nothing.
    pub(super) fn new(settings: &RedisSettings) -> Result<Self, RedisSettingsError> {
        match &settings.topology {
            Topology::Cluster(nodes) => cluster(settings, nodes).map(Box::new).map(Self::Cluster),
            Topology::Sentinel(sentinels) => {
                Guides::new(settings, sentinels).map(Box::new).map(Self::Sentinel)
            }
            Topology::Single { address, database } => {
                settings.client(address, *database).map(Box::new).map(Self::Single)
            }
        }
    }

    /// Connects, within `patience`.
    ///
    /// # Errors
    /// Why not, in words.
    pub(super) async fn open(&self, patience: Duration) -> Result<Wire, String> {
        let opening = async {
            match self {
                Self::Cluster(client) => {
                    let connected = client.get_async_connection().await;
                    connected.map(Wire::Cluster).map_err(|error| words::of(&error))
                }
                Self::Sentinel(guides) => guides.open(patience).await.map(Wire::One),
                Self::Single(client) => {
                    let connection = connect(client, patience).await;
                    let connection = connection.map_err(|error| words::of(&error))?;
                    is_no_cluster(connection.clone()).await?;
                    Ok(Wire::One(connection))
                }
            }
        };
        within(patience, opening).await.unwrap_or_else(|| Err(no_answer(patience)))
    }

    /// Whether another server has its place by now than the one that was connected to last. Where that shows by itself, it is not asked
    /// for.
    pub(super) async fn leads_elsewhere(&self) -> bool {
        match self {
            Self::Cluster(_) | Self::Single(_) => false,
            Self::Sentinel(guides) => guides.name_another().await,
        }
    }

    /// Whether it can lead elsewhere without telling.
    pub(super) const fn may_turn(&self) -> bool {
        matches!(self, Self::Sentinel(_))
    }
}

impl Wire {
    /// What the store answers to `command`. Waits as long as it takes: deadlines are the caller's.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        match self.clone() {
            Self::Cluster(mut connection) => command.query_async(&mut connection).await,
            Self::One(mut connection) => command.query_async(&mut connection).await,
        }
    }

    /// What each server that holds sessions answers to `command`; the first one's answer where there is but one.
    pub(super) async fn ask_all(&self, command: &Cmd) -> Result<Vec<(String, Value)>, RedisError> {
        match self {
            Self::One(_) => Ok(vec![(String::new(), self.ask(command).await?)]),
            Self::Cluster(connection) => {
                use redis::cluster_routing::{
                    MultipleNodeRoutingInfo, ResponsePolicy, RoutingInfo,
                };
                let all = MultipleNodeRoutingInfo::AllMasters;
                let routing = RoutingInfo::MultiNode((all, None::<ResponsePolicy>));
                let mut connection = connection.clone();
                let answer = connection.route_command(command.clone(), routing).await?;
                redis::from_redis_value(answer).map_err(RedisError::from)
            }
        }
    }

    /// What the server called `node` answers; any, where there is but one.
    pub(super) async fn ask_node(&self, command: &Cmd, node: &str) -> Result<Value, RedisError> {
        match (self, node.rsplit_once(':')) {
            (Self::Cluster(connection), Some((host, port))) => {
                use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
                let port = port.parse().unwrap_or_default();
                let host = host.to_owned();
                let routing =
                    RoutingInfo::SingleNode(SingleNodeRoutingInfo::ByAddress { host, port });
                connection.clone().route_command(command.clone(), routing).await
            }
            _ => self.ask(command).await,
        }
    }
}

/// `None` if it took longer.
pub(super) async fn within<T>(patience: Duration, work: impl Future<Output = T>) -> Option<T> {
    timeout(patience, work).await.ok()
}

/// What is said of a server that is silent.
pub(super) fn no_answer(patience: Duration) -> String {
    format!("no answer within {} ms", patience.as_millis())
}

fn cluster(
    settings: &RedisSettings,
    nodes: &[RedisAddress],
) -> Result<ClusterClient, RedisSettingsError> {
    let nodes = nodes.iter().map(|node| settings.node(node)).collect::<Result<Vec<_>, _>>()?;
    let patience = settings.deadline.max(Duration::from_millis(500));
    let mut builder = ClusterClientBuilder::new(nodes)
        .retries(REDIRECTIONS)
        .min_retry_wait(10)
        .max_retry_wait(50)
        .connection_timeout(patience)
        .response_timeout(settings.deadline);
    if let Some(certificates) = settings.certificates() {
        builder = builder.certs(certificates);
    }
    builder.build().map_err(unusable)
}

/// A connection to one server, made within `patience`.
pub(super) async fn connect(
    client: &Client,
    patience: Duration,
) -> Result<MultiplexedConnection, RedisError> {
    // Deadlines are ours: one that the library keeps would leave the connection as it is.
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(patience))
        .set_response_timeout(None);
    client.get_multiplexed_async_connection_with_config(&config).await
}

/// A node of a Cluster that is spoken to as if it were alone knows a part of the keys, and refuses the others one by one.
async fn is_no_cluster(mut connection: MultiplexedConnection) -> Result<(), String> {
    let told = redis::cmd("INFO").arg("cluster").query_async::<String>(&mut connection).await;
    // Who may not ask learns it from the first key that is elsewhere.
    match told {
        Ok(told) if told.contains("cluster_enabled:1") => Err(words::IS_CLUSTER.to_owned()),
        _ => Ok(()),
    }
}
