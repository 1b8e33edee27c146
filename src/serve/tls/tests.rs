mod support;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rcgen::{CertificateParams, SanType};
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::base::time::Timestamp;
use crate::serve::guard;

use support::{Files, NOW, PATIENCE, ask, der, serve, serve_within, settings};

#[tokio::test]
async fn the_name_that_is_asked_for_chooses_the_certificate() {
    let files = Files::new();
    let first = files.certificate("first", &["first.test"]);
    let exact = files.certificate("exact", &["App.Example.test"]);
    let wildcard = files.certificate("wildcard", &["*.example.test"]);
    let running = serve(&settings(vec![first.clone(), exact.clone(), wildcard.clone()]));
    for (name, expected) in [
        ("app.example.test", &exact),
        ("APP.example.TEST", &exact),
        ("other.example.test", &wildcard),
        ("a.b.example.test", &first),
        ("example.test", &first),
        ("unknown.test", &first),
        ("127.0.0.1", &first),
    ] {
        assert_eq!(running.shown(&files, name).await, Some(der(&expected.certificate)), "{name}");
    }
}

#[test]
fn a_trailing_dot_does_not_change_the_certificate() {
    let files = Files::new();
    let first = files.certificate("first", &["first.test"]).load().unwrap();
    let other = files.certificate("other", &["other.test"]).load().unwrap();
    let names = names::Names::new(&first, std::slice::from_ref(&other));
    assert!(Arc::ptr_eq(names.find(Some("Other.Test.")), &other.key));
    assert!(Arc::ptr_eq(names.find(None), &first.key));
}

#[tokio::test]
async fn http2_is_spoken_where_it_is_offered_and_only_there() {
    let files = Files::new();
    let mut tls = settings(vec![files.certificate("app", &["app.test"])]);
    for (http2, expected) in [(Http2::Offered, "h2"), (Http2::Off, "http/1.1")] {
        tls.http2 = http2;
        let running = serve(&tls);
        let mut config = files.client();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let stream = running.connect(config, "app.test").await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(expected.as_bytes()));
    }
}

#[tokio::test]
async fn old_versions_are_refused_when_they_shall_be() {
    let files = Files::new();
    let mut tls = settings(vec![files.certificate("app", &["app.test"])]);
    let old = || {
        ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS12])
            .with_root_certificates(files.roots())
            .with_no_client_auth()
    };
    assert!(serve(&tls).connect(old(), "app.test").await.is_ok());
    tls.min_version = Version::Tls13;
    let running = serve(&tls);
    assert!(running.connect(old(), "app.test").await.is_err());
    let counted = "sidegate_connections_refused_total{listener=\"edge\",why=\"handshake\"} 1";
    assert!(running.counted(counted));
    assert!(running.connect(files.client(), "app.test").await.is_ok());
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_cut() {
    let files = Files::new();
    let limits =
        guard::Settings { handshake: Duration::from_millis(300), ..guard::Settings::default() };
    let running = serve_within(&settings(vec![files.certificate("app", &["app.test"])]), limits);
    let mut socket = TcpStream::connect(running.address).await.unwrap();
    socket.write_all(b"\x16\x03\x01").await.unwrap();
    let cut = tokio::time::timeout(PATIENCE, socket.read(&mut [0; 8])).await.expect("never cut");
    assert_eq!(cut.unwrap_or(0), 0);
    assert!(
        running
            .counted("sidegate_connections_refused_total{listener=\"edge\",why=\"handshake\"} 1")
    );
}

#[tokio::test]
async fn the_client_certificate_is_told_to_the_app() {
    let files = Files::new();
    let mut params = CertificateParams::new(vec!["ada.example.test".into()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "ada");
    params.subject_alt_names.push(SanType::URI("spiffe://example.test/ada".try_into().unwrap()));
    let ada = files.signed("ada", params);
    let mut tls = settings(vec![files.certificate("app", &["app.test"])]);
    let auth = |mode| Some(ClientAuth { ca: files.path("ca.pem"), mode });

    tls.client_auth = auth(ClientAuthMode::Optional);
    let running = serve(&tls);
    let answer = ask(&mut running.connect(files.client_with(&ada), "app.test").await.unwrap())
        .await
        .unwrap();
    let told = r#"CN=ada ["ada.example.test"] ["spiffe://example.test/ada"]"#;
    assert!(answer.ends_with(told), "{answer}");
    let answer =
        ask(&mut running.connect(files.client(), "app.test").await.unwrap()).await.unwrap();
    assert!(answer.ends_with("nobody"), "{answer}");

    tls.client_auth = auth(ClientAuthMode::Required);
    let running = serve(&tls);
    let stranger = Files::new();
    let eve = stranger.certificate("eve", &["eve.test"]);
    for config in [files.client(), files.client_with(&eve)] {
        // With TLS 1.3 the client learns of the refusal when it reads.
        let refused = match running.connect(config, "app.test").await {
            Ok(mut stream) => ask(&mut stream).await.is_err(),
            Err(_) => true,
        };
        assert!(refused);
    }
}

#[tokio::test]
async fn changed_files_are_served_and_open_connections_stay() {
    let files = Files::new();
    let pair = files.certificate("app", &["app.test"]);
    let running = serve(&settings(vec![pair.clone()]));
    let before = der(&pair.certificate);
    assert_eq!(running.shown(&files, "app.test").await, Some(before.clone()));
    let mut open = running.connect(files.client(), "app.test").await.unwrap();

    files.certificate("app", &["app.test"]);
    running.tls.refresh("edge", &running.metrics, NOW);
    let shown = running.shown(&files, "app.test").await;
    assert_eq!(shown, Some(der(&pair.certificate)));
    assert_ne!(shown, Some(before));
    assert!(ask(&mut open).await.unwrap().ends_with("nobody"));
    assert!(running.counted("sidegate_certificate_reloads_total{result=\"ok\"} 1"));
    running.tls.refresh("edge", &running.metrics, NOW);
    assert!(running.counted("sidegate_certificate_reloads_total{result=\"ok\"} 1"));
}

#[tokio::test]
async fn files_that_are_of_no_use_leave_the_old_ones_in_force() {
    let files = Files::new();
    let pair = files.certificate("app", &["app.test"]);
    let before = der(&pair.certificate);
    let running = serve(&settings(vec![pair]));
    files.write("app.key", "half a file");
    running.tls.refresh("edge", &running.metrics, NOW);
    running.tls.refresh("edge", &running.metrics, NOW);
    assert!(running.counted("sidegate_certificate_reloads_total{result=\"failed\"} 1"));
    assert_eq!(running.shown(&files, "app.test").await, Some(before));
}

#[tokio::test]
async fn a_directory_that_is_swapped_by_a_link_is_a_change() {
    let files = Files::new();
    for version in ["v1", "v2"] {
        fs::create_dir(files.path(version)).unwrap();
        files.certificate(&format!("{version}/app"), &["app.test"]);
    }
    let link = |version: &str| {
        std::os::unix::fs::symlink(version, files.path("new")).unwrap();
        fs::rename(files.path("new"), files.path("data")).unwrap();
    };
    link("v1");
    let running = serve(&settings(vec![files.pair("data/app")]));
    link("v2");
    running.tls.refresh("edge", &running.metrics, NOW);
    assert_eq!(running.shown(&files, "app.test").await, Some(der(&files.path("v2/app.pem"))));
}

#[tokio::test]
async fn the_end_of_certificates_is_told() {
    let files = Files::new();
    let running = serve(&settings(vec![files.certificate("app", &["app.test"])]));
    let text = running.metrics.render(NOW);
    let start =
        "sidegate_certificate_expiry_timestamp_seconds{listener=\"edge\",name=\"app.test\"} ";
    let told: u64 =
        text.lines().find_map(|line| line.strip_prefix(start)).unwrap().parse().unwrap();
    assert_eq!(Timestamp::from_secs(told), running.tls.expiries()[0].1);
}

#[tokio::test]
async fn an_idle_http2_connection_does_not_hold_the_drain() {
    let files = Files::new();
    let running = serve(&settings(vec![files.certificate("app", &["app.test"])]));
    let mut config = files.client();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = running.connect(config, "app.test").await.unwrap();
    let (mut requests, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::get("https://app.test/").body(()).unwrap();
    let (response, _) = requests.send_request(request, true).unwrap();
    let mut body = response.await.unwrap().into_body();
    assert_eq!(body.data().await.unwrap().unwrap(), "nobody");
    running.process.drain.begin();
    let drained = running.process.drain.wait(PATIENCE).await;
    assert_eq!(drained, crate::serve::drain::Drained::Done);
    let _ = connection.await.unwrap();
}

#[tokio::test]
async fn http2_without_a_request_has_the_header_deadline() {
    let files = Files::new();
    let limits =
        guard::Settings { header: Duration::from_millis(300), ..guard::Settings::default() };
    let running = serve_within(&settings(vec![files.certificate("app", &["app.test"])]), limits);
    let mut config = files.client();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = running.connect(config, "app.test").await.unwrap();
    let (_requests, connection) = h2::client::handshake(stream).await.unwrap();
    let _ = tokio::time::timeout(PATIENCE, connection).await.expect("never cut");
    assert!(running.counted(
        "sidegate_connections_refused_total{listener=\"edge\",why=\"header_deadline\"} 1"
    ));
}

fn why(files: CertificateFiles) -> String {
    match ListenerTls::load(&settings(vec![files])) {
        Ok(_) => String::from("loaded"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_file_that_is_of_no_use_is_named_with_its_fault() {
    let files = Files::new();
    let good = files.certificate("app", &["app.test"]);
    let other = files.certificate("other", &["app.test"]);
    files.write("empty.pem", "");
    files.write("text.pem", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n");
    files.write("junk.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let with = |certificate: &str| CertificateFiles {
        certificate: files.path(certificate),
        ..good.clone()
    };
    let key = |key: PathBuf| CertificateFiles { key, ..good.clone() };
    for (pair, file, fault) in [
        (with("absent.pem"), "absent.pem", "cannot read"),
        (with("empty.pem"), "empty.pem", "no certificate"),
        (with("app.key"), "app.key", "no certificate"),
        (with("text.pem"), "text.pem", "not valid PEM"),
        (with("junk.pem"), "junk.pem", "cannot be parsed"),
        (key(files.path("empty.pem")), "empty.pem", "no private key"),
        (key(files.path("app.pem")), "app.pem", "no private key"),
        (key(other.key), "other.key", "does not belong"),
    ] {
        let said = why(pair);
        assert!(said.contains(file) && said.contains(fault), "{said}");
    }
    assert_eq!(why(good), "loaded");
    let none = ListenerTls::load(&settings(Vec::new())).err();
    assert!(matches!(none, Some(TlsError::NoneConfigured)));
}

#[test]
fn a_ca_that_is_not_there_refuses_the_listener() {
    let files = Files::new();
    let mut tls = settings(vec![files.certificate("app", &["app.test"])]);
    tls.client_auth =
        Some(ClientAuth { ca: files.path("absent.pem"), mode: ClientAuthMode::Required });
    assert!(ListenerTls::load(&tls).is_err());
}

#[test]
fn an_upstream_without_a_name_to_check_is_refused() {
    for name in ["", "a b", "-"] {
        let found = UpstreamTls::load(&UpstreamTlsSettings {
            server_name: name.into(),
            ca: None,
            client: None,
        });
        assert!(matches!(found, Err(TlsError::BadServerName { .. })), "{name:?}");
    }
}

#[test]
fn an_upstreams_ca_and_client_certificate_are_loaded_and_checked() {
    let files = Files::new();
    let client = files.certificate("client", &["client.test"]);
    let mut upstream = UpstreamTlsSettings {
        server_name: "app.test".into(),
        ca: Some(files.path("ca.pem")),
        client: Some(client.clone()),
    };
    let loaded = UpstreamTls::load(&upstream).unwrap();
    assert_eq!(loaded.server_name(), "app.test");
    assert_eq!(loaded.ca().unwrap().len(), 1);
    assert_eq!(loaded.client().unwrap().leaf().borrow_raw_cert(), &der(&client.certificate));
    upstream.ca = Some(files.path("client.key"));
    assert!(matches!(UpstreamTls::load(&upstream), Err(TlsError::NoCertificate { .. })));
}
