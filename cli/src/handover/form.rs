//! How an offer is written: TOML in the editor, JSON for machines; what is given as arguments goes before what stands in a
//! form. Refused: fields that are none of an offer's, so that nothing that somebody wrote is lost unseen.

use kring_client::api::HandoverDraft;
use kring_client::case::handover::{Summary, Urgency};
use kring_protocol::address::ProfessionalAddress;
use serde::{Deserialize, Serialize};

use super::arguments::{OfferArguments, UrgencyArgument};
use super::dossier::DossierForm;
use crate::alert::moment;
use crate::outcome::{Cause, Failure, Outcome};
use crate::words::say;

/// An offer as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct OfferForm {
    to: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coordinator: Option<String>,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    urgency: Option<UrgencyArgument>,
    situation: String,
    background: String,
    assessment: String,
    recommendation: String,
    actions: Vec<String>,
    contingency: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accept_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dossier: Option<DossierForm>,
}

impl OfferForm {
    /// Reads JSON, or else TOML.
    pub(super) fn read(text: &str) -> Outcome<Self> {
        let bad = |reason: String| {
            Failure::advised(
                Cause::Usage,
                say!("input-not-understood", reason = reason),
                say!("handover-form-advice"),
            )
        };
        if text.trim_start().starts_with('{') {
            return serde_json::from_str(text).map_err(|error| bad(error.to_string()));
        }
        toml::from_str(text).map_err(|error| bad(error.message().to_owned()))
    }

    /// Takes over what is given as arguments.
    pub(super) fn take(&mut self, given: OfferArguments) {
        let text = |into: &mut String, from: Option<String>| {
            if let Some(from) = from {
                *into = from;
            }
        };
        text(&mut self.scope, given.scope);
        text(&mut self.situation, given.situation);
        text(&mut self.background, given.background);
        text(&mut self.assessment, given.assessment);
        text(&mut self.recommendation, given.recommendation);
        text(&mut self.contingency, given.contingency);
        for (into, from) in [(&mut self.to, given.to), (&mut self.actions, given.actions)] {
            if !from.is_empty() {
                *into = from;
            }
        }
        self.urgency = given.urgency.or(self.urgency);
        for (into, from) in [
            (&mut self.coordinator, given.coordinator),
            (&mut self.start_by, given.start_by),
            (&mut self.accept_by, given.accept_by),
        ] {
            *into = from.or(into.take());
        }
    }

    /// Whether something is missing without which nobody can take a family over.
    pub(super) fn lacks_words(&self) -> bool {
        [&self.scope, &self.situation].iter().any(|text| text.trim().is_empty())
    }

    /// Refuses an offer that nobody can take a family over by.
    pub(super) fn is_whole(&self) -> Outcome {
        match self.lacks_words() {
            true => Err(Failure::advised(Cause::Usage, say!("handover-lacks-words"), say!("handover-lacks-advice"))),
            false => Ok(()),
        }
    }

    /// As the editor begins with it.
    pub(super) fn to_edit(&self) -> String {
        let form = Self { urgency: Some(self.urgency.unwrap_or(UrgencyArgument::Routine)), ..self.clone() };
        format!("{}\n{}", say!("handover-template"), toml::to_string_pretty(&form).unwrap_or_default())
    }

    /// As `--input` takes it.
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// The offer without its dossier. `person` finds who is meant.
    pub(super) fn draft(self, person: impl Fn(&str) -> Outcome<ProfessionalAddress>) -> Outcome<HandoverDraft> {
        if self.to.is_empty() {
            return Err(Failure::advised(Cause::Usage, say!("handover-to-nobody"), say!("handover-to-advice")));
        }
        Ok(HandoverDraft {
            to: self.to.iter().map(|words| person(words)).collect::<Outcome<_>>()?,
            coordinator: self.coordinator.as_deref().map(&person).transpose()?,
            scope: self.scope.trim().to_owned(),
            urgency: self.urgency.map_or(Urgency::Routine, Into::into),
            summary: Summary {
                situation: self.situation,
                background: self.background,
                assessment: self.assessment,
                recommendation: self.recommendation,
            },
            actions: self.actions,
            contingency: self.contingency,
            start_by: self.start_by.as_deref().map(moment).transpose()?,
            accept_by: self.accept_by.as_deref().map(moment).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "\
to = [\"carla\"]
scope = \"De zorg\"
urgency = \"soon\"
situation = \"Rustig.\"
actions = [\"bel de school\"]
dossier = \"none\"
";

    fn person(words: &str) -> Outcome<ProfessionalAddress> {
        Ok(ProfessionalAddress::new(words, "zorg.example").expect("an address"))
    }

    #[test]
    fn an_offer_is_the_same_written_as_toml_as_json_and_in_the_editor() {
        let form = OfferForm::read(OFFER).expect("read");
        assert_eq!(OfferForm::read(&form.to_json()), Ok(form.clone()));
        assert_eq!(OfferForm::read(&form.to_edit()), Ok(form.clone()));
        let draft = form.draft(person).expect("an offer");
        assert_eq!((draft.scope.as_str(), draft.urgency), ("De zorg", Urgency::Soon));
        assert_eq!(draft.to[0].as_str(), "carla@zorg.example");
    }

    #[test]
    fn what_is_no_part_of_an_offer_is_refused_and_not_lost() {
        let wrong = OfferForm::read(&OFFER.replace("actions", "action"));
        assert_eq!(wrong.expect_err("unknown").cause, Cause::Usage);
        let nobody = OfferForm::read(&OFFER.replace("[\"carla\"]", "[]")).expect("read");
        assert_eq!(nobody.draft(person).expect_err("to nobody").cause, Cause::Usage);
        let silent = OfferForm::read(&OFFER.replace("Rustig.", " ")).expect("read");
        assert_eq!(silent.is_whole().expect_err("no situation").cause, Cause::Usage);
    }
}
