//! Whether something grows.

/// A straight line through points, by least squares.
#[derive(Clone, Copy, Debug)]
pub struct Trend {
    /// How much it rises for one of the first coordinate.
    pub slope: f64,
    /// The standard error of that.
    pub error: f64,
}

impl Trend {
    /// The line through these; flat through fewer than three.
    pub fn of(points: &[(f64, f64)]) -> Self {
        let count = points.len() as f64;
        if count < 3.0 {
            return Self { slope: 0.0, error: 0.0 };
        }
        let mean = |read: fn(&(f64, f64)) -> f64| points.iter().map(read).sum::<f64>() / count;
        let (x0, y0) = (mean(|point| point.0), mean(|point| point.1));
        let spread: f64 = points.iter().map(|(x, _)| (x - x0).powi(2)).sum();
        let slope = points.iter().map(|(x, y)| (x - x0) * (y - y0)).sum::<f64>() / spread;
        let left: f64 = points.iter().map(|(x, y)| (y - y0 - slope * (x - x0)).powi(2)).sum();
        Self { slope, error: (left / (count - 2.0) / spread).sqrt() }
    }

    /// What it rises by with a likelihood of 97.5 %, as far as points do not depend on those before them.
    pub fn surely(self) -> f64 {
        self.slope - 1.96 * self.error
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
    }
}
