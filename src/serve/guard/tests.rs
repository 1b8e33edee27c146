use std::net::SocketAddr;

use http::Response;
use pingora::apps::http_app::ServeHttp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::*;
use crate::base::time::Timestamp;
use crate::serve::drain::{Drain, Drained};
use crate::serve::listener::{BoundListener, ListenAddress};
use crate::telemetry::metrics::Metrics;

const OK: &str = "HTTP/1.1 200 OK\r\n";
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: app\r\n\r\n";
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers at once, or `/slow` when told to. Counts the requests of a connection in its memo.
#[derive(Default)]
struct App {
    go_on: Arc<Notify>,
}

#[async_trait]
impl ServeHttp for App {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let context = session.take_connection_user_context();
        let context =
            context.and_then(|context| context.downcast::<ConnectionContext>().ok()).unwrap();
        context.header_complete();
        let memo = context.take_memo().and_then(|memo| memo.downcast::<u32>().ok());
        let count = memo.map_or(1, |count| *count + 1);
        context.leave_memo(Box::new(count));
        if session.req_header().uri.path() == "/slow" {
            self.go_on.notified().await;
        }
        let body = format!("request {count}").into_bytes();
        Response::builder().header("content-length", body.len()).body(body).unwrap()
    }
}

/// Never says that a header is complete.
struct Forgetful;

#[async_trait]
impl ServeHttp for Forgetful {
    async fn response(&self, _session: &mut ServerSession) -> Response<Vec<u8>> {
        std::future::pending().await
    }
}

struct Running {
    address: SocketAddr,
    process: Process,
    metrics: Metrics,
    service: tokio::task::JoinHandle<()>,
}

fn patient() -> Settings {
    Settings {
        max_connections: 100,
        handshake: Duration::from_secs(60),
        first_byte: Duration::from_secs(60),
        header: Duration::from_secs(60),
        idle: Duration::from_secs(60),
        max_requests: None,
    }
}

fn serve<A: HttpServerApp + Send + Sync + 'static>(
    app: A,
    settings: Settings,
    admission: Admission,
) -> Running {
    let bound: BoundListener = "127.0.0.1:0".parse::<ListenAddress>().unwrap().bind().unwrap();
    let ListenAddress::Tcp(address) = *bound.address() else { panic!("not tcp") };
    let metrics = Metrics::new();
    let process = Process { admission, drain: Drain::new() };
    let guard = Guard::new(Arc::new(app), settings, None, &process, metrics.listener("edge"));
    let drain = process.drain.clone();
    let service = tokio::spawn(async move { bound.serve(guard, &drain).await });
    Running { address, process, metrics, service }
}

impl Running {
    fn start(settings: Settings) -> Self {
        serve(App::default(), settings, Admission::new(100))
    }

    async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    fn refused(&self, why: &str) -> u64 {
        let text = self.metrics.render(Timestamp::from_secs(0));
        let start =
            format!("sidegate_connections_refused_total{{listener=\"edge\",why=\"{why}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&start)).unwrap().parse().unwrap()
    }
}

struct Client(TcpStream);

impl Client {
    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// What comes next; empty when the connection was closed.
    async fn receive(&mut self) -> String {
        let mut bytes = vec![0; 4096];
        let read = time::timeout(PATIENCE, self.0.read(&mut bytes)).await.expect("nothing came");
        String::from_utf8_lossy(&bytes[..read.unwrap_or(0)]).into_owned()
    }

    async fn ask(&mut self, request: &[u8]) -> String {
        self.send(request).await;
        let mut answer = self.receive().await;
        while !answer.is_empty() && !answer.contains("\r\n\r\nrequest ") {
            answer += &self.receive().await;
        }
        answer
    }

    /// Waits until the server has closed the connection.
    async fn closed(&mut self) {
        assert_eq!(self.receive().await, "");
    }
}

/// Asserts that what began after `started` ended when `expected` was over. What has no such end goes on for a minute.
fn about(started: Instant, expected: Duration) {
    let found = started.elapsed();
    assert!(found >= expected, "closed after {found:?}");
    assert!(found < expected + Duration::from_secs(20), "closed after {found:?}");
}

const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn requests_of_one_connection_share_its_memo() {
    let running = Running::start(patient());
    let mut client = running.connect().await;
    assert!(client.ask(GET).await.ends_with("request 1"));
    assert!(client.ask(GET).await.ends_with("request 2"));
    assert!(running.connect().await.ask(GET).await.ends_with("request 1"));
}

#[tokio::test]
async fn a_connection_that_sends_nothing_is_closed() {
    let running = Running::start(Settings { first_byte: SHORT, ..patient() });
    let started = Instant::now();
    running.connect().await.closed().await;
    about(started, SHORT);
    assert_eq!(running.refused("first_byte_deadline"), 1);
}

#[tokio::test]
async fn a_header_that_trickles_is_cut_at_its_deadline() {
    let running = Running::start(Settings { header: SHORT, ..patient() });
    let mut client = running.connect().await;
    let started = Instant::now();
    client.send(b"GET / HTTP/1.1\r\nX: ").await;
    let (mut reader, mut writer) = client.0.into_split();
    let trickle = tokio::spawn(async move {
        while writer.write_all(b"a").await.is_ok() {
            time::sleep(Duration::from_millis(20)).await;
        }
    });
    let end = time::timeout(PATIENCE, reader.read(&mut [0; 64])).await.expect("never cut");
    assert_eq!(end.unwrap_or(0), 0);
    about(started, SHORT);
    assert_eq!(running.refused("header_deadline"), 1);
    trickle.await.unwrap();
}

#[tokio::test]
async fn the_header_of_a_later_request_has_the_same_deadline() {
    let running = Running::start(Settings { header: SHORT, ..patient() });
    let mut client = running.connect().await;
    assert!(client.ask(GET).await.starts_with(OK));
    time::sleep(SHORT * 2).await;
    let started = Instant::now();
    client.send(b"GET / HT").await;
    client.closed().await;
    about(started, SHORT);
    assert_eq!(running.refused("header_deadline"), 1);
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_that_is_no_refusal() {
    let running = Running::start(Settings { idle: SHORT, ..patient() });
    let mut client = running.connect().await;
    let started = Instant::now();
    assert!(client.ask(GET).await.starts_with(OK));
    client.closed().await;
    about(started, SHORT);
    let refusals = ["cap", "first_byte_deadline", "header_deadline", "handshake"];
    assert!(refusals.iter().all(|why| running.refused(why) == 0));
}

#[tokio::test]
async fn a_request_that_takes_long_has_no_deadline_here() {
    let app = App::default();
    let go_on = Arc::clone(&app.go_on);
    let settings = Settings { first_byte: SHORT, header: SHORT, idle: SHORT, ..patient() };
    let running = serve(app, settings, Admission::new(100));
    let mut client = running.connect().await;
    client.send(b"GET /slow HTTP/1.1\r\nHost: app\r\n\r\n").await;
    time::sleep(SHORT * 3).await;
    go_on.notify_one();
    assert!(client.receive().await.starts_with(OK));
}

#[tokio::test]
async fn an_app_that_forgets_to_report_its_headers_is_cut() {
    let running = serve(Forgetful, Settings { header: SHORT, ..patient() }, Admission::new(100));
    let mut client = running.connect().await;
    let started = Instant::now();
    client.send(GET).await;
    client.closed().await;
    about(started, SHORT);
}

#[tokio::test]
async fn connections_beyond_the_cap_are_closed_and_a_free_place_is_taken() {
    let running = Running::start(Settings { max_connections: 2, ..patient() });
    let mut clients = [running.connect().await, running.connect().await];
    for client in &mut clients {
        assert!(client.ask(GET).await.starts_with(OK));
    }
    let mut refused = running.connect().await;
    assert_eq!(refused.receive().await, "");
    assert_eq!(running.refused("cap"), 1);
    drop(clients);
    let deadline = Instant::now() + PATIENCE;
    while running.process.drain.live() > 0 && Instant::now() < deadline {
        time::sleep(Duration::from_millis(5)).await;
    }
    assert!(running.connect().await.ask(GET).await.starts_with(OK));
}

#[tokio::test]
async fn the_cap_per_client_holds_over_the_process() {
    let running = serve(App::default(), patient(), Admission::per_client(100, 1));
    let mut first = running.connect().await;
    assert!(first.ask(GET).await.starts_with(OK));
    assert_eq!(running.connect().await.receive().await, "");
}

#[tokio::test]
async fn a_connection_ends_after_its_last_request() {
    let running = Running::start(Settings { max_requests: Some(2), ..patient() });
    let mut client = running.connect().await;
    let first = client.ask(GET).await.to_lowercase();
    assert!(!first.contains("connection: close"), "{first}");
    let last = client.ask(GET).await.to_lowercase();
    assert!(last.contains("connection: close"), "{last}");
    assert_eq!(client.ask(GET).await, "");
}

#[tokio::test]
async fn idle_connections_do_not_hold_the_drain() {
    let running = Running::start(patient());
    let mut idle = running.connect().await;
    assert!(idle.ask(GET).await.starts_with(OK));
    let mut silent = running.connect().await;
    let started = Instant::now();
    running.process.drain.begin();
    assert_eq!(running.process.drain.wait(PATIENCE).await, Drained::Done);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    assert_eq!(idle.receive().await, "");
    assert_eq!(silent.receive().await, "");
    running.service.await.unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
}

/// A request that is on its way when the end begins may take its time.
#[tokio::test(start_paused = true)]
async fn an_idle_connection_lingers_and_one_that_asks_again_does_so_anew() {
    let (drain, connection) = (Drain::new(), Connection::new(Instant::now()));
    connection.idle();
    drain.begin_within(Duration::from_secs(30));
    let began = Instant::now();
    drained(&drain, &connection).await;
    assert_eq!(began.elapsed(), Duration::from_secs(1));
    let began = Instant::now();
    let asks = async {
        time::sleep(Duration::from_millis(900)).await;
        connection.header_begun();
        time::sleep(Duration::from_millis(900)).await;
        connection.idle();
    };
    tokio::join!(asks, drained(&drain, &connection));
    assert!(began.elapsed() > Duration::from_millis(2500), "{:?}", began.elapsed());
}

#[tokio::test]
async fn the_drain_waits_for_the_request_in_progress_and_then_closes() {
    let app = App::default();
    let go_on = Arc::clone(&app.go_on);
    let running = serve(app, patient(), Admission::new(100));
    let mut client = running.connect().await;
    client.send(b"GET /slow HTTP/1.1\r\nHost: app\r\n\r\n").await;
    while running.process.drain.live() == 0 {
        time::sleep(Duration::from_millis(5)).await;
    }
    running.process.drain.begin();
    assert_eq!(running.process.drain.wait(SHORT * 2).await, Drained::Left(1));
    go_on.notify_one();
    assert!(client.receive().await.starts_with(OK));
    assert_eq!(running.process.drain.wait(PATIENCE).await, Drained::Done);
}

#[tokio::test]
async fn requests_back_to_back_end_with_an_answer_and_not_with_a_reset() {
    let running = Running::start(patient());
    let drain = running.process.drain.clone();
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = running.connect().await;
        clients.push(tokio::spawn(async move {
            loop {
                let answer = client.ask(GET).await;
                assert!(answer.starts_with(OK), "{answer:?}");
                if answer.to_lowercase().contains("connection: close") {
                    return;
                }
            }
        }));
    }
    time::sleep(SHORT).await;
    drain.begin();
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(drain.wait(PATIENCE).await, Drained::Done);
}

#[tokio::test]
async fn connections_that_wait_in_the_queue_when_the_drain_begins_are_served() {
    let bound: BoundListener = "127.0.0.1:0".parse::<ListenAddress>().unwrap().bind().unwrap();
    let ListenAddress::Tcp(address) = *bound.address() else { panic!("not tcp") };
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(Client(TcpStream::connect(address).await.unwrap()));
    }
    let process = Process { admission: Admission::new(100), drain: Drain::new() };
    let metrics = Metrics::new().listener("edge");
    let guard = Guard::new(Arc::new(App::default()), patient(), None, &process, metrics);
    process.drain.begin();
    let drain = process.drain.clone();
    tokio::spawn(async move { bound.serve(guard, &drain).await });
    for client in &mut clients {
        let answer = client.ask(GET).await.to_lowercase();
        assert!(answer.contains("connection: close"), "{answer}");
    }
}

#[tokio::test]
async fn open_connections_are_told_and_closed_ones_are_not() {
    let running = Running::start(patient());
    let mut client = running.connect().await;
    client.ask(GET).await;
    let open = |running: &Running| {
        running
            .metrics
            .render(Timestamp::from_secs(0))
            .contains("sidegate_connections{listener=\"edge\"} 1")
    };
    assert!(open(&running));
    drop(client);
    running.process.drain.wait(PATIENCE).await;
    assert!(!open(&running));
}

#[tokio::test]
async fn a_unix_socket_is_served_and_removed_at_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gate.sock");
    let bound = ListenAddress::Unix(path.clone()).bind().unwrap();
    let metrics = Metrics::new();
    let process = Process { admission: Admission::per_client(10, 1), drain: Drain::new() };
    let guard =
        Guard::new(Arc::new(App::default()), patient(), None, &process, metrics.listener("edge"));
    let drain = process.drain.clone();
    let service = tokio::spawn(async move { bound.serve(guard, &drain).await });
    let mut client = tokio::net::UnixStream::connect(&path).await.unwrap();
    client.write_all(GET).await.unwrap();
    let mut bytes = [0; 512];
    let read = client.read(&mut bytes).await.unwrap();
    assert!(bytes[..read].starts_with(OK.as_bytes()));
    process.drain.begin();
    service.await.unwrap();
    assert!(!path.exists());
}
