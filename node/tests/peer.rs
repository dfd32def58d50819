//! What nodes ask each other over HTTP, and what they are not to believe.

mod support;

use dht::event::Cause;
use dht::message::{Declined, Route, Routed, State, Transfer};
use node::peers::{Missed, Peers};
use node::{Peer, Reply, Request};
use serde_json::json;
use support::{NETWORK, loner, ring, two, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

#[rocket::async_test]
async fn every_question_of_a_batch_is_answered_in_order() {
    let (a, b) = two().await;
    let key = dht::Id::of_key(a.key().as_bytes());
    let route = Route {
        key,
        rule: Default::default(),
        routing: Default::default(),
    };
    let questions = vec![
        Request::Ping,
        Request::Route(route),
        Request::Read(key),
        Request::Ping,
    ];
    let peers = Peers::new(NETWORK);
    let replies = peers.ask(b.me, a.me, questions).await.expect("answers");
    let expected = [
        Reply::Pong,
        Reply::Routed(Routed::Owner(a.me)),
        Reply::Record(None),
        Reply::Pong,
    ];
    assert_eq!(replies, expected);
}

#[rocket::async_test]
async fn only_the_very_peer_that_is_asked_answers() {
    let (a, b) = two().await;
    let peers = Peers::new(NETWORK);
    let ask = async |to: Peer| peers.ask(b.me, to, vec![Request::Ping]).await;
    assert_eq!(ask(a.me).await, Ok(vec![Reply::Pong]));
    let earlier = Peer {
        incarnation: 0,
        ..a.me
    };
    let other = Peer {
        id: b.me.id,
        ..a.me
    };
    assert_eq!(ask(earlier).await, Err(Missed::AnotherLife(a.me)));
    assert_eq!(ask(other).await, Err(Missed::SomebodyElse));
    let nobody = support::peer("nobody");
    assert_eq!(ask(nobody).await, Err(Missed::Nobody));
    let wrong = Peers::new("other")
        .ask(b.me, a.me, vec![Request::Ping])
        .await;
    assert_eq!(wrong, Err(Missed::SomebodyElse));
    for missed in [
        Missed::Nobody,
        Missed::AnotherLife(a.me),
        Missed::SomebodyElse,
    ] {
        assert_eq!(missed.cause(), Cause::Refused);
    }
}

#[rocket::async_test]
async fn an_answer_that_does_not_come_or_makes_no_sense_is_silence() {
    let peers = Peers::new(NETWORK);
    let me = support::peer("me");
    for answer in [
        "",
        "nonsense",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n",
    ] {
        let impostor = impostor(answer.to_owned()).await;
        let missed = peers.ask(me, impostor, vec![Request::Ping]).await;
        assert_eq!(missed, Err(Missed::Silent), "{answer}");
    }
    assert_eq!(Missed::Silent.cause(), Cause::Silent);
}

#[rocket::async_test]
async fn replies_must_fit_their_requests() {
    let peers = Peers::new(NETWORK);
    let me = support::peer("me");
    for replies in [
        json!([]),
        json!(["Pong", "Pong"]),
        json!(["Noted"]),
        json!(["Busy"]),
    ] {
        let impostor =
            impostor_of(|me| json!({"from": me, "replies": replies.clone()}).to_string()).await;
        let missed = peers.ask(me, impostor, vec![Request::Ping]).await;
        assert_eq!(missed, Err(Missed::Silent), "{replies}");
    }
    let impostor = impostor_of(|_| json!({"from": me, "replies": ["Pong"]}).to_string()).await;
    let missed = peers.ask(me, impostor, vec![Request::Ping]).await;
    assert_eq!(missed, Err(Missed::SomebodyElse));
}

#[rocket::async_test]
async fn an_endless_answer_is_cut_off() {
    let peers = Peers::new(NETWORK);
    let me = support::peer("me");
    let impostor = impostor_of(|_| " ".repeat(5 * 1024 * 1024)).await;
    let missed = peers.ask(me, impostor, vec![Request::Ping]).await;
    assert_eq!(missed, Err(Missed::Silent));
}

#[rocket::async_test]
async fn an_envelope_must_make_sense() {
    let (a, b) = two().await;
    let post = async |body: String| send!(a.post("/peer"), "Content-Type": "application/json", "Dht-Network": NETWORK; &body);
    let none = json!({"from": b.me, "to": a.me, "requests": []}).to_string();
    assert_eq!(post(none).await.error(), (400, "bad_batch".into()));
    let many = json!({"from": b.me, "to": a.me, "requests": vec!["Ping"; 65]}).to_string();
    assert_eq!(post(many).await.error(), (400, "bad_batch".into()));
    let misdirected =
        post(json!({"from": a.me, "to": b.me, "requests": ["Ping"]}).to_string()).await;
    assert_eq!(misdirected.error(), (421, "wrong_recipient".into()));
    assert_eq!(misdirected.json()["node"], json!(a.me));
    for body in ["", "{}", "[1]", r#"{"from":1}"#] {
        assert_eq!(
            post(body.to_owned()).await.error(),
            (400, "bad_json".into())
        );
    }
    let unknown = json!({"from": b.me, "to": a.me, "requests": ["Dance"]}).to_string();
    assert_eq!(post(unknown).await.error(), (400, "bad_json".into()));
    let large = " ".repeat(4 * 1024 * 1024 + 1);
    assert_eq!(post(large).await.error(), (413, "too_large".into()));
    let questions = json!({"from": b.me, "to": a.me, "requests": ["Ping"]}).to_string();
    let plain = send!(a.post("/peer"), "Dht-Network": NETWORK; &questions);
    assert_eq!(plain.error(), (415, "not_json".into()));
}

#[rocket::async_test]
async fn a_notification_from_somebody_who_is_not_there_changes_nothing() {
    let (a, b) = two().await;
    let before = a.service.view().predecessor;
    // Just before a, so that a believed it if it believed anyone.
    let ghost = Peer {
        id: a.me.id.previous(),
        ..support::peer("ghost")
    };
    let liar = Peer {
        id: a.me.id.previous(),
        ..b.me
    };
    for from in [ghost, liar] {
        assert_eq!(a.service.answer(from, Request::Notify).await, Reply::Noted);
        assert_eq!(a.service.view().predecessor, before);
    }
}

#[rocket::async_test]
async fn a_notification_from_a_node_that_is_there_counts() {
    let (a, b) = two().await;
    let closer = loner("m").await;
    let peers = Peers::new(NETWORK);
    let replies = peers.ask(closer.me, a.me, vec![Request::Notify]).await;
    assert_eq!(replies, Ok(vec![Reply::Noted]));
    // It may have been the better one or not; either way it was heard.
    let is_closer = closer.me.id.is_between(b.me.id, a.me.id);
    // While it looks at its own pointers, it puts off what it hears.
    until("what it has heard counts", async || {
        (a.service.view().predecessor == Some(closer.me)) == is_closer
    })
    .await;
}

#[rocket::async_test]
async fn nobody_can_say_farewell_for_a_node_that_is_not_there() {
    let nodes = ring(&["a", "b", "c"]).await;
    let a = &nodes[0];
    let successors = a.service.view().successors.clone();
    let earlier = Peer {
        incarnation: 0,
        ..successors[0]
    };
    let state = State {
        predecessor: Some(a.me),
        successors: successors.clone(),
    };
    assert_eq!(
        a.service.answer(earlier, Request::Leaving(state)).await,
        Reply::Noted
    );
    assert_eq!(a.service.view().successors, successors);
}

#[rocket::async_test]
async fn nobody_can_hand_anything_over_for_a_node_that_is_not_there() {
    let (a, b) = two().await;
    let ghost = support::peer("ghost");
    let transfer = Transfer {
        arc: dht::Arc::new(a.me.id, b.me.id),
        epoch: 9,
        serial: 1,
        batch: 0,
        records: Vec::new(),
        serve: true,
        leaving: false,
    };
    let before = a.service.view().serves.clone();
    let reply = a.service.answer(ghost, Request::Transfer(transfer)).await;
    assert_eq!(reply, Reply::Declined(Declined::Full));
    assert_eq!(a.service.view().serves, before);
}

#[rocket::async_test]
async fn a_ring_mends_itself_after_a_death() {
    let mut nodes = ring(&["a", "b", "c"]).await;
    let dead = nodes.pop().expect("three nodes");
    let gone = dead.me;
    dead.stop().await;
    until("the others have found each other", async || {
        nodes.iter().all(|node| {
            let view = node.service.view();
            view.is_ready() && !view.successors.contains(&gone) && view.predecessor != Some(gone)
        })
    })
    .await;
    for node in &nodes {
        let path = format!("/findNode/{}", gone.id);
        assert_eq!(send!(node.get(path)).status, 200);
    }
}

/// Somebody who listens like a node, and answers everyone with these bytes.
async fn impostor(answer: String) -> Peer {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("some port is free");
    let address = listener.local_addr().expect("it has an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    Peer {
        address,
        ..support::peer("impostor")
    }
}

/// Somebody who answers with JSON that depends on who it is.
async fn impostor_of(body: impl Fn(Peer) -> String) -> Peer {
    // The address is only known once it listens, so it answers with what it is asked to be.
    let address = support::free_address();
    let peer = Peer {
        address,
        ..support::peer("impostor")
    };
    let body = body(peer);
    let listener = TcpListener::bind(address)
        .await
        .expect("it was free a moment ago");
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(body.as_bytes()).await;
        }
    });
    peer
}
