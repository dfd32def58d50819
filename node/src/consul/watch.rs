//! Watch: who passes the checks of a service, as that changes.
//!
//! The last known view stays while Consul is away: a registry that can't be reached says nothing about those
//! who are registered there.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::consul::{Consul, Error, Instance, pause};

/// Follows a service.
#[derive(Debug)]
pub struct Watch {
    consul: Consul,
    service: String,
    index: u64,
    /// How many queries in a row have failed.
    failures: u32,
    /// Before then nothing is asked.
    rests_until: Instant,
    known: Option<Vec<Instance>>,
}

impl Watch {
    pub(super) fn new(consul: Consul, service: &str) -> Watch {
        Watch {
            consul,
            service: service.to_owned(),
            index: 0,
            failures: 0,
            rests_until: Instant::now(),
            known: None,
        }
    }

    /// Those who pass, the first time at once, and from then on when they have become others. Errors:
    /// [`Watch::look`] failed; the next call tries again, after a pause.
    pub async fn next(&mut self) -> Result<&[Instance], Error> {
        loop {
            let instances = self.look().await?;
            if self.known.as_ref() != Some(&instances) {
                return Ok(self.known.insert(instances));
            }
        }
    }

    /// Those who pass now, or when anything has changed, or after a while. Errors: Consul is away; who passed
    /// last is still what counts.
    ///
    /// It may be dropped before it is done: what it has waited by then counts for the next one.
    pub async fn look(&mut self) -> Result<Vec<Instance>, Error> {
        sleep_until(self.rests_until).await;
        match self.consul.passing(&self.service, self.index, WAIT).await {
            Ok(passing) => {
                self.failures = 0;
                self.index = next_index(self.index, passing.index);
                Ok(passing.instances)
            }
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                self.rests_until = Instant::now() + pause(self.failures);
                // Whoever answers next may have begun anew, and would wait for an index that is far ahead.
                self.index = 0;
                Err(error)
            }
        }
    }
}

/// What to wait for a change of. One that goes backwards is that of a Consul which has begun anew, and one
/// below 1 would not be waited for at all.
fn next_index(last: u64, told: u64) -> u64 {
    match told < last {
        true => 0,
        false => told.max(1),
    }
}

/// How long a query waits for a change.
const WAIT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_that_goes_backwards_begins_anew() {
        assert_eq!(next_index(0, 7), 7);
        assert_eq!(next_index(7, 9), 9);
        assert_eq!(next_index(9, 3), 0);
        assert_eq!(next_index(0, 0), 1);
    }
}
