//! Currencies: what tokens are pegged to and invoices are written in.

use super::codec::{CodecError, Decode, Encode, Reader};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// A currency by its [ISO 4217](https://www.iso.org/iso-4217-currency-codes.html) code, such as `HKD`.
///
/// The list of codes is consulted where a code comes in, as text. Decoding asks for the shape alone: a code that the
/// standard withdraws later must not make state unreadable.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// Why a text is not a currency.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("'{text}' is not the ISO 4217 code of a currency that is money, such as HKD")]
pub struct ParseCurrencyError {
    text: String,
}

impl Currency {
    /// The code.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Currency {
    type Err = ParseCurrencyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Gold, special drawing rights and "no currency" have codes, but no minor unit.
        let money = iso_currency::Currency::from_code(text).filter(|currency| currency.exponent().is_some());
        let code = money.and_then(|_| text.as_bytes().try_into().ok());
        code.map(Self).ok_or_else(|| ParseCurrencyError { text: text.to_owned() })
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

impl Encode for Currency {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl Decode for Currency {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let code: [u8; 3] = reader.array()?;
        if !code.iter().all(u8::is_ascii_uppercase) {
            return Err(CodecError::Invalid { what: "currency", why: "its code is not three of A-Z" });
        }
        Ok(Self(code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_money_has_a_code() {
        for good in ["HKD", "USD", "CNY", "JPY"] {
            let currency: Currency = good.parse().expect(good);
            assert_eq!(Currency::from_bytes(&currency.to_bytes()), Ok(currency));
        }
        for bad in ["", "hkd", "HK", "HKDX", "XAU", "XXX", "ZZZ"] {
            assert!(bad.parse::<Currency>().is_err(), "{bad}");
        }
        assert!(Currency::from_bytes(b"hkd").is_err());
    }
}
