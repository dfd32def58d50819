//! Process: one node process, identified so that a recycled pid is never taken for it.

use std::path::PathBuf;
use std::{fs, io};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// A node process, as it was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Name of the node.
    pub name: String,
    /// Its identifier on the ring: 40 hexadecimal digits.
    pub id: String,
    /// Where it listens: host and port.
    pub address: String,
    /// Which start of the node it is.
    pub incarnation: u32,
    /// The operating system's number for it, which others get after it has ended.
    pub pid: u32,
    /// When it was started, which nobody else with the same pid shares.
    pub started: Started,
    /// Where its standard output and error go.
    pub log: PathBuf,
    /// Its data folder; nothing where it keeps its content in memory.
    pub data: Option<PathBuf>,
}

impl Process {
    /// Whether this very process is still running. One that has ended and was not yet waited for
    /// by its parent counts as ended.
    pub fn is_running(&self) -> bool {
        running_since(self.pid).is_ok_and(|started| started == self.started)
    }

    /// Whether it is stopped by [`Process::pause`], or by anyone else.
    pub fn is_paused(&self) -> bool {
        self.is_running() && stat(self.pid).is_ok_and(|(state, _)| state == 'T')
    }

    /// Ends it at once, without asking it (SIGKILL). False if it had ended before: nobody is
    /// signalled then, whoever has its pid now.
    pub fn kill(&self) -> io::Result<bool> {
        self.send(Signal::KILL)
    }

    /// Asks it to end in order (SIGTERM), which a paused one does when it goes on. False if it had ended
    /// before.
    pub fn terminate(&self) -> io::Result<bool> {
        self.send(Signal::TERM)
    }

    /// Stops it where it stands (SIGSTOP): it does nothing, but its connections stay. False if it
    /// had ended before.
    pub fn pause(&self) -> io::Result<bool> {
        self.send(Signal::STOP)
    }

    /// Lets it go on (SIGCONT), which does nothing to one that runs. False if it had ended before.
    pub fn resume(&self) -> io::Result<bool> {
        self.send(Signal::CONT)
    }

    fn send(&self, signal: Signal) -> io::Result<bool> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let Some(pid) = pid else {
            return Ok(false);
        };
        // The handle is opened first and the identity looked at second: from then on the handle
        // means this very process, whatever becomes of the number.
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(_) if !self.is_running() => Ok(false),
            Ok(handle) => sent(pidfd_send_signal(handle, signal)),
            Err(Errno::NOSYS) if self.is_running() => sent(kill_process(pid, signal)),
            Err(Errno::SRCH | Errno::NOSYS) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// When a process was started: in clock ticks after a certain start of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Which start of the machine.
    pub boot: String,
    /// Clock ticks since then.
    pub ticks: u64,
}

impl Started {
    /// When the process with this pid was started. Errors: there is none (also where it has ended
    /// and nobody has waited for it), or this system has no `/proc`.
    pub fn of(pid: u32) -> io::Result<Started> {
        let (_, ticks) = stat(pid)?;
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        let boot = boot.trim().to_owned();
        Ok(Started { boot, ticks })
    }
}

fn running_since(pid: u32) -> io::Result<Started> {
    let (state, _) = stat(pid)?;
    if matches!(state, 'Z' | 'X') {
        return Err(io::ErrorKind::NotFound.into());
    }
    Started::of(pid)
}

/// State and start time in ticks, from the fields 3 and 22 of `/proc/<pid>/stat`.
fn stat(pid: u32) -> io::Result<(char, u64)> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse_stat(&line).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn parse_stat(line: &str) -> Option<(char, u64)> {
    // Field 2 is the program's name in parentheses, and may hold blanks and parentheses itself.
    let (_, rest) = line.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let ticks = fields.nth(18)?.parse().ok()?;
    Some((state, ticks))
}

fn sent(result: Result<(), Errno>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("60").spawn().expect("sleep runs")
    }

    fn process(pid: u32, started: Started) -> Process {
        Process {
            name: "PROC10001".into(),
            id: "0".repeat(40),
            address: "127.0.0.1:10001".into(),
            incarnation: 1,
            pid,
            started,
            log: "PROC10001.log".into(),
            data: None,
        }
    }

    #[test]
    fn a_program_name_may_hold_parentheses() {
        let line = "7 (a) b) S 1 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 4242 0 0";
        assert_eq!(parse_stat(line), Some(('S', 4242)));
        assert_eq!(parse_stat("7 (a) S 1 7"), None);
    }

    #[test]
    fn a_running_process_is_ended_once() {
        let mut child = sleeper();
        let process = process(child.id(), Started::of(child.id()).expect("it runs"));
        assert!(process.is_running());
        assert!(process.kill().expect("it may be ended"));
        child.wait().expect("it ends");
        assert!(!process.is_running());
        assert!(!process.kill().expect("there is nobody to refuse"));
    }

    #[test]
    fn a_process_that_is_asked_to_end_may_do_so() {
        let mut child = sleeper();
        let process = process(child.id(), Started::of(child.id()).expect("it runs"));
        assert!(process.terminate().expect("it may be asked"));
        child.wait().expect("it ends");
        assert!(!process.terminate().expect("there is nobody to refuse"));
    }

    #[test]
    fn a_paused_process_runs_but_does_nothing_until_it_is_resumed() {
        let mut child = sleeper();
        let process = process(child.id(), Started::of(child.id()).expect("it runs"));
        assert!(!process.is_paused());
        assert!(process.pause().expect("it may be stopped"));
        while !process.is_paused() {
            std::thread::yield_now();
        }
        assert!(process.is_running());
        assert!(process.resume().expect("it may go on"));
        while process.is_paused() {
            std::thread::yield_now();
        }
        process.pause().expect("once more");
        assert!(process.kill().expect("also one that is paused"));
        child.wait().expect("it ends");
        assert!(!process.is_paused());
        assert!(!process.pause().expect("there is nobody to refuse"));
        assert!(!process.resume().expect("there is nobody to refuse"));
    }

    #[test]
    fn a_process_that_nobody_waited_for_has_ended() {
        let mut child = sleeper();
        let process = process(child.id(), Started::of(child.id()).expect("it runs"));
        child.kill().expect("it may be ended");
        while process.is_running() {
            std::thread::yield_now();
        }
        child.wait().expect("it ends");
    }

    #[test]
    fn a_recycled_pid_is_never_signalled() {
        let mut child = sleeper();
        let mut started = Started::of(child.id()).expect("it runs");
        started.ticks -= 1;
        let earlier = process(child.id(), started.clone());
        started.ticks += 1;
        started.boot = "an earlier start of the machine".into();
        let much_earlier = process(child.id(), started);
        for process in [earlier, much_earlier] {
            assert!(!process.is_running());
            assert!(!process.kill().expect("nobody is asked"));
        }
        assert!(
            child.try_wait().expect("it is ours").is_none(),
            "it runs on"
        );
        child.kill().expect("it may be ended");
        child.wait().expect("it ends");
    }

    #[test]
    fn a_pid_that_is_no_pid_is_nobody() {
        let started = Started::of(std::process::id()).expect("this test runs");
        for pid in [0, u32::MAX] {
            let process = process(pid, started.clone());
            assert!(!process.is_running());
            assert!(!process.kill().expect("nobody is asked"));
        }
    }
}
