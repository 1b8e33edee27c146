//! People behind a real Envoy sign in at a real provider, stay signed in, and sign out.

use serde_json::json;
use tempfile::TempDir;

use crate::ext_authz::scene::{Way, ask_from};
use crate::support::envoy::Envoy;
use crate::support::oidc_provider::OidcProvider;
use crate::support::person::{Page, Person};
use crate::support::process::Sidegate;
use crate::support::signing_in::{CLIENT_ID, PASSWORD, WANTED, soon};
use crate::support::upstream::{Recorded, Upstream};

const SECRET: &str = "a secret of the client behind Envoy";
const KEY: &str = "1f8a04c3b97d52e6f0419b2dc875ae3360d1f2849c5b7ea613d8402f9ce75ba6";

/// TLS ends before Envoy, at a load balancer which says so.
const BEHIND_ONE_MORE: (&str, &str) =
    ("use_remote_address: true", "use_remote_address: true\n          xff_num_trusted_hops: 1");

/// The provider, an app that says who is calling, Envoy before it, and sidegate.
struct Setting {
    provider: OidcProvider,
    site: String,
    sidegate: Sidegate,
    envoy: Envoy,
    _app: Upstream,
    _directory: TempDir,
}

impl Setting {
    async fn start(way: Way) -> Option<Self> {
        let provider = OidcProvider::start().await?;
        let (app, directory) = (Upstream::answering(who).await, tempfile::tempdir().unwrap());
        let socket = directory.path().join("authz.sock");
        let address = match way {
            Way::Socket => format!("unix:{}", socket.display()),
            Way::Port | Way::Http => "127.0.0.1:0".to_owned(),
        };
        let configuration = format!(
            "listeners:\n  - {{ name: authz, address: '{address}', door: ext_authz }}\n  \
             - {{ name: sign-in, address: '127.0.0.1:0', door: forward_auth }}\n\
             admin: none\ntrusted_proxies: [127.0.0.1/32]\nprovider:\n  name: main\n  issuer: {}\n  \
             client_id: {CLIENT_ID}\n  client_secret: {{ value: {} }}\n  scopes: [openid, email, groups, offline_access]\n\
             session:\n  keys: [{{ value: \"{KEY}\" }}]\n",
            provider.issuer,
            json!(SECRET),
        );
        let sidegate = Sidegate::run(&configuration);
        let envoy = ask_from(way, &sidegate, &app, &directory, &[BEHIND_ONE_MORE]).await?;
        let site = format!("https://app.test:{}", envoy.address.port());
        let client = json!({
            "client_id": CLIENT_ID,
            "client_secret": SECRET,
            "redirect_uris": [format!("{site}/.auth/callback/main")],
            "post_logout_redirect_uris": [format!("{site}/.auth/signed-out")],
        });
        provider.register(&client).await;
        Some(Self { provider, site, sidegate, envoy, _app: app, _directory: directory })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.site)
    }

    async fn sign_in(&self, person: &Person) {
        let login = person.open(&self.url(WANTED)).await;
        assert!(login.body.contains("Sign in at the provider"), "{login:#?}\n{}", self.logs());
        let page = person.fill_in(&login, &[("login", "ada"), ("password", PASSWORD)]).await;
        self.shows(&page);
    }

    /// Asserts that `page` is the wanted one, for `ada`.
    fn shows(&self, page: &Page) {
        let seen = (page.status, page.url.as_str(), page.body.split('|').next());
        assert_eq!(
            seen,
            (200, self.url(WANTED).as_str(), Some("ada")),
            "{page:#?}\n{}",
            self.logs()
        );
        assert_eq!(page.refused_cookies, Vec::<String>::new());
    }

    /// Who the app says `person` is, asked by a script.
    async fn user(&self, person: &Person) -> Option<String> {
        let page = person.fetch(&self.url("/api")).await;
        (page.status == 200).then(|| page.body.split('|').next().unwrap().to_owned())
    }

    fn logs(&self) -> String {
        format!("{}\n{}", self.sidegate.program.output(), self.envoy.program.output())
    }
}

/// `user|cookie`, as the app is told.
fn who(request: &Recorded) -> Vec<u8> {
    let body = ["x-forwarded-user", "cookie"].map(|name| request.values(name).join("+")).join("|");
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[tokio::test]
async fn people_sign_in_and_out_behind_envoy() {
    for way in Way::ALL {
        let Some(setting) = Setting::start(way).await else { return };
        let person = Person::new();
        setting.sign_in(&person).await;
        let seen = person.fetch(&setting.url("/api")).await;
        assert_eq!(seen.body, "ada|", "{way:?}: cookies of ours do not reach the app");
        let session = person.fetch(&setting.url("/.auth/session")).await;
        assert_eq!(session.status, 200, "{way:?}: {session:#?}");
        let confirm = person.open(&setting.url("/.auth/logout")).await;
        assert_eq!(setting.user(&person).await.as_deref(), Some("ada"), "{way:?}");
        let asked = person.fill_in(&confirm, &[]).await;
        assert!(asked.body.contains("Sign out?"), "{way:?}: {asked:#?}\n{}", setting.logs());
        assert_eq!(setting.user(&person).await, None, "{way:?}");
        let end = person.fill_in(&asked, &[]).await;
        assert_eq!((end.status, end.url.path()), (200, "/.auth/signed-out"), "{way:?}: {end:#?}");
    }
}

/// Refresh tokens are good for once: were a renewed session lost on the way, the next renewal would end it.
#[tokio::test]
async fn a_renewed_session_reaches_the_browser() {
    for way in Way::ALL {
        let Some(setting) = Setting::start(way).await else { return };
        setting.provider.limit_access_tokens(1).await;
        let person = Person::new();
        setting.sign_in(&person).await;
        let first = setting.provider.requests("/token").await;
        soon(async || {
            assert_eq!(setting.user(&person).await.as_deref(), Some("ada"), "{way:?}");
            setting.provider.requests("/token").await >= first + 3
        })
        .await;
    }
}
