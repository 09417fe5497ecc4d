//! Random numbers and short ids, straight into bytes.

use rand::RngCore;
use rand::rngs::SmallRng;

const UPPER: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LOWER: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A number below `limit`, which must not be zero.
#[inline]
pub(super) fn below(limit: u32, rng: &mut SmallRng) -> u32 {
    ((u64::from(rng.next_u32()) * u64::from(limit)) >> 32) as u32
}

/// A number in [0, 1).
#[inline]
pub(super) fn unit(rng: &mut SmallRng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// A number below `limit`, small ones far more often: few things are touched all the time.
#[inline]
pub(super) fn skewed(limit: u32, rng: &mut SmallRng) -> u32 {
    let share = unit(rng);
    (share * share * share * f64::from(limit)) as u32
}

/// Scatters a number over all 64 bits, one to one (the finalizer of SplitMix64).
#[inline]
pub(super) fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The lowest `5 * N` bits in Crockford's base 32; `N` ≤ 12.
#[inline]
fn base32<const N: usize>(value: u64, alphabet: &[u8; 32]) -> [u8; N] {
    std::array::from_fn(|place| alphabet[(value >> (5 * (N - 1 - place))) as usize & 31])
}

/// A ULID: 48 bits of milliseconds, 80 random bits.
#[inline]
pub(super) fn ulid(at_us: i64, rng: &mut SmallRng, out: &mut Vec<u8>) {
    let millis = at_us.div_euclid(1000) as u64 & 0xffff_ffff_ffff;
    out.extend_from_slice(&base32::<10>(millis, UPPER));
    out.extend_from_slice(&base32::<8>(rng.next_u64(), UPPER));
    out.extend_from_slice(&base32::<8>(rng.next_u64(), UPPER));
}

/// Sixteen characters that do not come twice.
#[inline]
pub(super) fn token(rng: &mut SmallRng, out: &mut Vec<u8>) {
    out.extend_from_slice(&base32::<8>(rng.next_u64(), LOWER));
    out.extend_from_slice(&base32::<8>(rng.next_u64(), LOWER));
}

/// The short name of a thing.
#[inline]
pub(super) fn short(value: u64) -> [u8; 10] {
    base32(value, LOWER)
}

/// The same as text, for what is rendered ahead of time.
pub(super) fn short_text(value: u64) -> String {
    base32::<8>(mix(value), LOWER).iter().map(|&byte| char::from(byte)).collect()
}

/// Sixteen hexadecimal digits.
#[inline]
pub(super) fn hex(value: u64, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits: [u8; 16] =
        std::array::from_fn(|place| DIGITS[(value >> (60 - 4 * place)) as usize & 15]);
    out.extend_from_slice(&digits);
}

/// A decimal number.
#[inline]
pub(super) fn decimal(mut value: u32, out: &mut Vec<u8>) {
    let mut digits = [0_u8; 10];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// An address. Only ranges that belong to nobody: private ones and those kept for examples.
pub(super) fn address(rng: &mut SmallRng, out: &mut Vec<u8>) {
    match below(10, rng) {
        0 => {
            out.extend_from_slice(b"2001:db8:");
            for _ in 0..3 {
                // One to four digits and never zero, so that the text is the canonical one.
                let group = 1 + below(0xfffe, rng);
                let skipped = (group.leading_zeros() as usize - 16) / 4;
                let mut digits = Vec::with_capacity(16);
                hex(u64::from(group), &mut digits);
                out.extend_from_slice(&digits[12 + skipped..]);
                out.push(b':');
            }
            out.push(b':');
            decimal(1 + below(9, rng), out);
        }
        1..=3 => {
            let net: &[u8] = match below(3, rng) {
                0 => b"192.0.2.",
                1 => b"198.51.100.",
                _ => b"203.0.113.",
            };
            out.extend_from_slice(net);
            decimal(1 + below(254, rng), out);
        }
        _ => {
            out.extend_from_slice(b"10.");
            decimal(below(64, rng), out);
            out.push(b'.');
            decimal(below(256, rng), out);
            out.push(b'.');
            decimal(1 + below(254, rng), out);
        }
    }
}
