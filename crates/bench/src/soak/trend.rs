//! Whether something grows.

use crate::report::median;

/// Into how many pieces of time points are gathered. Points that follow each other depend on each other, and while
/// something is broken all of them are far from the others: medians of pieces do neither.
const PIECES: usize = 8;
/// How many standard errors a slope through [`PIECES`] points is off with a likelihood of 2.5 % (Student's t, six
/// degrees of freedom).
const T: f64 = 2.447;

/// A straight line through the medians of pieces, by least squares.
#[derive(Clone, Copy, Debug)]
pub struct Trend {
    /// How much it rises for one of the first coordinate.
    pub slope: f64,
    /// The standard error of that.
    pub error: f64,
}

impl Trend {
    /// The line through these, which are in order; flat through fewer than there are pieces.
    pub fn of(points: &[(f64, f64)]) -> Self {
        let size = points.len() / PIECES;
        if size == 0 {
            return Self { slope: 0.0, error: 0.0 };
        }
        let middle = |piece: &[(f64, f64)], read: fn(&(f64, f64)) -> f64| {
            median(&mut piece.iter().map(read).collect::<Vec<_>>())
        };
        let pieces: Vec<_> = points
            .chunks_exact(size)
            .take(PIECES)
            .map(|piece| (middle(piece, |point| point.0), middle(piece, |point| point.1)))
            .collect();
        let count = PIECES as f64;
        let mean = |read: fn(&(f64, f64)) -> f64| pieces.iter().map(read).sum::<f64>() / count;
        let (x0, y0) = (mean(|point| point.0), mean(|point| point.1));
        let spread: f64 = pieces.iter().map(|(x, _)| (x - x0).powi(2)).sum();
        let slope = pieces.iter().map(|(x, y)| (x - x0) * (y - y0)).sum::<f64>() / spread;
        let left: f64 = pieces.iter().map(|(x, y)| (y - y0 - slope * (x - x0)).powi(2)).sum();
        Self { slope, error: (left / (count - 2.0) / spread).sqrt() }
    }

    /// What it rises by with a likelihood of 97.5 %.
    pub fn surely(self) -> f64 {
        self.slope - T * self.error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noisy(slope: f64) -> Vec<(f64, f64)> {
        // To and fro by one.
        (0..200)
            .map(|n| (f64::from(n), slope * f64::from(n) + f64::from(n % 7 % 3) - 1.0))
            .collect()
    }

    #[test]
    fn what_grows_is_told_from_what_only_moves() {
        let flat = Trend::of(&noisy(0.0));
        assert!(flat.surely() < 0.001 && flat.slope.abs() < 0.01, "{flat:?}");
        let growing = Trend::of(&noisy(0.05));
        assert!(growing.surely() > 0.04 && growing.slope < 0.06, "{growing:?}");
        assert!(Trend::of(&noisy(-0.05)).surely() < 0.0);
        assert!(Trend::of(&[(0.0, 1.0), (1.0, 5.0)]).surely().abs() < 0.001, "too few to say");
    }

    #[test]
    fn an_outage_at_the_beginning_is_no_growth_and_hides_none() {
        for (slope, grows) in [(0.0, false), (0.05, true)] {
            let mut points = noisy(slope);
            for point in &mut points[3..15] {
                point.1 -= 30.0;
            }
            let seen = Trend::of(&points);
            assert_eq!(seen.surely() > 0.02, grows, "{seen:?}");
        }
    }
}
