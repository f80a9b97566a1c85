//! Holds and the clock over HTTP: who may, what is refused in which words, and that the audit tells who did it.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use common::{Bench, with_token};
use nightjar_api::{Role, TlsMode};
use serde_json::{Value, json};

const FROM: i64 = 1_795_255_200_000;

#[tokio::test]
async fn a_hold_is_made_listed_and_let_go_by_operators_and_audited() {
    let bench = Bench::start(TlsMode::Auto).await;
    let form = json!({ "cameras": ["front"], "from_ms": FROM, "to_ms": FROM + 60_000, "note": "parcel" });
    let ask =
        async |role, method, path, body: &Value| with_token(&bench, role, method, path, body.clone()).await;
    let viewer = ask(Role::Viewer, "POST", "/api/v1/holds", &form).await;
    assert_eq!(viewer.status, 403, "{}", viewer.text());
    let made = ask(Role::Operator, "POST", "/api/v1/holds", &form).await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!((made.json()["id"].as_u64(), made.json()["by"].as_str()), (Some(1), Some("token kit")));
    let all = ask(Role::Operator, "POST", "/api/v1/holds", &json!({ "from_ms": 0, "to_ms": 1 })).await;
    assert_eq!((all.status.as_u16(), &all.json()["cameras"]), (201, &json!([])));
    for (body, status, words) in [
        (json!({ "from_ms": 5, "to_ms": 5 }), 422, "begin before the end"),
        (json!({ "from_ms": 5, "to_ms": 6 }), 409, "let another go"),
        (json!({ "from_ms": 5 }), 400, "missing field `to_ms`"),
        (json!({ "from_ms": 5, "to_ms": 6, "notes": "" }), 400, "notes"),
    ] {
        let refused = ask(Role::Operator, "POST", "/api/v1/holds", &body).await;
        assert_eq!(refused.status, status, "{body}: {}", refused.text());
        assert!(refused.json()["error"].as_str().unwrap().contains(words), "{}", refused.text());
    }
    let listed = ask(Role::Viewer, "GET", "/api/v1/holds", &Value::Null).await.json();
    assert_eq!((listed["holds"].as_array().unwrap().len(), &listed["holds"][0]), (2, &made.json()));

    assert_eq!(ask(Role::Viewer, "DELETE", "/api/v1/holds/1", &Value::Null).await.status, 403);
    let gone = ask(Role::Operator, "DELETE", "/api/v1/holds/1", &Value::Null).await;
    assert_eq!((gone.status.as_u16(), gone.json()), (200, made.json()));
    for (path, status, words) in [
        ("/api/v1/holds/1", 404, "there is no hold 1"),
        ("/api/v1/holds/one", 400, "\"one\" is no hold's number"),
    ] {
        let refused = ask(Role::Operator, "DELETE", path, &Value::Null).await;
        assert_eq!(refused.status, status, "{}", refused.text());
        assert!(refused.text().contains(words.split('"').next_back().unwrap()), "{}", refused.text());
    }
    let said: Vec<String> =
        bench.audit.newest(9).into_iter().map(|line| format!("{}: {}", line.who, line.what)).collect();
    let front = "1: front from 2026-11-21T10:00:00.000Z to 2026-11-21T10:01:00.000Z: \"parcel\"";
    assert!(said.contains(&format!("token kit: made hold {front}")), "{said:?}");
    assert!(said.contains(&format!("token kit: let go hold {front}")), "{said:?}");
    assert_eq!(
        said[0],
        "token kit: could not let go hold 1: there is no hold 1; GET /api/v1/holds lists them"
    );
}

/// A page elsewhere cannot let holds go with our cookie.
#[tokio::test]
async fn the_cookie_works_from_our_own_page_only() {
    let bench = Bench::start(TlsMode::Auto).await;
    let cookie = bench.set_up().await;
    let own = format!("http://{}", bench.addr);
    let delete = async |origin: &str| {
        let headers = [("cookie", cookie.as_str()), ("origin", origin)];
        bench.ask("DELETE", "/api/v1/holds/1", &headers, "").await.status.as_u16()
    };
    assert_eq!((delete("http://evil.example").await, delete(&own).await), (403, 404));
}

#[tokio::test]
async fn the_clock_is_set_by_admins_to_a_time_that_can_be() {
    let bench = Bench::start(TlsMode::Auto).await;
    let set = async |role, now: Value| {
        with_token(&bench, role, "POST", "/api/v1/clock", json!({ "now_ms": now })).await
    };
    assert_eq!(set(Role::Operator, FROM.into()).await.status, 403);
    for nonsense in [json!(0), json!(-1), json!(1_735_689_599_999_i64), json!(4_102_444_800_000_i64)] {
        let refused = set(Role::Admin, nonsense).await;
        assert!(refused.status == 400 && refused.text().contains("2025 to 2099"), "{}", refused.text());
    }
    assert_eq!(set(Role::Admin, json!("now")).await.status, 400);
    assert!(bench.audit.newest(1).is_empty());
    let denied = set(Role::Admin, json!(FROM + 1)).await;
    assert!(denied.status == 503 && denied.text().contains("CAP_SYS_TIME"), "{}", denied.text());
    let done = set(Role::Admin, FROM.into()).await;
    assert_eq!((done.status.as_u16(), &done.json()["is_sure"]), (200, &json!(true)));
    let line = bench.audit.newest(1).remove(0);
    assert_eq!(
        (line.who.as_str(), line.what.as_str()),
        ("token kit", "set the clock from 2026-11-21T10:00:00.000Z to 2026-11-21T10:00:00.000Z")
    );
    let sure = Bench::start_with(tempfile::tempdir().unwrap(), TlsMode::Auto, true).await;
    let refused = with_token(&sure, Role::Admin, "POST", "/api/v1/clock", json!({ "now_ms": FROM })).await;
    assert!(refused.status == 409 && refused.text().contains("right already"), "{}", refused.text());
}

#[tokio::test]
async fn prometheus_reads_the_storage() {
    let bench = Bench::start(TlsMode::Auto).await;
    let text = bench.get("/metrics", &bench.token(Role::Viewer)).await.text();
    for row in [
        "nightjar_storage_state{state=\"missing\"} 1",
        "nightjar_storage_state{state=\"ok\"} 0",
        "nightjar_footage_stays_seconds{camera=\"yard\",stream=\"main\"} 1036800",
        "nightjar_footage_stays_least_seconds 1036800",
        "nightjar_card_written_bytes_total 102",
        "nightjar_card_video_bytes_total 100",
        "nightjar_card_life_left_seconds 23328000",
        "nightjar_card_life_used_ratio 0.3",
        "nightjar_card_near_end 0",
        "nightjar_damaged_records_total 2",
        "nightjar_holds 0",
        "nightjar_held_bytes 7",
        "nightjar_hold_budget_bytes 70",
        "nightjar_clock_sure 0",
    ] {
        assert!(text.lines().any(|line| line == row), "{row} is not in\n{text}");
    }
}
