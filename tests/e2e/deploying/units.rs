//! The units of systemd, judged by systemd.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{passes_check, read, run};
use crate::support::peer;

/// The worst that `systemd-analyze security` may say, of 10: what it lacks is mostly that a proxy needs the network.
const EXPOSURE: f32 = 1.5;

/// Copies of the units whose program is there: systemd asks for it.
fn units() -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_sidegate");
    let copy = |name: &str| {
        let path = folder.path().join(name);
        let text = read(&format!("systemd/{name}")).replace("/usr/local/bin/sidegate", program);
        assert!(name.ends_with(".socket") || text.contains(program), "{name} runs another program");
        std::fs::write(&path, text).unwrap();
        path
    };
    let paths = vec![copy("sidegate.service"), copy("sidegate.socket")];
    (folder, paths)
}

#[tokio::test]
async fn systemd_finds_nothing_wrong_with_the_units() {
    let Some(systemd) = peer::find(&["systemd-analyze"]) else { return };
    let (_folder, units) = units();
    let mut arguments = vec![Path::new("verify")];
    arguments.extend(units.iter().map(PathBuf::as_path));
    let said = run(&systemd, arguments).await;
    assert_eq!(said.errors, "", "systemd warns of what it ignores without failing");
    said.well();
}

#[tokio::test]
async fn the_service_has_few_rights() {
    let Some(systemd) = peer::find(&["systemd-analyze"]) else { return };
    let (_folder, units) = units();
    let unit = units[0].to_str().unwrap();
    let said = run(&systemd, ["security", "--offline=true", "--no-pager", unit]).await.well();
    let level = said.split("Overall exposure level for sidegate.service: ").nth(1);
    let level: f32 = level.and_then(|rest| rest.split(' ').next()?.parse().ok()).expect("a level");
    assert!(level <= EXPOSURE, "{said}");
}

#[tokio::test]
async fn the_configuration_fits_the_units() {
    let (service, configuration) = (read("systemd/sidegate.service"), read("systemd/config.yaml"));
    passes_check(&configuration).await;
    let loaded: Vec<_> = service
        .lines()
        .filter_map(|line| line.strip_prefix("LoadCredential=")?.split(':').next())
        .collect();
    let used: Vec<_> = configuration
        .split("/run/credentials/sidegate.service/")
        .skip(1)
        .map(|rest| rest.split([' ', '\n']).next().unwrap())
        .collect();
    assert_eq!(used.len(), 4);
    for name in &used {
        assert!(loaded.contains(name), "{name} is no credential of the service");
    }
    let name = read("systemd/sidegate.socket");
    let name = name.lines().find_map(|line| line.strip_prefix("FileDescriptorName=")).unwrap();
    assert!(configuration.contains(&format!("address: systemd:{name} ")), "{name}");
}
