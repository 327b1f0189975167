//! Totals: what is to be paid, and whether the figures before it lead there.
//!
//! # The sums
//! | figure | is |
//! |---|---|
//! | `cbc:LineExtensionAmount` | the sum of the lines' |
//! | `cbc:AllowanceTotalAmount`, `cbc:ChargeTotalAmount` | the sum of the document's `cac:AllowanceCharge` of that kind, if it has any |
//! | `cbc:TaxExclusiveAmount` | lines - allowances + charges |
//! | `cbc:TaxInclusiveAmount` | that + the document's `cac:TaxTotal` |
//! | `cbc:PayableAmount` | that - `cbc:PrepaidAmount` + `cbc:PayableRoundingAmount` |
//!
//! The rounding counts once: some count it into `cbc:TaxInclusiveAmount` already. An order may leave the tax out of what it
//! anticipates. A figure that is not there is not checked, but what follows from it is.

use super::lines::UblLine;
use super::place::Place;
use super::{Decimal, UblError};
use crate::primitives::Currency;

/// A document's totals, each if the document says it, in the document's currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UblTotals {
    /// The lines without tax, allowances and charges.
    pub lines: Option<Decimal>,
    /// What is taken off for the whole document.
    pub allowances: Option<Decimal>,
    /// What is put on for the whole document.
    pub charges: Option<Decimal>,
    /// Without tax.
    pub tax_exclusive: Option<Decimal>,
    /// The tax.
    pub tax: Option<Decimal>,
    /// With tax.
    pub tax_inclusive: Option<Decimal>,
    /// What was paid before.
    pub prepaid: Option<Decimal>,
    /// What it was rounded by.
    pub rounding: Option<Decimal>,
    /// What is to be paid.
    pub payable: Decimal,
}

/// Whose totals they are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TotalsOf {
    /// An order's, which may anticipate less than all.
    Order,
    /// An invoice's or a credit note's.
    Invoice,
}

impl UblTotals {
    /// Reads the totals in `element` and holds them to each other and to the lines.
    pub(super) fn read(
        document: &Place<'_>,
        element: &str,
        of: TotalsOf,
        currency: Currency,
        lines: Option<&[UblLine]>,
    ) -> Result<Self, Vec<UblError>> {
        let place = document.child(element).map_err(|fault| vec![fault])?;
        let place = place.ok_or_else(|| vec![UblError::Missing { path: document.path_of(element) }])?;
        let totals = Self::stated(document, &place, of, currency).map_err(|fault| vec![fault])?;
        let mut faults = Vec::new();
        let mut check = |checked: Result<(), UblError>| faults.extend(checked.err());
        if let Some(lines) = lines {
            check(totals.check_lines(&place, lines));
        }
        check(totals.check_allowances(document, &place, currency));
        check(totals.check_payable(&place, of));
        if faults.is_empty() { Ok(totals) } else { Err(faults) }
    }

    fn stated(document: &Place<'_>, place: &Place<'_>, of: TotalsOf, currency: Currency) -> Result<Self, UblError> {
        let amount = |name: &str| place.amount_of(name, currency);
        let payable = place.required_amount("cbc:PayableAmount", currency)?;
        let lines = match of {
            TotalsOf::Invoice => Some(place.required_amount("cbc:LineExtensionAmount", currency)?),
            TotalsOf::Order => amount("cbc:LineExtensionAmount")?,
        };
        if payable.is_negative() {
            let (path, value) = (place.path_of("cbc:PayableAmount"), payable.to_string());
            let advice = "whoever sends it owes it, so nobody else does; send the opposite document instead";
            return Err(UblError::Negative { path, value, advice });
        }
        Ok(Self {
            lines,
            allowances: amount("cbc:AllowanceTotalAmount")?,
            charges: amount("cbc:ChargeTotalAmount")?,
            tax_exclusive: amount("cbc:TaxExclusiveAmount")?,
            tax: Self::tax(document, currency)?,
            tax_inclusive: amount("cbc:TaxInclusiveAmount")?,
            prepaid: amount("cbc:PrepaidAmount")?,
            rounding: amount("cbc:PayableRoundingAmount")?,
            payable,
        })
    }

    /// The tax in the document's currency. A second total in the currency that tax is accounted in is the same tax again.
    fn tax(document: &Place<'_>, currency: Currency) -> Result<Option<Decimal>, UblError> {
        let accounted = document.currency_of("cbc:TaxCurrencyCode")?.filter(|accounted| *accounted != currency);
        let mut sum = None;
        for total in document.children("cac:TaxTotal") {
            let Some(amount) = total.child("cbc:TaxAmount")? else { continue };
            if accounted == Some(amount.amount_currency()?) {
                continue;
            }
            let tax = amount.amount(currency)?;
            let path = || UblError::Unsummable { path: amount.path.clone() };
            sum = Some(sum.unwrap_or(Decimal::ZERO).checked_add(tax).ok_or_else(path)?);
        }
        Ok(sum)
    }

    fn check_lines(&self, place: &Place<'_>, lines: &[UblLine]) -> Result<(), UblError> {
        let (Some(stated), Some(amounts)) =
            (self.lines, lines.iter().map(|line| line.amount).collect::<Option<Vec<_>>>())
        else {
            return Ok(());
        };
        let path = place.path_of("cbc:LineExtensionAmount");
        let sum =
            if amounts.len() == 1 { "the line".to_owned() } else { format!("the sum of the {} lines", amounts.len()) };
        must_be(path, stated, sum, add(&amounts))
    }

    fn check_allowances(&self, document: &Place<'_>, place: &Place<'_>, currency: Currency) -> Result<(), UblError> {
        let mut listed: [Vec<Decimal>; 2] = [Vec::new(), Vec::new()];
        for entry in document.children("cac:AllowanceCharge") {
            let indicator = entry.required_text("cbc:ChargeIndicator")?;
            let amount = entry.required_amount("cbc:Amount", currency)?;
            match indicator.as_str() {
                "false" | "0" => listed[0].push(amount),
                "true" | "1" => listed[1].push(amount),
                _ => {
                    let (path, expected) =
                        (entry.path_of("cbc:ChargeIndicator"), "true for a charge, false for an allowance");
                    return Err(UblError::Invalid { path, value: indicator, expected });
                }
            }
        }
        let totals = [
            ("cbc:AllowanceTotalAmount", self.allowances, "allowances"),
            ("cbc:ChargeTotalAmount", self.charges, "charges"),
        ];
        for ((name, stated, of), amounts) in totals.into_iter().zip(listed) {
            if !amounts.is_empty() {
                let sum = format!("the sum of the document's {of}");
                // One that is listed and not totalled is nothing that what follows could be computed from.
                must_be(place.path_of(name), stated.unwrap_or(Decimal::ZERO), sum, add(&amounts))?;
            }
        }
        Ok(())
    }

    fn check_payable(&self, place: &Place<'_>, of: TotalsOf) -> Result<(), UblError> {
        let or_zero = |amount: Option<Decimal>| amount.unwrap_or(Decimal::ZERO);
        let (tax, rounding) = (or_zero(self.tax), or_zero(self.rounding));
        let from_lines =
            self.lines.map(|lines| add(&[lines, or_zero(self.allowances).negated(), or_zero(self.charges)]));
        if let (Some(stated), Some(computed)) = (self.tax_exclusive, from_lines) {
            let sum = "the lines less allowances plus charges".to_owned();
            must_be(place.path_of("cbc:TaxExclusiveAmount"), stated, sum, computed)?;
        }
        let Some(exclusive) = self.tax_exclusive.or(from_lines.flatten()) else { return Ok(()) };
        let computed = add(&[exclusive, tax]);
        let mut rounding_left = rounding;
        let inclusive = match self.tax_inclusive {
            None => computed,
            Some(stated) => {
                if Some(stated) == add(&[exclusive, tax, rounding]) && Some(stated) != computed {
                    rounding_left = Decimal::ZERO;
                } else {
                    let sum = "the amount without tax plus the tax".to_owned();
                    must_be(place.path_of("cbc:TaxInclusiveAmount"), stated, sum, computed)?;
                }
                Some(stated)
            }
        };
        let payable_of = |total: Decimal| add(&[total, or_zero(self.prepaid).negated(), rounding_left]);
        let untaxed =
            of == TotalsOf::Order && self.tax_inclusive.is_none() && Some(self.payable) == payable_of(exclusive);
        if untaxed {
            return Ok(());
        }
        let sum = "the total less what was prepaid, rounded as stated,".to_owned();
        must_be(place.path_of("cbc:PayableAmount"), self.payable, sum, inclusive.and_then(payable_of))
    }
}

fn add(amounts: &[Decimal]) -> Option<Decimal> {
    amounts.iter().try_fold(Decimal::ZERO, |sum, amount| sum.checked_add(*amount))
}

fn must_be(path: String, stated: Decimal, sum: String, computed: Option<Decimal>) -> Result<(), UblError> {
    match computed {
        None => Err(UblError::Unsummable { path }),
        Some(computed) if computed == stated => Ok(()),
        Some(computed) => Err(UblError::DoesNotAddUp { path, stated, sum, computed }),
    }
}
