# Wat het programma zelf zegt.

error-line = fout: { $what }
advice-line = wat u kunt doen: { $advice }
warning = waarschuwing: { $message }
warning-of-case = waarschuwing (casus { $case }): { $message }
warning-of-cases = waarschuwing ({ $cases } casussen): { $message }
try-again = probeer het opnieuw

doing-read = gelezen
doing-written = geschreven
file-cannot-be = { $path } kan niet worden { $doing }: { $reason }
file-advice = controleer het pad en de rechten
output-cannot-be-written = het antwoord kan niet worden geschreven: { $reason }
output-advice = controleer waar de standaarduitvoer heen gaat
input-cannot-be-read = de standaardinvoer kan niet worden gelezen: { $reason }
input-advice = controleer waar die vandaan komt
editor-failed = { $editor } is niet goed geëindigd, en er is niets verstuurd
editor-advice = stel EDITOR in op uw tekstverwerker, of geef de tekst als argument of met - via de standaardinvoer
stopped = door u gestopt
stopped-advice = wat was opgeslagen blijft opgeslagen en gaat verder zodra dit apparaat weer online is
stopped-setup-advice = geef dezelfde opdracht nog een keer; die gaat verder waar hij was, met hetzelfde ticket
stopped-admin-advice = wat is opgeschreven blijft staan; geef dezelfde opdracht nog een keer voor de rest
no-threads = geen threads: { $reason }
no-threads-advice = controleer de limieten van deze gebruiker

ask-passphrase = Wachtzin:
ask-new-passphrase = Nieuwe wachtzin voor de opslag van dit apparaat:
ask-once-more = Nog een keer:
passphrases-differ = de twee wachtzinnen verschillen
passphrase-short = een wachtzin heeft ten minste { $least } tekens
passphrase-short-advice = neem vijf woorden die niemand zou raden
passphrase-file-empty = { $path } is leeg
passphrase-file-empty-advice = schrijf de wachtzin op de eerste regel
passphrase-no-terminal = er is geen terminal om de wachtzin te vragen
passphrase-no-terminal-advice = geef --passphrase-file BESTAND, of stel KRING_PASSPHRASE_FILE in
passphrase-cannot-be-read = de wachtzin kan niet worden gelezen: { $reason }
passphrase-cannot-be-read-advice = geef in plaats daarvan --passphrase-file BESTAND

set-up = Dit apparaat is ingericht; het profiel staat in { $path }
set-up-next = hierna: verwijder { $path }, waarin de sleutel nog een keer staat; dan `kring status`

relay-slow = het relais heeft niet alles verteld binnen { $seconds } seconden
relay-slow-advice = probeer het opnieuw, of wacht langer met --wait
not-up-to-date = niet bijgewerkt: { $reason }
waits-for-relay = het relais
waits-for-member = het apparaat van een andere deelnemer, dat het uitvoert
pending-offline = dit is opgeslagen tot dit apparaat online is; het wacht op { $waits-for }
pending-stored = dit is opgeslagen; het wacht op { $waits-for }
pending-waited = dit is opgeslagen en niet gedaan binnen { $seconds } seconden; het wacht op { $waits-for }
pending-advice = het gaat vanzelf verder zodra dit apparaat online is, bijvoorbeeld bij `kring status`
out-of-step = dit apparaat heeft een wijziging van deze casus gemist
out-of-step-advice = vraag de regisseur om u te verwijderen en opnieuw toe te voegen; wat u hier hebt blijft

status-device = { $address }  apparaat { $device }
status-up-to-date = verbonden, bijgewerkt
status-connected = verbonden
status-connecting = bezig te verbinden
status-connecting-because = bezig te verbinden: { $reason }
status-offline = offline
status-certificate = certificaat geldig tot { $until }
status-cases = { $cases ->
    [one] 1 casus
   *[other] { $cases } casussen
  }, { $queued } wacht op verzending
missing-at-relay = het relais heeft deze casus niet; wat u erin verstuurt blijft hier. Vraag de beheerder of de gegevens verloren zijn gegaan of teruggezet

wiped = Dit apparaat is gewist: de sleutels zijn vernietigd, de bestanden verwijderd. Meld het de beheerder van uw organisatie, zodat het certificaat wordt ingetrokken.
wipe-word = wis
wipe-question = Dit vernietigt voorgoed alles wat dit apparaat van alle casussen heeft. Typ "{ $word }" om door te gaan:
wipe-not-confirmed = er is niets gewist
wipe-now-advice = geef --now om zonder vraag te wissen

audit-holds = De logging klopt: { $entries ->
    [one] 1 regel
   *[other] { $entries } regels
  }, waarvan { $pseudonymised } gepseudonimiseerd
audit-forwarded = { $count ->
    [one] 1 nieuwe regel
   *[other] { $count } nieuwe regels
  } doorgestuurd; het archief heeft er { $entries }
audit-not-forwarded = de logging is niet doorgestuurd: { $reason }
audit-unreadable = de logging is verbroken bij regel { $number }: die is onleesbaar of toont iets anders dan is ondertekend
audit-missing = de logging is verbroken bij regel { $number }: die ontbreekt; regel { $found } staat op die plaats
audit-repeated = de logging is verbroken bij regel { $number }: regel { $found } staat daar voor de tweede keer
audit-cut-off = de logging is verbroken bij regel { $number }: die ontbreekt aan het eind
audit-changed = de logging is verbroken bij regel { $number }: die is gewijzigd, de handtekening klopt niet
audit-details-changed = de logging is verbroken bij regel { $number }: wat er staat is gewijzigd
audit-detached = de logging is verbroken bij regel { $number }: die sluit niet aan op de regel ervoor
audit-foreign-key = de logging is verbroken bij regel { $number }: die is ondertekend met de sleutel van een ander apparaat
audit-broken-advice = laat alles zoals het is en meld het de functionaris gegevensbescherming van uw organisatie; vergelijk met het doorgestuurde archief
audit-no-key = dit certificaat heeft geen Ed25519-sleutel
audit-no-key-advice = geef het certificaat van het apparaat waarvan het archief is
audit-foreign-archive = { $path } is geen archief van de logging van dit apparaat, of de laatste regel is gewijzigd
audit-foreign-archive-advice = geef een ander bestand; controleer het oude met `kring audit verify --file`

set-up-who = { $name } ({ $address }), { $function } bij { $organisation }
set-up-then = hierna: `kring status`, waarmee het relais dit apparaat leert kennen
set-up-already = dit apparaat is al ingericht, in { $path }
set-up-already-advice = geef een andere map met --profile, of vraag het volgende certificaat met `kring setup --renew`
ticket-late = de tijd van dit ticket is om; als het op tijd op dit apparaat is gebruikt, telt het antwoord nog
ticket-waiting = Het verzoek is onderweg; nu moet uw beheerder het goedkeuren
ticket-key = Uw beheerder ziet deze sleutel van dit apparaat, om te vergelijken: { $key }
ticket-paste = Plak het ticket, en sluit af met een lege regel:
ticket-unreadable = het ticket kan niet worden gelezen: { $reason }
ticket-unreadable-advice = geef het in een bestand
enrol-expired = dit ticket is verlopen; vraag uw beheerder om een nieuw
refusal-unknown-ticket = het relais kent dit ticket niet; controleer het, of vraag uw beheerder om een nieuw
refusal-ticket-used = dit ticket is al gebruikt; als u dat niet was, zeg het dan meteen uw beheerder, en vraag om een nieuw
enrol-not-answered = uw beheerder heeft nog niet goedgekeurd; geef dezelfde opdracht later nog een keer, het verzoek blijft bij het relais
enrol-guessed = het relais neemt tot een minuut lang geen tickets van dit netwerk aan, omdat er te veel zijn geprobeerd die het niet kent; controleer het ticket, en geef dezelfde opdracht over een minuut nog een keer
enrol-not-taken = het relais heeft het verzoek nog niet aangenomen: { $reason }
enrol-denied = de beheerder heeft geweigerd; vraag waarom, en om een nieuw ticket
enrol-denied-request = het programma van de beheerder kon het verzoek niet lezen; werk beide programma's bij, en vraag om een nieuw ticket
enrol-other-answer = het antwoord past niet bij het verzoek; vertrouw dit relais niet, en vraag uw beheerder om een nieuw ticket
enrol-forged = het antwoord was niet met dit ticket verzegeld, of is onderweg veranderd; vertrouw het relais niet, en gebruik een nieuw ticket
enrol-failed = de cryptografische bibliotheek werkte niet; probeer het opnieuw
enrol-other-region = het antwoord is van een andere regio dan het ticket; vraag uw beheerder persoonlijk om een nieuw ticket
enrol-other-relay = het certificaat van het relais is niet het certificaat waarvoor het antwoord van uw beheerder instaat: { $reason }
enrol-certificate = het certificaat dat kwam klopt niet: { $reason }
enrol-passphrase = dit is met een andere wachtzin begonnen; geef die, of verwijder { $path } om met een nieuw ticket opnieuw te beginnen
enrol-io = bestanden naast het profiel kunnen niet worden geschreven ({ $reason }); controleer de map en de rechten daarop
certificate-renewed = Dit apparaat heeft zijn volgende certificaat, geldig tot { $until }
nobody-found = niemand gevonden; mensen zijn te vinden zodra hun apparaat met dit relais verbonden is geweest
more-found = er zijn er meer; zoek op meer woorden
not-believed = het relais noemde { $count } apparaten waarvan de certificaten niet kloppen
not-believed-advice = ze worden niet getoond; zeg het tegen de beheerder van het relais
found-function = { $function } bij { $organisation }
found-device = apparaat { $device }, geldig tot { $until }
found-own = apparaat      { $fingerprint }
found-issuer = organisatie   { $fingerprint }
