//! The description of the interface: that it is sound, and that it is true.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;

use auth_domain::change::{Change, Commit};
use auth_domain::model::{
    Device, Email, Grant, Invite, InviteState, Metadata, NewSession, OrgRole, PasswordHash,
    PlatformInvite, PlatformRole, RefreshToken, Registration, Session, Ticket, TicketSecret,
    UserId,
};
use auth_domain::ops::account_admin::{
    DisableAccount, EnableAccount, UpdateOwnMetadata, ViewAccount,
};
use auth_domain::ops::addresses::VerifyEmail;
use auth_domain::ops::invites::{CreateInvite, RespondInvite};
use auth_domain::ops::members::AddMembers;
use auth_domain::ops::passwords::ResetPassword;
use auth_domain::ops::platform_invites::{CreatePlatformInvite, RegisterByInvite};
use auth_domain::ops::sign_ins::{EndSession, ListSessionsOf, RefreshSession};
use auth_domain::ports::{Priority, RefreshTokens, TicketSecrets};
use auth_domain::{Id, Operation, Timestamp};
use auth_http::Route;
use auth_jwt::{JwtTokens, RandomRefreshTokens};
use expect_test::expect_file;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::described::{API, fault, operation, resolved, takes_null};
use crate::mails;
use crate::support::{CENTURY, NOW, World, audit};

/// Every operation with its route.
fn operations() -> impl Iterator<Item = (&'static Route, &'static Value)> {
    auth_http::routes(true).map(|route| {
        let described = operation(&route.method, route.path);
        (route, described.unwrap_or_else(|| panic!("{} {}", route.method, route.path)))
    })
}

/// Those that answer in one way, with a view; what is large has tests of its own.
fn of_views() -> impl Iterator<Item = (&'static Route, &'static Value)> {
    // Those that read a form are asked in `introspection`.
    let reads_form = |route: &Route| ["/introspect", "/revoke"].contains(&route.path);
    operations().filter(move |(route, _)| route.priority != Priority::Bulk && !reads_form(route))
}

/// Calls `visit` with every value in there and where it is.
fn walk(at: &str, value: &'static Value, visit: &mut impl FnMut(&str, &'static Value)) {
    visit(at, value);
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| walk(&format!("{at}/{name}"), member, visit));
        }
        Value::Array(items) => items.iter().for_each(|item| walk(at, item, visit)),
        _ => {}
    }
}

fn request(operation: &'static Value) -> Option<&'static Value> {
    operation.get("requestBody").map(|body| &body["content"]["application/json"])
}

/// The success an operation has; of one that can also be tried without doing it, the success of doing it.
fn success(operation: &'static Value) -> (StatusCode, &'static Value) {
    let responses = operation["responses"].as_object().unwrap();
    let successes = responses.iter().filter(|(status, _)| status.starts_with('2'));
    let mut successes: Vec<_> = successes.collect();
    successes.sort_unstable_by_key(|(status, _)| *status);
    let statuses: Vec<_> = successes.iter().map(|(status, _)| status.as_str()).collect();
    let is_tried = statuses == ["200", "201"];
    assert!(statuses.len() == 1 || is_tried, "{}: {statuses:?}", operation["operationId"]);
    let (status, response) = successes.pop().unwrap();
    (status.parse().unwrap(), response)
}

#[test]
fn the_description_in_docs_is_the_one_that_is_served() {
    let description = auth_http::openapi(true, env!("CARGO_PKG_VERSION"));
    let text = description.to_pretty_json().unwrap() + "\n";
    expect_file!["../../../../docs/openapi.json"].assert_eq(&text);
}

#[test]
fn the_users_listener_has_a_description_of_its_own() {
    let description = auth_http::users_openapi(env!("CARGO_PKG_VERSION"));
    let text = description.to_pretty_json().unwrap() + "\n";
    expect_file!["../../../../docs/openapi-users.json"].assert_eq(&text);
    let api: Value = serde_json::from_str(&text).unwrap();
    let mut served = 0;
    for route in auth_http::users_routes() {
        let described = &api["paths"][route.path][route.method.as_str().to_lowercase()];
        assert!(described["summary"].is_string(), "{} {}", route.method, route.path);
        served += 1;
    }
    let items = api["paths"].as_object().unwrap().values();
    assert_eq!(items.map(|item| item.as_object().unwrap().len()).sum::<usize>(), served);
    assert_eq!(api["paths"]["/backup"]["get"]["operationId"], "backupUsers");
}

#[test]
fn every_route_is_described_and_nothing_else_is() {
    for accounts in [true, false] {
        let api = serde_json::to_value(auth_http::openapi(accounts, "1.2.3")).unwrap();
        assert_eq!((&api["openapi"], &api["info"]["version"]), (&json!("3.1.0"), &json!("1.2.3")));
        let described: BTreeSet<_> = api["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| {
                let methods = item.as_object().unwrap().keys();
                methods.map(|method| (method.to_uppercase(), path.clone()))
            })
            .collect();
        let served: BTreeSet<_> = auth_http::routes(accounts)
            .map(|route| (route.method.to_string(), route.path.to_owned()))
            .collect();
        assert_eq!(described, served);
        assert_eq!(api["components"]["schemas"].get("Credentials").is_some(), accounts);
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_component_is_referred_to() {
    let mut used = BTreeSet::new();
    walk("", &API, &mut |at, value| {
        if let Some(to) = value.get("$ref") {
            let to = to.as_str().unwrap();
            assert!(to.starts_with("#/components/"), "{at}");
            assert!(API.pointer(&to[1..]).is_some(), "{at} refers to {to}");
            used.insert(to.to_owned());
        }
    });
    for kind in ["schemas", "responses", "examples"] {
        for name in API["components"][kind].as_object().unwrap().keys() {
            assert!(used.contains(&format!("#/components/{kind}/{name}")), "{kind} {name}");
        }
    }
}

#[test]
fn every_operation_is_complete() {
    let mut ids = BTreeSet::new();
    let groups: Vec<_> = API["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    for (route, operation) in operations() {
        let name = format!("{} {}", route.method, route.path);
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{name}");
        for text in ["summary", "description"] {
            assert!(!operation[text].as_str().unwrap().is_empty(), "{name}");
        }
        assert!(operation["tags"].as_array().unwrap().iter().all(|tag| groups.contains(&tag)));
        for wanted in operation["security"].as_array().unwrap() {
            let scheme = wanted.as_object().unwrap().keys().next().unwrap();
            assert!(API["components"]["securitySchemes"].get(scheme).is_some(), "{name}");
        }
        success(operation);
        for response in operation["responses"].as_object().unwrap().values() {
            assert!(!resolved(response)["description"].as_str().unwrap().is_empty(), "{name}");
        }
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let in_path: Vec<_> = parameters
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| {
                assert_eq!(parameter["required"], true, "{name}");
                format!("{{{}}}", parameter["name"].as_str().unwrap())
            })
            .collect();
        let braces: Vec<_> =
            route.path.split('/').filter(|segment| segment.starts_with('{')).collect();
        assert_eq!(in_path, braces, "{name}");
    }
}

#[test]
fn every_schema_member_and_parameter_says_what_it_means() {
    let says = |value: &Value| value["description"].as_str().is_some_and(|text| !text.is_empty());
    for (name, schema) in API["components"]["schemas"].as_object().unwrap() {
        assert!(says(schema), "{name}");
        for (member, schema) in schema["properties"].as_object().into_iter().flatten() {
            assert!(says(schema), "{name}.{member}");
        }
    }
    for (_, operation) in operations() {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(says(parameter), "{} {}", operation["operationId"], parameter["name"]);
        }
    }
}

#[test]
fn every_example_is_of_its_schema_and_an_answers_shows_every_member() {
    for (_, operation) in of_views() {
        let id = &operation["operationId"];
        if let Some(content) = request(operation) {
            assert_eq!(fault(&content["example"], &content["schema"]), None, "{id}");
        }
        let contents = success(operation).1["content"].as_object().into_iter().flatten();
        for (_, content) in contents {
            assert_eq!(fault(&content["example"], &content["schema"]), None, "{id}");
            // The one that says nothing has none.
            let members = resolved(&content["schema"])["properties"].as_object();
            let shown: BTreeSet<_> = content["example"].as_object().unwrap().keys().collect();
            let members: BTreeSet<_> = members.into_iter().flat_map(|named| named.keys()).collect();
            // A platform role, too small a role in an org and a role in a group never explain the same answer.
            let absent: &[&str] = if id == "explain" {
                &["platform_role", "org_id", "group_id", "group_role"]
            } else {
                &[]
            };
            assert!(members.difference(&shown).all(|name| absent.contains(&name.as_str())), "{id}");
        }
    }
    let problem = &API["components"]["schemas"]["Problem"];
    for (code, example) in API["components"]["examples"].as_object().unwrap() {
        assert_eq!(fault(&example["value"], problem), None, "{code}");
        assert_eq!(example["value"]["code"], *code);
    }
}

/// Ids that exist take the place of the examples'.
fn of_this_world(mut body: Value, org: &str, member: &str, place: &str) -> Value {
    for (name, value) in
        [("org_id", json!(org)), ("parent_id", json!(place)), ("members", json!([member]))]
    {
        if let Some(found) = body.get_mut(name) {
            *found = value;
        }
    }
    if let Some(ids) = body.get_mut("org_ids") {
        *ids = json!([org]);
    }
    if let Some(ids) = body.get_mut("member_ids") {
        *ids = json!([member]);
    }
    if let Some(id) = body.get_mut("member_id") {
        *id = json!(member);
    }
    body
}

/// The id of an invite of somebody to another org, by somebody with an account.
async fn invite(world: &World, org: &str, invitee: UserId) -> String {
    let boss = world.account("inviter").await;
    world.join(org, &boss, OrgRole::Admin).await;
    let other = world.org(&boss, &json!({ "name": "Other" })).await;
    let invite = Invite {
        id: Id::new(invitee.uuid()),
        org: other.parse().unwrap(),
        inviter: boss.id,
        invitee: Some(invitee),
        role: OrgRole::Viewer,
        state: InviteState::Pending,
        created_at: Timestamp::from_seconds(NOW),
        expires_at: Timestamp::from_seconds(NOW + 2 * CENTURY),
    };
    let (id, changes) = (invite.id.to_string(), vec![Change::InsertInvite(invite)]);
    let at = Timestamp::from_seconds(NOW);
    let commit =
        Commit { actor: "test".to_owned(), at, guards: Vec::new(), changes, audit: audit() };
    world.store().commit(commit).await.unwrap();
    id
}

/// An invite to the platform that can be used.
fn by_member(inviter: UserId) -> PlatformInvite {
    PlatformInvite {
        id: NOBODY.parse().unwrap(),
        email: "grace@example.com".parse().unwrap(),
        inviter,
        state: InviteState::Pending,
        created_at: Timestamp::from_seconds(NOW),
        expires_at: Timestamp::from_seconds(NOW + 2 * CENTURY),
    }
}

async fn write(world: &World, changes: Vec<Change>) {
    let at = Timestamp::from_seconds(NOW);
    let commit =
        Commit { actor: "test".to_owned(), at, guards: Vec::new(), changes, audit: audit() };
    world.store().commit(commit).await.unwrap();
}

/// What the mail with this token is about.
async fn ticket(world: &World, grant: Grant, token: TicketSecret) {
    let secrets = JwtTokens::new(&"a signing secret of more than 32 bytes".into(), &[]).unwrap();
    let (id, digest) = (token.ticket().unwrap(), secrets.tickets().digest(&token));
    let ticket = Ticket { id, grant, digest, life: Duration::from_mins(15) };
    let (at, changes) = (Timestamp::from_seconds(NOW), vec![Change::PutTicket(ticket)]);
    let commit =
        Commit { actor: "test".to_owned(), at, guards: Vec::new(), changes, audit: audit() };
    world.store().commit(commit).await.unwrap();
}

/// A session of theirs, which the refresh token of the example refreshes.
async fn session(world: &World, user: UserId) {
    let example = request(auth_operation("/sessions/refresh")).unwrap()["example"].clone();
    let token = RefreshToken::new(example["refresh_token"].as_str().unwrap().to_owned());
    let refresh = RandomRefreshTokens.digests(&token).unwrap();
    let proved = world.store().account(user).await.unwrap().unwrap().password;
    let (at, end) = (Timestamp::from_seconds(NOW), Timestamp::from_seconds(NOW + 2 * CENTURY));
    let session = Session {
        id: NOBODY.parse().unwrap(),
        user,
        began_at: at,
        last_used_at: at,
        expires_at: end,
        ends_at: end,
        address: None,
        device: Device::default(),
    };
    let session = NewSession { session, refresh };
    let changes = vec![Change::BeginSession { session, proved }];
    let commit =
        Commit { actor: "test".to_owned(), at, guards: Vec::new(), changes, audit: audit() };
    world.store().commit(commit).await.unwrap();
}

/// The id of a mail that was given up.
async fn mail(world: &World) -> String {
    mails::queued(world, 1..=1).await;
    mails::mail_id(1).to_string()
}

/// The ticket that the operation uses, as if its secret had been mailed: to this account, or to somebody new.
async fn mailed(world: &World, route: &Route, operation: &'static Value, to: UserId, secret: &str) {
    let (grant, secret) = match route.operation {
        ResetPassword::NAME => {
            let example = &request(operation).unwrap()["example"]["token"];
            (Grant::PasswordReset(to), example.as_str().unwrap())
        }
        VerifyEmail::NAME => {
            let registration = Registration {
                email: "new@example.com".parse().unwrap(),
                password: PasswordHash::unusable(),
                metadata: Metadata::default(),
            };
            (Grant::Registration(Box::new(registration)), secret)
        }
        _ => return,
    };
    ticket(world, grant, TicketSecret::new(secret.to_owned())).await;
}

#[tokio::test]
async fn the_examples_get_the_answers_they_promise() {
    for (route, operation) in of_views() {
        let world = World::new().await;
        // The store judges by its own clock whether an invite's time is over.
        world.clock.advance(CENTURY);
        let root = world.root().await;
        let org = world.org(&root, &json!({ "name": "Acme" })).await;
        let (key, _) = world.api_key(&root).await;
        let (status, _) = success(operation);
        let account = request(auth_operation("/register")).unwrap()["example"].to_string();
        let mut token = root.token.clone();
        if route.path != "/register" {
            world.post("/register").body(&account).send().await.assert_empty(201);
        }
        let ada = Email::from_str("ada@example.com").unwrap();
        let ada = world.store().account_by_email(&ada).await.unwrap().map(|account| account.id);
        let member = ada.unwrap_or(root.id);
        let joins = [AddMembers::NAME, CreateInvite::NAME].contains(&route.operation);
        let of_an_org = route.path.starts_with("/orgs/{id}/") && !joins;
        if of_an_org || route.path.starts_with("/groups") {
            world.join_user(&org, member, OrgRole::Viewer).await;
        }
        let invite = invite(&world, &org, member).await;
        let mail = mail(&world).await;
        let mut groups = Vec::new();
        for name in ["One", "Two"] {
            let body = json!({ "name": name, "org_id": org }).to_string();
            let made = world.post("/groups").bearer(&root.token).body(&body).send().await;
            groups.push(made.header("location").trim_start_matches("/groups/").to_owned());
        }
        let [group, place] = groups.try_into().unwrap();
        let role = format!("/groups/{group}/roles/{member}");
        if route.operation == "remove_group_role" {
            let call = world.put(&role).bearer(&root.token).body(r#"{"role":"viewer"}"#);
            call.send().await.assert_empty(204);
        }
        let token_of_a_mail = format!("{}x", NOBODY.replace('-', ""));
        mailed(&world, route, operation, member, &token_of_a_mail).await;
        let platform_invite = if route.operation == CreatePlatformInvite::NAME {
            String::new()
        } else {
            let body = r#"{"email":"grace@example.com","redirect_path":"/v"}"#;
            let made = world.post("/platform-invites").bearer(&root.token).body(body).send().await;
            made.header("location").trim_start_matches("/platform-invites/").to_owned()
        };
        if route.operation == RegisterByInvite::NAME {
            // Whoever made it has an account, and only the one that can be used is to this address.
            let revoked = format!("/platform-invites/{platform_invite}");
            world.delete(&revoked).bearer(&root.token).send().await.assert_empty(204);
            let role = PlatformRole::Admin;
            let change = Change::PutPlatformRole { user: member, role };
            write(&world, vec![change, Change::InsertPlatformInvite(by_member(member))]).await;
        }
        if [RefreshSession::NAME, EndSession::NAME].contains(&route.operation) {
            session(&world, member).await;
        }
        let own = ["/users/profile", "/orgs/{id}/leave", "/password", "/sessions/{id}"]
            .contains(&route.path);
        let as_ada = own || route.operation == UpdateOwnMetadata::NAME;
        if as_ada || route.operation == RespondInvite::NAME {
            let credentials = request(auth_operation("/tokens")).unwrap()["example"].to_string();
            let answer = world.post("/tokens").body(&credentials).send().await;
            answer.json()["token"].as_str().unwrap().clone_into(&mut token);
        }
        // Taking the last root's role would be refused.
        let other = world.holder("other", PlatformRole::Admin).await;
        let in_groups = route.path.starts_with("/groups");
        let id = match route.path {
            path if path.starts_with("/keys") => key.as_str(),
            path if path.starts_with("/invites") => &invite,
            path if path.starts_with("/mails") => &mail,
            path if path.starts_with("/sessions") => NOBODY,
            path if path.starts_with("/platform-invites") => &platform_invite,
            "/register/invite/{id}" => NOBODY,
            _ if in_groups => &group,
            _ => &org,
        };
        let user = if in_groups { member } else { other.id };
        let member = member.to_string();
        let of_accounts =
            [ViewAccount::NAME, EnableAccount::NAME, DisableAccount::NAME, ListSessionsOf::NAME];
        let id = if of_accounts.contains(&route.operation) { &member } else { id };
        let path = route.path.replace("{id}", id).replace("{user_id}", &user.to_string());
        let path = path.replace("{member_id}", &member);
        let path = match route.operation {
            VerifyEmail::NAME => format!("{path}?token={token_of_a_mail}"),
            _ => path,
        };
        let mut call = world.call(route.method.clone(), &path).bearer(&token);
        if let Some(content) = request(operation) {
            let body = of_this_world(content["example"].clone(), &org, &member, &place);
            call = call.body(&body.to_string());
        }
        let answer = call.send().await;
        assert_eq!(answer.status, status, "{} {path}: {}", route.method, answer.text());
    }
}

fn auth_operation(path: &str) -> &'static Value {
    operation(&Method::POST, path).unwrap()
}

#[tokio::test]
async fn a_route_wants_a_token_if_it_is_said_to() {
    let world = World::new().await;
    for (route, operation) in of_views() {
        let mut call = world.call(route.method.clone(), &route.path.replace(['{', '}'], ""));
        if let Some(content) = request(operation) {
            call = call.body(&content["example"].to_string());
        }
        let answer = call.send().await;
        let wants = answer.text().contains("missing_token");
        assert_eq!(!operation["security"].as_array().unwrap().is_empty(), wants, "{}", route.path);
    }
}

/// Every member of the bodies of this schema: the path to it, whether it has to be there, and whether null does.
fn members(schema: &'static Value, at: &[String]) -> Vec<(Vec<String>, bool, bool)> {
    let schema = resolved(schema);
    let mut found = Vec::new();
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let path = [at, std::slice::from_ref(name)].concat();
        found.extend(members(member, &path));
        let required = schema["required"].as_array().into_iter().flatten();
        found.push((path, required.into_iter().any(|other| other == name), takes_null(member)));
    }
    found
}

#[tokio::test]
async fn every_described_member_of_a_body_is_read_and_the_required_ones_are_needed() {
    let world = World::new().await;
    let root = world.root().await;
    for (route, operation) in of_views() {
        let Some(content) = request(operation) else { continue };
        let path = route.path.replace("{id}", NOBODY).replace("{user_id}", NOBODY);
        for (member, required, nullable) in members(&content["schema"], &[]) {
            let name = format!("{} {} {member:?}", route.method, route.path);
            let pointer = format!("/{}", member.join("/"));
            let send = async |value: Option<Value>| {
                let mut body = content["example"].clone();
                let parent = pointer.rsplit_once('/').unwrap().0;
                let parent = body.pointer_mut(parent).unwrap().as_object_mut().unwrap();
                parent.remove(member.last().unwrap());
                parent.extend(value.map(|value| (member.last().unwrap().clone(), value)));
                let call = world.call(route.method.clone(), &path).bearer(&root.token);
                call.body(&body.to_string()).send().await
            };
            let answer = send(Some(json!(true))).await;
            assert_eq!(answer.status.as_u16(), 400, "{name}: {}", answer.text());
            if required {
                let answer = send((!nullable).then_some(Value::Null)).await;
                let refused = matches!(answer.status.as_u16(), 400 | 401);
                assert!(refused, "{name}: {} {}", answer.status, answer.text());
            }
        }
    }
}

const NOBODY: &str = "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6";

#[tokio::test]
async fn every_described_query_parameter_is_read() {
    let world = World::new().await;
    let root = world.root().await;
    let org = world.org(&root, &json!({ "name": "Acme" })).await;
    let made = world.post("/groups").bearer(&root.token).body(r#"{"name":"Pumps"}"#).send().await;
    let group = made.header("location").trim_start_matches("/groups/").to_owned();
    let account = world.account("ada").await.id.to_string();
    for (route, operation) in of_views() {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if parameter["in"] != "query" {
                continue;
            }
            let name = parameter["name"].as_str().unwrap();
            // One that nobody reads may be repeated.
            let id = match route.path {
                path if path.starts_with("/groups") => &group,
                path if path.starts_with("/users") => &account,
                _ => &org,
            };
            let template = route.path.replace("{id}", id);
            let path = format!("{template}?{name}=1&{name}=1");
            let call = world.call(route.method.clone(), &path);
            let answer = call.bearer(&root.token).send().await;
            assert_eq!(answer.json()["code"], "invalid_query_parameters", "{path}");
            if let Some(default) = parameter["schema"].get("default") {
                let answer = world.get(&template).bearer(&root.token).send().await;
                assert_eq!(&answer.json()[name], default, "{path} {name}");
            }
        }
    }
}
