//! Placing, accepting and cancelling orders, and changing agreed ones.

use super::key::{committed_pair, legal_entities_of};
use super::life_cycle::OrderStep;
use super::order::{Order, OrderTerms, order};
use super::registered::{DocumentKind, RegisteredDocument};
use crate::domain::tokens;
use crate::ledger::context::{open_account, require_role};
use crate::ledger::{Changes, Context, Effect, Malformed, Reason, Role};
use crate::primitives::ids::ObjectKind;
use crate::primitives::{AccountId, Currency, Hash, ObjectId, TokenId};

/// Places an order. The sender is its buyer; it is agreed once the supplier accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceOrder {
    /// Who is to deliver.
    pub supplier: AccountId,
    /// The token in which its invoices are paid.
    pub token: TokenId,
    /// The order's currency: the token's.
    pub currency: Currency,
    /// The keyed fingerprint of its number.
    pub fingerprint: Hash,
    /// The terms.
    pub terms: OrderTerms,
}

impl PlaceOrder {
    /// Holds the operation to its static bounds.
    ///
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), Malformed> {
        self.terms.check().map_err(|malformed| malformed.within("terms"))
    }

    /// Plans the order.
    ///
    /// # Errors
    /// `UNKNOWN_ACCOUNT`, `ACCOUNT_CLOSED`, `MISSING_SIGNATURE`, `ROLE_REQUIRED`, `UNKNOWN_TOKEN`, `CURRENCY_MISMATCH`,
    /// `DELIVERY_DATE_PASSED`, `LEGAL_ENTITY_REQUIRED`, `SAME_LEGAL_ENTITY`, `FINGERPRINT_KEY_NOT_COMMITTED`,
    /// `ORDER_ALREADY_PLACED`, `ALREADY_EXISTS`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let (supplier, buyer, fingerprint) = (self.supplier, context.sender, self.fingerprint);
        let buyer_account = context.signed_in_role(changes, buyer, Role::Merchant)?;
        let supplier_account = open_account(changes, supplier)?;
        require_role(supplier, &supplier_account, Role::Merchant)?;
        tokens::known_in(changes, self.token, self.currency)?;
        self.terms.require_deliverable(context.now)?;
        let pair = committed_pair(changes, (supplier, &supplier_account), (buyer, &buyer_account))?;
        let registered = (pair, (DocumentKind::Order, fingerprint));
        if let Some(RegisteredDocument { object }) = changes.read(&registered) {
            return Err(Reason::OrderAlreadyPlaced { fingerprint, order: object });
        }
        // A request id can return once it is forgotten, and the order's id with it.
        let id = context.object_id(ObjectKind::Order);
        if changes.has::<Order>(&id) {
            return Err(Reason::AlreadyExists { object: id });
        }
        let placed = Order::placed((buyer, supplier), self.token, fingerprint, self.terms, context.now);
        RegisteredDocument { object: id }.register(&registered, changes);
        changes.put(&id, &placed);
        let mut placing = Effect::new("trade.order_placed")
            .with("order", id)
            .with("buyer", buyer)
            .with("supplier", supplier)
            .with("token", self.token)
            .with("amount", self.terms.amount)
            .with("fingerprint", fingerprint)
            .with("document_commitment", self.terms.document_commitment)
            .with("line_count", self.terms.line_count)
            .with("confirmation_days", self.terms.confirmation_days)
            .with("silence", self.terms.silence.name())
            .with("state", placed.state().name());
        if let Some(deliver_by) = self.terms.deliver_by {
            placing = placing.with("deliver_by", deliver_by);
        }
        if let Some(payment_days) = self.terms.payment_days {
            placing = placing.with("payment_days", payment_days);
        }
        changes.record(placing);
        Ok(())
    }
}

/// Accepts an order as it was placed. The sender is its supplier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptOrder {
    /// The order.
    pub order: ObjectId,
}

impl AcceptOrder {
    /// Holds the operation to its static bounds, of which there are none beyond its types.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }

    /// Plans the agreement.
    ///
    /// # Errors
    /// `UNKNOWN_ORDER`, `NOT_A_PARTY_TO_THE_ORDER`, those of [`Context::signed_by`], `OWN_PROPOSAL`, `ORDER_NOT_OPEN`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let id = self.order;
        let mut found = order(changes, id)?;
        if found.party(id, context, changes)? == found.buyer {
            return Err(Reason::OwnProposal { order: id });
        }
        let before = found.state();
        found.take(id, OrderStep::Accept)?;
        changes.put(&id, &found);
        changes.record(
            Effect::new("trade.order_accepted")
                .with("order", id)
                .with("buyer", found.buyer)
                .with("supplier", found.supplier)
                .with("amount", found.terms.amount)
                .with("document_commitment", found.terms.document_commitment)
                .with("state_before", before.name())
                .with("state", found.state().name()),
        );
        Ok(())
    }
}

/// Proposes other terms for an agreed order, in place of what was proposed before. The sender is one of its parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProposeOrderChange {
    /// The order.
    pub order: ObjectId,
    /// All of its terms, as they would be.
    pub terms: OrderTerms,
}

impl ProposeOrderChange {
    /// Holds the operation to its static bounds.
    ///
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), Malformed> {
        self.terms.check().map_err(|malformed| malformed.within("terms"))
    }

    /// Plans the proposal.
    ///
    /// # Errors
    /// `UNKNOWN_ORDER`, `NOT_A_PARTY_TO_THE_ORDER`, those of [`Context::signed_by`], `ORDER_NOT_OPEN`,
    /// `DELIVERY_DATE_PASSED`, `AMOUNT_BELOW_INVOICED`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let (id, terms) = (self.order, self.terms);
        let mut found = order(changes, id)?;
        let proposer = found.party(id, context, changes)?;
        // What is delivered already keeps its date; another one lies ahead.
        if terms.deliver_by != found.terms.deliver_by {
            terms.require_deliverable(context.now)?;
        }
        let number = found.propose(id, proposer, terms)?;
        changes.put(&id, &found);
        let mut proposal = Effect::new("trade.order_change_proposed")
            .with("order", id)
            .with("buyer", found.buyer)
            .with("supplier", found.supplier)
            .with("proposer", proposer)
            .with("number", number)
            .with("amount", terms.amount)
            .with("document_commitment", terms.document_commitment)
            .with("line_count", terms.line_count)
            .with("confirmation_days", terms.confirmation_days)
            .with("silence", terms.silence.name());
        if let Some(deliver_by) = terms.deliver_by {
            proposal = proposal.with("deliver_by", deliver_by);
        }
        if let Some(payment_days) = terms.payment_days {
            proposal = proposal.with("payment_days", payment_days);
        }
        changes.record(proposal);
        Ok(())
    }
}

/// Accepts the other party's proposal of other terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptOrderChange {
    /// The order.
    pub order: ObjectId,
    /// The proposal's number. One that was replaced meanwhile is not what was read and signed.
    pub number: u32,
}

impl AcceptOrderChange {
    /// Holds the operation to its static bounds, of which there are none beyond its types.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }

    /// Plans the change.
    ///
    /// # Errors
    /// `UNKNOWN_ORDER`, `NOT_A_PARTY_TO_THE_ORDER`, those of [`Context::signed_by`], `ORDER_NOT_OPEN`,
    /// `ORDER_CHANGE_NOT_PROPOSED`, `OWN_PROPOSAL`, `AMOUNT_BELOW_INVOICED`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let id = self.order;
        let mut found = order(changes, id)?;
        let by = found.party(id, context, changes)?;
        let amount_before = found.terms.amount;
        found.accept_change(id, self.number, by)?;
        changes.put(&id, &found);
        changes.record(
            Effect::new("trade.order_changed")
                .with("order", id)
                .with("buyer", found.buyer)
                .with("supplier", found.supplier)
                .with("number", self.number)
                .with("version", found.version)
                .with("amount_before", amount_before)
                .with("amount", found.terms.amount)
                .with("document_commitment", found.terms.document_commitment),
        );
        Ok(())
    }
}

/// Cancels an order. The sender is one of its parties; once it is agreed, both sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CancelOrder {
    /// The order.
    pub order: ObjectId,
}

impl CancelOrder {
    /// Holds the operation to its static bounds, of which there are none beyond its types.
    ///
    /// # Errors
    /// None.
    pub fn check(&self) -> Result<(), Malformed> {
        Ok(())
    }

    /// Plans the cancellation, which frees the order's fingerprint.
    ///
    /// # Errors
    /// `UNKNOWN_ORDER`, `NOT_A_PARTY_TO_THE_ORDER`, those of [`Context::signed_by`] for either party, `ORDER_NOT_OPEN`,
    /// `ORDER_INVOICED`.
    pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
        let id = self.order;
        let mut found = order(changes, id)?;
        found.party(id, context, changes)?;
        let before = found.state();
        if found.require_agreed(id).is_ok() {
            context.signed_by(changes, found.buyer)?;
            context.signed_by(changes, found.supplier)?;
        }
        found.take(id, OrderStep::Cancel)?;
        if !found.invoiced().is_zero() {
            return Err(Reason::OrderInvoiced { order: id, invoiced: found.invoiced() });
        }
        let pair = legal_entities_of(changes, found.supplier, found.buyer)?;
        RegisteredDocument::withdraw(&(pair, (DocumentKind::Order, found.fingerprint)), changes);
        changes.put(&id, &found);
        changes.record(
            Effect::new("trade.order_cancelled")
                .with("order", id)
                .with("buyer", found.buyer)
                .with("supplier", found.supplier)
                .with("amount", found.terms.amount)
                .with("fingerprint", found.fingerprint)
                .with("state_before", before.name())
                .with("state", found.state().name()),
        );
        Ok(())
    }
}
