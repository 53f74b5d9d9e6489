//! What was acknowledged, and whether it is there.

use auth_grpc::proto::Token;
use auth_grpc::proto::auth_service_client::AuthServiceClient;
use auth_testkit::Server;
use serde_json::Value;
use tonic::Code;

use super::{Facts, owner_of};
use crate::world::get;

/// What was acknowledged.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Keys by id and value that were made.
    pub(super) made: Vec<(String, String)>,
    /// Keys that were revoked.
    pub(super) revoked: Vec<String>,
    /// Keys whose revocation was asked for, and not acknowledged.
    pub(super) doubtful: Vec<String>,
    /// Orgs that were founded.
    pub(super) orgs: Vec<String>,
}

impl Ledger {
    /// Whatever was acknowledged is so for this server, and nothing is half done.
    pub(super) async fn compare(&self, facts: &Facts, server: &Server) {
        let Facts { ada, org, .. } = facts;
        let mut siblings = AuthServiceClient::connect(server.grpc_url()).await.unwrap();
        for (id, value) in &self.made {
            if self.doubtful.contains(id) {
                continue;
            }
            let said = siblings.identify(Token { value: value.clone() }).await;
            let revoked = self.revoked.contains(id);
            match said {
                Ok(_) => assert!(!revoked, "the revocation of {id} is lost"),
                Err(status) if status.code() == Code::Unauthenticated => {
                    assert!(revoked, "the key {id} is lost");
                }
                Err(status) => panic!("{status:?}"),
            }
        }
        let owns = |org: &str| owner_of(ada, org);
        siblings.authorize(owns(org)).await.unwrap();
        for org in &self.orgs {
            siblings
                .authorize(owns(org))
                .await
                .unwrap_or_else(|no| panic!("{org} is lost: {no:?}"));
        }
        // Lists go by membership and views by the org, so a half-founded one would be missing in one of them.
        let mut offset = 0;
        loop {
            let path = format!("/orgs?limit=200&offset={offset}");
            let page: Value = get(server, &path, ada).await.json().await.unwrap();
            let orgs = page["orgs"].as_array().unwrap();
            for org in orgs {
                let view =
                    get(server, &format!("/orgs/{}", org["id"].as_str().unwrap()), ada).await;
                assert_eq!(view.status(), 200, "{org} is half there");
            }
            offset += orgs.len();
            if orgs.is_empty() {
                let total = usize::try_from(page["total"].as_u64().unwrap()).unwrap();
                assert!(offset == total && total > self.orgs.len(), "{offset} of {total}");
                return;
            }
        }
    }
}
