//! `auth audit`: the trail on the operator's screen.

use std::process::ExitCode;

use auth_domain::audit::{Trail, hex};
use auth_domain::ops::audit::{ReadAudit, VerifyAudit};
use auth_domain::{App, Caller};

use super::{app, pending, print, said};
use crate::config::{Audit, AuditList, AuditVerify, Config, TrailName};

/// Runs the command to its end.
pub(crate) async fn run(config: &Config, told: &Audit) -> Result<ExitCode, String> {
    // Whoever only looks makes no tables: a trail that begins now would be a right one, whatever was there.
    if !pending(config).await?.is_empty() {
        return Err(
            "there is no store, or not all migrations have run: see auth migrate".to_owned()
        );
    }
    let app = app(config).await?;
    match told {
        Audit::Verify(told) => verify(&app, told).await,
        Audit::List(told) => list(&app, told).await.map(|()| ExitCode::SUCCESS),
    }
}

/// Prints a line or two for each trail, and a line for everything that is wrong with it.
async fn verify(app: &App, told: &AuditVerify) -> Result<ExitCode, String> {
    let mut sound = true;
    for trail in Trail::ALL {
        let expected = told.expect.filter(|_| trail == Trail::Changes);
        let verdict = app
            .execute(Caller::Operator, VerifyAudit { trail, expected })
            .await
            .map_err(|error| said(&error))?;
        let (place, digest) = verdict.end;
        print(&format!(
            "{trail}: {} records, from {} to {place}; the end is {place}:{}",
            verdict.records,
            verdict.first,
            hex(&digest)
        ))?;
        for finding in &verdict.findings {
            print(&format!("{trail}: WRONG: {finding}"))?;
        }
        sound &= verdict.findings.is_empty();
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn list(app: &App, told: &AuditList) -> Result<(), String> {
    let trail = match told.trail {
        TrailName::Changes => Trail::Changes,
        TrailName::Attempts => Trail::Attempts,
    };
    let mut after = told.after;
    loop {
        let records = app
            .execute(Caller::Operator, ReadAudit { trail, after })
            .await
            .map_err(|error| said(&error))?;
        let Some(last) = records.last() else { return Ok(()) };
        after = last.place;
        for record in &records {
            let line = auth_http::audit_record_json(record).map_err(|error| said(&error))?;
            print(&line.to_string())?;
        }
    }
}
