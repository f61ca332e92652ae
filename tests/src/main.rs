//! `stage`: plays the demo, leaves a stage running to play with, ends it.

#![expect(clippy::indexing_slicing, reason = "a missing key of a `serde_json::Value` reads as null")]

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use clap::{Parser, Subcommand};
use serde_json::{Value, json};
use stage::deploy::sample_event;
use stage::running::{python, wait_for};
use stage::story::{self, HUB, SANDBOX};
use stage::timeline::{Timeline, wants_colour};
use stage::{Account, Hub, StageError, template};

/// The guardrails on one machine: real templates and binaries, no AWS account.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where the state of a stage left running is kept.
    #[arg(long, env = "STAGE_STATE", value_name = "FOLDER")]
    state: PathBuf,
    #[command(subcommand)]
    command: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Play the story and say whether every promise was kept.
    Demo,
    /// Leave a stage running, with a hub and a sandbox, and say how to play with it.
    Up {
        /// The port that AWS answers on; 0 takes a free one.
        #[arg(long, default_value_t = 4566)]
        port: u16,
    },
    /// Show what reaches the hub of the stage left running, as it happens.
    Watch,
    /// Send a sample event to a function of the stage left running.
    Invoke {
        /// The function, such as `athena-watch`.
        function: String,
        /// The sample, such as `sweep`: a file under events/<function>/.
        event: String,
    },
    /// End the stage left running.
    Down,
    /// Serve a stage until ended; `up` starts this in the background.
    #[command(hide = true)]
    Serve { port: u16 },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let state = State { folder: arguments.state };
    let result = match arguments.command {
        What::Demo => story::tell(),
        What::Up { port } => state.up(port).map(|()| true),
        What::Watch => state.watch().map(|()| true),
        What::Invoke { function, event } => state.invoke(&function, &event).map(|()| true),
        What::Down => state.down().map(|()| true),
        What::Serve { port } => state.serve(port).map(|()| true),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A stage left running, as a file says.
struct State {
    folder: PathBuf,
}

impl State {
    fn file(&self) -> PathBuf {
        self.folder.join("stage.json")
    }

    fn read(&self) -> Option<Value> {
        let state: Value = serde_json::from_str(&std::fs::read_to_string(self.file()).ok()?).ok()?;
        let alive = Command::new("kill").args(["-0", &state["pid"].to_string()]).stderr(Stdio::null()).status();
        alive.is_ok_and(|status| status.success()).then_some(state)
    }

    fn running(&self) -> Result<Value, StageError> {
        self.read().ok_or_else(|| StageError::Missing { what: "a running stage".to_owned(), remedy: "up" })
    }

    fn up(&self, port: u16) -> Result<(), StageError> {
        let failed = |message: String| StageError::Start { what: "the stage", message };
        if let Some(state) = self.read() {
            return say(&format!("a stage is already running; `make down` ends it\n\n{}", how_to_play(&state)?));
        }
        std::fs::create_dir_all(&self.folder).map_err(|error| failed(error.to_string()))?;
        let log = self.folder.join("stage.log");
        let out = std::fs::File::create(&log).map_err(|error| failed(error.to_string()))?;
        let err = out.try_clone().map_err(|error| failed(error.to_string()))?;
        let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
        let mut serving = Command::new(program);
        serving.arg("--state").arg(&self.folder).args(["serve", &port.to_string()]);
        // A group of its own, so that Ctrl-C in this terminal does not end it.
        std::os::unix::process::CommandExt::process_group(&mut serving, 0);
        let mut serving =
            serving.stdin(Stdio::null()).stdout(out).stderr(err).spawn().map_err(|error| failed(error.to_string()))?;
        let state = wait_for("the stage", Duration::from_secs(60), || {
            if serving.try_wait().ok().flatten().is_some() {
                return Some(None);
            }
            self.read().map(Some)
        })?;
        let state = state.ok_or_else(|| failed(std::fs::read_to_string(&log).unwrap_or_default()))?;
        say(&how_to_play(&state)?)
    }

    fn serve(&self, port: u16) -> Result<(), StageError> {
        let (stage, _hub, _sandbox) = story::raise(port)?;
        let state =
            json!({"pid": std::process::id(), "endpoint": stage.endpoint(), "simulator": stage.simulator_url()});
        std::fs::write(self.file(), state.to_string())
            .map_err(|error| StageError::Start { what: "the stage", message: error.to_string() })?;
        // `down` ends this process, and the launcher ends with it.
        loop {
            std::thread::park();
        }
    }

    fn watch(&self) -> Result<(), StageError> {
        let state = self.running()?;
        let endpoint = state["endpoint"].as_str().unwrap_or_default();
        let hub = Hub { account: Account::new(HUB, stage::running::REGION, endpoint) };
        let mut timeline = Timeline::new(std::io::stdout(), wants_colour(), None);
        say("what reaches the hub, as it happens; Ctrl-C ends this and leaves the stage running\n")?;
        loop {
            timeline.follow(&hub)?;
            std::thread::sleep(Duration::from_millis(250));
        }
    }

    fn invoke(&self, function: &str, event: &str) -> Result<(), StageError> {
        let state = self.running()?;
        let in_hub = template::functions(&template::read("hub")?).iter().any(|(_, binary, _)| *binary == function);
        let endpoint = state["endpoint"].as_str().unwrap_or_default();
        let account = Account::new(if in_hub { HUB } else { SANDBOX }, stage::running::REGION, endpoint);
        let answer = account.invoke(&format!("sandbox-guardrails-{function}"), &sample_event(function, event)?)?;
        say(&format!("{function} answered {answer}; `make watch` shows what came of it\n"))
    }

    fn down(&self) -> Result<(), StageError> {
        let Some(state) = self.read() else { return say("no stage is running\n") };
        let pid = state["pid"].to_string();
        let failed = |message: String| StageError::Call { what: "ending the stage".to_owned(), message };
        Command::new("kill").arg(&pid).status().map_err(|error| failed(error.to_string()))?;
        wait_for("the stage to end", Duration::from_secs(10), || self.read().is_none().then_some(()))?;
        std::fs::remove_file(self.file()).map_err(|error| failed(error.to_string()))?;
        say("the stage has ended\n")
    }
}

fn say(text: &str) -> Result<(), StageError> {
    let written = std::io::stdout().write_all(text.as_bytes());
    written.map_err(|error| StageError::Call { what: "standard output".to_owned(), message: error.to_string() })
}

fn how_to_play(state: &Value) -> Result<String, StageError> {
    let python = python()?;
    let aws = python.with_file_name("aws");
    let (aws, endpoint) = (aws.display(), state["endpoint"].as_str().unwrap_or_default());
    Ok(format!(
        "The stage is up: sandbox {SANDBOX} (`marketing`, mode enforce, limit 30m) and hub {HUB} at {endpoint}.
IAM is enforced; the key below is the sandbox account's root. Paste this first:

  alias stage-aws='AWS_ACCESS_KEY_ID={SANDBOX} AWS_SECRET_ACCESS_KEY=any AWS_DEFAULT_REGION=eu-west-1 {aws} --endpoint-url {endpoint}'

Start a query; the comment says how long it has run already and, if you like, how long it will:

  stage-aws athena start-query-execution --work-group primary --query-string 'SELECT 1 -- simulate: age 29m50s'
  stage-aws athena start-query-execution --work-group primary --query-string 'SELECT 1 -- simulate: age 28m, run 29m'

Change a limit, for the sandbox or for one workgroup:

  stage-aws ssm put-parameter --type String --overwrite --name /sandbox-guardrails/athena/athena-query-runtime/limit --value 10m
  stage-aws ssm put-parameter --type String --overwrite --name /sandbox-guardrails/athena/athena-query-runtime/limit/primary --value nonsense

See what comes of it:

  make watch                                                      what reaches the hub, as it happens
  stage-aws dynamodb scan --table-name sandbox-guardrails-ledger  the sandbox's own ledger
  make down                                                       ends the stage
"
    ))
}
