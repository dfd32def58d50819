//! The client of Consul, against the stand-in of its HTTP API.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use node::consul::{Consul, Error, Registration};
use support::consul::StandIn;
use support::until;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

fn registration(id: &str, check: &str) -> Registration {
    Registration {
        id: id.to_owned(),
        service: "dht".to_owned(),
        address: "127.0.0.1:7".parse().expect("an address"),
        meta: BTreeMap::from([("name".to_owned(), id.to_owned())]),
        check: format!("http://{check}/v1/status/leader"),
    }
}

async fn ids(consul: &Consul) -> Vec<String> {
    let passing = consul.passing("dht", 0, Duration::ZERO).await;
    let passing = passing.expect("Consul answers");
    passing
        .instances
        .into_iter()
        .map(|instance| instance.id)
        .collect()
}

#[tokio::test]
async fn who_passes_its_check_is_listed_until_it_deregisters() {
    let stand_in = StandIn::start();
    let consul = Consul::new(&stand_in.address, None).expect("an address");
    // The stand-in itself is something that is alive.
    let alive = registration("a b/c", &stand_in.address);
    consul.register(&alive).await.expect("it is registered");
    assert!(consul.is_registered("a b/c").await.expect("an answer"));
    consul
        .register(&registration("dead", "127.0.0.1:1"))
        .await
        .expect("it is registered");
    until("the check was performed", async || {
        ids(&consul).await == ["a b/c"]
    })
    .await;
    let passing = consul
        .passing("dht", 0, Duration::ZERO)
        .await
        .expect("an answer");
    assert_eq!(passing.instances[0].address, "127.0.0.1:7");
    assert_eq!(passing.instances[0].meta["name"], "a b/c");

    consul.deregister("a b/c").await.expect("it was there");
    consul
        .deregister("a b/c")
        .await
        .expect("it is gone, as it should be");
    assert!(!consul.is_registered("a b/c").await.expect("an answer"));
    assert!(ids(&consul).await.is_empty());
}

#[tokio::test]
async fn a_watch_hears_of_changes_and_goes_on_after_consul_was_away() {
    let stand_in = StandIn::start();
    let consul = Consul::new(&stand_in.address, None).expect("an address");
    let mut watch = consul.watch("dht");
    assert!(watch.next().await.expect("an answer").is_empty());
    consul
        .register(&registration("a", &stand_in.address))
        .await
        .expect("it is registered");
    assert_eq!(watch.next().await.expect("an answer")[0].id, "a");

    let address = stand_in.stop();
    let away = watch.next().await.expect_err("nobody answers");
    assert!(matches!(away, Error::Unreachable { .. }), "{away}");
    let (_, port) = address.split_once(':').expect("host and port");
    // It knows nobody, and counts from the beginning.
    let again = StandIn::start_at(port, &[]);
    until("the watch goes on", async || {
        watch.look().await.is_ok_and(|list| list.is_empty())
    })
    .await;
    consul
        .register(&registration("b", &again.address))
        .await
        .expect("it is registered");
    let b = async {
        while watch
            .next()
            .await
            .is_ok_and(|list| list.iter().all(|instance| instance.id != "b"))
        {}
    };
    tokio::time::timeout(Duration::from_secs(10), b)
        .await
        .expect("it hears of the new one");
}

#[tokio::test]
async fn a_watch_that_is_looked_at_for_moments_goes_on_after_consul_was_away() {
    let stand_in = StandIn::start();
    let consul = Consul::new(&stand_in.address, None).expect("an address");
    let mut watch = consul.watch("dht");
    watch.look().await.expect("an answer");
    let address = stand_in.stop();
    watch.look().await.expect_err("nobody answers");
    let (_, port) = address.split_once(':').expect("host and port");
    let _again = StandIn::start_at(port, &[]);
    // Shorter than any pause after a failure: what is cut off must count as waited.
    let moment = Duration::from_millis(60);
    until("the watch goes on", async || {
        let look = tokio::time::timeout(moment, watch.look()).await;
        look.is_ok_and(|looked| looked.is_ok())
    })
    .await;
}

#[tokio::test]
async fn the_size_of_the_cluster_is_a_value_in_consuls_store() {
    let stand_in = StandIn::start();
    let consul = Consul::new(&stand_in.address, None).expect("an address");
    assert_eq!(consul.cluster_size().await.expect("an answer"), None);
    consul.set_cluster_size(4).await.expect("it is kept");
    assert_eq!(consul.cluster_size().await.expect("an answer"), Some(4));
    consul
        .put_value("cluster_size", "many")
        .await
        .expect("it is kept");
    let error = consul
        .cluster_size()
        .await
        .expect_err("no number")
        .to_string();
    assert!(error.contains("`many` is no number of nodes"), "{error}");
}

#[tokio::test]
async fn a_token_opens_what_is_locked() {
    let stand_in = StandIn::start_at("0", &["--token", "secret"]);
    let locked = Consul::new(&stand_in.address, None).expect("an address");
    let error = locked
        .cluster_size()
        .await
        .expect_err("it is locked")
        .to_string();
    assert!(
        error.contains("403") && error.contains("Permission denied"),
        "{error}"
    );
    let open = Consul::new(&stand_in.address, Some("secret")).expect("an address");
    assert_eq!(open.cluster_size().await.expect("an answer"), None);
}

#[tokio::test]
async fn what_is_not_consul_is_called_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it has one").to_string();
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    tokio::spawn(async move {
        let mut asked = [0; 4096];
        while let Ok((mut stream, _)) = listener.accept().await {
            if stream.read(&mut asked).await.is_ok() {
                let _ = stream.write_all(answer).await;
            }
        }
    });
    let consul = Consul::new(&address, None).expect("an address");
    let error = consul
        .passing("dht", 0, Duration::ZERO)
        .await
        .expect_err("no Consul");
    assert!(matches!(error, Error::Nonsense { .. }), "{error}");
}
