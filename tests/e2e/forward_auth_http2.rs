//! The door `forward_auth` over TLS, where proxies ask in HTTP/2.

use h2::client::SendRequest;
use http::{Request, StatusCode};

use crate::support::certificates::{Authority, connect};
use crate::support::process::Sidegate;
use crate::support::wire::patiently;

/// What a question answers: status, and whether the header of the user is there.
async fn ask(
    sender: &SendRequest<bytes::Bytes>,
    path: &str,
    fields: &[(&str, &str)],
) -> (StatusCode, bool) {
    let request = Request::get(format!("https://asked.test{path}"));
    let request =
        fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let mut ready = patiently(sender.clone().ready()).await.unwrap();
    let (answer, _) = ready.send_request(request.body(()).unwrap(), true).unwrap();
    let answer = patiently(answer).await.unwrap();
    let (head, mut body) = answer.into_parts();
    // Each stream ends, with or without a body.
    while let Some(piece) = patiently(body.data()).await {
        let length = piece.unwrap().len();
        body.flow_control().release_capacity(length).unwrap();
    }
    (head.status, head.headers.contains_key("x-forwarded-user"))
}

#[tokio::test]
async fn questions_are_streams_of_one_connection() {
    let authority = Authority::new();
    authority.issue("asked", &["asked.test"]);
    let sidegate = Sidegate::run(&format!(
        "admin: none\ntrusted_proxies: [127.0.0.1]\nprovider: {{ issuer: 'http://127.0.0.1:9', audience: web }}\n\
         listeners: [{{ address: '127.0.0.1:0', door: forward_auth, tls: {{ {} }} }}]\n\
         routes: [{{ match: {{ paths: /public/* }}, access: public }}, {{ match: {{ paths: /* }}, access: optional }}]\n",
        authority.pair("asked")
    ));
    let mut config = authority.client();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let address = sidegate.address().await;
    let stream = connect(config, address, "asked.test").await.unwrap();
    let (sender, connection) = patiently(h2::client::handshake(stream)).await.unwrap();
    tokio::spawn(connection);
    for _ in 0..20 {
        let told = [
            ("x-forwarded-method", "GET"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "app.test"),
            ("x-forwarded-uri", "/public/x"),
        ];
        let answer = ask(&sender, "/.auth/verify/traefik", &told).await;
        assert_eq!(answer, (StatusCode::OK, true));
        let told = [("x-forwarded-proto", "https")];
        let answer = ask(&sender, "/.auth/verify/envoy/public/x", &told).await;
        assert_eq!(answer, (StatusCode::OK, true));
        let answer = ask(&sender, "/.auth/verify/traefik", &told).await;
        assert_eq!(answer, (StatusCode::BAD_REQUEST, false));
        assert_eq!(ask(&sender, "/.auth/jwks", &[]).await.0, StatusCode::OK);
        assert_eq!(ask(&sender, "/x", &[]).await.0, StatusCode::NOT_FOUND);
    }
}
