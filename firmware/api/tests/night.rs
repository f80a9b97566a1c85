//! The night shift over HTTP: who may ask and drop, what is refused in which words, and that the audit tells who did it.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use common::{Bench, with_token};
use nightjar_api::{Role, TlsMode};
use serde_json::{Value, json};

const FROM: i64 = 1_795_255_200_000;

#[tokio::test]
async fn operators_have_a_range_looked_at_again_and_drop_it_and_the_audit_tells() {
    let bench = Bench::start(TlsMode::Auto).await;
    let form = json!({ "camera": "front", "from_ms": FROM, "to_ms": FROM + 60_000, "label": "person" });
    let refused = with_token(&bench, Role::Viewer, "POST", "/api/v1/night", form.clone()).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    let made = with_token(&bench, Role::Operator, "POST", "/api/v1/night", form).await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!((made.json()["id"].as_u64(), made.json()["by"].as_str()), (Some(1), Some("token kit")));
    for (body, status, words) in [
        (json!({ "camera": "front", "from_ms": 5, "to_ms": 5 }), 422, "not before"),
        (json!({ "camera": "front", "from_ms": 5 }), 400, "missing field `to_ms`"),
        (json!({ "camera": "front", "from_ms": 5, "to_ms": 6, "class": "x" }), 400, "class"),
    ] {
        let refused = with_token(&bench, Role::Operator, "POST", "/api/v1/night", body).await;
        assert_eq!(refused.status, status, "{}", refused.text());
        assert!(refused.json()["error"].as_str().unwrap().contains(words), "{}", refused.text());
    }
    let listed = with_token(&bench, Role::Viewer, "GET", "/api/v1/night", Value::Null).await.json();
    assert_eq!((&listed["jobs"], &listed["state"]), (&json!([made.json()]), &json!("working")));

    assert_eq!(with_token(&bench, Role::Viewer, "DELETE", "/api/v1/night/1", Value::Null).await.status, 403);
    let gone = with_token(&bench, Role::Operator, "DELETE", "/api/v1/night/1", Value::Null).await;
    assert_eq!((gone.status.as_u16(), gone.json()), (200, made.json()));
    for (path, status, words) in
        [("/api/v1/night/1", 404, "there is no job 1"), ("/api/v1/night/one", 400, "is no job's number")]
    {
        let refused = with_token(&bench, Role::Operator, "DELETE", path, Value::Null).await;
        assert_eq!(refused.status, status, "{}", refused.text());
        assert!(refused.text().contains(words), "{}", refused.text());
    }
    let said: Vec<String> =
        bench.audit.newest(9).into_iter().map(|line| format!("{}: {}", line.who, line.what)).collect();
    let range = "look again at front from 2026-11-21T10:00:00.000Z to 2026-11-21T10:01:00.000Z, only person";
    assert!(said.contains(&format!("token kit: asked to {range}: job 1")), "{said:?}");
    assert!(said.contains(&format!("token kit: dropped job 1 to {range}")), "{said:?}");
}
