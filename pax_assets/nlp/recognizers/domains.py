"""Top-level domains that a host without "http://" or "www." may end with.

Not the whole registry: in a short message "see you.now" and "great.fun" are two words that lack a
space, and both are domains. With the whole public suffix list 50 of 117 bare hosts in the UCI SMS
messages were such pairs; with these names none is (docs/decisions/0018-recognizers.md).
"""

# What is common in writing, and no word that begins a sentence.
_GENERIC = """
com net org edu gov mil int info biz name pro mobi travel jobs museum coop aero asia eu app dev
shop store online site website xyz tech cloud blog club agency io ai co рф укр
"""
_COUNTRIES = """
ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs
bt bv bw by bz ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec
ee eg er es et eu fi fj fk fm fo fr ga gb gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy
hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp kr kw ky kz
la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx
my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re
ro rs ru rw sa sb sc sd se sg sh si sj sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th
tj tk tl tm tn to tr tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw
"""
# Words, abbreviations and file endings among the domains of countries: "LIKING.BE", "script.py".
_NOT_ALONE = """
ad ag al am ao ar as at aw ba be bo bt by cc cf do et ga gm hm ht id im in is it je la lb ma mc
md me mg ml mm mo mr ms mt mu my na ne ng ni no nu om pa ph pm ps py re rs sa sc sh si sm so
st su td th tl tm to tt ug us uz va ve vi wf ws ye
"""
GENERIC = frozenset(_GENERIC.split())
COUNTRIES = frozenset(_COUNTRIES.split())
# No bare host ends so, unless a path follows.
NOT_ALONE = frozenset(_NOT_ALONE.split())
# With a capital, any other begins a sentence: "Quiz.Win", but "Bank.Com".
NO_WORDS = frozenset({"com", "net", "org"})
