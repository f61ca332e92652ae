//! A running stage: MiniStack and the workload simulator, started together and ended together.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::blocking::Client;
use serde_json::{Value, json};
use workload_simulator::{Settings, Simulator, World};

use crate::Account;
use crate::template::repository;

/// The Region of the stage.
pub const REGION: &str = "eu-west-1";

/// What can go wrong on the stage.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// Something that the Makefile prepares is missing.
    #[error("{what} is missing: run `make {remedy}` first")]
    Missing {
        /// What is missing.
        what: String,
        /// The make target that makes it.
        remedy: &'static str,
    },
    /// A process or server of the stage did not start.
    #[error("{what} did not start: {message}")]
    Start {
        /// What did not start.
        what: &'static str,
        /// Why.
        message: String,
    },
    /// A call was refused.
    #[error("{what}: {message}")]
    Call {
        /// The call.
        what: String,
        /// The answer.
        message: String,
    },
    /// A template cannot be read.
    #[error("template `{}`: {message}", path.display())]
    Template {
        /// The template's path.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// Something that was waited for did not happen.
    #[error("waited {} s in vain for {what}", waited.as_secs())]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        waited: Duration,
    },
}

impl StageError {
    /// Whether AWS refused a call because the caller may not make it.
    pub fn is_access_denied(&self) -> bool {
        matches!(self, Self::Call { message, .. } if message.contains("AccessDenied"))
    }
}

/// How a stage is started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether IAM is enforced: functions run under their role and are denied what it lacks.
    pub auth: bool,
    /// The port, or any free one.
    pub port: u16,
    /// How long a second of a workflow's waits and retries lasts, in seconds; a second if it is not said. With 0.01 a
    /// wait of ten seconds lasts a tenth of one.
    pub wait_scale: Option<f64>,
    /// How many executions of workflows go on at once, the others waiting to begin; as many as there are if it is not
    /// said. Hundreds at once would keep this machine so busy that functions time out.
    pub executions_at_once: Option<u32>,
    /// How the simulator is set up.
    pub simulator: Settings,
}

/// A running stage. It ends when dropped, and with the process.
#[derive(Debug)]
pub struct Stage {
    endpoint: String,
    simulator: Simulator,
    launcher: Child,
    /// The objects in the bucket of packages.
    uploaded: Mutex<BTreeSet<String>>,
}

/// The bucket with the packages of all functions, which all accounts read, and the account that it is in.
pub(crate) const PACKAGES: &str = "stage-packages";
const PACKAGES_ACCOUNT: &str = "888888888888";

impl Stage {
    /// Starts a stage on free ports.
    ///
    /// # Errors
    /// When a part of it is missing or does not start.
    pub fn start(options: Options) -> Result<Self, StageError> {
        let python = python()?;
        // Events of S3 go wrong as those of the simulated services do.
        let faults = options.simulator.event_faults;
        let simulator = Simulator::start(options.simulator)
            .map_err(|error| StageError::Start { what: "the workload simulator", message: error.to_string() })?;
        let failed = |message: String| StageError::Start { what: "the launcher", message };
        let mut command = Command::new(python);
        command.arg(repository().join("tests/stage/launcher.py"));
        command.args(["--region", REGION, "--simulator-url", &simulator.url(), "--port", &options.port.to_string()]);
        if options.auth {
            command.arg("--auth");
        }
        if let Some(scale) = options.wait_scale {
            command.args(["--wait-scale", &scale.to_string()]);
        }
        let disorder = faults.reorder_within.as_secs_f64().to_string();
        command.args(["--event-copies", &faults.copies.to_string(), "--event-disorder", &disorder]);
        if let Some(executions) = options.executions_at_once {
            command.args(["--executions-at-once", &executions.to_string()]);
        }
        let mut launcher = command.stdout(Stdio::piped()).spawn().map_err(|error| failed(error.to_string()))?;
        let mut line = String::new();
        if let Some(stdout) = launcher.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(|error| failed(error.to_string()))?;
        }
        let ready: Value = serde_json::from_str(&line).unwrap_or_default();
        let Some(endpoint) = ready["endpoint"].as_str().map(str::to_owned) else {
            let _ = launcher.kill();
            let _ = launcher.wait();
            return Err(failed("it gave no ready line; its log above says why".to_owned()));
        };
        simulator.world().events().deliver_to(&endpoint);
        let stage = Self { endpoint, simulator, launcher, uploaded: Mutex::default() };
        stage.account(PACKAGES_ACCOUNT).create_bucket(PACKAGES)?;
        Ok(stage)
    }

    /// Where AWS answers.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The workload simulator's world.
    pub fn world(&self) -> World {
        self.simulator.world()
    }

    /// Where the workload simulator itself answers.
    pub fn simulator_url(&self) -> String {
        self.simulator.url()
    }

    /// Changes how long the waits and retries of workflows last, those that have begun included; see [`Options`].
    ///
    /// # Errors
    /// When the stage does not answer.
    pub fn scale_waits(&self, scale: f64) -> Result<(), StageError> {
        let change = json!({"stepfunctions._SFN_WAIT_SCALE": scale});
        self.ask(Method::POST, "/_ministack/config", Some(&change)).map(drop)
    }

    /// Asks the stage itself, not AWS.
    pub(crate) fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, StageError> {
        let failed = |error: String| StageError::Call { what: path.to_owned(), message: error };
        let request = Client::new().request(method, format!("{}{path}", self.endpoint));
        let request = if let Some(body) = body { request.json(body) } else { request };
        let response = request.send().map_err(|error| failed(error.to_string()))?;
        let (status, text) = (response.status(), response.text().unwrap_or_default());
        if status.is_success() { Ok(serde_json::from_str(&text).unwrap_or_default()) } else { Err(failed(text)) }
    }

    /// Puts an object into the bucket of packages, the first time it is asked for.
    pub(crate) fn upload(
        &self,
        key: &str,
        content: impl FnOnce() -> Result<Vec<u8>, StageError>,
    ) -> Result<(), StageError> {
        // Whoever deploys meanwhile waits for the object instead of sending it again.
        let mut uploaded = self.uploaded.lock().unwrap_or_else(PoisonError::into_inner);
        if !uploaded.contains(key) {
            self.account(PACKAGES_ACCOUNT).put_object(PACKAGES, key, content()?)?;
            uploaded.insert(key.to_owned());
        }
        Ok(())
    }

    /// An account on this stage.
    pub fn account(&self, id: &str) -> Account {
        Account::new(id, REGION, &self.endpoint)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // SIGTERM lets the launcher end the functions' processes; it also ends by itself when we are gone.
        let pid = self.launcher.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status().is_ok_and(|status| status.success());
        if !asked {
            let _ = self.launcher.kill();
        }
        let _ = self.launcher.wait();
    }
}

/// The Python of the virtual environment that the Makefile makes.
///
/// # Errors
/// When there is none.
pub fn python() -> Result<PathBuf, StageError> {
    from_makefile("STAGE_PYTHON", "the stage's Python")
}

/// The folder with the functions' binaries, built for the stage.
///
/// # Errors
/// When there is none.
pub fn binaries() -> Result<PathBuf, StageError> {
    from_makefile("STAGE_BINARIES", "the folder of the stage's binaries")
}

fn from_makefile(variable: &str, what: &str) -> Result<PathBuf, StageError> {
    #[expect(clippy::disallowed_methods, reason = "the Makefile tells the harness where things are through it")]
    let path = std::env::var(variable).ok().map(PathBuf::from).filter(|path| path.exists());
    path.ok_or_else(|| StageError::Missing { what: format!("{what} (`{variable}`)"), remedy: "prepare" })
}

/// Waits until `look` sees something.
///
/// # Errors
/// When it has not after `at_most`.
pub fn wait_for<T>(what: &str, at_most: Duration, mut look: impl FnMut() -> Option<T>) -> Result<T, StageError> {
    let began = Instant::now();
    loop {
        if let Some(seen) = look() {
            return Ok(seen);
        }
        if began.elapsed() > at_most {
            return Err(StageError::Timeout { what: what.to_owned(), waited: at_most });
        }
        std::thread::sleep(Duration::from_millis(25));
    }
}

/// A function's package: its binary as `bootstrap` in a zip, not compressed, since it only travels over loopback.
///
/// # Errors
/// When the binary was not built.
pub fn package(binary: &Path) -> Result<Vec<u8>, StageError> {
    let missing = |_| StageError::Missing { what: format!("binary `{}`", binary.display()), remedy: "prepare" };
    let code = std::fs::read(binary).map_err(missing)?;
    let zipped = || -> zip::result::ZipResult<Vec<u8>> {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored)
            .unix_permissions(0o755);
        zip.start_file("bootstrap", options)?;
        std::io::Write::write_all(&mut zip, &code)?;
        Ok(zip.finish()?.into_inner())
    };
    zipped()
        .map_err(|error| StageError::Call { what: format!("zip `{}`", binary.display()), message: error.to_string() })
}
