"""Lessons out of other projects' issue threads: each has a test that fails where it is not honoured.

The numbers are those of the design's list of peers; most tests cite the threads themselves."""

import re

import pytest

from tree import ROOT

MAIN, VAULT = "flows/main/test_threads.py", "flows/vault/test_threads.py"
TESTS = {
    # certificates are forwarded with the agent, which CertificateFile is not
    27: [(MAIN, "test_27_a_certificate_is_forwarded_with_the_agent")],
    # more than six keys are too many: few on each socket, and a warning
    28: [("flows/registry/test_scopes.py", "test_tags_decide_at_once"),
         ("flows/registry/test_scopes.py", "test_a_socket_shows_its_project_and_what_is_above"),
         ("unit/control/status_test.c", "test_too_many_keys")],
    # many certificates for one key, several sockets
    29: [(MAIN, "test_29_one_key_has_many_certificates")],
    # what has expired is not shown, what is new comes first
    30: [("flows/main/test_renewal.py", "test_an_expired_certificate_is_withdrawn"),
         ("unit/identity/cert_test.c", "expires_to_the_second"),
         ("unit/identity/offers_test.c", "certificates_come_first")],
    # some clients need the bare key, some send no flags
    31: [("flows/main/test_login.py", "test_offer_both_and_key"),
         ("flows/main/test_clients.py",
          "test_flags_0_with_an_rsa_certificate_takes_the_request_s_algorithm")],
    # certificates were cut off, "forever" was rejected
    32: [(MAIN, "test_32_a_long_certificate_comes_out_whole"),
         ("unit/identity/cert_test.c", "valid_forever_stays")],
    # a certificate could not be refreshed or removed
    33: [(MAIN, "test_33_a_renewed_certificate_takes_the_place_of_the_old"),
         ("unit/identity/change_test.c", "one_that_goes_takes_all_with_it")],
    # renewal goes by the certificate, not by a lease
    34: [(VAULT, "test_thread_34_renews_by_the_certificate_and_not_by_a_lease")],
    # a new Vault token is no reason for new certificates
    35: [(VAULT, "test_thread_35_a_token_that_is_renewed_or_replaced_issues_nothing")],
    # jobs outlive the certificate, parallel ones raced
    36: [(MAIN, "test_36_many_that_ask_for_a_renewal_share_one_request"),
         (VAULT, "test_thread_36_parallel_requests_are_one_login"),
         ("flows/main/test_renewal.py", "test_five_renewals_without_a_failed_login")],
    # an agent that was not filled again, or kept what was gone
    37: [(MAIN, "test_37_what_the_agent_shows_is_what_is_declared")],
    # what a role allows, in plain words; Vault's own error
    38: [(VAULT, "test_thread_38_vaults_error_is_shown_as_it_is"),
         (VAULT, "test_thread_38_what_a_role_allows_is_told"),
         ("flows/registry/test_vault_cli.py", "test_a_templated_role_is_told_as_one")],
    # no certificate without principals
    39: [(VAULT, "test_thread_39_principals_are_always_sent"),
         ("unit/ssh/cert_prove_test.c", "test_no_principals_at_all"),
         ("flows/main/test_every_failure.py", "test_of_a_server_that_no_vault_is")],
    # certificates can be revoked, or no longer be offered
    40: [("flows/main/test_ca.py", "test_a_revoked_certificate_is_refused_by_sshd"),
         ("flows/registry/test_scopes.py", "test_an_end_is_seen_on_every_socket_at_once")],
    # certificates without a file beside the agent
    41: [(MAIN, "test_41_a_stock_client_needs_no_word_about_certificates")],
    # keys on tokens for all of it: a CA's, a login's, an identity's
    42: [("flows/main/test_ca.py", "test_every_certificate_is_in_the_trail"),
         ("flows/main/test_login_key.py", "test_log_in_by_certificate"),
         ("flows/main/test_login.py", "test_the_private_key_cannot_leave")],
    # clients that know no certificates
    43: [(MAIN, "test_43_a_client_that_knows_no_certificates_logs_in_with_one")],
    # a host's key behind HostKeyAgent, certified
    44: [("flows/main/test_host.py", "test_a_client_needs_no_prompt"),
         ("flows/main/test_host.py", "test_what_sshd_complains_of_is_explained"),
         ("flows/main/test_host.py", "test_a_renewal_reaches_the_file")],
    # a host's key on a token
    45: [("flows/main/test_host.py", "test_a_client_needs_no_prompt")],
    # a refusal is neither a hot loop nor the end
    46: [(VAULT, "test_thread_46_no_right_to_renew_is_no_hot_loop"),
         (VAULT, "test_thread_46_by_interval_neither"),
         (VAULT, "test_thread_46_a_403_ends_nothing_and_is_mended_without_a_restart"),
         ("flows/main/test_bounds.py", "test_refusals_for_more_than_a_minute")],
}


def test_every_thread_is_here():
    assert list(TESTS) == list(range(27, 47))


@pytest.mark.parametrize("file, name", sorted({row for rows in TESTS.values() for row in rows}))
def test_it_is_there_and_runs(file, name):
    text = (ROOT / "tests" / file).read_text()
    if file.endswith(".py"):
        assert re.search(rf"^def {name}\(", text, re.MULTILINE)
    else:
        assert re.search(rf"^static void {name}\(void \*\*", text, re.MULTILINE)
        assert re.search(rf"\(\s*{name}\b", text.split("int main(")[1])
