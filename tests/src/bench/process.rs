//! One function's process outside of any stage, with a clean environment, driven through the Runtime API.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use stage::running::REGION;

use crate::Fault;
use crate::runtime_api::{Happening, RuntimeApi};

/// What is run, and with what environment beside that of every Lambda function.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) command: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
}

/// A process that has answered its first invocation.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    api: RuntimeApi,
    log: Option<JoinHandle<String>>,
    /// From its start until it asked for an invocation.
    pub(crate) ready: Duration,
    /// From its start until it answered the first.
    pub(crate) first: Duration,
    /// What it answered last.
    pub(crate) answer: Value,
}

/// What is known of a process at its end.
#[derive(Debug)]
pub(crate) struct End {
    /// The most memory it had resident at once, in KiB.
    pub(crate) peak_kib: u64,
    /// What it logged.
    pub(crate) log: String,
}

impl Process {
    /// Starts a process of `account` that finds AWS at `endpoint`, and has it answer `event`.
    pub(crate) fn start(program: &Program, account: &str, endpoint: &str, event: &Value) -> Result<Self, Fault> {
        let api = RuntimeApi::start()?;
        api.invoke(event);
        let mut command = Command::new(&program.command);
        // What Lambda sets, and nothing of this machine: inherited certificates or proxies would distort the start.
        command.args(&program.arguments).env_clear().envs([
            ("AWS_LAMBDA_RUNTIME_API", api.address().to_string().as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", program.name),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/bench"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
            ("AWS_LAMBDA_LOG_LEVEL", "INFO"),
            ("AWS_REGION", REGION),
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", account),
            ("AWS_SECRET_ACCESS_KEY", "any"),
            ("AWS_SESSION_TOKEN", "any"),
            ("AWS_ENDPOINT_URL", endpoint),
            ("LANG", "en_US.UTF-8"),
            ("TZ", ":UTC"),
        ]);
        command.envs(program.environment.iter().map(|(key, value)| (key, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let started = Instant::now();
        let mut child = command.spawn().map_err(|error| Fault::of(program.name, error))?;
        let log = child.stdout.take().map(|mut stdout| {
            std::thread::spawn(move || {
                let mut log = Vec::new();
                let _ = stdout.read_to_end(&mut log);
                String::from_utf8_lossy(&log).into_owned()
            })
        });
        let (ready, first) = (Duration::ZERO, Duration::ZERO);
        let mut process = Self { name: program.name, child, api, log, ready, first, answer: Value::Null };
        process.ready = process.await_ready()?.duration_since(started);
        process.first = process.await_answer()?.duration_since(started);
        process.await_ready()?;
        Ok(process)
    }

    /// Has the waiting process answer an event; gives how long that took.
    pub(crate) fn answer(&mut self, event: &Value) -> Result<Duration, Fault> {
        let asked = Instant::now();
        self.api.invoke(event);
        let took = self.await_answer()?.duration_since(asked);
        self.await_ready()?;
        Ok(took)
    }

    /// The time that the process has had a processor, by the kernel's account of the threads that it has now.
    pub(crate) fn computed(&self) -> Result<Duration, Fault> {
        let fault = |error: std::io::Error| Fault::of(self.name, error);
        let mut computed = Duration::ZERO;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id())).map_err(fault)? {
            let account = std::fs::read_to_string(thread.map_err(fault)?.path().join("schedstat")).map_err(fault)?;
            let nanoseconds = account.split(' ').next().and_then(|text| text.parse().ok());
            let fault = || Fault::of(self.name, "the kernel does not tell its processor time");
            computed += Duration::from_nanos(nanoseconds.ok_or_else(fault)?);
        }
        Ok(computed)
    }

    /// Ends the process.
    pub(crate) fn end(mut self) -> Result<End, Fault> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .map_err(|error| Fault::of(self.name, error))?;
        // The kernel counts pages of the program and of its libraries that are in memory, for all programs alike.
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB"));
        let peak_kib = peak.and_then(|peak| peak.trim().parse().ok());
        let peak_kib = peak_kib.ok_or_else(|| Fault::of(self.name, "the kernel does not tell its peak memory"))?;
        self.stop();
        let log = self.log.take().and_then(|log| log.join().ok()).unwrap_or_default();
        Ok(End { peak_kib, log })
    }

    fn await_ready(&self) -> Result<Instant, Fault> {
        match self.api.next()? {
            (at, Happening::Ready) => Ok(at),
            (_, Happening::Failed(error)) => Err(Fault::of(self.name, error)),
            (_, Happening::Answered(_)) => Err(Fault::of(self.name, "it answered without having been asked")),
        }
    }

    fn await_answer(&mut self) -> Result<Instant, Fault> {
        match self.api.next()? {
            (at, Happening::Answered(answer)) => {
                self.answer = serde_json::from_str(&answer).map_err(|error| Fault::of(self.name, error))?;
                Ok(at)
            }
            (_, Happening::Failed(error)) => Err(Fault::of(self.name, error)),
            (_, Happening::Ready) => Err(Fault::of(self.name, "it asked for more before it had answered")),
        }
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}
