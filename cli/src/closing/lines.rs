//! Who answers for the family, who holds the case, how far its end is, and who has attested its erasure: as it is shown.

use std::io::{self, Write};

use kring_client::case::{CaseId, CaseState, ClosingStage, ErasureReport, FileStatement, Role};
use kring_protocol::address::DeviceAddress;
use serde::Serialize;

use crate::clock::{local, rfc3339};
use crate::names::SHORT_ID;
use crate::output::Line;
use crate::words::say;

/// Who answers for the family, who holds the case, and how far its end is.
#[derive(Serialize)]
#[serde(tag = "type", rename = "duties")]
pub(crate) struct DutiesLine {
    case: String,
    responsible: Vec<String>,
    holds: Vec<String>,
    closing: Option<ClosingLine>,
}

#[derive(Serialize)]
struct ClosingLine {
    /// `proposed`, `closed` or `erasing`.
    stage: &'static str,
    keep_days: u64,
    statements: Vec<StatementLine>,
    /// Organisations in the case that have not stated.
    missing: Vec<String>,
}

#[derive(Serialize)]
struct StatementLine {
    organisation: String,
    /// `exported` or `not_needed`.
    statement: &'static str,
}

impl DutiesLine {
    /// As the state of a case has them.
    pub(crate) fn of(case: CaseId, state: &CaseState) -> Self {
        let duties = state.duties();
        Self {
            case: case.to_hex(),
            responsible: state.responsible().iter().map(ToString::to_string).collect(),
            holds: duties.holds().to_vec(),
            closing: duties.closing().map(|closing| ClosingLine {
                stage: match closing.stage {
                    ClosingStage::Proposed => "proposed",
                    ClosingStage::Closed => "closed",
                    ClosingStage::Erasing => "erasing",
                },
                keep_days: closing.keep_days,
                statements: closing
                    .statements
                    .iter()
                    .map(|(organisation, statement)| StatementLine {
                        organisation: organisation.clone(),
                        statement: match statement {
                            FileStatement::Exported => "exported",
                            FileStatement::NotNeeded => "not_needed",
                        },
                    })
                    .collect(),
                missing: silent(state),
            }),
        }
    }
}

impl Line for DutiesLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if !self.responsible.is_empty() {
            writeln!(out, "  {}", say!("duties-responsible", who = self.responsible.join(", ")))?;
        }
        for organisation in &self.holds {
            writeln!(out, "  {}", say!("duties-held", organisation = organisation.as_str()))?;
        }
        let Some(closing) = &self.closing else { return Ok(()) };
        let days = closing.keep_days;
        let how_far = match closing.stage {
            "proposed" => say!("duties-proposed", days = days),
            _ => say!("duties-closed", days = days),
        };
        writeln!(out, "  {how_far}")?;
        for StatementLine { organisation, statement } in &closing.statements {
            let organisation = organisation.as_str();
            let stated = match *statement {
                "exported" => say!("duties-exported", organisation = organisation),
                _ => say!("duties-not-needed", organisation = organisation),
            };
            writeln!(out, "    {stated}")?;
        }
        let mut missing = closing.missing.iter().filter(|_| closing.stage == "proposed");
        missing.try_for_each(|organisation| {
            writeln!(out, "    {}", say!("duties-silent", organisation = organisation.as_str()))
        })
    }
}

/// Organisations in a case, by their domains, that have not stated what becomes of their own file.
pub(super) fn silent(state: &CaseState) -> Vec<String> {
    let people = state.members().people().iter().filter(|person| person.present.is_some());
    let mut domains: Vec<_> = people.map(|person| person.professional.domain().to_owned()).collect();
    domains.sort_unstable();
    domains.dedup();
    let stated = |domain: &str| state.duties().closing().is_some_and(|closing| closing.statement(domain).is_some());
    domains.retain(|domain| !stated(domain));
    domains
}

/// What of a case's end waits for somebody: its name for machines, and in words.
pub(crate) fn waiting(state: &CaseState, domain: &str, role: Role) -> Option<(&'static str, String)> {
    if state.duties().stage() != Some(ClosingStage::Proposed) || role == Role::Observer {
        return None;
    }
    let silent = silent(state);
    if silent.iter().any(|organisation| organisation == domain) {
        Some(("closing_statement", say!("inbox-closing-statement")))
    } else if silent.is_empty() && role == Role::Coordinator {
        Some(("closing", say!("inbox-closing")))
    } else {
        None
    }
}

/// How far the erasure of a case is.
#[derive(Serialize)]
#[serde(tag = "type", rename = "erasure")]
pub(crate) struct ErasureLine {
    case: String,
    at: String,
    by: String,
    attested: Vec<AttestedLine>,
    missing: Vec<DeviceLine>,
    /// When the relay took the order to erase its log; `null`: not yet.
    erased_at_relay: Option<String>,
    #[serde(skip)]
    shown: Vec<String>,
}

#[derive(Serialize)]
struct AttestedLine {
    #[serde(flatten)]
    device: DeviceLine,
    at: String,
}

#[derive(Serialize)]
struct DeviceLine {
    address: String,
    device: String,
}

impl From<&DeviceAddress> for DeviceLine {
    fn from(address: &DeviceAddress) -> Self {
        Self { address: address.professional.to_string(), device: address.device.to_hex() }
    }
}

impl From<&ErasureReport> for ErasureLine {
    fn from(report: &ErasureReport) -> Self {
        let case = report.case.to_hex();
        let short = |address: &DeviceAddress| address.device.to_hex()[..SHORT_ID].to_owned();
        let (by, at) = (report.by.professional.as_str(), local(report.at));
        let id = &case[..SHORT_ID];
        let mut shown = vec![match (report.missing.is_empty(), report.at_relay) {
            (true, Some(_)) => say!("erasure-done", id = id, by = by, at = at),
            (false, _) | (true, None) => say!("erasure-head", id = id, by = by, at = at),
        }];
        for (who, at) in &report.attested {
            let (who, device, at) = (who.professional.as_str(), short(who), local(*at));
            shown.push(format!("    {}", say!("erasure-attested", who = who, device = device, at = at)));
        }
        for who in &report.missing {
            let (who, device) = (who.professional.as_str(), short(who));
            shown.push(format!("    {}", say!("erasure-missing", who = who, device = device)));
        }
        shown.push(format!(
            "    {}",
            match report.at_relay {
                Some(at) => say!("erasure-at-relay", at = local(at)),
                None => say!("erasure-not-at-relay"),
            }
        ));
        Self {
            case,
            at: rfc3339(report.at),
            by: report.by.professional.to_string(),
            attested: report
                .attested
                .iter()
                .map(|(device, at)| AttestedLine { device: device.into(), at: rfc3339(*at) })
                .collect(),
            missing: report.missing.iter().map(DeviceLine::from).collect(),
            erased_at_relay: report.at_relay.map(rfc3339),
            shown,
        }
    }
}

impl Line for ErasureLine {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.shown.iter().try_for_each(|line| writeln!(out, "{line}"))
    }
}
