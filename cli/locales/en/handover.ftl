# Handovers and their dossiers, and the end of a case.

handover-head = Handover: { $scope }  ({ $id }): { $stage }
handover-from-to = from { $from } to { $to }, offered { $at }; { $urgency }
handover-coordinator = { $who } becomes coordinator with it
handover-start-by = to be started by { $at }
handover-accept-by = everybody has to be ready by { $at }; it expires otherwise
handover-still-responsible = until it is completed { $from } stays responsible
handover-next = next: { $what }
handover-situation = Situation
handover-background = Background
handover-assessment = Assessment
handover-recommendation = Recommendation
handover-actions = To be done:
handover-contingency = If it goes wrong
handover-dossier = Dossier:
handover-no-dossier = Without a dossier.
handover-own-words = in their own words
handover-correction = { $from } says what is missing
handover-question = { $by } asks ({ $id })
handover-answer = answer
handover-unanswered = not answered yet
handover-none = No open handovers.

urgency-routine = in the ordinary course
urgency-soon = within days
urgency-immediate = at once

handover-not-standing = on its way
handover-offered = offered
handover-received = received
handover-understood = understood
handover-ready = everybody is ready
handover-expired = expired: not everybody was ready in time
handover-completed = completed by { $by }
handover-declined = declined by { $by }{ $reason }
handover-withdrawn = withdrawn by { $by }{ $reason }
handover-cleared = ended by { $by }{ $reason }

reception-offered = { $who }: their device does not have the dossier yet
reception-received = { $who }: has opened everything
reception-has-offer = { $who }: has the offer
reception-opened = { $who }: has opened { $opened } of { $sections } sections
reception-written = { $who }: has said what they have understood
reception-understood = { $who }: has understood, as the sender confirms
reception-ready = { $who }: can start on { $start }

next-receive = the device of { $who } has to be online once
next-open = { $who } opens the dossier: `kring handover open CASE`
next-synthesis = { $who } says in their own words what they have understood: `kring handover understand CASE`
next-ready = { $who } says when they can start: `kring handover ready CASE TIME`
next-answer = { $who } answers a question: `kring handover answer CASE`
next-confirm = { $who } confirms what was understood, or says what is missing: `kring handover confirm CASE`, or `correct`
next-complete = { $who } completes it: `kring handover complete CASE`

step-offered = Offered, as { $id }. You stay responsible until it is completed.
step-understood = Told { $from }, who confirms it or says what is missing; then `kring handover ready CASE TIME`
step-confirmed = Confirmed: { $who } has understood
step-ready = You can start on { $start }; the others know
step-completed = Completed: { $to } is responsible now
step-ended = Ended; responsibility stays where it is

handover-none-open = there is no handover under way in this case
handover-none-advice = `kring handover list CASE --all` shows those that have ended
handover-is-over = this handover is over: { $how }
handover-is-over-advice = whoever is responsible can offer another one
handover-not-receiver = you are not a receiver of this handover
handover-receivers-are = its receivers are { $to }
handover-withdraw-instead = it is yours: take it back with `kring handover withdraw CASE`
handover-not-sender = you are not the sender of this handover
handover-sender-is = this is for its sender, { $from }
handover-decline-instead = you are a receiver of it: `kring handover decline CASE` says that you do not take it
handover-confirmed-already = the sender has confirmed already that you have understood
handover-ready-next = next: `kring handover ready CASE TIME`
handover-no-such-receiver = no receiver has an address that begins with "{ $words }"
handover-nothing-to-confirm = nobody waits for your confirmation
handover-nothing-to-confirm-advice = `kring handover show CASE` says how far everybody is
handover-which-receiver = name one of { $list }
handover-unconfirmed = { $from } has not confirmed yet what you have understood
handover-unconfirmed-advice = wait for that, or ask them; they do it with `kring handover confirm CASE`
handover-not-understood = you have not said yet, in your own words, what you have understood
handover-understand-first = first `kring handover open CASE`, then `kring handover understand CASE`
handover-not-ready = not everybody has said that they can start: { $names }
handover-show-next = `kring handover show CASE` says what comes next, and from whom
handover-no-question = nobody waits for an answer
handover-case-closing = closing this case is proposed, so nothing is handed over
handover-case-closing-advice = the coordinator takes that back first: `kring case close CASE --withdraw`
handover-add-first = a receiver has to be in the case: `kring case show CASE` shows who is, `kring case add CASE ADDRESS` adds somebody
handover-to-nobody = it is said nowhere to whom
handover-to-advice = give --to PERSON, once for each who has to be ready
handover-lacks-words = what is handed over and the situation are missing
handover-lacks-advice = give --scope and --situation, or write it all in your editor (EDITOR), or give it with --input
handover-form-advice = `kring handover offer CASE --template` prints the form, filled in
handover-template =
    # A handover. Whoever takes over has to know the whole situation and be able to start.
    # scope: what is handed over, in a line. urgency: "routine", "soon" or "immediate".
    # situation: what is the matter now. background: how it came about.
    # assessment: what you make of it. recommendation: what you recommend.
    # actions: what has to be done. contingency: what to do if it goes wrong.
    # start_by = "2026-12-01 10:00" and accept_by = "2026-11-30 17:00" can be added.

dossier-source = the case "{ $title }"
dossier-purpose = for the handover
dossier-plan = Safety plan
dossier-alerts = Open alerts
dossier-tasks = Open tasks
dossier-history = What was said
dossier-restricted = Restricted, chosen one by one
dossier-heading = DOSSIER, SECTION { $section } OF { $sections }: { $title }
dossier-index = { $section }. { $title } ({ $entries ->
    [one] 1 entry
   *[other] { $entries } entries
  })
dossier-about = about: { $about }
dossier-label = source: { $source }; handed over: { $purpose }
dossier-ladder = then asked: { $functions }
dossier-unproven = NOT SHOWN: { $reason }
dossier-left-out = left out, restricted: [{ $number }]  { $at }  { $name }: { $text }
dossier-left-out-count = { $count ->
    [one] 1 restricted item was left out of the dossier
   *[other] { $count } restricted items were left out of the dossier
  }
dossier-empty = There is no dossier: receivers see the offer alone.
dossier-preview-only = This is what receivers will see. Nothing was sent. Leave out [12] with --leave-out 12; what is restricted goes in with --with-restricted.
dossier-not-in-it = item { $number } is not in the dossier
dossier-numbers-advice = --preview shows the numbers
dossier-entry-unclear = an entry of the dossier names neither an item nor a handover with section and entry
dossier-opened-some = { $opened } of { $sections } sections opened; the next: `kring handover open CASE`
dossier-opened-all = You have opened all of it. Say in your own words what you have understood: `kring handover understand CASE`
dossier-is-empty = this handover has no dossier
dossier-no-section = there is no section { $section }
dossier-all-opened = you have opened every section
dossier-say-section = you are not a receiver, so no section is the next one for you
dossier-which-section = say which section to read, from 1 to { $last }
dossier-unopened = you have not opened { $count ->
    [one] section { $sections }
   *[other] sections { $sections }
  } of the dossier
dossier-open-first = first `kring handover open CASE`

dossier-error-no-such-thing = there is no such item, section or entry to hand over; --preview shows the numbers
dossier-error-restricted = item { $number } is restricted; name it with --with-restricted { $number }, or leave it out
dossier-error-entry = an entry of the earlier dossier is restricted or not proven; mark it as restricted by itself, or leave it out
dossier-error-taken-back = item { $number } has been taken back or replaced by its author; leave it out
dossier-error-no-proof = item { $number } cannot be proven to be its author's; leave it out
dossier-error-bounds = the dossier has too many sections or entries, or a title, source or purpose that is empty or too long; make it smaller
dossier-error-incomplete = the dossier is not complete on this device; try again when it is online
unproven-unreadable = this entry cannot be read
unproven-certificate = the author's certificate is not one that this device's regions vouch for
unproven-signature = this was not signed by the author that it names, or not for this case

duties-responsible = responsible: { $who }
duties-held = held by { $organisation }: it may not be erased
duties-proposed = closing is proposed; to be erased { $days ->
    [one] 1 day
   *[other] { $days } days
  } after it is closed
duties-closed = closed; to be erased { $days ->
    [one] 1 day
   *[other] { $days } days
  } after it was closed
duties-exported = { $organisation }: what has to be kept is in its own file
duties-not-needed = { $organisation }: nothing has to be kept
duties-silent = { $organisation }: has not stated yet (`kring case close CASE --state exported`, or `not-needed`)
inbox-closing-statement = this case is to be closed: state what becomes of your organisation's file (`kring case close CASE --state exported`, or `not-needed`)
inbox-closing = every organisation has stated: close the case (`kring case close CASE`)

closing-proposed = Proposed. Every organisation is asked for its statement; the case is to be erased { $days ->
    [one] 1 day
   *[other] { $days } days
  } after it is closed
closing-withdrawn = The case stays open
closing-exported = Stated for { $organisation }: what has to be kept is in its own file
closing-not-needed = Stated for { $organisation }: nothing has to be kept
closing-closed = Closed: the case is read only from now on
close-proposed = closing is proposed already
close-proposed-advice = other days: `kring case close CASE --withdraw`, then propose again
close-not-proposed = nobody has proposed to close this case
close-propose-first = the coordinator does: `kring case close CASE --propose DAYS`, the days after which it is to be erased
close-silent = these organisations have not stated what becomes of their own file: { $organisations }
close-silent-advice = somebody of each does it with `kring case close CASE --state exported`, or `not-needed`
close-unfinished = still open: { $alerts ->
    [one] 1 alert
   *[other] { $alerts } alerts
  }, { $tasks ->
    [one] 1 task
   *[other] { $tasks } tasks
  }, { $handovers ->
    [one] 1 handover
   *[other] { $handovers } handovers
  }
close-unfinished-advice = end them first; `kring case timeline CASE` shows them
hold-held = { $organisation } holds the case: nobody can erase it
hold-lifted = { $organisation } does not hold the case any more
hold-none = { $organisation } does not hold this case

erase-question = This destroys the case "{ $title }" on every device and at the relay, for good. Type its title to go on:
erase-not-confirmed = nothing was erased
erase-yes-advice = type the title as it is shown, or give --yes to erase without a question
erase-not-closed = this case is not closed
erase-close-first = close it first: `kring case close CASE --propose DAYS`
erase-held = these organisations hold the case: { $organisations }
erase-held-advice = somebody of each lifts it with `kring case hold CASE --lift`
erase-pending = the case is being erased, and not every device has attested it yet
erase-pending-advice = each does it as soon as it is online; `kring case erase --report` shows how far it is, --without-waiting does not wait for those who are missing
erase-no-report = this device has not ordered any such case to be erased
erase-no-report-advice = `kring case erase --report` shows all that it has
close-coordinator-only = only the coordinator does this
close-ask-coordinator = ask { $who }
erasure-done = Case { $id }: erased everywhere; ordered by { $by }, { $at }
erasure-head = Case { $id }: being erased by { $by } since { $at }
erasure-attested = { $who }, device { $device }: destroyed, attested { $at }
erasure-missing = { $who }, device { $device }: NOT ATTESTED
erasure-at-relay = at the relay: ordered to be erased { $at }
erasure-not-at-relay = at the relay: waits for the attestations that are missing
