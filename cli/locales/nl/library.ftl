# Wat de bibliotheek meldt. Eén zin zonder punt; wat u kunt doen staat achter een puntkomma.

store-missing = hier is geen opslag; richt dit apparaat eerst in
store-wiped = dit apparaat is gewist en niets opent wat er nog van over is; richt het opnieuw in
store-exists = hier is al een opslag; die blijft zoals ze is
store-wrong-key = deze wachtzin opent de opslag niet; probeer het opnieuw
store-in-use = de opslag is open in een ander programma; sluit dat eerst
store-newer = de opslag is geschreven door een nieuwere versie ({ $found }, deze kent { $known }); werk het programma bij
store-corrupt = de opslag is beschadigd; wis dit apparaat (kring wipe), richt het opnieuw in en vraag om het weer aan zijn casussen toe te voegen
store-disk-full = de schijf is vol; van deze stap is niets opgeslagen; maak ruimte en probeer het opnieuw
store-read-only = de opslag kan niet worden geschreven; controleer de rechten van de map en de schijf
store-io = de opslag kon niet worden gelezen of geschreven ({ $reason })
store-internal = de opslag is gebruikt op een manier die niet mag; dit is een fout van het programma

profile-missing = in deze map staat geen profiel; richt dit apparaat eerst in
profile-wiped = dit apparaat is gewist; richt het opnieuw in
profile-wiped-in-part = dit apparaat is gewist, maar er zijn bestanden over die niet verwijderd kunnen worden ({ $reason }); verwijder de map met de hand
profile-newer = het profiel is geschreven door een nieuwere versie; werk het programma bij
profile-malformed = { $file } van het profiel kan niet worden gelezen; richt het apparaat opnieuw in of zet het bestand terug
profile-io = { $file } van het profiel kan niet worden gelezen ({ $reason })

wipe-not-a-profile = in deze map staat geen profiel; er is niets aangeraakt
wipe-keys = de sleutels konden niet worden vernietigd ({ $reason }); vernietig de gegevensdrager en laat het certificaat intrekken
wipe-files = de sleutels zijn vernietigd, maar er zijn bestanden over die niet verwijderd konden worden ({ $reason }); verwijder de map met de hand

open-other-device = deze opslag is van een ander apparaat; zet die van het profiel zelf terug
open-certificate = het certificaat van dit apparaat deugt niet: { $reason }
open-roots = de basiscertificaten van het profiel zijn onbruikbaar: { $reason }
open-key-missing = de opslag bevat de sleutel van dit apparaat niet; richt het apparaat opnieuw in
open-not-vouched-for = de regio staat niet in voor het certificaat van dit apparaat; richt het apparaat opnieuw in
open-thread = het besturingssysteem gaf geen thread ({ $reason })

draft-empty = er staat niets in om te versturen
draft-too-large = een bericht heeft hoogstens { $limit } bytes; verstuur het in delen
draft-label-too-long = een label van een bericht heeft hoogstens { $limit } bytes

command-unknown-case = die casus is niet op dit apparaat
command-case-exists = er bestaat al een casus met dit kenmerk
command-item-exists = er bestaat al een bericht met dit kenmerk
command-not-open = dit apparaat is niet, of niet meer, in de casus
command-role = uw rol in deze casus staat dit niet toe
command-not-a-member = niemand met dit adres is in de casus
command-oneself = gebruik leave om zelf te vertrekken
command-sole-coordinator = de regisseur draagt de casus aan iemand anders over voordat die vertrekt
command-title = een titel heeft 1 tot 255 bytes

unfinished = er staan spoedmeldingen, taken of overdrachten open; beëindig ze voordat de casus wordt gesloten
not-erasing = dit apparaat heeft deze casus niet laten verwijderen
sole-responsible = wie als enige verantwoordelijk is voor het gezin rondt eerst een overdracht af voordat die vertrekt of verwijderd wordt
case-is-closed = de casus is gesloten en alleen te lezen
duty-not-responsible = alleen wie verantwoordelijk is voor het gezin kan het overdragen
duty-not-coordinator = alleen de regisseur kan de regie overdragen
duty-receivers = een overdracht gaat naar één tot acht anderen die meedoen in de casus
duty-too-many = er staan te veel overdrachten open; rond er eerst een af of trek er een in
duty-no-handover = die overdracht is er niet, of is beëindigd
duty-not-yours = deze stap van een overdracht is aan iemand anders
duty-not-understood = wie overdraagt heeft nog niet bevestigd dat de ontvanger het begrepen heeft
duty-not-ready = nog niet elke ontvanger is klaar om te beginnen en in de casus
duty-already = het is al zo
duty-other-organisation = een organisatie spreekt alleen voor zichzelf
duty-handovers-open = er staan overdrachten open; rond ze eerst af, weiger ze of trek ze in
duty-statements = nog niet elke organisatie heeft verklaard wat er met het eigen dossier gebeurt
duty-stage = de casus is niet in die fase van sluiten
duty-held = een organisatie houdt de casus vast: hij mag niet worden verwijderd

call-closed = de verbinding met de opslag is gesloten

connect-name = de naam van het relais is niet te vinden; controleer het netwerk en het adres
connect-socket = geen netwerkaansluiting ({ $reason }); controleer het netwerk
connect-unreachable = het relais antwoordt niet; controleer het netwerk, of vraag de beheerder ervan
connect-relay-unknown-root = het certificaat van het relais komt van een onbekende bron: dit is niet uw relais, of het profiel is verouderd
connect-relay-other-name = het certificaat van het relais is niet van dat relais: er staat een andere naam op
connect-relay-expired = het certificaat van het relais is verlopen; controleer de klok van dit apparaat, of meld het de beheerder van het relais
connect-relay-not-yet-valid = het certificaat van het relais is nog niet geldig; controleer de klok van dit apparaat
connect-relay-certificate = het certificaat van het relais deugt niet: { $reason }
connect-key-exchange = het relais biedt de kwantumbestendige sleuteluitwisseling X25519MLKEM768 niet aan; het moet worden bijgewerkt
connect-not-a-relay = wat op dit adres antwoordt is geen Kring-relais
connect-own-expired = het certificaat van dit apparaat is verlopen; vraag de beheerder van uw organisatie om een nieuw
connect-own-not-yet-valid = het certificaat van dit apparaat is nog niet geldig; controleer de klok van dit apparaat
connect-own-refused = het relais aanvaardt het certificaat van dit apparaat niet: { $fault }; vraag de beheerder van uw organisatie
connect-refused = het relais weigert: { $reason }
connect-going-away = het relais start opnieuw
connect-broken = de verbinding met het relais is verbroken
connect-fault = het relais houdt zich niet aan het protocol: { $reason }
connect-offline = dit apparaat is offline

fault-frame = het stuurde iets onleesbaars
fault-too-much = het stuurde meer dan het protocol toestaat
fault-wrong-answer = het antwoord past niet bij de vraag
fault-unfinished = het brak een antwoord halverwege af
fault-silent = het antwoordde niet op tijd

not-done-nothing-left = er viel niets meer te doen: het is al zo
not-done-closed = het programma stopte voordat dit gedaan was; het gaat verder als het weer start

dropped-role = uw rol in deze casus staat het niet meer toe
dropped-left = u bent niet meer in deze casus
dropped-nothing-to-do = er valt niets meer te doen
dropped-last-of-coordinator = de regisseur draagt de casus aan iemand anders over voordat het laatste apparaat vertrekt
dropped-relay = het relais neemt het niet aan: { $reason }

not-added-unknown = niemand met dit adres kan worden toegevoegd: ze zijn vertrokken, of hebben nog geen apparaat gestart; vraag hun in dat geval om het één keer te starten
not-added-no-key-package = het apparaat heeft niets klaarstaan om mee te worden toegevoegd; vraag hun om het één keer te starten
not-added-inbox-full = de postbus van het apparaat is vol; vraag hun om het één keer te starten
not-added-revoked = het certificaat van het apparaat is ingetrokken
not-added-certificate = het certificaat van het apparaat is niet geldig
not-added-key-package = het relais gaf iets dat niet van dit apparaat is
not-added-already = het apparaat doet al mee

commit-refused-unreadable = een wijziging van de deelnemers aan de casus is onleesbaar
commit-refused-role = iemand heeft de casus gewijzigd zonder daartoe het recht te hebben
commit-refused-leaf = iemand heeft een apparaat toegevoegd dat niet kan aantonen wie het is: { $reason }
commit-refused-closes = iemand, of het relais, probeerde de casus te laten verwijderen zonder dat de deelnemers het eens waren
commit-refused-access-key = iemand gaf het relais een valse sleutel voor deze casus

suspicion-fork = het relais heeft deze deelnemer andere berichten getoond dan dit apparaat
suspicion-signature = de handtekening onder een bericht is niet van het apparaat dat het stuurde
suspicion-unreadable = een bericht in de casus is onleesbaar
suspicion-item-reused = een deelnemer stuurde twee verschillende berichten onder één kenmerk
suspicion-invitation = iemand probeerde dit apparaat onder de naam van deze casus in een andere groep te brengen
suspicion-order = het relais leverde berichten in de verkeerde volgorde
suspicion-set-back = dit apparaat is teruggezet naar een oudere toestand; wat het sindsdien heeft gezegd ontbreekt hier

refusal-unsupported-version = het relais spreekt een andere versie van het protocol; werk de oudste van de twee bij
refusal-forbidden = het relais opent deze casus niet voor dit apparaat
refusal-too-large = dit is groter dan het relais aanneemt ({ $limit } bytes)
refusal-too-many = dit zijn er meer tegelijk dan het relais aanneemt ({ $limit })
refusal-recipients = { $count } van de toe te voegen apparaten zijn nu niet bereikbaar; voeg de andere toe
refusal-unknown-professional = niemand met dit adres kan worden toegevoegd; vraag hun om het apparaat één keer te starten
refusal-rate-limited = te veel tegelijk; probeer het over { $seconds } seconden opnieuw
refusal-busy = het relais is druk; probeer het over { $seconds } seconden opnieuw
refusal-full = het relais bewaart hier niet meer van; het neemt weer aan zodra oudere gelezen of verlopen zijn
refusal-disk-full = de schijf van het relais is vol; de beheerder is gewaarschuwd, wat u verstuurt wacht hier
refusal-store-failed = het relais kon dit niet opslaan; het is niet afgeleverd en wordt opnieuw verstuurd
refusal-draining = het relais start opnieuw; maak opnieuw verbinding
refusal-revoked = het certificaat van dit apparaat wordt niet meer aanvaard; vraag de beheerder van uw organisatie
refusal-not-final = de casus is niet gesloten
refusal-technical = { $reason }

held-revoked = een deelnemer aan de casus is ingetrokken; er wordt niets verstuurd tot de regisseur of een vervangend regisseur die persoon eruit heeft gehaald
held-ended = het certificaat van een deelnemer is verlopen; berichten wachten tot de regisseur of een vervangend regisseur die persoon eruit heeft gehaald, of op uw uitdrukkelijke wens (--despite-stale-revocation-list)
held-stale-list = een intrekkingslijst is te laat, dus er kan iemand in de casus vertrokken zijn zonder dat dit apparaat het weet; berichten wachten op de lijst, of op uw uitdrukkelijke wens (--despite-stale-revocation-list)
not-added-other-number = dit apparaat toont een ander nummer dan u hebt vergeleken; iemand kan de plaats ervan hebben ingenomen
not-added-stale-list = een intrekkingslijst is meer dan drie dagen te laat; er wordt niemand toegevoegd tot het relais een nieuwere heeft
command-coordinator-heard = de regisseur is kort geleden nog gehoord; neem de casus over als het drie dagen stil is gebleven
command-nothing-to-claim = er is niets om over te nemen, te bevestigen of terug te nemen
command-not-own-device = dit is geen ander apparaat van u in uw casussen; `kring device list` laat ze zien

# Waarom iets niet meetelt in de stand van een casus
command-refused = dit zou niet meetellen: { $reason }
state-no-such-thing = er is niets van dat soort onder dit kenmerk
state-already-there = er is al iets onder dit kenmerk
state-closed = het is afgesloten
state-phase = het is niet in een fase die dit toelaat
state-role = de rol van de afzender in de casus laat dit niet toe
state-function = de functie van de afzender laat dit niet toe
state-not-theirs = dit is aan iemand anders
state-unopened = nog niet elk onderdeel van het overdrachtsdossier is geopend
state-case-closed = de casus is gesloten en alleen te lezen
state-too-early = de termijn was nog niet verstreken toen dit werd geschreven
state-stopped = iemand onderneemt al actie
state-other-content = dit gaat over een andere inhoud dan die in de casus staat
state-conditions = alleen Veilig Thuis wijzigt veiligheidsvoorwaarden
state-bounds = een tekst, een lijst of een tijd erin valt buiten de grenzen
state-too-many = er staan in deze casus te veel open
state-replaced = een bericht van deze soort kan niet worden vervangen
not-added-impostor = het relais gaf iets dat niet van dit apparaat is: { $reason }
suspicion-company = iemand nodigde dit apparaat uit in een casus met een apparaat dat niet kan tonen wie het is: { $reason }
unbelieved-other-key = het certificaat noemt een andere sleutel dan het apparaat heeft
unbelieved-other-organisation = het certificaat is niet van de organisatie waar het adres bij hoort
unbelieved-function = het noemt een functie die de organisatie niet mag geven
unbelieved-usage = het certificaat is voor iets anders gemaakt dan een apparaat
unbelieved-authority = de uitgever van het certificaat was toen niet geldig
unbelieved-root = geen regio die dit apparaat vertrouwt staat ervoor in
unbelieved-place = het is al in de casus, of komt in de plaats van een ander apparaat
unbelieved-certificate = het certificaat klopt niet
own-fault-revoked = het is ingetrokken
own-fault-expired = het, of dat van de organisatie, is op dit moment niet geldig
own-fault-root = het relais kent de regio niet
own-fault-usage = het is voor iets anders gemaakt
own-fault-key = het noemt een andere sleutel dan die van dit apparaat
own-fault-organisation = de organisatie mocht het niet uitgeven
own-fault-other = het is niet in orde
