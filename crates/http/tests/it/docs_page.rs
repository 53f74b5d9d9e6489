//! The description's page on the operator's listener.

use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt;

async fn get(path: &str) -> (StatusCode, HeaderMap, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = auth_http::docs_router(true, "1.2.3").oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn the_description_is_served() {
    let (status, headers, text) = get("/openapi.json").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["content-type"], "application/json");
    let served: Value = serde_json::from_str(&text).unwrap();
    let made = serde_json::to_value(auth_http::openapi(true, "1.2.3")).unwrap();
    assert_eq!(served, made);
}

#[tokio::test]
async fn the_page_and_all_it_loads_are_served_under_a_strict_policy() {
    for (path, content_type) in [
        ("/docs/", "text/html; charset=utf-8"),
        ("/docs/page.js", "text/javascript; charset=utf-8"),
        ("/docs/page.css", "text/css; charset=utf-8"),
        ("/openapi.json", "application/json"),
    ] {
        let (status, headers, text) = get(path).await;
        assert_eq!(
            (status, &headers["content-type"]),
            (StatusCode::OK, &content_type.parse().unwrap())
        );
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert!(!text.is_empty());
    }
    let (status, headers, _) = get("/docs").await;
    assert_eq!((status.as_u16(), &headers["location"]), (308, &"docs/".parse().unwrap()));
}

#[tokio::test]
async fn the_page_refers_to_nothing_outside_and_writes_no_markup() {
    let mut loaded = Vec::new();
    for path in ["/docs/", "/docs/page.js", "/docs/page.css"] {
        let (_, _, text) = get(path).await;
        for outside in ["//fonts", "http:", "https:", "src=\"//", "href=\"//", "url(", "@import"] {
            assert!(!text.contains(outside), "{path} has {outside}");
        }
        for markup in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!text.contains(markup), "{path} has {markup}");
        }
        for inline in ["onload=", "onclick=", "style=", "<style", "javascript:"] {
            assert!(!text.contains(inline), "{path} has {inline}");
        }
        for attribute in ["src=\"", "href=\""] {
            loaded.extend(
                text.split(attribute)
                    .skip(1)
                    .map(|rest| rest.split_once('"').map(|(to, _)| format!("/docs/{to}")).unwrap()),
            );
        }
    }
    assert_eq!(loaded.len(), 3);
    for path in loaded {
        let (status, _, _) = get(&path.replace("/docs/../", "/")).await;
        assert_eq!(status, StatusCode::OK, "{path}");
    }
}
