# Overdrachten en hun dossiers, en het einde van een casus.

handover-head = Overdracht: { $scope }  ({ $id }): { $stage }
handover-from-to = van { $from } aan { $to }, aangeboden { $at }; { $urgency }
handover-coordinator = { $who } wordt daarmee regisseur
handover-start-by = te beginnen voor { $at }
handover-accept-by = iedereen moet klaar zijn om te beginnen voor { $at }; anders vervalt ze
handover-still-responsible = tot ze is afgerond blijft { $from } verantwoordelijk
handover-next = nu: { $what }
handover-situation = Situatie
handover-background = Achtergrond
handover-assessment = Beoordeling
handover-recommendation = Aanbeveling
handover-actions = Te doen:
handover-contingency = Als het misgaat
handover-dossier = Overdrachtsdossier:
handover-no-dossier = Zonder overdrachtsdossier.
handover-own-words = in eigen woorden
handover-correction = { $from } zegt wat er ontbreekt
handover-question = { $by } vraagt ({ $id })
handover-answer = antwoord
handover-unanswered = nog niet beantwoord
handover-none = Geen open overdrachten.

urgency-routine = gewoon
urgency-soon = binnen dagen
urgency-immediate = meteen

handover-not-standing = onderweg
handover-offered = aangeboden
handover-received = ontvangen
handover-understood = begrepen
handover-ready = iedereen kan beginnen
handover-expired = vervallen: niet iedereen was op tijd klaar om te beginnen
handover-completed = afgerond door { $by }
handover-declined = geweigerd door { $by }{ $reason }
handover-withdrawn = ingetrokken door { $by }{ $reason }
handover-cleared = beëindigd door { $by }{ $reason }

reception-offered = { $who }: het apparaat heeft het dossier nog niet
reception-received = { $who }: heeft alles geopend
reception-has-offer = { $who }: heeft het aanbod
reception-opened = { $who }: heeft { $opened } van { $sections } onderdelen geopend
reception-written = { $who }: heeft in eigen woorden gezegd wat begrepen is
reception-understood = { $who }: heeft het begrepen, zoals wie overdraagt bevestigt
reception-ready = { $who }: kan beginnen op { $start }

next-receive = het apparaat van { $who } moet een keer online zijn
next-open = { $who } opent het dossier: `kring handover open CASUS`
next-synthesis = { $who } zegt in eigen woorden wat begrepen is: `kring handover understand CASUS`
next-ready = { $who } zegt wanneer het beginnen kan: `kring handover ready CASUS TIJD`
next-answer = { $who } beantwoordt een vraag: `kring handover answer CASUS`
next-confirm = { $who } bevestigt wat begrepen is, of zegt wat er ontbreekt: `kring handover confirm CASUS`, of `correct`
next-complete = { $who } rondt af: `kring handover complete CASUS`

step-offered = Aangeboden, als { $id }. U blijft verantwoordelijk tot de overdracht is afgerond.
step-understood = Gezegd aan { $from }, die het bevestigt of zegt wat er ontbreekt; daarna `kring handover ready CASUS TIJD`
step-confirmed = Bevestigd: { $who } heeft het begrepen
step-ready = U kunt beginnen op { $start }; de anderen weten het
step-completed = Afgerond: { $to } is nu verantwoordelijk
step-ended = Beëindigd; de verantwoordelijkheid blijft waar ze is

handover-none-open = er is in deze casus geen overdracht gaande
handover-none-advice = `kring handover list CASUS --all` toont ook de beëindigde
handover-is-over = deze overdracht is voorbij: { $how }
handover-is-over-advice = wie verantwoordelijk is kan een nieuwe aanbieden
handover-not-receiver = u bent geen ontvanger van deze overdracht
handover-receivers-are = de ontvangers zijn { $to }
handover-withdraw-instead = u draagt zelf over: trek haar in met `kring handover withdraw CASUS`
handover-not-sender = u bent niet wie overdraagt
handover-sender-is = dit is aan wie overdraagt, { $from }
handover-decline-instead = u bent ontvanger: met `kring handover decline CASUS` zegt u dat u haar niet overneemt
handover-confirmed-already = wie overdraagt heeft al bevestigd dat u het begrepen hebt
handover-ready-next = nu: `kring handover ready CASUS TIJD`
handover-no-such-receiver = geen ontvanger heeft een adres dat begint met "{ $words }"
handover-nothing-to-confirm = niemand wacht op uw bevestiging
handover-nothing-to-confirm-advice = `kring handover show CASUS` zegt hoe ver iedereen is
handover-which-receiver = noem een van { $list }
handover-unconfirmed = { $from } heeft nog niet bevestigd wat u begrepen hebt
handover-unconfirmed-advice = wacht daarop, of vraag erom; dat gaat met `kring handover confirm CASUS`
handover-not-understood = u hebt nog niet in eigen woorden gezegd wat u begrepen hebt
handover-understand-first = eerst `kring handover open CASUS`, dan `kring handover understand CASUS`
handover-not-ready = nog niet iedereen heeft gezegd te kunnen beginnen: { $names }
handover-show-next = `kring handover show CASUS` zegt wat er nu moet gebeuren, en door wie
handover-no-question = niemand wacht op een antwoord
handover-case-closing = voorgesteld is deze casus te sluiten, dus wordt er niets overgedragen
handover-case-closing-advice = de regisseur trekt dat eerst in: `kring case close CASUS --withdraw`
handover-add-first = een ontvanger moet in de casus zijn: `kring case show CASUS` toont wie dat zijn, `kring case add CASUS ADRES` voegt iemand toe
handover-to-nobody = er staat nergens aan wie
handover-to-advice = geef --to PERSOON, één keer voor elke die klaar moet zijn om te beginnen
handover-lacks-words = wat wordt overgedragen en de situatie ontbreken
handover-lacks-advice = geef --scope en --situation, of schrijf alles in uw editor (EDITOR), of geef het met --input
handover-form-advice = `kring handover offer CASUS --template` toont de vorm, ingevuld
handover-template =
    # Een overdracht. Wie overneemt moet de hele situatie kennen en kunnen beginnen.
    # scope: wat wordt overgedragen, in één regel. urgency: "routine" (gewoon), "soon" (binnen dagen) of "immediate" (meteen).
    # situation: wat er nu is. background: hoe het zo kwam.
    # assessment: wat u ervan vindt. recommendation: wat u aanbeveelt.
    # actions: wat er gedaan moet worden. contingency: wat te doen als het misgaat.
    # start_by = "2026-12-01 10:00" en accept_by = "2026-11-30 17:00" kunnen erbij.

dossier-source = de casus "{ $title }"
dossier-purpose = voor de overdracht
dossier-plan = Veiligheidsplan
dossier-alerts = Open spoedmeldingen
dossier-tasks = Open taken
dossier-history = Wat er is gezegd
dossier-restricted = Vertrouwelijk, één voor één gekozen
dossier-heading = OVERDRACHTSDOSSIER, ONDERDEEL { $section } VAN { $sections }: { $title }
dossier-index = { $section }. { $title } ({ $entries ->
    [one] 1 stuk
   *[other] { $entries } stukken
  })
dossier-about = over: { $about }
dossier-label = bron: { $source }; waarom: { $purpose }
dossier-ladder = daarna gevraagd: { $functions }
dossier-unproven = NIET GETOOND: { $reason }
dossier-left-out = weggelaten, vertrouwelijk: [{ $number }]  { $at }  { $name }: { $text }
dossier-left-out-count = { $count ->
    [one] 1 vertrouwelijk bericht is buiten het dossier gelaten
   *[other] { $count } vertrouwelijke berichten zijn buiten het dossier gelaten
  }
dossier-empty = Er is geen dossier: ontvangers zien alleen het aanbod.
dossier-preview-only = Dit is wat ontvangers zullen zien. Er is niets verstuurd. Laat [12] weg met --leave-out 12; wat vertrouwelijk is gaat mee met --with-restricted.
dossier-not-in-it = bericht { $number } zit niet in het dossier
dossier-numbers-advice = --preview toont de nummers
dossier-entry-unclear = een stuk van het dossier noemt geen bericht, en ook geen overdracht met onderdeel en stuk
dossier-opened-some = { $opened } van { $sections } onderdelen geopend; het volgende: `kring handover open CASUS`
dossier-opened-all = U hebt alles geopend. Zeg in eigen woorden wat u begrepen hebt: `kring handover understand CASUS`
dossier-is-empty = deze overdracht heeft geen dossier
dossier-no-section = er is geen onderdeel { $section }
dossier-all-opened = u hebt elk onderdeel geopend
dossier-say-section = u bent geen ontvanger, dus geen onderdeel is voor u het volgende
dossier-which-section = zeg welk onderdeel u wilt lezen, van 1 tot { $last }
dossier-unopened = u hebt { $count ->
    [one] onderdeel { $sections }
   *[other] de onderdelen { $sections }
  } van het dossier nog niet geopend
dossier-open-first = eerst `kring handover open CASUS`

dossier-error-no-such-thing = dat bericht, onderdeel of stuk is er niet om over te dragen; --preview toont de nummers
dossier-error-restricted = bericht { $number } is vertrouwelijk; noem het met --with-restricted { $number }, of laat het weg
dossier-error-entry = een stuk van het eerdere dossier is vertrouwelijk of niet bewezen; merk het zelf als restricted aan, of laat het weg
dossier-error-taken-back = bericht { $number } is door de schrijver teruggenomen of vervangen; laat het weg
dossier-error-no-proof = van bericht { $number } is niet te bewijzen van wie het is; laat het weg
dossier-error-bounds = het dossier heeft te veel onderdelen of stukken, of een titel, bron of reden die leeg of te lang is; maak het kleiner
dossier-error-incomplete = het dossier is op dit apparaat niet volledig; probeer het weer als het online is
unproven-unreadable = dit stuk is niet te lezen
unproven-certificate = voor het certificaat van de schrijver staat geen regio in die dit apparaat kent
unproven-signature = dit is niet ondertekend door wie het noemt, of niet voor deze casus

duties-responsible = verantwoordelijk: { $who }
duties-held = vastgehouden door { $organisation }: hij mag niet worden verwijderd
duties-proposed = sluiten is voorgesteld; te verwijderen { $days ->
    [one] 1 dag
   *[other] { $days } dagen
  } nadat hij is gesloten
duties-closed = gesloten; te verwijderen { $days ->
    [one] 1 dag
   *[other] { $days } dagen
  } nadat hij werd gesloten
duties-exported = { $organisation }: wat bewaard moet worden staat in het eigen dossier
duties-not-needed = { $organisation }: er hoeft niets bewaard te worden
duties-silent = { $organisation }: heeft nog niets verklaard (`kring case close CASUS --state exported`, of `not-needed`)
inbox-closing-statement = deze casus wordt gesloten: verklaar wat er met het dossier van uw organisatie gebeurt (`kring case close CASUS --state exported`, of `not-needed`)
inbox-closing = elke organisatie heeft verklaard: sluit de casus (`kring case close CASUS`)

closing-proposed = Voorgesteld. Elke organisatie wordt om een verklaring gevraagd; de casus is te verwijderen { $days ->
    [one] 1 dag
   *[other] { $days } dagen
  } nadat hij is gesloten
closing-withdrawn = De casus blijft open
closing-exported = Verklaard voor { $organisation }: wat bewaard moet worden staat in het eigen dossier
closing-not-needed = Verklaard voor { $organisation }: er hoeft niets bewaard te worden
closing-closed = Gesloten: de casus is voortaan alleen te lezen
close-proposed = sluiten is al voorgesteld
close-proposed-advice = andere dagen: `kring case close CASUS --withdraw`, en dan opnieuw voorstellen
close-not-proposed = niemand heeft voorgesteld deze casus te sluiten
close-propose-first = dat doet de regisseur: `kring case close CASUS --propose DAGEN`, de dagen waarna hij te verwijderen is
close-silent = deze organisaties hebben nog niet verklaard wat er met het eigen dossier gebeurt: { $organisations }
close-silent-advice = iemand van elk doet dat met `kring case close CASUS --state exported`, of `not-needed`
close-unfinished = nog open: { $alerts ->
    [one] 1 spoedmelding
   *[other] { $alerts } spoedmeldingen
  }, { $tasks ->
    [one] 1 taak
   *[other] { $tasks } taken
  }, { $handovers ->
    [one] 1 overdracht
   *[other] { $handovers } overdrachten
  }
close-unfinished-advice = beëindig ze eerst; `kring case timeline CASUS` toont ze
hold-held = { $organisation } houdt de casus vast: niemand kan hem verwijderen
hold-lifted = { $organisation } houdt de casus niet meer vast
hold-none = { $organisation } houdt deze casus niet vast

erase-question = Dit vernietigt de casus "{ $title }" op elk apparaat en bij het relais, voorgoed. Typ de titel om door te gaan:
erase-not-confirmed = er is niets verwijderd
erase-yes-advice = typ de titel zoals hij er staat, of geef --yes om zonder vraag te verwijderen
erase-not-closed = deze casus is niet gesloten
erase-close-first = sluit hem eerst: `kring case close CASUS --propose DAGEN`
erase-held = deze organisaties houden de casus vast: { $organisations }
erase-held-advice = iemand van elk laat hem los met `kring case hold CASUS --lift`
erase-pending = de casus wordt verwijderd, en nog niet elk apparaat heeft dat bevestigd
erase-pending-advice = elk doet dat zodra het online is; `kring case erase --report` toont hoe ver het is, --without-waiting wacht niet op wie ontbreekt
erase-no-report = dit apparaat heeft zo'n casus niet laten verwijderen
erase-no-report-advice = `kring case erase --report` toont alles wat er is
close-coordinator-only = alleen de regisseur doet dit
close-ask-coordinator = vraag het { $who }
erasure-done = Casus { $id }: overal verwijderd; opdracht van { $by }, { $at }
erasure-head = Casus { $id }: wordt verwijderd door { $by } sinds { $at }
erasure-attested = { $who }, apparaat { $device }: vernietigd, bevestigd { $at }
erasure-missing = { $who }, apparaat { $device }: NIET BEVESTIGD
erasure-at-relay = bij het relais: opdracht tot verwijderen gegeven { $at }
erasure-not-at-relay = bij het relais: wacht op de bevestigingen die ontbreken
