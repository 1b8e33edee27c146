//! The way out: what the page for those who signed out takes from those who come there, and where people go by default.

use std::time::Duration;

use h2::RecvStream;
use h2::client::SendRequest;
use http::Request;
use serde_json::json;
use tokio::time::{Instant, timeout};
use url::Url;

use crate::support::certificates::{Authority, connect};
use crate::support::jar::{From, Kept};
use crate::support::person::{Page, Person, Stop, Visit, filled_in};
use crate::support::signing_in::{EVENT, Setting, WANTED, soon};
use crate::support::timing::takes_at_most;
use crate::support::upstream::Upstream;
use crate::support::wire::patiently;

/// How soon an end that was told must have happened.
const AT_MOST: Duration = Duration::from_secs(1);

/// The question whether to sign out, answered: what the browser asks for next.
async fn confirmed(setting: &Setting, person: &Person) -> Visit {
    filled_in(&person.open(&setting.url("/.auth/logout")).await, &[])
}

/// Signs out at the provider too, which asks once more.
async fn sign_out(setting: &Setting, person: &Person) -> Page {
    let asked = person.visit(confirmed(setting, person).await).await;
    assert!(asked.body.contains("Sign out?"), "{asked:#?}");
    person.fill_in(&asked, &[]).await
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// How many cookies the page deletes; it is the same page for everybody.
fn deleted(page: &Page) -> usize {
    assert_eq!((page.status, page.trail.len()), (200, 1), "{page:#?}");
    assert!(page.body.contains("You are signed out"), "{page:#?}");
    page.headers.get_all("set-cookie").iter().count()
}

#[tokio::test]
async fn only_a_return_from_our_own_sign_out_takes_a_cookie_away() {
    let Some(setting) = Setting::start("", "", json!({})).await else { return };
    let (ada, bob) = (Person::new(), Person::new());
    let page = setting.sign_in(&ada, "ada").await;
    setting.shows(&page, "ada");
    let page = setting.sign_in(&bob, "bob").await;
    setting.shows(&page, "bob");
    let copy = ada.twin();
    let end = sign_out(&setting, &ada).await;
    assert_eq!((end.status, end.url.path()), (200, "/.auth/signed-out"), "{end:#?}");
    let state = parameter(&end.url, "state").expect("the provider brings the state back");
    let there = |query: &str| setting.url(&format!("/.auth/signed-out{query}"));
    // The cookie of a session that is over, in a browser that came by itself, or with a state of somebody else.
    let foreign: String = state.chars().rev().collect();
    for query in ["", "?state=", "?state=xyz", &format!("?state={foreign}")] {
        assert_eq!(deleted(&copy.open(&there(query)).await), 0, "{query}");
    }
    let twice = format!("?state={state}&state={state}");
    assert_eq!(deleted(&copy.open(&there(&twice)).await), 0);
    let ours = format!("?state={state}");
    assert!(deleted(&copy.open(&there(&ours)).await) > 0);
    let back = |line: &str| line.contains("back from the sign-out of the provider").then_some(());
    setting.sidegate.program.wait_for(back).await;
    // A session that lives is not ended by a link, whoever made it.
    assert_eq!(deleted(&bob.open(&there(&ours)).await), 0);
    assert_eq!(setting.user(&bob).await.as_deref(), Some("bob"));
}

/// A path counts on the host of the request: providers are told a whole address.
#[tokio::test]
async fn a_path_is_where_people_go_who_signed_out() {
    let rest = |provider: &str| {
        format!(
            "sign_out: {{ default: /goodbye, provider: {provider} }}\nroutes:\n  \
             - {{ name: bye, match: {{ paths: /goodbye }}, access: public }}\n  \
             - {{ name: rest, match: {{ paths: /* }} }}\n"
        )
    };
    let Some(setting) = Setting::start("", &rest("never"), json!({})).await else { return };
    let ada = Person::new();
    let page = setting.sign_in(&ada, "ada").await;
    setting.shows(&page, "ada");
    let end = ada.visit(confirmed(&setting, &ada).await).await;
    let seen = (end.status, end.url.as_str(), end.body.as_str());
    assert_eq!(seen, (200, setting.url("/goodbye").as_str(), "||"), "{end:#?}");

    let Some(setting) = Setting::start("", &rest("always"), json!({})).await else { return };
    let ada = Person::new();
    let page = setting.sign_in(&ada, "ada").await;
    assert_eq!(page.url.as_str(), setting.url(WANTED));
    let at_provider = |visit: &Visit| visit.url.path() == "/session/end";
    let visit = confirmed(&setting, &ada).await;
    let Stop::Before(visit) = ada.visit_until(visit, at_provider).await else {
        panic!("nobody is led to the provider")
    };
    let told = parameter(&visit.url, "post_logout_redirect_uri");
    assert_eq!(told, Some(setting.url("/goodbye")), "{}", visit.url);
}

/// What apps keep beside the session of sidegate, and who else is to know.
#[tokio::test]
async fn cookies_of_apps_go_and_other_services_are_told() {
    let service = Upstream::start().await;
    let rest = format!(
        "sign_out:\n  clear_cookies: [grafana_session, __Host-wiki]\n  notify: [{}/hook?from=app]\n",
        service.url()
    );
    let Some(setting) = Setting::start("", &rest, json!({})).await else { return };
    let ada = Person::new();
    setting.shows(&setting.sign_in(&ada, "ada").await, "ada");
    let session = ada.jar().named("__Host-sidegate").unwrap().clone();
    for name in ["grafana_session", "__Host-wiki", "theme"] {
        let kept = Kept { name: name.to_owned(), value: "x".to_owned(), ..session.clone() };
        ada.change_jar(|jar| jar.put(kept));
    }
    assert_eq!(service.requests().len(), 0);
    sign_out(&setting, &ada).await;
    let left: Vec<String> = ada.jar().all().iter().map(|kept| kept.name.clone()).collect();
    assert!(left.contains(&"theme".to_owned()), "{left:?}");
    for name in ["grafana_session", "__Host-wiki", "__Host-sidegate"] {
        assert!(!left.contains(&name.to_owned()), "{left:?}");
    }
    soon(async || !service.requests().is_empty()).await;
    let told = service.requests().remove(0);
    assert_eq!(told.request_line(), "GET /hook?from=app HTTP/1.1");
    for name in ["authorization", "cookie", "referer", "x-forwarded-user"] {
        assert!(told.values(name).is_empty(), "{name}: {:?}", told.values(name));
    }
}

/// A copy of the cookie stays of no use after a crash: what was ended is in a file.
#[tokio::test]
async fn what_was_signed_out_stays_so_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("revocations");
    let rest = format!("  revocations_file: {}\n", file.display());
    let Some(setting) = Setting::start("", &rest, json!({})).await else { return };
    let (ada, bob) = (Person::new(), Person::new());
    for (person, user) in [(&ada, "ada"), (&bob, "bob")] {
        setting.shows(&setting.sign_in(person, user).await, user);
    }
    let copy = ada.twin();
    assert_eq!(setting.user(&copy).await.as_deref(), Some("ada"));
    sign_out(&setting, &ada).await;
    assert_eq!(setting.user(&copy).await, None);
    soon(async || std::fs::read_to_string(&file).is_ok_and(|text| !text.is_empty())).await;
    let setting = setting.crash().await;
    assert_eq!(setting.user(&copy).await, None);
    assert_eq!(setting.user(&bob).await.as_deref(), Some("bob"));
}

/// A stream of HTTP/2 on which `person` asks for `path`: its status and body.
async fn ask(
    setting: &Setting,
    sender: &SendRequest<bytes::Bytes>,
    person: &Person,
    path: &str,
) -> (u16, RecvStream) {
    let site = Url::parse(&setting.site).unwrap();
    let cookies = person.jar().sent(&site, From::Own).unwrap();
    let request = Request::get(setting.url(path)).header("cookie", cookies).body(()).unwrap();
    let mut ready = patiently(sender.clone().ready()).await.unwrap();
    let (answer, _) = ready.send_request(request, true).unwrap();
    let answer = patiently(answer).await.unwrap();
    (answer.status().as_u16(), answer.into_body())
}

async fn events(
    setting: &Setting,
    sender: &SendRequest<bytes::Bytes>,
    person: &Person,
) -> RecvStream {
    let (status, mut events) = ask(setting, sender, person, "/events").await;
    assert_eq!(status, 200);
    assert_eq!(patiently(events.data()).await.unwrap().unwrap(), EVENT);
    events
}

/// The app is silent: no event is there to notice with that the session is over.
#[tokio::test]
async fn a_silent_stream_of_http_2_ends_with_its_session_and_others_go_on() {
    let authority = Authority::new();
    authority.issue("app", &["app.test"]);
    let listeners = format!(
        "[{{ name: plain, address: '127.0.0.1:0' }}, {{ name: tls, address: '127.0.0.1:0', tls: {{ {} }} }}]",
        authority.pair("app")
    );
    let Some(setting) = Setting::at(&listeners, "", "", json!({})).await else { return };
    let mut config = authority.client();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let address = setting.sidegate.listener("tls").await;
    let stream = connect(config, address, "app.test").await.unwrap();
    let (sender, connection) = patiently(h2::client::handshake(stream)).await.unwrap();
    tokio::spawn(connection);
    let bob = Person::new();
    setting.shows(&setting.sign_in(&bob, "bob").await, "bob");
    let mut goes_on = events(&setting, &sender, &bob).await;
    takes_at_most(AT_MOST, async || {
        let ada = Person::new();
        setting.shows(&setting.sign_in(&ada, "ada").await, "ada");
        let mut ended = events(&setting, &sender, &ada).await;
        assert!(timeout(Duration::ZERO, ended.data()).await.is_err(), "it was closed");
        ada.visit(confirmed(&setting, &ada).await).await;
        let told = Instant::now();
        let end = patiently(ended.data()).await;
        assert!(end.is_some_and(|end| end.is_err()), "it must not look complete");
        told.elapsed()
    })
    .await;
    assert!(timeout(Duration::ZERO, goes_on.data()).await.is_err(), "it was closed");
    assert_eq!(ask(&setting, &sender, &bob, "/api").await.0, 200);
}
