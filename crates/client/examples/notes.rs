//! A service of the fleet: notes of orgs, which viewers read and editors write.
//!
//! ```text
//! cargo run -p auth-client --example notes -- http://127.0.0.1:8181
//! ```

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use auth_client::{Action, AuthClient, AuthLayer, Check, Identity, Need};
use axum::extract::{Extension, Path, State};
use axum::http::{Method, request};
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;

type Notes = Arc<Mutex<HashMap<String, Vec<String>>>>;

/// What a request needs: `GET` the role of a viewer of the org in the path, everything else an editor's.
fn needs(request: &request::Parts) -> Need {
    let org = request.uri.path().split('/').nth(2).unwrap_or_default();
    let action = if request.method == Method::GET { Action::Viewer } else { Action::Editor };
    Need::Allowed(Check::org(org, action))
}

async fn read(State(notes): State<Notes>, Path(org): Path<String>) -> Json<Vec<String>> {
    let notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
    Json(notes.get(&org).cloned().unwrap_or_default())
}

async fn write(
    State(notes): State<Notes>,
    Path(org): Path<String>,
    Extension(who): Extension<Identity>,
    text: String,
) {
    let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
    notes.entry(org).or_default().push(format!("{}: {text}", who.user_id));
}

/// Serves notes on this socket, behind the auth at this address.
pub async fn serve(listener: TcpListener, auth: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let client = AuthClient::builder(auth).build()?;
    let router = Router::new()
        .route("/orgs/{org}/notes", get(read).post(write))
        .layer(AuthLayer::new(client).authorize(needs))
        .with_state(Notes::default());
    Ok(axum::serve(listener, router).await?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let auth = std::env::args().nth(1).ok_or("say where auth is, like http://127.0.0.1:8181")?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    serve(listener, &auth).await
}
