//! Where keys come from: discovery, an address, a file, the configuration, and the copy on disk.

use super::*;
use std::fs;
use std::os::unix::fs::symlink;

const METADATA: &str = "/.well-known/openid-configuration";

fn metadata(origin: &Origin, jwks_path: &str) -> Answer {
    Answer::json(
        &json!({ "issuer": origin.issuer(), "jwks_uri": origin.at(jwks_path).as_str() })
            .to_string(),
    )
}

fn discovered(origin: &Origin, bounds: RefreshBounds) -> ProviderKeys {
    ProviderKeys { issuer: origin.issuer(), ..provider(KeySourceSettings::Discovery, bounds) }
}

fn with_copy(provider: ProviderKeys, path: &Path) -> ProviderKeys {
    ProviderKeys { disk_copy: Some(path.to_owned()), ..provider }
}

// Rows x020, x021.
#[tokio::test]
async fn a_refresh_is_conditional_and_not_modified_is_good_news() {
    let origin = Origin::start().await;
    origin.on(
        "/jwks",
        Answer::with_headers(
            "200 OK",
            "ETag: \"1\"\r\nCache-Control: max-age=0\r\n",
            &keys(&["a"]),
        ),
    );
    let rig = Rig::settled(vec![at_uri(&origin, brisk())]).await;
    origin.on("/jwks", Answer::status("304 Not Modified"));
    rig.clock.set(NOW + HOUR);
    let status = rig.until(|status| status.confirmed == Some(NOW + HOUR)).await;
    assert_eq!((status.error, status.loaded, rig.kids()), (None, Some(NOW), vec!["a".to_owned()]));
    assert!(
        origin
            .requests("/jwks")
            .pop()
            .unwrap()
            .to_ascii_lowercase()
            .contains("if-none-match: \"1\"")
    );
    assert!(rig.record.count(RefreshResult::NotModified) > 0);
}

#[tokio::test]
async fn a_bad_set_is_not_confirmed_by_not_modified() {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::with_headers("200 OK", "ETag: \"good\"\r\n", &keys(&["a"])));
    let rig = Rig::settled(vec![at_uri(&origin, brisk())]).await;
    origin.on("/jwks", Answer::with_headers("200 OK", "ETag: \"bad\"\r\n", "{\"keys\":[]}"));
    rig.until_error("no usable key").await;
    let asked = origin.requests("/jwks").len();
    origin.requested("/jwks", asked + 2).await;
    assert!(origin.requests("/jwks").pop().unwrap().contains("\"good\""));
}

#[tokio::test]
async fn the_same_keys_written_differently_are_no_news() {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    let rig = Rig::settled(vec![at_uri(&origin, brisk())]).await;
    origin.on("/jwks", Answer::json(&format!("  {}", keys(&["a"]))));
    origin.requested("/jwks", 4).await;
    assert_eq!(rig.record.count(RefreshResult::Fresh), 1);
}

// Row x014.
#[tokio::test]
async fn a_key_that_is_published_ahead_is_there_before_it_is_used() {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    let rig = Rig::settled(vec![at_uri(&origin, brisk())]).await;
    origin.on("/jwks", Answer::json(&keys(&["a", "b"])));
    rig.until(|status| status.keys == 2).await;
    assert_eq!(rig.kids(), ["a", "b"]);
}

#[tokio::test]
async fn discovery_leads_to_the_keys_and_is_remembered() {
    let origin = Origin::start().await;
    origin.on(METADATA, metadata(&origin, "/jwks"));
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    let rig = Rig::settled(vec![discovered(&origin, brisk())]).await;
    assert_eq!(rig.kids(), ["a"]);
    origin.requested("/jwks", 5).await;
    assert_eq!(origin.requests(METADATA).len(), 1);
}

// Row x007.
#[tokio::test]
async fn keys_that_moved_are_discovered_again() {
    let origin = Origin::start().await;
    origin.on(METADATA, metadata(&origin, "/jwks"));
    origin.on("/jwks", Answer::with_headers("200 OK", "ETag: \"1\"\r\n", &keys(&["a"])));
    let rig = Rig::settled(vec![discovered(&origin, brisk())]).await;
    origin.on(METADATA, metadata(&origin, "/moved"));
    origin.on("/moved", Answer::json(&keys(&["b"])));
    origin.on("/jwks", Answer::status("404 Not Found"));
    rig.until(|_| rig.kids() == ["b"]).await;
    let first = origin.requests("/moved").remove(0).to_ascii_lowercase();
    assert!(!first.contains("if-none-match"), "what is known of the old address: {first}");
}

// Row x001.
#[tokio::test]
async fn a_failing_discovery_is_reported_and_retried() {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    for (answer, reason) in [
        (Answer::status("500 Oops"), "answers 500"),
        (
            Answer::with_headers("302 Found", "Location: https://evil.example/\r\n", ""),
            "https://evil.example",
        ),
        (
            Answer::with_headers("200 OK", "Content-Type: text/html\r\n", "<html>login</html>"),
            "JSON object",
        ),
        (Answer::json("{}"), "no `issuer`"),
        (
            Answer::json("{\"issuer\":\"https://evil.example\"}"),
            "is of issuer `https://evil.example`",
        ),
        (
            Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{").then_hang(),
            "within 1000 ms",
        ),
    ] {
        origin.on(METADATA, answer);
        let rig = Rig::start(vec![discovered(&origin, brisk())]);
        rig.until_error(reason).await;
        origin.on(METADATA, metadata(&origin, "/jwks"));
        rig.until(|status| status.keys == 1).await;
    }
}

#[tokio::test]
async fn inline_keys_are_used_and_need_no_network() {
    let settings = provider(KeySourceSettings::Inline(keys(&["a"]).into_bytes()), quiet());
    let rig = Rig::settled(vec![settings]).await;
    assert_eq!(rig.kids(), ["a"]);
    assert_eq!(rig.ask_unknown("b").await, Told::Unchanged);
}

#[tokio::test]
async fn a_key_file_is_read_again_when_it_changes_under_a_symlink() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("old"), keys(&["a"])).unwrap();
    fs::write(at("new"), keys(&["b"])).unwrap();
    symlink("old", at("keys.json")).unwrap();
    let rig = Rig::settled(vec![provider(KeySourceSettings::File(at("keys.json")), quiet())]).await;
    assert_eq!(rig.kids(), ["a"]);
    symlink("new", at("next")).unwrap();
    fs::rename(at("next"), at("keys.json")).unwrap();
    assert_eq!(rig.ask_unknown("b").await, fresh(&["b"]));
}

#[tokio::test]
async fn a_key_file_that_goes_bad_leaves_the_old_set() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    fs::write(&path, keys(&["a"])).unwrap();
    let rig = Rig::settled(vec![provider(KeySourceSettings::File(path.clone()), quiet())]).await;
    fs::write(&path, "{").unwrap();
    rig.ask_unknown("b").await;
    rig.until_error("no usable key set").await;
    assert_eq!(rig.kids(), ["a"]);
    fs::write(&path, keys(&["b"])).unwrap();
    rig.until(|status| status.error.is_none()).await;
    assert_eq!(rig.kids(), ["b"]);
}

#[tokio::test]
async fn a_restart_while_the_provider_is_down_uses_the_copy_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.json");
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    let settings = with_copy(at_uri(&origin, brisk()), &path);
    drop(saved(settings.clone(), &path).await);
    origin.on("/jwks", Answer::raw("").then_hang());
    let rig = Rig::start(vec![settings]);
    rig.clock.set(NOW + HOUR);
    assert_eq!(rig.ask("a", KeyDoubt::NotLoaded).await, fresh(&["a"]));
    let status = rig.until(|status| status.error.is_some()).await;
    assert_eq!((status.keys, status.confirmed), (1, Some(NOW)), "its age is that of the fetch");
    origin.on("/jwks", Answer::json(&keys(&["b"])));
    rig.until(|_| rig.kids() == ["b"]).await;
}

#[tokio::test]
async fn the_copy_of_another_source_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.json");
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    drop(saved(with_copy(at_uri(&origin, brisk()), &path), &path).await);
    let elsewhere = provider(KeySourceSettings::JwksUri(origin.at("/other")), brisk());
    let rig = Rig::settled(vec![with_copy(elsewhere, &path)]).await;
    assert!(rig.kids().is_empty());
}

#[tokio::test]
async fn a_copy_that_cannot_be_written_does_not_matter() {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    let settings = with_copy(at_uri(&origin, quiet()), Path::new("/nonexistent/copy.json"));
    assert_eq!(Rig::settled(vec![settings]).await.kids(), ["a"]);
}

/// A keeper that has written its copy: the second attempt begins after the first was saved.
async fn saved(settings: ProviderKeys, path: &Path) -> Rig {
    let rig = Rig::settled(vec![settings]).await;
    rig.until(|_| rig.record.count(RefreshResult::NotModified) > 0).await;
    assert!(path.exists());
    rig
}
