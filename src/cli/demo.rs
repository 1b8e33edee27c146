//! `sidegate demo`: a login service, an app and sidegate before it, in this one process, on loopback.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::cli::output::print;
use crate::cli::{Failure, run};
use crate::clock::Clock;
use crate::config;
use crate::demo::{Addresses, EchoApp, LoginService, Secrets, Site, introduction, serve};
use crate::remote::http::{Client, ClientSettings};
use crate::serve::listener::{ListenAddress, PassedSockets};
use crate::serve::{Bound, Server};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::writer::LineWriter;

const THREADS: usize = 2;
const LOG_BUFFER_BYTES: usize = 1 << 20;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where sidegate listens; must be a loopback address. Port 0 takes any that is free
    #[arg(long, default_value = "127.0.0.1:8080")]
    address: SocketAddr,
    /// Where the login service listens
    #[arg(long, value_name = "ADDRESS")]
    login_address: Option<SocketAddr>,
    /// Print the configuration that the demo runs with, and end
    #[arg(long)]
    print_config: bool,
}

pub(crate) fn main(arguments: &Arguments) -> Result<(), Failure> {
    let ip = arguments.address.ip();
    if !ip.is_loopback() {
        return Err(Failure::Usage(anyhow!(
            "{ip} is no loopback address: the demo's passwords are public, it stays on this machine"
        )));
    }
    let login = bind(arguments.login_address.unwrap_or_else(|| SocketAddr::new(ip, 0)))?;
    let echo = bind(SocketAddr::new(ip, 0))?;
    let planned =
        Addresses { app: arguments.address, login: login.local_addr()?, echo: echo.local_addr()? };
    let secrets = Secrets::generate()?;
    let text = configuration(&planned, &secrets, ip);
    if arguments.print_config {
        return Ok(print(&text)?);
    }
    let loaded = config::load_text("the demo's configuration", &text, Path::new("."), |_| None)
        .map_err(Failure::Configuration)?;
    let bound = Bound::listen(&loaded.settings.process, &mut PassedSockets::default())
        .context("choose another address with --address 127.0.0.1:0")?;
    let app = match bound.addresses().first() {
        Some(ListenAddress::Tcp(address)) => *address,
        _ => return Err(anyhow!("the demo listens on TCP").into()),
    };
    let addresses = Addresses { app, ..planned };
    run::runtime(THREADS)?.block_on(show(
        loaded.settings,
        bound,
        (addresses, secrets),
        (login, echo),
    ))
}

/// The demo's own part of the configuration is the addresses' business; here it is made quiet.
fn configuration(addresses: &Addresses, secrets: &Secrets, ip: IpAddr) -> String {
    let admin = SocketAddr::new(ip, 0);
    format!(
        "{}admin: {{ address: '{admin}' }}\nlog: {{ requests: none }}\n",
        addresses.configuration(secrets)
    )
}

fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    Ok(TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?)
}

async fn show(
    settings: crate::serve::settings::Settings,
    bound: Bound,
    (addresses, secrets): (Addresses, Secrets),
    (login, echo): (TcpListener, TcpListener),
) -> Result<(), Failure> {
    let (stop, stopped) = watch::channel(false);
    let clock = Clock::system();
    let client = Client::new(&ClientSettings::default())?;
    let service = LoginService::new(&addresses, &secrets, clock.clone(), client)?;
    let sites = [site(service, login, &stopped), site(EchoApp::new(&addresses), echo, &stopped)];
    let metrics = Metrics::new();
    let lines = LineWriter::start(io::sink(), LOG_BUFFER_BYTES, &metrics)?;
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let server = Server::start(settings, bound, clock, metrics, lines)?;
    print(&introduction(&addresses))?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    stop.send_replace(true);
    let _ = tokio::time::timeout(Duration::from_secs(1), server.stop()).await;
    sites.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(())
}

fn site(
    site: impl Site,
    listener: TcpListener,
    stop: &watch::Receiver<bool>,
) -> tokio::task::JoinHandle<io::Result<()>> {
    tokio::spawn(serve(site, listener, stop.clone()))
}
