//! Pages of entries in the order of their ids.
//!
//! A page token is opaque: the place reached, under a tag over what was asked and by whom. So it cannot be used with
//! another filter, and a reader cannot make it point where it likes without noticing nothing there that it may see.
//!
//! # Invariants
//! * Every entry that stays in place is returned exactly once over the pages.
//! * A page costs at most [`SCANNED_MAX`] reads. It may therefore be short, and even empty, and still not be the last: the
//!   last is the one without a token.

use super::caller::Caller;
use super::status::status;
use crate::ledger::{Entry, View};
use crate::primitives::crypto::sha256;
use crate::primitives::{Decode, Encode as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tonic::{Code, Status};

/// The page size where the caller leaves it open.
pub const PAGE_SIZE_DEFAULT: usize = 100;
/// The largest page.
pub const PAGE_SIZE_MAX: usize = 1_000;
/// The sizes of pages of entries.
pub(super) const OF_ENTRIES: PageSizes = PageSizes { usual: PAGE_SIZE_DEFAULT, most: PAGE_SIZE_MAX };
/// The sizes of pages of what is reckoned from many entries each.
pub(super) const OF_RECKONINGS: PageSizes = PageSizes { usual: 10, most: 50 };
/// Most entries that one page looks at.
pub const SCANNED_MAX: usize = 10_000;

const SCAN_BATCH: usize = 256;
const TAG_BYTES: usize = 8;

/// How large pages are.
#[derive(Clone, Copy)]
pub(super) struct PageSizes {
    /// Where the caller leaves it open.
    pub usual: usize,
    /// At most.
    pub most: usize,
}

/// What page of what is asked for.
pub(super) struct PageRequest<'a> {
    /// The method and its filter, as text: what the token is bound to besides the caller.
    pub filter: String,
    /// The size asked for; 0 for the default.
    pub page_size: u32,
    /// The token of the page before.
    pub page_token: &'a str,
}

/// A page.
#[derive(Debug)]
pub(super) struct Page<T> {
    pub items: Vec<T>,
    pub next_page_token: String,
}

/// Where a page begins and how many items it has.
pub(super) struct Cursor {
    /// How many items.
    pub size: usize,
    /// The key of the last item of the page before; none for the first page.
    pub after: Option<Vec<u8>>,
    tag: [u8; TAG_BYTES],
}

impl Cursor {
    /// Reads a request for a page.
    pub fn open(caller: Caller, request: &PageRequest<'_>, sizes: PageSizes) -> Result<Self, Status> {
        let PageSizes { usual, most } = sizes;
        let size = match request.page_size as usize {
            0 => usual,
            size if size <= most => size,
            _ => {
                let most = if most == PAGE_SIZE_MAX { "1,000".to_owned() } else { most.to_string() };
                let message = format!("page_size must be 1 to {most}, or 0 for {usual}");
                return Err(invalid("PAGE_SIZE_OUT_OF_RANGE", &message));
            }
        };
        let tag = tag(caller, &request.filter);
        let after = after(&tag, request.page_token)?;
        Ok(Self { size, after, tag })
    }

    /// The token of the page after the item with this key.
    pub fn token(&self, key: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode([&self.tag[..], key].concat())
    }
}

/// Reads a page of the entries that `show` turns into an item.
pub(super) fn page<E: Entry, T>(
    view: &dyn View,
    caller: Caller,
    request: &PageRequest<'_>,
    show: impl Fn(&E::Key, E) -> Option<T>,
) -> Result<Page<T>, Status>
where
    E::Key: Decode,
{
    page_under::<E, T>(view, &[], &Cursor::open(caller, request, OF_ENTRIES)?, show)
}

/// The same of the entries whose keys begin with a prefix.
pub(super) fn page_under<E: Entry, T>(
    view: &dyn View,
    prefix: &[u8],
    cursor: &Cursor,
    show: impl Fn(&E::Key, E) -> Option<T>,
) -> Result<Page<T>, Status>
where
    E::Key: Decode,
{
    let mut from = cursor.after.as_ref().map_or_else(|| prefix.to_vec(), |key| [key, &[0][..]].concat());
    let mut items = Vec::new();
    let mut scanned = 0;
    loop {
        let entries = view.scan(E::COLUMN, &from, SCAN_BATCH);
        let last_batch = entries.len() < SCAN_BATCH;
        for (key_bytes, value) in entries {
            if !key_bytes.starts_with(prefix) {
                return Ok(Page { items, next_page_token: String::new() });
            }
            from = [&key_bytes[..], &[0]].concat();
            scanned += 1;
            let (Ok(key), Ok(entry)) = (E::Key::from_bytes(&key_bytes), E::from_bytes(&value)) else {
                view.note_corruption(E::COLUMN, &key_bytes);
                continue;
            };
            items.extend(show(&key, entry));
            if items.len() == cursor.size || scanned == SCANNED_MAX {
                return Ok(Page { items, next_page_token: cursor.token(&key_bytes) });
            }
        }
        if last_batch {
            return Ok(Page { items, next_page_token: String::new() });
        }
    }
}

fn tag(caller: Caller, filter: &str) -> [u8; TAG_BYTES] {
    let mut bytes = caller.account().to_bytes();
    bytes.extend_from_slice(filter.as_bytes());
    let mut tag = [0; TAG_BYTES];
    tag.copy_from_slice(&sha256(&bytes).0[..TAG_BYTES]);
    tag
}

/// The key in the token.
fn after(tag: &[u8; TAG_BYTES], token: &str) -> Result<Option<Vec<u8>>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    let key = bytes.as_deref().and_then(|bytes| bytes.strip_prefix(tag));
    let message = "the page token is not of this call: it belongs to one caller, one method and one filter";
    key.map(|key| Some(key.to_vec())).ok_or_else(|| invalid("PAGE_TOKEN_INVALID", message))
}

fn invalid(reason: &str, message: &str) -> Status {
    status(Code::InvalidArgument, reason, message)
}
