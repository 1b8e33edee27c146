use std::collections::BTreeMap;

use parking_lot::Mutex;
use proptest::prelude::*;
use serde_json::json;
use tokio::sync::watch;

use super::*;
use crate::gate::{ResolvedTokens, Resolver};
use crate::telemetry::metrics::Metrics;
use crate::token::Claims;

const NAMES: [&str; 3] = ["app_session", "app_access_token", "session"];

/// Knows credentials as the real server does: the first that is good counts, in its own order.
struct Server {
    people: Mutex<BTreeMap<String, String>>,
    asked: Mutex<u32>,
    down: Mutex<bool>,
    open: watch::Sender<bool>,
}

#[async_trait]
impl Resolve for Server {
    async fn resolve(&self, offered: &Offered) -> Result<Resolved, NoAnswer> {
        *self.asked.lock() += 1;
        self.open.subscribe().wait_for(|open| *open).await.unwrap();
        if *self.down.lock() {
            return Err(NoAnswer("down".to_owned()));
        }
        let text = |part: Option<&Secret<String>>| {
            part.map(|text| text.expose().clone()).unwrap_or_default()
        };
        let bearer = text(offered.authorization()).replace("Bearer ", "");
        let cookie = text(offered.cookie());
        let pairs: BTreeMap<&str, &str> =
            cookie.split("; ").filter_map(|pair| pair.split_once('=')).collect();
        let shown: Vec<&str> = [bearer.as_str()]
            .into_iter()
            .filter(|token| !token.is_empty())
            .chain(NAMES.iter().filter_map(|name| pairs.get(name).copied()))
            .collect();
        let people = self.people.lock();
        let clear = vec![HeaderValue::from_static("session=; Path=/")];
        Ok(match shown.iter().find_map(|token| people.get(*token)) {
            Some(person) => Resolved::Valid(claims(person)),
            None if shown.is_empty() => Resolved::SawNone,
            None => Resolved::Invalid { clear },
        })
    }
}

impl Server {
    fn start() -> Arc<Self> {
        let known = ["ada", "bob"].into_iter().flat_map(|person| {
            (0..4).map(move |place| (format!("{person}-{place}"), person.to_owned()))
        });
        Arc::new(Self {
            people: Mutex::new(known.collect()),
            asked: Mutex::default(),
            down: Mutex::default(),
            open: watch::Sender::new(true),
        })
    }

    fn asked(&self) -> u32 {
        *self.asked.lock()
    }
}

fn claims(person: &str) -> Claims {
    let serde_json::Value::Object(members) = json!({ "sub": person }) else { unreachable!() };
    Claims::from(members)
}

fn settings() -> ResolverSettings {
    ResolverSettings {
        url: Url::parse("https://auth.example.com/_resolver/resolve").unwrap(),
        host: None,
        cookies: NAMES.map(str::to_owned).to_vec(),
        remember: Duration::from_secs(10),
        remember_invalid: Duration::from_secs(5),
        recheck: Duration::from_secs(60),
        patience: Duration::from_secs(2),
        memory: 16 << 20,
    }
}

fn of(server: &Arc<Server>) -> Arc<Resolutions> {
    let source = Arc::<Server>::clone(server);
    Resolutions::new("authgear", source, settings(), Metrics::new().sessions())
}

/// What is offered with these four credentials, in the server's order.
fn offered(credentials: [Option<&str>; 4]) -> Option<Offered> {
    let [bearer, cookies @ ..] = credentials;
    let pairs = NAMES.iter().zip(cookies);
    let pairs: Vec<String> =
        pairs.filter_map(|(name, value)| Some(format!("{name}={}", value?))).collect();
    let mut headers = HeaderMap::new();
    if !pairs.is_empty() {
        headers.insert(header::COOKIE, HeaderValue::try_from(pairs.join("; ")).unwrap());
    }
    let resolver =
        Resolver { cookies: NAMES.map(str::to_owned).to_vec(), tokens: ResolvedTokens::All };
    resolver.offered(&headers, bearer).unwrap()
}

fn session(value: &str) -> Offered {
    offered([None, None, None, Some(value)]).unwrap()
}

async fn answer(resolutions: &Arc<Resolutions>, offered: &Offered, now: u64) -> String {
    asked_for(resolutions, offered, ResolverUse::Identify, now).await
}

async fn asked_for(
    resolutions: &Arc<Resolutions>,
    offered: &Offered,
    purpose: ResolverUse,
    now: u64,
) -> String {
    told(resolutions.answer(offered, purpose, Timestamp::from_secs(now)).await)
}

fn told(answer: ResolverAnswer) -> String {
    match answer {
        ResolverAnswer::Valid { claims, until } => {
            format!("{} until {until}", claims.text("sub").unwrap())
        }
        ResolverAnswer::Invalid { clear } => format!("invalid, {} cookies", clear.len()),
        ResolverAnswer::SawNone => "none".to_owned(),
        ResolverAnswer::Unavailable => "unavailable".to_owned(),
    }
}

#[tokio::test]
async fn a_thousand_requests_with_one_credential_ask_once() {
    let server = Server::start();
    server.open.send_replace(false);
    let resolutions = of(&server);
    let requests: Vec<_> = (0..1000)
        .map(|_| {
            let resolutions = Arc::clone(&resolutions);
            tokio::spawn(async move { answer(&resolutions, &session("ada-3"), 100).await })
        })
        .collect();
    while server.asked() == 0 {
        tokio::task::yield_now().await;
    }
    server.open.send_replace(true);
    for request in requests {
        assert_eq!(request.await.unwrap(), "ada until 110");
    }
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn an_ended_session_is_noticed_when_its_answer_is_forgotten() {
    let server = Server::start();
    let resolutions = of(&server);
    assert_eq!(answer(&resolutions, &session("ada-3"), 100).await, "ada until 110");
    server.people.lock().clear();
    assert_eq!(answer(&resolutions, &session("ada-3"), 109).await, "ada until 110");
    assert_eq!(answer(&resolutions, &session("ada-3"), 110).await, "invalid, 1 cookies");
    assert_eq!(answer(&resolutions, &session("ada-3"), 114).await, "invalid, 1 cookies");
    assert_eq!(server.asked(), 2);
    assert_eq!(answer(&resolutions, &session("ada-3"), 115).await, "invalid, 1 cookies");
    assert_eq!(server.asked(), 3);
}

#[tokio::test]
async fn who_has_just_signed_in_is_asked_about_whatever_is_remembered() {
    let server = Server::start();
    let resolutions = of(&server);
    assert_eq!(answer(&resolutions, &session("new"), 100).await, "invalid, 1 cookies");
    server.people.lock().insert("new".to_owned(), "ada".to_owned());
    let now = Timestamp::from_secs(101);
    let anew = told(resolutions.answer_anew(&session("new"), now).await);
    assert_eq!(anew, "ada until 111");
    assert_eq!(answer(&resolutions, &session("new"), 102).await, "ada until 111");
}

#[tokio::test]
async fn a_recheck_is_remembered_for_longer_and_for_itself_alone() {
    let server = Server::start();
    let resolutions = of(&server);
    let token = Offered::bearer("ada-0");
    let recheck = ResolverUse::Recheck;
    assert_eq!(asked_for(&resolutions, &token, recheck, 100).await, "ada until 160");
    assert_eq!(answer(&resolutions, &token, 150).await, "ada until 160");
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn a_resolver_that_is_down_is_no_verdict_and_is_asked_again_after_a_pause() {
    let server = Server::start();
    *server.down.lock() = true;
    let resolutions = of(&server);
    for now in [100, 100] {
        assert_eq!(answer(&resolutions, &session("ada-3"), now).await, "unavailable");
    }
    assert_eq!(server.asked(), 1);
    *server.down.lock() = false;
    assert_eq!(answer(&resolutions, &session("ada-3"), 101).await, "ada until 111");
}

proptest! {
    /// S-AG2b: whatever comes, in whatever order, the memory says what the server would say.
    #[test]
    fn s_ag2b_no_credential_is_taken_for_another(
        requests in proptest::collection::vec(
            proptest::array::uniform4(proptest::option::of(0_usize..3)), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let server = Server::start();
            let resolutions = of(&server);
            for request in requests {
                let texts: [Option<String>; 4] = std::array::from_fn(|place| {
                    request[place].map(|who| format!("{}-{place}", ["ada", "bob", "nobody"][who]))
                });
                let Some(offered) = offered(texts.each_ref().map(|text| text.as_deref())) else { continue };
                let expected = request.iter().flatten().find(|who| **who < 2);
                let expected = match expected {
                    Some(who) => format!("{} until 110", ["ada", "bob"][*who]),
                    None => "invalid, 1 cookies".to_owned(),
                };
                assert_eq!(answer(&resolutions, &offered, 100).await, expected);
            }
        });
    }
}
