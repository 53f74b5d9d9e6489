//! Several processes on one database.

use crate::world::{authorize, found, identify, make_key, postgres};

#[tokio::test]
async fn d75_go37_r34_ten_replicas_on_an_empty_database_all_come_up() {
    let setup = postgres().await;
    let mut starting = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let setup = setup.clone();
        starting.spawn(async move { setup.start().await });
    }
    let mut servers = Vec::new();
    while let Some(started) = starting.join_next().await {
        servers.push(started.unwrap().unwrap());
    }
    // One admin, one truth: what one of them writes all of them answer.
    let login = servers[0].admin().await.unwrap();
    let org = found(&servers[1], &login, "acme").await;
    let (_, key) = make_key(&servers[2], &login).await;
    let id = identify(&servers[3], &login).await.unwrap();
    for server in &servers {
        assert_eq!(identify(server, &key).await.unwrap(), id);
        authorize(server, &key, &org, "owner").await.unwrap();
    }
}
