//! Joining and leaving over HTTP, and peers that are not what they are said to be.

mod support;

use dht::Ownership;
use serde_json::{Value, json};
use support::{Answer, TestNode, loner, loner_by, ring, ring_by, two, until};

fn peer_json(node: &TestNode) -> Value {
    json!(node.me)
}

/// Sends a peer as JSON.
async fn put_peer(node: &TestNode, path: &str, peer: Value) -> Answer {
    let peer = peer.to_string();
    if path == "/join" {
        send!(node.post("/join"), "Content-Type": "application/json"; &peer)
    } else {
        send!(node.put(path), "Content-Type": "application/json"; &peer)
    }
}

#[rocket::async_test]
async fn a_peer_is_looked_into_before_it_counts() {
    let (a, b) = two().await;
    let stranger = loner("z").await;
    let nobody = support::peer("nobody");
    let liar = json!({"id": nobody.id, "address": stranger.me.address, "incarnation": 1});
    let earlier = json!({"id": stranger.me.id, "address": stranger.me.address, "incarnation": 0});
    let itself = json!({"id": nobody.id, "address": a.me.address, "incarnation": 1});
    let twin = json!({"id": a.me.id, "address": stranger.me.address, "incarnation": 1});
    for path in ["/join", "/predecessor", "/successor"] {
        let refused = [
            (json!(nobody), 400, "unreachable_peer"),
            (liar.clone(), 409, "identity_mismatch"),
            (earlier.clone(), 409, "identity_mismatch"),
            (itself.clone(), 400, "self_pointer"),
            (twin.clone(), 409, "identifier_taken"),
            (
                json!({"id": "x", "address": "127.0.0.1:1", "incarnation": 1}),
                400,
                "bad_json",
            ),
            (
                json!({"id": a.me.id, "address": "nowhere", "incarnation": 1}),
                400,
                "bad_json",
            ),
            (json!({}), 400, "bad_json"),
        ];
        for (peer, status, code) in refused {
            let answer = put_peer(&a, path, peer.clone()).await;
            assert_eq!(answer.error(), (status, code.into()), "{path} {peer}");
        }
    }
    assert_eq!(send!(a.get("/predecessor")).json(), peer_json(&b));
    assert_eq!(send!(a.get("/successor")).json(), peer_json(&b));
    let known = put_peer(&a, "/predecessor", peer_json(&b)).await;
    assert_eq!((known.status, known.json()), (200, peer_json(&b)));
    let known = put_peer(&a, "/successor", peer_json(&b)).await;
    assert_eq!((known.status, known.json()), (200, peer_json(&b)));
}

#[rocket::async_test]
async fn a_joiner_is_told_where_it_belongs() {
    let nodes = ring(&["a", "b", "c"]).await;
    let joiner = loner("z").await;
    let mut order: Vec<_> = nodes.iter().map(|node| node.me).collect();
    order.sort_by_key(|peer| joiner.me.id.distance_to(peer.id));
    for node in &nodes {
        let place = put_peer(node, "/join", peer_json(&joiner)).await;
        assert_eq!(place.status, 200);
        let place = place.json();
        assert_eq!(place["predecessor"], json!(order[2]));
        assert_eq!(place["successors"], json!([order[0], order[1]]));
    }
}

#[rocket::async_test]
async fn a_living_identifier_is_not_given_twice() {
    let nodes = ring(&["a", "b", "c"]).await;
    let twin = loner("b").await;
    for node in [&nodes[0], &nodes[2]] {
        let refused = put_peer(node, "/join", peer_json(&twin)).await;
        assert_eq!(refused.error(), (409, "identifier_taken".into()));
    }
    assert!(twin.service.join(vec![nodes[0].me]).await.is_err());
}

#[rocket::async_test]
async fn another_network_is_refused() {
    let (a, b) = two().await;
    let peer = peer_json(&b).to_string();
    let joins =
        send!(a.post("/join"), "Content-Type": "application/json", "Dht-Network": "other"; &peer);
    assert_eq!(joins.error(), (409, "wrong_network".into()));
    let item =
        send!(a.post("/insert"), "Content-Type": "application/json", "Dht-Network": "other"; "{}");
    assert_eq!(item.error(), (409, "wrong_network".into()));
    let questions = json!({"from": b.me, "to": a.me, "requests": ["Ping"]}).to_string();
    let asks = send!(a.post("/peer"), "Content-Type": "application/json", "Dht-Network": "other"; &questions);
    assert_eq!(asks.error(), (409, "wrong_network".into()));
    let asks = send!(a.post("/peer"), "Content-Type": "application/json"; &questions);
    assert_eq!(asks.error(), (409, "wrong_network".into()));
}

#[rocket::async_test]
async fn a_node_that_joins_takes_its_share_and_gives_it_back_when_it_leaves() {
    for ownership in [Ownership::Successor, Ownership::Predecessor] {
        let nodes = ring_by(ownership, &["a", "b"]).await;
        let values: Vec<String> = (0..60).map(|number| format!("value-{number}")).collect();
        for value in &values {
            assert_eq!(send_store(&nodes[0], value).await, 201);
        }
        let joiner = loner_by(ownership, "m").await;
        joiner.join(&nodes[0]).await;
        until("the ring is whole again", async || {
            nodes.iter().all(|node| {
                node.service.view().is_ready() && node.service.view().handover.is_none()
            })
        })
        .await;
        let kept = [&nodes[0], &nodes[1], &joiner].map(keys_of);
        assert_eq!(
            kept.iter().sum::<u64>(),
            60,
            "nothing is lost, and nothing there twice"
        );
        assert!(kept[2] > 0, "the joiner has its share");
        for node in [&nodes[0], &nodes[1], &joiner] {
            for value in &values {
                assert_eq!(send!(node.get(format!("/lookup/{value}"))).status, 200);
            }
        }
        let left = send!(joiner.post("/leave"));
        assert_eq!((left.status, &left.json()["moved"]), (200, &json!(kept[2])));
        assert_eq!(left.json()["node"], peer_json(&joiner));
        assert!(left.json()["ms"].is_u64());
        assert_eq!(send!(joiner.get("/readyz")).status, 503);
        assert_eq!(nodes.iter().map(keys_of).sum::<u64>(), 60);
        for value in &values {
            let node = &nodes[1];
            assert_eq!(send!(node.get(format!("/lookup/{value}"))).status, 200);
        }
    }
}

async fn send_store(node: &TestNode, value: &str) -> u16 {
    send!(node.post("/store"); value).status
}

fn keys_of(node: &TestNode) -> u64 {
    node.service
        .driver()
        .content()
        .count(&node.service.view().serves, 0) as u64
}

#[rocket::async_test]
async fn the_last_node_does_not_leave() {
    let (a, b) = two().await;
    let value = b.value();
    send!(b.post("/store"); &value);
    assert_eq!(send!(b.post("/leave")).json()["moved"], 1);
    until("it knows that it is alone", async || {
        a.service.view().is_alone()
    })
    .await;
    assert_eq!(send!(a.post("/leave")).error(), (409, "last_node".into()));
    assert_eq!(send!(a.get("/readyz")).status, 200);
    assert_eq!(send!(a.get("/successor")).error(), (404, "none".into()));
    let found = send!(a.get(format!("/lookup/{}", value.replace(' ', "%20"))));
    assert_eq!((found.status, &found.json()["hops"]), (200, &json!(0)));
}

#[rocket::async_test]
async fn a_node_that_has_lost_all_others_serves_nothing_and_says_why() {
    let (a, b) = two().await;
    let (name, value) = (a.key(), a.value());
    let path = format!("/kv/{name}");
    assert_eq!(send!(a.put(&path); "x").status, 201);
    send!(a.post("/store"); &value);
    b.stop().await;
    until("it takes the other one for dead", async || {
        send!(a.get("/readyz")).status == 503
    })
    .await;
    let ready = send!(a.get("/readyz"));
    assert_eq!(ready.error(), (503, "not_ready".into()));
    let reason = ready.json()["error"]["message"].to_string();
    assert!(reason.contains("lost its place"), "{reason}");
    let found = format!("/lookup/{}", value.replace(' ', "%20"));
    let answers = [
        send!(a.get(&path)),
        send!(a.put(&path); "y"),
        send!(a.delete(&path)),
        send!(a.get(&found)),
        send!(a.delete(&found)),
        send!(a.post("/store"); &value),
    ];
    for answer in answers {
        assert_eq!(answer.error(), (503, "not_a_member".into()));
        assert_eq!(answer.header("Retry-After"), Some("1"));
    }
}
