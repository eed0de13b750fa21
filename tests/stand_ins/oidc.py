"""A small OpenID Connect provider on a port of this machine: discovery, keys, authorization, token, userinfo.

It signs with a real RSA key and checks what a careful provider checks: the client, the redirect address, PKCE, and that
a code is used once. A test changes what it answers next through `claims`, `signs_with` and `forgets`.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, abort, jsonify, redirect, request
from joserfc import jwt
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server

CLIENT, SECRET = "warmline", "only-for-tests"


@dataclass
class StandInCity:
    """The city's sign-in. Everyone who signs in gets `claims`, with their `sub`; the test plays the browser."""

    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"}))
    signs_with: RSAKey | None = None
    claims: dict[str, Any] = field(default_factory=dict)
    forgets: set[str] = field(default_factory=set)
    says_in_userinfo: dict[str, Any] | None = None
    issuer: str = ""
    calls_itself: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.claims = {"sub": "city-17", "email": "rosa@example.org", "email_verified": True} | self.claims
        self.app = Flask("stand_in_city")
        self.app.add_url_rule("/.well-known/openid-configuration", view_func=self._discovery)
        self.app.add_url_rule("/keys", view_func=self._keys)
        self.app.add_url_rule("/authorize", view_func=self._authorize)
        self.app.add_url_rule("/token", view_func=self._token, methods=["POST"])
        self.app.add_url_rule("/userinfo", view_func=self._userinfo)

    def _discovery(self) -> Response:
        return jsonify(
            issuer=self.calls_itself or self.issuer,
            authorization_endpoint=f"{self.issuer}/authorize",
            token_endpoint=f"{self.issuer}/token",
            userinfo_endpoint=f"{self.issuer}/userinfo",
            jwks_uri=f"{self.issuer}/keys",
            response_types_supported=["code"],
            subject_types_supported=["public"],
            id_token_signing_alg_values_supported=["RS256"],
            code_challenge_methods_supported=["S256"],
        )

    def _keys(self) -> Response:
        return jsonify(keys=[self.key.as_dict(private=False)])

    def _authorize(self) -> Response:
        asked = request.args.to_dict()
        self.asked.append(asked)
        if asked.get("client_id") != CLIENT or asked.get("code_challenge_method") != "S256":
            abort(400)
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        answer = redirect(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}")
        assert isinstance(answer, Response)
        return answer

    def _token(self) -> Response:
        asked = self._codes.pop(request.form["code"], None)
        given = request.authorization
        if asked is None or given is None or (given.username, given.password) != (CLIENT, SECRET):
            return _error("invalid_grant")
        if request.form["redirect_uri"] != asked["redirect_uri"] or not _fits(request.form, asked["code_challenge"]):
            return _error("invalid_grant")
        token = jwt.encode({"alg": "RS256", "kid": "one"}, self._identity(asked["nonce"]), self.signs_with or self.key)
        return jsonify(access_token="access", token_type="Bearer", expires_in=3600, id_token=token)

    def _identity(self, nonce: str) -> dict[str, Any]:
        now = int(time.time())
        whole = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce} | self.claims
        return {name: value for name, value in whole.items() if name not in self.forgets}

    def _userinfo(self) -> Response:
        if request.headers.get("Authorization") != "Bearer access":
            abort(401)
        return jsonify(self.says_in_userinfo or {"sub": self.claims["sub"]})


@contextmanager
def open_city(**changes: Any) -> Iterator[StandInCity]:
    """Run the provider on a free port, with these fields changed."""
    city = StandInCity(**changes)
    server = make_server("127.0.0.1", 0, city.app, threaded=True)
    city.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield city
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _fits(form: Any, challenge: str) -> bool:
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == challenge


def _error(word: str) -> Response:
    response = jsonify(error=word)
    response.status_code = 400
    return response
