//! A causally consistent store, by the commands that people type.

mod support;

use support::Net;

#[test]
fn what_clients_put_under_load_they_get_and_what_they_carry_along_stays_small() {
    let net = Net::new();
    net.json("shards boot --nodes 4 --shards 2 --store memory");
    let told = net.json("shards load --connections 4 --keys 10 --puts 400 --seconds 1");
    assert_eq!(told["puts"]["count"], 400, "{told}");
    assert!(told["gets"]["count"].as_u64() > Some(4), "{told}");
    assert_eq!(told["wrong"], 0, "{told}");
    let most = told["metadata"]["most"].as_u64();
    assert!(most > Some(0) && most < Some(500), "{told}");

    let output = net.output("shards load --bytes 3");
    assert_eq!(output.status.code(), Some(2));
}
