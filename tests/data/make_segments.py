"""Make segments.json: what two independent libraries count in the same 10 000 texts.

    mkdir /tmp/s && cd /tmp/s && npm install sms-segments-calculator@1.3.0
    pip install --target /tmp/s/python smsutil==1.1.3
    NODE_PATH=/tmp/s/node_modules PYTHONPATH=/tmp/s/python python tests/data/make_segments.py

The texts are made anew from a seed and only their digest is kept. They come from
`Random.random` alone, the one method that Python promises to keep the same in later versions.
"""

import hashlib
import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

HERE = Path(__file__).parent
GOLDEN = HERE / "segments.json"
HOW_MANY = 10_000
LONGEST = 700

_ASCII = "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789 .,:;!?'\"()/+-=*#@$%&"
_GSM = _ASCII + "£¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà\n"
_EXTENSION = "^{}\\[~]|€\f"
_ACCENTS = "áâãçêëíîïóôõúûýÿČčĐđŁłŚśŽžİıŞşĞğ’“”–…"
_FAR = "漢字仮名テスト확인코드Кодподтвержденияالرمزकोड"
_EMOJI = ("😀", "🎉", "📱", "🔐", "👍🏽", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇬🇧", "❤️", "1️⃣")
_JOINED = ("é", "ñ", "한", "ก็")


def texts() -> list[str]:
    """Return the texts, the same ones in every run."""
    random = Random(20_261_125)
    return ["".join(_some(random)) for _ in range(HOW_MANY)]


def digest(made: list[str]) -> str:
    """Return what tells these texts from any others."""
    return hashlib.sha256("\0".join(made).encode()).hexdigest()


_KINDS: tuple[tuple[Sequence[str], Sequence[str], float, bool], ...] = (
    (_GSM, _EXTENSION, 0.05, False),
    (_ASCII, _EXTENSION, 0.7, True),
    (_GSM, _EXTENSION, 0.7, True),
    (_GSM, _GSM, 0.0, False),
    (_GSM, _ACCENTS, 0.02, False),
    (_FAR, _ASCII, 0.3, False),
    (_GSM, _EMOJI[:4], 0.7, True),
    (_ASCII, (*_EMOJI, *_JOINED), 0.3, False),
    (_GSM, ("\r\n",), 0.02, False),
    (_ASCII, ("\x1b",), 0.005, False),
)
"""What a text is made of, what turns up in it, how often, and whether only where parts may end."""


def _some(random: Random) -> Iterator[str]:
    usual, odd, chance, at_ends = _KINDS[int(random.random() * len(_KINDS))]
    for at in range(_length(random)):
        near = any(at % end < 2 or at % end > end - 3 for end in (67, 70, 153, 160))
        chosen = odd if random.random() < chance and (near or not at_ends) else usual
        yield chosen[int(random.random() * len(chosen))]


def _length(random: Random) -> int:
    """Return any length, half of the time one about a boundary."""
    at = int(random.random() * LONGEST)
    if random.random() < 0.5:
        return at
    edges = (70, 134, 160, 201, 268, 306, 459, 612)
    return edges[at % len(edges)] + int(random.random() * 7) - 3


def main() -> None:
    """Count everything twice and write it down."""
    from smsutil import split  # noqa: PLC0415 - only who makes the file needs it

    made = texts()
    script = ["node", str(HERE / "count_segments.js")]
    done = subprocess.run(
        script, input=json.dumps(made), capture_output=True, text=True, check=True
    )
    by_npm = json.loads(done.stdout)
    counts, differs = [], {}
    for i, (text, theirs) in enumerate(zip(made, by_npm, strict=True)):
        found = split(text)
        gsm = found.encoding == "gsm0338"
        encoding = "GSM-7" if gsm else "UCS-2"
        counts.append([encoding, found.total_bytes // (1 if gsm else 2), len(found.parts)])
        if theirs != [encoding, len(found.parts)]:
            differs[i] = theirs
    head = {"smsutil": "1.1.3", "sms-segments-calculator": "1.3.0", "texts": digest(made)}
    lines = json.dumps({**head, "counts": counts, "npm_differs": differs}, separators=(",", ":"))
    GOLDEN.write_text(lines.replace("],[", "],\n[") + "\n")


if __name__ == "__main__":
    main()
