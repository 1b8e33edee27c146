use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::watch;

use super::*;
use crate::base::secret::Secret;
use crate::remote::sessions::StoreSettings;
use crate::session::SealingKeys;
use crate::telemetry::metrics::Metrics;

const DUE: u64 = 100;
const BY: u64 = 200;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

fn secret(text: &str) -> Option<Secret<String>> {
    Some(Secret::new(text.to_owned()))
}

fn claims(role: &str) -> Claims {
    let serde_json::Value::Object(claims) = json!({ "role": role }) else { unreachable!() };
    Claims::from(claims)
}

pub(super) fn session() -> Arc<Session> {
    Arc::new(Session {
        id: SessionId::from_bytes([1; 16]),
        provider: "main".to_owned(),
        client: "app".to_owned(),
        issuer: "https://login.example.com".to_owned(),
        subject: "ada".to_owned(),
        sid: None,
        claims: claims("first"),
        started: at(0),
        idle_until: at(5000),
        ends: at(9000),
        renewal: Some(Renewal { due: at(DUE), by: at(BY) }),
        persistent: false,
        tokens: Tokens { refresh: secret("r0"), access: secret("a0"), id: secret("i0") },
        renewals: 0,
    })
}

/// Gives what it was told to give, once its gate is open, and keeps the refresh tokens that it saw.
struct Provider {
    gives: Mutex<Result<Refreshed, RenewalFailure>>,
    saw: Mutex<Vec<String>>,
    open: watch::Sender<bool>,
}

#[async_trait]
impl Renew for Provider {
    async fn refresh(&self, session: &Session, _: Timestamp) -> Result<Refreshed, RenewalFailure> {
        let token = session.tokens.refresh.as_ref().map(|token| token.expose().clone());
        self.saw.lock().push(token.unwrap_or_default());
        self.open.subscribe().wait_for(|open| *open).await.unwrap();
        self.gives.lock().clone()
    }
}

/// Fresh tokens of that number, due again much later.
fn tokens(number: u32, due: u64, by: u64) -> Result<Refreshed, RenewalFailure> {
    Ok(Refreshed {
        claims: Some(claims("next")),
        tokens: Tokens {
            refresh: secret(&format!("r{number}")),
            access: secret(&format!("a{number}")),
            id: None,
        },
        renewal: Some(Renewal { due: at(due), by: at(by) }),
    })
}

pub(super) struct Bench {
    provider: Arc<Provider>,
    pub(super) means: RenewalMeans,
    renewals: Arc<Renewals>,
    revocations: Arc<RevocationSet>,
    metrics: Metrics,
}

impl Bench {
    pub(super) fn that_gives(gives: Result<Refreshed, RenewalFailure>) -> Self {
        let metrics = Metrics::new();
        let revocations = Arc::new(RevocationSet::new(100));
        let provider = Arc::new(Provider {
            gives: Mutex::new(gives),
            saw: Mutex::default(),
            open: watch::Sender::new(true),
        });
        let secret = Secret::new(std::array::from_fn(|index| u8::try_from(index).unwrap()));
        let sessions = Sessions::new(
            &StoreSettings::Cookie,
            SealingKeys::new(&[secret]).unwrap(),
            Arc::clone(&revocations),
            None,
            metrics.sessions(),
        );
        let means = RenewalMeans {
            provider: Arc::<Provider>::clone(&provider),
            sessions: Arc::new(sessions.unwrap()),
        };
        let remember = Duration::from_secs(3600);
        let renewals =
            Renewals::new(1 << 20, remember, Arc::clone(&revocations), metrics.sessions());
        Self { provider, means, renewals, revocations, metrics }
    }

    pub(super) async fn renew(&self, session: &Arc<Session>, now: u64) -> Renewed {
        let held = Held { session: Arc::clone(session), ticket: None };
        self.renewals.renew(&self.means, &held, at(now)).await
    }

    /// Waits until the renewal that runs has ended. Asks with a session that must be renewed, and joins.
    async fn landed(&self, session: &Arc<Session>) -> Renewed {
        self.renew(&urgent(session), DUE).await
    }

    fn gives(&self, gives: Result<Refreshed, RenewalFailure>) {
        *self.provider.gives.lock() = gives;
    }

    fn saw(&self) -> Vec<String> {
        self.provider.saw.lock().clone()
    }
}

/// The same session, to be renewed before it is used.
fn urgent(session: &Session) -> Arc<Session> {
    let renewal = Some(Renewal { due: at(0), by: at(0) });
    Arc::new(Session { renewal, ..session.clone() })
}

pub(super) fn told(renewed: &Renewed) -> String {
    match renewed {
        Renewed::Ended(reason) => format!("ended: {}", reason.label()),
        Renewed::Session(session) => format!(
            "{} {} {}",
            session.tokens.refresh.as_ref().unwrap().expose(),
            session.claims.text("role").unwrap(),
            session.renewals
        ),
        Renewed::Unavailable => "unavailable".to_owned(),
        Renewed::Underway => "underway".to_owned(),
    }
}

/// The refresh-storm: one request to the provider, whatever comes.
#[tokio::test]
async fn a_thousand_requests_of_one_session_renew_it_once() {
    let bench = Arc::new(Bench::that_gives(tokens(1, 1000, 2000)));
    bench.provider.open.send_replace(false);
    let requests: Vec<_> = (0..1000)
        .map(|_| {
            let bench = Arc::clone(&bench);
            tokio::spawn(async move { told(&bench.renew(&session(), BY).await) })
        })
        .collect();
    while bench.saw().is_empty() {
        tokio::task::yield_now().await;
    }
    bench.provider.open.send_replace(true);
    for request in requests {
        assert_eq!(request.await.unwrap(), "r1 next 1");
    }
    assert_eq!(bench.saw(), ["r0"]);
    let text = bench.metrics.render(at(0));
    assert!(text.contains("sidegate_session_renewals_total{result=\"renewed\"} 1"), "{text}");
}

#[tokio::test]
async fn requests_go_on_while_there_is_time() {
    let bench = Bench::that_gives(tokens(1, 1000, 2000));
    bench.provider.open.send_replace(false);
    assert_eq!(told(&bench.renew(&session(), DUE).await), "underway");
    assert_eq!(told(&bench.renew(&session(), BY - 1).await), "underway");
    bench.provider.open.send_replace(true);
    assert_eq!(told(&bench.landed(&session()).await), "r1 next 1");
    assert_eq!(bench.saw(), ["r0"]);
}

/// x046: a refresh token that was used up must not be used again by whoever comes with the old cookie.
#[tokio::test]
async fn the_old_cookie_gets_the_renewed_session_however_late_it_comes() {
    let bench = Bench::that_gives(tokens(1, 1000, 2000));
    let old = session();
    assert_eq!(told(&bench.renew(&old, BY).await), "r1 next 1");
    assert_eq!(told(&bench.renew(&old, 999).await), "r1 next 1");
    bench.gives(tokens(2, 3000, 4000));
    assert_eq!(told(&bench.renew(&old, 1000).await), "r1 next 1", "renewed anew in the background");
    assert_eq!(told(&bench.renew(&old, 2000).await), "r2 next 2");
    assert_eq!(bench.saw(), ["r0", "r1"]);
}

#[tokio::test]
async fn what_the_provider_does_not_give_stays() {
    let none = Refreshed { claims: None, tokens: Tokens::default(), renewal: None };
    let bench = Bench::that_gives(Ok(none));
    let Renewed::Session(renewed) = bench.renew(&session(), BY).await else { panic!("no session") };
    assert_eq!(renewed.claims.text("role"), Some("first"));
    assert_eq!(renewed.tokens.refresh.as_ref().unwrap().expose(), "r0");
    assert_eq!(renewed.tokens.id.as_ref().unwrap().expose(), "i0");
    assert!(renewed.tokens.access.is_none(), "the old one is over");
    assert!(renewed.renewal.is_none() && renewed.renewals == 1);
    assert_eq!((renewed.started, renewed.ends), (at(0), at(9000)));
}

#[tokio::test]
async fn a_request_of_the_old_cookie_extends_the_idle_time_of_the_new() {
    let bench = Bench::that_gives(tokens(1, 1000, 2000));
    bench.renew(&session(), BY).await;
    let touched = Arc::new(Session { idle_until: at(6000), ..(*session()).clone() });
    let Renewed::Session(renewed) = bench.renew(&touched, BY).await else { panic!("no session") };
    assert_eq!((renewed.idle_until, renewed.renewals), (at(6000), 1));
}

#[tokio::test]
async fn a_refusal_ends_the_session_for_good() {
    for reason in [EndReason::Refused, EndReason::Mismatch] {
        let bench = Bench::that_gives(Err(RenewalFailure::Ended(reason)));
        let ended = format!("ended: {}", reason.label());
        assert_eq!(told(&bench.renew(&session(), BY).await), ended);
        assert!(bench.revocations.is_revoked(&session(), at(BY)));
        assert_eq!(told(&bench.renew(&session(), BY).await), ended);
        assert_eq!(bench.saw(), ["r0"]);
    }
}

#[tokio::test]
async fn a_provider_that_is_down_ends_no_session() {
    let bench = Bench::that_gives(Err(RenewalFailure::Unavailable("503".to_owned())));
    assert_eq!(told(&bench.renew(&session(), DUE).await), "underway");
    assert_eq!(told(&bench.landed(&session()).await), "unavailable");
    assert_eq!(told(&bench.renew(&session(), BY).await), "unavailable");
    assert!(bench.revocations.is_empty());
    bench.gives(tokens(1, 1000, 2000));
    assert_eq!(told(&bench.renew(&session(), BY + 60).await), "r1 next 1");
}

#[tokio::test]
async fn a_provider_that_is_down_is_asked_less_and_less_often() {
    let bench = Bench::that_gives(Err(RenewalFailure::Unavailable("503".to_owned())));
    let mut asked = Vec::new();
    for now in BY..BY + 100 {
        let before = bench.saw().len();
        bench.renew(&session(), now).await;
        if bench.saw().len() > before {
            asked.push(now - BY);
        }
    }
    assert_eq!(asked, [0, 1, 3, 7, 15, 31, 61, 91]);
}

/// The renewed session was not written to its browser yet when the provider went down.
#[tokio::test]
async fn a_failure_does_not_make_the_used_token_be_used_again() {
    let bench = Bench::that_gives(tokens(1, 1000, 2000));
    bench.renew(&session(), BY).await;
    bench.gives(Err(RenewalFailure::Unavailable("503".to_owned())));
    assert_eq!(told(&bench.renew(&session(), 2000).await), "unavailable");
    bench.gives(tokens(2, 3000, 4000));
    assert_eq!(told(&bench.renew(&session(), 2100).await), "r2 next 2");
    assert_eq!(bench.saw(), ["r0", "r1", "r1"]);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_is_waited_for_five_seconds_and_its_late_answer_counts() {
    let bench = Bench::that_gives(tokens(1, 1000, 2000));
    bench.provider.open.send_replace(false);
    let begun = tokio::time::Instant::now();
    assert_eq!(told(&bench.renew(&session(), BY).await), "unavailable");
    assert_eq!(begun.elapsed(), PATIENCE);
    bench.provider.open.send_replace(true);
    assert_eq!(told(&bench.renew(&session(), BY).await), "r1 next 1");
    assert_eq!(bench.saw(), ["r0"]);
}

#[tokio::test]
async fn a_session_that_is_signed_out_meanwhile_is_not_brought_back() {
    let bench = Bench::that_gives(tokens(1, 1000, 2000));
    bench.provider.open.send_replace(false);
    assert_eq!(told(&bench.renew(&session(), DUE).await), "underway");
    bench.revocations.revoke(&Revoked::Session(session().id), at(DUE), at(9000), at(DUE));
    bench.provider.open.send_replace(true);
    assert_eq!(told(&bench.landed(&session()).await), "ended: revoked");
}

#[tokio::test]
async fn sessions_are_told_apart() {
    let bench = Bench::that_gives(tokens(1, 1000, 2000));
    let other = Session { id: SessionId::from_bytes([2; 16]), ..(*session()).clone() };
    bench.renew(&session(), BY).await;
    bench.renew(&Arc::new(other), BY).await;
    assert_eq!(bench.saw(), ["r0", "r0"]);
}
