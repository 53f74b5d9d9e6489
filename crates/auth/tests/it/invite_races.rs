//! R-26, S-51: whoever accepts, declines, revokes, removes, demotes or deletes at the same moment, an invite
//! ends once, and whoever is a member is so by it.

use std::sync::Arc;

use auth_testkit::{Server, Setup};
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{embedded, found, get, identify, postgres};

const ROUNDS: usize = 1_000;

/// Somebody who takes part.
struct Player {
    email: String,
    token: String,
    id: String,
}

struct Game {
    server: Server,
    root: String,
    owner: Player,
    inviter: Player,
    invitee: Player,
}

/// What happens at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    Accept,
    Decline,
    RevokeByInviter,
    RevokeByOwner,
    RemoveInviter,
    DemoteInviter,
    RemoveOrg,
}

impl Move {
    /// Whether it ends the invite if it succeeds.
    const fn ends_it(self) -> bool {
        matches!(self, Self::Accept | Self::Decline | Self::RevokeByInviter | Self::RevokeByOwner)
    }
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
        let mut players = players.into_iter();
        let mut next = || players.next().unwrap();
        Self { server, root, owner: next(), inviter: next(), invitee: next() }
    }

    async fn send(&self, method: Method, path: &str, token: &str, body: Option<Value>) -> u16 {
        let answer = self.server.send(method, path, Some(token), body.as_ref()).await;
        answer.unwrap().status().as_u16()
    }

    async fn grant(&self, method: Method, org: &str, role: &str) -> u16 {
        let grant = json!({ "email": self.inviter.email, "role": role });
        let path = format!("/orgs/{org}/memberships");
        self.send(method, &path, &self.owner.token, Some(json!({ "org_memberships": [grant] })))
            .await
    }

    async fn remove(&self, org: &str, whom: &Player) -> u16 {
        let path = format!("/orgs/{org}/memberships");
        let body = json!({ "member_ids": [whom.id] });
        self.send(Method::PATCH, &path, &self.owner.token, Some(body)).await
    }

    async fn make(&self, this: Move, org: &str, invite: &str) -> u16 {
        let (invitee, owner) = (&self.invitee.token, &self.owner.token);
        match this {
            Move::Accept => {
                self.send(Method::POST, &format!("{invite}/accept"), invitee, None).await
            }
            Move::Decline => {
                self.send(Method::POST, &format!("{invite}/decline"), invitee, None).await
            }
            Move::RevokeByInviter => {
                self.send(Method::DELETE, invite, &self.inviter.token, None).await
            }
            Move::RevokeByOwner => self.send(Method::DELETE, invite, owner, None).await,
            Move::RemoveInviter => self.remove(org, &self.inviter).await,
            Move::DemoteInviter => self.grant(Method::PUT, org, "viewer").await,
            Move::RemoveOrg => {
                self.send(Method::DELETE, &format!("/orgs/{org}"), owner, None).await
            }
        }
    }

    /// An org in which the inviter may invite and the invitee is nobody.
    async fn set_up(&self, org: Option<String>) -> String {
        let Some(org) = org else {
            let org = found(&self.server, &self.owner.token, "acme").await;
            assert_eq!(self.grant(Method::POST, &org, "admin").await, 200);
            return org;
        };
        self.remove(&org, &self.invitee).await;
        if self.grant(Method::PUT, &org, "admin").await != 200 {
            assert_eq!(self.grant(Method::POST, &org, "admin").await, 200);
        }
        org
    }

    async fn invite(&self, org: &str) -> String {
        let body =
            json!({ "email": self.invitee.email, "role": "editor", "redirect_path": "/invites" });
        let path = format!("/orgs/{org}/invites");
        let token = Some(&*self.inviter.token);
        let made = self.server.send(Method::POST, &path, token, Some(&body)).await.unwrap();
        assert_eq!(made.status(), 201);
        made.headers()["location"].to_str().unwrap().to_owned()
    }

    /// What became of the invite, if it is still there, and whether the invitee is a member.
    async fn look(&self, org: &str, invite: &str) -> Option<(String, bool)> {
        let shown = get(&self.server, invite, &self.root).await;
        if shown.status() == 404 {
            return None;
        }
        let shown: Value = shown.json().await.unwrap();
        let member = format!("/orgs/{org}/members/{}", self.invitee.id);
        let member = get(&self.server, &member, &self.root).await.status();
        assert!(member == 200 || member == 404, "{member}");
        Some((shown["state"].as_str().unwrap().to_owned(), member == 200))
    }
}

async fn play(game: Game, store: &str) {
    let game = Arc::new(game);
    let mut org = None;
    let mut won = [0_usize; 4];
    for round in 0..ROUNDS {
        let here = game.set_up(org.take()).await;
        let invite = game.invite(&here).await;
        let mut moves =
            vec![Move::Accept, Move::Decline, Move::RevokeByInviter, Move::RevokeByOwner];
        moves.push(match round % 5 {
            0 => Move::RemoveInviter,
            1 => Move::DemoteInviter,
            2 => Move::RemoveOrg,
            _ => Move::Accept,
        });
        // Whoever is asked first wins more often: everybody is first in their turn.
        let places = moves.len();
        moves.rotate_left(round / 5 % places);
        let made = moves.iter().map(|this| {
            let (game, this, org, invite) =
                (Arc::clone(&game), *this, here.clone(), invite.clone());
            tokio::spawn(async move { (this, game.make(this, &org, &invite).await) })
        });
        let made: Vec<_> = made.collect();
        let mut outcomes = Vec::new();
        for one in made {
            outcomes.push(one.await.unwrap());
        }
        let what = format!("{store}, round {round}: {outcomes:?}");
        let told = |status: &u16| [200, 201, 204, 403, 404, 409].contains(status);
        assert!(outcomes.iter().all(|(_, status)| told(status)), "{what}");
        let done = |(this, status): &&(Move, u16)| this.ends_it() && *status < 300;
        let winners: Vec<Move> = outcomes.iter().filter(done).map(|(this, _)| *this).collect();
        assert!(winners.len() <= 1, "{what}");
        if let Some(place) = winners.first().and_then(|this| {
            [Move::Accept, Move::Decline, Move::RevokeByInviter, Move::RevokeByOwner]
                .iter()
                .position(|other| other == this)
        }) {
            won[place] += 1;
        }
        let succeeded =
            |wanted| outcomes.iter().any(|(this, status)| *this == wanted && *status < 300);
        match game.look(&here, &invite).await {
            None => assert!(succeeded(Move::RemoveOrg), "{what}"),
            Some((state, is_member)) => {
                let expected = match winners.first() {
                    Some(Move::Accept) => "accepted",
                    Some(Move::Decline) => "declined",
                    Some(_) => "revoked",
                    // Whoever removes the inviter revokes.
                    None if succeeded(Move::RemoveInviter) => "revoked",
                    None => "one of them",
                };
                assert_eq!(state, expected, "{what}");
                assert_eq!(is_member, state == "accepted", "{what}");
                org = Some(here);
            }
        }
    }
    assert!(won.iter().all(|count| *count > ROUNDS / 100), "{store}: {won:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn d25_an_invite_ends_once_in_a_thousand_races() {
    let (here, there) =
        tokio::join!(Game::new(embedded()), async { Game::new(postgres().await).await });
    tokio::join!(play(here, "embedded"), play(there, "postgres"));
}
