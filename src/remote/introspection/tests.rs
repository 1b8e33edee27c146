use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::watch;

use super::*;
use crate::telemetry::metrics::Metrics;

/// Says of every token what it was told to say, once its gate is open.
struct Provider {
    says: Mutex<Result<Verdict, String>>,
    asked: Mutex<u32>,
    open: watch::Sender<bool>,
}

#[async_trait]
impl Introspect for Provider {
    async fn introspect(&self, _: &Secret<String>, _: Timestamp) -> Result<Verdict, NoAnswer> {
        *self.asked.lock() += 1;
        self.open.subscribe().wait_for(|open| *open).await.unwrap();
        self.says.lock().clone().map_err(NoAnswer)
    }
}

impl Provider {
    fn that_says(says: Result<Verdict, &str>) -> Arc<Self> {
        Arc::new(Self {
            says: Mutex::new(says.map_err(str::to_owned)),
            asked: Mutex::new(0),
            open: watch::Sender::new(true),
        })
    }

    fn asked(&self) -> u32 {
        *self.asked.lock()
    }
}

fn active(expires: Option<u64>) -> Verdict {
    let serde_json::Value::Object(claims) = json!({ "sub": "ada" }) else { unreachable!() };
    let claims = Arc::new(Claims::from(claims));
    Verdict::Active { claims, expires: expires.map(Timestamp::from_secs) }
}

fn of(provider: &Arc<Provider>) -> Arc<Introspections> {
    let source = Arc::<Provider>::clone(provider);
    let metrics = Metrics::new().sessions();
    Introspections::new("main", source, IntrospectionSettings::default(), metrics)
}

async fn answer(introspections: &Arc<Introspections>, token: &str, now: u64) -> String {
    let token = Secret::new(token.to_owned());
    match introspections.answer(&token, Timestamp::from_secs(now)).await {
        IntrospectionAnswer::Active { claims, until } => {
            format!("{} until {until}", claims.text("sub").unwrap())
        }
        IntrospectionAnswer::Inactive => "inactive".to_owned(),
        IntrospectionAnswer::Unavailable => "unavailable".to_owned(),
    }
}

#[tokio::test]
async fn a_thousand_requests_with_one_token_ask_once() {
    let provider = Provider::that_says(Ok(active(None)));
    provider.open.send_replace(false);
    let introspections = of(&provider);
    let requests: Vec<_> = (0..1000)
        .map(|_| {
            let introspections = Arc::clone(&introspections);
            tokio::spawn(async move { answer(&introspections, "opaque", 100).await })
        })
        .collect();
    while provider.asked() == 0 {
        tokio::task::yield_now().await;
    }
    provider.open.send_replace(true);
    for request in requests {
        assert_eq!(request.await.unwrap(), "ada until 130");
    }
    assert_eq!(provider.asked(), 1);
}

/// x078: a token that was withdrawn is refused once the bounded time has passed.
#[tokio::test]
async fn a_withdrawn_token_is_refused_when_its_answer_is_forgotten() {
    let provider = Provider::that_says(Ok(active(None)));
    let introspections = of(&provider);
    assert_eq!(answer(&introspections, "opaque", 100).await, "ada until 130");
    *provider.says.lock() = Ok(Verdict::Inactive);
    assert_eq!(answer(&introspections, "opaque", 129).await, "ada until 130");
    assert_eq!(answer(&introspections, "opaque", 130).await, "inactive");
    *provider.says.lock() = Ok(active(None));
    assert_eq!(answer(&introspections, "opaque", 139).await, "inactive");
    assert_eq!(answer(&introspections, "opaque", 140).await, "ada until 170");
    assert_eq!(provider.asked(), 3);
}

#[tokio::test]
async fn no_answer_outlives_its_token() {
    let provider = Provider::that_says(Ok(active(Some(110))));
    let introspections = of(&provider);
    assert_eq!(answer(&introspections, "opaque", 100).await, "ada until 110");
    assert_eq!(answer(&introspections, "opaque", 110).await, "inactive", "asked again, and over");
    assert_eq!(provider.asked(), 2);
}

#[tokio::test]
async fn a_provider_that_is_down_is_no_verdict_and_is_asked_again_after_a_pause() {
    let provider = Provider::that_says(Err("down"));
    let introspections = of(&provider);
    assert_eq!(answer(&introspections, "opaque", 100).await, "unavailable");
    *provider.says.lock() = Ok(active(None));
    assert_eq!(answer(&introspections, "opaque", 100).await, "unavailable");
    assert_eq!(answer(&introspections, "opaque", 101).await, "ada until 131");
    assert_eq!(provider.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_does_not_answer_is_waited_for_as_long_as_patience_lasts() {
    let provider = Provider::that_says(Ok(active(None)));
    provider.open.send_replace(false);
    assert_eq!(answer(&of(&provider), "opaque", 100).await, "unavailable");
}

#[tokio::test]
async fn tokens_are_told_apart() {
    let provider = Provider::that_says(Ok(active(None)));
    let introspections = of(&provider);
    answer(&introspections, "opaque", 100).await;
    answer(&introspections, "opaque2", 100).await;
    assert_eq!(provider.asked(), 2);
}
