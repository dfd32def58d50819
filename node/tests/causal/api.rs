//! Api: each request that the store's first clients know, with its statuses and bodies.

use reqwest::Method;
use serde_json::{Value, json};

use crate::store::Store;

#[tokio::test]
async fn a_view_is_shown_grows_and_shrinks() {
    let store = Store::boot(3, None).await;
    let addresses: Vec<String> = store
        .nodes
        .iter()
        .map(|node| node.address.to_string())
        .collect();
    let mut sorted = addresses.clone();
    sorted.sort();
    let view = store.get(0, "/view").await;
    let mut shown: Vec<String> = serde_json::from_value(view.body["view"].clone()).expect("texts");
    shown.sort();
    assert_eq!((view.status, shown), (200, sorted));

    let known = json!({"socket-address": addresses[1]});
    let told = store.ask(0, Method::PUT, "/view", known).await;
    assert_eq!(
        (told.status, told.body),
        (200, json!({"result": "already present"}))
    );
    let other = json!({"socket-address": "127.0.0.1:1"});
    let told = store.ask(0, Method::PUT, "/view", other.clone()).await;
    assert_eq!((told.status, told.body), (201, json!({"result": "added"})));
    let told = store.ask(0, Method::DELETE, "/view", other.clone()).await;
    assert_eq!(
        (told.status, told.body),
        (200, json!({"result": "deleted"}))
    );
    let told = store.ask(0, Method::DELETE, "/view", other).await;
    let missing = json!({"error": "View has no such replica"});
    assert_eq!((told.status, told.body), (404, missing));
}

#[tokio::test]
async fn values_keep_their_type_at_every_node() {
    let store = Store::boot(2, None).await;
    let mut seen = Value::Null;
    let values = [
        json!(7),
        json!(-0.125),
        json!("text"),
        json!(true),
        json!(null),
        json!([1, [2, null]]),
        json!({"nested": {"list": [1.5, "x"]}}),
    ];
    for (number, value) in values.iter().enumerate() {
        let told = store
            .put(number % 2, &format!("key{number}"), value.clone(), &seen)
            .await;
        assert_eq!(
            (told.status, &told.body["result"]),
            (201, &json!("created"))
        );
        assert!(
            told.body.get("shard-id").is_none(),
            "there are no shards: {}",
            told.body
        );
        seen = told.body["causal-metadata"].clone();
        assert_eq!(seen, json!(told.seen), "in the header, too");
    }
    for (number, value) in values.iter().enumerate() {
        let place = (number + 1) % 2;
        let key = format!("key{number}");
        store
            .until("the other node has it", async || {
                store.read(place, &key, &seen).await.status == 200
            })
            .await;
        let told = store.read(place, &key, &seen).await;
        assert_eq!(told.body["result"], "found");
        assert_eq!(&told.body["value"], value);
    }
    // More digits than any number of a program has stay as they were written.
    let digits = "123456789012345678901234567890.5";
    let body = format!("{{\"value\": {digits}, \"causal-metadata\": null}}");
    let told = store.try_ask(0, Method::PUT, "/kvs/digits", &body).await;
    assert_eq!(told.expect("an answer").status, 201);
    let address = store.nodes[0].address;
    let asked = store.client.get(format!("http://{address}/kvs/digits"));
    let answer = asked.body("{\"causal-metadata\": null}").send().await;
    let text = answer.expect("an answer").text().await.expect("a text");
    assert!(text.contains(digits), "{text}");
}

#[tokio::test]
async fn keys_are_created_replaced_deleted_and_missed() {
    let store = Store::boot(4, Some(2)).await;
    let missing = (404, json!({"error": "Key does not exist"}));
    let told = store.read(0, "a", &Value::Null).await;
    assert_eq!((told.status, told.body), missing);

    let told = store.put(0, "a", json!(1), &Value::Null).await;
    let shard = told.body["shard-id"].clone();
    assert!(shard == "0" || shard == "1", "{shard}");
    assert_eq!(
        (told.status, &told.body["result"]),
        (201, &json!("created"))
    );
    let told = store
        .put(1, "a", json!(2), &told.body["causal-metadata"])
        .await;
    assert_eq!(
        (told.status, &told.body["result"], &told.body["shard-id"]),
        (200, &json!("replaced"), &shard)
    );
    let seen = told.body["causal-metadata"].clone();
    for place in 0..4 {
        store
            .until("every node answers for every key", async || {
                store.read(place, "a", &seen).await.status == 200
            })
            .await;
        let told = store.read(place, "a", &seen).await;
        assert_eq!(
            (&told.body["value"], &told.body["shard-id"]),
            (&json!(2), &shard)
        );
    }

    let body = json!({"causal-metadata": seen});
    let told = store.ask(2, Method::DELETE, "/kvs/a", body).await;
    assert_eq!(
        (told.status, &told.body["result"]),
        (200, &json!("deleted"))
    );
    let members: Vec<&String> = told.body.as_object().expect("an object").keys().collect();
    assert_eq!(members, ["causal-metadata", "result"]);
    let seen = told.body["causal-metadata"].clone();
    for place in 0..4 {
        store
            .until("nobody shows what the client saw deleted", async || {
                store.read(place, "a", &seen).await.status == 404
            })
            .await;
    }
    let body = json!({"causal-metadata": seen});
    let told = store.ask(3, Method::DELETE, "/kvs/a", body).await;
    assert_eq!((told.status, told.body), missing);
}

#[tokio::test]
async fn shards_are_named_filled_counted_and_divided_anew() {
    let store = Store::boot(6, Some(2)).await;
    let ids = store.get(0, "/shard/ids").await;
    assert_eq!(
        (ids.status, ids.body),
        (200, json!({"shard-ids": ["0", "1"]}))
    );
    let mut sizes = Vec::new();
    for shard in ["0", "1"] {
        let members = store.members(3, shard).await;
        for place in &members {
            let own = store.get(*place, "/shard/node-shard-id").await;
            assert_eq!(
                (own.status, own.body),
                (200, json!({"node-shard-id": shard}))
            );
        }
        sizes.push(members.len());
    }
    assert_eq!(sizes, [3, 3]);
    for path in [
        "/shard/members/2",
        "/shard/members/x",
        "/shard/key-count/2",
        "/shard/key-count/00",
    ] {
        assert_eq!(store.get(0, path).await.status, 404, "{path}");
    }

    let mut seen = Value::Null;
    for number in 0..20 {
        let told = store
            .put(number % 6, &format!("key{number}"), json!(number), &seen)
            .await;
        assert_eq!(told.status, 201, "{told:?}");
        seen = told.body["causal-metadata"].clone();
    }
    let body = json!({"causal-metadata": seen});
    assert_eq!(
        store.ask(0, Method::DELETE, "/kvs/key0", body).await.status,
        200
    );
    let count = async || {
        let mut keys = 0;
        for shard in ["0", "1"] {
            let told = store.get(5, &format!("/shard/key-count/{shard}")).await;
            keys += told.body["shard-key-count"].as_u64().unwrap_or_default();
        }
        keys
    };
    store
        .until("live keys are counted", async || count().await == 19)
        .await;

    let told = store
        .ask(0, Method::PUT, "/shard/reshard", json!({"shard-count": 4}))
        .await;
    let text = "Not enough nodes to provide fault tolerance with requested shard count";
    assert_eq!((told.status, told.body), (400, json!({"error": text})));
    store
        .until("it is divided, once nothing else is changed", async || {
            let body = json!({"shard-count": 3});
            let told = store.ask(0, Method::PUT, "/shard/reshard", body).await;
            let is_done = told.body == json!({"result": "resharded"});
            assert!(
                told.status == 409 || (told.status == 200 && is_done),
                "{told:?}"
            );
            is_done
        })
        .await;
    for place in 0..6 {
        store
            .until("all nodes know the shards", async || {
                store.get(place, "/shard/ids").await.body == json!({"shard-ids": ["0", "1", "2"]})
            })
            .await;
    }
    for number in 1..20 {
        let told = store.read(number % 6, &format!("key{number}"), &seen).await;
        assert_eq!(
            (told.status, &told.body["value"]),
            (200, &json!(number)),
            "{told:?}"
        );
    }
}

#[tokio::test]
async fn who_comes_late_waits_for_a_shard_and_has_all_of_it_then() {
    let mut store = Store::boot(4, Some(2)).await;
    let told = store.put(0, "early", json!("bird"), &Value::Null).await;
    let (seen, shard) = (
        told.body["causal-metadata"].clone(),
        told.body["shard-id"].clone(),
    );
    let shard = shard.as_str().expect("a text").to_owned();

    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it listens");
    drop(listener);
    let view = format!("{},{address}", store.view());
    store
        .nodes
        .push(crate::store::Node::start(address, &view, None, &[]));
    let joiner = json!({"socket-address": address.to_string()});
    store
        .until("the others have it in their view", async || {
            let told = store.get(0, "/view").await;
            told.body["view"]
                .as_array()
                .is_some_and(|view| view.len() == 5)
        })
        .await;
    assert_eq!(store.get(4, "/shard/node-shard-id").await.status, 404);
    let told = store.read(4, "early", &seen).await;
    assert_eq!(told.status, 200, "it asks those that have it: {told:?}");

    for (path, status) in [("/shard/add-member/7", 404), ("/shard/add-member/x", 404)] {
        assert_eq!(
            store.ask(0, Method::PUT, path, joiner.clone()).await.status,
            status
        );
    }
    let stranger = json!({"socket-address": "127.0.0.1:1"});
    let path = format!("/shard/add-member/{shard}");
    assert_eq!(store.ask(0, Method::PUT, &path, stranger).await.status, 404);
    store
        .until("it has a place, once it is known", async || {
            let told = store.ask(1, Method::PUT, &path, joiner.clone()).await;
            let is_added = told.body == json!({"result": "node added to shard"});
            assert!(
                matches!(told.status, 404 | 409) || (told.status == 200 && is_added),
                "{told:?}"
            );
            is_added
        })
        .await;
    store.is_ready(4).await;
    assert_eq!(
        store.get(4, "/shard/node-shard-id").await.body,
        json!({"node-shard-id": shard})
    );
    let told = store.read(4, "early", &seen).await;
    assert_eq!(
        (told.status, &told.body["value"]),
        (200, &json!("bird")),
        "{told:?}"
    );
}
