//! Nothing of what was said, and nobody's name, in any byte that the relay keeps or logs.

use std::collections::BTreeMap;
use std::path::Path;

use kring_client::case::CaseView;

use super::{Copy, line};
use crate::demo::cast::Player;
use crate::demo::needles::{Kind, Needles};
use crate::demo::scan::Scanner;
use crate::demo::scenario::Scenario;
use crate::demo::timeline::CheckLine;
use crate::outcome::{Cause, Failure, Outcome};

/// Prepares the search for everything that the scenario says, and for every identifier that its playing made.
pub(in crate::demo) fn scanner(
    scenario: &Scenario,
    players: &[Player],
    view: &CaseView,
    copies: &[Copy],
) -> Outcome<Scanner> {
    let items = copies.iter().flat_map(|copy| copy.items.iter().map(|item| item.id.0));
    let identifiers = items.chain([view.case.0, view.group.0]);
    let needles = Needles::of(scenario, players.iter().map(|player| &player.address), identifiers);
    Scanner::new(&needles).map_err(|error| Failure::new(Cause::Internal, error))
}

/// The relay's data folder.
pub(in crate::demo) fn database(scanner: &Scanner, folder: &Path, control: &Path) -> Outcome<CheckLine> {
    let claim =
        "no plaintext, name, organisation, function, device id or raw group id in any byte of the relay's data";
    check("database", claim, scanner, folder, control)
}

/// The relay's log.
pub(in crate::demo) fn log_file(scanner: &Scanner, file: &Path, control: &Path) -> Outcome<CheckLine> {
    check("log", "no name, plaintext or id in the relay's log at trace", scanner, file, control)
}

fn check(
    check: &'static str,
    claim: &'static str,
    scanner: &Scanner,
    path: &Path,
    control: &Path,
) -> Outcome<CheckLine> {
    let failed = |error| Failure::file("searched", path, &error);
    let found = scanner.scan(path).map_err(failed)?;
    let planted = scanner.patterns().len();
    let control_found = scanner.control(control).map_err(failed)?;
    let mut by_kind: BTreeMap<Kind, usize> = BTreeMap::new();
    for place in &found.patterns {
        *by_kind.entry(scanner.patterns()[*place].kind).or_default() += 1;
    }
    let mut evidence = vec![
        format!(
            "searched {} files, {} bytes, for {} needles in {planted} forms (plain and UTF-16 in either case, \
             hexadecimal, Base64): found {}",
            found.files,
            found.bytes,
            scanner.needles(),
            found.patterns.len()
        ),
        format!("control: the same search finds {control_found} of {planted} in a file in which they were planted"),
    ];
    evidence.extend(by_kind.iter().map(|(kind, count)| format!("FOUND: {count} of kind {kind:?}")));
    let holds = found.patterns.is_empty() && found.bytes > 0 && control_found == planted;
    Ok(line(check, claim, holds, evidence))
}
