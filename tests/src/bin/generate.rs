//! `make generate`: writes what is generated from the code, so that it is never written by hand.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use stage::generated::{SCHEMAS, documents, filled, schemas};
use stage::template::repository;

fn main() -> ExitCode {
    match generate(&repository()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("make generate: {error}");
            ExitCode::FAILURE
        }
    }
}

fn generate(repository: &Path) -> io::Result<()> {
    let folder = repository.join(SCHEMAS);
    // From the beginning, so that the schema of an event that is gone goes too.
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    for (file, schema) in schemas() {
        write(repository, &format!("{SCHEMAS}/{file}"), &format!("{schema:#}\n"))?;
    }
    for document in documents().map_err(io::Error::other)? {
        let path = &document.path;
        let text = fs::read_to_string(repository.join(path))
            .map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))?;
        write(repository, path, &filled(&document, &text).map_err(io::Error::other)?)?;
    }
    Ok(())
}

fn write(repository: &Path, path: &str, contents: &str) -> io::Result<()> {
    fs::write(repository.join(path), contents)?;
    eprintln!("wrote {path}");
    Ok(())
}
