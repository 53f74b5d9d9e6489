//! `protomfx.UsersService`: each method understands, executes and answers.

use std::sync::Arc;

use auth_domain::model::{
    Account, AccountId, AccountOrder, AccountQuery, Direction, Email, MAX_OFFSET, Page,
};
use auth_domain::ops::accounts::{FindByEmails, FindByIds, MAX_BATCH};
use auth_domain::{App, Entity, Error, Invalid, Result};
use tonic::{Request, Response, Status};

use crate::callers::{Gate, Method};
use crate::proto;
use crate::proto::users_service_server::UsersService;
use crate::status::status;

/// Serves `protomfx.UsersService`.
#[derive(Clone)]
pub(crate) struct UsersRpc {
    pub(crate) app: App,
    pub(crate) gate: Arc<Gate>,
}

#[tonic::async_trait]
impl UsersService for UsersRpc {
    async fn get_users_by_i_ds(
        &self,
        request: Request<proto::UsersByIDsReq>,
    ) -> Result<Response<proto::UsersRes>, Status> {
        let caller = self.gate.admit(Method::GetUsersByIds, &request).map_err(status)?;
        let proto::UsersByIDsReq { ids, page_metadata } = request.into_inner();
        let page = page_metadata.unwrap_or_default();
        let query = understand_query(&ids, &page).map_err(status)?;
        let found = self.app.execute(caller, FindByIds { query }).await.map_err(status)?;
        Ok(Response::new(proto::UsersRes {
            users: found.items.iter().map(view).collect(),
            page_metadata: Some(proto::PageMetadata { total: found.total, ..page }),
        }))
    }

    async fn get_users_by_emails(
        &self,
        request: Request<proto::UsersByEmailsReq>,
    ) -> Result<Response<proto::UsersRes>, Status> {
        let caller = self.gate.admit(Method::GetUsersByEmails, &request).map_err(status)?;
        let emails = request.into_inner().emails;
        let emails = emails.iter().map(|email| understand_email(email)).collect::<Result<_>>();
        let operation = FindByEmails { emails: emails.map_err(status)? };
        let found = self.app.execute(caller, operation).await.map_err(status)?;
        Ok(Response::new(proto::UsersRes {
            users: found.iter().map(view).collect(),
            page_metadata: None,
        }))
    }
}

/// Orders and directions that do not exist mean the default, as they do to the original.
fn understand_query(ids: &[String], page: &proto::PageMetadata) -> Result<AccountQuery> {
    if page.email.len() > Email::MAX {
        return Err(Invalid::EmailSize.into());
    }
    refuse_nul(&page.email)?;
    // More ids than a call may have are refused by the operation, so this is a page of them all.
    let all = u64::try_from(MAX_BATCH).unwrap_or(u64::MAX);
    let limit = if page.limit == 0 { all } else { page.limit.min(all) };
    let order = if page.order == "email" { AccountOrder::Email } else { AccountOrder::Id };
    let direction = if page.dir == "asc" { Direction::Ascending } else { Direction::Descending };
    Ok(AccountQuery {
        ids: ids.iter().map(|id| parse_id(id)).collect::<Result<_>>()?,
        email: page.email.clone(),
        page: Page { offset: page.offset.min(MAX_OFFSET), limit, order, direction },
    })
}

fn parse_id(id: &str) -> Result<AccountId> {
    id.parse().map_err(|_| Error::malformed("ids", "must be UUIDs"))
}

/// Text that is no address is nobody's address.
fn understand_email(text: &str) -> Result<Email> {
    refuse_nul(text)?;
    text.parse().map_err(|_| Error::NotFound(Entity::Account))
}

fn refuse_nul(text: &str) -> Result<()> {
    if text.contains('\0') {
        return Err(Error::malformed("email", "must not contain NUL"));
    }
    Ok(())
}

fn view(account: &Account) -> proto::User {
    proto::User {
        id: account.id.to_string(),
        email: account.email.as_str().to_owned(),
        status: account.status.as_str().to_owned(),
    }
}
