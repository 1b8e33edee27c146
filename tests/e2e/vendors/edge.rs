//! What all scenarios here stand on: the edge is reached by TLS that is verified, by people and by sidegate itself.

use reqwest::StatusCode;

use super::app::{KEY, Plan};
use super::okta::{app, head};
use crate::support::certificates::{Authority, connect};
use crate::support::http::client;
use crate::support::person::Person;
use crate::support::process::Sidegate;
use crate::support::raw::get;
use crate::support::vendors::tenants;
use crate::support::{edge, tunnel};

#[tokio::test]
async fn people_reach_the_edge_by_tls_alone_and_believe_no_other_authority() {
    let Some([okta]) = tenants(["okta"]).await else { return };
    let one = app("app1", &okta, Plan::default()).await;
    let url = one.url("/.auth/session");
    assert_eq!(client().get(&url).send().await.unwrap().status(), StatusCode::OK);
    let plain = url.replacen("https:", "http:", 1);
    assert!(client().get(plain).send().await.is_err());
    let address = one.sidegate.listener("edge").await;
    let shown = async |config, name| connect(config, address, name).await.is_ok();
    assert!(shown(edge::config(), "app1.edge.test").await);
    assert!(!shown(edge::config(), "app1.elsewhere.test").await);
    assert!(!shown(Authority::new().client(), "app1.edge.test").await);
}

#[tokio::test]
async fn sidegate_believes_a_provider_by_the_configured_authority_alone() {
    let Some([okta]) = tenants(["okta"]).await else { return };
    let provider: String = head(&okta).lines().map(|line| format!("  {line}\n")).collect();
    let configuration = format!(
        "listen: 127.0.0.1:0\nadmin: none\nupstream: http://127.0.0.1:9\nprovider:\n{provider}  client_id: app1\n  \
         client_secret: {{ value: s }}\nsession: {{ keys: [{{ value: \"{KEY}\" }}] }}\n"
    );
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("config.yaml"), configuration).unwrap();
    let sidegate = Sidegate::run_in_with(directory, tunnel::environment().to_vec());
    let login = get("/.auth/login").navigation().send(sidegate.address().await).await;
    let log = sidegate.program.output();
    assert_eq!(login.status, 503, "{login:#?}\n{log}");
    let told = |line: &str| line.contains("invalid peer certificate").then_some(());
    sidegate.program.wait_for(told).await;
    assert_eq!(okta.log().await.len(), 0);
}

#[tokio::test]
async fn the_session_is_a_cookie_of_its_host_that_goes_by_tls_alone() {
    let Some([okta]) = tenants(["okta"]).await else { return };
    let one = app("app1", &okta, Plan::default()).await;
    let ada = Person::new();
    one.sign_in(&ada, "ada").await;
    let jar = ada.jar();
    let session = jar.all().iter().find(|kept| kept.name.starts_with("__Host-sidegate"));
    let session = session.unwrap_or_else(|| panic!("{jar:#?}"));
    assert!(session.secure && session.host_only && session.http_only, "{session:?}");
    assert_eq!((session.domain.as_str(), session.path.as_str()), ("app1.edge.test", "/"));
    let url = url::Url::parse(&one.site).unwrap();
    let sent = |url: &url::Url| {
        let sent = jar.sent(url, crate::support::jar::From::Own).unwrap_or_default();
        sent.contains(&session.name)
    };
    assert!(sent(&url));
    for elsewhere in ["http://app1.edge.test/", "https://app2.edge.test/", "https://edge.test/"] {
        assert!(!sent(&url::Url::parse(elsewhere).unwrap()), "{elsewhere}");
    }
}
