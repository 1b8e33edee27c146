//! The admin listener's app: is the process alive, is it ready, what did it count.
//!
//! Answers GET and HEAD on three paths. Never on a port that serves data; who may reach it is the
//! operator's to limit.

use async_trait::async_trait;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use pingora::apps::http_app::ServeHttp;
use pingora::protocols::http::ServerSession;
use serde_json::{Map, Value};

use crate::clock::Clock;
use crate::serve::guard::ConnectionContext;
use crate::telemetry::metrics::Metrics;

/// Tells what the process lacks to do its work, and why: empty when it is ready.
type Missing = Box<dyn Fn() -> Vec<(String, String)> + Send + Sync>;

/// The admin listener's app.
pub struct Admin {
    metrics: Metrics,
    clock: Clock,
    missing: Missing,
}

/// One answer, without its HTTP.
struct Answer {
    status: StatusCode,
    kind: &'static str,
    body: String,
}

impl Admin {
    /// Tells of `metrics`, and that the process is ready as long as nothing is `missing`: pairs of
    /// what it is and why, never a secret. A process that drains lacks something, too.
    pub fn new(
        metrics: Metrics,
        clock: Clock,
        missing: impl Fn() -> Vec<(String, String)> + Send + Sync + 'static,
    ) -> Self {
        Self { metrics, clock, missing: Box::new(missing) }
    }

    fn answer(&self, method: &Method, path: &str) -> Answer {
        match path {
            _ if *method != Method::GET && *method != Method::HEAD => Answer::not_found(),
            "/livez" => Answer::text(StatusCode::OK, "ok\n"),
            "/readyz" => self.readiness(),
            "/metrics" => self.metrics(),
            _ => Answer::not_found(),
        }
    }

    fn readiness(&self) -> Answer {
        let missing: Map<_, _> =
            (self.missing)().into_iter().map(|(what, why)| (what, Value::String(why))).collect();
        let (status, ready) = match missing.is_empty() {
            true => (StatusCode::OK, true),
            false => (StatusCode::SERVICE_UNAVAILABLE, false),
        };
        let body = serde_json::json!({ "ready": ready, "missing": missing });
        Answer { status, kind: "application/json", body: format!("{body}\n") }
    }

    fn metrics(&self) -> Answer {
        let body = self.metrics.render(self.clock.now());
        Answer { status: StatusCode::OK, kind: "text/plain; version=0.0.4; charset=utf-8", body }
    }
}

impl Answer {
    fn text(status: StatusCode, body: &str) -> Self {
        Self { status, kind: "text/plain; charset=utf-8", body: body.into() }
    }

    fn not_found() -> Self {
        Self::text(StatusCode::NOT_FOUND, "not found; there is GET /livez, /readyz, /metrics\n")
    }

    fn into_response(self, method: &Method) -> Response<Vec<u8>> {
        let length = self.body.len();
        let body = if *method == Method::HEAD { Vec::new() } else { self.body.into_bytes() };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let context = session.take_connection_user_context();
        if let Some(context) =
            context.and_then(|context| context.downcast::<ConnectionContext>().ok())
        {
            context.header_complete();
        }
        let request = session.req_header();
        self.answer(&request.method, request.uri.path()).into_response(&request.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Timestamp;

    fn admin(missing: &[(&str, &str)]) -> Admin {
        let missing: Vec<_> =
            missing.iter().map(|(what, why)| ((*what).into(), (*why).into())).collect();
        Admin::new(Metrics::new(), Clock::fixed(Timestamp::from_secs(1)), move || missing.clone())
    }

    fn get(admin: &Admin, path: &str) -> (u16, String) {
        let response = admin.answer(&Method::GET, path).into_response(&Method::GET);
        (response.status().as_u16(), String::from_utf8(response.into_body()).unwrap())
    }

    #[test]
    fn a_process_that_lacks_nothing_is_ready() {
        assert_eq!(get(&admin(&[]), "/readyz"), (200, "{\"missing\":{},\"ready\":true}\n".into()));
    }

    #[test]
    fn a_process_that_is_not_ready_is_alive_and_says_what_it_lacks() {
        let admin = admin(&[("keys of main", "connection refused")]);
        let (status, body) = get(&admin, "/readyz");
        assert_eq!(status, 503);
        assert_eq!(
            body,
            "{\"missing\":{\"keys of main\":\"connection refused\"},\"ready\":false}\n"
        );
        assert_eq!(get(&admin, "/livez").0, 200);
    }

    #[test]
    fn metrics_are_told_and_other_paths_and_methods_are_not() {
        let admin = admin(&[]);
        assert!(get(&admin, "/metrics").1.contains("sidegate_build_info"));
        assert_eq!(get(&admin, "/metrics/x").0, 404);
        assert_eq!(get(&admin, "/").0, 404);
        assert_eq!(admin.answer(&Method::POST, "/livez").status, StatusCode::NOT_FOUND);
    }

    #[test]
    fn head_tells_the_length_and_no_body() {
        let response = admin(&[]).answer(&Method::HEAD, "/livez").into_response(&Method::HEAD);
        assert_eq!(response.headers()[CONTENT_LENGTH], "3");
        assert!(response.body().is_empty());
    }
}
