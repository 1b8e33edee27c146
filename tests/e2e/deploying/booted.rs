//! The units, run by a systemd of their own: the real sandbox, with credentials, the passed socket and notices.

use std::path::{Path, PathBuf};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;
use tokio::process::Command;

use super::{read, run, shipped};
use crate::support::command;
use crate::support::metrics::eventually;
use crate::support::peer;
use crate::support::process::Program;

/// Where Debian has the program that is process 1; it is on nobody's `PATH`.
const SYSTEMD: &str = "/lib/systemd/systemd";

/// What is true inside, in the order in which it is told. The app is not there, so what passes gets 502, which only sidegate says.
const FACTS: &str = "\
nobody asked inactive
first 502
then active
status serving
protected 401
CapPrm: 0000000000000000
CapEff: 0000000000000000
CapBnd: 0000000000000000
NoNewPrivs: 1
Seccomp: 2
user dynamic
state 600 /var/lib/private/sidegate/revocations
status serving by an old configuration
meanwhile 502
reloaded
status serving
restarted
restarted
over restarts  30 502 
stopped inactive
again 502
end
";

#[tokio::test]
async fn the_units_run_as_they_are_shipped() {
    let Some(systemd) = systemd().await else { return };
    let share = share().await;
    let mut command = Command::new("unshare");
    command.arg("--mount").arg(script("boot.sh")).arg(share.path()).arg(systemd);
    let mut machine = Program::start(command);
    let told = || std::fs::read_to_string(share.path().join("told")).unwrap_or_default();
    let over =
        async || told().ends_with("end\n") || machine.output().contains("Freezing execution");
    eventually(over).await;
    machine.ended().await;
    let more = |name: &str| std::fs::read_to_string(share.path().join(name)).unwrap_or_default();
    let (trace, log) = (more("trace"), more("log"));
    assert_eq!(told(), FACTS, "{}\n{trace}\n{log}", machine.output());
}

/// Nothing where it is missing or cannot be process 1 of a machine of its own: that takes root, and a machine whose own process 1
/// does not look after the same groups of processes.
async fn systemd() -> Option<PathBuf> {
    let program = PathBuf::from(SYSTEMD);
    if !program.is_file() {
        peer::report_missing("systemd");
        return None;
    }
    if run(Path::new("id"), ["-u"]).await.output.trim() != "0"
        || Path::new("/run/systemd/system").exists()
    {
        peer::report_missing(
            "systemd in namespaces of its own (run the tests as root, in a container)",
        );
        return None;
    }
    Some(program)
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/deploying").join(name)
}

/// What the machine gets: the units, the configuration as it is shipped but for two routes, secrets, and the program.
async fn share() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let place = |path: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    for unit in ["sidegate.service", "sidegate.socket"] {
        std::fs::copy(shipped(&format!("systemd/{unit}")), place(&format!("units/{unit}")))
            .unwrap();
    }
    let routes =
        "routes: [{ match: { paths: /public }, access: public }, { match: { paths: /* } }]\n";
    let configuration = read("systemd/config.yaml") + routes;
    std::fs::write(place("etc/sidegate/config.yaml"), configuration).unwrap();
    let secret = |name: &str, text: &str| {
        std::fs::write(place(&format!("etc/sidegate/secrets/{name}")), text).unwrap();
    };
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    secret("tls.crt", &cert.pem());
    secret("tls.key", &signing_key.serialize_pem());
    secret("client_secret", "a-secret-of-the-test");
    secret("session_key", &command::sidegate(folder.path(), &["keys", "session"]).await.well());
    std::fs::copy(env!("CARGO_BIN_EXE_sidegate"), place("sidegate")).unwrap();
    std::fs::copy(script("inside.sh"), place("inside.sh")).unwrap();
    folder
}
