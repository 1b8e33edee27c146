use super::*;
use crate::remote::http::ClientSettings;
use crate::remote::origin::{Answer, Origin, within};
use serde_json::json;
use url::Url;

const DOCUMENT: &str = "/.well-known/openid-configuration";
const HOUR: Duration = Duration::from_secs(3600);
const LONG: Duration = Duration::from_secs(10);

/// Never again within a test.
fn quiet() -> MetadataBounds {
    MetadataBounds { refresh: HOUR, retry_min: HOUR, retry_max: HOUR, timeout: LONG }
}

/// Again at once.
fn brisk() -> MetadataBounds {
    let soon = Duration::from_millis(20);
    MetadataBounds { refresh: soon, retry_min: soon, retry_max: soon, timeout: LONG }
}

fn settings(origin: &Origin, bounds: MetadataBounds) -> MetadataSettings {
    MetadataSettings {
        name: "main".to_owned(),
        issuer: origin.issuer(),
        source: MetadataSource::Discovery,
        endpoints: Endpoints::default(),
        bounds,
    }
}

fn start(settings: MetadataSettings, previous: Option<&ProviderMetadata>) -> ProviderMetadata {
    ProviderMetadata::start(settings, Client::new(&ClientSettings::default()).unwrap(), previous)
}

fn document(origin: &Origin, token_path: &str) -> Answer {
    let token_endpoint = origin.at(token_path);
    let document = json!({ "issuer": origin.issuer(), "token_endpoint": token_endpoint.as_str() });
    Answer::json(&document.to_string())
}

fn token_path(metadata: Option<Arc<Metadata>>) -> String {
    metadata.unwrap().endpoints.token.as_ref().unwrap().path().to_owned()
}

async fn attempted(keeper: &ProviderMetadata, count: u64) {
    within(keeper.events().wait_for(|done| *done >= count)).await.unwrap();
}

#[tokio::test]
async fn the_first_sign_in_waits_for_the_metadata() {
    let origin = Origin::start().await;
    let gate = watch::Sender::new(false);
    origin.on(DOCUMENT, document(&origin, "/token").behind(&gate));
    let keeper = start(settings(&origin, quiet()), None);
    assert_eq!(keeper.current(), None);
    assert_eq!(keeper.wait(Duration::ZERO).await, None);
    gate.send_replace(true);
    assert_eq!(token_path(within(keeper.wait(LONG)).await), "/token");
    assert_eq!(keeper.error(), None);
}

// Row x000.
#[tokio::test]
async fn a_provider_that_is_down_is_tried_again() {
    let origin = Origin::start().await;
    origin.on(DOCUMENT, Answer::status("500 Oops"));
    let keeper = start(settings(&origin, brisk()), None);
    assert_eq!(within(keeper.wait(LONG)).await, None);
    assert!(keeper.error().unwrap().contains("answers 500"));
    origin.on(DOCUMENT, document(&origin, "/token"));
    within(async {
        while keeper.current().is_none() {
            keeper.events().changed().await.unwrap()
        }
    })
    .await;
    assert_eq!(keeper.error(), None);
}

// Row x001.
#[tokio::test]
async fn good_metadata_outlives_bad_answers() {
    let origin = Origin::start().await;
    origin.on(DOCUMENT, document(&origin, "/token"));
    let keeper = start(settings(&origin, brisk()), None);
    attempted(&keeper, 1).await;
    for bad in [
        Answer::status("404 Gone"),
        Answer::json("[]"),
        Answer::json("{}"),
        Answer::with_headers("200 OK", "Content-Type: text/html\r\n", "<html>"),
        Answer::with_headers("302 Found", "Location: https://evil.example/\r\n", ""),
        Answer::json(r#"{"issuer":"https://evil.example"}"#),
    ] {
        origin.on(DOCUMENT, bad);
        let done = *keeper.events().borrow();
        attempted(&keeper, done + 2).await;
        assert_eq!(token_path(keeper.current()), "/token");
        assert!(keeper.error().is_some());
    }
}

// Row x007.
#[tokio::test]
async fn a_moved_endpoint_is_picked_up_and_the_old_one_stays_with_who_has_it() {
    let origin = Origin::start().await;
    origin.on(DOCUMENT, document(&origin, "/old"));
    let keeper = start(settings(&origin, brisk()), None);
    let before = within(keeper.wait(LONG)).await;
    origin.on(DOCUMENT, document(&origin, "/new"));
    let done = *keeper.events().borrow();
    attempted(&keeper, done + 2).await;
    assert_eq!((token_path(before), token_path(keeper.current())), ("/old".into(), "/new".into()));
}

#[tokio::test]
async fn configured_addresses_need_no_document_and_win_over_one() {
    let origin = Origin::start().await;
    let endpoints = Endpoints { token: Some(origin.at("/mine")), ..Endpoints::default() };
    let configured = MetadataSettings {
        source: MetadataSource::Configured,
        endpoints: endpoints.clone(),
        ..settings(&origin, brisk())
    };
    assert_eq!(token_path(start(configured, None).current()), "/mine");
    assert!(origin.requests(DOCUMENT).is_empty());
    origin.on(DOCUMENT, document(&origin, "/theirs"));
    let keeper = start(MetadataSettings { endpoints, ..settings(&origin, quiet()) }, None);
    assert_eq!(token_path(within(keeper.wait(LONG)).await), "/mine");
}

#[tokio::test]
async fn a_reload_starts_with_what_is_known_of_the_same_issuer() {
    let origin = Origin::start().await;
    origin.on(DOCUMENT, document(&origin, "/token"));
    let keeper = start(settings(&origin, quiet()), None);
    attempted(&keeper, 1).await;
    origin.on(DOCUMENT, Answer::raw("").then_hang());
    let heir = start(settings(&origin, quiet()), Some(&keeper));
    assert_eq!(token_path(heir.current()), "/token");
    let endpoints = Endpoints {
        token: Some(Url::parse("https://a.example/").unwrap()),
        ..Endpoints::default()
    };
    let other = start(MetadataSettings { endpoints, ..settings(&origin, quiet()) }, Some(&keeper));
    assert_eq!(other.current(), None);
}

#[tokio::test]
async fn a_keeper_that_is_gone_fetches_no_more() {
    let origin = Origin::start().await;
    let keeper = start(settings(&origin, brisk()), None);
    let shared = Arc::downgrade(&keeper.shared);
    attempted(&keeper, 1).await;
    drop(keeper);
    within(async {
        while shared.upgrade().is_some() {
            tokio::task::yield_now().await
        }
    })
    .await;
}
