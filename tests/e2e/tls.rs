//! TLS on both sides of the whole proxy: certificates chosen, demanded, replaced and refused.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use pingora::tls::TlsAcceptor;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ProtocolVersion};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::support::certificates::{Authority, connect};
use crate::support::process::Sidegate;
use crate::support::raw::get;
use crate::support::stage::{Front, OK, OPEN, Stage, answering};
use crate::support::wire::{Head, Wire, patiently};

/// Sidegate with a listener whose `tls` section is this, before an upstream that says `ok`.
async fn front(tls: &str) -> Front {
    let stage = Stage::open().await;
    let url = stage.url.clone();
    answering(stage, OK);
    Front::start(&url, &listener(tls)).await
}

fn listener(tls: &str) -> String {
    format!(
        "\nadmin: {{ address: '127.0.0.1:0' }}\nlisteners: [{{ name: web, address: '127.0.0.1:0', tls: {{ {tls} }} }}]\n{OPEN}"
    )
}

/// The certificate that is shown to a client asking for `name`.
async fn shown(front: &Front, config: ClientConfig, name: &str) -> Vec<u8> {
    let stream = connect(config, front.address, name).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

async fn ask(wire: &mut Wire) -> Option<Head> {
    wire.try_send(get("/x").bytes()).await.ok()?;
    let head = wire.next_head().await?;
    wire.body(&head).await.ok()?;
    Some(head)
}

/// How a request of a client with this configuration is answered; nothing if it gets no answer.
async fn status(front: &Front, config: ClientConfig) -> Option<u16> {
    let stream = connect(config, front.address, "app.test").await.ok()?;
    ask(&mut Wire::over(stream)).await?.status()
}

#[tokio::test]
async fn the_servers_name_chooses_the_certificate() {
    let authority = Authority::new();
    let app = authority.issue("app", &["app.test"]);
    let wild = authority.issue("wild", &["*.wild.test", "wild.test"]);
    let (first, second) = (authority.pair("app"), authority.pair("wild"));
    let front = front(&format!("certificates: [{{ {first} }}, {{ {second} }}]")).await;
    for (name, expected) in
        [("app.test", &app), ("APP.test", &app), ("a.wild.test", &wild), ("wild.test", &wild)]
    {
        assert_eq!(shown(&front, authority.client(), name).await, *expected, "{name}");
    }
    // One for nobody known is shown the first one, and does not believe it.
    for name in ["other.test", "a.b.wild.test"] {
        connect(authority.client(), front.address, name).await.unwrap_err();
    }
}

#[tokio::test]
async fn http_2_and_http_1_are_offered_as_configured() {
    let authority = Authority::new();
    authority.issue("app", &["app.test"]);
    let pair = authority.pair("app");
    let (both, one) = (front(&pair).await, front(&format!("{pair}, http2: false")).await);
    let chosen = async |front: &Front, offered: &[&str]| {
        let mut config = authority.client();
        config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = connect(config, front.address, "app.test").await.ok()?;
        Some(
            stream
                .get_ref()
                .1
                .alpn_protocol()
                .map(|name| String::from_utf8_lossy(name).into_owned()),
        )
    };
    let some = |name: &str| Some(Some(name.to_owned()));
    assert_eq!(chosen(&both, &["http/1.1", "h2"]).await, some("h2"));
    assert_eq!(chosen(&both, &["http/1.1"]).await, some("http/1.1"));
    assert_eq!(chosen(&both, &[]).await, Some(None));
    assert_eq!(chosen(&both, &["spdy/1"]).await, None, "nothing in common");
    assert_eq!(chosen(&one, &["h2", "http/1.1"]).await, some("http/1.1"));
    assert_eq!(chosen(&one, &["h2"]).await, None);
}

/// curl, a client of many people, by both protocols.
#[tokio::test]
async fn curl_is_answered_by_either_protocol() {
    let Some(curl) = crate::support::peer::find(&["curl"]) else { return };
    let authority = Authority::new();
    authority.issue("app", &["app.test"]);
    let front = front(&authority.pair("app")).await;
    let port = front.address.port();
    for (flag, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let mut command = Command::new(&curl);
        command.args(["-sS", "--noproxy", "*", flag, "-w", " %{http_version}", "--cacert"]);
        command.arg(authority.path("ca.crt"));
        command.args(["--resolve", &format!("app.test:{port}:127.0.0.1")]);
        command.arg(format!("https://app.test:{port}/x"));
        let output = patiently(command.stdin(Stdio::null()).output()).await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(said, format!("ok {version}"), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[tokio::test]
async fn old_versions_are_spoken_as_far_as_configured() {
    let authority = Authority::new();
    authority.issue("app", &["app.test"]);
    let pair = authority.pair("app");
    let from_12 = front(&pair).await;
    let from_13 = front(&format!("{pair}, min_version: '1.3'")).await;
    let spoken = async |front: &Front, version| {
        let config = ClientConfig::builder_with_protocol_versions(&[version])
            .with_root_certificates(authority.roots())
            .with_no_client_auth();
        let stream = connect(config, front.address, "app.test").await.ok()?;
        stream.get_ref().1.protocol_version()
    };
    assert_eq!(spoken(&from_12, &TLS12).await, Some(ProtocolVersion::TLSv1_2));
    assert_eq!(spoken(&from_12, &TLS13).await, Some(ProtocolVersion::TLSv1_3));
    assert_eq!(spoken(&from_13, &TLS12).await, None);
    assert_eq!(spoken(&from_13, &TLS13).await, Some(ProtocolVersion::TLSv1_3));
}

#[tokio::test]
async fn client_certificates_are_demanded_or_welcome_and_never_forged() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    authority.issue("app", &["app.test"]);
    authority.issue("ada", &["ada.test"]);
    stranger.issue("eve", &["ada.test"]);
    let tls =
        format!("{}, client_ca: {}", authority.pair("app"), authority.path("ca.crt").display());
    let required = front(&tls).await;
    let optional = front(&format!("{tls}, client_auth: optional")).await;
    let none = || authority.client();
    let known = || authority.client_with(&authority, "ada");
    let foreign = || authority.client_with(&stranger, "eve");
    assert_eq!(status(&required, known()).await, Some(200));
    assert_eq!(status(&required, none()).await, None);
    assert_eq!(status(&required, foreign()).await, None);
    assert_eq!(status(&optional, known()).await, Some(200));
    assert_eq!(status(&optional, none()).await, Some(200));
    assert_eq!(status(&optional, foreign()).await, None, "a bad certificate is worse than none");
    for (front, expected) in [(required, 2), (optional, 1)] {
        let labels = [("listener", "web"), ("why", "handshake")];
        assert_eq!(front.count("sidegate_connections_refused_total", &labels).await, expected);
    }
}

#[tokio::test]
async fn who_does_not_speak_tls_is_not_answered_and_holds_no_place_for_long() {
    let authority = Authority::new();
    authority.issue("app", &["app.test"]);
    let stage = Stage::open().await;
    let rest = format!("\ntimeouts: {{ header: 400ms }}{}", listener(&authority.pair("app")));
    let front = Front::start(&stage.url, &rest).await;
    let mut plain = TcpStream::connect(front.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut plain, &get("/x").bytes()).await.unwrap();
    let mut said = Vec::new();
    let _ = patiently(plain.read_to_end(&mut said)).await;
    assert!(!said.starts_with(b"HTTP"), "{said:?}");
    let since = Instant::now();
    let mut silent = front.connect().await;
    silent.ended().await;
    let found = since.elapsed();
    assert!(found > Duration::from_millis(380) && found < Duration::from_secs(5), "{found:?}");
    stage.is_alone();
}

/// Whoever is connected goes on, whoever connects is answered, and new ones are soon shown the new certificate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_replaced_without_a_connection_lost() {
    let authority = Arc::new(Authority::new());
    let old = authority.issue("app", &["app.test"]);
    let front = Arc::new(front(&authority.pair("app")).await);
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::new(AtomicUsize::new(0));
    let load: Vec<_> = [true, false]
        .into_iter()
        .map(|keeps| {
            let (authority, front) = (Arc::clone(&authority), Arc::clone(&front));
            let (stop, asked) = (Arc::clone(&stop), Arc::clone(&asked));
            tokio::spawn(async move {
                let open = async || {
                    connect(authority.client(), front.address, "app.test").await.map(Wire::over)
                };
                let mut wire = open().await.unwrap();
                while !stop.load(Ordering::Relaxed) {
                    if !keeps {
                        wire = open().await.unwrap();
                    }
                    assert_eq!(ask(&mut wire).await.and_then(|head| head.status()), Some(200));
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    assert_eq!(shown(&front, authority.client(), "app.test").await, old);
    // First a bad file, which changes nothing.
    authority.write("app.crt", "nonsense");
    front
        .sidegate
        .program
        .wait_for(|line| line.contains("certificates not reloaded").then_some(()))
        .await;
    assert_eq!(shown(&front, authority.client(), "app.test").await, old);
    let new = authority.issue("app", &["app.test"]);
    front
        .sidegate
        .program
        .wait_for(|line| line.contains("certificates reloaded").then_some(()))
        .await;
    assert_eq!(shown(&front, authority.client(), "app.test").await, new);
    let so_far = asked.load(Ordering::Relaxed);
    while asked.load(Ordering::Relaxed) < so_far + 20 {
        sleep(Duration::from_millis(5)).await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in load {
        client.await.unwrap();
    }
    assert!(so_far > 0);
}

#[tokio::test]
async fn a_file_that_is_no_certificate_is_named_and_nothing_starts() {
    let authority = Authority::new();
    authority.issue("app", &["app.test"]);
    authority.issue("other", &["app.test"]);
    authority.write("text.crt", "nonsense");
    let file = |name: &str| authority.path(name).display().to_string();
    let (app, key, other, text, missing) =
        (file("app.crt"), file("app.key"), file("other.key"), file("text.crt"), file("missing"));
    let bad = [
        (format!("certificate: {missing}, key: {key}"), &missing),
        (format!("certificate: {app}, key: {missing}"), &missing),
        (format!("certificate: {text}, key: {key}"), &text),
        (format!("certificate: {key}, key: {key}"), &key),
        (format!("certificate: {app}, key: {app}"), &app),
        (format!("certificate: {app}, key: {other}"), &other),
        (format!("certificate: {app}, key: {key}, client_ca: {text}"), &text),
    ];
    for (tls, named) in bad {
        let rest = format!(
            "listeners: [{{ address: '127.0.0.1:0', tls: {{ {tls} }} }}]\nupstream: http://127.0.0.1:1\nadmin: none\n\
             provider: {{ type: jwt, issuer: x, audience: y, jwks: {} }}\n",
            crate::support::tokens::Issuer::new().jwks()
        );
        let mut sidegate = Sidegate::run(&rest);
        sidegate.program.wait_for(|line| line.contains(named.as_str()).then_some(())).await;
        assert!(!sidegate.program.ended().await.success(), "{tls}");
        assert!(!sidegate.program.output().contains("\"listening\""), "{tls}");
    }
}

/// What a client is told where the upstream would say `ok`.
async fn told(server: TlsAcceptor, tls: &str) -> Option<u16> {
    let stage = Stage::tls(server).await;
    let upstream = format!("{{ servers: '{}', tls: {{ {tls} }} }}", stage.url);
    answering(stage, OK);
    let front = Front::start(&upstream, OPEN).await;
    ask(&mut front.connect().await).await?.status()
}

#[tokio::test]
async fn an_upstream_is_believed_by_its_name_and_authority_only() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    authority.issue("app", &["app.internal"]);
    authority.issue("other", &["other.internal"]);
    stranger.issue("app", &["app.internal"]);
    let ca = format!("ca: {}", authority.path("ca.crt").display());
    let named = format!("server_name: app.internal, {ca}");
    let cases = [
        (authority.server("app"), named.clone(), 200),
        (authority.server("other"), named.clone(), 502),
        (stranger.server("app"), named, 502),
        (authority.server("app"), "server_name: app.internal".to_owned(), 502),
    ];
    for (server, tls, expected) in cases {
        assert_eq!(told(server, &tls).await, Some(expected), "{tls}");
    }
}

#[tokio::test]
async fn sidegate_shows_an_upstream_its_certificate() {
    let authority = Authority::new();
    authority.issue("app", &["app.internal"]);
    authority.issue("sidegate", &["sidegate.internal"]);
    let named = format!("server_name: app.internal, ca: {}", authority.path("ca.crt").display());
    let presenting = format!("{named}, {}", authority.pair("sidegate"));
    assert_eq!(told(authority.server_for_known_clients("app"), &presenting).await, Some(200));
    assert_eq!(told(authority.server_for_known_clients("app"), &named).await, Some(502));
}

#[tokio::test]
async fn an_upstream_that_does_not_speak_tls_is_a_bad_gateway() {
    let stage = Stage::open().await;
    let url = stage.url.replace("http://", "https://");
    tokio::spawn(async move {
        loop {
            let _ = stage.accept().await.try_send("HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let front = Front::start(
        &format!("{{ servers: '{url}', tls: {{ server_name: app.internal }} }}"),
        OPEN,
    )
    .await;
    let answer = ask(&mut front.connect().await).await;
    assert_eq!(answer.and_then(|head| head.status()), Some(502));
}
