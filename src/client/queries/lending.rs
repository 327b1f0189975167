//! Reading what could be financed, lenders' books, and the rules that bind them.

use super::{LIST_MAX, bytes, present, state_number};
use crate::client::connection::Connection;
use crate::client::error::ClientError;
use crate::client::ledger_client::Client;
use crate::client::operations::Citation;
use crate::primitives::{AccountId, ChainId, ObjectId, TokenId};
use crate::wire::pb::financing;
use bytes::Bytes;

/// Which loans are asked for: those that meet all that is set.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoanQuery<'a> {
    /// In this state.
    pub state: Option<&'a str>,
    /// In this bucket.
    pub bucket: Option<&'a str>,
    /// Open, and lent or borrowed by this account.
    pub account: Option<AccountId>,
    /// Of this borrower.
    pub borrower: Option<AccountId>,
    /// Secured by what this legal entity owes.
    pub obligor_entity: Option<&'a str>,
    /// Under this programme.
    pub programme: Option<ObjectId>,
}

fn optional(id: Option<impl AsRef<[u8]>>) -> Bytes {
    id.map(bytes).unwrap_or_default()
}

impl LoanQuery<'_> {
    fn request(&self) -> Result<financing::ListLoansRequest, ClientError> {
        let known = ["performing", "overdue", "defaulted", "written-off", "repaid", "recovered"];
        let state = state_number(self.state, "LOAN_STATE_", &known, |name| {
            financing::LoanState::from_str_name(&name.replace('-', "_")).map(Into::into)
        })?;
        let buckets = ["current", "1-30", "31-60", "61-90", "over-90"];
        let number =
            |bucket: &str| buckets.iter().zip(1..).find(|(name, _)| **name == bucket).map(|(_, number)| number);
        let bucket = match self.bucket {
            None => 0,
            Some(name) => number(name).ok_or_else(|| {
                ClientError::Request(format!("'{name}' is not a bucket; buckets are {}", buckets.join(", ")))
            })?,
        };
        Ok(financing::ListLoansRequest {
            state,
            bucket,
            account_id: optional(self.account),
            borrower_account_id: optional(self.borrower),
            obligor_legal_entity_id: self.obligor_entity.unwrap_or_default().to_owned(),
            programme_id: optional(self.programme),
            ..Default::default()
        })
    }
}

impl Client {
    /// The loans that the reader may see, of those asked for.
    pub async fn loans(&self, query: &LoanQuery<'_>) -> Result<Vec<financing::Loan>, ClientError> {
        all_pages!(self, financing.list_loans, query.request()?, loans)
    }

    /// An owner's open receivables with what programmes would pay for them, page by page; the reader's own if none is named.
    pub async fn financeable(
        &self,
        owner: Option<AccountId>,
        purpose: &str,
        citations: Vec<Citation>,
    ) -> Result<Vec<financing::ListFinanceableResponse>, ClientError> {
        let mut request = financing::ListFinanceableRequest {
            owner_account_id: optional(owner),
            purpose: purpose.to_owned(),
            citations: citations.into_iter().map(|citation| citation.0).collect(),
            ..Default::default()
        };
        let (mut pages, mut count) = (Vec::new(), 0);
        loop {
            let page = ask!(self, financing.list_financeable(request.clone()))?;
            request.page_token.clone_from(&page.next_page_token);
            count += page.receivables.len();
            pages.push(page);
            if request.page_token.is_empty() || count >= LIST_MAX {
                return Ok(pages);
            }
        }
    }

    /// A lender's books, in every token or in one; the reader's own if no lender is named.
    pub async fn book(
        &self,
        lender: Option<AccountId>,
        token: Option<TokenId>,
    ) -> Result<financing::GetBookResponse, ClientError> {
        let token_id = token.map(|token| token.to_string()).unwrap_or_default();
        let request = financing::GetBookRequest { lender_account_id: optional(lender), token_id };
        ask!(self, lending.get_book(request))
    }

    /// The newest attestation of a lender's capital; the reader's own if no lender is named.
    pub async fn lender_capital(
        &self,
        lender: Option<AccountId>,
        token: TokenId,
    ) -> Result<financing::LenderCapital, ClientError> {
        let token_id = token.to_string();
        let request = financing::GetLenderCapitalRequest { lender_account_id: optional(lender), token_id };
        present(ask!(self, lending.get_lender_capital(request))?.capital, "attestation")
    }

    /// The lender's rules.
    pub async fn lending_rules(&self) -> Result<financing::GetLendingRulesResponse, ClientError> {
        ask!(self, lending.get_lending_rules(financing::GetLendingRulesRequest {}))
    }

    /// The other networks that governance registered.
    pub async fn networks(&self) -> Result<Vec<financing::Network>, ClientError> {
        all_pages!(self, lending.list_networks, financing::ListNetworksRequest::default(), networks)
    }

    /// The accounts of other networks, or of one, that are linked to accounts which the reader may see.
    pub async fn foreign_accounts(
        &self,
        network: Option<ChainId>,
    ) -> Result<Vec<financing::ForeignAccount>, ClientError> {
        let request =
            financing::ListForeignAccountsRequest { network_chain_id: optional(network), ..Default::default() };
        all_pages!(self, lending.list_foreign_accounts, request, foreign_accounts)
    }

    /// All lenders, page by page.
    pub async fn supervision(&self) -> Result<Vec<financing::GetSupervisionResponse>, ClientError> {
        let mut request = financing::GetSupervisionRequest::default();
        let (mut pages, mut count) = (Vec::new(), 0);
        loop {
            let page = ask!(self, lending.get_supervision(request.clone()))?;
            request.page_token.clone_from(&page.next_page_token);
            count += page.books.len();
            pages.push(page);
            if request.page_token.is_empty() || count >= LIST_MAX {
                return Ok(pages);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loans_are_asked_for_by_short_names() {
        let query = LoanQuery { state: Some("written-off"), bucket: Some("over-90"), ..LoanQuery::default() };
        let request = query.request().expect("both are known");
        assert_eq!(request.state(), financing::LoanState::WrittenOff);
        assert_eq!(request.bucket(), financing::LoanBucket::Over90);
        let wrong = LoanQuery { bucket: Some("90"), ..LoanQuery::default() };
        assert!(wrong.request().expect_err("unknown").to_string().contains("61-90, over-90"));
    }
}
