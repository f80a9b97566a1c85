//! Signed messages at targets that work, fail, hang, refuse, redirect to this board and answer without end.

use super::rig::{event, notice, open, problem, start, until, within};
use super::target::{Answer, Target};
use ring::hmac;
use serde_json::Value;
use std::time::Duration;
use tokio::net::TcpListener;

const DEADLINE: Duration = Duration::from_secs(30);

fn hook(port: u16, more: &str) -> String {
    format!("[[webhook]]\nid = \"barn\"\nurl = \"http://127.0.0.1:{port}/hook/hunter2?x=1\"\n{more}\n")
}

fn ok() -> Answer {
    Answer::Status("200 OK", String::new())
}

#[tokio::test]
async fn a_message_is_signed_with_its_time_and_says_what_happened() {
    let target = Target::start(vec![ok()]).await;
    let more = "lan = true\nkey = \"Riegel-7-vor\"\ntells = [\"notices\", \"events\", \"problems\"]";
    let (world, couriers) = start(&hook(target.port, more), DEADLINE);
    world.tell(&notice("Person at the door"));
    world.tell(&event(1, false));
    world.tell(&event(1, true));
    world.tell(&problem(false));
    let view = until(&world, "told", |view| view.delivered == 4).await;
    let asked = target.asked();
    assert!(asked[0].head.starts_with("POST /hook/hunter2?x=1 HTTP/1.1\r\n"), "{}", asked[0].head);
    let bodies: Vec<Value> = asked.iter().map(|a| serde_json::from_slice(&a.body).unwrap()).collect();
    let kinds: Vec<(&str, Option<&str>)> =
        bodies.iter().map(|b| (b["type"].as_str().unwrap(), b["step"].as_str())).collect();
    assert_eq!(
        kinds,
        [("notice", None), ("event", Some("begin")), ("event", Some("end")), ("problem", Some("begin"))]
    );
    assert_eq!((&bodies[0]["device"], &bodies[0]["camera"]), (&"Barn".into(), &"front".into()));
    assert!(bodies.iter().all(|b| b["schema"] == 1));
    for a in &asked {
        let signature = a.header("nightjar-signature").unwrap();
        let (seconds, hex) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
        let signed = [seconds.as_bytes(), b".", &a.body].concat();
        let right = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"Riegel-7-vor"), &signed);
        assert_eq!(hex, right.as_ref().iter().map(|b| format!("{b:02x}")).collect::<String>());
    }
    let shown = format!("{view:?}");
    assert!(view.target == format!("http://127.0.0.1:{}", target.port));
    assert!(!shown.contains("Riegel") && !shown.contains("hunter2"), "{shown}");
    couriers.stop().await;
}

#[tokio::test]
async fn what_fails_for_now_is_tried_again_and_delivered_once() {
    let busy = || Answer::Status("503 Busy", String::new());
    let target = Target::start(vec![busy(), busy(), ok()]).await;
    let (world, couriers) = start(&hook(target.port, "lan = true"), DEADLINE);
    world.tell(&notice("hello"));
    let view = until(&world, "delivered", |view| view.delivered == 1).await;
    let asked = target.asked();
    assert_eq!((asked.len(), view.history[0].tries, view.state), (3, 3, "working"));
    assert!(asked.iter().all(|a| a.body == asked[0].body), "the same message, by its id");
    couriers.stop().await;
}

#[tokio::test]
async fn a_target_that_hangs_costs_nobody_else_anything() {
    let (silent, good) = (Target::start(vec![Answer::Silence]).await, Target::start(vec![ok()]).await);
    let other = hook(good.port, "lan = true").replace("\"barn\"", "\"yard\"");
    let (world, couriers) =
        start(&format!("{}{other}", hook(silent.port, "lan = true")), Duration::from_millis(200));
    for n in 0..100 {
        world.tell(&notice(&n.to_string()));
    }
    let both = async {
        loop {
            let views = world.views();
            if views[0].error.is_some() && views[1].delivered == 100 {
                return views;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let views = within("one is given up, the other told", both).await;
    assert!(views[0].error.as_ref().unwrap().contains("no answer within 200 ms"), "{views:?}");
    assert_eq!((views[0].waiting, views[0].delivered), (100, 0), "nothing is lost");
    couriers.stop().await;
}

#[tokio::test]
async fn a_target_that_refuses_is_told_all_when_it_is_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (world, couriers) = start(&hook(address.port(), "lan = true"), DEADLINE);
    for n in 0..20 {
        world.tell(&notice(&n.to_string()));
    }
    let view = until(&world, "noticed", |view| view.state == "retrying").await;
    assert!(view.error.unwrap().contains("cannot be reached"));
    let target = Target::on(TcpListener::bind(address).await.unwrap(), vec![ok()]);
    until(&world, "all told", |view| view.delivered == 20).await;
    let text =
        |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap()["text"].as_str().unwrap().to_string();
    let told: Vec<String> = target.asked().iter().map(|a| text(&a.body)).collect();
    assert_eq!(told, (0..20).map(|n| n.to_string()).collect::<Vec<_>>(), "in order");
    couriers.stop().await;
}

#[tokio::test]
async fn a_redirect_to_this_board_is_not_followed_and_the_message_can_be_sent_again() {
    let inside = Target::start(vec![ok()]).await;
    let there = format!("location: http://127.0.0.1:{}/\r\n", inside.port);
    let redirect = Answer::Status("307 Over There", there);
    let target = Target::start(vec![redirect, ok()]).await;
    let (world, couriers) = start(&hook(target.port, "lan = true"), DEADLINE);
    world.tell(&notice("hello"));
    let view = until(&world, "refused", |view| view.failed == 1).await;
    let told = view.history[0].clone();
    assert!(
        told.outcome == "refused" && told.words.contains("a redirect, which is not followed"),
        "{told:?}"
    );
    assert_eq!(inside.connections(), 0);
    assert!(world.again("nobody", told.id).is_none());
    assert!(world.again("barn", 99).unwrap().is_err());
    world.again("barn", told.id).unwrap().unwrap();
    until(&world, "delivered", |view| view.delivered == 1).await;
    assert_eq!(target.asked()[0].body, target.asked()[1].body);
    couriers.stop().await;
}

#[tokio::test]
async fn an_answer_without_end_is_left_unread() {
    let target = Target::start(vec![Answer::Endless]).await;
    let (world, couriers) = start(&hook(target.port, "lan = true"), DEADLINE);
    world.tell(&notice("hello"));
    let view = until(&world, "delivered", |view| view.delivered == 1).await;
    assert!(view.history[0].words.len() < 200, "{:?}", view.history[0]);
    couriers.stop().await;
}

#[tokio::test]
async fn a_message_that_is_refused_does_not_hold_up_the_next() {
    let target = Target::start(vec![Answer::Status("400 What", String::new()), ok()]).await;
    let (world, couriers) = start(&hook(target.port, "lan = true"), DEADLINE);
    world.tell(&notice("one"));
    world.tell(&notice("two"));
    let view = until(&world, "the second", |view| view.delivered == 1).await;
    let outcomes: Vec<&str> = view.history.iter().map(|told| told.outcome).collect();
    assert_eq!(outcomes, ["delivered", "refused"]);
    assert_eq!(world.lost(), (0, 1));
    couriers.stop().await;
}

#[tokio::test]
async fn this_board_and_its_network_are_not_asked_unless_the_hook_says_so() {
    let target = Target::start(vec![ok()]).await;
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"] {
        let (world, couriers) = start(&hook(target.port, "").replace("127.0.0.1", host), DEADLINE);
        world.tell(&notice("hello"));
        let view = until(&world, "the guard speaks", |view| view.error.is_some()).await;
        let words = view.error.unwrap();
        assert!(words.contains("set lan = true in webhook \"barn\""), "{host}: {words}");
        assert_eq!(view.waiting, 1, "{host}: the message waits for the mend");
        couriers.stop().await;
    }
    assert_eq!(target.connections(), 0);
}

#[test]
fn a_key_that_is_not_there_is_named() {
    let words = open(&hook(1, "key_file = \"/nowhere/key\""), None, DEADLINE).err().unwrap();
    assert!(words.contains("No such file"), "{words}");
}
