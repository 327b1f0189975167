//! Parties: their names, and the companies that they are.

use super::UblError;
use super::place::Place;

/// A party to a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UblParty {
    /// The registered name, else the trading name.
    pub name: String,
    /// The company's id (`cac:PartyLegalEntity/cbc:CompanyID`), if the document gives one.
    pub legal_id: Option<String>,
    /// The register that the id is of (`@schemeID`), if the document says so.
    pub legal_id_scheme: Option<String>,
}

impl UblParty {
    /// Reads the party of a role such as `cac:BuyerCustomerParty`.
    pub(super) fn read(document: &Place<'_>, role: &str) -> Result<Self, UblError> {
        let Some(party) = document.descend(&[role, "cac:Party"])? else {
            return Err(UblError::Missing { path: document.path_of(&format!("{role}/cac:Party")) });
        };
        let entity = party.child("cac:PartyLegalEntity")?;
        let of_entity = |name: &str| entity.as_ref().map_or(Ok(None), |entity| entity.text_of(name));
        let registered = of_entity("cbc:RegistrationName")?;
        let trading = || match party.children("cac:PartyName").first() {
            Some(name) => name.text_of("cbc:Name"),
            None => Ok(None),
        };
        let name = match registered {
            Some(name) => Some(name),
            None => trading()?,
        };
        let company = entity.as_ref().map_or(Ok(None), |entity| entity.child("cbc:CompanyID"))?;
        Ok(Self {
            name: name.ok_or_else(|| UblError::Missing {
                path: party.path_of("cac:PartyLegalEntity/cbc:RegistrationName"),
            })?,
            legal_id: of_entity("cbc:CompanyID")?,
            legal_id_scheme: company.map_or(Ok(None), |company| company.attribute("schemeID"))?,
        })
    }

    /// The company as accounts name it: `REGISTER:ID`, in capital letters and digits, whatever else the document writes in
    /// between. `None` if the document does not give both.
    pub fn legal_entity_id(&self) -> Option<String> {
        let plain = |text: &String| -> String {
            text.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase()).collect()
        };
        let (register, id) = (plain(self.legal_id_scheme.as_ref()?), plain(self.legal_id.as_ref()?));
        (!register.is_empty() && !id.is_empty()).then(|| format!("{register}:{id}"))
    }
}
