//! What a handler leaves unread of a request.
//!
//! Who is refused early is answered before the body has come. The next request of the connection begins behind that body, so it is
//! read on or the connection ends; and a connection that ends unannounced makes the client's next request fail.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Bytes, HttpBody},
    http::{HeaderValue, Request, Response, header},
};
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio::{sync::oneshot, time::timeout};

/// How much is read on for the sake of the connection.
const MAX_BYTES: usize = 64 << 10;
/// How long it may take to come.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// Lets `handle` answer; what it left of the body is read on, within limits, or the end of the connection is announced.
pub(super) async fn read_on<B, A, F>(request: Request<B>, handle: impl FnOnce(Request<Lent<B>>) -> F) -> Response<A>
where
    B: HttpBody<Data = Bytes> + Unpin,
    F: Future<Output = Response<A>>,
{
    // It sends its body only when told to go on: nobody is.
    let waits = request.headers().contains_key(header::EXPECT);
    let (back, mut rest) = oneshot::channel();
    let mut response = handle(request.map(|body| Lent { body: Some(body), back: Some(back) })).await;
    if let Ok(rest) = rest.try_recv()
        && (waits || !is_short(rest).await)
    {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn is_short<B: HttpBody<Data = Bytes> + Unpin>(mut body: B) -> bool {
    let whole = async {
        let mut left = MAX_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            let Some(rest) = left.checked_sub(bytes) else { return false };
            left = rest;
        }
        body.is_end_stream()
    };
    timeout(MAX_WAIT, whole).await.unwrap_or(false)
}

/// A body that goes back when its reader drops it before its end.
pub(super) struct Lent<B: HttpBody> {
    body: Option<B>,
    back: Option<oneshot::Sender<B>>,
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Lent<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(B::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, B::size_hint)
    }
}

impl<B: HttpBody> Drop for Lent<B> {
    fn drop(&mut self) {
        if let (Some(body), Some(back)) = (self.body.take().filter(|body| !body.is_end_stream()), self.back.take()) {
            let _ = back.send(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::Body;
    use hyper::{body::Incoming, server::conn::http1, service::service_fn};
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;

    /// A connection to somebody who refuses everything without looking.
    fn refusing() -> DuplexStream {
        let (client, server) = tokio::io::duplex(1 << 20);
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| async {
                Ok::<_, Infallible>(read_on(request, async |_| Response::builder().status(403).body(Body::from("no")).unwrap()).await)
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(server), service).await;
        });
        client
    }

    async fn send(client: &mut DuplexStream, bytes: &[u8]) {
        client.write_all(bytes).await.unwrap();
        // Whoever can go on now, does.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    async fn answer(client: &mut DuplexStream) -> String {
        let mut answer = Vec::new();
        while !answer.ends_with(b"no") {
            assert_ne!(client.read_buf(&mut answer).await.unwrap(), 0, "closed after {:?}", String::from_utf8_lossy(&answer));
        }
        String::from_utf8(answer).unwrap().to_lowercase()
    }

    #[tokio::test]
    async fn a_connection_outlives_a_body_that_comes_after_the_refusal() {
        let mut client = refusing();
        for _ in 0..3 {
            send(&mut client, b"PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n").await;
            send(&mut client, b"0123456789").await;
            let answer = answer(&mut client).await;
            assert!(answer.starts_with("http/1.1 403") && !answer.contains("connection: close"), "{answer}");
        }
    }

    #[tokio::test]
    async fn what_is_too_long_or_does_not_come_ends_the_connection_and_says_so() {
        let head = |more: &str, length: usize| format!("PUT / HTTP/1.1\r\nhost: a\r\n{more}content-length: {length}\r\n\r\n").into_bytes();
        let long = [head("", 1 << 19), vec![b'x'; 1 << 19]].concat();
        for request in [head("", 10), head("expect: 100-continue\r\n", 10), long] {
            let mut client = refusing();
            send(&mut client, &request).await;
            let answer = answer(&mut client).await;
            assert!(answer.contains("connection: close"), "{answer}");
        }
    }
}
