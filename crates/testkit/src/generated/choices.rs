//! Choices read off bytes. The same bytes make the same choices, and once they run out every
//! choice is the first one. So a fuzzer that changes a byte changes a choice, and a shorter
//! input is a simpler case.

pub(super) struct Choices<'a> {
    bytes: &'a [u8],
}

impl<'a> Choices<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(super) fn byte(&mut self) -> u8 {
        match self.bytes.split_first() {
            Some((first, rest)) => {
                self.bytes = rest;
                *first
            }
            None => 0,
        }
    }

    /// Any number there is.
    pub(super) fn number(&mut self) -> u64 {
        (0..8).fold(0, |number, _| (number << 8) | u64::from(self.byte()))
    }

    /// A number below `end`, which is not 0. That the lower ones come a little more often does
    /// no harm here, and taking few bytes does good.
    pub(super) fn below(&mut self, end: usize) -> usize {
        match end {
            0..=0x100 => usize::from(self.byte()) % end,
            0x101..=0x1_0000 => usize::from(u16::from_be_bytes([self.byte(), self.byte()])) % end,
            _ => (self.number() % end as u64) as usize,
        }
    }

    pub(super) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == count - 1
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// As many bits, all of them set when the bytes have run out.
    pub(super) fn bits(&mut self, count: usize) -> Vec<bool> {
        let mut bits = Vec::with_capacity(count + 8);
        while bits.len() < count {
            let byte = self.byte();
            bits.extend((0..8).map(|bit| (byte >> bit) & 1 == 0));
        }
        bits.truncate(count);
        bits
    }
}
