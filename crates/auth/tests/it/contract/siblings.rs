//! Rows 74 to 85: what sibling services call.

use auth_grpc::proto::{
    AssignRoleReq, AuthorizeReq, IssueReq, OrgId, RetrieveRoleReq, Token, UserIdentity,
};
use auth_testkit::SECRET;
use serde_json::json;
use tonic::{Code, Status};

use super::everywhere::{claims, forge, now};
use super::{ADMIN, EDITOR, Fleet, NOTHING, OWNER, PLATFORM, STRANGER, VIEWER};
use crate::users::{email, id};
use crate::world::sibling;

impl Fleet {
    async fn identify(&self, token: &str) -> Result<UserIdentity, Status> {
        let token = Token { value: token.to_owned() };
        Ok(sibling(&self.server).await.identify(token).await?.into_inner())
    }

    async fn authorize(&self, by: u32, subject: &str, object: &str, action: &str) -> Code {
        let request = AuthorizeReq {
            token: self.token(by, 0).await,
            object: object.to_owned(),
            subject: subject.to_owned(),
            action: action.to_owned(),
        };
        match sibling(&self.server).await.authorize(request).await {
            Ok(_) => Code::Ok,
            Err(refused) => refused.code(),
        }
    }

    async fn issue(&self, id: &str, email: &str, kind: u32) -> Result<String, Status> {
        let issue = IssueReq { id: id.to_owned(), email: email.to_owned(), r#type: kind };
        Ok(sibling(&self.server).await.issue(issue).await?.into_inner().value)
    }
}

fn refusal<T: std::fmt::Debug>(answer: Result<T, Status>) -> (Code, String) {
    let status = answer.unwrap_err();
    (status.code(), status.message().to_owned())
}

#[tokio::test]
async fn r74_to_r79_tokens_are_issued_and_identified() {
    for fleet in Fleet::both().await {
        for kind in [0, 1] {
            let token = fleet.issue(&id(STRANGER), &email(STRANGER), kind).await.unwrap();
            let identity = fleet.identify(&token).await.unwrap();
            assert_eq!((identity.id, identity.email), (id(STRANGER), email(STRANGER)), "row 74");
            assert_eq!(identity.r#type, kind, "D-11: siblings can tell what they were shown");
        }
        let api = fleet.issue(&id(OWNER), &email(OWNER), 2).await;
        assert_eq!(api.unwrap_err().code(), Code::Unauthenticated, "row 75");
        let odd = fleet.issue(&id(OWNER), &email(OWNER), 32).await;
        assert_eq!(refusal(odd), (Code::InvalidArgument, "invalid auth key".to_owned()), "row 75");
        let nobody = fleet.issue(&id(OWNER), "", 0).await;
        assert_eq!(refusal(nobody), (Code::Unauthenticated, "missing email".to_owned()), "row 75");

        // Row 76: clients of v0.33 read the answer of Issue as the message whose field 1 is an id.
        let mut as_identity = tonic::client::Grpc::new(
            tonic::transport::Channel::from_shared(fleet.server.grpc_url()).unwrap().connect_lazy(),
        );
        as_identity.ready().await.unwrap();
        let issue = IssueReq { id: id(OWNER), email: email(OWNER), r#type: 0 };
        let codec = tonic_prost::ProstCodec::<IssueReq, UserIdentity>::default();
        let path = "/protomfx.AuthService/Issue".parse().unwrap();
        let answer = as_identity.unary(tonic::Request::new(issue), path, codec).await.unwrap();
        let token = answer.into_inner().id;
        assert_eq!(fleet.identify(&token).await.unwrap().id, id(OWNER), "row 76");

        let missing = "missing or invalid bearer user token".to_owned();
        assert_eq!(refusal(fleet.identify("").await), (Code::Unauthenticated, missing), "row 77");
        let with = |name: &str, value| {
            let mut claims = claims(60);
            claims[name] = value;
            forge(SECRET, &claims)
        };
        let none = {
            let signed = forge(SECRET, &claims(60));
            let rest = signed.split_once('.').unwrap().1;
            format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", rest.split_once('.').unwrap().0)
        };
        for (what, token) in [
            ("alg none", none),
            ("another secret", forge("another secret that is long enough for HMAC", &claims(60))),
            ("another issuer", with("iss", json!("mainflux.other"))),
            ("type 3", with("type", json!(3))),
            ("issued in the future", with("iat", json!(now() + 300))),
            ("expired", forge(SECRET, &claims(3700))),
            ("no expiry", with("exp", json!(null))),
            ("garbage", "garbage".to_owned()),
        ] {
            let refused = fleet.identify(&token).await.unwrap_err();
            assert_eq!(refused.code(), Code::Unauthenticated, "rows 78, 79: {what}");
        }
    }
}

#[tokio::test]
async fn r79_d14_an_expired_api_key_is_unauthenticated() {
    for fleet in Fleet::both().await {
        let body = json!({ "type": 2, "duration": 1 });
        let key = fleet.post("79", "/keys").by(OWNER).await.json(&body).shows(201).await;
        let value = key["value"].as_str().unwrap();
        let mut refused = None;
        let patience = std::time::Duration::from_secs(20);
        crate::world::eventually("the key ends", patience, async || {
            refused = fleet.identify(value).await.err();
            refused.is_some()
        })
        .await;
        let text = "use of expired API key";
        let told = (Code::Unauthenticated, text.to_owned());
        assert_eq!(refusal::<()>(Err(refused.unwrap())), told, "row 79");
        // Checks write nothing: its row goes with the next purge, and until then the answer is the same.
        fleet.get("79", "/orgs").with(value).refused(401, text).await;
    }
}

#[tokio::test]
async fn r80_to_r82_authorize_is_one_table() {
    for fleet in Fleet::both().await {
        let actions = ["owner", "admin", "editor", "viewer"];
        for (person, allowed) in
            [(PLATFORM, 4), (OWNER, 4), (ADMIN, 3), (EDITOR, 2), (VIEWER, 1), (STRANGER, 0)]
        {
            for (place, action) in actions.into_iter().enumerate() {
                let expected = if place + allowed >= 4 { Code::Ok } else { Code::PermissionDenied };
                let given = fleet.authorize(person, "org", &fleet.org, action).await;
                assert_eq!(given, expected, "rows 80 and 82: {person} {action}");
            }
        }
        for person in [OWNER, ADMIN, PLATFORM] {
            for action in ["", "foo", "Owner"] {
                let given = fleet.authorize(person, "org", &fleet.org, action).await;
                assert_eq!(given, Code::InvalidArgument, "D-67, GO-12: {action}");
            }
            let given = fleet.authorize(person, "orgs", &fleet.org, "viewer").await;
            assert_eq!(given, Code::InvalidArgument, "row 81");
        }
        assert_eq!(fleet.authorize(PLATFORM, "root", "", "").await, Code::Ok);
        assert_eq!(fleet.authorize(OWNER, "root", "", "").await, Code::PermissionDenied);
        for odd in [NOTHING, "zz", ""] {
            let given = fleet.authorize(OWNER, "org", odd, "viewer").await;
            assert_eq!(given, Code::PermissionDenied, "D-15, row 82: {odd}");
            let given = fleet.authorize(PLATFORM, "org", odd, "viewer").await;
            assert_eq!(given, Code::NotFound, "D-67: {odd}");
        }
    }
}

#[tokio::test]
async fn r83_to_r85_owners_and_platform_roles() {
    for fleet in Fleet::both().await {
        let mut auth = sibling(&fleet.server).await;
        for (value, code) in [
            (fleet.org.as_str(), Code::Ok),
            (NOTHING, Code::NotFound),
            ("zz", Code::NotFound),
            ("", Code::InvalidArgument),
        ] {
            let asked = || OrgId { value: value.to_owned() };
            let answers = [
                auth.get_owner_id_by_org_id(asked()).await,
                auth.get_owner_id_by_org(asked()).await,
            ];
            for answer in answers {
                match answer {
                    Ok(owner) => {
                        assert_eq!((Code::Ok, owner.into_inner().value), (code, id(OWNER)));
                    }
                    Err(refused) => assert_eq!(refused.code(), code, "row 83: {value}"),
                }
            }
        }
        let role = async |number| {
            let asked = RetrieveRoleReq { id: id(number) };
            let role = sibling(&fleet.server).await.retrieve_role(asked).await.unwrap();
            role.into_inner().role
        };
        assert_eq!(role(STRANGER).await, "", "row 84");
        for given in ["root", "root", "admin"] {
            let asked = AssignRoleReq { id: id(STRANGER), role: given.to_owned() };
            auth.assign_role(asked).await.unwrap();
            assert_eq!(role(STRANGER).await, given, "row 85, D-18");
        }
        for (id, role) in [("", "root"), ("zz", "root"), (NOTHING, ""), (NOTHING, "owner")] {
            let asked = AssignRoleReq { id: id.to_owned(), role: role.to_owned() };
            let refused = auth.assign_role(asked).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument, "D-16: {id} {role}");
        }
    }
}
