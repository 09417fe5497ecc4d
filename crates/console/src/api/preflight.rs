//! How large an export would be, as `POST /v1/exports/preflight` tells.

use serde::Deserialize;

/// The figures of an export that is not made yet.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Preflight {
    pub(crate) rows_at_least: u64,
    pub(crate) rows_at_most: u64,
    /// Their exact number, where the lake knows it without reading them.
    pub(crate) rows: Option<u64>,
    pub(crate) bytes_estimate: u64,
    pub(crate) seconds_estimate: f64,
    /// `stream` or `job`.
    pub(crate) advice: String,
    /// Into how many files a job would be cut at most.
    pub(crate) files: u64,
}

/// A stream of more seconds than this is not advised: it begins anew when it breaks off.
const STREAM_S: f64 = 60.0;

impl Preflight {
    /// The same once the events were counted: what was estimated of as many as there may be is as
    /// much less as they are fewer.
    pub(crate) fn counted(self, rows: u64) -> Self {
        let share = rows as f64 / self.rows_at_most.max(1) as f64;
        let seconds_estimate = self.seconds_estimate * share;
        // A job of several files has as many events in each as a stream may have at most, so that
        // one file's share of what was feared is small enough for certain.
        let is_small = rows.saturating_mul(self.files.max(1)) <= self.rows_at_most
            && seconds_estimate <= STREAM_S;
        Self {
            rows_at_least: rows,
            rows_at_most: rows,
            rows: Some(rows),
            bytes_estimate: (self.bytes_estimate as f64 * share).round() as u64,
            seconds_estimate,
            advice: if is_small { "stream".to_owned() } else { self.advice },
            files: ((self.files as f64 * share).ceil() as u64).max(1),
        }
    }

    /// Whether the lake advises to make a job of it.
    pub(crate) fn is_for_a_job(&self) -> bool {
        self.advice == "job"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feared() -> Preflight {
        Preflight {
            rows_at_least: 0,
            rows_at_most: 2_000_000,
            rows: None,
            bytes_estimate: 700_000_000,
            seconds_estimate: 8.0,
            advice: "job".to_owned(),
            files: 4,
        }
    }

    #[test]
    fn fewer_events_take_less_of_everything() {
        let half = feared().counted(1_000_000);
        assert_eq!((half.rows, half.rows_at_least), (Some(1_000_000), 1_000_000));
        assert_eq!(half.rows_at_most, 1_000_000);
        assert_eq!((half.bytes_estimate, half.files), (350_000_000, 2));
        assert!((half.seconds_estimate - 4.0).abs() < 1e-9);
        assert!(half.is_for_a_job(), "it is still more than one file");
        let few = feared().counted(10);
        assert_eq!((few.bytes_estimate, few.files), (3_500, 1));
        assert!(!few.is_for_a_job(), "a few are had at once");
        let slow = Preflight { seconds_estimate: 1_000.0, files: 1, ..feared() };
        assert!(slow.counted(1_999_999).is_for_a_job());
    }

    #[test]
    fn there_may_be_none_and_there_may_be_more_by_now() {
        let none = feared().counted(0);
        assert_eq!((none.rows_at_most, none.bytes_estimate, none.files), (0, 0, 1));
        let more = feared().counted(2_000_100);
        assert_eq!((more.rows, more.bytes_estimate), (Some(2_000_100), 700_035_000));
        let small = Preflight { rows_at_most: 0, advice: "stream".to_owned(), ..feared() };
        assert!(!small.counted(3).is_for_a_job(), "what was no job becomes none");
    }
}
