//! Causal: what a node of a causal store does for its clients.

use dht::causal::message::{Call, Failure, Outcome, Returned, What};
use tokio::time::{Duration, Instant, sleep};

use super::Service;
use crate::clock::now_ms;
use crate::{Address, Call as AnyCall, Returned as AnyReturned};

impl Service {
    /// Does something with a key, for a client that has seen this; nothing where it has seen nothing. Returns
    /// what came of it, what the client has seen now, and the key's shard.
    pub async fn operate(
        &self,
        key: &[u8],
        what: What,
        seen: Option<String>,
    ) -> Result<(Outcome, String, Option<u32>), Failure> {
        let deadline = Instant::now() + self.causal_wait.unwrap_or_default();
        loop {
            let call = Call::Operate {
                key: key.into(),
                what: what.clone(),
                seen: seen.clone(),
                now_ms: now_ms(),
            };
            match self.arrange(call).await {
                Ok(Returned::Done(outcome, seen, shard)) => return Ok((outcome, seen, shard)),
                Ok(other) => panic!("an operation ended as {other:?}"),
                Err(Failure::NotYet) if Instant::now() < deadline => sleep(PAUSE).await,
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Asks or changes something about the store as a whole.
    pub async fn arrange(&self, call: Call<Address>) -> Result<Returned<Address>, Failure> {
        match self.driver.called(AnyCall::Causal(Box::new(call))).await {
            AnyReturned::Causal(returned) => match *returned {
                Returned::Failed(failure) => Err(failure),
                returned => Ok(returned),
            },
            other => panic!("a causal store answered {other:?}"),
        }
    }
}

/// What a client has seen comes as fast as messages travel.
const PAUSE: Duration = Duration::from_millis(5);
