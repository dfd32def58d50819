//! Partition: the nodes in two parts, between which nothing passes. Each node is told the addresses of the
//! other part, so it has to take faults (`node --fault-injection`).

use anyhow::{Context as _, Result, bail};
use dht_state::Process;
use futures::future::{join_all, try_join_all};
use sim::random::Random;

use crate::client::{Call, Client};
use crate::cluster::Cluster;
use crate::failure::Failure;

/// Draws the smaller part of at least two nodes: of any size, and anyone.
pub(super) fn draw(mut nodes: Vec<Process>, random: &mut Random) -> Vec<Process> {
    let size = random.between(1, nodes.len() as u64 / 2) as usize;
    while nodes.len() > size {
        nodes.swap_remove(random.below(nodes.len() as u64) as usize);
    }
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    nodes
}

/// Cuts these nodes off from those. Errors: some were not told; those that were are cut off.
pub(super) async fn part(client: &Client, some: &[Process], others: &[Process]) -> Result<()> {
    let tell = |process, others| tell(client, process, others);
    let told = some.iter().map(|process| tell(process, others));
    let told = told.chain(others.iter().map(|process| tell(process, some)));
    try_join_all(told).await?;
    Ok(())
}

/// Lets everything pass between these nodes again. Errors: some were not told; those that were are healed.
pub(super) async fn heal(client: &Client, nodes: &[Process]) -> Result<()> {
    let told = nodes.iter().map(|process| tell(client, process, &[]));
    join_all(told).await.into_iter().collect()
}

/// Makes sure that all nodes of a network that runs can be parted.
pub(super) async fn check(cluster: &Cluster) -> Result<()> {
    let running = cluster.running()?;
    let call = Call::get("/faults");
    let asked = running.iter().map(async |process| {
        let answer = cluster.client.ask(&process.address, &call);
        let takes = answer.await.is_ok_and(|answer| answer.is_success());
        (!takes).then_some(process.name.as_str())
    });
    let unable: Vec<&str> = join_all(asked).await.into_iter().flatten().collect();
    if unable.is_empty() {
        return Ok(());
    }
    let text = format!(
        "nobody can part these nodes from others: {}; a network can be parted if all of it runs with \
         --fault-injection: `tasks boot --fault-injection`",
        unable.join(", ")
    );
    Err(Failure::Usage(text).into())
}

async fn tell(client: &Client, process: &Process, unreachable: &[Process]) -> Result<()> {
    let addresses = unreachable.iter().map(|other| other.address.as_str());
    let failed = || format!("cannot tell {} whom it is cut off from", process.name);
    let call = Call::cut_off(addresses);
    let answer = client.ask(&process.address, &call).await;
    let answer = answer.with_context(failed)?;
    if !answer.is_success() {
        bail!("{}: {}", failed(), answer.complaint());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use dht_state::Started;

    use super::*;

    fn process(number: u16) -> Process {
        Process {
            name: format!("PROC{number}"),
            id: String::new(),
            address: format!("127.0.0.1:{number}"),
            incarnation: 1,
            pid: 1,
            started: Started::of(std::process::id()).expect("this test runs"),
            log: "log".into(),
            data: None,
        }
    }

    #[test]
    fn both_parts_have_somebody_and_anyone_may_be_in_the_smaller_one() {
        for count in 2..7 {
            let nodes: Vec<_> = (10_001..10_001 + count).map(process).collect();
            let mut seen = vec![0; nodes.len()];
            for seed in 0..200 {
                let part = draw(nodes.clone(), &mut Random::new(seed, 0));
                assert!((1..=nodes.len() / 2).contains(&part.len()));
                for (node, seen) in nodes.iter().zip(&mut seen) {
                    *seen += part.iter().filter(|one| one.name == node.name).count();
                }
            }
            assert!(
                seen.iter().all(|seen| (20..=150).contains(seen)),
                "{seen:?}"
            );
        }
    }
}
