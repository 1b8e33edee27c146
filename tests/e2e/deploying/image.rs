//! The image: the last stage of its Dockerfile, built from nothing and run with no rights on a file system that cannot be
//! written. The stage before it compiles, which the rest of the tests do anyway.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use super::{read, run, shipped};
use crate::support::peer;
use crate::support::process::{Program, Sidegate};
use crate::support::raw::get;
use crate::support::upstream::Upstream;

/// Mounts what is at `$1` over itself, so that nobody can write it, and becomes the program in there: as the image's user, with
/// no capability and no way to one.
const ENTER: &str = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" && root=$1 && shift && \
    exec setpriv --no-new-privs chroot --userspec=65532:65532 --groups=65532 \"$root\" \"$@\"";

/// A builder of images with a store of its own, which ends with the test.
struct Builder {
    buildah: PathBuf,
    store: TempDir,
}

impl Builder {
    /// Nothing where it is missing or may not work: it mounts, which is for root.
    async fn find() -> Option<Self> {
        let buildah = peer::find(&["buildah"])?;
        if run(Path::new("id"), ["-u"]).await.output.trim() != "0" {
            peer::report_missing("buildah for root (run the tests as root)");
            return None;
        }
        Some(Self { buildah, store: tempfile::tempdir().unwrap() })
    }

    async fn buildah(&self, arguments: &[&str]) -> String {
        let place = |name: &str| self.store.path().join(name).to_str().unwrap().to_owned();
        let (root, run_root) = (place("root"), place("run"));
        let all = ["--storage-driver", "vfs", "--root", &root, "--runroot", &run_root];
        run(&self.buildah, all.iter().chain(arguments)).await.well()
    }

    /// Builds the last stage of the Dockerfile from what `assemble.sh` makes of our program.
    async fn build(&self) {
        let context = self.store.path().join("context");
        let assembled = context.join("root-of-image");
        let script = shipped("docker/assemble.sh");
        let program = env!("CARGO_BIN_EXE_sidegate");
        run(&script, [program.as_ref(), assembled.as_os_str()]).await.well();
        let dockerfile = read("docker/Dockerfile");
        let (_, last) = dockerfile.split_once("\nFROM scratch\n").expect("a stage from nothing");
        let last = last.replacen("COPY --from=build /root-of-image/ /", "COPY root-of-image/ /", 1);
        std::fs::write(context.join("Dockerfile"), format!("FROM scratch\n{last}")).unwrap();
        let context = context.to_str().unwrap();
        self.buildah(&[
            "bud",
            "--isolation",
            "chroot",
            "--format",
            "docker",
            "-t",
            "sidegate",
            context,
        ])
        .await;
    }
}

#[tokio::test]
async fn the_image_serves_without_rights_on_a_root_that_cannot_be_written() {
    let Some(builder) = Builder::find().await else { return };
    builder.build().await;
    let container = builder.buildah(&["from", "--name", "test", "localhost/sidegate"]).await;
    let inspected = builder.buildah(&["inspect", "--type", "image", "localhost/sidegate"]).await;
    let image: Value = serde_json::from_str(&inspected).unwrap();
    let config = &image["OCIv1"]["config"];
    assert_eq!(config["User"], "65532:65532");
    let root = builder.buildah(&["mount", container.trim()]).await;
    let root = Path::new(root.trim());
    has_nothing_to_be_misused(root);

    let upstream = Upstream::start().await;
    let configuration = format!(
        "listen: 127.0.0.1:0\nadmin: none\nupstream: {}\nroutes: [{{ access: public }}]\n",
        upstream.url()
    );
    std::fs::write(root.join("etc/sidegate/config.yaml"), configuration).unwrap();
    let words = |list: &Value| {
        let words = list.as_array().unwrap().iter();
        words.map(|word| word.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", ENTER, "sh"]).arg(root);
    command.args(words(&config["Entrypoint"])).args(words(&config["Cmd"]));
    let mut service = Program::start(command);
    let address = service.wait_for(Sidegate::listening).await;
    assert_eq!(get("/").send(address).await.status, 200);
    has_no_rights(service.id());
    service.signal("TERM").await;
    assert!(service.ended().await.success(), "{}", service.output());
}

/// The program, its libraries, authorities and three small tables: no shell, nothing that changes its user.
fn has_nothing_to_be_misused(root: &Path) {
    let mut found = Vec::new();
    walk(root, &mut found);
    let programs: Vec<_> = found
        .iter()
        .filter(|path| {
            path.components().any(|part| part.as_os_str() == "bin" || part.as_os_str() == "sbin")
        })
        .collect();
    assert_eq!(programs, [&root.join("usr/local/bin/sidegate")]);
    assert!(root.join("etc/ssl/certs/ca-certificates.crt").is_file());
    for path in found {
        use std::os::unix::fs::MetadataExt as _;
        let mode = path.symlink_metadata().unwrap().mode();
        assert_eq!(mode & 0o6000, 0, "{} changes the user", path.display());
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() { walk(&path, found) } else { found.push(path) }
    }
}

/// As the kernel says of the process `id`.
fn has_no_rights(id: u32) {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {status}"))
            .split_whitespace()
            .collect::<Vec<_>>()
    };
    assert_eq!(field("Uid:"), ["65532"; 4]);
    assert_eq!(field("CapEff:"), ["0000000000000000"]);
    assert_eq!(field("NoNewPrivs:"), ["1"]);
    let mounts = std::fs::read_to_string(format!("/proc/{id}/mountinfo")).unwrap();
    let root =
        mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find(|line| line[4] == "/");
    let options = root.expect("a root")[5].split(',').collect::<Vec<_>>();
    assert!(options.contains(&"ro"), "{options:?}");
}
