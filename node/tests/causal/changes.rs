//! Changes: what clients are told while the shards change, and after whoever changed them has died.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::store::Store;

#[tokio::test]
async fn while_a_change_runs_reads_go_on_and_another_one_is_refused() {
    let store = Store::boot(4, Some(1)).await;
    let mut seen = Value::Null;
    for number in 0..KEYS {
        let told = store
            .put(0, &format!("key{number}"), json!(number), &seen)
            .await;
        assert_eq!(told.status, 201, "{told:?}");
        seen = told.body["causal-metadata"].clone();
    }
    store.settles().await;
    // Until it goes on it has not got what it needs, and so the change is not done.
    store.nodes[3].signal("-STOP");
    let two = || json!({"shard-count": 2});
    let first = store.ask(0, Method::PUT, "/shard/reshard", two());
    let others = async {
        store
            .until("it is decided", async || {
                let ids = store.get(1, "/shard/ids").await;
                ids.body == json!({"shard-ids": ["0", "1"]})
            })
            .await;
        for place in 0..3 {
            let body = json!({"shard-count": 1});
            let second = store.ask(place, Method::PUT, "/shard/reshard", body).await;
            assert_eq!(second.status, 409, "{second:?}");
            assert!(second.body["error"].is_string(), "{second:?}");
            for number in 0..KEYS {
                let told = store.read(place, &format!("key{number}"), &seen).await;
                let value = (told.status, &told.body["value"]);
                assert_eq!(value, (200, &json!(number)), "{place}: {told:?}");
            }
        }
        let status = store.get(2, "/shard/status").await.body;
        assert_eq!(status["last-change"], "resharded", "{status}");
        assert_eq!(status["settled"], false, "{status}");
        store.nodes[3].signal("-CONT");
    };
    let (first, ()) = tokio::join!(first, others);
    assert_eq!(
        (first.status, first.body),
        (200, json!({"result": "resharded"}))
    );
}

#[tokio::test]
async fn a_change_outlasts_whoever_asked_for_it_and_the_dead_leave_the_view() {
    let mut store = Store::boot(5, Some(1)).await;
    let told = store.put(1, "key", json!(1), &Value::Null).await;
    let seen = told.body["causal-metadata"].clone();
    store.settles().await;
    let dead = json!(store.nodes[0].address.to_string());
    let address = store.nodes[0].address;
    let reshard = store.client.put(format!("http://{address}/shard/reshard"));
    let reshard = reshard.header("Content-Type", "application/json");
    let asked = tokio::spawn(reshard.body(r#"{"shard-count": 2}"#).send());
    sleep(MOMENT).await;
    store.nodes[0].kill();
    // It was answered, or nobody says what came of it.
    let _ = asked.await;

    for place in 1..5 {
        store
            .until("the dead has left the view", async || {
                let view = store.get(place, "/view").await.body["view"].clone();
                let view = view.as_array().expect("a list").clone();
                view.len() == 4 && !view.contains(&dead)
            })
            .await;
    }
    store
        .until("all say the same of the change", async || {
            let mut told = Vec::new();
            for place in 1..5 {
                told.push(store.get(place, "/shard/status").await.body);
            }
            let is_done = |status: &Value| {
                let (change, shards) = (&status["last-change"], &status["shards"]);
                let count = shards.as_object().map_or(0, |shards| shards.len());
                let is_told = match count {
                    2 => change == "resharded",
                    _ => change == "nothing" || change.is_null(),
                };
                status["settled"] == true && is_told && status["deciding"] == false
            };
            told.iter()
                .all(|status| is_done(status) && *status == told[0])
        })
        .await;
    for place in 1..5 {
        let told = store.read(place, "key", &seen).await;
        assert_eq!(
            (told.status, &told.body["value"]),
            (200, &json!(1)),
            "{told:?}"
        );
    }
    let view = store.view();
    store.nodes[0].restart(&view, Some(1));
    store.is_ready(0).await;
    let told = store.read(0, "key", &seen).await;
    assert_eq!(
        (told.status, &told.body["value"]),
        (200, &json!(1)),
        "{told:?}"
    );
}

const KEYS: usize = 8;

/// So long that a change is under way, and mostly not done.
const MOMENT: Duration = Duration::from_millis(15);
