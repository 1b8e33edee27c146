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

    /// Types what the login service asks `user` for, on its page.
    async fn sign_in(&self, browser: &Browser, user: &str) {
        browser.reaches(|url| url.starts_with(&self.login)).await;
        browser.click(&format!("label.person:has(input[value={user}])")).await;
        browser.fill_in("#password", "demo").await;
        browser.click("button[type=submit]").await;
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.app)
    }

    /// Waits until the login service asks the browser to sign in, on the way to the app.
    async fn asks(&self, browser: &Browser) {
        browser.reaches(|url| url.starts_with(&format!("{}/authorize?", self.login))).await;
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
    browser.open(&demo.at("/hello?x=1#part")).await;
    demo.asks(&browser).await;
    browser.screenshot("demo-sign-in").await;
    demo.sign_in(&browser, "ada").await;
    browser.reaches(|url| url == demo.at("/hello?x=1#part")).await;
    browser.shows("h1", "Hello, ada").await;
    let identity = browser.text(".ours").await;
    assert!(identity.contains("ada@example.com") && identity.contains("admin,staff"), "{identity}");
    browser.screenshot("demo-signed-in").await;
    for path in ["/admin", "/fresh", "/guest"] {
        browser.open(&demo.at(path)).await;
        browser.reaches(|url| url == demo.at(path)).await;
        browser.shows("h1", "Hello, ada").await;
    }
    browser.open(&demo.at("/.auth/session")).await;
    let session = browser.text("body").await;
    assert!(session.contains(r#""subject":"ada""#), "{session}");
    browser.open(&demo.app).await;
    browser.resize(500, 900).await;
    assert!(!browser.scrolls_sideways().await);
    browser.screenshot("demo-narrow").await;
    browser.prefers_dark().await;
    browser.screenshot("demo-narrow-dark").await;
}

#[tokio::test]
async fn whoever_is_not_in_the_group_is_refused_and_may_be_somebody_else() {
    let Some(browser) = Browser::start().await else { return };
    let demo = Demo::start().await;
    browser.open(&demo.at("/admin")).await;
    demo.sign_in(&browser, "bob").await;
    browser.reaches(|url| url == demo.at("/admin")).await;
    browser.shows("h1", "You cannot open this page").await;
    browser.screenshot("demo-forbidden").await;
    browser.open(&demo.app).await;
    browser.shows("h1", "Hello, bob").await;
    browser.open(&demo.at("/admin")).await;
    browser.click("main a.button").await;
    demo.sign_in(&browser, "ada").await;
    browser.reaches(|url| url == demo.at("/admin")).await;
    browser.shows("h1", "Hello, ada").await;
}

#[tokio::test]
async fn a_wrong_password_says_so_and_the_way_back_is_kept() {
    let Some(browser) = Browser::start().await else { return };
    let demo = Demo::start().await;
    browser.open(&demo.at("/hello")).await;
    browser.fill_in("#password", "guess").await;
    browser.click("button[type=submit]").await;
    assert!(browser.text("[role=alert]").await.contains("not right"));
    browser.screenshot("demo-wrong-password").await;
    demo.sign_in(&browser, "ada").await;
    browser.reaches(|url| url == demo.at("/hello")).await;
}

#[tokio::test]
async fn a_page_that_needs_a_second_factor_asks_for_that_alone() {
    let Some(browser) = Browser::start().await else { return };
    let demo = Demo::start().await;
    browser.open(&demo.app).await;
    demo.sign_in(&browser, "bob").await;
    browser.shows("h1", "Hello, bob").await;
    browser.open(&demo.at("/mfa")).await;
    browser.shows("h1", "One more step").await;
    browser.screenshot("demo-second-factor").await;
    browser.prefers_dark().await;
    browser.screenshot("demo-second-factor-dark").await;
    browser.fill_in("#code", "246810").await;
    browser.click("button[type=submit]").await;
    browser.reaches(|url| url == demo.at("/mfa")).await;
    browser.shows("h1", "Hello, bob").await;
    browser.open(&demo.app).await;
    browser.open(&demo.at("/mfa")).await;
    browser.shows("h1", "Hello, bob").await;
}

#[tokio::test]
async fn who_signs_out_stays_out() {
    let Some(browser) = Browser::start().await else { return };
    let demo = Demo::start().await;
    browser.open(&demo.app).await;
    demo.sign_in(&browser, "ada").await;
    browser.click("#sign-out").await;
    browser.reaches(|url| url.starts_with(&demo.at("/.auth/signed-out"))).await;
    browser.shows("h1", "You are signed out").await;
    browser.screenshot("demo-signed-out").await;
    browser.open(&demo.at("/public")).await;
    browser.shows("h1", "Hello, stranger").await;
    browser.screenshot("demo-public").await;
    browser.open(&demo.at("/guest")).await;
    browser.shows("h1", "Hello, stranger").await;
    browser.screenshot("demo-guest").await;
    browser.open(&demo.app).await;
    demo.asks(&browser).await;
    assert_eq!(browser.title().await, "Sign in · Sidegate demo");
}

#[tokio::test]
async fn signing_out_at_the_login_service_ends_the_session_of_the_app() {
    let Some(browser) = Browser::start().await else { return };
    let demo = Demo::start().await;
    browser.open(&demo.app).await;
    demo.sign_in(&browser, "ada").await;
    browser.shows("h1", "Hello, ada").await;
    browser.open(&format!("{}/signout", demo.login)).await;
    browser.screenshot("demo-sign-out").await;
    browser.click("button[type=submit]").await;
    browser.shows("h1", "You are signed out").await;
    browser.open(&demo.app).await;
    demo.asks(&browser).await;
}

#[tokio::test]
async fn a_guest_who_is_signed_in_elsewhere_is_known_without_being_asked() {
    let Some(browser) = Browser::start().await else { return };
    let demo = Demo::start().await;
    browser.open(&demo.login).await;
    demo.sign_in(&browser, "bob").await;
    browser.shows("h1", "You are signed in").await;
    browser.open(&demo.at("/guest")).await;
    browser.reaches(|url| url == demo.at("/guest")).await;
    browser.shows("h1", "Hello, bob").await;
}

#[tokio::test]
async fn the_cookie_of_the_login_service_opens_its_own_page() {
    let Some(browser) = Browser::start().await else { return };
    let demo = Demo::start().await;
    browser.open(&demo.at("/sso?x=1")).await;
    browser.reaches(|url| url.starts_with(&format!("{}/signin?", demo.login))).await;
    demo.sign_in(&browser, "ada").await;
    browser.reaches(|url| url == demo.at("/sso?x=1")).await;
    browser.shows("h1", "Hello, ada").await;
    browser.screenshot("demo-sso").await;
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
        "\"target\": \"/sso\"",
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
