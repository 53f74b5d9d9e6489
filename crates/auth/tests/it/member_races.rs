//! R-26, S-38: whoever demotes, removes or gives away at the same moment, an org has one owner.

use auth_testkit::{Server, Setup};
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{embedded, found, get, identify, postgres};

const ROUNDS: u32 = 1_000;

/// Somebody who takes part.
struct Player {
    email: String,
    token: String,
    id: String,
}

struct Game {
    server: Server,
    root: String,
    org: String,
    players: Vec<Player>,
}

impl Game {
    async fn new(setup: Setup) -> Self {
        let server = setup.start().await.unwrap();
        let root = server.admin().await.unwrap();
        let mut players = Vec::new();
        for name in ["ada", "bob", "eve"] {
            let email = format!("{name}@example.com");
            let token = server.user(&email).await.unwrap();
            let id = identify(&server, &token).await.unwrap();
            players.push(Player { email, token, id });
        }
        let org = found(&server, &players[0].token, "acme").await;
        Self { server, root, org, players }
    }

    async fn send(&self, method: Method, rest: &str, token: &str, body: Value) -> u16 {
        let path = format!("/orgs/{}/{rest}", self.org);
        let answer = self.server.send(method, &path, Some(token), Some(&body)).await;
        answer.unwrap().status().as_u16()
    }

    async fn grant(&self, method: Method, token: &str, to: &Player, role: &str) -> u16 {
        let body = json!({ "org_memberships": [{ "email": to.email, "role": role }] });
        self.send(method, "memberships", token, body).await
    }

    async fn remove(&self, token: &str, whom: &Player) -> u16 {
        let body = json!({ "member_ids": [whom.id] });
        self.send(Method::PATCH, "memberships", token, body).await
    }

    async fn transfer(&self, token: &str, to: &Player) -> u16 {
        self.send(Method::PUT, "owner", token, json!({ "member_id": to.id })).await
    }

    /// The place of the one owner, whom the org names too.
    async fn owner(&self) -> usize {
        let path = format!("/orgs/{}/memberships?role=owner", self.org);
        let page: Value = get(&self.server, &path, &self.root).await.json().await.unwrap();
        assert_eq!(page["total"], 1, "{page}");
        let path = format!("/orgs/{}", self.org);
        let org: Value = get(&self.server, &path, &self.root).await.json().await.unwrap();
        assert_eq!(page["org_memberships"][0]["member_id"], org["owner_id"]);
        self.players.iter().position(|player| org["owner_id"] == player.id.as_str()).unwrap()
    }

    async fn play(&self, store: &str) {
        let mut moves = [0_u32; 2];
        for round in 0..ROUNDS {
            let owner = self.owner().await;
            let [chief, one, other] = [0, 1, 2].map(|n| &self.players[(owner + n) % 3]);
            for player in [one, other] {
                // Whoever was removed comes back, whoever was demoted rises again.
                if self.grant(Method::PUT, &self.root, player, "admin").await != 200 {
                    assert_eq!(self.grant(Method::POST, &self.root, player, "admin").await, 200);
                }
            }
            let outcomes = tokio::join!(
                self.transfer(&chief.token, one),
                self.transfer(&chief.token, other),
                self.grant(Method::PUT, &one.token, other, "viewer"),
                self.grant(Method::PUT, &other.token, chief, "viewer"),
                self.remove(&other.token, one),
            );
            let outcomes: [u16; 5] = outcomes.into();
            for status in outcomes {
                let told = [200, 204, 403, 404, 409].contains(&status);
                assert!(told, "{store}, round {round}: {outcomes:?}");
                moves[usize::from(status >= 400)] += 1;
            }
        }
        self.owner().await;
        assert!(moves.iter().all(|count| *count > ROUNDS / 2), "{store}: {moves:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r26_s38_d70_an_org_has_one_owner_after_a_thousand_races() {
    let (here, there) =
        tokio::join!(Game::new(embedded()), async { Game::new(postgres().await).await });
    tokio::join!(here.play("embedded"), there.play("postgres"));
}

#[tokio::test(flavor = "multi_thread")]
async fn d81_one_of_many_who_add_the_same_member_wins() {
    for (store, setup) in [("embedded", embedded()), ("postgres", postgres().await)] {
        let game = Game::new(setup).await;
        let [ada, bob] = [0, 1].map(|place| &game.players[place]);
        for round in 0..10 {
            let add = || game.grant(Method::POST, &ada.token, bob, "viewer");
            let mut outcomes: [u16; 5] = tokio::join!(add(), add(), add(), add(), add()).into();
            outcomes.sort_unstable();
            assert_eq!(outcomes, [200, 409, 409, 409, 409], "{store}, round {round}");
            assert_eq!(game.remove(&ada.token, bob).await, 204);
        }
    }
}
