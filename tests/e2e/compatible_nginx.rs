//! nginx with the configuration that oauth2-proxy documents, and sidegate where oauth2-proxy was.

use serde_json::{Value, json};

use crate::support::nginx::Nginx;
use crate::support::oidc_provider::OidcProvider;
use crate::support::person::{Page, Person, Stop, Visit};
use crate::support::ports::free_address;
use crate::support::process::Sidegate;
use crate::support::raw::get;
use crate::support::upstream::{Recorded, Upstream};

const SECRET: &str = "a secret of the client";
const KEY: &str = "1f8a04c3b97d52e6f0419b2dc875ae3360d1f2849c5b7ea613d8402f9ce75ba6";

/// The directives that oauth2-proxy documents for one server
/// (<https://oauth2-proxy.github.io/oauth2-proxy/configuration/integrations/nginx>), with `PROXY` and `APP` for the two addresses.
/// TLS ends before it here, so that its `$scheme` is written out and its redirects are relative.
const DOCUMENTED: &str = r#"
    absolute_redirect off;
    location /oauth2/ {
      proxy_pass       http://PROXY;
      proxy_set_header Host                    $host;
      proxy_set_header X-Real-IP               $remote_addr;
      proxy_set_header X-Auth-Request-Redirect $request_uri;
    }
    location = /oauth2/auth {
      proxy_pass       http://PROXY;
      proxy_set_header Host             $host;
      proxy_set_header X-Real-IP        $remote_addr;
      proxy_set_header X-Forwarded-Uri  $request_uri;
      proxy_set_header Content-Length   "";
      proxy_pass_request_body           off;
    }
    location / {
      auth_request /oauth2/auth;
      error_page 401 ERROR;
      auth_request_set $user   $upstream_http_x_auth_request_user;
      auth_request_set $email  $upstream_http_x_auth_request_email;
      proxy_set_header X-User  $user;
      proxy_set_header X-Email $email;
      auth_request_set $auth_cookie $upstream_http_set_cookie;
      add_header Set-Cookie $auth_cookie;
      proxy_pass http://APP/;
    }
    location @oauth2_signin {
      return 302 /oauth2/sign_in?rd=https://$host$request_uri;
    }
"#;

/// How a refused page leads to the sign-in: as documented now, and up to version 7.13.
const WAYS: [&str; 2] = ["= @oauth2_signin", "=403 /oauth2/sign_in"];

struct Place {
    provider: OidcProvider,
    sidegate: Sidegate,
    nginx: Nginx,
    app: Upstream,
    site: String,
}

impl Place {
    async fn start(way: &str) -> Option<Self> {
        let provider = OidcProvider::start().await?;
        let app = Upstream::answering(who).await;
        let address = free_address();
        let directives = DOCUMENTED
            .replace("PROXY", &address.to_string())
            .replace("APP/", &format!("{}/", app.address))
            .replace("ERROR", way);
        let nginx = Nginx::start(&directives).await?;
        // nginx does not pass its port on: the address is the one that is registered, as with oauth2-proxy.
        let site = format!("https://app.test:{}", nginx.address.port());
        let configuration = format!(
            "listeners: [{{ address: '{address}', door: forward_auth }}]\nadmin: none\ntrusted_proxies: [127.0.0.1/32]\n\
             compatible_with: oauth2-proxy\nprovider: {{ name: main, issuer: \"{}\", client_id: web, client_secret: {{ value: {SECRET} }}, \
             redirect_uri: \"{site}/oauth2/callback\", scopes: [openid, email, groups] }}\nsession: {{ keys: [{{ value: \
             \"{KEY}\" }}] }}\nroutes: [{{ name: app, match: {{ hosts: app.test }} }}]\n",
            provider.issuer
        );
        let sidegate = Sidegate::run(&configuration);
        sidegate.address().await;
        let registration = json!({
            "client_id": "web",
            "client_secret": SECRET,
            "redirect_uris": [format!("{site}/oauth2/callback")],
            "post_logout_redirect_uris": ["https://app.test/oauth2/signed-out"],
        });
        provider.register(&registration).await;
        Some(Self { provider, sidegate, nginx, app, site })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.site)
    }

    async fn sign_in(&self, person: &Person, path: &str) -> Page {
        let login = person.open(&self.url(path)).await;
        let log = self.sidegate.program.output();
        assert!(login.body.contains("Sign in at the provider"), "{login:#?}\n{log}");
        person.fill_in(&login, &[("login", "ada"), ("password", "password")]).await
    }
}

/// `user|email`, as the configuration tells the app.
fn who(request: &Recorded) -> Vec<u8> {
    let body = ["x-user", "x-email"].map(|name| request.values(name).join("+")).join("|");
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[tokio::test]
async fn people_sign_in_by_the_documented_configuration_unchanged() {
    for way in WAYS {
        let Some(place) = Place::start(way).await else { return };
        let person = Person::new();
        let page = place.sign_in(&person, "/wanted?x=1").await;
        let seen = (page.status, page.url.as_str(), page.body.as_str());
        let wanted = place.url("/wanted?x=1");
        let log = place.sidegate.program.output();
        let expected = (200, wanted.as_str(), "ada|ada@example.test");
        assert_eq!(seen, expected, "{way}: {page:#?}\n{log}");
        assert_eq!(page.refused_cookies, Vec::<String>::new());
        assert!(page.trail.iter().any(|url| url.path() == "/oauth2/callback"), "{page:#?}");
        let told = person.fetch(&place.url("/oauth2/userinfo")).await;
        let info: Value = serde_json::from_str(&told.body).unwrap();
        let expected = json!({
            "user": "ada", "email": "ada@example.test", "groups": ["admin", "staff"], "preferredUsername": null,
        });
        assert_eq!(info, expected);
    }
}

#[tokio::test]
async fn strangers_reach_no_page_and_spoof_nobody() {
    let Some(place) = Place::start(WAYS[0]).await else { return };
    let before = place.app.requests().len();
    for (name, value) in [
        ("X-Auth-Request-User", "admin"),
        ("X-User", "admin"),
        ("X-Forwarded-Uri", "/ping"),
        ("User-Agent", "GoogleHC/1.0"),
        ("X-Forwarded-Method", "OPTIONS"),
        ("X-Forwarded-Host", "other.test"),
        ("X-Original-URL", "https://app.test/ping"),
        ("Authorization", "Bearer x"),
        ("Cookie", "__Host-sidegate=x; _oauth2_proxy=x"),
    ] {
        let answer = get("/x").header(name, value).send(place.nginx.address).await;
        assert!(matches!(answer.status, 302 | 403), "{name}: {answer:?}");
    }
    assert_eq!(place.app.requests().len(), before);
    let person = Person::new();
    place.sign_in(&person, "/wanted").await;
    let cookies = person.jar();
    let cookie = cookies.named("__Host-sidegate").unwrap();
    let spoofed = get("/x")
        .header("X-Forwarded-Proto", "https")
        .header("Cookie", &format!("{}={}", cookie.name, cookie.value))
        .header("X-User", "admin")
        .header("X-Email", "admin@example.test");
    let answer = spoofed.send(place.nginx.address).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ada|ada@example.test"));
}

#[tokio::test]
async fn a_link_of_the_app_signs_out_and_one_of_another_site_asks() {
    let Some(place) = Place::start(WAYS[0]).await else { return };
    let person = Person::new();
    let page = place.sign_in(&person, "/wanted").await;
    let sign_out = place.url("/oauth2/sign_out?rd=%2Fgoodbye");
    let foreign = url::Url::parse("https://elsewhere.example/").unwrap();
    for visit in [Visit::typed(&sign_out), Visit::link(&sign_out, &foreign)] {
        let question = person.visit(visit).await;
        assert!(question.body.contains("<form"), "{question:#?}");
    }
    assert_eq!(person.fetch(&place.url("/oauth2/userinfo")).await.status, 200);
    let end = format!("{}/session/end", place.provider.issuer);
    let stop = |visit: &Visit| visit.url.as_str().starts_with(&end);
    let left = person.visit_until(Visit::link(&sign_out, &page.url), stop).await;
    assert!(matches!(left, Stop::Before(_)));
    assert_eq!(person.fetch(&place.url("/oauth2/userinfo")).await.status, 401);
}

/// As behind TLS that nginx ends: nobody tells the scheme, and cookies are secure all the same.
#[tokio::test]
async fn where_nobody_tells_the_scheme_it_is_https() {
    let Some(place) = Place::start(WAYS[0]).await else { return };
    let address = place.sidegate.address().await;
    let answer = get("/oauth2/start?rd=%2Fx").send(address).await;
    let location = url::Url::parse(answer.header("location").unwrap()).unwrap();
    let told = |name: &str| {
        location.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
    };
    assert_eq!(told("redirect_uri"), Some(place.url("/oauth2/callback")));
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Secure-sidegate_attempt_"), "{cookie}");
    assert!(cookie.contains("Path=/oauth2") && cookie.contains("Secure"), "{cookie}");
    // Addresses of others are no place to go.
    let answer =
        get("/oauth2/sign_in?rd=https%3A%2F%2Fevil.test%2F").navigation().send(address).await;
    assert!(answer.status == 200 && !answer.body.contains("evil"), "{answer:?}");
    let program = get("/oauth2/sign_in").send(address).await;
    assert_eq!((program.status, program.json()["error"].as_str()), (401, Some("login_required")));
    assert_eq!(get("/ready").send(address).await.status, 200);
}
