//! A place in the order of recording.

use crate::cursor::{sealed, unsealed};

/// The form of the bytes; others are told apart, those of cursors too.
const VERSION: u8 = 0x4c;

/// A place in the order of (`recorded_at`, tenant, `seq`): right behind an event, or in front of
/// whatever was recorded at an instant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    recorded_us: i64,
    /// Tenant and `seq` of the event that it is behind; in front of them all if none.
    behind: Option<(String, u64)>,
}

impl Mark {
    /// In front of whatever was recorded at this instant and later.
    pub(super) fn from(recorded_us: i64) -> Self {
        Self { recorded_us, behind: None }
    }

    /// Right behind an event.
    pub(super) fn behind(recorded_us: i64, tenant_id: &str, seq: u64) -> Self {
        Self { recorded_us, behind: Some((tenant_id.to_owned(), seq)) }
    }

    /// Nothing behind this place was recorded earlier.
    pub(super) fn recorded_us(&self) -> i64 {
        self.recorded_us
    }

    /// The text that the client gets.
    pub(super) fn encode(&self) -> String {
        let mut bytes = vec![VERSION, u8::from(self.behind.is_some())];
        bytes.extend(self.recorded_us.to_be_bytes());
        if let Some((tenant_id, seq)) = &self.behind {
            bytes.extend(seq.to_be_bytes());
            bytes.extend(tenant_id.as_bytes());
        }
        sealed(bytes)
    }

    /// Reads what [`Mark::encode`] wrote.
    pub(super) fn decode(text: &str) -> Option<Self> {
        let bytes = unsealed(text)?;
        let (head, body) = bytes.split_first_chunk::<2>()?;
        let (recorded_us, body) = body.split_first_chunk::<8>()?;
        let recorded_us = i64::from_be_bytes(*recorded_us);
        match (head, body) {
            ([VERSION, 0], []) => Some(Self::from(recorded_us)),
            ([VERSION, 1], body) => {
                let (seq, tenant_id) = body.split_first_chunk::<8>()?;
                let tenant_id = std::str::from_utf8(tenant_id).ok()?;
                Some(Self::behind(recorded_us, tenant_id, u64::from_be_bytes(*seq)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_stand_in_the_order_of_recording_and_come_back_as_they_went() {
        let ordered = [
            Mark::from(i64::MIN),
            Mark::from(7),
            Mark::behind(7, "acme", 0),
            Mark::behind(7, "acme", u64::MAX),
            Mark::behind(7, "zürich", 0),
            Mark::from(8),
        ];
        assert!(ordered.is_sorted());
        for mark in ordered {
            assert_eq!(Mark::decode(&mark.encode()), Some(mark));
        }
        assert_eq!(Mark::decode(""), None);
        assert_eq!(Mark::decode("00"), None);
    }
}
