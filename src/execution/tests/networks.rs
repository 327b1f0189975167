//! Settlements on another network as evidence: two chains, and receipts carried from one to the other.

use crate::domain::financing::{
    DeclareForeignAccount, EvidenceRequired, LinkForeignAccount, PublishProgramme, RecordRequired, RegisterNetwork,
    RequestFinancing, RetireNetwork, TokenPair,
};
use crate::domain::trade::{CommitFingerprintKey, ConfirmInvoice, RegisterInvoice, key_commitment};
use crate::execution::chronicle::{
    Chronicle, HOUR_MS, NODES, OPENING, certificate, genesis_file, id, key, public, reason, token, transfer,
};
use crate::execution::genesis::{AccountSpec, GenesisFile};
use crate::execution::tests::histories::programme_terms;
use crate::execution::tests::receipts::{handed_over, successors};
use crate::ledger::limits::{FOREIGN_RECEIPT_BYTES_MAX, FOREIGN_RECEIPTS_MAX};
use crate::ledger::receipt::Receipt;
use crate::ledger::{Outcome, Status, ValidatorSet, Value};
use crate::primitives::{Amount, BlockTime, ChainId, Encode as _, Hash, ObjectId, PublicKey};
use bytes::Bytes;

/// The genesis of everyone, of governance, and of a second account of the supplier's, on a ledger of this name.
fn ledger(network: &str) -> GenesisFile {
    let account = |name: &str, role: &str, legal_entity_id: &str, parent: Option<&str>| AccountSpec {
        name: name.to_owned(),
        keys: vec![public(&key(name)).to_string()],
        threshold: 1,
        roles: vec![role.to_owned()],
        legal_entity_id: legal_entity_id.to_owned(),
        parent: parent.map(str::to_owned),
    };
    let mut file = GenesisFile { network: network.to_owned(), ..genesis_file() };
    file.accounts.push(account("governance", "governance", "", None));
    file.accounts.push(account("supplier-2", "merchant", "HKBR:SUPPLIER", Some("bank")));
    file
}

fn funded(network: &str) -> Chronicle {
    let mut chronicle = Chronicle::of(&ledger(network));
    ["governance", "supplier-2"].into_iter().for_each(|name| chronicle.know(key(name)));
    chronicle.attest(10_000);
    ["buyer", "financier", "supplier-2"].into_iter().for_each(|name| chronicle.issue(name, 1_000));
    chronicle
}

/// A confirmed invoice of the supplier's to the buyer.
fn confirmed(chronicle: &mut Chronicle) -> ObjectId {
    let (supplier, buyer) = (id("supplier"), id("buyer"));
    let commit = CommitFingerprintKey { supplier, buyer, key_commitment: key_commitment(&[7; 32]) };
    let mut draft = chronicle.draft(supplier, vec![commit.into()]);
    draft.cosigners = vec![buyer];
    chronicle.append(1_000, &[chronicle.sign(&draft)]);
    let invoice = RegisterInvoice {
        buyer,
        token: token(),
        currency: "HKD".parse().expect("a currency"),
        amount: Amount::new(500),
        due_at: BlockTime(OPENING.0 + 24 * HOUR_MS),
        fingerprint: Hash([1; 32]),
        document_commitment: Hash([0xdc; 32]),
        issued_on: OPENING.day(),
        order: None,
    };
    let receivable = chronicle.make("supplier", vec![invoice.into()]);
    chronicle.make("buyer", vec![ConfirmInvoice { receivable }.into()]);
    receivable
}

fn publish(chronicle: &mut Chronicle, record: RecordRequired, networks: Vec<ChainId>) -> ObjectId {
    let mut terms = programme_terms();
    terms.evidence = EvidenceRequired { record, networks, ..terms.evidence };
    chronicle.make("financier", vec![PublishProgramme { terms }.into()])
}

/// The receipt of the newest block's first transaction.
fn newest(chronicle: &Chronicle) -> Receipt {
    let height = chronicle.tip().header.height;
    chronicle.receipt(height, 0, height)
}

fn carried(receipt: &Receipt) -> Bytes {
    Bytes::from(receipt.to_bytes())
}

/// That the account has the one of the same name on another ledger.
fn declared(there: &mut Chronicle, name: &str, here: ChainId) -> Receipt {
    let declare = DeclareForeignAccount { network: here, account: id(name) };
    assert_eq!(reason(&there.perform(name, vec![declare.into()])), "APPLIED");
    newest(there)
}

fn paid(there: &mut Chronicle, from: &str, to: &str, units: u64) -> Receipt {
    there.perform(from, vec![transfer(from, to, units).into()]);
    newest(there)
}

fn registration(there: &Chronicle) -> RegisterNetwork {
    RegisterNetwork {
        network: there.genesis.chain_id(),
        name: "elsewhere".to_owned(),
        validators: there.genesis.validators().clone(),
        epoch_length: there.genesis.epoch_length(),
        tokens: vec![TokenPair { there: token(), here: token() }],
    }
}

/// A ledger with an invoice to finance, which knows another one.
struct Here {
    chronicle: Chronicle,
    receivable: ObjectId,
    programme: ObjectId,
}

impl Here {
    /// The accounts of these names are linked; the programme asks for a settlement over 100 there.
    fn knowing(there: &mut Chronicle, linked: &[&str]) -> Self {
        let mut chronicle = funded("here");
        let receivable = confirmed(&mut chronicle);
        chronicle.make("governance", vec![registration(there).into()]);
        for name in linked {
            let receipt = carried(&declared(there, name, chronicle.genesis.chain_id()));
            chronicle.make(name, vec![LinkForeignAccount { receipt }.into()]);
        }
        let record = RecordRequired { count_min: 1, sum_min: Amount::new(100), ..RecordRequired::default() };
        let programme = publish(&mut chronicle, record, vec![there.genesis.chain_id()]);
        Self { chronicle, receivable, programme }
    }

    fn asking(&self, receipts: &[&Receipt]) -> RequestFinancing {
        RequestFinancing {
            receivable: self.receivable,
            programme: self.programme,
            advance: Amount::new(50),
            purpose: String::new(),
            citations: Vec::new(),
            foreign_receipts: receipts.iter().map(|receipt| carried(receipt)).collect(),
        }
    }

    /// What becomes of a request that carries these.
    fn request(&mut self, receipts: &[&Receipt]) -> Outcome {
        let request = self.asking(receipts);
        assert!(request.check().is_ok());
        self.chronicle.perform("supplier", vec![request.into()])
    }

    fn govern(&mut self, operation: impl Into<crate::execution::Operation>) {
        self.chronicle.make("governance", vec![operation.into()]);
    }
}

const BOTH: [&str; 2] = ["buyer", "supplier"];

fn field(outcome: &Outcome, name: &str) -> Option<Value> {
    let Status::Declined(decline) = &outcome.status else { panic!("it was applied") };
    decline.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone())
}

#[test]
fn what_was_settled_on_a_network_that_the_programme_accepts_is_a_record() {
    let mut there = funded("there");
    let receipt = paid(&mut there, "buyer", "supplier", 100);
    let mut here = Here::knowing(&mut there, &BOTH);
    assert_eq!(reason(&here.request(&[])), "PROGRAMME_CONDITIONS_NOT_MET");
    let little = paid(&mut there, "buyer", "supplier", 99);
    let outcome = here.request(&[&little]);
    let found = Some(Value::Text("settlements_sum: 0.99 HKDX, must be 1.00 HKDX at least".to_owned()));
    assert_eq!(field(&outcome, "conditions"), found, "a token there is counted as the one here");
    let outcome = here.request(&[&receipt]);
    assert_eq!(reason(&outcome), "APPLIED");
    // The loan names it with its network: no receipt of it is here.
    let cited =
        outcome.effects.iter().find(|effect| effect.name == "financing.settlement_cited").expect("it was cited");
    let named = (cited.field("network"), cited.field("foreign_transaction"), cited.field("settlement"));
    let transaction = Value::Hash(Hash(receipt.transaction_id().0));
    assert_eq!(named, (Some(&Value::Hash(Hash(there.genesis.chain_id().0))), Some(&transaction), None));
    here.chronicle.check_state();
    here.chronicle.replay();
}

#[test]
fn a_token_that_is_taken_for_none_counts_and_does_not_add_up() {
    let mut there = funded("there");
    let receipt = paid(&mut there, "buyer", "supplier", 100);
    let mut here = Here::knowing(&mut there, &BOTH);
    here.govern(RegisterNetwork { tokens: Vec::new(), ..registration(&there) });
    let found = Some(Value::Text("settlements_sum: 0.00 HKDX, must be 1.00 HKDX at least".to_owned()));
    assert_eq!(field(&here.request(&[&receipt]), "conditions"), found);
}

#[test]
fn a_network_is_believed_while_governance_has_it_registered_and_the_programme_accepts_it() {
    let (mut there, mut nowhere) = (funded("there"), funded("nowhere"));
    let good = paid(&mut there, "buyer", "supplier", 100);
    let unknown = paid(&mut nowhere, "buyer", "supplier", 100);
    let mut here = Here::knowing(&mut there, &BOTH);
    assert_eq!(reason(&here.request(&[&unknown])), "UNKNOWN_NETWORK");
    here.govern(registration(&nowhere));
    let refused = here.request(&[&good, &unknown]);
    assert_eq!((reason(&refused), field(&refused, "citation_index")), ("NETWORK_NOT_ACCEPTED", Some(Value::Number(1))));
    let network = there.genesis.chain_id();
    here.govern(RetireNetwork { network });
    assert_eq!(reason(&here.request(&[&good])), "NETWORK_RETIRED");
    let again = here.chronicle.perform("governance", vec![RetireNetwork { network }.into()]);
    assert_eq!(reason(&again), "NETWORK_RETIRED");
    let mut terms = programme_terms();
    terms.evidence.networks = vec![network];
    let publish = |terms| vec![PublishProgramme { terms }.into()];
    assert_eq!(reason(&here.chronicle.perform("financier", publish(terms.clone()))), "NETWORK_RETIRED");
    terms.evidence.networks = vec![ChainId([1; 32])];
    assert_eq!(reason(&here.chronicle.perform("financier", publish(terms))), "UNKNOWN_NETWORK");
    here.govern(registration(&there));
    assert_eq!(reason(&here.request(&[&good])), "APPLIED");
}

#[test]
fn governance_alone_registers_other_networks_than_this_one() {
    let there = funded("there");
    let mut here = funded("here");
    let good = registration(&there);
    let own = here.genesis.chain_id();
    let nowhere = TokenPair { there: token(), here: "NONE".parse().expect("a token id") };
    let unpaired = RegisterNetwork { tokens: vec![nowhere], ..good.clone() };
    for (sender, operation, expected) in [
        ("buyer", good.clone().into(), "ROLE_REQUIRED"),
        ("buyer", RetireNetwork { network: good.network }.into(), "ROLE_REQUIRED"),
        ("governance", RetireNetwork { network: good.network }.into(), "UNKNOWN_NETWORK"),
        ("governance", RegisterNetwork { network: own, ..good.clone() }.into(), "NETWORK_IS_THIS_ONE"),
        ("governance", unpaired.into(), "UNKNOWN_TOKEN"),
        ("buyer", DeclareForeignAccount { network: own, account: id("buyer") }.into(), "NETWORK_IS_THIS_ONE"),
        (
            "maker",
            DeclareForeignAccount { network: good.network, account: id("buyer") }.into(),
            "LEGAL_ENTITY_REQUIRED",
        ),
    ] {
        let shown = format!("{operation:?}");
        assert_eq!(reason(&here.perform(sender, vec![operation])), expected, "{shown}");
    }
    let small = ValidatorSet::new(vec![PublicKey([0; 32])]).expect("one key");
    for (field, wrong) in [
        ("name", RegisterNetwork { name: String::new(), ..good.clone() }),
        ("validators[0]", RegisterNetwork { validators: small, ..good.clone() }),
        ("epoch_length", RegisterNetwork { epoch_length: 0, ..good.clone() }),
        ("tokens", RegisterNetwork { tokens: vec![nowhere; 2], ..good.clone() }),
    ] {
        assert_eq!(wrong.check().expect_err(field).field, field);
    }
    assert!(good.check().is_ok());
}

/// Whatever is wrong with the receipt itself, by the check that fails.
#[test]
fn a_receipt_that_does_not_verify_proves_nothing() {
    let mut there = funded("there");
    let good = paid(&mut there, "buyer", "supplier", 100);
    let mut here = Here::knowing(&mut there, &BOTH);
    type Change = fn(&mut Receipt);
    let rows: [(&str, Change); 6] = [
        ("certificate", |receipt| receipt.certificate = certificate(&receipt.header, &NODES, &[0, 1])),
        ("certificate-of-another", |receipt| receipt.header.time.0 += 1),
        ("outcome-path", |receipt| receipt.outcome.movements[0].amount = Amount::new(1_000)),
        ("transaction-path", |receipt| receipt.transaction.as_mut().expect("a payment's").path.index += 1),
        ("not-fallen-due", |receipt| {
            receipt.transaction = None;
            receipt.outcome_path.index = u64::from(receipt.header.transaction_count);
        }),
        ("certificate-form", |receipt| receipt.certificate = Bytes::from_static(b"no certificate")),
    ];
    for (failed, change) in rows {
        let mut wrong = good.clone();
        change(&mut wrong);
        let refused = here.request(&[&wrong]);
        assert_eq!(reason(&refused), "FOREIGN_RECEIPT_UNPROVEN");
        assert_eq!(field(&refused, "failed"), Some(Value::Text(failed.to_owned())));
    }
    let mut garbled = here.asking(&[&good]);
    garbled.foreign_receipts[0] = carried(&good).slice(1..);
    let refused = here.chronicle.perform("supplier", vec![garbled.into()]);
    assert_eq!(reason(&refused), "FOREIGN_RECEIPT_UNPROVEN");
    assert_eq!(field(&refused, "failed"), Some(Value::Text("form".to_owned())));
}

#[test]
fn a_receipt_pays_the_borrower_from_another_legal_entity_or_is_no_settlement() {
    let mut there = funded("there");
    let declined = paid(&mut there, "buyer", "supplier", 100_000);
    let own = paid(&mut there, "supplier-2", "supplier", 100);
    let unlinked = paid(&mut there, "supplier-2", "financier", 10);
    let backwards = paid(&mut there, "supplier", "buyer", 10);
    let from_the_lender = paid(&mut there, "financier", "supplier", 100);
    let good = paid(&mut there, "buyer", "supplier", 100);
    let mut here = Here::knowing(&mut there, &["buyer", "supplier", "supplier-2"]);
    assert_eq!(reason(&here.request(&[&declined])), "CITATION_DECLINED");
    for (what, receipt) in [
        ("of the borrower's own legal entity", &own),
        ("to somebody else", &unlinked),
        ("by the borrower", &backwards),
        ("by an account that is linked to none here", &from_the_lender),
    ] {
        assert_eq!(reason(&here.request(&[receipt])), "CITATION_NOT_THE_SUPPLIERS", "{what}");
    }
    let certified_later = there.receipt(good.header.height, 0, there.tip().header.height);
    let refused = here.request(&[&good, &certified_later]);
    assert_eq!((reason(&refused), field(&refused, "citation_index")), ("CITATION_REPEATED", Some(Value::Number(1))));
    assert_eq!(reason(&here.request(&[&certified_later])), "APPLIED");

    let mut unlinked = Here::knowing(&mut there, &["buyer"]);
    assert_eq!(reason(&unlinked.request(&[&good])), "CITATION_NOT_THE_SUPPLIERS", "the payee is anyone");
    let mut unlinked = Here::knowing(&mut there, &["supplier"]);
    assert_eq!(reason(&unlinked.request(&[&good])), "CITATION_NOT_THE_SUPPLIERS", "the payer is anyone");
}

#[test]
fn an_advance_on_another_network_is_no_settlement() {
    let mut there = funded("there");
    let receivable = confirmed(&mut there);
    let programme = publish(&mut there, RecordRequired::default(), Vec::new());
    let (advance, purpose) = (Amount::new(100), String::new());
    let (citations, foreign_receipts) = (Vec::new(), Vec::new());
    let request = RequestFinancing { receivable, programme, advance, purpose, citations, foreign_receipts };
    there.make("supplier", vec![request.into()]);
    let disbursed = newest(&there);
    let mut here = Here::knowing(&mut there, &["buyer", "supplier", "financier"]);
    assert_eq!(reason(&here.request(&[&disbursed])), "CITATION_NOT_THE_SUPPLIERS");
}

#[test]
fn an_account_is_linked_by_its_own_declaration_and_once() {
    let mut there = funded("there");
    let mut here = Here::knowing(&mut there, &[]);
    let own = here.chronicle.genesis.chain_id();
    let link = |receipt: &Receipt| vec![LinkForeignAccount { receipt: carried(receipt) }.into()];
    let payment = paid(&mut there, "buyer", "supplier", 100);
    assert_eq!(reason(&here.chronicle.perform("supplier", link(&payment))), "FOREIGN_ACCOUNT_NOT_DECLARED");
    let elsewhere = declared(&mut there, "supplier", ChainId([1; 32]));
    assert_eq!(reason(&here.chronicle.perform("supplier", link(&elsewhere))), "FOREIGN_ACCOUNT_NOT_DECLARED");
    let good = declared(&mut there, "supplier", own);
    assert_eq!(reason(&here.chronicle.perform("buyer", link(&good))), "FOREIGN_ACCOUNT_NOT_DECLARED");
    // The buyer there lends its record to the supplier here.
    let declare = DeclareForeignAccount { network: own, account: id("supplier") };
    there.make("buyer", vec![declare.into()]);
    let differs = here.chronicle.perform("supplier", link(&newest(&there)));
    assert_eq!(reason(&differs), "FOREIGN_LEGAL_ENTITY_DIFFERS");
    let entity = field(&differs, "foreign_legal_entity_id");
    assert_eq!(entity, Some(Value::Text("HKBR:BUYER".to_owned())));
    here.chronicle.make("supplier", link(&good));
    assert_eq!(reason(&here.chronicle.perform("supplier", link(&good))), "FOREIGN_ACCOUNT_LINKED");
    // The same account there for another account here, of the same company.
    there.make("supplier", vec![DeclareForeignAccount { network: own, account: id("supplier-2") }.into()]);
    let taken = here.chronicle.perform("supplier-2", link(&newest(&there)));
    assert_eq!(reason(&taken), "FOREIGN_ACCOUNT_LINKED");
    assert_eq!(field(&taken, "account"), Some(Value::Account(id("supplier"))));
    let by_nobody = here.chronicle.perform("maker", link(&good));
    assert_eq!(reason(&by_nobody), "LEGAL_ENTITY_REQUIRED");
    assert_eq!(reason(&here.chronicle.perform("buyer", link(&garbled(&good)))), "FOREIGN_RECEIPT_UNPROVEN");
}

fn garbled(receipt: &Receipt) -> Receipt {
    let mut garbled = receipt.clone();
    garbled.header.reserves_root.0[0] ^= 1;
    garbled
}

#[test]
fn receipts_are_few_and_small() {
    let mut there = funded("there");
    let good = paid(&mut there, "buyer", "supplier", 100);
    let here = Here::knowing(&mut there, &[]);
    let with = |foreign_receipts: Vec<Bytes>| RequestFinancing { foreign_receipts, ..here.asking(&[]) }.check();
    let sized = |bytes: usize| Bytes::from(vec![0; bytes]);
    assert!(with(vec![sized(FOREIGN_RECEIPT_BYTES_MAX); FOREIGN_RECEIPTS_MAX]).is_ok());
    let error = with(vec![carried(&good); FOREIGN_RECEIPTS_MAX + 1]).expect_err("one too many");
    assert_eq!((error.field.as_str(), error.why.as_str()), ("foreign_receipts", "there must be at most 4"));
    let error = with(vec![carried(&good), sized(FOREIGN_RECEIPT_BYTES_MAX + 1)]).expect_err("a byte too many");
    assert_eq!(error.field, "foreign_receipts[1]");
    assert_eq!(LinkForeignAccount { receipt: sized(0) }.check().expect_err("empty").field, "receipt");
    assert_eq!(LinkForeignAccount { receipt: sized(15_361) }.check().expect_err("large").field, "receipt");
}

/// Validators that were not registered are believed over the handovers from those that were, or once they are registered.
#[test]
fn validators_change_and_receipts_say_how() {
    let (mut there, handed_over, _) = handed_over();
    let mut here = Here::knowing(&mut there, &BOTH);
    let record = RecordRequired { count_min: 1, ..RecordRequired::default() };
    here.programme = publish(&mut here.chronicle, record, vec![there.genesis.chain_id()]);
    let without = Receipt { handovers: Vec::new(), ..handed_over.clone() };
    assert_eq!(reason(&here.request(&[&without])), "FOREIGN_VALIDATORS_UNKNOWN");
    let mut forged = handed_over.clone();
    forged.handovers[0].certificate = certificate(&forged.handovers[0].header, &NODES, &[0, 1]);
    assert_eq!(reason(&here.request(&[&forged])), "FOREIGN_RECEIPT_UNPROVEN");
    let before = there.receipt(7, 0, 7);
    here.govern(RegisterNetwork { validators: successors(), ..registration(&there) });
    assert_eq!(reason(&here.request(&[&before])), "FOREIGN_VALIDATORS_UNKNOWN", "keys that retired count no longer");
    assert_eq!(reason(&here.request(&[&handed_over])), "APPLIED", "what led up to those registered is passed over");
    let mut here = Here::knowing(&mut there, &BOTH);
    let record = RecordRequired { count_min: 1, ..RecordRequired::default() };
    here.programme = publish(&mut here.chronicle, record, vec![there.genesis.chain_id()]);
    assert_eq!(reason(&here.request(&[&handed_over])), "APPLIED");
}
