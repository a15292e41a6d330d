# Cases, their members, and what is said in them.

items = { $count ->
    [one] 1 item
   *[other] { $count } items
  }
devices = { $count ->
    [one] 1 device
   *[other] { $count } devices
  }
waiting-to-be-sent = { $count } waiting to be sent

role-coordinator = coordinator
role-deputy = deputy
role-member = member
role-observer = observer

case-opening = opening
case-open = open
case-leaving = leaving
case-left = left
case-out-of-step = out of step
case-closed = closed
case-erasing = being erased
case-broken = broken

function-police = police
function-veilig-thuis = Veilig Thuis
function-shelter = women's shelter
function-youth-protection = youth protection
function-youth-care = youth care
function-district-team = neighbourhood team
function-public-prosecutor = public prosecutor
function-probation = probation
function-general-practitioner = general practitioner

no-such-case = no case begins with "{ $words }"
no-such-case-advice = `kring case list` shows all cases of this device
ambiguous-case = "{ $words }" fits more than one case
no-such-member = nobody in this case has an address that begins with "{ $words }"
no-such-member-advice = `kring case show CASE` shows its members
ambiguous-member = "{ $words }" fits more than one address
ambiguous-advice = write more of it; it fits
and-more = and { $count } more
case-none-yet = No cases yet: open one with `kring case new TITLE`, or have yourself added to one.
case-not-at-relay = the case stands on this device and is not at the relay yet
case-not-at-relay-advice = use it as it is; it goes to the relay the next time this device is online

member-own = this device
member-leaving = leaving
member-revoked = revoked, not out yet
member-device = device { $device }
added = Added { $who } with { $devices ->
    [one] 1 device
   *[other] { $devices } devices
  }
added-not = not added: { $device }: { $reason }
not-added = { $who } was not added: { $reason }
removed = { $who } is removed
left = You have left; what you had is kept on this device
role-given = { $who } is { $role } now

sent-relayed = At the relay, as record { $record }
sent-queued = Stored here; it is sent the next time this device is online
nothing-to-send = there is nothing to send
nothing-to-send-advice = write something, or give it as TEXT
not-delivered = the message is stored here and has not reached the relay
not-delivered-because = the message is stored here and has not reached the relay: { $reason }
not-delivered-advice = do not send it again; it goes by itself the next time this device is online, such as at `kring status`
type-the-message = Type the message; end it with Ctrl-D on a line of its own.
not-utf-8 = the message is not text in UTF-8
not-utf-8-advice = convert it first, for instance with iconv
restricted = restricted
needs-newer-version = needs a newer version of this program

following = Following "{ $title }"; end with Ctrl-C.
follow-offline = offline: { $reason }
follow-connected = connected
certificate-ends = this device's certificate ends { $at }
certificate-next = this device has its next certificate, until { $until }

event-case-opened = the case is at the relay
event-added = { $by } added { $names }
event-removed = { $by } removed { $names }
event-added-and-removed = { $by } added { $added } and removed { $removed }
event-role-changed = { $by } made { $who } { $role }
event-erasing = { $by } has had this case erased: what was said in it is gone from this device
event-attested = a device of { $who } says that it has erased the case
event-erased = the relay erases the case's log; devices that have attested: { $attested }, missing: { $missing }
event-gone = nothing of this case is left on this device
event-leaving = { $who } has asked to leave
event-dropped = something of yours will not be done: { $reason }
event-left = you are no longer in this case; { $by } carried it out
event-gap = { $count ->
    [one] 1 record
   *[other] { $count } records
  } expired before this device read them
event-alert-not-sent = WARNING: the alert has not left this device; nobody else knows of it. In acute danger call 112, otherwise Veilig Thuis, 0800-2000
event-alert-exhausted = WARNING: nobody takes action on the alert. In acute danger call 112, otherwise Veilig Thuis, 0800-2000
event-caught-up-with-case = this device now has what is open in the case
event-out-of-step = this device has missed a change of this case and must be added again
event-unreachable = the relay no longer opens this case to this device; ask its operator whether a backup was restored. If the relay has lost it, the case goes on by itself in a new group with those who were in it
event-commit-refused = a change was refused: { $reason }
event-commit-refused-by = a change by { $by } was refused: { $reason }
event-continued = { $by } continued the case in a new group
event-suspicion = WARNING: { $what }
event-suspicion-from = WARNING: { $what } (from { $by })
event-clock-behind = this device's clock is { $seconds } s behind the relay's
event-clock-ahead = this device's clock is { $seconds } s ahead of the relay's
event-relay-replaced = the relay's database is not the one that this device knew

event-duty = { $by } { $what }
event-duty-gone = responsibility changed with { $by }'s change of the members
duty-offer = offers to hand the family over to { $to }
duty-confirm = confirms that { $who } has understood
duty-ready = is ready to start on { $start }
duty-complete = completed the handover: responsibility has moved
duty-end = ended a handover; responsibility stays where it is
duty-hold = holds the case for { $organisation }: it may not be erased
duty-lift = lifted the hold of { $organisation }
duty-propose-closing = proposes to close the case, and to erase it { $days } days later
duty-withdraw-closing = withdrew the closing
duty-exported = states for { $organisation }: what has to be kept is in its own file
duty-not-needed = states for { $organisation }: nothing has to be kept
duty-close = closed the case: it is read only
duty-erase = has the case erased

event-held = not sent: { $reason }
event-list-overdue = the revocation list of { $organisation } is overdue since { $since }: somebody may have left without this device knowing
event-list-stale = the revocation list of { $organisation } is overdue since { $since }: nobody is added, and messages wait for your word (--despite-stale-revocation-list)
event-old-lists = the relay has older revocation lists than this device: it was set back, or hides who has left
event-without-coordinator = the case has no coordinator any more; whoever takes part can take it with `kring case claim`
event-claimed = { $who } says that the coordinator is gone; confirm with `kring case claim --confirm` if that is so
event-claim-withdrawn = nobody says any more that the coordinator is gone
event-taken-out = { $names } left the organisation or was revoked, and { $by } took them out; what they had received cannot be called back
event-device-taken-out = { $devices ->
    [one] a device of { $who } was revoked, and { $by } took it out; what it had received cannot be called back
   *[other] { $devices } devices of { $who } were revoked, and { $by } took them out; what they had received cannot be called back
  }
a-device-of = a device of { $who }
revoked-member = { $names }: revoked and still in the case. Nothing is written to them; whichever member's device is online takes them out
event-certificate-renewed = { $who } has a new certificate
number-of-case = { $title }, after { $changes ->
    [one] 1 change
   *[other] { $changes } changes
  }
number-meaning = Equal on all devices that are up to date. If it is not, the relay shows you different cases.
number-of-device = { $name }, { $organisation }  { $address }  device { $device }
number-this-device = this device
coordinated-by = { $who } coordinates the case
coordinated-by-nobody = nobody coordinates the case; claim it with `kring case claim`
coordinator-claimed-by = { $who } has claimed it; another member confirms with `kring case claim --confirm`
device-in-cases = { $device }  { $address }  in { $cases ->
    [one] 1 case
   *[other] { $cases } cases
  }
device-added = { $device } is in { $cases ->
    [one] 1 case
   *[other] { $cases } cases
  } of yours now
device-dropped = { $device } is out of { $cases ->
    [one] 1 case
   *[other] { $cases } cases
  } of yours; what it has received stays on it
device-not-one = this does not name one other device of yours
device-not-one-advice = `kring device list` shows them
device-id-form = a device's id has 32 hexadecimal digits
device-id-form-advice = run `kring device show` on the new device
device-pending = not done in { $cases ->
    [one] 1 case
   *[other] { $cases } cases
  }
device-pending-advice = it is tried again whenever this device is online; warnings say what stands in the way
device-not-added = the device { $device } was not added: { $reason }
device-not-added-advice = read its number from the new device itself (`kring device show`); only devices of your own can be added
device-unknown = the relay knows no such device of yours
device-not-added-start = start the new device once, with `kring status` there, and add it again
device-not-added-certificate = ask your organisation's administrator to invite that device anew
device-not-added-list = tell your organisation's administrator, who signs a newer list; then add the device again
device-type-number = Type the number that `kring device show` shows on the new device, all forty digits:
device-number-form = a safety number has forty digits
device-number-form-advice = type all of them, with or without spaces
device-no-input = standard input cannot be read: { $reason }
device-no-input-advice = give the number with --number
