//! The catalogue of reasons for which an operation is declined.
//!
//! # What a reason does not tell
//! Whoever sends an operation reads why it was declined, and may name in it whatever it likes. So a rule asks first whether the sender may
//! do this at all, and then how things stand; and a reason that says no to somebody names nobody else: not the buyer, the borrower or
//! the carrier in its place. Whether there is such a thing it does tell. Ids are hashes that nobody guesses, of 16 random bytes of
//! whoever made the thing, so who has one was shown it.
//!
//! Reasons stand in receipts for ever, so the catalogue is append-only: a code, once given, keeps its name and its
//! fields. `docs/reasons.md` is made from it and a test holds the two together.
//!
//! Codes go by the hundred: 1xx any operation, 2xx accounts, 3xx tokens and reserves, 4xx payments, 5xx trade,
//! 6xx financing, 7xx the lender's rules and, from 740 on, other networks, 8xx validators and observers.

use super::outcome::Value;
use crate::primitives::{AccountId, Amount, BlockTime, Hash, ObjectId, TokenId};

/// A catalogue entry, as documentation and clients see it.
#[derive(Clone, Copy, Debug)]
pub struct ReasonEntry {
    /// The stable code.
    pub code: u16,
    /// The stable name.
    pub name: &'static str,
    /// What it means and what to do.
    pub explanation: &'static str,
    /// The names of its fields.
    pub fields: &'static [&'static str],
}

macro_rules! reasons {
    ($($code:literal $name:literal $variant:ident { $($field:ident: $type:ty),* $(,)? } $explanation:literal;)*) => {
        /// Why an operation was declined, with the figures that decided it.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Reason {
            $(#[doc = $explanation] $variant { $(#[allow(missing_docs)] $field: $type),* },)*
        }

        impl Reason {
            /// Every reason, in the order of its code.
            pub const CATALOGUE: &'static [ReasonEntry] = &[$(ReasonEntry {
                code: $code,
                name: $name,
                explanation: $explanation,
                fields: &[$(stringify!($field)),*],
            }),*];

            /// The stable code.
            pub const fn code(&self) -> u16 {
                match self { $(Self::$variant { .. } => $code),* }
            }

            /// The figures, by name.
            pub fn fields(&self) -> Vec<(String, Value)> {
                match self {
                    $(Self::$variant { $($field),* } => vec![
                        $((stringify!($field).to_owned(), Value::from($field.clone()))),*
                    ]),*
                }
            }
        }
    };
}

reasons! {
    100 "MISSING_SIGNATURE" MissingSignature { account: AccountId }
        "An account that the operation binds did not sign with enough of its keys. Send a new body that lists it as a co-signer, signed by it too.";
    101 "UNKNOWN_ACCOUNT" UnknownAccount { account: AccountId }
        "There is no account with this id on this ledger.";
    102 "ACCOUNT_CLOSED" AccountClosed { account: AccountId }
        "The account was closed; it neither signs nor receives.";
    103 "ROLE_REQUIRED" RoleRequired { account: AccountId, role: &'static str }
        "The account lacks the role that the operation needs.";
    104 "UNKNOWN_TOKEN" UnknownToken { token: TokenId }
        "There is no token with this id on this ledger.";
    105 "INSUFFICIENT_FUNDS" InsufficientFunds { account: AccountId, token: TokenId, required: Amount }
        "The account's available balance, which leaves out what is locked, is below what the operation takes.";
    106 "AMOUNT_OVERFLOW" AmountOverflow { token: TokenId }
        "A balance or the circulation would exceed the largest amount that the ledger can hold.";
    107 "ALREADY_EXISTS" AlreadyExists { object: ObjectId }
        "Something with this id exists already. Use a fresh request id.";
    108 "SAME_ACCOUNT" SameAccount { account: AccountId }
        "The operation needs two different accounts.";

    200 "ACCOUNT_EXISTS" AccountExists { account: AccountId }
        "An account with this id exists already. Use a fresh request id.";
    201 "ROLE_NOT_GRANTABLE" RoleNotGrantable { role: &'static str }
        "The account that opens may not grant this role.";
    202 "ACCOUNT_TOO_DEEP" AccountTooDeep { depth_max: u64 }
        "Accounts under accounts go no deeper than this.";
    203 "ACCOUNT_NOT_EMPTY" AccountNotEmpty { token: TokenId, available: Amount, locked: Amount }
        "An account is closed only when it holds nothing. Move or redeem what is left first.";
    204 "NOT_THE_PARENT" NotTheParent { account: AccountId }
        "Only the account itself, or the institution above it, may do this.";
    205 "ACCOUNT_IN_OFFICE" AccountInOffice { account: AccountId, role: &'static str }
        "Token holders rely on issuers and custodians, so their accounts are not closed.";
    206 "ACCOUNT_HAS_OPEN_CLAIMS" AccountHasOpenClaims { account: AccountId, open: u64 }
        "The account owes on invoices, or is still to be paid on them. They end by being paid, withdrawn or rejected. So many are open, counted up to 16.";
    207 "ACCOUNT_HAS_ACCOUNTS_UNDER_IT" AccountHasAccountsUnderIt { account: AccountId, open: u64 }
        "Accounts under this one are open, and nobody else stands above them. Close them first. So many are open, counted up to 16.";
    208 "LEGAL_ENTITY_TAKEN" LegalEntityTaken { legal_entity_id: String }
        "Accounts of this legal entity are opened by whoever opened the first. Else an open account of it vouches: name it and have it sign.";
    209 "NEW_KEYS_DID_NOT_SIGN" NewKeysDidNotSign { account: AccountId }
        "Too few of the account's new keys signed, so they may be mistyped, or another's. Sign with as many of them as will have to, besides the sender.";
    210 "ACCOUNT_HAS_OPEN_LOANS" AccountHasOpenLoans { account: AccountId, open: u64 }
        "The account made or had loans that have not ended. They end by being repaid, or recovered after a write-off. So many are open, counted up to 16.";

    300 "TOKEN_EXISTS" TokenExists { token: TokenId }
        "A token with this id exists already.";
    301 "NOT_THE_ISSUER" NotTheIssuer {}
        "Only the token's issuer, or the makers and checkers under it, may do this.";
    302 "NOT_THE_CUSTODIAN" NotTheCustodian { token: TokenId, custodian: AccountId }
        "Only the token's custodian attests its reserves.";
    303 "ATTESTATION_NOT_NEWER" AttestationNotNewer { latest_as_of: BlockTime, as_of: BlockTime }
        "An attestation with this or a later as-of time stands already.";
    304 "ATTESTATION_FROM_THE_FUTURE" AttestationFromTheFuture { as_of: BlockTime, now: BlockTime }
        "The attestation's as-of time lies after the block's.";
    305 "ATTESTATION_TOO_OLD" AttestationTooOld { as_of: BlockTime, age_ms_max: u64 }
        "The attestation is older than the token's policy counts.";
    306 "ASSET_NOT_ELIGIBLE" AssetNotEligible { asset_index: u64, rule: &'static str }
        "An asset breaks the token's reserve policy: its class, its maturity or its haircut.";
    307 "RESERVE_SHORTFALL" ReserveShortfall { reserves_counted: Amount, circulation: Amount, requested: Amount }
        "The issuance would take circulation above the reserves counted. A fresh attestation of more reserves makes room.";
    308 "UNKNOWN_ISSUANCE" UnknownIssuance { issuance: ObjectId }
        "There is no issuance with this id.";
    309 "ISSUANCE_DECIDED" IssuanceDecided { issuance: ObjectId }
        "The issuance was approved or rejected before.";
    310 "SAME_PERSON" SamePerson { account: AccountId }
        "Whoever requests an issuance may not approve it: the two accounts must differ and share no key.";
    311 "ISSUANCE_EXPIRED" IssuanceExpired { issuance: ObjectId, expired_at: BlockTime }
        "The issuance request's time to be approved has passed. Request it again.";
    312 "UNKNOWN_REDEMPTION" UnknownRedemption { redemption: ObjectId }
        "There is no redemption with this id.";
    313 "REDEMPTION_SETTLED" RedemptionSettled { redemption: ObjectId }
        "The redemption was paid or rejected before.";
    314 "TOO_MANY_TOKENS" TooManyTokens { tokens_max: u64 }
        "The ledger carries no more tokens than this.";
    315 "TIME_OUT_OF_RANGE" TimeOutOfRange { time: BlockTime }
        "The time lies beyond what the ledger can reckon with.";
    316 "TOO_MANY_TOKENS_OF_ISSUER" TooManyTokensOfIssuer { issuer: AccountId, tokens_max: u64 }
        "The issuer has created as many tokens as one may, so that there is room for others'. A token stays on the ledger for good.";

    500 "UNKNOWN_RECEIVABLE" UnknownReceivable { receivable: ObjectId }
        "There is no receivable with this id.";
    501 "INVOICE_ALREADY_REGISTERED" InvoiceAlreadyRegistered { fingerprint: Hash, receivable: ObjectId }
        "This invoice is on the ledger already, as the receivable named. An invoice becomes a receivable once.";
    502 "NOT_THE_BUYER" NotTheBuyer { receivable: ObjectId }
        "Only the invoice's buyer may confirm, reject or pay it.";
    503 "NOT_THE_SUPPLIER" NotTheSupplier { receivable: ObjectId }
        "Only the invoice's supplier may do this.";
    504 "RECEIVABLE_NOT_OPEN" ReceivableNotOpen { receivable: ObjectId, state: &'static str }
        "The receivable is in the state named, in which this cannot be done. One that is settled, split, withdrawn or rejected has ended.";
    505 "FINGERPRINT_KEY_NOT_COMMITTED" FingerprintKeyNotCommitted { supplier: AccountId, buyer: AccountId }
        "The supplier and the buyer have not committed a fingerprint key yet. Commit one first, signed by both.";
    506 "FINGERPRINT_KEY_EXISTS" FingerprintKeyExists { commitment: Hash }
        "Documents of the pair of legal entities, supplier to buyer, stand under its present fingerprint key, so it is not committed anew.";
    507 "LEGAL_ENTITY_REQUIRED" LegalEntityRequired { account: AccountId }
        "The account names no legal entity. Invoices are between legal entities, and so are links to accounts of other networks.";
    508 "CURRENCY_MISMATCH" CurrencyMismatch { token: TokenId, token_currency: String, invoice_currency: String }
        "The token is not pegged to the document's currency.";
    509 "DUE_DATE_PASSED" DueDatePassed { due_at: BlockTime, now: BlockTime }
        "The invoice's due date lies before the block's time.";
    510 "FINGERPRINT_REGISTERED" FingerprintRegistered { fingerprint: Hash, receivable: ObjectId }
        "Absence cannot be certified: the fingerprint is on the ledger.";
    511 "SAME_LEGAL_ENTITY" SameLegalEntity { supplier: AccountId, buyer: AccountId }
        "Both accounts are of one legal entity, which cannot invoice itself.";
    512 "SECURED_EXCEEDS_OUTSTANDING" SecuredExceedsOutstanding { secured: Amount, outstanding: Amount }
        "A loan would claim more of the receivable than is still owed on it.";
    513 "ISSUE_DATE_IN_THE_FUTURE" IssueDateInTheFuture { issued_on: String, now: BlockTime }
        "The document states a day of issue that lies more than a day after the block's time.";
    514 "UNKNOWN_ORDER" UnknownOrder { order: ObjectId }
        "There is no order with this id.";
    515 "ORDER_ALREADY_PLACED" OrderAlreadyPlaced { fingerprint: Hash, order: ObjectId }
        "An order of this number is on the ledger already, as the one named.";
    516 "NOT_A_PARTY_TO_THE_ORDER" NotAPartyToTheOrder { order: ObjectId }
        "Only the order's buyer and its supplier may do this.";
    517 "ORDER_NOT_OPEN" OrderNotOpen { order: ObjectId, state: &'static str }
        "The order is in a state in which this cannot be done: not agreed yet, agreed before, or cancelled.";
    518 "DELIVERY_DATE_PASSED" DeliveryDatePassed { deliver_by: BlockTime, now: BlockTime }
        "The order's delivery date lies before the block's time.";
    519 "ORDER_CHANGE_NOT_PROPOSED" OrderChangeNotProposed { order: ObjectId, number: u64 }
        "No change of this number waits to be accepted: it was accepted before, or another was proposed in its place.";
    520 "OWN_PROPOSAL" OwnProposal { order: ObjectId }
        "Whoever proposes does not accept: the other party does.";
    521 "AMOUNT_BELOW_INVOICED" AmountBelowInvoiced { amount: Amount, invoiced: Amount }
        "More than this is invoiced under the order already. Credit or withdraw invoices first.";
    522 "ORDER_INVOICED" OrderInvoiced { order: ObjectId, invoiced: Amount }
        "Invoices under the order stand, so it is not cancelled. Change it to what was delivered instead.";
    523 "ORDER_MISMATCH" OrderMismatch { order: ObjectId, field: &'static str }
        "The invoice's supplier, buyer or token is not the order's.";
    524 "ORDER_AMOUNT_EXCEEDED" OrderAmountExceeded { order: ObjectId, amount: Amount, left: Amount }
        "The invoice is over more than what is left of the order's amount.";
    525 "DUE_DATE_OUTSIDE_TERMS" DueDateOutsideTerms { due_at: BlockTime, earliest: BlockTime, latest: BlockTime }
        "The invoice is not due on the day that the order's payment terms give.";
    526 "CONFIRMATION_TERM_PASSED" ConfirmationTermPassed { receivable: ObjectId, confirm_by: BlockTime, now: BlockTime }
        "The term within which the buyer could dispute or reject the invoice is over, and by the order its silence confirms.";
    527 "DISPUTE_EXCEEDS_OUTSTANDING" DisputeExceedsOutstanding { amount: Amount, outstanding: Amount }
        "More is disputed than what is left of the invoice.";
    528 "CREDIT_NOTE_ALREADY_REGISTERED" CreditNoteAlreadyRegistered { fingerprint: Hash, receivable: ObjectId }
        "This credit note is on the ledger already, on the receivable named.";
    529 "CREDIT_EXCEEDS_UNFINANCED" CreditExceedsUnfinanced { credit: Amount, outstanding: Amount, secured: Amount }
        "A credit note takes off what is outstanding and no loan claims, and no more.";
    530 "NOT_THE_OWNER" NotTheOwner { receivable: ObjectId }
        "Only the receivable's owner may do this.";
    531 "SPLIT_SUM_MISMATCH" SplitSumMismatch { sum: Amount, outstanding: Amount }
        "The parts do not add up to what is outstanding.";
    532 "RECEIVABLE_TOO_DEEP" ReceivableTooDeep { depth_max: u64 }
        "Parts of parts go no deeper than this.";
    533 "TERM_TOO_LONG" TermTooLong { due_at: BlockTime, latest: BlockTime, months_max: u64 }
        "What is due so late after its confirmation is not split. An exception, stated, allows for up to twelve months.";
    534 "CARRIER_NOT_APPOINTED" CarrierNotAppointed { order: ObjectId, carrier: AccountId }
        "Only carriers whom a party to the order has appointed record its events.";
    535 "TOO_MANY_CARRIERS" TooManyCarriers { order: ObjectId, carriers_max: u64 }
        "The party has appointed so many carriers for the order already. The other party's places are its own.";
    536 "READ_POINT_EXISTS" ReadPointExists { read_point: Hash }
        "The carrier has registered this read point before. A retired one stays retired.";
    537 "UNKNOWN_READ_POINT" UnknownReadPoint { read_point: Hash }
        "The carrier has registered no such read point. Another carrier's is not its own.";
    538 "READ_POINT_RETIRED" ReadPointRetired { read_point: Hash, retired_at: BlockTime }
        "The read point was taken out of use, and what it is said to have read since does not count.";
    539 "EVENT_ALREADY_RECORDED" EventAlreadyRecorded { order: ObjectId, event_hash: Hash }
        "The carrier has recorded this event of the order already.";
    540 "EVENT_FROM_THE_FUTURE" EventFromTheFuture { event_time: BlockTime, now: BlockTime }
        "The event, or the declaration that one is wrong, lies more than two minutes after the block's time.";
    541 "EVENT_BEFORE_ORDER" EventBeforeOrder { event_time: BlockTime, placed_at: BlockTime }
        "The event happened before the order was placed, so it is none of the order's.";
    542 "EVENT_CONTRADICTED" EventContradicted { event_hash: Hash, rule: &'static str }
        "The event and the one named cannot both be true, by the rule named. If the other is wrong, its carrier declares it so.";
    543 "TOO_MANY_EVENTS" TooManyEvents { order: ObjectId, events_max: u64 }
        "The carrier has recorded so many events of the order already. One event tells of many objects, and another carrier has room of its own.";
    544 "UNKNOWN_EVENT" UnknownEvent { order: ObjectId, event_hash: Hash }
        "No such event of the order is recorded.";
    545 "NOT_THE_CARRIER" NotTheCarrier { event_hash: Hash }
        "Only the carrier that recorded an event declares it wrong. Another recorded this one, and the sender did not.";
    546 "EVENT_DECLARED_WRONG" EventDeclaredWrong { event_hash: Hash }
        "The event was declared wrong before.";
    547 "FINGERPRINT_KEY_MISMATCH" FingerprintKeyMismatch { key_commitment: Hash }
        "The commitment is not to the pair's fingerprint key: it committed another, or none. Under any other key every invoice is absent. Ask the pair for its key.";
    548 "CARRIER_IS_A_PARTY" CarrierIsAParty { order: ObjectId, carrier: AccountId }
        "The carrier is the order's buyer or supplier, or of the same legal entity as one of them: what it records would be their own word.";
    549 "TOO_MANY_FINGERPRINT_KEYS" TooManyFingerprintKeys { keys_max: u64 }
        "The pair has committed as many fingerprint keys as it may, one in place of another. The last one stays.";

    600 "RECEIVABLE_ALREADY_FINANCED" ReceivableAlreadyFinanced { receivable: ObjectId }
        "The receivable secures a loan. It can be financed again once that is repaid, if something of it is still owed.";
    601 "RECEIVABLE_NOT_CONFIRMED" ReceivableNotConfirmed { receivable: ObjectId }
        "The buyer has not confirmed the invoice.";
    604 "CITATION_FOREIGN" CitationForeign { citation_index: u64 }
        "The cited receipt's header is of another ledger.";
    605 "CITATION_UNPROVEN" CitationUnproven { citation_index: u64 }
        "The cited receipt's paths do not lead to this ledger's history: it is forged, or its path is too old. Fetch it anew.";
    606 "CITATION_DECLINED" CitationDeclined { citation_index: u64 }
        "The cited transaction was declined, so it settled nothing.";
    607 "CITATION_NOT_THE_SUPPLIERS" CitationNotTheSuppliers { citation_index: u64, supplier: AccountId }
        "The cited receipt paid nothing to this supplier.";
    608 "CITATION_REPEATED" CitationRepeated { citation_index: u64 }
        "The same receipt is cited twice.";
    612 "AMOUNT_EXCEEDS_OUTSTANDING" AmountExceedsOutstanding { outstanding: Amount, amount: Amount }
        "The payment is more than what is still owed on the invoice.";
    615 "UNKNOWN_PROGRAMME" UnknownProgramme { programme: ObjectId }
        "There is no programme with this id.";
    616 "PROGRAMME_CLOSED" ProgrammeClosed { programme: ObjectId }
        "The programme makes no more loans.";
    617 "NOT_THE_FINANCIER" NotTheFinancier { programme: ObjectId, financier: AccountId }
        "Only the financier that published the programme may do this.";
    618 "PARTICIPATION_EXCEEDED" ParticipationExceeded { programme: ObjectId, participation_bps_max: u64 }
        "The other lenders' shares would come to more than the programme allows, or there would be more than 8 of them.";
    619 "PROGRAMME_CONDITIONS_NOT_MET" ProgrammeConditionsNotMet { programme: ObjectId, count: u64, conditions: String }
        "The request fails conditions of the programme. Each is named, with what it must be and what was found, unless others' loans are in that.";
    620 "UNKNOWN_LOAN" UnknownLoan { loan: ObjectId }
        "There is no loan with this id.";
    621 "NOT_THE_BORROWER" NotTheBorrower { loan: ObjectId }
        "Only the loan's borrower may do this.";
    622 "NOT_THE_ORIGINATOR" NotTheOriginator { loan: ObjectId }
        "Only the financier that made the loan may do this.";
    623 "LOAN_NOT_OPEN" LoanNotOpen { loan: ObjectId, state: &'static str }
        "The loan is in a state in which this cannot be done.";
    624 "AMOUNT_EXCEEDS_OWED" AmountExceedsOwed { loan: ObjectId, owed: Amount, amount: Amount }
        "The payment is more than what is owed on the loan today.";
    625 "LOAN_NOT_LATE_ENOUGH" LoanNotLateEnough { loan: ObjectId, days_late: u64, days_late_min: u64 }
        "A loan is declared in default when it is more than 90 days late.";
    626 "LOAN_NOT_WRITTEN_OFF" LoanNotWrittenOff { loan: ObjectId, state: &'static str }
        "What comes in on a loan that was not written off is a repayment, and not a recovery.";
    627 "NOT_A_PARTICIPANT" NotAParticipant { programme: ObjectId, account: AccountId }
        "The account has no share in the loans of this programme.";
    628 "LENDER_IS_A_PARTY" LenderIsAParty { lender: AccountId, party: AccountId }
        "A lender of the programme is of the same legal entity as the borrower or the buyer, which would owe or finance itself.";

    700 "ALL_IN_COST_ABOVE_CAP" AllInCostAboveCap { cost_bps: u64, limit_bps: u64, law: String }
        "The loan's rate and fees, or its late rate, come to more a year than the law in force allows.";
    701 "OWN_SHARE_BELOW_FLOOR" OwnShareBelowFloor { share_bps: u64, limit_bps: u64, law: String }
        "The originator would lend less of its own than the law in force asks for.";
    702 "PARAMETER_NOT_LATER" ParameterNotLater { in_force_from: BlockTime, later_than: BlockTime }
        "A value of a lender's rule takes effect in the future, and after every value that was set before.";
    703 "TOO_MANY_PARAMETER_VALUES" TooManyParameterValues { values_max: u64 }
        "The rule has as many values as it can hold.";
    704 "LENDER_CAPITAL_NOT_ATTESTED" LenderCapitalNotAttested { lender: AccountId, age_days_max: u64, law: String }
        "The lender's capital is not attested in the loan's token, or the attestation is too old.";
    705 "FUNDING_ABOVE_LIMIT" FundingAboveLimit { lender: AccountId, funding: &'static str, limit_bps: u64, law: String }
        "What the lender owes, by its kind, is a higher part of its net assets than the law in force allows. The figure is the lender's, which reads it in its book.";
    706 "BORROWER_SHARE_ABOVE_LIMIT" BorrowerShareAboveLimit { lender: AccountId, limit_bps: u64, law: String }
        "What the lender would have lent to this borrower is a higher part of its net assets than the law in force allows. The figure is the lender's, which reads it in its book.";
    707 "OBLIGOR_SHARE_ABOVE_LIMIT" ObligorShareAboveLimit { lender: AccountId, limit_bps: u64, law: String }
        "What the lender would have lent on this buyer's debts is a higher part of its net assets than the law in force allows. The figure is the lender's, which reads it in its book.";
    708 "CAPITAL_ADEQUACY_BELOW_MINIMUM" CapitalAdequacyBelowMinimum { lender: AccountId, limit_bps: u64, law: String }
        "With the loan, the lender's capital would be a lower part of its risk-weighted assets than the law in force asks for. The figure is the lender's, which reads it in its book.";
    709 "LEVERAGE_RATIO_BELOW_MINIMUM" LeverageRatioBelowMinimum { lender: AccountId, limit_bps: u64, law: String }
        "With the loan, the lender's capital would be a lower part of its exposures than the law in force asks for. The figure is the lender's, which reads it in its book.";
    710 "PURPOSE_FORBIDDEN" PurposeForbidden { purpose: String, law: String }
        "The law in force forbids a loan for this purpose.";
    711 "PURPOSE_NOT_STATED" PurposeNotStated { law: String }
        "The law in force forbids purposes, so a request says what the proceeds are for.";
    712 "LENDER_NOT_ATTESTED" LenderNotAttested { lender: AccountId, rule: &'static str, law: String }
        "A rule of amounts is in force, and no auditor has attested the lender's capital in the loan's token, so nobody knows whether it is kept. The rule is named.";

    740 "UNKNOWN_NETWORK" UnknownNetwork { network: Hash }
        "No network with this chain id is registered here.";
    741 "NETWORK_RETIRED" NetworkRetired { network: Hash }
        "The network was retired; its receipts are no longer believed.";
    742 "NETWORK_IS_THIS_ONE" NetworkIsThisOne { network: Hash }
        "The chain id is this ledger's own. Its receipts are cited with their paths.";
    743 "NETWORK_NOT_ACCEPTED" NetworkNotAccepted { citation_index: u64, network: Hash }
        "The programme does not accept settlements on this network as evidence.";
    744 "FOREIGN_RECEIPT_UNPROVEN" ForeignReceiptUnproven { citation_index: u64, failed: &'static str }
        "The receipt of another network does not decode or does not verify; the check that failed is named.";
    745 "FOREIGN_VALIDATORS_UNKNOWN" ForeignValidatorsUnknown { citation_index: u64, network: Hash }
        "The receipt is certified by other validators than are registered of its network, and its handovers do not lead to them. Show one with its handovers, or have governance register the network as it is now.";
    746 "FOREIGN_ACCOUNT_NOT_DECLARED" ForeignAccountNotDeclared { network: Hash, account: AccountId }
        "The receipt is of no declaration of the network's that names this ledger and this account.";
    747 "FOREIGN_ACCOUNT_LINKED" ForeignAccountLinked { foreign_account: Hash, account: AccountId }
        "The network's account is linked already, to the account named.";
    748 "FOREIGN_LEGAL_ENTITY_DIFFERS" ForeignLegalEntityDiffers { legal_entity_id: String, foreign_legal_entity_id: String }
        "The network's account is of another legal entity than the account here.";

    800 "UNKNOWN_VALIDATOR" UnknownValidator { public_key: String }
        "No validator has this key, now or from the next epoch on.";
    801 "UNKNOWN_OBSERVER" UnknownObserver { public_key: String }
        "No observer is listed under this key.";
    802 "PEER_LISTED" PeerListed { public_key: String, standing: &'static str }
        "The key is listed already, with the standing named.";
    803 "VALIDATOR_KEY_RETIRED" ValidatorKeyRetired { public_key: String }
        "The key validated before and was taken out. What it signed then may be anywhere, so it never validates again: make a new key.";
    804 "VALIDATOR_KEY_DID_NOT_SIGN" ValidatorKeyDidNotSign { public_key: String }
        "The new validator's key did not sign, so it may be mistyped, or nobody's. Have its holder sign the transaction too.";
    805 "VALIDATOR_ADDRESS_TAKEN" ValidatorAddressTaken { address: String, public_key: String }
        "The peer named listens at this address, and two cannot.";
    806 "VALIDATOR_CHANGE_PENDING" ValidatorChangePending { public_key: String, standing: &'static str, in_force_epoch: u64 }
        "A change of this validator waits for the epoch named. Ask again once that has begun.";
    807 "TOO_FEW_VALIDATORS" TooFewValidators { validators: u64, validators_min: u64 }
        "From the next epoch on there would be fewer validators than this. Four bear the loss of one; fewer bear the loss of none.";
    808 "TOO_MANY_VALIDATORS" TooManyValidators { validators_max: u64 }
        "The ledger has no more validators than this.";
    809 "TOO_MANY_VALIDATOR_CHANGES" TooManyValidatorChanges { leaving: u64, leaving_max: u64, joining: u64, joining_max: u64 }
        "So many validators would leave, or join, at one epoch's end that those who stay make no quorum by themselves. Wait for the epoch to end.";
    810 "TOO_MANY_PEERS" TooManyPeers { peers_max: u64 }
        "The ledger lists no more validators and observers than this. Take an observer off the list first.";
    811 "PROTOCOL_VERSION_NOT_NEXT" ProtocolVersionNotNext { protocol_version: u64, protocol_version_in_force: u64 }
        "The protocol's version is raised by one at a time.";
    812 "UPGRADE_DECIDED" UpgradeDecided { protocol_version: u64, in_force_epoch: u64 }
        "The upgrade named is decided and waits for its epoch. Withdraw it, or decide again once it is in force.";
    813 "NO_UPGRADE_DECIDED" NoUpgradeDecided { protocol_version: u64 }
        "No upgrade to this version waits for its epoch. One that is in force is not taken back.";
}

impl Reason {
    /// The stable name.
    pub fn name(&self) -> &'static str {
        Self::entry(self.code()).map_or("UNKNOWN", |entry| entry.name)
    }

    /// What it means and what to do.
    pub fn explanation(&self) -> &'static str {
        Self::entry(self.code()).map_or("", |entry| entry.explanation)
    }

    /// The catalogue's entry for a code; none for a code of a later version.
    pub fn entry(code: u16) -> Option<&'static ReasonEntry> {
        Self::CATALOGUE.iter().find(|entry| entry.code == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_names_are_unique() {
        assert!(Reason::CATALOGUE.windows(2).all(|pair| pair[0].code < pair[1].code));
        let names: std::collections::BTreeSet<_> = Reason::CATALOGUE.iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), Reason::CATALOGUE.len());
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')));
    }

    /// Who is told that it may not do something is not told who may: it could be anybody that has the thing's id. What names somebody is
    /// about what everybody may read (a token's custodian, a programme's financier) or what the sender named itself.
    #[test]
    fn a_no_to_the_wrong_sender_names_nobody_else() {
        let public = ["NOT_THE_CUSTODIAN", "NOT_THE_FINANCIER", "NOT_THE_PARENT"];
        let parties = [
            "buyer",
            "supplier",
            "owner",
            "holder",
            "borrower",
            "originator",
            "lender",
            "issuer",
            "carrier",
            "account",
        ];
        let noes = Reason::CATALOGUE.iter().filter(|entry| entry.name.starts_with("NOT_THE_"));
        let mut looked_at = 0;
        for entry in noes.filter(|entry| !public.contains(&entry.name)) {
            looked_at += 1;
            let naming: Vec<_> = entry.fields.iter().filter(|field| parties.contains(field)).collect();
            assert!(naming.is_empty(), "{} tells {naming:?}", entry.name);
        }
        assert!(looked_at > 5, "{looked_at}");
    }
}
