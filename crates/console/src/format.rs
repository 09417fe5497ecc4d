//! Numbers, sizes, times and names as people read them, for pages and templates, which call
//! these by their path: `crate::format::utc(time)`. Times are in UTC here; the browser turns them
//! into the viewer's zone.

use std::fmt::{Display, Write};

use auditlake_model::time::{civil, day_of, format_rfc3339, parse_rfc3339};

/// As they stand in dates.
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A number with its thousands apart: `1,234,567`.
pub(crate) fn count(number: impl Display) -> String {
    let text = number.to_string();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.as_str()),
    };
    let mut out = String::with_capacity(text.len() + text.len() / 3);
    out.push_str(sign);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A size in three digits or so: `210 MB`. Units are powers of 1000, as disks are sold.
pub(crate) fn bytes(number: impl Display) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut value: f64 = number.to_string().parse().unwrap_or_default();
    let mut unit = 0;
    // What would be rounded up to a thousand belongs to the next unit.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let places = usize::from(unit > 0 && value < 99.95);
    let text = format!("{value:.places$}");
    format!("{} {}", text.strip_suffix(".0").unwrap_or(&text), UNITS[unit])
}

/// A part of a whole: `12.5 %`; nothing of nothing is nothing.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "0 %".to_owned();
    }
    let share = part as f64 * 100.0 / whole as f64;
    if part > 0 && share < 0.1 {
        "< 0.1 %".to_owned()
    } else if part < whole && share > 99.9 {
        "> 99.9 %".to_owned()
    } else if part == 0 || part == whole {
        format!("{share:.0} %")
    } else {
        format!("{share:.1} %")
    }
}

/// A length of time in its largest unit or two: `4 s`, `2 min 30 s`, `3 h`, `6 days`.
pub(crate) fn seconds(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    let pair = |large: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large} {unit}"),
        small => format!("{large} {unit} {small} {small_unit}"),
    };
    match whole {
        0 if seconds > 0.0 => "less than 1 s".to_owned(),
        0..60 => format!("{whole} s"),
        60..3600 => pair(whole / 60, "min", whole % 60, "s"),
        3600..86_400 => pair(whole / 3600, "h", whole % 3600 / 60, "min"),
        86_400..172_800 => pair(1, "day", whole % 86_400 / 3600, "h"),
        _ => format!("{} days", whole / 86_400),
    }
}

/// How far an instant is from now: `3 min ago`, `in 6 days`; in one unit.
pub(crate) fn relative(us: i64, now_us: i64) -> String {
    let distance_us = us.saturating_sub(now_us);
    let away_s = distance_us.unsigned_abs() / 1_000_000;
    let (amount, unit) = match away_s {
        0..5 => return "just now".to_owned(),
        5..60 => (away_s, "s"),
        60..3600 => (away_s / 60, "min"),
        3600..86_400 => (away_s / 3600, "h"),
        86_400..172_800 => (1, "day"),
        _ => (away_s / 86_400, "days"),
    };
    if distance_us < 0 { format!("{amount} {unit} ago") } else { format!("in {amount} {unit}") }
}

/// An instant, and how far it is from now.
pub(crate) struct Moment {
    /// RFC 3339.
    pub(crate) at: String,
    /// In words; empty if the instant cannot be read.
    pub(crate) distance: String,
}

impl Moment {
    pub(crate) fn of(at: &str, now_us: i64) -> Self {
        let distance = parse_rfc3339(at).map(|us| relative(us, now_us));
        Self { at: at.to_owned(), distance: distance.unwrap_or_default() }
    }
}

/// An RFC 3339 time as `2026-03-01 09:30:00.123 UTC`; what is none is given back as it is.
pub(crate) fn utc(text: impl Display) -> String {
    let text = text.to_string();
    parse_rfc3339(&text).map_or(text, |us| format!("{} UTC", row_us(us)))
}

/// The same to the second: `2026-03-01 09:30:00 UTC`.
pub(crate) fn utc_second(text: impl Display) -> String {
    let text = text.to_string();
    parse_rfc3339(&text).map_or(text, |us| format!("{} UTC", until(us, 19)))
}

/// The same without the zone, for columns whose heads name it: `2026-03-01 09:30:00.123`.
pub(crate) fn utc_row(text: impl Display) -> String {
    let text = text.to_string();
    parse_rfc3339(&text).map_or(text, row_us)
}

/// Milliseconds, or microseconds where there are some.
fn row_us(us: i64) -> String {
    until(us, if us.rem_euclid(1000) == 0 { 23 } else { 26 })
}

/// Day and time up to a byte of what RFC 3339 writes.
fn until(us: i64, end: usize) -> String {
    let text = format_rfc3339(us);
    match (text.get(..10), text.get(11..end)) {
        (Some(day), Some(time)) => format!("{day} {time}"),
        _ => text,
    }
}

/// The day an instant falls on, in UTC: `1 Mar 2026`.
pub(crate) fn day(us: i64) -> String {
    let (year, month, day) = civil(day_of(us));
    let month = MONTHS.get(month.saturating_sub(1) as usize).copied().unwrap_or_default();
    format!("{day} {month} {year}")
}

/// A name of a program as words: `enterprise_admin` as `Enterprise admin`.
pub(crate) fn words(name: &str) -> String {
    let text = name.replace(['_', '-'], " ");
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => text,
    }
}

/// A text with what cannot be seen made visible: control characters as their symbols, marks
/// that turn the direction of writing as what Unicode calls them. Line ends and tabs are shown
/// too: in a table they would pass for spaces.
pub(crate) fn visible(text: impl Display) -> String {
    let text = text.to_string();
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\0'..='\x1f' => {
                out.push(char::from_u32(0x2400 + u32::from(letter)).unwrap_or('\u{fffd}'));
            }
            '\x7f' => out.push('\u{2421}'),
            '\u{80}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}' => {
                // Writing to a text does not fail.
                let _ = write!(out, "\u{27e8}U+{:04X}\u{27e9}", u32::from(letter));
            }
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use auditlake_model::time::DAY_US;

    use super::*;

    #[test]
    fn numbers_and_sizes_are_short_and_never_wrong_by_a_unit() {
        for (number, wanted) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (-1_234_567, "-1,234,567"), (12, "12")]
        {
            assert_eq!(count(number), wanted);
        }
        for (number, wanted) in [
            (0_u64, "0 B"),
            (999, "999 B"),
            (1000, "1 kB"),
            (1499, "1.5 kB"),
            (99_960, "100 kB"),
            (999_999, "1 MB"),
            (210_400_000, "210 MB"),
            (u64::MAX, "18447 PB"),
        ] {
            assert_eq!(bytes(number), wanted, "{number}");
        }
    }

    #[test]
    fn shares_never_say_none_or_all_when_it_is_not_so() {
        assert_eq!(percent(0, 0), "0 %");
        assert_eq!(percent(0, 10), "0 %");
        assert_eq!(percent(1, 10_000), "< 0.1 %");
        assert_eq!(percent(1, 8), "12.5 %");
        assert_eq!(percent(9_999, 10_000), "> 99.9 %");
        assert_eq!(percent(8, 8), "100 %");
    }

    #[test]
    fn times_are_told_with_their_zone() {
        assert_eq!(utc("2026-03-01T10:30:00.123+01:00"), "2026-03-01 09:30:00.123 UTC");
        assert_eq!(utc("2026-03-01T09:30:00.123456Z"), "2026-03-01 09:30:00.123456 UTC");
        assert_eq!(utc("soon"), "soon");
        assert_eq!(utc_second("2026-03-01T09:30:00.123456Z"), "2026-03-01 09:30:00 UTC");
        assert_eq!(utc_row("2026-03-01T09:30:00.123Z"), "2026-03-01 09:30:00.123");
        assert_eq!(day(0), "1 Jan 1970");
    }

    #[test]
    fn lengths_of_time_are_told_in_words() {
        for (length, wanted) in [
            (0.0, "0 s"),
            (0.2, "less than 1 s"),
            (59.4, "59 s"),
            (150.0, "2 min 30 s"),
            (10_800.0, "3 h"),
            (90_000.0, "1 day 1 h"),
            (600_000.0, "6 days"),
        ] {
            assert_eq!(seconds(length), wanted);
        }
        let minute_us = 60_000_000;
        assert_eq!(relative(0, 3 * minute_us), "3 min ago");
        assert_eq!(relative(6 * DAY_US, 0), "in 6 days");
        assert_eq!(relative(1, 0), "just now");
    }

    #[test]
    fn nothing_in_a_text_stays_hidden_or_turns_what_is_around_it() {
        assert_eq!(visible("a\x1b[31mb\r\n\tc\0\x7f"), "a␛[31mb␍␊␉c␀␡");
        assert_eq!(visible("\u{202e}txt.exe\u{2069}"), "⟨U+202E⟩txt.exe⟨U+2069⟩");
        assert_eq!(visible("zero\u{200b}width\u{feff}"), "zero⟨U+200B⟩width⟨U+FEFF⟩");
        assert_eq!(visible("<b>é 漢 =1+1"), "<b>é 漢 =1+1");
        assert_eq!(words("enterprise_admin"), "Enterprise admin");
        assert_eq!(words(""), "");
    }
}
