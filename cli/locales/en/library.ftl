# What the library reports. One sentence without a full stop; what to do stands behind a semicolon.

store-missing = there is no store here; set this device up first
store-wiped = this device has been wiped, and nothing opens what is left of it; set it up again
store-exists = there is a store here already; it is left as it is
store-wrong-key = this passphrase does not open the store; try again
store-in-use = the store is open in another program; close that first
store-newer = the store was written by a newer version ({ $found }, this one knows { $known }); update the program
store-corrupt = the store is damaged; wipe this device (kring wipe), set it up anew, and ask for it to be added to its cases again
store-disk-full = the disk is full; nothing of this step was stored; make room and try again
store-read-only = the store cannot be written; check the folder's permissions and the disk
store-io = the store could not be read or written ({ $reason })
store-internal = the store was used in a way it does not allow; this is a fault of the program

profile-missing = there is no profile in this folder; set this device up first
profile-wiped = this device has been wiped; set it up again
profile-wiped-in-part = this device has been wiped, and files are left that cannot be removed ({ $reason }); remove the folder by hand
profile-newer = the profile was written by a newer version; update the program
profile-malformed = the profile's { $file } cannot be read; set the device up again or restore the file
profile-io = the profile's { $file } cannot be read ({ $reason })

wipe-not-a-profile = there is no profile in this folder; nothing was touched
wipe-keys = the keys could not be destroyed ({ $reason }); destroy the medium, and have the certificate revoked
wipe-files = the keys are destroyed, but files are left that could not be removed ({ $reason }); remove the folder by hand

open-other-device = this store belongs to another device; restore the profile's own
open-certificate = this device's certificate does not hold: { $reason }
open-roots = the profile's roots cannot be used: { $reason }
open-key-missing = the store does not hold this device's key; set the device up again
open-not-vouched-for = this device's certificate is not one that its region's root vouches for; set the device up again
open-thread = the operating system gave no thread ({ $reason })

draft-empty = there is nothing in it to send
draft-too-large = an item has at most { $limit } bytes; send it in several
draft-label-too-long = a label of an item has at most { $limit } bytes

command-unknown-case = there is no such case on this device
command-case-exists = a case with this identifier exists already
command-item-exists = an item with this identifier exists already
command-not-open = this device is not, or no longer, in the case
command-role = your role in this case does not allow this
command-not-a-member = nobody of this address is in the case
command-oneself = use leave to go yourself
command-sole-coordinator = the coordinator hands the case to somebody else before leaving
command-title = a title has 1 to 255 bytes

unfinished = alerts, tasks or handovers are open; end them before the case is closed
not-erasing = this device has not ordered this case to be erased
sole-responsible = who alone is responsible for the family completes a handover before leaving or being removed
case-is-closed = the case is closed and read only
duty-not-responsible = only who is responsible for the family can hand it over
duty-not-coordinator = only the coordinator can hand the coordinator's role over
duty-receivers = a handover goes to one to eight others who take part in the case
duty-too-many = too many handovers stand open; complete or withdraw one first
duty-no-handover = there is no such handover, or it has ended
duty-not-yours = this step of a handover belongs to somebody else
duty-not-understood = the sender has not confirmed yet that the receiver has understood
duty-not-ready = not every receiver is ready and in the case
duty-already = it is so already
duty-other-organisation = an organisation speaks only for itself
duty-handovers-open = handovers stand open; complete, decline or withdraw them first
duty-statements = not every organisation has stated what becomes of its own file
duty-stage = the case is not at that stage of closing
duty-held = an organisation holds the case: it may not be erased

call-closed = the client is closed

connect-name = the relay's name cannot be resolved; check the network and the address
connect-socket = no network socket ({ $reason }); check the network
connect-unreachable = the relay does not answer; check the network, or ask its operator
connect-relay-unknown-root = the relay's certificate is from an unknown root: this is not your relay, or the profile is out of date
connect-relay-other-name = the relay's certificate is not its own: it bears another name
connect-relay-expired = the relay's certificate has expired; check this device's clock, or tell the relay's operator
connect-relay-not-yet-valid = the relay's certificate is not valid yet; check this device's clock
connect-relay-certificate = the relay's certificate does not hold: { $reason }
connect-key-exchange = the relay does not offer the post-quantum key exchange X25519MLKEM768; it must be updated
connect-not-a-relay = what answers at this address is not a Kring relay
connect-own-expired = this device's certificate has expired; ask your organisation's administrator for a new one
connect-own-not-yet-valid = this device's certificate is not valid yet; check this device's clock
connect-own-refused = the relay does not accept this device's certificate: { $fault }; ask your organisation's administrator
connect-refused = the relay refused: { $reason }
connect-going-away = the relay is restarting
connect-broken = the connection to the relay broke
connect-fault = the relay breaks the protocol: { $reason }
connect-offline = the client is offline

fault-frame = it sent something unreadable
fault-too-much = it sent more than the protocol allows
fault-wrong-answer = its answer does not fit the request
fault-unfinished = it ended an answer before it was whole
fault-silent = it did not answer in time

not-done-nothing-left = there was nothing left to do: it is so already
not-done-closed = the program ended before this was done; it goes on when it is started again

dropped-role = your role in this case does not allow it any more
dropped-left = you are no longer in this case
dropped-nothing-to-do = there is nothing left to do
dropped-last-of-coordinator = the coordinator hands the case to somebody else before the last device leaves
dropped-relay = the relay does not take it: { $reason }

not-added-unknown = nobody at this address can be added: they have left, or have not started a device yet; in that case ask them to start it once
not-added-no-key-package = the device has nothing prepared to be added with; ask them to start it once
not-added-inbox-full = the device's inbox is full; ask them to start it once
not-added-revoked = the device's certificate has been revoked
not-added-certificate = the device's certificate is not valid
not-added-key-package = the relay handed out something that is not this device's
not-added-already = the device is a member already

commit-refused-unreadable = a change to the case's members cannot be read
commit-refused-role = somebody changed the case without the right to do so
commit-refused-leaf = somebody added a device that cannot show who it is: { $reason }
commit-refused-closes = somebody, or the relay, tried to have the case erased without the members' agreement
commit-refused-access-key = somebody gave the relay a false key for this case

suspicion-fork = the relay has shown this member other messages than this device
suspicion-signature = an item's signature is not that of the device that sent it
suspicion-unreadable = a message in the case cannot be read
suspicion-item-reused = a member sent two different items under one identifier
suspicion-invitation = somebody tried to bring this device into another group under the name of this case
suspicion-order = the relay delivered messages out of order
suspicion-set-back = this device was set back to an older state; what it has said since is missing here

refusal-unsupported-version = the relay speaks another version of the protocol; update the older of the two
refusal-forbidden = the relay does not open this case to this device
refusal-too-large = this is larger than the relay takes ({ $limit } bytes)
refusal-too-many = these are more at once than the relay takes ({ $limit })
refusal-recipients = { $count } of the devices to be added cannot be reached now; add the others
refusal-unknown-professional = nobody at this address can be added; ask them to start their device once
refusal-rate-limited = too much at once; try again in { $seconds } seconds
refusal-busy = the relay is busy; try again in { $seconds } seconds
refusal-full = the relay keeps no more of this; it takes more when older ones have been read or expired
refusal-disk-full = the relay's disk is full; its operator has been warned, what you send waits here
refusal-store-failed = the relay could not store this; it is not delivered and will be sent again
refusal-draining = the relay is restarting; connect again
refusal-revoked = this device's certificate is no longer accepted; ask your organisation's administrator
refusal-not-final = the case has not been closed
refusal-technical = { $reason }

held-revoked = a member of the case is revoked; nothing is sent until the coordinator or a deputy has taken them out
held-ended = a member's certificate has ended; messages wait until the coordinator or a deputy has taken them out, or for your word (--despite-stale-revocation-list)
held-stale-list = a revocation list is overdue, so somebody in the case may have left without this device knowing; messages wait for the list, or for your word (--despite-stale-revocation-list)
not-added-other-number = this device shows another number than the one that you compared; somebody may have taken its place
not-added-stale-list = a revocation list is overdue for more than three days; nobody is added until the relay has a newer one
command-coordinator-heard = the coordinator was heard not long ago; claim the case when they have been silent for three days
command-nothing-to-claim = there is nothing to claim, to confirm or to take back
command-not-own-device = this does not name another device of yours in your cases; `kring device list` shows them

# Why something does not count in the state of a case
command-refused = this would not count: { $reason }
state-no-such-thing = there is nothing of that kind under this identifier
state-already-there = there is something under this identifier already
state-closed = it is closed
state-phase = it is not in a phase that allows this
state-role = the author's role in the case does not allow this
state-function = the author's function does not allow this
state-not-theirs = this is somebody else's to do
state-unopened = not every section of the dossier has been opened
state-case-closed = the case is closed and read only
state-too-early = the deadline had not passed when this was written
state-stopped = somebody takes action already
state-other-content = this is about another content than the one that stands in the case
state-conditions = only Veilig Thuis changes safety conditions
state-bounds = a text, a list or a time in it is out of bounds
state-too-many = there are too many open ones in this case
state-replaced = an item of this kind cannot be replaced
not-added-impostor = the relay handed out something that is not this device's: { $reason }
suspicion-company = somebody invited this device into a case with a device in it that cannot show who it is: { $reason }
unbelieved-other-key = its certificate names another key than the one that it has
unbelieved-other-organisation = its certificate is not by the organisation that its address belongs to
unbelieved-function = it claims a function that its organisation was not given
unbelieved-usage = its certificate was made for something else than a device
unbelieved-authority = the authority that signed its certificate was not valid then
unbelieved-root = no region that this device trusts vouches for it
unbelieved-place = it is in the case already, or takes another device's place
unbelieved-certificate = its certificate does not hold
own-fault-revoked = it was revoked
own-fault-expired = it, or that of its organisation, is not valid at this time
own-fault-root = the relay does not know its region
own-fault-usage = it was made for something else
own-fault-key = it names another key than this device's
own-fault-organisation = its organisation could not issue it
own-fault-other = it is not in order
