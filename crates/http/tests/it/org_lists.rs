//! Lists of orgs: `GET /orgs` and `POST /orgs/search`.

use auth_domain::model::OrgRole;
use http::StatusCode;
use serde_json::json;

use crate::support::{Answer, Person, World};

pub async fn list(world: &World, person: &Person, query: &str) -> Answer {
    world.get(&format!("/orgs{query}")).bearer(&person.token).send().await
}

async fn search(world: &World, person: &Person, body: &str) -> Answer {
    world.post("/orgs/search").bearer(&person.token).body(body).send().await
}

/// The names on a page, in its order.
pub fn names(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let orgs = answer.json()["orgs"].clone();
    orgs.as_array().unwrap().iter().map(|org| org["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn r30_a_page_without_a_query() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let empty = list(&world, &ada, "").await;
    assert_eq!(
        empty.text(),
        "{\"limit\":10,\"offset\":0,\"total\":0,\"order\":\"id\",\"direction\":\"desc\",\
         \"dir\":\"desc\",\"orgs\":[]}\n"
    );
    for n in 0..12 {
        world.org(&ada, &json!({ "name": format!("org {n}") })).await;
    }
    let page = list(&world, &ada, "").await;
    assert_eq!(page.json()["total"], 12);
    assert_eq!(names(&page).len(), 10);
    assert_eq!(names(&page)[0], "org 11");
    assert_eq!(names(&list(&world, &ada, "?offset=10").await), ["org 1", "org 0"]);
    assert_eq!(list(&world, &ada, "?limit=1").await.json()["total"], 12);
}

#[tokio::test]
async fn d42_r31_r32_r33_what_a_query_may_say() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    for (query, text) in [
        ("?limit=0", "invalid query parameters"),
        ("?limit=-1", "invalid query parameters"),
        ("?limit=x", "invalid query parameters"),
        ("?limit=", "invalid query parameters"),
        ("?limit=1,2", "invalid query parameters"),
        ("?limit=1&limit=1", "invalid query parameters"),
        ("?offset=-1", "invalid query parameters"),
        ("?offset=1000001", "invalid query parameters"),
        ("?offset=9223372036854775808", "invalid query parameters"),
        ("?name=a;limit=1", "invalid query parameters"),
        ("?name=%zz", "invalid query parameters"),
        ("?name=%ff", "invalid query parameters"),
        ("?limit=201", "invalid limit size"),
        ("?order=foo", "invalid list order provided"),
        ("?order=owner_id", "invalid list order provided"),
        ("?dir=ASC", "invalid list direction provided"),
    ] {
        let answer = list(&world, &ada, query).await;
        assert_eq!(answer.refusal(), (400, text.to_owned()), "{query}");
    }
    let name = "x".repeat(255);
    list(&world, &ada, &format!("?name={name}")).await.assert_refused(400, "invalid name size");
    let unread = world.get("/orgs?limit=x").send().await;
    unread.assert_refused(400, "invalid query parameters");
    let judged = world.get("/orgs?limit=201").send().await;
    judged.assert_refused(401, "missing or invalid bearer user token");
    assert_eq!(list(&world, &ada, "?unknown=1&unknown=2&order=&dir=").await.status, StatusCode::OK);
}

#[tokio::test]
async fn r34_d39_d40_names_are_found_in_any_case_and_taken_literally() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    for name in ["Alpha", "a,b", "50%", "under_score"] {
        world.org(&ada, &json!({ "name": name })).await;
    }
    for (query, found) in [
        ("?name=alp", vec!["Alpha"]),
        ("?name=ALP", vec!["Alpha"]),
        ("?name=a,b", vec!["a,b"]),
        ("?name=%25", vec!["50%"]),
        ("?name=_", vec!["under_score"]),
        ("?name=%27%3B--", vec![]),
    ] {
        let answer = list(&world, &ada, query).await;
        assert_eq!(names(&answer), found, "{query}");
        assert_eq!(answer.json()["total"], found.len(), "{query}");
    }
    assert_eq!(list(&world, &ada, "?name=alp").await.json()["name"], "alp");
}

#[tokio::test]
async fn r35_metadata_filters_by_containment() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    world.org(&ada, &json!({ "name": "one", "metadata": { "a": 1, "b": 2 } })).await;
    world.org(&ada, &json!({ "name": "two", "metadata": { "a": 1 } })).await;
    world.org(&ada, &json!({ "name": "none" })).await;
    let by_name = "&order=name&dir=asc";
    for (filter, found) in [
        (r#"{"a":1}"#, vec!["one", "two"]),
        (r#"{"a":1,"b":2}"#, vec!["one"]),
        ("{}", vec!["none", "one", "two"]),
        ("null", vec!["none", "one", "two"]),
    ] {
        let encoded = filter.replace('{', "%7B").replace('}', "%7D").replace('"', "%22");
        let answer = list(&world, &ada, &format!("?metadata={encoded}{by_name}")).await;
        assert_eq!(names(&answer), found, "{filter}");
        let body = format!(r#"{{"metadata":{filter},"order":"name","dir":"asc"}}"#);
        assert_eq!(names(&search(&world, &ada, &body).await), found, "{filter}");
    }
    for odd in ["x", "", "%5B%5D", "1"] {
        let answer = list(&world, &ada, &format!("?metadata={odd}")).await;
        assert_eq!(answer.refusal(), (400, "invalid query parameters".to_owned()), "{odd}");
    }
}

#[tokio::test]
async fn r36_searching() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    world.org(&ada, &json!({ "name": "Alpha" })).await;
    let nothing = world.post("/orgs/search").bearer(&ada.token).send().await;
    assert_eq!(nothing.json()["limit"], 10);
    assert_eq!(names(&nothing), ["Alpha"]);
    for body in [r#"{"limit":0}"#, r#"{"order":"","dir":"","name":""}"#, "null", r#"{"total":9}"#] {
        assert_eq!(search(&world, &ada, body).await.json()["limit"], 10, "{body}");
    }
    assert_eq!(names(&search(&world, &ada, r#"{"name":"PHA","limit":1}"#).await), ["Alpha"]);
    let malformed = "malformed entity specification";
    for (body, text) in [
        (r#"{"limit":210}"#, "invalid limit size"),
        (r#"{"limit":"x"}"#, malformed),
        (r#"{"limit":-1}"#, malformed),
        (r#"{"limit":1.5}"#, malformed),
        (r#"{"offset":-1}"#, malformed),
        (r#"{"metadata":[]}"#, malformed),
        (r#"{"order":"foo"}"#, "invalid list order provided"),
        (r#"{"dir":"up"}"#, "invalid list direction provided"),
        (" ", malformed),
    ] {
        let answer = search(&world, &ada, body).await;
        assert_eq!(answer.refusal(), (400, text.to_owned()), "{body}");
    }
    let untyped = world.post("/orgs/search").bearer(&ada.token).raw("{}".into()).send().await;
    untyped.assert_refused(415, "unsupported content type");
}

#[tokio::test]
async fn r37_a_root_sees_every_org_and_others_their_own() {
    let world = World::new().await;
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let acme = world.org(&ada, &json!({ "name": "Acme" })).await;
    world.org(&bob, &json!({ "name": "Foreign" })).await;
    let vera = world.person("vera").await;
    world.join(&acme, &vera, OrgRole::Viewer).await;
    let root = world.root().await;
    assert_eq!(names(&list(&world, &root, "?order=name&dir=asc").await), ["Acme", "Foreign"]);
    assert_eq!(names(&list(&world, &vera, "").await), ["Acme"]);
    assert_eq!(names(&list(&world, &bob, "").await), ["Foreign"]);
}
