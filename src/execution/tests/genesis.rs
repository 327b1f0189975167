//! Genesis files: what is refused, in which field.

use crate::execution::chronicle::{genesis_file, id, key, public, token};
use crate::execution::genesis::{ForbiddenPurposesSpec, Genesis, GenesisError, GenesisFile};
use crate::ledger::Account;
use crate::ledger::view::MemoryView;
use crate::ledger::{Role, View};
use crate::primitives::ChainId;
use crate::primitives::crypto::sha256;

fn parse(file: &GenesisFile) -> Result<Genesis, GenesisError> {
    Genesis::parse(&serde_json::to_vec(file).expect("a genesis file is JSON"))
}

/// The field that a changed genesis is refused for.
fn refused(change: &dyn Fn(&mut GenesisFile)) -> String {
    let mut file = genesis_file();
    change(&mut file);
    match parse(&file).and_then(|genesis| genesis.build().map(|_| ())) {
        Err(GenesisError::Field { field, .. }) => field,
        Err(other) => other.to_string(),
        Ok(()) => "accepted".to_owned(),
    }
}

#[test]
fn the_chain_id_is_the_hash_of_the_exact_bytes() {
    let compact = serde_json::to_vec(&genesis_file()).expect("JSON");
    let pretty = serde_json::to_vec_pretty(&genesis_file()).expect("JSON");
    let chain = |bytes: &[u8]| Genesis::parse(bytes).expect("a good genesis").chain_id();
    assert_eq!(chain(&compact), ChainId(sha256(&compact).0));
    assert_ne!(chain(&compact), chain(&pretty));
}

fn forbid(purpose: &str, law: &str, in_force_from_ms: u64) -> ForbiddenPurposesSpec {
    ForbiddenPurposesSpec { purposes: vec![purpose.to_owned()], law: law.to_owned(), in_force_from_ms }
}

#[test]
fn each_field_is_held_to_its_rule() {
    type Change = fn(&mut GenesisFile);
    let validators: [(&str, Change); 5] = [
        ("epoch_length", |file| file.epoch_length = 0),
        ("validators", |file| file.validators.clear()),
        ("validators", |file| file.validators[1].public_key = file.validators[0].public_key.clone()),
        ("validators[2].public_key", |file| file.validators[2].public_key = "00".repeat(31)),
        ("validators[2].public_key", |file| file.validators[2].public_key = format!("01{}", "00".repeat(31))),
    ];
    let accounts: [(&str, Change); 14] = [
        ("accounts[0].keys", |file| file.accounts[0].keys.clear()),
        ("accounts[0].keys", |file| file.accounts[0].keys[0] = "zz".to_owned()),
        ("accounts[0].keys", |file| file.accounts[0].keys[0] = format!("ee{}7f", "ff".repeat(30))),
        ("accounts[0].keys", |file| file.accounts[0].keys = vec![file.accounts[0].keys[0].clone(); 2]),
        ("accounts[0].keys", |file| file.accounts[0].threshold = 0),
        ("accounts[0].keys", |file| file.accounts[0].threshold = 2),
        ("accounts[0].roles", |file| file.accounts[0].roles.push("king".to_owned())),
        ("accounts[0].legal_entity_id", |file| file.accounts[0].legal_entity_id = "x".repeat(36)),
        ("accounts[0].legal_entity_id", |file| file.accounts[0].legal_entity_id = "no register".to_owned()),
        ("accounts[0].legal_entity_id", |file| file.accounts[0].legal_entity_id = "hkbr:70000011".to_owned()),
        ("accounts[0].legal_entity_id", |file| {
            file.accounts[0].legal_entity_id = "LEI:529900T8BM49AURSDO56".to_owned()
        }),
        // The bank's own; the bank's customers may be of it, and nobody else's.
        ("accounts[2].legal_entity_id", |file| file.accounts[2].legal_entity_id = "HKBR:BANK".to_owned()),
        ("accounts[2].parent", |file| file.accounts[2].parent = Some("nobody".to_owned())),
        ("accounts[1].name", |file| file.accounts[1].name = file.accounts[0].name.clone()),
    ];
    let tokens: [(&str, Change); 15] = [
        ("tokens[0].token_id", |file| file.tokens[0].token_id = "hkdx".to_owned()),
        ("tokens[0].currency", |file| file.tokens[0].currency = "XXY".to_owned()),
        ("tokens[0].scale", |file| file.tokens[0].scale = 9),
        ("tokens[0].issuer", |file| file.tokens[0].issuer = "nobody".to_owned()),
        ("tokens[0]", |file| file.tokens[0].issuer = "bank".to_owned()),
        ("tokens[0].custodian", |file| file.tokens[0].custodian = "nobody".to_owned()),
        ("tokens[0]", |file| file.tokens[0].custodian = "issuer".to_owned()),
        ("tokens[0].asset_rules", |file| file.tokens[0].asset_rules[0].asset_class = "gold".to_owned()),
        ("tokens[0].reserve_policy.asset_rules", |file| file.tokens[0].asset_rules.clear()),
        ("tokens[0].reserve_policy.asset_rules[0].haircut_bps_min", |file| {
            file.tokens[0].asset_rules[0].haircut_bps_min = 10_001;
        }),
        ("tokens[0].reserve_policy.attestation_age_ms_max", |file| file.tokens[0].attestation_age_ms_max = 0),
        ("tokens[0].redemption_business_days", |file| file.tokens[0].redemption_business_days = 0),
        ("tokens[0].utc_offset_minutes", |file| file.tokens[0].utc_offset_minutes = -721),
        ("tokens[0].holidays", |file| file.tokens[0].holidays = vec!["2027-02-30".to_owned()]),
        ("tokens[1]", |file| file.tokens.push(file.tokens[0].clone())),
    ];
    let forbidden: [(&str, Change); 4] = [
        ("forbidden_purposes[0].purposes[0]", |file| file.forbidden_purposes = vec![forbid("Securities", "a law", 0)]),
        ("forbidden_purposes[0].law", |file| file.forbidden_purposes = vec![forbid("securities", "", 0)]),
        ("forbidden_purposes[1]", |file| file.forbidden_purposes = vec![forbid("securities", "a law", 5); 2]),
        ("accepted", |file| {
            file.forbidden_purposes = vec![forbid("securities", "a law", 5), forbid("real-estate", "a later law", 6)];
        }),
    ];
    let rows = validators.into_iter().chain(accounts).chain(tokens).chain(forbidden);
    for (index, (field, change)) in rows.enumerate() {
        assert_eq!(refused(&change), field, "row {index}");
    }
    assert_eq!(
        refused(&|file| file.tokens[0].holidays = ["2027-02-05"; 2].map(str::to_owned).to_vec()),
        "tokens[0].holidays"
    );
    assert_eq!(refused(&|_| {}), "accepted");
}

#[test]
fn a_file_of_another_shape_or_format_is_refused() {
    let good = serde_json::to_string(&genesis_file()).expect("JSON");
    for bad in [
        "".to_owned(),
        "null".to_owned(),
        good[..good.len() - 1].to_owned(),
        good.replacen("\"network\"", "\"netwrok\"", 1),
        good.replacen("{", "{\"extra\":1,", 1),
        good.replacen("\"threshold\":1", "\"threshold\":256", 1),
        good.replacen("\"epoch_length\":8", "\"epoch_length\":-8", 1),
    ] {
        assert!(matches!(Genesis::parse(bad.as_bytes()), Err(GenesisError::Form(_))), "{bad}");
    }
    let future = good.replacen("\"format\":1", "\"format\":2", 1);
    assert!(matches!(Genesis::parse(future.as_bytes()), Err(GenesisError::Format(2))));
    let mut large = good.into_bytes();
    large.resize(crate::execution::genesis::GENESIS_BYTES_MAX + 1, b' ');
    assert!(matches!(Genesis::parse(&large), Err(GenesisError::TooLarge(_))));
}

#[test]
fn the_state_holds_what_the_file_says() {
    let genesis = parse(&genesis_file()).expect("a good genesis");
    let built = genesis.build().expect("it fits");
    let mut entries = MemoryView::default();
    entries.apply(&built.writes);
    let maker: Account = (&entries as &dyn View).read(&id("maker")).expect("it is in the file");
    assert_eq!(maker.parent, Some(id("issuer")));
    assert_eq!(maker.keys.keys(), [public(&key("maker"))]);
    assert!(maker.roles.has(Role::IssuanceMaker) && !maker.roles.has(Role::IssuanceChecker));
    assert_eq!(built.reserve_lines.iter().map(|line| line.token).collect::<Vec<_>>(), [token()]);
    let header = built.block.header();
    assert_eq!((header.height, header.epoch, header.chain_id), (0, 0, genesis.chain_id()));
    assert_eq!(genesis.build().expect("again").block, built.block);
}
