//! The configuration changes while the program runs: what is noticed, what is refused, and what goes on undisturbed.

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::support::command;
use crate::support::http::client;
use crate::support::key_server::KeyServer;
use crate::support::metrics::{eventually, metric};
use crate::support::process::Sidegate;
use crate::support::raw::{Connection, get};
use crate::support::tokens::{ISSUER, Issuer};
use crate::support::upstream::Upstream;

const HEAD: &str = "listen: 127.0.0.1:0\nadmin: { address: 127.0.0.1:0 }\n";

/// Everybody passes; who watches the upstream sees which configuration was in force.
fn open(upstream: &Upstream) -> String {
    format!("{HEAD}upstream: {}\nroutes: [{{ access: public }}]\n", upstream.url())
}

async fn ask(app: SocketAddr) {
    assert_eq!(client().get(format!("http://{app}/")).send().await.unwrap().status(), 200);
}

/// Asks until `upstream` is asked.
async fn comes_to(upstream: &Upstream, app: SocketAddr) {
    eventually(async || {
        ask(app).await;
        !upstream.requests().is_empty()
    })
    .await;
}

async fn reloads(admin: SocketAddr, result: &str) -> f64 {
    metric(admin, "sidegate_config_reloads_total", &[("result", result)]).await
}

/// The problems in the error that says that a configuration was refused, the nth of its kind.
async fn refusal(sidegate: &Sidegate, nth: usize) -> String {
    let told = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        let is = line["message"] == "configuration refused; the old one stays in force";
        is.then(|| line["problems"].as_str().unwrap().to_owned())
    };
    eventually(async || sidegate.program.output().lines().filter_map(told).count() > nth).await;
    sidegate.program.output().lines().filter_map(told).nth(nth).unwrap()
}

#[tokio::test]
async fn a_changed_file_is_noticed_without_a_signal() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let sidegate = Sidegate::run(&open(&first));
    let app = sidegate.address().await;
    ask(app).await;
    sidegate.configure(&open(&second));
    comes_to(&second, app).await;
    // Written in place, as some editors do.
    let file = sidegate.directory().join("config.yaml");
    let third = Upstream::start().await;
    std::fs::write(file, open(&third)).unwrap();
    comes_to(&third, app).await;
}

/// A volume of Kubernetes: every file is a link into `..data`, which is a link to a directory, and only the latter is swapped.
#[tokio::test]
async fn a_swapped_volume_is_noticed_with_its_secrets() {
    let volume = tempfile::tempdir().unwrap();
    let root = volume.path().to_owned();
    let provide = async |version: &str, upstream: &Upstream| {
        let folder = root.join(version);
        std::fs::create_dir(&folder).unwrap();
        let assertion = "assertion: { keys: [{ file: assertion.pem }] }\n";
        std::fs::write(folder.join("config.yaml"), open(upstream) + assertion).unwrap();
        let key = command::sidegate(&root, &["keys", "assertion"]).await.well();
        std::fs::write(folder.join("assertion.pem"), key).unwrap();
        symlink(version, root.join("..next")).unwrap();
        std::fs::rename(root.join("..next"), root.join("..data")).unwrap();
    };
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    provide("..2026_11_21", &first).await;
    for name in ["config.yaml", "assertion.pem"] {
        symlink(Path::new("..data").join(name), root.join(name)).unwrap();
    }
    let sidegate = Sidegate::run_in(volume);
    let app = sidegate.address().await;
    ask(app).await;
    let before = published(app).await;
    provide("..2026_11_22", &second).await;
    std::fs::remove_dir_all(root.join("..2026_11_21")).unwrap();
    comes_to(&second, app).await;
    assert_ne!(published(app).await, before);
    assert!(!sidegate.program.output().contains("\"ERROR\""), "{}", sidegate.program.output());
}

/// The names of the keys for assertions.
async fn published(app: SocketAddr) -> Vec<String> {
    let answer = get("/.auth/jwks").send(app).await.json();
    let keys = answer["keys"].as_array().unwrap();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_bad_file_leaves_the_old_in_force_and_says_so() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let sidegate = Sidegate::run(&open(&first));
    let (app, admin) = (sidegate.address().await, sidegate.listener("admin").await);
    let success = async || metric(admin, "sidegate_config_last_reload_success", &[]).await;
    assert_eq!((success().await, reloads(admin, "ok").await), (1.0, 1.0));
    let bad = [
        (open(&second).replace("access: public", "access: nobody"), "line 4"),
        (format!("{}\nrouts: []\n", open(&second)), "routs (line 6): unknown key"),
        ("listen: [".to_owned(), "is not YAML"),
        (String::new(), "config.yaml"),
        (open(&second).replace("access: public", "require: { groups_any: x }"), "provider"),
    ];
    for (nth, (text, expected)) in bad.into_iter().enumerate() {
        sidegate.configure(&text);
        sidegate.program.signal("HUP").await;
        let problems = refusal(&sidegate, nth).await;
        assert!(problems.contains(expected), "expected {expected:?} in {problems}");
        assert_eq!(success().await, 0.0);
        ask(app).await;
    }
    std::fs::remove_file(sidegate.directory().join("config.yaml")).unwrap();
    assert!(refusal(&sidegate, 5).await.contains("there is no such file"));
    ask(app).await;
    assert!(second.requests().is_empty());
    assert_eq!((reloads(admin, "failed").await, reloads(admin, "ok").await), (6.0, 1.0));
    sidegate.configure(&open(&second));
    comes_to(&second, app).await;
    assert_eq!((success().await, reloads(admin, "ok").await), (1.0, 2.0));
}

/// Sockets, threads and what guards connections belong to the process. Half of a file is not put into force either.
#[tokio::test]
async fn what_needs_a_restart_is_refused_as_a_whole() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let sidegate = Sidegate::run(&open(&first));
    let app = sidegate.address().await;
    let other = open(&second);
    let changes = [
        other.replace("listen: 127.0.0.1:0", "listen: 127.0.0.2:0"),
        other.replace(
            "listen: 127.0.0.1:0",
            "listeners: [{ address: '127.0.0.1:0' }, { address: '127.0.0.2:0' }]",
        ),
        other.replace("{ address: 127.0.0.1:0 }", "none"),
        format!("{other}threads: 7\n"),
        format!("{other}log: {{ level: debug }}\n"),
        format!("{other}limits: {{ connections: 17 }}\n"),
        format!("{other}timeouts: {{ header: 3s, drain: 3s }}\n"),
    ];
    for (nth, text) in changes.into_iter().enumerate() {
        sidegate.configure(&text);
        sidegate.program.signal("HUP").await;
        let problems = refusal(&sidegate, nth).await;
        assert!(problems.contains("need a restart"), "{text}: {problems}");
        ask(app).await;
    }
    assert!(second.requests().is_empty());
    sidegate.configure(&open(&second));
    comes_to(&second, app).await;
}

/// A secret is replaced where it is, the configuration untouched; first by garbage, which is refused.
#[tokio::test]
async fn a_replaced_secret_takes_effect_by_itself() {
    let upstream = Upstream::start().await;
    let folder = tempfile::tempdir().unwrap();
    let key = async || command::sidegate(Path::new("."), &["keys", "assertion"]).await.well();
    let secret = folder.path().join("assertion.pem");
    std::fs::write(&secret, key().await).unwrap();
    let text = open(&upstream) + "assertion: { keys: [{ file: assertion.pem }] }\n";
    std::fs::write(folder.path().join("config.yaml"), &text).unwrap();
    let sidegate = Sidegate::run_in(folder);
    let app = sidegate.address().await;
    let first = published(app).await;
    std::fs::write(&secret, "garbage").unwrap();
    assert!(refusal(&sidegate, 0).await.contains("assertion.keys[0]"));
    assert_eq!(published(app).await, first);
    std::fs::write(&secret, key().await).unwrap();
    eventually(async || published(app).await != first).await;
    let second = published(app).await;
    // The file names a secret that comes a little later.
    sidegate.configure(&text.replace("assertion.pem", "late.pem"));
    assert!(refusal(&sidegate, 1).await.contains("late.pem"));
    std::fs::write(secret.with_file_name("late.pem"), key().await).unwrap();
    eventually(async || published(app).await != second).await;
}

/// Keys that are at hand stay so, also while the provider is down, and who was let in by an old rule is judged by the new one.
#[tokio::test]
async fn keys_go_on_and_rules_do_not() {
    let (server, upstream) = (KeyServer::start().await, Upstream::start().await);
    let text = |rule: &str| {
        format!(
            "{HEAD}upstream: {}\n{}routes: [{{ name: all, {rule} }}]\n",
            upstream.url(),
            server.provider()
        )
    };
    let sidegate = Sidegate::run(&text("require: { groups_any: staff }"));
    let (app, admin) = (sidegate.address().await, sidegate.listener("admin").await);
    let token = server.token("ada");
    let mut kept = Connection::open(app).await;
    let mut ask = async || {
        kept.send(&get("/").bearer(&token).bytes()).await;
        kept.answer().await.unwrap().status
    };
    assert_eq!((ask().await, ask().await), (200, 200));
    server.answer("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
    let asked = server.requests();
    sidegate.configure(&text("require: { groups_any: admin }"));
    sidegate.program.signal("HUP").await;
    eventually(async || reloads(admin, "ok").await == 2.0).await;
    assert_eq!(ask().await, 403);
    sidegate.configure(&text("require: { groups_any: [admin, staff] }"));
    sidegate.program.signal("HUP").await;
    eventually(async || reloads(admin, "ok").await == 3.0).await;
    assert_eq!((ask().await, server.requests()), (200, asked));
}

/// A provider that comes with a reload and is down does not keep the others from their work, nor the reload from happening.
#[tokio::test]
async fn a_new_provider_that_is_down_harms_nobody() {
    let (server, late) = (KeyServer::start().await, KeyServer::start().await);
    late.answer("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    let upstream = Upstream::start().await;
    let text = |issuers: &[(&str, &KeyServer)]| {
        let provider = |(name, server): &(&str, &KeyServer)| {
            format!(
                "  - {{ name: {name}, type: jwt, issuer: '{}', audience: web }}\n",
                server.url()
            )
        };
        let providers: String = issuers.iter().map(provider).collect();
        format!("{HEAD}upstream: {}\nproviders:\n{providers}", upstream.url())
    };
    let sidegate = Sidegate::run(&text(&[("main", &server)]));
    let app = sidegate.address().await;
    let status =
        async |server: &KeyServer| get("/").bearer(&server.token("ada")).send(app).await.status;
    assert_eq!((status(&server).await, status(&late).await), (200, 401));
    sidegate.configure(&text(&[("late", &late), ("main", &server)]));
    sidegate.program.signal("HUP").await;
    eventually(async || status(&late).await == 503).await;
    assert_eq!(status(&server).await, 200);
    late.publish(&late.issuer.jwks());
    eventually(async || status(&late).await == 200).await;
    sidegate.configure(&text(&[("late", &late)]));
    sidegate.program.signal("HUP").await;
    eventually(async || status(&server).await == 401).await;
    assert_eq!(status(&late).await, 200);
}

/// One snapshot per request: the app behind one configuration never sees a header of the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_served_by_two_configurations() {
    let (red, blue) = (Upstream::start().await, Upstream::start().await);
    let issuer = Issuer::new();
    let text = |upstream: &Upstream, name: &str| {
        format!(
            "{HEAD}log: {{ requests: none }}\nupstream: {}\nprovider:\n  type: jwt\n  issuer: {}\n  audience: web\n  jwks: {}\n\
             identity: {{ headers: none, claims: {{ X-{name}: sub }} }}\nroutes: [{{ name: {name} }}]\n",
            upstream.url(),
            ISSUER,
            issuer.jwks()
        )
    };
    let sidegate = Sidegate::run(&text(&red, "red"));
    let (app, admin) = (sidegate.address().await, sidegate.listener("admin").await);
    let done = Arc::new(AtomicBool::new(false));
    let asking: Vec<_> = (0..4)
        .map(|n| {
            let (token, done) = (issuer.token(&format!("user{n}")), Arc::clone(&done));
            tokio::spawn(async move {
                let mut connection = Connection::open(app).await;
                while !done.load(Ordering::Relaxed) {
                    connection.send(&get("/").bearer(&token).bytes()).await;
                    assert_eq!(connection.answer().await.unwrap().status, 200);
                }
            })
        })
        .collect();
    for round in 2..12 {
        let (upstream, name) = if round % 2 == 0 { (&blue, "blue") } else { (&red, "red") };
        sidegate.configure(&text(upstream, name));
        sidegate.program.signal("HUP").await;
        eventually(async || reloads(admin, "ok").await >= f64::from(round)).await;
        let before = upstream.requests().len();
        eventually(async || upstream.requests().len() > before + 5).await;
    }
    done.store(true, Ordering::Relaxed);
    for client in asking {
        client.await.unwrap();
    }
    for (upstream, own, other) in [(&red, "x-red", "x-blue"), (&blue, "x-blue", "x-red")] {
        for request in upstream.requests() {
            assert_eq!((request.values(own).len(), request.values(other).len()), (1, 0));
        }
    }
}
