//! Very many clients at once: those who are too many are told so, and the others notice nothing.

use futures::future::join_all;
use tokio::net::TcpStream;

use crate::client::node;
use crate::support::process::crowd;
use crate::support::until;

#[tokio::test]
async fn ten_thousand_that_say_nothing_hold_nobody_up() {
    let node = node().await;
    let mut first = node.connect().await;
    assert_eq!(first.answer("set k 0 0 1\r\nx\r\n").await, "STORED\r\n");
    let before = node.process.resident_kb();
    let mut idle = Vec::new();
    for _ in 0..crowd() {
        idle.push(TcpStream::connect(node.door).await.expect("it listens"));
    }
    until("all have been let in or turned away", async || {
        let stats = first.answer("stats\r\n").await;
        let figure = |name: &str| {
            let line = stats.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.trim().parse::<usize>().ok());
            number.expect("a figure")
        };
        let (here, gone) = (
            figure("STAT curr_connections"),
            figure("STAT rejected_connections"),
        );
        let room = figure("STAT max_connections");
        assert!(here <= room, "{stats}");
        here == room.min(idle.len() + 1) && here + gone == idle.len() + 1
    })
    .await;
    if idle.len() > 4096 {
        let expected = "ERROR Too many open connections\r\n";
        assert_eq!(node.connect().await.rest().await, expected);
    }
    let got = first.answer("get k\r\n").await;
    assert_eq!(got, "VALUE k 0 1\r\nx\r\nEND\r\n");
    let ready = node.process.get("/readyz").await;
    assert_eq!(ready.map(|(status, _)| status), Some(200));
    let more_kb = node.process.resident_kb().saturating_sub(before);
    println!("{more_kb} KB for {} idle connections", idle.len());
    assert!(more_kb < 64 * 1024, "{more_kb} KB for {}", idle.len());
}

#[tokio::test]
async fn values_that_are_half_there_take_so_much_memory_and_no_more() {
    let node = node().await;
    let value = "x".repeat(1024 * 1024);
    let set = format!("set k 0 0 {}\r\n{value}\r\n", value.len());
    let half = &set[..set.len() - 1];
    let before = node.process.resident_kb();
    let mut clients = join_all((0..200).map(async |_| {
        let mut client = node.connect().await;
        client.send(half).await;
        client
    }))
    .await;
    let more_kb = node.process.resident_kb().saturating_sub(before);
    println!("{more_kb} KB for {} values of 1 MiB", clients.len());
    assert!(more_kb < 192 * 1024, "{more_kb} KB");
    let get = node.answer("get none\r\n").await;
    assert_eq!(get, "END\r\n", "others are served");
    // Whoever was given room has it, and the others are told, each at the end of its value.
    let answers = join_all(clients.iter_mut().map(async |client| {
        client.send("\n").await;
        String::from_utf8(client.until("\r\n").await).expect("text")
    }))
    .await;
    let count = |answer: &str| answers.iter().filter(|other| *other == answer).count();
    let refused = count("SERVER_ERROR out of memory storing object\r\n");
    assert_eq!((count("STORED\r\n"), refused), (127, 73));
    let again = clients[199].answer(&set).await;
    assert_eq!(again, "STORED\r\n", "there is room again");
}
