//! What an operator is told of an error: what the server says, and what to do about it. No password and no key is in it.

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// A server that is a part of a Cluster, spoken to as if it were alone.
pub(super) const IS_CLUSTER: &str =
    "this server is part of a Cluster; write `cluster:` with some of its nodes instead of `url:`";

const IS_NO_CLUSTER: &str =
    "this server is not part of a Cluster; write `url:`, or `sentinel:`, instead of `cluster:`";

const IS_NO_SENTINEL: &str =
    "this server is no Sentinel; `addresses` names Sentinels, which usually listen at 26379";

const IS_SENTINEL: &str = "this server is a Sentinel; write `sentinel:` instead of `url:`";

const REFUSED: &str = "user or password are refused; see `username` and `password`";

/// The error on one line.
pub(super) fn of(error: &RedisError) -> String {
    let said = crate::remote::error_text(error);
    match advice(error, &said) {
        Some(advice) => format!("{advice} ({said})"),
        None => said,
    }
}

/// Whether the connection or the server's part was at fault, so that another connection may do better.
pub(super) fn wants_another_connection(error: &RedisError) -> bool {
    let moved = matches!(
        error.kind(),
        ErrorKind::Server(
            ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown | ServerErrorKind::BusyLoading
        ) | ErrorKind::ClusterConnectionNotFound
            | ErrorKind::Parse
    );
    moved || is_broken(error)
}

/// Whether the connection ended before the answer came.
pub(super) fn is_broken(error: &RedisError) -> bool {
    !error.is_timeout() && (error.is_connection_dropped() || error.is_io_error())
}

/// Whether the store as a whole does not do its work. A refusal of one command is none, and a replica can be read.
pub(super) fn is_outage(error: &RedisError) -> bool {
    let kind = matches!(
        error.kind(),
        ErrorKind::AuthenticationFailed
            | ErrorKind::Io
            | ErrorKind::Server(
                ServerErrorKind::BusyLoading
                    | ServerErrorKind::ClusterDown
                    | ServerErrorKind::MasterDown
            )
    );
    kind || is_broken(error) || is_unauthenticated(error)
}

fn is_unauthenticated(error: &RedisError) -> bool {
    matches!(error.code(), Some("NOAUTH" | "WRONGPASS"))
}

fn advice(error: &RedisError, said: &str) -> Option<&'static str> {
    if said.contains("DB index is out of range") || said.contains("refused to switch database") {
        return Some("it has no such database; see `databases` of its configuration");
    }
    if said.contains("cluster support disabled") {
        return Some(IS_NO_CLUSTER);
    }
    if said.contains("unknown command 'SENTINEL'") {
        return Some(IS_NO_SENTINEL);
    }
    if said.contains("unknown command 'SET'") {
        return Some(IS_SENTINEL);
    }
    match error.code() {
        Some("NOAUTH" | "WRONGPASS") => return Some(REFUSED),
        Some("NOREPLICAS") => {
            return Some(
                "too few replicas keep up with it for writes; see `min-replicas-to-write` of its configuration",
            );
        }
        Some("OOM") => return Some("it is full; see `maxmemory` of its configuration"),
        _ => {}
    }
    Some(match error.kind() {
        ErrorKind::AuthenticationFailed => REFUSED,
        ErrorKind::ClusterConnectionNotFound => {
            "no node of the Cluster has any keys; has it been created, and can its nodes be reached at the addresses that they tell?"
        }
        ErrorKind::Server(ServerErrorKind::Ask | ServerErrorKind::Moved) => IS_CLUSTER,
        ErrorKind::Server(ServerErrorKind::BusyLoading) => "it is still loading what it keeps",
        ErrorKind::Server(ServerErrorKind::ClusterDown) => "the Cluster lacks some of its parts",
        ErrorKind::Server(ServerErrorKind::NoPerm) => "its access control list forbids it",
        ErrorKind::Server(ServerErrorKind::ReadOnly) => {
            "this server is a replica, which takes no writes; name its primary, or its Sentinels"
        }
        _ => return None,
    })
}
