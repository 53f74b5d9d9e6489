//! `auth audit`: the trail on the operator's screen.

use std::process::ExitCode;

use auth_domain::audit::verify::Verdict;
use auth_domain::audit::{Digest, Trail, hex};
use auth_domain::ops::audit::{AcknowledgeAudit, ReadAudit, VerifyAudit};
use auth_domain::{App, Caller, Error};
use serde_json::{Value, json};

use super::progress::Progress;
use super::{app, pending, print, said, tell};
use crate::config::{Audit, AuditAcknowledge, AuditList, AuditVerify, Config};

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
        Audit::Acknowledge(told) => acknowledge(&app, told).await.map(|()| ExitCode::SUCCESS),
        Audit::List(told) => list(&app, told).await.map(|()| ExitCode::SUCCESS),
    }
}

/// Prints a line or two for each trail, and a line for everything that is wrong with it or was once.
async fn verify(app: &App, told: &AuditVerify) -> Result<ExitCode, String> {
    let mut sound = true;
    let mut documents = Vec::new();
    for trail in Trail::ALL {
        let expected = told.expect.iter().find(|end| end.trail == trail).map(|end| end.record);
        let progress = Progress::default();
        let verify = VerifyAudit { trail, expected, read: progress.counter() };
        let words = |records| format!("{trail}: {records} records verified so far");
        let verdict = progress.during(words, app.execute(Caller::Operator, verify)).await;
        let verdict = verdict.map_err(|error| said(&error))?;
        sound &= verdict.findings.is_empty();
        if told.json {
            documents.push(document(&verdict));
        } else {
            lines(&verdict)?;
        }
    }
    if told.json {
        print(&format!("{:#}", json!({ "sound": sound, "trails": documents })))?;
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn end((place, digest): &(i64, Digest)) -> String {
    format!("{place}:{}", hex(digest))
}

fn lines(verdict: &Verdict) -> Result<(), String> {
    let Verdict { trail, records, first, end: last, findings, acknowledged } = verdict;
    let (place, last) = (last.0, end(last));
    print(&format!("{trail}: {records} records, from {first} to {place}; the end is {last}"))?;
    for finding in findings {
        print(&format!("{trail}: WRONG: {finding}"))?;
    }
    for explained in acknowledged {
        print(&format!("{trail}: explained: {explained}"))?;
    }
    Ok(())
}

fn document(verdict: &Verdict) -> Value {
    let Verdict { trail, records, first, end: last, findings, acknowledged } = verdict;
    let findings: Vec<_> = findings.iter().map(ToString::to_string).collect();
    let explained = acknowledged
        .iter()
        .map(|it| json!({ "place": it.place, "acknowledged_by": it.by, "reason": it.reason }));
    json!({
        "trail": trail.as_str(),
        "records": records,
        "first": first,
        "end": end(last),
        "findings": findings,
        "acknowledged": explained.collect::<Vec<_>>(),
    })
}

async fn acknowledge(app: &App, told: &AuditAcknowledge) -> Result<(), String> {
    let AuditAcknowledge { place, reason, trail, json } = told;
    let (trail, place) = (trail.trail(), *place);
    let acknowledge = AcknowledgeAudit { trail, place, reason: reason.clone() };
    app.execute(Caller::Operator, acknowledge).await.map_err(|error| match error {
        Error::Invalid(_) => format!(
            "{trail}: record {place} does not say that the end was found unsealed, or that is explained already: see \
             auth audit verify"
        ),
        other => said(&other),
    })?;
    let document = json!({ "trail": trail.as_str(), "place": place, "state": "acknowledged" });
    tell(*json, &document, || format!("{trail}: record {place} is acknowledged"))
}

async fn list(app: &App, told: &AuditList) -> Result<(), String> {
    let trail = told.trail.trail();
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
