//! A mail server that fails in nine ways. No call fails in any of them, whether or not it has to do with mail, and every
//! mail arrives in the end. What exactly becomes of a mail is in `mail.rs` of the whole.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use auth_testkit::{Manner, Server, Smtp, SmtpSetup};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::load::{Load, Size, Target};
use super::table::span;
use crate::mail::scene::mailing;
use crate::world::{embedded, eventually};

const SHORT: Duration = Duration::from_millis(500);
const LONG: Duration = Duration::from_secs(10);
/// Longer than the worker needs for mails that nothing stands in the way of.
const SOON: Duration = Duration::from_secs(30);

/// Invites Eve to an org that nobody has invited her to. Gives the invite's id.
async fn invite(server: &Server, load: &Load, invited: &mut BTreeSet<String>) -> String {
    let mut org = None;
    eventually("an org is founded", SOON, async || {
        org = load.orgs().into_iter().find(|org| !invited.contains(org));
        org.is_some()
    })
    .await;
    let org = org.unwrap();
    let path = format!("/orgs/{org}/invites");
    invited.insert(org);
    let body = json!({ "email": "eve@example.com", "role": "editor", "redirect_path": "/invites" });
    let begun = Instant::now();
    let made = server.send(Method::POST, &path, Some(load.ada()), Some(&body)).await.unwrap();
    assert_eq!(made.status(), 201);
    assert!(begun.elapsed() < Duration::from_secs(2), "mail delays who invites");
    made.headers()["location"].to_str().unwrap().trim_start_matches("/invites/").to_owned()
}

async fn waiting(server: &Server, admin: &str) -> Vec<Value> {
    let list = server.send(Method::GET, "/mails?limit=200", Some(admin), None).await.unwrap();
    let list: Value = list.json().await.unwrap();
    list["mails"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r41_a_mail_server_that_fails_in_nine_ways_and_no_call_fails() {
    let tls = SmtpSetup { starttls: true, ..SmtpSetup::default() };
    let mut smtp = Smtp::with(tls).await.unwrap();
    // Nothing is sent in the clear, as where a password is configured.
    let setup = mailing(embedded(), &smtp).set("MF_AUTH_EMAIL_TLS", "starttls");
    let server = setup.start().await.unwrap();
    let admin = server.admin().await.unwrap();
    let load = Load::begin(&server, vec![Target::of(&server)], Size::USUAL).await;
    let (mut invited, mut invites) = (BTreeSet::new(), Vec::new());
    let manners = [
        ("a mail server that refuses connections", None),
        ("a mail server without STARTTLS", Some(Manner::NoStartTls)),
        ("a mail server that takes no recipient for now (450)", Some(Manner::RecipientLater)),
        ("a mail server that takes no message for now (451)", Some(Manner::MessageLater)),
        ("a mail server that knows no recipient (550)", Some(Manner::RecipientNever)),
        ("a mail server that refuses messages (554)", Some(Manner::MessageNever)),
        ("a mail server that hangs up after the message", Some(Manner::DropsAfterData)),
        ("a mail server that never speaks", Some(Manner::Silent)),
        ("a mail server that never stops greeting", Some(Manner::TarPit)),
    ];
    for (fault, manner) in manners {
        if manner == Some(Manner::Silent) {
            // An attempt at one of these takes longer than a test may.
            arrive(&server, &admin, &smtp, &invites).await;
        }
        load.count_from_here();
        let began = Instant::now();
        match manner {
            Some(manner) => smtp.behave(manner),
            None => smtp.stop().await,
        }
        for _ in 0..3 {
            invites.push(invite(&server, &load, &mut invited).await);
        }
        sleep(span(SHORT, LONG)).await;
        match manner {
            Some(_) => smtp.behave(Manner::Fine),
            None => smtp.start_again().await.unwrap(),
        }
        let row = load.row(fault, began, Instant::now());
        assert_eq!(row.failed, 0, "{fault}");
        row.print();
    }
    load.end(&server).await;
}

/// Every invite is mailed in the end, and nothing is left in the queue.
async fn arrive(server: &Server, admin: &str, smtp: &Smtp, invites: &[String]) {
    eventually("the queue is empty", SOON, async || {
        let mails = waiting(server, admin).await;
        for mail in &mails {
            let path = format!("/mails/{}/retry", mail["id"].as_str().unwrap());
            // One that was sent meanwhile is gone.
            server.send(Method::POST, &path, Some(admin), None).await.unwrap();
        }
        mails.is_empty()
    })
    .await;
    let mails = smtp.received();
    for invite in invites {
        let says = |part: String| part.contains(invite);
        let mailed = mails.iter().any(|mail| mail.part("text/html").is_some_and(says));
        assert!(mailed, "the mail of {invite} is lost");
    }
}
