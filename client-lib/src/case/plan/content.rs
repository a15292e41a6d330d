//! What a version of the safety plan says.

use kring_protocol::frame;
use kring_protocol::ids::Timestamp;
use serde::{Deserialize, Serialize};

use crate::case::fold::Refused;
use crate::case::hash::ContentHash;
use crate::case::log::says_nothing;
use crate::case::statement::{MAX_LINE, line, list, text, time};

/// What a version says. Texts are the family's and professionals' own words, in Markdown where longer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanContent {
    /// In which phase the family is.
    pub phase: Phase,
    /// What people are worried about.
    pub worry: String,
    /// Safety conditions (veiligheidsvoorwaarden): what has to be so.
    pub conditions: Vec<String>,
    /// Safety agreements (veiligheidsafspraken): who does what.
    pub agreements: Vec<Agreement>,
    /// What sets violence off.
    pub triggers: Vec<String>,
    /// What to do when it is about to happen, or does.
    pub emergency: Vec<String>,
    /// Who of family and friends helps, and how.
    pub network: Vec<String>,
    /// When it is looked at again.
    pub review: Timestamp,
    /// When a restraining order (huisverbod) ends, if there is one.
    #[serde(default)]
    pub order_ends: Option<Timestamp>,
}

/// A safety agreement.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// Who.
    pub who: String,
    /// Does what.
    pub what: String,
    /// When, or how often.
    pub when: String,
    /// Who sees to it.
    pub checked_by: String,
}

/// The phases of safety.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Direct safety: the violence stops.
    Direct,
    /// Stable safety: it stays so, and its causes are worked on.
    Stable,
    /// Recovery: what it did heals.
    Recovery,
}

impl PlanContent {
    /// The hash to which approvals are bound: SHA-256 of its CBOR.
    pub fn hash(&self) -> ContentHash {
        ContentHash::of(&frame::encode_body(self))
    }

    pub(in crate::case) fn check(&self) -> Result<(), Refused> {
        text(&self.worry)?;
        time(self.review)?;
        self.order_ends.map_or(Ok(()), time)?;
        for lines in [&self.conditions, &self.triggers, &self.emergency, &self.network] {
            list(lines)?;
            lines.iter().try_for_each(|text| line(text))?;
        }
        list(&self.agreements)?;
        for agreement in &self.agreements {
            line(&agreement.who)?;
            line(&agreement.what)?;
            if agreement.when.len() > MAX_LINE || agreement.checked_by.len() > MAX_LINE {
                return Err(Refused::Bounds);
            }
        }
        Ok(())
    }
}

says_nothing!(PlanContent, Agreement);
