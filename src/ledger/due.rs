//! What falls due: an ordered queue in state, worked off by every block before its transactions.
//!
//! Request ids to forget, redemption deadlines, buyers' terms, later holds and ageing: one queue for all of them, by time. A block takes
//! at most [`super::limits::DUE_PER_BLOCK_MAX`] entries whose time is not after its own; the rest wait for the next.

use super::limits::{DUE_OUTCOMES_MAX, DUE_PER_BLOCK_MAX, REQUESTS_PER_DUE_ENTRY_MAX};
use super::view::{Column, Entry, View};
use crate::primitives::{
    AccountId, BlockTime, CodecError, Decode, Encode, ObjectId, Reader, RequestId, codec::encode_list,
};
use crate::{codec_struct, codec_tag};

/// What kind of thing falls due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DueKind {
    /// See [`Due::ForgetRequests`].
    ForgetRequests,
    /// See [`Due::RedemptionDeadline`].
    RedemptionDeadline,
    /// See [`Due::ConfirmationTerm`].
    ConfirmationTerm,
    /// See [`Due::LoanAgeing`].
    LoanAgeing,
}
codec_tag!(DueKind { ForgetRequests = 1, RedemptionDeadline = 2, ConfirmationTerm = 3, LoanAgeing = 4 });

/// When something falls due; entries of one time are told apart by their kind and an id, so that none takes another's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueKey {
    /// Not before this time.
    pub at: BlockTime,
    /// What kind of thing it is.
    pub kind: DueKind,
    /// Distinguishes entries of the same time and kind: whose deadline it is.
    pub id: ObjectId,
}
codec_struct!(DueKey { at, kind, id });

/// What falls due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// Request ids that may be forgotten.
    ForgetRequests(Vec<(AccountId, RequestId)>),
    /// A redemption that ought to have been paid or rejected by now.
    RedemptionDeadline(ObjectId),
    /// The end of the term within which a buyer confirms or disputes a receivable, where its silence confirms.
    ConfirmationTerm(ObjectId),
    /// A loan whose time has come to be more overdue than it was.
    LoanAgeing(ObjectId),
}

impl Encode for Due {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::ForgetRequests(requests) => {
                DueKind::ForgetRequests.encode(out);
                encode_list(requests, out);
            }
            Self::RedemptionDeadline(redemption) => {
                DueKind::RedemptionDeadline.encode(out);
                redemption.encode(out);
            }
            Self::ConfirmationTerm(receivable) => {
                DueKind::ConfirmationTerm.encode(out);
                receivable.encode(out);
            }
            Self::LoanAgeing(loan) => {
                DueKind::LoanAgeing.encode(out);
                loan.encode(out);
            }
        }
    }
}

impl Decode for Due {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        match DueKind::decode(reader)? {
            DueKind::ForgetRequests => {
                reader.list("due requests", REQUESTS_PER_DUE_ENTRY_MAX).map(Self::ForgetRequests)
            }
            DueKind::RedemptionDeadline => ObjectId::decode(reader).map(Self::RedemptionDeadline),
            DueKind::ConfirmationTerm => ObjectId::decode(reader).map(Self::ConfirmationTerm),
            DueKind::LoanAgeing => ObjectId::decode(reader).map(Self::LoanAgeing),
        }
    }
}

impl Entry for Due {
    const COLUMN: Column = Column::Due;
    type Key = DueKey;
}

impl Due {
    /// How many things it is: each forgotten request counts as one, and a deadline, which has an outcome of its own, as so many that
    /// a block has at most [`DUE_OUTCOMES_MAX`] of those.
    fn work(&self) -> usize {
        match self {
            Self::ForgetRequests(requests) => requests.len(),
            Self::RedemptionDeadline(_) | Self::ConfirmationTerm(_) | Self::LoanAgeing(_) => {
                DUE_PER_BLOCK_MAX / DUE_OUTCOMES_MAX
            }
        }
    }
}

/// How many entries are read from the queue at a time, once something is due.
const DUE_SCAN: usize = 64;
/// How many are read first: of most blocks nothing is due, and an entry has up to 256 request ids.
const DUE_SCAN_FIRST: usize = 4;

/// The entries whose time is not after `now`, the earliest first, until they amount to `work_max` things.
pub fn due_by(view: &dyn View, now: BlockTime, work_max: usize) -> Vec<(DueKey, Due)> {
    let mut entries = Vec::new();
    let mut from = Vec::new();
    let mut work = 0;
    let mut page_size = DUE_SCAN_FIRST;
    loop {
        let page = view.scan(Column::Due, &from, page_size);
        let page_full = page.len() == page_size;
        page_size = DUE_SCAN;
        for (key_bytes, value) in page {
            let (Ok(key), Ok(due)) = (DueKey::from_bytes(&key_bytes), Due::from_bytes(&value)) else {
                view.note_corruption(Column::Due, &key_bytes);
                return entries;
            };
            work += due.work();
            if key.at > now || work > work_max {
                return entries;
            }
            // The smallest key above this one continues it by a zero byte.
            from = [&key_bytes[..], &[0]].concat();
            entries.push((key, due));
        }
        if !page_full {
            return entries;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Changes;
    use crate::ledger::view::MemoryView;

    fn queue(view: &mut MemoryView, range: std::ops::Range<u64>, due: impl Fn(ObjectId) -> Due) {
        let writes = {
            let empty = MemoryView::default();
            let mut changes = Changes::new(&empty);
            for number in range {
                let mut id = ObjectId([0; 32]);
                id.0[..8].copy_from_slice(&number.to_be_bytes());
                let due = due(id);
                let kind = match due {
                    Due::ForgetRequests(_) => DueKind::ForgetRequests,
                    _ => DueKind::RedemptionDeadline,
                };
                changes.put(&DueKey { at: BlockTime(1_000), kind, id }, &due);
            }
            changes.finish().writes
        };
        view.apply(&writes);
    }

    /// Each deadline may leave an outcome.
    #[test]
    fn a_block_works_off_as_many_deadlines_as_it_has_outcomes_for() {
        let mut view = MemoryView::default();
        queue(&mut view, 0..5_000, Due::RedemptionDeadline);
        let due = due_by(&view, BlockTime(1_000), DUE_PER_BLOCK_MAX);
        assert_eq!(due.len(), DUE_OUTCOMES_MAX);
        assert_eq!(due_by(&view, BlockTime(999), DUE_PER_BLOCK_MAX), []);
    }

    #[test]
    fn request_ids_are_forgotten_by_the_full_number() {
        let mut view = MemoryView::default();
        let requests = vec![(AccountId([1; 32]), RequestId([1; 16])); REQUESTS_PER_DUE_ENTRY_MAX];
        queue(&mut view, 0..200, |_| Due::ForgetRequests(requests.clone()));
        let due = due_by(&view, BlockTime(1_000), DUE_PER_BLOCK_MAX);
        assert_eq!(due.len() * REQUESTS_PER_DUE_ENTRY_MAX, DUE_PER_BLOCK_MAX);
    }
}
