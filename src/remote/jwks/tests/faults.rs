//! Everything a provider may do wrong: the last good set stays, and the operator is told.

use super::*;

/// After a good start the provider answers like this; what it had said before must stay.
async fn status_after(answer: Answer) -> ProviderStatus {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    let rig = Rig::settled(vec![at_uri(&origin, brisk())]).await;
    origin.on("/jwks", answer);
    let status = rig.until(|status| status.error.is_some()).await;
    assert_eq!((rig.kids(), status.keys), (vec!["a".to_owned()], 1));
    assert!(rig.record.count(RefreshResult::Failed) > 0);
    status
}

async fn error_after(answer: Answer) -> String {
    status_after(answer).await.error.unwrap()
}

// Rows x011, x013.
#[tokio::test]
async fn whatever_is_no_usable_key_set_leaves_the_old_one() {
    let only_encryption = keys(&["a"]).replace("\"crv\"", "\"use\":\"enc\",\"crv\"");
    let too_many = keys(&vec!["k"; 10_000]);
    for (answer, reason) in [
        (Answer::status("500 Oops"), "answers 500"),
        (Answer::status("401 No"), "answers 401"),
        (Answer::status("204 No Content"), "answers 204"),
        (Answer::status("304 Not Modified"), "answers 304"),
        (Answer::json(""), "key set"),
        (Answer::json("garbage"), "key set"),
        (Answer::json("[]"), "key set"),
        (Answer::json("{}"), "key set"),
        (Answer::json("{\"keys\":[]}"), "no usable key"),
        (Answer::json("{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}]}"), "no usable key"),
        (Answer::json(&only_encryption), "no usable key"),
        (Answer::json(&too_many), "bytes that are read"),
        (
            Answer::with_headers("200 OK", "Content-Type: text/html\r\n", "<html>"),
            "(text/html) is no usable",
        ),
        (
            Answer::with_headers("302 Found", "Location: https://evil.example/jwks\r\n", ""),
            "https://evil.example",
        ),
    ] {
        let error = error_after(answer).await;
        assert!(error.contains(reason), "{error}");
    }
}

// Rows x013, x022.
#[tokio::test]
async fn endless_and_torn_answers_leave_the_old_set() {
    let head = "HTTP/1.1 200 OK\r\n";
    let huge = format!("{head}Content-Length: 52428800\r\n\r\n{}", " ".repeat(64 * 1024));
    for (answer, reason) in [
        (Answer::raw(huge).then_repeat(), "larger than"),
        (
            Answer::raw(format!("{head}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n")),
            "broke off",
        ),
        (
            Answer::raw(format!("{head}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n"))
                .then_hang(),
            "within 1000 ms",
        ),
        (Answer::raw(format!("{head}Content-Length: 9\r\n\r\n{{}}")), "broke off"),
        (Answer::raw(""), "broke off"),
        (Answer::raw("").then_hang(), "within 1000 ms"),
    ] {
        let error = error_after(answer).await;
        assert!(error.contains(reason), "{error}");
    }
}

#[tokio::test]
async fn an_old_set_shows_its_age() {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    let rig = Rig::settled(vec![at_uri(&origin, brisk())]).await;
    origin.on("/jwks", Answer::status("500 Oops"));
    rig.until_error("500").await;
    rig.clock.set(NOW + HOUR);
    let failures = rig.record.count(RefreshResult::Failed);
    let status = rig.until(|_| rig.record.count(RefreshResult::Failed) > failures).await;
    assert_eq!((status.loaded, status.confirmed), (Some(NOW), Some(NOW)));
}

// Row x000.
#[tokio::test]
async fn a_provider_that_comes_up_late_is_found_by_itself() {
    let origin = Origin::start().await;
    origin.on("/jwks", Answer::status("503 Starting"));
    let rig = Rig::settled(vec![at_uri(&origin, brisk())]).await;
    assert_eq!(rig.keeper.status()[0].keys, 0);
    origin.on("/jwks", Answer::json(&keys(&["a"])));
    let status = rig.until(|status| status.keys == 1).await;
    assert_eq!((status.error, rig.kids()), (None, vec!["a".to_owned()]));
}

#[tokio::test]
async fn a_provider_that_asks_to_be_left_alone_is_left_alone() {
    for status in ["429 Slow Down", "503 Busy"] {
        let origin = Origin::start().await;
        origin.on("/jwks", Answer::json(&keys(&["a"])));
        let bounds = RefreshBounds { cooldown: Duration::ZERO, ..brisk() };
        let ticking = provider(KeySourceSettings::JwksUri(origin.at("/tick")), brisk());
        let rig = Rig::settled(vec![at_uri(&origin, bounds), ticking]).await;
        origin.on("/jwks", Answer::with_headers(status, "Retry-After: 60\r\n", ""));
        rig.until(|status| status.error.is_some()).await;
        let before = origin.requests("/jwks").len();
        for id in 0..20 {
            rig.ask_unknown(&format!("random-{id}")).await;
        }
        // Another provider, which is retried as often as this one would be, shows that time passes.
        origin.requested("/tick", origin.requests("/tick").len() + 5).await;
        assert_eq!(origin.requests("/jwks").len(), before);
    }
}

#[tokio::test]
async fn an_error_text_is_bounded_and_on_one_line() {
    let status = format!("Content-Type: {}\r\n", "x".repeat(5000));
    let error = error_after(Answer::with_headers("200 OK", &status, "no")).await;
    assert!(error.len() <= 400 && !error.contains('\n'), "{error}");
}

#[tokio::test]
async fn an_error_text_does_not_show_the_query() {
    let origin = Origin::start().await;
    let url = origin.at("/jwks?api_key=secret");
    let rig = Rig::settled(vec![provider(KeySourceSettings::JwksUri(url), quiet())]).await;
    let error = rig.until_error("/jwks answers 404").await.error.unwrap();
    assert!(!error.contains("secret"), "{error}");
}
