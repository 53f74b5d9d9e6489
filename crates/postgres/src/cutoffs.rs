//! Up to when people's sessions are ended.

use auth_domain::Timestamp;
use auth_domain::error::Result;
use auth_domain::model::UserId;
use auth_domain::ports::BARRED;
use sqlx::{FromRow, PgConnection, query, query_as};

use crate::connections::Connections;
use crate::failure::failure;
use crate::moment::Moment;

const STATEMENT: &str = "SELECT \
    EXISTS (SELECT 1 FROM keyward_accounts WHERE id = $1 AND status = 'disabled') AS barred, \
    (SELECT until FROM keyward_cutoffs WHERE user_id = $1) AS until";

#[derive(FromRow)]
struct CutOffRow {
    barred: bool,
    until: Option<Moment>,
}

impl CutOffRow {
    fn cut_off(self) -> Option<i64> {
        if self.barred { Some(BARRED) } else { self.until.map(|until| until.0.seconds()) }
    }
}

pub(crate) async fn find(db: &Connections, user: UserId) -> Result<Option<i64>> {
    let row: CutOffRow = db.one(|| query_as(STATEMENT).bind(user.uuid())).await?;
    Ok(row.cut_off())
}

/// The same within a transaction. It locks nothing: `guards::comes_last` says why it need not.
pub(crate) async fn within(db: &mut PgConnection, user: UserId) -> Result<Option<i64>> {
    let row: CutOffRow =
        query_as(STATEMENT).bind(user.uuid()).fetch_one(db).await.map_err(failure)?;
    Ok(row.cut_off())
}

pub(crate) async fn raise(db: &mut PgConnection, user: UserId, until: Timestamp) -> Result<()> {
    query(
        "INSERT INTO keyward_cutoffs AS cutoff (user_id, until) VALUES ($1, $2) \
         ON CONFLICT (user_id) DO UPDATE SET until = greatest(cutoff.until, excluded.until)",
    )
    .bind(user.uuid())
    .bind(Moment(until))
    .execute(db)
    .await
    .map_err(failure)?;
    Ok(())
}
