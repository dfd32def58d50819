//! Waits: how long a request waits for what its client has seen and is not there yet.

use std::time::{Duration, Instant};

use dht::causal::seen::Metadata;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::store::Store;

#[tokio::test]
async fn a_request_waits_as_long_as_its_node_was_told() {
    let mut store = Store::boot(2, None).await;
    let view = store.view();
    store.nodes[1].restart_with(PATIENT, &view);
    store.is_ready(1).await;
    let told = store.put(0, "key", json!("old"), &Value::Null).await;
    assert_eq!(told.status, 201, "{told:?}");
    let ahead = ahead(&told.body["causal-metadata"]);

    let began = Instant::now();
    let told = store.read_once(0, "key", &ahead).await;
    let text = json!({"error": "Causal dependencies not satisfied; try again later"});
    assert_eq!((told.status, &told.body), (503, &text));
    assert_eq!(told.retry_after.as_deref(), Some("1"));
    assert!(began.elapsed() < WAIT, "it was not told to wait");

    let began = Instant::now();
    let told = store.read_once(1, "key", &ahead).await;
    assert_eq!((told.status, &told.body), (503, &text));
    assert!(began.elapsed() >= WAIT, "{:?}", began.elapsed());

    let write = async {
        sleep(WAIT / 4).await;
        store.put_once(0, "key", json!("new"), &Value::Null).await
    };
    let (read, written) = tokio::join!(store.read_once(1, "key", &ahead), write);
    assert_eq!((written.status, read.status), (200, 200), "{read:?}");
    assert_eq!(read.body["value"], "new");
}

/// What a client has seen that has seen the next write as well, which is yet to come.
fn ahead(seen: &Value) -> Value {
    let text = seen.as_str().expect("a text");
    let mut metadata = Metadata::decode(text).expect("a node gave it");
    for vector in metadata.seen.shards.values_mut() {
        let writers: Vec<_> = vector.iter().collect();
        writers
            .iter()
            .for_each(|(writer, last)| vector.raise(*writer, last + 1));
    }
    json!(metadata.encode())
}

const PATIENT: &[&str] = &[
    "--store",
    "disk",
    "--data",
    "data",
    "--causal-wait-ms",
    "2000",
];
const WAIT: Duration = Duration::from_secs(2);
