//! Counts the instructions of the hot paths under valgrind, and holds them to those last accepted.
//!
//! `scripts/instruction-counts.sh` builds and calls it. It starts itself under callgrind once for each path; collection is on
//! in `counted_run` only, so what prepares a path is not counted.

use causeway_parts::hot_paths::{HOT_PATHS, HotPath, counted_run, named};
use causeway_parts::instruction_counts::{Accepted, Counted, RISE_PERCENT_MAX, Verdict};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// What the committed file begins with.
const HEADER: &str = "\
# Instructions that each hot path takes for one of its items, as last accepted; `make instructions` counts them again and
# fails on a rise above 5 % that has no reason here. `make instructions ACCEPT=\"the reason\"` writes this file.
# They are of code without vector units, so that they are the same on every x86-64 machine: compare them with
# each other, not with the clock.

";

fn main() -> ExitCode {
    done().unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })
}

fn done() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["run", name] => {
            let path = named(name).ok_or_else(|| format!("there is no path {name}"))?;
            counted_run(&mut (path.prepare)());
            Ok(ExitCode::SUCCESS)
        }
        ["check"] => check(),
        ["accept", reason] => accept(reason),
        _ => Err("usage: instruction-counts check | accept REASON | run PATH".into()),
    }
}

fn check() -> Result<ExitCode, Box<dyn Error>> {
    let accepted = read()?;
    let counted = count_all()?;
    let verdicts = accepted.compare(&counted);
    print(&accepted, &counted, &verdicts);
    if verdicts.values().any(|verdict| *verdict == Verdict::Fell) {
        println!("Some paths take fewer instructions: keep it that way with `make instructions ACCEPT=\"\"`.");
    }
    if !verdicts.values().any(|verdict| verdict.fails()) {
        return Ok(ExitCode::SUCCESS);
    }
    let compiler = compiler()?;
    if compiler != accepted.compiler {
        println!("The accepted counts are of {}, these of {compiler}.", accepted.compiler);
    }
    println!("Instruction counts differ from those accepted. If they must, `make instructions ACCEPT=\"the reason\"`.");
    Ok(ExitCode::FAILURE)
}

fn accept(reason: &str) -> Result<ExitCode, Box<dyn Error>> {
    let accepted = read()?;
    let counted = count_all()?;
    print(&accepted, &counted, &accepted.compare(&counted));
    let accepted = accepted.accept(&compiler()?, &counted, reason)?;
    std::fs::write(file(), format!("{HEADER}{}", toml::to_string(&accepted)?))?;
    println!("Written to {}.", file().display());
    Ok(ExitCode::SUCCESS)
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("instruction-counts.toml")
}

fn read() -> Result<Accepted, Box<dyn Error>> {
    match std::fs::read_to_string(file()) {
        Ok(text) => Ok(toml::from_str(&text).map_err(|error| format!("{}: {error}", file().display()))?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Accepted::default()),
        Err(error) => Err(error.into()),
    }
}

fn compiler() -> Result<String, Box<dyn Error>> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    Ok(String::from_utf8(Command::new(rustc).arg("--version").output()?.stdout)?.trim().to_owned())
}

fn count_all() -> Result<BTreeMap<String, Counted>, Box<dyn Error>> {
    HOT_PATHS.iter().map(|path| Ok((path.name.to_owned(), count(path)?))).collect()
}

fn count(path: &HotPath) -> Result<Counted, Box<dyn Error>> {
    let ran = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*counted_run*"])
        .arg(std::env::current_exe()?)
        .args(["run", path.name])
        .output()
        .map_err(|error| format!("valgrind does not start: {error}"))?;
    let said = String::from_utf8_lossy(&ran.stderr);
    // `==123== Collected : 456`: the instructions, since nothing else is collected.
    let total = said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse::<u64>().ok());
    match total {
        Some(total) if ran.status.success() && total > 0 => {
            Ok(Counted { instructions: total.div_ceil(path.items), per: path.per.to_owned() })
        }
        _ => Err(format!("{}: no instructions were counted ({})\n{said}", path.name, ran.status).into()),
    }
}

fn print(accepted: &Accepted, counted: &BTreeMap<String, Counted>, verdicts: &BTreeMap<String, Verdict>) {
    println!("{:32}{:>14}{:>14}   per", "instructions", "accepted", "now");
    for (name, verdict) in verdicts {
        let before = accepted.paths.get(name).map_or_else(|| "-".to_owned(), |count| count.instructions.to_string());
        let now = counted.get(name).map_or_else(|| "-".to_owned(), |count| count.instructions.to_string());
        let per = counted.get(name).map_or("-", |count| count.per.as_str());
        let remark = match verdict {
            Verdict::New => "NEW, not accepted yet".to_owned(),
            Verdict::Same => String::new(),
            Verdict::Fell => "fell".to_owned(),
            Verdict::Rose => format!("ROSE by more than {RISE_PERCENT_MAX} %"),
            Verdict::Gone => "GONE, not counted any more".to_owned(),
        };
        println!("{}", format!("{name:32}{before:>14}{now:>14}   {per:12}{remark}").trim_end());
    }
}
