//! Files that the running program writes or trusts.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::config::inputs::{Inputs, reason};
use crate::config::path::KeyPath;
use crate::config::problem::Report;

/// A file that the program writes: its directory must be there, and nobody else may put another in its place. `harm` says what
/// whoever could do that can do.
pub(super) fn own(
    file: &Path,
    harm: &str,
    path: &KeyPath,
    inputs: &Inputs,
    report: &mut Report,
) -> Option<PathBuf> {
    let file = inputs.resolve(file);
    let directory = file.parent().unwrap_or_else(|| Path::new("/"));
    let Some(metadata) = fs::metadata(directory).ok().filter(fs::Metadata::is_dir) else {
        let message = format!("there is no directory {}", directory.display());
        report.refuse(path, message, "make it, writable for the user that sidegate runs as");
        return None;
    };
    if metadata.permissions().mode() & 0o002 != 0 {
        let shown = directory.display();
        let message = format!("everybody on this machine can write to {shown}, {harm}");
        let remedy = format!("use a directory of sidegate's own, or chmod o-w {shown}");
        report.refuse(path, message, remedy);
        return None;
    }
    Some(file)
}

/// The text of a PEM file with at least one certificate.
pub(super) fn pem(
    file: &Path,
    path: &KeyPath,
    inputs: &mut Inputs,
    report: &mut Report,
) -> Option<Vec<u8>> {
    let shown = inputs.resolve(file);
    let remedy = "put a PEM file of certificates there";
    let read = inputs.read(file).map_err(|error| {
        let message = format!("cannot read {}: {}", shown.display(), reason(&error));
        report.refuse(path, message, remedy);
    });
    let bytes = read.ok()?.bytes.expose().clone();
    let mut certificates = CertificateDer::pem_slice_iter(&bytes);
    if !certificates.next().is_some_and(|first| first.is_ok()) {
        report.refuse(path, format!("{} has no certificate", shown.display()), remedy);
        return None;
    }
    Some(bytes)
}
