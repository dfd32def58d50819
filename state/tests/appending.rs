//! Whoever appends to a network at the same time as others loses nothing: neither threads of one
//! process, which open the lock on their own, nor processes.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::{env, thread};

use dht_state::{Folder, Network, Process, Started};

const EACH: u32 = 20;

/// Appends processes, each under the next port.
fn append(state: &Path) {
    let folder = Folder::new(state, "default").expect("a good name");
    let started = Started::of(std::process::id()).expect("this test runs");
    for _ in 0..EACH {
        let locked = folder.lock().expect("free within the time");
        let mut counters = locked.counters().expect("readable");
        let port = counters.take_port(|_| true).expect("ports are left");
        let incarnation = counters.take_incarnation();
        locked.keep(&counters).expect("writable");
        let network = locked.read::<()>().expect("readable");
        let mut network = network.unwrap_or_else(|| Network::new("default", ()));
        network.processes.push(Process {
            name: format!("PROC{port}"),
            id: "0".repeat(40),
            address: format!("127.0.0.1:{port}"),
            incarnation,
            pid: std::process::id(),
            started: started.clone(),
            log: folder.log(&format!("PROC{port}")),
            data: None,
        });
        locked.write(&network).expect("writable");
    }
}

fn assert_nothing_is_lost(state: &Path, writers: u32) {
    let folder = Folder::new(state, "default").expect("a good name");
    let network: Network<()> = folder.read().expect("readable").expect("there");
    let names: BTreeSet<_> = network
        .processes
        .iter()
        .map(|process| &process.name)
        .collect();
    assert_eq!(network.processes.len() as u32, writers * EACH);
    assert_eq!(names.len() as u32, writers * EACH, "no port is given twice");
}

#[test]
fn threads_that_append_at_once_lose_nothing() {
    let state = tempfile::tempdir().expect("a temporary folder");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| append(state.path()));
        }
    });
    assert_nothing_is_lost(state.path(), 4);
}

#[test]
fn processes_that_append_at_once_lose_nothing() {
    // This very test, started again with the variable, is one of the processes.
    const VARIABLE: &str = "STATE_OF_APPENDING_TEST";
    if let Some(state) = env::var_os(VARIABLE) {
        return append(Path::new(&state));
    }
    let state = tempfile::tempdir().expect("a temporary folder");
    let start = || {
        Command::new(env::current_exe().expect("this test has a file"))
            .args(["--exact", "processes_that_append_at_once_lose_nothing"])
            .env(VARIABLE, state.path())
            .spawn()
            .expect("this test starts again")
    };
    for mut writer in [start(), start(), start()] {
        assert!(writer.wait().expect("it ends").success());
    }
    assert_nothing_is_lost(state.path(), 3);
}
