//! Client: connections that each send a request, read the answer, and send the next one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};

/// What is sent.
pub(crate) struct Load {
    pub(crate) connections: usize,
    /// Of a value.
    pub(crate) bytes: usize,
    pub(crate) keys: usize,
    pub(crate) millis: u64,
}

/// What is asked for.
#[derive(Clone, Copy)]
pub(crate) enum Verb {
    Get,
    Set,
}

/// What came of it.
pub(crate) struct Rate {
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
}

impl Verb {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Verb::Get => "get",
            Verb::Set => "set",
        }
    }
}

impl Load {
    /// Stores every key once.
    pub(crate) fn fill(&self, address: SocketAddr) -> Result<()> {
        let mut client = Client::connect(address, self)?;
        (0..self.keys).try_for_each(|key| client.set(key))
    }

    /// Asks for as long as it says.
    pub(crate) fn run(&self, address: SocketAddr, verb: Verb) -> Result<Rate> {
        let clients = (0..self.connections).map(|_| Client::connect(address, self));
        let clients = clients.collect::<Result<Vec<_>>>()?;
        let began = Instant::now();
        let until = began + Duration::from_millis(self.millis);
        let requests = thread::scope(|scope| {
            let threads: Vec<_> = (0..)
                .zip(clients)
                .map(|(number, client)| scope.spawn(move || client.work(verb, number, until)))
                .collect();
            let counts = threads.into_iter().map(|thread| {
                let count = thread.join();
                count.map_err(|_| anyhow!("a client panicked"))?
            });
            counts.sum::<Result<u64>>()
        })?;
        ensure!(requests > 0, "nothing was answered");
        let seconds = began.elapsed().as_secs_f64();
        Ok(Rate { requests, seconds })
    }
}

/// One connection.
struct Client<'l> {
    load: &'l Load,
    stream: TcpStream,
    answers: BufReader<TcpStream>,
    value: Vec<u8>,
    line: Vec<u8>,
}

impl<'l> Client<'l> {
    fn connect(address: SocketAddr, load: &'l Load) -> Result<Client<'l>> {
        let stream = TcpStream::connect(address).context("can't connect")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Client {
            load,
            answers: BufReader::new(stream.try_clone()?),
            stream,
            value: vec![b'v'; load.bytes],
            line: Vec::new(),
        })
    }

    /// Asks for one key after another. Returns how many were answered.
    fn work(mut self, verb: Verb, number: usize, until: Instant) -> Result<u64> {
        // Each begins elsewhere, so that they do not walk in step.
        let mut key = number * self.load.keys / self.load.connections;
        let mut count = 0;
        while Instant::now() < until {
            match verb {
                Verb::Get => self.get(key)?,
                Verb::Set => self.set(key)?,
            }
            key = (key + 1) % self.load.keys;
            count += 1;
        }
        Ok(count)
    }

    fn get(&mut self, key: usize) -> Result<()> {
        self.stream
            .write_all(format!("get key-{key:06}\r\n").as_bytes())?;
        let expected = format!("VALUE key-{key:06} 0 {}\r\n", self.value.len());
        self.expect(expected.as_bytes())?;
        let mut value = vec![0; self.value.len() + 2];
        self.answers.read_exact(&mut value)?;
        ensure!(
            value.strip_suffix(b"\r\n") == Some(&self.value[..]),
            "another value"
        );
        self.expect(b"END\r\n")
    }

    fn set(&mut self, key: usize) -> Result<()> {
        let mut request = format!("set key-{key:06} 0 0 {}\r\n", self.value.len()).into_bytes();
        request.extend_from_slice(&self.value);
        request.extend_from_slice(b"\r\n");
        self.stream.write_all(&request)?;
        self.expect(b"STORED\r\n")
    }

    fn expect(&mut self, expected: &[u8]) -> Result<()> {
        self.line.clear();
        self.answers.read_until(b'\n', &mut self.line)?;
        let text = String::from_utf8_lossy(&self.line);
        ensure!(self.line == expected, "an answer is {text:?}");
        Ok(())
    }
}

/// Whoever takes longer does not answer any more.
const PATIENCE: Duration = Duration::from_secs(5);
