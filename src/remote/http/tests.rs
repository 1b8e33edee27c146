use super::*;
use crate::remote::error_text;
use crate::remote::origin::{Answer, Origin};

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(10);

fn client() -> Client {
    Client::new(&ClientSettings::default()).unwrap()
}

async fn get(url: &Url, deadline: Duration) -> Result<Reply, FetchError> {
    client().get(Target { url, egress: Egress::Configured, deadline }, None).await
}

/// What comes of this answer.
async fn outcome(answer: Answer) -> Result<Reply, FetchError> {
    let origin = Origin::start().await;
    origin.on("/x", answer);
    get(&origin.at("/x"), LONG).await
}

#[tokio::test]
async fn a_plain_answer_comes_with_its_caching_headers_only() {
    let headers = "ETag: \"1\"\r\nCache-Control: max-age=5\r\nSet-Cookie: a=b\r\nX-Other: 1\r\n";
    let reply = outcome(Answer::with_headers("200 OK", headers, "{}")).await.unwrap();
    assert_eq!((reply.status, &reply.body[..]), (StatusCode::OK, &b"{}"[..]));
    let mut names: Vec<_> = reply.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["cache-control", "etag"]);
    assert!(reply.validators().is_some());
}

#[tokio::test]
async fn requests_name_us_and_offer_no_compression() {
    let origin = Origin::start().await;
    let _ = get(&origin.at("/x"), LONG).await;
    let head = origin.requests("/x").remove(0).to_ascii_lowercase();
    assert!(
        head.contains(&format!("user-agent: sidegate/{}\r\n", env!("CARGO_PKG_VERSION"))),
        "{head}"
    );
    assert!(head.contains("accept-encoding: identity\r\n"), "{head}");
}

#[tokio::test]
async fn an_error_status_is_an_answer() {
    let reply =
        outcome(Answer::with_headers("503 Busy", "Retry-After: 7\r\n", "no")).await.unwrap();
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(reply.headers[header::RETRY_AFTER], "7");
}

#[tokio::test]
async fn redirects_are_not_followed_and_name_the_origin_only() {
    for status in ["301 x", "302 x", "303 x", "307 x", "308 x"] {
        let location = "Location: https://evil.example/keys?secret=1\r\n";
        let error = outcome(Answer::with_headers(status, location, "")).await.unwrap_err();
        let text = error_text(&error);
        assert!(matches!(error, FetchError::Redirected { .. }), "{text}");
        assert!(text.contains("https://evil.example") && !text.contains("secret"), "{text}");
    }
}

#[tokio::test]
async fn a_redirect_loop_is_one_request() {
    let origin = Origin::start().await;
    origin.on("/x", Answer::with_headers("302 Found", "Location: /x\r\n", ""));
    assert!(matches!(get(&origin.at("/x"), LONG).await, Err(FetchError::Redirected { .. })));
    assert_eq!(origin.requests("/x").len(), 1);
}

#[tokio::test]
async fn a_body_is_read_up_to_the_bound_and_no_further() {
    let limit = 1 << 20;
    let reply = outcome(Answer::json(&" ".repeat(limit))).await.unwrap();
    assert_eq!(reply.body.len(), limit);
    let error = outcome(Answer::json(&" ".repeat(limit + 1))).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { limit: 1_048_576 }), "{error:?}");
}

#[tokio::test]
async fn an_endless_body_is_given_up_at_the_bound() {
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", " ".repeat(64 * 1024));
    let error = outcome(Answer::raw(endless).then_repeat()).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn a_compressed_body_is_not_unpacked() {
    let error = outcome(Answer::with_headers("200 OK", "Content-Encoding: gzip\r\n", "x"))
        .await
        .unwrap_err();
    assert!(matches!(error, FetchError::Encoded(encoding) if encoding == "gzip"));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_refused() {
    for torn in [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "HTTP/1.1 200",
        "SSH-2.0-OpenSSH_9.9\r\n",
        "",
    ] {
        let error = outcome(Answer::raw(torn)).await.unwrap_err();
        assert!(matches!(error, FetchError::Broken(_)), "{torn:?}: {error:?}");
    }
}

#[tokio::test]
async fn the_deadline_covers_silence_before_and_within_the_answer() {
    for slow in ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"] {
        let origin = Origin::start().await;
        origin.on("/x", Answer::raw(slow).then_hang());
        let error = get(&origin.at("/x"), SHORT).await.unwrap_err();
        assert!(matches!(error, FetchError::Deadline(SHORT)), "{slow:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_refused_connection_says_so() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let error = get(&url, LONG).await.unwrap_err();
    assert!(matches!(error, FetchError::Connect(_)), "{error:?}");
    assert!(error_text(&error).contains("refused"), "{}", error_text(&error));
}

#[tokio::test]
async fn a_discovered_name_of_this_machine_is_not_connected_to() {
    let origin = Origin::start().await;
    let mut url = origin.at("/x");
    url.set_host(Some("localhost")).unwrap();
    let target = Target { url: &url, egress: Egress::Discovered, deadline: LONG };
    let error = client().get(target, None).await.unwrap_err();
    assert!(error_text(&error).contains("this machine"), "{}", error_text(&error));
    assert!(origin.requests("/x").is_empty());
}

#[tokio::test]
async fn validators_are_sent_back() {
    let origin = Origin::start().await;
    let headers = "ETag: W/\"7\"\r\nLast-Modified: Tue, 01 Sep 2026 00:00:00 GMT\r\n";
    origin.on("/x", Answer::with_headers("200 OK", headers, "{}"));
    let (client, url) = (client(), origin.at("/x"));
    let target = Target { url: &url, egress: Egress::Configured, deadline: LONG };
    let validators = client.get(target, None).await.unwrap().validators();
    client.get(target, validators.as_ref()).await.unwrap();
    let head = origin.requests("/x").remove(1).to_ascii_lowercase();
    assert!(head.contains("if-none-match: w/\"7\"\r\n"), "{head}");
    assert!(head.contains("if-modified-since: tue, 01 sep 2026"), "{head}");
}

mod trust {
    use super::*;
    use crate::remote::http::trust::install_crypto;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
    use rustls::pki_types::PrivateKeyDer;
    use std::io::{self, Read, Write};
    use std::net::TcpListener;

    /// A certificate authority whose root is in a file.
    struct Authority {
        issuer: Issuer<'static, KeyPair>,
        folder: tempfile::TempDir,
    }

    impl Authority {
        fn new() -> Self {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate().unwrap();
            let root = params.self_signed(&key).unwrap();
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("root.pem"), root.pem()).unwrap();
            Self { issuer: Issuer::new(params, key), folder }
        }

        fn client(&self) -> Client {
            let roots = vec![self.folder.path().join("root.pem")];
            Client::new(&ClientSettings { roots, ..ClientSettings::default() }).unwrap()
        }

        /// Serves TLS once, with a certificate for `name` that is valid until the end of `year`.
        fn serve(&self, name: &str, year: i32) -> Url {
            install_crypto();
            let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            params.not_after = date_time_ymd(year, 12, 31);
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &self.issuer).unwrap();
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            let config = rustls::ServerConfig::builder()
                .with_no_client_auth()
                .with_single_cert(vec![certificate.der().clone()], key)
                .unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = Url::parse(&format!(
                "https://localhost:{}/",
                listener.local_addr().unwrap().port()
            ))
            .unwrap();
            std::thread::spawn(move || answer_once(&listener, config));
            url
        }
    }

    fn answer_once(listener: &TcpListener, config: rustls::ServerConfig) -> io::Result<()> {
        let (stream, _) = listener.accept()?;
        let connection =
            rustls::ServerConnection::new(Arc::new(config)).map_err(io::Error::other)?;
        let mut tls = rustls::StreamOwned::new(connection, stream);
        let _ = tls.read(&mut [0; 4096])?;
        tls.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")?;
        tls.conn.send_close_notify();
        tls.flush()
    }

    async fn fetch(client: &Client, url: &Url) -> Result<Reply, FetchError> {
        client.get(Target { url, egress: Egress::Configured, deadline: LONG }, None).await
    }

    #[tokio::test]
    async fn a_configured_root_is_trusted_and_an_unknown_one_is_not() {
        let authority = Authority::new();
        let reply = fetch(&authority.client(), &authority.serve("localhost", 2099)).await.unwrap();
        assert_eq!(reply.status, StatusCode::OK);
        let error = fetch(&client(), &authority.serve("localhost", 2099)).await.unwrap_err();
        assert!(error_text(&error).contains("UnknownIssuer"), "{}", error_text(&error));
    }

    #[tokio::test]
    async fn a_certificate_of_another_host_or_an_expired_one_is_refused() {
        let authority = Authority::new();
        for (name, year, reason) in
            [("other.example", 2099, "not valid for name"), ("localhost", 2001, "expired")]
        {
            let error = fetch(&authority.client(), &authority.serve(name, year)).await.unwrap_err();
            assert!(matches!(error, FetchError::Connect(_)), "{error:?}");
            assert!(error_text(&error).contains(reason), "{}", error_text(&error));
        }
    }

    #[test]
    fn root_files_that_cannot_serve_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roots.pem");
        let new = || {
            Client::new(&ClientSettings { roots: vec![path.clone()], ..ClientSettings::default() })
        };
        assert!(matches!(new(), Err(ClientError::UnreadableRoots { .. })));
        std::fs::write(&path, "no pem").unwrap();
        assert!(new().unwrap_err().to_string().contains("roots.pem has no certificate"));
    }

    #[test]
    fn clients_are_alike_if_their_roots_are() {
        let authority = Authority::new();
        assert!(authority.client().is_like(&authority.client()));
        assert!(!authority.client().is_like(&client()));
        assert!(!authority.client().is_like(&Authority::new().client()));
    }
}
