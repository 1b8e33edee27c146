//! WebSockets with real handshakes and frames, from a client through sidegate to an app and back.

#![expect(
    clippy::result_large_err,
    reason = "the type of a handshake's call-back is tungstenite's"
)]

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::BufReader;
use tokio::time::{Instant, sleep};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::handshake::server;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async, client_async};

use crate::support::stage::{Front, Stage};
use crate::support::wire::{Transport, patiently};

/// Fields that a client adds to its handshake.
type Fields<'a> = &'a [(&'static str, &'a str)];

type Socket = WebSocketStream<BufReader<Box<dyn Transport>>>;

const ROUTES: &str = "
routes:
  - { name: socket, match: { paths: /ws/* }, upgrades: [websocket] }
  - { name: named, match: { paths: /named/* }, upgrades: [websocket], websocket_origins: ['https://app.test'] }
  - { name: open, match: { paths: /open/* }, access: public, upgrades: [websocket] }
  - { name: rest, match: { paths: /* } }
";

async fn before(stage: &Stage, times: &str) -> Front {
    Front::start(&stage.url, &format!("\n{times}{ROUTES}")).await
}

/// What a client's handshake for `path` with `fields` comes to.
async fn open(front: &Front, path: &str, fields: Fields<'_>) -> Result<Socket, Error> {
    let mut request = format!("ws://app.test{path}").into_client_request().unwrap();
    for (name, value) in fields {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let stream = front.connect().await.into_stream();
    patiently(client_async(request, stream)).await.map(|(socket, _)| socket)
}

/// The app's end of the next socket, and the request that opened it.
async fn accept(stage: &Stage) -> (Socket, server::Request) {
    let mut seen = None;
    let note = |request: &server::Request, answer: server::Response| {
        seen = Some(request.clone());
        Ok(answer)
    };
    let stream = stage.accept().await.into_stream();
    let socket = patiently(accept_hdr_async(stream, note)).await.unwrap();
    (socket, seen.unwrap())
}

/// A client's end and the app's end of one socket that anybody may open.
async fn pair(front: &Front, stage: &Stage) -> (Socket, Socket) {
    let (client, app, _) = pair_at(front, stage, "/open/x", &[]).await;
    (client, app)
}

/// How often a handshake is tried that ends with a closed connection.
const HANDSHAKES: usize = 10;

/// A client's end and the app's end of one socket, and the request that opened it.
///
/// pingora 0.9.1 closes a socket if the app's 101 is there before the end of the request's empty body has been passed on:
/// <https://github.com/cloudflare/pingora/issues/946>. So each socket is tried, and if need be another one is opened.
async fn pair_at(
    front: &Front,
    stage: &Stage,
    path: &str,
    fields: Fields<'_>,
) -> (Socket, Socket, server::Request) {
    for _ in 0..HANDSHAKES {
        let (client, (mut app, asked)) = tokio::join!(open(front, path, fields), accept(stage));
        let mut client = client.unwrap();
        if lives(&mut client, &mut app).await {
            return (client, app, asked);
        }
    }
    panic!("no socket outlived its handshake");
}

/// Whether a ping is answered.
async fn lives(client: &mut Socket, app: &mut Socket) -> bool {
    let ping = Message::Ping(Bytes::from_static(b"first"));
    let (sent, arrived) = tokio::join!(client.send(ping), patiently(app.next()));
    let answered =
        sent.is_ok() && matches!(arrived, Some(Ok(Message::Ping(_)))) && app.flush().await.is_ok();
    answered && matches!(patiently(client.next()).await, Some(Ok(Message::Pong(_))))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_socket_outlives_its_handshake() {
    let stage = Stage::open().await;
    let front = before(&stage, "").await;
    for number in 0..200 {
        let (client, (mut app, _)) = tokio::join!(open(&front, "/open/x", &[]), accept(&stage));
        assert!(lives(&mut client.unwrap(), &mut app).await, "socket {number}");
    }
}

async fn next(socket: &mut Socket) -> Option<Message> {
    patiently(socket.next()).await.map(Result::unwrap)
}

/// How a refused handshake was answered.
fn refusal(outcome: Result<Socket, Error>) -> u16 {
    match outcome {
        Err(Error::Http(answer)) => answer.status().as_u16(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("the handshake was accepted"),
    }
}

async fn echo(mut app: Socket) {
    while let Some(Ok(message)) = app.next().await {
        if message.is_text() || message.is_binary() {
            app.send(message).await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_is_sent_comes_back_whoever_the_caller_is() {
    let stage = Stage::open().await;
    let front = before(&stage, "").await;
    let token = front.issuer.token("ada");
    let (bearer, cookie) = (format!("Bearer {token}"), format!("sso={token}"));
    let callers: [Fields<'_>; 2] =
        [&[("authorization", &bearer)], &[("cookie", &cookie), ("origin", "http://app.test")]];
    for fields in callers {
        let (mut client, app, asked) = pair_at(&front, &stage, "/ws/x?y", fields).await;
        assert_eq!(asked.uri().path_and_query().unwrap(), "/ws/x?y");
        assert_eq!(asked.headers()["x-forwarded-user"], "ada");
        let echo = tokio::spawn(echo(app));
        for message in [Message::text("grüße"), Message::binary(vec![0, 255]), Message::text("")]
        {
            client.send(message.clone()).await.unwrap();
            assert_eq!(next(&mut client).await, Some(message));
        }
        client.send(Message::Ping(Bytes::from_static(b"p"))).await.unwrap();
        assert_eq!(next(&mut client).await, Some(Message::Pong(Bytes::from_static(b"p"))));
        client.close(None).await.unwrap();
        assert!(matches!(next(&mut client).await, Some(Message::Close(_))));
        patiently(echo).await.unwrap();
    }
}

#[tokio::test]
async fn large_frames_pass_both_ways_at_once() {
    let stage = Stage::open().await;
    let front = before(&stage, "").await;
    let (client, app) = pair(&front, &stage).await;
    let large = |first: u8| {
        let bytes: Vec<u8> =
            (0..1024 * 1024_u32).map(|n| first.wrapping_add(n.to_le_bytes()[1])).collect();
        Message::binary(bytes)
    };
    let (mut client_out, mut client_in) = client.split();
    let (mut app_out, mut app_in) = app.split();
    let sending = async {
        for n in 0..4 {
            client_out.send(large(n)).await.unwrap();
        }
    };
    let answering = async {
        for n in 100..104 {
            app_out.send(large(n)).await.unwrap();
        }
    };
    let arriving = async {
        for n in 0..4 {
            assert!(app_in.next().await.unwrap().unwrap() == large(n), "frame {n}");
        }
    };
    let returning = async {
        for n in 100..104 {
            assert!(client_in.next().await.unwrap().unwrap() == large(n), "frame {n}");
        }
    };
    patiently(async { tokio::join!(sending, answering, arriving, returning) }).await;
}

#[tokio::test]
async fn either_side_says_why_it_closes() {
    let stage = Stage::open().await;
    let front = before(&stage, "").await;
    for code in [1000, 1001, 1011, 3000, 4999] {
        for app_closes in [false, true] {
            let (mut closing, mut closed) = pair(&front, &stage).await;
            if app_closes {
                std::mem::swap(&mut closing, &mut closed);
            }
            let frame = CloseFrame { code: CloseCode::from(code), reason: "because".into() };
            closing.close(Some(frame.clone())).await.unwrap();
            assert_eq!(next(&mut closed).await, Some(Message::Close(Some(frame.clone()))));
            // The other side's answer is sent by reading on. Then the server ends the connection, and so the client, too.
            let echoed = async {
                let echoed = next(&mut closing).await;
                while let Some(Ok(_)) = patiently(closing.next()).await {}
                drop(closing);
                echoed
            };
            let ended = async {
                while let Some(Ok(_)) = patiently(closed.next()).await {}
                drop(closed);
            };
            assert_eq!(tokio::join!(echoed, ended).0, Some(Message::Close(Some(frame))));
        }
    }
}

#[tokio::test]
async fn either_side_learns_that_the_other_one_is_gone() {
    let stage = Stage::open().await;
    let front = before(&stage, "").await;
    for app_goes in [false, true] {
        let (mut going, mut staying) = pair(&front, &stage).await;
        if app_goes {
            std::mem::swap(&mut going, &mut staying);
        }
        drop(going);
        let end = patiently(staying.next()).await;
        assert!(end.is_none_or(|end| end.is_err()), "the app went: {app_goes}");
    }
}

#[tokio::test]
async fn handshakes_that_are_not_allowed_never_reach_the_app() {
    let stage = Stage::open().await;
    let front = before(&stage, "").await;
    let token = front.issuer.token("ada");
    let (bearer, cookie) = (format!("Bearer {token}"), format!("sso={token}"));
    let refused: [(&str, Fields<'_>, u16); 7] = [
        ("/ws/x", &[], 401),
        ("/ws/x", &[("authorization", "Bearer x.y.z")], 401),
        ("/ws/x", &[("cookie", &cookie), ("origin", "https://evil.test")], 403),
        ("/ws/x", &[("cookie", &cookie), ("origin", "null")], 403),
        ("/named/x", &[("cookie", &cookie), ("origin", "http://app.test")], 403),
        ("/x", &[("authorization", &bearer)], 403),
        ("/x", &[("cookie", &cookie), ("origin", "http://app.test")], 403),
    ];
    for (path, fields, status) in refused {
        assert_eq!(refusal(open(&front, path, fields).await), status, "{path} {fields:?}");
        stage.is_alone();
    }
    let named = [("cookie", cookie.as_str()), ("origin", "https://app.test")];
    let (client, _app) = tokio::join!(open(&front, "/named/x", &named), accept(&stage));
    client.unwrap();
}

#[tokio::test]
async fn an_app_that_declines_is_heard() {
    let stage = Stage::open().await;
    let front = before(&stage, "").await;
    for status in [200, 400, 403, 426, 503] {
        let declining = async {
            let (mut wire, _) = stage.request().await;
            wire.send(format!(
                "HTTP/1.1 {status} No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"
            ))
            .await;
        };
        let (outcome, ()) = tokio::join!(open(&front, "/open/x", &[]), declining);
        assert_eq!(refusal(outcome), status);
    }
}

#[tokio::test]
async fn a_subprotocol_and_extensions_are_agreed_on_end_to_end() {
    let stage = Stage::open().await;
    let front = before(&stage, "").await;
    let mut request = "ws://app.test/open/x".into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "chat, superchat".parse().unwrap());
    request.headers_mut().insert("sec-websocket-extensions", "x-unknown".parse().unwrap());
    let choose = |request: &server::Request, mut answer: server::Response| {
        assert_eq!(request.headers()["sec-websocket-protocol"], "chat, superchat");
        assert_eq!(request.headers()["sec-websocket-extensions"], "x-unknown");
        answer.headers_mut().insert("sec-websocket-protocol", "chat".parse().unwrap());
        Ok(answer)
    };
    let stream = front.connect().await.into_stream();
    let accepted = async {
        let stream = stage.accept().await.into_stream();
        patiently(accept_hdr_async(stream, choose)).await.unwrap()
    };
    let (client, _app) = tokio::join!(patiently(client_async(request, stream)), accepted);
    assert_eq!(client.unwrap().1.headers()["sec-websocket-protocol"], "chat");
}

/// The deadlines of requests are not those of a socket; a silent one ends when the upstream has been silent for too long.
#[tokio::test]
async fn an_idle_socket_ends_when_the_upstream_may_be_silent_no_longer() {
    let stage = Stage::open().await;
    let front = before(&stage, "timeouts: { header: 200ms, idle: 200ms, read: 900ms }").await;
    let since = Instant::now();
    let (mut client, mut app) = pair(&front, &stage).await;
    for socket in [&mut client, &mut app] {
        let end = patiently(socket.next()).await;
        assert!(end.is_none_or(|end| end.is_err()));
    }
    let found = since.elapsed();
    // An upstream may be silent for a minute where nothing is configured.
    assert!(found > Duration::from_millis(900) && found < Duration::from_secs(10), "{found:?}");
}

/// Most sockets of dashboards and chats: the app speaks, the page listens.
#[tokio::test]
async fn a_client_that_only_listens_stays_connected() {
    let stage = Stage::open().await;
    let front =
        before(&stage, "timeouts: { header: 200ms, idle: 200ms, body: 200ms, read: 20s }").await;
    let (mut client, mut app) = pair(&front, &stage).await;
    for n in 0..5 {
        sleep(Duration::from_millis(150)).await;
        app.send(Message::text(n.to_string())).await.unwrap();
        assert_eq!(next(&mut client).await, Some(Message::text(n.to_string())));
    }
    client.send(Message::text("here")).await.unwrap();
    assert_eq!(next(&mut app).await, Some(Message::text("here")));
}
