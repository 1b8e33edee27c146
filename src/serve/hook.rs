//! The futures of hooks that have nothing to wait for.
//!
//! pingora boxes the future of each hook. One of size zero needs no memory, which an `async fn` that never waits does: it
//! keeps its arguments. Some ten of them would be allocated for each request.

use std::future::ready;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What an asynchronous hook returns.
pub(crate) type Hook<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Ends at once with what the function returns.
struct Now<F>(F);

impl<T, F: Fn() -> T + Unpin> Future for Now<F> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<T> {
        Poll::Ready((self.0)())
    }
}

/// A hook that came to this result already.
pub(crate) fn done<'a>(result: pingora::Result<()>) -> Hook<'a, pingora::Result<()>> {
    match result {
        Ok(()) => Box::pin(Now(|| Ok(()))),
        Err(error) => Box::pin(ready(Err(error))),
    }
}

/// A hook that has done what it does.
pub(crate) fn over<'a>() -> Hook<'a, ()> {
    Box::pin(Now(|| ()))
}
