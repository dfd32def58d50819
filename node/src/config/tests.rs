//! What a configuration is made of, and what is wrong with one.

use std::fmt::Debug;

use clap::{Args as _, Command, FromArgMatches as _};
use dht::placement::{Hash, Scheme};
use figment::Jail;
use serde_json::{Value as Json, json};

use super::draft::{Form, KEYS};
use super::*;

fn args(flags: &[&str]) -> Args {
    let command = Args::augment_args(Command::new("node").no_binary_name(true));
    let matches = command
        .try_get_matches_from(flags)
        .expect("flags that clap takes");
    Args::from_arg_matches(&matches).expect("what clap has taken")
}

/// Runs a test in an empty folder and an environment of its own.
#[expect(clippy::result_large_err, reason = "it is figment's own error")]
fn jailed(test: impl FnOnce(&mut Jail)) {
    Jail::expect_with(|jail| {
        jail.clear_env();
        test(jail);
        Ok(())
    });
}

fn load(flags: &[&str]) -> Config {
    Config::load(&args(flags)).expect("a good configuration")
}

/// The error, which must hold all these words.
fn refused(flags: &[&str], words: &[&str]) {
    let error = Config::load(&args(flags))
        .expect_err("a bad configuration")
        .to_string();
    for word in words {
        assert!(error.contains(word), "{word:?} is not in: {error}");
    }
}

fn assert_same<T: PartialEq + Debug>(left: T, right: T) {
    assert_eq!(left, right);
}

#[test]
fn the_defaults_are_those_that_the_help_names() {
    jailed(|_| {
        let config = load(&["--join", "127.0.0.1:1"]);
        let intervals = config.intervals;
        let command = Args::augment_args(Command::new("node"));
        for (key, value) in [
            ("address", config.me.address.to_string()),
            ("network", config.network),
            ("ownership", "successor".to_owned()),
            ("routing", "finger".to_owned()),
            ("successors", config.successors.to_string()),
            ("replicas", "1".to_owned()),
            ("zone", "none".to_owned()),
            ("stabilize_ms", intervals.stabilize.as_millis().to_string()),
            ("fingers_ms", intervals.fingers.as_millis().to_string()),
            (
                "predecessor_ms",
                intervals.predecessor.as_millis().to_string(),
            ),
            (
                "self_check_ms",
                intervals.self_check.as_millis().to_string(),
            ),
            ("store", "memory".to_owned()),
            ("data", "nowhere".to_owned()),
            ("membership", config.entry.membership().to_string()),
            ("service", "dht".to_owned()),
            ("placement", "ring".to_owned()),
            ("partitions", "200".to_owned()),
            ("positions", "128".to_owned()),
            ("weight", "1".to_owned()),
            ("zeromq", "none".to_owned()),
            ("workers", config.workers.to_string()),
            ("fault_injection", config.fault_injection.to_string()),
            (
                "trace",
                config
                    .trace
                    .map_or("nowhere".into(), |file| format!("{file:?}")),
            ),
        ] {
            let flag = command.get_arguments().find(|flag| flag.get_id() == key);
            let help = flag
                .and_then(|flag| flag.get_help())
                .map(ToString::to_string);
            let help = help.unwrap_or_default();
            assert!(
                help.contains(&format!("[default: {value}]")),
                "{key} = {value}: {help}"
            );
            assert!(
                help.contains(&format!("[env: {}]", environment::variable(key))),
                "{help}"
            );
        }
        assert_same((config.ownership, config.routing), Default::default());
        assert_eq!(config.name, "127.0.0.1:10001");
        assert_eq!(config.me.id, Id::of(b"127.0.0.1:10001"));
        assert!(config.me.incarnation >= 1_700_000_000, "seconds since 1970");
        let end = config
            .silent_until
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        assert_eq!(
            end.map(|end| end.as_secs()),
            Some(u64::from(config.me.incarnation) + 1)
        );
    });
}

#[test]
fn flags_win_over_the_environment_over_the_file_over_defaults() {
    jailed(|jail| {
        let file = "network = 'file'\nsuccessors = 5\nstabilize_ms = 50\njoin = ['h:1', 'h:2']";
        jail.create_file("node.toml", file).expect("a file");
        jail.set_env("DHT_SUCCESSORS", "6");
        jail.set_env("DHT_STABILIZE_MS", "60");
        let config = load(&["--stabilize-ms", "70"]);
        assert_eq!(config.network, "file");
        assert!(matches!(config.entry, Entry::Join(members) if members == ["h:1", "h:2"]));
        assert_eq!(config.successors, 6);
        assert_eq!(config.intervals.stabilize.as_millis(), 70);
    });
}

/// A value that a key does not have by default, and how it is read.
fn another(key: &str, form: Form) -> (&'static str, Json) {
    match (key, form) {
        ("membership", _) => ("consul", json!("consul")),
        ("ownership", _) => ("predecessor", json!("predecessor")),
        ("routing", _) => ("linear", json!("linear")),
        ("store", _) => ("disk", json!("disk")),
        ("placement", _) => ("jump", json!("jump")),
        ("hash", _) => ("murmur3", json!("murmur3")),
        (_, Form::Text) => ("007", json!("007")),
        (_, Form::Number) => ("77", json!(77)),
        (_, Form::List) => ("b:1,c:2", json!(["b:1", "c:2"])),
        (_, Form::Switch) => ("true", json!(true)),
    }
}

#[test]
fn every_key_can_stand_in_the_environment_and_says_only_its_own() {
    jailed(|jail| {
        let values = || {
            let draft = Draft::load(&args(&[])).expect("values of the right kind");
            serde_json::to_value(&draft.values).expect("plain data")
        };
        let defaults = values();
        assert_eq!(
            defaults.as_object().map(|values| values.len()),
            Some(KEYS.len()),
            "every value has a key"
        );
        for (key, form) in KEYS {
            let (text, value) = another(key, form);
            jail.set_env(environment::variable(key), text);
            let mut expected = defaults.clone();
            expected[key] = value;
            assert_eq!(values(), expected, "{key}");
            jail.clear_env();
        }
    });
}

#[test]
fn a_node_may_be_configured_by_its_environment_alone() {
    jailed(|jail| {
        for (key, value) in [
            ("ADDRESS", "127.0.0.1:7"),
            ("NAME", "007"),
            ("NETWORK", "42"),
            ("INCARNATION", "9"),
            ("RING", "007@127.0.0.1:7#9,b@127.0.0.1:8#1"),
            ("OWNERSHIP", "predecessor"),
            ("ROUTING", "linear"),
            ("REPLICAS", "1"),
            ("WORKERS", "2"),
            ("TRACE", "1.jsonl"),
            ("FAULT_INJECTION", "true"),
            ("STORE", "disk"),
            ("DATA", "folder"),
            ("ZEROMQ", "tcp://h:1,connect:tcp://h:2"),
            ("STATE", "of no interest to a node"),
        ] {
            jail.set_env(format!("DHT_{key}"), value);
        }
        let config = load(&[]);
        assert_eq!(
            (config.name.as_str(), config.network.as_str()),
            ("007", "42")
        );
        assert_eq!((config.me.incarnation, config.silent_until), (9, None));
        assert_eq!(config.trace, Some("1.jsonl".into()));
        assert!(config.fault_injection);
        assert!(matches!(config.entry, Entry::Ring(ring) if ring.len() == 2));
        assert_same(
            (config.ownership, config.routing),
            (Ownership::Predecessor, Routing::Linear),
        );
        assert_eq!(config.workers.get(), 2);
        assert_eq!(config.storage, Storage::Disk("folder".into()));
        let zeromq: Vec<String> = config.zeromq.iter().map(ToString::to_string).collect();
        assert_eq!(zeromq, ["bind:tcp://h:1", "connect:tcp://h:2"]);
    });
}

#[test]
fn a_store_in_memcached_needs_an_address_and_keeps_no_group() {
    jailed(|jail| {
        let join = ["--join", "h:1"];
        let by = |store: &'static str| [&join[..], &["--store", store]].concat();
        let config = load(&by("memcached://127.0.0.1:11211"));
        assert_eq!(
            config.storage,
            Storage::Memcached("127.0.0.1:11211".to_owned())
        );
        for address in ["", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:x"] {
            jail.set_env("DHT_STORE", format!("memcached://{address}"));
            refused(&join, &["store = memcached://", address, "DHT_STORE"]);
        }
        let group = [&by("memcached://127.0.0.1:11211")[..], &["--replicas", "3"]].concat();
        refused(
            &group,
            &["store = memcached://", "a group", "replicas to 1"],
        );
    });
}

#[test]
fn what_a_causal_store_is_told_may_stand_anywhere() {
    let causal = |flags: &[&str]| match load(flags).entry {
        Entry::Causal(causal) => (causal.view.len(), causal.shards, causal.wait.as_millis()),
        other => panic!("{other:?}"),
    };
    let view = "127.0.0.1:1,127.0.0.1:2,127.0.0.1:3,127.0.0.1:4";
    jailed(|jail| {
        let text = r#"
            socket_address = "127.0.0.1:1"
            view = ["127.0.0.1:1", "127.0.0.1:2"]
            shard_count = 1
            causal_wait_ms = 7
        "#;
        jail.create_file("node.toml", text).expect("a file");
        assert_eq!(causal(&[]), (2, Some(1), 7));
        for (key, value) in [
            ("VIEW", view),
            ("SHARD_COUNT", "2"),
            ("CAUSAL_WAIT_MS", "8"),
        ] {
            jail.set_env(format!("DHT_{key}"), value);
        }
        assert_eq!(causal(&[]), (4, Some(2), 8));
        assert_eq!(causal(&["--causal-wait-ms", "9"]), (4, Some(2), 9));
    });
    // The names that the store's first nodes know are good wherever the address stands.
    jailed(|jail| {
        jail.set_env("VIEW", view);
        jail.set_env("SHARD_COUNT", "2");
        let flags = ["--socket-address", "127.0.0.1:4"];
        assert_eq!(causal(&flags), (4, Some(2), 0));
        jail.set_env("SHARD_COUNT", "3");
        refused(
            &flags,
            &["shard_count = 3", "SHARD_COUNT", "the view has 4"],
        );
        jail.set_env("SHARD_COUNT", "2");
        jail.set_env("DHT_SOCKET_ADDRESS", "127.0.0.1:4");
        assert_eq!(causal(&[]), (4, Some(2), 0));
    });
    // Without one they are somebody else's.
    jailed(|jail| {
        jail.set_env("VIEW", view);
        assert!(matches!(load(&["--join", "h:1"]).entry, Entry::Join(_)));
    });
}

#[test]
fn a_causal_store_is_not_kept_in_memcached() {
    jailed(|jail| {
        jail.set_env("SOCKET_ADDRESS", "127.0.0.1:1");
        jail.set_env("VIEW", "127.0.0.1:1");
        let flags = ["--store", "memcached://127.0.0.1:11211"];
        refused(
            &flags,
            &["store = memcached://", "forgets", "in memory or on disk"],
        );
    });
}

#[test]
fn a_ring_by_murmur3_hashes_labels() {
    jailed(|_| {
        let listed = ["--membership", "static", "--members", "127.0.0.1:10001"];
        let by = |flags: &[&'static str]| [&listed[..], flags].concat();
        let label = |flags: &[&'static str]| match load(&by(flags)).entry {
            Entry::Listed(listed) => (listed.label, listed.scheme),
            other => panic!("{other:?}"),
        };
        let murmur3 = Scheme::Ring {
            positions: 128,
            hash: Hash::Murmur3,
        };
        let server = ["--store", "memcached://localhost:11211"];
        let hash = ["--hash", "murmur3"];
        for (flags, expected) in [
            (hash.to_vec(), "127.0.0.1:10001"),
            ([&hash[..], &["--name", "a"]].concat(), "a"),
            ([&hash[..], &server].concat(), "('localhost', 11211)"),
            ([&hash[..], &server, &["--label", "x"]].concat(), "x"),
        ] {
            assert_eq!(label(&flags), (expected.to_owned(), murmur3));
        }
        for (flags, words) in [
            (&["--label", "x"][..], &["label = x", "hash to murmur3"][..]),
            (
                &["--hash", "murmur3", "--label", ""],
                &["label", "1 to 255"],
            ),
            (
                &["--hash", "sha1", "--placement", "jump"],
                &["hash = sha1", "jump has none"],
            ),
        ] {
            refused(&by(flags), words);
        }
        let chord = ["--join", "h:1", "--hash", "murmur3"];
        refused(&chord, &["hash = murmur3", "membership to static"]);
        // Listed members make up for what one has forgotten.
        let copies = by(&["--replicas", "3", "--store", "memcached://127.0.0.1:11211"]);
        assert_eq!(load(&copies).replicas, 3);
    });
}

#[test]
fn a_store_on_disk_needs_a_folder() {
    jailed(|jail| {
        let join = ["--join", "127.0.0.1:1"];
        assert_eq!(load(&join).storage, Storage::Memory);
        refused(
            &[&join[..], &["--store", "disk"]].concat(),
            &["store = disk", "`data`", "the command line"],
        );
        jail.set_env("DHT_STORE", "tape");
        refused(&join, &["store", "tape", "DHT_STORE"]);
    });
}

#[test]
fn a_switch_is_on_or_off_wherever_it_stands() {
    jailed(|jail| {
        let join = ["--join", "127.0.0.1:1"];
        assert!(!load(&join).fault_injection);
        assert!(load(&[&join[..], &["--fault-injection"]].concat()).fault_injection);
        jail.create_file("node.toml", "fault_injection = true")
            .expect("a file");
        assert!(load(&join).fault_injection);
        let off = [&join[..], &["--fault-injection=false"]].concat();
        assert!(!load(&off).fault_injection);
        jail.set_env("DHT_FAULT_INJECTION", "maybe");
        refused(&join, &["fault_injection", "DHT_FAULT_INJECTION", "bool"]);
    });
}

#[test]
fn another_file_can_be_named() {
    jailed(|jail| {
        jail.create_file("node.toml", "network = 'wrong'")
            .expect("a file");
        jail.create_file("a.toml", "network = 'a'").expect("a file");
        jail.create_file("b.toml", "network = 'b'").expect("a file");
        jail.set_env("DHT_CONFIG", "a.toml");
        assert_eq!(load(&["--join", "h:1"]).network, "a");
        assert_eq!(load(&["--join", "h:1", "--config", "b.toml"]).network, "b");
        refused(
            &["--config", "c.toml"],
            &["c.toml", "no such file", "command line"],
        );
        jail.set_env("DHT_CONFIG", "d.toml");
        refused(&[], &["d.toml", "no such file", "DHT_CONFIG"]);
    });
}

#[test]
fn what_a_file_says_wrongly_is_named_with_the_file() {
    jailed(|jail| {
        for (text, words) in [
            ("workres = 2", ["workres", "unknown", "node.toml"]),
            ("workers = 'two'", ["workers", "number", "node.toml"]),
            ("workers = 0", ["workers", "1 to", "node.toml"]),
            ("network = 'a b'", ["network", "visible", "node.toml"]),
            (
                "ownership = 'mine'",
                ["ownership", "successor", "node.toml"],
            ),
            ("workers = ", ["TOML", "line 1", "node.toml"]),
        ] {
            jail.create_file("node.toml", text).expect("a file");
            refused(&["--join", "h:1"], &words);
        }
    });
}

#[test]
fn what_the_environment_says_wrongly_is_named_with_the_variable() {
    jailed(|jail| {
        for (key, value, word) in [
            ("DHT_SUCCESSORS", "0", "1 to 32"),
            ("DHT_SUCCESSORS", "33", "1 to 32"),
            ("DHT_SUCCESSORS", "many", "number"),
            ("DHT_STABILIZE_MS", "1", "milliseconds"),
            ("DHT_SELF_CHECK_MS", "99999999999", "milliseconds"),
            ("DHT_ROUTING", "best", "finger"),
            ("DHT_REPLICAS", "8", "1 to 7"),
            ("DHT_REPLICAS", "5", "only 4 successors"),
        ] {
            jail.set_env(key, value);
            refused(&["--join", "h:1"], &[key, word]);
            jail.set_env(key, "");
            jail.clear_env();
        }
    });
}

#[test]
fn copies_need_the_rule_by_which_they_lie() {
    jailed(|_| {
        let flags = [
            "--join",
            "h:1",
            "--replicas",
            "3",
            "--ownership",
            "predecessor",
        ];
        refused(&flags, &["replicas", "only 1 is possible"]);
    });
}

#[test]
fn a_zone_is_of_use_only_where_there_are_copies() {
    jailed(|_| {
        refused(
            &["--join", "h:1", "--zone", "east"],
            &["zone", "set replicas"],
        );
        let flags = ["--join", "h:1", "--replicas", "3", "--zone"];
        refused(&[&flags[..], &[""]].concat(), &["zone", "1 to 255 bytes"]);
        let config = load(&[&flags[..], &["east"]].concat());
        assert_eq!(config.zone.as_deref(), Some("east"));
    });
}

#[test]
fn an_address_must_be_one_that_others_can_reach() {
    jailed(|_| {
        for address in [
            "0.0.0.0:1",
            "[::]:1",
            "127.0.0.1:0",
            "127.0.0.1",
            ":1",
            "127.0.0.1:x",
            "",
        ] {
            refused(
                &["--join", "h:1", "--address", address],
                &["address", "command line"],
            );
        }
        assert!(
            load(&["--join", "h:1", "--address", "[::1]:80"])
                .me
                .address
                .is_ipv6()
        );
    });
}

#[test]
fn a_node_needs_one_way_into_a_ring() {
    jailed(|jail| {
        refused(&[], &["--join", "--ring"]);
        jail.set_env("DHT_JOIN", "h:1");
        refused(
            &["--ring", "a@127.0.0.1:10001#1", "--name", "a"],
            &["exclude"],
        );
        refused(
            &["--again", "a@127.0.0.1:10001#1", "--name", "a"],
            &["exclude"],
        );
    });
}

#[test]
fn a_ring_must_hold_the_node_itself_as_it_is() {
    jailed(|_| {
        let ring = "a@127.0.0.1:1#5,b@127.0.0.1:2#6";
        let base = ["--ring", ring, "--name", "a", "--address"];
        let with = |rest: &[&'static str]| [&base[..], rest].concat();
        assert_eq!(load(&with(&["127.0.0.1:1"])).me.incarnation, 5);
        refused(&with(&["127.0.0.1:2"]), &["another address"]);
        refused(
            &with(&["127.0.0.1:1", "--incarnation", "6"]),
            &["incarnation"],
        );
        refused(&["--ring", ring, "--name", "c"], &["`c`", "not among them"]);
        refused(
            &["--ring", "a@127.0.0.1:1", "--name", "a"],
            &["NAME@HOST:PORT#INCARNATION"],
        );
        let twice = "a@127.0.0.1:1#5,a@127.0.0.1:2#6";
        refused(&["--ring", twice, "--name", "a"], &["twice"]);
        refused(&["--again", twice, "--name", "a"], &["again", "twice"]);
        let again = ["--again", ring, "--name", "b", "--address", "127.0.0.1:2"];
        let entry = load(&again).entry;
        assert!(matches!(entry, Entry::Again(ring) if ring.len() == 2));
    });
}

#[test]
fn ways_in_for_clients_of_zeromq_are_endpoints() {
    jailed(|jail| {
        let join = ["--join", "h:1"];
        assert_eq!(load(&join).zeromq, []);
        let twice = ["--zeromq", "tcp://h:1", "--zeromq", "connect:tcp://h:2"];
        assert_eq!(load(&[&join[..], &twice].concat()).zeromq.len(), 2);
        for (endpoint, word) in [
            ("127.0.0.1:5555", "bind:tcp://HOST:PORT"),
            ("connect:tcp://127.0.0.1:0", "one client"),
        ] {
            let flags = [&join[..], &["--zeromq", endpoint]].concat();
            refused(&flags, &["zeromq", endpoint, word, "command line"]);
        }
        jail.set_env("DHT_ZEROMQ", vec!["tcp://h:1"; 65].join(","));
        refused(&join, &["zeromq", "more than 64", "DHT_ZEROMQ"]);
    });
}

#[test]
fn members_to_join_through_are_hosts_and_ports() {
    jailed(|_| {
        for join in ["h", "h:", ":1", "h:0", "h:99999", "http://h:1", "h:1/x"] {
            refused(&["--join", join], &["join", "HOST:PORT"]);
        }
    });
}

#[test]
fn names_are_bounded_and_printable() {
    jailed(|_| {
        let long = "x".repeat(256);
        for name in ["", "a\nb", &long] {
            refused(&["--join", "h:1", "--name", name], &["name", "1 to 255"]);
            refused(
                &["--join", "h:1", "--network", name],
                &["network", "1 to 255"],
            );
        }
    });
}

#[test]
fn a_static_membership_needs_a_list_with_the_node_itself() {
    jailed(|_| {
        let base = ["--membership", "static", "--address", "127.0.0.1:1"];
        let with = |rest: &[&'static str]| [&base[..], rest].concat();
        refused(&with(&[]), &["--members"]);
        refused(
            &with(&["--members", "127.0.0.1:2"]),
            &["members", "not among them"],
        );
        let twice = "127.0.0.1:1,a@127.0.0.1:1";
        refused(&with(&["--members", twice]), &["members", "twice"]);
        for wrong in ["127.0.0.1", "@127.0.0.1:1", "127.0.0.1:0", ""] {
            refused(&with(&["--members", wrong]), &["members"]);
        }
        let list = "127.0.0.1:1,b@127.0.0.1:2";
        let Entry::Listed(listed) = load(&with(&["--members", list])).entry else {
            panic!("its members are listed");
        };
        let Source::Static(members) = listed.source else {
            panic!("by a list");
        };
        assert_eq!(members[1].name.as_deref(), Some("b"));
        let ring = Scheme::Ring {
            positions: 128,
            hash: Hash::Sha1,
        };
        assert_eq!((listed.scheme, listed.weight), (ring, 1));
    });
}

#[test]
fn the_members_may_be_those_of_a_service_in_consul() {
    jailed(|jail| {
        let base = ["--membership", "consul"];
        let with = |rest: &[&'static str]| [&base[..], rest].concat();
        let source = |flags: &[&str]| match load(flags).entry {
            Entry::Listed(Listed {
                source: Source::Consul { consul, service },
                ..
            }) => (consul.url().to_owned(), service),
            entry => panic!("{entry:?}"),
        };
        let at = |url: &str, service: &str| (url.to_owned(), service.to_owned());
        assert_eq!(source(&base), at("http://127.0.0.1:8500", "dht"));
        jail.set_env("CONSUL_HTTP_ADDR", "c:1");
        assert_eq!(source(&with(&["--service", "kv"])), at("http://c:1", "kv"));
        assert_eq!(
            source(&with(&["--consul", "http://d:2"])),
            at("http://d:2", "dht")
        );
        refused(
            &with(&["--consul", "https://d:2"]),
            &["consul", "without encryption"],
        );
        refused(
            &with(&["--service", "a b"]),
            &["service", "letters, digits"],
        );
        refused(&with(&["--members", "127.0.0.1:1"]), &["members", "static"]);
        refused(&with(&["--placement", "jump"]), &["placement", "numbered"]);
        jail.set_env("CONSUL_HTTP_ADDR", "nowhere");
        refused(&base, &["CONSUL_HTTP_ADDR", "HOST:PORT"]);
    });
}

#[test]
fn placements_know_what_they_know() {
    jailed(|_| {
        let base = [
            "--membership",
            "static",
            "--address",
            "127.0.0.1:1",
            "--members",
            "127.0.0.1:1",
        ];
        let with = |rest: &[&'static str]| [&base[..], rest].concat();
        let scheme = |rest: &[&'static str]| load(&with(rest)).entry.scheme();
        assert_eq!(
            scheme(&["--placement", "partitions"]),
            Some(Scheme::Partitions { count: 200 })
        );
        assert_eq!(
            scheme(&["--placement", "rendezvous", "--weight", "3"]),
            Some(Scheme::Rendezvous)
        );
        assert_eq!(scheme(&["--placement", "jump"]), Some(Scheme::Jump));
        for placement in ["partitions", "jump"] {
            let flags = with(&["--placement", placement, "--weight", "2"]);
            refused(&flags, &["weight", placement]);
        }
        refused(&with(&["--weight", "101"]), &["weight", "1 to 100"]);
        refused(&with(&["--partitions", "7"]), &["partitions", "ring"]);
        refused(
            &with(&["--placement", "jump", "--positions", "7"]),
            &["positions", "jump"],
        );
    });
}

#[test]
fn what_a_ring_and_a_list_have_no_use_for_is_refused() {
    jailed(|_| {
        let ring = ["--join", "h:1"];
        for (flag, value) in [
            ("--placement", "partitions"),
            ("--placement", "rendezvous"),
            ("--placement", "jump"),
            ("--partitions", "7"),
            ("--positions", "7"),
            ("--weight", "2"),
            ("--members", "h:1"),
            ("--consul", "h:1"),
            ("--service", "dht"),
        ] {
            let flags = [&ring[..], &[flag, value]].concat();
            refused(&flags, &[&flag[2..], "complete list of members"]);
        }
        assert_eq!(
            load(&["--join", "h:1", "--placement", "ring"])
                .entry
                .scheme(),
            None
        );
        let list = ["--membership", "static", "--members", "127.0.0.1:10001"];
        for (flag, value) in [
            ("--ring", "a@127.0.0.1:1#1"),
            ("--again", "a@127.0.0.1:1#1"),
            ("--join", "h:1"),
            ("--ownership", "predecessor"),
            ("--trace", "file"),
            ("--fetch-rate", "1"),
            ("--consul", "h:1"),
            ("--service", "dht"),
        ] {
            let flags = [&list[..], &[flag, value]].concat();
            refused(&flags, &[&flag[2..].replace('-', "_")]);
        }
    });
}
