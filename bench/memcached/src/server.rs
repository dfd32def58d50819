//! Server: one process that is measured, and ended when dropped.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

/// A process that speaks memcached's protocol.
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    process: Child,
}

impl Server {
    /// A ring of one node, which keeps one copy in memory.
    pub(crate) fn node(executable: &str) -> Result<Server> {
        let (http, address) = (free_address()?, free_address()?);
        let mut command = Command::new(executable);
        command
            .args(["--name", "a", "--address", &http.to_string()])
            .args(["--ring", &format!("a@{http}#1")])
            .args(["--memcached-port", &address.port().to_string()]);
        Server::start("this node".to_owned(), command, address)
            .with_context(|| format!("{executable} can't be started; build it first"))
    }

    /// memcached, with this many threads.
    pub(crate) fn memcached(threads: usize) -> Result<Server> {
        let address = free_address()?;
        let mut command = Command::new("memcached");
        command
            // It does not want to be root; of any other user it takes no notice of this.
            .args(["-u", "nobody", "-l", "127.0.0.1"])
            .args(["-p", &address.port().to_string()])
            .args(["-t", &threads.to_string()]);
        Server::start(format!("memcached -t {threads}"), command, address)
            .context("memcached can't be started; Debian has it as memcached")
    }

    fn start(name: String, mut command: Command, address: SocketAddr) -> Result<Server> {
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let server = Server {
            name,
            address,
            process,
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        while !server.is_ready() {
            ensure!(Instant::now() < deadline, "it is not ready after 10 s");
            sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// Whether it answers that it has nothing yet.
    fn is_ready(&self) -> bool {
        let asked = || {
            let mut stream = TcpStream::connect(self.address)?;
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            stream.write_all(b"get key\r\n")?;
            let mut answer = [0; 5];
            stream.read_exact(&mut answer)?;
            Ok::<_, std::io::Error>(answer)
        };
        asked().is_ok_and(|answer| &answer == b"END\r\n")
    }

    /// Microseconds that it has spent on a processor, in itself and in the kernel.
    pub(crate) fn micros(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // What comes before may contain spaces: it is the name of the executable.
        let (_, fields) = stat.rsplit_once(')').context("a name in parentheses")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks = |place: usize| -> Result<u64> {
            let field = fields.get(place).context("the kernel books time")?;
            Ok(field.parse()?)
        };
        let ticks = ticks(USER)? + ticks(SYSTEM)?;
        Ok(ticks as f64 * 1_000_000.0 / rustix::param::clock_ticks_per_second() as f64)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails where it has ended by itself, which is as good.
        let _ = self.process.kill().and_then(|()| self.process.wait());
    }
}

/// An address that was free a moment ago.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Places in `/proc/PID/stat` behind the name: see proc_pid_stat(5).
const USER: usize = 11;
const SYSTEM: usize = 12;
