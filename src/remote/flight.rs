//! Single flight: of many who want the same at once, one asks for it and all get its answer.
//!
//! The work is a task of its own, so that nobody who goes away takes it along. What is known afterwards is somebody else's to
//! remember; only that no flight starts for what has just become known is seen to here.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

/// The flights under way, by what they are to find out.
pub(super) struct Flights<K, V> {
    under_way: Mutex<HashMap<K, watch::Receiver<Option<V>>>>,
    limit: usize,
}

/// What became of the wish to know something.
pub(super) enum Boarding<V> {
    /// So many flights are under way that no other may start.
    Full,
    /// It is known.
    Known(V),
    /// It is being found out.
    UnderWay(Landing<V>),
}

/// The end of a flight, to be waited for.
pub(super) struct Landing<V>(watch::Receiver<Option<V>>);

impl<V: Clone> Landing<V> {
    /// Waits for the flight's end; `None` if it crashed.
    pub(super) async fn wait(mut self) -> Option<V> {
        self.0.wait_for(Option::is_some).await.ok().and_then(|landed| landed.clone())
    }
}

impl<K, V> Flights<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// None yet, and never more than `limit` at once.
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { under_way: Mutex::default(), limit })
    }

    /// Joins the flight for `key`, or looks at what is `known`, or starts one.
    ///
    /// `work` must make its result known before it returns it: whoever comes after the flight's end looks there. Must be
    /// called on a tokio runtime.
    pub(super) fn board<F>(
        self: &Arc<Self>,
        key: &K,
        known: impl FnOnce() -> Option<V>,
        work: impl FnOnce() -> F,
    ) -> Boarding<V>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut under_way = self.under_way.lock();
        if let Some(flight) = under_way.get(key) {
            return Boarding::UnderWay(Landing(flight.clone()));
        }
        if let Some(value) = known() {
            return Boarding::Known(value);
        }
        if under_way.len() >= self.limit {
            return Boarding::Full;
        }
        let (tell, flight) = watch::channel(None);
        under_way.insert(key.clone(), flight.clone());
        drop(under_way);
        tokio::spawn(fly(Departed { flights: Arc::clone(self), key: key.clone() }, tell, work()));
        Boarding::UnderWay(Landing(flight))
    }
}

/// A flight that is on the list; dropping it takes it off, even when its work panics.
struct Departed<K: Eq + Hash, V> {
    flights: Arc<Flights<K, V>>,
    key: K,
}

impl<K: Eq + Hash, V> Drop for Departed<K, V> {
    fn drop(&mut self) {
        self.flights.under_way.lock().remove(&self.key);
    }
}

async fn fly<K: Eq + Hash, V>(
    departed: Departed<K, V>,
    tell: watch::Sender<Option<V>>,
    work: impl Future<Output = V>,
) {
    let result = work.await;
    drop(departed);
    tell.send_replace(Some(result));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tokio::sync::oneshot;

    fn landing<V>(boarding: Boarding<V>) -> Landing<V> {
        match boarding {
            Boarding::UnderWay(landing) => landing,
            Boarding::Full | Boarding::Known(_) => panic!("no flight"),
        }
    }

    #[tokio::test]
    async fn a_thousand_who_want_the_same_cause_one_flight() {
        let flights = Flights::new(10);
        let started = Arc::new(AtomicU32::new(0));
        let (open, gate) = oneshot::channel::<()>();
        let mut gate = Some(gate);
        let landings: Vec<_> = (0..1000)
            .map(|_| {
                landing(flights.board(
                    &"key",
                    || None,
                    || {
                        started.fetch_add(1, Ordering::Relaxed);
                        let gate = gate.take().unwrap();
                        async move {
                            gate.await.unwrap();
                            7
                        }
                    },
                ))
            })
            .collect();
        open.send(()).unwrap();
        for landing in landings {
            assert_eq!(landing.wait().await, Some(7));
        }
        assert_eq!(started.load(Ordering::Relaxed), 1);
        assert!(flights.under_way.lock().is_empty());
    }

    #[tokio::test]
    async fn what_is_known_starts_no_flight_and_a_full_list_none_either() {
        let flights = Flights::<_, u8>::new(1);
        assert!(matches!(flights.board(&1, || Some(3), std::future::pending), Boarding::Known(3)));
        let _first = landing(flights.board(&1, || None, std::future::pending));
        assert!(matches!(flights.board(&2, || None, std::future::pending), Boarding::Full));
        assert!(matches!(flights.board(&1, || None, std::future::pending), Boarding::UnderWay(_)));
    }

    #[tokio::test]
    async fn a_flight_that_crashes_tells_so_and_makes_room_for_the_next() {
        let flights = Flights::<_, u8>::new(1);
        let crash = || async { panic!("as the test wants it") };
        assert_eq!(landing(flights.board(&1, || None, crash)).wait().await, None);
        let next = landing(flights.board(&1, || None, || async { 5 }));
        assert_eq!(next.wait().await, Some(5));
    }
}
