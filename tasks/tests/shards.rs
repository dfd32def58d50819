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

#[test]
fn a_store_grows_and_is_divided_anew_and_says_what_can_t_be() {
    let net = Net::new();
    net.json("shards boot --nodes 4 --shards 2 --store memory");
    net.json("kvs put bird {\"sings\":[true,null]}");
    let output = net.output("shards reshard 3");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("Not enough nodes"), "{error}");
    for _ in 0..2 {
        net.json("shards add-member");
    }
    net.json("shards reshard 3");
    let status = net.json("shards status");
    let shards = status["shards"].as_array().expect("shards").iter();
    let sizes: Vec<_> = shards
        .map(|shard| shard["members"].as_array().map(Vec::len))
        .collect();
    assert_eq!(sizes, [Some(2); 3], "{status}");
    let told = net.json("kvs get bird");
    assert_eq!(told["value"], serde_json::json!({"sings": [true, null]}));
}
