//! The meta commands.

use crate::client::{Node, node};

async fn expect(node: &Node, conversation: &[(&str, &str)]) {
    for (request, expected) in conversation {
        let answer = node.answer(request).await;
        assert_eq!(mask_versions(&answer), *expected, "{request}");
    }
}

/// Versions are different each time.
fn mask_versions(answer: &str) -> String {
    let words = answer.split(' ').map(|word| {
        let (version, rest) = word.split_at(word.find('\r').unwrap_or(word.len()));
        match version.strip_prefix('c').map(str::parse::<u64>) {
            Some(Ok(_)) => format!("c…{rest}"),
            _ => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn flags_ask_for_what_is_answered_in_their_order() {
    let node = node().await;
    expect(
        &node,
        &[
            ("mg k v\r\n", "EN\r\n"),
            ("mg k k O1 v\r\n", "EN kk O1\r\n"),
            ("mg k q\r\n", ""),
            ("ms k 3 T100 F5 c k Oxy s\r\nabc\r\n", "HD c… kk Oxy s3\r\n"),
            ("mg k\r\n", "HD\r\n"),
            (
                "mg k s v t f c k Oxy q\r\n",
                "VA 3 s3 t100 f5 c… kk Oxy\r\nabc\r\n",
            ),
            ("mg k h l\r\n", "HD h0 l0\r\n"),
            ("mg k T50 t\r\n", "HD t50\r\n"),
            ("mg azEy b k v\r\n", "EN kazEy b\r\n"),
            ("ms azEy 1 b\r\nx\r\n", "HD\r\n"),
            ("get k12\r\n", "VALUE k12 0 1\r\nx\r\nEND\r\n"),
            ("me none\r\n", "EN\r\n"),
            ("mn\r\n", "MN\r\n"),
        ],
    )
    .await;
    let known = format!(
        "ME k12 exp=-1 cas={} size=1\r\n",
        version(&node, "k12").await
    );
    assert_eq!(node.answer("me k12\r\n").await, known);
}

async fn version(node: &Node, key: &str) -> u64 {
    let answer = node.answer(format!("mg {key} c\r\n")).await;
    let version = answer.trim_end().strip_prefix("HD c");
    version.map_or(0, |version| version.parse().expect("a number"))
}

#[tokio::test]
async fn a_meta_set_has_the_modes_of_the_storage_commands() {
    let node = node().await;
    expect(
        &node,
        &[
            ("ms k 1 MR\r\nx\r\n", "NS\r\n"),
            ("ms k 1 MA k O1\r\nx\r\n", "NS kk O1\r\n"),
            ("ms k 1 MA N0\r\nb\r\n", "HD\r\n"),
            ("ms k 1 ME\r\nx\r\n", "NS\r\n"),
            ("ms k 1 MA s\r\nc\r\n", "HD s2\r\n"),
            ("ms k 1 Mp\r\na\r\n", "HD\r\n"),
            ("mg k v\r\n", "VA 3\r\nabc\r\n"),
            ("ms k 1 q\r\nx\r\n", ""),
            ("ms k 1 ME q\r\nx\r\n", "NS\r\n"),
            ("ms k 1 C1\r\ny\r\n", "EX\r\n"),
            ("ms none 1 C1\r\ny\r\n", "NF\r\n"),
            (
                "ms k 1 MQ\r\ny\r\n",
                "CLIENT_ERROR invalid mode for ms M token\r\n",
            ),
            ("mg k v\r\n", "VA 1\r\nx\r\n"),
        ],
    )
    .await;
    let set = format!("ms k 1 C{}\r\ny\r\n", version(&node, "k").await);
    expect(
        &node,
        &[
            (&set, "HD\r\n"),
            (&set, "EX\r\n"),
            ("mg k v\r\n", "VA 1\r\ny\r\n"),
        ],
    )
    .await;
}

#[tokio::test]
async fn meta_arithmetic_counts_and_begins() {
    let node = node().await;
    expect(
        &node,
        &[
            ("ma n\r\n", "NF\r\n"),
            ("ma n N100 J13 v t\r\n", "VA 2 t100\r\n13\r\n"),
            ("ma n N100 J13 v\r\n", "VA 2\r\n14\r\n"),
            ("ma n D5 c k\r\n", "HD c… kn\r\n"),
            ("ma n MD D100 v T0 t\r\n", "VA 1 t-1\r\n0\r\n"),
            ("ma n q\r\n", ""),
            // As memcached 1.6 has it: what begins is told.
            ("ma new q N100 J5\r\n", "HD\r\n"),
            ("ma none q k\r\n", "NF knone\r\n"),
            ("ma n q C1\r\n", "EX\r\n"),
            ("ma n C1 v\r\n", "EX\r\n"),
            (
                "ma n M? v\r\n",
                "CLIENT_ERROR invalid mode for ma M token\r\n",
            ),
            ("mg n v\r\n", "VA 1\r\n1\r\n"),
        ],
    )
    .await;
}

#[tokio::test]
async fn one_of_many_is_told_to_write_anew_what_is_stale_or_missing() {
    let node = node().await;
    expect(
        &node,
        &[
            ("ms k 1 T100 F3\r\nx\r\n", "HD\r\n"),
            ("md k I T30\r\n", "HD\r\n"),
            ("mg k v t\r\n", "VA 1 t30 X W\r\nx\r\n"),
            ("mg k v f\r\n", "VA 1 f3 Z X\r\nx\r\n"),
            ("get k\r\n", "VALUE k 3 1\r\nx\r\nEND\r\n"),
            ("ms k 1\r\ny\r\n", "HD\r\n"),
            ("mg k v\r\n", "VA 1\r\ny\r\n"),
            ("mg none N30 v t\r\n", "VA 0 t30 W\r\n\r\n"),
            ("mg none N30 v t\r\n", "VA 0 t30 Z\r\n\r\n"),
            ("ms soon 1 T10\r\nx\r\n", "HD\r\n"),
            ("mg soon R5 v\r\n", "VA 1\r\nx\r\n"),
            ("mg soon R30 v\r\n", "VA 1 W\r\nx\r\n"),
            ("mg soon R30 v\r\n", "VA 1 Z\r\nx\r\n"),
        ],
    )
    .await;
    // Whoever was told so late writes what is stale already.
    let old = version(&node, "k").await;
    node.answer("md k I\r\n").await;
    let late = format!("ms k 3 I C{old}\r\nold\r\n");
    expect(
        &node,
        &[(&late, "HD\r\n"), ("mg k v\r\n", "VA 3 X W\r\nold\r\n")],
    )
    .await;
}

#[tokio::test]
async fn a_meta_delete_takes_an_item_or_its_value() {
    let node = node().await;
    expect(
        &node,
        &[
            ("md k\r\n", "NF\r\n"),
            ("ms k 1 F5 T100\r\nx\r\n", "HD\r\n"),
            ("md k C1 k\r\n", "EX kk\r\n"),
            ("md k x T50\r\n", "HD\r\n"),
            ("mg k v f t\r\n", "VA 0 f0 t50\r\n\r\n"),
            ("md k q C1\r\n", "EX\r\n"),
            ("md k q\r\n", ""),
            ("md k q O1\r\n", "NF O1\r\n"),
            ("mg k\r\n", "EN\r\n"),
        ],
    )
    .await;
}
