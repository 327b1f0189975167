//! Each rule of the room in a row, and what no history of openings may lead to.

use super::*;
use crate::domain::rehearsal::Rehearsal;
use crate::ledger::account::institution_of;
use crate::ledger::limits::ACCOUNT_DEPTH_MAX;
use crate::ledger::open_items::{accounts_of, count_open};
use crate::ledger::{Account, LegalEntity, OpenItem, Reason, Role, Value};
use crate::primitives::{AccountId, Amount, BlockTime, Encode as _, ObjectId, TokenId};
use ed25519_dalek::SigningKey;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn keys(name: u8) -> KeySet {
    KeySet::new(vec![Rehearsal::key(name)], 1).expect("one key, threshold one")
}

fn opening(roles: &[Role]) -> OpenAccount {
    OpenAccount {
        keys: keys(99),
        roles: roles.iter().copied().collect(),
        legal_entity_id: "HKBR:1001".into(),
        vouching_account: None,
    }
}

fn token() -> TokenId {
    "HKDX".parse().expect("a token id")
}

/// A bank, an issuer and a customer of the bank.
fn stage() -> (Rehearsal, AccountId, AccountId, AccountId) {
    let mut ledger = Rehearsal::at(BlockTime(1_000));
    ledger.witnesses = [Rehearsal::key(99)].into();
    let bank = ledger.open(1, None, &[Role::Institution]);
    let issuer = ledger.open(2, None, &[Role::Issuer]);
    let customer = ledger.open(3, Some(bank), &[Role::Merchant]);
    (ledger, bank, issuer, customer)
}

#[test]
fn accounts_open_where_roles_allow_it() {
    let (mut ledger, bank, issuer, customer) = stage();
    for (sender, roles, expected) in [
        (bank, &[Role::Merchant, Role::Financier, Role::Carrier][..], Ok(())),
        (bank, &[], Ok(())),
        (issuer, &[Role::IssuanceMaker, Role::IssuanceChecker], Ok(())),
        (bank, &[Role::IssuanceMaker], Err(Reason::RoleNotGrantable { role: "issuance-maker" })),
        (bank, &[Role::Institution], Err(Reason::RoleNotGrantable { role: "institution" })),
        (issuer, &[Role::Merchant], Err(Reason::RoleNotGrantable { role: "merchant" })),
        (issuer, &[Role::Custodian], Err(Reason::RoleNotGrantable { role: "custodian" })),
        (customer, &[], Err(Reason::RoleRequired { account: customer, role: "institution" })),
        (AccountId([8; 32]), &[], Err(Reason::UnknownAccount { account: AccountId([8; 32]) })),
    ] {
        let performed = ledger.perform(&[sender], |context, changes| {
            OpenAccount { legal_entity_id: String::new(), ..opening(roles) }.plan(context, changes)
        });
        assert_eq!(performed.as_ref().map(|_| ()).map_err(Clone::clone), expected, "{roles:?}");
        if let Ok(performed) = performed {
            let opened: Account = ledger.read(&performed.account).expect("it is open");
            assert_eq!((opened.parent, opened.closed), (Some(sender), false));
            let effect = &performed.planned.effects[0];
            assert_eq!(effect.name, "accounts.opened");
            assert_eq!(effect.field("account"), Some(&Value::Account(performed.account)));
            assert_eq!(effect.field("parent"), Some(&Value::Account(sender)));
        }
    }
}

/// Nobody gives an account a key that is another's, or that nobody has: enough of its keys sign to use it.
#[test]
fn the_keys_of_a_new_account_sign() {
    let (mut ledger, bank, ..) = stage();
    let [own, other] = [98, 99].map(Rehearsal::key);
    ledger.witnesses.clear();
    for (keys, signs, opens) in [
        (vec![other], vec![], false),
        (vec![own, other], vec![own], true),
        (vec![own, other], vec![], false),
        (vec![other], vec![own], false),
        (vec![other], vec![other], true),
    ] {
        for threshold in 1..=keys.len() as u8 {
            let set = KeySet::new(keys.clone(), threshold).expect("within reach");
            let operation = OpenAccount { keys: set, ..opening(&[]) };
            let signers = signs.iter().copied().chain([Rehearsal::key(1)]).collect();
            let performed = ledger.perform_signed(bank, &signers, |context, changes| operation.plan(context, changes));
            let enough = opens && signs.len() >= usize::from(threshold);
            match performed {
                Ok(_) => assert!(enough, "{keys:?}, {signs:?}, {threshold}"),
                Err(reason) => assert!(!enough && reason.name() == "NEW_KEYS_DID_NOT_SIGN", "{reason:?}"),
            }
        }
    }
}

#[test]
fn an_id_is_given_once() {
    let (mut ledger, bank, ..) = stage();
    let performed = ledger.perform(&[bank], |context, changes| {
        opening(&[]).plan(context, changes)?;
        opening(&[]).plan(context, changes)
    });
    assert!(matches!(performed, Err(Reason::AccountExists { .. })));
}

#[test]
fn an_accounts_institution_is_the_one_that_governance_opened_or_the_genesis_names() {
    let mut ledger = Rehearsal::at(BlockTime(1_000));
    let named = |level: u8| AccountId([level; 32]);
    for (level, parent, role) in [
        (1, None, Role::Governance),
        (2, Some(1), Role::Institution),
        (3, Some(2), Role::Merchant),
        (4, Some(3), Role::Merchant),
        (5, None, Role::Issuer),
    ] {
        ledger.open(level, parent.map(named), &[role]);
    }
    let institution = |level| institution_of(&ledger.view, named(level));
    assert_eq!(
        [1, 2, 3, 4, 5, 6].map(institution),
        [1, 2, 2, 2, 5, 6].map(named),
        "of one that is not there, it itself"
    );
}

#[test]
fn a_chain_of_accounts_ends() {
    let mut ledger = Rehearsal::at(BlockTime(1_000));
    ledger.witnesses = [Rehearsal::key(99)].into();
    let mut parent = None;
    for level in 1..=ACCOUNT_DEPTH_MAX as u8 {
        let opened = AccountId([level; 32]);
        let account = Account {
            parent,
            keys: keys(level),
            roles: [Role::Institution].into_iter().collect(),
            legal_entity_id: String::new(),
            closed: false,
        };
        ledger.edit(|changes| register(changes, opened, &account).expect("not too deep yet"));
        parent = Some(opened);
    }
    let deepest = parent.expect("levels were opened");
    let performed = ledger.perform(&[deepest], |context, changes| opening(&[]).plan(context, changes));
    assert_eq!(performed.err(), Some(Reason::AccountTooDeep { depth_max: 8 }));
}

#[test]
fn keys_change_and_the_id_stays() {
    let (mut ledger, bank, _, customer) = stage();
    let rotate = RotateKeys { account: customer, keys: keys(50) };
    let both = |old: u8| BTreeSet::from([Rehearsal::key(old), Rehearsal::key(50)]);
    let by_bank = ledger.perform_signed(bank, &both(1), |context, changes| rotate.plan(context, changes));
    assert_eq!(by_bank.err(), Some(Reason::MissingSignature { account: customer }));
    // Nobody has shown to have the new keys: one mistyped would lock the account.
    let unproven = ledger.perform(&[customer], |context, changes| rotate.plan(context, changes));
    assert_eq!(unproven.err(), Some(Reason::NewKeysDidNotSign { account: customer }));
    let two = KeySet::new(vec![Rehearsal::key(50), Rehearsal::key(51)], 2).expect("two of two");
    let too_few = ledger.perform_signed(customer, &both(3), |context, changes| {
        RotateKeys { account: customer, keys: two }.plan(context, changes)
    });
    assert_eq!(too_few.err(), Some(Reason::NewKeysDidNotSign { account: customer }));
    // The next operation of the same transaction already goes by the new ones.
    let performed = ledger.perform_signed(customer, &both(3), |context, changes| {
        rotate.plan(context, changes)?;
        let found: Account = changes.read(&customer).expect("it is still there");
        assert_eq!(found.keys, keys(50));
        rotate.plan(context, changes)
    });
    let performed = performed.expect("both keys");
    assert_eq!(performed.planned.effects[0].name, "accounts.keys_rotated");
    let old = BTreeSet::from([Rehearsal::key(3)]);
    let back = RotateKeys { account: customer, keys: keys(3) };
    let by_old_key = ledger.perform_signed(customer, &old, |context, changes| back.plan(context, changes));
    assert_eq!(by_old_key.err(), Some(Reason::MissingSignature { account: customer }));
    let unknown = RotateKeys { account: AccountId([8; 32]), keys: keys(50) };
    let performed = ledger.perform(&[bank], |context, changes| unknown.plan(context, changes));
    assert_eq!(performed.err(), Some(Reason::UnknownAccount { account: AccountId([8; 32]) }));
}

#[test]
fn only_an_empty_account_closes_and_only_by_itself_or_its_parent() {
    let (mut ledger, bank, issuer, customer) = stage();
    let neighbour = ledger.open(4, Some(bank), &[]);
    let custodian = ledger.open(5, None, &[Role::Custodian]);
    // The neighbour's balance comes next in the column and is not the customer's.
    ledger.mint(token(), neighbour, 5);
    let mut close = |account, signer| {
        let performed = ledger.perform(&[signer], |context, changes| CloseAccount { account }.plan(context, changes));
        performed.map(|performed| performed.planned.effects[0].name.clone())
    };
    let closed = || Ok("accounts.closed".to_owned());
    for (account, signer, expected) in [
        (customer, issuer, Err(Reason::NotTheParent { account: customer })),
        (customer, bank, closed()),
        (customer, customer, Err(Reason::AccountClosed { account: customer })),
        (
            neighbour,
            neighbour,
            Err(Reason::AccountNotEmpty { token: token(), available: Amount::new(5), locked: Amount::ZERO }),
        ),
        (issuer, issuer, Err(Reason::AccountInOffice { account: issuer, role: "issuer" })),
        (custodian, custodian, Err(Reason::AccountInOffice { account: custodian, role: "custodian" })),
        // One of the two under it is closed by now.
        (bank, bank, Err(Reason::AccountHasAccountsUnderIt { account: bank, open: 1 })),
        (AccountId([8; 32]), issuer, Err(Reason::UnknownAccount { account: AccountId([8; 32]) })),
    ] {
        assert_eq!(close(account, signer), expected);
    }
}

#[test]
fn an_account_closes_once_nothing_is_open_of_it() {
    let (mut ledger, bank, _, customer) = stage();
    ledger.edit(|changes| changes.item_opened(customer, OpenItem::Receivable(ObjectId([9; 32]))));
    let close = |ledger: &mut Rehearsal, account| {
        ledger.perform(&[bank], |context, changes| CloseAccount { account }.plan(context, changes)).err()
    };
    assert_eq!(close(&mut ledger, customer), Some(Reason::AccountHasOpenClaims { account: customer, open: 1 }));
    ledger.edit(|changes| changes.item_ended(customer, OpenItem::Receivable(ObjectId([9; 32]))));
    let opened = ledger.perform(&[bank], |context, changes| opening(&[]).plan(context, changes)).expect("a bank opens");
    assert_eq!(close(&mut ledger, bank), Some(Reason::AccountHasAccountsUnderIt { account: bank, open: 2 }));
    assert_eq!(close(&mut ledger, customer), None);
    assert_eq!(close(&mut ledger, opened.account), None);
    assert_eq!(count_open(&ledger.view, &bank.to_bytes(), 1), 0);
    assert_eq!(close(&mut ledger, bank), None);
    // A closed parent is nobody's parent any more.
    assert_eq!(close(&mut ledger, bank), Some(Reason::AccountClosed { account: bank }));
}

#[test]
fn key_sets_are_checked_field_by_field() {
    let key = |seed| SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes().to_vec();
    let set = key_set(&[key(1), key(2), key(3)], 2).expect("two of three");
    assert_eq!((set.keys().len(), set.threshold()), (3, 2));
    let identity = [&[1u8][..], &[0; 31]].concat();
    for (public_keys, threshold, field) in [
        (vec![], 1, "public_keys"),
        ((0..17).map(key).collect(), 1, "public_keys"),
        (vec![key(1), key(1)], 1, "public_keys[1]"),
        (vec![key(1), identity], 1, "public_keys[1]"),
        (vec![key(1), vec![0; 31]], 1, "public_keys[1]"),
        (vec![key(1)], 0, "threshold"),
        (vec![key(1)], 2, "threshold"),
        (vec![key(1)], 257, "threshold"),
    ] {
        assert_eq!(key_set(&public_keys, threshold).expect_err(field).field, field);
    }
}

#[test]
fn legal_entities_are_held_to_their_form() {
    let voucher = Some(AccountId([1; 32]));
    for (legal_entity_id, vouching_account, expected) in [
        ("HKBR:12345678", None, None),
        ("HKBR:12345678", voucher, None),
        ("", None, None),
        ("hkbr:12345678", None, Some("legal_entity_id")),
        ("", voucher, Some("vouching_account_id")),
    ] {
        let operation = OpenAccount { legal_entity_id: legal_entity_id.into(), vouching_account, ..opening(&[]) };
        assert_eq!(operation.check().err().map(|malformed| malformed.field).as_deref(), expected);
    }
}

#[test]
fn nobody_opens_accounts_of_another_ones_legal_entity() {
    let (mut ledger, bank, ..) = stage();
    let other = ledger.open(4, None, &[Role::Institution]);
    let open = |ledger: &mut Rehearsal, signers: &[AccountId], vouching_account| {
        let operation = OpenAccount { vouching_account, ..opening(&[Role::Merchant]) };
        ledger.perform(signers, |context, changes| operation.plan(context, changes)).map(|performed| performed.account)
    };
    let company = open(&mut ledger, &[bank], None).expect("nobody named it before");
    assert_eq!(ledger.read::<LegalEntity>(&"HKBR:1001".to_owned()), Some(LegalEntity { opener: bank }));
    let taken = Reason::LegalEntityTaken { legal_entity_id: "HKBR:1001".into() };
    // The reason does not say whose customer the company is.
    assert!(taken.fields().iter().all(|(_, value)| !matches!(value, Value::Account(_))));
    assert_eq!(open(&mut ledger, &[other], None), Err(taken.clone()));
    let neighbour = ledger.open(5, Some(other), &[Role::Merchant]);
    assert_eq!(open(&mut ledger, &[other, neighbour], Some(neighbour)), Err(taken.clone()));
    ledger.edit(|changes| {
        let mut account: Account = changes.read(&company).expect("it was opened");
        account.keys = keys(60);
        changes.put(&company, &account);
    });
    assert_eq!(open(&mut ledger, &[other], Some(company)), Err(Reason::MissingSignature { account: company }));
    assert_eq!(open(&mut ledger, &[other, company], None), Err(taken.clone()), "a signature is not a word");
    let second = open(&mut ledger, &[other, company], Some(company)).expect("the company vouches");
    open(&mut ledger, &[bank], None).expect("its own bank goes on");
    assert_eq!(ledger.read::<LegalEntity>(&"HKBR:1001".to_owned()), Some(LegalEntity { opener: bank }));
    // What the company vouched for is its own, and vouches too; a closed account does not, and leaves the entity taken.
    let third = open(&mut ledger, &[other, second], Some(second)).expect("the company vouches");
    for account in [company, third] {
        let parent = ledger.read::<Account>(&account).and_then(|found| found.parent).expect("a bank");
        ledger
            .perform(&[parent], |context, changes| CloseAccount { account }.plan(context, changes))
            .expect("nothing is open of it");
    }
    assert_eq!(open(&mut ledger, &[other, third], Some(third)), Err(Reason::AccountClosed { account: third }));
    assert_eq!(open(&mut ledger, &[other], None), Err(taken));
}

proptest! {
    /// Whoever opens whatever under whomever, nobody gets a role that only the genesis gives, a closed account holds
    /// nothing and opens nothing, and every account knows how many open ones stand under it.
    #[test]
    fn openings_create_no_power(steps in proptest::collection::vec((any::<prop::sample::Index>(), 0u16..512, 0u8..4), 1..60)) {
        let (mut ledger, bank, issuer, customer) = stage();
        let genesis = [bank, issuer, customer];
        let mut accounts = genesis.to_vec();
        for (pick, bits, step) in steps {
            let sender = accounts[pick.index(accounts.len())];
            let roles = Role::ALL.iter().copied().filter(|role| bits & (1 << role.tag()) != 0).collect();
            if step == 0 {
                let _ = ledger.perform(&[sender], |context, changes| CloseAccount { account: sender }.plan(context, changes));
            } else {
                let operation = OpenAccount { legal_entity_id: String::new(), ..opening(&[]) };
                let operation = OpenAccount { roles, ..operation };
                let was_closed = ledger.read::<Account>(&sender).is_some_and(|account| account.closed);
                if let Ok(performed) = ledger.perform(&[sender], |context, changes| operation.plan(context, changes)) {
                    prop_assert!(!was_closed);
                    accounts.push(performed.account);
                }
            }
        }
        for id in &accounts {
            let found = accounts.iter().filter_map(|other| ledger.read::<Account>(other));
            let under = found.filter(|other| other.parent == Some(*id) && !other.closed).count();
            prop_assert_eq!(count_open(&ledger.view, &accounts_of(*id), usize::MAX), under);
            let closed = ledger.read::<Account>(id).is_some_and(|account| account.closed);
            prop_assert!(!closed || under == 0, "an open account was left under a closed one");
        }
        for id in accounts.iter().filter(|id| !genesis.contains(id)) {
            let account: Account = ledger.read(id).expect("opened accounts stay");
            let parent: Account = ledger.read(&account.parent.expect("an opener")).expect("parents stay");
            let mut allowed = BTreeSet::new();
            if parent.roles.has(Role::Institution) {
                allowed.extend(["merchant", "financier", "carrier"]);
            }
            if parent.roles.has(Role::Issuer) {
                allowed.extend(["issuance-maker", "issuance-checker"]);
            }
            prop_assert!(account.roles.iter().all(|role| allowed.contains(role.name())));
        }
    }
}
