//! Webhooks of Authgear: users who are disabled or deleted there are signed out here.
//!
//! 200 where it is done or there is nothing to do, 400 where the signature or the body does not hold, 503 where it could not be
//! done and should be sent again. Doing it twice ends nothing more.

use aws_lc_rs::hmac;
use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};

use crate::base::secret::Secret;
use crate::oidc::webhook::{Notice, read};
use crate::serve::own::visit::Visit;
use crate::serve::reply::Reply;
use crate::session::Revoked;

/// HMAC-SHA256 of the body, in hexadecimal.
const SIGNATURE: HeaderName = HeaderName::from_static("x-authgear-body-signature");

/// Takes a webhook of the provider called `name`.
pub(crate) async fn receive(visit: &Visit<'_>, name: &str) -> Reply {
    let Some(party) = visit.desk.party_named(name) else { return Reply::not_found(visit.asker) };
    let Some(secret) = &party.settings.webhook else { return Reply::not_found(visit.asker) };
    if !is_signed(visit, secret) {
        tracing::warn!(provider = name, "webhook refused: the signature does not hold");
        return refuse("the signature does not hold");
    }
    let subject = match read(visit.body) {
        Ok(Notice::Nothing) => return Reply::empty(StatusCode::OK),
        Ok(Notice::UserGone(subject)) => subject,
        Err(error) => {
            tracing::warn!(provider = name, %error, "webhook refused");
            return refuse(&error.to_string());
        }
    };
    let what = Revoked::Subject { issuer: party.issuer().to_owned(), subject };
    let until = visit.desk.latest_end(&visit.runtime.policy, visit.now);
    if let Err(error) = visit.desk.sessions.end(&what, visit.now, until, visit.now).await {
        tracing::warn!(provider = name, %error, "webhook could not be stored");
        return Reply::empty(StatusCode::SERVICE_UNAVAILABLE)
            .with(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    visit.runtime.metrics.sessions().ended("webhook");
    tracing::info!(provider = name, "sessions ended: the user is gone");
    Reply::empty(StatusCode::OK)
}

/// Compared in constant time, and only once there is exactly one signature.
fn is_signed(visit: &Visit<'_>, secret: &Secret<String>) -> bool {
    let mut fields = visit.headers().get_all(SIGNATURE).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return false };
    let Some(signature) = bytes_of(field.as_bytes()) else { return false };
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    hmac::verify(&key, visit.body, &signature).is_ok()
}

fn bytes_of(hexadecimal: &[u8]) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    if !hexadecimal.len().is_multiple_of(2) {
        return None;
    }
    hexadecimal.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

fn refuse(description: &str) -> Reply {
    let body = serde_json::json!({"error": "invalid_request", "error_description": description});
    Reply::json(body.to_string()).with_status(StatusCode::BAD_REQUEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_hexadecimal_and_whole() {
        assert_eq!(bytes_of(b"00ffA5"), Some(vec![0, 255, 165]));
        for text in ["0", "0g", "zz", "0x00"] {
            assert_eq!(bytes_of(text.as_bytes()), None, "{text}");
        }
    }
}
