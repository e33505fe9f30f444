import os
import subprocess


def test_board():
    subprocess.run(["flash-tool", os.environ["RTEST_KEYS"], *os.environ["LINELAB_USE"].split()], check=True)
