//! Requests in HTTP/2 frames made by hand: what cannot be said in HTTP/1.1 without doubt does not get to an upstream that
//! speaks it.

use std::sync::Arc;

use pingora::tls::{ClientTlsStream, ServerName, TlsConnector};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::http::install_crypto;
use crate::support::process::PATIENCE;
use crate::support::site::{PUBLIC_AND_REST, Site};
use crate::support::upstream::Recorded;

pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
/// `END_STREAM` and `END_HEADERS`.
pub(crate) const WHOLE: u8 = 0x05;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A site with TLS, which is where HTTP/2 is spoken.
pub(crate) struct Tls {
    pub(crate) site: Site,
    connector: TlsConnector,
    _files: TempDir,
}

impl Tls {
    async fn start() -> Self {
        Self::start_with("").await
    }

    /// With `rest` at the end of the configuration.
    pub(crate) async fn start_with(rest: &str) -> Self {
        install_crypto();
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["app.test".to_owned()]).unwrap();
        let files = tempfile::tempdir().unwrap();
        let (certificate, key) = (files.path().join("tls.crt"), files.path().join("tls.key"));
        std::fs::write(&certificate, cert.pem()).unwrap();
        std::fs::write(&key, signing_key.serialize_pem()).unwrap();
        let listener = format!(
            "\nlisteners: [{{ address: '127.0.0.1:0', tls: {{ certificate: {}, key: {} }} }}]\n",
            certificate.display(),
            key.display()
        );
        let site = Site::start(&format!("{listener}{PUBLIC_AND_REST}{rest}")).await;
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let mut config =
            ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self { site, connector: TlsConnector::from(Arc::new(config)), _files: files }
    }

    /// A connection on which HTTP/2 has begun.
    pub(crate) async fn connect(&self) -> ClientTlsStream<TcpStream> {
        let socket = TcpStream::connect(self.site.address).await.unwrap();
        let name = ServerName::try_from("app.test").unwrap();
        let mut stream = self.connector.connect(name, socket).await.unwrap();
        stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await.unwrap();
        stream
    }

    /// What arrives upstream of a request with just these fields.
    pub(crate) async fn send(&self, fields: &[(&str, &str)]) -> Vec<Recorded> {
        let before = self.site.upstream.requests().len();
        self.ask(fields).await;
        assert_eq!(self.site.upstream.violations(), Vec::<String>::new(), "{fields:?}");
        self.site.upstream.requests().split_off(before)
    }

    /// Sends a request with just these fields, and waits for what becomes of it.
    pub(crate) async fn ask(&self, fields: &[(&str, &str)]) {
        let mut stream = self.connect().await;
        // Whoever refuses a request may close before all of it is sent.
        let _ = stream.write_all(&frame(HEADERS, WHOLE, 1, &block(fields))).await;
        let answered = async {
            while let Ok(kind) = next_frame(&mut stream).await {
                if [HEADERS, RST_STREAM, GOAWAY].contains(&kind) {
                    return;
                }
            }
        };
        timeout(PATIENCE, answered).await.expect("an answer within the test's patience");
    }
}

/// The type of the next frame that matters: settings are exchanged first.
async fn next_frame(stream: &mut (impl AsyncReadExt + Unpin)) -> std::io::Result<u8> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await?;
    let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
    stream.read_exact(&mut vec![0; length]).await?;
    Ok(head[3])
}

/// A frame of `stream` ([RFC 9113 §4.1](https://www.rfc-editor.org/rfc/rfc9113#section-4.1)).
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags];
    [&head, stream.to_be_bytes().as_slice(), payload].concat()
}

/// The fields of a header.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| literal(name, value)).collect()
}

/// A field without compression ([RFC 7541 §6.2.2](https://www.rfc-editor.org/rfc/rfc7541#section-6.2.2)).
fn literal(name: &str, value: &str) -> Vec<u8> {
    [vec![0], string(name), string(value)].concat()
}

fn string(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    match text.len().checked_sub(127) {
        None => bytes.push(u8::try_from(text.len()).unwrap()),
        Some(mut rest) => {
            bytes.push(127);
            while rest >= 128 {
                bytes.push(u8::try_from(rest % 128).unwrap() | 128);
                rest /= 128;
            }
            bytes.push(u8::try_from(rest).unwrap());
        }
    }
    bytes.extend(text.bytes());
    bytes
}

/// `GET target` of `app.test`, with `more` behind.
pub(crate) fn get<'a>(target: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let pseudo =
        [(":method", "GET"), (":scheme", "https"), (":authority", "app.test"), (":path", target)];
    [&pseudo, more].concat()
}

/// RFC 9113 §8.2.3: browsers split cookies over several fields, and servers of HTTP/1.1 know one.
#[tokio::test]
async fn cookie_fields_are_read_together_and_joined_for_the_upstream() {
    let tls = Tls::start().await;
    let token = tls.site.issuer.token("ada");
    let sso = format!("sso={token}");
    let arrived =
        tls.send(&get("/x", &[("cookie", "a=1"), ("cookie", &sso), ("cookie", "b=2")])).await;
    assert_eq!(arrived.len(), 1);
    assert_eq!(arrived[0].values("cookie"), [format!("a=1; {sso}; b=2")]);
    assert_eq!(arrived[0].values("x-forwarded-user"), ["ada"]);
    assert_eq!(arrived[0].values("x-forwarded-proto"), ["https"]);
    assert_eq!(arrived[0].values("host"), ["app.test"]);
    let twice = tls.send(&get("/x", &[("cookie", &sso), ("cookie", &sso)])).await;
    assert!(twice.is_empty(), "two cookies of one name");
    assert!(tls.send(&get("/x", &[])).await.is_empty());
}

/// H2 downgrade injection: what would end a line or frame a body differently in HTTP/1.1.
#[tokio::test]
async fn what_http_1_would_read_differently_does_not_get_there() {
    let tls = Tls::start().await;
    let fields = [
        ("x-a", "1\r\nX-Forwarded-User: root"),
        ("x-a", "1\n\nGET /admin HTTP/1.1"),
        ("x-a", "1\r2"),
        ("x-a", "1\0"),
        ("x-a: 1\r\nx-b", "2"),
        ("x-a\nx-b", "2"),
        ("x a", "1"),
        ("x:a", "1"),
        ("X-Upper", "1"),
        ("", "1"),
        ("transfer-encoding", "chunked"),
        ("connection", "x-forwarded-user"),
        ("keep-alive", "1"),
        ("proxy-connection", "keep-alive"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
        ("host", "evil.test"),
        ("content-length", "5"),
        ("content-length", "-1"),
        ("content-length", "0, 0"),
        (":path", "/public/y"),
        (":method", "POST"),
        (":authority", "evil.test"),
        (":unknown", "1"),
    ];
    for field in fields {
        let arrived = tls.send(&get("/public/x", &[field])).await;
        assert!(arrived.is_empty(), "{field:?}: {arrived:?}");
    }
    for target in [
        "*",
        "public/x",
        "",
        "http://app.test/public/x",
        "/public/a\r\nX: 1",
        "/public/a HTTP/1.1\r\nX: 1",
    ] {
        let arrived = tls.send(&get(target, &[])).await;
        assert!(arrived.is_empty(), "{target:?}: {arrived:?}");
    }
    for authority in ["user@app.test", "a/b", "a, b", "a b", "", "[::1", "app.test:x"] {
        let mut fields = get("/public/x", &[]);
        fields[2].1 = authority;
        assert!(tls.send(&fields).await.is_empty(), "{authority:?}");
    }
    for missing in [0, 3] {
        let mut fields = get("/public/x", &[]);
        fields.remove(missing);
        assert!(tls.send(&fields).await.is_empty(), "without {missing}");
    }
    assert_eq!(tls.send(&get("/public/x", &[("te", "trailers")])).await.len(), 1);
}

/// pingora 0.9.1 passes duplicates on.
#[tokio::test]
async fn a_length_is_passed_on_once() {
    let tls = Tls::start().await;
    let arrived =
        tls.send(&get("/public/x", &[("content-length", "0"), ("content-length", "0")])).await;
    assert!(
        arrived.iter().all(|request| request.values("content-length").len() <= 1),
        "{arrived:?}"
    );
}

/// The paths of HTTP/2 are judged as those of HTTP/1.1.
#[tokio::test]
async fn no_spelling_of_a_protected_path_passes_in_frames_either() {
    let tls = Tls::start().await;
    for target in [
        "/admin",
        "/public/../admin",
        "/public/%2e%2e/admin",
        "//admin",
        "/public/..;/admin",
        "/public\\..\\admin",
    ] {
        assert!(tls.send(&get(target, &[])).await.is_empty(), "{target}");
    }
    for (method, path) in [("TRACE", "/public/x"), ("CONNECT", "/public/x"), ("get", "/public/x")] {
        let mut fields = get(path, &[]);
        fields[0].1 = method;
        assert!(tls.send(&fields).await.is_empty(), "{method}");
    }
    assert_eq!(
        tls.send(&get("/public/x?y", &[])).await[0].request_line(),
        "GET /public/x?y HTTP/1.1"
    );
}
