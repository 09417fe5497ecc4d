//! `keys`: made, listed and revoked beside a running server, which learns of it; and what no
//! key can be.

use std::time::{Duration, Instant};

use auditlake_tests::{Server, Site};

use crate::{FAILED, USAGE, numbered};

/// How long a server may take to learn of what was done beside it.
const LEARN: Duration = Duration::from_secs(20);

/// The status of a list, asked for with a key.
async fn status(server: &Server, key: &str) -> u16 {
    let url = format!("{}/v1/events", server.target().url);
    let client = reqwest::Client::builder().no_proxy().tls_built_in_root_certs(false).build();
    let request = client.expect("a client").get(url).bearer_auth(key);
    request.send().await.expect("an answer").status().as_u16()
}

/// Waits until the server answers with this status.
async fn until(server: &Server, key: &str, wanted: u16) {
    let started = Instant::now();
    loop {
        let given = status(server, key).await;
        if given == wanted {
            return;
        }
        assert!(started.elapsed() < LEARN, "still {given} instead of {wanted}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_server_learns_of_keys_and_of_their_end() {
    let site = Site::new();
    let server = site.start().await;
    let answer = server.target().post_events(numbered(3).into_bytes()).await.expect("an answer");
    assert_eq!(answer.status, 200);
    let made = site.run(["keys", "create", "--role", "auditor", "--tenant", "acme"]).ok();
    let key = made.text().trim().to_owned();
    assert_eq!(made.text(), format!("{key}\n"), "the key alone is on standard output");
    assert!(key.starts_with("alk_") && key.len() == 55, "{key}");
    assert!(made.stderr.contains("auditor of acme"), "{}", made.stderr);
    until(&server, &key, 200).await;

    let id = key.split('_').nth(1).expect("a key has an id");
    let listed = site.run(["keys", "list"]).ok();
    let line = listed.text().lines().find(|line| line.starts_with(id)).expect("the key is listed");
    assert!(line.contains("auditor of acme") && line.contains("valid"), "{line}");
    assert!(!listed.text().contains("alk_"), "{}", listed.text());
    let revoked = site.run(["keys", "revoke", id, "--json"]).ok().json();
    assert!(revoked["revoked_at"].is_string(), "{revoked}");
    until(&server, &key, 401).await;
    // Once more changes nothing.
    let again = site.run(["keys", "revoke", id, "--json"]).ok().json();
    assert_eq!(again["revoked_at"], revoked["revoked_at"]);
    assert!(server.stop().await.success());

    let create = ["keys", "create", "--role", "operator", "--name", "second", "--json"];
    let second = site.run(create).ok().json();
    assert_eq!((&second["role"], &second["name"]), (&"operator".into(), &"second".into()));
    let server = site.start().await;
    assert_eq!(status(&server, second["key"].as_str().expect("the key")).await, 200);
    assert_eq!(status(&server, &key).await, 401, "revoked for ever");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_key_can_be_is_said() {
    let site = Site::new();
    let said = site.run(["keys", "list"]).failed(FAILED);
    assert!(said.contains("there is no lake at"), "{said}");
    let server = site.start().await;
    for (flags, code, words) in [
        (vec!["--role", "boss"], USAGE, "enterprise_admin"),
        (vec!["--role", "auditor"], FAILED, "tenant_id"),
        (vec!["--role", "operator", "--tenant", "acme"], FAILED, "tenant_id"),
        (vec!["--role", "operator", "--expires", "soon"], USAGE, "90d"),
        (vec!["--role", "operator", "--expires", "2020-01-01"], FAILED, "past"),
    ] {
        let ran = site.run(["keys", "create"].iter().chain(&flags));
        assert!(ran.stdout.is_empty(), "{flags:?}: {}", ran.text());
        let said = ran.failed(code);
        assert!(said.contains(words), "{flags:?}: {words:?} is not in {said}");
    }
    let said = site.run(["keys", "revoke", "none"]).failed(FAILED);
    assert!(said.contains("there is no key"), "{said}");
    let id = site.key().split('_').nth(1).expect("a key has an id").to_owned();
    let said = site.run(["keys", "revoke", &id]).failed(FAILED);
    assert!(said.contains("last valid key of an operator"), "{said}");
    assert_eq!(status(&server, &site.key()).await, 200);
    let made = site.run(["keys", "create", "--role", "ingester", "--expires", "90d", "--json"]);
    assert!(made.ok().json()["expires_at"].is_string());
}
