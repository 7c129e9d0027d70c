"""What is said in the corpus, and by whom. Voices are of one split only: what was tuned was never heard in the test."""

# voice: (engine, name, language)
VOICES = {
    "tuning": [
        ("flite", "rms", "en"),
        ("flite", "kal16", "en"),
        ("festival", "lp_diphone", "it"),
        ("espeak", "en-us+m3", "en"),
        ("espeak", "en-gb-x-rp+f2", "en"),
        ("espeak", "it+f2", "it"),
        ("espeak", "it", "it"),
        ("espeak", "de+m1", "de"),
        ("espeak", "fr+f4", "fr"),
        ("espeak", "es+m7", "es"),
    ],
    "held-out": [
        ("flite", "slt", "en"),
        ("flite", "awb", "en"),
        ("festival", "pc_diphone", "it"),
        ("festival", "cmu_us_slt_arctic_hts", "en"),
        ("festival", "upc_ca_ona_hts", "es"),
        ("espeak", "en-gb-scotland+f3", "en"),
        ("espeak", "en+m5", "en"),
        ("espeak", "it+m4", "it"),
        ("espeak", "de+f5", "de"),
        ("espeak", "fr-be+m6", "fr"),
    ],
}

HUMAN = {
    "en": [
        "Hello?", "Hi.", "Yes?", "Hello, who is this?", "Good morning.", "Hello, John speaking.", "Yeah, hello?", "Hi, this is Mary.",
        "Smith and Sons, good morning.", "Hello? Hello?", "Good afternoon, how can I help?", "Marketing, Susan speaking.",
        "Parker Plumbing, this is Dave.", "Hello, you are speaking with Anna.",
    ],
    "it": [
        "Pronto?", "Pronto, chi parla?", "Sì?", "Buongiorno.", "Sì, pronto.", "Pronto, sono Maria.", "Chi è?", "Buonasera, mi dica.",
        "Studio Rossi, buongiorno.", "Ferramenta Bianchi, mi dica.", "Pronto? Pronto?", "Buongiorno, come posso aiutarla?",
    ],
    "de": [
        "Hallo?", "Ja, bitte?", "Müller.", "Guten Tag, Schmidt.", "Ja?", "Hallo, wer ist da?", "Firma Becker, guten Tag.",
        "Hier ist Anna.", "Praxis Doktor Weber, guten Morgen.",
    ],
    "fr": [
        "Allô?", "Oui?", "Allô, oui?", "Bonjour.", "Oui allô, qui est-ce?", "Cabinet Dupont, bonjour.", "Bonjour, Marie à l'appareil.",
        "Allô? Allô?",
    ],
    "es": [
        "¿Diga?", "¿Sí?", "Hola.", "¿Quién es?", "Buenos días.", "Dígame.", "Hola, soy Carmen.", "Talleres García, buenos días.",
    ],
}

# Each a list of sentences; between them is a pause of the machine's speaker.
MACHINE = {
    "en": [
        ["Hi, you have reached John Miller.", "I can't take your call right now.", "Please leave a message after the tone."],
        ["The person you are calling is not available at the moment.", "Please leave a message after the beep."],
        ["Hello, this is the voice mailbox of Susan Parker.", "Leave your name and number and I will call you back."],
        ["Hi!", "We are not at home right now, so please leave us a message after the beep and we will get back to you."],
        ["Your call has been forwarded to an automatic voice message system.", "At the tone, please record your message."],
        ["Hello, thank you for calling Parker Plumbing.", "Our office is closed.", "Please leave a message."],
    ],
    "it": [
        ["Risponde la segreteria telefonica di Mario Rossi.", "Lasciate un messaggio dopo il segnale acustico."],
        ["Ciao, sono Laura, in questo momento non posso rispondere.", "Lascia un messaggio e ti richiamo."],
        ["Il cliente da lei chiamato non è al momento raggiungibile.", "La preghiamo di richiamare più tardi."],
        ["Buongiorno, avete chiamato lo Studio Bianchi.", "I nostri uffici sono chiusi.", "Lasciate un messaggio dopo il bip."],
        ["Salve!", "Al momento non sono in casa, lasciate pure il vostro messaggio dopo il segnale."],
    ],
    "de": [
        ["Guten Tag, hier ist der Anrufbeantworter von Familie Schmidt.", "Bitte hinterlassen Sie eine Nachricht nach dem Signalton."],
        ["Der gewünschte Gesprächspartner ist zurzeit nicht erreichbar.", "Bitte sprechen Sie nach dem Ton."],
        ["Hallo, hier ist Peter, ich bin gerade nicht da.", "Sprecht mir aufs Band."],
    ],
    "fr": [
        ["Bonjour, vous êtes bien sur la messagerie de Marie Dupont.", "Merci de laisser un message après le signal sonore."],
        ["Votre correspondant n'est pas disponible pour le moment.", "Veuillez laisser un message après le bip."],
        ["Bonjour, je ne peux pas vous répondre pour l'instant.", "Laissez-moi un message et je vous rappelle."],
    ],
    "es": [
        ["Ha llamado al contestador de Carmen García.", "Por favor, deje su mensaje después de la señal."],
        ["El número al que llama no está disponible en este momento.", "Deje su mensaje después del tono."],
        ["Hola, ahora no puedo atenderte.", "Déjame un mensaje y te llamo en cuanto pueda."],
    ],
}

# For voice activity, babble and talk-off.
SENTENCES = {
    "en": [
        "I would like to speak to somebody about my last invoice, because it seems to be wrong.",
        "The parcel should have come on Tuesday, but nobody was at home when they rang.",
        "Could you tell me how long I have to wait until an engineer can come?",
        "We moved to a new house last month, and the line has not worked since then.",
        "Seven hundred and forty two, five, one, one, nine. Yes, that is the number of the contract.",
        "My sister told me that you have a cheaper offer for people who do not phone much.",
        "Oh, no, no, that is not what I meant. Sorry. Ooh. Who knew?",
    ],
    "it": [
        "Vorrei parlare con qualcuno della mia ultima bolletta, perché mi sembra sbagliata.",
        "Il pacco doveva arrivare martedì, ma non c'era nessuno in casa quando hanno suonato.",
        "Mi può dire quanto devo aspettare prima che venga un tecnico?",
        "Ci siamo trasferiti il mese scorso e da allora la linea non funziona.",
        "Settecento quarantadue, cinque, uno, uno, nove. Sì, è il numero del contratto.",
        "Mia sorella mi ha detto che avete un'offerta più conveniente per chi telefona poco.",
    ],
    "de": [
        "Ich möchte mit jemandem über meine letzte Rechnung sprechen, sie scheint falsch zu sein.",
        "Das Paket sollte am Dienstag kommen, aber es war niemand zu Hause.",
        "Wie lange muss ich warten, bis ein Techniker kommen kann?",
        "Sieben, vier, zwei, fünf, eins, eins, neun. Ja, das ist die Nummer des Vertrags.",
    ],
    "fr": [
        "Je voudrais parler à quelqu'un de ma dernière facture, elle me semble fausse.",
        "Le colis devait arriver mardi, mais il n'y avait personne à la maison.",
        "Combien de temps dois-je attendre avant qu'un technicien puisse venir?",
        "Sept cent quarante deux, cinq, un, un, neuf. Oui, c'est le numéro du contrat.",
    ],
    "es": [
        "Quisiera hablar con alguien sobre mi última factura, porque creo que está mal.",
        "El paquete tenía que llegar el martes, pero no había nadie en casa cuando llamaron.",
        "¿Cuánto tiempo tengo que esperar hasta que venga un técnico?",
        "Siete, cuatro, dos, cinco, uno, uno, nueve. Sí, es el número del contrato.",
    ],
}
