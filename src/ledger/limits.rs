//! Limits of the ledger's rules. Every validator holds the same ones, so a change of any is a change of the protocol.
//!
//! Limits of a node's own (queues, connections, pages) are in its configuration instead.

/// Largest transaction body, in bytes: room for a financing request that cites its full number of receipts.
pub const TRANSACTION_BYTES_MAX: usize = 64 * 1024;
/// Most operations in a transaction: enough for a payroll run or a netting cycle, few enough to plan in a millisecond.
pub const OPERATIONS_MAX: usize = 64;
/// Most signatures on a transaction: every signer of eight accounts of 5-of-8 keys.
pub const SIGNATURES_MAX: usize = 64;
/// Most accounts that a body names as co-signers besides its sender: the owners of the parts that a receivable is split into,
/// and room for a deal of several otherwise.
pub const CO_SIGNERS_MAX: usize = 8;
/// Largest block, in bytes: what a 100 Mbit/s link between validators carries in a third of a second.
pub const BLOCK_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most transactions in a block: bounds the time that a vote takes, whatever the transactions' size.
pub const BLOCK_TRANSACTIONS_MAX: usize = 16_384;
/// Most work in a block, in the units of `execution/work.rs`: what a block full of plain payments takes, 32 for each, so a
/// second or less of a core. Bytes and numbers do not bound it: 40 bytes of one operation can cost what ten of another do.
pub const BLOCK_WORK_MAX: u64 = 32 * BLOCK_TRANSACTIONS_MAX as u64;
/// Longest time from a block to a transaction's expiry: how long request ids must be remembered.
pub const EXPIRY_AHEAD_MS_MAX: u64 = 24 * 60 * 60 * 1000;
/// How long past expiry a request id stays known, so that a late question is answered.
pub const REQUEST_RETENTION_MS: u64 = 60 * 60 * 1000;
/// Most due things worked off in one block, each forgotten request id counted as one; the rest wait for the next. Twice
/// what a block can add, so that the queue empties. A deadline has an outcome of its own, of which a block has at most
/// [`DUE_OUTCOMES_MAX`], and counts for as much more.
pub const DUE_PER_BLOCK_MAX: usize = 2 * BLOCK_TRANSACTIONS_MAX;
/// Most outcomes of what fell due in one block.
pub const DUE_OUTCOMES_MAX: usize = 4_096;
/// Most movements, balances or effects of one outcome, each: far above what 64 operations produce.
pub const OUTCOME_ENTRIES_MAX: usize = 4_096;
/// Most request ids that one due entry removes, so that a due entry is a bounded piece of work.
pub const REQUESTS_PER_DUE_ENTRY_MAX: usize = 256;
/// Most keys of an account.
pub const ACCOUNT_KEYS_MAX: usize = 16;
/// How far the open items of an account are counted where it is not closed for them.
pub const OPEN_ITEMS_COUNTED_MAX: usize = 16;
/// Deepest chain of accounts under accounts.
pub const ACCOUNT_DEPTH_MAX: usize = 8;
/// Longest free text (a purpose's narrative, a bank's reference), in bytes: ISO 20022's `Max140Text`.
pub const TEXT_BYTES_MAX: usize = 140;
/// Longest identifier of the parties' own (an end-to-end id, an invoice number), in bytes: ISO 20022's `Max35Text`.
pub const REFERENCE_BYTES_MAX: usize = 35;
/// Most invoice references of one payment.
pub const INVOICE_REFERENCES_MAX: usize = 16;
/// Most assets in one reserve attestation.
pub const RESERVE_ASSETS_MAX: usize = 64;
/// Longest time that an attestation may count: a policy that lets one stand for more than a year attests nothing.
pub const ATTESTATION_AGE_MS_MAX: u64 = 366 * 24 * 60 * 60 * 1000;
/// How many payments of redemptions are told apart until an attestation covers them; past it, neighbours are taken as one.
pub const PAYOUTS_KEPT_MAX: usize = 64;
/// Most business days within which a redemption is due.
pub const REDEMPTION_BUSINESS_DAYS_MAX: u32 = 30;
/// Most decimals of a token's unit.
pub const TOKEN_SCALE_MAX: u32 = 8;
/// Most allocations of one issuance.
pub const ISSUANCE_ALLOCATIONS_MAX: usize = 16;
/// Most receipts that one financing request cites.
pub const CITATIONS_MAX: usize = 16;
/// Most receipts of other networks that one financing request carries: each brings its certificate, of up to 100 signatures.
pub const FOREIGN_RECEIPTS_MAX: usize = 4;
/// Largest receipt of another network, in bytes: four fit a transaction. One by 100 validators has 5 KiB and its transaction,
/// and 8 KiB more for each handover.
pub const FOREIGN_RECEIPT_BYTES_MAX: usize = 15 * 1024;
/// Most networks whose receipts a programme accepts.
pub const PROGRAMME_NETWORKS_MAX: usize = 8;
/// Most tokens of another network that are taken for tokens here.
pub const NETWORK_TOKENS_MAX: usize = 16;
/// Most lines of an order: what an `u16` counts, since nothing here grows with them.
pub const ORDER_LINES_MAX: u16 = u16::MAX;
/// Most days within which a buyer confirms or disputes an invoice.
pub const CONFIRMATION_DAYS_MAX: u16 = 180;
/// Most days after which an order has its invoices due.
pub const PAYMENT_DAYS_MAX: u16 = 366;
/// Most carriers and warehouses that one party appoints for an order: neither takes the other's places.
pub const CARRIERS_PER_PARTY_MAX: usize = 4;
/// Most events of one order that one carrier records, so that none takes another's room. One event tells of many objects.
pub const EVENTS_PER_CARRIER_MAX: usize = 32;
/// Most events of one order: each that is recorded is held against all of them.
pub const EVENTS_PER_ORDER_MAX: usize = 2 * CARRIERS_PER_PARTY_MAX * EVENTS_PER_CARRIER_MAX;
/// Farthest that an event's time may lie ahead of the block's: what a reader's clock may be wrong by.
pub const EVENT_AHEAD_MS_MAX: u64 = 2 * 60 * 1000;
/// How many days apart two invoices of one amount may be and still look like one that is registered twice: terms of weekly
/// deliveries lie within, of monthly ones outside.
pub const NEAR_DUPLICATE_DAYS: u32 = 14;
/// Most parts of one split: their owners sign, and so many a body can name.
pub const SPLIT_PARTS_MAX: usize = CO_SIGNERS_MAX;
/// Most keys that a pair commits, one in place of another: who loses a key finds it or keeps the next, and each costs every validator
/// a block's room for ever. What is under the last one stays as it is.
pub const FINGERPRINT_KEYS_MAX: u16 = 16;
/// Most splits between an invoice and a part of it: tiers of suppliers.
pub const SPLIT_DEPTH_MAX: u8 = 6;
/// Longest that what is split may be due after its confirmation, in months.
pub const TERM_MONTHS_MAX: u8 = 6;
/// The same where the split states an exception.
pub const TERM_EXCEPTION_MONTHS_MAX: u8 = 12;
/// Most buyers, and most suppliers, that a programme names.
pub const PROGRAMME_PARTIES_MAX: usize = 64;
/// Most financiers that lend under a programme besides its publisher: each is a leg of every disbursement and repayment.
pub const PROGRAMME_PARTICIPANTS_MAX: usize = 8;
/// Most purposes that a programme permits.
pub const PROGRAMME_PURPOSES_MAX: usize = 16;
/// Longest tenor, and most days of grace, of a programme: ten years.
pub const PROGRAMME_DAYS_MAX: u32 = 3_653;
/// Most purposes that a law forbids at one time.
pub const FORBIDDEN_PURPOSES_MAX: usize = 64;
/// Most values of one of the lender's rules: past ones stay, so a change in each month of five years.
pub const PARAMETER_VALUES_MAX: usize = 64;
/// Most tokens on one ledger: each block carries a reserve line for each.
pub const TOKENS_MAX: usize = 256;
/// Most tokens of one issuer: none takes the room of the others, and eight have as many as they may.
pub const TOKENS_PER_ISSUER_MAX: usize = 32;
/// How many history roots state keeps, so how many blocks a citation's path stays usable.
pub const HISTORY_ROOTS_KEPT: u64 = 65_536;
/// Most validators and observers together: a node keeps queues for all of them.
pub const PEERS_MAX: usize = 200;
/// A ledger of so many validators keeps so many: fewer bear the loss of none.
pub const VALIDATORS_KEPT_MIN: usize = 4;
/// Farthest that a block's time may lie ahead of a validator's clock before it waits with its vote.
pub const CLOCK_AHEAD_MS_MAX: u64 = 500;
