//! Reading bodies: bounded in size, in time, and in what all of them hold in memory together.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, header},
};
use http_body_util::BodyExt;
use rollcall_shared::wire::{
    Problem,
    limits::{self, JsonLimits},
};
use serde::de::DeserializeOwned;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::auth::Refusal;

/// KiB of bodies in memory at once.
const BUDGET_KIB: usize = 256 << 10;
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How long, and how much, is read away after a refusal.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_DRAINED_BYTES: usize = 64 << 20;
const BUSY_RETRY_SECONDS: u32 = 5;

/// Reads bodies within a budget.
pub(crate) struct Bodies {
    budget: Arc<Semaphore>,
}

/// A body that was read; its share of the budget is given back with it.
pub(crate) struct ReadBody {
    pub(crate) bytes: Bytes,
    _share: OwnedSemaphorePermit,
}

impl Default for Bodies {
    fn default() -> Self {
        Self { budget: Arc::new(Semaphore::new(BUDGET_KIB)) }
    }
}

/// A body that is coming in. Whatever of it a refusal leaves unread is read away for a while, since a sender that is cut off
/// in the middle sees a broken connection instead of the refusal.
pub(crate) struct Incoming {
    body: Body,
    is_read: bool,
}

impl From<Body> for Incoming {
    fn from(body: Body) -> Self {
        Self { body, is_read: false }
    }
}

impl Incoming {
    /// The whole body, or why not.
    async fn collect(&mut self, limit: u64) -> Result<Bytes, Refusal> {
        let mut whole = Vec::new();
        while let Some(frame) = self.body.frame().await {
            let Ok(frame) = frame else {
                self.is_read = true;
                return Err(Refusal::bad_request("the body ended before it was complete"));
            };
            let Ok(data) = frame.into_data() else { continue };
            let length = (whole.len() + data.len()) as u64;
            if length > limit {
                return Err(Refusal::new(too_large(length, limit)));
            }
            whole.extend_from_slice(&data);
        }
        self.is_read = true;
        Ok(Bytes::from(whole))
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.is_read
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(timeout(DRAIN_TIMEOUT, drain(std::mem::take(&mut self.body))));
        }
    }
}

async fn drain(mut body: Body) {
    let mut left = MAX_DRAINED_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        if left == 0 {
            return;
        }
    }
}

impl Bodies {
    /// A whole body of at most `limit` bytes.
    pub(crate) async fn read(&self, headers: &HeaderMap, mut body: Incoming, limit: u64) -> Result<ReadBody, Refusal> {
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if let Some(length) = announced.filter(|length| *length > limit) {
            return Err(Refusal::new(too_large(length, limit)));
        }
        let kib = u32::try_from(announced.unwrap_or(limit) / 1_024 + 1).unwrap_or(u32::MAX);
        let share = Arc::clone(&self.budget)
            .try_acquire_many_owned(kib)
            .map_err(|_| Refusal::unavailable("the collector is reading as much as it can hold", BUSY_RETRY_SECONDS))?;
        match timeout(READ_TIMEOUT, body.collect(limit)).await {
            Ok(read) => Ok(ReadBody { bytes: read?, _share: share }),
            Err(_) => {
                let detail = format!("the body did not arrive within {} s", READ_TIMEOUT.as_secs());
                Err(Refusal::new(Problem::new(408, "too-slow", "The request took too long", detail).next("send it again")))
            }
        }
    }

    /// A small JSON body, as every request but an inventory has one.
    pub(crate) async fn read_json<T: DeserializeOwned>(&self, headers: &HeaderMap, body: Incoming) -> Result<T, Refusal> {
        const LIMITS: JsonLimits = limits::CONTROL;
        let body = self.read(headers, body, LIMITS.bytes).await?;
        limits::parse(&body.bytes, &LIMITS).map_err(Refusal::new)
    }
}

fn too_large(found: u64, limit: u64) -> Problem {
    let detail = format!("$: the body is at least {found} bytes, the limit is {limit}");
    Problem::new(413, "limit-exceeded", "The document is beyond a limit", detail).at("$").limited_to(limit)
}
