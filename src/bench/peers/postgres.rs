//! PostgreSQL, for the time of a run: a cluster of its own in a directory of its own, reached by a Unix socket alone.
//!
//! Nothing of an installed cluster is touched. When [`Server`] is dropped, the server is stopped and its directory removed.
//!
//! # Deliberately absent
//! Tuning beyond [`SETTINGS`], all of which are printed. `fsync`, `synchronous_commit` and `full_page_writes` stay on: a
//! commit that a power cut undoes is not one.

use super::PeersError;
use crate::bench::network::TemporaryDirectory;
use crate::sandbox::cluster::bind_to_parent;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Every setting that is not the default, or on which the comparison rests.
pub const SETTINGS: [(&str, &str); 8] = [
    ("listen_addresses", ""),
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    ("shared_buffers", "1GB"),
    ("max_wal_size", "4GB"),
    ("max_connections", "64"),
    ("jit", "off"),
];

/// What it takes, all in one directory.
const PROGRAMS: [&str; 4] = ["initdb", "postgres", "psql", "pgbench"];
/// The database's superuser. Only this run's processes know of it.
const USER: &str = "causeway";
/// How long the server may take to start.
const START_MAX: Duration = Duration::from_secs(60);
/// How long it is given to stop in order, and then to stop at once.
const STOP_MAX: [(libc::c_int, Duration); 2] =
    [(libc::SIGINT, Duration::from_secs(20)), (libc::SIGQUIT, Duration::from_secs(5))];

/// Where PostgreSQL's programs are.
#[derive(Clone, Debug)]
pub struct Binaries {
    directory: PathBuf,
    /// As `postgres --version` says it.
    pub version: String,
}

impl Binaries {
    /// The programs in the given directory, or else in `PATH` or where Debian and Homebrew put them, the newest first.
    ///
    /// # Errors
    /// `NoPostgres`, which says what to install.
    pub fn find(given: Option<&Path>) -> Result<Self, PeersError> {
        let places = match given {
            Some(directory) => vec![directory.to_owned()],
            None => usual_places(std::env::var_os("PATH").as_deref()),
        };
        let Some(directory) = places.into_iter().find(|place| PROGRAMS.iter().all(|name| place.join(name).is_file()))
        else {
            let at = given.map_or_else(|| "on this machine".to_owned(), |given| format!("in {}", given.display()));
            return Err(PeersError::NoPostgres(format!(
                "no PostgreSQL {at} (it takes {} in one directory), so the comparison goes on without it: \
                 `apt-get install postgresql`, or say where it is with --postgres DIR",
                PROGRAMS.join(", "),
            )));
        };
        let asked = Command::new(directory.join("postgres")).arg("--version").output();
        let version = asked.map_err(PeersError::file(&directory))?.stdout;
        Ok(Self { directory, version: String::from_utf8_lossy(&version).trim().to_owned() })
    }

    pub(super) fn path(&self, program: &str) -> PathBuf {
        self.directory.join(program)
    }
}

fn usual_places(path: Option<&OsStr>) -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = path.map(|path| std::env::split_paths(path).collect()).unwrap_or_default();
    for (root, inner) in [("/usr/lib/postgresql", "bin"), ("/opt/homebrew/opt", "bin"), ("/usr/local/opt", "bin")] {
        let found = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut versions: Vec<PathBuf> = found.collect();
        versions.sort_by_key(|version| std::cmp::Reverse(version_of(version)));
        places.extend(versions.into_iter().map(|version| version.join(inner)));
    }
    places
}

/// The number that a directory's name ends with: 15 for `15` and for `postgresql@15`.
fn version_of(path: &Path) -> u32 {
    let name = path.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
    name.rsplit('@').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// A running server. When it is dropped, it is stopped first, and then its directory goes.
#[derive(Debug)]
pub struct Server {
    binaries: Binaries,
    directory: TemporaryDirectory,
    process: Child,
}

impl Server {
    /// Makes a cluster in a directory under `parent`, and starts it.
    ///
    /// # Errors
    /// The directory cannot be written, or a program failed, with what it said.
    pub async fn start(binaries: &Binaries, parent: &Path) -> Result<Self, PeersError> {
        let directory = TemporaryDirectory::under(parent)?;
        let owner = hand_over(&directory.0)?;
        let data = directory.0.join("data");
        let mut initdb = Command::new(binaries.path("initdb"));
        initdb.arg("--pgdata").arg(&data).args(["--username", USER, "--auth", "trust"]);
        initdb.args(["--encoding", "UTF8", "--locale", "C"]);
        run_as(&mut initdb, owner);
        initdb.current_dir(&directory.0);
        said_by("initdb", initdb).await?;

        let log_path = directory.0.join("server.log");
        let log = File::create(&log_path).map_err(PeersError::file(&log_path))?;
        let mut postgres = Command::new(binaries.path("postgres"));
        postgres.arg("-D").arg(&data).arg("-k").arg(&directory.0).current_dir(&directory.0);
        postgres.args(SETTINGS.iter().flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")]));
        postgres.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        run_as(&mut postgres, owner);
        bind_to_parent(&mut postgres);
        let process = postgres.spawn().map_err(PeersError::file(&binaries.path("postgres")))?;
        let mut server = Self { binaries: binaries.clone(), directory, process };
        server.wait_until_it_answers(&log_path).await?;
        Ok(server)
    }

    async fn wait_until_it_answers(&mut self, log: &Path) -> Result<(), PeersError> {
        let deadline = Instant::now() + START_MAX;
        loop {
            if self.query("SELECT 1").await.is_ok() {
                return Ok(());
            }
            let ended = self.process.try_wait().map_err(PeersError::file(log))?;
            if ended.is_some() || Instant::now() > deadline {
                let said = fs::read_to_string(log).unwrap_or_default();
                return Err(PeersError::Postgres { program: "postgres", said: last_line(&said) });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What the server answers, unaligned and without headers.
    ///
    /// # Errors
    /// What psql said.
    pub async fn query(&self, sql: &str) -> Result<String, PeersError> {
        let mut psql = self.client("psql");
        psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set", "ON_ERROR_STOP=1"]);
        psql.args(["--dbname", "postgres", "--command", sql]);
        said_by("psql", psql).await
    }

    /// Writes a file into the server's directory.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf, PeersError> {
        let path = self.directory.0.join(name);
        fs::write(&path, text).map_err(PeersError::file(&path))?;
        Ok(path)
    }

    /// A client program, told where the server is.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.binaries.path(program));
        command.arg("--host").arg(&self.directory.0).args(["--username", USER]);
        command
    }

    /// The server's version.
    pub fn version(&self) -> &str {
        &self.binaries.version
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for (signal, patience) in STOP_MAX {
            if let Ok(id) = libc::pid_t::try_from(self.process.id()) {
                #[allow(unsafe_code)]
                // SAFETY: a signal to a child that we have not waited for yet, so its id is still its own.
                unsafe {
                    libc::kill(id, signal)
                };
            }
            let deadline = Instant::now() + patience;
            while Instant::now() < deadline {
                match self.process.try_wait() {
                    Ok(None) => std::thread::sleep(Duration::from_millis(20)),
                    _ => return,
                }
            }
        }
        // Neither helped. Whatever it answers, there is no more that could be done.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Lets the server's user in, and gives the directory to an unprivileged one if we are root, as whom PostgreSQL refuses to
/// run.
fn hand_over(directory: &Path) -> Result<Option<(u32, u32)>, PeersError> {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).map_err(PeersError::file(directory))?;
    if fs::metadata(directory).map_err(PeersError::file(directory))?.uid() != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let Some((user, group)) = unprivileged(&users) else {
        let said = "it does not run as root, and there is neither a user postgres nor a user nobody".to_owned();
        return Err(PeersError::Postgres { program: "postgres", said });
    };
    chown(directory, Some(user), Some(group)).map_err(PeersError::file(directory))?;
    Ok(Some((user, group)))
}

fn run_as(command: &mut Command, owner: Option<(u32, u32)>) {
    if let Some((user, group)) = owner {
        command.uid(user).gid(group);
    }
}

/// User and group id of `postgres`, or else of `nobody`, from the text of `/etc/passwd`.
fn unprivileged(users: &str) -> Option<(u32, u32)> {
    let ids = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2).map(str::parse);
        Some((fields.next()?.ok()?, fields.next()?.ok()?))
    };
    ids("postgres").or_else(|| ids("nobody"))
}

/// Runs a program to its end: what it printed. It ends with its caller.
pub(super) async fn said_by(program: &'static str, mut command: Command) -> Result<String, PeersError> {
    bind_to_parent(&mut command);
    let path = PathBuf::from(command.get_program());
    let mut command = tokio::process::Command::from(command);
    let ran = command.stdin(Stdio::null()).kill_on_drop(true).output().await.map_err(PeersError::file(&path))?;
    if !ran.status.success() {
        return Err(PeersError::Postgres { program, said: last_line(&String::from_utf8_lossy(&ran.stderr)) });
    }
    Ok(String::from_utf8_lossy(&ran.stdout).trim().to_owned())
}

fn last_line(text: &str) -> String {
    text.trim().lines().next_back().unwrap_or("it said nothing").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_it_is_told_what_to_install() {
        let empty = tempfile::tempdir().expect("a temporary directory");
        let error = Binaries::find(Some(empty.path())).expect_err("it is not there").to_string();
        assert!(error.contains("apt-get install postgresql") && error.contains("--postgres"), "{error}");
        assert!(error.contains(&empty.path().display().to_string()), "{error}");
    }

    #[test]
    fn path_comes_before_what_is_installed_and_may_be_empty() {
        let places = usual_places(Some(OsStr::new("/one:/two")));
        assert_eq!(places[..2], [PathBuf::from("/one"), PathBuf::from("/two")]);
        assert_eq!(usual_places(None), usual_places(None));
        assert_eq!(["9.6", "15", "postgresql@17"].map(|name| version_of(Path::new(name))), [0, 15, 17]);
    }

    #[test]
    fn root_gives_it_to_postgres_or_else_to_nobody() {
        let nobody = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65533:nobody:/:/bin/false\n";
        assert_eq!(unprivileged(nobody), Some((65_534, 65_533)));
        let both = format!("{nobody}postgres:x:101:104:PostgreSQL:/var/lib/postgresql:/bin/bash\n");
        assert_eq!(unprivileged(&both), Some((101, 104)));
        assert_eq!(unprivileged("root:x:0:0:root:/root:/bin/sh\n"), None);
    }
}
