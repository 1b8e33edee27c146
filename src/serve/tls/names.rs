//! Which certificate answers to which server name. Pure look-up.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::files::Presentable;

/// Certificates by the names they are for.
#[derive(Debug)]
pub(super) struct Names {
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// By what follows `*.`.
    wildcard: HashMap<String, Arc<CertifiedKey>>,
    first: Arc<CertifiedKey>,
}

impl Names {
    /// The table of `first` and `others`; of two certificates for one name the earlier one wins.
    pub(super) fn new(first: &Presentable, others: &[Presentable]) -> Self {
        let mut names =
            Self { exact: HashMap::new(), wildcard: HashMap::new(), first: Arc::clone(&first.key) };
        for certificate in std::iter::once(first).chain(others) {
            certificate.names.iter().for_each(|name| names.add(name, &certificate.key));
        }
        names
    }

    fn add(&mut self, name: &str, key: &Arc<CertifiedKey>) {
        let (table, name) = match name.strip_prefix("*.") {
            Some(parent) => (&mut self.wildcard, parent),
            None => (&mut self.exact, name),
        };
        table.entry(name.into()).or_insert_with(|| Arc::clone(key));
    }

    /// The certificate for `name`: its own, else that of its wildcard, else the first one.
    /// A wildcard stands for one label
    /// ([RFC 9525 §6.3](https://www.rfc-editor.org/rfc/rfc9525#section-6.3)).
    pub(super) fn find(&self, name: Option<&str>) -> &Arc<CertifiedKey> {
        let name = name.unwrap_or_default().to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        let parent = || name.split_once('.').and_then(|(_, parent)| self.wildcard.get(parent));
        self.exact.get(name).or_else(parent).unwrap_or(&self.first)
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(self.find(hello.server_name())))
    }
}
