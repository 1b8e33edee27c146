//! The provider's endpoints: its decisions as answers.

use http::{Method, Response, StatusCode, header};
use serde_json::json;

use super::super::fields::Fields;
use super::super::provider::{GrantError, Outcome, Question, Typed};
use super::super::responses::{library_failed, plain, private_json, see_other, with_header};
use super::super::site::Request;
use super::{LoginService, SignInPage, session_cookie, with_session};
use crate::token::SigningError;

const FORM: &str = "application/x-www-form-urlencoded";

impl LoginService {
    pub(super) fn authorize(&self, request: &Request) -> Result<Response<Vec<u8>>, SigningError> {
        let fields = of_either(request);
        let outcome = self.provider.authorize(&fields, session_cookie(request).as_deref())?;
        Ok(self.dress(outcome, &fields))
    }

    /// What the sign-in page of a request sends.
    pub(super) fn log_in(&self, request: &Request) -> Result<Response<Vec<u8>>, SigningError> {
        let (fields, form) = (Fields::of_query(request), Fields::of_form(request));
        let text = |name| form.value(name).unwrap_or("");
        let typed = Typed { user: text("user"), password: text("password"), code: text("code") };
        let cookie = session_cookie(request);
        let (outcome, entered) = self.provider.answer(&fields, typed, cookie.as_deref())?;
        let response = self.dress(outcome, &fields);
        Ok(match entered {
            Some(entered) => with_session(response, entered),
            None => response,
        })
    }

    pub(super) fn token(&self, request: &Request) -> Response<Vec<u8>> {
        if !is_form(request) {
            return refusal(GrantError::InvalidRequest);
        }
        match self.provider.redeem(request.headers(), &Fields::of_form(request)) {
            Ok(answer) => private_json(StatusCode::OK, &answer),
            Err(error) => refusal(error),
        }
    }

    pub(super) fn revoke(&self, request: &Request) -> Response<Vec<u8>> {
        if !is_form(request) {
            return refusal(GrantError::InvalidRequest);
        }
        match self.provider.revoke(request.headers(), &Fields::of_form(request)) {
            Ok(()) => plain(StatusCode::OK, String::new()),
            Err(error) => refusal(error),
        }
    }

    pub(super) fn userinfo(&self, request: &Request) -> Response<Vec<u8>> {
        match self.provider.userinfo(request.headers()) {
            Some(claims) => private_json(StatusCode::OK, &claims),
            None => with_header(
                plain(StatusCode::UNAUTHORIZED, "expected a good access token\n".into()),
                header::WWW_AUTHENTICATE,
                "Bearer error=\"invalid_token\"",
            ),
        }
    }

    pub(super) fn end_session(&self, request: &Request) -> Result<Response<Vec<u8>>, SigningError> {
        let fields = of_either(request);
        let ending = self.provider.end_session(&fields, session_cookie(request).as_deref())?;
        Ok(self.ending(ending, &fields))
    }

    fn dress(&self, outcome: Outcome, fields: &Fields) -> Response<Vec<u8>> {
        match outcome {
            Outcome::Ask(question) => self.ask(&question, fields),
            Outcome::Back(location) => see_other(&location),
            Outcome::Refused(why) => self.message(StatusCode::BAD_REQUEST, "Not possible", why),
        }
    }

    /// The page keeps the whole request in the address of its form: the service remembers no request.
    fn ask(&self, question: &Question, fields: &Fields) -> Response<Vec<u8>> {
        self.sign_in_page(&SignInPage {
            status: if question.is_repeated { StatusCode::FORBIDDEN } else { StatusCode::OK },
            action: format!("/login?{}", fields.encode()),
            asks: question.asks,
            chosen: question.person,
            is_repeated: question.is_repeated,
            return_to: None,
            is_refused: false,
        })
    }
}

/// Requests come by either method ([Core §3.1.2.1](https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest)).
fn of_either(request: &Request) -> Fields {
    if *request.method() == Method::POST {
        Fields::of_form(request)
    } else {
        Fields::of_query(request)
    }
}

fn is_form(request: &Request) -> bool {
    let media_type =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    media_type.is_some_and(|text| text.split(';').next().is_some_and(|kind| kind.trim() == FORM))
}

/// [RFC 6749 §5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2).
fn refusal(error: GrantError) -> Response<Vec<u8>> {
    let document = json!({ "error": error.code(), "error_description": error.to_string() });
    match error {
        GrantError::InvalidClient => {
            let response = private_json(StatusCode::UNAUTHORIZED, &document);
            with_header(response, header::WWW_AUTHENTICATE, "Basic realm=\"demo\"")
        }
        GrantError::Library(_) => library_failed(),
        GrantError::InvalidGrant
        | GrantError::InvalidRequest
        | GrantError::UnsupportedGrantType => private_json(StatusCode::BAD_REQUEST, &document),
    }
}
