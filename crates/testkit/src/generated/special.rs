//! The text, times and numbers at which an encoder has something to decide.

use auditlake_model::time::{DAY_US, MAX_US, MIN_US};

use super::choices::Choices;

/// What is escaped, quoted, guarded or longer than a byte, and the neighbours of those.
#[rustfmt::skip] // a table
pub const SPECIAL_TEXTS: &[&str] = &[
    // Every control character.
    "\0", "\u{1}", "\u{2}", "\u{3}", "\u{4}", "\u{5}", "\u{6}", "\u{7}", "\u{8}", "\t", "\n",
    "\u{b}", "\u{c}", "\r", "\u{e}", "\u{f}", "\u{10}", "\u{11}", "\u{12}", "\u{13}", "\u{14}",
    "\u{15}", "\u{16}", "\u{17}", "\u{18}", "\u{19}", "\u{1a}", "\u{1b}", "\u{1c}", "\u{1d}",
    "\u{1e}", "\u{1f}", "\u{7f}", "\u{80}", "\u{85}", "\u{9f}",
    // Quotes alone, in pairs and beside what else is escaped.
    "\"", "\"\"", "\"\"\"", "\\", "\\\\", "\\\"", "\"\\", ",", ",,", "\",\"", "\r\n", "\n\r",
    "\n\n", "\"\n", " ", "!", "#", "/", "[", "]", "{}", "</script>",
    // What a spreadsheet runs, and the guard.
    "=", "+", "-", "@", "＝", "＋", "－", "＠", "'", "''", "'=", "''@", "'a", "=1+1", "-\"", "\t=",
    // Characters of two, three and four bytes, the first and the last of each.
    "é", "\u{7ff}", "\u{800}", "漢", "\u{2028}", "\u{2029}", "\u{d7ff}", "\u{e000}", "\u{feff}",
    "\u{fffd}", "\u{ffff}", "\u{10000}", "🦀", "\u{10ffff}", "e\u{301}",
];

/// Times at the ends and borders of the calendar.
pub const SPECIAL_TIMES_US: &[i64] = &[
    1_779_004_800_000_000, // 2026-05-17T08:00:00, the first choice
    1_779_008_399_000_000, // the last second of that hour
    MIN_US,                // 0001-01-01
    MIN_US + DAY_US,
    -30_610_224_000_000_000, // 1000-01-01: a fourth digit
    -12_219_292_800_000_000, // 1582-10-15: no gap in our calendar
    -11_670_998_400_000_000, // 1600-02-29
    -2_203_891_200_000_000,  // 1900-03-01: no leap year
    -DAY_US,
    -60_000_000,
    -1_000_000,
    0, // 1970-01-01
    1_000_000,
    60_000_000,
    3_600_000_000,
    DAY_US,
    951_782_400_000_000,    // 2000-02-29: a leap year after all
    951_868_800_000_000,    // 2000-03-01
    1_709_210_096_000_000,  // 2024-02-29T12:34:56
    1_798_761_600_000_000,  // 2027-01-01
    2_147_483_648_000_000,  // 2038-01-19T03:14:08: past 32 bits
    4_107_542_400_000_000,  // 2100-03-01: no leap year
    13_574_563_200_000_000, // 2400-02-29
    MAX_US - DAY_US,
    MAX_US, // 9999-12-31T23:59:59.999999
];

/// What lies between two events, mostly so little that they share minute, hour or day.
#[rustfmt::skip] // a table
const STEPS_US: [i64; 16] = [
    0, 1, 17, 1_000, 999_999, 1_000_000, -1, -1_000_000,
    59_000_000, 60_000_000, -60_000_000, 3_600_000_000, -3_600_000_000,
    DAY_US, -DAY_US, 366 * DAY_US,
];

/// Around the lengths at which code that copies 8, 16, 32 or 64 bytes at once goes another
/// way; a mebibyte at last.
#[rustfmt::skip] // a table
pub(super) const LENGTHS: &[usize] = &[
    3, 0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40, 47, 48, 49, 63, 64, 65, 95, 96, 97,
    127, 128, 129, 255, 256, 257, 1000, 4096, 1 << 20,
];

/// Where such code ends one step and begins the next.
pub(super) const BORDERS: [usize; 12] = [7, 8, 15, 16, 30, 31, 32, 33, 63, 64, 127, 128];

/// The powers of ten and of two, and the numbers beside them.
#[must_use]
pub fn special_numbers() -> Vec<u64> {
    let tens = (0..20).map(|power| 10_u64.pow(power));
    let twos = (0..64).map(|power| 1_u64 << power);
    let beside = |number: u64| [number - 1, number, number + 1];
    tens.chain(twos).flat_map(beside).chain([u64::MAX]).collect()
}

/// The time of the next event: near this one, a special one, or any.
pub(super) fn time_after(time_us: i64, choices: &mut Choices<'_>) -> i64 {
    let next = match choices.below(8) {
        6 => choices.pick(SPECIAL_TIMES_US),
        7 => MIN_US + (choices.number() % (MAX_US - MIN_US) as u64) as i64,
        _ => time_us + choices.pick(&STEPS_US),
    };
    next.clamp(MIN_US, MAX_US)
}
