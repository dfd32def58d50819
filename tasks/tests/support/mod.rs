//! A network of its own for each test, by the commands that people type.

use std::process::Output;

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin;
use serde_json::Value;
use tempfile::TempDir;

/// A state folder; its network ends with it.
pub(crate) struct Net(TempDir);

impl Net {
    pub(crate) fn new() -> Net {
        Net(TempDir::new().expect("a temporary folder"))
    }

    /// A name that no other network has.
    fn network(&self) -> String {
        let name = self.0.path().file_name().expect("a folder has a name");
        name.to_string_lossy()
            .replace(|c: char| !c.is_ascii_alphanumeric(), "x")
            .to_lowercase()
    }

    pub(crate) fn output(&self, line: &str) -> Output {
        let mut command = Command::new(cargo_bin!("tasks"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DHT_")) {
            command.env_remove(name);
        }
        command
            .current_dir(self.0.path())
            .env("DHT_STATE", self.0.path())
            // Ports that one network has given up another one may get, whose nodes must not take it for theirs.
            .env("DHT_NETWORK", self.network())
            .args(line.split_whitespace())
            .timeout(std::time::Duration::from_secs(120))
            .output()
            .expect("it runs")
    }

    /// What it prints with `--json`; it must succeed.
    pub(crate) fn json(&self, line: &str) -> Value {
        let output = self.output(&format!("{line} --json"));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{line}: {said}");
        serde_json::from_slice(&output.stdout).expect("one document")
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        self.output("destroy --yes");
    }
}
