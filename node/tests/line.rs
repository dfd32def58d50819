//! Lines between nodes: what is asked on them is answered as over HTTP, and who is gone is missed.

mod support;

use std::time::{Duration, Instant};

use dht::message::{Route, Routed};
use node::envelope::{Answers, Questions};
use node::line::{Frames, Response, frame, message};
use node::peers::{Missed, Peers};
use node::{Peer, Reply, Request};
use support::{NETWORK, two};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

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
    let replies = peers.ask_by_line(b.me, a.me, questions).await;
    let expected = [
        Reply::Pong,
        Reply::Routed(Routed::Owner(a.me)),
        Reply::Record(None),
        Reply::Pong,
    ];
    assert_eq!(replies.expect("answers"), expected);
}

#[rocket::async_test]
async fn many_questions_are_under_way_at_a_time_and_each_gets_its_own_answer() {
    let (a, b) = two().await;
    let peers = Peers::new(NETWORK);
    let mut asking = JoinSet::new();
    for count in (1..64).cycle().take(500) {
        let (peers, a, b) = (peers.clone(), a.me, b.me);
        asking.spawn(async move {
            let replies = peers.ask_by_line(b, a, vec![Request::Ping; count]).await;
            assert_eq!(replies, Ok(vec![Reply::Pong; count]));
        });
    }
    while let Some(asked) = asking.join_next().await {
        asked.expect("no panic");
    }
}

#[rocket::async_test]
async fn only_the_very_peer_that_is_asked_answers() {
    let (a, b) = two().await;
    let peers = Peers::new(NETWORK);
    let ask = async |to: Peer| peers.ask_by_line(b.me, to, vec![Request::Ping]).await;
    let earlier = Peer {
        incarnation: 0,
        ..a.me
    };
    let other = Peer {
        id: b.me.id,
        ..a.me
    };
    for to in [earlier, other] {
        assert_eq!(ask(to).await, Err(Missed::SomebodyElse));
    }
    assert_eq!(ask(a.me).await, Ok(vec![Reply::Pong]), "the line is good");
    assert_eq!(ask(support::peer("nobody")).await, Err(Missed::Nobody));
    let wrong = Peers::new("other")
        .ask_by_line(b.me, a.me, vec![Request::Ping])
        .await;
    assert_eq!(wrong, Err(Missed::SomebodyElse));
}

#[rocket::async_test]
async fn a_line_begins_with_an_upgrade_of_the_own_network() {
    let (a, _b) = two().await;
    let plain = send!(a.get("/peer"), "Dht-Network": NETWORK);
    assert_eq!(plain.error(), (426, "no_line".into()));
    let unnamed = send!(a.get("/peer"), "Upgrade": "dht");
    assert_eq!(unnamed.error(), (409, "wrong_network".into()));
    let foreign = send!(a.get("/peer"), "Dht-Network": NETWORK, "Origin": "http://elsewhere");
    assert_eq!(foreign.error(), (403, "foreign_origin".into()));
}

/// Somebody with whom a line can be opened, and what becomes of it then.
async fn impostor<F: Future<Output = ()> + Send>(
    serve: impl Fn(TcpStream) -> F + Copy + Send + 'static,
) -> Peer {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it has an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let head =
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: dht\r\n\r\n";
            let _ = stream.write_all(head.as_bytes()).await;
            serve(stream).await;
        }
    });
    Peer {
        address,
        ..support::peer("impostor")
    }
}

/// Answers one question with this.
async fn answer_once(stream: TcpStream, answer: impl Fn(Questions) -> Response) {
    let (reader, mut writer) = stream.into_split();
    let mut frames = Frames::new(reader);
    if let Ok(Some((number, bytes))) = frames.next().await {
        let questions = message(bytes).expect("questions");
        let _ = writer.write_all(&frame(number, &answer(questions))).await;
    }
}

#[rocket::async_test]
async fn what_is_no_fitting_answer_is_silence() {
    let me = support::peer("me");
    let peers = Peers::new(NETWORK);
    let gone = impostor(async |_| {}).await;
    let nonsense = impostor(async |mut stream: TcpStream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
    })
    .await;
    let unfit = impostor(|stream| {
        answer_once(stream, |questions| {
            Response::Answers(Answers {
                from: questions.to,
                replies: vec![Reply::Noted],
            })
        })
    })
    .await;
    let unkept = impostor(|stream| answer_once(stream, |_| Response::NotKept)).await;
    for to in [gone, nonsense, unfit, unkept] {
        let missed = peers.ask_by_line(me, to, vec![Request::Ping]).await;
        assert_eq!(missed, Err(Missed::Silent), "{to}");
    }
    let other = impostor(|stream| {
        answer_once(stream, |questions| {
            Response::Answers(Answers {
                from: questions.from,
                replies: vec![Reply::Pong],
            })
        })
    })
    .await;
    let missed = peers.ask_by_line(me, other, vec![Request::Ping]).await;
    assert_eq!(missed, Err(Missed::SomebodyElse));
}

#[rocket::async_test]
async fn who_is_silent_is_asked_on_a_new_line() {
    let me = support::peer("me");
    let peers = Peers::new(NETWORK);
    let silent = impostor(async |mut stream: TcpStream| {
        // Until the line is closed.
        while stream.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {}
    })
    .await;
    for _ in 0..2 {
        let began = Instant::now();
        let missed = peers.ask_by_line(me, silent, vec![Request::Ping]).await;
        assert_eq!(missed, Err(Missed::Silent));
        // The second one could not even be opened while the first one is served.
        let patience_ms: u32 = Request::Ping.patience_ms();
        assert!(began.elapsed() < Duration::from_millis(u64::from(patience_ms) + 200));
    }
}

#[rocket::async_test]
async fn who_answered_once_and_is_gone_is_missed_and_found_again_when_it_is_back() {
    let (near, far) = (support::peer("near"), support::peer("far"));
    let peers = Peers::new(NETWORK);
    let serve = async |listener: TcpListener| {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let _ = stream.read(&mut [0; 4096]).await;
        let head =
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: dht\r\n\r\n";
        let _ = stream.write_all(head.as_bytes()).await;
        answer_once(stream, |questions| {
            Response::Answers(Answers {
                from: questions.to,
                replies: vec![Reply::Pong],
            })
        })
        .await;
    };
    for _ in 0..3 {
        let listener = TcpListener::bind(far.address).await.expect("it is free");
        let asking = peers.ask_by_line(near, far, vec![Request::Ping]);
        let (_, replies) = tokio::join!(serve(listener), asking);
        assert_eq!(replies, Ok(vec![Reply::Pong]));
        let missed = async || peers.ask_by_line(near, far, vec![Request::Ping]).await;
        // Whether the end of the line or the closed port is noticed first.
        assert!(missed().await.is_err());
        assert_eq!(missed().await, Err(Missed::Nobody));
    }
}
