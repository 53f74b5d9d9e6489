//! What the memory of checks takes, and what it takes under a flood.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use auth_domain::Timestamp;
use auth_domain::model::{Claims, KeyId, KeyKind, UserId};
use auth_domain::ports::Tokens;
use auth_grpc::proto;
use auth_grpc::proto::auth_service_client::AuthServiceClient;
use auth_jwt::JwtTokens;
use auth_testkit::{SECRET, Server, Setup};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tonic::Code;
use uuid::Uuid;

use crate::bars::Bars;
use crate::cpu;
use crate::scene::counted;

/// How many distinct tokens a flood has.
const FLOOD: usize = 200_000;
/// How long the number of facts has not changed when it is the right one.
const SETTLED: Duration = Duration::from_secs(3);
/// How many ask at once.
const CALLERS: usize = 16;

/// Sends floods of well-signed API keys that do not exist, each another one, so that each is a fact to remember.
pub async fn measure(auth: &Path, bars: &mut Bars) -> Result<()> {
    let roomy = Setup::new(auth)?.start().await?;
    flood(&roomy, FLOOD / 20).await?;
    let before = Held::by(&roomy).await?;
    flood(&roomy, FLOOD).await?;
    let after = Held::by(&roomy).await?;
    roomy.stop().await?;
    let facts = after.facts - before.facts;
    ensure!(facts >= FLOOD as f64 * 0.99, "only {facts} were remembered");
    let each = (after.resident - before.resident) / facts;

    let narrow = Setup::new(auth)?.set("MF_AUTH_MEMORY", "4MiB").start().await?;
    flood(&narrow, FLOOD / 2).await?;
    let full = Held::by(&narrow).await?;
    flood(&narrow, FLOOD).await?;
    let flooded = Held::by(&narrow).await?;
    narrow.stop().await?;
    let grown = (flooded.resident - full.resident) / 1_048_576.0;
    println!(
        "## Memory\n\n{facts:.0} remembered facts took {each:.0} bytes of resident memory each. With room for 4 MiB \
         and {} distinct tokens in all: {:.1} MB resident after the first third, {:.1} MB after the last, {:.0} facts held.\n",
        FLOOD / 2 + FLOOD,
        full.resident / 1_048_576.0,
        flooded.resident / 1_048_576.0,
        flooded.facts,
    );
    bars.at_most("resident memory a remembered fact, in bytes", each, 120.0, "");
    bars.at_most("growth under a flood of 200,000 distinct tokens, in MB", grown, 1.0, "");
    Ok(())
}

/// What a server holds.
struct Held {
    facts: f64,
    resident: f64,
}

impl Held {
    /// Once the service has counted the last of them, which it does in between.
    async fn by(server: &Server) -> Result<Self> {
        let mut before = f64::NAN;
        loop {
            let facts = counted(server, "auth_memory_entries", &[]).await?;
            if facts.total_cmp(&before).is_eq() {
                return Ok(Self { facts, resident: cpu::resident(server.pid()?)? as f64 });
            }
            before = facts;
            sleep(SETTLED).await;
        }
    }
}

/// Asks about so many tokens, all of which have to be refused.
async fn flood(server: &Server, count: usize) -> Result<()> {
    let tokens = Arc::new(JwtTokens::new(&SECRET.into(), &[])?);
    let address = server.grpc_url();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (tokens, address) = (Arc::clone(&tokens), address.clone());
        callers.spawn(async move {
            let mut client = AuthServiceClient::connect(address).await?;
            for _ in 0..count / CALLERS {
                let value = unknown_key(&tokens)?;
                let refused = client.identify(proto::Token { value }).await.err();
                let code = refused.context("a key that does not exist was honoured")?.code();
                ensure!(code == Code::Unauthenticated, "{code:?}");
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended??;
    }
    Ok(())
}

/// A token that is signed as ours are, of a key that does not exist; each time another.
fn unknown_key(tokens: &JwtTokens) -> Result<String> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let id = Uuid::from_u64_pair(number << 16 | 0x7000, 1 << 63 | number);
    let claims = Claims {
        id: Some(KeyId::new(id)),
        user: UserId::new(id),
        email: "nobody@example.com".to_owned(),
        kind: KeyKind::Api,
        issued_at: 1_700_000_000,
        not_before: None,
        expires_at: None,
        session: None,
    };
    Ok(tokens.sign(&claims, Timestamp::from_seconds(claims.issued_at), &[])?.expose().to_owned())
}
