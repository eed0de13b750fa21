"""The chat page's own words, all of them, in each language that the page speaks.

A third language is one more entry; tests/web/test_chat.py sees to it that no word is missing.
"""

from __future__ import annotations

from typing import Final

LANGUAGES: Final = {"en": "English", "es": "Español"}

WORDS: Final[dict[str, dict[str, str]]] = {
    "en": {
        # The title says nothing: it stands in the tab, in the history and in the list of open windows.
        "title": "Information",
        "skip": "Skip to the message box",
        "leave": "Leave quickly",
        "leave_hint": "Press Esc or this button to leave at once for a weather page.",
        "leave_hint_plain": "This button leaves at once for a weather page.",
        "emergency": "Emergency:",
        "call_911": "call 911",
        "crisis": "Crisis:",
        "call_988": "call 988",
        "or": "or",
        "text_988": "text 988",
        "other_language": "Ver esta página en español",
        "heading": "We are glad you are here",
        "lead": "Tell us what is going on, in your own words. A computer answers first and can bring in a person.",
        "about": "Before you write",
        "who_reads": "A City social worker may read what you write. Do not write here if someone may be watching your "
        "screen.",
        "ends": "Closing or reloading this page ends the chat here. We cannot reach you after that, so keep it open "
        "while you wait for a person.",
        "keeps": "This page saves nothing on this device: no cookies, no copy of the chat. The browser's own history "
        "may still list the address.",
        "not_911": "We cannot send police or an ambulance.",
        "start": "Not sure how to start? Choose one:",
        "start_1": "I need food",
        "start_2": "I am behind on rent",
        "start_3": "I want to talk to a person",
        "thread": "Conversation",
        "you": "You",
        "label": "Your message",
        "placeholder": "Write here",
        "hint": "Up to 2,000 characters.",
        "keys_hint": "Enter sends. Shift and Enter start a new line.",
        "send": "Send",
        "check": "Check for new messages",
        "sending": "Sending your message",
        "sent": "Sent",
        "writing": "is writing",
        "left": "characters left",
        "over": "characters too many. Please make it shorter or send it in two parts.",
        "empty": "Your message is empty. Please write something first.",
        "too_long": "Your message is longer than 2,000 characters, so it was not sent. Please make it shorter or send "
        "it in two parts.",
        "nothing_new": "There is nothing new yet.",
        "fresh": "This chat was open for too long or its address changed, so a new one has begun. What you wrote "
        "before is not lost: our team can still read it.",
        "kept": "Our line is having trouble. We have your message and will read it when we are back.",
        "offline": "We cannot reach the line right now. Trying again. If you cannot wait: call 911 in an emergency, "
        "call or text 988 in a crisis.",
        "not_sent": "Your message was not sent yet. Check your connection, then press Send again.",
        "back": "The line answers again.",
        "picture": "Picture",
        "deleted": "This message was deleted.",
    },
    "es": {
        "title": "Información",
        "skip": "Ir al cuadro de mensaje",
        "leave": "Salir rápido",
        "leave_hint": "Presione Esc o este botón para salir de inmediato a una página del clima.",
        "leave_hint_plain": "Este botón sale de inmediato a una página del clima.",
        "emergency": "Emergencia:",
        "call_911": "llame al 911",
        "crisis": "Crisis:",
        "call_988": "llame al 988",
        "or": "o",
        "text_988": "textee al 988",
        "other_language": "See this page in English",
        "heading": "Qué bueno que está aquí",
        "lead": "Díganos qué pasa, con sus propias palabras. Primero contesta una computadora, y puede llamar a una "
        "persona.",
        "about": "Antes de escribir",
        "who_reads": "Una trabajadora o un trabajador social de la Ciudad puede leer lo que escriba. No escriba aquí "
        "si alguien puede estar mirando su pantalla.",
        "ends": "Si cierra o recarga esta página, el chat termina aquí. Después no podremos comunicarnos con usted, "
        "así que déjela abierta mientras espera a una persona.",
        "keeps": "Esta página no guarda nada en este aparato: ni cookies ni copia del chat. El historial del "
        "navegador todavía puede mostrar la dirección.",
        "not_911": "No podemos enviar policía ni ambulancia.",
        "start": "¿No sabe cómo empezar? Elija una opción:",
        "start_1": "Necesito comida",
        "start_2": "Debo la renta",
        "start_3": "Quiero hablar con una persona",
        "thread": "Conversación",
        "you": "Usted",
        "label": "Su mensaje",
        "placeholder": "Escriba aquí",
        "hint": "Hasta 2,000 caracteres.",
        "keys_hint": "Enter envía. Mayús y Enter empiezan otra línea.",
        "send": "Enviar",
        "check": "Ver si hay mensajes nuevos",
        "sending": "Enviando su mensaje",
        "sent": "Enviado",
        "writing": "está escribiendo",
        "left": "caracteres disponibles",
        "over": "caracteres de más. Hágalo más corto o envíelo en dos partes.",
        "empty": "Su mensaje está vacío. Escriba algo primero.",
        "too_long": "Su mensaje tiene más de 2,000 caracteres y no se envió. Hágalo más corto o envíelo en dos partes.",
        "nothing_new": "Todavía no hay nada nuevo.",
        "fresh": "Este chat estuvo abierto demasiado tiempo o su dirección cambió, así que empezó uno nuevo. Lo que "
        "escribió antes no se perdió: nuestro equipo todavía puede leerlo.",
        "kept": "Nuestra línea tiene problemas. Tenemos su mensaje y lo leeremos cuando volvamos.",
        "offline": "No podemos conectar con la línea en este momento. Seguimos intentando. Si no puede esperar: llame "
        "al 911 en una emergencia, llame o textee al 988 en una crisis.",
        "not_sent": "Su mensaje todavía no se envió. Revise su conexión y presione Enviar otra vez.",
        "back": "La línea contesta otra vez.",
        "picture": "Foto",
        "deleted": "Este mensaje se borró.",
    },
}
