"""How the MongoDB connector connects and lets go: login, TLS for the name, the checked address, cancel."""

from __future__ import annotations

import json
import ssl
import threading
import tracemalloc
from collections.abc import Iterator
from typing import Any

import bson
import pytest
import trustme

from connectors.mongodb import MongodbConfig, MongodbConnector
from shared.errors import Cancelled, SourceRejected, SourceUnavailable
from shared.plugins import Query
from tests.plugins.connector_contract import control
from tests.services.mongodb_server import MongoServer, run_mongodb

pytestmark = pytest.mark.service
MANY = json.dumps({"collection": "many", "columns": [{"name": "n", "type": "long"}]})


@pytest.fixture
def connector(mongodb_server: MongoServer) -> MongodbConnector:
    mongodb_server.raw["many"] = lambda: (bson.encode({"n": n}) for n in range(10_000))
    return make(mongodb_server)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_server(authority: trustme.CA) -> Iterator[MongoServer]:
    """Its certificate is for the name localhost, not for an address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with run_mongodb(context) as server:
        server.client["shop"]["orders"].insert_one({"_id": 1})
        yield server


def make(server: MongoServer, **changes: Any) -> MongodbConnector:
    return MongodbConnector(MongodbConfig(**{**server.config, **changes}))


@pytest.mark.parametrize(
    "changes", [{"password": "wrong"}, {"username": "nobody"}, {"username": None, "password": None}]
)
def test_a_wrong_login_is_told_as_one(mongodb_server: MongoServer, changes: dict[str, Any]) -> None:
    with pytest.raises(SourceRejected, match=r"^Login") as refused:
        make(mongodb_server, **changes).check(control())
    assert "auth_source" in str(refused.value.hint)
    assert "s3cret" not in f"{refused.value} {refused.value.hint}"


def test_a_collection_that_the_login_may_not_read_is_told_as_such(
    connector: MongodbConnector, mongodb_server: MongoServer
) -> None:
    mongodb_server.refused = {"find"}
    with (
        pytest.raises(SourceRejected, match="may not read") as refused,
        connector.stream(Query(MANY), control()) as rows,
    ):
        rows.read_all()
    assert "find" in str(refused.value.hint)


def test_a_login_is_whole_or_not_there() -> None:
    with pytest.raises(ValueError, match="username and password, or neither"):
        MongodbConfig(host="db.example.com", database="shop", username="reports")


@pytest.mark.parametrize(
    "host", ["mongodb://db.example.com", "a.example.com,b.example.com", "db.example.com/?tls=false"]
)
def test_a_host_is_no_uri(host: str) -> None:
    with pytest.raises(ValueError, match="host name"):
        MongodbConfig(host=host, database="shop")


def test_tls_is_for_the_name_though_the_address_is_pinned(tls_server: MongoServer, authority: trustme.CA) -> None:
    trusted = {"tls": "verify", "ca_certificate": authority.cert_pem.bytes().decode()}
    assert make(tls_server, host="localhost", **trusted).check(control()) == "MongoDB 7.0.0"
    with pytest.raises(SourceRejected, match=r"^TLS"):
        make(tls_server, **trusted).check(control())


def test_an_unknown_authority_is_refused_where_it_is_verified(tls_server: MongoServer) -> None:
    with pytest.raises(SourceRejected, match=r"^TLS"):
        make(tls_server, host="localhost", tls="verify").check(control())
    assert not tls_server.commands  # no login was tried
    assert make(tls_server, host="localhost", tls="require").check(control())


def test_prefer_takes_tls_where_it_is_offered(tls_server: MongoServer, connector: MongodbConnector) -> None:
    assert make(tls_server, tls="prefer").check(control())


def test_prefer_goes_on_without_tls_and_require_does_not(
    mongodb_server: MongoServer, connector: MongodbConnector
) -> None:
    assert make(mongodb_server, tls="prefer").check(control())
    with pytest.raises(SourceRejected, match=r"^TLS"):
        make(mongodb_server, tls="require").check(control())


def test_the_driver_looks_up_no_name_itself(
    connector: MongodbConnector, mongodb_server: MongoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second answer of the name server, after the guard looked at the first, must not move the connection."""
    import connectors._server as guarded
    from shared.network import resolve

    asked: list[str] = []
    lookup = guarded.socket.getaddrinfo

    def recording(host: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(host)
        return lookup(host, *args, **kwargs)

    monkeypatch.setattr(guarded, "resolve", lambda host, port, policy: resolve("127.0.0.1", port, policy))
    monkeypatch.setattr("socket.getaddrinfo", recording)
    assert make(mongodb_server, host="moved.example.com").check(control())
    assert asked
    assert set(asked) == {"127.0.0.1"}


def test_leaving_early_closes_the_cursor_on_the_server(
    connector: MongodbConnector, mongodb_server: MongoServer
) -> None:
    with connector.stream(Query(MANY, batch_rows=10), control()) as reader:
        reader.read_next_batch()
        assert mongodb_server.cursors
    assert not mongodb_server.cursors
    assert mongodb_server.named("killCursors")


def test_a_misfit_closes_the_cursor_on_the_server(connector: MongodbConnector, mongodb_server: MongoServer) -> None:
    text = json.dumps({"collection": "many", "columns": [{"name": "n", "type": "string"}]})
    with pytest.raises(SourceRejected), connector.stream(Query(text), control()) as reader:
        reader.read_all()
    assert not mongodb_server.cursors


@pytest.fixture(params=[{}, {"killSessions"}, {"killSessions", "killOp", "aggregate"}])
def kills(request: pytest.FixtureRequest, mongodb_server: MongoServer) -> set[str]:
    mongodb_server.refused = set(request.param)
    return mongodb_server.refused


def test_cancel_reaches_a_cursor_that_stalls_in_the_middle(
    connector: MongodbConnector, mongodb_server: MongoServer, kills: set[str]
) -> None:
    mongodb_server.stalls.add("many:more")
    reins = control()

    def cancel() -> None:
        mongodb_server.is_stalled.wait(30)
        reins.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    query = Query(MANY, tag="0199-abc", batch_rows=50)
    with pytest.raises(Cancelled), connector.stream(query, reins) as reader:
        reader.read_all()
    thread.join()
    names = [next(iter(command)) for command in mongodb_server.commands]
    assert "killSessions" in names
    assert ("killOp" in names) == (kills == {"killSessions"})


def test_a_connection_that_breaks_in_the_middle_is_worth_another_try(
    connector: MongodbConnector, mongodb_server: MongoServer
) -> None:
    def breaks() -> Iterator[bytes]:
        for n in range(200):
            yield bson.encode({"n": n})
        raise OSError("the wire was cut")

    mongodb_server.raw["many"] = breaks
    with pytest.raises(SourceUnavailable), connector.stream(Query(MANY), control()) as reader:
        reader.read_all()


def test_memory_does_not_grow_with_the_rows(connector: MongodbConnector, mongodb_server: MongoServer) -> None:
    """A hundred and twenty megabytes; one reply holds 16."""
    document = bson.encode({"n": 1, "filler": "x" * 10_000})
    mongodb_server.raw["many"] = lambda: (document for _ in range(12_000))
    tracemalloc.start()
    with connector.stream(Query(MANY), control()) as reader:
        count = sum(batch.num_rows for batch in reader)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 12_000
    assert peak < 150 << 20  # of which the test's server, in the same process, takes most for its own replies
