//! Questions as Envoy asks them by gRPC, and as it never would.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use envoy_types::pb::envoy::config::core::v3::address::Address as Kind;
use envoy_types::pb::envoy::config::core::v3::{
    Address, HeaderMap, HeaderValue, HeaderValueOption, SocketAddress,
};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{
    AttributeContext, CheckRequest, CheckResponse, DeniedHttpResponse, OkHttpResponse,
};
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

/// A question in the making: about a request to `app.test` over https, from 192.0.2.7.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) attributes: AttributeContext,
}

impl Question {
    pub(crate) fn about(method: &str, target: &str) -> Self {
        let http = HttpRequest {
            method: method.to_owned(),
            path: target.to_owned(),
            host: "app.test".to_owned(),
            scheme: "https".to_owned(),
            ..HttpRequest::default()
        };
        let socket = SocketAddress { address: "192.0.2.7".to_owned(), ..SocketAddress::default() };
        let address = Address { address: Some(Kind::SocketAddress(socket)) };
        let attributes = AttributeContext {
            source: Some(Peer { address: Some(address), ..Peer::default() }),
            request: Some(Request { http: Some(http), time: None }),
            ..AttributeContext::default()
        };
        Self { attributes }
    }

    /// Changed as `change` does.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut HttpRequest)) -> Self {
        change(self.attributes.request.as_mut().unwrap().http.as_mut().unwrap());
        self
    }

    /// With a field in the map of joined ones.
    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        self.with(|http| drop(http.headers.insert(name.to_owned(), value.to_owned())))
    }

    /// With a field in the list of raw ones.
    pub(crate) fn raw(self, name: &str, value: &[u8]) -> Self {
        let (key, raw_value) = (name.to_owned(), value.to_vec());
        self.with(|http| {
            let list = http.header_map.get_or_insert(HeaderMap { headers: Vec::new() });
            list.headers.push(HeaderValue { key, raw_value, value: String::new() });
        })
    }

    /// With a word of Envoy's configuration.
    pub(crate) fn context(mut self, name: &str, value: &str) -> Self {
        self.attributes.context_extensions.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }
}

/// Who asks.
pub(crate) struct Asker(AuthorizationClient<Channel>);

impl Asker {
    /// One that sidegate at `address` trusts.
    pub(crate) async fn at(address: SocketAddr) -> Self {
        Self::from(Ipv4Addr::LOCALHOST, address).await
    }

    /// One that connects to `address` from `own`.
    pub(crate) async fn from(own: Ipv4Addr, address: SocketAddr) -> Self {
        let endpoint = Endpoint::try_from(format!("http://{address}")).unwrap();
        let endpoint = endpoint.local_address(Some(IpAddr::V4(own)));
        Self(AuthorizationClient::new(endpoint.connect().await.unwrap()))
    }

    /// What comes of `question`.
    pub(crate) async fn try_ask(&self, question: Question) -> Result<CheckResponse, Status> {
        let question = CheckRequest { attributes: Some(question.attributes) };
        self.0.clone().check(question).await.map(tonic::Response::into_inner)
    }

    /// The answer to `question`.
    pub(crate) async fn ask(&self, question: Question) -> CheckResponse {
        self.try_ask(question).await.unwrap()
    }

    /// What is to be changed of the request of `question`, which may pass.
    pub(crate) async fn allowed(&self, question: Question) -> OkHttpResponse {
        let answer = self.ask(question.clone()).await;
        assert_eq!(code(&answer), 0, "{question:?}: {answer:?}");
        match answer.http_response {
            Some(HttpResponse::OkResponse(ok)) => ok,
            other => panic!("{question:?}: {other:?}"),
        }
    }

    /// The code of gRPC and the answer to the caller of the request of `question`, which may not pass.
    pub(crate) async fn denied(&self, question: Question) -> (i32, DeniedHttpResponse) {
        let answer = self.ask(question.clone()).await;
        assert_ne!(code(&answer), 0, "{question:?}: {answer:?}");
        let code = code(&answer);
        match answer.http_response {
            Some(HttpResponse::DeniedResponse(denied)) => (code, denied),
            other => panic!("{question:?}: {other:?}"),
        }
    }
}

pub(crate) fn code(answer: &CheckResponse) -> i32 {
    answer.status.as_ref().unwrap().code
}

pub(crate) fn status(denied: &DeniedHttpResponse) -> i32 {
    denied.status.as_ref().unwrap().code
}

/// The values of `name` among `fields`.
pub(crate) fn values<'a>(fields: &'a [HeaderValueOption], name: &str) -> Vec<&'a str> {
    let fields = fields.iter().filter_map(|field| field.header.as_ref());
    fields.filter(|field| field.key == name).map(|field| field.value.as_str()).collect()
}
