//! Processes that end with the one that started them.
//!
//! # Guarantees
//! * A process is killed and waited for when its [`Process`] is dropped.
//! * Where nobody lives to drop it, the kernel kills it (`PR_SET_PDEATHSIG`). The kernel looks at the thread that started the
//!   process, so all are started by one thread that lives as long as this process.
//! * Each is a process group of its own: an interrupt at the terminal reaches the tests first, and what a process has started
//!   itself ends with it.
//! * What it writes stands in its log, after what it wrote before it was started again.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal};

use super::error::{ControlPlaneError, Result, file};

/// How much of a log's end an error carries: some twenty lines.
const TAIL_BYTES: u64 = 4_000;

/// Which field of `/proc/PID/stat` is the time in user mode, counted from the one after the name; that in the kernel follows.
const USER_TIME_FIELD: usize = 11;

/// How a process is started, as often as one likes.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// What errors call it.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Where its output goes.
    pub log: PathBuf,
}

/// A process of a control plane, running or killed.
#[derive(Debug)]
pub struct Process {
    recipe: Recipe,
    child: Option<Child>,
}

impl Process {
    /// Starts one.
    pub fn start(recipe: Recipe) -> Result<Self> {
        let mut process = Self {
            recipe,
            child: None,
        };
        process.start_again()?;
        Ok(process)
    }

    /// Starts it after it was killed; one that runs is left alone.
    pub fn start_again(&mut self) -> Result<()> {
        if self.child.is_some() {
            return Ok(());
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.recipe.log)
            .map_err(|source| file("opening the log", &self.recipe.log, source))?;
        let errors = log
            .try_clone()
            .map_err(|source| file("opening the log", &self.recipe.log, source))?;
        let mut command = Command::new(&self.recipe.program);
        command
            .args(&self.recipe.arguments)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors);
        let child = spawn(command).map_err(|source| ControlPlaneError::Spawn {
            name: format!("{} ({})", self.recipe.name, self.recipe.program.display()),
            source,
        })?;
        self.child = Some(child);
        Ok(())
    }

    /// Lets another program be started next time, with the same arguments.
    pub fn replace_program(&mut self, program: PathBuf) {
        self.recipe.program = program;
    }

    /// Kills it without warning, and returns when it is gone.
    pub fn kill(&mut self) {
        self.end_by(Signal::KILL);
    }

    /// Asks it to end, and returns when it is gone.
    pub fn terminate(&mut self) {
        self.end_by(Signal::TERM);
    }

    fn end_by(&mut self, signal: Signal) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        // A child that is not waited for yet keeps its number, so nobody else is hit.
        if let Some(group) = pid(&child) {
            // One that has just ended needs no signal.
            rustix::process::kill_process_group(group, signal).unwrap_or_default();
        }
        // Waiting for a child fails only where it is waited for already.
        child.wait().map(drop).unwrap_or_default();
    }

    /// Its process id while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// An error if it has ended without being told to.
    pub fn alive(&mut self) -> Result<()> {
        let Some(child) = &mut self.child else {
            return Ok(());
        };
        match child.try_wait() {
            Ok(Some(status)) => {
                self.child = None;
                Err(ControlPlaneError::Ended {
                    name: self.recipe.name.clone(),
                    status,
                    tail: self.log_tail(),
                })
            }
            _ => Ok(()),
        }
    }

    /// The end of its log.
    pub fn log_tail(&self) -> String {
        tail(&self.recipe.log).unwrap_or_else(|error| format!("(its log cannot be read: {error})"))
    }

    /// Memory that it has in use, in KiB, as the kernel counts it; none if it does not run.
    pub fn resident_kib(&self) -> Option<u64> {
        self.memory_kib("VmRSS:")
    }

    /// The most memory that it ever had in use, in KiB; none if it does not run.
    pub fn resident_peak_kib(&self) -> Option<u64> {
        self.memory_kib("VmHWM:")
    }

    fn memory_kib(&self, field: &str) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(field))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// Time that it has spent on a processor, all threads together; none if it does not run.
    pub fn on_processor(&self) -> Option<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id()?)).ok()?;
        // The second field is the program's name in brackets, which may hold anything.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_whitespace().skip(USER_TIME_FIELD);
        let user: u64 = fields.next()?.parse().ok()?;
        let system: u64 = fields.next()?.parse().ok()?;
        let millis = (user + system) * 1000 / rustix::param::clock_ticks_per_second();
        Some(Duration::from_millis(millis))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn pid(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()).ok()?)
}

fn tail(log: &PathBuf) -> io::Result<String> {
    let mut log = File::open(log)?;
    let length = log.metadata()?.len();
    log.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    log.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A command, and where the answer goes.
type Order = (Command, mpsc::Sender<io::Result<Child>>);

/// Starts a command by the thread that never ends.
fn spawn(mut command: Command) -> io::Result<Child> {
    static STARTER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    command.process_group(0);
    die_with_this_process(&mut command);
    let starter = STARTER.get_or_init(|| {
        let (orders, ordered) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, answer) in ordered {
                // Who asked may be gone; then the child is dropped here, and ends with this process.
                answer.send(command.spawn()).unwrap_or_default();
            }
        });
        orders
    });
    let (answer, answered) = mpsc::channel();
    let gone = || io::Error::other("the thread that starts processes has ended");
    starter.send((command, answer)).map_err(|_| gone())?;
    answered.recv().map_err(|_| gone())?
}

fn die_with_this_process(command: &mut Command) {
    let parent = rustix::process::getpid();
    let before_exec = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // Who died before the line above took effect sends no signal.
        if rustix::process::getppid() == Some(parent) {
            Ok(())
        } else {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    };
    #[expect(
        unsafe_code,
        reason = "the only way to set a death signal between fork and exec"
    )]
    // SAFETY: between fork and exec only async-signal-safe functions may run: these are two system calls, without allocation.
    unsafe {
        command.pre_exec(before_exec);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::place::Place;
    use super::*;

    fn sleeper(folder: &Path) -> Recipe {
        Recipe {
            name: "a sleeper".to_owned(),
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), "echo it began; sleep 1000; echo over".into()],
            log: folder.join("log"),
        }
    }

    #[test]
    fn a_process_that_is_dropped_is_gone_with_all_that_it_started() {
        let place = Place::take().unwrap();
        let process = Process::start(sleeper(place.folder())).unwrap();
        let id = process.id().unwrap();

        drop(process);

        assert!(!Path::new(&format!("/proc/{id}")).exists());
        // What it started was killed with it, and ends when the kernel comes to it.
        let gone = (0..LOOKS_MAX).any(|_| {
            thread::yield_now();
            !lives(id)
        });
        assert!(gone, "a process of its group lives");
    }

    /// How often a killed process is looked for; some seconds at least.
    const LOOKS_MAX: usize = 10_000;

    /// Whether a process of this group lives. One that has ended and waits to be reaped, by whoever inherited it, does not.
    fn lives(group: u32) -> bool {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        processes
            .filter_map(|process| fs::read_to_string(process.path().join("stat")).ok())
            .any(|stat| {
                let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
                let fields: Vec<&str> = fields.split_whitespace().collect();
                fields.get(2) == Some(&group.to_string().as_str())
                    && !fields
                        .first()
                        .is_some_and(|state| ["Z", "X"].contains(state))
            })
    }

    #[test]
    fn a_process_that_ends_by_itself_tells_its_last_words() {
        let place = Place::take().unwrap();
        let mut recipe = sleeper(place.folder());
        recipe.arguments = vec!["-c".into(), "echo no such flag >&2; exit 7".into()];
        let mut process = Process::start(recipe).unwrap();

        let error = loop {
            if let Err(error) = process.alive() {
                break error.to_string();
            }
            thread::yield_now();
        };

        assert!(error.contains("a sleeper ended"), "{error}");
        assert!(error.contains("no such flag"), "{error}");
    }

    #[test]
    fn a_process_that_was_killed_can_be_started_again() {
        let place = Place::take().unwrap();
        let mut process = Process::start(sleeper(place.folder())).unwrap();
        let first = process.id().unwrap();

        process.kill();
        assert_eq!(process.id(), None);
        process.start_again().unwrap();

        assert_ne!(process.id(), Some(first));
        process.alive().unwrap();
    }
}
