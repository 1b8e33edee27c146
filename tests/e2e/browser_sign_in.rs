//! Sign-in, sessions and sign-out in a real browser, at a real provider.

use crate::support::front_door::FrontDoor;
use crate::support::signing_in::soon;
use crate::support::webdriver::Browser;

const ONE: [&str; 1] = ["main"];
const TWO: [&str; 2] = ["main", "other"];

/// The app and a browser; nothing where a peer is missing.
async fn start(names: &[&str], session: &str) -> Option<(FrontDoor, Browser)> {
    let browser = Browser::start().await?;
    Some((FrontDoor::start(names, session).await?, browser))
}

#[tokio::test]
async fn people_land_where_they_wanted_with_the_fragment() {
    let Some((door, browser)) = start(&ONE, "").await else { return };
    let wanted = "/wanted?x=1#part-2";
    browser.open(&door.url(wanted)).await;
    door.sign_in(&browser, "ada").await;
    door.greets(&browser, wanted, "ada").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn going_back_after_signing_in_neither_loops_nor_signs_out() {
    let Some((door, browser)) = start(&ONE, "").await else { return };
    browser.open(&door.url("/.auth/session")).await;
    browser.open(&door.url("/wanted")).await;
    door.sign_in(&browser, "ada").await;
    door.greets(&browser, "/wanted", "ada").await;
    browser.back().await;
    let provider = door.providers[0].issuer.clone();
    browser.reaches(|url| url.starts_with(&provider)).await;
    browser.back().await;
    browser.reaches(|url| url == door.url("/.auth/session")).await;
    browser.forward().await;
    browser.forward().await;
    door.greets(&browser, "/wanted", "ada").await;
}

#[tokio::test]
async fn a_callback_that_is_opened_again_leads_to_the_page_or_signs_in_anew() {
    let Some((door, browser)) = start(&ONE, "").await else { return };
    browser.open(&door.url("/wanted")).await;
    door.sign_in(&browser, "ada").await;
    door.greets(&browser, "/wanted", "ada").await;
    let asked = browser.requested().await;
    let callback = asked.iter().find(|url| url.contains("/.auth/callback/main?")).unwrap().clone();
    browser.open(&door.url("/elsewhere")).await;
    browser.open(&callback).await;
    door.greets(&browser, "/wanted", "ada").await;
    browser.forget("sidegate").await;
    browser.open(&callback).await;
    door.greets(&browser, "/wanted", "ada").await;
}

#[tokio::test]
async fn three_tabs_sign_in_at_once_and_each_lands_on_its_page() {
    let Some((door, browser)) = start(&ONE, "").await else { return };
    let mut tabs = vec![browser.tab().await];
    tabs.push(browser.new_tab().await);
    tabs.push(browser.new_tab().await);
    for (number, tab) in tabs.iter().enumerate() {
        browser.show(tab).await;
        browser.open(&door.url(&format!("/page-{number}#part-{number}"))).await;
        door.is_asked_by(&browser, 0).await;
    }
    for number in [2, 0, 1] {
        browser.show(&tabs[number]).await;
        door.sign_in(&browser, "ada").await;
        door.greets(&browser, &format!("/page-{number}#part-{number}"), "ada").await;
    }
}

#[tokio::test]
async fn people_choose_where_to_sign_in_and_the_choice_is_remembered() {
    let Some((door, browser)) = start(&TWO, "").await else { return };
    browser.open(&door.url("/wanted#part-2")).await;
    browser.shows("h1", "Sign in").await;
    browser.click(".choices li:nth-child(2) a").await;
    door.sign_in_at(&browser, 1, "bob").await;
    door.greets(&browser, "/wanted#part-2", "bob").await;
    browser.forget("sidegate").await;
    browser.open(&door.url("/again")).await;
    door.greets(&browser, "/again", "bob").await;
    browser.open(&door.url("/.auth/login?return_to=%2Fnamed&provider=main")).await;
    door.sign_in_at(&browser, 0, "ada").await;
    door.greets(&browser, "/named", "ada").await;
    browser.open(&door.url("/.auth/login?return_to=%2Fanew&prompt=login")).await;
    browser.shows(".choices a:not(.other) span", "The main login").await;
    browser.click(".choices a.other").await;
    door.sign_in_at(&browser, 1, "bob").await;
    door.greets(&browser, "/anew", "bob").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_page_that_asks_for_a_second_factor_gets_it() {
    let Some((door, browser)) = start(&ONE, "").await else { return };
    browser.open(&door.url("/wanted")).await;
    door.sign_in(&browser, "ada").await;
    door.greets(&browser, "/wanted", "ada").await;
    browser.open(&door.url("/strong/room#part-2")).await;
    door.is_asked_by(&browser, 0).await;
    browser.fill_in("#login", "ada").await;
    browser.fill_in("#password", "password").await;
    browser.click("#mfa").await;
    browser.click("button[type=submit]").await;
    door.greets(&browser, "/strong/room#part-2", "ada").await;
}

/// The route wants what the provider is not asked for, and does not do by itself.
#[tokio::test]
async fn a_second_factor_that_does_not_come_ends_on_a_page_that_says_so() {
    let Some((door, browser)) = start(&ONE, "").await else { return };
    browser.open(&door.url("/wanted")).await;
    door.sign_in(&browser, "ada").await;
    door.greets(&browser, "/wanted", "ada").await;
    browser.open(&door.url("/otp/room")).await;
    browser.shows("h1", "Signing in did not work").await;
    assert!(browser.text("p").await.contains("did not confirm the stronger"));
    browser.open(&door.url("/wanted")).await;
    door.greets(&browser, "/wanted", "ada").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn guests_stay_guests_until_the_provider_knows_them() {
    let Some((door, browser)) = start(&ONE, "").await else { return };
    browser.open(&door.url("/open/page")).await;
    door.greets(&browser, "/open/page", "stranger").await;
    browser.open(&door.url("/wanted")).await;
    door.sign_in(&browser, "ada").await;
    door.greets(&browser, "/wanted", "ada").await;
    browser.forget("sidegate").await;
    browser.forget("sidegate_probe").await;
    browser.open(&door.url("/open/page")).await;
    door.greets(&browser, "/open/page", "ada").await;
}

#[tokio::test]
async fn whoever_may_not_open_a_page_can_come_as_somebody_else() {
    let Some((door, browser)) = start(&ONE, "").await else { return };
    browser.open(&door.url("/admin/room")).await;
    door.sign_in(&browser, "bob").await;
    browser.shows("h1", "You cannot open this page").await;
    assert!(browser.text(".who").await.contains("bob@example.test"));
    browser.click("a.button").await;
    door.sign_in(&browser, "ada").await;
    door.greets(&browser, "/admin/room", "ada").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn signing_out_is_confirmed_and_does_not_lead_back_in() {
    let Some((door, browser)) = start(&ONE, "").await else { return };
    browser.open(&door.url("/wanted")).await;
    door.sign_in(&browser, "ada").await;
    door.greets(&browser, "/wanted", "ada").await;
    browser.open(&door.url("/.auth/logout")).await;
    browser.click("a.other").await;
    door.greets(&browser, "/", "ada").await;
    browser.open(&door.url("/.auth/logout")).await;
    browser.click("button").await;
    let end = format!("{}/session/end", door.providers[0].issuer);
    browser.reaches(|url| url.starts_with(&end)).await;
    browser.click("#logout").await;
    browser.shows("h1", "You are signed out").await;
    assert!(browser.current_url().await.starts_with(&door.url("/.auth/signed-out")));
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.click("a.button").await;
    door.is_asked_by(&browser, 0).await;
    browser.back().await;
    browser.back().await;
    browser.open(&door.url("/wanted")).await;
    door.is_asked_by(&browser, 0).await;
}

#[tokio::test]
async fn a_form_sent_after_the_end_of_the_session_says_so_and_can_be_sent_again() {
    let Some((door, browser)) = start(&ONE, "").await else { return };
    browser.open(&door.url("/form")).await;
    door.sign_in(&browser, "ada").await;
    door.greets(&browser, "/form", "ada").await;
    browser.fill_in("#text", "an hour of work").await;
    let form = browser.tab().await;
    end_at_provider(&door, &browser).await;
    browser.show(&form).await;
    browser.click("button").await;
    browser.shows("h1", "You are no longer signed in").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    let before = browser.tabs().await;
    browser.click("a.button").await;
    let its_own = browser.other_tab(&before).await;
    browser.show(&its_own).await;
    door.sign_in(&browser, "ada").await;
    browser.shows("h1", "Hello, ada").await;
    browser.show(&form).await;
    browser.back().await;
    let typed = browser.run("return document.getElementById('text').value").await;
    assert_eq!(typed, "an hour of work");
    browser.click("button").await;
    browser.shows("#method", "POST").await;
}

#[tokio::test]
async fn a_form_sent_by_nobody_is_kept_in_its_tab() {
    let Some((door, browser)) = start(&ONE, "").await else { return };
    browser.open(&door.url("/form")).await;
    door.sign_in(&browser, "ada").await;
    door.greets(&browser, "/form", "ada").await;
    browser.fill_in("#text", "an hour of work").await;
    browser.forget("sidegate").await;
    browser.click("button").await;
    browser.shows("h1", "Please sign in").await;
    assert_eq!(browser.run("return document.querySelector('a.button').target").await, "_blank");
    browser.back().await;
    let typed = browser.run("return document.getElementById('text').value").await;
    assert_eq!(typed, "an hour of work");
}

/// Signs out at the provider, in a tab of its own, until sidegate has been told.
async fn end_at_provider(door: &FrontDoor, browser: &Browser) {
    browser.new_tab().await;
    browser.open(&format!("{}/session/end", door.providers[0].issuer)).await;
    browser.click("#logout").await;
    browser.reaches(|url| url.ends_with("/session/end/success")).await;
    soon(async || door.providers[0].logouts().await[0]["done"] == true).await;
}

#[tokio::test]
async fn a_browser_that_drops_the_sessions_cookie_learns_why_instead_of_going_in_circles() {
    let dropped = "  cookie: { domain: example.test }\n";
    let Some((door, browser)) = start(&ONE, dropped).await else { return };
    browser.open(&door.url("/wanted")).await;
    door.sign_in(&browser, "ada").await;
    browser.shows("h1", "Signing in did not work").await;
    assert!(browser.text("p").await.contains("never sent the session's cookie"));
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn scripts_learn_how_long_the_session_lives_and_keep_it_alive() {
    let Some((door, browser)) = start(&ONE, "").await else { return };
    browser.open(&door.url("/watched")).await;
    door.sign_in(&browser, "ada").await;
    door.greets(&browser, "/watched", "ada").await;
    browser.titled("expiring").await;
    let session = browser.run("return sidegate.session()").await;
    assert_eq!((&session["authenticated"], &session["subject"]), (&true.into(), &"ada".into()));
    let renewed = browser.run("return sidegate.renew()").await;
    assert!(renewed["idle_expires_at"].as_u64() >= session["idle_expires_at"].as_u64());
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    browser.forget("sidegate").await;
    let renewed = browser.run("return sidegate.renew()").await;
    assert_eq!(renewed["authenticated"], false);
    browser.titled("expired").await;
}
