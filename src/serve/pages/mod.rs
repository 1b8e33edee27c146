//! The bodies of our own answers: a page for people, JSON for programs. Everything shown is escaped by the template engine.

use std::sync::LazyLock;

use http::StatusCode;
use minijinja::{Environment, context};
use serde_json::{Map, Value};

use crate::gate::Reason;

/// What an answer says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Explanation<'a> {
    /// A stable word for programs.
    pub(crate) code: &'a str,
    /// A sentence for people.
    pub(crate) message: &'a str,
    /// What a person can do.
    pub(crate) advice: Option<&'a str>,
    /// Who the person is signed in as.
    pub(crate) user: Option<&'a str>,
    /// The person's mail address.
    pub(crate) email: Option<&'a str>,
    /// Where a person can sign in.
    pub(crate) login_url: Option<&'a str>,
}

impl Explanation<'_> {
    /// What a reason says by itself.
    pub(crate) const fn of(reason: Reason) -> Self {
        Self {
            code: reason.label(),
            message: reason.public_text(),
            advice: advice(reason),
            user: None,
            email: None,
            login_url: None,
        }
    }
}

const fn advice(reason: Reason) -> Option<&'static str> {
    match reason {
        Reason::KeysUnavailable | Reason::Unanswered => Some("Try again in a moment."),
        Reason::MissingClaim
        | Reason::MissingEmail
        | Reason::MissingGroup
        | Reason::MissingRole
        | Reason::SubjectNotAllowed => Some(
            "If you need this page, ask whoever runs this application to give your account access, or sign in with another account.",
        ),
        Reason::AuthenticationTooOld => Some("Sign out and sign in again, then come back."),
        Reason::AuthenticationTooWeak => Some("Sign in with a second factor, then come back."),
        Reason::UnknownHost | Reason::NoRoute => Some("Check the address for a typing error."),
        _ => None,
    }
}

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    // The template is part of the program; a test renders it.
    environment.add_template("page.html", include_str!("page.html")).ok();
    environment
});

/// The page for a person. Falls back to the bare message should the template fail.
pub(crate) fn html(status: StatusCode, explanation: &Explanation<'_>, request_id: &str) -> String {
    let Explanation { message, advice, user, email, login_url, .. } = *explanation;
    let login_text = if user.is_some() { "Sign in as somebody else" } else { "Sign in" };
    let message = sentence(message);
    let title = title(status);
    let status = status.as_u16();
    let values =
        context! { status, title, message, advice, user, email, login_url, login_text, request_id };
    let page = TEMPLATES.get_template("page.html").and_then(|template| template.render(values));
    page.unwrap_or_else(|_| format!("{status} {title}"))
}

/// The body for a program.
pub(crate) fn json(explanation: &Explanation<'_>, request_id: &str) -> String {
    let mut body = Map::new();
    let mut put = |name: &str, value: &str| {
        body.insert(name.to_owned(), Value::from(value));
    };
    put("error", explanation.code);
    put("message", explanation.message);
    explanation.login_url.into_iter().for_each(|url| put("login_url", url));
    put("request_id", request_id);
    Value::Object(body).to_string()
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

fn title(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "Please sign in",
        403 => "You cannot open this page",
        404 => "Nothing here",
        421 => "Wrong host",
        502 => "The application is not reachable",
        503 => "Not available right now",
        504 => "The application is too slow",
        500..=599 => "Something went wrong",
        _ => "This request cannot be answered",
    }
}
