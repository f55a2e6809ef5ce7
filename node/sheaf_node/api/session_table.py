"""Rows of the table of routes: how a browser signs in and out."""

from __future__ import annotations

from typing import Any, Final

from sheaf_node.api import signing_in
from sheaf_node.api.route import Bytes, JsonBody, NoBody, NoQuery, Route, Scope
from sheaf_node.api.session_model import EndedSessions, SignIn, SignInLink, WantedLink, Who

SESSION_ROUTES: Final[tuple[Route[Any, Any], ...]] = (
    Route(
        method="GET",
        path=signing_in.PATH,
        name="getSignInPage",
        summary="The page that a sign-in link leads to",
        scope=Scope.OPEN,
        query=NoQuery,
        body=NoBody(),
        replies={200: Bytes("The page.", "text/html")},
        answer=signing_in.get_page,
    ),
    Route(
        method="POST",
        path="/api/v1/session/links",
        name="createSignInLink",
        summary="Makes a link by which one browser signs in within a minute, answers 201",
        scope=Scope.HOME,
        query=NoQuery,
        body=JsonBody(WantedLink),
        replies={201: SignInLink},
        answer=signing_in.post_link,
        codes=frozenset({"api.json"}),
    ),
    Route(
        method="POST",
        path="/api/v1/session",
        name="beginSession",
        summary="Signs a browser in by the code of a link, answers 201 with its cookie",
        scope=Scope.OPEN,
        query=NoQuery,
        body=JsonBody(SignIn),
        replies={201: Who},
        answer=signing_in.post_session,
        codes=frozenset({"api.json", "session.link"}),
    ),
    Route(
        method="GET",
        path="/api/v1/session",
        name="getSession",
        summary="Who asks, and what is open to them",
        scope=Scope.READ,
        query=NoQuery,
        body=NoBody(),
        replies={200: Who},
        answer=signing_in.get_session,
    ),
    Route(
        method="DELETE",
        path="/api/v1/session",
        name="endSession",
        summary="Signs the browser out that asks",
        scope=Scope.READ,
        query=NoQuery,
        body=NoBody(),
        replies={200: EndedSessions},
        answer=signing_in.delete_session,
        codes=frozenset({"session.none"}),
    ),
    Route(
        method="DELETE",
        path="/api/v1/sessions",
        name="endSessions",
        summary="Signs all browsers out, and ends all links",
        scope=Scope.HOME,
        query=NoQuery,
        body=NoBody(),
        replies={200: EndedSessions},
        answer=signing_in.delete_sessions,
    ),
)
