//! Memory: nodes that keep nothing when they end, and do not know that they have lived before.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::store::Store;

#[tokio::test]
async fn who_has_lost_its_memory_is_told_all_before_it_is_ready() {
    let mut store = Store::boot_in_memory(3, None).await;
    let mut seen = Value::Null;
    for number in 0..KEYS {
        let told = store
            .put(number % 3, &format!("key{number}"), json!(number), &seen)
            .await;
        assert_eq!(told.status, 201, "{told:?}");
        seen = told.body["causal-metadata"].clone();
    }
    let view = store.view();

    // Nobody can tell it anything: so it does not know whether everything has just begun.
    (1..3).for_each(|place| store.nodes[place].signal("-STOP"));
    store.nodes[0].restart(&view, None);
    let began = Instant::now();
    while began.elapsed() < SILENCE {
        let ready = store.try_ask(0, Method::GET, "/readyz", "").await;
        assert!(ready.is_none_or(|told| told.status == 503));
        let body = json!({"causal-metadata": null}).to_string();
        let read = store.try_ask(0, Method::GET, "/kvs/key0", &body).await;
        assert!(read.is_none_or(|told| told.status == 503));
        sleep(Duration::from_millis(200)).await;
    }
    (1..3).for_each(|place| store.nodes[place].signal("-CONT"));
    has_all(&store, 0, &seen).await;

    // One after the other, so that what one has lost another has.
    for place in [1, 2] {
        store.nodes[place].restart(&view, None);
        has_all(&store, place, &seen).await;
    }
}

/// Waits until a node is ready: then it has every key, for whoever brings nothing along and for who has seen all.
async fn has_all(store: &Store, place: usize, seen: &Value) {
    store.is_ready(place).await;
    for number in 0..KEYS {
        for seen in [&Value::Null, seen] {
            let told = store.read(place, &format!("key{number}"), seen).await;
            let value = (told.status, &told.body["value"]);
            assert_eq!(value, (200, &json!(number)), "{place}: {told:?}");
        }
    }
}

const KEYS: usize = 12;

/// Longer than nodes wait for those who do not come.
const SILENCE: Duration = Duration::from_secs(13);
