//! The end of one HTTP/2 stream while the others of its connection go on.
//!
//! pingora hands no context to the streams of a connection. So what belongs to a stream goes with the task that serves it.

use std::sync::Arc;

use tokio::sync::Notify;

tokio::task_local! {
    static CURRENT: StreamContext;
}

/// What an app may do with the HTTP/2 stream that it serves.
#[derive(Clone)]
pub struct StreamContext(Arc<Notify>);

impl StreamContext {
    /// The stream that this task serves; none where it serves no stream of HTTP/2.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    /// Ends the stream. What was not sent yet is not sent any more
    /// ([RFC 9113 §6.4](https://www.rfc-editor.org/rfc/rfc9113#section-6.4)).
    pub fn cut(&self) {
        self.0.notify_one();
    }
}

/// Serves a stream by `served` until that ends, or the stream is cut.
pub(super) async fn until_cut<T>(served: impl Future<Output = Option<T>>) -> Option<T> {
    let stream = StreamContext(Arc::new(Notify::new()));
    let cut = Arc::clone(&stream.0);
    tokio::select! {
        ended = CURRENT.scope(stream, served) => ended,
        () = cut.notified() => None,
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn a_stream_that_is_cut_ends_and_others_go_on() {
        let cut = until_cut(async {
            StreamContext::current().unwrap().cut();
            pending::<Option<()>>().await
        });
        assert_eq!(cut.await, None);
        assert_eq!(until_cut(ready(Some(7))).await, Some(7));
        assert!(StreamContext::current().is_none());
    }
}
