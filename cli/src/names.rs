//! What a user's words mean: a case by its title or id, a member by the address, shortened as far as they stay
//! unambiguous. Refused: words that fit nothing or several, with the candidates.

use kring_client::case::{CaseView, Member};
use kring_protocol::address::ProfessionalAddress;

use crate::outcome::{Cause, Failure, Outcome};
use crate::words::say;

/// Characters of an id that are shown: 2^32 of them before two of one person's cases are likely to collide.
pub(crate) const SHORT_ID: usize = 8;
/// Most candidates that are listed.
const MOST_CANDIDATES: usize = 10;

/// The case that is meant.
pub(crate) fn case<'a>(cases: &'a [CaseView], words: &str) -> Outcome<&'a CaseView> {
    let wanted = words.to_lowercase();
    let title = |case: &CaseView| case.title.to_lowercase();
    let id = |case: &CaseView| case.case.to_hex();
    let exact = |case: &&CaseView| id(case) == wanted || title(case) == wanted;
    let begins = |case: &&CaseView| id(case).starts_with(&wanted) || title(case).starts_with(&wanted);

    let mut found: Vec<&CaseView> = cases.iter().filter(exact).collect();
    if found.is_empty() && !wanted.is_empty() {
        found = cases.iter().filter(begins).collect();
    }
    match found[..] {
        [only] => Ok(only),
        [] => Err(Failure::advised(Cause::Usage, say!("no-such-case", words = words), say!("no-such-case-advice"))),
        _ => {
            let candidates = found.iter().map(|case| format!("{}  {}", &case.case.to_hex()[..SHORT_ID], case.title));
            Err(ambiguous(say!("ambiguous-case", words = words), candidates))
        }
    }
}

/// The professional who is meant, among a case's members.
pub(crate) fn member<'a>(members: &'a [Member], words: &str) -> Outcome<&'a ProfessionalAddress> {
    let wanted = words.to_lowercase();
    let mut addresses: Vec<&ProfessionalAddress> =
        members.iter().map(|member| &member.address.professional).collect();
    addresses.sort();
    addresses.dedup();
    if let Some(exact) = addresses.iter().find(|address| address.as_str() == wanted) {
        return Ok(exact);
    }
    addresses.retain(|address| !wanted.is_empty() && address.as_str().starts_with(&wanted));
    match addresses[..] {
        [only] => Ok(only),
        [] => {
            Err(Failure::advised(Cause::Usage, say!("no-such-member", words = words), say!("no-such-member-advice")))
        }
        _ => {
            let candidates = addresses.iter().map(|address| address.as_str().to_owned());
            Err(ambiguous(say!("ambiguous-member", words = words), candidates))
        }
    }
}

fn ambiguous(what: String, candidates: impl ExactSizeIterator<Item = String>) -> Failure {
    let count = candidates.len();
    let mut list: Vec<String> =
        candidates.take(MOST_CANDIDATES).map(|candidate| format!("    {candidate}")).collect();
    if count > list.len() {
        list.push(format!("    {}", say!("and-more", count = count - list.len())));
    }
    Failure::advised(Cause::Usage, what, format!("{}\n{}", say!("ambiguous-advice"), list.join("\n")))
}

#[cfg(test)]
mod tests {
    use kring_client::case::{CaseId, CaseStatus, Position, Role};
    use kring_protocol::address::DeviceAddress;
    use kring_protocol::ids::{DeviceId, Epoch, GroupId, Seq};

    use super::*;

    fn view(id: u8, title: &str) -> CaseView {
        CaseView {
            case: CaseId([id; 16]),
            title: title.to_owned(),
            status: CaseStatus::Open,
            role: Role::Member,
            members: 1,
            items: 0,
            last: Position(0),
            queued: 0,
            group: GroupId([0; 16]),
            epoch: Epoch(0),
            seq: Seq(0),
            relay: String::new(),
        }
    }

    #[test]
    fn the_beginning_of_a_title_or_id_is_enough_while_it_fits_one_case() {
        let cases = [view(0x12, "Familie A"), view(0x13, "Familie B"), view(0xab, "Familie"), view(0xcd, "Zorg")];
        let id = |words| case(&cases, words).map(|case| case.case.0[0]);
        assert_eq!(id("zor"), Ok(0xcd));
        assert_eq!(id("12"), Ok(0x12));
        assert_eq!(id("familie a"), Ok(0x12));
        assert_eq!(id("familie"), Ok(0xab), "the whole title goes before beginnings");
        assert_eq!(id("x").expect_err("nothing").cause, Cause::Usage);
        assert_eq!(id("").expect_err("nothing").cause, Cause::Usage);
        let advice = id("fam").expect_err("three").advice.expect("advice");
        assert!(advice.contains("12121212  Familie A") && advice.contains("13131313  Familie B"), "{advice}");
    }

    #[test]
    fn a_professional_with_two_devices_is_one_person() {
        let member = |address: &str, device| Member {
            address: DeviceAddress { professional: address.parse().expect("valid"), device: DeviceId([device; 16]) },
            name: String::new(),
            organisation: String::new(),
            function: String::new(),
            role: Role::Member,
            own: false,
            leaving: false,
            revoked: false,
        };
        let members = [member("bo@a.example", 1), member("bo@a.example", 2), member("bob@a.example", 3)];
        let who = |words| super::member(&members, words).map(ProfessionalAddress::as_str);
        assert_eq!(who("bo@"), Ok("bo@a.example"));
        assert_eq!(who("bob"), Ok("bob@a.example"));
        assert!(who("b").is_err() && who("").is_err() && who("x").is_err());
    }
}
