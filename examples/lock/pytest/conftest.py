import subprocess

import pytest


@pytest.fixture
def board(request):
    """The key of a board that nobody else has while the test runs."""
    command = ["rtest-report", "lock", "--pool", "boards", "--name", request.node.nodeid,
               "--", "sh", "-c", 'printf "%s\\n" "$RTEST_KEYS"; cat']
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as lock:
        key = lock.stdout.readline().rstrip("\n")
        assert key, "no board: see what rtest-report says"
        yield key
        lock.stdin.close()
    assert lock.returncode == 0, f"{key} was lost while the test used it"
