//! Faults: which addresses nothing passes to or from, because somebody wants to see what happens then.
//!
//! Only a node that is started for experiments has any. A partition looks like silence: what is asked of an
//! address that is unreachable has no answer when its time is up, and what comes from there is not answered.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::peers::Missed;

/// What is broken between this node and others.
#[derive(Debug, Default)]
pub struct Faults {
    unreachable: watch::Sender<BTreeSet<SocketAddr>>,
}

impl Faults {
    /// From now on these are unreachable, and no others: at most [`UNREACHABLE_MAX`].
    pub fn cut_off(&self, unreachable: BTreeSet<SocketAddr>) {
        self.unreachable.send_replace(unreachable);
    }

    /// Those that are unreachable.
    pub fn unreachable(&self) -> BTreeSet<SocketAddr> {
        self.unreachable.borrow().clone()
    }

    /// Whether nothing passes to or from an address.
    pub fn is_cut_off(&self, address: SocketAddr) -> bool {
        self.unreachable.borrow().contains(&address)
    }

    /// What comes of a question to an address, if it stays reachable. Where it does not the question is given
    /// up, and its end is told as late as that of any other one without an answer.
    pub(crate) async fn through<T>(
        &self,
        to: SocketAddr,
        patience: Duration,
        asking: impl Future<Output = Result<T, Missed>>,
    ) -> Result<T, Missed> {
        let began = Instant::now();
        let mut told = self.unreachable.subscribe();
        let cut = async {
            // It fails only with the node.
            let _ = told
                .wait_for(|unreachable| unreachable.contains(&to))
                .await
                .is_ok();
        };
        tokio::select! {
            // First, so that nothing is sent.
            biased;
            () = cut => {
                sleep_until(began + patience).await;
                Err(Missed::Silent)
            }
            asked = asking => asked,
        }
    }
}

/// Addresses that can be unreachable at a time: more nodes than one machine bears.
pub const UNREACHABLE_MAX: usize = 1_024;
