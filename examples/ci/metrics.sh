#!/bin/sh
# metrics.sh EVENTS TEXTFILE_DIR: what a node exporter shows of the events so far.
#
# Call it on the runner after a run, or from cron. The exporter reads *.prom files
# of the directory behind --collector.textfile.directory. The file is replaced in
# one step, so that the exporter reads the old one or the new one.
set -eu
go tool rtest-report metrics --events "$1" --output "$2/rtest.prom"
