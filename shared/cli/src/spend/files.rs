//! Which files of a cost export are meant, and that none of them counts twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use spend::FileSource;

use crate::answer::{Failure, Input};

/// How the files of an export end, in every format that is delivered.
const ENDINGS: [&str; 3] = [".parquet", ".csv.gz", ".csv"];

/// Opens the files that are named, and those below the folders that are.
///
/// # Errors
/// When one is not there, is no file, comes twice, or is of a folder that may hold several deliveries of one month.
pub(super) fn open(named: &[PathBuf]) -> Result<Vec<FileSource>, Failure> {
    let mut files = Vec::new();
    for path in named {
        let about = fs::metadata(path).map_err(|source| unreadable(path, source))?;
        match about.is_dir() {
            true => files.extend(below(path)?),
            false => files.push(path.clone()),
        }
    }
    let mut seen = BTreeSet::new();
    let opened = files.into_iter().map(|file| {
        let path = fs::canonicalize(&file).map_err(|source| unreadable(&file, source))?;
        if !fs::metadata(&path).is_ok_and(|about| about.is_file()) {
            let problem = "it is no regular file, and an export is not read from its beginning to its end only";
            return Err(unreadable(&file, io::Error::other(problem)));
        }
        if !seen.insert(path) {
            return Err(Failure::Twice { file });
        }
        FileSource::open(&file).map_err(|source| unreadable(&file, source))
    });
    opened.collect()
}

fn unreadable(path: &Path, source: io::Error) -> Failure {
    Failure::Read { input: Input::File(path.to_owned()), source }
}

/// The files of an export below a folder, by name.
fn below(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let files = walk(folder)?;
    if files.is_empty() {
        return Err(Failure::NoExport { folder: folder.to_owned() });
    }
    Ok(files)
}

/// The files in a folder, or else those in its folders, as long as they cannot be deliveries of the same month.
///
/// Every delivery restates the month to date. Exports that keep each delivery put it into a folder of its own, named by
/// an id; to add those up would count the month as often as it was delivered. So there is one place with files in every
/// folder, or there are the folders of several periods.
fn walk(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut here = Vec::new();
    let mut places: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(|source| unreadable(folder, source))? {
        let entry = entry.map_err(|source| unreadable(folder, source))?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        // As Athena has it, what begins so is not part of the data:
        // <https://docs.aws.amazon.com/athena/latest/ug/tables-location-format.html>
        if name.starts_with(['.', '_']) {
            continue;
        }
        let kind = entry.file_type().map_err(|source| unreadable(&path, source))?;
        if kind.is_dir() {
            let files = walk(&path)?;
            if !files.is_empty() {
                places.insert(path, files);
            }
        } else if ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            here.push(path);
        }
    }
    here.sort();
    let several = places.len() + usize::from(!here.is_empty()) > 1;
    if several && !(here.is_empty() && places.keys().all(|place| is_period(place))) {
        let places = places.into_keys().chain(here);
        return Err(Failure::Deliveries { folder: folder.to_owned(), places: places.collect() });
    }
    Ok(here.into_iter().chain(places.into_values().flatten()).collect())
}

/// Whether a folder is named by its part of the time, as `BILLING_PERIOD=2026-11`, `year=2026`, `20261101-20261201` or
/// `2026-11`, so that what stands in it stands in no other.
fn is_period(folder: &Path) -> bool {
    let name = folder.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    name.contains('=') || name.len() >= "2026-11".len() && name.chars().all(|c| c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of these files are meant by the folder that they lie in; or what is wrong with it.
    fn check(files: &[&str], expected: Result<&[&str], &str>) {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let found = below(folder.path()).map_err(|failure| failure.to_string());
        let inside = |text: &str| text.replace(&format!("{}/", folder.path().display()), "");
        let found = found.map(|found| found.iter().map(|path| inside(path.to_str().unwrap())).collect::<Vec<_>>());
        match expected {
            Ok(expected) => assert_eq!(
                found.as_deref().map_err(|_| ()),
                Ok(expected.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>().as_slice()),
                "{files:?}"
            ),
            Err(expected) => assert!(inside(&found.unwrap_err()).contains(expected), "{files:?}"),
        }
    }

    #[test]
    fn a_folder_is_the_files_of_one_delivery_of_each_month() {
        check(&["b-2.csv.gz", "b-1.csv.gz"], Ok(&["b-1.csv.gz", "b-2.csv.gz"]));
        check(
            &["data/BILLING_PERIOD=2026-11/b.snappy.parquet", "metadata/BILLING_PERIOD=2026-11/b-Manifest.json"],
            Ok(&["data/BILLING_PERIOD=2026-11/b.snappy.parquet"]),
        );
        for [october, november] in [
            ["BILLING_PERIOD=2026-10", "BILLING_PERIOD=2026-11"],
            ["20261001-20261101", "20261101-20261201"],
            ["2026-10", "2026-11"],
        ] {
            let files = [october, november].map(|period| format!("{period}/5f0c/b-1.csv"));
            check(&files.each_ref().map(String::as_str), Ok(&files.each_ref().map(String::as_str)));
        }
        check(&["b.csv", "_temporary/b.csv", ".hidden.csv", "notes.txt"], Ok(&["b.csv"]));
    }

    #[test]
    fn what_may_be_several_deliveries_is_not_added_up() {
        let several = "`20261101-20261201/5f0c` and `20261101-20261201/9ab1`";
        check(&["20261101-20261201/9ab1/b.csv.gz", "20261101-20261201/5f0c/b.csv.gz"], Err(several));
        check(&["b.csv.gz", "5f0c/b.csv.gz"], Err("`5f0c` and `b.csv.gz`"));
        check(&["a/x.csv", "b/x.csv", "c/x.csv"], Err("`a`, `b` and `c`"));
    }

    #[test]
    fn a_folder_without_an_export_is_said_to_be_one() {
        check(&["b-Manifest.json"], Err("holds no file that ends with `.parquet`, `.csv.gz` or `.csv`"));
    }
}
