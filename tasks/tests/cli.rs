//! The command line where no network is needed: help, usage errors, and states that are not there
//! or not good.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin_cmd;
use insta::assert_snapshot;
use tempfile::TempDir;

/// A command on an empty state folder.
fn tasks(state: &Path, line: &str) -> Command {
    let mut command = cargo_bin_cmd!("tasks");
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("DHT_") {
            command.env_remove(variable);
        }
    }
    command
        .env("DHT_STATE", state)
        .args(line.split_whitespace());
    command
}

/// Exit code, standard output and standard error, with the state folder called STATE.
fn outcome(state: &TempDir, line: &str) -> String {
    let output = tasks(state.path(), line).output().expect("it runs");
    let text = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        text.replace(&*state.path().to_string_lossy(), "STATE")
    };
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let code = output.status.code().expect("no signal");
    format!("$ tasks {line}\n{stdout}{stderr}exit code {code}\n")
}

fn empty() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn with_network(text: &str) -> TempDir {
    let state = empty();
    fs::create_dir(state.path().join("default")).expect("a folder");
    fs::write(state.path().join("default/network.json"), text).expect("a file");
    state
}

const NEED_A_NETWORK: [&str; 21] = [
    "add",
    "addmany 2",
    "store x",
    "storemany 2",
    "lookup x",
    "delete x",
    "put a x",
    "get a",
    "del a",
    "leave PROC10001",
    "kill PROC10001",
    "pause PROC10001",
    "resume PROC10001",
    "safe PROC10001",
    "killall",
    "destroy --yes",
    "reboot",
    "ring",
    "nodeinfo",
    "trace a",
    "monitor --once",
];

#[test]
fn help_teaches() {
    let state = empty();
    assert_snapshot!("help", outcome(&state, "--help"));
    assert_snapshot!("help_boot", outcome(&state, "boot --help"));
    assert_snapshot!("help_trace", outcome(&state, "trace --help"));
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let state = empty();
    let lines = [
        "",
        "frobnicate",
        "addmany",
        "addmany many",
        "boot --nodes 0",
        "boot --ownership nobody",
        "ring --network a/b",
        "put . x",
    ];
    let outcomes: Vec<_> = lines.iter().map(|line| outcome(&state, line)).collect();
    for outcome in &outcomes {
        assert!(outcome.ends_with("exit code 2\n"), "{outcome}");
    }
    // The first is the help, which has a snapshot of its own.
    assert_snapshot!(outcomes[1..].join("\n"));
}

#[test]
fn without_a_network_everything_is_exit_code_4_and_creates_nothing() {
    let state = empty();
    for line in NEED_A_NETWORK {
        for json in ["", " --json"] {
            let output = tasks(state.path(), &format!("{line}{json}")).output();
            let output = output.expect("it runs");
            assert_eq!(output.status.code(), Some(4), "{line}");
            assert!(output.stdout.is_empty(), "{line}");
            let error = String::from_utf8_lossy(&output.stderr);
            assert_eq!(
                error,
                "error: there is no network `default`: `tasks boot` starts one\n"
            );
        }
    }
    assert_eq!(fs::read_dir(state.path()).expect("a folder").count(), 0);
}

#[test]
fn a_network_of_dead_processes_is_exit_code_4() {
    let state = with_network(DEAD);
    for line in NEED_A_NETWORK {
        let of_one = ["leave", "kill", "pause", "resume"];
        let of_all = ["killall", "destroy", "reboot"];
        if of_one
            .iter()
            .chain(&of_all)
            .any(|word| *word == first_word(line))
        {
            continue;
        }
        let outcome = outcome(&state, line);
        assert!(outcome.ends_with("exit code 4\n"), "{outcome}");
    }
    assert_snapshot!(outcome(&state, "monitor --once"));
}

#[test]
fn a_recycled_pid_is_dead_and_not_signalled() {
    // Process 1 is there, whoever it is, but was not started when the network says.
    let state = with_network(DEAD);
    let leave = outcome(&state, "leave PROC10001");
    assert!(leave.contains("PROC10001 is dead"), "{leave}");
    let pause = outcome(&state, "pause PROC10001");
    assert!(pause.contains("PROC10001 is dead"), "{pause}");
    let kill = outcome(&state, "kill PROC10001");
    assert!(kill.contains("was dead already"), "{kill}");
    assert!(kill.ends_with("exit code 0\n"), "{kill}");
    let unknown = outcome(&state, "kill PROC10001");
    assert!(unknown.ends_with("exit code 3\n"), "{unknown}");
}

#[test]
fn a_broken_network_file_is_named_with_the_way_out() {
    let broken = [
        ("cut short", &DEAD[..DEAD.len() / 2]),
        ("empty", ""),
        ("from the future", r#"{"version": 2, "clusters": []}"#),
        ("something else", "hello"),
    ];
    let mut outcomes = Vec::new();
    for (what, text) in broken {
        let state = with_network(text);
        for line in NEED_A_NETWORK.iter().chain(&["boot"]) {
            let outcome = outcome(&state, line);
            assert!(outcome.ends_with("exit code 1\n"), "{what}: {outcome}");
        }
        outcomes.push(outcome(&state, "ring"));
        let file = fs::read_to_string(state.path().join("default/network.json"));
        assert_eq!(file.expect("it is there"), text, "nothing has changed it");
    }
    assert_snapshot!(outcomes.join("\n"));
}

#[test]
fn nobody_needs_to_read_on() {
    let state = empty();
    let command = tasks(state.path(), "completions bash");
    let mut child = std::process::Command::new(command.get_program())
        .args(command.get_args())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
}

#[test]
fn completions_are_there_for_every_shell() {
    let state = empty();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let line = format!("completions {shell}");
        let output = tasks(state.path(), &line).output().expect("it runs");
        assert!(output.status.success(), "{shell}");
        let script = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(script.contains("storemany"), "{shell}");
    }
}

fn first_word(line: &str) -> &str {
    line.split_whitespace().next().expect("a word")
}

const DEAD: &str = r#"{
  "version": 1,
  "network": "default",
  "settings": {
    "ownership": "successor",
    "routing": "finger",
    "successors": 4,
    "stabilize_ms": 500,
    "fingers_ms": 1000,
    "predecessor_ms": 1000,
    "self_check_ms": 10000
  },
  "processes": [
    {
      "name": "PROC10001",
      "id": "e9edf85b7c3a86cf0b06f2d5d0cd0a8a8de0ac3b",
      "address": "127.0.0.1:10001",
      "incarnation": 1,
      "pid": 1,
      "started": { "boot": "another start of the machine", "ticks": 1 },
      "log": "PROC10001.log",
      "data": null
    }
  ]
}
"#;

#[test]
fn figures_need_a_folder_that_can_be_written_to() {
    let state = empty();
    let file = state.path().join("file");
    fs::write(&file, "").expect("a file");
    let folder = file.join("figures");
    let told = outcome(&state, &format!("figures {}", folder.display()));
    assert!(
        told.contains("error: cannot write into STATE/file/figures: "),
        "{told}"
    );
    assert!(told.ends_with("exit code 1\n"), "{told}");
}
