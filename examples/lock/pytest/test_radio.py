import subprocess

import pytest


@pytest.mark.parametrize("channel", range(4))
def test_radio(board, channel):
    subprocess.run(["flash-tool", board, f"channel-{channel}"], check=True)
