//! A small [WebDriver](https://www.w3.org/TR/webdriver2/) client: one headless Chromium per test, with nothing remembered.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{Duration, sleep};

use super::edge;
use super::http::client;
use super::peer::find;
use super::process::Program;

/// Keeps Chromium quiet: no sandbox for root in containers, nothing fetched that the test did not ask for.
const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// The key of an element's reference ([WebDriver §11](https://www.w3.org/TR/webdriver2/#elements)).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// How long the driver itself looks for an element that is not there yet, in milliseconds.
const IMPLICIT_WAIT_MS: u64 = 20_000;

/// How often, and how far apart, the page is looked at for something awaited: for minutes, since others keep the machine busy.
const LOOKS: usize = 3600;
const PAUSE: Duration = Duration::from_millis(50);

/// One of a browser's tabs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tab(String);

/// A browser with one window. Closed when dropped.
pub(crate) struct Browser {
    driver: SocketAddr,
    session: String,
    client: Client,
    _program: Program,
    profile: TempDir,
}

impl Browser {
    /// Opens a browser; nothing where Chromium or its driver is missing.
    pub(crate) async fn start() -> Option<Self> {
        let binary = find(&["chromium", "chromium-browser", "google-chrome"])?;
        let driver = find(&["chromedriver"])?;
        let mut command = Command::new(driver);
        command.arg("--port=0");
        let program = Program::start(command);
        let port = program.wait_for(port).await;
        let (driver, profile, client) =
            (SocketAddr::from(([127, 0, 0, 1], port)), tempfile::tempdir().unwrap(), client());
        let body = capabilities(&binary, profile.path());
        let created =
            send(&client, Method::POST, format!("http://{driver}/session"), body).await.unwrap();
        let session = created["sessionId"].as_str().unwrap().to_owned();
        Some(Self { driver, session, client, _program: program, profile })
    }

    /// Closes the browser and opens it again, with what it keeps between runs.
    pub(crate) async fn restart(mut self) -> Self {
        let old = format!("http://{}/session/{}", self.driver, self.session);
        send(&self.client, Method::DELETE, old, Value::Null).await.unwrap();
        let binary = find(&["chromium", "chromium-browser", "google-chrome"]).unwrap();
        let body = capabilities(&binary, self.profile.path());
        let at = format!("http://{}/session", self.driver);
        let created = send(&self.client, Method::POST, at, body).await.unwrap();
        created["sessionId"].as_str().unwrap().clone_into(&mut self.session);
        self
    }

    /// Opens `url` and waits until it has loaded.
    pub(crate) async fn open(&self, url: &str) {
        self.post("url", json!({ "url": url })).await.unwrap();
    }

    /// The address of the page, as the address bar would have it.
    pub(crate) async fn current_url(&self) -> String {
        self.read("url").await.unwrap()
    }

    /// The title of the page.
    pub(crate) async fn title(&self) -> String {
        self.read("title").await.unwrap()
    }

    /// The text of the first element that `selector` matches.
    pub(crate) async fn text(&self, selector: &str) -> String {
        self.try_text(selector).await.unwrap()
    }

    /// Waits until the address of the page satisfies `wanted`: a click returns before a redirect has been followed.
    pub(crate) async fn reaches(&self, wanted: impl Fn(&str) -> bool) {
        let mut url = String::new();
        for _ in 0..LOOKS {
            url = self.current_url().await;
            if wanted(&url) {
                return;
            }
            sleep(PAUSE).await;
        }
        panic!("the browser is still at {url}");
    }

    /// Waits until the page is the one at `wanted`, or says where it is instead, and what `log` has.
    pub(crate) async fn arrives(&self, wanted: &str, log: impl Fn() -> String) {
        let mut url = String::new();
        for _ in 0..LOOKS {
            url = self.current_url().await;
            if url == wanted {
                return;
            }
            sleep(PAUSE).await;
        }
        let page = self.run("return document.body.innerText").await;
        panic!("expected {wanted}, found {url}: {page}\n{}", log());
    }

    /// Waits until the first element that `selector` matches has the text `wanted`.
    pub(crate) async fn shows(&self, selector: &str, wanted: &str) {
        let mut text = Ok(String::new());
        for _ in 0..LOOKS {
            text = self.try_text(selector).await;
            if text.as_deref() == Ok(wanted) {
                return;
            }
            sleep(PAUSE).await;
        }
        panic!("expected {wanted:?} in {selector}, found {text:?}");
    }

    /// Waits until the page has an element that `selector` matches.
    pub(crate) async fn has(&self, selector: &str) {
        self.find(selector).await.unwrap();
    }

    /// Waits until the title of the page is `wanted`.
    pub(crate) async fn titled(&self, wanted: &str) {
        let mut title = String::new();
        for _ in 0..LOOKS {
            title = self.title().await;
            if title == wanted {
                return;
            }
            sleep(PAUSE).await;
        }
        panic!("expected the title {wanted}, found {title}");
    }

    /// Clicks the first element that `selector` matches.
    pub(crate) async fn click(&self, selector: &str) {
        let element = self.find(selector).await.unwrap();
        self.post(&format!("element/{element}/click"), json!({})).await.unwrap();
    }

    /// Types `text` into the first element that `selector` matches.
    pub(crate) async fn fill_in(&self, selector: &str, text: &str) {
        let element = self.find(selector).await.unwrap();
        self.post(&format!("element/{element}/value"), json!({ "text": text })).await.unwrap();
    }

    /// Sets the width and the height of the window, in CSS pixels.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        self.post("window/rect", json!({ "width": width, "height": height })).await.unwrap();
    }

    /// Has pages shown in dark colours from now on, as the system's setting would.
    pub(crate) async fn prefers_dark(&self) {
        let feature = json!({ "name": "prefers-color-scheme", "value": "dark" });
        let command =
            json!({ "cmd": "Emulation.setEmulatedMedia", "params": { "features": [feature] } });
        self.post("goog/cdp/execute", command).await.unwrap();
    }

    /// Whether any part of the page sticks out sideways.
    pub(crate) async fn scrolls_sideways(&self) -> bool {
        let script =
            "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
        self.run(script).await.as_bool().unwrap()
    }

    /// What `script` returns in the page; a promise is waited for.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.post("execute/sync", json!({ "script": script, "args": [] })).await.unwrap()
    }

    /// As the button of that name.
    pub(crate) async fn back(&self) {
        self.post("back", json!({})).await.unwrap();
    }

    /// As the button of that name.
    pub(crate) async fn forward(&self) {
        self.post("forward", json!({})).await.unwrap();
    }

    /// Opens a tab and shows it.
    pub(crate) async fn new_tab(&self) -> Tab {
        let tab = self.post("window/new", json!({ "type": "tab" })).await.unwrap();
        let tab = Tab(tab["handle"].as_str().unwrap().to_owned());
        self.show(&tab).await;
        tab
    }

    /// The tab that is shown.
    pub(crate) async fn tab(&self) -> Tab {
        Tab(self.read("window").await.unwrap())
    }

    /// Every tab there is.
    pub(crate) async fn tabs(&self) -> Vec<Tab> {
        let tabs =
            send(&self.client, Method::GET, self.at("window/handles"), Value::Null).await.unwrap();
        let handles = tabs.as_array().unwrap().iter();
        handles.map(|handle| Tab(handle.as_str().unwrap().to_owned())).collect()
    }

    /// Waits for a tab that is not among `known`.
    pub(crate) async fn other_tab(&self, known: &[Tab]) -> Tab {
        for _ in 0..LOOKS {
            if let Some(new) = self.tabs().await.into_iter().find(|tab| !known.contains(tab)) {
                return new;
            }
            sleep(PAUSE).await;
        }
        panic!("expected one more tab than {known:?}");
    }

    /// Shows `tab`.
    pub(crate) async fn show(&self, tab: &Tab) {
        self.post("window", json!({ "handle": tab.0 })).await.unwrap();
    }

    /// Deletes the cookie called `name` of the site that is shown.
    pub(crate) async fn forget(&self, name: &str) {
        let url = self.at(&format!("cookie/{name}"));
        send(&self.client, Method::DELETE, url, Value::Null).await.unwrap();
    }

    /// What pages have complained about since the last call: violated policies, scripts that failed.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let entries = self.log("browser").await;
        let severe = entries.iter().filter(|entry| entry["level"] == "SEVERE");
        let texts = severe.filter_map(|entry| entry["message"].as_str().map(str::to_owned));
        // That a page is an error page is said there, too.
        texts.filter(|text| !text.contains("the server responded with a status of")).collect()
    }

    /// The addresses asked for since the last call.
    pub(crate) async fn requested(&self) -> Vec<String> {
        let entries = self.log("performance").await;
        let events = entries.iter().filter_map(|entry| {
            let event: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let url = event["message"]["params"]["request"]["url"].as_str()?;
            (event["message"]["method"] == "Network.requestWillBeSent").then(|| url.to_owned())
        });
        events.collect()
    }

    /// A command of the [Chrome DevTools protocol](https://chromedevtools.github.io/devtools-protocol/).
    pub(crate) async fn devtools(&self, command: &str, parameters: Value) {
        let body = json!({ "cmd": command, "params": parameters });
        self.post("goog/cdp/execute", body).await.unwrap();
    }

    /// Asks for pages in `language`.
    pub(crate) async fn speak(&self, language: &str) {
        let agent = self.run("return navigator.userAgent").await;
        let parameters = json!({ "userAgent": agent, "acceptLanguage": language });
        self.devtools("Emulation.setUserAgentOverride", parameters).await;
    }

    async fn log(&self, kind: &str) -> Vec<Value> {
        let entries = self.post("se/log", json!({ "type": kind })).await.unwrap();
        entries.as_array().unwrap().clone()
    }

    /// Keeps a picture of the window as `tests/artifacts/NAME.png`.
    pub(crate) async fn screenshot(&self, name: &str) {
        let picture = STANDARD.decode(self.read("screenshot").await.unwrap()).unwrap();
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/artifacts");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(format!("{name}.png")), picture).unwrap();
    }

    async fn try_text(&self, selector: &str) -> Result<String, String> {
        let element = self.find(selector).await?;
        self.read(&format!("element/{element}/text")).await
    }

    async fn find(&self, selector: &str) -> Result<String, String> {
        let found =
            self.post("element", json!({ "using": "css selector", "value": selector })).await?;
        Ok(found[ELEMENT].as_str().unwrap().to_owned())
    }

    async fn read(&self, command: &str) -> Result<String, String> {
        let value = send(&self.client, Method::GET, self.at(command), Value::Null).await?;
        Ok(value
            .as_str()
            .unwrap_or_else(|| panic!("expected text for {command}, found {value}"))
            .to_owned())
    }

    async fn post(&self, command: &str, body: Value) -> Result<Value, String> {
        send(&self.client, Method::POST, self.at(command), body).await
    }

    fn at(&self, command: &str) -> String {
        format!("http://{}/session/{}/{command}", self.driver, self.session)
    }
}

impl Drop for Browser {
    /// Ends the session, without which Chromium would outlive its driver. Blocking, for a drop cannot wait otherwise.
    fn drop(&mut self) {
        let Ok(mut stream) = TcpStream::connect(self.driver) else { return };
        let head =
            format!("DELETE /session/{} HTTP/1.1\r\nHost: {}\r\n\r\n", self.session, self.driver);
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.read(&mut [0; 64]);
    }
}

/// Sends one command and returns its `value`, or the driver's words on why not.
async fn send(client: &Client, method: Method, url: String, body: Value) -> Result<Value, String> {
    let mut request = client.request(method, &url);
    if !body.is_null() {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let response = request.send().await.unwrap();
    let refused = !response.status().is_success();
    let mut answer = super::http::json(response).await;
    if refused {
        return Err(format!("{url} with {body}: {}", answer["value"]["message"]));
    }
    Ok(answer["value"].take())
}

fn capabilities(binary: &Path, profile: &Path) -> Value {
    let own = [
        format!("--user-data-dir={}", profile.display()),
        "--window-size=1100,1000".to_owned(),
        // Names of the edge, whose certificates are believed for their key: Chromium reads no file of authorities.
        "--host-resolver-rules=MAP *.test 127.0.0.1".to_owned(),
        format!("--ignore-certificate-errors-spki-list={}", edge::pin()),
    ];
    let arguments: Vec<&str> = FLAGS.into_iter().chain(own.iter().map(String::as_str)).collect();
    let options = json!({ "binary": PathBuf::from(binary), "args": arguments });
    let timeouts = json!({ "implicit": IMPLICIT_WAIT_MS });
    let logs = json!({ "browser": "ALL", "performance": "ALL" });
    json!({ "capabilities": { "alwaysMatch": { "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": logs, "timeouts": timeouts } } })
}

/// The port in the line with which the driver says that it has started.
fn port(line: &str) -> Option<u16> {
    line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
}
