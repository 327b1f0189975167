use super::*;

const GOOD: &str = r#"
    data_dir = "data"
    genesis = "/etc/causeway/genesis.json"
    [key]
    path = "key.pem"
    passphrase_file = "passphrase"
    [listen]
    grpc = "127.0.0.1:7400"
    p2p = "127.0.0.1:7500"
    [[peers]]
    public_key = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"
    address = "127.0.0.1:7501"
"#;

fn parse(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::parse(text, "node.toml", environment)
}

fn refusal(text: &str, environment: &[(&str, &str)]) -> String {
    parse(text, environment).expect_err("it must be refused").to_string()
}

#[test]
fn a_file_and_its_defaults() {
    let config = parse(GOOD, &[]).expect("good");
    assert_eq!(config.listen.grpc, "127.0.0.1:7400".parse().expect("an address"));
    assert_eq!(config.peers.len(), 1);
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.key.never_voted, PathBuf::from("never-voted"));
}

#[test]
fn paths_are_relative_to_the_file() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("node.toml");
    std::fs::write(&path, GOOD).expect("written");
    let config = Config::load(&path, []).expect("good");
    assert_eq!(config.key.path, directory.path().join("key.pem"));
    assert_eq!(config.genesis, PathBuf::from("/etc/causeway/genesis.json"));
}

#[test]
fn variables_lie_over_the_file() {
    let key = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";
    let config = parse(
        GOOD,
        &[
            ("CAUSEWAY_LISTEN_GRPC", "127.0.0.1:9"),
            ("CAUSEWAY_CONSENSUS_IDLE_INTERVAL_MS", "50"),
            ("CAUSEWAY_PEERS", &format!("{key}@127.0.0.1:1")),
            ("CAUSEWAY_ENDPOINT", "of another command"),
            ("PATH", "/bin"),
        ],
    )
    .expect("good");
    assert_eq!(config.listen.grpc.port(), 9);
    assert_eq!(config.consensus.idle_interval_ms, 50);
    assert_eq!(config.peers[0].address.port(), 1);
}

#[test]
fn what_is_unknown_is_named_with_what_was_meant() {
    let misspelt = GOOD.replace("grpc =", "grcp =");
    assert_eq!(refusal(&misspelt, &[]), "unknown key 'listen.grcp' in node.toml; did you mean 'listen.grpc'?");
    let section = format!("{GOOD}\n[limit]\npool = 1");
    assert!(refusal(&section, &[]).starts_with("unknown key 'limit' in node.toml"));
    let peer = GOOD.replace("address =", "adress =");
    assert_eq!(refusal(&peer, &[]), "unknown key 'peers.adress' in node.toml; did you mean 'address'?");
    let variable = refusal(GOOD, &[("CAUSEWAY_LISTEN_GRCP", "x")]);
    assert_eq!(variable, "unknown environment variable 'CAUSEWAY_LISTEN_GRCP'; did you mean 'CAUSEWAY_LISTEN_GRPC'?");
}

#[test]
fn values_are_held_to_their_rules() {
    for (from, to, named) in [
        ("127.0.0.1:7400", "localhost", "listen.grpc"),
        ("127.0.0.1:7400", "0.0.0.0:7400", "allow_plaintext"),
        ("passphrase_file = \"passphrase\"", "", "key.passphrase_file"),
        ("8a88e3dd", "00000000", "public_key"),
        ("data_dir = \"data\"", "", "data_dir"),
        ("data_dir = \"data\"", "data_dir = 5", "data_dir"),
    ] {
        let message = refusal(&GOOD.replace(from, to), &[]);
        assert!(message.contains(named), "{from} -> {to}: {message}");
        assert!(!message.contains('\n'), "{message}");
    }
    let number = refusal(GOOD, &[("CAUSEWAY_LIMITS_POOL_TRANSACTIONS", "many")]);
    assert!(number.contains("'many' is not a whole number"), "{number}");
    let idle = refusal(GOOD, &[("CAUSEWAY_CONSENSUS_IDLE_INTERVAL_MS", "1")]);
    assert!(idle.contains("10 to 60000"), "{idle}");
    let delivery = refusal(GOOD, &[("CAUSEWAY_CONSENSUS_BLOCK_DELIVERY_MS", "99")]);
    assert!(delivery.contains("100 to 60000"), "{delivery}");
    for (key, value, why) in [("keep_heights", "1023", "at least 1024"), ("keep_days", "0", "at least 1")] {
        let few = refusal(&format!("{GOOD}\n[pruning]\n{key} = {value}"), &[]);
        assert!(few.contains(&format!("'pruning.{key}'")) && few.contains(why), "{few}");
    }
    let both = [("CAUSEWAY_PRUNING_KEEP_HEIGHTS", "5000"), ("CAUSEWAY_PRUNING_KEEP_DAYS", "30")];
    let pruning = parse(GOOD, &both).expect("good").pruning;
    assert_eq!(pruning, Pruning { keep_heights: Some(5_000), keep_days: Some(30) });
    assert!(!parse(GOOD, &[]).expect("good").pruning.keep().prunes(), "nothing is removed unless it is said");
    let plain = GOOD.replace("grpc = \"127.0.0.1:7400\"", "grpc = \"0.0.0.0:7400\"\nallow_plaintext = true");
    assert!(parse(&plain, &[]).is_ok());
}

#[test]
fn off_the_loopback_clients_present_certificates_unless_it_is_said_that_anyone_may_call() {
    let tls = |address: &str, keys: &str| {
        let grpc = GOOD.replace("127.0.0.1:7400", address);
        format!("{grpc}\n[tls]\ncertificate = \"node.crt\"\nprivate_key = \"node.key\"\n{keys}")
    };
    let (authority, anyone) = ("client_authority = \"institutions.crt\"", "allow_any_client = true");
    let both = format!("{authority}\n{anyone}");
    let unasked = "'tls.client_authority' in node.toml: whoever reaches";
    for (address, keys, refused) in [
        ("0.0.0.0:7400", "", Some(unasked)),
        ("[::]:7400", "", Some(unasked)),
        ("10.0.0.1:7400", "allow_any_client = false", Some(unasked)),
        ("10.0.0.1:7400", authority, None),
        ("10.0.0.1:7400", anyone, None),
        ("10.0.0.1:7400", &both, Some("'tls.allow_any_client' in node.toml: tls.client_authority is set too")),
        ("127.0.0.1:7400", &both, Some("'tls.allow_any_client' in node.toml: tls.client_authority is set too")),
        ("127.0.0.1:7400", "", None),
        ("[::1]:7400", "", None),
    ] {
        let told = parse(&tls(address, keys), &[]).err().map(|error| error.to_string());
        match (&told, refused) {
            (None, None) => {}
            (Some(told), Some(refused)) => assert!(told.starts_with(refused) && !told.contains('\n'), "{told}"),
            _ => panic!("{address} with '{keys}': {told:?}"),
        }
    }
    let by_a_variable = parse(&tls("0.0.0.0:7400", ""), &[("CAUSEWAY_TLS_ALLOW_ANY_CLIENT", "true")]).expect("said");
    assert!(by_a_variable.tls.expect("configured").allow_any_client);
}

#[test]
fn what_is_for_rehearsals_is_for_one_machine_only() {
    let set = format!("{GOOD}\n[rehearsal]\nclock_ahead_ms = 2592000000");
    assert_eq!(parse(&set, &[]).expect("good").rehearsal.clock_ahead_ms, 2_592_000_000);
    assert_eq!(parse(GOOD, &[]).expect("good").rehearsal, Rehearsal::default());
    for (from, to, told) in [
        ("127.0.0.1:7501", "10.0.0.2:7501", "a peer is 10.0.0.2:7501"),
        ("127.0.0.1:7500", "10.0.0.1:7500", "listen.p2p is 10.0.0.1:7500"),
        ("grpc = \"127.0.0.1:7400\"", "allow_plaintext = true\ngrpc = \"0.0.0.0:7400\"", "listen.grpc is 0.0.0.0:7400"),
        ("p2p =", "metrics = \"[::]:7600\"\np2p =", "listen.metrics is [::]:7600"),
        ("2592000000", "999999999999", "at most 315619200000"),
    ] {
        let message = refusal(&set.replace(from, to), &[]);
        assert!(message.contains("'rehearsal.clock_ahead_ms' in node.toml") && message.contains(told), "{message}");
    }
    let upgraded = format!("{GOOD}\n[rehearsal]\nprotocol_version_max = 2");
    assert_eq!(parse(&upgraded, &[]).expect("good").rehearsal.protocol_version_max(), 2);
    assert_eq!(parse(GOOD, &[]).expect("good").rehearsal.protocol_version_max(), 1);
    for (from, to, told) in [
        ("127.0.0.1:7501", "10.0.0.2:7501", "a peer is 10.0.0.2:7501"),
        ("max = 2", "max = 3", "expected 2, which is one more than this software follows"),
        ("max = 2", "max = 1", "expected 2"),
    ] {
        let message = refusal(&upgraded.replace(from, to), &[]);
        assert!(message.contains("'rehearsal.protocol_version_max'") && message.contains(told), "{message}");
    }
    let off = set.replace("2592000000", "0").replace("127.0.0.1:7501", "10.0.0.2:7501");
    assert!(parse(&off, &[]).is_ok(), "a clock that is not set ahead is nobody's danger");
    let variable = [("CAUSEWAY_REHEARSAL_CLOCK_AHEAD_MS", "1")];
    let message = refusal(&GOOD.replace("127.0.0.1:7501", "10.0.0.2:7501"), &variable);
    assert!(message.contains("variable CAUSEWAY_REHEARSAL_CLOCK_AHEAD_MS"), "{message}");
}

#[test]
fn a_value_is_told_with_where_it_comes_from() {
    for (variable, value, named) in [
        ("CAUSEWAY_LOG_FORMAT", "x", "'log.format' in the environment variable CAUSEWAY_LOG_FORMAT"),
        ("CAUSEWAY_LISTEN_GRPC", "here", "'listen.grpc' in the environment variable CAUSEWAY_LISTEN_GRPC"),
        ("CAUSEWAY_LISTEN_GRPC", "0.0.0.0:1", "in the environment variable CAUSEWAY_LISTEN_GRPC: clients"),
        ("CAUSEWAY_CONSENSUS_IDLE_INTERVAL_MS", "1", "the environment variable CAUSEWAY_CONSENSUS_IDLE_INTERVAL_MS"),
        ("CAUSEWAY_PEERS", "00@127.0.0.1:1", "the environment variable CAUSEWAY_PEERS"),
    ] {
        let message = refusal(GOOD, &[(variable, value)]);
        assert!(message.contains(named), "{variable}: {message}");
    }
    let in_the_file = refusal(&format!("{GOOD}\n[log]\nformat = \"x\""), &[("CAUSEWAY_LOG_FILTER", "info")]);
    assert!(in_the_file.contains("'log.format' in node.toml"), "{in_the_file}");
}

#[test]
fn a_variable_that_is_set_and_empty_is_an_error_and_names_itself() {
    for (key, _) in KEYS {
        for empty in ["", " "] {
            let message = refusal(GOOD, &[(&variable_of(key), empty)]);
            assert!(message.contains(&variable_of(key)) && message.contains("empty"), "{message}");
        }
    }
}

#[test]
fn an_empty_file_is_called_empty() {
    for empty in ["", "\n", "# nothing yet\n"] {
        let message = refusal(empty, &[]);
        assert!(message.contains("node.toml is empty"), "{message}");
    }
    let from_elsewhere = refusal("", &[("CAUSEWAY_DATA_DIR", "data")]);
    assert!(from_elsewhere.contains("'genesis'"), "{from_elsewhere}");
}

#[test]
fn a_variable_that_is_nobodys_is_an_error_if_it_was_meant_for_a_key_and_told_otherwise() {
    for (variable, meant) in [("CAUSEWAY_DATADIR", "CAUSEWAY_DATA_DIR"), ("CAUSEWAY_GENISIS", "CAUSEWAY_GENESIS")] {
        let message = refusal(GOOD, &[(variable, "x")]);
        assert!(message.contains(variable) && message.contains(meant), "{message}");
    }
    let section = refusal(GOOD, &[("CAUSEWAY_KEY_PASSPHRASE", "secret")]);
    assert!(section.contains("CAUSEWAY_KEY_PASSPHRASE") && !section.contains("secret"), "{section}");
    let config = parse(GOOD, &[("CAUSEWAY_PORT", "tcp://10.0.0.1:7400"), ("CAUSEWAY_DOCUMENTS", "a.xml")]);
    assert_eq!(config.expect("good").unknown_variables, ["CAUSEWAY_PORT"]);
}

#[test]
fn every_key_of_the_table_is_a_key_of_the_example() {
    let example = include_str!("../../../config/node.toml");
    for (key, _) in KEYS {
        let name = key.rsplit('.').next().unwrap_or(key);
        assert!(example.contains(name), "config/node.toml does not explain {key}");
        assert!(example.contains(&variable_of(key)), "config/node.toml does not name {}", variable_of(key));
    }
    let environment = Vec::<(String, String)>::new();
    assert!(Config::parse(example, "config/node.toml", environment).is_ok());
}
