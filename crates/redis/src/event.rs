//! What an entry of the stream looks like: the two fields of v0.33, and those that v0.42 has added.
//! Consumers of either ignore operations and fields they do not know.

use auth_domain::fact::Record;

/// Names and values, in order. Never an e-mail address, unlike v0.42.
pub(crate) fn fields(record: &Record) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("operation", record.kind.clone()),
        ("id", record.object.clone()),
        // The same whenever this event is told again.
        ("event_id", record.place().to_string()),
        ("evt_org_id", record.org().unwrap_or_default().to_owned()),
        ("evt_group_id", group(record).to_owned()),
        ("occurred_at", record.occurred_at.to_string()),
    ];
    if let Some(subject) = &record.subject {
        fields.push(("subject", subject.clone()));
    }
    if let Some(user) = record.actor_user() {
        fields.push(("jwt_identity_user_id", user.to_owned()));
    }
    fields
}

/// The group it happened to, if to one.
fn group(record: &Record) -> &str {
    match record.kind.split('.').next() {
        Some("group" | "group_role") => &record.object,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use auth_domain::Timestamp;
    use serde_json::json;

    use super::*;

    fn record(kind: &str, subject: Option<&str>, actor: &str) -> Record {
        Record {
            revision: 7,
            ordinal: 2,
            kind: kind.into(),
            subject: subject.map(Into::into),
            object: "the object".into(),
            actor: actor.into(),
            payload: json!({ "secret": "stays here", "org": "the org" }),
            occurred_at: Timestamp::from_micros(1_700_000_000_123_000),
        }
    }

    #[test]
    fn r24_an_org_event_has_the_fields_of_the_original() {
        let seen = fields(&record("org.remove", None, "user:u1/key:k1"));
        let expected = [
            ("operation", "org.remove"),
            ("id", "the object"),
            ("event_id", "7-2"),
            ("evt_org_id", "the object"),
            ("evt_group_id", ""),
            ("occurred_at", "2023-11-14T22:13:20.123Z"),
            ("jwt_identity_user_id", "u1"),
        ];
        assert_eq!(seen, expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn other_events_say_whom_they_are_about() {
        let find = |record: &Record, wanted: &str| {
            let fields = fields(record);
            fields.into_iter().find(|(name, _)| *name == wanted).map(|(_, value)| value)
        };
        let joined = record("membership.create", Some("u2"), "service:things");
        assert_eq!(find(&joined, "subject").as_deref(), Some("u2"));
        assert_eq!(find(&joined, "evt_org_id").as_deref(), Some("the object"));
        assert_eq!(find(&joined, "jwt_identity_user_id"), None);
        let invited = record("invite.create", Some("u2"), "user:u1");
        assert_eq!(find(&invited, "id").as_deref(), Some("the object"));
        assert_eq!(find(&invited, "evt_org_id").as_deref(), Some("the org"));
        let moved = record("group.move", None, "user:u2");
        assert_eq!(find(&moved, "evt_group_id").as_deref(), Some("the object"));
        assert_eq!(find(&moved, "evt_org_id").as_deref(), Some(""));
        let issued = record("key.issue", Some("u2"), "user:u2");
        assert_eq!(find(&issued, "evt_org_id").as_deref(), Some(""));
        assert_eq!(find(&issued, "jwt_identity_user_id").as_deref(), Some("u2"));
    }
}
