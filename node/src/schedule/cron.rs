//! Cron: intervals of whole seconds, by tokio-cron-scheduler.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::sleep;
use tokio_cron_scheduler::JobScheduler;

use crate::schedule::{Error, Job, Schedule, part_of};

/// A running cron scheduler.
pub(super) struct Cron {
    scheduler: JobScheduler,
}

impl Cron {
    /// A scheduler without jobs.
    pub(super) async fn start() -> Result<Cron, Error> {
        let scheduler = JobScheduler::new().await?;
        scheduler.start().await?;
        Ok(Cron { scheduler })
    }

    /// Whether a cron expression can say it: whole seconds that part a minute evenly. (The crate's
    /// own repeated jobs are no way around that: they stop for ever after a pause of the process.)
    pub(super) fn fits(interval: Duration) -> bool {
        let seconds = interval.as_secs();
        interval.subsec_nanos() == 0 && (1..=60).contains(&seconds) && 60 % seconds == 0
    }
}

impl Schedule for Cron {
    async fn every(&mut self, interval: Duration, job: Job) -> Result<(), Error> {
        let expression = match interval.as_secs() {
            60 => "0 * * * * *".to_owned(),
            seconds => format!("*/{seconds} * * * * *"),
        };
        let runs = Arc::new(AtomicBool::new(false));
        let job = tokio_cron_scheduler::Job::new_async(expression, move |_, _| {
            let (job, runs) = (job.clone(), runs.clone());
            Box::pin(async move {
                // The scheduler starts a job again while its last run is still going on.
                if !runs.swap(true, Ordering::Relaxed) {
                    sleep(part_of(interval / 2)).await;
                    job();
                    runs.store(false, Ordering::Relaxed);
                }
            })
        })?;
        self.scheduler.add(job).await?;
        Ok(())
    }
}

impl Drop for Cron {
    fn drop(&mut self) {
        // It does not stop by itself, and can be told so only from within a runtime.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let mut scheduler = self.scheduler.clone();
            runtime.spawn(async move { scheduler.shutdown().await });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_seconds_that_part_a_minute_are_for_cron() {
        let fits = |ms| Cron::fits(Duration::from_millis(ms));
        for ms in [1_000, 2_000, 10_000, 30_000, 60_000] {
            assert!(fits(ms), "{ms}");
        }
        for ms in [10, 500, 1_500, 7_000, 61_000, 120_000] {
            assert!(!fits(ms), "{ms}");
        }
    }

    #[tokio::test]
    async fn a_cron_job_runs_again_and_again() {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let job: Job = Arc::new(move || sender.send(()).expect("somebody counts"));
        let mut cron = Cron::start().await.expect("a runtime is all it needs");
        cron.every(Duration::from_secs(1), job)
            .await
            .expect("a good expression");
        let twice = async {
            receiver.recv().await;
            receiver.recv().await
        };
        let runs = tokio::time::timeout(Duration::from_secs(10), twice).await;
        assert_eq!(runs, Ok(Some(())));
    }
}
