//! F0: what every floor is made of. Amounts, identifiers, time, the canonical codec, hashes, signatures and trees.
//!
//! Pure: no clock, no I/O, no randomness, no floats. The same bytes in give the same bytes out on every machine.

pub mod amount;
pub mod codec;
pub mod crypto;
pub mod currency;
pub mod digest;
pub mod ids;
pub mod merkle;
pub mod printable;
pub mod time;
pub mod unseen;

pub use amount::Amount;
pub use codec::{CodecError, Decode, Encode, Reader};
pub use crypto::{PublicKey, Signature};
pub use currency::Currency;
pub use ids::{AccountId, ChainId, Hash, ObjectId, RequestId, TokenId, TransactionId};
pub use printable::{printable, printable_json};
pub use time::{BlockTime, Day};
