//! Requests on their way to the router, and answers on their way back: whose turn it is meanwhile.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use auth_grpc::PeerNames;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::routing::future::RouteFuture;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, Version};
use hyper::body::{Frame, Incoming, SizeHint};
use pin_project_lite::pin_project;
use tower::Service;

use super::activity::{Activity, Busy};

/// The router, for the requests of one connection.
pub(super) struct Serving {
    pub(super) router: Router,
    pub(super) peer: ConnectInfo<SocketAddr>,
    pub(super) names: Option<PeerNames>,
    pub(super) activity: Arc<Activity>,
    /// Whether a request is under way until its answer has ended, and not only until it begins.
    pub(super) to_the_end: bool,
}

impl hyper::service::Service<Request<Incoming>> for Serving {
    type Response = Response<Told>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, mut request: Request<Incoming>) -> Answer {
        let http2 = request.version() == Version::HTTP_2;
        let extensions = request.extensions_mut();
        extensions.insert(self.peer);
        if let Some(names) = &self.names {
            extensions.insert(names.clone());
        }
        let busy = Some(self.activity.begin(http2));
        let routed = self.router.clone().call(request);
        Answer { routed, http2, to_the_end: self.to_the_end, busy }
    }
}

pin_project! {
    /// An answer in the making. A type of its own, because a box would be one more allocation for
    /// every request.
    pub(super) struct Answer {
        #[pin]
        routed: RouteFuture<Infallible>,
        http2: bool,
        to_the_end: bool,
        busy: Option<Busy>,
    }
}

impl Future for Answer {
    type Output = Result<Response<Told>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut answer = match ready!(this.routed.poll(cx)) {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        let mut busy = this.busy.take();
        if !*this.http2 && busy.as_ref().is_some_and(|busy| busy.activity().is_closing()) {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(busy) = &mut busy {
            busy.rest();
        }
        let busy = busy.filter(|_| *this.to_the_end);
        Poll::Ready(Ok(answer.map(|body| Told { body, busy })))
    }
}

pin_project! {
    /// The body of an answer, which tells whose turn it is: ours while it has nothing to give yet, the client's
    /// while nobody asks it for more.
    pub(super) struct Told {
        #[pin]
        body: Body,
        busy: Option<Busy>,
    }
}

impl hyper::body::Body for Told {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.project();
        let polled = this.body.poll_frame(cx);
        if let Some(busy) = this.busy {
            match &polled {
                Poll::Pending => busy.work(),
                Poll::Ready(Some(_)) => busy.give(),
                Poll::Ready(None) => busy.rest(),
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
