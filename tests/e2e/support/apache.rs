//! Apache with mod_auth_openidc: somebody else's client, which knows nothing of us and nothing of our stand-ins.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{Duration, sleep};

use super::peer::{find, report_missing};
use super::ports::free_address;
use super::process::Program;
use super::{edge, tunnel};

/// How often another port is tried, should somebody take the free one before Apache does.
const ATTEMPTS: usize = 5;

/// Where Debian installs the modules, and which are loaded.
const MODULES: &str = "/usr/lib/apache2/modules";
const LOADED: [&str; 7] =
    ["mpm_event", "authz_core", "authn_core", "authz_user", "headers", "ssl", "auth_openidc"];

/// Its client at the provider.
pub(crate) const CLIENT_ID: &str = "independent";
/// … and its secret.
pub(crate) const CLIENT_SECRET: &str = "secret-of-the-independent";

/// A running Apache whose every page needs a sign-in, and says in `X-User` who that was.
pub(crate) struct Apache {
    /// The origin at which people reach it.
    pub(crate) site: String,
    _program: Program,
    _directory: TempDir,
}

impl Apache {
    /// Starts one that signs people in at the provider which the directives name; nothing where Apache or the module is missing.
    pub(crate) async fn start(directives: &str) -> Option<Self> {
        let binary = find(&["apache2"])?;
        if !Path::new(MODULES).join("mod_auth_openidc.so").is_file() {
            report_missing("libapache2-mod-auth-openidc");
            return None;
        }
        for _ in 0..ATTEMPTS {
            if let Some(running) = Self::attempt(binary.clone(), directives).await {
                return Some(running);
            }
        }
        panic!("Apache did not start in {ATTEMPTS} attempts");
    }

    async fn attempt(binary: PathBuf, directives: &str) -> Option<Self> {
        let directory = edge::files();
        // Its workers are somebody else where the test is root.
        std::fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let address = free_address();
        let site = format!("https://independent.edge.test:{}", address.port());
        let root = directory.path().display();
        let modules: String = LOADED
            .iter()
            .map(|name| format!("LoadModule {name}_module {MODULES}/mod_{name}.so\n"))
            .collect();
        let configuration = format!(
            "{modules}ServerRoot {root}\nServerName independent.edge.test\nPidFile {root}/pid\nListen {address}\nErrorLog /dev/stderr\n\
             DocumentRoot {root}\nUser nobody\nGroup nogroup\n\
             SSLEngine on\nSSLCertificateFile {root}/apps.crt\nSSLCertificateKeyFile {root}/tls.key\n\
             OIDCOutgoingProxy {}\nOIDCCABundlePath {root}/ca.crt\n\
             OIDCClientID {CLIENT_ID}\nOIDCClientSecret {CLIENT_SECRET}\n\
             OIDCRedirectURI {site}/oidc\nOIDCCryptoPassphrase 0123456789abcdef\nOIDCPKCEMethod S256\n\
             OIDCScope \"openid profile email\"\nOIDCRemoteUserClaim sub\nOIDCSessionType server-cache\n{directives}\n\
             <Location />\n  AuthType openid-connect\n  Require valid-user\n  Header always set X-User \"expr=%{{REMOTE_USER}}\"\n\
             </Location>\n",
            tunnel::address(),
        );
        let file = directory.path().join("apache.conf");
        std::fs::write(&file, configuration).unwrap();
        let mut command = Command::new(binary);
        // One process: it ends with the test.
        command.arg("-f").arg(file).arg("-X");
        let mut program = Program::start(command);
        tokio::select! {
            () = answers(address) => {
                Some(Self { site, _program: program, _directory: directory })
            }
            _ = program.ended() => None,
        }
    }
}

async fn answers(address: SocketAddr) {
    while TcpStream::connect(address).await.is_err() {
        sleep(Duration::from_millis(10)).await;
    }
}
