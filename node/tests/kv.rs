//! The key-value store over HTTP: any bytes, versions, conditions, from every node.

mod support;

use futures::future::join_all;
use serde_json::json;
use support::{Answer, TestNode, until};

/// A ring of two, and a key that the first one has.
async fn two() -> (TestNode, TestNode, String) {
    let (a, b) = support::two().await;
    let key = format!("/kv/{}", a.key());
    (a, b, key)
}

fn tag(answer: &Answer) -> String {
    answer.header("ETag").expect("a tag").to_owned()
}

#[rocket::async_test]
async fn what_was_put_is_got_from_every_node() {
    let (a, b, key) = two().await;
    let put = send!(b.put(&key); "value");
    assert_eq!(put.status, 201);
    let json = put.json();
    assert_eq!(json["node"]["id"], a.me.id.to_string());
    assert_eq!((&json["copies"], &json["hops"]), (&1.into(), &1.into()));
    assert_eq!(tag(&put), format!("\"{}\"", json["version"]));
    for node in [&a, &b] {
        let got = send!(node.get(&key));
        assert_eq!((got.status, &got.body[..]), (200, &b"value"[..]));
        assert_eq!(got.header("Content-Type"), Some("application/octet-stream"));
        assert_eq!(got.header("X-Dht-Node"), Some(&*a.me.address.to_string()));
        assert_eq!(got.header("X-Dht-Copies"), Some("1"));
        assert_eq!(got.header("X-Content-Type-Options"), Some("nosniff"));
        assert_eq!(tag(&got), tag(&put));
    }
}

#[rocket::async_test]
async fn head_tells_all_but_the_value() {
    let (a, _b, key) = two().await;
    send!(a.put(&key); "value");
    let (got, head) = (send!(a.get(&key)), send!(a.head(&key)));
    assert_eq!((head.status, tag(&head)), (200, tag(&got)));
    assert!(head.body.is_empty());
    assert_eq!(send!(a.head("/kv/nothing")).status, 404);
}

#[rocket::async_test]
async fn a_second_put_replaces_and_a_delete_deletes_once() {
    let (a, b, key) = two().await;
    let first = send!(b.put(&key); "old");
    let second = send!(b.put(&key); "new");
    assert_eq!(second.status, 200);
    assert!(second.json()["version"].as_u64() > first.json()["version"].as_u64());
    assert_eq!(send!(a.get(&key)).body, b"new");
    let deleted = send!(b.delete(&key));
    assert_eq!((deleted.status, &deleted.json()["hops"]), (200, &1.into()));
    assert_eq!(send!(b.delete(&key)).error(), (404, "not_found".into()));
    assert_eq!(send!(a.get(&key)).error(), (404, "not_found".into()));
}

#[rocket::async_test]
async fn keys_are_any_bytes() {
    let (a, b, _) = two().await;
    let keys = [
        "a%2Fb",
        "%FF%00",
        "%25",
        "+",
        "%3F%23",
        "%E2%82%AC",
        "..",
        "a%zz",
        "*",
    ];
    for (number, key) in keys.iter().enumerate() {
        let put = send!(a.put(format!("/kv/{key}")); number.to_string());
        assert_eq!(put.status, 201, "{key}");
    }
    for (number, key) in keys.iter().enumerate() {
        let got = send!(b.get(format!("/kv/{key}")));
        assert_eq!(got.body, number.to_string().as_bytes(), "{key}");
    }
    // Two ways to write one key.
    assert_eq!(send!(b.get("/kv/%61%2fb")).body, b"0");
}

#[rocket::async_test]
async fn values_are_any_bytes_up_to_a_mebibyte() {
    let (a, b, key) = two().await;
    let mut value: Vec<u8> = (0..1024 * 1024)
        .map(|number| (number % 251) as u8)
        .collect();
    assert_eq!(send!(b.put(&key); &value).status, 201);
    assert_eq!(send!(b.get(&key)).body, value);
    value.push(0);
    assert_eq!(
        send!(b.put(&key); &value).error(),
        (413, "too_large".into())
    );
    assert_eq!(send!(b.put(&key); "").status, 200);
    let empty = send!(a.get(&key));
    assert_eq!((empty.status, empty.body.len()), (200, 0));
}

#[rocket::async_test]
async fn keys_are_bounded() {
    let (a, _b, _) = two().await;
    for path in ["/kv", "/kv/", "/kv//"] {
        assert_eq!(send!(a.get(path)).error(), (400, "empty".into()), "{path}");
        assert_eq!(
            send!(a.put(path); "v").error(),
            (400, "empty".into()),
            "{path}"
        );
    }
    assert_eq!(
        send!(a.get("/kv/a/b")).error(),
        (404, "no_such_path".into())
    );
    assert_eq!(
        send!(a.put(format!("/kv/{}", "%61".repeat(1024))); "v").status,
        201
    );
    let long = format!("/kv/{}", "a".repeat(1025));
    assert_eq!(send!(a.get(&long)).error(), (414, "too_long".into()));
    assert_eq!(send!(a.put(&long); "v").error(), (414, "too_long".into()));
}

#[rocket::async_test]
async fn a_write_with_if_match_needs_the_version_it_names() {
    let (a, b, key) = two().await;
    assert_eq!(
        send!(b.put(&key), "If-Match": "*"; "x").error(),
        (412, "condition_failed".into())
    );
    let first = tag(&send!(b.put(&key); "1"));
    let second = tag(&send!(b.put(&key), "If-Match": first; "2"));
    let stale = send!(b.put(&key), "If-Match": first; "3");
    assert_eq!(stale.error(), (412, "condition_failed".into()));
    assert_eq!(tag(&stale), second);
    let weak = format!("W/{second}");
    assert_eq!(send!(b.put(&key), "If-Match": weak; "3").status, 412);
    let list = format!("{first}, {second}");
    assert_eq!(send!(b.put(&key), "If-Match": list; "3").status, 200);
    assert_eq!(send!(b.delete(&key), "If-Match": second).status, 412);
    assert_eq!(send!(b.delete(&key), "If-Match": "*").status, 200);
    assert_eq!(send!(a.get(&key)).status, 404);
    assert_eq!(
        send!(b.put(&key), "If-Match": "bare"; "x").error(),
        (400, "bad_condition".into())
    );
}

#[rocket::async_test]
async fn a_write_with_if_none_match_needs_the_absence_of_what_it_names() {
    let (_a, b, key) = two().await;
    assert_eq!(send!(b.put(&key), "If-None-Match": "*"; "1").status, 201);
    let refused = send!(b.put(&key), "If-None-Match": "*"; "2");
    assert_eq!(refused.status, 412);
    let present = tag(&refused);
    assert_eq!(
        send!(b.put(&key), "If-None-Match": present; "2").status,
        412
    );
    assert_eq!(
        send!(b.put(&key), "If-None-Match": "\"7\""; "2").status,
        200
    );
    let other = send!(b.delete(&key), "If-None-Match": format!("{present}, \"7\""));
    assert_eq!(other.status, 200);
    assert_eq!(
        send!(b.put(&key), "If-None-Match": present; "3").status,
        201
    );
}

#[rocket::async_test]
async fn a_read_with_if_none_match_tells_only_what_is_new() {
    let (a, b, key) = two().await;
    let first = tag(&send!(a.put(&key); "1"));
    for node in [&a, &b] {
        for known in [
            &*first,
            &format!("W/{first}"),
            "*",
            &format!("\"7\", {first}"),
        ] {
            let got = send!(node.get(&key), "If-None-Match": known);
            assert_eq!((got.status, got.body.len()), (304, 0), "{known}");
            assert_eq!(tag(&got), first);
        }
        assert_eq!(send!(node.head(&key), "If-None-Match": first).status, 304);
        assert_eq!(send!(node.get(&key), "If-None-Match": "\"7\"").body, b"1");
    }
}

#[rocket::async_test]
async fn consistency_is_one_of_two_words() {
    let (a, _b, key) = two().await;
    send!(a.put(&key); "1");
    for word in ["one", "linearizable"] {
        assert_eq!(
            send!(a.get(format!("{key}?consistency={word}"))).status,
            200
        );
    }
    let refused = send!(a.get(format!("{key}?consistency=some")));
    assert_eq!(refused.error(), (400, "bad_consistency".into()));
}

#[rocket::async_test]
async fn a_value_with_a_time_to_live_is_missing_after_it() {
    let (a, b, key) = two().await;
    let put = send!(b.put(&key), "Ttl-Seconds": "2"; "short-lived");
    assert_eq!(put.status, 201);
    for node in [&a, &b] {
        let got = send!(node.get(&key));
        assert_eq!((got.status, &got.body[..]), (200, &b"short-lived"[..]));
        let left = got.header("Ttl-Seconds");
        assert!(matches!(left, Some("1" | "2")), "{left:?}");
    }
    assert_eq!(send!(a.get("/nodeinfo")).json()["keys"], 1);
    let present = send!(b.put(&key), "If-None-Match": "*"; "other");
    assert_eq!(present.error(), (412, "condition_failed".into()));
    until("it has expired", async || send!(b.get(&key)).status == 404).await;
    for node in [&a, &b] {
        assert_eq!(send!(node.get(&key)).error(), (404, "not_found".into()));
        assert_eq!(send!(node.delete(&key)).status, 404);
    }
    let id = put.json()["key"]
        .as_str()
        .expect("an identifier")
        .to_owned();
    assert_eq!(send!(a.get(format!("/get/{id}"))).status, 404);
    let content = send!(a.get("/content")).json();
    assert_eq!(
        (&content["count"], &content["items"]),
        (&0.into(), &json!([]))
    );
    assert_eq!(send!(a.get("/nodeinfo")).json()["keys"], 0);
    let again = send!(b.put(&key), "If-None-Match": "*"; "stays");
    assert_eq!(again.status, 201);
    assert_eq!(send!(a.get(&key)).header("Ttl-Seconds"), None);
}

#[rocket::async_test]
async fn a_time_to_live_is_whole_seconds_up_to_ten_years() {
    let (a, _b, key) = two().await;
    for ttl in [
        "0",
        "-1",
        "1.5",
        "",
        "soon",
        "315360001",
        "99999999999999999999",
    ] {
        let refused = send!(a.put(&key), "Ttl-Seconds": ttl; "1");
        assert_eq!(refused.error(), (400, "bad_ttl".into()), "{ttl}");
    }
    assert_eq!(send!(a.get(&key)).status, 404);
    assert_eq!(
        send!(a.put(&key), "Ttl-Seconds": "315360000"; "1").status,
        201
    );
    assert_eq!(send!(a.head(&key)).header("Ttl-Seconds"), Some("315360000"));
    assert_eq!(send!(a.put(&key); "2").status, 200);
    assert_eq!(send!(a.get(&key)).header("Ttl-Seconds"), None);
}

#[rocket::async_test]
async fn pages_of_another_origin_change_nothing() {
    let (a, _b, key) = two().await;
    for origin in [
        "http://evil.example",
        "null",
        "http://localhost:1",
        "https://localhost.evil:10001",
    ] {
        let refused = send!(a.put(&key), "Origin": origin, "Host": "localhost:10001"; "1");
        assert_eq!(refused.error(), (403, "foreign_origin".into()), "{origin}");
        let refused = send!(a.delete(&key), "Origin": origin, "Host": "localhost:10001");
        assert_eq!(refused.status, 403, "{origin}");
    }
    let own =
        send!(a.put(&key), "Origin": "http://localhost:10001", "Host": "localhost:10001"; "1");
    assert_eq!(own.status, 201);
    assert_eq!(
        send!(a.get(&key), "Origin": "http://evil.example").status,
        200
    );
}

#[rocket::async_test]
async fn a_named_key_and_a_stored_value_never_meet() {
    let (a, b, _) = two().await;
    send!(a.post("/store"); "same");
    send!(a.put("/kv/same"); "other");
    assert_eq!(send!(b.get("/kv/same")).body, b"other");
    assert_eq!(send!(b.get("/lookup/same")).json()["value"], "same");
}

#[rocket::async_test]
async fn many_requests_at_once_travel_together_and_each_gets_its_own_answer() {
    let (a, b, _) = two().await;
    let keys: Vec<String> = a.keys().take(200).collect();
    let client = &b.client;
    let put = keys.iter().map(|key| async move {
        let request = client.put(format!("/kv/{key}")).body(key);
        request.dispatch().await.status().code
    });
    assert!(join_all(put).await.into_iter().all(|status| status == 201));
    let got = get_all(&b, &keys).await;
    assert!(
        got.iter()
            .zip(&keys)
            .all(|(got, key)| got == key.as_bytes())
    );
}

#[rocket::async_test]
async fn many_large_values_are_read_at_once() {
    let (a, b, _) = two().await;
    let keys: Vec<String> = a.keys().take(4).collect();
    let value = vec![7; 1024 * 1024];
    for key in &keys {
        assert_eq!(send!(a.put(format!("/kv/{key}")); &value).status, 201);
    }
    assert!(get_all(&b, &keys).await.iter().all(|got| *got == value));
}

/// The values under all these keys, asked for at the same time.
async fn get_all(node: &TestNode, keys: &[String]) -> Vec<Vec<u8>> {
    let client = &node.client;
    let got = keys.iter().map(|key| async move {
        let response = client.get(format!("/kv/{key}")).dispatch().await;
        response.into_bytes().await.unwrap_or_default()
    });
    join_all(got).await
}
