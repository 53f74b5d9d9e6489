//! Backup and restore of the whole service, and of the members of an org.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use auth_domain::backup::{Report, Rows, Sink, Source};
use auth_domain::change::Change;
use auth_domain::model::{
    Account, AccountStatus, EntityId, EntityType, GroupId, GroupRole, Invite, InviteState, KeyKind,
    Metadata, OrgId, OrgRole, PasswordHash, PlatformRole, UserId,
};
use auth_domain::ops::By;
use auth_domain::ops::backup::{Existing, Restore, TakeBackup};
use auth_domain::ops::group_members::{AssignMembers, UnassignMembers};
use auth_domain::ops::group_roles::{GrantGroupRole, RemoveGroupRole};
use auth_domain::ops::groups::{CreateGroup, Home, MoveGroup, RemoveGroup};
use auth_domain::ops::invites::RevokeInvite;
use auth_domain::ops::keys::RevokeKey;
use auth_domain::ops::members::{Batch, RemoveMembers};
use auth_domain::ops::orgs::RemoveOrgs;
use auth_domain::ops::roles::RemoveRole;
use auth_domain::ports::{ChangeLog, Invites, Keys, Memberships, Orgs, Standings};
use auth_domain::{Caller, Conflict, Entity, Error, Id, Invalid, Result};
use uuid::Uuid;

use crate::world::{World, user, world};

/// A document in memory, given out in parts of this size.
pub struct Text {
    bytes: Vec<u8>,
    at: usize,
    part: usize,
    rewinds: bool,
}

impl Text {
    pub fn new(text: &[u8]) -> Self {
        Self { bytes: text.to_vec(), at: 0, part: 7, rewinds: true }
    }

    fn once(text: &[u8]) -> Self {
        Self { rewinds: false, ..Self::new(text) }
    }
}

#[async_trait]
impl Source for Text {
    async fn read(&mut self) -> Result<Option<Vec<u8>>> {
        let end = (self.at + self.part).min(self.bytes.len());
        let part = self.bytes[self.at..end].to_vec();
        self.at = end;
        Ok((!part.is_empty()).then_some(part))
    }

    fn rewinds(&self) -> bool {
        self.rewinds
    }

    async fn rewind(&mut self) -> Result<()> {
        self.at = 0;
        Ok(())
    }
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

#[async_trait]
impl Sink<Vec<u8>> for Written {
    async fn write(&mut self, part: Vec<u8>) -> Result<()> {
        self.0.lock().unwrap().extend_from_slice(&part);
        Ok(())
    }
}

async fn backup_by(world: &World, caller: Caller, by: By, hashes: bool) -> Result<String> {
    let written = Written::default();
    let sink = Box::new(written.clone());
    world.app.execute(caller, TakeBackup { by, sink, password_hashes: hashes }).await?;
    Ok(String::from_utf8(written.0.lock().unwrap().clone()).unwrap())
}

async fn backup(world: &World) -> String {
    backup_by(world, Caller::System, By::Operator, true).await.unwrap()
}

fn plan(text: &str) -> Restore {
    let (by, existing) = (By::Operator, Existing::Skip);
    let source = Box::new(Text::new(text.as_bytes()));
    Restore { by, source, existing, revive: false, dry_run: false }
}

async fn restore(world: &World, plan: Restore) -> Result<Report> {
    world.app.execute(Caller::System, plan).await
}

/// The document without what says when and where it was taken, and its seal.
fn content(text: &str) -> &str {
    let from = text.find(",\"orgs\":").unwrap();
    &text[from..text.rfind(",\"mac\":").unwrap()]
}

/// Groups of somebody, each below the one named before it.
/// A chain of groups with these names.
async fn grow<const N: usize>(
    world: &World,
    by: u128,
    home: Home,
    names: [&str; N],
) -> [GroupId; N] {
    let mut groups: Vec<GroupId> = Vec::new();
    for name in names {
        let home = match groups.last() {
            Some(parent) => Home::Below(*parent, None),
            None => home,
        };
        let (name, description) = (name.parse().unwrap(), "of \"pumps\"".parse().unwrap());
        let made = CreateGroup { home, name, description, metadata: Metadata::default() };
        groups.push(world.as_user(by, made).await.unwrap().id);
    }
    groups.try_into().unwrap()
}

async fn assign(world: &World, by: u128, group: GroupId, kind: &str, member: &str) {
    let kind = EntityType::stored(kind.into());
    let members = Batch::new(vec![EntityId::stored(member.into())]).unwrap();
    world.as_user(by, AssignMembers { group, kind, members }).await.unwrap();
}

async fn give(world: &World, by: u128, group: GroupId, user: UserId) {
    let role = GroupRole::Editor;
    world.as_user(by, GrantGroupRole { group, user, role }).await.unwrap();
}

/// An org with two members, an API key, roles, an account, an invite and groups.
async fn inhabited() -> (World, OrgId) {
    let world = world().await;
    let org = world.org(7, "Acme \"&\" <sons>").await;
    world.join(org, 8, OrgRole::Admin).await;
    world.join(org, 9, OrgRole::Viewer).await;
    world.promote(7, PlatformRole::Root).await;
    world.promote(5, PlatformRole::Admin).await;
    world.key(7, Some(60)).await;
    let at = auth_domain::Timestamp::from_micros(1_600_000_000_123_456);
    world
        .commit(Change::InsertAccount(Account {
            id: user(7),
            email: "seven@example.com".parse().unwrap(),
            password: PasswordHash::new("plain:password7".into()),
            email_verified_at: Some(at),
            status: AccountStatus::Enabled,
            metadata: Metadata::from_value(serde_json::json!({"a": [1, "x"]})).unwrap(),
            created_at: at,
            updated_at: at,
        }))
        .await
        .unwrap();
    let invite = Invite {
        id: Id::new(Uuid::from_u128(70)),
        org,
        inviter: user(8),
        invitee: Some(user(20)),
        role: OrgRole::Editor,
        state: InviteState::Pending,
        created_at: at,
        expires_at: at,
    };
    let gone =
        Invite { id: Id::new(Uuid::from_u128(71)), state: InviteState::Declined, ..invite.clone() };
    world.commit(Change::InsertRows(Rows::Invites(vec![invite, gone]))).await.unwrap();
    let [root, leaf] = grow(&world, 7, Home::Org(org), ["root", "leaf"]).await;
    grow(&world, 7, Home::Own, ["own"]).await;
    assign(&world, 7, leaf, "things", "a thing").await;
    assign(&world, 7, root, "users", &user(9).to_string()).await;
    give(&world, 7, root, user(8)).await;
    (world, org)
}

#[tokio::test]
async fn r39_a_backup_restored_into_an_empty_system_gives_the_same_backup() {
    let (source, _) = inhabited().await;
    let text = backup(&source).await;
    let target = world().await;
    let report = restore(&target, plan(&text)).await.unwrap();
    assert_eq!((report.created(), report.left_out()), (16, 0));
    // It was taken elsewhere, so what was taken away there since cannot be known.
    assert_eq!(report.warnings.len(), 1, "{report:?}");
    assert_eq!(content(&backup(&target).await), content(&text));
    assert!(target.facts().await.ends_with(&["group_role.assign".into(), "backup.restore".into()]));
}

#[tokio::test]
async fn r39_a_repeated_restore_changes_nothing() {
    let (world, _) = inhabited().await;
    let text = backup(&world).await;
    let before = world.store.revision().await.unwrap();
    let report = restore(&world, plan(&text)).await.unwrap();
    assert_eq!(report.created(), 0);
    assert_eq!(report.counts.iter().map(|counts| counts.unchanged).sum::<u64>(), 16);
    assert_eq!(report.warnings, Vec::<String>::new());
    assert_eq!(world.store.revision().await.unwrap(), before);
    let refused = Restore { existing: Existing::Refuse, ..plan(&text) };
    let refused = restore(&world, refused).await;
    assert!(matches!(refused, Err(Error::AlreadyExists(Entity::Org))), "{refused:?}");
}

#[tokio::test]
async fn s98_a_changed_document_is_refused_and_nothing_is_written() {
    let (source, _) = inhabited().await;
    let text = backup(&source).await.into_bytes();
    let target = world().await;
    let last = text.len() - 1;
    for at in (0..last).step_by(13).chain([0, 1, 26, 27, last - 1, last - 10, last - 74]) {
        let mut changed = text.clone();
        changed[at] ^= 1;
        for source in [Text::new(&changed), Text::once(&changed)].map(Box::new) {
            let outcome = restore(&target, Restore { source, ..plan("") }).await;
            // Where the beginning was changed it is not even taken for one of ours.
            let seal = matches!(outcome, Err(Error::Invalid(Invalid::BackupSeal)));
            assert!(
                seal || at < 27 && matches!(outcome, Err(Error::Invalid(_))),
                "{at} {outcome:?}"
            );
        }
    }
    for cut in [1, 50, text.len() / 2, last - 1] {
        for source in [Text::new(&text[..cut]), Text::once(&text[..cut])].map(Box::new) {
            let outcome = restore(&target, Restore { source, ..plan("") }).await;
            assert!(matches!(outcome, Err(Error::Invalid(_))), "{cut} {outcome:?}");
        }
    }
    assert_eq!(target.store.revision().await.unwrap(), 0);
    restore(&target, Restore { source: Box::new(Text::once(&text)), ..plan("") }).await.unwrap();
}

#[tokio::test]
async fn s98_without_a_seal_only_the_originals_lists_are_taken() {
    let world = world().await;
    let roles =
        format!("{{\"platform_roles\":[{{\"user_id\":\"{}\",\"role\":\"root\"}}]}}", user(1));
    for odd in
        [roles.as_str(), "{\"orgs\":[],\"keys\":[]}", "{\"mac\":\"\"}", "{\"accounts\":null}"]
    {
        let outcome = restore(&world, plan(odd)).await;
        assert!(matches!(outcome, Err(Error::Invalid(Invalid::BackupSeal))), "{odd} {outcome:?}");
    }
    assert_eq!(world.store.revision().await.unwrap(), 0);
}

#[tokio::test]
async fn r40_what_was_taken_away_since_stays_away_unless_it_is_asked_for() {
    let (world, org) = inhabited().await;
    let key = world.key(8, None).await.key.id;
    let text = backup(&world).await;
    let gone = Batch::new(vec![user(8), user(9)]).unwrap();
    world.as_user(7, RemoveMembers { org, members: gone }).await.unwrap();
    world.as_user(8, RevokeKey { id: key }).await.unwrap();
    world.as_user(7, RemoveRole { user: user(5) }).await.unwrap();
    // The org goes and comes back; who left before it went does not.
    world.as_user(7, RemoveOrgs { ids: vec![org] }).await.unwrap();

    let dry = restore(&world, Restore { dry_run: true, ..plan(&text) }).await.unwrap();
    assert!(world.store.org(org).await.unwrap().is_none());
    let report = restore(&world, plan(&text)).await.unwrap();
    assert_eq!(Report { dry_run: false, ..dry }, report);
    assert_eq!(report.warnings, Vec::<String>::new());
    let [orgs, memberships, invites, _, keys, roles, _, groups, in_groups, group_roles] =
        &report.counts;
    assert_eq!((orgs.created, memberships.created, memberships.left_out), (1, 1, 2));
    assert_eq!(memberships.named, [format!("{org}/{}", user(8)), format!("{org}/{}", user(9))]);
    // The open invite of somebody who left goes with them; history stays.
    assert_eq!((invites.created, invites.left_out), (1, 1));
    assert_eq!((keys.left_out, roles.left_out), (1, 1));
    // Groups come back with their org, without who left it.
    assert_eq!((groups.created, groups.unchanged, groups.left_out), (2, 1, 0));
    assert_eq!((in_groups.created, in_groups.left_out), (1, 1));
    assert_eq!((group_roles.created, group_roles.left_out), (0, 1));
    assert!(world.store.membership(org, user(8)).await.unwrap().is_none());
    assert!(world.store.key(user(8), key).await.unwrap().is_none());

    let report = restore(&world, Restore { revive: true, ..plan(&text) }).await.unwrap();
    assert_eq!((report.created(), report.left_out()), (7, 0));
    assert!(world.store.membership(org, user(8)).await.unwrap().is_some());
    assert!(world.store.key(user(8), key).await.unwrap().is_some());
    let standing = world.store.standing(user(5), None).await.unwrap();
    assert_eq!(standing.platform, Some(PlatformRole::Admin));
}

#[tokio::test]
async fn r40_an_invite_that_was_revoked_does_not_come_back_with_its_org() {
    let (world, org) = inhabited().await;
    let expires_at = auth_domain::Timestamp::from_seconds(4_000_000_000);
    let open = |number: u128| Invite {
        id: Id::new(Uuid::from_u128(number)),
        org,
        inviter: user(7),
        invitee: Some(user(number)),
        role: OrgRole::Admin,
        state: InviteState::Pending,
        created_at: auth_domain::Timestamp::from_seconds(1_600_000_000),
        expires_at,
    };
    let (revoked, kept) = (open(80), open(81));
    let rows = Rows::Invites(vec![revoked.clone(), kept.clone()]);
    world.commit(Change::InsertRows(rows)).await.unwrap();
    let text = backup(&world).await;
    world.as_user(7, RevokeInvite { id: revoked.id }).await.unwrap();
    world.as_user(7, RemoveOrgs { ids: vec![org] }).await.unwrap();
    let report = restore(&world, plan(&text)).await.unwrap();
    let invites = &report.counts[2];
    assert_eq!((invites.left_out, &invites.named), (1, &vec![revoked.id.to_string()]));
    assert!(world.store.invite(revoked.id).await.unwrap().is_none());
    assert_eq!(world.store.invite(kept.id).await.unwrap().unwrap().invite, kept);
    restore(&world, Restore { revive: true, ..plan(&text) }).await.unwrap();
    assert_eq!(world.store.invite(revoked.id).await.unwrap().unwrap().invite, revoked);
}

#[tokio::test]
async fn r40_what_was_taken_from_groups_since_stays_away_unless_it_is_asked_for() {
    let (world, org) = inhabited().await;
    let tree = grow(&world, 7, Home::Org(org), ["one", "two", "three", "four"]).await;
    let other = grow(&world, 7, Home::Org(org), ["other", "moved", "below"]).await;
    let kept = grow(&world, 7, Home::Own, ["kept"]).await[0];
    world.account(8, "user8@example.com").await;
    for (group, thing) in [(tree[3], "gone"), (kept, "taken"), (kept, "left")] {
        assign(&world, 7, group, "things", thing).await;
    }
    for group in [tree[2], kept] {
        give(&world, 7, group, user(8)).await;
    }
    let text = backup(&world).await;
    // One goes with what it was moved to; what lay below either goes along.
    world.as_user(7, MoveGroup { id: other[1], parent: Some(tree[1]) }).await.unwrap();
    world.as_user(7, RemoveGroup { id: tree[1], subtree: true }).await.unwrap();
    let members = Batch::new(vec![EntityId::stored("taken".into())]).unwrap();
    world.as_user(7, UnassignMembers { group: kept, members }).await.unwrap();
    world.as_user(7, RemoveGroupRole { group: kept, user: user(8) }).await.unwrap();

    let report = restore(&world, plan(&text)).await.unwrap();
    assert_eq!(report.created(), 0, "{report:?}");
    let [.., groups, members, roles] = &report.counts;
    let mut expected: Vec<_> =
        [&tree[1..], &other[1..]].concat().iter().map(ToString::to_string).collect();
    let mut named = groups.named.clone();
    expected.sort_unstable();
    named.sort_unstable();
    assert_eq!(named, expected);
    let mut gone = members.named.clone();
    gone.sort_unstable();
    assert_eq!(gone, [format!("{}/gone", tree[3]), format!("{kept}/taken")]);
    let mut taken = roles.named.clone();
    taken.sort_unstable();
    assert_eq!(taken, [format!("{}/{}", tree[2], user(8)), format!("{kept}/{}", user(8))]);

    restore(&world, Restore { revive: true, ..plan(&text) }).await.unwrap();
    assert_eq!(content(&backup(&world).await), content(&text));
}

#[tokio::test]
async fn s41_whoever_left_and_joined_again_gets_no_part_in_groups_back() {
    let (world, org) = inhabited().await;
    let text = backup(&world).await;
    let gone = Batch::new(vec![user(8), user(9)]).unwrap();
    world.as_user(7, RemoveMembers { org, members: gone }).await.unwrap();
    world.join(org, 8, OrgRole::Admin).await;
    world.join(org, 9, OrgRole::Viewer).await;
    // The clock stands still, so their memberships are the same to the letter.
    let report = restore(&world, plan(&text)).await.unwrap();
    let [.., members, roles] = &report.counts;
    assert_eq!((members.left_out, roles.left_out), (1, 1), "{report:?}");
}

#[tokio::test]
async fn r40_who_left_stays_away_also_for_documents_without_a_seal() {
    let (world, org) = inhabited().await;
    let member = |number| {
        format!("{{\"org_id\":\"{org}\",\"member_id\":\"{}\",\"role\":\"viewer\"}}", user(number))
    };
    let text = format!("{{\"org_memberships\":[{},{}]}}", member(9), member(30));
    let gone = Batch::new(vec![user(9)]).unwrap();
    world.as_user(7, RemoveMembers { org, members: gone }).await.unwrap();
    let report = restore(&world, plan(&text)).await.unwrap();
    assert_eq!((report.counts[1].created, report.counts[1].left_out), (1, 1));
    assert!(world.store.membership(org, user(9)).await.unwrap().is_none());
    assert!(world.store.membership(org, user(30)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_stored_row_that_differs_stops_all_of_it() {
    let (world, org) = inhabited().await;
    let text = backup(&world).await;
    world
        .as_user(7, RemoveMembers { org, members: Batch::new(vec![user(9)]).unwrap() })
        .await
        .unwrap();
    let role = OrgRole::Editor;
    let at = auth_domain::Timestamp::from_seconds(1_700_000_100);
    world.commit(Change::UpdateMembership { org, member: user(8), role, at }).await.unwrap();
    let before = world.store.revision().await.unwrap();
    let outcome = restore(&world, Restore { revive: true, ..plan(&text) }).await;
    assert!(matches!(outcome, Err(Error::Conflict(Conflict::Differs))), "{outcome:?}");
    assert_eq!(world.store.revision().await.unwrap(), before);
}

#[tokio::test]
async fn an_address_of_somebody_else_is_said_to_be_taken() {
    let (source, _) = inhabited().await;
    let text = backup(&source).await;
    let target = world().await;
    let at = target.app.store().revision().await.map(auth_domain::Timestamp::from_seconds).unwrap();
    let account = Account {
        id: user(99),
        email: "Seven@Example.com".parse().unwrap(),
        password: PasswordHash::unusable(),
        email_verified_at: None,
        status: AccountStatus::Enabled,
        metadata: Metadata::default(),
        created_at: at,
        updated_at: at,
    };
    target.commit(Change::InsertAccount(account)).await.unwrap();
    let outcome = restore(&target, plan(&text)).await;
    assert!(matches!(outcome, Err(Error::Conflict(Conflict::AddressTaken))), "{outcome:?}");
    assert_eq!(target.store.revision().await.unwrap(), 1);
}

fn org(number: u128, more: &str) -> String {
    format!("{{\"id\":\"{}\",\"name\":\"n\",\"owner_id\":\"{}\"{more}}}", user(number), user(7))
}

fn member(org: u128, number: u128, role: &str) -> String {
    format!(
        "{{\"org_id\":\"{}\",\"member_id\":\"{}\",\"role\":\"{role}\"}}",
        user(org),
        user(number)
    )
}

fn plain(orgs: &[String], members: &[String]) -> String {
    format!("{{\"org_memberships\":[{}],\"orgs\":[{}]}}", members.join(","), orgs.join(","))
}

#[tokio::test]
async fn d24_d49_a_document_without_a_seal_is_taken_whole_or_not_at_all() {
    let world = world().await;
    let good = org(1, "");
    for (odd, why) in [
        (plain(&[good.clone(), org(2, ",\"created_at\":\"0001-01-01T00:00:00Z\"")], &[]), "year 1"),
        (plain(&[good.clone(), org(2, ",\"updated_at\":\"2999-01-01T00:00:00Z\"")], &[]), "future"),
        (
            plain(&[good.clone(), org(2, ",\"created_at\":\"2024-05-16 16:05:01\"")], &[]),
            "no moment",
        ),
        (plain(&[good.clone(), org(2, ",\"metadata\":[]")], &[]), "metadata"),
        (plain(&[good.clone(), org(2, "").replace("\"n\"", "\"\"")], &[]), "no name"),
        (plain(&[good.clone(), org(2, "").replace("\"n\"", "\"a\\u0007b\"")], &[]), "bell"),
        (plain(&[good.clone(), org(0, "")], &[]), "nil id"),
        (plain(&[good.clone(), good.clone()], &[]), "twice"),
        (plain(std::slice::from_ref(&good), &[member(1, 9, "superuser")]), "role"),
        (plain(std::slice::from_ref(&good), &[member(1, 9, "")]), "no role"),
        (plain(std::slice::from_ref(&good), &[member(1, 9, "owner")]), "second owner"),
        (plain(std::slice::from_ref(&good), &[member(1, 7, "admin")]), "owner as less"),
        (
            plain(std::slice::from_ref(&good), &[member(1, 9, "viewer"), member(1, 9, "editor")]),
            "member twice",
        ),
        (good.clone(), "no lists"),
        ("{\"orgs\":[],\"orgs\":[]}".into(), "list twice"),
        ("{\"Orgs\":[]}".into(), "case"),
        ("{\"orgs\":{}}".into(), "no list"),
        ("{}".into(), "empty"),
        ("{\"orgs\":null,\"org_memberships\":[]}".into(), "empty lists"),
        ("[]".into(), "no object"),
        ("{} {}".into(), "two documents"),
        (String::new(), "nothing"),
    ] {
        let outcome = restore(&world, plan(&odd)).await;
        assert!(matches!(outcome, Err(Error::Invalid(_))), "{why} {outcome:?}");
    }
    let lost = plain(std::slice::from_ref(&good), &[member(2, 9, "viewer")]);
    let outcome = restore(&world, plan(&lost)).await;
    assert!(matches!(outcome, Err(Error::NotFound(Entity::Org))), "{outcome:?}");
    assert_eq!(world.store.revision().await.unwrap(), 0);
}

#[tokio::test]
async fn s38_d70_an_org_that_is_restored_has_its_owner_and_no_other() {
    let world = world().await;
    let text = plain(&[org(1, ""), org(2, "")], &[member(1, 7, "owner"), member(1, 9, "editor")]);
    let report = restore(&world, plan(&text)).await.unwrap();
    assert_eq!((report.counts[0].created, report.counts[1].created), (2, 3));
    assert_eq!(report.warnings.len(), 1, "{report:?}");
    for org in [1, 2] {
        let found = world.store.membership(Id::new(user(org).uuid()), user(7)).await.unwrap();
        assert_eq!(found.unwrap().role, OrgRole::Owner);
    }
    // No owner by a side door, not even with a membership alone.
    let outcome = restore(&world, plan(&plain(&[], &[member(1, 8, "owner")]))).await;
    assert!(matches!(outcome, Err(Error::Invalid(Invalid::Row { .. }))), "{outcome:?}");
}

#[tokio::test]
async fn s37_nobody_restores_a_platform_role_that_they_may_not_give() {
    let (source, _) = inhabited().await;
    let text = backup(&source).await;
    let target = world().await;
    target.promote(40, PlatformRole::Admin).await;
    target.promote(41, PlatformRole::Root).await;
    let by = || Restore { by: By::Platform, ..plan(&text) };
    let outcome = target.as_user(40, by()).await;
    assert!(matches!(outcome, Err(Error::Forbidden)), "{outcome:?}");
    assert_eq!(target.store.revision().await.unwrap(), 2);
    target.as_user(41, by()).await.unwrap();
    let standing = target.store.standing(user(7), None).await.unwrap();
    assert_eq!(standing.platform, Some(PlatformRole::Root));
}

#[tokio::test]
async fn s97_d50_only_a_platform_role_with_a_login_token_takes_or_restores_backups() {
    let (world, _) = inhabited().await;
    let key = world.key(7, None).await;
    let recovery = world.token(7, KeyKind::Recovery);
    let refused = [
        ("stranger", Caller::Bearer(world.token(9, KeyKind::Login))),
        ("key", Caller::Bearer(key.token)),
        ("recovery", Caller::Bearer(recovery)),
        ("nobody", Caller::Anonymous),
        ("sibling", Caller::Service("users".into())),
    ];
    let before = world.store.revision().await.unwrap();
    for (who, caller) in refused {
        let outcome = backup_by(&world, caller.clone(), By::Platform, false).await;
        assert!(matches!(outcome, Err(Error::Forbidden | Error::Unauthenticated(_))), "{who}");
        let outcome = world.app.execute(caller, Restore { by: By::Platform, ..plan("{}") }).await;
        assert!(matches!(outcome, Err(Error::Forbidden | Error::Unauthenticated(_))), "{who}");
    }
    assert_eq!(world.store.revision().await.unwrap(), before);
    let caller = Caller::Bearer(world.token(5, KeyKind::Login));
    // Nobody gets password hashes over the wire, even if the transport were to ask.
    let text = backup_by(&world, caller, By::Platform, true).await.unwrap();
    assert!(text.contains("seven@example.com") && !text.contains("password"), "{text}");
}

#[tokio::test]
async fn accounts_come_back_without_a_password_if_the_backup_has_none() {
    let (source, _) = inhabited().await;
    let text = backup_by(&source, Caller::System, By::Operator, false).await.unwrap();
    let target = world().await;
    let report = restore(&target, plan(&text)).await.unwrap();
    assert!(report.warnings.iter().any(|warning| warning.contains("password")), "{report:?}");
    // And what was restored is the same as what is in the backup.
    assert_eq!(restore(&target, plan(&text)).await.unwrap().created(), 0);
    assert_eq!(restore(&source, plan(&text)).await.unwrap().created(), 0);
}

#[tokio::test]
async fn s35_nothing_is_restored_that_is_too_much() {
    let world = world().await;
    world.promote(1, PlatformRole::Root).await;
    let members: Vec<String> = (10..10_011).map(|number| member(1, number, "viewer")).collect();
    let text = plain(&[org(1, "")], &members[..10_000]);
    let by = |text: &str| {
        let source = Box::new(Text { part: 50_000, ..Text::new(text.as_bytes()) });
        Restore { by: By::Platform, source, ..plan("") }
    };
    let outcome = world.as_user(1, by(&text)).await;
    assert!(matches!(outcome, Err(Error::Invalid(Invalid::TooManyRows))), "{outcome:?}");
    assert_eq!(world.store.revision().await.unwrap(), 1);
    let text = plain(&[org(1, "")], &members[..9_999]);
    world.as_user(1, by(&text)).await.unwrap();
    let all = world.store.records(1, 20_000).await.unwrap();
    // The org, its members, the owner who was not in the document, and that it was restored.
    assert_eq!(all.len(), 1 + 9_999 + 1 + 1);
    assert!(all.iter().all(|record| record.revision == 2));
    let ordinals: Vec<i32> = all.iter().map(|record| record.ordinal).collect();
    assert_eq!(ordinals, (0..i32::try_from(all.len()).unwrap()).collect::<Vec<_>>());
    // The operator is bound by no limit.
    let text = plain(
        &[org(2, "")],
        &members
            .iter()
            .map(|row| row.replace(&user(1).to_string(), &user(2).to_string()))
            .collect::<Vec<_>>(),
    );
    let source = Box::new(Text { part: 50_000, ..Text::new(text.as_bytes()) });
    restore(&world, Restore { source, ..plan("") }).await.unwrap();
}
