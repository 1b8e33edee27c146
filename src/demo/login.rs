//! The demo's login service: signs people in for the OpenID provider and for the SSO cookie, publishes the keys and rotates
//! them on request.
//!
//! The SSO cookie is a JWT of which the service keeps nothing. The page that sets it never asks whether somebody is signed in
//! already, so a browser whose cookie is refused sees the page instead of going in circles.

mod openid;

use std::time::Duration;

use cookie::{Cookie, SameSite};
use http::{HeaderValue, Method, Response, StatusCode, header};
use minijinja::{Value, context};
use url::Url;

use super::addresses::{Addresses, COOKIE, Secrets};
use super::fields::Fields;
use super::keys::Retired;
use super::page::{Message, Pages};
use super::people::{self, CODE, EVERYBODY, PASSWORD, Person};
use super::provider::{Asks, Ending, Entered, Notice, Provider};
use super::responses::{library_failed, plain, public_json, see_other};
use super::return_address::{AllowedOrigin, ReturnAddress};
use super::site::{Answer, Errand, Request, Site};
use super::tokens::{self, SESSION_LIFE};
use crate::base::cookie::CookieValues;
use crate::clock::Clock;
use crate::remote::http::Client;
use crate::token::SigningError;

/// The cookie by which the service knows a browser again.
const SESSION_COOKIE: &str = "demo_login";

/// The login service. It answers at the origin that is also the issuer of its tokens.
#[derive(Debug)]
pub struct LoginService {
    provider: Provider,
    app_url: String,
    allowed: AllowedOrigin,
    pages: Pages,
    clock: Clock,
    client: Client,
}

/// What the service answers at, by path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Authorize,
    Bearer,
    Configuration,
    EndSession,
    Keys,
    Login,
    Revoke,
    Rotate,
    SignIn,
    SignOut,
    Token,
    UserInfo,
    Welcome,
}

/// What a sign-in page shows.
struct SignInPage<'a> {
    status: StatusCode,
    /// Where its form goes, at this service.
    action: String,
    asks: Asks,
    chosen: Option<&'static Person>,
    is_repeated: bool,
    return_to: Option<&'a str>,
    /// Whether a return address was refused.
    is_refused: bool,
}

impl LoginService {
    /// A service with a new key; `client` is how it tells of logouts.
    ///
    /// # Errors
    ///
    /// If the crypto library cannot make a key.
    ///
    /// # Panics
    ///
    /// Never: an origin made of a socket address is a URL.
    pub fn new(
        addresses: &Addresses,
        secrets: &Secrets,
        clock: Clock,
        client: Client,
    ) -> Result<Self, SigningError> {
        let app_url = addresses.app_url();
        let origin = Url::parse(&app_url).expect("`http://` and a socket address make a URL");
        let by_name = format!("http://localhost:{}", addresses.app.port());
        Ok(Self {
            provider: Provider::new(addresses, secrets.client_secret.clone(), clock.clone())?,
            allowed: AllowedOrigin::of(&origin),
            pages: Pages::new(&format!("'self' {app_url} {by_name}")),
            app_url,
            clock,
            client,
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
        if !endpoint.answers(request.method()) {
            return wrong_method(endpoint);
        }
        let posts = *request.method() == Method::POST;
        if posts && endpoint.has_own_forms() && is_cross_site(request) {
            return plain(StatusCode::FORBIDDEN, "this form was sent by another site\n".into());
        }
        let outcome = match endpoint {
            Endpoint::Authorize => self.authorize(request),
            Endpoint::Bearer => self.bearer(&Fields::of_query(request)),
            Endpoint::Configuration => Ok(public_json(&self.provider.configuration())),
            Endpoint::EndSession => self.end_session(request),
            Endpoint::Keys => Ok(public_json(&self.provider.keys.document())),
            Endpoint::Login => self.log_in(request),
            Endpoint::Revoke => Ok(self.revoke(request)),
            Endpoint::Rotate => self.rotate(&Fields::of_query(request)),
            Endpoint::SignIn if posts => self.sign_in(request),
            Endpoint::SignIn => Ok(self.sso_page(&Fields::of_query(request), false)),
            Endpoint::SignOut if posts => self.sign_out(request),
            Endpoint::SignOut => Ok(self.sign_out_page(&Fields::of_query(request))),
            Endpoint::Token => Ok(self.token(request)),
            Endpoint::UserInfo => Ok(self.userinfo(request)),
            Endpoint::Welcome => Ok(self.message(StatusCode::OK, "You are signed in", WELCOME)),
        };
        outcome.unwrap_or_else(|_| library_failed())
    }

    /// The page of the SSO cookie.
    fn sso_page(&self, fields: &Fields, is_repeated: bool) -> Response<Vec<u8>> {
        let asked = fields.value("rd");
        let address = asked.and_then(|text| ReturnAddress::parse(text, &self.allowed));
        self.sign_in_page(&SignInPage {
            status: if is_repeated { StatusCode::FORBIDDEN } else { StatusCode::OK },
            action: "/signin".to_owned(),
            asks: Asks::Password,
            chosen: fields.value("user").and_then(people::find),
            is_repeated,
            return_to: address.as_ref().map(ReturnAddress::as_str),
            is_refused: asked.is_some() && address.is_none(),
        })
    }

    fn sign_in_page(&self, page: &SignInPage<'_>) -> Response<Vec<u8>> {
        let chosen = page.chosen.unwrap_or(&EVERYBODY[0]);
        let shown = EVERYBODY.iter().filter(|person| page.asks != Asks::Code || *person == chosen);
        let context = context! {
            action => page.action.as_str(),
            return_to => page.return_to,
            refused => page.is_refused,
            wrong => page.is_repeated,
            people => shown.map(|person| card(person, chosen)).collect::<Vec<Value>>(),
            asks_password => page.asks != Asks::Code,
            asks_code => page.asks != Asks::Password,
            password => PASSWORD,
            code => CODE,
        };
        self.pages.render(page.status, "signin.html", "Sign in", context)
    }

    /// Sets the SSO cookie, and leads back.
    fn sign_in(&self, request: &Request) -> Result<Response<Vec<u8>>, SigningError> {
        let form = Fields::of_form(request);
        let (user, password) =
            (form.value("user").unwrap_or(""), form.value("password").unwrap_or(""));
        let Some(person) = people::sign_in(user, password) else {
            return Ok(self.sso_page(&form, true));
        };
        let claims = tokens::sso(&self.provider.issuer, person, self.clock.now());
        let token = self.provider.keys.sign(&claims, "JWT")?;
        let address = form.value("rd").and_then(|text| ReturnAddress::parse(text, &self.allowed));
        let mut response = see_other(address.as_ref().map_or("/welcome", ReturnAddress::as_str));
        set_cookie(&mut response, keep(COOKIE, &token));
        let entered =
            self.provider.enter_by_password(person, session_cookie(request).as_deref())?;
        Ok(with_session(response, entered))
    }

    fn sign_out_page(&self, fields: &Fields) -> Response<Vec<u8>> {
        let action = format!("/signout?{}", fields.encode());
        self.pages.render(StatusCode::OK, "signout.html", "Sign out", context! { action })
    }

    /// Somebody pressed the button.
    fn sign_out(&self, request: &Request) -> Result<Response<Vec<u8>>, SigningError> {
        let cookie = session_cookie(request);
        let ending = self.provider.sign_out(&Fields::of_query(request), cookie.as_deref())?;
        Ok(self.ending(ending, &Fields::of_query(request)))
    }

    /// The end of a session, for the browser.
    fn ending(&self, ending: Ending, fields: &Fields) -> Response<Vec<u8>> {
        let (location, notice) = match ending {
            Ending::Ask => return self.sign_out_page(fields),
            Ending::Over(location, notice) => (location, notice),
            Ending::Refused(why) => {
                return self.message(StatusCode::BAD_REQUEST, "Not signed out", why);
            }
        };
        let mut response = match location {
            Some(location) => see_other(&location),
            None => self.message(StatusCode::OK, "You are signed out", SIGNED_OUT),
        };
        for name in [COOKIE, SESSION_COOKIE] {
            set_cookie(&mut response, forget(name));
        }
        with_notice(response, notice)
    }

    fn rotate(&self, query: &Fields) -> Result<Response<Vec<u8>>, SigningError> {
        let retired =
            if query.value("forget") == Some("1") { Retired::Forget } else { Retired::Keep };
        let kid = self.provider.keys.rotate(retired)?;
        Ok(plain(StatusCode::OK, format!("signing with the new key {kid}\n")))
    }

    /// A bearer token for programs, given for a name alone: that is what a demo is for.
    fn bearer(&self, query: &Fields) -> Result<Response<Vec<u8>>, SigningError> {
        let Some(person) = query.value("user").and_then(people::find) else {
            return Ok(plain(StatusCode::BAD_REQUEST, "expected ?user=ada or ?user=bob\n".into()));
        };
        let claims = tokens::bearer(&self.provider.issuer, person, self.clock.now());
        Ok(plain(StatusCode::OK, self.provider.keys.sign(&claims, "at+jwt")?))
    }

    fn message(&self, status: StatusCode, title: &str, text: &str) -> Response<Vec<u8>> {
        self.pages.message(status, &Message { title, text, link: (&self.app_url, "Go to the app") })
    }
}

const WELCOME: &str = "You did not come from the app, so there is no page to send you back to.";

const SIGNED_OUT: &str = "The login service has forgotten you, and the app was told.";

impl Site for LoginService {
    fn answer(&self, request: &Request) -> Answer {
        let mut response = self.respond(request);
        let Some(notice) = response.extensions_mut().remove::<Notice>() else {
            return Answer::Whole(response);
        };
        let client = self.client.clone();
        Answer::After(Errand::new(async move { notice.deliver(&client).await }), response)
    }
}

impl Endpoint {
    fn at(path: &str) -> Option<Self> {
        Some(match path {
            "/" | "/signin" => Self::SignIn,
            "/.well-known/openid-configuration" => Self::Configuration,
            "/authorize" => Self::Authorize,
            "/bearer" => Self::Bearer,
            "/end-session" => Self::EndSession,
            "/jwks.json" => Self::Keys,
            "/login" => Self::Login,
            "/revoke" => Self::Revoke,
            "/rotate" => Self::Rotate,
            "/signout" => Self::SignOut,
            "/token" => Self::Token,
            "/userinfo" => Self::UserInfo,
            "/welcome" => Self::Welcome,
            _ => return None,
        })
    }

    /// The value of `Allow` ([RFC 9110 §10.2.1](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.1)).
    const fn methods(self) -> &'static str {
        match self {
            Self::Configuration | Self::Keys | Self::Welcome => "GET, HEAD",
            Self::Bearer | Self::Login | Self::Revoke | Self::Rotate | Self::Token => "POST",
            Self::Authorize | Self::EndSession | Self::SignIn | Self::SignOut | Self::UserInfo => {
                "GET, HEAD, POST"
            }
        }
    }

    fn answers(self, method: &Method) -> bool {
        self.methods().split(", ").any(|known| known == method.as_str())
    }

    /// Whether only our own pages, and programs, have reason to post here.
    const fn has_own_forms(self) -> bool {
        matches!(self, Self::Bearer | Self::Login | Self::Rotate | Self::SignIn | Self::SignOut)
    }
}

/// Whether a browser says that another site sent this
/// ([Fetch Metadata §2.3](https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header)).
/// Signing somebody in, out, or as somebody else is not for other sites to do.
fn is_cross_site(request: &Request) -> bool {
    request.headers().get("sec-fetch-site").is_some_and(|value| value == "cross-site")
}

fn card(person: &Person, chosen: &Person) -> Value {
    let groups: Vec<&str> = person.groups.to_vec();
    let initial = person.name.chars().next().map(String::from);
    context! { id => person.id, name => person.name, email => person.email, groups, initial, chosen => person == chosen }
}

/// The name of the browser's session.
fn session_cookie(request: &Request) -> Option<String> {
    let fields = request.headers().get_all(header::COOKIE).iter();
    let mut values =
        fields.flat_map(|field| CookieValues::new(field.as_bytes(), SESSION_COOKIE.as_bytes()));
    Some(std::str::from_utf8(values.next()?).ok()?.to_owned())
}

fn with_session(mut response: Response<Vec<u8>>, entered: Entered) -> Response<Vec<u8>> {
    set_cookie(&mut response, keep(SESSION_COOKIE, &entered.cookie));
    with_notice(response, entered.notice)
}

/// What must be told before an answer goes out travels with it.
fn with_notice(mut response: Response<Vec<u8>>, notice: Option<Notice>) -> Response<Vec<u8>> {
    if let Some(notice) = notice {
        response.extensions_mut().insert(notice);
    }
    response
}

fn keep<'a>(name: &'a str, value: &'a str) -> Cookie<'a> {
    of_service(name, value, SESSION_LIFE)
}

fn forget(name: &str) -> Cookie<'_> {
    of_service(name, "", Duration::ZERO)
}

/// Without `Secure`, for the demo speaks plain HTTP on loopback.
fn of_service<'a>(name: &'a str, value: &'a str, life: Duration) -> Cookie<'a> {
    let life = cookie::time::Duration::seconds(life.as_secs().cast_signed());
    let cookie = Cookie::build((name, value)).path("/").http_only(true);
    cookie.same_site(SameSite::Lax).max_age(life).build()
}

fn set_cookie(response: &mut Response<Vec<u8>>, cookie: Cookie<'_>) {
    let value = cookie.to_string().parse().expect("a token and the attributes are visible ASCII");
    response.headers_mut().append(header::SET_COOKIE, value);
}

fn wrong_method(endpoint: Endpoint) -> Response<Vec<u8>> {
    let text = format!("this address answers {} only\n", endpoint.methods());
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, text);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(endpoint.methods()));
    response
}

#[cfg(test)]
mod tests;
