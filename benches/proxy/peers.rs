//! The servers that are compared and the one behind them: their configuration, and how each is started.
//!
//! All proxy to the same upstream with one worker, keep-alive on both sides and no request log unless asked for one.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::material::{AUDIENCE, ISSUER, LIFETIME, Material};
use crate::process::{OTHER_CORE, Output, SERVER_CORE, Server, program};
use crate::workspace::{Workspace, free_port};

/// What every measured server needs.
pub(crate) struct World {
    /// For configuration files.
    pub(crate) workspace: Workspace,
    /// Keys and tokens.
    pub(crate) material: Material,
    /// The server behind all proxies.
    pub(crate) upstream: Server,
    /// The store of sessions, where it is installed.
    pub(crate) redis: Option<Server>,
}

/// nginx answering 66 bytes to everything, the key set at `/jwks.json`, and as a resolver that knows everybody.
pub(crate) fn upstream(workspace: &Workspace, material: &Material) -> Result<Server> {
    let port = free_port()?;
    let server = format!(
        r#"server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ default_type text/plain; return 200 "hello from upstream, this is a small body of some sixty-four bytes!\n"; }}
    location = /jwks.json {{ default_type application/json; alias {}; }}
    location = /_resolver/resolve {{
      add_header X-Authgear-Session-Valid true;
      add_header X-Authgear-User-Id user-1;
      add_header X-Authgear-User-Anonymous false;
      add_header X-Authgear-User-Verified true;
      add_header X-Authgear-Session-Amr "pwd otp";
      add_header X-Authgear-Session-Authenticated-At 1767225600;
      add_header X-Authgear-User-Roles eng,ops;
      return 200;
    }}
  }}"#,
        material.key_set.display()
    );
    nginx(workspace, "upstream", &server, OTHER_CORE, port)
}

/// nginx as a plain proxy.
pub(crate) fn nginx_plain(world: &World) -> Result<Server> {
    let port = free_port()?;
    let server = format!(
        r#"upstream app {{ server {}; keepalive 512; keepalive_requests 10000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}"#,
        world.upstream.address
    );
    nginx(&world.workspace, "nginx", &server, SERVER_CORE, port)
}

fn nginx(
    workspace: &Workspace,
    name: &str,
    servers: &str,
    core: &str,
    port: u16,
) -> Result<Server> {
    let folder = workspace.folder().join(name);
    std::fs::create_dir(&folder)?;
    let folder = folder.display();
    let text = format!(
        r#"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 10000000; keepalive_timeout 600;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  {servers}
}}
"#
    );
    let file = workspace.write(&format!("{name}.conf"), &text)?;
    let mut command = program("nginx");
    command.arg("-e").arg(format!("{folder}/error.log")).arg("-c").arg(file);
    Server::start(&command, core, port, Output::Discarded)
}

/// HAProxy as a plain proxy.
pub(crate) fn haproxy_plain(world: &World) -> Result<Server> {
    haproxy(world, "haproxy", "")
}

/// HAProxy verifying the RS256 token of each request, its issuer, and handing on its subject.
///
/// It reads `exp` as the measured baseline did, which costs it a little and refuses nobody.
pub(crate) fn haproxy_jwt(world: &World) -> Result<Server> {
    let rules = format!(
        r#"
  http-request set-var(txn.b) http_auth_bearer
  http-request set-var(txn.alg) var(txn.b),jwt_header_query('$.alg')
  http-request deny unless {{ var(txn.alg) -m str RS256 }}
  http-request set-var(txn.iss) var(txn.b),jwt_payload_query('$.iss')
  http-request set-var(txn.exp) var(txn.b),jwt_payload_query('$.exp','int')
  http-request set-var(txn.now) date()
  http-request deny unless {{ var(txn.iss) -m str {ISSUER} }}
  http-request deny unless {{ var(txn.b),jwt_verify(txn.alg,"{}") 1 }}
  http-request set-header X-Auth-User %[var(txn.b),jwt_payload_query('$.sub')]"#,
        world.material.public_pem.display()
    );
    haproxy(world, "haproxy-jwt", &rules)
}

fn haproxy(world: &World, name: &str, rules: &str) -> Result<Server> {
    let port = free_port()?;
    let text = format!(
        r"global
  nbthread 1
  maxconn 8000
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
  http-reuse always
frontend in
  bind 127.0.0.1:{port}{rules}
  default_backend app
backend app
  server s1 {} pool-max-conn 512
",
        world.upstream.address
    );
    let file = world.workspace.write(&format!("{name}.cfg"), &text)?;
    let mut command = program("haproxy");
    command.arg("-db").arg("-q").arg("-f").arg(file);
    Server::start(&command, SERVER_CORE, port, Output::Discarded)
}

/// The bare pingora proxy: this very program, started with another argument.
pub(crate) fn bare_pingora(world: &World) -> Result<Server> {
    let port = free_port()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--bare").arg(port.to_string()).arg(world.upstream.address.to_string());
    Server::start(&command, SERVER_CORE, port, Output::Discarded)
}

/// How a sidegate differs from the usual one.
pub(crate) struct Sidegate<'a> {
    /// `log.requests`.
    pub(crate) requests: &'a str,
    /// Where its log goes.
    pub(crate) output: Output,
    /// The `cache` section, if not the default.
    pub(crate) cache: Option<&'a str>,
    /// Where its keys come from, as a line of the provider's section.
    pub(crate) keys: String,
    /// What the provider is there for.
    pub(crate) provider: Use,
    /// What comes in.
    pub(crate) door: &'a str,
}

/// What a provider is there for.
#[derive(Clone, Copy)]
pub(crate) enum Use {
    /// Its resolver knows the callers by cookies of its own.
    Resolver,
    /// People sign in: callers come with sessions.
    SignIn,
    /// The same, with sessions in Redis.
    SignInStored,
    /// Callers come with its tokens, in `Authorization` or a cookie.
    Tokens,
}

impl Sidegate<'_> {
    /// Silent, everything else as it comes, keys from a file.
    pub(crate) fn usual(world: &World) -> Self {
        let keys = format!("jwks_file: {}", world.material.key_set.display());
        Self {
            requests: "none",
            output: Output::Discarded,
            cache: None,
            keys,
            provider: Use::Tokens,
            door: "proxy",
        }
    }
}

/// A running sidegate.
pub(crate) struct Running {
    /// The process.
    pub(crate) server: Server,
    /// Where its metrics are.
    pub(crate) admin: SocketAddr,
}

/// Starts a sidegate called `name` and waits until it listens.
pub(crate) fn sidegate(world: &World, name: &str, wish: &Sidegate<'_>) -> Result<Server> {
    Ok(sidegate_with_admin(world, name, wish)?.server)
}

/// Starts a sidegate called `name`, waits until it listens, and says where its metrics are.
pub(crate) fn sidegate_with_admin(
    world: &World,
    name: &str,
    wish: &Sidegate<'_>,
) -> Result<Running> {
    let (port, admin) = (free_port()?, SocketAddr::from(([127, 0, 0, 1], free_port()?)));
    let file =
        world.workspace.write(&format!("{name}.yaml"), configuration(world, wish, port, admin))?;
    let server = Server::start(&sidegate_command(&file), SERVER_CORE, port, wish.output)?;
    Ok(Running { server, admin })
}

/// `sidegate run` with the configuration in `file`.
pub(crate) fn sidegate_command(file: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate"));
    command.arg("run").arg("-c").arg(file);
    command
}

/// A configuration with a public route, and a token or cookie required elsewhere.
pub(crate) fn configuration(
    world: &World,
    wish: &Sidegate<'_>,
    port: u16,
    admin: SocketAddr,
) -> String {
    let cache = wish.cache.map(|cache| format!("cache: {{ {cache} }}\n")).unwrap_or_default();
    format!(
        r"listen: {{ address: 127.0.0.1:{port}, door: {door} }}
trusted_proxies: {trusted}
upstream: http://{upstream}
admin: {{ address: {admin} }}
threads: 1
log: {{ requests: {requests} }}
{cache}provider:
  issuer: {ISSUER}
  audience: {AUDIENCE}
  {keys}
{provider}
routes:
  - {{ match: {{ paths: [/public/*] }}, access: public }}
  - {{ match: {{ paths: [/*] }}, access: required }}
",
        upstream = world.upstream.address,
        door = wish.door,
        trusted = if wish.door == "proxy" { "[]" } else { "[127.0.0.1]" },
        requests = wish.requests,
        keys = wish.keys,
        provider = provider(world, wish.provider),
    )
}

/// The rest of the provider's section, and what else signing in needs.
fn provider(world: &World, wish: Use) -> String {
    match wish {
        Use::Resolver => format!(
            "  type: authgear\n  resolver: {{ url: \"http://{}/_resolver/resolve\", cache: 1h }}\nidentity: {{ headers: authgear }}",
            world.upstream.address
        ),
        Use::SignIn | Use::SignInStored => format!(
            r"  client_id: web
  client_secret: {{ value: a-secret-of-no-worth }}
  endpoints: {{ authorization: {ISSUER}/authorize, token: {ISSUER}/token }}
session:
  keys: [{{ value: {key} }}]
  store: {store}
  idle: {hours}h
  absolute: {longer}h",
            store = store(world, wish),
            key = world.material.session_key,
            hours = LIFETIME.as_secs() / 3600,
            longer = LIFETIME.as_secs() / 3600 * 8,
        ),
        Use::Tokens => {
            format!("  type: jwt\n  cookie: sso\n  login_url: {ISSUER}/signin?rd={{return_to}}")
        }
    }
}

/// Where sessions are.
fn store(world: &World, wish: Use) -> String {
    match (wish, &world.redis) {
        (Use::SignInStored, Some(redis)) => {
            format!(r#"{{ redis: {{ url: "redis://{}" }} }}"#, redis.address)
        }
        _ => "cookie".to_owned(),
    }
}
