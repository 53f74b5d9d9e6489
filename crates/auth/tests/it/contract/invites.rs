//! Rows 56 to 68, 86 and 87: invites.

use std::time::Duration;

use auth_grpc::proto::{ActivateOrgInviteReq, CreateDormantOrgInviteReq};
use reqwest::Method;
use serde_json::{Value, json};
use tonic::Code;

use super::{
    ADMIN, EDITOR, Fleet, NEWCOMER, NOTHING, OWNER, PLATFORM, STRANGER, VIEWER, has_members,
    location,
};
use crate::users::{Manner, email, id};
use crate::world::{sibling, stores};

const FORBIDDEN: &str = "failed to perform authorization over the entity";
const MALFORMED: &str = "malformed entity specification";
const NOT_FOUND: &str = "entity not found";
const OVER: &str = "invalid invite state";

/// An invite as clients ask for one.
fn offer(number: u32, role: &str) -> Value {
    json!({ "email": email(number), "role": role, "redirect_path": "/v" })
}

impl Fleet {
    /// A fresh invite to org X: its path.
    async fn invite(&self, by: u32, number: u32, role: &str) -> String {
        let path = self.in_org("invites");
        let made = self.post("setup", &path).by(by).await.json(&offer(number, role));
        location(&made.gives(201).await).to_owned()
    }

    async fn is_member(&self, number: u32) -> bool {
        let path = self.in_org(&format!("members/{}", id(number)));
        let token = self.token(PLATFORM, 0).await;
        let shown = self.server.send(Method::GET, &path, Some(&token), None);
        shown.await.unwrap().status() == 200
    }
}

#[tokio::test]
async fn r56_to_r59_invites_are_made() {
    for fleet in Fleet::both().await {
        let path = fleet.in_org("invites");
        let make =
            async |row, by: u32, body: &Value| fleet.post(row, &path).by(by).await.json(body);
        let made = make("56", ADMIN, &offer(STRANGER, "viewer")).await.gives(201).await;
        let place = location(&made).to_owned();
        assert!(place.starts_with("/invites/") && place.len() == "/invites/".len() + 36, "{place}");
        assert_eq!(made.text().await.unwrap(), "");

        let again = offer(STRANGER, "editor");
        for by in [ADMIN, OWNER, PLATFORM] {
            make("57", by, &again).await.refused(409, "entity already exists").await;
        }
        let member = offer(VIEWER, "editor");
        make("57", ADMIN, &member).await.refused(409, "org membership already exists").await;
        let unknown = json!({ "email": "x@y.zz", "role": "viewer", "redirect_path": "/v" });
        make("57", ADMIN, &unknown).await.refused(404, NOT_FOUND).await;
        for by in [EDITOR, VIEWER] {
            make("57", by, &offer(8, "viewer")).await.refused(403, FORBIDDEN).await;
        }
        make("57", STRANGER, &offer(8, "viewer")).await.refused(404, NOT_FOUND).await;

        for (name, error) in [
            ("redirect_path", "missing redirect path"),
            ("email", "missing email"),
            ("role", "invalid role"),
        ] {
            let mut body = offer(8, "viewer");
            body.as_object_mut().unwrap().remove(name);
            make("58", ADMIN, &body).await.refused(400, error).await;
        }
        make("58", ADMIN, &offer(8, "owner")).await.refused(400, MALFORMED).await;
        make("58", ADMIN, &offer(8, "boss")).await.refused(400, "invalid role").await;
        for odd in ["@evil/x", "//evil", ".evil.example", "/a/../b", "/a?b", "/\\evil", "/a%2fb"] {
            let mut body = offer(8, "viewer");
            body["redirect_path"] = json!(odd);
            make("59, D-31, GO-4", ADMIN, &body).await.refused(400, MALFORMED).await;
        }
        for odd in [json!(["a@b.io"]), json!("a@b.io,c@d.io"), json!("A <a@b.io>")] {
            let mut body = offer(8, "viewer");
            body["email"] = odd.clone();
            let status = make("S-62", ADMIN, &body).await.request.send().await.unwrap().status();
            assert!(status == 400 || status == 404, "{odd}: {status}");
        }
    }
}

#[tokio::test]
async fn r60_to_r63_invites_are_shown_and_answered() {
    for fleet in Fleet::both().await {
        let path = fleet.invite(ADMIN, STRANGER, "editor").await;
        for by in [ADMIN, OWNER, PLATFORM, STRANGER] {
            let shown = fleet.get("60", &path).by(by).await.shows(200).await;
            let names = [
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
            assert!(has_members(&shown, &names), "{shown}");
            for (name, value) in [
                ("invitee_id", id(STRANGER)),
                ("invitee_email", email(STRANGER)),
                ("inviter_id", id(ADMIN)),
                ("inviter_email", email(ADMIN)),
                ("org_id", fleet.org.clone()),
                ("org_name", "X".to_owned()),
                ("invitee_role", "editor".to_owned()),
                ("state", "pending".to_owned()),
            ] {
                assert_eq!(shown[name], value, "{shown}");
            }
        }
        for by in [EDITOR, VIEWER, NEWCOMER] {
            fleet.get("60", &path).by(by).await.refused(403, FORBIDDEN).await;
        }
        let nothing = format!("/invites/{NOTHING}");
        for path in [path.as_str(), nothing.as_str(), "/invites/zz"] {
            let call = fleet.get("60, GO-17, D-33", path).with("garbage");
            call.refused(401, "failed to validate token").await;
        }
        fleet.get("60", &nothing).by(STRANGER).await.refused(404, NOT_FOUND).await;
        fleet.get("D-44", "/invites/zz").by(STRANGER).await.refused(404, NOT_FOUND).await;
        fleet.get("60", "/invites/").by(STRANGER).await.refused(400, "missing invite ID").await;

        let accept = format!("{path}/accept");
        for by in [NEWCOMER, ADMIN, PLATFORM] {
            fleet.post("62, S-50", &accept).by(by).await.refused(403, FORBIDDEN).await;
        }
        let action = "invalid invite response action";
        fleet.post("63", &format!("{path}/foo")).by(STRANGER).await.refused(400, action).await;
        fleet.post("63", &format!("{path}/foo")).refused(400, action).await;
        fleet.post("61", &accept).by(STRANGER).await.gives_nothing(201).await;
        assert!(fleet.is_member(STRANGER).await);
        let shown = fleet.in_org(&format!("members/{}", id(STRANGER)));
        assert_eq!(fleet.get("61", &shown).by(VIEWER).await.shows(200).await["role"], "editor");
        fleet.post("61", &accept).by(STRANGER).await.refused(403, OVER).await;
        fleet.post("61", &format!("{path}/decline")).by(STRANGER).await.refused(403, OVER).await;

        let path = fleet.invite(OWNER, NEWCOMER, "viewer").await;
        fleet.post("61", &format!("{path}/decline")).by(NEWCOMER).await.gives_nothing(204).await;
        assert!(!fleet.is_member(NEWCOMER).await);
        fleet.post("61", &format!("{path}/accept")).by(NEWCOMER).await.refused(403, OVER).await;
    }
}

#[tokio::test]
async fn r64_d26_go20_an_invite_ends_and_stands_in_nobodys_way() {
    for (store, setup) in stores().await {
        let fleet = Fleet::start(store, setup.set("MF_INVITE_DURATION", "1s")).await;
        let path = fleet.invite(ADMIN, STRANGER, "viewer").await;
        let list = fleet.in_org("invites?state=expired");
        crate::world::eventually("it expires", Duration::from_secs(20), async || {
            let page = fleet.get("D-28", &list).by(ADMIN).await.shows(200).await;
            page["total"] == 1
        })
        .await;
        let accept = format!("{path}/accept");
        fleet.post("64", &accept).by(STRANGER).await.refused(403, "invite expired").await;
        let shown = fleet.get("64", &path).by(STRANGER).await.shows(200).await;
        assert_eq!(shown["state"], "expired");
        let other = fleet.invite(OWNER, STRANGER, "viewer").await;
        assert_ne!(other, path, "D-26: another inviter is not in its way");
        assert!(!fleet.is_member(STRANGER).await);
    }
}

#[tokio::test]
async fn r65_s53_go19_invites_are_revoked() {
    for fleet in Fleet::both().await {
        let path = fleet.invite(ADMIN, STRANGER, "viewer").await;
        for by in [EDITOR, STRANGER, NEWCOMER] {
            fleet.delete("65", &path).by(by).await.refused(403, FORBIDDEN).await;
        }
        fleet.delete("65", &path).by(ADMIN).await.gives_nothing(204).await;
        fleet.delete("65", &path).by(ADMIN).await.refused(403, OVER).await;
        let accept = format!("{path}/accept");
        fleet.post("65", &accept).by(STRANGER).await.refused(403, OVER).await;
        // The original lets its sender only.
        let path = fleet.invite(ADMIN, STRANGER, "viewer").await;
        fleet.delete("65", &path).by(OWNER).await.gives_nothing(204).await;
        let path = fleet.invite(ADMIN, STRANGER, "viewer").await;
        fleet.delete("65", &path).by(PLATFORM).await.gives_nothing(204).await;
        fleet.delete("65", "/invites/").by(ADMIN).await.refused(400, "missing invite ID").await;
        let nothing = format!("/invites/{NOTHING}");
        fleet.delete("65", &nothing).by(ADMIN).await.refused(404, NOT_FOUND).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r66_d25_of_accepting_and_revoking_one_succeeds() {
    for fleet in Fleet::both().await {
        for _ in 0..25 {
            let path = fleet.invite(ADMIN, STRANGER, "viewer").await;
            let (invitee, inviter) = (fleet.token(STRANGER, 0).await, fleet.token(ADMIN, 0).await);
            let accept = format!("{path}/accept");
            let (accepted, revoked) = tokio::join!(
                fleet.server.send(Method::POST, &accept, Some(&invitee), None),
                fleet.server.send(Method::DELETE, &path, Some(&inviter), None),
            );
            let outcome = (accepted.unwrap().status(), revoked.unwrap().status());
            let member = fleet.is_member(STRANGER).await;
            match (outcome.0.as_u16(), outcome.1.as_u16()) {
                (201, 403 | 409) => assert!(member),
                (403 | 409, 204) => assert!(!member),
                odd => unreachable!("{odd:?}"),
            }
            if member {
                let body = json!({ "member_ids": [id(STRANGER)] });
                let path = fleet.in_org("memberships");
                fleet.patch("66", &path).by(OWNER).await.json(&body).gives(204).await;
            }
        }
    }
}

#[tokio::test]
async fn r67_r68_invites_are_listed() {
    for fleet in Fleet::both().await {
        let path = fleet.invite(ADMIN, STRANGER, "viewer").await;
        fleet.invite(ADMIN, 8, "editor").await;
        let received = format!("/users/{}/invites/received", id(STRANGER));
        let sent = format!("/users/{}/invites/sent", id(ADMIN));
        let of_org = fleet.in_org("invites");
        let pending = format!("{received}?state=pending");
        let page = fleet.get("67", &pending).by(STRANGER).await.shows(200).await;
        assert_eq!((&page["total"], &page["state"]), (&json!(1), &json!("pending")), "{page}");
        assert_eq!(format!("/invites/{}", page["invites"][0]["id"].as_str().unwrap()), path);
        for (name, value) in [("direction", "desc"), ("dir", "desc"), ("order", "id")] {
            assert_eq!(page[name], value, "{page}");
        }
        fleet.get("67", &received).by(ADMIN).await.refused(403, FORBIDDEN).await;
        fleet.get("67", &sent).by(STRANGER).await.refused(403, FORBIDDEN).await;
        for (list, total) in [(&received, 1), (&sent, 2)] {
            let page = fleet.get("67", list).by(PLATFORM).await.shows(200).await;
            assert_eq!(page["total"], total);
        }
        for by in [EDITOR, VIEWER] {
            fleet.get("67", &of_org).by(by).await.refused(403, FORBIDDEN).await;
        }
        let unknown = format!("{received}?state=nonsense");
        let page = fleet.get("67", &unknown).by(STRANGER).await.shows(200).await;
        assert_eq!((&page["total"], &page["invites"]), (&json!(0), &json!([])));
        let odd = format!("{received}?order=name");
        let text = "invalid list order provided";
        fleet.get("D-41", &odd).by(STRANGER).await.refused(400, text).await;

        // A dormant one is seen by nobody, a disabled person without an address.
        let dormant = CreateDormantOrgInviteReq {
            token: fleet.token(ADMIN, 0).await,
            org_id: fleet.org.clone(),
            invitee_role: "viewer".to_owned(),
            platform_invite_id: NOTHING.to_owned(),
        };
        sibling(&fleet.server).await.create_dormant_org_invite(dormant).await.unwrap();
        fleet.users.disable(ADMIN);
        fleet.users.disable(8);
        for manner in [
            Manner::Well,
            Manner::Empty,
            Manner::Short,
            Manner::Reversed,
            Manner::Twice,
            Manner::WithStrangers,
            Manner::KnowsNobody,
        ] {
            fleet.users.behave(manner);
            for (list, by, total) in [(&of_org, OWNER, 2), (&sent, PLATFORM, 2)] {
                fleet.users.calls();
                let page = fleet.get("68, D-08, D-09, S-84", list).by(by).await.shows(200).await;
                assert_eq!(page["total"], total, "{manner:?} {page}");
                assert_eq!(fleet.users.calls(), 1, "D-34: one call a page");
                for invite in page["invites"].as_array().unwrap() {
                    assert_eq!(invite["inviter_email"], "", "{manner:?} {invite}");
                }
            }
            fleet.get("68, D-08", &path).by(OWNER).await.shows(200).await;
        }
        fleet.users.behave(Manner::Hangs);
        fleet.get("S-48", &of_org).by(OWNER).await.gives(503).await;
    }
}

#[tokio::test]
async fn r86_r87_dormant_invites_wait_and_are_activated() {
    for fleet in Fleet::both().await {
        let mut auth = sibling(&fleet.server).await;
        let platform_invite = "0192d3f0-7777-7abc-8def-000000000000";
        let dormant = async |by: u32, role: &str, org: &str| CreateDormantOrgInviteReq {
            token: fleet.token(by, 0).await,
            org_id: org.to_owned(),
            invitee_role: role.to_owned(),
            platform_invite_id: platform_invite.to_owned(),
        };
        for (by, role, org, code) in [
            (ADMIN, "owner", fleet.org.as_str(), Code::InvalidArgument),
            (ADMIN, "boss", &fleet.org, Code::InvalidArgument),
            (ADMIN, "", &fleet.org, Code::InvalidArgument),
            (ADMIN, "viewer", "", Code::InvalidArgument),
            (EDITOR, "viewer", &fleet.org, Code::PermissionDenied),
            (STRANGER, "viewer", &fleet.org, Code::NotFound),
        ] {
            let refused = auth.create_dormant_org_invite(dormant(by, role, org).await).await;
            assert_eq!(refused.unwrap_err().code(), code, "row 86, GO-13, D-10: {by} {role:?}");
        }
        for role in ["viewer", "editor"] {
            let asked = dormant(ADMIN, role, &fleet.org).await;
            auth.create_dormant_org_invite(asked).await.unwrap();
        }
        let activate = |invite: &str, number: u32, path: &str| ActivateOrgInviteReq {
            platform_invite_id: invite.to_owned(),
            user_id: id(number),
            redirect_path: path.to_owned(),
        };
        let unknown = activate(NOTHING, STRANGER, "/v");
        auth.activate_org_invite(unknown).await.expect("row 87: nothing waits for it");
        let ghost = auth.activate_org_invite(activate(platform_invite, 99, "/v")).await;
        assert_eq!(ghost.unwrap_err().code(), Code::NotFound, "row 87, D-06, D-88");
        let odd = auth.activate_org_invite(activate(platform_invite, STRANGER, "//evil")).await;
        assert_eq!(odd.unwrap_err().code(), Code::InvalidArgument, "S-59");
        for _ in 0..2 {
            // D-27: two for one org are no error, and neither is asking again.
            let asked = activate(platform_invite, STRANGER, "/v");
            auth.activate_org_invite(asked).await.unwrap();
        }
        let received = format!("/users/{}/invites/received?state=pending", id(STRANGER));
        let page = fleet.get("87", &received).by(STRANGER).await.shows(200).await;
        assert_eq!(page["total"], 1, "{page}");
        assert_eq!(page["invites"][0]["invitee_role"], "editor", "the stronger one stays");
        let path = format!("/invites/{}/accept", page["invites"][0]["id"].as_str().unwrap());
        fleet.post("87", &path).by(STRANGER).await.gives_nothing(201).await;
        assert!(fleet.is_member(STRANGER).await);
    }
}
