//! A person with a browser, without the browser: navigates, keeps cookies, follows redirects and posts forms as browsers do.
//!
//! Names that end in `.test` are this machine, so that sites, origins and `Domain` mean what they mean outside. Those of the
//! [edge](super::edge) are reached by TLS, and their certificates verified. For all others TLS ends right behind the browser: a request for
//! `https` goes out as plain http with `X-Forwarded-Proto: https`, as from a load balancer.

use parking_lot::Mutex;
use reqwest::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use url::Url;

use super::http::client;
use super::jar::{From, Jar};
use super::{edge, html};

/// What pages say in English.
const TEXTS: &str = include_str!("../../../src/serve/pages/texts/en.json");

/// As many redirects as browsers follow.
const MAX_STEPS: usize = 20;

/// Somebody with a browser.
pub(crate) struct Person {
    client: Client,
    jar: Mutex<Jar>,
}

/// What the browser shows, and how it came there.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) url: Url,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    /// Every address on the way, the last one included.
    pub(crate) trail: Vec<Url>,
    /// The `Set-Cookie` fields that the browser refused, and why.
    pub(crate) refused_cookies: Vec<String>,
}

/// What a browser is about to ask for.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) url: Url,
    pub(crate) method: Method,
    /// The fields of a form.
    pub(crate) form: Vec<(String, String)>,
    /// The page that leads there; none for the address bar.
    pub(crate) initiator: Option<Url>,
}

impl Visit {
    /// An address typed or bookmarked.
    pub(crate) fn typed(url: &str) -> Self {
        Self { url: parse(url), method: Method::GET, form: Vec::new(), initiator: None }
    }

    /// A link on a page at `initiator`.
    pub(crate) fn link(url: &str, initiator: &Url) -> Self {
        Self { initiator: Some(initiator.clone()), ..Self::typed(url) }
    }

    /// A form on a page at `initiator` that posts `form`.
    pub(crate) fn post(url: &str, initiator: &Url, form: Vec<(String, String)>) -> Self {
        Self { method: Method::POST, form, ..Self::link(url, initiator) }
    }

    fn from(&self) -> From {
        match self.site() {
            "cross-site" if self.method == Method::GET => From::ForeignLink,
            "cross-site" => From::ForeignPage,
            _ => From::Own,
        }
    }

    /// The value of `Sec-Fetch-Site`.
    fn site(&self) -> &'static str {
        let Some(initiator) = &self.initiator else { return "none" };
        if initiator.origin() == self.url.origin() {
            "same-origin"
        } else if registrable(initiator) == registrable(&self.url) {
            "same-site"
        } else {
            "cross-site"
        }
    }
}

impl Person {
    /// Somebody who has not been anywhere.
    pub(crate) fn new() -> Self {
        Self::with(Jar::default())
    }

    /// Somebody else with the same cookies.
    pub(crate) fn twin(&self) -> Self {
        Self::with(self.jar.lock().clone())
    }

    fn with(jar: Jar) -> Self {
        Self { client: client(), jar: Mutex::new(jar) }
    }

    /// What is kept.
    pub(crate) fn jar(&self) -> Jar {
        self.jar.lock().clone()
    }

    /// Changes what is kept.
    pub(crate) fn change_jar(&self, change: impl FnOnce(&mut Jar)) {
        change(&mut self.jar.lock());
    }

    /// Closes the browser and opens it again.
    pub(crate) fn restart(&self) {
        self.change_jar(|jar| jar.forget(|kept| !kept.persistent));
    }

    /// Types an address, and goes wherever it leads.
    pub(crate) async fn open(&self, url: &str) -> Page {
        self.visit(Visit::typed(url)).await
    }

    /// Goes wherever `visit` leads.
    pub(crate) async fn visit(&self, visit: Visit) -> Page {
        match self.visit_until(visit, |_| false).await {
            Stop::At(page) => page,
            Stop::Before(visit) => unreachable!("nothing stops before {}", visit.url),
        }
    }

    /// As [`visit`](Self::visit), but stops before the first request that `stop` picks.
    pub(crate) async fn visit_until(&self, visit: Visit, stop: impl Fn(&Visit) -> bool) -> Stop {
        let mut visit = visit;
        let mut trail = Vec::new();
        let mut refused = Vec::new();
        for _ in 0..MAX_STEPS {
            if stop(&visit) {
                return Stop::Before(visit);
            }
            let mut page = self.step(&visit).await;
            trail.push(page.url.clone());
            refused.append(&mut page.refused_cookies);
            match next(&page, &visit) {
                Some(onward) => visit = onward,
                None => return Stop::At(Page { trail, refused_cookies: refused, ..page }),
            }
        }
        panic!("redirected {MAX_STEPS} times: {trail:#?}");
    }

    /// The answer to one request, wherever it points.
    pub(crate) async fn step(&self, visit: &Visit) -> Page {
        let mut request = self
            .request(visit.method.clone(), &visit.url)
            .header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
            .header("sec-fetch-user", "?1")
            .header("sec-fetch-site", visit.site());
        if visit.method == Method::POST {
            let body = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(&visit.form)
                .finish();
            request = request
                .header("content-type", "application/x-www-form-urlencoded")
                .header("origin", origin(visit))
                .body(body);
        }
        self.ask(request, &visit.url, visit.from()).await
    }

    /// What a script on a page of the same origin gets for `GET url`.
    pub(crate) async fn fetch(&self, url: &str) -> Page {
        let url = parse(url);
        let request = self
            .request(Method::GET, &url)
            .header("accept", "application/json")
            .header("sec-fetch-mode", "cors")
            .header("sec-fetch-dest", "empty")
            .header("sec-fetch-site", "same-origin");
        self.ask(request, &url, From::Own).await
    }

    /// The request where it leaves the browser or, for names that have no certificate, whatever ends their TLS.
    fn request(&self, method: Method, url: &Url) -> RequestBuilder {
        let mut wire = url.clone();
        if url.scheme() != "https" || url.host_str().is_some_and(edge::is_ours) {
            return self.client.request(method, wire);
        }
        wire.set_scheme("http").unwrap();
        self.client.request(method, wire).header("x-forwarded-proto", "https")
    }

    /// The answer to `request` with the cookies for `url`, which take what it sets.
    async fn ask(&self, request: RequestBuilder, url: &Url, from: From) -> Page {
        let cookies = self.jar.lock().sent(url, from);
        let request = match cookies {
            Some(cookies) => request.header(COOKIE, cookies),
            None => request,
        };
        let response = request.send().await.unwrap_or_else(|error| panic!("{url}: {error:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let refused = self.take_cookies(url, &headers);
        let body = response.text().await.unwrap_or_default();
        let trail = vec![url.clone()];
        Page { url: url.clone(), status, headers, body, trail, refused_cookies: refused }
    }

    fn take_cookies(&self, url: &Url, headers: &HeaderMap) -> Vec<String> {
        let mut jar = self.jar.lock();
        let fields = headers.get_all(SET_COOKIE).into_iter();
        fields.filter_map(|field| jar.take(url, field.to_str().unwrap()).err()).collect()
    }

    /// Opens `path` of `site`, and signs in on the way as the provider has it.
    pub(crate) async fn sign_in(&self, site: &str, path: &str) -> Page {
        let page = self.open(&format!("{site}{path}")).await;
        assert_eq!(page.refused_cookies, Vec::<String>::new());
        page
    }

    /// Fills in the first form of `page` and posts it.
    pub(crate) async fn fill_in(&self, page: &Page, fields: &[(&str, &str)]) -> Page {
        self.visit(filled_in(page, fields)).await
    }
}

/// The first form of `page` with `fields` filled in, about to be sent.
pub(crate) fn filled_in(page: &Page, fields: &[(&str, &str)]) -> Visit {
    let form = html::form(&page.body).unwrap_or_else(|| panic!("no form: {page:#?}"));
    let action = page.url.join(&form.action).unwrap();
    let mut filled = form.fields;
    for (name, value) in fields {
        filled.retain(|(found, _)| found != name);
        filled.push(((*name).to_owned(), (*value).to_owned()));
    }
    Visit::post(action.as_str(), &page.url, filled)
}

/// Asserts that `page` is the one of sidegate for the failed sign-in that is called `code`.
pub(crate) fn says(page: &Page, code: &str) {
    let texts: Value = serde_json::from_str(TEXTS).unwrap();
    let message = texts[format!("message.{code}")].as_str().unwrap().replace('\'', "&#x27;");
    assert!((400..600).contains(&page.status), "{page:#?}");
    assert!(page.body.contains(&message), "expected {code}: {page:#?}");
}

/// How far a visit went.
pub(crate) enum Stop {
    At(Page),
    Before(Visit),
}

impl Page {
    /// The only value of the field called `name`.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let values: Vec<_> = self.headers.get_all(name).into_iter().collect();
        assert!(values.len() < 2, "expected one {name}, found {values:?}");
        values.first().map(|value| value.to_str().unwrap())
    }
}

/// Where a browser goes from `page` without being asked.
fn next(page: &Page, visit: &Visit) -> Option<Visit> {
    let location = page.headers.get(LOCATION).filter(|_| (300..400).contains(&page.status));
    if let Some(location) = location {
        let target = page.url.join(location.to_str().unwrap()).unwrap();
        // A redirect keeps the initiator: a browser that came by a foreign link still does.
        let keeps_method = matches!(page.status, 307 | 308);
        let redirected = Visit { url: target, ..visit.clone() };
        return Some(if keeps_method {
            redirected
        } else {
            Visit { method: Method::GET, form: Vec::new(), ..redirected }
        });
    }
    if html::posts_itself(&page.body) {
        return Some(filled_in(page, &[]));
    }
    let onward = html::goes_on_to(&page.body)?;
    Some(Visit::link(page.url.join(&onward).unwrap().as_str(), &page.url))
}

fn origin(visit: &Visit) -> String {
    visit
        .initiator
        .as_ref()
        .map_or_else(|| "null".to_owned(), |initiator| initiator.origin().ascii_serialization())
}

/// The scheme and the last two labels of the host, or all of an address.
fn registrable(url: &Url) -> (String, String) {
    let host = url.host_str().unwrap_or_default();
    let is_name = matches!(url.host(), Some(url::Host::Domain(_)));
    let labels: Vec<&str> = host.rsplitn(3, '.').take(2).collect();
    let site = if is_name { labels.join(".") } else { host.to_owned() };
    (url.scheme().to_owned(), site)
}

fn parse(url: &str) -> Url {
    Url::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}
