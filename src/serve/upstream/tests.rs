use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use pingora::connectors::L4Connect as _;
use pingora::protocols::l4::stream::Stream;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(5),
    read: Duration::from_secs(3),
    write: Duration::from_secs(3),
};

const REQUEST: &[u8] = b"POST / HTTP/1.1\r\nHost: app\r\n\r\n";
const SENT: &[u8] = b"POST / HTTP/1.1\r\nHost: app\r\nx-auth-request-user: jane\r\n\r\n";

struct World {
    listener: TcpListener,
    address: PeerAddress,
    keeper: PoolKeeper,
}

impl World {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = PeerAddress::Inet(listener.local_addr().unwrap());
        Self { listener, address, keeper: PoolKeeper::start(Duration::from_secs(60)) }
    }

    /// A connection, and whether it was used before.
    async fn borrow(&self) -> (Stream, bool) {
        let (stream, loan) = self.loan().await;
        (stream, loan.is_reused())
    }

    /// A connection on which a request was sent.
    async fn used(&self) -> (Stream, bool) {
        let (mut stream, loan) = self.loan().await;
        loan.announce(b"x-auth-request-user: jane\r\n".to_vec());
        stream.write_all(REQUEST).await.unwrap();
        (stream, loan.is_reused())
    }

    async fn loan(&self) -> (Stream, Arc<Loan>) {
        let loan = Loan::new(Arc::clone(self.keeper.pool()), PATIENCE);
        (loan.connect(&self.address).await.unwrap(), loan)
    }

    async fn accept(&self) -> TcpStream {
        self.listener.accept().await.unwrap().0
    }
}

/// What pingora does before it would keep a connection: whether it takes it for closed.
fn is_closed(stream: &mut Stream) -> bool {
    let mut byte = [0];
    let mut buffer = ReadBuf::new(&mut byte);
    let read = Pin::new(stream).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer);
    matches!(read, Poll::Ready(Ok(()))) && buffer.filled().is_empty()
}

/// Lets the runtime see what arrived.
async fn settle(server: &TcpStream) {
    server.writable().await.unwrap();
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_connection_that_pingora_would_keep_is_lent_again() {
    let world = World::new().await;
    let (mut first, reused) = world.used().await;
    let mut server = world.accept().await;
    assert!(!reused);
    server.write_all(b"answer").await.unwrap();
    first.read_exact(&mut [0; 6]).await.unwrap();
    assert!(is_closed(&mut first));
    drop(first);
    let (_second, reused) = world.used().await;
    assert!(reused);
    let mut received = vec![0; 2 * SENT.len()];
    server.read_exact(&mut received).await.unwrap();
    assert_eq!(received, SENT.repeat(2));
}

#[tokio::test]
async fn only_the_header_gets_lines() {
    let world = World::new().await;
    let (mut stream, _) = world.used().await;
    let mut server = world.accept().await;
    stream.write_all(b"a\r\n\r\n").await.unwrap();
    let mut received = vec![0; SENT.len() + 5];
    server.read_exact(&mut received).await.unwrap();
    assert_eq!(received, [SENT, b"a\r\n\r\n"].concat());
}

#[tokio::test]
async fn nothing_goes_out_without_the_lines_or_but_a_part_of_the_header() {
    let world = World::new().await;
    let (mut stream, loan) = world.loan().await;
    assert_eq!(stream.write_all(REQUEST).await.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    for part in [&REQUEST[..20], &REQUEST[..REQUEST.len() - 2]] {
        loan.announce(b"x-auth-request-user: jane\r\n".to_vec());
        assert_eq!(stream.write_all(part).await.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}

#[tokio::test]
async fn a_connection_that_pingora_drops_is_closed() {
    let world = World::new().await;
    let (first, _) = world.borrow().await;
    let mut server = world.accept().await;
    drop(first);
    assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
    assert!(!world.borrow().await.1);
}

/// A waiting task that reads a single byte is no trial, nor is a longer read by a waker that does nothing.
#[tokio::test]
async fn nothing_but_the_trial_gives_a_connection_back() {
    let world = World::new().await;
    let (mut first, _) = world.borrow().await;
    let mut server = world.accept().await;
    let mut bytes = [0; 2];
    let mut longer = ReadBuf::new(&mut bytes);
    let mut context = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut first).poll_read(&mut context, &mut longer).is_pending());
    let mut byte = [0];
    let mut single = ReadBuf::new(&mut byte);
    let waited = poll_fn(|cx| Poll::Ready(Pin::new(&mut first).poll_read(cx, &mut single))).await;
    assert!(waited.is_pending());
    drop(first);
    assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_connection_with_bytes_that_nobody_asked_for_is_not_kept() {
    let world = World::new().await;
    let (mut first, _) = world.borrow().await;
    let mut server = world.accept().await;
    server.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
    settle(&server).await;
    first.read_exact(&mut [0; 4]).await.unwrap();
    assert!(is_closed(&mut first));
    drop(first);
    assert!(!world.borrow().await.1);
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closed_is_not_lent() {
    let world = World::new().await;
    let (mut first, _) = world.borrow().await;
    let server = world.accept().await;
    assert!(is_closed(&mut first));
    drop(first);
    settle(&server).await;
    drop(server);
    // The listener's next event is behind the end of the connection.
    let _other = TcpStream::connect(world.listener.local_addr().unwrap()).await.unwrap();
    let _ = world.accept().await;
    assert!(!world.borrow().await.1);
}

#[tokio::test]
async fn nothing_can_be_done_with_a_connection_after_the_trial() {
    let world = World::new().await;
    let (mut first, _) = world.borrow().await;
    let _server = world.accept().await;
    assert!(is_closed(&mut first));
    let written = first.write_all(b"more").await.unwrap_err();
    assert_eq!(written.kind(), io::ErrorKind::NotConnected);
    let read = first.read(&mut [0; 4]).await.unwrap_err();
    assert_eq!(read.kind(), io::ErrorKind::NotConnected);
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_waited_for_no_longer_than_allowed() {
    let world = World::new().await;
    let (mut stream, _) = world.borrow().await;
    let _server = world.accept().await;
    let start = tokio::time::Instant::now();
    let error = stream.read(&mut [0; 64]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    let waited = start.elapsed();
    assert!(PATIENCE.read <= waited && waited <= PATIENCE.read + 3 * pool::TICK, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_nothing_is_waited_for_no_longer_than_allowed() {
    let world = World::new().await;
    let (mut stream, _) = world.used().await;
    let _server = world.accept().await;
    let error = stream.write_all(&vec![0; 64 << 20]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn what_is_unused_for_too_long_is_closed() {
    let world = World::new().await;
    let (mut first, _) = world.borrow().await;
    let mut server = world.accept().await;
    assert!(is_closed(&mut first));
    drop(first);
    let start = tokio::time::Instant::now();
    assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
    let kept = start.elapsed();
    assert!(Duration::from_secs(60) <= kept && kept <= Duration::from_secs(62), "{kept:?}");
}

#[tokio::test]
async fn the_pool_ends_with_its_keeper() {
    let world = World::new().await;
    let (mut kept, _) = world.borrow().await;
    let mut server = world.accept().await;
    assert!(is_closed(&mut kept));
    drop(kept);
    drop(world.keeper);
    assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
}
