//! What an expression of Prometheus' language asks for: as much of the language as our files use.

use std::iter::Peekable;
use std::str::Chars;

/// What an expression asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub selectors: Vec<Selector>,
    /// Labels that are summed up by, or matched on.
    pub groupings: Vec<String>,
}

/// A metric, and the labels it is narrowed down by, each with the values it may have.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Selector {
    pub metric: String,
    pub labels: Vec<(String, Vec<String>)>,
}

/// Words with a list of labels behind them.
const LISTS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
/// Functions that may have such a list between their name and what they are given.
const SUMS: [&str; 5] = ["sum", "min", "max", "avg", "count"];
/// Words between two expressions.
const OPERATORS: [&str; 5] = ["and", "or", "unless", "bool", "offset"];

/// Reads an expression. Panics at what it does not know.
pub fn asked(expression: &str) -> Asked {
    let mut asked = Asked::default();
    let mut rest = expression.chars().peekable();
    while let Some(c) = rest.peek().copied() {
        if !is_word(c) {
            rest.next();
            assert!(c != '{', "labels without a metric: {expression}");
            match c {
                '[' => drop(until(&mut rest, ']')),
                '"' => drop(until(&mut rest, '"')),
                _ => {}
            }
            continue;
        }
        let word = word(&mut rest);
        blanks(&mut rest);
        let next = rest.peek().copied();
        if word.starts_with(|c: char| c.is_ascii_digit())
            || [&OPERATORS[..], &SUMS[..]].concat().contains(&&*word)
        {
            continue;
        }
        match next {
            Some('(') if LISTS.contains(&&*word) => {
                rest.next();
                let list = until(&mut rest, ')');
                let labels = list.split(',').map(str::trim).filter(|label| !label.is_empty());
                asked.groupings.extend(labels.map(str::to_owned));
            }
            // A function; what it is given comes next.
            Some('(') => {}
            Some('{') => {
                rest.next();
                let labels = matchers(&mut rest);
                asked.selectors.push(Selector { metric: word, labels });
            }
            _ => asked.selectors.push(Selector { metric: word, labels: Vec::new() }),
        }
    }
    asked
}

/// `name="value",other=~"one|two"}`. What is left out (`!=`, `!~`) has to exist as well.
fn matchers(rest: &mut Peekable<Chars<'_>>) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    loop {
        while rest.next_if(|c| *c == ',' || c.is_whitespace()).is_some() {}
        if rest.next_if_eq(&'}').is_some() {
            return found;
        }
        let label = word(rest);
        assert!(!label.is_empty(), "a label is missing");
        until(rest, '"');
        let values = until(rest, '"');
        // A variable of the dashboard stands for whatever there is.
        let values = values.split('|').filter(|value| !value.starts_with('$'));
        found.push((label, values.map(str::to_owned).collect()));
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':' || c == '.'
}

fn word(rest: &mut Peekable<Chars<'_>>) -> String {
    std::iter::from_fn(|| rest.next_if(|c| is_word(*c))).collect()
}

fn blanks(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|c| c.is_whitespace()).is_some() {}
}

fn until(rest: &mut Peekable<Chars<'_>>, end: char) -> String {
    rest.by_ref().take_while(|c| *c != end).collect()
}

#[test]
fn an_expression_is_understood() {
    let selector = |metric: &str, labels: &[(&str, &[&str])]| Selector {
        metric: metric.to_owned(),
        labels: labels
            .iter()
            .map(|(label, values)| {
                ((*label).to_owned(), values.iter().map(|value| (*value).to_owned()).collect())
            })
            .collect(),
    };
    let seen = asked(
        "histogram_quantile(0.99, sum by (le, job) (rate(a_bucket{x=~\"one|two\", y!=\"$three\"}[5m])))\n \
         > 0.05 or time() - b unless ignoring (z) c offset 1h",
    );
    let selectors = vec![
        selector("a_bucket", &[("x", &["one", "two"]), ("y", &[])]),
        selector("b", &[]),
        selector("c", &[]),
    ];
    assert_eq!(seen, Asked { selectors, groupings: ["le", "job", "z"].map(str::to_owned).into() });
}
