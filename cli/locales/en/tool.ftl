# What the tool itself says.

error-line = error: { $what }
advice-line = what to do: { $advice }
warning = warning: { $message }
warning-of-case = warning (case { $case }): { $message }
warning-of-cases = warning ({ $cases } cases): { $message }
try-again = try again

doing-read = read
doing-written = written
file-cannot-be = { $path } cannot be { $doing }: { $reason }
file-advice = check the path and its permissions
output-cannot-be-written = the answer cannot be written: { $reason }
output-advice = check where standard output goes
input-cannot-be-read = standard input cannot be read: { $reason }
input-advice = check where it comes from
editor-failed = { $editor } did not end well, and nothing was sent
editor-advice = set EDITOR to your editor, or give the text as an argument or with - on standard input
stopped = stopped by you
stopped-advice = what was stored stays stored, and goes on the next time this device is online
stopped-setup-advice = run the same command again; it goes on where it was, with the same ticket
stopped-admin-advice = what was written down stays; run the same command again for the rest
no-threads = no threads: { $reason }
no-threads-advice = check the limits of this user

ask-passphrase = Passphrase:
ask-new-passphrase = New passphrase for the store of this device:
ask-once-more = Once more:
passphrases-differ = the two passphrases differ
passphrase-short = a passphrase has at least { $least } characters
passphrase-short-advice = take five words that nobody would guess
passphrase-file-empty = { $path } is empty
passphrase-file-empty-advice = write the passphrase into its first line
passphrase-no-terminal = there is no terminal to ask for the passphrase at
passphrase-no-terminal-advice = give --passphrase-file FILE, or set KRING_PASSPHRASE_FILE
passphrase-cannot-be-read = the passphrase cannot be read: { $reason }
passphrase-cannot-be-read-advice = give --passphrase-file FILE instead

set-up = This device is set up; its profile is in { $path }
set-up-next = next: delete { $path }, which holds the key a second time; then `kring status`

relay-slow = the relay has not told everything within { $seconds } seconds
relay-slow-advice = try again, or give it longer with --wait
not-up-to-date = not up to date: { $reason }
waits-for-relay = the relay
waits-for-member = another member's device, which carries it out
pending-offline = this is stored, for when this device is online; it waits for { $waits-for }
pending-stored = this is stored; it waits for { $waits-for }
pending-waited = this is stored, and not done within { $seconds } seconds; it waits for { $waits-for }
pending-advice = it goes on by itself whenever this device is online, for instance during `kring status`
out-of-step = this device has missed a change of this case
out-of-step-advice = ask its coordinator to remove and add you again; what you have here stays

status-device = { $address }  device { $device }
status-up-to-date = connected, up to date
status-connected = connected
status-connecting = connecting
status-connecting-because = connecting: { $reason }
status-offline = offline
status-certificate = certificate valid until { $until }
status-cases = { $cases ->
    [one] 1 case
   *[other] { $cases } cases
  }, { $queued } waiting to be sent
missing-at-relay = the relay does not have this case; what you send into it stays here. Ask its operator whether its database was lost or set back

wiped = This device is wiped: its keys are destroyed, its files removed. Tell your organisation's administrator, so that its certificate is revoked.
wipe-word = wipe
wipe-question = This destroys everything that this device has of all cases, for good. Type "{ $word }" to go on:
wipe-not-confirmed = nothing was wiped
wipe-now-advice = give --now to wipe without a question

audit-holds = The audit log holds: { $entries ->
    [one] 1 entry
   *[other] { $entries } entries
  }, { $pseudonymised } of them pseudonymised
audit-forwarded = { $count ->
    [one] 1 new entry
   *[other] { $count } new entries
  } forwarded; the archive has { $entries }
audit-not-forwarded = the audit log was not forwarded: { $reason }
audit-unreadable = the audit log is broken at entry { $number }: it cannot be read, or shows something else than was signed
audit-missing = the audit log is broken at entry { $number }: it is missing; entry { $found } stands in its place
audit-repeated = the audit log is broken at entry { $number }: entry { $found } stands in its place a second time
audit-cut-off = the audit log is broken at entry { $number }: it is missing at the end
audit-changed = the audit log is broken at entry { $number }: it was changed, its signature does not hold
audit-details-changed = the audit log is broken at entry { $number }: what it says was changed
audit-detached = the audit log is broken at entry { $number }: it does not follow the entry before it
audit-foreign-key = the audit log is broken at entry { $number }: it was signed with another device's key
audit-broken-advice = keep it as it is and tell your organisation's privacy officer; compare it with the forwarded archive
audit-no-key = this certificate has no Ed25519 key
audit-no-key-advice = give the certificate of the device whose archive it is
audit-foreign-archive = { $path } is not an archive of this device's log, or its last entry was changed
audit-foreign-archive-advice = give another file; check the old one with `kring audit verify --file`

set-up-who = { $name } ({ $address }), { $function } at { $organisation }
set-up-then = next: `kring status`, which makes this device known to the relay
set-up-already = this device is set up already, in { $path }
set-up-already-advice = give another folder with --profile, or ask for the next certificate with `kring setup --renew`
ticket-late = this ticket's time is over; if it was used on this device in time, its answer still counts
ticket-waiting = The request is on its way; waiting for your administrator to approve it
ticket-key = Your administrator is shown this key of this device, to compare: { $key }
ticket-paste = Paste the ticket, and end with an empty line:
ticket-unreadable = the ticket cannot be read: { $reason }
ticket-unreadable-advice = give it in a file
enrol-expired = this ticket has expired; ask your administrator for a new one
refusal-unknown-ticket = the relay does not know this ticket; check it, or ask your administrator for a new one
refusal-ticket-used = this ticket has been used already; if that was not you, tell your administrator at once, and ask for a new one
enrol-not-answered = your administrator has not approved yet; run the same command again later, the request stays at the relay
enrol-guessed = the relay takes no tickets from this network for up to a minute, since too many that it does not know were tried from it; check the ticket, and run the same command again in a minute
enrol-not-taken = the relay has not taken the request yet: { $reason }
enrol-denied = the administrator has refused; ask why, and for a new ticket
enrol-denied-request = the administrator's program could not read the request; update both programs, and ask for a new ticket
enrol-other-answer = the answer does not fit the request; do not trust this relay, and ask your administrator for a new ticket
enrol-forged = the answer was not sealed with this ticket, or was changed on its way; do not trust the relay, and use a new ticket
enrol-failed = the cryptographic library failed; try again
enrol-other-region = the answer is of another region than the ticket; ask your administrator for a new ticket in person
enrol-other-relay = the relay's certificate is not the one that your administrator's answer vouches for: { $reason }
enrol-certificate = the certificate that came does not hold: { $reason }
enrol-passphrase = this was begun with another passphrase; give that one, or delete { $path } to begin again with a new ticket
enrol-io = files beside the profile cannot be written ({ $reason }); check the folder and its permissions
certificate-renewed = This device has its next certificate, valid until { $until }
nobody-found = nobody found; people are found once their device has been connected to this relay
more-found = there are more; look for more words
not-believed = the relay named { $count } devices whose certificates do not hold
not-believed-advice = they are not shown; tell the relay's operator
found-function = { $function } at { $organisation }
found-device = device { $device }, valid until { $until }
found-own = device        { $fingerprint }
found-issuer = organisation  { $fingerprint }
