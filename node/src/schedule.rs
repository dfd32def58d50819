//! Schedule: the ring's maintenance, again and again, at intervals that vary a little.
//!
//! Jobs that run every so many whole seconds are cron jobs; what must run more often, or at odd
//! intervals, is on a timer of its own. Cron expressions begin at the full second, so without jitter
//! all nodes of a machine would wake up together.

mod cron;
mod ticker;

use std::sync::Arc;
use std::time::Duration;

use dht::node::BEAT_MS;
use rand::RngExt as _;

use crate::Timer;
use crate::clock::now_ms;
use crate::config::Intervals;
use crate::driver::Driver;
use crate::schedule::cron::Cron;
use crate::schedule::ticker::Ticker;

/// What is done again and again. It is quick, and never waits.
pub type Job = Arc<dyn Fn() + Send + Sync>;

/// Something that runs jobs at intervals, for as long as it is there.
pub trait Schedule {
    /// Runs the job at this interval from now on, with some jitter, never twice at a time.
    fn every(
        &mut self,
        interval: Duration,
        job: Job,
    ) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Why a job can't be scheduled.
#[derive(Debug, thiserror::Error)]
#[error("cannot schedule the ring's maintenance: {0}")]
pub struct Error(#[from] tokio_cron_scheduler::JobSchedulerError);

/// The maintenance of one node; it ends with this.
pub struct Maintenance {
    _ticker: Ticker,
    _cron: Option<Cron>,
}

impl Maintenance {
    /// Schedules all that a node has to do regularly.
    pub async fn start(driver: &Arc<Driver>, intervals: Intervals) -> Result<Maintenance, Error> {
        let mut jobs = vec![
            (intervals.stabilize, Timer::Stabilize),
            (intervals.fingers, Timer::Fingers),
            (intervals.predecessor, Timer::Predecessor),
            (intervals.self_check, Timer::SelfCheck),
        ];
        if driver.has_beat() {
            jobs.push((BEAT, Timer::Beat));
        }
        let (mut ticker, mut cron) = (Ticker::default(), None);
        for (interval, timer) in jobs {
            let driver = driver.clone();
            let job: Job = Arc::new(move || driver.elapsed(timer.clone()));
            if !Cron::fits(interval) {
                ticker.every(interval, job).await?;
                continue;
            }
            let cron = match &mut cron {
                Some(cron) => cron,
                none => none.insert(Cron::start().await?),
            };
            cron.every(interval, job).await?;
        }
        let driver = driver.clone();
        let job: Job = Arc::new(move || driver.content().purge(now_ms()));
        ticker.every(PURGE, job).await?;
        Ok(Maintenance {
            _ticker: ticker,
            _cron: cron,
        })
    }
}

/// Between two beats of groups.
pub(crate) const BEAT: Duration = Duration::from_millis(BEAT_MS as u64);

/// Between two looks for what has expired.
const PURGE: Duration = Duration::from_secs(1);

/// A random part of `time`.
fn part_of(time: Duration) -> Duration {
    time.mul_f64(rand::rng().random_range(0.0..1.0))
}
