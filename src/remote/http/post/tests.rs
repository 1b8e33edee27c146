use std::time::Duration;

use url::Url;

use super::*;
use crate::remote::egress::Egress;
use crate::remote::error_text;
use crate::remote::http::ClientSettings;
use crate::remote::origin::{Answer, Origin};

const LONG: Duration = Duration::from_secs(10);

fn client() -> Client {
    Client::new(&ClientSettings::default()).unwrap()
}

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

async fn post(url: &Url, authorization: Option<&HeaderValue>) -> Result<Reply, FetchError> {
    let target = Target { url, egress: Egress::Configured, deadline: LONG };
    client().post_form(target, authorization, &secret("code=a%2Bb")).await
}

#[tokio::test]
async fn a_form_is_sent_once_with_its_credentials() {
    let origin = Origin::start().await;
    origin
        .on("/token", Answer::with_headers("400 Bad", "Content-Type: application/json\r\n", "{}"));
    let reply = post(&origin.at("/token"), Some(&HeaderValue::from_static("Basic eA=="))).await;
    let reply = reply.unwrap();
    assert_eq!((reply.status.as_u16(), &reply.body[..]), (400, &b"{}"[..]));
    let requests = origin.requests("/token");
    assert_eq!(requests.len(), 1);
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /token HTTP/1.1\r\n"), "{head}");
    let head = head.to_ascii_lowercase();
    assert!(head.contains("authorization: basic ea=="), "{head}");
    assert!(head.contains("content-type: application/x-www-form-urlencoded"), "{head}");
    assert!(head.contains("accept: application/json"), "{head}");
    assert_eq!(body, "code=a%2Bb");
}

// Row x049.
#[tokio::test]
async fn a_redirect_takes_no_secret_elsewhere() {
    let (origin, elsewhere) = (Origin::start().await, Origin::start().await);
    for status in ["302 x", "307 x", "308 x"] {
        let location = format!("Location: {}\r\n", elsewhere.at("/token"));
        origin.on("/token", Answer::with_headers(status, &location, ""));
        let outcome = post(&origin.at("/token"), None).await;
        assert!(matches!(outcome, Err(FetchError::Redirected { .. })), "{status}");
    }
    assert!(elsewhere.requests("/token").is_empty());
}

// Row x039.
#[tokio::test]
async fn a_silent_or_broken_endpoint_has_an_end() {
    let origin = Origin::start().await;
    origin.on("/token", Answer::raw("").then_hang());
    let deadline = Duration::from_millis(200);
    let (url, body) = (&origin.at("/token"), &secret("x"));
    let target = Target { url, egress: Egress::Configured, deadline };
    let silent = client().post_form(target, None, body).await.unwrap_err();
    assert!(matches!(silent, FetchError::Deadline(_)));
    origin.on("/token", Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"));
    assert!(matches!(post(url, None).await, Err(FetchError::Broken(_))));
    assert_eq!(origin.requests("/token").len(), 2);
}

#[tokio::test]
async fn forms_obey_the_rules_of_outbound_addresses() {
    let url = Url::parse("http://login.example.com/token").unwrap();
    assert!(matches!(post(&url, None).await, Err(FetchError::Egress(_))));
    let origin = Origin::start().await;
    let (url, body) = (&origin.at("/token"), &secret("x"));
    let target = Target { url, egress: Egress::Discovered, deadline: LONG };
    assert!(matches!(client().post_form(target, None, body).await, Err(FetchError::Egress(_))));
    assert!(origin.requests("/token").is_empty());
}

#[tokio::test]
async fn an_access_token_goes_in_a_header() {
    let origin = Origin::start().await;
    origin.on("/me", Answer::json("{}"));
    let get = async |token: &str| {
        let (url, token) = (&origin.at("/me"), &secret(token));
        let target = Target { url, egress: Egress::Configured, deadline: LONG };
        client().get_authorized(target, token).await.map_err(|error| error_text(&error))
    };
    get("at-1").await.unwrap();
    get("a\r\nX-Admin: 1").await.unwrap();
    let requests = origin.requests("/me");
    assert!(requests[0].contains("authorization: Bearer at-1\r\n"), "{}", requests[0]);
    assert!(requests[0].contains("application/jwt"), "{}", requests[0]);
    assert!(!requests[1].contains("Admin"), "{}", requests[1]);
}
