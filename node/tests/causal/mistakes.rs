//! Mistakes: what makes no sense is told so, and changes nothing.

use reqwest::Method;
use serde_json::{Value, json};

use crate::store::Store;

#[tokio::test]
async fn requests_that_make_no_sense_change_nothing() {
    let store = Store::boot(4, Some(2)).await;
    let told = store.put(0, "key", json!("value"), &Value::Null).await;
    assert_eq!(told.status, 201);
    let seen = told.body["causal-metadata"].clone();
    let (long, longer) = ("ä".repeat(50), "ä".repeat(51));

    let no_value = json!({"causal-metadata": seen});
    let told = store.ask(0, Method::PUT, "/kvs/key", no_value).await;
    let text = json!({"error": "PUT request does not specify a value"});
    assert_eq!((told.status, told.body), (400, text));
    let told = store.put(0, &longer, json!(1), &seen).await;
    assert_eq!(
        (told.status, told.body),
        (400, json!({"error": "Key is too long"}))
    );
    let told = store.put(0, &long, json!(1), &seen).await;
    assert_eq!(told.status, 201, "characters count, not bytes");

    let no_metadata = json!({"value": 2}).to_string();
    let bodies = [
        no_metadata.as_str(),
        r#"{"value": 2, "causal-metadata": 7}"#,
        r#"{"value": 2, "causal-metadata": ["list"]}"#,
        r#"{"value": 2, "causal-metadata": "no such text"}"#,
        r#"{"value": 2, "causal-metadata": ""}"#,
        r#"{"value": 2, "causal-metadata": "#,
        r#"["value", 2]"#,
        "",
    ];
    for body in bodies {
        for method in [Method::PUT, Method::GET, Method::DELETE] {
            let told = store.try_ask(1, method.clone(), "/kvs/key", body).await;
            let told = told.expect("an answer");
            assert_eq!(told.status, 400, "{method} {body}: {told:?}");
            assert!(told.body["error"].is_string(), "{told:?}");
        }
    }

    // One character of what was given is another one.
    let text = seen.as_str().expect("a text");
    let last = if text.ends_with('A') { "B" } else { "A" };
    let forged = json!(format!("{}{last}", &text[..text.len() - 1]));
    let told = store.put(1, "key", json!(2), &forged).await;
    assert_eq!(told.status, 400, "{told:?}");

    for (path, body) in [
        ("/view", json!({})),
        ("/view", json!({"socket-address": "nowhere"})),
        ("/shard/reshard", json!({})),
        ("/shard/reshard", json!({"shard-count": 0})),
        ("/shard/reshard", json!({"shard-count": -1})),
        ("/shard/reshard", json!({"shard-count": "two"})),
        ("/shard/add-member/0", json!({"socket-address": 7})),
    ] {
        let told = store.ask(2, Method::PUT, path, body.clone()).await;
        assert_eq!(told.status, 400, "{path} {body}: {told:?}");
    }
    assert_eq!(store.get(0, "/kvs").await.status, 400, "the key is empty");
    assert_eq!(
        store.ask(0, Method::POST, "/view", json!({})).await.status,
        405
    );

    let large = json!("x".repeat(2 << 20));
    assert_eq!(store.put(0, "key", large, &seen).await.status, 413);
    for place in 0..4 {
        store
            .until("the value is what it was", async || {
                store.read(place, "key", &seen).await.body["value"] == "value"
            })
            .await;
    }
    let ids = store.get(3, "/shard/ids").await;
    assert_eq!(ids.body, json!({"shard-ids": ["0", "1"]}));
}

#[tokio::test]
async fn metadata_of_another_store_is_refused_and_changes_nothing() {
    let (one, other) = (Store::boot(4, Some(1)).await, Store::boot(2, None).await);
    let reshard = json!({"shard-count": 2});
    let told = one.ask(0, Method::PUT, "/shard/reshard", reshard).await;
    assert_eq!(told.status, 200, "{told:?}");
    // What was seen under an earlier layout of this store would be believed without a look.
    let seen = other.put(0, "key", json!(1), &Value::Null).await.body["causal-metadata"].clone();
    for place in 0..4 {
        let told = one.put_once(place, "key", json!(2), &seen).await;
        assert_eq!(told.status, 400, "that is no store of theirs: {told:?}");
        assert_eq!(one.read(place, "key", &Value::Null).await.status, 404);
    }
    let own = one.put(0, "key", json!(1), &Value::Null).await.body["causal-metadata"].clone();
    let told = other.put_once(0, "key", json!(2), &own).await;
    assert_eq!(told.status, 400, "nor is it the other way round: {told:?}");
}
