//! Who gets in and who does not: every route of the table, over a real socket.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use common::{Bench, PASSWORD};
use nightjar_api::{Least, ROUTES, Role, TlsMode, verify_audit};
use serde_json::json;

fn concrete(path: &str) -> String {
    path.replace("{stream}", "main").replace("{*file}", "app.js").replace("{id}", "front")
}

#[tokio::test]
async fn nothing_but_the_open_list_answers_without_a_login() {
    let bench = Bench::start(TlsMode::Auto).await;
    let open: Vec<_> = ROUTES.iter().filter(|r| r.least == Least::Open).map(|r| r.path).collect();
    let page = ["/", "/assets/{*file}", "/manifest.webmanifest", "/icon.svg", "/sw.js"];
    let listed = [&["/healthz"], &page[..], &["/api/v1/setup", "/api/v1/login"]].concat();
    assert_eq!(open, listed);
    for route in ROUTES {
        let path = concrete(route.path);
        let answer = bench.ask(route.method.as_str(), &path, &[], "").await;
        if route.least == Least::Open {
            assert_ne!(answer.status, 401, "{path}");
        } else {
            assert_eq!(answer.status, 401, "{path}");
            assert_eq!(answer.json()["setup_needed"], true);
        }
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
    }
    for path in ["/api/v1/nothing", "/api/v1/", "/secret", "/api/v2/cameras", "//", "/assets/../metrics"] {
        let status = bench.ask("GET", path, &[], "").await.status;
        assert!(status == 401 || status == 404 && path.starts_with("/assets"), "{path}: {status}");
    }
    assert_eq!(bench.ask("DELETE", "/api/v1/cameras", &[], "").await.status, 401);
    assert_eq!(bench.ask("GET", "/healthz", &[], "").await.text(), "ok");
}

#[tokio::test]
async fn every_route_wants_at_least_its_role() {
    let bench = Bench::start(TlsMode::Auto).await;
    for route in ROUTES {
        let Some(least) = route.least.role() else { continue };
        for role in [Role::Viewer, Role::Operator, Role::Admin] {
            let bearer = format!("Bearer {}", bench.token(role));
            let headers = [("authorization", bearer.as_str()), ("range", "bytes=0-0")];
            if route.path == "/api/v1/updates" {
                continue; // Never ends; tests/streams.rs reads it.
            }
            let answer = bench.ask(route.method.as_str(), &concrete(route.path), &headers, "").await;
            assert_eq!(answer.status == 403, role < least, "{} as {role}: {}", route.path, answer.text());
            assert_ne!(answer.status, 401, "{}", route.path);
        }
    }
    let answer = bench.get("/api/v1/nothing", &bench.token(Role::Viewer)).await;
    assert_eq!(answer.status, 404);
    assert!(answer.json()["error"].as_str().unwrap().contains("/api/v1/nothing"));
}

#[tokio::test]
async fn setup_gives_a_session_that_works_and_ends() {
    let bench = Bench::start(TlsMode::Auto).await;
    let cookie = bench.set_up().await;
    let answer = bench.ask("GET", "/api/v1/session", &[("cookie", &cookie)], "").await;
    let expected = json!({
        "username": "ada", "role": "admin", "device": "porch", "version": "9.9.9", "now_ms": common::NOW / 1_000
    });
    assert_eq!(answer.json(), expected);
    assert_eq!(answer.header("cache-control"), "no-store");

    let second = json!({ "code": "ABCD-EFGH", "username": "eve", "password": PASSWORD });
    assert_eq!(bench.post("/api/v1/setup", ("x-none", ""), second).await.status, 409);
    assert_eq!(bench.ask("GET", "/api/v1/cameras", &[], "").await.json()["setup_needed"], false);

    let answer = bench.post("/api/v1/logout", ("cookie", &cookie), json!({})).await;
    assert_eq!(answer.status, 204);
    assert!(answer.header("set-cookie").starts_with("nj_session=; Path=/; Max-Age=0"));
    let gone = |bench: Bench, cookie: String| async move {
        let answer = bench.ask("GET", "/api/v1/session", &[("cookie", &cookie)], "").await;
        assert_eq!(answer.status, 401);
        bench
    };
    let bench = gone(bench, cookie.clone()).await;
    let folder = bench.stop().await;
    let bench = gone(Bench::start_in(folder, TlsMode::Auto).await, cookie).await;
    assert_eq!(bench.code, None);

    let login = |password: &str| json!({ "username": "Ada", "password": password });
    let answer = bench.post("/api/v1/login", ("x-none", ""), login("wrong password")).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("set-cookie"), "");
    let answer = bench.post("/api/v1/login", ("x-none", ""), login(PASSWORD)).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["username"]), (200, &json!("ada")));
    let set = answer.header("set-cookie");
    assert!(set.contains("; HttpOnly; SameSite=Strict") && !set.contains("Secure"), "{set}");
}

#[tokio::test]
async fn a_wrong_code_is_refused_and_soon_slowed_down() {
    let bench = Bench::start(TlsMode::Auto).await;
    let body = json!({ "code": "WRNG-WRNG", "username": "eve", "password": PASSWORD });
    let mut seen = Vec::new();
    for _ in 0..8 {
        let answer = bench.post("/api/v1/setup", ("x-none", ""), body.clone()).await;
        seen.push(answer.status.as_u16());
        if answer.status == 429 {
            assert_eq!(answer.header("retry-after"), "1");
        }
    }
    assert_eq!(seen, [403, 403, 403, 403, 403, 429, 429, 429]);
    let short = json!({ "code": bench.code, "username": "eve", "password": "short" });
    assert_eq!(bench.post("/api/v1/setup", ("x-none", ""), short).await.status, 400);
    bench.pass(5);
    bench.set_up().await;
}

#[tokio::test]
async fn requests_from_other_sites_cannot_use_the_cookie() {
    let bench = Bench::start(TlsMode::Auto).await;
    let cookie = bench.set_up().await;
    let body = json!({ "confirm": "siren", "ms": 500 }).to_string();
    let own = format!("http://{}", bench.addr);
    let path = "/api/v1/outputs/siren/test";
    let post = async |extra: &[(&str, &str)]| {
        let headers = [&[("content-type", "application/json"), ("cookie", &cookie)], extra].concat();
        bench.ask("POST", path, &headers, &body).await.status.as_u16()
    };
    assert_eq!(post(&[("origin", "http://evil.example")]).await, 403);
    assert_eq!(post(&[("sec-fetch-site", "cross-site")]).await, 403);
    assert_eq!(post(&[("sec-fetch-site", "same-site"), ("origin", &own)]).await, 403);
    assert_eq!(post(&[]).await, 403);
    assert!(bench.desk.tested.lock().unwrap().is_empty());
    assert_eq!(post(&[("origin", &own)]).await, 202);
    assert_eq!(post(&[("sec-fetch-site", "same-origin")]).await, 202);

    let upgrade = [("cookie", cookie.as_str()), ("upgrade", "websocket"), ("origin", "http://evil.example")];
    assert_eq!(bench.ask("GET", "/api/v1/cameras/front/live/main", &upgrade, "").await.status, 403);
    let login = json!({ "username": "ada", "password": PASSWORD }).to_string();
    let foreign = [("content-type", "application/json"), ("origin", "http://evil.example")];
    assert_eq!(bench.ask("POST", "/api/v1/login", &foreign, &login).await.status, 403);
}

#[tokio::test]
async fn tokens_expire_and_cannot_be_bent() {
    let bench = Bench::start(TlsMode::Auto).await;
    let token = bench.token(Role::Viewer);
    assert_eq!(bench.get("/api/v1/cameras", &token).await.status, 200);
    let mut parts: Vec<&str> = token.split('.').collect();
    let admin = bench.token(Role::Admin);
    let admin: Vec<&str> = admin.split('.').collect();
    parts[1] = admin[1];
    for bent in [parts.join("."), token[1..].to_owned(), String::new(), format!("{token}A"), "nj1..".into()] {
        assert_eq!(bench.get("/api/v1/cameras", &bent).await.status, 401, "{bent}");
    }
    let basic = bench.ask("GET", "/api/v1/cameras", &[("authorization", "Basic YTpi")], "").await;
    assert!(basic.json()["error"].as_str().unwrap().contains("nightjar token new"));
    bench.pass(3_600);
    assert_eq!(bench.get("/api/v1/cameras", &token).await.status, 401);
}

#[tokio::test]
async fn an_old_session_gets_a_new_cookie() {
    let bench = Bench::start(TlsMode::Auto).await;
    let cookie = bench.set_up().await;
    let ask = async |cookie: &str| bench.ask("GET", "/api/v1/rules", &[("cookie", cookie)], "").await;
    assert_eq!(ask(&cookie).await.header("set-cookie"), "");
    bench.pass(2 * 86_400);
    let renewed = ask(&cookie).await.cookie();
    assert_ne!(renewed, cookie);
    bench.pass(13 * 86_400);
    assert_eq!(ask(&cookie).await.status, 401);
    assert_eq!(ask(&renewed).await.status, 200);
}

#[tokio::test]
async fn the_audit_says_who_did_what_and_holds_no_secret() {
    let bench = Bench::start(TlsMode::Auto).await;
    let cookie = bench.set_up().await;
    let code = bench.code.clone().unwrap();
    let wrong = json!({ "username": "ada", "password": "hunter2hunter2" });
    bench.post("/api/v1/login", ("x-none", ""), wrong).await;
    let token = bench.token(Role::Operator);
    let bearer = format!("Bearer {token}");
    for (output, expected) in [("siren", 202), ("gate", 409)] {
        let body = json!({ "confirm": output, "ms": 100 });
        let path = format!("/api/v1/outputs/{output}/test");
        assert_eq!(bench.post(&path, ("authorization", &bearer), body).await.status, expected);
    }
    bench.audit.record("rule night", "gate on");
    let answer = bench.ask("GET", "/api/v1/audit?limit=3", &[("cookie", &cookie)], "").await.json();
    let lines: Vec<_> = answer.as_array().unwrap().iter().map(|l| (&l["who"], &l["what"])).collect();
    assert_eq!(lines[0], (&json!("rule night"), &json!("gate on")));
    assert_eq!(lines[1].0, "token kit");
    assert!(lines[1].1.as_str().unwrap().contains("driven by rule night"));
    assert_eq!(lines[2].1, "tested output siren for 100 ms");
    assert_eq!(bench.desk.tested.lock().unwrap()[0], ("siren".into(), 100, "token kit".into()));

    let folder = bench.stop().await;
    let report = verify_audit(folder.path()).unwrap();
    assert_eq!((report.lines, report.broken), (5, None));
    let text = std::fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
    for secret in [PASSWORD, "hunter2", &code, &token, &cookie] {
        assert!(!text.contains(secret));
    }
}
