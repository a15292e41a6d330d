//! What differs between two versions of a plan, section by section.

use super::{Agreement, PlanContent};
use crate::case::log::says_nothing;

/// A section of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Section {
    /// In which phase the family is.
    Phase,
    /// What people are worried about.
    Worry,
    /// Safety conditions.
    Conditions,
    /// Safety agreements.
    Agreements,
    /// What sets violence off.
    Triggers,
    /// What to do when it is about to happen.
    Emergency,
    /// Who helps.
    Network,
    /// When it is looked at again.
    Review,
    /// When a restraining order ends.
    OrderEnds,
}

/// One difference. Lines of lists come one by one; what moved within a list is no difference.
#[derive(Clone, PartialEq, Eq)]
pub enum Difference {
    /// A line that only the newer version has.
    Added(Section, String),
    /// A line that only the older version has.
    Removed(Section, String),
    /// A section of one value that is another one; the values are in the two versions.
    Changed(Section),
}

impl PlanContent {
    /// What differs from an older version.
    pub fn differences(&self, older: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        let mut value = |section, same: bool| {
            if !same {
                found.push(Difference::Changed(section));
            }
        };
        value(Section::Phase, self.phase == older.phase);
        value(Section::Worry, self.worry == older.worry);
        value(Section::Review, self.review == older.review);
        value(Section::OrderEnds, self.order_ends == older.order_ends);
        let agreements = |plan: &Self| plan.agreements.iter().map(Agreement::line).collect::<Vec<_>>();
        for (section, old, new) in [
            (Section::Conditions, older.conditions.clone(), self.conditions.clone()),
            (Section::Agreements, agreements(older), agreements(self)),
            (Section::Triggers, older.triggers.clone(), self.triggers.clone()),
            (Section::Emergency, older.emergency.clone(), self.emergency.clone()),
            (Section::Network, older.network.clone(), self.network.clone()),
        ] {
            let only = |these: &[String], others: &[String]| {
                let mut others = others.to_vec();
                let mut left = Vec::new();
                for line in these {
                    match others.iter().position(|other| other == line) {
                        Some(index) => drop(others.swap_remove(index)),
                        None => left.push(line.clone()),
                    }
                }
                left
            };
            found.extend(only(&old, &new).into_iter().map(|line| Difference::Removed(section, line)));
            found.extend(only(&new, &old).into_iter().map(|line| Difference::Added(section, line)));
        }
        found
    }
}

impl Agreement {
    /// The agreement in one line.
    pub fn line(&self) -> String {
        let parts = [&self.who, &self.what, &self.when, &self.checked_by];
        parts.into_iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" · ")
    }
}

says_nothing!(Difference);
