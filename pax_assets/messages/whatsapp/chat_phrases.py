"""What WhatsApp itself writes into a chat export, in the languages of its users.

The export has no markup: that a picture was left out, a message deleted or a call missed stands
there as a sentence in the phone's language. Without these tables such sentences become messages
that nobody wrote. Phrases are folded: lower case, single spaces, no direction marks, no final
full stop. A language is added by adding its phrases.
"""

from __future__ import annotations

import re

from pax_assets.messages.whatsapp.chat_headers import MARKS

_SPACES = re.compile(r"\s+")
_DROP_MARKS = dict.fromkeys(map(ord, MARKS))


def folded(text: str) -> str:
    """Return `text` as the tables of this module spell it."""
    return _SPACES.sub(" ", text.translate(_DROP_MARKS)).strip().rstrip(".。।").casefold()


def _phrases(block: str) -> list[str]:
    return [folded(phrase) for line in block.splitlines() for phrase in line.split("|") if phrase]


# Android says of every medium the same, within angle brackets.
MEDIA_OMITTED = frozenset(
    _phrases(
        """
Media omitted|Medien ausgeschlossen|Medien weggelassen|Multimedia omitido|Archivo omitido
Multimédia omitido|Médias omis|Média omis|Fichier omis|Media omessi|Media omesso
Mídia oculta|Mídia omitida|Ficheiro não revelado|Arquivos de mídia ocultos
Media weggelaten|Media jätettiin pois|Media jätetty pois|Media har utelämnats|Media utelämnat
Mediefil udeladt|Medier udeladt|Uten vedlegg|Media utelatt|Medya dahil edilmedi|Medya atlanmış
Pominięto multimedia|pliki pominięto|Média vynechány|Média vynechána|Médiá vynechané
Без медиафайлов|Файл пропущен|Медіа пропущено|Без файл|Hiányzó médiafájl|Conținut media omis
Εξαίρεση πολυμέσων|המדיה לא נכללה|מדיה הושמטה|تم استبعاد الوسائط|رسانه حذف شد
मीडिया के बिना|মিডিয়া বাদ দেওয়া হয়েছে|Media tidak disertakan|Media disingkirkan|Bỏ qua Media
สื่อถูกลบ|省略多媒体文件|忽略多媒體檔|メディアは含まれていません|メディアなし
미디어 파일을 생략한 대화내용
Video note omitted|Videonotiz weggelassen
"""
    )
)

# iPhones say which kind of medium was left out.
OMITTED = {
    phrase: kind
    for kind, block in {
        "image": """
image omitted|photo omitted|Bild weggelassen|imagen omitida|image absente|immagine omessa
imagem ocultada|imagem não revelada|imagem omitida|afbeelding weggelaten|ei kuvaa|bild utesluten
billede udeladt|bilde ikke inkludert|görüntü dahil edilmedi|obraz pominięty|obrázek vynechán
изображение отсутствует|зображення відсутнє|התמונה הושמטה|لم يتم إدراج الصورة|फ़ोटो हटाई गई
gambar tidak disertakan|照片已忽略|圖片已略去|画像は含まれていません|이미지 생략됨
đã bỏ qua hình ảnh
""",
        "video": """
video omitted|Video weggelassen|video omitido|vidéo absente|video omesso|vídeo omitido
vídeo ocultado|vídeo não revelado|video weggelaten|videota ei sisällytetä|video utesluten
video udeladt|video utelatt|video dahil edilmedi|wideo pominięte|video vynecháno
видео отсутствует|відео відсутнє|סרטון הווידאו הושמט|لم يتم إدراج الفيديوهات|वीडियो छोड़ा गया
video tidak disertakan|视频已忽略|影片已略去|ビデオは含まれていません|비디오 생략됨|đã bỏ video
""",
        "audio": """
audio omitted|voice message omitted|Audio weggelassen|audio omitido|audio omis|audio omesso
áudio ocultado|áudio omitido|ficheiro de áudio não revelado|audio weggelaten
äänitiedostoa ei sisällytetä|ljud utelslutet|lyd udeladt|lyd utelatt|ses dahil edilmedi
audio pominięte|zvukový soubor vynechán|аудиофайл отсутствует|аудіо відсутнє|קטע קול הושמט
لم يتم إدراج المقاطع الصوتية|ऑडियो हटाई गयी|audio tidak disertakan|音频已忽略|音訊已略去
音声は含まれていません|오디오 생략됨|bỏ qua tệp âm thanh
""",
        "sticker": """
sticker omitted|Sticker weggelassen|sticker omitido|sticker omis|sticker non incluso
figurinha omitida|sticker não revelado|sticker weggelaten|tarraa ei sisällytetty
sticker utesluten|klistermærke udeladt|klistremerke utelatt|çıkartma dahil edilmedi
pominięto naklejkę|nálepka vynechána|стикер не добавлен|наклейку не додано|סטיקר הושמט
تم حذف الملصقات|स्टिकर छोड़ा गया|stiker tidak disertakan|贴图已省略|貼圖已略去
スタンプは含まれていません|스티커 제외됨|đã bỏ sticker
""",
        "gif": """
GIF omitted|GIF weggelassen|GIF omitido|GIF retiré|GIF esclusa|GIF não revelada|GIF weggelaten
GIF-animaatio jätetty pois|GIF utesluten|GIF udeladt|GIF utelatt|GIF dahil edilmedi
plik GIF pominięty|GIF vynechán|GIF отсутствует|GIF הושמט|GIF 动态图已被忽略|GIF 已略去
GIFは含まれていません|GIF 생략됨
""",
        "document": """
document omitted|Dokument weggelassen|documento omitido|document manquant|documento omesso
documento não revelado|document weggelaten|dokumenttia ei sisällytetä|dokument uteslutet
dokument udeladt|utelatt dokument|belge dahil edilmedi|dokument pominięty|dokument vynechán
документ отсутствует|документ пропущено|מסמך הושמט|لم يتم إدراج المستند|डॉक्यूमेंट छोड़ा गया
dokumen tidak disertakan|文档已省略|文件已略去|ドキュメントは含まれていません|문서 생략됨
""",
        "contacts": """
Contact card omitted|Kontaktkarte ausgelassen|Tarjeta de contacto omitida
Fiche contact manquante|Scheda contatto omessa|Cartão do contato omitido|Contacto não revelado
Visitekaartje weggelaten|Yhteystietokortti jätettiin pois|Kontaktkort uteslutet
Kontaktkort udeladt|Kontaktkort sløyfet|Kişi kartı dahil edilmedi|Pominięta wizytówka kontaktu
Vizitka vynechána|Карточка контакта отсутствует|כרטיס איש קשר הושמט|联系人卡片已忽略
連絡先カードを省略|연락처 카드 생략됨
""",
        "view_once": """
View once voice message omitted|View once photo omitted|View once video omitted
View once message omitted|View once photo|View once video|View once voice message
You received a view once message. For added privacy, you can only open it on your phone
You received a view once photo. For added privacy, you can only open it on your phone
Einmalig ansehbare Sprachnachricht weggelassen
""",
        "location": """
live location shared|Live-Standort geteilt|Live-Standort wird geteilt
ubicación en tiempo real compartida|Localisation en direct partagée
posizione attuale condivisa|localização atual compartilhada|live locatie gedeeld
live-sijainti jaettu|liveposition delad|live placering delt|posisjon i sanntid delt
Mevcut konum paylaşıldı|udostępniona transmisja położenia|Геоданные отправлены
""",
    }.items()
    for phrase in _phrases(block)
}

DELETED = frozenset(
    _phrases(
        """
This message was deleted|You deleted this message|Message deleted|Message deleted by you
Message deleted by the sender
Diese Nachricht wurde gelöscht|Du hast diese Nachricht gelöscht
Se eliminó este mensaje|Eliminaste este mensaje|Este mensaje fue eliminado
Ce message a été supprimé|Vous avez supprimé ce message|Message supprimé
Questo messaggio è stato eliminato|Hai eliminato questo messaggio
Mensagem apagada|Esta mensagem foi apagada|Apagou esta mensagem|Você apagou esta mensagem
Esta mensagem foi eliminada|Eliminou esta mensagem
Dit bericht is verwijderd|U hebt dit bericht verwijderd|Je hebt dit bericht verwijderd
Tämä viesti poistettiin|Poistit tämän viestin
Det här meddelandet raderades|Du raderade det här meddelandet|Du har tagit bort meddelandet
Denne besked er blevet slettet|Denne besked blev slettet|Du har slettet denne besked
Denne meldingen ble slettet|Du slettet denne meldingen
Bu mesaj silindi|Bu mesajı sildiniz
Ta wiadomość została usunięta|Usunąłeś tę wiadomość|Usunęłaś tę wiadomość
Tato zpráva byla smazána|Tato zpráva byla odstraněna|Tuto zprávu jste smazal/a
Данное сообщение удалено|Вы удалили это сообщение|Вы удалили данное сообщение
Це повідомлення було видалено|Ви видалили це повідомлення
Ez az üzenet törlésre került|Acest mesaj a fost șters|Αυτό το μήνυμα διαγράφηκε
הודעה זו נמחקה|מחקת את ההודעה הזו|تم حذف هذه الرسالة|لقد حذَفت هذه الرسالة
این پیام حذف شده است|यह मैसेज डिलीट कर दिया गया है|आपने यह मैसेज डिलीट किया
এই মেসেজটি বাদ দেওয়া হয়েছে|Pesan ini dihapus|Anda menghapus pesan ini|Mesej ini telah dipadam
Tin nhắn này đã bị xóa|Bạn đã xóa tin nhắn này|ข้อความนี้ถูกลบแล้ว
这条消息已被删除|您已删除这条消息|此訊息已刪除|您已刪除此訊息
このメッセージは削除されました|このメッセージを削除しました
이 메시지는 삭제되었습니다|삭제한 메시지입니다
"""
    )
)

# At the end of a message, within angle brackets.
EDITED = frozenset(
    _phrases(
        """
This message was edited|Diese Nachricht wurde bearbeitet|Se editó este mensaje
Ce message a été modifié|Questo messaggio è stato modificato|Mensagem editada
Esta mensagem foi editada|Dit bericht is bewerkt|Tätä viestiä muokattiin|Viestiä muokattu
Meddelandet har redigerats|Det här meddelandet redigerades|Denne besked blev redigeret
Denne meldingen ble redigert|Bu mesaj düzenlendi|Wiadomość została zmieniona|Edytowano
Сообщение изменено|Данное сообщение изменено|تم تعديل هذه الرسالة|Pesan ini diedit
此消息已编辑|此訊息已編輯|このメッセージは編集されました
"""
    )
)

# Sentences about a call that stand where a message stands. Of the second table only those count
# that carry WhatsApp's own mark: people write "video call" too.
MISSED_CALLS = frozenset(
    _phrases(
        """
Missed voice call|Missed video call|Missed group voice call|Missed group video call|Missed call
Silenced voice call|Silenced video call
Verpasster Sprachanruf|Verpasster Videoanruf|Verpasster Gruppenanruf
Llamada perdida|Llamada de voz perdida|Videollamada perdida
Appel vocal manqué|Appel vidéo manqué|Chiamata vocale persa|Videochiamata persa
Chamada de voz perdida|Ligação de voz perdida|Videochamada perdida|Chamada de vídeo perdida
Gemist spraakgesprek|Gemiste spraakoproep|Gemist videogesprek|Gemiste video-oproep
Vastaamaton äänipuhelu|Vastaamaton videopuhelu|Missat röstsamtal|Missat videosamtal
Ubesvaret taleopkald|Ubesvaret videoopkald|Tapt taleanrop|Tapt videoanrop
Cevapsız sesli arama|Cevapsız görüntülü arama|Nieodebrane połączenie|Nieodebrane poł. głosowe
Nieodebrane poł. wideo|Zmeškaný hovor|Zmeškaný videohovor
Пропущенный аудиозвонок|Пропущенный видеозвонок|Пропущений аудіодзвінок
שיחה קולית שלא נענתה|שיחת וידאו שלא נענתה|مكالمة صوتية فائتة|مكالمة فيديو فائتة
वॉइस कॉल मिस हुई|मिस्ड वीडियो कॉल|Panggilan suara tak terjawab|Panggilan video tak terjawab
未接语音通话|未接视频通话|未接語音通話|未接視像通話|音声通話不在着信|ビデオ通話不在着信|부재중 전화
"""
    )
)
CALLS = re.compile(
    r"(?:missed |silenced )?(?:group )?(?:voice|video) (?:call|chat)\b|(?:sprach|video)anruf\b|"
    r"(?:llamada|videollamada)\b|appel (?:vocal|vidéo)\b|(?:video)?chiamata\b|"
    r"(?:chamada|ligação) de (?:voz|vídeo)\b|(?:spraak|video)(?:gesprek|oproep)\b|"
    r"(?:ääni|video)puhelu\b|(?:sesli|görüntülü) arama\b"
)

# `<attached: file>` on iPhones, `file (file attached)` on Android.
ATTACHED_LABELS = frozenset(
    _phrases(
        """
attached|angehängt|Anhang|adjunto|adjunta|pièce jointe|joint|allegato|anexado|anexo|anexada
bijgevoegd|bijlage|liite|liitetty|bifogat|bifogad|vedhæftet|vedlagt|ekli|eklendi|ek|załączono
załącznik|příloha|príloha|прикреплено|вложение|додано|csatolva|atașat|επισυνάφθηκε|מצורף|מצורפת
المُرفق|مرفق|پیوست|अटैच किया गया|terlampir|dilampir|đính kèm|แนบ|附件|添付ファイル|첨부됨
"""
    )
)
ATTACHED_NOTES = frozenset(
    _phrases(
        """
file attached|Datei angehängt|archivo adjunto|archivo adjuntado|fichier joint|file allegato
arquivo anexado|ficheiro anexado|bestand bijgevoegd|liitetiedosto|tiedosto liitteenä|bifogad fil
fil vedhæftet|vedlagt fil|dosya ekli|dosya eklendi|załączony plik|plik załączony
soubor byl přiložen|súbor pripojený|файл добавлен|файл прикреплен|файл додано|прикачен файл
fájl csatolva|fișier atașat|συνημμένο αρχείο|קובץ מצורף|الملف مرفق|फाइल अटैच कर दी गई है
file terlampir|fail dilampirkan|tệp đính kèm|ไฟล์ที่แนบ|文件附件|附件檔案|添付ファイル有り|파일 첨부됨
"""
    )
)

POLL = re.compile(
    r"(?:poll|umfrage|encuesta|sondage|sondaggio|enquete|sondagem|peiling|kysely|omröstning|"
    r"afstemning|avstemning|anket|ankieta|опрос|опитування|polling|投票|アンケート|투표):\s*(?:\n|$)"
)
LOCATION = re.compile(
    r"[^\n:]{2,40}: ?(?P<url>https?://(?:maps\.google\.[a-z.]{2,6}/\S*?[?&]q=|"
    r"maps\.apple\.com/\S*?[?&](?:q|ll)=)"
    r"(?P<latitude>-?\d{1,3}(?:\.\d+)?),(?P<longitude>-?\d{1,3}(?:\.\d+)?)\S*)"
)
