//! Memcached: a real server, in a process that ends with this.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A memcached server.
pub struct Memcached {
    child: Child,
    pub address: SocketAddr,
}

impl Memcached {
    /// One on a port of its own.
    pub fn start() -> Memcached {
        Memcached::with(&[])
    }

    /// The same, with more flags.
    pub fn with(flags: &[&str]) -> Memcached {
        // Somebody else may have taken the port meanwhile: then with another one.
        let server = (0..10).find_map(|_| Memcached::at(free_port(), flags));
        server.expect("memcached starts: apt-get install memcached")
    }

    /// One at this address; nothing if it ends at once.
    pub fn at(address: SocketAddr, flags: &[&str]) -> Option<Memcached> {
        let child = Command::new("memcached")
            .args(["-l", &address.ip().to_string()])
            .args(["-p", &address.port().to_string()])
            // Ignored unless it is started by root, whom memcached refuses to be.
            .args(["-U", "0", "-u", "nobody"])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("memcached is installed: apt-get install memcached");
        let mut server = Memcached { child, address };
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).is_err() {
            let ended = server.child.try_wait().expect("it is ours");
            if ended.is_some() || Instant::now() > deadline {
                return None;
            }
            sleep(Duration::from_millis(10));
        }
        // Whoever listens there may be another one.
        let ended = server.child.try_wait().expect("it is ours");
        ended.is_none().then_some(server)
    }

    /// Ends, with all that it has.
    pub fn end(&mut self) {
        // Fails where it has ended by itself, which is as good.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }

    /// Ends, and begins anew at the same address.
    pub fn restart(&mut self) {
        self.end();
        *self = Memcached::at(self.address, &[]).expect("its port is still free");
    }

    /// How many items it has.
    pub fn items(&self) -> u64 {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        stream.write_all(b"stats\r\nquit\r\n").expect("it listens");
        let mut stats = String::new();
        stream.read_to_string(&mut stats).expect("words");
        let mut items = stats
            .lines()
            .filter_map(|line| line.strip_prefix("STAT curr_items "));
        let items = items.next().and_then(|number| number.parse().ok());
        items.expect("a number of items")
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        self.end();
    }
}

fn free_port() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("some port is free");
    listener.local_addr().expect("it has an address")
}
