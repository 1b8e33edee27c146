//! One question on a connection of Envoy, from its header to the answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use envoy_types::pb::envoy::service::auth::v3::authorization_server::{
    Authorization, AuthorizationServer,
};
use envoy_types::pb::envoy::service::auth::v3::{CheckRequest, CheckResponse};
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use tonic::body::Body;
use tonic::{Code, Status};
use tower_service::Service as _;

use crate::gate::Reason;
use crate::serve::ext_authz::asked::Asked;
use crate::serve::ext_authz::connection::{Door, Line};
use crate::serve::ext_authz::judge::{Flavour, speaks_grpc};
use crate::serve::ext_authz::{answer, check, reply, request};
use crate::serve::forwarded::TrustedProxies;
use crate::serve::runtime::Runtime;

/// The one method there is.
const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

/// How long an answer may take: longer than providers are waited for when somebody signs in. Envoy itself waits as long as its
/// configuration says, which is far less.
const DEADLINE: Duration = Duration::from_secs(30);

/// The longest body of a request that Envoy may send along.
const MAX_BODY_BYTES: usize = 1 << 20;

/// The longest message: such a body, and what tells the rest of the request.
const MAX_MESSAGE_BYTES: usize = MAX_BODY_BYTES + (256 << 10);

/// What is said to who asks by HTTP over HTTP/2.
const NOT_GRPC: &str =
    "over HTTP/2, only gRPC is answered here: let Envoy ask by HTTP/1.1, or by grpc_service\n";

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// Who may open a unix socket here.
    Local,
    /// Who has connected from there.
    Remote(Option<IpAddr>),
}

impl Peer {
    fn address(self) -> Option<IpAddr> {
        match self {
            Self::Local => None,
            Self::Remote(address) => address,
        }
    }

    fn is_trusted(self, trusted: &TrustedProxies) -> bool {
        match self {
            Self::Local => true,
            Self::Remote(address) => address.is_some_and(|address| trusted.contains(address)),
        }
    }
}

impl Door {
    /// Answers `question`, which came on `line`.
    pub(super) async fn answer(
        self: Arc<Self>,
        question: Request<Incoming>,
        line: &Arc<Line>,
    ) -> Response<Body> {
        let runtime = self.judge.live.load_full();
        let grpc = question.version() == Version::HTTP_2;
        if grpc && !is_check(&question) {
            return with_status(StatusCode::FORBIDDEN, NOT_GRPC);
        }
        if !line.peer.is_trusted(&runtime.trusted) {
            return self.turn_away(question, &runtime, line.peer);
        }
        let answered = async {
            // It is never closed.
            let _turn = self.questions.acquire().await;
            // Boxed: what is around it is moved several times, and all of it each time.
            if grpc {
                Box::pin(self.check(question, &runtime, line)).await
            } else {
                Box::pin(self.ask(question, &runtime, line)).await
            }
        };
        match tokio::time::timeout(DEADLINE, answered).await {
            Ok(answer) => answer,
            Err(_) if grpc => Status::unavailable("no decision in time").into_http(),
            Err(_) => with_status(StatusCode::SERVICE_UNAVAILABLE, "no decision in time\n"),
        }
    }

    async fn check(
        self: &Arc<Self>,
        question: Request<Incoming>,
        runtime: &Arc<Runtime>,
        line: &Arc<Line>,
    ) -> Response<Body> {
        let (door, runtime) = (Arc::clone(self), Arc::clone(runtime));
        let checker = Checker { door, runtime, line: Arc::clone(line) };
        let mut server =
            AuthorizationServer::new(checker).max_decoding_message_size(MAX_MESSAGE_BYTES);
        match server.call(question).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        }
    }

    async fn ask(
        &self,
        question: Request<Incoming>,
        runtime: &Arc<Runtime>,
        line: &Line,
    ) -> Response<Body> {
        let (head, body) = question.into_parts();
        let body = Limited::new(body, MAX_BODY_BYTES).collect().await;
        let body = body.ok().map(|body| body.to_bytes());
        let trust = (&runtime.policy, &runtime.trusted);
        let asked = request::read(head, body, trust, line.peer.address());
        let ruling = self.judge.rule(runtime, &asked, Flavour::Http, &line.memo).await;
        self.sent(reply::of(ruling))
    }

    fn sent(&self, answer: Response<Bytes>) -> Response<Body> {
        let mut answer = answer.map(|body| Body::new(Full::new(body)));
        if self.is_draining() {
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }

    /// The body of a stranger's question is never read.
    fn turn_away(
        &self,
        question: Request<Incoming>,
        runtime: &Arc<Runtime>,
        peer: Peer,
    ) -> Response<Body> {
        let grpc = question.version() == Version::HTTP_2;
        let asked = of_stranger(question.into_parts().0, runtime, peer);
        let reply = self.judge.turn_stranger_away(runtime, &asked);
        if grpc {
            let text = Reason::UntrustedPeer.public_text();
            return Status::new(Code::PermissionDenied, text).into_http();
        }
        self.sent(reply::answer(reply))
    }
}

/// What a stranger is told of in the log: the question itself, not the request that it is about.
fn of_stranger(head: Parts, runtime: &Runtime, peer: Peer) -> Asked {
    let nobody = TrustedProxies::default();
    let mut asked = request::read(head, None, (&runtime.policy, &nobody), peer.address());
    asked.origin.client = peer.address();
    asked
}

fn is_check(question: &Request<Incoming>) -> bool {
    question.method() == Method::POST
        && question.uri().path() == CHECK
        && speaks_grpc(question.headers())
}

fn with_status(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut answer = Response::new(Body::new(Full::new(Bytes::from_static(text.as_bytes()))));
    *answer.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

/// Answers one call under one runtime.
struct Checker {
    door: Arc<Door>,
    runtime: Arc<Runtime>,
    line: Arc<Line>,
}

#[tonic::async_trait]
impl Authorization for Checker {
    async fn check(
        &self,
        question: tonic::Request<CheckRequest>,
    ) -> Result<tonic::Response<CheckResponse>, Status> {
        let runtime = &self.runtime;
        let question = question.into_inner();
        let asked = check::read(question, &runtime.policy, &runtime.trusted, &runtime.limits);
        let memo = &self.line.memo;
        let ruling = self.door.judge.rule(runtime, &asked, Flavour::Grpc, memo).await;
        Ok(tonic::Response::new(answer::of(runtime, ruling)))
    }
}
