//! ntfy, mail and browsers: what a server is sent, and who refuses what.

use super::rig::{BROWSER, book, notice, problem, start, start_with, until};
use super::target::{Answer, Target, certificate};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const DEADLINE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn ntfy_gets_title_text_and_token() {
    let target = Target::start(vec![Answer::Status("200 OK", String::new())]).await;
    let config = format!(
        "[ntfy]\nurl = \"http://127.0.0.1:{}/barn\"\nlan = true\ntoken = \"tk_hunter2\"\n",
        target.port
    );
    let (world, couriers) = start(&config, DEADLINE);
    world.tell(&notice("Jemand an der Tür"));
    world.tell(&problem(true));
    let view = until(&world, "told", |view| view.delivered == 2).await;
    let asked = target.asked();
    assert!(asked[0].head.starts_with("POST /barn HTTP/1.1"));
    assert_eq!(asked[0].header("authorization").as_deref(), Some("Bearer tk_hunter2"));
    assert_eq!(asked[0].header("title").as_deref(), Some("Front door"));
    assert_eq!(asked[0].header("priority").as_deref(), Some("high"));
    assert_eq!(
        String::from_utf8(asked[0].body.clone()).unwrap(),
        "Jemand an der Tür\n2026-11-18T11:06:40.000Z"
    );
    assert_eq!(asked[1].header("priority"), None, "good news can wait");
    assert!(!format!("{view:?}").contains("hunter2"));
    couriers.stop().await;
}

/// A mail server that takes every mail, unless it is told to refuse the login.
async fn mail_server(login: &'static str) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, mails) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Vec<String>>>::default());
    let taken = mails.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream, login, taken.clone()));
        }
    });
    (port, mails)
}

async fn talk(stream: TcpStream, login: &str, mails: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    writer.write_all(b"220 mail.example.org\r\n").await.ok()?;
    let mut mail = String::new();
    while let Some(line) = lines.next_line().await.ok()? {
        mail += &format!("{line}\n");
        let answer = match line.split(' ').next()? {
            "EHLO" => "250-mail.example.org\r\n250 8BITMIME",
            "MAIL" if login.is_empty() => "250 go on",
            "MAIL" => login,
            "DATA" => {
                writer.write_all(b"354 go on\r\n").await.ok()?;
                while let Some(line) = lines.next_line().await.ok()?.filter(|line| line != ".") {
                    mail += &format!("{line}\n");
                }
                mails.lock().unwrap().push(std::mem::take(&mut mail));
                "250 taken"
            }
            "QUIT" => return writer.write_all(b"221 bye\r\n").await.ok(),
            _ => "250 go on",
        };
        writer.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
    }
    Some(())
}

fn email(port: u16) -> String {
    format!(
        "[email]\nserver = \"smtp-plain://127.0.0.1:{port}\"\nfrom = \"barn@example.org\"\nto = [\"me@example.org\", \"you@example.org\"]\n"
    )
}

#[tokio::test]
async fn a_mail_says_it_in_its_subject_and_goes_to_all() {
    let (port, mails) = mail_server("").await;
    let (world, couriers) = start(&email(port), DEADLINE);
    world.tell(&notice("Person at the door"));
    until(&world, "told", |view| view.delivered == 1).await;
    let mail = mails.lock().unwrap().remove(0);
    for words in [
        "MAIL FROM:<barn@example.org>",
        "RCPT TO:<me@example.org>",
        "RCPT TO:<you@example.org>",
        "Subject: Front door: Person at the door",
        "2026-11-18T11:06:40.000Z",
    ] {
        assert!(mail.contains(words), "{mail}\n has not: {words}");
    }
    couriers.stop().await;
}

#[tokio::test]
async fn a_login_that_is_refused_is_told_with_the_mend_and_the_mail_waits() {
    let (port, _) = mail_server("530 log in first").await;
    let (world, couriers) = start(&email(port), DEADLINE);
    world.tell(&notice("hello"));
    let view = until(&world, "refused", |view| view.error.is_some()).await;
    assert!(view.error.unwrap().contains("correct [email] username and password"));
    assert_eq!((view.waiting, view.failed), (1, 0));
    couriers.stop().await;
}

#[tokio::test]
async fn browsers_are_sent_what_only_they_can_read_and_one_that_left_is_forgotten() {
    let (pem, tls) = certificate();
    let answers =
        vec![Answer::Status("201 Created", String::new()), Answer::Status("410 Gone", String::new())];
    let target = Target::guarded(tls, answers).await;
    let (dir, book) = book();
    std::fs::write(dir.path().join("ca.pem"), pem).unwrap();
    let endpoint = format!("https://127.0.0.1:{}/hunter2", target.port);
    book.add(&endpoint, BROWSER[0], BROWSER[1], "user ada").unwrap();
    let config = format!(
        "[push]\ncontact = \"mailto:me@example.org\"\nlan = true\nca_file = {:?}\n",
        dir.path().join("ca.pem")
    );
    let (world, couriers) = start_with(&config, &book, DEADLINE);
    world.tell(&notice("Person at the door"));
    let view = until(&world, "told", |view| view.delivered == 1).await;
    assert_eq!(view.history[0].words, "1 of 1 browsers");
    let asked = &target.asked()[0];
    assert_eq!(asked.header("content-encoding").as_deref(), Some("aes128gcm"));
    assert_eq!(asked.header("ttl").as_deref(), Some("86400"));
    let token = asked.header("authorization").unwrap();
    assert!(
        token.starts_with("vapid t=") && token.ends_with(&format!(", k={}", book.key().public())),
        "{token}"
    );
    assert!(!asked.body.windows(6).any(|w| w == b"Person"));
    world.tell(&notice("again"));
    until(&world, "told", |view| view.delivered == 2).await;
    assert!(book.all().is_empty(), "its service says that it is gone");
    assert!(!format!("{:?}", world.views()).contains("hunter2"));
    world.tell(&notice("nobody asks any more"));
    assert_eq!(world.views()[0].waiting, 0);
    couriers.stop().await;
}

#[tokio::test]
async fn without_an_alarm_nothing_runs_and_nothing_waits() {
    let (world, couriers) = start("", DEADLINE);
    assert!(world.is_empty() && world.views().is_empty());
    couriers.stop().await;
    let (_dir, book) = book();
    let (world, couriers) = start_with("[push]\ncontact = \"mailto:me@example.org\"\n", &book, DEADLINE);
    world.tell(&notice("no browser asked"));
    assert_eq!((world.views()[0].waiting, world.views()[0].delivered), (0, 0));
    couriers.stop().await;
}
