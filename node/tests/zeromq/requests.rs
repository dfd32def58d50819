//! Requests and their answers, at one node.

use serde_json::{Value, json};
use zeromq::prelude::{Socket as _, SocketRecv as _, SocketSend as _};
use zeromq::{DealerSocket, ZmqMessage};

use crate::client::{PATIENCE, node};

#[tokio::test]
async fn the_four_requests_are_answered_as_their_contract_says() {
    let node = node().await;
    let mut client = node.client().await;
    for (request, expected) in [
        (
            r#"{"op": "PUT", "key": "key", "value": "value"}"#,
            r#"{"status":"OK"}"#,
        ),
        (
            r#"{"op": "GET_ONE", "key": "key"}"#,
            r#"{"key":"key","value":"value"}"#,
        ),
        (
            r#"{"op": "GET_ALL"}"#,
            r#"{"collection":[{"key":"key","value":"value"}]}"#,
        ),
        (r#"{"op": "DELETE", "key": "key"}"#, r#"{"status":"OK"}"#),
        (
            r#"{"op": "GET_ONE", "key": "key"}"#,
            r#"{"key":"key","value":null}"#,
        ),
        (r#"{"op": "DELETE", "key": "key"}"#, r#"{"status":"OK"}"#),
        (r#"{"op": "GET_ALL"}"#, r#"{"collection":[]}"#),
    ] {
        assert_eq!(client.answer(request).await, expected, "{request}");
    }
}

#[tokio::test]
async fn values_come_back_as_what_they_were() {
    let node = node().await;
    let mut client = node.client().await;
    for value in [
        r#""""#,
        r#""ä\u0000\n""#,
        "7",
        "0.10",
        "123456789012345678901234567890",
        "false",
        r#"{"b":[1,null],"a":"x"}"#,
    ] {
        let put = format!(r#"{{"op":"PUT","key":"k","value":{value}}}"#);
        assert_eq!(client.answer(put).await, r#"{"status":"OK"}"#);
        let got = client.answer(r#"{"op":"GET_ONE","key":"k"}"#).await;
        assert_eq!(got, format!(r#"{{"key":"k","value":{value}}}"#));
    }
}

#[tokio::test]
async fn a_collection_comes_in_pages_that_follow_each_other() {
    let node = node().await;
    let mut client = node.client().await;
    let mut expected = Vec::new();
    for number in 0..25 {
        let (key, value) = (format!("key-{number}"), format!("value-{number}"));
        let put = json!({"op": "PUT", "key": key, "value": value});
        assert_eq!(client.json(&put).await, json!({"status": "OK"}));
        expected.push(json!({"key": key, "value": value}));
    }
    let (status, _) = node
        .process
        .send(reqwest::Method::POST, "/store", "without a key")
        .await
        .expect("it runs");
    assert_eq!(
        status, 201,
        "what was stored by its content is in none of them"
    );
    let (mut all, mut pages, mut after) = (Vec::new(), 0, Value::Null);
    loop {
        let mut ask = json!({"op": "GET_ALL", "limit": 10});
        if !after.is_null() {
            ask["after"] = after;
        }
        let page = client.json(&ask).await;
        let items = page["collection"].as_array().expect("a collection");
        assert!(items.len() <= 10);
        all.extend(items.iter().cloned());
        pages += 1;
        after = page["next"].clone();
        if after.is_null() {
            break;
        }
    }
    assert_eq!(pages, 3);
    let everything = client.json(&json!({"op": "GET_ALL"})).await;
    assert_eq!(everything, json!({"collection": all}), "without a limit");
    all.sort_by_key(|item| item["key"].to_string());
    expected.sort_by_key(|item| item["key"].to_string());
    assert_eq!(all, expected);
}

#[tokio::test]
async fn what_is_too_much_for_one_answer_is_said_to_be() {
    let node = node().await;
    let mut client = node.client().await;
    let value = "x".repeat(1024 * 1024);
    for number in 0..5 {
        let put = json!({"op": "PUT", "key": format!("key-{number}"), "value": value});
        assert_eq!(client.json(&put).await, json!({"status": "OK"}));
    }
    let refused = client.json(&json!({"op": "GET_ALL"})).await;
    assert_eq!(refused["error"]["code"], "too_many");
    let page = client.json(&json!({"op": "GET_ALL", "limit": 1000})).await;
    assert_eq!(page["collection"].as_array().map(Vec::len), Some(1));
    assert!(page["next"].is_string(), "there is more");
}

#[tokio::test]
async fn requests_that_are_sent_ahead_are_answered_in_their_order() {
    let node = node().await;
    let mut dealer = DealerSocket::new();
    dealer.connect(&node.door).await.expect("it listens");
    let bare = ZmqMessage::from("{\"op\":\"GET_ALL\"}");
    let sent = dealer.send(bare).await;
    sent.expect("without a delimiter it is passed over");
    let message = |request: Value| {
        let mut message = ZmqMessage::from(request.to_string());
        // Whoever has passed it on, and the delimiter, come back with the answer.
        message.push_front("".into());
        message.push_front("passed on by me".into());
        message
    };
    for number in 0..200 {
        let put = json!({"op": "PUT", "key": "k", "value": number});
        dealer.send(message(put)).await.expect("it listens");
        let get = json!({"op": "GET_ONE", "key": "k"});
        dealer.send(message(get)).await.expect("it listens");
    }
    for number in 0..400 {
        let answer = tokio::time::timeout(PATIENCE, dealer.recv()).await;
        let answer = answer.expect("in time").expect("an answer");
        let expected = match number % 2 {
            0 => json!({"status": "OK"}),
            _ => json!({"key": "k", "value": number / 2}),
        };
        let frames = answer.into_vec();
        let [by, delimiter, text] = &frames[..] else {
            panic!("{frames:?}");
        };
        assert_eq!(
            (&by[..], &delimiter[..]),
            (&b"passed on by me"[..], &b""[..])
        );
        assert_eq!(
            serde_json::from_slice::<Value>(text).expect("JSON"),
            expected
        );
    }
}
