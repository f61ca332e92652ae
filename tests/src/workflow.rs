//! Definitions of state machines, as the linter sees them.

use std::process::Command;

use crate::StageError;
use crate::running::python;

/// What statelint finds in a definition in the Amazon States Language, one message each; nothing if it is sound.
///
/// # Errors
/// When the linter is missing or does not run.
pub fn lint(definition: &str) -> Result<Vec<String>, StageError> {
    let failed = |message: String| StageError::Call { what: "statelint".to_owned(), message };
    // It takes a definition as well as a file for its argument; the tool lies beside the Python that it was made for.
    let linter = python()?.with_file_name("statelint");
    let output = Command::new(linter).arg(definition).output().map_err(|error| failed(error.to_string()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    match output.status.code() {
        Some(0) => Ok(Vec::new()),
        // The first line counts the others.
        Some(1) if said.lines().count() > 1 => Ok(said.lines().skip(1).map(|line| line.trim().to_owned()).collect()),
        _ => Err(failed(format!("{said}{}", String::from_utf8_lossy(&output.stderr)))),
    }
}
