//! One host where people sign in for many: shared sessions, handed-over ones, and what protects them.

use std::time::Duration;

use crate::support::hosts::{AUTH, Hosts, MORE, ONE, THREE, TWO};
use crate::support::person::{Page, Person, Visit, says};
use crate::support::signing_in::soon;
use crate::support::webdriver::Browser;

const SHARED: &str = "  cookie: { domain: one.test }\n";

/// The hosts that a visit came by.
fn hosts_of(page: &Page) -> Vec<&str> {
    let mut hosts: Vec<&str> = page.trail.iter().filter_map(|url| url.host_str()).collect();
    hosts.dedup();
    hosts
}

#[tokio::test]
async fn hosts_of_one_domain_share_the_session() {
    let Some(hosts) = Hosts::start(SHARED).await else { return };
    let person = Person::new();
    let page = hosts.sign_in(&person, ONE, "/wanted?x=1").await;
    assert_eq!(hosts_of(&page), ["127.0.0.1", AUTH, ONE], "{page:#?}");
    assert!(page.trail.iter().all(|url| url.path() != "/.auth/handover"));
    let cookie = person.jar().named("__Secure-sidegate").unwrap().clone();
    assert_eq!((cookie.domain.as_str(), cookie.host_only), ("one.test", false));
    let page = person.open(&hosts.url(MORE, "/elsewhere")).await;
    hosts.shows(&page, MORE, "/elsewhere");
    assert_eq!(page.trail.len(), 1, "{page:#?}");
}

#[tokio::test]
async fn a_session_is_handed_to_hosts_of_other_domains_without_asking_again() {
    for session in ["", SHARED, "  store: memory\n"] {
        let Some(hosts) = Hosts::start(session).await else { return };
        let person = Person::new();
        hosts.sign_in(&person, TWO, "/wanted?x=1").await;
        let asked = hosts.asked().await;
        for host in [THREE, ONE, TWO] {
            let page = person.open(&hosts.url(host, "/page")).await;
            hosts.shows(&page, host, "/page");
        }
        assert_eq!(hosts.asked().await, asked, "{session}");
        let jar = person.jar();
        let own = jar.all().iter().filter(|kept| kept.name == "__Host-sidegate");
        assert!(
            own.clone().any(|kept| kept.domain == TWO)
                && own.clone().any(|kept| kept.domain == THREE)
        );
        let departures = jar.all().iter().filter(|kept| kept.name.contains("departure"));
        assert_eq!(departures.count(), 0, "{session}");
    }
}

#[tokio::test]
async fn a_code_is_used_once() {
    let Some(hosts) = Hosts::start("").await else { return };
    let person = Person::new();
    hosts.sign_in(&person, TWO, "/wanted").await;
    let handover = hosts.handover(&person, THREE).await;
    let twin = person.twin();
    let page = person.visit(handover.clone()).await;
    hosts.shows(&page, THREE, "/wanted");
    // Who signed in meanwhile is led on: the code is not looked at again.
    let page = person.visit(handover.clone()).await;
    hosts.shows(&page, THREE, "/wanted");
    says(&twin.visit(handover).await, "attempt_expired");
    assert_eq!(hosts.user(&twin, THREE).await, "");
}

#[tokio::test]
async fn a_code_for_one_host_is_none_for_another() {
    let Some(hosts) = Hosts::start("").await else { return };
    let person = Person::new();
    hosts.sign_in(&person, TWO, "/wanted").await;
    let mut handover = hosts.handover(&person, THREE).await;
    hosts.handover(&person, ONE).await;
    handover.url.set_host(Some(ONE)).unwrap();
    says(&person.visit(handover).await, "state_invalid");
    assert_eq!(hosts.user(&person, ONE).await, "");
}

/// Whoever leads somebody else to a code of theirs plants no session; and whoever gets somebody else's code for a departure of
/// their own finds it used up.
#[tokio::test]
async fn a_code_is_of_use_in_the_browser_alone_that_began_there() {
    let Some(hosts) = Hosts::start("").await else { return };
    let (ada, stranger) = (Person::new(), Person::new());
    hosts.sign_in(&ada, TWO, "/wanted").await;
    let handover = hosts.handover(&ada, THREE).await;
    says(&stranger.visit(handover.clone()).await, "cookie_not_returned");
    assert_eq!(hosts.user(&stranger, THREE).await, "");
    says(&ada.visit(handover).await, "attempt_expired");
    let page = ada.open(&hosts.url(THREE, "/again")).await;
    hosts.shows(&page, THREE, "/again");
}

#[tokio::test]
async fn a_code_lasts_a_minute() {
    let Some(hosts) = Hosts::start("").await else { return };
    let person = Person::new();
    let visit = hosts.forged(&person, THREE, Duration::from_secs(61));
    says(&person.step(&visit).await, "attempt_expired");
    let visit = hosts.forged(&person, THREE, Duration::ZERO);
    let page = person.step(&visit).await;
    assert_eq!((page.status, page.header("location")), (303, Some("/wanted")), "{page:#?}");
}

#[tokio::test]
async fn hosts_that_nobody_names_are_not_signed_in_for() {
    let Some(hosts) = Hosts::start(SHARED).await else { return };
    let person = Person::new();
    for address in
        ["https://evil.test/", "https://app.two.test.evil.test/", "https://login.one.test/"]
    {
        let login = hosts.url(AUTH, "/.auth/login?return_to=");
        says(&person.open(&format!("{login}{address}")).await, "unknown_host");
    }
    // A route for any host leads here; whose host it is, nobody knows.
    says(&person.open(&hosts.url("evil.test", "/any")).await, "unknown_host");
    says(&person.open(&hosts.url("login.one.test", "/any")).await, "unknown_host");
    says(
        &person.open(&hosts.url(AUTH, "/.auth/login?return_to=%2Fany&referral=x")).await,
        "state_invalid",
    );
    assert_eq!(hosts.asked().await, 0);
    let elsewhere = person.open(&hosts.url(AUTH, "/.auth/handover?code=x")).await;
    assert_eq!(elsewhere.status, 404, "{elsewhere:#?}");
}

#[tokio::test]
async fn signing_out_at_one_host_ends_the_session_everywhere() {
    for session in ["", SHARED, "  store: memory\n"] {
        let Some(hosts) = Hosts::start(session).await else { return };
        let person = Person::new();
        hosts.sign_in(&person, TWO, "/wanted").await;
        for host in [THREE, ONE] {
            let page = person.open(&hosts.url(host, "/page")).await;
            hosts.shows(&page, host, "/page");
        }
        let confirm = person.open(&hosts.url(THREE, "/.auth/logout")).await;
        let asked = person.fill_in(&confirm, &[]).await;
        assert!(asked.body.contains("Sign out?"), "{asked:#?}");
        for host in [ONE, TWO, THREE] {
            assert_eq!(hosts.user(&person, host).await, "", "{host} with {session}");
        }
        let end = person.fill_in(&asked, &[]).await;
        let seen = (end.status, end.url.host_str(), end.url.path());
        assert_eq!(seen, (200, Some(AUTH), "/.auth/signed-out"), "{end:#?}");
        // What was ended is forgotten with the process; the cookies that could bring it back are gone.
        let hosts = hosts.crash().await;
        let again = person.open(&hosts.url(THREE, "/wanted")).await;
        assert!(again.body.contains("Sign in at the provider"), "{again:#?}");
    }
}

#[tokio::test]
async fn signing_out_where_there_is_no_session_asks_at_the_host_that_has_one() {
    let Some(hosts) = Hosts::start("").await else { return };
    let person = Person::new();
    hosts.sign_in(&person, TWO, "/wanted").await;
    person.change_jar(|jar| jar.forget(|kept| kept.domain == TWO));
    let confirm = person.open(&hosts.url(TWO, "/.auth/logout")).await;
    let question = person.fill_in(&confirm, &[]).await;
    let seen = (question.url.host_str(), question.url.path());
    assert_eq!(seen, (Some(AUTH), "/.auth/logout"), "{question:#?}");
    let asked = person.fill_in(&question, &[]).await;
    assert!(asked.body.contains("Sign out?"), "{asked:#?}");
    person.fill_in(&asked, &[]).await;
    let page = person.open(&hosts.url(TWO, "/wanted")).await;
    assert!(page.body.contains("Sign in at the provider"), "{page:#?}");
}

#[tokio::test]
async fn signing_out_at_the_provider_ends_what_was_handed_over() {
    let Some(hosts) = Hosts::start("").await else { return };
    let person = Person::new();
    hosts.sign_in(&person, TWO, "/wanted").await;
    let page = person.open(&hosts.url(THREE, "/page")).await;
    hosts.shows(&page, THREE, "/page");
    let end = person.open(&format!("{}/session/end", hosts.provider.issuer)).await;
    person.fill_in(&end, &[]).await;
    soon(async || hosts.provider.logouts().await.as_array().is_some_and(|all| !all.is_empty()))
        .await;
    for host in [TWO, THREE] {
        assert_eq!(hosts.user(&person, host).await, "", "{host}");
    }
}

#[tokio::test]
async fn what_a_page_asks_for_survives_the_detour() {
    let Some(hosts) = Hosts::start("").await else { return };
    let person = Person::new();
    hosts.sign_in(&person, TWO, "/wanted").await;
    let login = person.open(&hosts.url(TWO, "/strong/room")).await;
    let typed = [("login", "ada"), ("password", "password"), ("mfa", "on")];
    let page = person.fill_in(&login, &typed).await;
    hosts.shows(&page, TWO, "/strong/room");
    // The new session takes the place of the one that was handed over before.
    let page = person.open(&hosts.url(THREE, "/page")).await;
    hosts.shows(&page, THREE, "/page");
    let anew = hosts.url(THREE, "/.auth/login?return_to=%2Fanew&prompt=login");
    let login = person.open(&anew).await;
    assert!(login.body.contains("Sign in at the provider"), "{login:#?}");
    let page = person.fill_in(&login, &[("login", "ada"), ("password", "password")]).await;
    hosts.shows(&page, THREE, "/anew");
    let unknown = hosts.url(THREE, "/.auth/login?return_to=%2F&provider=nobody&prompt=login");
    says(&person.open(&unknown).await, "unknown_provider");
}

#[tokio::test]
async fn guests_are_asked_about_once_at_each_host() {
    let Some(hosts) = Hosts::start(SHARED).await else { return };
    let person = Person::new();
    for host in [TWO, ONE] {
        let guest = person.open(&hosts.url(host, "/open/page")).await;
        assert_eq!((guest.status, guest.body.as_str()), (200, ""), "{guest:#?}");
        assert!(
            guest.trail.iter().any(|url| url.path() == "/auth"),
            "{host}: the provider was not asked"
        );
        let again = person.open(&hosts.url(host, "/open/page")).await;
        assert_eq!((again.status, again.trail.len()), (200, 1), "{again:#?}");
    }
    hosts.sign_in(&person, ONE, "/wanted").await;
    person.change_jar(|jar| jar.forget(|kept| kept.name == "sidegate_probe"));
    let known = person.open(&hosts.url(TWO, "/open/page")).await;
    hosts.shows(&known, TWO, "/open/page");
}

#[tokio::test]
async fn a_browser_that_takes_no_cookies_is_told_so() {
    let Some(hosts) = Hosts::start("").await else { return };
    let person = Person::new();
    hosts.sign_in(&person, TWO, "/wanted").await;
    // Its session is lost at each step; the host where it signed in has one.
    for _ in 0..3 {
        let page = person.open(&hosts.url(THREE, "/page")).await;
        hosts.shows(&page, THREE, "/page");
        person.change_jar(|jar| {
            jar.forget(|kept| kept.domain == THREE && kept.name == "__Host-sidegate")
        });
    }
    let page = person.visit(Visit::typed(&hosts.url(THREE, "/page"))).await;
    says(&page, "loop_cookie");
}

#[tokio::test]
async fn the_choice_of_a_provider_survives_the_detour() {
    let Some(hosts) = Hosts::start_with_choice("").await else { return };
    let person = Person::new();
    let chooser = person.open(&hosts.url(TWO, "/wanted")).await;
    assert_eq!((chooser.status, chooser.url.host_str()), (200, Some(AUTH)), "{chooser:#?}");
    let links = chooser.body.split("href=\"").filter_map(|rest| rest.split('"').next());
    let link = links.into_iter().find(|link| link.contains("provider=other")).unwrap();
    let link = chooser.url.join(&link.replace("&amp;", "&").replace("&#x2f;", "/")).unwrap();
    let login = person.visit(Visit::link(link.as_str(), &chooser.url)).await;
    let page = person.fill_in(&login, &[("login", "ada"), ("password", "password")]).await;
    hosts.shows(&page, TWO, "/wanted");
    assert!(page.trail.iter().any(|url| url.path() == "/.auth/callback/other"), "{page:#?}");
    assert!(page.trail.iter().any(|url| url.path() == "/.auth/handover"), "{page:#?}");
    // Who names the other one goes there, past the session that the host of sign-ins has.
    let login = person.open(&hosts.url(THREE, "/.auth/login?return_to=%2Fx&provider=main")).await;
    let page = person.fill_in(&login, &[("login", "ada"), ("password", "password")]).await;
    hosts.shows(&page, THREE, "/x");
    assert_eq!(hosts.user(&person, TWO).await, "", "another session has taken its place");
}

#[tokio::test]
async fn a_real_browser_keeps_its_fragment_and_is_signed_in_and_out_everywhere() {
    let Some(browser) = Browser::start().await else { return };
    let Some(hosts) = Hosts::start_for_browser().await else { return };
    let log = || hosts.sidegate.program.output();
    let wanted = hosts.url(TWO, "/wanted?x=1#part-2");
    browser.open(&wanted).await;
    browser.fill_in("#login", "ada").await;
    browser.fill_in("#password", "password").await;
    browser.click("button[type=submit]").await;
    browser.arrives(&wanted, log).await;
    browser.shows("pre", "ada").await;
    let page = hosts.url(THREE, "/page#part-3");
    browser.open(&page).await;
    browser.arrives(&page, log).await;
    browser.shows("pre", "ada").await;
    browser.open(&hosts.url(THREE, "/.auth/logout")).await;
    browser.click("button").await;
    browser.click("#logout").await;
    browser.shows("h1", "You are signed out").await;
    assert!(browser.current_url().await.starts_with(&hosts.url(AUTH, "/.auth/signed-out")));
    browser.open(&wanted).await;
    browser.reaches(|url| url.starts_with(&hosts.provider.issuer)).await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}
