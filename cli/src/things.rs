//! Alerts, versions of the plan and tasks by the words of a user: the beginning of the identifier, or nothing where only
//! one can be meant. And the state of a case as it was at a record.

use kring_client::api::Case;
use kring_client::case::{CaseState, ItemId};
use kring_protocol::ids::Seq;

use crate::names::SHORT_ID;
use crate::outcome::{Cause, Failure, Outcome};
use crate::words::say;

/// The thing that is meant among candidates, each with what it is shown as.
pub(crate) fn thing(candidates: &[(ItemId, String)], words: Option<&str>) -> Outcome<ItemId> {
    let wanted = words.unwrap_or_default().to_lowercase();
    let found: Vec<&(ItemId, String)> =
        candidates.iter().filter(|(id, _)| id.to_hex().starts_with(&wanted)).collect();
    match found[..] {
        [(only, _)] => Ok(*only),
        [] if candidates.is_empty() => {
            Err(Failure::advised(Cause::Usage, say!("no-such-thing-at-all"), say!("no-such-thing-advice")))
        }
        [] => {
            Err(Failure::advised(Cause::Usage, say!("no-such-thing", words = wanted), say!("no-such-thing-advice")))
        }
        _ => {
            let list: Vec<String> =
                found.iter().take(10).map(|(id, shown)| format!("    {}  {shown}", short(*id))).collect();
            let how = if wanted.is_empty() { say!("name-the-thing") } else { say!("ambiguous-advice") };
            let advice = format!("{how}\n{}", list.join("\n"));
            Err(Failure::advised(Cause::Usage, say!("ambiguous-thing"), advice))
        }
    }
}

/// The beginning of an identifier, as it is shown.
pub(crate) fn short(id: ItemId) -> String {
    id.to_hex()[..SHORT_ID].to_owned()
}

/// The state of a case now, or as it was after a record of the group that carries it now.
pub(crate) async fn state(case: &Case, as_of: Option<u64>) -> Outcome<CaseState> {
    match as_of {
        None => Ok(case.state().await?),
        Some(record) => Ok(case.as_of(Seq(record)).await?.state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_need_be_said_where_only_one_can_be_meant() {
        let one = [(ItemId([0x12; 16]), "a".to_owned())];
        let two = [(ItemId([0x12; 16]), "a".to_owned()), (ItemId([0x13; 16]), "b".to_owned())];
        assert_eq!(thing(&one, None), Ok(ItemId([0x12; 16])));
        assert_eq!(thing(&two, Some("13")), Ok(ItemId([0x13; 16])));
        let advice = thing(&two, Some("1")).expect_err("both fit").advice.expect("advice");
        assert!(advice.contains("12121212  a") && advice.contains("13131313  b"), "{advice}");
        assert!(thing(&two, None).is_err() && thing(&[], None).is_err() && thing(&one, Some("f")).is_err());
    }
}
