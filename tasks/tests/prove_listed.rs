//! A proof of listed members. It stands alone, for whoever joins may be given the port of a node that another proof
//! has stopped for a while.

mod support;

use support::Net;

#[test]
fn listed_members_that_are_killed_take_nothing_with_them() {
    let net = Net::new();
    net.json("boot --membership static --placement rendezvous --nodes 6 --replicas 3 --store disk");
    let proof = net.json("prove --seconds 12 --faults kill --seed 2");
    assert_eq!(proof["verdict"], "nothing lost", "{proof}");
    assert_eq!(proof["ideal"], true, "{proof}");
    let faults = proof["faults"].as_array().expect("faults").iter();
    let killed = faults.filter(|fault| fault["kind"] == "kill").count();
    assert!(killed > 0, "{proof}");
}
