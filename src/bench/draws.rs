//! What is drawn by chance: who pays whom how much. The same seed and place draw the same, in whatever order and on however
//! many threads they are drawn.

use super::Skew;

/// A generator of random numbers for one place: SplitMix64 (G. L. Steele, D. Lea and C. H. Flood, "Fast splittable
/// pseudorandom number generators", OOPSLA 2014). Not for keys.
#[derive(Clone, Debug)]
pub struct Draws(u64);

/// The golden ratio's odd neighbour in 64 bits, by which a SplitMix64 steps.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Draws {
    /// The draws of a place under a seed.
    pub fn of(seed: u64, place: u64) -> Self {
        // Two rounds, so that neighbouring places begin far from each other.
        let mut draws = Self(seed);
        let start = draws.bits() ^ place.wrapping_mul(STEP);
        Self(Self(start).bits())
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of 0 to `bound - 1`. Its bias, a part in 2^64 of `bound`, is below what any run could show.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from 0 to 1, 1 excluded.
    fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Draws payer and payee.
#[derive(Clone, Debug)]
pub struct Pairs {
    accounts: u64,
    law: Law,
}

#[derive(Clone, Debug)]
enum Law {
    Uniform,
    Zipf(Zipf),
    Hot,
}

impl Pairs {
    /// Of so many accounts, at least two, by a law.
    pub fn new(accounts: u64, skew: Skew) -> Self {
        let law = match skew {
            Skew::Uniform => Law::Uniform,
            Skew::Zipf { exponent } => Law::Zipf(Zipf::new(accounts, exponent)),
            Skew::Hot => Law::Hot,
        };
        Self { accounts, law }
    }

    /// One who pays.
    pub fn payer(&self, draws: &mut Draws) -> u64 {
        match &self.law {
            Law::Uniform | Law::Hot => draws.below(self.accounts),
            Law::Zipf(zipf) => zipf.draw(draws) - 1,
        }
    }

    /// One who is paid, another than the payer.
    pub fn payee(&self, payer: u64, draws: &mut Draws) -> u64 {
        let drawn = match &self.law {
            Law::Uniform => draws.below(self.accounts),
            Law::Zipf(zipf) => zipf.draw(draws) - 1,
            Law::Hot if draws.below(2) == 0 => 0,
            Law::Hot => draws.below(self.accounts),
        };
        // Nobody pays himself. Shifted by a random distance, which leaves no account favoured.
        match drawn == payer {
            false => drawn,
            true => (drawn + 1 + draws.below(self.accounts - 1)) % self.accounts,
        }
    }
}

/// Zipf's law by rejection-inversion: W. Hörmann and G. Derflinger, "Rejection-inversion to generate variates from monotone
/// discrete distributions", ACM TOMACS 6(3), 1996. Constant time and memory, whatever the number of ranks.
///
/// With `h(x) = x^-s` and `H` an integral of it, `u` is drawn evenly between `H(1.5) - 1` and `H(n + 0.5)`, and rank
/// `k = round(H^-1(u))` is taken if `u >= H(k + 0.5) - h(k)`; the share of rejected draws is small for every `n` and `s`.
#[derive(Clone, Debug)]
pub struct Zipf {
    ranks: f64,
    exponent: f64,
    integral_first: f64,
    integral_last: f64,
    /// Below this distance from its rank a draw is taken without a look at the curve.
    sure: f64,
}

impl Zipf {
    /// Over ranks 1 to `ranks`, with an exponent above 0.
    pub fn new(ranks: u64, exponent: f64) -> Self {
        let ranks = ranks as f64;
        let mut zipf = Self { ranks, exponent, integral_first: 0.0, integral_last: 0.0, sure: 0.0 };
        zipf.integral_first = zipf.integral(1.5) - 1.0;
        zipf.integral_last = zipf.integral(ranks + 0.5);
        zipf.sure = 2.0 - zipf.inverse(zipf.integral(2.5) - zipf.density(2.0));
        zipf
    }

    /// A rank.
    pub fn draw(&self, draws: &mut Draws) -> u64 {
        loop {
            let u = self.integral_last + draws.unit() * (self.integral_first - self.integral_last);
            let x = self.inverse(u);
            let rank = x.round().clamp(1.0, self.ranks);
            if rank - x <= self.sure || u >= self.integral(rank + 0.5) - self.density(rank) {
                return rank as u64;
            }
        }
    }

    fn density(&self, x: f64) -> f64 {
        (-self.exponent * x.ln()).exp()
    }

    /// `(x^(1-s) - 1) / (1-s)`, which is `ln x` for `s = 1`, exact near it.
    fn integral(&self, x: f64) -> f64 {
        let log = x.ln();
        let scaled = (1.0 - self.exponent) * log;
        log * if scaled.abs() > 1e-8 { scaled.exp_m1() / scaled } else { 1.0 + scaled / 2.0 }
    }

    fn inverse(&self, y: f64) -> f64 {
        // Rounding may carry it past -1, where the logarithm ends.
        let scaled = (y * (1.0 - self.exponent)).max(-1.0);
        (y * if scaled.abs() > 1e-8 { scaled.ln_1p() / scaled } else { 1.0 - scaled / 2.0 }).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pearson's statistic of what was drawn against what the law says.
    fn chi_square(exponent: f64, ranks: u64, drawn: usize) -> f64 {
        let zipf = Zipf::new(ranks, exponent);
        let mut counts = vec![0u64; ranks as usize];
        for place in 0..drawn {
            counts[zipf.draw(&mut Draws::of(42, place as u64)) as usize - 1] += 1;
        }
        let weights: Vec<f64> = (1..=ranks).map(|rank| (rank as f64).powf(-exponent)).collect();
        let whole: f64 = weights.iter().sum();
        let expected = weights.iter().map(|weight| weight / whole * drawn as f64);
        counts.iter().zip(expected).map(|(count, expected)| (*count as f64 - expected).powi(2) / expected).sum()
    }

    #[test]
    fn ranks_are_drawn_as_often_as_zipfs_law_says() {
        for exponent in [0.5, 0.99, 1.0, 1.2, 2.0] {
            // 19 degrees of freedom: the statistic is above 43.8 once in a thousand.
            let found = chi_square(exponent, 20, 200_000);
            assert!(found < 43.8, "s = {exponent}: {found}");
        }
    }

    #[test]
    fn the_test_of_frequencies_would_notice_another_exponent() {
        let zipf = |exponent| Zipf::new(20, exponent);
        let share = |zipf: &Zipf| (0..50_000).filter(|place| zipf.draw(&mut Draws::of(1, *place)) == 1).count();
        assert!(share(&zipf(1.2)) > share(&zipf(1.0)) + 1_000);
    }

    #[test]
    fn the_farthest_rank_can_be_drawn_and_none_beyond() {
        for (ranks, exponent) in [(2, 1.0), (3, 3.0), (10_000_000, 0.8)] {
            let zipf = Zipf::new(ranks, exponent);
            let drawn: Vec<u64> = (0..10_000).map(|place| zipf.draw(&mut Draws::of(3, place))).collect();
            assert!(drawn.iter().all(|rank| (1..=ranks).contains(rank)), "{ranks} ranks, s = {exponent}");
            assert!(drawn.iter().any(|rank| *rank > ranks / 2), "{ranks} ranks, s = {exponent}");
        }
    }

    #[test]
    fn nobody_pays_himself_and_a_hot_merchant_has_half() {
        for skew in [Skew::Uniform, Skew::Zipf { exponent: 1.1 }, Skew::Hot] {
            let pairs = Pairs::new(100, skew);
            let mut to_the_first = 0;
            for place in 0..20_000 {
                let draws = &mut Draws::of(7, place);
                let payer = pairs.payer(draws);
                let payee = pairs.payee(payer, draws);
                assert!(payer != payee && payer < 100 && payee < 100, "{skew:?}: {payer} pays {payee}");
                to_the_first += u32::from(payee == 0);
            }
            let is_hot = (9_500..10_500).contains(&to_the_first);
            assert_eq!(is_hot, skew == Skew::Hot, "{skew:?}: {to_the_first} of 20000");
        }
    }

    #[test]
    fn a_seed_draws_the_same_again() {
        let drawn = |seed| (0..8).map(|place| Draws::of(seed, place).below(1_000_000)).collect::<Vec<_>>();
        assert_eq!(drawn(5), drawn(5));
        assert_ne!(drawn(5), drawn(6));
    }
}
