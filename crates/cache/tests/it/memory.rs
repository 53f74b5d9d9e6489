//! What is a hit and what is not.

use auth_cache::{Answer, Limits, Memory, Question, Recalled};
use auth_domain::fact::Record;
use auth_domain::model::{
    GroupId, GroupRole, GroupStanding, OrgRole, SigningKeyId, Standing, Step, UserId,
};
use auth_domain::{Id, Timestamp};
use uuid::Uuid;

fn record(revision: i64, kind: &str, subject: Option<u128>, object: u128) -> Record {
    let object = if kind.starts_with("group") {
        group(object).to_string()
    } else {
        Uuid::from_u128(object).to_string()
    };
    Record {
        revision,
        ordinal: 0,
        kind: kind.into(),
        subject: subject.map(|id| Uuid::from_u128(id).to_string()),
        object,
        actor: "test".into(),
        payload: serde_json::Value::Null,
        occurred_at: Timestamp::from_seconds(0),
    }
}

fn id<T>(number: u128) -> Id<T> {
    Id::new(Uuid::from_u128(number))
}

fn group(number: u128) -> GroupId {
    GroupId::new(Uuid::from_u128(number))
}

fn trusted() -> Memory {
    let memory = Memory::new(Limits::bytes(1 << 20));
    memory.lease.extend(100, 0);
    memory
}

fn standing() -> Answer {
    Answer::Standing(Standing { platform: None, org_exists: true, org: Some(OrgRole::Editor) })
}

/// What is remembered of a group below group 10, in org 5.
fn in_group(memory: &Memory, user: UserId, below: GroupId) -> Answer {
    let step = |group| Step { group, role: Some(GroupRole::Editor) };
    let standing = GroupStanding {
        group: below,
        owner: user,
        org: Some(id(5)),
        org_exists: true,
        org_role: Some(OrgRole::Viewer),
        platform: None,
        trail: vec![step(group(10)), step(below)],
    };
    memory.group_role(user, Some(&standing))
}

fn is_hit(memory: &Memory, question: &Question) -> bool {
    matches!(memory.recall(question, 1), Recalled::Current(_))
}

#[test]
fn fw13_the_end_of_a_session_puts_that_session_out_of_date_and_the_end_of_all_of_them_every_one() {
    let memory = trusted();
    let (one, other) = (Question::Session(id(1), id(11)), Question::Session(id(1), id(12)));
    let elses = Question::Session(id(2), id(13));
    for question in [one, other, elses] {
        memory.remember(question, memory.ticket(), Answer::Session("ada@example.com".into()));
        assert!(is_hit(&memory, &question));
    }
    memory.apply(&[record(1, "session.end", Some(1), 11)], true);
    assert!(!is_hit(&memory, &one) && is_hit(&memory, &other) && is_hit(&memory, &elses));
    memory.apply(&[record(2, "session.cutoff", Some(1), 1)], true);
    assert!(!is_hit(&memory, &other) && is_hit(&memory, &elses));
    memory.apply(&[record(3, "account.disable", Some(2), 2)], true);
    assert!(!is_hit(&memory, &elses));
}

#[test]
fn s17_a_record_of_a_withdrawn_key_puts_that_key_out_of_date() {
    let memory = trusted();
    let id = |seventh| {
        let mut thumbprint = [7; 32];
        thumbprint[7] = seventh;
        SigningKeyId::new(thumbprint)
    };
    let keys = [1, 2, 3].map(id);
    let questions = keys.map(Question::SigningKey);
    for question in questions {
        memory.remember(question, memory.ticket(), Answer::Withdrawn(false));
        assert!(is_hit(&memory, &question));
    }
    let record = Record {
        kind: "signing_key.withdraw".into(),
        object: keys[0].to_string(),
        subject: None,
        ..record(1, "", None, 0)
    };
    memory.apply(&[record], true);
    assert_eq!(questions.map(|question| is_hit(&memory, &question)), [false, true, true]);
}

#[test]
fn each_kind_of_record_puts_out_of_date_what_depends_on_it_and_nothing_else() {
    let questions = [
        Question::Key(id(1), id(7)),
        Question::CutOff(id(1)),
        Question::Standing(id(1), id(5)),
        Question::Owner(id(5)),
        // A group below group 10, in org 5.
        Question::GroupRole(id(1), group(20)),
    ];
    for (kind, subject, object, out) in [
        ("key.issue", Some(1), 7, [true, false, false, false, false]),
        ("key.revoke", Some(1), 7, [true, false, false, false, false]),
        ("key.revoke", Some(1), 8, [false; 5]),
        ("session.cutoff", Some(1), 1, [true, true, false, false, false]),
        ("account.disable", Some(1), 1, [true, true, false, false, false]),
        ("account.enable", Some(1), 1, [true, true, false, false, false]),
        ("account.disable", Some(2), 2, [false; 5]),
        ("platform_role.assign", Some(1), 1, [false, false, true, false, true]),
        ("platform_role.remove", Some(1), 1, [false, false, true, false, true]),
        ("platform_role.remove", Some(2), 2, [false; 5]),
        ("membership.create", Some(1), 5, [false, false, true, false, true]),
        ("membership.update", Some(1), 5, [false, false, true, false, true]),
        ("membership.remove", Some(1), 5, [false, false, true, false, true]),
        ("membership.remove", Some(1), 6, [false; 5]),
        ("membership.remove", Some(2), 5, [false; 5]),
        ("org.create", Some(1), 5, [false, false, true, true, true]),
        ("org.remove", None, 5, [false, false, true, true, true]),
        ("org.transfer", None, 5, [false, false, true, true, true]),
        ("org.update", None, 5, [false; 5]),
        ("account.create", Some(1), 1, [false; 5]),
        ("account.update", Some(1), 1, [false; 5]),
        ("account.verify_email", Some(1), 1, [false; 5]),
        ("invite.create", Some(1), 5, [false; 5]),
        ("invite.activate", Some(1), 5, [false; 5]),
        ("invite.accept", Some(1), 5, [false; 5]),
        ("invite.decline", Some(1), 5, [false; 5]),
        ("invite.revoke", Some(1), 5, [false; 5]),
        ("invite.restore", Some(1), 5, [false; 5]),
        ("group.create", Some(1), 20, [false, false, false, false, true]),
        ("group.create", Some(1), 21, [false; 5]),
        ("group.update", None, 20, [false; 5]),
        ("group.move", None, 20, [false, false, false, false, true]),
        ("group.move", None, 10, [false, false, false, false, true]),
        ("group.move", None, 11, [false; 5]),
        ("group.remove", None, 20, [false, false, false, false, true]),
        ("group.remove", None, 10, [false, false, false, false, true]),
        ("group.assign", None, 20, [false; 5]),
        ("group.unassign", None, 20, [false; 5]),
        ("group_role.assign", Some(1), 10, [false, false, false, false, true]),
        ("group_role.remove", Some(1), 10, [false, false, false, false, true]),
        ("group_role.remove", Some(2), 10, [false; 5]),
        ("backup.restore", None, 9, [true; 5]),
        ("users.export", None, 9, [false; 5]),
        ("account.renumber", Some(1), 9, [true; 5]),
        ("users.import", None, 9, [true; 5]),
        ("of a newer version", None, 9, [true; 5]),
    ] {
        let memory = trusted();
        for question in questions {
            let answer = match question {
                Question::GroupRole(user, group) => in_group(&memory, user, group),
                _ => standing(),
            };
            memory.remember(question, memory.ticket(), answer);
            assert!(is_hit(&memory, &question));
        }
        memory.apply(&[record(1, kind, subject, object)], true);
        for (question, out) in questions.iter().zip(out) {
            assert_eq!(
                is_hit(&memory, question),
                !out,
                "{kind} {subject:?} {object}: {question:?}"
            );
        }
    }
}

#[test]
fn what_was_read_before_a_change_is_never_a_hit_after_it() {
    let memory = trusted();
    let question = Question::Key(id(1), id(7));
    let early = memory.ticket();
    memory.apply(&[record(1, "key.revoke", Some(1), 7)], true);
    memory.remember(question, early, standing());
    assert_eq!(memory.recall(&question, 1), Recalled::Miss);
    memory.remember(question, memory.ticket(), Answer::Absent);
    assert_eq!(memory.recall(&question, 1), Recalled::Current(Answer::Absent));
}

#[test]
fn nothing_is_answered_without_a_lease() {
    let memory = Memory::new(Limits::bytes(1 << 20));
    let question = Question::CutOff(id(1));
    memory.remember(question, memory.ticket(), Answer::Absent);
    assert_eq!(memory.recall(&question, 0), Recalled::Untrusted);
    memory.lease.extend(100, 0);
    assert_eq!(memory.recall(&question, 99), Recalled::Current(Answer::Absent));
    assert_eq!(memory.recall(&question, 100), Recalled::Untrusted);
    memory.lease.extend(200, 50);
    assert_eq!(memory.recall(&question, 249), Recalled::Graced(Answer::Absent));
    assert_eq!(memory.recall(&question, 250), Recalled::Untrusted);
    memory.lease.end_grace();
    assert_eq!(memory.recall(&question, 249), Recalled::Untrusted);
}

#[test]
fn a_hole_in_the_log_makes_it_forget_everything_before() {
    let memory = trusted();
    let question = Question::CutOff(id(1));
    memory.apply(&[record(1, "org.update", None, 5)], true);
    memory.remember(question, memory.ticket(), Answer::Absent);
    memory.apply(&[record(2, "org.update", None, 5)], true);
    assert!(is_hit(&memory, &question));
    assert_eq!(memory.apply(&[record(4, "org.update", None, 5)], true), 4);
    assert!(!is_hit(&memory, &question));
}

/// Trimming goes by records: the first ones of a large commit may be gone and the others still there.
#[test]
fn a_commit_whose_first_records_were_trimmed_makes_it_forget_everything_before() {
    let memory = trusted();
    let question = Question::CutOff(id(1));
    memory.remember(question, memory.ticket(), Answer::Absent);
    let (first, second) = (record(1, "org.update", None, 5), record(1, "org.update", None, 6));
    memory.apply(&[first, Record { ordinal: 1, ..second.clone() }], true);
    assert!(is_hit(&memory, &question), "both are there");
    let rest = Record { revision: 2, ordinal: 1, ..second };
    assert_eq!(memory.apply(&[rest], true), 2);
    assert!(!is_hit(&memory, &question), "nobody knows what the first one said");
}

/// Whoever was out of touch may have come back to another database, in which the same revision is another commit.
#[test]
fn what_was_known_before_it_was_out_of_touch_is_forgotten_also_at_the_same_revision() {
    let memory = trusted();
    let question = Question::CutOff(id(1));
    memory.apply(&[record(1, "org.update", None, 5)], true);
    let early = memory.ticket();
    memory.remember(question, early, Answer::Absent);
    memory.forget(1);
    assert!(!is_hit(&memory, &question));
    memory.remember(question, early, Answer::Absent);
    assert!(!is_hit(&memory, &question), "it was asked for before");
    memory.remember(question, memory.ticket(), Answer::Absent);
    assert!(is_hit(&memory, &question));
    memory.forget(3);
    assert_eq!(memory.applied(), 3);
    assert!(!is_hit(&memory, &question));
}

#[test]
fn a_commit_that_is_read_in_part_is_not_applied() {
    let memory = trusted();
    let records = [record(1, "org.update", None, 5), record(2, "org.update", None, 5)];
    assert_eq!(memory.apply(&records, false), 1);
    assert_eq!(memory.apply(&records[1..], true), 2);
}

#[test]
fn a_flood_of_questions_takes_no_more_than_the_cap() {
    let memory = Memory::new(Limits::bytes(1 << 20));
    memory.lease.extend(100, 0);
    for number in 0..200_000 {
        memory.remember(Question::Key(id(1), id(number)), memory.ticket(), Answer::Absent);
        assert!(memory.bytes() <= 1 << 20);
    }
    assert!((4_000..=9_000).contains(&memory.entries()), "{}", memory.entries());
}
