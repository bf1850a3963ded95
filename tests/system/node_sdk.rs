//! Does FreeClimb's own Node SDK work with the bridge, unchanged, over https as it demands?

use crate::bridge::{ACCOUNT, API_KEY, Bridge, SIGNING_SECRET, Settings};
use crate::callee::Callee;
use crate::tool::{node_with_sdk, run, test_file, tool};

#[tokio::test(flavor = "multi_thread")]
async fn the_node_sdk_calls_every_method_of_voice() {
    drop(tool("sipp"));
    let folder = tempfile::tempdir().unwrap();
    let (key, certificate) = (
        folder.path().join("key.pem"),
        folder.path().join("cert.pem"),
    );
    let mut openssl = tool("openssl");
    openssl
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args(["-subj", "/CN=localhost", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate);
    run(openssl).await;

    let callee = Callee::that_answers();
    let settings = Settings::default().with_file(callee.trunk(&["+1555"]));
    let bridge = Bridge::start_with(settings).await;
    let (mut node, sdk) = node_with_sdk();
    node.arg(test_file("node/sdk.js"))
        .env("NODE_SDK", sdk)
        .env("TUTTI_HOST", format!("http://{}", bridge.http()))
        .env("TUTTI_SIP", bridge.sip().to_string())
        .env("TUTTI_ACCOUNT", ACCOUNT)
        .env("TUTTI_API_KEY", API_KEY)
        .env("TUTTI_SIGNING_SECRET", SIGNING_SECRET)
        .env("TLS_KEY", &key)
        .env("TLS_CERT", &certificate)
        .env("CALLEE", "+15550109999")
        .env("SIPP_SCENARIO", test_file("sipp/stay.xml"));
    println!("{}", run(node).await);
    callee.until_done().await;
}
