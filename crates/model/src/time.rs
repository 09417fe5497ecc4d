//! Time as microseconds since 1970-01-01 UTC, and days as the number of whole days since
//! then. Text is RFC 3339; the calendar is the proleptic Gregorian one (days ↔ civil date
//! after Howard Hinnant, "chrono-compatible low-level date algorithms").

use crate::digits::pair;
use crate::page::BLOCK;

/// Microseconds of one day.
pub const DAY_US: i64 = 86_400_000_000;
/// The earliest time an event may carry: 0001-01-01T00:00:00Z.
pub const MIN_US: i64 = -62_135_596_800_000_000;
/// The latest time an event may carry: 9999-12-31T23:59:59.999999Z.
pub const MAX_US: i64 = 253_402_300_799_999_999;

/// The day (since 1970-01-01) an instant falls on.
#[must_use]
pub fn day_of(micros: i64) -> i32 {
    i32::try_from(micros.div_euclid(DAY_US)).unwrap_or(i32::MAX)
}

/// The first instant of a day.
#[must_use]
pub fn day_start(day: i32) -> i64 {
    i64::from(day) * DAY_US
}

/// Year, month and day of a day number.
#[must_use]
pub fn civil(day: i32) -> (i32, u32, u32) {
    let shifted = i64::from(day) + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year as i32, month as u32, day as u32)
}

/// The day number of a civil date; the date must exist.
#[must_use]
pub fn days_from_civil(year: i32, month: u32, day: u32) -> Option<i32> {
    if !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    let shifted_year = i64::from(year) - i64::from(month <= 2);
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let month_shifted = i64::from((month + 9) % 12);
    let of_year = (153 * month_shifted + 2) / 5 + i64::from(day) - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    i32::try_from(era * 146_097 + of_era - 719_468).ok()
}

fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// A day as `2026-03-01`.
#[must_use]
pub fn format_day(day: i32) -> String {
    let (year, month, day) = civil(day);
    format!("{year:04}-{month:02}-{day:02}")
}

/// An instant as `2026-05-17T08:00:00.000000Z`.
#[must_use]
pub fn format_rfc3339(micros: i64) -> String {
    let mut out = Vec::with_capacity(27);
    write_rfc3339(micros, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// Appends `2026-05-17T08:00:00.000000Z`, always [`TEXT_BYTES`] for the years an event may
/// carry.
pub fn write_rfc3339(micros: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&TimeText::new(b' ').block(micros)[..TEXT_BYTES]);
}

/// The length of a time as text.
pub const TEXT_BYTES: usize = 27;
const MINUTE_US: i64 = 60_000_000;

/// Times as text. What lies close together in time shares its date, hour and minute, and
/// events that follow each other do lie close together.
#[derive(Debug)]
pub struct TimeText {
    minute_us: i64,
    /// The text of an instant within that minute.
    block: [u8; BLOCK],
}

impl TimeText {
    /// Texts with this byte behind each.
    #[must_use]
    pub fn new(end: u8) -> Self {
        let mut text = Self { minute_us: 0, block: [end; BLOCK] };
        text.turn_to(0);
        text
    }

    /// The time as text, in the first [`TEXT_BYTES`] of the block, and the byte behind it.
    #[inline]
    pub fn block(&mut self, micros: i64) -> &[u8; BLOCK] {
        let mut within = micros.wrapping_sub(self.minute_us);
        if !(0..MINUTE_US).contains(&within) {
            self.turn_to(micros);
            within = micros.wrapping_sub(self.minute_us);
        }
        let within = within as u32;
        let (seconds, fraction) = (within / 1_000_000, within % 1_000_000);
        pair(&mut self.block, 17, seconds);
        pair(&mut self.block, 20, fraction / 10_000);
        pair(&mut self.block, 22, fraction / 100 % 100);
        pair(&mut self.block, 24, fraction % 100);
        &self.block
    }

    #[cold]
    fn turn_to(&mut self, micros: i64) {
        let (year, month, day) = civil(day_of(micros));
        let minutes = (micros.rem_euclid(DAY_US) / MINUTE_US) as u32;
        self.minute_us = micros - micros.rem_euclid(MINUTE_US);
        self.block[..TEXT_BYTES].copy_from_slice(b"0000-00-00T00:00:00.000000Z");
        pair(&mut self.block, 0, year as u32 / 100);
        pair(&mut self.block, 2, year as u32 % 100);
        pair(&mut self.block, 5, month);
        pair(&mut self.block, 8, day);
        pair(&mut self.block, 11, minutes / 60);
        pair(&mut self.block, 14, minutes % 60);
    }
}

const RFC3339: &str = "is no RFC 3339 time (2026-05-17T08:00:00.000000Z, any offset)";

/// Reads an RFC 3339 time in any offset; digits finer than a microsecond are cut.
pub fn parse_rfc3339(text: &str) -> Result<i64, &'static str> {
    let bytes = text.as_bytes();
    if bytes.len() < 20 || !matches!(bytes[10], b'T' | b't' | b' ') {
        return Err(RFC3339);
    }
    if bytes[13] != b':' || bytes[16] != b':' {
        return Err(RFC3339);
    }
    let day = parse_day(&text.as_bytes()[..10]).ok_or(RFC3339)?;
    let (hour, minute, second) =
        (number(&bytes[11..13])?, number(&bytes[14..16])?, number(&bytes[17..19])?);
    // A leap second is the first instant of the next minute: POSIX time has no other.
    if hour > 23 || minute > 59 || second > 60 || (second == 60 && minute != 59) {
        return Err(RFC3339);
    }
    let (fraction, rest) = parse_fraction(&bytes[19..])?;
    let offset = parse_offset(rest)?;
    let seconds = i64::from(day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    in_range(seconds * 1_000_000 + fraction)
}

/// Reads `2026-03-01`.
#[must_use]
pub fn parse_day(bytes: &[u8]) -> Option<i32> {
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let year = number(&bytes[..4]).ok()?;
    let (month, day) = (number(&bytes[5..7]).ok()?, number(&bytes[8..10]).ok()?);
    days_from_civil(year as i32, month as u32, day as u32)
}

/// Reads seconds, milliseconds or microseconds since 1970, told apart by magnitude.
pub fn from_epoch(value: i64) -> Result<i64, &'static str> {
    let micros = match value.unsigned_abs() {
        // 20260301 is a date to whoever writes it, not a day in 1970.
        1..100_000_000 => return Err("is too small for epoch s, ms or µs; give RFC 3339"),
        0 | 100_000_000..100_000_000_000 => value * 1_000_000,
        100_000_000_000..100_000_000_000_000 => value * 1000,
        100_000_000_000_000..100_000_000_000_000_000 => value,
        _ => return Err("is finer than microseconds; give epoch s, ms or µs, or RFC 3339"),
    };
    in_range(micros)
}

fn in_range(micros: i64) -> Result<i64, &'static str> {
    if (MIN_US..=MAX_US).contains(&micros) {
        Ok(micros)
    } else {
        Err("lies outside the years 0001 to 9999")
    }
}

fn number(digits: &[u8]) -> Result<i64, &'static str> {
    digits.iter().try_fold(0_i64, |sum, &byte| {
        if byte.is_ascii_digit() { Ok(sum * 10 + i64::from(byte - b'0')) } else { Err(RFC3339) }
    })
}

/// `.123456789Z` → 123456 and the rest.
fn parse_fraction(bytes: &[u8]) -> Result<(i64, &[u8]), &'static str> {
    let Some(digits) = bytes.strip_prefix(b".") else { return Ok((0, bytes)) };
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 {
        return Err(RFC3339);
    }
    let micros = (0..6).fold(0, |sum, place| {
        sum * 10 + if place < length { i64::from(digits[place] - b'0') } else { 0 }
    });
    Ok((micros, &digits[length..]))
}

/// The seconds east of UTC.
fn parse_offset(bytes: &[u8]) -> Result<i64, &'static str> {
    match bytes {
        b"Z" | b"z" => Ok(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
            if hours > 23 || minutes > 59 {
                return Err(RFC3339);
            }
            let seconds = hours * 3600 + minutes * 60;
            Ok(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => Err(RFC3339),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_offset_and_fraction() {
        let base = parse_rfc3339("2026-05-17T08:00:00Z").unwrap();
        assert_eq!(parse_rfc3339("2026-05-17T10:30:00.000+02:30").unwrap(), base);
        assert_eq!(parse_rfc3339("2026-05-17t07:00:00z").unwrap(), base - 3_600_000_000);
        assert_eq!(parse_rfc3339("2026-05-16T23:00:00-09:00").unwrap(), base);
        assert_eq!(parse_rfc3339("2026-05-17T08:00:00.123456999Z").unwrap(), base + 123_456);
        assert_eq!(parse_rfc3339("2026-05-17T08:00:00.1Z").unwrap(), base + 100_000);
        assert_eq!(
            parse_rfc3339("2016-12-31T23:59:60Z").unwrap(),
            parse_rfc3339("2017-01-01T00:00:00Z").unwrap()
        );
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in [
            "",
            "2026-05-17",
            "2026-05-17T08:00:00",
            "2026-13-17T08:00:00Z",
            "2026-02-29T08:00:00Z",
            "2026-05-17T24:00:00Z",
            "2026-05-17T08:60:00Z",
            "2026-05-17T08:00:00.Z",
            "2026-05-17T08:00:00+2:00",
            "2026-05-17T08:00:00+25:00",
            "+026-05-17T08:00:00Z",
            "0000-12-31T23:59:59Z",
            "9999-12-31T23:59:59-00:01",
            "2026-05-17T08:00:0éZ",
        ] {
            assert!(parse_rfc3339(text).is_err(), "{text}");
        }
    }

    #[test]
    fn epochs_are_told_apart_by_magnitude() {
        let base = parse_rfc3339("2026-05-17T08:00:00Z").unwrap();
        assert_eq!(from_epoch(base / 1_000_000).unwrap(), base);
        assert_eq!(from_epoch(base / 1000).unwrap(), base);
        assert_eq!(from_epoch(base).unwrap(), base);
        assert!(from_epoch(base * 1000).is_err());
        assert!(from_epoch(i64::MIN).is_err());
    }

    #[test]
    fn text_and_number_agree_over_ten_thousand_years() {
        let mut day = day_of(MIN_US);
        while day <= day_of(MAX_US) {
            let micros = day_start(day) + i64::from(day).rem_euclid(DAY_US / 1000) * 997;
            let text = format_rfc3339(micros);
            assert_eq!(text.len(), 27);
            assert_eq!(parse_rfc3339(&text).unwrap(), micros, "{text}");
            day += 13;
        }
    }
}
