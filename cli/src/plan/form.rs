//! How a plan is written: TOML for people, the same fields as JSON for machines. Refused: fields that are none of a plan's,
//! so that nothing that somebody wrote is lost unseen.

use kring_client::case::plan::{Agreement, Phase, Plan, PlanContent};
use serde::{Deserialize, Serialize};

use crate::alert::moment;
use crate::clock::rfc3339;
use crate::outcome::{Cause, Failure, Outcome};
use crate::words::say;

/// A plan as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanForm {
    phase: String,
    worry: String,
    /// When it is looked at again.
    review: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order_ends: Option<String>,
    #[serde(default)]
    conditions: Vec<String>,
    #[serde(default)]
    triggers: Vec<String>,
    #[serde(default)]
    emergency: Vec<String>,
    #[serde(default)]
    network: Vec<String>,
    #[serde(default)]
    agreements: Vec<AgreementForm>,
}

/// An agreement as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgreementForm {
    who: String,
    what: String,
    #[serde(default)]
    when: String,
    #[serde(default)]
    checked_by: String,
}

impl PlanForm {
    /// Reads JSON, or else TOML.
    pub(crate) fn read(text: &str) -> Outcome<Self> {
        let bad = |reason: String| {
            Failure::advised(Cause::Usage, say!("input-not-understood", reason = reason), say!("plan-form-advice"))
        };
        if text.trim_start().starts_with('{') {
            return serde_json::from_str(text).map_err(|error| bad(error.to_string()));
        }
        toml::from_str(text).map_err(|error| bad(error.message().to_owned()))
    }

    /// The form of a plan's content.
    pub(crate) fn of(content: &PlanContent) -> Self {
        Self {
            phase: match content.phase {
                Phase::Direct => "direct",
                Phase::Stable => "stable",
                Phase::Recovery => "recovery",
            }
            .to_owned(),
            worry: content.worry.clone(),
            review: rfc3339(content.review),
            order_ends: content.order_ends.map(rfc3339),
            conditions: content.conditions.clone(),
            triggers: content.triggers.clone(),
            emergency: content.emergency.clone(),
            network: content.network.clone(),
            agreements: content
                .agreements
                .iter()
                .map(|agreement| AgreementForm {
                    who: agreement.who.clone(),
                    what: agreement.what.clone(),
                    when: agreement.when.clone(),
                    checked_by: agreement.checked_by.clone(),
                })
                .collect(),
        }
    }

    /// What it says.
    pub(crate) fn content(self) -> Outcome<PlanContent> {
        let phase = match self.phase.as_str() {
            "direct" => Phase::Direct,
            "stable" => Phase::Stable,
            "recovery" => Phase::Recovery,
            other => {
                let what = say!("plan-phase-unknown", phase = other);
                return Err(Failure::advised(Cause::Usage, what, say!("plan-form-advice")));
            }
        };
        Ok(PlanContent {
            phase,
            worry: self.worry.trim().to_owned(),
            conditions: self.conditions,
            agreements: self
                .agreements
                .into_iter()
                .map(|agreement| Agreement {
                    who: agreement.who,
                    what: agreement.what,
                    when: agreement.when,
                    checked_by: agreement.checked_by,
                })
                .collect(),
            triggers: self.triggers,
            emergency: self.emergency,
            network: self.network,
            review: moment(&self.review)?,
            order_ends: self.order_ends.as_deref().map(moment).transpose()?,
        })
    }
}

/// What the editor begins with: the versions below, one after the other's lines where there are several; or the template.
pub(super) fn begin(below: &[&Plan]) -> String {
    let Some((first, others)) = below.split_first() else { return template() };
    let mut form = PlanForm::of(&first.content);
    for other in others.iter().map(|plan| PlanForm::of(&plan.content)) {
        for (into, from) in [
            (&mut form.conditions, other.conditions),
            (&mut form.triggers, other.triggers),
            (&mut form.emergency, other.emergency),
            (&mut form.network, other.network),
        ] {
            for line in from {
                if !into.contains(&line) {
                    into.push(line);
                }
            }
        }
        for agreement in other.agreements {
            if !form.agreements.contains(&agreement) {
                form.agreements.push(agreement);
            }
        }
        if other.worry != form.worry {
            form.worry = format!("{}\n\n{}", form.worry, other.worry);
        }
        form.review = form.review.min(other.review);
    }
    let text = toml::to_string_pretty(&form).unwrap_or_default();
    if others.is_empty() { text } else { format!("{}\n{text}", say!("plan-merge-note")) }
}

/// An empty plan with what belongs where.
pub(super) fn template() -> String {
    say!("plan-template")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = "\
phase = \"direct\"
worry = \"Vader drinkt weer.\"
review = \"2026-12-01T09:00:00Z\"
conditions = [\"Vader komt niet in huis.\"]

[[agreements]]
who = \"Moeder\"
what = \"belt de buren\"
";

    #[test]
    fn a_plan_is_the_same_written_as_toml_and_as_json() {
        let content = PlanForm::read(PLAN).expect("read").content().expect("a plan");
        let json = serde_json::to_string(&PlanForm::of(&content)).expect("text");
        assert_eq!(PlanForm::read(&json).expect("read").content().expect("a plan"), content);
        assert_eq!(content.agreements[0].who, "Moeder");
    }

    #[test]
    fn what_is_no_part_of_a_plan_is_refused_and_not_lost() {
        assert_eq!(
            PlanForm::read(&PLAN.replace("conditions", "condition")).expect_err("unknown").cause,
            Cause::Usage
        );
        let wrong = PlanForm::read(&PLAN.replace("direct", "soon")).expect("read");
        assert_eq!(wrong.content().expect_err("no phase").cause, Cause::Usage);
    }
}
