//! What holds for every row of `ALARMS`: a target that is away or silent costs time and nothing else, and no secret is shown.

use super::rig::{BROWSER, book, notice, open, start_with, until};
use super::target::certificate;
use nightjar_io::alarm::{ALARMS, Couriers, World};
use std::time::Duration;
use tokio::net::TcpListener;

const SECRET: &str = "Riegel-7-vor";
const DEADLINE: Duration = Duration::from_secs(1);

/// Each kind with a target on a port of this board, and a secret.
fn config(kind: &str, port: u16) -> String {
    let text = match kind {
        "mqtt" => "[mqtt]\nbroker = \"mqtt://127.0.0.1:PORT\"\nusername = \"me\"\npassword = \"SECRET\"",
        "webhook" => {
            "[[webhook]]\nid = \"webhook\"\nurl = \"http://127.0.0.1:PORT/SECRET\"\nlan = true\nkey = \"SECRET\""
        }
        "ntfy" => "[ntfy]\nurl = \"http://127.0.0.1:PORT/SECRET\"\nlan = true\ntoken = \"SECRET\"",
        "email" => {
            "[email]\nserver = \"smtp-plain://127.0.0.1:PORT\"\nfrom = \"a@example.org\"\nto = [\"b@example.org\"]"
        }
        "push" => "[push]\ncontact = \"mailto:me@example.org\"\nlan = true\nca_file = \"CA\"",
        other => panic!("{other} has no configuration here"),
    };
    text.replace("PORT", &port.to_string()).replace("SECRET", SECRET)
}

/// One kind of alarm, running; its folder is kept until the test ends.
fn start(kind: &str, port: u16) -> (tempfile::TempDir, World, Couriers) {
    let (dir, book) = book();
    book.add(&format!("https://127.0.0.1:{port}/{SECRET}"), BROWSER[0], BROWSER[1], "user ada").unwrap();
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, certificate().0).unwrap();
    let (world, couriers) =
        start_with(&config(kind, port).replace("CA", ca.to_str().unwrap()), &book, DEADLINE);
    (dir, world, couriers)
}

#[test]
fn nothing_is_opened_that_is_not_configured() {
    assert!(open("", Some(book().1), DEADLINE).unwrap().is_empty());
}

#[tokio::test]
async fn a_target_that_is_away_keeps_the_message_waiting_and_says_why() {
    for kind in ALARMS {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let (_dir, world, couriers) = start(kind.name, port);
        world.tell(&notice("hello"));
        let view = until(&world, kind.name, |view| view.error.is_some()).await;
        let words = view.error.as_ref().unwrap();
        assert!(words.contains("cannot be reached") && words.contains("127.0.0.1"), "{}: {words}", kind.name);
        assert!(view.waiting > 0 && view.delivered == 0 && view.state == "retrying", "{view:?}");
        assert!(!format!("{view:?}").contains(SECRET), "{view:?}");
        assert_eq!((view.id.as_str(), view.kind), (kind.name, kind.name));
        couriers.stop().await;
    }
}

#[tokio::test]
async fn a_target_that_says_nothing_is_given_up_and_asked_again() {
    for kind in ALARMS {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (_dir, world, couriers) = start(kind.name, listener.local_addr().unwrap().port());
        world.tell(&notice("hello"));
        let first = listener.accept().await.unwrap();
        let view = until(&world, kind.name, |view| view.error.is_some()).await;
        let again = listener.accept().await.unwrap();
        assert!(view.waiting > 0 && view.delivered == 0, "{view:?}");
        drop((first, again));
        couriers.stop().await;
    }
}

#[tokio::test]
async fn a_test_is_told_by_every_kind_and_nobody_else() {
    for kind in ALARMS {
        let (_dir, world, couriers) = start(kind.name, 9);
        let before = world.views()[0].waiting;
        assert!(world.test("nobody", "user ada").is_none());
        let view = world.test(kind.name, "user ada").unwrap();
        assert_eq!(view.waiting, before + 1, "{view:?}");
        couriers.stop().await;
    }
}
