//! Alarms over HTTP: who may look, test and have told again; what is refused in which words; that the audit tells who did it.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use common::{Answer, Bench};
use nightjar_api::{Role, TlsMode};
use serde_json::json;

async fn ask(bench: &Bench, role: Role, method: &str, path: &str) -> Answer {
    let bearer = format!("Bearer {}", bench.token(role));
    bench.ask(method, path, &[("authorization", bearer.as_str())], "").await
}

#[tokio::test]
async fn viewers_look_operators_test_and_tell_again_and_the_audit_tells() {
    let bench = Bench::start(TlsMode::Auto).await;
    let listed = ask(&bench, Role::Viewer, "GET", "/api/v1/alarms").await.json();
    assert_eq!((&listed[0]["id"], &listed[0]["state"]), (&json!("barn"), &json!("retrying")));
    assert_eq!(listed[0]["history"][0]["outcome"], "refused");
    let (test, again) = ("/api/v1/alarms/barn/test", "/api/v1/alarms/barn/messages/7/again");
    for path in [test, again] {
        assert_eq!(ask(&bench, Role::Viewer, "POST", path).await.status, 403);
        let done = ask(&bench, Role::Operator, "POST", path).await;
        assert_eq!(done.status, 200, "{}", done.text());
    }
    for (path, status, words) in [
        ("/api/v1/alarms/bran/test", 404, "there is no alarm \\\"bran\\\""),
        ("/api/v1/alarms/barn/messages/one/again", 400, "is no message's number"),
        ("/api/v1/alarms/barn/messages/8/again", 409, "not among the newest 32"),
    ] {
        let refused = ask(&bench, Role::Operator, "POST", path).await;
        assert_eq!(refused.status, status, "{}", refused.text());
        assert!(refused.text().contains(words), "{}", refused.text());
    }
    let key = ask(&bench, Role::Viewer, "GET", "/api/v1/push").await.json();
    assert_eq!(key["public_key"], "BAAA");
    let browser = |auth: &str| json!({ "endpoint": "https://push.example.net/a", "expirationTime": null, "keys": { "p256dh": "BA", "auth": auth } });
    for (method, body, status) in [
        ("POST", browser("AA"), 204),
        ("POST", browser("!"), 422),
        ("POST", json!({ "endpoint": "x" }), 400),
        ("DELETE", json!({ "endpoint": "https://push.example.net/a" }), 204),
    ] {
        let bearer = format!("Bearer {}", bench.token(Role::Viewer));
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let answer = bench.ask(method, "/api/v1/push", &headers, &body.to_string()).await;
        assert_eq!(answer.status, status, "{method} {body}: {}", answer.text());
    }
    let said: Vec<String> =
        bench.audit.newest(9).into_iter().map(|line| format!("{}: {}", line.who, line.what)).collect();
    assert!(said.contains(&"token kit: tests alarm barn".to_string()), "{said:?}");
    assert!(said.contains(&"token kit: has alarm barn tell message 7 again".to_string()), "{said:?}");
}
