//! Rules, zones and limits over HTTP: who may read, try and save them, what is refused in which words, and that the audit tells who did it.
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

#[tokio::test]
async fn zones_and_limits_of_a_camera_are_tried_and_put_in_force_in_the_same_way() {
    let bench = Bench::start(TlsMode::Auto).await;
    let (sight, attempt) = ("/api/v1/cameras/front/sight", "/api/v1/cameras/front/sight/rehearse");
    assert_eq!(with_token(&bench, Role::Viewer, "GET", sight, Value::Null).await.status, 403);
    let none = with_token(&bench, Role::Operator, "GET", "/api/v1/cameras/back/sight", Value::Null).await;
    assert_eq!(none.status, 404, "{}", none.text());
    let limit = json!({ "filter": { "person": { "min_score": 0.63 } }, "zone": [{ "id": "path", "points": [[0, 0.5], [1, 0.5], [1, 1]] }] });
    let told =
        with_token(&bench, Role::Operator, "POST", attempt, json!({ "sight": limit, "hours": 24 })).await;
    assert_eq!((told.status.as_u16(), &told.json()["moves"][0]["fate"]), (200, &json!("new")));
    for (body, words) in [
        (json!({ "sight": {}, "hours": 0 }), "hours is 1 to 168, not 0"),
        (json!({ "sight": { "zones": [] }, "hours": 1 }), "unknown field `zones`"),
        (json!({ "sight": { "line": [{ "id": "way" }] }, "hours": 1 }), "missing field `points`"),
        (json!({ "sight": { "filter": { "person": { "min_score": "much" } } }, "hours": 1 }), "invalid type"),
    ] {
        let refused = with_token(&bench, Role::Operator, "POST", attempt, body).await;
        assert_eq!(refused.status, 400, "{}", refused.text());
        assert!(refused.text().contains(words), "{}", refused.text());
    }
    let save = json!({ "sight": limit });
    assert_eq!(with_token(&bench, Role::Operator, "POST", sight, save.clone()).await.status, 403);
    let unknown = with_token(&bench, Role::Admin, "POST", "/api/v1/cameras/back/sight", save.clone()).await;
    assert_eq!(unknown.status, 404, "{}", unknown.text());
    assert_eq!(with_token(&bench, Role::Admin, "POST", sight, save).await.status, 202);
    let now = with_token(&bench, Role::Operator, "GET", sight, Value::Null).await.json();
    assert_eq!((&now["is_own"], &now["sight"]["zone"][0]["id"]), (&json!(true), &json!("path")));
    let score = now["sight"]["filter"]["person"]["min_score"].as_f64().unwrap();
    assert!((score - 0.63).abs() < 1e-6, "{now}");
    assert_eq!(with_token(&bench, Role::Admin, "POST", sight, json!({ "sight": null })).await.status, 202);
    assert_eq!(with_token(&bench, Role::Operator, "GET", sight, Value::Null).await.json()["is_own"], false);
    let said: Vec<String> =
        bench.audit.newest(9).into_iter().map(|line| format!("{}: {}", line.who, line.what)).collect();
    for words in [
        "put other zones and limits of camera front in force",
        "could not put other zones and limits of camera back in force: there is no camera",
        "put the configuration's zones and limits of camera front in force",
    ] {
        assert!(said.iter().any(|line| line.starts_with("token kit: ") && line.contains(words)), "{said:?}");
    }
}
