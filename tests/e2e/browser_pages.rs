//! Every page of ours as people see it: in both languages, light and dark, on desks and on phones. The pictures are kept in
//! `tests/artifacts` to be looked at; what a test can see is asserted.

use serde_json::json;

use crate::support::front_door::FrontDoor;
use crate::support::http::client;
use crate::support::webdriver::Browser;

/// Width and height in CSS pixels.
const SIZES: [(&str, u32, u32); 2] = [("desk", 1000, 720), ("phone", 390, 760)];
const LANGUAGES: [&str; 2] = ["en", "de"];

/// Takes pictures of the page that is shown, and looks for what is wrong with it.
async fn picture(browser: &Browser, name: &str, language: &str) {
    assert_eq!(browser.run("return document.documentElement.lang").await, language, "{name}");
    for (size, width, height) in SIZES {
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        browser.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        for theme in ["light", "dark"] {
            let features = json!([{ "name": "prefers-color-scheme", "value": theme }]);
            browser.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
            let picture = format!("page-{name}-{language}-{size}-{theme}");
            assert!(!browser.scrolls_sideways().await, "{picture}");
            browser.screenshot(&picture).await;
        }
    }
    assert_eq!(unreadable(browser).await, json!([]), "{name} {language}");
    assert_eq!(browser.complaints().await, Vec::<String>::new(), "{name} {language}");
}

/// The texts whose contrast is below that of [WCAG 2.2 §1.4.3](https://www.w3.org/TR/WCAG22/#contrast-minimum), in the theme shown.
async fn unreadable(browser: &Browser) -> serde_json::Value {
    browser
        .run(
            "const part = v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
             const light = c => { const [r, g, b] = c.map(part); return .2126 * r + .7152 * g + .0722 * b };
             const rgb = text => text.match(/[\\d.]+/g).map(Number);
             const behind = e => { const c = rgb(getComputedStyle(e).backgroundColor);
               return c[3] === 0 ? behind(e.parentElement) : c.slice(0, 3) };
             return [...document.querySelectorAll('h1,p,a,button,small,span,strong,footer,code')].filter(e => {
               const pair = [light(rgb(getComputedStyle(e).color).slice(0, 3)), light(behind(e))].sort((a, b) => b - a);
               return (pair[0] + .05) / (pair[1] + .05) < 4.5 }).map(e => e.outerHTML)",
        )
        .await
}

#[tokio::test]
async fn every_page_can_be_read_in_every_language_theme_and_size() {
    for language in LANGUAGES {
        let Some(browser) = Browser::start().await else { return };
        let Some(door) = FrontDoor::start(&["main", "other"], "").await else { return };
        browser.speak(language).await;
        browser.open(&door.url("/admin/room")).await;
        picture(&browser, "chooser", language).await;
        browser.click(".choices a").await;
        door.sign_in(&browser, "bob").await;
        browser.reaches(|url| url == door.url("/admin/room")).await;
        picture(&browser, "refused", language).await;
        browser.open(&door.url("/.auth/login?prompt=login")).await;
        picture(&browser, "chooser-again", language).await;
        browser.open(&door.url("/.auth/login?provider=nobody")).await;
        picture(&browser, "error", language).await;
        browser.open(&door.url("/otp/room")).await;
        browser.reaches(|url| url.contains("/.auth/callback/")).await;
        picture(&browser, "too-weak", language).await;
        session_over(&door, &browser, language).await;
        browser.open(&door.url("/open/page")).await;
        browser.forget("sidegate").await;
        browser.click("button").await;
        browser.reaches(|url| url == door.url("/sent")).await;
        picture(&browser, "sign-in-beside", language).await;
        browser.open(&door.url("/.auth/logout")).await;
        picture(&browser, "confirm", language).await;
        browser.open(&door.url("/.auth/signed-out")).await;
        picture(&browser, "signed-out", language).await;
        leaving(&door, &browser, language).await;
    }
}

/// A form sent when the session had ended elsewhere.
async fn session_over(door: &FrontDoor, browser: &Browser, language: &str) {
    browser.open(&door.url("/form")).await;
    browser.shows("h1", "Hello, bob").await;
    let form = browser.tab().await;
    browser.new_tab().await;
    browser.open(&format!("{}/session/end", door.providers[0].issuer)).await;
    browser.click("#logout").await;
    browser.reaches(|url| url.ends_with("/session/end/success")).await;
    browser.show(&form).await;
    browser.click("button").await;
    browser.reaches(|url| url == door.url("/sent")).await;
    picture(browser, "session-over", language).await;
}

/// The page between the app and the provider, which goes on too fast to be looked at: without what makes it go on.
async fn leaving(door: &FrontDoor, browser: &Browser, language: &str) {
    let request = client().get(door.url("/.auth/login?return_to=%2F&provider=main"));
    let request = request.header("accept", "text/html").header("accept-language", language);
    let request = request.header("sec-fetch-dest", "document").header("sec-fetch-mode", "navigate");
    let page = request.header("upgrade-insecure-requests", "1").send().await.unwrap();
    let page = page.text().await.unwrap();
    let still = page.replace("http-equiv=\"refresh\"", "").replace("animation:", "x:");
    assert_ne!(still, page);
    let script = format!(
        "document.documentElement.innerHTML = {};
         document.documentElement.lang = '{language}'",
        json!(still)
    );
    browser.open("about:blank").await;
    browser.run(&script).await;
    picture(browser, "leaving", language).await;
}

#[tokio::test]
async fn the_page_that_ends_a_loop_can_be_read() {
    for language in LANGUAGES {
        let Some(browser) = Browser::start().await else { return };
        let dropped = "  cookie: { domain: example.test }\n";
        let Some(door) = FrontDoor::start(&["main"], dropped).await else { return };
        browser.speak(language).await;
        browser.open(&door.url("/wanted")).await;
        door.sign_in(&browser, "ada").await;
        browser.reaches(|url| url.contains("/.auth/login")).await;
        browser.has(".mark.warn").await;
        picture(&browser, "loop", language).await;
    }
}

/// With two sessions: that of this browser, and one of another.
#[tokio::test]
async fn the_page_of_ones_own_sessions_can_be_read() {
    for language in LANGUAGES {
        let Some(browser) = Browser::start().await else { return };
        let Some(door) = FrontDoor::start(&["main"], "  store: memory\n").await else { return };
        let Some(other) = Browser::start().await else { return };
        for one in [&other, &browser] {
            one.speak(language).await;
            one.open(&door.url("/wanted")).await;
            door.sign_in(one, "ada").await;
            one.reaches(|url| url == door.url("/wanted")).await;
        }
        browser.open(&door.url("/.auth/my-sessions")).await;
        picture(&browser, "my-sessions", language).await;
    }
}
