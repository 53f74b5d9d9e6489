//! Rows 56 to 68, 86 and 87: invites.

use std::time::Duration;

use auth_grpc::proto::{ActivateOrgInviteReq, CreateDormantOrgInviteReq};
use serde_json::{Value, json};
use tonic::{Code, Status};

use super::{
    ADMIN, EDITOR, Fleet, NEWCOMER, NOTHING, OWNER, PLATFORM, STRANGER, VIEWER, has_members,
    location, moment,
};
use crate::users::{email, id};
use crate::world::{eventually, sibling, stores};

const FORBIDDEN: &str = "failed to perform authorization over the entity";
const MALFORMED: &str = "malformed entity specification";
const NOT_FOUND: &str = "entity not found";
const SETTLED: &str = "invalid invite state";
const MEMBERS: [&str; 11] = [
    "id",
    "invitee_id",
    "invitee_email",
    "inviter_id",
    "inviter_email",
    "org_id",
    "org_name",
    "invitee_role",
    "created_at",
    "expires_at",
    "state",
];
const PLATFORM_INVITE: &str = "0192d3f0-5555-7abc-8def-000000000000";

fn to(number: u32, role: &str) -> Value {
    json!({ "email": email(number), "role": role, "redirect_path": "/v" })
}

impl Fleet {
    /// A fresh invite of somebody, by its path.
    async fn invite(&self, by: u32, invitee: u32, role: &str) -> String {
        let call = self.post("56", &self.in_org("invites")).by(by).await;
        let made = call.json(&to(invitee, role)).gives(201).await;
        let path = location(&made).to_owned();
        assert_eq!(made.text().await.unwrap(), "", "{}", self.store);
        assert!(path.starts_with("/invites/") && path.len() == 45, "{path}");
        path
    }

    async fn answer(&self, row: &str, by: u32, path: &str, answer: &str) -> super::Call<'_> {
        self.post(row, &format!("{path}/{answer}")).by(by).await
    }

    async fn state(&self, path: &str) -> String {
        let shown = self.get("60", path).by(PLATFORM).await.shows(200).await;
        shown["state"].as_str().unwrap().to_owned()
    }

    async fn sleep(&self, org: &str, role: &str) -> Result<(), Status> {
        let request = CreateDormantOrgInviteReq {
            token: self.token(ADMIN, 0).await,
            org_id: org.to_owned(),
            invitee_role: role.to_owned(),
            platform_invite_id: PLATFORM_INVITE.to_owned(),
        };
        sibling(&self.server).await.create_dormant_org_invite(request).await.map(drop)
    }

    async fn activate(&self, platform_invite: &str, user: &str) -> Result<(), Status> {
        let request = ActivateOrgInviteReq {
            platform_invite_id: platform_invite.to_owned(),
            user_id: user.to_owned(),
            redirect_path: "/v".to_owned(),
        };
        sibling(&self.server).await.activate_org_invite(request).await.map(drop)
    }
}

#[tokio::test]
async fn r56_to_r59_invites_are_made() {
    for fleet in Fleet::both().await {
        let path = fleet.in_org("invites");
        let post = async |row, by, body: &Value| fleet.post(row, &path).by(by).await.json(body);
        fleet.invite(ADMIN, NEWCOMER, "viewer").await;
        for by in [ADMIN, OWNER, PLATFORM] {
            let again = post("57", by, &to(NEWCOMER, "editor")).await;
            again.refused(409, "entity already exists").await;
        }
        let member = post("57", ADMIN, &to(VIEWER, "editor")).await;
        member.refused(409, "org membership already exists").await;
        let nobody = json!({ "email": "x@y.zz", "role": "viewer", "redirect_path": "/v" });
        post("57", ADMIN, &nobody).await.refused(404, NOT_FOUND).await;
        for (body, text) in [
            (json!({ "email": email(8), "role": "viewer" }), "missing redirect path"),
            (json!({ "role": "viewer", "redirect_path": "/v" }), "missing email"),
            (json!({ "email": email(8), "redirect_path": "/v" }), "invalid role"),
            (to(8, "boss"), "invalid role"),
            (to(8, "owner"), MALFORMED),
        ] {
            post("58", ADMIN, &body).await.refused(400, text).await;
        }
        for odd in
            ["@evil.example/x", "//evil.example", "/\\evil.example", ".evil.example", "/a/../b"]
        {
            let body = json!({ "email": email(8), "role": "viewer", "redirect_path": odd });
            post("59", ADMIN, &body).await.refused(400, MALFORMED).await;
        }
        for (by, status, text) in
            [(EDITOR, 403, FORBIDDEN), (VIEWER, 403, FORBIDDEN), (STRANGER, 404, NOT_FOUND)]
        {
            post("4.2", by, &to(8, "viewer")).await.refused(status, text).await;
        }
        let bare = fleet.post("3.1", &path).json(&to(8, "viewer"));
        bare.refused(401, "missing or invalid bearer user token").await;
        assert_eq!(fleet.get("count", &path).by(OWNER).await.shows(200).await["total"], 1);
    }
}

#[tokio::test]
async fn r60_an_invite_is_shown() {
    for fleet in Fleet::both().await {
        let path = fleet.invite(ADMIN, NEWCOMER, "editor").await;
        for by in [ADMIN, NEWCOMER, OWNER, PLATFORM] {
            let shown = fleet.get("60", &path).by(by).await.shows(200).await;
            assert!(has_members(&shown, &MEMBERS), "{shown}");
            assert_eq!(
                (&shown["invitee_id"], &shown["inviter_id"]),
                (&json!(id(NEWCOMER)), &json!(id(ADMIN)))
            );
            assert_eq!(shown["invitee_email"], email(NEWCOMER));
            assert_eq!(shown["inviter_email"], email(ADMIN));
            assert_eq!((&shown["org_id"], &shown["org_name"]), (&json!(fleet.org), &json!("X")));
            assert_eq!(
                (&shown["invitee_role"], &shown["state"]),
                (&json!("editor"), &json!("pending"))
            );
            let life = moment(&shown["expires_at"]) - moment(&shown["created_at"]);
            assert_eq!(life, time::Duration::hours(168));
        }
        for by in [EDITOR, VIEWER, STRANGER] {
            fleet.get("60", &path).by(by).await.refused(403, FORBIDDEN).await;
        }
        let unknown = format!("/invites/{NOTHING}");
        fleet.get("60", &unknown).by(OWNER).await.refused(404, NOT_FOUND).await;
        fleet.users.calls();
        for path in [&path, &unknown, &"/invites/zz".to_owned()] {
            fleet.get("60", path).with("garbage").refused(401, "failed to validate token").await;
            let bare = fleet.get("60", path);
            bare.refused(401, "missing or invalid bearer user token").await;
        }
        assert_eq!(fleet.users.calls(), 0, "D-33: nobody was asked for somebody unknown");
    }
}

#[tokio::test]
async fn r61_to_r63_r65_invites_are_answered_and_taken_back() {
    for fleet in Fleet::both().await {
        let path = fleet.invite(ADMIN, NEWCOMER, "editor").await;
        for by in [OWNER, ADMIN, PLATFORM, STRANGER] {
            let accept = fleet.answer("62", by, &path, "accept").await;
            accept.refused(403, FORBIDDEN).await;
        }
        for odd in ["foo", ""] {
            let answer = fleet.post("63", &format!("{path}/{odd}"));
            answer.refused(400, "invalid invite response action").await;
        }
        fleet.answer("61", NEWCOMER, &path, "accept").await.gives_nothing(201).await;
        let member = fleet.in_org(&format!("members/{}", id(NEWCOMER)));
        let shown = fleet.get("61", &member).by(NEWCOMER).await.shows(200).await;
        assert_eq!(shown["role"], "editor", "{}", fleet.store);
        for answer in ["accept", "decline"] {
            let again = fleet.answer("61", NEWCOMER, &path, answer).await;
            again.refused(403, SETTLED).await;
        }
        assert_eq!(fleet.state(&path).await, "accepted");

        let path = fleet.invite(ADMIN, STRANGER, "viewer").await;
        fleet.answer("I6", STRANGER, &path, "decline").await.gives_nothing(204).await;
        assert_eq!(fleet.state(&path).await, "declined");
        fleet.delete("65", &path).by(ADMIN).await.refused(403, SETTLED).await;

        // S-53: whoever may invite there revokes, not only who did.
        for by in [ADMIN, OWNER, PLATFORM] {
            let path = fleet.invite(ADMIN, STRANGER, "viewer").await;
            for other in [VIEWER, EDITOR, STRANGER] {
                fleet.delete("65", &path).by(other).await.refused(403, FORBIDDEN).await;
            }
            fleet.delete("65", &path).by(by).await.gives_nothing(204).await;
            fleet.delete("65", &path).by(by).await.refused(403, SETTLED).await;
            let late = fleet.answer("65", STRANGER, &path, "accept").await;
            late.refused(403, SETTLED).await;
        }
    }
}

#[tokio::test]
async fn r64_d26_d28_an_invite_expires_and_blocks_no_other() {
    for (store, setup) in stores().await {
        let fleet = Fleet::start(store, setup.set("MF_INVITE_DURATION", "1s")).await;
        let path = fleet.invite(ADMIN, NEWCOMER, "editor").await;
        let pending = fleet.in_org("invites?state=pending");
        assert_eq!(fleet.get("64", &pending).by(OWNER).await.shows(200).await["total"], 1);
        eventually("it has expired", Duration::from_secs(10), async || {
            fleet.state(&path).await == "expired"
        })
        .await;
        for answer in ["accept", "decline"] {
            let late = fleet.answer("64", NEWCOMER, &path, answer).await;
            late.refused(403, "invite expired").await;
        }
        fleet.delete("64", &path).by(ADMIN).await.refused(403, "invite expired").await;
        assert_eq!(fleet.get("64", &pending).by(OWNER).await.shows(200).await["total"], 0);
        let listed = fleet.get("D-28", &fleet.in_org("invites")).by(OWNER).await.shows(200).await;
        assert_eq!(listed["invites"][0]["state"], "expired", "{store}");
        // By another inviter, too.
        fleet.invite(OWNER, NEWCOMER, "viewer").await;
    }
}

#[tokio::test]
async fn r67_r68_everybody_lists_their_own_and_odd_people_harm_nobody() {
    for fleet in Fleet::both().await {
        let path = fleet.invite(ADMIN, NEWCOMER, "viewer").await;
        fleet.sleep(&fleet.org, "editor").await.unwrap();
        let received = format!("/users/{}/invites/received", id(NEWCOMER));
        let sent = format!("/users/{}/invites/sent", id(ADMIN));
        for (list, whose) in [(&received, NEWCOMER), (&sent, ADMIN)] {
            for by in [whose, PLATFORM] {
                let page = fleet.get("67", &format!("{list}?state=pending")).by(by).await;
                let page = page.shows(200).await;
                assert_eq!(page["total"], 1, "{} {list}", fleet.store);
                assert!(path.ends_with(page["invites"][0]["id"].as_str().unwrap()));
                let none = fleet.get("67", &format!("{list}?state=boss")).by(by).await;
                assert_eq!(none.shows(200).await["total"], 0);
            }
            fleet.get("67", list).by(VIEWER).await.refused(403, FORBIDDEN).await;
        }
        fleet
            .get("D-41", &format!("{sent}?order=name"))
            .by(ADMIN)
            .await
            .refused(400, "invalid list order provided")
            .await;
        // One of the two is disabled.
        for gone in [NEWCOMER, ADMIN] {
            fleet.users.disable(gone);
            for (list, by) in
                [(&received, NEWCOMER), (&sent, ADMIN), (&fleet.in_org("invites"), OWNER)]
            {
                let page = fleet.get("68", list).by(by).await.shows(200).await;
                assert_eq!(page["total"], 1, "{} {list}", fleet.store);
                assert_eq!(page["invites"][0]["invitee_email"], "");
            }
            let shown = fleet.get("68", &path).by(NEWCOMER).await.shows(200).await;
            let expected = if gone == ADMIN { String::new() } else { email(ADMIN) };
            assert_eq!(shown["inviter_email"], expected, "{}", fleet.store);
        }
        // S-52: nor is an invite of somebody who is disabled worth anything.
        fleet.answer("D-29", NEWCOMER, &path, "accept").await.refused(403, SETTLED).await;
        assert_eq!(fleet.state(&path).await, "pending");
    }
}

#[tokio::test]
async fn r86_r87_dormant_invites_are_made_and_activated() {
    for fleet in Fleet::both().await {
        let owner = fleet.sleep(&fleet.org, "owner").await.unwrap_err();
        assert_eq!(
            (owner.code(), owner.message()),
            (Code::InvalidArgument, "invalid role"),
            "row 86"
        );
        assert_eq!(fleet.sleep("zz", "viewer").await.unwrap_err().code(), Code::InvalidArgument);
        assert_eq!(fleet.sleep(NOTHING, "viewer").await.unwrap_err().code(), Code::NotFound);
        fleet.sleep(&fleet.org, "editor").await.unwrap();
        fleet.sleep(&fleet.org, "viewer").await.unwrap();
        fleet.activate(NOTHING, &id(NEWCOMER)).await.unwrap();
        fleet.activate(NOTHING, &id(999)).await.unwrap();
        let unknown = fleet.activate(PLATFORM_INVITE, &id(999)).await.unwrap_err();
        assert_eq!((unknown.code(), unknown.message()), (Code::NotFound, NOT_FOUND), "row 87");
        let received = format!("/users/{}/invites/received?state=pending", id(NEWCOMER));
        for _ in 0..2 {
            fleet.activate(PLATFORM_INVITE, &id(NEWCOMER)).await.unwrap();
            let page = fleet.get("D-27", &received).by(NEWCOMER).await.shows(200).await;
            assert_eq!(
                (&page["total"], &page["invites"][0]["invitee_role"]),
                (&json!(1), &json!("editor"))
            );
            let path = format!("/invites/{}", page["invites"][0]["id"].as_str().unwrap());
            assert_eq!(fleet.state(&path).await, "pending");
        }
        let page = fleet.get("D-27", &received).by(NEWCOMER).await.shows(200).await;
        let path = format!("/invites/{}", page["invites"][0]["id"].as_str().unwrap());
        fleet.answer("61", NEWCOMER, &path, "accept").await.gives_nothing(201).await;
    }
}
