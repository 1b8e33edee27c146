//! nginx with the configuration that Authgear documents, before the resolver and before sidegate in its place: what the app is told.
//! It ends the TLS of browsers, and verifies the resolver's certificate.

use serde_json::json;

use crate::support::authgear::{Authgear, WEB};
use crate::support::edge;
use crate::support::nginx::Nginx;
use crate::support::process::Sidegate;
use crate::support::raw::{Answer, Request, get};
use crate::support::upstream::{Recorded, Upstream};

/// The directives of Authgear's guide on nginx, with `RESOLVER`, `HOST` and `APP` for the three addresses and `CACHE` for what it
/// calls optional.
const DOCUMENTED: &str = r#"
    location / {
      proxy_pass http://APP;
      proxy_set_header Host $host;
      auth_request /_auth;
      auth_request_set $x_authgear_session_valid $upstream_http_x_authgear_session_valid;
      auth_request_set $x_authgear_user_id $upstream_http_x_authgear_user_id;
      auth_request_set $x_authgear_user_anonymous $upstream_http_x_authgear_user_anonymous;
      auth_request_set $x_authgear_user_verified $upstream_http_x_authgear_user_verified;
      auth_request_set $x_authgear_session_acr $upstream_http_x_authgear_session_acr;
      auth_request_set $x_authgear_session_amr $upstream_http_x_authgear_session_amr;
      auth_request_set $x_authgear_session_authenticated_at $upstream_http_x_authgear_session_authenticated_at;
      auth_request_set $x_authgear_user_can_reauthenticate $upstream_http_x_authgear_user_can_reauthenticate;
      proxy_set_header x-authgear-session-valid $x_authgear_session_valid;
      proxy_set_header x-authgear-user-id $x_authgear_user_id;
      proxy_set_header x-authgear-user-anonymous $x_authgear_user_anonymous;
      proxy_set_header x-authgear-user-verified $x_authgear_user_verified;
      proxy_set_header x-authgear-session-acr $x_authgear_session_acr;
      proxy_set_header x-authgear-session-amr $x_authgear_session_amr;
      proxy_set_header x-authgear-session-authenticated-at $x_authgear_session_authenticated_at;
      proxy_set_header x-authgear-user-can-reauthenticate $x_authgear_user_can_reauthenticate;
    }
    location = /_auth {
      internal;
      set $resolver RESOLVER/_resolver/resolve;
      proxy_pass $resolver;
      proxy_ssl_verify on;
      proxy_ssl_trusted_certificate EDGE/ca.crt;
      proxy_ssl_server_name on;
      proxy_ssl_name auth.edge.test;
      proxy_set_header Host HOST;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
      CACHE
    }
"#;

/// The cache of the same guide.
const CACHE: &str = r#"proxy_cache auth;
      proxy_cache_key "$cookie_session|$http_authorization";
      proxy_cache_valid 200 10m;"#;
const CACHE_PATH: &str = "proxy_cache_path cache keys_zone=auth:1m;";

/// One resolver, and the app behind an nginx that asks it.
struct Behind {
    nginx: Nginx,
    app: Upstream,
}

impl Behind {
    async fn start(resolver: &str, authgear: &Authgear, cache: &str) -> Option<Self> {
        let app = Upstream::answering(fields).await;
        let directives = DOCUMENTED
            .replace("RESOLVER", resolver)
            .replace("HOST", authgear.host())
            .replace("APP", &app.address.to_string())
            .replace("CACHE", cache);
        let nginx = Nginx::start_at_edge(CACHE_PATH, &directives).await?;
        Some(Self { nginx, app })
    }

    async fn ask(&self, request: &Request) -> Answer {
        request.clone().send_at_edge(self.nginx.address, "www.edge.test").await
    }
}

/// Both resolvers behind the same configuration.
struct Scene {
    authgear: Authgear,
    theirs: Behind,
    ours: Behind,
    _sidegate: Sidegate,
}

impl Scene {
    async fn start(cache: &str) -> Option<Self> {
        let authgear = Authgear::start().await?;
        authgear.register(WEB, &[], &json!({})).await;
        let configuration = format!(
            "listeners: [{{ address: 127.0.0.1:0, door: forward_auth }}]\ntrusted_proxies: [127.0.0.1/32]\n\
             compatible_with: authgear\n{}routes: [{{ name: all, match: {{ paths: /* }} }}]\n",
            authgear.provider("resolver: { RESOLVER }"),
        );
        let sidegate = edge::run(&configuration, Vec::new());
        let address = format!("http://{}", sidegate.address().await);
        let theirs = authgear.issuer.replacen("auth.edge.test", "127.0.0.1", 1);
        let theirs = Behind::start(&theirs, &authgear, cache).await?;
        let ours = Behind::start(&address, &authgear, cache).await?;
        Some(Self { authgear, theirs, ours, _sidegate: sidegate })
    }
}

/// What the app is told of the caller, sorted.
fn fields(request: &Recorded) -> Vec<u8> {
    let head = String::from_utf8_lossy(&request.head).to_ascii_lowercase();
    let mut told: Vec<&str> = head.lines().filter(|line| line.starts_with("x-authgear-")).collect();
    told.sort_unstable();
    let body = told.join("\n");
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[tokio::test]
async fn s_ag2c_the_documented_configuration_tells_the_app_the_same() {
    let Some(scene) = Scene::start("").await else { return };
    let Scene { authgear, theirs, ours, .. } = &scene;
    let people = [
        json!({ "sub": "ada", "amr": ["pwd", "otp", "mfa"], "roles": ["stock.view", "stock.edit"] }),
        json!({ "sub": "bob", "amr": [], "verified": false }),
        json!({ "sub": "guest", "anonymous": true, "reauthenticate": false }),
    ];
    let mut requests = vec![
        get("/"),
        get("/").header("Cookie", "theme=dark"),
        get("/").header("Cookie", "session=made-up"),
        get("/").bearer("made-up"),
        get("/").header("X-Authgear-User-Id", "root").header("X-Authgear-Session-Valid", "true"),
    ];
    for person in people {
        authgear.tell("user", &person).await;
        let name = person["sub"].as_str().unwrap();
        let session = authgear.session(name).await;
        requests.push(get("/").header("Cookie", &format!("session={session}")));
        requests
            .push(get("/").header("Cookie", &format!("app_session=made-up; session={session}")));
        for (member, cookie) in
            [("access_token", "app_access_token"), ("refresh_token", "app_session")]
        {
            let grant = authgear.grant(name, WEB).await;
            let token = grant[member].as_str().unwrap();
            requests.push(get("/").header("Cookie", &format!("{cookie}={token}")));
            if member == "access_token" {
                requests.push(get("/").bearer(token).header("Cookie", "session=made-up"));
            }
        }
    }
    let mut different = std::collections::BTreeSet::new();
    for request in requests {
        let (expected, found) = (theirs.ask(&request).await, ours.ask(&request).await);
        assert_eq!((expected.status, found.status), (200, 200), "{request:?}: {found:?}");
        assert_eq!(found.body, expected.body, "{request:?}");
        different.insert(found.body);
    }
    // Nobody, somebody who is nobody, and each person with each kind of session.
    assert!(different.len() >= 5, "{different:#?}");
    assert!(different.contains("") && different.contains("x-authgear-session-valid: false"));
}

/// The configuration forgets the roles: what a client says of its own reaches the app, unless the question is refused for it.
#[tokio::test]
async fn s_ag2c_roles_that_a_client_makes_up_do_not_pass_here() {
    let Some(scene) = Scene::start("").await else { return };
    let Scene { authgear, theirs, ours, .. } = &scene;
    let session = authgear.session("ada").await;
    let planted = get("/")
        .header("Cookie", &format!("session={session}"))
        .header("X-Authgear-User-Roles", "admin");
    let through = theirs.ask(&planted).await;
    assert!(through.body.contains("x-authgear-user-roles: admin"), "{through:?}");
    assert_eq!(ours.ask(&planted).await.status, 403);
    assert!(ours.app.requests().is_empty());
}

/// The key of the documented cache knows one of the four credentials: what was said of Ada is said of whoever comes next. Without it,
/// which sidegate makes up for by remembering itself, nobody is mistaken for anybody.
#[tokio::test]
async fn s_ag2c_the_documented_cache_mixes_people_up_and_is_not_needed_here() {
    let Some(cached) = Scene::start(CACHE).await else { return };
    let told = async |behind: &Behind, authgear: &Authgear, name: &str| {
        let grant = authgear.grant(name, WEB).await;
        let token = grant["access_token"].as_str().unwrap();
        behind.ask(&get("/").header("Cookie", &format!("app_access_token={token}"))).await.body
    };
    let is = |body: &str, name: &str| body.contains(&format!("x-authgear-user-id: {name}"));
    assert!(is(&told(&cached.theirs, &cached.authgear, "ada").await, "ada"));
    assert!(is(&told(&cached.theirs, &cached.authgear, "bob").await, "ada"), "its defect is gone");
    let Some(plain) = Scene::start("").await else { return };
    for name in ["ada", "bob", "ada"] {
        assert!(is(&told(&plain.ours, &plain.authgear, name).await, name));
    }
}
