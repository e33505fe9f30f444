#!/usr/bin/env bash
# Flash a board. The script runs itself again with a board of its own: meanwhile
# neither a test nor a person is given it.
set -euo pipefail
if [ "${1:-}" != --with-board ]; then
  exec rtest-report lock --pool boards --name flash -- "$0" --with-board "$@"
fi
shift
flash-tool "$RTEST_KEYS" "$@"
