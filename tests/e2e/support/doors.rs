//! One sidegate with a listener for each door, and the ways to have one request judged there: inline, and by the questions of
//! the proxies that could stand in front.

use std::net::SocketAddr;

use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use serde_json::Value;

use super::check::{Asker, Question, code, values};
use super::process::Sidegate;
use super::raw::{Answer, Connection, Request, request};
use super::site::configuration;
use super::tokens::Issuer;
use super::upstream::Upstream;

/// Listeners for all doors; the peer at 127.0.0.1 is a trusted proxy, any other address of the loopback network is not.
const LISTENERS: &str = "
listeners:
  - { name: inline, address: 127.0.0.1:0 }
  - { name: asked, address: 127.0.0.1:0, door: forward_auth }
  - { name: authz, address: 127.0.0.1:0, door: ext_authz }
trusted_proxies: [127.0.0.1/32]
";

/// A proxy in front, by the dialect in which it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    Caddy,
    Envoy,
    Haproxy,
    Nginx,
    /// `/verify` with the fields of nginx.
    PlainByUrl,
    /// `/verify` with the fields of the others.
    PlainByParts,
    Traefik,
}

/// A way to have a request judged. Another door joins here, in `ALL` and in [`Doors::judge`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Inline,
    /// At a listener of the door `forward_auth`.
    Asked(Front),
    /// At a listener of the door `proxy`.
    AskedInline(Front),
    /// At a listener of the door `ext_authz`, by gRPC.
    Envoy,
    /// The same, by HTTP.
    EnvoyByHttp,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) outcome: String,
    pub(crate) reason: String,
    /// The route, if one was found.
    pub(crate) route: Option<String>,
    /// If it was let through: each header that carries an identity with the values that the app gets, and what it gets as
    /// `Authorization` and `Cookie`.
    pub(crate) handed: Option<Vec<(String, String)>>,
}

/// The running parts.
pub(crate) struct Doors {
    pub(crate) issuer: Issuer,
    pub(crate) sidegate: Sidegate,
    pub(crate) upstream: Upstream,
    pub(crate) inline: SocketAddr,
    pub(crate) asked: SocketAddr,
    authz: SocketAddr,
    envoy: Asker,
}

/// Fields of one connection ([RFC 9110 §7.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1)), and of a body that stays
/// with the proxy.
const NOT_PASSED_ON: [&str; 7] =
    ["connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

fn is_passed_on(name: &str) -> bool {
    !NOT_PASSED_ON.iter().any(|other| name.eq_ignore_ascii_case(other))
}

/// What the client sent as `name`.
fn sent(original: &Request, name: &str) -> String {
    let fields = original.fields().iter().filter(|(found, _)| found.eq_ignore_ascii_case(name));
    fields.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join("|")
}

impl Front {
    pub(crate) const ALL: [Self; 7] = [
        Self::Caddy,
        Self::Envoy,
        Self::Haproxy,
        Self::Nginx,
        Self::PlainByUrl,
        Self::PlainByParts,
        Self::Traefik,
    ];

    /// The address of its questions.
    pub(crate) const fn address(self) -> &'static str {
        match self {
            Self::Caddy => "/.auth/verify/caddy",
            Self::Envoy => "/.auth/verify/envoy",
            Self::Haproxy => "/.auth/verify/haproxy",
            Self::Nginx => "/.auth/verify/nginx",
            Self::PlainByUrl | Self::PlainByParts => "/.auth/verify",
            Self::Traefik => "/.auth/verify/traefik",
        }
    }

    /// Its question about `original`, which came over https.
    pub(crate) fn question(self, original: &Request) -> Request {
        self.question_on(original, "")
    }

    /// The same with a query of whoever configured it; Envoy has no place for one.
    pub(crate) fn question_on(self, original: &Request, query: &str) -> Request {
        let (method, target) = original.line();
        let host = original.asked_host();
        let address = format!("{}{query}", self.address());
        let question = match self {
            Self::Envoy => request(method, &format!("{address}{target}"))
                .host(host)
                .header("X-Forwarded-Proto", "https"),
            Self::Nginx | Self::PlainByUrl => request("GET", &address)
                .host("sidegate.internal")
                .header("X-Original-Method", method)
                .header("X-Original-URL", &format!("https://{host}{target}")),
            Self::Caddy | Self::Haproxy | Self::PlainByParts | Self::Traefik => {
                request("GET", &address)
                    .host("sidegate.internal")
                    .header("X-Forwarded-Method", method)
                    .header("X-Forwarded-Proto", "https")
                    .header("X-Forwarded-Host", host)
                    .header("X-Forwarded-Uri", target)
            }
        };
        let fields = original.fields().iter().filter(|(name, _)| is_passed_on(name));
        fields.fold(question, |question, (name, value)| question.header(name, value))
    }

    /// Whether it knows 2xx, 401 and 403 only.
    pub(crate) const fn is_nginx(self) -> bool {
        matches!(self, Self::Nginx)
    }
}

impl Way {
    /// All of them.
    pub(crate) fn all() -> Vec<Self> {
        let asked = Front::ALL.map(Self::Asked);
        let inline = [Front::Nginx, Front::Traefik, Front::Envoy].map(Self::AskedInline);
        let envoy = [Self::Envoy, Self::EnvoyByHttp];
        [Self::Inline].into_iter().chain(asked).chain(inline).chain(envoy).collect()
    }
}

impl Doors {
    /// With the usual provider, and `rest` in the configuration.
    pub(crate) async fn open(rest: &str) -> Self {
        let (issuer, upstream) = (Issuer::new(), Upstream::start().await);
        let rest = format!("{LISTENERS}{rest}");
        let sidegate = Sidegate::run(&configuration(&upstream.url(), &issuer, &rest));
        let inline = sidegate.listener("inline").await;
        let asked = sidegate.listener("asked").await;
        let authz = sidegate.listener("authz").await;
        let envoy = Asker::at(authz).await;
        Self { issuer, sidegate, upstream, inline, asked, authz, envoy }
    }

    /// The answer to the question of `front` about `original`.
    pub(crate) async fn ask(&self, front: Front, original: &Request) -> Answer {
        front.question(original).send(self.asked).await
    }

    /// The answer to `question` from a peer that is no trusted proxy.
    pub(crate) async fn ask_as_stranger(&self, question: &Request) -> Answer {
        let mut connection = Connection::open_from([127, 0, 0, 2].into(), self.asked).await;
        connection.send(&question.bytes()).await;
        connection.answer().await.expect("an answer")
    }

    /// What comes of `original`, which the client sent over https; `names` are the headers that carry an identity.
    pub(crate) async fn judge(&self, way: Way, original: &Request, names: &[&str]) -> Judged {
        if way == Way::Envoy {
            return self.judge_by_grpc(original, names).await;
        }
        let before = self.upstream.requests().len();
        let answer = match way {
            // The proxy in front of the door `proxy` says by which scheme the client came.
            Way::Inline => {
                original.clone().header("X-Forwarded-Proto", "https").send(self.inline).await
            }
            Way::Asked(front) => self.ask(front, original).await,
            Way::AskedInline(front) => front.question(original).send(self.inline).await,
            Way::Envoy | Way::EnvoyByHttp => self.ask_by_http(original).await,
        };
        let forwarded = self.upstream.requests().get(before).cloned();
        let all = names.iter().chain(&["authorization", "cookie"]);
        let (id, handed) = match (way, forwarded) {
            (Way::Inline, Some(arrived)) => {
                let field = |name: &&str| ((*name).to_owned(), arrived.values(name).join("|"));
                (arrived.values("x-request-id").concat(), Some(all.map(field).collect()))
            }
            (Way::Inline, None) => (id(&answer), None),
            (_, Some(arrived)) => panic!("{way:?} passed on {arrived:?}"),
            (Way::EnvoyByHttp, None) if answer.status == 200 => {
                let field = |name: &&str| {
                    let set = answer.header(name).map(str::to_owned);
                    ((*name).to_owned(), set.unwrap_or_else(|| sent(original, name)))
                };
                (id(&answer), Some(all.map(field).collect()))
            }
            (_, None) if answer.status == 200 => {
                let field = |name: &&str| {
                    let values = answer.values(name);
                    assert_eq!(values.len(), 1, "{way:?}: {name} in {}", answer.head);
                    ((*name).to_owned(), values.concat())
                };
                (id(&answer), Some(all.map(field).collect()))
            }
            (_, None) => (id(&answer), None),
        };
        let judged = self.judged(&id, handed).await;
        let allowed = judged.outcome == "allow";
        assert_eq!(answer.status == 200, allowed, "{way:?}: {answer:?} but {judged:?}");
        judged
    }

    /// What the log says of the request with that id.
    async fn judged(&self, id: &str, handed: Option<Vec<(String, String)>>) -> Judged {
        let line = self.line(id).await;
        let text = |name: &str| line[name].as_str().map(str::to_owned);
        let (outcome, reason) = (text("outcome").unwrap(), text("reason").unwrap());
        Judged { outcome, reason, route: text("route"), handed }
    }

    async fn ask_by_http(&self, original: &Request) -> Answer {
        let (method, target) = original.line();
        let question = request(method, target).host(original.asked_host());
        let question = question.header("X-Forwarded-Proto", "https");
        let fields = original.fields().iter().filter(|(name, _)| is_passed_on(name));
        let question =
            fields.fold(question, |question, (name, value)| question.header(name, value));
        question.send(self.authz).await
    }

    async fn judge_by_grpc(&self, original: &Request, names: &[&str]) -> Judged {
        let (method, target) = original.line();
        let question = Question::about(method, target);
        let question = question.with(|http| http.host = original.asked_host().to_owned());
        let question = original.fields().iter().fold(question, |question, (name, value)| {
            question.raw(&name.to_lowercase(), value.as_bytes())
        });
        let answer = self.envoy.ask(question).await;
        let allowed = code(&answer) == 0;
        let (id, handed) = match answer.http_response.unwrap() {
            HttpResponse::OkResponse(ok) => {
                let field = |name: &&str| {
                    let removed = ok.headers_to_remove.iter().any(|removed| removed == name);
                    let set = values(&ok.headers, name);
                    let value = match set.as_slice() {
                        [] if removed => String::new(),
                        [] => sent(original, name),
                        set => set.concat(),
                    };
                    ((*name).to_owned(), value)
                };
                let all = names.iter().chain(&["authorization", "cookie"]);
                (values(&ok.headers, "x-request-id").concat(), Some(all.map(field).collect()))
            }
            HttpResponse::DeniedResponse(denied) | HttpResponse::ErrorResponse(denied) => {
                (values(&denied.headers, "x-request-id").concat(), None)
            }
        };
        let judged = self.judged(&id, handed).await;
        assert_eq!(allowed, judged.outcome == "allow", "{judged:?}");
        judged
    }

    /// The line about the request with that id.
    pub(crate) async fn line(&self, id: &str) -> Value {
        let about = |line: &str| line.contains("\"outcome\"") && line.contains(id);
        let found = |line: &str| about(line).then(|| serde_json::from_str(line).unwrap());
        self.sidegate.program.wait_for(found).await
    }
}

/// The id that the answer has.
pub(crate) fn id(answer: &Answer) -> String {
    answer.header("x-request-id").unwrap_or_else(|| panic!("no id: {answer:?}")).to_owned()
}
