//! A weighted choice in constant time (Walker's alias method).

use rand::RngCore;
use rand::rngs::SmallRng;

/// Picks positions in proportion to their weights.
#[derive(Debug)]
pub(super) struct Weighted {
    /// Each cell keeps its own position below the threshold and gives another one's above.
    cells: Vec<(u32, u32)>,
}

impl Weighted {
    /// Weights must not be negative; at least one must be above zero.
    pub(super) fn new(weights: &[f64]) -> Self {
        let mean = weights.iter().sum::<f64>() / weights.len() as f64;
        let mut shares: Vec<f64> = weights.iter().map(|weight| weight / mean).collect();
        let mut cells: Vec<(u32, u32)> =
            (0..weights.len()).map(|position| (u32::MAX, position as u32)).collect();
        let (mut poor, mut rich): (Vec<usize>, Vec<usize>) =
            (0..shares.len()).partition(|&position| shares[position] < 1.0);
        while let (Some(short), Some(&giver)) = (poor.pop(), rich.last()) {
            cells[short] = ((shares[short] * f64::from(u32::MAX)) as u32, giver as u32);
            shares[giver] -= 1.0 - shares[short];
            if shares[giver] < 1.0 {
                rich.pop();
                poor.push(giver);
            }
        }
        Self { cells }
    }

    /// A position.
    #[inline]
    pub(super) fn pick(&self, rng: &mut SmallRng) -> usize {
        let random = rng.next_u64();
        let cell = (((random >> 32) * self.cells.len() as u64) >> 32) as usize;
        let (threshold, other) = self.cells[cell];
        if (random as u32) < threshold { cell } else { other as usize }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn picks_follow_the_weights() {
        let weights = [1.0, 0.0, 5.0, 2.0, 2.0];
        let table = Weighted::new(&weights);
        let mut rng = SmallRng::seed_from_u64(1);
        let mut counts = [0_u32; 5];
        for _ in 0..100_000 {
            counts[table.pick(&mut rng)] += 1;
        }
        for (count, weight) in counts.iter().zip(weights) {
            let expected = weight * 10_000.0;
            assert!((f64::from(*count) - expected).abs() <= 600.0, "{counts:?}");
        }
    }
}
