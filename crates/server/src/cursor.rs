//! The cursor of a list: where the last page ended, and what the first one saw.
//!
//! A page goes on strictly behind an event in the order of (`occurred_at`, tenant, `seq`),
//! which no two events share, so none is skipped or given twice, however many have the same
//! time. Events that arrive between two pages could still turn up in the middle of the list.
//! They do not, because every page is bounded by `recorded_at < X`, with X just behind the
//! newest `recorded_at` that the first page's snapshot held:
//!
//! - all that the first page could see was recorded before X, so nothing of it is lost;
//! - the lake's one writer gives a group its `recorded_at` only after the group before it was
//!   synced and shown, and a later one than any event of the lake has, wherever the clock was
//!   set. So an event that the first page's snapshot did not hold was recorded at X or later,
//!   and no page shows it.
//!
//! Taking the time of the request for X would be wrong: an event on its way to the disk has an
//! earlier `recorded_at` than a request that cannot see it yet.
//!
//! The text is hexadecimal with a CRC, against accidents. A forged one gains nothing: filter
//! and scope decide what is seen, the cursor only where to begin.

use arrow::array::AsArray;
use arrow::compute::max;
use arrow::datatypes::TimestampMicrosecondType;
use auditlake_lake::Snapshot;
use auditlake_model::columns::at;
use auditlake_model::filter::Filter;
use auditlake_model::scope::Scope;
use auditlake_query::Position;
use sha2::{Digest, Sha256};

use crate::hex;
use crate::problem::Problem;

/// The form of the bytes; a later one is told apart.
const VERSION: u8 = 1;

/// Tells filters apart.
pub(crate) type Fingerprint = [u8; 8];

/// Where the next page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) newest_first: bool,
    /// Of the caller's scope and the filter that it belongs to.
    pub(crate) filter: Fingerprint,
    /// X, as explained above.
    pub(crate) recorded_to_us: i64,
    /// The last event given.
    pub(crate) after: Position,
}

/// X for a list whose first page reads `snapshot`.
pub(crate) fn recorded_bound(snapshot: &Snapshot) -> i64 {
    // An empty lake has no second page.
    newest_recorded(snapshot).map_or(i64::MAX, |newest| newest.saturating_add(1))
}

/// When the newest event was recorded that a snapshot holds.
pub(crate) fn newest_recorded(snapshot: &Snapshot) -> Option<i64> {
    let sealed = snapshot.manifest().tenants.values().map(|head| head.recorded_at_us);
    let hot = snapshot.hot().iter().filter_map(|hot| {
        max(hot.batch.column(at::RECORDED_AT).as_primitive::<TimestampMicrosecondType>())
    });
    sealed.chain(hot).max()
}

/// The fingerprint of what a caller sees and asks for, whatever order the parameters came in.
pub(crate) fn fingerprint(scope: &Scope, filter: &Filter) -> Fingerprint {
    let mut filter = filter.clone();
    for term in &mut filter.terms {
        term.any.sort_by_cached_key(ToString::to_string);
        term.none.sort_by_cached_key(ToString::to_string);
    }
    filter.terms.sort_by_key(|term| term.column);
    filter.contains.iter_mut().for_each(|texts| texts.sort());
    filter.contains.sort();
    filter.conditions.sort();
    let digest = Sha256::digest(format!("{scope:?} {filter:?}").as_bytes());
    let mut fingerprint = Fingerprint::default();
    fingerprint.copy_from_slice(&digest[..8]);
    fingerprint
}

impl Cursor {
    /// The text that the client gets.
    pub(crate) fn encode(&self) -> String {
        let mut bytes = vec![VERSION, u8::from(self.newest_first)];
        bytes.extend(self.filter);
        bytes.extend(self.recorded_to_us.to_be_bytes());
        bytes.extend(self.after.occurred_at_us.to_be_bytes());
        bytes.extend(self.after.seq.to_be_bytes());
        bytes.extend(self.after.tenant_id.as_bytes());
        sealed(bytes)
    }

    /// Reads what [`Cursor::encode`] wrote.
    pub(crate) fn decode(text: &str) -> Result<Self, Problem> {
        unsealed(text).and_then(|bytes| Self::read(&bytes)).ok_or_else(|| {
            let reason = "is no cursor of this server, or was changed on the way; \
                          give next_cursor as it was, or none to begin anew";
            Problem::parameter("cursor", reason)
        })
    }

    fn read(body: &[u8]) -> Option<Self> {
        let ([VERSION, newest_first @ (0 | 1)], body) = body.split_first_chunk::<2>()? else {
            return None;
        };
        let (filter, body) = body.split_first_chunk::<8>()?;
        let (recorded_to_us, body) = body.split_first_chunk::<8>()?;
        let (occurred_at_us, body) = body.split_first_chunk::<8>()?;
        let (seq, tenant_id) = body.split_first_chunk::<8>()?;
        Some(Self {
            newest_first: *newest_first == 1,
            filter: *filter,
            recorded_to_us: i64::from_be_bytes(*recorded_to_us),
            after: Position {
                occurred_at_us: i64::from_be_bytes(*occurred_at_us),
                seq: u64::from_be_bytes(*seq),
                tenant_id: std::str::from_utf8(tenant_id).ok()?.to_owned(),
            },
        })
    }
}

/// Bytes as a text that notices when it is changed by accident.
pub(crate) fn sealed(mut bytes: Vec<u8>) -> String {
    bytes.extend(crc32c::crc32c(&bytes).to_be_bytes());
    hex::encode(&bytes)
}

/// The bytes that [`sealed`] made this text of.
pub(crate) fn unsealed(text: &str) -> Option<Vec<u8>> {
    let mut bytes = hex::decode(text)?;
    let (body, crc) = bytes.split_last_chunk::<4>()?;
    if crc32c::crc32c(body) != u32::from_be_bytes(*crc) {
        return None;
    }
    bytes.truncate(bytes.len() - 4);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor() -> Cursor {
        Cursor {
            newest_first: true,
            filter: [7; 8],
            recorded_to_us: -1,
            after: Position { occurred_at_us: 5, tenant_id: "zürich".to_owned(), seq: u64::MAX },
        }
    }

    #[test]
    fn comes_back_as_it_went() {
        assert_eq!(Cursor::decode(&cursor().encode()).unwrap(), cursor());
    }

    #[test]
    fn any_change_is_noticed() {
        let text = cursor().encode();
        for at in 0..text.len() {
            let mut mangled = text.clone().into_bytes();
            mangled[at] = if mangled[at] == b'0' { b'1' } else { b'0' };
            assert!(Cursor::decode(&String::from_utf8(mangled).unwrap()).is_err());
            assert!(Cursor::decode(&text[..at]).is_err());
        }
        assert!(Cursor::decode("é").is_err());
    }

    #[test]
    fn a_fingerprint_does_not_depend_on_the_order_of_parameters() {
        let filter = |pairs: &[(&str, &str)]| {
            let mut filter = Filter::default();
            pairs.iter().for_each(|(name, value)| filter.add(name, value).unwrap());
            fingerprint(&Scope::everything(), &filter)
        };
        let one = filter(&[("type", "a,b"), ("outcome", "success")]);
        assert_eq!(one, filter(&[("outcome", "success"), ("type", "b"), ("type", "a")]));
        assert_ne!(one, filter(&[("outcome", "success"), ("type", "a,!b")]));
        let acme = Scope::everything().within(at::TENANT_ID, "acme");
        let all = Filter::default();
        assert_ne!(fingerprint(&acme, &all), fingerprint(&Scope::everything(), &all));
    }
}
