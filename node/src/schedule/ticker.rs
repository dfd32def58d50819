//! Ticker: any interval, by timers of the runtime.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::schedule::{Error, Job, Schedule, part_of};

/// Jobs that each have a task of their own.
#[derive(Debug, Default)]
pub(super) struct Ticker {
    tasks: JoinSet<()>,
}

impl Schedule for Ticker {
    async fn every(&mut self, interval: Duration, job: Job) -> Result<(), Error> {
        let mut ticks = interval_at(Instant::now() + part_of(interval), interval);
        // After a pause of the process once is enough.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        self.tasks.spawn(async move {
            loop {
                ticks.tick().await;
                job();
                // One wake-up each time, at nine to eleven tenths of the interval.
                ticks.reset_after(interval.mul_f64(0.9) + part_of(interval / 5));
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_job_runs_again_and_again_until_the_ticker_is_gone() {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let job: Job = Arc::new(move || {
            let _ = sender.send(());
        });
        let mut ticker = Ticker::default();
        let scheduled = ticker.every(Duration::from_millis(10), job).await;
        assert!(scheduled.is_ok());
        for _ in 0..3 {
            receiver.recv().await.expect("the job runs");
        }
        drop(ticker);
        while receiver.recv().await.is_some() {}
    }
}
