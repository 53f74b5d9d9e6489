//! `UsersService`.

use auth_domain::model::AccountStatus;
use auth_grpc::proto::users_service_client::UsersServiceClient;
use auth_grpc::{Options, Trust, proto};
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::world::{World, refused, trusting, user, world, world_with};

/// Users 1 to 4, whose addresses are in the opposite order of their ids; 4 is disabled.
async fn peopled() -> World {
    let world = world().await;
    world.account(1, "Dora@example.com", AccountStatus::Enabled).await;
    world.account(2, "carl@example.com", AccountStatus::Enabled).await;
    world.account(3, "Bea@other.org", AccountStatus::Enabled).await;
    world.account(4, "abe@example.com", AccountStatus::Disabled).await;
    world
}

fn id(number: u128) -> String {
    user(number).to_string()
}

async fn by_ids(
    users: &mut UsersServiceClient<Channel>,
    ids: Vec<String>,
    page_metadata: Option<proto::PageMetadata>,
) -> Result<(Vec<u128>, proto::PageMetadata), Status> {
    let request = proto::UsersByIDsReq { ids, page_metadata };
    let found = users.get_users_by_i_ds(request).await?.into_inner();
    assert!(found.users.iter().all(|user| user.status == "enabled"), "{found:?}");
    Ok((numbers(&found.users), found.page_metadata.unwrap()))
}

fn numbers(users: &[proto::User]) -> Vec<u128> {
    let number = |user: &proto::User| user.id.parse::<uuid::Uuid>().unwrap().as_u128();
    users.iter().map(number).collect()
}

async fn by_emails(
    users: &mut UsersServiceClient<Channel>,
    emails: &[&str],
) -> Result<Vec<u128>, Status> {
    let emails = emails.iter().map(|email| (*email).to_owned()).collect();
    let found = users.get_users_by_emails(proto::UsersByEmailsReq { emails }).await?.into_inner();
    assert_eq!(found.page_metadata, None);
    Ok(numbers(&found.users))
}

#[tokio::test]
async fn row_27a_users_are_found_by_id() {
    let mut users = peopled().await.users().await;
    let mut find = async |ids: Vec<String>| by_ids(&mut users, ids, None).await;
    let found = |total| proto::PageMetadata { total, ..Default::default() };

    assert_eq!(find(vec![id(9)]).await.unwrap(), (vec![], found(0)));
    assert_eq!(find(vec![id(2), id(2), id(9)]).await.unwrap(), (vec![2], found(1)));
    assert_eq!(find(vec![id(4)]).await.unwrap(), (vec![], found(0)));
    let spelt = vec![id(1).to_uppercase(), id(3).replace('-', ""), format!("{{{}}}", id(2))];
    assert_eq!(find(spelt).await.unwrap(), (vec![3, 2, 1], found(3)));

    let answer = find(vec![]).await;
    refused(answer, Code::InvalidArgument, "missing user id", "missing_user_id");
    let malformed = "malformed entity specification : ids must be UUIDs";
    for odd in ["zz", "", "a\0b", "') or 1=1 --"] {
        let answer = find(vec![id(1), odd.into()]).await;
        refused(answer, Code::InvalidArgument, malformed, "malformed");
    }
}

#[tokio::test]
async fn row_27b_they_can_be_ordered_paged_and_filtered() {
    let mut users = peopled().await.users().await;
    let all = || (1..=4).map(id).collect();
    let page = |order: &str, dir: &str, offset, limit, email: &str| proto::PageMetadata {
        total: 0,
        offset,
        limit,
        email: email.into(),
        order: order.into(),
        dir: dir.into(),
    };
    for (page, expected, total) in [
        (page("email", "asc", 1, 2, ""), vec![2, 1], 3),
        (page("email", "asc", 0, 0, ""), vec![3, 2, 1], 3),
        (page("email", "desc", 0, 1, ""), vec![1], 3),
        (page("id", "asc", 0, 0, ""), vec![1, 2, 3], 3),
        // Orders and directions that do not exist mean the default.
        (page("name", "ASC", 0, 0, ""), vec![3, 2, 1], 3),
        (page("", "", 0, 0, ""), vec![3, 2, 1], 3),
        // No limit still honours the offset.
        (page("id", "asc", 2, 0, ""), vec![3], 3),
        (page("id", "asc", 3, 0, ""), vec![], 3),
        (page("id", "asc", u64::MAX, u64::MAX, ""), vec![], 3),
        (page("id", "asc", 0, u64::MAX, "EXAMPLE"), vec![1, 2], 2),
        (page("id", "asc", 0, 0, "%"), vec![], 0),
        (page("id", "asc", 0, 0, "_"), vec![], 0),
    ] {
        let sent = proto::PageMetadata { total: 77, ..page.clone() };
        let (found, echoed) = by_ids(&mut users, all(), Some(sent)).await.unwrap();
        assert_eq!(found, expected, "{page:?}");
        assert_eq!(echoed, proto::PageMetadata { total, ..page });
    }
    for (email, text, code) in [
        (
            "a\0b".to_owned(),
            "malformed entity specification : email must not contain NUL",
            "malformed",
        ),
        ("a".repeat(255), "invalid email size", "invalid_email_size"),
    ] {
        let answer = by_ids(&mut users, all(), Some(page("", "", 0, 0, &email))).await;
        refused(answer, Code::InvalidArgument, text, code);
    }
}

#[tokio::test]
async fn row_28_users_are_found_by_address_in_the_order_asked() {
    let mut users = peopled().await.users().await;
    let mut find = async |emails: &[&str]| by_emails(&mut users, emails).await;
    let (carl, dora) = ("carl@example.com", "dora@EXAMPLE.com");
    assert_eq!(find(&[carl, dora, carl]).await.unwrap(), [2, 1, 2]);
    for odd in ["nobody@example.com", "abe@example.com", "", "no address", "a@b@c"] {
        let answer = find(&[carl, odd]).await;
        refused(answer, Code::NotFound, "entity not found", "not_found");
    }
    refused(find(&[]).await, Code::InvalidArgument, "missing email", "missing_email");
    let malformed = "malformed entity specification : email must not contain NUL";
    let answer = find(&["a\0@example.com"]).await;
    refused(answer, Code::InvalidArgument, malformed, "malformed");
}

#[tokio::test]
async fn one_call_looks_up_a_thousand_at_most() {
    let mut users = peopled().await.users().await;
    let (found, page) = by_ids(&mut users, (1..=1000).map(id).collect(), None).await.unwrap();
    assert_eq!((found, page.total), (vec![3, 2, 1], 3));
    let answer = by_ids(&mut users, (1..=1001).map(id).collect(), None).await.unwrap_err();
    assert_eq!(answer.code(), Code::InvalidArgument);
    assert_eq!(answer.metadata().get("code").unwrap(), "list_too_long");
    let answer = by_emails(&mut users, &["a@b.io"; 1001]).await.unwrap_err();
    assert_eq!(answer.metadata().get("code").unwrap(), "list_too_long");
}

#[tokio::test]
async fn without_the_built_in_accounts_there_is_no_directory() {
    let options = Options { accounts: false, ..trusting(Trust::Network) };
    let world = world_with(options, |router| router).await;
    let answer = by_ids(&mut world.users().await, vec![id(1)], None).await;
    let text = "there is no such service or method";
    refused(answer, Code::Unimplemented, text, "unimplemented");
}
