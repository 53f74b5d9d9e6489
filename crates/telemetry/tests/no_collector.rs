//! A collector that takes connections and never answers is invisible to callers, panics of tasks
//! are counted, and everything still ends in time.

use std::time::{Duration, Instant};

use auth_telemetry::{Format, Level, LogSettings, Metrics};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tower::ServiceExt;

#[tokio::test(flavor = "multi_thread")]
async fn r_45_a_collector_that_never_answers_is_invisible() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let metrics = Metrics::install(&[]);
    let settings = LogSettings {
        level: Level::Warn,
        format: Format::Json,
        otlp_endpoint: Some(format!("http://{}", silent.local_addr().unwrap())),
        jaeger_url: None,
    };
    let telemetry = auth_telemetry::init(&settings).unwrap();
    assert!(auth_telemetry::init(&settings).is_err(), "a process logs once");

    let router = auth_telemetry::layers(Router::new().route("/", get(|| async {})), "http", None);
    let started = Instant::now();
    // More spans than may wait.
    for _ in 0..10_000 {
        let response = router.clone().oneshot(Request::new(Body::empty())).await.unwrap();
        assert!(response.status().is_success());
    }
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    let dropped = r#"auth_spans_dropped_total{reason="queue"}"#;
    assert!(metrics.render().contains(dropped), "{}", metrics.render());

    assert!(tokio::spawn(async { panic!("in a task") }).await.is_err());
    let counted = r#"auth_panics_total{place="task"} 1"#;
    assert!(metrics.render().contains(counted), "{}", metrics.render());

    timeout(Duration::from_secs(20), telemetry.shutdown()).await.unwrap();
}
