//! What was promised, and whether it was kept.

/// The bars, and whether they were kept.
#[derive(Debug, Default)]
pub struct Bars(Vec<(String, String, String, bool)>);

impl Bars {
    /// Notes a figure that must not exceed its bar.
    pub fn at_most(&mut self, what: impl Into<String>, figure: f64, bar: f64, unit: &str) {
        let spelled = |value: f64| {
            format!(
                "{}{unit}",
                if value < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") }
            )
        };
        self.0.push((
            what.into(),
            spelled(figure),
            format!("at most {}", spelled(bar)),
            figure <= bar,
        ));
    }

    /// Prints all of them and says which were missed.
    pub fn print(&self) -> Vec<&str> {
        println!("## The bars\n\n| | measured | bar | |\n| --- | --- | --- | --- |");
        for (what, figure, bar, kept) in &self.0 {
            println!("| {what} | {figure} | {bar} | {} |", if *kept { "kept" } else { "MISSED" });
        }
        println!();
        self.0.iter().filter(|bar| !bar.3).map(|bar| bar.0.as_str()).collect()
    }
}
