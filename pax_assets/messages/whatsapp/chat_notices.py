"""The notices that WhatsApp writes between the messages of a chat export, and what they tell.

Most have no sender. Newer exports put one before them, the chat's own name or whoever did it, and
then only WhatsApp's invisible mark and the words themselves tell a notice from a message. So a
line with a sender is a notice only where both agree, or where it is the encryption notice, which
nobody writes by hand.
"""

from __future__ import annotations

import re

from pax_assets.messages.whatsapp.chat_phrases import CALLS, MISSED_CALLS, folded

# Each begins the notice that every chat begins with.
_ENCRYPTION = tuple(
    folded(phrase)
    for phrase in """
Messages and calls are end-to-end encrypted
Messages and calls are now end-to-end encrypted
Messages to this chat and calls are now secured with end-to-end encryption
Messages to this group are now secured with end-to-end encryption
Messages to this group are secured with end-to-end encryption
Nachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt
Nachrichten in diesem Chat sowie Anrufe sind jetzt mit Ende-zu-Ende-Verschlüsselung
Nachrichten an diese Gruppe sind
Los mensajes y las llamadas están cifrados de extremo a extremo
Los mensajes en este grupo ahora están protegidos
Les messages et les appels sont chiffrés de bout en bout
Les messages envoyés dans ce groupe sont protégés
I messaggi e le chiamate sono crittografati end-to-end
I messaggi inviati a questo gruppo sono protetti
As mensagens e as chamadas são protegidas com a criptografia de ponta a ponta
As mensagens e chamadas são encriptadas ponto a ponto
As mensagens e ligações são protegidas
Berichten en gesprekken worden end-to-end versleuteld
Viestit ja puhelut salataan täysin
Viestit ja puhelut ovat täysin salattuja
Meddelanden och samtal är komplett krypterade
Meddelanden och samtal är totalsträckskrypterade
Beskeder og opkald er end-to-end-krypterede
Meldinger og samtaler er ende-til-ende-krypterte
Mesajlar ve aramalar uçtan uca şifrelidir
Wiadomości i połączenia są w pełni zaszyfrowane
Zprávy a hovory jsou opatřeny koncovým šifrováním
Zprávy a hovory jsou zabezpečeny
Сообщения и звонки защищены сквозным шифрованием
Повідомлення й дзвінки захищено наскрізним шифруванням
ההודעות והשיחות מוצפנות מקצה-לקצה
الرسائل والمكالمات مشفرة تمامًا بين الطرفين
मैसेजेस और कॉल्स एंड-टू-एंड एन्क्रिप्टेड हैं
Pesan dan panggilan terenkripsi secara end-to-end
消息和通话都进行端到端加密
訊息和通話經端對端加密
メッセージと通話はエンドツーエンド暗号化されています
메시지 및 전화는 종단간 암호화되어
""".splitlines()
    if phrase
)

# What a notice tells, by the words of ten languages; the first that is found names it.
_NOTICES = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        (
            "group_created",
            r"\bcreated (?:the |this )?(?:group|community)\b|\bhat die gruppe\b.*\berstellt\b|"
            r"\bcre(?:ó|aste) (?:el|este) grupo\b|\ba créé (?:le|ce) groupe\b|"
            r"\bha creato (?:il|questo) gruppo\b|\bcriou (?:o|este) grupo\b|"
            r"\bgroep\b.*\b(?:aan)?gemaakt\b|\bloi(?:t)? ryhmän\b|\bgrubu(?:nu)? oluşturdu|"
            r"\bсоздала?\b.*\bгрупп",
        ),
        (
            "subject_changed",
            r"\bchanged the (?:subject|group name)\b|\b(?:betreff|gruppenname)n?\b.*\bgeändert\b|"
            r"\bcambi(?:ó|aste) el (?:asunto|nombre)\b|\ba (?:changé|modifié) (?:le sujet|le nom)|"
            r"\bha cambiato (?:l'oggetto|il nome)|\b(?:mudou|alterou) o (?:assunto|nome)\b|"
            r"\bonderwerp\b.*\bgewijzigd\b|\bmuutt?i\b.*\b(?:aiheen|aihetta|nimen)|"
            r"\bkonuyu\b.*\bdeğiştirdi|\bизменила? (?:тему|название)",
        ),
        (
            "picture_changed",
            r"\b(?:changed|deleted) this group's icon\b|\bgruppenbild\b.*\b(?:geändert|gelöscht)\b|"
            r"\b(?:cambió|eliminó) (?:el ícono|el icono|la imagen|la foto)|\bl'icône du groupe\b|"
            r"\bl'immagine (?:del|di questo) gruppo\b|\bimagem (?:do|deste) grupo\b|"
            r"\bgroepsafbeelding\b|\bryhmän (?:kuvan|kuvaketta)|\bgrubun simgesini\b",
        ),
        (
            "description_changed",
            r"\bgroup description\b|\bgruppenbeschreibung\b|\bdescripción del grupo\b|"
            r"\bdescription du groupe\b|\bdescrizione del gruppo\b|\bdescrição do grupo\b|"
            r"\bgroepsbeschrijving\b|\bryhmän kuvau",
        ),
        (
            "number_changed",
            r"\bchanged (?:their|his|her) phone number\b|\bchanged to \+\d|"
            r"\b(?:telefon)?nummer\b.*\bgeändert\b|\bcambió (?:su|a un nuevo|de) número\b|"
            r"\bcambió a \+\d|\ba changé (?:de|son) numéro\b|\bha cambiato (?:il suo )?numero\b|"
            r"\bmudou (?:seu|o seu|para um novo|de) número\b|\btelefoonnummer\b.*\bgewijzigd\b|"
            r"\bvaihtoi\b.*\bnumero|\bnumarasını\b.*\bdeğiştirdi|\bизменила? (?:свой )?номер",
        ),
        (
            "security_code_changed",
            r"\bsecurity code\b|\bsicherheitsnummer\b|\bcódigo de segur(?:idad|ança)\b|"
            r"\bcode de sécurité\b|\bcodice di sicurezza\b|\bbeveiligingscode\b|\bturvanumero|"
            r"\bgüvenlik kodu\b|\bкод безопасности\b",
        ),
        (
            "admin_changed",
            r"\b(?:now|no longer) an admin\b|\b(?:jetzt|kein) admin\b|"
            r"\b(?:ahora eres|es ahora|ya no eres|ahora es) admin|\bmaintenant admin|"
            r"\bora (?:sei )?(?:un )?amministrator|\bagora (?:é|és) (?:um )?admin|\bnu beheerder\b",
        ),
        (
            "joined",
            r"\bjoined\b|\bbeigetreten\b|\b(?:se|te) uni(?:ó|ste)\b|\b(?:a|avez) rejoint\b|"
            r"\bsi è unit[oa]\b|\bentrou\b|\bis (?:lid geworden|toegetreden)\b|\bliittyi\b|"
            r"\bkatıldı|\bприсоединил",
        ),
        (
            "left",
            r"\bleft(?: the group)?$|\bverlassen$|\bsali(?:ó|ste)(?: del grupo)?$|"
            r"\b(?:a|avez) quitté\b|\bha abbandonato\b|\bè uscit[oa]\b|\bsaiu\b|"
            r"\bheeft (?:de groep|deze groep) verlaten\b|\bpoistui\b|\bayrıldı|\bвыш(?:ел|ла)\b|"
            r"\bпокинул",
        ),
        (
            "removed",
            r"\bremoved\b|\bhat .*\bentfernt$|\bwurdest? entfernt\b|\b(?:eliminó|sacó) a\b|"
            r"\bte eliminó$|\ba (?:retiré|supprimé|exclu)\b|\bha rimosso\b|\bremoveu\b|"
            r"\bheeft .*\bverwijderd$|\bpoisti\b|\b(?:çıkardı|çıkarıldı)|\bудалил",
        ),
        (
            "added",
            r"\badded\b|\bhinzugefügt$|\b(?:añadió|agregó|añadiste)\b|\bse (?:te )?añadió\b|"
            r"\b(?:a|avez) (?:été )?ajouté|\bha aggiunto\b|\badicion(?:ou|aste)\b|"
            r"\bheeft .*\btoegevoegd$|\blisäsi\b|\b(?:ekledi|eklendi)|\bдобавил",
        ),
        (
            "disappearing_messages",
            r"\bdisappearing messages\b|\bmessage timer\b|\bselbstlöschende\b|"
            r"\bmensajes temporales\b|\bmessages éphémères\b|\bmessaggi effimeri\b|"
            r"\bmensagens temporárias\b|\b(?:verdwijnende|tijdelijke) berichten\b|"
            r"\bkatoavat viestit\b|\bsüreli mesajlar",
        ),
        (
            "pinned",
            r"\bpinned a message\b|\bnachricht\b.*\b(?:angepinnt|angeheftet|fixiert)\b|"
            r"\bfij(?:ó|aste) un mensaje\b|\ba épinglé un message\b|\bha fissato un messaggio\b|"
            r"\bfixou uma mensagem\b|\bbericht vastgezet\b|\bзакрепила? сообщение",
        ),
        (
            "settings_changed",
            r"\bgroup's settings\b|\bchanged the settings\b|\bgroup settings\b|\badmin approval\b|"
            r"\bchat privacy\b|\bgruppeneinstellungen\b|\bgroepsinstellingen\b",
        ),
        (
            "contact",
            r"\b(?:un)?blocked this contact\b|\bis a contact\b|\b(?:blockiert|blockierung)\b|"
            r"\bbloqueaste\b|\bavez (?:dé)?bloqué\b|\bhai (?:s)?bloccato\b|\bbloqueou\b|"
            r"\bgeblokkeerd\b|\bengellediniz",
        ),
        (
            "business",
            r"\bbusiness account\b|\bthis business\b|\bunternehmenskonto\b|\bcuenta de empresa\b|"
            r"\bcompte professionnel\b|\baccount business\b|\bconta comercial\b|"
            r"\bzakelijk account\b",
        ),
    )
)
_MAX_NOTICE = 1000


def is_encryption_notice(text: str) -> bool:
    """Say whether `text` is the notice that a chat is encrypted."""
    return folded(text[:200]).startswith(_ENCRYPTION)


def notice_kind(text: str) -> str:
    """Return what a notice tells: `call`, one of the names above, `encryption` or `other`."""
    short = folded(text[:_MAX_NOTICE])
    if short.startswith(_ENCRYPTION):
        return "encryption"
    if short in MISSED_CALLS or CALLS.match(short):
        return "call"
    return next((kind for kind, pattern in _NOTICES if pattern.search(short)), "other")
