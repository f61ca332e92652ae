//! The exports that the bench reads. Making them up takes minutes, so they are kept, outside of the checkout.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use stage::running::python;
use stage::template::repository;

use crate::Fault;

/// Where exports are kept.
#[derive(Debug)]
pub(super) struct Exports {
    folder: PathBuf,
    generator: PathBuf,
    /// What tells the generator from what it was before.
    version: u64,
}

/// An export of one file.
#[derive(Debug)]
pub(super) struct Export {
    pub(super) path: PathBuf,
    pub(super) lines: u64,
    pub(super) bytes: u64,
}

impl Exports {
    pub(super) fn new(folder: &Path) -> Result<Self, Fault> {
        let generator = repository().join("tests/bench/peers/lines.py");
        let fault = |error: std::io::Error| Fault::of(generator.display(), error);
        std::fs::create_dir_all(folder).map_err(|error| Fault::of(folder.display(), error))?;
        let mut version = DefaultHasher::new();
        std::fs::read(&generator).map_err(fault)?.hash(&mut version);
        Ok(Self { folder: folder.to_owned(), generator, version: version.finish() })
    }

    /// The export of so many lines, made up if it was not before.
    pub(super) fn of(&self, lines: u64, ending: &str, progress: impl Fn(&str)) -> Result<Export, Fault> {
        let path = self.folder.join(format!("{lines}-{:016x}.{ending}", self.version));
        let fault = |error: String| Fault::of(path.display(), error);
        if !path.exists() {
            self.forget_others(&format!(".{ending}"))?;
            progress(&format!("spend: making up {lines} lines of {ending}, once"));
            let mut command = Command::new(python()?);
            command.arg("-B").arg(&self.generator).arg(lines.to_string()).arg(&path);
            let status = command.status().map_err(|error| fault(error.to_string()))?;
            if !status.success() {
                return Err(fault(format!("the generator ended with {status}")));
            }
        }
        // Reading it once brings it into memory, where all find it then.
        let bytes = std::fs::File::open(&path).and_then(|mut file| std::io::copy(&mut file, &mut std::io::sink()));
        let bytes = bytes.map_err(|error| fault(error.to_string()))?;
        Ok(Export { path, lines, bytes })
    }

    /// Removes those of the same format, finished or not: each of them has gigabytes.
    fn forget_others(&self, ending: &str) -> Result<(), Fault> {
        let fault = |error: std::io::Error| Fault::of(self.folder.display(), error);
        for entry in std::fs::read_dir(&self.folder).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            if entry.file_name().to_str().is_some_and(|name| name.contains(ending)) {
                std::fs::remove_file(entry.path()).map_err(fault)?;
            }
        }
        Ok(())
    }
}
