//! `sidegate demo`, as a stranger meets it: in a browser, and with the curl lines that it prints.

use reqwest::StatusCode;
use tokio::process::Command;

use crate::support::http::{client, json};
use crate::support::peer::find;
use crate::support::process::Sidegate;
use crate::support::webdriver::Browser;

/// The running demo and the two addresses that it prints.
struct Demo {
    app: String,
    login: String,
    sidegate: Sidegate,
}

impl Demo {
    async fn start() -> Self {
        let sidegate = Sidegate::demo();
        let app =
            sidegate.program.wait_for(|line| line.trim().strip_prefix("Open ").map(origin)).await;
        let login = sidegate
            .program
            .wait_for(|line| line.split_once("/signout ").map(|(url, _)| origin(url)))
            .await;
        sidegate.program.wait_for(|line| line.starts_with("Stop it").then_some(())).await;
        Self { app, login, sidegate }
    }

    async fn sign_in(&self, browser: &Browser, user: &str) {
        browser.click(&format!("label.person:has(input[value={user}])")).await;
        browser.fill_in("#password", "demo").await;
        browser.click("button[type=submit]").await;
    }

    fn curl_lines(&self) -> Vec<String> {
        let lines: Vec<_> =
            self.sidegate.program.output().lines().map(|line| line.trim().to_owned()).collect();
        lines.into_iter().filter(|line| line.starts_with("curl ")).collect()
    }
}

fn origin(url: &str) -> String {
    url.trim().trim_end_matches('/').to_owned()
}

#[tokio::test]
async fn a_browser_signs_in_and_the_app_knows_who_it_is() {
    let Some(browser) = Browser::start().await else { return };
    let demo = Demo::start().await;
    browser.open(&format!("{}/hello?x=1", demo.app)).await;
    browser.reaches(|url| url.starts_with(&format!("{}/signin?", demo.login))).await;
    browser.screenshot("demo-sign-in").await;
    demo.sign_in(&browser, "ada").await;
    browser.reaches(|url| url == format!("{}/hello?x=1", demo.app)).await;
    browser.shows("h1", "Hello, ada").await;
    let identity = browser.text(".ours").await;
    assert!(identity.contains("ada@example.com") && identity.contains("admin,staff"), "{identity}");
    browser.screenshot("demo-signed-in").await;
    browser.open(&format!("{}/admin", demo.app)).await;
    browser.shows("h1", "Hello, ada").await;
    browser.resize(500, 900).await;
    assert!(!browser.scrolls_sideways().await);
    browser.screenshot("demo-narrow").await;
}

#[tokio::test]
async fn whoever_is_not_in_the_group_gets_a_helpful_refusal() {
    let Some(browser) = Browser::start().await else { return };
    let demo = Demo::start().await;
    browser.open(&format!("{}/admin", demo.app)).await;
    demo.sign_in(&browser, "bob").await;
    browser.reaches(|url| url == format!("{}/admin", demo.app)).await;
    browser.screenshot("demo-forbidden").await;
    assert!(!browser.text("h1").await.starts_with("Hello"));
    browser.open(&format!("{}/", demo.app)).await;
    browser.shows("h1", "Hello, bob").await;
}

#[tokio::test]
async fn a_wrong_password_says_so_and_the_way_back_is_kept() {
    let Some(browser) = Browser::start().await else { return };
    let demo = Demo::start().await;
    browser.open(&demo.app).await;
    browser.fill_in("#password", "guess").await;
    browser.click("button[type=submit]").await;
    assert!(browser.text("[role=alert]").await.contains("not right"));
    browser.screenshot("demo-wrong-password").await;
    demo.sign_in(&browser, "ada").await;
    browser.reaches(|url| url == format!("{}/", demo.app)).await;
}

#[tokio::test]
async fn signing_out_closes_the_app_again_but_not_its_public_page() {
    let Some(browser) = Browser::start().await else { return };
    let demo = Demo::start().await;
    browser.open(&demo.app).await;
    demo.sign_in(&browser, "ada").await;
    browser.click("nav .out").await;
    browser.screenshot("demo-sign-out").await;
    browser.click("button[type=submit]").await;
    browser.shows("h1", "You are signed out").await;
    browser.open(&format!("{}/public", demo.app)).await;
    browser.shows("h1", "Hello, stranger").await;
    browser.screenshot("demo-public").await;
    browser.open(&demo.app).await;
    assert_eq!(browser.title().await, "Sign in · Sidegate demo");
}

#[tokio::test]
async fn every_printed_curl_line_works_as_it_stands() {
    if find(&["curl"]).is_none() {
        return;
    }
    let demo = Demo::start().await;
    let mut answers = Vec::new();
    for line in demo.curl_lines() {
        let output = Command::new("sh").args(["-c", &line]).output().await.unwrap();
        assert!(output.status.success(), "{line}");
        answers.push(String::from_utf8(output.stdout).unwrap());
    }
    let expected = [
        "HTTP/1.1 401",
        "\"X-Forwarded-User\": \"ada\"",
        "HTTP/1.1 403",
        "signing with",
        "signing with",
    ];
    assert_eq!(answers.len(), expected.len(), "{:?}", demo.curl_lines());
    for (answer, part) in answers.iter().zip(expected) {
        assert!(answer.contains(part), "{part} is missing in:\n{answer}");
    }
}

#[tokio::test]
async fn tokens_outlive_a_rotation_of_keys() {
    let demo = Demo::start().await;
    let client = client();
    let token = || async {
        let answer = client.post(format!("{}/bearer?user=ada", demo.login)).send().await.unwrap();
        answer.text().await.unwrap()
    };
    let old = token().await;
    client.post(format!("{}/rotate", demo.login)).send().await.unwrap();
    for bearer in [old, token().await] {
        let request =
            client.get(&demo.app).bearer_auth(bearer).header("accept", "application/json");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(json(answer).await["identity"]["X-Forwarded-User"], "ada");
    }
}

#[tokio::test]
async fn it_stops_when_asked() {
    let demo = Demo::start().await;
    assert!(demo.sidegate.stop().await.success());
}
