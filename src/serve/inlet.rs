//! A listener over which HTTP is spoken by pingora, as its door has it: what every request there begins with.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora::ErrorType;
use pingora::apps::{HttpPersistentSettings, ReusedHttpStream};
use pingora::protocols::http::ServerSession;

use crate::clock::Clock;
use crate::serve::callers::Memo;
use crate::serve::context::Context;
use crate::serve::guard::ConnectionContext;
use crate::serve::request_id::RequestIds;
use crate::serve::runtime::Runtime;
use crate::serve::story::Place;
use crate::telemetry::writer::LineWriter;

/// See the module's text.
pub(crate) struct Inlet {
    pub(crate) live: Arc<ArcSwap<Runtime>>,
    pub(crate) clock: Clock,
    pub(crate) ids: RequestIds,
    /// How long a body may stand still.
    pub(crate) body_deadline: Duration,
    /// The listener's name.
    pub(crate) listener: String,
    pub(crate) lines: LineWriter,
}

impl Inlet {
    /// A request that begins now.
    pub(crate) fn begin(&self) -> Context {
        Context::new(self.live.load_full(), &self.clock, self.ids.next())
    }

    /// Where it came in.
    pub(crate) fn place(&self) -> Place<'_> {
        Place { listener: &self.listener, lines: &self.lines }
    }

    /// Deadlines that pingora leaves open. Idle connections are the guard's: a timer of pingora's would cost every request.
    pub(crate) fn limit(&self, session: &mut ServerSession) {
        session.set_read_timeout(Some(self.body_deadline));
        session.set_write_timeout(Some(self.body_deadline));
    }
}

/// Reads the header; one that is none is answered as pingora's proxy answers it.
pub(crate) async fn is_readable(session: &mut ServerSession) -> bool {
    match session.read_request().await {
        Ok(read) => read,
        Err(error) => {
            if matches!(error.etype, ErrorType::InvalidHTTPHeader) {
                // A client that is gone cannot be told.
                let _ = session.respond_error(400).await;
            }
            false
        }
    }
}

/// Ends an answered request; its connection, if another one may follow there.
pub(crate) async fn go_on(session: ServerSession) -> Option<ReusedHttpStream> {
    let settings = HttpPersistentSettings::for_session(&session);
    let stream = session.finish().await.ok()??;
    Some(ReusedHttpStream::from_reusable_stream(stream, settings))
}

/// Takes the connection of HTTP/1 that the guard hands on with each request, whose header is complete.
pub(crate) fn take_connection(ctx: &mut Context, carried: Box<dyn Any + Send + Sync>) {
    let Ok(connection) = carried.downcast::<ConnectionContext>() else { return };
    connection.header_complete();
    ctx.memo = connection.take_memo().and_then(|memo| memo.downcast::<Memo>().ok());
    ctx.connection = Some(connection);
}
