//! Reading bodies: bounded in size, in time, and in what all of them hold in memory together.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, header},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
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
const BUSY_RETRY_SECONDS: u32 = 5;

/// Reads bodies within a budget.
pub(super) struct Bodies {
    budget: Arc<Semaphore>,
}

/// A body that was read; its share of the budget is given back with it.
pub(super) struct ReadBody {
    pub(super) bytes: Bytes,
    _share: OwnedSemaphorePermit,
}

impl Default for Bodies {
    fn default() -> Self {
        Self { budget: Arc::new(Semaphore::new(BUDGET_KIB)) }
    }
}

impl Bodies {
    /// A whole body of at most `limit` bytes.
    pub(super) async fn read(&self, headers: &HeaderMap, mut body: Body, limit: u64) -> Result<ReadBody, Refusal> {
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if let Some(length) = announced.filter(|length| *length > limit) {
            discard(&mut body).await;
            return Err(Refusal::new(too_large(length, limit)));
        }
        let kib = u32::try_from(announced.unwrap_or(limit) / 1_024 + 1).unwrap_or(u32::MAX);
        let share = Arc::clone(&self.budget)
            .try_acquire_many_owned(kib)
            .map_err(|_| Refusal::unavailable("the collector is reading as much as it can hold", BUSY_RETRY_SECONDS))?;
        let limited = Limited::new(&mut body, usize::try_from(limit).unwrap_or(usize::MAX));
        match timeout(READ_TIMEOUT, limited.collect()).await {
            Ok(Ok(collected)) => Ok(ReadBody { bytes: collected.to_bytes(), _share: share }),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                discard(&mut body).await;
                Err(Refusal::new(too_large(limit + 1, limit)))
            }
            Ok(Err(_)) => Err(Refusal::bad_request("the body ended before it was complete")),
            Err(_) => {
                let detail = format!("the body did not arrive within {} s", READ_TIMEOUT.as_secs());
                Err(Refusal::new(Problem::new(408, "too-slow", "The request took too long", detail).next("send it again")))
            }
        }
    }

    /// A small JSON body, as every request but an inventory has one.
    pub(super) async fn read_json<T: DeserializeOwned>(&self, headers: &HeaderMap, body: Body) -> Result<T, Refusal> {
        const LIMITS: JsonLimits = limits::CONTROL;
        let body = self.read(headers, body, LIMITS.bytes).await?;
        limits::parse(&body.bytes, &LIMITS).map_err(Refusal::new)
    }
}

/// Reads on for a moment and keeps nothing: who is still sending when the connection ends never sees the answer.
async fn discard(body: &mut Body) {
    const MOST_BYTES: usize = 16 << 20;
    const LONGEST: Duration = Duration::from_secs(2);
    let mut left = MOST_BYTES;
    let rest = async {
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                break;
            }
        }
    };
    // Whoever is slower than this is not answered.
    let _ = timeout(LONGEST, rest).await;
}

fn too_large(found: u64, limit: u64) -> Problem {
    let detail = format!("$: the body is at least {found} bytes, the limit is {limit}");
    Problem::new(413, "limit-exceeded", "The document is beyond a limit", detail).at("$").limited_to(limit)
}
