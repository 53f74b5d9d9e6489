//! Asks a running service whose token something is, or what they may do, as a sibling would.
//!
//! ```text
//! cargo run -q -p auth-grpc --example ask -- identify --token T
//! cargo run -q -p auth-grpc --example ask -- authorize --token T --org ID --action viewer
//! ```
//!
//! `--address` says where the service is. Without `--org` the question is whether they have a
//! platform role. Exits with 0 for yes, 1 for no, 2 when there is no answer.

use std::collections::HashMap;
use std::error::Error;
use std::process::ExitCode;

use auth_grpc::proto::auth_service_client::AuthServiceClient;
use auth_grpc::proto::{AuthorizeReq, Token};
use tonic::{Code, Request, Status};

const USAGE: &str = "ask one of
  identify --token T [--address http://127.0.0.1:8181]
  authorize --token T [--org ID --action viewer|editor|admin|owner] [--address …]";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match ask().await {
        Ok(Ok(yes)) => {
            println!("{yes}");
            ExitCode::SUCCESS
        }
        Ok(Err(no)) if matches!(no.code(), Code::PermissionDenied | Code::Unauthenticated) => {
            println!("denied: {}", no.message());
            ExitCode::from(1)
        }
        Ok(Err(other)) => {
            eprintln!("no answer: {}", other.message());
            ExitCode::from(2)
        }
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::from(2)
        }
    }
}

async fn ask() -> Result<Result<String, Status>, Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let question = words.next().ok_or(USAGE)?;
    let mut options = HashMap::new();
    while let Some(name) = words.next() {
        options.insert(name, words.next().ok_or(USAGE)?);
    }
    let mut option = |name: &str| options.remove(name);
    let token = option("--token").ok_or(USAGE)?;
    let (org, action) = (option("--org"), option("--action").unwrap_or_default());
    let address = option("--address").unwrap_or_else(|| "http://127.0.0.1:8181".into());
    if !options.is_empty() {
        return Err(USAGE.into());
    }

    let service = AuthServiceClient::connect(address.clone()).await;
    let mut auth = service.map_err(|_| format!("there is no service at {address}"))?;
    match question.as_str() {
        "identify" => {
            let who = auth.identify(Request::new(Token { value: token })).await;
            Ok(who.map(|who| format!("{} {}", who.get_ref().id, who.get_ref().email)))
        }
        "authorize" => {
            let subject = if org.is_some() { "org" } else { "root" }.to_owned();
            let object = org.unwrap_or_default();
            let asked = AuthorizeReq { token, object, subject, action };
            Ok(auth.authorize(Request::new(asked)).await.map(|_| "allowed".to_owned()))
        }
        _ => Err(USAGE.into()),
    }
}
