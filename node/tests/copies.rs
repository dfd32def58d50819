//! Copies at listed members: given back to each new life, and read where they are.

mod support;

use rustix::process::Signal;
use support::listed::{here, listed, network, put};
use support::until;

#[tokio::test]
async fn starts_within_a_second_are_told_apart() {
    let mut nodes = network(2, &["--replicas", "2"]).await;
    put(&nodes[0], 0..10).await;
    let list = format!("{},n1@{}", nodes[0].address, nodes[1].address);
    let mut lives = Vec::new();
    for _ in 0..4 {
        nodes[1].signal(Signal::KILL);
        nodes[1].ended().await;
        nodes[1] = listed("n1", nodes[1].address, &list, &["--replicas", "2"]);
        until("it is there", async || {
            let info = nodes[1].get("/nodeinfo").await;
            let life = info.and_then(|(_, info)| info["incarnation"].as_u64());
            lives.extend(life);
            life.is_some()
        })
        .await;
    }
    assert!(lives.is_sorted_by(|one, next| one < next), "{lives:?}");
    // Only who is known to be another one than before is given what it had in memory.
    nodes[1].is_ready().await;
    until("it has its copies back", async || {
        here(&nodes[1], "keys").await == 10
    })
    .await;
}
