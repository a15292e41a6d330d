# Alerts, the safety plan, tasks, and what waits.

call-now = In acute danger call 112. Veilig Thuis: 0800-2000, free, day and night.

time-not-understood = "{ $words }" is no time
time-form = write 21:30, 2026-11-22 21:30, or from now on +10m, +2h, +1d
time-twice = the clock shows this time twice that night; write which is meant, such as 2026-10-25T02:30:00+01:00
time-never = the clock is put forward that night and never shows this time; write another
input-not-understood = the input cannot be understood: { $reason }
input-form = the fields are in docs/cli.md
no-such-thing-at-all = there is nothing of that kind that this could be about
no-such-thing = nothing of that kind has an id that begins with "{ $words }"
no-such-thing-advice = `kring case timeline CASE` shows all there is
ambiguous-thing = this could be about more than one

level-acute = ACUTE
level-high = HIGH
alert-head = { $level }: { $what }  ({ $id })
alert-by = raised by { $by }, { $at }
alert-asked = asked: { $functions }
alert-action = action asked: { $action }
alert-raised = nobody has taken action yet; the ladder begins { $due }
alert-escalated = nobody has taken action yet; step { $step } of the ladder asks { $function }, until { $due }
alert-exhausted = THE LADDER IS AT ITS END AND NOBODY HAS TAKEN ACTION. { $call }
alert-acknowledged = somebody takes action; update due { $due }
alert-in-action = in action; next update due { $due }
alert-resolved = resolved by { $by }: { $outcome }
alert-false-alarm = false alarm, says { $by }: { $reason }
alert-update = { $at } { $by }: { $text }
alert-none = No open alerts.
alert-not-sent = THIS HAS NOT LEFT THIS DEVICE: NOBODY KNOWS OF IT YET
ack-action = { $by } ({ $function }) takes action, { $at }
ack-action-late = { $by } ({ $function }) takes action, { $at }, after the ladder had begun
ack-seen = { $by } ({ $function }) has seen it, no more, { $at }

plan-title = Safety plan, version
plan-phase = Phase
phase-direct = direct safety
phase-stable = stable safety
phase-recovery = recovery
plan-worry = What we worry about
plan-conditions = Safety conditions
plan-agreements = Safety agreements
plan-who = who
plan-what = does what
plan-when = when
plan-checked-by = checked by
plan-triggers = What sets it off
plan-emergency = If it happens again
plan-network = Who helps
plan-review = Review
plan-order-ends = Restraining order ends
plan-draft = draft
plan-proposed = proposed; approval missing of: { $functions }
plan-approved = approved, beside the version in force: somebody has to merge them
plan-active = in force
plan-superseded = superseded
plan-rejected = rejected by { $by }: { $reason }
plan-head = Safety plan { $version }  ({ $id }): { $phase }; by { $by }, { $at }
plan-approval = approved by { $by } ({ $function }), { $at }
plan-none-active = No version of the safety plan is in force.
plan-first = This is the first version: there is nothing to compare it with.
plan-same = The two versions say the same.
plan-phase-unknown = "{ $phase }" is no phase
plan-form-advice = `kring plan show --template` prints the form of a plan
plan-merge-note = # What these versions say together; where they differ, decide.
plan-template =
    # A safety plan. Times: 2026-12-01 10:00. phase: "direct", "stable" or "recovery".
    phase = "direct"
    worry = ""
    review = ""
    # order_ends = ""
    conditions = []
    triggers = []
    emergency = []
    network = []
    # One block for each agreement:
    # [[agreements]]
    # who = ""
    # what = ""
    # when = ""
    # checked_by = ""

task-nobodys = nobody's yet
task-open = asked of { $owner }
task-declined = declined by { $by }: { $reason }
task-accepted = { $owner } does it
task-done = done by { $owner }
task-done-with = done by { $owner }: { $result }
task-verified = done; seen by { $by }
task-cancelled = cancelled by { $by }: { $reason }
task-plan-review = Review the safety plan
task-order-ends = The restraining order ends: extend it, or prepare for its end
task-head = Task: { $title }  ({ $id }): { $phase }
task-due = due { $due }
task-overdue = OVERDUE since { $due }
task-returned = its owner has left the case: the coordinator gives it to somebody else
task-none = No open tasks.

inbox-empty = Nothing waits for you.
inbox-alert-exhausted = ALERT WITHOUT ACTION, its ladder at the end: { $what }  ({ $id })
inbox-alert-asked = ALERT, you are asked: { $what }  ({ $id })
inbox-alert-update = alert that you take action on, update due { $due }: { $what }  ({ $id })
inbox-plan-approval = safety plan { $version } asks for your approval  ({ $id })
inbox-plan-merge = safety plan { $version } is approved beside the one in force: merge them  ({ $id })
inbox-task-overdue = task OVERDUE since { $due }: { $title }  ({ $id })
inbox-task-asked = task asked of you: { $title }  ({ $id })
inbox-task = your task: { $title }  ({ $id })
inbox-task-unassigned = task that nobody has: { $title }  ({ $id })
inbox-task-verify = task done, to be looked at: { $title }  ({ $id })
inbox-unread = { $count ->
    [one] 1 item that you have not read
   *[other] { $count } items that you have not read
  }
inbox-disputed = members dispute what those who joined were told of the case  ({ $id })

said-alert-raise = raised an urgent alert ({ $level }) to { $functions }: { $what }
said-alert-action = takes action on the alert
said-alert-seen = has seen the alert, and takes no action
said-alert-update = on the alert: { $text } (next update by { $next })
said-alert-resolve = ended the alert: { $outcome }
said-alert-false = ended the alert as a false alarm: { $reason }
said-alert-step = deadline passed without action: the ladder of alert { $id } goes to step { $step }
said-task-overdue = deadline passed: task { $id } is overdue
said-plan-review = deadline passed: safety plan { $id } has to be reviewed
said-order-ends = the restraining order in safety plan { $id } ends soon
said-snapshot = gave the state of the case to those who joined
said-dispute = disputes the state that joiners were given
said-plan-draft = wrote a version of the safety plan
said-plan-merge = merged versions of the safety plan
said-plan-propose = asks { $functions } to approve safety plan { $id }
said-plan-approve = approved safety plan { $id }
said-plan-reject = rejected safety plan { $id }: { $reason }
said-task-create = made a task: { $title }
said-task-create-for = made a task for { $owner }: { $title }
said-task-accept = does task { $id }
said-task-decline = declined task { $id }: { $reason }
said-task-assign = asked { $owner } to do task { $id }
said-task-unassign = asks whoever can to do task { $id }
said-task-done = has done task { $id }
said-task-done-with = has done task { $id }: { $result }
said-task-verify = has seen that task { $id } is done
said-task-reopen = task { $id } is not done yet: { $reason }
said-task-cancel = cancelled task { $id }: { $reason }
said-deleted = (taken back by its author)
said-expired = (expired)
not-counted = does not count: { $reason }

timeline-case = CASE "{ $title }"
timeline-items = WHAT WAS SAID AND DONE
timeline-state = HOW THINGS STAND
