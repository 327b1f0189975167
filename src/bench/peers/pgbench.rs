//! The same transfers in PostgreSQL: its schema, the three forms that they are asked for in, and the count afterwards.

use super::postgres::{SETTINGS, Server, said_by};
use super::{PeersError, Plan};
use std::time::Duration;

/// Connections at once, where each transfer is a call.
const CLIENTS: usize = 32;
/// Transfers in one call of the loop.
const LOOP: u64 = 1_000;
/// What each account has at the start: nobody runs out in a round.
const OPENING_UNITS: u64 = 1_000_000_000;

/// Pages have room for an account's next version, which spares its index (a heap-only update): PostgreSQL at its best.
const SCHEMA: &str = "
CREATE TABLE accounts (
    id bigint PRIMARY KEY,
    balance bigint NOT NULL CHECK (balance >= 0)
) WITH (fillfactor = 50);
CREATE TABLE transfers (
    request_id bigint PRIMARY KEY,
    payer bigint NOT NULL,
    payee bigint NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0)
);
CREATE FUNCTION transfer(payer_id bigint, payee_id bigint, units bigint, request bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF payer_id > payee_id THEN
        UPDATE accounts SET balance = balance + units WHERE id = payee_id;
    END IF;
    UPDATE accounts SET balance = balance - units WHERE id = payer_id AND balance >= units;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'insufficient funds';
    END IF;
    IF payer_id < payee_id THEN
        UPDATE accounts SET balance = balance + units WHERE id = payee_id;
    END IF;
    INSERT INTO transfers VALUES (request, payer_id, payee_id, units);
END $$;
CREATE FUNCTION transfer_many(count bigint, first bigint, accounts bigint, request bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    payer_id bigint;
    payee_id bigint;
BEGIN
    FOR number IN 0 .. count - 1 LOOP
        payer_id := floor(random() * accounts);
        payee_id := (payer_id + 1 + floor(random() * (accounts - 1))::bigint) % accounts;
        PERFORM transfer(first + payer_id, first + payee_id, 1 + floor(random() * 100)::bigint, request + number);
    END LOOP;
END $$;
";

/// Payer, payee, amount and request id, drawn by the client.
const DRAWN: &str = "\
\\set payer random(1, :accounts)
\\set payee 1 + (:payer + random(0, :accounts - 2)) % :accounts
\\set units random(1, 100)
\\set request random(1, 9223372036854775806)
";

/// The first account is updated first, whoever pays, so that no two transfers wait for each other.
const STATEMENTS: &str = "\
BEGIN;
\\if :payer < :payee
UPDATE accounts SET balance = balance - :units WHERE id = :payer AND balance >= :units;
UPDATE accounts SET balance = balance + :units WHERE id = :payee;
\\else
UPDATE accounts SET balance = balance + :units WHERE id = :payee;
UPDATE accounts SET balance = balance - :units WHERE id = :payer AND balance >= :units;
\\endif
INSERT INTO transfers VALUES (:request, :payer, :payee, :units);
COMMIT;
";

const FUNCTION: &str = "SELECT transfer(:payer, :payee, :units, :request);\n";

/// Each client has a share of the accounts for itself, so that calls that hold thousands of rows run side by side.
const LOOPED: &str = "\
\\set first 1 + :client_id * :share
\\set request random(1, 9223372036854770000)
SELECT transfer_many(:count, :first, :share, :request);
";

/// A form in which transfers are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// Two updates and an insert, prepared, and a commit: as an application does it.
    Statements,
    /// One call of a function that does the three: one round trip.
    Function,
    /// 1,000 transfers in one call and one commit.
    Loop,
}

impl Script {
    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Statements => "three statements and a commit",
            Self::Function => "one function call",
            Self::Loop => "1,000 transfers looped in one call",
        }
    }

    fn text(self) -> String {
        match self {
            Self::Statements => [DRAWN, STATEMENTS].concat(),
            Self::Function => [DRAWN, FUNCTION].concat(),
            Self::Loop => LOOPED.to_owned(),
        }
    }

    fn transfers(self) -> u64 {
        if self == Self::Loop { LOOP } else { 1 }
    }

    /// As many clients as keep the server busiest: calls wait for the disk, loops for the processors.
    fn clients(self, cores: usize) -> usize {
        if self == Self::Loop { cores } else { CLIENTS }
    }
}

/// The accounts in a running server.
#[derive(Debug)]
pub struct Ledger {
    server: Server,
    accounts: u64,
    cores: usize,
}

impl Ledger {
    /// Makes the schema, and as many accounts as the load has.
    ///
    /// # Errors
    /// What PostgreSQL said.
    pub async fn open(server: Server, load: &Plan) -> Result<Self, PeersError> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let accounts = load.accounts.max(2 * cores as u64);
        server.query(SCHEMA).await?;
        let fill = format!("INSERT INTO accounts SELECT id, {OPENING_UNITS} FROM generate_series(1, {accounts}) AS id");
        server.query(&fill).await?;
        server.query("VACUUM ANALYZE accounts").await?;
        Ok(Self { server, accounts, cores })
    }

    /// Transfers in a second in this form, over so long. The table of transfers is emptied before, and counted after.
    ///
    /// # Errors
    /// A program failed, transfers are missing, or balances do not add up.
    pub async fn measure(&self, script: Script, duration: Duration) -> Result<f64, PeersError> {
        self.server.query("TRUNCATE transfers").await?;
        self.server.query("CHECKPOINT").await?;
        let file = self.server.write("script.sql", &script.text())?;
        let clients = script.clients(self.cores);
        let seconds = duration.as_secs().max(1).to_string();
        let mut pgbench = self.server.client("pgbench");
        pgbench.args(["--no-vacuum", "--protocol", "prepared", "--time", &seconds]);
        pgbench.args(["--client", &clients.to_string(), "--jobs", &clients.min(self.cores).to_string()]);
        let share = self.accounts / clients as u64;
        for (name, value) in [("accounts", self.accounts), ("share", share), ("count", script.transfers())] {
            pgbench.arg("--define").arg(format!("{name}={value}"));
        }
        pgbench.arg("--file").arg(file).arg("postgres");
        let said = said_by("pgbench", pgbench).await?;
        let Some(result) = Processed::read(&said) else {
            return Err(PeersError::Unexpected { program: "pgbench", said });
        };
        self.count(script, result.transactions * script.transfers()).await?;
        Ok(result.per_second * script.transfers() as f64)
    }

    /// Every transfer that was answered is there, and money was neither made nor lost.
    async fn count(&self, script: Script, transfers: u64) -> Result<(), PeersError> {
        let found = self.server.query("SELECT count(*) FROM transfers").await?;
        let units = self.server.query("SELECT sum(balance) FROM accounts").await?;
        let funded = (u128::from(self.accounts) * u128::from(OPENING_UNITS)).to_string();
        let unsound = |found| Err(PeersError::Unsound { script: script.name(), found });
        if found != transfers.to_string() {
            return unsound(format!("{transfers} transfers were answered, and {found} are there"));
        }
        if units != funded {
            return unsound(format!("balances add up to {units}, and {funded} were funded"));
        }
        Ok(())
    }

    /// Version, settings and load, in one line.
    pub fn description(&self) -> String {
        let settings: Vec<String> = SETTINGS.iter().map(|(name, value)| format!("{name}='{value}'")).collect();
        format!(
            "{}; Unix socket; {} accounts, fillfactor 50; {CLIENTS} clients, prepared (the loop: {}, each with a share of the \
             accounts); {}; otherwise defaults",
            self.server.version(),
            self.accounts,
            self.cores,
            settings.join(" "),
        )
    }
}

/// What pgbench says at its end.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Processed {
    transactions: u64,
    per_second: f64,
}

impl Processed {
    /// `None` if a figure is missing, or a transaction failed.
    fn read(text: &str) -> Option<Self> {
        let after = |prefix: &str| text.lines().find_map(|line| line.trim().strip_prefix(prefix));
        let number = |text: &str| text.split_whitespace().next().map(str::to_owned);
        let failed = after("number of failed transactions:").and_then(number);
        if failed.is_some_and(|failed| failed != "0") {
            return None;
        }
        // Up to version 13 there are two rates: the first counts the time that connecting takes.
        let mut rates = text.lines().filter_map(|line| line.trim().strip_prefix("tps ="));
        Some(Self {
            transactions: number(after("number of transactions actually processed:")?)?.parse().ok()?,
            per_second: number(rates.next_back()?)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::postgres::Binaries;
    use super::*;

    const FIFTEEN: &str = "\
pgbench (15.18 (Debian 15.18-0+deb12u1))
transaction type: script.sql
scaling factor: 1
query mode: prepared
number of clients: 32
number of threads: 2
maximum number of tries: 1
duration: 10 s
number of transactions actually processed: 61234
number of failed transactions: 0 (0.000%)
latency average = 5.226 ms
initial connection time = 41.402 ms
tps = 6123.456789 (without initial connection time)";

    #[test]
    fn what_pgbench_says_is_read() {
        let expected = Processed { transactions: 61_234, per_second: 6_123.456_789 };
        assert_eq!(Processed::read(FIFTEEN), Some(expected));
    }

    #[test]
    fn of_two_rates_the_one_without_connecting_counts() {
        let thirteen = "\
number of transactions actually processed: 100
latency average = 1.000 ms
tps = 90.500000 (including connections establishing)
tps = 99.500000 (excluding connections establishing)";
        assert_eq!(Processed::read(thirteen), Some(Processed { transactions: 100, per_second: 99.5 }));
    }

    #[test]
    fn what_failed_or_is_not_said_is_no_figure() {
        let failed = FIFTEEN.replace("failed transactions: 0", "failed transactions: 3");
        assert_ne!(failed, FIFTEEN);
        assert_eq!(Processed::read(&failed), None);
        assert_eq!(Processed::read(&FIFTEEN.replace("tps", "rate")), None);
        assert_eq!(Processed::read(&FIFTEEN.replace("actually", "perhaps")), None);
    }

    /// Where PostgreSQL is installed, it is started, loaded in each form, counted, and gone afterwards; where it is not, the
    /// run is told what to install.
    #[tokio::test]
    async fn each_form_is_measured_and_counted_and_nothing_stays() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().expect("a temporary directory");
        std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o755)).expect("ours");
        let binaries = match Binaries::find(None) {
            Ok(binaries) => binaries,
            Err(missing) => return assert!(missing.to_string().contains("apt-get install postgresql"), "{missing}"),
        };
        let server = Server::start(&binaries, root.path()).await.expect("it starts");
        let load = Plan { accounts: 100, ..Plan::default() };
        let ledger = Ledger::open(server, &load).await.expect("a schema");
        for script in [Script::Statements, Script::Function, Script::Loop] {
            let rate = ledger.measure(script, Duration::from_secs(1)).await.expect("sound");
            assert!(rate > 0.0, "{script:?}");
        }
        let counted = ledger.count(Script::Loop, 1).await.expect_err("there are thousands").to_string();
        assert!(counted.contains("1 transfers were answered"), "{counted}");
        ledger.server.query("UPDATE accounts SET balance = balance + 1 WHERE id = 1").await.expect("money is made");
        ledger.server.query("TRUNCATE transfers").await.expect("emptied");
        let made = ledger.count(Script::Loop, 0).await.expect_err("a unit too many").to_string();
        assert!(made.contains("balances add up to 100000000001"), "{made}");
        drop(ledger);
        assert_eq!(std::fs::read_dir(root.path()).expect("readable").count(), 0);
    }

    #[test]
    fn a_loop_is_counted_by_its_transfers_and_runs_on_each_core() {
        assert_eq!([Script::Statements, Script::Function, Script::Loop].map(Script::transfers), [1, 1, 1_000]);
        assert_eq!([Script::Statements, Script::Function, Script::Loop].map(|script| script.clients(2)), [32, 32, 2]);
    }
}
