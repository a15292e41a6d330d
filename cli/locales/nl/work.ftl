# Spoedmeldingen, het veiligheidsplan, taken, en wat er wacht.

call-now = Bel bij acuut gevaar 112. Veilig Thuis: 0800-2000, gratis, dag en nacht.

time-not-understood = "{ $words }" is geen tijd
time-form = schrijf 21:30, 2026-11-22 21:30, of vanaf nu +10m, +2h, +1d
time-twice = de klok geeft deze tijd die nacht twee keer aan; schrijf welke u bedoelt, zoals 2026-10-25T02:30:00+01:00
time-never = de klok wordt die nacht vooruitgezet en geeft deze tijd nooit aan; schrijf een andere
input-not-understood = de invoer is niet te begrijpen: { $reason }
input-form = de velden staan in docs/cli.md
no-such-thing-at-all = er is niets waarover dit kan gaan
no-such-thing = er is niets waarvan het kenmerk begint met "{ $words }"
no-such-thing-advice = `kring case timeline CASUS` toont alles wat er is
ambiguous-thing = dit kan over meer dan één gaan

level-acute = ACUUT
level-high = HOOG
alert-head = { $level }: { $what }  ({ $id })
alert-by = gemeld door { $by }, { $at }
alert-asked = gevraagd: { $functions }
alert-action = gevraagde actie: { $action }
alert-raised = nog niemand heeft actie genomen; het opschalen begint { $due }
alert-escalated = nog niemand heeft actie genomen; stap { $step } van het opschalen vraagt { $function }, tot { $due }
alert-exhausted = HET OPSCHALEN IS TEN EINDE EN NIEMAND HEEFT ACTIE GENOMEN. { $call }
alert-acknowledged = iemand neemt actie; bericht verwacht voor { $due }
alert-in-action = in actie; volgend bericht verwacht voor { $due }
alert-resolved = afgesloten door { $by }: { $outcome }
alert-false-alarm = loos alarm, zegt { $by }: { $reason }
alert-update = { $at } { $by }: { $text }
alert-none = Geen open spoedmeldingen.
alert-not-sent = DIT HEEFT DIT APPARAAT NIET VERLATEN: NOG NIEMAND WEET ERVAN
ack-action = { $by } ({ $function }) neemt actie, { $at }
ack-action-late = { $by } ({ $function }) neemt actie, { $at }, nadat het opschalen was begonnen
ack-seen = { $by } ({ $function }) heeft het gezien, meer niet, { $at }

plan-title = Veiligheidsplan, versie
plan-phase = Fase
phase-direct = directe veiligheid
phase-stable = stabiele veiligheid
phase-recovery = herstel
plan-worry = Waar we ons zorgen over maken
plan-conditions = Veiligheidsvoorwaarden
plan-agreements = Veiligheidsafspraken
plan-who = wie
plan-what = doet wat
plan-when = wanneer
plan-checked-by = wie ziet erop toe
plan-triggers = Wat het doet oplaaien
plan-emergency = Als het weer gebeurt
plan-network = Wie er helpen
plan-review = Opnieuw bekijken
plan-order-ends = Huisverbod eindigt
plan-draft = concept
plan-proposed = voorgesteld; akkoord ontbreekt van: { $functions }
plan-approved = akkoord, naast de geldende versie: iemand moet ze samenvoegen
plan-active = geldend
plan-superseded = vervangen
plan-rejected = afgewezen door { $by }: { $reason }
plan-head = Veiligheidsplan { $version }  ({ $id }): { $phase }; door { $by }, { $at }
plan-approval = akkoord van { $by } ({ $function }), { $at }
plan-none-active = Er geldt geen versie van het veiligheidsplan.
plan-first = Dit is de eerste versie: er is niets om mee te vergelijken.
plan-same = De twee versies zeggen hetzelfde.
plan-phase-unknown = "{ $phase }" is geen fase
plan-form-advice = `kring plan show --template` toont de vorm van een plan
plan-merge-note = # Wat deze versies samen zeggen; kies waar ze verschillen.
plan-template =
    # Een veiligheidsplan. Tijden: 2026-12-01 10:00. phase: "direct", "stable" (stabiel) of "recovery" (herstel).
    phase = "direct"
    worry = ""
    review = ""
    # order_ends = ""
    conditions = []
    triggers = []
    emergency = []
    network = []
    # Eén blok per afspraak:
    # [[agreements]]
    # who = ""
    # what = ""
    # when = ""
    # checked_by = ""

task-nobodys = nog van niemand
task-open = gevraagd aan { $owner }
task-declined = geweigerd door { $by }: { $reason }
task-accepted = { $owner } doet het
task-done = gedaan door { $owner }
task-done-with = gedaan door { $owner }: { $result }
task-verified = gedaan; gezien door { $by }
task-cancelled = vervallen, zegt { $by }: { $reason }
task-plan-review = Het veiligheidsplan opnieuw bekijken
task-order-ends = Het huisverbod eindigt: verlengen, of het einde voorbereiden
task-head = Taak: { $title }  ({ $id }): { $phase }
task-due = voor { $due }
task-overdue = TE LAAT sinds { $due }
task-returned = wie dit deed heeft de casus verlaten: de regisseur geeft het aan iemand anders
task-none = Geen open taken.

inbox-empty = Er wacht niets op u.
inbox-alert-exhausted = SPOEDMELDING ZONDER ACTIE, opschalen ten einde: { $what }  ({ $id })
inbox-alert-asked = SPOEDMELDING, u wordt gevraagd: { $what }  ({ $id })
inbox-alert-update = spoedmelding waarop u actie neemt, bericht verwacht voor { $due }: { $what }  ({ $id })
inbox-plan-approval = veiligheidsplan { $version } vraagt uw akkoord  ({ $id })
inbox-plan-merge = veiligheidsplan { $version } heeft akkoord naast het geldende: voeg ze samen  ({ $id })
inbox-task-overdue = taak TE LAAT sinds { $due }: { $title }  ({ $id })
inbox-task-asked = taak die u gevraagd is: { $title }  ({ $id })
inbox-task = uw taak: { $title }  ({ $id })
inbox-task-unassigned = taak die niemand heeft: { $title }  ({ $id })
inbox-task-verify = taak gedaan, te bekijken: { $title }  ({ $id })
inbox-unread = { $count ->
    [one] 1 bericht dat u nog niet las
   *[other] { $count } berichten die u nog niet las
  }
inbox-disputed = deelnemers betwisten wat wie erbij kwam over de casus heeft gehoord  ({ $id })

said-alert-raise = deed een spoedmelding ({ $level }) aan { $functions }: { $what }
said-alert-action = neemt actie op de spoedmelding
said-alert-seen = heeft de spoedmelding gezien en neemt geen actie
said-alert-update = over de spoedmelding: { $text } (volgend bericht voor { $next })
said-alert-resolve = sloot de spoedmelding af: { $outcome }
said-alert-false = sloot de spoedmelding af als loos alarm: { $reason }
said-alert-step = termijn verstreken zonder actie: het opschalen van spoedmelding { $id } gaat naar stap { $step }
said-task-overdue = termijn verstreken: taak { $id } is te laat
said-plan-review = termijn verstreken: veiligheidsplan { $id } moet opnieuw worden bekeken
said-order-ends = het huisverbod in veiligheidsplan { $id } eindigt binnenkort
said-snapshot = gaf de stand van de casus aan wie erbij kwam
said-dispute = betwist de stand die wie erbij kwam heeft gekregen
said-plan-draft = schreef een versie van het veiligheidsplan
said-plan-merge = voegde versies van het veiligheidsplan samen
said-plan-propose = vraagt { $functions } om akkoord op veiligheidsplan { $id }
said-plan-approve = geeft akkoord op veiligheidsplan { $id }
said-plan-reject = wees veiligheidsplan { $id } af: { $reason }
said-task-create = maakte een taak: { $title }
said-task-create-for = maakte een taak voor { $owner }: { $title }
said-task-accept = doet taak { $id }
said-task-decline = weigerde taak { $id }: { $reason }
said-task-assign = vroeg { $owner } om taak { $id } te doen
said-task-unassign = vraagt wie kan om taak { $id } te doen
said-task-done = heeft taak { $id } gedaan
said-task-done-with = heeft taak { $id } gedaan: { $result }
said-task-verify = heeft gezien dat taak { $id } gedaan is
said-task-reopen = taak { $id } is nog niet gedaan: { $reason }
said-task-cancel = liet taak { $id } vervallen: { $reason }
said-deleted = (door de schrijver teruggenomen)
said-expired = (verlopen)
not-counted = telt niet: { $reason }

timeline-case = CASUS "{ $title }"
timeline-items = WAT ER IS GEZEGD EN GEDAAN
timeline-state = HOE HET ERVOOR STAAT
