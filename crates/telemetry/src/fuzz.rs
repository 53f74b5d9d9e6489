//! What is read of the headers that every request may have, whatever is in them.

use std::net::{IpAddr, SocketAddr};

use auth_fuzz::Fuzz;
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use tower::ServiceExt;

use crate::layers;
use crate::proxies::{Network, Proxies};
use crate::traceparent::Parent;

/// A header's values, one a line; none if some cannot be a header's.
fn values(name: &'static str, input: &[u8]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for value in input.split(|byte| *byte == b'\n') {
        headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).ok()?);
    }
    Some(headers)
}

/// A trace is taken over as it was written, or a new one begins.
#[test]
fn fuzz_traceparents() {
    Fuzz::new("telemetry/traceparent", include_str!("../corpus/traceparent.txt")).run(|input| {
        let headers = values("traceparent", input)?;
        let Some(parent) = Parent::of(&headers) else { return Some((false, input.len().min(60))) };
        let context = parent.context();
        assert!(context.is_valid());
        let said = format!("-{}-{}-", context.trace_id(), context.span_id());
        assert_eq!(input.get(2..53), Some(said.as_bytes()));
        assert!(input.len() <= 256 && !input.contains(&b'\n'), "one header");
        Some((true, usize::from(input.starts_with(b"00"))))
    });
}

/// The id of a request goes into headers, problem documents and lines of the log as it is, so it is plain and
/// short, and what the service is told is what the client is told.
#[test]
fn fuzz_request_ids() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let echo =
        |headers: HeaderMap| async move { headers["x-request-id"].to_str().unwrap().to_owned() };
    let router = layers(Router::new().route("/", get(echo)), "http", None);
    Fuzz::new("telemetry/request_id", include_str!("../corpus/request_id.txt")).run(|input| {
        let headers = values("x-request-id", input)?;
        let mut request = Request::new(Body::empty());
        *request.headers_mut() = headers;
        let (told, echoed) = runtime.block_on(async {
            let response = router.clone().oneshot(request).await.unwrap();
            let told =
                response.headers().get_all("x-request-id").iter().cloned().collect::<Vec<_>>();
            (told, axum::body::to_bytes(response.into_body(), 1024).await.unwrap())
        });
        assert_eq!(told, [HeaderValue::from_bytes(&echoed).unwrap()]);
        let plain = |c: &u8| c.is_ascii_alphanumeric() || b"._-".contains(c);
        assert!((1..=64).contains(&echoed.len()) && echoed.iter().all(plain), "{echoed:?}");
        Some(echoed == input)
    });
}

/// Who is believed to ask is whom the proxies name: nothing that a client writes into the header itself changes it.
#[test]
fn fuzz_forwarded_for() {
    let networks = || vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
    let [one, two] = [1, 2].map(|hops| Proxies::new(networks(), hops));
    let (proxy, stranger): (IpAddr, IpAddr) =
        ("10.1.2.3".parse().unwrap(), "192.0.2.1".parse().unwrap());
    let corpus = include_str!("../corpus/forwarded_for.txt");
    Fuzz::new("telemetry/forwarded_for", corpus).run(|input| {
        let headers = values("x-forwarded-for", input)?;
        for proxies in [&one, &two] {
            assert_eq!(proxies.client(stranger, &headers), Some(stranger), "it is no proxy");
        }
        let believed = one.client(proxy, &headers);
        // The client sent it: it stands on the left of what the proxy wrote, in the same line or in one before.
        for sent in [&b"198.51.100.66, "[..], b"198.51.100.66\n", b",,junk\xff,"] {
            let more = values("x-forwarded-for", &[sent, input].concat())?;
            assert_eq!(one.client(proxy, &more), believed, "{sent:?}");
        }
        let behind = two.client(proxy, &headers);
        match believed {
            // As an address is written, and nothing beside it.
            Some(named) => {
                let last = input.rsplit(|byte| b",\n".contains(byte)).next().unwrap_or_default();
                let last = std::str::from_utf8(last).unwrap().trim_matches([' ', '\t']);
                let bare = last.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
                let alone = bare.unwrap_or(last).parse::<IpAddr>().ok();
                let read = alone.or_else(|| Some(last.parse::<SocketAddr>().ok()?.ip()));
                assert_eq!(read.map(|read| read.to_canonical()), Some(named));
                let is_proxy = one.client(named, &HeaderMap::new()).is_none();
                assert!(is_proxy || behind == Some(named), "a second proxy is one");
            }
            None => assert_eq!(behind, None),
        }
        Some((believed.is_some(), behind.is_some(), believed == behind))
    });
}

/// A network is written in one way and holds what it begins with.
#[test]
fn fuzz_networks() {
    Fuzz::new("telemetry/network", include_str!("../corpus/network.txt")).run(|input| {
        let text = std::str::from_utf8(input).ok()?;
        let network: Network = text.parse().ok()?;
        let (first, bits) = text.split_once('/').unwrap_or((text, ""));
        let first: IpAddr = first.parse().unwrap();
        let proxies = Proxies::new(vec![network], 1);
        let nothing = HeaderMap::new();
        assert_eq!(proxies.client(first, &nothing), None, "its own first address is in it");
        let most = if first.is_ipv4() { 32 } else { 128 };
        assert!(bits.is_empty() || bits.parse::<u32>().unwrap() <= most);
        Some((first.is_ipv4(), bits.is_empty()))
    });
}
