# Casussen, de deelnemers, en wat er gezegd wordt.

items = { $count ->
    [one] 1 bericht
   *[other] { $count } berichten
  }
devices = { $count ->
    [one] 1 apparaat
   *[other] { $count } apparaten
  }
waiting-to-be-sent = { $count } wacht op verzending

role-coordinator = regisseur
role-deputy = vervangend regisseur
role-member = betrokken professional
role-observer = meelezer

case-opening = wordt geopend
case-open = open
case-leaving = vertrekkend
case-left = verlaten
case-out-of-step = uit de pas
case-closed = gesloten
case-erasing = wordt verwijderd
case-broken = onderbroken

function-police = politie
function-veilig-thuis = Veilig Thuis
function-shelter = vrouwenopvang
function-youth-protection = jeugdbescherming
function-youth-care = jeugdhulp
function-district-team = wijkteam
function-public-prosecutor = officier van justitie
function-probation = reclassering
function-general-practitioner = huisarts

no-such-case = geen casus begint met "{ $words }"
no-such-case-advice = `kring case list` toont alle casussen van dit apparaat
ambiguous-case = "{ $words }" past op meer dan één casus
no-such-member = niemand in deze casus heeft een adres dat begint met "{ $words }"
no-such-member-advice = `kring case show CASUS` toont de deelnemers
ambiguous-member = "{ $words }" past op meer dan één adres
ambiguous-advice = schrijf er meer van; het past op
and-more = en nog { $count }
case-none-yet = Nog geen casussen: open er een met `kring case new TITEL`, of laat u aan een casus toevoegen.
case-not-at-relay = de casus staat op dit apparaat en is nog niet bij het relais
case-not-at-relay-advice = gebruik hem zoals hij is; hij gaat naar het relais zodra dit apparaat online is

member-own = dit apparaat
member-leaving = vertrekkend
member-revoked = ingetrokken, nog niet eruit
member-device = apparaat { $device }
added = { $who } toegevoegd met { $devices ->
    [one] 1 apparaat
   *[other] { $devices } apparaten
  }
added-not = niet toegevoegd: { $device }: { $reason }
not-added = { $who } is niet toegevoegd: { $reason }
removed = { $who } is verwijderd
left = U bent vertrokken; wat u had blijft op dit apparaat
role-given = { $who } is nu { $role }

sent-relayed = Bij het relais, als nummer { $record }
sent-queued = Hier opgeslagen; het wordt verstuurd zodra dit apparaat online is
nothing-to-send = er is niets om te versturen
nothing-to-send-advice = schrijf iets, of geef het als TEKST
not-delivered = het bericht is hier opgeslagen en heeft het relais niet bereikt
not-delivered-because = het bericht is hier opgeslagen en heeft het relais niet bereikt: { $reason }
not-delivered-advice = verstuur het niet nog eens; het gaat vanzelf zodra dit apparaat online is, bijvoorbeeld bij `kring status`
type-the-message = Typ het bericht; sluit af met Ctrl-D op een eigen regel.
not-utf-8 = het bericht is geen tekst in UTF-8
not-utf-8-advice = zet het eerst om, bijvoorbeeld met iconv
restricted = vertrouwelijk
needs-newer-version = hiervoor is een nieuwere versie van dit programma nodig

following = U volgt "{ $title }"; stop met Ctrl-C.
follow-offline = offline: { $reason }
follow-connected = verbonden
certificate-ends = het certificaat van dit apparaat eindigt { $at }
certificate-next = dit apparaat heeft zijn volgende certificaat, tot { $until }

event-case-opened = de casus is bij het relais
event-added = { $by } heeft { $names } toegevoegd
event-removed = { $by } heeft { $names } verwijderd
event-added-and-removed = { $by } heeft { $added } toegevoegd en { $removed } verwijderd
event-role-changed = { $by } maakte { $who } { $role }
event-erasing = { $by } heeft deze casus laten verwijderen: wat erin gezegd is staat niet meer op dit apparaat
event-attested = een apparaat van { $who } verklaart dat het de casus heeft verwijderd
event-erased = het relais verwijdert het logboek van de casus; apparaten die dat hebben bevestigd: { $attested }, ontbrekend: { $missing }
event-gone = op dit apparaat is niets van deze casus over
event-leaving = { $who } heeft gevraagd te vertrekken
event-dropped = iets van u wordt niet gedaan: { $reason }
event-left = u bent niet meer in deze casus; { $by } heeft het uitgevoerd
event-gap = { $count ->
    [one] 1 bericht is
   *[other] { $count } berichten zijn
  } verlopen voordat dit apparaat ze las
event-alert-not-sent = WAARSCHUWING: de spoedmelding heeft dit apparaat niet verlaten; niemand anders weet ervan. Bel bij acuut gevaar 112, anders Veilig Thuis, 0800-2000
event-alert-exhausted = WAARSCHUWING: niemand onderneemt actie op de spoedmelding. Bel bij acuut gevaar 112, anders Veilig Thuis, 0800-2000
event-caught-up-with-case = dit apparaat heeft nu wat er openstaat in de casus
event-out-of-step = dit apparaat heeft een wijziging van deze casus gemist en moet opnieuw worden toegevoegd
event-unreachable = het relais opent deze casus niet meer voor dit apparaat; vraag de beheerder of er een reservekopie is teruggezet. Is het relais de casus kwijt, dan gaat die vanzelf verder in een nieuwe groep met wie erin zat
event-commit-refused = een wijziging is geweigerd: { $reason }
event-commit-refused-by = een wijziging door { $by } is geweigerd: { $reason }
event-continued = { $by } heeft de casus voortgezet in een nieuwe groep
event-suspicion = LET OP: { $what }
event-suspicion-from = LET OP: { $what } (van { $by })
event-clock-behind = de klok van dit apparaat loopt { $seconds } s achter op die van het relais
event-clock-ahead = de klok van dit apparaat loopt { $seconds } s voor op die van het relais
event-relay-replaced = de gegevens van het relais zijn niet die welke dit apparaat kende

event-duty = { $by } { $what }
event-duty-gone = de verantwoordelijkheid is veranderd doordat { $by } de deelnemers wijzigde
duty-offer = biedt aan het gezin over te dragen aan { $to }
duty-confirm = bevestigt dat { $who } het begrepen heeft
duty-ready = kan beginnen op { $start }
duty-complete = rondde de overdracht af: de verantwoordelijkheid is overgegaan
duty-end = beëindigde een overdracht; de verantwoordelijkheid blijft waar ze is
duty-hold = houdt de casus vast voor { $organisation }: hij mag niet worden verwijderd
duty-lift = laat de casus los voor { $organisation }
duty-propose-closing = stelt voor de casus te sluiten en { $days } dagen later te verwijderen
duty-withdraw-closing = trok het sluiten in
duty-exported = verklaart voor { $organisation }: wat bewaard moet worden staat in het eigen dossier
duty-not-needed = verklaart voor { $organisation }: er hoeft niets bewaard te worden
duty-close = sloot de casus: hij is alleen te lezen
duty-erase = laat de casus verwijderen

event-held = niet verstuurd: { $reason }
event-list-overdue = de intrekkingslijst van { $organisation } is te laat sinds { $since }: er kan iemand vertrokken zijn zonder dat dit apparaat het weet
event-list-stale = de intrekkingslijst van { $organisation } is te laat sinds { $since }: er wordt niemand toegevoegd, en berichten wachten op uw uitdrukkelijke wens (--despite-stale-revocation-list)
event-old-lists = het relais heeft oudere intrekkingslijsten dan dit apparaat: het is teruggezet, of verbergt wie er vertrokken is
event-without-coordinator = de casus heeft geen regisseur meer; wie meedoet kan hem overnemen met `kring case claim`
event-claimed = { $who } zegt dat de regisseur weg is; bevestig dat met `kring case claim --confirm` als het zo is
event-claim-withdrawn = niemand zegt meer dat de regisseur weg is
event-taken-out = { $names } is vertrokken of ingetrokken, en { $by } heeft die persoon eruit gehaald; wat al was ontvangen kan niet worden teruggehaald
event-device-taken-out = { $devices ->
    [one] een apparaat van { $who } is ingetrokken, en { $by } heeft het eruit gehaald; wat het al had ontvangen kan niet worden teruggehaald
   *[other] { $devices } apparaten van { $who } zijn ingetrokken, en { $by } heeft ze eruit gehaald; wat ze al hadden ontvangen kan niet worden teruggehaald
  }
a-device-of = een apparaat van { $who }
revoked-member = { $names }: ingetrokken en nog in de casus. Er wordt niets aan hen geschreven; het apparaat van een deelnemer dat online is haalt hen eruit
event-certificate-renewed = { $who } heeft een nieuw certificaat
number-of-case = { $title }, na { $changes ->
    [one] 1 wijziging
   *[other] { $changes } wijzigingen
  }
number-meaning = Gelijk op alle apparaten die bij zijn. Is het dat niet, dan toont het relais u verschillende casussen.
number-of-device = { $name }, { $organisation }  { $address }  apparaat { $device }
number-this-device = dit apparaat
coordinated-by = { $who } is de regisseur van de casus
coordinated-by-nobody = de casus heeft geen regisseur; neem hem over met `kring case claim`
coordinator-claimed-by = { $who } wil de casus overnemen; een andere deelnemer bevestigt dat met `kring case claim --confirm`
device-in-cases = { $device }  { $address }  in { $cases ->
    [one] 1 casus
   *[other] { $cases } casussen
  }
device-added = { $device } zit nu in { $cases ->
    [one] 1 casus
   *[other] { $cases } casussen
  } van u
device-dropped = { $device } is uit { $cases ->
    [one] 1 casus
   *[other] { $cases } casussen
  } van u; wat het heeft ontvangen blijft erop staan
device-not-one = dit is niet één ander apparaat van u
device-not-one-advice = `kring device list` laat ze zien
device-id-form = het kenmerk van een apparaat heeft 32 hexadecimale cijfers
device-id-form-advice = geef `kring device show` op het nieuwe apparaat
device-pending = niet gedaan in { $cases ->
    [one] 1 casus
   *[other] { $cases } casussen
  }
device-pending-advice = het wordt opnieuw geprobeerd zodra dit apparaat online is; waarschuwingen zeggen wat er in de weg staat
device-not-added = het apparaat { $device } is niet toegevoegd: { $reason }
device-not-added-advice = lees het nummer van het nieuwe apparaat zelf (`kring device show`); alleen eigen apparaten kunnen worden toegevoegd
device-unknown = het relais kent geen apparaat van u met dit kenmerk
device-not-added-start = start het nieuwe apparaat één keer, met `kring status` daar, en voeg het opnieuw toe
device-not-added-certificate = vraag de beheerder van uw organisatie dat apparaat opnieuw uit te nodigen
device-not-added-list = zeg het de beheerder van uw organisatie, die een nieuwere lijst ondertekent; voeg het apparaat dan opnieuw toe
device-type-number = Typ het nummer dat `kring device show` op het nieuwe apparaat laat zien, alle veertig cijfers:
device-number-form = een veiligheidsnummer heeft veertig cijfers
device-number-form-advice = typ ze allemaal, met of zonder spaties
device-no-input = de standaardinvoer kan niet worden gelezen: { $reason }
device-no-input-advice = geef het nummer met --number
