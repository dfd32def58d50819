//! The prompt, in a pipe, on real processes.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use assert_cmd::cargo::cargo_bin;
use tempfile::TempDir;

/// A network of two nodes that does not outlive its test.
struct Network(TempDir);

impl Drop for Network {
    fn drop(&mut self) {
        let ended = self.command(&["destroy", "--yes"]).status();
        assert!(
            ended.is_ok_and(|status| status.success()) || std::thread::panicking(),
            "processes of this test may still run"
        );
    }
}

impl Network {
    fn boot() -> Network {
        Network::boot_by(&["boot"])
    }

    fn boot_by(words: &[&str]) -> Network {
        let network = Network(tempfile::tempdir().expect("a temporary folder"));
        let booted = network.command(words).output().expect("it runs");
        assert!(booted.status.success(), "{}", text(&booted.stderr));
        network
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(cargo_bin!("tasks"));
        command
            .env("DHT_STATE", self.0.path())
            .env_remove("DHT_NETWORK")
            .stdin(Stdio::null())
            .args(words);
        command
    }

    /// Types these lines, and returns what came of them.
    fn types(&self, words: &[&str], lines: &str) -> Output {
        let mut shell = self
            .command(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut input = shell.stdin.take().expect("a pipe");
        // Who has quit reads no more.
        let _ = input.write_all(lines.as_bytes());
        drop(input);
        shell.wait_with_output().expect("it ends")
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it listens").port()
}

#[test]
fn the_classic_shell_answers_as_the_labs() {
    let network = Network::boot();
    let port = free_port();
    let lines = format!(
        "get a\nset a one\nput b two\nget a\nget b\nadd 127.0.0.1 {port}\nget a\nremove localhost {port}\n\
         remove_node 127.0.0.1 {port}\nget b\nget\nset a\nfly away\nadd 10.0.0.1 11211\nquit\nget a\n"
    );
    let output = network.types(&["shell", "--classic"], &lines);
    let expected = "Key Not Found\nDone!\nDone!\nKey: a, Value: one\nKey: b, Value: two\nAdded Node\n\
                    Key: a, Value: one\nRemoved Node\nNode not found\nKey: b, Value: two\n\
                    Incorrect Command / Params\nIncorrect Command / Params\nIncorrect Command\n\
                    Incorrect Command / Params\n";
    assert_eq!(text(&output.stdout), expected, "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
    assert_eq!(
        output.status.code(),
        Some(1),
        "some lines could not be done"
    );
}

#[test]
fn the_shell_does_what_the_commands_do() {
    let network = Network::boot();
    let port = free_port();
    let lines = format!(
        "# a remark\n\nset 'a key' 'a value'\nget 'a key'\nadd localhost {port}\nnodes\ntrace x\nkeys\n\
         remove PROC{port}\ndelete 'a key'\nkeys\nhelp\n"
    );
    let output = network.types(&["shell"], &lines);
    let (said, complaints) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}{complaints}");
    assert_eq!(complaints, "", "nobody is greeted in a pipe");
    for part in [
        "stored `a key` at PROC",
        "a value",
        &format!("PROC{port}"),
        "  a key\n1 keys",
        "items over and is gone",
        "deleted `a key`",
        "\n0 keys\n",
        "add_node",
    ] {
        assert!(said.contains(part), "{part} is missing:\n{said}");
    }
}

#[test]
fn a_key_of_which_many_have_a_copy_is_counted_once() {
    let boot = "boot --nodes 3 --membership static --replicas 3 --store memory";
    let network = Network::boot_by(&boot.split(' ').collect::<Vec<_>>());
    let output = network.types(&["shell"], "set a 1\nset b 2\nkeys\n");
    let (said, complaints) = (text(&output.stdout), text(&output.stderr));
    assert!(said.ends_with("\n2 keys\n"), "{said}{complaints}");
    assert_eq!(said.matches("  PROC").count(), 2, "{said}");
}

#[test]
fn what_goes_wrong_is_told_and_the_shell_goes_on() {
    let network = Network::boot();
    let output = network.types(&["shell"], "fly\nget nothing\nget\nset a b\nget a\n");
    let complaints = text(&output.stderr);
    for part in [
        "there is no command `fly`: `help` tells what can be typed",
        "there is nothing under `nothing`",
        "<KEY>",
    ] {
        assert!(
            complaints.contains(part),
            "{part} is missing:\n{complaints}"
        );
    }
    assert!(text(&output.stdout).ends_with("b\n"));
    assert_eq!(output.status.code(), Some(1));
    let nowhere = network.types(&["shell", "--network", "nowhere"], "get a\n");
    assert_eq!(nowhere.status.code(), Some(4), "{}", text(&nowhere.stderr));
}
