//! Consul: the stand-in of its HTTP API as a process, which ends with this.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// A stand-in that listens.
pub struct StandIn {
    child: Child,
    /// Host and port.
    pub address: String,
}

impl StandIn {
    /// At a port that the system gives.
    pub fn start() -> StandIn {
        StandIn::start_at("0", &[])
    }

    pub fn start_at(port: &str, flags: &[&str]) -> StandIn {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/consul_stand_in.py");
        let mut child = Command::new("python3")
            .args([script, "--port", port])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python 3 runs");
        let output = child.stdout.take().expect("it is piped");
        let mut address = String::new();
        let read = BufReader::new(output).read_line(&mut address);
        let stand_in = StandIn {
            child,
            address: address.trim().to_owned(),
        };
        assert!(
            read.is_ok_and(|bytes| bytes > 0),
            "it says where it listens"
        );
        stand_in
    }

    /// Ends it; the port is free then.
    pub fn stop(self) -> String {
        self.address.clone()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        // Fails where it has ended by itself, which is as good.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}
