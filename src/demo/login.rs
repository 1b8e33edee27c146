//! The demo's login service: signs people in, sets the SSO cookie, publishes its keys and rotates them on request.
//!
//! The cookie is a JWT and the service keeps nothing else: no sessions, no list of what it issued. It never asks whether
//! somebody is signed in already, so a browser whose cookie is refused sees the page instead of going in circles.

mod tokens;

use cookie::{Cookie, SameSite};
use http::{HeaderValue, Method, Response, StatusCode, header};
use minijinja::{Value, context};
use serde_json::json;
use url::{Url, form_urlencoded};

use super::addresses::{Addresses, COOKIE};
use super::keys::{Keys, Retired};
use super::page::{Message, Pages};
use super::people::{self, EVERYBODY, PASSWORD};
use super::return_address::{AllowedOrigin, ReturnAddress};
use super::site::{Answer, Request, Site};
use crate::clock::Clock;
use crate::token::SigningError;

/// The login service. It answers at the origin that is also the issuer of its tokens.
#[derive(Debug)]
pub struct LoginService {
    issuer: String,
    app_url: String,
    allowed: AllowedOrigin,
    keys: Keys,
    pages: Pages,
    clock: Clock,
}

/// What the service answers at, by path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Configuration,
    Keys,
    Rotate,
    SignIn,
    SignOut,
    Token,
    Welcome,
}

/// The fields of a query or a form. Of a field written twice, the first counts.
struct Fields(Vec<(String, String)>);

impl LoginService {
    /// A service with a new key.
    ///
    /// # Errors
    ///
    /// If the crypto library cannot make a key.
    ///
    /// # Panics
    ///
    /// Never: an origin made of a socket address is a URL.
    pub fn new(addresses: &Addresses, clock: Clock) -> Result<Self, SigningError> {
        let app_url = addresses.app_url();
        let origin = Url::parse(&app_url).expect("`http://` and a socket address make a URL");
        Ok(Self {
            issuer: addresses.issuer(),
            allowed: AllowedOrigin::of(&origin),
            keys: Keys::generate()?,
            pages: Pages::new(&format!("'self' {app_url}")),
            app_url,
            clock,
        })
    }

    fn respond(&self, request: &Request) -> Response<Vec<u8>> {
        let Some(endpoint) = Endpoint::at(request.uri().path()) else {
            return self.message(
                StatusCode::NOT_FOUND,
                "Nothing here",
                "The login service has no page at this address.",
            );
        };
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let posts = *request.method() == Method::POST;
        if posts && is_cross_site(request) {
            return plain(StatusCode::FORBIDDEN, "this form was sent by another site\n".into());
        }
        match endpoint {
            Endpoint::Configuration if reads => json_body(&self.configuration()),
            Endpoint::Keys if reads => json_body(&self.keys.document()),
            Endpoint::Rotate if posts => self.rotate(&Fields::of_query(request)),
            Endpoint::SignIn if reads => {
                self.sign_in_page(StatusCode::OK, &Fields::of_query(request))
            }
            Endpoint::SignIn if posts => self.sign_in(&Fields::of_form(request)),
            Endpoint::SignOut if reads => {
                self.pages.render(StatusCode::OK, "signout.html", "Sign out", context! {})
            }
            Endpoint::SignOut if posts => self.sign_out(),
            Endpoint::Token if posts => self.token(&Fields::of_query(request)),
            Endpoint::Welcome if reads => {
                self.message(StatusCode::OK, "You are signed in", WELCOME)
            }
            _ => wrong_method(endpoint),
        }
    }

    /// Discovery metadata, as much as this service has
    /// ([OpenID Connect Discovery §3](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata)).
    fn configuration(&self) -> serde_json::Value {
        json!({
            "issuer": self.issuer,
            "jwks_uri": format!("{}/jwks.json", self.issuer),
            "id_token_signing_alg_values_supported": ["ES256"],
        })
    }

    fn sign_in_page(&self, status: StatusCode, fields: &Fields) -> Response<Vec<u8>> {
        let asked = fields.value("rd");
        let address = asked.and_then(|text| ReturnAddress::parse(text, &self.allowed));
        let chosen = fields.value("user").and_then(people::find).unwrap_or(&EVERYBODY[0]);
        let context = context! {
            return_to => address.as_ref().map(ReturnAddress::as_str),
            refused => asked.is_some() && address.is_none(),
            wrong => status != StatusCode::OK,
            people => EVERYBODY.iter().map(|person| card(person, chosen)).collect::<Vec<Value>>(),
            password => PASSWORD,
        };
        self.pages.render(status, "signin.html", "Sign in", context)
    }

    fn sign_in(&self, form: &Fields) -> Response<Vec<u8>> {
        let (user, password) =
            (form.value("user").unwrap_or(""), form.value("password").unwrap_or(""));
        let Some(person) = people::sign_in(user, password) else {
            return self.sign_in_page(StatusCode::FORBIDDEN, form);
        };
        let Ok(token) =
            self.keys.sign(&tokens::session(&self.issuer, person, self.clock.now()), "JWT")
        else {
            return no_signature();
        };
        let address = form.value("rd").and_then(|text| ReturnAddress::parse(text, &self.allowed));
        let mut response = see_other(address.as_ref().map_or("/welcome", ReturnAddress::as_str));
        set_cookie(
            &mut response,
            sso_cookie(&token).max_age(seconds(tokens::SESSION_SECONDS)).build(),
        );
        response
    }

    fn sign_out(&self) -> Response<Vec<u8>> {
        let mut response = self.message(
            StatusCode::OK,
            "You are signed out",
            "Your browser has forgotten the SSO cookie.",
        );
        set_cookie(&mut response, sso_cookie("").max_age(seconds(0)).build());
        response
    }

    fn rotate(&self, query: &Fields) -> Response<Vec<u8>> {
        let retired =
            if query.value("forget") == Some("1") { Retired::Forget } else { Retired::Keep };
        match self.keys.rotate(retired) {
            Ok(kid) => plain(StatusCode::OK, format!("signing with the new key {kid}\n")),
            Err(_) => no_signature(),
        }
    }

    /// A bearer token for programs, given for a name alone: that is what a demo is for.
    fn token(&self, query: &Fields) -> Response<Vec<u8>> {
        let Some(person) = query.value("user").and_then(people::find) else {
            return plain(StatusCode::BAD_REQUEST, "expected ?user=ada or ?user=bob\n".into());
        };
        match self.keys.sign(&tokens::access(&self.issuer, person, self.clock.now()), "at+jwt") {
            Ok(token) => plain(StatusCode::OK, token),
            Err(_) => no_signature(),
        }
    }

    fn message(&self, status: StatusCode, title: &str, text: &str) -> Response<Vec<u8>> {
        self.pages.message(status, &Message { title, text, link: (&self.app_url, "Go to the app") })
    }
}

const WELCOME: &str = "You did not come from the app, so there is no page to send you back to.";

impl Site for LoginService {
    fn answer(&self, request: &Request) -> Answer {
        Answer::Whole(self.respond(request))
    }
}

impl Endpoint {
    fn at(path: &str) -> Option<Self> {
        Some(match path {
            "/" | "/signin" => Self::SignIn,
            "/.well-known/openid-configuration" => Self::Configuration,
            "/jwks.json" => Self::Keys,
            "/rotate" => Self::Rotate,
            "/signout" => Self::SignOut,
            "/token" => Self::Token,
            "/welcome" => Self::Welcome,
            _ => return None,
        })
    }

    /// The value of `Allow` ([RFC 9110 §10.2.1](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.1)).
    const fn methods(self) -> &'static str {
        match self {
            Self::Configuration | Self::Keys | Self::Welcome => "GET, HEAD",
            Self::Rotate | Self::Token => "POST",
            Self::SignIn | Self::SignOut => "GET, HEAD, POST",
        }
    }
}

impl Fields {
    fn of_query(request: &Request) -> Self {
        Self::parse(request.uri().query().unwrap_or("").as_bytes())
    }

    fn of_form(request: &Request) -> Self {
        Self::parse(request.body())
    }

    fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Whether a browser says that another site sent this
/// ([Fetch Metadata §2.3](https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header)).
/// Signing somebody in, out, or as somebody else is not for other sites to do.
fn is_cross_site(request: &Request) -> bool {
    request.headers().get("sec-fetch-site").is_some_and(|value| value == "cross-site")
}

fn card(person: &people::Person, chosen: &people::Person) -> Value {
    let groups: Vec<&str> = person.groups.to_vec();
    let initial = person.name.chars().next().map(String::from);
    context! { id => person.id, name => person.name, email => person.email, groups, initial, chosen => person == chosen }
}

/// The cookie, for signing in and out alike. Without `Secure`, for the demo speaks plain HTTP on loopback.
fn sso_cookie(value: &str) -> cookie::CookieBuilder<'_> {
    Cookie::build((COOKIE, value)).path("/").http_only(true).same_site(SameSite::Lax)
}

const fn seconds(seconds: u32) -> cookie::time::Duration {
    cookie::time::Duration::seconds(seconds as i64)
}

fn set_cookie(response: &mut Response<Vec<u8>>, cookie: Cookie<'_>) {
    let value = cookie.to_string().parse().expect("a token and the attributes are visible ASCII");
    response.headers_mut().insert(header::SET_COOKIE, value);
}

fn see_other(location: &str) -> Response<Vec<u8>> {
    let location = location.parse().expect("a serialized URL is visible ASCII");
    let mut response = Response::new(Vec::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(header::LOCATION, location);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn plain(status: StatusCode, text: String) -> Response<Vec<u8>> {
    let mut response = Response::new(text.into_bytes());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn json_body(document: &serde_json::Value) -> Response<Vec<u8>> {
    let mut response = Response::new(document.to_string().into_bytes());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}

fn wrong_method(endpoint: Endpoint) -> Response<Vec<u8>> {
    let text = format!("this address answers {} only\n", endpoint.methods());
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, text);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(endpoint.methods()));
    response
}

fn no_signature() -> Response<Vec<u8>> {
    plain(StatusCode::INTERNAL_SERVER_ERROR, "the crypto library failed\n".into())
}

#[cfg(test)]
mod tests;
