"""The standbys of a real cluster. By themselves they hand a request on to the leader; told not to, they
redirect to where the leader says that it is. Each node has a front of the test's as that address, which
sees who comes; those of the standbys add what makes them redirect. (OpenBao's standbys answer by
themselves what writes nothing, a signature too, unless that is switched off.)"""

import contextlib

import pytest

from stage.bao import BaoCluster, Ca, bao_program, write_private
from vault.probe import Probe
from vault.servers import Front

ALONE = "X-Vault-No-Request-Forwarding"
SIGN = "/v1/ssh/sign/web"


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    """Fronts: the leader's, then the standbys'."""
    if not bao_program():
        pytest.skip("no bao program: run ./dev once")
    ca = Ca(tmp_path_factory.mktemp("fronts"))
    with contextlib.ExitStack() as stack:
        fronts = [stack.enter_context(Front(ca)) for _ in range(3)]
        cluster = stack.enter_context(BaoCluster([
            {"api_addr": front.address, "disable_standby_reads": True} for front in fronts]))
        for front, node in zip(fronts, cluster.nodes):
            front.bao = node
        leader = cluster.leader()
        leader.enable_ssh("ssh", "web", allowed_users="deploy")
        leader.allow_sign("ssh", "ssh/web")
        yield sorted(fronts, key=lambda front: front.bao is not leader)


@pytest.fixture
def fronts(nodes):
    for front in nodes:
        front.requests.clear()
        front.connections, front.adds = 0, {}
    for standby in nodes[1:]:
        standby.adds = {ALONE: "true"}
    return nodes


@pytest.fixture
def settings(fronts, tmp_path):
    """Of a server with these addresses."""
    leader = fronts[0].bao
    file = write_private(tmp_path / "token", leader.token(["ssh"], ttl="1h"))

    def make(first, *more):
        others = {"more": "+".join(front.address for front in more)} if more else {}
        return {"address": first.address, "ca": first.ca_path, "token_file": file, **others}
    return make


def test_a_standby_hands_on_for_us(fronts, settings, key):
    leader, standby, _ = fronts
    standby.adds = {}
    with Probe(settings(standby)) as probe:
        assert probe.cert(key)["cert"].startswith("ecdsa-sha2-nistp256-cert-v01@openssh.com ")
    assert leader.requests == [] and len(standby.asked(SIGN)) == 1
    assert not any(name.lower() == ALONE.lower() for r in standby.requests for name in r["headers"])


def test_a_redirect_to_a_configured_host_is_followed(fronts, settings, key):
    leader, *standbys = fronts
    with Probe(settings(*standbys, leader)) as probe:
        for _ in range(5):
            assert probe.cert(key)["cert"].startswith("ecdsa-sha2-nistp256-cert-v01@openssh.com ")
    assert len(leader.asked(SIGN)) == 5
    assert all(len(standby.requests) == 1 for standby in standbys)  # it stays with the leader


def test_a_redirect_to_another_host_gets_nothing_there(fronts, settings, key):
    leader, standby, _ = fronts
    with Probe(settings(standby)) as probe:
        error = probe.error(key)
        assert f'redirects to "{leader.address}/v1/' in error["text"]
        assert f"add {leader.address} to the addresses of this server" in error["text"]
        assert (error["code"], error["native"]) == ("remote", 307)
        assert leader.connections == 0 and standby.requests
        probe.ask("put", name="test", **settings(standby, leader))  # as it says
        probe.cert(key)


def test_standbys_that_know_no_other_are_not_asked_in_a_loop(fronts, settings, key):
    leader, *standbys = fronts
    with Probe(settings(*standbys)) as probe:
        error = probe.error(key)
    assert "none of 2 addresses is of use" in error["text"] and leader.address in error["text"]
    assert leader.connections == 0 and all(len(standby.requests) <= 2 for standby in standbys)
