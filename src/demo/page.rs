//! The demo's pages: one look for all of them, every value escaped, no scripts.
//!
//! A page is a template rendered into the common layout. Nothing is loaded from anywhere: the style sheet stands in the
//! page and is allowed by its hash.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Response, StatusCode, header};
use minijinja::{Environment, Value, context};

const STYLE: &str = include_str!("pages/style.css");

/// Every template; the suffix turns escaping on.
const TEMPLATES: &[(&str, &str)] = &[
    ("echo.html", include_str!("pages/echo.html")),
    ("layout.html", include_str!("pages/layout.html")),
    ("message.html", include_str!("pages/message.html")),
    ("signin.html", include_str!("pages/signin.html")),
    ("signout.html", include_str!("pages/signout.html")),
];

/// The templates and the policy that their pages are sent with.
#[derive(Debug)]
pub(super) struct Pages {
    templates: Environment<'static>,
    policy: String,
}

/// A page that only says something, and where to go from there.
#[derive(Debug)]
pub(super) struct Message<'a> {
    pub(super) title: &'a str,
    pub(super) text: &'a str,
    /// The address and the words of the one link.
    pub(super) link: (&'a str, &'a str),
}

impl Pages {
    /// Pages whose forms may lead to `form_targets`: source expressions of
    /// [CSP 3 `form-action`](https://www.w3.org/TR/CSP3/#directive-form-action), which browsers also apply to where a
    /// submitted form is redirected.
    pub(super) fn new(form_targets: &str) -> Self {
        let mut templates = Environment::new();
        for (name, source) in TEMPLATES {
            templates
                .add_template(name, source)
                .expect("the built-in templates parse: each is rendered in a test");
        }
        Self { templates, policy: policy(form_targets) }
    }

    /// The page `template` with the values of `context`, as a response that nobody stores, frames or scripts.
    pub(super) fn render(
        &self,
        status: StatusCode,
        template: &str,
        title: &str,
        context: Value,
    ) -> Response<Vec<u8>> {
        let content = self.fill(template, context);
        let html = self.fill("layout.html", context! { title, style => STYLE, content });
        let mut response = Response::new(html.into_bytes());
        *response.status_mut() = status;
        self.protect(response)
    }

    /// A page that only says something.
    pub(super) fn message(&self, status: StatusCode, message: &Message<'_>) -> Response<Vec<u8>> {
        let (href, label) = message.link;
        let context = context! { title => message.title, text => message.text, href, label };
        self.render(status, "message.html", message.title, context)
    }

    fn fill(&self, template: &str, context: Value) -> String {
        let template = self
            .templates
            .get_template(template)
            .expect("only names of built-in templates are asked for");
        template
            .render(context)
            .expect("the built-in templates call nothing that can fail: each is rendered in a test")
    }

    fn protect(&self, mut response: Response<Vec<u8>>) -> Response<Vec<u8>> {
        let policy = self
            .policy
            .parse()
            .expect("a policy is made of origins and a hash, which are visible ASCII");
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        for (name, value) in [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "same-origin"),
        ] {
            headers.insert(name, header::HeaderValue::from_static(value));
        }
        response
    }
}

/// The [CSP](https://www.w3.org/TR/CSP3/) of a page: its own style sheet, its own icon, its forms, and nothing else.
fn policy(form_targets: &str) -> String {
    let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; form-action {form_targets}; \
         frame-ancestors 'none'; base-uri 'none'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOUT: &str = r#""><script>alert('hi')</script>"#;

    fn message() -> Response<Vec<u8>> {
        let message = Message { title: SHOUT, text: SHOUT, link: (SHOUT, SHOUT) };
        Pages::new("'self'").message(StatusCode::OK, &message)
    }

    #[test]
    fn values_are_escaped_wherever_they_stand() {
        let html = String::from_utf8(message().into_body()).unwrap();
        assert!(!html.contains("<script"), "{html}");
        assert!(html.contains("&lt;script&gt;"), "{html}");
        assert!(!html.contains(r#"href="">"#), "{html}");
    }

    #[test]
    fn style_sheet_in_the_page_is_the_one_that_the_policy_allows() {
        let response = message();
        let policy =
            response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        let html = String::from_utf8(response.into_body()).unwrap();
        let style = html.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
        assert!(policy.contains(&STANDARD.encode(digest(&SHA256, style.as_bytes()))), "{policy}");
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    }

    #[test]
    fn pages_are_never_stored() {
        assert_eq!(message().headers()[header::CACHE_CONTROL], "no-store");
    }
}
