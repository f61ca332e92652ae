//! Layout: who may use whom, what everything is built of, and how files begin and end.

use cargo_metadata::semver::{Version, VersionReq};
use serde::Deserialize;

use crate::tree::{Dependency, Package};
use crate::{agree, differences, tree};

/// Which folders a package may use packages of the workspace from, by the folder that it lies under; the first counts.
///
/// Never one room from another: what two of them need belongs into `shared/`. Never anything from `tests/`.
const MAY_USE: &[(&str, &[&str])] = &[
    ("functions/availability", &["shared/lambda", "shared/window", "shared/guardrail"]),
    ("functions/console", &["shared/lambda", "shared/window", "shared/guardrail"]),
    ("functions/spend", &["shared/lambda", "shared/spend", "shared/window", "shared/guardrail"]),
    ("functions", &["shared/lambda", "shared/guardrail"]),
    ("shared/guardrail", &[]),
    ("shared/lambda", &["shared/guardrail"]),
    ("shared/window", &[]),
    ("shared/spend", &["shared/guardrail"]),
    ("shared/cli", &["shared/guardrail", "shared/window", "shared/spend"]),
    ("tests", &["functions", "shared", "tests"]),
];

/// Packages of the domain: no AWS, no Lambda, no async runtime, whichever way they would come in.
const PURE: &[&str] = &["guardrail", "window", "spend"];
const IMPURE: &[&str] = &["aws-", "aws_", "lambda_", "tokio", "hyper", "reqwest"];

/// What lies at the root of the repository. What tools of one's own leave there belongs into `.git/info/exclude`.
const ROOT: &[&str] = &[
    ".ci",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "Makefile",
    "README.md",
    "clippy.toml",
    "deny.toml",
    "events",
    "functions",
    "infra",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "shared",
    "tests",
    "typos.toml",
];

/// What may lie there too: git's own, and what builds leave, which git ignores.
const MAY_LIE_THERE: &[&str] = &[".git", "dist", "target"];

/// The lines that a file of code may have. Past them it does more than one thing.
const LINES: usize = 600;

#[test]
fn packages_use_only_what_is_below_them() {
    let faults = tree::packages().iter().flat_map(|package| {
        let Some((_, allowed)) = MAY_USE.iter().find(|(folder, _)| package.is_under(folder)) else {
            return vec![format!(
                "`{}` lies in {}, which MAY_USE in tests/tests/checks/layout.rs does not know",
                package.name, package.folder
            )];
        };
        let ours = package
            .dependencies
            .iter()
            .filter_map(|dependency| dependency.folder.as_deref().map(|folder| (dependency, folder)));
        let above = ours.filter(|(_, folder)| {
            *folder != package.folder && !allowed.iter().any(|allowed| tree::is_under(folder, allowed))
        });
        above
            .map(|(dependency, _)| {
                format!("`{}` uses `{}`; it may only use {allowed:?}", package.name, dependency.name)
            })
            .collect()
    });
    agree(faults);
}

#[test]
fn the_domain_is_pure() {
    let faults = PURE.iter().flat_map(|package| {
        let lines = tree::cargo_tree(&["--package", package, "--edges", "normal,build"]);
        assert!(lines.len() > 1, "`cargo tree` shows nothing of `{package}`");
        let impure = lines.into_iter().filter(|line| IMPURE.iter().any(|prefix| line.starts_with(prefix)));
        impure
            .map(|line| format!("`{package}` is built with `{line}`; see it with `cargo tree -p {package} -i`"))
            .collect::<Vec<_>>()
    });
    agree(faults);
}

#[test]
fn every_package_says_what_it_is_for() {
    let vague = |package: &&Package| package.description.len() < 30 || package.description.contains("TODO");
    let faults = tree::packages().iter().filter(vague);
    agree(faults.map(|package| format!("{}/Cargo.toml has no description that says what it is for", package.folder)));
}

#[test]
fn every_dependency_is_used() {
    let faults = tree::packages().iter().flat_map(|package| {
        // The files of a package, from its folder, without those of packages below it.
        let below = |path: &str| {
            let mut others = tree::packages().iter().filter(|other| other.folder != package.folder);
            others.any(|other| other.is_under(&package.folder) && tree::is_under(path, &other.folder))
        };
        let files = tree::files_under(&package.folder).into_iter().filter(|path| path.ends_with(".rs") && !below(path));
        let files: Vec<(bool, String)> = files
            .map(|path| {
                let inside = path.trim_start_matches(&package.folder);
                (inside.starts_with("/tests/") || inside.ends_with("/tests.rs"), tree::read(&path))
            })
            .collect();
        let used = |dependency: &Dependency| {
            let name = crate_name(dependency);
            files.iter().any(|(is_test, code)| !(dependency.normal && *is_test) && mentions(code, &name))
        };
        let unused = package.dependencies.iter().filter(|dependency| !used(dependency));
        let faults =
            unused.map(|dependency| format!("{}/Cargo.toml: `{}` is not used", package.folder, dependency.name));
        faults.collect::<Vec<_>>()
    });
    agree(faults);
}

/// The name by which code calls a dependency.
fn crate_name(dependency: &Dependency) -> String {
    let library = match dependency.name.as_str() {
        // The one package of ours whose library is called differently.
        "hub-console" => "console",
        name => name,
    };
    dependency.rename.as_deref().unwrap_or(library).replace('-', "_")
}

/// Whether code names a crate: in a path, or in a `use`.
fn mentions(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + name.len()..];
        let begins = before.is_none_or(|c| !c.is_alphanumeric() && c != '_');
        begins && ["::", ";", " as "].iter().any(|next| after.starts_with(next))
    })
}

#[test]
fn nothing_banned_is_built_and_everything_comes_from_one_place() {
    #[derive(Deserialize)]
    struct Policy {
        bans: Bans,
    }
    #[derive(Deserialize)]
    struct Bans {
        deny: Vec<Ban>,
    }
    #[derive(Deserialize)]
    struct Ban {
        #[serde(rename = "crate")]
        package: String,
        reason: String,
    }
    let policy: Policy = toml::from_str(&tree::read("deny.toml")).unwrap();
    let built = tree::cargo_tree(&["--workspace", "--edges", "normal,build,dev"]);
    let built: Vec<(&str, Version)> = built
        .iter()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?, words.next()?.strip_prefix('v')?.parse().unwrap()))
        })
        .collect();
    assert!(built.iter().any(|(name, _)| *name == "hyper"), "`cargo tree` shows what is built");
    let mut faults = Vec::new();
    for Ban { package, reason } in policy.bans.deny {
        let (name, versions) = package.split_once(':').unwrap_or((&package, "*"));
        let versions = VersionReq::parse(versions).unwrap();
        let banned = built.iter().filter(|(built, version)| *built == name && versions.matches(version));
        faults.extend(banned.map(|(_, version)| {
            format!("{name} {version} is built, which deny.toml bans: {reason}; see `cargo tree -i {name}@{version}`")
        }));
    }
    let sources = tree::read("Cargo.lock");
    let sources = sources.lines().filter_map(|line| line.strip_prefix("source = "));
    let foreign = sources.filter(|source| *source != r#""registry+https://github.com/rust-lang/crates.io-index""#);
    faults.extend(foreign.map(|source| format!("Cargo.lock has a package from {source}; all come from crates.io")));
    agree(faults);
}

#[test]
fn every_file_of_code_says_why_it_exists_and_does_one_thing() {
    let mut faults = Vec::new();
    for path in tree::sources(&["rs", "py"]) {
        let code = tree::read(&path);
        let begins = if path.ends_with(".rs") { "//! " } else { "\"\"\"" };
        // An interpreter may stand above.
        let first = code.lines().find(|line| !line.starts_with("#!"));
        if !first.unwrap_or_default().starts_with(begins) {
            faults.push(format!("{path} does not begin with `{begins}` and why it exists"));
        }
        let lines = code.lines().count();
        if lines > LINES {
            faults.push(format!(
                "{path} has {lines} lines, more than {LINES}: move a part of it, or its tests, to a file of its own"
            ));
        }
    }
    agree(faults);
}

#[test]
fn the_root_holds_what_it_should() {
    let found = tree::list("").into_iter().filter(|name| !MAY_LIE_THERE.contains(&name.as_str()));
    agree(differences(("the root of the repository", found), ("ROOT in tests/tests/checks/layout.rs", ROOT)));
}
