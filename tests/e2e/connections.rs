//! What follows a request on its connection: the next request, judged by itself, or nothing.

use crate::support::raw::{Connection, get};
use crate::support::site::{PUBLIC_AND_REST, Site};

/// A request behind another on one connection is judged by itself.
#[tokio::test]
async fn pipelined_requests_are_each_judged() {
    let site = Site::start(PUBLIC_AND_REST).await;
    let bytes =
        [get("/public/1").bytes(), get("/admin").bytes(), get("/public/2").bytes()].concat();
    let mut connection = Connection::open(site.address).await;
    connection.send(&bytes).await;
    let mut statuses = Vec::new();
    while let Some(answer) = connection.answer().await {
        statuses.push(answer.status);
        if statuses.len() == 3 {
            break;
        }
    }
    assert!([200, 401, 200].starts_with(&statuses) && !statuses.is_empty(), "{statuses:?}");
    let arrived: Vec<_> = site.upstream.requests().iter().map(|request| request.target()).collect();
    assert!(arrived.iter().all(|target| target.starts_with("/public/")), "{arrived:?}");
}

/// The body of a refused request is not the next request.
#[tokio::test]
async fn the_body_of_a_refused_request_is_never_read_as_a_request() {
    let site = Site::start(PUBLIC_AND_REST).await;
    let inner = "GET /public/smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n";
    let refusals = [
        format!(
            "POST /admin HTTP/1.1\r\nHost: app.test\r\nContent-Length: {}\r\n\r\n{inner}",
            inner.len()
        ),
        format!("POST /admin HTTP/1.1\r\nHost: app.test\r\nContent-Length: 5, 5\r\n\r\n{inner}"),
        format!(
            "GET /admin HTTP/1.1\r\nHost: app.test\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\n{inner}"
        ),
        format!(
            "GET /admin HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: identity\r\n\r\n{inner}"
        ),
        format!("POST /admin HTTP/1.1\nHost: app.test\nContent-Length: {}\n\n{inner}", inner.len()),
        format!(
            "POST /admin HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{inner}\r\n0\r\n\r\n",
            inner.len()
        ),
    ];
    for bytes in refusals {
        let mut connection = Connection::open(site.address).await;
        connection.send(bytes.as_bytes()).await;
        assert!(connection.answer().await.is_none_or(|answer| answer.status >= 400), "{bytes:?}");
        // The connection goes on with the next request at best.
        connection.send(get("/public/after").bytes().as_slice()).await;
        let _ = connection.answer().await;
        let arrived = site.upstream.requests();
        assert!(
            arrived.iter().all(|request| request.target() == "/public/after"),
            "{bytes:?}: {arrived:?}"
        );
    }
}
