//! Numbers in decimal, two digits at a time.

use crate::page::{BLOCK, Page};

/// The digits of 0 to 99.
static PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut value = 0;
    while value < 100 {
        pairs[value] = [b'0' + (value / 10) as u8, b'0' + (value % 10) as u8];
        value += 1;
    }
    pairs
};

/// Writes the last two digits of `value` at a place of `text`.
#[inline]
pub(crate) fn pair(text: &mut [u8], at: usize, value: u32) {
    text[at..at + 2].copy_from_slice(&PAIRS[value as usize % 100]);
}

/// Writes a number.
#[inline]
pub fn put_u64(mut value: u64, page: &mut Page) {
    /// The most digits there are.
    const END: usize = 20;
    // They end at the same place however many there are; a block behind each can be read.
    let mut text = [0; END + BLOCK];
    let mut at = END;
    while value >= 10 {
        at -= 2;
        pair(&mut text, at, (value % 100) as u32);
        value /= 100;
    }
    if value > 0 || at == END {
        at -= 1;
        text[at] = b'0' + value as u8;
    }
    page.put_part(&text, at, END);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_the_standard_library_writes() {
        let powers = (0..20).map(|power| 10_u64.pow(power));
        let around = powers.flat_map(|power| [power - 1, power, power + 1]);
        for value in around.chain([0, 9, 99, u64::MAX]) {
            let mut page = Page::default();
            put_u64(value, &mut page);
            assert_eq!(*page, *value.to_string().as_bytes());
        }
    }
}
