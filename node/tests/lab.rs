//! The lab's requests over HTTP, and what is wrong with some of them.

mod support;

use dht::Ownership;
use serde_json::{Value, json};
use support::{TestNode, loner, ring_by, two};

fn peer_json(node: &TestNode) -> Value {
    json!(node.me)
}

#[rocket::async_test]
async fn nodeinfo_says_who_and_where_a_node_is() {
    let (a, b) = two().await;
    let value = a.value();
    send!(b.post("/store"); &value);
    let info = send!(a.get("/nodeinfo")).json();
    assert_eq!(info["name"], "a");
    assert_eq!(info["id"], "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8");
    assert_eq!(info["address"], a.me.address.to_string());
    assert_eq!(info["incarnation"], 1);
    assert_eq!(info["network"], "test");
    assert_eq!(info["phase"], "member");
    assert_eq!(
        (&info["predecessor"], &info["successor"]),
        (&peer_json(&b), &peer_json(&b))
    );
    assert_eq!(info["successors"], json!([b.me]));
    assert!(info["fingers"].is_array());
    assert_eq!(
        (&info["keys"], &info["handover"]),
        (&json!(1), &Value::Null)
    );
    assert_eq!(
        (&info["ownership"], &info["routing"]),
        (&json!("successor"), &json!("finger"))
    );
    assert_eq!(
        (&info["replicas"], &info["version"]),
        (&json!(1), &json!("0.1.0"))
    );
    let serves = json!([{"start": b.me.id, "end": a.me.id, "epoch": 1}]);
    assert_eq!(info["serves"], serves);
}

#[rocket::async_test]
async fn a_node_in_no_ring_says_so() {
    let node = loner("z").await;
    let info = send!(node.get("/nodeinfo")).json();
    assert_eq!(
        (&info["phase"], &info["keys"]),
        (&json!("joining"), &json!(0))
    );
    assert_eq!(
        (&info["predecessor"], &info["successor"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(send!(node.get("/healthz")).status, 200);
    let ready = send!(node.get("/readyz"));
    assert_eq!(ready.error(), (503, "not_ready".into()));
    assert_eq!(ready.header("Retry-After"), Some("1"));
    assert_eq!(
        send!(node.get("/predecessor")).error(),
        (404, "none".into())
    );
    assert_eq!(send!(node.get("/successor")).error(), (404, "none".into()));
    for answer in [
        send!(node.post("/store"); "v"),
        send!(node.get("/lookup/v")),
        send!(node.get("/kv/k")),
        send!(node.post("/leave")),
        send!(node.get(format!("/findNode/{}", node.me.id))),
    ] {
        assert_eq!(answer.error(), (503, "not_a_member".into()));
        assert_eq!(answer.header("Retry-After"), Some("1"));
    }
    let here = send!(node.get(format!("/get/{}", node.me.id)));
    assert_eq!(here.error(), (421, "not_mine".into()));
}

#[rocket::async_test]
async fn a_value_is_stored_found_and_deleted_from_every_node() {
    let (a, b) = two().await;
    let value = a.value();
    let stored = send!(b.post("/store"); &value);
    assert_eq!(stored.status, 201);
    let stored = stored.json();
    assert_eq!(
        (&stored["node"], &stored["copies"], &stored["hops"]),
        (&peer_json(&a), &json!(1), &json!(1))
    );
    let path = format!("/lookup/{}", value.replace(' ', "%20"));
    for (node, hops) in [(&a, 0), (&b, 1)] {
        let found = send!(node.get(&path));
        let json = found.json();
        assert_eq!((found.status, &json["value"]), (200, &json!(value)));
        assert_eq!(
            (&json["key"], &json["node"], &json["hops"]),
            (&stored["key"], &peer_json(&a), &json!(hops))
        );
        let path = json["path"].as_array().expect("a path");
        assert_eq!(path.len(), hops + 1);
        assert_eq!(
            (&path[0]["node"], &path[0]["why"]),
            (&peer_json(node), &json!("start"))
        );
        assert!(
            path.iter()
                .all(|hop| hop["ok"] == true && hop["micros"].is_u64())
        );
        assert_eq!(path[hops]["why"], ["start", "owner"][hops]);
    }
    let deleted = send!(b.delete(&path));
    assert_eq!(
        (deleted.status, &deleted.json()["node"]),
        (200, &peer_json(&a))
    );
    let again = send!(b.delete(&path));
    assert_eq!(again.error(), (404, "not_found".into()));
    let missing = send!(a.get(&path));
    assert_eq!(missing.error(), (404, "not_found".into()));
    let json = missing.json();
    assert_eq!(
        (&json["value"], &json["key"], &json["hops"]),
        (&Value::Null, &stored["key"], &json!(0))
    );
}

#[rocket::async_test]
async fn values_are_any_bytes() {
    let (a, b) = two().await;
    send!(a.post("/store"); [0xff, 0x00, b'/']);
    let found = send!(b.get("/lookup/%FF%00%2F")).json();
    assert_eq!(found["value_base64"], "/wAv");
    assert!(found.get("value").is_none());
    send!(a.post("/store"); "ä");
    assert_eq!(send!(b.get("/lookup/%C3%A4")).json()["value"], "ä");
}

#[rocket::async_test]
async fn values_are_neither_empty_nor_too_large() {
    let (a, _b) = two().await;
    assert_eq!(send!(a.post("/store"); "").error(), (400, "empty".into()));
    for path in ["/lookup", "/lookup/", "/lookup//"] {
        assert_eq!(send!(a.get(path)).error(), (400, "empty".into()), "{path}");
        assert_eq!(
            send!(a.delete(path)).error(),
            (400, "empty".into()),
            "{path}"
        );
    }
    let large = vec![b'x'; 1024 * 1024];
    assert_eq!(send!(a.post("/store"); &large).status, 201);
    let larger = [&large[..], b"x"].concat();
    assert_eq!(
        send!(a.post("/store"); &larger).error(),
        (413, "too_large".into())
    );
    let longest = format!("/lookup/{}", "%61".repeat(4096));
    assert_eq!(send!(a.get(&longest)).status, 404);
    let long = format!("/lookup/{}", "a".repeat(4097));
    assert_eq!(send!(a.get(&long)).error(), (414, "too_long".into()));
}

#[rocket::async_test]
async fn the_owner_of_a_key_is_found_by_both_routings_under_both_rules() {
    for ownership in [Ownership::Successor, Ownership::Predecessor] {
        let nodes = ring_by(ownership, &["a", "b", "c", "d"]).await;
        for node in &nodes {
            for owner in &nodes {
                for routing in ["linear", "finger"] {
                    let path = format!("/findNode/{}?routing={routing}", owner.me.id);
                    let found = send!(node.get(path)).json();
                    assert_eq!(found["node"], peer_json(owner));
                    let hops = found["path"].as_array().map(Vec::len);
                    assert_eq!(found["hops"], json!(hops.unwrap_or_default() - 1));
                }
            }
            let value = node.value();
            let path = format!("/lookup/{}?routing=linear", value.replace(' ', "%20"));
            assert_eq!(send!(node.get(path)).json()["node"], peer_json(node));
        }
    }
}

#[rocket::async_test]
async fn keys_are_forty_digits_and_routings_two_words() {
    let (a, _b) = two().await;
    for key in ["x", "86f7e437", &"g".repeat(40), &"0".repeat(41)] {
        assert_eq!(
            send!(a.get(format!("/findNode/{key}"))).error(),
            (400, "bad_key".into())
        );
        assert_eq!(
            send!(a.get(format!("/get/{key}"))).error(),
            (400, "bad_key".into())
        );
        assert_eq!(
            send!(a.get(format!("/content?after={key}"))).error(),
            (400, "bad_key".into())
        );
    }
    let upper = a.me.id.to_string().to_uppercase();
    assert_eq!(send!(a.get(format!("/findNode/{upper}"))).status, 200);
    let odd = send!(a.get(format!("/findNode/{upper}?routing=best")));
    assert_eq!(odd.error(), (400, "bad_routing".into()));
    assert_eq!(
        send!(a.get("/lookup/v?routing=best")).error(),
        (400, "bad_routing".into())
    );
}

#[rocket::async_test]
async fn a_node_reads_and_writes_here_only_what_is_its_own() {
    let (a, b) = two().await;
    let value = a.value();
    let item = json!({"value": value}).to_string();
    let put = send!(a.post("/insert"), "Content-Type": "application/json"; &item);
    assert_eq!((put.status, &put.json()["node"]), (201, &peer_json(&a)));
    let path = format!("/get/{}", put.json()["key"].as_str().expect("a key"));
    let got = send!(a.get(&path));
    assert_eq!((got.status, &got.json()["value"]), (200, &json!(value)));
    assert!(got.json()["version"].is_u64());
    for refused in [
        send!(b.post("/insert"), "Content-Type": "application/json"; &item),
        send!(b.get(&path)),
    ] {
        assert_eq!(refused.error(), (421, "not_mine".into()));
        assert_eq!(refused.json()["node"], peer_json(&a));
    }
    let nothing = send!(b.get(format!("/get/{}", b.me.id)));
    assert_eq!(nothing.error(), (404, "not_found".into()));
}

#[rocket::async_test]
async fn an_insert_that_makes_no_sense_is_refused() {
    let (a, _b) = two().await;
    for (item, code) in [
        ("", "bad_json"),
        ("{", "bad_json"),
        ("[]", "bad_json"),
        ("{}", "bad_json"),
        (r#"{"value":1}"#, "bad_json"),
        (r#"{"value":"a","valu":"b"}"#, "bad_json"),
        (r#"{"value":"a","value_base64":"YQ=="}"#, "bad_json"),
        (r#"{"value_base64":"?"}"#, "bad_base64"),
        (r#"{"value":""}"#, "empty"),
        (r#"{"value":"a","key":"86f7"}"#, "bad_json"),
        (
            r#"{"value":"a","key":"0000000000000000000000000000000000000000"}"#,
            "wrong_key",
        ),
    ] {
        let refused = send!(a.post("/insert"), "Content-Type": "application/json"; item);
        assert_eq!(refused.error(), (400, code.into()), "{item}");
    }
    let plain = send!(a.post("/insert"), "Content-Type": "text/plain"; r#"{"value":"a"}"#);
    assert_eq!(plain.error(), (415, "not_json".into()));
    let large = json!({"value": "x".repeat(1024 * 1024 + 1)}).to_string();
    let large = send!(a.post("/insert"), "Content-Type": "application/json"; &large);
    assert_eq!(large.error(), (413, "too_large".into()));
    let huge = " ".repeat(7 * 1024 * 1024);
    let huge = send!(a.post("/insert"), "Content-Type": "application/json"; &huge);
    assert_eq!(huge.error(), (413, "too_large".into()));
}

#[rocket::async_test]
async fn content_is_listed_in_pages_in_ring_order() {
    let (a, b) = two().await;
    let keys: Vec<String> = a.keys().take(5).chain(b.keys().take(5)).collect();
    for key in &keys {
        send!(a.put(format!("/kv/{key}")); "v");
    }
    let value = a.value();
    send!(a.post("/store"); &value);
    let mut seen = Vec::new();
    let mut next = Some(String::new());
    while let Some(after) = next {
        let page = send!(a.get(format!("/content?limit=2{after}"))).json();
        assert_eq!(page["count"], 6);
        let items = page["items"].as_array().expect("items");
        assert!((1..=2).contains(&items.len()));
        seen.extend(items.iter().cloned());
        next = page["next"].as_str().map(|key| format!("&after={key}"));
    }
    assert_eq!(seen.len(), 6);
    assert!(
        seen.iter()
            .all(|item| item["role"] == "owner" && item["version"].is_u64())
    );
    assert_eq!(
        seen.iter().filter(|item| item["name"].is_string()).count(),
        5
    );
    let ids = seen
        .iter()
        .map(|item| item["key"].as_str().expect("a key").parse::<dht::Id>());
    let steps: Vec<_> = ids
        .map(|id| b.me.id.distance_to(id.expect("an identifier")))
        .collect();
    assert!(steps.is_sorted(), "clockwise from the predecessor");
    let whole = send!(a.get("/content")).json();
    assert_eq!(
        (whole["items"].as_array().map(Vec::len), &whole["next"]),
        (Some(6), &Value::Null)
    );
    let end = send!(a.get(format!("/content?after={}", a.me.id))).json();
    assert_eq!(end["items"], json!([]));
    for limit in ["0", "1001", "-1", "x"] {
        let refused = send!(a.get(format!("/content?limit={limit}")));
        assert_eq!(refused.error(), (400, "bad_limit".into()));
    }
}

#[rocket::async_test]
async fn every_error_is_json() {
    let (a, _b) = two().await;
    for path in [
        "/",
        "/metrics",
        "/openapi.json",
        "/events",
        "/nodeinfo/x",
        "/findNode",
        "/get",
        "/x",
    ] {
        assert_eq!(
            send!(a.get(path)).error(),
            (404, "no_such_path".into()),
            "{path}"
        );
    }
    for (answer, allowed) in [
        (send!(a.post("/nodeinfo")), "GET"),
        (send!(a.get("/store")), "POST"),
        (send!(a.delete("/predecessor")), "GET, PUT"),
        (send!(a.post("/kv/a"); "v"), "DELETE, GET, HEAD, PUT"),
        (send!(a.put("/lookup/a"); "v"), "DELETE, GET"),
        (send!(a.patch(format!("/get/{}", a.me.id))), "GET"),
    ] {
        assert_eq!(answer.error(), (405, "method_not_allowed".into()));
        assert_eq!(answer.header("Allow"), Some(allowed));
    }
}
