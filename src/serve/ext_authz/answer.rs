//! A ruling in the words of gRPC: [`CheckResponse`].

use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::config::core::v3::{HeaderValue as RawValue, HeaderValueOption};
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{
    CheckResponse, DeniedHttpResponse, OkHttpResponse,
};
use envoy_types::pb::envoy::r#type::v3::HttpStatus;
use envoy_types::pb::google::protobuf::BoolValue;
use envoy_types::pb::google::rpc;
use http::header::{self, HeaderName, HeaderValue};
use tonic::Code;

use crate::gate::{Permit, Reason};
use crate::serve::ext_authz::handed::Handed;
use crate::serve::ext_authz::judge::Ruling;
use crate::serve::ext_authz::metadata;
use crate::serve::reply::Reply;
use crate::serve::runtime::Runtime;
use crate::telemetry::Outcome;

/// What Envoy is told of `ruling`.
pub(super) fn of(runtime: &Runtime, ruling: Ruling) -> CheckResponse {
    match ruling {
        Ruling::Answer { reply, outcome, reason } => deny(reply, outcome, reason),
        Ruling::Pass { permit, handed } => allow(runtime, &permit, handed),
    }
}

fn allow(runtime: &Runtime, permit: &Permit, handed: Handed) -> CheckResponse {
    let Handed { set, remove, cookies } = handed;
    let cookies = cookies.into_iter().map(|cookie| (header::SET_COOKIE, cookie));
    let answer = OkHttpResponse {
        headers: set.into_iter().map(replacing).collect(),
        headers_to_remove: remove.into_iter().map(|name| name.as_str().to_owned()).collect(),
        response_headers_to_add: cookies.map(adding).collect(),
        ..OkHttpResponse::default()
    };
    CheckResponse {
        status: Some(status(Code::Ok, "")),
        dynamic_metadata: Some(metadata::of(runtime, permit)),
        http_response: Some(HttpResponse::OkResponse(answer)),
    }
}

fn deny(reply: Reply, outcome: Outcome, reason: Reason) -> CheckResponse {
    let code = match (outcome, reply.status.as_u16()) {
        (Outcome::Challenge | Outcome::SignIn, _) | (_, 401) => Code::Unauthenticated,
        (Outcome::Unavailable, _) | (_, 500..) => Code::Unavailable,
        _ => Code::PermissionDenied,
    };
    let answer = DeniedHttpResponse {
        status: Some(HttpStatus { code: i32::from(reply.status.as_u16()) }),
        headers: reply.headers.into_iter().map(giving).collect(),
        body: String::from_utf8_lossy(&reply.body).into_owned(),
    };
    CheckResponse {
        status: Some(status(code, reason.label())),
        dynamic_metadata: None,
        http_response: Some(HttpResponse::DeniedResponse(answer)),
    }
}

fn status(code: Code, message: &str) -> rpc::Status {
    rpc::Status { code: code.into(), message: message.to_owned(), details: Vec::new() }
}

/// A field in place of all of its name. Older Envoys do the same without being told.
fn replacing(field: (HeaderName, HeaderValue)) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(raw(field)),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    }
}

/// A field of an answer of ours. Envoy gives all of one name; those that it is told to append, it gives none of.
fn giving(field: (HeaderName, HeaderValue)) -> HeaderValueOption {
    HeaderValueOption { header: Some(raw(field)), ..HeaderValueOption::default() }
}

/// A field beside others of its name, as several `Set-Cookie` are. Older Envoys know the older word only.
fn adding(field: (HeaderName, HeaderValue)) -> HeaderValueOption {
    #[expect(deprecated, reason = "newer ones go by it too, and older ones by nothing else")]
    HeaderValueOption {
        header: Some(raw(field)),
        append: Some(BoolValue { value: true }),
        append_action: HeaderAppendAction::AppendIfExistsOrAdd.into(),
        keep_empty_value: false,
    }
}

/// Text where it is text; what else cookies may have in them goes as bytes.
fn raw((name, value): (HeaderName, HeaderValue)) -> RawValue {
    let key = name.as_str().to_owned();
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => RawValue { key, value: text.to_owned(), raw_value: Vec::new() },
        Err(_) => RawValue { key, value: String::new(), raw_value: value.as_bytes().to_vec() },
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn code(status: u16, outcome: Outcome) -> i32 {
        let reply = Reply::empty(StatusCode::from_u16(status).unwrap());
        deny(reply, outcome, Reason::MissingCredential).status.unwrap().code
    }

    /// The code 0 would let the request pass, whatever else the answer says.
    #[test]
    fn no_answer_of_ours_has_the_code_of_a_permission() {
        for (status, outcome, expected) in [
            (401, Outcome::Challenge, Code::Unauthenticated),
            (302, Outcome::SignIn, Code::Unauthenticated),
            (403, Outcome::Forbid, Code::PermissionDenied),
            (421, Outcome::Refuse, Code::PermissionDenied),
            (503, Outcome::Unavailable, Code::Unavailable),
            (200, Outcome::Own, Code::PermissionDenied),
            (401, Outcome::Own, Code::Unauthenticated),
            (502, Outcome::Own, Code::Unavailable),
            (204, Outcome::Preflight, Code::PermissionDenied),
        ] {
            assert_eq!(code(status, outcome), expected as i32, "{status} {outcome:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_told_as_bytes() {
        let value = HeaderValue::from_bytes(b"a=\xff").unwrap();
        let RawValue { value, raw_value, .. } = raw((header::COOKIE, value));
        assert_eq!((value.as_str(), raw_value.as_slice()), ("", &b"a=\xff"[..]));
    }
}
