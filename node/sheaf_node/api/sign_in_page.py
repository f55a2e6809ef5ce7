"""The page that a sign-in link leads to: it posts the code behind `#`, then says who is signed in.

It is one file without anything from elsewhere, and the same for everybody, so its policy names its
own script and style by their hashes and lets nothing else run.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final

_STYLE: Final = "body{font:1.1rem/1.5 sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem}"
_SCRIPT: Final = """
"use strict";
const API = "/api/v1/session";
const said = document.getElementById("said");
const out = document.getElementById("out");
function say(text) { said.textContent = text; }
function until(ms) { return new Date(ms).toLocaleString(); }
async function ask(method, body) {
  const sent = { method, credentials: "same-origin", cache: "no-store" };
  if (body) sent.body = JSON.stringify(body);
  const answer = await fetch(API, sent);
  return [answer.ok, await answer.json()];
}
async function show() {
  const [ok, told] = await ask("GET");
  out.hidden = !ok;
  if (!ok) return say("You are not signed in. `sheaf open` makes a link for this browser.");
  const may = told.scopes.includes("write") ? "look and act" : "look";
  say("You are signed in. This browser may " + may + " until " + until(told.expires_ms) + ".");
}
async function begin() {
  const code = location.hash.slice(1);
  // Before anything else: neither the address bar nor the history keeps the code.
  history.replaceState(null, "", location.pathname);
  if (!code) return show();
  const [ok, told] = await ask("POST", { code });
  if (ok) return show();
  say("This link does not hold: " + told.detail + ". If you have not used it, somebody else has: "
    + "`sheaf open --end` ends all sessions.");
}
out.onclick = async () => { await ask("DELETE"); await show(); };
begin().catch(() => say("The node does not answer. `sheaf serve` starts it."));
"""
_HTML: Final = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sheaf</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Sheaf</h1>
<p id="said" role="status">Signing in needs JavaScript.</p>
<p><button id="out" type="button" hidden>Sign out</button></p>
<script>{_SCRIPT}</script>
</body>
</html>
"""


def _source(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


PAGE: Final = _HTML.encode()
PAGE_HEADERS: Final = {
    "Content-Security-Policy": (
        f"default-src 'none'; script-src {_source(_SCRIPT)}; style-src {_source(_STYLE)}; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
