//! One sidegate with a listener for each door, and the ways to have one request judged there: inline, and by the questions of
//! the proxies that could stand in front.

use std::net::SocketAddr;

use serde_json::Value;

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
}

/// Fields of one connection ([RFC 9110 §7.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1)), and of a body that stays
/// with the proxy.
const NOT_PASSED_ON: [&str; 7] =
    ["connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

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
        let kept = |name: &str| !NOT_PASSED_ON.iter().any(|other| name.eq_ignore_ascii_case(other));
        let fields = original.fields().iter().filter(|(name, _)| kept(name));
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
        [Self::Inline].into_iter().chain(asked).chain(inline).collect()
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
        Self { issuer, sidegate, upstream, inline, asked }
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
        let before = self.upstream.requests().len();
        let answer = match way {
            // The proxy in front of the door `proxy` says by which scheme the client came.
            Way::Inline => {
                original.clone().header("X-Forwarded-Proto", "https").send(self.inline).await
            }
            Way::Asked(front) => self.ask(front, original).await,
            Way::AskedInline(front) => front.question(original).send(self.inline).await,
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
        let line = self.line(&id).await;
        let text = |name: &str| line[name].as_str().map(str::to_owned);
        let (outcome, reason) = (text("outcome").unwrap(), text("reason").unwrap());
        let allowed = if outcome == "allow" { 200 } else { 0 };
        assert_eq!(answer.status == 200, allowed == 200, "{way:?}: {answer:?} but {line}");
        Judged { outcome, reason, route: text("route"), handed }
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
