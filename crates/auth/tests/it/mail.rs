//! Mail: what was committed is sent, what is no longer true is not, and no request ever waits for it.

pub mod scene;
mod words;

use std::time::{Duration, Instant};

use auth_testkit::{Manner, Postgres, Smtp, SmtpSetup};
use reqwest::Method;
use serde_json::{Value, json};

use self::scene::{SOON, Scene, link, mailing, received};
use crate::world::{embedded, eventually, found, get, postgres, stores};

#[tokio::test]
async fn r41_an_invite_is_mailed_once_with_a_link_to_it() {
    for (store, setup) in stores().await {
        let smtp = Smtp::start().await.unwrap();
        let scene = Scene::new(&mailing(setup, &smtp), "Acme").await;
        let invite = scene.invite("bob@example.com").await;
        let mails = received(&smtp, 1).await;
        let mail = &mails[0];
        assert_eq!(
            (&*mail.from, &mail.to[..]),
            ("keyward@example.com", &["bob@example.com".to_owned()][..])
        );
        assert_eq!(mail.header("Subject").unwrap(), "You're invited to join 'Acme'", "{store}");
        assert_eq!(mail.header("From").unwrap(), "Keyward <keyward@example.com>");
        for part in ["text/plain", "text/html"] {
            let part = mail.part(part).unwrap();
            assert!(part.contains(&link(&invite)) && part.contains("editor"), "{part}");
        }
        scene.emptied().await;
        scene.counted("auth_mails_sent_total 1").await;
        scene.counted(r#"auth_email_request_count{method="send_org_invite"} 1"#).await;
        scene.counted(r#"auth_mails{state="queued"} 0"#).await;
        assert_eq!(scene.readiness().await, "up");
        // The invite is as good as any.
        let declined = scene.post(&format!("/invites/{invite}/decline"), &scene.bob, None).await;
        assert_eq!(declined.status(), 204);
        let output = scene.server.output();
        assert!(!output.contains("bob@example.com"), "s92: {output}");
        assert!(scene.server.stop().await.unwrap().success());
        assert_eq!(smtp.received().len(), 1, "nothing else was sent");
    }
}

#[tokio::test]
async fn r42_what_is_no_longer_true_is_not_sent() {
    for (store, setup) in stores().await {
        let mut smtp = Smtp::start().await.unwrap();
        smtp.stop().await;
        let scene = Scene::new(&mailing(setup, &smtp), "Acme").await;
        let doomed = found(&scene.server, &scene.ada, "Doomed").await;
        let invite = scene.invite("bob@example.com").await;
        let body =
            json!({ "email": "bob@example.com", "role": "viewer", "redirect_path": "/invites" });
        let of_doomed =
            scene.post(&format!("/orgs/{doomed}/invites"), &scene.ada, Some(&body)).await;
        assert_eq!(of_doomed.status(), 201);
        eventually("both were tried", SOON, async || {
            let list = scene.mails("?state=queued").await;
            let tried = list["mails"].as_array().unwrap().iter();
            tried.filter(|mail| mail["problem"] == "connect").count() == 2
        })
        .await;
        assert_eq!(scene.readiness().await, "down", "{store}");
        scene.revoke(&invite).await;
        let path = format!("/orgs/{doomed}");
        let removed =
            scene.server.send(Method::DELETE, &path, Some(&scene.ada), None).await.unwrap();
        assert_eq!(removed.status(), 204);
        smtp.start_again().await.unwrap();
        for mail in scene.mails("").await["mails"].as_array().unwrap() {
            scene.retry(&mail["id"]).await;
        }
        scene.emptied().await;
        scene.counted(r#"auth_mails_dropped_total{reason="untrue"} 2"#).await;
        assert_eq!(smtp.received(), [], "{store}");
    }
}

#[tokio::test]
async fn r42_an_invite_that_expired_meanwhile_is_not_sent() {
    let mut smtp = Smtp::start().await.unwrap();
    smtp.stop().await;
    let setup = mailing(embedded(), &smtp).set("MF_INVITE_DURATION", "8s");
    let scene = Scene::new(&setup, "Acme").await;
    let invite = scene.invite("bob@example.com").await;
    // The next try would come too late: it is given up.
    let mail = scene.only("it was tried", |mail| mail["state"] == "dead").await;
    assert_eq!(mail["problem"], "connect");
    smtp.start_again().await.unwrap();
    eventually("it has expired", SOON, async || {
        let answer = get(&scene.server, &format!("/invites/{invite}"), &scene.ada).await;
        let shown: Value = answer.json().await.unwrap();
        shown["state"] == "expired"
    })
    .await;
    scene.retry(&mail["id"]).await;
    scene.emptied().await;
    assert_eq!(smtp.received(), []);
}

#[tokio::test]
async fn go38_r41_mail_waits_for_a_server_that_refuses_and_requests_do_not() {
    for (store, setup) in stores().await {
        let mut smtp = Smtp::start().await.unwrap();
        let scene = Scene::new(&mailing(setup, &smtp), "Acme").await;
        let people = scene.people(8).await;
        let with = scene.slowest(&people[..4]).await;
        received(&smtp, 4).await;
        smtp.stop().await;
        let without = scene.slowest(&people[4..]).await;
        assert!(without < with * 10 + Duration::from_millis(500), "{store}: {without:?} {with:?}");
        eventually("it is said", SOON, async || scene.readiness().await == "down").await;
        assert!(scene.metrics().await.contains(r#"auth_mails_failures_total{problem="connect"}"#));
        assert!(scene.server.stop().await.unwrap().success());
    }
}

#[tokio::test]
async fn r41_mail_survives_kill_and_is_sent_after_the_next_start() {
    for (store, setup) in stores().await {
        let mut smtp = Smtp::start().await.unwrap();
        smtp.stop().await;
        let setup = mailing(setup, &smtp);
        let scene = Scene::new(&setup, "Acme").await;
        let invite = scene.invite("bob@example.com").await;
        scene.only("it was tried", |mail| mail["problem"] == "connect").await;
        let Scene { server, admin, ada, bob, org } = scene;
        server.kill().await.unwrap();
        smtp.start_again().await.unwrap();
        let scene = Scene { server: setup.start().await.unwrap(), admin, ada, bob, org };
        let mail = scene.only("it is still there", |mail| mail["attempts"] == 1).await;
        assert_eq!(mail["invite_id"], invite.as_str(), "{store}");
        scene.retry(&mail["id"]).await;
        let mails = received(&smtp, 1).await;
        assert!(mails[0].part("text/html").unwrap().contains(&link(&invite)));
        scene.emptied().await;
        assert_eq!(scene.readiness().await, "up");
    }
}

#[tokio::test]
async fn r41_a_frozen_or_slow_mail_server_costs_requests_nothing() {
    for manner in [Manner::Silent, Manner::TarPit] {
        let smtp = Smtp::start().await.unwrap();
        let scene = Scene::new(&mailing(embedded(), &smtp), "Acme").await;
        let people = scene.people(8).await;
        let with = scene.slowest(&people[..4]).await;
        received(&smtp, 4).await;
        smtp.behave(manner);
        let frozen = scene.slowest(&people[4..]).await;
        assert!(frozen < with * 10 + Duration::from_millis(500), "{manner:?} {frozen:?} {with:?}");
        let given_up = Duration::from_mins(1);
        eventually("it is said", given_up, async || scene.readiness().await == "down").await;
        let begun = Instant::now();
        // A stop does not wait for it.
        scene.server.stop().await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn r41_what_is_refused_for_good_is_dead_at_once_and_can_be_retried() {
    for (manner, problem) in
        [(Manner::RecipientNever, "recipient"), (Manner::MessageNever, "message")]
    {
        let smtp = Smtp::start().await.unwrap();
        smtp.behave(manner);
        let scene = Scene::new(&mailing(embedded(), &smtp), "Acme").await;
        let invite = scene.invite("bob@example.com").await;
        let mail = scene.only("it is dead", |mail| mail["state"] == "dead").await;
        assert_eq!((&mail["problem"], &mail["attempts"]), (&json!(problem), &json!(1)));
        assert_eq!((&mail["kind"], &mail["invite_id"]), (&json!("org_invite"), &json!(invite)));
        assert!(!mail.to_string().contains('@'), "{mail}");
        assert_eq!(scene.readiness().await, "up", "the server works");
        scene.counted(r#"auth_mails{state="dead"} 1"#).await;
        scene.counted(&format!(r#"auth_mails_dead_total{{problem="{problem}"}} 1"#)).await;
        assert_eq!(scene.mails("?state=queued").await["total"], 0);
        smtp.behave(Manner::Fine);
        scene.retry(&mail["id"]).await;
        received(&smtp, 1).await;
        scene.emptied().await;
        assert!(!scene.server.output().contains("bob@"), "{}", scene.server.output());
    }
}

#[tokio::test]
async fn r41_what_is_refused_for_now_waits() {
    for (manner, problem) in
        [(Manner::RecipientLater, "recipient"), (Manner::MessageLater, "message")]
    {
        let smtp = Smtp::start().await.unwrap();
        smtp.behave(manner);
        let scene = Scene::new(&mailing(embedded(), &smtp), "Acme").await;
        scene.invite("bob@example.com").await;
        let mail = scene.only("it was tried", |mail| mail["attempts"] == 1).await;
        assert_eq!((&mail["problem"], &mail["state"]), (&json!(problem), &json!("queued")));
        assert_eq!(scene.readiness().await, "up", "it is about this mail only");
        smtp.behave(Manner::Fine);
        // By itself, and not at once.
        let begun = Instant::now();
        eventually("it is sent", Duration::from_mins(1), async || !smtp.received().is_empty())
            .await;
        assert!(begun.elapsed() > Duration::from_secs(20), "{:?}", begun.elapsed());
        assert_eq!(smtp.received().len(), 1);
    }
}

#[tokio::test]
async fn r41_an_answer_that_is_lost_repeats_one_mail_that_can_be_told() {
    let smtp = Smtp::start().await.unwrap();
    smtp.behave(Manner::DropsAfterData);
    let scene = Scene::new(&mailing(embedded(), &smtp), "Acme").await;
    scene.invite("bob@example.com").await;
    let mail = scene.only("it was tried", |mail| mail["attempts"] == 1).await;
    smtp.behave(Manner::Fine);
    scene.retry(&mail["id"]).await;
    scene.emptied().await;
    let mails = smtp.received();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0].header("Message-ID"), mails[1].header("Message-ID"));
    assert!(mails[0].header("Message-ID").unwrap().contains(mail["id"].as_str().unwrap()));
    assert_eq!(mails[0].header("Date"), mails[1].header("Date"));
    assert_eq!(mails[0].header("Auto-Submitted").unwrap(), "auto-generated");
}

#[tokio::test]
async fn r41_replicas_share_the_queue_and_send_nothing_twice() {
    let mut smtp = Smtp::start().await.unwrap();
    smtp.stop().await;
    let setup = mailing(postgres().await, &smtp);
    let scene = Scene::new(&setup, "Acme").await;
    let others = [setup.start().await.unwrap(), setup.start().await.unwrap()];
    for email in scene.people(20).await {
        scene.invite(&email).await;
    }
    eventually("all were tried", SOON, async || {
        let list = scene.mails("?limit=200").await;
        list["mails"].as_array().unwrap().iter().all(|mail| mail["attempts"] != 0)
    })
    .await;
    smtp.start_again().await.unwrap();
    for mail in scene.mails("?limit=200").await["mails"].as_array().unwrap() {
        scene.retry(&mail["id"]).await;
    }
    scene.emptied().await;
    let mails = smtp.received();
    let mut to: Vec<_> = mails.iter().flat_map(|mail| mail.to.clone()).collect();
    to.sort_unstable();
    to.dedup();
    assert_eq!((mails.len(), to.len()), (20, 20));
    for other in others {
        assert!(other.stop().await.unwrap().success());
    }
}

#[tokio::test]
async fn s63_without_starttls_mail_stays_queued_and_no_password_is_sent() {
    let account = Some(("mailer".to_owned(), "hunter2-for-mail".to_owned()));
    let smtp = Smtp::with(SmtpSetup { starttls: true, account, ..SmtpSetup::default() }).await;
    let smtp = smtp.unwrap();
    smtp.behave(Manner::NoStartTls);
    let setup = mailing(embedded(), &smtp)
        .set("MF_EMAIL_USERNAME", "mailer")
        .set("MF_EMAIL_PASSWORD", "hunter2-for-mail");
    let scene = Scene::new(&setup, "Acme").await;
    scene.invite("bob@example.com").await;
    let mail = scene.only("it was tried", |mail| mail["attempts"] == 1).await;
    assert_eq!((&mail["problem"], &mail["state"]), (&json!("tls"), &json!("queued")));
    assert_eq!(scene.readiness().await, "down");
    let heard = smtp.heard_in_clear();
    assert!(heard.iter().all(|line| line.starts_with("EHLO ")), "{heard:?}");
    smtp.behave(Manner::Fine);
    scene.retry(&mail["id"]).await;
    let mails = received(&smtp, 1).await;
    assert_eq!((mails[0].tls, mails[0].user.as_deref()), (true, Some("mailer")));
    assert!(!scene.server.output().contains("hunter2"), "{}", scene.server.output());
}

#[tokio::test]
async fn without_a_mail_server_invites_work_and_the_log_says_once_that_mail_is_off() {
    let scene = Scene::new(&embedded(), "Acme").await;
    let invite = scene.invite("bob@example.com").await;
    let accepted = scene.post(&format!("/invites/{invite}/accept"), &scene.bob, None).await;
    assert_eq!(accepted.status(), 201);
    assert_eq!(scene.mails("").await["total"], 0);
    assert_eq!(scene.readiness().await, Value::Null);
    assert_eq!(scene.server.output().matches("mail is off").count(), 1);
}

#[tokio::test]
async fn r48_a_directory_that_is_away_is_no_failed_try() {
    let postgres = Postgres::shared().await.unwrap().database().await.unwrap();
    let mut smtp = Smtp::start().await.unwrap();
    smtp.stop().await;
    let setup = mailing(embedded().on(&postgres), &smtp);
    let scene = Scene::new(&setup, "Acme").await;
    scene.invite("bob@example.com").await;
    let mail = scene.only("it was tried", |mail| mail["attempts"] == 1).await;
    smtp.start_again().await.unwrap();
    // The same queue, with the accounts of a users service that nobody has started.
    let remote =
        setup.clone().set("MF_USERS_GRPC_URL", "127.0.0.1:1").unset("MF_USERS_ADMIN_PASSWORD");
    let Scene { server, admin, ada, bob, org } = scene;
    assert!(server.stop().await.unwrap().success());
    let server = remote.start().await.unwrap();
    let statement = "UPDATE keyward_mails SET due_at = clock_timestamp()";
    postgres.execute(statement).await.unwrap();
    let line = r#"auth_mails_failures_total{problem="lookup"} 1"#;
    eventually("it is put off", SOON, async || {
        let answer = server.client.get(server.ops_url("/metrics")).send().await.unwrap();
        answer.text().await.unwrap().lines().any(|seen| seen == line)
    })
    .await;
    server.stop().await.unwrap();
    let scene = Scene { server: setup.start().await.unwrap(), admin, ada, bob, org };
    let again = scene.only("it is there", |it| it["problem"] == "lookup").await;
    assert_eq!((&again["id"], &again["attempts"]), (&mail["id"], &json!(1)));
    scene.retry(&again["id"]).await;
    received(&smtp, 1).await;
}

#[tokio::test]
async fn mails_are_for_whoever_has_a_platform_role() {
    let scene = Scene::new(&embedded(), "Acme").await;
    assert_eq!(get(&scene.server, "/mails", &scene.ada).await.status(), 403);
    let nobodys = format!("/mails/{}/retry", scene.org);
    assert_eq!(scene.post(&nobodys, &scene.ada, None).await.status(), 403);
    let admin = scene.server.admin().await.unwrap();
    assert_eq!(scene.post(&nobodys, &admin, None).await.status(), 404);
    assert_eq!(get(&scene.server, "/mails?state=lost", &admin).await.status(), 400);
}
