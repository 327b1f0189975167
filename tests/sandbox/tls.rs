//! A sandbox whose nodes and clients show each other certificates.

use super::desk::{Desk, field};
use super::network::Serving;
use super::programs::{assert_fails, json, run, text};
use super::secrets::Overheard;
use causeway::sandbox::directory::SandboxFile;

#[test]
fn nodes_and_clients_show_each_other_development_certificates() {
    let directory = tempfile::tempdir().unwrap();
    let (data_dir, ready_file) = (directory.path().join("sandbox"), directory.path().join("ready"));
    let serving = Serving::start_with(&data_dir, &ready_file, &["--tls", "--validators", "1", "--ports", "free"]);
    let desk = Desk::beside(&data_dir);
    // A participant of the genesis, and one whose account was opened since.
    assert!(field(&desk.does("custodian", &["status"]), "chain_id").len() == 64);
    desk.applies("buyer", &["pay", "--to", "supplier", "12.50", "HKDX"]);

    let endpoint = SandboxFile::read(&data_dir).unwrap().endpoints.remove(0);
    assert!(endpoint.starts_with("https://127.0.0.1:"), "{endpoint}");
    let status = |endpoint: &str, files: &[&str]| run([&["status", "--endpoint", endpoint], files].concat());
    let authority = data_dir.join("tls/authority.crt");
    let buyer = data_dir.join("participants/buyer");
    let (certificate, key) = (buyer.join("client.crt"), buyer.join("client.key"));
    let files = ["--tls-authority", text(&authority), "--tls-certificate", text(&certificate), "--tls-key", text(&key)];
    assert!(status(&endpoint, &files).status.success());
    // Without a certificate, without encryption, and believing somebody else.
    assert_fails(&status(&endpoint, &files[..2]), 1, &[&endpoint, "--tls-certificate"]);
    assert_fails(&status(&endpoint.replace("https", "http"), &[]), 1, &["127.0.0.1"]);
    let stranger = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/stranger.crt");
    let mistaken = [&["--tls-authority", stranger], &files[2..]].concat();
    assert_fails(&status(&endpoint, &mistaken), 1, &[&endpoint]);
    serving.stop();
    Overheard::default().holds_no_secret(&data_dir);

    // Certificates are for a network's beginning.
    let plain = directory.path().join("plain");
    let make = ["testnet", "--validators", "1", "--out", text(&plain), "--output", "json"];
    json(make);
    let late = ["sandbox", "--tls", "--data-dir", text(&plain), "--exit"];
    assert_fails(&run(late), 2, &["without certificates", "--tls"]);
}
