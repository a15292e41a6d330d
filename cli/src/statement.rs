//! What an item states, in one line for people; and its fields for machines, as `docs/items.md` names them, ids in
//! hexadecimal and times as RFC 3339.

use kring_client::case::alert::{Acknowledging, AlertSays};
use kring_client::case::handover::HandoverSays;
use kring_client::case::plan::PlanSays;
use kring_client::case::task::TaskSays;
use kring_client::case::{Deadline, Statement};
use kring_protocol::ids::Timestamp;
use serde_json::Value;

use crate::alert::{functions, level_word};
use crate::clock::{local, rfc3339};
use crate::lines::visible;
use crate::things::short;
use crate::words::say;

/// A statement in a line.
pub(crate) fn words(statement: &Statement) -> String {
    match statement {
        Statement::Alert(says) => alert(says),
        Statement::Plan(says) => plan(says),
        Statement::Task(says) => task(says),
        Statement::Handover(says) => handover(says),
        Statement::Dossier(_) => say!("said-dossier"),
        Statement::Attestation(_) => say!("said-attestation"),
        Statement::Deadline(deadline) => match deadline {
            Deadline::AlertStep { alert, step, .. } => say!("said-alert-step", step = *step, id = short(*alert)),
            Deadline::TaskOverdue { task, .. } => say!("said-task-overdue", id = short(*task)),
            Deadline::HandoverExpires { handover } => say!("said-handover-expires", id = short(*handover)),
            Deadline::PlanReview { plan } => say!("said-plan-review", id = short(*plan)),
            Deadline::OrderEnds { plan } => say!("said-order-ends", id = short(*plan)),
        },
        Statement::Snapshot(_) => say!("said-snapshot"),
        Statement::Dispute(_) => say!("said-dispute"),
    }
}

fn handover(says: &HandoverSays) -> String {
    match says {
        HandoverSays::Offer(offer) => {
            let to: Vec<&str> = offer.to.iter().map(|who| who.as_str()).collect();
            say!("said-handover-offer", to = to.join(", "), scope = visible(&offer.scope))
        }
        HandoverSays::Received { handover } => say!("said-handover-received", id = short(*handover)),
        HandoverSays::Opened { handover, section } => {
            say!("said-handover-opened", id = short(*handover), section = *section + 1)
        }
        HandoverSays::Ask { handover, text } => {
            say!("said-handover-ask", id = short(*handover), text = visible(text))
        }
        HandoverSays::Answer { handover, text, .. } => {
            say!("said-handover-answer", id = short(*handover), text = visible(text))
        }
        HandoverSays::Synthesis { handover, text } => {
            say!("said-handover-synthesis", id = short(*handover), text = visible(text))
        }
        HandoverSays::Correct { handover, text, .. } => {
            say!("said-handover-correct", id = short(*handover), text = visible(text))
        }
        HandoverSays::Reason { handover, text } => {
            say!("said-handover-reason", id = short(*handover), text = visible(text))
        }
    }
}

fn alert(says: &AlertSays) -> String {
    match says {
        AlertSays::Raise(raise) => {
            let (level, what) = (level_word(raise.level), visible(&raise.what));
            say!("said-alert-raise", level = level, what = what, functions = functions(&raise.functions))
        }
        AlertSays::Acknowledge { how: Acknowledging::TakesAction, .. } => say!("said-alert-action"),
        AlertSays::Acknowledge { how: Acknowledging::SeenOnly, .. } => say!("said-alert-seen"),
        AlertSays::Update { text, next_update_by, .. } => {
            say!("said-alert-update", text = visible(text), next = local(*next_update_by))
        }
        AlertSays::Resolve { outcome, .. } => say!("said-alert-resolve", outcome = visible(outcome)),
        AlertSays::FalseAlarm { reason, .. } => say!("said-alert-false", reason = visible(reason)),
    }
}

fn plan(says: &PlanSays) -> String {
    match says {
        PlanSays::Draft { parents, .. } if parents.len() > 1 => say!("said-plan-merge"),
        PlanSays::Draft { .. } => say!("said-plan-draft"),
        PlanSays::Propose { plan, functions: codes, .. } => {
            say!("said-plan-propose", id = short(*plan), functions = functions(codes))
        }
        PlanSays::Approve { plan, .. } => say!("said-plan-approve", id = short(*plan)),
        PlanSays::Reject { plan, reason, .. } => {
            say!("said-plan-reject", id = short(*plan), reason = visible(reason))
        }
    }
}

fn task(says: &TaskSays) -> String {
    match says {
        TaskSays::Create { title, owner: Some(owner), .. } => {
            say!("said-task-create-for", title = visible(title), owner = owner.as_str())
        }
        TaskSays::Create { title, .. } => say!("said-task-create", title = visible(title)),
        TaskSays::Accept { task } => say!("said-task-accept", id = short(*task)),
        TaskSays::Decline { task, reason } => say!("said-task-decline", id = short(*task), reason = visible(reason)),
        TaskSays::Assign { task, owner: Some(owner), .. } => {
            say!("said-task-assign", id = short(*task), owner = owner.as_str())
        }
        TaskSays::Assign { task, .. } => say!("said-task-unassign", id = short(*task)),
        TaskSays::Done { task, result } if result.is_empty() => say!("said-task-done", id = short(*task)),
        TaskSays::Done { task, result } => say!("said-task-done-with", id = short(*task), result = visible(result)),
        TaskSays::Verify { task } => say!("said-task-verify", id = short(*task)),
        TaskSays::Reopen { task, reason } => say!("said-task-reopen", id = short(*task), reason = visible(reason)),
        TaskSays::Cancel { task, reason } => say!("said-task-cancel", id = short(*task), reason = visible(reason)),
    }
}

/// A statement's fields for machines.
pub(crate) fn fields(statement: &Statement) -> Value {
    let value = match statement {
        Statement::Alert(says) => serde_json::to_value(says),
        Statement::Plan(says) => serde_json::to_value(says),
        Statement::Task(says) => serde_json::to_value(says),
        Statement::Handover(says) => serde_json::to_value(says),
        // A part of a section's bytes: not for a line.
        Statement::Dossier(_) => Ok(Value::String("dossier".to_owned())),
        Statement::Attestation(says) => serde_json::to_value(says),
        Statement::Deadline(says) => serde_json::to_value(says),
        // A whole state of a case: not for a line.
        Statement::Snapshot(_) => Ok(Value::String("snapshot".to_owned())),
        Statement::Dispute(says) => serde_json::to_value(says),
    };
    readable(value.unwrap_or_default(), "")
}

/// Fields that are times.
const TIMES: [&str; 7] = ["ack_by", "next_update_by", "due", "review", "order_ends", "start_by", "accept_by"];

fn readable(value: Value, name: &str) -> Value {
    match value {
        Value::Array(list) => match hex(&list) {
            Some(text) => Value::String(text),
            None => Value::Array(list.into_iter().map(|value| readable(value, name)).collect()),
        },
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| {
                let value = readable(value, &name);
                (name, value)
            });
            Value::Object(fields.collect())
        }
        Value::Number(number) if TIMES.contains(&name) => {
            number.as_u64().map_or(Value::Number(number), |at| Value::String(rfc3339(Timestamp(at))))
        }
        other => other,
    }
}

/// An identifier or hash: 16 or 32 bytes.
fn hex(list: &[Value]) -> Option<String> {
    let bytes: Option<Vec<u8>> =
        list.iter().map(|value| value.as_u64().and_then(|byte| u8::try_from(byte).ok())).collect();
    let bytes = bytes.filter(|bytes| matches!(bytes.len(), 16 | 32))?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use kring_client::case::ItemId;

    use super::*;

    #[test]
    fn machines_get_ids_in_hexadecimal_and_times_in_utc() {
        let says = AlertSays::Update {
            alert: ItemId([0xab; 16]),
            text: "x".to_owned(),
            next_update_by: Timestamp(1_800_000_000_000),
        };
        let value = fields(&Statement::Alert(says));
        assert_eq!(value["update"]["alert"], "ab".repeat(16));
        assert_eq!(value["update"]["next_update_by"], "2027-01-15T08:00:00Z");
    }
}
