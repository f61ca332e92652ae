//! The repository as it lies: files, and packages with what they depend on.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use cargo_metadata::{DependencyKind, MetadataCommand, TargetKind};
use serde_json::Value;
use stage::template::repository;

/// The contents of a file, by its path from the root of the repository.
#[track_caller]
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path} cannot be read: {error}"))
}

/// A file that is JSON.
#[track_caller]
pub(crate) fn json(path: &str) -> Value {
    serde_json::from_str(&read(path)).unwrap_or_else(|error| panic!("{path} is not JSON: {error}"))
}

/// Whether there is something at this path from the root of the repository.
pub(crate) fn exists(path: &str) -> bool {
    repository().join(path).exists()
}

/// The names in a folder, in order; a name that begins with a dot is only among them at the root.
pub(crate) fn list(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(repository().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| folder.is_empty() || !name.starts_with('.'));
    names.sort();
    names
}

/// The paths of all files under a folder, from the root of the repository. Hidden folders and `target` are not part of it.
pub(crate) fn files_under(folder: &str) -> Vec<String> {
    let paths = list(folder).into_iter().filter(|name| name != "target").map(|name| format!("{folder}/{name}"));
    paths.flat_map(|path| if repository().join(&path).is_dir() { files_under(&path) } else { vec![path] }).collect()
}

/// The paths of the files in which we write code or text, with one of these endings.
pub(crate) fn sources(endings: &[&str]) -> Vec<String> {
    let files = ["functions", "shared", "tests", "infra"].into_iter().flat_map(files_under);
    files
        .filter(|path| Path::new(path).extension().is_some_and(|ending| endings.iter().any(|e| ending == *e)))
        .collect()
}

/// A package of the workspace.
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// What it is for.
    pub(crate) description: String,
    /// Its folder, from the root of the repository.
    pub(crate) folder: String,
    /// Its binaries.
    pub(crate) binaries: Vec<String>,
    /// What it depends on.
    pub(crate) dependencies: Vec<Dependency>,
}

/// Something that a package depends on.
pub(crate) struct Dependency {
    /// The name of the package.
    pub(crate) name: String,
    /// The name by which the code calls it, where it is not that of the package.
    pub(crate) rename: Option<String>,
    /// Its folder, from the root of the repository, when it is in the workspace.
    pub(crate) folder: Option<String>,
    /// Whether it is used by what is deployed, not only by tests or build scripts.
    pub(crate) normal: bool,
}

impl Package {
    /// Whether it lies under this folder.
    pub(crate) fn is_under(&self, folder: &str) -> bool {
        is_under(&self.folder, folder)
    }
}

/// Whether a path lies under this folder.
pub(crate) fn is_under(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The packages of the workspace.
pub(crate) fn packages() -> &'static [Package] {
    static PACKAGES: OnceLock<Vec<Package>> = OnceLock::new();
    PACKAGES.get_or_init(|| {
        let manifest = repository().join("Cargo.toml");
        let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap();
        let root = metadata.workspace_root.clone();
        let from_root = |path: &cargo_metadata::camino::Utf8Path| path.strip_prefix(&root).unwrap().to_string();
        let package = |package: cargo_metadata::Package| Package {
            folder: from_root(package.manifest_path.parent().unwrap()),
            description: package.description.unwrap_or_default(),
            binaries: package
                .targets
                .iter()
                .filter(|target| target.kind.contains(&TargetKind::Bin))
                .map(|target| target.name.clone())
                .collect(),
            dependencies: package
                .dependencies
                .into_iter()
                .map(|dependency| Dependency {
                    folder: dependency.path.as_deref().map(from_root),
                    normal: dependency.kind == DependencyKind::Normal,
                    name: dependency.name,
                    rename: dependency.rename,
                })
                .collect(),
            name: package.name.to_string(),
        };
        metadata.packages.into_iter().map(package).collect()
    })
}

/// What is really built, as lines of `cargo tree`. Unlike `cargo metadata`, it leaves out what no feature asks for.
pub(crate) fn cargo_tree(arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(repository()).args(["tree", "--locked", "--prefix", "none", "--no-dedupe"]).args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let mut lines: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    lines.sort();
    lines.dedup();
    lines
}

/// A path relative to a folder of the repository, such as a `CodeUri`, as a path from its root.
pub(crate) fn resolve(folder: &str, path: &str) -> String {
    let mut resolved = PathBuf::from(folder);
    for part in path.split('/') {
        match part {
            ".." => drop(resolved.pop()),
            "." => {}
            part => resolved.push(part),
        }
    }
    resolved.display().to_string()
}
