//! Which root certificates vouch for servers.

use std::ffi::OsStr;

use reqwest::Certificate;

/// The variables that name other root certificates than the image's own.
const NAMED: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// The root certificates that an HTTPS client needs beside the image's own: none when the image has some, or when the
/// environment names some; else Mozilla's, as they were when the runner was built. An image that holds nothing else can
/// so reach public hosts; a private certificate authority must be put into the image or be named by `SSL_CERT_FILE`.
pub(super) fn brought() -> Vec<Certificate> {
    let has_own = || !rustls_native_certs::load_native_certs().certs.is_empty();
    if NAMED.iter().any(|name| std::env::var_os(name).is_some_and(|it| it != *OsStr::new(""))) || has_own() {
        return Vec::new();
    }
    webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().filter_map(|root| Certificate::from_der(root).ok()).collect()
}
