//! Whose fault it was that a permitted request got no answer, and what to say about it.

use std::io;

use pingora::{Error, ErrorSource, ErrorType};

use crate::gate::Reason;
use crate::serve::reply::{Asker, Reply, UpstreamFailure};
use crate::telemetry::metrics::UpstreamError;

/// Who is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The client went away or broke off.
    Client,
    /// We did something wrong.
    Own,
    /// The request itself.
    Request(Reason),
    /// The upstream.
    Upstream(UpstreamError),
}

/// Works out who is to blame for `error`.
pub(crate) fn blame(error: &Error) -> Blame {
    use ErrorType as E;
    match (error.etype(), error.esource()) {
        (E::HTTPStatus(413), _) => Blame::Request(Reason::BodyTooLarge),
        (E::HTTPStatus(504), _) => Blame::Upstream(UpstreamError::Timeout),
        (E::ConnectTimedout | E::TLSHandshakeTimedout, _) => {
            Blame::Upstream(UpstreamError::Timeout)
        }
        (E::TLSHandshakeFailure | E::InvalidCert | E::HandshakeError | E::TLSWantX509Lookup, _) => {
            Blame::Upstream(UpstreamError::Tls)
        }
        (
            E::ConnectRefused
            | E::ConnectNoRoute
            | E::ConnectError
            | E::ConnectProxyFailure
            | E::SocketError
            | E::BindError,
            _,
        ) => Blame::Upstream(UpstreamError::Connect),
        (E::ReadTimedout | E::WriteTimedout, ErrorSource::Upstream) => {
            Blame::Upstream(UpstreamError::Timeout)
        }
        (E::ReadError | E::WriteError, ErrorSource::Upstream) if is_late(error) => {
            Blame::Upstream(UpstreamError::Timeout)
        }
        (E::ConnectionClosed | E::ReadError | E::WriteError, ErrorSource::Upstream) => {
            Blame::Upstream(UpstreamError::Reset)
        }
        (_, ErrorSource::Upstream) => Blame::Upstream(UpstreamError::Other),
        (E::InvalidHTTPHeader, ErrorSource::Downstream) => Blame::Request(Reason::MalformedFraming),
        (_, ErrorSource::Downstream) => Blame::Client,
        _ => Blame::Own,
    }
}

/// Whether a read or a write took too long.
pub(crate) fn is_late(error: &Error) -> bool {
    let io = error.root_cause().downcast_ref::<io::Error>();
    matches!(error.etype(), ErrorType::ReadTimedout | ErrorType::WriteTimedout)
        || io.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

impl Blame {
    /// What is counted for the upstream.
    pub(crate) const fn upstream(self) -> Option<UpstreamError> {
        match self {
            Self::Upstream(error) => Some(error),
            _ => None,
        }
    }

    /// What the client is told.
    pub(crate) fn reply(self, asker: Asker<'_>) -> Reply {
        let failure = match self {
            Self::Request(reason) => return Reply::refusal(reason, asker),
            Self::Upstream(UpstreamError::Timeout) => UpstreamFailure::Timeout,
            Self::Upstream(_) => UpstreamFailure::BadGateway,
            Self::Client | Self::Own => UpstreamFailure::Internal,
        };
        Reply::upstream_failed(failure, asker)
    }
}
