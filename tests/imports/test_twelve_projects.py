"""Forty files of twelve projects: every key is found, goes out, its program runs again, and every byte comes back."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random

from tests.conftest import Aikeys

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
HEX = "0123456789abcdef"
_DICE = Random(2026)


def _letters(size: int, of: str = LETTERS) -> str:
    return "".join(_DICE.choices(of, k=size))


def openai() -> str:
    return f"sk-proj-{_letters(74)}T3BlbkFJ{_letters(74)}"


def anthropic() -> str:
    return f"sk-ant-api03-{_letters(93)}AA"


def groq() -> str:
    return f"gsk_{_letters(52)}"


def gemini() -> str:
    return f"AIza{_letters(35)}"


def router() -> str:
    return f"sk-or-v1-{_letters(64, HEX)}"


def xai() -> str:
    return f"xai-{_letters(80)}"


def mistral() -> str:
    return _letters(32)


MAKERS = {one.__name__: one for one in (openai, anthropic, groq, gemini, router, xai, mistral)}
FILES = {
    "shop/.env": "# the shop\nNODE_ENV=development\nOPENAI_API_KEY={openai}\nPORT=3000\n",
    "shop/.env.local": "VITE_OPENAI_KEY={openai:shop}\nVITE_TITLE=Shop\n",
    "shop/.env.test": "OPENAI_API_KEY=sk-test-placeholder\nDATABASE_URL=postgres://u:p@localhost/db\n",
    "shop/.env.example": "OPENAI_API_KEY=your-key-here\n",
    "shop/package.json": '{{"name": "shop", "scripts": {{"dev": "vite"}}}}\n',
    "bot/.env": 'export ANTHROPIC_API_KEY="{anthropic}"   # paid by ops\nDISCORD_TOKEN=abc\n',
    "bot/bot.py": "import os\nKEY = os.environ['ANTHROPIC_API_KEY']\n",
    "bot/README.md": "Set `ANTHROPIC_API_KEY` first.\n",
    "api/config/.env.production": "GROQ_API_KEY='{groq}'\r\nDEBUG=0\r\nSECRET_KEY_BASE=not-a-provider\r\n",
    "api/config/.env.staging": "GROQ_API_KEY_STAGING={groq}\r\n",
    "api/docker-compose.yml": "services:\n  api:\n    environment:\n      - GEMINI_API_KEY={gemini}\n      - DEBUG=1\n",
    "api/compose.dev.yaml": "services:\n  api:\n    environment:\n      XAI_API_KEY: {xai}\n      DEBUG: '1'\n",
    "api/Dockerfile": "FROM python:3.12\nENV PORT=80\n",
    "home/.zshrc": "alias ll='ls -l'\nexport OPENROUTER_API_KEY={router}\nexport PATH=$PATH:~/bin\n",
    "home/.bashrc": "export EDITOR=vim\nexport MISTRAL_API_KEY={mistral};\n",
    "home/.config/fish/config.fish": "set -gx OPENAI_API_KEY_DEV {openai}\nset -gx EDITOR vim\n",
    "home/Documents/profile.ps1": '$env:XAI_API_KEY_WORK = "{xai}"\n$env:EDITOR = "code"\n',
    "home/.envrc": "export GEMINI_API_KEY_LAB={gemini}\nlayout python\n",
    "home/.config/tool.toml": "[ai]\nmodel = 'gpt-5'\n",
    "lab/values.yaml": "image: lab\nenv:\n  OPENROUTER_LAB: {router}\n  LEVEL: info\n",
    "lab/notebook.env": "\n\n\nANTHROPIC_LAB_KEY={anthropic}\n",
    "lab/secrets.enc.env": "GROQ_API_KEY=ENC[AES256_GCM,data:zz,iv:G,tag:H,type:str]\n",
    "lab/dotenvx.env": 'OPENAI_API_KEY="encrypted:BDqDBibm4wsYqMpCjTQ6BsDHmMadg9K3dAt"\n',
    "lab/op.env": "OPENAI_API_KEY=op://team/openai/credential\n",
    "win/.env": "utf-16:OPENAI_WIN_KEY={openai}\r\nNAME=win\r\n",
    "win/setup.cmd": "@echo off\r\nset NAME=win\r\n",
    "old/.env": "latin-1:# cl\xe9\nGROQ_OLD={groq}\n",
    "old/.env.bak": "GROQ_API_KEY=$GROQ_NEW\n",
    "web/.env": "NEXT_PUBLIC_URL=https://web.example\nMISTRAL_WEB_KEY={mistral:none}\n",
    "web/.env.production": "OPENAI_WEB={openai}\nSENTRY_DSN=https://abc@sentry.example/1\n",
    "web/next.config.js": "module.exports = {{}}\n",
    "data/jobs.env": "A=1\nexport ANTHROPIC_JOBS={anthropic}\nB=2\n",
    "data/etl.sh": "#!/bin/sh\nexport GEMINI_ETL={gemini}\nexec python etl.py\n",
    "data/cron": "0 * * * * run\n",
    "mail/.env": "OPENAI_API_KEY={openai:shop}\n",
    "mail/local.env": "ROUTER_MAIL={router}\nSMTP=localhost\n",
    "proxy/.env": "OPENAI_API_KEY={groq}\nOPENAI_BASE_URL=https://api.groq.com/openai/v1\n",
    "proxy/note.txt": "nothing here\n",
    "ml/.env": "XAI_ML={xai}\n",
    "ml/train.env": "WANDB_MODE=offline\n",
}
_KEY = re.compile(r"([A-Z][A-Z0-9_]*)(?: = |=|: | )[\"']?\{(\w+)(?::(\w+))?\}")


def _written(tree: Path) -> dict[tuple[str, str], str]:
    """Write the files; return the secret that each program reads, by file and variable."""
    shared: dict[str, str] = {}
    read: dict[tuple[str, str], str] = {}
    for name, template in FILES.items():
        encoding, text = template.split(":", 1) if template.startswith(("utf-16:", "latin-1:")) else ("utf-8", template)

        def secret(match: re.Match[str], name: str = name) -> str:
            maker, mark = match[2], match[3] or ""
            value = shared.get(mark) or MAKERS[maker]()
            if mark == "shop":
                shared[mark] = value
            if mark != "none":
                read[name, match[1]] = value
            return match[0].replace("{" + maker + (f":{mark}" if mark else "") + "}", value)

        content = _KEY.sub(secret, text.replace("{{", "\0").replace("}}", "\1")).replace("\0", "{").replace("\1", "}")
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode(encoding))
    return read


def test_every_key_goes_and_every_program_runs_again(ready_home: Aikeys) -> None:
    tree = ready_home.folder / "src"
    read = _written(tree)
    before = {name: (tree / name).read_bytes() for name in FILES}
    assert len(FILES) == 40
    assert len({Path(name).parts[0] for name in FILES}) == 12
    done = ready_home.run("import", "-r", "--yes", "--remove", str(tree))
    assert done.returncode == 0, done.stderr
    after = {name: (tree / name).read_bytes() for name in FILES}
    for (name, variable), secret in read.items():
        assert secret.encode() not in after[name].replace(b"\0", b""), (name, variable, done.stderr)
        assert secret not in done.stderr
    touched = {name for name in FILES if after[name] != before[name]}
    assert "README.md" not in done.stderr
    assert touched == {name for name, _ in read}
    for name in touched:
        old, new = (data.replace(b"\0", b"").splitlines() for data in (before[name], after[name]))
        assert [one for one in zip(old, new, strict=True) if one[0] != one[1] and b"aikeys exec" not in one[1]] == []
    keys = [row["name"] for row in json.loads(ready_home.run("list", "--json").stdout)["keys"]]
    lent = {name: ready_home.lent(name) for name in keys}
    for (name, variable), secret in read.items():
        holders = [key for key, found in lent.items() if found.get(variable) == secret]
        assert holders, (name, variable)
        if name == "proxy/.env":
            assert lent[holders[0]]["OPENAI_BASE_URL"] == "https://api.groq.com/openai/v1"
    for word in (
        "encrypted by sops",
        "encrypted by dotenvx",
        "kept elsewhere",
        "placeholder",
        "refers to another variable",
    ):
        assert word in done.stderr
    undone = ready_home.run("import", "--undo")
    assert undone.returncode == 0, undone.stderr
    assert {name: (tree / name).read_bytes() for name in FILES} == before
