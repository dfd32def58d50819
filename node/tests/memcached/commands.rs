//! Each command of the text protocol.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::future::join_all;
use tokio::time::sleep;

use crate::client::{Client, node};

#[tokio::test]
async fn values_are_stored_under_the_condition_of_the_command() {
    let node = node().await;
    for (request, expected) in [
        ("replace k 0 0 1\r\nx\r\n", "NOT_STORED\r\n"),
        ("append k 0 0 1\r\nx\r\n", "NOT_STORED\r\n"),
        ("prepend k 0 0 1\r\nx\r\n", "NOT_STORED\r\n"),
        ("add k 4294967295 0 3\r\none\r\n", "STORED\r\n"),
        ("add k 0 0 1\r\nx\r\n", "NOT_STORED\r\n"),
        ("get k\r\n", "VALUE k 4294967295 3\r\none\r\nEND\r\n"),
        ("replace k 7 0 3\r\ntwo\r\n", "STORED\r\n"),
        ("append k 1 1 1\r\n>\r\n", "STORED\r\n"),
        ("prepend k 1 1 1\r\n<\r\n", "STORED\r\n"),
        ("get k\r\n", "VALUE k 7 5\r\n<two>\r\nEND\r\n"),
        ("set k 0 0 4\r\n\r\n\r\n\r\n", "STORED\r\n"),
        ("get k\r\n", "VALUE k 0 4\r\n\r\n\r\n\r\nEND\r\n"),
        ("set empty 0 0 0\r\n\r\n", "STORED\r\n"),
        ("get empty\r\n", "VALUE empty 0 0\r\n\r\nEND\r\n"),
    ] {
        assert_eq!(node.answer(request).await, expected, "{request}");
    }
}

#[tokio::test]
async fn a_version_stands_for_a_value_until_it_is_written() {
    let node = node().await;
    assert_eq!(node.answer("cas k 0 0 1 1\r\nx\r\n").await, "NOT_FOUND\r\n");
    node.answer("set k 0 0 3\r\none\r\n").await;
    let version = version(&node.answer("gets k\r\n").await);
    let cas = format!("cas k 5 0 3 {version}\r\ntwo\r\n");
    assert_eq!(node.answer(&cas).await, "STORED\r\n");
    assert_eq!(node.answer(&cas).await, "EXISTS\r\n");
    assert_eq!(
        node.answer("get k\r\n").await,
        "VALUE k 5 3\r\ntwo\r\nEND\r\n"
    );
}

/// The last word of the first line.
fn version(answer: &str) -> u64 {
    let line = answer.lines().next().expect("a line");
    let version = line.split(' ').next_back().expect("a word");
    version.parse().expect("a version")
}

#[tokio::test]
async fn numbers_go_around_at_the_top_and_stop_at_the_bottom() {
    let node = node().await;
    for (request, expected) in [
        ("incr n 1\r\n", "NOT_FOUND\r\n"),
        ("set n 3 0 20\r\n18446744073709551615\r\n", "STORED\r\n"),
        ("incr n 1\r\n", "0\r\n"),
        ("incr n 10\r\n", "10\r\n"),
        ("decr n 1\r\n", "9\r\n"),
        ("get n\r\n", "VALUE n 3 1\r\n9\r\nEND\r\n"),
        ("decr n 18446744073709551615\r\n", "0\r\n"),
        ("set n 0 0 1\r\nx\r\n", "STORED\r\n"),
        (
            "incr n 1\r\n",
            "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
        ),
        ("get n\r\n", "VALUE n 0 1\r\nx\r\nEND\r\n"),
    ] {
        assert_eq!(node.answer(request).await, expected, "{request}");
    }
}

#[tokio::test]
async fn many_who_count_and_append_at_a_time_lose_nothing() {
    const CLIENTS: usize = 8;
    const TIMES: usize = 50;
    let node = node().await;
    node.answer("set n 0 0 1\r\n0\r\nset text 0 0 0\r\n\r\n")
        .await;
    let work = async |mut client: Client| {
        for _ in 0..TIMES {
            let answer = client
                .answer("incr n 1\r\nappend text 0 0 1\r\nx\r\n")
                .await;
            assert!(answer.ends_with("\r\nSTORED\r\n"), "{answer}");
        }
    };
    let clients = join_all((0..CLIENTS).map(|_| node.connect())).await;
    join_all(clients.into_iter().map(work)).await;
    let all = CLIENTS * TIMES;
    let expected = format!(
        "VALUE n 0 3\r\n{all}\r\nVALUE text 0 {all}\r\n{}\r\nEND\r\n",
        "x".repeat(all)
    );
    assert_eq!(node.answer("get n text\r\n").await, expected);
}

#[tokio::test]
async fn items_expire_at_their_time_however_it_is_said() {
    let node = node().await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("it is later than 1970").as_secs();
    for exptime in ["-1".to_owned(), (now - 1).to_string(), "2592001".to_owned()] {
        let set = format!("set k 0 {exptime} 1\r\nx\r\nget k\r\n");
        assert_eq!(node.answer(set).await, "STORED\r\nEND\r\n", "{exptime}");
    }
    for exptime in ["0".to_owned(), "100".to_owned(), (now + 100).to_string()] {
        let set = format!("set k 0 {exptime} 1\r\nx\r\nget k\r\n");
        let answer = node.answer(set).await;
        assert_eq!(answer, "STORED\r\nVALUE k 0 1\r\nx\r\nEND\r\n", "{exptime}");
    }
    let begun = Instant::now();
    node.answer("set k 0 1 1\r\nx\r\n").await;
    while node.answer("get k\r\n").await != "END\r\n" {
        assert!(begun.elapsed() < Duration::from_secs(5), "it stays");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(
        begun.elapsed() > Duration::from_millis(900),
        "it went early"
    );
}

#[tokio::test]
async fn a_touch_moves_the_end_and_leaves_the_rest() {
    let node = node().await;
    for (request, expected) in [
        ("touch k 9\r\n", "NOT_FOUND\r\n"),
        ("gat 9 k\r\n", "END\r\n"),
        ("set k 5 0 1\r\nx\r\n", "STORED\r\n"),
        ("touch k 100\r\n", "TOUCHED\r\n"),
        ("mg k t f v\r\n", "VA 1 t100 f5\r\nx\r\n"),
        ("gat 0 k none\r\n", "VALUE k 5 1\r\nx\r\nEND\r\n"),
        ("mg k t f v\r\n", "VA 1 t-1 f5\r\nx\r\n"),
        ("gat -1 k\r\n", "VALUE k 5 1\r\nx\r\nEND\r\n"),
        ("get k\r\n", "END\r\n"),
    ] {
        assert_eq!(node.answer(request).await, expected, "{request}");
    }
    node.answer("set k 5 0 1\r\nx\r\n").await;
    let touched = version(&node.answer("gats 100 k\r\n").await);
    assert_eq!(version(&node.answer("gets k\r\n").await), touched);
}

#[tokio::test]
async fn what_is_deleted_is_gone() {
    let node = node().await;
    for (request, expected) in [
        ("delete k\r\n", "NOT_FOUND\r\n"),
        ("set k 0 0 1\r\nx\r\n", "STORED\r\n"),
        ("delete k 0\r\n", "DELETED\r\n"),
        ("get k\r\n", "END\r\n"),
        (
            "set k 0 0 1\r\nx\r\nflush_all\r\nget k\r\n",
            "STORED\r\nOK\r\nEND\r\n",
        ),
    ] {
        assert_eq!(node.answer(request).await, expected, "{request}");
    }
}

#[tokio::test]
async fn a_flush_for_later_comes_later_and_the_last_one_counts() {
    let node = node().await;
    let begun = Instant::now();
    node.answer("set k 0 0 1\r\nx\r\nflush_all 1000\r\nflush_all 1\r\n")
        .await;
    assert!(
        node.answer("get k\r\n").await.starts_with("VALUE"),
        "it is there until then"
    );
    while node.answer("get k\r\n").await != "END\r\n" {
        assert!(begun.elapsed() < Duration::from_secs(10), "it never comes");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(
        begun.elapsed() > Duration::from_millis(900),
        "it came early"
    );
}

#[tokio::test]
async fn who_wants_no_answer_gets_none() {
    let node = node().await;
    let silent = "set k 0 0 1 noreply\r\n1\r\nadd k 0 0 1 noreply\r\nx\r\nreplace none 0 0 1 noreply\r\nx\r\n\
                  append k 0 0 1 noreply\r\n2\r\nprepend k 0 0 1 noreply\r\n3\r\ncas k 0 0 1 1 noreply\r\nx\r\n\
                  incr k 1 noreply\r\ndecr none 1 noreply\r\ntouch k 0 noreply\r\ndelete none noreply\r\n\
                  verbosity 1 noreply\r\n";
    assert_eq!(node.answer(silent).await, "");
    assert_eq!(
        node.answer("get k\r\n").await,
        "VALUE k 0 3\r\n313\r\nEND\r\n"
    );
    assert_eq!(
        node.answer("flush_all noreply\r\nget k\r\n").await,
        "END\r\n"
    );
}

#[tokio::test]
async fn many_keys_are_answered_in_their_order_without_those_that_are_not_there() {
    let node = node().await;
    let mut client = node.connect().await;
    let (mut get, mut expected) = ("get".to_owned(), String::new());
    for number in 0..500 {
        get += &format!(" key-{number} none-{number}");
        expected += &format!("VALUE key-{number} {number} 3\r\nabc\r\n");
        let set = format!("set key-{number} {number} 0 3\r\nabc\r\n");
        assert_eq!(client.answer(set).await, "STORED\r\n");
    }
    assert_eq!(client.answer(get + "\r\n").await, expected + "END\r\n");
}

#[tokio::test]
async fn thousands_of_commands_may_be_sent_at_once() {
    let node = node().await;
    let mut client = node.connect().await;
    let (mut requests, mut expected) = (String::new(), String::new());
    for number in 0..5_000 {
        requests += &format!("set k 0 0 4\r\n{number:04}\r\nget k\r\n");
        expected += &format!("STORED\r\nVALUE k 0 4\r\n{number:04}\r\nEND\r\n");
    }
    assert!(
        client.answer(requests).await == expected,
        "each has its answer"
    );
}

#[tokio::test]
async fn the_largest_value_fits_and_a_larger_one_changes_nothing() {
    const LARGEST: usize = 1024 * 1024;
    let node = node().await;
    let mut client = node.connect().await;
    let value = "x".repeat(LARGEST);
    let set = format!("set k 0 0 {LARGEST}\r\n{value}\r\n");
    assert_eq!(client.answer(set).await, "STORED\r\n");
    let expected = format!("VALUE k 0 {LARGEST}\r\n{value}\r\nEND\r\n");
    assert!(
        client.answer("get k\r\n").await == expected,
        "it comes back"
    );
    let large = "SERVER_ERROR object too large for cache\r\n";
    let set = format!("set k 0 0 {}\r\n{value}y\r\n", LARGEST + 1);
    assert_eq!(client.answer(set).await, large);
    assert_eq!(client.answer("append k 0 0 1\r\ny\r\n").await, large);
    assert!(
        client.answer("get k\r\n").await == expected,
        "it is as it was"
    );
}

#[tokio::test]
async fn a_node_tells_of_itself() {
    let node = node().await;
    node.answer("set k 0 0 1\r\nx\r\nget k none\r\nincr k 1\r\n")
        .await;
    let stats = node.answer("stats\r\n").await;
    for line in [
        "STAT curr_items 1",
        "STAT cmd_get 2",
        "STAT get_hits 1",
        "STAT get_misses 1",
        "STAT cmd_set 1",
        "STAT incr_misses 0",
    ] {
        assert!(stats.contains(&format!("{line}\r\n")), "{line} in {stats}");
    }
    let pid = format!("STAT pid {}\r\n", node.process.child.id());
    assert!(
        stats.starts_with(&pid) && stats.ends_with("\r\nEND\r\n"),
        "{stats}"
    );
    assert_eq!(node.answer("stats reset\r\n").await, "RESET\r\n");
    assert!(
        node.answer("stats\r\n")
            .await
            .contains("STAT cmd_set 0\r\n")
    );
    assert!(
        node.answer("stats settings\r\n")
            .await
            .contains("STAT item_size_max 1048576\r\n")
    );
    assert_eq!(node.answer("verbosity 1\r\n").await, "OK\r\n");
    let version = format!("VERSION {}\r\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(node.answer("version\r\n").await, version);
    let mut client = node.connect().await;
    client.send("get none\r\nquit\r\nget none\r\n").await;
    assert_eq!(
        client.rest().await,
        "END\r\n",
        "after quit nothing is answered"
    );
}
