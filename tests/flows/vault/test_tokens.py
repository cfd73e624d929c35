"""The life of a Vault token in holdfast-vault: renewed, replaced before its end, used up, revoked."""

import datetime
import itertools
import os
import signal
import time

import pytest

from stage.agent import vault_signer
from stage.bao import BaoError, write_private
from vault.agents import agent_with
from vault.probe import Probe

SIGN = "/v1/ssh/sign/web"
SIGNED = (200, {}, b'{"data": {"signed_key": "a cert"}}')


@pytest.fixture
def with_role(bao, tmp_path):
    """Settings of an AppRole login with a role of the test's own, made with these options."""
    def make(policies=("ssh",), **options):
        role = bao.enable_approle(f"tokens-{next(numbers)}", policies=policies, **options)
        return {"address": bao.address, "ca": bao.ca_path, "login": "approle",
                "role_id_file": write_private(tmp_path / "role-id", role.role_id),
                "secret_id_file": write_private(tmp_path / "secret-id", role.secret_id())}
    return make


numbers = itertools.count()


@pytest.fixture
def with_approle(with_role):
    return with_role()


def accessors(bao):
    return set(bao.api("LIST", "auth/token/accessors")["data"]["keys"])


def left_of(bao, accessor):
    """How many seconds a token has left (whole ones are too coarse here); 0 when it is gone."""
    try:
        token = bao.api("POST", "auth/token/lookup-accessor", {"accessor": accessor})["data"]
        end = datetime.datetime.fromisoformat(token["expire_time"])
        return (end - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
    except BaoError as e:  # 403 to root: a token that is half revoked, found by its accessor only
        assert "invalid accessor" in str(e) or e.status == 403, e
        return 0


def sign_for(seconds, bao, probe, key):
    """Sign all the time; returns which tokens were there at each look."""
    seen = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        probe.cert(key)
        seen.append(accessors(bao))
        time.sleep(0.15)
    return seen


def sign_until_replaced(bao, probe, key, before):
    """Sign until there is a second token; True when the first still works then."""
    first = set()
    until = time.monotonic() + 20
    while time.monotonic() < until:
        probe.cert(key)
        now = accessors(bao) - before
        first = first or now
        if now - first:
            return left_of(bao, first.pop()) > 0
        time.sleep(0.05)
    return False


def test_before_its_max_ttl_a_token_is_replaced_while_it_works(bao, with_role, key):
    settings = with_role(["ssh", "default"], token_ttl="3s", token_max_ttl="5s")
    before = accessors(bao)
    with Probe(settings) as probe:
        assert sign_until_replaced(bao, probe, key, before)
        seen = sign_for(5, bao, probe, key)
    assert len(set.union(*seen) - before) <= 4


def test_an_explicit_max_ttl_is_seen_coming(bao, with_role, key):
    settings = with_role(["ssh", "default"], token_ttl="3s", token_max_ttl="1h",
                         token_explicit_max_ttl="5s")
    before = accessors(bao)
    with Probe(settings) as probe:
        assert sign_until_replaced(bao, probe, key, before)
        seen = sign_for(5, bao, probe, key)
    assert len(set.union(*seen) - before) <= 4


def test_a_token_that_may_not_be_renewed_is_replaced_while_it_works(bao, with_role, key):
    settings = with_role(["ssh"], token_ttl="4s", token_no_default_policy=True)
    before = accessors(bao)
    with Probe(settings) as probe:
        assert sign_until_replaced(bao, probe, key, before)
        seen = sign_for(5, bao, probe, key)
    assert len(set.union(*seen) - before) <= 4


def test_by_interval_too_it_is_replaced_before_its_end(bao, with_role, key):
    settings = with_role(["ssh", "default"], token_ttl="3s", token_max_ttl="5s")
    before = accessors(bao)
    with Probe({**settings, "renew_interval_s": 1}) as probe:
        assert sign_until_replaced(bao, probe, key, before)


def test_a_periodic_token_lives_on(bao, with_role, key):
    settings = with_role(["ssh", "default"], token_period="2s", token_max_ttl="0")
    before = accessors(bao)
    with Probe(settings) as probe:
        seen = sign_for(7, bao, probe, key)
        steps = probe.ask("check", server="test")
    assert len(set.union(*seen) - before) == 1
    facts = next(s for s in steps if s.get("step") == "token")["facts"]
    assert facts["period_s"] == "2"


def test_a_batch_token_is_replaced_and_never_renewed(bao, with_role, key):
    settings = with_role(["ssh", "default"], token_type="batch", token_ttl="3s")
    with Probe({**settings, "revoke_on_stop": 1}) as probe:
        sign_for(7, bao, probe, key)  # and the stop does not stumble over it
        token = next(s for s in probe.ask("check", server="test") if s.get("step") == "token")
    assert token["facts"]["type"] == "batch" and token["facts"]["renewable"] == "false"


def test_a_batch_token_that_was_handed_over(bao, with_token, key):
    write_private(with_token["token_file"], bao.token(["ssh"], type="batch", ttl="1h"))
    with Probe(with_token) as probe:
        probe.cert(key)
        probe.cert(key)


def test_a_token_of_few_uses_is_replaced_when_they_are_over(bao, with_role, key):
    settings = with_role(["ssh", "default"], token_num_uses=3)
    before = accessors(bao)
    seen = set()
    with Probe(settings) as probe:
        for _ in range(7):
            probe.cert(key)
            seen |= accessors(bao) - before
        assert probe.status()["last_error"] is None
    assert len(seen) <= 3


def test_a_handed_over_token_says_when_it_ends(bao, with_token):
    with Probe(with_token) as probe:
        token = next(s for s in probe.ask("check", server="test") if s.get("step") == "token")
    assert "was handed over and ends in" in token["text"]
    write_private(with_token["token_file"], bao.token(["ssh"], ttl="1h", num_uses=9,
                                                      explicit_max_ttl="2h"))
    with Probe(with_token) as probe:
        facts = next(s for s in probe.ask("check", server="test") if s.get("step") == "token")["facts"]
    assert facts["explicit_max_ttl_s"] == "7200" and 0 < int(facts["num_uses"]) < 9


def test_a_handed_over_token_is_never_replaced_by_itself(bao, with_token, key):
    write_private(with_token["token_file"], bao.token(["ssh", "default"], ttl="3s",
                                                      explicit_max_ttl="4s"))
    before = accessors(bao)
    with Probe(with_token) as probe:
        sign_for(2.5, bao, probe, key)
        time.sleep(2)
        assert probe.error(key)["native"] == 403
    assert not accessors(bao) - before


# --- the end -----------------------------------------------------------------------------

def is_alive(bao, accessor):
    return left_of(bao, accessor) > 0


def own_token(bao, probe, key):
    before = accessors(bao)
    probe.cert(key)
    (mine,) = accessors(bao) - before
    return mine


def test_revoked_at_a_clean_stop_where_asked(bao, with_approle, key):
    with Probe({**with_approle, "revoke_on_stop": 1}) as probe:
        mine = own_token(bao, probe, key)
        assert is_alive(bao, mine)
    assert not is_alive(bao, mine)


def test_not_revoked_where_not_asked(bao, with_approle, key):
    with Probe(with_approle) as probe:
        mine = own_token(bao, probe, key)
    assert is_alive(bao, mine)


def test_not_revoked_by_a_crash(bao, with_approle, key):
    probe = Probe({**with_approle, "revoke_on_stop": 1})
    mine = own_token(bao, probe, key)
    probe.process.kill()
    probe.process.communicate()
    time.sleep(1)
    assert is_alive(bao, mine)


def test_a_handed_over_token_is_never_revoked(bao, with_token, key):
    with Probe({**with_token, "revoke_on_stop": 1}) as probe:
        probe.cert(key)
    with Probe(with_token) as probe:
        probe.cert(key)


def test_an_unwrapped_token_is_revoked(bao, with_token, key):
    made = bao.api("POST", "auth/token/create", {"policies": ["ssh"]}, wrap_ttl="5m")["wrap_info"]
    write_private(with_token["token_file"], made["token"])
    with Probe({**with_token, "token_wrapped": 1, "revoke_on_stop": 1}) as probe:
        probe.cert(key)
        assert is_alive(bao, made["wrapped_accessor"])
    assert not is_alive(bao, made["wrapped_accessor"])


def test_revoked_when_its_server_is_removed(bao, with_approle, key):
    with Probe({**with_approle, "revoke_on_stop": 1}) as probe:
        mine = own_token(bao, probe, key)
        probe.ask("remove", name="test")
        until = time.monotonic() + 10
        while is_alive(bao, mine) and time.monotonic() < until:
            time.sleep(0.05)
        assert not is_alive(bao, mine)


@pytest.mark.parametrize("crash", [False, True], ids=["stop", "crash"])
def test_the_agent_s_clean_stop_revokes_and_its_crash_does_not(bao, place, with_approle, crash):
    signer = vault_signer(bao, method="approle", **{
        "role-id-file": str(with_approle["role_id_file"]), "revoke-on-stop": "yes",
        "secret-id-file": str(with_approle["secret_id_file"])})
    before = accessors(bao)
    with agent_with(place, signer, {}) as agent:
        agent.wait_active("web")
        (mine,) = accessors(bao) - before
        assert is_alive(bao, mine)
        if crash:
            agent.kill()
            time.sleep(1)
            assert is_alive(bao, mine)
            agent.start()
            return
    assert not is_alive(bao, mine)


def test_a_stop_does_not_wait_for_a_silent_server(bao, with_approle, key):
    with Probe({**with_approle, "revoke_on_stop": 1}) as probe:
        probe.cert(key)
        bao.pause()
        start = time.monotonic()
        probe.process.communicate(timeout=30)
        took = time.monotonic() - start
        bao.resume()
    assert took < 3


# --- how often ---------------------------------------------------------------------------

@pytest.fixture
def fake(fake):
    fake.answers[SIGN] = SIGNED
    return fake


@pytest.fixture
def with_fake(fake, tmp_path):
    return {"address": fake.address, "ca": fake.ca.path, "login": "userpass", "user": "alice",
            "password_file": write_private(tmp_path / "password", "secret")}


LOGIN = "/v1/auth/userpass/login/alice"


def lease(n=0, **more):
    auth = ", ".join(f'"{k}": {v}' for k, v in {"lease_duration": 3600, "renewable": "false", **more}.items())
    return 200, {}, f'{{"auth": {{"client_token": "s.{n}", {auth}}}}}'.encode()


def test_a_refused_login_is_not_repeated_in_a_loop(fake, with_fake, key):
    fake.answers[LOGIN] = (400, {}, b'{"errors": ["invalid username or password"]}')
    with Probe(with_fake) as probe:
        start = time.monotonic()
        for _ in range(10):
            answers = probe.sign_all(key, n=20)  # by all workers
            assert all("invalid username or password" in a["error"]["text"] for a in answers)
        assert "not tried again for" in answers[0]["error"]["text"]
        took = time.monotonic() - start
    assert len(fake.asked(LOGIN)) <= 1 + took  # after 1 s, 3 s, 7 s, ...


def test_logins_that_do_not_help_have_a_bound(fake, with_fake, key):
    count = iter(range(1000))
    fake.answers[LOGIN] = lambda _: lease(next(count))
    replies = [SIGNED, (403, {}, b'{"errors": ["permission denied"]}')] * 40
    fake.answers[SIGN] = replies  # each token works once, so each refusal is one of the token
    with Probe(with_fake) as probe:
        start = time.monotonic()
        for _ in range(40):
            probe.sign(key)
        took = time.monotonic() - start
    assert len(fake.asked(LOGIN)) <= 6 + took / 10 + 1


def test_short_tokens_have_the_bound_too(fake, with_fake, key):
    count = iter(range(1000))
    fake.answers[LOGIN] = lambda _: lease(next(count), num_uses=1)
    with Probe(with_fake) as probe:
        start = time.monotonic()
        answers = [probe.sign(key) for _ in range(30)]
        took = time.monotonic() - start
    assert len(fake.asked(LOGIN)) <= 6 + took / 10 + 1
    assert "logged in too often of late" in answers[-1]["error"]["text"]


def test_a_helper_that_dies_in_a_loop_logs_in_at_a_bounded_rate(fake, with_fake, key):
    fake.answers[LOGIN] = lease()
    with Probe(with_fake) as probe:
        until = time.monotonic() + 6
        while time.monotonic() < until:
            probe.sign(key, deadline_ms=500)
            pid = probe.status()["pid"]
            if pid:
                os.kill(pid, signal.SIGKILL)
    assert 2 <= len(fake.asked(LOGIN)) <= 8  # 0.1 s, 0.2 s, 0.4 s, ... between its lives


def test_a_token_is_on_no_disk(fake, with_fake, key, tmp_path):
    fake.answers[LOGIN] = lease("a-token-that-is-not-to-be-found")
    with Probe(with_fake, env={"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}) as probe:
        probe.cert(key)
        pid = probe.status()["pid"]
        open_files = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    assert not [f for f in open_files if f.startswith("/") and not f.startswith("/dev/")]
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"a-token-that-is-not" not in path.read_bytes(), path
