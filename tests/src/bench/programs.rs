//! What the bench runs: our release binaries, the Python twin and the floor, and what their packages weigh.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use stage::running::{REGION, binaries, python};
use stage::template::repository;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::Fault;
use crate::process::Program;

/// Where everything is.
#[derive(Debug)]
pub(crate) struct Programs {
    binaries: PathBuf,
    twin_packages: PathBuf,
    python: PathBuf,
}

impl Programs {
    /// Finds our binaries where the stage takes those that it deploys, and the twin's packages below `twin`.
    pub(crate) fn find(twin: &Path) -> Result<Self, Fault> {
        let found = Self { binaries: binaries()?, twin_packages: twin.to_owned(), python: python()? };
        // Only the release build makes the floor, so a folder without it holds other binaries than those to be measured.
        let floor = found.floor().command;
        let packages = ["package", "runtime"].map(|folder| twin.join(folder));
        match [floor].into_iter().chain(packages).find(|path| !path.exists()) {
            None => Ok(found),
            Some(missing) => Err(Fault(format!("`{}` is missing: run `make bench`", missing.display()))),
        }
    }

    /// One of our binaries, as a function of the sandbox `account`.
    pub(crate) fn ours(&self, name: &'static str, account: &str) -> Program {
        let environment = of_a_sandbox(name, account);
        Program { name, command: self.binaries.join(name), arguments: Vec::new(), environment }
    }

    /// One of our binaries, as a function of the hub.
    pub(crate) fn of_the_hub(&self, name: &'static str) -> Program {
        let environment = [
            ("CONSOLE_TABLE", "sandbox-guardrails-console"),
            ("SILENCE_AFTER_MINUTES", "15"),
            ("HUB_ACCOUNT", "999999999998"),
            ("PARTITION", "aws"),
            ("GUARDRAIL_BUS", "sandbox-guardrails"),
            ("SPEND_TABLE", "sandbox-guardrails-spend"),
            ("EXPORT_BUCKET", "cost-exports"),
            ("EXPORT_DELIVERY", "manifest"),
            ("CHARGES", "unblended"),
            ("EXCLUDE", "none"),
            ("OWNER_TAG", "owner"),
        ];
        let environment = environment.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
        Program { name, command: self.binaries.join(name), arguments: Vec::new(), environment }
    }

    /// The cost reader alone.
    pub(crate) fn reader(&self) -> PathBuf {
        self.binaries.join("bench-reader")
    }

    /// The function without any SDK.
    pub(crate) fn floor(&self) -> Program {
        let command = self.binaries.join("bench-floor");
        Program { name: "bench-floor", command, arguments: Vec::new(), environment: Vec::new() }
    }

    /// The Python twin of the watch.
    pub(crate) fn twin(&self, account: &str) -> Program {
        let paths = [twin_source(), self.twin_packages.join("package"), self.twin_packages.join("runtime")];
        let paths = paths.map(|path| path.display().to_string()).join(":");
        let own = [
            ("PYTHONPATH", paths),
            // A package in Lambda is read-only: what is not compiled in it is compiled at each start.
            ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
            ("LAMBDA_TASK_ROOT", twin_source().display().to_string()),
            ("_HANDLER", "handler.sweep".to_owned()),
        ];
        let own = own.map(|(key, value)| (key.to_owned(), value));
        Program {
            name: "twin",
            command: self.python.clone(),
            arguments: ["-m", "awslambdaric", "handler.sweep"].map(str::to_owned).to_vec(),
            environment: of_a_sandbox("athena-watch", account).into_iter().chain(own).collect(),
        }
    }

    /// The bytes of one of our packages: the binary, deflated.
    pub(crate) fn package(&self, name: &str) -> Result<u64, Fault> {
        zipped(&[("bootstrap".to_owned(), self.binaries.join(name))])
    }

    /// The bytes of the twin's package, with the SDK in it and without.
    pub(crate) fn twin_package(&self) -> Result<(u64, u64), Fault> {
        let handler = ("handler.py".to_owned(), twin_source().join("handler.py"));
        let mut files = vec![handler.clone()];
        below(&self.twin_packages.join("package"), "", &mut files)?;
        Ok((zipped(&files)?, zipped(&[handler])?))
    }
}

/// What the template tells a function of a sandbox.
fn of_a_sandbox(function: &str, account: &str) -> Vec<(String, String)> {
    let interval = if function == "athena-watch" { "60" } else { "300" };
    let machine = |name: &str| format!("arn:aws:states:{REGION}:{account}:stateMachine:sandbox-guardrails-{name}");
    let reconcile = format!("arn:aws:lambda:{REGION}:{account}:function:sandbox-guardrails-availability-reconcile");
    let environment = [
        ("SANDBOX_ACCOUNT", account),
        ("SANDBOX_ALIAS", "bench"),
        ("GUARDRAIL_BUS", "sandbox-guardrails"),
        ("LEDGER_TABLE", "sandbox-guardrails-ledger"),
        ("SWEEP_INTERVAL", interval),
        ("VIGIL", "on"),
        ("HUB_ACCOUNT", "999999999998"),
        ("STOP_WORKFLOW", &machine("stop")),
        ("START_WORKFLOW", &machine("start")),
        ("SCHEDULE_GROUP", "sandbox-guardrails"),
        ("SCHEDULE_ROLE", &format!("arn:aws:iam::{account}:role/sandbox-guardrails/sweep")),
        ("RECONCILE_FUNCTION", &reconcile),
    ];
    environment.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec()
}

fn twin_source() -> PathBuf {
    repository().join("tests/bench/twin")
}

/// All files below a folder but compiled Python, which `sam build` does not pack either.
fn below(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> Result<(), Fault> {
    let fault = |error: std::io::Error| Fault::of(folder.display(), error);
    for entry in std::fs::read_dir(folder).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| *name != "__pycache__") else {
            continue;
        };
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            below(&path, &format!("{name}/"), files)?;
        } else {
            files.push((name, path));
        }
    }
    Ok(())
}

fn zipped(files: &[(String, PathBuf)]) -> Result<u64, Fault> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, path) in files {
        let content = std::fs::read(path).map_err(|error| Fault::of(path.display(), error))?;
        zip.start_file(name, options).map_err(|error| Fault::of(name, error))?;
        zip.write_all(&content).map_err(|error| Fault::of(name, error))?;
    }
    let archive = zip.finish().map_err(|error| Fault::of("package", error))?;
    u64::try_from(archive.into_inner().len()).map_err(|error| Fault::of("package", error))
}
