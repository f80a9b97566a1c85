//! The rules over HTTP: who may read, try and save them, what is refused in which words, and that the audit tells who did it.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use common::{Bench, with_token};
use nightjar_api::{Role, TlsMode};
use serde_json::{Value, json};

#[tokio::test]
async fn operators_try_rules_and_only_admins_put_them_in_force() {
    let bench = Bench::start(TlsMode::Auto).await;
    assert_eq!(with_token(&bench, Role::Viewer, "GET", "/api/v1/rules/text", Value::Null).await.status, 403);
    let trial = json!({ "text": "[[rule]]", "hours": 24 });
    let told = with_token(&bench, Role::Operator, "POST", "/api/v1/rules/rehearse", trial).await;
    assert_eq!((told.status.as_u16(), &told.json()["moves"][0]["fate"]), (200, &json!("new")));
    for (body, status, words) in [
        (json!({ "text": "", "hours": 0 }), 400, "hours is 1 to 168, not 0"),
        (json!({ "text": "", "hours": 169 }), 400, "not 169"),
        (json!({ "text": "nonsense", "hours": 1 }), 422, "expected `=`"),
    ] {
        let refused = with_token(&bench, Role::Operator, "POST", "/api/v1/rules/rehearse", body).await;
        assert_eq!(refused.status, status, "{}", refused.text());
        assert!(refused.text().contains(words), "{}", refused.text());
    }

    let save = json!({ "text": "[[rule]] # mine" });
    assert_eq!(with_token(&bench, Role::Operator, "POST", "/api/v1/rules", save.clone()).await.status, 403);
    assert_eq!(with_token(&bench, Role::Admin, "POST", "/api/v1/rules", save).await.status, 202);
    let text = with_token(&bench, Role::Operator, "GET", "/api/v1/rules/text", Value::Null).await.json();
    assert_eq!(text, json!({ "text": "[[rule]] # mine", "is_own": true }));
    let bad = with_token(&bench, Role::Admin, "POST", "/api/v1/rules", json!({ "text": "nonsense" })).await;
    assert_eq!(bad.status, 422, "{}", bad.text());
    assert_eq!(
        with_token(&bench, Role::Admin, "POST", "/api/v1/rules", json!({ "text": null })).await.status,
        202
    );
    let text = with_token(&bench, Role::Operator, "GET", "/api/v1/rules/text", Value::Null).await.json();
    assert_eq!(text["is_own"], false);
    let said: Vec<String> =
        bench.audit.newest(9).into_iter().map(|line| format!("{}: {}", line.who, line.what)).collect();
    for words in [
        "put other rules in force",
        "could not put other rules in force",
        "put the rules of the configuration",
    ] {
        assert!(said.iter().any(|line| line.starts_with("token kit: ") && line.contains(words)), "{said:?}");
    }
}
