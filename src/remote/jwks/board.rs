//! The board of one configuration: its providers in written order, and the ring of their keys that requests read.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::gate::KeyRing;
use crate::remote::jwks::task::Tended;

/// Who is on the board, and what it shows.
pub(super) struct Board {
    providers: Vec<Arc<Tended>>,
    ring: ArcSwap<KeyRing>,
    drawing: Mutex<()>,
    events: watch::Sender<u64>,
}

impl Board {
    /// A board of these providers, kept up to date by them.
    pub(super) fn of(providers: Vec<Arc<Tended>>) -> Arc<Self> {
        let ring = ArcSwap::from_pointee(draw(&providers));
        let board = Arc::new(Self {
            providers,
            ring,
            drawing: Mutex::new(()),
            events: watch::Sender::new(0),
        });
        for tended in &board.providers {
            tended.provider().show_on(Arc::downgrade(&board));
        }
        // A set that came between drawing and showing was announced to no one.
        board.renew();
        board
    }

    /// The providers, in written order.
    pub(super) fn providers(&self) -> &[Arc<Tended>] {
        &self.providers
    }

    /// The ring, as of now.
    pub(super) fn ring(&self) -> Arc<KeyRing> {
        self.ring.load_full()
    }

    /// Draws the ring anew. One at a time: of two changes at once, the ring drawn last has both.
    pub(super) fn renew(&self) {
        let _turn = self.drawing.lock();
        self.ring.store(Arc::new(draw(&self.providers)));
    }

    /// Tells those who watch that something happened.
    pub(super) fn announce(&self) {
        self.events.send_modify(|count| *count += 1);
    }

    /// For watching.
    pub(super) fn events(&self) -> watch::Receiver<u64> {
        self.events.subscribe()
    }
}

fn draw(providers: &[Arc<Tended>]) -> KeyRing {
    KeyRing::new(providers.iter().map(|tended| tended.provider().key_state()).collect())
}
