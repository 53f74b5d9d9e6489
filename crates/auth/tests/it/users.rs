//! A stand-in for the users service of a fleet, which behaves as that one does, and misbehaves when told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth_grpc::proto::users_service_server::{UsersService, UsersServiceServer};
use auth_grpc::proto::{PageMetadata, User, UsersByEmailsReq, UsersByIDsReq, UsersRes};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    Well,
    Empty,
    Short,
    Reversed,
    Twice,
    WithStrangers,
    /// Says that there is nobody, and whom it looked for.
    KnowsNobody,
    Fails,
    Hangs,
    /// Answers when it is told to behave in another way.
    Waits,
}

/// The service.
#[derive(Clone)]
pub struct Users {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    people: Vec<User>,
    manner: Manner,
    calls: usize,
}

/// The id of the person with this number.
pub fn id(number: u32) -> String {
    format!("0192d3f0-1111-7abc-8def-{number:012}")
}

/// Their address.
pub fn email(number: u32) -> String {
    format!("user{number}@example.com")
}

impl Users {
    /// Starts one that knows persons 1 to `many`.
    pub async fn start(many: u32) -> Self {
        let person = |number| User { id: id(number), email: email(number), status: String::new() };
        let people = (1..=many).map(person).collect();
        let state = Arc::new(Mutex::new(State { people, manner: Manner::Well, calls: 0 }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let users = Self { address, state };
        let service = UsersServiceServer::new(users.clone());
        let incoming = TcpIncoming::from(listener);
        tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
        users
    }

    pub fn behave(&self, manner: Manner) {
        self.state.lock().unwrap().manner = manner;
    }

    /// It knows somebody else as well.
    pub fn know(&self, id: &str, email: &str) {
        let person = User { id: id.to_owned(), email: email.to_owned(), status: String::new() };
        self.state.lock().unwrap().people.push(person);
    }

    /// It names this person no more: they are disabled or gone.
    pub fn disable(&self, number: u32) {
        self.state.lock().unwrap().people.retain(|user| user.id != id(number));
    }

    /// How often it was called since the last question.
    pub fn calls(&self) -> usize {
        std::mem::take(&mut self.state.lock().unwrap().calls)
    }

    async fn answer(&self, mut users: Vec<User>) -> Result<Vec<User>, Status> {
        let manner = {
            let mut state = self.state.lock().unwrap();
            state.calls += 1;
            state.manner
        };
        match manner {
            Manner::Well => {}
            Manner::Empty => users.clear(),
            Manner::Short => drop(users.pop()),
            Manner::Reversed => users.reverse(),
            Manner::Twice => users.extend(users.clone()),
            Manner::WithStrangers => {
                let odd = User { id: "x' OR 1=1".into(), ..User::default() };
                let other = User { id: id(999), email: email(999), status: String::new() };
                users.splice(0..0, [odd, other]);
            }
            Manner::KnowsNobody => return Err(Status::not_found("no user ada@example.com")),
            Manner::Fails => return Err(Status::internal("db.internal:5432 said no")),
            Manner::Hangs => std::future::pending().await,
            Manner::Waits => {
                while self.state.lock().unwrap().manner == Manner::Waits {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
        Ok(users)
    }

    fn find(&self, wanted: impl Fn(&User) -> bool) -> Vec<User> {
        let state = self.state.lock().unwrap();
        state.people.iter().filter(|user| wanted(user)).cloned().collect()
    }
}

#[tonic::async_trait]
impl UsersService for Users {
    async fn get_users_by_i_ds(
        &self,
        request: Request<UsersByIDsReq>,
    ) -> Result<Response<UsersRes>, Status> {
        let ids = request.into_inner().ids;
        if ids.is_empty() {
            return Err(Status::invalid_argument("missing user id"));
        }
        let mut users = self.find(|user| ids.contains(&user.id));
        users.reverse();
        let total = users.len() as u64;
        let users = self.answer(users).await?;
        let page_metadata = Some(PageMetadata { total, ..PageMetadata::default() });
        Ok(Response::new(UsersRes { users, page_metadata }))
    }

    async fn get_users_by_emails(
        &self,
        request: Request<UsersByEmailsReq>,
    ) -> Result<Response<UsersRes>, Status> {
        let emails = request.into_inner().emails;
        if emails.is_empty() {
            return Err(Status::invalid_argument("missing email"));
        }
        let mut users = Vec::new();
        for email in &emails {
            let found = self.find(|user| user.email == *email).pop();
            let text = "entity not found : sql: no rows in result set";
            users.push(found.ok_or_else(|| Status::not_found(text))?);
        }
        let users = self.answer(users).await?;
        Ok(Response::new(UsersRes { users, page_metadata: None }))
    }
}
