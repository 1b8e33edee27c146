//! Whether a provider can be reached, as far as is known: so that nobody is led to a login page that is not there, or whose
//! answer could not be redeemed.
//!
//! Each exchange tells how it went. Who wants to know when none has succeeded lately causes one probe, which all share. In doubt
//! a provider counts as reachable.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::StatusCode;
use tokio::time::{Instant, timeout};

use crate::remote::flight::{Boarding, Flights};
use crate::remote::http::{FetchError, Reply};

/// For how long an answer says that there will be another.
const HEARD_FOR: Duration = Duration::from_secs(5);

/// For how long silence is believed: the time between two probes of a provider that is down.
const SILENT_FOR: Duration = Duration::from_secs(2);

/// How long a probe is waited for. When it takes longer, what was known before counts.
const PATIENCE: Duration = Duration::from_secs(2);

/// How a provider answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// It does, whatever it says.
    Answers,
    /// It does not, or somebody before it says that it does not.
    Silent,
}

impl Reach {
    /// What an exchange says of it. What we ourselves refuse, an address or an answer, says nothing against the provider.
    pub(super) fn of(outcome: &Result<Reply, FetchError>) -> Self {
        match outcome {
            Ok(reply) => Self::of_status(reply.status),
            Err(
                FetchError::Broken(_)
                | FetchError::Connect(_)
                | FetchError::Deadline(_)
                | FetchError::Resolve(_),
            ) => Self::Silent,
            Err(_) => Self::Answers,
        }
    }

    /// The three statuses by which a gateway or the provider itself says that there is nobody to ask
    /// ([RFC 9110 §15.6](https://www.rfc-editor.org/rfc/rfc9110#section-15.6)).
    const fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Self::Silent,
            _ => Self::Answers,
        }
    }
}

#[derive(Clone, Copy)]
struct Heard {
    at: Instant,
    reach: Reach,
}

/// What is known of one provider. Clones share it.
#[derive(Clone)]
pub(super) struct Contact {
    last: Arc<Mutex<Option<Heard>>>,
    probes: Arc<Flights<(), Reach>>,
}

impl Contact {
    /// Nothing is known yet.
    pub(super) fn new() -> Self {
        Self { last: Arc::default(), probes: Flights::new(1) }
    }

    /// An exchange with it ended. One that failed may have been unlucky: it makes the next who asks look anew.
    pub(super) fn exchanged(&self, reach: Reach) {
        match reach {
            Reach::Answers => self.note(reach),
            Reach::Silent => {
                let mut last = self.last.lock();
                *last = last.filter(|heard| heard.reach == Reach::Silent);
            }
        }
    }

    /// Whether it answers. Starts `probe` if that is not known, and waits for it, but not for long. Must be called on a tokio
    /// runtime.
    pub(super) async fn reach<F>(&self, probe: impl FnOnce() -> F) -> Reach
    where
        F: Future<Output = Reach> + Send + 'static,
    {
        let before = self.last.lock().map_or(Reach::Answers, |heard| heard.reach);
        let work = || {
            let (contact, probe) = (self.clone(), probe());
            async move {
                let reach = probe.await;
                contact.note(reach);
                reach
            }
        };
        match self.probes.board(&(), || self.known(), work) {
            Boarding::Full => before,
            Boarding::Known(reach) => reach,
            Boarding::UnderWay(landing) => {
                timeout(PATIENCE, landing.wait()).await.ok().flatten().unwrap_or(before)
            }
        }
    }

    fn known(&self) -> Option<Reach> {
        let Heard { at, reach } = (*self.last.lock())?;
        let holds_for = match reach {
            Reach::Answers => HEARD_FOR,
            Reach::Silent => SILENT_FOR,
        };
        (at.elapsed() < holds_for).then_some(reach)
    }

    fn note(&self, reach: Reach) {
        *self.last.lock() = Some(Heard { at: Instant::now(), reach });
    }
}

impl std::fmt::Debug for Contact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contact").field("known", &self.known()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::time::{advance, sleep};

    use super::*;

    /// Who must not be asked.
    fn nobody() -> std::future::Ready<Reach> {
        panic!("a probe that nobody needs")
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_saves_probes_for_a_while() {
        let contact = Contact::new();
        contact.exchanged(Reach::Answers);
        advance(HEARD_FOR - Duration::from_millis(1)).await;
        assert_eq!(contact.reach(nobody).await, Reach::Answers);
        advance(Duration::from_millis(1)).await;
        assert_eq!(contact.reach(|| ready(Reach::Silent)).await, Reach::Silent);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_believed_for_a_moment_and_then_looked_into() {
        let contact = Contact::new();
        assert_eq!(contact.reach(|| ready(Reach::Silent)).await, Reach::Silent);
        contact.exchanged(Reach::Silent);
        assert_eq!(contact.reach(nobody).await, Reach::Silent);
        advance(SILENT_FOR).await;
        assert_eq!(contact.reach(|| ready(Reach::Answers)).await, Reach::Answers);
    }

    #[tokio::test(start_paused = true)]
    async fn one_failed_exchange_proves_nothing_but_is_looked_into() {
        let contact = Contact::new();
        contact.exchanged(Reach::Answers);
        contact.exchanged(Reach::Silent);
        assert_eq!(contact.reach(|| ready(Reach::Answers)).await, Reach::Answers);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_of_any_kind_ends_the_silence() {
        let contact = Contact::new();
        assert_eq!(contact.reach(|| ready(Reach::Silent)).await, Reach::Silent);
        contact.exchanged(Reach::Answers);
        assert_eq!(contact.reach(nobody).await, Reach::Answers);
    }

    /// A hundred who come while it hangs cause one probe, wait a bounded time, and are let go on; once it is known to be down
    /// they are not.
    #[tokio::test(start_paused = true)]
    async fn a_provider_that_hangs_holds_nobody_for_long() {
        let (contact, probes) = (Contact::new(), Arc::new(AtomicU32::new(0)));
        let began = Instant::now();
        let asked: Vec<_> = (0..100)
            .map(|_| {
                let (contact, probes) = (contact.clone(), Arc::clone(&probes));
                tokio::spawn(async move {
                    let hang = || {
                        probes.fetch_add(1, Ordering::Relaxed);
                        async {
                            sleep(PATIENCE * 3 / 2).await;
                            Reach::Silent
                        }
                    };
                    contact.reach(hang).await
                })
            })
            .collect();
        for asked in asked {
            assert_eq!(asked.await.unwrap(), Reach::Answers);
        }
        assert!(began.elapsed() <= PATIENCE + Duration::from_millis(10));
        assert_eq!(probes.load(Ordering::Relaxed), 1);
        assert_eq!(contact.reach(nobody).await, Reach::Silent);
        advance(SILENT_FOR).await;
        assert_eq!(contact.reach(pending).await, Reach::Silent, "what was known counts meanwhile");
    }

    #[test]
    fn only_who_says_that_nobody_is_there_counts_as_silent() {
        for status in [502, 503, 504] {
            assert_eq!(Reach::of_status(StatusCode::from_u16(status).unwrap()), Reach::Silent);
        }
        for status in [200, 400, 401, 404, 405, 429, 500, 501] {
            assert_eq!(Reach::of_status(StatusCode::from_u16(status).unwrap()), Reach::Answers);
        }
    }
}
