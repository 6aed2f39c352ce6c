"""The phrases by which mail programs and people mark quotes, forwards and signatures.

Every program writes them in its user's language, so a table is needed, and a table is read best
without the code that uses it. Languages: English, German, French, Spanish, Italian, Portuguese,
Dutch, Swedish, Danish, Norwegian, Finnish, Polish, Czech, Russian, Turkish, Chinese, Japanese,
Korean. A language is added by adding its words.

All patterns are for one line (or a few joined ones) of bounded length, and have no nested
repetition: hostile text costs linear time.
"""

from __future__ import annotations

import re


def _set(phrases: str) -> frozenset[str]:
    return frozenset(line.strip() for line in phrases.splitlines() if line.strip())


def _any(phrases: str) -> str:
    """Return a pattern of the phrases of a block, one a line; longest first."""
    lines = _set(phrases)
    firsts = "".join(sorted({line[0] for line in lines}))
    tried = (re.escape(line).replace(r"\ ", " ") for line in sorted(lines, key=len)[::-1])
    # Without regard to case `re` tries every phrase everywhere, unless the first letter forbids.
    return f"(?=[{firsts}])(?:{'|'.join(tried)})"


# The verb of "On 5 January 2026 Ann wrote:"; a name may follow it, as in "schrieb Ann Lee:".
WROTE = re.compile(
    r"(?:\b(?:"
    + _any(
        """
        wrote
        writes
        said
        says
        schrieb
        schrieben
        schreibt
        meinte
        a écrit
        a ecrit
        écrit
        écrivait
        escribió
        escribio
        escribe
        ha scritto
        scrisse
        scrive
        escreveu
        escreve
        schreef
        geschreven
        skrev
        skreiv
        kirjoitti
        napisał(a)
        napisał
        napisała
        pisze
        napsal(a)
        napsal
        napsala
        написал(а)
        написал
        написала
        пишет
        yazdı
        şunları yazdı
        """
    )
    + r")(?!\w)|写道|寫道|写到|書きました|のメッセージ|님이 작성|작성)",
    re.IGNORECASE,
)
# "Quoting Ann:", "In article <id>, Ann wrote:".
LEAD = re.compile(
    r"(?:Quoting|According to|In article|In message|Zitat von|Citando|Citat från|Citat fra|"
    r"Citation de|Cytowanie|Цитирую)\b",
    re.IGNORECASE,
)
# How a phrase begins that names a day and a writer, where it takes more than one line.
OPENS = re.compile(
    r"(?:(?:On|At|Am|Le|El|Il|Op|Em|No dia|Den|Dnia|W dniu|Dne|В|На|Pe|ke|ti|ma|to|pe|la|su)\b"
    r"[ ,.]{0,2}(?:\w{2,12}[.,]{0,2} {1,2}){0,3}"
    r"|\w{2,10}[.,]{1,2} {0,2}(?:\w{2,12}[.,]{0,2} {1,2}){0,2}"
    r"|[-–—*]{1,4} ?|[在于])?\d",
    re.IGNORECASE,
)
# "Ann Lee:" right above a quote.
NAME = re.compile(r"(?:[A-ZÀ-ÖØ-Þ][\w.'’-]{0,30} ){1,3}[A-ZÀ-ÖØ-Þ][\w.'’-]{0,30} ?:\Z")
ADDRESS = re.compile(r"[^\s<>@]{1,64}@[^\s<>@]{1,255}")
DATE = re.compile(r"\d{4}|\d{1,2}[:.h]\d{2}|\d{1,2}[./-]\d{1,2}")

_ORIGINAL = _any(
    """
    Original Message
    Original Appointment
    Originalnachricht
    Original-Nachricht
    Ursprüngliche Nachricht
    Ursprungliche Nachricht
    Message d'origine
    Message d’origine
    Message original
    Mensaje original
    Messaggio originale
    Messaggio Originale
    Mensagem original
    Oorspronkelijk bericht
    Ursprungligt meddelande
    Originalmeddelande
    Oprindelig meddelelse
    Opprinnelig melding
    Alkuperäinen viesti
    Wiadomość oryginalna
    Oryginalna wiadomość
    Původní zpráva
    Исходное сообщение
    Özgün İleti
    Orijinal Mesaj
    原始邮件
    原始郵件
    元のメッセージ
    원본 메시지
    원본 메일
    """
)
_FORWARDED = _any(
    """
    Forwarded message
    Forwarded by
    Start of forwarded message
    begin forwarded text
    Begin forwarded message
    Weitergeleitete Nachricht
    Weitergeleitete Message
    Anfang der weitergeleiteten Nachricht
    Anfang der weitergeleiteten E-Mail
    Message transféré
    Début du message transféré
    Début du message réexpédié
    Mensaje reenviado
    Inicio del mensaje reenviado
    Messaggio inoltrato
    Inizio messaggio inoltrato
    Mensagem encaminhada
    Início da mensagem encaminhada
    Doorgestuurd bericht
    Begin doorgestuurd bericht
    Vidarebefordrat meddelande
    Vidarebefordrat brev
    Videresendt meddelelse
    Videresendt melding
    Videresendt besked
    Välitetty viesti
    Edelleenlähetetty viesti
    Przekazana wiadomość
    Wiadomość przekazana
    Treść przekazanej wiadomości
    Přeposlaná zpráva
    Пересылаемое сообщение
    Перенаправленное сообщение
    Начало переадресованного сообщения
    Yönlendirilen ileti
    İletilen ileti
    转发的邮件
    轉寄的郵件
    转发邮件信息
    転送メッセージ
    전달된 메시지
    """
)
# Possessive: no phrase begins with a dash, so fewer of them need not be tried.
_DASHES = r"[-‐–—=*_]{2,40}+"
# What all phrases between dashes begin with, and few of the lines that begin with dashes.
DASHED = re.compile(rf"{_DASHES} ?\w")
ORIGINAL = re.compile(rf"{_DASHES} ?(?:{_ORIGINAL}) ?:? ?(?:{_DASHES})?\Z", re.IGNORECASE)
# Apple's "Begin forwarded message:" has no dashes, and a colon instead.
FORWARD = re.compile(
    rf"{_DASHES} ?(?:{_FORWARDED})\b.{{0,100}}\Z|(?:{_FORWARDED}) ?:\Z", re.IGNORECASE
)
FORWARD_END = re.compile(
    rf"{_DASHES} ?(?:end of forwarded message|end forwarded text|end forwarded message|"
    rf"Ende der weitergeleiteten Nachricht|Конец пересылаемого сообщения)\b.{{0,40}}\Z",
    re.IGNORECASE,
)

# Labels of the header block that Outlook puts above a quote: who, when, the others.
_FROM = (
    "from|von|de|da|van|från|fra|lähettäjä|od|от|отправитель|kimden|发件人|寄件者|差出人|보낸 사람"
)
_SENT = (
    "sent|date|gesendet|datum|envoyé|date d'envoi|enviado|enviado el|enviada em|enviado em|fecha|"
    "inviato|data|verzonden|skickat|sendt|dato|lähetetty|päivämäärä|wysłano|wysłane|odesláno|"
    "дата|отправлено|tarih|gönderildi|gönderilme tarihi|发送时间|日期|送信日時|日時|보낸 날짜|날짜"
)
_OTHERS = (
    "to|cc|bcc|subject|reply-to|importance|attachments|an|kopie|betreff|à|objet|para|asunto|a|per|"
    "oggetto|assunto|aan|onderwerp|till|ämne|kopia|til|emne|kopi|vastaanottaja|aihe|do|dw|temat|"
    "komu|předmět|кому|копия|тема|kime|bilgi|konu|"
    "收件人|抄送|主题|主旨|宛先|件名|받는 사람|참조|제목"
)
FROM_LABELS = frozenset(_FROM.split("|"))
SENT_LABELS = frozenset(_SENT.split("|"))
HEADER_LABELS = FROM_LABELS | SENT_LABELS | frozenset(_OTHERS.split("|"))

# A line that is such a phrase alone closes a letter.
CLOSINGS = _set(
    """
    regards
    best regards
    kind regards
    kindest regards
    warm regards
    with best regards
    with kind regards
    many thanks and best regards
    best
    best wishes
    all the best
    sincerely
    sincerely yours
    yours sincerely
    yours faithfully
    yours truly
    yours
    cheers
    rgds
    mit freundlichen grüßen
    mit freundlichen gruessen
    mit freundlichem gruß
    freundliche grüße
    viele grüße
    liebe grüße
    beste grüße
    herzliche grüße
    schöne grüße
    gruß
    grüße
    mfg
    lg
    vg
    cordialement
    bien cordialement
    bien à vous
    salutations
    meilleures salutations
    sincères salutations
    amicalement
    bonne journée
    un saludo
    saludos
    saludos cordiales
    un cordial saludo
    atentamente
    cordialmente
    cordiali saluti
    distinti saluti
    un saluto
    saluti
    a presto
    atenciosamente
    cumprimentos
    com os melhores cumprimentos
    abraço
    abraços
    met vriendelijke groet
    met vriendelijke groeten
    vriendelijke groeten
    hartelijke groeten
    groeten
    groetjes
    mvg
    med vänliga hälsningar
    vänliga hälsningar
    hälsningar
    mvh
    med venlig hilsen
    venlig hilsen
    med vennlig hilsen
    vennlig hilsen
    hilsen
    ystävällisin terveisin
    terveisin
    pozdrawiam
    z poważaniem
    pozdrowienia
    s pozdravem
    s přátelským pozdravem
    с уважением
    с наилучшими пожеланиями
    всего доброго
    saygılarımla
    saygılarımızla
    iyi çalışmalar
    此致
    祝好
    敬具
    よろしくお願いします
    よろしくお願いいたします
    감사합니다
    """
)
# Thanks alone may be all that a mail says: they close one only where a name follows.
THANKS = _set(
    """
    thanks
    thanks again
    many thanks
    thank you
    thx
    danke
    vielen dank
    merci
    merci d'avance
    gracias
    muchas gracias
    grazie
    grazie mille
    obrigado
    obrigada
    bedankt
    dank
    tack
    tak
    takk
    kiitos
    dziękuję
    dzięki
    děkuji
    спасибо
    teşekkürler
    谢谢
    谢谢您
    """
)
# What phones and free mail services add below a mail.
FOOTER = re.compile(
    r"(?:sent (?:from|via|using|with) (?:my |the |an? )?(?:\w{1,20} ){0,3}(?:iphone|ipad|ipod|"
    r"android|blackberry|phone|mobile|samsung|galaxy|huawei|nokia|htc|sony|pixel|tablet|smartphone|"
    r"handheld|outlook|yahoo|gmail|mail|proton\w*|windows|treo|palm|device|gmx)\b.{0,60}"
    r"|get outlook for (?:ios|android).{0,60}"
    r"|(?:von meinem|vom|mit dem) .{1,40} (?:gesendet|geschickt)\.?"
    r"|gesendet (?:von|mit|über|aus) .{1,60}"
    r"|diese nachricht wurde von meinem .{1,60} gesendet.{0,20}"
    r"|envoyé (?:de|depuis|à partir de) (?:mon|ma|mes|yahoo|outlook|l'application)\b.{0,50}"
    r"|enviado (?:desde|do|de|a partir do|através do) (?:mi|meu|mail|yahoo|outlook|el|o)\b.{0,50}"
    r"|inviato (?:da|dal|dal mio) .{0,20}(?:iphone|ipad|android|samsung|outlook|yahoo|mail|tablet|"
    r"smartphone|cellulare).{0,40}"
    r"|(?:verzonden|verstuurd) (?:vanaf|met|via|vanuit) .{1,60}"
    r"|skickat från (?:min|mitt|outlook|yahoo).{0,50}"
    r"|sen[dt]t? fra (?:min|mitt|outlook|yahoo).{0,50}"
    r"|lähetetty .{1,40}(?:iphone|puhelime|android|ipad).{0,30}"
    r"|wysłan[eoay] z .{0,20}(?:iphone|ipad|android|telefonu|samsung|outlook|smartfon).{0,30}"
    r"|odesláno z .{0,20}(?:iphone|ipad|android|telefonu|outlook).{0,30}"
    r"|отправлено (?:с|из|от) (?:моего |мобильной )?.{1,50}"
    r"|(?:iphone|ipad|android|samsung).{0,20} (?:cihazımdan )?gönderildi"
    r"|(?:从我的|發自我的|发自我的|从|发自) ?.{1,30}(?:发送|傳送)?"
    r"|.{1,20}から送信"
    r"|(?:나의|내) .{1,30}에서 보냄"
    r"|do you yahoo!\?)\Z",
    re.IGNORECASE,
)
# What stands, in whatever case, below the rule of a mailing list's or a provider's footer.
_LIST_FOOTER = (
    "mailing list|mailman|listinfo|unsubscribe|to subscribe|to post to this|list archive|"
    "email is sponsored by|e-mail is sponsored by|yahoo! groups|groups sponsor|google groups|"
    "you subscribed|are subscribed|you received this message|do you yahoo|hotmail|"
    "msn messenger|msn photos|http://mobile.msn|geocities|mailingliste|abbestellen|abmelden|"
    "désabonner|désinscri|liste de diffusion|darse de baja|cancelar la suscripción|"
    "lista de correo|annulla l'iscrizione|afmelden|avprenumerera|afmeld|wypisać|отписаться|"
    "退订|配信停止|수신거부"
)
LIST_FOOTER = frozenset(_LIST_FOOTER.split("|"))
